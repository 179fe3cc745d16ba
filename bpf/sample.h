/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sampling: which packets, and how a sample gets out without touching them.
 *
 * WHERE
 *
 * The decision is made at the TC hooks, not in XDP. XDP cannot copy a packet;
 * it could only mark it, in its metadata, for TC to clone. But GRO compares
 * metadata (skb_metadata_differs), so a marked packet of a flow is held apart
 * from its neighbours and delivered after them: measured on a veth with GRO
 * and one packet in ten marked, 8 TCP streams, all on one CPU, 2 s: 21,000 to
 * 23,000 segments out of order against 0 to 70 without the mark, and ten times
 * as many packets for the stack. A router must not do that. The program at TC
 * has to run for each packet either way, to look for the mark; there the
 * countdown costs the same, needs no driver that can carry metadata, and XDP
 * pays nothing at all.
 *
 * After GRO one packet stands for many. The countdown goes down by all of
 * them, so each packet of the wire has the same chance; those of one GSO
 * packet that are hit share one clone (sample_header.hits).
 *
 * THE WAY OUT
 *
 * bpf_clone_redirect() sends a clone to asm-tap0, one end of a veth pair. All
 * of that happens inside the call: the program on the tap (tc_tap) finds in
 * this CPU's scratch what the clone is, cuts it, puts the header in front, and
 * leaves word of how it went. On asm-tap1 xdp_tap hands the frame to the
 * AF_XDP ring. Nothing else gets through the tap: what is not a sample is
 * dropped on both sides, so that no clone can reach the stack a second time.
 */
#ifndef ASMETER_SAMPLE_H
#define ASMETER_SAMPLE_H

#include "asmeter/gap.h"
#include "count.h"

#define SAMPLE_SLOTS (ASM_PORT_SLOTS * ASM_DIRS)

struct sample_draw {
	__u32 mant, shift;
	__u32 left; /* packets that are not passed yet */
	__u32 skip;
	__u32 hits; /* from any start: a verifier that knew its value would
		     * walk through the loop once for each */
};

__noinline __u32 sample_gap(__u32 mant, __u32 shift)
{
	__u64 r = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();

	return gap_of(r, mant, shift);
}

/* One hit; 1 when the next one lies behind the packet. */
static long sample_hit(__u32 i, void *ctx)
{
	struct sample_draw *d = ctx;

	if (d->skip > d->left)
		return 1;
	d->hits++;
	d->left -= d->skip;
	d->skip = sample_gap(d->mant, d->shift);
	return 0;
}

/* Counts the packets down; how many of them are sampled. */
static __always_inline __u32 sample_count(struct asm_sampler *s,
					  const struct asm_rate *rate,
					  __u32 gen, __u32 packets)
{
	struct sample_draw d = {.mant = rate->gap_mant,
				.shift = rate->gap_shift,
				.left = packets,
				.skip = s->skip,
				.hits = s->hits};

	if (s->gen != gen) {
		s->gen = gen;
		d.skip = sample_gap(d.mant, d.shift);
	}
	if (packets == 1)
		sample_hit(0, &d);
	else
		bpf_loop(packets, sample_hit, &d, 0);
	s->skip = d.skip - d.left;
	return d.hits - (__u32)s->hits;
}

/* The clone, and what became of it. */
static __always_inline void sample_clone(struct __sk_buff *ctx,
					 struct asm_sampler *s,
					 struct asm_scratch *scratch,
					 __u32 tap_ifindex)
{
	scratch->state = ASM_SCRATCH_ARMED;
	if (tap_ifindex)
		bpf_clone_redirect(ctx, tap_ifindex, 0);
	if (scratch->state == ASM_SCRATCH_SENT)
		s->sent++;
	else if (scratch->state == ASM_SCRATCH_NOT_CUT)
		s->not_cut++;
	else
		s->no_tap++;
	scratch->state = ASM_SCRATCH_IDLE;
}

/* The port's state on this CPU, NULL when it is not sampled. */
static __always_inline struct asm_sampler *sample_state(__u32 cpu, __u32 slot,
							const int dir)
{
	__u32 key = cpu * SAMPLE_SLOTS + slot * ASM_DIRS + dir;

	return bpf_map_lookup_elem(&asm_sampler, &key);
}

/* True when none of the packets is sampled, as nearly always. */
static __always_inline bool sample_passes(struct asm_sampler *s, __u32 flags,
					  __u32 packets)
{
	if (s->gen != flags >> ASM_IFF_GEN_SHIFT || s->skip <= packets)
		return false;
	s->skip -= packets;
	return true;
}

#endif
