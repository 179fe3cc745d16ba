/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A record of the as-traffic stream to a broker: by asmeter's producer, which
 * has written it to the spool before, against the plain way, a jansson object
 * for each record handed to librdkafka. Both with the same options, until all
 * are confirmed. And the text alone.
 *
 *   kafka DIR BROKERS            (tests/bench/kafka.sh starts the broker)
 */
#include <errno.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include "base/mono.h"
#include "bench.h"
#include "export/kafka.h"

#define ROWS 20000u

static const char boot[] = "01234567-89ab-cdef-0123-456789abcdef";
static struct traffic_batch batch;
static struct traffic_frame frame;
static struct buf bytes;

static void make_frame(void)
{
	struct traffic_state s = {.epoch = 1, .next_seq = 1};

	strcpy(s.boot_id, boot);
	strcpy(batch.label, "edge1.example.net");
	batch.start_ms = UINT64_C(1767323045000);
	batch.end_ms = UINT64_C(1767323055000);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct traffic_row r = {.key = {64500, 1000 + i, 3, i & 1,
						i & 2},
					.delta = {i, i * 700, i * 714},
					.total = {i * 9, i * 6300, i * 6426}};

		if (traffic_batch_row(&batch, &r))
			die("no memory");
	}
	if (traffic_batch_iface(&batch, 3, "eth0"))
		die("no memory");
	traffic_frame_encode(&s, &batch, &bytes);
	if (traffic_frame_decode(&frame, bytes.p, bytes.len))
		die("frame");
}

/* ------------------------------------------------------------- the rival */

static json_t *measure(const struct asm_measure *m)
{
	return json_pack("{s:I,s:I,s:I}", "packets", (json_int_t)m->packets,
			 "ip_bytes", (json_int_t)m->ip_bytes, "wire_bytes",
			 (json_int_t)m->wire_bytes);
}

static void stamp(uint64_t ms, char *ret, size_t size)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret, size, "%Y-%m-%d %H:%M:%S", &tm);
}

static json_t *rival_object(uint32_t i)
{
	const struct traffic_row *r = &batch.rows[i];
	char from[32], to[32];

	stamp(batch.start_ms, from, sizeof(from));
	stamp(batch.end_ms, to, sizeof(to));
	return json_pack(
		"{s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:s,s:I,"
		"s:I,s:f,s:o,s:o}",
		"event_type", "purge", "label", batch.label, "as_src",
		(json_int_t)r->key.src_as, "as_dst", (json_int_t)r->key.dst_as,
		"iface_in", (json_int_t)(r->key.out ? 0 : 3), "iface_out",
		(json_int_t)(r->key.out ? 3 : 0), "etype",
		r->key.ip6 ? "86dd" : "800", "stamp_inserted", from,
		"stamp_updated", to, "packets", (json_int_t)r->delta.packets,
		"bytes", (json_int_t)r->delta.ip_bytes, "interface", "eth0",
		"direction", r->key.out ? "transmit" : "receive", "boot_id",
		boot, "epoch", (json_int_t)1, "seq", (json_int_t)(1 + i),
		"interval", 10.0, "delta", measure(&r->delta), "total",
		measure(&r->total));
}

static char *rival_text(uint32_t i)
{
	json_t *v = rival_object(i);
	char *text = json_dumps(v, JSON_COMPACT);

	json_decref(v);
	return text;
}

/* Both say the same, or the comparison means nothing. */
static void check_equal(void)
{
	struct buf b = {0};

	for (uint32_t i = 0; i < ROWS; i += 97) {
		json_t *a, *r = rival_object(i);

		b.len = 0;
		traffic_json(&frame, i, &b);
		a = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
		if (!a || !json_equal(a, r))
			die("the two texts do not say the same");
		json_decref(a);
		json_decref(r);
	}
	buf_free(&b);
}

/* -------------------------------------------------------------- measuring */

static double per_record(struct mono from)
{
	return (double)mono_diff_ns(from, mono_now()) / ROWS;
}

static double text_ours(void)
{
	struct mono from = mono_now();
	struct buf b = {0};

	for (uint32_t i = 0; i < ROWS; i++) {
		b.len = 0;
		traffic_json(&frame, i, &b);
	}
	buf_free(&b);
	return per_record(from);
}

static double text_rival(void)
{
	struct mono from = mono_now();

	for (uint32_t i = 0; i < ROWS; i++)
		free(rival_text(i));
	return per_record(from);
}

static double sent_ours(struct kafka *k)
{
	struct mono from = mono_now();
	struct kafka_stats s;
	uint64_t before;

	kafka_stats(k, &s);
	before = s.stream[KAFKA_AS_TRAFFIC].delivered;
	kafka_offer(k, &batch);
	do {
		usleep(500);
		kafka_stats(k, &s);
	} while (s.stream[KAFKA_AS_TRAFFIC].delivered < before + ROWS);
	if (kafka_answer(k))
		die("the spool");
	return per_record(from);
}

static double sent_rival(rd_kafka_t *rk, rd_kafka_topic_t *topic)
{
	struct mono from = mono_now();

	for (uint32_t i = 0; i < ROWS; i++) {
		char *text = rival_text(i);

		while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA,
					RD_KAFKA_MSG_F_FREE, text, strlen(text),
					NULL, 0, NULL))
			rd_kafka_poll(rk, 1);
	}
	if (rd_kafka_flush(rk, 60000))
		die("the rival's messages do not arrive");
	return per_record(from);
}

static void print(struct rounds *r, const char *note)
{
	double ns = median_of(r->ours, r->n);

	row_print(r, false, "%s; %.0f records/s", note, 1e9 / ns);
}

int main(int argc, char **argv)
{
	unsigned n = quick() ? 3 : ROUNDS;
	struct rounds row = {.name = "as-traffic record as JSON", .unit = "ns"};
	struct kafka_cfg cfg = {.spool_bytes = 64u << 20,
				.stream = {{"bench", KAFKA_KEY_NONE, 0},
					   {"", KAFKA_KEY_NONE, 0}}};
	enum outbox_found found;
	struct outbox *o;
	struct kafka *k;
	char why[200];

	if (argc != 3)
		die("usage: kafka DIR BROKERS");
	make_frame();
	check_equal();
	for (unsigned i = 0; i < n; i++) {
		double ours = text_ours();

		round_ratio(&row, ours, text_rival());
	}
	print(&row, "rival: jansson object and dump");
	cfg.brokers = argv[2];
	if (outbox_open(argv[1], cfg.spool_bytes, boot, 1, &o, &found))
		die("the spool");
	outbox_rebase(o, boot, 1, 1, 0);
	if (kafka_start(&cfg, o, &k))
		die("the producer");

	rd_kafka_conf_t *conf =
		kafka_conf_new(argv[2], NULL, 0, why, sizeof(why));
	rd_kafka_t *rk =
		rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	rd_kafka_topic_t *topic =
		rk ? rd_kafka_topic_new(rk, "rival", NULL) : NULL;

	if (!topic)
		die(why);
	(void)sent_ours(k); /* connections, metadata, a warm broker */
	(void)sent_rival(rk, topic);
	row.name = "as-traffic record to a broker";
	for (unsigned i = 0; i < n; i++) {
		double ours = sent_ours(k);

		round_ratio(&row, ours, sent_rival(rk, topic));
	}
	print(&row,
	      "confirmed; ours is on disk before, rival: jansson, no spool");
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(rk);
	return kafka_stop(k, 0) ? 0 : 1;
}
