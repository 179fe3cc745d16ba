/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODEL
 *
 * First the region is melted: a tree that knows no routes, only which AS
 * answers where. A reference is a leaf (the AS index) or a node. A node
 * stands for a region of depth `from`: addresses that do not follow its key
 * up to bit `to` are answered by `other`, those that do are told apart by bit
 * `to`. Invariants: no node has two equal leaves; a node that could be told
 * as the stretch of its only child is melted into it. So what several routes
 * of one AS say together costs what one of them costs.
 *
 * Then entries are made from the top: a stretch of ASM_STEP_BITS bits or more
 * becomes a compare node (IPv6, behind the first ASM_PLAIN6 steps); otherwise
 * the branch gets the largest stride whose entries are used well enough (FILL).
 *
 * DEPTH
 *
 * bits left <= ASM_STEP_BITS * steps left holds at every entry; a stride (or
 * a compare) is long enough to keep it so. Hence no chain of nested prefixes,
 * however made, takes more steps than a lookup has.
 */
#include "route/compile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "asmeter/abi.h"
#include "asmeter/lookup.h"

/*
 * A stride s needs 2^s / FILL different entries. IPv6 spends room to save
 * steps: 3, 8, 12 and 16 made the table 11.6, 15.6, 18.2 and 22.6 MB, and
 * left 56, 40, 19 and 12 % of the lookups of announced addresses more than
 * ASM_PLAIN6 steps. When the table is FULL_PART full, room comes first.
 */
#define FILL4            3u
#define FILL6            12u
#define FILL_FULL        3u
#define FULL_PART(words) ((words) / 4 * 3)

#define IS_NODE ASM_ENTRY_PTR

struct melt {
	uint64_t hi, lo;
	uint32_t other;
	uint32_t c[2];
	uint8_t from, to;
};

void compiler_init(struct compiler *c, struct blocks *blocks)
{
	*c = (struct compiler){.blocks = blocks};
}

void compiler_done(struct compiler *c)
{
	free(c->melt);
	free(c->built);
	*c = (struct compiler){0};
}

uint32_t entry_block_words(uint32_t entry)
{
	uint32_t s = entry >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX;

	return s ? 1u << s : ASM_CMP_WORDS;
}

/* -------------------------------------------------------------- melting */

static struct melt *melt_at(const struct compiler *c, uint32_t ref)
{
	return &c->melt[ref & ~IS_NODE];
}

/* Room for one more node; -ENOMEM. */
static int melt_grow(struct compiler *c)
{
	uint32_t cap = c->cap_melt ? c->cap_melt * 2 : 256;
	struct melt *m = realloc(c->melt, cap * sizeof(*m));

	if (!m)
		return -ENOMEM;
	c->melt = m;
	c->cap_melt = cap;
	return 0;
}

/* Without memory an answer that compile_region() does not use. */
static uint32_t melt_new(struct compiler *c, struct melt m)
{
	if (c->n_melt == c->cap_melt && !c->rc_melt)
		c->rc_melt = melt_grow(c);
	if (c->rc_melt)
		return ASM_AS_NONE;
	c->melt[c->n_melt] = m;
	return c->n_melt++ | IS_NODE;
}

/* Whether the node can be told as a stretch beside which `other` answers. */
static int melt_fits(const struct melt *m, uint32_t other)
{
	return m->from == m->to || m->other == other;
}

/* The region that is told apart by bit `at` of the key into c0 and c1. */
static uint32_t melt_join(struct compiler *c, const struct melt *key,
			  unsigned at, uint32_t c0, uint32_t c1)
{
	const uint32_t ref[2] = {c0, c1};

	if (c0 == c1)
		return c0; /* leaves: two nodes are never the same one */
	for (unsigned i = 0; i < 2; i++) {
		uint32_t leaf = ref[!i], node = ref[i];

		if (leaf & IS_NODE || !(node & IS_NODE) ||
		    !melt_fits(melt_at(c, node), leaf))
			continue;
		melt_at(c, node)->from = (uint8_t)at;
		melt_at(c, node)->other = leaf;
		return node;
	}
	return melt_new(c, (struct melt){.hi = key->hi,
					 .lo = key->lo,
					 .c = {c0, c1},
					 .from = (uint8_t)at,
					 .to = (uint8_t)at});
}

/* The region of depth `from` in which `ref`, of depth `to`, is all that
 * differs from `other`. */
static uint32_t melt_stretch(struct compiler *c, const struct melt *key,
			     unsigned from, unsigned to, uint32_t ref,
			     uint32_t other)
{
	struct melt m = {.hi = key->hi,
			 .lo = key->lo,
			 .other = other,
			 .from = (uint8_t)from,
			 .to = (uint8_t)(to - 1)};
	unsigned side;

	if (from == to || ref == other)
		return ref;
	if (ref & IS_NODE && melt_fits(melt_at(c, ref), other)) {
		melt_at(c, ref)->from = (uint8_t)from;
		melt_at(c, ref)->other = other;
		return ref;
	}
	side = prefix_bit(m.hi, m.lo, m.to);
	m.c[side] = ref;
	m.c[!side] = other;
	return melt_new(c, m);
}

/* Bits that the prefix at the cursor and the key have in common. */
static unsigned same_bits(const struct rib_cursor *at, const struct melt *key)
{
	if (at->len == RIB_END)
		return 0;
	return prefix_common(at->hi, at->lo, key->hi, key->lo);
}

/*
 * The region of that depth in which the prefix at the cursor is; label is what
 * covers it. Takes all prefixes of the region in order: those inside the first
 * one, then whatever branches off it ever further up.
 */
static uint32_t melt_region(struct compiler *c, struct rib_cursor *at,
			    unsigned depth, uint32_t label)
{
	const struct melt key = {.hi = at->hi, .lo = at->lo};
	uint32_t in = at->label, ref = in, half[2] = {in, in};
	unsigned len = at->len, same;

	rib_next(at);
	while (at->len != RIB_END && same_bits(at, &key) >= len) {
		unsigned side = prefix_bit(at->hi, at->lo, len);

		half[side] = melt_region(c, at, len + 1, in);
	}
	if (half[0] != in || half[1] != in)
		ref = melt_join(c, &key, len, half[0], half[1]);
	while (at->len != RIB_END && (same = same_bits(at, &key)) >= depth) {
		half[0] = melt_stretch(c, &key, same + 1, len, ref, label);
		half[1] = melt_region(c, at, same + 1, label);
		ref = melt_join(c, &key, same, half[0], half[1]);
		len = same;
	}
	return melt_stretch(c, &key, depth, len, ref, label);
}

/* -------------------------------------------------------------- entries */

struct build {
	struct compiler *c;
	unsigned bits; /* of the family */
	bool full;     /* little room left */
	int rc;
};

static uint32_t emit(struct build *b, uint32_t ref, unsigned d, unsigned steps);

static uint32_t block_new(struct build *b, uint32_t stride)
{
	struct compiler *c = b->c;
	uint32_t e = ASM_ENTRY_PTR | stride << ASM_STRIDE_SHIFT, at;

	if (c->n_built == c->cap_built) {
		uint32_t cap = c->cap_built ? c->cap_built * 2 : 256;
		uint32_t *m = realloc(c->built, cap * sizeof(*m));

		if (!m) {
			b->rc = -ENOMEM;
			return 0;
		}
		c->built = m;
		c->cap_built = cap;
	}
	at = blocks_alloc(c->blocks, entry_block_words(e));
	if (!at) {
		b->rc = -ENOSPC;
		return 0;
	}
	e |= at;
	c->built[c->n_built++] = e;
	return e;
}

/*
 * How many different entries a branch at depth d would have for each stride
 * up to max: leaves met on the way count once, and so does what goes on.
 */
static void density(const struct compiler *c, uint32_t ref, unsigned rel,
		    unsigned d, unsigned max, uint32_t *leaf, uint32_t *node)
{
	const struct melt *m;

	if (!(ref & IS_NODE)) {
		leaf[rel]++;
		return;
	}
	m = melt_at(c, ref);
	for (; d < m->to; d++) {
		node[rel]++;
		if (rel == max)
			return;
		leaf[++rel]++;
	}
	node[rel]++;
	if (rel == max)
		return;
	density(c, m->c[0], rel + 1, d + 1, max, leaf, node);
	density(c, m->c[1], rel + 1, d + 1, max, leaf, node);
}

static unsigned pick_stride(const struct build *b, uint32_t ref, unsigned d,
			    unsigned steps)
{
	uint32_t leaf[ASM_STRIDE_MAX + 1] = {0}, node[ASM_STRIDE_MAX + 1] = {0};
	unsigned left = b->bits - d, spare = ASM_STEP_BITS * (steps - 1);
	unsigned max = left < ASM_STRIDE_MAX ? left : ASM_STRIDE_MAX;
	unsigned pick = left > spare ? left - spare : 1;
	uint32_t leaves = 0;
	uint32_t few = b->bits == 32 ? FILL4 : b->full ? FILL_FULL : FILL6;

	if (b->bits == 32 && d == ASM_ROOT4_BITS)
		return ASM_FIRST4_BITS;
	density(b->c, ref, 0, d, max, leaf, node);
	/* Beyond the last depth at which anything goes on there is nothing
	 * to tell apart. */
	for (unsigned s = 0; s <= max && (s == 0 || node[s - 1]); s++) {
		leaves += leaf[s];
		if (s > pick && (leaves + node[s]) * few >= 1u << s)
			pick = s;
	}
	return pick;
}

/* Fills 2^s entries at `at` with the region of depth d. */
static void fill(struct build *b, uint32_t ref, unsigned d, unsigned s,
		 uint32_t at, unsigned steps)
{
	uint32_t *words = b->c->blocks->words, half;
	const struct melt *m;
	unsigned side;

	if (b->rc)
		return;
	if (!(ref & IS_NODE)) {
		for (uint32_t i = 0; i < 1u << s; i++)
			words[at + i] = ref;
		return;
	}
	if (s == 0) {
		words[at] = emit(b, ref, d, steps);
		return;
	}
	m = melt_at(b->c, ref);
	half = 1u << (s - 1);
	if (d == m->to) {
		fill(b, m->c[0], d + 1, s - 1, at, steps);
		fill(b, m->c[1], d + 1, s - 1, at + half, steps);
		return;
	}
	side = prefix_bit(m->hi, m->lo, d);
	fill(b, ref, d + 1, s - 1, side ? at + half : at, steps);
	fill(b, m->other, d + 1, s - 1, side ? at : at + half, steps);
}

/* n bits (1..32) of a key from bit d on. */
static uint32_t key_bits(const struct melt *m, unsigned d, unsigned n)
{
	uint64_t v = d >= 64 ? m->lo << (d - 64)
		     : d     ? m->hi << d | m->lo >> (64 - d)
			     : m->hi;

	return (uint32_t)(v >> (64 - n));
}

/* The compare node for a stretch at depth d, if one should be; 0 if not. */
static uint32_t emit_compare(struct build *b, uint32_t ref, unsigned d,
			     unsigned steps)
{
	const struct melt *m = melt_at(b->c, ref);
	unsigned n = m->to - d, left = b->bits - d;
	uint32_t *words = b->c->blocks->words, e, at, value, behind = ref;

	if (n >= 32) {
		n = 32;
		value = key_bits(m, d, n);
	} else if (n && (m->c[0] == m->other || m->c[1] == m->other)) {
		/* one side of the last bit is like all the rest: skip it, too
		 */
		value = key_bits(m, d, n) << 1 | (m->c[0] == m->other);
		behind = m->c[value & 1];
		n++;
	} else {
		value = n ? key_bits(m, d, n) : 0;
	}
	if (n < ASM_STEP_BITS || left - n > ASM_STEP_BITS * (steps - 1))
		return 0;
	e = block_new(b, 0);
	if (!e)
		return 0;
	at = e & ASM_OFF_MASK;
	words[at + ASM_CMP_BITS] = n;
	words[at + ASM_CMP_VALUE] = value;
	words[at + ASM_CMP_NE] = m->other;
	words[at + ASM_CMP_EQ] = emit(b, behind, d + n, steps - 1);
	return e;
}

static uint32_t emit(struct build *b, uint32_t ref, unsigned d, unsigned steps)
{
	uint32_t e = 0;
	unsigned s;

	if (!(ref & IS_NODE) || b->rc)
		return ref & IS_NODE ? 0 : ref;
	if (b->bits > 32 && steps <= ASM_STEPS6 - ASM_PLAIN6)
		e = emit_compare(b, ref, d, steps);
	if (e || b->rc)
		return e;
	s = pick_stride(b, ref, d, steps);
	e = block_new(b, s);
	if (e)
		fill(b, ref, d, s, e & ASM_OFF_MASK, steps - 1);
	return e;
}

int compile_region(struct compiler *c, const struct region *g,
		   struct rib_cursor *at, uint32_t *ret_entry)
{
	const struct prefix *p = &g->within;
	struct build b = {
		.c = c,
		.bits = family_bits((enum family)p->family),
		.full = c->blocks->used_words >
			FULL_PART(c->blocks->n_words - c->blocks->first),
	};
	uint32_t ref = g->label, e;

	c->n_melt = 0;
	c->n_built = 0;
	c->rc_melt = 0;
	if (at->len != RIB_END &&
	    prefix_common(at->hi, at->lo, p->hi, p->lo) >= p->len)
		ref = melt_region(c, at, p->len, g->label);
	if (c->rc_melt)
		return c->rc_melt;
	e = emit(&b, ref, p->len, g->steps);
	if (b.rc) {
		for (uint32_t i = 0; i < c->n_built; i++)
			blocks_free(c->blocks, c->built[i] & ASM_OFF_MASK,
				    entry_block_words(c->built[i]));
		return b.rc;
	}
	*ret_entry = e;
	return 0;
}
