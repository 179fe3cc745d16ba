/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the books: sums, one AS, one port, the largest. */
#include <math.h>
#include <stdlib.h>

#include "flow/ledger.h"
#include "flow/ledger_int.h"

static void measure_add(struct asm_measure *m, const struct asm_measure *d)
{
	m->packets += d->packets;
	m->ip_bytes += d->ip_bytes;
	m->wire_bytes += d->wire_bytes;
}

static void measure_sub(struct asm_measure *m, const struct asm_measure *d)
{
	m->packets -= d->packets;
	m->ip_bytes -= d->ip_bytes;
	m->wire_bytes -= d->wire_bytes;
}

static void books_add(struct asm_books *b, const struct asm_books *d)
{
	measure_add(&b->seen, &d->seen);
	measure_add(&b->attributed, &d->attributed);
	measure_add(&b->unknown_as, &d->unknown_as);
	measure_add(&b->not_ip, &d->not_ip);
	measure_add(&b->truncated, &d->truncated);
	measure_add(&b->malformed, &d->malformed);
	measure_add(&b->map_full, &d->map_full);
}

void ledger_sums(const struct ledger *l, struct ledger_sums *ret)
{
	*ret = (struct ledger_sums){
		.difference = l->difference,
		.drains = l->drain,
		.interval_ns = l->dt_ns,
		.at = l->now,
		.ases = l->n_as,
		.pairs = l->n_pair,
		.admitted = l->admitted,
	};
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++) {
			books_add(&ret->books[d], &l->port[s].books[d]);
			measure_add(&ret->rows[d], &l->port[s].rows[d]);
		}
		ret->series[d] = l->set[d].n;
		ret->retired[d] = l->set[d].generations;
	}
}

static struct ledger_rate rate_of(const struct rate3 *r, double factor)
{
	return (struct ledger_rate){
		.packets = (double)r->packets * factor,
		.ip_bytes = (double)r->ip_bytes * factor,
		.wire_bytes = (double)r->wire_bytes * factor,
	};
}

static void rate_add(struct ledger_rate *r, const struct ledger_rate *d,
		     double sign)
{
	r->packets += sign * d->packets;
	r->ip_bytes += sign * d->ip_bytes;
	r->wire_bytes += sign * d->wire_bytes;
}

size_t ledger_ports(const struct ledger *l)
{
	size_t n = 0;

	for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++)
		n += l->port[s].used;
	return n;
}

void ledger_port_get(const struct ledger *l, size_t i, struct ledger_port *ret)
{
	uint32_t s = 0;

	for (;; s++) {
		if (l->port[s].used && i-- == 0)
			break;
	}
	const struct port_node *p = &l->port[s];

	*ret = (struct ledger_port){.slot = s, .ifc = p->ifc};
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		ret->books[d] = p->books[d];
		ret->rows[d] = p->rows[d];
		ret->last[d] = rate_of(&p->last[d], 1);
		ret->smooth[d] = rate_of(&p->smooth[d], 1);
	}
}

/* How much of the smoothed rate is left at the time of the last drain. */
static double fade(const struct ledger *l, const struct touch *t)
{
	if (t->drain == l->drain)
		return 1;
	return exp(-(double)(l->now.ns - t->ns) / (double)SMOOTH_NS);
}

static struct ledger_flow flow_of(const struct ledger *l, const struct flow *f,
				  const struct touch *t, double faded)
{
	return (struct ledger_flow){
		.total = f->total,
		.ip6 = f->ip6,
		.last = rate_of(&f->last, t->drain == l->drain ? 1 : 0),
		.smooth = rate_of(&f->smooth, faded),
	};
}

static struct ledger_flow flow_any(const struct ledger_flow *src,
				   const struct ledger_flow *dst,
				   const struct ledger_flow *self)
{
	struct ledger_flow any = *src;

	measure_add(&any.total, &dst->total);
	measure_sub(&any.total, &self->total);
	measure_add(&any.ip6, &dst->ip6);
	measure_sub(&any.ip6, &self->ip6);
	rate_add(&any.last, &dst->last, 1);
	rate_add(&any.last, &self->last, -1);
	rate_add(&any.smooth, &dst->smooth, 1);
	rate_add(&any.smooth, &self->smooth, -1);
	return any;
}

static void as_view(const struct ledger *l, const struct as_node *n,
		    struct ledger_as *ret)
{
	double faded = fade(l, &n->touch);

	*ret = (struct ledger_as){.asn = n->asn, .admitted = n->admitted};
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		struct ledger_flow k[AS_KINDS];

		for (unsigned i = 0; i < AS_KINDS; i++)
			k[i] = flow_of(l, &n->flow[d][i], &n->touch, faded);
		ret->flow[d][LEDGER_SRC] = k[AS_SRC];
		ret->flow[d][LEDGER_DST] = k[AS_DST];
		ret->flow[d][LEDGER_ANY] =
			flow_any(&k[AS_SRC], &k[AS_DST], &k[AS_SELF]);
	}
}

static void pair_view(const struct ledger *l, const struct pair_node *n,
		      struct ledger_aspair *ret)
{
	double faded = fade(l, &n->touch);

	*ret = (struct ledger_aspair){.src_as = l->as[n->src].asn,
				      .dst_as = l->as[n->dst].asn};
	for (unsigned d = 0; d < ASM_DIRS; d++)
		ret->flow[d] = flow_of(l, &n->flow[d], &n->touch, faded);
}

bool ledger_as_get(const struct ledger *l, uint32_t asn, struct ledger_as *ret)
{
	uint32_t i = map_get(&l->as_map, asn);

	if (i == MAP_NONE)
		return false;
	as_view(l, &l->as[i], ret);
	return true;
}

void ledger_rows_each(const struct ledger *l, ledger_row_fn fn, void *ctx)
{
	for (uint32_t i = 0; i < l->n_row; i++) {
		const struct row_node *r = &l->row[i];

		if (r->pair == MAP_NONE)
			continue;
		const struct pair_node *p = &l->pair[r->pair];
		const struct ledger_row row = {
			.src_as = l->as[p->src].asn,
			.dst_as = l->as[p->dst].asn,
			.ifindex = l->ifsum[r->iface].ifindex,
			.dir = (enum asm_dir)r->dir,
			.ip6 = r->ip6,
			.total = r->total,
		};

		fn(ctx, i, &row);
	}
}

/* ---------------------------------------------------------- the largest */

static double flow_value(const struct flow *f, const struct ledger_order *o,
			 double faded, bool fresh)
{
	if (o->when == LEDGER_TOTAL) {
		const struct asm_measure *m = &f->total;

		return (double)(o->by == LEDGER_BY_PACKETS    ? m->packets
				: o->by == LEDGER_BY_IP_BYTES ? m->ip_bytes
							      : m->wire_bytes);
	}
	const struct rate3 *r = o->when == LEDGER_LAST ? &f->last : &f->smooth;
	float v = o->by == LEDGER_BY_PACKETS    ? r->packets
		  : o->by == LEDGER_BY_IP_BYTES ? r->ip_bytes
						: r->wire_bytes;

	if (o->when == LEDGER_LAST)
		return fresh ? (double)v : 0;
	return (double)v * faded;
}

static double order_fade(const struct ledger *l, const struct touch *t,
			 const struct ledger_order *o)
{
	return o->when == LEDGER_SMOOTH ? fade(l, t) : 1;
}

static double as_value(const struct ledger *l, const struct as_node *n,
		       const struct ledger_order *o)
{
	bool fresh = n->touch.drain == l->drain;
	double faded = order_fade(l, &n->touch, o), v = 0;

	for (unsigned d = 0; d < ASM_DIRS; d++) {
		const struct flow *f = n->flow[d];

		if (!(o->dirs & 1u << d))
			continue;
		if (o->role != LEDGER_DST)
			v += flow_value(&f[AS_SRC], o, faded, fresh);
		if (o->role != LEDGER_SRC)
			v += flow_value(&f[AS_DST], o, faded, fresh);
		if (o->role == LEDGER_ANY)
			v -= flow_value(&f[AS_SELF], o, faded, fresh);
	}
	return v;
}

static double pair_value(const struct ledger *l, const struct pair_node *n,
			 const struct ledger_order *o)
{
	bool fresh = n->touch.drain == l->drain;
	double faded, v = 0;

	if (o->as_filter && l->as[n->src].asn != o->asn &&
	    l->as[n->dst].asn != o->asn)
		return 0;
	faded = order_fade(l, &n->touch, o);
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		if (o->dirs & 1u << d)
			v += flow_value(&n->flow[d], o, faded, fresh);
	}
	return v;
}

/* A candidate; tie is what decides between equals, the smaller first. */
struct best {
	double value;
	uint64_t tie;
	uint32_t ix;
};

static bool before(const struct best *a, const struct best *b)
{
	return a->value > b->value ||
	       (!(a->value < b->value) && a->tie < b->tie);
}

/* A heap of the n best so far with the worst of them on top. */
static void heap_down(struct best *h, size_t n, size_t i)
{
	for (;;) {
		size_t worst = i, c = 2 * i + 1;

		if (c < n && before(&h[worst], &h[c]))
			worst = c;
		if (c + 1 < n && before(&h[worst], &h[c + 1]))
			worst = c + 1;
		if (worst == i)
			return;
		struct best t = h[i];

		h[i] = h[worst];
		h[worst] = t;
		i = worst;
	}
}

static void heap_offer(struct best *h, size_t *n, size_t max, struct best b)
{
	if (*n < max) {
		h[(*n)++] = b;
		if (*n == max) {
			for (size_t i = max / 2 + 1; i-- > 0;)
				heap_down(h, max, i);
		}
	} else if (before(&b, &h[0])) {
		h[0] = b;
		heap_down(h, max, 0);
	}
}

static int best_cmp(const void *a, const void *b)
{
	return before(a, b) ? -1 : 1;
}

size_t ledger_top_as(const struct ledger *l, const struct ledger_order *o,
		     size_t n, struct ledger_as *ret)
{
	struct best *h = n ? malloc(n * sizeof(*h)) : NULL;
	size_t found = 0;

	if (!h)
		return 0;
	for (uint32_t i = 0; i < l->n_as; i++) {
		double v = as_value(l, &l->as[i], o);

		if (v > 0)
			heap_offer(h, &found, n,
				   (struct best){v, l->as[i].asn, i});
	}
	qsort(h, found, sizeof(*h), best_cmp);
	for (size_t i = 0; i < found; i++)
		as_view(l, &l->as[h[i].ix], &ret[i]);
	free(h);
	return found;
}

size_t ledger_top_pairs(const struct ledger *l, const struct ledger_order *o,
			size_t n, struct ledger_aspair *ret)
{
	struct best *h = n ? malloc(n * sizeof(*h)) : NULL;
	size_t found = 0;

	if (!h)
		return 0;
	for (uint32_t i = 0; i < l->n_pair; i++) {
		const struct pair_node *p = &l->pair[i];
		double v = pair_value(l, p, o);

		if (v > 0)
			heap_offer(h, &found, n,
				   (struct best){v,
						 (uint64_t)l->as[p->src].asn
								 << 32 |
							 l->as[p->dst].asn,
						 i});
	}
	qsort(h, found, sizeof(*h), best_cmp);
	for (size_t i = 0; i < found; i++)
		pair_view(l, &l->pair[h[i].ix], &ret[i]);
	free(h);
	return found;
}
