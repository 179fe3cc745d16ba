/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AS paths: RFC 4271 4.3 and 9.1.2.2, RFC 5065, RFC 6793.
 *
 * Confederation segments are inside the local AS as the world sees it: they
 * are left out, and a path of nothing else is empty, so the route is our own.
 * Of an AS_SET each member is appended; as the last segment it gives the
 * origin, by its last member, marked as taken from a set: the aggregate has
 * no single origin, and this choice is at least the same each time.
 */
#include "route/bgp_wire.h"

enum {
	SEG_SET = 1,
	SEG_SEQUENCE = 2,
	SEG_CONFED_SEQUENCE = 3,
	SEG_CONFED_SET = 4,
};

static bool seg_confed(uint8_t type)
{
	return type == SEG_CONFED_SEQUENCE || type == SEG_CONFED_SET;
}

static uint32_t as_read(struct rd *r, bool as4)
{
	return as4 ? rd_be32(r) : rd_be16(r);
}

const char *bgp_path_check(struct rd r, bool as4, bool confed)
{
	while (rd_left(&r) > 0) {
		uint8_t type = rd_u8(&r);
		uint8_t count = rd_u8(&r);
		struct rd seg = rd_sub(&r, count * (as4 ? 4u : 2u));

		if (r.bad)
			return "AS path segment overruns the attribute";
		if (count == 0)
			return "AS path segment without members";
		if (type < SEG_SET || type > SEG_CONFED_SET)
			return "AS path segment of unknown type";
		if (seg_confed(type) && !confed)
			return "confederation segment from outside";
		while (rd_left(&seg) > 0) {
			if (as_read(&seg, as4) == 0)
				return "AS 0 in the AS path";
		}
	}
	return NULL;
}

uint32_t bgp_path_hops(struct rd r, bool as4)
{
	uint32_t hops = 0;

	while (rd_left(&r) > 0) {
		uint8_t type = rd_u8(&r);
		uint8_t count = rd_u8(&r);

		rd_skip(&r, count * (as4 ? 4u : 2u));
		if (type == SEG_SET)
			hops++;
		else if (type == SEG_SEQUENCE)
			hops += count;
	}
	return hops;
}

static void path_add(struct bgp_path *path, uint32_t as, bool set)
{
	if (path->hops == 0 && path->last == 0 && !set)
		path->first = as;
	if (path->len < ATTR_PATH_MAX)
		path->as[path->len++] = as;
	path->last = as;
	path->last_set = set;
	if (!set)
		path->hops++;
}

void bgp_path_append(struct bgp_path *path, struct rd r, bool as4,
		     uint32_t max_hops)
{
	uint32_t left = max_hops;

	while (rd_left(&r) > 0) {
		uint8_t type = rd_u8(&r);
		uint8_t count = rd_u8(&r);
		struct rd seg = rd_sub(&r, count * (as4 ? 4u : 2u));

		if (seg_confed(type))
			continue;
		if (left == 0)
			return;
		while (rd_left(&seg) > 0 && left > 0) {
			path_add(path, as_read(&seg, as4), type == SEG_SET);
			if (type == SEG_SEQUENCE)
				left--;
		}
		if (type == SEG_SET) {
			path->hops++;
			left--;
		}
	}
}
