/* SM4, GB/T 32907. */
#ifndef MS_SM4_H
#define MS_SM4_H

#include "secret.h"

#define SM4_BATCH 8 /* blocks that one call encrypts in little more time than one of them */

MS_INTERNAL void sm4_expand(uint32_t round_keys[32], const uint8_t key[MS_KEY_SIZE]);

/* Encrypts blocks in place. in: 1 <= count <= SM4_BATCH; blocks: 16 * count bytes, any alignment. */
MS_INTERNAL void sm4_encrypt(const uint32_t round_keys[32], uint8_t *blocks, unsigned count);

/* Replaces each byte of words[0] to words[count - 1] by its S-box value; the rest of words is lost. count <= 8. */
MS_INTERNAL void sm4_substitute(uint32_t words[SM4_BATCH], unsigned count);

#endif
