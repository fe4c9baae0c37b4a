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

#        if MS_LIMB_BITS == 64

/* (high, low) += a * b + carry; the latter is what goes over. All are words. */
#            define ACCUMULATE(low, a, b, carry)                                                                       \
                {                                                                                                      \
                    const dlimb sum = (dlimb)(a) * (b) + (low) + (carry);                                              \
                    (low) = (limb)sum;                                                                                 \
                    (carry) = (limb)(sum >> 64);                                                                       \
                }

/* t = a * b */
static inline __attribute__((always_inline)) void product(limb t[8], const fe a, const fe b)
{
    for (int i = 0; i < 4; i++) {
        t[i] = 0;
    }
    for (int i = 0; i < 4; i++) {
        limb carry = 0;
        ACCUMULATE(t[i], a[0], b[i], carry)
        ACCUMULATE(t[i + 1], a[1], b[i], carry)
        ACCUMULATE(t[i + 2], a[2], b[i], carry)
        ACCUMULATE(t[i + 3], a[3], b[i], carry)
        t[i + 4] = carry;
    }
}

/* t = a^2: what is off the diagonal, twice, and the squares of the limbs */
static inline __attribute__((always_inline)) void square(limb t[8], const fe a)
{
    limb carry = 0, over = 0;
    t[1] = t[2] = t[3] = 0;
    ACCUMULATE(t[1], a[0], a[1], carry)
    ACCUMULATE(t[2], a[0], a[2], carry)
    ACCUMULATE(t[3], a[0], a[3], carry)
    t[4] = carry;
    carry = 0;
    ACCUMULATE(t[3], a[1], a[2], carry)
    ACCUMULATE(t[4], a[1], a[3], carry)
    t[5] = carry;
    carry = 0;
    ACCUMULATE(t[5], a[2], a[3], carry)
    t[6] = carry;
    t[7] = t[6] >> 63;
    for (int i = 6; i > 1; i--) {
        t[i] = t[i] << 1 | t[i - 1] >> 63;
    }
    t[1] <<= 1;
    t[0] = 0;
    for (int i = 0; i < 4; i++) {
        const dlimb low = (dlimb)a[i] * a[i] + t[2 * i] + over;
        const dlimb high = (dlimb)t[2 * i + 1] + (limb)(low >> 64);
        t[2 * i] = (limb)low;
        t[2 * i + 1] = (limb)high;
        over = (limb)(high >> 64);
    }
}

/* r = t / 2^256 mod m. in: t < m * 2^256 */
static inline __attribute__((always_inline)) void reduce(fe r, limb t[8], const modulus *m, const limb shape)
{
    limb over = 0;
    for (int i = 0; i < 4; i++) {
        /* t += u * m * 2^(64 i), with the u that makes limb i 0. That of p = -1 modulo 2^64 is the limb. */
        limb u = t[i], carry = u;
        if (shape == SHAPE_P256) {
            /* u * p = u * 2^256 - u * 2^224 + u * 2^192 + u * 2^96 - u */
            dlimb x = (dlimb)t[i + 1] + (u << 32);
            t[i + 1] = (limb)x;
            x = (dlimb)t[i + 2] + (u >> 32) + (limb)(x >> 64);
            t[i + 2] = (limb)x;
            carry = (limb)(x >> 64);
        } else {
            if (shape == SHAPE_ANY) {
                u *= m->k[0];
                carry = 0;
                ACCUMULATE(t[i], u, m->m[0], carry)
            }
            ACCUMULATE(t[i + 1], u, m->m[1], carry)
            ACCUMULATE(t[i + 2], u, m->m[2], carry)
        }
        ACCUMULATE(t[i + 3], u, shape == SHAPE_P256 ? 0xffffffff00000001u : m->m[3], carry)
        const dlimb x = (dlimb)t[i + 4] + carry + over;
        t[i + 4] = (limb)x;
        over = (limb)(x >> 64);
    }
    reduce_once(r, t + 4, over, m);
}

static inline __attribute__((always_inline)) void reduce_by_shape(fe r, limb t[8], const modulus *m)
{
    if (m->shape == SHAPE_P256) {
        reduce(r, t, m, SHAPE_P256);
    } else if (m->shape == SHAPE_SM2) {
        reduce(r, t, m, SHAPE_SM2);
    } else {
        reduce(r, t, m, SHAPE_ANY);
    }
}

MS_NOINLINE void fe_mul(fe r, const fe a, const fe b, const modulus *m)
{
    limb t[8];
    product(t, a, b);
    reduce_by_shape(r, t, m);
}

MS_NOINLINE void fe_sqr(fe r, const fe a, const modulus *m)
{
    limb t[8];
    square(t, a);
    reduce_by_shape(r, t, m);
}

#        else

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

#        endif

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
        for (int j = 0; j < LIMBS; j++) {
            r->x[j] |= table[i].x[j] & hit;
            r->y[j] |= table[i].y[j] & hit;
        }
    }
}

#endif
