/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t slot_of(const struct map *m, uint64_t key)
{
	/* the finaliser of MurmurHash3: every bit of the key reaches the mask
	 */
	key ^= key >> 33;
	key *= UINT64_C(0xff51afd7ed558ccd);
	key ^= key >> 33;
	key *= UINT64_C(0xc4ceb9fe1a85ec53);
	key ^= key >> 33;
	return (size_t)key & m->mask;
}

uint32_t map_get(const struct map *m, uint64_t key)
{
	if (!m->slot)
		return MAP_NONE;
	for (size_t i = slot_of(m, key);; i = (i + 1) & m->mask) {
		if (m->slot[i].value == MAP_NONE || m->slot[i].key == key)
			return m->slot[i].value;
	}
}

static void put(struct map *m, uint64_t key, uint32_t value)
{
	size_t i = slot_of(m, key);

	while (m->slot[i].value != MAP_NONE)
		i = (i + 1) & m->mask;
	m->slot[i].key = key;
	m->slot[i].value = value;
	m->used++;
}

static int grow(struct map *m)
{
	size_t n = m->slot ? (m->mask + 1) * 2 : 64;
	struct map big = {.mask = n - 1};

	big.slot = malloc(n * sizeof(*big.slot));
	if (!big.slot)
		return -ENOMEM;
	memset(big.slot, 0xff, n * sizeof(*big.slot));
	for (size_t i = 0; m->slot && i <= m->mask; i++) {
		if (m->slot[i].value != MAP_NONE)
			put(&big, m->slot[i].key, m->slot[i].value);
	}
	free(m->slot);
	*m = big;
	return 0;
}

int map_add(struct map *m, uint64_t key, uint32_t value)
{
	if (!m->slot || m->used * 2 > m->mask) {
		int err = grow(m);

		if (err)
			return err;
	}
	put(m, key, value);
	return 0;
}

void map_clear(struct map *m)
{
	if (m->slot)
		memset(m->slot, 0xff, (m->mask + 1) * sizeof(*m->slot));
	m->used = 0;
}

void map_done(struct map *m)
{
	free(m->slot);
	*m = (struct map){0};
}
