/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which rows are freed, and when.
 *
 * A part (a bank of a CPU) is crowded when seven of eight rows are in use. Of a
 * crowded part those rows are quiet whose pair has had no packet, anywhere, for
 * the given time, and those that were kept when rows were freed there that long
 * ago, and have had none themselves since. When an eighth of the part is quiet
 * it is worth the work, and all of its quiet rows are freed. A row must have
 * been quiet for that time to be freed, so no part is emptied more than eight
 * times in it, and in the mean once; looking costs a pass over the crowded
 * parts, so there is a bound on that as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "kernel/counters_int.h"

#define LOOKS 16 /* at most so many in the time after which a pair is quiet */

static bool is_crowded(const struct counters *c, uint32_t part)
{
	return (uint64_t)c->known[part] * 8 >= (uint64_t)(c->rows - 1) * 7;
}

bool counters_crowded(const struct counters *c, struct mono now,
		      int64_t quiet_ns)
{
	uint32_t first = c->quiet * c->n_cpus;

	if (mono_diff_ns(c->looked[c->quiet], now) < quiet_ns / LOOKS)
		return false;
	for (uint32_t part = first; part < first + c->n_cpus; part++) {
		if (is_crowded(c, part))
			return true;
	}
	return false;
}

struct look {
	struct mono now;
	int64_t quiet_ns;
	const struct asm_row *rows;
	uint32_t used, kept;
	uint32_t *keep, *entry; /* of the n-th row; as past_empty() has them */
	uint32_t freed;
};

static const struct asm_row *nth(const struct counters *c, const struct look *k,
				 uint32_t n)
{
	return &k->rows[row_nth(k->rows, n, c->rows)];
}

static bool is_quiet(const struct counters *c, uint32_t part, uint32_t n,
		     const struct look *k)
{
	const struct pair *p = &c->pairs[c->pair_of_row[part][n]];
	const struct asm_row *row = nth(c, k, n);

	/* no program finds a moved one */
	return row->moved || mono_diff_ns(p->active, k->now) >= k->quiet_ns ||
	       (!row->packets &&
		mono_diff_ns(c->emptied[part], k->now) >= k->quiet_ns);
}

static void choose(const struct counters *c, uint32_t part, struct look *k)
{
	k->kept = 0;
	for (uint32_t n = 1; n <= k->used; n++)
		k->keep[n] = is_quiet(c, part, n, k) ? 0 : ++k->kept;
	k->freed = k->used - k->kept;
}

/* The entry of each row that has something. -ENOSPC: there is no room. Entries
 * made before that was found out stay, for when it is tried again. */
static int find_entries(struct counters *c, uint32_t part, struct look *k)
{
	for (uint32_t n = 1; n <= k->used; n++) {
		struct pair *p = &c->pairs[c->pair_of_row[part][n]];
		const struct asm_row *row = nth(c, k, n);
		int rc = 0;

		k->entry[n] = PAST_NONE;
		if (!row->packets)
			continue;
		if (p->entry == PAST_NONE) {
			if (past_used(&c->past) == c->past_mapped)
				rc = counters_map_past(c);
			if (rc)
				return rc;
			p->entry = past_add(&c->past, row);
		}
		if (p->entry == PAST_NONE)
			return -ENOSPC;
		k->entry[n] = p->entry;
	}
	return 0;
}

/* What past_empty() is about to do, in this process's own sums. */
static void move(struct counters *c, uint32_t part, const struct look *k)
{
	struct asm_measure *from = c->sums[part / c->n_cpus];
	struct asm_measure *to = c->sums[SUMS_PAST];
	uint32_t *ids = c->pair_of_row[part];

	for (uint32_t n = 1; n <= k->used; n++) {
		const struct asm_row *row = nth(c, k, n);
		uint32_t id = ids[n];

		from[id].packets -= row->packets;
		from[id].ip_bytes -= row->ip_bytes;
		from[id].wire_bytes -= row->wire_bytes;
		to[id].packets += row->packets;
		to[id].ip_bytes += row->ip_bytes;
		to[id].wire_bytes += row->wire_bytes;
		if (k->keep[n])
			ids[k->keep[n]] = id;
	}
	c->known[part] = k->kept;
	c->emptied[part] = k->now;
}

static int free_part(struct counters *c, uint32_t part, struct look *k)
{
	int rc;

	k->rows = counters_rows(c, part, &k->used);
	k->freed = 0;
	choose(c, part, k);
	if ((uint64_t)k->freed * 8 < c->rows - 1) {
		k->freed = 0;
		return 0;
	}
	rc = find_entries(c, part, k);
	if (rc) {
		k->freed = 0;
		return rc;
	}
	move(c, part, k);
	past_empty(&c->past, part, k->entry, k->keep);
	return 0;
}

int counters_free(struct counters *c, struct mono now, int64_t quiet_ns,
		  uint32_t *ret_freed)
{
	struct look k = {.now = now, .quiet_ns = quiet_ns};
	uint32_t first = c->quiet * c->n_cpus, freed = 0;
	int err = 0, rc;

	c->looked[c->quiet] = now;
	k.keep = calloc(c->rows, sizeof(*k.keep));
	k.entry = calloc(c->rows, sizeof(*k.entry));
	if (!k.keep || !k.entry)
		err = -ENOMEM;
	for (uint32_t part = first; part < first + c->n_cpus; part++) {
		if (err == -ENOMEM || !is_crowded(c, part))
			continue;
		rc = free_part(c, part, &k); /* others may be luckier */
		err = rc ? rc : err;
		freed += k.freed;
	}
	free(k.keep);
	free(k.entry);
	if (err != -ENOMEM)
		c->no_room = err == -ENOSPC;
	*ret_freed = freed;
	return err;
}
