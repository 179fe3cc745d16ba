/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transit provider's BGP speaker: accepts one eBGP session after the other
 * and announces the whole table of libloc's database, each prefix with its
 * real origin AS, IPv4 and IPv6, End-of-RIB behind each family.
 *
 *   bgpfeed [-d DATABASE] [-n MAX] [-p OWN-PREFIX]... [-t TOGGLED-PREFIX] [-x]
 *           [-c TO[:PORT]] -a LOCAL-AS -l ADDR[:PORT] -6 NEXT-HOP6
 *
 * ADDR is the IPv4 next hop as well. Prefixes of one origin AS share their
 * UPDATE messages. Prints "sent N4 ipv4 N6 ipv6 in S s from T" per session; T
 * is the monotonic clock at the first UPDATE.
 *
 * -c: connects to that address, again and again, instead of waiting for a
 * neighbour that waits longer with each session that was short.
 *
 * -t: announced by the local AS with the first SIGUSR1, withdrawn with the
 * second, and so on. SIGHUP: the session ends; the next one gets the table
 * again. -x: a request for a route refresh follows the last End-of-RIB; the
 * neighbour's answer (RFC 7313: that it begins now) says that it has got there:
 * "read in S s". A session that ends before that ends the process, too, with an
 * error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mono.h"
#include "route/loc.h"

#define MSG_MAX   4096
#define BUF_LEN   (256u << 10)
#define HOLD_TIME 240
#define OWN_MAX   16

#define REFRESH_REQUEST 0
#define REFRESH_BEGIN   1

enum { MSG_OPEN = 1, MSG_UPDATE = 2, MSG_KEEPALIVE = 4, MSG_REFRESH = 5 };

struct table {
	struct loc_entry *v;
	size_t n, cap, max;
};

struct feed {
	uint32_t as;
	struct in_addr nh4;
	struct in6_addr nh6;
	int fd;
	uint8_t *buf; /* not yet sent */
	size_t used;
	struct loc_entry toggled; /* asn 0: none */
	bool announced;
	bool until_read; /* -x */
};

static volatile sig_atomic_t toggle, hang_up;

static void on_toggle(int sig)
{
	(void)sig;
	toggle = 1;
}

static void on_hang_up(int sig)
{
	(void)sig;
	hang_up = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ------------------------------------------------------------- the table */

static int table_add(void *ctx, const struct loc_entry *e, size_t n)
{
	struct table *t = ctx;

	for (size_t i = 0; i < n; i++) {
		if (t->max && t->n == t->max)
			return 0;
		if (t->n == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 1u << 20;
			t->v = realloc(t->v, t->cap * sizeof(*t->v));
			if (!t->v)
				die("realloc");
		}
		t->v[t->n++] = e[i];
	}
	return 0;
}

static int table_cmp(const void *a, const void *b)
{
	const struct loc_entry *x = a, *y = b;

	if (x->prefix.family != y->prefix.family)
		return x->prefix.family < y->prefix.family ? -1 : 1;
	return x->asn < y->asn ? -1 : x->asn > y->asn;
}

/* --------------------------------------------------------------- writing */

static uint8_t *put8(uint8_t *p, unsigned v)
{
	*p = (uint8_t)v;
	return p + 1;
}

static uint8_t *put16(uint8_t *p, size_t v)
{
	return put8(put8(p, (unsigned)(v >> 8) & 0xff), (unsigned)v & 0xff);
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

static bool feed_flush(struct feed *f)
{
	for (size_t off = 0; off < f->used;) {
		ssize_t n =
			send(f->fd, f->buf + off, f->used - off, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		off += (size_t)n;
	}
	f->used = 0;
	return true;
}

/* Room for one message; its header is written by feed_end(). */
static uint8_t *feed_begin(struct feed *f)
{
	if (f->used + MSG_MAX > BUF_LEN && !feed_flush(f))
		return NULL;
	return f->buf + f->used + 19;
}

static void feed_end(struct feed *f, unsigned type, const uint8_t *end)
{
	uint8_t *m = f->buf + f->used;
	size_t len = (size_t)(end - m);

	memset(m, 0xff, 16);
	put8(put16(m + 16, len), type);
	f->used += len;
}

static bool feed_open(struct feed *f, uint32_t router_id)
{
	static const uint8_t caps[] = {
		2,  22,             /* parameter: capabilities */
		1,  4,  0, 1, 0, 1, /* IPv4 unicast */
		1,  4,  0, 2, 0, 1, /* IPv6 unicast */
		65, 4,  0, 0, 0, 0, /* four-octet AS numbers */
		2,  0,              /* route refresh */
		70, 0,              /* … enhanced: says where it begins */
	};
	uint8_t *p = feed_begin(f);

	if (!p)
		return false;
	p = put8(p, 4);
	p = put16(p, f->as > 0xffff ? 23456 : f->as);
	p = put16(p, HOLD_TIME);
	p = put32(p, router_id);
	p = put8(p, sizeof(caps));
	memcpy(p, caps, sizeof(caps));
	put32(p + 16, f->as);
	feed_end(f, MSG_OPEN, p + sizeof(caps));
	return feed_flush(f);
}

static bool feed_keepalive(struct feed *f)
{
	uint8_t *p = feed_begin(f);

	if (!p)
		return false;
	feed_end(f, MSG_KEEPALIVE, p);
	return feed_flush(f);
}

static size_t nlri_len(const struct prefix *p)
{
	return 1 + (p->len + 7u) / 8;
}

static uint8_t *put_nlri(uint8_t *b, const struct prefix *p)
{
	size_t n = nlri_len(p) - 1;

	b = put8(b, p->len);
	for (size_t i = 0; i < n; i++)
		b = put8(b, (unsigned)((i < 8 ? p->hi >> (56 - 8 * i)
					      : p->lo >> (120 - 8 * i)) &
				       0xff));
	return b;
}

/* ORIGIN and AS_PATH: us, an AS in between for every other origin, the
 * origin. */
static uint8_t *put_path(const struct feed *f, uint8_t *p, uint32_t origin)
{
	bool far = origin % 2 && origin != f->as;
	unsigned hops = origin == f->as ? 1 : far ? 3 : 2;

	p = put8(put8(put8(put8(p, 0x40), 1), 1), 0); /* ORIGIN: IGP */
	p = put8(put8(put8(p, 0x40), 2), 2 + hops * 4);
	p = put8(put8(p, 2), hops);
	p = put32(p, f->as);
	if (far)
		p = put32(p, 3356);
	if (hops > 1)
		p = put32(p, origin);
	return p;
}

/* One UPDATE with as many of the n entries (one family, one origin) as fit;
 * the number taken, 0 when the session is gone. */
static size_t feed_update4(struct feed *f, const struct loc_entry *e, size_t n)
{
	uint8_t *start = feed_begin(f), *p, *attrs;
	const uint8_t *limit;
	size_t i;

	if (!start)
		return 0;
	limit = start - 19 + MSG_MAX;
	p = attrs = put16(start, 0) + 2;
	p = put_path(f, p, e->asn);
	p = put8(put8(put8(p, 0x40), 3), 4); /* NEXT_HOP */
	memcpy(p, &f->nh4, 4);
	p += 4;
	put16(attrs - 2, (size_t)(p - attrs));
	for (i = 0; i < n && p + nlri_len(&e[i].prefix) <= limit; i++)
		p = put_nlri(p, &e[i].prefix);
	feed_end(f, MSG_UPDATE, p);
	return i;
}

static size_t feed_update6(struct feed *f, const struct loc_entry *e, size_t n)
{
	uint8_t *start = feed_begin(f), *p, *attrs, *mp;
	const uint8_t *limit;
	size_t i;

	if (!start)
		return 0;
	limit = start - 19 + MSG_MAX;
	p = attrs = put16(start, 0) + 2;
	p = put_path(f, p, e->asn);
	mp = put8(put8(p, 0x90), 14) + 2; /* MP_REACH_NLRI */
	p = put8(put16(mp, 2), 1);
	p = put8(p, 16);
	memcpy(p, &f->nh6, 16);
	p = put8(p + 16, 0);
	for (i = 0; i < n && p + nlri_len(&e[i].prefix) <= limit; i++)
		p = put_nlri(p, &e[i].prefix);
	put16(mp - 2, (size_t)(p - mp));
	put16(attrs - 2, (size_t)(p - attrs));
	feed_end(f, MSG_UPDATE, p);
	return i;
}

/* Only IPv4: the way of all others. */
static bool feed_toggle(struct feed *f)
{
	uint8_t *p;

	toggle = 0;
	f->announced = !f->announced;
	if (f->announced)
		return feed_update4(f, &f->toggled, 1) && feed_flush(f);
	p = feed_begin(f);
	if (!p)
		return false;
	p = put16(p, nlri_len(&f->toggled.prefix));
	p = put16(put_nlri(p, &f->toggled.prefix), 0);
	feed_end(f, MSG_UPDATE, p);
	return feed_flush(f);
}

static bool feed_end_of_rib(struct feed *f, enum family family)
{
	uint8_t *p = feed_begin(f);

	if (!p)
		return false;
	p = put16(p, 0);
	if (family == FAMILY_IP4) {
		p = put16(p, 0);
	} else {
		p = put16(p, 6);
		p = put8(put8(put8(p, 0x80), 15), 3); /* MP_UNREACH_NLRI */
		p = put8(put16(p, 2), 1);
	}
	feed_end(f, MSG_UPDATE, p);
	return feed_flush(f);
}

/* --------------------------------------------------------------- reading */

/* Reads and throws away whatever came; false when the peer is gone. Only the
 * wait lets signals in: one that comes before it ends it at once. */
static bool feed_drain(struct feed *f, time_t timeout_s)
{
	const struct timespec timeout = {.tv_sec = timeout_s};
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	static uint8_t trash[65536];
	sigset_t none;

	(void)sigemptyset(&none);
	if (ppoll(&p, 1, &timeout, timeout_s ? &none : NULL) <= 0)
		return true;
	return recv(f->fd, trash, sizeof(trash), 0) > 0;
}

/* The next message, whole; its type, 0 when the peer is gone. */
static unsigned feed_read(struct feed *f, uint8_t body[MSG_MAX])
{
	uint8_t head[19];
	size_t len;

	if (recv(f->fd, head, sizeof(head), MSG_WAITALL) !=
	    (ssize_t)sizeof(head))
		return 0;
	len = (size_t)head[16] << 8 | head[17];
	if (len < sizeof(head) || len > MSG_MAX)
		return 0;
	len -= sizeof(head);
	if (len && recv(f->fd, body, len, MSG_WAITALL) != (ssize_t)len)
		return 0;
	return head[18];
}

static bool feed_table(struct feed *f, const struct table *t,
		       size_t ret_n[FAMILIES])
{
	enum family last = FAMILY_IP4;

	for (size_t i = 0; i < t->n;) {
		const struct loc_entry *e = &t->v[i];
		enum family family = (enum family)e->prefix.family;
		size_t run = 1, took;

		if (family != last && !feed_end_of_rib(f, last))
			return false;
		last = family;
		while (i + run < t->n && t->v[i + run].asn == e->asn &&
		       e[run].prefix.family == e->prefix.family)
			run++;
		took = family == FAMILY_IP4 ? feed_update4(f, e, run)
					    : feed_update6(f, e, run);
		if (took == 0 || !feed_drain(f, 0))
			return false;
		ret_n[family] += took;
		i += took;
	}
	return feed_end_of_rib(f, last) &&
	       (last == FAMILY_IP6 || feed_end_of_rib(f, FAMILY_IP6));
}

static double seconds_since(struct mono t)
{
	return (double)mono_diff_ns(t, mono_now()) / 1e9;
}

/* Asks for a refresh of IPv6 and waits until it begins. */
static void feed_until_read(struct feed *f, struct mono t0)
{
	uint8_t *p = feed_begin(f), body[MSG_MAX] = {0};
	unsigned type;

	if (p) {
		p = put8(put8(put16(p, 2), REFRESH_REQUEST), 1);
		feed_end(f, MSG_REFRESH, p);
	}
	if (!p || !feed_flush(f))
		die("refresh");
	do
		type = feed_read(f, body);
	while (type == MSG_KEEPALIVE || type == MSG_UPDATE);
	if (type != MSG_REFRESH || body[1] != 2 || body[2] != REFRESH_BEGIN) {
		fprintf(stderr, "bgpfeed: the session broke: message %u\n",
			type);
		exit(1);
	}
	printf("read in %.4f s\n", seconds_since(t0));
	(void)fflush(stdout);
}

static void feed_session(struct feed *f, const struct table *t)
{
	uint8_t body[MSG_MAX];
	size_t n[FAMILIES] = {0, 0};
	struct mono t0;

	f->announced = false;
	hang_up = 0;
	if (!feed_open(f, ntohl(f->nh4.s_addr)) ||
	    feed_read(f, body) != MSG_OPEN || !feed_keepalive(f))
		return;
	t0 = mono_now();
	if (!feed_table(f, t, n))
		return;
	printf("sent %zu ipv4 %zu ipv6 in %.2f s from %.6f\n", n[FAMILY_IP4],
	       n[FAMILY_IP6], seconds_since(t0), (double)t0.ns / 1e9);
	(void)fflush(stdout);
	if (f->until_read)
		feed_until_read(f, t0);
	for (struct mono last = mono_now();;) {
		if (!feed_drain(f, 5) || hang_up)
			return;
		if (toggle && f->toggled.asn && !feed_toggle(f))
			return;
		if (mono_diff_ns(last, mono_now()) > 30 * NSEC_PER_SEC) {
			if (!feed_keepalive(f))
				return;
			last = mono_now();
		}
	}
}

static struct sockaddr_in parse_addr(const char *addr)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(179)};
	char buf[64];
	char *colon;

	(void)snprintf(buf, sizeof(buf), "%s", addr);
	colon = strchr(buf, ':');
	if (colon) {
		*colon = '\0';
		sin.sin_port = htons((uint16_t)atoi(colon + 1));
	}
	if (inet_pton(AF_INET, buf, &sin.sin_addr) != 1) {
		fprintf(stderr, "bgpfeed: bad address %s\n", addr);
		exit(2);
	}
	return sin;
}

static int feed_bind(struct sockaddr_in sin)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die("bind");
	return fd;
}

static int feed_connect(struct sockaddr_in from, const struct sockaddr_in *to)
{
	const struct timespec wait = {.tv_nsec = 200000000};
	int fd;

	from.sin_port = 0;
	fd = feed_bind(from);
	if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		return fd;
	close(fd);
	(void)nanosleep(&wait, NULL);
	return -1;
}

int main(int argc, char **argv)
{
	const char *path = LOC_DB_PATH, *addr = NULL;
	struct sockaddr_in to = {0}, from;
	struct feed f = {0};
	struct loc_entry own[OWN_MAX];
	struct table t = {0};
	struct loc_db *db;
	size_t n_own = 0;
	int opt, lfd = -1, err;
	sigset_t held;

	while ((opt = getopt(argc, argv, "c:d:n:a:l:6:p:t:x")) != -1) {
		switch (opt) {
		case 'p':
			if (n_own == OWN_MAX ||
			    prefix_parse(optarg, &own[n_own].prefix) != 0)
				return 2;
			n_own++;
			break;
		case 't':
			if (prefix_parse(optarg, &f.toggled.prefix) != 0 ||
			    f.toggled.prefix.family != FAMILY_IP4)
				return 2;
			break;
		case 'x':
			f.until_read = true;
			break;
		case 'd':
			path = optarg;
			break;
		case 'n':
			t.max = strtoul(optarg, NULL, 10);
			break;
		case 'a':
			f.as = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			addr = optarg;
			break;
		case 'c':
			to = parse_addr(optarg);
			break;
		case '6':
			(void)inet_pton(AF_INET6, optarg, &f.nh6);
			break;
		default:
			return 2;
		}
	}
	if (!addr || !f.as)
		return 2;
	(void)sigemptyset(&held);
	if (f.toggled.prefix.len) {
		f.toggled.asn = f.as;
		(void)sigaddset(&held, SIGUSR1);
		(void)signal(SIGUSR1, on_toggle);
	}
	(void)sigaddset(&held, SIGHUP);
	(void)signal(SIGHUP, on_hang_up);
	(void)sigprocmask(SIG_BLOCK, &held, NULL);
	err = loc_db_open(path, &db);
	if (!err)
		err = loc_db_walk(db, table_add, &t);
	if (err) {
		fprintf(stderr, "bgpfeed: %s: %s\n", path, strerror(-err));
		return 1;
	}
	loc_db_close(db);
	for (size_t i = 0; i < n_own; i++)
		own[i].asn = f.as;
	t.max = 0;
	(void)table_add(&t, own, n_own);
	qsort(t.v, t.n, sizeof(*t.v), table_cmp);
	f.buf = malloc(BUF_LEN);
	if (!f.buf)
		die("malloc");
	from = parse_addr(addr);
	f.nh4 = from.sin_addr;
	if (!to.sin_family) {
		lfd = feed_bind(from);
		if (listen(lfd, 4))
			die("listen");
	}
	for (;;) {
		f.fd = to.sin_family ? feed_connect(from, &to)
				     : accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if (f.fd < 0)
			continue;
		f.used = 0;
		feed_session(&f, &t);
		if (f.until_read) {
			fprintf(stderr, "bgpfeed: the session ended\n");
			return 1;
		}
		close(f.fd);
	}
}
