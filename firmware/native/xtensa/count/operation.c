/*
 * Runs one operation of the core, for the plugin of qemu that counts:
 *
 *   operation NAME SUITE HEX...      base_mul k | ecdh k P | mul_add k P A | sign d Q rand | verify Q sig
 *
 * prints its result in hexadecimal. It runs twice, and the second time is between two calls that the plugin looks for.
 */
#include "microseal_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "m1"
#define CONTEXT "plant/3/level"
#define MESSAGE "21.5 C, 47 %, 1013 hPa, ok"

static uint8_t in[3][64], out[64];
static size_t length;

void count_begin(void);
void count_end(void);

__attribute__((noinline)) void count_begin(void)
{
    __asm__ volatile("");
}

__attribute__((noinline)) void count_end(void)
{
    __asm__ volatile("");
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static ms_error run(const char *name, uint8_t suite)
{
    if (strcmp(name, "base_mul") == 0) {
        length = 33;
        return ms_base_mul(suite, in[0], out);
    }
    if (strcmp(name, "ecdh") == 0) {
        length = 32;
        return ms_ecdh(suite, in[0], in[1], out);
    }
    if (strcmp(name, "mul_add") == 0) {
        length = 33;
        return ms_mul_add(suite, in[0], in[1], in[2], out);
    }
    if (strcmp(name, "sign") == 0) {
        length = 64;
        return ms_sign(suite, in[0], in[1], LABEL, sizeof LABEL - 1, CONTEXT, sizeof CONTEXT - 1, MESSAGE,
                       sizeof MESSAGE - 1, in[2], out);
    }
    if (strcmp(name, "verify") == 0) {
        length = 0;
        return ms_verify(suite, in[0], LABEL, sizeof LABEL - 1, CONTEXT, sizeof CONTEXT - 1, MESSAGE,
                         sizeof MESSAGE - 1, in[1]);
    }
    exit(2);
}

int main(int count, char **arguments)
{
    if (count < 3 || count > 6) {
        return 2;
    }
    uint8_t suite = (uint8_t)(arguments[2][0] - '0');
    for (int i = 3; i < count; i++) {
        for (size_t j = 0; arguments[i][j] && j < 128; j++) {
            in[i - 3][j / 2] = (uint8_t)(in[i - 3][j / 2] << 4 | digit(arguments[i][j]));
        }
    }
    ms_error error = run(arguments[1], suite);
    count_begin();
    error |= run(arguments[1], suite);
    count_end();
    for (size_t i = 0; i < length; i++) {
        printf("%02x", out[i]);
    }
    printf("\n");
    return error != MS_OK;
}
