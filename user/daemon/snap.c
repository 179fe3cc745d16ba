/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/snap.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"

#define RETRY_NS (10 * NSEC_PER_SEC) /* after a failure */

static void restore(struct snap *s)
{
	int err = snapshot_restore(SNAP_PATH, &s->table);
	struct stat st;

	if (!err) {
		s->epoch = s->table.state->table_epoch;
		s->have_epoch = true;
		if (!stat(SNAP_PATH, &st))
			s->info.written_at = (int64_t)st.st_mtim.tv_sec;
		log_notice("%s: the table of before answers until there is a "
			   "feed",
			   SNAP_PATH);
	} else if (err == -EPROTO || err == -EFBIG) {
		log_notice("%s: not used: %s", SNAP_PATH,
			   err == -EPROTO ? "of another version"
					  : "counters.table-words is smaller "
					    "than it was");
	} else if (err != -ENOENT && err != -EBUSY) {
		log_warn("%s: not used: %s", SNAP_PATH,
			 err == -EBADMSG ? "damaged" : strerror(-err));
	}
}

void snap_start(struct snap *s, uv_loop_t *loop, const struct table_cfg *t)
{
	*s = (struct snap){.loop = loop, .table = *t};
	(void)sem_init(&s->done, 0, 0);
	restore(s);
}

/* ------------------------------------------------------------- writing */

static void conclude(struct snap *s)
{
	snapshot_free(s->copy);
	s->copy = NULL;
	if (!s->err) {
		s->info.writes++;
		s->info.written_at = (int64_t)time(NULL);
		if (s->failed)
			log_notice("%s: written again", SNAP_PATH);
		s->failed = false;
		return;
	}
	s->info.errors++;
	s->have_epoch = false;
	if (!s->failed)
		log_warn("%s: %s: after a reboot the table may be an old one, "
			 "or empty",
			 SNAP_PATH, strerror(-s->err));
	s->failed = true;
}

static void write_copy(struct snap *s)
{
	s->err = snapshot_write(s->copy, SNAP_PATH);
}

static void on_thread(uv_work_t *w)
{
	struct snap *s = w->data;

	write_copy(s);
	(void)sem_post(&s->done);
}

static void on_written(uv_work_t *w, int status)
{
	struct snap *s = w->data;

	(void)status;
	if (!s->copy)
		return; /* snap_stop() was faster */
	(void)sem_wait(&s->done);
	conclude(s);
}

/* Copies the table if it has changed since it was written. */
static bool begin(struct snap *s)
{
	uint32_t epoch = s->table.state->table_epoch;
	int err;

	if (s->have_epoch && epoch == s->epoch)
		return false;
	err = snapshot_take(&s->table, &s->copy);
	s->tried = mono_now();
	s->tried_once = true;
	if (err) {
		/* an empty table is not worth a file */
		s->info.errors += err != -ENODATA;
		return false;
	}
	s->epoch = epoch;
	s->have_epoch = true;
	return true;
}

void snap_turn(struct snap *s, uint32_t interval_ms)
{
	int64_t wait = s->failed ? RETRY_NS : interval_ms * NSEC_PER_MSEC;

	if (s->copy ||
	    (s->tried_once && mono_diff_ns(s->tried, mono_now()) < wait) ||
	    !begin(s))
		return;
	s->work.data = s;
	if (uv_queue_work(s->loop, &s->work, on_thread, on_written)) {
		s->err = -ENOMEM;
		conclude(s);
	}
}

void snap_stop(struct snap *s, bool settled)
{
	if (s->copy) {
		while (sem_wait(&s->done) && errno == EINTR)
			;
		conclude(s);
	}
	if (!settled || !begin(s))
		return;
	write_copy(s);
	conclude(s);
}
