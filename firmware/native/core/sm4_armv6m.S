/*
 * SM4 (GB/T 32907) for ARMv6-M with its S-box as a table, in place of the loops of sm4.c. The table is read at secret
 * addresses, in the same number of cycles where memory has no cache: see MS_SM4_TABLE. No branch depends on a secret.
 *
 * The linear layer is rotations of the whole word. A table of 256 words would have it included; that saves 4 of the 36
 * cycles of a round and costs 768 bytes.
 */
#include "config.h"

#if MS_SM4_TABLE

    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

.macro function name
    .global \name
    .hidden \name
    .type \name, %function
    .p2align 2
    .thumb_func
\name:
.endm

/* r6 = the four bytes of r5 taken through the table at r4. Spoils r5, r7. 20 cycles */
.macro substitute
    uxtb r6, r5
    ldrb r6, [r4, r6]
    .irp place, 8, 16
    lsrs r5, r5, #8
    uxtb r7, r5
    ldrb r7, [r4, r7]
    lsls r7, r7, #\place
    orrs r6, r7
    .endr
    lsrs r5, r5, #8
    ldrb r5, [r4, r5]
    lsls r5, r5, #24
    orrs r6, r5
.endm

/* a ^= T(b ^ c ^ d ^ round key), which lies at r8 + place. 36 cycles */
.macro round place, a, b, c, d
    mov r7, r8
    ldr r5, [r7, #\place]
    eors r5, \b
    eors r5, \c
    eors r5, \d
    substitute
    movs r7, #8
    mov r5, r6
    rors r5, r7
    eors r5, r6
    eors \a, r5                 @ the value itself and by 24 to the left
    rors r5, r7
    eors r5, r6
    movs r7, #14
    rors r5, r7
    eors \a, r5                 @ by 2, 10 and 18
.endm

/* void sm4_encrypt_by(const uint32_t round_keys[32], uint32_t *blocks, unsigned count, const uint8_t sbox[256]) */
function sm4_encrypt_by
    push {r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4, r5, r6, r7}
    mov r8, r0
    adds r0, #128
    mov r9, r0
    mov r10, r1
    lsls r2, r2, #4
    adds r2, r1
    mov r11, r2
    mov r4, r3
block:
    ldmia r1, {r0, r1, r2, r3}
rounds:
    round 0, r0, r1, r2, r3
    round 4, r1, r2, r3, r0
    round 8, r2, r3, r0, r1
    round 12, r3, r0, r1, r2
    movs r7, #16
    add r8, r7
    cmp r8, r9
    beq last                    @ the other way round is too far for a condition
    b rounds
last:
    movs r7, #128
    mov r5, r8
    subs r5, r7
    mov r8, r5
    mov r5, r3
    mov r6, r2
    mov r7, r1
    mov r1, r10
    stmia r1!, {r5, r6, r7}
    stmia r1!, {r0}
    mov r10, r1
    cmp r1, r11
    beq done
    b block
done:
    pop {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4, r5, r6, r7, pc}
    .size sm4_encrypt_by, . - sm4_encrypt_by

/* void sm4_expand_by(uint32_t round_keys[32], const uint32_t key[4], const uint8_t sbox[256]) */
function sm4_expand_by
    push {r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    push {r4, r5, r6}
    mov r8, r0
    adds r0, #128
    mov r9, r0
    mov r4, r2
    ldmia r1, {r0, r1, r2, r3}
    ldr r7, constant
next:
    mov r10, r7
    mov r5, r10
    eors r5, r1
    eors r5, r2
    eors r5, r3
    substitute
    movs r7, #10
    mov r5, r6
    rors r5, r7
    eors r5, r6
    movs r7, #9
    rors r5, r7
    eors r6, r5                 @ the value itself and by 13 and 23 to the left
    eors r6, r0
    movs r0, r1
    movs r1, r2
    movs r2, r3
    movs r3, r6
    mov r7, r8
    stmia r7!, {r6}
    mov r8, r7
    /* Add 28 to each byte of the constant: to the low seven bits of each, then the top bits without carry. */
    ldr r6, constant + 4
    mov r5, r10
    mov r7, r5
    ands r7, r6
    bics r5, r6
    ldr r6, constant + 8
    adds r7, r6
    eors r7, r5
    cmp r8, r9
    bne next
    pop {r4, r5, r6}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    pop {r4, r5, r6, r7, pc}

    .p2align 2
constant:
    .word 0x00070e15            @ CK: the bytes are 0, 7, 14, ... modulo 256
    .word 0x7f7f7f7f, 0x1c1c1c1c
    .size sm4_expand_by, . - sm4_expand_by

#endif
