/*
 * Modular arithmetic for 32-bit processors without a carry flag (RV32, Xtensa), in limbs of 29 bits.
 *
 * A limb is a signed number, -2^28 <= limb < 2^28 but for the highest, and stands for limb * 2^(29 i). Numbers are in
 * Montgomery form for 2^261, in absolute value below 1.1 m, and not unique modulo m, except 0, which is all zeros: sums
 * and differences are brought between -m/2 and m/2, a little more at most, and products between -0.04 m and 1.04 m. The
 * fields of a modulus, scalars, and what is read and written are as fe_normal leaves them: no limb negative, 0 <= x <
 * m.
 *
 * A product of two limbs x, y is split where limbs end without looking at carries: high = floor(8x * y / 2^32) and low
 * = x * y - 2^29 high, 0 <= low < 2^29. A column of the schoolbook product adds up the highs in one word and x * y
 * modulo 2^32 in another, lo; lo - 2^29 hi is then the sum of the lows, exactly if there are no more than eight of
 * them. FOLD moves what of that is above 29 bits to the highs, before there are more. So a product costs two
 * multiplications and two additions, with no comparisons, which these processors would have to branch on.
 *
 * Where MS_XTENSA is set, products and squares modulo p are assembly, in field_xtensa.c.
 */
#include "field.h"

#if MS_LIMB_BITS == 29

/* GCC's scheduler, which -Os leaves on, runs out of registers in products: 8 % more instructions. */
#    if defined __GNUC__ && !defined __clang__
#        pragma GCC push_options
#        pragma GCC optimize("O2", "no-schedule-insns", "no-tree-reassoc")
#    endif

#    define HALF 0x10000000u

/* A column's sum is hi * 2^29 + (lo - hi * 2^29). */
#    define FOLD hi += (int32_t)((lo - ((limb)hi << 29)) >> 29);
#    define ADD_PRODUCT(x, y)                                                                                          \
        {                                                                                                              \
            lo += (x) * (y);                                                                                           \
            hi += (int32_t)((int64_t)(int32_t)((x) << 3) * (int32_t)(y) >> 32);                                        \
        }

#    if !MS_XTENSA

/* u * 2^n or -u * 2^n, where u, of 29 bits, is in its column */
#        define ADD_SHIFTED(u, n)                                                                                      \
            {                                                                                                          \
                lo += (u) << (n);                                                                                      \
                hi += (int32_t)(u) >> (29 - (n));                                                                      \
            }

/*
 * Column k: what came over from the last one; products; then u * p * 2^(29 i) for each column i < 9, where u is what
 * makes the column 0 modulo 2^29: what it is, as p = -1. In columns from 9 on limbs are made signed.
 */
#        define BEGIN(k)                                                                                               \
            lo = (limb)carry + ((k) > 8 ? HALF : 0);                                                                   \
            hi = carry >> 29;
#        define P(i, j) ADD_PRODUCT(a[i], b[j])
#        define D(i, j) ADD_PRODUCT(a[i], twice[j])
#        define TERM(k, from, n)                                                                                       \
            if ((k) >= (from) && (k) < (from) + 9) {                                                                   \
                ADD_SHIFTED(u[((k) + 9 - (from)) % 9], n)                                                              \
            }
#        define MINUS_TERM(k, from, n)                                                                                 \
            if ((k) >= (from) && (k) < (from) + 9) {                                                                   \
                ADD_SHIFTED(0 - u[((k) + 9 - (from)) % 9], n)                                                          \
            }
#        define END(k)                                                                                                 \
            if (shape == SHAPE_P256) {                                                                                 \
                TERM(k, 3, 9)                                                                                          \
                TERM(k, 6, 18)                                                                                         \
            } else {                                                                                                   \
                TERM(k, 2, 6)                                                                                          \
                MINUS_TERM(k, 3, 9)                                                                                    \
            }                                                                                                          \
            MINUS_TERM(k, 7, 21)                                                                                       \
            TERM(k, 8, 24)                                                                                             \
            FOLD if ((k) < 9)                                                                                          \
            {                                                                                                          \
                u[(k) % 9] = lo & LIMB_MASK;                                                                           \
            }                                                                                                          \
            else                                                                                                       \
            {                                                                                                          \
                result[((k) - 9) & 7] = (lo & LIMB_MASK) - HALF;                                                       \
            }                                                                                                          \
            carry = hi;
/* Not a loop, of which compilers make a call of memcpy. */
#        define GIVE                                                                                                   \
            r[0] = result[0], r[1] = result[1], r[2] = result[2], r[3] = result[3];                                    \
            r[4] = result[4], r[5] = result[5], r[6] = result[6], r[7] = result[7];                                    \
            r[8] = (limb)carry;

/* clang-format off */
#    define PRODUCT \
    BEGIN(0) P(0, 0) END(0) \
    BEGIN(1) P(0, 1) P(1, 0) END(1) \
    BEGIN(2) P(0, 2) P(1, 1) P(2, 0) END(2) \
    BEGIN(3) P(0, 3) P(1, 2) P(2, 1) P(3, 0) END(3) \
    BEGIN(4) P(0, 4) P(1, 3) P(2, 2) P(3, 1) P(4, 0) FOLD END(4) \
    BEGIN(5) P(0, 5) P(1, 4) P(2, 3) P(3, 2) P(4, 1) P(5, 0) FOLD END(5) \
    BEGIN(6) P(0, 6) P(1, 5) P(2, 4) P(3, 3) P(4, 2) P(5, 1) FOLD P(6, 0) END(6) \
    BEGIN(7) P(0, 7) P(1, 6) P(2, 5) P(3, 4) P(4, 3) P(5, 2) FOLD P(6, 1) P(7, 0) END(7) \
    BEGIN(8) P(0, 8) P(1, 7) P(2, 6) P(3, 5) P(4, 4) P(5, 3) FOLD P(6, 2) P(7, 1) P(8, 0) END(8) \
    BEGIN(9) P(1, 8) P(2, 7) P(3, 6) P(4, 5) P(5, 4) P(6, 3) FOLD P(7, 2) P(8, 1) END(9) \
    BEGIN(10) P(2, 8) P(3, 7) P(4, 6) P(5, 5) P(6, 4) P(7, 3) FOLD P(8, 2) END(10) \
    BEGIN(11) P(3, 8) P(4, 7) P(5, 6) P(6, 5) P(7, 4) P(8, 3) FOLD END(11) \
    BEGIN(12) P(4, 8) P(5, 7) P(6, 6) P(7, 5) P(8, 4) FOLD END(12) \
    BEGIN(13) P(5, 8) P(6, 7) P(7, 6) P(8, 5) FOLD END(13) \
    BEGIN(14) P(6, 8) P(7, 7) P(8, 6) END(14) \
    BEGIN(15) P(7, 8) P(8, 7) END(15) \
    BEGIN(16) P(8, 8) END(16)

#    define SQUARE \
    BEGIN(0) P(0, 0) END(0) \
    BEGIN(1) D(0, 1) END(1) \
    BEGIN(2) D(0, 2) P(1, 1) END(2) \
    BEGIN(3) D(0, 3) D(1, 2) END(3) \
    BEGIN(4) D(0, 4) D(1, 3) P(2, 2) END(4) \
    BEGIN(5) D(0, 5) D(1, 4) D(2, 3) END(5) \
    BEGIN(6) D(0, 6) D(1, 5) D(2, 4) P(3, 3) END(6) \
    BEGIN(7) D(0, 7) D(1, 6) D(2, 5) D(3, 4) FOLD END(7) \
    BEGIN(8) D(0, 8) D(1, 7) D(2, 6) D(3, 5) P(4, 4) FOLD END(8) \
    BEGIN(9) D(1, 8) D(2, 7) D(3, 6) D(4, 5) FOLD END(9) \
    BEGIN(10) D(2, 8) D(3, 7) D(4, 6) P(5, 5) FOLD END(10) \
    BEGIN(11) D(3, 8) D(4, 7) D(5, 6) FOLD END(11) \
    BEGIN(12) D(4, 8) D(5, 7) P(6, 6) END(12) \
    BEGIN(13) D(5, 8) D(6, 7) END(13) \
    BEGIN(14) D(6, 8) P(7, 7) END(14) \
    BEGIN(15) D(7, 8) END(15) \
    BEGIN(16) P(8, 8) END(16)
/* clang-format on */

/* r = a * b / 2^261 mod p for the p of either curve */
static inline __attribute__((always_inline)) void product_of(fe r, const fe a, const fe b, const limb shape)
{
    limb lo, u[LIMBS], result[LIMBS];
    int32_t hi, carry = 0;
    PRODUCT
    GIVE
}

static inline __attribute__((always_inline)) void square_of(fe r, const fe a, const limb shape)
{
    const limb *const b = a;
    limb lo, u[LIMBS], result[LIMBS], twice[LIMBS];
    int32_t hi, carry = 0;
    for (int i = 1; i < LIMBS; i++) {
        twice[i] = a[i] << 1;
    }
    SQUARE
    GIVE
}

#    endif

static MS_NOINLINE void balance(fe r, const fe a)
{
    int32_t carry = 0;
    for (int i = 0; i < LIMBS - 1; i++) {
        const limb x = a[i] + (limb)carry + HALF;
        carry = (int32_t)x >> 29;
        r[i] = (x & LIMB_MASK) - HALF;
    }
    r[LIMBS - 1] = a[LIMBS - 1] + (limb)carry;
}

/* r = a * b / 2^261 mod m, any m: in loops, for what is done with scalars. a and b may have unsigned limbs. */
#    if MS_XTENSA
__attribute__((used)) MS_ASSEMBLY void product_any(fe r, const fe a, const fe b,
                                                   const modulus *m) __asm__("ms_product_any");
#    else
static void product_any(fe r, const fe a, const fe b, const modulus *m);
#    endif

MS_NOINLINE void product_any(fe r, const fe a, const fe b, const modulus *m)
{
    const fe zero = {0};
    fe x, y, u;
    limb t[2 * LIMBS], lo;
    int32_t hi, carry = 0;
    balance(x, a);
    balance(y, b);
    for (int k = 0; k < 2 * LIMBS - 1; k++) {
        lo = (limb)carry;
        hi = carry >> 29;
        for (int i = k < LIMBS ? 0 : k - LIMBS + 1; i <= k && i < LIMBS; i++) {
            ADD_PRODUCT(x[i], y[k - i])
            FOLD
        }
        t[k] = lo & LIMB_MASK;
        carry = hi;
    }
    t[2 * LIMBS - 1] = (limb)carry;
    fe_copy(x, m->signed_m);
    carry = 0;
    for (int k = 0; k < 2 * LIMBS - 1; k++) {
        lo = (limb)carry + t[k];
        hi = carry >> 29;
        FOLD for (int i = k < LIMBS ? 0 : k - LIMBS + 1; i < k && i < LIMBS; i++)
        {
            ADD_PRODUCT(u[i], x[k - i])
            FOLD
        }
        if (k < LIMBS) {
            u[k] = ((lo * m->k[0] + HALF) & LIMB_MASK) - HALF;
            ADD_PRODUCT(u[k], x[0])
            FOLD
        } else {
            t[k] = lo & LIMB_MASK;
        }
        carry = hi;
    }
    t[2 * LIMBS - 1] += (limb)carry;
    fe_add(r, t + LIMBS, zero, m);
    forget(t);
    forget(x);
    forget(y);
    forget(u);
}

#    if !MS_XTENSA
MS_NOINLINE void fe_mul(fe r, const fe a, const fe b, const modulus *m)
{
#        if MS_SUITE1
    if (m->shape == SHAPE_P256) {
        product_of(r, a, b, SHAPE_P256);
        return;
    }
#        endif
#        if MS_SUITE2
    if (m->shape == SHAPE_SM2) {
        product_of(r, a, b, SHAPE_SM2);
        return;
    }
#        endif
    product_any(r, a, b, m);
}

MS_NOINLINE void fe_sqr(fe r, const fe a, const modulus *m)
{
#        if MS_SUITE1
    if (m->shape == SHAPE_P256) {
        square_of(r, a, SHAPE_P256);
        return;
    }
#        endif
#        if MS_SUITE2
    if (m->shape == SHAPE_SM2) {
        square_of(r, a, SHAPE_SM2);
        return;
    }
#        endif
    product_any(r, a, a, m);
}
#    endif

/* For each limb x in turn, what goes over and the limb that is left. */
#    define CARRY(i, x)                                                                                                \
        {                                                                                                              \
            const limb sum = (x) + carry + half;                                                                       \
            carry = (limb)((int32_t)sum >> 29);                                                                        \
            r[i] = (sum & LIMB_MASK) - half;                                                                           \
        }
/* Not a constant for the compiler, which would keep HALF and -HALF in two registers. */
#    define NEAREST(top)                                                                                               \
        const limb highest = top, n = nearest(highest);                                                                \
        limb carry = 0, half = HALF;                                                                                   \
        __asm__("" : "+r"(half));
#    define LIMBS_BUT_THE_HIGHEST LIMB(0) LIMB(1) LIMB(2) LIMB(3) LIMB(4) LIMB(5) LIMB(6) LIMB(7)

#    if defined __GNUC__ && !defined __clang__
#        pragma GCC pop_options
#    endif

/* The multiple of m that brings a number with the highest limb x between -m/2 and m/2. */
static inline limb nearest(limb x)
{
    return 0 - (limb)((int32_t)(x + 0x800000u) >> 24);
}

MS_NOINLINE void fe_add_times(fe r, const fe a, const fe b, limb times, const modulus *m)
{
    NEAREST(a[8] + times * b[8])
#    define LIMB(i) CARRY(i, a[i] + times * b[i] + n * m->signed_m[i])
    LIMBS_BUT_THE_HIGHEST
#    undef LIMB
    r[8] = highest + n * m->signed_m[8] + carry;
}

#    ifndef MS_ONE_UNIT
void fe_add(fe r, const fe a, const fe b, const modulus *m)
{
    fe_add_times(r, a, b, 1, m);
}

void fe_sub(fe r, const fe a, const fe b, const modulus *m)
{
    fe_add_times(r, a, b, (limb)-1, m);
}

void fe_sub_twice(fe r, const fe a, const fe b, const modulus *m)
{
    fe_add_times(r, a, b, (limb)-2, m);
}
#    endif

MS_NOINLINE void fe_half(fe r, const fe a, const modulus *m)
{
    const limb odd = mask_of(a[0] & 1), half = HALF;
    limb carry = 0, x = a[0] + (m->signed_m[0] & odd);
    MS_UNROLLED
    for (int i = 0; i < LIMBS - 1; i++) {
        const limb next = a[i + 1] + (m->signed_m[i + 1] & odd);
        CARRY(i, (limb)((int32_t)x >> 1) + ((next & 1) << 28))
        x = next;
    }
    r[LIMBS - 1] = (limb)((int32_t)x >> 1) + carry;
}

/* r = a + n * m with no limb negative but the highest. n is -1, 0 or 1; r may alias a */
static void plus_multiple(fe r, const fe a, limb n, const modulus *m)
{
    limb carry = 0;
    for (int i = 0; i < LIMBS - 1; i++) {
        const limb x = a[i] + n * m->signed_m[i] + carry;
        carry = (limb)((int32_t)x >> 29);
        r[i] = x & LIMB_MASK;
    }
    r[LIMBS - 1] = a[LIMBS - 1] + n * m->signed_m[LIMBS - 1] + carry;
}

MS_NOINLINE void fe_normal(fe r, const fe a, const modulus *m)
{
    fe less;
    plus_multiple(r, a, 0, m);
    for (int i = 0; i < 2; i++) {
        plus_multiple(r, r, r[LIMBS - 1] >> 31, m);
    }
    for (int i = 0; i < 2; i++) {
        plus_multiple(less, r, (limb)-1, m);
        fe_select(r, less, mask_of(less[LIMBS - 1] >> 31 ^ 1));
    }
}

#endif
