/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Completes a flow record from the routes.
 *
 * The two ASes of a record are those that the packet was counted to, so that
 * samples and books tell of the same ASes: what the source of the record says
 * (FLOW_HAS_AS: a sample of our own brings what the packet program found), or
 * else what the packet programs would say now. All the rest is of the best
 * route in the RIB. The two can differ for the moment between a change of the
 * RIB and its publication, and as long as a table of an earlier process
 * answers on: the record then has the AS that was counted, next to a path that
 * may end elsewhere, or none.
 *
 * Pure.
 */
#ifndef FLOW_ENRICH_H
#define FLOW_ENRICH_H

#include "flow/flow.h"
#include "route/rib.h"

struct flow_routes {
	const struct rib *rib;
	/* The AS that the packet programs know for an address; 0: none. */
	uint32_t (*as_of)(void *arg, const struct addr *a);
	void *arg;
};

/* Fills in everything that flow.h says is from the routes; without
 * FLOW_HAS_IP nothing is asked. Pointers in the record are valid until the RIB
 * changes. */
void flow_enrich(struct flow *fl, const struct flow_routes *from);

#endif
