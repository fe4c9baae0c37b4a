/*
 * The field for ARMv7E-M and ARMv8-M with its DSP instructions (Cortex-M4, M7, M33), in place of that of field_c.c.
 * Constant time: no branch and no address depends on a number, and products take one cycle whatever they are of.
 *
 * UMAAL multiplies two words and adds two more to the product, which always fits two words: a row of a schoolbook
 * product is one instruction a word, with no carry beside it. Four words of one factor stay in registers while the
 * other goes by, twice; the words that the first time leaves enter the second in the place of its carries. p of both
 * curves is -1 modulo 2^64 and has few terms, so that reduction is additions; other moduli go to fe_reduce_any of
 * field_armv6m.c.
 *
 * There is no data here and no absolute address, so that the code can lie anywhere.
 */
#include "config.h"

    .syntax unified
    .arch armv7e-m
    .thumb
    .text

    .equ SHAPE, 96              @ of modulus, and its values: field_armv6m.c sees to it that they are right
    .equ SHAPE_P256, 1

.macro function name
    .global \name
    .hidden \name
    .type \name, %function
    .thumb_func
\name:
.endm

/* (w3, w2, w1, w0) + (r6, r5, r4, r3) * word n of b + c, of which w0 is stored as word at, and c is the highest. */
.macro row n, at, w0, w1, w2, w3, c
    umaal \w0, \c, r3, r12
    umaal \w1, \c, r4, r12
    umaal \w2, \c, r5, r12
    umaal \w3, \c, r6, r12
    str \w0, [sp, #4 * (\at)]
.endm

.macro first_row n, w0, w1, w2, w3, c
    ldr r12, [r2, #4 * \n]
    mov \c, #0
    row \n, \n, \w0, \w1, \w2, \w3, \c
.endm

/* With word n + 4 of what is stored. */
.macro second_row n, w0, w1, w2, w3, c
    ldr r12, [r2, #4 * \n]
    ldr \c, [sp, #4 * (\n + 4)]
    row \n, \n + 4, \w0, \w1, \w2, \w3, \c
.endm

    .equ FRAME, 68              @ of fe_mul: the product, and a word, since C is called with the stack aligned to 8 bytes
    .equ R, FRAME               @ the arguments r and m
    .equ M, FRAME + 4

/* fe_product(r, a, b): see field_armv6m.c */
    function fe_product
    movs r3, #0                 @ in place of a modulus
    b fe_mul
    .size fe_product, . - fe_product

/* fe_sqr(r, a, m): see field.h */
    function fe_sqr
    mov r3, r2
    mov r2, r1
    /* on into fe_mul */
    .size fe_sqr, . - fe_sqr

/* fe_mul(r, a, b, m): see field.h */
    function fe_mul
    push {r0, r3, r4, r5, r6, r7, r8, r9, r10, r11, lr}
    sub sp, #FRAME
    ldm r1!, {r3, r4, r5, r6}
    /* Words 0, 5 are r9, words 1, 6 are r10, 2, 7: r11, 3: r7, 4: r8, ... */
    ldr r12, [r2, #0]
    umull r9, r8, r3, r12
    mov r10, #0
    umaal r10, r8, r4, r12
    mov r11, #0
    umaal r11, r8, r5, r12
    mov r7, #0
    umaal r7, r8, r6, r12
    str r9, [sp, #0]
    first_row 1, r10, r11, r7, r8, r9
    first_row 2, r11, r7, r8, r9, r10
    first_row 3, r7, r8, r9, r10, r11
    first_row 4, r8, r9, r10, r11, r7
    first_row 5, r9, r10, r11, r7, r8
    first_row 6, r10, r11, r7, r8, r9
    first_row 7, r11, r7, r8, r9, r10
    add r0, sp, #32
    stm r0, {r7, r8, r9, r10}
    ldm r1, {r3, r4, r5, r6}
    mov r9, #0                  @ words 4, 9, 14: r9, words 5, 10, 15: r10, ...
    mov r10, #0
    mov r11, #0
    mov r7, #0
    second_row 0, r9, r10, r11, r7, r8
    second_row 1, r10, r11, r7, r8, r9
    second_row 2, r11, r7, r8, r9, r10
    second_row 3, r7, r8, r9, r10, r11
    second_row 4, r8, r9, r10, r11, r7
    second_row 5, r9, r10, r11, r7, r8
    second_row 6, r10, r11, r7, r8, r9
    second_row 7, r11, r7, r8, r9, r10
    add r0, sp, #48
    stm r0, {r7, r8, r9, r10}

/* r = product / 2^256 mod m */
reduce:
    ldr r3, [sp, #M]
    cmp r3, #0
    beq give_product
    ldr r12, [r3, #SHAPE]
    cmp r12, #SHAPE_P256
#if MS_SUITE2
    bhi reduce_sm2
#endif
    bne reduce_any
    /*
     * p of P-256. To make the low half 0, u0 * p is added, then u1 * p * 2^32 and so on, where u0 is the lowest word as
     * it is then. So u0 is added at words 3, 6 and 8 and subtracted at word 7 (and at word 0, which is not computed),
     * u1 at the words after that. A word u8 = -1 makes the result r - p, and if that is negative p is added.
     */
    ldm sp, {r0, r1, r2, r3, r4, r5, r6, r7}
    mov r8, #1                  @ -u8 at word 8
    adds r3, r0                 @ u0 to u4 at word 3
    adcs r4, r1
    adcs r5, r2
    adcs r6, r3
    adcs r7, r4
    adc r8, r8, #0
    adds r6, r0                 @ u0, u1 at word 6
    adcs r7, r1
    adc r8, r8, #0
    subs r7, r0                 @ -u0 at word 7
    sbc r8, r8, #0
    /* Words 8 to 11 in r9 to r12, what goes over in lr. */
    add lr, sp, #32
    ldm lr, {r9, r10, r11, r12}
    mov lr, #0
    adds r9, r8
    adcs r10, r10, #0
    adcs r11, r11, #0
    adcs r12, r12, #0
    adc lr, lr, #0
    adds r9, r0                 @ u0 to u3 at word 8
    adcs r10, r1
    adcs r11, r2
    adcs r12, r3
    adc lr, lr, #0
    adds r9, r2                 @ u2 to u5 at word 8
    adcs r10, r3
    adcs r11, r4
    adcs r12, r5
    adc lr, lr, #0
    adds r9, r5                 @ u5 to u8 at word 8
    adcs r10, r6
    adcs r11, r7
    sbcs r12, r12, #0
    sbc lr, lr, #0
    subs r9, r1                 @ -u1 to -u4 at word 8
    sbcs r10, r2
    sbcs r11, r3
    sbcs r12, r4
    sbc lr, lr, #0
    /* Words 12 to 15 in r0 to r3, what goes over in r8. */
    add r8, sp, #48
    ldm r8, {r0, r1, r2, r3}
    asr r8, lr, #31
    adds r0, lr
    adcs r1, r8
    adcs r2, r8
    adcs r3, r8
    adc r8, r8, #0
    adds r0, r4                 @ u4 to u7 at word 12
    adcs r1, r5
    adcs r2, r6
    adcs r3, r7
    adc r8, r8, #0
    adds r0, r6                 @ u6 to u8 at word 12
    adcs r1, r7
    sbcs r2, r2, #0
    sbcs r3, r3, #0
    sbc r8, r8, #0
    subs r0, r5                 @ -u5 to -u8 at word 12
    sbcs r1, r6
    sbcs r2, r7
    adcs r3, r3, #0
    adc r8, r8, #0
    sub r8, r8, #1              @ u8 at word 16
    and lr, r8, #1
    adds r9, r8
    adcs r10, r8
    adcs r11, r8
    adcs r12, r12, #0
    adcs r0, r0, #0
    adcs r1, r1, #0
    adcs r2, lr
    adc r3, r8
give:
    ldr r4, [sp, #R]
    stm r4!, {r9, r10, r11, r12}
    stm r4, {r0, r1, r2, r3}
leave:
    add sp, #FRAME
    pop {r0, r3, r4, r5, r6, r7, r8, r9, r10, r11, pc}

#if MS_SUITE2
/* The same for p of curveSM2: u0 is added at words 2 and 8, subtracted at words 3 and 7. */
reduce_sm2:
    ldm sp, {r0, r1, r2, r3, r4, r5, r6, r7}
    mov r8, #1
    adds r2, r0                 @ u0, u1 at word 2
    adcs r3, r1
    adcs r4, r4, #0
    adcs r5, r5, #0
    adcs r6, r6, #0
    adcs r7, r7, #0
    adc r8, r8, #0
    subs r3, r0                 @ -u0, -u1 at word 3
    sbcs r4, r1
    sbcs r5, r5, #0
    sbcs r6, r6, #0
    sbcs r7, r7, #0
    sbc r8, r8, #0
    adds r4, r2                 @ u2, u3 at word 4
    adcs r5, r3
    adcs r6, r6, #0
    adcs r7, r7, #0
    adc r8, r8, #0
    subs r5, r2                 @ -u2, -u3 at word 5
    sbcs r6, r3
    sbcs r7, r7, #0
    sbc r8, r8, #0
    adds r6, r4                 @ u4, u5 at word 6
    adcs r7, r5
    adc r8, r8, #0
    subs r7, r4                 @ -u4 at word 7
    sbc r8, r8, #0
    subs r7, r0                 @ -u0 at word 7
    sbc r8, r8, #0
    add lr, sp, #32
    ldm lr, {r9, r10, r11, r12}
    asr lr, r8, #31
    adds r9, r8
    adcs r10, lr
    adcs r11, lr
    adcs r12, lr
    adc lr, lr, #0
    adds r9, r0                 @ u0 to u3 at word 8
    adcs r10, r1
    adcs r11, r2
    adcs r12, r3
    adc lr, lr, #0
    subs r9, r1                 @ -u1 to -u4 at word 8
    sbcs r10, r2
    sbcs r11, r3
    sbcs r12, r4
    sbc lr, lr, #0
    adds r9, r6                 @ u6, u7, u8 at word 8
    adcs r10, r7
    sbcs r11, r11, #0
    sbcs r12, r12, #0
    sbc lr, lr, #0
    subs r9, r5                 @ -u5 to -u8 at word 8
    sbcs r10, r6
    sbcs r11, r7
    adcs r12, r12, #0
    adc lr, lr, #0
    add r8, sp, #48
    ldm r8, {r0, r1, r2, r3}
    asr r8, lr, #31
    adds r0, lr
    adcs r1, r8
    adcs r2, r8
    adcs r3, r8
    adc r8, r8, #0
    adds r0, r4                 @ u4 to u7 at word 12
    adcs r1, r5
    adcs r2, r6
    adcs r3, r7
    adc r8, r8, #0
    subs r0, r5                 @ -u5 to -u8 at word 12
    sbcs r1, r6
    sbcs r2, r7
    adcs r3, r3, #0
    adc r8, r8, #0
    sub r8, r8, #1
    lsl lr, r8, #1
    adds r9, r8
    adcs r10, r8
    adcs r11, r11, #0
    adcs r12, r8
    adcs r0, r8
    adcs r1, r8
    adcs r2, r8
    adc r3, lr
    b give
#endif

reduce_any:
    ldr r0, [sp, #R]
    mov r1, sp
    mov r2, r3
    bl fe_reduce_any
    b leave

give_product:
    ldr r8, [sp, #R]
    ldm sp, {r0, r1, r2, r3, r4, r5, r6, r7}
    stm r8!, {r0, r1, r2, r3, r4, r5, r6, r7}
    add r9, sp, #32
    ldm r9, {r0, r1, r2, r3, r4, r5, r6, r7}
    stm r8, {r0, r1, r2, r3, r4, r5, r6, r7}
    b leave
    .size fe_mul, . - fe_mul

/* r4 to r11 += m if r1 = -1, or nothing if r1 = 0; r3 points to m. Leaves the carry. Spoils r2, r12 */
    .type plus_modulus, %function
    .thumb_func
plus_modulus:
    ldr r12, [r3, #SHAPE]
    cmp r12, #SHAPE_P256
#if MS_SUITE2
    bhi plus_sm2
#endif
    bne plus_any
    and r12, r1, #1
    adds r4, r1
    adcs r5, r1
    adcs r6, r1
    adcs r7, r7, #0
    adcs r8, r8, #0
    adcs r9, r9, #0
    adcs r10, r12
    adcs r11, r1
    bx lr
#if MS_SUITE2
plus_sm2:
    lsl r12, r1, #1
    adds r4, r1
    adcs r5, r1
    adcs r6, r6, #0
    adcs r7, r1
    adcs r8, r1
    adcs r9, r1
    adcs r10, r1
    adcs r11, r12
    bx lr
#endif
plus_any:
    .macro plus_two low, high, first
    ldm r3!, {r2, r12}
    and r2, r1
    and r12, r1
    \first \low, r2
    adcs \high, r12
    .endm
    plus_two r4, r5, adds
    plus_two r6, r7, adcs
    plus_two r8, r9, adcs
    plus_two r10, r11, adcs
    bx lr
    .size plus_modulus, . - plus_modulus

/* r4 to r11 = [r1] + [r2], or the difference, with the flags of the last word. Spoils r1, r2, r12, lr */
.macro combine first, next
    ldm r1, {r4, r5, r6, r7, r8, r9, r10, r11}
    ldm r2!, {r1, r12, lr}
    \first r4, r1
    \next r5, r12
    \next r6, lr
    ldm r2!, {r1, r12, lr}
    \next r7, r1
    \next r8, r12
    \next r9, lr
    ldm r2!, {r1, r12}
    \next r10, r1
    \next r11, r12
.endm

/* fe_add(r, a, b, m): see field.h */
    function fe_add
    push {r4, r5, r6, r7, r8, r9, r10, r11, lr}
    combine adds, adcs
    mov r1, #0
    adc r1, r1, #0
    /* Less m; if that is negative, m is added. */
    ldr r12, [r3, #SHAPE]
    cmp r12, #SHAPE_P256
    bhi add_sm2
    bne add_any
    adds r4, r4, #1             @ less 2^32 - 1
    adcs r5, r5, #0
    adcs r6, r6, #0
    sbcs r7, r7, #0
    sbcs r8, r8, #0
    sbcs r9, r9, #0
    sbcs r10, r10, #1
    adcs r11, r11, #0
    b add_difference
add_sm2:
    adds r4, r4, #1
    adcs r5, r5, #0
    sbcs r6, r6, #0
    adcs r7, r7, #0
    adcs r8, r8, #0
    adcs r9, r9, #0
    adcs r10, r10, #0
    adcs r11, r11, #1           @ less 2^32 - 2
    b add_difference
add_any:
    ldm r3!, {r2, r12, lr}
    subs r4, r2
    sbcs r5, r12
    sbcs r6, lr
    ldm r3!, {r2, r12, lr}
    sbcs r7, r2
    sbcs r8, r12
    sbcs r9, lr
    ldm r3!, {r2, r12}
    sbcs r10, r2
    sbcs r11, r12
    sub r3, r3, #32
add_difference:
    sbc r1, r1, #0
    bl plus_modulus
    stm r0, {r4, r5, r6, r7, r8, r9, r10, r11}
    pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}
    .size fe_add, . - fe_add

/* fe_sub(r, a, b, m): see field.h */
    function fe_sub
    push {r4, r5, r6, r7, r8, r9, r10, r11, lr}
    combine subs, sbcs
    sbc r1, r1, r1
    bl plus_modulus
    stm r0, {r4, r5, r6, r7, r8, r9, r10, r11}
    pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}
    .size fe_sub, . - fe_sub

/* fe_half(r, a, m): see field.h */
    function fe_half
    push {r4, r5, r6, r7, r8, r9, r10, r11, lr}
    ldm r1, {r4, r5, r6, r7, r8, r9, r10, r11}
    mov r3, r2
    and r1, r4, #1
    rsb r1, r1, #0              @ -1: a is odd, and m makes it even
    bl plus_modulus
    rrxs r11, r11
    rrxs r10, r10
    rrxs r9, r9
    rrxs r8, r8
    rrxs r7, r7
    rrxs r6, r6
    rrxs r5, r5
    rrx r4, r4
    stm r0, {r4, r5, r6, r7, r8, r9, r10, r11}
    pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}
    .size fe_half, . - fe_half

/* fe_pick(r, table, count, index): see field.h. Four words of all entries at a time, times 1 or 0 */
    function fe_pick
    push {r4, r5, r6, r7, r8, r9, r10, r11, lr}
    mov lr, #4
pick_words:
    mov r10, r1
    mov r11, r2
    mov r12, r3
    mov r4, #0
    mov r5, #0
    mov r6, #0
    mov r7, #0
    push {r1, r2}
pick_entry:
    subs r12, r12, #1           @ only from 0 on there is a borrow
    sbc r9, r9, r9
    rsb r9, r9, #0
    ldm r10, {r1, r2}
    mla r4, r1, r9, r4
    mla r5, r2, r9, r5
    ldrd r1, r2, [r10, #8]
    mla r6, r1, r9, r6
    mla r7, r2, r9, r7
    add r10, r10, #64
    subs r11, r11, #1
    bne pick_entry
    pop {r1, r2}
    stm r0!, {r4, r5, r6, r7}
    add r1, r1, #16
    subs lr, lr, #1
    bne pick_words
    pop {r4, r5, r6, r7, r8, r9, r10, r11, pc}
    .size fe_pick, . - fe_pick
