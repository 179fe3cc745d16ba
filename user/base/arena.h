/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is given back all at once: for parsed documents, whose parts
 * live exactly as long as the whole.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena { /* zeroed is empty */
	struct arena_chunk *head;
};

/* Zeroed memory, aligned for anything; NULL: no memory. size 0 is 1. */
void *arena_alloc(struct arena *a, size_t size);

/* A NUL-terminated copy of len bytes; NULL: no memory. */
char *arena_strndup(struct arena *a, const char *s, size_t len);

/* Gives back everything; the arena is empty afterwards. */
void arena_done(struct arena *a);

#endif
