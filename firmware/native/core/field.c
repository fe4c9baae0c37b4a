/* What stands on the six functions of field_c.c or its like. */
#include "field.h"

#include "bytes.h"

limb fe_is_zero(const fe a)
{
    limb any = 0;
    MS_UNROLLED
    for (int i = 0; i < LIMBS; i++) {
        any |= a[i];
    }
    /* The top bit of any | -any says whether there is any bit at all. */
    return mask_of(((any | ((limb)0 - any)) >> (8 * sizeof(limb) - 1)) ^ 1);
}

limb fe_is_less(const fe a, const fe b)
{
    limb borrow = 0;
    for (int i = 0; i < LIMBS; i++) {
#if MS_LIMB_BITS == 29
        borrow = (a[i] - b[i] - borrow) >> 31;
#else
        const limb x = a[i] - borrow;
        borrow = (limb)(x > a[i]) | (limb)(x < b[i]);
#endif
    }
    return mask_of(borrow);
}

void fe_select(fe r, const fe a, limb mask)
{
    for (int i = 0; i < LIMBS; i++) {
        r[i] ^= mask & (r[i] ^ a[i]);
    }
}

void fe_negate_if(fe r, const fe a, limb mask, const modulus *m)
{
    fe zero = {0}, negative;
    fe_sub(negative, zero, a, m);
    for (int i = 0; i < LIMBS; i++) {
        r[i] = a[i] ^ (mask & (a[i] ^ negative[i]));
    }
}

void fe_one(fe r, const modulus *m)
{
#if MS_LIMB_BITS == 29
    fe_copy(r, m->one);
#else
    limb carry = 1; /* 2^256 mod m = 2^256 - m = ~m + 1 */
    for (int i = 0; i < LIMBS; i++) {
        r[i] = ~m->m[i] + carry;
        carry &= r[i] == 0;
    }
#endif
}

/* A power in steps: x is squared so many times, then multiplied by what it was before or what was kept. */
typedef struct {
    uint8_t squarings, then;
} power_step;

#define DONE 0
#define TIMES_BEFORE 1
#define TIMES_KEPT 2
#define KEEP 4

/* x^(2^32 - 1) */
#define POWER_OF_32_ONES(then)                                                                                         \
    {1, TIMES_BEFORE}, {2, TIMES_BEFORE}, {4, TIMES_BEFORE}, {8, TIMES_BEFORE},                                        \
    {                                                                                                                  \
        16, then                                                                                                       \
    }

#if MS_SUITE1
/* (p + 1) / 4 = (2^32 - 1) 2^222 + 2^190 + 2^94 */
static const power_step sqrt_p256[] = {
    POWER_OF_32_ONES(TIMES_BEFORE),
    {32, TIMES_KEPT},
    {96, TIMES_KEPT},
    {94, DONE},
};
#endif
#if MS_SUITE2
/* (p + 1) / 4 = (2^32 - 1) (2^32 - 1) (2^128 + 2^96 + 2^64 + 2^32 + 1) 2^62 */
static const power_step sqrt_sm2[] = {
    POWER_OF_32_ONES(TIMES_BEFORE),
    POWER_OF_32_ONES(TIMES_BEFORE | KEEP),
    {32, TIMES_KEPT},
    {32, TIMES_KEPT},
    {32, TIMES_KEPT},
    {32, TIMES_KEPT},
    {62, DONE},
};
#endif

void fe_sqrt(fe r, const fe a, const modulus *m)
{
    fe before, kept;
#if MS_SUITE1 && MS_SUITE2
    const power_step *step = m->shape == SHAPE_P256 ? sqrt_p256 : sqrt_sm2;
#elif MS_SUITE1
    const power_step *step = sqrt_p256;
#else
    const power_step *step = sqrt_sm2;
#endif
    fe_copy(kept, a);
    fe_copy(r, kept);
    for (;; step++) {
        fe_copy(before, r);
        for (unsigned i = step->squarings; i > 0; i--) {
            fe_sqr(r, r, m);
        }
        if (step->then == DONE) {
            return;
        }
        fe_mul(r, r, step->then & TIMES_KEPT ? kept : before, m);
        if (step->then & KEEP) {
            fe_copy(kept, r);
        }
    }
}

void fe_to_montgomery(fe r, const fe a, const modulus *m)
{
#if MS_LIMB_BITS == 29
    /* A product takes signed limbs. */
    const fe zero = {0};
    fe x, rr;
    fe_add(x, a, zero, m);
    fe_add(rr, m->rr, zero, m);
    fe_mul(r, rr, x, m);
    forget(x);
#else
    fe_mul(r, m->rr, a, m);
#endif
}

void fe_from_montgomery(fe r, const fe a, const modulus *m)
{
    const fe one = {1};
    fe_mul(r, one, a, m);
    fe_normal(r, r, m);
}

void fe_load(fe r, const uint8_t bytes[32])
{
#if MS_LIMB_BITS == 29
    limb x = 0;
    unsigned bits = 0, i = 0;
    for (int at = 31; at >= 0; at--) {
        x |= (limb)bytes[at] << bits;
        bits += 8;
        if (bits >= 29) {
            bits -= 29;
            r[i++] = x & LIMB_MASK;
            x = (limb)bytes[at] >> (8 - bits);
        }
    }
    r[i] = x;
#else
    for (int i = 0; i < LIMBS; i++) {
        const uint8_t *p = bytes + 32 - (MS_LIMB_BITS / 8) * (i + 1);
        r[i] = load32(p + MS_LIMB_BITS / 8 - 4);
#    if MS_LIMB_BITS == 64
        r[i] |= (limb)load32(p) << 32;
#    endif
    }
#endif
}

MS_NOINLINE void fe_store(uint8_t bytes[32], const fe a)
{
#if MS_LIMB_BITS == 29
    for (unsigned i = 0; i < 32; i++) {
        const unsigned at = 8 * i / 29, place = 8 * i % 29;
        limb x = a[at] >> place;
        if (place > 21) {
            x |= a[at + 1] << (29 - place);
        }
        bytes[31 - i] = (uint8_t)x;
    }
#else
    for (int i = 0; i < LIMBS; i++) {
        uint8_t *p = bytes + 32 - (MS_LIMB_BITS / 8) * (i + 1);
        store32(p + MS_LIMB_BITS / 8 - 4, (uint32_t)a[i]);
#    if MS_LIMB_BITS == 64
        store32(p, (uint32_t)(a[i] >> 32));
#    endif
    }
#endif
}
