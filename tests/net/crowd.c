/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet as seen from a customer: sends packets from (or, with -o, to)
 * addresses of many autonomous systems, drawn from libloc's database. An AS
 * with many prefixes is a popular one: the n-th gets a share of 1/n.
 *
 *   crowd [-o] -i IFACE -m MAC -4 PREFIX -6 PREFIX [-r PPS] [-c COUNT]
 *         [-s SEED] [-d DATABASE]
 *
 * PREFIX is the customer's side. Runs until COUNT packets or SIGTERM, then
 * prints "sent PACKETS packets IP-BYTES ip_bytes WIRE-BYTES wire_bytes".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mono.h"
#include "route/loc.h"

#define FRAMES    65536u
#define FRAME_MAX 1514u
#define BATCH     64u
#define IP6_SHARE 30u /* percent */

struct table {
	struct loc_entry *v;
	size_t n, cap;
};

struct group { /* the prefixes of one AS */
	size_t first, n;
};

/* One family: entries sorted by AS, ASes by size, and the running sum of
 * their shares. */
struct pool {
	struct loc_entry *v;
	struct group *as;
	double *sum;
	size_t n_as;
};

struct frame {
	uint16_t len;
	uint16_t ip_len;
	uint8_t b[FRAME_MAX];
};

struct crowd {
	bool out;
	struct prefix customer[FAMILIES];
	struct pool pool[FAMILIES];
	uint8_t src_mac[6], dst_mac[6];
	uint64_t rng;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* splitmix64 */
static uint64_t rnd(struct crowd *c)
{
	uint64_t z = c->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* ----------------------------------------------------------- addresses */

static int table_add(void *ctx, const struct loc_entry *e, size_t n)
{
	struct table *t = ctx;

	if (t->n + n > t->cap) {
		t->cap = (t->cap ? t->cap * 2 : 1u << 20) + n;
		t->v = realloc(t->v, t->cap * sizeof(*t->v));
		if (!t->v)
			return -ENOMEM;
	}
	memcpy(t->v + t->n, e, n * sizeof(*e));
	t->n += n;
	return 0;
}

static int entry_cmp(const void *a, const void *b)
{
	const struct loc_entry *x = a, *y = b;

	if (x->prefix.family != y->prefix.family)
		return x->prefix.family < y->prefix.family ? -1 : 1;
	return x->asn < y->asn ? -1 : x->asn > y->asn;
}

static int group_cmp(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->first < y->first ? -1 : 1;
}

static void pool_build(struct pool *p, struct loc_entry *v, size_t n)
{
	double sum = 0;

	p->v = v;
	p->as = calloc(n + 1, sizeof(*p->as));
	if (!p->as)
		die("calloc");
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || v[i].asn != v[i - 1].asn)
			p->as[p->n_as++].first = i;
		p->as[p->n_as - 1].n++;
	}
	qsort(p->as, p->n_as, sizeof(*p->as), group_cmp);
	p->sum = calloc(p->n_as + 1, sizeof(*p->sum));
	if (!p->sum)
		die("calloc");
	for (size_t i = 0; i < p->n_as; i++)
		p->sum[i] = sum += 1.0 / (double)(i + 1);
}

static void pools_load(struct crowd *c, const char *path)
{
	struct table t = {0};
	struct loc_db *db;
	size_t n4 = 0;
	int err = loc_db_open(path, &db);

	if (!err)
		err = loc_db_walk(db, table_add, &t);
	if (err) {
		fprintf(stderr, "crowd: %s: %s\n", path, strerror(-err));
		exit(1);
	}
	loc_db_close(db);
	qsort(t.v, t.n, sizeof(*t.v), entry_cmp);
	while (n4 < t.n && t.v[n4].prefix.family == FAMILY_IP4)
		n4++;
	pool_build(&c->pool[FAMILY_IP4], t.v, n4);
	pool_build(&c->pool[FAMILY_IP6], t.v + n4, t.n - n4);
}

/* Any address within the prefix. */
static struct addr addr_in(struct crowd *c, const struct prefix *p)
{
	uint64_t hi = rnd(c), lo = rnd(c);

	if (p->family == FAMILY_IP4) {
		hi &= UINT64_C(0xffffffff00000000);
		lo = 0;
	}
	if (p->len > 0)
		hi &= p->len < 64 ? UINT64_MAX >> p->len : 0;
	if (p->len > 64)
		lo &= p->len < 128 ? UINT64_MAX >> (p->len - 64) : 0;
	return (struct addr){.hi = p->hi | hi,
			     .lo = p->lo | lo,
			     .family = (enum family)p->family};
}

static struct addr addr_anywhere(struct crowd *c, enum family family)
{
	const struct pool *p = &c->pool[family];
	double want = (double)(rnd(c) >> 11) / (double)(UINT64_C(1) << 53) *
		      p->sum[p->n_as - 1];
	size_t lo = 0, hi = p->n_as - 1;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->sum[mid] < want)
			lo = mid + 1;
		else
			hi = mid;
	}
	return addr_in(c, &p->v[p->as[lo].first + rnd(c) % p->as[lo].n].prefix);
}

/* One in a hundred: wherever it falls, announced by somebody or not. */
static struct addr addr_anybody(struct crowd *c, enum family family)
{
	static const struct prefix all[FAMILIES] = {
		{.hi = UINT64_C(0x40) << 56, .len = 2, .family = FAMILY_IP4},
		{.hi = UINT64_C(0x20) << 56, .len = 3, .family = FAMILY_IP6},
	};

	if (rnd(c) % 100 == 0)
		return addr_in(c, &all[family]);
	return addr_anywhere(c, family);
}

/* --------------------------------------------------------------- frames */

static void put64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t ip_checksum(const uint8_t *p)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Four in ten small, one in five middling, the rest full. */
static size_t ip_size(struct crowd *c, size_t least)
{
	uint64_t r = rnd(c) % 10;

	if (r < 4)
		return least + rnd(c) % 40;
	if (r < 6)
		return 300 + rnd(c) % 700;
	return 1500 - rnd(c) % 60;
}

static void frame_build(struct crowd *c, struct frame *f)
{
	enum family family = rnd(c) % 100 < IP6_SHARE ? FAMILY_IP6 : FAMILY_IP4;
	struct addr inner = addr_in(c, &c->customer[family]);
	struct addr outer = addr_anybody(c, family);
	struct addr src = c->out ? inner : outer, dst = c->out ? outer : inner;
	uint8_t *ip = f->b + 14, *l4;
	size_t len = ip_size(c, family == FAMILY_IP4 ? 46 : 60);

	memset(f, 0, sizeof(*f));
	memcpy(f->b, c->dst_mac, 6);
	memcpy(f->b + 6, c->src_mac, 6);
	if (family == FAMILY_IP4) {
		put16(f->b + 12, ETH_P_IP);
		ip[0] = 0x45;
		put16(ip + 2, len);
		put16(ip + 4, rnd(c) & 0xffff);
		ip[8] = 60;
		ip[9] = IPPROTO_UDP;
		put64(ip + 12, src.hi | dst.hi >> 32);
		put16(ip + 10, ip_checksum(ip));
		l4 = ip + 20;
	} else {
		put16(f->b + 12, ETH_P_IPV6);
		ip[0] = 0x60;
		put16(ip + 4, len - 40);
		ip[6] = IPPROTO_UDP;
		ip[7] = 60;
		put64(ip + 8, src.hi);
		put64(ip + 16, src.lo);
		put64(ip + 24, dst.hi);
		put64(ip + 32, dst.lo);
		l4 = ip + 40;
	}
	put16(l4, 443);
	put16(l4 + 2, 1024 + rnd(c) % 60000);
	put16(l4 + 4, len - (size_t)(l4 - ip));
	f->ip_len = (uint16_t)len;
	f->len = (uint16_t)(len + 14);
}

/* -------------------------------------------------------------- sending */

static int open_iface(const char *name, uint8_t mac[6])
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET};
	struct ifreq ifr = {0};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		die(name);
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	ll.sll_ifindex = (int)if_nametoindex(name);
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die("bind");
	return fd;
}

/* Waits until packet number n is due at `pps`. */
static void pace(struct mono start, uint64_t n, uint64_t pps)
{
	int64_t due = (int64_t)((double)n * 1e9 / (double)pps);
	int64_t wait = due - mono_diff_ns(start, mono_now());
	struct timespec ts = {.tv_nsec = 0};

	if (wait < NSEC_PER_MSEC)
		return;
	ts.tv_sec = wait / NSEC_PER_SEC;
	ts.tv_nsec = wait % NSEC_PER_SEC;
	(void)nanosleep(&ts, NULL);
}

static void send_all(int fd, const struct frame *frames, uint64_t count,
		     uint64_t pps)
{
	static struct mmsghdr msg[BATCH];
	static struct iovec iov[BATCH];
	struct mono start = mono_now();
	uint64_t sent = 0, ip_bytes = 0, wire_bytes = 0;

	while (!stop && (!count || sent < count)) {
		unsigned want = BATCH;
		int n;

		if (count && count - sent < want)
			want = (unsigned)(count - sent);
		for (unsigned i = 0; i < want; i++) {
			const struct frame *f = &frames[(sent + i) % FRAMES];

			iov[i].iov_base = (void *)(uintptr_t)f->b;
			iov[i].iov_len = f->len;
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		n = sendmmsg(fd, msg, want, 0);
		if (n < 0 &&
		    (errno == EINTR || errno == ENOBUFS || errno == EAGAIN))
			continue;
		if (n < 0)
			die("sendmmsg");
		for (int i = 0; i < n; i++) {
			const struct frame *f =
				&frames[(sent + (unsigned)i) % FRAMES];

			ip_bytes += f->ip_len;
			wire_bytes += f->len;
		}
		sent += (unsigned)n;
		if (pps)
			pace(start, sent, pps);
	}
	printf("sent %llu packets %llu ip_bytes %llu wire_bytes\n",
	       (unsigned long long)sent, (unsigned long long)ip_bytes,
	       (unsigned long long)wire_bytes);
}

static void parse_prefix(const char *s, struct crowd *c)
{
	struct prefix p;

	if (prefix_parse(s, &p) != 0) {
		fprintf(stderr, "crowd: bad prefix %s\n", s);
		exit(2);
	}
	c->customer[p.family] = p;
}

int main(int argc, char **argv)
{
	const char *iface = NULL, *path = LOC_DB_PATH;
	struct sigaction sa = {.sa_handler = on_signal};
	struct crowd c = {.rng = 1};
	uint64_t count = 0, pps = 0;
	struct frame *frames;
	int opt, fd;

	while ((opt = getopt(argc, argv, "oi:m:4:6:r:c:s:d:")) != -1) {
		switch (opt) {
		case 'o':
			c.out = true;
			break;
		case 'i':
			iface = optarg;
			break;
		case 'm':
			if (sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
				   &c.dst_mac[0], &c.dst_mac[1], &c.dst_mac[2],
				   &c.dst_mac[3], &c.dst_mac[4],
				   &c.dst_mac[5]) != 6)
				return 2;
			break;
		case '4':
		case '6':
			parse_prefix(optarg, &c);
			break;
		case 'r':
			pps = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			count = strtoull(optarg, NULL, 10);
			break;
		case 's':
			c.rng = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			path = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!iface || !c.customer[FAMILY_IP4].len ||
	    !c.customer[FAMILY_IP6].len)
		return 2;
	fd = open_iface(iface, c.src_mac);
	pools_load(&c, path);
	frames = malloc(FRAMES * sizeof(*frames));
	if (!frames)
		die("malloc");
	for (size_t i = 0; i < FRAMES; i++)
		frame_build(&c, &frames[i]);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	send_all(fd, frames, count, pps);
	close(fd);
	return 0;
}
