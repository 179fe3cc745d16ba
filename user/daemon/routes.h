/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which AS an address belongs to, from all sources: the RIB, the table that
 * the packet programs read, and what feeds both besides BGP (peers.h): own
 * prefixes, overrides, libloc. Also the names of ASes.
 *
 * libloc fills a family as long as there is no BGP feed that has reached
 * End-of-RIB for it, and again when no BGP route of that family is left.
 *
 * A table found pinned, or after a reboot its snapshot, answers on ("held")
 * until there is something at least as good: the overrides, and the BGP feeds,
 * complete, of all neighbors, or of those that are so ROUTES_OTHERS_MS after
 * the first; or libloc when no neighbor is configured or none has come up in
 * ROUTES_HOLD_MS.
 */
#ifndef DAEMON_ROUTES_H
#define DAEMON_ROUTES_H

#include <uv.h>

#include "asmeter/abi.h"
#include "daemon/config.h"
#include "daemon/snap.h"
#include "route/names.h"
#include "route/rib.h"
#include "route/table.h"

/* How often what waits is published. A few changes do not wait: they are in
 * the table as soon as the turn of the loop that brought them is done. */
#define ROUTES_FLUSH_MS  200
#define ROUTES_HOLD_MS   120000
#define ROUTES_OTHERS_MS 30000

struct routes;

struct routes_info {
	struct table_stats table;
	/* "bgp", "libloc", "snapshot", "none"; "libloc" as long as it is in the
	 * table, also beside a BGP feed that is not complete */
	const char *source[FAMILIES];
	bool loc_loaded;
	int64_t loc_created_at; /* seconds since the epoch */
	size_t loc_prefixes[FAMILIES];
	size_t loc_names;
	char loc_error[128]; /* "" if none */
	struct snap_info snap;
};

/* Maps asm_table, asm_as and asm_state for writing and takes the table over.
 * Reading the files begins; -errno. The descriptors stay the caller's. */
int routes_start(uv_loop_t *loop, const int fds[ASM_MAP_COUNT],
		 const struct config *cfg, struct routes **ret);

/* A reload: own prefixes and names at once, the files in the background. */
void routes_configure(struct routes *r, const struct config *cfg);

/* The feed of one more neighbor has reached End-of-RIB for the family. */
void routes_bgp_complete(struct routes *r, enum family f);

/* No change is published any more; the table answers on. */
void routes_stop(struct routes *r);

struct rib *routes_rib(const struct routes *r);
struct attr_table *routes_attrs(const struct routes *r);
const struct asm_state *routes_state(const struct routes *r);
const char *routes_as_name(const struct routes *r, uint32_t asn);
uint32_t routes_lookup(const struct routes *r, const struct addr *a);
void routes_info(const struct routes *r, struct routes_info *ret);

#endif
