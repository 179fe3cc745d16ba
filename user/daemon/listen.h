/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listening sockets, opened by the keeper while it may, kept open by it
 * for good and handed to every meter.
 */
#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include "daemon/config.h"
#include "daemon/ipc.h"
#include "daemon/privs.h"

#define LISTEN_MAX 33

struct listen_set {
	struct {
		int fd;
		enum ipc_listener kind;
	} v[LISTEN_MAX];
	unsigned n;
	char path[112]; /* of the Unix socket; "": none */
};

/* Opens all of the configuration. BGP sockets are bound but do not listen
 * yet: that is done once they have their MD5 keys. The Unix socket gets mode
 * 0660 and the group; its directory is made when it is missing and given to
 * the user. -errno and one line with the cure in msg; nothing stays open. */
int listen_open(const struct config *cfg, const struct privs_user *user,
		struct listen_set *ret, char *msg, size_t msg_len);

/* Closes them and removes the Unix socket. */
void listen_close(struct listen_set *set);

/* Do both configurations listen at the same places? */
bool listen_same(const struct config *a, const struct config *b);

#endif
