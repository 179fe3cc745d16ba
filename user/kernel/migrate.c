/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/migrate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One set of maps, in memory. Freed with set_close(). */
struct set {
	struct asm_state *state;
	uint32_t *words;
	struct asm_port *ports;
	struct asm_cpu *cpu;
	struct asm_row *rows;
	struct {
		void *p;
		size_t len;
	} view[ASM_MAP_COUNT];
	uint32_t parts; /* banks times CPUs */
};

static void *set_map(struct set *s, const int fds[ASM_MAP_COUNT],
		     enum asm_map m, size_t len, int *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	if (*err)
		return NULL;
	len = (len + page - 1) / page * page;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fds[m], 0);
	if (p == MAP_FAILED) {
		*err = -errno;
		return NULL;
	}
	s->view[m].p = p;
	s->view[m].len = len;
	return p;
}

static void set_close(struct set *s)
{
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++) {
		if (s->view[i].p)
			munmap(s->view[i].p, s->view[i].len);
	}
}

static int set_open(struct set *s, const int fds[ASM_MAP_COUNT])
{
	const struct asm_state *st;
	int err = 0;

	*s = (struct set){0};
	s->state = set_map(s, fds, ASM_MAP_STATE, sizeof(*st), &err);
	if (err)
		return err;
	st = s->state;
	s->parts = ASM_BANKS * st->n_cpus;
	s->words = set_map(s, fds, ASM_MAP_TABLE, st->table_words * 4ul, &err);
	s->ports =
		set_map(s, fds, ASM_MAP_PORTS,
			(size_t)s->parts * ASM_PORT_SLOTS * sizeof(*s->ports),
			&err);
	s->cpu = set_map(s, fds, ASM_MAP_CPU, s->parts * sizeof(*s->cpu), &err);
	s->rows = set_map(s, fds, ASM_MAP_ROWS,
			  (size_t)s->parts * st->rows * sizeof(*s->rows), &err);
	return err;
}

/* ---------------------------------------------------------------- pairs */

static int cmp_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int cmp_key(const void *a, const void *b)
{
	const struct asm_row *x = a, *y = b;
	int c = cmp_u32(x->src_ix, y->src_ix);

	if (!c)
		c = cmp_u32(x->dst_ix, y->dst_ix);
	if (!c)
		c = cmp_u32(x->ifindex, y->ifindex);
	if (!c)
		c = cmp_u32((uint32_t)x->dir << 8 | x->family,
			    (uint32_t)y->dir << 8 | y->family);
	return c;
}

static uint32_t rows_used(const struct set *s, uint32_t part)
{
	uint32_t n = s->cpu[part].n_rows;

	return n < s->state->rows ? n : s->state->rows - 1;
}

/* One row a pair, with its sum over banks and CPUs. *ret is the caller's. */
static int collect(const struct set *s, struct asm_row **ret, size_t *ret_n)
{
	size_t n = 0, kept = 0;
	struct asm_row *v;

	for (uint32_t p = 0; p < s->parts; p++)
		n += rows_used(s, p);
	v = malloc((n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	n = 0;
	for (uint32_t p = 0; p < s->parts; p++) {
		uint32_t used = rows_used(s, p);

		memcpy(v + n, s->rows + (size_t)p * s->state->rows + 1,
		       used * sizeof(*v));
		n += used;
	}
	qsort(v, n, sizeof(*v), cmp_key);
	for (size_t i = 0; i < n; i++) {
		struct asm_row *last = kept ? &v[kept - 1] : NULL;

		if (!last || cmp_key(last, &v[i]) != 0) {
			v[kept++] = v[i];
			continue;
		}
		last->packets += v[i].packets;
		last->ip_bytes += v[i].ip_bytes;
		last->wire_bytes += v[i].wire_bytes;
	}
	*ret = v;
	*ret_n = kept;
	return 0;
}

/* Rows that each CPU has to take so that all find room. */
static uint32_t rows_each(const struct set *to, size_t pairs)
{
	return (uint32_t)((pairs + to->state->n_cpus - 1) / to->state->n_cpus);
}

/*
 * Into bank 1, spread over the CPUs. The index does not know these rows, and
 * need not: a program that meets the pair again takes a new row, and readers
 * add up the rows of a pair.
 */
static int put_rows(const struct set *to, const struct asm_row *v, size_t n,
		    uint32_t *ret_rows)
{
	uint32_t n_cpus = to->state->n_cpus, each = rows_each(to, n);

	*ret_rows = each + 1;
	if (each >= to->state->rows)
		return -ENOSPC;
	for (uint32_t c = 0; c < n_cpus; c++) {
		uint32_t part = n_cpus + c;
		size_t first = (size_t)c * each;
		size_t count = first >= n         ? 0
			       : n - first < each ? n - first
						  : each;

		memcpy(to->rows + (size_t)part * to->state->rows + 1, v + first,
		       count * sizeof(*v));
		to->cpu[part].n_rows = (uint32_t)count;
	}
	return 0;
}

/* ---------------------------------------------------------------- ports */

/* struct asm_books is seven measures of three numbers and nothing else. */
static void books_add(struct asm_books *to, const struct asm_books *b)
{
	const __u64 *from = &b->seen.packets;
	__u64 *sum = &to->seen.packets;

	for (size_t i = 0; i < sizeof(*b) / sizeof(*sum); i++)
		sum[i] += from[i];
}

static void put_ports(const struct set *from, const struct set *to)
{
	struct asm_port *out =
		to->ports + (size_t)to->state->n_cpus * ASM_PORT_SLOTS;

	for (uint32_t slot = 0; slot < ASM_PORT_SLOTS; slot++) {
		struct asm_port sum = {0};

		for (uint32_t p = 0; p < from->parts; p++) {
			const struct asm_port *in =
				from->ports + (size_t)p * ASM_PORT_SLOTS + slot;

			if (in->ifindex)
				sum.ifindex = in->ifindex;
			books_add(&sum.rx, &in->rx);
			books_add(&sum.tx, &in->tx);
		}
		out[slot] = sum;
	}
}

/* --------------------------------------------------------------- public */

static void put_table(const struct set *from, const struct set *to)
{
	uint32_t n = from->state->table_words;

	if (n != to->state->table_words) { /* else they are the same map */
		while (n && !from->words[n - 1])
			n--;
		if (n > to->state->table_words)
			return; /* it is compiled again */
		memcpy(to->words, from->words, n * sizeof(*to->words));
	}
	to->state->table_epoch = from->state->table_epoch;
	to->state->table_published_at = from->state->table_published_at;
}

int migrate_prepare(const int from[ASM_MAP_COUNT], const int to[ASM_MAP_COUNT],
		    uint32_t *ret_rows)
{
	struct set a, b = {0};
	struct asm_row *v = NULL;
	size_t n = 0;
	int err = set_open(&a, from);

	if (!err)
		err = set_open(&b, to);
	if (!err)
		err = collect(&a, &v, &n);
	if (!err) {
		/* and some that come until the programs are exchanged */
		*ret_rows = rows_each(&b, n + n / 16 + 256) + 1;
		if (*ret_rows > b.state->rows)
			err = -ENOSPC;
	}
	if (!err) {
		put_table(&a, &b);
		b.state->n_as = a.state->n_as;
		b.state->created_at = a.state->created_at;
	}
	free(v);
	set_close(&b);
	set_close(&a);
	return err;
}

int migrate_totals(const int from[ASM_MAP_COUNT], const int to[ASM_MAP_COUNT],
		   uint32_t *ret_rows)
{
	struct set a, b = {0};
	struct asm_row *v = NULL;
	size_t n = 0;
	int err = set_open(&a, from);

	if (!err)
		err = set_open(&b, to);
	if (!err && !b.state->moved)
		err = collect(&a, &v, &n);
	if (!err && !b.state->moved)
		err = put_rows(&b, v, n, ret_rows);
	if (!err && !b.state->moved) {
		put_ports(&a, &b);
		__atomic_store_n(&b.state->moved, 1, __ATOMIC_RELEASE);
	}
	free(v);
	set_close(&b);
	set_close(&a);
	return err;
}
