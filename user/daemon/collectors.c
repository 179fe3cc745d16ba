/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/collectors.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define REOPEN_NS    NSEC_PER_SEC
#define LOG_EVERY_NS (60 * NSEC_PER_SEC)

struct collector {
	struct collector_stats stats;
	const char *what;
	int fd; /* -1: none */
	struct mono tried;
	struct log_rl log;
};

struct collectors {
	const char *what;
	struct collector *v;
	size_t n;
};

/* -------------------------------------------------------------- sockets */

static socklen_t sockaddr_of(const struct collector_stats *c,
			     struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (c->addr.family == FAMILY_IP4) {
		struct sockaddr_in sin = {
			.sin_family = AF_INET,
			.sin_port = htons(c->port),
			.sin_addr.s_addr = htonl((uint32_t)(c->addr.hi >> 32))};

		memcpy(ret, &sin, sizeof(sin));
		return sizeof(sin);
	}
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(c->port)};

	for (unsigned i = 0; i < 8; i++) {
		unsigned shift = 8 * (7 - i);

		sin6.sin6_addr.s6_addr[i] = (uint8_t)(c->addr.hi >> shift);
		sin6.sin6_addr.s6_addr[8 + i] = (uint8_t)(c->addr.lo >> shift);
	}
	memcpy(ret, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

static void fault(struct collector *c, int err)
{
	char text[PREFIX_STRLEN];
	enum collector_fault f = COLLECTOR_OTHER;
	uint64_t held;

	if (err == ECONNREFUSED)
		f = COLLECTOR_REFUSED;
	else if (err == ENETUNREACH || err == EHOSTUNREACH || err == ENETDOWN ||
		 err == EADDRNOTAVAIL)
		f = COLLECTOR_NO_ROUTE;
	else if (err == EAGAIN || err == ENOBUFS)
		f = COLLECTOR_FULL;
	c->stats.faults[f]++;
	if (log_rl_pass(&c->log, mono_now(), &held))
		log_warn("%s: %s port %u: %s", c->what,
			 addr_str(&c->stats.addr, text), c->stats.port,
			 strerror(err));
}

/* Connected, so that the kernel tells when nobody listens there. */
static void reopen(struct collector *c)
{
	struct sockaddr_storage to;
	socklen_t len = sockaddr_of(&c->stats, &to);

	c->tried = mono_now();
	c->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0);
	if (c->fd >= 0 && !connect(c->fd, (struct sockaddr *)&to, len))
		return;
	fault(c, errno);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Whatever an earlier datagram provoked (ICMP) is told with this one, which
 * then was not sent: so twice. A socket that fails again is given up, because
 * it keeps the source address that it had at first; another is tried later. */
static bool send_to(struct collector *c, const void *data, size_t len)
{
	int err = 0;

	for (unsigned i = 0; c->fd >= 0 && i < 2; i++) {
		if (send(c->fd, data, len, 0) >= 0)
			return true;
		err = errno;
		fault(c, err);
		if (err == EAGAIN || err == ENOBUFS)
			return false;
	}
	if (c->fd >= 0 && err != ECONNREFUSED) {
		close(c->fd);
		c->fd = -1;
	}
	return false;
}

void collectors_send(struct collectors *cs, const void *data, size_t len,
		     uint32_t samples)
{
	for (size_t i = 0; i < cs->n; i++) {
		struct collector *c = &cs->v[i];

		if (send_to(c, data, len)) {
			c->stats.datagrams++;
			c->stats.samples += samples;
		} else {
			c->stats.lost += samples;
		}
	}
}

void collectors_tick(struct collectors *cs)
{
	struct mono now = mono_now();

	for (size_t i = 0; i < cs->n; i++) {
		struct collector *c = &cs->v[i];

		if (c->fd < 0 && mono_diff_ns(c->tried, now) >= REOPEN_NS)
			reopen(c);
	}
}

/* -------------------------------------------------------------- the set */

const char *collector_fault_name(enum collector_fault f)
{
	static const char *const names[COLLECTOR_FAULTS] = {
		[COLLECTOR_REFUSED] = "refused",
		[COLLECTOR_NO_ROUTE] = "no_route",
		[COLLECTOR_FULL] = "buffer_full",
		[COLLECTOR_OTHER] = "other",
	};

	return names[f];
}

int collectors_new(const char *what, struct collectors **ret)
{
	struct collectors *cs = calloc(1, sizeof(*cs));

	if (!cs)
		return -ENOMEM;
	cs->what = what;
	*ret = cs;
	return 0;
}

/* The one that talks there already, taken out of the old ones; or a new one. */
static struct collector collector_for(struct collectors *cs,
				      const struct config_endpoint *e)
{
	for (size_t i = 0; i < cs->n; i++) {
		struct collector c = cs->v[i];

		if (c.stats.port != e->port ||
		    c.stats.addr.family != e->addr.family ||
		    c.stats.addr.hi != e->addr.hi ||
		    c.stats.addr.lo != e->addr.lo)
			continue;
		cs->v[i] = cs->v[--cs->n];
		return c;
	}
	struct collector c = {.stats = {.addr = e->addr, .port = e->port},
			      .what = cs->what,
			      .fd = -1,
			      .log = LOG_RL_INIT(1, LOG_EVERY_NS)};

	reopen(&c);
	return c;
}

static void drop_all(struct collectors *cs)
{
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i].fd >= 0)
			close(cs->v[i].fd);
	}
	free(cs->v);
	cs->v = NULL;
	cs->n = 0;
}

int collectors_set(struct collectors *cs, const struct config_endpoint *e,
		   size_t n)
{
	struct collector *v = calloc(n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = collector_for(cs, &e[i]);
	drop_all(cs); /* those that are left */
	cs->v = v;
	cs->n = n;
	return 0;
}

void collectors_free(struct collectors *cs)
{
	if (!cs)
		return;
	drop_all(cs);
	free(cs);
}

size_t collectors_count(const struct collectors *cs)
{
	return cs->n;
}

void collectors_stats(const struct collectors *cs, size_t i,
		      struct collector_stats *ret)
{
	*ret = cs->v[i].stats;
}
