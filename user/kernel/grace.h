/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting until every BPF program that runs now has ended.
 *
 * The kernel waits for an RCU grace period when user space replaces an
 * element of a map of maps, so that the old inner map is not in use any more
 * when the call returns. asm_grace is such a map, with one element, made for
 * nothing but this wait. No capability is needed, only the descriptors.
 */
#ifndef KERNEL_GRACE_H
#define KERNEL_GRACE_H

/* Blocks for one grace period (typically 5 to 50 ms). grace_fd is asm_grace,
 * state_fd is asm_state (its template). 0 or -errno. */
int grace_wait(int grace_fd, int state_fd);

#endif
