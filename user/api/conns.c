/* SPDX-License-Identifier: BSD-2-Clause */
#include "api/conns.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* A client that has sent its request has done its part; it may take so many
 * times as long to read the answer as another to send its request. */
#define PATIENCE 4

static void address_of(const struct sockaddr *sa, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (sa->sa_family == AF_INET)
		memcpy(ret, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	else if (sa->sa_family == AF_INET6)
		memcpy(ret, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
}

struct conn *conns_add(struct conns *cs, int fd, const struct sockaddr *from,
		       struct mono now)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->since = now;
	address_of(from, c->from);
	c->next = cs->first;
	if (c->next)
		c->next->prev = c;
	cs->first = c;
	cs->n++;
	return c;
}

void conns_remove(struct conns *cs, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		cs->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	cs->n--;
	free(c);
}

void conn_progress(struct conn *c, bool answering, struct mono now)
{
	c->answering = answering;
	c->since = now;
}

/* Among those from `from`, or all (NULL); how many these are. */
static struct conn *worst(const struct conns *cs, const uint8_t *from,
			  struct mono now, unsigned *ret_n)
{
	struct conn *found = NULL;
	int64_t longest = -1;

	*ret_n = 0;
	for (struct conn *c = cs->first; c; c = c->next) {
		int64_t t = mono_diff_ns(c->since, now);

		if (from && memcmp(from, c->from, sizeof(c->from)) != 0)
			continue;
		(*ret_n)++;
		t = c->answering ? t / PATIENCE : t;
		if (t < longest)
			continue;
		longest = t;
		found = c;
	}
	return found;
}

struct conn *conns_in_the_way(const struct conns *cs,
			      const struct sockaddr *from, struct mono now)
{
	uint8_t addr[16];
	struct conn *c;
	unsigned n;

	address_of(from, addr);
	c = worst(cs, addr, now, &n);
	if (cs->max_per_ip && n >= cs->max_per_ip)
		return c;
	return cs->n >= cs->max ? worst(cs, NULL, now, &n) : NULL;
}
