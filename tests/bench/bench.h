/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all benchmarks share: how time is taken, how rounds become a row, and
 * what a row looks like.
 *
 * A row is one line
 *
 *   name | ours | rival | value | min..max | goal | floor | note
 *
 * The value is the median over the rounds of what the goal speaks of: a ratio
 * of two things that ran in the same round, one after the other, or a quantity
 * of its own. The spread is that of the value. tests/bench/run.sh lays the
 * rows out and compares with goal and floor.
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <errno.h>
#include <time.h>

#define ROUNDS     11
#define TURNS      16 /* see round_in_turns() */
#define TURNS_MANY 8  /* things that take turns, at most */
#define ROUNDS_MAX 1024

/* `>` at least, `<` at most; 0: nothing was promised. */
struct goal {
	char sense;
	double goal, floor;
};

#define AT_LEAST(g, f) ((struct goal){'>', g, f})
#define AT_MOST(g, f)  ((struct goal){'<', g, f})
#define NO_GOAL        ((struct goal){0})

/* The rounds of a row. */
struct rounds {
	const char *name, *unit; /* unit of ours and of the rival */
	struct goal goal;
	unsigned n;
	double ours[ROUNDS_MAX], rival[ROUNDS_MAX], value[ROUNDS_MAX];
};

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline bool quick(void)
{
	const char *q = getenv("BENCH_QUICK");

	return q && *q;
}

/* ----------------------------------------------------------------- time */

static inline double clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Of this thread only: what others take of the CPU does not count. */
static inline double now_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline void pin_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* No limit of locked memory (before 5.11), one CPU. */
static inline void bench_start(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	pin_to((unsigned)sched_getcpu());
}

/* ---------------------------------------------------------------- kernel */

static inline void *map_fd_memory(int fd, size_t len)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (m == MAP_FAILED)
		die("mmap");
	return m;
}

static inline void *map_memory(const struct bpf_map *map, size_t len)
{
	return map_fd_memory(bpf_map__fd(map), len);
}

/*
 * Nanoseconds a run, by the thread's clock over the whole call: what the
 * kernel itself reports is cut to whole nanoseconds. A program that does not
 * say XDP_PASS did not do its work.
 */
static inline double test_run(int prog_fd, const void *frame, uint32_t len,
			      uint32_t repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = len, .repeat = (int)repeat);
	double t0 = now_ns();

	if (bpf_prog_test_run_opts(prog_fd, &opts))
		die("BPF_PROG_TEST_RUN");
	t0 = now_ns() - t0;
	if (opts.retval != 2 /* XDP_PASS */) {
		fprintf(stderr, "a program did not run: %u\n", opts.retval);
		exit(1);
	}
	return t0 / repeat;
}

/* ------------------------------------------------------------------ rows */

static inline int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts. */
static inline double median_of(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/*
 * A round for small differences: n things run in short turns, again and again,
 * so that what the machine does meanwhile happens to all of them. ret[0] is the
 * median of the first, ret[i] that of what the i-th took more than the first in
 * the same turn.
 */
static inline void round_in_turns(double (*run)(void *ctx, unsigned which),
				  void *ctx, unsigned n, double *ret)
{
	unsigned turns = quick() ? TURNS / 4 : TURNS;
	double v[TURNS_MANY][TURNS];

	for (unsigned t = 0; t < turns; t++)
		for (unsigned i = 0; i < n; i++) {
			v[i][t] = run(ctx, i);
			if (i)
				v[i][t] -= v[0][t];
		}
	for (unsigned i = 0; i < n; i++)
		ret[i] = median_of(v[i], turns);
}

/* A round of two that are compared: how many times the rival's cost. */
static inline void round_ratio(struct rounds *r, double ours, double rival)
{
	if (r->n == ROUNDS_MAX)
		return;
	r->ours[r->n] = ours;
	r->rival[r->n] = rival;
	r->value[r->n++] = rival / ours;
}

/* A round of two of which ours is the part: at most so much of the rival. */
static inline void round_share(struct rounds *r, double ours, double rival)
{
	round_ratio(r, ours, rival);
	r->value[r->n - 1] = ours / rival;
}

/* A round of a quantity that stands for itself. */
static inline void round_alone(struct rounds *r, double ours)
{
	round_ratio(r, ours, 1);
	r->value[r->n - 1] = ours;
}

static inline int put_value(char *to, size_t n, double v)
{
	double a = v < 0 ? -v : v;

	return snprintf(to, n, "%.*f", a >= 100 ? 0 : a >= 10 ? 1 : 2, v);
}

static inline void put_goal(char to[32], const struct goal *g, double v)
{
	(void)snprintf(to, 32, g->sense ? "%s %g" : "",
		       g->sense == '>' ? ">=" : "<=", v);
}

/* Prints the row and makes the rounds empty; the note as by printf. */
__attribute__((format(printf, 3, 4))) static inline void
row_print(struct rounds *r, bool alone, const char *note, ...)
{
	char ours[32], rival[32] = "", value[32], lo[32], hi[32];
	char goal[32], floor[32];
	va_list ap;

	(void)put_value(ours, sizeof(ours), median_of(r->ours, r->n));
	if (!alone)
		(void)put_value(rival, sizeof(rival),
				median_of(r->rival, r->n));
	(void)put_value(value, sizeof(value), median_of(r->value, r->n));
	(void)put_value(lo, sizeof(lo), r->value[0]);
	(void)put_value(hi, sizeof(hi), r->value[r->n - 1]);
	put_goal(goal, &r->goal, r->goal.goal);
	put_goal(floor, &r->goal, r->goal.floor);
	printf("%s | %s %s | %s%s%s | %s | %s..%s | %s | %s | ", r->name, ours,
	       r->unit, rival, alone ? "" : " ", alone ? "" : r->unit, value,
	       lo, hi, goal, floor);
	va_start(ap, note);
	(void)vprintf(note, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
	r->n = 0;
}

#endif
