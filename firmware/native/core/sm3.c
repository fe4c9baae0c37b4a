/* The compression function of SM3, GB/T 32905 section 5.3. On ARMv6-M it is that of sm3_armv6m.S. */
#include "hash.h"

#if MS_SUITE2 && !MS_ARMV6M

#    include "bytes.h"

MS_NOINLINE void sm3_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[16];                 /* words j - 12 to j + 3 of the message expansion, word i at w[i % 16] */
    uint32_t constant = 0x79cc4519; /* rotated left by j */
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned j = 0; j < 16; j++) {
        w[j] = load32(block + 4 * j);
    }
    for (unsigned j = 0; j < 64; j++) {
        if (j == 16) {
            constant = 0x9d8a7a87; /* 7a879d8a rotated left by 16 */
        }
        if (j >= 12) {
            uint32_t x = w[(j - 12) % 16] ^ w[(j - 5) % 16] ^ rotate_left(w[(j + 1) % 16], 15);
            w[(j + 4) % 16] =
                (x ^ rotate_left(x, 15) ^ rotate_left(x, 23)) ^ rotate_left(w[(j - 9) % 16], 7) ^ w[(j - 2) % 16];
        }
        uint32_t a12 = rotate_left(a, 12);
        uint32_t ss1 = rotate_left(a12 + e + constant, 7);
        uint32_t ff = j < 16 ? a ^ b ^ c : (a & (b | c)) | (b & c);
        uint32_t gg = j < 16 ? e ^ f ^ g : g ^ (e & (f ^ g));
        uint32_t tt1 = ff + d + (ss1 ^ a12) + (w[j % 16] ^ w[(j + 4) % 16]);
        uint32_t tt2 = gg + h + ss1 + w[j % 16];
        d = c;
        c = rotate_left(b, 9);
        b = a;
        a = tt1;
        h = g;
        g = rotate_left(f, 19);
        f = e;
        e = tt2 ^ rotate_left(tt2, 9) ^ rotate_left(tt2, 17);
        constant = rotate_left(constant, 1);
    }
    const uint32_t result[8] = {a, b, c, d, e, f, g, h};
    for (unsigned i = 0; i < 8; i++) {
        state[i] ^= result[i];
    }
}

#endif
