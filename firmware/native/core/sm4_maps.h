/* The linear layers of SM4's S-box around the inversion of sm4_sbox_planes.c. */
/* Written by tools/gen_sm4_sbox.py; do not edit. 26 XORs. */
/* clang-format off */
#define SM4_TOWER_NU 9 /* y^2 = y + nu; the bits of nu as in the tower element's lower half */

/* x: bit planes of a byte, x[0] the lowest; becomes those of A(x) + C in the tower. */
static inline void sbox_enter(uint32_t x[8])
{
    const uint32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5], x6 = x[6], x7 = x[7];
    const uint32_t t0 = x0 ^ x6, t1 = x1 ^ x2, t2 = x4 ^ x5, t3 = t0 ^ t1, t4 = x1 ^ t2, t5 = x2 ^ x7, t6 = x3 ^ t2,
                   t7 = x4 ^ t3, t8 = x5 ^ t3, t9 = t0 ^ t2, t10 = t3 ^ t6;
    x[0] = t9;
    x[1] = t4;
    x[2] = ~x5;
    x[3] = t8;
    x[4] = t7;
    x[5] = ~x6;
    x[6] = ~t5;
    x[7] = ~t10;
}

/* x: bit planes of a tower element, becomes those of A(x) + C in the standard's basis. */
static inline void sbox_leave(uint32_t x[8])
{
    const uint32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5], x6 = x[6], x7 = x[7];
    const uint32_t t0 = x0 ^ x4, t1 = x1 ^ x3, t2 = x6 ^ x7, t3 = x0 ^ x2, t4 = x0 ^ t2, t5 = x1 ^ x2, t6 = x1 ^ x5,
                   t7 = x2 ^ t0, t8 = x4 ^ t5, t9 = x5 ^ t1, t10 = x6 ^ t0, t11 = x7 ^ t1, t12 = t0 ^ t6,
                   t13 = t1 ^ t2, t14 = t7 ^ t13;
    x[0] = ~t3;
    x[1] = ~t10;
    x[2] = t8;
    x[3] = t4;
    x[4] = ~t9;
    x[5] = t11;
    x[6] = ~t12;
    x[7] = ~t14;
}
