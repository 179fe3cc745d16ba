/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows emptied into asm_past, and killed over it after every single machine
 * instruction: what a process finds that comes after is, each time, exactly
 * what was counted. The maps are shared memory here, the programs a few lines
 * that do what bpf/count.h does, and the oracle an array of totals.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asmeter/index.h"
#include "kernel/past.h"

#define PAIRS 60u
#define CPUS  2u
#define PARTS (CPUS * ASM_BANKS)
#define ROWS  17u /* 16 of them are used */
#define LINES 2u
#define ROOM  (PARTS * ROWS)
#define LEN   77u /* bytes of a packet; 91 on the wire */

/* The maps, as they would be pinned. */
struct maps {
	struct asm_state state;
	struct asm_cpu cpu[PARTS];
	struct asm_index_line index[PARTS * LINES];
	struct asm_row rows[PARTS * ROWS];
	struct asm_past past[ROOM];
};

struct world {
	struct maps *m; /* shared with children */
	uint64_t sent[PAIRS];
	uint64_t full;
	unsigned seed;
};

static struct past_maps views(struct maps *m)
{
	return (struct past_maps){.state = &m->state,
				  .cpu = m->cpu,
				  .index = m->index,
				  .rows = m->rows,
				  .past = m->past};
}

static struct maps *maps_new(void)
{
	struct maps *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(m != MAP_FAILED);
	m->state = (struct asm_state){.n_cpus = CPUS,
				      .rows = ROWS,
				      .homes = ROWS - 1,
				      .index_lines = LINES};
	return m;
}

static unsigned roll(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

/* ------------------------------------------------------------- programs */

static bool is_pair(const struct asm_row *r, uint32_t pair)
{
	return r->src_ix == pair + 1 && r->dst_ix == 2 * pair + 1 &&
	       r->ifindex == 7;
}

/* Row `number` (0: the first free one) becomes the next in use. */
static struct asm_row *new_row(struct maps *m, uint32_t part, uint32_t pair,
			       uint32_t *number)
{
	struct asm_row *rows = &m->rows[part * ROWS], *r;
	uint32_t order[ROWS] = {0}, at, n = m->cpu[part].n_used + 1;

	if (n == ROWS)
		return NULL;
	for (uint32_t i = 1; i < ROWS; i++)
		order[i] = i ^ rows[i].nth;
	for (at = n; *number && order[at] != *number; at++)
		cr_assert_lt(at, ROWS - 1);
	*number = order[at];
	order[at] = order[n];
	order[n] = *number;
	for (uint32_t i = 1; i < ROWS; i++) {
		rows[i].nth = i ^ order[i];
		rows[order[i]].rank = order[i] ^ i;
	}
	m->cpu[part].n_used = n;
	r = &rows[*number];
	cr_assert(!r->family && !r->packets && !r->moved);
	r->src_ix = pair + 1;
	r->dst_ix = 2 * pair + 1;
	r->src_as = 64500 + pair;
	r->dst_as = 64700 + pair;
	r->ifindex = 7;
	r->dir = pair & 1;
	r->family = pair & 2 ? 6 : 4;
	return r;
}

/* The row that a packet's hash leads to, as bpf/count.h finds it; NULL: none.
 */
static struct asm_row *row_find(struct maps *m, uint32_t part, uint32_t pair,
				bool make)
{
	const struct count_key key = {.ifindex = 7,
				      .dir = pair & 1,
				      .family = pair & 2 ? 6 : 4,
				      .src_ix = pair + 1,
				      .dst_ix = 2 * pair + 1};
	uint32_t hash = count_hash(&key), tag = hash & ~COUNT_ROW_MASK;
	uint32_t home = count_home(hash, ROWS), number = 0;
	struct asm_row *rows = &m->rows[part * ROWS];

	for (uint32_t i = home + 3; i >= home; i--) {
		if (i < ROWS && is_pair(&rows[i], pair))
			return &rows[i];
		if (i < ROWS && !rows[i].family)
			number = i;
	}
	home = number;
	for (uint32_t i = 0; i < COUNT_LINES; i++) {
		struct asm_index_line *l =
			&m->index[part * LINES + (hash + i) % LINES];

		for (uint32_t k = 0; k < ASM_INDEX_WAYS; k++) {
			__u32 *slot = &l->slot[(COUNT_WAY(hash) + k) % 16];
			struct asm_row *r;

			if (!*slot) {
				r = make ? new_row(m, part, pair, &number)
					 : NULL;
				if (r && !home)
					*slot = tag | number;
				return r;
			}
			r = &rows[*slot & COUNT_ROW_MASK];
			if ((*slot & ~COUNT_ROW_MASK) == tag &&
			    is_pair(r, pair))
				return r;
		}
	}
	return NULL;
}

static void packet(struct world *w, uint32_t bank, uint32_t cpu, uint32_t pair)
{
	struct asm_row *r = row_find(w->m, bank * CPUS + cpu, pair, true);

	if (!r) {
		w->full++;
		return;
	}
	r->packets++;
	r->ip_bytes += LEN;
	r->wire_bytes += LEN + 14;
	w->sent[pair]++;
}

/* --------------------------------------------------------------- oracle */

static const struct asm_row *nth(const struct maps *m, uint32_t part,
				 uint32_t n)
{
	const struct asm_row *rows = &m->rows[part * ROWS];

	cr_assert_lt(n ^ rows[n].nth, ROWS);
	return &rows[n ^ rows[n].nth];
}

static void found(uint64_t got[PAIRS], uint32_t src_as, uint32_t dst_as,
		  const struct asm_measure *v)
{
	uint32_t pair = src_as - 64500;

	cr_assert(pair < PAIRS, "a pair that was never sent: %u", pair);
	cr_assert_eq(dst_as, 64700 + pair);
	cr_assert_eq(v->ip_bytes, v->packets * LEN);
	cr_assert_eq(v->wire_bytes, v->packets * (LEN + 14));
	got[pair] += v->packets;
}

/* What who comes after the kill reads from `left`. */
static void exact(const struct world *w, const struct maps *left,
		  const char *when)
{
	static struct maps m;
	const struct past_maps v = views(&m);
	uint64_t got[PAIRS] = {0};

	m = *left;
	past_resume(&v);
	cr_assert_eq(m.state.emptied, 0);
	for (uint32_t p = 0; p < PARTS; p++) {
		uint8_t met[ROWS] = {0};

		for (uint32_t i = 1; i < ROWS; i++) {
			const struct asm_row *r = nth(&m, p, i);
			struct asm_measure x = {r->packets, r->ip_bytes,
						r->wire_bytes};

			cr_assert_eq(i <= m.cpu[p].n_used, r->family != 0);
			if (r->family)
				found(got, r->src_as, r->dst_as, &x);
			else /* the next pairs find nothing in them */
				cr_assert_eq(r->packets, 0);
		}
		for (uint32_t i = 1; i < ROWS; i++) {
			uint32_t r =
				(uint32_t)(nth(&m, p, i) - &m.rows[p * ROWS]);

			cr_assert(r && !met[r]++, "row %u twice", r);
			cr_assert_eq(r ^ m.rows[p * ROWS + r].rank, i);
		}
	}
	for (uint32_t i = 0; i < past_used(&v); i++) {
		const struct asm_past *e = &m.past[i];

		cr_assert_eq(e->pending, 0);
		found(got, e->src_as, e->dst_as, &e->total);
	}
	for (uint32_t p = 0; p < PAIRS; p++)
		cr_assert_eq(got[p], w->sent[p], "%s: pair %u: %llu of %llu",
			     when, p, (unsigned long long)got[p],
			     (unsigned long long)w->sent[p]);
}

/* --------------------------------------------------------------- readers */

struct plan {
	uint32_t part;
	uint32_t entry[ROWS], keep[ROWS];
};

/* False: what is to be freed finds no room. */
static bool make_plan(struct world *w, uint32_t part, unsigned keep_of_8,
		      struct plan *p)
{
	const struct past_maps v = views(w->m);
	uint32_t kept = 0;

	*p = (struct plan){.part = part};
	for (uint32_t r = 1; r <= w->m->cpu[part].n_used; r++) {
		const struct asm_row *row = nth(w->m, part, r);

		p->entry[r] = PAST_NONE;
		for (uint32_t i = 0; i < past_used(&v); i++) {
			if (w->m->past[i].src_as == row->src_as)
				p->entry[r] = i;
		}
		if (p->entry[r] == PAST_NONE && row->packets)
			p->entry[r] = past_add(&v, row);
		if (p->entry[r] == PAST_NONE && row->packets)
			return false;
		p->keep[r] = roll(w, 8) < keep_of_8 ? ++kept : 0;
	}
	return true;
}

static void child_empty(struct maps *m, const struct plan *p)
{
	const struct past_maps v = views(m);

	past_empty(&v, p->part, p->entry, p->keep);
}

static void child_resume(struct maps *m, const struct plan *p)
{
	const struct past_maps v = views(m);

	(void)p;
	past_resume(&v);
}

/* Runs fn in a process that stops after each instruction; see(m) whenever one
 * of them has changed the maps. Returns how often that was. */
static unsigned stepped(struct world *w, struct maps *m,
			void (*fn)(struct maps *, const struct plan *),
			const struct plan *plan,
			void (*see)(struct world *, struct maps *, unsigned))
{
	struct maps *last = malloc(sizeof(*last));
	unsigned changes = 0;
	pid_t pid;
	int st;

	cr_assert(last);
	*last = *m;
	pid = fork();
	if (!pid) {
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		(void)raise(SIGSTOP);
		fn(m, plan);
		(void)raise(SIGKILL); /* nothing of an exit handler */
	}
	cr_assert(pid > 0);
	for (;;) {
		cr_assert_eq(waitpid(pid, &st, 0), pid);
		if (!WIFSTOPPED(st))
			break;
		cr_assert(WSTOPSIG(st) == SIGTRAP || WSTOPSIG(st) == SIGSTOP,
			  "signal %d", WSTOPSIG(st));
		if (memcmp(last, m, sizeof(*m))) {
			*last = *m;
			see(w, last, changes++);
		}
		cr_assert_eq(ptrace(PTRACE_SINGLESTEP, pid, 0, 0), 0);
	}
	cr_assert(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	free(last);
	return changes;
}

static void see_resume(struct world *w, struct maps *m, unsigned n)
{
	(void)n;
	exact(w, m, "killed while resuming");
}

static void see_empty(struct world *w, struct maps *m, unsigned n)
{
	exact(w, m, "killed while emptying");
	if (n % 11)
		return;
	struct maps *copy = maps_new();

	*copy = *m;
	(void)stepped(w, copy, child_resume, NULL, see_resume);
	exact(w, copy, "resumed");
	(void)munmap(copy, sizeof(*copy));
}

static void traffic(struct world *w, uint32_t bank, unsigned n, uint32_t first,
		    uint32_t pairs)
{
	while (n--)
		packet(w, bank, roll(w, CPUS), first + roll(w, pairs));
}

/* ----------------------------------------------------------------- tests */

Test(past, killed_after_each_instruction, .timeout = 300)
{
	struct world w = {.m = maps_new(), .seed = 20261126};
	struct plan p;
	unsigned n = 0;

	for (unsigned round = 0; round < 4; round++) {
		traffic(&w, 0, 200, round * 10, 20);
		traffic(&w, 1, 200, round * 10, 20);
		exact(&w, w.m, "before");
		cr_assert(make_plan(&w, round, round * 2, &p));
		n += stepped(&w, w.m, child_empty, &p, see_empty);
		exact(&w, w.m, "after");
		cr_assert_eq(w.m->state.freed_times, round + 1);
	}
	cr_assert_gt(n, 200, "only %u changes were seen", n);
	(void)munmap(w.m, sizeof(*w.m));
}

/* Pairs that come and go, emptied now and then, sometimes ended in the middle:
 * what has a row is counted, what has none is not, and nothing is lost. */
Test(past, random_traffic)
{
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct world w = {.m = maps_new(), .seed = seed};
		uint64_t packets = 0, sent = 0;
		struct plan p;

		for (unsigned round = 0; round < 40; round++) {
			uint32_t bank = round & 1;
			uint32_t part = (bank ^ 1) * CPUS + roll(&w, CPUS);
			unsigned n = roll(&w, 60);

			traffic(&w, bank, n, roll(&w, PAIRS - 12), 12);
			packets += n;
			cr_assert(make_plan(&w, part, roll(&w, 9), &p));
			child_empty(w.m, &p);
			exact(&w, w.m, "emptied");
		}
		for (uint32_t i = 0; i < PAIRS; i++)
			sent += w.sent[i];
		cr_assert_eq(sent + w.full, packets);
		cr_assert_gt(w.m->state.freed_rows, 0);
		(void)munmap(w.m, sizeof(*w.m));
	}
}

/* Kept rows are found where they are, freed ones go to others. */
Test(past, rows_are_kept_and_given_out_again)
{
	struct world w = {.m = maps_new(), .seed = 5};
	const struct past_maps v = views(w.m);
	struct asm_row *was[16];
	uint32_t kept = 0;
	struct plan p;

	for (uint32_t pair = 0; pair < 16; pair++)
		packet(&w, 0, 0, pair);
	packet(&w, 0, 0, 16);
	cr_assert_eq(w.full, 1);
	cr_assert(make_plan(&w, 0, 0, &p));
	/* pairs 2, 3, 6, 7, 10 ... are kept */
	for (uint32_t n = 1; n < ROWS; n++) {
		if ((nth(w.m, 0, n)->src_ix - 1) & 2)
			p.keep[n] = ++kept;
	}
	for (uint32_t pair = 0; pair < 16; pair++)
		was[pair] = row_find(w.m, 0, pair, false);
	past_empty(&v, 0, p.entry, p.keep);
	cr_assert(kept == 8 && w.m->cpu[0].n_used == 8);
	cr_assert_eq(w.m->state.freed_rows, 8);
	cr_assert_eq(past_used(&v), 16);
	for (uint32_t pair = 0; pair < 16; pair++) {
		const struct asm_row *r = row_find(w.m, 0, pair, false);

		cr_assert_eq(r != NULL, (pair & 2) != 0);
		cr_assert(!r || r == was[pair]);
		cr_assert(!r || (!r->packets && !r->ip_bytes));
	}
	for (uint32_t pair = 20; pair < 28; pair++)
		packet(&w, 0, 0, pair);
	cr_assert_eq(w.full, 1);
	exact(&w, w.m, "given out again");
	packet(&w, 0, 0, 28);
	cr_assert_eq(w.full, 2);
	(void)munmap(w.m, sizeof(*w.m));
}

Test(past, room_is_bounded)
{
	struct maps *m = maps_new();
	const struct past_maps v = views(m);
	const struct asm_row row = {.src_as = 1, .dst_as = 2, .ifindex = 7};

	cr_assert_eq(past_room(&v), ROOM);
	for (uint32_t i = 0; i < ROOM; i++)
		cr_assert_eq(past_add(&v, &row), i);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(past_add(&v, &row), PAST_NONE);
	cr_assert_eq(past_used(&v), ROOM);
	(void)munmap(m, sizeof(*m));
}

/* A state that no program of ours has written. */
Test(past, damaged_state_stays_inside)
{
	static struct maps before;
	struct maps *m = maps_new();
	struct plan p;
	const struct past_maps v = views(m);

	m->state.emptied = PARTS + 1;
	m->state.n_past = UINT64_MAX;
	m->cpu[1].n_rows = m->cpu[1].n_used = UINT32_MAX;
	m->past[3].pending = 1;
	past_resume(&v);
	cr_assert_eq(m->state.emptied, 0);
	cr_assert_eq(past_used(&v), ROOM);
	cr_assert_eq(m->past[3].pending, 0);
	m->state.emptied = 2;
	past_resume(&v);
	cr_assert(!m->cpu[1].n_used && m->cpu[1].n_rows == ROWS - 1);
	m->cpu[1].n_used = ROWS;
	cr_assert_eq(rows_used(&m->cpu[1], ROWS), ROWS - 1);
	m->cpu[1].n_used = UINT32_MAX;
	for (uint32_t i = 0; i < ROWS; i++) {
		m->rows[ROWS + i].nth = (i & 1 ? 0xffffffff : 17) - i;
		m->rows[ROWS + i].rank = UINT32_MAX;
		p.keep[i] = i;
		p.entry[i] = PAST_NONE;
	}
	before = *m;
	past_empty(&v, 1, p.entry, p.keep);
	/* whatever it made of them, it is in their own part */
	cr_assert(!memcmp(m->rows, before.rows, ROWS * sizeof(*m->rows)));
	cr_assert(!memcmp(m->rows + 2 * ROWS, before.rows + 2 * ROWS,
			  2 * ROWS * sizeof(*m->rows)));
	cr_assert_lt(m->cpu[1].n_used, ROWS);
	(void)munmap(m, sizeof(*m));
}
