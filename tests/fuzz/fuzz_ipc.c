/* SPDX-License-Identifier: BSD-2-Clause */
/* What a meter can send to the keeper, and the keeper to the meter: the first
 * byte says who speaks and how many descriptors come along, the rest is the
 * datagram, through a real pair of sockets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/ipc.h"
#include "kernel/attach.h"

#define FDS_MAX 40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_all(int fd, const uint8_t *p, size_t len, unsigned n)
{
	char c[CMSG_SPACE(sizeof(int) * FDS_MAX)] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		struct cmsghdr *ch;
		int *fds;

		h.msg_control = c;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		ch = CMSG_FIRSTHDR(&h);
		ch->cmsg_level = SOL_SOCKET;
		ch->cmsg_type = SCM_RIGHTS;
		ch->cmsg_len = CMSG_LEN(sizeof(int) * n);
		fds = (int *)(void *)CMSG_DATA(ch);
		for (unsigned i = 0; i < n; i++)
			fds[i] = fd;
	}
	(void)sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void must_be_sound(const struct ipc_msg *m, enum ipc_from from,
			  unsigned n)
{
	bool of_meter = m->type == IPC_READY || m->type == IPC_BEAT ||
			m->type == IPC_STATUS || m->type == IPC_RELOADED;

	if (of_meter != (from == IPC_FROM_METER))
		abort();
	if (of_meter && n)
		abort();
	if (!memchr(m->text, 0, sizeof(m->text)) ||
	    !memchr(m->iface.name, 0, sizeof(m->iface.name)))
		abort();
	if (m->type == IPC_IFACE &&
	    (m->arg2 > ASM_IF_SLOTS || (m->arg2 && m->arg >= m->arg2) ||
	     m->iface.mode_in >= ATTACH_MODES ||
	     m->iface.mode_out >= ATTACH_MODES))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum ipc_from from;
	int pair[2], fds[IPC_FDS_MAX];
	struct ipc_msg m;
	unsigned n = 0;

	if (!size || ipc_pair(pair))
		return 0;
	from = data[0] & 1 ? IPC_FROM_METER : IPC_FROM_KEEPER;
	send_all(pair[1], data + 1, size - 1, (data[0] >> 1) % FDS_MAX);
	if (!ipc_recv(pair[0], from, &m, fds, &n)) {
		must_be_sound(&m, from, n);
		while (n)
			close(fds[--n]);
	}
	close(pair[0]);
	close(pair[1]);
	return 0;
}
