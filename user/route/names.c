/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "route/loc.h"

#define NAMES_FILE_MAX (64u << 20)

/* A sorted list of names; the texts follow each other in `pool`. */
struct names_entry {
	uint32_t asn;
	uint32_t line; /* order of appearance: the later one wins */
	uint32_t off;
};

struct names_file {
	struct names_entry *v;
	size_t n, cap;
	char *pool;
	size_t used, room;
};

struct names_own {
	uint32_t asn;
	char *name;
};

struct names {
	struct names_own *own; /* sorted by number */
	size_t n_own;
	struct names_file *file;
	struct loc_db *loc;
};

/* ------------------------------------------------------------ the parser */

/* One line, without its end. */
struct names_line {
	const char *p;
	const char *end;
};

/* "64500" or "AS64500" at the cursor. */
static bool names_number(struct names_line *l, uint32_t *ret)
{
	uint64_t v = 0;
	const char *digits;

	if (l->end - l->p >= 2 && (l->p[0] == 'A' || l->p[0] == 'a') &&
	    (l->p[1] == 'S' || l->p[1] == 's'))
		l->p += 2;
	digits = l->p;
	while (l->p < l->end && *l->p >= '0' && *l->p <= '9') {
		v = v * 10 + (uint64_t)(*l->p++ - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)v;
	return l->p > digits;
}

/* The second field of a CSV line, quotes undone, into buf. */
static size_t names_csv_field(struct names_line l, char *buf, size_t room)
{
	bool quoted = l.p < l.end && *l.p == '"';
	size_t n = 0;

	if (quoted)
		l.p++;
	for (; l.p < l.end && n < room; l.p++) {
		if (!quoted && *l.p == ',')
			break;
		if (quoted && *l.p == '"') {
			if (l.p + 1 == l.end || l.p[1] != '"')
				break;
			l.p++;
		}
		buf[n++] = *l.p;
	}
	return n;
}

static bool names_is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* What follows the number in "64500 NAME - Organisation, CC". */
static size_t names_text_field(struct names_line l, char *buf, size_t room)
{
	size_t n;

	while (l.p < l.end && (*l.p == ' ' || *l.p == '\t'))
		l.p++;
	while (l.end > l.p && (l.end[-1] == ' ' || l.end[-1] == '\t'))
		l.end--;
	if (l.end - l.p >= 4 && names_is_letter(l.end[-1]) &&
	    names_is_letter(l.end[-2]) && l.end[-3] == ' ' && l.end[-4] == ',')
		l.end -= 4;
	n = (size_t)(l.end - l.p);
	if (n > room)
		n = room;
	memcpy(buf, l.p, n);
	return n;
}

/* NULL, or what is wrong with the line. *ret_len is 0 for an AS that is
 * listed without a name. */
static const char *names_line_parse(struct names_line l, uint32_t *ret_asn,
				    char *buf, size_t room, size_t *ret_len)
{
	size_t n;

	while (l.p < l.end && (*l.p == ' ' || *l.p == '\t'))
		l.p++;
	if (l.p < l.end && *l.p == '"') {
		/* "AS64500","Name": the number may be quoted, too */
		l.p++;
		if (!names_number(&l, ret_asn) || l.p == l.end || *l.p != '"')
			return "does not start with an AS number";
		l.p++;
	} else if (!names_number(&l, ret_asn)) {
		return "does not start with an AS number";
	}
	if (l.p == l.end) {
		n = 0;
	} else if (*l.p == ',') {
		l.p++;
		n = names_csv_field(l, buf, room);
	} else if (*l.p == ' ' || *l.p == '\t') {
		n = names_text_field(l, buf, room);
	} else {
		return "no space or comma behind the AS number";
	}
	n = utf8_clean(buf, n, NAMES_LEN_MAX);
	while (n > 0 && buf[n - 1] == ' ')
		n--;
	*ret_len = n;
	return NULL;
}

/* ---------------------------------------------------------- the file */

static int names_grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t want = *cap ? *cap : 1024;
	void *q;

	if (need <= *cap)
		return 0;
	while (want < need)
		want *= 2;
	q = realloc(*p, want * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = want;
	return 0;
}

static int names_file_add(struct names_file *f, uint32_t asn, uint32_t line,
			  const char *name, size_t len)
{
	void *v = f->v, *pool = f->pool;
	int err;

	err = names_grow(&v, &f->cap, f->n + 1, sizeof(*f->v));
	f->v = v;
	if (err)
		return err;
	err = names_grow(&pool, &f->room, f->used + len + 1, 1);
	f->pool = pool;
	if (err)
		return err;
	f->v[f->n++] = (struct names_entry){asn, line, (uint32_t)f->used};
	memcpy(f->pool + f->used, name, len);
	f->pool[f->used + len] = '\0';
	f->used += len + 1;
	return 0;
}

static int names_entry_cmp(const void *a, const void *b)
{
	const struct names_entry *x = a, *y = b;

	if (x->asn != y->asn)
		return x->asn < y->asn ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Sorts, and keeps the last of each number. */
static void names_file_seal(struct names_file *f)
{
	size_t out = 0;

	if (f->n == 0)
		return;
	qsort(f->v, f->n, sizeof(*f->v), names_entry_cmp);
	for (size_t i = 0; i < f->n; i++) {
		if (i + 1 < f->n && f->v[i + 1].asn == f->v[i].asn)
			continue;
		f->v[out++] = f->v[i];
	}
	f->n = out;
}

static void names_complain(struct names_report *rep, unsigned line,
			   const char *what)
{
	if (rep->bad_lines++ > 0)
		return;
	rep->bad_line = line;
	(void)snprintf(rep->text, sizeof(rep->text), "line %u %s", line, what);
}

/* True for what carries no name but is not an error: blank, comment, the
 * heading of a CSV file. */
static bool names_line_skip(struct names_line l, unsigned line)
{
	while (l.p < l.end && (*l.p == ' ' || *l.p == '\t'))
		l.p++;
	if (l.p == l.end || *l.p == '#')
		return true;
	return line == 1 && l.end - l.p >= 4 && memcmp(l.p, "asn,", 4) == 0;
}

static int names_lines_parse(const char *text, size_t len, struct names_file *f,
			     struct names_report *rep)
{
	const char *p = text, *end = len ? text + len : text;
	char buf[NAMES_LEN_MAX * 4];
	unsigned line = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		struct names_line l = {p, nl ? nl : end};
		const char *what;
		uint32_t asn;
		size_t n;

		p = nl ? nl + 1 : end;
		line++;
		if (l.end > l.p && l.end[-1] == '\r')
			l.end--;
		if (names_line_skip(l, line))
			continue;
		what = names_line_parse(l, &asn, buf, sizeof(buf), &n);
		if (what)
			names_complain(rep, line, what);
		else if (n > 0 && names_file_add(f, asn, line, buf, n) != 0)
			return -ENOMEM;
	}
	return 0;
}

int names_file_parse(const char *text, size_t len, struct names_file **ret,
		     struct names_report *ret_rep)
{
	struct names_report own, *rep = ret_rep ? ret_rep : &own;
	struct names_file *f;
	int err;

	*rep = (struct names_report){0};
	if (len > NAMES_FILE_MAX)
		return -EFBIG;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	err = names_lines_parse(text, len, f, rep);
	if (!err && rep->bad_lines > f->n)
		err = -EBADMSG;
	if (!err && f->n == 0)
		err = -ENODATA;
	if (err) {
		names_file_free(f);
		return err;
	}
	names_file_seal(f);
	rep->names = f->n;
	*ret = f;
	return 0;
}

int names_file_load(const char *path, struct names_file **ret,
		    struct names_report *ret_rep)
{
	char *text;
	size_t len;
	int err;

	if (ret_rep)
		*ret_rep = (struct names_report){0};
	err = file_read(path, NAMES_FILE_MAX, &text, &len);
	if (err)
		return err;
	err = names_file_parse(text, len, ret, ret_rep);
	free(text);
	return err;
}

void names_file_free(struct names_file *f)
{
	if (!f)
		return;
	free(f->v);
	free(f->pool);
	free(f);
}

static const char *names_file_get(const struct names_file *f, uint32_t asn)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->v[mid].asn < asn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && f->v[lo].asn == asn ? f->pool + f->v[lo].off : NULL;
}

/* ------------------------------------------------------- the names in use */

/* IANA's registry of special-purpose AS numbers, and RFC 5398, 6996, 7300. */
static const struct {
	uint32_t first, last;
	const char *label;
} names_special[] = {
	{0, 0, "unknown"},
	{112, 112, "AS112 project"},
	{23456, 23456, "AS_TRANS"},
	{64496, 64511, "documentation"},
	{64512, 65534, "private"},
	{65535, 65535, "reserved"},
	{65536, 65551, "documentation"},
	{65552, 131071, "reserved"},
	{4200000000u, 4294967294u, "private"},
	{4294967295u, 4294967295u, "reserved"},
};

static const char *names_special_get(uint32_t asn)
{
	size_t n = sizeof(names_special) / sizeof(names_special[0]);

	for (size_t i = 0; i < n; i++)
		if (asn >= names_special[i].first &&
		    asn <= names_special[i].last)
			return names_special[i].label;
	return NULL;
}

struct names *names_new(void)
{
	return calloc(1, sizeof(struct names));
}

void names_free(struct names *n)
{
	if (!n)
		return;
	names_clear_overrides(n);
	names_file_free(n->file);
	loc_db_close(n->loc);
	free(n);
}

void names_use_file(struct names *n, struct names_file *f)
{
	names_file_free(n->file);
	n->file = f;
}

void names_use_loc(struct names *n, struct loc_db *db)
{
	loc_db_close(n->loc);
	n->loc = db;
}

/* Where the number is, or belongs, among the overrides. */
static size_t names_own_find(const struct names *n, uint32_t asn)
{
	size_t lo = 0, hi = n->n_own;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (n->own[mid].asn < asn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int names_override(struct names *n, uint32_t asn, const char *name)
{
	size_t at = names_own_find(n, asn);
	struct names_own *own;
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	copy[utf8_clean(copy, strlen(copy), NAMES_LEN_MAX)] = '\0';
	if (at < n->n_own && n->own[at].asn == asn) {
		free(n->own[at].name);
		n->own[at].name = copy;
		return 0;
	}
	own = realloc(n->own, (n->n_own + 1) * sizeof(*own));
	if (!own) {
		free(copy);
		return -ENOMEM;
	}
	memmove(own + at + 1, own + at, (n->n_own - at) * sizeof(*own));
	own[at] = (struct names_own){asn, copy};
	n->own = own;
	n->n_own++;
	return 0;
}

void names_clear_overrides(struct names *n)
{
	for (size_t i = 0; i < n->n_own; i++)
		free(n->own[i].name);
	free(n->own);
	n->own = NULL;
	n->n_own = 0;
}

const char *names_get(const struct names *n, uint32_t asn)
{
	size_t at = names_own_find(n, asn);
	const char *name = NULL;

	if (at < n->n_own && n->own[at].asn == asn)
		return n->own[at].name;
	if (n->file && asn != 0)
		name = names_file_get(n->file, asn);
	if (!name)
		name = names_special_get(asn);
	if (!name && n->loc)
		name = loc_db_name(n->loc, asn);
	return name ? name : "";
}
