/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A speaker that misbehaves. Connects, opens a session, and sends updates of
 * which most are damaged: bytes changed, lengths changed, cut, or noise. When
 * the far end closes the session it opens the next one. At the end it opens a
 * clean one, announces PREFIX with origin AS 65020 and End-of-RIB, prints
 * "sent N messages in K sessions", and keeps that session until its standard
 * input ends.
 *
 *   bgp_speaker -b OWN-ADDR -c ADDR -a AS -p PREFIX4 [-n COUNT] [-s SEED]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wr.h"
#include "route/bgp_msg.h"

static struct {
	struct sockaddr_storage own, far;
	socklen_t len;
	uint32_t as;
	struct prefix prefix;
	unsigned long count, sent, sessions;
	uint64_t rand;
	int fd;
} g;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint32_t rnd(uint32_t below)
{
	g.rand ^= g.rand << 13;
	g.rand ^= g.rand >> 7;
	g.rand ^= g.rand << 17;
	return (uint32_t)(g.rand >> 32) % below;
}

/* ---- the connection */

/* False when the far end has closed. */
static bool put(const uint8_t *msg, size_t len)
{
	uint8_t trash[65536];

	while (len > 0) {
		struct pollfd p = {.fd = g.fd, .events = POLLIN | POLLOUT};
		ssize_t n;

		if (poll(&p, 1, 5000) <= 0)
			return false;
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			n = recv(g.fd, trash, sizeof(trash), MSG_DONTWAIT);
			if (n == 0 || (n < 0 && errno != EAGAIN))
				return false;
		}
		if (!(p.revents & POLLOUT))
			continue;
		n = send(g.fd, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0) {
			msg += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool session_open(void)
{
	struct bgp_open o = {.asn = g.as,
			     .router_id = 0x0a090909,
			     .hold_time_s = 90,
			     .caps = BGP_CAP_AS4,
			     .mp = {true, true}};
	uint8_t buf[256], in[4096];
	size_t n;

	if (g.fd >= 0)
		(void)close(g.fd);
	g.fd = socket(g.far.ss_family, SOCK_STREAM, 0);
	if (g.fd < 0 || bind(g.fd, (struct sockaddr *)&g.own, g.len))
		die("bind");
	if (connect(g.fd, (struct sockaddr *)&g.far, g.len))
		die("connect");
	g.sessions++;
	n = bgp_open_encode(&o, buf, sizeof(buf));
	if (send(g.fd, buf, n, MSG_NOSIGNAL) != (ssize_t)n ||
	    recv(g.fd, in, sizeof(in), 0) <= 0)
		return false;
	n = bgp_keepalive_encode(buf, sizeof(buf));
	return put(buf, n);
}

/* ---- messages */

static size_t begin(struct wr *w, uint8_t *buf, size_t size)
{
	*w = wr_init(buf, size);
	wr_fill(w, 0xff, 16);
	wr_be16(w, 0);
	wr_u8(w, BGP_UPDATE);
	wr_be16(w, 0); /* withdrawn */
	wr_be16(w, 0); /* attributes: patched */
	return wr_len(w);
}

static size_t end(struct wr *w)
{
	wr_patch_be16(w, 16, wr_len(w));
	return wr_len(w);
}

static void put_base(struct wr *w, uint32_t origin)
{
	wr_be32(w, 0x40010100);
	wr_be32(w, 0x40020a02);
	wr_u8(w, 2);
	wr_be32(w, g.as);
	wr_be32(w, origin);
	wr_be16(w, 0x4003);
	wr_u8(w, 4);
	wr_be32(w, 0x0a000002);
}

static size_t good(uint8_t *buf, size_t size, const struct prefix *p,
		   uint32_t origin)
{
	struct wr w;
	size_t at = begin(&w, buf, size);

	put_base(&w, origin);
	wr_patch_be16(&w, at - 2, wr_len(&w) - at);
	wr_u8(&w, p->len);
	for (unsigned i = 0; i < (p->len + 7u) / 8; i++)
		wr_u8(&w, (uint8_t)(p->hi >> (56 - 8 * i)));
	return end(&w);
}

/* Attributes of many kinds, prefixes of both families. */
static size_t rich(uint8_t *buf, size_t size)
{
	struct wr w;
	size_t at = begin(&w, buf, size);

	put_base(&w, 1 + rnd(60000));
	wr_be32(&w, 0x80040400); /* MED */
	wr_be32(&w, rnd(1000) << 8);
	w.p--;
	wr_be32(&w, 0xc0080800); /* communities */
	wr_be32(&w, rnd(UINT32_MAX));
	wr_be32(&w, rnd(UINT32_MAX));
	w.p--;
	wr_be32(&w, 0xc0070800); /* AGGREGATOR */
	w.p--;
	wr_be32(&w, g.as);
	wr_be32(&w, 0x0a000002);
	wr_be32(&w, 0x800e1a00); /* MP_REACH_NLRI */
	w.p--;
	wr_be16(&w, 2);
	wr_u8(&w, 1);
	wr_u8(&w, 16);
	wr_be32(&w, 0xfd000000);
	wr_fill(&w, 0, 11);
	wr_u8(&w, 2);
	wr_u8(&w, 0);
	wr_u8(&w, 32);
	wr_be32(&w, 0x20010000 | rnd(0x10000));
	wr_be32(&w, 0x800f0800); /* MP_UNREACH_NLRI */
	w.p--;
	wr_be16(&w, 2);
	wr_u8(&w, 1);
	wr_u8(&w, 32);
	wr_be32(&w, 0x20010000 | rnd(0x10000));
	wr_patch_be16(&w, at - 2, wr_len(&w) - at);
	for (unsigned i = 0; i < 4; i++) {
		wr_u8(&w, 24);
		wr_u8(&w, 11);
		wr_be16(&w, (uint16_t)rnd(0x10000));
	}
	return end(&w);
}

/* Bytes of rich(): ORIGIN begins, AGGREGATOR ends. */
#define GENTLE_FROM 23u
#define GENTLE_TO   77u

static size_t damage(uint8_t *buf, size_t len)
{
	static const uint8_t edge[] = {0, 1, 3, 4, 0x7f, 0x80, 0xff};
	unsigned kind = rnd(100);

	if (kind == 0) { /* noise instead of a header */
		for (size_t i = 0; i < BGP_HDR_LEN; i++)
			buf[i] = (uint8_t)rnd(256);
		return len;
	}
	if (kind < 3) { /* cut */
		struct wr w = wr_init(buf, len);

		len = 23 + rnd((uint32_t)len - 23);
		w.p = buf + len;
		wr_patch_be16(&w, 16, len);
	}
	/* Mostly where it can be healed: from ORIGIN to AGGREGATOR. */
	for (unsigned n = 1 + rnd(3); n > 0 && kind < 90; n--) {
		uint32_t from = kind < 10 ? 19 : GENTLE_FROM;
		uint32_t to = kind < 10 || len < GENTLE_TO ? (uint32_t)len
							   : GENTLE_TO;

		if (to <= from)
			break;
		buf[from + rnd(to - from)] =
			rnd(2) ? edge[rnd(sizeof(edge))] : (uint8_t)rnd(256);
	}
	return len;
}

static void misbehave(void)
{
	uint8_t buf[4096];

	while (g.sent < g.count) {
		if (!session_open())
			continue;
		while (g.sent < g.count) {
			size_t len = damage(buf, rich(buf, sizeof(buf)));

			g.sent++;
			if (!put(buf, len))
				break;
		}
	}
}

/* ---- */

static void address(const char *text, uint16_t port,
		    struct sockaddr_storage *ret)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(port)};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port)};

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		memcpy(ret, &sin, sizeof(sin));
		g.len = sizeof(sin);
	} else if (inet_pton(AF_INET6, text, &sin6.sin6_addr) == 1) {
		memcpy(ret, &sin6, sizeof(sin6));
		g.len = sizeof(sin6);
	} else {
		die(text);
	}
}

/* The clean session, until standard input ends. */
static void behave(void)
{
	uint8_t buf[256], trash[4096];

	for (unsigned i = 0; !session_open(); i++) {
		if (i == 100)
			die("no clean session");
		(void)usleep(10000);
	}
	(void)put(buf, good(buf, sizeof(buf), &g.prefix, 65020));
	(void)put(buf, bgp_eor_encode(FAMILY_IP4, buf, sizeof(buf)));
	(void)put(buf, bgp_eor_encode(FAMILY_IP6, buf, sizeof(buf)));
	printf("sent %lu messages in %lu sessions\n", g.sent, g.sessions);
	(void)fflush(stdout);
	for (;;) {
		struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN},
				     {.fd = g.fd, .events = POLLIN}};

		if (poll(p, 2, 500) > 0 && p[0].revents)
			return;
		if ((p[1].revents & POLLIN) &&
		    recv(g.fd, trash, sizeof(trash), 0) <= 0)
			die("the clean session was closed");
		if (!put(buf, bgp_keepalive_encode(buf, sizeof(buf))))
			die("the clean session was lost");
	}
}

int main(int argc, char **argv)
{
	int opt;

	g.fd = -1;
	g.rand = 1;
	while ((opt = getopt(argc, argv, "b:c:a:p:n:s:")) != -1) {
		if (opt == 'b')
			address(optarg, 0, &g.own);
		else if (opt == 'c')
			address(optarg, 179, &g.far);
		else if (opt == 'a')
			g.as = (uint32_t)strtoul(optarg, NULL, 10);
		else if (opt == 'p' && prefix_parse(optarg, &g.prefix) == 0)
			continue;
		else if (opt == 'n')
			g.count = strtoul(optarg, NULL, 10);
		else if (opt == 's')
			g.rand = strtoull(optarg, NULL, 10) | 1;
		else
			return 2;
	}
	misbehave();
	behave();
	return 0;
}
