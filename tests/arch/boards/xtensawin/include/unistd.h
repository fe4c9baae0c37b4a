/* Of the C library, what MicroPython uses. */
#ifndef UNISTD_H
#define UNISTD_H

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

typedef int ssize_t;

#endif
