/* What sha256_armv6m.S and sm3_armv6m.S share. */
    .syntax unified
    .cpu cortex-m0
    .thumb
    .text

/* The 64 bytes at r1, at any alignment, become 16 big-endian words at r2. Spoils r1, r3, r4, r5; moves r2 past them. */
    .global hash_load
    .hidden hash_load
    .type hash_load, %function
    .thumb_func
hash_load:
    movs r5, #64
    adds r5, r1
1:
    ldrb r3, [r1]
    lsls r3, r3, #8
    ldrb r4, [r1, #1]
    orrs r3, r4
    lsls r3, r3, #8
    ldrb r4, [r1, #2]
    orrs r3, r4
    lsls r3, r3, #8
    ldrb r4, [r1, #3]
    orrs r3, r4
    stmia r2!, {r3}
    adds r1, #4
    cmp r1, r5
    bne 1b
    bx lr
    .size hash_load, . - hash_load
