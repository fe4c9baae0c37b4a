/*
 * Products of GHASH for ARMv6-M, in place of those of ghash.c. Constant time: no branch and no address depends on data,
 * and there is no table.
 *
 * Karatsuba's method, three times, makes of a product of 128-bit polynomials 27 of 16-bit ones. Their factors are split
 * into three with one bit in every three: integer products of those add up at most six bits in a place, so that no carry
 * reaches the next, and the lowest bit of each place is the wanted sum. The words x | y << 16 hold both factors x and y
 * through all of Karatsuba's sums.
 */
#include "config.h"

    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

    .equ VALUE, 16              @ of ghash; key is at 0
    .equ SUMS, 27 * 4           @ the factors, which are popped; above them as many products
    .equ CONTEXT, 16            @ above the products: four registers, then the arguments
    .equ DATA, CONTEXT + 4
    .equ COUNT, CONTEXT + 8

/* lo, hi = the half-words of data, at r7 + 4 - 4 * place, plus value, with those of the key above. Spoils r5, r6. 27 cycles */
.macro factors place, lo, hi
    ldrb \lo, [r7, #(4 - 4 * \place)]
    .irp byte, 1, 2, 3
    lsls \lo, \lo, #8
    ldrb r6, [r7, #(4 - 4 * \place + \byte)]
    orrs \lo, r6
    .endr
    mov r6, lr
    ldr r5, [r6, #(VALUE + 4 * \place)]
    eors \lo, r5
    ldr r5, [r6, #(4 * \place)]
    lsrs r6, r5, #16
    lsls r6, r6, #16
    lsrs \hi, \lo, #16
    orrs \hi, r6
    uxth \lo, \lo
    lsls r5, r5, #16
    orrs \lo, r5
.endm

/* r0, r1 and r2, their sum; r3, r4 and r5, theirs; the sums of the three pairs: to [r6]. Spoils r3, r4, r5 */
.macro sums
    stmia r6!, {r3, r4, r5}
    eors r3, r0
    eors r4, r1
    eors r5, r2
    stmia r6!, {r3, r4, r5}
.endm

/* a, b = the low and high words of the product whose three parts are a, b, c. Spoils c, r11. 7 cycles */
.macro join a, b, c
    eors \c, \a
    eors \c, \b
    mov r11, \c
    lsls \c, \c, #16
    eors \a, \c
    mov \c, r11
    lsrs \c, \c, #16
    eors \b, \c
.endm

/* above, below += x * x^128, of which above gets what stays in that place. Spoils r1. 13 cycles */
.macro fold x, above, below
    eors \above, \x
    .irp places, 1, 2, 7
    lsrs r1, \x, #\places
    eors \above, r1
    lsls r1, \x, #(32 - \places)
    eors \below, r1
    .endr
.endm

/* void ghash_blocks(ghash *ctx, const uint8_t *data, size_t count): count > 0 blocks of 16 bytes */
    .global ghash_blocks
    .hidden ghash_blocks
    .type ghash_blocks, %function
    .p2align 2
    .thumb_func
ghash_blocks:
    push {r0, r1, r2, r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4, r5, r6, r7}
    ldr r3, mask
    mov r8, r3
    lsls r3, r3, #1
    mov r9, r3
    lsls r3, r3, #1
    mov r10, r3
    sub sp, #SUMS
block:
    /* The factors of the low half, of the high half, of their sum: nine each. */
    sub sp, #SUMS
    ldr r6, [sp, #(2 * SUMS + CONTEXT)]
    mov lr, r6
    ldr r7, [sp, #(2 * SUMS + DATA)]
    adds r7, #8
    mov r6, sp
half:
    mov r12, r6
    factors 0, r0, r1
    mov r2, r0
    eors r2, r1
    mov r6, r12
    stmia r6!, {r0, r1, r2}
    mov r12, r6
    factors 1, r3, r4
    mov r5, r3
    eors r5, r4
    mov r6, r12
    sums
    subs r7, #8
    movs r0, #8
    add lr, r0
    mov r0, sp
    adds r0, #72
    cmp r6, r0
    bne half
    ldr r0, [sp]
    ldr r3, [sp, #36]
    eors r0, r3
    ldr r1, [sp, #4]
    ldr r3, [sp, #40]
    eors r1, r3
    mov r2, r0
    eors r2, r1
    stmia r6!, {r0, r1, r2}
    ldr r3, [sp, #12]
    ldr r5, [sp, #48]
    eors r3, r5
    ldr r4, [sp, #16]
    ldr r5, [sp, #52]
    eors r4, r5
    mov r5, r3
    eors r5, r4
    sums
    mov r12, r6
    /* 49 cycles a product. x0, x1, x2 are r0, r1, r2; y0, y1, y2 are r4, r5, r3 */
product:
    pop {r7}
    mov r3, r8
    ands r3, r7
    uxth r0, r3
    lsrs r3, r3, #16            @ the mask of x0 is that of y2 above, as 16 is 1 modulo 3
    mov r4, r9
    ands r4, r7
    uxth r1, r4
    lsrs r4, r4, #16
    mov r5, r10
    ands r5, r7
    uxth r2, r5
    lsrs r5, r5, #16
    mov r6, r0
    muls r6, r4
    mov r7, r1
    muls r7, r3
    eors r6, r7
    mov r7, r2
    muls r7, r5
    eors r6, r7                 @ x0 y0 + x1 y2 + x2 y1
    mov r7, r8
    ands r6, r7
    mov r11, r6
    mov r6, r0
    muls r6, r5
    mov r7, r1
    muls r7, r4
    eors r6, r7
    mov r7, r2
    muls r7, r3
    eors r6, r7                 @ x0 y1 + x1 y0 + x2 y2
    mov r7, r9
    ands r6, r7
    add r11, r6
    muls r0, r3
    muls r1, r5
    eors r0, r1
    muls r2, r4
    eors r0, r2                 @ x0 y2 + x1 y1 + x2 y0
    mov r7, r10
    ands r0, r7
    add r0, r11
    str r0, [sp, #(SUMS - 4)]
    cmp sp, r12
    bne product
    /* Nine of them at a time become a product of 64 bits. */
    mov r0, sp
    mov r7, sp
    mov r12, r7
thirds:
    ldmia r0!, {r1, r2, r3}
    join r1, r2, r3
    ldmia r0!, {r3, r4, r5}
    join r3, r4, r5
    ldmia r0!, {r5, r6, r7}
    join r5, r6, r7
    eors r2, r3
    mov r3, r2
    eors r2, r1
    eors r2, r5
    eors r3, r4
    eors r3, r6
    mov r7, r12
    stmia r7!, {r1, r2, r3, r4}
    mov r12, r7
    mov r1, sp
    adds r1, #SUMS
    cmp r0, r1
    bne thirds
    /* The three, at sp, sp + 16 and sp + 32, become one of 256 bits. */
    .irp word, 0, 1, 2, 3
    ldr r\word, [sp, #(4 * \word)]
    ldr r4, [sp, #(4 * \word + 16)]
    eors r\word, r4
    ldr r4, [sp, #(4 * \word + 32)]
    eors r\word, r4
    .endr
    add r4, sp, #16
    ldmia r4, {r4, r5, r6, r7}
    eors r4, r2
    eors r5, r3
    ldr r2, [sp, #8]
    eors r2, r0
    ldr r3, [sp, #12]
    eors r3, r1
    /* x^128 = 1 + x + x^2 + x^7, and a step of x is one bit to the right. */
    ldr r0, [sp]
    fold r0, r4, r3
    ldr r0, [sp, #4]
    fold r0, r5, r4
    fold r2, r6, r5
    fold r3, r7, r6
    ldr r0, [sp, #(SUMS + CONTEXT)]
    adds r0, #VALUE
    stmia r0!, {r4, r5, r6, r7}
    ldr r0, [sp, #(SUMS + DATA)]
    adds r0, #16
    str r0, [sp, #(SUMS + DATA)]
    ldr r0, [sp, #(SUMS + COUNT)]
    subs r0, #1
    str r0, [sp, #(SUMS + COUNT)]
    beq done
    b block
done:
    add sp, #SUMS
    pop {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r0, r1, r2, r4, r5, r6, r7, pc}

    .p2align 2
mask:
    .word 0x49249249            @ every third bit
    .size ghash_blocks, . - ghash_blocks
