/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at the pinned prefix table from outside while asmeterd is fed
 * (feed.sh): nothing here knows what the daemon thinks.
 *
 *   feed live     the table has to be empty. Says "empty", waits for changes to
 *                 come and to end; every network of libloc's database has to be
 *                 answered with its AS then. Prints the monotonic clock of the
 *                 last change, in seconds.
 *   feed toggle PREFIX PID N
 *                 N times: SIGUSR1 to bgpfeed (-t PREFIX), then looks the
 *                 first address up until the answer is another one. Prints
 *                 the milliseconds of each.
 *   feed sink ADDR PORT
 *                 a BGP speaker that reads and forgets: what the sender takes
 *                 by itself. Answers a request for a refresh.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asmeter/abi.h"
#include "asmeter/lookup.h"

#include "base/mono.h"
#include "bench.h"
#include "full_table.h"
#include "route/bgp_msg.h"

#define QUIET_NS (2 * NSEC_PER_SEC)
#define GIVE_UP  (60 * NSEC_PER_SEC)
#define BGP_IN   65536

struct view {
	const struct asm_state *state;
	const uint32_t *words;
	const struct asm_as *as;
	uint32_t mask;
};

static const void *pinned(const char *name, size_t len)
{
	char path[128];
	int fd;
	void *m;

	(void)snprintf(path, sizeof(path), ASM_PIN_DIR "/%s", name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	m = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		die("mmap");
	(void)close(fd);
	return m;
}

static uint32_t as_of(const struct view *v, const struct addr *a)
{
	uint32_t ix = a->family == FAMILY_IP4
			      ? asm_lookup4(v->words, v->mask,
					    (uint32_t)(a->hi >> 32))
			      : asm_lookup6(v->words, v->mask, a->hi, a->lo);

	return v->as[ix % ASM_AS_SLOTS].asn;
}

/* Both ends of every network, against the plain reference. */
static size_t wrong(const struct view *v)
{
	struct full_table full;
	struct ref ref;
	size_t n = 0;

	if (full_table_load(&full, 1))
		die("full table");
	ref_init(&ref, full.n);
	for (size_t i = 0; i < full.n; i++)
		ref_set(&ref, &full.e[i].prefix, full.e[i].asn);
	for (size_t i = 0; i < full.n; i++) {
		struct addr a = prefix_first(&full.e[i].prefix);
		struct addr b = prefix_last(&full.e[i].prefix);

		n += as_of(v, &a) != ref_lookup(&ref, &a);
		n += as_of(v, &b) != ref_lookup(&ref, &b);
	}
	ref_done(&ref);
	free(full.e);
	return n;
}

static bool empty(const struct view *v)
{
	for (uint32_t i = 0; i < ASM_POOL_AT; i++)
		if (v->words[i] != ASM_AS_NONE)
			return false;
	return true;
}

static int live(const struct view *v)
{
	uint32_t first = v->state->table_epoch, last = first, now;
	struct mono start = mono_now(), changed = start;
	size_t n;

	if (!empty(v)) {
		fprintf(stderr, "feed: the table is not empty\n");
		return 1;
	}
	printf("empty\n");
	(void)fflush(stdout);
	for (;;) {
		now = __atomic_load_n(&v->state->table_epoch, __ATOMIC_ACQUIRE);
		if (now != last)
			changed = mono_now();
		last = now;
		if (last != first &&
		    mono_diff_ns(changed, mono_now()) > QUIET_NS)
			break;
		if (mono_diff_ns(start, mono_now()) > GIVE_UP) {
			fprintf(stderr, "feed: no table came\n");
			return 1;
		}
		(void)usleep(500);
	}
	n = wrong(v);
	if (n) {
		fprintf(stderr, "feed: %zu wrong answers\n", n);
		return 1;
	}
	printf("%.6f\n", (double)changed.ns / 1e9);
	return 0;
}

static int toggle(const struct view *v, const char *prefix, pid_t pid, int n)
{
	struct prefix p;
	struct addr a;

	if (prefix_parse(prefix, &p) != 0)
		return 2;
	a = prefix_first(&p);
	for (int i = 0; i < n; i++) {
		uint32_t old = as_of(v, &a);
		struct mono start = mono_now();
		int64_t ns;

		if (kill(pid, SIGUSR1))
			die("bgpfeed");
		do
			ns = mono_diff_ns(start, mono_now());
		while (as_of(v, &a) == old && ns < 5 * NSEC_PER_SEC);
		if (as_of(v, &a) == old) {
			fprintf(stderr, "feed: the change does not come\n");
			return 1;
		}
		printf("%.3f\n", (double)ns / 1e6);
		(void)usleep(50000 + (unsigned)(i * 7919 % 100) * 1000);
	}
	return 0;
}

/* ---- the sink */

static void say(int fd, const uint8_t *msg, size_t len)
{
	if (send(fd, msg, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("send");
}

/* Reads messages until one of that type. */
static void read_to(int fd, unsigned type)
{
	static uint8_t buf[BGP_IN];
	size_t have = 0, off = 0;

	for (;;) {
		size_t left = have - off, len;
		ssize_t n;

		if (left >= BGP_HDR_LEN) {
			len = (size_t)buf[off + 16] << 8 | buf[off + 17];
			if (len < BGP_HDR_LEN || len > BGP_MSG_MAX) {
				fprintf(stderr, "feed: no BGP message\n");
				exit(1);
			}
			if (left >= len && buf[off + 18] == type)
				return;
			if (left >= len) {
				off += len;
				continue;
			}
		}
		memmove(buf, buf + off, left);
		off = 0;
		n = recv(fd, buf + left, sizeof(buf) - left, 0);
		if (n <= 0)
			die("recv");
		have = left + (size_t)n;
	}
}

static int sink(const char *addr, const char *port)
{
	const struct bgp_open open = {.asn = 64512,
				      .router_id = 1,
				      .hold_time_s = 90,
				      .caps = BGP_CAP_MP | BGP_CAP_AS4 |
					      BGP_CAP_REFRESH |
					      BGP_CAP_REFRESH_ENH,
				      .mp = {true, true}};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t msg[BGP_MSG_MAX];

	if (fd < 0 || inet_pton(AF_INET, addr, &sin.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die(addr);
	say(fd, msg, bgp_open_encode(&open, msg, sizeof(msg)));
	say(fd, msg, bgp_keepalive_encode(msg, sizeof(msg)));
	read_to(fd, BGP_ROUTE_REFRESH);
	say(fd, msg,
	    bgp_refresh_encode(FAMILY_IP6, BGP_REFRESH_BEGIN, msg,
			       sizeof(msg)));
	(void)shutdown(fd, SHUT_WR);
	while (recv(fd, msg, sizeof(msg), 0) > 0)
		;
	return 0;
}

static void view_open(struct view *v)
{
	v->state = pinned("asm_state", 4096);
	v->mask = v->state->table_words - 1;
	v->words = pinned("asm_table", v->state->table_words * 4ul);
	v->as = pinned("asm_as", ASM_AS_SLOTS * sizeof(*v->as));
}

int main(int argc, char **argv)
{
	struct view v;

	if (argc == 4 && !strcmp(argv[1], "sink"))
		return sink(argv[2], argv[3]);
	view_open(&v);
	if (argc == 2 && !strcmp(argv[1], "live"))
		return live(&v);
	if (argc == 5 && !strcmp(argv[1], "toggle"))
		return toggle(&v, argv[2], atoi(argv[3]), atoi(argv[4]));
	return 2;
}
