/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread. Frames come from the spool into a window in memory, in their
 * order; each record of one is unsent, sent, or done. What is reported as
 * failed is sent again, so a record leaves the window only as delivered (or
 * as one that no broker will ever take, which is counted as lost). The spool
 * is told "all before this" when the oldest frames of the window are done.
 *
 * A fatal error (librdkafka cannot keep the promise of idempotence any more)
 * ends the producer, not the stream: whatever had no report is unsent again,
 * and a new producer sends it. What had arrived without a report then arrives
 * twice, with the same number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/kafka_int.h"

_Static_assert(sizeof(void *) == 8, "an opaque carries two 32-bit numbers");

/* ------------------------------------------------------------- reports */

static enum kafka_reason reason_of(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		return KAFKA_TIMED_OUT;
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		return KAFKA_NO_TOPIC;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		return KAFKA_DENIED;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		return KAFKA_TOO_LARGE;
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
		return KAFKA_PURGED;
	case RD_KAFKA_RESP_ERR__QUEUE_FULL:
		return KAFKA_QUEUE_FULL;
	default:
		return KAFKA_OTHER;
	}
}

static void bad_news(struct kafka *k, const char *what)
{
	uint64_t held;

	k->now.up = false;
	(void)snprintf(k->now.error, sizeof(k->now.error), "%s", what);
	if (log_rl_pass(&k->rl, mono_now(), &held))
		log_warn("Kafka: %s%s", what,
			 held ? " (and others like it)" : "");
}

static void good_news(struct kafka *k)
{
	if (!k->now.up)
		log_notice("Kafka: delivering");
	k->now.up = true;
	k->now.error[0] = '\0';
}

static struct frame *frame_of(struct kafka *k, uint32_t id)
{
	struct frame *f = k->head;

	while (f && f->id != id)
		f = f->next;
	return f;
}

static void report_record(struct kafka *k, uint64_t opaque,
			  rd_kafka_resp_err_t err)
{
	struct frame *f = frame_of(k, (uint32_t)(opaque >> 32));
	uint32_t i = (uint32_t)opaque;
	enum kafka_reason why = reason_of(err);

	k->now.stream[KAFKA_AS_TRAFFIC].queued--;
	if (!f || !f->state || i >= f->f.n_rows || f->state[i] != SENT)
		return;
	if (err && why != KAFKA_TOO_LARGE) {
		k->now.stream[KAFKA_AS_TRAFFIC].failed[why]++;
		f->state[i] = UNSENT;
		if (i < f->from)
			f->from = i;
		k->retry_at = mono_add_ns(mono_now(), RETRY_NS);
		return;
	}
	f->state[i] = DONE;
	f->done++;
	if (err)
		k->now.stream[KAFKA_AS_TRAFFIC].lost[why]++;
	else
		k->now.stream[KAFKA_AS_TRAFFIC].delivered++;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *ctx)
{
	struct kafka *k = ctx;
	uint64_t opaque = (uint64_t)(uintptr_t)m->_private;

	(void)rk;
	if (opaque) {
		report_record(k, opaque, m->err);
	} else {
		k->now.stream[KAFKA_FLOWS].queued--;
		if (m->err)
			k->now.stream[KAFKA_FLOWS].lost[reason_of(m->err)]++;
		else
			k->now.stream[KAFKA_FLOWS].delivered++;
	}
	if (!m->err)
		good_news(k);
	else if (reason_of(m->err) != KAFKA_PURGED)
		bad_news(k, rd_kafka_err2str(m->err));
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *ctx)
{
	struct kafka *k = ctx;
	char text[sizeof(k->now.error)];

	(void)rk;
	/* it follows the news why the last of them is down */
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && k->now.error[0]) {
		k->now.up = false;
		return;
	}
	(void)snprintf(text, sizeof(text), "%s: %s",
		       rd_kafka_err2str((rd_kafka_resp_err_t)err), reason);
	bad_news(k, text);
}

/* What librdkafka would print; served in the thread like all callbacks. */
static void on_log(const rd_kafka_t *rk, int level, const char *fac,
		   const char *text)
{
	struct kafka *k = rd_kafka_opaque(rk);
	uint64_t held;

	if (level > LOG_LVL_INFO)
		log_debug("librdkafka: %s: %s", fac, text);
	else if (log_rl_pass(&k->lib_rl, mono_now(), &held))
		log_info("librdkafka: %s: %s", fac, text);
}

/* ------------------------------------------------------------ producer */

static void open_topics(struct kafka *k)
{
	for (unsigned s = 0; s < KAFKA_STREAMS; s++) {
		const char *name = k->cfg->stream[s].topic;

		if (!name[0])
			continue;
		k->topic[s] = rd_kafka_topic_new(k->rk, name, NULL);
		if (!k->topic[s])
			bad_news(k, rd_kafka_err2str(rd_kafka_last_error()));
	}
}

/* OpenSSL's word for a file that cannot be read is "system lib". */
static void no_producer(struct kafka *k, const char *why)
{
	char text[640];
	int err;
	const struct kafka_option *o =
		kafka_conf_unreadable(k->cfg->options, k->cfg->n_options, &err);

	if (o)
		(void)snprintf(text, sizeof(text), "no producer: %s: %s: %s",
			       o->name, o->value, strerror(-err));
	else
		(void)snprintf(text, sizeof(text), "no producer: %s", why);
	bad_news(k, text);
}

void kafka_open_producer(struct kafka *k)
{
	char why[512] = "";
	rd_kafka_conf_t *conf;

	k->open_at = mono_add_ns(mono_now(), 10 * REBUILD_NS);
	conf = kafka_conf_new(k->cfg->brokers, k->cfg->options,
			      k->cfg->n_options, why, sizeof(why));
	if (conf) {
		rd_kafka_conf_set_opaque(conf, k);
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
		rd_kafka_conf_set_error_cb(conf, on_error);
		rd_kafka_conf_set_log_cb(conf, on_log);
		(void)rd_kafka_conf_set(conf, "log.queue", "true", NULL, 0);
		k->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
		if (!k->rk)
			rd_kafka_conf_destroy(conf);
	}
	if (!k->rk) {
		no_producer(k, why);
		return;
	}
	(void)rd_kafka_set_log_queue(k->rk, NULL);
	open_topics(k);
}

void kafka_close_producer(struct kafka *k)
{
	struct mono end = mono_add_ns(mono_now(), PURGE_NS);

	if (!k->rk)
		return;
	(void)rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE |
					    RD_KAFKA_PURGE_F_INFLIGHT);
	while (rd_kafka_outq_len(k->rk) > 0 &&
	       mono_diff_ns(mono_now(), end) > 0)
		(void)rd_kafka_poll(k->rk, POLL_MS);
	for (unsigned s = 0; s < KAFKA_STREAMS; s++) {
		if (k->topic[s])
			rd_kafka_topic_destroy(k->topic[s]);
		k->topic[s] = NULL;
	}
	rd_kafka_destroy(k->rk);
	k->rk = NULL;
	for (struct frame *f = k->head; f; f = f->next) {
		for (uint32_t i = 0; f->state && i < f->f.n_rows; i++) {
			if (f->state[i] == SENT)
				f->state[i] = UNSENT;
		}
		f->from = 0;
	}
	k->now.stream[KAFKA_FLOWS].lost[KAFKA_PURGED] +=
		k->now.stream[KAFKA_FLOWS].queued;
	k->now.stream[KAFKA_AS_TRAFFIC].queued = 0;
	k->now.stream[KAFKA_FLOWS].queued = 0;
}

void kafka_check_fatal(struct kafka *k)
{
	char why[256], text[320];
	rd_kafka_resp_err_t err;

	if (!k->rk)
		return;
	err = rd_kafka_fatal_error(k->rk, why, sizeof(why));
	if (!err)
		return;
	(void)snprintf(text, sizeof(text), "%s: %s: the producer is made anew",
		       rd_kafka_err2name(err), why);
	bad_news(k, text);
	kafka_close_producer(k);
	k->now.rebuilds++;
	k->open_at = mono_add_ns(mono_now(), REBUILD_NS);
}

/* -------------------------------------------------------------- frames */

static void frame_free(struct frame *f)
{
	if (!f)
		return;
	buf_free(&f->bytes);
	free(f->state);
	free(f);
}

void kafka_free_frames(struct kafka *k)
{
	while (k->head) {
		struct frame *f = k->head;

		k->head = f->next;
		frame_free(f);
	}
	k->tail = NULL;
}

/* Numbers that are missing in the spool were in a damaged place. */
static void check_gap(struct kafka *k, const struct traffic_frame *f)
{
	if (f->epoch == k->epoch && f->first_seq > k->seq)
		k->now.stream[KAFKA_AS_TRAFFIC].lost[KAFKA_DAMAGED] +=
			f->first_seq - k->seq;
	k->epoch = f->epoch;
	k->seq = f->first_seq + f->n_rows;
}

/* The next frame into the window; false: none, or no memory now. */
static bool load_frame(struct kafka *k)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (!f)
		return false;
	if (spool_next(outbox_spool(k->outbox), &f->bytes, &f->behind) != 1) {
		frame_free(f);
		return false;
	}
	/* a frame that is whole and says nothing takes part as an empty one */
	if (traffic_frame_decode(&f->f, f->bytes.p, f->bytes.len))
		f->f.n_rows = 0;
	else
		check_gap(k, &f->f);
	f->id = ++k->last_id ? k->last_id : ++k->last_id;
	if (k->tail)
		k->tail->next = f;
	else
		k->head = f;
	k->tail = f;
	k->n_frames++;
	return true;
}

void kafka_drop_done(struct kafka *k)
{
	struct spool_pos behind = {0};
	bool some = false;

	while (k->head && k->head->done == k->head->f.n_rows) {
		struct frame *f = k->head;

		behind = f->behind;
		some = true;
		k->head = f->next;
		if (!k->head)
			k->tail = NULL;
		k->n_frames--;
		frame_free(f);
	}
	if (some)
		spool_ack(outbox_spool(k->outbox), behind);
}

/* False: not now. */
static bool send_record(struct kafka *k, struct frame *f, uint32_t i)
{
	uint64_t opaque = (uint64_t)f->id << 32 | i;
	struct traffic_row r;
	char key[KAFKA_KEY_LEN];
	size_t key_len;

	k->text.len = 0;
	traffic_frame_row(&f->f, i, &r);
	if (k->cfg->stream[KAFKA_AS_TRAFFIC].format == KAFKA_PROTOBUF)
		traffic_protobuf(&f->f, i, &k->text);
	else
		traffic_json(&f->f, i, &k->text);
	key_len = kafka_key_text(k->cfg->stream[KAFKA_AS_TRAFFIC].key,
				 f->f.label, r.key.src_as, r.key.dst_as, key);
	if (k->text.failed) {
		buf_free(&k->text);
		return false;
	}
	if (!rd_kafka_produce(k->topic[KAFKA_AS_TRAFFIC], RD_KAFKA_PARTITION_UA,
			      RD_KAFKA_MSG_F_COPY, k->text.p, k->text.len,
			      key_len ? key : NULL, key_len,
			      (void *)(uintptr_t)opaque)) {
		f->state[i] = SENT;
		k->now.stream[KAFKA_AS_TRAFFIC].queued++;
		return true;
	}
	rd_kafka_resp_err_t err = rd_kafka_last_error();

	if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
		k->now.stream[KAFKA_AS_TRAFFIC].lost[KAFKA_TOO_LARGE]++;
		f->state[i] = DONE;
		f->done++;
		return true;
	}
	if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		bad_news(k, rd_kafka_err2str(err));
		k->retry_at = mono_add_ns(mono_now(), RETRY_NS);
	}
	return false;
}

static bool window_full(const struct kafka *k)
{
	return k->now.stream[KAFKA_AS_TRAFFIC].queued >= WINDOW;
}

static bool send_frame(struct kafka *k, struct frame *f)
{
	if (!f->state)
		f->state = calloc((size_t)f->f.n_rows + 1, 1);
	if (!f->state)
		return false;
	for (; f->from < f->f.n_rows; f->from++) {
		if (f->state[f->from] != UNSENT)
			continue;
		if (window_full(k) || !send_record(k, f, f->from))
			return false;
	}
	return true;
}

void kafka_send_records(struct kafka *k)
{
	if (!k->head)
		(void)load_frame(
			k); /* also when nothing can be sent: its age */
	if (!k->rk || !k->topic[KAFKA_AS_TRAFFIC] ||
	    mono_diff_ns(mono_now(), k->retry_at) > 0)
		return;
	for (struct frame *f = k->head; f; f = f->next) {
		if (!send_frame(k, f))
			return;
		if (!f->next && k->n_frames < FRAMES_MAX)
			(void)load_frame(k);
	}
}

/* --------------------------------------------------------------- flows */

/* Those taken over: as many as librdkafka takes. */
void kafka_send_flows(struct kafka *k)
{
	while (k->rk && k->topic[KAFKA_FLOWS] &&
	       k->sending_at < k->sending.len) {
		const char *p = k->sending.p + k->sending_at;
		uint32_t head[2];

		memcpy(head, p, sizeof(head));
		p += sizeof(head);
		if (rd_kafka_produce(k->topic[KAFKA_FLOWS],
				     RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
				     (char *)(uintptr_t)p + head[0], head[1],
				     head[0] ? p : NULL, head[0], NULL)) {
			rd_kafka_resp_err_t err = rd_kafka_last_error();

			if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
				return;
			k->now.stream[KAFKA_FLOWS].lost[reason_of(err)]++;
		} else {
			k->now.stream[KAFKA_FLOWS].queued++;
		}
		k->sending_at += sizeof(head) + head[0] + head[1];
	}
}
