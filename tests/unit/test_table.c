/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiled table against the plain reference of full_table.h: the real
 * Internet table, every prefix length, churn, swaps under a reader, restart
 * and too little room. Under a sanitizer the real table is thinned out.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "asmeter/lookup.h"
#include "full_table.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/table.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define THIN 8
#else
#define THIN 1
#endif

#define WORDS_DEFAULT (1u << 23)

/* A table with all that belongs to it. */
struct rig {
	struct attr_table *attrs;
	struct rib *rib;
	struct table *table;
	struct ref ref;
	struct asm_as *as;
	uint32_t *words;
	uint32_t n_words, as_slots;
	struct asm_state state;
	int src;
	uint64_t rnd;
};

static void rig_open(struct rig *g)
{
	const struct table_cfg cfg = {g->words, g->n_words, g->as, g->as_slots,
				      &g->state};
	const struct rib_source_cfg src = {.kind = RIB_BGP};

	g->attrs = attr_table_new();
	g->rib = rib_new(g->attrs);
	g->src = rib_source_add(g->rib, &src);
	cr_assert_eq(table_open(&cfg, g->rib, &g->table), 0);
}

static void rig_init(struct rig *g, uint32_t n_words, size_t n_prefixes)
{
	memset(g, 0, sizeof(*g));
	g->n_words = n_words;
	g->as_slots = ASM_AS_SLOTS;
	g->as = calloc(g->as_slots, sizeof(*g->as));
	g->words = mmap(NULL, n_words * 4ull, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(g->as && g->words != MAP_FAILED);
	ref_init(&g->ref, n_prefixes);
	g->rnd = 0x853c49e6748fea9b;
	rig_open(g);
}

static void rig_close(struct rig *g)
{
	table_close(g->table);
	rib_free(g->rib);
	attr_table_free(g->attrs);
}

static void rig_done(struct rig *g)
{
	rig_close(g);
	ref_done(&g->ref);
	free(g->as);
	munmap(g->words, g->n_words * 4ull);
}

/* In the RIB and the reference; asn 0 withdraws. */
static void rig_set(struct rig *g, const struct prefix *p, uint32_t asn)
{
	const struct attr_spec spec = {.origin_as = asn};
	struct attr *a;

	ref_set(&g->ref, p, asn);
	if (!asn) {
		(void)rib_withdraw(g->rib, g->src, p, 0);
		return;
	}
	a = attr_intern(g->attrs, &spec);
	cr_assert_eq(rib_announce(g->rib, g->src, p, 0, a, 0), 0);
	attr_unref(g->attrs, a);
}

/* Flushes until there is nothing more to do; nobody reads, so the grace
 * period is nothing. Returns what the last flush said. */
static int rig_flush(struct rig *g)
{
	int rc, turns = 0;

	do {
		rc = table_flush(g->table, TABLE_FLUSH_NOW, 1);
		table_reclaim(g->table, table_seal(g->table));
		cr_assert_lt(++turns, 100);
	} while (rc == TABLE_MORE);
	return rc;
}

static void check(const struct rig *g, struct addr a)
{
	uint32_t got = table_lookup(g->table, &a);
	uint32_t want = ref_lookup(&g->ref, &a);
	char buf[PREFIX_STRLEN];

	if (got != want)
		cr_assert_eq(got, want, "%s: AS%u, not AS%u", addr_str(&a, buf),
			     got, want);
}

/* First and last address of the prefix and their neighbours outside. */
static void check_edges(const struct rig *g, const struct prefix *p)
{
	struct addr first = prefix_first(p), last = prefix_last(p);

	check(g, first);
	check(g, last);
	check(g, addr_step(first, -1));
	check(g, addr_step(last, 1));
}

static void check_random(struct rig *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct addr a = {rnd64(&g->rnd), rnd64(&g->rnd), FAMILY_IP6};
		struct addr b = {a.hi << 32, 0, FAMILY_IP4};

		check(g, b);
		if (i % 2)
			a.hi = UINT64_C(0x2000000000000000) | a.hi >> 3;
		check(g, a);
	}
}

static struct table_stats rig_stats(const struct rig *g)
{
	struct table_stats s;

	table_stats(g->table, &s);
	return s;
}

/* ------------------------------------------------------- the real table */

Test(table, real_table)
{
	struct full_table full;
	struct table_stats s;
	struct rig g;
	uint32_t words;

	cr_assert_eq(full_table_load(&full, THIN), 0);
	cr_assert_gt(full.n, 1000000 / THIN);
	rig_init(&g, WORDS_DEFAULT, full.n);
	for (size_t i = 0; i < full.n; i++)
		rig_set(&g, &full.e[i].prefix, full.e[i].asn);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	s = rig_stats(&g);
	cr_assert_eq(s.prefixes[0] + s.prefixes[1], full.n);
	cr_assert_eq(s.behind, 0);
	words = s.words_used;

	for (size_t i = 0; i < full.n; i++) {
		check_edges(&g, &full.e[i].prefix);
		check(&g, prefix_random(&full.e[i].prefix, &g.rnd));
	}
	check_random(&g, 2000000 / THIN);

	/* Changes one by one, each visible at once, each only where it is. */
	for (size_t i = 0; i < 20000 / THIN; i++) {
		struct loc_entry *e = &full.e[rnd64(&g.rnd) % full.n];
		struct prefix p = e->prefix;
		uint64_t what = rnd64(&g.rnd) % 4;
		unsigned more = (unsigned)(rnd64(&g.rnd) % 12);

		if (what == 1 &&
		    p.len + more <= family_bits((enum family)p.family)) {
			struct addr a = prefix_random(&p, &g.rnd);

			p.hi = a.hi;
			p.lo = a.lo;
			p.len = (uint8_t)(p.len + more);
			p = prefix_mask(p);
		}
		rig_set(&g, &p, what == 0 ? 0 : 1 + (uint32_t)(g.rnd % 70000));
		cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
		check_edges(&g, &p);
		check(&g, prefix_random(&p, &g.rnd));
	}
	for (size_t i = 0; i < full.n; i += 7)
		check_edges(&g, &full.e[i].prefix);

	/* All gone, nothing left behind. */
	(void)rib_flush(g.rib, g.src, FAMILY_IP4);
	(void)rib_flush(g.rib, g.src, FAMILY_IP6);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	s = rig_stats(&g);
	cr_assert_eq(s.words_used, ASM_POOL_AT);
	cr_assert_eq(s.blocks, 0);
	for (size_t i = 0; i < full.n; i += 3) {
		struct addr a = prefix_first(&full.e[i].prefix);

		cr_assert_eq(table_lookup(g.table, &a), 0);
	}
	/* And back again: the same table in the same room. */
	for (size_t i = 0; i < full.n; i++)
		rig_set(&g, &full.e[i].prefix, 0);
	for (size_t i = 0; i < full.n; i++)
		rig_set(&g, &full.e[i].prefix, full.e[i].asn);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	cr_assert_eq(rig_stats(&g).words_used, words);
	rig_done(&g);
	free(full.e);
}

/* ---------------------------------------------------------- every length */

static struct prefix nested(enum family f, unsigned len, uint64_t hi,
			    uint64_t lo)
{
	struct prefix p = {hi, lo, (uint8_t)len, (uint8_t)f};

	if (f == FAMILY_IP4)
		p.lo = 0;
	return prefix_mask(p);
}

static void check_lengths(struct rig *g, uint64_t hi, uint64_t lo)
{
	for (int f = 0; f < FAMILIES; f++)
		for (unsigned len = 0; len <= family_bits((enum family)f);
		     len++) {
			struct prefix p = nested((enum family)f, len, hi, lo);

			check_edges(g, &p);
			check(g, prefix_random(&p, &g->rnd));
		}
}

/* One prefix of each length inside the other, every one another AS: the
 * deepest table there can be. Up, down, in disorder and away again. */
Test(table, every_length)
{
	static const uint64_t keys[][2] = {
		{UINT64_C(0xcb00710020010db8), UINT64_C(0x5555aaaa12345678)},
		{0, 0},
		{UINT64_MAX, UINT64_MAX},
	};
	struct rig g;

	rig_init(&g, TABLE_WORDS_MIN, 2000);
	for (unsigned k = 0; k < 3; k++)
		for (unsigned turn = 0; turn < 4; turn++) {
			for (unsigned i = 0; i <= 128; i++) {
				unsigned len = turn == 0   ? i
					       : turn == 1 ? 128 - i
							   : i * 50 % 129;
				uint32_t asn = turn == 3 ? 0 : 1000 + len;
				struct prefix p =
					nested(FAMILY_IP6, len, keys[k][0],
					       keys[k][1]);

				rig_set(&g, &p, asn);
				if (len <= 32) {
					p = nested(FAMILY_IP4, len, keys[k][0],
						   0);
					rig_set(&g, &p, asn ? asn + 1 : 0);
				}
				cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
				check_lengths(&g, keys[k][0], keys[k][1]);
			}
		}
	cr_assert_eq(rig_stats(&g).blocks, 0);
	rig_done(&g);
}

/* ---------------------------------------------------------------- churn */

/* Random prefixes in a corner of the address space, so that they nest and
 * meet; few ASes, so that they melt. */
static struct prefix churn_prefix(struct rig *g)
{
	enum family f = (enum family)(rnd64(&g->rnd) & 1);
	unsigned bits = family_bits(f), len;
	uint64_t hi = UINT64_C(0x2a00000000000000), lo = 0;

	switch (rnd64(&g->rnd) % 4) {
	case 0:
		len = (unsigned)(rnd64(&g->rnd) % (bits + 1));
		break;
	case 1:
		len = bits - (unsigned)(rnd64(&g->rnd) % 8);
		break;
	default:
		len = f == FAMILY_IP4 ? 14 + (unsigned)(rnd64(&g->rnd) % 12)
				      : 14 + (unsigned)(rnd64(&g->rnd) % 40);
	}
	hi |= (rnd64(&g->rnd) & UINT64_C(0x0003000700000000)) << 8;
	hi |= rnd64(&g->rnd) & UINT64_C(0xf1030100030f0000) & UINT64_MAX >> 20;
	lo = rnd64(&g->rnd) & UINT64_C(0x8000000000000003);
	return nested(f, len, hi, lo);
}

Test(table, churn)
{
	struct prefix pool[512];
	struct rig g;

	rig_init(&g, TABLE_WORDS_MIN, 4096);
	for (unsigned i = 0; i < 512; i++)
		pool[i] = churn_prefix(&g);
	for (unsigned step = 0; step < 40000 / THIN; step++) {
		unsigned n = 1 + (unsigned)(rnd64(&g.rnd) % 6);

		while (n--) {
			const struct prefix *p = &pool[rnd64(&g.rnd) % 512];

			rig_set(&g, p, (uint32_t)(rnd64(&g.rnd) % 4));
		}
		cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
		for (unsigned i = 0; i < 8; i++) {
			const struct prefix *p = &pool[rnd64(&g.rnd) % 512];

			check_edges(&g, p);
			check(&g, prefix_random(p, &g.rnd));
		}
	}
	for (unsigned i = 0; i < 512; i++)
		check_edges(&g, &pool[i]);
	rig_done(&g);
}

/* ---------------------------------------------------- swaps under a reader */

#define SWAP_KEYS 65536u

struct swap {
	const uint32_t *words;
	const struct asm_as *as;
	uint32_t mask;
	struct addr key[SWAP_KEYS];
	uint32_t one[SWAP_KEYS], two[SWAP_KEYS]; /* the AS in either table */
	atomic_bool stop;
	atomic_ulong round; /* passes of the reader over some keys */
	unsigned long wrong, saw[2];
};

static void *swap_reader(void *arg)
{
	struct swap *s = arg;
	uint32_t i = 0;

	while (!atomic_load(&s->stop)) {
		for (unsigned n = 0; n < 64; n++, i = (i + 1) % SWAP_KEYS) {
			const struct addr *a = &s->key[i];
			uint32_t ix, asn;

			ix = a->family == FAMILY_IP4
				     ? asm_lookup4(s->words, s->mask,
						   (uint32_t)(a->hi >> 32))
				     : asm_lookup6(s->words, s->mask, a->hi,
						   a->lo);
			asn = ix < ASM_AS_SLOTS ? s->as[ix].asn : UINT32_MAX;
			s->wrong += asn != s->one[i] && asn != s->two[i];
			s->saw[0] += asn == s->one[i];
			s->saw[1] += asn == s->two[i];
		}
		atomic_fetch_add(&s->round, 1);
	}
	return NULL;
}

/* What a grace period is: every lookup that had begun has ended. */
static void swap_grace(const struct swap *s)
{
	unsigned long from = atomic_load(&s->round);

	while (atomic_load(&s->round) < from + 2)
		sched_yield();
}

/* Table one holds every other prefix, table two the others and some of the
 * first under another AS; so paths of the lookup differ everywhere. */
static uint32_t swap_asn(const struct loc_entry *e, size_t i, int two)
{
	if (i % 5 == 0)
		return two ? e->asn ^ 0x100000 : e->asn;
	return (i & 1) == (size_t)two ? e->asn : 0;
}

Test(table, swap_under_reader)
{
	static struct swap s;
	struct full_table full;
	pthread_t thread;
	struct rig g;

	cr_assert_eq(full_table_load(&full, 40), 0);
	rig_init(&g, TABLE_WORDS_MIN, full.n);
	for (uint32_t k = 0; k < SWAP_KEYS; k++) {
		size_t i = rnd64(&g.rnd) % full.n;

		s.key[k] = prefix_random(&full.e[i].prefix, &g.rnd);
	}
	for (int two = 1; two >= 0; two--) {
		for (size_t i = 0; i < full.n; i++)
			rig_set(&g, &full.e[i].prefix,
				swap_asn(&full.e[i], i, two));
		for (uint32_t k = 0; k < SWAP_KEYS; k++)
			(two ? s.two : s.one)[k] =
				ref_lookup(&g.ref, &s.key[k]);
	}
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	s.words = g.words;
	s.mask = g.n_words - 1;
	s.as = g.as;
	cr_assert_eq(pthread_create(&thread, NULL, swap_reader, &s), 0);
	for (int swap = 1; swap <= 50; swap++) {
		int rc;

		for (size_t i = 0; i < full.n; i++)
			rig_set(&g, &full.e[i].prefix,
				swap_asn(&full.e[i], i, swap & 1));
		do {
			uint64_t seal;

			rc = table_flush(g.table, TABLE_FLUSH_NOW, 1);
			seal = table_seal(g.table);
			swap_grace(&s);
			table_reclaim(g.table, seal);
		} while (rc == TABLE_MORE);
		cr_assert_eq(rc, TABLE_CLEAN);
		for (uint32_t k = 0; k < SWAP_KEYS; k += 16)
			cr_assert_eq(table_lookup(g.table, &s.key[k]),
				     (swap & 1 ? s.two : s.one)[k]);
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	cr_assert_eq(s.wrong, 0, "%lu of %lu", s.wrong, s.saw[0] + s.saw[1]);
	cr_assert(s.saw[0] && s.saw[1]);
	rig_done(&g);
	free(full.e);
}

/* --------------------------------------------------------------- restart */

Test(table, restart)
{
	struct full_table full;
	struct table_stats before, after;
	struct rig g;

	cr_assert_eq(full_table_load(&full, 12), 0);
	rig_init(&g, WORDS_DEFAULT, full.n);
	for (size_t i = 0; i < full.n; i++)
		rig_set(&g, &full.e[i].prefix, full.e[i].asn);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	before = rig_stats(&g);

	/* Another process: the regions are all there is. */
	rig_close(&g);
	rig_open(&g);
	after = rig_stats(&g);
	cr_assert_eq(after.words_used, before.words_used);
	cr_assert_eq(after.blocks, before.blocks);
	cr_assert_eq(after.as_count, before.as_count);
	cr_assert_eq(after.repaired, 0);
	cr_assert(table_held(g.table, FAMILY_IP4));
	cr_assert(table_held(g.table, FAMILY_IP6));
	for (size_t i = 0; i < full.n; i++)
		check_edges(&g, &full.e[i].prefix);

	/* While it is held, a half-loaded RIB changes nothing ... */
	for (size_t i = 0; i < full.n; i += 2)
		rig_set(&g, &full.e[i].prefix, full.e[i].asn);
	cr_assert_eq(rig_flush(&g), TABLE_LATER);
	for (size_t i = 0; i < full.n; i++)
		check_edges(&g, &full.e[i].prefix);
	/* ... and then everything: what did not come back is gone. */
	for (size_t i = 1; i < full.n; i += 2)
		rig_set(&g, &full.e[i].prefix, i % 3 ? full.e[i].asn : 0);
	table_release(g.table, FAMILY_IP4);
	table_release(g.table, FAMILY_IP6);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	for (size_t i = 0; i < full.n; i++)
		check_edges(&g, &full.e[i].prefix);
	cr_assert_eq(rig_stats(&g).as_count, before.as_count);
	rig_done(&g);
	free(full.e);
}

/* A table that was damaged: it opens, answers without a fault, and is right
 * again once it was rebuilt. */
Test(table, restart_with_damage)
{
	struct full_table full;
	struct rig g;

	cr_assert_eq(full_table_load(&full, 40), 0);
	rig_init(&g, TABLE_WORDS_MIN, full.n);
	for (size_t i = 0; i < full.n; i++)
		rig_set(&g, &full.e[i].prefix, full.e[i].asn);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	for (int turn = 0; turn < 20; turn++) {
		rig_close(&g);
		for (int i = 0; i < 2000; i++) {
			uint32_t at = (uint32_t)(rnd64(&g.rnd) % g.n_words);

			/* a random word, or a pointer to another's block */
			g.words[at] =
				i & 1 ? (uint32_t)rnd64(&g.rnd)
				      : g.words[rnd64(&g.rnd) % g.n_words];
		}
		rig_open(&g);
		cr_assert_gt(rig_stats(&g).repaired, 0);
		for (int i = 0; i < 20000; i++) {
			struct addr a = prefix_random(
				&full.e[rnd64(&g.rnd) % full.n].prefix, &g.rnd);

			(void)table_lookup(g.table, &a);
		}
		for (size_t i = 0; i < full.n; i++)
			rig_set(&g, &full.e[i].prefix, full.e[i].asn);
		table_release(g.table, FAMILY_IP4);
		table_release(g.table, FAMILY_IP6);
		cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
		for (size_t i = 0; i < full.n; i++)
			check_edges(&g, &full.e[i].prefix);
	}
	rig_done(&g);
	free(full.e);
}

/* ------------------------------------------------------------ little room */

/* The answer is the right one, or none: entries that found no room keep the
 * old answer, and here the old one is none. */
static bool right_or_none(const struct rig *g, struct addr a)
{
	uint32_t got = table_lookup(g->table, &a);

	cr_assert(got == 0 || got == ref_lookup(&g->ref, &a));
	return got != 0;
}

Test(table, no_room)
{
	struct full_table full;
	struct table_stats s;
	size_t answered = 0;
	struct rig g;

	cr_assert_eq(full_table_load(&full, 3), 0);
	rig_init(&g, TABLE_WORDS_MIN, full.n);
	for (size_t i = 0; i < full.n; i++)
		rig_set(&g, &full.e[i].prefix, full.e[i].asn);
	cr_assert_eq(rig_flush(&g), -ENOSPC);
	s = rig_stats(&g);
	cr_assert_gt(s.behind, 0);
	cr_assert_gt(s.no_space, 0);
	cr_assert_leq(s.words_used, s.words);
	for (size_t i = 0; i < full.n; i += THIN)
		answered += right_or_none(&g, prefix_first(&full.e[i].prefix));
	cr_assert_gt(answered, full.n / THIN / 4);
	/* Not tried in vain each time. */
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(rig_flush(&g), -ENOSPC);
	cr_assert_leq(rig_stats(&g).no_space, s.no_space * 80);

	/* Less to say: everything fits, nothing is behind. */
	for (size_t i = 0; i < full.n; i++)
		if (i % 40)
			rig_set(&g, &full.e[i].prefix, 0);
	for (int i = 0; i < 100 && rig_stats(&g).behind; i++)
		(void)rig_flush(&g);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	cr_assert_eq(rig_stats(&g).behind, 0);
	for (size_t i = 0; i < full.n; i += THIN)
		check_edges(&g, &full.e[i].prefix);
	rig_done(&g);
	free(full.e);
}

Test(table, as_indexes_run_out)
{
	struct rig g;

	rig_init(&g, TABLE_WORDS_MIN, 1000);
	rig_close(&g);
	g.as_slots = 51;
	rig_open(&g);
	for (unsigned i = 0; i < 60; i++) {
		struct prefix p = nested(FAMILY_IP4, 24, (uint64_t)i << 40, 0);
		struct addr a = prefix_first(&p);

		rig_set(&g, &p, 100 + i);
		cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
		cr_assert_eq(table_lookup(g.table, &a), i < 50 ? 100 + i : 0);
	}
	cr_assert_eq(rig_stats(&g).as_count, 50);
	cr_assert_eq(rig_stats(&g).as_refused, 10);
	rig_done(&g);
}

/* ------------------------------------------------------------ the contract */

Test(table, sizes_that_cannot_be)
{
	static const uint32_t bad[] = {0, 1u << 20, TABLE_WORDS_MIN + 1,
				       3u << 21, 1u << 28};
	struct rig g;

	rig_init(&g, TABLE_WORDS_MIN, 10);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct table_cfg cfg = {g.words, bad[i], g.as, g.as_slots,
					      &g.state};
		struct table *t = NULL;

		cr_assert_eq(table_open(&cfg, g.rib, &t), -EINVAL);
		cr_assert_null(t);
	}
	rig_done(&g);
}

/* What was replaced stays as it was until it is reclaimed. */
Test(table, retired_blocks_wait)
{
	const struct prefix in =
		nested(FAMILY_IP4, 24, UINT64_C(0x0a01020000000000), 0);
	const struct prefix p =
		nested(FAMILY_IP4, 22, UINT64_C(0x0a01000000000000), 0);
	struct addr a = prefix_first(&in);
	struct table_stats s;
	uint32_t entry;
	uint64_t seal;
	struct rig g;

	rig_init(&g, TABLE_WORDS_MIN, 2000);
	cr_assert_eq(table_seal(g.table), 0);
	rig_set(&g, &p, 7);
	rig_set(&g, &in, 8);
	cr_assert_eq(table_flush(g.table, TABLE_FLUSH_NOW, 5), TABLE_CLEAN);
	cr_assert_eq(g.state.table_published_at, 5);
	cr_assert_eq(g.state.table_epoch, 1);
	cr_assert_eq(table_lookup(g.table, &a), 8);
	cr_assert_eq(table_seal(g.table), 0);
	entry = g.words[ASM_ROOT4_AT + (a.hi >> 44)];
	rig_set(&g, &in, 9);
	cr_assert_eq(table_flush(g.table, TABLE_FLUSH_NOW, 6), TABLE_CLEAN);
	s = rig_stats(&g);
	cr_assert_gt(s.words_retired, 0);
	seal = table_seal(g.table);
	cr_assert_neq(seal, 0);
	/* still what a late reader needs, though much was built since */
	for (uint32_t i = 0; i < 1000; i++) {
		struct prefix other =
			nested(FAMILY_IP4, 28, (uint64_t)i << 44, 0);

		rig_set(&g, &other, 50);
	}
	cr_assert_eq(table_flush(g.table, TABLE_FLUSH_NOW, 6), TABLE_CLEAN);
	cr_assert_eq(
		g.as[g.words[(entry & ASM_OFF_MASK) + (a.hi >> 40 & 15)]].asn,
		8);
	table_reclaim(g.table, seal + 1);
	cr_assert_eq(rig_stats(&g).words_retired, s.words_retired);
	table_reclaim(g.table, seal);
	cr_assert_eq(rig_stats(&g).words_retired, 0);
	rig_done(&g);
}

/* A session that loads its table does not make each flush rebuild it. */
Test(table, busy_flushes_are_put_off)
{
	struct addr last = {0};
	unsigned later = 0, turn = 0;
	struct rig g;

	rig_init(&g, TABLE_WORDS_MIN, 500000);
	for (; turn < 25; turn++) {
		int rc;

		for (uint32_t i = 0; i < 10000; i++) {
			struct prefix p =
				nested(FAMILY_IP4, 24,
				       (turn * UINT64_C(10000) + i) << 41, 0);

			rig_set(&g, &p, 1 + i);
			last = prefix_first(&p);
		}
		rc = table_flush(g.table, TABLE_FLUSH_BUSY, 1);
		cr_assert_geq(rc, 0);
		table_reclaim(g.table, table_seal(g.table));
		later += rc == TABLE_LATER;
	}
	cr_assert_gt(later, 20);
	cr_assert_lt(later, 25); /* but not for ever */
	/* quiet again: the next call does it */
	cr_assert_neq(table_flush(g.table, TABLE_FLUSH_BUSY, 1), TABLE_LATER);
	cr_assert_eq(rig_flush(&g), TABLE_CLEAN);
	check(&g, last);
	rig_done(&g);
}
