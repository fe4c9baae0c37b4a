/*
 * Products and squares modulo p and q for ARMv6-M (Cortex-M0, M0+), in place of those of field_c.c. Constant time: no
 * branch and no address depends on a number.
 *
 * The processor multiplies 32 bits by 32 bits into 32 bits, in one cycle, so numbers are taken apart into half-words.
 * Two 64-bit numbers make 16 products of half-words, summed by rows (mul64, 10 for a square); two of 128 bits are three
 * of those (Karatsuba: with l, h for the low and high products, the middle is l + h - (a1 - a0)(b1 - b0)), and two
 * of 256 bits three of these. What is left is reduced by Montgomery's method: both p without a product, as they have
 * few terms and are -1 modulo 2^64; any other modulus by fe_reduce_any of field_armv6m.c.
 *
 * There is no data here and no absolute address, so that the code can lie anywhere.
 */
#include "config.h"

    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

    .equ SHAPE, 96              @ of modulus, and its value for p of P-256: field_armv6m.c sees to it that they are right
    .equ SHAPE_P256, 1

.macro function name
    .global \name
    .hidden \name
    .type \name, %function
    .thumb_func
\name:
.endm

/*
 * r4, r5, r6, r7 = (r0, r1) * (r4, r7), least significant word first.
 * Spoils r0-r3, r8-r12, lr. 78 cycles
 */
.macro mul64
    lsrs r3, r1, #16            @ a is r0, r1, r2, r3 in half-words
    uxth r2, r1
    lsrs r1, r0, #16
    uxth r0, r0
    /* Products of odd weight into r4, r5, r6, r7, at 2^16 from the lowest bit. */
    uxth r5, r7                 @ b will be r8, r9, r10, r11
    mov r10, r5
    lsrs r7, r7, #16
    mov r11, r7
    muls r5, r1
    mov r6, r7
    muls r7, r0
    muls r6, r2
    adds r5, r7                 @ a1 b2 + a0 b3
    movs r7, #0
    adcs r6, r7                 @ a2 b3: no product of half-words is so large that a carry overflows it
    uxth r7, r4
    mov r8, r7
    lsrs r4, r4, #16
    mov r9, r4
    muls r7, r3
    muls r4, r0                 @ a0 b1
    adds r5, r7                 @ a3 b0
    movs r7, #0
    adcs r6, r7
    mov r7, r8
    muls r7, r1
    adds r4, r7                 @ a1 b0
    mov r7, r9
    muls r7, r2
    adcs r5, r7                 @ a2 b1
    mov r7, r10
    muls r7, r3
    adcs r6, r7                 @ a3 b2
    movs r7, #0
    adcs r7, r7
    /* To whole words: r4, r5, r6, r12. */
    lsls r7, r7, #16
    mov r12, r6
    lsrs r6, r6, #16
    orrs r7, r6
    mov r6, r12
    mov r12, r7
    lsls r6, r6, #16
    lsrs r7, r5, #16
    orrs r6, r7
    lsls r5, r5, #16
    lsrs r7, r4, #16
    orrs r5, r7
    lsls r4, r4, #16
    /* Products of even weight. */
    mov r7, r8
    muls r7, r0
    adds r4, r7                 @ a0 b0
    mov lr, r4
    mov r7, r9
    muls r7, r1
    adcs r5, r7                 @ a1 b1
    mov r7, r10
    muls r7, r2
    adcs r6, r7                 @ a2 b2
    mov r7, r11
    muls r7, r3
    mov r4, r12
    adcs r7, r4                 @ a3 b3
    mov r4, r10
    muls r4, r0
    movs r0, #0
    adds r5, r4                 @ a0 b2
    mov r4, r11
    muls r4, r1
    adcs r6, r4                 @ a1 b3
    adcs r7, r0
    mov r4, r8
    muls r4, r2
    adds r5, r4                 @ a2 b0
    mov r4, r9
    muls r4, r3
    adcs r6, r4                 @ a3 b1
    adcs r7, r0
    mov r4, lr
.endm

/*
 * r4, r5, r6, r7 = (r0, r1)^2, least significant word first.
 * Spoils r0-r3, r12, lr. 47 cycles
 */
.macro sqr64
    lsrs r3, r1, #16
    uxth r2, r1
    lsrs r1, r0, #16
    uxth r0, r0
    /* Half of the products of odd weight, at 2^17 from the lowest bit. */
    movs r5, r1
    muls r5, r2
    movs r6, r2
    muls r6, r3
    movs r7, r3
    muls r7, r0
    movs r4, #0
    adds r5, r7                 @ a1 a2 + a3 a0
    adcs r6, r4                 @ a2 a3
    movs r4, r1
    muls r4, r0                 @ a1 a0
    lsrs r7, r6, #15
    mov r12, r7
    lsls r6, r6, #17
    lsrs r7, r5, #15
    orrs r6, r7
    lsls r5, r5, #17
    lsrs r7, r4, #15
    orrs r5, r7
    lsls r4, r4, #17
    movs r7, r0
    muls r7, r7
    adds r4, r7                 @ a0 a0
    mov lr, r4
    movs r7, r1
    muls r7, r7
    adcs r5, r7                 @ a1 a1
    movs r7, r2
    muls r7, r7
    adcs r6, r7                 @ a2 a2
    movs r7, r3
    muls r7, r7
    mov r4, r12
    adcs r7, r4                 @ a3 a3
    muls r0, r2
    muls r1, r3
    movs r4, #0
    adds r5, r0                 @ a0 a2, twice
    adcs r6, r1                 @ a1 a3, twice
    adcs r7, r4
    adds r5, r0
    adcs r6, r1
    adcs r7, r4
    mov r4, lr
.endm

/*
 * The end of mul128: [sp] is where the low and the high product lie, l and h, four words each;
 * (r4, r5, r6, r7) + r3 * 2^128 - (r3 & 1), with r3 = 0 or -1, is the third one with the sign to add it with.
 * l + h 2^128 + (l + h + third) 2^64 takes their place. Spoils r0-r7
 */
.macro join128
    ldr r0, [sp]
    lsrs r2, r3, #1             @ the carry is 1 for -1
    ldmia r0!, {r1, r2}
    adcs r4, r1
    adcs r5, r2
    ldmia r0!, {r1, r2}
    adcs r6, r1
    adcs r7, r2
    movs r1, #0
    adcs r3, r1
    ldmia r0!, {r1, r2}
    adds r4, r1
    adcs r5, r2
    ldmia r0!, {r1, r2}
    adcs r6, r1
    adcs r7, r2
    movs r1, #0
    adcs r3, r1
    subs r0, #24
    ldmia r0!, {r1, r2}
    adds r4, r1
    adcs r5, r2
    ldmia r0!, {r1, r2}
    adcs r6, r1
    adcs r7, r2
    ldmia r0!, {r1, r2}
    adcs r1, r3
    movs r3, #0
    adcs r2, r3
    subs r0, #24
    stmia r0!, {r4, r5, r6, r7}
    stmia r0!, {r1, r2}
.endm

/* r0[0..7] = r1[0..3] * r2[0..3]. Spoils all registers */
    .type mul128, %function
    .thumb_func
mul128:
    push {r0, r1, r2, lr}
    ldmia r2!, {r4, r7}
    ldmia r1, {r0, r1}
    mul64
    ldr r3, [sp]
    stmia r3!, {r4, r5, r6, r7}
    ldr r1, [sp, #4]
    ldr r2, [sp, #8]
    ldr r4, [r2, #8]
    ldr r7, [r2, #12]
    ldr r0, [r1, #8]
    ldr r1, [r1, #12]
    mul64
    ldr r3, [sp]
    adds r3, #16
    stmia r3!, {r4, r5, r6, r7}
    /* |a0 - a1| and |b0 - b1| */
    ldr r5, [sp, #4]
    ldmia r5!, {r0, r1, r2, r3}
    subs r0, r2
    sbcs r1, r3
    sbcs r6, r6
    eors r0, r6
    eors r1, r6
    subs r0, r6
    sbcs r1, r6
    ldr r5, [sp, #8]
    ldmia r5!, {r2, r3, r4, r7}
    subs r4, r2
    sbcs r7, r3
    sbcs r5, r5
    eors r4, r5
    eors r7, r5
    subs r4, r5
    sbcs r7, r5
    eors r6, r5                 @ -1: (a0 - a1)(b1 - b0) is negative
    str r6, [sp, #4]
    mul64
    ldr r3, [sp, #4]
    eors r4, r3
    eors r5, r3
    eors r6, r3
    eors r7, r3
    join128
    pop {r0, r1, r2, pc}
    .size mul128, . - mul128

/* r0[0..7] = r1[0..3]^2. Spoils r0-r7, r12, lr */
    .type sqr128, %function
    .thumb_func
sqr128:
    push {r0, r1, lr}
    ldmia r1, {r0, r1}
    sqr64
    ldr r3, [sp]
    stmia r3!, {r4, r5, r6, r7}
    ldr r1, [sp, #4]
    ldr r0, [r1, #8]
    ldr r1, [r1, #12]
    sqr64
    ldr r3, [sp]
    adds r3, #16
    stmia r3!, {r4, r5, r6, r7}
    ldr r5, [sp, #4]
    ldmia r5!, {r0, r1, r2, r3}
    subs r0, r2
    sbcs r1, r3
    sbcs r6, r6
    eors r0, r6
    eors r1, r6
    subs r0, r6
    sbcs r1, r6
    sqr64
    /* As join128, but the third is always subtracted. */
    ldr r0, [sp]
    ldmia r0!, {r1, r2}
    subs r1, r4
    sbcs r2, r5
    ldmia r0!, {r3, r4}
    sbcs r3, r6
    sbcs r4, r7
    sbcs r5, r5
    ldmia r0!, {r6, r7}
    adds r1, r6
    adcs r2, r7
    ldmia r0!, {r6, r7}
    adcs r3, r6
    adcs r4, r7
    movs r6, #0
    adcs r5, r6
    subs r0, #24
    ldmia r0!, {r6, r7}
    adds r1, r6
    adcs r2, r7
    ldmia r0!, {r6, r7}
    adcs r3, r6
    adcs r4, r7
    ldmia r0!, {r6, r7}
    adcs r6, r5
    movs r5, #0
    adcs r7, r5
    subs r0, #24
    stmia r0!, {r1, r2, r3, r4, r6, r7}
    pop {r0, r1, pc}
    .size sqr128, . - sqr128

/* The frame of fe_mul and fe_sqr. */
    .equ PRODUCT, 0             @ 16 words
    .equ DIFFERENCE_A, 64       @ 4 words
    .equ DIFFERENCE_B, 80       @ 4 words
    .equ THIRD, 96              @ 8 words
    .equ SIGN, 128
    .equ FRAME, 132
    .equ R, FRAME + 16          @ the arguments
    .equ A, R + 4
    .equ B, R + 8
    .equ M, R + 12

.macro enter
    push {r0, r1, r2, r3, r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4, r5, r6, r7}
    sub sp, #FRAME
.endm

.macro leave
    add sp, #FRAME
    pop {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    add sp, #16
    pop {r4, r5, r6, r7, pc}
.endm

/* [r0] = |r1[0..3] - r1[4..7]|, r0 moves on; r6 = -1 if the difference is negative, else 0. Spoils r1-r7 */
.macro difference128
    ldmia r1!, {r2, r3, r4, r5}
    ldmia r1!, {r6, r7}
    subs r2, r6
    sbcs r3, r7
    ldmia r1!, {r6, r7}
    sbcs r4, r6
    sbcs r5, r7
    sbcs r6, r6
    eors r2, r6
    eors r3, r6
    eors r4, r6
    eors r5, r6
    subs r2, r6
    sbcs r3, r6
    sbcs r4, r6
    sbcs r5, r6
    stmia r0!, {r2, r3, r4, r5}
.endm

.macro add_third reg, offset
    ldr r1, [sp, #THIRD + \offset]
    eors r1, r2
    adcs \reg, r1
.endm

/* fe_product(r, a, b): see field_armv6m.c */
    function fe_product
    movs r3, #0                 @ in place of a modulus
    /* on into fe_mul */
    .size fe_product, . - fe_product

/* fe_mul(r, a, b, m): see field.h */
    function fe_mul
    enter
    mov r0, sp
    bl mul128
    add r0, sp, #PRODUCT + 32
    ldr r1, [sp, #A]
    adds r1, #16
    ldr r2, [sp, #B]
    adds r2, #16
    bl mul128
    add r0, sp, #DIFFERENCE_A
    ldr r1, [sp, #A]
    difference128
    mov r8, r6
    ldr r1, [sp, #B]
    difference128
    mov r7, r8
    eors r7, r6
    mvns r7, r7
    str r7, [sp, #SIGN]
    add r0, sp, #THIRD
    add r1, sp, #DIFFERENCE_A
    add r2, sp, #DIFFERENCE_B
    bl mul128
    b join256
    .size fe_mul, . - fe_mul

/* fe_sqr(r, a, m): see field.h */
    function fe_sqr
    mov r3, r2
    enter
    mov r0, sp
    bl sqr128
    add r0, sp, #PRODUCT + 32
    ldr r1, [sp, #A]
    adds r1, #16
    bl sqr128
    add r0, sp, #DIFFERENCE_A
    ldr r1, [sp, #A]
    difference128
    movs r7, #0
    mvns r7, r7
    str r7, [sp, #SIGN]
    add r0, sp, #THIRD
    add r1, sp, #DIFFERENCE_A
    bl sqr128

/*
 * As join128: with l and h in the frame's product and the third there too, to be added if the sign is 0, subtracted if
 * it is -1. With t = l's upper half + h's lower half, the second quarter is t + l's lower half + ..., the third t + h's
 * upper half + ...
 */
join256:
    add r0, sp, #PRODUCT + 16
    ldmia r0!, {r4, r5, r6, r7}
    ldmia r0!, {r1, r2}
    adds r4, r1
    adcs r5, r2
    ldmia r0!, {r1, r2}
    adcs r6, r1
    adcs r7, r2
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    movs r3, #0
    adcs r3, r3
    mov r12, r3
    mov r0, sp
    ldmia r0!, {r1, r2}
    adds r4, r1
    adcs r5, r2
    ldmia r0!, {r1, r2}
    adcs r6, r1
    adcs r7, r2
    movs r1, #0
    adcs r3, r1
    ldr r2, [sp, #SIGN]
    lsrs r1, r2, #1
    add_third r4, 0
    add_third r5, 4
    add_third r6, 8
    add_third r7, 12
    movs r1, #0
    adcs r3, r1
    stmia r0!, {r4, r5, r6, r7}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    adds r4, r3
    movs r3, #0
    adcs r5, r3
    adcs r6, r3
    adcs r7, r3
    adcs r3, r3
    adds r1, #0                 @ no carry
    add_third r4, 16
    add_third r5, 20
    add_third r6, 24
    add_third r7, 28
    adcs r3, r2
    add r0, sp, #PRODUCT + 48
    ldmia r0!, {r1, r2}
    adds r4, r1
    adcs r5, r2
    ldmia r0!, {r1, r2}
    adcs r6, r1
    adcs r7, r2
    mov r1, r12
    adcs r3, r1
    add r0, sp, #PRODUCT + 32
    stmia r0!, {r4, r5, r6, r7}
    ldmia r0!, {r4, r5, r6, r7}
    adds r4, r3
    movs r3, #0
    adcs r5, r3
    adcs r6, r3
    adcs r7, r3
    subs r0, #16
    stmia r0!, {r4, r5, r6, r7}

    ldr r3, [sp, #M]
    cmp r3, #0
    beq give_product
    ldr r0, [r3, #SHAPE]
    cmp r0, #SHAPE_P256
    beq reduce_p256
#if MS_SUITE2
    bhi to_reduce_sm2
#endif
    ldr r0, [sp, #R]
    mov r1, sp
    mov r2, r3
    bl fe_reduce_any
leave_any:
    leave

#if MS_SUITE2
to_reduce_sm2:
    b reduce_sm2                @ too far for a condition
#endif

give_product:
    ldr r0, [sp, #R]
    mov r1, sp
    .rept 4
    ldmia r1!, {r4, r5, r6, r7}
    stmia r0!, {r4, r5, r6, r7}
    .endr
    b leave_any
    .size fe_sqr, . - fe_sqr

/*
 * r = product / 2^256 mod p. To make the low half 0, u0 * p is added, then u1 * p 2^32 and so on, where u0 is the
 * lowest word as it is then, since p = -1 mod 2^96. So u0 is added at words 3, 6 and 8 and subtracted at word 7 (and at
 * word 0, which is not computed), u1 at the words after that. A word u8 = -1 makes the result r - p, and if that is
 * negative p is added: one pass less than to compare.
 */
    .type reduce_p256, %function
    .thumb_func
reduce_p256:
    mov r0, sp
    ldmia r0!, {r1, r2, r3, r4, r5, r6}
    adds r4, r1                 @ u0 at word 3 ...
    adcs r5, r2
    adcs r6, r3
    mov r8, r1                  @ u is r8, r9, r10, r11, r12, lr, r6, r7
    mov r9, r2
    mov r10, r3
    mov r11, r4
    mov r12, r5
    mov lr, r6
    ldmia r0!, {r6, r7}
    adcs r6, r4
    adcs r7, r5                 @ ... u4 at word 7
    movs r3, #0
    movs r4, #0
    adcs r3, r4
    adds r6, r1                 @ u0 at word 6
    adcs r7, r2
    adcs r3, r4
    subs r7, r1                 @ -u0 at word 7
    sbcs r3, r4
    adds r3, #1                 @ -u8 at word 8
    /* Words 8 to 11 in r1, r2, r4, r5; what goes over in r3. */
    ldmia r0!, {r1, r2, r4, r5}
    movs r0, #0
    adds r1, r3
    adcs r2, r0
    adcs r4, r0
    adcs r5, r0
    adcs r0, r0
    movs r3, r0
    mov r0, r8
    adds r1, r0                 @ u0 to u3 at word 8
    mov r0, r9
    adcs r2, r0
    mov r0, r10
    adcs r4, r0
    mov r0, r11
    adcs r5, r0
    movs r0, #0
    adcs r3, r0
    mov r0, r10
    adds r1, r0                 @ u2 to u5 at word 8
    mov r0, r11
    adcs r2, r0
    mov r0, r12
    adcs r4, r0
    mov r0, lr
    adcs r5, r0
    movs r0, #0
    adcs r3, r0
    mov r0, lr
    adds r1, r0                 @ u5 to u8 at word 8
    adcs r2, r6
    adcs r4, r7
    movs r0, #0
    mvns r0, r0
    adcs r5, r0
    adcs r3, r0
    mov r0, r9
    subs r1, r0                 @ -u1 to -u4 at word 8
    mov r0, r10
    sbcs r2, r0
    mov r0, r11
    sbcs r4, r0
    mov r0, r12
    sbcs r5, r0
    movs r0, #0
    sbcs r3, r0
    mov r8, r1
    mov r9, r2
    mov r10, r4
    mov r11, r5
    /* Words 12 to 15. */
    add r0, sp, #PRODUCT + 48
    ldmia r0!, {r1, r2, r4, r5}
    asrs r0, r3, #31
    adds r1, r3
    adcs r2, r0
    adcs r4, r0
    adcs r5, r0
    movs r3, #0
    adcs r3, r0
    mov r0, r12
    adds r1, r0                 @ u4 to u7 at word 12
    mov r0, lr
    adcs r2, r0
    adcs r4, r6
    adcs r5, r7
    movs r0, #0
    adcs r3, r0
    mvns r0, r0
    adds r1, r6                 @ u6 to u8 at word 12
    adcs r2, r7
    adcs r4, r0
    adcs r5, r0
    adcs r3, r0
    mov r0, lr
    subs r1, r0                 @ -u5 to -u8 at word 12
    sbcs r2, r6
    sbcs r4, r7
    movs r0, #0
    mvns r0, r0
    sbcs r5, r0
    sbcs r3, r0
    subs r3, #1                 @ u8 at word 16
    /* r3 is 0 or -1: with -1, add p. */
    ldr r0, [sp, #R]
    mov r6, r8
    mov r7, r9
    adds r6, r3
    adcs r7, r3
    stmia r0!, {r6, r7}
    mov r6, r10
    mov r7, r11
    adcs r6, r3
    mov r12, r3
    movs r3, #0
    adcs r7, r3
    stmia r0!, {r6, r7}
    adcs r1, r3
    adcs r2, r3
    mov r6, r12
    movs r7, #1
    ands r7, r6
    adcs r4, r7
    adcs r5, r6
    stmia r0!, {r1, r2, r4, r5}
    leave
    .size reduce_p256, . - reduce_p256

/*
 * (r1, r2, r3, r4) = u (1 - 2^32) for u = (r1, r2), of which \second is another copy; r4 is 0 or -1, the sign and what all
 * words above are. Leaves r0, r5, r6, r7
 */
.macro spread second
    subs r2, r1
    movs r3, #0
    mov r4, \second
    sbcs r3, r4
    sbcs r4, r4
.endm

#if MS_SUITE2
/*
 * The same for p of curveSM2, 2^256 - 2^224 - 2^96 + 2^64 - 1, two words at a time: (u0, u1) times 1 - 2^32 is added at
 * word 2, u0 subtracted at word 7 and added at word 8.
 */
    .type reduce_sm2, %function
    .thumb_func
reduce_sm2:
    mov r0, sp
    ldmia r0!, {r1, r2}
    mov r8, r1                  @ u will be r8, r9, r10, r11, r12, lr, r6, r7
    mov r9, r2
    spread r9
    ldmia r0!, {r5, r6}
    adds r5, r1
    adcs r6, r2
    mov r10, r5
    mov r11, r6
    ldmia r0!, {r5, r6}
    adcs r5, r3
    adcs r6, r4
    mov r12, r5
    mov lr, r6
    ldmia r0!, {r5, r6}
    adcs r5, r4
    adcs r6, r4
    movs r7, r4
    movs r1, #0
    adcs r7, r1                 @ at word 8
    mov r1, r10
    mov r2, r11
    spread r11
    mov r0, r12
    adds r0, r1
    mov r12, r0
    mov r0, lr
    adcs r0, r2
    mov lr, r0
    adcs r5, r3
    adcs r6, r4
    adcs r7, r4
    mov r1, r12
    mov r2, lr
    asrs r0, r7, #31
    spread lr
    adds r5, r1
    adcs r6, r2
    adcs r7, r3
    adcs r0, r4                 @ at word 9
    mov r1, r8
    subs r6, r1                 @ -u0 at word 7
    movs r1, #0
    sbcs r7, r1
    sbcs r0, r1
    movs r1, #1
    adds r7, r1                 @ -u8 at word 8
    movs r1, #0
    adcs r0, r1
    str r7, [sp, #PRODUCT]
    str r0, [sp, #PRODUCT + 4]
    asrs r0, r0, #31
    str r0, [sp, #PRODUCT + 8]
    movs r7, r6
    movs r6, r5
    /* Words 8 to 11 in r1, r2, r4, r5; what goes over in r3. */
    add r0, sp, #PRODUCT + 32
    ldmia r0!, {r1, r2, r4, r5}
    ldr r0, [sp, #PRODUCT]
    adds r1, r0
    ldr r0, [sp, #PRODUCT + 4]
    adcs r2, r0
    ldr r0, [sp, #PRODUCT + 8]
    adcs r4, r0
    adcs r5, r0
    movs r3, r0
    movs r0, #0
    adcs r3, r0
    mov r0, r8
    adds r1, r0                 @ u0 to u3 at word 8
    mov r0, r9
    adcs r2, r0
    mov r0, r10
    adcs r4, r0
    mov r0, r11
    adcs r5, r0
    movs r0, #0
    adcs r3, r0
    mov r0, r9
    subs r1, r0                 @ -u1 to -u4 at word 8
    mov r0, r10
    sbcs r2, r0
    mov r0, r11
    sbcs r4, r0
    mov r0, r12
    sbcs r5, r0
    movs r0, #0
    sbcs r3, r0
    adds r1, r6                 @ u6, u7 at word 8
    adcs r2, r7
    adcs r4, r0
    adcs r5, r0
    adcs r3, r0
    subs r2, r6                 @ -u6, -u7 at word 9
    sbcs r4, r7
    sbcs r5, r0
    sbcs r3, r0
    mvns r0, r0
    adds r4, r0                 @ u8 at word 10, -u8 at word 11
    movs r0, #0
    adcs r5, r0
    adcs r3, r0
    mov r8, r1
    mov r9, r2
    mov r10, r4
    mov r11, r5
    /* Words 12 to 15. */
    add r0, sp, #PRODUCT + 48
    ldmia r0!, {r1, r2, r4, r5}
    asrs r0, r3, #31
    adds r1, r3
    adcs r2, r0
    adcs r4, r0
    adcs r5, r0
    movs r3, #0
    adcs r3, r0
    mov r0, r12
    adds r1, r0                 @ u4 to u7 at word 12
    mov r0, lr
    adcs r2, r0
    adcs r4, r6
    adcs r5, r7
    movs r0, #0
    adcs r3, r0
    mov r0, lr
    subs r1, r0                 @ -u5 to -u7 at word 12
    sbcs r2, r6
    sbcs r4, r7
    movs r0, #0
    sbcs r5, r0
    sbcs r3, r0
    movs r6, #1
    adds r5, r6                 @ -u8 at word 15
    adcs r3, r0
    subs r3, #1                 @ u8 at word 16
    /* r3 is 0 or -1: with -1, add p. */
    lsls r7, r3, #1
    mov lr, r7
    mov r12, r3
    ldr r0, [sp, #R]
    mov r6, r8
    mov r7, r9
    adds r6, r3
    adcs r7, r3
    stmia r0!, {r6, r7}
    mov r6, r10
    mov r7, r11
    movs r3, #0
    adcs r6, r3
    mov r3, r12
    adcs r7, r3
    stmia r0!, {r6, r7}
    adcs r1, r3
    adcs r2, r3
    adcs r4, r3
    mov r6, lr
    adcs r5, r6
    stmia r0!, {r1, r2, r4, r5}
    leave
    .size reduce_sm2, . - reduce_sm2
#endif

/*
 * What fe_add and fe_sub modulo p of P-256 have in common: [r0] are words 0 to 2 and r3, r4, r5, r6, r7 words 3 to 7 of
 * a number to which p is to be added if r1 = -1, nothing if r1 = 0. Stores all and returns.
 */
    .type add_p256, %function
    .thumb_func
add_p256:
    ldr r2, [r0, #0]
    adds r2, r1
    stmia r0!, {r2}
    .rept 2
    ldr r2, [r0, #0]
    adcs r2, r1
    stmia r0!, {r2}
    .endr
    movs r2, #0
    adcs r3, r2
    adcs r4, r2
    adcs r5, r2
    movs r2, #1
    ands r2, r1
    adcs r6, r2
    adcs r7, r1
    stmia r0!, {r3, r4, r5, r6, r7}
    pop {r4, r5, r6, r7, pc}
    .size add_p256, . - add_p256

/*
 * Words 0 to 2 of [r1] + [r2], or of their difference, into [r0], words 3 to 7 into r3, r4, r5, r6, r7; leaves the flags
 * of the last word. r0 moves on.
 */
.macro eight_words first, next
    ldmia r1!, {r3, r4}
    ldmia r2!, {r5, r6}
    \first r3, r5
    \next r4, r6
    stmia r0!, {r3, r4}
    ldmia r1!, {r3}
    ldmia r2!, {r4}
    \next r3, r4
    stmia r0!, {r3}
    ldmia r1!, {r3, r4, r5}
    ldmia r2!, {r6, r7}
    \next r3, r6
    \next r4, r7
    ldmia r2!, {r6}
    \next r5, r6
    ldmia r1!, {r6, r7}
    ldr r1, [r2, #0]
    \next r6, r1
    ldr r1, [r2, #4]
    \next r7, r1
.endm

/* [r0] = [r0] + ([r3] & r1). Spoils r2-r7 */
.macro add_masked
    movs r2, r0
    ldmia r3!, {r4, r5}
    ands r4, r1
    ands r5, r1
    ldmia r2!, {r6, r7}
    adds r4, r6
    adcs r5, r7
    stmia r0!, {r4, r5}
    .rept 3
    ldmia r3!, {r4, r5}
    ands r4, r1
    ands r5, r1
    ldmia r2!, {r6, r7}
    adcs r4, r6
    adcs r5, r7
    stmia r0!, {r4, r5}
    .endr
.endm

/* [r0] = [r1] + [r2] or their difference; pointers move on. Leaves the flags of the last word. Spoils r4-r7 */
.macro combine first, next
    ldmia r1!, {r4, r5}
    ldmia r2!, {r6, r7}
    \first r4, r6
    \next r5, r7
    stmia r0!, {r4, r5}
    .rept 3
    ldmia r1!, {r4, r5}
    ldmia r2!, {r6, r7}
    \next r4, r6
    \next r5, r7
    stmia r0!, {r4, r5}
    .endr
.endm

/* fe_add(r, a, b, m): see field.h */
    function fe_add
    push {r4, r5, r6, r7, lr}
    ldr r4, [r3, #SHAPE]
    cmp r4, #SHAPE_P256
    bne add_any
    /* The sum less p, which is p - 2^256 + 2^256 = -(1 - 2^96 - 2^192 + 2^224) + 2^256. */
    cmp r0, r0                  @ a carry: 1
    eight_words adcs, adcs
    movs r1, #0
    adcs r1, r1
    movs r2, #1
    subs r3, r2                 @ -2^96
    movs r2, #0
    sbcs r4, r2
    sbcs r5, r2
    movs r2, #1
    sbcs r6, r2                 @ -2^192
    movs r2, #0
    mvns r2, r2
    sbcs r7, r2                 @ 2^224
    movs r2, #0
    sbcs r1, r2                 @ 2^256 more here is what -p has less
    subs r0, #12
    b add_p256
add_any:
    combine adds, adcs
    movs r4, #0
    adcs r4, r4
    mov r12, r4
    subs r0, #32
    movs r1, r0
    movs r2, r3
subtract_any:                   @ from [r1], with r12 above it, [r2]; if that is negative, m is added
    combine subs, sbcs
    mov r1, r12
    movs r4, #0
    sbcs r1, r4
    subs r0, #32
    add_masked
    pop {r4, r5, r6, r7, pc}
    .size fe_add, . - fe_add

/* fe_sub(r, a, b, m): see field.h */
    function fe_sub
    push {r4, r5, r6, r7, lr}
    ldr r4, [r3, #SHAPE]
    cmp r4, #SHAPE_P256
    bne sub_any
    eight_words subs, sbcs
    sbcs r1, r1
    subs r0, #12
    b add_p256
sub_any:
    movs r4, #0
    mov r12, r4
    b subtract_any
    .size fe_sub, . - fe_sub

/* fe_half(r, a, m): see field.h */
    function fe_half
    push {r0, r4, r5, r6, r7, lr}
    ldr r3, [r1, #0]
    lsls r3, r3, #31
    asrs r3, r3, #31            @ -1: a is odd, and m makes it even
    movs r0, #0
    mov r12, r0                 @ the carry
    ldr r0, [sp]
add_half:
    ldmia r1!, {r4, r5, r6, r7}
    mov lr, r1
    mov r1, r12
    lsrs r1, r1, #1
    ldmia r2!, {r1}
    ands r1, r3
    adcs r4, r1
    ldmia r2!, {r1}
    ands r1, r3
    adcs r5, r1
    ldmia r2!, {r1}
    ands r1, r3
    adcs r6, r1
    ldmia r2!, {r1}
    ands r1, r3
    adcs r7, r1
    stmia r0!, {r4, r5, r6, r7}
    movs r1, #0
    adcs r1, r1
    mov r12, r1
    mov r1, lr
    ldr r4, [sp]
    adds r4, #32
    cmp r4, r0
    bne add_half
    subs r0, #32
    movs r1, r0
    mov r2, r12                 @ above the top word
    lsls r2, r2, #31
    mov r12, r2
    ldmia r1!, {r4, r5, r6, r7}
    .macro shift low, high
    lsrs \low, \low, #1
    lsls r3, \high, #31
    orrs \low, r3
    .endm
    shift r4, r5
    shift r5, r6
    shift r6, r7
    ldr r2, [r1, #0]
    shift r7, r2
    stmia r0!, {r4, r5, r6, r7}
    ldmia r1!, {r4, r5, r6, r7}
    shift r4, r5
    shift r5, r6
    shift r6, r7
    lsrs r7, r7, #1
    mov r3, r12
    orrs r7, r3
    stmia r0!, {r4, r5, r6, r7}
    pop {r0, r4, r5, r6, r7, pc}
    .size fe_half, . - fe_half

/* fe_pick(r, table, count, index): see field.h. Four words of all entries at a time */
    function fe_pick
    push {r4, r5, r6, r7, lr}
    sub sp, #20
    str r0, [sp, #0]
    str r1, [sp, #4]
    str r2, [sp, #8]
    str r3, [sp, #12]
    movs r4, #4
    str r4, [sp, #16]
pick_words:
    ldr r0, [sp, #4]
    ldr r2, [sp, #8]
    mov r12, r2
    ldr r1, [sp, #12]
    movs r4, #0
    movs r5, #0
    movs r6, #0
    movs r7, #0
pick_entry:
    subs r1, #1                 @ only from 0 on there is a borrow
    sbcs r3, r3
    ldmia r0!, {r2}
    ands r2, r3
    orrs r4, r2
    ldmia r0!, {r2}
    ands r2, r3
    orrs r5, r2
    ldmia r0!, {r2}
    ands r2, r3
    orrs r6, r2
    ldmia r0!, {r2}
    ands r2, r3
    orrs r7, r2
    adds r0, #48
    mov r2, r12
    subs r2, #1
    mov r12, r2
    bne pick_entry
    ldr r0, [sp, #0]
    stmia r0!, {r4, r5, r6, r7}
    str r0, [sp, #0]
    ldr r0, [sp, #4]
    adds r0, #16
    str r0, [sp, #4]
    ldr r0, [sp, #16]
    subs r0, #1
    str r0, [sp, #16]
    bne pick_words
    add sp, #20
    pop {r4, r5, r6, r7, pc}
    .size fe_pick, . - fe_pick
