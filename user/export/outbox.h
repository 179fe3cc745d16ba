/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The as-traffic stream on disk: batches go in, frames with numbers come out,
 * and what was exported so far is known again after any restart. A batch
 * counts as exported when outbox_store() has returned 0, and never otherwise.
 * One thread owns it.
 */
#ifndef EXPORT_OUTBOX_H
#define EXPORT_OUTBOX_H

#include "export/spool.h"
#include "export/traffic.h"

#define OUTBOX_NAME "kafka"

struct outbox;

enum outbox_found {
	OUTBOX_GOES_ON = 0, /* the stream of these maps */
	OUTBOX_NEW,         /* there was none, or of other maps */
	OUTBOX_LOST,        /* there was one, and how far it came is lost */
};

/* Frames of whatever stream that wait to be sent are kept in each case. When
 * it is not OUTBOX_GOES_ON, outbox_rebase() has to follow. -errno. */
int outbox_open(const char *dir, uint64_t max_bytes, const char *boot_id,
		uint64_t maps_id, struct outbox **ret,
		enum outbox_found *ret_found);
void outbox_close(struct outbox *o);

const struct traffic_state *outbox_state(const struct outbox *o);
struct spool *outbox_spool(struct outbox *o);

/* A new stream, numbers from 1: every row has exported nothing, apart from
 * those that outbox_rebase_row() gives a total now. */
void outbox_rebase(struct outbox *o, const char *boot_id, uint64_t maps_id,
		   uint64_t epoch, uint64_t end_ms);
int outbox_rebase_row(struct outbox *o, const struct traffic_key *k,
		      const struct asm_measure *total);
/* Writes the start of a new stream down; outbox_store() does it, too. */
int outbox_save(struct outbox *o);

/* Exports a batch. -E2BIG: the bound is reached; else the disk's -errno. In
 * each case of failure nothing was exported. */
int outbox_store(struct outbox *o, const struct traffic_batch *b);

#endif
