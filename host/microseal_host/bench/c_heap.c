/*
 * For LD_PRELOAD: counts what a process has from malloc. The file named by C_HEAP, which has 16 bytes, always holds two
 * words of the host: the bytes in use, and the most there were. Who writes the second begins anew.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

static int64_t apart[2];
static int64_t *heap = apart;

__attribute__((constructor)) static void open_file(void)
{
    const char *name = getenv("C_HEAP");
    int file = name ? open(name, O_RDWR) : -1;
    if (file >= 0) {
        void *shared = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (shared != MAP_FAILED) {
            heap = shared;
            heap[0] = heap[1] = apart[0];
        }
        close(file);
    }
}

static void *taken(void *block)
{
    int64_t now = __atomic_add_fetch(&heap[0], (int64_t)malloc_usable_size(block), __ATOMIC_RELAXED);
    if (now > heap[1]) {
        heap[1] = now;
    }
    return block;
}

static void given(void *block)
{
    __atomic_sub_fetch(&heap[0], (int64_t)malloc_usable_size(block), __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    return taken(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return taken(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    size_t before = malloc_usable_size(old);
    void *block = __libc_realloc(old, size);
    if (block || !size) {
        __atomic_sub_fetch(&heap[0], (int64_t)before, __ATOMIC_RELAXED);
        return taken(block);
    }
    return NULL;
}

void free(void *old)
{
    given(old);
    __libc_free(old);
}
