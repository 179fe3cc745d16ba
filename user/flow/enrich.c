/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/enrich.h"

static void towards_source(struct flow *fl, const struct rib_route *r)
{
	struct attr_spec s;

	attr_view(r->attr, &s);
	fl->src_plen = r->prefix.len;
	fl->src_peer_as = s.neighbour_as;
}

static void towards_destination(struct flow *fl, const struct rib_route *r)
{
	struct attr_spec s;

	attr_view(r->attr, &s);
	fl->dst_plen = r->prefix.len;
	fl->dst_peer_as = s.neighbour_as;
	fl->next_hop = s.next_hop;
	fl->path = s.path;
	fl->path_len = s.path_len;
	fl->comm = s.comm;
	fl->comm_len = s.comm_len;
	fl->local_pref = s.flags & ATTR_HAS_LOCPREF ? s.local_pref : 0;
}

void flow_enrich(struct flow *fl, const struct flow_routes *from)
{
	struct rib_route r;

	if (!(fl->has & FLOW_HAS_IP))
		return;
	if (!(fl->has & FLOW_HAS_AS)) {
		fl->src_as = from->as_of(from->arg, &fl->ip.src);
		fl->dst_as = from->as_of(from->arg, &fl->ip.dst);
	}
	if (rib_lookup(from->rib, &fl->ip.src, &r))
		towards_source(fl, &r);
	if (rib_lookup(from->rib, &fl->ip.dst, &r))
		towards_destination(fl, &r);
	fl->has |= FLOW_HAS_ROUTES;
}
