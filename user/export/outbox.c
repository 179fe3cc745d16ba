/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct outbox {
	struct spool *spool;
	struct traffic_state state;
	bool fresh; /* the stream's start is not on disk yet */
	bool stale; /* the state fell behind the disk for want of memory */
	struct buf bytes;
};

static int recall_head(void *ctx, const void *p, size_t len)
{
	struct outbox *o = ctx;

	return traffic_state_decode(&o->state, p, len);
}

static int recall_frame(void *ctx, const void *p, size_t len)
{
	struct outbox *o = ctx;
	struct traffic_frame f;
	int err = traffic_frame_decode(&f, p, len);

	return err ? err : traffic_state_apply(&o->state, &f);
}

static int recall(struct outbox *o)
{
	int err;

	traffic_state_done(&o->state);
	err = spool_recall(o->spool, recall_head, recall_frame, o);
	o->stale = err != 0;
	return err;
}

int outbox_open(const char *dir, uint64_t max_bytes, const char *boot_id,
		uint64_t maps_id, struct outbox **ret,
		enum outbox_found *ret_found)
{
	struct outbox *o = calloc(1, sizeof(*o));
	enum spool_found found;
	int err;

	if (!o)
		return -ENOMEM;
	err = spool_open(dir, OUTBOX_NAME, max_bytes, &o->spool, &found);
	if (err) {
		free(o);
		return err;
	}
	*ret = o;
	if (found == SPOOL_EMPTY) {
		*ret_found = OUTBOX_NEW;
		return 0;
	}
	err = found == SPOOL_DAMAGED ? -EBADMSG : recall(o);
	if (err == -ENOMEM) {
		outbox_close(o);
		return err;
	}
	if (err)
		*ret_found = OUTBOX_LOST;
	else if (strcmp(o->state.boot_id, boot_id) != 0 ||
		 o->state.maps_id != maps_id)
		*ret_found = OUTBOX_NEW;
	else
		*ret_found = OUTBOX_GOES_ON;
	return 0;
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	spool_close(o->spool);
	traffic_state_done(&o->state);
	buf_free(&o->bytes);
	free(o);
}

const struct traffic_state *outbox_state(const struct outbox *o)
{
	return &o->state;
}

struct spool *outbox_spool(struct outbox *o)
{
	return o->spool;
}

void outbox_rebase(struct outbox *o, const char *boot_id, uint64_t maps_id,
		   uint64_t epoch, uint64_t end_ms)
{
	traffic_state_done(&o->state);
	(void)snprintf(o->state.boot_id, sizeof(o->state.boot_id), "%s",
		       boot_id);
	o->state.maps_id = maps_id;
	o->state.epoch = epoch;
	o->state.end_ms = end_ms;
	o->state.next_seq = 1;
	o->fresh = true;
	o->stale = false;
}

int outbox_rebase_row(struct outbox *o, const struct traffic_key *k,
		      const struct asm_measure *total)
{
	return traffic_state_set(&o->state, k, total);
}

static int begin(struct outbox *o)
{
	int err;

	o->bytes.len = 0;
	traffic_state_encode(&o->state, &o->bytes);
	err = o->bytes.failed ? -ENOMEM
			      : spool_begin(o->spool, o->bytes.p, o->bytes.len);
	if (!err)
		o->fresh = false;
	if (o->bytes.failed)
		buf_free(&o->bytes);
	return err;
}

int outbox_save(struct outbox *o)
{
	return o->fresh ? begin(o) : 0;
}

int outbox_store(struct outbox *o, const struct traffic_batch *b)
{
	struct traffic_frame f;
	int err = o->stale ? recall(o) : 0;

	if (!err &&
	    (o->fresh || spool_wants_segment(o->spool, traffic_frame_len(b))))
		err = begin(o);
	/* a frame may still fit where a new segment does not */
	if (err && (err != -E2BIG || o->fresh))
		return err;
	o->bytes.len = 0;
	traffic_frame_encode(&o->state, b, &o->bytes);
	if (o->bytes.failed) {
		buf_free(&o->bytes);
		return -ENOMEM;
	}
	err = spool_append(o->spool, o->bytes.p, o->bytes.len);
	if (err)
		return err;
	err = traffic_frame_decode(&f, o->bytes.p, o->bytes.len);
	if (!err)
		err = traffic_state_apply(&o->state, &f);
	o->stale = err != 0; /* it is exported all the same */
	return 0;
}
