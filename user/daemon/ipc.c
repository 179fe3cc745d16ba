/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/attach.h"
#include "kernel/xsk.h"

static const struct {
	enum ipc_from from;
	unsigned fds;
} rules[IPC_TYPES] = {
	[IPC_MAPS] = {IPC_FROM_KEEPER, ASM_MAP_COUNT},
	[IPC_LISTENER] = {IPC_FROM_KEEPER, 1},
	[IPC_CONFIG] = {IPC_FROM_KEEPER, 1},
	[IPC_IFACE] = {IPC_FROM_KEEPER, 0},
	[IPC_START] = {IPC_FROM_KEEPER, 0},
	[IPC_GO] = {IPC_FROM_KEEPER, 0},
	[IPC_SAMPLING] = {IPC_FROM_KEEPER, 0},
	[IPC_RING] = {IPC_FROM_KEEPER, 2},
	[IPC_RELOADS] = {IPC_FROM_KEEPER, 0},
	[IPC_STOP] = {IPC_FROM_KEEPER, 0},
	[IPC_READY] = {IPC_FROM_METER, 0},
	[IPC_BEAT] = {IPC_FROM_METER, 0},
	[IPC_STATUS] = {IPC_FROM_METER, 0},
	[IPC_RELOADED] = {IPC_FROM_METER, 0},
};

/* Room for everything that a meter is told at its start, before it reads. */
#define QUEUE_BYTES (1 << 20)

int ipc_pair(int ret[2])
{
	const int room = QUEUE_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, ret))
		return -errno;
	/* the keeper has CAP_NET_ADMIN; others get what the system allows */
	if (setsockopt(ret[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
		(void)setsockopt(ret[0], SOL_SOCKET, SO_SNDBUF, &room,
				 sizeof(room));
	return 0;
}

int ipc_check(const struct ipc_msg *m, enum ipc_from from, unsigned n)
{
	if (m->magic != IPC_MAGIC || m->version != IPC_VERSION)
		return -EBADMSG;
	if (!m->type || m->type >= IPC_TYPES || rules[m->type].from != from ||
	    rules[m->type].fds != n)
		return -EBADMSG;
	if (!memchr(m->text, '\0', sizeof(m->text)) ||
	    !memchr(m->iface.name, '\0', sizeof(m->iface.name)))
		return -EBADMSG;
	if (m->type == IPC_LISTENER && m->arg >= IPC_LISTENERS)
		return -EBADMSG;
	if (m->type == IPC_RING &&
	    (m->arg2 >= ASM_XSK_SLOTS || m->arg < XSK_FRAMES_MIN ||
	     m->arg > XSK_FRAMES_MAX || m->arg & (m->arg - 1)))
		return -EBADMSG;
	if (m->type == IPC_IFACE &&
	    (m->arg2 > ASM_IF_SLOTS || (m->arg2 && m->arg >= m->arg2) ||
	     m->iface.mode_in >= ATTACH_MODES ||
	     m->iface.mode_out >= ATTACH_MODES))
		return -EBADMSG;
	return 0;
}

int ipc_send(int fd, struct ipc_msg *m, const int *fds, unsigned n)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
		struct cmsghdr align;
	} c = {0};
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	m->magic = IPC_MAGIC;
	m->version = IPC_VERSION;
	if (n > IPC_FDS_MAX)
		return -EINVAL;
	if (n) {
		struct cmsghdr *ch;

		h.msg_control = c.buf;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		ch = CMSG_FIRSTHDR(&h);
		ch->cmsg_level = SOL_SOCKET;
		ch->cmsg_type = SCM_RIGHTS;
		ch->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(ch), fds, sizeof(int) * n);
	}
	for (;;) {
		ssize_t r = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r == (ssize_t)sizeof(*m))
			return 0;
		if (r >= 0)
			return -EMSGSIZE;
		if (errno == ECONNRESET)
			return -EPIPE;
		if (errno != EINTR)
			return -errno;
	}
}

/* Copies out the descriptors that came; more than fit cannot come. */
static unsigned take_fds(struct msghdr *h, int *fds)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t len;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < IPC_FDS_MAX)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

int ipc_recv(int fd, enum ipc_from from, struct ipc_msg *ret, int *ret_fds,
	     unsigned *ret_n)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
		struct cmsghdr align;
	} c;
	struct ipc_msg m;
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[IPC_FDS_MAX];
	unsigned n = 0;
	ssize_t r;

	if (from == IPC_FROM_KEEPER) { /* else no room: none are taken */
		h.msg_control = c.buf;
		h.msg_controllen = CMSG_LEN(sizeof(int) * IPC_FDS_MAX);
	}
	do
		r = recvmsg(fd, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (h.msg_control)
		n = take_fds(&h, fds);
	if (r == 0 && !n && !(h.msg_flags & MSG_CTRUNC))
		return -EPIPE;
	if (r != (ssize_t)sizeof(m) ||
	    (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    ipc_check(&m, from, n)) {
		while (n)
			close(fds[--n]);
		return -EBADMSG;
	}
	*ret = m;
	if (n)
		memcpy(ret_fds, fds, n * sizeof(int));
	if (ret_n)
		*ret_n = n;
	return 0;
}
