/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not libxdp's xsk_socket__create(): it makes and maps the rings in one
 * process, and 1.3.1 cannot take a socket down cleanly without its dispatcher.
 */
#include "kernel/xsk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mono.h"

#define COMPLETIONS     64u /* nothing is ever sent */
#define REBIND_TRIES    50
#define REBIND_PAUSE_US 20000

struct ring {
	void *map;
	size_t map_len;
	uint32_t *producer, *consumer;
	void *desc;
	uint32_t mask;
};

struct xsk {
	struct xsk_fds fds;
	uint8_t *mem;
	size_t mem_len;
	struct ring rx, fill;
	uint32_t peeked; /* the consumer that xsk_peek() counted from */
};

/* -------------------------------------------------------------- rings */

static int ring_map(struct ring *r, int sock, const struct xdp_ring_offset *off,
		    off_t pgoff, uint32_t entries, size_t desc_size)
{
	r->map_len = off->desc + entries * desc_size;
	r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, sock, pgoff);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -errno;
	}
	r->producer = (uint32_t *)((char *)r->map + off->producer);
	r->consumer = (uint32_t *)((char *)r->map + off->consumer);
	r->desc = (char *)r->map + off->desc;
	r->mask = entries - 1;
	return 0;
}

static void ring_unmap(struct ring *r)
{
	if (r->map)
		munmap(r->map, r->map_len);
	*r = (struct ring){0};
}

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static int offsets(int sock, struct xdp_mmap_offsets *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(sock, SOL_XDP, XDP_MMAP_OFFSETS, ret, &len) ? -errno
								      : 0;
}

/* ------------------------------------------------------------ keeper */

/* Memory that both processes see and neither can take away. */
static int frames_make(uint32_t frames, int *ret_fd, void **ret_mem)
{
	size_t len = (size_t)frames * XSK_FRAME_SIZE;
	int fd = memfd_create("asmeter-samples",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err = 0;
	void *p;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		err = -errno;
	p = err ? MAP_FAILED
		: mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!err && p == MAP_FAILED)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	*ret_mem = p;
	return 0;
}

static int set_u32(int sock, int opt, uint32_t v)
{
	return setsockopt(sock, SOL_XDP, opt, &v, sizeof(v)) ? -errno : 0;
}

static int rings_make(int sock, void *mem, uint32_t frames)
{
	struct xdp_umem_reg reg = {.addr = (uintptr_t)mem,
				   .len = (uint64_t)frames * XSK_FRAME_SIZE,
				   .chunk_size = XSK_FRAME_SIZE};
	int err = 0;

	if (setsockopt(sock, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		return -errno;
	err = set_u32(sock, XDP_UMEM_FILL_RING, frames);
	if (!err)
		err = set_u32(sock, XDP_UMEM_COMPLETION_RING, COMPLETIONS);
	if (!err)
		err = set_u32(sock, XDP_RX_RING, frames);
	return err;
}

/* Every frame goes to the kernel. */
static int fill_all(int sock, uint32_t frames)
{
	struct xdp_mmap_offsets off;
	struct ring r = {0};
	uint64_t *addr;
	int err = offsets(sock, &off);

	if (!err)
		err = ring_map(&r, sock, &off.fr,
			       (off_t)XDP_UMEM_PGOFF_FILL_RING, frames,
			       sizeof(uint64_t));
	if (err)
		return err;
	addr = r.desc;
	for (uint32_t i = 0; i < frames; i++)
		addr[i] = (uint64_t)i * XSK_FRAME_SIZE;
	store(r.producer, frames);
	ring_unmap(&r);
	return 0;
}

/* The kernel takes the queue's last socket down some time after its end. */
static int bind_queue(int sock, uint32_t ifindex, uint32_t queue,
		      uint16_t flags)
{
	const struct sockaddr_xdp sa = {.sxdp_family = AF_XDP,
					.sxdp_flags = flags,
					.sxdp_ifindex = ifindex,
					.sxdp_queue_id = queue};
	int err = 0;

	for (int i = 0; i < REBIND_TRIES; i++) {
		err = bind(sock, (const struct sockaddr *)&sa, sizeof(sa))
			      ? -errno
			      : 0;
		if (err != -EBUSY)
			return err;
		(void)usleep(REBIND_PAUSE_US);
	}
	return err;
}

/* Whether another process could map the rings now. */
static bool can_map(int sock, uint32_t frames)
{
	struct xdp_mmap_offsets off;
	struct ring r = {0};
	int err = offsets(sock, &off);

	if (!err)
		err = ring_map(&r, sock, &off.rx, XDP_PGOFF_RX_RING, frames,
			       sizeof(struct xdp_desc));
	ring_unmap(&r);
	return err != -EBUSY;
}

static int open_sized(uint32_t ifindex, uint32_t queue, uint16_t flags,
		      uint32_t frames, bool bound, struct xsk_fds *ret)
{
	struct xsk_fds x = {.sock = -1, .mem = -1, .frames = frames};
	void *mem = NULL;
	int err;

	x.sock = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x.sock < 0)
		return -errno;
	err = frames_make(frames, &x.mem, &mem);
	if (!err)
		err = rings_make(x.sock, mem, frames);
	if (!err)
		err = fill_all(x.sock, frames);
	if (!err && bound)
		err = bind_queue(x.sock, ifindex, queue, flags);
	if (!err && !bound) {
		x.bind_ifindex = ifindex;
		x.bind_queue = queue;
	}
	if (mem) /* the kernel holds its pages; nobody reads here */
		munmap(mem, (size_t)frames * XSK_FRAME_SIZE);
	if (err)
		xsk_fds_close(&x);
	else
		*ret = x;
	return err;
}

static int open_mode(uint32_t ifindex, uint32_t queue, bool try_zerocopy,
		     uint32_t frames, struct xsk_fds *ret)
{
	int err = try_zerocopy ? open_sized(ifindex, queue, XDP_ZEROCOPY,
					    frames, true, ret)
			       : -EOPNOTSUPP;

	ret->zerocopy = !err;
	if (err && err != -ENOBUFS && err != -ENOMEM)
		err = open_sized(ifindex, queue, XDP_COPY, frames, true, ret);
	if (err || can_map(ret->sock, frames))
		return err;
	xsk_fds_close(ret);
	return open_sized(ifindex, queue, XDP_COPY, frames, false, ret);
}

/* Half of what may be locked, as the last socket's frames may still be, shared
 * among the sockets that belong together. */
static uint32_t locked_share(uint32_t sockets)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim) || lim.rlim_cur == RLIM_INFINITY)
		return XSK_FRAMES_MAX;
	lim.rlim_cur /= 2u * sockets * XSK_FRAME_SIZE;
	return lim.rlim_cur < XSK_FRAMES_MAX ? (uint32_t)lim.rlim_cur
					     : XSK_FRAMES_MAX;
}

int xsk_open(uint32_t ifindex, uint32_t queue, bool try_zerocopy,
	     uint32_t sockets, struct xsk_fds *ret)
{
	uint32_t share = locked_share(sockets);
	int err = -ENOMEM;

	*ret = (struct xsk_fds){.sock = -1, .mem = -1};
	for (uint32_t n = XSK_FRAMES_MAX; n >= XSK_FRAMES_MIN; n /= 2) {
		err = open_mode(ifindex, queue, try_zerocopy, n, ret);
		/* RLIMIT_MEMLOCK: with less it may fit */
		if (err != -ENOBUFS && err != -ENOMEM)
			return err;
		while (n / 2 > share && n / 2 > XSK_FRAMES_MIN)
			n /= 2;
	}
	return err;
}

void xsk_fds_close(struct xsk_fds *x)
{
	if (x->sock >= 0)
		close(x->sock);
	if (x->mem >= 0)
		close(x->mem);
	*x = (struct xsk_fds){.sock = -1, .mem = -1};
}

/* ------------------------------------------------------------- meter */

int xsk_map(struct xsk_fds *fds, struct xsk **ret)
{
	struct xsk *x = calloc(1, sizeof(*x));
	struct xdp_mmap_offsets off;
	void *p;
	int err;

	if (!x) {
		xsk_fds_close(fds);
		return -ENOMEM;
	}
	x->fds = *fds;
	*fds = (struct xsk_fds){.sock = -1, .mem = -1};
	x->mem_len = (size_t)x->fds.frames * XSK_FRAME_SIZE;
	p = mmap(NULL, x->mem_len, PROT_READ, MAP_SHARED, x->fds.mem, 0);
	err = p == MAP_FAILED ? -errno : 0;
	if (!err) {
		x->mem = p;
		err = offsets(x->fds.sock, &off);
	}
	if (!err)
		err = ring_map(&x->rx, x->fds.sock, &off.rx, XDP_PGOFF_RX_RING,
			       x->fds.frames, sizeof(struct xdp_desc));
	if (!err)
		err = ring_map(&x->fill, x->fds.sock, &off.fr,
			       (off_t)XDP_UMEM_PGOFF_FILL_RING, x->fds.frames,
			       sizeof(uint64_t));
	if (!err && x->fds.bind_ifindex)
		err = bind_queue(x->fds.sock, x->fds.bind_ifindex,
				 x->fds.bind_queue, XDP_COPY);
	if (err)
		xsk_unmap(x);
	else
		*ret = x;
	return err;
}

void xsk_unmap(struct xsk *x)
{
	if (!x)
		return;
	ring_unmap(&x->fill);
	ring_unmap(&x->rx);
	if (x->mem)
		munmap(x->mem, x->mem_len);
	xsk_fds_close(&x->fds);
	free(x);
}

int xsk_sock(const struct xsk *x)
{
	return x->fds.sock;
}

unsigned xsk_peek(struct xsk *x, struct xsk_frame *ret, unsigned max)
{
	const struct xdp_desc *desc = x->rx.desc;
	uint32_t n;

	x->peeked = *x->rx.consumer;
	n = load(x->rx.producer) - x->peeked;
	if (n > max)
		n = max;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = &desc[(x->peeked + i) & x->rx.mask];
		bool sane = d->len <= XSK_FRAME_SIZE && d->addr < x->mem_len &&
			    d->len <= x->mem_len - d->addr;

		ret[i] = (struct xsk_frame){
			.data = x->mem + (sane ? d->addr : 0),
			.len = sane ? d->len : 0,
			.addr = d->addr - d->addr % XSK_FRAME_SIZE,
		};
	}
	return n;
}

void xsk_release(struct xsk *x, const struct xsk_frame *v, unsigned n)
{
	uint32_t at = *x->fill.producer;
	uint64_t *addr = x->fill.desc;

	for (unsigned i = 0; i < n; i++)
		addr[(at + i) & x->fill.mask] = v[i].addr;
	store(x->fill.producer, at + n);
	store(x->rx.consumer, x->peeked + n);
}

int xsk_losses(const struct xsk *x, struct xsk_losses *ret)
{
	struct xdp_statistics st = {0};
	socklen_t len = sizeof(st);

	if (getsockopt(x->fds.sock, SOL_XDP, XDP_STATISTICS, &st, &len))
		return -errno;
	/* a frame without a place is counted as dropped, too */
	ret->ring_full = st.rx_ring_full;
	ret->fill_empty = st.rx_fill_ring_empty_descs < st.rx_dropped
				  ? st.rx_fill_ring_empty_descs
				  : st.rx_dropped;
	ret->dropped = st.rx_dropped - ret->fill_empty;
	return 0;
}

uint64_t xsk_cookie(int sock)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		return 0;
	return cookie;
}
