// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The decision whether a packet is a sample, for packets that are none: a
 * per-CPU countdown against a random number per packet. BATCH decisions a run,
 * because one costs less than the harness. `base` is the bare batch.
 *
 * Ours is that of bpf/sample.h, with what a program does before: it finds the
 * state of the port on this CPU; the numbers of both it has from counting
 * (where XDP counts, tc_sample has to ask for them: one look into asm_ifs, one
 * for the CPU). The packets are of PORTS ports in turn. Were they of one, each
 * decision would wait for the countdown that the one before it has stored: a
 * chain that exists only where nothing but decisions is done (`ours_chained`; a
 * router has some hundred nanoseconds between two packets).
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "asmeter/abi.h"

#define BATCH       32
#define PORTS       4
#define SAMPLE_RATE 1000
#define SKIP        1000000 /* packets to the next sample, far away */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 bench_hits;
__u32 bench_slot = 1;

#include "../../bpf/sample.h"

#define BARRIER() __asm__ volatile("" ::: "memory")
/* Keeps the compiler from computing once what each packet has to. */
#define ANEW(v) __asm__ volatile("" : "+r"(v))

SEC("xdp")
int base(struct xdp_md *ctx)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < BATCH; i++)
		BARRIER();
	return XDP_PASS;
}

static __always_inline int decide(const __u32 ports)
{
	__u32 cpu = bpf_get_smp_processor_id(), slot = bench_slot & 127;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < BATCH; i++) {
		struct asm_sampler *s;

		ANEW(cpu);
		ANEW(slot);
		s = sample_state(cpu, slot + i % ports, ASM_DIR_IN);
		if (!s)
			return XDP_ABORTED;
		if (!sample_passes(s, 0, 1)) {
			s->skip = SKIP;
			bench_hits++;
		}
		BARRIER();
	}
	return XDP_PASS;
}

SEC("xdp")
int ours(struct xdp_md *ctx)
{
	return decide(PORTS);
}

SEC("xdp")
int ours_chained(struct xdp_md *ctx)
{
	return decide(1);
}

SEC("xdp")
int rival(struct xdp_md *ctx)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < BATCH; i++) {
		if (bpf_get_prandom_u32() % SAMPLE_RATE == 0)
			bench_hits++;
		BARRIER();
	}
	return XDP_PASS;
}
