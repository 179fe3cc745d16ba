/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of one size, named by 32-bit numbers from 1 on; 0 is nobody. Numbers
 * take half the room of pointers and stay good when the objects move. Growing
 * moves page tables (mremap), not bytes: with a full table the RIB has 20 MB
 * in pools. Pointers from pool_at() are good until the next pool_alloc().
 *
 * Freed objects are used again, memory goes back with pool_done().
 */
#ifndef ROUTE_POOL_H
#define ROUTE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	uint8_t *base;
	uint32_t size;  /* of an object, a multiple of 4 */
	uint32_t top;   /* numbers given out so far are below it */
	uint32_t cap;   /* numbers that fit in what is mapped */
	uint32_t first; /* head of the free list */
	uint32_t used;
	uint32_t limit; /* of numbers */
};

/* Nothing is mapped before the first pool_alloc(). Numbers stay below limit. */
void pool_init(struct pool *p, uint32_t size, uint32_t limit);
void pool_done(struct pool *p);

/* The object is zeroed; 0 when there is no memory, or no number. */
uint32_t pool_alloc(struct pool *p);
void pool_free(struct pool *p, uint32_t n);

static inline void *pool_at(const struct pool *p, uint32_t n)
{
	return p->base + (size_t)n * p->size;
}

/* Bytes in use or on the free list. */
static inline size_t pool_bytes(const struct pool *p)
{
	return (size_t)p->top * p->size;
}

#endif
