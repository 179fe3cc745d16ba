/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of UDP receivers that each get the same datagrams. Never blocks; what
 * cannot be sent is counted, by reason, for each receiver.
 */
#ifndef DAEMON_COLLECTORS_H
#define DAEMON_COLLECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"
#include "route/prefix.h"

struct collectors;

enum collector_fault {
	COLLECTOR_REFUSED = 0, /* nobody listens there (ICMP) */
	COLLECTOR_NO_ROUTE,    /* no route, or host unreachable */
	COLLECTOR_FULL,        /* the socket's buffer */
	COLLECTOR_OTHER,
	COLLECTOR_FAULTS
};

/* "refused", … as metrics name them. */
const char *collector_fault_name(enum collector_fault f);

struct collector_stats {
	struct addr addr;
	uint16_t port;
	uint64_t datagrams; /* handed to the kernel */
	uint64_t samples;   /* in them */
	uint64_t lost;      /* samples in datagrams that could not be sent */
	uint64_t faults[COLLECTOR_FAULTS];
};

/* what: the first word of log lines, static. -ENOMEM. */
int collectors_new(const char *what, struct collectors **ret);
void collectors_free(struct collectors *cs);

/* From now on these. Those that were there before keep their socket and their
 * counters. -ENOMEM: nothing changes. */
int collectors_set(struct collectors *cs, const struct config_endpoint *e,
		   size_t n);
/* To be called now and then: opens what could not be opened before. */
void collectors_tick(struct collectors *cs);

/* Sends to each; `samples` are in it. */
void collectors_send(struct collectors *cs, const void *data, size_t len,
		     uint32_t samples);

size_t collectors_count(const struct collectors *cs);
/* i < collectors_count() */
void collectors_stats(const struct collectors *cs, size_t i,
		      struct collector_stats *ret);

#endif
