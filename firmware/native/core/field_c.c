/* Modular arithmetic in plain C, for 32-bit and 64-bit limbs; and the look-up, for all. */
#include "field.h"

#if !MS_ARMV6M && !MS_ARMV7EM

#    include <string.h>

#    if MS_LIMB_BITS != 29

/*
 * r = a + top * 2^256 - m, or a if that is negative.
 * in: a + top * 2^256 < 2m, top is 0 or 1; out: r < m; r may alias a
 */
static void reduce_once(fe r, const fe a, limb top, const modulus *m)
{
    fe difference;
    limb borrow = 0;
    for (int i = 0; i < LIMBS; i++) {
        dlimb x = (dlimb)a[i] - m->m[i] - borrow;
        difference[i] = (limb)x;
        borrow = (limb)(x >> MS_LIMB_BITS) & 1;
    }
    limb keep = mask_of(borrow & (top ^ 1));
    for (int i = 0; i < LIMBS; i++) {
        r[i] = difference[i] ^ (keep & (difference[i] ^ a[i]));
    }
}

MS_NOINLINE void fe_mul(fe r, const fe a, const fe b, const modulus *m)
{
    limb t[LIMBS] = {0}, top = 0; /* t + top * 2^256 < 2m after each round */
    for (int i = 0; i < LIMBS; i++) {
        /* t = (t + a * b[i] + u * m) / 2^word, with the u that makes the division exact */
        dlimb x = (dlimb)a[0] * b[i] + t[0];
        limb u = (limb)x * m->k[0];
        dlimb y = (dlimb)u * m->m[0] + (limb)x;
        for (int j = 1; j < LIMBS; j++) {
            x = (dlimb)a[j] * b[i] + t[j] + (limb)(x >> MS_LIMB_BITS);
            y = (dlimb)u * m->m[j] + (limb)x + (limb)(y >> MS_LIMB_BITS);
            t[j - 1] = (limb)y;
        }
        x = (dlimb)top + (limb)(x >> MS_LIMB_BITS) + (limb)(y >> MS_LIMB_BITS);
        t[LIMBS - 1] = (limb)x;
        top = (limb)(x >> MS_LIMB_BITS);
    }
    reduce_once(r, t, top, m);
}

void fe_sqr(fe r, const fe a, const modulus *m)
{
    fe_mul(r, a, a, m);
}

void fe_add(fe r, const fe a, const fe b, const modulus *m)
{
    limb carry = 0;
    fe sum;
    for (int i = 0; i < LIMBS; i++) {
        dlimb x = (dlimb)a[i] + b[i] + carry;
        sum[i] = (limb)x;
        carry = (limb)(x >> MS_LIMB_BITS);
    }
    reduce_once(r, sum, carry, m);
}

void fe_sub(fe r, const fe a, const fe b, const modulus *m)
{
    limb borrow = 0, carry = 0;
    fe difference;
    for (int i = 0; i < LIMBS; i++) {
        dlimb x = (dlimb)a[i] - b[i] - borrow;
        difference[i] = (limb)x;
        borrow = (limb)(x >> MS_LIMB_BITS) & 1;
    }
    limb negative = mask_of(borrow);
    for (int i = 0; i < LIMBS; i++) {
        dlimb x = (dlimb)difference[i] + (m->m[i] & negative) + carry;
        r[i] = (limb)x;
        carry = (limb)(x >> MS_LIMB_BITS);
    }
}

void fe_half(fe r, const fe a, const modulus *m)
{
    limb odd = mask_of(a[0] & 1), carry = 0;
    fe even;
    for (int i = 0; i < LIMBS; i++) {
        dlimb x = (dlimb)a[i] + (m->m[i] & odd) + carry;
        even[i] = (limb)x;
        carry = (limb)(x >> MS_LIMB_BITS);
    }
    for (int i = 0; i < LIMBS; i++) {
        limb above = i + 1 < LIMBS ? even[i + 1] : carry;
        r[i] = even[i] >> 1 | above << (MS_LIMB_BITS - 1);
    }
}

#    endif

void fe_pick(fe_pair *r, const fe_pair *table, unsigned count, limb index)
{
    memset(r, 0, sizeof *r);
    for (limb i = 0; i < count; i++) {
        limb hit = mask_of(((i ^ index) - 1) >> (8 * sizeof(limb) - 1)); /* only 0 - 1 has the top bit */
        fe_select(r->x, table[i].x, hit);
        fe_select(r->y, table[i].y, hit);
    }
}

#endif
