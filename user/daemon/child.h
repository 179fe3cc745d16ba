/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The meter as the keeper sees it: a process to start, to listen to and, when
 * it is silent or speaks nonsense, to end and start again.
 */
#ifndef DAEMON_CHILD_H
#define DAEMON_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mono.h"
#include "daemon/privs.h"

#define CHILD_SILENCE_NS     (30 * NSEC_PER_SEC) /* then it counts as hung */
#define CHILD_BACKOFF_MIN_NS (100 * NSEC_PER_MSEC)
#define CHILD_BACKOFF_MAX_NS (5 * NSEC_PER_SEC)
#define CHILD_GOOD_NS        (60 * NSEC_PER_SEC) /* lived so long: start afresh */

struct child {
	pid_t pid;       /* 0: none runs */
	int fd;          /* our end of the pair; -1: none */
	bool ready;      /* said so */
	uint32_t starts; /* so far */
	struct mono started;
	struct mono heard; /* its last message, or the start */
	struct mono retry; /* when to start again; only while pid is 0 */
	int64_t backoff_ns;
};

void child_init(struct child *c);

/* Forks and executes the meter without privileges. 0 or -errno. */
int child_start(struct child *c, const struct privs_user *u);

/* Collects it when it has ended: true, and *ret_status is that of waitpid().
 * The next start is put off by the back-off. */
bool child_reap(struct child *c, struct mono now, int *ret_status);

/* Ends it at once; child_reap() sees it go. */
void child_kill(const struct child *c);

/* Nanoseconds until something has to be done about it (kill it for silence,
 * start it again); negative: now. */
int64_t child_due_ns(const struct child *c, struct mono now);

#endif
