/* The two hash functions: one construction (hash.c) around two compression functions (sha256.c, sm3.c). */
#ifndef MS_HASH_H
#define MS_HASH_H

#include "secret.h"

/* state = compress(state, block); block: 64 bytes, any alignment, not overlapping state. */
MS_INTERNAL void sha256_block(uint32_t state[8], const uint8_t *block);
MS_INTERNAL void sm3_block(uint32_t state[8], const uint8_t *block);

/*
 * Updates ctx, which must be initialised, with T(name) of section 2: "microseal/1/" || name || 0 || suite, the name
 * given in two parts.
 */
MS_INTERNAL void hash_tag(ms_hash *ctx, const char *name, const void *rest, size_t rest_length);

#endif
