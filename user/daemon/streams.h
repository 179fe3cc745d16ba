/* SPDX-License-Identifier: BSD-2-Clause */
/* The streams to Kafka: what the meter has to send, and when. */
#ifndef DAEMON_STREAMS_H
#define DAEMON_STREAMS_H

#include "daemon/config.h"
#include "export/kafka.h"
#include "flow/flow.h"
#include "flow/ledger.h"

struct streams;

/* Before anything is counted: opens what the stream had come to and notes it
 * against the ledger (of the first cut). dir: where the spool is; maps_id:
 * asm_state.created_at. Without brokers in the configuration there is nothing
 * to do until a reload brings some. -ENOMEM; everything else only leaves
 * Kafka out, with a line in the log, until the next reload. */
int streams_start(const char *dir, uint64_t maps_id, const struct config *cfg,
		  const struct ledger *l, struct streams **ret);

/* A reload. */
void streams_configure(struct streams *s, const struct config *cfg,
		       const struct ledger *l);

/* After each cut: hands over what has grown when the interval is over. */
void streams_cut(struct streams *s, const struct ledger *l);

/* One complete flow record (a flows_sink_fn). When there is no room for it,
 * that is counted. */
void streams_flow(void *streams, const struct flow *fl,
		  const struct flow_head *head);

/* False: there is no Kafka. */
bool streams_stats(const struct streams *s, struct kafka_stats *ret);

/* False: a thread still runs, and the process has to end without exit(3). */
bool streams_stop(struct streams *s);

#endif
