/*
 * SM4 without tables, eight blocks at once: a word of each is turned into bit planes, in which byte k of plane p has
 * bit p of byte k of all eight words. There the S-box's inversion in GF(2^8) is computed by gates, in the tower
 * GF(((2^2)^2)^2) with w^2 = w + 1, z^2 = z + w, y^2 = y + nu.
 */
#include "sm4.h"

#if !MS_SM4_TABLE

#    include "sm4_maps.h"

#    if SM4_TOWER_NU != 9
#        error "multiply_nu is written for nu = w z + 1"
#    endif

/* Each bit position of the words is an element of its own. */
typedef struct {
    uint32_t w, one; /* w * w + one */
} gf4;

typedef struct {
    gf4 z, one; /* z * z + one */
} gf16;

static inline gf4 add4(gf4 a, gf4 b)
{
    return (gf4){a.w ^ b.w, a.one ^ b.one};
}

static inline gf4 multiply4(gf4 a, gf4 b)
{
    uint32_t one = a.one & b.one;
    return (gf4){((a.w ^ a.one) & (b.w ^ b.one)) ^ one, (a.w & b.w) ^ one};
}

/* The inverse too, as a^3 = 1. */
static inline gf4 square4(gf4 a)
{
    return (gf4){a.w, a.w ^ a.one};
}

static inline gf4 multiply_w(gf4 a)
{
    return (gf4){a.w ^ a.one, a.w};
}

static inline gf16 add16(gf16 a, gf16 b)
{
    return (gf16){add4(a.z, b.z), add4(a.one, b.one)};
}

static gf16 multiply16(gf16 a, gf16 b)
{
    gf4 one = multiply4(a.one, b.one);
    gf4 all = multiply4(add4(a.z, a.one), add4(b.z, b.one));
    return (gf16){add4(all, one), add4(one, multiply_w(multiply4(a.z, b.z)))};
}

static inline gf16 square16(gf16 a)
{
    gf4 z = square4(a.z);
    return (gf16){z, add4(square4(a.one), multiply_w(z))};
}

/* (z z' + one)(w z' + 1), z' the variable */
static inline gf16 multiply_nu(gf16 a)
{
    gf4 wz = multiply_w(a.z);
    return (gf16){add4(add4(wz, multiply_w(a.one)), a.z), add4(multiply_w(wz), a.one)};
}

/* 1/a, or 0 if a = 0: (z z' + one)^-1 = (z z' + z + one) / (w z^2 + z one + one^2) */
static inline gf16 invert16(gf16 a)
{
    gf4 sum = add4(a.z, a.one);
    gf4 norm = add4(multiply4(sum, a.one), multiply_w(square4(a.z)));
    gf4 inverse = square4(norm);
    return (gf16){multiply4(a.z, inverse), multiply4(sum, inverse)};
}

/* The planes of 32 bytes become those of their inverses (0 of 0), by the same formula one step up. */
static void invert_planes(uint32_t x[8])
{
    gf16 high = {{x[7], x[6]}, {x[5], x[4]}}, low = {{x[3], x[2]}, {x[1], x[0]}};
    gf16 sum = add16(high, low);
    gf16 norm = add16(multiply16(sum, low), multiply_nu(square16(high)));
    gf16 inverse = invert16(norm);
    high = multiply16(high, inverse);
    low = multiply16(sum, inverse);
    x[7] = high.z.w;
    x[6] = high.z.one;
    x[5] = high.one.w;
    x[4] = high.one.one;
    x[3] = low.z.w;
    x[2] = low.z.one;
    x[1] = low.one.w;
    x[0] = low.one.one;
}

/* Between 8 words of 4 bytes and 8 planes: bit j of byte k of word i trades places with bit i of byte k of word j. */
static void transpose(uint32_t x[8])
{
    static const uint32_t masks[3] = {0x55555555, 0x33333333, 0x0f0f0f0f};
    for (unsigned step = 0; step < 3; step++) {
        const unsigned distance = 1u << step;
        for (unsigned i = 0; i < 8; i++) {
            if (!(i & distance)) {
                uint32_t t = (x[i] >> distance ^ x[i + distance]) & masks[step];
                x[i + distance] ^= t;
                x[i] ^= t << distance;
            }
        }
    }
}

static MS_NOINLINE void substitute_planes(uint32_t x[8])
{
    sbox_enter(x);
    invert_planes(x);
    sbox_leave(x);
}

/* The word as the first of eight. */
MS_NOINLINE uint32_t sm4_substitute(uint32_t word)
{
    const uint32_t first = 0x01010101;
    uint32_t planes[8], result = 0;
    for (unsigned p = 0; p < 8; p++) {
        planes[p] = word >> p & first;
    }
    substitute_planes(planes);
    for (unsigned p = 0; p < 8; p++) {
        result |= (planes[p] & first) << p;
    }
    forget(planes);
    return result;
}

void sm4_encrypt(const uint32_t round_keys[32], uint32_t *blocks, unsigned count)
{
    uint32_t x[4][8] = {{0}}, t[8];
    for (unsigned j = 0; j < 4; j++) {
        for (unsigned i = 0; i < count; i++) {
            x[j][i] = blocks[4 * i + j];
        }
        transpose(x[j]);
    }
    for (unsigned r = 0; r < 32; r++) {
        const uint32_t *a = x[(r + 1) % 4], *b = x[(r + 2) % 4], *c = x[(r + 3) % 4];
        for (unsigned p = 0; p < 8; p++) {
            t[p] = a[p] ^ b[p] ^ c[p] ^ (round_keys[r] >> p & 0x01010101) * 255;
        }
        substitute_planes(t);
        for (unsigned p = 0; p < 8; p++) {
            /* The words rotated by 2; by 8 more is the next byte of the same plane. */
            const uint32_t u = p < 2 ? rotate_left(t[p + 6], 8) : t[p - 2];
            x[r % 4][p] ^= t[p] ^ rotate_left(t[p], 24) ^ u ^ rotate_left(u, 8) ^ rotate_left(u, 16);
        }
    }
    for (unsigned j = 0; j < 4; j++) {
        transpose(x[3 - j]);
        for (unsigned i = 0; i < count; i++) {
            blocks[4 * i + j] = x[3 - j][i];
        }
    }
    forget(x);
    forget(t);
}

#endif
