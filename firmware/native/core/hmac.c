/* HMAC (RFC 2104) and HKDF (RFC 5869). */
#include "secret.h"

#include <string.h>

ms_error ms_hmac_init(ms_hmac *ctx, uint8_t suite, const void *key, size_t key_length)
{
    uint8_t pad[64] = {0};
    ms_error error = ms_hash_init(&ctx->inner, suite);
    if (error) {
        return error;
    }
    if (key_length > sizeof pad) {
        ms_hash_update(&ctx->inner, key, key_length);
        ms_hash_final(&ctx->inner, pad);
        ms_hash_init(&ctx->inner, suite);
    } else if (key_length) {
        memcpy(pad, key, key_length);
    }
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36;
    }
    ms_hash_update(&ctx->inner, pad, sizeof pad);
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    ms_hash_init(&ctx->outer, suite);
    ms_hash_update(&ctx->outer, pad, sizeof pad);
    forget(pad);
    burn_stack_shallow();
    return MS_OK;
}

ms_error ms_hmac_update(ms_hmac *ctx, const void *data, size_t length)
{
    return ms_hash_update(&ctx->inner, data, length);
}

ms_error ms_hmac_final(ms_hmac *ctx, uint8_t out[MS_HASH_SIZE])
{
    uint8_t inner[MS_HASH_SIZE];
    ms_error error = ms_hash_final(&ctx->inner, inner);
    if (!error) {
        ms_hash_update(&ctx->outer, inner, sizeof inner);
        error = ms_hash_final(&ctx->outer, out);
    }
    forget(inner);
    return error;
}

ms_error ms_hkdf(uint8_t suite, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
                 const void *info, size_t info_length, uint8_t *out, size_t n)
{
    uint8_t block[MS_HASH_SIZE];
    ms_hmac keyed, hmac;
    if (n == 0 || n > 255 * MS_HASH_SIZE) {
        return MS_ERR_LENGTH;
    }
    /* An empty salt needs no case of its own: HMAC pads the empty key with zeroes, as it does 32 zero bytes. */
    ms_error error = ms_hmac_init(&hmac, suite, salt, salt_length);
    if (error) {
        return error;
    }
    ms_hmac_update(&hmac, ikm, ikm_length);
    ms_hmac_final(&hmac, block);
    ms_hmac_init(&keyed, suite, block, sizeof block);
    for (uint8_t i = 1; n; i++) {
        hmac = keyed;
        if (i > 1) {
            ms_hmac_update(&hmac, block, sizeof block);
        }
        ms_hmac_update(&hmac, info, info_length);
        ms_hmac_update(&hmac, &i, 1);
        ms_hmac_final(&hmac, block);
        size_t take = n < sizeof block ? n : sizeof block;
        memcpy(out, block, take);
        out += take;
        n -= take;
    }
    forget(keyed);
    forget(block);
    return MS_OK;
}
