/* SPDX-License-Identifier: BSD-2-Clause */
/* The metrics page: Kafka. */
#include "api/api_int.h"
#include "export/prom.h"

static void one(struct buf *b, const char *name, enum prom_kind kind,
		const char *help, uint64_t v)
{
	prom_family(b, name, kind, help);
	prom_u64(b, name, NULL, v);
}

/* One sample a stream; at: of the number in struct kafka_stats.stream[0]. */
static void by_stream(const struct kafka_stats *k, struct buf *b,
		      const char *name, enum prom_kind kind, const char *help,
		      const uint64_t *at)
{
	size_t off = (size_t)((const char *)at - (const char *)&k->stream[0]);

	prom_family(b, name, kind, help);
	for (unsigned s = 0; s < KAFKA_STREAMS; s++)
		prom_u64(b, name,
			 (struct prom_label[]){{"stream", kafka_stream_name[s]},
					       {0}},
			 *(const uint64_t *)((const char *)&k->stream[s] +
					     off));
}

static void by_reason(const struct kafka_stats *k, struct buf *b,
		      const char *name, const char *help, bool lost)
{
	prom_family(b, name, PROM_COUNTER, help);
	for (unsigned s = 0; s < KAFKA_STREAMS; s++) {
		for (unsigned r = 0; r < KAFKA_REASONS; r++)
			prom_u64(b, name,
				 (struct prom_label[]){
					 {"stream", kafka_stream_name[s]},
					 {"reason", kafka_reason_name[r]},
					 {0}},
				 lost ? k->stream[s].lost[r]
				      : k->stream[s].failed[r]);
	}
}

static void spool(const struct api_ctx *ctx, struct buf *b)
{
	const struct kafka_stats *k = &ctx->kafka;
	uint64_t now_ms = api_now(ctx) * 1000;

	one(b, "asmeter_kafka_spool_bytes", PROM_GAUGE,
	    "Size of the spool on disk.", k->spool.bytes);
	one(b, "asmeter_kafka_spool_pending_bytes", PROM_GAUGE,
	    "The part of the spool that the brokers have not confirmed.",
	    k->spool.pending);
	one(b, "asmeter_kafka_spool_max_bytes", PROM_GAUGE,
	    "The bound of the spool.", k->spool.max_bytes);
	prom_family(b, "asmeter_kafka_spool_age_seconds", PROM_GAUGE,
		    "Age of the oldest interval that is not confirmed.");
	prom_f64(b, "asmeter_kafka_spool_age_seconds", NULL,
		 k->oldest_ms && now_ms > k->oldest_ms
			 ? (double)(now_ms - k->oldest_ms) / 1e3
			 : 0);
	one(b, "asmeter_kafka_spool_records_total", PROM_COUNTER,
	    "Records of the as-traffic stream put into the spool.", k->stored);
	one(b, "asmeter_kafka_spool_damaged_total", PROM_COUNTER,
	    "Damaged places met while the spool was read.", k->spool.skipped);
	one(b, "asmeter_kafka_spool_unsaved_total", PROM_COUNTER,
	    "Confirmations that could not be written down.", k->spool.unsaved);
}

void api_metrics_kafka(const struct api_ctx *ctx, struct buf *b)
{
	const struct kafka_stats *k = &ctx->kafka;

	if (!ctx->has_kafka)
		return;
	one(b, "asmeter_kafka_up", PROM_GAUGE,
	    "1 when the last news from the brokers were good.", k->up);
	by_stream(k, b, "asmeter_kafka_queue_messages", PROM_GAUGE,
		  "Messages on their way to the brokers.",
		  &k->stream[0].queued);
	by_stream(k, b, "asmeter_kafka_delivered_total", PROM_COUNTER,
		  "Messages that the brokers have confirmed.",
		  &k->stream[0].delivered);
	by_reason(k, b, "asmeter_kafka_failed_total",
		  "Deliveries that failed and are tried again.", false);
	by_reason(k, b, "asmeter_kafka_lost_total",
		  "Messages that will never arrive.", true);
	prom_family(b, "asmeter_kafka_merged_intervals_total", PROM_COUNTER,
		    "Intervals exported together with the next one.");
	for (unsigned m = 0; m < KAFKA_MERGES; m++)
		prom_u64(b, "asmeter_kafka_merged_intervals_total",
			 (struct prom_label[]){{"reason", kafka_merge_name[m]},
					       {0}},
			 k->merged[m]);
	one(b, "asmeter_kafka_rebuilds_total", PROM_COUNTER,
	    "Producers given up after a fatal error.", k->rebuilds);
	spool(ctx, b);
}
