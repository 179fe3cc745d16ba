/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sFlow to collectors: samples of this machine and counters of the metered
 * interfaces, over UDP. Never blocks; what cannot be sent is counted.
 *
 * The data source of a sample is the metered interface, in whichever
 * direction it was taken: received when the source is its input interface,
 * transmitted when it is its output. So the sample pool is what the books say
 * the interface has seen, both directions, as of the last reading of the
 * counters: it advances in steps of that interval. (A sub-agent for each
 * direction would give each a pool of its own, but one source must not be
 * split between sub-agents.)
 */
#ifndef DAEMON_SFLOW_OUT_H
#define DAEMON_SFLOW_OUT_H

#include <uv.h>

#include "daemon/books.h"
#include "daemon/collectors.h"
#include "daemon/config.h"
#include "flow/flow.h"

#define SFLOW_FLUSH_MS 500 /* a sample waits no longer */

struct sflow_out;

/* Samples of that port lost since the process started, see flows.h. */
typedef uint64_t (*sflow_lost_fn)(void *ctx, uint32_t ifindex,
				  enum asm_dir dir);

/* books stay the caller's. agent: the address that this machine is known by.
 * -ENOMEM. */
int sflow_out_start(uv_loop_t *loop, const struct config *cfg,
		    const struct addr *agent, const struct books *books,
		    struct sflow_out **ret);
/* A reload. Collectors that stay keep their socket and their counters. */
void sflow_out_configure(struct sflow_out *o, const struct config *cfg,
			 const struct addr *agent);
/* Sends what is waiting and closes. NULL is fine. */
void sflow_out_stop(struct sflow_out *o);

void sflow_out_lost_by(struct sflow_out *o, sflow_lost_fn fn, void *ctx);
/* The books have been read. */
void sflow_out_cut(struct sflow_out *o);
/* A complete record. Only samples of this machine, with a head, are sent. */
void sflow_out_take(struct sflow_out *o, const struct flow *fl,
		    const struct flow_head *head);

struct sflow_out_stats {
	uint64_t flows, counters; /* samples put into datagrams */
	uint64_t skipped;         /* records that are no samples of ours */
};

void sflow_out_stats(const struct sflow_out *o, struct sflow_out_stats *ret);
/* Empty after sflow_out_stop(). */
const struct collectors *sflow_out_collectors(const struct sflow_out *o);

#endif
