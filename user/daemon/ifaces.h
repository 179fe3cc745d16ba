/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces that the configuration names, and what has become of them.
 * Stopping the daemon leaves them attached; only a reload takes one off.
 */
#ifndef DAEMON_IFACES_H
#define DAEMON_IFACES_H

#include <stdbool.h>

#include "base/mono.h"
#include "daemon/config.h"
#include "daemon/ipc.h"
#include "kernel/attach.h"
#include "kernel/ifstat.h"

struct iface {
	char name[ASM_IFNAME_LEN];
	enum config_mode want;
	uint32_t ifindex; /* that it was attached at; 0: it is gone */
	enum attach_mode in, out;
	uint32_t reattached;
	/* The interval that nobody counted: all that are over, and when the
	 * one that lasts began (0: none does). */
	int64_t gap_ns;
	struct mono lost;
	struct mono failed;   /* when it could not be attached */
	bool off;             /* by `asmeter detach`: leave it until a reload */
	char error[IPC_TEXT]; /* why it is not metered; "": it is */
};

struct iface_set {
	struct iface v[ASM_IF_SLOTS];
	size_t n;
	const struct kern *kern;
	const char *pin_dir;
	bool check; /* an event came: iface_set_repair() has work */
	struct mono audited;
};

/* How often attachments are looked at: not all that takes one away is an event
 * of the interface (a pin removed, a qdisc deleted), and yet it is to count
 * again within a second. Again and again half a second after what failed, as
 * some links flap with each try. */
#define IFACE_AUDIT_NS (250 * NSEC_PER_MSEC)
#define IFACE_RETRY_NS (500 * NSEC_PER_MSEC)

/* Makes the set equal to the configuration: attaches what is new or has
 * another mode, then detaches what is not listed any more. Nothing is touched
 * when one does not exist or is taken. When one cannot be attached, what this
 * call attached is taken off again, the set stays as it was, -errno, and one
 * line with the cure in msg (KERN_MSG_LEN). */
int iface_set_apply(struct iface_set *s, const struct config *cfg, char *msg,
		    size_t msg_len);

/* An event of ifstat_watch_read(). */
void iface_set_event(struct iface_set *s, enum ifstat_event_kind kind,
		     const struct ifstat *st);

/* Attaches again what has come back, after events. True: something changed,
 * to be told to the meter. */
bool iface_set_repair(struct iface_set *s);

/* Looks whether each is still attached, when it is time for that, and attaches
 * again what somebody else took off; what `asmeter detach` took off stays off.
 * True: something changed. */
bool iface_set_audit(struct iface_set *s, struct mono now);

/* Nanoseconds until the next look; negative: now. */
int64_t iface_set_due_ns(const struct iface_set *s, struct mono now);

/* Tells the meter; -errno of ipc_send(). */
int iface_set_tell(const struct iface_set *s, int fd);

/* Calls fn for each interface that is attached but not in the set. */
void iface_set_strangers(const struct iface_set *s,
			 void (*fn)(const char *name));

#endif
