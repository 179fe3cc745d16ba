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

static uint32_t part_used(const struct past_maps *m, uint32_t part)
{
	uint32_t n = m->cpu[part].n_rows;

	return n < m->state->rows ? n : m->state->rows - 1;
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
	const struct asm_row *rows = part_rows(m, part);
	uint32_t n = part_used(m, part);

	for (uint32_t r = 1; r <= n; r++) {
		struct asm_past *e;

		if (entry[r] == PAST_NONE)
			continue;
		e = &m->past[entry[r]];
		if (!e->pending)
			e->next = e->total;
		measure_add_row(&e->next, &rows[r]);
		e->pending = 1;
	}
}

/* The kept ones come to the beginning, with nothing in them. */
static void clear_rows(const struct past_maps *m, uint32_t part,
		       const uint32_t *keep)
{
	struct asm_row *rows = part_rows(m, part);
	uint32_t n = part_used(m, part), kept = 0;

	for (uint32_t r = 1; r <= n; r++) {
		struct asm_row row = rows[r];

		memset(&rows[r], 0, sizeof(row));
		if (!keep[r])
			continue;
		kept = keep[r];
		row.packets = row.ip_bytes = row.wire_bytes = 0;
		rows[kept] = row;
	}
	step();
	m->cpu[part].n_rows = kept;
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
	size_t lines = m->state->index_lines;
	uint32_t n = part_used(m, part);

	memset(m->index + part * lines, 0, lines * sizeof(*m->index));
	for (uint32_t r = 1; r <= n; r++)
		index_put(m, part, r);
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
	uint32_t n = part_used(m, part), freed = 0;

	announce(m, part, entry);
	step();
	m->state->emptied = (uint64_t)part + 1;
	step();
	for (uint32_t r = 1; r <= n; r++)
		freed += !keep[r];
	clear_rows(m, part, keep);
	index_again(m, part);
	for (uint32_t r = 1; r <= n; r++) {
		if (entry[r] != PAST_NONE)
			take(&m->past[entry[r]]);
	}
	step();
	m->state->emptied = 0;
	m->state->freed_rows += freed;
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
		m->cpu[part].n_rows = 0;
		for (uint32_t i = 0; i < n; i++)
			take(&m->past[i]);
	}
	step();
	m->state->emptied = 0;
	step();
	for (uint32_t i = 0; i < n; i++)
		m->past[i].pending = 0;
}
