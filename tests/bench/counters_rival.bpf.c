// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The counter update alone: the row of an AS pair as the programs find it
 * (bpf/count.h), and the same sums in a PERCPU_HASH keyed by the pair. Keys
 * come from an array, one a run; `base` only fetches them.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "asmeter/abi.h"
#include "../../bpf/count.h"

#define BENCH_KEYS (1u << 20)

struct bench_pair {
	__u32 src, dst;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_KEYS);
	__type(key, __u32);
	__type(value, struct bench_pair);
} bench_keys SEC(".maps");

struct rival_pair {
	__u32 src_as, dst_as, ifindex;
	__u8 dir, family;
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1u << 17);
	__type(key, struct rival_pair);
	__type(value, struct asm_measure);
} rival_pairs SEC(".maps");

__u32 bench_pos;
__u32 bench_mask;
__u64 bench_sum;
__u64 bench_full;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct bench_pair *next_pair(void)
{
	__u32 i = bench_pos++ & bench_mask;

	return bpf_map_lookup_elem(&bench_keys, &i);
}

SEC("xdp")
int base(struct xdp_md *ctx)
{
	struct bench_pair *p = next_pair();

	if (p)
		bench_sum += p->src + p->dst;
	return XDP_PASS;
}

SEC("xdp")
int ours(struct xdp_md *ctx)
{
	struct count_size size = {.packets = 1,
				  .ip_bytes = 82,
				  .wire_bytes = 96};
	struct count_key key = {.ifindex = 1, .family = 4};
	struct bench_pair *p = next_pair();

	if (!p)
		return XDP_PASS;
	key.src_ix = p->src;
	key.dst_ix = p->dst;
	if (!count_pair(count_part(bpf_get_smp_processor_id()), &key, &size))
		bench_full++;
	return XDP_PASS;
}

SEC("xdp")
int rival(struct xdp_md *ctx)
{
	struct rival_pair key = {.ifindex = 1, .family = 4};
	struct asm_measure first = {1, 82, 96}, *m;
	struct bench_pair *p = next_pair();

	if (!p)
		return XDP_PASS;
	key.src_as = p->src;
	key.dst_as = p->dst;
	m = bpf_map_lookup_elem(&rival_pairs, &key);
	if (!m) {
		if (bpf_map_update_elem(&rival_pairs, &key, &first, BPF_ANY))
			bench_full++;
		return XDP_PASS;
	}
	m->packets += 1;
	m->ip_bytes += 82;
	m->wire_bytes += 96;
	return XDP_PASS;
}
