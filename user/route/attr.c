/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One allocation per set: the fixed part, then the path, then the communities.
 * The sets hang in a chained hash table that doubles when it is full. The hash
 * is seeded, because a peer chooses the attributes that go into it.
 */
#include "route/attr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mono.h"
#include "route/pool.h"

struct attr {
	struct attr *next;
	uint32_t hash;
	uint32_t refs;
	uint32_t number;
	uint32_t reserved;
	/* From here on: what is compared. */
	uint64_t nh_hi;
	uint64_t nh_lo;
	uint32_t origin_as;
	uint32_t neighbour_as;
	uint32_t local_pref;
	uint32_t med;
	uint32_t path_hops;
	uint16_t path_len;
	uint16_t comm_len;
	uint16_t flags;
	uint8_t origin;
	uint8_t nh_family;
	uint32_t data[]; /* path, then communities */
};

#define ATTR_KEY_OFF offsetof(struct attr, nh_hi)
#define ATTR_KEY_LEN (offsetof(struct attr, data) - ATTR_KEY_OFF)

_Static_assert(ATTR_KEY_LEN == 44, "no padding in what is compared");
_Static_assert(ATTR_EBGP <= UINT16_MAX, "flags are stored in 16 bits");

struct attr_table {
	struct attr **bucket;
	size_t mask; /* buckets - 1 */
	size_t count;
	size_t bytes;
	uint64_t seed;
	struct pool labels; /* gives the numbers */
	struct attr **set;  /* by number */
	uint32_t cap;
};

#define BUCKETS_MIN 1024u

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* A seeded multiply-and-fold over 32-bit words. */
static uint64_t hash_words(uint64_t h, const uint32_t *w, size_t n)
{
	for (; n >= 2; n -= 2, w += 2)
		h = mix(h ^ ((uint64_t)w[0] << 32 | w[1]),
			UINT64_C(0x9e3779b97f4a7c15));
	if (n)
		h = mix(h ^ w[0], UINT64_C(0xd6e8feb86659fd93));
	return h;
}

static uint32_t attr_hash(const struct attr_table *t, const struct attr *key,
			  const struct attr_spec *spec)
{
	uint32_t words[ATTR_KEY_LEN / 4];
	uint64_t h = t->seed;

	memcpy(words, (const char *)key + ATTR_KEY_OFF, sizeof(words));
	h = hash_words(h, words, ATTR_KEY_LEN / 4);
	h = hash_words(h, spec->path, key->path_len);
	h = hash_words(h, spec->comm, key->comm_len);
	return (uint32_t)(h ^ h >> 32);
}

static bool words_equal(const uint32_t *a, const uint32_t *b, size_t n)
{
	return n == 0 || memcmp(a, b, n * sizeof(*a)) == 0;
}

static bool attr_same(const struct attr *a, const struct attr *key,
		      const struct attr_spec *spec)
{
	return a->hash == key->hash &&
	       memcmp((const char *)a + ATTR_KEY_OFF,
		      (const char *)key + ATTR_KEY_OFF, ATTR_KEY_LEN) == 0 &&
	       words_equal(a->data, spec->path, a->path_len) &&
	       words_equal(a->data + a->path_len, spec->comm, a->comm_len);
}

static size_t attr_size(const struct attr *a)
{
	return sizeof(*a) + ((size_t)a->path_len + a->comm_len) * 4;
}

static void key_fill(struct attr *key, const struct attr_spec *s)
{
	memset(key, 0, sizeof(*key));
	key->nh_hi = s->next_hop.hi;
	key->nh_lo = s->next_hop.lo;
	key->nh_family = (uint8_t)s->next_hop.family;
	key->origin_as = s->origin_as;
	key->neighbour_as = s->neighbour_as;
	key->local_pref = s->local_pref;
	key->med = s->med;
	key->path_hops = s->path_hops;
	key->flags = (uint16_t)s->flags;
	key->origin = s->origin;
	key->path_len = s->path_len < ATTR_PATH_MAX ? s->path_len
						    : (uint16_t)ATTR_PATH_MAX;
	key->comm_len = s->comm_len < ATTR_COMM_MAX ? s->comm_len
						    : (uint16_t)ATTR_COMM_MAX;
}

struct attr_table *attr_table_new(void)
{
	struct attr_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->bucket = calloc(BUCKETS_MIN, sizeof(struct attr *));
	t->set = calloc(BUCKETS_MIN, sizeof(struct attr *));
	if (!t->bucket || !t->set) {
		free(t->bucket);
		free(t->set);
		free(t);
		return NULL;
	}
	t->cap = BUCKETS_MIN;
	t->mask = BUCKETS_MIN - 1;
	pool_init(&t->labels, sizeof(uint32_t), ATTR_NUMBERS);
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(t->seed))
		t->seed = (uint64_t)mono_now().ns;
	t->seed |= 1;
	return t;
}

void attr_table_free(struct attr_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		for (struct attr *a = t->bucket[i], *next; a; a = next) {
			next = a->next;
			free(a);
		}
	}
	pool_done(&t->labels);
	free(t->set);
	free(t->bucket);
	free(t);
}

/* Doubles the buckets; without memory the chains just get longer. */
static void table_grow(struct attr_table *t)
{
	size_t n = (t->mask + 1) * 2;
	struct attr **bucket = calloc(n, sizeof(struct attr *));

	if (!bucket)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		for (struct attr *a = t->bucket[i], *next; a; a = next) {
			next = a->next;
			a->next = bucket[a->hash & (n - 1)];
			bucket[a->hash & (n - 1)] = a;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->mask = n - 1;
}

/* A number for a set; 0 when there is none, or no memory. */
static uint32_t number_new(struct attr_table *t, struct attr *a)
{
	uint32_t n = pool_alloc(&t->labels);

	if (n && n >= t->cap) {
		uint32_t cap = t->cap + t->cap / 2;
		struct attr **m = realloc(t->set, cap * sizeof(struct attr *));

		if (!m) {
			pool_free(&t->labels, n);
			return 0;
		}
		t->set = m;
		t->cap = cap;
	}
	if (n)
		t->set[n] = a;
	return n;
}

static struct attr *attr_make(struct attr_table *t, const struct attr *key,
			      const struct attr_spec *spec)
{
	struct attr *a = malloc(attr_size(key));
	uint32_t number = a ? number_new(t, a) : 0;

	if (!number) {
		free(a);
		return NULL;
	}
	*a = *key;
	a->number = number;
	a->refs = 1;
	if (a->path_len)
		memcpy(a->data, spec->path, (size_t)a->path_len * 4);
	if (a->comm_len)
		memcpy(a->data + a->path_len, spec->comm,
		       (size_t)a->comm_len * 4);
	if (t->count > t->mask)
		table_grow(t);
	a->next = t->bucket[a->hash & t->mask];
	t->bucket[a->hash & t->mask] = a;
	t->count++;
	t->bytes += attr_size(a);
	return a;
}

struct attr *attr_intern(struct attr_table *t, const struct attr_spec *spec)
{
	struct attr key;

	key_fill(&key, spec);
	key.hash = attr_hash(t, &key, spec);
	for (struct attr *a = t->bucket[key.hash & t->mask]; a; a = a->next) {
		if (attr_same(a, &key, spec))
			return attr_ref(a);
	}
	return attr_make(t, &key, spec);
}

struct attr *attr_ref(struct attr *a)
{
	a->refs++;
	return a;
}

void attr_unref(struct attr_table *t, struct attr *a)
{
	struct attr **link;

	if (!a || --a->refs > 0)
		return;
	link = &t->bucket[a->hash & t->mask];
	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	t->count--;
	t->bytes -= attr_size(a);
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
		.origin_as = a->origin_as,
		.neighbour_as = a->neighbour_as,
		.local_pref = a->local_pref,
		.med = a->med,
		.path_hops = a->path_hops,
		.flags = a->flags,
		.origin = a->origin,
		.next_hop = {.hi = a->nh_hi,
			     .lo = a->nh_lo,
			     .family = (enum family)a->nh_family},
		.path = a->data,
		.path_len = a->path_len,
		.comm = a->data + a->path_len,
		.comm_len = a->comm_len,
	};
}

uint32_t attr_origin_as(const struct attr *a)
{
	return a->origin_as;
}

size_t attr_table_count(const struct attr_table *t)
{
	return t->count;
}

size_t attr_table_bytes(const struct attr_table *t)
{
	return t->bytes + (t->mask + 1) * sizeof(struct attr *) +
	       t->cap * sizeof(struct attr *) + pool_bytes(&t->labels);
}
