# Where a program begins under qemu-xtensa.
        .text
        .literal_position
        .global _start
        .p2align 2
# By call4, as other calls make a window overflow save registers in the frame of the caller, and here is none.
_start:
        mov     a3, a1                  # argc, then argv
        movi    a0, -16
        and     a1, a1, a0
        movi    a0, 0
        l32r    a4, muluh_address
        callx4  a4
        l32i    a6, a3, 0
        addi    a7, a3, 4
        l32r    a4, main_address
        callx4  a4
        l32r    a4, exit_address
        callx4  a4

        .p2align 2
        .literal muluh_address, muluh_install
        .literal main_address, main
        .literal exit_address, exit
