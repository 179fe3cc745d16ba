/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real Internet table (libloc's database) for tests and benchmarks, and a
 * reference to check answers against: one hash of prefixes, asked for each
 * length from the longest down. Slow and plainly right.
 */
#ifndef TESTS_FULL_TABLE_H
#define TESTS_FULL_TABLE_H

#include <stdlib.h>
#include <string.h>

#include "route/loc.h"
#include "route/prefix.h"

struct full_table {
	struct loc_entry *e;
	size_t n, cap;
	size_t every; /* keep one in so many */
	size_t seen;
};

static inline int full_table_add(void *ctx, const struct loc_entry *e, size_t n)
{
	struct full_table *t = ctx;

	for (size_t i = 0; i < n; i++) {
		if (t->seen++ % t->every)
			continue;
		if (t->n == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 65536;
			t->e = realloc(t->e, t->cap * sizeof(*t->e));
			if (!t->e)
				abort();
		}
		t->e[t->n++] = e[i];
	}
	return 0;
}

/* One in `every` networks of the database; 0 on success. */
static inline int full_table_load(struct full_table *t, size_t every)
{
	struct loc_db *db;
	int rc = loc_db_open(LOC_DB_PATH, &db);

	*t = (struct full_table){.every = every};
	if (rc)
		return rc;
	rc = loc_db_walk(db, full_table_add, t);
	loc_db_close(db);
	return rc;
}

/* ------------------------------------------------------------- reference */

struct ref_slot {
	struct prefix p;
	uint32_t asn; /* 0: empty or withdrawn */
	bool used;
};

#define REF_BITS (1u << 25)

struct ref {
	struct ref_slot *slot;
	size_t mask, n;
	uint32_t of_len[FAMILIES][129]; /* slots of that length */
	uint64_t *maybe; /* a bit a hash: most questions end here, in cache */
};

static inline void ref_init(struct ref *r, size_t n_prefixes)
{
	size_t n = 64;

	while (n < 2 * n_prefixes)
		n *= 2;
	memset(r, 0, sizeof(*r));
	r->slot = calloc(n, sizeof(*r->slot));
	if (!r->slot)
		abort();
	r->mask = n - 1;
	r->maybe = calloc(REF_BITS / 64, sizeof(*r->maybe));
	if (!r->maybe)
		abort();
}

static inline void ref_done(struct ref *r)
{
	free(r->slot);
	free(r->maybe);
}

static inline size_t ref_hash(const struct prefix *p)
{
	uint64_t h = (p->hi * UINT64_C(0x9e3779b97f4a7c15)) ^
		     (p->lo * UINT64_C(0xc2b2ae3d27d4eb4f)) ^
		     ((uint64_t)p->len << 57) ^ ((uint64_t)p->family << 56);

	return (size_t)((h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static inline struct ref_slot *ref_place(const struct ref *r,
					 const struct prefix *p)
{
	size_t i = ref_hash(p);

	for (i &= r->mask; r->slot[i].used; i = (i + 1) & r->mask)
		if (prefix_equal(&r->slot[i].p, p))
			break;
	return &r->slot[i];
}

/* asn 0 takes the prefix away. */
static inline void ref_set(struct ref *r, const struct prefix *p, uint32_t asn)
{
	struct ref_slot *s = ref_place(r, p);

	size_t bit = ref_hash(p) % REF_BITS;

	r->maybe[bit / 64] |= UINT64_C(1) << (bit % 64);
	if (!s->used) {
		r->of_len[p->family][p->len]++;
		if (++r->n > r->mask)
			abort(); /* ref_init() with too few */
	}
	s->p = *p;
	s->used = true;
	s->asn = asn;
}

static inline uint32_t ref_lookup(const struct ref *r, const struct addr *a)
{
	for (int len = (int)family_bits(a->family); len >= 0; len--) {
		struct prefix p = {a->hi, a->lo, (uint8_t)len,
				   (uint8_t)a->family};
		const struct ref_slot *s;
		size_t bit;

		if (!r->of_len[a->family][len])
			continue;
		p = prefix_mask(p);
		bit = ref_hash(&p) % REF_BITS;
		if (!(r->maybe[bit / 64] >> (bit % 64) & 1))
			continue;
		s = ref_place(r, &p);
		if (s->used && s->asn)
			return s->asn;
	}
	return 0;
}

/* ------------------------------------------------------------- addresses */

/* The first (or last) address of a prefix. */
static inline struct addr prefix_first(const struct prefix *p)
{
	return (struct addr){p->hi, p->lo, (enum family)p->family};
}

static inline struct addr prefix_last(const struct prefix *p)
{
	struct addr a = prefix_first(p);

	if (p->len < 64)
		a.hi |= UINT64_MAX >> p->len;
	if (p->len <= 64)
		a.lo = UINT64_MAX;
	else if (p->len < 128)
		a.lo |= UINT64_MAX >> (p->len - 64);
	if (a.family == FAMILY_IP4) {
		a.hi &= UINT64_C(0xffffffff00000000);
		a.lo = 0;
	}
	return a;
}

/* The neighbour below (by = -1) or above (by = 1), around the ends. */
static inline struct addr addr_step(struct addr a, int by)
{
	uint64_t lo = a.lo;

	if (a.family == FAMILY_IP4) {
		a.hi += (uint64_t)(int64_t)by << 32;
		return a;
	}
	a.lo += (uint64_t)(int64_t)by;
	if (by > 0 && a.lo < lo)
		a.hi++;
	if (by < 0 && a.lo > lo)
		a.hi--;
	return a;
}

static inline uint64_t rnd64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Some address within the prefix. */
static inline struct addr prefix_random(const struct prefix *p, uint64_t *state)
{
	struct addr first = prefix_first(p), last = prefix_last(p);

	first.hi |= rnd64(state) & (last.hi ^ first.hi);
	first.lo |= rnd64(state) & (last.lo ^ first.lo);
	return first;
}

#endif
