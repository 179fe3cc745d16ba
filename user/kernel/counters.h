/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The meter's side of the counters: maps them into memory (descriptors are
 * handed over by the keeper; no capability is needed), flips the bank, and
 * reads a consistent cut. See "BANKS" in asmeter/abi.h.
 *
 * A drain is three steps, so that the wait can happen in another thread:
 *
 *   counters_flip(c);            programs now write to the other bank
 *   counters_grace(c);           blocks for one RCU grace period
 *   counters_read(c, &sink, x);  reads the quiet bank, reports totals
 *
 * The totals reported are those of the quiet bank plus the other bank as it
 * was when it was quiet last, so every equation in abi.h holds exactly in
 * what one counters_read() reports. What was counted since the flip shows up
 * with the next drain. counters_open() does the two drains that a fresh
 * process needs before its totals are complete. It comes before any flip in
 * ending what a killed process has left half done (past.h).
 *
 * After a counters_read() and before the next flip, the rows of the quiet bank
 * can be freed, in any thread:
 *
 *   if (counters_crowded(c, now, quiet_ns))
 *           counters_free(c, now, quiet_ns, &freed);
 */
#ifndef KERNEL_COUNTERS_H
#define KERNEL_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asmeter/abi.h"
#include "base/mono.h"

struct counters;

struct counters_sink {
	/* Each pair ever seen, once a read. id is dense (0 .. n-1) and stable
	 * for the life of the process; row carries the key (AS numbers, not
	 * indexes) and the totals over all CPUs and both banks. */
	void (*pair)(void *ctx, uint32_t id, const struct asm_row *row);
	/* Each slot in use; slot ASM_IF_UNLISTED has ifc NULL. */
	void (*port)(void *ctx, uint32_t slot, const struct asm_if *ifc,
		     const struct asm_books *rx, const struct asm_books *tx);
};

struct counters_stats {
	uint32_t rows_used_max; /* fullest bank and CPU, when last read */
	uint32_t rows;          /* room per bank and CPU: counters.rows */
	uint32_t pairs;         /* distinct pairs known to this process */
	uint32_t past;          /* of them, those of which rows were freed */
	uint32_t past_room;
	uint64_t freed_rows; /* since the maps were made */
	uint64_t freed_times;
	bool no_room; /* rows are not freed: past has reached past_room */
	uint64_t drains;
	int64_t last_drain_ns; /* duration of the last counters_read() */
};

/* fds[i] is the descriptor of map i (enum asm_map); they stay the caller's.
 * -EPROTO: the maps are of another ABI version, or not moved yet (load.h). */
int counters_open(const int fds[ASM_MAP_COUNT], struct counters **ret);
void counters_close(struct counters *c);

void counters_flip(struct counters *c);
int counters_grace(struct counters *c);
int counters_read(struct counters *c, const struct counters_sink *sink,
		  void *ctx);

/* Whether it is time to look for rows to free; cheap. */
bool counters_crowded(const struct counters *c, struct mono now,
		      int64_t quiet_ns);
/* Frees, in crowded parts of the quiet bank, the rows of pairs that have had no
 * packet for quiet_ns. No total changes. How many: *ret_freed, on failure as
 * well. -ENOSPC: the totals of what would be freed find no room; -ENOMEM. */
int counters_free(struct counters *c, struct mono now, int64_t quiet_ns,
		  uint32_t *ret_freed);

void counters_stats(const struct counters *c, struct counters_stats *ret);

#endif
