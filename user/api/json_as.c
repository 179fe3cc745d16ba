/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON answers about ASes: top, as, lookup. */
#include <stdlib.h>

#include "api/api_int.h"

static void rate(struct jw *j, const char *key, const struct ledger_rate *r)
{
	jw_object(j, key);
	jw_f64(j, "packets", r->packets);
	jw_f64(j, "ip_bytes", r->ip_bytes);
	jw_f64(j, "wire_bytes", r->wire_bytes);
	jw_end(j);
}

static void flow(struct jw *j, const char *key, const struct ledger_flow *f)
{
	jw_object(j, key);
	jw_u64(j, "packets", f->total.packets);
	jw_u64(j, "ip_bytes", f->total.ip_bytes);
	jw_u64(j, "wire_bytes", f->total.wire_bytes);
	jw_u64(j, "ipv6_packets", f->ip6.packets);
	jw_u64(j, "ipv6_ip_bytes", f->ip6.ip_bytes);
	rate(j, "rate", &f->last);
	rate(j, "rate_smooth", &f->smooth);
	jw_end(j);
}

static struct ledger_order order_of(const struct api_args *a)
{
	static const enum ledger_role roles[] = {LEDGER_SRC, LEDGER_DST,
						 LEDGER_ANY};
	struct ledger_order o = {
		.by = (enum ledger_by)a->u[ARG_BY],
		.when = a->given[ARG_WHEN] ? (enum ledger_when)a->u[ARG_WHEN]
					   : LEDGER_SMOOTH,
		.dirs = 1u << ASM_DIR_IN | 1u << ASM_DIR_OUT,
		.role = a->given[ARG_ROLE] ? roles[a->u[ARG_ROLE]] : LEDGER_ANY,
		.as_filter = a->given[ARG_AS],
		.asn = a->u[ARG_AS],
	};

	if (a->given[ARG_DIR] && a->u[ARG_DIR] == WAY_IN)
		o.dirs = 1u << ASM_DIR_IN;
	if (a->given[ARG_DIR] && a->u[ARG_DIR] == WAY_OUT)
		o.dirs = 1u << ASM_DIR_OUT;
	return o;
}

static void pairs(const struct api_ctx *ctx, const struct ledger_order *o,
		  size_t n, struct jw *j)
{
	struct ledger_aspair *top = calloc(n, sizeof(*top));

	n = top ? ledger_top_pairs(ctx->ledger, o, n, top) : 0;
	jw_array(j, "pairs");
	for (size_t i = 0; i < n; i++) {
		jw_object(j, NULL);
		jw_u64(j, "source_as", top[i].src_as);
		jw_str(j, "source_as_name", api_as_name(ctx, top[i].src_as));
		jw_u64(j, "destination_as", top[i].dst_as);
		jw_str(j, "destination_as_name",
		       api_as_name(ctx, top[i].dst_as));
		for (unsigned d = 0; d < ASM_DIRS; d++)
			flow(j, api_dir_name[d], &top[i].flow[d]);
		jw_end(j);
	}
	jw_close(j);
	free(top);
}

static void ases(const struct api_ctx *ctx, const struct ledger_order *o,
		 size_t n, struct jw *j)
{
	struct ledger_as *top = calloc(n, sizeof(*top));

	n = top ? ledger_top_as(ctx->ledger, o, n, top) : 0;
	jw_array(j, "ases");
	for (size_t i = 0; i < n; i++) {
		jw_object(j, NULL);
		jw_u64(j, "as", top[i].asn);
		jw_str(j, "as_name", api_as_name(ctx, top[i].asn));
		for (unsigned d = 0; d < ASM_DIRS; d++)
			flow(j, api_dir_name[d], &top[i].flow[d][o->role]);
		jw_end(j);
	}
	jw_close(j);
	free(top);
}

void api_json_top(struct api_ctx *ctx, const struct api_args *a, struct jw *j)
{
	struct ledger_order o = order_of(a);
	size_t n = a->given[ARG_N] ? a->u[ARG_N] : 20;
	struct ledger_sums s;

	ledger_sums(ctx->ledger, &s);
	jw_f64(j, "interval_s", (double)s.interval_ns / 1e9);
	jw_u64(j, "known_ases", s.ases);
	jw_u64(j, "known_pairs", s.pairs);
	jw_u64(j, "difference", s.difference);
	struct ledger_rate all[ASM_DIRS] = {{0}}, smooth[ASM_DIRS] = {{0}};

	for (size_t i = 0, ports = ledger_ports(ctx->ledger); i < ports; i++) {
		struct ledger_port p;

		ledger_port_get(ctx->ledger, i, &p);
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			all[d].packets += p.last[d].packets;
			all[d].ip_bytes += p.last[d].ip_bytes;
			all[d].wire_bytes += p.last[d].wire_bytes;
			smooth[d].packets += p.smooth[d].packets;
			smooth[d].ip_bytes += p.smooth[d].ip_bytes;
			smooth[d].wire_bytes += p.smooth[d].wire_bytes;
		}
	}
	jw_object(j, "all");
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		jw_object(j, api_dir_name[d]);
		rate(j, "rate", &all[d]);
		rate(j, "rate_smooth", &smooth[d]);
		jw_end(j);
	}
	jw_end(j);
	if (a->given[ARG_PER] && a->u[ARG_PER] == PER_PAIR)
		pairs(ctx, &o, n, j);
	else
		ases(ctx, &o, n, j);
}

void api_json_as(struct api_ctx *ctx, const struct api_args *a, struct jw *j)
{
	static const char *const role[] = {"as_source", "as_destination",
					   "any"};
	struct ledger_order o = order_of(a);
	struct ledger_as as = {.asn = a->asn};
	bool seen = ledger_as_get(ctx->ledger, a->asn, &as);

	jw_u64(j, "as", a->asn);
	jw_str(j, "as_name", api_as_name(ctx, a->asn));
	jw_bool(j, "seen", seen);
	jw_bool(j, "has_series", as.admitted);
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		jw_object(j, api_dir_name[d]);
		for (unsigned r = 0; r < LEDGER_ROLES; r++)
			flow(j, role[r], &as.flow[d][r]);
		jw_end(j);
	}
	o.as_filter = true;
	o.asn = a->asn;
	if (!a->given[ARG_WHEN])
		o.when = LEDGER_TOTAL;
	pairs(ctx, &o, a->given[ARG_N] ? a->u[ARG_N] : 10, j);
}

void api_json_lookup(struct api_ctx *ctx, const struct api_args *a,
		     struct jw *j)
{
	char text[PREFIX_STRLEN];
	struct rib_route r;
	uint32_t asn;

	jw_str(j, "address", addr_str(&a->addr, text));
	if (!ctx->rib || !rib_lookup(ctx->rib, &a->addr, &r)) {
		jw_bool(j, "found", false);
		jw_u64(j, "as", 0);
		jw_str(j, "as_name", api_as_name(ctx, 0));
	} else {
		const struct rib_source_cfg *src =
			rib_source_get(ctx->rib, r.source);
		uint64_t now = api_now(ctx);

		asn = attr_origin_as(r.attr);
		jw_bool(j, "found", true);
		jw_str(j, "prefix", prefix_str(&r.prefix, text));
		jw_u64(j, "as", asn);
		jw_str(j, "as_name", api_as_name(ctx, asn));
		jw_str(j, "source", src ? src->name : "");
		jw_u64(j, "since", r.since_s);
		jw_u64(j, "age_s", now > r.since_s ? now - r.since_s : 0);
		jw_bool(j, "stale", r.stale);
	}
	/* what the packet path itself answers; the same, but for the moment
	 * between a change and its publication */
	if (ctx->table_lookup && ctx->table_lookup(ctx->arg, &a->addr, &asn))
		jw_u64(j, "table_as", asn);
	else
		jw_null(j, "table_as");
}
