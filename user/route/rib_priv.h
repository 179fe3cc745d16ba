/* SPDX-License-Identifier: BSD-2-Clause */
/* Within rib.c and rib_read.c: how paths are kept. */
#ifndef ROUTE_RIB_PRIV_H
#define ROUTE_RIB_PRIV_H

#include "route/pool.h"
#include "route/rib.h"

/* A value: the number above two bits. */
#define VALUE_LIST    1u
#define VALUE_STALE   2u /* of a path in place */
#define VALUE_SHIFT   2u
#define VALUE_NUMBERS (1u << (32 - VALUE_SHIFT))

_Static_assert(ATTR_NUMBERS <= VALUE_NUMBERS, "numbers have room in a value");

struct path {
	uint32_t attr;
	uint32_t next;
	uint32_t since_s;
	uint32_t path_id;
	uint8_t source;
	uint8_t stale;
	uint16_t reserved;
};

struct source {
	struct rib_source_cfg cfg;
	size_t paths[FAMILIES];
};

struct rib {
	struct attr_table *attrs;
	struct sorted set[FAMILIES];
	struct pool paths; /* of lists */
	struct source *source[RIB_SOURCES_MAX];
	rib_changed_fn changed;
	void *changed_ctx;
	rib_label_fn label;
	void *label_ctx;
};

static inline struct path *path_at(const struct rib *rib, uint32_t n)
{
	return pool_at(&rib->paths, n);
}

static inline uint32_t *value_of(const struct sorted_at *at)
{
	return &at->leaf->value[at->i];
}

static inline bool is_list(uint32_t value)
{
	return value & VALUE_LIST;
}

static inline uint32_t number_of(uint32_t value)
{
	return value >> VALUE_SHIFT;
}

/* The number of the attributes of the best path. */
static inline uint32_t value_attr(const struct rib *rib, uint32_t value)
{
	uint32_t n = number_of(value);

	return is_list(value) ? path_at(rib, n)->attr : n;
}

static inline struct source *source_at(const struct rib *rib, int src)
{
	return src >= 0 && src < RIB_SOURCES_MAX ? rib->source[src] : NULL;
}

/* The path in place. */
static inline struct path place_get(const struct sorted_at *at)
{
	uint32_t value = *value_of(at);

	return (struct path){.attr = number_of(value),
			     .since_s = at->leaf->since_s[at->i],
			     .source = at->leaf->source[at->i],
			     .stale = (value & VALUE_STALE) != 0};
}

#endif
