/*
 * Point arithmetic where it is easy to get wrong: infinity, P + P, P - P, small and large scalars, agreement of the
 * algorithms, and the sums of the vector file given.
 */
#include "harness.h"

#include "point.h"
#include "scalar.h"

#include <string.h>

/* Whether a and b are the same point, whatever their coordinates. */
static int same(const point *a, const point *b, const curve *c)
{
    uint8_t x[33] = {0}, y[33] = {0};
    return point_encode(x, a, c) == point_encode(y, b, c) && memcmp(x, y, 33) == 0;
}

static void negate(point *r, const point *a, const curve *c)
{
    *r = *a;
    fe_negate_if(r->y, a->y, mask_of(1), &c->p);
}

/* The point with other coordinates: (x t^2, y t^3, z t) for some t. */
static void rescale(point *a, const curve *c)
{
    uint8_t bytes[32];
    fe t, tt;
    fill(bytes, sizeof bytes);
    scalar_load_wide(t, bytes, sizeof bytes, c);
    fe_to_montgomery(t, t, &c->p);
    fe_sqr(tt, t, &c->p);
    fe_mul(a->x, a->x, tt, &c->p);
    fe_mul(tt, tt, t, &c->p);
    fe_mul(a->y, a->y, tt, &c->p);
    fe_mul(a->z, a->z, t, &c->p);
}

/* The same point with z = 1, as the two multiplications take it. */
static void normalise(point *a, const curve *c)
{
    uint8_t bytes[33];
    CHECK(point_encode(bytes, a, c) == MS_OK);
    CHECK(point_decode(a, bytes, c) == MS_OK);
}

static void generator(point *r, const curve *c)
{
    fe one = {1};
    point_mul_base(r, one, c);
    normalise(r, c);
}

/* r = k mod q for a small k, or q + k for a negative one */
static void small_scalar(fe r, int k, const curve *c)
{
    fe size = {0};
    size[0] = (limb)(k < 0 ? -k : k);
    fe_negate_if(r, size, mask_of(k < 0), &c->q);
    fe_normal(r, r, &c->q);
}

static void random_scalar(fe r, const curve *c)
{
    uint8_t bytes[48];
    fill(bytes, sizeof bytes);
    scalar_load_wide(r, bytes, sizeof bytes, c);
}

static void additions(const curve *c)
{
    point infinity, g, minus, other, r, twice;
    memset(&infinity, 0, sizeof infinity);
    fe two;
    generator(&g, c);
    small_scalar(two, 2, c);
    point_mul(&twice, two, &g, c);
    for (int i = 0; i < 8; i++) {
        point p = i & 1 ? twice : g;
        if (i & 2) {
            rescale(&p, c);
        }
        negate(&minus, &p, c);
        if (i & 4) {
            rescale(&minus, c);
        }
        /* infinity has any x and y */
        point other_infinity = p;
        memset(other_infinity.z, 0, sizeof other_infinity.z);

        point_add(&r, &p, &minus, c);
        CHECK(same(&r, &infinity, c));
        CHECK(point_encode((uint8_t[33]){0}, &r, c) == MS_ERR_INFINITY);
        CHECK(point_encode_x((uint8_t[32]){0}, &r, c) == MS_ERR_INFINITY);
        point_add(&r, &p, &other_infinity, c);
        CHECK(same(&r, &p, c));
        point_add(&r, &other_infinity, &p, c);
        CHECK(same(&r, &p, c));
        point_add(&r, &infinity, &other_infinity, c);
        CHECK(same(&r, &infinity, c));

        other = p;
        rescale(&other, c);
        point_add(&r, &p, &other, c);
        normalise(&other, c);
        point_mul(&twice, two, &other, c);
        CHECK(same(&r, &twice, c));
        point_add(&p, &p, &p, c); /* all three the same object */
        CHECK(same(&p, &twice, c));
        point_add(&other, &minus, &twice, c);
        point_add(&twice, &minus, &twice, c);
        CHECK(same(&other, &twice, c));
        generator(&g, c);
        point_add(&twice, &g, &g, c);
    }
}

/* Multiples of G from 1 up and from q - 1 down, by adding G again and again; three algorithms agree on each. */
static void small_multiples(const curve *c)
{
    point g, sum, minus, r;
    fe k, zero = {0}, one, rest;
    generator(&g, c);
    small_scalar(one, 1, c);
    memset(&sum, 0, sizeof sum);
    for (int i = 1; i <= 300; i++) {
        point_add(&sum, &sum, &g, c);
        negate(&minus, &sum, c);
        for (int sign = 1; sign >= -1; sign -= 2) {
            const point *expected = sign > 0 ? &sum : &minus;
            small_scalar(k, sign * i, c);
            point_mul_base(&r, k, c);
            CHECK(same(&r, expected, c));
            point_mul(&r, k, &g, c);
            CHECK(same(&r, expected, c));
            point_mul_public(&r, k, zero, &g, c); /* k*G + 0*G */
            CHECK(same(&r, expected, c));
            fe_sub(rest, k, one, &c->q);
            fe_normal(rest, rest, &c->q); /* 1*G + (k - 1)*G: for k = 1 nothing but the first */
            point_mul_public(&r, one, rest, &g, c);
            CHECK(same(&r, expected, c));
            if (!fe_is_zero(rest)) {
                point_mul_public(&r, rest, one, &g, c);
                CHECK(same(&r, expected, c));
            }
        }
    }
    /* k*G + (q - k)*G is infinity */
    for (int i = 1; i <= 20; i++) {
        small_scalar(k, i, c);
        small_scalar(rest, -i, c);
        point_mul_public(&r, k, rest, &g, c);
        CHECK(fe_is_zero(r.z));
        point_mul_public(&r, rest, k, &g, c);
        CHECK(fe_is_zero(r.z));
    }
}

/* Random scalars: a*(b*G) = (a b)*G; s*G + e*P as the sum of the two. */
static void random_multiples(const curve *c)
{
    point p, q, r;
    fe a, b, product, zero = {0};
    for (int i = 0; i < 60; i++) {
        random_scalar(a, c);
        random_scalar(b, c);
        point_mul_base(&p, b, c);
        normalise(&p, c);
        point_mul(&q, a, &p, c);
        scalar_mul_add(product, a, b, zero, c);
        point_mul_base(&r, product, c);
        CHECK(same(&q, &r, c));
        point_mul_public(&r, b, a, &p, c);
        point_add(&q, &q, &p, c);
        CHECK(same(&q, &r, c));
        point_mul(&p, a, &p, c); /* in place */
        point_mul_base(&r, product, c);
        CHECK(same(&p, &r, c));
    }
}

static void encodings(const curve *c)
{
    uint8_t bytes[33], again[33];
    point p, r;
    fe k;
    for (int i = 0; i < 40; i++) {
        random_scalar(k, c);
        point_mul_base(&p, k, c);
        CHECK(point_encode(bytes, &p, c) == MS_OK);
        CHECK(point_decode(&r, bytes, c) == MS_OK);
        CHECK(same(&p, &r, c));
        bytes[0] ^= 1;
        CHECK(point_decode(&r, bytes, c) == MS_OK);
        point_add(&r, &r, &p, c);
        CHECK(fe_is_zero(r.z));
        CHECK(point_encode_x(again, &p, c) == MS_OK);
        CHECK_BYTES(again, bytes + 1, 32);
    }
}

static void run_sum(const vector *v)
{
    const curve *c = curve_of(*need(v, "suite", 1));
    uint8_t out[33];
    point p;
    fe s, e;
    if (c) {
        CHECK(scalar_load_checked(s, need(v, "s", 32), c) == MS_OK);
        scalar_load(e, need(v, "e", 32), c);
        CHECK(point_decode(&p, need(v, "P", 33), c) == MS_OK);
        point_mul_public(&p, s, e, &p, c);
        CHECK(as_expected(v, point_encode(out, &p, c)));
        if (!v->error[0]) {
            CHECK_BYTES(out, need(v, "out", 33), 33);
        }
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for_each_vector(argv[i], run_sum);
    }
    for (uint8_t suite = 1; suite <= 2; suite++) {
        const curve *c = curve_of(suite);
        if (c) {
            additions(c);
            small_multiples(c);
            random_multiples(c);
            encodings(c);
        }
    }
    return finish("test_points");
}
