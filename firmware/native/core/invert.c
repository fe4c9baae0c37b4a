/*
 * Inverses modulo m in constant time: Bernstein and Yang, "Fast constant-time gcd computation and modular inversion"
 * (2019), in the variant that starts with delta = 1/2, for which 590 steps are enough for numbers of 256 bits.
 *
 * A step takes (delta, f, g), f odd, to (1 - delta, g, (g - f) / 2) if delta > 0 and g is odd, else to
 * (1 + delta, f, (g + (g mod 2) f) / 2). From (1/2, m, a) on, 590 steps end at f = 1 or -1, g = 0. A round of n = 15 or
 * 30 steps depends on the lowest n bits only and is a matrix of numbers up to 2^n by which (f, g) is multiplied before
 * it is divided by 2^n, so f and g are kept in words of n bits: products have no more than 2n + 1, and the division
 * leaves out a word. d and e go through the same modulo m: f = d a and g = e a, times a constant. What is added of m
 * there to make the division exact is between 0 and m, so that |d| and |e| grow by no more than m a round and stay
 * below 41 m.
 *
 * Negative numbers are shifted right as GCC and clang define it.
 */
#include "invert.h"

#define GCD_ROUNDS (600 / GCD_STEPS) /* of 590 steps that it takes */
#define GCD_LOW ((1 << GCD_STEPS) - 1)

/* The bits of a that word i has. */
static int32_t digit_of(const fe a, unsigned i)
{
    const unsigned bit = GCD_STEPS * i, place = bit % MS_LIMB_BITS, above = bit / MS_LIMB_BITS + 1;
    limb x = a[above - 1] >> place;
    if (place + GCD_STEPS > MS_LIMB_BITS && above < LIMBS) {
        x |= a[above] << (MS_LIMB_BITS - place);
    }
    return (int32_t)(x & GCD_LOW);
}

/* d = sign * d + n * m. in: sign is 1 or -1, |n| < 2^14 */
static void add_multiple(gcd_state *s, gcd_sum sign, gcd_sum n)
{
    gcd_sum x = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        x += sign * s->dem[i][0] + n * s->dem[i][2];
        s->dem[i][0] = (int32_t)(i + 1 < GCD_WORDS ? x & GCD_LOW : x);
        x >>= GCD_STEPS;
    }
}

MS_NOINLINE void fe_invert(fe r, const fe a, const modulus *m)
{
    const fe zero = {0};
    gcd_state s;
    int32_t zeta = -1;
    fe_normal(r, a, m);
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        s.dem[i][2] = s.fg[i][0] = digit_of(m->m, i);
        s.fg[i][1] = digit_of(r, i);
        s.dem[i][0] = 0;
        s.dem[i][1] = digit_of(m->rr, i); /* which makes the inverse of a 2^256 that of a, times 2^256 */
    }
    for (unsigned i = 0; i < GCD_ROUNDS; i++) {
        zeta = gcd_round(zeta, &s, (uint32_t)m->k[0]);
    }
    /* f is 1 or -1; or m if a is 0, and then d is 0 mod m. Make d positive, then take m off until it is below 2^256. */
    add_multiple(&s, 1 + 2 * (s.fg[GCD_WORDS - 1][0] >> 31), 64);
    for (unsigned i = 0; i < 2; i++) {
        add_multiple(&s, 1, -(s.dem[GCD_WORDS - 1][0] >> (256 - GCD_STEPS * (GCD_WORDS - 1))));
    }
    limb word = 0;
    unsigned bits = 0, out = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const limb x = (limb)s.dem[i][0];
        word |= x << bits;
        bits += GCD_STEPS;
        while (bits >= MS_LIMB_BITS && out < LIMBS) {
            r[out++] = word & LIMB_MASK;
            bits -= MS_LIMB_BITS;
            word = x >> (GCD_STEPS - bits);
        }
    }
    fe_add(r, r, zero, m);
    forget(s);
}
