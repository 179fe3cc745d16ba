/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sampling, the meter's part: takes samples out of the ring, makes flow
 * records of them, and keeps book of what was lost and where, so that
 *
 *   taken = received + lost, by reason
 *
 * holds exactly once nothing is under way. The records' rate makes up for what
 * was lost: each sample carries how many its port has taken on that CPU, so a
 * gap says how many are missing, and the following records of the port stand
 * for those too, a few each.
 */
#ifndef DAEMON_SAMPLES_H
#define DAEMON_SAMPLES_H

#include <uv.h>

#include "asmeter/abi.h"
#include "daemon/flows.h"
#include "kernel/xsk.h"

enum samples_lost {
	SAMPLES_NO_TAP = 0,  /* no clone, or no tap device */
	SAMPLES_NOT_CUT,     /* the clone could not be made a sample */
	SAMPLES_TAP_DROPPED, /* the tap device: full, or down */
	SAMPLES_NO_SOCKET,   /* nobody there to receive */
	SAMPLES_RING_FULL,
	SAMPLES_FILL_EMPTY,  /* no frame free: the daemon was too slow */
	SAMPLES_DROPPED,     /* by the socket, otherwise */
	SAMPLES_SOCK_CLOSED, /* were in a ring that was closed */
	SAMPLES_LOST
};

/* "no_tap", …: the label of the metric. */
const char *samples_lost_name(enum samples_lost l);

struct samples;

/* fds: enum asm_map; they stay the caller's. Rings may come from here on. */
int samples_new(uv_loop_t *loop, const int fds[ASM_MAP_COUNT],
		struct samples **ret);

/* Begins to read them. flows and books stay the caller's and outlive it. */
int samples_start(struct samples *s, struct flows *flows,
		  const struct books *books);
void samples_stop(struct samples *s);

struct samples_ring {
	uint32_t number;
	struct xsk_fds fds;         /* taken over, also when it fails */
	uint64_t given;             /* samples that rings of this number before
				     * it were given by the kernel */
	char iface[ASM_IFNAME_LEN]; /* mirror port; "": the tap */
};

/* Every ring is told of anew between these two; others end with the second. */
void samples_rings_begin(struct samples *s);
void samples_rings_end(struct samples *s);

/* Another ring, or one that is there already. */
int samples_ring(struct samples *s, struct samples_ring *r);

/* The way is gone: what is in the rings is taken, then they are given up. */
void samples_no_ring(struct samples *s);

/* The i-th ring that is open; false: there are not that many. */
bool samples_ring_get(const struct samples *s, unsigned i,
		      struct samples_ring *ret);

/* After each cut of the counters. */
void samples_cut(struct samples *s);

struct samples_stats {
	uint64_t taken, received, garbage;
	uint64_t lost[SAMPLES_LOST];
	bool ring; /* there is one */
};

void samples_stats(const struct samples *s, struct samples_stats *ret);

/* One direction of an interface that is sampled, or was. */
struct samples_port {
	uint32_t ifindex;
	uint32_t slot;             /* in asm_ifs */
	char name[ASM_IFNAME_LEN]; /* it was metered by */
	enum asm_dir dir;
	uint32_t rate;   /* configured; 0: not any more */
	double rate_eff; /* packets that a received sample stands for; 0: none
			  * came in the last interval */
	uint64_t taken;
	uint64_t lost; /* known to be, by gaps */
	/* since this process samples it: what the samples say, and what was
	 * counted */
	uint64_t est_packets, est_wire_bytes;
	uint64_t packets, wire_bytes;
};

/* Samples of that port that did not come, by gaps in their numbers, since
 * the process started. A flows_lost_fn. */
uint64_t samples_missed(void *samples, uint32_t ifindex, enum asm_dir dir);

size_t samples_ports(const struct samples *s);
void samples_port_get(const struct samples *s, size_t i,
		      struct samples_port *ret);

#endif
