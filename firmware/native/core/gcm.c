/* SM4-GCM: SP 800-38D with SM4 and 12-byte nonces, RFC 8998. */
#include "bytes.h"
#include "ghash.h"
#include "sm4.h"

#include <string.h>

/*
 * The key stream: block 0 is E(0), GHASH's key; block 1 is E(nonce || 1), the mask of the tag; from block 2 on,
 * E(nonce || 2) and so on, for the data. One batch of the cipher so covers a short message whole.
 */
typedef struct {
    uint32_t round_keys[32];
    uint8_t nonce[MS_NONCE_SIZE]; /* a copy: the original may lie in out */
    uint32_t next;                /* the first counter of the next batch */
    unsigned used;                /* bytes of this batch already taken */
    uint8_t batch[16 * SM4_BATCH];
} key_stream;

/* Fills the batch with the stream's next blocks, at most as many as needed for the given number of bytes. */
static void refill(key_stream *stream, size_t bytes)
{
    unsigned count = bytes < sizeof stream->batch ? (unsigned)((bytes + 15) / 16) : SM4_BATCH;
    for (unsigned i = 0; i < count; i++) {
        memcpy(stream->batch + 16 * i, stream->nonce, MS_NONCE_SIZE);
        store32(stream->batch + 16 * i + MS_NONCE_SIZE, stream->next++);
    }
    if (stream->next == count) { /* the first batch: counter 0 stands for the zero block */
        memset(stream->batch, 0, 16);
    }
    sm4_encrypt(stream->round_keys, stream->batch, count);
    stream->used = 0;
}

/* Starts the stream for length bytes of data, and the hash with aad; mask = the tag's mask. */
static void start(key_stream *stream, ghash *hash, const uint8_t *key, const uint8_t *nonce, const void *aad,
                  size_t aad_length, size_t length, uint8_t mask[16])
{
    sm4_expand(stream->round_keys, key);
    memcpy(stream->nonce, nonce, MS_NONCE_SIZE);
    stream->next = 0;
    refill(stream, length < sizeof stream->batch ? length + 32 : sizeof stream->batch);
    stream->used = 32;
    ghash_init(hash, stream->batch);
    memcpy(mask, stream->batch + 16, 16);
    ghash_update(hash, aad, aad_length);
}

/* out = data xor stream; out may be data */
static void add_stream(key_stream *stream, const uint8_t *data, size_t length, uint8_t *out)
{
    for (size_t i = 0; i < length; i++) {
        if (stream->used == sizeof stream->batch) {
            refill(stream, length - i);
        }
        out[i] = data[i] ^ stream->batch[stream->used++];
    }
}

/* tag = GHASH(aad, data) xor mask; hash has taken aad, not data */
static void make_tag(ghash *hash, size_t aad_length, const uint8_t *data, size_t length, const uint8_t mask[16],
                     uint8_t tag[16])
{
    ghash_update(hash, data, length);
    ghash_final(hash, aad_length, length, tag);
    for (unsigned i = 0; i < 16; i++) {
        tag[i] ^= mask[i];
    }
}

/* 64-bit parameters, so that the limits can be asked for where size_t is too small to exceed them. */
static int too_long(uint64_t aad_length, uint64_t length)
{
    return length > ((uint64_t)1 << 36) - 32 || aad_length >> 61;
}

ms_error ms_gcm_seal(const uint8_t key[MS_KEY_SIZE], const uint8_t nonce[MS_NONCE_SIZE], const void *aad,
                     size_t aad_length, const uint8_t *data, size_t length, uint8_t *out)
{
    key_stream stream;
    ghash hash;
    uint8_t mask[16];
    if (too_long(aad_length, length)) {
        return MS_ERR_LENGTH;
    }
    start(&stream, &hash, key, nonce, aad, aad_length, length, mask);
    add_stream(&stream, data, length, out);
    make_tag(&hash, aad_length, out, length, mask, out + length);
    ms_wipe(&stream, sizeof stream);
    ms_wipe(&hash, sizeof hash);
    ms_wipe(mask, sizeof mask);
    burn_stack_shallow();
    return MS_OK;
}

ms_error ms_gcm_open(const uint8_t key[MS_KEY_SIZE], const uint8_t nonce[MS_NONCE_SIZE], const void *aad,
                     size_t aad_length, const uint8_t *data, size_t length, uint8_t *out)
{
    key_stream stream;
    ghash hash;
    uint8_t mask[16], tag[MS_TAG_SIZE];
    if (length < MS_TAG_SIZE || too_long(aad_length, length - MS_TAG_SIZE)) {
        return MS_ERR_LENGTH;
    }
    length -= MS_TAG_SIZE;
    start(&stream, &hash, key, nonce, aad, aad_length, length, mask);
    make_tag(&hash, aad_length, data, length, mask, tag);
    int good = ms_equal(tag, data + length, MS_TAG_SIZE);
    declassify(&good, sizeof good); /* the outcome is the answer */
    if (good) {
        add_stream(&stream, data, length, out);
    }
    ms_wipe(&stream, sizeof stream);
    ms_wipe(&hash, sizeof hash);
    ms_wipe(mask, sizeof mask);
    ms_wipe(tag, sizeof tag);
    burn_stack_shallow();
    return good ? MS_OK : MS_ERR_TAG;
}
