/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface slots (asm_ifs) from the keeper's side.
 */
#ifndef KERNEL_SLOTS_H
#define KERNEL_SLOTS_H

#include "asmeter/abi.h"
#include "kernel/ifstat.h"

/* Reads a slot; 0 or -errno. */
int slot_read(int ifs_fd, uint32_t slot, struct asm_if *ret);

/* The slot of an interface; ASM_IF_UNLISTED when it has none. */
uint32_t slot_find(int ifs_fd, uint32_t ifindex);

/* Gives the interface a slot (or finds the one it has), writes its name and
 * flags, and when it was not attached until now the base counters. Slots of
 * interfaces of the same name that exist no more are marked detached.
 * ASM_IF_UNLISTED when all its places are taken: it is then counted with the
 * unlisted ones. */
int slot_take(int ifs_fd, const struct ifstat *st, uint32_t *ret_slot);

/* Sets a flag of the slot; none when slot is ASM_IF_UNLISTED. */
int slot_flag(int ifs_fd, uint32_t slot, uint32_t flag);

/* Marks it detached; st gives the counters at this moment, NULL when the
 * interface is gone. */
int slot_release(int ifs_fd, uint32_t slot, const struct ifstat *st);

#endif
