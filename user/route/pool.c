/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/pool.h"

#include <string.h>
#include <sys/mman.h>

#define POOL_FIRST_BYTES (64u << 10)

void pool_init(struct pool *p, uint32_t size, uint32_t limit)
{
	*p = (struct pool){.size = size, .top = 1, .limit = limit};
}

void pool_done(struct pool *p)
{
	if (p->base)
		(void)munmap(p->base, (size_t)p->cap * p->size);
	pool_init(p, p->size, p->limit);
}

/* The mapping is always a whole number of objects to munmap(); the kernel
 * rounds up to pages. */
static int pool_grow(struct pool *p)
{
	uint32_t cap =
		p->cap ? p->cap + p->cap / 2 : POOL_FIRST_BYTES / p->size;
	void *m;

	if (cap <= p->cap)
		return -1;
	if (p->base)
		m = mremap(p->base, (size_t)p->cap * p->size,
			   (size_t)cap * p->size, MREMAP_MAYMOVE);
	else
		m = mmap(NULL, (size_t)cap * p->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return -1;
	p->base = m;
	p->cap = cap;
	return 0;
}

uint32_t pool_alloc(struct pool *p)
{
	uint32_t n = p->first;

	if (n) {
		memcpy(&p->first, pool_at(p, n), sizeof(p->first));
		memset(pool_at(p, n), 0, p->size);
	} else {
		if (p->top >= p->limit || (p->top >= p->cap && pool_grow(p)))
			return 0;
		n = p->top++;
	}
	p->used++;
	return n;
}

void pool_free(struct pool *p, uint32_t n)
{
	memcpy(pool_at(p, n), &p->first, sizeof(p->first));
	p->first = n;
	p->used--;
}
