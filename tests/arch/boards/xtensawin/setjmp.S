# setjmp and longjmp of the windowed ABI, for callers that call by call8, as compilers do.
#
# Of a caller whose window was spilled, a0 to a3 lie in the 16 bytes below the stack pointer of what it called, and a4 to a7 at 32 bytes
# below the stack pointer of its own caller. A return to a window that is not in the registers takes them from there: longjmp
# writes them there, and returns as setjmp once did.
        .text
        .literal_position
        .p2align 2
# Calls itself a2 times by call12: the whole file of registers is used once, so that all windows before are spilled.
spill:
        entry   a1, 48
        beqz    a2, spilled
        addi    a14, a2, -1
        l32r    a3, spill_address
        callx12 a3
spilled:
        retw

        .p2align 2
        .global setjmp
setjmp:
        entry   a1, 48
        movi    a14, 6                  # times 12 registers: more than 64
        l32r    a3, spill_address
        callx12 a3
        addi    a3, a1, -16
        l32i    a4, a3, 0
        l32i    a5, a3, 4
        l32i    a6, a3, 8
        l32i    a7, a3, 12
        s32i    a4, a2, 0
        s32i    a5, a2, 4
        s32i    a6, a2, 8
        s32i    a7, a2, 12
        addi    a3, a5, -16             # the caller's stack pointer
        l32i    a3, a3, 4               # that of the caller's caller
        addi    a3, a3, -32
        l32i    a4, a3, 0
        l32i    a5, a3, 4
        l32i    a6, a3, 8
        l32i    a7, a3, 12
        s32i    a4, a2, 16
        s32i    a5, a2, 20
        s32i    a6, a2, 24
        s32i    a7, a2, 28
        s32i    a0, a2, 32
        movi    a2, 0
        retw

        .p2align 2
        .global longjmp
longjmp:
        entry   a1, 48
        movi    a14, 6
        l32r    a4, spill_address
        callx12 a4
        mov     a8, a3                  # the value
        addi    a3, a1, -16
        l32i    a4, a2, 0
        l32i    a5, a2, 4
        l32i    a6, a2, 8
        l32i    a7, a2, 12
        s32i    a4, a3, 0
        s32i    a5, a3, 4
        s32i    a6, a3, 8
        s32i    a7, a3, 12
        addi    a3, a5, -16
        l32i    a3, a3, 4
        addi    a3, a3, -32
        l32i    a4, a2, 16
        l32i    a5, a2, 20
        l32i    a6, a2, 24
        l32i    a7, a2, 28
        s32i    a4, a3, 0
        s32i    a5, a3, 4
        s32i    a6, a3, 8
        s32i    a7, a3, 12
        l32i    a0, a2, 32
        mov     a2, a8
        retw

        .literal spill_address, spill
