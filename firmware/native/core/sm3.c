/* The compression function of SM3, GB/T 32905 section 5.3. */
#include "hash.h"

#if MS_SUITE2

#    include "bytes.h"

MS_NOINLINE void sm3_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[16]; /* words j - 12 to j + 3 of the message expansion, word i at w[i % 16] */
    uint32_t s[8];
    uint32_t constant = 0x79cc4519; /* rotated left by j */
    for (int i = 0; i < 8; i++) {
        s[i] = state[i];
    }
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
        uint32_t a = s[0], b = s[1], c = s[2], e = s[4], f = s[5], g = s[6];
        uint32_t a12 = rotate_left(a, 12);
        uint32_t ss1 = rotate_left(a12 + e + constant, 7);
        uint32_t ff = j < 16 ? a ^ b ^ c : (a & (b | c)) | (b & c);
        uint32_t gg = j < 16 ? e ^ f ^ g : g ^ (e & (f ^ g));
        uint32_t tt1 = ff + s[3] + (ss1 ^ a12) + (w[j % 16] ^ w[(j + 4) % 16]);
        uint32_t tt2 = gg + s[7] + ss1 + w[j % 16];
        s[3] = c;
        s[2] = rotate_left(b, 9);
        s[1] = a;
        s[0] = tt1;
        s[7] = g;
        s[6] = rotate_left(f, 19);
        s[5] = e;
        s[4] = tt2 ^ rotate_left(tt2, 9) ^ rotate_left(tt2, 17);
        constant = rotate_left(constant, 1);
    }
    for (int i = 0; i < 8; i++) {
        state[i] ^= s[i];
    }
}

#endif
