/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The little rtnetlink that this directory needs: one request, its answers.
 * Messages come from the kernel, which is trusted, but lengths are checked.
 */
#ifndef KERNEL_NL_H
#define KERNEL_NL_H

#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* Called for each answer; a non-zero return ends the call with it. */
typedef int (*nl_fn)(void *ctx, const struct nlmsghdr *h);

/* Opens a socket, sends *req (its nlmsg_len set), hands every answer to fn
 * and closes. 0, -errno of the kernel's answer or of the socket, or what fn
 * returned. */
int nl_call(struct nlmsghdr *req, nl_fn fn, void *ctx);

/* A socket that hears the multicast group (RTNLGRP_*), non-blocking; -errno.
 * group 0: none, blocking. */
int nl_socket(unsigned group);

/* Appends an attribute to *req, which has room for max bytes in all; -ENOSPC.
 * data may be NULL when len is 0. */
int nl_put(struct nlmsghdr *req, size_t max, uint16_t type, const void *data,
	   size_t len);

/* The message behind h in a datagram, *left bytes of which begin at h and pass
 * NLMSG_OK(). NLMSG_NEXT(), which takes no const pointer. */
static inline const struct nlmsghdr *nl_next(const struct nlmsghdr *h,
					     size_t *left)
{
	size_t step = NLMSG_ALIGN((size_t)h->nlmsg_len);

	if (step > *left)
		step = *left;
	*left -= step;
	return (const void *)((const char *)h + step);
}

/* Sorts the attributes of a message by type: tb[0 .. max] (max + 1 entries)
 * point to them or are NULL. hdr_len is the size of the family header. */
void nl_parse(const struct nlmsghdr *h, size_t hdr_len,
	      const struct rtattr *tb[], unsigned max);

#endif
