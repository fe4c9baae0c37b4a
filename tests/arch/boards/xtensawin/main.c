/* MicroPython with a REPL on its standard input and output. Its argument is a file, taken to `files` in memory. */
#include "py/compile.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/persistentcode.h"
#include "py/runtime.h"
#include "shared/runtime/pyexec.h"

#include "linux.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

extern char stack_end[], native_code[], native_code_end[], gc_heap[], gc_heap_end[], files[], files_end[];

int main(int count, char **arguments);

static void take_files(const char *path)
{
    int file = linux_open(path, 0), got = 0;
    for (char *to = files; file >= 0 && (got = linux_read(file, to, (size_t)(files_end - to))) > 0;) {
        to += got;
    }
    if (file < 0 || got < 0) {
        exit(2);
    }
    linux_close(file);
}

int main(int count, char **arguments)
{
    if (count > 1) {
        take_files(arguments[1]);
    }
    mp_cstack_init_with_top(stack_end, 32768);
    gc_init(gc_heap, gc_heap_end);
    mp_init();
    while (pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? !pyexec_raw_repl() : !pyexec_friendly_repl()) {
    }
    return 0;
}

/* As in ESP32's port, native code is loaded to the heap, and then copied to where it will run. */
void *commit_code(void *code, size_t length, void *relocation)
{
    static char *next = native_code;
    char *place = next;
    if (length > (size_t)(native_code_end - place)) {
        m_malloc_fail(length);
    }
    if (relocation) {
        mp_native_relocate(relocation, code, (uintptr_t)place);
    }
    memcpy(place, code, length);
    next += (length + 3) & ~(size_t)3;
    return place;
}

/* In a frame of its own, as there is a register or another below that of the caller. */
__attribute__((noinline)) static void collect_stack(void)
{
    void *volatile here = NULL;
    gc_collect_root((void **)&here, (size_t)(stack_end - (char *)&here) / sizeof(void *));
}

void gc_collect(void)
{
    jmp_buf spilled;
    gc_collect_start();
    setjmp(spilled);
    collect_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *value)
{
    (void)value;
    exit(1);
}

int mp_hal_stdin_rx_chr(void)
{
    char c;
    if (linux_read(0, &c, 1) != 1) {
        exit(0);
    }
    return (unsigned char)c;
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length)
{
    linux_write(1, text, length);
    return length;
}
