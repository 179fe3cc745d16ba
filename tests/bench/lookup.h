/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lookups of lookup.bpf.c: loaded with one table, fed with one key file,
 * proven equal, timed.
 */
#ifndef TESTS_BENCH_LOOKUP_H
#define TESTS_BENCH_LOOKUP_H

#include "keys.h"
#include "lookup.skel.h"
#include "route/asdict.h"

#define WORDS_MAX  (1u << 25)
#define KEYS       (1u << 20)
#define HOT_KEYS   (1u << 16)
#define DIR_GROUPS 4096u

struct pair4 {
	uint32_t a, b;
};

struct pair6 {
	uint64_t a[2], b[2];
};

struct lookups {
	struct lookup_bpf *skel;
	struct loaded loaded;
	struct table_stats stats;
	uint32_t *words, *dir24, *dir8;
	struct pair4 *keys4;
	struct pair6 *keys6;
	struct asm_as *as;
	struct asm_state state;
	uint32_t groups; /* of dir8 in use */
	uint32_t n_keys;
};

/* The longest prefixes come last, over what covers them. */
static inline void dir_add(struct lookups *l, const struct prefix *p,
			   uint32_t ix)
{
	uint32_t addr = (uint32_t)(p->hi >> 32), *e = &l->dir24[addr >> 8];

	if (p->len <= 24) {
		for (uint32_t i = 0; i < 1u << (24 - p->len); i++)
			e[i] = ix;
		return;
	}
	if (!(*e >> 31)) {
		for (uint32_t i = 0; i < 256; i++)
			l->dir8[l->groups * 256 + i] = *e;
		*e = 1u << 31 | l->groups++;
	}
	for (uint32_t i = 0; i < 1u << (32 - p->len); i++)
		l->dir8[(*e & (DIR_GROUPS - 1)) * 256 + (addr & 255) + i] = ix;
}

static inline int by_length(const void *a, const void *b)
{
	const struct loc_entry *x = a, *y = b;

	return (x->prefix.len > y->prefix.len) -
	       (x->prefix.len < y->prefix.len);
}

/* All structures hold the same AS indexes: those that the table gave out.
 * Sorts the networks by length. */
static inline void lookups_fill(struct lookups *l, struct full_table *full)
{
	struct asdict dict;

	qsort(full->e, full->n, sizeof(*full->e), by_length);
	if (asdict_init(&dict, l->as, &l->state.n_as, ASM_AS_SLOTS))
		die("asdict");
	for (size_t i = 0; i < full->n; i++) {
		const struct prefix *p = &full->e[i].prefix;
		uint32_t ix = asdict_index(&dict, full->e[i].asn);

		lpm_add(l->skel->maps.lpm4, l->skel->maps.lpm6, p, ix);
		if (p->family == FAMILY_IP4)
			dir_add(l, p, ix);
	}
	asdict_done(&dict);
}

static inline void lookups_open(struct lookups *l, struct full_table *full,
				uint32_t n_words, bool rivals)
{
	struct lookup_bpf *s = lookup_bpf__open_and_load();
	struct table_cfg cfg = {NULL, n_words, NULL, ASM_AS_SLOTS, &l->state};

	*l = (struct lookups){.skel = s};
	if (!s)
		die("load");
	l->words = map_memory(s->maps.table, WORDS_MAX * 4ul);
	l->dir24 = map_memory(s->maps.dir24, 4ul << 24);
	l->dir8 = map_memory(s->maps.dir8, DIR_GROUPS * 256 * 4ul);
	l->keys4 = map_memory(s->maps.keys4, KEYS * sizeof(*l->keys4));
	l->keys6 = map_memory(s->maps.keys6, KEYS * sizeof(*l->keys6));
	l->as = calloc(ASM_AS_SLOTS, sizeof(*l->as));
	if (!l->as)
		die("calloc");
	cfg.words = l->words;
	cfg.as = l->as;
	load_table(&l->loaded, full, &cfg);
	table_stats(l->loaded.table, &l->stats);
	if (rivals)
		lookups_fill(l, full);
}

static inline void lookups_close(struct lookups *l)
{
	unload_table(&l->loaded);
	(void)munmap(l->words, WORDS_MAX * 4ul);
	(void)munmap(l->dir24, 4ul << 24);
	(void)munmap(l->dir8, DIR_GROUPS * 256 * 4ul);
	(void)munmap(l->keys4, KEYS * sizeof(*l->keys4));
	(void)munmap(l->keys6, KEYS * sizeof(*l->keys6));
	free(l->as);
	lookup_bpf__destroy(l->skel);
}

static inline void lookups_keys(struct lookups *l, struct keys *k,
				enum family f, enum key_set set)
{
	l->n_keys = set == HOT ? HOT_KEYS : KEYS;
	for (uint32_t i = 0; i < l->n_keys; i++) {
		struct addr x = keys_draw(k, f, set), y = keys_draw(k, f, set);

		if (f == FAMILY_IP4)
			l->keys4[i] = (struct pair4){(uint32_t)(x.hi >> 32),
						     (uint32_t)(y.hi >> 32)};
		else
			l->keys6[i] =
				(struct pair6){{x.hi, x.lo}, {y.hi, y.lo}};
	}
}

/* Nanoseconds a packet, from the key on where the last run was: nobody finds
 * the words that the one before has just fetched. */
static inline double lookups_go_on(const struct bpf_program *prog,
				   uint32_t packets)
{
	const uint8_t frame[64] = {0};

	return test_run(bpf_program__fd(prog), frame, sizeof(frame), packets);
}

/* The same from the first key on. */
static inline double lookups_run(const struct lookups *l,
				 const struct bpf_program *prog,
				 uint32_t packets)
{
	l->skel->bss->pos = 0;
	l->skel->bss->sum = 0;
	l->skel->bss->key_mask = l->n_keys - 1;
	return lookups_go_on(prog, packets);
}

/* Both answer the whole key file with the same AS indexes. */
static inline void lookups_same(const struct lookups *l,
				const struct bpf_program *ours,
				const struct bpf_program *rival,
				const char *name)
{
	uint64_t sum;

	(void)lookups_run(l, ours, l->n_keys);
	sum = l->skel->bss->sum;
	(void)lookups_run(l, rival, l->n_keys);
	if (sum != l->skel->bss->sum) {
		fprintf(stderr, "%s: the answers differ\n", name);
		exit(1);
	}
}

#endif
