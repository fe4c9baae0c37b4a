/* The Merkle-Damgard construction that SHA-256 and SM3 share: FIPS 180-4 section 5, GB/T 32905 section 5.2. */
#include "hash.h"

#include "bytes.h"

#include <string.h>

#if MS_SUITE1
static const uint32_t sha256_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
#endif
#if MS_SUITE2
static const uint32_t sm3_start[8] = {
    0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
};
#endif

int ms_has_suite(uint8_t suite)
{
    return (MS_SUITE1 && suite == MS_SUITE_P256) || (MS_SUITE2 && suite == MS_SUITE_SM2);
}

static void compress(ms_hash *ctx, const uint8_t *block)
{
#if MS_SUITE1
    if (ctx->suite == MS_SUITE_P256) {
        sha256_block(ctx->state, block);
    }
#endif
#if MS_SUITE2
    if (ctx->suite == MS_SUITE_SM2) {
        sm3_block(ctx->state, block);
    }
#endif
}

ms_error ms_hash_init(ms_hash *ctx, uint8_t suite)
{
    memset(ctx, 0, sizeof *ctx);
#if MS_SUITE1
    if (suite == MS_SUITE_P256) {
        memcpy(ctx->state, sha256_start, sizeof ctx->state);
        ctx->suite = suite;
    }
#endif
#if MS_SUITE2
    if (suite == MS_SUITE_SM2) {
        memcpy(ctx->state, sm3_start, sizeof ctx->state);
        ctx->suite = suite;
    }
#endif
    return ctx->suite ? MS_OK : MS_ERR_SUITE;
}

ms_error ms_hash_update(ms_hash *ctx, const void *data, size_t length)
{
    if (!ms_has_suite(ctx->suite)) {
        return MS_ERR_SUITE;
    }
    const uint8_t *p = data;
    size_t used = ctx->length % 64;
    ctx->length += length;
    while (length) {
        if (used == 0 && length >= 64) {
            compress(ctx, p);
            p += 64;
            length -= 64;
            continue;
        }
        size_t n = 64 - used < length ? 64 - used : length;
        memcpy(ctx->block + used, p, n);
        p += n;
        length -= n;
        used += n;
        if (used == 64) {
            compress(ctx, ctx->block);
            used = 0;
        }
    }
    return MS_OK;
}

/* In a frame of its own, which ms_hash_final erases: one with an array has room for what frames before it left. */
static MS_NOINLINE void pad_and_give(ms_hash *ctx, uint8_t out[MS_HASH_SIZE])
{
    uint8_t padding[72] = {0x80};
    const size_t zeroes = (119 - (size_t)ctx->length % 64) % 64; /* up to byte 56 of a block */
    store64(padding + 1 + zeroes, ctx->length * 8);
    ms_hash_update(ctx, padding, 1 + zeroes + 8);
    for (int i = 0; i < 8; i++) {
        store32(out + 4 * i, ctx->state[i]);
    }
}

ms_error ms_hash_final(ms_hash *ctx, uint8_t out[MS_HASH_SIZE])
{
    if (!ms_has_suite(ctx->suite)) {
        return MS_ERR_SUITE;
    }
    pad_and_give(ctx, out);
    ms_wipe(ctx, sizeof *ctx);
    burn_stack_shallow();
    return MS_OK;
}
