/* SM4-GCM: SP 800-38D with SM4 and 12-byte nonces, RFC 8998. */
#include "bytes.h"
#include "ghash.h"
#include "sm4.h"

#include <string.h>

#define BATCH_WORDS (4 * SM4_BATCH)

/*
 * The key stream: block 0 is E(0), GHASH's key; block 1 is E(nonce || 1), the mask of the tag; from block 2 on,
 * E(nonce || 2) and so on, for the data. One batch of the cipher so covers a short message whole.
 */
typedef struct {
    uint32_t round_keys[32];
    uint32_t nonce[3]; /* a copy: the original may lie in out */
    uint32_t next;     /* the first counter of the next batch */
    size_t used;       /* words of this batch already taken */
    uint32_t batch[BATCH_WORDS];
    uint32_t mask[4];
    ghash hash;
} gcm;

/* Fills the batch with the stream's next blocks, at most as many as needed for the given number of bytes. */
static MS_NOINLINE void refill(gcm *it, size_t bytes)
{
    const unsigned count = bytes < sizeof it->batch ? (unsigned)((bytes + 15) / 16) : SM4_BATCH;
    for (uint32_t *block = it->batch; block != it->batch + 4 * count; block += 4) {
        block[0] = it->nonce[0];
        block[1] = it->nonce[1];
        block[2] = it->nonce[2];
        block[3] = it->next++;
    }
    if (it->next == count) { /* the first batch: counter 0 stands for the zero block */
        memset(it->batch, 0, 16);
    }
    sm4_encrypt(it->round_keys, it->batch, count);
    it->used = 0;
}

/* Starts the stream for length bytes of data, and the hash with aad. */
static void start(gcm *it, const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_length, size_t length)
{
    sm4_expand(it->round_keys, key);
    for (unsigned i = 0; i < 3; i++) {
        it->nonce[i] = load32(nonce + 4 * i);
    }
    it->next = 0;
    refill(it, length < sizeof it->batch ? length + 32 : sizeof it->batch);
    it->used = 8;
    memcpy(it->mask, it->batch + 4, sizeof it->mask);
    ghash_init(&it->hash, it->batch);
    ghash_update(&it->hash, aad, aad_length);
}

/* out = data xor words, big-endian; out may be data. count > 0 */
static MS_NOINLINE void add_words(uint8_t *out, const uint8_t *data, const uint32_t *words, size_t count)
{
    const uint32_t *end = words + count;
    do {
        uint32_t word = *words++;
        out[3] = data[3] ^ (uint8_t)word;
        out[2] = data[2] ^ (uint8_t)(word >>= 8);
        out[1] = data[1] ^ (uint8_t)(word >>= 8);
        out[0] = data[0] ^ (uint8_t)(word >>= 8);
        data += 4;
        out += 4;
    } while (words != end);
}

/* out = data xor stream; out may be data. Called once, as it leaves the rest of a word behind. */
static void add_stream(gcm *it, const uint8_t *data, size_t length, uint8_t *out)
{
    while (length) {
        if (it->used == BATCH_WORDS) {
            refill(it, length);
        }
        uint32_t *words = it->batch + it->used;
        const size_t left = BATCH_WORDS - it->used, count = length / 4 < left ? length / 4 : left;
        if (count == 0) {
            for (uint32_t word = *words; length; length--) {
                *out++ = *data++ ^ (uint8_t)(word >> 24);
                word <<= 8;
            }
            return;
        }
        add_words(out, data, words, count);
        it->used += count;
        data += 4 * count;
        out += 4 * count;
        length -= 4 * count;
    }
}

/* tag = GHASH(aad, data) xor mask; the hash has taken aad, not data */
static void make_tag(gcm *it, size_t aad_length, const uint8_t *data, size_t length, uint8_t tag[16])
{
    ghash_update(&it->hash, data, length);
    ghash_final(&it->hash, aad_length, length);
    for (unsigned i = 0; i < 4; i++) {
        store32(tag + 12 - 4 * i, it->hash.value[i] ^ it->mask[3 - i]);
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
    gcm it;
    if (too_long(aad_length, length)) {
        return MS_ERR_LENGTH;
    }
    start(&it, key, nonce, aad, aad_length, length);
    add_stream(&it, data, length, out);
    make_tag(&it, aad_length, out, length, out + length);
    forget(it);
    burn_stack_shallow();
    return MS_OK;
}

ms_error ms_gcm_open(const uint8_t key[MS_KEY_SIZE], const uint8_t nonce[MS_NONCE_SIZE], const void *aad,
                     size_t aad_length, const uint8_t *data, size_t length, uint8_t *out)
{
    gcm it;
    uint8_t tag[MS_TAG_SIZE];
    if (length < MS_TAG_SIZE || too_long(aad_length, length - MS_TAG_SIZE)) {
        return MS_ERR_LENGTH;
    }
    length -= MS_TAG_SIZE;
    start(&it, key, nonce, aad, aad_length, length);
    make_tag(&it, aad_length, data, length, tag);
    int good = ms_equal(tag, data + length, MS_TAG_SIZE);
    declassify(&good, sizeof good); /* the outcome is the answer */
    if (good) {
        add_stream(&it, data, length, out);
    }
    forget(it);
    forget(tag);
    burn_stack_shallow();
    return good ? MS_OK : MS_ERR_TAG;
}
