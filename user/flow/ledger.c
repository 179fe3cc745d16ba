/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Feeding the books.
 *
 * The kernel reports totals; the ledger keeps, per row, the totals of the last
 * drain, and moves the difference on: to the AS pair, to both ASes, to the
 * sum of the interface's rows. So every sum here is a sum of the same
 * differences, and a row that stood still costs one comparison. The
 * differences are gathered first and applied at the end of the drain: then it
 * is known which pairs and ASes come next, and their memory, which is all over
 * the place, is asked for in time (300,000 rows that all moved: less than
 * half the time). An AS or pair
 * is "touched" when an interval brought something to it; only the touched are
 * worked on at the end of a drain. Rates of the untouched are right without
 * being written: the last interval's is 0, the smoothed one decays on reading.
 */
#include "flow/ledger.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flow/ledger_int.h"

int ledger_new(const struct ledger_cfg *cfg, struct ledger **ret)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->cfg = *cfg;
	l->epoch = 1;
	if (series_init(l)) {
		ledger_free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	series_done(l);
	free(l->row);
	free(l->delta);
	free(l->as);
	free(l->pair);
	free(l->ifsum);
	free(l->touched_as);
	free(l->touched_pair);
	map_done(&l->as_map);
	map_done(&l->pair_map);
	map_done(&l->if_map);
	free(l);
}

void ledger_configure(struct ledger *l, const struct ledger_cfg *cfg)
{
	l->cfg = *cfg;
	l->rotate_ns = 0; /* look at it with the next drain */
	l->epoch++;
}

/* Makes room for element n of an array; false: no memory. */
static bool room(struct ledger *l, void **p, uint32_t *cap, uint32_t n,
		 size_t size)
{
	if (n < *cap)
		return true;
	uint32_t want = *cap ? *cap : 256;

	while (want <= n)
		want *= 2;
	void *q = realloc(*p, want * size);

	if (!q) {
		l->failed = true;
		return false;
	}
	*p = q;
	*cap = want;
	return true;
}

#define ROOM(l, arr, cap, n) \
	room(l, (void **)&(l)->arr, &(cap), n, sizeof(*(l)->arr))

uint32_t ledger_as_index(struct ledger *l, uint32_t asn)
{
	uint32_t i = map_get(&l->as_map, asn), cap = l->cap_as;

	if (i != MAP_NONE)
		return i;
	i = l->n_as;
	if (!ROOM(l, touched_as, cap, i) || !ROOM(l, as, l->cap_as, i) ||
	    map_add(&l->as_map, asn, i)) {
		l->failed = true;
		return MAP_NONE;
	}
	l->as[i] = (struct as_node){.asn = asn};
	l->n_as++;
	/* "no route" is not one of the top K: it always has its own series */
	if (asn == 0)
		l->as[i].admitted = true;
	return i;
}

static uint64_t pair_key(uint32_t src, uint32_t dst)
{
	return (uint64_t)src << 32 | dst;
}

static uint32_t pair_find(const struct ledger *l, uint32_t src, uint32_t dst)
{
	return map_get(&l->pair_map, pair_key(src, dst));
}

static uint32_t pair_index(struct ledger *l, uint32_t src_as, uint32_t dst_as)
{
	uint32_t src = ledger_as_index(l, src_as);
	uint32_t dst = ledger_as_index(l, dst_as);

	if (src == MAP_NONE || dst == MAP_NONE)
		return MAP_NONE;
	uint32_t i = pair_find(l, src, dst), cap = l->cap_pair;

	if (i != MAP_NONE)
		return i;
	i = l->n_pair;
	if (!ROOM(l, touched_pair, cap, i) || !ROOM(l, pair, l->cap_pair, i) ||
	    map_add(&l->pair_map, pair_key(src, dst), i)) {
		l->failed = true;
		return MAP_NONE;
	}
	l->pair[i] = (struct pair_node){.src = src, .dst = dst};
	l->n_pair++;
	return i;
}

static uint32_t ifsum_index(struct ledger *l, uint32_t ifindex)
{
	uint32_t i = map_get(&l->if_map, ifindex);

	if (i != MAP_NONE)
		return i;
	i = l->n_ifsum;
	if (i > UINT16_MAX || !ROOM(l, ifsum, l->cap_ifsum, i) ||
	    map_add(&l->if_map, ifindex, i)) {
		l->failed = true;
		return MAP_NONE;
	}
	l->ifsum[i] = (struct if_sum){.ifindex = ifindex};
	l->n_ifsum++;
	return i;
}

void ledger_begin(struct ledger *l, struct mono now)
{
	l->dt_ns = l->drain ? mono_diff_ns(l->now, now) : 0;
	if (!l->drain) {
		l->score_ns = now.ns;
		l->rotate_ns = now.ns;
	}
	l->now = now;
	l->drain++;
	l->n_touched_as = 0;
	l->n_touched_pair = 0;
	l->n_delta = 0;
}

/* ids are dense: rows that come for the first time come at the end. Holes
 * are rows of zero that their own report fills in later. */
static struct row_node *row_at(struct ledger *l, uint32_t id,
			       const struct asm_row *row)
{
	if (id < l->n_row && l->row[id].pair != MAP_NONE)
		return &l->row[id];
	uint32_t pair = pair_index(l, row->src_as, row->dst_as);
	uint32_t iface = ifsum_index(l, row->ifindex), cap = l->cap_row;

	if (pair == MAP_NONE || iface == MAP_NONE || !ROOM(l, delta, cap, id) ||
	    !ROOM(l, row, l->cap_row, id))
		return NULL;
	for (; l->n_row <= id; l->n_row++)
		l->row[l->n_row] = (struct row_node){.pair = MAP_NONE};
	l->row[id] = (struct row_node){
		.pair = pair,
		.iface = (uint16_t)iface,
		.dir = row->dir == ASM_DIR_OUT,
		.ip6 = row->family == 6,
	};
	return &l->row[id];
}

static void measure_add(struct asm_measure *m, const struct asm_measure *d)
{
	m->packets += d->packets;
	m->ip_bytes += d->ip_bytes;
	m->wire_bytes += d->wire_bytes;
}

static void flow_add(struct flow *f, const struct asm_measure *d, bool ip6)
{
	measure_add(&f->total, d);
	if (ip6)
		measure_add(&f->ip6, d);
	f->last.packets += (float)d->packets;
	f->last.ip_bytes += (float)d->ip_bytes;
	f->last.wire_bytes += (float)d->wire_bytes;
}

static struct as_node *touch_as(struct ledger *l, uint32_t ix)
{
	struct as_node *n = &l->as[ix];

	if (n->touch.drain != l->drain) {
		n->touch.drain = l->drain;
		l->touched_as[l->n_touched_as++] = ix;
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			for (unsigned k = 0; k < AS_KINDS; k++)
				n->flow[d][k].last = (struct rate3){0};
		}
	}
	return n;
}

static struct pair_node *touch_pair(struct ledger *l, uint32_t ix)
{
	struct pair_node *n = &l->pair[ix];

	if (n->touch.drain != l->drain) {
		n->touch.drain = l->drain;
		l->touched_pair[l->n_touched_pair++] = ix;
		for (unsigned d = 0; d < ASM_DIRS; d++)
			n->flow[d].last = (struct rate3){0};
	}
	return n;
}

static void apply(struct ledger *l, const struct row_delta *x)
{
	struct pair_node *p = touch_pair(l, x->pair);
	unsigned dir = x->dir;

	p->pend[dir] += x->d.ip_bytes;
	flow_add(&p->flow[dir], &x->d, x->ip6);
	flow_add(&touch_as(l, p->src)->flow[dir][AS_SRC], &x->d, x->ip6);
	flow_add(&touch_as(l, p->dst)->flow[dir][AS_DST], &x->d, x->ip6);
	if (p->src == p->dst)
		flow_add(&l->as[p->src].flow[dir][AS_SELF], &x->d, x->ip6);
}

void ledger_pair(void *ledger, uint32_t id, const struct asm_row *row)
{
	struct ledger *l = ledger;
	struct row_node *r = row_at(l, id, row);

	if (!r)
		return;
	struct asm_measure d = {
		.packets = row->packets - r->total.packets,
		.ip_bytes = row->ip_bytes - r->total.ip_bytes,
		.wire_bytes = row->wire_bytes - r->total.wire_bytes,
	};

	if (!d.packets)
		return;
	r->total = (struct asm_measure){row->packets, row->ip_bytes,
					row->wire_bytes};
	measure_add(&l->ifsum[r->iface].rows[r->dir], &d);

	/* as many as there are rows; who reports one twice gets it, too */
	struct row_delta x = {
		.d = d, .pair = r->pair, .dir = r->dir, .ip6 = r->ip6};

	if (l->n_delta < l->cap_row)
		l->delta[l->n_delta++] = x;
	else
		apply(l, &x);
}

/* How many differences ahead memory is asked for: first the pair, then, when
 * that is there, its ASes. */
#define AHEAD_PAIR 16
#define AHEAD_AS   8

static void ask_for(const void *p, size_t len)
{
	for (size_t at = 0; at < len; at += 64)
		__builtin_prefetch((const char *)p + at, 1);
}

static void apply_all(struct ledger *l)
{
	for (uint32_t i = 0; i < l->n_delta; i++) {
		if (i + AHEAD_PAIR < l->n_delta)
			ask_for(&l->pair[l->delta[i + AHEAD_PAIR].pair],
				sizeof(*l->pair));
		if (i + AHEAD_AS < l->n_delta) {
			const struct row_delta *x = &l->delta[i + AHEAD_AS];
			const struct pair_node *p = &l->pair[x->pair];
			const struct as_node *s = &l->as[p->src];
			const struct as_node *d = &l->as[p->dst];

			ask_for(s, 64);
			ask_for(&s->flow[x->dir][AS_SRC], sizeof(struct flow));
			ask_for(d, 64);
			ask_for(&d->flow[x->dir][AS_DST], sizeof(struct flow));
		}
		apply(l, &l->delta[i]);
	}
}

/* Turns an interval's sums into rates. decay: of the smoothed rate over the
 * time since it was written; gain: of an interval like the last one. */
static void rate_settle(struct rate3 *last, struct rate3 *smooth, float per_s,
			float decay, float gain)
{
	last->packets *= per_s;
	last->ip_bytes *= per_s;
	last->wire_bytes *= per_s;
	smooth->packets = smooth->packets * decay + last->packets * gain;
	smooth->ip_bytes = smooth->ip_bytes * decay + last->ip_bytes * gain;
	smooth->wire_bytes =
		smooth->wire_bytes * decay + last->wire_bytes * gain;
}

static float decay_of(int64_t ns)
{
	return expf(-(float)ns / (float)SMOOTH_NS);
}

static float per_second(const struct ledger *l)
{
	return l->dt_ns > 0 ? (float)NSEC_PER_SEC / (float)l->dt_ns : 0;
}

void ledger_port(void *ledger, uint32_t slot, const struct asm_if *ifc,
		 const struct asm_books *rx, const struct asm_books *tx)
{
	struct ledger *l = ledger;

	if (slot >= ASM_PORT_SLOTS)
		return;
	struct port_node *p = &l->port[slot];
	const struct asm_books *now[ASM_DIRS] = {rx, tx};
	float decay = decay_of(l->dt_ns);

	p->ifc = ifc ? *ifc : (struct asm_if){0};
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		const struct asm_measure *a = &p->books[d].seen;
		const struct asm_measure *b = &now[d]->seen;

		p->last[d] =
			(struct rate3){(float)(b->packets - a->packets),
				       (float)(b->ip_bytes - a->ip_bytes),
				       (float)(b->wire_bytes - a->wire_bytes)};
		rate_settle(&p->last[d], &p->smooth[d], per_second(l), decay,
			    1 - decay);
		p->books[d] = *now[d];
	}
	p->used = true;
}

static void settle_rates(struct ledger *l)
{
	float per_s = per_second(l), usual = decay_of(l->dt_ns);
	float gain = 1 - usual;

	for (uint32_t i = 0; i < l->n_touched_as; i++) {
		struct as_node *n = &l->as[l->touched_as[i]];
		int64_t gap = l->now.ns - n->touch.ns;
		float decay = gap == l->dt_ns ? usual : decay_of(gap);

		n->touch.ns = l->now.ns;
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			for (unsigned k = 0; k < AS_KINDS; k++)
				rate_settle(&n->flow[d][k].last,
					    &n->flow[d][k].smooth, per_s, decay,
					    gain);
		}
	}
	for (uint32_t i = 0; i < l->n_touched_pair; i++) {
		struct pair_node *n = &l->pair[l->touched_pair[i]];
		int64_t gap = l->now.ns - n->touch.ns;
		float decay = gap == l->dt_ns ? usual : decay_of(gap);

		n->touch.ns = l->now.ns;
		for (unsigned d = 0; d < ASM_DIRS; d++)
			rate_settle(&n->flow[d].last, &n->flow[d].smooth, per_s,
				    decay, gain);
	}
}

/* ------------------------------------------------------- the equations */

static uint64_t absdiff(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static uint64_t measure_diff(const struct asm_measure *a,
			     const struct asm_measure *b)
{
	return absdiff(a->packets, b->packets) +
	       absdiff(a->ip_bytes, b->ip_bytes) +
	       absdiff(a->wire_bytes, b->wire_bytes);
}

static uint64_t books_diff(const struct asm_books *b,
			   const struct asm_measure *rows)
{
	struct asm_measure known = b->attributed, all;

	measure_add(&known, &b->unknown_as);
	all = known;
	measure_add(&all, &b->not_ip);
	measure_add(&all, &b->truncated);
	measure_add(&all, &b->malformed);
	measure_add(&all, &b->map_full);
	return measure_diff(&b->seen, &all) + measure_diff(rows, &known);
}

/* Gives each port the sum of its rows; rows of interfaces that no slot is
 * for belong to the unlisted one. */
static void settle_ports(struct ledger *l)
{
	struct port_node *unlisted = &l->port[ASM_IF_UNLISTED];

	for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++)
		memset(l->port[s].rows, 0, sizeof(l->port[s].rows));
	for (uint32_t i = 0; i < l->n_ifsum; i++) {
		struct port_node *p = unlisted;

		for (uint32_t s = 0; s < ASM_IF_SLOTS; s++) {
			if (l->port[s].used &&
			    l->port[s].ifc.ifindex == l->ifsum[i].ifindex) {
				p = &l->port[s];
				break;
			}
		}
		for (unsigned d = 0; d < ASM_DIRS; d++)
			measure_add(&p->rows[d], &l->ifsum[i].rows[d]);
	}
	l->difference = 0;
	for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++) {
		for (unsigned d = 0; d < ASM_DIRS; d++)
			l->difference += books_diff(&l->port[s].books[d],
						    &l->port[s].rows[d]);
	}
}

int ledger_end(struct ledger *l)
{
	apply_all(l);
	settle_rates(l);
	settle_ports(l);
	series_settle(l);
	return l->failed ? -ENOMEM : 0;
}
