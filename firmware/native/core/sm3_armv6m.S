/*
 * The compression function of SM3 (GB/T 32905 section 5.3) for ARMv6-M, in place of that of sm3.c. Constant time: no
 * branch and no address depends on data.
 *
 * As in sha256_armv6m.S, all 68 words of the message expansion are made first, on the stack, and rounds pop them.
 */
#include "config.h"

#if MS_SUITE2

    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

    .equ FRAME, 68 * 4

/* void sm3_block(uint32_t state[8], const uint8_t *block) */
    .global sm3_block
    .hidden sm3_block
    .type sm3_block, %function
    .p2align 2
    .thumb_func
sm3_block:
    push {r0, r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4, r5, r6, r7}
    sub sp, #FRAME
    mov r2, sp
    bl hash_load
    mov r12, r2                 @ where word 16 is: the first 16 rounds end there
    mov lr, r2
    /* Word j from words j - 16, j - 13, j - 9, j - 6 and j - 3: 26 cycles. */
    mov r0, sp
    movs r2, #(52 * 4)
    adds r2, r0
    movs r1, #17
    movs r3, #8
    movs r4, #9
    movs r5, #25
expand:
    ldr r6, [r0, #52]
    rors r6, r1
    ldmia r0!, {r7}
    eors r6, r7
    ldr r7, [r0, #24]
    eors r6, r7
    mov r7, r6
    rors r7, r3
    eors r7, r6
    rors r7, r4
    eors r6, r7                 @ P1
    ldr r7, [r0, #8]
    rors r7, r5
    eors r6, r7
    ldr r7, [r0, #36]
    eors r6, r7
    str r6, [r0, #60]
    cmp r0, r2
    bne expand
    /* a, b, c, d are r0, r1, r8, r9; e, f, g, h are r2, r3, r4, r10; r11 is the constant. A round: 59 cycles */
    ldr r6, [sp, #(FRAME + 16)]
    ldmia r6!, {r0, r1, r2, r3}
    mov r8, r2
    mov r9, r3
    ldmia r6!, {r2, r3, r4, r5}
    mov r10, r5
    ldr r7, constants
rounds:
    mov r11, r7
round:
    ldr r6, [sp, #16]
    pop {r7}
    eors r6, r7
    add r10, r7
    add r9, r6
    mov r6, r11
    mov r7, r6
    movs r5, #31
    rors r7, r5
    mov r11, r7
    mov r5, r0
    movs r7, #20
    rors r5, r7
    adds r6, r5
    adds r6, r2
    movs r7, #25
    rors r6, r7                 @ SS1
    eors r5, r6                 @ SS2
    add r5, r9
    add r6, r10
    mov r10, r4
    mov r7, r3
    eors r7, r4
    cmp sp, r12
    bhi later
    eors r7, r2                 @ GG is e ^ f ^ g, FF is a ^ b ^ c
    adds r6, r7
    mov r4, r8
    mov r7, r0
    eors r7, r1
    eors r7, r4
    b join
later:
    ands r7, r2                 @ GG is (e & f) | (~e & g), FF is (a & b) | (a & c) | (b & c)
    eors r7, r4
    adds r6, r7
    mov r4, r8
    mov r7, r0
    eors r7, r1
    ands r7, r4
    adds r5, r7
    mov r7, r0
    ands r7, r1
join:
    adds r5, r7                 @ TT1; r6 is TT2
    mov r9, r4
    movs r4, #13
    rors r3, r4
    movs r4, r3
    movs r3, r2
    mov r2, r6
    movs r7, #8
    rors r2, r7
    eors r2, r6
    movs r7, #15
    rors r2, r7
    eors r2, r6                 @ P0
    movs r7, #23
    rors r1, r7
    mov r8, r1
    movs r1, r0
    movs r0, r5
    cmp sp, lr
    bne round
    cmp sp, r12
    bne done
    movs r7, #(48 * 4)
    add lr, r7
    ldr r7, constants + 4
    b rounds
done:
    add sp, #16                 @ words 64 to 67
    ldr r5, [sp, #16]
    ldmia r5!, {r6, r7}
    eors r0, r6
    eors r1, r7
    ldmia r5!, {r6, r7}
    subs r5, #16
    stmia r5!, {r0, r1}
    mov r0, r8
    mov r1, r9
    eors r0, r6
    eors r1, r7
    stmia r5!, {r0, r1}
    ldmia r5!, {r0, r1, r6, r7}
    eors r2, r0
    eors r3, r1
    eors r4, r6
    mov r6, r10
    eors r7, r6
    subs r5, #16
    stmia r5!, {r2, r3, r4, r7}
    pop {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r0, r4, r5, r6, r7, pc}

    .p2align 2
constants:
    .word 0x79cc4519, 0x9d8a7a87 @ the second is 7a879d8a rotated left by 16
    .size sm3_block, . - sm3_block

#endif
