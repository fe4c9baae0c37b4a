/* SM4's key schedule, and its rounds on words, GB/T 32907 sections 6 and 7. Without a table: sm4_sbox_planes.c */
#include "sm4.h"

#include <string.h>

#if !SM4_ASSEMBLY

void sm4_expand(uint32_t round_keys[32], const uint8_t key[MS_KEY_SIZE])
{
    uint32_t k[4];
    sm4_key_words(k, key);
    uint32_t constant = 0x00070e15; /* CK: the bytes are 0, 7, 14, ... modulo 256 */
    for (unsigned i = 0; i < 32; i++) {
        const uint32_t x = sm4_substitute(k[(i + 1) % 4] ^ k[(i + 2) % 4] ^ k[(i + 3) % 4] ^ constant);
        round_keys[i] = k[i % 4] ^= x ^ rotate_left(x, 13) ^ rotate_left(x, 23);
        /* add 28 to each of the four bytes: to the low seven bits of each, then the top bits without carry */
        constant = ((constant & 0x7f7f7f7f) + 0x1c1c1c1c) ^ (constant & 0x80808080);
    }
    forget(k);
}

#    if MS_SM4_TABLE

void sm4_encrypt(const uint32_t round_keys[32], uint32_t *blocks, unsigned count)
{
    uint32_t x[4];
    for (; count; count--, blocks += 4) {
        memcpy(x, blocks, sizeof x);
        for (unsigned r = 0; r < 32; r++) {
            const uint32_t t = sm4_substitute(x[(r + 1) % 4] ^ x[(r + 2) % 4] ^ x[(r + 3) % 4] ^ round_keys[r]);
            x[r % 4] ^= t ^ rotate_left(t, 2) ^ rotate_left(t, 10) ^ rotate_left(t, 18) ^ rotate_left(t, 24);
        }
        for (unsigned j = 0; j < 4; j++) {
            blocks[j] = x[3 - j];
        }
    }
    forget(x);
}

#    endif

#endif
