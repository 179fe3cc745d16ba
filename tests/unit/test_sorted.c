/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ordered prefixes against a plain array of all that could be there, and
 * the pool that gives them room.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

/* for what the fences are */
#include "route/sorted.c"

#define N_MAX 20000

static uint64_t rnd_state;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state * UINT64_C(0x2545f4914f6cdd1d);
}

/* ------------------------------------------------------------ the oracle */

struct entry {
	struct prefix p;
	uint32_t value; /* 0: not there */
};

static struct entry all[N_MAX]; /* in order, all different */
static size_t n_all;

static int by_place(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;

	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return (int)x->len - (int)y->len;
}

/* Prefixes of every length that crowd in some places. */
static void make_universe(enum family f, size_t n)
{
	n_all = 0;
	for (size_t i = 0; i < n; i++) {
		struct prefix p = {rnd(), rnd(), 0, (uint8_t)f};

		p.len = (uint8_t)(rnd() % (family_bits(f) + 1));
		if (rnd() % 4 && f == FAMILY_IP4)
			p.len = (uint8_t)(20 + rnd() % 13);
		if (rnd() % 4)
			p.hi = p.hi % 3 << 61 | (rnd() & 0xfff00000000);
		if (f == FAMILY_IP4) {
			p.hi = p.hi >> 32 << 32;
			p.lo = 0;
		} else if (rnd() % 2) {
			p.lo = (rnd() & 3) << 62;
		}
		all[i].p = prefix_mask(p);
		all[i].value = 0;
	}
	qsort(all, n, sizeof(all[0]), by_place);
	for (size_t i = 0; i < n; i++)
		if (!n_all || by_place(&all[n_all - 1].p, &all[i].p))
			all[n_all++] = all[i];
}

static bool covers(const struct prefix *p, uint64_t hi, uint64_t lo)
{
	const struct prefix a =
		prefix_mask((struct prefix){hi, lo, p->len, p->family});

	return a.hi == p->hi && a.lo == p->lo;
}

static struct prefix fence_of(const struct sorted *s, uint32_t top,
			      unsigned child)
{
	struct shelf *h = shelf_at(s, top);
	struct prefix p = {.len = h->len[child], .family = (uint8_t)s->family};
	uint32_t *k = &h->key[child * key_words(s)];

	if (s->family == FAMILY_IP4) {
		p.hi = (uint64_t)k[0] << 32;
	} else {
		memcpy(&p.hi, k, 8);
		memcpy(&p.lo, k + 2, 8);
	}
	return p;
}

/* Each fence between what is before it and what is behind it; nothing empty. */
static void check_fences(const struct sorted *s)
{
	struct prefix last = {0}, f, top;
	bool any = false;

	for (uint32_t t = 0; t < s->n_top; t++) {
		cr_assert(s->top[t].n > 0 && s->top[t].n <= SHELF);
		top = (struct prefix){s->top[t].hi, s->top[t].lo, s->top[t].len,
				      0};
		f = fence_of(s, t, 0);
		cr_assert_leq(by_place(&top, &f), 0);
		cr_assert(!any || by_place(&last, &top) < 0);
		for (unsigned c = 0; c < s->top[t].n; c++) {
			const struct shelf *h = shelf_at(s, t);
			struct sorted_at at = {leaf_at(s, h->leaf[c]), t,
					       (uint16_t)c, 0};
			struct prefix first = sorted_prefix(s, &at);

			cr_assert(h->count[c] > 0 && h->count[c] <= LEAF);
			f = fence_of(s, t, c);
			cr_assert_leq(by_place(&f, &first), 0);
			cr_assert(!any || by_place(&last, &f) < 0);
			at.i = (uint16_t)(h->count[c] - 1);
			last = sorted_prefix(s, &at);
			any = true;
		}
	}
}

/* Every entry, in order, with its fields; and nothing else. */
static void check_walk(const struct sorted *s)
{
	struct prefix first = {.family = (uint8_t)s->family};
	struct sorted_at at;
	size_t n = 0;

	check_fences(s);
	sorted_seek(s, &first, &at);
	for (size_t i = 0; i < n_all; i++) {
		struct prefix p;

		if (!all[i].value)
			continue;
		cr_assert_not_null(at.leaf);
		p = sorted_prefix(s, &at);
		cr_assert(prefix_equal(&p, &all[i].p));
		cr_assert_eq(at.leaf->value[at.i], all[i].value);
		cr_assert_eq(at.leaf->since_s[at.i], all[i].value * 3);
		cr_assert_eq(at.leaf->source[at.i], (uint8_t)all[i].value);
		sorted_next(s, &at);
		n++;
	}
	cr_assert_null(at.leaf);
	cr_assert_eq(s->n, n);
}

static void check_questions(const struct sorted *s, size_t times)
{
	while (times--) {
		const struct prefix *p = &all[rnd() % n_all].p;
		uint64_t hi = p->hi ^ (rnd() % 3 ? 0 : UINT64_C(1) << 32);
		uint64_t lo = p->lo ^ (p->family && rnd() % 2 ? 1 : 0);
		unsigned max = (unsigned)(rnd() % (family_bits(s->family) + 1));
		const struct prefix *best = NULL;
		struct sorted_at at;

		for (size_t i = 0; i < n_all; i++) {
			const struct prefix *q = &all[i].p;

			if (!all[i].value)
				continue;
			if (q->len <= max && covers(q, hi, lo))
				best = q; /* the later, the longer */
		}
		cr_assert_eq(sorted_match(s, hi, lo, max, &at), best != NULL);
		if (best) {
			struct prefix q = sorted_prefix(s, &at);

			cr_assert(prefix_equal(&q, best));
		}
	}
}

/* ----------------------------------------------------------------- steps */

static void add(struct sorted *s, struct entry *e)
{
	struct sorted_at at;
	size_t made;

	cr_assert_eq(sorted_insert(s, &e->p, 1, &at, &made), 0);
	cr_assert_eq(made, e->value == 0);
	if (!made) {
		cr_assert_eq(at.leaf->value[at.i], e->value);
		return;
	}
	cr_assert_eq(at.leaf->value[at.i], 0);
	cr_assert_eq(at.leaf->since_s[at.i], 0);
	cr_assert_eq(at.leaf->source[at.i], 0);
	e->value = 1 + (uint32_t)(rnd() >> 40);
	at.leaf->value[at.i] = e->value;
	at.leaf->since_s[at.i] = e->value * 3;
	at.leaf->source[at.i] = (uint8_t)e->value;
}

/* Some that follow each other in the universe, or stand still, or go back; what
 * is made of them at once are new ones, in order, with nothing in between. */
static void add_run(struct sorted *s, size_t from)
{
	struct prefix p[6];
	size_t n = 1 + rnd() % 6, e[6], made;
	struct sorted_at at;

	for (size_t i = 0, k = from; i < n; i++) {
		e[i] = k;
		p[i] = all[k].p;
		k += rnd() % 8 ? 1 : rnd() % 4;
		k = rnd() % 16 && k < n_all ? k : rnd() % n_all;
	}
	cr_assert_eq(sorted_insert(s, p, n, &at, &made), 0);
	if (all[e[0]].value) {
		cr_assert_eq(made, 0);
		cr_assert_eq(at.leaf->value[at.i], all[e[0]].value);
		return;
	}
	cr_assert(made >= 1 && made <= n);
	for (size_t i = 0; i < made; i++, at.i++) {
		struct prefix q = sorted_prefix(s, &at);

		cr_assert(prefix_equal(&q, &p[i]));
		cr_assert(i == 0 || e[i] > e[i - 1]);
		cr_assert_eq(all[e[i]].value + at.leaf->value[at.i], 0);
		all[e[i]].value = 1 + (uint32_t)(rnd() >> 40);
		at.leaf->value[at.i] = all[e[i]].value;
		at.leaf->since_s[at.i] = all[e[i]].value * 3;
		at.leaf->source[at.i] = (uint8_t)all[e[i]].value;
	}
}

static void drop(struct sorted *s, struct entry *e)
{
	struct sorted_at at;
	bool found = sorted_find(s, &e->p, &at);

	cr_assert_eq(found, e->value != 0);
	if (found)
		sorted_remove(s, at);
	e->value = 0;
}

/* One in so many stays; 0: none. */
struct sieve {
	const struct sorted *s;
	uint32_t keep;
	size_t seen;
};

static bool sift(void *ctx, const struct sorted_at *at)
{
	struct sieve *v = ctx;

	v->seen++;
	return v->keep && at->leaf->value[at->i] % v->keep == 0;
}

static void sweep(struct sorted *s, uint32_t keep)
{
	struct sieve v = {s, keep, 0};
	size_t n = s->n;

	sorted_sweep(s, sift, &v);
	cr_assert_eq(v.seen, n);
	for (size_t i = 0; i < n_all; i++)
		if (!keep || all[i].value % keep)
			all[i].value = 0;
}

static void churn(enum family f)
{
	struct sorted s;

	rnd_state = 0x9e3779b97f4a7c15 + f;
	make_universe(f, N_MAX);
	sorted_init(&s, f);
	check_walk(&s);
	check_questions(&s, 10);
	for (unsigned turn = 0; turn < 60; turn++) {
		/* mostly filling, mostly emptying, in a corner or all over */
		size_t from = turn % 3 ? 0 : rnd() % n_all;
		size_t span = turn % 3 ? n_all : (n_all - from) / 4 + 1;

		for (unsigned i = 0; i < 8000; i++) {
			struct entry *e = &all[from + rnd() % span];
			bool more = rnd() % 10 < (turn % 4 < 2 ? 8 : 2);

			if (more && turn % 5 == 1)
				add_run(&s, (size_t)(e - all));
			else if (more)
				add(&s, e);
			else
				drop(&s, e);
		}
		check_walk(&s);
		check_questions(&s, 40);
		if (turn % 15 == 7)
			sweep(&s, turn == 37 ? 0 : turn);
		if (turn % 15 == 7)
			check_walk(&s);
	}
	for (size_t i = 0; i < n_all; i++)
		drop(&s, &all[i]);
	cr_assert_eq(s.leaves.used + s.shelves.used + s.n_top, 0);
	sorted_done(&s);
}

Test(sorted, churn_ip4)
{
	churn(FAMILY_IP4);
}

Test(sorted, churn_ip6)
{
	churn(FAMILY_IP6);
}

/* What comes in order goes into an empty place as far as the leaf has room. */
Test(sorted, run)
{
	struct prefix p[40];
	struct sorted_at at;
	struct sorted s;
	size_t made;

	for (unsigned i = 0; i < 40; i++)
		p[i] = (struct prefix){.hi = (uint64_t)(i + 1) << 40,
				       .len = 24};
	sorted_init(&s, FAMILY_IP4);
	cr_assert_eq(sorted_insert(&s, &p[20], 1, &at, &made), 0);
	cr_assert_eq(made, 1);
	cr_assert_eq(sorted_insert(&s, &p[15], 9, &at, &made), 0);
	cr_assert_eq(made, 5, "up to the one that is there");
	cr_assert_eq(at.i, 0);
	cr_assert_eq(sorted_insert(&s, &p[20], 9, &at, &made), 0);
	cr_assert_eq(made, 0, "it is there");
	cr_assert_eq(at.i, 5);
	cr_assert_eq(sorted_insert(&s, &p[21], 19, &at, &made), 0);
	cr_assert_eq(made, 19);
	cr_assert_eq(sorted_insert(&s, p, 15, &at, &made), 0);
	cr_assert_eq(made, SORTED_LEAF - 25, "the leaf is full");
	cr_assert_eq(s.n, SORTED_LEAF);
	sorted_done(&s);
}

/* -------------------------------------------------------------- in order */

/* However they come, and with what goes in between, leaves are well filled
 * and what is left of them after most have gone is little. */
static void fill(enum family f, unsigned how)
{
	struct sorted s;
	size_t leaves;

	rnd_state = 0x853c49e6748fea9b;
	make_universe(f, N_MAX);
	sorted_init(&s, f);
	for (size_t i = 0; i < n_all; i++)
		add(&s, &all[how == 0   ? i
			     : how == 1 ? n_all - 1 - i
					: i * 7919 % n_all]);
	for (size_t i = 0; i < n_all; i++)
		add(&s, &all[i]);
	check_walk(&s);
	leaves = s.leaves.used;
	cr_assert_lt(leaves * SORTED_LEAF * 4, n_all * 5, "%zu for %zu", leaves,
		     n_all);
	for (size_t i = 0; i < n_all; i++)
		if (i % 50)
			drop(&s, &all[i]);
	check_walk(&s);
	cr_assert_lt(s.leaves.used * 10, leaves);
	cr_assert_leq(s.shelves.used, s.leaves.used / 16 + 1);
	cr_assert_eq(s.shelves.used, s.n_top);
	for (size_t i = 0; i < n_all; i++)
		add(&s, &all[i]);
	leaves = s.leaves.used;
	sweep(&s, 50);
	check_walk(&s);
	cr_assert_lt(s.leaves.used * 10, leaves);
	cr_assert_leq(s.shelves.used, s.leaves.used / 16 + 1);
	cr_assert_eq(s.shelves.used, s.n_top);
	sorted_done(&s);
	sorted_done(&s);
}

Test(sorted, orders)
{
	for (unsigned how = 0; how < 3; how++) {
		fill(FAMILY_IP4, how);
		fill(FAMILY_IP6, how);
	}
}

/* A leaf between full ones: entries at either of its ends, one by one. */
Test(sorted, full_neighbours)
{
	struct sorted s;

	for (unsigned gap = 1; gap < 4 * SORTED_LEAF; gap++) {
		n_all = 16 * SORTED_LEAF;
		for (size_t i = 0; i < n_all; i++)
			all[i] = (struct entry){
				.p = {(uint64_t)(i + 1) << 40, 0, 24, 0}};
		rnd_state = gap;
		sorted_init(&s, FAMILY_IP4);
		for (size_t i = 0; i < n_all; i += gap)
			add(&s, &all[i]);
		for (size_t i = n_all; i-- > 0;)
			add(&s, &all[i]);
		check_walk(&s);
		sorted_done(&s);
	}
}

/* ------------------------------------------------------------------ pool */

Test(pool, numbers_end_and_come_back)
{
	struct pool p;

	pool_init(&p, 8, 1000);
	for (uint32_t i = 1; i < 1000; i++)
		cr_assert_eq(pool_alloc(&p), i);
	cr_assert_eq(pool_alloc(&p), 0);
	cr_assert_eq(pool_alloc(&p), 0);
	cr_assert_eq(p.used, 999);
	memset(pool_at(&p, 500), 0xff, 8);
	pool_free(&p, 500);
	cr_assert_eq(pool_alloc(&p), 500);
	cr_assert_eq(*(uint64_t *)pool_at(&p, 500), 0);
	cr_assert_eq(pool_alloc(&p), 0);
	pool_done(&p);
	cr_assert_eq(pool_alloc(&p), 1);
	pool_done(&p);
}
