/* SPDX-License-Identifier: BSD-2-Clause */
/* asmeter as, lookup. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fmt.h"
#include "daemon/config.h"
#include "route/prefix.h"

#define BOLD 1

static void flow_row(struct tab *t, const char *what, json_t *f)
{
	char a[FMT_LEN];

	tab_put(t, what);
	tab_put(t, fmt_count(js_u64(f, "packets"), a));
	tab_put(t, fmt_count(js_u64(f, "ip_bytes"), a));
	tab_put(t, fmt_count(js_u64(f, "wire_bytes"), a));
	tab_put(t, fmt_count(js_u64(f, "ipv6_ip_bytes"), a));
	tab_put(t, fmt_rate(js_f64(f, "rate_smooth.ip_bytes"), true, a));
	tab_put(t, fmt_si(js_f64(f, "rate_smooth.packets"), a));
}

static void pair_row(struct tab *t, json_t *p, const char *dir)
{
	char text[300], a[FMT_LEN];
	json_t *f = js_at(p, dir);

	if (!js_u64(f, "packets"))
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " %s", js_u64(p, "source_as"),
		 js_str(p, "source_as_name"));
	tab_put(t, text);
	snprintf(text, sizeof(text), "%" PRIu64 " %s",
		 js_u64(p, "destination_as"), js_str(p, "destination_as_name"));
	tab_put(t, text);
	tab_put(t, strcmp(dir, "receive") ? "out" : "in");
	tab_put(t, fmt_count(js_u64(f, "packets"), a));
	tab_put(t, fmt_count(js_u64(f, "ip_bytes"), a));
	tab_put(t, fmt_rate(js_f64(f, "rate_smooth.ip_bytes"), true, a));
}

void cli_as_print(const struct cli *c, json_t *v)
{
	static const char *const names[] = {"",           "PACKETS",
					    "IP BYTES",   "WIRE BYTES",
					    "OF IT IPV6", "RATE",
					    "PKT/S"};
	static const char *const pair_names[] = {"SOURCE",   "DESTINATION",
						 "DIR",      "PACKETS",
						 "IP BYTES", "RATE"};
	json_t *in = js_at(v, "receive"), *out = js_at(v, "transmit"), *p;
	struct tab t;
	size_t i;

	fprintf(c->out, "AS %" PRIu64 " %s\n", js_u64(v, "as"),
		js_str(v, "as_name"));
	if (!js_bool(v, "seen")) {
		fputs("no traffic of it was seen\n", c->out);
		return;
	}
	tab_init(&t, "lrrrrrr");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		tab_put_color(&t, names[i], BOLD);
	flow_row(&t, "received from it", js_at(in, "as_source"));
	flow_row(&t, "received for it", js_at(in, "as_destination"));
	flow_row(&t, "sent from it", js_at(out, "as_source"));
	flow_row(&t, "sent to it", js_at(out, "as_destination"));
	tab_print(&t, c->out, c->width, c->color);
	putc('\n', c->out);
	tab_init(&t, "fflrrr");
	for (i = 0; i < sizeof(pair_names) / sizeof(*pair_names); i++)
		tab_put_color(&t, pair_names[i], BOLD);
	json_array_foreach(js_at(v, "pairs"), i, p)
	{
		pair_row(&t, p, "receive");
		pair_row(&t, p, "transmit");
	}
	tab_print(&t, c->out, c->width, c->color);
}

int cli_as(struct cli *c)
{
	char path[160];
	uint32_t asn;

	if (config_parse_asn(c->args[0], &asn)) {
		fprintf(stderr,
			"asmeter: \"%s\" is not an AS number (15169, AS15169, "
			"1.10)\n",
			c->args[0]);
		return CLI_USAGE;
	}
	snprintf(path, sizeof(path),
		 "/api/v1/as/%" PRIu32 "?n=%d&by=%s&when=%s", asn,
		 c->count ? c->count : 10, c->by ? c->by : "bytes",
		 c->when ? c->when : "total");
	return cli_show(c, path, cli_as_print);
}

/* --------------------------------------------------------------- lookup */

void cli_lookup_print(const struct cli *c, json_t *v)
{
	char a[FMT_LEN];

	fprintf(c->out, "address  %s\n", js_str(v, "address"));
	if (!js_bool(v, "found")) {
		fputs("prefix   none: no route covers it; its traffic is AS 0 "
		      "(unknown)\n",
		      c->out);
		return;
	}
	fprintf(c->out,
		"prefix   %s\n"
		"as       %" PRIu64 " %s\n"
		"source   %s%s\n"
		"age      %s\n",
		js_str(v, "prefix"), js_u64(v, "as"), js_str(v, "as_name"),
		js_str(v, "source"),
		js_bool(v, "stale") ? " (stale: its session is down)" : "",
		fmt_age(js_i64(v, "age_s"), a));
	if (json_is_integer(js_at(v, "table_as")) &&
	    js_u64(v, "table_as") != js_u64(v, "as"))
		fprintf(c->out,
			"note     the packet path still says AS %" PRIu64
			": the change is not published yet\n",
			js_u64(v, "table_as"));
}

int cli_lookup(struct cli *c)
{
	char path[128], text[PREFIX_STRLEN];
	struct addr a;

	if (addr_parse(c->args[0], &a)) {
		fprintf(stderr,
			"asmeter: \"%s\" is not an IPv4 or IPv6 address\n",
			c->args[0]);
		return CLI_USAGE;
	}
	snprintf(path, sizeof(path), "/api/v1/lookup?addr=%s",
		 addr_str(&a, text));
	return cli_show(c, path, cli_lookup_print);
}
