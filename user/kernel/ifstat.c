/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/ifstat.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/nl.h"

#define WATCH_BUF    (64u << 10)
#define WATCH_RCVBUF (1 << 20)

struct link_req {
	struct nlmsghdr h;
	struct ifinfomsg ifi;
	char room[64];
};

struct list_ctx {
	int (*fn)(void *ctx, const struct ifstat *st);
	void *ctx;
};

/* Copies an attribute of a fixed size; shorter ones leave the rest 0. */
static void attr_copy(const struct rtattr *a, void *dst, size_t len)
{
	size_t have = a ? a->rta_len - RTA_LENGTH(0) : 0;

	if (a)
		memcpy(dst, (const char *)a + RTA_LENGTH(0),
		       have < len ? have : len);
}

static int parse_link(const struct nlmsghdr *h, struct ifstat *ret)
{
	const struct rtattr *tb[IFLA_STATS64 + 1];
	struct rtnl_link_stats64 s = {0};
	const struct ifinfomsg *ifi;
	struct ifstat st = {0};

	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(*ifi)))
		return -EBADMSG;
	ifi = (const void *)((const char *)h + NLMSG_LENGTH(0));
	/* a port that leaves a bridge is "deleted" too, as AF_BRIDGE */
	if (ifi->ifi_family != AF_UNSPEC)
		return -EBADMSG;
	nl_parse(h, sizeof(*ifi), tb, IFLA_STATS64);
	st.ifindex = (uint32_t)ifi->ifi_index;
	st.arphrd = ifi->ifi_type;
	st.admin_up = (ifi->ifi_flags & IFF_UP) != 0;
	st.oper_up = (ifi->ifi_flags & IFF_RUNNING) != 0;
	attr_copy(tb[IFLA_IFNAME], st.name, sizeof(st.name) - 1);
	attr_copy(tb[IFLA_MTU], &st.mtu, sizeof(st.mtu));
	attr_copy(tb[IFLA_STATS64], &s, sizeof(s));
	st.rx_packets = s.rx_packets;
	st.rx_bytes = s.rx_bytes;
	st.rx_errors = s.rx_errors;
	st.rx_dropped = s.rx_dropped;
	st.rx_multicast = s.multicast;
	st.tx_packets = s.tx_packets;
	st.tx_bytes = s.tx_bytes;
	st.tx_errors = s.tx_errors;
	st.tx_dropped = s.tx_dropped;
	*ret = st;
	return 0;
}

static int on_link(void *ctx, const struct nlmsghdr *h)
{
	const struct list_ctx *l = ctx;
	struct ifstat st;
	int rc = parse_link(h, &st);

	return rc ? 0 : l->fn(l->ctx, &st);
}

static int keep_one(void *ctx, const struct ifstat *st)
{
	*(struct ifstat *)ctx = *st;
	return 0;
}

/* Driver and speed; both stay empty when the driver does not say. */
static void read_ethtool(struct ifstat *st)
{
	struct ethtool_drvinfo drv = {.cmd = ETHTOOL_GDRVINFO};
	struct ethtool_cmd cmd = {.cmd = ETHTOOL_GSET};
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t speed;

	if (fd < 0)
		return;
	memcpy(ifr.ifr_name, st->name, sizeof(ifr.ifr_name));
	ifr.ifr_data = (void *)&drv;
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0) {
		memcpy(st->driver, drv.driver, sizeof(st->driver));
		st->driver[sizeof(st->driver) - 1] = '\0';
	}
	ifr.ifr_data = (void *)&cmd;
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0) {
		speed = ethtool_cmd_speed(&cmd);
		st->speed_mbps =
			speed == UINT16_MAX || speed == UINT32_MAX ? 0 : speed;
	}
	close(fd);
}

int ifstat_get(uint32_t ifindex, const char *name, struct ifstat *ret)
{
	struct link_req req = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.ifi)),
				     .nlmsg_type = RTM_GETLINK,
				     .nlmsg_flags = NLM_F_REQUEST},
			       .ifi = {.ifi_index = (int)ifindex}};
	struct ifstat st = {0};
	struct list_ctx l = {.fn = keep_one, .ctx = &st};
	int rc;

	if (!ifindex) {
		if (!name || !name[0] || strlen(name) >= IFSTAT_NAME_LEN)
			return -ENODEV;
		rc = nl_put(&req.h, sizeof(req), IFLA_IFNAME, name,
			    strlen(name) + 1);
		if (rc)
			return rc;
	}
	rc = nl_call(&req.h, on_link, &l);
	if (rc)
		return rc;
	if (!st.ifindex)
		return -ENODEV;
	read_ethtool(&st);
	*ret = st;
	return 0;
}

int ifstat_list(int (*fn)(void *ctx, const struct ifstat *st), void *ctx)
{
	struct link_req req = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.ifi)),
		      .nlmsg_type = RTM_GETLINK,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	struct list_ctx l = {.fn = fn, .ctx = ctx};

	return nl_call(&req.h, on_link, &l);
}

/* ------------------------------------------------------- did you mean */

struct suggest {
	const char *want;
	unsigned best;
	char name[IFSTAT_NAME_LEN];
};

/* Edit distance with transpositions of neighbours, both at most 15 long. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned d[IFSTAT_NAME_LEN + 1][IFSTAT_NAME_LEN + 1];
	unsigned na = (unsigned)strnlen(a, IFSTAT_NAME_LEN);
	unsigned nb = (unsigned)strnlen(b, IFSTAT_NAME_LEN);

	for (unsigned i = 0; i <= na; i++) {
		for (unsigned j = 0; j <= nb; j++) {
			unsigned v;

			if (!i || !j) {
				d[i][j] = i + j;
				continue;
			}
			v = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < v)
				v = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < v)
				v = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < v)
				v = d[i - 2][j - 2] + 1;
			d[i][j] = v;
		}
	}
	return d[na][nb];
}

static int suggest_one(void *ctx, const struct ifstat *st)
{
	struct suggest *s = ctx;
	unsigned d = edit_distance(s->want, st->name);

	if (d < s->best) {
		s->best = d;
		memcpy(s->name, st->name, sizeof(s->name));
	}
	return 0;
}

void ifstat_suggest(const char *name, char ret_name[IFSTAT_NAME_LEN])
{
	size_t len = strnlen(name, IFSTAT_NAME_LEN);
	/* near: at most a third of it wrong, and at least one letter may be */
	struct suggest s = {.want = name, .best = (unsigned)len / 3 + 2};

	(void)ifstat_list(suggest_one, &s);
	memcpy(ret_name, s.name, IFSTAT_NAME_LEN);
}

/* ------------------------------------------------------------ watcher */

int ifstat_watch_open(void)
{
	int fd = nl_socket(RTNLGRP_LINK), size = WATCH_RCVBUF;

	/* best effort: what does not fit is reported as IFSTAT_LOST */
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
				 sizeof(size));
	return fd;
}

int ifstat_watch_read(int fd,
		      void (*fn)(void *ctx, enum ifstat_event_kind kind,
				 const struct ifstat *st),
		      void *ctx)
{
	char *buf = malloc(WATCH_BUF);
	int rc = 0;

	if (!buf)
		return -ENOMEM;
	while (!rc) {
		ssize_t n = recv(fd, buf, WATCH_BUF, 0);
		const struct nlmsghdr *h = (const void *)buf;
		size_t left = n > 0 ? (size_t)n : 0;
		struct ifstat st;

		if (n < 0 && errno == ENOBUFS) {
			fn(ctx, IFSTAT_LOST, NULL);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 && errno != EAGAIN ? -errno : 0;
			break;
		}
		for (; NLMSG_OK(h, left); h = nl_next(h, &left))
			if (parse_link(h, &st) == 0)
				fn(ctx,
				   h->nlmsg_type == RTM_DELLINK
					   ? IFSTAT_GONE
					   : IFSTAT_CHANGED,
				   &st);
	}
	free(buf);
	return rc;
}
