#ifndef STDLIB_H
#define STDLIB_H

#include <stddef.h>

_Noreturn void abort(void);
_Noreturn void exit(int status);
void *calloc(size_t count, size_t size);
void free(void *block);

#endif
