/* The field layer against vectors: the four basic functions with all aliasing, inverses, square roots, conversions. */
#include "harness.h"

#include "curve.h"

#include <string.h>

static void load(fe r, const vector *v, const char *name, const modulus *m)
{
    fe_load(r, need(v, name, 32));
    fe_to_montgomery(r, r, m);
}

/* r, in Montgomery form, as expected */
static void check_value(const vector *v, const fe r, const char *name, const modulus *m)
{
    fe plain;
    uint8_t bytes[32];
    fe_normal(plain, r, m);
    CHECK(fe_is_less(plain, m->m));
    fe_from_montgomery(plain, r, m);
    fe_store(bytes, plain);
    CHECK_BYTES(bytes, need(v, name, 32), 32);
}

typedef void binary(fe r, const fe a, const fe b, const modulus *m);

static void check_binary(const vector *v, binary *f, const char *name, const fe a, const fe b, const modulus *m)
{
    fe r;
    f(r, a, b, m);
    check_value(v, r, name, m);
    fe_copy(r, a);
    f(r, r, b, m);
    check_value(v, r, name, m);
    fe_copy(r, b);
    f(r, a, r, m);
    check_value(v, r, name, m);
}

static void run_pair(const vector *v, const modulus *m)
{
    fe a, b, r, s, zero = {0};
    load(a, v, "a", m);
    load(b, v, "b", m);
    check_binary(v, fe_mul, "product", a, b, m);
    check_binary(v, fe_add, "sum", a, b, m);
    check_binary(v, fe_sub, "difference", a, b, m);
    fe_add(r, a, b, m);
    fe_sub_twice(r, r, b, m);
    check_value(v, r, "difference", m);

    fe_negate_if(r, b, mask_of(1), m);
    fe_add(r, a, r, m);
    check_value(v, r, "difference", m);
    fe_negate_if(r, b, mask_of(0), m);
    CHECK_BYTES(r, b, sizeof r);
    fe_half(r, a, m);
    fe_add(r, r, r, m);
    fe_sub(r, r, b, m);
    check_value(v, r, "difference", m);
    fe_sub(r, zero, b, m);
    fe_sub(r, a, r, m);
    check_value(v, r, "sum", m);

    int same = memcmp(a, b, sizeof a) == 0;
    fe_sub(r, a, b, m);
    CHECK(fe_is_zero(r) == (same ? ~(limb)0 : 0));
    fe_load(r, need(v, "a", 32));
    fe_load(s, need(v, "b", 32));
    CHECK(fe_is_less(r, s) == (memcmp(need(v, "a", 32), need(v, "b", 32), 32) < 0 ? ~(limb)0 : 0));
    for (unsigned i = 0; i < 256; i++) {
        CHECK(fe_bit(r, i) == (need(v, "a", 32)[31 - i / 8] >> (i % 8) & 1u));
    }
    fe_select(r, s, mask_of(0));
    fe_load(s, need(v, "a", 32));
    CHECK_BYTES(r, s, sizeof r);
    fe_select(r, zero, mask_of(1));
    CHECK(fe_is_zero(r));
}

static void run_unary(const vector *v, const modulus *m)
{
    fe a, r, one;
    load(a, v, "a", m);
    fe_sqr(r, a, m);
    fe_mul(one, a, a, m);
    CHECK_BYTES(r, one, sizeof r);
    fe_invert(r, a, m);
    check_value(v, r, "inverse", m);
    fe_one(one, m);
    fe_mul(r, r, a, m);
    fe_sub(r, r, one, m);
    CHECK(fe_is_zero(a) || fe_is_zero(r));
    if (get(v, "square_root_of_square").bytes) {
        fe_sqr(r, a, m);
        fe_sqrt(r, r, m);
        fe_from_montgomery(r, r, m);
        fe other;
        uint8_t bytes[32];
        fe_negate_if(other, r, mask_of(1), m);
        fe_normal(other, other, m);
        if (fe_is_less(other, r)) {
            fe_copy(r, other);
        }
        fe_store(bytes, r);
        CHECK_BYTES(bytes, need(v, "square_root_of_square", 32), 32);
    }
}

/* fe_to_montgomery takes numbers up to 2^256 - 1: what is above m comes out reduced. */
static void run_conversion(const modulus *m)
{
    fe r, expected;
    for (unsigned above = 0; above < 2; above++) {
        for (int i = 0; i < LIMBS; i++) {
            r[i] = above ? LIMB_MASK : m->m[i];
        }
        if (above && LIMBS * MS_LIMB_BITS > 256) {
            r[LIMBS - 1] = LIMB_MASK >> (LIMBS * MS_LIMB_BITS - 256);
        }
        fe_to_montgomery(r, r, m);
        fe_from_montgomery(r, r, m);
        memset(expected, 0, sizeof expected);
        if (above) { /* 2^256 - 1 - m */
            for (int i = 0; i < LIMBS; i++) {
                expected[i] = ~m->m[i] & LIMB_MASK;
            }
            expected[LIMBS - 1] &= LIMB_MASK >> (LIMBS * MS_LIMB_BITS - 256);
        }
        CHECK_BYTES(r, expected, sizeof r);
    }
}

static void run(const vector *v)
{
    const curve *c = curve_of(*need(v, "suite", 1));
    if (c) {
        const modulus *m = *need(v, "order", 1) ? &c->q : &c->p;
        (strcmp(v->operation, "field") == 0 ? run_pair : run_unary)(v, m);
    }
}

int main(int argc, char **argv)
{
    for (uint8_t suite = 1; suite <= 2; suite++) {
        const curve *c = curve_of(suite);
        if (c) {
            run_conversion(&c->p);
            run_conversion(&c->q);
        }
    }
    for (int i = 1; i < argc; i++) {
        for_each_vector(argv[i], run);
    }
    return finish("test_field");
}
