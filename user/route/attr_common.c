/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/attr_common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is compared. */
struct key {
	uint64_t nh_hi;
	uint64_t nh_lo;
	uint32_t neighbour_as;
	uint32_t local_pref;
	uint32_t med;
	uint16_t flags;
	uint8_t origin;
	uint8_t nh_family;
};

#define KEY_WORDS (sizeof(struct key) / 4)

_Static_assert(sizeof(struct key) == 32, "no padding in what is compared");
_Static_assert(ATTR_EBGP <= UINT16_MAX, "flags are stored in 16 bits");

struct common {
	struct common *next;
	struct key key;
	uint32_t refs;
};

#define BUCKETS_MIN 64u

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t attr_hash_words(uint64_t h, const uint32_t *w, size_t n)
{
	for (; n >= 2; n -= 2, w += 2)
		h = mix(h ^ ((uint64_t)w[0] << 32 | w[1]),
			UINT64_C(0x9e3779b97f4a7c15));
	if (n)
		h = mix(h ^ w[0], UINT64_C(0xd6e8feb86659fd93));
	return h;
}

static struct common **bucket_of(struct common **bucket, size_t mask,
				 uint64_t seed, const struct key *key)
{
	uint32_t words[KEY_WORDS];
	uint64_t h;

	memcpy(words, key, sizeof(words));
	h = attr_hash_words(seed, words, KEY_WORDS);
	return &bucket[(h ^ h >> 32) & mask];
}

int commons_init(struct commons *c, uint64_t seed)
{
	*c = (struct commons){.mask = BUCKETS_MIN - 1, .seed = seed};
	c->bucket = calloc(BUCKETS_MIN, sizeof(struct common *));
	return c->bucket ? 0 : -ENOMEM;
}

void commons_done(struct commons *c)
{
	for (size_t i = 0; c->bucket && i <= c->mask; i++) {
		for (struct common *k = c->bucket[i], *next; k; k = next) {
			next = k->next;
			free(k);
		}
	}
	free(c->bucket);
}

size_t commons_bytes(const struct commons *c)
{
	return c->count * sizeof(struct common) +
	       (c->mask + 1) * sizeof(struct common *);
}

/* Doubles the buckets; without memory the chains just get longer. */
static void commons_grow(struct commons *c)
{
	size_t n = (c->mask + 1) * 2;
	struct common **bucket = calloc(n, sizeof(struct common *)), **head;

	if (!bucket)
		return;
	for (size_t i = 0; i <= c->mask; i++) {
		for (struct common *k = c->bucket[i], *next; k; k = next) {
			next = k->next;
			head = bucket_of(bucket, n - 1, c->seed, &k->key);
			k->next = *head;
			*head = k;
		}
	}
	free(c->bucket);
	c->bucket = bucket;
	c->mask = n - 1;
}

static struct common *common_make(struct commons *c, const struct key *key)
{
	struct common *k = malloc(sizeof(*k)), **head;

	if (!k)
		return NULL;
	if (c->count > c->mask)
		commons_grow(c);
	head = bucket_of(c->bucket, c->mask, c->seed, key);
	*k = (struct common){.next = *head, .key = *key};
	*head = k;
	c->count++;
	return k;
}

static bool same(const struct common *k, const struct key *key)
{
	return memcmp(&k->key, key, sizeof(*key)) == 0;
}

struct common *common_intern(struct commons *c, const struct attr_spec *s)
{
	const struct key key = {
		.nh_hi = s->next_hop.hi,
		.nh_lo = s->next_hop.lo,
		.nh_family = (uint8_t)s->next_hop.family,
		.neighbour_as = s->neighbour_as,
		.local_pref = s->local_pref,
		.med = s->med,
		.flags = (uint16_t)s->flags,
		.origin = s->origin,
	};
	struct common *k = c->last;

	if (!k || !same(k, &key)) {
		k = *bucket_of(c->bucket, c->mask, c->seed, &key);
		while (k && !same(k, &key))
			k = k->next;
	}
	if (!k)
		k = common_make(c, &key);
	if (k)
		k->refs++;
	c->last = k;
	return k;
}

void common_unref(struct commons *c, struct common *k)
{
	struct common **link;

	if (--k->refs > 0)
		return;
	link = bucket_of(c->bucket, c->mask, c->seed, &k->key);
	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	c->count--;
	if (c->last == k)
		c->last = NULL;
	free(k);
}

void common_view(const struct common *k, struct attr_spec *ret)
{
	const struct key *key = &k->key;

	ret->next_hop = (struct addr){.hi = key->nh_hi,
				      .lo = key->nh_lo,
				      .family = (enum family)key->nh_family};
	ret->neighbour_as = key->neighbour_as;
	ret->local_pref = key->local_pref;
	ret->med = key->med;
	ret->flags = key->flags;
	ret->origin = key->origin;
}
