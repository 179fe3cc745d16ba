/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One TCP connection of a BGP session: framing, sending, timers, closing.
 *
 * Fairness: one read of at most one buffer per turn of the loop. Bounds: one
 * buffer in, one out; what does not fit out closes the connection, because
 * the little that we say only piles up with a neighbour that does not read.
 *
 * Closing with a NOTIFICATION: closing a socket with unread input resets the
 * connection, and the far end may lose the NOTIFICATION. So we shut down our
 * direction and read on, forgetting what comes, until the far end closes or
 * BGP_T_DRAIN has passed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "route/bgp_priv.h"
#include "route/bgp_sock.h"

static void poll_cb(uv_poll_t *h, int status, int events);
static void timer_cb(uv_timer_t *t);

static void conn_poll(struct bgp_conn *c)
{
	int events = UV_READABLE;

	if (c->state == BGP_CONNECT)
		events = UV_WRITABLE;
	else if (c->out_len > 0)
		events |= UV_WRITABLE;
	(void)uv_poll_start(&c->poll, events, poll_cb);
}

void bgp_conn_timers(struct bgp_conn *c)
{
	const struct mono *at[] = {&c->hold_at, &c->keepalive_at,
				   &c->send_hold_at};
	struct mono next = {0}, now = mono_now();

	if (c->dead)
		return;
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		if (at[i]->ns && (!next.ns || at[i]->ns < next.ns))
			next = *at[i];
	}
	if (next.ns)
		(void)uv_timer_start(&c->timer, timer_cb,
				     bgp_ms_until(now, next), 0);
	else
		(void)uv_timer_stop(&c->timer);
}

int bgp_conn_start(struct bgp_peer *peer, unsigned side, int fd)
{
	struct bgp_peerset *set = peer->set;
	struct bgp_conn *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (!c)
		goto out_fd;
	c->in = malloc(BGP_IN_SMALL);
	if (!c->in)
		goto out_conn;
	c->in_size = BGP_IN_SMALL;
	rc = uv_poll_init(set->loop, &c->poll, fd);
	if (rc < 0)
		goto out_conn;
	(void)uv_timer_init(set->loop, &c->timer);
	c->poll.data = c->timer.data = c;
	c->handles = 2;
	set->handles += 2;
	c->set = set;
	c->peer = peer;
	c->side = side;
	c->fd = fd;
	c->max_len = BGP_MSG_MAX;
	c->state = BGP_CONNECT;
	c->next = set->conns;
	set->conns = c;
	peer->conn[side] = c;
	if (side != BGP_SIDE_OUT) {
		bgp_peer_connected(c, 0);
		return 0;
	}
	c->hold_at = mono_add_ns(mono_now(), bgp_scaled_ns(set, BGP_T_CONNECT));
	conn_poll(c);
	bgp_conn_timers(c);
	return 0;
out_conn:
	free(c->in);
	free(c);
out_fd:
	(void)close(fd);
	return rc;
}

/* ---- closing */

static void handle_closed(uv_handle_t *h)
{
	struct bgp_conn *c = h->data, **link;
	struct bgp_peerset *set = c->set;

	if (--c->handles == 0) {
		link = &set->conns;
		while (*link != c)
			link = &(*link)->next;
		*link = c->next;
		free(c->in);
		free(c);
	}
	bgp_set_handle_closed(set);
}

/* The end of the socket, whether the peer still knows it or not. */
static void conn_destroy(struct bgp_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->draining)
		c->set->draining--;
	uv_close((uv_handle_t *)&c->poll, handle_closed);
	uv_close((uv_handle_t *)&c->timer, handle_closed);
	(void)close(c->fd);
	c->fd = -1;
}

static struct bgp_peer *conn_detach(struct bgp_conn *c)
{
	struct bgp_peer *p = c->peer;

	if (p && p->conn[c->side] == c)
		p->conn[c->side] = NULL;
	c->peer = NULL;
	return p;
}

void bgp_conn_close(struct bgp_conn *c, const char *why)
{
	struct bgp_peer *p = conn_detach(c);

	conn_destroy(c);
	if (p)
		bgp_peer_lost(p, c, why);
}

static void conn_flush(struct bgp_conn *c);
static bool conn_queue(struct bgp_conn *c, enum bgp_type type,
		       const uint8_t *msg, size_t len);

static void conn_drain(struct bgp_conn *c)
{
	if (c->dead)
		return;
	if (c->set->freeing || c->set->draining >= BGP_DRAINING_MAX) {
		conn_destroy(c);
		return;
	}
	c->draining = true;
	c->set->draining++;
	c->keepalive_at.ns = c->send_hold_at.ns = 0;
	c->hold_at =
		mono_add_ns(mono_now(), bgp_scaled_ns(c->set, BGP_T_DRAIN));
	if (c->out_len == 0)
		(void)shutdown(c->fd, SHUT_WR);
	conn_poll(c);
	bgp_conn_timers(c);
}

void bgp_conn_notify(struct bgp_conn *c, uint8_t code, uint8_t subcode,
		     const uint8_t *data, size_t len, const char *why)
{
	uint8_t msg[BGP_MSG_MAX];
	size_t room = sizeof(msg) - BGP_HDR_LEN - 2;
	size_t n;
	struct bgp_peer *p;

	if (c->dead || c->draining)
		return;
	if (len > room)
		len = room;
	n = bgp_notification_encode(code, subcode, data, len, msg, sizeof(msg));
	(void)conn_queue(c, BGP_NOTIFICATION, msg, n); /* the end in any case */
	p = conn_detach(c);
	conn_drain(c);
	if (!p)
		return;
	bgp_notification_describe(code, subcode, data, len, &p->last_out);
	p->last_out_at = mono_now();
	bgp_peer_lost(p, c, why ? why : p->last_out.text);
}

/* ---- sending */

static void conn_flush(struct bgp_conn *c)
{
	ssize_t n;

	if (c->out_len == 0)
		return;
	n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (c->send_hold_at.ns == 0 && !c->draining) {
			uint32_t s = c->hold_time_s * 2u;

			c->send_hold_at = mono_add_ns(
				mono_now(),
				bgp_scaled_ns(c->set,
					      s > BGP_T_SEND_HOLD
						      ? s
						      : BGP_T_SEND_HOLD));
		}
		return;
	}
	c->send_hold_at.ns = 0;
	if (n < 0) {
		c->out_len = 0; /* broken: reading will tell why */
		return;
	}
	memmove(c->out, c->out + n, c->out_len - (size_t)n);
	c->out_len -= (size_t)n;
	if (c->peer)
		c->peer->counters[BGP_C_BYTES_OUT] += (uint64_t)n;
}

/* False when there is no room. */
static bool conn_queue(struct bgp_conn *c, enum bgp_type type,
		       const uint8_t *msg, size_t len)
{
	if (len > sizeof(c->out) - c->out_len)
		return false;
	memcpy(c->out + c->out_len, msg, len);
	c->out_len += len;
	if (c->peer)
		c->peer->msgs_out[type]++;
	conn_flush(c);
	conn_poll(c);
	if (c->send_hold_at.ns)
		bgp_conn_timers(c);
	return true;
}

void bgp_conn_send(struct bgp_conn *c, enum bgp_type type, const uint8_t *msg,
		   size_t len)
{
	if (c->dead || c->draining || len == 0 || conn_queue(c, type, msg, len))
		return;
	if (c->peer)
		c->peer->counters[BGP_C_OUT_FULL]++;
	bgp_conn_close(c, "the neighbour does not read what we send");
}

/* ---- receiving */

static void conn_fault(struct bgp_conn *c, const struct bgp_error *err)
{
	c->peer->counters[BGP_C_SESSION_RESET]++;
	bgp_conn_notify(c, err->code, err->subcode, err->data, err->data_len,
			err->what);
}

/* Hands out every whole message of the buffer. */
static void conn_parse(struct bgp_conn *c, struct mono now)
{
	struct bgp_header h;
	struct bgp_error err;
	size_t off = 0;

	while (c->peer && c->in_len - off >= BGP_HDR_LEN) {
		if (bgp_header_decode(c->in + off, c->max_len, &h, &err)) {
			c->peer->msgs_in[0]++;
			conn_fault(c, &err);
			return;
		}
		if (c->in_len - off < h.len)
			break;
		if (c->hold_time_s)
			c->hold_at = mono_add_ns(
				now, bgp_scaled_ns(c->set, c->hold_time_s));
		c->peer->msgs_in[h.type]++;
		bgp_peer_message(c, (enum bgp_type)h.type, c->in + off, h.len);
		off += h.len;
	}
	if (!c->peer)
		return; /* closed meanwhile; nobody reads on */
	memmove(c->in, c->in + off, c->in_len - off);
	c->in_len -= off;
}

/* One read and what follows from it. */
static void conn_read(struct bgp_conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (c->draining) {
		if (n <= 0)
			conn_destroy(c);
		c->in_len = 0;
		return;
	}
	if (n <= 0) {
		bgp_conn_close(c, n == 0 ? "closed by the neighbour"
					 : strerror(errno));
		return;
	}
	c->peer->counters[BGP_C_BYTES_IN] += (uint64_t)n;
	c->in_len += (size_t)n;
	conn_parse(c, mono_now());
	if (c->draining)
		c->in_len = 0;
}

static void poll_cb(uv_poll_t *h, int status, int events)
{
	struct bgp_conn *c = h->data;

	if (c->dead)
		return;
	if (c->state == BGP_CONNECT) {
		int rc = bgp_sock_error(c->fd);

		bgp_peer_connected(c, rc == 0 && status < 0 ? status : rc);
		return;
	}
	if (events & UV_WRITABLE) {
		conn_flush(c);
		if (c->out_len == 0 && c->draining)
			(void)shutdown(c->fd, SHUT_WR);
		conn_poll(c);
	}
	/* libuv reports POLLERR as a status and stops: what had arrived before
	 * the error is still to be read, and the error comes behind it. */
	if (status < 0 || (events & UV_READABLE))
		conn_read(c);
	if (status < 0 && !c->dead) {
		if (c->draining)
			conn_destroy(c);
		else
			conn_poll(c);
	}
}

/* ---- timers */

static void hold_expired(struct bgp_conn *c, struct mono now)
{
	if (c->draining) {
		conn_destroy(c);
		return;
	}
	if (c->state == BGP_CONNECT) {
		bgp_peer_connected(c, -ETIMEDOUT);
		return;
	}
	/* It may be us who were busy: what has already arrived counts. */
	conn_read(c);
	if (c->dead || c->draining || !bgp_due(c->hold_at, now))
		return;
	c->peer->counters[BGP_C_HOLD_EXPIRED]++;
	bgp_conn_notify(c, BGP_N_HOLD, 0, NULL, 0, NULL);
}

static void timer_cb(uv_timer_t *t)
{
	struct bgp_conn *c = t->data;
	struct mono now = mono_now();

	if (c->dead)
		return;
	if (bgp_due(c->send_hold_at, now)) {
		c->peer->counters[BGP_C_SEND_HOLD_EXPIRED]++;
		bgp_conn_notify(c, BGP_N_SEND_HOLD, 0, NULL, 0, NULL);
		return;
	}
	if (bgp_due(c->hold_at, now))
		hold_expired(c, now);
	if (!c->dead && !c->draining && bgp_due(c->keepalive_at, now)) {
		uint8_t msg[BGP_HDR_LEN];
		size_t n = bgp_keepalive_encode(msg, sizeof(msg));

		c->keepalive_at =
			mono_add_ns(now,
				    bgp_scaled_ns(c->set, c->hold_time_s) / 3);
		bgp_conn_send(c, BGP_KEEPALIVE, msg, n);
	}
	bgp_conn_timers(c);
}

int bgp_conn_established(struct bgp_conn *c)
{
	uint8_t *in = realloc(c->in, BGP_IN_BIG);

	if (!in)
		return -ENOMEM;
	c->in = in;
	c->in_size = BGP_IN_BIG;
	return 0;
}
