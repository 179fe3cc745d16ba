/* SPDX-License-Identifier: BSD-2-Clause */
/* What asmeterd's exit code says; listed in its manual page. */
#ifndef DAEMON_EXITS_H
#define DAEMON_EXITS_H

enum daemon_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,    /* something that should not happen */
	EXIT_CONFIG = 2,    /* usage, or a fault in the configuration */
	EXIT_INTERFACE = 3, /* unknown, XDP taken, mode not possible */
	EXIT_KERNEL = 4,    /* too old, no BTF, verifier, other maps pinned */
	EXIT_PRIVILEGE = 5, /* a capability or the service user is missing */
	EXIT_MEMORY = 6,    /* memory, or locked memory */
	EXIT_LISTEN = 7,    /* a port or socket is taken; already running */
	EXIT_BPFFS = 8,     /* no BPF file system to pin in */
	EXIT_METER = 9,     /* the meter did not come up */
};

#endif
