/* The part of field_armv6m.S and field_armv7em.S that is not worth assembly: reduction modulo numbers of no special
 * shape. */
#include "field.h"

#if MS_ARMV6M || MS_ARMV7EM

#    include <stddef.h>

_Static_assert(offsetof(modulus, k) == 64 && offsetof(modulus, shape) == 96 && SHAPE_P256 == 1 && SHAPE_SM2 == 2,
               "as in the assembly");

/* r = a * b. in: any a, b; r may not alias them */
MS_ASSEMBLY void fe_product(limb r[2 * LIMBS], const fe a, const fe b);

/* r = t / 2^256 mod m, for t < m * 2^256. */
MS_ASSEMBLY void fe_reduce_any(fe r, const limb t[2 * LIMBS], const modulus *m);

void fe_reduce_any(fe r, const limb t[2 * LIMBS], const modulus *m)
{
    limb u[2 * LIMBS], v[2 * LIMBS];
    fe carry = {0};
    fe_product(u, t, m->k);
    fe_product(v, u, m->m);
    /* The low halves of t and v add up to 2^256, or to 0 if they are 0. */
    carry[0] = fe_is_zero(t) + 1;
    fe_add(r, t + LIMBS, v + LIMBS, m);
    fe_add(r, r, carry, m);
}

#endif
