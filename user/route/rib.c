/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes in order (sorted.h), one set for each family. Almost all prefixes
 * have one path, so that is kept in place: the value is the number of its
 * attributes (attr.h), with time and source beside it. Several paths, or one
 * with a path id, are a list, the best one first, and the value is the number
 * of the first one; see paths_full() for what a peer with ADD-PATH can make of
 * a list.
 */
#include "route/rib.h"

#include <errno.h>
#include <stdlib.h>

#include "route/best.h"
#include "route/rib_priv.h"

/* Further paths of all sources, and the first one of each. */
#define PATHS_LIST_MAX (RIB_PATHS_MAX + RIB_SOURCES_MAX)

/* What a prefix answered before a change, to tell whether it still does. */
struct before {
	bool routed;
	uint32_t origin_as;
};

/* A prefix that is being worked on. */
struct place {
	struct sorted *set;
	struct sorted_at at;
};

struct rib *rib_new(struct attr_table *attrs)
{
	struct rib *rib = calloc(1, sizeof(*rib));

	if (!rib)
		return NULL;
	rib->attrs = attrs;
	sorted_init(&rib->set[FAMILY_IP4], FAMILY_IP4);
	sorted_init(&rib->set[FAMILY_IP6], FAMILY_IP6);
	pool_init(&rib->paths, sizeof(struct path), VALUE_NUMBERS);
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
	sorted_done(&rib->set[FAMILY_IP4]);
	sorted_done(&rib->set[FAMILY_IP6]);
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

	attr_view(attr_at(rib->attrs, p->attr), &s);
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
static void best_first(struct rib *rib, const struct place *pl)
{
	struct best_path rank[PATHS_LIST_MAX];
	uint32_t number[PATHS_LIST_MAX], head = number_of(*value_of(&pl->at));
	size_t n = 0, best;

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
	*value_of(&pl->at) = number[best] << VALUE_SHIFT | VALUE_LIST;
}

static struct before place_before(const struct rib *rib, const struct place *pl)
{
	uint32_t value = *value_of(&pl->at);

	if (!value)
		return (struct before){false, 0};
	return (struct before){true,
			       attr_origin_as(attr_at(rib->attrs,
						      value_attr(rib, value)))};
}

static void label_set(struct rib *rib, uint32_t attr, uint32_t origin_as)
{
	if (rib->label && !attr_label(rib->attrs, attr))
		attr_set_label(rib->attrs, attr,
			       rib->label(rib->label_ctx, origin_as));
}

/* After the paths of a prefix were touched: finds the best one, keeps the label
 * right and says so when the answer is another one now. */
static void place_settle(struct rib *rib, const struct place *pl,
			 struct before old)
{
	uint32_t value = *value_of(&pl->at);
	struct before now;
	struct prefix p;

	if (is_list(value) && path_at(rib, number_of(value))->next)
		best_first(rib, pl);
	now = place_before(rib, pl);
	if (now.routed)
		label_set(rib, value_attr(rib, *value_of(&pl->at)),
			  now.origin_as);
	if (now.routed == old.routed && now.origin_as == old.origin_as)
		return;
	if (rib->changed) {
		p = sorted_prefix(pl->set, &pl->at);
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
	struct sorted *set;
	int src;
	bool stale_only;
	size_t n;
};

static bool settle_one(void *ctx, const struct sorted_at *at)
{
	struct walk *w = ctx;
	struct place pl = {w->set, *at};

	if (is_list(*value_of(at)))
		place_settle(w->rib, &pl, place_before(w->rib, &pl));
	return true;
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
		struct walk w = {.rib = rib, .set = &rib->set[f]};

		if (s->paths[f])
			sorted_sweep(w.set, settle_one, &w);
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

/* Whether a path can be kept in place. */
static bool path_plain(const struct path *p)
{
	return p->path_id == 0;
}

static void place_put(const struct sorted_at *at, const struct path *p)
{
	*value_of(at) = p->attr << VALUE_SHIFT | (p->stale ? VALUE_STALE : 0);
	at->leaf->since_s[at->i] = p->since_s;
	at->leaf->source[at->i] = p->source;
}

/* Makes a list of the path in place, if it is not one already. */
static int place_open(struct rib *rib, const struct sorted_at *at)
{
	struct path p = place_get(at);
	uint32_t n;

	if (!*value_of(at) || is_list(*value_of(at)))
		return 0;
	n = pool_alloc(&rib->paths);
	if (!n)
		return -ENOMEM;
	*path_at(rib, n) = p;
	*value_of(at) = n << VALUE_SHIFT | VALUE_LIST;
	return 0;
}

/* The other way, if there is one path left that can be in place. */
static void place_close(struct rib *rib, const struct sorted_at *at)
{
	uint32_t n = number_of(*value_of(at));
	struct path p;

	if (!is_list(*value_of(at)))
		return;
	p = *path_at(rib, n);
	if (p.next || !path_plain(&p))
		return;
	pool_free(&rib->paths, n);
	place_put(at, &p);
}

/* Adds a path to a list, or to nothing. */
static int list_add(struct rib *rib, const struct sorted_at *at,
		    const struct path *path)
{
	uint32_t n = pool_alloc(&rib->paths), prev;
	uint32_t head = number_of(*value_of(at));

	if (!n)
		return -ENOMEM;
	*path_at(rib, n) = *path;
	/* behind the others: the best stays first, whatever comes */
	if (head) {
		(void)path_find(rib, head, -1, 0, &prev);
		path_at(rib, prev)->next = n;
	} else {
		*value_of(at) = n << VALUE_SHIFT | VALUE_LIST;
	}
	return 0;
}

/* Adds a path to those of a prefix, or the first one when it has an id. */
static int path_add(struct rib *rib, const struct place *pl,
		    const struct path *path)
{
	struct before old = place_before(rib, pl);
	int rc = place_open(rib, &pl->at);

	if (!rc)
		rc = list_add(rib, &pl->at, path);
	if (rc) {
		place_close(rib, &pl->at);
		return rc;
	}
	(void)attr_ref(attr_at(rib->attrs, path->attr));
	rib->source[path->source]->paths[pl->set->family]++;
	place_settle(rib, pl, old);
	return 0;
}

/* Puts the path in n places that were made for these prefixes. */
static void plain_add(struct rib *rib, const struct place *pl,
		      const struct prefix *p, size_t n, const struct path *path)
{
	struct attr *a = attr_at(rib->attrs, path->attr);
	struct sorted_at at = pl->at;

	for (size_t i = 0; i < n; i++, at.i++) {
		place_put(&at, path);
		(void)attr_ref(a);
	}
	rib->source[path->source]->paths[pl->set->family] += n;
	label_set(rib, path->attr, attr_origin_as(a));
	for (size_t i = 0; rib->changed && i < n; i++)
		rib->changed(rib->changed_ctx, &p[i]);
}

/* What an announcement makes of the path that it replaces; the attributes that
 * are no longer needed, 0 if they are the same ones. */
static uint32_t path_renew(struct rib *rib, struct path *p, uint32_t attr,
			   uint32_t now_s)
{
	uint32_t was = p->attr;

	p->stale = 0;
	if (was == attr)
		return 0;
	(void)attr_ref(attr_at(rib->attrs, attr));
	p->attr = attr;
	p->since_s = now_s;
	return was;
}

static void path_replace(struct rib *rib, const struct place *pl, uint32_t n,
			 const struct path *by)
{
	struct before old = place_before(rib, pl);
	struct path *p = path_at(rib, n);
	uint32_t was = p->attr;

	if (was == by->attr && p->path_id == by->path_id && !p->stale)
		return;
	p->path_id = by->path_id;
	was = path_renew(rib, p, by->attr, by->since_s);
	place_settle(rib, pl, old);
	place_close(rib, &pl->at);
	if (was)
		attr_unref(rib->attrs, attr_at(rib->attrs, was));
}

/* The same for a path in place that stays in place. */
static void plain_replace(struct rib *rib, const struct place *pl,
			  const struct path *by)
{
	struct path p = place_get(&pl->at);
	struct before old;
	uint32_t was;

	if (p.attr == by->attr && !p.stale)
		return;
	old = place_before(rib, pl);
	was = path_renew(rib, &p, by->attr, by->since_s);
	place_put(&pl->at, &p);
	place_settle(rib, pl, old);
	if (was)
		attr_unref(rib->attrs, attr_at(rib->attrs, was));
}

/* How many more paths the source may have. */
static size_t source_room(const struct source *s)
{
	size_t n = s->paths[FAMILY_IP4] + s->paths[FAMILY_IP6];

	if (!s->cfg.max_prefixes)
		return SIZE_MAX;
	return n < s->cfg.max_prefixes ? s->cfg.max_prefixes - n : 0;
}

/* With a list, or about to become one. */
static int list_announce(struct rib *rib, const struct place *pl, bool full,
			 const struct path *path)
{
	int rc = place_open(rib, &pl->at);
	uint32_t head = number_of(*value_of(&pl->at)), n, prev;

	if (rc)
		return rc;
	n = path_find(rib, head, path->source, path->path_id, &prev);
	if (!n)
		n = path_find_stale(rib, head, path->source);
	if (n) {
		path_replace(rib, pl, n, path);
		return 0;
	}
	rc = full || paths_full(rib, head, path->source)
		     ? -EDQUOT
		     : path_add(rib, pl, path);
	place_close(rib, &pl->at);
	return rc;
}

/* How many of n prefixes can be, and are of the family of the first. */
static size_t count_valid(const struct prefix *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i].family < FAMILIES && p[i].family == p[0].family &&
	       p[i].len <= family_bits((enum family)p[i].family))
		i++;
	return i;
}

/* The path for one prefix that is there already. */
static int path_announce(struct rib *rib, const struct place *pl, bool full,
			 const struct path *path)
{
	if (is_list(*value_of(&pl->at)) || !path_plain(path) ||
	    pl->at.leaf->source[pl->at.i] != path->source)
		return list_announce(rib, pl, full, path);
	plain_replace(rib, pl, path);
	return 0;
}

/* One walk finds the place or makes it; that of a source at its bound makes
 * none. What is left without a path by a failure goes again. */
static int announce(struct rib *rib, const struct prefix *p, size_t n,
		    const struct path *path, size_t *ret_n)
{
	size_t room = source_room(rib->source[path->source]), made = 0;
	struct place pl;
	int rc = 0;

	n = count_valid(p, n);
	if (!n)
		return -EINVAL;
	pl.set = &rib->set[p->family];
	if (room)
		rc = sorted_insert(pl.set, p, n < room ? n : room, &pl.at,
				   &made);
	else if (!sorted_find(pl.set, p, &pl.at))
		rc = -EDQUOT;
	if (rc)
		return rc;
	*ret_n = made ? made : 1;
	if (!made)
		return path_announce(rib, &pl, !room, path);
	if (path_plain(path)) {
		plain_add(rib, &pl, p, made, path);
		return 0;
	}
	rc = path_add(rib, &pl, path);
	if (rc)
		sorted_remove(pl.set, pl.at);
	return rc;
}

static struct path path_of(int src, uint32_t path_id, const struct attr *attr,
			   uint32_t now_s)
{
	return (struct path){.attr = attr_number(attr),
			     .since_s = now_s,
			     .path_id = path_id,
			     .source = (uint8_t)src};
}

int rib_announce(struct rib *rib, int src, const struct prefix *p,
		 uint32_t path_id, struct attr *attr, uint32_t now_s)
{
	const struct path path = path_of(src, path_id, attr, now_s);
	size_t n;

	return source_at(rib, src) ? announce(rib, p, 1, &path, &n) : -EINVAL;
}

int rib_announce_run(struct rib *rib, int src, const struct prefix *p, size_t n,
		     struct attr *attr, uint32_t now_s, size_t *ret_n)
{
	const struct path path = path_of(src, 0, attr, now_s);

	return source_at(rib, src) ? announce(rib, p, n, &path, ret_n)
				   : -EINVAL;
}

/* Takes path n out of a list and frees it, the attributes excepted: those are
 * the caller's now. What was the last one leaves a value of 0. */
static uint32_t path_unlink(struct rib *rib, const struct sorted_at *at,
			    uint32_t prev, uint32_t n)
{
	struct path *p = path_at(rib, n);
	uint32_t attr = p->attr;

	if (prev)
		path_at(rib, prev)->next = p->next;
	else
		*value_of(at) =
			p->next ? p->next << VALUE_SHIFT | VALUE_LIST : 0;
	pool_free(&rib->paths, n);
	return attr;
}

/* Takes the path away; the number of its attributes, which are the caller's
 * now, 0 if there is no such path. */
static uint32_t place_withdraw(struct rib *rib, const struct sorted_at *at,
			       int src, uint32_t path_id)
{
	uint32_t value = *value_of(at), n, prev;

	if (is_list(value)) {
		n = path_find(rib, number_of(value), src, path_id, &prev);
		return n ? path_unlink(rib, at, prev, n) : 0;
	}
	if (path_id != 0 || at->leaf->source[at->i] != src)
		return 0;
	*value_of(at) = 0;
	return number_of(value);
}

int rib_withdraw(struct rib *rib, int src, const struct prefix *p,
		 uint32_t path_id)
{
	struct source *s = source_at(rib, src);
	struct before old;
	struct place pl;
	uint32_t attr;

	if (!s || p->family >= FAMILIES)
		return -ENOENT;
	pl.set = &rib->set[p->family];
	if (!sorted_find(pl.set, p, &pl.at))
		return -ENOENT;
	old = place_before(rib, &pl);
	attr = place_withdraw(rib, &pl.at, src, path_id);
	if (!attr)
		return -ENOENT;
	s->paths[p->family]--;
	place_settle(rib, &pl, old);
	if (*value_of(&pl.at))
		place_close(rib, &pl.at);
	else
		sorted_remove(pl.set, pl.at);
	attr_unref(rib->attrs, attr_at(rib->attrs, attr));
	return 0;
}

/* ---------------------------------------------------------- whole source */

static bool mark_one(void *ctx, const struct sorted_at *at)
{
	struct walk *w = ctx;
	struct place pl = {w->set, *at};
	struct before old;
	bool any = false;

	if (!is_list(*value_of(at))) {
		if (at->leaf->source[at->i] == w->src) {
			*value_of(at) |= VALUE_STALE;
			w->n++;
		}
		return true;
	}
	old = place_before(w->rib, &pl);
	for (uint32_t n = number_of(*value_of(at)); n;) {
		struct path *p = path_at(w->rib, n);

		if (p->source == w->src) {
			p->stale = 1;
			any = true;
			w->n++;
		}
		n = p->next;
	}
	if (any)
		place_settle(w->rib, &pl, old);
	return true;
}

static bool drop_from_list(struct walk *w, const struct sorted_at *at)
{
	uint32_t n = number_of(*value_of(at)), prev = 0, next;
	bool any = false;

	for (; n; n = next) {
		struct path *p = path_at(w->rib, n);

		next = p->next;
		if (p->source == w->src && (p->stale || !w->stale_only)) {
			attr_unref(w->rib->attrs,
				   attr_at(w->rib->attrs,
					   path_unlink(w->rib, at, prev, n)));
			any = true;
			w->n++;
		} else {
			prev = n;
		}
	}
	return any;
}

static bool drop_one(void *ctx, const struct sorted_at *at)
{
	struct walk *w = ctx;
	uint32_t value = *value_of(at);
	struct place pl = {w->set, *at};
	struct before old;

	if (!is_list(value) && (at->leaf->source[at->i] != w->src ||
				(w->stale_only && !(value & VALUE_STALE))))
		return true;
	old = place_before(w->rib, &pl);
	if (!is_list(value)) {
		*value_of(at) = 0;
		attr_unref(w->rib->attrs,
			   attr_at(w->rib->attrs, number_of(value)));
		w->n++;
	} else if (!drop_from_list(w, at)) {
		return true;
	}
	place_settle(w->rib, &pl, old);
	place_close(w->rib, at);
	return *value_of(at) != 0;
}

static size_t source_walk(struct rib *rib, int src, enum family f,
			  bool stale_only,
			  bool (*fn)(void *, const struct sorted_at *))
{
	const struct source *s = source_at(rib, src);
	struct walk w = {rib, &rib->set[f], src, stale_only, 0};

	if (s && s->paths[f])
		sorted_sweep(w.set, fn, &w);
	return w.n;
}

static size_t source_drop(struct rib *rib, int src, enum family f,
			  bool stale_only)
{
	size_t n = source_walk(rib, src, f, stale_only, drop_one);

	if (n)
		rib->source[src]->paths[f] -= n;
	return n;
}

size_t rib_mark_stale(struct rib *rib, int src, enum family f)
{
	return source_walk(rib, src, f, false, mark_one);
}

size_t rib_sweep_stale(struct rib *rib, int src, enum family f)
{
	return source_drop(rib, src, f, true);
}

size_t rib_flush(struct rib *rib, int src, enum family f)
{
	return source_drop(rib, src, f, false);
}

/* -------------------------------------------------------------- reading */

static bool label_one(void *ctx, const struct sorted_at *at)
{
	struct walk *w = ctx;
	struct place pl = {w->set, *at};

	label_set(w->rib, value_attr(w->rib, *value_of(at)),
		  place_before(w->rib, &pl).origin_as);
	return true;
}

void rib_label_by(struct rib *rib, rib_label_fn fn, void *ctx)
{
	rib->label = fn;
	rib->label_ctx = ctx;
	attr_clear_labels(rib->attrs);
	for (int f = 0; fn && f < FAMILIES; f++) {
		struct walk w = {.rib = rib, .set = &rib->set[f]};

		sorted_sweep(w.set, label_one, &w);
	}
}
