/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way to Kafka: one thread with one librdkafka producer. It takes batches
 * of the as-traffic stream into the outbox and sends what is there until each
 * record is confirmed; it sends flow messages as long as there is room for
 * them. Whoever hands something over never waits: kafka_offer() and
 * kafka_put_flow() take a mutex that the thread holds for moments only, never
 * over a system call.
 */
#ifndef EXPORT_KAFKA_H
#define EXPORT_KAFKA_H

#include "export/kafka_conf.h"
#include "export/outbox.h"

enum kafka_stream {
	KAFKA_AS_TRAFFIC = 0,
	KAFKA_FLOWS,
	KAFKA_STREAMS,
};

#define KAFKA_KEY_LEN 254

struct kafka_cfg {
	const char *brokers; /* "host:port,…"; "": none, everything waits */
	const struct kafka_option *options;
	size_t n_options;
	uint64_t spool_bytes;
	struct {
		const char *topic; /* "": the stream is off */
		enum kafka_key key;
		enum kafka_format format; /* as-traffic; flows come encoded */
	} stream[KAFKA_STREAMS];
};

/* Why a message did not arrive (yet). */
enum kafka_reason {
	KAFKA_TIMED_OUT = 0, /* message.timeout.ms */
	KAFKA_NO_TOPIC,
	KAFKA_DENIED,    /* authorization */
	KAFKA_TOO_LARGE, /* or otherwise refused for what it is */
	KAFKA_PURGED,    /* the producer had to be made anew */
	KAFKA_OTHER,
	KAFKA_QUEUE_FULL, /* flows: no room in memory */
	KAFKA_DAMAGED,    /* as-traffic: in a damaged place of the spool */
	KAFKA_REASONS
};

/* Why an interval was not exported by itself but with the next one. */
enum kafka_merge {
	KAFKA_MERGE_BUSY = 0,   /* the disk is slower than the interval */
	KAFKA_MERGE_SPOOL_FULL, /* its bound */
	KAFKA_MERGE_DISK,       /* full, or failing */
	KAFKA_MERGE_MEMORY,
	KAFKA_MERGES
};

extern const char *const kafka_stream_name[KAFKA_STREAMS];
extern const char *const kafka_reason_name[KAFKA_REASONS];
extern const char *const kafka_merge_name[KAFKA_MERGES];

struct kafka_stats {
	bool up;         /* the last news from the brokers were good */
	char error[320]; /* the last bad news, "": none */
	struct {
		uint64_t queued; /* handed to librdkafka, no report yet */
		uint64_t delivered;
		uint64_t failed[KAFKA_REASONS]; /* as-traffic: sent again */
		uint64_t lost[KAFKA_REASONS];   /* will never arrive */
	} stream[KAFKA_STREAMS];
	uint64_t rebuilds; /* producers given up after a fatal error */
	uint64_t merged[KAFKA_MERGES]; /* intervals */
	uint64_t stored;               /* records put into the spool */
	struct spool_stats spool;
	uint64_t oldest_ms; /* end of the oldest interval that was not
			       delivered, since the epoch; 0: there is none */
};

struct kafka;

/* Takes the outbox over, and starts the thread. The configuration is copied.
 * -errno, and the outbox is still the caller's. */
int kafka_start(const struct kafka_cfg *cfg, struct outbox *o,
		struct kafka **ret);

/* A reload: what is on its way is sent by the new producer. -ENOMEM. */
int kafka_configure(struct kafka *k, const struct kafka_cfg *cfg);

/* Hands a batch over, which must stay as it is until kafka_answer() is not
 * -EAGAIN: then it was exported (0) or not (-errno). */
void kafka_offer(struct kafka *k, const struct traffic_batch *b);
int kafka_answer(struct kafka *k);
/* An interval that had to be merged before it was offered. */
void kafka_merged(struct kafka *k, enum kafka_merge why);

/* One message of the flows stream; both are copied. False: there was no room
 * (counted). */
bool kafka_put_flow(struct kafka *k, const char *key, size_t key_len,
		    const void *msg, size_t len);

/* The key's text of a message; returns its length, 0: no key. */
size_t kafka_key_text(enum kafka_key key, const char *router, uint32_t src_as,
		      uint32_t dst_as, char ret[KAFKA_KEY_LEN]);

void kafka_stats(struct kafka *k, struct kafka_stats *ret);

/* Sends for at most flush_ms what can be sent, then ends the thread. False:
 * it did not end in time, and nothing may be freed that it uses. */
bool kafka_stop(struct kafka *k, int flush_ms);

#endif
