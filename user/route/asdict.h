/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AS number to AS index. The indexes are dense, given out once and never
 * reused, and live in shared memory (asm_as, asm_state.n_as), where the
 * programs turn them back into numbers; this is the way in.
 */
#ifndef ROUTE_ASDICT_H
#define ROUTE_ASDICT_H

#include <stdint.h>

#include "asmeter/abi.h"

struct asdict {
	struct asm_as *as;
	uint32_t *n_as; /* shared; at least 1, index 0 is "no route" */
	uint32_t slots; /* room in as[] */
	uint32_t *hash; /* indexes; 0 is empty */
	uint32_t mask;
	uint64_t refused; /* numbers that found no room */
};

/* Takes over what is there; *n_as of 0 (fresh) becomes 1. -ENOMEM. */
int asdict_init(struct asdict *d, struct asm_as *as, uint32_t *n_as,
		uint32_t slots);
void asdict_done(struct asdict *d);

/* The index of an AS number, a new one if it has none yet. 0 for AS 0, and
 * when there is no room (counted). */
uint32_t asdict_index(struct asdict *d, uint32_t asn);

#endif
