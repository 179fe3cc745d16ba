/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One neighbour: the state machine of RFC 4271 section 8, over up to two
 * connections. The state shown is that of its most advanced connection.
 *
 * Deviations, each for a reason of accounting: a NOTIFICATION does not take
 * the routes away (they go stale like those of a lost connection), and a
 * neighbour with graceful restart that connects anew replaces its old
 * connection (RFC 4724 5), but not before its OPEN has passed the checks: a
 * TCP connection alone proves little.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "route/bgp_priv.h"
#include "route/bgp_sock.h"

static void retry_cb(uv_timer_t *t);

void bgp_peer_log(struct bgp_peer *p, enum log_level lvl, const char *fmt, ...)
{
	char text[600];
	uint64_t held;
	va_list ap;

	if (!log_rl_pass(&p->log_rl, mono_now(), &held))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (held)
		log_line(lvl, "bgp %s: %s (%llu lines held back)", p->name,
			 text, (unsigned long long)held);
	else
		log_line(lvl, "bgp %s: %s", p->name, text);
}

/* ---- making and configuring */

void bgp_peer_set_cfg(struct bgp_peer *p, const struct bgp_peer_cfg *cfg)
{
	uint32_t local = p->set->local.asn;

	p->cfg = *cfg;
	if (cfg->name[0])
		(void)snprintf(p->name, sizeof(p->name), "%s", cfg->name);
	else
		(void)addr_str(&cfg->addr, p->name);
	p->local_as = cfg->local_as ? cfg->local_as : local;
	p->remote_as = cfg->remote_as ? cfg->remote_as : p->local_as;
	p->ebgp = p->local_as != p->remote_as;
}

struct bgp_peer *bgp_peer_new(struct bgp_peerset *set,
			      const struct bgp_peer_cfg *cfg, int src)
{
	struct bgp_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->set = set;
	p->src = src;
	p->state_at = mono_now();
	p->log_rl = (struct log_rl)LOG_RL_INIT(20, 10 * NSEC_PER_SEC);
	bgp_peer_set_cfg(p, cfg);
	(void)uv_timer_init(set->loop, &p->retry);
	(void)uv_timer_init(set->loop, &p->stale);
	(void)uv_timer_init(set->loop, &p->quiet);
	p->retry.data = p->stale.data = p->quiet.data = p;
	p->handles = 3;
	set->handles += 3;
	return p;
}

static void peer_handle_closed(uv_handle_t *h)
{
	struct bgp_peer *p = h->data;
	struct bgp_peerset *set = p->set;

	if (--p->handles == 0)
		free(p);
	bgp_set_handle_closed(set);
}

void bgp_peer_free(struct bgp_peer *p)
{
	uv_close((uv_handle_t *)&p->retry, peer_handle_closed);
	uv_close((uv_handle_t *)&p->stale, peer_handle_closed);
	uv_close((uv_handle_t *)&p->quiet, peer_handle_closed);
}

/* ---- state */

static enum bgp_state peer_state(const struct bgp_peer *p)
{
	enum bgp_state s = p->idle_why ? BGP_IDLE : BGP_ACTIVE;
	bool connecting = false;

	for (unsigned i = 0; i < BGP_SIDES; i++) {
		if (!p->conn[i])
			continue;
		if (p->conn[i]->state == BGP_CONNECT)
			connecting = true;
		else if (p->conn[i]->state > s)
			s = p->conn[i]->state;
	}
	return s == BGP_ACTIVE && connecting ? BGP_CONNECT : s;
}

void bgp_peer_update_state(struct bgp_peer *p)
{
	enum bgp_state from = p->state, to = peer_state(p);
	struct bgp_peer_info info;

	if (from == to)
		return;
	p->state = to;
	p->state_at = mono_now();
	if (p->set->cb.state && !p->set->freeing) {
		bgp_peer_fill_info(p, &info);
		p->set->cb.state(p->set->cb_ctx, &info, from);
	}
}

/* 75 to 100 per cent of ms (RFC 4271 10). */
static uint64_t jitter(struct bgp_peerset *set, uint64_t ms)
{
	set->rand ^= set->rand << 13;
	set->rand ^= set->rand >> 7;
	set->rand ^= set->rand << 17;
	return ms - ms / 4 * (set->rand % 1024) / 1024;
}

static void retry_arm(struct bgp_peer *p)
{
	uint64_t ms = (uint64_t)p->cfg.connect_retry_s * p->set->second_ms;

	if (p->idle_why || p->cfg.passive || p->up)
		return;
	(void)uv_timer_start(&p->retry, retry_cb,
			     1 + jitter(p->set, ms << p->backoff), 0);
	if (p->backoff < 4)
		p->backoff++;
}

/* Keeps the reason for display; logs it once, not with each new try. */
static void note_error(struct bgp_peer *p, const char *why)
{
	if (strncmp(p->last_error, why, sizeof(p->last_error) - 1) == 0)
		return;
	(void)snprintf(p->last_error, sizeof(p->last_error), "%s", why);
	bgp_peer_log(p, LOG_LVL_INFO, "%s", why);
}

static void peer_connect(struct bgp_peer *p)
{
	int fd, rc;

	if (p->idle_why || p->cfg.passive || p->up || p->conn[BGP_SIDE_OUT])
		return;
	if (p->conn[BGP_SIDE_IN]) {
		retry_arm(p); /* it came to us first */
		return;
	}
	p->counters[BGP_C_CONNECT]++;
	fd = bgp_sock_connect(&p->cfg, p->ebgp);
	rc = fd < 0 ? fd : bgp_conn_start(p, BGP_SIDE_OUT, fd);
	if (rc < 0) {
		char why[96];

		p->counters[BGP_C_CONNECT_FAILED]++;
		(void)snprintf(why, sizeof(why), "cannot connect: %s",
			       strerror(-rc));
		note_error(p, why);
		retry_arm(p);
	}
	bgp_peer_update_state(p);
}

static void retry_cb(uv_timer_t *t)
{
	struct bgp_peer *p = t->data;

	if (p->idle_why && !p->cfg.shutdown) { /* the pause is over */
		p->idle_why = NULL;
		bgp_peer_update_state(p);
	}
	peer_connect(p);
}

void bgp_peer_start(struct bgp_peer *p)
{
	p->idle_why = p->cfg.shutdown ? "shut down by configuration" : NULL;
	p->backoff = 0;
	(void)uv_timer_stop(&p->retry);
	if (p->cfg.shutdown)
		bgp_routes_flush(p);
	else
		peer_connect(p);
	bgp_peer_update_state(p);
}

void bgp_peer_pause(struct bgp_peer *p, const char *why, uint32_t pause_s)
{
	p->idle_why = why;
	(void)uv_timer_stop(&p->retry);
	if (pause_s)
		(void)uv_timer_start(&p->retry, retry_cb,
				     (uint64_t)pause_s * p->set->second_ms, 0);
}

void bgp_peer_stop(struct bgp_peer *p, uint8_t cease, const char *text)
{
	uint8_t data[129];
	size_t n = text ? strlen(text) : 0;

	if (n > sizeof(data) - 1) /* RFC 8203; 9003 allows more */
		n = sizeof(data) - 1;
	data[0] = (uint8_t)n;
	if (n)
		memcpy(data + 1, text, n);
	p->idle_why = "stopped";
	(void)uv_timer_stop(&p->retry);
	for (unsigned i = BGP_SIDES; i-- > 0;) { /* what waits goes first */
		struct bgp_conn *c = p->conn[i];

		if (!c)
			continue;
		if (cease && c->state >= BGP_OPENSENT)
			bgp_conn_notify(c, BGP_N_CEASE, cease, data,
					n ? n + 1 : 0, NULL);
		else
			bgp_conn_close(c, "stopped");
	}
}

/* ---- connections */

/* May a connection beside the established one replace it? */
static bool replaceable(const struct bgp_peer *p)
{
	return p->up && (p->up->remote.caps & BGP_CAP_GR);
}

void bgp_peer_accept(struct bgp_peer *p, int fd)
{
	unsigned side = p->up ? BGP_SIDE_NEXT : BGP_SIDE_IN;

	if (p->idle_why || (p->up && !replaceable(p)) ||
	    bgp_sock_setup(fd, &p->cfg, p->ebgp)) {
		p->counters[BGP_C_REJECTED]++;
		(void)close(fd);
		return;
	}
	p->counters[BGP_C_ACCEPTED]++;
	if (p->conn[side])
		bgp_conn_close(p->conn[side], "replaced by a newer connection");
	(void)bgp_conn_start(p, side, fd);
}

/* The established connection is gone: what waited beside it is now like any
 * other that was accepted. */
static void promote_next(struct bgp_peer *p)
{
	struct bgp_conn *c = p->conn[BGP_SIDE_NEXT];

	if (!c)
		return;
	if (p->idle_why) {
		bgp_conn_close(c, p->idle_why);
		return;
	}
	p->conn[BGP_SIDE_NEXT] = NULL;
	p->conn[BGP_SIDE_IN] = c;
	c->side = BGP_SIDE_IN;
}

void bgp_peer_lost(struct bgp_peer *p, struct bgp_conn *c, const char *why)
{
	if (c == p->up) {
		(void)snprintf(p->last_error, sizeof(p->last_error), "%s", why);
		p->up = NULL;
		p->counters[BGP_C_FLAPS]++;
		bgp_peer_log(p, LOG_LVL_WARN, "down: %s", why);
		if (mono_diff_ns(p->state_at, mono_now()) >
		    bgp_scaled_ns(p->set, BGP_T_STABLE))
			p->backoff = 0;
		bgp_routes_down(p, c);
		promote_next(p);
	} else if (!p->up) { /* else it was merely one too many */
		note_error(p, why);
	}
	if (!uv_is_active((uv_handle_t *)&p->retry))
		retry_arm(p);
	bgp_peer_update_state(p);
}

static void send_open(struct bgp_conn *c)
{
	const struct bgp_peer *p = c->peer;
	uint8_t msg[256];
	struct bgp_open o = {
		.asn = p->local_as,
		.router_id = p->set->local.router_id,
		.hold_time_s = p->cfg.hold_time_s,
		/* GR without families: we keep the neighbour's routes over
		 * its restart and have none of our own to preserve. */
		.caps = BGP_CAP_AS4 | BGP_CAP_REFRESH | BGP_CAP_REFRESH_ENH |
			BGP_CAP_EXT_MSG | BGP_CAP_GR,
	};

	for (unsigned f = 0; f < FAMILIES; f++) {
		o.mp[f] = p->cfg.families[f];
		if (o.mp[f] && p->cfg.add_path)
			o.add_path[f] = BGP_ADD_PATH_RECEIVE;
	}
	if (o.mp[FAMILY_IP4])
		o.caps |= BGP_CAP_EXT_NEXT_HOP;
	bgp_conn_send(c, BGP_OPEN, msg, bgp_open_encode(&o, msg, sizeof(msg)));
}

void bgp_peer_connected(struct bgp_conn *c, int rc)
{
	struct bgp_peer *p = c->peer;
	char why[96];

	if (rc < 0) {
		p->counters[BGP_C_CONNECT_FAILED]++;
		(void)snprintf(why, sizeof(why), "cannot connect: %s",
			       strerror(-rc));
		bgp_conn_close(c, why);
		return;
	}
	c->state = BGP_OPENSENT;
	c->hold_at = mono_add_ns(mono_now(), bgp_scaled_ns(p->set, BGP_T_OPEN));
	send_open(c);
	bgp_conn_timers(c);
	bgp_peer_update_state(p);
}

/* ---- messages */

/* RFC 4271 6.8: of two connections, keep the one that was begun by the side
 * with the higher identifier (RFC 6286: then by the higher AS). False when c
 * itself had to go. */
static bool resolve_collision(struct bgp_conn *c)
{
	struct bgp_peer *p = c->peer;
	struct bgp_conn *other = p->conn[!c->side], *loser;
	uint32_t own = p->set->local.router_id, his = c->remote.router_id;
	bool keep_out = own > his || (own == his && p->local_as > p->remote_as);

	if (!other || other->state < BGP_OPENCONFIRM)
		return true;
	p->counters[BGP_C_COLLISIONS]++;
	loser = p->conn[keep_out ? BGP_SIDE_IN : BGP_SIDE_OUT];
	if (other->state == BGP_ESTABLISHED)
		loser = c;
	bgp_conn_notify(loser, BGP_N_CEASE, BGP_N_CEASE_COLLISION, NULL, 0,
			NULL);
	return loser != c;
}

/* What of an OPEN depends on the configuration; 0 or the subcode. */
static uint8_t check_open(const struct bgp_peer *p, const struct bgp_open *o,
			  const char **ret_why)
{
	if (o->asn != p->remote_as) {
		*ret_why = "the neighbour is in another AS than configured";
		return BGP_N_OPEN_PEER_AS;
	}
	if (!p->ebgp && o->router_id == p->set->local.router_id) {
		*ret_why = "the neighbour has our BGP identifier";
		return BGP_N_OPEN_ID;
	}
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (o->mp[f] && p->cfg.families[f])
			return 0;
	}
	*ret_why = "no address family in common";
	return BGP_N_OPEN_CAP;
}

static void negotiate(struct bgp_conn *c)
{
	const struct bgp_peer *p = c->peer;
	const struct bgp_open *o = &c->remote;
	uint16_t ours = p->cfg.hold_time_s;

	c->caps =
		o->caps & (BGP_CAP_MP | BGP_CAP_AS4 | BGP_CAP_REFRESH |
			   BGP_CAP_REFRESH_ENH | BGP_CAP_EXT_MSG | BGP_CAP_GR);
	if (p->cfg.families[FAMILY_IP4])
		c->caps |= o->caps & BGP_CAP_EXT_NEXT_HOP;
	c->hold_time_s = o->hold_time_s < ours ? o->hold_time_s : ours;
	c->ctx = (struct bgp_update_ctx){
		.local_as = p->local_as,
		.as4 = c->caps & BGP_CAP_AS4,
		.ebgp = p->ebgp,
		.ext_next_hop = c->caps & BGP_CAP_EXT_NEXT_HOP,
	};
	for (unsigned f = 0; f < FAMILIES; f++) {
		c->ctx.mp[f] = o->mp[f] && p->cfg.families[f];
		c->ctx.add_path[f] = c->ctx.mp[f] && p->cfg.add_path &&
				     (o->add_path[f] & BGP_ADD_PATH_SEND);
	}
}

static void send_keepalive(struct bgp_conn *c)
{
	uint8_t msg[BGP_HDR_LEN];

	bgp_conn_send(c, BGP_KEEPALIVE, msg,
		      bgp_keepalive_encode(msg, sizeof(msg)));
}

static void on_open(struct bgp_conn *c, const uint8_t *msg, size_t len)
{
	struct bgp_peer *p = c->peer;
	struct bgp_error err;
	const char *why;
	uint8_t subcode;

	if (bgp_open_decode(msg, len, &c->remote, &err)) {
		p->counters[BGP_C_SESSION_RESET]++;
		bgp_conn_notify(c, err.code, err.subcode, err.data,
				err.data_len, err.what);
		return;
	}
	subcode = check_open(p, &c->remote, &why);
	if (subcode) {
		p->counters[BGP_C_SESSION_RESET]++;
		bgp_conn_notify(c, BGP_N_OPEN, subcode, NULL, 0, why);
		return;
	}
	if (c->side == BGP_SIDE_NEXT)
		bgp_conn_close(p->up, "the neighbour connected anew");
	if (!resolve_collision(c))
		return;
	negotiate(c);
	c->state = BGP_OPENCONFIRM;
	/* Without a hold time the wait for KEEPALIVE is that for OPEN, which
	 * runs on until the session is up. */
	if (c->hold_time_s) {
		int64_t hold = bgp_scaled_ns(p->set, c->hold_time_s);
		struct mono now = mono_now();

		c->hold_at = mono_add_ns(now, hold);
		c->keepalive_at = mono_add_ns(now, hold / 3);
	}
	send_keepalive(c);
	bgp_conn_timers(c);
	bgp_peer_update_state(p);
}

static void establish(struct bgp_conn *c)
{
	struct bgp_peer *p = c->peer;
	struct bgp_conn *other = p->conn[!c->side];

	if (bgp_conn_established(c)) {
		bgp_conn_notify(c, BGP_N_CEASE, BGP_N_CEASE_RESOURCES, NULL, 0,
				"out of memory");
		return;
	}
	c->state = BGP_ESTABLISHED;
	if (c->hold_time_s == 0)
		c->hold_at.ns = 0;
	if (c->caps & BGP_CAP_EXT_MSG)
		c->max_len = BGP_MSG_MAX_EXT;
	p->up = c;
	p->counters[BGP_C_ESTABLISHED]++;
	if (other && other->state == BGP_CONNECT)
		bgp_conn_close(other, "not needed any more");
	else if (other)
		bgp_conn_notify(other, BGP_N_CEASE, BGP_N_CEASE_COLLISION, NULL,
				0, NULL);
	p->last_error[0] = '\0';
	bgp_peer_log(p, LOG_LVL_NOTICE,
		     "established, AS %u, hold time %u s,%s%s%s", c->remote.asn,
		     c->hold_time_s, c->ctx.mp[FAMILY_IP4] ? " IPv4" : "",
		     c->ctx.mp[FAMILY_IP6] ? " IPv6" : "",
		     c->caps & BGP_CAP_GR ? ", graceful restart" : "");
	bgp_routes_up(c);
	bgp_peer_update_state(p);
}

static void on_notification(struct bgp_conn *c, const uint8_t *msg, size_t len)
{
	struct bgp_peer *p = c->peer;
	char why[sizeof(p->last_in.text) + 16];

	bgp_notification_decode(msg, len, &p->last_in);
	p->last_in_at = mono_now();
	(void)snprintf(why, sizeof(why), "neighbour says: %s", p->last_in.text);
	bgp_conn_close(c, why);
}

/* A message that does not belong here (RFC 4271 6.6, RFC 6608). */
static void unexpected(struct bgp_conn *c, enum bgp_type type)
{
	uint8_t data = (uint8_t)type;
	uint8_t subcode = (uint8_t)(c->state - BGP_OPENSENT + 1);

	c->peer->counters[BGP_C_SESSION_RESET]++;
	bgp_conn_notify(c, BGP_N_FSM, subcode, &data, 1, NULL);
}

void bgp_peer_message(struct bgp_conn *c, enum bgp_type type,
		      const uint8_t *msg, size_t len)
{
	bool up = c->state == BGP_ESTABLISHED;

	if (type == BGP_NOTIFICATION)
		on_notification(c, msg, len);
	else if (type == BGP_OPEN && c->state == BGP_OPENSENT)
		on_open(c, msg, len);
	else if (type == BGP_KEEPALIVE && c->state == BGP_OPENCONFIRM)
		establish(c);
	else if (type == BGP_KEEPALIVE && up)
		return;
	else if (type == BGP_UPDATE && up)
		bgp_routes_update(c, msg, len);
	else if (type == BGP_ROUTE_REFRESH && up)
		bgp_routes_refresh(c, msg, len);
	else
		unexpected(c, type);
}

/* ---- what is shown */

static int64_t age_ns(struct mono then, struct mono now)
{
	return then.ns ? mono_diff_ns(then, now) : 0;
}

static void fill_session(const struct bgp_conn *c, struct bgp_peer_info *ret)
{
	bgp_sock_ends(c->fd, &ret->local_addr, &ret->local_port,
		      &ret->remote_port);
	ret->remote_as = c->remote.asn;
	ret->remote_id = c->remote.router_id;
	ret->hold_time_s = c->hold_time_s;
	ret->caps_remote = c->remote.caps;
	ret->caps = c->caps;
	ret->gr_time_s = c->remote.gr_time_s;
	ret->out_queue = c->out_len;
}

void bgp_peer_fill_info(const struct bgp_peer *p, struct bgp_peer_info *ret)
{
	struct mono now = mono_now();
	const struct bgp_conn *c = p->up;

	for (unsigned i = 0; !c && i < BGP_SIDES; i++) {
		if (p->conn[i] && p->conn[i]->state >= BGP_OPENSENT)
			c = p->conn[i];
	}
	memset(ret, 0, sizeof(*ret));
	ret->cfg = &p->cfg;
	ret->name = p->name;
	ret->rib_source = p->src;
	ret->state = p->state;
	ret->idle_why = p->idle_why;
	ret->state_age_ns = mono_diff_ns(p->state_at, now);
	ret->ebgp = p->ebgp;
	ret->up = p->up != NULL;
	if (c)
		fill_session(c, ret);
	for (unsigned f = 0; f < FAMILIES; f++) {
		ret->family[f] = (struct bgp_family_info){
			.negotiated = c && c->ctx.mp[f],
			.add_path = c && c->ctx.add_path[f],
			.eor = p->eor[f],
			.paths = rib_source_paths(p->set->rib, p->src,
						  (enum family)f),
			.stale = p->stale_count[f],
		};
	}
	if (p->stale_at.ns)
		ret->stale_left_ns = mono_diff_ns(now, p->stale_at);
	memcpy(ret->msgs_in, p->msgs_in, sizeof(ret->msgs_in));
	memcpy(ret->msgs_out, p->msgs_out, sizeof(ret->msgs_out));
	memcpy(ret->counters, p->counters, sizeof(ret->counters));
	ret->last_in = p->last_in;
	ret->last_out = p->last_out;
	ret->last_in_age_ns = age_ns(p->last_in_at, now);
	ret->last_out_age_ns = age_ns(p->last_out_at, now);
	memcpy(ret->last_error, p->last_error, sizeof(ret->last_error));
}
