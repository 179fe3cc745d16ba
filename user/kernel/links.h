/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mechanisms of attaching: pinned links (XDP, TCX) and the clsact filter.
 * What to use when is decided in attach.c. An interface is known by its
 * index; the names of pins are for people.
 */
#ifndef KERNEL_LINKS_H
#define KERNEL_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asmeter/abi.h"
#include "kernel/attach.h"

#define LINK_NAME_LEN 48

/* One pinned link. */
struct link_pin {
	char name[LINK_NAME_LEN]; /* of the file below links/ */
	enum asm_dir dir;
	bool tcx;         /* else XDP */
	bool mirror;      /* XDP that lets nothing pass */
	uint32_t ifindex; /* 0: the interface is gone */
	uint32_t prog_id;
	uint32_t link_id;
};

struct link_list {
	struct link_pin *v;
	size_t n;
};

/* Everything pinned below <dir>/links; an empty list without it. Free with
 * link_list_done(). */
int link_list_read(const char *dir, struct link_list *ret);
void link_list_done(struct link_list *l);

/* The link of an interface and direction, or NULL. */
const struct link_pin *link_find(const struct link_list *l, uint32_t ifindex,
				 enum asm_dir dir);

/* Whether a pin was made for an interface of that name. */
bool link_is_named(const struct link_pin *p, const char *ifname);

/* Creates and pins. xdp_flags: XDP_FLAGS_*. -errno of the kernel. */
int link_add_xdp(const char *dir, const char *ifname, uint32_t ifindex,
		 int prog_fd, uint32_t xdp_flags);
int link_add_mirror(const char *dir, const char *ifname, uint32_t ifindex,
		    int prog_fd);
int link_add_tcx(const char *dir, const char *ifname, uint32_t ifindex,
		 int prog_fd, enum asm_dir d);

/* The expected attach type that names where the link is. */
uint32_t link_attach_type(const struct link_pin *p);

/* Replaces the program behind a link. */
int link_replace(const char *dir, const struct link_pin *p, int prog_fd);

/* Detaches and removes the pin. */
int link_remove(const char *dir, const struct link_pin *p);

/* Our filter on clsact: its program's id in *ret_prog_id; -ENOENT. */
int clsact_get(uint32_t ifindex, enum asm_dir d, uint32_t *ret_prog_id);

/* Adds or replaces our filter; *ret_made_qdisc is set to true when clsact
 * was not there before, and else left alone. */
int clsact_set(uint32_t ifindex, enum asm_dir d, int prog_fd,
	       bool *ret_made_qdisc);
int clsact_remove(uint32_t ifindex, enum asm_dir d);

/* The same for the filter that only samples, at ingress. */
int clsact_sample_set(uint32_t ifindex, int prog_fd, bool *ret_made_qdisc);
int clsact_sample_remove(uint32_t ifindex);

/* Removes the qdisc if it has no filter. */
int clsact_remove_qdisc(uint32_t ifindex);

#endif
