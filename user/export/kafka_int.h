/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the producer; for kafka.c and kafka_send.c only. */
#ifndef EXPORT_KAFKA_INT_H
#define EXPORT_KAFKA_INT_H

#include <pthread.h>

#include <librdkafka/rdkafka.h>

#include "base/log.h"
#include "base/mono.h"
#include "export/kafka.h"

#define WINDOW      50000u /* records handed to librdkafka at a time */
#define FRAMES_MAX  256u   /* frames in memory */
#define ROOM_FLOWS  (16u << 20)
#define POLL_MS     20
#define PURGE_NS    (1 * NSEC_PER_SEC)
#define RETRY_NS    (500 * NSEC_PER_MSEC)
#define REBUILD_NS  (1 * NSEC_PER_SEC)
#define FLUSH_STEPS 8

enum { UNSENT = 0, SENT, DONE };

struct frame {
	struct frame *next;
	uint32_t id; /* never 0 */
	struct buf bytes;
	struct traffic_frame f;
	struct spool_pos behind;
	uint8_t *state; /* of each record; NULL: none was sent */
	uint32_t from;  /* all before are not UNSENT */
	uint32_t done;
};

struct kafka {
	pthread_t thread;
	/* shared, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t ended_cond;
	struct kafka_cfg *next_cfg;
	const struct traffic_batch *offered;
	int answer;
	struct buf flows; /* key length, length, key, message; … */
	bool stop, ended;
	int flush_ms;
	struct kafka_stats stats;

	/* the thread's */
	struct kafka_cfg *cfg;
	struct outbox *outbox;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic[KAFKA_STREAMS];
	struct frame *head, *tail;
	uint32_t n_frames, last_id;
	struct mono retry_at; /* nothing is sent again before */
	struct mono open_at;  /* no producer is made before */
	uint64_t epoch, seq;  /* expected next in the spool */
	struct kafka_stats now;
	struct buf text, sending; /* scratch */
	size_t sending_at;
	struct log_rl rl, lib_rl; /* for bad news, for librdkafka's lines */
	bool merging;             /* said so */
};

/* kafka_send.c: for the thread only. */

void kafka_open_producer(struct kafka *k);
/* What has no report yet is unsent again. */
void kafka_close_producer(struct kafka *k);
/* After a fatal error: away with it. */
void kafka_check_fatal(struct kafka *k);
/* Sends what the window and librdkafka take. */
void kafka_send_records(struct kafka *k);
void kafka_send_flows(struct kafka *k);
/* Tells the spool what has arrived. */
void kafka_drop_done(struct kafka *k);
void kafka_free_frames(struct kafka *k);

#endif
