/* GHASH, SP 800-38D section 6.4. */
#ifndef MS_GHASH_H
#define MS_GHASH_H

#include "secret.h"

/*
 * Words from the least significant: the coefficient of x^127 is the lowest bit of the first. key is the key divided by
 * x. Assembly knows this layout.
 */
typedef struct {
    uint32_t key[4], value[4];
} ghash;

/* key: as big-endian words. */
MS_INTERNAL void ghash_init(ghash *ctx, const uint32_t key[4]);

/* Takes blocks of 16 bytes, at any alignment. count > 0 */
MS_SYMMETRIC void ghash_blocks(ghash *ctx, const uint8_t *data, size_t count);

/* Takes length bytes, padded with zeroes to whole blocks. */
MS_INTERNAL void ghash_update(ghash *ctx, const uint8_t *data, size_t length);

/* Takes the block of the two lengths, in bytes. */
MS_INTERNAL void ghash_final(ghash *ctx, uint64_t aad_length, uint64_t length);

#endif
