/*
 * Signatures for which the first nonces do not serve: v = 0, and s = 0. No input is known that leads there, so the
 * nonces come from here: schnorr.c is compiled with another HKDF.
 */
#define ms_hkdf given_hkdf
#include "../../firmware/native/core/schnorr.c"
#undef ms_hkdf

#include "harness.h"

static uint8_t nonces[3][48];
static uint8_t used; /* how many of them were asked for */
static uint8_t infos[3][20];

ms_error given_hkdf(uint8_t suite, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
                    const void *info, size_t info_length, uint8_t *out, size_t n)
{
    (void)suite, (void)ikm, (void)salt;
    CHECK(ikm_length == 64 && salt_length == 32 && info_length == sizeof infos[0] && n == 48);
    CHECK(used < 3);
    memcpy(infos[used], info, info_length);
    memcpy(out, nonces[used++], n);
    return MS_OK;
}

static const uint8_t random_bytes[32] = {1}, message[4] = "abcd";

/* nonce i = the scalar v, as 48 bytes */
static void set_nonce(int i, const fe v)
{
    memset(nonces[i], 0, 48);
    fe_store(nonces[i] + 16, v);
}

/* The signature that the last nonce gives, made by asking for it alone. */
static void expect(uint8_t suite, const uint8_t d[32], const uint8_t Q[33], int tries)
{
    uint8_t sig[64], alone[64];
    used = 0;
    CHECK(ms_sign(suite, d, Q, "m1", 2, "c", 1, message, 4, random_bytes, sig) == MS_OK);
    CHECK(used == tries);
    for (uint8_t i = 0; i < used; i++) {
        uint8_t expected[20] = "microseal/1/nonce";
        expected[18] = suite;
        expected[19] = i;
        CHECK_BYTES(infos[i], expected, sizeof expected);
    }
    memcpy(nonces[0], nonces[tries - 1], 48);
    used = 0;
    CHECK(ms_sign(suite, d, Q, "m1", 2, "c", 1, message, 4, random_bytes, alone) == MS_OK);
    CHECK(used == 1);
    CHECK_BYTES(sig, alone, 64);
}

static void run(uint8_t suite)
{
    const curve *c = curve_of(suite);
    const statement it = {nonces[0], "m1", "c", message, 2, 1, 4};
    statement signed_by = it;
    uint8_t d[32], Q[33], commitment[33], hash[32];
    fe key, v, good, e, zero = {0};
    point r;

    fill(d, sizeof d);
    scalar_load(key, d, c);
    fe_store(d, key);
    CHECK(ms_base_mul(suite, d, Q) == MS_OK);
    fill(hash, sizeof hash);
    scalar_load(good, hash, c);

    /* v = 0, as 0 and as q; then a good one */
    set_nonce(0, zero);
    set_nonce(1, c->q.m);
    set_nonce(2, good);
    expect(suite, d, Q, 3);

    /* s = v - e*d = 0: choose v, which with Q decides e, then the d for it. Q is not checked to be d*G. */
    fill(hash, sizeof hash);
    scalar_load(v, hash, c);
    point_mul_base(&r, v, c);
    CHECK(point_encode(commitment, &r, c) == MS_OK);
    signed_by.Q = Q;
    hash_statement(hash, suite, &signed_by, commitment);
    scalar_load(e, hash, c);
    fe_to_montgomery(e, e, &c->q);
    fe_invert(e, e, &c->q);
    fe_mul(key, e, v, &c->q); /* v / e */
    fe_normal(key, key, &c->q);
    fe_store(d, key);
    set_nonce(0, v);
    set_nonce(1, good);
    expect(suite, d, Q, 2);

    /* The same v in a pair: there is no other to go on with. */
    uint8_t pair[65], sig[64], zeroes[65] = {0};
    fe_store(pair, v);
    memcpy(pair + 32, commitment, 33);
    CHECK(ms_sign_pair(suite, d, Q, "m1", 2, "c", 1, message, 4, pair, sig) == MS_ERR_SCALAR);
    CHECK_BYTES(pair, zeroes, sizeof pair);
    CHECK_BYTES(sig, zeroes, sizeof sig);
}

int main(void)
{
    for (uint8_t suite = 1; suite <= 2; suite++) {
        if (ms_has_suite(suite)) {
            run(suite);
        }
    }
    return finish("test_retry");
}
