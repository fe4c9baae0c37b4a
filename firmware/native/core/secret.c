/* Erasing and comparing secrets. */
#include "secret.h"

#include <string.h>

void ms_wipe(void *buffer, size_t length)
{
    if (length) {
        memset(buffer, 0, length);
    }
    /* The compiler must assume that this reads the buffer, so the zeroes have to be there. */
    __asm__ volatile("" : : "r"(buffer) : "memory");
}

/* Also what lies between the caller's frame and functions that erase for themselves elsewhere, HKDF's with its two
 * states. */
#if MS_CALLER_BURNS
#    define DEEP (sizeof(void *) == 4 ? 2048 : 2816)
#    define SHALLOW (sizeof(void *) == 4 ? 1280 : 1792)
#else
#    define DEEP (sizeof(void *) == 4 ? 1792 : 2048)
#    define SHALLOW (sizeof(void *) == 4 ? 768 : 928)
#endif

MS_NOINLINE void erase_stack(void)
{
    uint8_t frame[DEEP];
    ms_wipe(frame, sizeof frame);
}

MS_NOINLINE void erase_stack_shallow(void)
{
    uint8_t frame[SHALLOW];
    ms_wipe(frame, sizeof frame);
}

int ms_equal(const void *a, const void *b, size_t length)
{
    const uint8_t *x = a, *y = b;
    uint32_t difference = 0;
    for (size_t i = 0; i < length; i++) {
        difference |= x[i] ^ y[i];
    }
    return (int)((opaque(difference) - 1) >> 31); /* difference is 0 to 255 */
}
