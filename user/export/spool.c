/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is where, and why a kill at any moment does no harm.
 *
 *   segment   "asmspool" version, then frames; the first is the head
 *   frame     length, CRC-32 of that, CRC-32 of the bytes, bytes; both CRCs
 *             cover the segment's number and the offset as well: no frame is
 *             taken for another
 *   NAME.pos  the position up to which all is acknowledged, with its CRC
 *
 * A segment is written under another name, synced and renamed: it is whole or
 * not there. A frame is one write and a sync; if either fails the file is cut
 * back to where it was. When the process dies in between, the file ends within
 * the frame: such a tail is cut off when the spool is opened. A frame that is
 * there in full but has a wrong CRC, a length that has, or one that was
 * acknowledged and is gone, is another matter: that is a disk that forgets, and
 * nobody can say what came after. Losing NAME.pos only means that frames are
 * sent once more.
 *
 * Bytes on disk are big-endian.
 */
#include "export/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/rd.h"
#include "base/wr.h"

#define MAGIC      "asmspool"
#define VERSION    1u
#define FILE_HEAD  12u /* magic, version */
#define FRAME_HEAD 12u /* length, its CRC, CRC of the bytes */
#define POS_LEN    32u
#define NAME_MAX_  64u

/* A segment is closed when its frames reach this share of the bound. */
#define SHARE         16u
#define SEGMENT_LEAST (1u << 20)

struct segment {
	uint64_t no;
	uint64_t size;
	uint64_t frames_at; /* offset behind the head */
};

struct spool {
	int dir;
	char name[32];
	uint64_t max_bytes;
	struct segment *seg; /* ascending; the last is being written */
	uint32_t n, cap;
	int fd;     /* the last segment; -1: none */
	int pos_fd; /* -1: could not be opened */
	struct spool_pos acked, read;
	int read_fd; /* of read.segment; -1 */
	uint64_t read_fd_no;
	uint64_t skipped, unsaved;
	bool ragged; /* the last segment could not be cut back */
	bool closed; /* nothing may be appended to the last segment */
};

/* -------------------------------------------------------------- files */

static void name_of(const struct spool *s, uint64_t no, char *buf)
{
	(void)snprintf(buf, NAME_MAX_, "%s-%016" PRIx64 ".spool", s->name, no);
}

static bool parse_name(const struct spool *s, const char *file, uint64_t *ret)
{
	char want[NAME_MAX_];
	size_t len = strlen(s->name);
	unsigned long long no;
	char *end;

	if (strncmp(file, s->name, len) != 0 || file[len] != '-')
		return false;
	no = strtoull(file + len + 1, &end, 16);
	name_of(s, no, want);
	*ret = no;
	return !strcmp(file, want) && no < UINT64_MAX;
}

static int open_segment(const struct spool *s, uint64_t no, int flags)
{
	char file[NAME_MAX_];
	int fd;

	name_of(s, no, file);
	fd = openat(s->dir, file, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const void *data, size_t len, uint64_t off)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ------------------------------------------------------------- frames */

static uint32_t frame_crc(uint64_t no, uint64_t off, const void *data,
			  size_t len)
{
	uint8_t b[20];
	struct wr w = wr_init(b, sizeof(b));

	wr_be32(&w, (uint32_t)(no >> 32));
	wr_be32(&w, (uint32_t)no);
	wr_be32(&w, (uint32_t)(off >> 32));
	wr_be32(&w, (uint32_t)off);
	wr_be32(&w, (uint32_t)len);
	return (uint32_t)crc32_z(crc32_z(0, b, sizeof(b)), data, len);
}

/* Writes one frame; the file may be longer than before when it fails. */
static int put_frame(int fd, uint64_t no, uint64_t off, const void *data,
		     size_t len)
{
	uint8_t head[FRAME_HEAD];
	struct wr w = wr_init(head, sizeof(head));
	int err;

	wr_be32(&w, (uint32_t)len);
	wr_be32(&w, frame_crc(no, off, head, 4));
	wr_be32(&w, frame_crc(no, off, data, len));
	err = write_all(fd, head, sizeof(head), off);
	if (!err)
		err = write_all(fd, data, len, off + sizeof(head));
	if (!err && fdatasync(fd))
		err = -errno;
	return err;
}

/* The frame at off of a file of `size` bytes. -ENODATA: the file ends within
 * it; -EBADMSG: it is there and wrong. */
static int get_frame(int fd, uint64_t no, uint64_t off, uint64_t size,
		     struct buf *ret)
{
	uint8_t head[FRAME_HEAD];
	struct rd r = rd_init(head, sizeof(head));
	uint32_t len, head_crc, crc;
	int err;

	ret->len = 0;
	if (size - off < sizeof(head))
		return -ENODATA;
	err = file_pread(fd, head, sizeof(head), (off_t)off);
	if (err)
		return err;
	len = rd_be32(&r);
	head_crc = rd_be32(&r);
	crc = rd_be32(&r);
	if (len > SPOOL_FRAME_MAX || head_crc != frame_crc(no, off, head, 4))
		return -EBADMSG;
	if (size - off - sizeof(head) < len)
		return -ENODATA;
	if (!buf_room(ret, (size_t)len + 1))
		return -ENOMEM;
	err = file_pread(fd, ret->p, len, (off_t)(off + sizeof(head)));
	if (err)
		return err;
	ret->len = len;
	return frame_crc(no, off, ret->p, len) == crc ? 0 : -EBADMSG;
}

/* ------------------------------------------------------ opening again */

static int by_number(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->no < y->no ? -1 : x->no > y->no;
}

static int add_segment(struct spool *s, const struct segment *g)
{
	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 32;
		struct segment *p = realloc(s->seg, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->seg = p;
		s->cap = cap;
	}
	s->seg[s->n++] = *g;
	return 0;
}

/* Where the frames of a segment begin; 0: it is none. */
static uint64_t frames_at(int fd, const struct segment *g, struct buf *head)
{
	uint8_t b[FILE_HEAD];
	struct rd r = rd_init(b, sizeof(b));

	if (g->size < sizeof(b) || file_pread(fd, b, sizeof(b), 0))
		return 0;
	if (memcmp(rd_take(&r, 8), MAGIC, 8) != 0 || rd_be32(&r) != VERSION ||
	    get_frame(fd, g->no, FILE_HEAD, g->size, head))
		return 0;
	return FILE_HEAD + FRAME_HEAD + head->len;
}

static int load_segment(struct spool *s, uint64_t no, struct buf *b)
{
	struct segment g = {.no = no};
	int fd = open_segment(s, no, O_RDONLY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		g.size = (uint64_t)st.st_size;
	g.frames_at = frames_at(fd, &g, b);
	close(fd);
	return add_segment(s, &g);
}

static int scan(struct spool *s)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct buf b = {0};
	struct dirent *e;
	uint64_t no;
	int err = 0;

	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (e = readdir(d)) != NULL) {
		if (parse_name(s, e->d_name, &no))
			err = load_segment(s, no, &b);
	}
	(void)closedir(d);
	buf_free(&b);
	if (s->n)
		qsort(s->seg, s->n, sizeof(*s->seg), by_number);
	return err;
}

static void load_pos(struct spool *s)
{
	char file[NAME_MAX_];
	uint8_t b[POS_LEN];
	struct rd r = rd_init(b, sizeof(b));
	struct spool_pos pos;

	(void)snprintf(file, sizeof(file), "%s.pos", s->name);
	s->pos_fd = openat(s->dir, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	s->acked = (struct spool_pos){0};
	if (s->pos_fd < 0 || file_pread(s->pos_fd, b, sizeof(b), 0))
		return;
	rd_skip(&r, 8);
	pos.segment = rd_be64(&r);
	pos.offset = rd_be64(&r);
	if (!memcmp(b, MAGIC, 8) && rd_be32(&r) == frame_crc(0, 0, b, 24))
		s->acked = pos;
}

static void save_pos(struct spool *s)
{
	uint8_t b[POS_LEN] = MAGIC;
	struct wr w = wr_init(b + 8, sizeof(b) - 8);

	wr_be32(&w, (uint32_t)(s->acked.segment >> 32));
	wr_be32(&w, (uint32_t)s->acked.segment);
	wr_be32(&w, (uint32_t)(s->acked.offset >> 32));
	wr_be32(&w, (uint32_t)s->acked.offset);
	wr_be32(&w, frame_crc(0, 0, b, 24));
	if (s->pos_fd < 0 || write_all(s->pos_fd, b, sizeof(b), 0))
		s->unsaved++;
}

static struct segment *last(struct spool *s)
{
	return s->n ? &s->seg[s->n - 1] : NULL;
}

/* Looks at each frame of the last segment; cuts a torn one off. */
static enum spool_found check_last(struct spool *s)
{
	struct segment *g = last(s);
	struct buf b = {0};
	uint64_t at;
	int err = 0;

	if (!g)
		return SPOOL_EMPTY;
	s->fd = open_segment(s, g->no, O_RDWR);
	if (s->fd < 0 || !g->frames_at) {
		s->closed = true;
		return SPOOL_DAMAGED;
	}
	for (at = g->frames_at; at < g->size;) {
		err = get_frame(s->fd, g->no, at, g->size, &b);
		if (err)
			break;
		at += FRAME_HEAD + b.len;
	}
	buf_free(&b);
	if (err == -ENODATA && !ftruncate(s->fd, (off_t)at)) {
		g->size = at;
		err = 0;
	}
	/* what was acknowledged was there in full */
	if (!err && s->acked.segment == g->no && s->acked.offset > g->size)
		err = -EBADMSG;
	s->closed = err != 0 || s->acked.segment > g->no;
	return s->closed ? SPOOL_DAMAGED : SPOOL_WHOLE;
}

/* Takes the files away whose frames are all acknowledged, but the last. */
static void drop_acked(struct spool *s)
{
	uint32_t n = 0;
	char file[NAME_MAX_];

	while (n + 1 < s->n && s->seg[n].no < s->acked.segment) {
		name_of(s, s->seg[n].no, file);
		if (unlinkat(s->dir, file, 0) && errno != ENOENT)
			break;
		n++;
	}
	if (!n)
		return;
	s->n -= n;
	memmove(s->seg, s->seg + n, s->n * sizeof(*s->seg));
}

static void find_start(struct spool *s)
{
	uint32_t i = 0;

	while (i < s->n && s->seg[i].no < s->acked.segment)
		i++;
	if (i == s->n || s->seg[i].no != s->acked.segment) {
		s->read.segment = i < s->n ? s->seg[i].no : 0;
		s->read.offset = i < s->n ? s->seg[i].frames_at : 0;
	} else {
		s->read = s->acked;
		if (s->read.offset < s->seg[i].frames_at)
			s->read.offset = s->seg[i].frames_at;
	}
	if (s->n)
		s->acked = s->read;
}

int spool_open(const char *dir, const char *name, uint64_t max_bytes,
	       struct spool **ret, enum spool_found *ret_found)
{
	struct spool *s = calloc(1, sizeof(*s));
	char half[NAME_MAX_];
	int err;

	if (!s)
		return -ENOMEM;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->max_bytes = max_bytes;
	s->fd = s->read_fd = s->pos_fd = -1;
	s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = s->dir < 0 ? -errno : 0;
	if (!err) {
		(void)snprintf(half, sizeof(half), "%s.new", s->name);
		(void)unlinkat(s->dir, half, 0);
		err = scan(s);
	}
	if (err) {
		spool_close(s);
		return err;
	}
	load_pos(s);
	*ret_found = check_last(s);
	find_start(s);
	drop_acked(s);
	*ret = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	if (s->dir >= 0)
		close(s->dir);
	if (s->fd >= 0)
		close(s->fd);
	if (s->pos_fd >= 0)
		close(s->pos_fd);
	if (s->read_fd >= 0)
		close(s->read_fd);
	free(s->seg);
	free(s);
}

void spool_limit(struct spool *s, uint64_t max_bytes)
{
	s->max_bytes = max_bytes;
}

int spool_recall(struct spool *s, int (*head)(void *, const void *, size_t),
		 int (*frame)(void *, const void *, size_t), void *ctx)
{
	struct segment *g = last(s);
	struct buf b = {0};
	int err;

	if (!g || s->closed)
		return -ENOENT;
	err = get_frame(s->fd, g->no, FILE_HEAD, g->size, &b);
	if (!err)
		err = head(ctx, b.p, b.len);
	for (uint64_t at = g->frames_at; !err && at < g->size;) {
		err = get_frame(s->fd, g->no, at, g->size, &b);
		if (!err)
			err = frame(ctx, b.p, b.len);
		at += FRAME_HEAD + b.len;
	}
	buf_free(&b);
	return err;
}

/* ------------------------------------------------------------ writing */

static uint64_t all_bytes(const struct spool *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n; i++)
		sum += s->seg[i].size;
	return sum;
}

static bool all_acked(const struct spool *s)
{
	const struct segment *g = s->n ? &s->seg[s->n - 1] : NULL;

	return !g || (s->acked.segment == g->no && s->acked.offset == g->size);
}

bool spool_wants_segment(const struct spool *s, size_t len)
{
	const struct segment *g = s->n ? &s->seg[s->n - 1] : NULL;
	uint64_t share = s->max_bytes / SHARE, frames;

	if (!g || s->closed)
		return true;
	frames = g->size - g->frames_at;
	if (share < SEGMENT_LEAST)
		share = SEGMENT_LEAST;
	/* a large head is not to be written more often than frames like it */
	if (share < g->frames_at)
		share = g->frames_at;
	return frames >= share ||
	       (frames && all_acked(s) &&
		all_bytes(s) + FRAME_HEAD + len > s->max_bytes);
}

static int write_segment(struct spool *s, struct segment *g, const void *head,
			 size_t len, const char *half)
{
	uint8_t b[FILE_HEAD] = MAGIC;
	struct wr w = wr_init(b + 8, sizeof(b) - 8);
	char file[NAME_MAX_];
	int err, fd = openat(s->dir, half,
			     O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	wr_be32(&w, VERSION);
	err = write_all(fd, b, sizeof(b), 0);
	if (!err)
		err = put_frame(fd, g->no, FILE_HEAD, head, len);
	name_of(s, g->no, file);
	if (!err && renameat(s->dir, half, s->dir, file))
		err = -errno;
	if (err) {
		(void)unlinkat(s->dir, half, 0);
		close(fd);
		return err;
	}
	(void)fsync(s->dir);
	return fd;
}

int spool_begin(struct spool *s, const void *head, size_t len)
{
	struct segment g = {.no = 1,
			    .size = FILE_HEAD + FRAME_HEAD + len,
			    .frames_at = FILE_HEAD + FRAME_HEAD + len};
	bool acked = all_acked(s) ||
		     (s->closed && s->n == 1 && !s->seg[0].frames_at);
	char half[NAME_MAX_];
	int fd, err;

	if (len > SPOOL_FRAME_MAX ||
	    (!acked && all_bytes(s) + g.size > s->max_bytes))
		return -E2BIG;
	if (s->n)
		g.no = last(s)->no + 1;
	if (g.no <= s->acked.segment) /* files are gone, the position is not */
		g.no = s->acked.segment + 1;
	err = add_segment(s, &g); /* room for it */
	if (err)
		return err;
	s->n--;
	(void)snprintf(half, sizeof(half), "%s.new", s->name);
	fd = write_segment(s, &g, head, len, half);
	if (fd < 0)
		return fd;
	s->seg[s->n++] = g;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->closed = s->ragged = false;
	if (acked) {
		s->read.segment = g.no;
		s->read.offset = g.frames_at;
		spool_ack(s, s->read);
	}
	return 0;
}

int spool_append(struct spool *s, const void *data, size_t len)
{
	struct segment *g = last(s);
	int err;

	if (!g || s->closed)
		return -ENOENT;
	if (len > SPOOL_FRAME_MAX ||
	    all_bytes(s) + FRAME_HEAD + len > s->max_bytes)
		return -E2BIG;
	if (s->ragged && ftruncate(s->fd, (off_t)g->size))
		return -errno;
	s->ragged = false;
	err = put_frame(s->fd, g->no, g->size, data, len);
	if (err) {
		s->ragged = ftruncate(s->fd, (off_t)g->size) != 0;
		return err;
	}
	g->size += FRAME_HEAD + len;
	return 0;
}

/* ------------------------------------------------------------ reading */

static struct segment *find(struct spool *s, uint64_t no)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->seg[i].no == no)
			return &s->seg[i];
	}
	return NULL;
}

/* On to the segment behind the one that is read to its end. */
static bool step(struct spool *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->seg[i].no > s->read.segment) {
			s->read.segment = s->seg[i].no;
			s->read.offset = s->seg[i].frames_at;
			return true;
		}
	}
	return false;
}

static int read_at(struct spool *s, const struct segment *g, struct buf *ret)
{
	if (s->read_fd < 0 || s->read_fd_no != g->no) {
		if (s->read_fd >= 0)
			close(s->read_fd);
		s->read_fd = open_segment(s, g->no, O_RDONLY);
		if (s->read_fd < 0)
			return s->read_fd;
		s->read_fd_no = g->no;
	}
	return get_frame(s->read_fd, g->no, s->read.offset, g->size, ret);
}

int spool_next(struct spool *s, struct buf *ret, struct spool_pos *ret_behind)
{
	for (;;) {
		const struct segment *g = find(s, s->read.segment);
		int err;

		if (!g || !g->frames_at || s->read.offset >= g->size) {
			if (g && !g->frames_at)
				s->skipped++;
			if (!step(s))
				return 0;
			continue;
		}
		err = read_at(s, g, ret);
		if (!err) {
			s->read.offset += FRAME_HEAD + ret->len;
			*ret_behind = s->read;
			return 1;
		}
		if (err == -ENOMEM || err == -EMFILE || err == -ENFILE)
			return err;
		s->skipped++;
		if (!step(s)) { /* nothing but that is left */
			s->read.offset = g->size;
			return 0;
		}
	}
}

void spool_ack(struct spool *s, struct spool_pos pos)
{
	s->acked = pos;
	save_pos(s);
	drop_acked(s);
}

void spool_stats(const struct spool *s, struct spool_stats *ret)
{
	*ret = (struct spool_stats){.bytes = all_bytes(s),
				    .max_bytes = s->max_bytes,
				    .segments = s->n,
				    .skipped = s->skipped,
				    .unsaved = s->unsaved};
	for (uint32_t i = 0; i < s->n; i++) {
		const struct segment *g = &s->seg[i];

		if (g->no == s->acked.segment)
			ret->pending += g->size - s->acked.offset;
		else if (g->no > s->acked.segment)
			ret->pending += g->size - g->frames_at;
	}
}
