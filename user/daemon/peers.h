/* SPDX-License-Identifier: BSD-2-Clause */
/* The configured BGP neighbors as sessions (route/bgp_session.h). */
#ifndef DAEMON_PEERS_H
#define DAEMON_PEERS_H

#include <uv.h>

#include "daemon/config.h"
#include "daemon/routes.h"
#include "route/bgp_session.h"

struct peers;

/* Starts the sessions. -errno; text says which neighbor cannot work. */
int peers_start(uv_loop_t *loop, const struct config *cfg, struct routes *r,
		struct peers **ret, char *text, size_t len);

/* A listening socket, taken over. -errno. */
int peers_listen(struct peers *p, int fd);

/* A reload. On failure the neighbors stay as they were. */
int peers_configure(struct peers *p, const struct config *cfg, char *text,
		    size_t len);

/* NULL is fine. */
void peers_stop(struct peers *p, enum bgp_stop how);

void peers_each(const struct peers *p,
		void (*fn)(void *ctx, const struct bgp_peer_info *peer),
		void *ctx);
size_t peers_established(const struct peers *p);
/* Connections from addresses that are no neighbor's, closed so far. */
uint64_t peers_refused(const struct peers *p);

#endif
