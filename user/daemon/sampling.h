/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sampling, the keeper's part: rates as the configuration has them, the tap
 * made and made again, its ring handed to the meter.
 *
 * No fault here is a reason to end: what is counted counts on, and samples
 * that have no way out are counted as lost.
 */
#ifndef DAEMON_SAMPLING_H
#define DAEMON_SAMPLING_H

#include "daemon/config.h"
#include "daemon/ifaces.h"
#include "daemon/ipc.h"
#include "kernel/mirror.h"
#include "kernel/tap.h"

#define SAMPLING_MIRRORS_MAX 16

struct sampling {
	const struct kern *kern;
	const char *pin_dir;
	struct tap tap;
	struct mirror mirrors[SAMPLING_MIRRORS_MAX];
	bool check; /* something happened: sampling_apply() has work */
	bool wanted;
	struct mono retry;    /* ns 0: nothing failed */
	unsigned failed;      /* times in a row */
	char error[IPC_TEXT]; /* why the tap is not there; "": it is */
};

void sampling_init(struct sampling *s, const struct kern *k,
		   const char *pin_dir);

/* An event of ifstat_watch_read(). */
void sampling_event(struct sampling *s, enum ifstat_event_kind kind,
		    const struct ifstat *st);

/* Makes everything as cfg and ifs say; a failure is logged, and tried again.
 * True: there is news for the meter; *ret_ring: a new ring among it. */
bool sampling_apply(struct sampling *s, const struct config *cfg,
		    const struct iface_set *ifs, struct mono now,
		    bool *ret_ring);

/* A new meter is to be told: where sockets serve one process only, there have
 * to be others, so sampling_apply() has work. */
void sampling_new_meter(struct sampling *s);

/* How long until sampling_apply() has something to do. */
int64_t sampling_due_ns(const struct sampling *s, struct mono now);

/* Tells the meter; ring: hands over the ring, too. -errno of ipc_send(). */
int sampling_tell(const struct sampling *s, int fd, bool ring);

/* What is attached stays, and finds no socket. */
void sampling_close(struct sampling *s);

#endif
