/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A RIB that gets no memory at any moment: what it then refuses has changed
 * nothing, and all that it took is there.
 */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "route/pool.h"

static unsigned scarce; /* one in so many gets nothing; 0: all get it */
static unsigned refused;
static bool no_room; /* to make anything larger */
static uint64_t rnd_state = 0x9e3779b97f4a7c15;

static uint32_t rnd(uint32_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 33) % n;
}

static int refuse(void)
{
	if (!scarce || rnd(scarce))
		return 0;
	refused++;
	return 1;
}

static uint32_t scarce_alloc(struct pool *p)
{
	return refuse() ? 0 : pool_alloc(p);
}

static void *scarce_realloc(void *m, size_t n)
{
	return no_room || refuse() ? NULL : realloc(m, n);
}

#define pool_alloc scarce_alloc
#define realloc    scarce_realloc
#include "route/attr.c"
#include "route/rib.c"
#include "route/sorted.c"
#undef pool_alloc
#undef realloc

#define N_PREFIX 6000
#define N_SRC    3
#define N_ID     2

static int8_t model[N_PREFIX][N_SRC][N_ID]; /* attributes + 1 */

static struct prefix prefix_of(int i)
{
	return (struct prefix){.hi = (uint64_t)(i + 1) * 0x9e3779b1u << 32,
			       .lo = i % 2 ? (uint64_t)i << 50 : 0,
			       .len = i % 2 ? 128 : 32,
			       .family = (uint8_t)(i % 2)};
}

static void check(const struct rib *rib, int i)
{
	const struct prefix p = prefix_of(i);
	const struct addr a = {p.hi, p.lo, (enum family)p.family};
	struct rib_route r;
	bool found = rib_lookup(rib, &a, &r), want = false;
	bool fits = false;

	for (int s = 0; s < N_SRC; s++)
		for (int id = 0; id < N_ID; id++) {
			int m = model[i][s][id];

			want |= m != 0;
			fits |= m && found && r.source == s &&
				attr_origin_as(r.attr) == (uint32_t)m;
		}
	cr_assert_eq(found, want);
	cr_assert_eq(fits, want);
}

static void step(struct rib *rib, struct attr **attr)
{
	int i = (int)rnd(N_PREFIX), s = (int)rnd(N_SRC), a = (int)rnd(4);
	const struct prefix p = prefix_of(i);
	int8_t *m = &model[i][s][0];
	uint32_t id = rnd(4) == 0;
	unsigned before = refused;
	int rc;

	if (rnd(3)) {
		rc = rib_announce(rib, s, &p, id, attr[a], 0);
		cr_assert(rc == 0 || (rc == -ENOMEM && refused > before));
		if (!rc)
			m[id] = (int8_t)(a + 1);
	} else {
		rc = rib_withdraw(rib, s, &p, id);
		cr_assert_eq(rc, m[id] ? 0 : -ENOENT);
		m[id] = 0;
	}
	check(rib, i);
}

Test(rib_memory, refusals_change_nothing)
{
	struct attr_table *t = attr_table_new();
	struct rib *rib = rib_new(t);
	const struct rib_source_cfg cfg = {.kind = RIB_BGP};
	struct attr *attr[4];

	for (uint32_t i = 0; i < 4; i++) {
		const struct attr_spec spec = {.origin_as = i + 1};

		attr[i] = attr_intern(t, &spec);
	}
	for (int s = 0; s < N_SRC; s++)
		cr_assert_eq(rib_source_add(rib, &cfg), s);
	for (unsigned turn = 0; turn < 12; turn++) {
		scarce = turn % 4;
		for (unsigned i = 0; i < 10000; i++)
			step(rib, attr);
		for (int i = 0; i < N_PREFIX; i++)
			check(rib, i);
		if (turn % 5 == 4)
			(void)rib_flush(rib, 1, FAMILY_IP6);
		for (int i = 1; turn % 5 == 4 && i < N_PREFIX; i += 2)
			memset(model[i][1], 0, sizeof(model[i][1]));
	}
	cr_assert_gt(refused, 1000);
	for (int i = 0; i < N_PREFIX; i++)
		for (int s = 0; s < N_SRC; s++)
			for (uint32_t id = 0; id < N_ID; id++) {
				const struct prefix p = prefix_of(i);

				cr_assert_eq(rib_withdraw(rib, s, &p, id),
					     model[i][s][id] ? 0 : -ENOENT);
			}
	for (int f = 0; f < FAMILIES; f++)
		cr_assert_eq(rib->set[f].leaves.used + rib->set[f].shelves.used,
			     0);
	cr_assert_eq(rib->paths.used, 0);
	rib_free(rib);
	for (int i = 0; i < 4; i++)
		attr_unref(t, attr[i]);
	cr_assert_eq(attr_table_count(t), 0);
	attr_table_free(t);
}

/* The first set for which there is no number takes none. */
Test(rib_memory, no_number_for_one_more_set)
{
	struct attr_table *t = attr_table_new();
	struct attr_spec spec = {.origin_as = 1};

	for (; spec.origin_as < BUCKETS_MIN; spec.origin_as++)
		cr_assert_not_null(attr_intern(t, &spec));
	no_room = true;
	cr_assert_null(attr_intern(t, &spec));
	cr_assert_leq(t->labels.top, t->cap);
	cr_assert_eq(attr_table_count(t), BUCKETS_MIN - 1);
	attr_clear_labels(t);
	no_room = false;
	cr_assert_eq(attr_number(attr_intern(t, &spec)), BUCKETS_MIN);
	attr_table_free(t);
}
