/* ECQV implicit certificates: protocol.md section 4, after SEC 4 v1.0. */
#include "point.h"
#include "scalar.h"

#include <string.h>

/* e = Hn(cert): H(cert) as an integer, shifted right by one bit, which puts it below q. May be 0, in theory. */
static MS_NOINLINE void hash_certificate(fe e, uint8_t suite, const void *cert, size_t length)
{
    ms_hash ctx;
    uint8_t digest[MS_HASH_SIZE];
    ms_hash_init(&ctx, suite);
    ms_hash_update(&ctx, cert, length);
    ms_hash_final(&ctx, digest);
    fe_load(e, digest);
    for (int i = 0; i < LIMBS; i++) {
        limb above = i + 1 < LIMBS ? e[i + 1] : 0;
        e[i] = (e[i] >> 1 | above << (MS_LIMB_BITS - 1)) & LIMB_MASK;
    }
}

/* Q = e*C + q_ca, encoded */
static MS_NOINLINE ms_error public_key(uint8_t Q[MS_POINT_SIZE], const fe e, const uint8_t C[MS_POINT_SIZE],
                                       const uint8_t q_ca[MS_POINT_SIZE], const curve *c)
{
    point r;
    ms_error error = point_decode(&r, C, c);
    if (!error && fe_is_zero(e)) {
        error = point_decode(&r, q_ca, c);
    } else if (!error) {
        point_mul(&r, e, &r, c);
        error = point_add_encoded(&r, q_ca, c);
    }
    return error ? error : point_encode(Q, &r, c);
}

ms_error ms_ecqv_issue(uint8_t suite, const void *cert, size_t length, const uint8_t k[MS_SCALAR_SIZE],
                       const uint8_t d_ca[MS_SCALAR_SIZE], uint8_t a[MS_SCALAR_SIZE])
{
    fe e, blind, key;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    ms_error error = scalar_load_checked(blind, k, c);
    if (!error) {
        error = scalar_load_checked(key, d_ca, c);
    }
    if (!error) {
        hash_certificate(e, suite, cert, length);
        scalar_mul_add(e, e, blind, key, c);
        limb zero = fe_is_zero(e);
        declassify(&zero, sizeof zero);
        if (zero) {
            error = MS_ERR_ZERO;
        } else {
            fe_store(a, e);
        }
    }
    forget(blind);
    forget(key);
    forget(e);
    burn_stack_shallow();
    return error;
}

ms_error ms_ecqv_public(uint8_t suite, const void *cert, size_t length, const uint8_t C[MS_POINT_SIZE],
                        const uint8_t q_ca[MS_POINT_SIZE], uint8_t Q[MS_POINT_SIZE])
{
    fe e;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    hash_certificate(e, suite, cert, length);
    return public_key(Q, e, C, q_ca, c);
}

/* d = e*r + a, if d is not 0 and d*G is Q; else MS_ERR_CERTIFICATE. */
static MS_NOINLINE ms_error private_key(uint8_t d[MS_SCALAR_SIZE], const fe e, const uint8_t r[MS_SCALAR_SIZE],
                                        const uint8_t a[MS_SCALAR_SIZE], const uint8_t Q[MS_POINT_SIZE], const curve *c)
{
    fe x, y;
    point own;
    uint8_t own_bytes[MS_POINT_SIZE];
    ms_error error = scalar_load_checked(x, r, c);
    if (!error) {
        error = scalar_load_checked(y, a, c);
    }
    if (!error) {
        scalar_mul_add(x, e, x, y, c);
        limb zero = fe_is_zero(x);
        declassify(&zero, sizeof zero);
        if (zero) {
            error = MS_ERR_CERTIFICATE;
        } else {
            /* d*G is what everybody computes as Q, or else the certificate is refused: no secret either way. */
            point_mul_base(&own, x, c);
            point_encode(own_bytes, &own, c);
            if (ms_equal(own_bytes, Q, MS_POINT_SIZE)) {
                fe_store(d, x);
            } else {
                error = MS_ERR_CERTIFICATE;
            }
        }
    }
    forget(x);
    forget(y);
    return error;
}

ms_error ms_ecqv_accept(uint8_t suite, const void *cert, size_t length, const uint8_t C[MS_POINT_SIZE],
                        const uint8_t q_ca[MS_POINT_SIZE], const uint8_t r[MS_SCALAR_SIZE],
                        const uint8_t a[MS_SCALAR_SIZE], uint8_t d[MS_SCALAR_SIZE], uint8_t Q[MS_POINT_SIZE])
{
    fe e;
    uint8_t public_bytes[MS_POINT_SIZE];
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    hash_certificate(e, suite, cert, length);
    ms_error error = public_key(public_bytes, e, C, q_ca, c);
    if (!error) {
        error = private_key(d, e, r, a, public_bytes, c);
    }
    if (!error) {
        memcpy(Q, public_bytes, MS_POINT_SIZE);
    }
    burn_stack();
    return error;
}
