/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Packet headers, from the Ethernet frame to the outermost IP header. One
 * source for the XDP program, the TC programs and user space.
 *
 * READING
 *
 * Every byte comes through pkt_at(): a pointer to n bytes at an offset, or
 * NULL. In BPF that is the packet itself when the bytes lie in its linear
 * part, else a copy in the caller's buffer (a multi-buffer frame, a paged
 * skb); nothing is ever pulled or written, so the packet is not touched. In
 * user space it is a bounds check.
 *
 * VERDICTS
 *
 * The outermost IP header decides; what it carries is not looked at, so that
 * any chain of extension headers and any fragment counts as what a router
 * forwards: one packet from one address to another. "Frame end" is the end
 * of the frame as sent, or of the PPPoE payload. Rules apply from top to
 * bottom; the first that matches is the verdict.
 *
 *   at                | when                                   | verdict
 *   ------------------+----------------------------------------+----------
 *   Ethernet          | fewer than 14 bytes                    | truncated
 *   VLAN tag (<= 4)   | fewer than 4 bytes                     | truncated
 *   EtherType         | < 0x0600 (802.3 length: LLC, SNAP),    |
 *                     | none of ours, a fifth VLAN tag         | not IP
 *   PPPoE session     | fewer than 6 + 2 bytes                 | truncated
 *                     | version/type not 1/1, code not 0,      |
 *                     | length < 2 or past the frame end       | malformed
 *                     | PPP protocol not 0x0021, 0x0057        | not IP
 *   MPLS label (<=16) | fewer than 4 bytes                     | truncated
 *                     | a seventeenth label                    | not IP
 *   MPLS payload      | no byte                                | truncated
 *                     | first nibble neither 4 nor 6           | not IP
 *   no Ethernet (tun) | no byte                                | truncated
 *                     | first nibble neither 4 nor 6           | not IP
 *   IPv4              | fewer than 20 bytes                    | truncated
 *                     | version not 4, IHL < 5                 | malformed
 *                     | frame end inside the options           | truncated
 *                     | total length < header length           | malformed
 *                     | total length past the frame end        | malformed
 *   IPv6              | fewer than 40 bytes                    | truncated
 *                     | version not 6                          | malformed
 *                     | 40 + payload length past the frame end | malformed
 *   IPv6, payload     | frame end inside the options           | truncated
 *   length 0, hop-by- | no jumbo option among the first 4      | malformed
 *   hop header next   | jumbo option of a length not 4, or     |
 *   (RFC 2675)        | <= 65535, or past the frame end        | malformed
 *
 * A GSO packet (TC only) is many frames that do not exist yet; its lengths
 * say nothing, so the rules on total and payload length do not apply, and
 * its ip_bytes follow from the wire length (see asmeter.bpf.c).
 */
#ifndef ASMETER_PARSE_H
#define ASMETER_PARSE_H

#include <stdbool.h>
#include <linux/types.h>

#include "asmeter/abi.h"

#ifdef __bpf__
#define PKT_INLINE static __always_inline
#else
#define PKT_INLINE static inline
#endif

#define PKT_MAX_VLANS    4
#define PKT_MAX_LABELS   16
#define PKT_MAX_IP6_OPTS 4

#define PKT_ETH_IP4     0x0800
#define PKT_ETH_IP6     0x86dd
#define PKT_ETH_8021Q   0x8100
#define PKT_ETH_8021AD  0x88a8
#define PKT_ETH_QINQ    0x9100
#define PKT_ETH_MPLS    0x8847
#define PKT_ETH_MPLS_MC 0x8848
#define PKT_ETH_PPPOE   0x8864
#define PKT_PPP_IP4     0x0021
#define PKT_PPP_IP6     0x0057

#define PKT_PROTO_HOPOPTS 0

/* What pkt_parse() makes of a frame. */
enum pkt_verdict {
	PKT_IP = ASM_ATTRIBUTED,
	PKT_NOT_IP = ASM_NOT_IP,
	PKT_TRUNCATED = ASM_TRUNCATED,
	PKT_MALFORMED = ASM_MALFORMED,
};

/* The bytes of one packet; see pkt_at(). */
struct pkt {
	void *ctx; /* BPF: struct xdp_md or struct __sk_buff */
	const void *data;
	const void *data_end;
	__u32 len;  /* of the frame as sent: what lengths are held against */
	__u8 xdp;   /* BPF: ctx is a struct xdp_md */
	__u8 gso;   /* not yet segmented: do not judge lengths */
	__u8 no_l2; /* starts with the IP header */
};

/* What was found; complete when the verdict is PKT_IP. */
struct pkt_view {
	__u64 src[2]; /* IPv4: [0]; IPv6: high, low half. Host byte order */
	__u64 dst[2];
	__u32 l3_off;    /* of the IP header from the start of the frame */
	__u32 l3_len;    /* of the IPv4 header with options; 40 for IPv6 */
	__u32 ip_bytes;  /* as the header says; see asmeter/abi.h */
	__u16 eth_proto; /* 0x0800 or 0x86dd, also behind PPP and MPLS */
	__u8 family;     /* 4 or 6 */
	__u8 l4_proto;   /* IPv4 protocol, IPv6 first next header */
};

#ifdef __bpf__
/* Packet pointers may be read unaligned; the JIT does the right thing. */
#define PKT_RD16(p) bpf_ntohs(*(const __u16 *)(p))
#define PKT_RD32(p) bpf_ntohl(*(const __u32 *)(p))
#define PKT_RD64(p) bpf_be64_to_cpu(*(const __u64 *)(p))

/* Whether bytes lie in the linear part; a test may say that none does. */
#ifndef PKT_LINEAR
#define PKT_LINEAR(p, at, n) ((at) + (n) <= (p)->data_end)
#endif

PKT_INLINE const __u8 *pkt_at(const struct pkt *p, __u32 off, const __u32 n,
			      void *buf)
{
	const void *at = p->data + off;

	if (PKT_LINEAR(p, at, n))
		return at;
	if (p->xdp ? bpf_xdp_load_bytes(p->ctx, off, buf, n)
		   : bpf_skb_load_bytes(p->ctx, off, buf, n))
		return 0;
	return buf;
}
#else
#define PKT_RD16(p) ((__u16)((p)[0] << 8 | (p)[1]))
#define PKT_RD32(p)                                                       \
	((__u32)(p)[0] << 24 | (__u32)(p)[1] << 16 | (__u32)(p)[2] << 8 | \
	 (p)[3])
#define PKT_RD64(p) ((__u64)PKT_RD32(p) << 32 | PKT_RD32((p) + 4))

#define PKT_LINEAR(p, at, n) \
	((n) <= (const __u8 *)(p)->data_end - (const __u8 *)(at))

PKT_INLINE const __u8 *pkt_at(const struct pkt *p, __u32 off, const __u32 n,
			      void *buf)
{
	const __u8 *at = (const __u8 *)p->data;
	__u64 cap = (__u64)((const __u8 *)p->data_end - at);

	(void)buf;
	return off <= cap && n <= cap - off ? at + off : 0;
}
#endif

PKT_INLINE int pkt_is_vlan(__u16 proto)
{
	return proto == PKT_ETH_8021Q || proto == PKT_ETH_8021AD ||
	       proto == PKT_ETH_QINQ;
}

PKT_INLINE int pkt_ip4(const struct pkt *p, struct pkt_view *v, __u32 off,
		       __u32 end)
{
	__u64 buf[3];
	const __u8 *ip = pkt_at(p, off, 20, buf);
	__u32 len;

	if (!ip || off + 20 > end)
		return PKT_TRUNCATED;
	v->l3_len = (ip[0] & 0xfu) * 4u;
	v->l4_proto = ip[9];
	v->src[0] = PKT_RD32(ip + 12);
	v->dst[0] = PKT_RD32(ip + 16);
	len = PKT_RD16(ip + 2);
	if (ip[0] >> 4 != 4 || v->l3_len < 20)
		return PKT_MALFORMED;
	if (off + v->l3_len > end)
		return PKT_TRUNCATED;
	if (!p->gso && (len < v->l3_len || off + len > end))
		return PKT_MALFORMED;
	v->family = 4;
	v->ip_bytes = len;
	return PKT_IP;
}

/*
 * The rare ways, each a function of its own that returns all it found in one
 * number. In BPF these are global functions (PKT_RARE): the verifier looks at
 * each once, instead of once for every way that leads there, and takes up
 * after the call with numbers it knows nothing about.
 *
 *   bits 0..7  offset (pkt_l2), 8..15 verdict, 16..31 EtherType,
 *   32..63 frame end (pkt_l2) or payload length (pkt_jumbo)
 */
#define PKT_RARE_OFF(r)     ((__u32)(r)&0xffu)
#define PKT_RARE_VERDICT(r) ((int)((r) >> 8 & 0xffu))
#define PKT_RARE_PROTO(r)   ((__u16)((r) >> 16))
#define PKT_RARE_LEN(r)     ((__u32)((r) >> 32))

PKT_INLINE __u64 pkt_rare(__u32 off, int verdict, __u16 proto, __u32 len)
{
	return off | (__u64)verdict << 8 | (__u64)proto << 16 |
	       (__u64)len << 32;
}

/* The payload length of a jumbogram from its hop-by-hop header at off. */
PKT_INLINE __u64 pkt_jumbo(const struct pkt *p, __u32 off)
{
	__u64 buf[1];
	const __u8 *h = pkt_at(p, off, 2, buf);
	__u32 at = 2, size, len;

	if (!h)
		return pkt_rare(0, PKT_TRUNCATED, 0, 0);
	size = (h[1] + 1u) * 8u;
	for (int i = 0; i < PKT_MAX_IP6_OPTS && at + 2 <= size; i++) {
		h = pkt_at(p, off + at, 2, buf);
		if (!h)
			return pkt_rare(0, PKT_TRUNCATED, 0, 0);
		if (h[0] == 0) { /* Pad1 */
			at++;
			continue;
		}
		if (h[0] != 0xc2) {
			at += h[1] + 2u;
			continue;
		}
		if (h[1] != 4 || at + 6 > size)
			break;
		h = pkt_at(p, off + at + 2, 4, buf);
		if (!h)
			return pkt_rare(0, PKT_TRUNCATED, 0, 0);
		len = PKT_RD32(h);
		return pkt_rare(0, len > 65535 ? PKT_IP : PKT_MALFORMED, 0,
				len);
	}
	return pkt_rare(0, PKT_MALFORMED, 0, 0);
}

/* Past a label stack; the family by the first nibble behind it. */
PKT_INLINE __u64 pkt_nibble(const struct pkt *p, __u32 off, __u32 end)
{
	__u64 buf[1];
	const __u8 *b = pkt_at(p, off, 1, buf);

	if (!b)
		return pkt_rare(off, PKT_TRUNCATED, 0, end);
	if (b[0] >> 4 == 4)
		return pkt_rare(off, PKT_IP, PKT_ETH_IP4, end);
	if (b[0] >> 4 == 6)
		return pkt_rare(off, PKT_IP, PKT_ETH_IP6, end);
	return pkt_rare(off, PKT_NOT_IP, 0, end);
}

PKT_INLINE __u64 pkt_mpls(const struct pkt *p, __u32 off, __u32 end)
{
	__u64 buf[1];
	const __u8 *label;

	for (int i = 0; i < PKT_MAX_LABELS; i++) {
		label = pkt_at(p, off, 4, buf);
		if (!label)
			return pkt_rare(off, PKT_TRUNCATED, 0, end);
		off += 4;
		if (label[2] & 1) /* bottom of stack */
			return pkt_nibble(p, off, end);
	}
	return pkt_rare(off, PKT_NOT_IP, 0, end);
}

/* RFC 2516 section 4; narrows the frame end to the payload. */
PKT_INLINE __u64 pkt_pppoe(const struct pkt *p, __u32 off, __u32 end)
{
	__u64 buf[1];
	const __u8 *h = pkt_at(p, off, 8, buf);
	__u32 len;

	if (!h)
		return pkt_rare(off, PKT_TRUNCATED, 0, end);
	len = PKT_RD16(h + 4);
	if (h[0] != 0x11 || h[1])
		return pkt_rare(off, PKT_MALFORMED, 0, end);
	if (!p->gso) {
		if (len < 2 || off + 6 + len > end)
			return pkt_rare(off, PKT_MALFORMED, 0, end);
		end = off + 6 + len;
	}
	off += 8;
	switch (PKT_RD16(h + 6)) {
	case PKT_PPP_IP4:
		return pkt_rare(off, PKT_IP, PKT_ETH_IP4, end);
	case PKT_PPP_IP6:
		return pkt_rare(off, PKT_IP, PKT_ETH_IP6, end);
	}
	return pkt_rare(off, PKT_NOT_IP, 0, end);
}

#ifdef __bpf__
__noinline __u64 pkt_jumbo_xdp(struct xdp_md *ctx, __u32 off)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.xdp = 1,
	};

	return pkt_jumbo(&p, off & 0x3ff);
}

__noinline __u64 pkt_jumbo_skb(struct __sk_buff *ctx, __u32 off)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};

	return pkt_jumbo(&p, off & 0x3ff);
}

__noinline __u64 pkt_mpls_xdp(struct xdp_md *ctx, __u32 off, __u32 end)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.xdp = 1,
	};

	return pkt_mpls(&p, off & 0x3f, end);
}

__noinline __u64 pkt_mpls_skb(struct __sk_buff *ctx, __u32 off, __u32 end)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
	};

	return pkt_mpls(&p, off & 0x3f, end);
}

#define PKT_JUMBO(p, off) \
	((p)->xdp ? pkt_jumbo_xdp((p)->ctx, off) : pkt_jumbo_skb((p)->ctx, off))
#define PKT_MPLS(p, off, end)                        \
	((p)->xdp ? pkt_mpls_xdp((p)->ctx, off, end) \
		  : pkt_mpls_skb((p)->ctx, off, end))
#else
#define PKT_JUMBO(p, off)     pkt_jumbo(p, off)
#define PKT_MPLS(p, off, end) pkt_mpls(p, off, end)
#endif

/* From the first byte to the IP header, whatever lies between. */
PKT_INLINE __u64 pkt_l2(const struct pkt *p)
{
	__u32 off = 14;
	__u64 buf[2];
	const __u8 *h;
	__u16 proto;

	if (p->no_l2)
		return pkt_nibble(p, 0, p->len);
	h = pkt_at(p, 0, 14, buf);
	if (!h)
		return pkt_rare(0, PKT_TRUNCATED, 0, p->len);
	proto = PKT_RD16(h + 12);
	for (int i = 0; i < PKT_MAX_VLANS && pkt_is_vlan(proto); i++) {
		h = pkt_at(p, off, 4, buf);
		if (!h)
			return pkt_rare(off, PKT_TRUNCATED, proto, p->len);
		proto = PKT_RD16(h + 2);
		off += 4;
	}
	switch (proto) {
	case PKT_ETH_IP4:
	case PKT_ETH_IP6:
		return pkt_rare(off, PKT_IP, proto, p->len);
	case PKT_ETH_PPPOE:
		return pkt_pppoe(p, off, p->len);
	case PKT_ETH_MPLS:
	case PKT_ETH_MPLS_MC:
		return PKT_MPLS(p, off, p->len);
	}
	return pkt_rare(off, PKT_NOT_IP, proto, p->len);
}

#ifdef __bpf__
__noinline __u64 pkt_l2_xdp(struct xdp_md *ctx, __u32 len, __u32 no_l2)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = len,
		.xdp = 1,
		.no_l2 = !!no_l2,
	};

	return pkt_l2(&p);
}

__noinline __u64 pkt_l2_skb(struct __sk_buff *ctx, __u32 len, __u32 gso,
			    __u32 no_l2)
{
	const struct pkt p = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = len,
		.gso = !!gso,
		.no_l2 = !!no_l2,
	};

	return pkt_l2(&p);
}

#define PKT_L2(p)                                              \
	((p)->xdp ? pkt_l2_xdp((p)->ctx, (p)->len, (p)->no_l2) \
		  : pkt_l2_skb((p)->ctx, (p)->len, (p)->gso, (p)->no_l2))
#else
#define PKT_L2(p) pkt_l2(p)
#endif

PKT_INLINE int pkt_ip6(const struct pkt *p, struct pkt_view *v, __u32 off,
		       __u32 end)
{
	__u64 buf[5];
	const __u8 *ip = pkt_at(p, off, 40, buf);
	__u32 len;
	__u64 r;

	if (!ip || off + 40 > end)
		return PKT_TRUNCATED;
	v->l3_len = 40;
	v->l4_proto = ip[6];
	v->src[0] = PKT_RD64(ip + 8);
	v->src[1] = PKT_RD64(ip + 16);
	v->dst[0] = PKT_RD64(ip + 24);
	v->dst[1] = PKT_RD64(ip + 32);
	len = PKT_RD16(ip + 4);
	if (ip[0] >> 4 != 6)
		return PKT_MALFORMED;
	if (!p->gso) {
		if (!len && v->l4_proto == PKT_PROTO_HOPOPTS) {
			r = PKT_JUMBO(p, off + 40);
			if (PKT_RARE_VERDICT(r) != PKT_IP)
				return PKT_RARE_VERDICT(r);
			len = PKT_RARE_LEN(r);
		}
		if ((__u64)off + 40u + len > end)
			return PKT_MALFORMED;
	}
	v->family = 6;
	v->ip_bytes = len + 40u;
	return PKT_IP;
}

/* pkt_plain() for IPv4: h is the frame, 34 bytes of it. */
PKT_INLINE bool pkt_plain4(const struct pkt *p, const __u8 *h,
			   struct pkt_view *v)
{
	const __u8 *ip = h + 14;
	__u32 len = PKT_RD16(ip + 2);

	if (ip[0] != 0x45 || len < 20 || 14 + len > p->len)
		return false;
	v->family = 4;
	v->eth_proto = PKT_ETH_IP4;
	v->l3_off = 14;
	v->l3_len = 20;
	v->l4_proto = ip[9];
	v->src[0] = PKT_RD32(ip + 12);
	v->dst[0] = PKT_RD32(ip + 16);
	v->ip_bytes = len;
	return true;
}

/* The same for IPv6, 54 bytes. */
PKT_INLINE bool pkt_plain6(const struct pkt *p, const __u8 *h,
			   struct pkt_view *v)
{
	const __u8 *ip = h + 14;
	__u32 len = PKT_RD16(ip + 4);

	if (ip[0] >> 4 != 6 || !len || 54 + len > p->len)
		return false;
	v->family = 6;
	v->eth_proto = PKT_ETH_IP6;
	v->l3_off = 14;
	v->l3_len = 40;
	v->l4_proto = ip[6];
	v->src[0] = PKT_RD64(ip + 8);
	v->src[1] = PKT_RD64(ip + 16);
	v->dst[0] = PKT_RD64(ip + 24);
	v->dst[1] = PKT_RD64(ip + 32);
	v->ip_bytes = len + 40;
	return true;
}

/*
 * The frame of nearly every packet: Ethernet and at once an IP header without
 * options, in one piece, with lengths that fit. One check of the bounds, and
 * no way leads through a number that only the packet knows. False says nothing
 * of a frame but that the rules have to be asked one by one.
 */
PKT_INLINE bool pkt_plain(const struct pkt *p, struct pkt_view *v)
{
	const __u8 *h = (const __u8 *)p->data;
	__u16 proto;

	if (p->no_l2 || p->gso || !PKT_LINEAR(p, h, 34))
		return false;
	proto = PKT_RD16(h + 12);
	if (proto == PKT_ETH_IP4)
		return pkt_plain4(p, h, v);
	return proto == PKT_ETH_IP6 && PKT_LINEAR(p, h, 54) &&
	       pkt_plain6(p, h, v);
}

/* Judges a frame by the table above. */
PKT_INLINE int pkt_parse(const struct pkt *p, struct pkt_view *v)
{
	__u32 off = 14, end = p->len;
	__u16 proto = 0;
	__u64 buf[2], r;
	const __u8 *h;

	if (pkt_plain(p, v))
		return PKT_IP;
	h = p->no_l2 ? 0 : pkt_at(p, 0, 14, buf);
	if (h)
		proto = PKT_RD16(h + 12);
	if (proto != PKT_ETH_IP4 && proto != PKT_ETH_IP6) {
		r = PKT_L2(p);
		off = PKT_RARE_OFF(r);
		end = PKT_RARE_LEN(r);
		proto = PKT_RARE_PROTO(r);
		if (PKT_RARE_VERDICT(r) != PKT_IP)
			return PKT_RARE_VERDICT(r);
	}
	v->l3_off = off;
	v->eth_proto = proto;
	return proto == PKT_ETH_IP4 ? pkt_ip4(p, v, off, end)
				    : pkt_ip6(p, v, off, end);
}

#endif
