/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The maps of asmeter/abi.h. The sizes here are those of one CPU and a small
 * table of pairs; the loader sets them (and cfg) for the machine before the
 * object is loaded.
 */
#ifndef ASMETER_MAPS_H
#define ASMETER_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "asmeter/abi.h"

#define DEF_CPUS  1u
#define DEF_ROWS  65536u
#define DEF_LINES 8192u
#define DEF_WORDS (1u << 23)

const volatile struct asm_cfg cfg = {
	.n_cpus = DEF_CPUS,
	.rows = DEF_ROWS,
	.line_mask = DEF_LINES - 1,
	.word_mask = DEF_WORDS - 1,
};

/* The whole prefix table: one element, so that one lookup reaches it all. */
struct asm_table_value {
	__u32 word[DEF_WORDS];
};

#define ASM_ARRAY(name, value_type, entries)       \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, entries);      \
		__type(key, __u32);                \
		__type(value, value_type);         \
	} name SEC(".maps")

ASM_ARRAY(asm_state, struct asm_state, 1);
ASM_ARRAY(asm_table, struct asm_table_value, 1);
ASM_ARRAY(asm_as, struct asm_as, ASM_AS_SLOTS);
ASM_ARRAY(asm_ifs, struct asm_if, ASM_IF_SLOTS);
ASM_ARRAY(asm_ports, struct asm_port, ASM_BANKS *DEF_CPUS *ASM_PORT_SLOTS);
ASM_ARRAY(asm_cpu, struct asm_cpu, ASM_BANKS *DEF_CPUS);
ASM_ARRAY(asm_index, struct asm_index_line, ASM_BANKS *DEF_CPUS *DEF_LINES);
ASM_ARRAY(asm_rows, struct asm_row, ASM_BANKS *DEF_CPUS *DEF_ROWS);

ASM_ARRAY(asm_rates, struct asm_rate, ASM_PORT_SLOTS);
ASM_ARRAY(asm_sampler, struct asm_sampler, DEF_CPUS *ASM_PORT_SLOTS *ASM_DIRS);
ASM_ARRAY(asm_rings, struct asm_ring, ASM_XSK_SLOTS);

/* Nothing here touches it: it is made with the others. */
ASM_ARRAY(asm_past, struct asm_past, ASM_BANKS *DEF_CPUS *DEF_ROWS);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct asm_scratch);
} asm_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, ASM_XSK_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} asm_xsks SEC(".maps");

/* Its one element is asm_state, put there again and again: each update waits
 * for an RCU grace period in the kernel, which is all it is for. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, typeof(asm_state));
} asm_grace SEC(".maps") = {
	.values = {[0] = (void *)&asm_state},
};

#endif
