/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefixes of one family, each with what the RIB keeps of it, in order: by
 * address, and of those that begin at the same one the shorter first. So a
 * prefix stands before all that it covers, and those are the ones right behind
 * it.
 */
#ifndef ROUTE_SORTED_H
#define ROUTE_SORTED_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "route/pool.h"
#include "route/prefix.h"

#define SORTED_LEAF 32u

/* Field by field, as a search wants it. */
struct sorted_leaf {
	uint32_t value[SORTED_LEAF];
	uint32_t since_s[SORTED_LEAF];
	uint8_t len[SORTED_LEAF];
	uint8_t source[SORTED_LEAF];
	uint32_t key[]; /* a word each; IPv6: hi and lo, native */
};

struct sorted_top;

struct sorted {
	struct pool leaves;
	struct pool shelves;
	struct sorted_top *top; /* the shelves in order */
	uint32_t n_top, cap_top;
	enum family family;
	uint32_t n; /* prefixes */
};

/* A place; good until something is inserted or removed. */
struct sorted_at {
	struct sorted_leaf *leaf; /* NULL: behind the last one */
	uint32_t top;
	uint16_t child;
	uint16_t i;
};

void sorted_init(struct sorted *s, enum family f);
void sorted_done(struct sorted *s);
size_t sorted_bytes(const struct sorted *s);

bool sorted_find(const struct sorted *s, const struct prefix *p,
		 struct sorted_at *ret);
/* Finds the first of n >= 1 prefixes, or makes it and those of the others that
 * come to stand right behind it, as long as they are given in order and the
 * leaf has room. *ret_made: how many were made, one behind the other, with
 * value, since_s and source 0; 0: the first was there. -ENOMEM. */
int sorted_insert(struct sorted *s, const struct prefix *p, size_t n,
		  struct sorted_at *ret, size_t *ret_made);
void sorted_remove(struct sorted *s, struct sorted_at at);

/* The longest of at most max_len bits that covers the address. */
bool sorted_match(const struct sorted *s, uint64_t hi, uint64_t lo,
		  unsigned max_len, struct sorted_at *ret);

/* The first one that does not stand before p; the next one. */
void sorted_seek(const struct sorted *s, const struct prefix *p,
		 struct sorted_at *ret);
void sorted_next(const struct sorted *s, struct sorted_at *at);

/* Calls fn for each in order; those for which it returns false are removed. fn
 * must neither insert nor remove. */
void sorted_sweep(struct sorted *s,
		  bool (*fn)(void *ctx, const struct sorted_at *at), void *ctx);

static inline void sorted_key(const struct sorted *s,
			      const struct sorted_at *at, uint64_t *ret_hi,
			      uint64_t *ret_lo)
{
	if (s->family == FAMILY_IP4) {
		*ret_hi = (uint64_t)at->leaf->key[at->i] << 32;
		*ret_lo = 0;
	} else {
		memcpy(ret_hi, &at->leaf->key[at->i * 4u], sizeof(*ret_hi));
		memcpy(ret_lo, &at->leaf->key[at->i * 4u + 2], sizeof(*ret_lo));
	}
}

static inline struct prefix sorted_prefix(const struct sorted *s,
					  const struct sorted_at *at)
{
	struct prefix p = {.len = at->leaf->len[at->i],
			   .family = (uint8_t)s->family};

	sorted_key(s, at, &p.hi, &p.lo);
	return p;
}

#endif
