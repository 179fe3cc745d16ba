/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODEL
 *
 * A B+ tree of three levels: leaves of up to LEAF prefixes; shelves of up to
 * SHELF leaves, with a fence before each; one array of the shelves, with a
 * fence before each. What is behind a fence is not below it, and what is before
 * it is; a fence may be lower than it need be. No leaf and no shelf is empty.
 *
 * ROOM
 *
 * A leaf that is full gives entries to the one behind or before it on its
 * shelf; only when neither has room, it is split. So leaves are some 85 % full,
 * where those of a plain B+ tree are 60 %.
 *
 * WHY NOT A TRIE
 *
 * Measured with the real table, 968,428 IPv4 and 177,846 IPv6 prefixes, as a
 * neighbour sends it (by origin AS, so all over the address space); a trie
 * with path compression, 20 or 32 bytes a node and a path of 24 bytes behind
 * each prefix, is what was here before:
 *
 *                                     trie      this
 *   memory                         73.4 MB   21.9 MB
 *   a prefix announced              370 ns    125 ns
 *   announced again, the same       300 ns    119 ns
 *   longest match of an address   2,000 ns    580 ns
 *   all marked as stale             108 ms     13 ms
 *   the whole table compiled         80 ms     60 ms
 *
 * A trie reads a node in another place of memory for each bit that matters,
 * some 25 for an address, and even one with nodes of 8 bytes where two ways
 * part and of 12 at the ends takes 18 bytes a prefix. In order, what is next is
 * what comes next: walks read memory from end to end, and a search reads a
 * fence of the array, some of a shelf and some of a leaf.
 *
 * What else was tried for announcing: leaves of 16, 48 and 64 entries took 2 to
 * 20 % longer; room up to four leaves away 17 % longer, for a RIB of 20.3 MB;
 * none but a leaf's own 20 % less, for 31.3 MB; searches that halve without a
 * branch 8 % longer, because they do not read ahead of the answer.
 *
 * Of one origin AS most prefixes follow each other, also among all (71 % of
 * them, as the database has them): they are put in together. One by one a
 * prefix takes 155 ns. What a neighbour sends out of order is sorted before,
 * UPDATE by UPDATE: with no order within an AS a prefix takes 190 ns, unsorted
 * 225 ns. Sorting what several reads bring gains nothing either, be it 16,000
 * prefixes, 256,000 or all of them: the sort takes 20 to 45 ns a prefix (radix,
 * on a slower host, where a prefix takes 210 ns as they come), and then those
 * that follow each other are of different ASes and go in one by one, 220 to
 * 280 ns.
 *
 * Inserting costs at worst what it takes to pass entries to the next leaf and,
 * once for every thousand prefixes, to make room in the array of shelves: 20 kB
 * for today's table. A match costs a search for each time that the last
 * entry before the address turns out to be a neighbour rather than a cover,
 * with two or three as a rule and never more than there are lengths.
 */
#include "route/sorted.h"

#include <errno.h>
#include <stdlib.h>

#define LEAF  SORTED_LEAF
#define SHELF 64u

/* Leaves that together have so many are made one. */
#define LEAF_MERGE  (LEAF / 4 * 3)
#define SHELF_MERGE (SHELF / 2)

struct shelf {
	uint32_t leaf[SHELF];
	uint8_t count[SHELF]; /* of each leaf */
	uint8_t len[SHELF];   /* with key: the fences */
	uint32_t key[];
};

struct sorted_top {
	uint64_t hi, lo;
	uint32_t shelf;
	uint8_t len;
	uint8_t n; /* leaves of the shelf */
};

static unsigned key_words(const struct sorted *s)
{
	return s->family == FAMILY_IP4 ? 1 : 4;
}

void sorted_init(struct sorted *s, enum family f)
{
	*s = (struct sorted){.family = f};
	pool_init(&s->leaves,
		  (uint32_t)sizeof(struct sorted_leaf) +
			  LEAF * 4 * key_words(s),
		  UINT32_MAX);
	pool_init(&s->shelves,
		  (uint32_t)sizeof(struct shelf) + SHELF * 4 * key_words(s),
		  UINT32_MAX);
}

void sorted_done(struct sorted *s)
{
	pool_done(&s->leaves);
	pool_done(&s->shelves);
	free(s->top);
	sorted_init(s, s->family);
}

size_t sorted_bytes(const struct sorted *s)
{
	return pool_bytes(&s->leaves) + pool_bytes(&s->shelves) +
	       s->cap_top * sizeof(*s->top);
}

static struct sorted_leaf *leaf_at(const struct sorted *s, uint32_t n)
{
	return pool_at(&s->leaves, n);
}

static struct shelf *shelf_at(const struct sorted *s, uint32_t top)
{
	return pool_at(&s->shelves, s->top[top].shelf);
}

/* ------------------------------------------------------------- searching */

static struct prefix key_read(const struct sorted *s, const uint32_t *key,
			      uint8_t len)
{
	struct prefix p = {.len = len, .family = (uint8_t)s->family};

	if (s->family == FAMILY_IP4) {
		p.hi = (uint64_t)key[0] << 32;
	} else {
		memcpy(&p.hi, &key[0], sizeof(p.hi));
		memcpy(&p.lo, &key[2], sizeof(p.lo));
	}
	return p;
}

/* All of the most that there can be are compared, four at a time; a search that
 * halves takes turns that are guessed wrong. */
static inline unsigned search4(const uint32_t *key, const uint8_t *len,
			       unsigned n, unsigned most,
			       const struct prefix *p, unsigned with)
{
	uint32_t k = (uint32_t)(p->hi >> 32), at = 0;

	for (uint32_t i = 0; i < most; i++)
		at += (key[i] < k) & (i < n);
	while (at < n && key[at] == k && len[at] < p->len + with)
		at++;
	return at;
}

static bool below6(const uint32_t *key, unsigned len, const struct prefix *p,
		   unsigned with)
{
	uint64_t hi, lo;

	memcpy(&hi, key, sizeof(hi));
	if (hi != p->hi)
		return hi < p->hi;
	memcpy(&lo, key + 2, sizeof(lo));
	return lo != p->lo ? lo < p->lo : len < p->len + with;
}

static unsigned search6(const uint32_t *key, const uint8_t *len, unsigned n,
			const struct prefix *p, unsigned with)
{
	unsigned at = 0;

	while (n) {
		unsigned half = n / 2, mid = at + half;
		bool below = below6(key + mid * 4, len[mid], p, with);

		at = below ? mid + 1 : at;
		n = below ? n - half - 1 : half;
	}
	return at;
}

static unsigned leaf_count(const struct sorted *s, const struct sorted_at *at)
{
	return shelf_at(s, at->top)->count[at->child];
}

/* How many fences, or entries, are below p; with = 1: or p itself. */
static unsigned search_shelf(const struct sorted *s, const struct shelf *h,
			     unsigned n, const struct prefix *p, unsigned with)
{
	return s->family == FAMILY_IP4
		       ? search4(h->key, h->len, n, SHELF, p, with)
		       : search6(h->key, h->len, n, p, with);
}

static unsigned search_leaf(const struct sorted *s, const struct sorted_leaf *l,
			    unsigned n, const struct prefix *p, unsigned with)
{
	return s->family == FAMILY_IP4
		       ? search4(l->key, l->len, n, LEAF, p, with)
		       : search6(l->key, l->len, n, p, with);
}

/* The leaf in which p is or would be; its place there, behind entries that are
 * below (with = 1: or equal). There is one. */
static void descend(const struct sorted *s, const struct prefix *p,
		    unsigned with, struct sorted_at *at)
{
	const struct shelf *shelf;
	uint32_t n = s->n_top, lo = 0;

	while (n) {
		uint32_t half = n / 2;
		const struct sorted_top *t = &s->top[lo + half];
		bool below = t->hi != p->hi   ? t->hi < p->hi
			     : t->lo != p->lo ? t->lo < p->lo
					      : t->len <= p->len;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	at->top = lo ? lo - 1 : 0;
	shelf = shelf_at(s, at->top);
	n = search_shelf(s, shelf, s->top[at->top].n, p, 1);
	at->child = (uint16_t)(n ? n - 1 : 0);
	at->leaf = leaf_at(s, shelf->leaf[at->child]);
	at->i = (uint16_t)search_leaf(s, at->leaf, shelf->count[at->child], p,
				      with);
}

static bool is_at(const struct sorted *s, const struct sorted_at *at,
		  const struct prefix *p)
{
	struct prefix q;

	if (at->i == leaf_count(s, at))
		return false;
	q = sorted_prefix(s, at);
	return q.len == p->len && q.hi == p->hi && q.lo == p->lo;
}

bool sorted_find(const struct sorted *s, const struct prefix *p,
		 struct sorted_at *ret)
{
	if (!s->n_top)
		return false;
	descend(s, p, 0, ret);
	return is_at(s, ret, p);
}

/* To the first entry of the next leaf. */
static void next_leaf(const struct sorted *s, struct sorted_at *at)
{
	at->i = 0;
	at->leaf = NULL;
	if (++at->child == s->top[at->top].n) {
		at->child = 0;
		if (++at->top == s->n_top)
			return;
	}
	at->leaf = leaf_at(s, shelf_at(s, at->top)->leaf[at->child]);
}

void sorted_seek(const struct sorted *s, const struct prefix *p,
		 struct sorted_at *ret)
{
	*ret = (struct sorted_at){0};
	if (!s->n_top)
		return;
	descend(s, p, 0, ret);
	if (ret->i == leaf_count(s, ret))
		next_leaf(s, ret);
}

void sorted_next(const struct sorted *s, struct sorted_at *at)
{
	if (++at->i == leaf_count(s, at))
		next_leaf(s, at);
}

/* The last entry that is p or before it. */
static bool last_until(const struct sorted *s, const struct prefix *p,
		       struct sorted_at *at)
{
	descend(s, p, 1, at);
	if (at->i == 0) {
		if (at->child == 0 && at->top == 0)
			return false;
		if (at->child == 0)
			at->child = s->top[--at->top].n;
		at->child--;
		at->leaf = leaf_at(s, shelf_at(s, at->top)->leaf[at->child]);
		at->i = (uint16_t)leaf_count(s, at);
	}
	at->i--;
	return true;
}

/* The last entry before the address either covers it, or shows how long one
 * that does can be at most: what they have in common. */
bool sorted_match(const struct sorted *s, uint64_t hi, uint64_t lo,
		  unsigned max_len, struct sorted_at *ret)
{
	struct prefix p = {hi, lo, (uint8_t)max_len, (uint8_t)s->family}, q;

	if (!s->n_top)
		return false;
	for (;;) {
		unsigned same;

		p = prefix_mask(p);
		if (!last_until(s, &p, ret))
			return false;
		q = sorted_prefix(s, ret);
		same = prefix_common(q.hi, q.lo, hi, lo);
		if (same >= q.len)
			return true;
		p.len = (uint8_t)same;
	}
}

/* ---------------------------------------------------------------- moving */

/* n entries from one place to another, which may overlap. */
static void leaf_move(const struct sorted *s, struct sorted_leaf *to,
		      unsigned at, const struct sorted_leaf *from,
		      unsigned first, unsigned n)
{
	unsigned w = key_words(s);

	memmove(&to->value[at], &from->value[first], n * 4);
	memmove(&to->since_s[at], &from->since_s[first], n * 4);
	memmove(&to->len[at], &from->len[first], n);
	memmove(&to->source[at], &from->source[first], n);
	memmove(&to->key[at * w], &from->key[first * w], n * w * 4);
}

static void shelf_move(const struct sorted *s, struct shelf *to, unsigned at,
		       const struct shelf *from, unsigned first, unsigned n)
{
	unsigned w = key_words(s);

	memmove(&to->leaf[at], &from->leaf[first], n * 4);
	memmove(&to->count[at], &from->count[first], n);
	memmove(&to->len[at], &from->len[first], n);
	memmove(&to->key[at * w], &from->key[first * w], n * w * 4);
}

/* Puts the fence before a leaf at its first entry. */
static void fence(const struct sorted *s, struct shelf *h, unsigned child)
{
	const struct sorted_leaf *l = leaf_at(s, h->leaf[child]);
	unsigned w = key_words(s);

	h->len[child] = l->len[0];
	memcpy(&h->key[child * w], l->key, w * 4);
}

/* m entries from the end of a leaf to the front of the next one. */
static void pass_right(const struct sorted *s, struct shelf *h, unsigned child,
		       unsigned m)
{
	struct sorted_leaf *l = leaf_at(s, h->leaf[child]);
	struct sorted_leaf *r = leaf_at(s, h->leaf[child + 1]);

	leaf_move(s, r, m, r, 0, h->count[child + 1]);
	leaf_move(s, r, 0, l, h->count[child] - m, m);
	h->count[child] = (uint8_t)(h->count[child] - m);
	h->count[child + 1] = (uint8_t)(h->count[child + 1] + m);
	fence(s, h, child + 1);
}

/* m entries from the front of a leaf to the end of the one before. */
static void pass_left(const struct sorted *s, struct shelf *h, unsigned child,
		      unsigned m)
{
	struct sorted_leaf *l = leaf_at(s, h->leaf[child - 1]);
	struct sorted_leaf *r = leaf_at(s, h->leaf[child]);

	leaf_move(s, l, h->count[child - 1], r, 0, m);
	leaf_move(s, r, 0, r, m, h->count[child] - m);
	h->count[child - 1] = (uint8_t)(h->count[child - 1] + m);
	h->count[child] = (uint8_t)(h->count[child] - m);
	if (h->count[child])
		fence(s, h, child);
}

/* ---------------------------------------------------------------- adding */

/* Room for one more shelf at that place of the array. */
static int top_open(struct sorted *s, uint32_t at)
{
	if (s->n_top == s->cap_top) {
		uint32_t cap = s->cap_top ? s->cap_top + s->cap_top / 2 : 16;
		struct sorted_top *m = realloc(s->top, cap * sizeof(*m));

		if (!m)
			return -ENOMEM;
		s->top = m;
		s->cap_top = cap;
	}
	memmove(&s->top[at + 1], &s->top[at],
		(s->n_top - at) * sizeof(*s->top));
	s->n_top++;
	return 0;
}

static void top_close(struct sorted *s, uint32_t at)
{
	pool_free(&s->shelves, s->top[at].shelf);
	s->n_top--;
	memmove(&s->top[at], &s->top[at + 1],
		(s->n_top - at) * sizeof(*s->top));
}

/* Puts the fence before a shelf where that of its first leaf is. */
static void top_fence(struct sorted *s, uint32_t top)
{
	const struct shelf *h = shelf_at(s, top);
	const struct prefix p = key_read(s, h->key, h->len[0]);

	s->top[top].hi = p.hi;
	s->top[top].lo = p.lo;
	s->top[top].len = p.len;
}

static int shelf_split(struct sorted *s, uint32_t top)
{
	uint32_t n = pool_alloc(&s->shelves);
	uint8_t keep = s->top[top].n / 2;
	int rc;

	if (!n)
		return -ENOMEM;
	rc = top_open(s, top + 1);
	if (rc) {
		pool_free(&s->shelves, n);
		return rc;
	}
	s->top[top + 1].shelf = n;
	s->top[top + 1].n = (uint8_t)(s->top[top].n - keep);
	shelf_move(s, shelf_at(s, top + 1), 0, shelf_at(s, top), keep,
		   s->top[top + 1].n);
	s->top[top].n = keep;
	top_fence(s, top + 1);
	return 0;
}

/* Opens a place for a leaf on a shelf that has room. */
static int leaf_split(struct sorted *s, uint32_t top, unsigned child)
{
	uint32_t n = pool_alloc(&s->leaves);
	struct shelf *h = shelf_at(s, top);

	if (!n)
		return -ENOMEM;
	shelf_move(s, h, child + 2, h, child + 1, s->top[top].n - child - 1);
	s->top[top].n++;
	h->leaf[child + 1] = n;
	h->count[child + 1] = 0;
	pass_right(s, h, child, LEAF / 2);
	return 0;
}

static unsigned room(const struct shelf *h, unsigned child)
{
	return LEAF - h->count[child];
}

/* Fills half of the room in the leaf beside a full one with entries of that;
 * false when there is none. The last of its room a leaf keeps, so that no two
 * pass entries to and fro for ever. */
static bool spread(struct sorted *s, uint32_t top, unsigned child)
{
	struct shelf *h = shelf_at(s, top);

	if (child + 1u < s->top[top].n && room(h, child + 1) >= 2)
		pass_right(s, h, child, room(h, child + 1) / 2);
	else if (child > 0 && room(h, child - 1) >= 2)
		pass_left(s, h, child, room(h, child - 1) / 2);
	else
		return false;
	return true;
}

static int first_leaf(struct sorted *s)
{
	uint32_t shelf = pool_alloc(&s->shelves), leaf = pool_alloc(&s->leaves);
	struct shelf *h;

	if (!shelf || !leaf || top_open(s, 0)) {
		if (shelf)
			pool_free(&s->shelves, shelf);
		if (leaf)
			pool_free(&s->leaves, leaf);
		return -ENOMEM;
	}
	s->top[0] = (struct sorted_top){.shelf = shelf, .n = 1};
	h = shelf_at(s, 0);
	h->leaf[0] = leaf;
	h->count[0] = 0;
	return 0;
}

/* What ends the place: the entry there, or the fence before the next leaf,
 * which may be lower than its first entry; false behind the last leaf. */
static bool place_end(const struct sorted *s, const struct sorted_at *at,
		      struct prefix *ret)
{
	const struct shelf *h = shelf_at(s, at->top);
	const struct sorted_top *t = &s->top[at->top];
	unsigned next = at->child + 1u;

	if (at->i < h->count[at->child]) {
		*ret = sorted_prefix(s, at);
		return true;
	}
	if (next < t->n) {
		*ret = key_read(s, &h->key[next * key_words(s)], h->len[next]);
		return true;
	}
	if (at->top + 1 == s->n_top)
		return false;
	*ret = (struct prefix){t[1].hi, t[1].lo, t[1].len, (uint8_t)s->family};
	return true;
}

/* How many of the prefixes belong at the place, the first of which does. */
static size_t run_length(const struct sorted *s, const struct sorted_at *at,
			 const struct prefix *p, size_t n)
{
	size_t most = LEAF - leaf_count(s, at), m = 1;
	struct prefix end;
	bool bounded;

	if (n == 1 || !prefix_before(&p[0], &p[1]))
		return 1;
	bounded = place_end(s, at, &end);
	while (m < n && m < most && prefix_before(&p[m - 1], &p[m]) &&
	       (!bounded || prefix_before(&p[m], &end)))
		m++;
	return m;
}

static void entry_write(const struct sorted *s, struct sorted_leaf *l,
			unsigned i, const struct prefix *p)
{
	uint32_t *key = &l->key[i * key_words(s)];

	l->value[i] = 0;
	l->since_s[i] = 0;
	l->source[i] = 0;
	l->len[i] = p->len;
	if (s->family == FAMILY_IP4) {
		key[0] = (uint32_t)(p->hi >> 32);
	} else {
		memcpy(&key[0], &p->hi, sizeof(p->hi));
		memcpy(&key[2], &p->lo, sizeof(p->lo));
	}
}

/* Puts n where descend() found that the first belongs, in a leaf that has
 * room. */
static void run_make(struct sorted *s, const struct sorted_at *at,
		     const struct prefix *p, unsigned n)
{
	struct shelf *h = shelf_at(s, at->top);

	leaf_move(s, at->leaf, at->i + n, at->leaf, at->i,
		  h->count[at->child] - at->i);
	h->count[at->child] = (uint8_t)(h->count[at->child] + n);
	s->n += n;
	for (unsigned i = 0; i < n; i++)
		entry_write(s, at->leaf, at->i + i, &p[i]);
	if (at->i == 0)
		fence(s, h, at->child);
	if (at->i == 0 && at->child == 0)
		top_fence(s, at->top);
}

int sorted_insert(struct sorted *s, const struct prefix *p, size_t n,
		  struct sorted_at *ret, size_t *ret_made)
{
	int rc = s->n_top ? 0 : first_leaf(s);

	*ret_made = 0;
	if (rc)
		return rc;
	for (;;) {
		descend(s, p, 0, ret);
		if (is_at(s, ret, p))
			return 0;
		if (leaf_count(s, ret) < LEAF)
			break;
		if (spread(s, ret->top, ret->child))
			continue;
		rc = s->top[ret->top].n == SHELF
			     ? shelf_split(s, ret->top)
			     : leaf_split(s, ret->top, ret->child);
		if (rc)
			return rc;
	}
	*ret_made = run_length(s, ret, p, n);
	run_make(s, ret, p, (unsigned)*ret_made);
	return 0;
}

/* -------------------------------------------------------------- removing */

/* Takes a leaf without entries off its shelf. */
static void leaf_close(struct sorted *s, uint32_t top, unsigned child)
{
	struct shelf *h = shelf_at(s, top);

	pool_free(&s->leaves, h->leaf[child]);
	s->top[top].n--;
	shelf_move(s, h, child, h, child + 1, s->top[top].n - child);
}

/* Makes one leaf of it and the one before, when they have at most so many. */
static bool leaf_merge(struct sorted *s, uint32_t top, unsigned child,
		       unsigned most)
{
	struct shelf *h = shelf_at(s, top);

	if (child == 0 || child >= s->top[top].n ||
	    h->count[child - 1] + h->count[child] > most)
		return false;
	pass_left(s, h, child, h->count[child]);
	leaf_close(s, top, child);
	return true;
}

/* The same for shelves. */
static bool shelf_merge(struct sorted *s, uint32_t top)
{
	if (top == 0 || top >= s->n_top ||
	    s->top[top - 1].n + s->top[top].n > SHELF_MERGE)
		return false;
	shelf_move(s, shelf_at(s, top - 1), s->top[top - 1].n, shelf_at(s, top),
		   0, s->top[top].n);
	s->top[top - 1].n = (uint8_t)(s->top[top - 1].n + s->top[top].n);
	top_close(s, top);
	return true;
}

void sorted_remove(struct sorted *s, struct sorted_at at)
{
	struct shelf *h = shelf_at(s, at.top);

	s->n--;
	h->count[at.child]--;
	leaf_move(s, at.leaf, at.i, at.leaf, at.i + 1u,
		  h->count[at.child] - at.i);
	if (h->count[at.child] == 0)
		leaf_close(s, at.top, at.child);
	else if (!leaf_merge(s, at.top, at.child + 1u, LEAF_MERGE) &&
		 !leaf_merge(s, at.top, at.child, LEAF_MERGE))
		return;
	if (s->top[at.top].n == 0)
		top_close(s, at.top);
	else
		(void)shelf_merge(s, at.top + 1);
	(void)shelf_merge(s, at.top);
}

/* The entries of one leaf; how many are left. */
static unsigned sweep_leaf(struct sorted *s, struct sorted_at at, unsigned n,
			   bool (*fn)(void *ctx, const struct sorted_at *at),
			   void *ctx)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		at.i = (uint16_t)i;
		if (!fn(ctx, &at))
			continue;
		if (kept != i)
			leaf_move(s, at.leaf, kept, at.leaf, i, 1);
		kept++;
	}
	s->n -= n - kept;
	return kept;
}

void sorted_sweep(struct sorted *s,
		  bool (*fn)(void *ctx, const struct sorted_at *at), void *ctx)
{
	struct sorted_at at = {0};

	while (at.top < s->n_top) {
		struct shelf *h = shelf_at(s, at.top);

		for (at.child = 0; at.child < s->top[at.top].n;) {
			unsigned n = h->count[at.child];

			at.leaf = leaf_at(s, h->leaf[at.child]);
			h->count[at.child] =
				(uint8_t)sweep_leaf(s, at, n, fn, ctx);
			if (!h->count[at.child])
				leaf_close(s, at.top, at.child);
			else if (h->count[at.child] == n ||
				 !leaf_merge(s, at.top, at.child, LEAF))
				at.child++;
		}
		if (s->top[at.top].n == 0)
			top_close(s, at.top);
		else if (!shelf_merge(s, at.top))
			at.top++;
	}
}
