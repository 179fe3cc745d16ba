/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

struct peers {
	struct bgp_peerset *set;
	struct routes *routes;
};

/* The first IPv4 address that is not a loopback; else made from the name. */
static uint32_t some_router_id(const char *hostname)
{
	struct ifaddrs *all = NULL;
	uint32_t id = 0;

	if (!getifaddrs(&all)) {
		for (const struct ifaddrs *a = all; a && !id; a = a->ifa_next) {
			struct sockaddr_in sin;

			if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET ||
			    (a->ifa_flags & IFF_LOOPBACK))
				continue;
			memcpy(&sin, a->ifa_addr, sizeof(sin));
			id = ntohl(sin.sin_addr.s_addr);
		}
		freeifaddrs(all);
	}
	if (id)
		return id;
	id = 2166136261u;
	for (; *hostname; hostname++)
		id = (id ^ (unsigned char)*hostname) * 16777619u;
	return id ? id : 1;
}

static void fill_peer(const struct config *cfg, const struct config_neighbor *n,
		      struct bgp_peer_cfg *ret)
{
	bgp_peer_cfg_default(ret);
	if (n->description)
		(void)snprintf(ret->name, sizeof(ret->name), "%s",
			       n->description);
	if (n->interface)
		(void)snprintf(ret->interface, sizeof(ret->interface), "%s",
			       n->interface);
	if (n->password)
		(void)snprintf(ret->md5, sizeof(ret->md5), "%s", n->password);
	ret->addr = n->address;
	ret->port = (uint16_t)n->port;
	ret->has_source = n->has_local_address;
	if (n->has_local_address)
		ret->source = n->local_address;
	ret->passive = n->passive;
	ret->add_path = n->add_path;
	for (unsigned f = 0; f < FAMILIES; f++)
		ret->families[f] = n->families & 1u << f;
	ret->remote_as = n->remote_as;
	ret->ttl_security = (uint8_t)n->ttl_security;
	ret->multihop = (uint8_t)n->multihop;
	ret->hold_time_s = (uint16_t)n->hold_time_s;
	ret->stale_time_s = cfg->bgp.stale_time_ms / 1000;
	ret->max_prefixes = n->max_prefixes;
}

int peers_configure(struct peers *p, const struct config *cfg, char *text,
		    size_t len)
{
	struct bgp_local_cfg local = {.asn = cfg->local_as,
				      .router_id = cfg->bgp.router_id};
	struct bgp_peer_cfg *v;
	size_t n = cfg->bgp.n_neighbors;
	char buf[PREFIX_STRLEN];
	int err;

	if (!local.router_id)
		local.router_id = some_router_id(cfg->hostname);
	v = calloc(n ? n : 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *why;

		fill_peer(cfg, &cfg->bgp.neighbors[i], &v[i]);
		why = bgp_peer_cfg_check(&local, &v[i]);
		if (!why)
			continue;
		(void)snprintf(text, len, "neighbor %s (line %u): %s",
			       addr_str(&v[i].addr, buf),
			       cfg->bgp.neighbors[i].pos.line, why);
		free(v);
		return -EINVAL;
	}
	err = bgp_peerset_apply(p->set, &local, v, n);
	if (err)
		(void)snprintf(text, len, "neighbors: %s", strerror(-err));
	free(v);
	return err;
}

static void on_complete(void *ctx, const struct bgp_peer_info *peer,
			enum family f)
{
	struct peers *p = ctx;

	log_info("bgp %s: IPv%d table complete, %zu paths", peer->name,
		 f == FAMILY_IP4 ? 4 : 6, peer->family[f].paths);
	routes_bgp_complete(p->routes, f);
}

int peers_start(uv_loop_t *loop, const struct config *cfg, struct routes *r,
		struct peers **ret, char *text, size_t len)
{
	const struct bgp_callbacks cb = {.table_complete = on_complete};
	const struct bgp_local_cfg local = {
		.asn = cfg->local_as,
		.router_id = cfg->bgp.router_id
				     ? cfg->bgp.router_id
				     : some_router_id(cfg->hostname)};
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->routes = r;
	p->set = bgp_peerset_new(loop, routes_rib(r), routes_attrs(r), &local,
				 &cb, p);
	if (!p->set) {
		free(p);
		return -ENOMEM;
	}
	*ret = p; /* without neighbors it is still a set, for a reload */
	return peers_configure(p, cfg, text, len);
}

int peers_listen(struct peers *p, int fd)
{
	int err = bgp_peerset_listen(p->set, fd);

	/* now that it has the MD5 keys */
	return !err && listen(fd, 64) ? -errno : err;
}

void peers_stop(struct peers *p, enum bgp_stop how)
{
	if (p)
		bgp_peerset_stop(p->set, how, "asmeter stops");
}

void peers_each(const struct peers *p,
		void (*fn)(void *ctx, const struct bgp_peer_info *peer),
		void *ctx)
{
	bgp_peerset_each(p->set, fn, ctx);
}

size_t peers_established(const struct peers *p)
{
	struct bgp_set_info info;

	bgp_peerset_info(p->set, &info);
	return info.established;
}

uint64_t peers_refused(const struct peers *p)
{
	struct bgp_set_info info;

	bgp_peerset_info(p->set, &info);
	return info.refused_unknown;
}
