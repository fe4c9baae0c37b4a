/* SM4's S-box as a table indexed by secret bytes: for targets where memory has no cache, see MS_SM4_TABLE. */
#include "sm4.h"

#if MS_SM4_TABLE && !SM4_ASSEMBLY

#    include "sm4_table.h"

MS_NOINLINE uint32_t sm4_substitute(uint32_t word)
{
    return (uint32_t)sm4_table[word >> 24] << 24 | (uint32_t)sm4_table[word >> 16 & 0xff] << 16 |
           (uint32_t)sm4_table[word >> 8 & 0xff] << 8 | sm4_table[word & 0xff];
}

#endif
