/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread, and the side of those who hand something over. */
#include "export/kafka_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const kafka_stream_name[] = {"as_traffic", "flows"};
const char *const kafka_reason_name[] = {"timed_out",  "no_topic", "denied",
					 "too_large",  "purged",   "other",
					 "queue_full", "damaged"};
const char *const kafka_merge_name[] = {"busy", "spool_full", "disk", "memory"};

/* ------------------------------------------------------- configuration */

static struct kafka_cfg *cfg_copy(const struct kafka_cfg *c)
{
	size_t len = sizeof(*c) + c->n_options * sizeof(*c->options) +
		     strlen(c->brokers) + 1;
	struct kafka_option *o;
	struct kafka_cfg *d;
	char *text;

	for (size_t i = 0; i < c->n_options; i++)
		len += strlen(c->options[i].name) +
		       strlen(c->options[i].value) + 2;
	for (unsigned s = 0; s < KAFKA_STREAMS; s++)
		len += strlen(c->stream[s].topic) + 1;
	d = malloc(len);
	if (!d)
		return NULL;
	*d = *c;
	o = (struct kafka_option *)(d + 1);
	text = (char *)(o + c->n_options);
	d->options = o;
	d->brokers = text;
	text = stpcpy(text, c->brokers) + 1;
	for (size_t i = 0; i < c->n_options; i++, o++) {
		o->name = text;
		text = stpcpy(text, c->options[i].name) + 1;
		o->value = text;
		text = stpcpy(text, c->options[i].value) + 1;
	}
	for (unsigned s = 0; s < KAFKA_STREAMS; s++) {
		d->stream[s].topic = text;
		text = stpcpy(text, c->stream[s].topic) + 1;
	}
	return d;
}

size_t kafka_key_text(enum kafka_key key, const char *router, uint32_t src_as,
		      uint32_t dst_as, char ret[KAFKA_KEY_LEN])
{
	int n = 0;

	switch (key) {
	case KAFKA_KEY_NONE:
		break;
	case KAFKA_KEY_ROUTER:
		n = snprintf(ret, KAFKA_KEY_LEN, "%s", router);
		break;
	case KAFKA_KEY_SRC_AS:
		n = snprintf(ret, KAFKA_KEY_LEN, "%u", src_as);
		break;
	case KAFKA_KEY_DST_AS:
		n = snprintf(ret, KAFKA_KEY_LEN, "%u", dst_as);
		break;
	case KAFKA_KEY_AS_PAIR:
		n = snprintf(ret, KAFKA_KEY_LEN, "%u-%u", src_as, dst_as);
		break;
	}
	return n > 0 ? strlen(ret) : 0;
}

bool kafka_put_flow(struct kafka *k, const char *key, size_t key_len,
		    const void *msg, size_t len)
{
	uint32_t head[] = {(uint32_t)key_len, (uint32_t)len};
	bool ok;

	(void)pthread_mutex_lock(&k->lock);
	ok = len < ROOM_FLOWS && key_len <= KAFKA_KEY_LEN &&
	     k->flows.len + sizeof(head) + key_len + len <= ROOM_FLOWS &&
	     buf_room(&k->flows, sizeof(head) + key_len + len);
	if (ok) {
		buf_put(&k->flows, head, sizeof(head));
		buf_put(&k->flows, key, key_len);
		buf_put(&k->flows, msg, len);
	} else {
		k->flows.failed = false; /* there may be memory later */
		k->stats.stream[KAFKA_FLOWS].lost[KAFKA_QUEUE_FULL]++;
	}
	(void)pthread_mutex_unlock(&k->lock);
	return ok;
}

/* ------------------------------------------------------------- batches */

static enum kafka_merge merge_of(int err)
{
	return err == -E2BIG    ? KAFKA_MERGE_SPOOL_FULL
	       : err == -ENOMEM ? KAFKA_MERGE_MEMORY
				: KAFKA_MERGE_DISK;
}

static int store(struct kafka *k, const struct traffic_batch *b)
{
	int err = outbox_store(k->outbox, b);

	if (err) {
		k->now.merged[merge_of(err)]++;
		if (!k->merging)
			log_warn("Kafka: the spool takes nothing (%s): the "
				 "counters keep it until it does",
				 err == -E2BIG ? "kafka.spool-mb is reached"
					       : strerror(-err));
	} else {
		k->now.stored += b->n_rows;
		if (k->merging)
			log_notice("Kafka: the spool takes records again");
	}
	k->merging = err != 0;
	return err;
}

static void refresh_stats(struct kafka *k)
{
	spool_stats(outbox_spool(k->outbox), &k->now.spool);
	k->now.oldest_ms = k->head ? k->head->f.end_ms : 0;
}

/* ---------------------------------------------------------------- turn */

/* What the others have for us, and what they may know. True: end. */
static bool exchange(struct kafka *k, struct kafka_cfg **ret_cfg,
		     const struct traffic_batch **ret_batch)
{
	bool stop;
	uint64_t full, busy;

	(void)pthread_mutex_lock(&k->lock);
	*ret_cfg = k->next_cfg;
	k->next_cfg = NULL;
	*ret_batch = k->offered;
	if (k->sending_at == k->sending.len) {
		struct buf t = k->sending;

		k->sending = k->flows;
		k->flows = t;
		k->flows.len = k->sending_at = 0;
	}
	/* these two are counted on the other side */
	full = k->stats.stream[KAFKA_FLOWS].lost[KAFKA_QUEUE_FULL];
	busy = k->stats.merged[KAFKA_MERGE_BUSY];
	k->stats = k->now;
	k->stats.stream[KAFKA_FLOWS].lost[KAFKA_QUEUE_FULL] = full;
	k->stats.merged[KAFKA_MERGE_BUSY] = busy;
	stop = k->stop;
	(void)pthread_mutex_unlock(&k->lock);
	return stop;
}

static void answer(struct kafka *k, int err)
{
	(void)pthread_mutex_lock(&k->lock);
	k->offered = NULL;
	k->answer = err;
	(void)pthread_mutex_unlock(&k->lock);
}

/* What was wrong before a reload says nothing about what is wrong after it,
 * and must not keep that out of the log. */
static void forget_errors(struct kafka *k)
{
	k->rl = k->lib_rl = (struct log_rl)LOG_RL_INIT(5, 10 * NSEC_PER_SEC);
	k->now.error[0] = '\0';
}

static void take_cfg(struct kafka *k, struct kafka_cfg *c)
{
	kafka_close_producer(k);
	forget_errors(k);
	free(k->cfg);
	k->cfg = c;
	k->open_at = mono_now();
	spool_limit(outbox_spool(k->outbox), c->spool_bytes);
}

static void turn(struct kafka *k)
{
	if (!k->rk && k->cfg->brokers[0] &&
	    mono_diff_ns(k->open_at, mono_now()) >= 0)
		kafka_open_producer(k);
	kafka_send_records(k);
	kafka_send_flows(k);
	if (k->rk)
		(void)rd_kafka_poll(k->rk, POLL_MS);
	else
		(void)nanosleep(&(struct timespec){.tv_nsec = POLL_MS *
							      NSEC_PER_MSEC},
				NULL);
	kafka_check_fatal(k);
	kafka_drop_done(k);
	refresh_stats(k);
}

static size_t count_flows(const struct buf *b, size_t at)
{
	uint32_t head[2];
	size_t n = 0;

	for (; at < b->len; at += sizeof(head) + head[0] + head[1], n++)
		memcpy(head, b->p + at, sizeof(head));
	return n;
}

/* With the process go the counters: what is lost with it is said here. */
static void say_left(struct kafka *k)
{
	uint64_t n = k->now.stream[KAFKA_FLOWS].queued +
		     count_flows(&k->sending, k->sending_at);

	(void)pthread_mutex_lock(&k->lock);
	n += count_flows(&k->flows, 0);
	(void)pthread_mutex_unlock(&k->lock);
	if (n)
		log_notice("Kafka: %" PRIu64 " flow records were not sent", n);
}

static void *run(void *ctx)
{
	struct kafka *k = ctx;
	const struct traffic_batch *batch;
	struct kafka_cfg *cfg;

	while (!exchange(k, &cfg, &batch)) {
		if (cfg)
			take_cfg(k, cfg);
		if (batch)
			answer(k, store(k, batch));
		turn(k);
	}
	free(cfg);
	/* what the spool has is safe; flows are not */
	for (int i = 0; k->rk && i < FLUSH_STEPS && k->now.up; i++) {
		if (!rd_kafka_outq_len(k->rk) && !k->head)
			break;
		kafka_send_flows(k);
		(void)rd_kafka_flush(k->rk, k->flush_ms / FLUSH_STEPS);
		kafka_drop_done(k);
	}
	say_left(k);
	kafka_close_producer(k);
	(void)pthread_mutex_lock(&k->lock);
	k->ended = true;
	(void)pthread_cond_signal(&k->ended_cond);
	(void)pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* ----------------------------------------------------- the other side */

static void kafka_free(struct kafka *k)
{
	kafka_free_frames(k);
	buf_free(&k->flows);
	buf_free(&k->sending);
	buf_free(&k->text);
	free(k->cfg);
	free(k->next_cfg);
	(void)pthread_mutex_destroy(&k->lock);
	(void)pthread_cond_destroy(&k->ended_cond);
	free(k);
}

int kafka_start(const struct kafka_cfg *cfg, struct outbox *o,
		struct kafka **ret)
{
	struct kafka *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	forget_errors(k);
	k->outbox = o;
	k->open_at = mono_now();
	(void)pthread_mutex_init(&k->lock, NULL);
	(void)pthread_cond_init(&k->ended_cond, NULL);
	k->cfg = cfg_copy(cfg);
	err = k->cfg ? -pthread_create(&k->thread, NULL, run, k) : -ENOMEM;
	if (err) {
		kafka_free(k);
		return err;
	}
	(void)pthread_setname_np(k->thread, "asmeter-kafka");
	*ret = k;
	return 0;
}

int kafka_configure(struct kafka *k, const struct kafka_cfg *cfg)
{
	struct kafka_cfg *c = cfg_copy(cfg), *old;

	if (!c)
		return -ENOMEM;
	(void)pthread_mutex_lock(&k->lock);
	old = k->next_cfg;
	k->next_cfg = c;
	(void)pthread_mutex_unlock(&k->lock);
	free(old);
	return 0;
}

void kafka_offer(struct kafka *k, const struct traffic_batch *b)
{
	(void)pthread_mutex_lock(&k->lock);
	k->offered = b;
	k->answer = -EAGAIN;
	(void)pthread_mutex_unlock(&k->lock);
}

int kafka_answer(struct kafka *k)
{
	int ret;

	(void)pthread_mutex_lock(&k->lock);
	ret = k->answer;
	(void)pthread_mutex_unlock(&k->lock);
	return ret;
}

void kafka_merged(struct kafka *k, enum kafka_merge why)
{
	(void)pthread_mutex_lock(&k->lock);
	k->stats.merged[why]++;
	(void)pthread_mutex_unlock(&k->lock);
}

void kafka_stats(struct kafka *k, struct kafka_stats *ret)
{
	(void)pthread_mutex_lock(&k->lock);
	*ret = k->stats;
	(void)pthread_mutex_unlock(&k->lock);
}

bool kafka_stop(struct kafka *k, int flush_ms)
{
	struct timespec end;
	int rc = 0;

	if (!k)
		return true;
	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 2 + flush_ms / 1000;
	(void)pthread_mutex_lock(&k->lock);
	k->flush_ms = flush_ms;
	k->stop = true;
	while (!k->ended && !rc)
		rc = pthread_cond_timedwait(&k->ended_cond, &k->lock, &end);
	rc = k->ended ? 0 : rc;
	(void)pthread_mutex_unlock(&k->lock);
	if (rc)
		return false;
	(void)pthread_join(k->thread, NULL);
	outbox_close(k->outbox);
	kafka_free(k);
	return true;
}
