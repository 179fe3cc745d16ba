/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends COUNT known flow records through the producer, as the meter does:
 *
 *   kafka_flows DIR BROKERS TOPIC json|protobuf COUNT
 *
 * Record i has source port i, 100 + i IP bytes, source AS 64500 + i % 10. It
 * ends with an error unless each was confirmed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mono.h"
#include "export/flowmsg.h"
#include "export/kafka.h"

static const uint32_t path[] = {64501, 64502};

static void make(struct flow *f, uint32_t i)
{
	*f = (struct flow){
		.has = FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_PORTS |
		       FLOW_HAS_ROUTES,
		.received_ns = UINT64_C(1767323045000000000),
		.start_ns = UINT64_C(1767323045000000000),
		.end_ns = UINT64_C(1767323045000000000),
		.seq = i + 1,
		.rate = 100,
		.in_if = 2,
		.packets = 1,
		.ip_bytes = 100 + i,
		.wire_bytes = 114 + i,
		.src_mac = {2, 0, 0, 0, 0, 1},
		.dst_mac = {2, 0, 0, 0, 0, 2},
		.eth_proto = 0x0800,
		.ip = {.eth_proto = 0x0800,
		       .proto = 17,
		       .ttl = 64,
		       .src_port = (uint16_t)i,
		       .dst_port = 53},
		.src_as = 64500 + i % 10,
		.dst_as = 64502,
		.src_plen = 24,
		.dst_plen = 25,
		.dst_peer_as = 64501,
		.path = path,
		.path_len = 2,
	};
	(void)addr_parse("192.0.2.1", &f->exporter);
	(void)addr_parse("198.51.100.1", &f->ip.src);
	(void)addr_parse("203.0.113.1", &f->ip.dst);
	(void)addr_parse("192.0.2.9", &f->next_hop);
}

static int done(struct kafka *k, uint64_t count)
{
	struct mono end = mono_add_ns(mono_now(), 60 * NSEC_PER_SEC);
	struct kafka_stats s;

	do {
		usleep(10000);
		kafka_stats(k, &s);
		if (s.stream[KAFKA_FLOWS].delivered == count)
			return 0;
	} while (mono_diff_ns(mono_now(), end) > 0);
	fprintf(stderr, "kafka_flows: %llu of %llu confirmed: %s\n",
		(unsigned long long)s.stream[KAFKA_FLOWS].delivered,
		(unsigned long long)count, s.error);
	return 1;
}

int main(int argc, char **argv)
{
	struct kafka_cfg cfg = {.spool_bytes = 16u << 20,
				.stream = {{"", KAFKA_KEY_NONE, KAFKA_JSON}}};
	enum outbox_found found;
	struct outbox *o;
	struct kafka *k;
	struct buf b = {0};
	char key[KAFKA_KEY_LEN];
	struct flow f;
	uint32_t count;
	int rc;

	if (argc != 6) {
		fputs("usage: kafka_flows DIR BROKERS TOPIC json|protobuf "
		      "COUNT\n",
		      stderr);
		return 2;
	}
	cfg.brokers = argv[2];
	cfg.stream[KAFKA_FLOWS].topic = argv[3];
	count = (uint32_t)strtoul(argv[5], NULL, 10);
	if (outbox_open(argv[1], cfg.spool_bytes, "-", 1, &o, &found) ||
	    kafka_start(&cfg, o, &k))
		return 1;
	for (uint32_t i = 0; i < count; i++) {
		size_t len;

		make(&f, i);
		b.len = 0;
		if (!strcmp(argv[4], "json"))
			flow_json(&f, "edge1", &b);
		else
			flow_protobuf(&f, &b);
		len = kafka_key_text(KAFKA_KEY_SRC_AS, "edge1", f.src_as,
				     f.dst_as, key);
		if (!kafka_put_flow(k, key, len, b.p, b.len))
			return 1;
	}
	rc = done(k, count);
	buf_free(&b);
	return kafka_stop(k, 0) ? rc : 1;
}
