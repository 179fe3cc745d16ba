/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole files into memory. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads exactly len bytes at off: 0, -errno, or -EBADMSG when the file ends
 * before. */
int file_pread(int fd, void *buf, size_t len, off_t off);

/* Reads a regular file of at most max bytes into fresh memory, with a NUL
 * behind it; the caller frees *ret. 0, -errno, -EFBIG, -ENOMEM. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_len);

#endif
