// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The decision whether a packet is a sample, for packets that are none: a
 * per-CPU countdown against a random number per packet. BATCH decisions a run,
 * because one costs less than the harness. `base` is the bare batch.
 *
 * The countdown is that of bpf/sample.h where the tree has it, and what it has
 * to do at least where not: find the port's state, compare, subtract.
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

#if __has_include("../../bpf/sample.h")
#include "../../bpf/sample.h"
#else
#include "../../bpf/count.h"

struct sampler {
	__u32 gen;
	__u32 skip;
	__u32 reserved[14];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sampler);
} asm_sampler SEC(".maps");

static __always_inline struct sampler *sample_state(__u32 slot, const int dir)
{
	__u32 key = bpf_get_smp_processor_id() * ASM_PORT_SLOTS * ASM_DIRS +
		    slot * ASM_DIRS + dir;

	return bpf_map_lookup_elem(&asm_sampler, &key);
}

static __always_inline bool sample_passes(struct sampler *s, __u32 flags,
					  __u32 packets)
{
	if (s->gen != flags || s->skip <= packets)
		return false;
	s->skip -= packets;
	return true;
}
#endif

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
		typeof(sample_state(0, 0)) s =
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
