/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A write cursor over a buffer of fixed size: the counterpart of rd.h. A write
 * past the end writes nothing and sets `bad`, which stays; so an encoder
 * checks once, at its end. Integers go out big-endian.
 */
#ifndef BASE_WR_H
#define BASE_WR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool bad;
};

static inline struct wr wr_init(void *buf, size_t size)
{
	uint8_t *p = buf;

	return (struct wr){.start = p, .p = p, .end = p + size, .bad = false};
}

/* Bytes written; 0 once bad. */
static inline size_t wr_len(const struct wr *w)
{
	return w->bad ? 0 : (size_t)(w->p - w->start);
}

static inline void wr_copy(struct wr *w, const void *src, size_t len)
{
	if (w->bad || (size_t)(w->end - w->p) < len) {
		w->bad = true;
		return;
	}
	if (len) {
		memcpy(w->p, src, len);
		w->p += len;
	}
}

static inline void wr_fill(struct wr *w, uint8_t byte, size_t len)
{
	if (w->bad || (size_t)(w->end - w->p) < len) {
		w->bad = true;
		return;
	}
	memset(w->p, byte, len);
	w->p += len;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_copy(w, &v, 1);
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
	const uint8_t b[] = {(uint8_t)(v >> 8), (uint8_t)v};

	wr_copy(w, b, sizeof(b));
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
	const uint8_t b[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
			     (uint8_t)(v >> 8), (uint8_t)v};

	wr_copy(w, b, sizeof(b));
}

/* Puts a length into a field written before, at byte `off`. */
static inline void wr_patch_be16(struct wr *w, size_t off, size_t v)
{
	if (w->bad || v > UINT16_MAX || off + 2 > wr_len(w)) {
		w->bad = true;
		return;
	}
	w->start[off] = (uint8_t)(v >> 8);
	w->start[off + 1] = (uint8_t)v;
}

static inline void wr_patch_u8(struct wr *w, size_t off, size_t v)
{
	if (w->bad || v > UINT8_MAX || off + 1 > wr_len(w)) {
		w->bad = true;
		return;
	}
	w->start[off] = (uint8_t)v;
}

#endif
