/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "asmeter/lookup.h"

#define MAGIC   UINT64_C(0x656c626174534121) /* other byte order: no match */
#define VERSION 1u

/* The first part of the file. A table of another layout is of no use, so
 * every constant that it follows is written down. */
struct head {
	uint64_t magic;
	uint32_t version;
	uint32_t layout;
	uint32_t root4_bits, root6_bits;
	uint32_t first4_bits, plain6;
	uint32_t steps4, steps6;
	uint32_t n_words; /* that follow: up to the last one in use */
	uint32_t n_as;    /* AS numbers that follow, index 0 included */
	uint32_t epoch;
	uint32_t crc; /* CRC-32 of all, this being 0 */
	uint64_t published_at;
};

_Static_assert(sizeof(struct head) == 64, "no padding in a file");

struct snapshot {
	struct head head;
	uint32_t *words; /* head.n_words, then head.n_as AS numbers */
};

static const struct head present = {
	.magic = MAGIC,
	.version = VERSION,
	.layout = ASM_TABLE_LAYOUT,
	.root4_bits = ASM_ROOT4_BITS,
	.root6_bits = ASM_ROOT6_BITS,
	.first4_bits = ASM_FIRST4_BITS,
	.plain6 = ASM_PLAIN6,
	.steps4 = ASM_STEPS4,
	.steps6 = ASM_STEPS6,
};

/* ------------------------------------------------------------- writing */

static uint32_t words_in_use(const struct table_cfg *t)
{
	uint32_t n = t->n_words;

	while (n > ASM_POOL_AT && !t->words[n - 1])
		n--;
	return n;
}

static bool answers(const struct table_cfg *t)
{
	for (uint32_t i = 0; i < ASM_POOL_AT; i++) {
		if (t->words[i])
			return true;
	}
	return false;
}

/* gzip's own checksum is not enough: zlib does not miss the end of a file that
 * was cut right behind the data. */
static uint32_t crc_of(const struct snapshot *s)
{
	struct head h = s->head;
	uLong crc;

	h.crc = 0;
	crc = crc32_z(0, (const Bytef *)&h, sizeof(h));
	return (uint32_t)crc32_z(crc, (const Bytef *)s->words,
				 ((size_t)h.n_words + h.n_as) * 4);
}

int snapshot_take(const struct table_cfg *t, struct snapshot **ret)
{
	struct snapshot *s;
	uint32_t n;

	if (t->state->n_as < 2 || t->state->n_as > t->as_slots || !answers(t))
		return -ENODATA;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	n = words_in_use(t);
	s->head = present;
	s->head.n_words = n;
	s->head.n_as = t->state->n_as;
	s->head.epoch = t->state->table_epoch;
	s->head.published_at = t->state->table_published_at;
	s->words = malloc(((size_t)n + s->head.n_as) * sizeof(*s->words));
	if (!s->words) {
		free(s);
		return -ENOMEM;
	}
	memcpy(s->words, t->words, n * sizeof(*s->words));
	for (uint32_t i = 0; i < s->head.n_as; i++)
		s->words[n + i] = t->as[i].asn;
	*ret = s;
	return 0;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	free(s->words);
	free(s);
}

static int put(gzFile gz, const void *p, size_t len)
{
	return gzfwrite(p, len, 1, gz) == 1 ? 0 : errno ? -errno : -EIO;
}

/* fd stays the caller's. Level 1: a third of the size for 0.2 s of CPU. */
static int write_gz(int fd, const struct snapshot *s)
{
	size_t len = ((size_t)s->head.n_words + s->head.n_as) * 4;
	struct head head = s->head;
	int copy = dup(fd), err;
	gzFile gz = copy < 0 ? NULL : gzdopen(copy, "wb1");

	if (!gz) {
		err = copy < 0 ? -errno : -ENOMEM;
		if (copy >= 0)
			close(copy);
		return err;
	}
	head.crc = crc_of(s);
	errno = 0;
	err = put(gz, &head, sizeof(head));
	if (!err)
		err = put(gz, s->words, len);
	errno = 0;
	if (gzclose_w(gz) != Z_OK && !err)
		err = errno ? -errno : -EIO;
	return err;
}

/* So that the new name is on the disk, too. */
static int sync_dir_of(const char *path)
{
	char dir[4096];
	char *slash;
	int fd, err = 0;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash)
		return 0;
	*slash = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int snapshot_write(const struct snapshot *s, const char *path)
{
	char tmp[4096];
	int fd, err;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	err = write_gz(fd, s);
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		(void)unlink(tmp); /* gives a full disk its room back */
	return err ? err : sync_dir_of(path);
}

/* ------------------------------------------------------------- reading */

static int take(gzFile gz, void *p, size_t len)
{
	return gzfread(p, len, 1, gz) == 1 ? 0 : -EBADMSG;
}

/* Everything that can be known before something is allocated. */
static int check_head(const struct head *h, const struct table_cfg *t)
{
	struct head want = present;

	if (h->magic != MAGIC)
		return -EBADMSG;
	want.n_words = h->n_words;
	want.n_as = h->n_as;
	want.epoch = h->epoch;
	want.crc = h->crc;
	want.published_at = h->published_at;
	if (memcmp(h, &want, sizeof(want)) != 0)
		return -EPROTO;
	if (h->n_words < ASM_POOL_AT || h->n_as < 2 || h->n_as > t->as_slots)
		return -EBADMSG;
	return h->n_words > t->n_words ? -EFBIG : 0;
}

/* Index 0 is "no route", all others are numbers; AS 0 is nobody's. */
static int check_ases(const uint32_t *asn, uint32_t n)
{
	if (asn[0])
		return -EBADMSG;
	for (uint32_t i = 1; i < n; i++) {
		if (!asn[i])
			return -EBADMSG;
	}
	return 0;
}

static int read_gz(gzFile gz, const struct table_cfg *t, struct snapshot *s)
{
	char more;
	size_t n;
	int err;

	if (gzdirect(gz)) /* not gzip: zlib would hand it on as it is */
		return -EBADMSG;
	err = take(gz, &s->head, sizeof(s->head));
	if (!err)
		err = check_head(&s->head, t);
	if (err)
		return err;
	n = (size_t)s->head.n_words + s->head.n_as;
	s->words = malloc(n * sizeof(*s->words));
	if (!s->words)
		return -ENOMEM;
	err = take(gz, s->words, n * sizeof(*s->words));
	if (!err && (gzread(gz, &more, 1) != 0 || crc_of(s) != s->head.crc))
		err = -EBADMSG;
	return err ? err : check_ases(s->words + s->head.n_words, s->head.n_as);
}

static int read_file(const char *path, const struct table_cfg *t,
		     struct snapshot *s)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	gzFile gz = fd < 0 ? NULL : gzdopen(fd, "rb");
	int err;

	if (!gz) {
		err = fd < 0 ? -errno : -ENOMEM;
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = read_gz(gz, t, s);
	if (gzclose_r(gz) != Z_OK && !err)
		err = -EBADMSG;
	return err;
}

/* What lies behind an entry comes before the entry (asmeter/lookup.h): the
 * programs may be reading. */
static void install(const struct snapshot *s, const struct table_cfg *t)
{
	const struct head *h = &s->head;

	for (uint32_t i = 1; i < h->n_as; i++)
		t->as[i].asn = s->words[h->n_words + i];
	memcpy(t->words + ASM_POOL_AT, s->words + ASM_POOL_AT,
	       (h->n_words - ASM_POOL_AT) * sizeof(*t->words));
	for (uint32_t i = 0; i < ASM_POOL_AT; i++)
		__atomic_store_n(&t->words[i], s->words[i], __ATOMIC_RELEASE);
	t->state->n_as = h->n_as;
	t->state->table_epoch = h->epoch;
	t->state->table_published_at = h->published_at;
}

int snapshot_restore(const char *path, const struct table_cfg *t)
{
	struct snapshot s = {0};
	int err;

	if (t->state->n_as > 1 || answers(t))
		return -EBUSY;
	err = read_file(path, t, &s);
	if (!err)
		install(&s, t);
	free(s.words);
	return err;
}
