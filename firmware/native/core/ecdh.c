/* Public functions that multiply one point by a secret: section 2's k*G, k*P + A, and X(k*P). */
#include "point.h"
#include "scalar.h"

int ms_is_point(uint8_t suite, const uint8_t point_bytes[MS_POINT_SIZE])
{
    point a;
    const curve *c = curve_of(suite);
    return c && !point_decode(&a, point_bytes, c);
}

ms_error ms_base_mul(uint8_t suite, const uint8_t k[MS_SCALAR_SIZE], uint8_t out[MS_POINT_SIZE])
{
    fe scalar;
    point r;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    ms_error error = scalar_load_checked(scalar, k, c);
    if (!error) {
        point_mul_base(&r, scalar, c);
        error = point_encode(out, &r, c);
    }
    forget(scalar);
    forget(r);
    burn_stack();
    return error;
}

ms_error ms_mul_add(uint8_t suite, const uint8_t k[MS_SCALAR_SIZE], const uint8_t *P, const uint8_t A[MS_POINT_SIZE],
                    uint8_t out[MS_POINT_SIZE])
{
    fe scalar;
    point r;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    ms_error error = P ? point_decode(&r, P, c) : MS_OK;
    if (!error) {
        error = scalar_load_checked(scalar, k, c);
    }
    if (!error) {
        if (P) {
            point_mul(&r, scalar, &r, c);
        } else {
            point_mul_base(&r, scalar, c);
        }
        error = point_add_encoded(&r, A, c); /* A only now, as the multiplication takes the most of the stack */
    }
    if (!error) {
        error = point_encode(out, &r, c);
    }
    forget(scalar);
    forget(r);
    burn_stack();
    return error;
}

ms_error ms_ecdh(uint8_t suite, const uint8_t k[MS_SCALAR_SIZE], const uint8_t P[MS_POINT_SIZE], uint8_t out[32])
{
    fe scalar;
    point r;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    ms_error error = point_decode(&r, P, c);
    if (!error) {
        error = scalar_load_checked(scalar, k, c);
    }
    if (!error) {
        point_mul(&r, scalar, &r, c);
        error = point_encode_x(out, &r, c);
    }
    forget(scalar);
    forget(r);
    burn_stack();
    return error;
}
