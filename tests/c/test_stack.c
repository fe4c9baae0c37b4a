/*
 * What operations leave on the stack, and how much of it they use.
 *
 * Each operation runs twice on a painted stack of its own, with different secrets and the same public inputs. Where the
 * two stacks then differ, something that depends on a secret was left behind. The deepest byte that lost its paint
 * tells the use of stack. With a second argument the figures are printed.
 *
 * With STACK_OF_ONE_UNIT it includes the core, static as in the .mpy: there compilers inline more, which moves secrets
 * to frames that nothing burns.
 */
#ifdef STACK_OF_ONE_UNIT
#    define MS_API static __attribute__((unused))
#    include "core.c"
#endif

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_SIZE 65536
#define PAINT 0xa5

/* Largest use that is taken as good, in bytes: frames of x86-64 are larger than those of the targets. */
#define LIMIT 2560

typedef struct {
    uint8_t suite;
    uint8_t k[32], r[32], wide[64], key[16], random[32], text[200]; /* secret */
    uint8_t a[32];                                                  /* ecqv_accept: fits r */
    uint8_t sealed[216];
    uint8_t cert[91], P[33], A[33], C[33], q_ca[33], nonce[12]; /* public */
    uint8_t out[256], out2[33], pair[65];
} inputs;

static inputs in;
static uint8_t stack[STACK_SIZE] __attribute__((aligned(64))), kept[2][STACK_SIZE];
static ucontext_t home, away;
static void (*operation)(void);
static uint8_t *frame;

static void base_mul(void)
{
    CHECK(ms_base_mul(in.suite, in.k, in.out) == MS_OK);
}
static void mul_add(void)
{
    CHECK(ms_mul_add(in.suite, in.k, in.P, in.A, in.out) == MS_OK);
}
static void base_mul_add(void)
{
    CHECK(ms_mul_add(in.suite, in.k, NULL, in.A, in.out) == MS_OK);
}
static void ecdh(void)
{
    CHECK(ms_ecdh(in.suite, in.k, in.P, in.out) == MS_OK);
}
static void is_scalar(void)
{
    CHECK(ms_is_scalar(in.suite, in.k));
}
static void scalar_reduce(void)
{
    CHECK(ms_scalar_reduce(in.suite, in.wide, 64, in.out) == MS_OK);
}
static void mul_add_scalars(void)
{
    CHECK(ms_scalar_mul_add(in.suite, in.k, in.r, in.random, in.out) == MS_OK);
}
static void sign(void)
{
    CHECK(ms_sign(in.suite, in.k, in.P, "m1", 2, in.cert, 30, in.cert, 91, in.random, in.out) == MS_OK);
}
static void sign_pair(void)
{
    memcpy(in.pair, in.r, 32);
    memcpy(in.pair + 32, in.P, 33);
    CHECK(ms_sign_pair(in.suite, in.k, in.P, "m1", 2, in.cert, 30, in.cert, 91, in.pair, in.out) == MS_OK);
}
static void ecqv_issue(void)
{
    CHECK(ms_ecqv_issue(in.suite, in.cert, 91, in.k, in.r, in.out) == MS_OK);
}
static void ecqv_accept(void)
{
    CHECK(ms_ecqv_accept(in.suite, in.cert, 91, in.C, in.q_ca, in.r, in.a, in.out, in.out2) == MS_OK);
}
static void ecqv_refuse(void)
{
    CHECK(ms_ecqv_accept(in.suite, in.cert, 91, in.C, in.q_ca, in.k, in.a, in.out, in.out2) == MS_ERR_CERTIFICATE);
}
static void hmac(void)
{
    static ms_hmac ctx;
    ms_hmac_init(&ctx, in.suite, in.text, 100);
    ms_hmac_update(&ctx, in.text + 100, 100);
    ms_hmac_final(&ctx, in.out);
}
static void hash(void)
{
    static ms_hash ctx;
    ms_hash_init(&ctx, in.suite);
    ms_hash_update(&ctx, in.text, 200);
    ms_hash_final(&ctx, in.out);
}
static void hkdf(void)
{
    CHECK(ms_hkdf(in.suite, in.text, 64, in.random, 32, in.cert, 20, in.out, 80) == MS_OK);
}
static void gcm_seal(void)
{
    CHECK(ms_gcm_seal(in.key, in.nonce, in.cert, 91, in.text, 200, in.out) == MS_OK);
}
static void gcm_open(void)
{
    CHECK(ms_gcm_open(in.key, in.nonce, in.cert, 91, in.sealed, 216, in.out) == MS_OK);
}
static void cmac(void)
{
    static ms_cmac ctx;
    ms_cmac_init(&ctx, in.key);
    ms_cmac_update(&ctx, in.text, 200);
    ms_cmac_final(&ctx, in.out);
}
static void verify(void)
{
    ms_verify(in.suite, in.P, "m1", 2, in.cert, 30, in.cert, 91, in.out);
}

/* A secret result that is left lying about: the check has to notice. */
static void __attribute__((noinline)) leak(volatile uint8_t *to)
{
    volatile uint8_t copy[32];
    for (int i = 0; i < 32; i++) {
        copy[i] = (uint8_t)(in.k[i] * 3);
        to[i] = copy[i];
    }
}
static void leaky(void)
{
    leak(in.out);
}

static void enter(void)
{
    /* What runs before and after the operation stays above this. */
    uint8_t distance[1024];
    frame = distance;
    __asm__ volatile("" : : "r"(distance) : "memory");
#ifdef __x86_64__
    /* Registers that callees save hold what differs between the two runs for reasons of this file's own. */
    __asm__ volatile(
        "xor %%ebx, %%ebx\nxor %%r12d, %%r12d\nxor %%r13d, %%r13d\nxor %%r14d, %%r14d\nxor %%r15d, %%r15d" ::
            : "rbx", "r12", "r13", "r14", "r15");
#endif
    operation();
    __asm__ volatile("" : : "r"(distance) : "memory");
}

static void run_on_stack(void)
{
    memset(stack, PAINT, STACK_SIZE);
    getcontext(&away);
    away.uc_stack.ss_sp = stack;
    away.uc_stack.ss_size = STACK_SIZE;
    away.uc_link = &home;
    makecontext(&away, enter, 0);
    swapcontext(&home, &away);
}

static void choose_secrets(const vector *v, int i)
{
    memcpy(in.k, need(v, i ? "k1" : "k0", 32), 32);
    memcpy(in.r, need(v, i ? "r1" : "r0", 32), 32);
    memcpy(in.a, need(v, i ? "a1" : "a0", 32), 32);
    fill(in.wide, sizeof in.wide);
    fill(in.key, sizeof in.key);
    fill(in.random, sizeof in.random);
    fill(in.text, sizeof in.text);
    CHECK(ms_gcm_seal(in.key, in.nonce, in.cert, 91, in.text, 200, in.sealed) == MS_OK);
}

typedef struct {
    size_t depth; /* of the deeper of the two runs */
    size_t left;  /* bytes that differ */
} outcome;

static outcome compare(const vector *v, void (*f)(void))
{
    outcome result = {0, 0};
    size_t limit = 0, lowest = STACK_SIZE;
    operation = f;
    for (int i = 0; i < 2; i++) {
        choose_secrets(v, i);
        run_on_stack();
        memcpy(kept[i], stack, STACK_SIZE);
        limit = (size_t)(frame - stack);
        size_t first = 0;
        while (first < limit && stack[first] == PAINT) {
            first++;
        }
        lowest = first < lowest ? first : lowest;
    }
    result.depth = limit - lowest;
    for (size_t i = lowest; i < limit; i++) {
        result.left += kept[0][i] != kept[1][i];
    }
    return result;
}

static int verbose;

static void run(const vector *v)
{
    static const struct {
        const char *name;
        void (*f)(void);
        int keeps_nothing;
    } operations[] = {
        {"base_mul", base_mul, 1},
        {"mul_add", mul_add, 1},
        {"mul_add, P = G", base_mul_add, 1},
        {"ecdh", ecdh, 1},
        {"sign", sign, 1},
        {"sign_pair", sign_pair, 1},
        {"verify", verify, 1},
        {"ecqv_issue", ecqv_issue, 1},
        {"ecqv_accept", ecqv_accept, 1},
        {"ecqv_accept, refused", ecqv_refuse, 1},
        {"is_scalar", is_scalar, 1},
        {"scalar_reduce", scalar_reduce, 1},
        {"scalar_mul_add", mul_add_scalars, 1},
        {"hash", hash, 1},
        {"hmac", hmac, 1},
        {"hkdf", hkdf, 1},
        {"gcm_seal", gcm_seal, 1},
        {"gcm_open", gcm_open, 1},
        {"cmac", cmac, 1},
        {"a leak", leaky, 0},
    };
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
        outcome result = compare(v, operations[i].f);
        if (verbose || (result.left == 0) != operations[i].keeps_nothing) {
            printf("suite %d  %-22s %5zu bytes of stack, %zu of them tell of secrets\n", in.suite, operations[i].name,
                   result.depth, result.left);
        }
        CHECK((result.left == 0) == operations[i].keeps_nothing);
        CHECK(result.depth < LIMIT);
    }
}

int main(int argc, char **argv)
{
    verbose = argc > 2;
    for_each_vector(argv[1], run);
    return finish("test_stack");
}
