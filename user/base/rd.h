/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A read cursor over bytes that somebody else wrote.
 *
 * The only way in which user space touches wire bytes. A read past the end
 * returns 0, sets `bad` and leaves the cursor at its end; it stays bad. So a
 * decoder may read a whole structure and check `bad` once, before it *uses*
 * a value as an index, a size or a loop bound. All integers are big-endian on
 * the wire and in host order here. Nothing is copied but by rd_copy().
 */
#ifndef BASE_RD_H
#define BASE_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

/* A cursor over len bytes at data; data may be NULL when len is 0. */
static inline struct rd rd_init(const void *data, size_t len)
{
	const uint8_t *p = data;

	return (struct rd){.p = p, .end = len ? p + len : p, .bad = false};
}

/* Bytes left; 0 once bad. */
static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* Takes len bytes: a pointer to them, or NULL (and bad) when they are not
 * there. len 0 never fails on a good cursor but may return NULL. */
static inline const uint8_t *rd_take(struct rd *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->bad || (size_t)(r->end - r->p) < len) {
		r->bad = true;
		r->p = r->end;
		return NULL;
	}
	if (len)
		r->p += len;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_take(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_be16(struct rd *r)
{
	const uint8_t *p = rd_take(r, 2);

	return p ? (uint16_t)((unsigned)p[0] << 8 | p[1]) : (uint16_t)0;
}

static inline uint32_t rd_be32(struct rd *r)
{
	const uint8_t *p = rd_take(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			       (uint32_t)p[2] << 8 | p[3]
		 : 0;
}

static inline uint64_t rd_be64(struct rd *r)
{
	uint64_t hi = rd_be32(r);

	return hi << 32 | rd_be32(r);
}

/* A cursor bounded to the next len bytes, which are consumed here. Bad (both)
 * when they are not all there. */
static inline struct rd rd_sub(struct rd *r, size_t len)
{
	const uint8_t *p = rd_take(r, len);

	if (r->bad)
		return (struct rd){.p = r->end, .end = r->end, .bad = true};
	return rd_init(p, len);
}

/* Copies len bytes to dst; dst is zeroed when they are not there. */
static inline void rd_copy(struct rd *r, void *dst, size_t len)
{
	const uint8_t *p = rd_take(r, len);

	if (p && len)
		memcpy(dst, p, len);
	else if (len)
		memset(dst, 0, len);
}

static inline void rd_skip(struct rd *r, size_t len)
{
	(void)rd_take(r, len);
}

/* True when everything was read and nothing was missing. */
static inline bool rd_done(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}

#endif
