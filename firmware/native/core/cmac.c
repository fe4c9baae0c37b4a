/* SM4-CMAC: SP 800-38B with SM4. */
#include "bytes.h"
#include "sm4.h"

#include <string.h>

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
            sm4_encrypt(ctx->round_keys, ctx->chain, 1);
            ctx->used = 0;
        }
        ctx->chain[ctx->used / 4] ^= (uint32_t)*p++ << (24 - 8 * (ctx->used % 4));
        ctx->used++;
    }
}

/* block = block * x in GF(2^128) as CMAC has it. Constant time. */
static MS_NOINLINE void double_block(uint32_t block[4])
{
    uint32_t carry = 0x87 & (0 - opaque(block[0] >> 31));
    for (int i = 3; i >= 0; i--) {
        const uint32_t word = block[i];
        block[i] = word << 1 ^ carry;
        carry = word >> 31;
    }
}

void ms_cmac_final(ms_cmac *ctx, uint8_t out[MS_TAG_SIZE])
{
    uint32_t subkey[4] = {0};
    sm4_encrypt(ctx->round_keys, subkey, 1);
    double_block(subkey);
    if (ctx->used < 16) {
        double_block(subkey);
        ctx->chain[ctx->used / 4] ^= (uint32_t)0x80 << (24 - 8 * (ctx->used % 4));
    }
    for (unsigned i = 0; i < 4; i++) {
        ctx->chain[i] ^= subkey[i];
    }
    sm4_encrypt(ctx->round_keys, ctx->chain, 1);
    for (unsigned i = 0; i < 4; i++) {
        store32(out + 4 * i, ctx->chain[i]);
    }
    forget(subkey);
    ms_wipe(ctx, sizeof *ctx);
    burn_stack_shallow();
}
