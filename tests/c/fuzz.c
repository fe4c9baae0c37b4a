/*
 * libFuzzer targets for all that takes bytes from outside, built with FUZZ naming one of the functions below. Beside
 * what the sanitizers find, each checks what must hold for any input; a violation aborts.
 */
#include "microseal_core.h"

#include <stdlib.h>
#include <string.h>

/* The input, from which the targets take what they need; past its end there are zeroes. */
typedef struct {
    const uint8_t *at;
    size_t left;
} source;

static void take(source *s, void *to, size_t length)
{
    size_t n = length < s->left ? length : s->left;
    memset(to, 0, length);
    if (n) {
        memcpy(to, s->at, n);
    }
    s->at += n;
    s->left -= n;
}

static uint8_t take_byte(source *s)
{
    uint8_t x;
    take(s, &x, 1);
    return x;
}

static uint8_t take_suite(source *s)
{
    return take_byte(s) & 1 ? MS_SUITE_P256 : MS_SUITE_SM2;
}

/* Bytes of the input itself, in a block of their own so that reading past their end is noticed. */
static uint8_t *take_block(source *s, size_t length)
{
    uint8_t *block = malloc(length ? length : 1);
    take(s, block, length);
    return block;
}

static void must(int condition)
{
    if (!condition) {
        abort();
    }
}

/* A valid scalar, from any bytes. */
static void take_scalar(source *s, uint8_t suite, uint8_t k[32])
{
    uint8_t wide[48];
    take(s, wide, sizeof wide);
    ms_scalar_reduce(suite, wide, sizeof wide, k);
    if (!ms_is_scalar(suite, k)) {
        k[31] = 1;
    }
}

/* Any 33 bytes: a point or not. A point plus 1*P, minus P, is the same encoding again. */
static __attribute__((unused)) void fuzz_point(source *s)
{
    static const uint8_t one[32] = {[31] = 1};
    uint8_t suite = take_suite(s), P[33], k[32], sum[33], x[32];
    take(s, P, sizeof P);
    take_scalar(s, suite, k);
    int good = ms_is_point(suite, P);
    must(ms_ecdh(suite, k, P, x) == (good ? MS_OK : MS_ERR_POINT));
    must(ms_ecdh(suite, one, P, x) == (good ? MS_OK : MS_ERR_POINT));
    if (good) {
        must(memcmp(x, P + 1, 32) == 0);
        ms_error error = ms_mul_add(suite, k, NULL, P, sum);
        must(error == MS_OK || error == MS_ERR_INFINITY);
        if (!error) {
            uint8_t kG[33];
            must(ms_base_mul(suite, k, kG) == MS_OK);
            kG[0] ^= 1; /* sum - k*G = P */
            must(ms_mul_add(suite, one, sum, kG, sum) == MS_OK && memcmp(sum, P, 33) == 0);
        }
    } else {
        must(ms_mul_add(suite, k, P, P, sum) == MS_ERR_POINT);
    }
}

/* A signature of a key made from the input; it verifies, and whatever else is changed does not. */
static __attribute__((unused)) void fuzz_verify(source *s)
{
    uint8_t suite = take_suite(s), d[32], Q[33], random[32], sig[64], other[64];
    size_t label = take_byte(s) % 8, context = take_byte(s), length = take_byte(s);
    take_scalar(s, suite, d);
    take(s, random, sizeof random);
    must(ms_base_mul(suite, d, Q) == MS_OK);
    take(s, other, sizeof other);
    uint8_t *L = take_block(s, label), *C = take_block(s, context), *M = take_block(s, length);
    must(ms_verify(suite, Q, L, label, C, context, M, length, other) == MS_ERR_SIGNATURE);
    must(ms_sign(suite, d, Q, L, label, C, context, M, length, random, sig) == MS_OK);
    must(ms_verify(suite, Q, L, label, C, context, M, length, sig) == MS_OK);
    sig[take_byte(s) % 64] ^= (uint8_t)(1u << take_byte(s) % 8);
    must(ms_verify(suite, Q, L, label, C, context, M, length, sig) == MS_ERR_SIGNATURE);
    Q[take_byte(s) % 33] ^= (uint8_t)(1u << take_byte(s) % 8);
    ms_error error = ms_verify(suite, Q, L, label, C, context, M, length, sig);
    must(error == MS_ERR_SIGNATURE || error == MS_ERR_POINT);
    free(L);
    free(C);
    free(M);
}

/* Any bytes as ciphertext; and what was sealed opens to the same, in place or not, unless a bit is changed. */
static __attribute__((unused)) void fuzz_gcm(source *s)
{
    uint8_t key[16], nonce[12];
    take(s, key, sizeof key);
    take(s, nonce, sizeof nonce);
    size_t aad_length = take_byte(s), length = take_byte(s) * 3u;
    uint8_t *aad = take_block(s, aad_length), *data = take_block(s, length), *out = malloc(length + 16);
    uint8_t *opened = malloc(length + 1);
    ms_error error = ms_gcm_open(key, nonce, aad, aad_length, data, length, out);
    must(error == (length < 16 ? MS_ERR_LENGTH : MS_ERR_TAG));
    must(ms_gcm_seal(key, nonce, aad, aad_length, data, length, out) == MS_OK);
    must(ms_gcm_open(key, nonce, aad, aad_length, out, length + 16, opened) == MS_OK);
    must(length == 0 || memcmp(opened, data, length) == 0);
    size_t at = (take_byte(s) * 256u + take_byte(s)) % (length + 16);
    out[at] ^= (uint8_t)(1u << take_byte(s) % 8);
    must(ms_gcm_open(key, nonce, aad, aad_length, out, length + 16, out) == MS_ERR_TAG);
    free(aad);
    free(data);
    free(out);
    free(opened);
}

/* Any reply to an enrolment: refused with an error and nothing written. An honest one is accepted. */
static __attribute__((unused)) void fuzz_accept(source *s)
{
    uint8_t suite = take_suite(s), r[32], k[32], d_ca[32], a[32], R[33], C[33], q_ca[33], d[32], Q[33], again[33];
    size_t length = take_byte(s);
    take_scalar(s, suite, r);
    take(s, C, sizeof C);
    take(s, q_ca, sizeof q_ca);
    take(s, a, sizeof a);
    uint8_t *cert = take_block(s, length);
    memset(d, 0xa5, sizeof d);
    memset(Q, 0xa5, sizeof Q);
    must(ms_ecqv_accept(suite, cert, length, C, q_ca, r, a, d, Q) != MS_OK);
    for (int i = 0; i < 32; i++) {
        must(d[i] == 0xa5 && Q[i] == 0xa5);
    }
    take_scalar(s, suite, k);
    take_scalar(s, suite, d_ca);
    must(ms_base_mul(suite, d_ca, q_ca) == MS_OK && ms_base_mul(suite, r, R) == MS_OK);
    if (ms_mul_add(suite, k, NULL, R, C) == MS_OK && ms_ecqv_issue(suite, cert, length, k, d_ca, a) == MS_OK &&
        ms_ecqv_public(suite, cert, length, C, q_ca, again) == MS_OK) {
        must(ms_ecqv_accept(suite, cert, length, C, q_ca, r, a, d, Q) == MS_OK);
        must(memcmp(Q, again, 33) == 0);
        must(ms_base_mul(suite, d, again) == MS_OK && memcmp(Q, again, 33) == 0);
        a[take_byte(s) % 32] ^= (uint8_t)(1u << take_byte(s) % 8);
        must(ms_ecqv_accept(suite, cert, length, C, q_ca, r, a, d, Q) != MS_OK);
    }
    free(cert);
}

/* Laws of arithmetic modulo q, for any integers. */
static __attribute__((unused)) void fuzz_scalar(source *s)
{
    static const uint8_t one[32] = {[31] = 1}, zero[32];
    uint8_t suite = take_suite(s), a[32], b[32], c[32], x[32], y[32], wide[64];
    take(s, a, 32);
    take(s, b, 32);
    take(s, c, 32);
    /* a*b + c = b*a + c = (a*b) * 1 + c */
    must(ms_scalar_mul_add(suite, a, b, c, x) == MS_OK);
    must(ms_scalar_mul_add(suite, b, a, c, y) == MS_OK && memcmp(x, y, 32) == 0);
    must(ms_scalar_mul_add(suite, a, b, zero, y) == MS_OK && ms_scalar_mul_add(suite, one, y, c, y) == MS_OK);
    must(memcmp(x, y, 32) == 0);
    /* (a + c) * b = a*b + c*b */
    must(ms_scalar_mul_add(suite, a, one, c, x) == MS_OK && ms_scalar_mul_add(suite, x, b, zero, x) == MS_OK);
    must(ms_scalar_mul_add(suite, c, b, zero, y) == MS_OK && ms_scalar_mul_add(suite, a, b, y, y) == MS_OK);
    must(memcmp(x, y, 32) == 0);
    /* a * 2^256 + b, with 2^256 - 1 reduced by the other path */
    memcpy(wide, a, 32);
    memcpy(wide + 32, b, 32);
    must(ms_scalar_reduce(suite, wide, 64, x) == MS_OK);
    memset(y, 0xff, 32);
    must(ms_scalar_mul_add(suite, one, y, one, y) == MS_OK && ms_scalar_mul_add(suite, a, y, b, y) == MS_OK);
    must(memcmp(x, y, 32) == 0);
    must(ms_scalar_reduce(suite, x, 32, y) == MS_OK && memcmp(x, y, 32) == 0);
}

/* Hashes, HMAC and CMAC of the same bytes cut in different places. */
static __attribute__((unused)) void fuzz_stream(source *s)
{
    ms_hash hash;
    ms_hmac hmac;
    ms_cmac cmac;
    uint8_t suite = take_suite(s), key[16], first[32], second[32];
    take(s, key, sizeof key);
    size_t length = take_byte(s) * 2u;
    size_t pieces[4];
    for (int i = 0; i < 4; i++) {
        pieces[i] = take_byte(s);
    }
    uint8_t *data = take_block(s, length);
    for (int round = 0; round < 2; round++) {
        uint8_t *out = round ? second : first;
        must(ms_hash_init(&hash, suite) == MS_OK && ms_hmac_init(&hmac, suite, key, sizeof key) == MS_OK);
        ms_cmac_init(&cmac, key);
        for (size_t at = 0, i = 0; at < length; i++) {
            size_t n = round ? length : pieces[i % 4] + (i % 4 == 3);
            n = n < length - at ? n : length - at;
            must(ms_hash_update(&hash, data + at, n) == MS_OK && ms_hmac_update(&hmac, data + at, n) == MS_OK);
            ms_cmac_update(&cmac, data + at, n);
            at += n;
        }
        must(ms_hash_final(&hash, out) == MS_OK);
        must(ms_hmac_update(&hmac, out, 32) == MS_OK);
        ms_cmac_final(&cmac, out);
        must(ms_hmac_update(&hmac, out, 16) == MS_OK);
        must(ms_hmac_final(&hmac, out) == MS_OK);
    }
    must(memcmp(first, second, 32) == 0);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    source s = {data, size};
    FUZZ(&s);
    return 0;
}
