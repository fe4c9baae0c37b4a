/*
 * Integers modulo a 256-bit prime m: p or q of either curve. 2^255 < m < 2^256.
 *
 * A number is kept in Montgomery form, x * 2^256 mod m, always fully reduced; with limbs of 29 bits, x * 2^261 and as
 * field_29.c has it. Both p make reduction cheap, since -p^-1 = 1 modulo the word; both are 3 mod 4, which makes square
 * roots one power.
 *
 * The six functions of the first part are all that a faster implementation has to bring (one file an architecture,
 * chosen in core.c and the Makefile instead of field_c.c); the second part, field.c, stands on them.
 */
#ifndef MS_FIELD_H
#define MS_FIELD_H

#include "secret.h"

#if MS_LIMB_BITS == 64
typedef uint64_t limb;
typedef unsigned __int128 dlimb;
#    define LIMBS 4
#    define NUMBER(a, b, c, d) {d, c, b, a}
#elif MS_LIMB_BITS == 32
typedef uint32_t limb;
typedef uint64_t dlimb;
#    define LIMBS 8
#    define HALVES(x) (uint32_t)(x), (uint32_t)((uint64_t)(x) >> 32)
#    define NUMBER(a, b, c, d) {HALVES(d), HALVES(c), HALVES(b), HALVES(a)}
#elif MS_LIMB_BITS == 29
typedef uint32_t limb;
#    define LIMBS 9
#else
#    error "MS_LIMB_BITS is 29, 32 or 64"
#endif
#define LIMB_MASK ((limb) - 1 >> (8 * sizeof(limb) - MS_LIMB_BITS))

/* Limbs from the least significant; NUMBER takes four 64-bit words from the most significant, as they are read. */
typedef limb fe[LIMBS];

/* Assembly knows this layout. */
typedef struct {
    fe m;       /* the modulus */
    fe rr;      /* 2^512 mod m */
    fe k;       /* -m^-1 mod 2^256 */
    limb shape; /* which it is, for what is written for one modulus */
#if MS_LIMB_BITS == 29
    /* rr is 2^522 mod m, and of k there are but the lowest 32 bits. */
    fe signed_m, one; /* m and 2^261 mod m, in signed limbs */
#endif
} modulus;

#define SHAPE_ANY 0
#define SHAPE_P256 1
#define SHAPE_SM2 2

/*
 * The first four: in: a, b < m; out: r < m; r may alias a and b. Constant time.
 * fe_mul: r = a * b / 2^256 mod m; there b may be any number below 2^256.
 */
#if MS_ARMV6M || MS_ARMV7EM
#    define MS_FIELD MS_ASSEMBLY
#else
#    define MS_FIELD MS_INTERNAL
#endif
#if MS_XTENSA
#    define MS_PRODUCT MS_ASSEMBLY
#else
#    define MS_PRODUCT MS_FIELD
#endif
MS_PRODUCT void fe_mul(fe r, const fe a, const fe b, const modulus *m);
MS_PRODUCT void fe_sqr(fe r, const fe a, const modulus *m);
#if MS_LIMB_BITS == 29
/* r = a + times * b, with times from -2 to 1: what the three functions below are made of. */
MS_INTERNAL void fe_add_times(fe r, const fe a, const fe b, limb times, const modulus *m);
#endif
#if MS_LIMB_BITS == 29 && defined MS_ONE_UNIT
#    define fe_add(r, a, b, m) fe_add_times(r, a, b, 1, m)
#    define fe_sub(r, a, b, m) fe_add_times(r, a, b, (limb) - 1, m)
#else
MS_FIELD void fe_add(fe r, const fe a, const fe b, const modulus *m);
MS_FIELD void fe_sub(fe r, const fe a, const fe b, const modulus *m);
#endif

/* r = a - 2b. r may alias a, not b. */
#if MS_LIMB_BITS == 29 && defined MS_ONE_UNIT
#    define fe_sub_twice(r, a, b, m) fe_add_times(r, a, b, (limb) - 2, m)
#elif MS_LIMB_BITS == 29
MS_INTERNAL void fe_sub_twice(fe r, const fe a, const fe b, const modulus *m);
#else
static inline void fe_sub_twice(fe r, const fe a, const fe b, const modulus *m)
{
    fe_sub(r, a, b, m);
    fe_sub(r, r, b, m);
}
#endif

/*
 * r = a with 0 <= r < m, each limb between 0 and 2^MS_LIMB_BITS: what fe_bit, fe_is_less and fe_store take. Numbers out
 * of Montgomery form have to be made so after an addition or the like. r may alias a. Constant time.
 */
#if MS_LIMB_BITS == 29
MS_INTERNAL void fe_normal(fe r, const fe a, const modulus *m);
#endif

/* r = a / 2. in: a < m; out: r < m; r may alias a. Constant time. */
MS_FIELD void fe_half(fe r, const fe a, const modulus *m);

/* r = table[index], 0 <= index < count, reading the whole table. Constant time. */
typedef struct {
    fe x, y;
} fe_pair;
MS_FIELD void fe_pick(fe_pair *r, const fe_pair *table, unsigned count, limb index);

/* All ones if a = 0, else 0. */
MS_INTERNAL limb fe_is_zero(const fe a);

/* All ones if a < b, else 0. Any a, b. */
MS_INTERNAL limb fe_is_less(const fe a, const fe b);

/* r = a if mask is all ones; r stays if mask is 0. */
MS_INTERNAL void fe_select(fe r, const fe a, limb mask);

/* r = -a mod m if mask is all ones; r = a if mask is 0. a < m; r may alias a. */
MS_INTERNAL void fe_negate_if(fe r, const fe a, limb mask, const modulus *m);

/* r = the number 1 in Montgomery form. */
MS_INTERNAL void fe_one(fe r, const modulus *m);

/* r = 1/a, or 0 if a = 0. m is prime. r may alias a. Constant time. */
MS_INTERNAL void fe_invert(fe r, const fe a, const modulus *m);

/* r = a square root of a if it has one, else some number. m is the p of a curve. r may alias a. */
MS_INTERNAL void fe_sqrt(fe r, const fe a, const modulus *m);

/* Into and out of Montgomery form. In: any a below 2^256; out: r < m; r may alias a. */
MS_INTERNAL void fe_to_montgomery(fe r, const fe a, const modulus *m);
MS_INTERNAL void fe_from_montgomery(fe r, const fe a, const modulus *m);

/* Between limbs and 32 big-endian bytes; no change of form, no reduction. */
MS_INTERNAL void fe_load(fe r, const uint8_t bytes[32]);
MS_INTERNAL void fe_store(uint8_t bytes[32], const fe a);

/* A short loop whose steps are to follow each other, where LLVM spends half of its time on counting. */
#if MS_XTENSA && defined __clang__
#    define MS_UNROLLED _Pragma("unroll")
#else
#    define MS_UNROLLED
#endif

static inline void fe_copy(fe r, const fe a)
{
    MS_UNROLLED
    for (int i = 0; i < LIMBS; i++) {
        r[i] = a[i];
    }
}

#if MS_LIMB_BITS != 29
static inline void fe_normal(fe r, const fe a, const modulus *m)
{
    (void)m;
    if (r != a) {
        fe_copy(r, a);
    }
}
#endif

/* Bit i of a, 0 <= i < 256; the time depends on nothing else but i. */
static inline __attribute__((always_inline)) limb fe_bit(const fe a, unsigned i)
{
    return a[i / MS_LIMB_BITS] >> (i % MS_LIMB_BITS) & 1;
}

/* All ones if bit is 1, 0 if bit is 0. The compiler is kept from knowing that there are only two values. */
static inline limb mask_of(limb bit)
{
    __asm__("" : "+r"(bit));
    return (limb)0 - bit;
}

#endif
