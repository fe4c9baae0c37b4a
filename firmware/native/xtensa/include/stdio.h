#ifndef STDIO_H
#define STDIO_H

#include <stddef.h>

#define EOF (-1)

typedef struct file FILE;

extern FILE *const stdout, *const stderr;

FILE *fopen(const char *path, const char *mode); /* for reading; one at a time */
char *fgets(char *text, int size, FILE *file);
int fclose(FILE *file);
int fputc(int c, FILE *file);
int fprintf(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
