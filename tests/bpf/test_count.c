/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows, their index, ports and banks: thousands of pairs against a plain
 * model, a map too small for them, the flip, interfaces not listed.
 */
#include <criterion/criterion.h>
#include <sched.h>
#include <stddef.h>
#include <sys/param.h>

#include "asmeter/abi.h"

#include "asmeter.skel.h"
#include "bpf/bpft.h"
#include "kernel/past.h"

#define N_AS 120u

static struct bpft t;
static uint8_t frame[512];
static uint64_t rnd_state;

static uint32_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 16);
}

/* AS index i has 16 addresses' worth of 100.i.0.0/20 and of 3000+i::/16. */
static void open_sized(uint32_t rows, uint32_t lines)
{
	cpu_set_t one;
	const void *elf;
	size_t len;

	/* one CPU: its part of the maps is the one that fills up */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	cr_assert(!sched_setaffinity(0, sizeof(one), &one));
	rnd_state = 0x9e3779b97f4a7c15u;
	elf = asmeter_bpf__elf_bytes(&len);
	bpft_open(&t, elf, len, rows, lines);
	bpft_if(&t, 1, 0);
	for (uint32_t i = 1; i < N_AS; i++) {
		bpft_route4(&t, 100u << 24 | i << 16, 16, i);
		bpft_route6(&t, 0x3000 + i, i);
	}
}

TestSuite(count, .timeout = 300);

/* A packet from AS index src to dst; returns its length. */
static uint32_t make(uint8_t family, uint32_t src, uint32_t dst, uint32_t n)
{
	memset(frame, 0, sizeof(frame));
	if (family == 4) {
		memcpy(frame + 12, "\x08\0\x45\0", 4);
		frame[17] = (uint8_t)(20 + n);
		memcpy(frame + 26, (uint8_t[]){100, (uint8_t)src, 1, 2}, 4);
		memcpy(frame + 30, (uint8_t[]){100, (uint8_t)dst, 3, 4}, 4);
		return 34 + n;
	}
	memcpy(frame + 12, "\x86\xdd\x60", 3);
	frame[19] = (uint8_t)n;
	frame[20] = 59; /* no next header */
	memcpy(frame + 22, (uint8_t[]){0x30, (uint8_t)src, 1}, 3);
	memcpy(frame + 38, (uint8_t[]){0x30, (uint8_t)dst, 2}, 3);
	return 54 + n;
}

static void run(enum bpft_prog prog, uint32_t len, int repeat)
{
	int rc = bpft_run(&t, prog, frame, len, NULL, 0, NULL, repeat);

	cr_assert(rc == (prog == BPFT_XDP ? XDP_PASS : -1), "action %d", rc);
}

/* The model: [direction][family is 6][src][dst]. */
static struct asm_measure model[2][2][N_AS][N_AS];

static void send_one(uint32_t src, uint32_t dst, uint32_t n)
{
	static const enum bpft_prog progs[] = {BPFT_XDP, BPFT_EGRESS,
					       BPFT_INGRESS};
	uint8_t family = rnd() & 1 ? 4 : 6;
	enum bpft_prog prog = progs[rnd() % 3];
	uint32_t len = make(family, src, dst, n);
	struct asm_measure *m =
		&model[prog == BPFT_EGRESS][family == 6][src][dst];

	run(prog, len, 1);
	m->packets++;
	m->ip_bytes += len - 14;
	m->wire_bytes += len;
}

/* Each row is once in the order, and knows where; those in use come first. */
static void check_order(uint32_t part)
{
	const struct asm_row *rows = &t.row[part * t.rows];
	uint8_t *met = calloc(t.rows, 1);

	cr_assert(met);
	for (uint32_t i = 1; i < t.rows; i++) {
		uint32_t r = i ^ rows[i].nth;

		cr_assert(r && r < t.rows && !met[r]++, "%u: row %u", i, r);
		cr_assert((r ^ rows[r].rank) == i, "row %u", r);
		cr_assert(!!rows[r].family == (i <= t.cpu[part].n_used));
	}
	free(met);
}

/* Of this CPU, only rows that are not where their hash says are in the index.
 */
static void check_index(void)
{
	for (uint32_t i = 0; i < t.lines * ASM_INDEX_WAYS; i++) {
		uint32_t slot =
			t.index[i / ASM_INDEX_WAYS].slot[i % ASM_INDEX_WAYS];
		uint32_t number = slot & COUNT_ROW_MASK;
		const struct asm_row *r = &t.row[number];
		const struct count_key key = {r->ifindex, r->dir,    r->family,
					      0,          r->src_ix, r->dst_ix};

		if (slot)
			cr_assert_geq(number - count_home(count_hash(&key),
							  t.rows),
				      COUNT_WINDOW);
	}
}

/* The first `used` rows of this CPU belong to somebody else, so that pairs
 * whose window ends below them have to go through the index. */
static void crowd(uint32_t used)
{
	for (uint32_t i = 1; i <= used; i++) {
		t.row[i].ifindex = 99;
		t.row[i].family = 4;
		t.row[i].src_ix = i;
	}
	t.cpu[0].n_used = used;
}

static bool is_crowded(enum asm_dir dir, uint8_t family, uint32_t src,
		       uint32_t dst, uint32_t used)
{
	const struct count_key key = {1, (__u8)dir, family, 0, src, dst};

	return count_home(count_hash(&key), t.rows) + COUNT_WINDOW <= used + 1;
}

/* The n-th pair (from 0) whose window is crowded. */
static void pick(enum asm_dir dir, uint8_t family, uint32_t used, uint32_t n,
		 uint32_t *ret_src, uint32_t *ret_dst)
{
	for (uint32_t i = N_AS; i < N_AS * N_AS; i++) {
		*ret_src = i / N_AS;
		*ret_dst = i % N_AS;
		if (*ret_dst &&
		    is_crowded(dir, family, *ret_src, *ret_dst, used) && !n--)
			return;
	}
	cr_assert(0, "too few pairs");
}

/* Each row has its pair's numbers, no pair has two rows in a bank. */
static void check_rows(void)
{
	static struct asm_measure got[2][2][N_AS][N_AS];

	memset(got, 0, sizeof(got));
	for (uint32_t part = 0; part < ASM_BANKS * t.n_cpus; part++) {
		static uint8_t seen[2][2][N_AS][N_AS];

		check_order(part);
		memset(seen, 0, sizeof(seen));
		const struct asm_row *rows = &t.row[part * t.rows];

		for (uint32_t n = 1; n <= t.cpu[part].n_used; n++) {
			const struct asm_row *r =
				&rows[row_nth(rows, n, t.rows)];
			uint8_t *s = &seen[r->dir][r->family == 6][r->src_ix]
					  [r->dst_ix];

			cr_assert(!*s, "pair %u %u has two rows", r->src_ix,
				  r->dst_ix);
			*s = 1;
			cr_assert(r->ifindex == 1);
			cr_assert(r->src_as ==
				  (r->src_ix ? 4200000000u + r->src_ix : 0));
			cr_assert(r->dst_as ==
				  (r->dst_ix ? 4200000000u + r->dst_ix : 0));
			bpft_add(&got[r->dir][r->family == 6][r->src_ix]
				     [r->dst_ix],
				 &(struct asm_measure){
					 r->packets,
					 r->ip_bytes,
					 r->wire_bytes,
				 });
		}
	}
	for (size_t i = 0; i < sizeof(got) / sizeof(struct asm_measure); i++) {
		const struct asm_measure *a = (struct asm_measure *)got + i;
		const struct asm_measure *b = (struct asm_measure *)model + i;

		cr_assert(!memcmp(a, b, sizeof(*a)),
			  "pair %zu: %llu %llu %llu, not %llu %llu %llu", i,
			  a->packets, a->ip_bytes, a->wire_bytes, b->packets,
			  b->ip_bytes, b->wire_bytes);
	}
}

static void check_equations(const struct bpft_total *s)
{
	struct asm_measure buckets = {0, 0, 0}, seen = {0, 0, 0},
			   known = {0, 0, 0};

	for (int dir = 0; dir < ASM_DIRS; dir++) {
		const struct asm_books *b = &s->books[dir];

		bpft_add(&seen, &b->seen);
		for (int v = 0; v < ASM_VERDICTS; v++)
			bpft_add(&buckets, bpft_bucket(b, (enum asm_verdict)v));
		bpft_add(&known, &b->attributed);
		bpft_add(&known, &b->unknown_as);
	}
	cr_assert(!memcmp(&seen, &buckets, sizeof(seen)), "seen != buckets");
	cr_assert(!memcmp(&known, &s->rows, sizeof(known)), "rows != books");
}

/* 20,000 packets, some 13,000 pairs: exact, pair by pair. */
Test(count, thousands_of_pairs)
{
	struct bpft_total s;

	open_sized(1 << 15, 1 << 10); /* half full: lines run over */
	for (int i = 0; i < 20000; i++) {
		/* a third of the packets belongs to few pairs */
		uint32_t n = i % 3 ? N_AS : 4;

		send_one(rnd() % n, rnd() % n, rnd() % 200);
		if (i % 5000 == 2500)
			t.state->bank ^= 1;
	}
	check_rows();
	bpft_total(&t, 1, &s);
	check_equations(&s);
	cr_assert(s.books[0].map_full.packets == 0);
	cr_assert(s.books[1].map_full.packets == 0);
	cr_assert(s.books[0].seen.packets + s.books[1].seen.packets == 20000);
	bpft_close(&t);
}

/* Rows run out: what has a row goes on exactly, the rest is map_full. */
Test(count, rows_run_out)
{
	struct asm_measure want = {0, 0, 0};
	struct bpft_total s;
	uint32_t len;

	open_sized(101, 1 << 8);
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 150; i++) {
			len = make(4, 1 + i % 15, 1 + i / 15, 10 + round);
			run(BPFT_XDP, len, 1);
			if (i < 100)
				bpft_add(&want, &(struct asm_measure){
							1, len - 14, len});
		}
	bpft_total(&t, 1, &s);
	check_equations(&s);
	cr_assert(s.n_rows == 100, "%u rows", s.n_rows);
	cr_assert(!memcmp(&s.rows, &want, sizeof(want)), "rows");
	cr_assert(s.books[0].map_full.packets == 150);
	cr_assert(s.books[0].map_full.ip_bytes == 50 * (30 + 31 + 32));
	cr_assert(s.books[0].map_full.wire_bytes == 50 * (44 + 45 + 46));
	check_order(0);
	bpft_close(&t);
}

/* Frees half of the rows of this CPU, as the reader does. */
static void keep_some(void)
{
	struct asm_past *past =
		calloc(ASM_BANKS * t.n_cpus * t.rows, sizeof(*past));
	const struct past_maps maps = {.state = t.state,
				       .cpu = t.cpu,
				       .index = t.index,
				       .rows = t.row,
				       .past = past};
	uint32_t kept = 0;
	uint32_t *entry = calloc(t.rows, sizeof(*entry));
	uint32_t *keep = calloc(t.rows, sizeof(*keep));

	cr_assert(past && entry && keep);
	for (uint32_t n = 1; n <= t.cpu[0].n_used; n++) {
		entry[n] = past_add(&maps, &t.row[row_nth(t.row, n, t.rows)]);
		keep[n] = rnd() & 1 ? ++kept : 0;
	}
	past_empty(&maps, 0, entry, keep);
	cr_assert_eq(t.cpu[0].n_used, kept);
	t.state->n_past = 0;
	free(past);
	free(entry);
	free(keep);
}

/* A packet of each pair that has a row: it is counted there. */
static void meet_again(void)
{
	uint32_t used = t.cpu[0].n_used;

	for (uint32_t r = 1; r < t.rows; r++) {
		const struct asm_row *row = &t.row[r];

		if (!row->family)
			continue;
		cr_assert_eq(row->packets, 0);
		run(BPFT_XDP, make(row->family, row->src_ix, row->dst_ix, 10),
		    1);
		cr_assert_eq(row->packets, 1, "%u rows: row %u", t.rows, r);
	}
	cr_assert_eq(t.cpu[0].n_used, used);
}

/* All rows in use, by far more pairs than the windows alone would take. */
Test(count, to_the_last_row)
{
	struct bpft_total s;
	uint32_t n = 0;

	open_sized(4097, 1 << 8);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 4096; i++) {
			uint32_t src = i / 100, dst = i % 100;
			uint32_t len = make(4, src, dst, 10);
			struct asm_measure *m = &model[0][0][src][dst];

			run(BPFT_XDP, len, 1);
			m->packets++;
			m->ip_bytes += len - 14;
			m->wire_bytes += len;
		}
	check_rows();
	bpft_total(&t, 1, &s);
	check_equations(&s);
	cr_assert(s.n_rows == 4096 && !s.books[0].map_full.packets);
	for (uint32_t i = 0; i < t.lines * ASM_INDEX_WAYS; i++)
		n += t.index[i / ASM_INDEX_WAYS].slot[i % ASM_INDEX_WAYS] != 0;
	cr_assert(n > 900 && n < 1050, "%u of 4096 in the index", n);
	bpft_close(&t);
}

/* What stays when rows are freed is found by programs, wherever it is: no pair
 * takes a second row, in parts of any size. */
Test(count, kept_rows_are_found)
{
	static const uint32_t sizes[] = {2, 3, 4, 8, 9, 10, 17, 33, 40};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t rows = sizes[i], most = 0;

		open_sized(rows, MAX(rows / 16, 1u));
		*t.state = (struct asm_state){.n_cpus = t.n_cpus,
					      .rows = rows,
					      .index_lines = t.lines};
		for (uint32_t round = 0; round < 10; round++) {
			for (uint32_t n = 0; n < 3 * rows; n++)
				run(BPFT_XDP,
				    make(rnd() & 1 ? 4 : 6, rnd() % 9,
					 rnd() % 9, 10),
				    1);
			check_order(0);
			most = MAX(most, t.cpu[0].n_used);
			keep_some();
			check_order(0);
			check_index();
			meet_again();
		}
		cr_assert_eq(most, rows - 1);
		bpft_close(&t);
	}
}

/* A damaged map: a row looks free and none is, and the index is full. What
 * could not be found again takes no row. */
Test(count, row_that_is_not_free)
{
	const struct count_key key = {1, ASM_DIR_IN, 4, 0, 1, 2};
	struct bpft_total s;

	open_sized(401, 1);
	crowd(400);
	t.row[count_home(count_hash(&key), t.rows)].family = 0;
	for (uint32_t i = 0; i < ASM_INDEX_WAYS; i++)
		t.index[0].slot[i] = 1; /* a row of somebody else */
	run(BPFT_XDP, make(4, 1, 2, 10), 3);
	cr_assert(t.cpu[0].n_used == 400);
	bpft_total(&t, 1, &s);
	check_equations(&s);
	cr_assert(s.books[0].map_full.packets == 3);
	bpft_close(&t);
}

/* A sum that was brought from other maps is not a row to add to, whatever its
 * key looks like. */
Test(count, moved_rows_stay)
{
	struct asm_row before[400];
	struct bpft_total s;

	open_sized(400, 4);
	for (uint32_t i = 1; i <= 250; i++)
		t.row[i] = (struct asm_row){.src_as = 64500 + i,
					    .ifindex = 1,
					    .family = 4,
					    .moved = 1,
					    .packets = 9};
	t.cpu[0].n_used = 250;
	memcpy(before, t.row, sizeof(before));
	run(BPFT_XDP, make(4, 0, 0, 10), 5); /* both unknown: indexes 0 and 0 */
	run(BPFT_XDP, make(6, 0, 0, 10), 5);
	for (uint32_t i = 1; i <= 250; i++)
		cr_assert(!memcmp(&t.row[i].src_as, &before[i].src_as,
				  offsetof(struct asm_row, nth)),
			  "row %u", i);
	bpft_total(&t, 1, &s);
	cr_assert(s.n_rows == 252 && s.rows.packets == 250 * 9 + 10);
	check_order(0);
	bpft_close(&t);
}

/* Lines run out first: one line, sixteen ways, rows to spare. */
Test(count, index_runs_out)
{
	uint32_t free_homes = 0;
	struct bpft_total s;

	open_sized(751, 1);
	crowd(500);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 40; i++) {
			uint32_t src, dst;

			pick(ASM_DIR_OUT, 6, 500, i, &src, &dst);
			run(BPFT_EGRESS, make(6, src, dst, 10), 1);
		}
	bpft_total(&t, 1, &s);
	check_equations(&s);
	cr_assert(s.n_rows == 516, "%u rows", s.n_rows);
	cr_assert(s.books[1].attributed.packets == 32);
	cr_assert(s.books[1].map_full.packets == 48);
	cr_assert(s.books[1].map_full.ip_bytes == 48 * 50);
	/* which is nothing to pairs that find their home free */
	for (uint32_t i = 1; i < 20; i++) {
		const struct count_key key = {1, ASM_DIR_OUT, 6, 0, i, i};
		uint32_t home = count_home(count_hash(&key), t.rows);
		struct asm_row *row = &t.row[home];

		if (home <= 500 || row->family)
			continue;
		run(BPFT_EGRESS, make(6, i, i, 10), 2);
		cr_assert(row->packets == 2 && row->src_ix == i);
		free_homes++;
	}
	cr_assert_gt(free_homes, 2);
	check_order(0);
	bpft_close(&t);
}

/* A program writes to the bank of the moment, and to no other. */
Test(count, banks)
{
	struct asm_port before;
	uint32_t other, quiet;

	open_sized(64, 4);
	run(BPFT_XDP, make(4, 1, 2, 10), 3);
	quiet = 0 * ASM_PORT_SLOTS + 1; /* bank 0, CPU 0 */
	other = t.n_cpus * ASM_PORT_SLOTS + 1;
	cr_assert(t.ports[quiet].rx.seen.packets == 3);
	cr_assert(t.ports[other].rx.seen.packets == 0);
	before = t.ports[quiet];
	t.state->bank = 1;
	run(BPFT_XDP, make(4, 1, 2, 10), 4);
	run(BPFT_EGRESS, make(4, 1, 2, 10), 5);
	cr_assert(!memcmp(&before, &t.ports[quiet], sizeof(before)));
	cr_assert(t.ports[other].rx.attributed.packets == 4);
	cr_assert(t.ports[other].tx.attributed.packets == 5);
	cr_assert(t.cpu[0].n_used == 1 && t.cpu[t.n_cpus].n_used == 2);
	t.state->bank = 2; /* only the low bit means anything */
	run(BPFT_XDP, make(4, 1, 2, 10), 1);
	cr_assert(t.ports[quiet].rx.seen.packets == 4);
	bpft_close(&t);
}

/* Slots: an interface is found within its probes, else it is unlisted; its
 * rows carry its number all the same. */
Test(count, interface_slots)
{
	struct bpft_total s;

	open_sized(64, 4);
	t.ifs[1].ifindex = 0;
	run(BPFT_XDP, make(4, 1, 2, 10), 2);
	bpft_total(&t, ASM_IF_UNLISTED, &s);
	check_equations(&s);
	cr_assert(s.books[0].attributed.packets == 2);
	cr_assert(s.row.ifindex == 1);
	for (uint32_t probe = 0; probe < 6; probe++) {
		bool listed = probe < ASM_IF_PROBES;

		bpft_zero(&t);
		for (uint32_t i = 0; i < 8; i++)
			t.ifs[1 + i].ifindex =
				i < probe ? 257 + i : (i == probe ? 1 : 0);
		run(BPFT_XDP, make(4, 1, 2, 10), 1);
		bpft_total(&t, listed ? 1 + probe : ASM_IF_UNLISTED, &s);
		cr_assert(s.books[0].attributed.packets == 1, "probe %u",
			  probe);
		cr_assert(
			t.ports[listed ? 1 + probe : ASM_IF_UNLISTED].ifindex ==
			1);
	}
	bpft_close(&t);
}

/* Families and directions are apart, even for the same two ASes. */
Test(count, keys_apart)
{
	struct bpft_total s;

	open_sized(64, 4);
	run(BPFT_XDP, make(4, 1, 2, 10), 1);
	run(BPFT_XDP, make(6, 1, 2, 10), 1);
	run(BPFT_XDP, make(4, 2, 1, 10), 1);
	run(BPFT_XDP, make(6, 2, 1, 10), 1);
	run(BPFT_EGRESS, make(4, 1, 2, 10), 1);
	run(BPFT_EGRESS, make(6, 1, 2, 10), 1);
	run(BPFT_XDP, make(4, 1, 1, 10), 1);
	run(BPFT_XDP, make(4, 0, 2, 10), 1);
	run(BPFT_XDP, make(4, 2, 0, 10), 1);
	run(BPFT_XDP, make(4, 0, 0, 10), 1);
	bpft_total(&t, 1, &s);
	check_equations(&s);
	cr_assert(s.n_rows == 10, "%u rows", s.n_rows);
	cr_assert(s.books[0].unknown_as.packets == 3);
	cr_assert(s.books[0].attributed.packets == 5);
	cr_assert(s.books[1].attributed.packets == 2);
	/* again: no new rows */
	run(BPFT_XDP, make(6, 2, 1, 10), 7);
	run(BPFT_INGRESS, make(4, 1, 2, 10), 7);
	bpft_total(&t, 1, &s);
	cr_assert(s.n_rows == 10 && s.rows.packets == 24);
	bpft_close(&t);
}

/* A full line sends its pairs on, and they are found there again. */
Test(count, lines_run_over)
{
	uint32_t src, dst, asked[4] = {0}, most = 0;
	struct bpft_total s;

	/* 58 pairs on four lines, and one line is asked for more than 16 */
	open_sized(751, 4);
	crowd(500);
	for (uint32_t i = 0; i < 58; i++) {
		struct count_key key = {1, ASM_DIR_IN, 4, 0, 0, 0};

		pick(ASM_DIR_IN, 4, 500, 200 + i, &src, &dst);
		run(BPFT_XDP, make(4, src, dst, 10), 1);
		key.src_ix = src;
		key.dst_ix = dst;
		most = MAX(most, ++asked[count_hash(&key) & 3]);
	}
	bpft_total(&t, 1, &s);
	cr_assert(s.n_rows == 558, "%u rows", s.n_rows);
	cr_assert_gt(most, 16, "nothing was tested");
	bpft_zero(&t);
	crowd(500);
	for (uint32_t round = 1; round <= 3; round++) {
		for (uint32_t i = 0; i < 119; i++) {
			pick(ASM_DIR_IN, 4, 500, 200 + i, &src, &dst);
			run(BPFT_XDP, make(4, src, dst, 10), 1);
		}
		bpft_total(&t, 1, &s);
		check_equations(&s);
		cr_assert(s.n_rows == 564, "%u rows", s.n_rows);
		cr_assert(s.books[0].attributed.packets == 64 * round);
		cr_assert(s.books[0].map_full.packets == 55 * round);
	}
	for (uint32_t i = 501; i <= 564; i++)
		cr_assert(t.row[i].packets == 3, "row %u", i);
	bpft_close(&t);
}

/* Whether a slot before this one has its tag. */
static bool is_twin(const uint32_t slot[ASM_INDEX_WAYS], uint32_t at)
{
	for (uint32_t i = 0; slot[at] && i < at; i++) {
		if (slot[i] && slot[i] >> 20 == slot[at] >> 20)
			return true;
	}
	return false;
}

/* Same line, same tag, another key: for each pair the books of one direction
 * or family against the other; some of them collide. */
Test(count, tags_collide)
{
	unsigned collisions = 0;

	open_sized(4096, 1);
	crowd(4000);
	for (uint32_t src = 1; src < N_AS; src++)
		for (uint32_t dst = 1; dst < N_AS; dst++) {
			const uint32_t *slot = t.index[0].slot;

			if (!is_crowded(ASM_DIR_IN, 4, src, dst, 4000) ||
			    !is_crowded(ASM_DIR_OUT, 4, src, dst, 4000) ||
			    !is_crowded(ASM_DIR_IN, 6, src, dst, 4000))
				continue;
			run(BPFT_XDP, make(4, src, dst, 10), 1);
			run(BPFT_EGRESS, make(4, src, dst, 10), 1);
			run(BPFT_XDP, make(6, src, dst, 10), 1);
			cr_assert(t.cpu[0].n_used == 4003, "%u rows",
				  t.cpu[0].n_used);
			for (uint32_t i = 1; i < ASM_INDEX_WAYS; i++)
				collisions += is_twin(slot, i);
			memset(t.index, 0, t.index_len);
			memset(&t.row[4001], 0, 3 * sizeof(t.row[0]));
			t.cpu[0].n_used = 4000;
		}
	cr_assert(collisions > 0, "no collision: nothing was tested");
	bpft_close(&t);
}
