/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pin directory and what load.c and attach.c share to work in it.
 */
#ifndef KERNEL_PINS_H
#define KERNEL_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PINS_PATH_LEN 256

/* pin_dir or the default when it is NULL. */
const char *pins_dir(const char *pin_dir);

/* "<dir>/<sub>/<name>"; sub may be NULL. -ENAMETOOLONG. */
int pins_path(char ret[PINS_PATH_LEN], const char *dir, const char *sub,
	      const char *name);

/* Makes the directory with progs/ and links/ (0700), mounting the bpf file
 * system at /sys/fs/bpf when it belongs there and is not mounted. msg says
 * what to do on failure. */
int pins_prepare(const char *dir, char *msg, size_t msg_len);

/* Serialises everybody who changes pins. Returns a descriptor to close(), or
 * -errno; -ENOENT without the directory. */
int pins_lock(const char *dir);

/* Opens a pinned object: descriptor or -errno. */
int pins_get(const char *path);

/* Pins fd at path, in one step replacing what was there. */
int pins_put(int fd, const char *path);

/* Removes a pin, and what a process has left beside it that was killed over
 * pins_put(). */
void pins_remove(const char *path);

/* The capabilities that are needed and missing, each with a blank in front,
 * "" when none is. Returns true when one is missing. */
bool pins_caps_missing(char *ret, size_t ret_len);

/* Explains -EPERM: which of the needed capabilities is missing. */
void pins_explain_eperm(char *msg, size_t msg_len, const char *what);

/* snprintf() that ignores truncation. */
void msg_set(char *msg, size_t msg_len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
