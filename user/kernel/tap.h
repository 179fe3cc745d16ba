/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way samples take out of the kernel: a veth pair, asm-tap0 and asm-tap1,
 * a program on either end (bpf/sample.h), and an AF_XDP socket. The keeper's
 * side. Like all that is attached it stays when the keeper ends: the pair and
 * the links (pinned below <pin dir>/tap/links) are found again.
 *
 * Also the rates, and the program that samples at TC ingress where XDP counts;
 * its link is pinned in the same place.
 */
#ifndef KERNEL_TAP_H
#define KERNEL_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/load.h"
#include "kernel/xsk.h"

#define TAP_OUT "asm-tap0"
#define TAP_IN  "asm-tap1"

struct tap {
	uint32_t out_ifindex; /* 0: there is none */
	uint32_t in_ifindex;
	struct xsk_fds xsk;
	uint32_t opened; /* sockets opened so far */
	uint64_t given;  /* samples that the sockets before it were given */
};

void tap_init(struct tap *t);

/*
 * Makes the tap whole: the pair (anew when one end is missing), up; the
 * programs; the socket in asm_xsks. Does nothing when it is. *ret_new: there
 * is another socket than before, for the meter. 0, or -errno and one line in
 * msg (KERN_MSG_LEN).
 */
int tap_ensure(struct tap *t, const struct kern *k, const char *pin_dir,
	       bool *ret_new, char *msg, size_t msg_len);

/* Whether an event of this interface calls for tap_ensure(). */
bool tap_concerns(const char *ifname);

/* Closes the socket; the devices stay. */
void tap_close(struct tap *t);

/* Removes devices and pins. */
void tap_remove(const char *pin_dir);

/*
 * Samples a metered interface as *want says (gap_mant and gap_shift are found
 * here), both directions; rate 0: no more. sampler: no program that samples is
 * at its ingress yet, so tc_sample is put at TC. -ENOSPC: it has no slot of its
 * own, -EOPNOTSUPP: it has no Ethernet header.
 */
int tap_rate(const struct kern *k, const char *pin_dir, const char *ifname,
	     uint32_t ifindex, bool sampler, const struct asm_rate *want);

/* Takes the sampler of an interface off; for whoever detaches it. */
void tap_unsample(const char *pin_dir, uint32_t ifindex);

#endif
