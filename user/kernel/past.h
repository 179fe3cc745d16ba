/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emptying the rows of one part (a bank of a CPU) into asm_past, so that new
 * pairs find rows.
 *
 * Two memories change and a process can be killed between any two stores, so
 * what counts is decided by one word, asm_state.emptied:
 *
 *   1. Of each pair that has something in the part, its entry of asm_past gets
 *      next = total + that, then pending = 1. Nothing has changed: `next` does
 *      not count, the rows do.
 *   2. emptied = 1 + part. From this store on the rows of the part count no
 *      more, and `next` counts instead of `total` where it is pending.
 *   3. The part is cleared; total = next, pending = 0, entry by entry.
 *   4. emptied = 0. Totals are again what they seem to be.
 *
 * Whoever opens the maps calls past_resume() before anything else: when emptied
 * is 0 it drops what is pending (a kill in step 1: nothing happened), else it
 * does step 3 again, which may be done any number of times, and step 4. Nobody
 * flips the bank before, so the part is still one that no program writes.
 *
 * Pairs that are not quiet keep their rows, with 0 in them: they would win them
 * back at once, or lose them to whoever floods the map. Step 3 puts them first
 * in the part's order and makes the index anew. No total depends on either: a
 * pair whose row is not found takes a second one, and readers add up both. So
 * past_resume() just clears the part and keeps no row.
 *
 * WHAT BOUNDS WHAT
 *
 * An entry of asm_past is for ever, because totals are. There are as many as
 * rows over all CPUs and banks, so that a map which a flood has filled to the
 * last row, each with another pair, can be emptied as a whole. Pairs that are
 * known have an entry or a row: there are at most 2 * rows * CPUs * banks of
 * them, in the kernel and in every table of the daemon, whatever traffic comes.
 * With the defaults and two CPUs 524,292 entries: more than a network with one
 * AS can have pairs (85,000 ASes at the other end, two directions, two
 * families). When they are used up nothing is freed any more: what finds no row
 * is map_full again, exact as ever, and the remedy is a larger counters.rows. A
 * flood of ever new made-up addresses can bring a transit network to that, but
 * to nothing worse.
 *
 * Pure: memory in, memory out.
 */
#ifndef KERNEL_PAST_H
#define KERNEL_PAST_H

#include <stdbool.h>
#include <stdint.h>

#include "asmeter/abi.h"

#define PAST_NONE UINT32_MAX

/* The maps in memory, writable. past is NULL where there is none (maps of an
 * earlier release): nothing was ever freed there. */
struct past_maps {
	struct asm_state *state;
	struct asm_cpu *cpu;
	struct asm_index_line *index;
	struct asm_row *rows;
	struct asm_past *past;
};

/* Entries in use, and how many there can be. */
uint32_t past_used(const struct past_maps *m);
uint32_t past_room(const struct past_maps *m);

/* A new entry, of total 0, for the pair of a row; PAST_NONE: no room. */
uint32_t past_add(const struct past_maps *m, const struct asm_row *row);

/*
 * Steps 1 to 4. Of the n-th row of the part in their order (asmeter/abi.h),
 * entry[n] is the pair's entry (PAST_NONE only where the row has nothing), and
 * keep[n] its new place in the order, 0 when it is freed: those that are kept
 * get 1, 2, 3 ... as they stood. A moved row is better not kept: no program
 * finds it.
 */
void past_empty(const struct past_maps *m, uint32_t part, const uint32_t *entry,
		const uint32_t *keep);

/* Ends what a killed process has begun. */
void past_resume(const struct past_maps *m);

#endif
