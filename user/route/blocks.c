/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The byte of a block's first unit: its order + 1, and whether it is free.
 * Other units: 0, or INNER while claims are taken. */
#define MAP_FREE  0x80u
#define MAP_INNER 0x7fu

static unsigned order_of(uint32_t n_words)
{
	unsigned k = 0;

	while (n_words > 1u << (k + BLOCKS_MIN_SHIFT))
		k++;
	return k;
}

/* Links of a free block: units, 0 ends the list. */
static uint32_t *next_of(struct blocks *b, uint32_t unit)
{
	return &b->words[unit << BLOCKS_MIN_SHIFT];
}

static uint32_t *prev_of(struct blocks *b, uint32_t unit)
{
	return &b->words[(unit << BLOCKS_MIN_SHIFT) + 1];
}

static void list_push(struct blocks *b, uint32_t unit, unsigned order)
{
	uint32_t next = b->free[order];

	*next_of(b, unit) = next;
	*prev_of(b, unit) = 0;
	if (next)
		*prev_of(b, next) = unit;
	b->free[order] = unit;
	b->map[unit] = (uint8_t)(MAP_FREE | (order + 1));
}

static void list_take(struct blocks *b, uint32_t unit, unsigned order)
{
	uint32_t next = *next_of(b, unit), prev = *prev_of(b, unit);

	if (prev)
		*next_of(b, prev) = next;
	else
		b->free[order] = next;
	if (next)
		*prev_of(b, next) = prev;
	b->map[unit] = 0;
}

int blocks_init(struct blocks *b, uint32_t *words, uint32_t first,
		uint32_t n_words)
{
	*b = (struct blocks){.words = words,
			     .first = first,
			     .n_words = n_words};
	b->map = calloc(n_words >> BLOCKS_MIN_SHIFT, 1);
	return b->map ? 0 : -ENOMEM;
}

void blocks_done(struct blocks *b)
{
	free(b->map);
	b->map = NULL;
}

int blocks_claim(struct blocks *b, uint32_t at, uint32_t n_words)
{
	unsigned order = order_of(n_words);
	uint32_t unit = at >> BLOCKS_MIN_SHIFT, n = 1u << order;

	if (order >= BLOCKS_ORDERS || at < b->first || at >= b->n_words ||
	    at & ((n << BLOCKS_MIN_SHIFT) - 1))
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++)
		if (b->map[unit + i])
			return -EEXIST;
	memset(&b->map[unit], MAP_INNER, n);
	b->map[unit] = (uint8_t)(order + 1);
	b->used_words += n << BLOCKS_MIN_SHIFT;
	b->used_blocks++;
	return 0;
}

/* Largest block that may start at the unit and holds nothing claimed. */
static unsigned gap_order(const struct blocks *b, uint32_t unit)
{
	unsigned k = 0;

	while (k + 1 < BLOCKS_ORDERS && !(unit & ((2u << k) - 1))) {
		for (uint32_t i = 1u << k; i < 2u << k; i++)
			if (b->map[unit + i])
				return k;
		k++;
	}
	return k;
}

void blocks_claim_done(struct blocks *b)
{
	uint32_t end = b->n_words >> BLOCKS_MIN_SHIFT;
	uint32_t unit = b->first >> BLOCKS_MIN_SHIFT;

	while (unit < end) {
		uint8_t m = b->map[unit];
		unsigned k = m ? m - 1u : gap_order(b, unit);

		if (m)
			memset(&b->map[unit + 1], 0, (1u << k) - 1);
		else
			list_push(b, unit, k);
		unit += 1u << k;
	}
}

uint32_t blocks_alloc(struct blocks *b, uint32_t n_words)
{
	unsigned order = order_of(n_words), k = order;
	uint32_t unit;

	while (k < BLOCKS_ORDERS && !b->free[k])
		k++;
	if (k >= BLOCKS_ORDERS)
		return 0;
	unit = b->free[k];
	list_take(b, unit, k);
	while (k > order) {
		k--;
		list_push(b, unit + (1u << k), k);
	}
	b->map[unit] = (uint8_t)(order + 1);
	b->used_words += 1u << (order + BLOCKS_MIN_SHIFT);
	b->used_blocks++;
	return unit << BLOCKS_MIN_SHIFT;
}

void blocks_free(struct blocks *b, uint32_t at, uint32_t n_words)
{
	unsigned k = order_of(n_words);
	uint32_t unit = at >> BLOCKS_MIN_SHIFT;

	b->used_words -= 1u << (k + BLOCKS_MIN_SHIFT);
	b->used_blocks--;
	b->map[unit] = 0;
	for (; k + 1 < BLOCKS_ORDERS; k++) {
		uint32_t buddy = unit ^ 1u << k;

		if (b->map[buddy] != (MAP_FREE | (k + 1)))
			break;
		list_take(b, buddy, k);
		unit &= ~(1u << k);
	}
	list_push(b, unit, k);
}
