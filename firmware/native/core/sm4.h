/* SM4, GB/T 32907. */
#ifndef MS_SM4_H
#define MS_SM4_H

#include "bytes.h"
#include "secret.h"

#define SM4_ASSEMBLY (MS_ARMV6M && MS_SM4_TABLE) /* sm4_armv6m.S in place of sm4.c */

#define SM4_BATCH 8 /* blocks that one call encrypts in little more time than one of them, unless by a table */

MS_INTERNAL void sm4_expand(uint32_t round_keys[32], const uint8_t key[MS_KEY_SIZE]);

/* Encrypts blocks in place. in: 1 <= count <= SM4_BATCH; blocks: 4 * count big-endian words. */
MS_INTERNAL void sm4_encrypt(const uint32_t round_keys[32], uint32_t *blocks, unsigned count);

#if !SM4_ASSEMBLY
/* The word with each byte replaced by its S-box value. */
MS_INTERNAL uint32_t sm4_substitute(uint32_t word);
#endif

/* k = the key's words with FK added, from which the key schedule goes on. */
static inline void sm4_key_words(uint32_t k[4], const uint8_t key[MS_KEY_SIZE])
{
    static const uint32_t family_key[4] = {0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc};
    for (int i = 0; i < 4; i++) {
        k[i] = load32(key + 4 * i) ^ family_key[i];
    }
}

#endif
