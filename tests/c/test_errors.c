/* Every way to call the public functions wrongly that the header names: the error, and outputs left as they were. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static uint8_t scalar[32], point[33], other[33], sig[64], pair[65], buffer[64];

static int untouched(const uint8_t *p, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (p[i] != 0xa5) {
            return 0;
        }
    }
    return 1;
}

/* Evaluates to whether the call gave that error and wrote nothing to buffer. */
#define REFUSES(call, expected)                                                                                        \
    (memset(buffer, 0xa5, sizeof buffer), (call) == (expected) && untouched(buffer, sizeof buffer))

static void unknown_suites(void)
{
    const uint8_t suites[] = {0, 3, 128, 255};
    for (size_t i = 0; i < sizeof suites; i++) {
        uint8_t s = suites[i];
        ms_hash hash;
        ms_hmac hmac;
        CHECK(!ms_has_suite(s));
        CHECK(ms_hash_init(&hash, s) == MS_ERR_SUITE);
        CHECK(ms_hash_update(&hash, "", 0) == MS_ERR_SUITE);
        CHECK(REFUSES(ms_hash_final(&hash, buffer), MS_ERR_SUITE));
        CHECK(ms_hmac_init(&hmac, s, "key", 3) == MS_ERR_SUITE);
        CHECK(ms_hmac_update(&hmac, "", 0) == MS_ERR_SUITE);
        CHECK(REFUSES(ms_hmac_final(&hmac, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_hkdf(s, "", 0, "", 0, "", 0, buffer, 16), MS_ERR_SUITE));
        CHECK(!ms_is_scalar(s, scalar));
        CHECK(!ms_is_point(s, point));
        CHECK(REFUSES(ms_scalar_reduce(s, scalar, 32, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_scalar_mul_add(s, scalar, scalar, scalar, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_base_mul(s, scalar, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_mul_add(s, scalar, point, point, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_ecdh(s, scalar, point, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_sign(s, scalar, point, "m1", 2, "", 0, "", 0, scalar, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_sign_pair(s, scalar, point, "m1", 2, "", 0, "", 0, pair, buffer), MS_ERR_SUITE));
        CHECK(ms_verify(s, point, "m1", 2, "", 0, "", 0, sig) == MS_ERR_SUITE);
        CHECK(REFUSES(ms_ecqv_issue(s, "", 0, scalar, scalar, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_ecqv_public(s, "", 0, point, point, buffer), MS_ERR_SUITE));
        CHECK(REFUSES(ms_ecqv_accept(s, "", 0, point, point, scalar, scalar, buffer, buffer + 31), MS_ERR_SUITE));
    }
}

static void lengths(uint8_t suite)
{
    static uint8_t long_out[255 * 32 + 1];
    uint8_t *context = calloc(1, 65536);
    CHECK(REFUSES(ms_hkdf(suite, "", 0, "", 0, "", 0, buffer, 0), MS_ERR_LENGTH));
    CHECK(ms_hkdf(suite, "", 0, "", 0, "", 0, long_out, 255 * 32) == MS_OK);
    CHECK(long_out[255 * 32] == 0);
    CHECK(ms_hkdf(suite, "", 0, "", 0, "", 0, long_out, 255 * 32 + 1) == MS_ERR_LENGTH);
    CHECK(REFUSES(ms_scalar_reduce(suite, scalar, 0, buffer), MS_ERR_LENGTH));
    CHECK(REFUSES(ms_scalar_reduce(suite, long_out, 65, buffer), MS_ERR_LENGTH));
    CHECK(REFUSES(ms_sign(suite, scalar, point, "m1", 2, context, 65536, "", 0, scalar, buffer), MS_ERR_LENGTH));
    CHECK(REFUSES(ms_sign_pair(suite, scalar, point, "m1", 2, context, 65536, "", 0, pair, buffer), MS_ERR_LENGTH));
    CHECK(ms_verify(suite, point, "m1", 2, context, 65536, "", 0, sig) == MS_ERR_LENGTH);
    CHECK(ms_sign(suite, scalar, point, "m1", 2, context, 65535, "", 0, scalar, buffer) == MS_OK);
    CHECK(ms_verify(suite, point, "m1", 2, context, 65535, "", 0, buffer) == MS_OK);
    free(context);
    for (size_t length = 0; length < 16; length++) {
        CHECK(REFUSES(ms_gcm_open(scalar, scalar, "", 0, sig, length, buffer), MS_ERR_LENGTH));
    }
}

/* Null pointers where the length is 0. */
static void nothing(uint8_t suite)
{
    ms_hash hash;
    ms_hmac hmac;
    ms_cmac cmac;
    uint8_t out[64], again[64];
    CHECK(ms_hash_init(&hash, suite) == MS_OK);
    CHECK(ms_hash_update(&hash, NULL, 0) == MS_OK);
    CHECK(ms_hash_final(&hash, out) == MS_OK);
    CHECK(ms_hash_final(&hash, out) == MS_ERR_SUITE); /* it is over */
    CHECK(ms_hmac_init(&hmac, suite, NULL, 0) == MS_OK);
    CHECK(ms_hmac_update(&hmac, NULL, 0) == MS_OK);
    CHECK(ms_hmac_final(&hmac, out) == MS_OK);
    CHECK(ms_hmac_final(&hmac, out) == MS_ERR_SUITE);
    CHECK(ms_hkdf(suite, NULL, 0, NULL, 0, NULL, 0, out, 32) == MS_OK);
    uint8_t zeroes[32] = {0};
    CHECK(ms_hkdf(suite, NULL, 0, zeroes, 32, NULL, 0, again, 32) == MS_OK);
    CHECK_BYTES(out, again, 32);
    ms_cmac_init(&cmac, scalar);
    ms_cmac_update(&cmac, NULL, 0);
    ms_cmac_final(&cmac, out);
    CHECK(ms_gcm_seal(scalar, scalar, NULL, 0, NULL, 0, out) == MS_OK);
    CHECK(ms_gcm_open(scalar, scalar, NULL, 0, out, 16, NULL) == MS_OK);
    CHECK(ms_ecqv_issue(suite, NULL, 0, scalar, scalar, out) == MS_OK);
    CHECK(ms_sign(suite, scalar, point, NULL, 0, NULL, 0, NULL, 0, scalar, out) == MS_OK);
    CHECK(ms_verify(suite, point, NULL, 0, NULL, 0, NULL, 0, out) == MS_OK);
    CHECK(ms_equal(NULL, NULL, 0));
    ms_wipe(NULL, 0);
}

static void overlaps(uint8_t suite)
{
    uint8_t out[64], expected[64];
    memcpy(out, scalar, 32);
    CHECK(ms_scalar_reduce(suite, scalar, 32, expected) == MS_OK);
    CHECK(ms_scalar_reduce(suite, out, 32, out) == MS_OK);
    CHECK_BYTES(out, expected, 32);
    CHECK(ms_scalar_mul_add(suite, scalar, scalar, scalar, expected) == MS_OK);
    memcpy(out, scalar, 32);
    CHECK(ms_scalar_mul_add(suite, out, out, out, out) == MS_OK);
    CHECK_BYTES(out, expected, 32);
    CHECK(ms_ecdh(suite, scalar, other, expected) == MS_OK);
    memcpy(out, other, 33);
    CHECK(ms_ecdh(suite, scalar, out, out) == MS_OK);
    CHECK_BYTES(out, expected, 32);
    memcpy(out, scalar, 32);
    CHECK(ms_ecdh(suite, out, other, out) == MS_OK);
    CHECK_BYTES(out, expected, 32);
    CHECK(ms_hkdf(suite, scalar, 32, sig, 32, "x", 1, expected, 64) == MS_OK);
    memcpy(out, scalar, 32);
    CHECK(ms_hkdf(suite, out, 32, sig, 32, "x", 1, out, 64) == MS_OK);
    CHECK_BYTES(out, expected, 64);
}

/* The other inputs of the cipher lie in out. More than a batch of blocks, so that the nonce is needed again. */
static void overlaps_of_gcm(void)
{
    uint8_t start[60], sealed[316], expected[316], opened[300];
    const uint8_t data[300] = {0};
    fill(start, sizeof start);
    memcpy(sealed, start, sizeof start);
    CHECK(ms_gcm_seal(start, start + 16, start + 28, 32, data, 300, expected) == MS_OK);
    CHECK(ms_gcm_seal(sealed, sealed + 16, sealed + 28, 32, data, 300, sealed) == MS_OK);
    CHECK_BYTES(sealed, expected, 316);
    memcpy(opened, start, sizeof start);
    CHECK(ms_gcm_open(opened, opened + 16, opened + 28, 32, sealed, 316, opened) == MS_OK);
    CHECK_BYTES(opened, data, 300);
}

static void memory(void)
{
    uint8_t a[40], b[40];
    fill(a, sizeof a);
    memcpy(b, a, sizeof a);
    CHECK(ms_equal(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            b[i] ^= (uint8_t)(1u << bit);
            CHECK(!ms_equal(a, b, sizeof a));
            CHECK(ms_equal(a, b, i));
            b[i] ^= (uint8_t)(1u << bit);
        }
    }
    ms_wipe(a + 1, 38);
    CHECK(a[0] == b[0] && a[39] == b[39]);
    for (size_t i = 1; i < 39; i++) {
        CHECK(a[i] == 0);
    }
}

static void texts(void)
{
    for (int error = 0; error >= -9; error--) {
        for (int before = 0; before > error; before--) {
            CHECK(strcmp(ms_error_text((ms_error)error), ms_error_text((ms_error)before)) != 0);
        }
    }
    CHECK(strcmp(ms_error_text((ms_error)-10), "unknown error") == 0);
}

int main(void)
{
    unknown_suites();
    for (uint8_t suite = 1; suite <= 2; suite++) {
        if (ms_has_suite(suite)) {
            fill(scalar, sizeof scalar);
            scalar[0] &= 0x7f; /* below q */
            CHECK(ms_base_mul(suite, scalar, point) == MS_OK);
            fill(sig, sizeof sig);
            CHECK(ms_mul_add(suite, scalar, NULL, point, other) == MS_OK);
            lengths(suite);
            nothing(suite);
            overlaps(suite);
        }
    }
    overlaps_of_gcm();
    memory();
    texts();
    return finish("test_errors");
}
