/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefix lookup against its rivals, inside the kernel, on the full table.
 *
 * Prints `name | ours ns | rival ns | ratio | min..max | note`: nanoseconds
 * for the two lookups of a packet with what the harness costs subtracted;
 * the ratio is the median of interleaved rounds. Before anything is timed,
 * every program has to give the same answers for the whole key file.
 *
 * Keys: `announced` uniform over the announced prefixes, `hot` Zipf(1) over
 * them (65,536 pairs drawn again and again), `cold` uniform over the address
 * space (IPv6: over 2000::/3).
 *
 * BENCH_QUICK=1: fewer packets a round. Argument: 4 or 6, only that family.
 */
#include <bpf/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "full_table.h"
#include "lookup.skel.h"
#include "route/asdict.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/table.h"

#define WORDS      (1u << 23)
#define KEYS       (1u << 20)
#define HOT_KEYS   (1u << 16)
#define DIR_GROUPS 4096u
#define ROUNDS     11

enum key_set { ANNOUNCED, HOT, COLD, KEY_SETS };

static const char *const set_name[KEY_SETS] = {"announced", "hot", "cold"};

struct pair4 {
	uint32_t a, b;
};

struct pair6 {
	uint64_t a[2], b[2];
};

struct bench {
	struct lookup_bpf *skel;
	struct full_table full;
	struct table *table;
	struct rib *rib;
	struct attr_table *attrs;
	uint32_t *words, *dir24, *dir8;
	struct pair4 *keys4;
	struct pair6 *keys6;
	struct asm_as *as;
	struct asm_state state;
	uint32_t groups; /* of dir8 in use */
	uint32_t n_keys;
	uint32_t packets; /* of one round */
	uint64_t rnd;
	double *zipf; /* cumulated weight of the prefixes by rank */
	uint32_t *rank[FAMILIES];
	uint32_t n_rank[FAMILIES];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Of this thread only: what others take of the CPU does not count. */
static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* --------------------------------------------------------------- tables */

static void *map_memory(const struct bpf_map *map, size_t len)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	if (m == MAP_FAILED)
		die("mmap");
	return m;
}

/* The longest prefixes are written last, over what covers them. */
static void dir_add(struct bench *b, const struct prefix *p, uint32_t ix)
{
	uint32_t addr = (uint32_t)(p->hi >> 32), *e = &b->dir24[addr >> 8];

	if (p->len <= 24) {
		for (uint32_t i = 0; i < 1u << (24 - p->len); i++)
			e[i] = ix;
		return;
	}
	if (!(*e >> 31)) {
		for (uint32_t i = 0; i < 256; i++)
			b->dir8[b->groups * 256 + i] = *e;
		*e = 1u << 31 | b->groups++;
	}
	for (uint32_t i = 0; i < 1u << (32 - p->len); i++)
		b->dir8[(*e & (DIR_GROUPS - 1)) * 256 + (addr & 255) + i] = ix;
}

static void lpm_add(const struct bench *b, const struct prefix *p, uint32_t ix)
{
	uint32_t key[5] = {p->len, __builtin_bswap32((uint32_t)(p->hi >> 32)),
			   __builtin_bswap32((uint32_t)p->hi),
			   __builtin_bswap32((uint32_t)(p->lo >> 32)),
			   __builtin_bswap32((uint32_t)p->lo)};
	int fd = bpf_map__fd(p->family == FAMILY_IP4 ? b->skel->maps.lpm4
						     : b->skel->maps.lpm6);

	if (bpf_map_update_elem(fd, key, &ix, BPF_ANY))
		die("LPM_TRIE");
}

static int by_length(const void *a, const void *b)
{
	const struct loc_entry *x = a, *y = b;

	return (x->prefix.len > y->prefix.len) -
	       (x->prefix.len < y->prefix.len);
}

/* All structures hold the same AS indexes: those that the table gave out. */
static void fill_tables(struct bench *b)
{
	const struct rib_source_cfg cfg = {.kind = RIB_BGP};
	const struct table_cfg tcfg = {b->words, WORDS, b->as, ASM_AS_SLOTS,
				       &b->state};
	struct asdict dict;
	int src;

	b->attrs = attr_table_new();
	b->rib = rib_new(b->attrs);
	src = rib_source_add(b->rib, &cfg);
	if (table_open(&tcfg, b->rib, &b->table))
		die("table_open");
	for (size_t i = 0; i < b->full.n; i++) {
		const struct attr_spec spec = {.origin_as = b->full.e[i].asn};
		struct attr *a = attr_intern(b->attrs, &spec);

		if (rib_announce(b->rib, src, &b->full.e[i].prefix, 0, a, 0))
			die("rib_announce");
		attr_unref(b->attrs, a);
	}
	if (table_flush(b->table, TABLE_FLUSH_NOW, 1) != TABLE_CLEAN ||
	    asdict_init(&dict, b->as, &b->state.n_as, ASM_AS_SLOTS))
		die("table");
	qsort(b->full.e, b->full.n, sizeof(*b->full.e), by_length);
	for (size_t i = 0; i < b->full.n; i++) {
		const struct prefix *p = &b->full.e[i].prefix;
		uint32_t ix = asdict_index(&dict, b->full.e[i].asn);

		lpm_add(b, p, ix);
		if (p->family == FAMILY_IP4)
			dir_add(b, p, ix);
	}
	asdict_done(&dict);
}

/* ----------------------------------------------------------------- keys */

/* The prefixes of each family in random order: the rank for Zipf. */
static void make_ranks(struct bench *b)
{
	double total = 0;

	for (unsigned f = 0; f < FAMILIES; f++)
		b->rank[f] = calloc(b->full.n, sizeof(uint32_t));
	for (size_t i = 0; i < b->full.n; i++) {
		unsigned f = b->full.e[i].prefix.family;

		b->rank[f][b->n_rank[f]++] = (uint32_t)i;
	}
	for (unsigned f = 0; f < FAMILIES; f++)
		for (uint32_t i = b->n_rank[f] - 1; i > 0; i--) {
			uint32_t k = (uint32_t)(rnd64(&b->rnd) % (i + 1));
			uint32_t x = b->rank[f][i];

			b->rank[f][i] = b->rank[f][k];
			b->rank[f][k] = x;
		}
	b->zipf = calloc(b->full.n, sizeof(double));
	for (size_t i = 0; i < b->full.n; i++) {
		total += 1.0 / (double)(i + 1);
		b->zipf[i] = total;
	}
}

static uint32_t zipf_rank(struct bench *b, uint32_t n)
{
	double at = (double)(rnd64(&b->rnd) >> 11) * 0x1p-53 * b->zipf[n - 1];
	uint32_t lo = 0, hi = n - 1;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (b->zipf[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct addr draw(struct bench *b, enum family f, enum key_set set)
{
	struct addr a = {rnd64(&b->rnd), rnd64(&b->rnd), f};
	uint32_t n = b->n_rank[f], i;

	if (set == COLD) {
		if (f == FAMILY_IP6)
			a.hi = a.hi >> 3 | UINT64_C(1) << 61;
		return a;
	}
	i = set == HOT ? zipf_rank(b, n) : (uint32_t)(a.hi % n);
	return prefix_random(&b->full.e[b->rank[f][i]].prefix, &b->rnd);
}

static void make_keys(struct bench *b, enum family f, enum key_set set)
{
	b->n_keys = set == HOT ? HOT_KEYS : KEYS;
	for (uint32_t i = 0; i < b->n_keys; i++) {
		struct addr x = draw(b, f, set), y = draw(b, f, set);

		if (f == FAMILY_IP4)
			b->keys4[i] = (struct pair4){(uint32_t)(x.hi >> 32),
						     (uint32_t)(y.hi >> 32)};
		else
			b->keys6[i] =
				(struct pair6){{x.hi, x.lo}, {y.hi, y.lo}};
	}
}

/* --------------------------------------------------------------- timing */

/* Nanoseconds a packet, by the thread's clock over the whole call: what the
 * kernel reports is cut to whole nanoseconds. */
static double run(struct bench *b, const struct bpf_program *prog,
		  uint32_t packets, uint64_t *ret_sum)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = sizeof(frame), .repeat = (int)packets);
	double t0;

	b->skel->bss->pos = 0;
	b->skel->bss->sum = 0;
	b->skel->bss->key_mask = b->n_keys - 1;
	t0 = now_ns();
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		die("test_run");
	t0 = now_ns() - t0;
	if (ret_sum)
		*ret_sum = b->skel->bss->sum;
	return t0 / packets;
}

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

static void same_answers(struct bench *b, const struct bpf_program *ours,
			 const struct bpf_program *rival, const char *name)
{
	uint64_t a, c;

	(void)run(b, ours, b->n_keys, &a);
	(void)run(b, rival, b->n_keys, &c);
	if (a != c) {
		fprintf(stderr, "%s: the answers differ\n", name);
		exit(1);
	}
}

/* Ours, the rival and the bare harness in turn; one row. */
static void row(struct bench *b, const char *name,
		const struct bpf_program *base, const struct bpf_program *ours,
		const struct bpf_program *rival, const char *note)
{
	double o[ROUNDS], r[ROUNDS], ratio[ROUNDS];
	uint32_t n = b->packets, n_rival = n;

	same_answers(b, ours, rival, name);
	if (run(b, rival, 20000, NULL) > 300)
		n_rival = n / 8;
	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(b, base, n, NULL);

		o[i] = run(b, ours, n, NULL) - h;
		r[i] = run(b, rival, n_rival, NULL) - h;
		ratio[i] = r[i] / o[i];
	}
	qsort(ratio, ROUNDS, sizeof(*ratio), by_value);
	printf("%s | %.1f | %.1f | %.2f | %.2f..%.2f | %s\n", name, median(o),
	       median(r), ratio[ROUNDS / 2], ratio[0], ratio[ROUNDS - 1], note);
	(void)fflush(stdout);
}

/* What the second lookup of a packet costs beside the first. */
static void row_second(struct bench *b, const char *name,
		       const struct bpf_program *base,
		       const struct bpf_program *one,
		       const struct bpf_program *two, const char *note)
{
	double first[ROUNDS], second[ROUNDS], ratio[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(b, base, b->packets, NULL);
		double o = run(b, one, b->packets, NULL);

		first[i] = o - h;
		second[i] = run(b, two, b->packets, NULL) - o;
		ratio[i] = second[i] / first[i];
	}
	qsort(ratio, ROUNDS, sizeof(*ratio), by_value);
	printf("%s | %.1f | %.1f | %.2f | %.2f..%.2f | %s\n", name,
	       median(second), median(first), ratio[ROUNDS / 2], ratio[0],
	       ratio[ROUNDS - 1], note);
	(void)fflush(stdout);
}

static void rows4(struct bench *b, enum key_set set)
{
	const struct lookup_bpf *s = b->skel;
	char name[64];

	make_keys(b, FAMILY_IP4, set);
	(void)snprintf(name, sizeof(name), "lookup v4 %s vs LPM_TRIE",
		       set_name[set]);
	row(b, name, s->progs.base4, s->progs.ours4, s->progs.lpm_4,
	    "two lookups, harness subtracted");
	(void)snprintf(name, sizeof(name), "lookup v4 %s vs DIR-24-8",
		       set_name[set]);
	row(b, name, s->progs.base4, s->progs.ours4, s->progs.dir_4,
	    "u32 entries in one array element of 64 MB");
	(void)snprintf(name, sizeof(name), "second lookup v4 %s",
		       set_name[set]);
	row_second(b, name, s->progs.base4, s->progs.ours4_one, s->progs.ours4,
		   "beside the first (its ns as the rival's)");
}

static void rows6(struct bench *b, enum key_set set)
{
	const struct lookup_bpf *s = b->skel;
	char name[64];

	make_keys(b, FAMILY_IP6, set);
	(void)snprintf(name, sizeof(name), "lookup v6 %s vs LPM_TRIE",
		       set_name[set]);
	row(b, name, s->progs.base6, s->progs.ours6, s->progs.lpm_6,
	    "two lookups, harness subtracted");
	(void)snprintf(name, sizeof(name), "second lookup v6 %s",
		       set_name[set]);
	row_second(b, name, s->progs.base6, s->progs.ours6_one, s->progs.ours6,
		   "beside the first (its ns as the rival's)");
}

static void bench_open(struct bench *b)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	b->skel = lookup_bpf__open_and_load();
	if (!b->skel)
		die("load");
	b->words = map_memory(b->skel->maps.table, WORDS * 4ul);
	b->dir24 = map_memory(b->skel->maps.dir24, 4ul << 24);
	b->dir8 = map_memory(b->skel->maps.dir8, DIR_GROUPS * 256 * 4ul);
	b->keys4 = map_memory(b->skel->maps.keys4, KEYS * sizeof(*b->keys4));
	b->keys6 = map_memory(b->skel->maps.keys6, KEYS * sizeof(*b->keys6));
	b->as = calloc(ASM_AS_SLOTS, sizeof(*b->as));
	if (!b->as || full_table_load(&b->full, 1))
		die("full table");
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "46";
	struct bench b = {.rnd = 0x853c49e6748fea9b};
	cpu_set_t cpu;

	b.packets = getenv("BENCH_QUICK") ? 200000 : 2000000;
	CPU_ZERO(&cpu);
	CPU_SET((unsigned)sched_getcpu(), &cpu);
	(void)sched_setaffinity(0, sizeof(cpu), &cpu);
	bench_open(&b);
	fill_tables(&b);
	make_ranks(&b);
	for (unsigned set = 0; set < KEY_SETS && strchr(only, '4'); set++)
		rows4(&b, (enum key_set)set);
	for (unsigned set = 0; set < KEY_SETS && strchr(only, '6'); set++)
		rows6(&b, (enum key_set)set);
	table_close(b.table);
	rib_free(b.rib);
	attr_table_free(b.attrs);
	lookup_bpf__destroy(b.skel);
	return 0;
}
