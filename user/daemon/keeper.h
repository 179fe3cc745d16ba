/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parent: the process that holds the packet path. It loads, attaches and
 * listens, keeps four capabilities, and reads nothing but its configuration,
 * netlink, signals and the short list of ipc.h.
 */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

/* Runs until it is told to stop. Returns an exit code (exits.h); the reason
 * has been logged. */
int keeper_run(const char *config_path);

#endif
