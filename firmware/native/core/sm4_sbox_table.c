/* SM4's S-box as a table indexed by secret bytes: for targets where memory has no cache, see MS_SM4_TABLE. */
#include "sm4.h"

#if MS_SM4_TABLE && !SM4_ASSEMBLY

#    include "sm4_table.h"

MS_NOINLINE void sm4_substitute(uint32_t words[SM4_BATCH], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t x = words[i];
        words[i] = (uint32_t)sm4_table[x >> 24] << 24 | (uint32_t)sm4_table[x >> 16 & 0xff] << 16 |
                   (uint32_t)sm4_table[x >> 8 & 0xff] << 8 | sm4_table[x & 0xff];
    }
}

#endif
