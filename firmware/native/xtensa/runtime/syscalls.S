# System calls of Linux: the number in a2, arguments in a6, a3, a4, a5.
        .text

        .macro  system_call name, number
        .global linux_\name
        .p2align 2
linux_\name:
        entry   a1, 32
        mov     a6, a2
        movi    a2, \number
        syscall
        retw
        .endm

        system_call open, 8
        system_call close, 9
        system_call read, 12
        system_call write, 13
        system_call exit, 118
        system_call sigaction, 226
