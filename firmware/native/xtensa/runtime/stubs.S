# Room for the substitutes of MULUH beside the code.
        .text
        .p2align 2
        .global muluh_stubs
        .global muluh_stubs_end
muluh_stubs:
        .space 65536
muluh_stubs_end:
