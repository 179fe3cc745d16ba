/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the BPF programs on crafted frames (BPF_PROG_TEST_RUN). Loads an
 * object without pins, maps its maps into memory, and reads the books.
 * Needs root. Interface 1 is the loopback of the test's own namespace.
 */
#ifndef TESTS_BPFT_H
#define TESTS_BPFT_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "asmeter/abi.h"
#include "asmeter/index.h"
#include "asmeter/lookup.h"

#define BPFT_WORDS (1u << 21)
#define BPFT_AS    256u

enum bpft_prog { BPFT_XDP, BPFT_EGRESS, BPFT_INGRESS, BPFT_PROGS };

struct bpft {
	struct bpf_object *obj;
	int prog[BPFT_PROGS];
	uint32_t n_cpus, rows, lines;
	struct asm_state *state;
	uint32_t *table;
	struct asm_as *as;
	struct asm_if *ifs;
	struct asm_port *ports;
	struct asm_cpu *cpu;
	struct asm_index_line *index;
	struct asm_row *row;
	size_t ports_len, cpu_len, index_len, rows_len;
};

/* What is in all books; see bpft_total(). */
struct bpft_total {
	struct asm_books books[ASM_DIRS];
	struct asm_measure rows;
	uint32_t n_rows;
	struct asm_row row; /* the last one found */
};

static inline void bpft_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	abort();
}

static inline void *bpft_map(struct bpft *t, const char *name, uint32_t entries,
			     uint32_t value_size, size_t *ret_len)
{
	struct bpf_map *m = bpf_object__find_map_by_name(t->obj, name);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (size_t)entries * ((value_size + 7u) & ~7u);
	void *p;

	len = (len + page - 1) / page * page;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m),
		 0);
	if (p == MAP_FAILED)
		bpft_die(name);
	if (ret_len)
		*ret_len = len;
	return p;
}

static inline void bpft_size(struct bpft *t, const char *name, uint32_t entries)
{
	struct bpf_map *m = bpf_object__find_map_by_name(t->obj, name);

	if (!m || bpf_map__set_max_entries(m, entries))
		bpft_die(name);
}

__attribute__((format(printf, 2, 0))) static inline int
bpft_quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	/* a table of another size than the object's has no BTF */
	if (level != LIBBPF_WARN || strstr(fmt, "Retrying without BTF"))
		return 0;
	return vfprintf(stderr, fmt, ap);
}

/* Forgets all counts. */
static inline void bpft_zero(struct bpft *t)
{
	memset(t->ports, 0, t->ports_len);
	memset(t->cpu, 0, t->cpu_len);
	memset(t->index, 0, t->index_len);
	memset(t->row, 0, t->rows_len);
}

/* elf: the bytes of the object, from a skeleton's X__elf_bytes(). rows: row 0
 * included. lines: of the index, 2^n. */
static inline void bpft_open(struct bpft *t, const void *elf, size_t elf_len,
			     uint32_t rows, uint32_t lines)
{
	static const char *const names[] = {"xdp_meter", "tc_egress",
					    "tc_ingress"};
	const struct asm_cfg cfg = {
		.n_cpus = (uint32_t)libbpf_num_possible_cpus(),
		.rows = rows,
		.line_mask = lines - 1,
		.word_mask = BPFT_WORDS - 1};
	struct bpf_map *m;

	libbpf_set_print(bpft_quiet);
	memset(t, 0, sizeof(*t));
	t->n_cpus = (uint32_t)libbpf_num_possible_cpus();
	t->rows = rows;
	t->lines = lines;
	t->obj = bpf_object__open_mem(elf, elf_len, NULL);
	if (!t->obj)
		bpft_die("open");
	bpft_size(t, "asm_ports", ASM_BANKS * t->n_cpus * ASM_PORT_SLOTS);
	bpft_size(t, "asm_cpu", ASM_BANKS * t->n_cpus);
	bpft_size(t, "asm_index", ASM_BANKS * t->n_cpus * lines);
	bpft_size(t, "asm_rows", ASM_BANKS * t->n_cpus * rows);
	bpft_size(t, "asm_as", BPFT_AS);
	m = bpf_object__find_map_by_name(t->obj, "asm_table");
	bpf_map__set_value_size(m, BPFT_WORDS * 4);
	bpf_object__for_each_map(m, t->obj) if (strstr(bpf_map__name(m),
						       ".rodata")) break;
	if (bpf_map__set_initial_value(m, &cfg, sizeof(cfg)))
		bpft_die("rodata");
	if (bpf_object__load(t->obj))
		bpft_die("load");
	for (int i = 0; i < BPFT_PROGS; i++)
		t->prog[i] = bpf_program__fd(
			bpf_object__find_program_by_name(t->obj, names[i]));
	t->state = bpft_map(t, "asm_state", 1, sizeof(*t->state), NULL);
	t->table = bpft_map(t, "asm_table", 1, BPFT_WORDS * 4, NULL);
	t->as = bpft_map(t, "asm_as", BPFT_AS, sizeof(*t->as), NULL);
	t->ifs = bpft_map(t, "asm_ifs", ASM_IF_SLOTS, sizeof(*t->ifs), NULL);
	t->ports =
		bpft_map(t, "asm_ports", ASM_BANKS * t->n_cpus * ASM_PORT_SLOTS,
			 sizeof(*t->ports), &t->ports_len);
	t->cpu = bpft_map(t, "asm_cpu", ASM_BANKS * t->n_cpus, sizeof(*t->cpu),
			  &t->cpu_len);
	t->index = bpft_map(t, "asm_index", ASM_BANKS * t->n_cpus * lines,
			    sizeof(*t->index), &t->index_len);
	t->row = bpft_map(t, "asm_rows", ASM_BANKS * t->n_cpus * rows,
			  sizeof(*t->row), &t->rows_len);
	for (uint32_t i = 1; i < BPFT_AS; i++)
		t->as[i].asn = 4200000000u + i;
	bpft_zero(t);
}

/* The mappings go with the process. */
static inline void bpft_close(struct bpft *t)
{
	bpf_object__close(t->obj);
	t->obj = NULL;
}

static inline void bpft_if(struct bpft *t, uint32_t ifindex, uint32_t flags)
{
	t->ifs[ifindex % ASM_IF_SLOTS].ifindex = ifindex;
	t->ifs[ifindex % ASM_IF_SLOTS].flags = flags;
}

/* Routes addr/bits (host order, bits <= 20) to AS index ix. */
static inline void bpft_route4(struct bpft *t, uint32_t addr, unsigned bits,
			       uint32_t ix)
{
	for (uint32_t i = 0; i < 1u << (ASM_ROOT4_BITS - bits); i++)
		t->table[ASM_ROOT4_AT + (addr >> (32 - ASM_ROOT4_BITS)) + i] =
			ix;
}

/* Routes the /16 with these first two bytes. */
static inline void bpft_route6(struct bpft *t, uint32_t first16, uint32_t ix)
{
	t->table[ASM_ROOT6_AT + first16] = ix;
}

/* Runs a program once (or repeat times). ctx: struct xdp_md, struct
 * __sk_buff or NULL. Returns -errno, else the action; the packet as it came
 * out is in ret_out (as large as data). */
static inline int bpft_run(struct bpft *t, enum bpft_prog prog,
			   const void *data, uint32_t len, const void *ctx,
			   uint32_t ctx_len, void *ret_out, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = data, .data_size_in = len,
		    .data_out = ret_out, .data_size_out = ret_out ? len : 0,
		    .ctx_in = ctx, .ctx_size_in = ctx ? ctx_len : 0,
		    .repeat = repeat);
	int rc = bpf_prog_test_run_opts(t->prog[prog], &o);

	if (rc)
		return -errno;
	if (ret_out && o.data_size_out != len)
		return -EMSGSIZE;
	return (int)o.retval;
}

static inline void bpft_add(struct asm_measure *to, const struct asm_measure *m)
{
	to->packets += m->packets;
	to->ip_bytes += m->ip_bytes;
	to->wire_bytes += m->wire_bytes;
}

static inline void bpft_add_books(struct asm_books *to,
				  const struct asm_books *from)
{
	for (size_t i = 0; i < sizeof(*to) / sizeof(struct asm_measure); i++)
		bpft_add(&to->seen + i, &from->seen + i);
}

/* Sums the books of one slot over banks and CPUs, and all rows. */
static inline void bpft_total(const struct bpft *t, uint32_t slot,
			      struct bpft_total *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t part = 0; part < ASM_BANKS * t->n_cpus; part++) {
		const struct asm_port *p =
			&t->ports[part * ASM_PORT_SLOTS + slot];

		bpft_add_books(&ret->books[ASM_DIR_IN], &p->rx);
		bpft_add_books(&ret->books[ASM_DIR_OUT], &p->tx);
		const struct asm_row *rows = &t->row[part * t->rows];

		for (uint32_t n = 1; n <= t->cpu[part].n_used; n++) {
			const struct asm_row *r =
				&rows[row_nth(rows, n, t->rows)];

			ret->rows.packets += r->packets;
			ret->rows.ip_bytes += r->ip_bytes;
			ret->rows.wire_bytes += r->wire_bytes;
			ret->row = *r;
			ret->n_rows++;
		}
	}
}

static inline const struct asm_measure *bpft_bucket(const struct asm_books *b,
						    enum asm_verdict verdict)
{
	return &b->attributed + verdict;
}

#endif
