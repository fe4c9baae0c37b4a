/* gcd_round in plain C. */
#include "invert.h"

#if !MS_ARMV6M

#    define LOW_BITS ((1 << GCD_STEPS) - 1)

typedef struct {
    int32_t u, v, q, r; /* f becomes (u f + v g) / 2^15, g becomes (q f + r g) / 2^15; |u| + |v|, |q| + |r| <= 2^15 */
} matrix;

/* The steps on the lowest words. */
static MS_NOINLINE int32_t fifteen_steps(matrix *t, int32_t zeta, int32_t f, int32_t g)
{
    int32_t u = 1, v = 0, q = 0, r = 1;
    for (unsigned i = 0; i < GCD_STEPS; i++) {
        int32_t swap = (int32_t)opaque((uint32_t)(zeta >> 31)); /* -1: delta > 0 */
        int32_t odd = -(int32_t)opaque((uint32_t)g & 1);
        g += ((f ^ swap) - swap) & odd;
        q += ((u ^ swap) - swap) & odd;
        r += ((v ^ swap) - swap) & odd;
        swap &= odd;
        zeta = (zeta ^ swap) - 1;
        f += g & swap;
        u += q & swap;
        v += r & swap;
        g >>= 1;
        u *= 2;
        v *= 2;
    }
    *t = (matrix){u, v, q, r};
    return zeta;
}

int32_t gcd_round(int32_t zeta, gcd_state *state, uint32_t k)
{
    matrix t;
    int32_t x = 0, y = 0;
    zeta = fifteen_steps(&t, zeta, state->fg[0][0], state->fg[0][1]);
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const int32_t f = state->fg[i][0], g = state->fg[i][1];
        x += t.u * f + t.v * g;
        y += t.q * f + t.r * g;
        if (i > 0) { /* of word 0 nothing is left */
            state->fg[i - 1][0] = x & LOW_BITS;
            state->fg[i - 1][1] = y & LOW_BITS;
        }
        x >>= GCD_STEPS;
        y >>= GCD_STEPS;
    }
    state->fg[GCD_WORDS - 1][0] = x;
    state->fg[GCD_WORDS - 1][1] = y;
    /* d and e modulo m: the multiples of m make the division exact. */
    const int32_t d_0 = state->dem[0][0], e_0 = state->dem[0][1];
    const int32_t m_d = (int32_t)((uint32_t)(t.u * d_0 + t.v * e_0) * k & LOW_BITS);
    const int32_t m_e = (int32_t)((uint32_t)(t.q * d_0 + t.r * e_0) * k & LOW_BITS);
    x = 0;
    y = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const int32_t d = state->dem[i][0], e = state->dem[i][1], m = state->dem[i][2];
        x += t.u * d + t.v * e + m_d * m; /* below 2^30 + 2^30 with the carry in it */
        y += t.q * d + t.r * e + m_e * m;
        if (i > 0) {
            state->dem[i - 1][0] = x & LOW_BITS;
            state->dem[i - 1][1] = y & LOW_BITS;
        }
        x >>= GCD_STEPS;
        y >>= GCD_STEPS;
    }
    state->dem[GCD_WORDS - 1][0] = x;
    state->dem[GCD_WORDS - 1][1] = y;
    ms_wipe(&t, sizeof t);
    return zeta;
}

#endif
