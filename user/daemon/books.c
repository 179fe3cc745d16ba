/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/books.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define BOOKS_STATE   CONFIG_STATE_DIR "/series"
#define SAVE_AGAIN_NS (2 * NSEC_PER_SEC) /* after a failure */

struct books {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	bool busy; /* a grace period is being waited for */
	bool stopped;
	int grace_err;
	struct counters *counters;
	struct counters_stats stats; /* of them, when nobody was at work */
	uv_work_t free_work;
	int64_t quiet_ns;
	uint32_t freed; /* rows, by the last work */
	int free_err;
	bool no_room; /* said so */
	struct ledger *ledger;
	struct ledger_cfg cfg;
	uint64_t maps_id;
	uint64_t saved; /* ledger_changes() as last written */
	struct mono saved_at;
	bool save_failed; /* said so */
	uint64_t writes, write_errors;
	struct ifstat *ifs;
	size_t n_ifs, room;
	void (*cut)(void *ctx);
	void *ctx;
};

/* -------------------------------------------------------------- state */

static int save_to(const struct books *b, const char *path)
{
	FILE *f = fopen(path, "we");
	int err;

	if (!f)
		return -errno;
	err = ledger_save(b->ledger, b->maps_id, f);
	/* no fsync: a crash of the machine takes the maps with it */
	if (fclose(f) && !err)
		err = -errno;
	return err;
}

/* With each drain that changed who gets which series, before anything of it is
 * shown: see series_state.c for what that buys. */
static void save(struct books *b, struct mono now, bool always)
{
	uint64_t changes = ledger_changes(b->ledger);
	int err;

	if (!always && changes == b->saved)
		return;
	if (!always && b->save_failed &&
	    mono_diff_ns(b->saved_at, now) < SAVE_AGAIN_NS)
		return;
	b->saved_at = now;
	err = save_to(b, BOOKS_STATE ".new");
	if (!err && rename(BOOKS_STATE ".new", BOOKS_STATE))
		err = -errno;
	if (!err)
		b->saved = changes;
	else if (!b->save_failed)
		log_warn("%s: %s: after a restart AS series may begin anew",
			 BOOKS_STATE, strerror(-err));
	if (err)
		(void)unlink(BOOKS_STATE ".new"); /* room on a full disk */
	b->writes += !err;
	b->write_errors += err != 0;
	b->save_failed = err != 0;
}

static void restore(struct books *b)
{
	FILE *f = fopen(BOOKS_STATE, "re");
	int err;

	if (!f)
		return;
	err = ledger_load(b->ledger, b->maps_id, f);
	(void)fclose(f);
	if (err == -ESTALE)
		log_info("%s is of other maps: series begin anew", BOOKS_STATE);
	else if (err)
		log_warn("%s: %s: series begin anew", BOOKS_STATE,
			 err == -EBADMSG ? "damaged" : strerror(-err));
	b->saved = ledger_changes(b->ledger);
}

/* --------------------------------------------------------------- cuts */

static int add_ifstat(void *ctx, const struct ifstat *st)
{
	struct books *b = ctx;

	if (b->n_ifs == b->room) {
		size_t room = b->room ? b->room * 2 : 32;
		struct ifstat *p = realloc(b->ifs, room * sizeof(*p));

		if (!p)
			return -ENOMEM;
		b->ifs = p;
		b->room = room;
	}
	b->ifs[b->n_ifs++] = *st;
	return 0;
}

/* Right after the flip, so that both counted up to the same moment. */
static void read_ifstats(struct books *b)
{
	b->n_ifs = 0;
	(void)ifstat_list(add_ifstat, b);
}

/* The ledger has lost track for want of memory: a new one reads it all. */
static int start_over(struct books *b)
{
	struct ledger *l;
	int err = ledger_new(&b->cfg, &l);

	if (err)
		return err;
	ledger_free(b->ledger);
	b->ledger = l;
	restore(b);
	return 0;
}

static int read_cut(struct books *b)
{
	const struct counters_sink sink = {.pair = ledger_pair,
					   .port = ledger_port};
	int err, end;

	ledger_begin(b->ledger, mono_now());
	err = counters_read(b->counters, &sink, b->ledger);
	end = ledger_end(b->ledger);
	if (!err)
		err = end;
	return err;
}

/* -------------------------------------------------------- rows to free */

static void say_freed(struct books *b)
{
	const struct counters_stats *st = &b->stats;

	if (b->freed)
		log_info(
			"freed %u rows of AS pairs that were quiet for %" PRId64
			" s; what they counted is kept",
			b->freed, b->quiet_ns / NSEC_PER_SEC);
	if (b->free_err && b->free_err != -ENOSPC)
		log_warn("freeing rows: %s", strerror(-b->free_err));
	if (st->no_room && !b->no_room)
		log_warn("no rows can be freed: what %u AS pairs counted is "
			 "kept, and there is room for no more; raise "
			 "counters.rows and restart",
			 st->past);
	b->no_room = st->no_room;
}

static void on_freed(uv_work_t *w, int status)
{
	struct books *b = w->data;

	b->busy = false;
	if (b->stopped || status < 0)
		return;
	counters_stats(b->counters, &b->stats);
	say_freed(b);
}

static void free_rows(uv_work_t *w)
{
	struct books *b = w->data;

	b->free_err =
		counters_free(b->counters, mono_now(), b->quiet_ns, &b->freed);
}

/* In the other thread: a large part takes some 10 ms. The bank is quiet as long
 * as we are busy, for then nobody flips. */
static void free_if_crowded(struct books *b)
{
	if (!counters_crowded(b->counters, mono_now(), b->quiet_ns))
		return;
	b->free_work.data = b;
	b->busy = !uv_queue_work(b->loop, &b->free_work, free_rows, on_freed);
}

static void on_quiet(uv_work_t *w, int status)
{
	struct books *b = w->data;
	int err = status < 0 ? status : b->grace_err;

	b->busy = false;
	if (b->stopped)
		return;
	if (!err)
		err = read_cut(b);
	if (err == -ENOMEM)
		err = start_over(b);
	if (err) {
		log_error("reading the counters: %s", strerror(-err));
		return;
	}
	counters_stats(b->counters, &b->stats);
	save(b, mono_now(), false);
	b->cut(b->ctx);
	free_if_crowded(b);
}

static void wait_quiet(uv_work_t *w)
{
	struct books *b = w->data;

	b->grace_err = counters_grace(b->counters);
}

static void on_tick(uv_timer_t *t)
{
	struct books *b = t->data;

	if (b->busy)
		return; /* the machine is slow: the next one reads it all */
	counters_flip(b->counters);
	read_ifstats(b);
	b->work.data = b;
	b->busy = !uv_queue_work(b->loop, &b->work, wait_quiet, on_quiet);
}

static struct ledger_cfg ledger_cfg_of(const struct config *cfg)
{
	struct ledger_cfg lc = LEDGER_CFG_DEFAULT;

	lc.max_as = cfg->prometheus.max_as;
	lc.max_series = cfg->prometheus.max_series;
	return lc;
}

static int first_cut(struct books *b)
{
	int err;

	counters_flip(b->counters);
	read_ifstats(b);
	err = counters_grace(b->counters);
	return err ? err : read_cut(b);
}

int books_start(uv_loop_t *loop, const int fds[ASM_MAP_COUNT], uint64_t maps_id,
		const struct config *cfg, void (*cut)(void *ctx), void *ctx,
		struct books **ret)
{
	struct books *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->loop = loop;
	b->cfg = ledger_cfg_of(cfg);
	b->quiet_ns = cfg->counters.quiet_ms * NSEC_PER_MSEC;
	b->maps_id = maps_id;
	b->cut = cut;
	b->ctx = ctx;
	err = counters_open(fds, &b->counters);
	if (!err)
		err = ledger_new(&b->cfg, &b->ledger);
	if (!err) {
		restore(b);
		err = first_cut(b);
		if (!err)
			save(b, mono_now(), false);
		counters_stats(b->counters, &b->stats);
	}
	if (err) {
		counters_close(b->counters);
		ledger_free(b->ledger);
		free(b);
		return err;
	}
	(void)uv_timer_init(loop, &b->timer);
	b->timer.data = b;
	(void)uv_timer_start(&b->timer, on_tick, cfg->drain_interval_ms,
			     cfg->drain_interval_ms);
	*ret = b;
	return 0;
}

void books_configure(struct books *b, const struct config *cfg)
{
	b->cfg = ledger_cfg_of(cfg);
	b->quiet_ns = cfg->counters.quiet_ms * NSEC_PER_MSEC;
	ledger_configure(b->ledger, &b->cfg);
	(void)uv_timer_start(&b->timer, on_tick, cfg->drain_interval_ms,
			     cfg->drain_interval_ms);
}

void books_stop(struct books *b)
{
	if (!b || b->stopped)
		return;
	b->stopped = true;
	(void)uv_timer_stop(&b->timer);
	save(b, mono_now(), true);
}

const struct ledger *books_ledger(const struct books *b)
{
	return b->ledger;
}

void books_state(const struct books *b, uint64_t *ret_writes,
		 uint64_t *ret_errors)
{
	*ret_writes = b->writes;
	*ret_errors = b->write_errors;
}

void books_counters(const struct books *b, struct counters_stats *ret)
{
	*ret = b->stats;
}

const struct ifstat *books_ifstat(const struct books *b, uint32_t ifindex)
{
	for (size_t i = 0; i < b->n_ifs; i++) {
		if (b->ifs[i].ifindex == ifindex)
			return &b->ifs[i];
	}
	return NULL;
}
