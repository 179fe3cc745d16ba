/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/sflow.h"

#include "asmeter/abi.h"
#include "route/attr.h"

#define VERSION 5

/* data_format with enterprise 0 */
enum {
	FLOW_SAMPLE_COMPACT = 1,
	COUNTERS_SAMPLE_COMPACT = 2,
	FLOW_SAMPLE_EXPANDED = 3,
	COUNTERS_SAMPLE_EXPANDED = 4,
	FLOW_RAW_HEADER = 1,
	FLOW_EX_SWITCH = 1001,
	FLOW_EX_ROUTER = 1002,
	FLOW_EX_GATEWAY = 1003,
	COUNTERS_GENERIC = 1,
};

enum { HEADER_ETHERNET = 1, HEADER_IP4 = 11, HEADER_IP6 = 12 };
enum { ADDRESS_IP4 = 1, ADDRESS_IP6 = 2 };
enum { PATH_SEQUENCE = 2 };

#define COMPACT_IFINDEX_MAX 0xffffffu
#define FCS_LEN             4u

/* The largest of each, in bytes: see the functions below. */
#define DATAGRAM_HEAD_MAX (4u + 20u + 16u)
#define RAW_MAX           (8u + 16u + SFLOW_HEADER_MAX)
#define SWITCH_MAX        (8u + 16u)
#define ROUTER_MAX        (8u + 20u + 8u)
#define GATEWAY_MAX                                              \
	(8u + 20u + 12u + 12u + 4u * (ATTR_PATH_MAX + 1u) + 4u + \
	 4u * ATTR_COMM_MAX + 4u)
#define FLOW_MAX (8u + 44u + RAW_MAX + SWITCH_MAX + ROUTER_MAX + GATEWAY_MAX)

_Static_assert(SFLOW_HEADER_MAX % 4 == 0, "padded to whole words");
_Static_assert(DATAGRAM_HEAD_MAX + FLOW_MAX <= SFLOW_DATAGRAM_MIN,
	       "any sample fits into any empty datagram");

static void put64(struct wr *w, uint64_t v)
{
	wr_be32(w, (uint32_t)(v >> 32));
	wr_be32(w, (uint32_t)v);
}

static void put_addr(struct wr *w, const struct addr *a)
{
	wr_be32(w, a->family == FAMILY_IP4 ? ADDRESS_IP4 : ADDRESS_IP6);
	if (a->family == FAMILY_IP4) {
		wr_be32(w, (uint32_t)(a->hi >> 32));
		return;
	}
	put64(w, a->hi);
	put64(w, a->lo);
}

/* An opaque<> whose length is not known yet: where the length is. */
static size_t open_opaque(struct wr *w, uint32_t format)
{
	size_t at;

	wr_be32(w, format);
	at = wr_len(w);
	wr_be32(w, 0);
	return at;
}

static void patch(struct wr *w, size_t at, uint32_t v)
{
	wr_patch_be16(w, at, v >> 16);
	wr_patch_be16(w, at + 2, v & 0xffff);
}

static void close_opaque(struct wr *w, size_t at)
{
	patch(w, at, (uint32_t)(wr_len(w) - at - 4));
}

/* ------------------------------------------------------------ datagrams */

void sflow_init(struct sflow *s, const struct addr *agent, size_t max)
{
	s->agent = *agent;
	s->max = max < SFLOW_DATAGRAM_MIN   ? SFLOW_DATAGRAM_MIN
		 : max > SFLOW_DATAGRAM_MAX ? SFLOW_DATAGRAM_MAX
					    : max;
	s->seq = 0;
	s->n = 0;
	s->expanded = false;
}

/* Where sequence number, uptime and number of samples are. */
static size_t numbers_at(const struct sflow *s)
{
	return s->agent.family == FAMILY_IP4 ? 16 : 28;
}

static void begin(struct sflow *s)
{
	if (s->n)
		return;
	s->w = wr_init(s->buf, s->max);
	wr_be32(&s->w, VERSION);
	put_addr(&s->w, &s->agent);
	wr_be32(&s->w, 0); /* the only sub-agent */
	wr_fill(&s->w, 0, 12);
}

/* One more sample, or the datagram as it was before: all or nothing. */
static bool commit(struct sflow *s, uint8_t *before)
{
	if (s->w.bad) {
		s->w.p = before;
		s->w.bad = false;
		return false;
	}
	s->n++;
	return true;
}

size_t sflow_close(struct sflow *s, uint32_t uptime_ms)
{
	size_t at = numbers_at(s);

	if (!s->n)
		return 0;
	patch(&s->w, at, ++s->seq);
	patch(&s->w, at + 4, uptime_ms);
	patch(&s->w, at + 8, s->n);
	s->n = 0;
	return wr_len(&s->w);
}

/* --------------------------------------------------------- flow samples */

static void put_raw(struct wr *w, const struct sflow_flow *v)
{
	const struct flow_head *h = v->head;
	uint32_t max =
		v->head_max < SFLOW_HEADER_MAX ? v->head_max : SFLOW_HEADER_MAX;
	uint32_t len = h->cap_len < max ? h->cap_len : max;
	uint32_t fcs = h->no_l2 ? 0 : FCS_LEN; /* counted, but not here */
	size_t at = open_opaque(w, FLOW_RAW_HEADER);

	if (!h->no_l2)
		wr_be32(w, HEADER_ETHERNET);
	else if (len && h->data[0] >> 4 == 6)
		wr_be32(w, HEADER_IP6);
	else
		wr_be32(w, HEADER_IP4);
	wr_be32(w, h->wire_len + fcs);
	wr_be32(w, fcs);
	wr_be32(w, len);
	wr_copy(w, h->data, len);
	wr_fill(w, 0, -len & 3u);
	close_opaque(w, at);
}

/* The 802.1p priority of the outermost tag. */
static uint32_t priority(const struct flow_head *h)
{
	return h->cap_len > 14 ? h->data[14] >> 5 : 0;
}

static void put_switch(struct wr *w, const struct sflow_flow *v)
{
	const struct flow *fl = v->flow;
	bool in = fl->dir == ASM_DIR_IN;
	uint32_t vlan = fl->n_vlans ? fl->vlan[0] : 0;
	uint32_t prio = fl->n_vlans ? priority(v->head) : 0;
	size_t at = open_opaque(w, FLOW_EX_SWITCH);

	wr_be32(w, in ? vlan : 0);
	wr_be32(w, in ? prio : 0);
	wr_be32(w, in ? 0 : vlan);
	wr_be32(w, in ? 0 : prio);
	close_opaque(w, at);
}

static struct addr next_hop(const struct flow *fl)
{
	struct addr a = fl->next_hop;

	if (!a.hi && !a.lo)
		a.family = fl->ip.dst.family;
	return a;
}

static void put_router(struct wr *w, const struct flow *fl)
{
	struct addr hop = next_hop(fl);
	size_t at = open_opaque(w, FLOW_EX_ROUTER);

	put_addr(w, &hop);
	wr_be32(w, fl->src_plen);
	wr_be32(w, fl->dst_plen);
	close_opaque(w, at);
}

/* One AS_SEQUENCE, which ends with the destination AS. */
static void put_path(struct wr *w, const struct flow *fl)
{
	uint32_t n =
		fl->path_len < ATTR_PATH_MAX ? fl->path_len : ATTR_PATH_MAX;
	bool more = !n || fl->path[n - 1] != fl->dst_as;

	wr_be32(w, 1);
	wr_be32(w, PATH_SEQUENCE);
	wr_be32(w, n + more);
	for (uint32_t i = 0; i < n; i++)
		wr_be32(w, fl->path[i]);
	if (more)
		wr_be32(w, fl->dst_as);
}

static void put_gateway(struct wr *w, const struct flow *fl, uint32_t local_as)
{
	uint32_t n =
		fl->comm_len < ATTR_COMM_MAX ? fl->comm_len : ATTR_COMM_MAX;
	struct addr hop = next_hop(fl);
	size_t at = open_opaque(w, FLOW_EX_GATEWAY);

	put_addr(w, &hop);
	wr_be32(w, local_as);
	wr_be32(w, fl->src_as);
	wr_be32(w, fl->src_peer_as);
	put_path(w, fl);
	wr_be32(w, n);
	for (uint32_t i = 0; i < n; i++)
		wr_be32(w, fl->comm[i]);
	wr_be32(w, fl->local_pref);
	close_opaque(w, at);
}

static void put_source(struct wr *w, bool expanded, uint32_t ifindex)
{
	if (expanded)
		wr_be32(w, 0); /* the class ifIndex */
	wr_be32(w, ifindex);
}

static void look_at_ifindex(struct sflow *s, uint32_t ifindex)
{
	s->expanded = s->expanded || ifindex > COMPACT_IFINDEX_MAX;
}

static void put_flow_head(struct sflow *s, const struct sflow_flow *v)
{
	const struct flow *fl = v->flow;
	struct wr *w = &s->w;

	wr_be32(w, v->seq);
	put_source(w, s->expanded, v->ifindex);
	wr_be32(w, fl->rate);
	wr_be32(w, v->pool);
	wr_be32(w, v->drops);
	/* the format "one interface" is 0 in both forms */
	put_source(w, s->expanded, fl->in_if);
	put_source(w, s->expanded, fl->out_if);
}

bool sflow_add_flow(struct sflow *s, const struct sflow_flow *v)
{
	const struct flow *fl = v->flow;
	bool eth = (fl->has & FLOW_HAS_ETH) && !v->head->no_l2;
	bool ip = (fl->has & FLOW_HAS_IP) != 0;
	bool as = ip && (fl->src_as || fl->dst_as);
	struct wr *w = &s->w;
	uint8_t *before;
	size_t at;

	look_at_ifindex(s, v->ifindex);
	look_at_ifindex(s, fl->in_if);
	look_at_ifindex(s, fl->out_if);
	begin(s);
	before = w->p;
	at = open_opaque(w, s->expanded ? FLOW_SAMPLE_EXPANDED
					: FLOW_SAMPLE_COMPACT);
	put_flow_head(s, v);
	wr_be32(w, 1u + eth + ip + as);
	put_raw(w, v);
	if (eth)
		put_switch(w, v);
	if (ip)
		put_router(w, fl);
	if (as)
		put_gateway(w, fl, v->local_as);
	close_opaque(w, at);
	return commit(s, before);
}

/* ------------------------------------------------------------- counters */

static void put_generic(struct wr *w, const struct sflow_counters *v)
{
	size_t at = open_opaque(w, COUNTERS_GENERIC);

	wr_be32(w, v->ifindex);
	wr_be32(w, v->type);
	put64(w, v->speed);
	wr_be32(w, 0); /* duplex: not known */
	wr_be32(w, (v->admin_up ? 1u : 0u) | (v->oper_up ? 2u : 0u));
	put64(w, v->in_octets);
	wr_be32(w, v->in_unicast);
	wr_be32(w, v->in_multicast);
	wr_be32(w, v->in_broadcast);
	wr_be32(w, v->in_discards);
	wr_be32(w, v->in_errors);
	wr_be32(w, UINT32_MAX); /* of unknown protocols: not counted */
	put64(w, v->out_octets);
	wr_be32(w, v->out_unicast);
	wr_be32(w, v->out_multicast);
	wr_be32(w, v->out_broadcast);
	wr_be32(w, v->out_discards);
	wr_be32(w, v->out_errors);
	wr_be32(w, 0); /* promiscuous: not known */
	close_opaque(w, at);
}

bool sflow_add_counters(struct sflow *s, const struct sflow_counters *v)
{
	struct wr *w = &s->w;
	uint8_t *before;
	size_t at;

	look_at_ifindex(s, v->ifindex);
	begin(s);
	before = w->p;
	at = open_opaque(w, s->expanded ? COUNTERS_SAMPLE_EXPANDED
					: COUNTERS_SAMPLE_COMPACT);
	wr_be32(w, v->seq);
	put_source(w, s->expanded, v->ifindex);
	wr_be32(w, 1);
	put_generic(w, v);
	close_opaque(w, at);
	return commit(s, before);
}
