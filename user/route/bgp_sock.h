/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets of BGP sessions: options, connect, accept. No state, no log.
 * None of it needs a capability.
 */
#ifndef ROUTE_BGP_SOCK_H
#define ROUTE_BGP_SOCK_H

#include "route/bgp_session.h"

/* Starts to connect, with MD5, TTL, source and port as configured. Returns a
 * non-blocking socket that is connecting or connected, or -errno. */
int bgp_sock_connect(const struct bgp_peer_cfg *cfg, bool ebgp);

/* Accepts one connection: non-blocking; *ret_addr is the far end (IPv4-mapped
 * addresses as IPv4) and *ret_ifindex its interface for a link-local address,
 * else 0. Returns the socket or -errno. */
int bgp_sock_accept(int listen_fd, struct addr *ret_addr,
		    unsigned *ret_ifindex);

/* TTL and GTSM for an accepted connection. */
int bgp_sock_setup(int fd, const struct bgp_peer_cfg *cfg, bool ebgp);

/* Prepares a listener: its SYN-ACKs go out with TTL 255, or a neighbour with
 * GTSM would never hear one. */
void bgp_sock_listener(int listen_fd);

/* Sets (or, with key "", removes) the neighbour's MD5 key on a listener. 0
 * also when the listener's family cannot hear that neighbour. */
int bgp_sock_md5(int listen_fd, const struct bgp_peer_cfg *cfg,
		 const char *key);

/* Error pending on a connecting socket: 0 or -errno. */
int bgp_sock_error(int fd);

/* Both ends of a connected socket; left as they are on failure. */
void bgp_sock_ends(int fd, struct addr *ret_local, uint16_t *ret_local_port,
		   uint16_t *ret_remote_port);

#endif
