/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other half of asmeterd: the process that parses every byte that comes
 * from somebody else. It has no capability; it was handed the maps and the
 * listening sockets, and it runs one libuv loop:
 *
 *   books.h   counters -> ledger            routes.h  BGP, libloc -> table
 *   serve.c   HTTP: metrics and the API     files.h   blocking reads, threads
 *   flows.h   samples -> records -> sinks
 *   streams.h counters -> Kafka
 */
#ifndef DAEMON_METER_H
#define DAEMON_METER_H

/* fd: the socket to the keeper (ipc.h). Returns an exit code. */
int meter_run(int fd);

#endif
