/* SPDX-License-Identifier: BSD-2-Clause */
/* asmeter top: what a picture shows, and printing pictures as plain text. */
#include "cli/top.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define BOLD 1

const char *const top_by[3] = {"bytes", "packets", "wire"};
const char *const top_dir[3] = {"in", "out", "both"};
const char *const top_when[3] = {"last", "smooth", "total"};

static unsigned index_of(const char *const words[3], const char *word,
			 unsigned otherwise)
{
	for (unsigned i = 0; word && i < 3; i++) {
		if (!strcmp(words[i], word))
			return i;
	}
	return otherwise;
}

void top_view_init(const struct cli *c, struct top_view *ret)
{
	*ret = (struct top_view){
		.pairs = c->pairs,
		.bits = true,
		.names = true,
		.by = index_of(top_by, c->by, 0),
		.dir = index_of(top_dir, c->dir, 2),
		.when = index_of(top_when, c->when, 1),
		.n = c->count ? (unsigned)c->count : 20,
		.asn = c->asn,
		.has_asn = c->has_asn,
	};
}

void top_path(const struct top_view *v, char *to, size_t len)
{
	int n;

	if (v->interfaces) {
		snprintf(to, len, "/api/v1/interfaces");
		return;
	}
	n = snprintf(to, len, "/api/v1/top?per=%s&by=%s&dir=%s&when=%s&n=%u",
		     v->pairs ? "pair" : "as", top_by[v->by], top_dir[v->dir],
		     top_when[v->when], v->n);
	if (v->has_asn && v->pairs && n > 0 && (size_t)n < len)
		snprintf(to + n, len - (size_t)n, "&as=%" PRIu32, v->asn);
}

static const char *bytes_key(const struct top_view *v)
{
	return v->by == 2 ? "wire_bytes" : "ip_bytes";
}

static const char *rate_key(const struct top_view *v)
{
	return v->when == 0 ? "rate" : "rate_smooth";
}

void top_head(const struct top_view *v, json_t *doc, char *to, size_t len)
{
	char b[2][FMT_LEN], p[2][FMT_LEN];

	if (v->interfaces) {
		snprintf(to, len, "interfaces");
		return;
	}
	for (unsigned d = 0; d < 2; d++) {
		json_t *r =
			js_at(js_at(doc, d ? "all.transmit" : "all.receive"),
			      rate_key(v));

		fmt_rate(js_f64(r, bytes_key(v)), v->bits, b[d]);
		fmt_unit(js_f64(r, "packets"), "pkt/s", p[d]);
	}
	snprintf(to, len,
		 "in %s, %s   out %s, %s   %" PRIu64 " ASes, %" PRIu64
		 " pairs   books %s",
		 b[0], p[0], b[1], p[1], js_u64(doc, "known_ases"),
		 js_u64(doc, "known_pairs"),
		 js_u64(doc, "difference") ? "DIFFER" : "balanced");
}

static void put_flow(const struct top_view *v, struct tab *t, json_t *flow)
{
	char a[FMT_LEN];
	json_t *r = js_at(flow, rate_key(v));

	if (v->when == 2) {
		tab_put(t, fmt_count(js_u64(flow, bytes_key(v)), a));
		tab_put(t, fmt_count(js_u64(flow, "packets"), a));
	} else {
		tab_put(t, fmt_rate(js_f64(r, bytes_key(v)), v->bits, a));
		tab_put(t, fmt_si(js_f64(r, "packets"), a));
	}
}

static void put_as(const struct top_view *v, struct tab *t, json_t *row,
		   const char *key)
{
	char text[300], name[40];

	snprintf(text, sizeof(text), "%" PRIu64, js_u64(row, key));
	tab_put(t, text);
	if (!v->names)
		return;
	snprintf(name, sizeof(name), "%s_name", key);
	tab_put(t, js_str(row, name));
}

static void heads(struct tab *t, const struct top_view *v)
{
	static const char *const as[] = {"AS", "NAME"};
	static const char *const pair[] = {"SRC AS", "NAME", "DST AS", "NAME"};
	static const char *const rate[] = {"IN", "IN PKT/S", "OUT",
					   "OUT PKT/S"};
	static const char *const total[] = {"IN BYTES", "IN PKT", "OUT BYTES",
					    "OUT PKT"};
	unsigned n = v->pairs ? 4 : 2, step = v->names ? 1 : 2;

	for (unsigned i = 0; i < n; i += step)
		tab_put_color(t, v->pairs ? pair[i] : as[i], BOLD);
	for (unsigned i = 0; i < 4; i++)
		tab_put_color(t, v->when == 2 ? total[i] : rate[i], BOLD);
}

static void table_interfaces(const struct top_view *v, json_t *doc,
			     struct tab *t)
{
	static const char *const names[] = {"INTERFACE", "DIR",   "MODE",
					    "RATE",      "PKT/S", "PACKETS",
					    "DIFF PPM"};
	size_t i;
	json_t *f;

	tab_init(t, "fllrrrr");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		tab_put_color(t, names[i], BOLD);
	json_array_foreach(js_at(doc, "interfaces"), i, f)
	{
		for (unsigned d = 0; d < 2; d++) {
			json_t *s = js_at(f, d ? "transmit" : "receive");
			json_t *r = js_at(s, rate_key(v)),
			       *bal = js_at(s, "balance");
			char a[FMT_LEN];

			tab_put(t, js_str(f, "name"));
			tab_put(t, top_dir[d]);
			tab_put(t, js_str(s, "mode"));
			tab_put(t,
				fmt_rate(js_f64(r, "wire_bytes"), v->bits, a));
			tab_put(t, fmt_si(js_f64(r, "packets"), a));
			tab_put(t,
				fmt_count(js_u64(s, "books.seen.packets"), a));
			tab_put(t,
				json_is_object(bal)
					? fmt_ppm(js_f64(bal, "packets_ppm"), a)
					: "-");
		}
	}
}

void top_table(const struct top_view *v, json_t *doc, struct tab *ret)
{
	json_t *row;
	size_t i;

	if (v->interfaces) {
		table_interfaces(v, doc, ret);
		return;
	}
	tab_init(ret, v->pairs ? (v->names ? "rfrfrrrr" : "rrrrrr")
			       : (v->names ? "rfrrrr" : "rrrrr"));
	heads(ret, v);
	json_array_foreach(js_at(doc, v->pairs ? "pairs" : "ases"), i, row)
	{
		if (v->pairs) {
			put_as(v, ret, row, "source_as");
			put_as(v, ret, row, "destination_as");
		} else {
			put_as(v, ret, row, "as");
		}
		put_flow(v, ret, js_at(row, "receive"));
		put_flow(v, ret, js_at(row, "transmit"));
	}
}

static int print_one(struct cli *c, const struct top_view *v)
{
	char path[200], text[300];
	struct tab t;
	json_t *doc;

	top_path(v, path, sizeof(path));
	int rc = cli_get(c, path, &doc);

	if (rc)
		return rc;
	if (c->json) {
		cli_put_json(c, doc);
	} else {
		top_head(v, doc, text, sizeof(text));
		fprintf(c->out, "%s\n", text);
		top_table(v, doc, &t);
		tab_print(&t, c->out, c->width, c->color);
	}
	json_decref(doc);
	return fflush(c->out) ? CLI_FAULT : CLI_OK;
}

int cli_top(struct cli *c)
{
	double s = c->interval_s > 0 ? c->interval_s : 2;
	struct timespec wait = {(time_t)s,
				(long)((s - (double)(time_t)s) * 1e9)};
	struct top_view v;

	top_view_init(c, &v);
	if (c->tty && !c->once && !c->json)
		return top_live(c, &v);
	/* JSON: one document, unless an interval asks for a stream of them */
	bool once = c->once || (c->json && !(c->interval_s > 0));

	for (;;) {
		int rc = print_one(c, &v);

		if (rc || once)
			return rc;
		(void)nanosleep(&wait, NULL);
		if (!c->json)
			putc('\n', c->out);
	}
}
