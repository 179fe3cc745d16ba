/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/overrides.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define OVERRIDES_FILE_MAX (64u << 20)
#define OVERRIDES_LINE_MAX 512

struct overrides_item {
	struct override o;
	unsigned line;
};

struct overrides_list {
	struct overrides_item *v;
	size_t n, cap;
};

__attribute__((format(printf, 3, 4))) static int
overrides_fail(struct overrides_error *e, unsigned line, const char *fmt, ...)
{
	va_list ap;

	e->line = line;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool overrides_asn(const char *s, uint32_t *ret)
{
	uint64_t v = 0;

	if ((s[0] == 'A' || s[0] == 'a') && (s[1] == 'S' || s[1] == 's'))
		s += 2;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)v;
	return true;
}

/* The address of "192.0.2.1/24" with its host bits cleared, as a cure. */
static bool overrides_cure(const char *s, char *buf)
{
	char addr[64];
	const char *slash = strchr(s, '/');
	struct prefix p;
	struct addr a;
	unsigned long len;

	if (!slash || (size_t)(slash - s) >= sizeof(addr))
		return false;
	memcpy(addr, s, (size_t)(slash - s));
	addr[slash - s] = '\0';
	len = strtoul(slash + 1, NULL, 10);
	if (addr_parse(addr, &a) != 0 || len > family_bits(a.family))
		return false;
	p = prefix_mask((struct prefix){.hi = a.hi,
					.lo = a.lo,
					.len = (uint8_t)len,
					.family = (uint8_t)a.family});
	(void)prefix_str(&p, buf);
	return true;
}

/* One line, in place; a line without content leaves *ret_used false. */
static int overrides_line(char *s, unsigned line, struct override *ret,
			  bool *ret_used, struct overrides_error *err)
{
	static const char blank[] = " \t\r";
	char *save = NULL, *prefix, *asn, *more, cure[PREFIX_STRLEN];
	int rc;

	s[strcspn(s, "#")] = '\0';
	*ret_used = false;
	prefix = strtok_r(s, blank, &save);
	if (!prefix)
		return 0;
	asn = strtok_r(NULL, blank, &save);
	more = strtok_r(NULL, blank, &save);
	if (!asn)
		return overrides_fail(err, line,
				      "an AS number must follow the prefix, as "
				      "in \"%.60s 64500\"",
				      prefix);
	if (more)
		return overrides_fail(
			err, line, "unexpected \"%.40s\" behind the AS number",
			more);
	rc = prefix_parse(prefix, &ret->prefix);
	if (rc == -EDOM && overrides_cure(prefix, cure))
		return overrides_fail(err, line,
				      "\"%.60s\" has bits set beyond its "
				      "length; did you mean %s?",
				      prefix, cure);
	if (rc != 0)
		return overrides_fail(err, line,
				      "\"%.60s\" is not a prefix such as "
				      "192.0.2.0/24 or 2001:db8::/32",
				      prefix);
	if (!overrides_asn(asn, &ret->asn))
		return overrides_fail(
			err, line,
			"\"%.40s\" is not an AS number (1 to 4294967295)", asn);
	if (ret->asn == 0)
		return overrides_fail(
			err, line,
			"AS 0 is reserved (RFC 7607) and stands for no route");
	*ret_used = true;
	return 0;
}

static int overrides_cmp(const void *a, const void *b)
{
	const struct overrides_item *x = a, *y = b;
	const struct prefix *p = &x->o.prefix, *q = &y->o.prefix;

	if (p->family != q->family)
		return p->family < q->family ? -1 : 1;
	if (p->hi != q->hi)
		return p->hi < q->hi ? -1 : 1;
	if (p->lo != q->lo)
		return p->lo < q->lo ? -1 : 1;
	if (p->len != q->len)
		return p->len < q->len ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static int overrides_add(struct overrides_list *l, struct override o,
			 unsigned line)
{
	if (l->n == OVERRIDES_MAX)
		return -E2BIG;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		void *v = realloc(l->v, cap * sizeof(*l->v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = (struct overrides_item){o, line};
	return 0;
}

static int overrides_lines(const char *text, size_t len,
			   struct overrides_list *l, struct overrides_error *e)
{
	const char *p = text, *end = len ? text + len : text;
	unsigned line = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		char buf[OVERRIDES_LINE_MAX];
		struct override o;
		bool used;
		int err;

		line++;
		if (n >= sizeof(buf) || memchr(p, '\0', n))
			return overrides_fail(e, line, "not a line of text");
		memcpy(buf, p, n);
		buf[n] = '\0';
		p = nl ? nl + 1 : end;
		err = overrides_line(buf, line, &o, &used, e);
		if (!err && used)
			err = overrides_add(l, o, line);
		if (err)
			return err;
	}
	return 0;
}

/* Sorts; a prefix that appears twice is an error. */
static int overrides_seal(struct overrides_list *l, struct overrides_error *e)
{
	char buf[PREFIX_STRLEN];

	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), overrides_cmp);
	for (size_t i = 1; i < l->n; i++)
		if (prefix_equal(&l->v[i].o.prefix, &l->v[i - 1].o.prefix))
			return overrides_fail(
				e, l->v[i].line, "%s is already in line %u",
				prefix_str(&l->v[i].o.prefix, buf),
				l->v[i - 1].line);
	return 0;
}

int overrides_parse(const char *text, size_t len, struct overrides *ret,
		    struct overrides_error *ret_err)
{
	struct overrides_error own, *e = ret_err ? ret_err : &own;
	struct overrides_list l = {0};
	struct overrides out = {0};
	int err;

	*e = (struct overrides_error){0};
	err = overrides_lines(text, len, &l, e);
	if (!err)
		err = overrides_seal(&l, e);
	if (!err && l.n > 0) {
		out.v = calloc(l.n, sizeof(*out.v));
		if (!out.v)
			err = -ENOMEM;
	}
	if (!err) {
		for (; out.n < l.n; out.n++)
			out.v[out.n] = l.v[out.n].o;
		*ret = out;
	}
	free(l.v);
	return err;
}

int overrides_load(const char *path, struct overrides *ret,
		   struct overrides_error *ret_err)
{
	char *text;
	size_t len;
	int err;

	if (ret_err)
		*ret_err = (struct overrides_error){0};
	err = file_read(path, OVERRIDES_FILE_MAX, &text, &len);
	if (err)
		return err;
	err = overrides_parse(text, len, ret, ret_err);
	free(text);
	return err;
}

void overrides_free(struct overrides *o)
{
	free(o->v);
	*o = (struct overrides){0};
}
