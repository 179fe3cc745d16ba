/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compiler: the whole table from a loaded RIB, and single changes, up to
 * where a BPF program answers them. Prefixes are libloc's, both families.
 *
 * BENCH_QUICK=1: fewer changes.
 */
#include "lookup.h"

#define WORDS (1u << 23)

/* All of the table again, beside the one that answers meanwhile, up to the
 * last entry. Room is given back in between, as by the daemon. */
static double rebuild(struct lookups *l)
{
	double t0 = now_ns();

	for (unsigned f = 0; f < FAMILIES; f++)
		table_release(l->loaded.table, (enum family)f);
	while (table_flush(l->loaded.table, TABLE_FLUSH_NOW, 1) == TABLE_MORE)
		table_reclaim(l->loaded.table, table_seal(l->loaded.table));
	t0 = now_ns() - t0;
	table_reclaim(l->loaded.table, table_seal(l->loaded.table));
	return t0 / 1e6;
}

/* Opens the table anew over `words`, which a release makes it rebuild. */
static void reopen(struct lookups *l)
{
	const struct table_cfg cfg = {l->words, WORDS, l->as, ASM_AS_SLOTS,
				      &l->state};

	table_close(l->loaded.table);
	if (table_open(&cfg, l->loaded.rib, &l->loaded.table))
		die("table_open");
}

static void rows_rebuild(struct lookups *l)
{
	struct rounds r = {.name = "full rebuild, from nothing",
			   .unit = "ms",
			   .goal = AT_MOST(300, 1000)};

	for (unsigned i = 0; i < ROUNDS; i++) {
		memset(l->words, 0, WORDS * 4ul);
		reopen(l);
		round_alone(&r, rebuild(l));
	}
	row_print(&r, true, "both families, published; %zu prefixes",
		  rib_prefixes(l->loaded.rib, FAMILY_IP4) +
			  rib_prefixes(l->loaded.rib, FAMILY_IP6));
	r.name = "full rebuild, in place";
	for (unsigned i = 0; i < ROUNDS; i++) {
		reopen(l);
		round_alone(&r, rebuild(l));
	}
	row_print(&r, true, "while the old table answers");
	table_stats(l->loaded.table, &l->stats);
	r.name = "table memory in the kernel";
	r.unit = "MB";
	r.goal = AT_MOST(32, 140);
	round_alone(&r, WORDS * 4ul / 1048576.0);
	row_print(&r, true, "asm_table; %.1f MB of it in use, both families",
		  l->stats.words_used * 4.0 / 1048576);
}

/* What a program answers for an address now. */
static uint32_t kernel_says(const struct lookups *l, const struct addr *a)
{
	const struct lookup_bpf *s = l->skel;

	if (a->family == FAMILY_IP4)
		l->keys4[0] = (struct pair4){(uint32_t)(a->hi >> 32), 0};
	else
		l->keys6[0] = (struct pair6){{a->hi, a->lo}, {0, 0}};
	s->bss->pos = 0;
	s->bss->sum = 0;
	(void)test_run(bpf_program__fd(a->family == FAMILY_IP4
					       ? s->progs.ours4_one
					       : s->progs.ours6_one),
		       (const uint8_t[64]){0}, 64, 1);
	return (uint32_t)(s->bss->sum / 3);
}

/* Milliseconds from the RIB's change to the program's answer. */
static double change(struct lookups *l, const struct loc_entry *e, uint32_t asn)
{
	struct addr a = prefix_first(&e->prefix);
	uint32_t old = kernel_says(l, &a), now;
	double t0 = now_ns();

	rib_set(&l->loaded, &e->prefix, asn);
	if (table_flush(l->loaded.table, TABLE_FLUSH_NOW, 1) != TABLE_CLEAN)
		die("table_flush");
	now = kernel_says(l, &a);
	t0 = now_ns() - t0;
	table_reclaim(l->loaded.table, table_seal(l->loaded.table));
	/* a longer prefix may begin at the same address and hide the change */
	if (now != old && l->as[now].asn != asn) {
		fprintf(stderr, "the program answers something else\n");
		exit(1);
	}
	return t0 / 1e6;
}

static void row_change(struct lookups *l, struct keys *k, enum family f,
		       unsigned n)
{
	char name[64];
	struct rounds r = {.name = name, .unit = "ms", .goal = AT_MOST(1, 50)};

	(void)snprintf(name, sizeof(name), "one IPv%d prefix to the kernel",
		       f == FAMILY_IP4 ? 4 : 6);
	for (unsigned i = 0; i < n; i++) {
		const struct loc_entry *e =
			&k->full->e[k->rank[f][i % k->n_rank[f]]];

		round_alone(&r, change(l, e, 64512));
		(void)change(l, e, e->asn);
	}
	qsort(r.value, r.n, sizeof(double), by_value);
	row_print(&r, true,
		  "RIB, compiler, a program's answer; 99 %% within %.3f ms",
		  r.value[r.n * 99 / 100]);
}

int main(void)
{
	struct full_table full;
	struct lookups l;
	struct keys k;

	bench_start();
	if (full_table_load(&full, 1))
		die("full table");
	lookups_open(&l, &full, WORDS, false);
	keys_open(&k, &full);
	l.n_keys = 1;
	for (unsigned f = 0; f < FAMILIES; f++)
		row_change(&l, &k, (enum family)f,
			   quick() ? 200 : ROUNDS_MAX - 1);
	rows_rebuild(&l);
	lookups_close(&l);
	keys_close(&k);
	free(full.e);
	return 0;
}
