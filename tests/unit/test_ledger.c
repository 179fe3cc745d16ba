/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger against an oracle: a small kernel of our own counts random
 * traffic; after each drain the equations, the sums and the series are held
 * against it, through admissions, evictions, folds and restarts.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "flow/ledger.h"

#define ROWS  65536
#define PORTS 3

/* What the kernel would hold. */
struct world {
	struct asm_row row[ROWS];
	uint32_t n;
	struct map index;
	struct asm_if ifc[PORTS];
	struct asm_books books[PORTS][ASM_DIRS];
	uint64_t seed;
	int64_t now_s;
};

static uint32_t rnd(struct world *w, uint32_t n)
{
	w->seed =
		w->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(w->seed >> 33) % n;
}

static struct world *world_new(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	cr_assert(w);
	w->seed = seed;
	for (uint32_t i = 0; i < PORTS; i++) {
		w->ifc[i].ifindex = i + 1;
		snprintf(w->ifc[i].name, sizeof(w->ifc[i].name), "eth%u", i);
	}
	return w;
}

static void world_free(struct world *w)
{
	map_done(&w->index);
	free(w);
}

static void measure(struct asm_measure *m, uint64_t pk, uint64_t ip,
		    uint64_t wi)
{
	m->packets += pk;
	m->ip_bytes += ip;
	m->wire_bytes += wi;
}

/* Counts IP packets of one pair; port PORTS - 1 is the unlisted one. */
static void traffic(struct world *w, uint32_t src, uint32_t dst, uint32_t port,
		    unsigned dir, unsigned family, uint64_t packets,
		    uint64_t bytes)
{
	struct asm_books *b = &w->books[port][dir];
	uint64_t key = (((uint64_t)src << 28 | dst) * 4 + port) * 4 + dir * 2 +
		       family / 6;
	uint32_t i = map_get(&w->index, key);

	if (i == MAP_NONE) {
		i = w->n;
		cr_assert_lt(w->n, ROWS);
		cr_assert_eq(map_add(&w->index, key, i), 0);
		w->row[w->n++] = (struct asm_row){.src_as = src,
						  .dst_as = dst,
						  .ifindex = port + 1,
						  .dir = (uint8_t)dir,
						  .family = (uint8_t)family};
	}
	w->row[i].packets += packets;
	w->row[i].ip_bytes += bytes;
	w->row[i].wire_bytes += bytes + 14 * packets;
	measure(&b->seen, packets, bytes, bytes + 14 * packets);
	measure(src && dst ? &b->attributed : &b->unknown_as, packets, bytes,
		bytes + 14 * packets);
}

static void drain(struct world *w, struct ledger *l)
{
	ledger_begin(l, (struct mono){w->now_s * NSEC_PER_SEC});
	for (uint32_t i = 0; i < w->n; i++)
		ledger_pair(l, i, &w->row[i]);
	for (uint32_t i = 0; i < PORTS; i++)
		ledger_port(l, i == PORTS - 1 ? ASM_IF_UNLISTED : i * 7,
			    i == PORTS - 1 ? NULL : &w->ifc[i], &w->books[i][0],
			    &w->books[i][1]);
	cr_assert_eq(ledger_end(l), 0);
}

static struct ledger *ledger_of(uint32_t max_as, uint32_t max_series,
				int64_t hold_s)
{
	struct ledger_cfg cfg = {max_as, max_series, hold_s * NSEC_PER_SEC};
	struct ledger *l = NULL;

	cr_assert_eq(ledger_new(&cfg, &l), 0);
	return l;
}

/* ------------------------------------------------------------- series */

#define SEEN 8192

/* Every series as it was shown last. */
struct shown {
	struct ledger_series s[SEEN];
	size_t n;
	uint64_t sum;
};

static void collect(void *ctx, const struct ledger_series *s)
{
	struct shown *all = ctx;

	cr_assert_lt(all->n, SEEN);
	all->s[all->n++] = *s;
	all->sum += s->ip_bytes;
}

static const struct ledger_series *find(const struct shown *all,
					const struct ledger_series *s)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->s[i].src_as == s->src_as &&
		    all->s[i].dst_as == s->dst_as &&
		    all->s[i].retired == s->retired)
			return &all->s[i];
	}
	return NULL;
}

static uint64_t all_ip(const struct world *w, unsigned dir)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < PORTS; i++)
		n += w->books[i][dir].attributed.ip_bytes +
		     w->books[i][dir].unknown_as.ip_bytes +
		     w->books[i][dir].map_full.ip_bytes;
	return n;
}

/* Holds the series against what was shown before: the sum exact, no value
 * less, no name twice, and what disappeared went into a new generation. */
static void check_series(const struct world *w, const struct ledger *l,
			 unsigned dir, struct shown *old)
{
	static struct shown now;
	uint64_t gone = 0, retired = 0;

	now.n = 0;
	now.sum = 0;
	ledger_series_each(l, (enum asm_dir)dir, collect, &now);
	cr_assert_eq(now.sum, all_ip(w, dir), "%lu of %lu", now.sum,
		     all_ip(w, dir));
	cr_assert(now.s[0].src_as == LEDGER_OTHER &&
		  now.s[0].dst_as == LEDGER_OTHER && !now.s[0].retired);
	for (size_t i = 0; i < now.n; i++) {
		const struct ledger_series *was = find(old, &now.s[i]);

		cr_assert_eq(find(&now, &now.s[i]), &now.s[i], "a name twice");
		if (was)
			cr_assert_geq(now.s[i].ip_bytes, was->ip_bytes,
				      "%lu -> %lu fell from %lu to %lu",
				      was->src_as, was->dst_as, was->ip_bytes,
				      now.s[i].ip_bytes);
		if (was && was->retired)
			cr_assert_eq(now.s[i].ip_bytes, was->ip_bytes);
		if (!was && now.s[i].retired)
			retired += now.s[i].ip_bytes;
	}
	for (size_t i = 0; i < old->n; i++) {
		if (!find(&now, &old->s[i]))
			gone += old->s[i].ip_bytes;
	}
	cr_assert_eq(gone, retired);
	*old = now;
}

static void random_traffic(struct world *w, uint32_t ases)
{
	uint32_t n = rnd(w, 40), busy = rnd(w, ases);

	for (uint32_t i = 0; i < n; i++) {
		/* the busy part of the range moves, so that ranks change */
		uint32_t a = (busy + rnd(w, 6)) % ases, b = rnd(w, 3);
		uint64_t pk = 1 + rnd(w, 1000);

		if (rnd(w, 4) == 0)
			b = rnd(w, ases);
		if (rnd(w, 2))
			traffic(w, a, b, rnd(w, PORTS), ASM_DIR_IN,
				rnd(w, 3) ? 4 : 6, pk,
				pk * (40 + rnd(w, 1461)));
		else
			traffic(w, b, a, rnd(w, PORTS), ASM_DIR_OUT,
				rnd(w, 3) ? 4 : 6, pk,
				pk * (40 + rnd(w, 1461)));
	}
	struct asm_books *b = &w->books[rnd(w, PORTS)][rnd(w, 2)];
	uint64_t pk = rnd(w, 5), bytes = pk * rnd(w, 1500);

	measure(&b->map_full, pk, bytes, bytes);
	measure(&b->seen, pk, bytes, bytes);
	measure(&b->not_ip, pk, 0, 60 * pk);
	measure(&b->seen, pk, 0, 60 * pk);
	measure(&b->truncated, 1, 0, 20);
	measure(&b->malformed, 1, 0, 64);
	measure(&b->seen, 2, 0, 84);
}

/* Saves and starts over; the file may be some drains old. */
static struct ledger *restart(struct ledger *l, FILE *f, uint32_t max_as,
			      uint32_t max_series, int64_t hold_s)
{
	struct ledger *n = ledger_of(max_as, max_series, hold_s);

	rewind(f);
	cr_assert_eq(ledger_load(n, 42, f), 0);
	ledger_free(l);
	return n;
}

static void random_run(uint64_t seed, uint32_t ases, uint32_t max_as,
		       uint32_t max_series, unsigned drains)
{
	struct world *w = world_new(seed);
	struct ledger *l = ledger_of(max_as, max_series, 600);
	struct shown *old = calloc(ASM_DIRS, sizeof(*old));
	FILE *f = tmpfile();
	uint64_t changes = UINT64_MAX;
	struct ledger_sums sums;
	unsigned restarts = 0;

	cr_assert(old && f);
	for (unsigned i = 0; i < drains; i++) {
		w->now_s += 1 + rnd(w, 300);
		random_traffic(w, ases);
		drain(w, l);
		ledger_sums(l, &sums);
		cr_assert_eq(sums.difference, 0, "seed %lu", seed);
		cr_assert_leq(sums.admitted, max_as);
		for (unsigned d = 0; d < ASM_DIRS; d++) {
			cr_assert_leq(sums.series[d], max_series);
			check_series(w, l, d, &old[d]);
		}
		if (ledger_changes(l) != changes) {
			rewind(f);
			cr_assert_eq(ftruncate(fileno(f), 0), 0);
			cr_assert_eq(ledger_save(l, 42, f), 0);
			changes = ledger_changes(l);
		}
		if (rnd(w, 20) == 0) {
			l = restart(l, f, max_as, max_series, 600);
			changes = UINT64_MAX;
			restarts++;
			drain(w, l);
			for (unsigned d = 0; d < ASM_DIRS; d++)
				check_series(w, l, d, &old[d]);
		}
	}
	cr_assert_gt(restarts, 0);
	if (max_series < 100)
		cr_assert_gt(sums.retired[0], 0, "no fold in this run");
	fclose(f);
	free(old);
	ledger_free(l);
	world_free(w);
}

Test(series, random_room)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		random_run(seed, 30, 1000, 20000, 400);
}

Test(series, random_tight)
{
	for (uint64_t seed = 11; seed <= 16; seed++)
		random_run(seed, 40, 8, 40, 1500);
}

Test(series, random_few_ases_many_series)
{
	for (uint64_t seed = 21; seed <= 22; seed++)
		random_run(seed, 60, 5, 4000, 800);
}

static uint64_t value_of(const struct ledger *l, enum asm_dir dir, uint64_t src,
			 uint64_t dst)
{
	struct shown *all = calloc(1, sizeof(*all));
	struct ledger_series key = {.src_as = src, .dst_as = dst};

	cr_assert(all);
	ledger_series_each(l, dir, collect, all);
	const struct ledger_series *s = find(all, &key);
	uint64_t v = s ? s->ip_bytes : UINT64_MAX;

	free(all);
	return v;
}

Test(series, first_bytes_are_not_other)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(1000, 20000, 86400);

	traffic(w, 15169, 64500, 0, ASM_DIR_IN, 4, 10, 1000);
	traffic(w, 0, 64500, 0, ASM_DIR_IN, 4, 1, 77);
	w->now_s = 100;
	drain(w, l);
	cr_assert_eq(value_of(l, ASM_DIR_IN, 15169, 64500), 1000);
	cr_assert_eq(value_of(l, ASM_DIR_IN, 0, 64500), 77);
	cr_assert_eq(value_of(l, ASM_DIR_IN, LEDGER_OTHER, LEDGER_OTHER), 0);
	ledger_free(l);
	world_free(w);
}

Test(series, evicted_only_when_quiet_and_outdone)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(2, 100, 86400);
	struct ledger_as as;

	traffic(w, 100, 200, 0, ASM_DIR_IN, 4, 10, 1000000);
	drain(w, l);
	/* a big newcomer has to wait for a day, however big */
	for (unsigned h = 1; h < 24; h++) {
		w->now_s = 3600 * h;
		traffic(w, 300, 200, 0, ASM_DIR_IN, 4, 10, 90000000);
		drain(w, l);
		cr_assert(ledger_as_get(l, 300, &as) && !as.admitted);
	}
	cr_assert_eq(value_of(l, ASM_DIR_IN, LEDGER_OTHER, 200),
		     23 * 90000000u);
	w->now_s = 3600 * 25;
	traffic(w, 300, 200, 0, ASM_DIR_IN, 4, 10, 5);
	drain(w, l);
	cr_assert(ledger_as_get(l, 300, &as) && as.admitted);
	cr_assert(ledger_as_get(l, 100, &as) && !as.admitted);
	cr_assert(ledger_as_get(l, 200, &as) && as.admitted);
	cr_assert_eq(value_of(l, ASM_DIR_IN, 300, 200), 5);
	cr_assert_eq(value_of(l, ASM_DIR_IN, 100, 200), 1000000, "frozen");
	/* with nobody better waiting, being quiet costs nothing */
	w->now_s = 3600 * 24 * 30;
	drain(w, l);
	cr_assert(ledger_as_get(l, 300, &as) && as.admitted);
	ledger_free(l);
	world_free(w);
}

Test(series, a_little_more_is_not_enough)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(2, 100, 60);
	struct ledger_as as;

	traffic(w, 100, 200, 0, ASM_DIR_IN, 4, 10, 1000);
	drain(w, l);
	w->now_s = 120;
	traffic(w, 300, 200, 0, ASM_DIR_IN, 4, 10, 1900);
	drain(w, l);
	w->now_s = 240;
	drain(w, l);
	cr_assert(ledger_as_get(l, 300, &as) && !as.admitted);
	traffic(w, 300, 200, 0, ASM_DIR_IN, 4, 10, 200);
	w->now_s = 360;
	drain(w, l);
	cr_assert(ledger_as_get(l, 300, &as) && as.admitted);
	ledger_free(l);
	world_free(w);
}

Test(series, without_room_the_asked_side_stays_complete)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(10, 30, 86400);
	struct shown *all = calloc(2, sizeof(*all));
	uint64_t src1 = 0, dst1 = 0;

	cr_assert(all);
	for (uint32_t s = 1; s <= 5; s++) {
		for (uint32_t d = 6; d <= 10; d++) {
			traffic(w, s, d, 0, ASM_DIR_IN, 4, 1, 100);
			traffic(w, s, d, 0, ASM_DIR_OUT, 4, 1, 100);
		}
	}
	drain(w, l);
	ledger_series_each(l, ASM_DIR_IN, collect, &all[0]);
	ledger_series_each(l, ASM_DIR_OUT, collect, &all[1]);
	for (size_t i = 0; i < all[0].n; i++)
		src1 += all[0].s[i].src_as == 5 ? all[0].s[i].ip_bytes : 0;
	for (size_t i = 0; i < all[1].n; i++)
		dst1 += all[1].s[i].dst_as == 10 ? all[1].s[i].ip_bytes : 0;
	cr_assert_eq(src1, 500);
	cr_assert_eq(dst1, 500);
	cr_assert_leq(all[0].n, 30);
	free(all);
	ledger_free(l);
	world_free(w);
}

/* ------------------------------------------------------- sums and rates */

Test(ledger, equations_and_aggregates)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(1000, 20000, 86400);
	struct ledger_sums s;
	struct ledger_as as;
	struct ledger_port p;

	traffic(w, 1, 2, 0, ASM_DIR_IN, 4, 10, 1000);
	traffic(w, 1, 2, 1, ASM_DIR_IN, 6, 5, 700);
	traffic(w, 2, 1, 0, ASM_DIR_OUT, 4, 3, 300);
	traffic(w, 1, 1, 0, ASM_DIR_IN, 4, 1, 40);
	traffic(w, 0, 2, 2, ASM_DIR_IN, 4, 2, 80);
	w->now_s = 10;
	drain(w, l);
	ledger_sums(l, &s);
	cr_assert_eq(s.difference, 0);
	cr_assert_eq(s.books[ASM_DIR_IN].seen.ip_bytes, 1820);
	cr_assert_eq(s.rows[ASM_DIR_IN].packets, 18);
	cr_assert_eq(s.books[ASM_DIR_IN].unknown_as.packets, 2);
	cr_assert(ledger_as_get(l, 1, &as));
	cr_assert_eq(as.flow[ASM_DIR_IN][LEDGER_SRC].total.ip_bytes, 1740);
	cr_assert_eq(as.flow[ASM_DIR_IN][LEDGER_SRC].ip6.ip_bytes, 700);
	cr_assert_eq(as.flow[ASM_DIR_IN][LEDGER_DST].total.ip_bytes, 40);
	cr_assert_eq(as.flow[ASM_DIR_IN][LEDGER_ANY].total.ip_bytes, 1740);
	cr_assert_eq(as.flow[ASM_DIR_OUT][LEDGER_ANY].total.packets, 3);
	cr_assert_not(ledger_as_get(l, 99, &as));
	cr_assert_eq(ledger_ports(l), 3);
	ledger_port_get(l, 1, &p);
	cr_assert_eq(p.slot, 7);
	cr_assert_eq(p.rows[ASM_DIR_IN].wire_bytes, 700 + 5 * 14);
	ledger_port_get(l, 2, &p);
	cr_assert_eq(p.slot, ASM_IF_UNLISTED);
	cr_assert_eq(p.rows[ASM_DIR_IN].ip_bytes, 80);

	/* a packet that is in no bucket is published as a difference */
	w->books[0][0].seen.packets++;
	drain(w, l);
	ledger_sums(l, &s);
	cr_assert_eq(s.difference, 1);
	/* and one that a row has and the port has not */
	w->books[0][0].seen.packets--;
	w->row[0].wire_bytes += 9;
	w->row[0].packets++;
	drain(w, l);
	ledger_sums(l, &s);
	cr_assert_eq(s.difference, 10);
	ledger_free(l);
	world_free(w);
}

Test(ledger, rates)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(1000, 20000, 86400);
	struct ledger_as as;
	double smooth = 0;

	traffic(w, 1, 2, 0, ASM_DIR_IN, 4, 1000, 1000000);
	drain(w, l);
	cr_assert(ledger_as_get(l, 1, &as));
	cr_assert_eq(as.flow[0][LEDGER_SRC].last.ip_bytes, 0,
		     "what was there at the start is not a rate");
	for (unsigned i = 1; i <= 100; i++) {
		w->now_s += 2;
		traffic(w, 1, 2, 0, ASM_DIR_IN, 4, 20, 2000);
		drain(w, l);
		cr_assert(ledger_as_get(l, 1, &as));
		cr_assert_float_eq(as.flow[0][LEDGER_SRC].last.ip_bytes, 1000,
				   0.1);
		cr_assert_geq(as.flow[0][LEDGER_SRC].smooth.packets, smooth);
		smooth = as.flow[0][LEDGER_SRC].smooth.packets;
	}
	cr_assert_float_eq(smooth, 10, 0.1);
	w->now_s += 30;
	drain(w, l);
	cr_assert(ledger_as_get(l, 1, &as));
	cr_assert_eq(as.flow[0][LEDGER_SRC].last.packets, 0);
	cr_assert_float_eq(as.flow[0][LEDGER_SRC].smooth.packets, 3.68, 0.1);
	ledger_free(l);
	world_free(w);
}

Test(ledger, top)
{
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(1000, 20000, 86400);
	struct ledger_order o = {.by = LEDGER_BY_IP_BYTES,
				 .when = LEDGER_TOTAL,
				 .dirs = 1u << ASM_DIR_IN,
				 .role = LEDGER_SRC};
	struct ledger_as as[50];
	struct ledger_aspair pair[5];

	for (uint32_t i = 1; i <= 40; i++)
		traffic(w, i * 7 % 41, 500, 0, ASM_DIR_IN, 4, 41 - i,
			1000 * (uint64_t)(i * 7 % 41));
	traffic(w, 500, 3, 0, ASM_DIR_OUT, 4, 1, 5);
	drain(w, l);
	cr_assert_eq(ledger_top_as(l, &o, 50, as), 40);
	for (uint32_t i = 0; i < 40; i++)
		cr_assert_eq(as[i].asn, 40 - i);
	cr_assert_eq(ledger_top_as(l, &o, 3, as), 3);
	cr_assert(as[0].asn == 40 && as[2].asn == 38);
	cr_assert_eq(ledger_top_as(l, &o, 0, as), 0);
	o.dirs = 1u << ASM_DIR_OUT;
	cr_assert_eq(ledger_top_as(l, &o, 50, as), 1);
	cr_assert_eq(as[0].asn, 500);
	o.role = LEDGER_ANY;
	cr_assert_eq(ledger_top_as(l, &o, 50, as), 2);
	cr_assert(as[0].asn == 3 && as[1].asn == 500, "equal: by number");
	o.dirs |= 1u << ASM_DIR_IN;
	o.as_filter = true;
	o.asn = 3;
	cr_assert_eq(ledger_top_pairs(l, &o, 5, pair), 2);
	cr_assert(pair[0].src_as == 3 && pair[0].dst_as == 500);
	cr_assert(pair[1].src_as == 500 && pair[1].dst_as == 3);
	o.when = LEDGER_LAST;
	cr_assert_eq(ledger_top_as(l, &o, 5, as), 0);
	ledger_free(l);
	world_free(w);
}

/* --------------------------------------------------------------- state */

static int load_text(const char *text, size_t len)
{
	struct ledger *l = ledger_of(10, 100, 86400);
	FILE *f = tmpfile();

	cr_assert(f);
	cr_assert_eq(fwrite(text, 1, len, f), len);
	rewind(f);
	int rc = ledger_load(l, 7, f);

	fclose(f);
	ledger_free(l);
	return rc;
}

Test(state, every_truncation_is_refused)
{
	static const char good[] = "asmeter-ledger 1 7\n"
				   "as 15169 10 500\n"
				   "as 64500 10 900\n"
				   "live 0 15169 64500 100 -4\n"
				   "live 1 * 64500 3 4\n"
				   "value 0 15169 3320 0 99\n"
				   "value 0 * * 1 5\n"
				   "end 8\n";
	size_t len = strlen(good);

	cr_assert_eq(load_text(good, len), 0);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(load_text(good, i), -EBADMSG, "cut at %zu", i);
}

Test(state, refused)
{
	static const struct {
		const char *text;
		int rc;
	} bad[] = {
		{"asmeter-ledger 1 8\nend 2\n", -ESTALE},
		{"asmeter-ledger 2 7\nend 2\n", -EBADMSG},
		{"asmeter-ledger 1 7\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nas 1 2 3 4\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nas 4294967296 2 3\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nas 1 2 3\nas 1 2 3\nend 4\n", -EBADMSG},
		{"asmeter-ledger 1 7\nlive 0 1 2 3 4\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nlive 2 0 0 3 4\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nlive 0 0 0 3 4\nlive 0 0 0 3 4\nend 4\n",
		 -EBADMSG},
		{"asmeter-ledger 1 7\nvalue 0 * * 0 4\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nvalue 0 * * 2 4\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nvalue 0 1 2 0 -4\nend 3\n", -EBADMSG},
		{"asmeter-ledger 1 7\nfoo\nend 3\n", -EBADMSG},
		{"", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(load_text(bad[i].text, strlen(bad[i].text)),
			     bad[i].rc, "%s", bad[i].text);
}

Test(state, of_other_maps_starts_afresh)
{
	static const char text[] = "asmeter-ledger 1 7\n"
				   "as 1 10 500\nas 2 10 500\n"
				   "live 0 1 2 5000 0\nend 5\n";
	struct world *w = world_new(1);
	struct ledger *l = ledger_of(10, 100, 86400);
	FILE *f = tmpfile();

	cr_assert(f);
	fputs(text, f);
	rewind(f);
	cr_assert_eq(ledger_load(l, 7, f), 0);
	traffic(w, 1, 2, 0, ASM_DIR_IN, 4, 1, 100); /* less than was shown */
	drain(w, l);
	cr_assert_eq(value_of(l, ASM_DIR_IN, 1, 2), 100);
	cr_assert_eq(value_of(l, ASM_DIR_IN, LEDGER_OTHER, LEDGER_OTHER), 0);
	fclose(f);
	ledger_free(l);
	world_free(w);
}
