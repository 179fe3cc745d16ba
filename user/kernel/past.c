/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/past.h"

#include <string.h>

#include "asmeter/index.h"

/* What stands before is stored before what stands after: for a kill (the
 * compiler may reorder) and for who maps the same memory. */
static void step(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void measure_add_row(struct asm_measure *m, const struct asm_row *r)
{
	m->packets += r->packets;
	m->ip_bytes += r->ip_bytes;
	m->wire_bytes += r->wire_bytes;
}

static struct asm_row *part_rows(const struct past_maps *m, uint32_t part)
{
	return m->rows + (size_t)part * m->state->rows;
}

static struct asm_row *part_nth(const struct past_maps *m, uint32_t part,
				uint32_t n)
{
	struct asm_row *rows = part_rows(m, part);

	return &rows[row_nth(rows, n, m->state->rows)];
}

static uint32_t part_used(const struct past_maps *m, uint32_t part)
{
	return rows_used(&m->cpu[part], m->state->rows);
}

uint32_t past_room(const struct past_maps *m)
{
	return m->past ? ASM_BANKS * m->state->n_cpus * m->state->rows : 0;
}

uint32_t past_used(const struct past_maps *m)
{
	uint32_t room = past_room(m);

	return m->state->n_past < room ? (uint32_t)m->state->n_past : room;
}

uint32_t past_add(const struct past_maps *m, const struct asm_row *row)
{
	uint32_t n = past_used(m);

	if (n == past_room(m))
		return PAST_NONE;
	m->past[n] = (struct asm_past){.src_as = row->src_as,
				       .dst_as = row->dst_as,
				       .ifindex = row->ifindex,
				       .dir = row->dir,
				       .family = row->family};
	step();
	m->state->n_past = n + 1;
	return n;
}

/* ---------------------------------------------------------------- steps */

static void announce(const struct past_maps *m, uint32_t part,
		     const uint32_t *entry)
{
	uint32_t used = part_used(m, part);

	for (uint32_t n = 1; n <= used; n++) {
		struct asm_past *e;

		if (entry[n] == PAST_NONE)
			continue;
		e = &m->past[entry[n]];
		if (!e->pending)
			e->next = e->total;
		measure_add_row(&e->next, part_nth(m, part, n));
		e->pending = 1;
	}
}

/* The a-th and the b-th row exchange their places in the order. */
static void swap(struct asm_row *rows, uint32_t a, uint32_t b, uint32_t count)
{
	uint32_t x = row_nth(rows, a, count), y = row_nth(rows, b, count);

	rows[a].nth = a ^ y;
	rows[b].nth = b ^ x;
	rows[y].rank = y ^ a;
	rows[x].rank = x ^ b;
}

static void clear(struct asm_row *row, bool keep)
{
	struct asm_row left = {.nth = row->nth, .rank = row->rank};

	if (keep) {
		left = *row;
		left.packets = left.ip_bytes = left.wire_bytes = 0;
	}
	*row = left;
}

/* The kept ones stay where they are, and are the first in the order, with
 * nothing in them. */
static void clear_rows(const struct past_maps *m, uint32_t part,
		       const uint32_t *keep)
{
	struct asm_row *rows = part_rows(m, part);
	uint32_t used = part_used(m, part), kept = 0;

	for (uint32_t n = 1; n <= used; n++) {
		clear(part_nth(m, part, n), keep[n]);
		if (keep[n])
			swap(rows, ++kept, n, m->state->rows);
	}
	step();
	m->cpu[part].n_used = kept;
}

/* As a program does it that has found the pair nowhere (bpf/count.h). */
static void index_put(const struct past_maps *m, uint32_t part, uint32_t number)
{
	const struct asm_row *row = &part_rows(m, part)[number];
	const struct count_key key = {.ifindex = row->ifindex,
				      .dir = row->dir,
				      .family = row->family,
				      .src_ix = row->src_ix,
				      .dst_ix = row->dst_ix};
	uint32_t lines = m->state->index_lines, hash = count_hash(&key);
	struct asm_index_line *index = m->index + (size_t)part * lines;

	if (number - count_home(hash, m->state->rows) < COUNT_WINDOW)
		return;
	for (uint32_t i = 0; i < COUNT_LINES; i++) {
		__u32 *slot = index[(hash + i) & (lines - 1)].slot;

		for (uint32_t k = 0; k < ASM_INDEX_WAYS; k++) {
			uint32_t way = (COUNT_WAY(hash) + k) % ASM_INDEX_WAYS;

			if (slot[way])
				continue;
			slot[way] = (hash & ~COUNT_ROW_MASK) | number;
			return;
		}
	}
}

static void index_again(const struct past_maps *m, uint32_t part)
{
	const struct asm_row *rows = part_rows(m, part);
	uint32_t used = part_used(m, part);
	size_t lines = m->state->index_lines;

	memset(m->index + part * lines, 0, lines * sizeof(*m->index));
	for (uint32_t n = 1; n <= used; n++)
		index_put(m, part, row_nth(rows, n, m->state->rows));
}

static void take(struct asm_past *e)
{
	if (!e->pending)
		return;
	e->total = e->next;
	step();
	e->pending = 0;
}

void past_empty(const struct past_maps *m, uint32_t part, const uint32_t *entry,
		const uint32_t *keep)
{
	uint32_t used = part_used(m, part);

	announce(m, part, entry);
	step();
	m->state->emptied = (uint64_t)part + 1;
	step();
	clear_rows(m, part, keep);
	index_again(m, part);
	for (uint32_t n = 1; n <= used; n++) {
		if (entry[n] != PAST_NONE)
			take(&m->past[entry[n]]);
	}
	step();
	m->state->emptied = 0;
	m->state->freed_rows += used - part_used(m, part);
	m->state->freed_times++;
}

void past_resume(const struct past_maps *m)
{
	uint64_t part = m->state->emptied;
	uint32_t n = past_used(m);

	if (part && part <= (uint64_t)ASM_BANKS * m->state->n_cpus) {
		size_t lines = m->state->index_lines;

		part--;
		memset(m->index + part * lines, 0, lines * sizeof(*m->index));
		memset(part_rows(m, (uint32_t)part), 0,
		       m->state->rows * sizeof(*m->rows));
		step();
		m->cpu[part].n_used = 0;
		m->cpu[part].n_rows = m->state->homes;
		for (uint32_t i = 0; i < n; i++)
			take(&m->past[i]);
	}
	step();
	m->state->emptied = 0;
	step();
	for (uint32_t i = 0; i < n; i++)
		m->past[i].pending = 0;
}
