/* Big-endian words in byte strings, at any alignment. */
#ifndef MS_BYTES_H
#define MS_BYTES_H

#include <stdint.h>

static inline uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void store32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

static inline void store64(uint8_t *p, uint64_t x)
{
    store32(p, (uint32_t)(x >> 32));
    store32(p + 4, (uint32_t)x);
}

/* 0 < n < 32 */
static inline uint32_t rotate_left(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

#endif
