// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The whole program and its rival, driven by the same keys: a driver writes
 * the next pair of addresses into the packet and tail-calls one of them, so
 * that both run as they are and what the driver costs can be subtracted.
 *
 * The rival is the obvious build: two LPM_TRIE lookups, two PERCPU_HASH
 * updates (the pair, the port), one random number per packet. The step_
 * programs are ours cut short behind that step. minimal is the least that can
 * read what a meter counts: Ethernet and IPv4, no options, no tags; the length
 * of the frame as ours asks for it, since there may be more than one buffer.
 * length does only that.
 */
#include "../../bpf/asmeter.bpf.c"

#define BENCH_KEYS  65536
#define BENCH_PAIRS 131072
#define SAMPLE_RATE 1000

struct bench_key {
	__u8 addr[32]; /* source and destination as in the packet */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_KEYS);
	__type(key, __u32);
	__type(value, struct bench_key);
} bench_keys SEC(".maps");

enum {
	TO_NOTHING,
	TO_OURS,
	TO_RIVAL,
	TO_MINIMAL,
	TO_LENGTH,
	TO_PARSE,
	TO_LOOKUP,
	TO_PAIR,
	TARGETS
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TARGETS);
	__uint(key_size, 4);
	__uint(value_size, 4);
} bench_to SEC(".maps");

/* Of each CPU, in a line of its own. */
#define BENCH_CPUS 64
__u32 bench_pos[BENCH_CPUS][16];
__u32 bench_family = 4;
__u64 bench_sum;

static __always_inline void next_packet(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 cpu = bpf_get_smp_processor_id() & (BENCH_CPUS - 1);
	__u32 at = bench_pos[cpu][0]++ % BENCH_KEYS;
	struct bench_key *k = bpf_map_lookup_elem(&bench_keys, &at);

	if (!k || data + 54 > end)
		return;
	if (bench_family == 4)
		__builtin_memcpy(data + 26, k->addr, 8);
	else
		__builtin_memcpy(data + 22, k->addr, 32);
}

#define DRIVER(name, target)                           \
	SEC("xdp.frags") int name(struct xdp_md *ctx)  \
	{                                              \
		next_packet(ctx);                      \
		bpf_tail_call(ctx, &bench_to, target); \
		return XDP_ABORTED;                    \
	}
DRIVER(drive_nothing, TO_NOTHING)
DRIVER(drive_ours, TO_OURS)
DRIVER(drive_rival, TO_RIVAL)
DRIVER(drive_minimal, TO_MINIMAL)
DRIVER(drive_length, TO_LENGTH)
DRIVER(drive_parse, TO_PARSE)
DRIVER(drive_lookup, TO_LOOKUP)
DRIVER(drive_pair, TO_PAIR)

SEC("xdp.frags")
int nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* ------------------------------------------------------ ours, cut short */

enum step { STEP_PARSE, STEP_LOOKUP, STEP_PAIR };

static __always_inline int step(struct xdp_md *ctx, const enum step last)
{
	struct pkt pkt = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.data_end = (void *)(long)ctx->data_end,
		.len = bpf_xdp_get_buff_len(ctx),
		.xdp = 1,
	};
	struct count_key key = {.ifindex = ctx->ingress_ifindex};
	struct count_size size = {.packets = 1, .wire_bytes = pkt.len};
	struct asm_table_value *table;
	__u32 zero = 0, mask;
	struct pkt_view view = {};

	if (pkt_parse(&pkt, &view) != PKT_IP)
		return XDP_PASS;
	if (last == STEP_PARSE) {
		bench_sum += (__u64)view.src[0] + view.dst[0] + view.ip_bytes +
			     pkt.len;
		return XDP_PASS;
	}
	size.ip_bytes = view.ip_bytes;
	if (last == STEP_PAIR) {
		meter_pair(count_part(bpf_get_smp_processor_id()), &key, &view,
			   &size);
		return XDP_PASS;
	}
	table = bpf_map_lookup_elem(&asm_table, &zero);
	if (!table)
		return XDP_PASS;
	mask = cfg.word_mask;
	if (view.family == 4)
		bench_sum += asm_lookup4(table->word, mask, view.src[0]) +
			     asm_lookup4(table->word, mask, view.dst[0]);
	else
		bench_sum += asm_lookup6(table->word, mask, view.src[0],
					 view.src[1]) +
			     asm_lookup6(table->word, mask, view.dst[0],
					 view.dst[1]);
	return XDP_PASS;
}

SEC("xdp.frags")
int step_parse(struct xdp_md *ctx)
{
	return step(ctx, STEP_PARSE);
}

SEC("xdp.frags")
int step_lookup(struct xdp_md *ctx)
{
	return step(ctx, STEP_LOOKUP);
}

SEC("xdp.frags")
int step_pair(struct xdp_md *ctx)
{
	return step(ctx, STEP_PAIR);
}

SEC("xdp.frags")
int minimal(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if (data + 34 > end || *(__u16 *)(data + 12) != bpf_htons(0x0800))
		return XDP_PASS;
	bench_sum += (__u64)bpf_ntohl(*(__u32 *)(data + 26)) +
		     bpf_ntohl(*(__u32 *)(data + 30)) +
		     bpf_ntohs(*(__u16 *)(data + 16)) +
		     bpf_xdp_get_buff_len(ctx);
	return XDP_PASS;
}

SEC("xdp.frags")
int length(struct xdp_md *ctx)
{
	bench_sum += bpf_xdp_get_buff_len(ctx);
	return XDP_PASS;
}

/* ------------------------------------------------------------- the rival */

struct rival_key4 {
	__u32 len;
	__u32 addr;
};

struct rival_key6 {
	__u32 len;
	__u32 addr[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4000000);
	__type(key, struct rival_key4);
	__type(value, __u32);
} rival_lpm4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4000000);
	__type(key, struct rival_key6);
	__type(value, __u32);
} rival_lpm6 SEC(".maps");

struct rival_pair {
	__u32 src_as, dst_as, ifindex;
	__u8 dir, family;
	__u16 reserved;
};

struct rival_port {
	__u32 ifindex;
	__u32 verdict;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, BENCH_PAIRS);
	__type(key, struct rival_pair);
	__type(value, struct asm_measure);
} rival_pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct rival_port);
	__type(value, struct asm_measure);
} rival_ports SEC(".maps");

__u64 rival_sampled;

static __always_inline void rival_add(void *map, const void *key, __u32 ip,
				      __u32 wire)
{
	struct asm_measure first = {1, ip, wire};
	struct asm_measure *m = bpf_map_lookup_elem(map, key);

	if (!m) {
		bpf_map_update_elem(map, key, &first, BPF_ANY);
		return;
	}
	m->packets++;
	m->ip_bytes += ip;
	m->wire_bytes += wire;
}

/* Both addresses are network order, as in the packet. */
static __always_inline bool rival_parse(struct xdp_md *ctx,
					struct rival_pair *pair, __u32 *ret_ip)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct rival_key6 k6 = {.len = 128};
	struct rival_key4 k4 = {.len = 32};
	__u32 *as;

	if (data + 34 > end)
		return false;
	if (*(__u16 *)(data + 12) == bpf_htons(0x0800)) {
		pair->family = 4;
		*ret_ip = bpf_ntohs(*(__u16 *)(data + 16));
		k4.addr = *(__u32 *)(data + 26);
		as = bpf_map_lookup_elem(&rival_lpm4, &k4);
		pair->src_as = as ? *as : 0;
		k4.addr = *(__u32 *)(data + 30);
		as = bpf_map_lookup_elem(&rival_lpm4, &k4);
		pair->dst_as = as ? *as : 0;
		return true;
	}
	if (*(__u16 *)(data + 12) != bpf_htons(0x86dd) || data + 54 > end)
		return false;
	pair->family = 6;
	*ret_ip = 40 + bpf_ntohs(*(__u16 *)(data + 18));
	__builtin_memcpy(k6.addr, data + 22, 16);
	as = bpf_map_lookup_elem(&rival_lpm6, &k6);
	pair->src_as = as ? *as : 0;
	__builtin_memcpy(k6.addr, data + 38, 16);
	as = bpf_map_lookup_elem(&rival_lpm6, &k6);
	pair->dst_as = as ? *as : 0;
	return true;
}

SEC("xdp.frags")
int rival(struct xdp_md *ctx)
{
	struct rival_pair pair = {.ifindex = ctx->ingress_ifindex};
	struct rival_port port = {.ifindex = ctx->ingress_ifindex};
	__u32 wire = bpf_xdp_get_buff_len(ctx), ip = 0;

	if (rival_parse(ctx, &pair, &ip)) {
		rival_add(&rival_pairs, &pair, ip, wire);
		port.verdict = pair.src_as && pair.dst_as ? ASM_ATTRIBUTED
							  : ASM_UNKNOWN_AS;
	} else {
		port.verdict = ASM_NOT_IP;
	}
	rival_add(&rival_ports, &port, ip, wire);
	if (bpf_get_prandom_u32() % SAMPLE_RATE == 0)
		rival_sampled++;
	return XDP_PASS;
}
