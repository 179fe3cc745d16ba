/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One packet is two lookups, of source and destination; keys come from an
 * array, one pair a run. Each program does the same around its lookups:
 * base_* does only that. The answers go into `sum`, which proves that all of
 * them found the same.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "asmeter/abi.h"
#include "asmeter/lookup.h"

#define WORDS      (1u << 25) /* for 4 million prefixes; 2^23 do for today's */
#define KEYS       (1u << 20)
#define DIR_GROUPS 4096u

struct table_value {
	__u32 word[WORDS];
};

/* DIR-24-8: an entry is an AS index, or bit 31 and a group of tbl8. */
struct dir24_value {
	__u32 e[1u << 24];
};

struct dir8_value {
	__u32 e[DIR_GROUPS * 256];
};

struct pair4 {
	__u32 a, b;
};

struct pair6 {
	__u64 a[2], b[2];
};

struct lpm4_key {
	__u32 len;
	__u32 addr_be;
};

struct lpm6_key {
	__u32 len;
	__u32 addr_be[4];
};

#define ARRAY(name, n, value_t)                    \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, n);            \
		__type(key, __u32);                \
		__type(value, value_t);            \
	} name SEC(".maps")

ARRAY(table, 1, struct table_value);
ARRAY(dir24, 1, struct dir24_value);
ARRAY(dir8, 1, struct dir8_value);
ARRAY(keys4, KEYS, struct pair4);
ARRAY(keys6, KEYS, struct pair6);

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1u << 22);
	__type(key, struct lpm4_key);
	__type(value, __u32);
} lpm4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1u << 21);
	__type(key, struct lpm6_key);
	__type(value, __u32);
} lpm6 SEC(".maps");

const volatile __u32 word_mask = WORDS - 1;
/* Set by the reader before each series. */
__u32 key_mask;
__u32 chained;
__u32 always_0; /* only we know */
__u32 pos;
__u64 sum;

static __always_inline void add(__u32 a, __u32 b)
{
	sum = (sum + a) * 3 + b;
}

/* In a chain, which keys are next is known when the answers before are. */
static __always_inline __u32 next(void)
{
	__u32 i = pos++;

	return chained ? i + ((__u32)sum & always_0) : i;
}

static __always_inline struct pair4 *next4(void)
{
	__u32 i = next() & key_mask;

	return bpf_map_lookup_elem(&keys4, &i);
}

static __always_inline struct pair6 *next6(void)
{
	__u32 i = next() & key_mask;

	return bpf_map_lookup_elem(&keys6, &i);
}

SEC("xdp")
int base4(struct xdp_md *ctx)
{
	struct pair4 *k = next4();

	if (k)
		add(k->a, k->b);
	return XDP_PASS;
}

SEC("xdp")
int ours4(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	struct table_value *t = bpf_map_lookup_elem(&table, &zero);
	struct pair4 *k = next4();

	if (k && t)
		add(asm_lookup4(t->word, word_mask, k->a),
		    asm_lookup4(t->word, word_mask, k->b));
	return XDP_PASS;
}

SEC("xdp")
int ours4_one(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	struct table_value *t = bpf_map_lookup_elem(&table, &zero);
	struct pair4 *k = next4();

	if (k && t)
		add(asm_lookup4(t->word, word_mask, k->a), k->b);
	return XDP_PASS;
}

static __always_inline __u32 lpm4_one(__u32 addr)
{
	struct lpm4_key k = {32, __builtin_bswap32(addr)};
	__u32 *v = bpf_map_lookup_elem(&lpm4, &k);

	return v ? *v : 0;
}

SEC("xdp")
int lpm_4(struct xdp_md *ctx)
{
	struct pair4 *k = next4();

	if (k)
		add(lpm4_one(k->a), lpm4_one(k->b));
	return XDP_PASS;
}

static __always_inline __u32 dir_one(const struct dir24_value *t24,
				     const struct dir8_value *t8, __u32 addr)
{
	__u32 e = t24->e[addr >> 8];

	if (e >> 31)
		e = t8->e[((e & (DIR_GROUPS - 1)) << 8) + (addr & 255)];
	return e;
}

SEC("xdp")
int dir_4(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	struct dir24_value *t24 = bpf_map_lookup_elem(&dir24, &zero);
	struct dir8_value *t8 = bpf_map_lookup_elem(&dir8, &zero);
	struct pair4 *k = next4();

	if (k && t24 && t8)
		add(dir_one(t24, t8, k->a), dir_one(t24, t8, k->b));
	return XDP_PASS;
}

SEC("xdp")
int base6(struct xdp_md *ctx)
{
	struct pair6 *k = next6();

	if (k)
		add((__u32)k->a[0], (__u32)k->b[0]);
	return XDP_PASS;
}

SEC("xdp")
int ours6(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	struct table_value *t = bpf_map_lookup_elem(&table, &zero);
	struct pair6 *k = next6();

	if (k && t)
		add(asm_lookup6(t->word, word_mask, k->a[0], k->a[1]),
		    asm_lookup6(t->word, word_mask, k->b[0], k->b[1]));
	return XDP_PASS;
}

SEC("xdp")
int ours6_one(struct xdp_md *ctx)
{
	const __u32 zero = 0;
	struct table_value *t = bpf_map_lookup_elem(&table, &zero);
	struct pair6 *k = next6();

	if (k && t)
		add(asm_lookup6(t->word, word_mask, k->a[0], k->a[1]),
		    (__u32)k->b[0]);
	return XDP_PASS;
}

static __always_inline __u32 lpm6_one(const __u64 *a)
{
	struct lpm6_key k = {.len = 128};
	__u32 *v;

	k.addr_be[0] = __builtin_bswap32((__u32)(a[0] >> 32));
	k.addr_be[1] = __builtin_bswap32((__u32)a[0]);
	k.addr_be[2] = __builtin_bswap32((__u32)(a[1] >> 32));
	k.addr_be[3] = __builtin_bswap32((__u32)a[1]);
	v = bpf_map_lookup_elem(&lpm6, &k);
	return v ? *v : 0;
}

SEC("xdp")
int lpm_6(struct xdp_md *ctx)
{
	struct pair6 *k = next6();

	if (k)
		add(lpm6_one(k->a), lpm6_one(k->b));
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
