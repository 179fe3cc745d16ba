/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

char *buf_room(struct buf *b, size_t n)
{
	if (b->failed)
		return NULL;
	if (b->cap - b->len >= n)
		return b->p + b->len;
	size_t cap = b->cap ? b->cap : 256;

	if (n > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
		b->failed = true;
		return NULL;
	}
	while (cap - b->len < n)
		cap *= 2;
	char *p = realloc(b->p, cap);

	if (!p) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return b->p + b->len;
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void buf_u64(struct buf *b, uint64_t v)
{
	char d[20];
	size_t at = sizeof(d);

	do {
		d[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_put(b, d + at, sizeof(d) - at);
}

void buf_i64(struct buf *b, int64_t v)
{
	if (v < 0) {
		buf_putc(b, '-');
		buf_u64(b, (uint64_t)0 - (uint64_t)v);
		return;
	}
	buf_u64(b, (uint64_t)v);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	va_end(ap);
	if (n < 0)
		b->failed = true;
	else if ((size_t)n < sizeof(text))
		buf_put(b, text, (size_t)n);
	else {
		char *to = buf_room(b, (size_t)n + 1);

		if (!to)
			return;
		va_start(ap, fmt);
		(void)vsnprintf(to, (size_t)n + 1, fmt, ap);
		va_end(ap);
		b->len += (size_t)n;
	}
}
