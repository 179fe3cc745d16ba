/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Samples by hand, without the daemon: takes one in RATE packets of a metered
 * interface until its standard input ends, and nothing has come for half a
 * second; then prints "taken T received R lost L bad B", where L is what the
 * counters say was lost and B samples whose header is not as it has to be.
 *
 *   samplectl IF RATE [SNAP]      "ready" is printed when it begins
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/attach.h"
#include "kernel/ifstat.h"
#include "kernel/load.h"
#include "kernel/tap.h"
#include "kernel/xsk.h"

static uint64_t received, bad;
static uint32_t ifindex, rate, snap = 128;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "samplectl: %s: %s\n", what, why);
	exit(1);
}

static void need(int rc, const char *what)
{
	if (rc < 0)
		die(what, strerror(-rc));
}

static bool is_good(const struct xsk_frame *f)
{
	struct sample_header h;

	if (f->len < sizeof(h))
		return false;
	memcpy(&h, f->data, sizeof(h));
	return h.version == SAMPLE_VERSION && h.size == sizeof(h) &&
	       h.ifindex == ifindex && h.rate == rate && h.hits &&
	       h.hits <= h.packets && h.cap_len == f->len - sizeof(h) &&
	       (h.cap_len <= snap || h.cap_len <= ASM_SNAP_MAX) &&
	       h.cap_len <= h.wire_len && h.dir < ASM_DIRS && h.ktime_ns &&
	       h.seq;
}

static unsigned drain(struct xsk *x)
{
	struct xsk_frame v[64];
	unsigned n = xsk_peek(x, v, 64);

	for (unsigned i = 0; i < n; i++)
		bad += !is_good(&v[i]);
	xsk_release(x, v, n);
	received += n;
	return n;
}

static void receive(struct xsk *x)
{
	struct pollfd p[] = {{.fd = xsk_sock(x), .events = POLLIN},
			     {.fd = STDIN_FILENO, .events = POLLIN}};
	char c;

	for (;;) {
		int n = poll(p, p[1].fd < 0 ? 1 : 2, p[1].fd < 0 ? 500 : -1);

		if (n < 0 && errno != EINTR)
			die("poll", strerror(errno));
		if (p[1].revents && read(STDIN_FILENO, &c, 1) <= 0)
			p[1].fd = -1;
		p[1].revents = 0;
		if (!drain(x) && n == 0)
			return;
	}
}

static uint32_t entries(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		die("map", strerror(errno));
	return info.max_entries;
}

static void report(const struct kern *k, struct xsk *x)
{
	int sampler = k->map_fd[ASM_MAP_SAMPLER],
	    rings = k->map_fd[ASM_MAP_RINGS];
	uint64_t taken = 0, lost = 0, sent = 0, arrived = 0;
	struct xsk_losses l;

	for (uint32_t i = 0; i < entries(sampler); i++) {
		struct asm_sampler s;

		if (bpf_map_lookup_elem(sampler, &i, &s))
			die("asm_sampler", strerror(errno));
		taken += s.taken;
		sent += s.sent;
		lost += s.no_tap + s.not_cut;
	}
	for (uint32_t i = 0; i < ASM_XSK_SLOTS; i++) {
		struct asm_ring r;

		if (bpf_map_lookup_elem(rings, &i, &r))
			die("asm_rings", strerror(errno));
		arrived += r.arrived;
		lost += r.no_socket;
	}
	need(xsk_losses(x, &l), "statistics");
	lost += sent - arrived + l.ring_full + l.fill_empty + l.dropped;
	printf("taken %lu received %lu lost %lu bad %lu\n",
	       (unsigned long)taken, (unsigned long)received,
	       (unsigned long)lost, (unsigned long)bad);
}

int main(int argc, char **argv)
{
	char msg[KERN_MSG_LEN];
	struct asm_rate want;
	struct attach_status st;
	struct xsk *x = NULL;
	struct kern k;
	struct tap t;
	bool fresh, at_tc;

	if (argc < 3)
		die("arguments", "IF RATE [SNAP]");
	rate = (uint32_t)strtoul(argv[2], NULL, 10);
	if (argc > 3)
		snap = (uint32_t)strtoul(argv[3], NULL, 10);
	if (kern_open(NULL, &k, msg, sizeof(msg)))
		die("open", msg);
	need(attach_get(NULL, argv[1], &st), argv[1]);
	ifindex = st.ifindex;
	at_tc = st.in.mode == ATTACH_TCX || st.in.mode == ATTACH_CLSACT;
	tap_init(&t);
	if (tap_ensure(&t, &k, NULL, &fresh, msg, sizeof(msg)))
		die("tap", msg);
	need(xsk_map(&t.xsk, &x), "ring");
	want = (struct asm_rate){.rate = rate,
				 .snap = snap,
				 .tap_ifindex = t.out_ifindex};
	need(tap_rate(&k, NULL, argv[1], ifindex, !at_tc, &want), "rate");
	printf("ready\n");
	fflush(stdout);
	receive(x);
	report(&k, x);
	want.rate = 0;
	need(tap_rate(&k, NULL, argv[1], ifindex, false, &want), "off");
	xsk_unmap(x);
	tap_remove(NULL);
	kern_done(&k);
	return 0;
}
