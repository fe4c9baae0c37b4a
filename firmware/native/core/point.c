/*
 * Point arithmetic and the three scalar multiplications.
 *
 * All of them write an odd scalar as a sum of +2^i and -2^i, one for each i from 0 to n - 1. That has no zero digits,
 * so that the same operations are done for every scalar: k = sum of s_i 2^i with s_i = +1 if bit i + 1 of k is set,
 * else -1, and s_(n-1) = +1, for any odd k < 2^n. An even k is replaced by q - k, which is odd, and the result negated.
 * Bits taken together, adjacent ones (window) or ones far apart (comb), make a digit u; the table has the multiples
 * for digits whose top bit is set, the others are their negatives.
 *
 * Why the incomplete addition is right in the main loops: take the multiples of the base, in the accumulator and in the
 * table entry, as integers. They are not equal and not opposite (the window: the accumulator, 16 times a positive
 * number, is above the entry; the comb: modulo 2, the accumulator being twice a number). Until the last digit the
 * accumulator is below q / 2 + 2^240 and the entry below 2^236, both in absolute value, so they are not equal or
 * opposite modulo q either. With the last digit they may be, for single scalars such as q - 2 of P-256 (window): there
 * the addition is the complete one.
 */
#include "point.h"

#include <string.h>

#define WINDOW 4
#define WINDOW_ENTRIES (1 << (WINDOW - 1))

typedef fe_pair affine;

/*
 * r = 2a; infinity gives infinity. Half of the usual coordinates: Z3 = Y Z, with which most doublings of numbers go.
 * in: any a; out: if not null, same becomes x and y of a with r's z; r may alias a. 4 products, 4 squares
 */
static MS_NOINLINE void double_and_rescale(point *r, const point *a, affine *same, const modulus *p)
{
    fe m, s, t;
    fe_sqr(t, a->z, p);
    fe_sub(m, a->x, t, p);
    fe_add(t, a->x, t, p);
    fe_mul(m, m, t, p);
    fe_half(t, m, p);
    fe_add(m, m, t, p); /* m = 3/2 (x - z^2) (x + z^2) = (3 x^2 - 3 z^4) / 2, as a = -3 */
    fe_sqr(t, a->y, p);
    fe_mul(s, a->x, t, p); /* s = x y^2 */
    fe_mul(r->z, a->y, a->z, p);
    fe_sqr(t, t, p); /* t = y^4 */
    if (same) {
        fe_copy(same->x, s);
        fe_copy(same->y, t);
    }
    fe_sqr(r->x, m, p);
    fe_sub_twice(r->x, r->x, s, p);
    fe_sub(s, s, r->x, p);
    fe_mul(m, m, s, p);
    fe_sub(r->y, m, t, p);
}

static void point_double(point *r, const point *a, const modulus *p)
{
    double_and_rescale(r, a, NULL, p);
}

/*
 * r = a + b, unless a = b: then r is no point, and the result is all ones instead of 0. a = -b gives infinity.
 * in: a, b not infinity; one: b->z is 1; r may alias a. 8 products, 3 squares; 12 and 4 if not
 */
static MS_NOINLINE limb add_different(point *r, const point *a, const point *b, int one, const modulus *p)
{
    fe t, h, s, u1, s1;
    fe_sqr(t, a->z, p);
    fe_mul(h, b->x, t, p);
    fe_mul(t, t, a->z, p);
    fe_mul(s, b->y, t, p);
    if (one) {
        fe_copy(u1, a->x);
        fe_copy(s1, a->y);
        fe_copy(t, a->z);
    } else {
        fe_sqr(t, b->z, p);
        fe_mul(u1, a->x, t, p);
        fe_mul(t, t, b->z, p);
        fe_mul(s1, a->y, t, p);
        fe_mul(t, a->z, b->z, p);
    }
    fe_sub(h, h, u1, p); /* h: difference of the x, s: difference of the y, over the common denominator */
    fe_sub(s, s, s1, p);
    limb same = fe_is_zero(h) & fe_is_zero(s);
    fe_mul(r->z, t, h, p);
    fe_sqr(t, h, p);
    fe_mul(u1, u1, t, p);
    fe_mul(t, t, h, p);
    fe_mul(s1, s1, t, p);
    fe_sqr(r->x, s, p);
    fe_sub(r->x, r->x, t, p);
    fe_sub_twice(r->x, r->x, u1, p);
    fe_sub(u1, u1, r->x, p);
    fe_mul(u1, u1, s, p);
    fe_sub(r->y, u1, s1, p);
    return same;
}

/* r = a if mask is all ones; r stays if mask is 0. */
static void point_select(point *r, const point *a, limb mask)
{
    fe_select(r->x, a->x, mask);
    fe_select(r->y, a->y, mask);
    fe_select(r->z, a->z, mask);
}

MS_NOINLINE void point_add(point *r, const point *a, const point *b, const curve *c)
{
    point sum, twice;
    limb same = add_different(&sum, a, b, 0, &c->p);
    point_double(&twice, a, &c->p);
    point_select(&sum, &twice, same);
    point_select(&sum, b, fe_is_zero(a->z));
    point_select(&sum, a, fe_is_zero(b->z));
    *r = sum;
}

/*
 * r = r + b, or r - b if minus is all ones, as point_add has it, with branches: for public points.
 * r may not overlap b
 */
static MS_NOINLINE void add_public(point *r, const affine *b, limb minus, const curve *c)
{
    point entry;
    fe_copy(entry.x, b->x);
    fe_negate_if(entry.y, b->y, minus, &c->p);
    fe_one(entry.z, &c->p);
    if (fe_is_zero(r->z)) {
        *r = entry;
    } else if (add_different(r, r, &entry, 1, &c->p)) {
        point_double(r, &entry, &c->p); /* they were the same */
    }
}

/* r = k if k is odd, else q - k; the result is all ones if k was even, else 0. in: 0 < k < q */
static limb make_odd(fe r, const fe k, const modulus *q)
{
    limb even = mask_of((k[0] & 1) ^ 1);
    fe_negate_if(r, k, even, q);
    fe_normal(r, r, q);
    return even;
}

/* How the digits lie: count of them, each of bits that are step apart; between one digit and the next, some doublings.
 */
typedef struct {
    uint8_t bits, count, step, doublings;
} digits;
static const digits window = {WINDOW, 256 / WINDOW, 1, WINDOW};
static const digits comb = {COMB_TEETH, COMB_SPACING, COMB_SPACING, 1};

/* Digit i of the odd number k. */
static limb digit_of_number(const fe k, unsigned i, const digits *d)
{
    limb u = i == d->count - 1u; /* the top sign is always +1 */
    const unsigned step = d->step, lowest = i * d->doublings + 1;
    for (unsigned place = lowest + (d->bits - (unsigned)u) * step; place != lowest;) {
        place -= step;
        u = u << 1 | (fe_bit(k, place % 256) & (place < 256)); /* there are no bits above 255 */
    }
    return u;
}

/*
 * r = the point that the digit u stands for: with half = 2^(bits - 1), entry u - half of the table, or the negative of
 * entry half - 1 - u. Reads the whole table. in: 0 <= u < 2^bits
 */
static MS_NOINLINE void lookup(point *r, const affine *table, unsigned bits, limb u, const modulus *p)
{
    const limb half = (limb)1 << (bits - 1);
    limb negative = mask_of(u >> (bits - 1) ^ 1);
    affine found;
    fe_pick(&found, table, (unsigned)half, (u ^ negative) & (half - 1));
    fe_copy(r->x, found.x);
    fe_negate_if(r->y, found.y, negative, p);
    fe_one(r->z, p);
}

/*
 * r = a + b for points with the same z, without their z; b gets the z of r, which is the old one times the result
 * factor. in: a, b not the same, not each other's negative, not infinity; r may alias a. 4 products, 2 squares
 */
static MS_NOINLINE void add_same_z(affine *r, fe factor, const affine *a, affine *b, const modulus *p)
{
    fe s, t;
    fe_sub(factor, a->x, b->x, p);
    fe_sub(s, a->y, b->y, p);
    fe_sqr(t, factor, p);
    fe_mul(r->x, a->x, t, p);
    fe_mul(b->x, b->x, t, p);
    fe_sub(t, r->x, b->x, p);
    fe_mul(b->y, b->y, t, p);
    fe_add(t, r->x, b->x, p);
    fe_sqr(r->x, s, p);
    fe_sub(r->x, r->x, t, p);
    fe_sub(t, b->x, r->x, p);
    fe_mul(t, t, s, p);
    fe_sub(r->y, t, b->y, p);
}

/*
 * table[i] = (2i + 1) * a, with z = 1. One addition after the other of 2a, all with the same z as the sum before; the z
 * of the last is inverted, and that of each other follows from the one after it.
 * in: a not infinity, z = 1, not in the table
 */
static MS_NOINLINE void fill_window(affine table[WINDOW_ENTRIES], const point *a, const curve *c)
{
    point first;
    affine twice;
    fe factors[WINDOW_ENTRIES - 1], t;
    limb *const inverse = first.z; /* of the denominators so far, until it is inverted */
    const modulus *p = &c->p;
    double_and_rescale(&first, a, &table[0], p);
    fe_copy(twice.x, first.x);
    fe_copy(twice.y, first.y);
    for (unsigned i = 1; i < WINDOW_ENTRIES; i++) {
        add_same_z(&table[i], factors[i - 1], &table[i - 1], &twice, p);
        fe_mul(inverse, inverse, factors[i - 1], p);
    }
    fe_invert(inverse, inverse, p);
    for (unsigned i = WINDOW_ENTRIES - 1; i > 0; i--) {
        fe_sqr(t, inverse, p);
        fe_mul(table[i].x, table[i].x, t, p);
        fe_mul(t, t, inverse, p);
        fe_mul(table[i].y, table[i].y, t, p);
        fe_mul(inverse, inverse, factors[i - 1], p);
    }
    fe_copy(table[0].x, a->x);
    fe_copy(table[0].y, a->y);
}

/* r = k times the point of the table, whose entries are for digits like these. */
static MS_NOINLINE void multiply_by_table(point *r, const fe k, const affine *table, const digits *d, const curve *c)
{
    fe odd;
    point entry;
    limb flip = make_odd(odd, k, &c->q);
    unsigned i = d->count - 1u;
    lookup(r, table, d->bits, digit_of_number(odd, i, d), &c->p);
    do {
        i--;
        for (unsigned j = d->doublings; j > 0; j--) {
            point_double(r, r, &c->p);
        }
        lookup(&entry, table, d->bits, digit_of_number(odd, i, d), &c->p);
        if (i) {
            add_different(r, r, &entry, 1, &c->p);
        } else {
            point_add(r, r, &entry, c);
        }
    } while (i);
    fe_negate_if(r->y, r->y, flip, &c->p);
    forget(odd);
}

MS_NOINLINE void point_mul_base(point *r, const fe k, const curve *c)
{
    multiply_by_table(r, k, (const affine *)c->comb, &comb, c);
}

MS_NOINLINE void point_mul(point *r, const fe k, const point *a, const curve *c)
{
    affine table[WINDOW_ENTRIES];
    fill_window(table, a, c);
    multiply_by_table(r, k, table, &window, c);
}

/*
 * The digit of e for public multiplication: 0, or odd and between -2^WINDOW and 2^WINDOW, such that the digits that
 * follow are 0. It is taken off e, which is read from bit i on; carry is what the digits so far left.
 * out: the digit of weight 2^i; carry for the next
 */
static int next_digit(const fe e, unsigned i, unsigned *skip, unsigned *carry)
{
    unsigned bits = 0;
    if (*skip) {
        --*skip;
        return 0;
    }
    if ((fe_bit(e, i) ^ *carry) == 0) {
        return 0;
    }
    for (unsigned t = 0; t <= WINDOW && i + t < 256; t++) {
        bits |= (unsigned)fe_bit(e, i + t) << t;
    }
    bits += *carry;
    *carry = bits >> WINDOW & 1;
    *skip = WINDOW;
    return (int)bits - (*carry ? 2 << WINDOW : 0);
}

/* r = s*G + e times the point of the table, as point_mul_public has it. In a frame apart from the table's making. */
static MS_NOINLINE void sum_public(point *r, const fe s, const fe e, const affine *table, const curve *c)
{
    fe s_odd;
    int8_t naf[257];
    unsigned skip = 0, carry = 0;
    limb s_flip = make_odd(s_odd, s, &c->q);
    for (unsigned i = 0; i < 256; i++) {
        naf[i] = (int8_t)next_digit(e, i, &skip, &carry);
    }
    naf[256] = (int8_t)carry;
    memset(r, 0, sizeof *r);
    for (unsigned i = 257; i-- > 0;) {
        if (!fe_is_zero(r->z)) {
            point_double(r, r, &c->p);
        }
        if (naf[i]) {
            const unsigned size = (unsigned)(naf[i] < 0 ? -naf[i] : naf[i]);
            add_public(r, &table[size / 2], mask_of(naf[i] < 0), c);
        }
        if (i < COMB_SPACING) {
            limb u = digit_of_number(s_odd, i, &comb);
            limb minus = mask_of(u >> (COMB_TEETH - 1) ^ 1);
            const affine *entries = (const affine *)c->comb;
            add_public(r, &entries[(u ^ minus) & (COMB_ENTRIES - 1)], minus ^ s_flip, c);
        }
    }
}

MS_NOINLINE void point_mul_public(point *r, const fe s, const fe e, const point *a, const curve *c)
{
    affine table[WINDOW_ENTRIES];
    fill_window(table, a, c);
    sum_public(r, s, e, table, c);
}

/* r = x^3 - 3x + b. r may not alias x */
static void curve_equation(fe r, const fe x, const curve *c)
{
    fe_sqr(r, x, &c->p);
    fe_mul(r, r, x, &c->p);
    for (int i = 0; i < 3; i++) {
        fe_sub(r, r, x, &c->p);
    }
    fe_add(r, r, c->b, &c->p);
}

MS_NOINLINE ms_error point_decode(point *r, const uint8_t bytes[MS_POINT_SIZE], const curve *c)
{
    fe square, check;
    fe_load(r->x, bytes + 1);
    if ((bytes[0] & 0xfe) != 2 || !fe_is_less(r->x, c->p.m)) {
        return MS_ERR_POINT;
    }
    fe_to_montgomery(r->x, r->x, &c->p);
    curve_equation(square, r->x, c);
    fe_sqrt(r->y, square, &c->p);
    fe_sqr(check, r->y, &c->p);
    fe_sub(check, check, square, &c->p);
    if (!fe_is_zero(check)) {
        return MS_ERR_POINT;
    }
    fe_from_montgomery(check, r->y, &c->p);
    fe_negate_if(r->y, r->y, mask_of((check[0] ^ bytes[0]) & 1), &c->p); /* y is not 0: the order is odd */
    fe_one(r->z, &c->p);
    return MS_OK;
}

MS_NOINLINE ms_error point_add_encoded(point *r, const uint8_t bytes[MS_POINT_SIZE], const curve *c)
{
    point a;
    ms_error error = point_decode(&a, bytes, c);
    if (!error) {
        point_add(r, r, &a, c);
    }
    return error;
}

/* x, y = the affine coordinates of a, out of Montgomery form. That a is infinity may be known: it is an error. */
static ms_error to_affine(fe x, fe y, const point *a, const modulus *p)
{
    fe t;
    limb infinity = fe_is_zero(a->z);
    declassify(&infinity, sizeof infinity);
    if (infinity) {
        return MS_ERR_INFINITY;
    }
    fe_invert(t, a->z, p);
    fe_sqr(x, t, p);
    fe_mul(y, x, t, p);
    fe_mul(x, x, a->x, p);
    fe_mul(y, y, a->y, p);
    fe_from_montgomery(x, x, p);
    fe_from_montgomery(y, y, p);
    return MS_OK;
}

MS_NOINLINE ms_error point_encode(uint8_t bytes[MS_POINT_SIZE], const point *a, const curve *c)
{
    fe x, y;
    ms_error error = to_affine(x, y, a, &c->p);
    if (!error) {
        bytes[0] = (uint8_t)(2 | (y[0] & 1));
        fe_store(bytes + 1, x);
        declassify(bytes, MS_POINT_SIZE);
    }
    return error;
}

MS_NOINLINE ms_error point_encode_x(uint8_t bytes[32], const point *a, const curve *c)
{
    fe x, y;
    ms_error error = to_affine(x, y, a, &c->p);
    if (!error) {
        fe_store(bytes, x);
    }
    return error;
}
