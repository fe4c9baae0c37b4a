/* Every case of the vector files given as arguments, through the public functions. */
#include "harness.h"

#include "bytes.h"
#include "sm4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long left_out; /* cases of a suite that this build does not have */

/* Hashes data in two pieces, cut at every place that matters: pieces must not change the outcome. */
static void run_hash(const vector *v, uint8_t suite)
{
    field msg = get(v, "msg");
    const uint8_t *expected = need(v, "out", 32);
    const size_t cuts[] = {0, 1, 63, 64, 65, msg.length};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        ms_hash ctx;
        uint8_t out[32];
        size_t cut = cuts[i] < msg.length ? cuts[i] : msg.length;
        CHECK(ms_hash_init(&ctx, suite) == MS_OK);
        CHECK(ms_hash_update(&ctx, msg.bytes, cut) == MS_OK);
        CHECK(ms_hash_update(&ctx, msg.bytes + cut, msg.length - cut) == MS_OK);
        CHECK(ms_hash_final(&ctx, out) == MS_OK);
        CHECK_BYTES(out, expected, 32);
    }
}

static void run_hmac(const vector *v, uint8_t suite)
{
    field key = get(v, "key"), msg = get(v, "msg");
    ms_hmac ctx;
    uint8_t out[32];
    CHECK(ms_hmac_init(&ctx, suite, key.bytes, key.length) == MS_OK);
    CHECK(ms_hmac_update(&ctx, msg.bytes, msg.length / 2) == MS_OK);
    CHECK(ms_hmac_update(&ctx, msg.bytes + msg.length / 2, msg.length - msg.length / 2) == MS_OK);
    CHECK(ms_hmac_final(&ctx, out) == MS_OK);
    CHECK_BYTES(out, need(v, "out", 32), 32);
}

/* hkdf_hashed: out is the hash of the longest output that there can be. */
static void run_hkdf(const vector *v, uint8_t suite)
{
    static uint8_t out[255 * 32];
    field ikm = get(v, "ikm"), salt = get(v, "salt"), info = get(v, "info"), expected = get(v, "out");
    int hashed = strcmp(v->operation, "hkdf_hashed") == 0;
    size_t n = hashed ? sizeof out : expected.length;
    CHECK(ms_hkdf(suite, ikm.bytes, ikm.length, salt.bytes, salt.length, info.bytes, info.length, out, n) == MS_OK);
    if (hashed) {
        ms_hash ctx;
        ms_hash_init(&ctx, suite);
        ms_hash_update(&ctx, out, n);
        ms_hash_final(&ctx, out);
        n = 32;
    }
    CHECK_BYTES(out, expected.bytes, n);
}

/* Blocks one by one, and as many at once as the cipher takes. */
static void run_sm4(const vector *v)
{
    uint32_t round_keys[32], blocks[4 * SM4_BATCH];
    uint8_t block[16];
    field in = get(v, "in"), out = get(v, "out");
    sm4_expand(round_keys, need(v, "key", 16));
    for (size_t at = 0; at < in.length; at += 16) {
        for (unsigned count = 1; count <= SM4_BATCH; count++) {
            for (unsigned i = 0; i < 4 * count; i++) {
                blocks[i] = load32(in.bytes + at + 4 * (i % 4));
            }
            sm4_encrypt(round_keys, blocks, count);
            for (unsigned i = 0; i < count; i++) {
                for (unsigned j = 0; j < 4; j++) {
                    store32(block + 4 * j, blocks[4 * i + j]);
                }
                CHECK_BYTES(block, out.bytes + at, 16);
            }
        }
    }
}

static void run_gcm(const vector *v)
{
    uint8_t buffer[1024], opened[1024];
    const uint8_t *key = need(v, "key", 16), *nonce = need(v, "nonce", 12);
    field aad = get(v, "aad"), msg = get(v, "msg"), out = get(v, "out");
    CHECK(out.length == msg.length + 16);

    CHECK(ms_gcm_seal(key, nonce, aad.bytes, aad.length, msg.bytes, msg.length, buffer) == MS_OK);
    CHECK_BYTES(buffer, out.bytes, out.length);
    memcpy(buffer, msg.bytes, msg.length); /* in place */
    CHECK(ms_gcm_seal(key, nonce, aad.bytes, aad.length, buffer, msg.length, buffer) == MS_OK);
    CHECK_BYTES(buffer, out.bytes, out.length);

    CHECK(ms_gcm_open(key, nonce, aad.bytes, aad.length, buffer, out.length, opened) == MS_OK);
    CHECK_BYTES(opened, msg.bytes, msg.length);
    CHECK(ms_gcm_open(key, nonce, aad.bytes, aad.length, buffer, out.length, buffer) == MS_OK); /* in place */
    CHECK_BYTES(buffer, msg.bytes, msg.length);

    /* Any changed byte is noticed before anything is written. */
    for (size_t i = 0; i < out.length; i += 1 + out.length / 20) {
        memset(opened, 0xa5, sizeof opened);
        memcpy(buffer, out.bytes, out.length);
        buffer[i] ^= 0x40;
        CHECK(ms_gcm_open(key, nonce, aad.bytes, aad.length, buffer, out.length, opened) == MS_ERR_TAG);
        for (size_t j = 0; j < out.length; j++) {
            CHECK(opened[j] == 0xa5);
        }
    }
    if (out.length > 16) {
        CHECK(ms_gcm_open(key, nonce, aad.bytes, aad.length, out.bytes, out.length - 1, opened) == MS_ERR_TAG);
    }
    if (aad.length) {
        CHECK(ms_gcm_open(key, nonce, aad.bytes, aad.length - 1, out.bytes, out.length, opened) == MS_ERR_TAG);
    }
    CHECK(ms_gcm_open(key, nonce, aad.bytes, aad.length, out.bytes, 15, opened) == MS_ERR_LENGTH);
}

static void run_cmac(const vector *v)
{
    ms_cmac ctx;
    uint8_t out[16];
    field msg = get(v, "msg");
    for (size_t cut = 0; cut <= msg.length; cut += 1 + msg.length / 5) {
        ms_cmac_init(&ctx, need(v, "key", 16));
        ms_cmac_update(&ctx, msg.bytes, cut);
        ms_cmac_update(&ctx, msg.bytes + cut, msg.length - cut);
        ms_cmac_final(&ctx, out);
        CHECK_BYTES(out, need(v, "out", 16), 16);
    }
}

/* out as expected; if an error is expected, the buffer as it was. */
static void check_out(const vector *v, const uint8_t *out, const char *name, size_t length)
{
    if (!v->error[0]) {
        CHECK_BYTES(out, need(v, name, length), length);
    } else {
        for (size_t i = 0; i < length; i++) {
            CHECK(out[i] == 0xa5);
        }
    }
}

static void run_points(const vector *v, uint8_t suite)
{
    uint8_t out[33];
    const char *operation = v->operation;
    memset(out, 0xa5, sizeof out);
    if (strcmp(operation, "base_mul") == 0) {
        CHECK(as_expected(v, ms_base_mul(suite, need(v, "k", 32), out)));
        check_out(v, out, "out", 33);
    } else if (strcmp(operation, "mul_add") == 0) {
        const uint8_t *A = need(v, "A", 33);
        CHECK(as_expected(v, ms_mul_add(suite, need(v, "k", 32), get(v, "P").bytes, A, out)));
        check_out(v, out, "out", 33);
        if (!v->error[0]) { /* in place */
            memcpy(out, A, 33);
            CHECK(ms_mul_add(suite, need(v, "k", 32), get(v, "P").bytes, out, out) == MS_OK);
            check_out(v, out, "out", 33);
        }
    } else {
        CHECK(as_expected(v, ms_ecdh(suite, need(v, "k", 32), need(v, "P", 33), out)));
        check_out(v, out, "out", 32);
    }
}

static void run_scalars(const vector *v, uint8_t suite)
{
    uint8_t out[32];
    if (strcmp(v->operation, "scalar_reduce") == 0) {
        field x = get(v, "x");
        CHECK(ms_scalar_reduce(suite, x.bytes, x.length, out) == MS_OK);
    } else {
        CHECK(ms_scalar_mul_add(suite, need(v, "a", 32), need(v, "b", 32), need(v, "c", 32), out) == MS_OK);
    }
    CHECK_BYTES(out, need(v, "out", 32), 32);
}

static void run_signature(const vector *v, uint8_t suite)
{
    uint8_t sig[64];
    const uint8_t *Q = need(v, "Q", 33);
    field label = get(v, "label"), ctx = get(v, "ctx"), msg = get(v, "msg");
    if (strcmp(v->operation, "sign") == 0) {
        memset(sig, 0xa5, sizeof sig);
        CHECK(as_expected(v, ms_sign(suite, need(v, "d", 32), Q, label.bytes, label.length, ctx.bytes, ctx.length,
                                     msg.bytes, msg.length, need(v, "rand", 32), sig)));
        check_out(v, sig, "sig", 64);
        if (!v->error[0]) {
            CHECK(ms_verify(suite, Q, label.bytes, label.length, ctx.bytes, ctx.length, msg.bytes, msg.length, sig) ==
                  MS_OK);
        }
    } else if (strcmp(v->operation, "sign_pair") == 0) {
        uint8_t pair[65], zeroes[65] = {0};
        memcpy(pair, need(v, "pair", 65), 65);
        memset(sig, 0xa5, sizeof sig);
        CHECK(as_expected(v, ms_sign_pair(suite, need(v, "d", 32), Q, label.bytes, label.length, ctx.bytes, ctx.length,
                                          msg.bytes, msg.length, pair, sig)));
        check_out(v, sig, "sig", 64);
        CHECK_BYTES(pair, zeroes, sizeof pair);
    } else {
        CHECK(as_expected(v, ms_verify(suite, Q, label.bytes, label.length, ctx.bytes, ctx.length, msg.bytes,
                                       msg.length, need(v, "sig", 64))));
    }
}

static void run_certificate(const vector *v, uint8_t suite)
{
    uint8_t first[33], second[33];
    field cert = get(v, "cert");
    memset(first, 0xa5, sizeof first);
    memset(second, 0xa5, sizeof second);
    if (strcmp(v->operation, "ecqv_issue") == 0) {
        CHECK(as_expected(v,
                          ms_ecqv_issue(suite, cert.bytes, cert.length, need(v, "k", 32), need(v, "d_ca", 32), first)));
        check_out(v, first, "a", 32);
        return;
    }
    const uint8_t *C = need(v, "C", 33), *q_ca = need(v, "q_ca", 33);
    if (strcmp(v->operation, "ecqv_public") == 0) {
        CHECK(as_expected(v, ms_ecqv_public(suite, cert.bytes, cert.length, C, q_ca, first)));
        check_out(v, first, "Q", 33);
    } else {
        CHECK(as_expected(v, ms_ecqv_accept(suite, cert.bytes, cert.length, C, q_ca, need(v, "r", 32), need(v, "a", 32),
                                            first, second)));
        check_out(v, first, "d", 32);
        check_out(v, second, "Q", 33);
    }
}

static void run(const vector *v)
{
    static const struct {
        const char *prefix;
        void (*run)(const vector *v, uint8_t suite);
    } table[] = {
        {"hash", run_hash},        {"hmac", run_hmac},         {"hkdf", run_hkdf},       {"base_mul", run_points},
        {"mul_add", run_points},   {"ecdh", run_points},       {"scalar_", run_scalars}, {"sign", run_signature},
        {"verify", run_signature}, {"ecqv_", run_certificate},
    };
    const char *operation = v->operation;
    if (strcmp(operation, "sm4") == 0) {
        run_sm4(v);
    } else if (strcmp(operation, "gcm") == 0) {
        run_gcm(v);
    } else if (strcmp(operation, "cmac") == 0) {
        run_cmac(v);
    } else {
        uint8_t suite = *need(v, "suite", 1);
        if (!ms_has_suite(suite)) {
            left_out++;
        } else if (strcmp(operation, "is_point") == 0) {
            CHECK(ms_is_point(suite, need(v, "P", 33)) == *need(v, "is", 1));
        } else if (strcmp(operation, "is_scalar") == 0) {
            CHECK(ms_is_scalar(suite, need(v, "x", 32)) == *need(v, "is", 1));
        } else {
            for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
                if (strncmp(operation, table[i].prefix, strlen(table[i].prefix)) == 0) {
                    table[i].run(v, suite);
                    return;
                }
            }
            fprintf(stderr, "%s:%d: unknown operation %s\n", v->file, v->line, operation);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for_each_vector(argv[i], run);
    }
    if (left_out) {
        printf("test_vectors: %ld cases of a suite that is not built in were left out\n", left_out);
    }
    return finish("test_vectors");
}
