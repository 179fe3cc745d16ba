/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing byte buffer. Running out of memory is sticky: the buffer then
 * takes nothing more and says so in `failed`, to be asked once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *p; /* not NUL-terminated; NULL while nothing was put in */
	size_t len;
	size_t cap;
	bool failed;
};

/* Room for n more bytes: where they go, or NULL (and failed). The caller
 * writes there and adds to len. */
char *buf_room(struct buf *b, size_t n);
void buf_free(struct buf *b);

static inline void buf_put(struct buf *b, const void *data, size_t n)
{
	char *to = n ? buf_room(b, n) : NULL;

	if (to) {
		memcpy(to, data, n);
		b->len += n;
	}
}

static inline void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

static inline void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
