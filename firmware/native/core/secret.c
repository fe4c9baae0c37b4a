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

/* What lies between the caller's frame and the functions that erase for themselves elsewhere. */
#define MORE (MS_CALLER_BURNS ? 384 : 0)

MS_NOINLINE void erase_stack(void)
{
    uint8_t frame[(sizeof(void *) == 4 ? 1792 : 2048) + MORE];
    ms_wipe(frame, sizeof frame);
}

MS_NOINLINE void erase_stack_shallow(void)
{
    uint8_t frame[(sizeof(void *) == 4 ? 768 : 928) + MORE];
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
