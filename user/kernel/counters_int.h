/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the counters; for counters*.c only. */
#ifndef KERNEL_COUNTERS_INT_H
#define KERNEL_COUNTERS_INT_H

#include "asmeter/index.h"
#include "kernel/counters.h"
#include "kernel/past.h"

/* Totals come from both banks and, as if it were a third, from asm_past. */
#define SUMS_PAST ASM_BANKS
#define SUMS      (ASM_BANKS + 1u)

/* What identifies a pair, packed for comparing and hashing. */
struct pair_key {
	uint32_t src_as;
	uint32_t dst_as;
	uint32_t ifindex;
	uint32_t dir_family;
};

struct pair {
	struct pair_key key;
	uint32_t entry;     /* in asm_past; PAST_NONE */
	uint64_t packets;   /* in all, at the last drain */
	struct mono active; /* the last drain that brought it some */
};

struct map_view {
	void *p;
	size_t len;
};

struct counters {
	struct map_view state_map, ifs_map, ports_map, cpu_map, index_map;
	struct map_view rows_map, past_map;
	struct past_maps past; /* the same */
	uint32_t past_mapped;  /* entries of asm_past */
	int state_fd, past_fd; /* the caller's */
	int grace_fd;
	uint32_t n_cpus;
	uint32_t rows;
	uint32_t quiet; /* the bank that was left by the last flip */

	/* of each part, that is [bank * n_cpus + cpu] */
	uint32_t **pair_of_row; /* [n], of the n-th row; lazily */
	uint32_t *known;        /* of so many rows it is filled */
	struct mono *emptied;   /* when rows were freed there; or the start */
	struct mono looked[ASM_BANKS];

	struct pair *pairs;
	struct asm_measure *sums[SUMS];
	uint32_t n_pairs, cap_pairs;
	uint32_t *hash; /* pair id + 1; 0 is free */
	uint32_t hash_mask;

	struct asm_port *ports[ASM_BANKS]; /* [ASM_PORT_SLOTS], over CPUs */
	bool no_room;                      /* asm_past is used up */
	uint64_t drains;
	int64_t last_drain_ns;
};

/* Maps asm_past as far as it is used, and PAST_AHEAD entries more: a mapped
 * array counts as memory of the process as a whole, and this one is large and
 * rarely used. What was mapped before is not any more. */
#define PAST_AHEAD 16384u
int counters_map_past(struct counters *c);

/* The rows of a part, and how many are in use (row_nth() in index.h). */
const struct asm_row *counters_rows(const struct counters *c, uint32_t part,
				    uint32_t *ret_used);

#endif
