/* Key-prefixed Schnorr signatures with hedged nonces: protocol.md section 3. */
#include "point.h"
#include "scalar.h"

#include <string.h>

/* What a signature is over. */
typedef struct {
    const uint8_t *Q;
    const void *label, *context, *message;
    size_t label_length, context_length, length;
} statement;

/*
 * out = H(T("sig/" || label) || commitment || pt(Q) || u16(len context) || context || message); the commitment is 33
 * bytes, or null: left out, as in what the nonce is bound to.
 */
static MS_NOINLINE void hash_statement(uint8_t out[MS_HASH_SIZE], uint8_t suite, const statement *it,
                                       const uint8_t *commitment)
{
    ms_hash ctx;
    const uint8_t tag_end[2] = {0, suite};
    const uint8_t context_length[2] = {(uint8_t)(it->context_length >> 8), (uint8_t)it->context_length};
    ms_hash_init(&ctx, suite);
    ms_hash_update(&ctx, "microseal/1/sig/", 16);
    ms_hash_update(&ctx, it->label, it->label_length);
    ms_hash_update(&ctx, tag_end, sizeof tag_end);
    if (commitment) {
        ms_hash_update(&ctx, commitment, MS_POINT_SIZE);
    }
    ms_hash_update(&ctx, it->Q, MS_POINT_SIZE);
    ms_hash_update(&ctx, context_length, sizeof context_length);
    ms_hash_update(&ctx, it->context, it->context_length);
    ms_hash_update(&ctx, it->message, it->length);
    ms_hash_final(&ctx, out);
}

/*
 * v = HKDF(sc(d) || random, bound, T("nonce") || u8(i), 48) mod q, secret; may be 0.
 * in: bound = the hash of the statement without commitment
 */
static MS_NOINLINE void derive_nonce(fe v, uint8_t suite, const uint8_t d[MS_SCALAR_SIZE], const uint8_t random[32],
                                     const uint8_t bound[MS_HASH_SIZE], uint8_t i, const curve *c)
{
    uint8_t ikm[64], wide[48];
    uint8_t info[20] = "microseal/1/nonce"; /* then 0, the suite, and i */
    info[18] = suite;
    info[19] = i;
    memcpy(ikm, d, 32);
    memcpy(ikm + 32, random, 32);
    ms_hkdf(suite, ikm, sizeof ikm, bound, MS_HASH_SIZE, info, sizeof info, wide, sizeof wide);
    scalar_load_wide(v, wide, sizeof wide, c);
    forget(ikm);
    forget(wide);
}

/*
 * sig from the nonce v, whose commitment is pt(v*G). The result is 0 if s is 0: then sig is not a signature. That it is
 * may be known, since for all but one in 2^255 nonces it is not.
 * in: v, d < q
 */
static MS_NOINLINE int respond(uint8_t sig[MS_SIGNATURE_SIZE], const fe v, const uint8_t commitment[MS_POINT_SIZE],
                               const fe d, uint8_t suite, const statement *it, const curve *c)
{
    fe e, s, zero = {0};
    hash_statement(sig, suite, it, commitment);
    scalar_load(e, sig, c);
    fe_sub(e, zero, e, &c->q);
    scalar_mul_add(s, e, d, v, c);
    limb none = fe_is_zero(s);
    declassify(&none, sizeof none);
    fe_store(sig + 32, s);
    declassify(sig + 32, 32); /* masked by v */
    forget(s);
    return !none;
}

/* One try: sig from the nonce v. The result is 0 if v or s is 0, as above. in: v, d < q */
static MS_NOINLINE int sign_with(uint8_t sig[MS_SIGNATURE_SIZE], const fe v, const fe d, uint8_t suite,
                                 const statement *it, const curve *c)
{
    point r;
    uint8_t commitment[MS_POINT_SIZE];
    limb none = fe_is_zero(v);
    declassify(&none, sizeof none);
    if (none) {
        return 0;
    }
    point_mul_base(&r, v, c);
    point_encode(commitment, &r, c);
    forget(r);
    return respond(sig, v, commitment, d, suite, it, c);
}

ms_error ms_sign(uint8_t suite, const uint8_t d[MS_SCALAR_SIZE], const uint8_t Q[MS_POINT_SIZE], const void *label,
                 size_t label_length, const void *context, size_t context_length, const void *message, size_t length,
                 const uint8_t random[32], uint8_t sig[MS_SIGNATURE_SIZE])
{
    const statement it = {Q, label, context, message, label_length, context_length, length};
    uint8_t bound[MS_HASH_SIZE];
    fe key, v;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    if (context_length > 0xffff) {
        return MS_ERR_LENGTH;
    }
    ms_error error = ms_is_point(suite, Q) ? scalar_load_checked(key, d, c) : MS_ERR_POINT;
    if (!error) {
        hash_statement(bound, suite, &it, NULL);
        uint8_t i = 0;
        do {
            derive_nonce(v, suite, d, random, bound, i++, c);
        } while (!sign_with(sig, v, key, suite, &it, c));
    }
    forget(key);
    forget(v);
    burn_stack();
    return error;
}

ms_error ms_sign_pair(uint8_t suite, const uint8_t d[MS_SCALAR_SIZE], const uint8_t Q[MS_POINT_SIZE], const void *label,
                      size_t label_length, const void *context, size_t context_length, const void *message,
                      size_t length, uint8_t pair[MS_PAIR_SIZE], uint8_t sig[MS_SIGNATURE_SIZE])
{
    const statement it = {Q, label, context, message, label_length, context_length, length};
    uint8_t commitment[MS_POINT_SIZE];
    fe key, v;
    const curve *c = curve_of(suite);
    ms_error error = !c ? MS_ERR_SUITE : context_length > 0xffff ? MS_ERR_LENGTH : MS_OK;
    if (!error) {
        memcpy(commitment, pair + MS_SCALAR_SIZE, sizeof commitment);
        error = scalar_load_checked(key, d, c) || scalar_load_checked(v, pair, c) ? MS_ERR_SCALAR : MS_OK;
    }
    ms_wipe(pair, MS_PAIR_SIZE); /* before there is a signature: never two with one nonce */
    if (!error && !respond(sig, v, commitment, key, suite, &it, c)) {
        ms_wipe(sig, MS_SIGNATURE_SIZE);
        error = MS_ERR_SCALAR;
    }
    forget(key);
    forget(v);
    burn_stack();
    return error;
}

ms_error ms_verify(uint8_t suite, const uint8_t Q[MS_POINT_SIZE], const void *label, size_t label_length,
                   const void *context, size_t context_length, const void *message, size_t length,
                   const uint8_t sig[MS_SIGNATURE_SIZE])
{
    const statement it = {Q, label, context, message, label_length, context_length, length};
    uint8_t commitment[MS_POINT_SIZE], e_hash[MS_HASH_SIZE];
    point r;
    fe s, e;
    const curve *c = curve_of(suite);
    if (!c) {
        return MS_ERR_SUITE;
    }
    if (context_length > 0xffff) {
        return MS_ERR_LENGTH;
    }
    ms_error error = point_decode(&r, Q, c);
    if (error) {
        return error;
    }
    if (scalar_load_checked(s, sig + 32, c)) {
        return MS_ERR_SIGNATURE;
    }
    scalar_load(e, sig, c);
    point_mul_public(&r, s, e, &r, c);
    if (point_encode(commitment, &r, c)) {
        return MS_ERR_SIGNATURE;
    }
    hash_statement(e_hash, suite, &it, commitment);
    return ms_equal(e_hash, sig, MS_HASH_SIZE) ? MS_OK : MS_ERR_SIGNATURE;
}
