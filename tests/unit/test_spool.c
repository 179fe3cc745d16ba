/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The spool, and the stream in it, against everything that can happen to a
 * file: cut at every length, a byte turned over at every place, a process
 * killed at any moment, a full disk, a bound that is reached.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "export/outbox.h"

#define BIG (UINT64_C(64) << 20)

static char dir[64];

static void make_dir(void)
{
	strcpy(dir, "/tmp/asmeter-spool-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void clear_dir(void)
{
	char pattern[96];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/*", dir);
	if (!glob(pattern, 0, NULL, &g)) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
}

static void remove_dir(void)
{
	clear_dir();
	rmdir(dir);
}

TestSuite(spool, .init = make_dir, .fini = remove_dir);
TestSuite(outbox, .init = make_dir, .fini = remove_dir);

static const char *path_of(uint64_t no)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/q-%016llx.spool", dir,
		 (unsigned long long)no);
	return path;
}

static struct spool *open_spool(uint64_t max, enum spool_found want)
{
	enum spool_found found;
	struct spool *s;

	cr_assert_eq(spool_open(dir, "q", max, &s, &found), 0);
	cr_assert_eq(found, want, "found %d instead of %d", (int)found,
		     (int)want);
	return s;
}

static void put(struct spool *s, const char *text)
{
	cr_assert_eq(spool_append(s, text, strlen(text)), 0, "%s", text);
}

/* The next frame is `want`; NULL: there is none. */
static struct spool_pos expect(struct spool *s, const char *want)
{
	struct spool_pos pos = {0};
	struct buf b = {0};
	int rc = spool_next(s, &b, &pos);

	cr_assert_eq(rc, want != NULL, "%d for %s", rc, want ? want : "none");
	if (want) {
		cr_assert_eq(b.len, strlen(want));
		cr_assert_eq(memcmp(b.p, want, b.len), 0);
	}
	buf_free(&b);
	return pos;
}

static uint32_t segments(struct spool *s)
{
	struct spool_stats st;

	spool_stats(s, &st);
	return st.segments;
}

static uint64_t pending(struct spool *s)
{
	struct spool_stats st;

	spool_stats(s, &st);
	return st.pending;
}

/* ------------------------------------------------------------- the queue */

Test(spool, keeps_the_order_and_what_is_not_acknowledged)
{
	struct spool *s = open_spool(BIG, SPOOL_EMPTY);
	struct spool_pos pos;

	cr_assert_eq(spool_append(s, "x", 1), -ENOENT);
	cr_assert(spool_wants_segment(s, 1));
	cr_assert_eq(spool_begin(s, "head", 4), 0);
	cr_assert_not(spool_wants_segment(s, 1));
	expect(s, NULL);
	put(s, "one");
	put(s, "");
	put(s, "three");
	pos = expect(s, "one");
	expect(s, "");
	spool_ack(s, pos);
	cr_assert_gt(pending(s), 0);
	spool_close(s);

	s = open_spool(BIG, SPOOL_WHOLE);
	expect(s, "");
	put(s, "four");
	expect(s, "three");
	pos = expect(s, "four");
	expect(s, NULL);
	spool_ack(s, pos);
	cr_assert_eq(pending(s), 0);
	spool_close(s);

	s = open_spool(BIG, SPOOL_WHOLE);
	expect(s, NULL);
	cr_assert_eq(pending(s), 0);
	spool_close(s);
}

Test(spool, drops_segments_that_are_acknowledged)
{
	struct spool *s = open_spool(BIG, SPOOL_EMPTY);
	struct spool_pos pos;

	cr_assert_eq(spool_begin(s, "1", 1), 0);
	put(s, "a");
	cr_assert_eq(spool_begin(s, "2", 1), 0);
	put(s, "b");
	cr_assert_eq(spool_begin(s, "3", 1), 0);
	put(s, "c");
	cr_assert_eq(segments(s), 3);
	spool_ack(s, expect(s, "a"));
	cr_assert_eq(segments(s), 3);
	pos = expect(s, "b");
	spool_ack(s, pos);
	cr_assert_eq(segments(s), 2);
	cr_assert_neq(access(path_of(1), F_OK), 0);
	cr_assert_eq(access(path_of(2), F_OK), 0);
	spool_ack(s, expect(s, "c"));
	cr_assert_eq(segments(s), 1);
	expect(s, NULL);
	/* all is acknowledged: a new segment is the only one */
	cr_assert_eq(spool_begin(s, "4", 1), 0);
	cr_assert_eq(segments(s), 1);
	put(s, "d");
	spool_close(s);
	s = open_spool(BIG, SPOOL_WHOLE);
	expect(s, "d");
	spool_close(s);
}

Test(spool, without_the_position_all_is_sent_again)
{
	struct spool *s = open_spool(BIG, SPOOL_EMPTY);
	char pos[128];

	snprintf(pos, sizeof(pos), "%s/q.pos", dir);
	cr_assert_eq(spool_begin(s, "h", 1), 0);
	put(s, "a");
	put(s, "b");
	spool_ack(s, expect(s, "a"));
	spool_close(s);
	for (unsigned i = 0; i < 3; i++) {
		switch (i) {
		case 0:
			cr_assert_eq(truncate(pos, 20), 0);
			break;
		case 1:
			cr_assert_eq(truncate(pos, 32), 0); /* zeros */
			break;
		default:
			cr_assert_eq(unlink(pos), 0);
		}
		s = open_spool(BIG, SPOOL_WHOLE);
		expect(s, "a");
		expect(s, "b");
		expect(s, NULL);
		spool_close(s);
	}
}

Test(spool, takes_no_file_for_one_of_its_own)
{
	static const char *const names[] = {
		"q-1.spool",
		"q-000000000000000g.spool",
		"q-0000000000000001.spool.bak",
		"r-0000000000000001.spool",
		"q-ffffffffffffffff.spool",
		"q.new",
	};
	char path[160];
	struct spool *s;

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		fclose(fopen(path, "w"));
	}
	s = open_spool(BIG, SPOOL_EMPTY);
	cr_assert_eq(segments(s), 0);
	cr_assert_neq(access(path, F_OK), 0); /* half a segment is none */
	spool_close(s);
	cr_assert_eq(symlink("/etc/passwd", path_of(1)), 0);
	cr_assert_neq(spool_open(dir, "q", BIG, &s,
				 &(enum spool_found){SPOOL_EMPTY}),
		      0);
}

/* -------------------------------------------------- files cut and damaged */

static const char *const texts[] = {"first", "", "the third frame", "4"};
#define TEXTS (sizeof(texts) / sizeof(*texts))

/* A segment with head and texts; offsets of the frames' ends. */
static void sample(uint64_t *ends)
{
	struct spool *s = open_spool(BIG, SPOOL_EMPTY);
	struct stat st;

	cr_assert_eq(spool_begin(s, "head", 4), 0);
	for (unsigned i = 0; i <= TEXTS; i++) {
		cr_assert_eq(stat(path_of(1), &st), 0);
		ends[i] = (uint64_t)st.st_size;
		if (i < TEXTS)
			put(s, texts[i]);
	}
	spool_close(s);
}

static int count_frame(void *ctx, const void *p, size_t len)
{
	unsigned *n = ctx;

	cr_assert_eq(len, strlen(texts[*n]));
	cr_assert_eq(memcmp(p, texts[*n], len), 0);
	(*n)++;
	return 0;
}

static int check_head(void *ctx, const void *p, size_t len)
{
	(void)ctx;
	cr_assert_eq(len, 4);
	cr_assert_eq(memcmp(p, "head", 4), 0);
	return 0;
}

/* The directory with a first segment of these bytes and nothing else. */
static void lay_out(const void *data, size_t len)
{
	int fd;

	clear_dir();
	fd = open(path_of(1), O_CREAT | O_EXCL | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

Test(spool, every_truncation)
{
	uint64_t ends[TEXTS + 1];
	char *all;
	size_t size;

	sample(ends);
	cr_assert_eq(file_read(path_of(1), 4096, &all, &size), 0);
	cr_assert_eq(size, ends[TEXTS]);
	for (size_t len = 0; len <= size; len++) {
		unsigned whole = 0, n = 0;
		struct spool *s;

		lay_out(all, len);
		if (len < ends[0]) { /* no head: nothing is known */
			s = open_spool(BIG, SPOOL_DAMAGED);
			expect(s, NULL);
			cr_assert_eq(spool_begin(s, "new", 3), 0);
			put(s, "n");
			expect(s, "n");
			spool_close(s);
			continue;
		}
		while (whole < TEXTS && ends[whole + 1] <= len)
			whole++;
		s = open_spool(BIG, SPOOL_WHOLE);
		cr_assert_eq(spool_recall(s, check_head, count_frame, &n), 0);
		cr_assert_eq(n, whole, "%u frames in %zu bytes", n, len);
		for (unsigned i = 0; i < whole; i++)
			expect(s, texts[i]);
		expect(s, NULL);
		/* and it goes on behind the last whole one */
		put(s, "more");
		expect(s, "more");
		spool_close(s);
		s = open_spool(BIG, SPOOL_WHOLE);
		for (unsigned i = 0; i < whole; i++)
			expect(s, texts[i]);
		expect(s, "more");
		spool_close(s);
	}
	free(all);
}

Test(spool, every_byte_turned_over)
{
	uint64_t ends[TEXTS + 1];
	char *all;
	size_t size;

	sample(ends);
	cr_assert_eq(file_read(path_of(1), 4096, &all, &size), 0);
	for (size_t at = 0; at < size; at++) {
		unsigned before = 0;
		enum spool_found found;
		struct spool *s;

		all[at] = (char)~all[at];
		lay_out(all, size);
		all[at] = (char)~all[at];
		cr_assert_eq(spool_open(dir, "q", BIG, &s, &found), 0);
		while (at >= ends[0] && before < TEXTS &&
		       ends[before + 1] <= at)
			before++;
		cr_assert_eq(found, SPOOL_DAMAGED, "byte %zu", at);
		for (unsigned i = 0; at >= ends[0] && i < before; i++)
			expect(s, texts[i]);
		expect(s, NULL);
		cr_assert_eq(spool_begin(s, "new", 3), 0);
		put(s, "n");
		expect(s, "n");
		spool_close(s);
	}
	free(all);
}

Test(spool, a_damaged_place_costs_its_segment_only)
{
	struct spool *s = open_spool(BIG, SPOOL_EMPTY);
	struct spool_stats st;
	int fd;

	cr_assert_eq(spool_begin(s, "1", 1), 0);
	put(s, "a");
	put(s, "b");
	put(s, "c");
	cr_assert_eq(spool_begin(s, "2", 1), 0);
	put(s, "d");
	fd = open(path_of(1), O_RDWR);
	/* 12 + (12 + 1), then (12 + 1) each: the "b" */
	cr_assert_eq(pwrite(fd, "x", 1, 12 + 13 + 13 + 12), 1);
	close(fd);
	expect(s, "a");
	expect(s, "d");
	expect(s, NULL);
	spool_stats(s, &st);
	cr_assert_eq(st.skipped, 1);
	spool_close(s);
}

Test(spool, what_was_acknowledged_and_is_gone_is_noticed)
{
	struct spool *s = open_spool(BIG, SPOOL_EMPTY);
	struct stat st;

	cr_assert_eq(spool_begin(s, "1", 1), 0);
	put(s, "a");
	cr_assert_eq(stat(path_of(1), &st), 0);
	put(s, "b");
	expect(s, "a");
	spool_ack(s, expect(s, "b"));
	spool_close(s);
	cr_assert_eq(truncate(path_of(1), st.st_size), 0);
	s = open_spool(BIG, SPOOL_DAMAGED);
	cr_assert_eq(spool_append(s, "x", 1), -ENOENT);
	spool_close(s);
}

/* ------------------------------------------------------- bound and disk */

Test(spool, the_bound_is_one)
{
	uint64_t max = 100000;
	struct spool *s = open_spool(max, SPOOL_EMPTY);
	struct spool_stats st;
	char frame[1000] = "";
	struct buf b = {0};
	struct spool_pos pos;
	unsigned n = 0;

	cr_assert_eq(spool_begin(s, frame, 100), 0);
	while (spool_append(s, frame, sizeof(frame)) == 0)
		n++;
	cr_assert_eq(n, 98);
	cr_assert_eq(spool_append(s, frame, sizeof(frame)), -E2BIG);
	cr_assert_eq(spool_begin(s, frame, 800), -E2BIG);
	spool_stats(s, &st);
	cr_assert_leq(st.bytes, max);
	/* room comes with the acknowledgement of all */
	while (spool_next(s, &b, &pos) == 1)
		spool_ack(s, pos);
	buf_free(&b);
	cr_assert_eq(spool_append(s, frame, sizeof(frame)), -E2BIG);
	cr_assert(spool_wants_segment(s, sizeof(frame)));
	cr_assert_eq(spool_begin(s, frame, 100), 0);
	cr_assert_eq(spool_append(s, frame, sizeof(frame)), 0);
	cr_assert_eq(segments(s), 1);
	spool_limit(s, 500);
	cr_assert_eq(spool_append(s, frame, 1), -E2BIG);
	spool_close(s);
}

/* -------------------------------------------------------- the stream in it */

static const char boot[] = "01234567-89ab-cdef-0123-456789abcdef";

static struct traffic_key row_key(uint32_t i)
{
	return (struct traffic_key){.src_as = 64500 + i % 7,
				    .dst_as = 100 + i / 7,
				    .ifindex = 2 + i % 3,
				    .out = i & 1,
				    .ip6 = (i & 2) != 0};
}

/* What the kernel would have: totals by row, which only grow. */
struct world {
	struct asm_measure now[64], base[64];
	unsigned seed;
};

static void grow(struct world *w)
{
	for (unsigned i = 0; i < 64; i++) {
		w->seed = w->seed * 1103515245u + 12345u;
		if (w->seed >> 16 & 1)
			continue;
		uint64_t n = 1 + (w->seed >> 20);

		w->now[i].packets += n;
		w->now[i].ip_bytes += n * 100;
		w->now[i].wire_bytes += n * 114;
	}
}

static void fill(struct traffic_batch *b, const struct world *w)
{
	traffic_batch_clear(b);
	strcpy(b->label, "r1");
	for (uint32_t i = 0; i < 64; i++) {
		struct traffic_row r = {.key = row_key(i), .total = w->now[i]};

		r.delta.packets = w->now[i].packets - w->base[i].packets;
		r.delta.ip_bytes = w->now[i].ip_bytes - w->base[i].ip_bytes;
		r.delta.wire_bytes =
			w->now[i].wire_bytes - w->base[i].wire_bytes;
		if (r.delta.packets)
			cr_assert_eq(traffic_batch_row(b, &r), 0);
	}
	cr_assert_eq(traffic_batch_iface(b, 2, "eth0"), 0);
}

static struct outbox *open_outbox(uint64_t max, uint64_t maps,
				  enum outbox_found want)
{
	enum outbox_found found;
	struct outbox *o;

	cr_assert_eq(outbox_open(dir, max, boot, maps, &o, &found), 0);
	cr_assert_eq(found, want, "found %d", (int)found);
	return o;
}

static void recall_base(struct outbox *o, struct world *w)
{
	for (uint32_t i = 0; i < 64; i++) {
		struct traffic_key k = row_key(i);
		const struct asm_measure *m =
			traffic_state_get(outbox_state(o), &k);

		w->base[i] = m ? *m : (struct asm_measure){0};
	}
}

/* Reads all frames from the first on: numbers without a gap, and the sum of
 * what they say is the rows' exported total. */
static void check_sums(struct outbox *o, uint64_t first)
{
	struct asm_measure sum[64] = {0};
	struct spool_pos pos;
	struct traffic_frame f;
	struct buf b = {0};
	uint64_t seq = first;
	struct world w = {0};

	while (spool_next(outbox_spool(o), &b, &pos) == 1) {
		cr_assert_eq(traffic_frame_decode(&f, b.p, b.len), 0);
		cr_assert_eq(f.first_seq, seq);
		seq += f.n_rows;
		for (uint32_t i = 0; i < f.n_rows; i++) {
			struct traffic_row r;
			uint32_t k = 0;

			traffic_frame_row(&f, i, &r);
			while (row_key(k).src_as != r.key.src_as ||
			       row_key(k).dst_as != r.key.dst_as ||
			       row_key(k).ifindex != r.key.ifindex ||
			       row_key(k).out != r.key.out ||
			       row_key(k).ip6 != r.key.ip6)
				cr_assert_lt(++k, 64);
			sum[k].packets += r.delta.packets;
			sum[k].ip_bytes += r.delta.ip_bytes;
			sum[k].wire_bytes += r.delta.wire_bytes;
		}
	}
	cr_assert_eq(seq, outbox_state(o)->next_seq);
	recall_base(o, &w);
	cr_assert_eq(memcmp(sum, w.base, sizeof(sum)), 0, "sums");
	buf_free(&b);
}

static void begin(struct outbox *o, uint64_t maps)
{
	outbox_rebase(o, boot, maps, 7, 1000);
	cr_assert_eq(outbox_save(o), 0);
}

Test(outbox, knows_what_was_exported_after_each_restart)
{
	struct traffic_batch b = {0};
	struct world w = {.seed = 1};
	struct outbox *o = open_outbox(BIG, 5, OUTBOX_NEW);

	begin(o, 5);
	for (unsigned i = 0; i < 50; i++) {
		grow(&w);
		fill(&b, &w);
		cr_assert_eq(outbox_store(o, &b), 0);
		outbox_close(o);
		o = open_outbox(BIG, 5, OUTBOX_GOES_ON);
		recall_base(o, &w);
		cr_assert_eq(memcmp(w.base, w.now, sizeof(w.now)), 0);
	}
	check_sums(o, 1);
	outbox_close(o);
	o = open_outbox(BIG, 6, OUTBOX_NEW); /* other maps */
	outbox_close(o);
	traffic_batch_free(&b);
}

Test(outbox, goes_on_from_segment_to_segment)
{
	struct traffic_batch b = {0};
	struct world w = {.seed = 2};
	struct outbox *o = open_outbox(UINT64_C(16) << 20, 5, OUTBOX_NEW);
	unsigned many = 0;

	begin(o, 5);
	while (many < 2100) {
		grow(&w);
		fill(&b, &w);
		cr_assert_eq(outbox_store(o, &b), 0);
		memcpy(w.base, w.now, sizeof(w.now));
		many++;
	}
	cr_assert_geq(segments(outbox_spool(o)), 4);
	outbox_close(o);
	o = open_outbox(UINT64_C(16) << 20, 5, OUTBOX_GOES_ON);
	recall_base(o, &w);
	cr_assert_eq(memcmp(w.base, w.now, sizeof(w.now)), 0);
	check_sums(o, 1);
	outbox_close(o);
	traffic_batch_free(&b);
}

/* A process that stores for ever, killed at moments all over the place: what
 * it left is whole, and adds up. */
Test(outbox, killed_at_any_moment)
{
	struct outbox *o = open_outbox(UINT64_C(16) << 20, 5, OUTBOX_NEW);
	unsigned seed = 3;

	begin(o, 5);
	outbox_close(o);
	for (unsigned round = 0; round < 40; round++) {
		int go[2];
		pid_t pid;
		char c;

		cr_assert_eq(pipe(go), 0);
		pid = fork();
		if (!pid) {
			struct traffic_batch b = {0};
			struct world w = {.seed = round};
			struct spool_pos pos;
			struct buf bytes = {0};

			o = open_outbox(UINT64_C(16) << 20, 5, OUTBOX_GOES_ON);
			recall_base(o, &w);
			memcpy(w.now, w.base, sizeof(w.now));
			(void)!write(go[1], "x", 1);
			for (;;) {
				grow(&w);
				fill(&b, &w);
				if (!outbox_store(o, &b))
					memcpy(w.base, w.now, sizeof(w.now));
				/* the reader keeps it from growing */
				if (spool_next(outbox_spool(o), &bytes, &pos) ==
				    1)
					spool_ack(outbox_spool(o), pos);
			}
		}
		cr_assert_eq(read(go[0], &c, 1), 1);
		close(go[0]);
		close(go[1]);
		seed = seed * 1103515245u + 12345u;
		usleep(seed >> 16 & 16383);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);

		/* the state is what the last frame in the spool says */
		struct spool_pos pos;
		struct traffic_frame f = {.first_seq = 0};
		struct buf bytes = {0};
		uint64_t seq = 0;

		o = open_outbox(UINT64_C(16) << 20, 5, OUTBOX_GOES_ON);
		while (spool_next(outbox_spool(o), &bytes, &pos) == 1) {
			cr_assert_eq(traffic_frame_decode(&f, bytes.p,
							  bytes.len),
				     0);
			cr_assert(!seq || f.first_seq == seq);
			seq = f.first_seq + f.n_rows;
		}
		cr_assert(!seq || seq == outbox_state(o)->next_seq);
		buf_free(&bytes);
		outbox_close(o);
	}
}

/* A disk of half a megabyte: it fills, nothing is exported by halves, and it
 * goes on when there is room, with the same numbers. */
Test(outbox, on_a_full_disk)
{
	struct traffic_batch b = {0};
	struct world w = {.seed = 4};
	struct outbox *o;
	char junk[128];
	uint64_t seq;
	int fd, err = 0;

	/* a limit of the file size is a full disk to every write */
	struct rlimit lim = {.rlim_cur = 200000, .rlim_max = RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	o = open_outbox(BIG, 5, OUTBOX_NEW);
	begin(o, 5);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	for (unsigned i = 0; i < 1000 && !err; i++) {
		grow(&w);
		fill(&b, &w);
		err = outbox_store(o, &b);
		if (!err)
			memcpy(w.base, w.now, sizeof(w.now));
	}
	cr_assert_eq(err, -EFBIG);
	seq = outbox_state(o)->next_seq;
	for (unsigned i = 0; i < 10; i++) { /* and once more, and once more */
		grow(&w);
		fill(&b, &w);
		cr_assert_eq(outbox_store(o, &b), -EFBIG);
		cr_assert_eq(outbox_state(o)->next_seq, seq);
	}
	lim.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	cr_assert_eq(outbox_store(o, &b), 0);
	memcpy(w.base, w.now, sizeof(w.now));
	cr_assert_eq(outbox_state(o)->next_seq, seq + b.n_rows);
	check_sums(o, 1);
	outbox_close(o);

	/* the same when there is no room from the beginning */
	clear_dir();
	o = open_outbox(BIG, 5, OUTBOX_NEW);
	lim.rlim_cur = 16;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	outbox_rebase(o, boot, 5, 8, 1000);
	cr_assert_eq(outbox_save(o), -EFBIG);
	cr_assert_eq(outbox_store(o, &b), -EFBIG);
	snprintf(junk, sizeof(junk), "%s/kafka.new", dir);
	fd = open(junk, O_RDONLY);
	cr_assert_lt(fd, 0, "half a segment is left");
	lim.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &lim), 0);
	cr_assert_eq(outbox_store(o, &b), 0);
	outbox_close(o);
	o = open_outbox(BIG, 5, OUTBOX_GOES_ON);
	cr_assert_eq(outbox_state(o)->next_seq, 1 + b.n_rows);
	cr_assert_eq(outbox_state(o)->epoch, 8);
	outbox_close(o);
	traffic_batch_free(&b);
}

/* What the bound keeps out is in the next record that is let in. */
Test(outbox, a_bound_costs_no_byte)
{
	struct traffic_batch b = {0};
	struct world w = {.seed = 6};
	struct outbox *o = open_outbox(100000, 5, OUTBOX_NEW);
	struct asm_measure sum[64] = {0};
	struct spool_pos pos;
	struct buf bytes = {0};
	unsigned kept_out = 0;
	struct traffic_frame f;
	struct traffic_row r;

	begin(o, 5);
	for (unsigned i = 0; i < 400; i++) {
		grow(&w);
		fill(&b, &w);
		if (outbox_store(o, &b) == 0) {
			memcpy(w.base, w.now, sizeof(w.now));
		} else {
			kept_out++;
		}
		if (i % 100 != 99)
			continue;
		while (spool_next(outbox_spool(o), &bytes, &pos) == 1) {
			cr_assert_eq(traffic_frame_decode(&f, bytes.p,
							  bytes.len),
				     0);
			for (uint32_t k = 0; k < f.n_rows; k++) {
				traffic_frame_row(&f, k, &r);
				sum[0].packets += r.delta.packets;
				sum[0].ip_bytes += r.delta.ip_bytes;
			}
			spool_ack(outbox_spool(o), pos);
		}
	}
	cr_assert_gt(kept_out, 50);
	for (unsigned i = 0; i < 64; i++) {
		sum[1].packets += w.base[i].packets;
		sum[1].ip_bytes += w.base[i].ip_bytes;
	}
	cr_assert_eq(sum[0].packets, sum[1].packets);
	cr_assert_eq(sum[0].ip_bytes, sum[1].ip_bytes);
	buf_free(&bytes);
	outbox_close(o);
	traffic_batch_free(&b);
}

Test(outbox, a_damaged_spool_is_said_to_be_lost)
{
	struct traffic_batch b = {0};
	struct world w = {.seed = 5};
	struct outbox *o = open_outbox(BIG, 5, OUTBOX_NEW);
	char path[128];
	int fd;

	begin(o, 5);
	grow(&w);
	fill(&b, &w);
	cr_assert_eq(outbox_store(o, &b), 0);
	outbox_close(o);
	snprintf(path, sizeof(path), "%s/kafka-%016x.spool", dir, 1);
	fd = open(path, O_RDWR);
	cr_assert_eq(pwrite(fd, "xyz", 3, 150), 3);
	close(fd);
	o = open_outbox(BIG, 5, OUTBOX_LOST);
	outbox_rebase(o, boot, 5, 9, 2000);
	cr_assert_eq(outbox_store(o, &b), 0);
	outbox_close(o);
	o = open_outbox(BIG, 5, OUTBOX_GOES_ON);
	cr_assert_eq(outbox_state(o)->epoch, 9);
	outbox_close(o);
	traffic_batch_free(&b);
}
