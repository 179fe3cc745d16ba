/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel/user contract: every map, every value, every constant that the
 * BPF programs and the daemon share. Included by both; includes nothing of
 * ours.
 *
 * MODEL
 *
 * Each packet that passes a metered interface is counted twice over, once in
 * the books of its port (interface and direction) and, when it is IP, once in
 * the row of its AS pair:
 *
 *   port:  seen = attributed + unknown_as + not_ip + truncated + malformed
 *                 + map_full
 *   rows:  sum of all rows of the port = attributed + unknown_as
 *
 * Both equations hold for packets, ip_bytes and wire_bytes, exactly.
 *
 * BANKS
 *
 * To read them exactly while packets flow, all counters exist twice, as bank
 * 0 and bank 1. A program reads asm_state.bank once per packet and writes to
 * that bank only. The reader flips the bank, waits until no program that may
 * have read the old number is still running (one RCU grace period, see
 * user/kernel/grace.h), and then owns a bank that nobody writes: it reads a
 * consistent cut. The total of any counter is the sum of both banks; counters
 * only grow; nothing is ever reset.
 *
 * ROWS FREED
 *
 * Pairs that have gone quiet must give their rows to others. The reader may
 * empty the rows of a bank that it owns: what they held goes to asm_past, which
 * only readers write, and is part of every total from then on. So
 *
 *   total of a pair = its rows in both banks, on all CPUs + its asm_past
 *
 * How that is one step for whoever looks, and whoever is killed over it, is in
 * user/kernel/past.h.
 *
 * WRITERS
 *
 * Counters are laid out per bank and per *possible* CPU. XDP and TC programs
 * run with bottom halves disabled, so one CPU has one writer at a time and
 * plain (non-atomic) 64-bit adds are exact. Readers rely on aligned 64-bit
 * loads being single-copy atomic.
 *
 * All numbers are in host byte order; AS numbers are plain 32-bit numbers.
 * AS 0 stands for "no route known" (RFC 7607 reserves it).
 */
#ifndef ASMETER_ABI_H
#define ASMETER_ABI_H

#include <linux/types.h>

/* Increased whenever the layout of a pinned map changes. A map that is new
 * changes none: a daemon that finds the pins of one that did not have it makes
 * it (user/kernel/load.c). */
#define ASM_ABI_VERSION 1u

#define ASM_PIN_DIR "/sys/fs/bpf/asmeter"

#define ASM_BANKS 2u

/* Number of interface slots; one more is the slot of unlisted interfaces. */
#define ASM_IF_SLOTS    256u
#define ASM_IF_PROBES   4u
#define ASM_IF_UNLISTED ASM_IF_SLOTS
#define ASM_PORT_SLOTS  (ASM_IF_SLOTS + 1u)

#define ASM_IFNAME_LEN 16

/* AS index 0: no route. Indexes are given out once and never reused. */
#define ASM_AS_NONE  0u
#define ASM_AS_SLOTS (1u << 18)

enum asm_dir {
	ASM_DIR_IN = 0,  /* received by the interface */
	ASM_DIR_OUT = 1, /* transmitted by the interface */
	ASM_DIRS
};

/* What became of a packet; each has a bucket of its own in struct asm_books. */
enum asm_verdict {
	ASM_ATTRIBUTED = 0, /* IP, source and destination AS both known */
	ASM_UNKNOWN_AS,     /* IP, at least one side without a route */
	ASM_NOT_IP,         /* whole, but neither IPv4 nor IPv6 */
	ASM_TRUNCATED,      /* ends inside a header that decides */
	ASM_MALFORMED,      /* a header contradicts itself or the frame */
	ASM_MAP_FULL,       /* IP, but no row was free for the pair */
	ASM_VERDICTS
};

/*
 * The three measures. ip_bytes is the IPv4 total length, or the IPv6 payload
 * length + 40; wire_bytes is the Ethernet frame without preamble and FCS, as
 * sent on the wire (a GSO packet counts as the segments it becomes).
 */
struct asm_measure {
	__u64 packets;
	__u64 ip_bytes;
	__u64 wire_bytes;
};

/* The books of one port (interface and direction). ip_bytes is counted for
 * the verdicts attributed, unknown_as and map_full (and in seen); it is 0 for
 * the others. */
struct asm_books {
	struct asm_measure seen;
	struct asm_measure attributed;
	struct asm_measure unknown_as;
	struct asm_measure not_ip;
	struct asm_measure truncated;
	struct asm_measure malformed;
	struct asm_measure map_full;
};

/* asm_ports[(bank * n_cpus + cpu) * ASM_PORT_SLOTS + slot] */
struct asm_port {
	__u32 ifindex; /* 0: never used */
	__u32 reserved;
	struct asm_books rx; /* ASM_DIR_IN */
	struct asm_books tx; /* ASM_DIR_OUT */
};

/*
 * asm_rows[(bank * n_cpus + cpu) * rows + row]; row 0 is unused. Where the row
 * of a pair is: bpf/count.h. One cache line each, which does not change its key
 * until it is freed.
 *
 * Rows stand in an order: first the asm_cpu.n_used that are in use, oldest
 * first, then the free ones, which hold nothing. The n-th is row
 * n ^ asm_rows[n].nth, and row r is the (r ^ asm_rows[r].rank)-th, so zeros are
 * the order 1, 2, 3 ...
 *
 * OTHER RELEASES
 *
 * Programs of earlier releases find and take rows in other ways, so they must
 * not count in the same maps: each release moves the counts to maps of its own
 * (user/kernel/migrate.h). This one knows them by asm_state.homes. Earlier ones
 * know theirs by the number of rows, which is the one that the configuration
 * gives; here it never is (user/kernel/load.c), so the number must not be
 * changed with the release. They move rows 1 .. n_rows.
 */
struct asm_row {
	__u32 src_as;
	__u32 dst_as;
	__u32 ifindex;
	__u8 dir;     /* enum asm_dir */
	__u8 family;  /* 4 or 6; 0: free */
	__u16 moved;  /* 1: a sum from other maps, which no program adds to */
	__u32 src_ix; /* AS indexes: the key the program compares */
	__u32 dst_ix;
	__u64 packets;
	__u64 ip_bytes;
	__u64 wire_bytes;
	__u32 nth;
	__u32 rank;
	__u64 reserved;
};

/* asm_cpu[bank * n_cpus + cpu] */
struct asm_cpu {
	__u32 n_rows; /* asm_state.homes; so that earlier releases move all */
	__u32 n_used; /* rows in use */
	__u32 reserved[14];
};

/*
 * asm_index[(bank * n_cpus + cpu) * lines + line]: hash index of the rows that
 * are not where their hash says, sixteen slots a cache line; a slot holds 12
 * bits of hash (31..20) and a row number (19..0), 0 is empty. Written by the
 * programs, and by the reader when it frees rows.
 */
#define ASM_INDEX_WAYS 16u
struct asm_index_line {
	__u32 slot[ASM_INDEX_WAYS];
};

/*
 * asm_past[n], n < asm_state.n_past: what rows held that were freed, one entry
 * a pair. There are as many as there are rows, over all CPUs and banks. They
 * are never given back. One cache line each.
 */
struct asm_past {
	__u32 src_as; /* as in struct asm_row */
	__u32 dst_as;
	__u32 ifindex;
	__u8 dir;
	__u8 family;
	__u16 pending; /* 1: total is about to become next */
	struct asm_measure total;
	struct asm_measure next;
};

/* asm_as[AS index]: what the index stands for. */
struct asm_as {
	__u32 asn;
	__u32 reserved;
};

/* asm_ifs[slot], slot = (ifindex + probe) % ASM_IF_SLOTS, probe <
 * ASM_IF_PROBES. Written by the keeper before it attaches. */
#define ASM_IFF_NO_L2    (1u << 0) /* frames start with the IP header */
#define ASM_IFF_ATTACHED (1u << 8) /* metered now */
#define ASM_IFF_QDISC    (1u << 9) /* its clsact qdisc is ours */
/* It went without a last look at its counters, and came back: base says
 * nothing. */
#define ASM_IFF_NO_BASE   (1u << 10)
#define ASM_IFF_SAMPLED   (1u << 11) /* asm_rates has a rate for it */
#define ASM_IFF_GEN_SHIFT 24         /* the top byte: see asm_sampler */
struct asm_if {
	__u32 ifindex; /* 0: free */
	__u32 flags;   /* ASM_IFF_* */
	char name[ASM_IFNAME_LEN];
	/* The interface's own counters when the meter was attached, so that
	 * counter - base is what the meter must have seen. While detached:
	 * what both had counted together (the next attach goes on there). */
	__u64 base_rx_packets;
	__u64 base_rx_bytes;
	__u64 base_tx_packets;
	__u64 base_tx_bytes;
	__u64 attached_at; /* seconds since the epoch, UTC */
};

/*
 * SAMPLES
 *
 * Of the packets of a sampled port one in `rate` is taken, in the mean: each
 * packet with the same probability, whatever became of those before it. What
 * happens to a sample is told by counters that hold, once nothing is under
 * way, exactly (sums over all CPUs and ports):
 *
 *   taken   = no_tap + not_cut + sent                      asm_sampler
 *   sent    = arrived + dropped by the tap device          asm_rings
 *   arrived = no_socket + what the socket's ring was given
 *
 * and the ring's own losses are the socket's statistics (XDP_STATISTICS).
 */

/* asm_rates[slot]. Written by the keeper; tap_ifindex last. */
#define ASM_RATE_MAX (1u << 24)
#define ASM_SNAP_MIN 64u
#define ASM_SNAP_MAX 1024u
struct asm_rate {
	__u32 rate;     /* one of so many; 0: none */
	__u32 snap;     /* bytes kept of a packet */
	__u32 gap_mant; /* gap_scale() of the rate, see asmeter/gap.h */
	__u32 gap_shift;
	__u32 tap_ifindex; /* the device samples leave by; 0: there is none */
	__u32 ring;        /* of queue 0 of a mirror port */
	__u32 rings;       /* that it has, one a queue */
	__u32 reserved;
};

/*
 * asm_sampler[(cpu * ASM_PORT_SLOTS + slot) * ASM_DIRS + dir]: the countdown
 * of one port on one CPU and its counters. Written by the programs only. A gen
 * that is not the top byte of asm_if.flags makes them draw anew: the rate has
 * changed.
 */
struct asm_sampler {
	__u32 gen;
	__u32 skip; /* the skip-th packet from here is the next one taken */
	__u32 ifindex;
	__u32 reserved;
	__u64 taken;   /* samples: clones asked for */
	__u64 hits;    /* packets sampled; more than one of a GSO packet's
			* segments share a clone */
	__u64 no_tap;  /* no clone: memory, or no tap device */
	__u64 not_cut; /* the clone could not be cut or given its header */
	__u64 sent;    /* given to the tap device */
	__u64 reserved2;
};

/*
 * asm_rings[ring]: what AF_XDP rings were given. A ring belongs to one queue of
 * one device, which one CPU serves at a time, so there is one writer of the
 * first line. The other is the receiver's own, which keeps its books here so
 * that they outlive it.
 */
struct asm_ring {
	__u64 arrived;   /* programs: samples for this ring */
	__u64 no_socket; /* programs: nobody has it in asm_xsks */
	__u64 taken;     /* programs: of a mirror port's queue, lost or not */
	__u64 reserved[5];

	__u64 received;       /* taken out of the ring */
	__u64 ring_full;      /* by the sockets' statistics */
	__u64 fill_empty;     /* the same */
	__u64 dropped;        /* the same, other reasons */
	__u64 sock_closed;    /* were given to a socket that has ended */
	__u64 sock_cookie;    /* the socket that sock_* are of */
	__u64 sock_ring_full; /* its statistics when last read */
	__u64 sock_dropped;
	__u64 sock_fill_empty;
	__u64 reserved2[7];
};

/* Samples wait here for the one call in which they are made. */
enum asm_scratch_state {
	ASM_SCRATCH_IDLE = 0,
	ASM_SCRATCH_ARMED,   /* a clone is about to enter the tap */
	ASM_SCRATCH_NOT_CUT, /* it has, and could not be made a sample */
	ASM_SCRATCH_SENT,    /* it has, and is one */
};

/*
 * What precedes the packet in the ring: 72 bytes, host byte order. The packet
 * follows as it was on the wire, cut after cap_len bytes, but for a VLAN tag
 * that travelled beside it (SAMPLE_VLAN): that belongs between byte 12 and 13.
 */
#define SAMPLE_VERSION 1u
#define SAMPLE_NO_L2   (1u << 0) /* starts with the IP header */
#define SAMPLE_VLAN    (1u << 1) /* vlan_proto and vlan_tci are set */
#define SAMPLE_MIRROR  (1u << 2) /* of a mirror port: seq is its queue's */
struct sample_header {
	__u16 version; /* SAMPLE_VERSION */
	__u16 size;    /* of this header */
	__u32 ifindex;
	__u64 ktime_ns; /* CLOCK_MONOTONIC */
	__u64 seq;      /* asm_sampler.taken, this one included; or
			 * asm_ring.taken (SAMPLE_MIRROR) */
	__u32 rate;     /* in force when it was taken */
	__u32 hits;     /* sampled packets that it stands for */
	__u32 packets;  /* that the packet becomes on the wire (GSO), or was */
	__u32 wire_len; /* of all of these */
	__u32 src_as;   /* what the packet was counted as; 0: none */
	__u32 dst_as;
	__u16 cap_len; /* bytes of the packet that follow */
	__u16 slot;    /* in asm_ifs */
	__u16 cpu;     /* that seq is of; or the ring (SAMPLE_MIRROR) */
	__u16 vlan_proto;
	__u16 vlan_tci;
	__u8 dir;   /* enum asm_dir */
	__u8 flags; /* SAMPLE_* */
	/* Where a forwarded packet leaves (dir in: what the routing table says
	 * of its addresses) or came from (dir out); 0: it is not forwarded, or
	 * not known. */
	__u32 peer_ifindex;
	__u32 reserved;
};

struct asm_scratch {
	__u32 state; /* enum asm_scratch_state */
	__u32 snap;
	struct sample_header header;
};

/* Rings in asm_xsks. */
#define ASM_XSK_TAP   0u
#define ASM_XSK_FIRST 1u /* of mirror ports */
#define ASM_XSK_SLOTS 256u

/* The programs' constants (read-only data `cfg`); set before loading, the
 * same as what asm_state says. n_cpus is the highest possible CPU + 1. */
struct asm_cfg {
	__u32 n_cpus;
	__u32 rows;      /* rows per bank and CPU, row 0 included */
	__u32 line_mask; /* asm_state.index_lines - 1 */
	__u32 word_mask; /* asm_state.table_words - 1 */
};

/* asm_state[0] */
struct asm_state {
	__u32 abi_version;        /* ASM_ABI_VERSION */
	__u32 bank;               /* the bank programs write to now */
	__u32 n_cpus;             /* possible CPUs the maps were sized for */
	__u32 rows;               /* rows per bank and CPU, row 0 included */
	__u32 index_lines;        /* lines per bank and CPU, a power of two */
	__u32 table_words;        /* size of asm_table in 32-bit words, 2^n */
	__u32 n_as;               /* AS indexes in use, index 0 included */
	__u32 table_epoch;        /* grows by one with each published change */
	__u64 table_published_at; /* seconds since the epoch, UTC */
	__u64 created_at;         /* of the maps, seconds since the epoch */
	__u64 moved;      /* 1: all of the maps before these is in here */
	__u64 n_past;     /* entries of asm_past in use */
	__u64 emptied;    /* 0, or 1 + the part whose rows are in asm_past
			   * already and count no more (user/kernel/past.h) */
	__u64 freed_rows; /* so far */
	__u64 freed_times;
	__u32 homes;    /* rows that hashes point to: all, that is rows - 1;
			 * fewer, or 0: of an earlier release */
	__u32 reserved; /* an earlier release may have set it */
	__u64 reserved2[2];
};

/* The maps, in the order in which their descriptors are handed around. */
#define ASM_MAPS(X)             \
	X(STATE, asm_state)     \
	X(TABLE, asm_table)     \
	X(AS, asm_as)           \
	X(IFS, asm_ifs)         \
	X(PORTS, asm_ports)     \
	X(CPU, asm_cpu)         \
	X(INDEX, asm_index)     \
	X(ROWS, asm_rows)       \
	X(GRACE, asm_grace)     \
	X(RATES, asm_rates)     \
	X(SAMPLER, asm_sampler) \
	X(RINGS, asm_rings)     \
	X(SCRATCH, asm_scratch) \
	X(XSKS, asm_xsks)       \
	X(PAST, asm_past)

/* Pins of a release before these have none of them: they are added. */
#define ASM_MAPS_FIRST_ADDED ASM_MAP_RATES

enum asm_map {
#define X(id, name) ASM_MAP_##id,
	ASM_MAPS(X)
#undef X
		ASM_MAP_COUNT
};

#ifndef __bpf__
_Static_assert(sizeof(struct asm_row) == 64, "one cache line");
_Static_assert(sizeof(struct asm_cpu) == 64, "one cache line");
_Static_assert(sizeof(struct asm_index_line) == 64, "one cache line");
_Static_assert(sizeof(struct asm_past) == 64, "one cache line");
_Static_assert(sizeof(struct asm_state) == 112, "as it always was");
_Static_assert(sizeof(struct asm_books) == 7 * 24, "no padding");
_Static_assert(sizeof(struct asm_if) == 64, "");
_Static_assert(sizeof(struct asm_rate) == 32, "");
_Static_assert(sizeof(struct asm_sampler) == 64, "one cache line");
_Static_assert(sizeof(struct asm_ring) == 192, "three cache lines");
_Static_assert(sizeof(struct sample_header) == 72, "no padding");
#endif

#endif
