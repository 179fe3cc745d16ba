/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON answers about asmeter itself: status, interfaces, peers, version. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_int.h"

void api_json_version(struct api_ctx *ctx, const struct api_args *a,
		      struct json *j)
{
	(void)a;
	json_str(j, "version", ctx->version);
	json_u64(j, "api", 1);
	json_u64(j, "abi", ASM_ABI_VERSION);
}

static void measure(struct json *j, const char *key,
		    const struct asm_measure *m)
{
	json_object(j, key);
	json_u64(j, "packets", m->packets);
	json_u64(j, "ip_bytes", m->ip_bytes);
	json_u64(j, "wire_bytes", m->wire_bytes);
	json_end(j);
}

static void books(struct json *j, const char *key, const struct asm_books *b)
{
	json_object(j, key);
	measure(j, "seen", &b->seen);
	measure(j, "attributed", &b->attributed);
	measure(j, "unknown_as", &b->unknown_as);
	measure(j, "not_ip", &b->not_ip);
	measure(j, "truncated", &b->truncated);
	measure(j, "malformed", &b->malformed);
	measure(j, "map_full", &b->map_full);
	json_end(j);
}

static void rate(struct json *j, const char *key, const struct ledger_rate *r)
{
	json_object(j, key);
	json_f64(j, "packets", r->packets);
	json_f64(j, "ip_bytes", r->ip_bytes);
	json_f64(j, "wire_bytes", r->wire_bytes);
	json_end(j);
}

/* ----------------------------------------------------------- interfaces */

static void balance(struct json *j, const struct ledger_port *p,
		    const struct api_balance *bal, unsigned d)
{
	if (!bal->known[d]) {
		json_null(j, "balance");
		return;
	}
	json_object(j, "balance");
	json_u64(j, "packets", p->books[d].seen.packets);
	json_u64(j, "device_packets", bal->if_packets[d]);
	json_i64(j, "packets_difference", bal->b[d].packets_diff);
	json_f64(j, "packets_ppm", bal->b[d].packets_ppm);
	json_u64(j, "bytes", p->books[d].seen.wire_bytes);
	json_u64(j, "device_bytes", bal->if_bytes[d]);
	json_i64(j, "device_bytes_per_packet_more", bal->b[d].offset);
	json_i64(j, "bytes_difference", bal->b[d].bytes_diff);
	json_f64(j, "bytes_ppm", bal->b[d].bytes_ppm);
	json_end(j);
}

static void iface_facts(struct json *j, const struct api_iface *f)
{
	json_str(j, "driver", f->now.driver);
	json_bool(j, "up", f->have_stats && f->now.oper_up);
	json_u64(j, "mtu", f->now.mtu);
	json_u64(j, "speed_mbps", f->now.speed_mbps);
	json_u64(j, "reattached", f->reattached);
	json_str(j, "error", f->error[0] ? f->error : NULL);
}

static void port(const struct api_ctx *ctx, struct json *j, size_t i,
		 bool *seen)
{
	struct ledger_port p;
	struct api_balance bal;

	ledger_port_get(ctx->ledger, i, &p);
	api_balance_of(ctx, &p, &bal);
	json_object(j, NULL);
	json_str(j, "name",
		 p.slot == ASM_IF_UNLISTED ? "unlisted"
		 : bal.ifc		   ? bal.ifc->name
					   : p.ifc.name);
	json_u64(j, "ifindex", p.ifc.ifindex);
	json_bool(j, "present", bal.ifc != NULL);
	if (bal.ifc) {
		seen[bal.ifc - ctx->ifaces] = true;
		iface_facts(j, bal.ifc);
	}
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		json_object(j, api_dir_name[d]);
		if (bal.ifc)
			json_str(j, "mode",
				 attach_mode_name(d == ASM_DIR_IN
							  ? bal.ifc->in
							  : bal.ifc->out));
		rate(j, "rate", &p.last[d]);
		rate(j, "rate_smooth", &p.smooth[d]);
		books(j, "books", &p.books[d]);
		measure(j, "rows", &p.rows[d]);
		balance(j, &p, &bal, d);
		json_end(j);
	}
	json_end(j);
}

void api_json_interfaces(struct api_ctx *ctx, const struct api_args *a,
			 struct json *j)
{
	size_t n = ledger_ports(ctx->ledger);
	bool *seen = calloc(ctx->n_ifaces + 1, sizeof(*seen));

	(void)a;
	json_array(j, "interfaces");
	for (size_t i = 0; seen && i < n; i++)
		port(ctx, j, i, seen);
	/* configured, but nothing was ever counted there */
	for (size_t i = 0; seen && i < ctx->n_ifaces; i++) {
		const struct api_iface *f = &ctx->ifaces[i];

		if (seen[i])
			continue;
		json_object(j, NULL);
		json_str(j, "name", f->name);
		json_u64(j, "ifindex", f->ifindex);
		json_bool(j, "present", f->ifindex != 0);
		iface_facts(j, f);
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			json_object(j, api_dir_name[d]);
			json_str(j, "mode",
				 attach_mode_name(d == ASM_DIR_IN ? f->in
								  : f->out));
			json_null(j, "balance");
			json_end(j);
		}
		json_end(j);
	}
	json_close(j);
	free(seen);
}

/* ---------------------------------------------------------------- peers */

static void family_info(struct json *j, const char *key,
			const struct bgp_family_info *f)
{
	json_object(j, key);
	json_bool(j, "negotiated", f->negotiated);
	json_bool(j, "add_path", f->add_path);
	json_bool(j, "end_of_rib", f->eor);
	json_u64(j, "paths", f->paths);
	json_u64(j, "stale", f->stale);
	json_end(j);
}

static uint64_t sum(const uint64_t *v, size_t n)
{
	uint64_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += v[i];
	return s;
}

static void notification(struct json *j, const char *key,
			 const struct bgp_notification *n, int64_t age_ns)
{
	if (!n->text[0] && !n->code) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	json_u64(j, "code", n->code);
	json_u64(j, "subcode", n->subcode);
	json_str(j, "text", n->text);
	json_i64(j, "age_s", age_ns / NSEC_PER_SEC);
	json_end(j);
}

static void peer(void *ctx, const struct bgp_peer_info *p)
{
	struct json *j = ctx;
	char addr[PREFIX_STRLEN];

	json_object(j, NULL);
	json_str(j, "name", p->name);
	json_str(j, "address", addr_str(&p->cfg->addr, addr));
	json_u64(j, "remote_as", p->remote_as ? p->remote_as : p->cfg->remote_as);
	json_bool(j, "ebgp", p->ebgp);
	json_str(j, "state", bgp_state_str(p->state));
	json_bool(j, "up", p->up);
	json_i64(j, "state_age_s", p->state_age_ns / NSEC_PER_SEC);
	json_str(j, "idle_reason", p->idle_why);
	json_u64(j, "hold_time_s", p->hold_time_s);
	family_info(j, "ipv4", &p->family[FAMILY_IP4]);
	family_info(j, "ipv6", &p->family[FAMILY_IP6]);
	json_i64(j, "stale_left_s", p->stale_left_ns / NSEC_PER_SEC);
	json_u64(j, "messages_received", sum(p->msgs_in, BGP_TYPES));
	json_u64(j, "messages_sent", sum(p->msgs_out, BGP_TYPES));
	json_u64(j, "updates_received", p->msgs_in[BGP_UPDATE]);
	json_object(j, "counters");
	for (unsigned i = 0; i < BGP_COUNTERS; i++)
		json_u64(j, bgp_counter_str((enum bgp_counter)i),
			 p->counters[i]);
	json_end(j);
	notification(j, "last_received", &p->last_in, p->last_in_age_ns);
	notification(j, "last_sent", &p->last_out, p->last_out_age_ns);
	json_str(j, "last_error", p->last_error[0] ? p->last_error : NULL);
	json_end(j);
}

void api_json_peers(struct api_ctx *ctx, const struct api_args *a,
		    struct json *j)
{
	(void)a;
	json_array(j, "peers");
	if (ctx->peers_each)
		ctx->peers_each(ctx->arg, peer, j);
	json_close(j);
}

/* --------------------------------------------------------------- status */

static void table(const struct api_ctx *ctx, struct json *j)
{
	const struct api_table *t = &ctx->table;
	uint64_t now = api_now(ctx);

	json_object(j, "table");
	json_bool(j, "live", t->live);
	json_str(j, "source", t->source ? t->source : "none");
	json_u64(j, "prefixes_ipv4", t->prefixes[FAMILY_IP4]);
	json_u64(j, "prefixes_ipv6", t->prefixes[FAMILY_IP6]);
	json_u64(j, "used_bytes", t->words_used * 4);
	json_u64(j, "size_bytes", t->words * 4);
	json_u64(j, "ases", t->as_used);
	json_u64(j, "ases_max", t->as_max);
	json_u64(j, "changes", t->epoch);
	json_u64(j, "published_at", t->published_at);
	if (t->published_at)
		json_u64(j, "age_s",
			 now > t->published_at ? now - t->published_at : 0);
	else
		json_null(j, "age_s");
	json_end(j);
	json_object(j, "libloc");
	json_bool(j, "loaded", ctx->loc.loaded);
	json_u64(j, "created_at", ctx->loc.created_at);
	json_u64(j, "prefixes_ipv4", ctx->loc.prefixes[FAMILY_IP4]);
	json_u64(j, "prefixes_ipv6", ctx->loc.prefixes[FAMILY_IP6]);
	json_u64(j, "names", ctx->loc.names);
	json_str(j, "error", ctx->loc.error[0] ? ctx->loc.error : NULL);
	json_end(j);
}

static void status_books(const struct ledger_sums *s, struct json *j)
{
	json_object(j, "books");
	json_u64(j, "difference", s->difference);
	json_u64(j, "drains", s->drains);
	json_f64(j, "interval_s", (double)s->interval_ns / 1e9);
	json_u64(j, "ases", s->ases);
	json_u64(j, "as_pairs", s->pairs);
	for (unsigned d = 0; d < ASM_DIRS; d++)
		books(j, api_dir_name[d], &s->books[d]);
	json_end(j);
	json_object(j, "series");
	json_u64(j, "ases", s->admitted);
	for (unsigned d = 0; d < ASM_DIRS; d++)
		json_u64(j, api_dir_name[d], s->series[d]);
	json_end(j);
}

void api_json_status(struct api_ctx *ctx, const struct api_args *a,
		     struct json *j)
{
	struct ledger_sums s;
	struct api_peer_sums peers;

	ledger_sums(ctx->ledger, &s);
	api_peers_count(ctx, &peers);
	json_str(j, "version", ctx->version);
	json_str(j, "router", ctx->router);
	json_u64(j, "local_as", ctx->local_as);
	json_u64(j, "started_at", ctx->started_at);
	json_i64(j, "uptime_s",
		 mono_diff_ns(ctx->started, mono_now()) / NSEC_PER_SEC);
	json_u64(j, "meter_starts", ctx->meter_starts);
	json_bool(j, "ready", api_ready(ctx));
	status_books(&s, j);
	table(ctx, j);
	json_object(j, "map");
	json_u64(j, "rows_used", ctx->maps.rows_used);
	json_u64(j, "rows", ctx->maps.rows);
	json_f64(j, "drain_ms", (double)ctx->maps.drain_ns / 1e6);
	json_end(j);
	json_object(j, "bgp");
	json_u64(j, "peers", peers.peers);
	json_u64(j, "established", peers.established);
	json_end(j);
	json_object(j, "config");
	json_u64(j, "reloads", ctx->config_reloads);
	json_u64(j, "errors", ctx->config_errors);
	json_end(j);
	api_json_interfaces(ctx, a, j);
	api_json_peers(ctx, a, j);
}
