/* Integers modulo q, the order of the group. Held as plain numbers below q, not in Montgomery form. */
#ifndef MS_SCALAR_H
#define MS_SCALAR_H

#include "curve.h"

/* r = the number in bytes, reduced once if need be: out: r < q. Constant time. */
MS_INTERNAL void scalar_load(fe r, const uint8_t bytes[MS_SCALAR_SIZE], const curve *c);

/* r = the number in bytes. MS_ERR_SCALAR unless 0 < r < q; whether it is may be known. Constant time otherwise. */
MS_INTERNAL ms_error scalar_load_checked(fe r, const uint8_t bytes[MS_SCALAR_SIZE], const curve *c);

/* r = the number in 1 to 64 bytes, mod q. Constant time. */
MS_INTERNAL void scalar_load_wide(fe r, const uint8_t *bytes, size_t length, const curve *c);

/* r = a * b + d mod q. in: a, b, d < q; out: r < q; r may alias all. Constant time. */
MS_INTERNAL void scalar_mul_add(fe r, const fe a, const fe b, const fe d, const curve *c);

#endif
