/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a set of attributes that most sets of a neighbour have in common:
 * all but the origin AS, the path and the communities. Interned and counted
 * like the sets themselves. Within attr.c.
 */
#ifndef ROUTE_ATTR_COMMON_H
#define ROUTE_ATTR_COMMON_H

#include <stdint.h>

#include "route/attr.h"

struct common;

struct commons {
	struct common **bucket;
	size_t mask; /* buckets - 1 */
	size_t count;
	struct common *last; /* asked for: likely to be asked for again */
	uint64_t seed;
};

/* A multiply-and-fold over 32-bit words, seeded. */
uint64_t attr_hash_words(uint64_t seed, const uint32_t *w, size_t n);

/* -ENOMEM. */
int commons_init(struct commons *c, uint64_t seed);
void commons_done(struct commons *c);
size_t commons_bytes(const struct commons *c);

/* Finds or makes it; the caller owns one reference. NULL: no memory. */
struct common *common_intern(struct commons *c, const struct attr_spec *s);
void common_unref(struct commons *c, struct common *k);
/* Fills in the fields that are here. */
void common_view(const struct common *k, struct attr_spec *ret);

#endif
