/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/best.h"

static int cmp(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* The steps before MED: negative when a is better. */
static int cmp_head(const struct best_path *a, const struct best_path *b)
{
	int c = cmp(a->kind, b->kind);

	c = c ? c : cmp(a->stale, b->stale);
	c = c ? c : cmp(b->local_pref, a->local_pref);
	c = c ? c : cmp(a->hops, b->hops);
	return c ? c : cmp(a->origin, b->origin);
}

/* The steps behind MED. */
static int cmp_tail(const struct best_path *a, const struct best_path *b)
{
	int c = cmp(b->ebgp, a->ebgp);

	c = c ? c : cmp(a->router_id, b->router_id);
	c = c ? c : cmp(a->peer.family, b->peer.family);
	c = c ? c : cmp(a->peer.hi, b->peer.hi);
	c = c ? c : cmp(a->peer.lo, b->peer.lo);
	return c ? c : cmp(a->path_id, b->path_id);
}

/* Whether a path as good as p up to MED has a lower MED of the same AS. */
static bool beaten_by_med(const struct best_path *paths, size_t n,
			  const struct best_path *p)
{
	for (size_t i = 0; i < n; i++)
		if (paths[i].neighbour_as == p->neighbour_as &&
		    paths[i].med < p->med && cmp_head(&paths[i], p) == 0)
			return true;
	return false;
}

size_t best_choose(const struct best_path *paths, size_t n)
{
	size_t head = 0, best = n;

	for (size_t i = 1; i < n; i++)
		if (cmp_head(&paths[i], &paths[head]) < 0)
			head = i;
	for (size_t i = 0; i < n; i++) {
		if (cmp_head(&paths[i], &paths[head]) != 0 ||
		    beaten_by_med(paths, n, &paths[i]))
			continue;
		if (best == n || cmp_tail(&paths[i], &paths[best]) < 0)
			best = i;
	}
	return best;
}
