/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sFlow version 5 (https://sflow.org/sflow_version_5.txt): flow samples and
 * interface counters into datagrams. Pure: bytes into a buffer, no socket, no
 * clock.
 *
 * A flow sample carries the sampled header, extended switch (for Ethernet) and
 * router data, and extended gateway data when at least one AS is known.
 * Choices where the text leaves one, or collectors do:
 *
 * - A collector takes the last AS of the path for the destination AS. So the
 *   path always ends with the AS that was counted: it is appended when the
 *   route has no path (own prefixes, libloc), or one that ends elsewhere (cut
 *   short). AS 0: no route.
 * - An address that is not known is all zeroes of the packet's family. The
 *   address type "unknown" exists, but collectors that descend from the
 *   reference decoder take every type but 1 for IPv6.
 * - Interface numbers from 2^24 on need the expanded forms, and an agent must
 *   not mix the forms: the first such number switches for good.
 */
#ifndef EXPORT_SFLOW_H
#define EXPORT_SFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wr.h"
#include "flow/flow.h"

/* Bounds of a datagram; the largest sample fits into the smallest one. */
#define SFLOW_DATAGRAM_MIN 1024u
#define SFLOW_DATAGRAM_MAX 9000u
#define SFLOW_HEADER_MAX   256u /* bytes of a packet that are passed on */

/* The datagram being filled. */
struct sflow {
	struct addr agent;
	size_t max;    /* bytes of a datagram */
	uint32_t seq;  /* of the last datagram */
	bool expanded; /* which forms are used */
	uint32_t n;    /* samples in the datagram */
	struct wr w;
	uint8_t buf[SFLOW_DATAGRAM_MAX];
};

/* max is brought within its bounds. */
void sflow_init(struct sflow *s, const struct addr *agent, size_t max);

struct sflow_flow {
	const struct flow *flow;      /* complete; in_if, out_if, rate, dir */
	const struct flow_head *head; /* never NULL */
	uint32_t head_max;            /* at most SFLOW_HEADER_MAX */
	uint32_t ifindex;             /* the data source */
	uint32_t seq;                 /* of the samples of that source */
	uint32_t pool;                /* packets that could have been sampled */
	uint32_t drops;               /* samples taken and lost */
	uint32_t local_as;
};

/* ifTable (RFC 2863); UINT32_MAX, UINT64_MAX: a counter that is not known. */
struct sflow_counters {
	uint32_t ifindex;
	uint32_t seq; /* of the counters of that source */
	uint32_t type;
	uint64_t speed; /* bit/s */
	bool admin_up, oper_up;
	uint64_t in_octets, out_octets;
	uint32_t in_unicast, in_multicast, in_broadcast;
	uint32_t in_discards, in_errors;
	uint32_t out_unicast, out_multicast, out_broadcast;
	uint32_t out_discards, out_errors;
};

/* Add one sample. False: no room left; close the datagram, then it fits. */
bool sflow_add_flow(struct sflow *s, const struct sflow_flow *v);
bool sflow_add_counters(struct sflow *s, const struct sflow_counters *v);

/* Ends the datagram and returns its length: it is in buf, until the next
 * sample is added. 0: there is no sample in it. */
size_t sflow_close(struct sflow *s, uint32_t uptime_ms);

#endif
