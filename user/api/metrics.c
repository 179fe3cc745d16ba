/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics page. Send and receive are separate metrics; the only label
 * that every sample of a family shares is `hostname` of the two families that
 * flow-exporter defined, because its dashboards ask for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/libbpf.h>

#include "api/api_int.h"
#include "export/prom.h"

/* ------------------------------------------------------------ AS series */

struct flow_ctx {
	struct buf *b;
	const struct api_ctx *api;
	const char *name;
	struct buf hostname; /* escaped */
};

static void put_as(struct flow_ctx *f, const char *side, uint64_t as,
		   uint32_t retired)
{
	struct buf *b = f->b;

	buf_puts(b, side);
	buf_puts(b, "_as=\"");
	if (retired)
		buf_puts(b, "retired");
	else if (as == LEDGER_OTHER)
		buf_puts(b, "other");
	else
		buf_u64(b, as);
	buf_puts(b, "\",");
	buf_puts(b, side);
	buf_puts(b, "_as_name=\"");
	if (retired)
		buf_printf(b, "retired %u", retired);
	else if (as == LEDGER_OTHER)
		buf_puts(b, "other");
	else
		prom_escape(b, api_as_name(f->api, (uint32_t)as));
	buf_puts(b, "\",");
}

static void put_series(void *ctx, const struct ledger_series *s)
{
	struct flow_ctx *f = ctx;

	buf_puts(f->b, f->name);
	buf_putc(f->b, '{');
	put_as(f, "source", s->src_as, s->retired);
	put_as(f, "destination", s->dst_as, s->retired);
	buf_puts(f->b, "hostname=\"");
	buf_put(f->b, f->hostname.p, f->hostname.len);
	buf_puts(f->b, "\"} ");
	buf_u64(f->b, s->ip_bytes);
	buf_putc(f->b, '\n');
}

static void flows(const struct api_ctx *ctx, struct buf *b)
{
	struct flow_ctx f = {.b = b, .api = ctx};

	prom_escape(&f.hostname, ctx->router);
	f.name = "flow_receive_bytes_total";
	prom_family(b, f.name, PROM_COUNTER, "Bytes received.");
	ledger_series_each(ctx->ledger, ASM_DIR_IN, put_series, &f);
	f.name = "flow_transmit_bytes_total";
	prom_family(b, f.name, PROM_COUNTER, "Bytes transferred.");
	ledger_series_each(ctx->ledger, ASM_DIR_OUT, put_series, &f);
	buf_free(&f.hostname);
}

/* ----------------------------------------------------------- interfaces */

static const struct verdict {
	const char *reason;
	size_t at;
} verdicts[] = {
	{"unknown_as", offsetof(struct asm_books, unknown_as)},
	{"not_ip", offsetof(struct asm_books, not_ip)},
	{"truncated", offsetof(struct asm_books, truncated)},
	{"malformed", offsetof(struct asm_books, malformed)},
	{"map_full", offsetof(struct asm_books, map_full)},
};

static const struct measure_kind {
	const char *suffix, *what;
	size_t at;
} measures[] = {
	{"packets_total", "packets", offsetof(struct asm_measure, packets)},
	{"ip_bytes_total",
	 "IP bytes (IPv4 total length, IPv6 payload length + 40)",
	 offsetof(struct asm_measure, ip_bytes)},
	{"wire_bytes_total", "bytes of Ethernet frames without FCS",
	 offsetof(struct asm_measure, wire_bytes)},
};

static uint64_t measure_at(const struct asm_books *b, size_t verdict,
			   size_t measure)
{
	return *(const __u64 *)((const char *)b + verdict + measure);
}

static const char *past(unsigned dir)
{
	return dir == ASM_DIR_IN ? "received" : "transmitted";
}

static void port_measure(struct buf *b, const struct api_port *rows, size_t n,
			 unsigned d, const struct measure_kind *m)
{
	char name[96], help[160];

	snprintf(name, sizeof(name), "asmeter_interface_%s_%s", api_dir_name[d],
		 m->suffix);
	snprintf(help, sizeof(help), "All %s %s, as the program counted them.",
		 m->what, past(d));
	prom_family(b, name, PROM_COUNTER, help);
	for (size_t i = 0; i < n; i++)
		prom_u64(b, name,
			 (struct prom_label[]){{"interface", rows[i].name},
					       {0}},
			 measure_at(&rows[i].p.books[d],
				    offsetof(struct asm_books, seen), m->at));

	snprintf(name, sizeof(name), "asmeter_interface_%s_attributed_%s",
		 api_dir_name[d], m->suffix);
	snprintf(help, sizeof(help),
		 "The part of the %s %s whose two ASes are known.", m->what,
		 past(d));
	prom_family(b, name, PROM_COUNTER, help);
	for (size_t i = 0; i < n; i++)
		prom_u64(b, name,
			 (struct prom_label[]){{"interface", rows[i].name},
					       {0}},
			 measure_at(&rows[i].p.books[d],
				    offsetof(struct asm_books, attributed),
				    m->at));

	snprintf(name, sizeof(name), "asmeter_interface_%s_unattributed_%s",
		 api_dir_name[d], m->suffix);
	snprintf(help, sizeof(help),
		 "The part of the %s %s without two known ASes, by reason.",
		 m->what, past(d));
	prom_family(b, name, PROM_COUNTER, help);
	for (size_t i = 0; i < n; i++) {
		for (size_t v = 0; v < sizeof(verdicts) / sizeof(*verdicts);
		     v++)
			prom_u64(b, name,
				 (struct prom_label[]){
					 {"interface", rows[i].name},
					 {"reason", verdicts[v].reason},
					 {0}},
				 measure_at(&rows[i].p.books[d], verdicts[v].at,
					    m->at));
	}
}

static void port_own(struct buf *b, const struct api_port *rows, size_t n,
		     unsigned d, bool bytes)
{
	char name[96], help[160];

	snprintf(name, sizeof(name), "asmeter_interface_%s_device_%s_total",
		 api_dir_name[d], bytes ? "bytes" : "packets");
	snprintf(help, sizeof(help),
		 "%s %s by the interface's own counter since asmeter counts "
		 "there.",
		 bytes ? "Bytes" : "Packets", past(d));
	prom_family(b, name, PROM_COUNTER, help);
	for (size_t i = 0; i < n; i++) {
		const struct api_balance *bal = &rows[i].bal;

		if (bal->known[d])
			prom_u64(b, name,
				 (struct prom_label[]){
					 {"interface", rows[i].name}, {0}},
				 bytes ? bal->if_bytes[d] : bal->if_packets[d]);
	}
}

static void port_balance(struct buf *b, const struct api_port *rows, size_t n,
			 unsigned d, bool bytes)
{
	char name[96], help[200];

	snprintf(name, sizeof(name), "asmeter_interface_%s_balance_%s_ppm",
		 api_dir_name[d], bytes ? "bytes" : "packets");
	snprintf(help, sizeof(help),
		 "How far asmeter's %s %s are from the interface's own, in "
		 "parts per million of the latter.",
		 bytes ? "bytes" : "packets", past(d));
	prom_family(b, name, PROM_GAUGE, help);
	for (size_t i = 0; i < n; i++) {
		const struct api_balance *bal = &rows[i].bal;

		if (bal->known[d])
			prom_f64(b, name,
				 (struct prom_label[]){
					 {"interface", rows[i].name}, {0}},
				 bytes ? bal->b[d].bytes_ppm
				       : bal->b[d].packets_ppm);
	}
}

static void ports(const struct api_port *rows, size_t n, struct buf *b)
{
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		for (size_t m = 0; m < 3; m++)
			port_measure(b, rows, n, d, &measures[m]);
		for (unsigned bytes = 0; bytes < 2; bytes++) {
			port_own(b, rows, n, d, bytes);
			port_balance(b, rows, n, d, bytes);
		}
	}
}

static void modes(const struct api_ctx *ctx, struct buf *b)
{
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		char name[64], help[128];

		snprintf(name, sizeof(name), "asmeter_interface_%s_mode_info",
			 api_dir_name[d]);
		snprintf(help, sizeof(help),
			 "How packets %s are counted: native, tcx, clsact, "
			 "generic, mirror, none.",
			 past(d));
		prom_family(b, name, PROM_GAUGE, help);
		for (size_t i = 0; i < ctx->n_ifaces; i++) {
			const struct api_iface *f = &ctx->ifaces[i];

			prom_u64(b, name,
				 (struct prom_label[]){
					 {"interface", f->name},
					 {"mode",
					  attach_mode_name(d == ASM_DIR_IN
								   ? f->in
								   : f->out)},
					 {0}},
				 1);
		}
	}
	prom_family(b, "asmeter_interface_metered", PROM_GAUGE,
		    "1 when both directions of the interface are counted.");
	for (size_t i = 0; i < ctx->n_ifaces; i++)
		prom_u64(b, "asmeter_interface_metered",
			 (struct prom_label[]){
				 {"interface", ctx->ifaces[i].name}, {0}},
			 ctx->ifaces[i].in != ATTACH_NONE &&
				 ctx->ifaces[i].out != ATTACH_NONE &&
				 ctx->ifaces[i].ifindex);
	prom_family(b, "asmeter_interface_reattached_total", PROM_COUNTER,
		    "Times the interface had to be attached again.");
	for (size_t i = 0; i < ctx->n_ifaces; i++)
		prom_u64(b, "asmeter_interface_reattached_total",
			 (struct prom_label[]){
				 {"interface", ctx->ifaces[i].name}, {0}},
			 ctx->ifaces[i].reattached);
	prom_family(b, "asmeter_interface_gap_seconds_total", PROM_COUNTER,
		    "Time that the interface was not counted, because it was "
		    "gone or the program was removed.");
	for (size_t i = 0; i < ctx->n_ifaces; i++)
		prom_f64(b, "asmeter_interface_gap_seconds_total",
			 (struct prom_label[]){
				 {"interface", ctx->ifaces[i].name}, {0}},
			 (double)ctx->ifaces[i].gap_ns / 1e9);
}

/* ------------------------------------------------------------- the rest */

static void one(struct buf *b, const char *name, enum prom_kind kind,
		const char *help, uint64_t v)
{
	prom_family(b, name, kind, help);
	prom_u64(b, name, NULL, v);
}

static void onef(struct buf *b, const char *name, const char *help, double v)
{
	prom_family(b, name, PROM_GAUGE, help);
	prom_f64(b, name, NULL, v);
}

static void by_family(struct buf *b, const char *name, const uint64_t *v)
{
	prom_u64(b, name, (struct prom_label[]){{"family", "ipv4"}, {0}},
		 v[FAMILY_IP4]);
	prom_u64(b, name, (struct prom_label[]){{"family", "ipv6"}, {0}},
		 v[FAMILY_IP6]);
}

static void table(const struct api_ctx *ctx, struct buf *b)
{
	const struct api_table *t = &ctx->table;
	uint64_t now = api_now(ctx);

	one(b, "asmeter_table_live", PROM_GAUGE,
	    "1 when the packet path has a prefix table.", t->live);
	prom_family(b, "asmeter_table_source_info", PROM_GAUGE,
		    "Where the prefix table comes from.");
	prom_u64(b, "asmeter_table_source_info",
		 (struct prom_label[]){
			 {"source", t->source ? t->source : "none"}, {0}},
		 1);
	prom_family(b, "asmeter_table_prefixes", PROM_GAUGE,
		    "Prefixes in the routing information base.");
	by_family(b, "asmeter_table_prefixes", t->prefixes);
	one(b, "asmeter_table_used_bytes", PROM_GAUGE,
	    "Kernel memory of the prefix table in use.", t->words_used * 4);
	one(b, "asmeter_table_size_bytes", PROM_GAUGE,
	    "Kernel memory of the prefix table.", t->words * 4);
	one(b, "asmeter_table_ases", PROM_GAUGE, "AS indexes given out.",
	    t->as_used);
	one(b, "asmeter_table_ases_max", PROM_GAUGE,
	    "AS indexes that there are.", t->as_max);
	one(b, "asmeter_table_changes_total", PROM_COUNTER,
	    "Changes published to the packet path.", t->epoch);
	one(b, "asmeter_table_published_timestamp_seconds", PROM_GAUGE,
	    "When the table changed last, since the epoch; 0: never.",
	    t->published_at);
	if (t->published_at)
		one(b, "asmeter_table_age_seconds", PROM_GAUGE,
		    "Time since the table changed last.",
		    now > t->published_at ? now - t->published_at : 0);
	one(b, "asmeter_libloc_loaded", PROM_GAUGE,
	    "1 when libloc's database is in use.", ctx->loc.loaded);
	if (ctx->loc.loaded)
		one(b, "asmeter_libloc_created_timestamp_seconds", PROM_GAUGE,
		    "When libloc's database was made, since the epoch.",
		    ctx->loc.created_at);
}

static void state(const struct api_ctx *ctx, struct buf *b)
{
	const struct api_state *s = &ctx->state;

	prom_family(b, "asmeter_state_writes_total", PROM_COUNTER,
		    "Times a file of the state directory was written.");
	for (unsigned i = 0; i < API_FILES; i++)
		prom_u64(b, "asmeter_state_writes_total",
			 (struct prom_label[]){{"file", api_file_name[i]}, {0}},
			 s->writes[i]);
	prom_family(b, "asmeter_state_write_errors_total", PROM_COUNTER,
		    "Times a file of the state directory could not be written; "
		    "the one of before stays.");
	for (unsigned i = 0; i < API_FILES; i++)
		prom_u64(b, "asmeter_state_write_errors_total",
			 (struct prom_label[]){{"file", api_file_name[i]}, {0}},
			 s->errors[i]);
	one(b, "asmeter_table_snapshot_timestamp_seconds", PROM_GAUGE,
	    "When the snapshot of the table on disk was written, since the "
	    "epoch; 0: there is none.",
	    s->snapshot_at);
}

static void books(const struct api_ctx *ctx, struct buf *b)
{
	const struct api_maps *m = &ctx->maps;
	struct ledger_sums s;

	ledger_sums(ctx->ledger, &s);
	one(b, "asmeter_books_difference", PROM_GAUGE,
	    "How far the three equations are from balanced; must be 0.",
	    s.difference);
	one(b, "asmeter_books_ases", PROM_GAUGE, "ASes seen in traffic.",
	    s.ases);
	one(b, "asmeter_books_as_pairs", PROM_GAUGE,
	    "AS pairs seen in traffic.", s.pairs);
	one(b, "asmeter_series_ases", PROM_GAUGE,
	    "ASes that have flow series of their own.", s.admitted);
	one(b, "asmeter_receive_series", PROM_GAUGE,
	    "Series of flow_receive_bytes_total.", s.series[ASM_DIR_IN]);
	one(b, "asmeter_transmit_series", PROM_GAUGE,
	    "Series of flow_transmit_bytes_total.", s.series[ASM_DIR_OUT]);
	one(b, "asmeter_map_used_rows", PROM_GAUGE,
	    "Rows in use in the fullest part of the counter map.",
	    m->rows_used);
	one(b, "asmeter_map_max_rows", PROM_GAUGE,
	    "Rows that a part of the counter map has.", m->rows);
	onef(b, "asmeter_map_fill_ratio", "Fill of the counter map.",
	     m->rows ? (double)m->rows_used / (double)m->rows : 0);
	one(b, "asmeter_map_freed_rows_total", PROM_COUNTER,
	    "Rows of quiet AS pairs that were freed; no total changes by it.",
	    m->freed_rows);
	one(b, "asmeter_map_freed_parts_total", PROM_COUNTER,
	    "Times that rows were freed in a part of the counter map.",
	    m->freed_times);
	one(b, "asmeter_map_past_pairs", PROM_GAUGE,
	    "AS pairs whose totals are kept beside the rows.", m->past);
	one(b, "asmeter_map_max_past_pairs", PROM_GAUGE,
	    "Room for them; without any, no rows are freed.", m->past_room);
	one(b, "asmeter_drains_total", PROM_COUNTER,
	    "Times the kernel's counters were read.", s.drains);
	onef(b, "asmeter_drain_duration_seconds",
	     "Time that the last reading took.", (double)m->drain_ns / 1e9);
	onef(b, "asmeter_drain_interval_seconds",
	     "Time between the last two readings.",
	     (double)s.interval_ns / 1e9);
}

static void build(const struct api_ctx *ctx, struct buf *b)
{
	struct utsname u;
	char libbpf[32];

	snprintf(libbpf, sizeof(libbpf), "%u.%u", libbpf_major_version(),
		 libbpf_minor_version());
	prom_family(b, "asmeter_build_info", PROM_GAUGE,
		    "What this asmeter is.");
	prom_u64(b, "asmeter_build_info",
		 (struct prom_label[]){{"version", ctx->version},
				       {"compiler", "gcc " __VERSION__},
				       {"kernel", uname(&u) ? "" : u.release},
				       {"libbpf", libbpf},
				       {0}},
		 1);
	one(b, "asmeter_meter_starts_total", PROM_COUNTER,
	    "Times the keeper has started the meter.", ctx->meter_starts);
	one(b, "asmeter_config_reloads_total", PROM_COUNTER,
	    "Reloads of the configuration that took effect.",
	    ctx->config_reloads);
	one(b, "asmeter_config_errors_total", PROM_COUNTER,
	    "Reloads refused because of a fault in the file.",
	    ctx->config_errors);
	one(b, "asmeter_http_requests_total", PROM_COUNTER,
	    "Requests answered.", ctx->requests);
	one(b, "asmeter_http_errors_total", PROM_COUNTER,
	    "Requests answered with status 4xx or 5xx.", ctx->refused);
	one(b, "asmeter_http_evicted_connections_total", PROM_COUNTER,
	    "Connections closed to make room for others.", ctx->evicted);
}

/* ------------------------------------------------------------------ BGP */

/* A family walks all peers, so the context carries which one it is. */
struct peer_ctx {
	struct buf *b;
	const char *name;
	void (*put)(struct peer_ctx *c, const struct bgp_peer_info *p);
};

static void put_up(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	prom_u64(c->b, c->name, (struct prom_label[]){{"peer", p->name}, {0}},
		 p->up);
}

static void put_state(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	char as[12];

	snprintf(as, sizeof(as), "%u",
		 p->remote_as ? p->remote_as : p->cfg->remote_as);
	prom_u64(c->b, c->name,
		 (struct prom_label[]){{"peer", p->name},
				       {"remote_as", as},
				       {"state", bgp_state_str(p->state)},
				       {0}},
		 1);
}

static void put_state_age(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	prom_f64(c->b, c->name, (struct prom_label[]){{"peer", p->name}, {0}},
		 (double)p->state_age_ns / 1e9);
}

static void put_families(struct peer_ctx *c, const struct bgp_peer_info *p,
			 bool stale)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		prom_u64(c->b, c->name,
			 (struct prom_label[]){
				 {"peer", p->name},
				 {"family", f == FAMILY_IP4 ? "ipv4" : "ipv6"},
				 {0}},
			 stale ? p->family[f].stale : p->family[f].paths);
}

static void put_prefixes(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	put_families(c, p, false);
}

static void put_stale(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	put_families(c, p, true);
}

static void put_messages(struct peer_ctx *c, const struct bgp_peer_info *p,
			 const uint64_t *n)
{
	static const char *const types[BGP_TYPES] = {
		"unknown",      "open",      "update",
		"notification", "keepalive", "route_refresh",
	};

	for (unsigned t = 0; t < BGP_TYPES; t++)
		prom_u64(c->b, c->name,
			 (struct prom_label[]){
				 {"peer", p->name}, {"type", types[t]}, {0}},
			 n[t]);
}

static void put_in(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	put_messages(c, p, p->msgs_in);
}

static void put_out(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	put_messages(c, p, p->msgs_out);
}

static void put_events(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	for (unsigned i = 0; i < BGP_COUNTERS; i++) {
		if (i == BGP_C_BYTES_IN || i == BGP_C_BYTES_OUT)
			continue;
		prom_u64(c->b, c->name,
			 (struct prom_label[]){
				 {"peer", p->name},
				 {"event",
				  bgp_counter_str((enum bgp_counter)i)},
				 {0}},
			 p->counters[i]);
	}
}

static void put_bytes_in(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	prom_u64(c->b, c->name, (struct prom_label[]){{"peer", p->name}, {0}},
		 p->counters[BGP_C_BYTES_IN]);
}

static void put_bytes_out(struct peer_ctx *c, const struct bgp_peer_info *p)
{
	prom_u64(c->b, c->name, (struct prom_label[]){{"peer", p->name}, {0}},
		 p->counters[BGP_C_BYTES_OUT]);
}

static void on_peer(void *ctx, const struct bgp_peer_info *p)
{
	struct peer_ctx *c = ctx;

	c->put(c, p);
}

static void bgp(const struct api_ctx *ctx, struct buf *b)
{
	static const struct {
		const char *name, *help;
		enum prom_kind kind;
		void (*put)(struct peer_ctx *, const struct bgp_peer_info *);
	} families[] = {
		{"asmeter_bgp_session_up", "1 when the session is established.",
		 PROM_GAUGE, put_up},
		{"asmeter_bgp_session_state_info",
		 "State of the session (RFC 4271 section 8).", PROM_GAUGE,
		 put_state},
		{"asmeter_bgp_session_state_age_seconds",
		 "Time in this state; the uptime when established.", PROM_GAUGE,
		 put_state_age},
		{"asmeter_bgp_session_prefixes",
		 "Paths held of the neighbour, stale ones included.",
		 PROM_GAUGE, put_prefixes},
		{"asmeter_bgp_session_stale_prefixes",
		 "Paths kept from before the session was lost.", PROM_GAUGE,
		 put_stale},
		{"asmeter_bgp_session_received_messages_total",
		 "Messages from the neighbour, by type.", PROM_COUNTER, put_in},
		{"asmeter_bgp_session_sent_messages_total",
		 "Messages to the neighbour, by type.", PROM_COUNTER, put_out},
		{"asmeter_bgp_session_received_bytes_total",
		 "Bytes from the neighbour.", PROM_COUNTER, put_bytes_in},
		{"asmeter_bgp_session_sent_bytes_total",
		 "Bytes to the neighbour.", PROM_COUNTER, put_bytes_out},
		{"asmeter_bgp_session_events_total",
		 "Errors and other events of the session, by kind.",
		 PROM_COUNTER, put_events},
	};

	if (!ctx->peers_each)
		return;
	one(b, "asmeter_bgp_refused_connections_total", PROM_COUNTER,
	    "Connections to the BGP port from addresses that are no "
	    "neighbour's: closed unread.",
	    ctx->bgp_refused);
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		struct peer_ctx c = {b, families[i].name, families[i].put};

		prom_family(b, c.name, families[i].kind, families[i].help);
		ctx->peers_each(ctx->arg, on_peer, &c);
	}
}

/* ----------------------------------------------------- flow records, sFlow */

static void records(const struct api_ctx *ctx, struct buf *b)
{
	static const char *const sources[FLOW_SOURCES] = {
		[FLOW_SAMPLE] = "sample", /* the others: not there yet */
	};
	const struct api_flows *f = &ctx->flows;
	const struct {
		const char *reason;
		uint64_t n;
	} less[] = {
		{"no_ip", f->no_ip},
		{"no_route", f->no_route},
		{"cut", f->cut},
		{"malformed", f->malformed},
	};

	prom_family(b, "asmeter_flows_records_total", PROM_COUNTER,
		    "Flow records, by source.");
	for (unsigned i = 0; i < FLOW_SOURCES; i++) {
		if (sources[i])
			prom_u64(b, "asmeter_flows_records_total",
				 (struct prom_label[]){{"source", sources[i]},
						       {0}},
				 f->taken[i]);
	}
	prom_family(b, "asmeter_flows_incomplete_records_total", PROM_COUNTER,
		    "Flow records that do not say everything, by reason.");
	for (size_t i = 0; i < sizeof(less) / sizeof(*less); i++)
		prom_u64(b, "asmeter_flows_incomplete_records_total",
			 (struct prom_label[]){{"reason", less[i].reason}, {0}},
			 less[i].n);
}

static void each_collector(struct buf *b, const struct api_sflow *s,
			   const char *name, const char *help, size_t member)
{
	prom_family(b, name, PROM_COUNTER, help);
	for (size_t i = 0; i < s->n; i++) {
		const struct api_collector *c = &s->collector[i];

		prom_u64(b, name,
			 (struct prom_label[]){{"collector", c->name}, {0}},
			 *(const uint64_t *)((const char *)c + member));
	}
}

static void collector_faults(struct buf *b, const struct api_collector *c)
{
	for (size_t k = 0; k < API_FAULTS_MAX && c->fault[k].reason; k++)
		prom_u64(b, "asmeter_sflow_errors_total",
			 (struct prom_label[]){{"collector", c->name},
					       {"reason", c->fault[k].reason},
					       {0}},
			 c->fault[k].n);
}

static void sflow(const struct api_ctx *ctx, struct buf *b)
{
	const struct api_sflow *s = &ctx->sflow;

	prom_family(b, "asmeter_sflow_samples_total", PROM_COUNTER,
		    "sFlow samples made, by kind.");
	prom_u64(b, "asmeter_sflow_samples_total",
		 (struct prom_label[]){{"kind", "flow"}, {0}}, s->flows);
	prom_u64(b, "asmeter_sflow_samples_total",
		 (struct prom_label[]){{"kind", "counter"}, {0}}, s->counters);
	one(b, "asmeter_sflow_skipped_records_total", PROM_COUNTER,
	    "Flow records that sFlow cannot say: no samples of this machine.",
	    s->skipped);
	each_collector(b, s, "asmeter_sflow_datagrams_total",
		       "sFlow datagrams sent.",
		       offsetof(struct api_collector, datagrams));
	each_collector(b, s, "asmeter_sflow_sent_samples_total",
		       "sFlow samples sent, of both kinds.",
		       offsetof(struct api_collector, samples));
	each_collector(b, s, "asmeter_sflow_lost_samples_total",
		       "sFlow samples in datagrams that could not be sent.",
		       offsetof(struct api_collector, lost));
	prom_family(b, "asmeter_sflow_errors_total", PROM_COUNTER,
		    "Failures to send to the collector, by reason.");
	for (size_t i = 0; i < s->n; i++)
		collector_faults(b, &s->collector[i]);
}

void api_metrics(const struct api_ctx *ctx, struct buf *b)
{
	struct api_port *rows;
	size_t n = api_ports(ctx, &rows);

	if (!rows) {
		b->failed = true;
		return;
	}
	build(ctx, b);
	books(ctx, b);
	ports(rows, n, b);
	modes(ctx, b);
	table(ctx, b);
	state(ctx, b);
	bgp(ctx, b);
	api_metrics_samples(ctx, b);
	records(ctx, b);
	sflow(ctx, b);
	api_metrics_kafka(ctx, b);
	prom_process(b);
	flows(ctx, b);
	free(rows);
}
