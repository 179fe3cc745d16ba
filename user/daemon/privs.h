/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving up privileges, and making sure that they are gone. Every function
 * either does all it says or fails with one line in msg; there is no half.
 */
#ifndef DAEMON_PRIVS_H
#define DAEMON_PRIVS_H

#include <stddef.h>
#include <sys/types.h>

#define PRIVS_MSG_LEN 256

/* Who the processes become. */
struct privs_user {
	uid_t uid; /* of the keeper */
	gid_t gid;
	uid_t meter_uid; /* the same, but never 0: nobody then */
	gid_t meter_gid;
};

/* Looks up the names. Without CAP_SETUID (already started as a user) it is
 * the present user, whatever the names say. -ENOENT. */
int privs_find(const char *user, const char *group, struct privs_user *ret,
	       char *msg, size_t msg_len);

/* Are CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON there? -EPERM names what is
 * missing. */
int privs_check_start(char *msg, size_t msg_len);

/* The keeper once it is set up: the user, no supplementary groups, exactly
 * CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_NET_RAW, nothing ambient or
 * inheritable, no_new_privs; read back and compared. A keeper that is told to
 * stay root also keeps CAP_SETUID and CAP_SETGID: no meter may be root. */
int privs_keep_four(const struct privs_user *u, char *msg, size_t msg_len);

/* The meter before it is executed: the user, no capability, no_new_privs,
 * no core file. */
int privs_drop_all(const struct privs_user *u, char *msg, size_t msg_len);

/* The meter once it runs: not dumpable; and is it as it has to be? */
int privs_verify_none(char *msg, size_t msg_len);

/* Gives a directory and all below it to the user; of links, the links. */
int privs_chown_tree(const char *dir, const struct privs_user *u);

#endif
