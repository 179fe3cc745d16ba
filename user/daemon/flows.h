/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a flow record in the meter: it is completed from the routes
 * and handed to each sink:
 *
 *   sources       flows_take()          sinks
 *   samples   ->  enrich, count    ->   recent.h: the API, "asmeter flows"
 *                                  ->   flows_sink(): exporters
 *
 * Everything here is of the loop's thread.
 */
#ifndef DAEMON_FLOWS_H
#define DAEMON_FLOWS_H

#include <uv.h>

#include "asmeter/abi.h"
#include "daemon/books.h"
#include "daemon/config.h"
#include "daemon/routes.h"
#include "daemon/sflow_out.h"
#include "flow/flow.h"
#include "flow/recent.h"

#define FLOWS_RECENT    8192 /* records that can be looked at */
#define FLOWS_SINKS_MAX 8

struct flows;

/* routes and books stay the caller's and must outlive it. -ENOMEM. */
int flows_start(uv_loop_t *loop, const struct config *cfg,
		struct routes *routes, struct books *books, struct flows **ret);
/* A reload. */
void flows_configure(struct flows *f, const struct config *cfg);
/* The books have been read. */
void flows_cut(struct flows *f);
/* Sends what is waiting; records that still come are counted and go nowhere.
 * NULL is fine. */
void flows_stop(struct flows *f);

/*
 * One record, filled in by its source up to "from the routes" in flow.h (the
 * rest is 0): times, rate, packets, bytes, dir, in_if or out_if as far as they
 * are known, all that the packet says. Set src_as, dst_as and FLOW_HAS_AS when
 * the packet program's answer came with the sample; otherwise the table is
 * asked. An exporter of all zeroes becomes this machine's address.
 *
 * The record stays the caller's and is complete afterwards; `path` and `comm`
 * are valid until the RIB changes, so as long as the caller does not return to
 * the loop. head: the start of the packet, or NULL; only looked at during the
 * call.
 */
void flows_take(struct flows *f, struct flow *fl, const struct flow_head *head);

/* One more receiver of complete records, called in flows_take() for each, with
 * the head or NULL. It copies what it wants to keep, does not block, and calls
 * nothing that changes the RIB. For as long as the process lives. -ENOSPC. */
typedef void (*flows_sink_fn)(void *ctx, const struct flow *fl,
			      const struct flow_head *head);
int flows_sink(struct flows *f, flows_sink_fn fn, void *ctx);

/* Whoever takes samples says here how many of that port were lost since the
 * process started, after they had been chosen: sFlow passes it on ("drops").
 * Without: 0. */
typedef sflow_lost_fn flows_lost_fn; /* (ctx, ifindex, dir) */
void flows_lost_by(struct flows *f, flows_lost_fn fn, void *ctx);

struct flows_stats {
	uint64_t taken[FLOW_SOURCES]; /* records, by source */
	uint64_t no_ip;               /* of them: neither IPv4 nor IPv6 */
	uint64_t no_route;            /* of them: one AS or both not known */
	uint64_t cut, bad;            /* of them: FLOW_CUT, FLOW_BAD */
};

void flows_stats(const struct flows *f, struct flows_stats *ret);
const struct recent *flows_recent(const struct flows *f);
struct sflow_out *flows_sflow(const struct flows *f);

#endif
