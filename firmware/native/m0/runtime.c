/* The functions that GCC calls by itself; in an .mpy they are MicroPython's. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (((uintptr_t)t | (uintptr_t)f) % 4 == 0) {
        for (; n >= 4; n -= 4, t += 4, f += 4) {
            *(uint32_t *)(void *)t = *(const uint32_t *)(const void *)f;
        }
    }
    while (n--) {
        *t++ = *f++;
        __asm__(""); /* or GCC makes this loop a call of memcpy */
    }
    return to;
}

void *memset(void *to, int value, size_t n)
{
    uint8_t *t = to;
    for (; n && (uintptr_t)t % 4; n--) {
        *t++ = (uint8_t)value;
    }
    for (; n >= 4; n -= 4, t += 4) {
        *(uint32_t *)(void *)t = (uint8_t)value * 0x01010101u;
        __asm__("");
    }
    while (n--) {
        *t++ = (uint8_t)value;
        __asm__("");
    }
    return to;
}
