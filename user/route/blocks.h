/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of 2^k words (4 .. 32,768) in the prefix table, each at a multiple
 * of its size: a buddy allocator. What is free is derived from what the table
 * refers to, so nothing of it has to survive a restart; free blocks carry the
 * links of their lists themselves, which is why a block must be out of reach
 * of every lookup before it is freed.
 */
#ifndef ROUTE_BLOCKS_H
#define ROUTE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#define BLOCKS_MIN_SHIFT 2u /* the smallest block: 4 words */
#define BLOCKS_ORDERS    14u

struct blocks {
	uint32_t *words;
	uint32_t first; /* words below are not ours */
	uint32_t n_words;
	uint8_t *map; /* one byte per unit of four words */
	uint32_t free[BLOCKS_ORDERS];
	uint32_t used_words;
	uint32_t used_blocks;
};

/* first must be a multiple of the largest block, n_words likewise and at
 * least first. Nothing is free before blocks_claim_done(). -ENOMEM. */
int blocks_init(struct blocks *b, uint32_t *words, uint32_t first,
		uint32_t n_words);
void blocks_done(struct blocks *b);

/* Takes over a block that is in use already: -EINVAL when it lies outside or
 * crooked, -EEXIST when it meets one claimed before. */
int blocks_claim(struct blocks *b, uint32_t at, uint32_t n_words);
/* Ends the claims; the rest is free. */
void blocks_claim_done(struct blocks *b);

/* Offset of n words (rounded up to a power of two, at least 4), not zeroed;
 * 0 when there is no room. */
uint32_t blocks_alloc(struct blocks *b, uint32_t n_words);
void blocks_free(struct blocks *b, uint32_t at, uint32_t n_words);

#endif
