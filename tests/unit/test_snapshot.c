/* SPDX-License-Identifier: BSD-2-Clause */
/* The table on disk: what comes back, and what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "asmeter/lookup.h"
#include "route/attr.h"
#include "route/rib.h"
#include "route/snapshot.h"

#define WORDS TABLE_WORDS_MIN

static char dir[64], path[96];

struct regions {
	struct table_cfg cfg;
	struct asm_state state;
};

static struct regions *regions_new(uint32_t words)
{
	struct regions *r = calloc(1, sizeof(*r));

	cr_assert(r);
	r->state.n_as = 1;
	r->cfg = (struct table_cfg){.words = calloc(words, sizeof(uint32_t)),
				    .n_words = words,
				    .as = calloc(ASM_AS_SLOTS,
						 sizeof(struct asm_as)),
				    .as_slots = ASM_AS_SLOTS,
				    .state = &r->state};
	cr_assert(r->cfg.words && r->cfg.as);
	return r;
}

static void regions_free(struct regions *r)
{
	free(r->cfg.words);
	free(r->cfg.as);
	free(r);
}

static bool is_virgin(const struct regions *r)
{
	for (uint32_t i = 0; i < r->cfg.n_words; i++) {
		if (r->cfg.words[i])
			return false;
	}
	return r->state.n_as == 1 && !r->state.table_epoch;
}

/* A compiled table with some thousand prefixes of both families. */
static void fill(struct regions *r)
{
	struct attr_table *attrs = attr_table_new();
	struct rib *rib = rib_new(attrs);
	struct rib_source_cfg src = {.kind = RIB_BGP, .name = "test"};
	int s = rib_source_add(rib, &src);
	struct table *t;

	cr_assert(s >= 0 && !table_open(&r->cfg, rib, &t));
	for (unsigned i = 0; i < 4000; i++) {
		struct attr_spec spec = {.origin_as = 64500 + i % 700};
		struct attr *a = attr_intern(attrs, &spec);
		char text[64];
		struct prefix p;

		snprintf(text, sizeof(text),
			 i & 1 ? "2001:%x::/40" : "10.%u.0.0/%u", i / 2 % 256,
			 16 + i % 9);
		cr_assert(!prefix_parse(text, &p));
		cr_assert(!rib_announce(rib, s, &p, 0, a, 1));
		attr_unref(attrs, a);
	}
	cr_assert_eq(table_flush(t, TABLE_FLUSH_NOW, 1234567), TABLE_CLEAN);
	table_close(t);
	rib_free(rib);
	attr_table_free(attrs);
}

static void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/asmeter-snapshot.XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/table", dir);
}

static void end(void)
{
	char new[128];

	snprintf(new, sizeof(new), "%s.new", path);
	(void)unlink(new);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void save(const struct regions *r)
{
	struct snapshot *s;

	cr_assert_eq(snapshot_take(&r->cfg, &s), 0);
	cr_assert_eq(snapshot_write(s, path), 0);
	snapshot_free(s);
}

TestSuite(snapshot, .init = begin, .fini = end);

Test(snapshot, everything_comes_back)
{
	struct regions *a = regions_new(WORDS), *b = regions_new(WORDS),
		       *big = regions_new(WORDS * 2);

	fill(a);
	save(a);
	cr_assert_eq(snapshot_restore(path, &b->cfg), 0);
	cr_assert(!memcmp(a->cfg.words, b->cfg.words, WORDS * 4ul));
	cr_assert(!memcmp(a->cfg.as, b->cfg.as,
			  ASM_AS_SLOTS * sizeof(struct asm_as)));
	cr_assert_eq(b->state.n_as, a->state.n_as);
	cr_assert_eq(b->state.table_epoch, a->state.table_epoch);
	cr_assert_eq(b->state.table_published_at, 1234567);
	/* and in a larger one every address has the same answer */
	cr_assert_eq(snapshot_restore(path, &big->cfg), 0);
	for (uint32_t i = 0; i < 1u << 20; i++) {
		uint32_t ip = i * 2654435761u;

		cr_assert_eq(asm_lookup4(big->cfg.words, WORDS * 2 - 1, ip),
			     asm_lookup4(a->cfg.words, WORDS - 1, ip));
	}
	regions_free(a);
	regions_free(b);
	regions_free(big);
}

Test(snapshot, a_table_in_use_is_left_alone)
{
	struct regions *a = regions_new(WORDS), *b = regions_new(WORDS);
	struct snapshot *s;

	cr_assert_eq(snapshot_take(&a->cfg, &s), -ENODATA);
	fill(a);
	save(a);
	b->state.n_as = 2;
	cr_assert_eq(snapshot_restore(path, &b->cfg), -EBUSY);
	b->state.n_as = 1;
	b->cfg.words[7] = 1;
	cr_assert_eq(snapshot_restore(path, &b->cfg), -EBUSY);
	b->cfg.words[7] = 0;
	cr_assert_eq(snapshot_restore("/nonexistent/table", &b->cfg), -ENOENT);
	cr_assert(is_virgin(b));
	regions_free(a);
	regions_free(b);
}

static size_t slurp(unsigned char **ret)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	cr_assert(fd >= 0 && !fstat(fd, &st));
	*ret = malloc((size_t)st.st_size);
	cr_assert_eq(read(fd, *ret, (size_t)st.st_size), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void spit(const unsigned char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, p, n), (ssize_t)n);
	close(fd);
}

Test(snapshot, a_damaged_file_changes_nothing, .timeout = 300)
{
	struct regions *a = regions_new(WORDS), *b = regions_new(WORDS);
	unsigned char *whole;
	size_t n;

	fill(a);
	save(a);
	n = slurp(&whole);
	for (size_t i = 0; i < 24; i++) { /* torn anywhere */
		spit(whole, n * i / 24);
		cr_assert_eq(snapshot_restore(path, &b->cfg), -EBADMSG,
			     "%zu of %zu bytes", n * i / 24, n);
	}
	spit(whole, n - 64);
	cr_assert_eq(snapshot_restore(path, &b->cfg), -EBADMSG);
	for (size_t i = 0; i < 40; i++) { /* a bit flipped anywhere */
		size_t at = 10 + i * (n - 10) / 40;
		struct regions *c = regions_new(WORDS);

		whole[at] ^= 0x10;
		spit(whole, n);
		/* some bits say the same in another way */
		cr_assert(snapshot_restore(path, &c->cfg)
				  ? is_virgin(c)
				  : !memcmp(a->cfg.words, c->cfg.words,
					    WORDS * 4ul),
			  "a changed bit in byte %zu", at);
		regions_free(c);
		whole[at] ^= 0x10;
	}
	cr_assert(is_virgin(b));
	spit(whole, n);
	cr_assert_eq(snapshot_restore(path, &b->cfg), 0);
	free(whole);
	regions_free(a);
	regions_free(b);
}

/* One word of the head changed, in a file that is gzip all right. */
static int with_head(size_t at, uint32_t value)
{
	struct regions *a = regions_new(WORDS), *b = regions_new(WORDS);
	unsigned char *raw = malloc(WORDS * 4ul + (1u << 20));
	gzFile gz;
	int n, err;

	fill(a);
	save(a);
	gz = gzopen(path, "rb");
	n = gzread(gz, raw, WORDS * 4u + (1u << 20));
	cr_assert(n > 0 && gzclose(gz) == Z_OK);
	memcpy(raw + at, &value, 4);
	gz = gzopen(path, "wb1");
	cr_assert_eq(gzwrite(gz, raw, (unsigned)n), n);
	cr_assert_eq(gzclose(gz), Z_OK);
	err = snapshot_restore(path, &b->cfg);
	cr_assert(!err || is_virgin(b));
	free(raw);
	regions_free(a);
	regions_free(b);
	return err;
}

Test(snapshot, what_cannot_be_is_refused, .timeout = 300)
{
	cr_assert_eq(with_head(0, 1), -EBADMSG);           /* magic */
	cr_assert_eq(with_head(8, 2), -EPROTO);            /* version */
	cr_assert_eq(with_head(12, 77), -EPROTO);          /* ABI */
	cr_assert_eq(with_head(16, 19), -EPROTO);          /* layout */
	cr_assert_eq(with_head(40, UINT32_MAX), -EFBIG);   /* words */
	cr_assert_eq(with_head(40, WORDS + 1), -EFBIG);    /* one too many */
	cr_assert_eq(with_head(40, 0), -EBADMSG);          /* less than roots */
	cr_assert_eq(with_head(44, UINT32_MAX), -EBADMSG); /* ASes */
	cr_assert_eq(with_head(44, 0), -EBADMSG);
	cr_assert_eq(with_head(52, 1), -EBADMSG); /* zero */
}

Test(snapshot, no_gzip_no_endless_file)
{
	struct regions *b = regions_new(WORDS);
	char zeroes[4096] = {0};

	spit((unsigned char *)zeroes, sizeof(zeroes));
	cr_assert_eq(snapshot_restore(path, &b->cfg), -EBADMSG);
	spit((unsigned char *)zeroes, 0);
	cr_assert_eq(snapshot_restore(path, &b->cfg), -EBADMSG);
	cr_assert_lt(snapshot_restore("/dev/zero", &b->cfg), 0);
	cr_assert_lt(snapshot_restore("/tmp", &b->cfg), 0);
	cr_assert(is_virgin(b));
	regions_free(b);
}

Test(snapshot, what_cannot_be_written_leaves_the_old_one)
{
	struct regions *a = regions_new(WORDS), *b = regions_new(WORDS);
	struct snapshot *s;
	struct stat before, now;

	fill(a);
	save(a);
	cr_assert(!stat(path, &before));
	cr_assert_eq(snapshot_take(&a->cfg, &s), 0);
	cr_assert_eq(snapshot_write(s, "/dev/full/x"), -ENOTDIR);
	cr_assert_eq(snapshot_write(s, "/nonexistent/table"), -ENOENT);
	snapshot_free(s);
	cr_assert(!stat(path, &now));
	cr_assert_eq(before.st_ino, now.st_ino);
	cr_assert_eq(snapshot_restore(path, &b->cfg), 0);
	regions_free(a);
	regions_free(b);
}
