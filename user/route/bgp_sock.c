/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/bgp_sock.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rd.h"
#include "base/wr.h"

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

/* Writes a (with port) as a socket address. mapped: IPv4 as ::ffff:a. */
static socklen_t sa_fill(struct sockaddr_storage *sa, const struct addr *a,
			 uint16_t port, unsigned ifindex, bool mapped)
{
	memset(sa, 0, sizeof(*sa));
	if (a->family == FAMILY_IP4 && !mapped) {
		struct sockaddr_in sin = {
			.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl((uint32_t)(a->hi >> 32)),
		};

		memcpy(sa, &sin, sizeof(sin));
		return sizeof(sin);
	}

	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_scope_id = ifindex};
	struct wr w = wr_init(&sin6.sin6_addr, 16);

	if (mapped) {
		wr_fill(&w, 0, 10);
		wr_be16(&w, 0xffff);
		wr_be32(&w, (uint32_t)(a->hi >> 32));
	} else {
		wr_be32(&w, (uint32_t)(a->hi >> 32));
		wr_be32(&w, (uint32_t)a->hi);
		wr_be32(&w, (uint32_t)(a->lo >> 32));
		wr_be32(&w, (uint32_t)a->lo);
	}
	memcpy(sa, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

static bool sa_read(const struct sockaddr_storage *sa, struct addr *ret,
		    uint16_t *ret_port, unsigned *ret_ifindex)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	struct rd r;

	if (sa->ss_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		*ret = (struct addr){.hi = (uint64_t)ntohl(sin.sin_addr.s_addr)
					   << 32,
				     .family = FAMILY_IP4};
		*ret_port = ntohs(sin.sin_port);
		*ret_ifindex = 0;
		return true;
	}
	if (sa->ss_family != AF_INET6)
		return false;
	memcpy(&sin6, sa, sizeof(sin6));
	r = rd_init(&sin6.sin6_addr, 16);
	ret->hi = rd_be64(&r);
	ret->lo = rd_be64(&r);
	ret->family = FAMILY_IP6;
	if (ret->hi == 0 && ret->lo >> 32 == 0xffff)
		*ret = (struct addr){.hi = ret->lo << 32, .family = FAMILY_IP4};
	*ret_port = ntohs(sin6.sin6_port);
	*ret_ifindex = sin6.sin6_scope_id;
	return true;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* AF_INET also for a socket of family AF_INET6 that carries IPv4. */
static int set_ttl(int fd, enum family f, int ttl, int min_ttl)
{
	bool v4 = f == FAMILY_IP4;
	int rc = set_int(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			 v4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl);

	if (rc == 0 && min_ttl > 0)
		rc = set_int(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			     v4 ? IP_MINTTL : IPV6_MINHOPCOUNT, min_ttl);
	return rc;
}

int bgp_sock_setup(int fd, const struct bgp_peer_cfg *cfg, bool ebgp)
{
	(void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (cfg->ttl_security)
		return set_ttl(fd, cfg->addr.family, 255,
			       256 - cfg->ttl_security);
	if (cfg->multihop)
		return set_ttl(fd, cfg->addr.family, cfg->multihop, 0);
	return ebgp ? set_ttl(fd, cfg->addr.family, 1, 0) : 0;
}

void bgp_sock_listener(int listen_fd)
{
	(void)set_ttl(listen_fd, FAMILY_IP4, 255, 0);
	(void)set_ttl(listen_fd, FAMILY_IP6, 255, 0);
}

static int md5_set(int fd, const struct sockaddr_storage *sa, const char *key)
{
	struct tcp_md5sig sig = {0};
	size_t len = strlen(key);

	if (len > sizeof(sig.tcpm_key))
		return -EINVAL;
	memcpy(&sig.tcpm_addr, sa, sizeof(sig.tcpm_addr));
	sig.tcpm_keylen = (uint16_t)len;
	memcpy(sig.tcpm_key, key, len);
	if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig)) == 0)
		return 0;
	return len == 0 && errno == ENOENT ? 0 : -errno;
}

int bgp_sock_md5(int listen_fd, const struct bgp_peer_cfg *cfg, const char *key)
{
	struct sockaddr_storage own, sa;
	socklen_t len = sizeof(own);
	bool v4 = cfg->addr.family == FAMILY_IP4;
	int only = 0;

	if (getsockname(listen_fd, (struct sockaddr *)&own, &len))
		return -errno;
	if (own.ss_family == AF_INET && !v4)
		return 0;
	if (own.ss_family == AF_INET6 && v4) {
		len = sizeof(only);
		if (getsockopt(listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &only,
			       &len) == 0 &&
		    only)
			return 0;
	}
	sa_fill(&sa, &cfg->addr, 0, 0, v4 && own.ss_family == AF_INET6);
	return md5_set(listen_fd, &sa, key);
}

static int bind_source(int fd, const struct bgp_peer_cfg *cfg, unsigned ifindex)
{
	struct addr any = {.family = cfg->addr.family};
	struct sockaddr_storage sa;
	socklen_t len;

	if (!cfg->has_source && cfg->local_port == 0)
		return 0;
	if (cfg->local_port)
		(void)set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	len = sa_fill(&sa, cfg->has_source ? &cfg->source : &any,
		      cfg->local_port, ifindex, false);
	return bind(fd, (struct sockaddr *)&sa, len) ? -errno : 0;
}

int bgp_sock_connect(const struct bgp_peer_cfg *cfg, bool ebgp)
{
	unsigned ifindex = 0;
	struct sockaddr_storage sa;
	socklen_t len;
	int fd, rc;

	if (cfg->interface[0]) {
		ifindex = if_nametoindex(cfg->interface);
		if (ifindex == 0)
			return -errno;
	}
	fd = socket(cfg->addr.family == FAMILY_IP4 ? AF_INET : AF_INET6,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	len = sa_fill(&sa, &cfg->addr, cfg->port, ifindex, false);
	rc = bgp_sock_setup(fd, cfg, ebgp);
	if (rc == 0 && cfg->md5[0])
		rc = md5_set(fd, &sa, cfg->md5);
	if (rc == 0)
		rc = bind_source(fd, cfg, ifindex);
	if (rc == 0 && connect(fd, (struct sockaddr *)&sa, len) &&
	    errno != EINPROGRESS)
		rc = -errno;
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return fd;
}

int bgp_sock_accept(int listen_fd, struct addr *ret_addr, unsigned *ret_ifindex)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	uint16_t port;
	int fd = accept4(listen_fd, (struct sockaddr *)&sa, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!sa_read(&sa, ret_addr, &port, ret_ifindex)) {
		(void)close(fd);
		return -EAFNOSUPPORT;
	}
	return fd;
}

int bgp_sock_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

void bgp_sock_ends(int fd, struct addr *ret_local, uint16_t *ret_local_port,
		   uint16_t *ret_remote_port)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct addr remote;
	unsigned ifindex;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		(void)sa_read(&sa, ret_local, ret_local_port, &ifindex);
	len = sizeof(sa);
	if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
		(void)sa_read(&sa, &remote, ret_remote_port, &ifindex);
}
