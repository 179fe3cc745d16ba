/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole program against the obvious build, on the full table: what a
 * packet costs from the first header to the last counter.
 *
 * Prints `name | ours ns | rival ns | ratio | min..max | note`, the cost of
 * the driver subtracted, the ratio the median of interleaved rounds; then
 * where ours goes (parse, two lookups, count). Before anything is timed, both
 * count one pass of the key file, and have to agree pair by pair.
 *
 * Keys: 65,536 pairs of addresses inside announced prefixes, drawn uniformly
 * or by Zipf(1) over the prefixes. BENCH_QUICK=1: fewer packets a round.
 */
#include <bpf/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "asmeter/abi.h"

#include "full_table.h"
#include "program_rival.skel.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/table.h"

#define KEYS   65536u
#define WORDS  (1u << 23)
#define ROWS   (1u << 17)
#define LINES  (1u << 14)
#define ROUNDS 11

enum target { NOTHING, OURS, RIVAL, PARSE, LOOKUP, TARGETS };

/* As in program_rival.bpf.c. */
struct rival_pair {
	uint32_t src_as, dst_as, ifindex;
	uint8_t dir, family;
	uint16_t reserved;
};

struct rival_port {
	uint32_t ifindex, verdict;
};

struct pair_sum {
	struct rival_pair key;
	struct asm_measure m;
};

struct bench {
	struct program_rival_bpf *skel;
	struct full_table full;
	uint8_t (*keys)[32];
	uint32_t n_cpus, packets;
	uint64_t rnd;
	uint32_t *rank; /* prefixes of the family, in random order */
	uint32_t n_rank;
	double *zipf; /* cumulated weight by rank */
	uint8_t frame[96];
	int fd[TARGETS]; /* of the drivers */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *map_memory(const struct bpf_map *map, size_t len)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	if (m == MAP_FAILED)
		die("mmap");
	return m;
}

/* ----------------------------------------------------------------- set-up */

static void bench_open(struct bench *b)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct program_rival_bpf *s;
	uint32_t parts;

	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	b->skel = s = program_rival_bpf__open();
	if (!s)
		die("open");
	b->n_cpus = (uint32_t)libbpf_num_possible_cpus();
	parts = ASM_BANKS * b->n_cpus;
	s->rodata->cfg.n_cpus = b->n_cpus;
	s->rodata->cfg.rows = ROWS;
	s->rodata->cfg.line_mask = LINES - 1;
	if (bpf_map__set_max_entries(s->maps.asm_ports,
				     parts * ASM_PORT_SLOTS) ||
	    bpf_map__set_max_entries(s->maps.asm_cpu, parts) ||
	    bpf_map__set_max_entries(s->maps.asm_index, parts * LINES) ||
	    bpf_map__set_max_entries(s->maps.asm_rows, parts * ROWS) ||
	    program_rival_bpf__load(s))
		die("load");
	b->keys = map_memory(s->maps.bench_keys, KEYS * sizeof(*b->keys));
}

static void set_target(struct bench *b, enum target t,
		       const struct bpf_program *prog,
		       const struct bpf_program *driver)
{
	int fd = bpf_program__fd(prog);
	uint32_t key = t;

	if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.bench_to), &key, &fd,
				BPF_ANY))
		die("tail call");
	b->fd[t] = bpf_program__fd(driver);
}

static void set_targets(struct bench *b)
{
	const struct program_rival_bpf *s = b->skel;
	struct asm_if ifc = {.ifindex = 1, .name = "lo"};
	uint32_t slot = 1;

	set_target(b, NOTHING, s->progs.nothing, s->progs.drive_nothing);
	set_target(b, OURS, s->progs.xdp_meter, s->progs.drive_ours);
	set_target(b, RIVAL, s->progs.rival, s->progs.drive_rival);
	set_target(b, PARSE, s->progs.step_parse, s->progs.drive_parse);
	set_target(b, LOOKUP, s->progs.step_lookup, s->progs.drive_lookup);
	if (bpf_map_update_elem(bpf_map__fd(s->maps.asm_ifs), &slot, &ifc, 0))
		die("asm_ifs");
}

static void lpm_add(const struct bench *b, const struct loc_entry *e)
{
	const struct prefix *p = &e->prefix;
	uint32_t key[5] = {p->len, __builtin_bswap32((uint32_t)(p->hi >> 32)),
			   __builtin_bswap32((uint32_t)p->hi),
			   __builtin_bswap32((uint32_t)(p->lo >> 32)),
			   __builtin_bswap32((uint32_t)p->lo)};
	const struct bpf_map *map = p->family == FAMILY_IP4
					    ? b->skel->maps.rival_lpm4
					    : b->skel->maps.rival_lpm6;

	if (bpf_map_update_elem(bpf_map__fd(map), key, &e->asn, BPF_ANY))
		die("LPM_TRIE");
}

/* Both tables from the same list of prefixes. */
static void fill_tables(struct bench *b)
{
	const struct rib_source_cfg cfg = {.kind = RIB_BGP};
	const struct program_rival_bpf *s = b->skel;
	const struct table_cfg tcfg = {
		map_memory(s->maps.asm_table, WORDS * 4ul),
		WORDS,
		map_memory(s->maps.asm_as,
			   ASM_AS_SLOTS * sizeof(struct asm_as)),
		ASM_AS_SLOTS,
		map_memory(s->maps.asm_state, 4096),
	};
	struct attr_table *attrs = attr_table_new();
	struct rib *rib = rib_new(attrs);
	struct table *table;
	int src = rib_source_add(rib, &cfg);

	if (table_open(&tcfg, rib, &table) || full_table_load(&b->full, 1))
		die("table");
	for (size_t i = 0; i < b->full.n; i++) {
		const struct loc_entry *e = &b->full.e[i];
		const struct attr_spec spec = {.origin_as = e->asn};
		struct attr *a = attr_intern(attrs, &spec);

		if (rib_announce(rib, src, &e->prefix, 0, a, 0))
			die("rib_announce");
		attr_unref(attrs, a);
		lpm_add(b, e);
	}
	if (table_flush(table, TABLE_FLUSH_NOW, 1) != TABLE_CLEAN)
		die("table_flush");
	table_close(table);
	rib_free(rib);
	attr_table_free(attrs);
}

/* ------------------------------------------------------------------- keys */

static void rank_family(struct bench *b, enum family f)
{
	double total = 0;

	b->n_rank = 0;
	for (size_t i = 0; i < b->full.n; i++)
		if (b->full.e[i].prefix.family == f)
			b->rank[b->n_rank++] = (uint32_t)i;
	for (uint32_t i = b->n_rank - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(rnd64(&b->rnd) % (i + 1));
		uint32_t x = b->rank[i];

		b->rank[i] = b->rank[k];
		b->rank[k] = x;
	}
	for (uint32_t i = 0; i < b->n_rank; i++) {
		total += 1.0 / (double)(i + 1);
		b->zipf[i] = total;
	}
}

static uint32_t zipf_rank(struct bench *b)
{
	uint32_t lo = 0, hi = b->n_rank - 1;
	double at = (double)(rnd64(&b->rnd) >> 11) * 0x1p-53 * b->zipf[hi];

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (b->zipf[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void put_addr(struct bench *b, enum family f, bool zipf, uint8_t *to)
{
	uint32_t r =
		zipf ? zipf_rank(b) : (uint32_t)(rnd64(&b->rnd) % b->n_rank);
	struct addr a = prefix_random(&b->full.e[b->rank[r]].prefix, &b->rnd);
	uint64_t be[2] = {__builtin_bswap64(a.hi), __builtin_bswap64(a.lo)};

	memcpy(to, be, f == FAMILY_IP4 ? 4 : 16);
}

static void make_keys(struct bench *b, enum family f, bool zipf)
{
	memset(b->frame, 0, sizeof(b->frame));
	if (f == FAMILY_IP4) {
		memcpy(b->frame + 12, "\x08\0\x45\0\0\x52", 6);
		b->frame[23] = 17;
	} else {
		memcpy(b->frame + 12, "\x86\xdd\x60\0\0\0\0\x2a\x11", 9);
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		put_addr(b, f, zipf, b->keys[i]);
		put_addr(b, f, zipf, b->keys[i] + (f == FAMILY_IP4 ? 4 : 16));
	}
	b->skel->bss->bench_pos = 0;
	b->skel->data->bench_family = f == FAMILY_IP4 ? 4 : 6;
}

/* ---------------------------------------------------------------- running */

static double run(struct bench *b, enum target t, uint32_t packets)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b->frame,
		    .data_size_in = sizeof(b->frame), .repeat = (int)packets);
	double t0;

	b->skel->bss->bench_pos = 0;
	t0 = now_ns();
	if (bpf_prog_test_run_opts(b->fd[t], &opts))
		die("test_run");
	t0 = now_ns() - t0;
	if (opts.retval != XDP_PASS) {
		fprintf(stderr, "target %d did not run\n", (int)t);
		exit(1);
	}
	return t0 / packets;
}

/* ---------------------------------------------------------- equal counts */

static int by_pair(const void *a, const void *b)
{
	const struct pair_sum *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* Makes what was added since the last time of two tables of totals. */
static size_t ours_pairs(struct bench *b, struct pair_sum *to)
{
	const struct asm_row *rows = map_memory(b->skel->maps.asm_rows,
						(size_t)ASM_BANKS * b->n_cpus *
							ROWS * sizeof(*rows));
	const struct asm_cpu *cpu = map_memory(b->skel->maps.asm_cpu, 4096);
	size_t n = 0;

	for (uint32_t part = 0; part < ASM_BANKS * b->n_cpus; part++)
		for (uint32_t i = 1; i <= cpu[part].n_rows; i++) {
			const struct asm_row *r = &rows[part * ROWS + i];

			to[n++] = (struct pair_sum){
				{r->src_as, r->dst_as, r->ifindex, r->dir,
				 r->family, 0},
				{r->packets, r->ip_bytes, r->wire_bytes}};
		}
	return n;
}

static size_t rival_pairs(struct bench *b, struct pair_sum *to)
{
	int fd = bpf_map__fd(b->skel->maps.rival_pairs);
	struct asm_measure *per_cpu = calloc(b->n_cpus, sizeof(*per_cpu));
	struct rival_pair key, *prev = NULL;
	size_t n = 0;

	while (per_cpu && !bpf_map_get_next_key(fd, prev, &key)) {
		struct pair_sum *p = &to[n++];

		if (bpf_map_lookup_elem(fd, &key, per_cpu))
			die("rival_pairs");
		*p = (struct pair_sum){.key = key};
		for (uint32_t i = 0; i < b->n_cpus; i++) {
			p->m.packets += per_cpu[i].packets;
			p->m.ip_bytes += per_cpu[i].ip_bytes;
			p->m.wire_bytes += per_cpu[i].wire_bytes;
		}
		prev = &key;
	}
	free(per_cpu);
	return n;
}

/* One pass of the keys through both; all sums so far have to agree. Pairs of
 * one CPU and bank are unique, so one pinned CPU means one row a pair. */
static size_t same_counts(struct bench *b)
{
	struct pair_sum *a = calloc(2 * ROWS, sizeof(*a)), *r = a + ROWS;
	size_t n, m;

	if (!a)
		die("calloc");
	(void)run(b, OURS, KEYS);
	(void)run(b, RIVAL, KEYS);
	n = ours_pairs(b, a);
	m = rival_pairs(b, r);
	qsort(a, n, sizeof(*a), by_pair);
	qsort(r, m, sizeof(*r), by_pair);
	if (!n || n != m || memcmp(a, r, n * sizeof(*a))) {
		fprintf(stderr, "the counts differ: %zu and %zu pairs\n", n, m);
		exit(1);
	}
	free(a);
	return n;
}

/* Empties both, so that pairs of one key set do not fill the next. */
static void forget(struct bench *b)
{
	const struct program_rival_bpf *s = b->skel;
	size_t parts = (size_t)ASM_BANKS * b->n_cpus;
	int fd = bpf_map__fd(s->maps.rival_pairs);
	struct rival_pair key;

	memset(map_memory(s->maps.asm_rows, parts * ROWS * 64), 0,
	       parts * ROWS * 64);
	memset(map_memory(s->maps.asm_index, parts * LINES * 64), 0,
	       parts * LINES * 64);
	memset(map_memory(s->maps.asm_cpu, 4096), 0, parts * 64);
	while (!bpf_map_get_next_key(fd, NULL, &key))
		(void)bpf_map_delete_elem(fd, &key);
}

/* ------------------------------------------------------------------- rows */

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static void row(struct bench *b, const char *name, size_t pairs)
{
	double o[ROUNDS], r[ROUNDS], ratio[ROUNDS];
	uint32_t n = b->packets;

	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(b, NOTHING, n);

		o[i] = run(b, OURS, n) - h;
		r[i] = run(b, RIVAL, n / 4) - h;
		ratio[i] = r[i] / o[i];
	}
	qsort(ratio, ROUNDS, sizeof(*ratio), by_value);
	printf("program %s | %.1f | %.1f | %.2f | %.2f..%.2f | vs 2 LPM_TRIE, "
	       "2 PERCPU_HASH, prandom; %zu AS pairs, equal counts\n",
	       name, median(o), median(r), ratio[ROUNDS / 2], ratio[0],
	       ratio[ROUNDS - 1], pairs);
	(void)fflush(stdout);
}

/* Where ours goes. The ratio is the share of the whole. */
static void budget(struct bench *b, const char *name)
{
	static const char *const part[] = {"parse", "two lookups", "count"};
	double v[3][ROUNDS], share[3][ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(b, NOTHING, b->packets);
		double parse = run(b, PARSE, b->packets);
		double lookup = run(b, LOOKUP, b->packets);
		double all = run(b, OURS, b->packets);

		v[0][i] = parse - h;
		v[1][i] = lookup - parse;
		v[2][i] = all - lookup;
		for (unsigned k = 0; k < 3; k++)
			share[k][i] = v[k][i] / (all - h);
	}
	for (unsigned k = 0; k < 3; k++) {
		qsort(share[k], ROUNDS, sizeof(double), by_value);
		printf("budget %s: %s | %.1f | - | %.2f | %.2f..%.2f | share "
		       "of the program\n",
		       name, part[k], median(v[k]), share[k][ROUNDS / 2],
		       share[k][0], share[k][ROUNDS - 1]);
	}
	(void)fflush(stdout);
}

int main(void)
{
	struct bench b = {.rnd = 0x853c49e6748fea9b, .fd = {0}};
	cpu_set_t cpu;

	b.packets = getenv("BENCH_QUICK") ? 4 * KEYS : 16 * KEYS;
	CPU_ZERO(&cpu);
	CPU_SET((unsigned)sched_getcpu(), &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		die("sched_setaffinity");
	bench_open(&b);
	set_targets(&b);
	fill_tables(&b);
	b.rank = calloc(b.full.n, sizeof(*b.rank));
	b.zipf = calloc(b.full.n, sizeof(*b.zipf));
	if (!b.rank || !b.zipf)
		die("calloc");
	for (unsigned f = 0; f < FAMILIES; f++) {
		rank_family(&b, (enum family)f);
		for (unsigned zipf = 0; zipf < 2; zipf++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "v%d %s",
				       f == FAMILY_IP4 ? 4 : 6,
				       zipf ? "Zipf" : "uniform");
			make_keys(&b, (enum family)f, zipf);
			row(&b, name, same_counts(&b));
			budget(&b, name);
			forget(&b);
		}
	}
	free(b.rank);
	free(b.zipf);
	free(b.full.e);
	program_rival_bpf__destroy(b.skel);
	return 0;
}
