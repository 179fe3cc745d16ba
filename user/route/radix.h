/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefixes of one family as a path-compressed binary trie.
 *
 * A node stands for a prefix. It carries a value (0: none), or has two
 * children, or both; so n prefixes make at most 2n - 1 nodes. A child is a
 * longer prefix inside its parent, in the half that its number (0 or 1) says;
 * bits between the two are not spelled out. Nodes are numbers (pool.h): 20
 * bytes for IPv4, 32 for IPv6.
 *
 * Besides its value a node has a label of 24 bits for the reader that walks
 * the whole trie and cannot afford to look behind the values.
 */
#ifndef ROUTE_RADIX_H
#define ROUTE_RADIX_H

#include <stdint.h>
#include <string.h>

#include "route/pool.h"
#include "route/prefix.h"

#define RADIX_LABEL_MASK 0xffffffu

struct radix_node {
	uint32_t child[2];
	uint32_t value;
	uint32_t meta;  /* length in the top byte, label below */
	uint32_t key[]; /* IPv4: one word; IPv6: hi and lo, native */
};

struct radix {
	struct pool nodes;
	uint32_t root;
	enum family family;
	uint32_t valued; /* nodes with a value */
};

void radix_init(struct radix *r, enum family f);
void radix_done(struct radix *r);

static inline struct radix_node *radix_at(const struct radix *r, uint32_t n)
{
	return pool_at(&r->nodes, n);
}

static inline unsigned radix_len(const struct radix_node *n)
{
	return n->meta >> 24;
}

static inline uint32_t radix_label(const struct radix_node *n)
{
	return n->meta & RADIX_LABEL_MASK;
}

static inline void radix_set_label(struct radix_node *n, uint32_t label)
{
	n->meta = (n->meta & ~RADIX_LABEL_MASK) | (label & RADIX_LABEL_MASK);
}

static inline void radix_key(const struct radix *r, const struct radix_node *n,
			     uint64_t *ret_hi, uint64_t *ret_lo)
{
	if (r->family == FAMILY_IP4) {
		*ret_hi = (uint64_t)n->key[0] << 32;
		*ret_lo = 0;
	} else {
		memcpy(ret_hi, &n->key[0], sizeof(*ret_hi));
		memcpy(ret_lo, &n->key[2], sizeof(*ret_lo));
	}
}

/* Bit number `at` (0 is the first, at < 128) of a left-aligned key. */
static inline unsigned radix_bit(uint64_t hi, uint64_t lo, unsigned at)
{
	return (unsigned)((at < 64 ? hi >> (63 - at) : lo >> (127 - at)) & 1);
}

/* Whether the first len bits of two keys are equal. */
static inline int radix_same(uint64_t ahi, uint64_t alo, uint64_t bhi,
			     uint64_t blo, unsigned len)
{
	if (len <= 64)
		return len == 0 || !((ahi ^ bhi) >> (64 - len));
	return ahi == bhi && !((alo ^ blo) >> (128 - len));
}

/* The node of exactly this prefix, 0 when there is none. It may carry no
 * value. */
uint32_t radix_find(const struct radix *r, const struct prefix *p);

/* Finds or makes the node; 0 when there is no memory. The caller gives a new
 * node a value with radix_set(). */
uint32_t radix_insert(struct radix *r, const struct prefix *p);

/* Gives the node a value; 0 takes it away, and then radix_tidy() of the same
 * prefix must follow, which removes nodes that nothing needs any more. */
void radix_set(struct radix *r, uint32_t n, uint32_t value);
void radix_tidy(struct radix *r, const struct prefix *p);

/* The longest prefix with a value that covers the address; 0: none. */
uint32_t radix_match(const struct radix *r, uint64_t hi, uint64_t lo);

/*
 * What lies in the region of the first `len` bits of a key: the topmost node
 * within it (0: none). *ret_over gets the label of the longest prefix with a
 * value that covers the region and is shorter than len; 0 when there is none.
 */
uint32_t radix_region(const struct radix *r, uint64_t hi, uint64_t lo,
		      unsigned len, uint32_t *ret_over);

/* Calls fn for each node with a value, children first; fn may take the value
 * away (radix_set) but must not insert. Nodes without use are removed. */
void radix_prune(struct radix *r, void (*fn)(void *ctx, uint32_t n), void *ctx);

struct prefix radix_prefix(const struct radix *r, uint32_t n);

#endif
