// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The meter's programs: parse, find both ASes, count, pass. They differ only
 * in how the size of a packet is known. Those at TC also sample (sample.h).
 *
 * SIZES
 *
 * xdp_meter   one packet a frame; wire bytes are the frame's length over all
 *             its buffers.
 * tc_egress   the kernel's own estimate of what a GSO packet becomes on the
 *             wire (wire_len), in gso_segs packets.
 * tc_ingress  runs after GRO merged segments: each of them had the headers
 *             that are there only once now.
 * tc_sample   samples only: at TC ingress where xdp_meter counts.
 * tc_tap,     the two ends of the tap device.
 * xdp_tap
 * xdp_mirror  for a port that only listens: counts, gives samples to the ring
 *             of their queue, drops the rest.
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
#include "sample.h"

#define VLAN_BYTES 4

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Finds the AS indexes of both ends; false without a table. */
static __always_inline bool meter_ases(const struct pkt_view *view,
				       __u32 *ret_src, __u32 *ret_dst)
{
	struct asm_table_value *table;
	__u32 zero = 0, mask = cfg.word_mask;

	table = bpf_map_lookup_elem(&asm_table, &zero);
	if (!table)
		return false;
	if (view->family == 4) {
		*ret_src = asm_lookup4(table->word, mask, view->src[0]);
		*ret_dst = asm_lookup4(table->word, mask, view->dst[0]);
	} else {
		*ret_src = asm_lookup6(table->word, mask, view->src[0],
				       view->src[1]);
		*ret_dst = asm_lookup6(table->word, mask, view->dst[0],
				       view->dst[1]);
	}
	return true;
}

/* Finds both ASes and the row, and adds to it. Returns the final verdict. */
static __always_inline __u32 meter_pair(__u32 part, struct count_key *key,
					const struct pkt_view *view,
					const struct count_size *size)
{
	key->family = view->family;
	if (!meter_ases(view, &key->src_ix, &key->dst_ix))
		return ASM_MAP_FULL;
	if (!count_pair(part, key, size))
		return ASM_MAP_FULL;
	return key->src_ix && key->dst_ix ? ASM_ATTRIBUTED : ASM_UNKNOWN_AS;
}

/* Counts a parsed packet in both books. */
static __always_inline void meter_count(__u32 part, __u32 slot, __u32 ifindex,
					const int dir, __u32 verdict,
					const struct pkt_view *view,
					struct count_size *size)
{
	struct count_key key = {.ifindex = ifindex, .dir = dir};

	if (verdict == PKT_IP)
		verdict = meter_pair(part, &key, view, size);
	else
		size->ip_bytes = 0;
	count_port(part, slot, ifindex, dir, verdict, size);
}

/* Counts a frame; its slot and flags are found on the way. */
static __always_inline void meter_xdp(struct xdp_md *ctx, __u32 cpu,
				      __u32 *ret_slot, __u32 *ret_flags)
{
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = bpf_xdp_get_buff_len(ctx),
		.xdp = 1,
	};
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 slot = count_slot(ifindex, ret_flags);
	struct count_size size = {.packets = 1, .wire_bytes = pkt.len};
	struct pkt_view view = {};
	__u32 verdict;

	pkt.no_l2 = !!(*ret_flags & ASM_IFF_NO_L2);
	verdict = pkt_parse(&pkt, &view);
	size.ip_bytes = view.ip_bytes;
	meter_count(count_part(cpu), slot, ifindex, ASM_DIR_IN, verdict, &view,
		    &size);
	*ret_slot = slot;
}

SEC("xdp.frags")
int xdp_meter(struct xdp_md *ctx)
{
	__u32 slot, flags;

	meter_xdp(ctx, bpf_get_smp_processor_id(), &slot, &flags);
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

/* Parses a packet at TC, and finds its size. */
static __always_inline __u32 skb_parse(struct __sk_buff *ctx, const int dir,
				       __u32 flags, struct pkt_view *view,
				       struct count_size *ret_size)
{
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = ctx->len,
		.gso = ctx->gso_size != 0,
		.no_l2 = !!(flags & ASM_IFF_NO_L2),
	};
	__u32 tag = ctx->vlan_present ? VLAN_BYTES : 0;
	__u32 verdict;

	ret_size->packets = 1;
	ret_size->wire_bytes = pkt.len;
	verdict = pkt_parse(&pkt, view);
	ret_size->ip_bytes = view->ip_bytes;
	if (pkt.gso) {
		skb_gso_size(ctx, dir, view, ret_size);
		ret_size->ip_bytes =
			ret_size->wire_bytes - ret_size->packets * view->l3_off;
	}
	ret_size->wire_bytes += ret_size->packets * tag;
	return verdict;
}

/* What a sample says of itself, whatever hook it comes from. */
static __always_inline void sample_fill(struct sample_header *h,
					const struct pkt_view *view,
					__u32 flags, const int dir)
{
	__u32 src = 0, dst = 0;
	struct asm_as *as;

	if (view)
		meter_ases(view, &src, &dst);
	as = bpf_map_lookup_elem(&asm_as, &src);
	h->src_as = src && as ? as->asn : 0;
	as = bpf_map_lookup_elem(&asm_as, &dst);
	h->dst_as = dst && as ? as->asn : 0;
	h->version = SAMPLE_VERSION;
	h->size = sizeof(*h);
	h->ktime_ns = bpf_ktime_get_ns();
	h->cpu = bpf_get_smp_processor_id();
	h->dir = dir;
	h->flags = flags & ASM_IFF_NO_L2 ? SAMPLE_NO_L2 : 0;
	h->vlan_proto = h->vlan_tci = 0;
}

/* Describes the packet for the tap. */
static __always_inline void sample_describe(struct __sk_buff *ctx,
					    struct sample_header *h,
					    __u32 flags, const int dir)
{
	struct count_size size = {};
	struct pkt_view view = {};
	__u32 verdict = skb_parse(ctx, dir, flags, &view, &size);

	sample_fill(h, verdict == PKT_IP ? &view : NULL, flags, dir);
	h->packets = size.packets;
	h->wire_len = size.wire_bytes;
	h->ifindex = ctx->ifindex;
	h->peer_ifindex = dir == ASM_DIR_OUT ? ctx->ingress_ifindex : 0;
	if (ctx->vlan_present) {
		h->flags |= SAMPLE_VLAN;
		h->vlan_proto = bpf_ntohs((__u16)ctx->vlan_proto);
		h->vlan_tci = ctx->vlan_tci;
	}
}

/* The rare way: at least one of the packets is sampled, or the rate is new. */
static __always_inline int sample_take(struct __sk_buff *ctx, __u32 slot,
				       __u32 flags, __u32 packets,
				       const int dir)
{
	struct asm_rate *rate = bpf_map_lookup_elem(&asm_rates, &slot);
	struct asm_sampler *s =
		sample_state(bpf_get_smp_processor_id(), slot, dir);
	struct asm_scratch *scratch;
	__u32 zero = 0, hits;

	scratch = bpf_map_lookup_elem(&asm_scratch, &zero);
	if (!s || !rate || !rate->rate || !scratch)
		return 0;
	hits = sample_count(s, rate, flags >> ASM_IFF_GEN_SHIFT, packets);
	if (!hits)
		return 0;
	s->ifindex = ctx->ifindex;
	s->taken++;
	s->hits += hits;
	sample_describe(ctx, &scratch->header, flags, dir);
	scratch->header.seq = s->taken;
	scratch->header.rate = rate->rate;
	scratch->header.hits = hits;
	scratch->header.slot = slot;
	scratch->snap = rate->snap;
	sample_clone(ctx, s, scratch, rate->tap_ifindex);
	return hits;
}

/* Global functions: the verifier looks at each once. */
__noinline int sample_take_in(struct __sk_buff *ctx, __u32 slot, __u32 flags,
			      __u32 packets)
{
	return sample_take(ctx, slot, flags, packets, ASM_DIR_IN);
}

__noinline int sample_take_out(struct __sk_buff *ctx, __u32 slot, __u32 flags,
			       __u32 packets)
{
	return sample_take(ctx, slot, flags, packets, ASM_DIR_OUT);
}

static __always_inline void sample_skb(struct __sk_buff *ctx, __u32 cpu,
				       __u32 slot, __u32 flags, __u32 packets,
				       const int dir)
{
	struct asm_sampler *s = sample_state(cpu, slot, dir);

	if (!s || sample_passes(s, flags, packets))
		return;
	if (dir == ASM_DIR_IN)
		sample_take_in(ctx, slot, flags, packets);
	else
		sample_take_out(ctx, slot, flags, packets);
}

/* What both TC programs share. */
static __always_inline int meter_skb(struct __sk_buff *ctx, const int dir)
{
	__u32 ifindex = ctx->ifindex, cpu, flags, verdict;
	__u32 slot = count_slot(ifindex, &flags);
	struct count_size size = {};
	struct pkt_view view = {};

	verdict = skb_parse(ctx, dir, flags, &view, &size);
	cpu = bpf_get_smp_processor_id();
	meter_count(count_part(cpu), slot, ifindex, dir, verdict, &view, &size);
	if (flags & ASM_IFF_SAMPLED)
		sample_skb(ctx, cpu, slot, flags, size.packets, dir);
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

SEC("tc")
int tc_sample(struct __sk_buff *ctx)
{
	__u32 packets = 1, flags;
	__u32 slot = count_slot(ctx->ifindex, &flags);
	struct count_size size = {};
	struct pkt_view view = {};

	if (!(flags & ASM_IFF_SAMPLED))
		return TC_NEXT;
	if (ctx->gso_size) {
		packets = ctx->gso_segs;
		if (!packets) {
			skb_parse(ctx, ASM_DIR_IN, flags, &view, &size);
			packets = size.packets;
		}
	}
	sample_skb(ctx, bpf_get_smp_processor_id(), slot, flags, packets,
		   ASM_DIR_IN);
	return TC_NEXT;
}

#define TC_DROP 2 /* TC_ACT_SHOT */

#define FIB_IP4 2 /* AF_INET */
#define FIB_IP6 10

/*
 * Where a packet that has just come in will be sent: the kernel's own answer
 * for its addresses, whether the next hop's link address is known or not. Of
 * several equal paths, or with rules for marks or ports, it may be another
 * than the packet takes. 0: not forwarded. Asked on the tap, where the stack
 * has room for it.
 */
static __always_inline __u32 tap_way_out(struct __sk_buff *ctx,
					 const struct sample_header *h)
{
	struct bpf_fib_lookup fib = {.ifindex = h->ifindex};
	struct pkt_view view = {};
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = ctx->len,
		.gso = 1, /* its lengths have been judged */
		.no_l2 = !!(h->flags & SAMPLE_NO_L2),
	};
	long rc;

	if (pkt_parse(&pkt, &view) != PKT_IP)
		return 0;
	if (view.family == 4) {
		fib.family = FIB_IP4;
		fib.ipv4_src = bpf_htonl((__u32)view.src[0]);
		fib.ipv4_dst = bpf_htonl((__u32)view.dst[0]);
	} else {
		fib.family = FIB_IP6;
		for (int i = 0; i < 4; i++) {
			fib.ipv6_src[i] = bpf_htonl(
				(__u32)(view.src[i / 2] >> (i & 1 ? 0 : 32)));
			fib.ipv6_dst[i] = bpf_htonl(
				(__u32)(view.dst[i / 2] >> (i & 1 ? 0 : 32)));
		}
	}
	rc = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH ||
	    rc == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return fib.ifindex;
	return 0;
}

SEC("tc")
int tc_tap(struct __sk_buff *ctx)
{
	struct asm_scratch *scratch;
	struct sample_header *h;
	__u32 zero = 0, snap;

	scratch = bpf_map_lookup_elem(&asm_scratch, &zero);
	if (!scratch || scratch->state != ASM_SCRATCH_ARMED)
		return TC_DROP;
	scratch->state = ASM_SCRATCH_NOT_CUT;
	h = &scratch->header;
	if (h->dir == ASM_DIR_IN)
		h->peer_ifindex = tap_way_out(ctx, h);
	/* headers that the stack will need keep a packet from being cut short;
	 * long ones fit in the longest sample */
	snap = scratch->snap;
	if (ctx->len > snap && bpf_skb_change_tail(ctx, snap, 0) &&
	    ctx->len > ASM_SNAP_MAX &&
	    bpf_skb_change_tail(ctx, ASM_SNAP_MAX, 0))
		return TC_DROP;
	h->cap_len = ctx->len;
	if (bpf_skb_change_head(ctx, sizeof(*h), 0) ||
	    bpf_skb_store_bytes(ctx, 0, h, sizeof(*h), 0))
		return TC_DROP;
	scratch->state = ASM_SCRATCH_SENT;
	return TC_NEXT;
}

/* Gives the frame to a ring; its counters are the ring's. */
static __always_inline int ring_give(__u32 number)
{
	struct asm_ring *ring = bpf_map_lookup_elem(&asm_rings, &number);

	if (!ring)
		return XDP_DROP;
	ring->arrived++;
	if (bpf_map_lookup_elem(&asm_xsks, &number))
		return bpf_redirect_map(&asm_xsks, number, XDP_DROP);
	ring->no_socket++;
	return XDP_DROP;
}

SEC("xdp.frags")
int xdp_tap(struct xdp_md *ctx)
{
	return ring_give(ASM_XSK_TAP);
}

/* Describes a frame of a mirror port. */
static __always_inline void mirror_describe(struct xdp_md *ctx, __u32 flags,
					    struct sample_header *h)
{
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = bpf_xdp_get_buff_len(ctx),
		.xdp = 1,
		.no_l2 = !!(flags & ASM_IFF_NO_L2),
	};
	struct pkt_view view = {};
	int verdict = pkt_parse(&pkt, &view);

	sample_fill(h, verdict == PKT_IP ? &view : NULL, flags, ASM_DIR_IN);
	h->packets = 1;
	h->wire_len = pkt.len;
	h->ifindex = ctx->ingress_ifindex;
}

/* Cuts the frame and puts the header in front; false: it cannot be. */
static __always_inline bool mirror_cut(struct xdp_md *ctx,
				       struct sample_header *h, __u32 snap)
{
	__u32 len = h->wire_len;
	void *data;

	if (len > snap) {
		if (bpf_xdp_adjust_tail(ctx, (int)snap - (int)len))
			return false;
		len = snap;
	}
	h->cap_len = len;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*h)))
		return false;
	data = (void *)(long)ctx->data;
	if (data + sizeof(*h) > (void *)(long)ctx->data_end)
		return false;
	__builtin_memcpy(data, h, sizeof(*h));
	return true;
}

/* A global function: the verifier looks at it once. Returns the action. */
__noinline int mirror_take(struct xdp_md *ctx, __u32 slot, __u32 flags)
{
	struct asm_rate *rate = bpf_map_lookup_elem(&asm_rates, &slot);
	struct asm_sampler *s =
		sample_state(bpf_get_smp_processor_id(), slot, ASM_DIR_IN);
	struct sample_header h = {};
	struct asm_ring *ring;
	__u32 number;

	if (!s || !rate || !rate->rate ||
	    !sample_count(s, rate, flags >> ASM_IFF_GEN_SHIFT, 1))
		return XDP_DROP;
	s->ifindex = ctx->ingress_ifindex;
	s->taken++;
	s->hits++;
	if (ctx->rx_queue_index >= rate->rings) {
		s->no_tap++;
		return XDP_DROP;
	}
	number = rate->ring + ctx->rx_queue_index;
	ring = bpf_map_lookup_elem(&asm_rings, &number);
	if (!ring) {
		s->no_tap++;
		return XDP_DROP;
	}
	mirror_describe(ctx, flags, &h);
	h.flags |= SAMPLE_MIRROR;
	h.seq = ++ring->taken;
	h.cpu = number;
	h.rate = rate->rate;
	h.hits = 1;
	h.slot = slot;
	if (!mirror_cut(ctx, &h, rate->snap)) {
		s->not_cut++;
		return XDP_DROP;
	}
	s->sent++;
	return ring_give(number);
}

SEC("xdp.frags")
int xdp_mirror(struct xdp_md *ctx)
{
	__u32 slot, flags, cpu = bpf_get_smp_processor_id();
	struct asm_sampler *s;

	meter_xdp(ctx, cpu, &slot, &flags);
	if (!(flags & ASM_IFF_SAMPLED))
		return XDP_DROP;
	s = sample_state(cpu, slot, ASM_DIR_IN);
	if (!s || sample_passes(s, flags, 1))
		return XDP_DROP;
	return mirror_take(ctx, slot, flags);
}
