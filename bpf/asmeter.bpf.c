// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The meter's programs: parse, find both ASes, count, pass. They differ only
 * in how the size of a packet is known.
 *
 * SIZES
 *
 * xdp_meter   one packet a frame; wire bytes are the frame's length over all
 *             its buffers.
 * tc_egress   the kernel's own estimate of what a GSO packet becomes on the
 *             wire (wire_len), in gso_segs packets.
 * tc_ingress  runs after GRO merged segments: each of them had the headers
 *             that are there only once now.
 *
 * A VLAN tag that travels beside the packet (offloaded) is part of the frame:
 * 4 bytes for each packet. IP bytes of a GSO packet are its wire bytes without
 * what precedes each IP header.
 *
 * Interfaces without an Ethernet header (tun, ppp, wireguard) carry the flag
 * ASM_IFF_NO_L2; there the frame is the IP packet. On such an interface that
 * is not listed the first bytes are taken for an Ethernet header, and the
 * packet lands in not_ip or malformed: counted, not attributed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "asmeter/abi.h"
#include "asmeter/lookup.h"
#include "asmeter/parse.h"
#include "asmeter/segment.h"
#include "count.h"

#define VLAN_BYTES 4

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Finds both ASes and the row, and adds to it. Returns the final verdict. */
static __always_inline __u32 meter_pair(__u32 part, struct count_key *key,
					const struct pkt_view *view,
					const struct count_size *size)
{
	struct asm_table_value *table;
	__u32 zero = 0, mask = cfg.word_mask;

	table = bpf_map_lookup_elem(&asm_table, &zero);
	if (!table)
		return ASM_MAP_FULL;
	key->family = view->family;
	if (view->family == 4) {
		key->src_ix = asm_lookup4(table->word, mask, view->src[0]);
		key->dst_ix = asm_lookup4(table->word, mask, view->dst[0]);
	} else {
		key->src_ix = asm_lookup6(table->word, mask, view->src[0],
					  view->src[1]);
		key->dst_ix = asm_lookup6(table->word, mask, view->dst[0],
					  view->dst[1]);
	}
	if (!count_pair(part, key, size))
		return ASM_MAP_FULL;
	return key->src_ix && key->dst_ix ? ASM_ATTRIBUTED : ASM_UNKNOWN_AS;
}

/* Counts a parsed packet in both books. */
static __always_inline void meter_count(__u32 slot, __u32 ifindex,
					const int dir, __u32 verdict,
					const struct pkt_view *view,
					struct count_size *size)
{
	struct count_key key = {.ifindex = ifindex, .dir = dir};
	__u32 part = count_part();

	if (verdict == PKT_IP)
		verdict = meter_pair(part, &key, view, size);
	else
		size->ip_bytes = 0;
	count_port(part, slot, ifindex, dir, verdict, size);
}

SEC("xdp.frags")
int xdp_meter(struct xdp_md *ctx)
{
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = bpf_xdp_get_buff_len(ctx),
		.xdp = 1,
	};
	__u32 ifindex = ctx->ingress_ifindex, flags;
	__u32 slot = count_slot(ifindex, &flags);
	struct count_size size = {.packets = 1, .wire_bytes = pkt.len};
	struct pkt_view view = {};
	__u32 verdict;

	pkt.no_l2 = !!(flags & ASM_IFF_NO_L2);
	verdict = pkt_parse(&pkt, &view);
	size.ip_bytes = view.ip_bytes;
	meter_count(slot, ifindex, ASM_DIR_IN, verdict, &view, &size);
	return XDP_PASS;
}

/* -1 leaves the verdict to the next program or filter (also TCX_NEXT). */
#define TC_NEXT (-1)

/*
 * The size of a GSO packet on the wire, see "SIZES". gso_segs is 0 when the
 * packet came from a guest or a socket that did not count (SKB_GSO_DODGY).
 */
static __always_inline void skb_gso_size(struct __sk_buff *ctx, const int dir,
					 const struct pkt_view *view,
					 struct count_size *ret_size)
{
	__u32 head = 0, len = ctx->len, mss = ctx->gso_size;
	__u64 packets = ctx->gso_segs;

	if (dir == ASM_DIR_OUT && packets) {
		ret_size->packets = packets;
		ret_size->wire_bytes = ctx->wire_len;
		return;
	}
	if (view->family)
		head = PKT_RARE_LEN(
			pkt_segment_skb(ctx, view->l3_off, view->family));
	if (!packets && mss && len > head)
		packets = (len - head + mss - 1) / mss;
	if (!packets)
		packets = 1;
	ret_size->packets = packets;
	if (dir == ASM_DIR_OUT)
		ret_size->wire_bytes = ctx->wire_len;
	else
		ret_size->wire_bytes = len + (packets - 1) * head;
}

/* What both TC programs share. */
static __always_inline int meter_skb(struct __sk_buff *ctx, const int dir)
{
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = ctx->len,
		.gso = ctx->gso_size != 0,
	};
	__u32 tag = ctx->vlan_present ? VLAN_BYTES : 0;
	__u32 ifindex = ctx->ifindex, flags, verdict;
	__u32 slot = count_slot(ifindex, &flags);
	struct count_size size = {.packets = 1, .wire_bytes = pkt.len};
	struct pkt_view view = {};

	pkt.no_l2 = !!(flags & ASM_IFF_NO_L2);
	verdict = pkt_parse(&pkt, &view);
	size.ip_bytes = view.ip_bytes;
	if (pkt.gso) {
		skb_gso_size(ctx, dir, &view, &size);
		size.ip_bytes = size.wire_bytes - size.packets * view.l3_off;
	}
	size.wire_bytes += size.packets * tag;
	meter_count(slot, ifindex, dir, verdict, &view, &size);
	return TC_NEXT;
}

SEC("tc")
int tc_egress(struct __sk_buff *ctx)
{
	return meter_skb(ctx, ASM_DIR_OUT);
}

SEC("tc")
int tc_ingress(struct __sk_buff *ctx)
{
	return meter_skb(ctx, ASM_DIR_IN);
}
