/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the lookup grows with the table: 10,000 to 4,000,000 prefixes of both
 * families. Up to today's table it is thinned out, beyond it every prefix is
 * joined by longer ones inside it (IPv4 to /24, IPv6 to /48) of other ASes, as
 * the real table grows. Keys are uniform over the prefixes.
 *
 * BENCH_QUICK=1: nothing.
 */
#include "lookup.h"

static int by_prefix(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->len < y->len ? -1 : x->len > y->len;
}

static void drop_doubles(struct full_table *t)
{
	size_t n = 0;

	qsort(t->e, t->n, sizeof(*t->e), by_prefix);
	for (size_t i = 0; i < t->n; i++)
		if (!n || by_prefix(&t->e[n - 1].prefix, &t->e[i].prefix))
			t->e[n++] = t->e[i];
	t->n = n;
}

static void grow(struct full_table *t, size_t n)
{
	uint64_t rnd = BENCH_SEED;
	size_t real = t->n;

	while (t->n < n) {
		size_t want = n - t->n;

		t->cap = t->n + want;
		t->e = realloc(t->e, t->cap * sizeof(*t->e));
		if (!t->e)
			die("realloc");
		for (size_t i = 0; i < want; i++) {
			const struct prefix *in =
				&t->e[rnd64(&rnd) % real].prefix;
			unsigned max = in->family == FAMILY_IP4 ? 24 : 48;
			struct addr a = prefix_random(in, &rnd);
			struct prefix p = {a.hi, a.lo, (uint8_t)max,
					   in->family};

			if (in->len >= max) {
				i--;
				continue;
			}
			p.len = (uint8_t)(max - rnd64(&rnd) % (max - in->len));
			t->e[t->n + i].prefix = prefix_mask(p);
			t->e[t->n + i].asn = t->e[rnd64(&rnd) % real].asn;
		}
		t->n += want;
		drop_doubles(t);
	}
}

static void row(const struct lookups *l, enum family f, size_t n)
{
	const struct lookup_bpf *s = l->skel;
	bool v4 = f == FAMILY_IP4;
	const struct bpf_program *base = v4 ? s->progs.base4 : s->progs.base6;
	const struct bpf_program *ours = v4 ? s->progs.ours4 : s->progs.ours6;
	const struct bpf_program *lpm = v4 ? s->progs.lpm_4 : s->progs.lpm_6;
	char name[64];
	struct rounds r = {.name = name, .unit = "ns"};

	(void)snprintf(name, sizeof(name), "lookup v%d, %zu prefixes",
		       v4 ? 4 : 6, n);
	lookups_same(l, ours, lpm, name);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = lookups_run(l, base, KEYS);
		double o = lookups_run(l, ours, KEYS) - h;

		round_ratio(&r, o, lookups_run(l, lpm, KEYS / 8) - h);
	}
	row_print(&r, false, "vs LPM_TRIE; %u of both families, table %.1f MB",
		  l->stats.prefixes[0] + l->stats.prefixes[1],
		  l->stats.words_used * 4.0 / 1048576);
}

static void size(size_t n, uint32_t n_words)
{
	struct full_table full;
	struct lookups l;
	struct keys k;

	if (full_table_load(&full, 1))
		die("full table");
	if (n < full.n) {
		size_t every = full.n / n;

		free(full.e);
		if (full_table_load(&full, every))
			die("full table");
	}
	grow(&full, n);
	lookups_open(&l, &full, n_words, true);
	keys_open(&k, &full);
	for (unsigned f = 0; f < FAMILIES; f++) {
		lookups_keys(&l, &k, (enum family)f, ANNOUNCED);
		row(&l, (enum family)f, l.stats.prefixes[f]);
	}
	lookups_close(&l);
	keys_close(&k);
	free(full.e);
}

int main(void)
{
	if (quick())
		return 0;
	bench_start();
	size(10000, 1u << 23);
	size(100000, 1u << 23);
	size(1000000, 1u << 23);
	size(4000000, 1u << 25);
	return 0;
}
