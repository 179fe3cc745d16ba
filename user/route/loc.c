/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file, version 1 (libloc/format.h; all numbers big-endian):
 *
 *   "LOCDBXX" and a version byte, then a header that gives offset and length
 *   of each part:
 *   ASes      8 bytes each, ascending: number, offset of the name in the pool
 *   networks  12 bytes each: country, 2 unused, AS number, flags, 2 unused
 *   tree      12 bytes each: child for bit 0, child for bit 1 (0: none), index
 *             of the network that ends here (2^32-1: none); the root is
 *             node 0; keys are IPv6 addresses, IPv4 stands in ::ffff:0:0/96
 *   pool      NUL-terminated strings
 *
 * In a sound file each node is the child of one node, so a walk that meets
 * more nodes than there are has found a damaged one: that bounds the time,
 * and the depth of 128 bounds the stack.
 */
#include "route/loc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rd.h"
#include "base/utf8.h"

#define LOC_MAGIC      "LOCDBXX"
#define LOC_VERSION    1
#define LOC_HEADER_LEN 68 /* magic and the fields read here */
#define LOC_AS_LEN     8
#define LOC_NET_LEN    12
#define LOC_NET_ASN    4 /* where the AS number stands in it */
#define LOC_NODE_LEN   12
#define LOC_NO_NETWORK UINT32_MAX
#define LOC_FILE_MAX   (UINT64_C(1) << 30)
#define LOC_DEPTH      128

struct loc_part {
	uint32_t off;
	uint32_t len;
};

struct loc_as {
	uint32_t asn;
	uint32_t name; /* offset in the pool */
};

struct loc_db {
	int fd;
	int64_t created_at;
	struct loc_part as_part, net_part, tree_part, pool_part;
	struct loc_as *as;
	size_t n_as;
	char *pool; /* pool_part.len bytes and a NUL */
};

static uint32_t loc_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static int loc_part_read(struct rd *r, uint64_t file_len, uint32_t unit,
			 struct loc_part *ret)
{
	struct loc_part p;

	p.off = rd_be32(r);
	p.len = rd_be32(r);
	if (r->bad || (uint64_t)p.off + p.len > file_len || p.len % unit != 0)
		return -EBADMSG;
	*ret = p;
	return 0;
}

static int loc_header_decode(struct loc_db *db, const uint8_t *buf,
			     uint64_t file_len)
{
	struct rd r = rd_init(buf, LOC_HEADER_LEN);
	const uint8_t *magic = rd_take(&r, sizeof(LOC_MAGIC) - 1);
	uint64_t created;
	struct loc_part countries;

	if (!magic || memcmp(magic, LOC_MAGIC, sizeof(LOC_MAGIC) - 1) != 0 ||
	    rd_u8(&r) != LOC_VERSION)
		return -EBADMSG;
	created = rd_be64(&r);
	rd_skip(&r, 12); /* vendor, description, licence */
	if (loc_part_read(&r, file_len, LOC_AS_LEN, &db->as_part) ||
	    loc_part_read(&r, file_len, LOC_NET_LEN, &db->net_part) ||
	    loc_part_read(&r, file_len, LOC_NODE_LEN, &db->tree_part) ||
	    loc_part_read(&r, file_len, 1, &countries) ||
	    loc_part_read(&r, file_len, 1, &db->pool_part))
		return -EBADMSG;
	if (db->tree_part.len == 0 || created > INT64_MAX)
		return -EBADMSG;
	db->created_at = (int64_t)created;
	return 0;
}

/* Reads a part into fresh memory, `extra` zero bytes behind it. */
static int loc_part_load(const struct loc_db *db, const struct loc_part *p,
			 size_t extra, uint8_t **ret)
{
	uint8_t *buf = malloc(p->len + extra + 1);
	int err;

	if (!buf)
		return -ENOMEM;
	err = file_pread(db->fd, buf, p->len, p->off);
	if (err) {
		free(buf);
		return err;
	}
	memset(buf + p->len, 0, extra + 1);
	*ret = buf;
	return 0;
}

static int loc_names_load(struct loc_db *db)
{
	uint8_t *raw, *pool;
	uint32_t last = 0;
	int err;

	err = loc_part_load(db, &db->pool_part, 1, &pool);
	if (err)
		return err;
	db->pool = (char *)pool;
	utf8_mask(db->pool, db->pool_part.len);

	err = loc_part_load(db, &db->as_part, 0, &raw);
	if (err)
		return err;
	db->n_as = db->as_part.len / LOC_AS_LEN;
	db->as = calloc(db->n_as ? db->n_as : 1, sizeof(*db->as));
	if (!db->as)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < db->n_as; i++) {
		struct loc_as *a = &db->as[i];

		a->asn = loc_be32(raw + i * LOC_AS_LEN);
		a->name = loc_be32(raw + i * LOC_AS_LEN + 4);
		if ((i > 0 && a->asn <= last) || a->name >= db->pool_part.len)
			err = -EBADMSG;
		last = a->asn;
	}
	free(raw);
	return err;
}

int loc_db_open(const char *path, struct loc_db **ret)
{
	uint8_t head[LOC_HEADER_LEN];
	struct loc_db *db;
	struct stat st;
	int err;

	db = calloc(1, sizeof(*db));
	if (!db)
		return -ENOMEM;
	db->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (db->fd < 0) {
		err = -errno;
		goto out;
	}
	if (fstat(db->fd, &st) < 0) {
		err = -errno;
		goto out;
	}
	err = -EBADMSG;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > LOC_FILE_MAX)
		goto out;
	err = file_pread(db->fd, head, sizeof(head), 0);
	if (!err)
		err = loc_header_decode(db, head, (uint64_t)st.st_size);
	if (!err)
		err = loc_names_load(db);
	if (err)
		goto out;
	*ret = db;
	return 0;
out:
	loc_db_close(db);
	return err;
}

void loc_db_close(struct loc_db *db)
{
	if (!db)
		return;
	if (db->fd >= 0)
		close(db->fd);
	free(db->as);
	free(db->pool);
	free(db);
}

int64_t loc_db_created_at(const struct loc_db *db)
{
	return db->created_at;
}

size_t loc_db_ases(const struct loc_db *db)
{
	return db->n_as;
}

const char *loc_db_name(const struct loc_db *db, uint32_t asn)
{
	size_t lo = 0, hi = db->n_as;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (db->as[mid].asn < asn)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == db->n_as || db->as[lo].asn != asn)
		return NULL;
	return db->pool[db->as[lo].name] ? db->pool + db->as[lo].name : NULL;
}

/* ------------------------------------------------------------- the walk */

struct loc_step {
	uint64_t hi, lo;
	uint32_t node;
	uint8_t depth;
};

struct loc_walk {
	const uint8_t *tree, *nets;
	uint32_t n_nodes, n_nets;
	loc_batch_fn fn;
	void *ctx;
	struct loc_entry *batch; /* LOC_BATCH */
	size_t n;
};

static struct prefix loc_prefix(const struct loc_step *s)
{
	if (s->depth >= 96 && s->hi == 0 && s->lo >> 32 == 0xffff)
		return (struct prefix){.hi = s->lo << 32,
				       .lo = 0,
				       .len = (uint8_t)(s->depth - 96),
				       .family = FAMILY_IP4};
	return (struct prefix){.hi = s->hi,
			       .lo = s->lo,
			       .len = s->depth,
			       .family = FAMILY_IP6};
}

static int loc_emit(struct loc_walk *w, const struct loc_step *s, uint32_t net)
{
	uint32_t asn;
	int err = 0;

	if (net >= w->n_nets)
		return -EBADMSG;
	asn = loc_be32(w->nets + (size_t)net * LOC_NET_LEN + LOC_NET_ASN);
	if (asn == 0)
		return 0;
	w->batch[w->n++] = (struct loc_entry){loc_prefix(s), asn};
	if (w->n == LOC_BATCH) {
		err = w->fn(w->ctx, w->batch, w->n);
		w->n = 0;
	}
	return err;
}

/* The step to the child for bit `bit`. False: that would be a 129th bit. */
static bool loc_child(const struct loc_step *s, uint32_t node, bool bit,
		      struct loc_step *ret)
{
	struct loc_step c = *s;

	if (s->depth >= LOC_DEPTH)
		return false;
	c.node = node;
	if (bit && s->depth < 64)
		c.hi |= UINT64_C(1) << (63 - s->depth);
	else if (bit)
		c.lo |= UINT64_C(1) << (127 - s->depth);
	c.depth++;
	*ret = c;
	return true;
}

static int loc_walk_run(struct loc_walk *w)
{
	struct loc_step stack[LOC_DEPTH + 2], s;
	size_t top = 0;
	uint32_t seen = 0;

	stack[top++] = (struct loc_step){0, 0, 0, 0};
	while (top > 0) {
		const uint8_t *node;
		uint32_t zero, one, net;
		int err;

		s = stack[--top];
		if (s.node >= w->n_nodes || seen++ >= w->n_nodes)
			return -EBADMSG;
		node = w->tree + (size_t)s.node * LOC_NODE_LEN;
		zero = loc_be32(node);
		one = loc_be32(node + 4);
		net = loc_be32(node + 8);
		if (net != LOC_NO_NETWORK) {
			err = loc_emit(w, &s, net);
			if (err)
				return err;
		}
		if (one && !loc_child(&s, one, true, &stack[top++]))
			return -EBADMSG;
		if (zero && !loc_child(&s, zero, false, &stack[top++]))
			return -EBADMSG;
	}
	return w->n > 0 ? w->fn(w->ctx, w->batch, w->n) : 0;
}

int loc_db_walk(const struct loc_db *db, loc_batch_fn fn, void *ctx)
{
	uint8_t *tree = NULL, *nets = NULL;
	struct loc_walk w = {.fn = fn, .ctx = ctx};
	int err;

	err = loc_part_load(db, &db->tree_part, 0, &tree);
	if (err)
		goto out;
	err = loc_part_load(db, &db->net_part, 0, &nets);
	if (err)
		goto out;
	w.batch = calloc(LOC_BATCH, sizeof(*w.batch));
	if (!w.batch) {
		err = -ENOMEM;
		goto out;
	}
	w.tree = tree;
	w.nets = nets;
	w.n_nodes = db->tree_part.len / LOC_NODE_LEN;
	w.n_nets = db->net_part.len / LOC_NET_LEN;
	err = loc_walk_run(&w);
out:
	free(w.batch);
	free(nets);
	free(tree);
	return err;
}
