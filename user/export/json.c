/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/json.h"

#include <assert.h>
#include <math.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void jw_quote(struct buf *b, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = strlen(s), i = 0;

	buf_putc(b, '"');
	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		size_t len = utf8_char(s + i, n - i);

		if (c == '"' || c == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, (char)c);
		} else if (c < 0x20 || c == 0x7f) {
			buf_puts(b, "\\u00");
			buf_putc(b, hex[c >> 4]);
			buf_putc(b, hex[c & 15]);
		} else if (len) {
			buf_put(b, s + i, len);
		} else {
			buf_puts(b, REPLACEMENT);
		}
		i += len ? len : 1;
	}
	buf_putc(b, '"');
}

static void lead(struct jw *j, const char *key)
{
	if (j->some[j->depth])
		buf_putc(j->b, ',');
	j->some[j->depth] = true;
	if (key) {
		jw_quote(j->b, key);
		buf_putc(j->b, ':');
	}
}

static void open_with(struct jw *j, const char *key, char c)
{
	lead(j, key);
	buf_putc(j->b, c);
	assert(j->depth + 1 < JW_DEPTH);
	j->some[++j->depth] = false;
}

static void close_with(struct jw *j, char c)
{
	assert(j->depth > 0);
	j->depth--;
	buf_putc(j->b, c);
}

void jw_object(struct jw *j, const char *key)
{
	open_with(j, key, '{');
}

void jw_array(struct jw *j, const char *key)
{
	open_with(j, key, '[');
}

void jw_end(struct jw *j)
{
	close_with(j, '}');
}

void jw_close(struct jw *j)
{
	close_with(j, ']');
}

void jw_str(struct jw *j, const char *key, const char *v)
{
	if (!v) {
		jw_null(j, key);
		return;
	}
	lead(j, key);
	jw_quote(j->b, v);
}

void jw_u64(struct jw *j, const char *key, uint64_t v)
{
	lead(j, key);
	buf_u64(j->b, v);
}

void jw_i64(struct jw *j, const char *key, int64_t v)
{
	lead(j, key);
	buf_i64(j->b, v);
}

void jw_f64(struct jw *j, const char *key, double v)
{
	lead(j, key);
	if (!isfinite(v))
		buf_puts(j->b, "null");
	else
		buf_printf(j->b, "%.12g", v);
}

void jw_bool(struct jw *j, const char *key, bool v)
{
	lead(j, key);
	buf_puts(j->b, v ? "true" : "false");
}

void jw_null(struct jw *j, const char *key)
{
	lead(j, key);
	buf_puts(j->b, "null");
}
