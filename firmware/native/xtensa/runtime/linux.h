/* The system calls that programs under qemu-xtensa make. Results as Linux gives them: negative for errors. */
#ifndef LINUX_H
#define LINUX_H

#include <stddef.h>

_Noreturn void linux_exit(int status);
int linux_open(const char *path, int flags);
int linux_close(int file);
int linux_read(int file, void *to, size_t size);
int linux_write(int file, const void *from, size_t size);
int linux_sigaction(int signal, const void *action, void *before, size_t mask_size);

#endif
