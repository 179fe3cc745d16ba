/* SPDX-License-Identifier: BSD-2-Clause */
/* What attach.c and attach_look.c share; for these two only. */
#ifndef KERNEL_ATTACH_INT_H
#define KERNEL_ATTACH_INT_H

#include "kernel/attach.h"
#include "kernel/links.h"

/* One direction of an interface, by the links that were read. */
void attach_side_status(const struct link_list *links, uint32_t ifindex,
			enum asm_dir d, struct attach_side *ret);
/* Both. slot: as its owner has it, ASM_IF_UNLISTED without one. */
void attach_fill_status(const struct link_list *links, const char *name,
			uint32_t ifindex, uint32_t slot,
			struct attach_status *ret);
/* The pinned asm_ifs, a descriptor of the caller's, or -errno. */
int attach_open_ifs(const char *dir);

#endif
