/* See harness.h. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long checks, failures;
static const vector *current;

static void say_where(const char *text, const char *file, int line)
{
    failures++;
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, text);
    if (current) {
        fprintf(stderr, "    case %s:%d %s\n", current->file, current->line, current->operation);
    }
}

void check(int good, const char *text, const char *file, int line)
{
    checks++;
    if (!good) {
        say_where(text, file, line);
    }
}

static void show(const char *name, const uint8_t *bytes, size_t length)
{
    fprintf(stderr, "    %-8s ", name);
    for (size_t i = 0; i < length; i++) {
        fprintf(stderr, "%02x", bytes[i]);
    }
    fputc('\n', stderr);
}

void check_bytes(const void *found, const void *expected, size_t length, const char *text, const char *file, int line)
{
    checks++;
    if (length && memcmp(found, expected, length) != 0) {
        say_where(text, file, line);
        show("found", found, length);
        show("expected", expected, length);
    }
}

int finish(const char *name)
{
    printf("%s: %ld checks, %ld failed\n", name, checks, failures);
    return failures != 0 || checks == 0;
}

void fill(void *buffer, size_t length)
{
    static uint64_t state = 1;
    uint8_t *p = buffer;
    for (size_t i = 0; i < length; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (uint8_t)(state >> 56);
    }
}

static _Noreturn void die(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(2);
}

static unsigned digit(const vector *v, char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a' + 10);
    }
    die(v->file, v->line, "not a hexadecimal digit");
}

static void copy_name(const vector *v, char to[32], const char *name)
{
    if (strlen(name) >= 32) {
        die(v->file, v->line, "name does not fit");
    }
    strcpy(to, name);
}

static void add_field(vector *v, const char *name, const char *value)
{
    size_t limit = sizeof v->fields / sizeof v->fields[0];
    size_t digits = strlen(value);
    if ((size_t)v->count == limit || strlen(name) >= sizeof v->fields[0].name || digits % 2 ||
        digits / 2 > sizeof v->fields[0].bytes) {
        die(v->file, v->line, "field does not fit");
    }
    strcpy(v->fields[v->count].name, name);
    v->fields[v->count].length = digits / 2;
    for (size_t i = 0; i < digits; i += 2) {
        v->fields[v->count].bytes[i / 2] = (uint8_t)(digit(v, value[i]) << 4 | digit(v, value[i + 1]));
    }
    v->count++;
}

void for_each_vector(const char *path, void (*run)(const vector *v))
{
    static vector v;
    static char text[4096];
    long cases = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        die(path, 0, "cannot be read");
    }
    memset(&v, 0, sizeof v);
    v.file = path;
    current = &v;
    for (;;) {
        char *end = fgets(text, sizeof text, file);
        v.line++;
        size_t length = end ? strcspn(text, "\n") : 0;
        text[length] = 0;
        if (length == 0) {
            if (v.operation[0]) {
                run(&v);
                cases++;
            }
            v.operation[0] = v.error[0] = 0;
            v.count = 0;
            if (!end) {
                break;
            }
        } else if (text[0] != '#') {
            char *value = strchr(text, ' ');
            if (value) {
                *value++ = 0;
            }
            if (!v.operation[0]) {
                copy_name(&v, v.operation, text);
            } else if (strcmp(text, "error") == 0) {
                copy_name(&v, v.error, value ? value : "");
            } else {
                add_field(&v, text, value ? value : "");
            }
        }
    }
    fclose(file);
    current = NULL;
    if (cases == 0) {
        die(path, 0, "has no cases");
    }
}

field get(const vector *v, const char *name)
{
    for (int i = 0; i < v->count; i++) {
        if (strcmp(v->fields[i].name, name) == 0) {
            return (field){v->fields[i].bytes, v->fields[i].length};
        }
    }
    return (field){NULL, 0};
}

const uint8_t *need(const vector *v, const char *name, size_t length)
{
    field f = get(v, name);
    if (!f.bytes || f.length != length) {
        fprintf(stderr, "field %s: ", name);
        die(v->file, v->line, "missing or not as long as it should be");
    }
    return f.bytes;
}

int as_expected(const vector *v, ms_error error)
{
    static const struct {
        ms_error error;
        const char *name;
    } names[] = {
        {MS_OK, ""},
        {MS_ERR_SUITE, "MS_ERR_SUITE"},
        {MS_ERR_LENGTH, "MS_ERR_LENGTH"},
        {MS_ERR_SCALAR, "MS_ERR_SCALAR"},
        {MS_ERR_POINT, "MS_ERR_POINT"},
        {MS_ERR_INFINITY, "MS_ERR_INFINITY"},
        {MS_ERR_ZERO, "MS_ERR_ZERO"},
        {MS_ERR_CERTIFICATE, "MS_ERR_CERTIFICATE"},
        {MS_ERR_SIGNATURE, "MS_ERR_SIGNATURE"},
        {MS_ERR_TAG, "MS_ERR_TAG"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].error == error) {
            return strcmp(names[i].name, v->error) == 0;
        }
    }
    return 0;
}
