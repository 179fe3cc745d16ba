/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AF_XDP socket in two processes. The keeper, which may, opens it: memory
 * for the frames (a memfd), the rings, bind, and every frame into the fill
 * ring. The meter, which may not, is handed both descriptors and maps the same
 * rings and frames. What is in the rings outlives the meter, so the next one
 * goes on where it ended.
 *
 * Where a reader ends between its two stores in xsk_release(), a frame is lost
 * or seen twice; nothing worse can come of it, as the kernel checks what it is
 * given, and so does xsk_peek().
 */
#ifndef KERNEL_XSK_H
#define KERNEL_XSK_H

#include <stdbool.h>
#include <stdint.h>

#define XSK_FRAME_SIZE 2048u
#define XSK_FRAMES_MAX 8192u
#define XSK_FRAMES_MIN 512u

/* What the keeper holds and hands over. */
struct xsk_fds {
	int sock; /* -1: none */
	int mem;
	uint32_t frames;
	bool zerocopy;
	/* Before 6.4 the rings of a bound socket cannot be mapped: whoever maps
	 * them binds it, and each process needs a socket of its own. 0: it is
	 * bound. */
	uint32_t bind_ifindex;
	uint32_t bind_queue;
};

/*
 * Opens and binds a socket to a queue of an interface. Takes as many frames
 * as locked memory allows, XSK_FRAMES_MAX at most. try_zerocopy: copy mode is
 * what it falls back to. sockets: so many share what memory may be locked. A
 * queue whose last socket is still being taken down is tried again for a
 * second. 0 or -errno.
 */
int xsk_open(uint32_t ifindex, uint32_t queue, bool try_zerocopy,
	     uint32_t sockets, struct xsk_fds *ret);
void xsk_fds_close(struct xsk_fds *x);

struct xsk; /* the rings as the meter has them */

struct xsk_frame {
	const uint8_t *data;
	uint32_t len;
	uint64_t addr; /* for xsk_release() */
};

/* The losses of a socket since it was opened. */
struct xsk_losses {
	uint64_t ring_full;
	uint64_t fill_empty; /* no frame was free: the reader was too slow */
	uint64_t dropped;    /* by the socket for another reason */
};

/* Takes over both descriptors of *x, also when it fails. */
int xsk_map(struct xsk_fds *x, struct xsk **ret);
void xsk_unmap(struct xsk *x);
int xsk_sock(const struct xsk *x);

/* Up to max frames that have come, oldest first; they stay in the ring. */
unsigned xsk_peek(struct xsk *x, struct xsk_frame *ret, unsigned max);

/* Gives the first n frames of the last xsk_peek() back. */
void xsk_release(struct xsk *x, const struct xsk_frame *v, unsigned n);

int xsk_losses(const struct xsk *x, struct xsk_losses *ret);

/* A number that no other socket has had or will have; 0 when unknown. */
uint64_t xsk_cookie(int sock);

#endif
