/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole program against the obvious build, on the full table: what a
 * packet costs from the first header to the last counter, the driver's cost
 * subtracted; then where ours goes, step by step, what a second CPU changes,
 * and the parser against the least that can read an address. Before anything
 * is timed, both count one pass of the key file, and have to agree pair by
 * pair.
 *
 * Keys: 65,536 pairs of addresses inside announced prefixes, drawn uniformly
 * or by Zipf(1) over the prefixes. BENCH_QUICK=1: fewer packets a round.
 */
#include <pthread.h>

#include "asmeter/index.h"
#include "keys.h"
#include "program_rival.skel.h"

#define N_KEYS 65536u
#define WORDS  (1u << 23)
#define ROWS   ((1u << 17) + 1)
#define LINES  (1u << 13)

enum target {
	NOTHING,
	OURS,
	RIVAL,
	MINIMAL,
	LENGTH,
	PARSE,
	LOOKUP,
	PAIR,
	TARGETS
};

/* As in program_rival.bpf.c. */
struct rival_pair {
	uint32_t src_as, dst_as, ifindex;
	uint8_t dir, family;
	uint16_t reserved;
};

struct pair_sum {
	struct rival_pair key;
	struct asm_measure m;
};

struct bench {
	struct program_rival_bpf *skel;
	struct full_table full;
	struct keys keys;
	uint8_t (*addrs)[32];
	uint32_t n_cpus, packets;
	uint8_t frame[96];
	int fd[TARGETS]; /* of the drivers */
};

/* ----------------------------------------------------------------- set-up */

static void bench_open(struct bench *b)
{
	struct program_rival_bpf *s = program_rival_bpf__open();
	uint32_t parts;

	b->skel = s;
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
	b->addrs = map_memory(s->maps.bench_keys, N_KEYS * sizeof(*b->addrs));
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
	set_target(b, MINIMAL, s->progs.minimal, s->progs.drive_minimal);
	set_target(b, LENGTH, s->progs.length, s->progs.drive_length);
	set_target(b, PARSE, s->progs.step_parse, s->progs.drive_parse);
	set_target(b, LOOKUP, s->progs.step_lookup, s->progs.drive_lookup);
	set_target(b, PAIR, s->progs.step_pair, s->progs.drive_pair);
	if (bpf_map_update_elem(bpf_map__fd(s->maps.asm_ifs), &slot, &ifc, 0))
		die("asm_ifs");
}

/* Both tables from the same list of prefixes. */
static void fill_tables(struct bench *b)
{
	const struct program_rival_bpf *s = b->skel;
	const struct table_cfg cfg = {
		map_memory(s->maps.asm_table, WORDS * 4ul),
		WORDS,
		map_memory(s->maps.asm_as,
			   ASM_AS_SLOTS * sizeof(struct asm_as)),
		ASM_AS_SLOTS,
		map_memory(s->maps.asm_state, 4096),
	};
	struct loaded l;

	load_table(&l, &b->full, &cfg);
	unload_table(&l);
	for (size_t i = 0; i < b->full.n; i++)
		lpm_add(s->maps.rival_lpm4, s->maps.rival_lpm6,
			&b->full.e[i].prefix, b->full.e[i].asn);
}

/* ------------------------------------------------------------------- keys */

static void put_addr(struct bench *b, enum family f, enum key_set set,
		     uint8_t *to)
{
	struct addr a = keys_draw(&b->keys, f, set);
	uint64_t be[2] = {__builtin_bswap64(a.hi), __builtin_bswap64(a.lo)};

	memcpy(to, be, f == FAMILY_IP4 ? 4 : 16);
}

static void make_keys(struct bench *b, enum family f, enum key_set set)
{
	memset(b->frame, 0, sizeof(b->frame));
	if (f == FAMILY_IP4) {
		memcpy(b->frame + 12, "\x08\0\x45\0\0\x52", 6);
		b->frame[23] = 17;
	} else {
		memcpy(b->frame + 12, "\x86\xdd\x60\0\0\0\0\x2a\x11", 9);
	}
	for (uint32_t i = 0; i < N_KEYS; i++) {
		put_addr(b, f, set, b->addrs[i]);
		put_addr(b, f, set, b->addrs[i] + (f == FAMILY_IP4 ? 4 : 16));
	}
	b->skel->data->bench_family = f == FAMILY_IP4 ? 4 : 6;
}

/* From the first key on, on whatever CPU the thread is pinned to. */
static double run(const struct bench *b, enum target t, uint32_t packets)
{
	b->skel->bss->bench_pos[sched_getcpu() % 64][0] = 0;
	return test_run(b->fd[t], b->frame, sizeof(b->frame), packets);
}

/* For round_in_turns(): a pass of the keys. */
struct turns {
	const struct bench *b;
	enum target to[TURNS_MANY];
};

static double run_turn(void *ctx, unsigned which)
{
	const struct turns *t = ctx;

	return run(t->b, t->to[which], N_KEYS);
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
	size_t n = 0;

	for (uint32_t i = 0; i < ASM_BANKS * b->n_cpus * ROWS; i++)
		if (rows[i].family) {
			const struct asm_row *r = &rows[i];

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
	(void)run(b, OURS, N_KEYS);
	(void)run(b, RIVAL, N_KEYS);
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

/* Rows were given out in the order of the first pass. Packets come in another
 * one, so their rows must not lie side by side. */
static void shuffle_keys(struct bench *b)
{
	for (uint32_t i = N_KEYS - 1; i > 0; i--) {
		uint32_t at = (uint32_t)(rnd64(&b->keys.rnd) % (i + 1));
		uint8_t x[sizeof(*b->addrs)];

		memcpy(x, b->addrs[i], sizeof(x));
		memcpy(b->addrs[i], b->addrs[at], sizeof(x));
		memcpy(b->addrs[at], x, sizeof(x));
	}
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
	memset(map_memory(s->maps.asm_cpu, parts * 64), 0, parts * 64);
	while (!bpf_map_get_next_key(fd, NULL, &key))
		(void)bpf_map_delete_elem(fd, &key);
}

/* ------------------------------------------------------------------- rows */

static void row_program(struct bench *b, const char *keys, struct goal goal)
{
	char name[64];
	struct rounds r = {.name = name, .unit = "ns", .goal = goal};
	size_t pairs = same_counts(b);

	shuffle_keys(b);
	(void)snprintf(name, sizeof(name), "program %s", keys);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(b, NOTHING, b->packets);
		double o = run(b, OURS, b->packets) - h;

		round_ratio(&r, o, run(b, RIVAL, b->packets / 4) - h);
	}
	row_print(&r, false,
		  "vs 2 LPM_TRIE, 2 PERCPU_HASH, prandom; %zu AS pairs, equal "
		  "counts",
		  pairs);
}

#define PARTS 5

/* Where ours goes: each step beside the whole. */
static void budget(struct bench *b, const char *keys)
{
	static const char *const part[PARTS] = {"frame length", "parse",
						"two lookups",
						"row of the pair",
						"port and rest"};
	struct turns turns = {b, {NOTHING, LENGTH, PARSE, LOOKUP, PAIR, OURS}};
	struct rounds *r = calloc(PARTS, sizeof(*r));
	char name[64];

	for (unsigned i = 0; r && i < ROUNDS; i++) {
		double ns[1 + PARTS], last = 0;

		round_in_turns(run_turn, &turns, 1 + PARTS, ns);
		for (unsigned k = 0; k < PARTS; k++) {
			round_share(&r[k], ns[1 + k] - last, ns[PARTS]);
			last = ns[1 + k];
		}
	}
	for (unsigned k = 0; r && k < PARTS; k++) {
		(void)snprintf(name, sizeof(name), "budget %s: %s", keys,
			       part[k]);
		r[k].name = name;
		r[k].unit = "ns";
		row_print(&r[k], false, "share of the program");
	}
	free(r);
}

static void row_parser(struct bench *b)
{
	struct rounds r = {.name = "parser vs a minimal reader",
			   .unit = "ns",
			   .goal = AT_MOST(1.3, 2)};
	struct turns turns = {b, {NOTHING, PARSE, MINIMAL}};
	double ns[3];
	uint64_t sum;

	b->skel->bss->bench_sum = 0;
	(void)run(b, PARSE, N_KEYS);
	sum = b->skel->bss->bench_sum;
	b->skel->bss->bench_sum = 0;
	(void)run(b, MINIMAL, N_KEYS);
	if (!sum || sum != b->skel->bss->bench_sum) {
		fprintf(stderr, "the parsers differ\n");
		exit(1);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		round_in_turns(run_turn, &turns, 3, ns);
		round_share(&r, ns[1], ns[2]);
	}
	row_print(&r, false,
		  "plain IPv4, frame length included; the reader knows "
		  "Ethernet and IPv4 only");
}

/* ------------------------------------------------------------- two CPUs */

struct second {
	const struct bench *b;
	pthread_t thread;
	unsigned cpu;
	bool stop;
};

static void *second_run(void *arg)
{
	struct second *s = arg;

	pin_to(s->cpu);
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
		(void)run(s->b, OURS, N_KEYS);
	return NULL;
}

static double beside(struct bench *b, unsigned cpu)
{
	struct second s = {.b = b, .cpu = cpu};
	double ns;

	if (pthread_create(&s.thread, NULL, second_run, &s))
		die("pthread_create");
	ns = run(b, OURS, b->packets) - run(b, NOTHING, b->packets);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(s.thread, NULL);
	return ns;
}

static void row_cpus(struct bench *b, const char *keys)
{
	char name[64];
	struct rounds r = {.name = name, .unit = "ns"};
	unsigned me = (unsigned)sched_getcpu(), other = me ? 0 : 1;

	if (b->n_cpus < 2)
		return;
	(void)snprintf(name, sizeof(name), "program %s, 2 CPUs at once", keys);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double alone =
			run(b, OURS, b->packets) - run(b, NOTHING, b->packets);

		round_share(&r, beside(b, other), alone);
	}
	row_print(&r, false, "a packet on this CPU, beside one CPU alone");
}

int main(void)
{
	static struct bench b;

	b.packets = quick() ? 8 * N_KEYS : 16 * N_KEYS;
	bench_start();
	bench_open(&b);
	if (full_table_load(&b.full, 1))
		die("full table");
	set_targets(&b);
	fill_tables(&b);
	keys_open(&b.keys, &b.full);
	for (unsigned f = 0; f < FAMILIES; f++) {
		for (unsigned zipf = 0; zipf < 2; zipf++) {
			char keys[32];

			(void)snprintf(keys, sizeof(keys), "v%d %s",
				       f == FAMILY_IP4 ? 4 : 6,
				       zipf ? "Zipf" : "uniform");
			make_keys(&b, (enum family)f, zipf ? HOT : ANNOUNCED);
			row_program(&b, keys,
				    zipf ? AT_LEAST(8, 4) : AT_LEAST(15, 8));
			if (f == FAMILY_IP4 && !zipf)
				row_parser(&b);
			budget(&b, keys);
			if (f == FAMILY_IP4)
				row_cpus(&b, keys);
			forget(&b);
		}
	}
	keys_close(&b.keys);
	free(b.full.e);
	program_rival_bpf__destroy(b.skel);
	return 0;
}
