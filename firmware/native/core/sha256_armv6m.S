/*
 * The compression function of SHA-256 (FIPS 180-4 section 6.2.2) for ARMv6-M, in place of that of sha256.c. Constant time:
 * no branch and no address depends on data.
 *
 * All 64 words of the message schedule are made first, on the stack. A round then pops its own: sp is one of the pointers
 * that low registers have no room for.
 */
#include "config.h"

#if MS_SUITE1

    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

/* r = x rotated right by n1, plus x, rotated by n2, plus x, rotated by n3; plus is exclusive or. Spoils n. 9 cycles */
.macro sigma r, x, n1, n2, n3, n
    mov \r, \x
    movs \n, #\n1
    rors \r, \n
    eors \r, \x
    movs \n, #\n2
    rors \r, \n
    eors \r, \x
    movs \n, #\n3
    rors \r, \n
.endm

/* void sha256_block(uint32_t state[8], const uint8_t *block) */
    .global sha256_block
    .hidden sha256_block
    .type sha256_block, %function
    .p2align 2
    .thumb_func
sha256_block:
    push {r0, r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    push {r4, r5, r6}
    sub sp, #256
    mov r2, sp
    bl hash_load
    /* Word t from words t - 16, t - 15, t - 7 and t - 2: 28 cycles. */
    mov r0, sp
    movs r7, #192
    adds r7, r0
    mov r12, r7
    movs r1, #2
    movs r3, #17
    movs r4, #11
    movs r5, #7
schedule:
    ldr r6, [r0, #4]
    mov r7, r6
    rors r7, r4
    eors r7, r6
    rors r7, r5
    lsrs r6, r6, #3
    eors r7, r6
    ldr r2, [r0, #56]
    mov r6, r2
    rors r6, r1
    eors r6, r2
    rors r6, r3
    lsrs r2, r2, #10
    eors r6, r2
    adds r7, r6
    ldmia r0!, {r6}
    adds r7, r6
    ldr r6, [r0, #32]
    adds r7, r6
    str r7, [r0, #60]
    cmp r0, r12
    bne schedule
    /* a, b, c, d are r0, r1, r8, r9; e, f, g, h are r2, r3, r4, r10. A round: 50 cycles */
    ldr r6, [sp, #(256 + 12)]
    ldmia r6!, {r0, r1, r2, r3}
    mov r8, r2
    mov r9, r3
    ldmia r6!, {r2, r3, r4, r5}
    mov r10, r5
    adr r5, constants
    movs r6, #255
    adds r6, #1
    adds r6, r5
    mov r12, r6
round:
    sigma r6, r2, 14, 5, 6, r7  @ by 25, 11 and 6
    add r6, r10
    mov r7, r3
    eors r7, r4
    ands r7, r2
    eors r7, r4
    adds r6, r7                 @ Ch(e, f, g)
    pop {r7}
    adds r6, r7
    ldmia r5!, {r7}
    adds r6, r7
    mov r10, r4
    movs r4, r3
    movs r3, r2
    mov r2, r9
    adds r2, r6
    mov r7, r0
    ands r7, r1
    adds r6, r7                 @ Maj(a, b, c) = (a & b) + (c & (a ^ b))
    mov r7, r8
    mov r9, r7
    mov r8, r1
    eors r1, r0
    ands r1, r7
    adds r6, r1
    sigma r1, r0, 9, 11, 2, r7  @ by 22, 13 and 2
    adds r6, r1
    movs r1, r0
    movs r0, r6
    cmp r5, r12
    bne round
    /* The sums. */
    ldr r5, [sp, #12]
    ldmia r5!, {r6, r7}
    adds r0, r6
    adds r1, r7
    ldmia r5!, {r6, r7}
    add r6, r8
    add r7, r9
    subs r5, #16
    stmia r5!, {r0, r1, r6, r7}
    ldmia r5!, {r0, r1, r6, r7}
    adds r2, r0
    adds r3, r1
    adds r4, r6
    add r7, r10
    subs r5, #16
    stmia r5!, {r2, r3, r4, r7}
    pop {r4, r5, r6}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    pop {r0, r4, r5, r6, r7, pc}

    .p2align 2
constants:
    .word 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5
    .word 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174
    .word 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
    .word 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967
    .word 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85
    .word 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
    .word 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3
    .word 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
    .size sha256_block, . - sha256_block

#endif
