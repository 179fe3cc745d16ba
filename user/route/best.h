/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the paths of one prefix is used (RFC 4271 section 9.1.2.2), pure.
 *
 * In this order: the more trusted kind of source; a fresh path before a stale
 * one; higher LOCAL_PREF; fewer hops; lower ORIGIN; lower MED among paths of
 * one neighbouring AS; eBGP before iBGP; lower BGP identifier; lower peer
 * address; lower path identifier. IGP metrics are not known here.
 *
 * A path that another of the same neighbouring AS beats by MED is out before
 * the later steps are looked at, so the outcome does not depend on the order
 * of arrival.
 */
#ifndef ROUTE_BEST_H
#define ROUTE_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/prefix.h"

struct best_path {
	uint8_t kind; /* enum rib_kind */
	bool stale;
	bool ebgp;
	uint8_t origin; /* enum attr_origin */
	uint32_t local_pref;
	uint32_t hops;
	uint32_t neighbour_as;
	uint32_t med;
	uint32_t router_id;
	struct addr peer;
	uint32_t path_id;
};

/* The index of the best of n >= 1 paths. */
size_t best_choose(const struct best_path *paths, size_t n);

#endif
