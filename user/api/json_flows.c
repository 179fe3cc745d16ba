/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The JSON answer about flow records: the last ones, or those from a number
 * on. A reader that asks again with `since` set to the `next` that it was told
 * gets each record once; `missed` says how many were gone before it asked. The
 * numbers begin anew with the process, whose `run` then is another: told with
 * the question, it keeps old numbers from being taken for new ones.
 */
#include <stdio.h>

#include "api/api_int.h"

#define FLOWS_DEFAULT 100

static struct flow_filter filter_of(const struct api_args *a)
{
	return (struct flow_filter){
		.by_as = a->given[ARG_AS],
		.asn = a->u[ARG_AS],
		.by_prefix = a->given[ARG_PREFIX],
		.prefix = a->prefix,
		.by_port = a->given[ARG_PORT],
		.port = (uint16_t)a->u[ARG_PORT],
		.by_proto = a->given[ARG_PROTO],
		.proto = (uint8_t)a->u[ARG_PROTO],
		.by_iface = a->given[ARG_IF],
		.iface = a->u[ARG_IF],
		.by_dir = a->given[ARG_DIR] && a->u[ARG_DIR] != WAY_BOTH,
		.dir = a->u[ARG_DIR] == WAY_OUT ? ASM_DIR_OUT : ASM_DIR_IN,
	};
}

/* ----------------------------------------------------------- one record */

static void iface(const struct api_ctx *ctx, struct jw *j, const char *key,
		  const char *name_key, uint32_t ifindex)
{
	const char *name = NULL;

	if (ifindex && ctx->if_name)
		name = ctx->if_name(ctx->arg, ifindex);
	jw_u64(j, key, ifindex);
	jw_str(j, name_key, name);
}

static void mac(struct jw *j, const char *key, const uint8_t *m)
{
	char text[18];

	(void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
		       m[0], m[1], m[2], m[3], m[4], m[5]);
	jw_str(j, key, text);
}

static void layer2(struct jw *j, const struct flow *fl)
{
	if (!(fl->has & FLOW_HAS_ETH))
		return;
	mac(j, "source_mac", fl->src_mac);
	mac(j, "destination_mac", fl->dst_mac);
	jw_u64(j, "ethertype", fl->eth_proto);
	jw_array(j, "vlans");
	for (unsigned i = 0; i < fl->n_vlans && i < FLOW_VLANS_MAX; i++)
		jw_u64(j, NULL, fl->vlan[i]);
	jw_close(j);
	jw_array(j, "mpls_labels");
	for (unsigned i = 0; i < fl->n_labels && i < FLOW_LABELS_MAX; i++)
		jw_u64(j, NULL, fl->label[i] >> 12);
	jw_close(j);
}

static void ip_header(struct jw *j, const struct flow_ip *ip, uint32_t has)
{
	char text[PREFIX_STRLEN];

	if (!(has & FLOW_HAS_IP))
		return;
	jw_str(j, "source", addr_str(&ip->src, text));
	jw_str(j, "destination", addr_str(&ip->dst, text));
	jw_u64(j, "protocol", ip->proto);
	jw_u64(j, "tos", ip->tos);
	jw_u64(j, "ttl", ip->ttl);
	if (ip->src.family == FAMILY_IP6)
		jw_u64(j, "flow_label", ip->flow_label);
	if (has & FLOW_HAS_PORTS) {
		jw_u64(j, "source_port", ip->src_port);
		jw_u64(j, "destination_port", ip->dst_port);
	}
	if (has & FLOW_HAS_TCP)
		jw_u64(j, "tcp_flags", ip->tcp_flags);
	if (has & FLOW_HAS_ICMP) {
		jw_u64(j, "icmp_type", ip->icmp_type);
		jw_u64(j, "icmp_code", ip->icmp_code);
	}
	if (has & FLOW_HAS_FRAG) {
		jw_u64(j, "fragment_id", ip->frag_id);
		jw_u64(j, "fragment_offset", ip->frag_off);
	}
}

static void as_of(const struct api_ctx *ctx, struct jw *j, const char *key,
		  const char *name_key, uint32_t asn)
{
	jw_u64(j, key, asn);
	jw_str(j, name_key, api_as_name(ctx, asn));
}

static void path_and_communities(struct jw *j, const struct flow *fl)
{
	char text[24];

	jw_array(j, "as_path");
	for (unsigned i = 0; i < fl->path_len; i++)
		jw_u64(j, NULL, fl->path[i]);
	jw_close(j);
	jw_array(j, "communities");
	for (unsigned i = 0; i < fl->comm_len; i++) {
		(void)snprintf(text, sizeof(text), "%u:%u", fl->comm[i] >> 16,
			       fl->comm[i] & 0xffff);
		jw_str(j, NULL, text);
	}
	jw_close(j);
}

static void routes(const struct api_ctx *ctx, struct jw *j,
		   const struct flow *fl)
{
	bool hop = fl->next_hop.hi || fl->next_hop.lo;
	char text[PREFIX_STRLEN];

	if (!(fl->has & (FLOW_HAS_ROUTES | FLOW_HAS_AS)))
		return;
	as_of(ctx, j, "source_as", "source_as_name", fl->src_as);
	as_of(ctx, j, "destination_as", "destination_as_name", fl->dst_as);
	jw_u64(j, "source_prefix_length", fl->src_plen);
	jw_u64(j, "destination_prefix_length", fl->dst_plen);
	jw_u64(j, "source_peer_as", fl->src_peer_as);
	jw_u64(j, "destination_peer_as", fl->dst_peer_as);
	jw_str(j, "next_hop", hop ? addr_str(&fl->next_hop, text) : NULL);
	jw_u64(j, "local_pref", fl->local_pref);
	path_and_communities(j, fl);
}

static void record(const struct api_ctx *ctx, struct jw *j, uint64_t number,
		   const struct flow *fl)
{
	char text[PREFIX_STRLEN];

	jw_object(j, NULL);
	jw_u64(j, "number", number);
	jw_u64(j, "received_ns", fl->received_ns);
	jw_str(j, "exporter", addr_str(&fl->exporter, text));
	jw_str(j, "direction", api_dir_name[fl->dir == ASM_DIR_OUT]);
	iface(ctx, j, "in_interface", "in_interface_name", fl->in_if);
	iface(ctx, j, "out_interface", "out_interface_name", fl->out_if);
	jw_u64(j, "sampling_rate", fl->rate);
	jw_u64(j, "packets", fl->packets);
	jw_u64(j, "ip_bytes", fl->ip_bytes);
	jw_u64(j, "wire_bytes", fl->wire_bytes);
	layer2(j, fl);
	ip_header(j, &fl->ip, fl->has);
	if (fl->has & FLOW_HAS_TUNNEL) {
		jw_object(j, "inner");
		ip_header(j, &fl->inner, fl->inner_has);
		jw_end(j);
	}
	routes(ctx, j, fl);
	jw_bool(j, "cut", fl->has & FLOW_CUT);
	jw_bool(j, "malformed", fl->has & FLOW_BAD);
	jw_end(j);
}

/* ----------------------------------------------------------- the answer */

/* Where the last n that match begin. */
static uint64_t last_of(const struct recent *r, const struct flow_filter *want,
			size_t n)
{
	uint64_t at = recent_next(r);

	while (n && at > recent_oldest(r))
		n -= flow_matches(recent_get(r, --at), want);
	return at;
}

static uint64_t start_of(const struct api_ctx *ctx, const struct api_args *a,
			 uint64_t *ret_missed)
{
	const struct recent *r = ctx->flows.recent;
	uint64_t oldest = recent_oldest(r), next = recent_next(r);

	if (a->given[ARG_RUN] && a->run != ctx->flows.run)
		return oldest;
	if (a->since < oldest) {
		/* numbers begin with 1; 0: whatever there is */
		*ret_missed = a->since ? oldest - a->since : 0;
		return oldest;
	}
	return a->since < next ? a->since : next;
}

void api_json_flows(struct api_ctx *ctx, const struct api_args *a, struct jw *j)
{
	const struct recent *r = ctx->flows.recent;
	const struct flow_filter want = filter_of(a);
	size_t n = a->given[ARG_N] ? a->u[ARG_N] : FLOWS_DEFAULT;
	uint64_t at = 1, next = 1, missed = 0;

	if (r) {
		at = a->given[ARG_SINCE] ? start_of(ctx, a, &missed)
					 : last_of(r, &want, n);
		next = recent_next(r);
	}
	jw_u64(j, "run", ctx->flows.run);
	jw_u64(j, "missed", missed);
	jw_array(j, "flows");
	for (; n && at < next; at++) {
		const struct flow *fl = recent_get(r, at);

		if (!flow_matches(fl, &want))
			continue;
		record(ctx, j, at, fl);
		n--;
	}
	jw_close(j);
	jw_u64(j, "next", at);
}
