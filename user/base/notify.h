/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager's notification protocol, sd_notify(3), without
 * libsystemd: one datagram to the socket that NOTIFY_SOCKET names.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

/* Opens the socket once, while the path can still be reached, and takes the
 * variables out of the environment so that no child answers for us. Returns a
 * descriptor (close-on-exec), -ENOENT when nobody asked, or -errno. A path is
 * absolute; a first '@' stands for the abstract name space. */
int notify_open(void);

/* Sends the text: "READY=1", "STATUS=…", several lines at once. fd < 0: does
 * nothing. 0 or -errno; never blocks. */
int notify_send(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "RELOADING=1" with the time stamp that systemd wants with it; end it with
 * "READY=1". */
int notify_reloading(int fd);

/* Interval of the watchdog in microseconds from WATCHDOG_USEC, 0: none asked
 * of this process. Call it before notify_open(). */
uint64_t notify_watchdog_us(void);

#endif
