/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words that keeper and meter have for each other: datagrams of one fixed
 * size over a SOCK_SEQPACKET pair, with descriptors beside them.
 *
 * The keeper believes nothing: what the meter may say is a closed list
 * (ready, beat, status, reloaded), none of which makes the keeper attach,
 * detach, open or write anything. A message that is not on the list, or not
 * formed as it has to be, costs the meter its life and nothing else.
 *
 *   keeper -> meter   maps, listener (one per socket), config, iface (each),
 *                     sampling, ring, start; go; later iface, config,
 *                     sampling, ring, reloads, stop
 *   meter -> keeper   ready after start; then beats; status; reloaded
 */
#ifndef DAEMON_IPC_H
#define DAEMON_IPC_H

#include <stdint.h>

#include "asmeter/abi.h"

#define IPC_MAGIC   0x6173746du
#define IPC_VERSION 1u
#define IPC_FDS_MAX ((unsigned)ASM_MAP_COUNT)
#define IPC_TEXT    256

enum ipc_type {
	/* keeper -> meter */
	IPC_MAPS = 1, /* fds: every map; arg: this is the n-th meter */
	IPC_LISTENER, /* fd; arg: enum ipc_listener */
	IPC_CONFIG,   /* fd: the text */
	IPC_IFACE,    /* arg of arg2 interfaces; 0 of 0: there are none */
	IPC_START,    /* all handed over: open it, then say ready */
	IPC_GO,       /* attached, privileges dropped: talk to peers */
	IPC_SAMPLING, /* arg: 1 wanted, arg2: times the tap was made; count:
		       * IPC_RINGS_*; text: why there is no way out, and all
		       * rings are to be given up */
	IPC_RING,     /* fds: socket, memory; arg: frames; arg2: its number;
		       * count: given; iface.name: of a mirror port */
	IPC_RELOADS,  /* arg: reloads, arg2: refused ones, so far */
	IPC_STOP,     /* the daemon ends */
	/* meter -> keeper */
	IPC_READY,
	IPC_BEAT,
	IPC_STATUS,   /* text: one line for the service manager */
	IPC_RELOADED, /* arg: 0, or 1 and text says why not */
	IPC_TYPES
};

/* Every ring is told of between these two; others are to be given up. */
#define IPC_RINGS_BEGIN 1u
#define IPC_RINGS_END   2u

enum ipc_listener {
	IPC_LISTEN_BGP = 0,
	IPC_LISTEN_HTTP,
	IPC_LISTEN_API,
	IPC_LISTENERS
};

enum ipc_from {
	IPC_FROM_KEEPER,
	IPC_FROM_METER,
};

/* One interface as the keeper sees it. */
struct ipc_iface {
	char name[ASM_IFNAME_LEN];
	uint32_t ifindex; /* 0: gone */
	uint32_t mode_in; /* enum attach_mode */
	uint32_t mode_out;
	uint32_t reattached; /* times it had to be attached again */
	uint64_t gap_ns;     /* not metered until then, in all */
	uint64_t lost_ns;    /* since this moment (struct mono); 0: it is */
};

struct ipc_msg {
	uint32_t magic;
	uint16_t version;
	uint16_t type; /* enum ipc_type */
	uint32_t arg;
	uint32_t arg2;
	uint64_t count;      /* ring: samples that those before it were given */
	uint32_t zerocopy;   /* ring: 1 when it is */
	uint32_t bind_queue; /* ring: to be bound there, when iface.ifindex */
	struct ipc_iface iface;
	char text[IPC_TEXT]; /* NUL-terminated; iface: why it is not metered */
};

/* A connected pair, close-on-exec, non-blocking; [0] is the keeper's. */
int ipc_pair(int ret[2]);

/* Fills in the frame of the message and sends it with n descriptors, which
 * stay the caller's. -EAGAIN: the other side does not read; -EPIPE: gone. */
int ipc_send(int fd, struct ipc_msg *m, const int *fds, unsigned n);

/* Takes one message of the given sender. 0; -EAGAIN: none there; -EPIPE: the
 * other side is gone; -EBADMSG: not a message it may send (descriptors that
 * came along are closed). A meter can hand no descriptor to the keeper: they
 * are not even received. ret_fds has IPC_FDS_MAX entries, then the caller's. */
int ipc_recv(int fd, enum ipc_from from, struct ipc_msg *ret, int *ret_fds,
	     unsigned *ret_n);

/* The rules alone, for a message with n descriptors: 0 or -EBADMSG. */
int ipc_check(const struct ipc_msg *m, enum ipc_from from, unsigned n);

#endif
