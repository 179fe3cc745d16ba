/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The as-traffic stream: what the exact counters grew by, interval by
 * interval, as records that a consumer can add up, check for gaps and
 * duplicates, and restore (what the stream promises and how it is kept is at
 * the top of daemon/streams.c).
 *
 * Pure: batches and frames in, text out; no I/O, no clock.
 */
#ifndef EXPORT_TRAFFIC_H
#define EXPORT_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "asmeter/abi.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/rd.h"

#define TRAFFIC_BOOT_ID_LEN 36
#define TRAFFIC_LABEL_MAX   253 /* of a host name */
#define TRAFFIC_IFACES_MAX  4096u

/* What a row of the kernel is about; unique in the maps. */
struct traffic_key {
	uint32_t src_as, dst_as;
	uint32_t ifindex;
	bool out; /* ASM_DIR_OUT */
	bool ip6;
};

struct traffic_row {
	struct traffic_key key;
	struct asm_measure delta; /* of the interval */
	struct asm_measure total; /* at its end, since the maps were made */
};

struct traffic_iface {
	uint32_t ifindex;
	char name[ASM_IFNAME_LEN];
};

/* One interval: the rows that grew. Times are ms since the epoch, UTC. */
struct traffic_batch {
	char label[TRAFFIC_LABEL_MAX + 1]; /* this router */
	uint64_t start_ms, end_ms;
	struct traffic_iface *ifaces;
	uint32_t n_ifaces, cap_ifaces;
	struct traffic_row *rows;
	uint32_t n_rows, cap_rows;
};

void traffic_batch_clear(struct traffic_batch *b);
void traffic_batch_free(struct traffic_batch *b);
/* -ENOMEM. */
int traffic_batch_row(struct traffic_batch *b, const struct traffic_row *r);
int traffic_batch_iface(struct traffic_batch *b, uint32_t ifindex,
			const char *name);

/* ---------------------------------------------------------------- state */

/*
 * How far the stream has come: who it is, the next number, and the total of
 * each row as it was exported last. Apart from the rows that are in it, every
 * row was exported with total 0.
 */
struct traffic_state {
	char boot_id[TRAFFIC_BOOT_ID_LEN + 1];
	uint64_t epoch;   /* of the stream, ms since boot */
	uint64_t maps_id; /* asm_state.created_at */
	uint64_t next_seq;
	uint64_t end_ms; /* of the last interval */
	struct map pairs, index;
	uint32_t n_pairs;
	struct traffic_row *rows; /* delta is not used */
	uint32_t n_rows, cap_rows;
};

void traffic_state_done(struct traffic_state *s);
/* The row's last exported total; NULL: none. */
const struct asm_measure *traffic_state_get(const struct traffic_state *s,
					    const struct traffic_key *k);
/* -ENOMEM. */
int traffic_state_set(struct traffic_state *s, const struct traffic_key *k,
		      const struct asm_measure *total);

/* As the head of a spool's segment, and back. -EBADMSG, -ENOMEM. */
void traffic_state_encode(const struct traffic_state *s, struct buf *ret);
int traffic_state_decode(struct traffic_state *s, const void *p, size_t len);

/* --------------------------------------------------------------- frames */

/* A batch with the numbers that its rows get: next_seq and up. */
void traffic_frame_encode(const struct traffic_state *s,
			  const struct traffic_batch *b, struct buf *ret);

/* At most as many bytes as that. */
size_t traffic_frame_len(const struct traffic_batch *b);

struct traffic_frame {
	char boot_id[TRAFFIC_BOOT_ID_LEN + 1];
	char label[TRAFFIC_LABEL_MAX + 1];
	uint64_t epoch, first_seq, start_ms, end_ms;
	uint32_t n_ifaces, n_rows;
	struct rd ifaces, rows; /* into the frame's bytes */
};

/* -EBADMSG. */
int traffic_frame_decode(struct traffic_frame *f, const void *p, size_t len);
/* i < n_rows. */
void traffic_frame_row(const struct traffic_frame *f, uint32_t i,
		       struct traffic_row *ret);
/* The interface's name in the frame; "" when it is not there. */
void traffic_frame_iface(const struct traffic_frame *f, uint32_t ifindex,
			 char ret[ASM_IFNAME_LEN]);

/* The state after the frame. -EBADMSG: it does not follow; -ENOMEM. */
int traffic_state_apply(struct traffic_state *s, const struct traffic_frame *f);

/* ------------------------------------------------------------- messages */

/* One record of the frame, with number first_seq + i. (traffic_msg.c) */
void traffic_json(const struct traffic_frame *f, uint32_t i, struct buf *ret);
void traffic_protobuf(const struct traffic_frame *f, uint32_t i,
		      struct buf *ret);

#endif
