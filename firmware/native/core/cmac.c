/* SM4-CMAC: SP 800-38B with SM4. */
#include "bytes.h"
#include "sm4.h"

#include <string.h>

/* block = E(block) */
static MS_NOINLINE void encrypt_bytes(const uint32_t round_keys[32], uint8_t block[16])
{
    uint32_t words[4];
    for (unsigned i = 0; i < 4; i++) {
        words[i] = load32(block + 4 * i);
    }
    sm4_encrypt(round_keys, words, 1);
    for (unsigned i = 0; i < 4; i++) {
        store32(block + 4 * i, words[i]);
    }
    ms_wipe(words, sizeof words);
}

void ms_cmac_init(ms_cmac *ctx, const uint8_t key[MS_KEY_SIZE])
{
    memset(ctx, 0, sizeof *ctx);
    sm4_expand(ctx->round_keys, key);
    burn_stack_shallow();
}

void ms_cmac_update(ms_cmac *ctx, const void *data, size_t length)
{
    const uint8_t *p = data;
    while (length--) {
        if (ctx->used == 16) { /* a full block is kept until it is known not to be the last */
            encrypt_bytes(ctx->round_keys, ctx->chain);
            ctx->used = 0;
        }
        ctx->chain[ctx->used++] ^= *p++;
    }
}

/* block = block * x in GF(2^128) as CMAC has it. Constant time. */
static MS_NOINLINE void double_block(uint8_t block[16])
{
    uint32_t carry = block[0] >> 7;
    for (unsigned i = 0; i < 15; i++) {
        block[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
    }
    block[15] = (uint8_t)(block[15] << 1 ^ (0x87 & (0 - opaque(carry))));
}

void ms_cmac_final(ms_cmac *ctx, uint8_t out[MS_TAG_SIZE])
{
    uint8_t subkey[16] = {0};
    encrypt_bytes(ctx->round_keys, subkey);
    double_block(subkey);
    if (ctx->used < 16) {
        double_block(subkey);
        ctx->chain[ctx->used] ^= 0x80;
    }
    for (unsigned i = 0; i < 16; i++) {
        ctx->chain[i] ^= subkey[i];
    }
    encrypt_bytes(ctx->round_keys, ctx->chain);
    memcpy(out, ctx->chain, 16);
    ms_wipe(subkey, sizeof subkey);
    ms_wipe(ctx, sizeof *ctx);
    burn_stack_shallow();
}
