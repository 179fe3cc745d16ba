/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The routing information base: for each prefix the paths of every source
 * (adj-RIB-in), the best of them, and a change notice to whoever compiles the
 * forwarding-plane table.
 *
 * Not thread-safe; one thread owns it. No I/O, no clock, no log.
 */
#ifndef ROUTE_RIB_H
#define ROUTE_RIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/attr.h"
#include "route/prefix.h"
#include "route/sorted.h"

/* In order of trust: a lower number wins for the same prefix. */
enum rib_kind {
	RIB_OVERRIDE = 0, /* configured: own prefixes, user overrides */
	RIB_BGP = 1,
	RIB_LOC = 2, /* libloc database, the fallback */
};

#define RIB_SOURCES_MAX 256

/* Paths of one prefix (ADD-PATH, RFC 7911): of one source, and over all; the
 * first one of a source is taken in any case. */
#define RIB_PATHS_OF_SOURCE 64
#define RIB_PATHS_MAX       256

/* LOCAL_PREF of a path that carries none. */
#define RIB_LOCAL_PREF 100u

struct rib;

struct rib_source_cfg {
	enum rib_kind kind;
	char name[64];         /* shown to people: "bgp 192.0.2.1", "libloc" */
	uint32_t router_id;    /* BGP identifier, tie-breaker */
	struct addr peer;      /* last tie-breaker */
	uint32_t max_prefixes; /* 0: no bound; counts paths of both families */
};

/* The labels of the sets (attr.h) are this RIB's from now on. */
struct rib *rib_new(struct attr_table *attrs);
void rib_free(struct rib *rib);

/* Called with each prefix whose origin AS changed, or that came or went,
 * during the call that changed it; must not change the RIB. A best route that
 * is replaced by another of the same origin AS is not reported. */
typedef void (*rib_changed_fn)(void *ctx, const struct prefix *p);
void rib_on_change(struct rib *rib, rib_changed_fn fn, void *ctx);

/* Each prefix carries a label, made from the origin AS of its best route by fn,
 * for the compiler (rib_seek()). Labels what is there already. fn must give the
 * same label for the same AS each time; it is asked again for one that it gave
 * the label 0. */
typedef uint32_t (*rib_label_fn)(void *ctx, uint32_t origin_as);
void rib_label_by(struct rib *rib, rib_label_fn fn, void *ctx);

/* Returns the source number (>= 0) or -ENOSPC. The name may be given again. */
int rib_source_add(struct rib *rib, const struct rib_source_cfg *cfg);
int rib_source_update(struct rib *rib, int src,
		      const struct rib_source_cfg *cfg);
/* Withdraws everything of the source and frees its number. */
void rib_source_del(struct rib *rib, int src);

/* Adds or replaces the path (src, p, path_id). Takes its own reference to
 * attr. now_s: seconds since the epoch, kept as the path's age; a path that is
 * announced again unchanged keeps the one it has. Clears the stale mark.
 * Path ids mean nothing beyond a session, so a path with a new id takes the
 * place of a stale one that the source has for the prefix (the one with the
 * lowest id): a neighbour that comes back with other ids, or with ADD-PATH
 * where there was none, is not held twice.
 * -ENOMEM; -EDQUOT when the source, or the prefix (RIB_PATHS_*), is at its
 * bound; -EINVAL for a source or prefix length that cannot be. */
int rib_announce(struct rib *rib, int src, const struct prefix *p,
		 uint32_t path_id, struct attr *attr, uint32_t now_s);
/* The same, with path id 0, for the first of n >= 1 prefixes and for as many of
 * the others as can be taken along: those that come in order and are new, with
 * nothing between them. *ret_n: for how many it was. A failure is of the first
 * and nothing was done. */
int rib_announce_run(struct rib *rib, int src, const struct prefix *p, size_t n,
		     struct attr *attr, uint32_t now_s, size_t *ret_n);
/* Removes the path; -ENOENT when there was none (nothing changes). */
int rib_withdraw(struct rib *rib, int src, const struct prefix *p,
		 uint32_t path_id);

/* Graceful restart (RFC 4724): mark all paths of the family as stale, later
 * remove those that were not announced again. Return the number of paths. */
size_t rib_mark_stale(struct rib *rib, int src, enum family f);
size_t rib_sweep_stale(struct rib *rib, int src, enum family f);
/* Removes all paths of the source in that family. */
size_t rib_flush(struct rib *rib, int src, enum family f);

/* Paths held for the source, and prefixes over all sources. */
size_t rib_source_paths(const struct rib *rib, int src, enum family f);
size_t rib_prefixes(const struct rib *rib, enum family f);
size_t rib_bytes(const struct rib *rib);

struct rib_route {
	struct prefix prefix;
	const struct attr *attr; /* valid until the RIB changes */
	int source;
	uint32_t since_s; /* when the path came, seconds since the epoch */
	bool stale;
};

/* Longest match; false when nothing covers the address. */
bool rib_lookup(const struct rib *rib, const struct addr *a,
		struct rib_route *ret);
const struct rib_source_cfg *rib_source_get(const struct rib *rib, int src);

/* The prefixes of one family in order: by address, a shorter one before the
 * longer ones that begin where it does. Good until the RIB changes. */
struct rib_cursor {
	const struct rib *rib;
	struct sorted_at at;
	enum family family;
	unsigned len; /* of the prefix here; RIB_END behind the last one */
	uint64_t hi, lo;
	uint32_t label;
};

#define RIB_END UINT32_MAX

/* To the first one that does not stand before p; to the next one. */
void rib_seek(struct rib_cursor *c, const struct rib *rib,
	      const struct prefix *p);
void rib_next(struct rib_cursor *c);

/* The label of the longest prefix that covers p and is shorter than it, 0
 * without one. */
uint32_t rib_label_over(const struct rib *rib, const struct prefix *p);

#endif
