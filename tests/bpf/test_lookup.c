/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's answers: the real table is compiled straight into the BPF map,
 * and every key goes through the program and through the same lookup in user
 * space; one in eight also through the plain reference, which is slow
 * (test_table.c does that for all of them).
 */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <sys/mman.h>

#include "full_table.h"
#include "lookup_test.skel.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/table.h"

#define BATCH 4096u
#define WORDS (1u << 23)

struct key {
	uint64_t hi, lo;
};

struct kernel {
	struct lookup_test_bpf *skel;
	uint32_t *words;
	struct key *keys;
	uint64_t *answers;
	struct asm_as *as;
	struct table *table;
	struct asm_state state;
	struct ref ref;
	enum family family; /* of the keys waiting */
	uint32_t n;
	size_t checked;
};

static void *map_memory(const struct bpf_map *map, size_t len)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	cr_assert_neq(m, MAP_FAILED);
	return m;
}

static void kernel_open(struct kernel *k, size_t n_prefixes)
{
	memset(k, 0, sizeof(*k));
	k->skel = lookup_test_bpf__open_and_load();
	cr_assert_not_null(k->skel, "load");
	k->words = map_memory(k->skel->maps.asm_table, WORDS * 4ul);
	k->keys = map_memory(k->skel->maps.keys, BATCH * sizeof(struct key));
	k->answers =
		map_memory(k->skel->maps.answers, BATCH * sizeof(uint64_t));
	k->as = calloc(ASM_AS_SLOTS, sizeof(*k->as));
	cr_assert_not_null(k->as);
	ref_init(&k->ref, n_prefixes);
}

static void kernel_close(struct kernel *k)
{
	munmap(k->words, WORDS * 4ul);
	munmap(k->keys, BATCH * sizeof(struct key));
	munmap(k->answers, BATCH * sizeof(uint64_t));
	lookup_test_bpf__destroy(k->skel);
	ref_done(&k->ref);
	free(k->as);
}

/* Runs the batch that waits and compares each answer. */
static void kernel_run(struct kernel *k)
{
	struct bpf_program *prog = k->family == FAMILY_IP4
					   ? k->skel->progs.batch4
					   : k->skel->progs.batch6;
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = sizeof(frame), .repeat = 1);

	memset(k->answers, 0xff, BATCH * sizeof(uint64_t));
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	cr_assert_eq(opts.retval, 2, "XDP_PASS");
	for (uint32_t i = 0; i < k->n; i++) {
		struct addr a = {k->keys[i].hi, k->keys[i].lo, k->family};
		uint32_t want = table_lookup(k->table, &a);
		char buf[PREFIX_STRLEN];

		if (i % 8 == 0)
			cr_assert_eq(want, ref_lookup(&k->ref, &a), "%s",
				     addr_str(&a, buf));

		cr_assert(k->answers[i] < ASM_AS_SLOTS &&
				  k->as[k->answers[i]].asn == want,
			  "%s: index %lu, not AS%u", addr_str(&a, buf),
			  k->answers[i], want);
	}
	k->checked += k->n;
	k->n = 0;
}

static void kernel_ask(struct kernel *k, struct addr a)
{
	if (k->n == BATCH || (k->n && a.family != k->family))
		kernel_run(k);
	k->family = a.family;
	k->keys[k->n++] = (struct key){a.hi, a.lo};
}

static void kernel_ask_edges(struct kernel *k, const struct prefix *p,
			     uint64_t *rnd)
{
	struct addr first = prefix_first(p), last = prefix_last(p);

	kernel_ask(k, first);
	kernel_ask(k, last);
	kernel_ask(k, addr_step(first, -1));
	kernel_ask(k, addr_step(last, 1));
	kernel_ask(k, prefix_random(p, rnd));
}

static void announce(struct kernel *k, struct rib *rib, struct attr_table *t,
		     int src, const struct prefix *p, uint32_t asn)
{
	const struct attr_spec spec = {.origin_as = asn};
	struct attr *a = attr_intern(t, &spec);

	ref_set(&k->ref, p, asn);
	cr_assert_eq(rib_announce(rib, src, p, 0, a, 0), 0);
	attr_unref(t, a);
}

/* The real table, and on top of it one prefix of each length, one inside the
 * other, so that every path of the lookup is taken. */
Test(lookup, same_answers_in_the_kernel)
{
	const struct rib_source_cfg cfg = {.kind = RIB_BGP};
	struct attr_table *attrs = attr_table_new();
	struct rib *rib = rib_new(attrs);
	uint64_t rnd = 0x853c49e6748fea9b;
	struct prefix deep[33 + 129];
	struct full_table full;
	struct kernel k;
	int src = rib_source_add(rib, &cfg);

	cr_assert_eq(full_table_load(&full, 1), 0);
	kernel_open(&k, full.n + 200);
	const struct table_cfg tcfg = {k.words, WORDS, k.as, ASM_AS_SLOTS,
				       &k.state};
	cr_assert_eq(table_open(&tcfg, rib, &k.table), 0);
	for (size_t i = 0; i < full.n; i++)
		announce(&k, rib, attrs, src, &full.e[i].prefix, full.e[i].asn);
	for (unsigned i = 0; i < 33 + 129; i++) {
		deep[i] = (struct prefix){
			.hi = UINT64_C(0x20010db85555aaaa),
			.lo = i < 33 ? 0 : UINT64_C(0x123456789abcdef1),
			.len = (uint8_t)(i < 33 ? i : i - 33),
			.family = i < 33 ? FAMILY_IP4 : FAMILY_IP6,
		};
		deep[i] = prefix_mask(deep[i]);
		announce(&k, rib, attrs, src, &deep[i], 4200000000u + i);
	}
	cr_assert_eq(table_flush(k.table, TABLE_FLUSH_NOW, 1), TABLE_CLEAN);

	for (unsigned i = 0; i < 33 + 129; i++)
		kernel_ask_edges(&k, &deep[i], &rnd);
	for (size_t i = 0; i < full.n; i++)
		kernel_ask_edges(&k, &full.e[i].prefix, &rnd);
	for (int i = 0; i < 1000000; i++)
		kernel_ask(&k, (struct addr){rnd64(&rnd) << 32, 0, FAMILY_IP4});
	for (int i = 0; i < 1000000; i++)
		kernel_ask(&k,
			   (struct addr){rnd64(&rnd), rnd64(&rnd), FAMILY_IP6});
	kernel_run(&k);
	cr_assert_eq(k.checked, 5 * (full.n + 33 + 129) + 2000000);

	table_close(k.table);
	rib_free(rib);
	attr_table_free(attrs);
	kernel_close(&k);
	free(full.e);
}
