/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces and their own counters, by rtnetlink and ethtool. No capability
 * is needed for anything here.
 */
#ifndef KERNEL_IFSTAT_H
#define KERNEL_IFSTAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IFSTAT_NAME_LEN 16

struct ifstat {
	uint32_t ifindex;
	char name[IFSTAT_NAME_LEN];
	char driver[32]; /* "" when unknown; only from ifstat_get() */
	uint32_t mtu;
	uint32_t speed_mbps; /* 0: unknown; only from ifstat_get() */
	uint16_t arphrd;     /* ARPHRD_* of if_arp.h */
	bool admin_up;       /* IFF_UP */
	bool oper_up;        /* IFF_RUNNING: carrier, too */
	/* IFLA_STATS64 */
	uint64_t rx_packets, rx_bytes, rx_errors, rx_dropped;
	uint64_t rx_multicast; /* of rx_packets */
	uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped;
};

/* One interface by index (when not 0) or by name. -ENODEV. */
int ifstat_get(uint32_t ifindex, const char *name, struct ifstat *ret);

/* Every interface of this network namespace; stops when fn returns non-zero
 * and returns that. One system call round, so it is cheap for many. */
int ifstat_list(int (*fn)(void *ctx, const struct ifstat *st), void *ctx);

/* The interface name nearest to a wrong one, for "did you mean"; "" when none
 * is near. */
void ifstat_suggest(const char *name, char ret_name[IFSTAT_NAME_LEN]);

enum ifstat_event_kind {
	IFSTAT_CHANGED = 0, /* new, renamed, up, down, MTU: see st */
	IFSTAT_GONE,        /* st has name and ifindex only */
	IFSTAT_LOST,        /* events were lost: look at everything again */
};

/* A socket (non-blocking, close-on-exec) that becomes readable with each
 * change of an interface. Returns the descriptor or -errno; close() it. */
int ifstat_watch_open(void);

/* Reads what has come; calls fn for each event (st is NULL for IFSTAT_LOST).
 * 0, or -errno when the socket is broken. */
int ifstat_watch_read(int fd,
		      void (*fn)(void *ctx, enum ifstat_event_kind kind,
				 const struct ifstat *st),
		      void *ctx);

/*
 * How an interface's own counters compare to ours, since the meter was
 * attached. Interfaces disagree on what a byte is: some count without the
 * 14 bytes of the Ethernet header, some with the 4 of the FCS. The offset is
 * found from the average packet, so that a lost packet is not mistaken for a
 * convention; what is left is a real difference.
 */
struct ifstat_balance {
	int offset;           /* their bytes per packet minus ours: -14, 0, 4 */
	int64_t packets_diff; /* ours minus theirs */
	int64_t bytes_diff;   /* ours (with the offset) minus theirs */
	double packets_ppm;   /* the same in parts per million of theirs; 0 */
	double bytes_ppm;     /* when theirs is 0 and ours too */
};

/* Pure. ours: packets and wire bytes; theirs: packets and bytes. */
void ifstat_balance(uint64_t our_packets, uint64_t our_wire_bytes,
		    uint64_t if_packets, uint64_t if_bytes,
		    struct ifstat_balance *ret);

#endif
