/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Looks up a batch of keys inside the kernel; test_lookup.c compares. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "asmeter/abi.h"
#include "asmeter/lookup.h"

#define BATCH 4096

#define WORDS (1u << 23)

struct table_value {
	__u32 word[WORDS];
};

struct key {
	__u64 hi, lo;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table_value);
} asm_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BATCH);
	__type(key, __u32);
	__type(value, struct key);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BATCH);
	__type(key, __u32);
	__type(value, __u64);
} answers SEC(".maps");

const volatile __u32 table_mask = WORDS - 1;

/* bpf_loop() bodies; the counter is how far the batch got. */
static long one4(__u32 i, void *unused)
{
	const __u32 zero = 0;
	const struct table_value *table =
		bpf_map_lookup_elem(&asm_table, &zero);
	const struct key *k = bpf_map_lookup_elem(&keys, &i);
	__u64 *a = bpf_map_lookup_elem(&answers, &i);

	if (!table || !k || !a)
		return 1;
	*a = asm_lookup4(table->word, table_mask, (__u32)(k->hi >> 32));
	return 0;
}

static long one6(__u32 i, void *unused)
{
	const __u32 zero = 0;
	const struct table_value *table =
		bpf_map_lookup_elem(&asm_table, &zero);
	const struct key *k = bpf_map_lookup_elem(&keys, &i);
	__u64 *a = bpf_map_lookup_elem(&answers, &i);

	if (!table || !k || !a)
		return 1;
	*a = asm_lookup6(table->word, table_mask, k->hi, k->lo);
	return 0;
}

SEC("xdp")
int batch4(struct xdp_md *ctx)
{
	return bpf_loop(BATCH, one4, 0, 0) == BATCH ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp")
int batch6(struct xdp_md *ctx)
{
	return bpf_loop(BATCH, one6, 0, 0) == BATCH ? XDP_PASS : XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
