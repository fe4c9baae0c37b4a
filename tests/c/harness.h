/* What every C test needs: checks that say where they failed, and cases of the vector files. */
#ifndef HARNESS_H
#define HARNESS_H

#include "microseal_core.h"

#include <stddef.h>
#include <stdint.h>

/* Counts a failure, and says where. The test goes on. */
#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)
void check(int good, const char *text, const char *file, int line);

/* Whether two byte strings are equal; shows both if not. */
#define CHECK_BYTES(found, expected, length) check_bytes(found, expected, length, #found, __FILE__, __LINE__)
void check_bytes(const void *found, const void *expected, size_t length, const char *text, const char *file, int line);

/* Prints the number of checks; returns main's exit code. */
int finish(const char *name);

/* Bytes with no pattern, the same in every run. */
void fill(void *buffer, size_t length);

typedef struct {
    const uint8_t *bytes; /* null if the case has no such field */
    size_t length;
} field;

/* A case of a vector file: see vectors/make_vectors.py for the form. */
typedef struct {
    const char *file;
    int line;
    char operation[32];
    char error[32]; /* name of a ms_error; empty if the operation succeeds */
    int count;
    struct {
        char name[32];
        uint8_t bytes[1024];
        size_t length;
    } fields[12];
} vector;

/* Calls run for every case of the file; ends the test if there is none, or if the file cannot be read. */
void for_each_vector(const char *path, void (*run)(const vector *v));

/* The field of that name; without such a field its bytes are null. */
field get(const vector *v, const char *name);

/* The same, of exactly this length: anything else ends the test. */
const uint8_t *need(const vector *v, const char *name, size_t length);

/* Whether error has the name that the case expects, MS_OK if it expects none. */
int as_expected(const vector *v, ms_error error);

#endif
