/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON answers about asmeter itself: status, interfaces, peers, version. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_int.h"

void api_json_version(struct api_ctx *ctx, const struct api_args *a,
		      struct jw *j)
{
	(void)a;
	jw_str(j, "version", ctx->version);
	jw_u64(j, "api", 1);
	jw_u64(j, "abi", ASM_ABI_VERSION);
}

static void measure(struct jw *j, const char *key, const struct asm_measure *m)
{
	jw_object(j, key);
	jw_u64(j, "packets", m->packets);
	jw_u64(j, "ip_bytes", m->ip_bytes);
	jw_u64(j, "wire_bytes", m->wire_bytes);
	jw_end(j);
}

static void books(struct jw *j, const char *key, const struct asm_books *b)
{
	jw_object(j, key);
	measure(j, "seen", &b->seen);
	measure(j, "attributed", &b->attributed);
	measure(j, "unknown_as", &b->unknown_as);
	measure(j, "not_ip", &b->not_ip);
	measure(j, "truncated", &b->truncated);
	measure(j, "malformed", &b->malformed);
	measure(j, "map_full", &b->map_full);
	jw_end(j);
}

static void rate(struct jw *j, const char *key, const struct ledger_rate *r)
{
	jw_object(j, key);
	jw_f64(j, "packets", r->packets);
	jw_f64(j, "ip_bytes", r->ip_bytes);
	jw_f64(j, "wire_bytes", r->wire_bytes);
	jw_end(j);
}

/* ----------------------------------------------------------- interfaces */

static void balance(struct jw *j, const struct api_balance *bal, unsigned d)
{
	if (!bal->known[d]) {
		jw_null(j, "balance");
		return;
	}
	jw_object(j, "balance");
	jw_u64(j, "packets", bal->packets[d]);
	jw_u64(j, "device_packets", bal->if_packets[d]);
	jw_i64(j, "packets_difference", bal->b[d].packets_diff);
	jw_f64(j, "packets_ppm", bal->b[d].packets_ppm);
	jw_u64(j, "bytes", bal->bytes[d]);
	jw_u64(j, "device_bytes", bal->if_bytes[d]);
	jw_i64(j, "device_bytes_per_packet_more", bal->b[d].offset);
	jw_i64(j, "bytes_difference", bal->b[d].bytes_diff);
	jw_f64(j, "bytes_ppm", bal->b[d].bytes_ppm);
	jw_end(j);
}

static void iface_facts(struct jw *j, const struct api_iface *f)
{
	jw_str(j, "driver", f->now.driver);
	jw_bool(j, "up", f->have_stats && f->now.oper_up);
	jw_u64(j, "mtu", f->now.mtu);
	jw_u64(j, "speed_mbps", f->now.speed_mbps);
	jw_u64(j, "reattached", f->reattached);
	jw_f64(j, "gap_s", (double)f->gap_ns / 1e9);
	jw_str(j, "error", f->error[0] ? f->error : NULL);
}

static void port(struct jw *j, const struct api_port *o)
{
	const struct api_iface *f = o->ifc;

	jw_object(j, NULL);
	jw_str(j, "name", o->name);
	jw_u64(j, "ifindex", o->p.ifc.ifindex);
	jw_bool(j, "present", o->bal.ifc != NULL);
	if (f)
		iface_facts(j, f);
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		jw_object(j, api_dir_name[d]);
		if (f)
			jw_str(j, "mode",
			       attach_mode_name(d == ASM_DIR_IN ? f->in
								: f->out));
		rate(j, "rate", &o->p.last[d]);
		rate(j, "rate_smooth", &o->p.smooth[d]);
		books(j, "books", &o->p.books[d]);
		measure(j, "rows", &o->p.rows[d]);
		balance(j, &o->bal, d);
		jw_end(j);
	}
	jw_end(j);
}

/* Configured, but nothing was ever counted there. */
static void uncounted(struct jw *j, const struct api_iface *f)
{
	jw_object(j, NULL);
	jw_str(j, "name", f->name);
	jw_u64(j, "ifindex", f->ifindex);
	jw_bool(j, "present", f->ifindex != 0);
	iface_facts(j, f);
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		jw_object(j, api_dir_name[d]);
		jw_str(j, "mode",
		       attach_mode_name(d == ASM_DIR_IN ? f->in : f->out));
		jw_null(j, "balance");
		jw_end(j);
	}
	jw_end(j);
}

void api_json_interfaces(struct api_ctx *ctx, const struct api_args *a,
			 struct jw *j)
{
	struct api_port *ports;
	size_t n = api_ports(ctx, &ports);

	(void)a;
	jw_array(j, "interfaces");
	for (size_t i = 0; i < n; i++)
		port(j, &ports[i]);
	for (size_t i = 0; i < ctx->n_ifaces; i++) {
		size_t k;

		for (k = 0; k < n && ports[k].ifc != &ctx->ifaces[i]; k++)
			;
		if (k == n)
			uncounted(j, &ctx->ifaces[i]);
	}
	jw_close(j);
	free(ports);
	api_json_samples(ctx, j);
}

/* ---------------------------------------------------------------- peers */

static void family_info(struct jw *j, const char *key,
			const struct bgp_family_info *f)
{
	jw_object(j, key);
	jw_bool(j, "negotiated", f->negotiated);
	jw_bool(j, "add_path", f->add_path);
	jw_bool(j, "end_of_rib", f->eor);
	jw_u64(j, "paths", f->paths);
	jw_u64(j, "stale", f->stale);
	jw_end(j);
}

static uint64_t sum(const uint64_t *v, size_t n)
{
	uint64_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += v[i];
	return s;
}

static void notification(struct jw *j, const char *key,
			 const struct bgp_notification *n, int64_t age_ns)
{
	if (!n->text[0] && !n->code) {
		jw_null(j, key);
		return;
	}
	jw_object(j, key);
	jw_u64(j, "code", n->code);
	jw_u64(j, "subcode", n->subcode);
	jw_str(j, "text", n->text);
	jw_i64(j, "age_s", age_ns / NSEC_PER_SEC);
	jw_end(j);
}

static void peer(void *ctx, const struct bgp_peer_info *p)
{
	struct jw *j = ctx;
	char addr[PREFIX_STRLEN];

	jw_object(j, NULL);
	jw_str(j, "name", p->name);
	jw_str(j, "address", addr_str(&p->cfg->addr, addr));
	jw_u64(j, "remote_as", p->remote_as ? p->remote_as : p->cfg->remote_as);
	jw_bool(j, "ebgp", p->ebgp);
	jw_str(j, "state", bgp_state_str(p->state));
	jw_bool(j, "up", p->up);
	jw_i64(j, "state_age_s", p->state_age_ns / NSEC_PER_SEC);
	jw_str(j, "idle_reason", p->idle_why);
	jw_u64(j, "hold_time_s", p->hold_time_s);
	family_info(j, "ipv4", &p->family[FAMILY_IP4]);
	family_info(j, "ipv6", &p->family[FAMILY_IP6]);
	jw_i64(j, "stale_left_s", p->stale_left_ns / NSEC_PER_SEC);
	jw_u64(j, "messages_received", sum(p->msgs_in, BGP_TYPES));
	jw_u64(j, "messages_sent", sum(p->msgs_out, BGP_TYPES));
	jw_u64(j, "updates_received", p->msgs_in[BGP_UPDATE]);
	jw_object(j, "counters");
	for (unsigned i = 0; i < BGP_COUNTERS; i++)
		jw_u64(j, bgp_counter_str((enum bgp_counter)i), p->counters[i]);
	jw_end(j);
	notification(j, "last_received", &p->last_in, p->last_in_age_ns);
	notification(j, "last_sent", &p->last_out, p->last_out_age_ns);
	jw_str(j, "last_error", p->last_error[0] ? p->last_error : NULL);
	jw_end(j);
}

void api_json_peers(struct api_ctx *ctx, const struct api_args *a, struct jw *j)
{
	(void)a;
	jw_array(j, "peers");
	if (ctx->peers_each)
		ctx->peers_each(ctx->arg, peer, j);
	jw_close(j);
}

/* ---------------------------------------------------------------- Kafka */

static void kafka_stream(struct jw *j, const struct kafka_stats *k, unsigned s)
{
	jw_object(j, kafka_stream_name[s]);
	jw_u64(j, "queued", k->stream[s].queued);
	jw_u64(j, "delivered", k->stream[s].delivered);
	jw_u64(j, "failed", sum(k->stream[s].failed, KAFKA_REASONS));
	jw_object(j, "lost");
	for (unsigned r = 0; r < KAFKA_REASONS; r++)
		jw_u64(j, kafka_reason_name[r], k->stream[s].lost[r]);
	jw_end(j);
	jw_end(j);
}

static void kafka(const struct api_ctx *ctx, struct jw *j)
{
	const struct kafka_stats *k = &ctx->kafka;
	uint64_t now_ms = api_now(ctx) * 1000;

	if (!ctx->has_kafka) {
		jw_null(j, "kafka");
		return;
	}
	jw_object(j, "kafka");
	jw_bool(j, "up", k->up);
	jw_str(j, "error", k->error[0] ? k->error : NULL);
	for (unsigned s = 0; s < KAFKA_STREAMS; s++)
		kafka_stream(j, k, s);
	jw_object(j, "spool");
	jw_u64(j, "bytes", k->spool.bytes);
	jw_u64(j, "pending_bytes", k->spool.pending);
	jw_u64(j, "max_bytes", k->spool.max_bytes);
	jw_u64(j, "records", k->stored);
	jw_u64(j, "age_s",
	       k->oldest_ms && now_ms > k->oldest_ms
		       ? (now_ms - k->oldest_ms) / 1000
		       : 0);
	jw_end(j);
	jw_object(j, "merged_intervals");
	for (unsigned m = 0; m < KAFKA_MERGES; m++)
		jw_u64(j, kafka_merge_name[m], k->merged[m]);
	jw_end(j);
	jw_u64(j, "rebuilds", k->rebuilds);
	jw_end(j);
}

/* --------------------------------------------------------------- status */

static void table(const struct api_ctx *ctx, struct jw *j)
{
	const struct api_table *t = &ctx->table;
	uint64_t now = api_now(ctx);

	jw_object(j, "table");
	jw_bool(j, "live", t->live);
	jw_str(j, "source", t->source ? t->source : "none");
	jw_u64(j, "prefixes_ipv4", t->prefixes[FAMILY_IP4]);
	jw_u64(j, "prefixes_ipv6", t->prefixes[FAMILY_IP6]);
	jw_u64(j, "used_bytes", t->words_used * 4);
	jw_u64(j, "size_bytes", t->words * 4);
	jw_u64(j, "ases", t->as_used);
	jw_u64(j, "ases_max", t->as_max);
	jw_u64(j, "changes", t->epoch);
	jw_u64(j, "published_at", t->published_at);
	if (t->published_at)
		jw_u64(j, "age_s",
		       now > t->published_at ? now - t->published_at : 0);
	else
		jw_null(j, "age_s");
	if (ctx->state.snapshot_at)
		jw_u64(j, "snapshot_at", ctx->state.snapshot_at);
	else
		jw_null(j, "snapshot_at");
	jw_end(j);
	jw_object(j, "libloc");
	jw_bool(j, "loaded", ctx->loc.loaded);
	jw_u64(j, "created_at", ctx->loc.created_at);
	jw_u64(j, "prefixes_ipv4", ctx->loc.prefixes[FAMILY_IP4]);
	jw_u64(j, "prefixes_ipv6", ctx->loc.prefixes[FAMILY_IP6]);
	jw_u64(j, "names", ctx->loc.names);
	jw_str(j, "error", ctx->loc.error[0] ? ctx->loc.error : NULL);
	jw_end(j);
}

static void status_books(const struct ledger_sums *s, struct jw *j)
{
	jw_object(j, "books");
	jw_u64(j, "difference", s->difference);
	jw_u64(j, "drains", s->drains);
	jw_f64(j, "interval_s", (double)s->interval_ns / 1e9);
	jw_u64(j, "ases", s->ases);
	jw_u64(j, "as_pairs", s->pairs);
	for (unsigned d = 0; d < ASM_DIRS; d++)
		books(j, api_dir_name[d], &s->books[d]);
	jw_end(j);
	jw_object(j, "series");
	jw_u64(j, "ases", s->admitted);
	for (unsigned d = 0; d < ASM_DIRS; d++)
		jw_u64(j, api_dir_name[d], s->series[d]);
	jw_end(j);
}

void api_json_status(struct api_ctx *ctx, const struct api_args *a,
		     struct jw *j)
{
	struct ledger_sums s;
	struct api_peer_sums peers;

	ledger_sums(ctx->ledger, &s);
	api_peers_count(ctx, &peers);
	jw_str(j, "version", ctx->version);
	jw_str(j, "router", ctx->router);
	jw_u64(j, "local_as", ctx->local_as);
	jw_u64(j, "started_at", ctx->started_at);
	jw_i64(j, "uptime_s",
	       mono_diff_ns(ctx->started, mono_now()) / NSEC_PER_SEC);
	jw_u64(j, "meter_starts", ctx->meter_starts);
	jw_bool(j, "ready", api_ready(ctx));
	status_books(&s, j);
	table(ctx, j);
	jw_object(j, "map");
	jw_u64(j, "rows_used", ctx->maps.rows_used);
	jw_u64(j, "rows", ctx->maps.rows);
	jw_u64(j, "freed_rows", ctx->maps.freed_rows);
	jw_u64(j, "past_pairs", ctx->maps.past);
	jw_u64(j, "past_room", ctx->maps.past_room);
	jw_f64(j, "drain_ms", (double)ctx->maps.drain_ns / 1e6);
	jw_end(j);
	jw_object(j, "bgp");
	jw_u64(j, "peers", peers.peers);
	jw_u64(j, "established", peers.established);
	jw_end(j);
	kafka(ctx, j);
	jw_object(j, "config");
	jw_u64(j, "reloads", ctx->config_reloads);
	jw_u64(j, "errors", ctx->config_errors);
	jw_end(j);
	api_json_interfaces(ctx, a, j);
	api_json_peers(ctx, a, j);
}
