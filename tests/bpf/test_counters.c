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
#include <dlfcn.h>
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
#include <sys/stat.h>
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
static void rig_open(struct rig *r, uint32_t rows, uint32_t n_as)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR,
			       .rows = rows,
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
			run(r.k.prog_fd[KERN_PROG_INGRESS], f, LEN,
			    1 + (i == k));
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

	rig_open(&r, 10, 100);
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

	rig_open(&r, 40, 40); /* 80 pairs each way want one of 40 rows */
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

/* Sixteen rows for pairs that come, stay for two drains and go: each has a
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
	rig_open(&r, 16, COME * GO);
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
			run(r.k.prog_fd[KERN_PROG_INGRESS], f, LEN, 1 + i % 3);
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
	rig_open(&r, 8, 4000);
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
	cr_assert_eq(st.rows, 513);
	cr_assert_eq(st.index_lines, 32);
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

/* ------------------------------------------------- maps of other releases */

#define PAIRS 40u

/* What is pinned, mapped into memory, and what was sent to it: from AS 64512 +
 * i to AS 64512 in direction in, for i < PAIRS. */
struct pinned {
	struct kern k;
	struct asm_state *state;
	struct asm_row *rows; /* of the part that programs write to now */
	struct asm_cpu *cpu;
	uint32_t n_cpus, n_rows;
	struct expect x;
};

static void *map_of(const struct kern *k, enum asm_map map, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       k->map_fd[map], 0);

	cr_assert(p != MAP_FAILED);
	return p;
}

static void look_at(struct pinned *p)
{
	size_t parts, part;

	p->state = map_of(&p->k, ASM_MAP_STATE, sizeof(*p->state));
	p->n_cpus = p->state->n_cpus;
	p->n_rows = p->state->rows;
	parts = ASM_BANKS * p->n_cpus;
	part = (size_t)(p->state->bank & 1) * p->n_cpus;
	p->rows = map_of(&p->k, ASM_MAP_ROWS,
			 parts * p->n_rows * sizeof(*p->rows));
	p->rows += part * p->n_rows;
	p->cpu = map_of(&p->k, ASM_MAP_CPU, parts * sizeof(*p->cpu));
	p->cpu += part;
}

static void pinned_open(struct pinned *p, struct rig *r, uint32_t rows)
{
	memset(p, 0, sizeof(*p));
	stay_on_one_cpu();
	rig_open(r, rows, PAIRS);
	p->k = r->k;
	look_at(p);
}

/* 1 + i * more packets of pair i. At TC: the kernel waits for a grace period
 * each time that an XDP program is run more than once. */
static void sends(struct pinned *p, uint32_t first, uint32_t end, uint32_t more)
{
	uint8_t f[LEN];

	for (uint32_t i = first; i < end; i++) {
		frame_set(f, (10u << 24) + (i << 12), 10u << 24);
		run(p->k.prog_fd[KERN_PROG_INGRESS], f, LEN, 1 + i * more);
		p->x.sent[i] += 1 + i * more;
	}
}

static void check(struct pinned *p)
{
	struct counters *c;

	cr_assert_eq(counters_open(p->k.map_fd, &c), 0);
	expect_exact(c, &p->x);
	counters_close(c);
}

static uint32_t rows_id(const struct kern *k)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	cr_assert_eq(bpf_obj_get_info_by_fd(k->map_fd[ASM_MAP_ROWS], &info,
					    &len),
		     0);
	return info.id;
}

/* As a daemon does that starts. */
static void load_again(struct pinned *p, uint32_t lines, bool moved)
{
	const struct kern_cfg cfg = {.pin_dir = PIN_DIR, .index_lines = lines};
	uint64_t created_at = p->state->created_at;
	uint32_t id = rows_id(&p->k);
	char msg[KERN_MSG_LEN];

	cr_assert_eq(kern_load(&cfg, &p->k, msg, sizeof(msg)), 0, "%s", msg);
	cr_assert(p->k.adopted);
	cr_assert_eq(rows_id(&p->k) != id, moved);
	look_at(p);
	cr_assert_eq(p->state->created_at, created_at);
	cr_assert_eq(p->state->homes, p->n_rows - 1);
}

static void check_load(struct pinned *p, uint32_t lines, bool moved)
{
	look_at(p);
	load_again(p, lines, moved);
	sends(p, 0, PAIRS, 0);
	check(p);
	look_at(p);
}

/* As a release leaves its maps that has no homes: its programs take row 1, 2,
 * 3 ... for pairs that are new. */
static void no_homes(struct pinned *p)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < p->n_rows; i++) {
		struct asm_row row = p->rows[i];

		memset(&p->rows[i], 0, sizeof(row));
		if (!row.family)
			continue;
		row.nth = row.rank = 0;
		p->rows[++n] = row;
	}
	cr_assert_eq(n, PAIRS);
	p->cpu->n_rows = n;
	p->state->homes = 0;
}

/* The same where the first three quarters are homes: some are in use, and some
 * of the rows behind them. */
static void fewer_homes(struct pinned *p)
{
	uint32_t homes = (p->n_rows - 1) * 3 / 4;

	no_homes(p);
	memcpy(&p->rows[homes + 1], &p->rows[31], 10 * sizeof(p->rows[0]));
	memset(&p->rows[31], 0, 10 * sizeof(p->rows[0]));
	p->cpu->n_used = 30;
	p->cpu->n_rows = homes + 10;
	p->state->homes = homes;
}

/* A release without homes had as many rows in its configuration as these maps
 * have, freed some, and its programs took them again. */
static void used_by_others(struct pinned *p)
{
	no_homes(p);
	p->state->homes = p->n_rows - 1;
	for (uint32_t i = 0; p->cpu->n_rows < p->n_rows - 1; i++) {
		struct asm_row *row = &p->rows[++p->cpu->n_rows];

		*row = p->rows[1 + i];
		p->x.sent[row->src_as - 64512] += row->packets;
	}
}

/* The maps of other releases are moved, and nothing else is. */
Test(load, moves_what_is_not_of_this_layout)
{
	static void (*const leave[])(struct pinned *) = {no_homes, fewer_homes,
							 used_by_others, NULL};
	struct pinned p;
	struct rig r;

	pinned_open(&p, &r, 63);
	cr_assert(p.n_rows == 64 && p.state->homes == 63);
	for (size_t i = 0; i < sizeof(leave) / sizeof(leave[0]); i++) {
		sends(&p, 0, PAIRS, 1);
		cr_assert(p.cpu->n_used == PAIRS && p.cpu->n_rows == 63);
		if (leave[i])
			leave[i](&p);
		check_load(&p, 0, leave[i]);
	}
	rig_close(&r);
}

static void check_due(const struct pinned *p, bool want, const char *what)
{
	bool due;

	cr_assert_eq(migrate_is_due(p->k.map_fd, &due), 0);
	cr_assert_eq(due, want, "%s", what);
}

/* Nor does anybody else take it for this layout: what no program of ours leaves
 * in the maps is seen. */
Test(load, sees_what_is_not_of_this_layout)
{
	static const uint32_t homes[] = {0, 47, 62, 64, UINT32_MAX, 63};
	static const uint32_t used[] = {0, PAIRS - 1, PAIRS + 1, 64,
					UINT32_MAX};
	uint32_t in_use = 0, is_free = 0;
	struct counters *c;
	struct pinned p;
	struct rig r;

	pinned_open(&p, &r, 63);
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
		p.state->homes = homes[i];
		for (uint32_t part = 0; part < ASM_BANKS * p.n_cpus; part++)
			p.cpu[part].n_rows = homes[i];
		check_due(&p, homes[i] != 63, "homes");
		if (homes[i] == 63)
			break;
		cr_assert_eq(counters_open(p.k.map_fd, &c), -EPROTO);
		cr_assert_eq(kern_load_variant(&p.k, KERN_PROG_XDP, 0),
			     -EPROTO);
	}
	sends(&p, 0, PAIRS, 1);
	check_due(&p, false, "nothing");
	for (uint32_t i = 1; i < 64; i++)
		*(p.rows[i].family ? &in_use : &is_free) = i;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		p.cpu->n_used = used[i];
		check_due(&p, true, "n_used");
	}
	p.cpu->n_used = PAIRS;
	for (int32_t by = -1; by <= 1; by++) {
		p.cpu->n_rows = 63 + (uint32_t)by;
		check_due(&p, by, "n_rows");
	}
	p.cpu->n_rows = 63;
	p.rows[7].nth ^= 1;
	check_due(&p, true, "nth");
	p.rows[7].nth ^= 1;
	/* the place of another row, that of one in use */
	p.rows[is_free].rank ^= (p.rows[in_use].rank ^ in_use) ^
				(p.rows[is_free].rank ^ is_free);
	check_due(&p, true, "rank");
	rig_close(&r);
}

/* Of a release that knows no asm_past, which would not find there what it has
 * counted: in rows, as many as half of them can take. No program takes one of
 * these for its own, and they are the first to be freed. However few rows there
 * are: no more can come meanwhile than the maps that are moved have room for.
 */
Test(load, moves_into_rows_for_who_knows_no_past)
{
	uint32_t in_rows, freed, n = 0, m = 0;
	const struct asm_row *rows;
	struct counters *c;
	struct pinned p;
	struct rig r;

	pinned_open(&p, &r, 15);
	sends(&p, 0, 14, 1);
	p.state->homes = 0;
	cr_assert_eq(unlink(PIN_DIR "/asm_past"), 0);
	load_again(&p, 0, true);

	in_rows = MIN(14, 8 * p.n_cpus);
	cr_assert_eq(p.state->n_past, 14 - in_rows);
	rows = p.rows + (size_t)p.n_cpus * 16; /* bank 1 */
	for (uint32_t i = 0; i < 16 * p.n_cpus; i++) {
		cr_assert(!p.rows[i].family);
		if (!rows[i].family)
			continue;
		cr_assert(rows[i].moved == 1);
		cr_assert_eq(rows[i].src_ix, rows[i].src_as - 64511);
		cr_assert_eq(rows[i].dst_ix, 1);
		n++;
		m += i < 16; /* of this CPU */
	}
	cr_assert(n == in_rows && m);

	/* it is as programs and readers need it */
	load_again(&p, 0, false);
	cr_assert_eq(p.state->moved, 1);
	cr_assert_eq(p.state->n_past, 14 - in_rows);
	cr_assert_eq(counters_open(p.k.map_fd, &c), 0);
	counters_flip(c);
	cr_assert_eq(counters_grace(c), 0);
	sends(&p, m, 14, 0);
	expect_exact(c, &p.x);
	cr_assert_eq(counters_free(c, mono_now(), INT64_C(3600000000000),
				   &freed),
		     0);
	cr_assert_eq(freed, m >= 2 ? m : 0); /* an eighth is worth it */
	expect_exact(c, &p.x);
	sends(&p, m, 14, 0); /* to rows that are others in the order */
	expect_exact(c, &p.x);
	expect_exact(c, &p.x);
	counters_close(c);
	check(&p);
	rig_close(&r);
}

/* So many pairs in asm_past, and one that has no family: what an earlier
 * release made of the free rows that it moved. */
static void fill_past(const struct kern *k, struct asm_state *state, uint32_t n)
{
	struct asm_past *past =
		map_of(k, ASM_MAP_PAST, (n + 1) * sizeof(*past));

	for (uint32_t i = 1; i <= n; i++)
		past[i] = (struct asm_past){.src_as = i,
					    .dst_as = 64512,
					    .ifindex = 1,
					    .family = 4,
					    .total = {i, i, i}};
	state->n_past = n + 1;
}

/* A release that does not know asm_past was gone back to, which is as it was,
 * whatever the number of rows is now. */
static void leaves_past(struct pinned *p, uint32_t entries, bool moved)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_MMAPABLE);
	uint32_t n = (uint32_t)p->state->n_past;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "asm_past", 4,
				sizeof(struct asm_past), entries, &o);

	cr_assert_geq(fd, 0);
	for (uint32_t i = 0; i < n; i++) {
		struct asm_past e;

		cr_assert_eq(bpf_map_lookup_elem(p->k.map_fd[ASM_MAP_PAST], &i,
						 &e),
			     0);
		cr_assert_eq(bpf_map_update_elem(fd, &i, &e, BPF_ANY), 0);
	}
	cr_assert_eq(unlink(PIN_DIR "/asm_past"), 0);
	cr_assert_eq(bpf_obj_pin(fd, PIN_DIR "/asm_past"), 0);
	close(fd);
	p->state->n_past = p->state->homes = 0;
	p->state->moved = moved;
}

/* What had been freed before still counts, and only there: such a release knows
 * pairs in rows by their AS indexes, which asm_past has not. */
Test(load, counts_what_was_freed_before_a_release_that_knows_no_past)
{
	const struct asm_row *rows;
	struct counters *c;
	struct pinned p;
	uint32_t freed;
	struct rig r;

	pinned_open(&p, &r, 45);
	sends(&p, 0, PAIRS, 1);
	cr_assert_eq(counters_open(p.k.map_fd, &c), 0);
	expect_exact(c, &p.x);
	cr_assert_eq(counters_free(c, mono_now(), 0, &freed), 0);
	cr_assert_eq(freed, PAIRS);
	counters_close(c);
	sends(&p, 5, 10, 1); /* to rows, beside what was freed of them */
	for (unsigned times = 0; times < 2; times++) {
		cr_assert_geq(p.state->n_past, PAIRS - 5);
		leaves_past(&p, times ? 2 * p.n_cpus * p.n_rows : PAIRS + 5,
			    true);
		load_again(&p, 0, true);
		check(&p);
	}
	rows = map_of(&p.k, ASM_MAP_ROWS,
		      (size_t)2 * p.n_cpus * p.n_rows * sizeof(*rows));
	for (uint32_t i = 0; i < 2 * p.n_cpus * p.n_rows; i++)
		cr_assert(!rows[i].family ||
			  rows[i].src_ix == rows[i].src_as - 64511);
	rig_close(&r);
}

/* It could not move the counts, so they were ended, but for this map. */
Test(load, does_not_count_what_was_ended)
{
	struct pinned p;
	struct rig r;

	pinned_open(&p, &r, 63);
	sends(&p, 0, PAIRS, 1);
	for (unsigned times = 0; times < 2; times++) {
		fill_past(&p.k, p.state, 20);
		leaves_past(&p, times ? 2 * p.n_cpus * p.n_rows : PAIRS, false);
		load_again(&p, 0, true);
		check(&p);
	}
	rig_close(&r);
}

static void on_sum(void *ctx, uint32_t id, const struct asm_row *row)
{
	struct sums *s = ctx;

	(void)id;
	cr_assert_eq(row->packets, row->src_as);
	s->rows.packets += row->packets;
	s->pairs++;
}

/* More pairs than asm_past of the new maps has room for: the others are in rows
 * that no program takes for a pair's own. The number of rows that is asked for
 * is the least that is enough. */
Test(load, moves_more_than_there_is_room_for)
{
	const struct counters_sink to = {.pair = on_sum, .port = on_no_port};
	struct kern_cfg cfg = {.pin_dir = PIN_DIR, .rows = 16};
	uint32_t need, n, in_rows = 0;
	const struct asm_row *rows;
	char msg[KERN_MSG_LEN];
	struct sums s = {0};
	struct counters *c;
	struct pinned p;
	struct kern k;
	struct rig r;

	pinned_open(&p, &r, 2000);
	n = 1000 * p.n_cpus;
	fill_past(&p.k, p.state, n);
	cr_assert_eq(kern_load(&cfg, &k, msg, sizeof(msg)), -EINVAL);
	cr_assert_eq(sscanf(msg,
			    "counters.rows: the AS pairs counted so far need "
			    "%u, not 16: raise it",
			    &need),
		     1, "%s", msg);
	cfg.rows = need - 1;
	cr_assert_eq(kern_load(&cfg, &k, msg, sizeof(msg)), -EINVAL);
	cfg.rows = need;
	cr_assert_eq(kern_load(&cfg, &p.k, msg, sizeof(msg)), 0, "%s", msg);
	look_at(&p);
	cr_assert_eq(p.n_rows, need + 1);
	rows = p.rows + (size_t)p.n_cpus * p.n_rows;
	for (uint32_t i = 0; i < p.n_cpus * p.n_rows; i++) {
		if (!rows[i].family)
			continue;
		cr_assert(rows[i].moved == 1);
		in_rows++;
	}
	cr_assert_eq(in_rows, n - 2 * p.n_cpus * (need + 1));
	cr_assert_gt(in_rows, 0);
	cr_assert_eq(counters_open(p.k.map_fd, &c), 0);
	counters_flip(c);
	cr_assert_eq(counters_grace(c), 0);
	cr_assert_eq(counters_read(c, &to, &s), 0);
	cr_assert_eq(s.pairs, n);
	cr_assert_eq(s.rows.packets, (uint64_t)n * (n + 1) / 2);
	counters_close(c);
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
Test(load, killed_while_it_moves)
{
	bool killed = true;
	struct pinned p;
	unsigned nth;
	struct rig r;

	pinned_open(&p, &r, 1023);
	for (nth = 0; killed; nth += 3) {
		sends(&p, 0, PAIRS, 1);
		no_homes(&p);
		killed = load_killed(nth);
		check_load(&p, 128, true);
	}
	cr_assert_gt(nth, 20);
	rig_close(&r);
}

/* An attempt at it was killed when it had put others into rows and asm_past. */
Test(load, moves_once_more_what_was_half_moved)
{
	struct kern_cfg cfg = {.pin_dir = PIN_DIR "2",
			       .rows = 63,
			       .table_words = 1u << 21};
	char msg[KERN_MSG_LEN];
	struct asm_row *rows;
	struct pinned p, to;
	uint32_t need;
	struct rig r;
	int past;

	pinned_open(&p, &r, 63);
	sends(&p, 0, PAIRS, 1);
	to = p;
	(void)kern_unpin(cfg.pin_dir, msg, sizeof(msg));
	cr_assert_eq(kern_load(&cfg, &to.k, msg, sizeof(msg)), 0, "%s", msg);
	look_at(&to);
	fill_past(&to.k, to.state, 100);
	rows = to.rows + (size_t)to.n_cpus * to.n_rows;
	for (uint32_t i = 0; i < to.n_cpus * to.n_rows; i++)
		rows[i] = (struct asm_row){.src_as = 64512 + i,
					   .dst_as = 64512,
					   .family = 4,
					   .moved = 1,
					   .packets = 1};
	for (uint32_t c = 0; c < to.n_cpus; c++)
		to.cpu[to.n_cpus + c].n_used = 63;

	past = p.k.map_fd[ASM_MAP_PAST];
	p.k.map_fd[ASM_MAP_PAST] = -1; /* so that rows are taken */
	cr_assert_eq(migrate_totals(p.k.map_fd, to.k.map_fd, &need), 0);
	p.k.map_fd[ASM_MAP_PAST] = past;
	check(&to);
	check_due(&to, false, "rows are left of it");
	kern_done(&to.k);
	cr_assert_eq(kern_unpin(cfg.pin_dir, msg, sizeof(msg)), 0, "%s", msg);
	rig_close(&r);
}

#define STATE_ASIDE PIN_DIR "/next/asm_state"

/* Stands before libbpf's: makes pins fail. */
static bool no_pins;

int bpf_obj_pin(int fd, const char *path)
{
	int (*pin)(int, const char *);

	if (no_pins) {
		errno = ENOENT;
		return -ENOENT;
	}
	*(void **)&pin = dlsym(RTLD_NEXT, "bpf_obj_pin");
	return pin(fd, path);
}

static void load_refused(void)
{
	const struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	char msg[KERN_MSG_LEN];
	struct kern k;

	cr_assert_eq(kern_load(&cfg, &k, msg, sizeof(msg)), -EPROTO);
	cr_assert(strstr(msg, PIN_DIR "/next") && strstr(msg, "detach --all"),
		  "%s", msg);
}

/* A failure on the way does not mean that there is no complete set aside. */
Test(load, failure_leaves_what_is_aside)
{
	const struct kern_cfg cfg = {.pin_dir = PIN_DIR};
	char msg[KERN_MSG_LEN];
	struct pinned p;
	struct kern k;
	struct rig r;

	pinned_open(&p, &r, 63);
	sends(&p, 0, PAIRS, 1);
	no_homes(&p);
	cr_assert(load_killed(7)); /* when they are complete */
	no_pins = true;
	cr_assert_eq(kern_load(&cfg, &k, msg, sizeof(msg)), -ENOENT);
	no_pins = false;
	cr_assert_eq(access(STATE_ASIDE, F_OK), 0);
	check_load(&p, 0, true);
	rig_close(&r);
}

/* Maps that another release was about to move to when it was killed. */
Test(load, refuses_what_others_left_aside)
{
	struct asm_state *aside;
	struct pinned p;
	struct rig r;
	int fd, other;

	pinned_open(&p, &r, 63);
	sends(&p, 0, PAIRS, 1);
	no_homes(&p);
	cr_assert(load_killed(7)); /* when they are complete */
	fd = bpf_obj_get(STATE_ASIDE);
	cr_assert_geq(fd, 0);
	aside = mmap(NULL, sizeof(*aside), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	cr_assert(aside != MAP_FAILED);
	aside->homes = 47;
	load_refused();
	aside->homes = 63;
	aside->abi_version++;
	load_refused();
	aside->abi_version--;
	cr_assert_eq(unlink(STATE_ASIDE), 0);
	other = bpf_map_create(BPF_MAP_TYPE_ARRAY, "asm_state", 4, 8, 1, NULL);
	cr_assert_geq(other, 0);
	cr_assert_eq(bpf_obj_pin(other, STATE_ASIDE), 0);
	load_refused();

	/* and nothing was touched */
	cr_assert_eq(unlink(STATE_ASIDE), 0);
	cr_assert_eq(bpf_obj_pin(fd, STATE_ASIDE), 0);
	check_load(&p, 0, true);

	/* what it says to do helps */
	cr_assert_eq(mkdir(PIN_DIR "/next", 0700), 0);
	cr_assert_eq(bpf_obj_pin(other, STATE_ASIDE), 0);
	load_refused();
	rig_close(&r);
	cr_assert_neq(access(PIN_DIR, F_OK), 0);
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
	t.rows = map_of(&r.k, ASM_MAP_ROWS, rows * sizeof(*t.rows));
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

/* However many are given, the maps have another number of rows, and these have
 * numbers of 20 bits. */
Test(load, makes_maps_that_no_other_release_takes_for_its_own)
{
	static const uint32_t given[] = {1,
					 16,
					 KERN_ROWS_MAX - 3,
					 KERN_ROWS_MAX - 2,
					 KERN_ROWS_MAX - 1,
					 KERN_ROWS_MAX};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		const struct kern_cfg cfg = {.pin_dir = PIN_DIR,
					     .rows = given[i],
					     .table_words = 1u << 21,
					     .n_cpus = 1};
		char msg[KERN_MSG_LEN];
		struct asm_state st;
		struct kern k;

		(void)kern_unpin(PIN_DIR, msg, sizeof(msg));
		cr_assert_eq(kern_load(&cfg, &k, msg, sizeof(msg)), 0, "%s",
			     msg);
		state_of(&k, &st);
		cr_assert_neq(st.rows, given[i]);
		cr_assert_eq(st.homes, st.rows - 1);
		cr_assert_leq(st.rows - 1, COUNT_ROW_MASK);
		cr_assert(given[i] - st.homes <= (i > 3 ? 2 : 0));
		kern_done(&k);
		cr_assert_eq(kern_load(&cfg, &k, msg, sizeof(msg)), 0, "%s",
			     msg);
		cr_assert(k.adopted);
		kern_done(&k);
		cr_assert_eq(kern_unpin(PIN_DIR, msg, sizeof(msg)), 0, "%s",
			     msg);
	}
}

Test(load, refuses_the_impossible)
{
	static const struct {
		struct kern_cfg cfg;
		int rc;
		const char *says;
	} bad[] = {
		{{.pin_dir = PIN_DIR, .rows = (1u << 20) + 1}, -EINVAL, "rows"},
		{{.pin_dir = PIN_DIR, .rows = UINT32_MAX}, -EINVAL, "rows"},
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
