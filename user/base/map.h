/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash map from 64-bit keys to 32-bit values (indexes into somebody's
 * array): open addressing, linear probing, at most half full. Nothing is ever
 * removed but everything at once.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#define MAP_NONE UINT32_MAX /* not a value */

struct map {
	struct map_slot {
		uint64_t key;
		uint32_t value; /* MAP_NONE: free */
	} * slot;
	size_t mask; /* slots - 1; 0 while there are none */
	size_t used;
};

/* The value of key, or MAP_NONE. */
uint32_t map_get(const struct map *m, uint64_t key);
/* Adds a key that is not there yet. -ENOMEM. */
int map_add(struct map *m, uint64_t key, uint32_t value);
void map_clear(struct map *m);
void map_done(struct map *m);

#endif
