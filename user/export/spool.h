/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bounded queue of frames on disk, for what must reach somebody exactly
 * once although this process may be killed at any moment.
 *
 * Frames are appended at one end and read at the other; what was read stays
 * until it is acknowledged. It is kept in segments, files NAME-<number>.spool
 * in one directory. Each segment begins with a *head* that the caller gives:
 * a summary of all frames before it. So head and frames of the last segment
 * say all that the caller has to know after a restart, and every older
 * segment may go as soon as its frames are acknowledged.
 *
 * One thread owns it. Nothing is logged.
 */
#ifndef EXPORT_SPOOL_H
#define EXPORT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define SPOOL_FRAME_MAX (256u << 20) /* a longer one is not from us */

struct spool;

struct spool_pos { /* between two frames */
	uint64_t segment;
	uint64_t offset;
};

/* What spool_open() has found. */
enum spool_found {
	SPOOL_EMPTY = 0, /* nothing */
	SPOOL_WHOLE,     /* the last segment, to its end; a frame that was being
			    appended when the process ended is cut off */
	SPOOL_DAMAGED,   /* a last segment whose end cannot be known */
};

struct spool_stats {
	uint64_t bytes;   /* of all files */
	uint64_t pending; /* of frames not acknowledged, or near to it */
	uint64_t max_bytes;
	uint32_t segments;
	uint64_t skipped; /* segments read up to a damaged place only */
	uint64_t unsaved; /* acknowledgements that could not be written down */
};

/* Opens or makes the spool NAME in dir. max_bytes bounds the files together.
 * Frames that were never acknowledged are to be read again. -errno. */
int spool_open(const char *dir, const char *name, uint64_t max_bytes,
	       struct spool **ret, enum spool_found *ret_found);
void spool_close(struct spool *s);
void spool_limit(struct spool *s, uint64_t max_bytes);

/* The head of the last segment (only when it is SPOOL_WHOLE), then each of
 * its frames through fn, which may refuse one with -errno. */
int spool_recall(struct spool *s, int (*head)(void *, const void *, size_t),
		 int (*frame)(void *, const void *, size_t), void *ctx);

/* Is it time for a new segment before a frame of len bytes is appended? */
bool spool_wants_segment(const struct spool *s, size_t len);

/* Begins a segment. On failure there is none and nothing has changed.
 * -E2BIG: it would be more than max_bytes. */
int spool_begin(struct spool *s, const void *head, size_t len);

/* Appends a frame to the last segment and waits until it is on the disk. On
 * failure nothing was appended. -E2BIG as above; -ENOENT: no segment yet. */
int spool_append(struct spool *s, const void *data, size_t len);

/* The next frame, and the position behind it. 1: got one; 0: none is left;
 * -errno. A damaged place is skipped to the next segment. */
int spool_next(struct spool *s, struct buf *ret, struct spool_pos *ret_behind);

/* Everything before pos has arrived and is never asked for again. */
void spool_ack(struct spool *s, struct spool_pos pos);

void spool_stats(const struct spool *s, struct spool_stats *ret);

#endif
