/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the BGP sessions share: bgp_conn.c (one TCP connection:
 * bytes, messages, timers), bgp_peer.c (one neighbour: state machine, RIB) and
 * bgp_session.c (the set). Not for anybody else.
 *
 * A neighbour has up to two connections, one of each direction, until the
 * collision between them is resolved; and beside an established one a third
 * that may take its place once its OPEN has passed. A connection belongs to its
 * neighbour until it is closed; then it may live on by itself for a moment,
 * until the far end has read our NOTIFICATION.
 */
#ifndef ROUTE_BGP_PRIV_H
#define ROUTE_BGP_PRIV_H

#include "base/log.h"
#include "route/bgp_session.h"

enum { BGP_SIDE_OUT, BGP_SIDE_IN, BGP_SIDE_NEXT, BGP_SIDES };

#define BGP_OUT_MAX      8192u /* bytes queued at most; we say little */
#define BGP_IN_SMALL     4096u /* before the session is up */
#define BGP_IN_BIG       65536u
#define BGP_LISTENERS    16
#define BGP_DRAINING_MAX 64

/* Seconds of the protocol (scaled in tests). */
#define BGP_T_CONNECT   30  /* to wait for the TCP handshake */
#define BGP_T_OPEN      60  /* to wait for OPEN; RFC 4271 suggests 240 */
#define BGP_T_DRAIN     2   /* to let a NOTIFICATION be read */
#define BGP_T_SEND_HOLD 480 /* RFC 9687, at least */
#define BGP_T_QUIET     5   /* no routes for so long: table is complete */
#define BGP_T_QUIET_GR  60  /* … though End-of-RIB was promised */
#define BGP_T_STABLE    60  /* up for so long: back-off starts anew */

struct bgp_peer;

struct bgp_conn {
	struct bgp_peerset *set;
	struct bgp_peer *peer; /* NULL once closed for the peer */
	struct bgp_conn *next; /* all connections of the set */
	unsigned side;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* open uv handles */
	enum bgp_state state;
	bool dead;     /* being closed: touch nothing */
	bool draining; /* only reads and forgets */
	uint8_t *in;
	size_t in_size, in_len;
	uint8_t out[BGP_OUT_MAX];
	size_t out_len;
	struct mono hold_at, keepalive_at, send_hold_at; /* ns 0: off */
	uint16_t hold_time_s;                            /* negotiated */
	uint16_t max_len;                                /* of a message */
	struct bgp_open remote;
	struct bgp_update_ctx ctx;
	uint32_t caps; /* in use */
};

struct bgp_peer {
	struct bgp_peerset *set;
	struct bgp_peer *next;
	struct bgp_peer_cfg cfg;
	char name[BGP_NAME_MAX];
	int src; /* RIB source */
	bool ebgp;
	uint32_t local_as, remote_as;
	struct bgp_conn *conn[BGP_SIDES];
	struct bgp_conn *up; /* the established one */
	uv_timer_t retry, stale, quiet;
	unsigned handles;
	unsigned backoff; /* doublings */
	const char *idle_why;
	enum bgp_state state;
	struct mono state_at;
	struct mono stale_since, stale_at; /* ns 0: no stale routes */
	struct mono last_in_at, last_out_at;
	struct mono last_update[FAMILIES];
	bool eor[FAMILIES], complete[FAMILIES], warned;
	bool refreshing[FAMILIES]; /* between BEGIN and END (RFC 7313) */
	size_t stale_count[FAMILIES];
	struct log_rl log_rl;
	/* shown */
	uint64_t msgs_in[BGP_TYPES], msgs_out[BGP_TYPES];
	uint64_t counters[BGP_COUNTERS];
	struct bgp_notification last_in, last_out;
	char last_error[128];
};

struct bgp_listener {
	struct bgp_peerset *set;
	int fd;
	uv_poll_t poll;
};

struct bgp_peerset {
	uv_loop_t *loop;
	struct rib *rib;
	struct attr_table *attrs;
	struct bgp_local_cfg local;
	struct bgp_callbacks cb;
	void *cb_ctx;
	struct bgp_peer *peers;
	struct bgp_conn *conns;
	struct bgp_listener *listener[BGP_LISTENERS];
	size_t n_listeners, draining;
	unsigned second_ms;
	size_t handles; /* open uv handles of all kinds */
	bool freeing;
	uint64_t refused_unknown, accept_failed;
	uint64_t rand;
	struct log_rl log_rl;
	struct bgp_update update; /* scratch */
};

/* ---- bgp_conn.c */

/* Takes the socket (closes it on failure) and hangs the connection on the
 * peer's side: connecting, or with OPEN sent when it was accepted. */
int bgp_conn_start(struct bgp_peer *peer, unsigned side, int fd);

/* Queues and sends as much as the kernel takes. Without room in the queue the
 * connection is closed (c is then dead and the peer knows it no more). */
void bgp_conn_send(struct bgp_conn *c, enum bgp_type type, const uint8_t *msg,
		   size_t len);

/* Ends the connection; `why` is kept as the peer's last error. The peer hears
 * of it by bgp_peer_lost(). With a notification: it is sent and shown. */
void bgp_conn_close(struct bgp_conn *c, const char *why);
void bgp_conn_notify(struct bgp_conn *c, uint8_t code, uint8_t subcode,
		     const uint8_t *data, size_t len, const char *why);

/* The big buffer of an established session. -ENOMEM */
int bgp_conn_established(struct bgp_conn *c);
/* Arms the timer for the earliest of the deadlines. */
void bgp_conn_timers(struct bgp_conn *c);

/* ---- bgp_peer.c */

struct bgp_peer *bgp_peer_new(struct bgp_peerset *set,
			      const struct bgp_peer_cfg *cfg, int src);
void bgp_peer_start(struct bgp_peer *p);
/* Ends its connections with a Cease (subcode 0: silently); routes go stale. */
void bgp_peer_stop(struct bgp_peer *p, uint8_t cease, const char *text);
void bgp_peer_free(struct bgp_peer *p); /* after bgp_peer_stop() */
/* No connection until the pause ends (0: until the next bgp_peer_start()). */
void bgp_peer_pause(struct bgp_peer *p, const char *why, uint32_t pause_s);
void bgp_peer_accept(struct bgp_peer *p, int fd);
void bgp_peer_set_cfg(struct bgp_peer *p, const struct bgp_peer_cfg *cfg);
void bgp_peer_fill_info(const struct bgp_peer *p, struct bgp_peer_info *ret);
void bgp_peer_log(struct bgp_peer *p, enum log_level lvl, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* From the connection: the TCP handshake ended (rc 0 or -errno), a whole
 * message came, the connection is gone (c is still readable). */
void bgp_peer_connected(struct bgp_conn *c, int rc);
void bgp_peer_message(struct bgp_conn *c, enum bgp_type type,
		      const uint8_t *msg, size_t len);
void bgp_peer_lost(struct bgp_peer *p, struct bgp_conn *c, const char *why);
void bgp_peer_update_state(struct bgp_peer *p);

/* ---- bgp_routes.c: what a neighbour's messages do to the RIB */

void bgp_routes_update(struct bgp_conn *c, const uint8_t *msg, size_t len);
void bgp_routes_refresh(struct bgp_conn *c, const uint8_t *msg, size_t len);
void bgp_routes_up(struct bgp_conn *c); /* session established */
/* … and gone; c is not the peer's any more */
void bgp_routes_down(struct bgp_peer *p, const struct bgp_conn *c);
void bgp_routes_flush(struct bgp_peer *p);
void bgp_routes_quiet_cb(uv_timer_t *t);
void bgp_routes_stale_cb(uv_timer_t *t);

/* ---- helpers */

static inline int64_t bgp_scaled_ns(const struct bgp_peerset *set, uint32_t s)
{
	return (int64_t)s * set->second_ms * NSEC_PER_MSEC;
}

/* Milliseconds until t for a uv timer: rounded up, at least 1. */
static inline uint64_t bgp_ms_until(struct mono now, struct mono t)
{
	int64_t ns = mono_diff_ns(now, t);

	return ns <= 0 ? 1 : (uint64_t)ns / NSEC_PER_MSEC + 1;
}

static inline bool bgp_due(struct mono t, struct mono now)
{
	return t.ns != 0 && mono_diff_ns(t, now) >= 0;
}

/* The set goes with the last of its handles. */
void bgp_set_handle_closed(struct bgp_peerset *set);

#endif
