/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefix lookup against its rivals, inside the kernel, on the full table:
 * nanoseconds for the two lookups of a packet with what the harness costs
 * subtracted. Before anything is timed, every program has to give the same
 * answers for the whole key file (keys.h).
 *
 * What the second lookup of a packet adds is asked in a chain: a packet waits
 * for the answers of the one before, as in a router, where thousands of
 * instructions lie between two. Without that the CPU begins on the next packet
 * while the first lookup of this one waits for memory, and what that hides is
 * missing from the first and not from the second.
 *
 * BENCH_QUICK=1: fewer packets a round. Argument: 4 or 6, only that family.
 */
#include "lookup.h"

#define SECOND_PACKETS (1u << 15)

static uint32_t packets;

/* Ours, the rival and the bare harness in turn; one row. */
static void row(const struct lookups *l, struct rounds *r,
		const struct bpf_program *base, const struct bpf_program *ours,
		const struct bpf_program *rival, const char *note)
{
	uint32_t n_rival = packets;

	lookups_same(l, ours, rival, r->name);
	if (lookups_run(l, rival, 20000) > 300)
		n_rival = packets / 8;
	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = lookups_run(l, base, packets);
		double o = lookups_run(l, ours, packets) - h;

		round_ratio(r, o, lookups_run(l, rival, n_rival) - h);
	}
	row_print(r, false, "%s", note);
}

/* The bare harness, one lookup a packet, two. */
struct second {
	const struct lookups *l;
	const struct bpf_program *prog[3];
};

static double second_run(void *ctx, unsigned which)
{
	const struct second *s = ctx;

	return lookups_go_on(s->prog[which], SECOND_PACKETS);
}

/* What the second lookup of a packet costs beside the first. */
static void row_second(struct second *s, struct rounds *r)
{
	double ns[3];

	s->l->skel->bss->chained = 1;
	round_in_turns(second_run, s, 3, ns);
	for (unsigned i = 0; i < ROUNDS; i++) {
		round_in_turns(second_run, s, 3, ns);
		round_share(r, ns[2] - ns[1], ns[1]);
	}
	s->l->skel->bss->chained = 0;
	row_print(r, false, "beside the first; each packet waits for the last");
}

static void rows4(struct lookups *l, struct keys *k, enum key_set set)
{
	static const struct goal dir[KEY_SETS] = {{0},
						  {'>', 1, 0.8},
						  {'>', 1.5, 0.8}};
	const struct lookup_bpf *s = l->skel;
	struct second second = {
		l, {s->progs.base4, s->progs.ours4_one, s->progs.ours4}};
	char name[64];
	struct rounds r = {.name = name, .unit = "ns"};

	lookups_keys(l, k, FAMILY_IP4, set);
	(void)snprintf(name, sizeof(name), "lookup v4 %s vs LPM_TRIE",
		       key_set_name[set]);
	r.goal = AT_LEAST(25, 10);
	row(l, &r, s->progs.base4, s->progs.ours4, s->progs.lpm_4,
	    "two lookups, harness subtracted");
	(void)snprintf(name, sizeof(name), "lookup v4 %s vs DIR-24-8",
		       key_set_name[set]);
	r.goal = dir[set];
	row(l, &r, s->progs.base4, s->progs.ours4, s->progs.dir_4,
	    "u32 entries in one array element of 64 MB");
	(void)snprintf(name, sizeof(name), "second lookup v4 %s",
		       key_set_name[set]);
	r.goal = AT_MOST(0.5, 0.8);
	row_second(&second, &r);
}

static void rows6(struct lookups *l, struct keys *k, enum key_set set)
{
	const struct lookup_bpf *s = l->skel;
	struct second second = {
		l, {s->progs.base6, s->progs.ours6_one, s->progs.ours6}};
	char name[64];
	struct rounds r = {.name = name, .unit = "ns"};

	lookups_keys(l, k, FAMILY_IP6, set);
	(void)snprintf(name, sizeof(name), "lookup v6 %s vs LPM_TRIE",
		       key_set_name[set]);
	r.goal = AT_LEAST(10, 5);
	row(l, &r, s->progs.base6, s->progs.ours6, s->progs.lpm_6,
	    "two lookups, harness subtracted");
	/* Nine in ten of the cold ones end in the root: next to nothing. */
	if (set == COLD)
		return;
	(void)snprintf(name, sizeof(name), "second lookup v6 %s",
		       key_set_name[set]);
	r.goal = AT_MOST(0.5, 0.8);
	row_second(&second, &r);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "46";
	struct full_table full;
	struct lookups l;
	struct keys k;

	packets = quick() ? 1u << 20 : 1u << 21;
	bench_start();
	if (full_table_load(&full, 1))
		die("full table");
	lookups_open(&l, &full, 1u << 23, true);
	keys_open(&k, &full);
	for (unsigned set = 0; set < KEY_SETS && strchr(only, '4'); set++)
		rows4(&l, &k, (enum key_set)set);
	for (unsigned set = 0; set < KEY_SETS && strchr(only, '6'); set++)
		rows6(&l, &k, (enum key_set)set);
	lookups_close(&l);
	keys_close(&k);
	free(full.e);
	return 0;
}
