/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns what the RIB says of one region into entries of the prefix table
 * (asmeter/lookup.h): melts neighbours of one AS together, then picks strides
 * by density.
 */
#ifndef ROUTE_COMPILE_H
#define ROUTE_COMPILE_H

#include <stdint.h>

#include "route/blocks.h"
#include "route/rib.h"

struct melt;

struct compiler {
	struct blocks *blocks;
	/* scratch, kept between builds */
	struct melt *melt;
	uint32_t n_melt, cap_melt;
	int rc_melt;     /* of this build */
	uint32_t *built; /* entries of the blocks of this build */
	uint32_t n_built, cap_built;
};

void compiler_init(struct compiler *c, struct blocks *blocks);
void compiler_done(struct compiler *c);

/* A part of the address space: the addresses within a prefix. */
struct region {
	struct prefix within;
	uint32_t label; /* of what is shorter and covers it, rib_label_over() */
	unsigned steps; /* that a lookup may still take from here */
};

/* Builds the region's entry; blocks are allocated, nothing live is touched. at
 * is where rib_seek() finds the region, and is put behind it. -ENOSPC (no
 * block) or -ENOMEM (scratch): nothing is left allocated. */
int compile_region(struct compiler *c, const struct region *g,
		   struct rib_cursor *at, uint32_t *ret_entry);

/* Words of the block behind a pointer entry. */
uint32_t entry_block_words(uint32_t entry);

#endif
