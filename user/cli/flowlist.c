/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asmeter flows: sampled packets, one line each, as they come. Asks for what
 * came after the last answer, so a record is shown once; what was gone before
 * it could be asked for is said on standard error.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/fmt.h"

#define AT_ONCE    10000 /* the API's bound */
#define FIRST      10    /* shown of the past, before those that come */
#define ONCE       20
#define INTERVAL_S 0.5

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* ---------------------------------------------------------- protocols */

static const struct proto {
	const char *name;
	unsigned number;
} protos[] = {
	{"icmp", 1},  {"igmp", 2},  {"ipip", 4},   {"tcp", 6},    {"udp", 17},
	{"ipv6", 41}, {"gre", 47},  {"esp", 50},   {"ah", 51},    {"icmp6", 58},
	{"ospf", 89}, {"pim", 103}, {"vrrp", 112}, {"sctp", 132},
};

int cli_protocol(const char *word)
{
	char *end;
	unsigned long v;

	for (size_t i = 0; i < sizeof(protos) / sizeof(*protos); i++) {
		if (!strcmp(word, protos[i].name))
			return (int)protos[i].number;
	}
	if (*word < '0' || *word > '9')
		return -1;
	v = strtoul(word, &end, 10);
	return *end || v > UINT8_MAX ? -1 : (int)v;
}

static void put_protocol(struct buf *b, uint64_t number)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(*protos); i++) {
		if (protos[i].number == number) {
			buf_printf(b, "%-5s", protos[i].name);
			return;
		}
	}
	buf_printf(b, "%-5" PRIu64, number);
}

/* ------------------------------------------------------------ one record */

static void put_time(struct buf *b, uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	char text[16];
	struct tm tm;

	if (!gmtime_r(&s, &tm) || !strftime(text, sizeof(text), "%T", &tm))
		return;
	buf_printf(b, "%s.%03" PRIu64 "Z ", text, ns / 1000000 % 1000);
}

static void put_iface(struct buf *b, json_t *r, bool out)
{
	const char *name =
		js_str(r, out ? "out_interface_name" : "in_interface_name");
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64,
		 js_u64(r, out ? "out_interface" : "in_interface"));
	buf_printf(b, "%-3s %-8s ", out ? "out" : "in",
		   name[0] ? name : number);
}

static void put_end(struct buf *b, json_t *r, const char *addr_key,
		    const char *port_key)
{
	const char *addr = js_str(r, addr_key);

	if (!js_at(r, port_key))
		buf_puts(b, addr);
	else
		buf_printf(b,
			   strchr(addr, ':') ? "[%s]:%" PRIu64 : "%s:%" PRIu64,
			   addr, js_u64(r, port_key));
}

static void put_as(struct buf *b, json_t *r, const char *key,
		   const char *name_key)
{
	const char *name = js_str(r, name_key);

	buf_printf(b, "AS%" PRIu64 "%s%.40s", js_u64(r, key),
		   name[0] ? " " : "", name);
}

static void put_ip(struct buf *b, json_t *r)
{
	put_protocol(b, js_u64(r, "protocol"));
	buf_putc(b, ' ');
	put_end(b, r, "source", "source_port");
	buf_puts(b, " > ");
	put_end(b, r, "destination", "destination_port");
	if (js_at(r, "icmp_type"))
		buf_printf(b, " type %" PRIu64 " code %" PRIu64,
			   js_u64(r, "icmp_type"), js_u64(r, "icmp_code"));
	if (js_at(r, "fragment_id"))
		buf_printf(b, " fragment %" PRIu64,
			   js_u64(r, "fragment_offset"));
	buf_puts(b, "  ");
	put_as(b, r, "source_as", "source_as_name");
	buf_puts(b, " > ");
	put_as(b, r, "destination_as", "destination_as_name");
}

/* What there is to say of a packet that is no IP. */
static void put_frame(struct buf *b, json_t *r)
{
	if (js_at(r, "ethertype"))
		buf_printf(b, "0x%04" PRIx64 " %s > %s", js_u64(r, "ethertype"),
			   js_str(r, "source_mac"),
			   js_str(r, "destination_mac"));
	else
		buf_puts(b, "not IP");
}

void cli_flow_print(const struct cli *c, json_t *r)
{
	bool out = !strcmp(js_str(r, "direction"), "transmit");
	struct buf b = {0};

	put_time(&b, js_u64(r, "received_ns"));
	put_iface(&b, r, out);
	if (js_at(r, "source"))
		put_ip(&b, r);
	else
		put_frame(&b, r);
	buf_printf(&b, "  %" PRIu64 " B 1/%" PRIu64, js_u64(r, "wire_bytes"),
		   js_u64(r, "sampling_rate"));
	if (js_bool(r, "cut"))
		buf_puts(&b, " cut");
	if (js_bool(r, "malformed"))
		buf_puts(&b, " malformed");
	buf_putc(&b, '\0');
	if (!b.failed) {
		/* what a peer may have written must not move the cursor */
		utf8_mask(b.p, strlen(b.p));
		size_t len = c->width > 0 ? fmt_fit(b.p, (size_t)c->width)
					  : strlen(b.p);

		(void)fwrite(b.p, 1, len, c->out);
		putc('\n', c->out);
	}
	buf_free(&b);
}

/* --------------------------------------------------------------- asking */

/* A value of the query, with all that means something there escaped. */
static void put_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		bool plain = (*s >= '0' && *s <= '9') ||
			     (*s >= 'a' && *s <= 'z') ||
			     (*s >= 'A' && *s <= 'Z') || strchr(".:-_", *s);

		if (plain)
			buf_putc(b, *s);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
	}
}

static void put_text(struct buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(b, "&%s=", key);
	put_escaped(b, value);
}

/* since 0: the last ones. */
static void ask_for(const struct cli *c, unsigned n, uint64_t run,
		    uint64_t since, struct buf *b)
{
	buf_printf(b, "/api/v1/flows?n=%u", n);
	if (since)
		buf_printf(b, "&since=%" PRIu64 "&run=%" PRIu64, since, run);
	if (c->has_asn)
		buf_printf(b, "&as=%" PRIu32, c->asn);
	if (c->protocol)
		buf_printf(b, "&proto=%d", cli_protocol(c->protocol));
	put_text(b, "port", c->port);
	put_text(b, "prefix", c->prefix);
	put_text(b, "if", c->interface);
	put_text(b, "dir", c->dir);
	buf_putc(b, '\0');
}

struct follow {
	struct cli *c;
	uint64_t run, since;
	size_t shown;
};

/* What the answer has; *ret_n: how many records. */
static int show(struct follow *f, json_t *doc, size_t *ret_n)
{
	uint64_t run = js_u64(doc, "run");
	json_t *r;
	size_t i;

	if (f->since && run != f->run)
		fprintf(stderr, "asmeter: the meter has started again\n");
	else if (js_u64(doc, "missed"))
		fprintf(stderr, "asmeter: %" PRIu64 " records missed\n",
			js_u64(doc, "missed"));
	f->run = run;
	f->since = js_u64(doc, "next");
	json_array_foreach(js_at(doc, "flows"), i, r)
	{
		if (f->c->json)
			cli_put_json(f->c, r);
		else
			cli_flow_print(f->c, r);
	}
	*ret_n = i;
	f->shown += i;
	return fflush(f->c->out) ? CLI_FAULT : CLI_OK;
}

static int ask(struct follow *f, unsigned n, size_t *ret_n)
{
	struct buf path = {0};
	json_t *doc;
	int rc;

	ask_for(f->c, n, f->run, f->since, &path);
	if (path.failed)
		return CLI_FAULT;
	rc = cli_get(f->c, path.p, &doc);
	buf_free(&path);
	if (rc)
		return rc;
	rc = show(f, doc, ret_n);
	json_decref(doc);
	return rc;
}

static unsigned at_most(const struct follow *f, unsigned n)
{
	size_t left = f->c->count ? (size_t)f->c->count - f->shown : n;

	return left < n ? (unsigned)left : n;
}

int cli_flows(struct cli *c)
{
	double s = c->interval_s > 0 ? c->interval_s : INTERVAL_S;
	struct timespec wait = {(time_t)s,
				(long)((s - (double)(time_t)s) * 1e9)};
	/* no restart: a signal ends the waiting */
	struct sigaction sa = {.sa_handler = on_signal};
	struct follow f = {.c = c};
	unsigned most = FIRST;
	size_t n;

	if (c->once)
		return ask(&f, c->count ? (unsigned)c->count : ONCE, &n);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	while (!interrupted) {
		unsigned want = at_most(&f, most);
		int rc = ask(&f, want, &n);

		if (rc && !interrupted)
			return rc;
		if (c->count && f.shown >= (size_t)c->count)
			break;
		if (n < want || most == FIRST)
			(void)nanosleep(&wait, NULL);
		most = AT_ONCE;
	}
	return CLI_OK;
}
