/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/radix.h"

#define NODE4_SIZE 20u
#define NODE6_SIZE 32u

void radix_init(struct radix *r, enum family f)
{
	*r = (struct radix){.family = f};
	pool_init(&r->nodes, f == FAMILY_IP4 ? NODE4_SIZE : NODE6_SIZE);
}

void radix_done(struct radix *r)
{
	pool_done(&r->nodes);
	radix_init(r, r->family);
}

struct prefix radix_prefix(const struct radix *r, uint32_t n)
{
	const struct radix_node *node = radix_at(r, n);
	struct prefix p = {.len = (uint8_t)radix_len(node),
			   .family = (uint8_t)r->family};

	radix_key(r, node, &p.hi, &p.lo);
	return p;
}

static uint32_t node_new(struct radix *r, const struct prefix *p)
{
	uint32_t n = pool_alloc(&r->nodes);
	struct radix_node *node;

	if (!n)
		return 0;
	node = radix_at(r, n);
	node->meta = (uint32_t)p->len << 24;
	if (r->family == FAMILY_IP4) {
		node->key[0] = (uint32_t)(p->hi >> 32);
	} else {
		memcpy(&node->key[0], &p->hi, sizeof(p->hi));
		memcpy(&node->key[2], &p->lo, sizeof(p->lo));
	}
	return n;
}

/* Length of what two keys have in common, at most max. */
static unsigned common(uint64_t ahi, uint64_t alo, uint64_t bhi, uint64_t blo,
		       unsigned max)
{
	unsigned n = 128;

	if (ahi != bhi)
		n = (unsigned)__builtin_clzll(ahi ^ bhi);
	else if (alo != blo)
		n = 64 + (unsigned)__builtin_clzll(alo ^ blo);
	return n < max ? n : max;
}

uint32_t radix_find(const struct radix *r, const struct prefix *p)
{
	uint32_t n = r->root;

	while (n) {
		const struct radix_node *node = radix_at(r, n);
		uint64_t hi, lo;

		if (radix_len(node) >= p->len) {
			radix_key(r, node, &hi, &lo);
			return radix_len(node) == p->len && hi == p->hi &&
					       lo == p->lo
				       ? n
				       : 0;
		}
		n = node->child[radix_bit(p->hi, p->lo, radix_len(node))];
	}
	return 0;
}

static void link_set(struct radix *r, uint32_t parent, unsigned side,
		     uint32_t n)
{
	if (parent)
		radix_at(r, parent)->child[side] = n;
	else
		r->root = n;
}

/* Puts a new node for p above `below`, which it may contain or only meet in a
 * branch that is made here, too. */
static uint32_t insert_above(struct radix *r, const struct prefix *p,
			     uint32_t parent, unsigned side, uint32_t below)
{
	struct prefix old = radix_prefix(r, below);
	unsigned max = p->len < old.len ? p->len : old.len;
	unsigned n_same = common(p->hi, p->lo, old.hi, old.lo, max);
	struct prefix fork = *p;
	uint32_t n = node_new(r, p), top = n;

	if (!n)
		return 0;
	if (n_same < p->len) {
		fork.len = (uint8_t)n_same;
		fork = prefix_mask(fork);
		top = node_new(r, &fork);
		if (!top) {
			pool_free(&r->nodes, n);
			return 0;
		}
		radix_at(r, top)->child[radix_bit(p->hi, p->lo, n_same)] = n;
	}
	radix_at(r, top)->child[radix_bit(old.hi, old.lo, n_same)] = below;
	link_set(r, parent, side, top);
	return n;
}

uint32_t radix_insert(struct radix *r, const struct prefix *p)
{
	uint32_t n = r->root, parent = 0;
	unsigned side = 0;

	while (n) {
		const struct radix_node *node = radix_at(r, n);
		unsigned len = radix_len(node);
		uint64_t hi, lo;

		radix_key(r, node, &hi, &lo);
		if (len > p->len || !radix_same(hi, lo, p->hi, p->lo, len))
			return insert_above(r, p, parent, side, n);
		if (len == p->len)
			return n;
		parent = n;
		side = radix_bit(p->hi, p->lo, len);
		n = node->child[side];
	}
	n = node_new(r, p);
	if (n)
		link_set(r, parent, side, n);
	return n;
}

void radix_set(struct radix *r, uint32_t n, uint32_t value)
{
	struct radix_node *node = radix_at(r, n);

	r->valued += (value != 0) - (uint32_t)(node->value != 0);
	node->value = value;
	if (!value)
		radix_set_label(node, 0);
}

/* The node itself, its only child, or nobody: what should stand in its place
 * when it has no value. */
static uint32_t node_heir(const struct radix *r, uint32_t n)
{
	const struct radix_node *node = radix_at(r, n);

	if (node->value || (node->child[0] && node->child[1]))
		return n;
	return node->child[0] ? node->child[0] : node->child[1];
}

void radix_tidy(struct radix *r, const struct prefix *p)
{
	uint32_t n = r->root, up[2] = {0, 0}, heir;
	unsigned side[2] = {0, 0};

	while (n && radix_len(radix_at(r, n)) < p->len) {
		up[1] = up[0];
		side[1] = side[0];
		up[0] = n;
		side[0] = radix_bit(p->hi, p->lo, radix_len(radix_at(r, n)));
		n = radix_at(r, n)->child[side[0]];
	}
	/* the node, and then its parent, which may have lost a child */
	for (unsigned i = 0; n && i < 2; i++) {
		heir = node_heir(r, n);
		if (heir == n)
			return;
		link_set(r, up[i], side[i], heir);
		pool_free(&r->nodes, n);
		n = up[0];
	}
}

uint32_t radix_match(const struct radix *r, uint64_t hi, uint64_t lo)
{
	unsigned bits = family_bits(r->family);
	uint32_t n = r->root, best = 0;

	while (n) {
		const struct radix_node *node = radix_at(r, n);
		unsigned len = radix_len(node);
		uint64_t khi, klo;

		radix_key(r, node, &khi, &klo);
		if (!radix_same(khi, klo, hi, lo, len))
			break;
		if (node->value)
			best = n;
		if (len >= bits)
			break;
		n = node->child[radix_bit(hi, lo, len)];
	}
	return best;
}

uint32_t radix_region(const struct radix *r, uint64_t hi, uint64_t lo,
		      unsigned len, uint32_t *ret_over)
{
	uint32_t n = r->root, over = 0;
	uint64_t khi, klo;

	while (n) {
		const struct radix_node *node = radix_at(r, n);
		unsigned nlen = radix_len(node);

		radix_key(r, node, &khi, &klo);
		if (!radix_same(khi, klo, hi, lo, nlen < len ? nlen : len)) {
			n = 0;
			break;
		}
		if (nlen >= len)
			break;
		if (node->value)
			over = radix_label(node);
		n = node->child[radix_bit(hi, lo, nlen)];
	}
	*ret_over = over;
	return n;
}

/* Recursion is bounded by the address length. */
static void prune(struct radix *r, uint32_t parent, unsigned side, uint32_t n,
		  void (*fn)(void *ctx, uint32_t n), void *ctx)
{
	uint32_t heir;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t c = radix_at(r, n)->child[i];

		if (c)
			prune(r, n, i, c, fn, ctx);
	}
	if (radix_at(r, n)->value)
		fn(ctx, n);
	heir = node_heir(r, n);
	if (heir != n) {
		link_set(r, parent, side, heir);
		pool_free(&r->nodes, n);
	}
}

void radix_prune(struct radix *r, void (*fn)(void *ctx, uint32_t n), void *ctx)
{
	if (r->root)
		prune(r, 0, 0, r->root, fn, ctx);
}
