/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel fills dumps up to the size of the reader's buffer, 32 KB at
 * most; a single link with many VFs may be larger than a page. */
#define NL_BUF (64u << 10)

int nl_socket(unsigned group)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	int type = SOCK_RAW | SOCK_CLOEXEC | (group ? SOCK_NONBLOCK : 0);
	int fd = socket(AF_NETLINK, type, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) ||
	    (group && setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
				 &group, sizeof(group)))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int nl_put(struct nlmsghdr *req, size_t max, uint16_t type, const void *data,
	   size_t len)
{
	size_t at = NLMSG_ALIGN(req->nlmsg_len);
	struct rtattr rta = {.rta_type = type,
			     .rta_len = (unsigned short)RTA_LENGTH(len)};

	if (at + RTA_SPACE(len) > max)
		return -ENOSPC;
	memset((char *)req + at, 0, RTA_SPACE(len));
	memcpy((char *)req + at, &rta, sizeof(rta));
	if (len)
		memcpy((char *)req + at + RTA_LENGTH(0), data, len);
	req->nlmsg_len = (uint32_t)(at + RTA_SPACE(len));
	return 0;
}

void nl_parse(const struct nlmsghdr *h, size_t hdr_len,
	      const struct rtattr *tb[], unsigned max)
{
	const char *p = (const char *)h + NLMSG_SPACE(hdr_len);
	size_t left = h->nlmsg_len > NLMSG_SPACE(hdr_len)
			      ? h->nlmsg_len - NLMSG_SPACE(hdr_len)
			      : 0;

	memset(tb, 0, (max + 1) * sizeof(tb[0]));
	while (left >= sizeof(struct rtattr)) {
		const struct rtattr *a = (const void *)p;
		size_t step = RTA_ALIGN(a->rta_len);
		unsigned type = a->rta_type & (unsigned)NLA_TYPE_MASK;

		if (a->rta_len < sizeof(*a) || a->rta_len > left)
			return;
		if (type <= max)
			tb[type] = a;
		if (step >= left)
			return;
		p += step;
		left -= step;
	}
}

/* One datagram. 1: more to come, 0: done, else the result of the call. */
static int nl_deliver(const char *buf, size_t len, uint32_t seq, nl_fn fn,
		      void *ctx, int *ret_rc)
{
	const struct nlmsghdr *h = (const void *)buf;

	for (; NLMSG_OK(h, len); h = nl_next(h, &len)) {
		if (h->nlmsg_seq != seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE) {
			*ret_rc = 0;
			return 0;
		}
		if (h->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e =
				(const void *)((const char *)h +
					       NLMSG_LENGTH(0));

			*ret_rc = e->error;
			return 0;
		}
		*ret_rc = fn ? fn(ctx, h) : 0;
		if (*ret_rc)
			return 0;
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

int nl_call(struct nlmsghdr *req, nl_fn fn, void *ctx)
{
	int fd = nl_socket(0), rc = 0;
	char *buf;
	ssize_t n;

	if (fd < 0)
		return fd;
	buf = malloc(NL_BUF);
	if (!buf) {
		rc = -ENOMEM;
		goto out;
	}
	req->nlmsg_seq = 1;
	if (send(fd, req, req->nlmsg_len, 0) < 0) {
		rc = -errno;
		goto out;
	}
	do {
		n = recv(fd, buf, NL_BUF, 0);
		if (n < 0 && errno != EINTR) {
			rc = -errno;
			goto out;
		}
	} while (n < 0 || nl_deliver(buf, (size_t)n, 1, fn, ctx, &rc));
out:
	free(buf);
	close(fd);
	return rc;
}
