/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes in two radix tries (radix.h); the value of a node is the number of
 * its first path. Paths are a list, the best one first. Almost all prefixes
 * have one path, so lists are short; see paths_full() for what a peer with
 * ADD-PATH can make of one.
 */
#include "route/rib.h"

#include <errno.h>
#include <stdlib.h>

#include "route/best.h"
#include "route/pool.h"
#include "route/radix.h"

/* Further paths of all sources, and the first one of each. */
#define PATHS_LIST_MAX (RIB_PATHS_MAX + RIB_SOURCES_MAX)

struct path {
	struct attr *attr;
	uint32_t next;
	uint32_t since_s;
	uint32_t path_id;
	uint8_t source;
	uint8_t stale;
	uint16_t reserved;
};

struct source {
	struct rib_source_cfg cfg;
	size_t paths[FAMILIES];
};

struct rib {
	struct attr_table *attrs;
	struct radix radix[FAMILIES];
	struct pool paths;
	struct source *source[RIB_SOURCES_MAX];
	rib_changed_fn changed;
	void *changed_ctx;
	rib_label_fn label;
	void *label_ctx;
};

/* What a prefix answered before a change, to tell whether it still does. */
struct before {
	bool routed;
	uint32_t origin_as;
};

static struct path *path_at(const struct rib *rib, uint32_t n)
{
	return pool_at(&rib->paths, n);
}

static struct source *source_at(const struct rib *rib, int src)
{
	return src >= 0 && src < RIB_SOURCES_MAX ? rib->source[src] : NULL;
}

struct rib *rib_new(struct attr_table *attrs)
{
	struct rib *rib = calloc(1, sizeof(*rib));

	if (!rib)
		return NULL;
	rib->attrs = attrs;
	radix_init(&rib->radix[FAMILY_IP4], FAMILY_IP4);
	radix_init(&rib->radix[FAMILY_IP6], FAMILY_IP6);
	pool_init(&rib->paths, sizeof(struct path));
	return rib;
}

void rib_free(struct rib *rib)
{
	if (!rib)
		return;
	rib->changed = NULL;
	for (int i = 0; i < RIB_SOURCES_MAX; i++)
		if (rib->source[i])
			rib_source_del(rib, i);
	radix_done(&rib->radix[FAMILY_IP4]);
	radix_done(&rib->radix[FAMILY_IP6]);
	pool_done(&rib->paths);
	free(rib);
}

void rib_on_change(struct rib *rib, rib_changed_fn fn, void *ctx)
{
	rib->changed = fn;
	rib->changed_ctx = ctx;
}

/* ------------------------------------------------------------ best path */

static struct best_path path_rank(const struct rib *rib, const struct path *p)
{
	const struct rib_source_cfg *cfg = &rib->source[p->source]->cfg;
	struct attr_spec s;

	attr_view(p->attr, &s);
	return (struct best_path){
		.kind = (uint8_t)cfg->kind,
		.stale = p->stale,
		.ebgp = (s.flags & ATTR_EBGP) != 0,
		.origin = s.origin,
		.local_pref = s.flags & ATTR_HAS_LOCPREF ? s.local_pref
							 : RIB_LOCAL_PREF,
		.hops = s.path_hops,
		.neighbour_as = s.neighbour_as,
		.med = s.flags & ATTR_HAS_MED ? s.med : 0,
		.router_id = cfg->router_id,
		.peer = cfg->peer,
		.path_id = p->path_id,
	};
}

/* Brings the best path to the head of the list. */
static void best_first(struct rib *rib, struct radix *r, uint32_t node)
{
	struct best_path rank[PATHS_LIST_MAX];
	uint32_t number[PATHS_LIST_MAX], head = radix_at(r, node)->value;
	size_t n = 0, best;

	if (!head || !path_at(rib, head)->next)
		return;
	for (uint32_t i = head; i && n < PATHS_LIST_MAX; n++) {
		number[n] = i;
		rank[n] = path_rank(rib, path_at(rib, i));
		i = path_at(rib, i)->next;
	}
	best = best_choose(rank, n);
	if (best == 0)
		return;
	path_at(rib, number[best - 1])->next = path_at(rib, number[best])->next;
	path_at(rib, number[best])->next = head;
	radix_set(r, node, number[best]);
}

static struct before node_before(const struct rib *rib, const struct radix *r,
				 uint32_t node)
{
	uint32_t head = radix_at(r, node)->value;

	if (!head)
		return (struct before){false, 0};
	return (struct before){true, attr_origin_as(path_at(rib, head)->attr)};
}

/* After the paths of a node were touched: finds the best one, keeps the label
 * right and says so when the answer is another one now. */
static void node_settle(struct rib *rib, struct radix *r, uint32_t node,
			struct before old)
{
	struct before now;
	struct prefix p;

	best_first(rib, r, node);
	now = node_before(rib, r, node);
	if (now.routed == old.routed && now.origin_as == old.origin_as)
		return;
	if (now.routed && rib->label)
		radix_set_label(radix_at(r, node),
				rib->label(rib->label_ctx, now.origin_as));
	if (rib->changed) {
		p = radix_prefix(r, node);
		rib->changed(rib->changed_ctx, &p);
	}
}

/* -------------------------------------------------------------- sources */

int rib_source_add(struct rib *rib, const struct rib_source_cfg *cfg)
{
	int i = 0;

	while (i < RIB_SOURCES_MAX && rib->source[i])
		i++;
	if (i == RIB_SOURCES_MAX)
		return -ENOSPC;
	rib->source[i] = calloc(1, sizeof(*rib->source[i]));
	if (!rib->source[i])
		return -ENOMEM;
	rib->source[i]->cfg = *cfg;
	return i;
}

struct walk {
	struct rib *rib;
	struct radix *radix;
	int src;
	bool stale_only;
	size_t n;
};

static void settle_one(void *ctx, uint32_t node)
{
	struct walk *w = ctx;

	/* one path: its rank cannot matter */
	if (path_at(w->rib, radix_at(w->radix, node)->value)->next)
		node_settle(w->rib, w->radix, node,
			    node_before(w->rib, w->radix, node));
}

int rib_source_update(struct rib *rib, int src,
		      const struct rib_source_cfg *cfg)
{
	struct source *s = source_at(rib, src);
	bool rank;

	if (!s)
		return -ENOENT;
	rank = s->cfg.kind != cfg->kind || s->cfg.router_id != cfg->router_id ||
	       s->cfg.peer.hi != cfg->peer.hi ||
	       s->cfg.peer.lo != cfg->peer.lo ||
	       s->cfg.peer.family != cfg->peer.family;
	s->cfg = *cfg;
	for (int f = 0; rank && f < FAMILIES; f++) {
		struct walk w = {.rib = rib, .radix = &rib->radix[f]};

		if (s->paths[f])
			radix_prune(w.radix, settle_one, &w);
	}
	return 0;
}

const struct rib_source_cfg *rib_source_get(const struct rib *rib, int src)
{
	const struct source *s = source_at(rib, src);

	return s ? &s->cfg : NULL;
}

void rib_source_del(struct rib *rib, int src)
{
	if (!source_at(rib, src))
		return;
	(void)rib_flush(rib, src, FAMILY_IP4);
	(void)rib_flush(rib, src, FAMILY_IP6);
	free(rib->source[src]);
	rib->source[src] = NULL;
}

/* ---------------------------------------------------------------- paths */

/* The stale path of the source with the lowest path id, 0 if there is none. */
static uint32_t path_find_stale(const struct rib *rib, uint32_t head, int src)
{
	uint32_t found = 0;

	for (uint32_t n = head; n; n = path_at(rib, n)->next) {
		const struct path *p = path_at(rib, n);

		if (p->source == src && p->stale &&
		    (!found || p->path_id < path_at(rib, found)->path_id))
			found = n;
	}
	return found;
}

/* Whether the source gets no further path of the prefix: it has its share, or
 * the list is long. Its first one it gets always: no neighbour can fill the
 * list to keep another one out. */
static bool paths_full(const struct rib *rib, uint32_t head, int src)
{
	unsigned all = 0, own = 0;

	for (uint32_t n = head; n; n = path_at(rib, n)->next) {
		all++;
		own += path_at(rib, n)->source == src;
	}
	return own >= RIB_PATHS_OF_SOURCE || (own && all >= RIB_PATHS_MAX);
}

/* The path's number; *ret_prev the one before it, 0 at the head. */
static uint32_t path_find(const struct rib *rib, uint32_t head, int src,
			  uint32_t path_id, uint32_t *ret_prev)
{
	uint32_t prev = 0, n = head;

	for (; n; n = path_at(rib, n)->next) {
		const struct path *p = path_at(rib, n);

		if (p->source == src && p->path_id == path_id)
			break;
		prev = n;
	}
	*ret_prev = prev;
	return n;
}

/* Adds a path to a node that is there already, with a value or without. */
static int path_add(struct rib *rib, struct radix *r, struct source *s,
		    uint32_t node, struct path path)
{
	uint32_t n = pool_alloc(&rib->paths), head, prev;
	struct before old;

	if (!n)
		return -ENOMEM;
	head = radix_at(r, node)->value;
	/* behind the others: the best stays first, whatever comes */
	if (head) {
		(void)path_find(rib, head, -1, 0, &prev);
		path_at(rib, prev)->next = n;
	}
	path.attr = attr_ref(path.attr);
	*path_at(rib, n) = path;
	s->paths[r->family]++;
	old = node_before(rib, r, node);
	if (!head)
		radix_set(r, node, n);
	node_settle(rib, r, node, old);
	return 0;
}

static void path_replace(struct rib *rib, struct radix *r, uint32_t node,
			 uint32_t n, struct attr *attr, uint32_t now_s)
{
	struct before old = node_before(rib, r, node);
	struct path *p = path_at(rib, n);
	struct attr *was = p->attr;

	if (was == attr && !p->stale)
		return;
	p->stale = 0;
	if (was != attr) {
		p->attr = attr_ref(attr);
		p->since_s = now_s;
	}
	node_settle(rib, r, node, old);
	if (was != attr)
		attr_unref(rib->attrs, was);
}

static bool source_full(const struct source *s)
{
	return s->cfg.max_prefixes &&
	       s->paths[FAMILY_IP4] + s->paths[FAMILY_IP6] >=
		       s->cfg.max_prefixes;
}

/* One walk finds the node or makes it; that of a source at its bound makes
 * none. What is left without a value by a failure goes again. */
int rib_announce(struct rib *rib, int src, const struct prefix *p,
		 uint32_t path_id, struct attr *attr, uint32_t now_s)
{
	struct source *s = source_at(rib, src);
	uint32_t node, n, prev;
	struct radix *r;
	int rc;

	if (!s || p->family >= FAMILIES ||
	    p->len > family_bits((enum family)p->family))
		return -EINVAL;
	r = &rib->radix[p->family];
	node = source_full(s) ? radix_find(r, p) : radix_insert(r, p);
	if (!node)
		return source_full(s) ? -EDQUOT : -ENOMEM;
	n = path_find(rib, radix_at(r, node)->value, src, path_id, &prev);
	if (!n)
		n = path_find_stale(rib, radix_at(r, node)->value, src);
	if (n) {
		path_at(rib, n)->path_id = path_id;
		path_replace(rib, r, node, n, attr, now_s);
		return 0;
	}
	if (source_full(s) || paths_full(rib, radix_at(r, node)->value, src))
		return -EDQUOT;
	rc = path_add(rib, r, s, node,
		      (struct path){.attr = attr,
				    .since_s = now_s,
				    .path_id = path_id,
				    .source = (uint8_t)src});
	if (rc && !radix_at(r, node)->value)
		radix_tidy(r, p);
	return rc;
}

/* Takes path n out of the node's list and frees it, the attributes excepted:
 * those are the caller's now. */
static struct attr *path_unlink(struct rib *rib, struct radix *r, uint32_t node,
				uint32_t prev, uint32_t n)
{
	struct path *p = path_at(rib, n);
	struct attr *attr = p->attr;

	if (prev)
		path_at(rib, prev)->next = p->next;
	else
		radix_set(r, node, p->next);
	rib->source[p->source]->paths[r->family]--;
	pool_free(&rib->paths, n);
	return attr;
}

int rib_withdraw(struct rib *rib, int src, const struct prefix *p,
		 uint32_t path_id)
{
	struct before old;
	struct attr *attr;
	struct radix *r;
	uint32_t node, n, prev;

	if (!source_at(rib, src) || p->family >= FAMILIES)
		return -ENOENT;
	r = &rib->radix[p->family];
	node = radix_find(r, p);
	if (!node)
		return -ENOENT;
	n = path_find(rib, radix_at(r, node)->value, src, path_id, &prev);
	if (!n)
		return -ENOENT;
	old = node_before(rib, r, node);
	attr = path_unlink(rib, r, node, prev, n);
	node_settle(rib, r, node, old);
	if (!radix_at(r, node)->value)
		radix_tidy(r, p);
	attr_unref(rib->attrs, attr);
	return 0;
}

/* ---------------------------------------------------------- whole source */

static void mark_one(void *ctx, uint32_t node)
{
	struct walk *w = ctx;
	struct before old = node_before(w->rib, w->radix, node);
	uint32_t n = radix_at(w->radix, node)->value;
	bool any = false;

	for (; n; n = path_at(w->rib, n)->next) {
		struct path *p = path_at(w->rib, n);

		if (p->source == w->src) {
			p->stale = 1;
			any = true;
			w->n++;
		}
	}
	if (any)
		node_settle(w->rib, w->radix, node, old);
}

static void drop_one(void *ctx, uint32_t node)
{
	struct walk *w = ctx;
	struct before old = node_before(w->rib, w->radix, node);
	uint32_t n = radix_at(w->radix, node)->value, prev = 0, next;
	bool any = false;

	for (; n; n = next) {
		struct path *p = path_at(w->rib, n);

		next = p->next;
		if (p->source == w->src && (p->stale || !w->stale_only)) {
			attr_unref(w->rib->attrs, path_unlink(w->rib, w->radix,
							      node, prev, n));
			any = true;
			w->n++;
		} else {
			prev = n;
		}
	}
	if (any)
		node_settle(w->rib, w->radix, node, old);
}

static size_t source_walk(struct rib *rib, int src, enum family f,
			  bool stale_only, void (*fn)(void *, uint32_t))
{
	const struct source *s = source_at(rib, src);
	struct walk w = {rib, &rib->radix[f], src, stale_only, 0};

	if (s && s->paths[f])
		radix_prune(w.radix, fn, &w);
	return w.n;
}

size_t rib_mark_stale(struct rib *rib, int src, enum family f)
{
	return source_walk(rib, src, f, false, mark_one);
}

size_t rib_sweep_stale(struct rib *rib, int src, enum family f)
{
	return source_walk(rib, src, f, true, drop_one);
}

size_t rib_flush(struct rib *rib, int src, enum family f)
{
	return source_walk(rib, src, f, false, drop_one);
}

/* -------------------------------------------------------------- reading */

static void label_one(void *ctx, uint32_t node)
{
	struct walk *w = ctx;
	uint32_t as = node_before(w->rib, w->radix, node).origin_as;

	radix_set_label(radix_at(w->radix, node),
			w->rib->label(w->rib->label_ctx, as));
}

void rib_label_by(struct rib *rib, rib_label_fn fn, void *ctx)
{
	rib->label = fn;
	rib->label_ctx = ctx;
	for (int f = 0; fn && f < FAMILIES; f++) {
		struct walk w = {.rib = rib, .radix = &rib->radix[f]};

		radix_prune(w.radix, label_one, &w);
	}
}

const struct radix *rib_radix(const struct rib *rib, enum family f)
{
	return &rib->radix[f];
}

size_t rib_source_paths(const struct rib *rib, int src, enum family f)
{
	const struct source *s = source_at(rib, src);

	return s ? s->paths[f] : 0;
}

size_t rib_prefixes(const struct rib *rib, enum family f)
{
	return rib->radix[f].valued;
}

size_t rib_bytes(const struct rib *rib)
{
	return pool_bytes(&rib->radix[FAMILY_IP4].nodes) +
	       pool_bytes(&rib->radix[FAMILY_IP6].nodes) +
	       pool_bytes(&rib->paths);
}

bool rib_lookup(const struct rib *rib, const struct addr *a,
		struct rib_route *ret)
{
	const struct radix *r = &rib->radix[a->family];
	uint32_t node = radix_match(r, a->hi, a->lo);
	const struct path *p;

	if (!node)
		return false;
	p = path_at(rib, radix_at(r, node)->value);
	*ret = (struct rib_route){
		.prefix = radix_prefix(r, node),
		.attr = p->attr,
		.source = p->source,
		.since_s = p->since_s,
		.stale = p->stale,
	};
	return true;
}
