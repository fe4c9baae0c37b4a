/* Tools for handling secrets: erasing them, masks instead of branches, and marking what stops being one. */
#ifndef MS_SECRET_H
#define MS_SECRET_H

#include "config.h"
#include "microseal_core.h"

#ifdef MS_CHECK_SECRETS
#    include <valgrind/memcheck.h>
#endif

/*
 * Erase the stack below the caller's frame, where the functions that it called had theirs: as deep as point arithmetic
 * goes, or only as deep as hashes and ciphers go. tests/c/test_stack.c measures that nothing is left, and, where the
 * caller erases, tests/arch/test_stack.py.
 */
MS_INTERNAL void erase_stack(void);
MS_INTERNAL void erase_stack_shallow(void);

/*
 * What a function with secrets ends with: forget for each variable of its own that holds one, then burn_stack or
 * burn_stack_shallow for the frames below. Nothing where the caller erases all of these frames, MS_CALLER_BURNS.
 */
#if MS_CALLER_BURNS
#    define forget(x)
#    define burn_stack()
#    define burn_stack_shallow()
#else
#    define forget(x) ms_wipe(&(x), sizeof(x))
#    define burn_stack() erase_stack()
#    define burn_stack_shallow() erase_stack_shallow()
#endif

/* The value x, of which the compiler knows nothing more: it cannot turn a mask made from it back into a branch. */
static inline uint32_t opaque(uint32_t x)
{
    __asm__("" : "+r"(x));
    return x;
}

/*
 * States that a value, though computed from secrets, may be known: a point or a hash that is published, or whether an
 * operation failed. Compiles to nothing, except under valgrind, which reports every branch or index that depends on a
 * secret not declassified. Each use says why it may.
 */
static inline void declassify(const void *p, size_t length)
{
#ifdef MS_CHECK_SECRETS
    VALGRIND_MAKE_MEM_DEFINED(p, length);
#else
    (void)p;
    (void)length;
#endif
}

#endif
