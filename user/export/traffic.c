/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches, the state of the stream, and both as bytes (big-endian). */
#include "export/traffic.h"

#include <errno.h>
#include <stdlib.h>

#define STATE_VERSION 1u
#define FRAME_VERSION 1u
#define KEY_LEN       13u
#define MEASURE_LEN   24u
#define ROW_LEN       (KEY_LEN + 2 * MEASURE_LEN)
#define IFACE_LEN     (4u + ASM_IFNAME_LEN)
#define FLAG_OUT      1u
#define FLAG_IP6      2u

/* -------------------------------------------------------------- batches */

void traffic_batch_clear(struct traffic_batch *b)
{
	b->n_rows = b->n_ifaces = 0;
}

void traffic_batch_free(struct traffic_batch *b)
{
	free(b->rows);
	free(b->ifaces);
	*b = (struct traffic_batch){0};
}

static int room(void **p, uint32_t *cap, uint32_t n, size_t size)
{
	uint32_t want = *cap ? *cap * 2 : 256;
	void *q;

	if (n < *cap)
		return 0;
	q = realloc(*p, want * size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = want;
	return 0;
}

int traffic_batch_row(struct traffic_batch *b, const struct traffic_row *r)
{
	int err = room((void **)&b->rows, &b->cap_rows, b->n_rows, sizeof(*r));

	if (!err)
		b->rows[b->n_rows++] = *r;
	return err;
}

int traffic_batch_iface(struct traffic_batch *b, uint32_t ifindex,
			const char *name)
{
	int err = b->n_ifaces == TRAFFIC_IFACES_MAX
			  ? 0
			  : room((void **)&b->ifaces, &b->cap_ifaces,
				 b->n_ifaces, sizeof(*b->ifaces));

	if (err || b->n_ifaces == TRAFFIC_IFACES_MAX)
		return err;
	struct traffic_iface *f = &b->ifaces[b->n_ifaces++];

	*f = (struct traffic_iface){.ifindex = ifindex};
	strncpy(f->name, name, sizeof(f->name) - 1);
	return 0;
}

/* ---------------------------------------------------------------- state */

void traffic_state_done(struct traffic_state *s)
{
	map_done(&s->pairs);
	map_done(&s->index);
	free(s->rows);
	*s = (struct traffic_state){0};
}

static uint64_t pair_key(const struct traffic_key *k)
{
	return (uint64_t)k->src_as << 32 | k->dst_as;
}

/* pair < 2^30: there are not that many rows in the maps */
static uint64_t row_key(uint32_t pair, const struct traffic_key *k)
{
	return (uint64_t)pair << 34 | (uint64_t)k->ifindex << 2 |
	       (unsigned)(k->out ? FLAG_OUT : 0) |
	       (unsigned)(k->ip6 ? FLAG_IP6 : 0);
}

static uint32_t state_find(const struct traffic_state *s,
			   const struct traffic_key *k)
{
	uint32_t pair = map_get(&s->pairs, pair_key(k));

	return pair == MAP_NONE ? MAP_NONE
				: map_get(&s->index, row_key(pair, k));
}

const struct asm_measure *traffic_state_get(const struct traffic_state *s,
					    const struct traffic_key *k)
{
	uint32_t i = state_find(s, k);

	return i == MAP_NONE ? NULL : &s->rows[i].total;
}

int traffic_state_set(struct traffic_state *s, const struct traffic_key *k,
		      const struct asm_measure *total)
{
	uint32_t i = state_find(s, k), pair;

	if (i != MAP_NONE) {
		s->rows[i].total = *total;
		return 0;
	}
	if (room((void **)&s->rows, &s->cap_rows, s->n_rows, sizeof(*s->rows)))
		return -ENOMEM;
	pair = map_get(&s->pairs, pair_key(k));
	if (pair == MAP_NONE) {
		pair = s->n_pairs;
		if (map_add(&s->pairs, pair_key(k), pair))
			return -ENOMEM;
		s->n_pairs++;
	}
	if (map_add(&s->index, row_key(pair, k), s->n_rows))
		return -ENOMEM;
	s->rows[s->n_rows++] = (struct traffic_row){.key = *k, .total = *total};
	return 0;
}

/* ---------------------------------------------------------------- bytes */

static void put_u8(struct buf *b, unsigned v)
{
	buf_putc(b, (char)(uint8_t)v);
}

static void put_u32(struct buf *b, uint32_t v)
{
	const char d[] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8),
			  (char)v};

	buf_put(b, d, sizeof(d));
}

static void put_u64(struct buf *b, uint64_t v)
{
	put_u32(b, (uint32_t)(v >> 32));
	put_u32(b, (uint32_t)v);
}

static void put_measure(struct buf *b, const struct asm_measure *m)
{
	put_u64(b, m->packets);
	put_u64(b, m->ip_bytes);
	put_u64(b, m->wire_bytes);
}

static struct asm_measure get_measure(struct rd *r)
{
	struct asm_measure m;

	m.packets = rd_be64(r);
	m.ip_bytes = rd_be64(r);
	m.wire_bytes = rd_be64(r);
	return m;
}

static void put_key(struct buf *b, const struct traffic_key *k)
{
	put_u32(b, k->src_as);
	put_u32(b, k->dst_as);
	put_u32(b, k->ifindex);
	put_u8(b, (k->out ? FLAG_OUT : 0u) | (k->ip6 ? FLAG_IP6 : 0u));
}

static struct traffic_key get_key(struct rd *r)
{
	struct traffic_key k;
	unsigned flags;

	k.src_as = rd_be32(r);
	k.dst_as = rd_be32(r);
	k.ifindex = rd_be32(r);
	flags = rd_u8(r);
	k.out = flags & FLAG_OUT;
	k.ip6 = flags & FLAG_IP6;
	return k;
}

static void put_text(struct buf *b, const char *s)
{
	size_t len = strnlen(s, UINT8_MAX);

	put_u8(b, (unsigned)len);
	buf_put(b, s, len);
}

/* A text of at most max bytes; bad when it is longer. */
static void get_text(struct rd *r, char *ret, size_t max)
{
	size_t len = rd_u8(r);
	struct rd text = rd_sub(r, len);

	if (len > max)
		r->bad = true;
	if (text.bad || r->bad)
		return;
	rd_copy(&text, ret, len);
	ret[len] = '\0';
}

void traffic_state_encode(const struct traffic_state *s, struct buf *ret)
{
	put_u8(ret, STATE_VERSION);
	put_text(ret, s->boot_id);
	put_u64(ret, s->epoch);
	put_u64(ret, s->maps_id);
	put_u64(ret, s->next_seq);
	put_u64(ret, s->end_ms);
	put_u32(ret, s->n_rows);
	for (uint32_t i = 0; i < s->n_rows; i++) {
		put_key(ret, &s->rows[i].key);
		put_measure(ret, &s->rows[i].total);
	}
}

int traffic_state_decode(struct traffic_state *s, const void *p, size_t len)
{
	struct rd r = rd_init(p, len);
	struct traffic_state t = {0};
	uint32_t n;
	int err = 0;

	if (rd_u8(&r) != STATE_VERSION)
		return -EBADMSG;
	get_text(&r, t.boot_id, TRAFFIC_BOOT_ID_LEN);
	t.epoch = rd_be64(&r);
	t.maps_id = rd_be64(&r);
	t.next_seq = rd_be64(&r);
	t.end_ms = rd_be64(&r);
	n = rd_be32(&r);
	if (r.bad || rd_left(&r) != (uint64_t)n * (KEY_LEN + MEASURE_LEN))
		return -EBADMSG;
	for (uint32_t i = 0; !err && i < n; i++) {
		struct traffic_key k = get_key(&r);
		struct asm_measure m = get_measure(&r);

		err = traffic_state_set(&t, &k, &m);
	}
	if (err) {
		traffic_state_done(&t);
		return err;
	}
	*s = t;
	return 0;
}

void traffic_frame_encode(const struct traffic_state *s,
			  const struct traffic_batch *b, struct buf *ret)
{
	put_u8(ret, FRAME_VERSION);
	put_text(ret, s->boot_id);
	put_text(ret, b->label);
	put_u64(ret, s->epoch);
	put_u64(ret, s->next_seq);
	put_u64(ret, b->start_ms);
	put_u64(ret, b->end_ms);
	put_u32(ret, b->n_ifaces);
	for (uint32_t i = 0; i < b->n_ifaces; i++) {
		put_u32(ret, b->ifaces[i].ifindex);
		buf_put(ret, b->ifaces[i].name, ASM_IFNAME_LEN);
	}
	put_u32(ret, b->n_rows);
	for (uint32_t i = 0; i < b->n_rows; i++) {
		put_key(ret, &b->rows[i].key);
		put_measure(ret, &b->rows[i].delta);
		put_measure(ret, &b->rows[i].total);
	}
}

size_t traffic_frame_len(const struct traffic_batch *b)
{
	return 1024 + (size_t)b->n_ifaces * IFACE_LEN +
	       (size_t)b->n_rows * ROW_LEN;
}

int traffic_frame_decode(struct traffic_frame *f, const void *p, size_t len)
{
	struct rd r = rd_init(p, len);
	struct traffic_frame t = {.boot_id = ""};

	if (rd_u8(&r) != FRAME_VERSION)
		return -EBADMSG;
	get_text(&r, t.boot_id, TRAFFIC_BOOT_ID_LEN);
	get_text(&r, t.label, TRAFFIC_LABEL_MAX);
	t.epoch = rd_be64(&r);
	t.first_seq = rd_be64(&r);
	t.start_ms = rd_be64(&r);
	t.end_ms = rd_be64(&r);
	t.n_ifaces = rd_be32(&r);
	if (t.n_ifaces > TRAFFIC_IFACES_MAX)
		return -EBADMSG;
	t.ifaces = rd_sub(&r, (size_t)t.n_ifaces * IFACE_LEN);
	t.n_rows = rd_be32(&r);
	if (r.bad || rd_left(&r) != (uint64_t)t.n_rows * ROW_LEN)
		return -EBADMSG;
	t.rows = rd_sub(&r, rd_left(&r));
	*f = t;
	return 0;
}

void traffic_frame_row(const struct traffic_frame *f, uint32_t i,
		       struct traffic_row *ret)
{
	struct rd r = f->rows;

	rd_skip(&r, (size_t)i * ROW_LEN);
	ret->key = get_key(&r);
	ret->delta = get_measure(&r);
	ret->total = get_measure(&r);
}

void traffic_frame_iface(const struct traffic_frame *f, uint32_t ifindex,
			 char ret[ASM_IFNAME_LEN])
{
	struct rd r = f->ifaces;

	ret[0] = '\0';
	while (rd_left(&r) >= IFACE_LEN) {
		bool found = rd_be32(&r) == ifindex;

		rd_copy(&r, ret, ASM_IFNAME_LEN);
		ret[ASM_IFNAME_LEN - 1] = '\0';
		if (found)
			return;
	}
	ret[0] = '\0';
}

int traffic_state_apply(struct traffic_state *s, const struct traffic_frame *f)
{
	struct traffic_row row;

	if (f->epoch != s->epoch || f->first_seq != s->next_seq ||
	    strcmp(f->boot_id, s->boot_id) != 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < f->n_rows; i++) {
		traffic_frame_row(f, i, &row);
		if (traffic_state_set(s, &row.key, &row.total))
			return -ENOMEM;
	}
	s->next_seq += f->n_rows;
	s->end_ms = f->end_ms;
	return 0;
}
