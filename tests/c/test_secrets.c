/*
 * Constant time: valgrind follows every secret bit and reports each branch and each address that depends on one.
 *
 * Built with MS_CHECK_SECRETS, run under valgrind's memcheck; secret inputs are marked as undefined, which spreads with
 * every computation. The core declassifies what may be known (secret.h). Given "table" as a second argument, the core
 * was built with MS_SM4_TABLE, and the cipher's look-ups have to be reported.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <valgrind/memcheck.h>

static struct {
    uint8_t suite;
    uint8_t k[32], r[32], a[32], wide[64], key[16], random[32], text[200], sealed[216]; /* secret */
    uint8_t cert[91], P[33], A[33], nonce[12];                                          /* public */
    uint8_t C[33], q_ca[33];
    uint8_t out[256], out2[33], pair[65];
} in;

static const uint8_t table[256];

static void leaky_branch(void)
{
    in.out[0] = in.k[0] & 1 ? 5 : 6;
    if (in.k[1] & 1) {
        __asm__ volatile("" : : : "memory"); /* keeps this a branch */
        in.out[1] = 7;
    }
}
static void leaky_index(void)
{
    in.out[0] = ((volatile const uint8_t *)table)[in.k[0]];
}
static void base_mul(void)
{
    ms_base_mul(in.suite, in.k, in.out);
}
static void mul_add(void)
{
    ms_mul_add(in.suite, in.k, in.P, in.A, in.out);
}
static void base_mul_add(void)
{
    ms_mul_add(in.suite, in.k, NULL, in.A, in.out);
}
static void ecdh(void)
{
    ms_ecdh(in.suite, in.k, in.P, in.out);
}
static void is_scalar(void)
{
    ms_is_scalar(in.suite, in.k);
}
static void scalar_reduce(void)
{
    ms_scalar_reduce(in.suite, in.wide, 48, in.out);
    ms_scalar_reduce(in.suite, in.wide, 64, in.out);
}
static void scalar_mul_add(void)
{
    ms_scalar_mul_add(in.suite, in.k, in.r, in.random, in.out);
}
static void sign(void)
{
    ms_sign(in.suite, in.k, in.P, "m1", 2, in.cert, 30, in.cert, 91, in.random, in.out);
}
static void sign_pair(void)
{
    memcpy(in.pair, in.r, 32);
    memcpy(in.pair + 32, in.P, 33);
    ms_sign_pair(in.suite, in.k, in.P, "m1", 2, in.cert, 30, in.cert, 91, in.pair, in.out);
}
/* What a mode 3 envelope signs is secret too. */
static void sign_secret_message(void)
{
    ms_sign(in.suite, in.k, in.P, "m3i", 3, in.cert, 30, in.text, 200, in.random, in.out);
}
static void ecqv_issue(void)
{
    ms_ecqv_issue(in.suite, in.cert, 91, in.k, in.r, in.out);
}
static void ecqv_accept(void)
{
    ms_ecqv_accept(in.suite, in.cert, 91, in.C, in.q_ca, in.r, in.a, in.out, in.out2);
}
static void hash(void)
{
    ms_hash ctx;
    ms_hash_init(&ctx, in.suite);
    ms_hash_update(&ctx, in.text, 200);
    ms_hash_final(&ctx, in.out);
}
static void hmac(void)
{
    ms_hmac ctx;
    ms_hmac_init(&ctx, in.suite, in.text, 100);
    ms_hmac_update(&ctx, in.text + 100, 100);
    ms_hmac_final(&ctx, in.out);
}
static void hkdf(void)
{
    ms_hkdf(in.suite, in.text, 64, in.random, 32, in.cert, 20, in.out, 80);
}
static void gcm_seal(void)
{
    ms_gcm_seal(in.key, in.nonce, in.cert, 91, in.text, 200, in.out);
}
static void gcm_open(void)
{
    ms_gcm_open(in.key, in.nonce, in.cert, 91, in.sealed, 216, in.out);
    in.sealed[0] ^= 1;
    ms_gcm_open(in.key, in.nonce, in.cert, 91, in.sealed, 216, in.out);
}
static void cmac(void)
{
    ms_cmac ctx;
    ms_cmac_init(&ctx, in.key);
    ms_cmac_update(&ctx, in.text, 200);
    ms_cmac_final(&ctx, in.out);
}
static void equal(void)
{
    in.out[0] = (uint8_t)ms_equal(in.text, in.text + 100, 100);
}

typedef struct {
    const char *name;
    void (*f)(void);
    enum { IS_CLEAN, LEAKS, IS_CIPHER } kind;
} operation;

static const operation operations[] = {
    {"a branch on a secret", leaky_branch, LEAKS},
    {"a secret index", leaky_index, LEAKS},
    {"base_mul", base_mul, IS_CLEAN},
    {"mul_add", mul_add, IS_CLEAN},
    {"mul_add, P = G", base_mul_add, IS_CLEAN},
    {"ecdh", ecdh, IS_CLEAN},
    {"is_scalar", is_scalar, IS_CLEAN},
    {"scalar_reduce", scalar_reduce, IS_CLEAN},
    {"scalar_mul_add", scalar_mul_add, IS_CLEAN},
    {"sign", sign, IS_CLEAN},
    {"sign_pair", sign_pair, IS_CLEAN},
    {"sign, secret message", sign_secret_message, IS_CLEAN},
    {"ecqv_issue", ecqv_issue, IS_CLEAN},
    {"ecqv_accept", ecqv_accept, IS_CLEAN},
    {"hash", hash, IS_CLEAN},
    {"hmac", hmac, IS_CLEAN},
    {"hkdf", hkdf, IS_CLEAN},
    {"gcm_seal", gcm_seal, IS_CIPHER},
    {"gcm_open", gcm_open, IS_CIPHER},
    {"cmac", cmac, IS_CIPHER},
    {"equal", equal, IS_CLEAN},
};

static int with_table;

static void run_operation(const vector *v, const operation *it)
{
    memcpy(in.k, need(v, "k0", 32), 32);
    memcpy(in.r, need(v, "r0", 32), 32);
    memcpy(in.a, need(v, "a0", 32), 32);
    fill(in.wide, sizeof in.wide);
    fill(in.key, sizeof in.key);
    fill(in.random, sizeof in.random);
    fill(in.text, sizeof in.text);
    ms_gcm_seal(in.key, in.nonce, in.cert, 91, in.text, 200, in.sealed);

    unsigned long before = VALGRIND_COUNT_ERRORS;
    uint8_t *const secrets[] = {in.k, in.r, in.a, in.wide, in.key, in.random, in.text};
    const size_t sizes[] = {sizeof in.k,   sizeof in.r,      sizeof in.a,   sizeof in.wide,
                            sizeof in.key, sizeof in.random, sizeof in.text};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        (void)VALGRIND_MAKE_MEM_UNDEFINED(secrets[i], sizes[i]);
    }
    it->f();
    unsigned long errors = VALGRIND_COUNT_ERRORS - before;
    (void)VALGRIND_MAKE_MEM_DEFINED(&in, sizeof in);

    int expected = it->kind == LEAKS || (it->kind == IS_CIPHER && with_table);
    if (expected != (errors != 0)) {
        printf("suite %d  %s: %lu places depend on secrets\n", in.suite, it->name, errors);
    }
    CHECK((errors != 0) == expected);
}

static void run(const vector *v)
{
    in.suite = *need(v, "suite", 1);
    if (!ms_has_suite(in.suite)) {
        return;
    }
    memcpy(in.cert, need(v, "cert", 91), 91);
    memcpy(in.C, need(v, "C", 33), 33);
    memcpy(in.q_ca, need(v, "q_ca", 33), 33);
    memcpy(in.P, in.C, 33);
    memcpy(in.A, in.q_ca, 33);
    fill(in.nonce, sizeof in.nonce);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        run_operation(v, &operations[i]);
    }
}

int main(int argc, char **argv)
{
    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "test_secrets sees nothing without valgrind; run: make ct\n");
        return 2;
    }
    with_table = argc > 2 && strcmp(argv[2], "table") == 0;
    for_each_vector(argv[1], run);
    return finish("test_secrets");
}
