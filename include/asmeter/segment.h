/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The headers that every segment of a GSO packet carries: from the start of
 * the frame to the end of the innermost TCP or UDP header. Only for packets
 * that the stack has merged itself, which are never fragments.
 *
 * GRO looks into IP-in-IP and GRE on its way through a router, so these are
 * followed here. It merges VXLAN and Geneve only where the tunnel ends; there
 * the end of the outer UDP header is all that is found.
 */
#ifndef ASMETER_SEGMENT_H
#define ASMETER_SEGMENT_H

#include "asmeter/parse.h"

#define PKT_MAX_TUNNELS  3
#define PKT_MAX_IP6_EXTS 8
#define PKT_MAX_HEAD     0xfff /* no segment has headers that long */

#define PKT_PROTO_IP4     4
#define PKT_PROTO_TCP     6
#define PKT_PROTO_UDP     17
#define PKT_PROTO_IP6     41
#define PKT_PROTO_ROUTING 43
#define PKT_PROTO_FRAG    44
#define PKT_PROTO_GRE     47
#define PKT_PROTO_AH      51
#define PKT_PROTO_DSTOPTS 60
#define PKT_ETH_TEB       0x6558

PKT_INLINE int pkt_is_ext(__u32 family, __u32 proto)
{
	return family == 6 &&
	       (proto == PKT_PROTO_HOPOPTS || proto == PKT_PROTO_ROUTING ||
		proto == PKT_PROTO_FRAG || proto == PKT_PROTO_DSTOPTS ||
		proto == PKT_PROTO_AH);
}

/* Length of an IPv6 extension header (RFC 8200 section 4, RFC 4302). */
PKT_INLINE __u32 pkt_ext_len(__u32 proto, __u32 field)
{
	if (proto == PKT_PROTO_FRAG)
		return 8;
	return proto == PKT_PROTO_AH ? (field + 2) * 4 : (field + 1) * 8;
}

/* Past one IP header with its options or extension headers: where it ends
 * (length) and what follows (EtherType field: the protocol number). */
PKT_INLINE __u64 pkt_ip_end(const struct pkt *p, __u32 off, __u32 family)
{
	__u64 buf[1];
	const __u8 *h = pkt_at(p, off + (family == 4 ? 0 : 6), 1, buf);
	__u32 proto;

	if (!h)
		return pkt_rare(0, PKT_TRUNCATED, 0, off);
	proto = h[0];
	if (family == 4) {
		h = pkt_at(p, off + 9, 1, buf);
		if (!h)
			return pkt_rare(0, PKT_TRUNCATED, 0, off);
		off += (proto & 0xfu) * 4u;
		proto = h[0];
	} else {
		off += 40;
	}
	for (int i = 0; i < PKT_MAX_IP6_EXTS && pkt_is_ext(family, proto);
	     i++) {
		h = pkt_at(p, off, 2, buf);
		if (!h)
			return pkt_rare(0, PKT_TRUNCATED, 0, off);
		off += pkt_ext_len(proto, h[1]);
		proto = h[0];
	}
	return pkt_rare(0, PKT_IP, (__u16)proto, off);
}

/* Past a GRE header (RFC 2784, RFC 2890): where the inner IP header begins
 * (length) and its family (offset field); not IP if there is none. */
PKT_INLINE __u64 pkt_gre(const struct pkt *p, __u32 off)
{
	__u64 buf[1];
	const __u8 *h = pkt_at(p, off, 4, buf);
	__u16 proto;

	if (!h)
		return pkt_rare(0, PKT_TRUNCATED, 0, off);
	if ((h[0] & 0x40) || (h[1] & 7)) /* routing, version */
		return pkt_rare(0, PKT_NOT_IP, 0, off);
	off += 4u + (h[0] & 0x80 ? 4u : 0u) + (h[0] & 0x20 ? 4u : 0u) +
	       (h[0] & 0x10 ? 4u : 0u);
	proto = PKT_RD16(h + 2);
	if (proto == PKT_ETH_TEB) {
		h = pkt_at(p, off + 12, 2, buf);
		if (!h)
			return pkt_rare(0, PKT_TRUNCATED, 0, off);
		off += 14;
		proto = PKT_RD16(h);
	}
	if (proto != PKT_ETH_IP4 && proto != PKT_ETH_IP6)
		return pkt_rare(0, PKT_NOT_IP, 0, off);
	return pkt_rare(proto == PKT_ETH_IP4 ? 4 : 6, PKT_IP, 0, off);
}

#ifdef __bpf__
/* For the skb programs only: XDP sees no merged packets. A global function
 * for the reason given at pkt_rare(). */
__noinline __u64 pkt_ip_end_skb(struct __sk_buff *ctx, __u32 off, __u32 family)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};

	return pkt_ip_end(&p, off & PKT_MAX_HEAD, family);
}

#define PKT_IP_END(p, off, family) pkt_ip_end_skb((p)->ctx, off, family)
#else
#define PKT_IP_END(p, off, family) pkt_ip_end(p, off, family)
#endif

/*
 * The end of the headers (length), and the innermost protocol (EtherType
 * field). The verdict is PKT_IP when that is TCP or UDP; else the length is
 * where an unknown protocol begins. off, family: of the outermost IP header.
 */
PKT_INLINE __u64 pkt_segment_head(const struct pkt *p, __u32 off, __u32 family)
{
	__u64 buf[1], r;
	const __u8 *h;
	__u16 proto = 0;

	for (int i = 0; i < PKT_MAX_TUNNELS; i++) {
		r = PKT_IP_END(p, off, family);
		off = PKT_RARE_LEN(r) & PKT_MAX_HEAD;
		proto = PKT_RARE_PROTO(r);
		if (PKT_RARE_VERDICT(r) != PKT_IP)
			return r;
		switch (proto) {
		case PKT_PROTO_UDP:
			return pkt_rare(0, PKT_IP, proto, off + 8);
		case PKT_PROTO_TCP:
			h = pkt_at(p, off + 12, 1, buf);
			if (!h)
				return pkt_rare(0, PKT_TRUNCATED, proto, off);
			return pkt_rare(0, PKT_IP, proto,
					off + (h[0] >> 4) * 4u);
		case PKT_PROTO_IP4:
			family = 4;
			break;
		case PKT_PROTO_IP6:
			family = 6;
			break;
		case PKT_PROTO_GRE:
			r = pkt_gre(p, off);
			off = PKT_RARE_LEN(r) & PKT_MAX_HEAD;
			if (PKT_RARE_VERDICT(r) != PKT_IP)
				return pkt_rare(0, PKT_NOT_IP, proto, off);
			family = PKT_RARE_OFF(r);
			break;
		default:
			return pkt_rare(0, PKT_NOT_IP, proto, off);
		}
	}
	return pkt_rare(0, PKT_NOT_IP, proto, off);
}

#ifdef __bpf__
__noinline __u64 pkt_segment_skb(struct __sk_buff *ctx, __u32 off, __u32 family)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};

	return pkt_segment_head(&p, off & 0xff, family);
}
#endif

#endif
