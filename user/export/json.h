/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming JSON writer (RFC 8259) into a buffer. It puts the commas;
 * integers are written whole, with all 64 bits; strings are escaped and made
 * valid UTF-8; numbers that JSON cannot say become null. `key` is NULL inside
 * an array and for the outermost value.
 */
#ifndef EXPORT_JSON_H
#define EXPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH 32

struct json {
	struct buf *b;
	unsigned depth;
	bool some[JSON_DEPTH]; /* there is a value before, in this depth */
};

static inline struct json json_init(struct buf *b)
{
	return (struct json){.b = b};
}

void json_object(struct json *j, const char *key); /* json_end() closes */
void json_array(struct json *j, const char *key);  /* json_close() closes */
void json_end(struct json *j);
void json_close(struct json *j);

void json_str(struct json *j, const char *key, const char *v); /* NULL: null */
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
void json_f64(struct json *j, const char *key, double v);
void json_bool(struct json *j, const char *key, bool v);
void json_null(struct json *j, const char *key);

/* A string with its quotes. */
void json_quote(struct buf *b, const char *s);

#endif
