/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the prefix table is written to disk, and read back: after a reboot the
 * maps are empty, and the first packet is to be attributed all the same. The
 * writing happens in a thread of libuv's pool, from a copy.
 */
#ifndef DAEMON_SNAP_H
#define DAEMON_SNAP_H

#include <semaphore.h>
#include <uv.h>

#include "base/mono.h"
#include "daemon/config.h"
#include "route/snapshot.h"

#define SNAP_PATH CONFIG_STATE_DIR "/table"

struct snap_info {
	uint64_t writes;
	uint64_t errors;
	int64_t written_at; /* of the file, seconds since the epoch; 0: none */
};

struct snap {
	uv_loop_t *loop;
	struct table_cfg table;
	uv_work_t work;
	struct snapshot *copy; /* being written; NULL: none */
	int err;               /* of the last writing */
	sem_t done;            /* posted when the thread is through with it */
	struct mono tried;
	bool tried_once, failed; /* said so */
	uint32_t epoch;          /* of the file; also of the copy */
	bool have_epoch;
	struct snap_info info;
};

/* The table as it will be given to table_open(), which comes afterwards: a
 * table that has never been used is filled from the file. */
void snap_start(struct snap *s, uv_loop_t *loop, const struct table_cfg *t);

/* Writes when the table has changed since, at most once an interval. To be
 * called often, while the table says what it should. */
void snap_turn(struct snap *s, uint32_t interval_ms);

/* Writes what has changed, now, and waits for it. settled: the table says
 * what it should; else only what has begun is waited for. */
void snap_stop(struct snap *s, bool settled);

#endif
