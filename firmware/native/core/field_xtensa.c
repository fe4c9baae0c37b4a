/*
 * fe_mul and fe_sqr for Xtensa with the windowed ABI (ESP32, S2, S3), in limbs of 29 bits as field_29.c has them. LLVM
 * keeps factors on the stack; here the columns of a product are made three at a time, which share what is loaded, in
 * just the registers that there are.
 *
 * First come all columns of the product, each as two words, lo and hi, which go to the stack; then the reduction, one
 * for each p and for products and squares alike, with all of the multiples u of p in registers. In C, in assembly at
 * the top, so that the core is one object. Constant time: nothing branches but on the modulus.
 *
 * Room: lo - 2^29 hi modulo 2^32 has to be the sum of a column's low parts, from 0 on and below eight units of 2^29.
 * There is one unit for each product since SETTLE, which leaves one; one for what came over; one for each term of p;
 * and half a unit in columns 9 to 16, which makes their limbs signed. The low part of a term with minus is below 0: n
 * units are added, n the most such terms in a column, and n is taken from what goes over: by CARRY_LESS up to column 8,
 * later by the next column's constant.
 *
 * What comes over is split into a low part and the rest but where it is small: it is below 3/4 of a unit in columns 1
 * and 2, which are at most four units with it, taken as signed; below 3/8 in columns 15 and 16, in which limb 8, of 25
 * bits, is part of all products before, or limb 7 by itself, and a unit and a half are added.
 */
#include "field.h"

#include <stddef.h>

#if MS_XTENSA

/* clang-format off */

/* --- the columns: a3, a4 factors; a8 to a13 three columns, lo and hi; a2 free --- */

#define LO0 "a8"
#define HI0 "a9"
#define LO1 "a10"
#define HI1 "a11"
#define LO2 "a12"
#define HI2 "a13"
/* a limb of the second factor, in the register of its number modulo 3 */
#define Y0 "a7"
#define Y1 "a14"
#define Y2 "a15"
#define Y3 Y0
#define Y4 Y1
#define Y5 Y2
#define Y6 Y0
#define Y7 Y1
#define Y8 Y2

/* a5, a6 = limb i of the first factor, and 8 times that */
#define X(i) "l32i.n a5, a3, 4*" #i "\n slli a6, a5, 3\n"
#define Y(j) "l32i.n " Y##j ", a4, 4*" #j "\n"
#define TWICE(j) "l32i.n " Y##j ", a3, 4*" #j "\n add.n " Y##j ", " Y##j ", " Y##j "\n"
/* the first product of a column, and the others: limb of a5 by y */
#define F_(c, y) "mull " LO##c ", a5, " y "\n mulsh " HI##c ", a6, " y "\n"
#define P_(c, y) "mull a2, a5, " y "\n add.n " LO##c ", " LO##c ", a2\n" \
    "mulsh a2, a6, " y "\n add.n " HI##c ", " HI##c ", a2\n"
#define F(c, j) F_(c, Y##j)
#define P(c, j) P_(c, Y##j)
#define F_SQUARE(c) F_(c, "a5")
#define P_SQUARE(c) P_(c, "a5")
#define SETTLE_(lo, hi, t) \
    "slli " t ", " hi ", 29\n sub " t ", " lo ", " t "\n extui " t ", " t ", 29, 3\n add.n " hi ", " hi ", " t "\n"
#define SETTLE(c) SETTLE_(LO##c, HI##c, "a2")
#define SAVE(c, k) "s32i.n " LO##c ", a1, 8*" #k "\n s32i.n " HI##c ", a1, 8*" #k "+4\n"
#define SAVE_FAR(c, k) "s32i " LO##c ", a1, 8*" #k "\n s32i " HI##c ", a1, 8*" #k "+4\n"

#define PRODUCT \
    X(0) Y(0) F(0, 0) Y(1) F(1, 1) Y(2) F(2, 2) \
    X(1) P(1, 0) P(2, 1) \
    X(2) P(2, 0) \
    SAVE(0, 0) SAVE(1, 1) SAVE(2, 2) \
    X(0) Y(3) F(0, 3) Y(4) F(1, 4) Y(5) F(2, 5) \
    X(1) Y(2) P(0, 2) P(1, 3) P(2, 4) \
    X(2) Y(1) P(0, 1) P(1, 2) P(2, 3) \
    X(3) Y(0) P(0, 0) P(1, 1) P(2, 2) \
    X(4) P(1, 0) P(2, 1) \
    X(5) P(2, 0) \
    SETTLE(2) SAVE(0, 3) SAVE(1, 4) SAVE(2, 5) \
    X(0) Y(6) F(0, 6) Y(7) F(1, 7) Y(8) F(2, 8) \
    X(1) Y(5) P(0, 5) P(1, 6) P(2, 7) \
    X(2) Y(4) P(0, 4) P(1, 5) P(2, 6) \
    X(3) Y(3) P(0, 3) P(1, 4) P(2, 5) \
    X(4) Y(2) P(0, 2) P(1, 3) P(2, 4) \
    X(5) Y(1) P(0, 1) P(1, 2) P(2, 3) \
    X(6) Y(0) P(0, 0) P(1, 1) P(2, 2) \
    X(7) P(1, 0) P(2, 1) SETTLE(2) \
    X(8) P(2, 0) \
    SETTLE(0) SETTLE(1) SAVE(0, 6) SAVE(1, 7) SAVE_FAR(2, 8) \
    X(1) Y(8) F(0, 8) \
    X(2) Y(7) P(0, 7) F(1, 8) \
    X(3) Y(6) P(0, 6) P(1, 7) F(2, 8) \
    X(4) Y(5) P(0, 5) P(1, 6) P(2, 7) \
    X(5) Y(4) P(0, 4) P(1, 5) P(2, 6) \
    X(6) Y(3) P(0, 3) P(1, 4) P(2, 5) \
    X(7) Y(2) P(0, 2) P(1, 3) P(2, 4) \
    X(8) Y(1) P(0, 1) P(1, 2) P(2, 3) \
    SETTLE(0) SETTLE(1) SETTLE(2) SAVE_FAR(0, 9) SAVE_FAR(1, 10) SAVE_FAR(2, 11) \
    X(4) Y(8) F(0, 8) \
    X(5) Y(7) P(0, 7) F(1, 8) \
    X(6) Y(6) P(0, 6) P(1, 7) F(2, 8) \
    X(7) Y(5) P(0, 5) P(1, 6) P(2, 7) \
    X(8) Y(4) P(0, 4) P(1, 5) P(2, 6) \
    SETTLE(0) SETTLE(1) SAVE_FAR(0, 12) SAVE_FAR(1, 13) SAVE_FAR(2, 14) \
    Y(8) F(1, 8) Y(7) F(0, 7) \
    X(7) P(0, 8) \
    SAVE_FAR(0, 15) SAVE_FAR(1, 16)

#define SQUARE \
    X(0) F_SQUARE(0) TWICE(1) F(1, 1) TWICE(2) F(2, 2) \
    X(1) P_SQUARE(2) \
    SAVE(0, 0) SAVE(1, 1) SAVE(2, 2) \
    X(0) TWICE(3) F(0, 3) TWICE(4) F(1, 4) TWICE(5) F(2, 5) \
    X(1) TWICE(2) P(0, 2) P(1, 3) P(2, 4) \
    X(2) P_SQUARE(1) P(2, 3) \
    SAVE(0, 3) SAVE(1, 4) SAVE(2, 5) \
    X(0) TWICE(6) F(0, 6) TWICE(7) F(1, 7) TWICE(8) F(2, 8) \
    X(1) TWICE(5) P(0, 5) P(1, 6) P(2, 7) \
    X(2) TWICE(4) P(0, 4) P(1, 5) P(2, 6) \
    X(3) P_SQUARE(0) P(1, 4) P(2, 5) \
    X(4) P_SQUARE(2) \
    SETTLE(2) SAVE(0, 6) SAVE(1, 7) SAVE_FAR(2, 8) \
    X(1) TWICE(8) F(0, 8) \
    X(2) TWICE(7) P(0, 7) F(1, 8) \
    X(3) TWICE(6) P(0, 6) P(1, 7) F(2, 8) \
    X(4) TWICE(5) P(0, 5) P(1, 6) P(2, 7) \
    X(5) P_SQUARE(1) P(2, 6) \
    SETTLE(0) SETTLE(1) SETTLE(2) SAVE_FAR(0, 9) SAVE_FAR(1, 10) SAVE_FAR(2, 11) \
    X(4) TWICE(8) F(0, 8) \
    X(5) TWICE(7) P(0, 7) F(1, 8) \
    X(6) P_SQUARE(0) P(1, 7) F(2, 8) \
    X(7) P_SQUARE(2) \
    SAVE_FAR(0, 12) SAVE_FAR(1, 13) SAVE_FAR(2, 14) \
    F(0, 8) \
    X(8) F_SQUARE(1) \
    SAVE_FAR(0, 15) SAVE_FAR(1, 16)

/* --- the reduction: a2 result; a3 to a11 u; a12 mask; a13, a14 lo and hi; a15 free; from column 9 on, where u0 and
 * then u1 are not needed any more, a3 and a4 what is added to lo and 2^28 --- */

#define U0 "a3"
#define U1 "a4"
#define U2 "a5"
#define U3 "a6"
#define U4 "a7"
#define U5 "a8"
#define U6 "a9"
#define U7 "a10"
#define U8 "a11"

#define BEGIN(k) COLUMN("l32i.n", k)
#define BEGIN_FAR(k) COLUMN("l32i", k)
#define COLUMN(load, k) load " a13, a1, 8*" #k "\n " load " a15, a1, 8*" #k "+4\n" \
    "add.n a13, a13, a14\n srai a14, a14, 29\n add.n a14, a14, a15\n"
/* where what comes over is small; LOW_SIGNED for columns that may be below 0 */
#define BEGIN_SMALL(k) SMALL_COLUMN("l32i.n", k)
#define BEGIN_SMALL_FAR(k) SMALL_COLUMN("l32i", k)
#define SMALL_COLUMN(load, k) load " a13, a1, 8*" #k "\n add.n a13, a13, a14\n " load " a14, a1, 8*" #k "+4\n"
#define LOW_SIGNED(u) "slli a15, a14, 29\n sub a15, a13, a15\n srai a15, a15, 29\n add.n a14, a14, a15\n" \
    "and " U##u ", a13, a12\n"
#define LOW(u) SETTLE_("a13", "a14", "a15") "and " U##u ", a13, a12\n"
#define HIGH(k) "add.n a13, a13, a3\n" SETTLE_("a13", "a14", "a15") \
    "and a13, a13, a12\n sub a13, a13, a4\n s32i.n a13, a2, 4*" #k "-36\n"
#define T_8(u, less) "subx8 a15, " U##u ", " U##less "\n"
/* a15 = 8 a15 + u and so on */
#define PLUS(u) "add.n a15, a15, " U##u "\n"
#define MINUS(u) "sub a15, a15, " U##u "\n"
#define TIMES_8_PLUS(u) "addx8 a15, a15, " U##u "\n"
#define SHIFT(n) "slli a15, a15, " #n "\n"
#define ADD_LOW "add.n a13, a13, a15\n"
#define SUB_LOW "sub a13, a13, a15\n"
/* what of u * 2^n is above 29 bits */
#define ABOVE(u, n) "srai a15, " U##u ", 29-" #n "\n add.n a14, a14, a15\n"
#define BELOW(u, n) "srai a15, " U##u ", 29-" #n "\n sub a14, a14, a15\n"
/* u * 2^n alone */
#define TERM(u, n) "slli a15, " U##u ", " #n "\n" ADD_LOW ABOVE(u, n)
#define MINUS_TERM(u, n) "slli a15, " U##u ", " #n "\n" SUB_LOW BELOW(u, n)
#define CARRY_LESS(n) "addi a14, a14, -" #n "\n"
/* for n terms with minus */
#define CONSTANTS(n) "movi.n a3, 2*" #n "+1\n slli a3, a3, 28\n movi.n a4, 1\n slli a4, a4, 28\n"
#define START "l32i a2, a1, 136\n movi.n a12, -1\n srli a12, a12, 3\n l32i.n a13, a1, 0\n l32i.n a14, a1, 4\n"
#define FINISH(n) CARRY_LESS(n) "s32i.n a14, a2, 32\n retw.n\n"
#define LAST(u8, u7) T_8(u7, u8) SHIFT(21) ADD_LOW ABOVE(u7, 24) BELOW(u8, 21)

/* p = 2^256 - 2^224 + 2^192 + 2^96 - 1: limb k - 3 by 2^9, k - 6 by 2^18, k - 7 by -2^21, k - 8 by 2^24 */
#define P256_TERMS(u3, u6, u7, u8) \
    T_8(u8, u7) TIMES_8_PLUS(u6) SHIFT(9) PLUS(u3) SHIFT(9) ADD_LOW \
    ABOVE(u3, 9) ABOVE(u6, 18) BELOW(u7, 21) ABOVE(u8, 24)
#define P256_LAST(u6, u7, u8) \
    T_8(u8, u7) TIMES_8_PLUS(u6) SHIFT(18) ADD_LOW \
    ABOVE(u6, 18) BELOW(u7, 21) ABOVE(u8, 24)
#define REDUCE_P256 \
    START LOW(0) \
    BEGIN_SMALL(1) LOW_SIGNED(1) \
    BEGIN_SMALL(2) LOW_SIGNED(2) \
    BEGIN(3) TERM(0, 9) LOW(3) \
    BEGIN(4) TERM(1, 9) LOW(4) \
    BEGIN(5) TERM(2, 9) LOW(5) \
    BEGIN(6) TERM(3, 9) TERM(0, 18) LOW(6) \
    BEGIN(7) TERM(4, 9) T_8(0, 1) SHIFT(18) SUB_LOW ABOVE(1, 18) BELOW(0, 21) CARRY_LESS(1) LOW(7) \
    BEGIN_FAR(8) P256_TERMS(5, 2, 1, 0) CARRY_LESS(1) LOW(8) \
    BEGIN_FAR(9) P256_TERMS(6, 3, 2, 1) CONSTANTS(1) HIGH(9) "addi a3, a3, -1\n" \
    BEGIN_FAR(10) P256_TERMS(7, 4, 3, 2) HIGH(10) \
    BEGIN_FAR(11) P256_TERMS(8, 5, 4, 3) HIGH(11) \
    BEGIN_FAR(12) P256_LAST(6, 5, 4) HIGH(12) \
    BEGIN_FAR(13) P256_LAST(7, 6, 5) HIGH(13) \
    BEGIN_FAR(14) P256_LAST(8, 7, 6) HIGH(14) \
    BEGIN_SMALL_FAR(15) LAST(8, 7) HIGH(15) \
    BEGIN_SMALL_FAR(16) TERM(8, 24) HIGH(16) FINISH(1)

/* p = 2^256 - 2^224 - 2^96 + 2^64 - 1: limb k - 2 by 2^6, k - 3 by -2^9, k - 7 by -2^21, k - 8 by 2^24 */
#define SM2_TERMS(u2, u3, u7, u8) \
    T_8(u8, u7) SHIFT(12) MINUS(u3) TIMES_8_PLUS(u2) SHIFT(6) ADD_LOW \
    ABOVE(u2, 6) BELOW(u3, 9) BELOW(u7, 21) ABOVE(u8, 24)
#define SM2_FIRST(u2, u3) T_8(u3, u2) SHIFT(6) SUB_LOW ABOVE(u2, 6) BELOW(u3, 9)
#define REDUCE_SM2 \
    START LOW(0) \
    BEGIN_SMALL(1) LOW_SIGNED(1) \
    BEGIN(2) TERM(0, 6) LOW(2) \
    BEGIN(3) SM2_FIRST(1, 0) CARRY_LESS(1) LOW(3) \
    BEGIN(4) SM2_FIRST(2, 1) CARRY_LESS(1) LOW(4) \
    BEGIN(5) SM2_FIRST(3, 2) CARRY_LESS(1) LOW(5) \
    BEGIN(6) SM2_FIRST(4, 3) CARRY_LESS(1) LOW(6) \
    BEGIN(7) SM2_FIRST(5, 4) MINUS_TERM(0, 21) CARRY_LESS(2) LOW(7) \
    BEGIN_FAR(8) SM2_TERMS(6, 5, 1, 0) CARRY_LESS(2) LOW(8) \
    BEGIN_FAR(9) SM2_TERMS(7, 6, 2, 1) CONSTANTS(2) HIGH(9) "addi a3, a3, -2\n" \
    BEGIN_FAR(10) SM2_TERMS(8, 7, 3, 2) HIGH(10) \
    BEGIN_FAR(11) T_8(3, 4) SHIFT(12) MINUS(8) SHIFT(9) ADD_LOW BELOW(8, 9) BELOW(4, 21) ABOVE(3, 24) HIGH(11) \
    BEGIN_FAR(12) LAST(5, 4) HIGH(12) \
    BEGIN_FAR(13) LAST(6, 5) HIGH(13) \
    BEGIN_FAR(14) LAST(7, 6) HIGH(14) \
    BEGIN_SMALL_FAR(15) LAST(8, 7) HIGH(15) \
    BEGIN_SMALL_FAR(16) TERM(8, 24) HIGH(16) FINISH(2)


/* On the stack: 17 columns, the result's address, the shape of p; 32 bytes for the windows of callers. */
#define ENTER(name, modulus, second) \
    ".global " name "\n .hidden " name "\n .type " name ", @function\n .balign 4\n" \
    name ":\n entry a1, 176\n l32i a8, " modulus ", 108\n s32i a2, a1, 136\n s32i a8, a1, 140\n" \
    "bnez a8, 1f\n" \
    "mov.n a10, a2\n mov.n a11, a3\n mov.n a12, " second "\n mov.n a13, " modulus "\n" \
    "l32r a8, .Lms_product_any\n callx8 a8\n retw.n\n" \
    "1:\n"
#define LEAVE(name) ".size " name ", .-" name "\n"

#if MS_SUITE1 && MS_SUITE2
#    define REDUCE "l32i a15, a1, 140\n beqi a15, 1, 2f\n j 3f\n 2:\n" REDUCE_P256 "3:\n" REDUCE_SM2
#elif MS_SUITE1
#    define REDUCE REDUCE_P256
#else
#    define REDUCE REDUCE_SM2
#endif

__asm__(
    ".text\n"
    ".literal_position\n"
    ".literal .Lms_product_any, ms_product_any\n"
    ENTER("fe_sqr", "a4", "a3") SQUARE "j .Lms_reduce\n" LEAVE("fe_sqr")
    ENTER("fe_mul", "a5", "a4") PRODUCT ".Lms_reduce:\n" REDUCE LEAVE("fe_mul")
);

/* clang-format on */

_Static_assert(offsetof(modulus, shape) == 108 && SHAPE_ANY == 0 && SHAPE_P256 == 1, "assembly knows these numbers");

#endif
