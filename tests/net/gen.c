/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traffic generator of the tests: sends exactly N frames out of an
 * interface and says what they must count as.
 *
 *   gen -i IF -n COUNT -a HOSTS [-m xdp|packet] [-l MIN] [-L MAX] [-s SEED]
 *       [-t FRAMES] [-p] [-e EXPECT]
 *
 * HOSTS has lines "address asn" (asn 0: no route). FRAMES different frames
 * are made (default 16384) and sent in turn. xdp: live frames of
 * BPF_PROG_TEST_RUN, redirected into the interface, up to 3,000 bytes;
 * packet: AF_PACKET, any size, passes the egress hooks. -p: only whole
 * IP packets without tags. EXPECT gets lines "name packets ip_bytes wire_bytes"
 * for each bucket of the books and "pair SRC DST FAMILY packets ip_bytes
 * wire_bytes".
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gen.skel.h"
#include "net/frames.h"

#define LIVE_MAX   3000
#define LIVE_BYTES 1000
#define BURST      64

/* Kernel 5.18; the headers know the flag, older ones not the batch size. */
#define TEST_RUN_BATCH 64

struct sum {
	uint64_t packets, ip_bytes, wire_bytes;
};

struct pair {
	uint32_t src, dst;
	unsigned family;
	struct sum sum;
};

struct gen {
	const char *ifname;
	const char *expect;
	uint64_t count;
	uint64_t seed;
	uint32_t min, max, n_frames;
	bool live, plain;
	unsigned ifindex;
	struct hosts hosts[2];
	struct frame *frames;
	uint64_t *sent; /* of each frame */
};

static void die(const char *what, int err)
{
	fprintf(stderr, "gen: %s%s%s\n", what, err ? ": " : "",
		err ? strerror(err) : "");
	exit(1);
}

/* ------------------------------------------------------------- sending */

/*
 * Live frames enter the far end's receive queue, of 256, in bursts of 64; the
 * queue is emptied when bottom halves are enabled again behind each burst, by
 * the CPU that filled it first. On another CPU meanwhile (moved by the
 * scheduler) frames would be lost to a full queue.
 */
static void stay_here(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	if (cpu >= 0)
		CPU_SET((unsigned)cpu, &set);
	if (cpu < 0 || sched_setaffinity(0, sizeof(set), &set))
		die("affinity", errno);
}

static void send_live(struct gen *g)
{
	uint8_t data[LIVE_BYTES] = {0};
	struct xdp_md ctx = {.data_end = sizeof(data)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data,
		    .data_size_in = sizeof(data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx),
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = TEST_RUN_BATCH);
	struct gen_bpf *skel = gen_bpf__open();
	uint64_t left = g->count;

	if (!skel)
		die("open", errno);
	stay_here();
	skel->rodata->n_frames = g->n_frames;
	skel->rodata->out_ifindex = g->ifindex;
	if (gen_bpf__load(skel))
		die("load", errno);
	for (uint32_t i = 0; i < g->n_frames; i++) {
		struct {
			uint32_t len, hlen;
			uint8_t hdr[FRAME_HDR_MAX];
		} f = {g->frames[i].len, g->frames[i].hlen, {0}};

		memcpy(f.hdr, g->frames[i].hdr, sizeof(f.hdr));
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.gen_frames), &i,
					&f, 0))
			die("frames", errno);
	}
	while (left) {
		uint64_t n = left < 1000000 ? left : 1000000;

		opts.repeat = (int)n;
		if (bpf_prog_test_run_opts(
			    bpf_program__fd(skel->progs.gen_send), &opts))
			die("test run", errno);
		left -= n;
	}
	if (skel->bss->n_failed || skel->bss->next_frame != g->count)
		die("the program did not make every frame", 0);
	for (uint32_t i = 0; i < g->n_frames; i++)
		g->sent[i] =
			g->count / g->n_frames + (i < g->count % g->n_frames);
	gen_bpf__destroy(skel);
}

/*
 * A frame is charged to the socket until the far end has read it, and takes
 * some 700 bytes at least: with this much (the kernel doubles it) the socket
 * waits before the far end's queue of 256 frames is full, whoever is to empty
 * it and whenever that runs.
 */
#define IN_FLIGHT_BYTES (64 << 10)

static int packet_socket(const struct gen *g)
{
	struct sockaddr_ll sa = {.sll_family = AF_PACKET,
				 .sll_protocol = 0,
				 .sll_ifindex = (int)g->ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int size = IN_FLIGHT_BYTES;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("packet socket", errno);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
		die("SO_SNDBUF", errno);
	return fd;
}

static void send_packet(struct gen *g)
{
	static uint8_t payload[65536];
	struct mmsghdr msgs[BURST];
	struct iovec iov[BURST][2];
	int fd = packet_socket(g);
	uint64_t done = 0;

	while (done < g->count) {
		unsigned n = g->count - done < BURST
				     ? (unsigned)(g->count - done)
				     : BURST;
		int sent;

		memset(msgs, 0, sizeof(msgs));
		for (unsigned i = 0; i < n; i++) {
			struct frame *f = &g->frames[(done + i) % g->n_frames];

			iov[i][0] = (struct iovec){f->hdr, f->hlen};
			iov[i][1] = (struct iovec){payload, f->len - f->hlen};
			msgs[i].msg_hdr.msg_iov = iov[i];
			msgs[i].msg_hdr.msg_iovlen = 2;
		}
		sent = sendmmsg(fd, msgs, n, 0);
		/* a frame that the device dropped has passed the hooks, so
		 * trying again would send it twice */
		if (sent <= 0)
			die("send", errno);
		for (int i = 0; i < sent; i++)
			g->sent[(done + (unsigned)i) % g->n_frames]++;
		done += (unsigned)sent;
	}
	close(fd);
}

/* ------------------------------------------------------------ reporting */

static void sum_add(struct sum *s, const struct frame *f, uint64_t n,
		    bool with_ip)
{
	s->packets += n;
	s->wire_bytes += n * f->len;
	s->ip_bytes += with_ip ? n * f->ip_bytes : 0;
}

static void sum_print(FILE *out, const char *name, const struct sum *s)
{
	fprintf(out, "%s %llu %llu %llu\n", name,
		(unsigned long long)s->packets, (unsigned long long)s->ip_bytes,
		(unsigned long long)s->wire_bytes);
}

static int pair_cmp(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;

	if (a->src != b->src)
		return a->src < b->src ? -1 : 1;
	if (a->dst != b->dst)
		return a->dst < b->dst ? -1 : 1;
	return (int)a->family - (int)b->family;
}

static void print_pairs(FILE *out, const struct gen *g)
{
	struct pair *p = calloc(g->n_frames, sizeof(*p));
	size_t n = 0;
	char name[64];

	if (!p)
		die("pairs", ENOMEM);
	for (uint32_t i = 0; i < g->n_frames; i++) {
		const struct frame *f = &g->frames[i];

		if (f->class != FRAME_IP || !g->sent[i])
			continue;
		p[n] = (struct pair){f->src_as, f->dst_as, f->family, {0}};
		sum_add(&p[n++].sum, f, g->sent[i], true);
	}
	qsort(p, n, sizeof(*p), pair_cmp);
	for (size_t i = 0; i < n; i++) {
		struct sum s = {0};
		size_t k = i;

		for (; k < n && !pair_cmp(&p[i], &p[k]); k++) {
			s.packets += p[k].sum.packets;
			s.ip_bytes += p[k].sum.ip_bytes;
			s.wire_bytes += p[k].sum.wire_bytes;
		}
		(void)snprintf(name, sizeof(name), "pair %u %u %u", p[i].src,
			       p[i].dst, p[i].family);
		sum_print(out, name, &s);
		i = k - 1;
	}
	free(p);
}

static void report(const struct gen *g)
{
	static const char *const names[] = {"attributed", "not_ip", "truncated",
					    "malformed"};
	struct sum seen = {0}, unknown = {0}, by[4] = {{0}};
	FILE *out = g->expect ? fopen(g->expect, "we") : stdout;

	if (!out)
		die(g->expect, errno);
	for (uint32_t i = 0; i < g->n_frames; i++) {
		const struct frame *f = &g->frames[i];
		bool ip = f->class == FRAME_IP;

		sum_add(&seen, f, g->sent[i], ip);
		sum_add(ip && (!f->src_as || !f->dst_as) ? &unknown
							 : &by[f->class],
			f, g->sent[i], ip);
	}
	sum_print(out, "seen", &seen);
	for (int i = 0; i < 4; i++)
		sum_print(out, names[i], &by[i]);
	sum_print(out, "unknown_as", &unknown);
	sum_print(out, "map_full", &(struct sum){0});
	print_pairs(out, g);
	if (g->expect && fclose(out))
		die(g->expect, errno);
}

/* ----------------------------------------------------------------- main */

static void parse_args(struct gen *g, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "i:n:a:m:l:L:s:t:pe:")) != -1) {
		switch (c) {
		case 'i':
			g->ifname = optarg;
			g->ifindex = if_nametoindex(optarg);
			break;
		case 'n':
			g->count = strtoull(optarg, NULL, 10);
			break;
		case 'a':
			if (hosts_read(optarg, g->hosts))
				die(optarg, errno);
			break;
		case 'm':
			g->live = !strcmp(optarg, "xdp");
			break;
		case 'l':
			g->min = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'L':
			g->max = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			g->seed = strtoull(optarg, NULL, 10);
			break;
		case 't':
			g->n_frames = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			g->plain = true;
			break;
		case 'e':
			g->expect = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (!g->ifindex || !g->count || (!g->hosts[0].n && !g->hosts[1].n) ||
	    g->min < FRAME_MIN || g->max < g->min ||
	    (g->live && g->max > LIVE_MAX) || !g->n_frames ||
	    g->n_frames > 32768)
		die("see the top of tests/net/gen.c for the arguments", 0);
	if (g->n_frames > g->count)
		g->n_frames = (uint32_t)g->count;
}

int main(int argc, char **argv)
{
	struct gen g = {.live = true,
			.min = FRAME_MIN,
			.max = 1514,
			.seed = 1,
			.n_frames = 16384};
	struct timespec a, b;
	double s;

	parse_args(&g, argc, argv);
	g.frames = calloc(g.n_frames, sizeof(*g.frames));
	g.sent = calloc(g.n_frames, sizeof(*g.sent));
	if (!g.frames || !g.sent)
		die("frames", ENOMEM);
	for (uint32_t i = 0; i < g.n_frames; i++)
		frame_make(&g.frames[i], &g.seed, g.hosts, g.min, g.max,
			   g.plain);
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (g.live)
		send_live(&g);
	else
		send_packet(&g);
	clock_gettime(CLOCK_MONOTONIC, &b);
	s = (double)(b.tv_sec - a.tv_sec) +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	fprintf(stderr, "gen: %llu packets in %.2f s, %.2f Mpps\n",
		(unsigned long long)g.count, s, (double)g.count / s / 1e6);
	report(&g);
	free(g.frames);
	free(g.sent);
	free(g.hosts[0].v);
	free(g.hosts[1].v);
	return 0;
}
