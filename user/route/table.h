/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiler: keeps the prefix table that the packet programs read
 * (asmeter/lookup.h) equal to the RIB. It listens to the RIB, remembers what
 * is out of date, and rebuilds only that.
 *
 * ORDER OF CALLS
 *
 *   rc = table_flush(t, ...);      publishes; what it replaced is retired
 *   seal = table_seal(t);          0: nothing retired, no need to wait
 *   ... one RCU grace period, in whatever thread; flushing may go on ...
 *   table_reclaim(t, seal);        what was retired before the seal is free
 *
 * A block is reused only after table_reclaim(), so a caller that never calls
 * it runs out of room, and one that calls it too early breaks invariant 2 of
 * asmeter/lookup.h.
 *
 * Not thread-safe: one thread owns the table and its RIB. Lookups may happen
 * anywhere at any time.
 */
#ifndef ROUTE_TABLE_H
#define ROUTE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "asmeter/abi.h"
#include "route/prefix.h"

struct rib;
struct table;

struct table_cfg {
	uint32_t *words;  /* the value of asm_table, mapped */
	uint32_t n_words; /* a power of two, at least TABLE_WORDS_MIN */
	struct asm_as *as;
	uint32_t as_slots;
	/* n_as, table_epoch and table_published_at are kept here */
	struct asm_state *state;
};

#define TABLE_WORDS_MIN (1u << 21)

/*
 * Takes over the regions, whatever they hold: zeroes are an empty table. A
 * table that an earlier process left is walked; entries that cannot be right
 * are set to "no route" (table_stats.repaired). If it held routes, the family
 * is on hold: it goes on answering, and table_flush() leaves it alone until
 * table_release() says that the RIB is complete.
 *
 * Registers itself with the RIB (rib_on_change, rib_label_by), which must
 * outlive it. -EINVAL for a size that cannot be, -ENOMEM.
 */
int table_open(const struct table_cfg *cfg, struct rib *rib,
	       struct table **ret);
/* Lets go of the RIB; the table stays as it is and goes on answering. */
void table_close(struct table *t);

bool table_held(const struct table *t, enum family f);
/* Ends the hold: the next flush makes the whole family what the RIB says. */
void table_release(struct table *t, enum family f);

enum table_flush {
	/* All that is out of date, now. */
	TABLE_FLUSH_NOW,
	/* More changes are coming. While they come by the thousand (a session
	 * that loads its table) the work is put off for some calls. */
	TABLE_FLUSH_BUSY,
};

enum table_result {
	TABLE_CLEAN = 0, /* the table says what the RIB says */
	TABLE_LATER,     /* put off, or on hold: call again when convenient */
	TABLE_MORE,      /* go on after the next table_reclaim() */
};

/*
 * Brings the table up to date as far as it may. now_s: seconds since the
 * epoch, becomes table_published_at if anything was published. Returns an
 * enum table_result, or -ENOSPC when entries that have no room keep their old
 * answer (table_stats.behind) and no reclaim would help; they are tried again
 * with later calls, ever more rarely as long as nothing is freed.
 */
int table_flush(struct table *t, enum table_flush how, uint64_t now_s);

/* Changes that the RIB has reported since the last flush: 0 when there is
 * nothing new to publish. */
uint32_t table_changes(const struct table *t);

/* See above. A seal covers all that was retired before it; one that a later
 * table_seal() overtook is void, and reclaiming it does nothing. */
uint64_t table_seal(struct table *t);
void table_reclaim(struct table *t, uint64_t seal);

/* AS number for an address, 0 without a route: what the programs say. */
uint32_t table_lookup(const struct table *t, const struct addr *a);

struct table_stats {
	uint32_t prefixes[FAMILIES]; /* of the RIB */
	uint32_t words;              /* size of the table */
	uint32_t words_used;         /* roots and blocks, retired included */
	uint32_t words_retired;
	uint32_t blocks;
	uint32_t as_count;   /* AS indexes in use, index 0 not counted */
	uint32_t behind;     /* root entries and changes not yet published */
	uint32_t repaired;   /* entries zeroed by table_open() */
	uint32_t epoch;      /* asm_state.table_epoch */
	uint64_t published;  /* entries stored */
	uint64_t no_space;   /* builds that found no room */
	uint64_t as_refused; /* times an AS number found no index */
};

void table_stats(const struct table *t, struct table_stats *ret);

#endif
