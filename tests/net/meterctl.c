/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The meter by hand, without the daemon: the rig of the network tests, and
 * independent of what the daemon does with the numbers.
 *
 *   meterctl [-d PINDIR] COMMAND
 *
 *   load [ROWS [LINES [WORDS]]]   load and pin (adopts what is pinned)
 *   attach IF [IN [OUT]]          modes as in attach.h; loads nothing
 *   attach-other IF [IN]          with programs of other attach types
 *   detach IF | list | unpin
 *   table FILE                    lines "prefix asn" become the prefix table
 *   swap FILE FILE N MS           the one, the other, N times, MS apart
 *   drain IF rx|tx                books and pairs, as `gen` prints them
 *   check SECONDS                 drains without pause, every equation, every
 *                                 time; prints the number of drains
 *   balance IF rx|tx              ours and the interface's own counters
 *   stats                         rows, pairs, duration of a drain
 *   kill-freeing PID SECONDS      kills PID when rows are being freed, or the
 *                                 time is over; prints where it was:
 *                                 "announcing", "emptying" or "neither"
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/mono.h"
#include "kernel/attach.h"
#include "kernel/counters.h"
#include "kernel/grace.h"
#include "kernel/ifstat.h"
#include "kernel/load.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/table.h"

static const char *pin_dir;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "meterctl: %s%s%s\n", what, why ? ": " : "",
		why ? why : "");
	exit(1);
}

static void need(int rc, const char *what)
{
	if (rc < 0)
		die(what, strerror(-rc));
}

static struct kern open_kern(void)
{
	char msg[KERN_MSG_LEN];
	struct kern k;

	if (kern_open(pin_dir, &k, msg, sizeof(msg)))
		die(msg, NULL);
	return k;
}

/* ------------------------------------------------- loading and attaching */

static int cmd_load(int argc, char **argv)
{
	struct kern_cfg cfg = {.pin_dir = pin_dir};
	uint32_t *arg[] = {&cfg.rows, &cfg.index_lines, &cfg.table_words};
	char msg[KERN_MSG_LEN];
	struct kern k;

	for (int i = 0; i < argc && i < 3; i++)
		*arg[i] = (uint32_t)strtoul(argv[i], NULL, 10);
	if (kern_load(&cfg, &k, msg, sizeof(msg)))
		die(msg, NULL);
	printf("%s\n", k.adopted ? "adopted" : "created");
	kern_done(&k);
	return 0;
}

static int show_status(void *ctx, const struct attach_status *st)
{
	(void)ctx;
	printf("%s slot %u in %s%s out %s%s\n", st->name, st->slot,
	       attach_mode_name(st->in.mode), st->in.alive ? "" : " (dead)",
	       attach_mode_name(st->out.mode), st->out.alive ? "" : " (dead)");
	return 0;
}

static int cmd_attach(int argc, char **argv)
{
	struct attach_opts opts = {.pin_dir = pin_dir};
	struct kern k = open_kern();
	struct attach_status st;
	char msg[KERN_MSG_LEN];

	if (argc < 1 || (argc > 1 && attach_want_parse(argv[1], &opts.in)) ||
	    (argc > 2 && attach_want_parse(argv[2], &opts.out)))
		die("attach IF [IN [OUT]]", NULL);
	if (attach_iface(&k, argv[0], &opts, &st, msg, sizeof(msg)))
		die(msg, NULL);
	if (msg[0])
		fprintf(stderr, "%s\n", msg);
	kern_done(&k);
	return show_status(NULL, &st);
}

/* As a release would that gave its programs other attach types: links made
 * with those take no program of ours on some kernels. */
static int cmd_attach_other(int argc, char **argv)
{
	static const struct {
		enum kern_prog prog;
		uint32_t type;
	} other[] = {{KERN_PROG_XDP, 0},
		     {KERN_PROG_EGRESS, 47}, /* BPF_TCX_EGRESS */
		     {KERN_PROG_INGRESS, 46}};
	struct attach_opts opts = {.pin_dir = pin_dir};
	struct kern k = open_kern();
	struct attach_status st;
	char msg[KERN_MSG_LEN];

	if (argc < 1 || (argc > 1 && attach_want_parse(argv[1], &opts.in)))
		die("attach-other IF [IN]", NULL);
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++) {
		int fd = kern_load_variant(&k, other[i].prog, other[i].type);

		need(fd, "variant");
		close(k.prog_fd[other[i].prog]);
		k.prog_fd[other[i].prog] = fd;
	}
	if (attach_iface(&k, argv[0], &opts, &st, msg, sizeof(msg)))
		die(msg, NULL);
	kern_done(&k);
	return show_status(NULL, &st);
}

static int cmd_detach(int argc, char **argv)
{
	char msg[KERN_MSG_LEN];

	if (argc < 1 || attach_detach(pin_dir, argv[0], msg, sizeof(msg)))
		die(msg, NULL);
	return 0;
}

static int cmd_list(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	need(attach_list(pin_dir, show_status, NULL), "list");
	return 0;
}

static int cmd_unpin(int argc, char **argv)
{
	char msg[KERN_MSG_LEN];

	(void)argc;
	(void)argv;
	if (kern_unpin(pin_dir, msg, sizeof(msg)))
		die(msg, NULL);
	return 0;
}

/* ----------------------------------------------------------------- table */

struct feed {
	struct kern k;
	struct attr_table *attrs;
	struct rib *rib;
	struct table *table;
	int src;
};

static void *map_of(const struct feed *f, enum asm_map m, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
		       f->k.map_fd[m], 0);

	if (p == MAP_FAILED)
		die("mmap", strerror(errno));
	return p;
}

static void feed_open(struct feed *f)
{
	struct rib_source_cfg src = {.kind = RIB_OVERRIDE, .name = "file"};
	struct asm_state *st;
	struct table_cfg cfg;

	f->k = open_kern();
	st = map_of(f, ASM_MAP_STATE, sizeof(*st));
	cfg = (struct table_cfg){
		.words = map_of(f, ASM_MAP_TABLE, st->table_words * 4ul),
		.n_words = st->table_words,
		.as = map_of(f, ASM_MAP_AS,
			     sizeof(struct asm_as) * ASM_AS_SLOTS),
		.as_slots = ASM_AS_SLOTS,
		.state = st};
	f->attrs = attr_table_new();
	f->rib = rib_new(f->attrs);
	f->src = rib_source_add(f->rib, &src);
	need(f->src, "source");
	need(table_open(&cfg, f->rib, &f->table), "table");
}

static void feed_publish(struct feed *f)
{
	int rc;

	for (int i = 0; i < FAMILIES; i++)
		table_release(f->table, (enum family)i);
	do {
		uint64_t seal;

		rc = table_flush(f->table, TABLE_FLUSH_NOW,
				 (uint64_t)time(NULL));
		need(rc, "publish");
		seal = table_seal(f->table);
		if (!seal)
			continue;
		need(grace_wait(f->k.map_fd[ASM_MAP_GRACE],
				f->k.map_fd[ASM_MAP_STATE]),
		     "grace");
		table_reclaim(f->table, seal);
	} while (rc != TABLE_CLEAN);
}

/* Announces the lines of a file, then publishes all at once. */
static void feed_file(struct feed *f, const char *path)
{
	char line[256], text[80];
	FILE *in = fopen(path, "re");
	uint32_t asn;

	if (!in)
		die(path, strerror(errno));
	while (fgets(line, sizeof(line), in)) {
		struct attr_spec spec = {.local_pref = RIB_LOCAL_PREF};
		struct attr *attr;
		struct prefix p;

		if (sscanf(line, "%79s %u", text, &asn) != 2 ||
		    prefix_parse(text, &p))
			die(path, line);
		spec.origin_as = asn;
		attr = attr_intern(f->attrs, &spec);
		need(rib_announce(f->rib, f->src, &p, 0, attr, 0), "route");
		attr_unref(f->attrs, attr);
	}
	fclose(in);
	feed_publish(f);
}

static void feed_close(struct feed *f)
{
	table_close(f->table);
	rib_free(f->rib);
	attr_table_free(f->attrs);
	kern_done(&f->k);
}

static int cmd_table(int argc, char **argv)
{
	struct feed f = {0};

	if (argc < 1)
		die("table FILE", NULL);
	feed_open(&f);
	feed_file(&f, argv[0]);
	feed_close(&f);
	return 0;
}

static int cmd_swap(int argc, char **argv)
{
	struct feed f = {0};
	struct mono t0 = mono_now();
	unsigned n;

	if (argc < 4)
		die("swap FILE FILE N MS", NULL);
	n = (unsigned)strtoul(argv[2], NULL, 10);
	feed_open(&f);
	for (unsigned i = 0; i < n; i++) {
		feed_file(&f, argv[(i + 1) % 2]);
		usleep((unsigned)strtoul(argv[3], NULL, 10) * 1000u);
	}
	printf("%u swaps in %.2f s\n", n,
	       (double)mono_diff_ns(t0, mono_now()) / 1e9);
	feed_close(&f);
	return 0;
}

/* -------------------------------------------------------------- counters */

struct view {
	uint32_t ifindex; /* 0: all */
	enum asm_dir dir;
	bool print;
	struct asm_books books;     /* of the port asked for */
	struct asm_measure rows[2]; /* sums of the rows, by direction */
	struct asm_measure ports[2];
	const char *broken;
};

static void add(struct asm_measure *to, const struct asm_measure *m)
{
	to->packets += m->packets;
	to->ip_bytes += m->ip_bytes;
	to->wire_bytes += m->wire_bytes;
}

static void print_measure(const char *name, const struct asm_measure *m)
{
	printf("%s %llu %llu %llu\n", name, (unsigned long long)m->packets,
	       (unsigned long long)m->ip_bytes,
	       (unsigned long long)m->wire_bytes);
}

static bool same(const struct asm_measure *a, const struct asm_measure *b)
{
	return a->packets == b->packets && a->ip_bytes == b->ip_bytes &&
	       a->wire_bytes == b->wire_bytes;
}

/* seen = the sum of all buckets; what went to rows is kept for later. */
static void check_books(struct view *v, const struct asm_books *b, int dir)
{
	const struct asm_measure *m = &b->attributed;
	struct asm_measure sum = {0};

	for (unsigned i = 0; i < ASM_VERDICTS; i++)
		add(&sum, m + i);
	if (!same(&sum, &b->seen))
		v->broken = "seen is not the sum of its buckets";
	add(&v->ports[dir], &b->attributed);
	add(&v->ports[dir], &b->unknown_as);
}

static void on_port(void *ctx, uint32_t slot, const struct asm_if *ifc,
		    const struct asm_books *rx, const struct asm_books *tx)
{
	struct view *v = ctx;

	(void)slot;
	check_books(v, rx, ASM_DIR_IN);
	check_books(v, tx, ASM_DIR_OUT);
	if (ifc && ifc->ifindex == v->ifindex)
		v->books = v->dir == ASM_DIR_IN ? *rx : *tx;
}

static void on_pair(void *ctx, uint32_t id, const struct asm_row *r)
{
	struct asm_measure m = {r->packets, r->ip_bytes, r->wire_bytes};
	struct view *v = ctx;
	char name[64];

	(void)id;
	add(&v->rows[r->dir & 1], &m);
	if (!v->print || r->ifindex != v->ifindex || r->dir != v->dir ||
	    !r->packets)
		return;
	(void)snprintf(name, sizeof(name), "pair %u %u %u", r->src_as,
		       r->dst_as, r->family);
	print_measure(name, &m);
}

static void drain(struct counters *c, struct view *v)
{
	static const struct counters_sink sink = {.pair = on_pair,
						  .port = on_port};

	counters_flip(c);
	need(counters_grace(c), "grace");
	need(counters_read(c, &sink, v), "drain");
	for (int d = 0; d < 2; d++)
		if (!same(&v->rows[d], &v->ports[d]))
			v->broken = "the rows are not what the books say";
	if (v->broken)
		die("equation", v->broken);
}

static struct counters *open_counters(void)
{
	struct kern k = open_kern();
	struct counters *c;

	/* the descriptors stay open for the life of this process */
	need(counters_open(k.map_fd, &c), "counters");
	return c;
}

static struct view view_of(int argc, char **argv)
{
	struct view v = {0};
	struct ifstat st;

	if (argc < 2)
		die("IF rx|tx", NULL);
	need(ifstat_get(0, argv[0], &st), argv[0]);
	v.ifindex = st.ifindex;
	v.dir = strcmp(argv[1], "rx") ? ASM_DIR_OUT : ASM_DIR_IN;
	return v;
}

static int cmd_drain(int argc, char **argv)
{
	struct view v = view_of(argc, argv);
	struct counters *c = open_counters();

	v.print = true;
	drain(c, &v);
	print_measure("seen", &v.books.seen);
	print_measure("attributed", &v.books.attributed);
	print_measure("not_ip", &v.books.not_ip);
	print_measure("truncated", &v.books.truncated);
	print_measure("malformed", &v.books.malformed);
	print_measure("unknown_as", &v.books.unknown_as);
	print_measure("map_full", &v.books.map_full);
	counters_close(c);
	return 0;
}

static int cmd_check(int argc, char **argv)
{
	double seconds = argc > 0 ? strtod(argv[0], NULL) : 1;
	struct counters *c = open_counters();
	struct mono t0 = mono_now();
	uint64_t last = 0;
	unsigned n = 0;

	while ((double)mono_diff_ns(t0, mono_now()) < seconds * 1e9) {
		struct view v = {0};
		uint64_t sum;

		drain(c, &v);
		sum = v.ports[0].packets + v.ports[1].packets;
		if (sum < last)
			die("equation", "a total went down");
		last = sum;
		n++;
	}
	printf("%u drains, every equation exact, %llu packets in the end\n", n,
	       (unsigned long long)last);
	counters_close(c);
	return 0;
}

static int cmd_balance(int argc, char **argv)
{
	struct view v = view_of(argc, argv);
	struct kern k = open_kern();
	struct counters *c = open_counters();
	struct ifstat_balance b;
	struct ifstat st;
	struct asm_if ifc = {0};
	const struct asm_if *ifs;
	uint64_t packets, bytes;

	drain(c, &v);
	need(ifstat_get(v.ifindex, NULL, &st), "ifstat");
	ifs = mmap(NULL, sizeof(*ifs) * ASM_IF_SLOTS, PROT_READ, MAP_SHARED,
		   k.map_fd[ASM_MAP_IFS], 0);
	if (ifs == MAP_FAILED)
		die("asm_ifs", strerror(errno));
	for (unsigned s = 0; s < ASM_IF_SLOTS; s++)
		if (ifs[s].ifindex == v.ifindex)
			ifc = ifs[s];
	packets = v.dir == ASM_DIR_IN ? st.rx_packets - ifc.base_rx_packets
				      : st.tx_packets - ifc.base_tx_packets;
	bytes = v.dir == ASM_DIR_IN ? st.rx_bytes - ifc.base_rx_bytes
				    : st.tx_bytes - ifc.base_tx_bytes;
	ifstat_balance(v.books.seen.packets, v.books.seen.wire_bytes, packets,
		       bytes, &b);
	printf("packets_diff %lld bytes_diff %lld offset %d\n",
	       (long long)b.packets_diff, (long long)b.bytes_diff, b.offset);
	counters_close(c);
	kern_done(&k);
	return 0;
}

static int cmd_stats(int argc, char **argv)
{
	struct counters *c = open_counters();
	struct counters_stats s;
	struct view v = {0};

	(void)argc;
	(void)argv;
	drain(c, &v);
	counters_stats(c, &s);
	printf("rows_used_max %u rows %u pairs %u drain_us %lld\n",
	       s.rows_used_max, s.rows, s.pairs,
	       (long long)(s.last_drain_ns / 1000));
	counters_close(c);
	return 0;
}

/* What user/kernel/past.h says of the maps right now: some entries tell of
 * most. */
static const char *freeing(const struct asm_state *st,
			   const struct asm_past *past)
{
	uint64_t n = __atomic_load_n(&st->n_past, __ATOMIC_RELAXED);

	if (__atomic_load_n(&st->emptied, __ATOMIC_RELAXED))
		return "emptying";
	for (uint64_t i = 0; i < 32; i++) {
		if (n && __atomic_load_n(&past[n * i / 32].pending,
					 __ATOMIC_RELAXED))
			return "announcing";
	}
	return "neither";
}

static int cmd_kill_freeing(int argc, char **argv)
{
	pid_t pid = argc == 2 ? (pid_t)strtol(argv[0], NULL, 10) : 0;
	double seconds = argc == 2 ? strtod(argv[1], NULL) : 0;
	struct sched_param first = {.sched_priority = 1};
	struct kern k = open_kern();
	const struct asm_state *st;
	const struct asm_past *past;
	struct mono t0 = mono_now();

	if (pid <= 0)
		die("kill-freeing PID SECONDS", NULL);
	st = mmap(NULL, sizeof(*st), PROT_READ, MAP_SHARED,
		  k.map_fd[ASM_MAP_STATE], 0);
	if (st == MAP_FAILED)
		die("asm_state", strerror(errno));
	past = mmap(NULL,
		    (size_t)ASM_BANKS * st->n_cpus * st->rows * sizeof(*past),
		    PROT_READ, MAP_SHARED, k.map_fd[ASM_MAP_PAST], 0);
	if (past == MAP_FAILED)
		die("asm_past", strerror(errno));
	/* it is over soon: better ahead of others, where that is allowed */
	(void)sched_setscheduler(0, SCHED_FIFO, &first);
	while (*freeing(st, past) == 'n' &&
	       (double)mono_diff_ns(t0, mono_now()) < seconds * 1e9)
		usleep(20);
	/* stopped first, so that what it was doing can be looked at */
	need(kill(pid, SIGSTOP) ? -errno : 0, "stop");
	usleep(5000);
	puts(freeing(st, past));
	need(kill(pid, SIGKILL) ? -errno : 0, "kill");
	kern_done(&k);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(int argc, char **argv);
	} cmds[] = {{"load", cmd_load},
		    {"attach", cmd_attach},
		    {"detach", cmd_detach},
		    {"list", cmd_list},
		    {"unpin", cmd_unpin},
		    {"table", cmd_table},
		    {"swap", cmd_swap},
		    {"drain", cmd_drain},
		    {"check", cmd_check},
		    {"balance", cmd_balance},
		    {"stats", cmd_stats},
		    {"attach-other", cmd_attach_other},
		    {"kill-freeing", cmd_kill_freeing}};

	if (argc > 2 && !strcmp(argv[1], "-d")) {
		pin_dir = argv[2];
		argv += 2;
		argc -= 2;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(cmds) / sizeof(cmds[0]); i++)
		if (!strcmp(argv[1], cmds[i].name))
			return cmds[i].fn(argc - 2, argv + 2);
	die("see the top of tests/net/meterctl.c for the commands", NULL);
}
