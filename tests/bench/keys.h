/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table and the addresses of the benchmarks: libloc's networks in a RIB
 * and in asmeter's table, the same in an LPM_TRIE, and pairs of addresses
 * drawn inside announced prefixes.
 */
#ifndef TESTS_BENCH_KEYS_H
#define TESTS_BENCH_KEYS_H

#include "asmeter/abi.h"
#include "bench.h"
#include "full_table.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/table.h"

/* How keys are drawn: `announced` uniformly over the announced prefixes,
 * `hot` by Zipf(1) over them, `cold` uniformly over the address space (IPv6:
 * over 2000::/3). */
enum key_set { ANNOUNCED, HOT, COLD, KEY_SETS };

static const char *const key_set_name[KEY_SETS] = {"announced", "hot", "cold"};

#define BENCH_SEED UINT64_C(0x853c49e6748fea9b)

/* --------------------------------------------------------------- tables */

struct loaded {
	struct attr_table *attrs;
	struct rib *rib;
	struct table *table;
	int src;
};

static inline void rib_set(const struct loaded *l, const struct prefix *p,
			   uint32_t asn)
{
	const struct attr_spec spec = {.origin_as = asn};
	struct attr *a = attr_intern(l->attrs, &spec);

	if (!a || rib_announce(l->rib, l->src, p, 0, a, 0))
		die("rib_announce");
	attr_unref(l->attrs, a);
}

/* A RIB with all networks and, compiled into cfg, the table. */
static inline void load_table(struct loaded *l, const struct full_table *full,
			      const struct table_cfg *cfg)
{
	const struct rib_source_cfg source = {.kind = RIB_BGP};

	l->attrs = attr_table_new();
	l->rib = rib_new(l->attrs);
	l->src = rib_source_add(l->rib, &source);
	if (table_open(cfg, l->rib, &l->table))
		die("table_open");
	for (size_t i = 0; i < full->n; i++)
		rib_set(l, &full->e[i].prefix, full->e[i].asn);
	if (table_flush(l->table, TABLE_FLUSH_NOW, 1) != TABLE_CLEAN) {
		fprintf(stderr, "the table has no room\n");
		exit(1);
	}
}

static inline void unload_table(struct loaded *l)
{
	table_close(l->table);
	rib_free(l->rib);
	attr_table_free(l->attrs);
}

/* An LPM_TRIE takes the prefix as it is in a packet. */
static inline void lpm_add(const struct bpf_map *lpm4,
			   const struct bpf_map *lpm6, const struct prefix *p,
			   uint32_t value)
{
	uint32_t key[5] = {p->len, __builtin_bswap32((uint32_t)(p->hi >> 32)),
			   __builtin_bswap32((uint32_t)p->hi),
			   __builtin_bswap32((uint32_t)(p->lo >> 32)),
			   __builtin_bswap32((uint32_t)p->lo)};
	int fd = bpf_map__fd(p->family == FAMILY_IP4 ? lpm4 : lpm6);

	if (bpf_map_update_elem(fd, key, &value, BPF_ANY))
		die("LPM_TRIE");
}

/* ----------------------------------------------------------------- keys */

struct keys {
	const struct full_table *full;
	uint32_t *rank[FAMILIES]; /* the prefixes, in random order */
	uint32_t n_rank[FAMILIES];
	double *zipf; /* cumulated weight by rank */
	uint64_t rnd;
};

static inline void keys_open(struct keys *k, const struct full_table *full)
{
	double total = 0;

	*k = (struct keys){.full = full, .rnd = BENCH_SEED};
	k->zipf = calloc(full->n, sizeof(*k->zipf));
	for (unsigned f = 0; f < FAMILIES; f++)
		k->rank[f] = calloc(full->n, sizeof(uint32_t));
	if (!k->zipf || !k->rank[0] || !k->rank[1])
		die("calloc");
	for (size_t i = 0; i < full->n; i++) {
		unsigned f = full->e[i].prefix.family;

		k->rank[f][k->n_rank[f]++] = (uint32_t)i;
		total += 1.0 / (double)(i + 1);
		k->zipf[i] = total;
	}
	for (unsigned f = 0; f < FAMILIES; f++)
		for (uint32_t i = k->n_rank[f] - 1; i > 0; i--) {
			uint32_t at = (uint32_t)(rnd64(&k->rnd) % (i + 1));
			uint32_t x = k->rank[f][i];

			k->rank[f][i] = k->rank[f][at];
			k->rank[f][at] = x;
		}
}

static inline void keys_close(struct keys *k)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		free(k->rank[f]);
	free(k->zipf);
}

static inline uint32_t zipf_rank(struct keys *k, uint32_t n)
{
	double at = (double)(rnd64(&k->rnd) >> 11) * 0x1p-53 * k->zipf[n - 1];
	uint32_t lo = 0, hi = n - 1;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (k->zipf[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static inline struct addr keys_draw(struct keys *k, enum family f,
				    enum key_set set)
{
	struct addr a = {rnd64(&k->rnd), rnd64(&k->rnd), f};
	uint32_t n = k->n_rank[f], i;

	if (set == COLD) {
		if (f == FAMILY_IP6)
			a.hi = a.hi >> 3 | UINT64_C(1) << 61;
		return a;
	}
	i = set == HOT ? zipf_rank(k, n) : (uint32_t)(a.hi % n);
	return prefix_random(&k->full->e[k->rank[f][i]].prefix, &k->rnd);
}

#endif
