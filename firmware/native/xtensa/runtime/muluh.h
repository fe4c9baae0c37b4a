#ifndef MULUH_H
#define MULUH_H

#include <stdint.h>

/* From now on, MULUH works. */
void muluh_install(void);

/* Where substitutes lie: no further than 128 KB from the code that uses MULUH. */
extern uint8_t muluh_stubs[], muluh_stubs_end[];

#endif
