/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming JSON writer (RFC 8259) into a buffer (jw_, so as not to be
 * mistaken for jansson, which reads). It puts the commas;
 * integers are written whole, with all 64 bits; strings are escaped and made
 * valid UTF-8; numbers that JSON cannot say become null. `key` is NULL inside
 * an array and for the outermost value.
 */
#ifndef EXPORT_JSON_H
#define EXPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JW_DEPTH 32

struct jw {
	struct buf *b;
	unsigned depth;
	bool some[JW_DEPTH]; /* there is a value before, in this depth */
};

static inline struct jw jw_init(struct buf *b)
{
	return (struct jw){.b = b};
}

void jw_object(struct jw *j, const char *key); /* jw_end() closes */
void jw_array(struct jw *j, const char *key);  /* jw_close() closes */
void jw_end(struct jw *j);
void jw_close(struct jw *j);

void jw_str(struct jw *j, const char *key, const char *v); /* NULL: null */
void jw_u64(struct jw *j, const char *key, uint64_t v);
void jw_i64(struct jw *j, const char *key, int64_t v);
void jw_f64(struct jw *j, const char *key, double v);
void jw_bool(struct jw *j, const char *key, bool v);
void jw_null(struct jw *j, const char *key);

/* A string with its quotes. */
void jw_quote(struct buf *b, const char *s);

#endif
