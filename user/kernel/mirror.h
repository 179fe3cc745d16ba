/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mirror ports: an interface that only listens, at a SPAN port or a TAP. The
 * program counts each frame, gives samples to the AF_XDP ring of their queue
 * and drops the rest, so nothing that comes in there reaches the stack. That is
 * why it must be asked for by name, and is refused where the stack has anything
 * to do.
 */
#ifndef KERNEL_MIRROR_H
#define KERNEL_MIRROR_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/ifstat.h"
#include "kernel/load.h"
#include "kernel/xsk.h"

#define MIRROR_QUEUES_MAX 64u

/* 0, or -EBUSY and in msg what the interface is used for: an address (but the
 * link-local one that every interface gets), a route, a bridge or bond. */
int mirror_check(const struct ifstat *st, char *msg, size_t msg_len);

struct mirror {
	char name[ASM_IFNAME_LEN]; /* "": none */
	uint32_t ifindex;
	uint32_t ring; /* of queue 0, in asm_xsks */
	uint32_t queues;
	struct xsk_fds xsk[MIRROR_QUEUES_MAX];
	uint64_t given[MIRROR_QUEUES_MAX]; /* as in struct tap */
};

/* Opens a socket on each queue of an attached interface, zero-copy where the
 * driver can, and puts them in asm_xsks from `ring` on. -ENOSPC: there are not
 * that many rings. */
int mirror_open(const struct kern *k, const struct ifstat *st, uint32_t ring,
		struct mirror *ret, char *msg, size_t msg_len);
void mirror_close(const struct kern *k, struct mirror *m);

/* One socket into asm_xsks. queues: of a mirror port, where zero-copy is tried;
 * 0: the tap, where it cannot be. *ret_given: what those before it were given.
 */
int ring_put(const struct kern *k, uint32_t ring, uint32_t ifindex,
	     uint32_t queue, uint32_t queues, struct xsk_fds *ret_xsk,
	     uint64_t *ret_given);

#endif
