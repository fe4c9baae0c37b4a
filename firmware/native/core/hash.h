/* The two hash functions: one construction (hash.c) around two compression functions (sha256.c, sm3.c). */
#ifndef MS_HASH_H
#define MS_HASH_H

#include "secret.h"

/* state = compress(state, block); block: 64 bytes, any alignment, not overlapping state. */
#if MS_SUITE1
MS_SYMMETRIC void sha256_block(uint32_t state[8], const uint8_t *block);
#endif
#if MS_SUITE2
MS_SYMMETRIC void sm3_block(uint32_t state[8], const uint8_t *block);
#endif

#endif
