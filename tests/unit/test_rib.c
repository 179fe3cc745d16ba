/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The RIB against a plain list: every operation is done to both, and after
 * each the answers, the counts and the change notices have to agree.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route/attr.h"
#include "route/best.h"
#include "route/rib.h"

#define N_SRC    5
#define N_PREFIX 48
#define N_ATTR   12
#define N_PATHS  4096
#define PATH_IDS 3

static uint64_t rnd_state;

static uint32_t rnd(uint32_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 33) % n;
}

/* ------------------------------------------------------------ the oracle */

struct opath {
	bool used, stale;
	int src, prefix, attr;
	uint32_t path_id, since;
};

static struct opath list[N_PATHS];
static struct prefix universe[N_PREFIX];
static struct attr *attrs[N_ATTR];
static struct attr_spec specs[N_ATTR];
static struct rib_source_cfg cfgs[N_SRC];
static int src_no[N_SRC];
static bool noticed[N_PREFIX];

static struct best_path oracle_rank(const struct opath *p)
{
	const struct attr_spec *a = &specs[p->attr];
	const struct rib_source_cfg *c = &cfgs[p->src];

	return (struct best_path){
		.kind = (uint8_t)c->kind,
		.stale = p->stale,
		.ebgp = (a->flags & ATTR_EBGP) != 0,
		.origin = a->origin,
		.local_pref = a->flags & ATTR_HAS_LOCPREF ? a->local_pref : 100,
		.hops = a->path_hops,
		.neighbour_as = a->neighbour_as,
		.med = a->flags & ATTR_HAS_MED ? a->med : 0,
		.router_id = c->router_id,
		.peer = c->peer,
		.path_id = p->path_id,
	};
}

/* The best path of one prefix of the universe, NULL without one. */
static const struct opath *oracle_best(int prefix)
{
	struct best_path rank[64];
	const struct opath *of[64];
	size_t n = 0;

	for (int i = 0; i < N_PATHS; i++)
		if (list[i].used && list[i].prefix == prefix) {
			of[n] = &list[i];
			rank[n++] = oracle_rank(&list[i]);
		}
	return n ? of[best_choose(rank, n)] : NULL;
}

static const struct opath *oracle_lookup(const struct addr *a)
{
	const struct opath *best = NULL;
	int len = -1;

	for (int i = 0; i < N_PREFIX; i++) {
		const struct opath *p;

		if (universe[i].len <= len || !prefix_covers(&universe[i], a))
			continue;
		p = oracle_best(i);
		if (p) {
			best = p;
			len = universe[i].len;
		}
	}
	return best;
}

static struct opath *oracle_find(int src, int prefix, uint32_t id)
{
	for (int i = 0; i < N_PATHS; i++)
		if (list[i].used && list[i].src == src &&
		    list[i].prefix == prefix && list[i].path_id == id)
			return &list[i];
	return NULL;
}

static size_t oracle_count(int src, int family)
{
	size_t n = 0;

	for (int i = 0; i < N_PATHS; i++)
		n += list[i].used && list[i].src == src &&
		     universe[list[i].prefix].family == family;
	return n;
}

/* --------------------------------------------------------------- set-up */

static void on_change(void *ctx, const struct prefix *p)
{
	(void)ctx;
	for (int i = 0; i < N_PREFIX; i++)
		if (prefix_equal(&universe[i], p))
			noticed[i] = true;
}

static uint32_t label_of(void *ctx, uint32_t as)
{
	(void)ctx;
	return as * 7 & 0xffffff;
}

/* Nested and neighbouring prefixes of both families, all different. */
static void make_universe(void)
{
	for (int i = 0; i < N_PREFIX;) {
		unsigned f = i & 1, bits = family_bits((enum family)f);
		struct prefix p = {.len = (uint8_t)rnd(bits + 1),
				   .family = (uint8_t)f};
		bool again = false;

		if (i < 4)
			p.len = (uint8_t)(i < 2 ? 0 : bits);
		p.hi = rnd(4) ? UINT64_C(0x2001000000000000) : rnd_state;
		p.hi ^= (uint64_t)rnd(4) << 44;
		p.lo = rnd(2) ? 0 : rnd_state * 77;
		p = prefix_mask(p);
		if (f == FAMILY_IP4 && p.len > 32)
			continue;
		for (int k = 0; k < i; k++)
			again |= prefix_equal(&universe[k], &p);
		if (!again)
			universe[i++] = p;
	}
}

static void make_attrs(struct attr_table *t)
{
	for (int i = 0; i < N_ATTR; i++) {
		specs[i] = (struct attr_spec){
			.origin_as = 100 + (uint32_t)i / 2,
			.neighbour_as = 10 + rnd(2),
			.local_pref = 99 + rnd(3),
			.med = rnd(3),
			.path_hops = 1 + rnd(2),
			.flags = (rnd(2) ? ATTR_HAS_LOCPREF : 0) |
				 (rnd(2) ? ATTR_HAS_MED : 0) |
				 (rnd(2) ? ATTR_EBGP : 0),
			.origin = (uint8_t)rnd(2),
		};
		attrs[i] = attr_intern(t, &specs[i]);
		cr_assert_not_null(attrs[i]);
	}
}

static void make_sources(struct rib *rib)
{
	static const enum rib_kind kinds[N_SRC] = {RIB_OVERRIDE, RIB_BGP,
						   RIB_BGP, RIB_BGP, RIB_LOC};

	for (int i = 0; i < N_SRC; i++) {
		cfgs[i] = (struct rib_source_cfg){
			.kind = kinds[i],
			.router_id = 1 + (uint32_t)i / 2,
			.peer = {.hi = (uint64_t)i, .family = FAMILY_IP4},
		};
		src_no[i] = rib_source_add(rib, &cfgs[i]);
		cr_assert_geq(src_no[i], 0);
	}
}

/* ----------------------------------------------------------------- steps */

/* Which path a new id replaces: the stale one with the lowest id. */
static struct opath *oracle_stale(int src, int prefix)
{
	for (uint32_t id = 0; id < PATH_IDS; id++) {
		struct opath *p = oracle_find(src, prefix, id);

		if (p && p->stale)
			return p;
	}
	return NULL;
}

static void oracle_announce(int src, int prefix, uint32_t id, int a,
			    uint32_t now)
{
	struct opath *p = oracle_find(src, prefix, id);

	if (!p) {
		p = oracle_stale(src, prefix);
		if (p)
			p->path_id = id;
	}
	if (!p) {
		for (p = list; p->used; p++)
			;
		*p = (struct opath){.used = true,
				    .src = src,
				    .attr = -1,
				    .prefix = prefix,
				    .path_id = id};
	}
	if (p->attr != a)
		p->since = now;
	p->attr = a;
	p->stale = false;
}

static void step_announce(struct rib *rib, int src, int prefix, uint32_t now)
{
	uint32_t id = rnd(PATH_IDS);
	int a = (int)rnd(N_ATTR);

	cr_assert_eq(rib_announce(rib, src_no[src], &universe[prefix], id,
				  attrs[a], now),
		     0);
	oracle_announce(src, prefix, id, a, now);
}

static int by_place(const void *a, const void *b)
{
	const struct prefix *x = &universe[*(const int *)a];
	const struct prefix *y = &universe[*(const int *)b];

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return (int)x->len - (int)y->len;
}

/* Several at once, in order more often than not. */
static void step_run(struct rib *rib, int src, uint32_t now)
{
	struct prefix p[N_PREFIX];
	int order[N_PREFIX], a = (int)rnd(N_ATTR);
	size_t from = rnd(N_PREFIX), n, done = 0;

	for (int i = 0; i < N_PREFIX; i++)
		order[i] = i;
	if (rnd(4))
		qsort(order, N_PREFIX, sizeof(order[0]), by_place);
	for (size_t i = from; i < N_PREFIX; i++)
		p[i] = universe[order[i]];
	cr_assert_eq(rib_announce_run(rib, src_no[src], &p[from],
				      N_PREFIX - from, attrs[a], now, &n),
		     0);
	cr_assert(n >= 1 && n <= N_PREFIX - from);
	for (; done < n; done++) {
		cr_assert_eq(p[from + done].family, p[from].family);
		oracle_announce(src, order[from + done], 0, a, now);
	}
}

static void step_withdraw(struct rib *rib, int src, int prefix)
{
	uint32_t id = rnd(PATH_IDS);
	struct opath *p = oracle_find(src, prefix, id);

	cr_assert_eq(rib_withdraw(rib, src_no[src], &universe[prefix], id),
		     p ? 0 : -ENOENT);
	if (p)
		p->used = false;
}

static void step_source(struct rib *rib, int src, int family, uint32_t what)
{
	size_t n = 0, got;

	for (int i = 0; i < N_PATHS; i++) {
		struct opath *p = &list[i];

		if (!p->used || p->src != src ||
		    universe[p->prefix].family != family)
			continue;
		if (what == 1 && !p->stale)
			continue;
		n++;
		if (what == 0)
			p->stale = true;
		else
			p->used = false;
	}
	got = what == 0 ? rib_mark_stale(rib, src_no[src], (enum family)family)
	      : what == 1
		      ? rib_sweep_stale(rib, src_no[src], (enum family)family)
		      : rib_flush(rib, src_no[src], (enum family)family);
	cr_assert_eq(got, n);
}

static uint32_t visible(int prefix)
{
	const struct opath *p = oracle_best(prefix);

	return p ? specs[p->attr].origin_as : 0;
}

static void check_lookup(const struct rib *rib, const struct addr *a)
{
	const struct opath *want = oracle_lookup(a);
	struct rib_route got;

	cr_assert_eq(rib_lookup(rib, a, &got), want != NULL);
	if (!want)
		return;
	cr_assert(prefix_equal(&got.prefix, &universe[want->prefix]));
	cr_assert_eq(attr_origin_as(got.attr), specs[want->attr].origin_as);
	cr_assert_eq(got.source, src_no[want->src]);
	cr_assert_eq(got.since_s, want->since);
	cr_assert_eq(got.stale, want->stale);
}

/* The cursor finds the prefix if it is routed, or what stands behind it. */
static void check_label(const struct rib *rib, int prefix, uint32_t as,
			int step)
{
	const struct prefix *p = &universe[prefix];
	struct rib_cursor c;
	bool found;

	rib_seek(&c, rib, p);
	found = c.len == p->len && c.hi == p->hi && c.lo == p->lo;
	cr_assert_eq(found, as != 0, "step %d: prefix %d", step, prefix);
	if (found)
		cr_assert_eq(c.label, label_of(NULL, as), "step %d: label",
			     step);
}

static void check_all(const struct rib *rib, const uint32_t *before, int step)
{
	size_t routed[FAMILIES] = {0};

	for (int i = 0; i < N_PREFIX; i++) {
		struct addr a = {universe[i].hi, universe[i].lo,
				 (enum family)universe[i].family};
		uint32_t as = visible(i);

		routed[universe[i].family] += as != 0;
		cr_assert(before[i] == as || noticed[i],
			  "step %d: no notice of prefix %d", step, i);
		check_label(rib, i, as, step);
		check_lookup(rib, &a);
		a.hi ^= UINT64_C(1) << rnd(64);
		if (a.family == FAMILY_IP4)
			a.hi &= UINT64_C(0xffffffff00000000);
		check_lookup(rib, &a);
	}
	for (int f = 0; f < FAMILIES; f++) {
		cr_assert_eq(rib_prefixes(rib, (enum family)f), routed[f]);
		for (int s = 0; s < N_SRC; s++)
			cr_assert_eq(rib_source_paths(rib, src_no[s],
						      (enum family)f),
				     oracle_count(s, f));
	}
}

Test(rib, oracle)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	uint32_t before[N_PREFIX];

	rnd_state = 0x9e3779b97f4a7c15;
	make_universe();
	make_attrs(t);
	make_sources(rib);
	rib_on_change(rib, on_change, NULL);
	rib_label_by(rib, label_of, NULL);
	for (int step = 0; step < 6000; step++) {
		int src = (int)rnd(N_SRC), prefix = (int)rnd(N_PREFIX);
		uint32_t what = rnd(100);

		for (int i = 0; i < N_PREFIX; i++)
			before[i] = visible(i);
		memset(noticed, 0, sizeof(noticed));
		if (what < 10)
			step_run(rib, src, (uint32_t)step);
		else if (what < 50)
			step_announce(rib, src, prefix, (uint32_t)step);
		else if (what < 97)
			step_withdraw(rib, src, prefix);
		else
			step_source(rib, src, (int)rnd(2), what - 97);
		check_all(rib, before, step);
	}
	/* all gone: nothing may be left of anything */
	for (int s = 0; s < N_SRC; s++)
		rib_source_del(rib, src_no[s]);
	for (int f = 0; f < FAMILIES; f++) {
		cr_assert_eq(rib_prefixes(rib, (enum family)f), 0);
	}
	rib_free(rib);
	for (int i = 0; i < N_ATTR; i++)
		attr_unref(t, attrs[i]);
	cr_assert_eq(attr_table_count(t), 0);
	attr_table_free(t);
}

/* ------------------------------------------------------------ selection */

Test(rib, best_order)
{
	/* each step beats all that follow it */
	const struct best_path base = {.kind = RIB_BGP,
				       .local_pref = 100,
				       .hops = 3,
				       .origin = 1,
				       .neighbour_as = 1,
				       .med = 5,
				       .router_id = 9,
				       .peer = {.hi = 9},
				       .path_id = 9};
	struct best_path p[9];

	for (int i = 0; i < 9; i++)
		p[i] = base;
	p[0].kind = RIB_OVERRIDE;
	p[1].local_pref = 101;
	p[2].hops = 2;
	p[3].origin = 0;
	p[4].med = 4;
	p[5].ebgp = true;
	p[6].router_id = 8;
	p[7].peer.hi = 8;
	p[8].path_id = 8;
	for (size_t i = 0; i < 9; i++)
		cr_assert_eq(best_choose(&p[i], 9 - i), 0, "step %zu", i);
	for (size_t i = 0; i < 9; i++) {
		p[i].stale = true;
		cr_assert_eq(best_choose(&p[i], i < 8 ? 2 : 1),
			     i == 0 || i == 8 ? 0u : 1u, "stale %zu", i);
		p[i].stale = false;
	}
}

Test(rib, med_only_within_one_neighbour)
{
	/* The classic: a beats b by identifier, b beats c by AS, c beats a
	 * by MED; the outcome must not depend on the order. */
	struct best_path a = {
		.kind = RIB_BGP, .neighbour_as = 1, .med = 10, .router_id = 1};
	struct best_path b = {
		.kind = RIB_BGP, .neighbour_as = 2, .med = 0, .router_id = 2};
	struct best_path c = {
		.kind = RIB_BGP, .neighbour_as = 1, .med = 5, .router_id = 3};
	const struct best_path orders[6][3] = {
		{a, b, c}, {a, c, b}, {b, a, c},
		{b, c, a}, {c, a, b}, {c, b, a},
	};

	for (int i = 0; i < 6; i++)
		cr_assert_eq(orders[i][best_choose(orders[i], 3)].router_id, 2);
}

/* ---------------------------------------------------------------- bounds */

Test(rib, bounds)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	struct rib_source_cfg cfg = {.kind = RIB_BGP, .max_prefixes = 3};
	struct attr_spec spec = {.origin_as = 1};
	struct attr *a = attr_intern(t, &spec);
	struct prefix p = {.len = 24};
	int src = rib_source_add(rib, &cfg);
	size_t bytes;

	for (uint32_t i = 0; i < 5; i++) {
		p.hi = (uint64_t)i << 40;
		cr_assert_eq(rib_announce(rib, src, &p, 0, a, 0),
			     i < 3 ? 0 : -EDQUOT);
	}
	/* what is refused leaves nothing behind, not even unused nodes */
	bytes = rib_bytes(rib);
	for (uint32_t i = 5; i < 10000; i++) {
		p.hi = (uint64_t)i << 40;
		cr_assert_eq(rib_announce(rib, src, &p, 0, a, 0), -EDQUOT);
	}
	cr_assert_eq(rib_bytes(rib), bytes);
	p.hi = 0; /* replacing is not growing */
	cr_assert_eq(rib_announce(rib, src, &p, 0, a, 0), 0);
	cr_assert_eq(rib_withdraw(rib, src, &p, 0), 0);
	cr_assert_eq(rib_withdraw(rib, src, &p, 0), -ENOENT);
	p.hi = UINT64_C(9) << 40;
	cr_assert_eq(rib_announce(rib, src, &p, 0, a, 0), 0);

	/* Nor is coming back with other path ids, at the bound. */
	cr_assert_eq(rib_mark_stale(rib, src, FAMILY_IP4), 3);
	for (uint32_t i = 0; i < 3; i++) {
		p.hi = (uint64_t)(i ? i : 9) << 40;
		cr_assert_eq(rib_announce(rib, src, &p, 7 + i, a, 0), 0);
	}
	cr_assert_eq(rib_announce(rib, src, &p, 1, a, 0), -EDQUOT);
	cr_assert_eq(rib_sweep_stale(rib, src, FAMILY_IP4), 0);
	cr_assert_eq(rib_source_paths(rib, src, FAMILY_IP4), 3);
	p.hi = UINT64_C(9) << 40;
	cr_assert_eq(rib_withdraw(rib, src, &p, 7), 0);
	cr_assert_eq(rib_announce(rib, src, &p, 0, a, 0), 0);

	cfg.max_prefixes = 0;
	cr_assert_eq(rib_source_update(rib, src, &cfg), 0);
	for (uint32_t id = 0; id < RIB_PATHS_OF_SOURCE + 2; id++)
		cr_assert_eq(rib_announce(rib, src, &p, id, a, 0),
			     id < RIB_PATHS_OF_SOURCE ? 0 : -EDQUOT);
	p.len = 33;
	cr_assert_eq(rib_announce(rib, src, &p, 0, a, 0), -EINVAL);
	p.len = 32;
	cr_assert_eq(rib_announce(rib, src + 1, &p, 0, a, 0), -EINVAL);
	cr_assert_eq(rib_announce(rib, -1, &p, 0, a, 0), -EINVAL);
	rib_free(rib);
	attr_unref(t, a);
	cr_assert_eq(attr_table_count(t), 0);
	attr_table_free(t);
}

/* Several at once go as far as they may. */
Test(rib, bounds_of_a_run)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	struct rib_source_cfg cfg = {.kind = RIB_BGP, .max_prefixes = 3};
	struct attr_spec spec = {.origin_as = 1};
	struct attr *a = attr_intern(t, &spec);
	struct prefix p[8];
	int src = rib_source_add(rib, &cfg);
	size_t n = 77;

	for (uint32_t i = 0; i < 8; i++)
		p[i] = (struct prefix){.hi = (uint64_t)i << 40, .len = 24};
	p[2].len = 33;
	cr_assert_eq(rib_announce_run(rib, src, p, 8, a, 0, &n), 0);
	cr_assert_eq(n, 2, "up to what cannot be");
	cr_assert_eq(rib_announce_run(rib, src, p + 2, 6, a, 0, &n), -EINVAL);
	cr_assert_eq(rib_announce_run(rib, src, p + 3, 5, a, 0, &n), 0);
	cr_assert_eq(n, 1, "up to the bound");
	cr_assert_eq(rib_announce_run(rib, src, p + 4, 4, a, 0, &n), -EDQUOT);
	cr_assert_eq(rib_announce_run(rib, src, p + 3, 5, a, 0, &n), 0);
	cr_assert_eq(n, 1, "what is there, at the bound");
	cr_assert_eq(rib_announce_run(rib, -1, p, 8, a, 0, &n), -EINVAL);
	cr_assert_eq(rib_announce_run(rib, src + 1, p, 8, a, 0, &n), -EINVAL);
	cr_assert_eq(rib_source_paths(rib, src, FAMILY_IP4), 3);
	cfg.max_prefixes = 0;
	cr_assert_eq(rib_source_update(rib, src, &cfg), 0);
	p[5].family = FAMILY_IP6;
	p[6].family = FAMILIES;
	cr_assert_eq(rib_announce_run(rib, src, p + 4, 4, a, 0, &n), 0);
	cr_assert_eq(n, 1, "of one family");
	cr_assert_eq(rib_announce_run(rib, src, p + 6, 2, a, 0, &n), -EINVAL);
	cr_assert_eq(rib_source_paths(rib, src, FAMILY_IP4), 4);
	rib_source_del(rib, src);
	attr_unref(t, a);
	cr_assert_eq(attr_table_count(t), 0, "each path had its reference");
	rib_free(rib);
	attr_table_free(t);
}

/* However many paths some sources have made of a prefix, another one has its
 * say there: its first path is taken, and may be the best. */
Test(rib, sources_do_not_crowd_each_other_out)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	struct rib_source_cfg cfg = {.kind = RIB_BGP};
	struct prefix p = {.hi = UINT64_C(10) << 56, .len = 8};
	struct attr_spec spec = {.origin_as = 66, .path_hops = 9};
	struct attr *bad = attr_intern(t, &spec), *good;
	struct addr at = {.hi = p.hi};
	struct rib_route got;
	size_t paths = 0;

	spec = (struct attr_spec){.origin_as = 7, .path_hops = 1};
	good = attr_intern(t, &spec);
	for (int i = 0; i < RIB_SOURCES_MAX; i++)
		cr_assert_eq(rib_source_add(rib, &cfg), i);
	for (int i = 0; i < RIB_SOURCES_MAX - 1; i++)
		for (uint32_t id = 0; id < 2 * RIB_PATHS_OF_SOURCE; id++) {
			int rc = rib_announce(rib, i, &p, id, bad, 0);

			cr_assert(rc == 0 || (rc == -EDQUOT && id > 0));
			paths += rc == 0;
		}
	cr_assert_geq(paths, RIB_PATHS_MAX);
	cr_assert_lt(paths, RIB_PATHS_MAX + RIB_SOURCES_MAX);
	cr_assert_eq(rib_announce(rib, RIB_SOURCES_MAX - 1, &p, 0, good, 0), 0);
	cr_assert(rib_lookup(rib, &at, &got));
	cr_assert_eq(got.source, RIB_SOURCES_MAX - 1);
	cr_assert_eq(attr_origin_as(got.attr), 7);
	for (int i = 0; i < RIB_SOURCES_MAX; i++)
		(void)rib_flush(rib, i, FAMILY_IP4);
	cr_assert_not(rib_lookup(rib, &at, &got));
	cr_assert_eq(rib_prefixes(rib, FAMILY_IP4), 0);
	attr_unref(t, bad);
	attr_unref(t, good);
	rib_free(rib);
	cr_assert_eq(attr_table_count(t), 0);
	attr_table_free(t);
}

/* ------------------------------------------------------- ways to be kept */

struct small {
	struct attr_table *t;
	struct rib *rib;
	struct attr *a[3]; /* of AS 1, 2, 3 */
	int src[2];
};

static void small_init(struct small *s)
{
	const struct rib_source_cfg cfg[2] = {{.kind = RIB_BGP, .router_id = 1},
					      {.kind = RIB_BGP,
					       .router_id = 2}};

	s->t = attr_table_new();
	s->rib = rib_new(s->t);
	for (uint32_t i = 0; i < 3; i++) {
		const struct attr_spec spec = {.origin_as = i + 1};

		s->a[i] = attr_intern(s->t, &spec);
	}
	for (int i = 0; i < 2; i++)
		s->src[i] = rib_source_add(s->rib, &cfg[i]);
	rib_label_by(s->rib, label_of, NULL);
}

static void small_done(struct small *s)
{
	rib_free(s->rib);
	for (int i = 0; i < 3; i++)
		attr_unref(s->t, s->a[i]);
	cr_assert_eq(attr_table_count(s->t), 0);
	attr_table_free(s->t);
}

static struct rib_route small_at(const struct small *s, uint32_t as)
{
	const struct addr at = {UINT64_C(10) << 56, 1, FAMILY_IP6};
	struct prefix p = {.hi = at.hi, .len = 8, .family = FAMILY_IP6};
	struct rib_route r = {0};
	struct rib_cursor c;

	cr_assert(rib_lookup(s->rib, &at, &r));
	cr_assert_eq(attr_origin_as(r.attr), as);
	rib_seek(&c, s->rib, &p);
	cr_assert_eq(c.len, 8);
	cr_assert_eq(c.label, label_of(NULL, as));
	return r;
}

/* One path, several, one again, one with an id, a stale one: what is known of
 * each stays with it. */
Test(rib, one_path_and_several)
{
	const struct prefix p = {.hi = UINT64_C(10) << 56,
				 .len = 8,
				 .family = FAMILY_IP6};
	struct rib_route r;
	struct small s;

	small_init(&s);
	cr_assert_eq(rib_announce(s.rib, s.src[1], &p, 0, s.a[1], 11), 0);
	r = small_at(&s, 2);
	cr_assert_eq(r.since_s, 11);
	cr_assert_eq(rib_mark_stale(s.rib, s.src[1], FAMILY_IP6), 1);
	cr_assert(small_at(&s, 2).stale);
	/* a second one, that is fresh */
	cr_assert_eq(rib_announce(s.rib, s.src[0], &p, 0, s.a[0], 12), 0);
	cr_assert_not(small_at(&s, 1).stale);
	cr_assert_eq(rib_withdraw(s.rib, s.src[0], &p, 0), 0);
	r = small_at(&s, 2);
	cr_assert(r.stale && r.since_s == 11 && r.source == s.src[1]);
	/* the same again, under an id: no longer stale, as old as it was */
	cr_assert_eq(rib_announce(s.rib, s.src[1], &p, 9, s.a[1], 13), 0);
	r = small_at(&s, 2);
	cr_assert(!r.stale && r.since_s == 11);
	cr_assert_eq(rib_withdraw(s.rib, s.src[1], &p, 0), -ENOENT);
	cr_assert_eq(rib_announce(s.rib, s.src[1], &p, 0, s.a[2], 14), 0);
	cr_assert_eq(rib_source_paths(s.rib, s.src[1], FAMILY_IP6), 2);
	cr_assert_eq(rib_withdraw(s.rib, s.src[1], &p, 9), 0);
	r = small_at(&s, 3);
	cr_assert(r.since_s == 14 && r.source == s.src[1]);
	cr_assert_eq(rib_withdraw(s.rib, s.src[1], &p, 9), -ENOENT);
	cr_assert_eq(rib_withdraw(s.rib, s.src[0], &p, 0), -ENOENT);
	cr_assert_eq(rib_withdraw(s.rib, s.src[1], &p, 0), 0);
	cr_assert_eq(rib_prefixes(s.rib, FAMILY_IP6), 0);
	small_done(&s);
}

/* A prefix that had several paths for a while costs no more than before. */
Test(rib, lists_go_again)
{
	struct prefix p = {.len = 24};
	struct small s;
	size_t bytes = 0;

	small_init(&s);
	for (uint32_t turn = 0; turn < 3; turn++)
		for (uint32_t i = 0; i < 50000; i++) {
			p.hi = (uint64_t)i << 40;
			cr_assert_eq(rib_announce(s.rib, s.src[0], &p, 0,
						  s.a[0], 0),
				     0);
			if (turn == 1)
				cr_assert_eq(rib_announce(s.rib, s.src[1], &p,
							  7, s.a[1], 0),
					     0);
			if (turn == 1)
				cr_assert_eq(rib_withdraw(s.rib, s.src[1], &p,
							  7),
					     0);
			if (turn == 2)
				cr_assert_eq(rib_withdraw(s.rib, s.src[0], &p,
							  0),
					     0);
			if (turn == 0)
				bytes = rib_bytes(s.rib);
			else
				cr_assert_leq(rib_bytes(s.rib), bytes + 100);
		}
	small_done(&s);
}

/* The attributes' number is another set's later: so is the label. */
Test(rib, numbers_are_used_again)
{
	const struct prefix p = {.hi = UINT64_C(10) << 56,
				 .len = 8,
				 .family = FAMILY_IP6};
	struct attr_spec spec = {.origin_as = 77};
	struct small s;
	struct attr *a;
	uint32_t number;

	small_init(&s);
	a = attr_intern(s.t, &spec);
	number = attr_number(a);
	cr_assert_eq(attr_at(s.t, number), a);
	cr_assert_eq(rib_announce(s.rib, s.src[0], &p, 0, a, 0), 0);
	attr_unref(s.t, a);
	(void)small_at(&s, 77);
	cr_assert_eq(rib_withdraw(s.rib, s.src[0], &p, 0), 0);
	spec.origin_as = 78;
	a = attr_intern(s.t, &spec);
	cr_assert_eq(attr_number(a), number);
	cr_assert_eq(attr_label(s.t, number), 0);
	cr_assert_eq(rib_announce(s.rib, s.src[0], &p, 0, a, 0), 0);
	attr_unref(s.t, a);
	(void)small_at(&s, 78);
	/* another compiler, and none */
	rib_label_by(s.rib, NULL, NULL);
	cr_assert_eq(attr_label(s.t, number), 0);
	rib_label_by(s.rib, label_of, NULL);
	(void)small_at(&s, 78);
	small_done(&s);
}

Test(rib, sources)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	struct rib_source_cfg cfg = {.kind = RIB_BGP};

	for (int i = 0; i < RIB_SOURCES_MAX; i++)
		cr_assert_eq(rib_source_add(rib, &cfg), i);
	cr_assert_eq(rib_source_add(rib, &cfg), -ENOSPC);
	rib_source_del(rib, 7);
	cr_assert_null(rib_source_get(rib, 7));
	cr_assert_eq(rib_source_add(rib, &cfg), 7);
	cr_assert_not_null(rib_source_get(rib, 7));
	rib_source_del(rib, -1);
	rib_source_del(rib, RIB_SOURCES_MAX);
	rib_free(rib);
	rib_free(NULL);
	attr_table_free(t);
}

/* A change of a source's rank turns the choice where it decided. */
Test(rib, source_update_reranks)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	struct rib_source_cfg cfg = {.kind = RIB_BGP, .router_id = 1};
	struct attr_spec spec = {.origin_as = 1};
	struct attr *a1 = attr_intern(t, &spec), *a2;
	struct prefix p = {.len = 8, .hi = UINT64_C(10) << 56};
	struct addr at = {p.hi, 0, FAMILY_IP4};
	struct rib_route route;
	int s1 = rib_source_add(rib, &cfg), s2;

	spec.origin_as = 2;
	a2 = attr_intern(t, &spec);
	cfg.router_id = 2;
	s2 = rib_source_add(rib, &cfg);
	cr_assert_eq(rib_announce(rib, s2, &p, 0, a2, 0), 0);
	cr_assert_eq(rib_announce(rib, s1, &p, 0, a1, 0), 0);
	cr_assert(rib_lookup(rib, &at, &route) && route.source == s1);
	cfg.router_id = 0;
	cr_assert_eq(rib_source_update(rib, s2, &cfg), 0);
	cr_assert(rib_lookup(rib, &at, &route) && route.source == s2);
	rib_free(rib);
	attr_unref(t, a1);
	attr_unref(t, a2);
	attr_table_free(t);
}
