/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages, options, and the producer against librdkafka's own mock cluster,
 * which refuses and forgets on demand. What a real broker does is tested in
 * tests/peers/test_kafka.sh.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "export/kafka.h"

static const char boot[] = "01234567-89ab-cdef-0123-456789abcdef";

/* ------------------------------------------------------------- messages */

static struct traffic_batch *batch_of(const char *label,
				      const struct traffic_row *rows, size_t n)
{
	static struct traffic_batch b;

	traffic_batch_clear(&b);
	snprintf(b.label, sizeof(b.label), "%s", label);
	b.start_ms = UINT64_C(1767323045678);
	b.end_ms = UINT64_C(1767323055680);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(traffic_batch_row(&b, &rows[i]), 0);
	cr_assert_eq(traffic_batch_iface(&b, 3, "eth0"), 0);
	return &b;
}

static const struct traffic_row samples[] = {
	{{64500, 64496, 3, false, false}, {7, 1500, 1598}, {9, 1700, 1826}},
	{{0, 4294967294u, 4, true, true},
	 {UINT64_MAX, UINT64_MAX, UINT64_MAX},
	 {UINT64_MAX, UINT64_MAX, UINT64_MAX}},
};

static struct traffic_state state_of(uint64_t next_seq)
{
	struct traffic_state s = {.epoch = 123456, .next_seq = next_seq};

	strcpy(s.boot_id, boot);
	return s;
}

static void frame_of(const char *label, struct buf *bytes,
		     struct traffic_frame *f)
{
	struct traffic_state s = state_of(41);

	bytes->len = 0;
	traffic_frame_encode(&s, batch_of(label, samples, 2), bytes);
	cr_assert_not(bytes->failed);
	cr_assert_eq(traffic_frame_decode(f, bytes->p, bytes->len), 0);
}

Test(kafka, record_as_flow_exporter_and_pmacct_know_it)
{
	struct buf bytes = {0}, b = {0};
	struct traffic_frame f;

	frame_of("edge1.example.net", &bytes, &f);
	traffic_json(&f, 0, &b);
	buf_putc(&b, '\0');
	cr_assert_str_eq(
		b.p,
		"{\"event_type\":\"purge\",\"label\":\"edge1.example.net\","
		"\"as_src\":64500,\"as_dst\":64496,\"iface_in\":3,"
		"\"iface_out\":0,\"etype\":\"800\","
		"\"stamp_inserted\":\"2026-01-02 03:04:05\","
		"\"stamp_updated\":\"2026-01-02 03:04:15\",\"packets\":7,"
		"\"bytes\":1500,\"interface\":\"eth0\","
		"\"direction\":\"receive\","
		"\"boot_id\":\"01234567-89ab-cdef-0123-456789abcdef\","
		"\"epoch\":123456,\"seq\":41,\"interval\":10.002,"
		"\"delta\":{\"packets\":7,\"ip_bytes\":1500,"
		"\"wire_bytes\":1598},\"total\":{\"packets\":9,"
		"\"ip_bytes\":1700,\"wire_bytes\":1826}}");
	buf_free(&b);
	buf_free(&bytes);
}

Test(kafka, record_keeps_all_64_bits_and_any_name)
{
	struct buf bytes = {0}, b = {0};
	struct traffic_frame f;
	json_t *v;

	frame_of("a\"b\\c\n\xff", &bytes, &f);
	traffic_json(&f, 1, &b);
	buf_putc(&b, '\0');
	cr_assert_not_null(strstr(b.p, "\"bytes\":18446744073709551615,"));
	cr_assert_not_null(
		strstr(b.p, "\"packets\":18446744073709551615,\"ip_bytes\":"));
	/* jansson has 63 bits: as reals they may be read by it */
	v = json_loads(b.p, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES,
		       NULL);
	cr_assert_not_null(v);
	cr_assert_str_eq(json_string_value(json_object_get(v, "label")),
			 "a\"b\\c\n\xef\xbf\xbd");
	cr_assert_str_eq(json_string_value(json_object_get(v, "direction")),
			 "transmit");
	cr_assert_str_eq(json_string_value(json_object_get(v, "etype")),
			 "86dd");
	cr_assert_str_eq(json_string_value(json_object_get(v, "interface")),
			 "");
	cr_assert_eq(json_number_value(json_object_get(v, "as_dst")),
		     4294967294.0);
	cr_assert_eq(json_number_value(json_object_get(v, "iface_out")), 4.0);
	cr_assert_eq(json_number_value(json_object_get(v, "seq")), 42.0);
	json_decref(v);
	buf_free(&b);
	buf_free(&bytes);
}

Test(kafka, frames_and_states_at_every_length)
{
	struct traffic_state s = state_of(7), t = {0};
	struct buf bytes = {0}, b = {0};
	struct traffic_frame f;

	frame_of("r", &bytes, &f);
	for (size_t len = 0; len < bytes.len; len++) {
		char *copy = malloc(len + 1); /* its end is watched */

		memcpy(copy, bytes.p, len);
		cr_assert_eq(traffic_frame_decode(&f, copy, len), -EBADMSG);
		free(copy);
	}
	buf_putc(&bytes, 'x');
	cr_assert_eq(traffic_frame_decode(&f, bytes.p, bytes.len), -EBADMSG);
	cr_assert_eq(traffic_state_set(&s, &samples[0].key, &samples[0].total),
		     0);
	cr_assert_eq(traffic_state_set(&s, &samples[1].key, &samples[1].total),
		     0);
	traffic_state_encode(&s, &b);
	for (size_t len = 0; len < b.len; len++)
		cr_assert_eq(traffic_state_decode(&t, b.p, len), -EBADMSG);
	cr_assert_eq(traffic_state_decode(&t, b.p, b.len), 0);
	cr_assert_eq(t.next_seq, 7);
	cr_assert_eq(t.n_rows, 2);
	cr_assert_eq(traffic_state_get(&t, &samples[1].key)->packets,
		     UINT64_MAX);
	/* a frame that is not the next one is refused */
	frame_of("r", &bytes, &f);
	cr_assert_eq(traffic_state_apply(&t, &f), -EBADMSG);
	t.next_seq = 41;
	cr_assert_eq(traffic_state_apply(&t, &f), 0);
	cr_assert_eq(t.next_seq, 43);
	cr_assert_eq(traffic_state_apply(&t, &f), -EBADMSG);
	traffic_state_done(&s);
	traffic_state_done(&t);
	buf_free(&bytes);
	buf_free(&b);
}

/* -------------------------------------------------------------- options */

Test(kafka, options_are_what_librdkafka_says)
{
	static const struct {
		const char *name, *value;
		int want;
	} cases[] = {
		{"compression.codec", "zstd", 0},
		{"compression.type", "lz4", 0},     /* an alias */
		{"message.timeout.ms", "60000", 0}, /* of the topic */
		{"security.protocol", "SASL_SSL", 0},
		{"sasl.mechanism", "SCRAM-SHA-512", 0},
		{"sasl.password", "s3cret", 0},
		{"ssl.ca.location", "/etc/ssl/certs/ca-certificates.crt", 0},
		{"compression.codec", "rar", -EINVAL},
		{"linger.ms", "much", -EINVAL},
		{"linger.ms", "-1", -EINVAL},
		{"lingr.ms", "5", -ENOENT},
		{"", "", -ENOENT},
		{"dr_msg_cb", "x", -EINVAL},
		{"bootstrap.servers", "x:1", -EINVAL},
		{"plugin.library.paths", "/tmp/x.so", -EINVAL},
	};
	const char **names = kafka_option_names();
	bool global = false, topic = false;
	char why[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		why[0] = '\0';
		cr_assert_eq(kafka_option_check(cases[i].name, cases[i].value,
						why, sizeof(why)),
			     cases[i].want, "%s: %s: %s", cases[i].name,
			     cases[i].value, why);
		cr_assert(cases[i].want != -EINVAL || why[0]);
	}
	cr_assert_not_null(names);
	for (size_t i = 0; names[i]; i++) {
		global = global || !strcmp(names[i], "linger.ms");
		topic = topic || !strcmp(names[i], "message.timeout.ms");
	}
	cr_assert(global && topic);
	free(names);
}

Test(kafka, a_file_that_cannot_be_read_is_named)
{
	static const struct kafka_option opts[] = {
		{"sasl.password", "/not/a/file"},
		{"ssl.ca.location", "probe"}, /* not a file either */
		{"ssl.certificate.location", "/dev/null"},
		{"ssl.key.location", "/nonexistent/key"},
		{"sasl.kerberos.keytab", "/dev/null/keytab"},
	};
	int err = 0;

	cr_assert_null(kafka_conf_unreadable(opts, 3, &err));
	cr_assert_eq(kafka_conf_unreadable(opts, 5, &err), &opts[3]);
	cr_assert_eq(err, -ENOENT);
	cr_assert_eq(kafka_conf_unreadable(opts + 4, 1, &err), &opts[4]);
	cr_assert_eq(err, -ENOTDIR);
}

/* --------------------------------------------------------- mock cluster */

struct rig {
	char dir[64];
	rd_kafka_t *owner; /* of the cluster */
	rd_kafka_mock_cluster_t *cluster;
	struct kafka *k;
	uint64_t total;
};

#define ROWS 500u

static void drop_dir(const char *dir)
{
	char pattern[96];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/*", dir);
	if (!glob(pattern, 0, NULL, &g)) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			unlink(g.gl_pathv[i]);
		globfree(&g);
	}
	rmdir(dir);
}

static void rig_open(struct rig *r, const struct kafka_option *opts, size_t n)
{
	struct kafka_cfg cfg = {.options = opts,
				.n_options = n,
				.spool_bytes = 16u << 20,
				.stream = {{"t", KAFKA_KEY_AS_PAIR},
					   {"f", KAFKA_KEY_NONE}}};
	enum outbox_found found;
	struct outbox *o;
	char why[200];

	*r = (struct rig){.dir = "/tmp/asmeter-kafka-XXXXXX"};
	cr_assert_not_null(mkdtemp(r->dir));
	r->owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why,
				sizeof(why));
	cr_assert_not_null(r->owner, "%s", why);
	r->cluster = rd_kafka_mock_cluster_new(r->owner, 1);
	cr_assert_not_null(r->cluster);
	cr_assert_eq(rd_kafka_mock_topic_create(r->cluster, "t", 1, 1), 0);
	cr_assert_eq(rd_kafka_mock_topic_create(r->cluster, "f", 1, 1), 0);
	cfg.brokers = rd_kafka_mock_cluster_bootstraps(r->cluster);
	cr_assert_eq(outbox_open(r->dir, cfg.spool_bytes, boot, 5, &o, &found),
		     0);
	outbox_rebase(o, boot, 5, 9, 1000);
	cr_assert_eq(outbox_save(o), 0);
	cr_assert_eq(kafka_start(&cfg, o, &r->k), 0);
}

static void rig_close(struct rig *r)
{
	cr_assert(kafka_stop(r->k, 0));
	rd_kafka_mock_cluster_destroy(r->cluster);
	rd_kafka_destroy(r->owner);
	drop_dir(r->dir);
}

/* Exports one more interval of ROWS rows. */
static void export_one(struct rig *r)
{
	static struct traffic_batch b;
	int err;

	traffic_batch_clear(&b);
	strcpy(b.label, "r");
	b.start_ms = 1000;
	b.end_ms = 2000;
	r->total += 1;
	for (uint32_t i = 0; i < ROWS; i++) {
		struct traffic_row row = {
			.key = {.src_as = 1, .dst_as = i, .ifindex = 2},
			.delta = {1, 100, 114},
			.total = {r->total, r->total * 100, r->total * 114}};

		cr_assert_eq(traffic_batch_row(&b, &row), 0);
	}
	kafka_offer(r->k, &b);
	while ((err = kafka_answer(r->k)) == -EAGAIN)
		usleep(1000);
	cr_assert_eq(err, 0);
}

/* Until nothing waits. */
static struct kafka_stats settle(struct rig *r)
{
	struct mono end = mono_add_ns(mono_now(), 60 * NSEC_PER_SEC);
	struct kafka_stats s;

	do {
		cr_assert_gt(mono_diff_ns(mono_now(), end), 0, "%s", s.error);
		usleep(10000);
		kafka_stats(r->k, &s);
	} while (s.stored != r->total * ROWS || s.spool.pending ||
		 s.stream[KAFKA_AS_TRAFFIC].queued);
	return s;
}

/* Reads the topic to its end: each number at least once. */
static void consume(struct rig *r, const char *topic, unsigned *seen, size_t n)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *l =
		rd_kafka_topic_partition_list_new(1);
	char why[200];
	rd_kafka_t *c;
	bool end = false;

	rd_kafka_conf_set(conf, "bootstrap.servers",
			  rd_kafka_mock_cluster_bootstraps(r->cluster), why,
			  sizeof(why));
	rd_kafka_conf_set(conf, "group.id", "x", why, sizeof(why));
	rd_kafka_conf_set(conf, "enable.partition.eof", "true", why,
			  sizeof(why));
	c = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	cr_assert_not_null(c, "%s", why);
	rd_kafka_topic_partition_list_add(l, topic, 0)->offset =
		RD_KAFKA_OFFSET_BEGINNING;
	cr_assert_eq(rd_kafka_assign(c, l), 0);
	while (!end) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(c, 30000);

		cr_assert_not_null(m, "the topic does not end");
		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			end = true;
		} else if (!m->err) {
			json_t *v = json_loadb(m->payload, m->len,
					       JSON_REJECT_DUPLICATES, NULL);
			json_int_t seq =
				json_integer_value(json_object_get(v, "seq"));

			cr_assert(seq >= 1 && (size_t)seq <= n, "seq %lld",
				  seq);
			seen[seq - 1]++;
			json_decref(v);
		}
		rd_kafka_message_destroy(m);
	}
	rd_kafka_topic_partition_list_destroy(l);
	rd_kafka_consumer_close(c);
	rd_kafka_destroy(c);
}

static void all_arrived(struct rig *r)
{
	size_t n = r->total * ROWS;
	unsigned *seen = calloc(n, sizeof(*seen));

	consume(r, "t", seen, n);
	for (size_t i = 0; i < n; i++)
		cr_assert_geq(seen[i], 1, "record %zu is missing", i + 1);
	free(seen);
}

Test(kafka, delivers_what_is_exported)
{
	struct kafka_stats s;
	struct rig r;

	rig_open(&r, NULL, 0);
	for (unsigned i = 0; i < 5; i++)
		export_one(&r);
	s = settle(&r);
	cr_assert(s.up);
	cr_assert_eq(s.stream[KAFKA_AS_TRAFFIC].delivered, 5 * ROWS);
	cr_assert_eq(s.rebuilds, 0);
	all_arrived(&r);
	rig_close(&r);
}

/* The broker says that a number of the idempotent producer is out of order:
 * librdkafka gives up for good, and a new producer sends it all. */
Test(kafka, a_fatal_error_loses_nothing)
{
	static const struct kafka_option fast[] = {{"retry.backoff.ms", "10"}};
	struct kafka_stats s;
	struct rig r;

	rig_open(&r, fast, 1);
	export_one(&r);
	settle(&r);
	for (unsigned i = 1; i <= 3; i++) {
		rd_kafka_mock_push_request_errors(
			r.cluster, 0 /* Produce */, 1,
			RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
		export_one(&r);
		export_one(&r);
		s = settle(&r);
		cr_assert_eq(s.rebuilds, i, "%llu rebuilds",
			     (unsigned long long)s.rebuilds);
	}
	cr_assert_geq(s.stream[KAFKA_AS_TRAFFIC].failed[KAFKA_OTHER] +
			      s.stream[KAFKA_AS_TRAFFIC].failed[KAFKA_PURGED],
		      1);
	cr_assert_eq(s.stream[KAFKA_AS_TRAFFIC].lost[KAFKA_OTHER], 0);
	all_arrived(&r);
	rig_close(&r);
}

/* What is refused for now is sent again, for as long as it takes; what no
 * broker will ever take is counted, and does not block the rest. */
Test(kafka, refused_now_and_for_ever)
{
	static const struct kafka_option opts[] = {
		{"message.timeout.ms", "300"}, {"retry.backoff.ms", "10"}};
	struct kafka_stats s;
	struct rig r;

	rig_open(&r, opts, 2);
	rd_kafka_mock_push_request_errors(
		r.cluster, 0, 3, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	export_one(&r);
	s = settle(&r);
	cr_assert_geq(s.stream[KAFKA_AS_TRAFFIC].failed[KAFKA_DENIED], 1);
	all_arrived(&r);

	cr_assert_eq(rd_kafka_mock_broker_set_down(r.cluster, 1), 0);
	export_one(&r);
	do {
		usleep(10000);
		kafka_stats(r.k, &s);
	} while (!s.stream[KAFKA_AS_TRAFFIC].failed[KAFKA_TIMED_OUT]);
	cr_assert_not(s.up);
	cr_assert_eq(rd_kafka_mock_broker_set_up(r.cluster, 1), 0);
	s = settle(&r);
	cr_assert(s.up);
	all_arrived(&r);

	for (unsigned i = 0; i < KAFKA_REASONS; i++)
		cr_assert_eq(s.stream[KAFKA_AS_TRAFFIC].lost[i], 0);
	rd_kafka_mock_push_request_errors(r.cluster, 0, 1,
					  RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	export_one(&r);
	s = settle(&r);
	cr_assert_geq(s.stream[KAFKA_AS_TRAFFIC].lost[KAFKA_TOO_LARGE], 1);
	rig_close(&r);
}

/* Another topic in the middle: what waits goes there, nothing is lost. */
Test(kafka, a_reload_makes_a_new_producer)
{
	struct kafka_cfg cfg = {.spool_bytes = 16u << 20,
				.brokers = "",
				.stream = {{"u", KAFKA_KEY_NONE},
					   {"f", KAFKA_KEY_NONE}}};
	unsigned seen[2 * ROWS] = {0};
	struct rig r;

	rig_open(&r, NULL, 0);
	cr_assert_eq(rd_kafka_mock_topic_create(r.cluster, "u", 1, 1), 0);
	export_one(&r);
	settle(&r);
	cr_assert_eq(kafka_configure(r.k, &cfg), 0); /* no broker: it waits */
	export_one(&r);
	usleep(200000);
	cfg.brokers = rd_kafka_mock_cluster_bootstraps(r.cluster);
	cr_assert_eq(kafka_configure(r.k, &cfg), 0);
	settle(&r);
	consume(&r, "t", seen, 2 * ROWS);
	consume(&r, "u", seen, 2 * ROWS);
	for (unsigned i = 0; i < 2 * ROWS; i++)
		cr_assert_geq(seen[i], 1);
	rig_close(&r);
}
