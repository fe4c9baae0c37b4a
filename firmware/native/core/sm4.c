/* SM4's key schedule and rounds, GB/T 32907 sections 6 and 7. */
#include "sm4.h"

#if !SM4_ASSEMBLY

void sm4_expand(uint32_t round_keys[32], const uint8_t key[MS_KEY_SIZE])
{
    uint32_t k[4], words[SM4_BATCH] = {0};
    sm4_key_words(k, key);
    uint32_t constant = 0x00070e15; /* CK: the bytes are 0, 7, 14, ... modulo 256 */
    for (unsigned i = 0; i < 32; i++) {
        words[0] = k[(i + 1) % 4] ^ k[(i + 2) % 4] ^ k[(i + 3) % 4] ^ constant;
        sm4_substitute(words, 1);
        uint32_t x = words[0];
        round_keys[i] = k[i % 4] ^= x ^ rotate_left(x, 13) ^ rotate_left(x, 23);
        /* add 28 to each of the four bytes: to the low seven bits of each, then the top bits without carry */
        constant = ((constant & 0x7f7f7f7f) + 0x1c1c1c1c) ^ (constant & 0x80808080);
    }
    ms_wipe(k, sizeof k);
    ms_wipe(words, sizeof words);
}

void sm4_encrypt(const uint32_t round_keys[32], uint32_t *blocks, unsigned count)
{
    uint32_t x[4][SM4_BATCH], words[SM4_BATCH] = {0};
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < 4; j++) {
            x[j][i] = blocks[4 * i + j];
        }
    }
    for (unsigned r = 0; r < 32; r++) {
        for (unsigned i = 0; i < count; i++) {
            words[i] = x[(r + 1) % 4][i] ^ x[(r + 2) % 4][i] ^ x[(r + 3) % 4][i] ^ round_keys[r];
        }
        sm4_substitute(words, count);
        for (unsigned i = 0; i < count; i++) {
            uint32_t t = words[i];
            x[r % 4][i] ^= t ^ rotate_left(t, 2) ^ rotate_left(t, 10) ^ rotate_left(t, 18) ^ rotate_left(t, 24);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < 4; j++) {
            blocks[4 * i + j] = x[3 - j][i];
        }
    }
    ms_wipe(x, sizeof x);
    ms_wipe(words, sizeof words);
}

#endif
