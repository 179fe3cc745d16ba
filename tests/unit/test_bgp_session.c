/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions over loopback, against a speaker made here byte by byte and against
 * each other. A protocol second lasts TICK_MS, so nothing waits for long; no
 * test asserts how long something took.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wr.h"
#include "route/bgp_session.h"

#define TICK_MS    20
#define LOCAL_AS   64512u
#define REMOTE_AS  65001u
#define GIVE_UP_NS (20 * NSEC_PER_SEC)

/* ---- the side under test */

struct side {
	uv_loop_t loop;
	struct attr_table *attrs;
	struct rib *rib;
	struct bgp_peerset *set;
	struct bgp_local_cfg local;
	struct bgp_peer_cfg cfg;
	struct bgp_peer_info info; /* of the last look() */
	unsigned complete[FAMILIES];
	uint16_t port;
};

static void on_complete(void *ctx, const struct bgp_peer_info *p, enum family f)
{
	struct side *s = ctx;

	cr_assert_gt(p->family[f].paths, 0);
	s->complete[f]++;
}

static void keep_info(void *ctx, const struct bgp_peer_info *p)
{
	struct side *s = ctx;

	s->info = *p;
}

static struct bgp_peer_info *look(struct side *s)
{
	memset(&s->info, 0, sizeof(s->info));
	bgp_peerset_each(s->set, keep_info, s);
	return &s->info;
}

static int listener(uint16_t *ret_port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*ret_port = ntohs(sin.sin_port);
	return fd;
}

static struct side *side_new(uint32_t router_id)
{
	static const struct bgp_callbacks cb = {.table_complete = on_complete};
	struct side *s = calloc(1, sizeof(*s));

	log_setup(LOG_LVL_ERROR, NULL);
	cr_assert_eq(uv_loop_init(&s->loop), 0);
	s->attrs = attr_table_new();
	s->rib = rib_new(s->attrs);
	s->local =
		(struct bgp_local_cfg){.asn = LOCAL_AS, .router_id = router_id};
	s->set = bgp_peerset_new(&s->loop, s->rib, s->attrs, &s->local, &cb, s);
	bgp_peerset_time_scale(s->set, TICK_MS);
	bgp_peer_cfg_default(&s->cfg);
	cr_assert_eq(addr_parse("127.0.0.1", &s->cfg.addr), 0);
	s->cfg.remote_as = REMOTE_AS;
	s->cfg.hold_time_s = 3000; /* no expiry but where it is wanted */
	return s;
}

static void side_listen(struct side *s)
{
	cr_assert_eq(bgp_peerset_listen(s->set, listener(&s->port)), 0);
}

static void side_apply(struct side *s)
{
	cr_assert_eq(bgp_peerset_apply(s->set, &s->local, &s->cfg, 1), 0);
}

static void side_free(struct side *s)
{
	bgp_peerset_free(s->set);
	while (uv_run(&s->loop, UV_RUN_NOWAIT))
		;
	/* Every handle was closed; every attribute set given back. */
	cr_assert_eq(uv_loop_close(&s->loop), 0);
	rib_free(s->rib);
	cr_assert_eq(attr_table_count(s->attrs), 0);
	attr_table_free(s->attrs);
	free(s);
}

static void turn(struct side *s)
{
	(void)uv_run(&s->loop, UV_RUN_NOWAIT);
	(void)usleep(500);
}

#define until(s, cond)                                                  \
	do {                                                            \
		struct mono begin_ = mono_now();                        \
		while (!(cond)) {                                       \
			turn(s);                                        \
			cr_assert_lt(mono_diff_ns(begin_, mono_now()),  \
				     GIVE_UP_NS, "in vain: %s", #cond); \
		}                                                       \
	} while (0)

/* "AS", "AS stale" or "none" of what covers the address. */
static const char *route(struct side *s, const char *text)
{
	static char out[64];
	struct rib_route r;
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	if (!rib_lookup(s->rib, &a, &r))
		return "none";
	(void)snprintf(out, sizeof(out), "%u%s", attr_origin_as(r.attr),
		       r.stale ? " stale" : "");
	return out;
}

#define is(s, addr, what) cr_assert_str_eq(route(s, addr), what)

/* ---- the speaker */

struct speaker {
	int fd;
	uint8_t in[16384];
	size_t len;
	bool closed;
	struct bgp_open open;
};

/* Connects from `from` to the side. */
static int dial(const char *from, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(inet_pton(AF_INET, from, &sin.sin_addr), 1);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void sp_init(struct speaker *sp, int fd)
{
	*sp = (struct speaker){
		.fd = fd,
		.open = {.asn = REMOTE_AS,
			 .router_id = 0x0a000002,
			 .hold_time_s = 3000,
			 .caps = BGP_CAP_AS4 | BGP_CAP_REFRESH |
				 BGP_CAP_REFRESH_ENH,
			 .mp = {true, true}},
	};
}

static void sp_send(struct speaker *sp, const void *data, size_t len)
{
	cr_assert_gt(len, 0);
	cr_assert_eq(send(sp->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void sp_open(struct speaker *sp)
{
	uint8_t buf[256];

	sp_send(sp, buf, bgp_open_encode(&sp->open, buf, sizeof(buf)));
}

static void sp_keepalive(struct speaker *sp)
{
	uint8_t buf[32];

	sp_send(sp, buf, bgp_keepalive_encode(buf, sizeof(buf)));
}

static void sp_eor(struct speaker *sp, enum family f)
{
	uint8_t buf[32];

	sp_send(sp, buf, bgp_eor_encode(f, buf, sizeof(buf)));
}

static size_t make_update(uint8_t *buf, size_t size, const uint32_t *path,
			  size_t hops, const char *prefix, bool withdraw)
{
	struct wr w = wr_init(buf, size);
	uint8_t nlri[5];
	struct prefix p;
	size_t n;

	cr_assert_eq(prefix_parse(prefix, &p), 0);
	n = 1 + (p.len + 7u) / 8;
	nlri[0] = p.len;
	for (size_t i = 1; i < 5; i++)
		nlri[i] = (uint8_t)(p.hi >> (64 - 8 * i));
	wr_fill(&w, 0xff, 16);
	wr_be16(&w, 0);
	wr_u8(&w, BGP_UPDATE);
	wr_be16(&w, withdraw ? (uint16_t)n : 0);
	if (withdraw) {
		wr_copy(&w, nlri, n);
		wr_be16(&w, 0);
	} else {
		wr_be16(&w,
			(uint16_t)(4 + 3 + (hops ? 2 + 4 * hops : 0) + 7 + 7));
		wr_be32(&w, 0x40010100);
		wr_be16(&w, 0x4002);
		wr_u8(&w, (uint8_t)(hops ? 2 + 4 * hops : 0));
		if (hops)
			wr_be16(&w, (uint16_t)(0x0200 | hops));
		for (size_t i = 0; i < hops; i++)
			wr_be32(&w, path[i]);
		wr_be16(&w, 0x4003);
		wr_u8(&w, 4);
		wr_be32(&w, 0xc0000201);
		wr_be16(&w, 0x4005);
		wr_u8(&w, 4);
		wr_be32(&w, 100);
		wr_copy(&w, nlri, n);
	}
	wr_patch_be16(&w, 16, wr_len(&w));
	return wr_len(&w);
}

static void sp_announce(struct speaker *sp, const char *prefix, uint32_t as)
{
	uint32_t path[] = {REMOTE_AS, as};
	uint8_t buf[256];

	sp_send(sp, buf,
		make_update(buf, sizeof(buf), path, as ? 2 : 0, prefix, false));
}

static void sp_withdraw(struct speaker *sp, const char *prefix)
{
	uint8_t buf[256];

	sp_send(sp, buf, make_update(buf, sizeof(buf), NULL, 0, prefix, true));
}

/* What has arrived; false when there is no whole message. */
static bool sp_next(struct speaker *sp, uint8_t *ret_type, uint8_t *msg,
		    size_t *ret_len)
{
	struct bgp_header h;
	struct bgp_error err;
	ssize_t n = recv(sp->fd, sp->in + sp->len, sizeof(sp->in) - sp->len,
			 MSG_DONTWAIT);

	if (n > 0)
		sp->len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		sp->closed = true;
	if (sp->len < BGP_HDR_LEN)
		return false;
	cr_assert_eq(bgp_header_decode(sp->in, BGP_MSG_MAX, &h, &err), BGP_OK);
	if (sp->len < h.len)
		return false;
	memcpy(msg, sp->in, h.len);
	memmove(sp->in, sp->in + h.len, sp->len - h.len);
	sp->len -= h.len;
	*ret_type = h.type;
	*ret_len = h.len;
	return true;
}

/* Turns the loop until a message of the type comes; others are dropped. */
static size_t sp_expect(struct side *s, struct speaker *sp, unsigned type,
			uint8_t *msg)
{
	struct mono begin = mono_now();
	uint8_t got;
	size_t len;

	while (mono_diff_ns(begin, mono_now()) < GIVE_UP_NS) {
		if (!sp_next(sp, &got, msg, &len)) {
			cr_assert(!sp->closed || sp->len >= BGP_HDR_LEN,
				  "closed while waiting for type %u", type);
			turn(s);
			continue;
		}
		if (got == type)
			return len;
		cr_assert_neq(got, BGP_NOTIFICATION,
			      "NOTIFICATION %u/%u instead of type %u", msg[19],
			      msg[20], type);
	}
	cr_assert_fail("no message of type %u", type);
	return 0;
}

static void sp_expect_notification(struct side *s, struct speaker *sp,
				   uint8_t code, uint8_t subcode)
{
	uint8_t msg[BGP_MSG_MAX];

	sp_expect(s, sp, BGP_NOTIFICATION, msg);
	cr_assert_eq(msg[19], code, "%u/%u", msg[19], msg[20]);
	cr_assert_eq(msg[20], subcode, "%u/%u", msg[19], msg[20]);
}

static void sp_expect_close(struct side *s, struct speaker *sp)
{
	struct mono begin = mono_now();
	uint8_t msg[BGP_MSG_MAX], type;
	size_t len;

	while (!sp->closed) {
		if (sp_next(sp, &type, msg, &len))
			cr_assert_neq(type, BGP_NOTIFICATION);
		turn(s);
		cr_assert_lt(mono_diff_ns(begin, mono_now()), GIVE_UP_NS);
	}
}

/* Handshake to the end on a connected socket. */
static void sp_handshake(struct side *s, struct speaker *sp)
{
	uint8_t msg[BGP_MSG_MAX];

	sp_expect(s, sp, BGP_OPEN, msg);
	sp_open(sp);
	sp_expect(s, sp, BGP_KEEPALIVE, msg);
	sp_keepalive(sp);
	until(s, look(s)->up);
}

/* The usual beginning: the speaker connects to a passive side. */
static struct side *up(struct speaker *sp)
{
	struct side *s = side_new(0x0a000001);

	s->cfg.passive = true;
	side_listen(s);
	side_apply(s);
	sp_init(sp, dial("127.0.0.1", s->port));
	sp_handshake(s, sp);
	return s;
}

static void sp_again(struct side *s, struct speaker *sp)
{
	struct bgp_open open = sp->open;

	sp_init(sp, dial("127.0.0.1", s->port));
	sp->open = open;
	sp_handshake(s, sp);
}

/* ---- tests */

Test(bgp_session, active_open_and_routes)
{
	struct side *s = side_new(0x0a000001);
	uint8_t msg[BGP_MSG_MAX];
	struct bgp_error err;
	struct speaker sp;
	struct bgp_open o;
	int lfd = listener(&s->cfg.port), fd;
	size_t len;

	s->cfg.remote_as = 0; /* iBGP */
	s->cfg.hold_time_s = 90;
	s->cfg.add_path = true;
	side_apply(s);
	until(s, (fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	sp_init(&sp, fd);
	sp.open.asn = LOCAL_AS;
	sp.open.hold_time_s = 9000;
	len = sp_expect(s, &sp, BGP_OPEN, msg);
	cr_assert_eq(bgp_open_decode(msg, len, &o, &err), BGP_OK);
	cr_assert_eq(o.asn, LOCAL_AS);
	cr_assert_eq(o.router_id, 0x0a000001);
	cr_assert_eq(o.hold_time_s, 90);
	cr_assert(o.mp[FAMILY_IP4] && o.mp[FAMILY_IP6]);
	cr_assert_eq(o.add_path[FAMILY_IP6], BGP_ADD_PATH_RECEIVE);
	cr_assert_eq(o.caps, BGP_CAP_MP | BGP_CAP_AS4 | BGP_CAP_REFRESH |
				     BGP_CAP_REFRESH_ENH | BGP_CAP_EXT_MSG |
				     BGP_CAP_EXT_NEXT_HOP | BGP_CAP_GR);
	cr_assert_eq(look(s)->state, BGP_OPENSENT);
	sp_open(&sp);
	sp_expect(s, &sp, BGP_KEEPALIVE, msg);
	cr_assert_eq(look(s)->state, BGP_OPENCONFIRM);
	sp_keepalive(&sp);
	/* End-of-RIB for both families is all that we ever announce. */
	sp_expect(s, &sp, BGP_UPDATE, msg);
	sp_expect(s, &sp, BGP_UPDATE, msg);
	until(s, look(s)->state == BGP_ESTABLISHED);
	cr_assert_eq(s->info.hold_time_s, 90);
	cr_assert_eq(s->info.remote_id, 0x0a000002);
	cr_assert(!s->info.ebgp);
	cr_assert_eq(s->info.remote_port, s->cfg.port);

	sp_announce(&sp, "10.1.0.0/16", 0); /* our own */
	sp_announce(&sp, "10.1.2.0/24", 4200000001u);
	sp_announce(&sp, "10.9.0.0/16", 65009);
	sp_eor(&sp, FAMILY_IP4);
	sp_eor(&sp, FAMILY_IP6); /* of an empty table: not complete */
	until(s, look(s)->family[FAMILY_IP6].eor);
	is(s, "10.1.0.1", "64512");
	is(s, "10.1.2.1", "4200000001");
	is(s, "10.9.0.1", "65009");
	is(s, "192.0.2.1", "none");
	cr_assert_eq(s->complete[FAMILY_IP4], 1);
	cr_assert_eq(s->complete[FAMILY_IP6], 0);
	cr_assert_eq(s->info.family[FAMILY_IP4].paths, 3);
	sp_withdraw(&sp, "10.9.0.0/16");
	sp_withdraw(&sp, "10.10.0.0/16");
	until(s, look(s)->counters[BGP_C_WITHDRAWN] == 2);
	is(s, "10.9.0.1", "none");
	cr_assert_eq(s->info.counters[BGP_C_WITHDRAWN_UNKNOWN], 1);
	cr_assert_eq(s->info.counters[BGP_C_ANNOUNCED], 3);
	cr_assert_eq(s->info.msgs_in[BGP_UPDATE], 7);
	cr_assert_eq(s->info.msgs_out[BGP_UPDATE], 2);
	(void)close(sp.fd);
	(void)close(lfd);
	side_free(s);
}

/* Every message in pieces of one byte. */
Test(bgp_session, byte_by_byte)
{
	struct speaker sp;
	struct side *s = up(&sp);
	uint32_t path[] = {REMOTE_AS, 7};
	uint8_t buf[256];
	size_t n = make_update(buf, sizeof(buf), path, 2, "10.0.0.0/8", false);

	for (unsigned k = 0; k < 3; k++) {
		for (size_t i = 0; i < n; i++) {
			sp_send(&sp, buf + i, 1);
			turn(s);
		}
	}
	until(s, look(s)->msgs_in[BGP_UPDATE] == 3);
	is(s, "10.0.0.1", "7");
	(void)close(sp.fd);
	side_free(s);
}

Test(bgp_session, unconfigured_address_is_refused)
{
	struct speaker sp, stranger;
	struct side *s = up(&sp);
	struct bgp_set_info info;

	sp_init(&stranger, dial("127.0.0.2", s->port));
	sp_open(&stranger);
	sp_expect_close(s, &stranger);
	cr_assert_eq(stranger.len, 0); /* not a byte from us */
	bgp_peerset_info(s->set, &info);
	cr_assert_eq(info.refused_unknown, 1);
	cr_assert_eq(info.established, 1);
	/* A second connection of the neighbour's: the session stands. */
	sp_init(&stranger, dial("127.0.0.1", s->port));
	sp_expect_close(s, &stranger);
	cr_assert_eq(look(s)->counters[BGP_C_REJECTED], 1);
	cr_assert(s->info.up);
	(void)close(sp.fd);
	(void)close(stranger.fd);
	side_free(s);
}

/* Silence: NOTIFICATION, stale routes, then none. */
Test(bgp_session, hold_timer_and_stale_timer)
{
	struct side *s = side_new(0x0a000001);
	struct speaker sp;

	s->cfg.passive = true;
	s->cfg.hold_time_s = 3;
	s->cfg.stale_time_s = 20;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_handshake(s, &sp);
	sp_announce(&sp, "10.0.0.0/8", 7);
	sp_expect_notification(s, &sp, BGP_N_HOLD, 0);
	is(s, "10.0.0.1", "7 stale");
	look(s);
	cr_assert(!s->info.up);
	cr_assert_eq(s->info.counters[BGP_C_HOLD_EXPIRED], 1);
	cr_assert_eq(s->info.counters[BGP_C_FLAPS], 1);
	cr_assert_eq(s->info.family[FAMILY_IP4].stale, 1);
	cr_assert_gt(s->info.stale_left_ns, 0);
	cr_assert_str_eq(s->info.last_out.text, "Hold Timer Expired");
	cr_assert_gt(s->info.msgs_out[BGP_KEEPALIVE], 1);
	until(s, look(s)->counters[BGP_C_STALE_EXPIRED] == 1);
	is(s, "10.0.0.1", "none");
	cr_assert_eq(s->info.stale_left_ns, 0);
	(void)close(sp.fd);
	side_free(s);
}

/* Without a hold time a neighbour must still finish its handshake. */
Test(bgp_session, no_hold_time)
{
	struct side *s = side_new(0x0a000001);
	uint8_t msg[BGP_MSG_MAX];
	struct speaker sp;

	bgp_peerset_time_scale(s->set, 2);
	s->cfg.passive = true;
	s->cfg.hold_time_s = 0;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_open(&sp);
	sp_expect_notification(s, &sp, BGP_N_HOLD, 0);
	(void)close(sp.fd);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_handshake(s, &sp);
	for (unsigned i = 0; i < 500; i++) /* far beyond that wait */
		turn(s);
	cr_assert(look(s)->up);
	cr_assert_eq(s->info.msgs_out[BGP_KEEPALIVE], 2); /* one each */
	sp_announce(&sp, "10.0.0.0/8", 7);
	sp_expect(s, &sp, BGP_UPDATE, msg);
	until(s, strcmp(route(s, "10.0.0.1"), "7") == 0);
	(void)close(sp.fd);
	side_free(s);
}

/* Keepalives keep it: many hold times long. */
Test(bgp_session, keepalives_hold)
{
	struct side *s = side_new(0x0a000001);
	struct speaker sp;
	uint8_t msg[BGP_MSG_MAX];

	s->cfg.passive = true;
	s->cfg.hold_time_s = 30;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_handshake(s, &sp);
	for (unsigned i = 0; i < 10; i++) {
		sp_expect(s, &sp, BGP_KEEPALIVE, msg);
		sp_keepalive(&sp);
	}
	cr_assert(look(s)->up);
	cr_assert_eq(s->info.counters[BGP_C_FLAPS], 0);
	(void)close(sp.fd);
	side_free(s);
}

Test(bgp_session, graceful_restart)
{
	struct speaker sp;
	struct side *s = up(&sp);

	sp_announce(&sp, "10.1.0.0/16", 1);
	sp_announce(&sp, "10.2.0.0/16", 2);
	sp_announce(&sp, "10.3.0.0/16", 3);
	sp_eor(&sp, FAMILY_IP4);
	until(s, s->complete[FAMILY_IP4] == 1);
	(void)close(sp.fd);
	until(s, !look(s)->up);
	is(s, "10.1.0.1", "1 stale");
	cr_assert_eq(s->info.family[FAMILY_IP4].paths, 3);
	/* Back: the old ones answer until they are renewed. */
	sp_again(s, &sp);
	is(s, "10.1.0.1", "1 stale");
	sp_announce(&sp, "10.1.0.0/16", 1);
	sp_announce(&sp, "10.2.0.0/16", 22);
	until(s, strcmp(route(s, "10.2.0.1"), "22") == 0);
	is(s, "10.1.0.1", "1");
	is(s, "10.3.0.1", "3 stale");
	sp_eor(&sp, FAMILY_IP4);
	until(s, s->complete[FAMILY_IP4] == 2);
	is(s, "10.3.0.1", "none");
	cr_assert_eq(look(s)->counters[BGP_C_SWEPT], 1);
	cr_assert_eq(s->info.stale_left_ns, 0);
	(void)close(sp.fd);
	side_free(s);
}

/* Half-open: the neighbour crashed and connects anew while the old connection
 * still looks alive. With graceful restart it takes its place at once. */
Test(bgp_session, new_connection_replaces_half_open)
{
	struct speaker sp, old;
	struct side *s = side_new(0x0a000001);

	s->cfg.passive = true;
	side_listen(s);
	side_apply(s);
	sp_init(&old, dial("127.0.0.1", s->port));
	old.open.caps |= BGP_CAP_GR;
	old.open.gr_time_s = 120;
	old.open.gr[FAMILY_IP4] = true;
	sp_handshake(s, &old);
	sp_announce(&old, "10.0.0.0/8", 7);
	until(s, strcmp(route(s, "10.0.0.1"), "7") == 0);
	sp = old;
	sp_again(s, &sp);
	is(s, "10.0.0.1", "7 stale");
	sp_expect_close(s, &old);
	(void)close(sp.fd);
	(void)close(old.fd);
	side_free(s);
}

/* … but only with an OPEN that is his: a connection alone changes nothing. */
Test(bgp_session, bare_connection_replaces_nothing)
{
	struct speaker sp, bare, wrong;
	struct side *s = side_new(0x0a000001);
	uint8_t msg[BGP_MSG_MAX];

	s->cfg.passive = true;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp.open.caps |= BGP_CAP_GR;
	sp.open.gr_time_s = 120;
	sp.open.gr[FAMILY_IP4] = true;
	sp_handshake(s, &sp);
	sp_announce(&sp, "10.0.0.0/8", 7);
	until(s, strcmp(route(s, "10.0.0.1"), "7") == 0);
	sp_init(&bare, dial("127.0.0.1", s->port));
	sp_expect(s, &bare, BGP_OPEN, msg);
	cr_assert(look(s)->up);
	sp_init(&wrong, dial("127.0.0.1", s->port));
	sp_expect(s, &wrong, BGP_OPEN, msg);
	sp_expect_close(s, &bare); /* one waits at most */
	wrong.open.asn = REMOTE_AS + 1;
	sp_open(&wrong);
	sp_expect_notification(s, &wrong, BGP_N_OPEN, BGP_N_OPEN_PEER_AS);
	(void)close(bare.fd);
	(void)close(wrong.fd);
	sp_init(&bare, dial("127.0.0.1", s->port));
	sp_expect(s, &bare, BGP_OPEN, msg);
	is(s, "10.0.0.1", "7");
	cr_assert(look(s)->up);
	cr_assert_eq(s->info.counters[BGP_C_FLAPS], 0);
	/* The old one ends: what waited may go on. */
	(void)close(sp.fd);
	until(s, !look(s)->up);
	cr_assert_eq(s->info.state, BGP_OPENSENT);
	bare.open = sp.open;
	sp_open(&bare);
	sp_expect(s, &bare, BGP_KEEPALIVE, msg);
	sp_keepalive(&bare);
	until(s, look(s)->up);
	/* Stopped with one waiting: both are gone. */
	sp_init(&wrong, dial("127.0.0.1", s->port));
	sp_expect(s, &wrong, BGP_OPEN, msg);
	bgp_peerset_stop(s->set, BGP_STOP_SHUTDOWN, NULL);
	sp_expect_notification(s, &wrong, BGP_N_CEASE, BGP_N_CEASE_SHUTDOWN);
	sp_expect_notification(s, &bare, BGP_N_CEASE, BGP_N_CEASE_SHUTDOWN);
	(void)close(bare.fd);
	(void)close(wrong.fd);
	side_free(s);
}

Test(bgp_session, prefix_limit)
{
	struct side *s = side_new(0x0a000001);
	struct speaker sp;
	uint8_t msg[BGP_MSG_MAX];

	s->cfg.passive = true;
	s->cfg.max_prefixes = 3;
	s->cfg.max_prefixes_restart_s = 5;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_handshake(s, &sp);
	for (unsigned i = 0; i < 3; i++) { /* the same one again is no more */
		sp_announce(&sp, "10.1.0.0/16", 1);
		sp_announce(&sp, "10.2.0.0/16", 2 + i);
		sp_announce(&sp, "10.3.0.0/16", 3);
	}
	until(s, look(s)->counters[BGP_C_ANNOUNCED] == 9);
	cr_assert(s->info.up);
	sp_announce(&sp, "10.4.0.0/16", 4);
	cr_assert_eq(sp_expect(s, &sp, BGP_NOTIFICATION, msg), 21 + 7);
	cr_assert_eq(msg[19], BGP_N_CEASE);
	cr_assert_eq(msg[20], BGP_N_CEASE_MAX_PREFIX);
	cr_assert_eq(msg[27], 3);
	look(s);
	cr_assert_eq(s->info.state, BGP_IDLE);
	cr_assert_not_null(s->info.idle_why);
	cr_assert_eq(s->info.counters[BGP_C_MAX_PREFIX], 1);
	is(s, "10.1.0.1", "none");
	/* It may come back after the pause. */
	until(s, look(s)->idle_why == NULL);
	sp_again(s, &sp);
	(void)close(sp.fd);
	side_free(s);
}

/* RFC 7606 in a session: what was bad is withdrawn, the session stands. */
Test(bgp_session, faulty_updates)
{
	struct speaker sp;
	struct side *s = up(&sp);
	uint32_t path[] = {REMOTE_AS, 7};
	uint8_t buf[256];
	size_t n;

	sp_announce(&sp, "10.0.0.0/8", 7);
	sp_announce(&sp, "11.0.0.0/8", 7);
	until(s, strcmp(route(s, "11.0.0.1"), "7") == 0);
	n = make_update(buf, sizeof(buf), path, 2, "10.0.0.0/8", false);
	buf[26] = 9; /* ORIGIN */
	sp_send(&sp, buf, n);
	until(s, look(s)->counters[BGP_C_TREAT_AS_WITHDRAW] == 1);
	is(s, "10.0.0.1", "none");
	is(s, "11.0.0.1", "7");
	cr_assert(s->info.up);
	buf[26] = 0;
	buf[n - 2] = 33; /* the prefix length */
	sp_send(&sp, buf, n);
	sp_expect_notification(s, &sp, BGP_N_UPDATE, BGP_N_UPD_NETWORK);
	look(s);
	cr_assert(!s->info.up);
	cr_assert_eq(s->info.counters[BGP_C_SESSION_RESET], 1);
	is(s, "11.0.0.1", "7 stale");
	cr_assert_str_eq(s->info.last_out.text,
			 "UPDATE Message Error/Invalid Network Field");
	(void)close(sp.fd);
	side_free(s);
}

/* What an OPEN may get as an answer. */
Test(bgp_session, open_refused)
{
	static const struct {
		uint32_t asn, id;
		bool mp4;
		uint8_t subcode;
	} t[] = {
		{65002, 0x0a000002, true, BGP_N_OPEN_PEER_AS},
		{LOCAL_AS, 0x0a000001, true, BGP_N_OPEN_ID},
		{LOCAL_AS, 0x0a000002, false, BGP_N_OPEN_CAP},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct side *s = side_new(0x0a000001);
		uint8_t msg[BGP_MSG_MAX];
		struct speaker sp;

		s->cfg.passive = true;
		s->cfg.remote_as = LOCAL_AS;
		s->cfg.families[FAMILY_IP6] = false;
		side_listen(s);
		side_apply(s);
		sp_init(&sp, dial("127.0.0.1", s->port));
		sp.open.asn = t[i].asn;
		sp.open.router_id = t[i].id;
		sp.open.mp[FAMILY_IP4] = t[i].mp4;
		sp_expect(s, &sp, BGP_OPEN, msg);
		sp_open(&sp);
		sp_expect_notification(s, &sp, BGP_N_OPEN, t[i].subcode);
		cr_assert_eq(look(s)->counters[BGP_C_ESTABLISHED], 0);
		(void)close(sp.fd);
		side_free(s);
	}
}

/* Messages at the wrong time, and bytes that are none. */
Test(bgp_session, garbage)
{
	struct side *s = side_new(0x0a000001);
	uint8_t buf[64];
	struct speaker sp;

	s->cfg.passive = true;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_keepalive(&sp); /* before OPEN */
	sp_expect_notification(s, &sp, BGP_N_FSM, 1);
	(void)close(sp.fd);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_open(&sp);
	sp_open(&sp);
	sp_expect_notification(s, &sp, BGP_N_FSM, 2);
	(void)close(sp.fd);
	sp_init(&sp, dial("127.0.0.1", s->port));
	memset(buf, 'x', sizeof(buf));
	sp_send(&sp, buf, sizeof(buf));
	sp_expect_notification(s, &sp, BGP_N_HEADER, BGP_N_HDR_SYNC);
	(void)close(sp.fd);
	sp_init(&sp, dial("127.0.0.1", s->port));
	memset(buf, 0xff, 16);
	buf[16] = 0x10;
	buf[17] = 0x01; /* 4097: one too long */
	buf[18] = BGP_UPDATE;
	sp_send(&sp, buf, BGP_HDR_LEN);
	sp_expect_notification(s, &sp, BGP_N_HEADER, BGP_N_HDR_LENGTH);
	cr_assert_eq(look(s)->counters[BGP_C_SESSION_RESET], 4);
	(void)close(sp.fd);
	side_free(s);
}

/* Both directions at once: the connection of the higher identifier stays. */
static void collide(uint32_t his_id, bool ours_stays)
{
	struct side *s = side_new(0x0a000005);
	uint8_t msg[BGP_MSG_MAX];
	struct speaker in, out;
	int lfd = listener(&s->cfg.port), fd;

	side_listen(s);
	side_apply(s);
	until(s, (fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	sp_init(&out, fd); /* which the side opened */
	sp_init(&in, dial("127.0.0.1", s->port));
	in.open.router_id = out.open.router_id = his_id;
	sp_expect(s, &out, BGP_OPEN, msg);
	sp_expect(s, &in, BGP_OPEN, msg);
	sp_open(&in);
	sp_expect(s, &in, BGP_KEEPALIVE, msg);
	sp_open(&out);
	sp_expect_notification(s, ours_stays ? &in : &out, BGP_N_CEASE,
			       BGP_N_CEASE_COLLISION);
	sp_keepalive(ours_stays ? &out : &in);
	until(s, look(s)->up);
	cr_assert_eq(s->info.counters[BGP_C_COLLISIONS], 1);
	cr_assert_eq(s->info.counters[BGP_C_FLAPS], 0);
	cr_assert_eq(s->info.remote_port == s->cfg.port, ours_stays);
	(void)close(in.fd);
	(void)close(out.fd);
	(void)close(lfd);
	side_free(s);
}

Test(bgp_session, collision)
{
	collide(0x0a000002, true);
	collide(0x0a000009, false);
}

/* Two of ours, both connecting and both listening, with MD5. */
static void pair(const char *key_a, const char *key_b, bool meet)
{
	struct side *a = side_new(0x0a000001), *b = side_new(0x0a000002);

	side_listen(a);
	side_listen(b);
	a->cfg.port = b->port;
	b->cfg.port = a->port;
	a->cfg.connect_retry_s = b->cfg.connect_retry_s = 1;
	b->local.asn = REMOTE_AS;
	b->cfg.remote_as = LOCAL_AS;
	(void)strcpy(a->cfg.md5, key_a);
	(void)strcpy(b->cfg.md5, key_b);
	side_apply(a);
	side_apply(b);
	if (meet) {
		until(a, (turn(b), look(a)->up && look(b)->up));
		cr_assert_eq(a->info.remote_as, REMOTE_AS);
		until(a, (turn(b), look(a)->family[FAMILY_IP6].eor &&
					   look(b)->family[FAMILY_IP6].eor));
	} else {
		until(a,
		      (turn(b), look(a)->counters[BGP_C_CONNECT_FAILED] > 0));
		cr_assert_eq(a->info.counters[BGP_C_ACCEPTED], 0);
		cr_assert_eq(look(b)->counters[BGP_C_ACCEPTED], 0);
	}
	side_free(a);
	side_free(b);
}

Test(bgp_session, two_of_ours)
{
	pair("", "", true);
}

Test(bgp_session, md5)
{
	pair("correct horse", "correct horse", true);
	pair("correct horse", "battery staple", false);
	pair("correct horse", "", false);
}

/* GTSM (RFC 5082): both ends send with TTL 255 and insist on it. */
Test(bgp_session, ttl_security)
{
	struct side *a = side_new(0x0a000001), *b = side_new(0x0a000002);

	side_listen(b);
	a->cfg.port = b->port;
	a->cfg.connect_retry_s = 1;
	b->cfg.passive = true;
	b->local.asn = REMOTE_AS;
	b->cfg.remote_as = LOCAL_AS;
	b->cfg.ttl_security = 1;
	side_apply(b);
	side_apply(a); /* sends with TTL 1: not heard */
	until(a, (turn(b), look(b)->counters[BGP_C_ACCEPTED] > 0));
	for (unsigned i = 0; i < 200; i++, turn(b))
		turn(a);
	cr_assert_eq(look(b)->counters[BGP_C_ESTABLISHED], 0);
	a->cfg.ttl_security = 1;
	side_apply(a);
	until(a, (turn(b), look(a)->up && look(b)->up));
	side_free(a);
	side_free(b);
}

Test(bgp_session, add_path)
{
	struct side *s = side_new(0x0a000001);
	uint8_t buf[256], one[256];
	uint32_t path[] = {REMOTE_AS, 7};
	struct speaker sp;
	size_t n;

	s->cfg.passive = true;
	s->cfg.add_path = true;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp.open.add_path[FAMILY_IP4] = BGP_ADD_PATH_SEND;
	sp_handshake(s, &sp);
	cr_assert(look(s)->family[FAMILY_IP4].add_path);
	cr_assert(!s->info.family[FAMILY_IP6].add_path);
	/* The same prefix with two identifiers: 4 bytes before the /8. */
	n = make_update(buf, sizeof(buf), path, 2, "10.0.0.0/8", false);
	memcpy(one, buf, n);
	for (uint8_t id = 1; id <= 2; id++) {
		memcpy(buf, one, n - 2);
		memcpy(buf + n - 2, (const uint8_t[]){0, 0, 0, id}, 4);
		memcpy(buf + n + 2, one + n - 2, 2);
		buf[17] = (uint8_t)(n + 4);
		sp_send(&sp, buf, n + 4);
	}
	until(s, look(s)->family[FAMILY_IP4].paths == 2);
	cr_assert_eq(rib_prefixes(s->rib, FAMILY_IP4), 1);
	n = make_update(buf, sizeof(buf), NULL, 0, "10.0.0.0/8", true);
	memcpy(one, buf, n);
	memcpy(buf + 21, (const uint8_t[]){0, 0, 0, 1}, 4);
	memcpy(buf + 25, one + 21, n - 21);
	buf[17] = (uint8_t)(n + 4);
	buf[20] = 6; /* withdrawn length */
	sp_send(&sp, buf, n + 4);
	until(s, look(s)->family[FAMILY_IP4].paths == 1);
	is(s, "10.0.0.1", "7");
	(void)close(sp.fd);
	side_free(s);
}

/* The prefixes of one UPDATE in whatever order, and some twice. */
Test(bgp_session, prefixes_in_no_order)
{
	uint32_t path[] = {REMOTE_AS, 7};
	uint8_t buf[BGP_MSG_MAX];
	struct speaker sp;
	struct side *s = up(&sp);
	struct wr w = wr_init(buf, sizeof(buf));
	char text[32];

	w.p += make_update(buf, sizeof(buf), path, 2, "10.0.0.0/8", false);
	for (unsigned i = 0; i < 400; i++) {
		wr_u8(&w, 24);
		wr_be16(&w, 11u << 8);
		wr_u8(&w, (uint8_t)(i * 97 % 200));
	}
	wr_patch_be16(&w, 16, wr_len(&w));
	sp_send(&sp, buf, wr_len(&w));
	until(s, look(s)->counters[BGP_C_ANNOUNCED] == 401);
	cr_assert_eq(s->info.family[FAMILY_IP4].paths, 201);
	cr_assert_eq(rib_prefixes(s->rib, FAMILY_IP4), 201);
	for (unsigned i = 0; i < 256; i++) {
		(void)snprintf(text, sizeof(text), "11.0.%u.9", i);
		is(s, text, i < 200 ? "7" : "none");
	}
	(void)close(sp.fd);
	side_free(s);
}

/* Each prefix of an UPDATE keeps the identifier that it came with. */
Test(bgp_session, add_path_in_no_order)
{
	static const uint8_t nlri[] = {
		0, 0, 0, 9, 8, 12, /* id 9: 12.0.0.0/8 */
		0, 0, 0, 0, 8, 11, /* id 0: 11.0.0.0/8 */
		0, 0, 0, 0, 8, 13, /* id 0: 13.0.0.0/8 */
		0, 0, 0, 4, 8, 14, /* id 4: 14.0.0.0/8 */
	};
	static const struct {
		uint8_t net, id;
	} has[] = {{11, 0}, {12, 9}, {13, 0}, {14, 4}};
	uint32_t path[] = {REMOTE_AS, 7};
	struct side *s = side_new(0x0a000001);
	uint8_t buf[256];
	struct speaker sp;
	struct wr w;

	s->cfg.passive = true;
	s->cfg.add_path = true;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp.open.add_path[FAMILY_IP4] = BGP_ADD_PATH_SEND;
	sp_handshake(s, &sp);
	w = wr_init(buf, sizeof(buf));
	w.p += make_update(buf, sizeof(buf), path, 2, "10.0.0.0/8", false) - 2;
	wr_copy(&w, nlri, sizeof(nlri));
	wr_patch_be16(&w, 16, wr_len(&w));
	sp_send(&sp, buf, wr_len(&w));
	until(s, look(s)->counters[BGP_C_ANNOUNCED] == 4);
	for (size_t i = 0; i < 4; i++) {
		struct prefix p = {(uint64_t)has[i].net << 56, 0, 8, 0};
		int src = 0;

		while (!rib_source_get(s->rib, src))
			src++;
		cr_assert_eq(rib_withdraw(s->rib, src, &p, has[i].id + 1u),
			     -ENOENT);
		cr_assert_eq(rib_withdraw(s->rib, src, &p, has[i].id), 0);
	}
	cr_assert_eq(rib_prefixes(s->rib, FAMILY_IP4), 0);
	(void)close(sp.fd);
	side_free(s);
}

/* RFC 8654: 60,000 bytes in one UPDATE, only where both sides said so. */
Test(bgp_session, extended_message)
{
	static uint8_t buf[65535];
	uint32_t path[] = {REMOTE_AS, 7};
	struct side *s = side_new(0x0a000001);
	struct speaker sp;
	struct wr w;

	s->cfg.passive = true;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp.open.caps |= BGP_CAP_EXT_MSG;
	sp_handshake(s, &sp);
	w = wr_init(buf, sizeof(buf));
	w.p += make_update(buf, sizeof(buf), path, 2, "10.0.0.0/8", false);
	for (unsigned i = 0; i < 15000; i++)
		wr_be32(&w, 24u << 24 | 11u << 16 | i);
	wr_patch_be16(&w, 16, wr_len(&w));
	sp_send(&sp, buf, wr_len(&w));
	until(s, look(s)->family[FAMILY_IP4].paths == 15001);
	is(s, "11.58.151.1", "7");
	(void)close(sp.fd);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_handshake(s, &sp);
	sp_send(&sp, buf, wr_len(&w));
	sp_expect_notification(s, &sp, BGP_N_HEADER, BGP_N_HDR_LENGTH);
	(void)close(sp.fd);
	side_free(s);
}

/* Asks, n times; false when it was not heard to the end. */
static bool sp_ask(struct speaker *sp, unsigned n)
{
	uint8_t buf[32];
	size_t len = bgp_refresh_encode(FAMILY_IP4, BGP_REFRESH_REQUEST, buf,
					sizeof(buf));

	while (n-- > 0) {
		if (send(sp->fd, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
			return false;
	}
	return true;
}

/* A neighbour that asks and never reads the answers: what we keep for it is
 * bounded, and the send-hold timer ends it. */
Test(bgp_session, neighbour_does_not_read)
{
	struct side *s = side_new(0x0a000001);
	const int one = 1;
	struct speaker sp;

	bgp_peerset_time_scale(s->set, 2);
	s->cfg.passive = true;
	s->cfg.hold_time_s = 0;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	(void)setsockopt(sp.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	sp_handshake(s, &sp);
	/* no more than the queue holds, in one turn */
	for (uint64_t asked = 0; look(s)->out_queue == 0; asked += 50) {
		cr_assert(sp_ask(&sp, 50));
		until(s,
		      look(s)->out_queue > 0 ||
			      s->info.msgs_in[BGP_ROUTE_REFRESH] >= asked + 50);
	}
	until(s, !look(s)->up);
	cr_assert_eq(s->info.counters[BGP_C_SEND_HOLD_EXPIRED], 1);
	cr_assert_eq(s->info.counters[BGP_C_OUT_FULL], 0);
	(void)close(sp.fd);
	side_free(s);
}

/* … and one that goes on asking: closed, rather than answered with gaps. */
Test(bgp_session, neighbour_asks_and_does_not_read)
{
	struct side *s = side_new(0x0a000001);
	struct speaker sp;

	s->cfg.passive = true;
	side_listen(s);
	side_apply(s);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp_handshake(s, &sp);
	sp_announce(&sp, "10.0.0.0/8", 7);
	until(s, strcmp(route(s, "10.0.0.1"), "7") == 0);
	for (struct mono begin = mono_now(); look(s)->up;) {
		(void)sp_ask(&sp, 1000);
		cr_assert_leq(s->info.out_queue, 8192);
		cr_assert_lt(mono_diff_ns(begin, mono_now()), 2 * GIVE_UP_NS);
		turn(s);
	}
	cr_assert_eq(s->info.counters[BGP_C_OUT_FULL], 1);
	cr_assert_eq(s->info.counters[BGP_C_SEND_HOLD_EXPIRED], 0);
	cr_assert_eq(s->info.counters[BGP_C_FLAPS], 1);
	cr_assert_not_null(strstr(s->info.last_error, "does not read"));
	is(s, "10.0.0.1", "7 stale");
	(void)close(sp.fd);
	side_free(s);
}

Test(bgp_session, reload)
{
	struct speaker sp;
	struct side *s = up(&sp);
	struct bgp_peer_cfg two[2] = {s->cfg, s->cfg};
	struct bgp_set_info info;
	uint8_t msg[BGP_MSG_MAX];

	sp_announce(&sp, "10.0.0.0/8", 7);
	until(s, strcmp(route(s, "10.0.0.1"), "7") == 0);
	/* Refused as a whole: twice the same neighbour, a bad one. */
	cr_assert_eq(bgp_peerset_apply(s->set, &s->local, two, 2), -EINVAL);
	cr_assert_eq(addr_parse("127.0.0.9", &two[1].addr), 0);
	two[1].hold_time_s = 2;
	cr_assert_eq(bgp_peerset_apply(s->set, &s->local, two, 2), -EINVAL);
	bgp_peerset_info(s->set, &info);
	cr_assert_eq(info.peers, 1);
	/* A second one, other names and limits: the first is not touched. */
	two[1].hold_time_s = 90;
	(void)strcpy(two[0].name, "transit");
	two[0].max_prefixes = 5;
	two[0].stale_time_s = 7;
	cr_assert_eq(bgp_peerset_apply(s->set, &s->local, two, 2), 0);
	bgp_peerset_info(s->set, &info);
	cr_assert_eq(info.peers, 2);
	cr_assert_eq(info.established, 1);
	/* A change that matters: Cease, routes stay. */
	two[0].hold_time_s = 60;
	cr_assert_eq(bgp_peerset_apply(s->set, &s->local, two, 1), 0);
	sp_expect_notification(s, &sp, BGP_N_CEASE, BGP_N_CEASE_CONFIG);
	is(s, "10.0.0.1", "7 stale");
	cr_assert_str_eq(look(s)->name, "transit");
	(void)close(sp.fd);
	sp_again(s, &sp);
	cr_assert_eq(look(s)->hold_time_s, 60);
	/* Gone: Cease, routes out. */
	cr_assert_eq(bgp_peerset_apply(s->set, &s->local, NULL, 0), 0);
	sp_expect(s, &sp, BGP_NOTIFICATION, msg);
	cr_assert_eq(msg[20], BGP_N_CEASE_DECONFIGURED);
	is(s, "10.0.0.1", "none");
	(void)close(sp.fd);
	side_free(s);
}

Test(bgp_session, refresh)
{
	struct speaker sp;
	struct side *s = up(&sp);
	struct addr other;
	uint8_t msg[BGP_MSG_MAX], buf[32];

	sp_announce(&sp, "10.1.0.0/16", 1);
	sp_announce(&sp, "10.2.0.0/16", 2);
	until(s, look(s)->family[FAMILY_IP4].paths == 2);
	cr_assert_eq(bgp_peerset_refresh(s->set, &s->cfg.addr), 0);
	sp_expect(s, &sp, BGP_ROUTE_REFRESH, msg);
	cr_assert_eq(addr_parse("192.0.2.1", &other), 0);
	cr_assert_eq(bgp_peerset_refresh(s->set, &other), -ENOENT);
	sp_send(&sp, buf,
		bgp_refresh_encode(FAMILY_IP4, BGP_REFRESH_BEGIN, buf, 32));
	until(s, strcmp(route(s, "10.1.0.1"), "1 stale") == 0);
	sp_announce(&sp, "10.1.0.0/16", 1);
	sp_send(&sp, buf,
		bgp_refresh_encode(FAMILY_IP4, BGP_REFRESH_END, buf, 32));
	until(s, strcmp(route(s, "10.2.0.1"), "none") == 0);
	is(s, "10.1.0.1", "1");
	/* A request of his: we begin and end an empty table. */
	sp_send(&sp, buf,
		bgp_refresh_encode(FAMILY_IP6, BGP_REFRESH_REQUEST, buf, 32));
	do
		sp_expect(s, &sp, BGP_ROUTE_REFRESH, msg);
	while (msg[21] != BGP_REFRESH_END);
	(void)close(sp.fd);
	side_free(s);
}

static void sp_refresh(struct speaker *sp, enum family f, uint8_t kind)
{
	uint8_t buf[32];

	sp_send(sp, buf, bgp_refresh_encode(f, kind, buf, sizeof(buf)));
}

/* RFC 7313 4: END without BEGIN, of that family, is ignored; and BEGIN before
 * the End-of-RIB that was promised. */
Test(bgp_session, refresh_out_of_turn)
{
	struct speaker sp;
	struct side *s = up(&sp);
	struct bgp_open open;

	sp_announce(&sp, "10.1.0.0/16", 1);
	sp_announce(&sp, "10.2.0.0/16", 2);
	until(s, look(s)->family[FAMILY_IP4].paths == 2);
	(void)close(sp.fd);
	until(s, !look(s)->up);
	open = sp.open;
	sp_again(s, &sp);
	sp_refresh(&sp, FAMILY_IP6, BGP_REFRESH_BEGIN);
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_END);
	until(s, look(s)->msgs_in[BGP_ROUTE_REFRESH] == 2);
	is(s, "10.1.0.1", "1 stale");
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_BEGIN);
	sp_announce(&sp, "10.1.0.0/16", 1);
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_END);
	until(s, look(s)->msgs_in[BGP_ROUTE_REFRESH] == 4);
	is(s, "10.1.0.1", "1");
	is(s, "10.2.0.1", "none");
	/* A BEGIN does not outlive its session. */
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_BEGIN);
	until(s, look(s)->msgs_in[BGP_ROUTE_REFRESH] == 5);
	(void)close(sp.fd);
	until(s, !look(s)->up);
	sp_init(&sp, dial("127.0.0.1", s->port));
	sp.open = open;
	sp.open.caps |= BGP_CAP_GR;
	sp.open.gr_time_s = 120;
	sp.open.gr[FAMILY_IP4] = true;
	sp_handshake(s, &sp);
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_END);
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_BEGIN);
	sp_refresh(&sp, FAMILY_IP4, BGP_REFRESH_END);
	until(s, look(s)->msgs_in[BGP_ROUTE_REFRESH] == 8);
	is(s, "10.1.0.1", "1 stale");
	sp_eor(&sp, FAMILY_IP4);
	until(s, strcmp(route(s, "10.1.0.1"), "none") == 0);
	(void)close(sp.fd);
	side_free(s);
}

Test(bgp_session, stop)
{
	struct speaker sp;
	struct side *s = up(&sp);
	uint8_t msg[BGP_MSG_MAX];

	sp_announce(&sp, "10.0.0.0/8", 7);
	until(s, strcmp(route(s, "10.0.0.1"), "7") == 0);
	bgp_peerset_stop(s->set, BGP_STOP_SHUTDOWN, "upgrade");
	cr_assert_eq(sp_expect(s, &sp, BGP_NOTIFICATION, msg), 21 + 8);
	cr_assert_eq(msg[20], BGP_N_CEASE_SHUTDOWN);
	cr_assert_eq(memcmp(msg + 22, "upgrade", 7), 0);
	is(s, "10.0.0.1", "7 stale");
	(void)close(sp.fd);
	side_free(s);
	/* To come back at once: silently. */
	s = up(&sp);
	bgp_peerset_stop(s->set, BGP_STOP_RESTART, NULL);
	sp_expect_close(s, &sp);
	(void)close(sp.fd);
	side_free(s);
}

/* A NOTIFICATION from the neighbour is kept for display. */
Test(bgp_session, notification_is_shown)
{
	static const uint8_t data[] = {2, 'h', 'i'};
	struct speaker sp;
	struct side *s = up(&sp);
	uint8_t buf[64];

	sp_send(&sp, buf,
		bgp_notification_encode(BGP_N_CEASE, BGP_N_CEASE_SHUTDOWN, data,
					sizeof(data), buf, sizeof(buf)));
	until(s, !look(s)->up);
	cr_assert_str_eq(s->info.last_in.text,
			 "Cease/Administrative Shutdown: hi");
	cr_assert_eq(s->info.msgs_in[BGP_NOTIFICATION], 1);
	cr_assert_not_null(strstr(s->info.last_error, "hi"));
	(void)close(sp.fd);
	side_free(s);
}

/* A neighbour that promises no End-of-RIB: quiet will do. */
Test(bgp_session, table_complete_without_end_of_rib)
{
	struct speaker sp;
	struct side *s = up(&sp);

	sp_announce(&sp, "10.0.0.0/8", 7);
	until(s, s->complete[FAMILY_IP4] == 1);
	cr_assert(!look(s)->family[FAMILY_IP4].eor);
	cr_assert_eq(s->complete[FAMILY_IP6], 0);
	(void)close(sp.fd);
	side_free(s);
}
