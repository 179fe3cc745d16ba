/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/migrate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>

#include "asmeter/index.h"
#include "kernel/past.h"

/* One set of maps, in memory. Freed with set_close(). */
struct set {
	struct asm_state *state;
	uint32_t *words;
	struct asm_port *ports;
	struct asm_cpu *cpu;
	struct asm_row *rows;
	struct asm_index_line *index;
	struct asm_past *past; /* NULL: of a release that has it not */
	/* What one that has it left behind when one that has it not was gone
	 * back to: up to the last entry in use. */
	struct asm_past *left;
	uint32_t n_left;
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

/* Up to the last one that is a pair's. */
static uint32_t entries_in_use(const struct asm_past *past, uint32_t n)
{
	while (n && !past[n - 1].family)
		n--;
	return n;
}

/* It is of this set when it is as large as the rows want it, and asm_state
 * speaks of what is in it. What is not of this set counts if the maps that it
 * was of were moved: else their counts have been ended. */
static void set_past(struct set *s, const int fds[ASM_MAP_COUNT], int *err)
{
	const struct asm_state *st = s->state;
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), n = 0;
	struct asm_past *p;

	if (*err || fds[ASM_MAP_PAST] < 0)
		return;
	if (bpf_obj_get_info_by_fd(fds[ASM_MAP_PAST], &info, &len)) {
		*err = -errno;
		return;
	}
	p = set_map(s, fds, ASM_MAP_PAST, info.max_entries * sizeof(*p), err);
	if (*err)
		return;
	if (st->moved && !st->homes && !st->n_past)
		n = entries_in_use(p, info.max_entries);
	if (n || info.max_entries != s->parts * st->rows) {
		s->left = p;
		s->n_left = n;
	} else {
		s->past = p;
	}
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
	if ((uint64_t)ASM_BANKS * st->n_cpus * st->rows > UINT32_MAX)
		return -EPROTO;
	s->parts = ASM_BANKS * st->n_cpus;
	s->words = set_map(s, fds, ASM_MAP_TABLE, st->table_words * 4ul, &err);
	s->ports =
		set_map(s, fds, ASM_MAP_PORTS,
			(size_t)s->parts * ASM_PORT_SLOTS * sizeof(*s->ports),
			&err);
	s->cpu = set_map(s, fds, ASM_MAP_CPU, s->parts * sizeof(*s->cpu), &err);
	s->rows = set_map(s, fds, ASM_MAP_ROWS,
			  (size_t)s->parts * st->rows * sizeof(*s->rows), &err);
	s->index =
		set_map(s, fds, ASM_MAP_INDEX,
			(size_t)s->parts * st->index_lines * sizeof(*s->index),
			&err);
	set_past(s, fds, &err);
	return err;
}

static struct past_maps past_of(const struct set *s)
{
	return (struct past_maps){.state = s->state,
				  .cpu = s->cpu,
				  .index = s->index,
				  .rows = s->rows,
				  .past = s->past};
}

/* ---------------------------------------------------------------- pairs */

static int cmp_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int cmp_key(const void *a, const void *b)
{
	const struct asm_row *x = a, *y = b;
	int c = cmp_u32(x->src_as, y->src_as);

	if (!c)
		c = cmp_u32(x->dst_as, y->dst_as);
	if (!c)
		c = cmp_u32(x->ifindex, y->ifindex);
	if (!c)
		c = cmp_u32((uint32_t)x->dir << 8 | x->family,
			    (uint32_t)y->dir << 8 | y->family);
	return c;
}

/* Without its place in the order there. A program must not find it, as a sum
 * over parts is not the row of one. AS indexes, which name the same ASes in the
 * new maps, stay: the first releases that moved counts know pairs by them. */
static struct asm_row moved(const struct asm_row *r)
{
	struct asm_row m = *r;

	m.moved = 1;
	m.nth = m.rank = 0;
	return m;
}

static struct asm_row row_of(const struct asm_past *e)
{
	return (struct asm_row){.src_as = e->src_as,
				.dst_as = e->dst_as,
				.ifindex = e->ifindex,
				.dir = e->dir,
				.family = e->family,
				.moved = 1,
				.packets = e->total.packets,
				.ip_bytes = e->total.ip_bytes,
				.wire_bytes = e->total.wire_bytes};
}

/* asm_past has none. */
static bool has_indexes(const struct asm_row *r)
{
	return (r->src_ix || !r->src_as) && (r->dst_ix || !r->dst_as);
}

static void pair_add(struct asm_row *to, const struct asm_row *r)
{
	if (!has_indexes(to)) {
		to->src_ix = r->src_ix;
		to->dst_ix = r->dst_ix;
	}
	to->packets += r->packets;
	to->ip_bytes += r->ip_bytes;
	to->wire_bytes += r->wire_bytes;
}

/* Those that have no AS indexes become the first. How many do have them. */
static size_t sort_out(struct asm_row *v, size_t n)
{
	size_t without = 0;

	for (size_t i = 0; i < n; i++) {
		struct asm_row row = v[i];

		if (has_indexes(&row))
			continue;
		v[i] = v[without];
		v[without++] = row;
	}
	return n - without;
}

/* The n-th row and following. How many there are then. */
static size_t add_past(struct asm_row *v, size_t n, const struct asm_past *past,
		       uint32_t entries)
{
	for (uint32_t i = 0; i < entries; i++) {
		if (past[i].family)
			v[n++] = row_of(&past[i]);
	}
	return n;
}

/* One row a pair, with its sum over banks, CPUs and what rows had that were
 * freed. All rows are looked at, in whatever order a release keeps them: those
 * that are free have no family, nor has the one pair that an earlier release
 * makes of them when it moves the counts. Where programs count meanwhile, rows
 * that they take may be missing. *ret is the caller's. */
static int collect(const struct set *s, struct asm_row **ret, size_t *ret_n)
{
	const struct past_maps past = past_of(s);
	size_t rows = (size_t)s->parts * s->state->rows, room, n = 0, kept = 0;
	struct asm_row *v;
	uint32_t freed;

	past_resume(&past);
	freed = past_used(&past);
	room = (size_t)freed + s->n_left;
	for (size_t r = 0; r < rows; r++)
		room += s->rows[r].family != 0;
	v = malloc((room + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	n = add_past(v, n, s->past, freed);
	n = add_past(v, n, s->left, s->n_left);
	for (size_t r = 0; r < rows && n < room; r++) {
		if (s->rows[r].family)
			v[n++] = moved(&s->rows[r]);
	}
	qsort(v, n, sizeof(*v), cmp_key);
	for (size_t i = 0; i < n; i++) {
		struct asm_row *last = kept ? &v[kept - 1] : NULL;

		if (!last || cmp_key(last, &v[i]) != 0) {
			v[kept++] = v[i];
			continue;
		}
		pair_add(last, &v[i]);
	}
	*ret = v;
	*ret_n = kept;
	return 0;
}

/* What maps can hold, with rows being taken and none freed. */
static size_t pairs_most(const struct set *s)
{
	const struct past_maps past = past_of(s);

	return past_used(&past) + (size_t)s->n_left +
	       (size_t)s->parts * (s->state->rows - 1);
}

/* Pairs that have to take rows: all that find no room in asm_past, and from a
 * release that does not know it, which then could not be gone back to, those
 * that it knows by their indexes, as many as half of the rows can take. */
static size_t in_rows(const struct set *from, const struct set *to,
		      size_t pairs, size_t with_indexes)
{
	const struct past_maps past = past_of(to);
	size_t room = past_room(&past);
	size_t half = (size_t)to->state->rows / 2 * to->state->n_cpus;

	return MAX(from->past ? 0 : MIN(with_indexes, half),
		   pairs > room ? pairs - room : 0);
}

/* Of so many, those that each CPU takes. */
static uint32_t rows_each(const struct set *to, size_t rows)
{
	size_t n_cpus = to->state->n_cpus;

	return (uint32_t)((rows + n_cpus - 1) / n_cpus);
}

/* counters.rows with which so many pairs find room. */
static uint32_t rows_needed(const struct set *to, size_t pairs)
{
	size_t n_cpus = to->state->n_cpus, per_row = n_cpus + to->parts;

	return (uint32_t)((pairs + n_cpus - 1) / per_row);
}

/*
 * Into asm_past, so that the new maps begin with all rows free; the others
 * (see above) into the rows of bank 1, spread over the CPUs. No program finds
 * these rows, and need not: one that meets the pair again takes a new row, and
 * readers add up the rows of a pair.
 */
static int put_rows(const struct set *from, const struct set *to,
		    struct asm_row *v, size_t n, uint32_t *ret_rows)
{
	const struct past_maps past = past_of(to);
	size_t rest = in_rows(from, to, n, sort_out(v, n)), at = 0;
	uint32_t n_cpus = to->state->n_cpus, each = rows_each(to, rest);

	*ret_rows = rows_needed(to, n);
	if (each >= to->state->rows)
		return -ENOSPC;
	to->state->n_past = 0;
	for (; at + rest < n; at++) {
		uint32_t e = past_add(&past, &v[at]);

		to->past[e].total =
			(struct asm_measure){v[at].packets, v[at].ip_bytes,
					     v[at].wire_bytes};
	}
	for (uint32_t c = 0; c < n_cpus; c++) {
		struct asm_row *rows =
			to->rows + (size_t)(n_cpus + c) * to->state->rows;
		size_t count = n - at < each ? n - at : each;

		/* an attempt that was killed may have put others there */
		memset(rows, 0, to->state->rows * sizeof(*rows));
		memcpy(rows + 1, v + at, count * sizeof(*v));
		to->cpu[n_cpus + c].n_used = (uint32_t)count;
		at += count;
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

/* ---------------------------------------------------------------- order */

/* Whether each row is in use if and only if its place in the order says so
 * (asmeter/abi.h), which is how readers find it. Programs may take some
 * meanwhile. */
static bool is_in_order(const struct set *s, uint32_t part)
{
	const struct asm_row *rows = s->rows + (size_t)part * s->state->rows;
	const uint32_t *n_used = &s->cpu[part].n_used;
	uint32_t homes = s->state->homes;

	if (s->cpu[part].n_rows != homes)
		return false;
	for (uint32_t n = 1; n <= homes; n++) {
		uint32_t was = __atomic_load_n(n_used, __ATOMIC_ACQUIRE);
		uint32_t r = n ^ rows[n].nth;
		bool used;

		if (r - 1 >= homes || (r ^ rows[r].rank) != n)
			return false;
		used = __atomic_load_n(&rows[r].family, __ATOMIC_ACQUIRE);
		if (used ? n > __atomic_load_n(n_used, __ATOMIC_ACQUIRE)
			 : n <= was)
			return false;
	}
	return __atomic_load_n(n_used, __ATOMIC_RELAXED) <= homes;
}

/* A CPU that takes a row just now may be seen to have done the half of it. */
#define LOOKS 3

static bool is_due(const struct set *s)
{
	const struct asm_state *st = s->state;

	if (!rows_are_homes(st))
		return true;
	for (uint32_t p = 0; p < s->parts; p++) {
		unsigned looks = 0;

		if (st->emptied == (uint64_t)p + 1)
			continue; /* past_resume() clears it */
		while (!is_in_order(s, p)) {
			if (++looks == LOOKS)
				return true;
		}
	}
	return false;
}

/* --------------------------------------------------------------- public */

int migrate_is_due(const int fds[ASM_MAP_COUNT], bool *ret)
{
	struct set s;
	int err = set_open(&s, fds);

	if (!err)
		*ret = is_due(&s);
	set_close(&s);
	return err;
}

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
		n = MIN(n + n / 16 + 256, pairs_most(&a));
		*ret_rows = rows_needed(&b, n);
		if (rows_each(&b, in_rows(&a, &b, n, n)) >= b.state->rows)
			err = -ENOSPC;
	}
	if (!err) {
		put_table(&a, &b);
		b.state->n_as = a.state->n_as;
		b.state->created_at = a.state->created_at;
		b.state->freed_rows = a.state->freed_rows;
		b.state->freed_times = a.state->freed_times;
	}
	free(v);
	set_close(&b);
	set_close(&a);
	return err;
}

int migrate_totals(const int from[ASM_MAP_COUNT], const int to[ASM_MAP_COUNT],
		   uint32_t *ret_rows)
{
	struct set a = {0}, b;
	struct asm_row *v = NULL;
	size_t n = 0;
	int err = set_open(&b, to);
	bool done = !err && b.state->moved;

	/* then `from` may be some of the old and some of the new maps */
	if (!err && !done)
		err = set_open(&a, from);
	if (!err && !done)
		err = collect(&a, &v, &n);
	if (!err && !done)
		err = put_rows(&a, &b, v, n, ret_rows);
	if (!err && !done) {
		put_ports(&a, &b);
		__atomic_store_n(&b.state->moved, 1, __ATOMIC_RELEASE);
	}
	free(v);
	set_close(&b);
	set_close(&a);
	return err;
}
