/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/asdict.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_FIRST 4096u

static uint32_t hash_of(uint32_t asn)
{
	return (uint32_t)(asn * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* The place of the number: of its index, or the empty one it would take. */
static uint32_t *place(const struct asdict *d, uint32_t asn)
{
	uint32_t i = hash_of(asn) & d->mask;

	while (d->hash[i] && d->as[d->hash[i]].asn != asn)
		i = (i + 1) & d->mask;
	return &d->hash[i];
}

/* Makes a hash of n places (a power of two) of all indexes in use. */
static int rehash(struct asdict *d, uint32_t n)
{
	uint32_t *hash = calloc(n, sizeof(*hash));

	if (!hash)
		return -ENOMEM;
	free(d->hash);
	d->hash = hash;
	d->mask = n - 1;
	for (uint32_t i = 1; i < *d->n_as; i++)
		*place(d, d->as[i].asn) = i;
	return 0;
}

int asdict_init(struct asdict *d, struct asm_as *as, uint32_t *n_as,
		uint32_t slots)
{
	uint32_t n = HASH_FIRST;

	*d = (struct asdict){.as = as, .n_as = n_as, .slots = slots};
	if (*n_as == 0)
		*n_as = 1;
	if (*n_as > slots)
		*n_as = slots;
	while (n / 2 < *n_as)
		n *= 2;
	return rehash(d, n);
}

void asdict_done(struct asdict *d)
{
	free(d->hash);
	d->hash = NULL;
}

uint32_t asdict_index(struct asdict *d, uint32_t asn)
{
	uint32_t *at, n = *d->n_as;

	if (asn == 0)
		return ASM_AS_NONE;
	at = place(d, asn);
	if (*at)
		return *at;
	if (n >= d->slots ||
	    (n > d->mask / 2 && rehash(d, (d->mask + 1) * 2))) {
		d->refused++;
		return ASM_AS_NONE;
	}
	d->as[n].asn = asn;
	__atomic_store_n(d->n_as, n + 1, __ATOMIC_RELEASE);
	*place(d, asn) = n;
	return n;
}
