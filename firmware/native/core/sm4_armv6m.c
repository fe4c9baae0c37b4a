/* SM4 by the assembly of sm4_armv6m.S, which has no table of its own. */
#include "sm4.h"

#if SM4_ASSEMBLY

#    include "bytes.h"
#    include "sm4_table.h"

MS_ASSEMBLY void sm4_expand_by(uint32_t round_keys[32], const uint32_t key[4], const uint8_t sbox[256]);
MS_ASSEMBLY void sm4_encrypt_by(const uint32_t round_keys[32], uint32_t *blocks, unsigned count,
                                const uint8_t sbox[256]);

void sm4_expand(uint32_t round_keys[32], const uint8_t key[MS_KEY_SIZE])
{
    uint32_t k[4];
    sm4_key_words(k, key);
    sm4_expand_by(round_keys, k, sm4_table);
    forget(k);
}

void sm4_encrypt(const uint32_t round_keys[32], uint32_t *blocks, unsigned count)
{
    sm4_encrypt_by(round_keys, blocks, count, sm4_table);
}

#endif
