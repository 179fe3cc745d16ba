/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns one region of a radix trie into entries of the prefix table
 * (asmeter/lookup.h): melts neighbours of one AS together, then picks strides
 * by density.
 */
#ifndef ROUTE_COMPILE_H
#define ROUTE_COMPILE_H

#include <stdint.h>

#include "route/blocks.h"
#include "route/radix.h"

struct melt;

struct compiler {
	struct blocks *blocks;
	/* scratch, kept between builds */
	struct melt *melt;
	uint32_t n_melt, cap_melt;
	uint32_t *built; /* entries of the blocks of this build */
	uint32_t n_built, cap_built;
};

void compiler_init(struct compiler *c, struct blocks *blocks);
void compiler_done(struct compiler *c);

/* A part of the address space: the addresses whose first `depth` bits are
 * those of (hi, lo). */
struct region {
	const struct radix *radix;
	uint64_t hi, lo;
	unsigned depth;
	uint32_t node;  /* topmost node within, 0: none (radix_region()) */
	uint32_t label; /* of what covers all of it */
	unsigned steps; /* that a lookup may still take from here */
};

/* Builds the region's entry; blocks are allocated, nothing live is touched.
 * -ENOSPC (no block) or -ENOMEM (scratch): nothing is left allocated. */
int compile_region(struct compiler *c, const struct region *g,
		   uint32_t *ret_entry);

/* Words of the block behind a pointer entry. */
uint32_t entry_block_words(uint32_t entry);

#endif
