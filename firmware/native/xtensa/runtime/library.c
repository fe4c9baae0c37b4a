/* Of stdio and stdlib, what tests/c uses. */
#include "linux.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
    int number;
    size_t at, length;
    char buffer[4096];
};

/* Written at once when a line ends, or when it is full. */
static FILE standard_out = {.number = 1}, standard_error = {.number = 2}, opened = {.number = -1};
FILE *const stdout = &standard_out, *const stderr = &standard_error;

static void flush(FILE *file)
{
    linux_write(file->number, file->buffer, file->length);
    file->length = 0;
}

_Noreturn void exit(int status)
{
    flush(stdout);
    flush(stderr);
    linux_exit(status);
}

_Noreturn void abort(void)
{
    exit(134);
}

/* What is freed is not used again: tests take one block or two. */
void *calloc(size_t count, size_t size)
{
    static _Alignas(8) uint8_t heap[1 << 17]; /* zeros */
    static size_t used;
    size_t bytes = (count * size + 7) & ~(size_t)7;
    if (bytes > sizeof heap - used) {
        return NULL;
    }
    used += bytes;
    return heap + used - bytes;
}

void free(void *block)
{
    (void)block;
}

FILE *fopen(const char *path, const char *mode)
{
    int number = strcmp(mode, "r") == 0 && opened.number < 0 ? linux_open(path, 0) : -1;
    if (number < 0) {
        return NULL;
    }
    opened.number = number;
    opened.at = opened.length = 0;
    return &opened;
}

int fclose(FILE *file)
{
    linux_close(file->number);
    file->number = -1;
    return 0;
}

char *fgets(char *text, int size, FILE *file)
{
    int n = 0;
    while (n < size - 1) {
        if (file->at == file->length) {
            int got = linux_read(file->number, file->buffer, sizeof file->buffer);
            if (got <= 0) {
                break;
            }
            file->at = 0;
            file->length = (size_t)got;
        }
        text[n] = file->buffer[file->at++];
        if (text[n++] == '\n') {
            break;
        }
    }
    text[n] = 0;
    return n ? text : NULL;
}

int fputc(int c, FILE *file)
{
    file->buffer[file->length++] = (char)c;
    if (c == '\n' || file->length == sizeof file->buffer) {
        flush(file);
    }
    return c;
}

/* %s, %d, %u, %x, %c with l or z before them and -, 0 and a width: whatever else there is ends the program. */
static void print(FILE *file, const char *format, va_list list)
{
    for (; *format; format++) {
        if (*format != '%') {
            fputc(*format, file);
            continue;
        }
        format++;
        int left = *format == '-', width = 0;
        char pad = *format == '0' ? '0' : ' ';
        format += left;
        for (; *format >= '0' && *format <= '9'; format++) {
            width = 10 * width + *format - '0';
        }
        format += *format == 'l' || *format == 'z';
        char digits[12], *text = digits + sizeof digits - 1;
        *text = 0;
        if (*format == 's') {
            text = va_arg(list, char *);
        } else if (*format == 'c') {
            *--text = (char)va_arg(list, int);
        } else if (*format == 'd' || *format == 'u' || *format == 'x') {
            uint32_t number = va_arg(list, uint32_t), base = *format == 'x' ? 16 : 10;
            int negative = *format == 'd' && (int32_t)number < 0;
            number = negative ? -number : number;
            do {
                *--text = "0123456789abcdef"[number % base];
                number /= base;
            } while (number);
            if (negative) {
                *--text = '-';
            }
        } else {
            abort();
        }
        int rest = width - (int)strlen(text);
        for (; !left && rest > 0; rest--) {
            fputc(pad, file);
        }
        while (*text) {
            fputc(*text++, file);
        }
        for (; rest > 0; rest--) {
            fputc(' ', file);
        }
    }
}

int fprintf(FILE *file, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print(file, format, list);
    va_end(list);
    return 0;
}

int printf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print(stdout, format, list);
    va_end(list);
    return 0;
}
