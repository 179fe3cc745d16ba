/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include <string.h>

#include "route/attr.h"

static struct attr_spec spec_basic(void)
{
	static const uint32_t path[] = {64500, 64501, 4200000000u};
	static const uint32_t comm[] = {0xfc000001u};

	return (struct attr_spec){
		.origin_as = 4200000000u,
		.neighbour_as = 64500,
		.local_pref = 100,
		.path_hops = 3,
		.flags = ATTR_HAS_LOCPREF | ATTR_EBGP,
		.origin = ATTR_IGP,
		.next_hop = {.hi = UINT64_C(0xc000020100000000)},
		.path = path,
		.path_len = 3,
		.comm = comm,
		.comm_len = 1,
	};
}

Test(attr, equal_sets_are_one_object)
{
	struct attr_table *t = attr_table_new();
	struct attr_spec s = spec_basic(), v;
	uint32_t path[3], comm[1];

	memcpy(path, s.path, sizeof(path));
	memcpy(comm, s.comm, sizeof(comm));
	struct attr *a = attr_intern(t, &s);

	s.path = path; /* the same content elsewhere */
	s.comm = comm;
	struct attr *b = attr_intern(t, &s);

	cr_assert_eq(a, b);
	cr_assert_eq(attr_table_count(t), 1);
	cr_assert_eq(attr_origin_as(a), 4200000000u);
	attr_view(a, &v);
	cr_assert_eq(v.neighbour_as, 64500);
	cr_assert_eq(v.local_pref, 100);
	cr_assert_eq(v.path_hops, 3);
	cr_assert_eq(v.flags, ATTR_HAS_LOCPREF | ATTR_EBGP);
	cr_assert_eq(v.next_hop.hi, UINT64_C(0xc000020100000000));
	cr_assert_eq(v.path_len, 3);
	cr_assert_eq(memcmp(v.path, path, sizeof(path)), 0);
	cr_assert_eq(v.comm_len, 1);
	cr_assert_eq(v.comm[0], 0xfc000001u);
	attr_unref(t, a);
	cr_assert_eq(attr_table_count(t), 1);
	attr_unref(t, b);
	cr_assert_eq(attr_table_count(t), 0);
	attr_table_free(t);
}

/* Each field takes part in the comparison; a word moved from the end of the
 * path to the start of the communities makes a different set. */
Test(attr, each_field_distinguishes)
{
	struct attr_table *t = attr_table_new();
	static const uint32_t words[] = {64500, 64501, 4200000000u,
					 0xfc000001u};
	struct attr_spec s[14];
	size_t n = sizeof(s) / sizeof(s[0]);

	for (size_t i = 0; i < n; i++)
		s[i] = spec_basic();
	s[1].origin_as++;
	s[2].neighbour_as++;
	s[3].local_pref++;
	s[4].med++;
	s[5].path_hops++;
	s[6].flags |= ATTR_LOCAL;
	s[7].origin = ATTR_EGP;
	s[8].next_hop.hi++;
	s[9].next_hop.lo++;
	s[10].next_hop.family = FAMILY_IP6;
	s[11].path_len--;
	s[12].comm_len = 0;
	s[13].path = words;
	s[13].path_len = 2;
	s[13].comm = words + 2;
	s[13].comm_len = 2;
	for (size_t i = 0; i < n; i++)
		cr_assert_not_null(attr_intern(t, &s[i]));
	cr_assert_eq(attr_table_count(t), n);
	attr_table_free(t);
}

Test(attr, long_paths_are_cut)
{
	struct attr_table *t = attr_table_new();
	static uint32_t words[3000];
	struct attr_spec s = spec_basic(), v;
	size_t empty = attr_table_bytes(t);

	s.path = words;
	s.path_len = 3000;
	s.comm = words;
	s.comm_len = 3000;
	struct attr *a = attr_intern(t, &s);

	attr_view(a, &v);
	cr_assert_eq(v.path_len, ATTR_PATH_MAX);
	cr_assert_eq(v.comm_len, ATTR_COMM_MAX);
	/* as attr.h promises */
	cr_assert_leq(attr_table_bytes(t) - empty, 600);
	attr_table_free(t);
}

/* What sets have in common is apart: all of it comes and goes, too. */
Test(attr, many_in_common)
{
	enum { N = 3000 };
	static struct attr *a[N];
	struct attr_table *t = attr_table_new();
	struct attr_spec s = spec_basic(), v;
	size_t empty = attr_table_bytes(t);

	for (uint32_t i = 0; i < N; i++) {
		s.med = i / 2;
		s.origin_as = i % 2;
		s.path_hops = i % 2 ? 70000 : 3;
		a[i] = attr_intern(t, &s);
	}
	cr_assert_eq(attr_table_count(t), N);
	for (uint32_t i = 0; i < N; i++) {
		attr_view(a[i], &v);
		cr_assert_eq(v.med, i / 2);
		cr_assert_eq(v.origin_as, i % 2);
		cr_assert_eq(v.path_hops, i % 2 ? 65535u : 3u);
		cr_assert_eq(v.next_hop.hi, s.next_hop.hi);
		cr_assert_eq(attr_at(t, attr_number(a[i])), a[i]);
	}
	for (uint32_t i = 0; i < N; i += 2)
		attr_unref(t, a[i]);
	for (uint32_t i = 1; i < N; i += 2) {
		attr_view(a[i], &v);
		cr_assert_eq(v.med, i / 2);
		attr_unref(t, a[i]);
	}
	cr_assert_eq(attr_table_count(t), 0);
	/* but for the hash tables and the numbers */
	cr_assert_lt(attr_table_bytes(t), empty + (size_t)N * 32);
	cr_assert_not_null(attr_intern(t, &s));
	attr_table_free(t);
}

/* Growth keeps every set, the last reference gives every byte back. */
Test(attr, many_sets)
{
	enum { N = 20000 };
	static struct attr *a[N];
	struct attr_table *t = attr_table_new();
	struct attr_spec s = spec_basic();
	uint32_t path[4] = {1, 2, 3, 4};

	s.path = path;
	s.path_len = 4;
	for (uint32_t i = 0; i < N; i++) {
		path[1] = i;
		a[i] = attr_intern(t, &s);
	}
	cr_assert_eq(attr_table_count(t), N);
	cr_assert_geq(attr_table_bytes(t), (size_t)N * (28 + 20));
	for (uint32_t i = 0; i < N; i++) {
		path[1] = i;
		cr_assert_eq(attr_intern(t, &s), a[i]);
		attr_unref(t, a[i]);
	}
	size_t full = attr_table_bytes(t);

	for (uint32_t i = 0; i < N; i++)
		attr_unref(t, a[i]);
	cr_assert_eq(attr_table_count(t), 0);
	cr_assert_lt(attr_table_bytes(t), full);
	attr_unref(t, NULL);
	attr_table_free(t);
	attr_table_free(NULL);
}
