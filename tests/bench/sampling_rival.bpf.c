// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The decision whether a packet is a sample, for packets that are none: a
 * per-CPU countdown against a random number per packet. BATCH decisions a run,
 * because one costs less than the harness. `base` is the bare batch.
 *
 * Ours is that of bpf/sample.h, with what a program does before: it finds the
 * state of the port on this CPU.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "asmeter/abi.h"

#define BATCH       32
#define SAMPLE_RATE 1000
#define SKIP        1000000 /* packets to the next sample, far away */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 bench_hits;
__u32 bench_slot = 1;

#include "../../bpf/sample.h"

#define BARRIER() __asm__ volatile("" ::: "memory")

SEC("xdp")
int base(struct xdp_md *ctx)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < BATCH; i++)
		BARRIER();
	return XDP_PASS;
}

SEC("xdp")
int ours(struct xdp_md *ctx)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < BATCH; i++) {
		struct asm_sampler *s =
			sample_state(bench_slot & 255, ASM_DIR_IN);

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
