/* One round of an inversion, which assembly may bring: see invert.c. */
#ifndef MS_INVERT_H
#define MS_INVERT_H

#include "field.h"

/* 15 where products of 32 bits are dear, and where adding up such of 64 bits would branch on carries. */
#if MS_ARMV6M || defined __XTENSA__ || defined __xtensa__ || (defined __riscv && __riscv_xlen == 32)
#    define GCD_STEPS 15
typedef int32_t gcd_sum;
#else
#    define GCD_STEPS 30
typedef int64_t gcd_sum;
#endif
#define GCD_WORDS (270 / GCD_STEPS)

/*
 * f, g, d, e and the modulus m, in words of GCD_STEPS bits from the least significant, the last with the sign; next to
 * each other as one pass reads them. Assembly knows this layout.
 */
typedef struct {
    int32_t fg[GCD_WORDS][2];
    int32_t dem[GCD_WORDS][3];
} gcd_state;

/*
 * GCD_STEPS steps; takes zeta, which is -(delta + 1/2), and returns the next one. k: -1/m mod 2^GCD_STEPS, bits above
 * are ignored. Constant time.
 */
#if MS_ARMV6M
MS_ASSEMBLY
#else
MS_INTERNAL
#endif
int32_t gcd_round(int32_t zeta, gcd_state *state, uint32_t k);

#endif
