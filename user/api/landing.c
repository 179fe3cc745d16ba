/* SPDX-License-Identifier: BSD-2-Clause */
/* The page at /: does it add up, and where to go from here. No script, no
 * asset, nothing from elsewhere. */
#include <math.h>
#include <stdlib.h>

#include "api/api_int.h"

static const char head[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width\">"
	"<meta http-equiv=\"refresh\" content=\"10\">"
	"<title>asmeter</title><style>"
	":root{color-scheme:light dark;--b:#fafafa;--f:#1c1f23;--c:#fff;"
	"--l:#dfe3e8;--m:#68707a;--g:#12783d;--r:#b3261e}"
	"@media(prefers-color-scheme:dark){:root{--b:#14171a;--f:#e6e9ec;"
	"--c:#1d2126;--l:#333a42;--m:#98a1ab;--g:#5fd08c;--r:#ff8a80}}"
	"body{font:15px/1.5 system-ui,sans-serif;background:var(--b);"
	"color:var(--f);max-width:60rem;margin:2rem auto;padding:0 1rem}"
	"h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .6rem}"
	"p{margin:.2rem 0}.m{color:var(--m)}a{color:inherit}"
	"section{background:var(--c);border:1px solid var(--l);"
	"border-radius:8px;padding:1rem;margin:1rem 0;overflow-x:auto}"
	"table{border-collapse:collapse;width:100%;"
	"font-variant-numeric:tabular-nums}"
	"th,td{padding:.25rem .6rem;text-align:right;"
	"border-top:1px solid var(--l);white-space:nowrap}"
	"th{border:0;color:var(--m);font-weight:500}"
	"th:first-child,td:first-child{text-align:left;padding-left:0}"
	".g{color:var(--g)}.r{color:var(--r)}"
	"</style></head><body>\n";

static void escape(struct buf *b, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		case '"':
			buf_puts(b, "&quot;");
			break;
		default:
			buf_putc(b, *s);
		}
	}
}

/* 1234567 as 1,234,567 */
static void number(struct buf *b, uint64_t v)
{
	if (v >= 1000) {
		number(b, v / 1000);
		buf_printf(b, ",%03u", (unsigned)(v % 1000));
	} else {
		buf_u64(b, v);
	}
}

static void ppm_cell(struct buf *b, bool known, double ppm)
{
	if (!known) {
		buf_puts(b, "<td class=m>&ndash;</td>");
		return;
	}
	buf_printf(b, "<td class=%s>%+.1f</td>", fabs(ppm) < 1000 ? "g" : "r",
		   ppm + 0.0);
}

static void port(struct buf *b, const struct api_port *o)
{
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		const struct asm_books *k = &o->p.books[d];

		buf_puts(b, "<tr><td>");
		escape(b, o->name);
		buf_printf(b, " <span class=m>%s</span></td><td>",
			   api_dir_name[d]);
		number(b, k->seen.packets);
		buf_puts(b, "</td><td>");
		number(b, k->seen.wire_bytes);
		buf_puts(b, "</td><td>");
		number(b, k->attributed.packets);
		buf_puts(b, "</td><td>");
		number(b, k->seen.packets - k->attributed.packets);
		buf_puts(b, "</td>");
		ppm_cell(b, o->bal.known[d], o->bal.b[d].packets_ppm);
		ppm_cell(b, o->bal.known[d], o->bal.b[d].bytes_ppm);
		buf_puts(b, "</tr>\n");
	}
}

static void balance_card(const struct api_ctx *ctx, struct buf *b)
{
	struct ledger_sums s;
	struct api_port *ports;
	size_t n = api_ports(ctx, &ports);

	ledger_sums(ctx->ledger, &s);
	buf_puts(b, "<section><h2>Does it add up?</h2><p class=");
	if (s.difference)
		buf_printf(b, "r>The books differ by %llu.</p>",
			   (unsigned long long)s.difference);
	else
		buf_puts(b, "g>The books balance: attributed + unknown AS + "
			    "not IP + truncated + malformed + map full = every "
			    "packet seen. Difference 0.</p>");
	buf_puts(b, "<table><tr><th>interface</th><th>packets</th>"
		    "<th>wire bytes</th><th>attributed</th>"
		    "<th>not attributed</th><th>packets vs interface, ppm</th>"
		    "<th>bytes, ppm</th></tr>\n");
	for (size_t i = 0; i < n; i++)
		port(b, &ports[i]);
	free(ports);
	if (!n)
		buf_puts(b, "<tr><td class=m>nothing counted yet</td></tr>");
	buf_puts(b, "</table></section>\n");
}

static void feed_card(const struct api_ctx *ctx, struct buf *b)
{
	const struct api_table *t = &ctx->table;
	struct api_peer_sums peers;

	api_peers_count(ctx, &peers);
	buf_puts(b, "<section><h2>Prefix table</h2><p>");
	if (!t->live) {
		buf_puts(b, "<span class=r>No table yet.</span>");
	} else {
		number(b, t->prefixes[FAMILY_IP4]);
		buf_puts(b, " IPv4 and ");
		number(b, t->prefixes[FAMILY_IP6]);
		buf_puts(b, " IPv6 prefixes from ");
		escape(b, t->source ? t->source : "none");
	}
	buf_printf(b,
		   "</p><p>%u of %u BGP sessions established.</p></section>\n",
		   peers.established, peers.peers);
}

void api_landing(const struct api_ctx *ctx, struct buf *b)
{
	buf_puts(b, head);
	buf_puts(b, "<h1>asmeter</h1><p class=m>");
	escape(b, ctx->router);
	buf_printf(b, " &middot; AS %u &middot; ", ctx->local_as);
	escape(b, ctx->version);
	buf_puts(b, "</p>\n");
	balance_card(ctx, b);
	feed_card(ctx, b);
	buf_puts(b,
		 "<section><h2>More</h2><p><a href=\"/metrics\">/metrics</a> "
		 "for Prometheus &middot; <a href=\"/-/healthy\">/-/healthy</a>"
		 " &middot; <a href=\"/-/ready\">/-/ready</a></p><p>JSON: "
		 "<a href=\"/api/v1/status\">status</a> &middot; "
		 "<a href=\"/api/v1/top\">top</a> &middot; "
		 "<a href=\"/api/v1/top?per=pair\">top pairs</a> &middot; "
		 "<a href=\"/api/v1/interfaces\">interfaces</a> &middot; "
		 "<a href=\"/api/v1/peers\">peers</a> &middot; "
		 "<a href=\"/api/v1/lookup?addr=192.0.2.1\">lookup</a></p>"
		 "<p class=m>In the terminal: <code>asmeter top</code></p>"
		 "</section></body></html>\n");
}
