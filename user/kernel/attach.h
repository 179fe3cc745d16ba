/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attaching the programs to interfaces, and taking them off again. Acts on
 * the pins, so that the keeper and `asmeter attach` (root, no daemon needed)
 * are the same code. Needs CAP_NET_ADMIN and CAP_BPF.
 *
 * Attachment lives in pinned BPF links, which outlive every process: a
 * restart finds them and replaces the program behind them (bpf_link_update),
 * so the driver sees nothing. Only the clsact rung of the ladder has no link;
 * there it is a filter with a handle and priority of our own, replaced in
 * place.
 */
#ifndef KERNEL_ATTACH_H
#define KERNEL_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/load.h"

/* How one direction of an interface is metered. */
enum attach_mode {
	ATTACH_NONE = 0,
	ATTACH_NATIVE,  /* XDP in the driver */
	ATTACH_GENERIC, /* XDP in the stack; only when asked by name */
	ATTACH_TCX,     /* TC by link, kernel >= 6.6 */
	ATTACH_CLSACT,  /* TC by filter */
	ATTACH_MIRROR,  /* XDP in the driver; nothing gets past it */
	ATTACH_MODES
};

/* What to try. */
enum attach_want {
	ATTACH_WANT_AUTO = 0, /* ingress: native, tcx, clsact; egress: tcx,
				 clsact */
	ATTACH_WANT_NATIVE,   /* this or nothing */
	ATTACH_WANT_GENERIC,
	ATTACH_WANT_TC, /* tcx, clsact */
	ATTACH_WANT_CLSACT,
	ATTACH_WANT_MIRROR, /* refused on a port that does more than listen */
	ATTACH_WANTS
};

struct attach_opts {
	const char *pin_dir;  /* NULL: ASM_PIN_DIR */
	enum attach_want in;  /* auto, native, generic, tc, clsact */
	enum attach_want out; /* auto, tc, clsact */
};

struct attach_side {
	enum attach_mode mode; /* ATTACH_NONE: not metered */
	bool alive;            /* false: the link's interface is gone, or
				* somebody removed the filter */
	uint32_t prog_id;      /* of the program that runs */
	uint32_t link_id;      /* 0 with clsact */
};

struct attach_status {
	char name[ASM_IFNAME_LEN]; /* the present name; else the pinned one */
	uint32_t ifindex;          /* 0: the interface is gone */
	uint32_t slot;             /* in asm_ifs; ASM_IF_UNLISTED: none free */
	struct attach_side in, out;
};

/* "none", "native", "generic", "tcx", "clsact", "mirror". */
const char *attach_mode_name(enum attach_mode mode);

/* "auto", "native", "generic", "tc", "clsact", "mirror" -> *ret; -EINVAL. */
int attach_want_parse(const char *name, enum attach_want *ret);

/*
 * Attaches both directions of an interface, or replaces the programs that are
 * attached. Gives the interface its slot in asm_ifs before the first packet
 * is counted. On failure nothing is left attached that was not before, and
 * msg holds one line with the cure:
 *
 *   -ENODEV      no such interface ("did you mean")
 *   -EBUSY       another XDP program is there; msg names it
 *   -EOPNOTSUPP  what was asked for by name does not work here
 *   -EPERM       missing capability
 *
 * On success msg is empty, or says in one line why a lower rung of the ladder
 * was taken. ret may be NULL.
 */
int attach_iface(const struct kern *k, const char *ifname,
		 const struct attach_opts *opts, struct attach_status *ret,
		 char *msg, size_t msg_len);

/* Puts the programs of k behind everything that is attached, whatever its
 * network namespace; the caller holds the lock of the pins. When one cannot be
 * replaced those before it are already: call it again, with the programs of
 * before or after. */
int attach_refresh_all(const struct kern *k, const char *pin_dir, char *msg,
		       size_t msg_len);

/* Whether attach_iface() has what it needs: the interface (-ENODEV), and
 * unless TC is asked for no other XDP program (-EBUSY). Changes nothing. Not
 * seen: what only the driver knows. msg as with attach_iface(). */
int attach_check(const char *ifname, const struct attach_opts *opts, char *msg,
		 size_t msg_len);

/* Takes both programs off and removes their pins; the clsact qdisc goes too
 * when it is ours and empty. What is left of one of that name that exists no
 * more goes, too. The counters stay. -ENODEV: no such interface, -ENOENT: it
 * was not attached. */
int attach_detach(const char *pin_dir, const char *ifname, char *msg,
		  size_t msg_len);

/* Calls fn for each interface that is attached or whose pins are left over;
 * stops when fn returns non-zero and returns that. 0 also when nothing is
 * pinned. */
int attach_list(const char *pin_dir,
		int (*fn)(void *ctx, const struct attach_status *st),
		void *ctx);

/* One interface to look for, by its index, whatever it is called. */
struct attach_look {
	uint32_t ifindex; /* 0: none, nothing is looked for */
	bool in, out;     /* what is there */
	bool meant;       /* should be there, as far as the pins know; false
			   * after a detach */
};

/* Looks for all of them, as often as one likes: the pins are read once.
 * -ENOENT: no pins are there at all. */
int attach_look(const char *pin_dir, struct attach_look *v, size_t n);

/* The state of one interface by its name; -ENOENT when it is not attached. */
int attach_get(const char *pin_dir, const char *ifname,
	       struct attach_status *ret);

#endif
