/*
 * GHASH in constant time, with 32-bit integer products and no tables.
 *
 * A block is a polynomial over GF(2) whose coefficient of x^i is the i-th bit from the left, so as a big-endian integer
 * it is reversed; the product of two reversed polynomials is the reversed product, one bit short: times x. So the key
 * is divided by x.
 */
#include "ghash.h"

#include "bytes.h"

#include <string.h>

#if !MS_ARMV6M

/*
 * The low 32 bits of the product of x and y as polynomials. Each operand is split into four with one bit in every
 * nibble, whose integer products add up at most 8 bits in a nibble: the lowest bit of each is the wanted sum.
 */
static uint32_t multiply_low(uint32_t x, uint32_t y)
{
    const uint32_t mask = 0x11111111;
    uint32_t result = 0;
    for (unsigned k = 0; k < 4; k++) {
        uint32_t z = 0;
        for (unsigned i = 0; i < 4; i++) {
            z ^= (x & mask << i) * (y & mask << ((k - i) & 3));
        }
        result |= z & mask << k;
    }
    return result;
}

static uint32_t reverse_bits(uint32_t x)
{
    x = (x & 0x55555555) << 1 | (x >> 1 & 0x55555555);
    x = (x & 0x33333333) << 2 | (x >> 2 & 0x33333333);
    x = (x & 0x0f0f0f0f) << 4 | (x >> 4 & 0x0f0f0f0f);
    x = (x & 0x00ff00ff) << 8 | (x >> 8 & 0x00ff00ff);
    return x << 16 | x >> 16;
}

/* The nine factors of a two-step Karatsuba product: a0, a1, a0 + a1, the same of a2, a3, and of the sums. */
static void spread(uint32_t out[9], const uint32_t a[4])
{
    for (unsigned i = 0; i < 2; i++) {
        out[i] = a[i];
        out[3 + i] = a[2 + i];
        out[6 + i] = a[i] ^ a[2 + i];
    }
    for (unsigned i = 0; i < 9; i += 3) {
        out[i + 2] = out[i] ^ out[i + 1];
    }
}

/* value = value * key * x */
static MS_NOINLINE void multiply(uint32_t value[4], const uint32_t key[4])
{
    uint32_t a[9], b[9], d[8];
    spread(a, value);
    spread(b, key);
    /* a[3g], a[3g + 1], b[3g], b[3g + 1] = the four words of the g-th 64-bit product */
    for (unsigned g = 0; g < 9; g += 3) {
        uint32_t low[3], high[3];
        for (unsigned i = 0; i < 3; i++) {
            low[i] = multiply_low(a[g + i], b[g + i]);
            high[i] = reverse_bits(multiply_low(reverse_bits(a[g + i]), reverse_bits(b[g + i]))) >> 1;
        }
        a[g] = low[0];
        a[g + 1] = high[0] ^ low[0] ^ low[1] ^ low[2];
        b[g] = low[1] ^ high[0] ^ high[1] ^ high[2];
        b[g + 1] = high[1];
    }
    uint32_t middle[4] = {a[6] ^ a[0] ^ a[3], a[7] ^ a[1] ^ a[4], b[6] ^ b[0] ^ b[3], b[7] ^ b[1] ^ b[4]};
    d[0] = a[0];
    d[1] = a[1];
    d[2] = b[0] ^ middle[0];
    d[3] = b[1] ^ middle[1];
    d[4] = a[3] ^ middle[2];
    d[5] = a[4] ^ middle[3];
    d[6] = b[3];
    d[7] = b[4];
    /* x^128 = 1 + x + x^2 + x^7, and a step of x is one bit to the right */
    for (unsigned i = 0; i < 4; i++) {
        d[i + 4] ^= d[i] ^ d[i] >> 1 ^ d[i] >> 2 ^ d[i] >> 7;
        d[i + 3] ^= d[i] << 31 ^ d[i] << 30 ^ d[i] << 25;
    }
    for (unsigned i = 0; i < 4; i++) {
        value[i] = d[i + 4];
    }
}

void ghash_blocks(ghash *ctx, const uint8_t *data, size_t count)
{
    for (; count; count--, data += 16) {
        for (unsigned i = 0; i < 4; i++) {
            ctx->value[i] ^= load32(data + 12 - 4 * i);
        }
        multiply(ctx->value, ctx->key);
    }
}

#endif

void ghash_init(ghash *ctx, const uint32_t key[4])
{
    /* 1/x = x^127 + x^6 + x + 1 */
    uint32_t carry = key[0] >> 31;
    for (unsigned i = 0; i < 4; i++) {
        ctx->key[i] = key[3 - i] << 1 | carry;
        carry = key[3 - i] >> 31;
        ctx->value[i] = 0;
    }
    ctx->key[3] ^= 0xc2000000 & (0 - opaque(carry));
}

void ghash_update(ghash *ctx, const uint8_t *data, size_t length)
{
    const size_t count = length / 16, rest = length % 16;
    if (count) {
        ghash_blocks(ctx, data, count);
    }
    if (rest) {
        uint8_t block[16] = {0};
        memcpy(block, data + 16 * count, rest);
        ghash_blocks(ctx, block, 1);
        forget(block);
    }
}

void ghash_final(ghash *ctx, uint64_t aad_length, uint64_t length)
{
    uint8_t block[16];
    store64(block, aad_length * 8);
    store64(block + 8, length * 8);
    ghash_blocks(ctx, block, 1);
}
