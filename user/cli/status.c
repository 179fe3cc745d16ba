/* SPDX-License-Identifier: BSD-2-Clause */
/* asmeter status, interfaces, peers. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fmt.h"

#define GREEN 32
#define RED   31
#define BOLD  1

static const char *const dirs[] = {"receive", "transmit"};
static const char *const dir_short[] = {"in", "out"};

static void head(struct tab *t, const char *const *names)
{
	for (; *names; names++)
		tab_put_color(t, *names, BOLD);
}

static void put_count(struct tab *t, uint64_t v)
{
	char b[FMT_LEN];

	tab_put(t, fmt_count(v, b));
}

static void put_ppm(struct tab *t, json_t *balance, const char *key)
{
	char b[FMT_LEN];
	double v = js_f64(balance, key);

	if (!json_is_object(balance))
		tab_put(t, "-");
	else
		tab_put_color(t, fmt_ppm(v, b), fabs(v) < 1000 ? GREEN : RED);
}

/* "4 interfaces" and the like: one line of facts with a heading. */
static void line(const struct cli *c, const char *name, const char *text,
		 int color)
{
	if (c->color && color)
		fprintf(c->out, "%-10s \033[%dm%s\033[0m\n", name, color, text);
	else
		fprintf(c->out, "%-10s %s\n", name, text);
}

static void balance_table(const struct cli *c, json_t *v)
{
	static const char *const names[] = {
		"INTERFACE",  "DIR",        "MODE",        "PACKETS",
		"WIRE BYTES", "ATTRIBUTED", "INTERFACE'S", "DIFF",
		"PPM",        "BYTES PPM",  NULL};
	struct tab t;
	size_t i;
	json_t *f;

	tab_init(&t, "llfrrrrrrr");
	head(&t, names);
	json_array_foreach(js_at(v, "interfaces"), i, f)
	{
		for (unsigned d = 0; d < 2; d++) {
			json_t *side = js_at(f, dirs[d]);
			json_t *bal = js_at(side, "balance");
			char b[FMT_LEN];

			tab_put(&t, js_str(f, "name"));
			tab_put(&t, dir_short[d]);
			tab_put(&t, js_bool(f, "present") ? js_str(side, "mode")
							  : "-");
			put_count(&t, js_u64(side, "books.seen.packets"));
			put_count(&t, js_u64(side, "books.seen.wire_bytes"));
			put_count(&t, js_u64(side, "books.attributed.packets"));
			if (json_is_object(bal)) {
				put_count(&t, js_u64(bal, "device_packets"));
				snprintf(b, sizeof(b), "%" PRId64,
					 js_i64(bal, "packets_difference"));
				tab_put(&t, b);
			} else {
				tab_put(&t, "-");
				tab_put(&t, "-");
			}
			put_ppm(&t, bal, "packets_ppm");
			put_ppm(&t, bal, "bytes_ppm");
		}
	}
	tab_print(&t, c->out, c->width, c->color);
	json_array_foreach(js_at(v, "interfaces"), i, f)
	{
		if (js_str(f, "error")[0])
			fprintf(c->out, "%s: %s\n", js_str(f, "name"),
				js_str(f, "error"));
		if (js_f64(f, "gap_s") > 0)
			fprintf(c->out,
				"%s: not counted for %.1f s in all, attached "
				"again %" PRIu64 " times\n",
				js_str(f, "name"), js_f64(f, "gap_s"),
				js_u64(f, "reattached"));
	}
}

static void books_lines(const struct cli *c, json_t *v)
{
	char text[256], a[FMT_LEN], b[FMT_LEN], p[FMT_LEN];
	uint64_t diff = js_u64(v, "books.difference");

	if (diff)
		snprintf(text, sizeof(text), "DIFFER by %s",
			 fmt_count(diff, a));
	else
		snprintf(text, sizeof(text),
			 "balanced: difference 0 in packets, IP bytes and wire "
			 "bytes");
	line(c, "books", text, diff ? RED : GREEN);
	for (unsigned d = 0; d < 2; d++) {
		json_t *k = js_at(js_at(v, "books"), dirs[d]);

		snprintf(text, sizeof(text),
			 "%s packets, %s IP bytes; %s packets not attributed",
			 fmt_count(js_u64(k, "seen.packets"), p),
			 fmt_count(js_u64(k, "seen.ip_bytes"), a),
			 fmt_count(js_u64(k, "seen.packets") -
					   js_u64(k, "attributed.packets"),
				   b));
		line(c, d ? "sent" : "received", text, 0);
	}
}

static void table_lines(const struct cli *c, json_t *v)
{
	char text[256], a[FMT_LEN], b[FMT_LEN], s[FMT_LEN];
	json_t *t = js_at(v, "table");
	uint64_t up = js_u64(v, "bgp.established");
	uint64_t peers = js_u64(v, "bgp.peers");
	double used = js_f64(t, "used_bytes"), size = js_f64(t, "size_bytes");

	if (js_bool(t, "live"))
		snprintf(
			text, sizeof(text),
			"%s IPv4 and %s IPv6 prefixes from %s, changed %s ago, "
			"%.0f %% of %.0f MB",
			fmt_count(js_u64(t, "prefixes_ipv4"), a),
			fmt_count(js_u64(t, "prefixes_ipv6"), b),
			strcmp(js_str(t, "source"), "none")
				? js_str(t, "source")
				: "the configuration",
			fmt_age(js_i64(t, "age_s"), s),
			size > 0 ? 100 * used / size : 0, size / 1e6);
	else
		snprintf(text, sizeof(text),
			 "none yet: traffic is counted as AS 0 (unknown)");
	line(c, "table", text, js_bool(t, "live") ? 0 : RED);
	snprintf(text, sizeof(text),
		 "%" PRIu64 " of %" PRIu64 " sessions established", up, peers);
	line(c, "bgp", text, up < peers ? RED : 0);
	double rows = js_f64(v, "map.rows"),
	       rows_used = js_f64(v, "map.rows_used");

	snprintf(text, sizeof(text),
		 "%s AS pairs of %s ASes, %.1f %% of the map",
		 fmt_count(js_u64(v, "books.as_pairs"), a),
		 fmt_count(js_u64(v, "books.ases"), b),
		 rows > 0 ? 100 * rows_used / rows : 0);
	line(c, "counters", text, rows_used > 0.9 * rows ? RED : 0);
}

static const char *const lost_words[][2] = {
	{"no_tap", "without a tap"},   {"not_cut", "not cut"},
	{"tap_dropped", "in the tap"}, {"no_socket", "without a socket"},
	{"ring_full", "ring full"},    {"fill_empty", "meter too slow"},
	{"dropped", "by the socket"},  {"socket_closed", "socket closed"},
};

/* One line a mirror port: its queues and how frames come. */
static void mirror_lines(const struct cli *c, json_t *queues)
{
	size_t n = json_array_size(queues), from = 0;

	while (from < n) {
		const char *name =
			js_str(json_array_get(queues, from), "interface");
		char text[128];
		bool zero = true;
		size_t i = from;

		for (; i < n &&
		       !strcmp(js_str(json_array_get(queues, i), "interface"),
			       name);
		     i++)
			zero &= js_bool(json_array_get(queues, i), "zero_copy");
		snprintf(text, sizeof(text), "%s: samples from %zu queues, %s",
			 name, i - from,
			 zero ? "zero-copy"
			      : "copy mode (the driver has no zero-copy)");
		line(c, "mirror", text, 0);
		from = i;
	}
}

static void samples_line(const struct cli *c, json_t *v)
{
	char text[512], a[FMT_LEN], b[FMT_LEN], n[FMT_LEN];
	json_t *s = js_at(v, "samples");
	const char *error = js_str(s, "error");
	size_t len;

	if (!json_is_object(s))
		return; /* a daemon before this one */
	if (!js_bool(s, "wanted")) {
		line(c, "samples", "off (sampling.rate)", 0);
		return;
	}
	if (error[0]) {
		line(c, "samples", error, RED);
		return;
	}
	snprintf(text, sizeof(text), "%s taken, %s received%s",
		 fmt_count(js_u64(s, "taken"), a),
		 fmt_count(js_u64(s, "received"), b),
		 js_bool(s, "up") ? "" : "; no ring now");
	for (size_t i = 0; i < sizeof(lost_words) / sizeof(*lost_words); i++) {
		uint64_t lost = js_u64(js_at(s, "lost"), lost_words[i][0]);

		len = strlen(text);
		if (lost)
			snprintf(text + len, sizeof(text) - len,
				 "; lost %s: %s", lost_words[i][1],
				 fmt_count(lost, n));
	}
	line(c, "samples", text, js_bool(s, "up") ? 0 : RED);
	mirror_lines(c, js_at(s, "mirror_queues"));
}

static void kafka_line(const struct cli *c, json_t *v)
{
	char text[512], a[FMT_LEN], b[FMT_LEN], age[FMT_LEN];
	json_t *k = js_at(v, "kafka");
	double used = js_f64(k, "spool.pending_bytes");
	double max = js_f64(k, "spool.max_bytes");
	bool up = js_bool(k, "up");

	if (!json_is_object(k))
		return;
	snprintf(text, sizeof(text),
		 "%s; %s AS records and %s flows delivered; %.1f of %.0f MB "
		 "wait, %s old%s%s",
		 up                      ? "up"
		 : js_str(k, "error")[0] ? "DOWN"
					 : "connecting",
		 fmt_count(js_u64(k, "as_traffic.delivered"), a),
		 fmt_count(js_u64(k, "flows.delivered"), b), used / 1e6,
		 max / 1e6, fmt_age(js_i64(k, "spool.age_s"), age),
		 up ? "" : ": ", up ? "" : js_str(k, "error"));
	line(c, "kafka", text, up ? 0 : RED);
}

void cli_status_print(const struct cli *c, json_t *v)
{
	char text[256], a[FMT_LEN];
	uint64_t starts = js_u64(v, "meter_starts");

	snprintf(text, sizeof(text), "%s, AS %" PRIu64 ", asmeter %s, up %s",
		 js_str(v, "router"), js_u64(v, "local_as"),
		 js_str(v, "version"), fmt_age(js_i64(v, "uptime_s"), a));
	line(c, "router", text, 0);
	if (starts > 1) {
		snprintf(text, sizeof(text),
			 "started %" PRIu64 " times: see the journal", starts);
		line(c, "meter", text, RED);
	}
	books_lines(c, v);
	table_lines(c, v);
	samples_line(c, v);
	kafka_line(c, v);
	putc('\n', c->out);
	balance_table(c, v);
}

bool cli_status_good(json_t *v)
{
	json_t *f;
	size_t i;

	json_array_foreach(js_at(v, "interfaces"), i, f)
	{
		if (js_str(f, "error")[0])
			return false;
	}
	return js_u64(v, "books.difference") == 0 && js_bool(v, "ready") &&
	       js_u64(v, "bgp.established") == js_u64(v, "bgp.peers");
}

int cli_status(struct cli *c)
{
	json_t *v;
	int rc = cli_get(c, "/api/v1/status", &v);

	if (rc)
		return rc;
	if (c->json)
		cli_put_json(c, v);
	else
		cli_status_print(c, v);
	rc = cli_status_good(v) ? CLI_OK : CLI_FAULT;
	json_decref(v);
	return rc;
}

/* ----------------------------------------------------------- interfaces */

/* What is sampled, and how well: "1/1000", the estimate beside the count. */
static void samples_table(const struct cli *c, json_t *v)
{
	static const char *const names[] = {"INTERFACE", "DIR",     "SAMPLED",
					    "NOW",       "TAKEN",   "MISSED",
					    "ESTIMATED", "COUNTED", "OFF BY",
					    NULL};
	json_t *ports = js_at(js_at(v, "samples"), "ports"), *p;
	struct tab t;
	size_t i;

	if (!json_array_size(ports))
		return;
	tab_init(&t, "llrrrrrrr");
	head(&t, names);
	json_array_foreach(ports, i, p)
	{
		double est = js_f64(p, "estimated_packets");
		double counted = js_f64(p, "counted_packets");
		char b[FMT_LEN];

		tab_put(&t, js_str(p, "interface"));
		tab_put(&t, strcmp(js_str(p, "direction"), dirs[0])
				    ? dir_short[1]
				    : dir_short[0]);
		snprintf(b, sizeof(b), "1/%" PRIu64, js_u64(p, "rate"));
		tab_put(&t, js_u64(p, "rate") ? b : "off");
		snprintf(b, sizeof(b), "1/%.0f", js_f64(p, "effective_rate"));
		tab_put(&t, js_f64(p, "effective_rate") > 0 ? b : "-");
		put_count(&t, js_u64(p, "taken"));
		put_count(&t, js_u64(p, "missed"));
		put_count(&t, js_u64(p, "estimated_packets"));
		put_count(&t, js_u64(p, "counted_packets"));
		if (counted > 0)
			snprintf(b, sizeof(b), "%+.2f %%",
				 100 * (est / counted - 1));
		tab_put(&t, counted > 0 ? b : "-");
	}
	putc('\n', c->out);
	tab_print(&t, c->out, c->width, c->color);
}

void cli_interfaces_print(const struct cli *c, json_t *v)
{
	static const char *const names[] = {"INTERFACE", "DIR",
					    "BUCKET",    "PACKETS",
					    "IP BYTES",  "WIRE BYTES",
					    NULL};
	static const char *const buckets[] = {"seen",       "attributed",
					      "unknown_as", "not_ip",
					      "truncated",  "malformed",
					      "map_full"};
	size_t i;
	json_t *f;
	struct tab t;

	tab_init(&t, "lllrrr");
	head(&t, names);
	json_array_foreach(js_at(v, "interfaces"), i, f)
	{
		for (unsigned d = 0; d < 2; d++) {
			json_t *books = js_at(js_at(f, dirs[d]), "books");

			for (unsigned k = 0; k < 7; k++) {
				json_t *m = js_at(books, buckets[k]);

				tab_put(&t, k ? "" : js_str(f, "name"));
				tab_put(&t, k ? "" : dir_short[d]);
				tab_put(&t, buckets[k]);
				put_count(&t, js_u64(m, "packets"));
				put_count(&t, js_u64(m, "ip_bytes"));
				put_count(&t, js_u64(m, "wire_bytes"));
			}
		}
	}
	tab_print(&t, c->out, c->width, c->color);
	putc('\n', c->out);
	balance_table(c, v);
	samples_table(c, v);
}

int cli_interfaces(struct cli *c)
{
	return cli_show(c, "/api/v1/interfaces", cli_interfaces_print);
}

/* ---------------------------------------------------------------- peers */

static void peer_row(struct tab *t, json_t *p)
{
	char text[64], a[FMT_LEN];
	bool up = js_bool(p, "up");

	tab_put(t, js_str(p, "name"));
	snprintf(text, sizeof(text), "%" PRIu64, js_u64(p, "remote_as"));
	tab_put(t, text);
	tab_put_color(t, js_str(p, "state"), up ? GREEN : RED);
	tab_put(t, fmt_age(js_i64(p, "state_age_s"), a));
	put_count(t, js_u64(p, "ipv4.paths"));
	put_count(t, js_u64(p, "ipv6.paths"));
	put_count(t, js_u64(p, "ipv4.stale") + js_u64(p, "ipv6.stale"));
	put_count(t, js_u64(p, "messages_received"));
	put_count(t, js_u64(p, "messages_sent"));
	tab_put(t, js_str(p, "idle_reason")[0] ? js_str(p, "idle_reason")
		   : up                        ? ""
					       : js_str(p, "last_error"));
}

void cli_peers_print(const struct cli *c, json_t *v)
{
	static const char *const names[] = {"NEIGHBOUR", "AS",     "STATE",
					    "SINCE",     "IPV4",   "IPV6",
					    "STALE",     "MSG IN", "MSG OUT",
					    "WHY",       NULL};
	json_t *peers = js_at(v, "peers"), *p;
	struct tab t;
	size_t i;

	if (!json_array_size(peers)) {
		fputs("no BGP neighbours are configured (bgp.neighbors in "
		      "asmeter.yaml)\n",
		      c->out);
		return;
	}
	tab_init(&t, "lrllrrrrrf");
	head(&t, names);
	json_array_foreach(peers, i, p) peer_row(&t, p);
	tab_print(&t, c->out, c->width, c->color);
}

int cli_peers(struct cli *c)
{
	return cli_show(c, "/api/v1/peers", cli_peers_print);
}
