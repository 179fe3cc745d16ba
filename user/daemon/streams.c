/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the as-traffic stream stays exact.
 *
 * The kernel's totals only grow, row by row: (source AS, destination AS,
 * interface, direction, family). A record says what a row grew by since the
 * record before it. So what has to be known, always, and by somebody who may
 * be killed at any moment, is one number per row: the total up to which it
 * was exported. "Exported" means: written, as part of a frame, to the spool
 * on disk. Nothing else moves that number.
 *
 *   cut -> batch    This thread compares the totals of the cut with those
 *                   exported, and collects the rows that grew.
 *   batch -> frame  The Kafka thread numbers the records and appends the
 *                   frame to the spool. It is there in full or not at all.
 *   answer          Only when it is there, the totals count as exported here.
 *                   If not (the disk is full, the spool has reached its bound,
 *                   the disk is slow) nothing has happened: the next interval
 *                   begins where this one did, and its records hold both.
 *                   Growth waits in the kernel's counters, which need no room.
 *                   So a bound costs resolution in time, never a byte.
 *   frame -> topic  Records are sent until the brokers have confirmed them.
 *
 * After a kill the last segment of the spool says what was exported: its head
 * has the totals of all rows when it began, its frames have the totals since.
 * Frames not confirmed are sent again, with the numbers they had. A frame that
 * was being written is cut off: no record of it was ever sent.
 *
 * A record carries (boot_id, epoch, seq). Records of one stream have the same
 * boot_id and epoch, and seq = 1, 2, 3 …; a pair of records with equal numbers
 * is one record sent twice. Hence, for a consumer that drops those: the sum
 * of `delta` over a stream is what its rows grew by from its beginning to the
 * last frame; `total` is the kernel's total of the row then. A stream ends
 * with the maps it is about (reboot, "asmeter detach --all") or when what was
 * exported is not known any more (the spool was deleted or damaged): then the
 * next one begins with what has been counted by then, and what was counted
 * between is in the difference of the totals. New maps are empty, so their
 * stream begins with 0.
 *
 * The flows stream is not kept on disk: it consists of samples, whose losses a
 * consumer has to reckon with anyhow, and at their rate a spool would cost the
 * disk more than it saves. It waits in memory, 16 MB before librdkafka and 64
 * in it; each record that finds no room, or that the brokers never confirmed,
 * is counted.
 */
#include "daemon/streams.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mono.h"
#include "export/flowmsg.h"

#define BOOT_ID  "/proc/sys/kernel/random/boot_id"
#define FLUSH_MS 1000
#define MB       (UINT64_C(1) << 20)

struct streams {
	char dir[256];
	uint64_t maps_id;
	struct kafka *kafka; /* NULL: not configured, or could not be started */
	char *brokers;       /* of cfg, joined with commas */
	struct kafka_cfg cfg;
	bool as_traffic, flows;
	enum kafka_key flow_key;
	enum kafka_format flow_format;
	struct buf msg; /* scratch */
	uint32_t interval_ms;
	char label[TRAFFIC_LABEL_MAX + 1];

	struct asm_measure *base; /* exported so far, by row id */
	uint32_t n_base;
	uint64_t base_ms; /* up to when, ms since the epoch */
	struct mono due;
	bool busy;   /* the batch is with the other thread */
	bool failed; /* no memory for the batch */
	struct traffic_batch batch;
	uint32_t *ids; /* of the batch's rows */
	uint32_t cap_ids;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ------------------------------------------------------- configuration */

static int join_brokers(const struct config_kafka *c, char **ret)
{
	size_t len = 1;
	char *s, *p;

	for (size_t i = 0; i < c->n_brokers; i++)
		len += strlen(c->brokers[i]) + 1;
	s = p = malloc(len);
	if (!s)
		return -ENOMEM;
	*p = '\0';
	for (size_t i = 0; i < c->n_brokers; i++) {
		if (i)
			p = stpcpy(p, ",");
		p = stpcpy(p, c->brokers[i]);
	}
	*ret = s;
	return 0;
}

static int take_config(struct streams *s, const struct config *cfg)
{
	const struct config_kafka *c = &cfg->kafka;
	char *brokers;
	int err = join_brokers(c, &brokers);

	if (err)
		return err;
	free(s->brokers);
	s->brokers = brokers;
	(void)snprintf(s->label, sizeof(s->label), "%s", cfg->hostname);
	s->as_traffic = c->as_traffic.enabled;
	s->flows = c->flows.enabled;
	s->flow_key = c->flows.key;
	s->flow_format = c->flows.format;
	s->interval_ms = c->as_traffic.interval_ms;
	s->cfg = (struct kafka_cfg){
		.brokers = brokers,
		.options = c->options,
		.n_options = c->n_options,
		.spool_bytes = c->spool_mb * MB,
		.stream = {[KAFKA_AS_TRAFFIC] = {c->as_traffic.topic,
						 c->as_traffic.key,
						 c->as_traffic.format},
			   [KAFKA_FLOWS] = {c->flows.enabled ? c->flows.topic
							     : "",
					    c->flows.key, c->flows.format}},
	};
	return 0;
}

/* -------------------------------------------------------------- opening */

static struct traffic_key key_of(const struct ledger_row *row)
{
	return (struct traffic_key){.src_as = row->src_as,
				    .dst_as = row->dst_as,
				    .ifindex = row->ifindex,
				    .out = row->dir == ASM_DIR_OUT,
				    .ip6 = row->ip6};
}

static bool less(const struct asm_measure *a, const struct asm_measure *b)
{
	return a->packets < b->packets || a->ip_bytes < b->ip_bytes ||
	       a->wire_bytes < b->wire_bytes;
}

struct opening {
	struct streams *s;
	struct outbox *o;
	bool rebase;    /* the rows' totals now are the beginning */
	bool other;     /* a row has less than was exported: not these maps */
	uint32_t found; /* rows of the state that are in the ledger */
	int err;
};

/* The base of row id, with room for it; NULL: no memory. */
static struct asm_measure *base_of(struct streams *s, uint32_t id)
{
	if (id >= s->n_base) {
		uint32_t n = id + id / 2 + 256;
		struct asm_measure *p = realloc(s->base, n * sizeof(*p));

		if (!p)
			return NULL;
		memset(p + s->n_base, 0, (n - s->n_base) * sizeof(*p));
		s->base = p;
		s->n_base = n;
	}
	return &s->base[id];
}

static void note_row(void *ctx, uint32_t id, const struct ledger_row *row)
{
	struct opening *op = ctx;
	struct traffic_key k = key_of(row);
	struct asm_measure *base = base_of(op->s, id);
	const struct asm_measure *was;

	if (!base || op->err) {
		op->err = -ENOMEM;
		return;
	}
	if (op->rebase) {
		*base = row->total;
		/* a row without a packet need not be there the next time */
		if (row->total.packets)
			op->err = outbox_rebase_row(op->o, &k, &row->total);
		return;
	}
	was = traffic_state_get(outbox_state(op->o), &k);
	*base = was ? *was : (struct asm_measure){0};
	op->found += was != NULL;
	op->other = op->other || less(&row->total, base);
}

static int read_boot_id(char ret[TRAFFIC_BOOT_ID_LEN + 1])
{
	FILE *f = fopen(BOOT_ID, "re");
	size_t n = f ? fread(ret, 1, TRAFFIC_BOOT_ID_LEN, f) : 0;

	if (f)
		(void)fclose(f);
	ret[n] = '\0';
	return n == TRAFFIC_BOOT_ID_LEN ? 0 : -EIO;
}

static int begin_stream(struct opening *op, const char *boot_id,
			const struct ledger *l)
{
	struct streams *s = op->s;
	int err;

	s->base_ms = now_ms();
	outbox_rebase(op->o, boot_id, s->maps_id,
		      (uint64_t)(mono_now().ns / NSEC_PER_MSEC), s->base_ms);
	op->rebase = true;
	ledger_rows_each(l, note_row, op);
	if (op->err)
		return op->err;
	err = outbox_save(op->o);
	if (err == -ENOMEM)
		return err;
	if (err)
		log_warn("%s: %s: the beginning of the Kafka stream is not on "
			 "disk yet",
			 s->dir, strerror(-err));
	return 0;
}

/* The stream goes on where it was, or a new one begins. */
static int note_all(struct opening *op, enum outbox_found found,
		    const char *boot_id, const struct ledger *l)
{
	const struct traffic_state *st = outbox_state(op->o);

	if (found == OUTBOX_GOES_ON) {
		ledger_rows_each(l, note_row, op);
		if (op->err)
			return op->err;
		op->s->base_ms = st->end_ms;
		if (!op->other && op->found == st->n_rows)
			return 0;
		found = OUTBOX_NEW; /* made in the same second, but others */
	}
	if (found == OUTBOX_LOST)
		log_warn("%s/" OUTBOX_NAME "-*.spool: damaged: it is not known "
			 "what was exported; a new stream begins",
			 op->s->dir);
	return begin_stream(op, boot_id, l);
}

static int open_stream(struct streams *s, const struct ledger *l)
{
	char boot_id[TRAFFIC_BOOT_ID_LEN + 1];
	struct opening op = {.s = s};
	enum outbox_found found;
	int err = read_boot_id(boot_id);

	if (!err)
		err = outbox_open(s->dir, s->cfg.spool_bytes, boot_id,
				  s->maps_id, &op.o, &found);
	if (!err)
		err = note_all(&op, found, boot_id, l);
	if (!err)
		log_info("Kafka: %s; %u rows exported so far, next number "
			 "%" PRIu64,
			 s->brokers, outbox_state(op.o)->n_rows,
			 outbox_state(op.o)->next_seq);
	if (!err)
		err = kafka_start(&s->cfg, op.o, &s->kafka);
	if (err) {
		outbox_close(op.o);
		log_error("Kafka: cannot begin in %s: %s", s->dir,
			  strerror(-err));
		return err;
	}
	s->busy = false;
	s->due = mono_now();
	return 0;
}

int streams_start(const char *dir, uint64_t maps_id, const struct config *cfg,
		  const struct ledger *l, struct streams **ret)
{
	struct streams *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	(void)snprintf(s->dir, sizeof(s->dir), "%s", dir);
	s->maps_id = maps_id;
	if (take_config(s, cfg)) {
		free(s);
		return -ENOMEM;
	}
	if (s->brokers[0])
		(void)open_stream(s, l);
	*ret = s;
	return 0;
}

void streams_configure(struct streams *s, const struct config *cfg,
		       const struct ledger *l)
{
	int err = take_config(s, cfg);

	if (!err && s->kafka)
		err = kafka_configure(s->kafka, &s->cfg);
	else if (!err && s->brokers[0])
		(void)open_stream(s, l);
	if (err)
		log_error("Kafka: the reload has no effect: %s",
			  strerror(-err));
}

/* ----------------------------------------------------------------- cuts */

static int note_id(struct streams *s, uint32_t id)
{
	uint32_t n = s->batch.n_rows;

	if (n == s->cap_ids) {
		uint32_t cap = n ? n * 2 : 256;
		uint32_t *p = realloc(s->ids, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->ids = p;
		s->cap_ids = cap;
	}
	s->ids[n] = id;
	return 0;
}

static void collect(void *ctx, uint32_t id, const struct ledger_row *row)
{
	struct streams *s = ctx;
	const struct asm_measure *base = base_of(s, id);
	struct traffic_row r = {.key = key_of(row), .total = row->total};

	if (!base) {
		s->failed = true;
		return;
	}
	if (row->total.packets == base->packets)
		return;
	r.delta.packets = row->total.packets - base->packets;
	r.delta.ip_bytes = row->total.ip_bytes - base->ip_bytes;
	r.delta.wire_bytes = row->total.wire_bytes - base->wire_bytes;
	if (note_id(s, id) || traffic_batch_row(&s->batch, &r))
		s->failed = true;
}

static void collect_ifaces(struct streams *s, const struct ledger *l)
{
	struct ledger_port p;
	size_t n = ledger_ports(l);

	for (size_t i = 0; i < n; i++) {
		ledger_port_get(l, i, &p);
		if (p.ifc.ifindex &&
		    traffic_batch_iface(&s->batch, p.ifc.ifindex, p.ifc.name))
			s->failed = true;
	}
}

/* The batch is back: was it exported? */
static void settle(struct streams *s, int err)
{
	s->busy = false;
	if (err)
		return; /* counted and said over there */
	for (uint32_t i = 0; i < s->batch.n_rows; i++)
		s->base[s->ids[i]] = s->batch.rows[i].total;
	s->base_ms = s->batch.end_ms;
}

void streams_cut(struct streams *s, const struct ledger *l)
{
	struct mono now = mono_now();
	int err = s->kafka && s->busy ? kafka_answer(s->kafka) : -EAGAIN;

	if (err != -EAGAIN)
		settle(s, err);
	if (!s->kafka || !s->as_traffic || !s->brokers[0] ||
	    mono_diff_ns(s->due, now) < 0)
		return;
	s->due = mono_add_ns(now, s->interval_ms * NSEC_PER_MSEC);
	if (s->busy) {
		kafka_merged(s->kafka, KAFKA_MERGE_BUSY);
		return;
	}
	traffic_batch_clear(&s->batch);
	s->failed = false;
	memcpy(s->batch.label, s->label, sizeof(s->label));
	s->batch.start_ms = s->base_ms;
	s->batch.end_ms = now_ms();
	ledger_rows_each(l, collect, s);
	collect_ifaces(s, l);
	if (s->failed) {
		kafka_merged(s->kafka, KAFKA_MERGE_MEMORY);
	} else if (!s->batch.n_rows) {
		s->base_ms = s->batch.end_ms;
	} else {
		s->busy = true;
		kafka_offer(s->kafka, &s->batch);
	}
}

/* ---------------------------------------------------------------- flows */

void streams_flow(void *streams, const struct flow *fl,
		  const struct flow_head *head)
{
	struct streams *s = streams;
	char key[KAFKA_KEY_LEN];
	size_t len;

	(void)head;
	if (!s->kafka || !s->flows || !s->brokers[0])
		return;
	s->msg.len = 0;
	if (s->flow_format == KAFKA_PROTOBUF)
		flow_protobuf(fl, &s->msg);
	else
		flow_json(fl, s->label, &s->msg);
	len = kafka_key_text(s->flow_key, s->label, fl->src_as, fl->dst_as,
			     key);
	(void)kafka_put_flow(s->kafka, key, len, s->msg.p,
			     s->msg.failed ? SIZE_MAX : s->msg.len);
	if (s->msg.failed)
		buf_free(&s->msg);
}

bool streams_stats(const struct streams *s, struct kafka_stats *ret)
{
	if (!s || !s->kafka)
		return false;
	kafka_stats(s->kafka, ret);
	return true;
}

bool streams_stop(struct streams *s)
{
	if (!s)
		return true;
	if (!kafka_stop(s->kafka, FLUSH_MS))
		return false;
	traffic_batch_free(&s->batch);
	buf_free(&s->msg);
	free(s->ids);
	free(s->base);
	free(s->brokers);
	free(s);
	return true;
}
