/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last flow records, for people who look: a ring of fixed size. Each
 * record gets a number, one more than the one before, so a reader that comes
 * back with the number it wants next sees each record once and knows how many
 * it has missed.
 *
 * One thread owns it. No I/O, no clock, no log.
 */
#ifndef FLOW_RECENT_H
#define FLOW_RECENT_H

#include "flow/flow.h"

struct recent;

/* A ring of `room` records, some 1 KB each, which take memory only once they
 * are used. -ENOMEM; -EINVAL for no room at all. */
int recent_new(uint32_t room, struct recent **ret);
void recent_free(struct recent *r);

/* Keeps a copy, path and communities included (as many as a route can have:
 * ATTR_PATH_MAX, ATTR_COMM_MAX). */
void recent_put(struct recent *r, const struct flow *fl);

/* Records held are numbered oldest .. next - 1; the first one ever is 1. */
uint64_t recent_oldest(const struct recent *r);
uint64_t recent_next(const struct recent *r);

/* The record of that number, valid until the next recent_put(); NULL: it is
 * gone, or has not come yet. */
const struct flow *recent_get(const struct recent *r, uint64_t number);

/* What a reader wants to see; all that is given has to hold. */
struct flow_filter {
	bool by_as, by_prefix, by_port, by_proto, by_iface, by_dir;
	uint32_t asn;         /* source or destination AS */
	struct prefix prefix; /* source or destination address is inside */
	uint16_t port;        /* source or destination port */
	uint8_t proto;
	uint32_t iface; /* ifIndex in or out */
	uint8_t dir;    /* enum asm_dir */
};

bool flow_matches(const struct flow *fl, const struct flow_filter *want);

#endif
