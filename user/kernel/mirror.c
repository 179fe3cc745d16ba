/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/mirror.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/grace.h"
#include "kernel/nl.h"
#include "kernel/pins.h"

/* ------------------------------------------------------------- refusal */

struct use {
	uint32_t ifindex;
	bool found;
};

static const void *data_of(const struct rtattr *a)
{
	return (const char *)a + RTA_LENGTH(0);
}

static uint32_t u32_of(const struct rtattr *a)
{
	uint32_t v = 0;

	if (a && a->rta_len >= RTA_LENGTH(sizeof(v)))
		memcpy(&v, data_of(a), sizeof(v));
	return v;
}

static int on_link(void *ctx, const struct nlmsghdr *h)
{
	const struct rtattr *tb[IFLA_MASTER + 1];
	struct use *u = ctx;

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	nl_parse(h, sizeof(struct ifinfomsg), tb, IFLA_MASTER);
	u->found |= u32_of(tb[IFLA_MASTER]) != 0;
	return 0;
}

static int on_addr(void *ctx, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *a =
		(const void *)((const char *)h + NLMSG_LENGTH(0));
	struct use *u = ctx;

	if (h->nlmsg_type == RTM_NEWADDR && a->ifa_index == u->ifindex &&
	    !(a->ifa_family == AF_INET6 && a->ifa_scope == RT_SCOPE_LINK))
		u->found = true;
	return 0;
}

/* fe80::/10 and ff00::/8 are routed to every interface that is up. */
static bool is_own_route(const struct rtmsg *r, const struct rtattr *dst)
{
	const uint8_t *p = dst ? data_of(dst) : NULL;

	if (r->rtm_family != AF_INET6)
		return false;
	return p && (p[0] == 0xff || (p[0] == 0xfe && (p[1] & 0xc0) == 0x80));
}

static int on_route(void *ctx, const struct nlmsghdr *h)
{
	const struct rtmsg *r =
		(const void *)((const char *)h + NLMSG_LENGTH(0));
	const struct rtattr *tb[RTA_OIF + 1];
	struct use *u = ctx;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return 0;
	nl_parse(h, sizeof(*r), tb, RTA_OIF);
	if (u32_of(tb[RTA_OIF]) == u->ifindex && !is_own_route(r, tb[RTA_DST]))
		u->found = true;
	return 0;
}

struct ask {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
	} u;
};

static int ask(uint16_t type, uint32_t ifindex, nl_fn fn, bool *ret)
{
	size_t len = type == RTM_GETLINK   ? sizeof(struct ifinfomsg)
		     : type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
					   : sizeof(struct rtmsg);
	struct ask q = {.h = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
			      .nlmsg_type = type,
			      .nlmsg_flags = NLM_F_REQUEST}};
	struct use u = {.ifindex = ifindex};
	int err;

	if (type == RTM_GETLINK)
		q.u.link.ifi_index = (int)ifindex;
	else
		q.h.nlmsg_flags |= NLM_F_DUMP;
	err = nl_call(&q.h, fn, &u);
	*ret = u.found;
	return err;
}

int mirror_check(const struct ifstat *st, char *msg, size_t msg_len)
{
	static const struct {
		uint16_t type;
		nl_fn fn;
		const char *what;
	} uses[] = {
		{RTM_GETLINK, on_link, "is a port of a bridge, bond or team"},
		{RTM_GETADDR, on_addr, "has an address"},
		{RTM_GETROUTE, on_route, "has a route"},
	};

	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		bool found;
		int err = ask(uses[i].type, st->ifindex, uses[i].fn, &found);

		if (err) {
			msg_set(msg, msg_len, "%s: netlink: %s", st->name,
				strerror(-err));
			return err;
		}
		if (!found)
			continue;
		msg_set(msg, msg_len,
			"%s: mode: mirror drops every packet that comes in, "
			"and this interface %s: it is for a port that only "
			"listens",
			st->name, uses[i].what);
		return -EBUSY;
	}
	return 0;
}

/* -------------------------------------------------------------- sockets */

static uint32_t count_queues(const char *ifname)
{
	char path[64 + ASM_IFNAME_LEN];
	struct dirent *e;
	uint32_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/queues", ifname);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += !strncmp(e->d_name, "rx-", 3);
	if (d)
		closedir(d);
	return n ? n : 1;
}

/* Between the last socket's end and this one's begin none is in the map, so
 * that what the last ones were given is known. */
int ring_put(const struct kern *k, uint32_t ring, uint32_t ifindex,
	     uint32_t queue, uint32_t queues, struct xsk_fds *ret_xsk,
	     uint64_t *ret_given)
{
	int xsks = k->map_fd[ASM_MAP_XSKS], err;
	struct asm_ring r;

	(void)bpf_map_delete_elem(xsks, &ring);
	err = xsk_open(ifindex, queue, queues != 0, queues ? queues : 1,
		       ret_xsk);
	if (!err)
		err = grace_wait(k->map_fd[ASM_MAP_GRACE],
				 k->map_fd[ASM_MAP_STATE]);
	if (!err && bpf_map_lookup_elem(k->map_fd[ASM_MAP_RINGS], &ring, &r))
		err = -errno;
	if (!err)
		*ret_given = r.arrived - r.no_socket;
	if (!err && bpf_map_update_elem(xsks, &ring, &ret_xsk->sock, BPF_ANY))
		err = -errno;
	if (err)
		xsk_fds_close(ret_xsk);
	return err;
}

int mirror_open(const struct kern *k, const struct ifstat *st, uint32_t ring,
		struct mirror *m, char *msg, size_t msg_len)
{
	uint32_t queues = count_queues(st->name);
	int err = 0;

	*m = (struct mirror){.ifindex = st->ifindex, .ring = ring};
	if (queues > MIRROR_QUEUES_MAX || ring + queues > ASM_XSK_SLOTS) {
		msg_set(msg, msg_len,
			"%s: %u queues are more than there are rings for: "
			"lower them (ethtool -L)",
			st->name, queues);
		return -ENOSPC;
	}
	for (; !err && m->queues < queues; m->queues += !err)
		err = ring_put(k, ring + m->queues, st->ifindex, m->queues,
			       queues, &m->xsk[m->queues],
			       &m->given[m->queues]);
	if (err) {
		msg_set(msg, msg_len, "AF_XDP socket on %s, queue %u: %s",
			st->name, m->queues, strerror(-err));
		mirror_close(k, m);
		return err;
	}
	memcpy(m->name, st->name, sizeof(m->name));
	return 0;
}

void mirror_close(const struct kern *k, struct mirror *m)
{
	for (uint32_t q = 0; q < m->queues; q++) {
		uint32_t ring = m->ring + q;

		(void)bpf_map_delete_elem(k->map_fd[ASM_MAP_XSKS], &ring);
		xsk_fds_close(&m->xsk[q]);
	}
	*m = (struct mirror){0};
}
