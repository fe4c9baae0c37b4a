/* gcd_round for ARMv6-M: see invert.h and invert.c. Constant time. */
    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

    .equ WORDS, 18              @ as in invert.h
    .equ DEM, WORDS * 8         @ offset of dem in gcd_state

/*
 * r4 += r8 * r2 + r9 * r3, r5 += r10 * r2 + r11 * r3: one word of both rows of the matrix. Spoils r2, r3, r6
 */
.macro rows
    mov r6, r8
    muls r6, r2
    adds r4, r6
    mov r6, r9
    muls r6, r3
    adds r4, r6
    mov r6, r10
    muls r2, r6
    adds r5, r2
    mov r6, r11
    muls r3, r6
    adds r5, r3
.endm

/* [r1] = the lowest 15 bits of r4 and r5, which are shifted out; r1 moves on. Spoils r6, r7 */
.macro give
    lsls r6, r4, #17
    lsrs r6, r6, #17
    lsls r7, r5, #17
    lsrs r7, r7, #17
    stmia r1!, {r6, r7}
    asrs r4, r4, #15
    asrs r5, r5, #15
.endm

/* int32_t gcd_round(int32_t zeta, gcd_state *state, uint32_t k) */
    .global gcd_round
    .hidden gcd_round
    .type gcd_round, %function
    .thumb_func
gcd_round:
    push {r1, r2, r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4, r5, r6, r7}
    movs r4, r0
    ldmia r1, {r0, r1}
    /*
     * f is r0, g is r1, zeta r4. A row of the matrix is one number, the first entry and 2^16 times the second: the
     * steps are linear, so they do not care. r2 is the row of f, r3 that of g.
     */
    movs r2, #1
    lsls r3, r2, #16
    movs r5, #15
    mov r12, r5
steps:
    asrs r5, r4, #31            @ swap: -1 if delta > 0
    lsls r6, r1, #31
    asrs r6, r6, #31            @ -1 if g is odd
    movs r7, r0
    eors r7, r5
    subs r7, r5
    ands r7, r6
    adds r1, r7                 @ g + f, or g - f, if g is odd
    movs r7, r2
    eors r7, r5
    subs r7, r5
    ands r7, r6
    adds r3, r7
    ands r5, r6
    eors r4, r5
    subs r4, #1
    movs r7, r1
    ands r7, r5
    adds r0, r7                 @ f becomes g
    movs r7, r3
    ands r7, r5
    adds r2, r7
    asrs r1, r1, #1
    lsls r2, r2, #1
    mov r5, r12
    subs r5, #1
    mov r12, r5
    bne steps
    /*
     * The rows taken apart: into r8, r9 that of f, into r10, r11 that of g. Entries are half-words with a sign. In the
     * row of g all are above -2^15 and below 2^15, as the second is odd and the absolute values add up to no more than
     * 2^15. In that of f an entry may be 2^15, if none but even g came or none but the first was odd, but not -2^15: it
     * is taken apart negated.
     */
    negs r2, r2
    sxth r5, r2
    subs r2, r2, r5
    asrs r2, r2, #16
    negs r5, r5
    negs r2, r2
    mov r8, r5
    mov r9, r2
    sxth r5, r3
    subs r3, r3, r5
    asrs r3, r3, #16
    mov r10, r5
    mov r11, r3
    movs r7, r4                 @ zeta
    ldr r0, [sp, #16]           @ state
    movs r1, r0
    movs r6, r0
    adds r6, #(DEM + WORDS * 6)
    adds r6, #(WORDS * 6)       @ its end
    push {r6, r7}
    movs r4, #0
    movs r5, #0
    ldmia r0!, {r2, r3}
    rows
    asrs r4, r4, #15            @ of the lowest word nothing is left
    asrs r5, r5, #15
    movs r7, #(WORDS - 1)
    mov r12, r7
pairs:
    ldmia r0!, {r2, r3}
    rows
    give
    mov r7, r12
    subs r7, #1
    mov r12, r7
    bne pairs
    stmia r1!, {r4, r5}
    /* d and e, with the multiples of m: r12 and lr times m. */
    ldr r7, [sp, #28]           @ k, after the end, zeta, four registers and state
    movs r4, #0
    movs r5, #0
    ldmia r0!, {r2, r3}
    rows
    muls r7, r4
    lsls r7, r7, #17
    lsrs r7, r7, #17
    mov r12, r7
    ldr r6, [sp, #28]
    muls r6, r5
    lsls r6, r6, #17
    lsrs r6, r6, #17
    mov lr, r6
    ldmia r0!, {r2}
    muls r7, r2
    adds r4, r7
    muls r6, r2
    adds r5, r6
    asrs r4, r4, #15
    asrs r5, r5, #15
triples:
    ldmia r0!, {r2, r3}
    rows
    ldmia r0!, {r2}
    mov r6, r12
    muls r6, r2
    adds r4, r6
    mov r6, lr
    muls r6, r2
    adds r5, r6
    give
    adds r1, #4
    ldr r6, [sp]
    cmp r0, r6
    bne triples
    stmia r1!, {r4, r5}
    add sp, #4
    pop {r0}
    pop {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r1, r2, r4, r5, r6, r7, pc}
    .size gcd_round, . - gcd_round
