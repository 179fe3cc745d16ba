/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/flows.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/sflow_out.h"
#include "flow/enrich.h"

struct sink {
	flows_sink_fn fn;
	void *ctx;
};

struct flows {
	struct flow_routes from;
	struct addr self;
	struct recent *recent;
	struct sflow_out *sflow;
	struct sink sink[FLOWS_SINKS_MAX];
	unsigned n_sinks;
	struct flows_stats stats;
	bool stopped;
};

/* ------------------------------------------------------------ who we are */

/* The address of an interface, if it is one to be known by. */
static bool usable(const struct ifaddrs *a, struct addr *ret)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	if (!a->ifa_addr || (a->ifa_flags & IFF_LOOPBACK))
		return false;
	if (a->ifa_addr->sa_family == AF_INET) {
		memcpy(&sin, a->ifa_addr, sizeof(sin));
		*ret = (struct addr){.hi = (uint64_t)ntohl(sin.sin_addr.s_addr)
					   << 32,
				     .family = FAMILY_IP4};
		return true;
	}
	if (a->ifa_addr->sa_family != AF_INET6)
		return false;
	memcpy(&sin6, a->ifa_addr, sizeof(sin6));
	if (IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr))
		return false;
	*ret = (struct addr){.family = FAMILY_IP6};
	for (unsigned i = 0; i < 8; i++) {
		ret->hi = ret->hi << 8 | sin6.sin6_addr.s6_addr[i];
		ret->lo = ret->lo << 8 | sin6.sin6_addr.s6_addr[8 + i];
	}
	return true;
}

/* The first IPv4 address that is not a loopback, else the first IPv6 one, else
 * 127.0.0.1. */
static struct addr some_address(void)
{
	struct addr found = {.hi = UINT64_C(0x7f000001) << 32}, at;
	struct ifaddrs *all = NULL;
	bool any = false;

	if (getifaddrs(&all))
		return found;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!usable(a, &at) || (any && at.family == FAMILY_IP6))
			continue;
		found = at;
		any = true;
		if (at.family == FAMILY_IP4)
			break;
	}
	freeifaddrs(all);
	return found;
}

static struct addr address_of(const struct config *cfg)
{
	if (cfg->sflow.has_agent)
		return cfg->sflow.agent;
	if (cfg->bgp.router_id)
		return (struct addr){.hi = (uint64_t)cfg->bgp.router_id << 32,
				     .family = FAMILY_IP4};
	return some_address();
}

/* ------------------------------------------------------------- start, end */

static uint32_t as_of(void *arg, const struct addr *a)
{
	return routes_lookup(arg, a);
}

int flows_start(uv_loop_t *loop, const struct config *cfg,
		struct routes *routes, struct books *books, struct flows **ret)
{
	struct flows *f = calloc(1, sizeof(*f));
	int err = f ? recent_new(FLOWS_RECENT, &f->recent) : -ENOMEM;

	if (!err) {
		f->self = address_of(cfg);
		err = sflow_out_start(loop, cfg, &f->self, books, &f->sflow);
	}
	if (err)
		return err; /* the process ends: its memory goes with it */
	f->from = (struct flow_routes){.rib = routes_rib(routes),
				       .as_of = as_of,
				       .arg = routes};
	*ret = f;
	return 0;
}

void flows_configure(struct flows *f, const struct config *cfg)
{
	f->self = address_of(cfg);
	sflow_out_configure(f->sflow, cfg, &f->self);
}

void flows_cut(struct flows *f)
{
	sflow_out_cut(f->sflow);
}

void flows_stop(struct flows *f)
{
	if (!f)
		return;
	f->stopped = true;
	sflow_out_stop(f->sflow);
}

int flows_sink(struct flows *f, flows_sink_fn fn, void *ctx)
{
	if (f->n_sinks == FLOWS_SINKS_MAX)
		return -ENOSPC;
	f->sink[f->n_sinks++] = (struct sink){fn, ctx};
	return 0;
}

void flows_lost_by(struct flows *f, flows_lost_fn fn, void *ctx)
{
	sflow_out_lost_by(f->sflow, fn, ctx);
}

/* ------------------------------------------------------------ the records */

static void count(struct flows_stats *s, const struct flow *fl)
{
	if (fl->source < FLOW_SOURCES)
		s->taken[fl->source]++;
	if (!(fl->has & FLOW_HAS_IP))
		s->no_ip++;
	else if (!fl->src_as || !fl->dst_as)
		s->no_route++;
	s->cut += (fl->has & FLOW_CUT) != 0;
	s->bad += (fl->has & FLOW_BAD) != 0;
}

void flows_take(struct flows *f, struct flow *fl, const struct flow_head *head)
{
	if (!fl->exporter.hi && !fl->exporter.lo)
		fl->exporter = f->self;
	flow_enrich(fl, &f->from);
	count(&f->stats, fl);
	if (f->stopped)
		return;
	recent_put(f->recent, fl);
	sflow_out_take(f->sflow, fl, head);
	for (unsigned i = 0; i < f->n_sinks; i++)
		f->sink[i].fn(f->sink[i].ctx, fl, head);
}

void flows_stats(const struct flows *f, struct flows_stats *ret)
{
	*ret = f->stats;
}

const struct recent *flows_recent(const struct flows *f)
{
	return f->recent;
}

struct sflow_out *flows_sflow(const struct flows *f)
{
	return f->sflow;
}
