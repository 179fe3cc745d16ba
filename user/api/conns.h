/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of one listening socket, and which of them makes room for the
 * next. There are at most so many in all and from one address; a client that
 * comes then is not turned away, nor does it wait for a time-out: somebody else
 * goes who has held a place for long and got nothing done with it. So clients
 * that send or read byte by byte, however many, keep nobody out.
 */
#ifndef API_CONNS_H
#define API_CONNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/mono.h"

struct conn {
	struct conn *prev, *next;
	int fd;
	uint8_t from[16]; /* the address without the port */
	struct mono since;
	bool answering; /* a whole request has come, the answer is under way */
};

struct conns {
	struct conn *first;
	unsigned n, max, max_per_ip; /* max_per_ip 0: no limit */
};

/* from: of any family; all of a Unix socket have the same. NULL without
 * memory. Freed by conns_remove(). */
struct conn *conns_add(struct conns *cs, int fd, const struct sockaddr *from,
		       struct mono now);
void conns_remove(struct conns *cs, struct conn *c);

/* A request has come (answering) or has been answered: from now on the time
 * counts anew. */
void conn_progress(struct conn *c, bool answering, struct mono now);

/* Who has to go before one more from there is added; NULL: there is room. */
struct conn *conns_in_the_way(const struct conns *cs,
			      const struct sockaddr *from, struct mono now);

#endif
