/* Scalars, and the public functions on them. */
#include "scalar.h"

#include <string.h>

MS_NOINLINE void scalar_load(fe r, const uint8_t bytes[MS_SCALAR_SIZE], const curve *c)
{
    fe_load(r, bytes);
    /* There and back: the way in takes any number and reduces it. */
    fe_to_montgomery(r, r, &c->q);
    fe_from_montgomery(r, r, &c->q);
}

MS_NOINLINE ms_error scalar_load_checked(fe r, const uint8_t bytes[MS_SCALAR_SIZE], const curve *c)
{
    fe_load(r, bytes);
    limb good = fe_is_less(r, c->q.m) & ~fe_is_zero(r);
    declassify(&good, sizeof good);
    return good ? MS_OK : MS_ERR_SCALAR;
}

MS_NOINLINE void scalar_load_wide(fe r, const uint8_t *bytes, size_t length, const curve *c)
{
    uint8_t padded[64] = {0};
    fe high;
    memcpy(padded + 64 - length, bytes, length);
    fe_load(high, padded);
    fe_to_montgomery(high, high, &c->q); /* high * 2^256 mod q, just what is wanted, or that of 2^261 */
    for (unsigned bit = LIMBS * MS_LIMB_BITS; bit > 256; bit--) {
        fe_half(high, high, &c->q);
    }
    scalar_load(r, padded + 32, c);
    fe_add(r, r, high, &c->q);
    fe_normal(r, r, &c->q);
    forget(padded);
    forget(high);
}

MS_NOINLINE void scalar_mul_add(fe r, const fe a, const fe b, const fe d, const curve *c)
{
    fe product;
    fe_to_montgomery(product, a, &c->q);
    fe_mul(product, product, b, &c->q);
    fe_add(r, product, d, &c->q);
    fe_normal(r, r, &c->q);
    forget(product);
}

int ms_is_scalar(uint8_t suite, const uint8_t x[MS_SCALAR_SIZE])
{
    fe number;
    const curve *c = curve_of(suite);
    int good = c && !scalar_load_checked(number, x, c);
    forget(number);
    burn_stack_shallow();
    return good;
}

ms_error ms_scalar_reduce(uint8_t suite, const uint8_t *wide, size_t length, uint8_t out[MS_SCALAR_SIZE])
{
    fe number;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    if (length == 0 || length > 64) {
        return MS_ERR_LENGTH;
    }
    scalar_load_wide(number, wide, length, c);
    fe_store(out, number);
    forget(number);
    burn_stack_shallow();
    return MS_OK;
}

ms_error ms_scalar_mul_add(uint8_t suite, const uint8_t a[MS_SCALAR_SIZE], const uint8_t b[MS_SCALAR_SIZE],
                           const uint8_t c[MS_SCALAR_SIZE], uint8_t out[MS_SCALAR_SIZE])
{
    fe x, y, z;
    const curve *group = curve_of(suite);
    if (!group) {
        return MS_ERR_SUITE;
    }
    scalar_load(x, a, group);
    scalar_load(y, b, group);
    scalar_load(z, c, group);
    scalar_mul_add(x, x, y, z, group);
    fe_store(out, x);
    forget(x);
    forget(y);
    forget(z);
    burn_stack_shallow();
    return MS_OK;
}
