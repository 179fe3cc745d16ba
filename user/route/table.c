/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODEL
 *
 * Each family has a root of 2^root_bits entries (slots) and one bit a slot
 * that says "out of date". Prefixes as long as the root's stride or shorter
 * mark the slots they cover, longer ones the slot they are in; IPv6 slots can
 * be large (2a00::/16 holds thousands of prefixes), so single changes there
 * wait in a queue and rebuild only what is behind the deepest live entry that
 * wholly contains them. When the queue is full, or a slot was patched so
 * often that its strides no longer fit, the whole slot is marked instead.
 *
 * Flushing a slot or an entry: compile aside, store one word (release), put
 * the blocks behind the old word on the retired list. A failed build has
 * touched nothing, and its mark stays.
 *
 * A change costs what is behind that entry: microseconds for most prefixes,
 * 0.6 ms for an IPv4 /8, up to 7 ms for an IPv6 /12, and a default route
 * touches every slot (IPv4: 140 ms).
 *
 * To keep the peak bounded a flush stops when RETIRED_PART of the pool waits
 * for a grace period; a whole rebuild thus needs the new table plus that.
 */
#include "route/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "asmeter/lookup.h"
#include "route/asdict.h"
#include "route/blocks.h"
#include "route/compile.h"
#include "route/rib.h"

#define RETIRED_PART   8u
#define QUEUE_MAX      1024u
#define PATCHES_MAX    2048u
#define BUSY_CHANGES   4096u
#define BUSY_CALLS_MAX 10u
#define FULL_CALLS_MAX 16u

struct root {
	uint32_t at;
	unsigned bits;
	unsigned steps;
	uint64_t *dirty; /* a bit a slot */
	uint64_t *sum;   /* a bit a word of dirty */
	bool held;
};

/* Blocks by their pointer entries. */
struct retired {
	uint32_t *entry;
	uint32_t n, cap;
};

struct table {
	struct rib *rib;
	struct asm_state *state;
	uint32_t *words;
	uint32_t n_words;
	struct root root[FAMILIES];
	struct blocks blocks;
	struct compiler compiler;
	struct asdict dict;
	struct prefix queue[QUEUE_MAX]; /* IPv6 */
	uint32_t n_queue;
	uint16_t *patches; /* of each IPv6 slot */
	/* sealed: reclaimed with `seal`; open: retired since */
	struct retired open, sealed;
	uint32_t words_retired;
	uint64_t seal;
	uint32_t changes; /* since the last flush */
	uint32_t busy_calls;
	uint32_t repaired;
	uint64_t published, no_space;
	bool stored; /* in this flush */
	/* No room: what did not fit is tried again when something was freed,
	 * else with every second, fourth, ... call. */
	uint32_t full_wait, full_calls;
};

/* -------------------------------------------------------------- marking */

static void mark_slots(struct root *r, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n;) {
		uint32_t w = i / 64;

		if (i % 64 == 0 && first + n - i >= 64) {
			r->dirty[w] = UINT64_MAX;
			i += 64;
		} else {
			r->dirty[w] |= UINT64_C(1) << (i % 64);
			i++;
		}
		r->sum[w / 64] |= UINT64_C(1) << (w % 64);
	}
}

static bool slot_marked(const struct root *r, uint32_t slot)
{
	return r->dirty[slot / 64] >> (slot % 64) & 1;
}

static void slot_clear(struct root *r, uint32_t slot)
{
	uint32_t w = slot / 64;

	r->dirty[w] &= ~(UINT64_C(1) << (slot % 64));
	if (!r->dirty[w])
		r->sum[w / 64] &= ~(UINT64_C(1) << (w % 64));
}

/* Whether any of n slots is marked; both are powers of two or multiples. */
static bool any_marked(const struct root *r, uint32_t first, uint32_t n)
{
	uint32_t w = first / 64;

	if (n < 64)
		return r->dirty[w] >> (first % 64) & ((UINT64_C(1) << n) - 1);
	if (n < 64 * 64)
		return r->sum[w / 64] >> (w % 64) &
		       (n / 64 < 64 ? (UINT64_C(1) << (n / 64)) - 1
				    : UINT64_MAX);
	for (uint32_t i = 0; i < n / (64 * 64); i++)
		if (r->sum[w / 64 + i])
			return true;
	return false;
}

static uint32_t count_marked(const struct root *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < (1u << r->bits) / 64; i++)
		n += (uint32_t)__builtin_popcountll(r->dirty[i]);
	return n;
}

static uint32_t slot_of(const struct root *r, uint64_t hi)
{
	return (uint32_t)(hi >> (64 - r->bits));
}

static void on_change(void *ctx, const struct prefix *p)
{
	struct table *t = ctx;
	struct root *r = &t->root[p->family];
	uint32_t slot = slot_of(r, p->hi);

	t->changes++;
	if (p->len <= r->bits)
		mark_slots(r, slot, 1u << (r->bits - p->len));
	else if (p->family == FAMILY_IP4 || t->n_queue == QUEUE_MAX)
		mark_slots(r, slot, 1);
	else if (!slot_marked(r, slot))
		t->queue[t->n_queue++] = *p;
}

static uint32_t label_of(void *ctx, uint32_t origin_as)
{
	return asdict_index(&((struct table *)ctx)->dict, origin_as);
}

/* ------------------------------------------------------------- retiring */

static void retire_block(struct table *t, uint32_t e)
{
	struct retired *l = &t->open;

	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 1024;
		uint32_t *m = realloc(l->entry, cap * sizeof(*m));

		if (!m)
			return; /* lost until the next process walks */
		l->entry = m;
		l->cap = cap;
	}
	l->entry[l->n++] = e;
	t->words_retired += entry_block_words(e);
}

/* All blocks behind an entry that no live entry refers to any more. Their
 * content is as it was, so it can still be walked. Bounded like a lookup. */
static void retire(struct table *t, uint32_t e)
{
	uint32_t at = e & ASM_OFF_MASK, n = entry_block_words(e);

	if (!(e & ASM_ENTRY_PTR))
		return;
	if (e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX)
		for (uint32_t i = 0; i < n; i++)
			retire(t, t->words[at + i]);
	else
		retire(t, t->words[at + ASM_CMP_EQ]);
	retire_block(t, e);
}

uint64_t table_seal(struct table *t)
{
	struct retired old = t->sealed;

	if (!t->open.n)
		return old.n ? t->seal : 0;
	if (old.n) {
		/* The grace period of the older ones starts again: there is
		 * one list only, and the caller waits for one at a time. */
		for (uint32_t i = 0; i < old.n; i++)
			t->words_retired -= entry_block_words(old.entry[i]);
		for (uint32_t i = 0; i < old.n; i++)
			retire_block(t, old.entry[i]);
	}
	t->sealed = t->open;
	old.n = 0;
	t->open = old;
	return ++t->seal;
}

void table_reclaim(struct table *t, uint64_t seal)
{
	struct retired *l = &t->sealed;

	if (seal != t->seal)
		return;
	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t n = entry_block_words(l->entry[i]);

		blocks_free(&t->blocks, l->entry[i] & ASM_OFF_MASK, n);
		t->words_retired -= n;
	}
	if (l->n)
		t->full_wait = t->full_calls = 0;
	l->n = 0;
}

/* ----------------------------------------------------------- publishing */

static void publish(struct table *t, uint32_t at, uint32_t e)
{
	uint32_t old = t->words[at];

	if (e == old)
		return; /* the same leaf: blocks are never the same */
	__atomic_store_n(&t->words[at], e, __ATOMIC_RELEASE);
	retire(t, old);
	t->published++;
	t->stored = true;
}

/* Compiles the region and stores its entry at words[word]. */
static int rebuild(struct table *t, uint32_t word, const struct region *g,
		   struct rib_cursor *at)
{
	uint32_t e;
	int rc = compile_region(&t->compiler, g, at, &e);

	if (rc)
		t->no_space++;
	else
		publish(t, word, e);
	return rc;
}

static bool retired_enough(const struct table *t)
{
	return t->words_retired >= (t->n_words - ASM_POOL_AT) / RETIRED_PART;
}

/* Slots that nothing longer than their own length is in. */
static void flush_plain(struct table *t, struct root *r, uint32_t slot,
			uint32_t n, uint32_t label)
{
	for (; n; n--, slot++) {
		if (!slot_marked(r, slot))
			continue;
		slot_clear(r, slot);
		publish(t, r->at + slot, label);
	}
}

/* Whether the prefix at the cursor, which is not before `in`, is within it; a
 * cursor that is further back is put there. */
static bool seek_within(const struct table *t, struct rib_cursor *at,
			struct prefix in)
{
	if (at->len != RIB_END && at->hi < in.hi)
		rib_seek(at, t->rib, &in);
	return at->len != RIB_END &&
	       prefix_common(at->hi, at->lo, in.hi, in.lo) >= in.len;
}

/*
 * The marked ones of the slots within the first len bits of hi. label is of
 * what is shorter and covers them; the cursor is not behind the first route
 * there. Recursion follows the bits of the root. Returns -EAGAIN when it is
 * time for a reclaim, else the last failure.
 */
static int flush_slots(struct table *t, struct root *r, struct rib_cursor *at,
		       uint64_t hi, unsigned len, uint32_t label)
{
	const struct prefix in = {hi, 0, (uint8_t)len, (uint8_t)at->family};
	uint32_t slot = slot_of(r, hi), n = 1u << (r->bits - len);
	int rc = 0;

	if (!any_marked(r, slot, n))
		return 0;
	if (!seek_within(t, at, in)) {
		flush_plain(t, r, slot, n, label);
		return 0;
	}
	if (n == 1) {
		const struct region g = {in, label, r->steps};

		if (retired_enough(t))
			return -EAGAIN;
		rc = rebuild(t, r->at + slot, &g, at);
		if (!rc)
			slot_clear(r, slot);
		return rc;
	}
	if (at->len == len) {
		label = at->label;
		rib_next(at);
	}
	len++;
	for (unsigned i = 0; i < 2 && rc != -EAGAIN; i++) {
		int rc2 = flush_slots(t, r, at, hi, len, label);

		rc = rc2 ? rc2 : rc;
		hi |= UINT64_C(1) << (64 - len);
	}
	return rc;
}

/* The way to the deepest live entry whose region contains p. */
struct way {
	uint32_t at[ASM_STEPS6 + 1]; /* places of the entries, root first */
	unsigned n;                  /* steps taken: at[n] is the last */
	unsigned depth;              /* of its region */
};

static void way_find(const struct table *t, const struct root *r,
		     const struct prefix *p, struct way *w)
{
	w->n = 0;
	w->depth = r->bits;
	w->at[0] = r->at + slot_of(r, p->hi);
	while (t->words[w->at[w->n]] & ASM_ENTRY_PTR && w->n < r->steps) {
		uint32_t e = t->words[w->at[w->n]], off = e & ASM_OFF_MASK;
		unsigned s = e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX;
		unsigned n = s ? s : t->words[off + ASM_CMP_BITS];
		uint32_t bits = 0;

		if (w->depth + n > p->len)
			break;
		for (unsigned i = 0; i < n; i++)
			bits = bits << 1 |
			       prefix_bit(p->hi, p->lo, w->depth + i);
		if (!s && bits != t->words[off + ASM_CMP_VALUE])
			break;
		w->at[++w->n] = off + (s ? bits : ASM_CMP_EQ);
		w->depth += n;
	}
}

/* Whether everything behind a pointer entry is the same leaf. */
static bool uniform(const struct table *t, uint32_t e, uint32_t leaf)
{
	const uint32_t *w = &t->words[e & ASM_OFF_MASK];

	if (!(e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX))
		return w[ASM_CMP_EQ] == leaf && w[ASM_CMP_NE] == leaf;
	for (uint32_t i = 0; i < entry_block_words(e); i++)
		if (w[i] != leaf)
			return false;
	return true;
}

/* One queued change: rebuilds the deepest entry that contains it; when that
 * became a leaf, blocks above that say only this go, too. */
static int flush_one(struct table *t, struct root *r, const struct prefix *p)
{
	struct region g = {.within = *p};
	uint32_t slot = slot_of(r, p->hi), leaf;
	struct rib_cursor at;
	struct way w;
	int rc;

	if (slot_marked(r, slot))
		return 0;
	if (++t->patches[slot] > PATCHES_MAX) {
		t->patches[slot] = 0;
		mark_slots(r, slot, 1);
		return 0;
	}
	way_find(t, r, p, &w);
	g.within.len = (uint8_t)w.depth;
	g.within = prefix_mask(g.within);
	g.label = rib_label_over(t->rib, &g.within);
	g.steps = r->steps - w.n;
	rib_seek(&at, t->rib, &g.within);
	rc = rebuild(t, w.at[w.n], &g, &at);
	leaf = t->words[w.at[w.n]];
	while (!rc && !(leaf & ASM_ENTRY_PTR) && w.n &&
	       uniform(t, t->words[w.at[w.n - 1]], leaf))
		publish(t, w.at[--w.n], leaf);
	return rc;
}

static int flush_queue(struct table *t)
{
	struct root *r = &t->root[FAMILY_IP6];
	uint32_t i, keep = 0;
	int rc = 0, rc2;

	for (i = 0; i < t->n_queue && !retired_enough(t); i++) {
		rc2 = flush_one(t, r, &t->queue[i]);
		if (rc2) {
			rc = rc2;
			t->queue[keep++] = t->queue[i];
		}
	}
	if (i < t->n_queue)
		rc = -EAGAIN;
	memmove(&t->queue[keep], &t->queue[i],
		(t->n_queue - i) * sizeof(t->queue[0]));
	t->n_queue = keep + (t->n_queue - i);
	return rc;
}

static bool put_off(struct table *t, enum table_flush how)
{
	bool busy = t->changes >= BUSY_CHANGES && how == TABLE_FLUSH_BUSY &&
		    t->busy_calls < BUSY_CALLS_MAX;

	t->changes = 0;
	t->busy_calls = busy ? t->busy_calls + 1 : 0;
	return busy;
}

uint32_t table_changes(const struct table *t)
{
	return t->changes;
}

/* What stopped it: 0, -EAGAIN (reclaim first), or a failure. */
static int flush_family(struct table *t, enum family f)
{
	const struct prefix all = {.family = (uint8_t)f};
	int rc = f == FAMILY_IP6 ? flush_queue(t) : 0, rc2;
	struct rib_cursor at;

	rib_seek(&at, t->rib, &all);
	rc2 = flush_slots(t, &t->root[f], &at, 0, 0, 0);
	return rc == -EAGAIN || !rc2 ? rc : rc2;
}

int table_flush(struct table *t, enum table_flush how, uint64_t now_s)
{
	bool held = false, again = false;
	int rc = 0;

	if (put_off(t, how))
		return TABLE_LATER;
	if (t->full_calls) {
		t->full_calls--;
		return -ENOSPC;
	}
	t->stored = false;
	for (unsigned f = 0; f < FAMILIES; f++) {
		int rc2 = 0;

		if (t->root[f].held)
			held = true;
		else
			rc2 = flush_family(t, (enum family)f);
		again |= rc2 == -EAGAIN;
		rc = rc2 ? rc2 : rc;
	}
	if (t->stored) {
		t->state->table_published_at = now_s;
		__atomic_store_n(&t->state->table_epoch,
				 t->state->table_epoch + 1, __ATOMIC_RELEASE);
	}
	if (again || (rc && t->words_retired))
		return TABLE_MORE;
	t->full_wait = !rc                             ? 0
		       : t->full_wait < FULL_CALLS_MAX ? t->full_wait * 2 + 1
						       : FULL_CALLS_MAX;
	t->full_calls = t->full_wait;
	return rc ? -ENOSPC : held ? TABLE_LATER : TABLE_CLEAN;
}

/* -------------------------------------------------------- opening, walk */

/* Whether the entry can be right at depth d with `steps` left; claims its
 * block. */
static bool entry_sound(struct table *t, uint32_t e, unsigned bits, unsigned d,
			unsigned steps)
{
	uint32_t at = e & ASM_OFF_MASK;
	unsigned s = e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX, n = s;

	if (!(e & ASM_ENTRY_PTR))
		return e < *t->dict.n_as;
	if (!steps || at < ASM_POOL_AT || at >= t->n_words)
		return false;
	if (!s) {
		if (bits == 32 || steps > ASM_STEPS6 - ASM_PLAIN6)
			return false;
		at &= ~(ASM_CMP_WORDS - 1);
		n = t->words[at + ASM_CMP_BITS];
		if (n < 1 || n > 32 ||
		    t->words[at + ASM_CMP_NE] >= *t->dict.n_as)
			return false;
	}
	if (bits == 32 && d == ASM_ROOT4_BITS && s != ASM_FIRST4_BITS)
		return false;
	return d + n <= bits && bits - d - n <= ASM_STEP_BITS * (steps - 1) &&
	       blocks_claim(&t->blocks, e & ASM_OFF_MASK,
			    entry_block_words(e)) == 0;
}

/* Walks what lies behind words[at]; true when it answers anything at all. */
static bool adopt(struct table *t, uint32_t at, unsigned bits, unsigned d,
		  unsigned steps)
{
	uint32_t e = t->words[at], off = e & ASM_OFF_MASK;
	unsigned s = e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX;
	bool any = false;

	if (!entry_sound(t, e, bits, d, steps)) {
		__atomic_store_n(&t->words[at], ASM_AS_NONE, __ATOMIC_RELEASE);
		t->repaired++;
		return false;
	}
	if (!(e & ASM_ENTRY_PTR))
		return e != ASM_AS_NONE;
	if (!s)
		return adopt(t, off + ASM_CMP_EQ, bits,
			     d + t->words[off + ASM_CMP_BITS], steps - 1) ||
		       t->words[off + ASM_CMP_NE] != ASM_AS_NONE;
	for (uint32_t i = 0; i < 1u << s; i++)
		any |= adopt(t, off + i, bits, d + s, steps - 1);
	return any;
}

static int root_open(struct table *t, enum family f)
{
	struct root *r = &t->root[f];
	bool any = false;

	r->at = f == FAMILY_IP4 ? ASM_ROOT4_AT : ASM_ROOT6_AT;
	r->bits = f == FAMILY_IP4 ? ASM_ROOT4_BITS : ASM_ROOT6_BITS;
	r->steps = f == FAMILY_IP4 ? ASM_STEPS4 : ASM_STEPS6;
	r->dirty = calloc((1u << r->bits) / 64, sizeof(*r->dirty));
	r->sum = calloc((1u << r->bits) / 64 / 64, sizeof(*r->sum));
	if (!r->dirty || !r->sum)
		return -ENOMEM;
	for (uint32_t i = 0; i < 1u << r->bits; i++)
		any |= adopt(t, r->at + i, family_bits(f), r->bits, r->steps);
	r->held = any;
	if (rib_prefixes(t->rib, f))
		mark_slots(r, 0, 1u << r->bits);
	return 0;
}

int table_open(const struct table_cfg *cfg, struct rib *rib, struct table **ret)
{
	struct table *t;
	int rc;

	if (cfg->n_words < TABLE_WORDS_MIN || cfg->n_words > ASM_OFF_MASK + 1 ||
	    cfg->n_words & (cfg->n_words - 1))
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->rib = rib;
	t->state = cfg->state;
	t->words = cfg->words;
	t->n_words = cfg->n_words;
	compiler_init(&t->compiler, &t->blocks);
	rc = asdict_init(&t->dict, cfg->as, &cfg->state->n_as, cfg->as_slots);
	if (!rc)
		rc = blocks_init(&t->blocks, t->words, ASM_POOL_AT, t->n_words);
	t->patches = calloc(1u << ASM_ROOT6_BITS, sizeof(*t->patches));
	if (!rc && !t->patches)
		rc = -ENOMEM;
	for (unsigned f = 0; !rc && f < FAMILIES; f++)
		rc = root_open(t, (enum family)f);
	if (rc) {
		t->rib = NULL;
		table_close(t);
		return rc;
	}
	blocks_claim_done(&t->blocks);
	rib_label_by(rib, label_of, t);
	rib_on_change(rib, on_change, t);
	*ret = t;
	return 0;
}

void table_close(struct table *t)
{
	if (!t)
		return;
	if (t->rib) {
		rib_on_change(t->rib, NULL, NULL);
		rib_label_by(t->rib, NULL, NULL);
	}
	for (unsigned f = 0; f < FAMILIES; f++) {
		free(t->root[f].dirty);
		free(t->root[f].sum);
	}
	free(t->patches);
	free(t->open.entry);
	free(t->sealed.entry);
	compiler_done(&t->compiler);
	blocks_done(&t->blocks);
	asdict_done(&t->dict);
	free(t);
}

bool table_held(const struct table *t, enum family f)
{
	return t->root[f].held;
}

void table_release(struct table *t, enum family f)
{
	struct root *r = &t->root[f];

	if (!r->held)
		return;
	r->held = false;
	t->full_calls = 0;
	mark_slots(r, 0, 1u << r->bits);
}

/* -------------------------------------------------------------- reading */

uint32_t table_lookup(const struct table *t, const struct addr *a)
{
	uint32_t mask = t->n_words - 1, ix;

	ix = a->family == FAMILY_IP4
		     ? asm_lookup4(t->words, mask, (uint32_t)(a->hi >> 32))
		     : asm_lookup6(t->words, mask, a->hi, a->lo);
	return t->dict.as[ix].asn;
}

void table_stats(const struct table *t, struct table_stats *ret)
{
	*ret = (struct table_stats){
		.words = t->n_words,
		.words_used = ASM_POOL_AT + t->blocks.used_words,
		.words_retired = t->words_retired,
		.blocks = t->blocks.used_blocks,
		.as_count = *t->dict.n_as - 1,
		.behind = count_marked(&t->root[FAMILY_IP4]) +
			  count_marked(&t->root[FAMILY_IP6]) + t->n_queue,
		.repaired = t->repaired,
		.epoch = t->state->table_epoch,
		.published = t->published,
		.no_space = t->no_space,
		.as_refused = t->dict.refused,
	};
	for (unsigned f = 0; f < FAMILIES; f++)
		ret->prefixes[f] =
			(uint32_t)rib_prefixes(t->rib, (enum family)f);
}
