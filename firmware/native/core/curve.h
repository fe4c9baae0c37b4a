/* The two curves, y^2 = x^3 - 3x + b over GF(p), with a group of prime order q. */
#ifndef MS_CURVE_H
#define MS_CURVE_H

#include "field.h"

/*
 * The comb of point_mul_base: digits of COMB_TEETH bits, COMB_SPACING apart. One of 2 KB would take a sixth less time:
 * in two parts of 26 digits each, it has half of the doublings and as many additions.
 */
#define COMB_TEETH 5
#define COMB_SPACING 52
#define COMB_ENTRIES (1 << (COMB_TEETH - 1)) /* the other half are their negatives */

typedef struct {
    modulus p, q;
    fe b; /* in Montgomery form, like the table */
    /* comb[u] = (2^208 + sum over i < 4 of (+1 if bit i of u else -1) * 2^(52 i)) * G as x, y */
    fe comb[COMB_ENTRIES][2];
} curve;

/* The curve of a suite; null if the suite is unknown or not built in. */
MS_INTERNAL const curve *curve_of(uint8_t suite);

#endif
