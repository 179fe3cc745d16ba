/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a packet costs tc_sample when it is a sample and when it is none, with
 * the whole way of the sample in it: the clone, the tap, its programs, and the
 * copy into the AF_XDP ring. A veth pair carries nothing; the program is run on
 * a frame, as many times a call as the tap's queue (256) takes, and the ring is
 * emptied between two calls, outside of the time. Every sample has to arrive.
 */
#include <net/if.h>

#include "asmeter/abi.h"
#include "kernel/attach.h"
#include "kernel/tap.h"

#include "bench.h"

#define CALL  64u /* runs a call */
#define FRAME 128u

struct rig {
	struct kern k;
	struct tap tap;
	struct xsk *ring;
	unsigned ifindex;
	uint64_t received;
};

static void need(int rc, const char *what, const char *msg)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s %s\n", what, strerror(-rc), msg);
	exit(1);
}

static void rig_open(struct rig *r)
{
	struct attach_opts opts = {.in = ATTACH_WANT_NATIVE};
	struct attach_status st;
	struct kern_cfg cfg = {.rows = 64};
	char msg[KERN_MSG_LEN] = "";
	bool fresh;

	if (system("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 && "
		   "ip link add b0 type veth peer name b1 && "
		   "ip link set b0 up && ip link set b1 up"))
		die("ip link");
	r->ifindex = if_nametoindex("b0");
	need(kern_load(&cfg, &r->k, msg, sizeof(msg)), "load", msg);
	need(attach_iface(&r->k, "b0", &opts, &st, msg, sizeof(msg)), "attach",
	     msg);
	tap_init(&r->tap);
	need(tap_ensure(&r->tap, &r->k, NULL, &fresh, msg, sizeof(msg)), "tap",
	     msg);
	need(xsk_map(&r->tap.xsk, &r->ring), "ring", msg);
}

/* The isolated namespaces of run.sh take the rest. */
static void rig_close(struct rig *r)
{
	char msg[KERN_MSG_LEN] = "";

	xsk_unmap(r->ring);
	tap_unsample(NULL, r->ifindex);
	tap_remove(NULL);
	need(attach_detach(NULL, "b0", msg, sizeof(msg)), "detach", msg);
	tap_close(&r->tap);
	kern_done(&r->k);
	need(kern_unpin(ASM_PIN_DIR, msg, sizeof(msg)), "unpin", msg);
	if (system("ip link del b0"))
		die("ip link");
}

static void set_rate(struct rig *r, uint32_t rate)
{
	const struct asm_rate want = {.rate = rate,
				      .snap = FRAME,
				      .tap_ifindex = r->tap.out_ifindex};

	need(tap_rate(&r->k, NULL, "b0", r->ifindex, true, &want), "rate", "");
}

static void drain(struct rig *r)
{
	struct xsk_frame v[64];
	unsigned n;

	while ((n = xsk_peek(r->ring, v, 64)) > 0) {
		xsk_release(r->ring, v, n);
		r->received += n;
	}
}

/* Nanoseconds a packet. */
static double packets(struct rig *r, uint32_t calls)
{
	static const uint8_t frame[FRAME] = {
		[12] = 0x08, [14] = 0x45, [17] = FRAME - 14, [22] = 64,
		[23] = 17,   [26] = 10,   [30] = 10};
	struct __sk_buff ctx = {.ifindex = r->ifindex};
	double ns = 0;

	for (uint32_t i = 0; i < calls; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame,
			    .data_size_in = FRAME, .ctx_in = &ctx,
			    .ctx_size_in = sizeof(ctx), .repeat = CALL);
		double t0 = now_ns();

		if (bpf_prog_test_run_opts(r->k.prog_fd[KERN_PROG_SAMPLE], &o))
			die("BPF_PROG_TEST_RUN");
		ns += now_ns() - t0;
		drain(r);
	}
	return ns / calls / CALL;
}

int main(void)
{
	struct rounds row = {.name = "sample path, per packet", .unit = "ns"};
	uint32_t calls = quick() ? 300 : 2000;
	static struct rig r;

	bench_start();
	rig_open(&r);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double sampled, none;

		set_rate(&r, 1);
		r.received = 0;
		sampled = packets(&r, calls);
		if (r.received != (uint64_t)calls * CALL) {
			fprintf(stderr, "%llu samples of %u arrived\n",
				(unsigned long long)r.received, calls * CALL);
			return 1;
		}
		set_rate(&r, 1u << 24);
		none = packets(&r, calls);
		round_share(&row, sampled, none);
	}
	row_print(&row, false,
		  "a sample into the ring, vs a packet that is none (the run "
		  "itself included)");
	rig_close(&r);
	return 0;
}
