/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/recent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route/attr.h"

struct slot {
	struct flow flow; /* points to the two arrays below */
	uint32_t path[ATTR_PATH_MAX];
	uint32_t comm[ATTR_COMM_MAX];
};

struct recent {
	uint64_t next; /* the number that the next record gets */
	uint32_t room;
	struct slot slot[];
};

int recent_new(uint32_t room, struct recent **ret)
{
	struct recent *r;

	if (!room)
		return -EINVAL;
	r = calloc(1, sizeof(*r) + room * sizeof(r->slot[0]));
	if (!r)
		return -ENOMEM;
	r->next = 1;
	r->room = room;
	*ret = r;
	return 0;
}

void recent_free(struct recent *r)
{
	free(r);
}

static uint16_t keep(uint32_t *to, size_t room, const uint32_t *from,
		     uint16_t n)
{
	n = n > room ? (uint16_t)room : n;
	if (n)
		memcpy(to, from, n * sizeof(*to));
	return n;
}

void recent_put(struct recent *r, const struct flow *fl)
{
	struct slot *s = &r->slot[r->next++ % r->room];

	s->flow = *fl;
	s->flow.path = s->path;
	s->flow.path_len = keep(s->path, ATTR_PATH_MAX, fl->path, fl->path_len);
	s->flow.comm = s->comm;
	s->flow.comm_len = keep(s->comm, ATTR_COMM_MAX, fl->comm, fl->comm_len);
}

uint64_t recent_oldest(const struct recent *r)
{
	return r->next > r->room ? r->next - r->room : 1;
}

uint64_t recent_next(const struct recent *r)
{
	return r->next;
}

const struct flow *recent_get(const struct recent *r, uint64_t number)
{
	if (number < recent_oldest(r) || number >= r->next)
		return NULL;
	return &r->slot[number % r->room].flow;
}

/* --------------------------------------------------------------- filter */

static bool addrs_match(const struct flow *fl, const struct flow_filter *w)
{
	return (fl->has & FLOW_HAS_IP) &&
	       (prefix_covers(&w->prefix, &fl->ip.src) ||
		prefix_covers(&w->prefix, &fl->ip.dst));
}

static bool ports_match(const struct flow *fl, const struct flow_filter *w)
{
	return (fl->has & FLOW_HAS_PORTS) &&
	       (fl->ip.src_port == w->port || fl->ip.dst_port == w->port);
}

bool flow_matches(const struct flow *fl, const struct flow_filter *w)
{
	const uint32_t as = FLOW_HAS_AS | FLOW_HAS_ROUTES;

	return (!w->by_as || ((fl->has & as) && (fl->src_as == w->asn ||
						 fl->dst_as == w->asn))) &&
	       (!w->by_prefix || addrs_match(fl, w)) &&
	       (!w->by_port || ports_match(fl, w)) &&
	       (!w->by_proto ||
		((fl->has & FLOW_HAS_IP) && fl->ip.proto == w->proto)) &&
	       (!w->by_iface ||
		(fl->in_if == w->iface || fl->out_if == w->iface)) &&
	       (!w->by_dir || fl->dir == w->dir);
}
