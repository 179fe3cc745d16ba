/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the counters at each interval and keeps the ledger, over restarts of
 * the process too. The waiting for the grace period, and the freeing of rows
 * when they run short, happen in a thread of libuv's pool; everything else in
 * the loop's.
 */
#ifndef DAEMON_BOOKS_H
#define DAEMON_BOOKS_H

#include <uv.h>

#include "asmeter/abi.h"
#include "daemon/config.h"
#include "flow/ledger.h"
#include "kernel/counters.h"
#include "kernel/ifstat.h"

struct books;

/* Opens the counters and reads the first cut (some 100 ms). maps_id:
 * asm_state.created_at. cut(ctx) is called after each cut. */
int books_start(uv_loop_t *loop, const int fds[ASM_MAP_COUNT], uint64_t maps_id,
		const struct config *cfg, void (*cut)(void *ctx), void *ctx,
		struct books **ret);

/* A reload. */
void books_configure(struct books *b, const struct config *cfg);

/* Writes down what has to outlive the process; no cut comes any more. */
void books_stop(struct books *b);

const struct ledger *books_ledger(const struct books *b);
/* How often its file was written, and could not be. */
void books_state(const struct books *b, uint64_t *ret_writes,
		 uint64_t *ret_errors);
void books_counters(const struct books *b, struct counters_stats *ret);

/* The interface as it was at the last cut; NULL: not seen then. */
const struct ifstat *books_ifstat(const struct books *b, uint32_t ifindex);

#endif
