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
        dlimb x = (dlimb)a[i] - b[i] - borrow;
        borrow = (limb)(x >> MS_LIMB_BITS) & 1;
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

#define RUNS 6

void fe_sqrt(fe r, const fe a, const modulus *m)
{
    /* r = a^((m + 1) / 4), from the exponent's top bit on: bits that are 1 are taken in runs of 32, 16, 8, 4, 2 or 1.
     */
    fe e, x, runs[RUNS]; /* runs[j] = a^(2^(2^j) - 1) */
    limb carry = 1;      /* (m + 1) / 4 = floor(m / 4) + 1, as m = 3 mod 4 */
    for (int i = 0; i < LIMBS; i++) {
        limb above = i + 1 < LIMBS ? m->m[i + 1] : 0;
        e[i] = ((m->m[i] >> 2 | above << (MS_LIMB_BITS - 2)) + carry) & LIMB_MASK;
        carry &= e[i] == 0;
    }
    fe_copy(runs[0], a);
    for (unsigned j = 1; j < RUNS; j++) {
        fe_copy(x, runs[j - 1]);
        for (unsigned i = 0; i < 1u << (j - 1); i++) {
            fe_sqr(x, x, m);
        }
        fe_mul(runs[j], x, runs[j - 1], m);
    }
    int started = 0;
    for (unsigned top = 256; top > 0;) {
        unsigned ones = 0, j = RUNS - 1;
        while (ones < 32 && ones < top && fe_bit(e, top - 1 - ones)) {
            ones++;
        }
        while (j > 0 && 1u << j > ones) {
            j--;
        }
        const unsigned length = 1u << j;
        for (unsigned i = 0; started && i < length; i++) {
            fe_sqr(x, x, m);
        }
        if (ones && started) {
            fe_mul(x, x, runs[j], m);
        } else if (ones) {
            fe_copy(x, runs[j]);
            started = 1;
        }
        top -= length;
    }
    fe_copy(r, x);
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
    ms_wipe(x, sizeof x);
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
