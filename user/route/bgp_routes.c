/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a neighbour's messages do to the RIB.
 *
 * Stale routes. When a session ends, its routes are marked and stay, and a
 * deadline is set. They are renewed by the next session, and what was not
 * renewed goes at its End-of-RIB, or at the deadline. A neighbour that comes
 * back moves the deadline once more, so that a long feed can finish; but
 * never beyond twice stale_time_s after the first loss, however often it
 * comes and goes.
 *
 * Unlike a forwarding helper (RFC 4724 4.2) we keep stale routes also when
 * the neighbour says that it did not preserve its forwarding state: which AS
 * a prefix belongs to does not depend on that.
 *
 * A full table (968,428 IPv4 and 177,846 IPv6 prefixes in 103,480 sets) is live
 * in the kernel 0.24 s after its first byte, all of it in one thread that never
 * waits: 150 ms for sets and prefixes to be in the RIB, of which the sets take
 * 25 and the indexes of their ASes 15, mostly waiting for memory; 60 ms to
 * compile, 45 of them IPv4; 30 ms to read and decode. BIRD takes 2.4 times as
 * long to End-of-RIB (2.1 to 2.9; tests/bench/feed.sh; 2.3 times on a host with
 * slow memory). What could still be had is the IPv4 table compiled by a second
 * thread while the IPv6 feed comes: at most 45 ms, which is 3.0 times at best,
 * for a RIB that two threads know and a CPU that has nothing else to do. Hashes
 * of sets and of ASes that grow four times at once gained nothing; sorting more
 * of the table at once neither (sorted.c).
 */
#include <errno.h>
#include <time.h>

#include "base/wr.h"
#include "route/bgp_priv.h"
#include "route/bgp_wire.h"

static void stale_arm(struct bgp_peer *p, uint32_t wait_s)
{
	struct mono now = mono_now(), last;

	if (p->stale_since.ns == 0)
		p->stale_since = now;
	last = mono_add_ns(p->stale_since,
			   2 * bgp_scaled_ns(p->set, p->cfg.stale_time_s));
	p->stale_at = mono_add_ns(now, bgp_scaled_ns(p->set, wait_s));
	if (p->stale_at.ns > last.ns)
		p->stale_at = last;
	(void)uv_timer_start(&p->stale, bgp_routes_stale_cb,
			     bgp_ms_until(now, p->stale_at), 0);
}

static void stale_done(struct bgp_peer *p)
{
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (p->stale_count[f])
			return;
	}
	p->stale_since.ns = p->stale_at.ns = 0;
	(void)uv_timer_stop(&p->stale);
}

static void sweep(struct bgp_peer *p, enum family f, enum bgp_counter c)
{
	if (p->stale_count[f] == 0)
		return;
	p->counters[c] += rib_sweep_stale(p->set->rib, p->src, f);
	p->stale_count[f] = 0;
	stale_done(p);
}

void bgp_routes_stale_cb(uv_timer_t *t)
{
	struct bgp_peer *p = t->data;
	uint64_t before = p->counters[BGP_C_STALE_EXPIRED];

	for (unsigned f = 0; f < FAMILIES; f++)
		sweep(p, (enum family)f, BGP_C_STALE_EXPIRED);
	stale_done(p);
	bgp_peer_log(p, LOG_LVL_NOTICE, "stale timer: %llu paths removed",
		     (unsigned long long)(p->counters[BGP_C_STALE_EXPIRED] -
					  before));
}

void bgp_routes_flush(struct bgp_peer *p)
{
	for (unsigned f = 0; f < FAMILIES; f++) {
		(void)rib_flush(p->set->rib, p->src, (enum family)f);
		p->stale_count[f] = 0;
	}
	stale_done(p);
}

static void source_update(struct bgp_conn *c)
{
	struct bgp_peer *p = c->peer;
	const struct rib_source_cfg *old = rib_source_get(p->set->rib, p->src);
	struct rib_source_cfg cfg;

	if (!old)
		return;
	cfg = *old;
	cfg.router_id = c->remote.router_id;
	(void)rib_source_update(p->set->rib, p->src, &cfg);
}

void bgp_routes_up(struct bgp_conn *c)
{
	struct bgp_peer *p = c->peer;
	uint8_t msg[64];

	source_update(c);
	p->warned = false;
	for (unsigned f = 0; f < FAMILIES; f++) {
		p->eor[f] = p->complete[f] = p->refreshing[f] = false;
		p->last_update[f].ns = 0;
		if (c->ctx.mp[f]) /* nothing to announce, and done with it */
			bgp_conn_send(c, BGP_UPDATE, msg,
				      bgp_eor_encode((enum family)f, msg,
						     sizeof(msg)));
		else /* will not be renewed */
			sweep(p, (enum family)f, BGP_C_SWEPT);
	}
	if (p->stale_since.ns)
		stale_arm(p, p->cfg.stale_time_s);
	(void)uv_timer_start(&p->quiet, bgp_routes_quiet_cb,
			     BGP_T_QUIET * p->set->second_ms,
			     BGP_T_QUIET * p->set->second_ms);
}

/* Seconds to wait for the neighbour: its own restart time where it promised to
 * restart gracefully, ours otherwise and at most. */
static uint32_t restart_wait_s(const struct bgp_peer *p,
			       const struct bgp_open *remote)
{
	bool gr = remote->gr[FAMILY_IP4] || remote->gr[FAMILY_IP6];

	if (gr && remote->gr_time_s && remote->gr_time_s < p->cfg.stale_time_s)
		return remote->gr_time_s;
	return p->cfg.stale_time_s;
}

void bgp_routes_down(struct bgp_peer *p, const struct bgp_conn *c)
{
	bool any = false;

	(void)uv_timer_stop(&p->quiet);
	if (p->cfg.stale_time_s == 0) {
		bgp_routes_flush(p);
		return;
	}
	for (unsigned f = 0; f < FAMILIES; f++) {
		p->eor[f] = false;
		p->stale_count[f] =
			rib_mark_stale(p->set->rib, p->src, (enum family)f);
		any = any || p->stale_count[f];
	}
	if (any)
		stale_arm(p, restart_wait_s(p, &c->remote));
}

/* ---- the end of a table */

static void table_complete(struct bgp_peer *p, enum family f)
{
	struct bgp_peer_info info;

	if (p->complete[f] || rib_source_paths(p->set->rib, p->src, f) == 0)
		return;
	p->complete[f] = true;
	if (!p->set->cb.table_complete)
		return;
	bgp_peer_fill_info(p, &info);
	p->set->cb.table_complete(p->set->cb_ctx, &info, f);
}

static void end_of_rib(struct bgp_peer *p, enum family f)
{
	p->eor[f] = true;
	sweep(p, f, BGP_C_SWEPT);
	table_complete(p, f);
}

/* Not every speaker sends End-of-RIB: routes, and then none for a while, will
 * do instead. It sweeps nothing, because it is only a guess. */
void bgp_routes_quiet_cb(uv_timer_t *t)
{
	struct bgp_peer *p = t->data;
	struct mono now = mono_now();
	bool waiting = false;
	uint32_t quiet_s;

	if (!p->up)
		return;
	quiet_s =
		p->up->remote.caps & BGP_CAP_GR ? BGP_T_QUIET_GR : BGP_T_QUIET;
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (!p->up->ctx.mp[f] || p->complete[f])
			continue;
		waiting = true;
		if (p->last_update[f].ns &&
		    mono_diff_ns(p->last_update[f], now) >
			    bgp_scaled_ns(p->set, quiet_s))
			table_complete(p, (enum family)f);
	}
	if (!waiting)
		(void)uv_timer_stop(t);
}

/* ---- UPDATE */

static void withdraw_all(struct bgp_peer *p, struct bgp_nlri nlri)
{
	struct prefix prefix;
	uint32_t id;

	while (bgp_nlri_next(&nlri, &prefix, &id)) {
		p->counters[BGP_C_WITHDRAWN]++;
		if (rib_withdraw(p->set->rib, p->src, &prefix, id) == -ENOENT)
			p->counters[BGP_C_WITHDRAWN_UNKNOWN]++;
	}
}

static size_t paths_of(const struct bgp_peer *p)
{
	return rib_source_paths(p->set->rib, p->src, FAMILY_IP4) +
	       rib_source_paths(p->set->rib, p->src, FAMILY_IP6);
}

/* RFC 4486 4: the family and the limit go with the Cease. */
static void over_limit(struct bgp_conn *c, enum family f)
{
	struct bgp_peer *p = c->peer;
	uint8_t data[7];
	struct wr w = wr_init(data, sizeof(data));

	wr_be16(&w, bgp_afi(f));
	wr_u8(&w, BGP_SAFI_UNICAST);
	wr_be32(&w, p->cfg.max_prefixes);
	bgp_peer_log(p, LOG_LVL_ERROR,
		     "more than %u prefixes: session closed, routes removed",
		     p->cfg.max_prefixes);
	bgp_peer_pause(p, "prefix limit exceeded",
		       p->cfg.max_prefixes_restart_s);
	bgp_conn_notify(c, BGP_N_CEASE, BGP_N_CEASE_MAX_PREFIX, data,
			sizeof(data), NULL);
	bgp_routes_flush(p);
}

/* Prefixes of an UPDATE that are looked at together. */
struct nlri_batch {
	struct prefix prefix[64];
	uint32_t id[64];
	size_t n;
	bool add_path;
};

/* Into order, as far as they are not: some speakers walk a hash. Which of them
 * comes first makes no difference, they have one set of attributes. */
static void batch_sort(struct nlri_batch *b)
{
	struct prefix *p = b->prefix;

	for (size_t i = 1, k; i < b->n; i++) {
		const struct prefix in = p[i];

		for (k = i; k > 0 && prefix_before(&in, &p[k - 1]); k--)
			p[k] = p[k - 1];
		p[k] = in;
	}
}

static bool batch_read(struct nlri_batch *b, struct bgp_nlri *nlri)
{
	b->n = 0;
	b->add_path = nlri->add_path;
	while (b->n < sizeof(b->id) / sizeof(b->id[0]) &&
	       bgp_nlri_next(nlri, &b->prefix[b->n], &b->id[b->n]))
		b->n++;
	if (!b->add_path)
		batch_sort(b);
	return b->n > 0;
}

/* What the RIB did not take. False when the session is over. */
static bool not_taken(struct bgp_conn *c, int rc, enum family f)
{
	struct bgp_peer *p = c->peer;

	if (rc != -EDQUOT) {
		p->counters[BGP_C_NO_MEMORY]++;
		return true;
	}
	p->counters[BGP_C_MAX_PREFIX]++;
	if (p->cfg.max_prefixes && paths_of(p) >= p->cfg.max_prefixes) {
		over_limit(c, f);
		return false;
	}
	return true; /* too many paths of one prefix: dropped */
}

/* False when the session is over. */
static bool announce_batch(struct bgp_conn *c, const struct nlri_batch *b,
			   struct attr *attr, uint32_t now_s)
{
	struct bgp_peer *p = c->peer;
	struct rib *rib = p->set->rib;

	for (size_t i = 0, n; i < b->n; i += n) {
		const struct prefix *prefix = &b->prefix[i];
		int rc;

		n = 1;
		rc = b->add_path ? rib_announce(rib, p->src, prefix, b->id[i],
						attr, now_s)
				 : rib_announce_run(rib, p->src, prefix,
						    b->n - i, attr, now_s, &n);
		p->counters[BGP_C_ANNOUNCED] += n;
		if (rc && !not_taken(c, rc, (enum family)prefix->family))
			return false;
	}
	return true;
}

static bool announce_all(struct bgp_conn *c, struct bgp_nlri nlri,
			 const struct attr_spec *spec)
{
	struct bgp_peer *p = c->peer;
	uint32_t now_s = (uint32_t)time(NULL);
	struct nlri_batch batch;
	struct attr *attr;
	bool more = true;

	if (rd_left(&nlri.r) == 0)
		return true;
	p->last_update[nlri.family] = mono_now();
	attr = attr_intern(p->set->attrs, spec);
	if (!attr) { /* better no route than the one that was replaced */
		p->counters[BGP_C_NO_MEMORY]++;
		withdraw_all(p, nlri);
		return true;
	}
	while (more && batch_read(&batch, &nlri))
		more = announce_batch(c, &batch, attr, now_s);
	attr_unref(p->set->attrs, attr);
	if (more && p->eor[nlri.family])
		table_complete(p, nlri.family);
	return more;
}

static void warn_limit(struct bgp_peer *p)
{
	uint64_t limit =
		(uint64_t)p->cfg.max_prefixes * p->cfg.max_prefixes_warn / 100;

	if (p->warned || limit == 0 || paths_of(p) <= limit)
		return;
	p->warned = true;
	bgp_peer_log(p, LOG_LVL_WARN, "%zu prefixes, the limit is %u",
		     paths_of(p), p->cfg.max_prefixes);
}

static void log_fault(struct bgp_peer *p, const struct bgp_error *err)
{
	static const char *const done[] = {"", "attribute ignored",
					   "routes withdrawn", "session reset"};

	bgp_peer_log(p,
		     err->verdict == BGP_ATTR_DISCARD ? LOG_LVL_INFO
						      : LOG_LVL_WARN,
		     "UPDATE with a fault at byte %u, attribute %u: %s; %s",
		     err->offset, err->attr, err->what, done[err->verdict]);
}

void bgp_routes_update(struct bgp_conn *c, const uint8_t *msg, size_t len)
{
	struct bgp_peer *p = c->peer;
	struct bgp_update *u = &p->set->update;
	struct bgp_error err;
	enum bgp_verdict v = bgp_update_decode(msg, len, &c->ctx, u, &err);

	p->counters[BGP_C_ATTR_DISCARD] += u->discarded;
	p->counters[BGP_C_UNNEGOTIATED] += u->unnegotiated;
	if (v != BGP_OK)
		log_fault(p, &err);
	if (v == BGP_SESSION_RESET) {
		p->counters[BGP_C_SESSION_RESET]++;
		bgp_conn_notify(c, err.code, err.subcode, err.data,
				err.data_len, err.what);
		return;
	}
	withdraw_all(p, u->withdrawn);
	withdraw_all(p, u->mp_withdrawn);
	if (v == BGP_TREAT_AS_WITHDRAW) {
		p->counters[BGP_C_TREAT_AS_WITHDRAW]++;
		withdraw_all(p, u->announced);
		withdraw_all(p, u->mp_announced);
	} else {
		if (!announce_all(c, u->announced, &u->attr))
			return;
		u->attr.next_hop = u->mp_next_hop;
		if (!announce_all(c, u->mp_announced, &u->attr))
			return;
		warn_limit(p);
	}
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (u->eor[f])
			end_of_rib(p, (enum family)f);
	}
}

/* ---- ROUTE-REFRESH: a request finds nothing to send; but the enhanced form
 * (RFC 7313) wants to see where that nothing begins and ends. */

static void answer_refresh(struct bgp_conn *c, enum family f)
{
	uint8_t msg[32];

	if (!(c->caps & BGP_CAP_REFRESH_ENH))
		return;
	bgp_conn_send(c, BGP_ROUTE_REFRESH, msg,
		      bgp_refresh_encode(f, BGP_REFRESH_BEGIN, msg,
					 sizeof(msg)));
	bgp_conn_send(c, BGP_ROUTE_REFRESH, msg,
		      bgp_refresh_encode(f, BGP_REFRESH_END, msg, sizeof(msg)));
}

/* RFC 7313 4: a neighbour that promised End-of-RIB must send it first. */
static void begin_refresh(struct bgp_peer *p, enum family f)
{
	if ((p->up->caps & BGP_CAP_GR) && !p->eor[f])
		return;
	if (p->cfg.stale_time_s == 0)
		return; /* nothing is ever stale */
	p->refreshing[f] = true;
	p->stale_count[f] = rib_mark_stale(p->set->rib, p->src, f);
	if (p->stale_count[f])
		stale_arm(p, p->cfg.stale_time_s);
}

/* … and an END without its BEGIN is ignored: what is stale then waits for
 * End-of-RIB or the deadline. */
static void end_refresh(struct bgp_peer *p, enum family f)
{
	if (!p->refreshing[f])
		return;
	p->refreshing[f] = false;
	sweep(p, f, BGP_C_SWEPT);
}

void bgp_routes_refresh(struct bgp_conn *c, const uint8_t *msg, size_t len)
{
	struct bgp_peer *p = c->peer;
	struct bgp_refresh r;
	struct bgp_error err;

	if (bgp_refresh_decode(msg, len, &r, &err)) {
		p->counters[BGP_C_SESSION_RESET]++;
		bgp_conn_notify(c, err.code, err.subcode, err.data,
				err.data_len, err.what);
		return;
	}
	if (!r.known || !c->ctx.mp[r.family])
		return;
	if (r.kind == BGP_REFRESH_REQUEST)
		answer_refresh(c, r.family);
	if (!(c->caps & BGP_CAP_REFRESH_ENH))
		return;
	if (r.kind == BGP_REFRESH_BEGIN)
		begin_refresh(p, r.family);
	else if (r.kind == BGP_REFRESH_END)
		end_refresh(p, r.family);
}
