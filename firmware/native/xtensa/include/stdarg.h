/*
 * LLVM 22's va_arg reads the wrong places on Xtensa: va_start forgets that its pointer to the saved registers should
 * stand where the first named argument would be, and the step from registers to the stack is miscounted. What it saves
 * is right. So this va_list is the calling convention's own, set from LLVM's and read here. Of arguments of 4 bytes
 * only: to read another ends the program.
 */
#ifndef STDARG_H
#define STDARG_H

typedef struct {
    const char *stack;     /* 32 bytes before the first argument that lies on the stack */
    const char *registers; /* where a2 to a7 were saved */
    unsigned next;         /* bytes of arguments that have been taken */
} va_list;

#define va_start(list, last)                                                                                           \
    do {                                                                                                               \
        __builtin_va_list llvm;                                                                                        \
        __builtin_va_start(llvm, last);                                                                                \
        __builtin_memcpy(&(list), &llvm, sizeof(va_list));                                                             \
        (list).registers -= (list).next;                                                                               \
    } while (0)
#define va_end(list) ((void)(list))
#define va_copy(to, from) ((to) = (from))
#define va_arg(list, type) (*(type *)(void *)xtensa_next_argument(&(list), sizeof(type)))

_Noreturn void abort(void);

static inline const char *xtensa_next_argument(va_list *list, unsigned size)
{
    unsigned at = list->next;
    if (size != 4) {
        abort();
    }
    if (at == 24) {
        at = 32;
    }
    list->next = at + 4;
    return (at < 24 ? list->registers : list->stack) + at;
}

#endif
