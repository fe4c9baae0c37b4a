# Where the firmware begins, and its memory: a stack and a heap at addresses that tests can ask for.
        .text
        .literal_position
        .global _start
        .p2align 2
# By call4, as other calls make a window overflow save registers in the frame of the caller, and here is none.
_start:
        mov     a3, a1                  # argc, then argv
        l32r    a1, stack_address
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
        .literal stack_address, stack_end
        .literal muluh_address, muluh_install
        .literal main_address, main
        .literal exit_address, exit

# Pages of code are apart from those that are written to, which qemu would translate anew each time.
        .section .bss, "aw", @nobits
        .macro  memory name, size
        .p2align 12
        .global \name
        .global \name\()_end
        .type   \name, @object
        .size   \name, \size
\name:
        .space  \size
\name\()_end:
        .endm

        memory  stack, 65536
# A jump to a substitute of MULUH reaches 128 KB.
        memory  muluh_stubs, 16384
        memory  native_code, 65536
# About what MicroPython on an ESP32 leaves.
        memory  gc_heap, 204800
        memory  files, 4194304
