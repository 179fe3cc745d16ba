/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/decode.h"

#include "asmeter/segment.h"
#include "base/rd.h"

#define PROTO_ICMP   1
#define PROTO_ICMP6  58
#define PROTO_SCTP   132
#define PROTO_DCCP   33
#define PROTO_UDPL   136
#define PORT_VXLAN   4789
#define PORT_VXLAN_0 8472 /* Linux before the assignment, and flannel */
#define PORT_GENEVE  6081
#define PORT_GTPU    2152
#define GTPU_GPDU    255
#define GTPU_EXTS    8

/* ---------------------------------------------------------------- IP */

static struct addr addr4(uint32_t a)
{
	return (struct addr){.hi = (uint64_t)a << 32, .family = FAMILY_IP4};
}

static struct addr addr6(struct rd *r)
{
	struct addr a = {.family = FAMILY_IP6};

	a.hi = rd_be64(r);
	a.lo = rd_be64(r);
	return a;
}

/* RFC 791 section 3.1. False: it ends or contradicts itself. */
static bool read_ip4(struct rd *r, struct flow_ip *ip, uint32_t *has)
{
	uint8_t ver = rd_u8(r);
	struct flow_ip v = {.eth_proto = PKT_ETH_IP4, .tos = rd_u8(r)};
	uint16_t frag;

	rd_skip(r, 2);
	v.frag_id = rd_be16(r);
	frag = rd_be16(r);
	v.ttl = rd_u8(r);
	v.proto = rd_u8(r);
	rd_skip(r, 2);
	v.src = addr4(rd_be32(r));
	v.dst = addr4(rd_be32(r));
	if (r->bad || ver >> 4 != 4 || (ver & 15) < 5)
		return false;
	v.frag_off = (uint16_t)((frag & 0x1fff) << 3);
	if (frag & 0x3fff)
		*has |= FLOW_HAS_FRAG;
	else
		v.frag_id = 0;
	*ip = v;
	*has |= FLOW_HAS_IP;
	rd_skip(r, (ver & 15u) * 4u - 20u);
	return !r->bad;
}

/* One extension header; *proto becomes what follows it. */
static void read_ext(struct rd *r, uint8_t *proto, struct flow_ip *ip,
		     uint32_t *has)
{
	uint8_t next = rd_u8(r), len = rd_u8(r);

	if (*proto == PKT_PROTO_FRAG) {
		uint16_t frag = rd_be16(r);
		uint32_t id = rd_be32(r);

		if (r->bad)
			return;
		ip->frag_off = (uint16_t)(frag & 0xfff8);
		ip->frag_id = id;
		*has |= FLOW_HAS_FRAG;
	} else {
		rd_skip(r, pkt_ext_len(*proto, len) - 2u);
	}
	if (!r->bad)
		*proto = next;
}

/* RFC 8200 sections 3 and 4. */
static bool read_ip6(struct rd *r, struct flow_ip *ip, uint32_t *has)
{
	uint32_t ver = rd_be32(r);
	struct flow_ip v = {.eth_proto = PKT_ETH_IP6,
			    .tos = (uint8_t)(ver >> 20),
			    .flow_label = ver & 0xfffff};

	rd_skip(r, 2);
	v.proto = rd_u8(r);
	v.ttl = rd_u8(r);
	v.src = addr6(r);
	v.dst = addr6(r);
	if (r->bad || ver >> 28 != 6)
		return false;
	*has |= FLOW_HAS_IP;
	for (int i = 0; i < PKT_MAX_IP6_EXTS && pkt_is_ext(6, v.proto) &&
			!r->bad && !v.frag_off;
	     i++)
		read_ext(r, &v.proto, &v, has);
	*ip = v;
	return !r->bad;
}

/* Ports, flags and types: RFC 9293, 768, 792, 4443, 9260. */
static bool read_l4(struct rd *r, struct flow_ip *ip, uint32_t *has)
{
	struct flow_ip v = *ip;
	uint32_t got = 0;

	if (v.frag_off)
		return true;
	switch (v.proto) {
	case PKT_PROTO_TCP:
	case PKT_PROTO_UDP:
	case PROTO_SCTP:
	case PROTO_DCCP:
	case PROTO_UDPL:
		v.src_port = rd_be16(r);
		v.dst_port = rd_be16(r);
		got = FLOW_HAS_PORTS;
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		v.icmp_type = rd_u8(r);
		v.icmp_code = rd_u8(r);
		got = FLOW_HAS_ICMP;
		break;
	default:
		return true;
	}
	if (r->bad)
		return false;
	*ip = v;
	*has |= got;
	if (v.proto == PKT_PROTO_UDP)
		rd_skip(r, 4);
	if (v.proto != PKT_PROTO_TCP)
		return !r->bad;
	rd_skip(r, 9);
	v.tcp_flags = rd_u8(r);
	if (r->bad)
		return false;
	*ip = v;
	*has |= FLOW_HAS_TCP;
	return true;
}

/* ------------------------------------------------------------ tunnels */

/* Past an inner Ethernet header with its tags: the family, 0 for others. */
static unsigned inner_eth(struct rd *r)
{
	uint16_t proto;

	rd_skip(r, 12);
	proto = rd_be16(r);
	for (int i = 0; i < PKT_MAX_VLANS && pkt_is_vlan(proto); i++) {
		rd_skip(r, 2);
		proto = rd_be16(r);
	}
	return proto == PKT_ETH_IP4 ? 4 : proto == PKT_ETH_IP6 ? 6 : 0;
}

static unsigned by_proto(struct rd *r, uint16_t proto)
{
	switch (proto) {
	case PKT_ETH_IP4:
		return 4;
	case PKT_ETH_IP6:
		return 6;
	case PKT_ETH_TEB:
		return inner_eth(r);
	}
	return 0;
}

/* RFC 2784, RFC 2890. */
static unsigned enter_gre(struct rd *r)
{
	uint16_t flags = rd_be16(r), proto = rd_be16(r);

	if (flags & 0x4007)
		return 0;
	rd_skip(r, (flags & 0x8000 ? 4u : 0u) + (flags & 0x2000 ? 4u : 0u) +
			   (flags & 0x1000 ? 4u : 0u));
	return by_proto(r, proto);
}

/* RFC 8926 section 3.4. */
static unsigned enter_geneve(struct rd *r)
{
	uint8_t ver = rd_u8(r);
	uint16_t proto;

	rd_skip(r, 1);
	proto = rd_be16(r);
	rd_skip(r, 4u + (ver & 0x3fu) * 4u);
	return ver >> 6 ? 0 : by_proto(r, proto);
}

/* 3GPP TS 29.281 section 5.1. */
static unsigned enter_gtpu(struct rd *r)
{
	uint8_t flags = rd_u8(r), type = rd_u8(r), next;
	struct rd peek;

	if (flags >> 4 != 3 || type != GTPU_GPDU)
		return 0;
	rd_skip(r, 6);
	if (flags & 7) {
		rd_skip(r, 3);
		next = rd_u8(r);
		for (int i = 0; i < GTPU_EXTS && next && !r->bad; i++) {
			size_t len = rd_u8(r) * 4u;

			if (len < 4)
				return 0;
			rd_skip(r, len - 2);
			next = rd_u8(r);
		}
	}
	peek = *r;
	next = rd_u8(&peek) >> 4;
	r->bad |= peek.bad;
	return next == 4 || next == 6 ? next : 0;
}

static unsigned enter_vxlan(struct rd *r)
{
	uint8_t flags = rd_u8(r);

	rd_skip(r, 7);
	return flags & 8 ? inner_eth(r) : 0;
}

/* The family of what the outer packet carries, the cursor in front of it; 0:
 * no tunnel that is known here. */
static unsigned enter(struct rd *r, const struct flow_ip *ip)
{
	if (ip->frag_off)
		return 0;
	switch (ip->proto) {
	case PKT_PROTO_IP4:
		return 4;
	case PKT_PROTO_IP6:
		return 6;
	case PKT_PROTO_GRE:
		return enter_gre(r);
	case PKT_PROTO_UDP:
		break;
	default:
		return 0;
	}
	switch (ip->dst_port) {
	case PORT_VXLAN:
	case PORT_VXLAN_0:
		return enter_vxlan(r);
	case PORT_GENEVE:
		return enter_geneve(r);
	case PORT_GTPU:
		return enter_gtpu(r);
	}
	return 0;
}

/* ------------------------------------------------------------ the whole */

static bool read_ip(struct rd *r, unsigned family, struct flow_ip *ip,
		    uint32_t *has)
{
	return (family == 4 ? read_ip4(r, ip, has) : read_ip6(r, ip, has)) &&
	       read_l4(r, ip, has);
}

/* A tunnel whose header is incomplete is none; an inner header that is, is. */
static bool read_inner(struct rd *r, struct flow *f)
{
	unsigned family = enter(r, &f->ip);

	if (!family || r->bad)
		return !r->bad;
	f->has |= FLOW_HAS_TUNNEL;
	return read_ip(r, family, &f->inner, &f->inner_has);
}

/* Tags and labels, as far as they are there. */
static void read_l2(struct rd *r, struct flow *f)
{
	struct flow v = {0};
	uint16_t proto;

	rd_copy(r, v.dst_mac, sizeof(v.dst_mac));
	rd_copy(r, v.src_mac, sizeof(v.src_mac));
	proto = rd_be16(r);
	if (r->bad)
		return;
	memcpy(f->dst_mac, v.dst_mac, sizeof(f->dst_mac));
	memcpy(f->src_mac, v.src_mac, sizeof(f->src_mac));
	f->has |= FLOW_HAS_ETH;
	f->eth_proto = proto;
	while (f->n_vlans < FLOW_VLANS_MAX && pkt_is_vlan(proto)) {
		uint16_t tci = rd_be16(r);

		proto = rd_be16(r);
		if (r->bad)
			return;
		f->vlan[f->n_vlans++] = tci & 0xfff;
		f->eth_proto = proto;
	}
	if (proto != PKT_ETH_MPLS && proto != PKT_ETH_MPLS_MC)
		return;
	while (f->n_labels < FLOW_LABELS_MAX) {
		uint32_t label = rd_be32(r);

		if (r->bad)
			return;
		f->label[f->n_labels++] = label;
		if (label & 0x100) /* bottom of stack */
			return;
	}
}

static void read_packet(const struct flow_head *h, const struct pkt_view *v,
			bool gso, struct flow *f)
{
	size_t len = h->cap_len - v->l3_off;
	bool whole = !gso && v->ip_bytes <= len;
	struct rd r;

	if (whole) /* what follows is padding */
		len = v->ip_bytes;
	r = rd_init(h->data + v->l3_off, len);
	if (read_ip(&r, v->family, &f->ip, &f->has) && read_inner(&r, f))
		return;
	f->has |= r.bad && !whole ? FLOW_CUT : FLOW_BAD;
}

enum pkt_verdict flow_decode(const struct flow_head *h, bool gso,
			     struct flow *ret)
{
	const struct pkt p = {.data = h->data,
			      .data_end = h->data + h->cap_len,
			      .len = h->wire_len,
			      .gso = gso,
			      .no_l2 = h->no_l2};
	struct rd l2 = rd_init(h->data, h->cap_len);
	struct pkt_view v = {0};
	enum pkt_verdict verdict = (enum pkt_verdict)pkt_parse(&p, &v);

	ret->packets = 1;
	ret->wire_bytes = h->wire_len;
	if (!h->no_l2)
		read_l2(&l2, ret);
	if (verdict == PKT_IP) {
		ret->ip_bytes = gso ? 0 : v.ip_bytes;
		read_packet(h, &v, gso, ret);
	} else if (verdict == PKT_TRUNCATED) {
		ret->has |= FLOW_CUT;
	} else if (verdict == PKT_MALFORMED) {
		ret->has |= FLOW_BAD;
	}
	return verdict;
}
