/* SPDX-License-Identifier: BSD-2-Clause */
/* One picture of `asmeter top`, drawn as text or on the screen. */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include "cli/cli.h"
#include "cli/fmt.h"

struct top_view {
	bool pairs;
	bool interfaces; /* the books of the interfaces instead */
	bool bits;       /* rates in bit/s, else B/s */
	bool names;
	unsigned by;   /* 0 bytes, 1 packets, 2 wire */
	unsigned dir;  /* sorted by: 0 in, 1 out, 2 both */
	unsigned when; /* 0 last, 1 smooth, 2 total */
	unsigned n;
	uint32_t asn;
	bool has_asn;
};

extern const char *const top_by[3], *const top_dir[3], *const top_when[3];

/* The view that the options ask for. */
void top_view_init(const struct cli *c, struct top_view *ret);
/* What to ask the daemon for. */
void top_path(const struct top_view *v, char *to, size_t len);
/* The line above the table: what all interfaces carry. */
void top_head(const struct top_view *v, json_t *doc, char *to, size_t len);
/* The table; to be printed or drawn and freed by the caller. */
void top_table(const struct top_view *v, json_t *doc, struct tab *ret);

/* The live screen; returns an exit code. */
int top_live(struct cli *c, struct top_view *v);

#endif
