/* One round of an inversion, which assembly may bring: see invert.c. */
#ifndef MS_INVERT_H
#define MS_INVERT_H

#include "field.h"

#define GCD_STEPS 15
#define GCD_WORDS 18

/*
 * f, g, d, e and the modulus m, in words of 15 bits from the least significant, the last with the sign; next to each
 * other as one pass reads them. Assembly knows this layout.
 */
typedef struct {
    int32_t fg[GCD_WORDS][2];
    int32_t dem[GCD_WORDS][3];
} gcd_state;

/*
 * Fifteen steps; takes zeta, which is -(delta + 1/2), and returns the next one. k: -1/m mod 2^15, bits above are
 * ignored. Constant time.
 */
#if MS_ARMV6M
MS_ASSEMBLY
#else
MS_INTERNAL
#endif
int32_t gcd_round(int32_t zeta, gcd_state *state, uint32_t k);

#endif
