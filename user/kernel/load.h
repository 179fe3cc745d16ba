/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keeper's side of the BPF object: creates the maps (or adopts the pinned
 * ones), loads the programs, pins both. Needs CAP_BPF, CAP_NET_ADMIN and
 * CAP_PERFMON, and on a machine without bpffs CAP_SYS_ADMIN to mount it.
 *
 * Under the pin directory (0700):
 *
 *   <map>           every map by its name, see ASM_MAPS in asmeter/abi.h
 *   progs/<prog>    the programs that `asmeter attach` uses
 *   links/<if>-xdp, links/<if>-in, links/<if>-egress   see attach.h; a dot in
 *                   the name of the interface is a colon here
 */
#ifndef KERNEL_LOAD_H
#define KERNEL_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asmeter/abi.h"

/* Room for any message of this module and of attach.h, NUL included. */
#define KERN_MSG_LEN 512

#define KERN_ROWS_DEFAULT        (1u << 17)
#define KERN_ROWS_MAX            (1u << 20) /* given; two fewer are made */
#define KERN_TABLE_WORDS_DEFAULT (1u << 23)

enum kern_prog {
	KERN_PROG_XDP = 0, /* xdp_meter */
	KERN_PROG_EGRESS,  /* tc_egress */
	KERN_PROG_INGRESS, /* tc_ingress */
	KERN_PROG_SAMPLE,  /* tc_sample */
	KERN_PROG_TAP_OUT, /* tc_tap */
	KERN_PROG_TAP_XDP, /* xdp_tap */
	KERN_PROG_MIRROR,  /* xdp_mirror */
	KERN_PROG_COUNT
};

/* Zero (or NULL) means the default in every member. */
struct kern_cfg {
	const char *pin_dir;  /* ASM_PIN_DIR */
	uint32_t rows;        /* per bank and CPU: counters.rows */
	uint32_t index_lines; /* per bank and CPU, 2^n; from rows */
	uint32_t table_words; /* 2^n */
	uint32_t n_cpus;      /* possible CPUs */
};

struct kern {
	int map_fd[ASM_MAP_COUNT]; /* enum asm_map */
	int prog_fd[KERN_PROG_COUNT];
	bool adopted;            /* the maps were there already */
	bool had[ASM_MAP_COUNT]; /* this one was */
};

/* Replaces the zeros of *cfg by the defaults for this machine. */
void kern_cfg_fill(struct kern_cfg *cfg);

/* Kernel memory that the maps of this configuration take, in bytes. */
uint64_t kern_cfg_bytes(const struct kern_cfg *cfg);

/*
 * Loads. On success *ret owns the descriptors until kern_done(). On failure
 * nothing new is left pinned, and msg holds one line with the cure:
 *
 *   -ENOSYS  kernel too old, or without BTF     -EPERM   missing capability
 *   -ENOMEM  memory (or locked memory) too low  -ENODEV  no bpffs to pin in
 *   -EACCES  the verifier refused a program     -EPROTO  pinned maps of
 *   -EINVAL  impossible configuration                    another ABI or size
 */
int kern_load(const struct kern_cfg *cfg, struct kern *ret, char *msg,
	      size_t msg_len);

/*
 * Opens what is pinned, without loading. -ENOENT: nothing (or not
 * everything) is pinned there; other errors as above.
 */
int kern_open(const char *pin_dir, struct kern *ret, char *msg, size_t msg_len);

/* One of the programs with another expected attach type: a link that was made
 * with such a one takes no other. Returns a descriptor or -errno. */
int kern_load_variant(const struct kern *k, enum kern_prog prog,
		      uint32_t attach_type);

/* Pins again what somebody has removed from the directory, which has to be
 * there still. 0 or -errno. */
int kern_pin_again(const struct kern *k, const char *pin_dir);

/* Closes the descriptors; what is pinned lives on. Safe on a zeroed struct
 * and after a failed kern_load(). */
void kern_done(struct kern *k);

/* Removes the pins of maps and programs and the directories. -EBUSY while a
 * link is still pinned (detach first). */
int kern_unpin(const char *pin_dir, char *msg, size_t msg_len);

#endif
