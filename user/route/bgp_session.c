/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The set of neighbours: configuration, listening sockets, stopping. One
 * neighbour is bgp_peer.c, one connection bgp_conn.c.
 */
#include "route/bgp_session.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "route/bgp_priv.h"
#include "route/bgp_sock.h"

const char *bgp_state_str(enum bgp_state s)
{
	static const char *const names[BGP_STATES] = {
		"idle",     "connect",     "active",
		"opensent", "openconfirm", "established"};

	return (unsigned)s < BGP_STATES ? names[s] : "unknown";
}

const char *bgp_counter_str(enum bgp_counter c)
{
	static const char *const names[BGP_COUNTERS] = {
		[BGP_C_BYTES_IN] = "bytes_in",
		[BGP_C_BYTES_OUT] = "bytes_out",
		[BGP_C_ANNOUNCED] = "announced",
		[BGP_C_WITHDRAWN] = "withdrawn",
		[BGP_C_WITHDRAWN_UNKNOWN] = "withdrawn_unknown",
		[BGP_C_ATTR_DISCARD] = "attribute_discard",
		[BGP_C_TREAT_AS_WITHDRAW] = "treat_as_withdraw",
		[BGP_C_SESSION_RESET] = "session_reset",
		[BGP_C_UNNEGOTIATED] = "unnegotiated",
		[BGP_C_NO_MEMORY] = "no_memory",
		[BGP_C_MAX_PREFIX] = "max_prefix",
		[BGP_C_ESTABLISHED] = "established",
		[BGP_C_FLAPS] = "flaps",
		[BGP_C_CONNECT] = "connect",
		[BGP_C_CONNECT_FAILED] = "connect_failed",
		[BGP_C_ACCEPTED] = "accepted",
		[BGP_C_REJECTED] = "rejected",
		[BGP_C_COLLISIONS] = "collisions",
		[BGP_C_HOLD_EXPIRED] = "hold_expired",
		[BGP_C_SEND_HOLD_EXPIRED] = "send_hold_expired",
		[BGP_C_OUT_FULL] = "output_full",
		[BGP_C_STALE_EXPIRED] = "stale_expired",
		[BGP_C_SWEPT] = "stale_swept",
	};

	return (unsigned)c < BGP_COUNTERS ? names[c] : "unknown";
}

/* ---- configuration */

void bgp_peer_cfg_default(struct bgp_peer_cfg *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->port = BGP_PORT;
	ret->families[FAMILY_IP4] = ret->families[FAMILY_IP6] = true;
	ret->hold_time_s = BGP_HOLD_TIME_S;
	ret->connect_retry_s = BGP_CONNECT_RETRY_S;
	ret->stale_time_s = BGP_STALE_TIME_S;
	ret->max_prefixes = BGP_MAX_PREFIXES;
	ret->max_prefixes_warn = 80;
}

static bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->hi == b->hi && a->lo == b->lo;
}

static bool link_local(const struct addr *a)
{
	return a->family == FAMILY_IP6 && a->hi >> 54 == 0xfe80 >> 6;
}

const char *bgp_peer_cfg_check(const struct bgp_local_cfg *local,
			       const struct bgp_peer_cfg *cfg)
{
	if (local->asn == 0 && cfg->local_as == 0)
		return "the local AS is not set";
	if (local->router_id == 0)
		return "the BGP identifier (router-id) is not set";
	if (cfg->addr.hi == 0 && cfg->addr.lo == 0)
		return "the neighbour's address is not set";
	if (link_local(&cfg->addr) && !cfg->interface[0])
		return "a link-local address needs an interface";
	if (cfg->hold_time_s == 1 || cfg->hold_time_s == 2)
		return "the hold time must be 0 or at least 3 seconds";
	if (!cfg->families[FAMILY_IP4] && !cfg->families[FAMILY_IP6])
		return "no address family is chosen";
	if (cfg->has_source && cfg->source.family != cfg->addr.family)
		return "the source address is of the other family";
	if (cfg->ttl_security && cfg->multihop)
		return "multihop and TTL security exclude each other";
	if (!cfg->passive && (cfg->connect_retry_s == 0 || cfg->port == 0))
		return "port and connect retry time must not be 0";
	return NULL;
}

/* Whether the session may go on when a becomes b. */
static bool same_session(const struct bgp_peer_cfg *a,
			 const struct bgp_peer_cfg *b)
{
	return addr_equal(&a->addr, &b->addr) &&
	       strcmp(a->interface, b->interface) == 0 && a->port == b->port &&
	       a->local_port == b->local_port &&
	       a->has_source == b->has_source &&
	       (!a->has_source || addr_equal(&a->source, &b->source)) &&
	       a->passive == b->passive && a->shutdown == b->shutdown &&
	       a->families[FAMILY_IP4] == b->families[FAMILY_IP4] &&
	       a->families[FAMILY_IP6] == b->families[FAMILY_IP6] &&
	       a->add_path == b->add_path && a->remote_as == b->remote_as &&
	       a->local_as == b->local_as && strcmp(a->md5, b->md5) == 0 &&
	       a->ttl_security == b->ttl_security &&
	       a->multihop == b->multihop && a->hold_time_s == b->hold_time_s;
}

/* ---- the set */

struct bgp_peerset *bgp_peerset_new(uv_loop_t *loop, struct rib *rib,
				    struct attr_table *attrs,
				    const struct bgp_local_cfg *local,
				    const struct bgp_callbacks *cb, void *ctx)
{
	struct bgp_peerset *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->loop = loop;
	set->rib = rib;
	set->attrs = attrs;
	set->local = *local;
	if (cb)
		set->cb = *cb;
	set->cb_ctx = ctx;
	set->second_ms = 1000;
	set->log_rl = (struct log_rl)LOG_RL_INIT(5, 60 * NSEC_PER_SEC);
	if (getrandom(&set->rand, sizeof(set->rand), GRND_NONBLOCK) < 0)
		set->rand = (uint64_t)mono_now().ns;
	set->rand |= 1;
	return set;
}

void bgp_peerset_time_scale(struct bgp_peerset *set, unsigned ms)
{
	set->second_ms = ms;
}

void bgp_set_handle_closed(struct bgp_peerset *set)
{
	if (--set->handles == 0 && set->freeing)
		free(set);
}

static struct bgp_peer *peer_find(const struct bgp_peerset *set,
				  const struct addr *a)
{
	struct bgp_peer *p = set->peers;

	while (p && !addr_equal(&p->cfg.addr, a))
		p = p->next;
	return p;
}

static void source_cfg(const struct bgp_peer_cfg *cfg,
		       struct rib_source_cfg *ret)
{
	char addr[PREFIX_STRLEN];

	*ret = (struct rib_source_cfg){.kind = RIB_BGP,
				       .peer = cfg->addr,
				       .max_prefixes = cfg->max_prefixes};
	(void)snprintf(ret->name, sizeof(ret->name), "bgp %.59s",
		       addr_str(&cfg->addr, addr));
}

/* Sets, or removes, the key of one neighbour on all listeners. */
static void listeners_md5(struct bgp_peerset *set, struct bgp_peer *p,
			  const char *key)
{
	for (size_t i = 0; i < set->n_listeners; i++) {
		int rc = bgp_sock_md5(set->listener[i]->fd, &p->cfg, key);

		if (rc < 0)
			bgp_peer_log(p, LOG_LVL_ERROR,
				     "cannot set the MD5 key to listen: %s",
				     strerror(-rc));
	}
}

static struct bgp_peer *peer_add(struct bgp_peerset *set,
				 const struct bgp_peer_cfg *cfg, int *ret_rc)
{
	struct rib_source_cfg src_cfg;
	struct bgp_peer *p;
	int src;

	source_cfg(cfg, &src_cfg);
	src = rib_source_add(set->rib, &src_cfg);
	if (src < 0) {
		*ret_rc = src;
		return NULL;
	}
	p = bgp_peer_new(set, cfg, src);
	if (!p) {
		rib_source_del(set->rib, src);
		*ret_rc = -ENOMEM;
	}
	return p;
}

static void peer_del(struct bgp_peerset *set, struct bgp_peer *p)
{
	if (p->cfg.md5[0])
		listeners_md5(set, p, "");
	bgp_peer_stop(p, BGP_N_CEASE_DECONFIGURED, NULL);
	rib_source_del(set->rib, p->src);
	bgp_peer_free(p);
}

/* A neighbour that stays, with a new configuration. */
static void peer_change(struct bgp_peerset *set, struct bgp_peer *p,
			const struct bgp_peer_cfg *cfg, bool restart)
{
	struct rib_source_cfg src_cfg;
	bool same = same_session(&p->cfg, cfg) && !restart;
	bool new_key = strcmp(p->cfg.md5, cfg->md5) != 0;
	const struct rib_source_cfg *old = rib_source_get(set->rib, p->src);

	source_cfg(cfg, &src_cfg);
	src_cfg.router_id = old ? old->router_id : 0;
	(void)rib_source_update(set->rib, p->src, &src_cfg);
	if (!same)
		bgp_peer_stop(p,
			      cfg->shutdown ? BGP_N_CEASE_SHUTDOWN
					    : BGP_N_CEASE_CONFIG,
			      NULL);
	bgp_peer_set_cfg(p, cfg);
	if (new_key)
		listeners_md5(set, p, cfg->md5);
	if (!same || (p->idle_why && !cfg->shutdown))
		bgp_peer_start(p);
}

static int check_all(const struct bgp_local_cfg *local,
		     const struct bgp_peer_cfg *cfgs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bgp_peer_cfg_check(local, &cfgs[i]))
			return -EINVAL;
		for (size_t k = 0; k < i; k++) {
			if (addr_equal(&cfgs[i].addr, &cfgs[k].addr))
				return -EINVAL;
		}
	}
	return 0;
}

/* The neighbours not in the set yet, as a list. */
static int make_new(struct bgp_peerset *set, const struct bgp_peer_cfg *cfgs,
		    size_t n, struct bgp_peer **ret)
{
	struct bgp_peer *list = NULL, *p;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (peer_find(set, &cfgs[i].addr))
			continue;
		p = peer_add(set, &cfgs[i], &rc);
		if (!p)
			goto out;
		p->next = list;
		list = p;
	}
	*ret = list;
	return 0;
out:
	while (list) {
		p = list;
		list = p->next;
		rib_source_del(set->rib, p->src);
		bgp_peer_free(p);
	}
	return rc;
}

int bgp_peerset_apply(struct bgp_peerset *set,
		      const struct bgp_local_cfg *local,
		      const struct bgp_peer_cfg *cfgs, size_t n)
{
	struct bgp_peer *fresh, *p, **link = &set->peers;
	bool restart = set->local.asn != local->asn ||
		       set->local.router_id != local->router_id;
	struct bgp_local_cfg was = set->local;
	int rc = check_all(local, cfgs, n);

	if (rc)
		return rc;
	set->local = *local;
	rc = make_new(set, cfgs, n, &fresh);
	if (rc) {
		set->local = was;
		return rc;
	}
	while ((p = *link)) {
		const struct bgp_peer_cfg *cfg = NULL;

		for (size_t i = 0; i < n && !cfg; i++) {
			if (addr_equal(&cfgs[i].addr, &p->cfg.addr))
				cfg = &cfgs[i];
		}
		if (cfg) {
			peer_change(set, p, cfg, restart);
			link = &p->next;
		} else {
			*link = p->next;
			peer_del(set, p);
		}
	}
	*link = fresh;
	for (p = fresh; p; p = p->next) {
		if (p->cfg.md5[0])
			listeners_md5(set, p, p->cfg.md5);
		bgp_peer_start(p);
	}
	return 0;
}

/* ---- listening */

static struct bgp_peer *peer_of(const struct bgp_peerset *set,
				const struct addr *a, unsigned ifindex)
{
	struct bgp_peer *p = peer_find(set, a);

	if (p && link_local(a) && if_nametoindex(p->cfg.interface) != ifindex)
		return NULL;
	return p;
}

static void refuse(struct bgp_peerset *set, const struct addr *a)
{
	char text[PREFIX_STRLEN];
	uint64_t held;

	set->refused_unknown++;
	if (log_rl_pass(&set->log_rl, mono_now(), &held))
		log_notice("bgp: connection from %s refused: not a configured "
			   "neighbour (%llu lines held back)",
			   addr_str(a, text), (unsigned long long)held);
}

static void listen_cb(uv_poll_t *h, int status, int events)
{
	struct bgp_listener *l = h->data;
	struct bgp_peer *p;
	struct addr from;
	unsigned ifindex;

	(void)events;
	for (unsigned i = 0; status == 0 && i < 16; i++) {
		int fd = bgp_sock_accept(l->fd, &from, &ifindex);

		if (fd == -EAGAIN)
			return;
		if (fd < 0) {
			l->set->accept_failed++;
			return;
		}
		p = peer_of(l->set, &from, ifindex);
		if (p) {
			bgp_peer_accept(p, fd);
		} else {
			(void)close(fd);
			refuse(l->set, &from);
		}
	}
}

int bgp_peerset_listen(struct bgp_peerset *set, int fd)
{
	struct bgp_listener *l;
	int rc;

	if (set->n_listeners == BGP_LISTENERS)
		return -ENOSPC;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	rc = uv_poll_init(set->loop, &l->poll, fd); /* sets O_NONBLOCK */
	if (rc < 0) {
		free(l);
		return rc;
	}
	bgp_sock_listener(fd);
	l->set = set;
	l->fd = fd;
	l->poll.data = l;
	set->handles++;
	set->listener[set->n_listeners++] = l;
	for (struct bgp_peer *p = set->peers; p; p = p->next) {
		if (p->cfg.md5[0])
			listeners_md5(set, p, p->cfg.md5);
	}
	(void)uv_poll_start(&l->poll, UV_READABLE, listen_cb);
	return 0;
}

static void listener_closed(uv_handle_t *h)
{
	struct bgp_listener *l = h->data;
	struct bgp_peerset *set = l->set;

	free(l);
	bgp_set_handle_closed(set);
}

/* ---- looking, asking, stopping */

void bgp_peerset_info(const struct bgp_peerset *set, struct bgp_set_info *ret)
{
	*ret = (struct bgp_set_info){
		.listeners = set->n_listeners,
		.refused_unknown = set->refused_unknown,
		.accept_failed = set->accept_failed,
	};
	for (const struct bgp_peer *p = set->peers; p; p = p->next) {
		ret->peers++;
		ret->established += p->up != NULL;
	}
}

void bgp_peerset_each(const struct bgp_peerset *set,
		      void (*fn)(void *ctx, const struct bgp_peer_info *peer),
		      void *ctx)
{
	struct bgp_peer_info info;

	for (const struct bgp_peer *p = set->peers; p; p = p->next) {
		bgp_peer_fill_info(p, &info);
		fn(ctx, &info);
	}
}

int bgp_peerset_refresh(struct bgp_peerset *set, const struct addr *peer)
{
	struct bgp_peer *p = peer_find(set, peer);
	uint8_t msg[32];

	if (!p)
		return -ENOENT;
	if (!p->up)
		return -ENOTCONN;
	if (!(p->up->caps & BGP_CAP_REFRESH))
		return -EOPNOTSUPP;
	/* the first one may find the queue full, and end the session */
	for (unsigned f = 0; f < FAMILIES && p->up; f++) {
		if (p->up->ctx.mp[f])
			bgp_conn_send(p->up, BGP_ROUTE_REFRESH, msg,
				      bgp_refresh_encode((enum family)f,
							 BGP_REFRESH_REQUEST,
							 msg, sizeof(msg)));
	}
	return 0;
}

int bgp_peerset_reset(struct bgp_peerset *set, const struct addr *peer)
{
	struct bgp_peer *p = peer_find(set, peer);

	if (!p)
		return -ENOENT;
	bgp_peer_stop(p, BGP_N_CEASE_RESET, NULL);
	bgp_peer_start(p);
	return 0;
}

void bgp_peerset_stop(struct bgp_peerset *set, enum bgp_stop how,
		      const char *text)
{
	for (size_t i = 0; i < set->n_listeners; i++) {
		uv_close((uv_handle_t *)&set->listener[i]->poll,
			 listener_closed);
		(void)close(set->listener[i]->fd);
	}
	set->n_listeners = 0;
	for (struct bgp_peer *p = set->peers; p; p = p->next)
		bgp_peer_stop(p,
			      how == BGP_STOP_SHUTDOWN ? BGP_N_CEASE_SHUTDOWN
						       : 0,
			      text);
}

void bgp_peerset_free(struct bgp_peerset *set)
{
	struct bgp_peer *p;

	if (!set)
		return;
	set->freeing = true;
	set->handles++; /* ours, until the end of this function */
	bgp_peerset_stop(set, BGP_STOP_RESTART, NULL);
	while ((p = set->peers)) {
		set->peers = p->next;
		(void)uv_timer_stop(&p->stale);
		bgp_peer_free(p);
	}
	for (struct bgp_conn *c = set->conns; c; c = c->next)
		bgp_conn_close(c, "stopped"); /* those that drain */
	bgp_set_handle_closed(set);
}
