/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and tables for people. Pure: into buffers of the caller. */
#ifndef CLI_FMT_H
#define CLI_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FMT_LEN 32

/* "1.23 G", "123 k", "45.6", "0": three digits, SI steps of 1000. */
const char *fmt_si(double v, char buf[FMT_LEN]);
/* "1.23 Gbit/s": the same with a unit. */
const char *fmt_unit(double v, const char *unit, char buf[FMT_LEN]);
/* "1.23 Gbit/s" of bytes per second (bits: true), or "154 MB/s". */
const char *fmt_rate(double bytes_per_s, bool bits, char buf[FMT_LEN]);
/* "12,345,678" */
const char *fmt_count(uint64_t v, char buf[FMT_LEN]);
/* "45 s", "3 min 12 s", "5 h 3 min", "12 d 4 h" */
const char *fmt_age(int64_t s, char buf[FMT_LEN]);
/* "0", "+12.3", "-0.4", "+1.2 k" parts per million */
const char *fmt_ppm(double v, char buf[FMT_LEN]);

/* Columns that s takes on the screen, s being UTF-8. */
size_t fmt_width(const char *s);
/* Bytes of s that fit into so many columns. */
size_t fmt_fit(const char *s, size_t columns);

/* ---- tables: cells first, widths found when printed */

#define TAB_COLS 12

struct tab_cell {
	char *text;
	int color; /* 0: none, else an SGR number */
};

struct tab {
	unsigned cols;
	bool right[TAB_COLS]; /* numbers */
	bool flex[TAB_COLS];  /* is cut when the line is too wide */
	struct tab_cell *cell;
	size_t n, cap;
	bool failed;
};

/* One letter per column: l left, r right, f left and cut first. */
void tab_init(struct tab *t, const char *columns);
void tab_put(struct tab *t, const char *text);
void tab_put_color(struct tab *t, const char *text, int color);
/* width 0: lines as long as they are. Prints and frees. The first row is the
 * heading. */
void tab_print(struct tab *t, FILE *out, int width, bool color);
/* The widths that tab_print() would use. */
void tab_widths(const struct tab *t, int width, size_t w[TAB_COLS]);
void tab_done(struct tab *t);

#endif
