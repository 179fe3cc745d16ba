/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/fmt.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

const char *fmt_si(double v, char buf[FMT_LEN])
{
	static const char *const unit[] = {"",   " k", " M", " G",
					   " T", " P", " E"};
	unsigned u = 0;
	double a = fabs(v);

	/* 999.5 would be shown as 1000 */
	while (a >= 999.5 && u + 1 < sizeof(unit) / sizeof(*unit)) {
		a /= 1000;
		v /= 1000;
		u++;
	}
	if (a < 0.005)
		snprintf(buf, FMT_LEN, "0");
	else if (u == 0 && fabs(v - rint(v)) < 1e-9)
		snprintf(buf, FMT_LEN, "%.0f", v);
	else
		snprintf(buf, FMT_LEN, "%.*f%s",
			 a < 9.995   ? 2
			 : a < 99.95 ? 1
				     : 0,
			 v, unit[u]);
	return buf;
}

const char *fmt_unit(double v, const char *unit, char buf[FMT_LEN])
{
	char n[FMT_LEN];

	fmt_si(v, n);
	snprintf(buf, FMT_LEN, "%.16s%s%.8s", n, strchr(n, ' ') ? "" : " ",
		 unit);
	return buf;
}

const char *fmt_rate(double bytes_per_s, bool bits, char buf[FMT_LEN])
{
	return fmt_unit(bits ? bytes_per_s * 8 : bytes_per_s,
			bits ? "bit/s" : "B/s", buf);
}

const char *fmt_count(uint64_t v, char buf[FMT_LEN])
{
	char d[24];
	int n = snprintf(d, sizeof(d), "%" PRIu64, v);
	char *to = buf;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = d[i];
	}
	*to = 0;
	return buf;
}

const char *fmt_age(int64_t s, char buf[FMT_LEN])
{
	if (s < 0)
		s = 0;
	if (s < 60)
		snprintf(buf, FMT_LEN, "%d s", (int)s);
	else if (s < 3600)
		snprintf(buf, FMT_LEN, "%d min %d s", (int)(s / 60),
			 (int)(s % 60));
	else if (s < 86400)
		snprintf(buf, FMT_LEN, "%d h %d min", (int)(s / 3600),
			 (int)(s % 3600 / 60));
	else
		snprintf(buf, FMT_LEN, "%" PRId64 " d %d h", s / 86400,
			 (int)(s % 86400 / 3600));
	return buf;
}

const char *fmt_ppm(double v, char buf[FMT_LEN])
{
	char n[FMT_LEN];

	fmt_si(v, n);
	snprintf(buf, FMT_LEN, "%s%.20s", v > 0 && strcmp(n, "0") ? "+" : "",
		 n);
	return buf;
}

size_t fmt_width(const char *s)
{
	size_t n = strlen(s), w = 0;

	while (n) {
		size_t c = utf8_char(s, n);

		c = c ? c : 1;
		s += c;
		n -= c;
		w++;
	}
	return w;
}

size_t fmt_fit(const char *s, size_t columns)
{
	size_t n = strlen(s), used = 0;

	while (used < n && columns--) {
		size_t c = utf8_char(s + used, n - used);

		used += c ? c : 1;
	}
	return used;
}

/* --------------------------------------------------------------- tables */

void tab_init(struct tab *t, const char *columns)
{
	*t = (struct tab){.cols = (unsigned)strlen(columns)};
	for (unsigned i = 0; i < t->cols; i++) {
		t->right[i] = columns[i] == 'r';
		t->flex[i] = columns[i] == 'f';
	}
}

void tab_put_color(struct tab *t, const char *text, int color)
{
	if (t->n == t->cap && !t->failed) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct tab_cell *p = realloc(t->cell, cap * sizeof(*p));

		if (p) {
			t->cell = p;
			t->cap = cap;
		} else {
			t->failed = true;
		}
	}
	char *copy = t->failed ? NULL : strdup(text);

	if (!copy) {
		t->failed = true;
		return;
	}
	/* what a peer may have written must not move the cursor */
	utf8_mask(copy, strlen(copy));
	t->cell[t->n++] = (struct tab_cell){copy, color};
}

void tab_put(struct tab *t, const char *text)
{
	tab_put_color(t, text, 0);
}

void tab_widths(const struct tab *t, int width, size_t w[TAB_COLS])
{
	size_t total = 0;

	memset(w, 0, TAB_COLS * sizeof(*w));
	for (size_t i = 0; i < t->n; i++) {
		size_t n = fmt_width(t->cell[i].text);
		size_t *to = &w[i % t->cols];

		*to = n > *to ? n : *to;
	}
	for (unsigned i = 0; i < t->cols; i++)
		total += w[i] + (i ? 2 : 0);
	for (unsigned i = 0; width > 0 && i < t->cols; i++) {
		size_t over = total > (size_t)width ? total - (size_t)width : 0;
		size_t least = w[i] < 8 ? w[i] : 8;

		if (!t->flex[i] || !over)
			continue;
		size_t cut = over < w[i] - least ? over : w[i] - least;

		w[i] -= cut;
		total -= cut;
	}
}

static void pad(FILE *out, size_t n)
{
	while (n--)
		putc(' ', out);
}

static void print_cell(const struct tab *t, size_t i, size_t w, FILE *out,
		       bool color)
{
	const struct tab_cell *c = &t->cell[i];
	unsigned col = (unsigned)(i % t->cols);
	size_t len = fmt_fit(c->text, w), have = fmt_width(c->text);
	bool last = col + 1 == t->cols;

	have = have < w ? have : w;
	if (t->right[col])
		pad(out, w - have);
	if (color && c->color)
		fprintf(out, "\033[%dm", c->color);
	fwrite(c->text, 1, len, out);
	if (color && c->color)
		fputs("\033[0m", out);
	if (!last && !t->right[col])
		pad(out, w - have);
	fputs(last ? "\n" : "  ", out);
}

void tab_print(struct tab *t, FILE *out, int width, bool color)
{
	size_t w[TAB_COLS];

	tab_widths(t, width, w);
	for (size_t i = 0; i < t->n - t->n % t->cols; i++)
		print_cell(t, i, w[i % t->cols], out, color);
	tab_done(t);
}

void tab_done(struct tab *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cell[i].text);
	free(t->cell);
	t->cell = NULL;
	t->n = t->cap = 0;
}
