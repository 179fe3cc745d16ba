/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round trips of small packets through routers that are alike but for what has
 * become of asmeter in them (rtt.sh): all of them are there at once, and take
 * turns of a few packets, so that what else the machine does is the same for
 * each. Both ends run on one CPU: nothing but the path is waited for.
 *
 *   rtt echo PORT CPU              answers whatever comes
 *   rtt ping PORT CPU WARM-UP NAME=ADDR ... NAME/NAME[!] ...
 *
 * Each NAME/NAME is a row (bench.h), the first compared with the second; with
 * an exclamation mark there is a goal. WARM-UP round trips come before all,
 * uncounted: then "warm" is printed, and a line of standard input awaited. A
 * packet that does not come back ends it with an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

#define PATHS_MAX  16
#define TURN       64 /* round trips in a turn */
#define TURN_SKIP  4  /* of them cold */
#define TIMEOUT_MS 1000

struct path {
	const char *name;
	int fd;
	double *ns; /* of the round */
	double typical[ROUNDS_MAX], tail[ROUNDS_MAX];
};

static uint32_t next_number;

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static _Noreturn void echo(uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	int fd = udp_socket();
	char buf[2048];

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("bind");
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0,
				     (struct sockaddr *)&from, &len);

		if (n >= 0)
			(void)sendto(fd, buf, (size_t)n, 0,
				     (struct sockaddr *)&from, len);
	}
}

static void path_open(struct path *p, char *arg, uint16_t port)
{
	const struct timeval wait = {.tv_usec = TIMEOUT_MS * 1000 % 1000000,
				     .tv_sec = TIMEOUT_MS / 1000};
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	char *eq = strchr(arg, '=');

	if (!eq || inet_pton(AF_INET, eq + 1, &sa.sin_addr) != 1) {
		fprintf(stderr, "rtt: NAME=ADDR, not %s\n", arg);
		exit(2);
	}
	*eq = '\0';
	p->name = arg;
	p->fd = udp_socket();
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    connect(p->fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
}

/* One there and back, in nanoseconds. */
static double trip(const struct path *p)
{
	uint32_t out[4] = {++next_number}, in[4];
	double t0 = clock_ns(CLOCK_MONOTONIC);

	if (send(p->fd, out, sizeof(out), 0) != (ssize_t)sizeof(out) ||
	    recv(p->fd, in, sizeof(in), 0) != (ssize_t)sizeof(in) ||
	    in[0] != out[0]) {
		fprintf(stderr, "rtt: %s: no answer to packet %u: %s\n",
			p->name, out[0], strerror(errno));
		exit(1);
	}
	return clock_ns(CLOCK_MONOTONIC) - t0;
}

static void warm_up(struct path *p, size_t n_paths, unsigned trips)
{
	char line[16];

	for (size_t i = 0; i < n_paths; i++) {
		for (unsigned t = 0; t < trips; t++)
			(void)trip(&p[i]);
	}
	(void)puts("warm");
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

/* Who is first changes with each turn. */
static void round_of(struct path *p, size_t n_paths, unsigned turns,
		     unsigned round)
{
	const unsigned kept = TURN - TURN_SKIP, all = turns * kept;

	for (unsigned t = 0; t < turns; t++) {
		for (size_t i = 0; i < n_paths; i++) {
			struct path *q = &p[(i + t) % n_paths];

			for (unsigned k = 0; k < TURN; k++) {
				double ns = trip(q);

				if (k >= TURN_SKIP)
					q->ns[t * kept + k - TURN_SKIP] = ns;
			}
		}
	}
	for (size_t i = 0; i < n_paths; i++) {
		p[i].typical[round] = median_of(p[i].ns, all);
		p[i].tail[round] = p[i].ns[all / 100 * 99];
	}
}

static struct path *find(struct path *p, size_t n_paths, const char *name)
{
	for (size_t i = 0; i < n_paths; i++) {
		if (!strcmp(p[i].name, name))
			return &p[i];
	}
	fprintf(stderr, "rtt: no path is called \"%s\"\n", name);
	exit(2);
}

static void print_row(struct path *p, size_t n_paths, char *arg,
		      unsigned rounds, unsigned trips)
{
	char name[64], *slash = strchr(arg, '/'), *goal = strchr(arg, '!');
	struct rounds r = {.name = name, .unit = "us"};
	struct path *of, *than;

	if (goal) {
		r.goal = AT_MOST(1.05, 1.15);
		*goal = '\0';
	}
	*slash = '\0';
	of = find(p, n_paths, arg);
	than = find(p, n_paths, slash + 1);
	(void)snprintf(name, sizeof(name), "RTT, %s vs %s", of->name,
		       than->name);
	for (unsigned i = 0; i < rounds; i++)
		round_share(&r, of->typical[i] / 1e3, than->typical[i] / 1e3);
	row_print(&r, false,
		  "medians of %u round trips a round; 99 %% of them within "
		  "%.1f us, against %.1f",
		  trips, median_of(of->tail, rounds) / 1e3,
		  median_of(than->tail, rounds) / 1e3);
}

static void ping(struct path *p, size_t n_paths, unsigned warm, char **rows)
{
	const unsigned rounds = quick() ? 5 : ROUNDS,
		       turns = quick() ? 50 : 340,
		       trips = turns * (TURN - TURN_SKIP);

	for (size_t i = 0; i < n_paths; i++) {
		p[i].ns = calloc(trips, sizeof(*p[i].ns));
		if (!p[i].ns)
			die("calloc");
	}
	warm_up(p, n_paths, warm);
	for (unsigned r = 0; r < rounds; r++)
		round_of(p, n_paths, turns, r);
	for (; *rows; rows++)
		print_row(p, n_paths, *rows, rounds, trips);
}

int main(int argc, char **argv)
{
	static struct path p[PATHS_MAX];
	size_t n = 0;
	int i = 5;

	if (argc == 4 && !strcmp(argv[1], "echo")) {
		pin_to((unsigned)atoi(argv[3]));
		echo((uint16_t)atoi(argv[2]));
	}
	if (argc < 6 || strcmp(argv[1], "ping") != 0) {
		fprintf(stderr, "usage: see tests/bench/rtt.c\n");
		return 2;
	}
	pin_to((unsigned)atoi(argv[3]));
	for (; i < argc && !strchr(argv[i], '/') && n < PATHS_MAX; i++)
		path_open(&p[n++], argv[i], (uint16_t)atoi(argv[2]));
	ping(p, n, (unsigned)atoi(argv[4]), argv + i);
	return 0;
}
