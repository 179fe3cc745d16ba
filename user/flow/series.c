/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which AS pairs are Prometheus series, so that (A) no exposed value ever
 * decreases, (B) the values of one direction always sum to all its IP bytes,
 * to the byte, (C) their number is bounded, and (D) a restart breaks none of
 * this.
 *
 * MODEL. One direction at a time. Let p be an AS pair (s, d), T_p the IP
 * bytes the kernel has counted for it, F those of the verdict map_full (which
 * have no pair). A series has a name and a value. Names are (s, d), (s, *),
 * (*, d), (*, *) where * is written "other", and (retired, g).
 *
 * CREDIT. A drain brings dT_p >= 0 for each pair and dF >= 0. dT_p is added,
 * whole, to the value of exactly one series, the one that the pair maps to at
 * that moment; dF is added to (*, *). Nothing else changes a value but a fold
 * (below). The mapping of (s, d) is
 *
 *     s and d admitted   (s, d) if that series exists or there is room for it,
 *                        else (s, *) for traffic received,
 *                             (*, d) for traffic transmitted;
 *     only s admitted    (s, *)
 *     only d admitted    (*, d)
 *     neither            (*, *), and also when there is no room for (s, *)
 *                        or (*, d).
 *
 * So `sum by (source_as)` of what was received and `sum by (destination_as)`
 * of what was transmitted are complete for every admitted AS even when pairs
 * have run out of room: those are the questions people ask of a border.
 *
 * (B) Start with every value 0, T = F = 0. Each credit adds the same amount
 * to one value and to one of the T_p or F. By induction sum(values) =
 * sum(T_p) + F after every drain, whatever the mapping did in between. The
 * sum over a port's rows is attributed + unknown_as (asmeter/abi.h), hence
 * the right side is all IP bytes of the direction. AS 0 (no route) is always
 * admitted and does not count against K, so unknown traffic is in the sum
 * under its own name.
 *
 * (A) Credits are never negative, and values change by credits only: when an
 * AS is evicted, its series keep their values and stay exposed, frozen; when
 * it is admitted again they go on from there. Bytes counted while it was out
 * are in "other" and stay there. No byte ever moves from one series to
 * another, so sum(increase(...)) over any window is right as well, not only
 * the sum of the values.
 *
 * ADMISSION. Decided at the end of a drain, before it is credited, so a new
 * AS for which there is room has every byte of it from the first on. While
 * fewer than K are admitted, the busiest newcomers come in. When K are, an
 * AS waiting outside takes the place of one inside only if the one inside has
 * been there for the hold time (24 h) and moved less than half as many bytes
 * over the last 24 h as the one outside: that is what "quiet" means here. An
 * AS without any traffic is the plainest case; an AS that twitches once an
 * hour is quiet too, or the noise of the first second after a boot would keep
 * its places for ever. "Bytes over the last 24 h" is an exponentially weighted
 * sum with that time constant. Without anybody waiting nobody is evicted.
 *
 * (C) Series are made as long as there are fewer than max_series; pairs leave
 * 2K places (at most half) to (s, *) and (*, d). Frozen series take room too.
 * When a pair had to go without and at least an eighth of max_series is
 * frozen, all frozen ones are folded: their values are summed into ONE new
 * series (retired, g), g = 1, 2, …, which never changes again; their names
 * disappear. The sum is the same before and after (B), and no value decreased
 * (A); Prometheus sees series end and another begin, which adds nothing to
 * any increase(). A folded pair whose ASes come back starts again at 0 after
 * an absence, which is what Prometheus calls a counter reset. Anything else
 * would need memory without bound: keeping the old value back would break
 * (B), putting it into "other" would show up there as a burst of traffic
 * that never was. After SERIES_GENERATIONS folds (each takes at least a day)
 * the last generation takes the values of later ones.
 *
 * (D) is in series_state.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flow/ledger.h"
#include "flow/ledger_int.h"

#define SCORE_NS   (24 * 3600 * NSEC_PER_SEC)
#define ROTATE_NS  (60 * NSEC_PER_SEC)
#define ROTATE_MAX 16 /* ASes exchanged at a time */

static uint64_t series_key(uint32_t src, uint32_t dst)
{
	return (uint64_t)src << 32 | dst;
}

/* A new series; SERIES_NONE: no memory. */
static uint32_t series_push(struct series_set *set, const struct series *s)
{
	if (set->n == set->cap) {
		uint32_t cap = set->cap ? set->cap * 2 : 64;
		struct series *p = realloc(set->s, cap * sizeof(*p));

		if (!p)
			return SERIES_NONE;
		set->s = p;
		set->cap = cap;
	}
	if (!s->retired &&
	    map_add(&set->map, series_key(s->src, s->dst), set->n))
		return SERIES_NONE;
	set->s[set->n] = *s;
	return set->n++;
}

int series_init(struct ledger *l)
{
	const struct series other = {.src = SERIES_OTHER, .dst = SERIES_OTHER};

	for (unsigned d = 0; d < ASM_DIRS; d++) {
		if (series_push(&l->set[d], &other) == SERIES_NONE)
			return -ENOMEM;
	}
	return 0;
}

void series_done(struct ledger *l)
{
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		free(l->set[d].s);
		map_done(&l->set[d].map);
	}
}

void series_reset(struct ledger *l)
{
	const struct series other = {.src = SERIES_OTHER, .dst = SERIES_OTHER};

	for (unsigned d = 0; d < ASM_DIRS; d++) {
		map_clear(&l->set[d].map);
		l->set[d].n = 0;
		l->set[d].generations = 0;
		(void)series_push(&l->set[d], &other); /* had room before */
	}
	for (uint32_t i = 0; i < l->n_as; i++) {
		l->as[i].admitted = l->as[i].asn == 0;
		l->as[i].score = 0;
	}
	l->admitted = 0;
	l->epoch++;
}

uint32_t series_find(const struct ledger *l, enum asm_dir dir, uint32_t src,
		     uint32_t dst)
{
	return map_get(&l->set[dir].map, series_key(src, dst));
}

uint32_t series_add(struct ledger *l, enum asm_dir dir, uint32_t src,
		    uint32_t dst)
{
	const struct series s = {.src = src, .dst = dst};
	uint32_t i = series_push(&l->set[dir], &s);

	if (i == SERIES_NONE)
		l->failed = true;
	else
		l->changes++;
	return i;
}

static bool side_admitted(const struct ledger *l, uint32_t as)
{
	return as == SERIES_OTHER || l->as[as].admitted;
}

bool series_live(const struct ledger *l, const struct series *s)
{
	return !s->retired && side_admitted(l, s->src) &&
	       side_admitted(l, s->dst);
}

/* ------------------------------------------------------------ admission */

void series_admit(struct ledger *l, uint32_t as)
{
	if (l->as[as].admitted)
		return;
	l->as[as].admitted = true;
	l->as[as].admitted_ns = l->now.ns;
	l->admitted++;
	l->epoch++;
	l->changes++;
}

static void evict(struct ledger *l, uint32_t as)
{
	l->as[as].admitted = false;
	l->admitted--;
	l->epoch++;
	l->changes++;
}

/* Weights bytes by e^(time / 24 h), so that scores of any age compare. */
static void add_scores(struct ledger *l)
{
	double age = (double)(l->now.ns - l->score_ns) / (double)SCORE_NS;

	if (age > 500) { /* long before a double overflows */
		for (uint32_t i = 0; i < l->n_as; i++)
			l->as[i].score *= exp(-age);
		l->score_ns = l->now.ns;
		age = 0;
	}
	double weight = exp(age);

	for (uint32_t i = 0; i < l->n_touched_pair; i++) {
		const struct pair_node *p = &l->pair[l->touched_pair[i]];
		double b = weight *
			   (double)(p->pend[ASM_DIR_IN] + p->pend[ASM_DIR_OUT]);

		l->as[p->src].score += b;
		if (p->dst != p->src)
			l->as[p->dst].score += b;
	}
}

struct scored {
	double score;
	uint32_t as;
};

static int scored_cmp(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score > y->score)
		return -1;
	if (x->score < y->score)
		return 1;
	return x->as < y->as ? -1 : x->as > y->as;
}

/* While there is room: the busiest of those that are not in yet. */
static void admit_new(struct ledger *l)
{
	uint32_t n = 0;

	if (l->admitted >= l->cfg.max_as)
		return;
	struct scored *c = malloc((l->n_touched_as + 1u) * sizeof(*c));

	if (!c) {
		l->failed = true;
		return;
	}
	for (uint32_t i = 0; i < l->n_touched_as; i++) {
		uint32_t as = l->touched_as[i];

		if (!l->as[as].admitted)
			c[n++] = (struct scored){l->as[as].score, as};
	}
	qsort(c, n, sizeof(*c), scored_cmp);
	for (uint32_t i = 0; i < n && l->admitted < l->cfg.max_as; i++)
		series_admit(l, c[i].as);
	free(c);
}

static bool may_go(const struct ledger *l, const struct as_node *n)
{
	return n->admitted && n->asn != 0 &&
	       l->now.ns - n->admitted_ns >= l->cfg.hold_ns;
}

/* The best one outside and the weakest one inside (MAP_NONE: none). */
static void find_exchange(const struct ledger *l, bool any, uint32_t *ret_out,
			  uint32_t *ret_in)
{
	uint32_t best = MAP_NONE, weak = MAP_NONE;

	for (uint32_t i = 0; i < l->n_as; i++) {
		const struct as_node *n = &l->as[i];

		if (!n->admitted) {
			if (best == MAP_NONE || n->score > l->as[best].score)
				best = i;
		} else if (n->asn != 0 && (any || may_go(l, n))) {
			if (weak == MAP_NONE || n->score < l->as[weak].score)
				weak = i;
		}
	}
	*ret_out = best;
	*ret_in = weak;
}

static void rotate(struct ledger *l)
{
	uint32_t out, in;

	/* only a reload that lowers the bound comes here */
	while (l->admitted > l->cfg.max_as) {
		find_exchange(l, true, &out, &in);
		evict(l, in);
	}
	for (unsigned i = 0; i < ROTATE_MAX; i++) {
		if (l->admitted < l->cfg.max_as)
			return;
		find_exchange(l, false, &out, &in);
		if (out == MAP_NONE || in == MAP_NONE ||
		    l->as[out].score <= 2 * l->as[in].score)
			return;
		evict(l, in);
		series_admit(l, out);
	}
}

/* ----------------------------------------------------------------- fold */

bool series_retire(struct series_set *set, uint32_t gen, uint64_t value)
{
	const struct series s = {.retired = gen, .value = value};

	if (gen != set->generations + 1 || gen > SERIES_GENERATIONS ||
	    series_push(set, &s) == SERIES_NONE)
		return false;
	set->generations = gen;
	return true;
}

static void fold(struct ledger *l, struct series_set *set)
{
	uint32_t frozen = 0, kept = 0;
	uint64_t gone = 0;

	for (uint32_t i = 0; i < set->n; i++)
		frozen += !set->s[i].retired && !series_live(l, &set->s[i]);
	if (frozen == 0 || frozen < l->cfg.max_series / 8)
		return;
	map_clear(&set->map); /* keeps its memory: adding cannot fail */
	for (uint32_t i = 0; i < set->n; i++) {
		const struct series s = set->s[i];

		if (!s.retired && !series_live(l, &s)) {
			gone += s.value;
			continue;
		}
		if (!s.retired)
			(void)map_add(&set->map, series_key(s.src, s.dst),
				      kept);
		set->s[kept++] = s;
	}
	set->n = kept;
	if (set->generations < SERIES_GENERATIONS) {
		/* at least one place is free */
		(void)series_retire(set, set->generations + 1, gone);
	} else {
		for (uint32_t i = 0; i < kept; i++) {
			if (set->s[i].retired == SERIES_GENERATIONS)
				set->s[i].value += gone;
		}
	}
	set->full = false;
	l->epoch++;
	l->changes++;
}

/* --------------------------------------------------------------- credit */

/* The one-sided series (s, *) or (*, d), or (*, *) when there is no room. */
static uint32_t one_sided(struct ledger *l, enum asm_dir dir, uint32_t src,
			  uint32_t dst)
{
	uint32_t i = series_find(l, dir, src, dst);

	if (i == SERIES_NONE && l->set[dir].n < l->cfg.max_series)
		i = series_add(l, dir, src, dst);
	else if (i == SERIES_NONE)
		l->set[dir].full = true;
	return i == SERIES_NONE ? 0 : i;
}

static uint32_t two_sided(struct ledger *l, enum asm_dir dir, uint32_t src,
			  uint32_t dst)
{
	uint32_t max = l->cfg.max_series, reserve = max / 2;
	uint32_t i = series_find(l, dir, src, dst);

	if (l->cfg.max_as < reserve / 2)
		reserve = 2 * l->cfg.max_as;
	if (i != SERIES_NONE)
		return i;
	if (l->set[dir].n < max - reserve) {
		i = series_add(l, dir, src, dst);
		return i == SERIES_NONE ? 0 : i;
	}
	l->set[dir].full = true;
	return dir == ASM_DIR_IN ? one_sided(l, dir, src, SERIES_OTHER)
				 : one_sided(l, dir, SERIES_OTHER, dst);
}

static uint32_t resolve(struct ledger *l, const struct pair_node *p,
			enum asm_dir dir)
{
	bool s = l->as[p->src].admitted, d = l->as[p->dst].admitted;

	if (s && d)
		return two_sided(l, dir, p->src, p->dst);
	if (s)
		return one_sided(l, dir, p->src, SERIES_OTHER);
	if (d)
		return one_sided(l, dir, SERIES_OTHER, p->dst);
	return 0;
}

static void credit(struct ledger *l)
{
	for (uint32_t i = 0; i < l->n_touched_pair; i++) {
		struct pair_node *p = &l->pair[l->touched_pair[i]];

		if (p->epoch != l->epoch) {
			p->series[0] = p->series[1] = SERIES_NONE;
			p->epoch = l->epoch;
		}
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			if (!p->pend[d])
				continue;
			if (p->series[d] == SERIES_NONE)
				p->series[d] = resolve(l, p, (enum asm_dir)d);
			l->set[d].s[p->series[d]].value += p->pend[d];
			p->pend[d] = 0;
		}
	}
}

static void credit_map_full(struct ledger *l)
{
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		struct series_set *set = &l->set[d];
		uint64_t now = 0;

		for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++)
			now += l->port[s].books[d].map_full.ip_bytes;
		set->s[0].value += now - set->map_full;
		set->map_full = now;
	}
}

/* What the first drain brought is already in the restored values. */
static void forget_pending(struct ledger *l)
{
	for (uint32_t i = 0; i < l->n_touched_pair; i++) {
		struct pair_node *p = &l->pair[l->touched_pair[i]];

		memset(p->pend, 0, sizeof(p->pend));
	}
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		l->set[d].map_full = 0;
		for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++)
			l->set[d].map_full +=
				l->port[s].books[d].map_full.ip_bytes;
	}
}

void series_settle(struct ledger *l)
{
	if (l->loaded) {
		l->loaded = false;
		if (series_restore(l)) {
			forget_pending(l);
			return;
		}
		series_reset(l);
	}
	add_scores(l);
	if (l->now.ns - l->rotate_ns >= ROTATE_NS || !l->rotate_ns) {
		rotate(l);
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			if (l->set[d].full)
				fold(l, &l->set[d]);
		}
		l->rotate_ns = l->now.ns;
	}
	admit_new(l);
	credit(l);
	credit_map_full(l);
}

void ledger_series_each(const struct ledger *l, enum asm_dir dir,
			ledger_series_fn fn, void *ctx)
{
	const struct series_set *set = &l->set[dir];

	for (uint32_t i = 0; i < set->n; i++) {
		const struct series *s = &set->s[i];
		struct ledger_series v = {
			.src_as = LEDGER_OTHER,
			.dst_as = LEDGER_OTHER,
			.retired = s->retired,
			.ip_bytes = s->value,
		};

		if (!s->retired && s->src != SERIES_OTHER)
			v.src_as = l->as[s->src].asn;
		if (!s->retired && s->dst != SERIES_OTHER)
			v.dst_as = l->as[s->dst].asn;
		fn(ctx, &v);
	}
}

uint64_t ledger_changes(const struct ledger *l)
{
	return l->changes;
}
