/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counters against a PERCPU_HASH keyed by the AS pair: one update in the
 * kernel, and one drain from user space (user/kernel/counters.h). Before
 * anything is timed, both have to hold the same pairs with the same sums.
 *
 * Pairs are made of 85,000 ASes, drawn uniformly. BENCH_QUICK=1: only the
 * 85,000 pairs and the drain.
 */
#include "asmeter/index.h"

#include "bench.h"
#include "counters_rival.skel.h"
#include "full_table.h"
#include "kernel/counters.h"

#define KEYS  (1u << 20)
#define ASES  85000u
#define BATCH 4096u

struct pair {
	uint32_t src, dst;
};

struct rival_pair {
	uint32_t src_as, dst_as, ifindex;
	uint8_t dir, family;
	uint16_t reserved;
};

struct bench {
	struct counters_rival_bpf *skel;
	struct pair *keys;
	uint32_t n_cpus, n_pairs;
	uint32_t packets;
	struct asm_measure *per_cpu; /* of a rival's entry, or of a batch */
	uint64_t sum;                /* of what a drain reported */
	uint32_t n;                  /* pairs */
};

/* Maps for so many rows a bank and CPU, of the shape the loader gives them. */
static void bench_open(struct bench *b, uint32_t rows, uint32_t n_pairs)
{
	struct counters_rival_bpf *s = counters_rival_bpf__open();
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
	uint32_t parts = ASM_BANKS * cpus, lines = rows++ / 16;
	struct asm_state *state;
	struct asm_as *as;

	*b = (struct bench){.skel = s, .n_cpus = cpus};
	if (!s)
		die("open");
	s->rodata->cfg.n_cpus = cpus;
	s->rodata->cfg.rows = rows;
	s->rodata->cfg.line_mask = lines - 1;
	if (bpf_map__set_max_entries(s->maps.asm_ports,
				     parts * ASM_PORT_SLOTS) ||
	    bpf_map__set_max_entries(s->maps.asm_cpu, parts) ||
	    bpf_map__set_max_entries(s->maps.asm_index, parts * lines) ||
	    bpf_map__set_max_entries(s->maps.asm_rows, parts * rows) ||
	    bpf_map__set_max_entries(s->maps.rival_pairs, rows - 1) ||
	    counters_rival_bpf__load(s))
		die("load");
	state = map_memory(s->maps.asm_state, 4096);
	state->abi_version = ASM_ABI_VERSION;
	state->n_cpus = cpus;
	state->rows = rows;
	state->homes = rows - 1;
	state->index_lines = lines;
	as = map_memory(s->maps.asm_as, ASM_AS_SLOTS * sizeof(*as));
	for (uint32_t i = 1; i <= ASES; i++)
		as[i].asn = i;
	b->keys = map_memory(s->maps.bench_keys, KEYS * sizeof(*b->keys));
	b->per_cpu = calloc((size_t)BATCH * cpus, sizeof(*b->per_cpu));
	b->n_pairs = n_pairs;
	b->packets = quick() ? KEYS : 2 * KEYS;
	if (!b->per_cpu)
		die("calloc");
}

static void bench_close(struct bench *b)
{
	free(b->per_cpu);
	(void)munmap(b->keys, KEYS * sizeof(*b->keys));
	counters_rival_bpf__destroy(b->skel);
}

/* n pairs of ASes, each at least once, then drawn uniformly. */
static void make_keys(struct bench *b)
{
	uint64_t rnd = UINT64_C(0x853c49e6748fea9b);
	struct pair *pairs = calloc(b->n_pairs, sizeof(*pairs));

	if (!pairs)
		die("calloc");
	for (uint32_t i = 0; i < b->n_pairs; i++)
		pairs[i] = (struct pair){1 + i % ASES, 1 + (i % ASES * 7919 +
							    i / ASES) % ASES};
	for (uint32_t i = b->n_pairs - 1; i > 0; i--) {
		uint32_t at = (uint32_t)(rnd64(&rnd) % (i + 1));
		struct pair x = pairs[i];

		pairs[i] = pairs[at];
		pairs[at] = x;
	}
	for (uint32_t i = 0; i < KEYS; i++)
		b->keys[i] =
			pairs[i < b->n_pairs
				      ? i
				      : (uint32_t)(rnd64(&rnd) % b->n_pairs)];
	b->skel->bss->bench_mask = KEYS - 1;
	free(pairs);
}

/* Rows were given out in the order of the first pass; see program.c. */
static void shuffle_keys(struct bench *b)
{
	uint64_t rnd = UINT64_C(0x9e3779b97f4a7c15);

	for (uint32_t i = KEYS - 1; i > 0; i--) {
		uint32_t at = (uint32_t)(rnd64(&rnd) % (i + 1));
		struct pair x = b->keys[i];

		b->keys[i] = b->keys[at];
		b->keys[at] = x;
	}
}

static double run(const struct bench *b, const struct bpf_program *prog,
		  uint32_t packets)
{
	const uint8_t frame[64] = {0};

	b->skel->bss->bench_pos = 0;
	return test_run(bpf_program__fd(prog), frame, sizeof(frame), packets);
}

/* --------------------------------------------------------------- drains */

static uint64_t pair_digest(uint32_t src, uint32_t dst,
			    const struct asm_measure *m)
{
	uint64_t h = ((uint64_t)src << 32 | dst) * UINT64_C(0x9e3779b97f4a7c15);

	return (h ^ h >> 32) *
	       (m->packets + m->ip_bytes * 3 + m->wire_bytes * 5);
}

static void on_pair(void *ctx, uint32_t id, const struct asm_row *row)
{
	const struct asm_measure m = {row->packets, row->ip_bytes,
				      row->wire_bytes};
	struct bench *b = ctx;

	(void)id;
	b->sum += pair_digest(row->src_as, row->dst_as, &m);
	b->n++;
}

static void on_port(void *ctx, uint32_t slot, const struct asm_if *ifc,
		    const struct asm_books *rx, const struct asm_books *tx)
{
	(void)ctx;
	(void)slot;
	(void)ifc;
	(void)rx;
	(void)tx;
}

/* Flip, grace period, read: milliseconds of this thread. */
static double drain_ours(struct bench *b, struct counters *c)
{
	const struct counters_sink sink = {on_pair, on_port};
	double t0 = now_ns();

	b->sum = b->n = 0;
	counters_flip(c);
	if (counters_grace(c) || counters_read(c, &sink, b))
		die("drain");
	return (now_ns() - t0) / 1e6;
}

static void rival_pair(struct bench *b, const struct rival_pair *key,
		       const struct asm_measure *per_cpu)
{
	struct asm_measure m = {0};

	for (uint32_t i = 0; i < b->n_cpus; i++) {
		m.packets += per_cpu[i].packets;
		m.ip_bytes += per_cpu[i].ip_bytes;
		m.wire_bytes += per_cpu[i].wire_bytes;
	}
	b->sum += pair_digest(key->src_as, key->dst_as, &m);
	b->n++;
}

static double drain_next_key(struct bench *b)
{
	int fd = bpf_map__fd(b->skel->maps.rival_pairs);
	struct rival_pair key, *prev = NULL;
	double t0 = now_ns();

	b->sum = b->n = 0;
	while (!bpf_map_get_next_key(fd, prev, &key)) {
		if (bpf_map_lookup_elem(fd, &key, b->per_cpu))
			die("rival_pairs");
		rival_pair(b, &key, b->per_cpu);
		prev = &key;
	}
	return (now_ns() - t0) / 1e6;
}

static double drain_batch(struct bench *b)
{
	static struct rival_pair keys[BATCH];
	int fd = bpf_map__fd(b->skel->maps.rival_pairs), rc;
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	double t0 = now_ns();
	uint32_t at, n;
	void *in = NULL;

	b->sum = b->n = 0;
	do {
		n = BATCH;
		rc = bpf_map_lookup_batch(fd, in, &at, keys, b->per_cpu, &n,
					  &opts);
		if (rc && errno != ENOENT)
			die("lookup_batch");
		for (uint32_t i = 0; i < n; i++)
			rival_pair(b, &keys[i], &b->per_cpu[i * b->n_cpus]);
		in = &at;
	} while (!rc);
	return (now_ns() - t0) / 1e6;
}

/* ----------------------------------------------------------------- rows */

static struct counters *counters_of(struct bench *b)
{
	const struct bpf_object *obj = b->skel->obj;
	int fds[ASM_MAP_COUNT];
	struct counters *c;

#define X(id, name) \
	fds[ASM_MAP_##id] = bpf_object__find_map_fd_by_name(obj, #name);
	ASM_MAPS(X)
#undef X
	if (counters_open(fds, &c))
		die("counters_open");
	return c;
}

/* Each CPU counts the key file once, in both; then they have to agree. */
static struct counters *count_equal(struct bench *b, uint32_t per_cpu)
{
	struct counters *c;
	uint64_t sum;
	uint32_t n;

	for (unsigned cpu = 0; cpu < b->n_cpus; cpu++) {
		pin_to(cpu);
		(void)run(b, b->skel->progs.ours, per_cpu);
		(void)run(b, b->skel->progs.rival, per_cpu);
	}
	c = counters_of(b);
	(void)drain_next_key(b);
	sum = b->sum;
	n = b->n;
	(void)drain_ours(b, c);
	if (b->sum != sum || b->n != n || n != b->n_pairs ||
	    b->skel->bss->bench_full) {
		fprintf(stderr, "the counters differ: %u and %u pairs\n", b->n,
			n);
		exit(1);
	}
	return c;
}

static void row_update(uint32_t rows, uint32_t n_pairs, struct goal goal)
{
	struct bench b;
	char name[64];
	struct rounds r = {.name = name, .unit = "ns", .goal = goal};

	bench_open(&b, rows, n_pairs);
	make_keys(&b);
	counters_close(count_equal(&b, KEYS));
	shuffle_keys(&b);
	(void)snprintf(name, sizeof(name), "counter update, %u pairs", n_pairs);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(&b, b.skel->progs.base, b.packets);
		double o = run(&b, b.skel->progs.ours, b.packets) - h;

		round_ratio(&r, o, run(&b, b.skel->progs.rival, b.packets) - h);
	}
	row_print(&r, false,
		  "vs PERCPU_HASH on the pair; %u ASes, %u rows, equal sums",
		  ASES, rows);
	bench_close(&b);
}

static void rows_drain(void)
{
	struct rounds *r = calloc(2, sizeof(*r));
	struct counters *c;
	struct bench b;

	bench_open(&b, 1u << 17, 100000);
	make_keys(&b);
	c = count_equal(&b, b.n_pairs);
	for (unsigned i = 0; r && i < ROUNDS; i++) {
		double o = drain_ours(&b, c);

		round_ratio(&r[0], o, drain_next_key(&b));
		o = drain_ours(&b, c);
		round_ratio(&r[1], o, drain_batch(&b));
	}
	if (!r)
		die("calloc");
	r[0].name = "drain of 100,000 pairs vs next-key";
	r[1].name = "drain of 100,000 pairs vs batch";
	r[0].unit = r[1].unit = "ms";
	r[0].goal = AT_LEAST(50, 5);
	row_print(&r[0], false,
		  "next key + lookup a pair, %u CPUs; ours with flip and wait",
		  b.n_cpus);
	row_print(&r[1], false, "lookup_batch of %u", BATCH);
	counters_close(c);
	bench_close(&b);
	free(r);
}

int main(void)
{
	bench_start();
	row_update(1u << 17, ASES, AT_LEAST(3, 1));
	rows_drain();
	if (quick())
		return 0;
	row_update(1u << 17, 1000, NO_GOAL);
	row_update(1u << 17, 100000, NO_GOAL);
	row_update(1u << 20, 1000000, NO_GOAL);
	return 0;
}
