#ifndef SETJMP_H
#define SETJMP_H

/* a0 to a7 of the caller of setjmp, and where it returns to with the size of its window. */
typedef void *jmp_buf[9];

/* It also leaves all registers of all callers on the stack. */
int setjmp(jmp_buf buffer) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf buffer, int value);

#endif
