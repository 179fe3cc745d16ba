/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The drain against the real programs: two threads run xdp_meter and
 * tc_egress as fast as BPF_PROG_TEST_RUN goes, each on its own CPU, while the
 * banks are flipped and read without pause. Every equation of asmeter/abi.h
 * must hold at every single read, and in the end nothing may be missing.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/counters_int.h"
#include "kernel/load.h"
#include "kernel/migrate.h"

#define PIN_DIR "/sys/fs/bpf/test"
#define LEN     100 /* of each frame */
#define CUT     16  /* of one in 16 */
#define IP_LEN  (LEN - 14)

struct rig {
	struct kern k;
	uint32_t *words;
	struct asm_as *as;
};

/* Loads with so many rows; 198.18.0.0/15 belongs to no AS, and the n_as /20
 * from 10.0.0.0 on to AS 64512 and the following (index 1 and following). */
static void rig_open_lines(struct rig *r, uint32_t rows, uint32_t n_as,
			   uint32_t lines)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR,
			       .rows = rows,
			       .index_lines = lines,
			       .table_words = 1u << 21};
	char msg[KERN_MSG_LEN];
	int rc;

	/* what a failed test has left */
	(void)kern_unpin(PIN_DIR, msg, sizeof(msg));
	rc = kern_load(&cfg, &r->k, msg, sizeof(msg));
	cr_assert_eq(rc, 0, "%s", msg);
	r->words = mmap(NULL, 4u << 21, PROT_READ | PROT_WRITE, MAP_SHARED,
			r->k.map_fd[ASM_MAP_TABLE], 0);
	r->as = mmap(NULL, sizeof(struct asm_as) * ASM_AS_SLOTS,
		     PROT_READ | PROT_WRITE, MAP_SHARED,
		     r->k.map_fd[ASM_MAP_AS], 0);
	cr_assert(r->words != MAP_FAILED && r->as != MAP_FAILED);
	for (uint32_t i = 1; i <= n_as; i++) {
		r->as[i].asn = 64511 + i;
		r->words[(10u << 12) + i - 1] = i; /* a leaf of the root */
	}
}

static void rig_open(struct rig *r, uint32_t rows, uint32_t n_as)
{
	rig_open_lines(r, rows, n_as, 0);
}

static void rig_close(struct rig *r)
{
	char msg[KERN_MSG_LEN];

	munmap(r->words, 4u << 21);
	munmap(r->as, sizeof(struct asm_as) * ASM_AS_SLOTS);
	kern_done(&r->k);
	cr_assert_eq(kern_unpin(PIN_DIR, msg, sizeof(msg)), 0, "%s", msg);
}

/* An IPv4 frame from one address to the other. */
static void frame_set(uint8_t f[LEN], uint32_t src, uint32_t dst)
{
	uint32_t s = htonl(src), d = htonl(dst);

	memset(f, 0, LEN);
	f[12] = 0x08;
	f[14] = 0x45;
	f[17] = IP_LEN;
	f[22] = 64;
	f[23] = 17;
	memcpy(f + 26, &s, 4);
	memcpy(f + 30, &d, 4);
}

static int run_opts(int prog_fd, struct bpf_test_run_opts *o, uint8_t *f,
		    uint32_t len, unsigned repeat)
{
	o->data_in = f;
	o->data_size_in = len;
	o->repeat = (int)repeat;
	return bpf_prog_test_run_opts(prog_fd, o);
}

static void run(int prog_fd, uint8_t *f, uint32_t len, unsigned repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, o);
	int rc = run_opts(prog_fd, &o, f, len, repeat);

	cr_assert_eq(rc, 0, "test run: %s", strerror(errno));
}

/* The queueing layer has written the wire length when tc_egress runs. */
static void run_egress(int prog_fd, uint8_t *f, uint32_t len, unsigned repeat)
{
	struct __sk_buff skb = {.wire_len = len};
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	int rc = run_opts(prog_fd, &o, f, len, repeat);

	cr_assert_eq(rc, 0, "test run: %s", strerror(errno));
}

/* ------------------------------------------------------------- the sink */

struct sums {
	struct asm_measure seen, bucket[ASM_VERDICTS], rows;
	uint32_t pairs;
	uint64_t *of_pair; /* packets by id, of the read before; may be NULL */
	size_t cap;
	bool shrunk, repeated;
	uint32_t next_id;
};

static void add(struct asm_measure *to, const struct asm_measure *m)
{
	to->packets += m->packets;
	to->ip_bytes += m->ip_bytes;
	to->wire_bytes += m->wire_bytes;
}

static void on_pair(void *ctx, uint32_t id, const struct asm_row *row)
{
	struct asm_measure m = {row->packets, row->ip_bytes, row->wire_bytes};
	struct sums *s = ctx;

	add(&s->rows, &m);
	s->pairs++;
	if (id != s->next_id++)
		s->repeated = true;
	if (!s->of_pair || id >= s->cap)
		return;
	if (row->packets < s->of_pair[id])
		s->shrunk = true;
	s->of_pair[id] = row->packets;
}

static void on_port(void *ctx, uint32_t slot, const struct asm_if *ifc,
		    const struct asm_books *rx, const struct asm_books *tx)
{
	const struct asm_books *b[] = {rx, tx};
	struct sums *s = ctx;

	(void)slot;
	(void)ifc;
	for (int d = 0; d < 2; d++) {
		const struct asm_measure *m = &b[d]->attributed;

		add(&s->seen, &b[d]->seen);
		for (int v = 0; v < ASM_VERDICTS; v++)
			add(&s->bucket[v], m + v);
	}
}

static const struct counters_sink sink = {.pair = on_pair, .port = on_port};

static bool same(const struct asm_measure *a, const struct asm_measure *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* One drain, and all that must hold after it. */
static struct sums drain(struct counters *c, uint64_t *of_pair, size_t cap)
{
	struct sums s = {.of_pair = of_pair, .cap = cap};
	struct asm_measure all = {0}, ip;

	counters_flip(c);
	cr_assert_eq(counters_grace(c), 0);
	cr_assert_eq(counters_read(c, &sink, &s), 0);
	for (int v = 0; v < ASM_VERDICTS; v++)
		add(&all, &s.bucket[v]);
	ip = s.bucket[ASM_ATTRIBUTED];
	add(&ip, &s.bucket[ASM_UNKNOWN_AS]);
	cr_assert(same(&all, &s.seen), "the buckets are not what was seen");
	cr_assert(same(&ip, &s.rows), "the rows are not what the books say");
	cr_assert(!s.shrunk, "a counter went down");
	cr_assert(!s.repeated, "a pair came twice, or not in order");
	return s;
}

/* ---------------------------------------------------------------- tests */

struct load {
	pthread_t thread;
	int cpu, prog_fd;
	void (*run)(int prog_fd, uint8_t *f, uint32_t len, unsigned repeat);
	uint32_t n_as;
	unsigned calls, repeat;
	uint64_t sent;
};

/* Few calls with many repeats: each call of an XDP program waits for grace
 * periods of its own. */
static void *load_main(void *arg)
{
	struct load *l = arg;
	cpu_set_t set;
	uint8_t f[LEN];

	CPU_ZERO(&set);
	CPU_SET((unsigned)l->cpu, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	for (unsigned i = 0; i < l->calls; i++) {
		uint32_t src = i % l->n_as, dst = (i * 7 + 3) % l->n_as;

		frame_set(f, (10u << 24) + (src << 12) + i,
			  (10u << 24) + (dst << 12));
		if (i % 16 == 1) /* no route */
			frame_set(f, 0xc6120001, (10u << 24) + (dst << 12));
		if (i % 16 == 2) /* ARP */
			f[13] = 0x06;
		if (i % 16 == 3) /* IHL */
			f[14] = 0x44;
		if (i % 16 == 4) /* a VLAN tag, cut */
			f[12] = 0x81;
		l->run(l->prog_fd, f, i % 16 == 4 ? CUT : LEN, l->repeat);
		l->sent += l->repeat;
	}
	return NULL;
}

Test(counters, exact_under_load)
{
	struct load l[2];
	struct rig r;
	struct counters *c;
	struct sums s, again;
	uint64_t *of_pair = calloc(1u << 16, sizeof(*of_pair));
	unsigned drains = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	rig_open(&r, 1u << 16, 200);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	for (int i = 0; i < 2; i++) {
		l[i] = (struct load){.cpu = i % (int)cpus,
				     .prog_fd = r.k.prog_fd[i ? KERN_PROG_EGRESS
							      : KERN_PROG_XDP],
				     .run = i ? run_egress : run,
				     .n_as = 200,
				     .calls = 64,
				     .repeat = 31250};
		cr_assert_eq(pthread_create(&l[i].thread, NULL, load_main,
					    &l[i]),
			     0);
	}
	do {
		s = drain(c, of_pair, 1u << 16);
		drains++;
	} while (s.seen.packets < UINT64_C(3900000) && drains < 100000);
	for (int i = 0; i < 2; i++)
		pthread_join(l[i].thread, NULL);
	s = drain(c, of_pair, 1u << 16);
	s = drain(c, of_pair, 1u << 16);
	cr_assert_eq(s.seen.packets, l[0].sent + l[1].sent);
	cr_assert_eq(s.seen.packets, UINT64_C(4000000));
	cr_assert_eq(s.seen.wire_bytes,
		     UINT64_C(250000) * CUT + UINT64_C(3750000) * LEN);
	cr_assert_eq(s.bucket[ASM_NOT_IP].packets, 250000);
	cr_assert_eq(s.bucket[ASM_MALFORMED].packets, 250000);
	cr_assert_eq(s.bucket[ASM_TRUNCATED].packets, 250000);
	cr_assert_eq(s.bucket[ASM_UNKNOWN_AS].packets, 250000);
	cr_assert_eq(s.bucket[ASM_MAP_FULL].packets, 0);
	cr_assert_eq(s.rows.ip_bytes, UINT64_C(3250000) * IP_LEN);
	fprintf(stderr,
		"note: %u drains during 4,000,000 packets, exact at each\n",
		drains);

	/* a process that starts afresh finds the same */
	counters_close(c);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	again = drain(c, NULL, 0);
	cr_assert(same(&again.seen, &s.seen));
	counters_close(c);
	free(of_pair);
	rig_close(&r);
}

/* More than 100,000 pairs; what the drain takes is shown, not asserted. */
Test(counters, many_pairs)
{
	struct counters_stats st;
	struct rig r;
	struct counters *c;
	struct sums s;
	uint8_t f[LEN];

	rig_open(&r, 1u << 17, 330);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	for (uint32_t i = 0; i < 330; i++) {
		for (uint32_t k = 0; k < 330; k++) {
			frame_set(f, (10u << 24) + (i << 12),
				  (10u << 24) + (k << 12));
			run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 1 + (i == k));
		}
	}
	for (int i = 0; i < 3; i++)
		s = drain(c, NULL, 0);
	cr_assert_eq(s.seen.packets, 330 * 330 + 330);
	cr_assert_eq(s.pairs, 330 * 330);
	counters_stats(c, &st);
	cr_assert_eq(st.pairs, 330 * 330);
	cr_assert_eq(st.rows, 1u << 17);
	cr_assert_geq(st.rows_used_max,
		      330 * 330 / sysconf(_SC_NPROCESSORS_CONF));
	fprintf(stderr, "note: %u pairs drained in %.2f ms\n", st.pairs,
		(double)st.last_drain_ns / 1e6);
	counters_close(c);
	rig_close(&r);
}

Test(counters, full_rows)
{
	struct rig r;
	struct counters *c;
	struct sums s;
	uint8_t f[LEN];

	rig_open(&r, 11, 100); /* ten rows, row 0 is not used */
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		frame_set(f, (10u << 24) + (i % 100 << 12), 10u << 24);
		run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 1);
	}
	s = drain(c, NULL, 0);
	s = drain(c, NULL, 0);
	cr_assert_eq(s.seen.packets, 10000);
	cr_assert_gt(s.bucket[ASM_MAP_FULL].packets, 0);
	cr_assert_eq(s.bucket[ASM_MAP_FULL].ip_bytes,
		     s.bucket[ASM_MAP_FULL].packets * IP_LEN);
	cr_assert_geq(s.pairs, 10);
	counters_close(c);
	rig_close(&r);
}

/* ------------------------------------------------------------ rows freed */

/* Everything quiet is freed at each drain, while both threads count. */
Test(counters, exact_while_rows_are_freed)
{
	struct load l[2];
	struct counters_stats st;
	struct rig r;
	struct counters *c;
	struct sums s, again;
	uint64_t *of_pair = calloc(1u << 10, sizeof(*of_pair));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t freed;

	rig_open(&r, 41, 40); /* 80 pairs each way want one of 40 rows */
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	for (int i = 0; i < 2; i++) {
		l[i] = (struct load){.cpu = i % (int)cpus,
				     .prog_fd = r.k.prog_fd[i ? KERN_PROG_EGRESS
							      : KERN_PROG_XDP],
				     .run = i ? run_egress : run,
				     .n_as = 40,
				     .calls = 160,
				     .repeat = 12500};
		cr_assert_eq(pthread_create(&l[i].thread, NULL, load_main,
					    &l[i]),
			     0);
	}
	do {
		s = drain(c, of_pair, 1u << 10);
		cr_assert_eq(counters_free(c, mono_now(), 0, &freed), 0);
	} while (s.seen.packets < 2 * 160 * 12500 - 25000);
	for (int i = 0; i < 2; i++)
		pthread_join(l[i].thread, NULL);
	(void)drain(c, of_pair, 1u << 10);
	s = drain(c, of_pair, 1u << 10);
	cr_assert_eq(s.seen.packets, 2 * 160 * 12500);
	counters_stats(c, &st);
	cr_assert_gt(st.freed_rows, 0);
	fprintf(stderr, "note: %llu rows freed in %llu parts under load\n",
		(unsigned long long)st.freed_rows,
		(unsigned long long)st.freed_times);
	counters_close(c);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	again = drain(c, NULL, 0);
	cr_assert(same(&again.seen, &s.seen) && same(&again.rows, &s.rows));
	cr_assert_eq(again.pairs, s.pairs);
	counters_close(c);
	free(of_pair);
	rig_close(&r);
}

#define COME 8 /* pairs at a time */
#define GO   8 /* times that others come; 64 totals fit */

struct expect {
	uint64_t sent[COME * GO];
	uint32_t wrong, seen;
};

static void on_expected(void *ctx, uint32_t id, const struct asm_row *row)
{
	struct expect *e = ctx;
	uint32_t pair = row->src_as - 64512;

	(void)id;
	if (pair >= COME * GO || row->dst_as != 64512 ||
	    row->packets != e->sent[pair] ||
	    row->ip_bytes != row->packets * IP_LEN ||
	    row->wire_bytes != row->packets * LEN)
		e->wrong++;
	e->seen += row->packets > 0;
}

static void on_no_port(void *ctx, uint32_t slot, const struct asm_if *ifc,
		       const struct asm_books *rx, const struct asm_books *tx)
{
	(void)ctx;
	(void)slot;
	(void)ifc;
	(void)rx;
	(void)tx;
}

static void expect_exact(struct counters *c, struct expect *e)
{
	const struct counters_sink to = {.pair = on_expected,
					 .port = on_no_port};
	uint32_t want = 0;

	for (uint32_t i = 0; i < COME * GO; i++)
		want += e->sent[i] > 0;
	e->wrong = e->seen = 0;
	counters_flip(c);
	cr_assert_eq(counters_grace(c), 0);
	cr_assert_eq(counters_read(c, &to, e), 0);
	cr_assert(e->wrong == 0 && e->seen == want,
		  "%u pairs wrong, %u of %u there", e->wrong, e->seen, want);
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Seventeen rows for pairs that come, stay for two drains and go: each has a
 * row when it comes, no packet goes to map_full, every total is right at every
 * drain, and for a process that starts afresh. */
Test(counters, quiet_pairs_give_way)
{
	struct expect e = {.sent = {0}};
	struct counters_stats st;
	struct counters *c;
	struct mono before;
	struct sums s;
	uint32_t freed, all = 0;
	uint8_t f[LEN];
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 17, COME * GO);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	for (uint32_t turn = 0; turn < 4 * GO; turn++) {
		/* of the last ones, those that stay, and those that come */
		uint32_t first = turn % (2 * GO) / 2 * COME;

		if (turn % 7 == 3) { /* killed; begun anew */
			counters_close(c);
			cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
		}
		before = mono_now();
		for (uint32_t i = first; i < first + COME; i++) {
			frame_set(f, (10u << 24) + (i << 12), 10u << 24);
			run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 1 + i % 3);
			e.sent[i] += 1 + i % 3;
		}
		expect_exact(c, &e);
		struct mono now = mono_now();

		cr_assert_eq(counters_free(c, now, mono_diff_ns(before, now),
					   &freed),
			     0);
		all += freed;
	}
	s = drain(c, NULL, 0);
	s = drain(c, NULL, 0);
	cr_assert_eq(s.bucket[ASM_MAP_FULL].packets, 0);
	cr_assert_eq(s.pairs, COME * GO);
	counters_stats(c, &st);
	cr_assert(all > 0 && st.freed_rows == all, "%u of %llu freed", all,
		  (unsigned long long)st.freed_rows);
	cr_assert(!st.no_room && st.past <= st.past_room);
	counters_close(c);
	rig_close(&r);
}

/* More pairs than there can be totals: nothing is freed, all is counted. */
Test(counters, no_room_for_what_was_freed)
{
	struct counters_stats st;
	struct counters *c;
	struct sums s;
	uint64_t sent = 0;
	uint32_t freed, n;
	uint8_t f[LEN];
	struct rig r;
	int err = 0;

	stay_on_one_cpu();
	rig_open(&r, 9, 4000);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	counters_stats(c, &st);
	n = st.past_room + 40;
	cr_assert_leq(n, 4000);
	for (uint32_t i = 0; i < n; i++, sent++) {
		frame_set(f, (10u << 24) + (i << 12), 10u << 24);
		run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 1);
		if (i % 8 != 7)
			continue;
		s = drain(c, NULL, 0);
		err = counters_free(c, mono_now(), 0, &freed);
		cr_assert(err ? err == -ENOSPC && !freed : freed == 8,
			  "%u: %d, %u freed", i, err, freed);
	}
	cr_assert_eq(err, -ENOSPC);
	counters_stats(c, &st);
	cr_assert(st.no_room && st.past == st.past_room);
	s = drain(c, NULL, 0);
	s = drain(c, NULL, 0);
	cr_assert_eq(s.seen.packets, sent);
	cr_assert_gt(s.bucket[ASM_MAP_FULL].packets, 0);
	cr_assert_leq(s.pairs, 2 * st.past_room);
	counters_close(c);
	rig_close(&r);
}

Test(counters, wrong_version)
{
	struct counters *c;
	struct asm_state st;
	uint32_t zero = 0;
	struct rig r;

	rig_open(&r, 64, 1);
	cr_assert_eq(bpf_map_lookup_elem(r.k.map_fd[ASM_MAP_STATE], &zero, &st),
		     0);
	st.abi_version++;
	cr_assert_eq(bpf_map_update_elem(r.k.map_fd[ASM_MAP_STATE], &zero, &st,
					 BPF_ANY),
		     0);
	cr_assert_eq(counters_open(r.k.map_fd, &c), -EPROTO);
	rig_close(&r);
}

/* The meter's life: descriptors that were handed over, and no privilege. The
 * exit code says what failed. */
static void meter_main(const int fds[ASM_MAP_COUNT])
{
	struct counters *c;
	struct sums s = {0};

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(1);
	if (bpf_map_create(BPF_MAP_TYPE_ARRAY, "mine", 4, 4, 1, NULL) >= 0)
		_exit(2); /* still privileged: the test would prove nothing */
	if (counters_open(fds, &c))
		_exit(3);
	counters_flip(c);
	if (counters_grace(c))
		_exit(4);
	if (counters_read(c, &sink, &s))
		_exit(5);
	_exit(s.seen.packets == 7 ? 0 : 6);
}

Test(counters, without_any_privilege)
{
	struct rig r;
	uint8_t f[LEN];
	int status = -1;
	pid_t pid;

	rig_open(&r, 64, 1);
	frame_set(f, 10u << 24, 10u << 24);
	run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 7);
	pid = fork();
	if (pid == 0)
		meter_main(r.k.map_fd);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x",
		  (unsigned)status);
	rig_close(&r);
}

/* ---------------------------------------------------------------- loading */

static void state_of(const struct kern *k, struct asm_state *ret)
{
	cr_assert_eq(bpf_map_lookup_elem(k->map_fd[ASM_MAP_STATE],
					 &(uint32_t){0}, ret),
		     0);
}

/* More entries than there is room for, as damaged pins may say. */
Test(counters, past_that_cannot_be)
{
	struct counters_stats st;
	struct asm_state state;
	struct counters *c;
	struct rig r;
	uint8_t f[LEN];

	/* room for more than is mapped at first */
	rig_open(&r, 16384, 1);
	frame_set(f, 10u << 24, 10u << 24);
	run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 5);
	state_of(&r.k, &state);
	state.n_past = UINT64_MAX - 3;
	cr_assert_eq(bpf_map_update_elem(r.k.map_fd[ASM_MAP_STATE],
					 &(uint32_t){0}, &state, BPF_ANY),
		     0);
	cr_assert_eq(counters_open(r.k.map_fd, &c), 0);
	cr_assert_eq(drain(c, NULL, 0).bucket[ASM_ATTRIBUTED].packets, 5);
	counters_stats(c, &st);
	cr_assert_eq(st.past, st.past_room);
	cr_assert_eq(c->past_mapped, st.past_room, "read, so mapped");
	counters_close(c);
	rig_close(&r);
}

Test(load, adopts_what_is_pinned)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	char msg[KERN_MSG_LEN];
	struct asm_state st;
	struct kern again;
	struct rig r;
	uint8_t f[LEN];
	struct counters *c;

	rig_open(&r, 64, 1);
	cr_assert(!r.k.adopted);
	frame_set(f, 10u << 24, 10u << 24);
	run(r.k.prog_fd[KERN_PROG_XDP], f, LEN, 5);

	/* sizes that were left open are taken from the pins */
	cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), 0, "%s", msg);
	cr_assert(again.adopted);
	run(again.prog_fd[KERN_PROG_XDP], f, LEN, 5);
	cr_assert_eq(counters_open(again.map_fd, &c), 0);
	cr_assert_eq(drain(c, NULL, 0).bucket[ASM_ATTRIBUTED].packets, 10);
	counters_close(c);
	kern_done(&again);

	cr_assert_eq(kern_open(PIN_DIR, &again, msg, sizeof(msg)), 0, "%s",
		     msg);
	kern_done(&again);

	/* other sizes: new maps, and the totals move to them */
	cfg.rows = 512;
	cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), 0, "%s", msg);
	run(again.prog_fd[KERN_PROG_XDP], f, LEN, 5);
	cr_assert_eq(counters_open(again.map_fd, &c), 0);
	cr_assert_eq(drain(c, NULL, 0).bucket[ASM_ATTRIBUTED].packets, 15);
	counters_close(c);

	/* another layout: refused, and the maps stay as they are */
	state_of(&again, &st);
	cr_assert_eq(st.rows, 512);
	st.abi_version = ASM_ABI_VERSION + 1;
	cr_assert_eq(bpf_map_update_elem(again.map_fd[ASM_MAP_STATE],
					 &(uint32_t){0}, &st, BPF_ANY),
		     0);
	kern_done(&again);
	cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), -EPROTO);
	cr_assert(strstr(msg, "version") && strstr(msg, "detach --all"), "%s",
		  msg);
	kern_done(&again);
	rig_close(&r);
	cr_assert_eq(kern_open(PIN_DIR, &again, msg, sizeof(msg)), -ENOENT);
}

/* What programs of a release without homes do, and its reader that frees rows:
 * in the maps of part 0. */
struct earlier {
	struct asm_row *rows;
	struct asm_cpu *cpu;
	uint32_t n;
};

static void *map_of(const struct rig *r, enum asm_map map, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->k.map_fd[map], 0);

	cr_assert(p != MAP_FAILED);
	return p;
}

static struct earlier earlier(const struct rig *r, uint32_t rows)
{
	return (struct earlier){
		map_of(r, ASM_MAP_ROWS, rows * sizeof(struct asm_row)),
		map_of(r, ASM_MAP_CPU, sizeof(struct asm_cpu)), rows};
}

/* Without the books of the port: see how it is called. */
static void earlier_packets(struct earlier *e, uint32_t src, uint32_t packets)
{
	uint32_t n = ++e->cpu->n_rows;

	cr_assert_lt(n, e->n);
	cr_assert(!e->rows[n].family, "row %u is somebody's", n);
	e->rows[n].src_as = e->rows[n].dst_as = 64512;
	e->rows[n].src_as += src;
	e->rows[n].src_ix = 1 + src;
	e->rows[n].dst_ix = 1;
	e->rows[n].ifindex = 1;
	e->rows[n].family = 4;
	e->rows[n].packets = packets;
	e->rows[n].ip_bytes = packets * IP_LEN;
	e->rows[n].wire_bytes = packets * LEN;
}

/* So many packets in the books of part 0, too. */
static void earlier_books(const struct rig *r, uint32_t packets)
{
	struct asm_port *ports =
		map_of(r, ASM_MAP_PORTS, ASM_PORT_SLOTS * sizeof(*ports));
	const struct asm_measure m = {packets, packets * IP_LEN, packets * LEN};

	for (uint32_t slot = 0; slot < ASM_PORT_SLOTS; slot++) {
		struct asm_books *b = &ports[slot].rx;

		if (!b->seen.packets)
			continue;
		add(&b->seen, &m);
		add(&b->attributed, &m);
	}
}

/* Makes the rows that are in use 1, 2, 3 ... and the only ones. */
static void earlier_order(struct earlier *e)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < e->n; i++) {
		struct asm_row row = e->rows[i];

		memset(&e->rows[i], 0, sizeof(row));
		if (!row.family)
			continue;
		row.nth = row.rank = 0;
		e->rows[++n] = row;
	}
	e->cpu->n_rows = n;
}

static void send_from(const struct kern *k, uint32_t first, uint32_t end,
		      uint32_t more)
{
	uint8_t f[LEN];

	for (uint32_t i = first; i < end; i++) {
		frame_set(f, (10u << 24) + (i << 12), 10u << 24);
		run(k->prog_fd[KERN_PROG_XDP], f, LEN, 1 + i * more);
	}
}

static void send_all(const struct kern *k, uint32_t n, uint32_t more)
{
	send_from(k, 0, n, more);
}

/* Each of n pairs has 1 + i and `more` besides, the first `of` of them `by`
 * more than that. */
static void check_pairs_by(const struct kern *k, uint32_t n, uint32_t more,
			   uint32_t of, uint32_t by)
{
	uint64_t of_pair[40] = {0};
	struct counters *c;

	cr_assert_eq(counters_open(k->map_fd, &c), 0);
	cr_assert_eq(drain(c, of_pair, 40).pairs, n);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(of_pair[i], 1 + i + more + (i < of ? by : 0),
			     "pair %u: %lu", i, of_pair[i]);
	counters_close(c);
}

static void check_pairs(const struct kern *k, uint32_t n, uint32_t more)
{
	check_pairs_by(k, n, more, 0, 0);
}

static void set_homes(const struct rig *r, uint32_t homes)
{
	struct asm_state st;

	state_of(&r->k, &st);
	st.homes = homes;
	cr_assert_eq(bpf_map_update_elem(r->k.map_fd[ASM_MAP_STATE],
					 &(uint32_t){0}, &st, BPF_ANY),
		     0);
}

static void load_again(struct kern *ret, const struct rig *r, bool moved)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	struct bpf_map_info info[2] = {0};
	char msg[KERN_MSG_LEN];
	struct asm_state st;

	cr_assert_eq(kern_open(PIN_DIR, ret, msg, sizeof(msg)), 0, "%s", msg);
	kern_done(ret);
	cr_assert_eq(kern_load(&cfg, ret, msg, sizeof(msg)), 0, "%s", msg);
	cr_assert(ret->adopted);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t len = sizeof(info[i]);
		const struct kern *k = i ? ret : &r->k;

		cr_assert_eq(bpf_obj_get_info_by_fd(k->map_fd[ASM_MAP_ROWS],
						    &info[i], &len),
			     0);
	}
	cr_assert_eq(info[0].id != info[1].id, moved);
	state_of(ret, &st);
	cr_assert_eq(st.rows, 64);
	cr_assert_eq(st.homes, 47);
}

/* Maps of a release without homes are moved. */
Test(load, moves_what_has_no_homes)
{
	struct asm_state was, st;
	struct earlier e;
	struct kern again;
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 64, 40);
	send_all(&r.k, 40, 1);
	e = earlier(&r, 64);
	earlier_order(&e);
	cr_assert_eq(e.cpu->n_rows, 40);
	set_homes(&r, 0);
	state_of(&r.k, &was);
	load_again(&again, &r, true);
	state_of(&again, &st);
	cr_assert_eq(st.created_at, was.created_at);
	send_all(&again, 40, 0);
	check_pairs(&again, 40, 1);
	kern_done(&again);
	rig_close(&r);
}

/* Of a release that knows no asm_past, which would not find there what it has
 * counted: in rows, as many as half of them can take. No program takes one of
 * these for its own, and they are the first to be freed. */
Test(load, moves_into_rows_for_who_knows_no_past)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	struct expect x = {.sent = {0}};
	char msg[KERN_MSG_LEN];
	uint32_t part, in_rows, freed, n = 0, m = 0;
	struct asm_row *rows;
	struct asm_state st;
	struct counters *c;
	struct earlier e;
	struct kern again, same;
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 16, 14);
	send_all(&r.k, 14, 1);
	e = earlier(&r, 16);
	earlier_order(&e);
	set_homes(&r, 0);
	cr_assert_eq(unlink(PIN_DIR "/asm_past"), 0);
	cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), 0, "%s", msg);

	state_of(&again, &st);
	in_rows = MIN(14, 8 * st.n_cpus);
	cr_assert_eq(st.n_past, 14 - in_rows);
	rows = mmap(NULL, ASM_BANKS * st.n_cpus * 16 * sizeof(*rows), PROT_READ,
		    MAP_SHARED, again.map_fd[ASM_MAP_ROWS], 0);
	cr_assert(rows != MAP_FAILED);
	part = st.n_cpus; /* bank 1 of this CPU */
	for (uint32_t i = 0; i < ASM_BANKS * st.n_cpus * 16; i++) {
		if (!rows[i].family)
			continue;
		cr_assert(i / 16 >= part && rows[i].moved == 1);
		cr_assert(!rows[i].src_ix && !rows[i].dst_ix);
		n++;
		m += i / 16 == part;
	}
	cr_assert(n == in_rows && m);

	/* it is as programs and readers need it */
	cr_assert_eq(kern_load(&cfg, &same, msg, sizeof(msg)), 0, "%s", msg);
	state_of(&same, &st);
	cr_assert_eq(st.moved, 1);
	cr_assert_eq(st.n_past, 14 - in_rows);
	kern_done(&same);
	cr_assert_eq(counters_open(again.map_fd, &c), 0);
	counters_flip(c);
	cr_assert_eq(counters_grace(c), 0);
	send_from(&again, m, 14, 0);
	for (uint32_t i = 0; i < 14; i++)
		x.sent[i] = 1 + i + (i >= m);
	expect_exact(c, &x);
	cr_assert_eq(counters_free(c, mono_now(), INT64_C(3600000000000),
				   &freed),
		     0);
	cr_assert_eq(freed, m >= 2 ? m : 0); /* an eighth is worth it */
	expect_exact(c, &x);
	send_from(&again, m, 14, 0); /* to rows that are others in the order */
	for (uint32_t i = m; i < 14; i++)
		x.sent[i]++;
	expect_exact(c, &x);
	expect_exact(c, &x);
	counters_close(c);
	cr_assert_eq(counters_open(again.map_fd, &c), 0);
	expect_exact(c, &x);
	counters_close(c);
	kern_done(&again);
	rig_close(&r);
}

static bool is_rename(uint64_t nr)
{
	return nr == SYS_renameat2 || nr == SYS_renameat
#ifdef SYS_rename
	       || nr == SYS_rename
#endif
		;
}

/* Loads in a process that is killed when it is about to make its nth pin, or
 * link. False: it came to its end before. */
static bool load_killed(unsigned nth)
{
	struct __ptrace_syscall_info info;
	struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	pid_t pid = fork();
	int st;

	if (!pid) {
		char msg[KERN_MSG_LEN];
		struct kern k;

		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		(void)raise(SIGSTOP);
		_exit(kern_load(&cfg, &k, msg, sizeof(msg)) != 0);
	}
	cr_assert(pid > 0);
	for (;;) {
		cr_assert_eq(waitpid(pid, &st, 0), pid);
		if (!WIFSTOPPED(st)) {
			cr_assert(WIFEXITED(st) && !WEXITSTATUS(st));
			return false;
		}
		if (WSTOPSIG(st) == SIGSTOP)
			(void)ptrace(PTRACE_SETOPTIONS, pid, 0,
				     PTRACE_O_TRACESYSGOOD);
		if (WSTOPSIG(st) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) >
			    0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY &&
		    is_rename(info.entry.nr) && !nth--)
			break;
		cr_assert_eq(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
	}
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, &st, 0), pid);
	return true;
}

/* Killed over the move, wherever pins are half of the one set and half of the
 * other: who comes next ends it. Its index is larger than that of new maps. */
Test(load, killed_while_it_moves_what_has_no_homes)
{
	bool killed = true;
	unsigned nth;

	stay_on_one_cpu();
	for (nth = 0; killed; nth += 3) {
		struct kern_cfg cfg = {.pin_dir = PIN_DIR};
		char msg[KERN_MSG_LEN];
		struct earlier e;
		struct kern again;
		struct rig r;

		rig_open_lines(&r, 1024, 40, 128);
		send_all(&r.k, 40, 1);
		e = earlier(&r, 1024);
		earlier_order(&e);
		set_homes(&r, 0);
		killed = load_killed(nth);
		cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), 0,
			     "%u: %s", nth, msg);
		send_all(&again, 40, 0);
		check_pairs(&again, 40, 1);
		kern_done(&again);
		rig_close(&r);
	}
	cr_assert_gt(nth, 20);
}

/* However few rows there are: what could come meanwhile is no more than what
 * there is room for in the maps that are moved. */
Test(load, moves_small_maps_that_have_no_homes)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	char msg[KERN_MSG_LEN];
	struct earlier e;
	struct kern again;
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 16, 10);
	send_all(&r.k, 10, 1);
	e = earlier(&r, 16);
	earlier_order(&e);
	set_homes(&r, 0);
	cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), 0, "%s", msg);
	check_pairs(&again, 10, 0);
	kern_done(&again);
	rig_close(&r);
}

/* Such a release, gone back to, counts on in these maps; then it is this one's
 * turn again, in the same maps. */
Test(load, earlier_programs_count_in_the_same_maps)
{
	struct earlier e;
	struct kern again;
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 64, 40);
	send_all(&r.k, 40, 1);
	e = earlier(&r, 64);
	cr_assert_eq(e.cpu->n_homes, 40);
	cr_assert_eq(e.cpu->n_rows, 47);
	for (uint32_t i = 0; i < 8; i++)
		earlier_packets(&e, i, 5);
	earlier_books(&r, 40);
	load_again(&again, &r, false);
	send_all(&again, 8, 0);
	check_pairs_by(&again, 40, 0, 8, 6);
	kern_done(&again);
	rig_close(&r);
}

/* It has freed rows: the order is none any more. */
Test(load, earlier_reader_has_freed_rows)
{
	struct earlier e;
	struct kern again;
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 64, 40);
	send_all(&r.k, 40, 1);
	e = earlier(&r, 64);
	earlier_order(&e);
	e.rows[3].nth = 77;
	cr_assert_lt(e.cpu->n_rows, 47);
	load_again(&again, &r, true);
	send_all(&again, 40, 0);
	check_pairs(&again, 40, 1);
	kern_done(&again);
	rig_close(&r);
}

/* It has freed rows, and its programs have taken as many as there are homes
 * since: their number says nothing any more. */
Test(load, earlier_programs_took_the_rows_that_were_freed)
{
	static const uint32_t taken[] = {7, 8, 23}; /* n_rows: 47, 48, 63 */

	stay_on_one_cpu();
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct earlier e;
		struct kern again;
		struct rig r;

		rig_open(&r, 64, 40);
		send_all(&r.k, 40, 1);
		e = earlier(&r, 64);
		earlier_order(&e);
		for (uint32_t n = 0; n < taken[i]; n++)
			earlier_packets(&e, n, 5);
		earlier_books(&r, 5 * taken[i]);
		cr_assert_eq(e.cpu->n_rows, 40 + taken[i]);
		load_again(&again, &r, true);
		send_all(&again, 40, 0);
		check_pairs_by(&again, 40, 1, taken[i], 5);
		kern_done(&again);
		rig_close(&r);
	}
}

/* Freed after a kill in the middle of freeing them: all of a part, so that its
 * rows are taken from the first one on. */
Test(load, earlier_programs_took_the_rows_of_a_part_that_was_cleared)
{
	struct earlier e;
	struct kern again;
	struct rig r;

	stay_on_one_cpu();
	rig_open(&r, 64, 40);
	e = earlier(&r, 64);
	send_all(&r.k, 30, 1);
	memset(e.rows, 0, 64 * sizeof(*e.rows));
	e.cpu->n_rows = 0;
	for (uint32_t n = 0; n < 40; n++)
		earlier_packets(&e, n, 1 + n);
	for (uint32_t n = 0; n < 20; n++)
		earlier_packets(&e, n, 5);
	/* in the books are 30 * 31 / 2 already */
	earlier_books(&r, 40 * 41 / 2 + 20 * 5 - 30 * 31 / 2);
	cr_assert_eq(e.cpu->n_rows, 60);
	load_again(&again, &r, true);
	check_pairs_by(&again, 40, 0, 20, 5);
	kern_done(&again);
	rig_close(&r);
}

/* What no program of ours leaves: the rows themselves still tell. */
Test(load, moves_what_is_out_of_order)
{
	enum { N_ROWS, N_HOMES_MORE, N_HOMES_LESS, NTH, RANK, HOMES, KINDS };

	stay_on_one_cpu();
	for (int kind = 0; kind < KINDS; kind++) {
		struct earlier e;
		struct kern again;
		struct rig r;

		rig_open(&r, 64, 40);
		send_all(&r.k, 40, 1);
		e = earlier(&r, 64);
		switch (kind) {
		case N_ROWS:
			e.cpu->n_rows = UINT32_MAX;
			break;
		case N_HOMES_MORE:
			e.cpu->n_homes = 41;
			break;
		case N_HOMES_LESS:
			e.cpu->n_homes = 39;
			break;
		case NTH:
			e.rows[7].nth ^= 1;
			break;
		case RANK:
			/* that of a free one is the place of one in use */
			for (uint32_t i = 1; i < 64; i++)
				if (!e.rows[i].family)
					e.rows[i].rank = i ^ 1;
			break;
		case HOMES:
			set_homes(&r, 64);
			break;
		}
		load_again(&again, &r, true);
		send_all(&again, 40, 0);
		check_pairs(&again, 40, 1);
		kern_done(&again);
		rig_close(&r);
	}
}

struct taker {
	struct asm_row *rows;
	uint32_t n;
	bool stop;
};

/* All rows in use, none of them, and so on. */
static void *take_rows(void *arg)
{
	struct taker *t = arg;

	for (uint8_t family = 4; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED);
	     family ^= 4) {
		for (uint32_t i = 0; i < t->n; i++)
			__atomic_store_n(&t->rows[i].family, family,
					 __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Programs take rows while it is looked how many there are. */
Test(load, rows_taken_while_they_are_collected)
{
	const uint32_t rows = 1u << 14;
	struct taker t = {.n = rows};
	struct kern_cfg cfg = {.pin_dir = PIN_DIR "2",
			       .rows = 2 * rows,
			       .table_words = 1u << 21};
	char msg[KERN_MSG_LEN];
	struct kern to;
	pthread_t thread;
	struct rig r;

	rig_open(&r, rows, 1);
	(void)kern_unpin(cfg.pin_dir, msg, sizeof(msg));
	cr_assert_eq(kern_load(&cfg, &to, msg, sizeof(msg)), 0, "%s", msg);
	t.rows = map_of(&r, ASM_MAP_ROWS, rows * sizeof(*t.rows));
	cr_assert_eq(pthread_create(&thread, NULL, take_rows, &t), 0);
	for (unsigned i = 0; i < 200; i++) {
		uint32_t need;

		cr_assert_eq(migrate_prepare(r.k.map_fd, to.map_fd, &need), 0);
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	kern_done(&to);
	cr_assert_eq(kern_unpin(cfg.pin_dir, msg, sizeof(msg)), 0, "%s", msg);
	rig_close(&r);
}

/* A number of CPUs with which the sizes are right again when cut to 32 bits,
 * and a part of so many to be cleared. */
Test(load, refuses_sizes_that_wrap_around)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	char msg[KERN_MSG_LEN];
	struct asm_state st;
	struct kern again;
	struct rig r;

	rig_open(&r, 64, 1);
	state_of(&r.k, &st);
	st.n_cpus |= 1u << 31;
	st.emptied = 1u << 31;
	cr_assert_eq(bpf_map_update_elem(r.k.map_fd[ASM_MAP_STATE],
					 &(uint32_t){0}, &st, BPF_ANY),
		     0);
	cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), -EPROTO);
	cr_assert(strstr(msg, "detach --all"), "%s", msg);
	kern_done(&again);
	rig_close(&r);
}

/* Maps of larger values than those that are read into variables. */
Test(load, refuses_maps_of_other_values)
{
	static const char *const names[] = {"asm_cpu", "asm_state"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct kern_cfg cfg = {.pin_dir = PIN_DIR};
		static uint8_t value[1 << 16];
		char msg[KERN_MSG_LEN], path[64];
		struct asm_state st;
		struct kern again;
		struct rig r;
		int fd;

		rig_open(&r, 64, 1);
		state_of(&r.k, &st);
		memset(value, 0xa5, sizeof(value));
		memcpy(value, &st, sizeof(st));
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, names[i], 4,
				    sizeof(value), ASM_BANKS * st.n_cpus, NULL);
		cr_assert_geq(fd, 0);
		for (uint32_t n = 0; n < ASM_BANKS * st.n_cpus; n++)
			cr_assert_eq(
				bpf_map_update_elem(fd, &n, value, BPF_ANY), 0);
		(void)snprintf(path, sizeof(path), PIN_DIR "/%s", names[i]);
		cr_assert_eq(unlink(path), 0);
		cr_assert_eq(bpf_obj_pin(fd, path), 0);
		cr_assert_eq(kern_load(&cfg, &again, msg, sizeof(msg)), -EPROTO,
			     "%s: %s", names[i], msg);
		cr_assert(strstr(msg, names[i]), "%s", msg);
		cr_assert_eq(kern_open(PIN_DIR, &again, msg, sizeof(msg)),
			     -EPROTO);
		close(fd);
		rig_close(&r);
	}
}

Test(load, refuses_the_impossible)
{
	static const struct {
		struct kern_cfg cfg;
		int rc;
		const char *says;
	} bad[] = {
		{{.pin_dir = PIN_DIR, .rows = 1}, -EINVAL, "rows"},
		{{.pin_dir = PIN_DIR, .rows = 1u << 21}, -EINVAL, "rows"},
		{{.pin_dir = PIN_DIR, .index_lines = 3}, -EINVAL, "power"},
		{{.pin_dir = PIN_DIR, .table_words = 1000}, -EINVAL, "power"},
		{{.pin_dir = "/run/nowhere"}, -ENODEV, "mount -t bpf"},
	};
	char msg[KERN_MSG_LEN];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kern k;
		int rc = kern_load(&bad[i].cfg, &k, msg, sizeof(msg));

		cr_expect_eq(rc, bad[i].rc, "%zu: %d %s", i, rc, msg);
		cr_expect(strstr(msg, bad[i].says), "%zu: %s", i, msg);
		kern_done(&k);
		cr_expect_neq(access(bad[i].cfg.pin_dir, F_OK), 0,
			      "%zu: %s is left", i, bad[i].cfg.pin_dir);
	}
}
