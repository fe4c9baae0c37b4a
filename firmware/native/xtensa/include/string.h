/* Of the C library, what is used: LLVM brings no headers of a C library for Xtensa. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memchr(const void *s, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
char *strchr(const char *s, int c);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strcpy(char *to, const char *from);
size_t strcspn(const char *s, const char *reject);
size_t strlen(const char *s);

#endif
