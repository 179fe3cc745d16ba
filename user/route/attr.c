/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One allocation per set: the fixed part, then the path, then the communities.
 * What most sets of a neighbour have in common is apart (attr_common.h), so a
 * path of three ASes takes 40 bytes, which malloc() makes 48. The sets hang, by
 * number, in a chained hash table that doubles when it is full. The hash is
 * seeded, because a peer chooses the attributes that go into it, and not kept:
 * it is needed again only when the table doubles or the set goes.
 */
#include "route/attr.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mono.h"
#include "route/attr_common.h"
#include "route/pool.h"

/* Of a set, without what is elsewhere. */
struct about {
	uint32_t origin_as;
	uint16_t path_hops;
	uint8_t path_len;
	uint8_t comm_len;
};

struct attr {
	struct common *common;
	uint32_t next; /* by number, in the bucket */
	uint32_t number;
	uint32_t refs;
	struct about about;
	uint32_t data[]; /* path, then communities */
};

_Static_assert(ATTR_PATH_MAX <= UINT8_MAX && ATTR_COMM_MAX <= UINT8_MAX,
	       "lengths are stored in 8 bits");

struct attr_table {
	struct commons commons;
	uint32_t *bucket;
	size_t mask; /* buckets - 1 */
	size_t count;
	size_t bytes;
	uint64_t seed;
	struct pool labels; /* gives the numbers */
	struct attr **set;  /* by number */
	uint32_t cap;
};

#define BUCKETS_MIN 1024u

/* A set, wherever its words are. */
struct key {
	const struct common *common;
	struct about about;
	const uint32_t *path;
	const uint32_t *comm;
};

static size_t attr_hash(const struct attr_table *t, const struct key *k)
{
	const struct about *b = &k->about;
	uint64_t common = (uintptr_t)k->common;
	const uint32_t words[4] = {(uint32_t)common, (uint32_t)(common >> 32),
				   b->origin_as,
				   (uint32_t)b->path_hops << 16 |
					   (uint32_t)b->path_len << 8 |
					   b->comm_len};
	uint64_t h = attr_hash_words(t->seed, words, 4);

	h = attr_hash_words(h, k->path, b->path_len);
	h = attr_hash_words(h, k->comm, b->comm_len);
	return (size_t)(h ^ h >> 32);
}

static struct key key_of(const struct attr *a)
{
	return (struct key){a->common, a->about, a->data,
			    a->data + a->about.path_len};
}

static bool words_equal(const uint32_t *a, const uint32_t *b, size_t n)
{
	return n == 0 || memcmp(a, b, n * sizeof(*a)) == 0;
}

static bool attr_same(const struct attr *attr, const struct key *k)
{
	const struct about *a = &attr->about, *b = &k->about;

	return attr->common == k->common && a->origin_as == b->origin_as &&
	       a->path_hops == b->path_hops && a->path_len == b->path_len &&
	       a->comm_len == b->comm_len &&
	       words_equal(attr->data, k->path, a->path_len) &&
	       words_equal(attr->data + a->path_len, k->comm, a->comm_len);
}

static size_t about_size(const struct about *b)
{
	size_t n = offsetof(struct attr, data) +
		   ((size_t)b->path_len + b->comm_len) * 4;

	return n < sizeof(struct attr) ? sizeof(struct attr) : n;
}

struct attr_table *attr_table_new(void)
{
	struct attr_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(t->seed))
		t->seed = (uint64_t)mono_now().ns;
	t->seed |= 1;
	t->bucket = calloc(BUCKETS_MIN, sizeof(*t->bucket));
	t->set = calloc(BUCKETS_MIN, sizeof(struct attr *));
	t->mask = BUCKETS_MIN - 1;
	t->cap = BUCKETS_MIN;
	pool_init(&t->labels, sizeof(uint32_t), ATTR_NUMBERS);
	if (commons_init(&t->commons, t->seed) || !t->bucket || !t->set) {
		attr_table_free(t);
		return NULL;
	}
	return t;
}

void attr_table_free(struct attr_table *t)
{
	if (!t)
		return;
	for (uint32_t n = 1; n < t->labels.top; n++)
		free(t->set[n]);
	commons_done(&t->commons);
	pool_done(&t->labels);
	free(t->set);
	free(t->bucket);
	free(t);
}

/* Doubles the buckets; without memory the chains just get longer. */
static void table_grow(struct attr_table *t)
{
	size_t n = (t->mask + 1) * 2;
	uint32_t *bucket = calloc(n, sizeof(*bucket));

	if (!bucket)
		return;
	free(t->bucket);
	t->bucket = bucket;
	t->mask = n - 1;
	for (uint32_t i = 1; i < t->labels.top; i++) {
		struct attr *a = t->set[i];
		struct key k;
		uint32_t *head;

		if (!a)
			continue;
		k = key_of(a);
		head = &bucket[attr_hash(t, &k) & t->mask];
		a->next = *head;
		*head = i;
	}
}

/* A place for the next number, before it is given out: those below
 * labels.top have one each. */
static bool numbers_grow(struct attr_table *t)
{
	uint32_t cap = t->cap + t->cap / 2;
	struct attr **m;

	if (t->labels.top < t->cap)
		return true;
	m = realloc(t->set, cap * sizeof(struct attr *));
	if (!m)
		return false;
	t->set = m;
	t->cap = cap;
	return true;
}

/* A number for a set; 0 when there is none, or no memory. */
static uint32_t number_new(struct attr_table *t, struct attr *a)
{
	uint32_t n = numbers_grow(t) ? pool_alloc(&t->labels) : 0;

	if (n)
		t->set[n] = a;
	return n;
}

/* Takes over the reference to what is common. */
static struct attr *attr_make(struct attr_table *t, const struct key *k,
			      struct common *common, size_t hash)
{
	const struct about *b = &k->about;
	struct attr *a = malloc(about_size(b));
	uint32_t *head;

	if (!a)
		return NULL;
	if (t->count > t->mask)
		table_grow(t);
	a->number = number_new(t, a);
	if (!a->number) {
		free(a);
		return NULL;
	}
	head = &t->bucket[hash & t->mask];
	a->common = common;
	a->refs = 1;
	a->about = *b;
	if (b->path_len)
		memcpy(a->data, k->path, (size_t)b->path_len * 4);
	if (b->comm_len)
		memcpy(a->data + b->path_len, k->comm, (size_t)b->comm_len * 4);
	a->next = *head;
	*head = a->number;
	t->count++;
	t->bytes += about_size(b);
	return a;
}

static uint32_t at_most(uint32_t n, uint32_t max)
{
	return n < max ? n : max;
}

struct attr *attr_intern(struct attr_table *t, const struct attr_spec *spec)
{
	struct common *common = common_intern(&t->commons, spec);
	const struct key k = {
		.common = common,
		.about = {.origin_as = spec->origin_as,
			  .path_hops = (uint16_t)at_most(spec->path_hops,
							 UINT16_MAX),
			  .path_len = (uint8_t)at_most(spec->path_len,
						       ATTR_PATH_MAX),
			  .comm_len = (uint8_t)at_most(spec->comm_len,
						       ATTR_COMM_MAX)},
		.path = spec->path,
		.comm = spec->comm,
	};
	struct attr *a = NULL;
	size_t hash;

	if (!common)
		return NULL;
	hash = attr_hash(t, &k);
	for (uint32_t n = t->bucket[hash & t->mask]; n; n = a->next) {
		a = t->set[n];
		if (!attr_same(a, &k))
			continue;
		common_unref(&t->commons, common);
		return attr_ref(a);
	}
	a = attr_make(t, &k, common, hash);
	if (!a)
		common_unref(&t->commons, common);
	return a;
}

struct attr *attr_ref(struct attr *a)
{
	a->refs++;
	return a;
}

void attr_unref(struct attr_table *t, struct attr *a)
{
	uint32_t *link;
	struct key k;

	if (!a || --a->refs > 0)
		return;
	k = key_of(a);
	link = &t->bucket[attr_hash(t, &k) & t->mask];
	while (*link != a->number)
		link = &t->set[*link]->next;
	*link = a->next;
	t->count--;
	t->bytes -= about_size(&a->about);
	common_unref(&t->commons, a->common);
	t->set[a->number] = NULL;
	pool_free(&t->labels, a->number);
	free(a);
}

uint32_t attr_number(const struct attr *a)
{
	return a->number;
}

struct attr *attr_at(const struct attr_table *t, uint32_t number)
{
	return t->set[number];
}

uint32_t attr_label(const struct attr_table *t, uint32_t number)
{
	return *(const uint32_t *)pool_at(&t->labels, number);
}

void attr_set_label(struct attr_table *t, uint32_t number, uint32_t label)
{
	*(uint32_t *)pool_at(&t->labels, number) = label;
}

void attr_clear_labels(struct attr_table *t)
{
	for (uint32_t n = 1; n < t->labels.top; n++)
		if (t->set[n])
			attr_set_label(t, n, 0);
}

void attr_view(const struct attr *a, struct attr_spec *ret)
{
	*ret = (struct attr_spec){
		.origin_as = a->about.origin_as,
		.path_hops = a->about.path_hops,
		.path = a->data,
		.path_len = a->about.path_len,
		.comm = a->data + a->about.path_len,
		.comm_len = a->about.comm_len,
	};
	common_view(a->common, ret);
}

uint32_t attr_origin_as(const struct attr *a)
{
	return a->about.origin_as;
}

size_t attr_table_count(const struct attr_table *t)
{
	return t->count;
}

size_t attr_table_bytes(const struct attr_table *t)
{
	return t->bytes + (t->mask + 1) * sizeof(*t->bucket) +
	       t->cap * sizeof(struct attr *) + pool_bytes(&t->labels) +
	       commons_bytes(&t->commons);
}
