/* SPDX-License-Identifier: BSD-2-Clause */
/* asmeter top on a terminal. */
#include <curses.h>
#include <string.h>

#include "base/mono.h"
#include "cli/top.h"

struct live {
	struct cli *c;
	struct top_view *v;
	json_t *doc; /* the last picture's */
	char fault[256];
	unsigned scroll;
	bool paused;
	bool help;
};

static const char *const help[] = {
	"q        end",
	"s        sort by: in, out, both",
	"p        AS pairs, or ASes",
	"i        interfaces, or back",
	"b B      rates in bit/s, in byte/s",
	"w        measure: IP bytes, packets, wire bytes",
	"t        show: last interval, smoothed (30 s), total",
	"n        names on and off",
	"up down  scroll; page up, page down, home",
	"space    pause",
	"? h      this help",
};

static int fetch(struct live *l)
{
	char path[200];
	json_t *doc = NULL;
	int rows = LINES - 3;

	l->v->n = l->c->count ? (unsigned)l->c->count
			      : (unsigned)(rows > 1 ? rows : 1) + l->scroll;
	if (l->v->n > 10000)
		l->v->n = 10000;
	top_path(l->v, path, sizeof(path));
	l->fault[0] = 0;
	int rc = cli_try(l->c, path, &doc, l->fault, sizeof(l->fault));

	if (rc)
		return rc; /* the last picture stays, the fault above it */
	json_decref(l->doc);
	l->doc = doc;
	return CLI_OK;
}

/* Text cut to the screen; a cell never wraps. */
static void put_text(int y, int x, const char *s, attr_t attr)
{
	if (x >= COLS || y >= LINES)
		return;
	attron(attr);
	(void)mvaddnstr(y, x, s, (int)fmt_fit(s, (size_t)(COLS - x)));
	attroff(attr);
}

static void draw_table(struct live *l, struct tab *t)
{
	size_t w[TAB_COLS], rows = t->n / t->cols;

	tab_widths(t, COLS, w);
	for (size_t r = 0, y = 1; r < rows && y + 1 < (size_t)LINES; r++) {
		int x = 0;

		if (r && r <= l->scroll)
			continue;
		for (unsigned k = 0; k < t->cols; k++) {
			const char *s = t->cell[r * t->cols + k].text;
			size_t have = fmt_width(s);
			char cut[512];

			snprintf(cut, sizeof(cut), "%.*s",
				 (int)fmt_fit(s, w[k]), s);
			have = have < w[k] ? have : w[k];
			put_text((int)y,
				 x + (int)(t->right[k] ? w[k] - have : 0), cut,
				 r ? A_NORMAL : A_BOLD);
			x += (int)w[k] + 2;
		}
		y++;
	}
}

static void draw(struct live *l)
{
	char text[400];
	struct tab t;

	erase();
	if (l->doc) {
		top_head(l->v, l->doc, text, sizeof(text));
		put_text(0, 0, text, A_NORMAL);
		top_table(l->v, l->doc, &t);
		draw_table(l, &t);
		tab_done(&t);
	}
	if (l->fault[0])
		put_text(0, 0, l->fault, A_REVERSE);
	snprintf(text, sizeof(text),
		 "%s%s  sort: %s by %s, %s  [q]uit [s]ort [p]airs "
		 "[i]nterfaces [b]its [n]ames [?]",
		 l->paused ? "PAUSED  " : "",
		 l->v->interfaces ? "interfaces"
		 : l->v->pairs    ? "AS pairs"
				  : "ASes",
		 top_dir[l->v->dir], top_by[l->v->by], top_when[l->v->when]);
	put_text(LINES - 1, 0, text, A_REVERSE);
	for (unsigned i = 0; l->help && i < sizeof(help) / sizeof(*help); i++) {
		snprintf(text, sizeof(text), "  %-64.64s", help[i]);
		put_text(2 + (int)i, 2, text, A_REVERSE);
	}
	refresh();
}

/* False: end. *ret_fetch: the picture has to be asked for anew. */
static bool key(struct live *l, int k, bool *ret_fetch)
{
	struct top_view *v = l->v;
	unsigned page = LINES > 4 ? (unsigned)LINES - 4 : 1;

	*ret_fetch = true;
	if (l->help && k != 'q') {
		l->help = false;
		return true;
	}
	switch (k) {
	case 'q':
	case 'Q':
	case 3:
		return false;
	case '?':
	case 'h':
		l->help = true;
		break;
	case 's':
	case KEY_RIGHT:
		v->dir = (v->dir + 1) % 3;
		break;
	case KEY_LEFT:
		v->dir = (v->dir + 2) % 3;
		break;
	case 'p':
		v->pairs = !v->pairs;
		v->interfaces = false;
		l->scroll = 0;
		break;
	case 'i':
		v->interfaces = !v->interfaces;
		l->scroll = 0;
		break;
	case 'b':
		v->bits = true;
		break;
	case 'B':
		v->bits = false;
		break;
	case 'w':
		v->by = (v->by + 1) % 3;
		break;
	case 't':
		v->when = (v->when + 1) % 3;
		break;
	case 'n':
		v->names = !v->names;
		break;
	case ' ':
		l->paused = !l->paused;
		break;
	case KEY_DOWN:
		l->scroll += l->scroll < 9000;
		break;
	case KEY_UP:
		l->scroll -= l->scroll > 0;
		break;
	case KEY_NPAGE:
		l->scroll += l->scroll + page < 9000 ? page : 0;
		break;
	case KEY_PPAGE:
		l->scroll -= l->scroll < page ? l->scroll : page;
		break;
	case KEY_HOME:
		l->scroll = 0;
		break;
	case KEY_RESIZE:
		break;
	default:
		*ret_fetch = false;
	}
	return true;
}

/* A document of the other kind must not be drawn as this one. */
static bool fits(const struct live *l)
{
	const char *member = l->v->interfaces ? "interfaces"
			     : l->v->pairs    ? "pairs"
					      : "ases";

	return !l->doc || json_object_get(l->doc, member);
}

static void turn(struct live *l, double interval_s)
{
	int64_t step = (int64_t)(interval_s * 1e9);
	struct mono next = mono_now();
	bool again = true;

	for (;;) {
		struct mono now = mono_now();
		int64_t left = mono_diff_ns(now, next);

		if (again || (left <= 0 && !l->paused)) {
			if (!l->paused || !fits(l) || !l->doc)
				(void)fetch(l);
			next = mono_add_ns(now, step);
			left = step;
			if (fits(l))
				draw(l);
		}
		timeout(left > 0 && !l->paused ? (int)(left / 1000000) + 1
					       : 1000);
		int k = getch();

		again = false;
		if (k != ERR && !key(l, k, &again))
			return;
	}
}

int top_live(struct cli *c, struct top_view *v)
{
	struct live l = {.c = c, .v = v};

	int rc = fetch(&l); /* no daemon: said on a plain screen */

	if (rc) {
		fprintf(stderr, "asmeter: %s\n", l.fault);
		return rc;
	}
	SCREEN *s = newterm(NULL, stdout, stdin);

	if (!s) {
		fprintf(stderr, "asmeter: this terminal (TERM) is not known; "
				"try --once\n");
		json_decref(l.doc);
		return CLI_FAULT;
	}
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0);
	turn(&l, c->interval_s > 0 ? c->interval_s : 2);
	(void)endwin();
	delscreen(s);
	json_decref(l.doc);
	return CLI_OK;
}
