/* gcd_round in plain C. */
#include "invert.h"

#if !MS_ARMV6M

#    define LOW_BITS ((1 << GCD_STEPS) - 1)

typedef struct {
    /* With n = GCD_STEPS, f becomes (u f + v g) / 2^n, g becomes (q f + r g) / 2^n; |u| + |v|, |q| + |r| <= 2^n. */
    int32_t u, v, q, r;
} matrix;

/* The steps on the lowest words, of which what is above GCD_STEPS bits does not matter. */
static MS_NOINLINE int32_t steps(matrix *t, int32_t zeta, int32_t f_0, int32_t g_0)
{
    uint32_t u = 1, v = 0, q = 0, r = 1, f = (uint32_t)f_0, g = (uint32_t)g_0;
    for (unsigned i = 0; i < GCD_STEPS; i++) {
        uint32_t swap = opaque((uint32_t)(zeta >> 31)); /* all ones: delta > 0 */
        const uint32_t odd = 0 - opaque(g & 1);
        g += ((f ^ swap) - swap) & odd;
        q += ((u ^ swap) - swap) & odd;
        r += ((v ^ swap) - swap) & odd;
        swap &= odd;
        zeta = (zeta ^ (int32_t)swap) - 1;
        f += g & swap;
        u += q & swap;
        v += r & swap;
        g >>= 1;
        u <<= 1;
        v <<= 1;
    }
    *t = (matrix){(int32_t)u, (int32_t)v, (int32_t)q, (int32_t)r};
    return zeta;
}

int32_t gcd_round(int32_t zeta, gcd_state *state, uint32_t k)
{
    matrix t;
    gcd_sum x = 0, y = 0;
    zeta = steps(&t, zeta, state->fg[0][0], state->fg[0][1]);
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const int32_t f = state->fg[i][0], g = state->fg[i][1];
        x += (gcd_sum)t.u * f + (gcd_sum)t.v * g;
        y += (gcd_sum)t.q * f + (gcd_sum)t.r * g;
        if (i > 0) { /* of word 0 nothing is left */
            state->fg[i - 1][0] = (int32_t)x & LOW_BITS;
            state->fg[i - 1][1] = (int32_t)y & LOW_BITS;
        }
        x >>= GCD_STEPS;
        y >>= GCD_STEPS;
    }
    state->fg[GCD_WORDS - 1][0] = (int32_t)x;
    state->fg[GCD_WORDS - 1][1] = (int32_t)y;
    /* d and e modulo m: the multiples of m make the division exact. */
    const uint32_t d_0 = (uint32_t)state->dem[0][0], e_0 = (uint32_t)state->dem[0][1];
    const int32_t m_d = (int32_t)(((uint32_t)t.u * d_0 + (uint32_t)t.v * e_0) * k & LOW_BITS);
    const int32_t m_e = (int32_t)(((uint32_t)t.q * d_0 + (uint32_t)t.r * e_0) * k & LOW_BITS);
    x = 0;
    y = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const int32_t d = state->dem[i][0], e = state->dem[i][1], m = state->dem[i][2];
        x += (gcd_sum)t.u * d + (gcd_sum)t.v * e + (gcd_sum)m_d * m; /* below 2^(2 n) + 2^(2 n) with the carry in it */
        y += (gcd_sum)t.q * d + (gcd_sum)t.r * e + (gcd_sum)m_e * m;
        if (i > 0) {
            state->dem[i - 1][0] = (int32_t)x & LOW_BITS;
            state->dem[i - 1][1] = (int32_t)y & LOW_BITS;
        }
        x >>= GCD_STEPS;
        y >>= GCD_STEPS;
    }
    state->dem[GCD_WORDS - 1][0] = (int32_t)x;
    state->dem[GCD_WORDS - 1][1] = (int32_t)y;
    forget(t);
    return zeta;
}

#endif
