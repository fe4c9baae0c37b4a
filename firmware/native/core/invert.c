/*
 * Inverses modulo m in constant time: Bernstein and Yang, "Fast constant-time gcd computation and modular inversion"
 * (2019), in the variant that starts with delta = 1/2, for which 590 steps are enough for numbers of 256 bits.
 *
 * A step takes (delta, f, g), f odd, to (1 - delta, g, (g - f) / 2) if delta > 0 and g is odd, else to
 * (1 + delta, f, (g + (g mod 2) f) / 2). From (1/2, m, a) on, 590 steps end at f = 1 or -1, g = 0. Fifteen steps depend
 * on the lowest 15 bits only and are a matrix of numbers up to 2^15, so f and g are kept in words of 15 bits: all
 * products fit 32 bits. d and e go through the same matrices modulo m: f = d a and g = e a, times a constant.
 */
#include "field.h"

#include <string.h>

#define GCD_STEPS 15
#define GCD_ROUNDS 40 /* 590 / GCD_STEPS, rounded up */
#define GCD_WORDS 18
#define GCD_LOW 0x7fff

/* A number: words of 15 bits from the least significant, the last with the sign. */
typedef int32_t digits[GCD_WORDS];

typedef struct {
    int32_t u, v, q, r; /* f becomes (u f + v g) / 2^15, g becomes (q f + r g) / 2^15; |u| + |v|, |q| + |r| <= 2^15 */
} matrix;

/* a >> n for n < 32, also where the bits above are those of a negative number */
static inline int32_t shift_right(int32_t a, unsigned n)
{
    return a >> n; /* arithmetic, as GCC and clang define it */
}

static void to_digits(digits r, const fe a)
{
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        uint32_t word = 0;
        for (unsigned j = 0; j < GCD_STEPS && GCD_STEPS * i + j < 256; j += 5) {
            const unsigned bit = GCD_STEPS * i + j;
            uint32_t five = (uint32_t)(a[bit / MS_LIMB_BITS] >> (bit % MS_LIMB_BITS));
            if (bit % MS_LIMB_BITS > MS_LIMB_BITS - 5 && bit / MS_LIMB_BITS + 1 < LIMBS) {
                five |= (uint32_t)(a[bit / MS_LIMB_BITS + 1] << (MS_LIMB_BITS - bit % MS_LIMB_BITS));
            }
            word |= (five & 31) << j;
        }
        r[i] = (int32_t)word;
    }
}

/* in: 0 <= a < 2^256, all words from 0 to 2^15 - 1 */
static void from_digits(fe r, const digits a)
{
    limb word = 0;
    unsigned bits = 0, out = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        word |= (limb)(uint32_t)a[i] << bits;
        bits += GCD_STEPS;
        if (bits >= MS_LIMB_BITS && out < LIMBS) {
            r[out++] = word;
            bits -= MS_LIMB_BITS;
            word = (limb)(uint32_t)a[i] >> (GCD_STEPS - bits);
        }
    }
}

/* Fifteen steps on the lowest words; zeta is -(delta + 1/2). */
static MS_NOINLINE int32_t fifteen_steps(matrix *t, int32_t zeta, int32_t f, int32_t g)
{
    int32_t u = 1, v = 0, q = 0, r = 1;
    for (unsigned i = 0; i < GCD_STEPS; i++) {
        int32_t swap = (int32_t)opaque((uint32_t)shift_right(zeta, 31)); /* -1: delta > 0 */
        int32_t odd = -(int32_t)opaque((uint32_t)g & 1);
        g += ((f ^ swap) - swap) & odd;
        q += ((u ^ swap) - swap) & odd;
        r += ((v ^ swap) - swap) & odd;
        swap &= odd;
        zeta = (zeta ^ swap) - 1;
        f += g & swap;
        u += q & swap;
        v += r & swap;
        g = shift_right(g, 1);
        u *= 2;
        v *= 2;
    }
    *t = (matrix){u, v, q, r};
    return zeta;
}

/* (f, g) = t (f, g) / 2^15 */
static MS_NOINLINE void update_pair(digits f, digits g, const matrix *t)
{
    int32_t x = 0, y = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const int32_t a = f[i], b = g[i];
        x += t->u * a + t->v * b;
        y += t->q * a + t->r * b;
        if (i > 0) { /* of word 0 nothing is left */
            f[i - 1] = x & GCD_LOW;
            g[i - 1] = y & GCD_LOW;
        }
        x = shift_right(x, GCD_STEPS);
        y = shift_right(y, GCD_STEPS);
    }
    f[GCD_WORDS - 1] = x;
    g[GCD_WORDS - 1] = y;
}

/*
 * (d, e) = t (d, e) / 2^15 mod m, with what is added of m to make the division exact. That is between 0 and m, so
 * that |d| and |e| grow by no more than m a round: they stay below 41 m.
 */
static MS_NOINLINE void update_modulo(digits d, digits e, const matrix *t, const digits m, uint32_t k)
{
    int32_t x = 0, y = 0;
    const int32_t m_x = (int32_t)((uint32_t)(t->u * d[0] + t->v * e[0]) * k & GCD_LOW);
    const int32_t m_y = (int32_t)((uint32_t)(t->q * d[0] + t->r * e[0]) * k & GCD_LOW);
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        const int32_t a = d[i], b = e[i], c = m[i];
        x += t->u * a + t->v * b + m_x * c; /* below 2^30 + 2^30 with the carry in it */
        y += t->q * a + t->r * b + m_y * c;
        if (i > 0) {
            d[i - 1] = x & GCD_LOW;
            e[i - 1] = y & GCD_LOW;
        }
        x = shift_right(x, GCD_STEPS);
        y = shift_right(y, GCD_STEPS);
    }
    d[GCD_WORDS - 1] = x;
    e[GCD_WORDS - 1] = y;
}

/* a = sign * a + n * m, words from 0 to 2^15 - 1 but the last. in: sign is 1 or -1, |n| < 2^14 */
static void add_multiple(digits a, int32_t sign, int32_t n, const digits m)
{
    int32_t x = 0;
    for (unsigned i = 0; i < GCD_WORDS; i++) {
        x += sign * a[i] + n * m[i];
        a[i] = i + 1 < GCD_WORDS ? x & GCD_LOW : x;
        x = shift_right(x, GCD_STEPS);
    }
}

MS_NOINLINE void fe_invert(fe r, const fe a, const modulus *m)
{
    const fe zero = {0};
    digits modulo, f, g, d = {0}, e;
    matrix t;
    int32_t zeta = -1;
    to_digits(modulo, m->m);
    memcpy(f, modulo, sizeof f);
    to_digits(g, a);
    to_digits(e, m->rr); /* which makes the inverse of a 2^256 that of a, times 2^256 */
    for (unsigned i = 0; i < GCD_ROUNDS; i++) {
        zeta = fifteen_steps(&t, zeta, f[0], g[0]);
        update_pair(f, g, &t);
        update_modulo(d, e, &t, modulo, (uint32_t)m->k[0]);
    }
    /* f is 1 or -1 (m if a is 0, then d is 0 mod m). Make d positive, then take off m until it is below 2^256. */
    add_multiple(d, 1 + 2 * shift_right(f[GCD_WORDS - 1], 31), 64, modulo);
    add_multiple(d, 1, -shift_right(d[GCD_WORDS - 1], 1), modulo); /* word 17 begins at bit 255 */
    add_multiple(d, 1, -shift_right(d[GCD_WORDS - 1], 1), modulo);
    from_digits(r, d);
    fe_add(r, r, zero, m);
    ms_wipe(f, sizeof f);
    ms_wipe(g, sizeof g);
    ms_wipe(d, sizeof d);
    ms_wipe(e, sizeof e);
    ms_wipe(&t, sizeof t);
}
