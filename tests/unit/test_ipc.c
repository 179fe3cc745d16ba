/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/ipc.h"
#include "kernel/attach.h"

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void some_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = dup(0);
}

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Sends raw bytes with n descriptors. */
static void send_raw(int fd, const void *buf, size_t len, const int *fds,
		     unsigned n)
{
	char c[CMSG_SPACE(sizeof(int) * 64)] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		struct cmsghdr *ch;

		h.msg_control = c;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		ch = CMSG_FIRSTHDR(&h);
		ch->cmsg_level = SOL_SOCKET;
		ch->cmsg_type = SCM_RIGHTS;
		ch->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(ch), fds, sizeof(int) * n);
	}
	cr_assert_geq(sendmsg(fd, &h, MSG_NOSIGNAL), 0);
}

Test(ipc, maps_and_their_descriptors)
{
	struct ipc_msg m = {.type = IPC_MAPS, .arg = 3}, got;
	int p[2], out[ASM_MAP_COUNT], in[IPC_FDS_MAX];
	unsigned n = 0;

	cr_assert_eq(ipc_pair(p), 0);
	some_fds(out, ASM_MAP_COUNT);
	cr_assert_eq(ipc_send(p[0], &m, out, ASM_MAP_COUNT), 0);
	cr_assert_eq(ipc_recv(p[1], IPC_FROM_KEEPER, &got, in, &n), 0);
	cr_assert_eq(n, ASM_MAP_COUNT);
	cr_assert_eq(got.type, IPC_MAPS);
	cr_assert_eq(got.arg, 3);
	for (unsigned i = 0; i < n; i++)
		cr_assert(in[i] != out[i] && in[i] > 2);
	cr_assert_eq(ipc_recv(p[1], IPC_FROM_KEEPER, &got, in, &n), -EAGAIN);
	close(p[0]);
	cr_assert_eq(ipc_recv(p[1], IPC_FROM_KEEPER, &got, in, &n), -EPIPE);
	cr_assert_eq(ipc_send(p[1], &m, NULL, 0), -EPIPE);
}

/* Every type from both sides with every number of descriptors: only what the
 * list allows comes through, and no descriptor is leaked. */
Test(ipc, closed_list)
{
	static const int want_fds[IPC_TYPES] = {[IPC_MAPS] = ASM_MAP_COUNT,
						[IPC_LISTENER] = 1,
						[IPC_CONFIG] = 1,
						[IPC_RING] = 2};
	int p[2], out[32], in[IPC_FDS_MAX];
	unsigned before;

	cr_assert_eq(ipc_pair(p), 0);
	some_fds(out, 32);
	before = open_fds();
	for (unsigned from = 0; from < 2; from++) {
		for (unsigned type = 0; type < IPC_TYPES + 3; type++) {
			for (unsigned n = 0; n <= IPC_FDS_MAX; n++) {
				struct ipc_msg m = {.magic = IPC_MAGIC,
						    .version = IPC_VERSION,
						    .type = (uint16_t)type,
						    .arg = type == IPC_RING
								   ? 512
								   : 0};
				struct ipc_msg got;
				unsigned gn = 0;
				bool ok = type >= 1 && type < IPC_TYPES &&
					  (type >= IPC_READY) == from &&
					  n == (unsigned)want_fds[type];
				int err;

				send_raw(p[0], &m, sizeof(m), out, n);
				err = ipc_recv(p[1], (enum ipc_from)from, &got,
					       in, &gn);
				cr_assert_eq(err, ok ? 0 : -EBADMSG,
					     "from %u type %u fds %u: %d", from,
					     type, n, err);
				if (!err)
					close_fds(in, gn);
			}
		}
	}
	cr_assert_eq(open_fds(), before, "descriptors leaked");
}

Test(ipc, a_meter_cannot_hand_over_descriptors)
{
	struct ipc_msg m = {.magic = IPC_MAGIC,
			    .version = IPC_VERSION,
			    .type = IPC_BEAT},
		       got;
	int p[2], out[30];
	unsigned n = 0, before;

	cr_assert_eq(ipc_pair(p), 0);
	some_fds(out, 30);
	before = open_fds();
	for (unsigned i = 1; i < 30; i++) {
		send_raw(p[0], &m, sizeof(m), out, i);
		cr_assert_eq(ipc_recv(p[1], IPC_FROM_METER, &got, NULL, &n),
			     -EBADMSG);
	}
	cr_assert_eq(open_fds(), before);
}

Test(ipc, every_length)
{
	char buf[sizeof(struct ipc_msg) + 64];
	struct ipc_msg m = {.magic = IPC_MAGIC,
			    .version = IPC_VERSION,
			    .type = IPC_READY},
		       got;
	int p[2];
	unsigned n;

	memset(buf, 0, sizeof(buf));
	memcpy(buf, &m, sizeof(m));
	cr_assert_eq(ipc_pair(p), 0);
	for (size_t len = 1; len <= sizeof(buf); len++) {
		send_raw(p[0], buf, len, NULL, 0);
		cr_assert_eq(ipc_recv(p[1], IPC_FROM_METER, &got, NULL, &n),
			     len == sizeof(m) ? 0 : -EBADMSG, "length %zu",
			     len);
	}
}

Test(ipc, fields_out_of_range)
{
	struct ipc_msg good = {.magic = IPC_MAGIC,
			       .version = IPC_VERSION,
			       .type = IPC_IFACE,
			       .arg = 0,
			       .arg2 = 1},
		       m;

	cr_assert_eq(ipc_check(&good, IPC_FROM_KEEPER, 0), 0);
	m = good, m.magic++;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, m.version++;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, memset(m.text, 'x', sizeof(m.text));
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, memset(m.iface.name, 'x', sizeof(m.iface.name));
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, m.arg = 1;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, m.arg2 = ASM_IF_SLOTS + 1;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, m.iface.mode_in = ATTACH_MODES;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, m.iface.mode_out = ATTACH_MODES;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 0), -EBADMSG);
	m = good, m.type = IPC_LISTENER, m.arg = IPC_LISTENERS;
	cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 1), -EBADMSG);
}

/* Random and damaged messages: what is accepted is what ipc_check() says. */
Test(ipc, fuzzed)
{
	struct ipc_msg m, got;
	int p[2];
	unsigned n, accepted = 0;

	srandom(42);
	cr_assert_eq(ipc_pair(p), 0);
	for (int i = 0; i < 20000; i++) {
		unsigned char *b = (unsigned char *)&m;
		int err;

		memset(&m, 0, sizeof(m));
		m.magic = IPC_MAGIC;
		m.version = IPC_VERSION;
		m.type = (uint16_t)(random() % (IPC_TYPES + 1));
		for (long k = random() % 4; k > 0; k--)
			b[(size_t)random() % (i & 1 ? 16 : sizeof(m))] =
				(unsigned char)random();
		if (i % 16 == 0)
			for (size_t k = 0; k < sizeof(m); k++)
				b[k] = (unsigned char)random();
		send_raw(p[0], &m, sizeof(m), NULL, 0);
		err = ipc_recv(p[1], IPC_FROM_METER, &got, NULL, &n);
		cr_assert_eq(err, ipc_check(&m, IPC_FROM_METER, 0));
		if (!err) {
			accepted++;
			cr_assert_geq(got.type, IPC_READY);
		}
	}
	cr_assert_gt(accepted, 100);
}

Test(ipc, a_reader_that_sleeps)
{
	struct ipc_msg m = {.type = IPC_BEAT};
	int p[2], err = 0, n;

	cr_assert_eq(ipc_pair(p), 0);
	for (n = 0; n < 100000 && !err; n++)
		err = ipc_send(p[0], &m, NULL, 0);
	cr_assert_eq(err, -EAGAIN);
	/* all interfaces and listeners there can be go in one piece */
	cr_assert_gt(n, 2 * (int)ASM_IF_SLOTS, "%d", n);
}

/* A ring's size is a power of two that the sender can have made. */
Test(ipc, sizes_of_a_ring)
{
	static const uint32_t bad[] = {0, 1, 256, 513, 8191, 16384, UINT32_MAX};
	struct ipc_msg m = {.magic = IPC_MAGIC,
			    .version = IPC_VERSION,
			    .type = IPC_RING};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		m.arg = bad[i];
		cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 2), -EBADMSG);
	}
	for (m.arg = 512; m.arg <= 8192; m.arg *= 2)
		cr_assert_eq(ipc_check(&m, IPC_FROM_KEEPER, 2), 0);
}
