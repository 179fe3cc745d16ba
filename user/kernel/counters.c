/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a drain is cheap: a row never changes its key, so each (bank, CPU) has
 * an array row -> pair id, in the order of the rows, that is filled once per
 * row. After that a drain goes through the quiet bank's rows in use and adds
 * each into sums[bank]; no hashing, no system call. The sums of the other bank
 * stay as its own last scan left them, and total = sums[0] + sums[1] + what
 * rows had that were freed (past.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/counters_int.h"
#include "kernel/grace.h"

#define PAIRS_FIRST 1024u
#define PAIR_NONE   UINT32_MAX
#define HASH_MULT   UINT64_C(0x9e3779b97f4a7c15)

/* -------------------------------------------------------------- mapping */

static int view_open(struct map_view *v, int fd, size_t len, int prot)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	len = (len + page - 1) / page * page;
	p = mmap(NULL, len, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	v->p = p;
	v->len = len;
	return 0;
}

static void view_close(struct map_view *v)
{
	if (v->p)
		munmap(v->p, v->len);
	v->p = NULL;
}

int counters_map_past(struct counters *c)
{
	uint64_t room = (uint64_t)ASM_BANKS * c->n_cpus * c->rows;
	uint64_t n = c->past.state->n_past;
	struct map_view v;
	int rc;

	/* whatever the map says: past_used() holds it against the same bound */
	n = n < room ? n : room;
	n = room - n > PAST_AHEAD ? n + PAST_AHEAD : room;
	rc = view_open(&v, c->past_fd, n * sizeof(struct asm_past),
		       PROT_READ | PROT_WRITE);
	if (rc)
		return rc;
	view_close(&c->past_map);
	c->past_map = v;
	c->past.past = v.p;
	c->past_mapped = (uint32_t)n;
	return 0;
}

/* Those that freeing rows writes to. */
static int map_rows(struct counters *c, const int fds[ASM_MAP_COUNT],
		    const struct asm_state *st)
{
	const size_t parts = (size_t)ASM_BANKS * c->n_cpus;
	const struct {
		struct map_view *view;
		enum asm_map map;
		size_t len;
	} want[] = {
		{&c->cpu_map, ASM_MAP_CPU, parts * sizeof(struct asm_cpu)},
		{&c->index_map, ASM_MAP_INDEX,
		 parts * st->index_lines * sizeof(struct asm_index_line)},
		{&c->rows_map, ASM_MAP_ROWS,
		 parts * c->rows * sizeof(struct asm_row)},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		int rc = view_open(want[i].view, fds[want[i].map], want[i].len,
				   PROT_READ | PROT_WRITE);

		if (rc)
			return rc;
	}
	c->past = (struct past_maps){.state = c->state_map.p,
				     .cpu = c->cpu_map.p,
				     .index = c->index_map.p,
				     .rows = c->rows_map.p};
	c->past_fd = fds[ASM_MAP_PAST];
	return counters_map_past(c);
}

static int map_all(struct counters *c, const int fds[ASM_MAP_COUNT])
{
	const struct asm_state *st;
	size_t banks_cpus;
	int rc;

	rc = view_open(&c->state_map, fds[ASM_MAP_STATE],
		       sizeof(struct asm_state), PROT_READ | PROT_WRITE);
	if (rc)
		return rc;
	st = c->state_map.p;
	if (st->abi_version != ASM_ABI_VERSION || !st->n_cpus ||
	    !rows_are_homes(st))
		return -EPROTO;
	c->n_cpus = st->n_cpus;
	c->rows = st->rows;
	banks_cpus = (size_t)ASM_BANKS * c->n_cpus;
	rc = view_open(&c->ifs_map, fds[ASM_MAP_IFS],
		       sizeof(struct asm_if) * ASM_IF_SLOTS, PROT_READ);
	if (!rc)
		rc = view_open(&c->ports_map, fds[ASM_MAP_PORTS],
			       banks_cpus * ASM_PORT_SLOTS *
				       sizeof(struct asm_port),
			       PROT_READ);
	return rc ? rc : map_rows(c, fds, st);
}

/* ---------------------------------------------------------------- pairs */

static uint32_t key_hash(const struct pair_key *k)
{
	uint64_t h = ((uint64_t)k->src_as << 32 | k->dst_as) * HASH_MULT;

	h ^= h >> 29;
	h += (uint64_t)k->ifindex << 32 | k->dir_family;
	h *= HASH_MULT;
	return (uint32_t)(h >> 32);
}

/* Makes room for one more pair; the hash stays at most half full. */
static int pairs_grow(struct counters *c)
{
	uint32_t cap = c->cap_pairs ? c->cap_pairs * 2 : PAIRS_FIRST;
	uint32_t mask = cap * 2 - 1;
	struct pair *pairs;
	uint32_t *hash;

	pairs = realloc(c->pairs, cap * sizeof(*pairs));
	if (!pairs)
		return -ENOMEM;
	c->pairs = pairs;
	for (unsigned b = 0; b < SUMS; b++) {
		struct asm_measure *s = realloc(c->sums[b], cap * sizeof(*s));

		if (!s)
			return -ENOMEM;
		c->sums[b] = s;
	}
	hash = calloc((size_t)mask + 1, sizeof(*hash));
	if (!hash)
		return -ENOMEM;
	for (uint32_t id = 0; id < c->n_pairs; id++) {
		uint32_t at = key_hash(&c->pairs[id].key) & mask;

		while (hash[at])
			at = (at + 1) & mask;
		hash[at] = id + 1;
	}
	free(c->hash);
	c->hash = hash;
	c->hash_mask = mask;
	c->cap_pairs = cap;
	return 0;
}

/* The id of a row's pair, a new one if need be; PAIR_NONE without memory. */
static uint32_t pair_find(struct counters *c, const struct asm_row *r)
{
	struct pair_key key = {.src_as = r->src_as,
			       .dst_as = r->dst_as,
			       .ifindex = r->ifindex,
			       .dir_family = (uint32_t)r->dir << 8 | r->family};
	uint32_t at, id;

	if (c->n_pairs == c->cap_pairs && pairs_grow(c))
		return PAIR_NONE;
	at = key_hash(&key) & c->hash_mask;
	while ((id = c->hash[at])) {
		if (!memcmp(&c->pairs[id - 1].key, &key, sizeof(key)))
			return id - 1;
		at = (at + 1) & c->hash_mask;
	}
	id = c->n_pairs++;
	c->hash[at] = id + 1;
	c->pairs[id] = (struct pair){.key = key,
				     .entry = PAST_NONE,
				     .active = mono_now()};
	for (unsigned b = 0; b < SUMS; b++)
		c->sums[b][id] = (struct asm_measure){0};
	return id;
}

/* -------------------------------------------------------------- drain */

static void measure_add(struct asm_measure *to, const struct asm_measure *m)
{
	to->packets += m->packets;
	to->ip_bytes += m->ip_bytes;
	to->wire_bytes += m->wire_bytes;
}

/* struct asm_books is seven measures in a row and nothing else. */
static void books_add(struct asm_books *to, const struct asm_books *b)
{
	struct asm_measure *t = &to->seen;
	const struct asm_measure *f = &b->seen;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		measure_add(t + i, f + i);
}

const struct asm_row *counters_rows(const struct counters *c, uint32_t part,
				    uint32_t *ret_used)
{
	*ret_used = rows_used(&c->past.cpu[part], c->rows);
	return c->past.rows + (size_t)part * c->rows;
}

/* Learns the pairs of rows that are new since the last drain of this bank.
 * The only step of a drain that can fail, so it comes before any sum is
 * touched. */
static int rows_learn(struct counters *c, uint32_t at)
{
	uint32_t used, *known = &c->known[at];
	const struct asm_row *rows = counters_rows(c, at, &used);

	if (used && !c->pair_of_row[at]) {
		c->pair_of_row[at] = calloc(c->rows, sizeof(uint32_t));
		if (!c->pair_of_row[at])
			return -ENOMEM;
	}
	while (*known < used) {
		uint32_t r = row_nth(rows, *known + 1, c->rows);
		uint32_t id = pair_find(c, &rows[r]);

		if (id == PAIR_NONE)
			return -ENOMEM;
		c->pair_of_row[at][++*known] = id;
	}
	return 0;
}

static void rows_sum(struct counters *c, uint32_t at, struct asm_measure *sums)
{
	const uint32_t *ids = c->pair_of_row[at];
	uint32_t used;
	const struct asm_row *rows = counters_rows(c, at, &used);

	for (uint32_t n = 1; n <= used; n++) {
		const struct asm_row *row = &rows[row_nth(rows, n, c->rows)];
		struct asm_measure *s = &sums[ids[n]];

		s->packets += row->packets;
		s->ip_bytes += row->ip_bytes;
		s->wire_bytes += row->wire_bytes;
	}
}

static void scan_ports(struct counters *c, uint32_t bank)
{
	struct asm_port *sum = c->ports[bank];

	memset(sum, 0, sizeof(*sum) * ASM_PORT_SLOTS);
	for (uint32_t cpu = 0; cpu < c->n_cpus; cpu++) {
		size_t at = (size_t)bank * c->n_cpus + cpu;
		const struct asm_port *p =
			(const struct asm_port *)c->ports_map.p +
			at * ASM_PORT_SLOTS;

		for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++) {
			if (!p[s].rx.seen.packets && !p[s].tx.seen.packets &&
			    !p[s].ifindex)
				continue;
			if (p[s].ifindex)
				sum[s].ifindex = p[s].ifindex;
			books_add(&sum[s].rx, &p[s].rx);
			books_add(&sum[s].tx, &p[s].tx);
		}
	}
}

static void report_ports(struct counters *c, const struct counters_sink *sink,
			 void *ctx)
{
	const struct asm_if *ifs = c->ifs_map.p;

	for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++) {
		const struct asm_if *ifc = s < ASM_IF_SLOTS ? &ifs[s] : NULL;
		struct asm_books rx = c->ports[0][s].rx;
		struct asm_books tx = c->ports[0][s].tx;

		books_add(&rx, &c->ports[1][s].rx);
		books_add(&tx, &c->ports[1][s].tx);
		if ((ifc && ifc->ifindex) || rx.seen.packets || tx.seen.packets)
			sink->port(ctx, s, ifc, &rx, &tx);
	}
}

/* What was freed before this process began. */
static int read_past(struct counters *c)
{
	uint32_t n = past_used(&c->past);

	for (uint32_t i = 0; i < n; i++) {
		const struct asm_past *e = &c->past.past[i];
		const struct asm_row key = {.src_as = e->src_as,
					    .dst_as = e->dst_as,
					    .ifindex = e->ifindex,
					    .dir = e->dir,
					    .family = e->family};
		uint32_t id = pair_find(c, &key);

		if (id == PAIR_NONE)
			return -ENOMEM;
		c->pairs[id].entry = i;
		measure_add(&c->sums[SUMS_PAST][id], &e->total);
	}
	return 0;
}

/* With no sink: only notes which pairs are active. */
static void report_pairs(struct counters *c, const struct counters_sink *sink,
			 void *ctx)
{
	struct mono now = mono_now();

	for (uint32_t id = 0; id < c->n_pairs; id++) {
		struct pair *p = &c->pairs[id];
		const struct asm_measure *a = &c->sums[0][id];
		const struct asm_measure *b = &c->sums[1][id];
		const struct asm_measure *f = &c->sums[SUMS_PAST][id];
		struct asm_row row = {
			.src_as = p->key.src_as,
			.dst_as = p->key.dst_as,
			.ifindex = p->key.ifindex,
			.dir = (uint8_t)(p->key.dir_family >> 8),
			.family = (uint8_t)p->key.dir_family,
			.packets = a->packets + b->packets + f->packets,
			.ip_bytes = a->ip_bytes + b->ip_bytes + f->ip_bytes,
			.wire_bytes =
				a->wire_bytes + b->wire_bytes + f->wire_bytes};

		if (row.packets != p->packets) {
			p->packets = row.packets;
			p->active = now;
		}
		if (sink)
			sink->pair(ctx, id, &row);
	}
}

/* ---------------------------------------------------------------- public */

int counters_open(const int fds[ASM_MAP_COUNT], struct counters **ret)
{
	struct counters *c = calloc(1, sizeof(*c));
	size_t banks_cpus;
	int rc;

	if (!c)
		return -ENOMEM;
	c->state_fd = fds[ASM_MAP_STATE];
	c->grace_fd = fds[ASM_MAP_GRACE];
	rc = map_all(c, fds);
	if (rc)
		goto out;
	rc = -ENOMEM;
	banks_cpus = (size_t)ASM_BANKS * c->n_cpus;
	c->pair_of_row = calloc(banks_cpus, sizeof(*c->pair_of_row));
	c->known = calloc(banks_cpus, sizeof(*c->known));
	c->emptied = calloc(banks_cpus, sizeof(*c->emptied));
	for (unsigned b = 0; b < ASM_BANKS; b++)
		c->ports[b] = calloc(ASM_PORT_SLOTS, sizeof(struct asm_port));
	if (!c->pair_of_row || !c->known || !c->emptied || !c->ports[0] ||
	    !c->ports[1])
		goto out;
	for (size_t i = 0; i < banks_cpus; i++)
		c->emptied[i] = mono_now();
	past_resume(&c->past); /* before the first flip */
	rc = pairs_grow(c);
	if (!rc)
		rc = read_past(c);
	for (unsigned b = 0; b < ASM_BANKS && !rc; b++) {
		counters_flip(c);
		rc = counters_grace(c);
		if (!rc)
			rc = counters_read(c, NULL, NULL);
	}
	if (rc)
		goto out;
	*ret = c;
	return 0;
out:
	counters_close(c);
	return rc;
}

void counters_close(struct counters *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->pair_of_row && i < ASM_BANKS * c->n_cpus; i++)
		free(c->pair_of_row[i]);
	free(c->pair_of_row);
	free(c->known);
	free(c->emptied);
	for (unsigned b = 0; b < SUMS; b++)
		free(c->sums[b]);
	for (unsigned b = 0; b < ASM_BANKS; b++)
		free(c->ports[b]);
	free(c->pairs);
	free(c->hash);
	view_close(&c->past_map);
	view_close(&c->rows_map);
	view_close(&c->index_map);
	view_close(&c->cpu_map);
	view_close(&c->ports_map);
	view_close(&c->ifs_map);
	view_close(&c->state_map);
	free(c);
}

void counters_flip(struct counters *c)
{
	struct asm_state *st = c->state_map.p;
	uint32_t bank = __atomic_load_n(&st->bank, __ATOMIC_RELAXED) & 1u;

	c->quiet = bank;
	__atomic_store_n(&st->bank, bank ^ 1u, __ATOMIC_RELEASE);
}

int counters_grace(struct counters *c)
{
	return grace_wait(c->grace_fd, c->state_fd);
}

int counters_read(struct counters *c, const struct counters_sink *sink,
		  void *ctx)
{
	struct mono start = mono_now();
	uint32_t first = c->quiet * c->n_cpus;

	for (uint32_t at = first; at < first + c->n_cpus; at++) {
		int rc = rows_learn(c, at);

		if (rc)
			return rc;
	}
	memset(c->sums[c->quiet], 0, c->n_pairs * sizeof(struct asm_measure));
	for (uint32_t at = first; at < first + c->n_cpus; at++)
		rows_sum(c, at, c->sums[c->quiet]);
	scan_ports(c, c->quiet);
	if (sink)
		report_ports(c, sink, ctx);
	report_pairs(c, sink, ctx);
	c->drains++;
	c->last_drain_ns = mono_diff_ns(start, mono_now());
	return 0;
}

void counters_stats(const struct counters *c, struct counters_stats *ret)
{
	const struct asm_state *st = c->state_map.p;
	uint32_t used = 0;

	for (size_t i = 0; i < (size_t)ASM_BANKS * c->n_cpus; i++)
		used = c->known[i] > used ? c->known[i] : used;
	*ret = (struct counters_stats){.rows_used_max = used,
				       .rows = c->rows - 1,
				       .pairs = c->n_pairs,
				       .past = past_used(&c->past),
				       .past_room = past_room(&c->past),
				       .freed_rows = st->freed_rows,
				       .freed_times = st->freed_times,
				       .no_room = c->no_room,
				       .drains = c->drains,
				       .last_drain_ns = c->last_drain_ns};
}
