/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mono.h"
#include "daemon/files.h"
#include "daemon/snap.h"
#include "kernel/grace.h"

#define INSTALL_CHUNK    20000u /* prefixes a turn of the loop: some 10 ms */
#define FEW_CHANGES      256u   /* are published at once */
#define PAUSE_FACTOR     4 /* … after a pause of so many times the last one */
#define SNAP_WAIT_NS     (2 * NSEC_PER_SEC) /* after a feed */
#define SNAP_WAIT_MAX_NS (60 * NSEC_PER_SEC)
#define LOC_RETRY_NS     (600 * NSEC_PER_SEC) /* also to see a newer file */

struct region {
	void *p;
	size_t len;
};

struct routes {
	uv_loop_t *loop;
	const struct config *cfg;
	int grace_fd, state_fd;
	struct region state, words, as;
	struct attr_table *attrs;
	struct rib *rib;
	struct table *table;
	struct names *names;
	struct snap snap;
	int src_own, src_override, src_loc;

	uv_timer_t flush;
	uv_check_t turn;
	struct mono flushed_until; /* not at once before */
	bool complete_now;         /* a feed has just become complete */
	bool later;                /* put off, or on hold */
	uv_work_t grace;
	uint64_t seal; /* being waited for; 0: none */
	int grace_err;
	bool no_space; /* said so */
	bool clean;    /* the last flush left nothing to do */

	struct mono started;
	bool bgp_complete[FAMILIES];
	struct mono completed; /* the last feed that became so */
	struct mono run_began; /* … and the first of those close together */
	unsigned feeds[FAMILIES]; /* that have become complete so far */
	struct mono first_feed[FAMILIES];
	bool loc_have[FAMILIES];
	bool gap[FAMILIES]; /* BGP has gone, libloc is not there yet */
	struct mono loc_tried;

	uv_work_t reading;
	struct files *files; /* being read or installed; NULL: none */
	bool again;          /* asked for while another reading went on */
	bool read_once;      /* the overrides are in the RIB, or cannot be */
	uv_idle_t install;
	size_t installed; /* of files->entries */
	int install_err;
	struct timespec loc_mtime;
	int64_t loc_created_at;
	size_t loc_names;
	bool loc_open;
	char loc_error[128];
	bool stopped;
};

static uint32_t now_s(void)
{
	return (uint32_t)time(NULL);
}

/* ---------------------------------------------------------- the table */

static void start_grace(struct routes *r);

static void flush_table(struct routes *r)
{
	enum table_flush how =
		r->complete_now ? TABLE_FLUSH_NOW : TABLE_FLUSH_BUSY;
	struct mono start = mono_now(), end;
	int rc = table_flush(r->table, how, now_s());

	r->complete_now = false;
	r->later = rc == TABLE_LATER;
	r->clean = rc == TABLE_CLEAN;
	end = mono_now();
	r->flushed_until =
		mono_add_ns(end, PAUSE_FACTOR * mono_diff_ns(start, end));
	if (rc == -ENOSPC && !r->no_space) {
		log_error("the prefix table is full: some prefixes keep their "
			  "old answer; raise counters.table-words");
		r->no_space = true;
	} else if (rc == TABLE_CLEAN && r->no_space) {
		log_notice("the prefix table has room again");
		r->no_space = false;
	}
	start_grace(r);
}

static void on_grace(uv_work_t *w, int status)
{
	struct routes *r = w->data;
	uint64_t seal = r->seal;

	r->seal = 0;
	if (r->stopped)
		return;
	if (status < 0 || r->grace_err) {
		log_error("waiting for the programs: %s",
			  strerror(status < 0 ? -status : -r->grace_err));
		return; /* nothing is reclaimed: safe */
	}
	table_reclaim(r->table, seal);
	if (!r->gap[FAMILY_IP4] && !r->gap[FAMILY_IP6])
		flush_table(r);
}

static void wait_grace(uv_work_t *w)
{
	struct routes *r = w->data;

	r->grace_err = grace_wait(r->grace_fd, r->state_fd);
}

static void start_grace(struct routes *r)
{
	if (r->seal)
		return;
	r->seal = table_seal(r->table);
	if (!r->seal)
		return;
	r->grace.data = r;
	if (uv_queue_work(r->loop, &r->grace, wait_grace, on_grace))
		r->seal = 0;
}

static void review(struct routes *r);

/* Is the table worth a snapshot: neither a part of one nor one of before? And
 * where there are neighbors, what stands in for their feed is not. */
static bool settled(const struct routes *r)
{
	if (r->cfg->bgp.n_neighbors && !r->bgp_complete[FAMILY_IP4] &&
	    !r->bgp_complete[FAMILY_IP6])
		return false;
	return r->clean && !table_changes(r->table) && !r->files &&
	       !r->gap[FAMILY_IP4] && !r->gap[FAMILY_IP6] &&
	       !table_held(r->table, FAMILY_IP4) &&
	       !table_held(r->table, FAMILY_IP6);
}

/* The feed of one family is followed by that of the other as a rule: a snapshot
 * in between is of half a table, and to copy it takes 20 ms from the other. But
 * neighbours that come and go all the time do not put it off for ever. */
static bool snap_due(const struct routes *r, struct mono now)
{
	return settled(r) &&
	       (!r->completed.ns ||
		mono_diff_ns(r->completed, now) > SNAP_WAIT_NS ||
		mono_diff_ns(r->run_began, now) > SNAP_WAIT_MAX_NS);
}

static void note_feed(struct routes *r, struct mono now)
{
	if (!r->completed.ns || mono_diff_ns(r->completed, now) > SNAP_WAIT_NS)
		r->run_began = now;
	r->completed = now;
}

/* The old answers stay until there are new ones: see review(). */
static void on_flush(uv_timer_t *t)
{
	struct routes *r = t->data;

	review(r);
	if (!r->seal && !r->gap[FAMILY_IP4] && !r->gap[FAMILY_IP6])
		flush_table(r);
	if (snap_due(r, mono_now()))
		snap_turn(&r->snap, r->cfg->snapshot_interval_ms);
}

/*
 * Behind the I/O of each turn: a few changes are published at once, so that an
 * UPDATE is in the kernel within a millisecond. Many are a table that loads,
 * and wait for its end (or the timer, which waits as long as they come by the
 * thousand, but not for more than two seconds). The pause keeps a neighbour
 * that flaps a default route (a change of every slot) from taking more than a
 * fifth of the time.
 */
static void on_turn(uv_check_t *h)
{
	struct routes *r = h->data;
	uint32_t n = table_changes(r->table);

	if (!r->complete_now &&
	    (!n || n > FEW_CHANGES || r->later ||
	     mono_diff_ns(r->flushed_until, mono_now()) < 0))
		return;
	review(r);
	if (!r->gap[FAMILY_IP4] && !r->gap[FAMILY_IP6])
		flush_table(r);
}

/* ------------------------------------------------------- own prefixes */

static int announce(struct routes *r, int src, const struct prefix *p,
		    uint32_t asn, uint32_t flags)
{
	const struct attr_spec spec = {.origin_as = asn, .flags = flags};
	struct attr *a = attr_intern(r->attrs, &spec);
	int err;

	if (!a)
		return -ENOMEM;
	err = rib_announce(r->rib, src, p, 0, a, now_s());
	attr_unref(r->attrs, a);
	return err;
}

static void begin_update(struct routes *r, int src)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		(void)rib_mark_stale(r->rib, src, (enum family)f);
}

static void end_update(struct routes *r, int src)
{
	for (unsigned f = 0; f < FAMILIES; f++)
		(void)rib_sweep_stale(r->rib, src, (enum family)f);
}

static void apply_own(struct routes *r)
{
	begin_update(r, r->src_own);
	for (size_t i = 0; i < r->cfg->n_own_prefixes; i++) {
		int err =
			announce(r, r->src_own, &r->cfg->own_prefixes[i].prefix,
				 r->cfg->local_as, ATTR_LOCAL);

		if (err)
			log_error("own-prefixes: %s", strerror(-err));
	}
	end_update(r, r->src_own);
	names_clear_overrides(r->names);
	for (size_t i = 0; i < r->cfg->as_names.n_overrides; i++)
		(void)names_override(r->names,
				     r->cfg->as_names.overrides[i].asn,
				     r->cfg->as_names.overrides[i].name);
}

static void apply_overrides(struct routes *r, const struct files *f)
{
	int err = 0;

	if (f->overrides_err == -EINVAL)
		log_warn("%s:%u: %s: the overrides stay as they were",
			 f->overrides_path, f->overrides_why.line,
			 f->overrides_why.text);
	else if (f->overrides_err)
		log_warn("%s: %s: the overrides stay as they were",
			 f->overrides_path, strerror(-f->overrides_err));
	if (f->overrides_err)
		return;
	begin_update(r, r->src_override);
	for (size_t i = 0; !err && i < f->overrides.n; i++)
		err = announce(r, r->src_override, &f->overrides.v[i].prefix,
			       f->overrides.v[i].asn, 0);
	if (err)
		log_error("%s: %s", f->overrides_path, strerror(-err));
	end_update(r, r->src_override);
}

/* ------------------------------------------------------- libloc, files */

static size_t bgp_paths(const struct routes *r, enum family f)
{
	size_t n = 0;

	for (int src = 0; src < RIB_SOURCES_MAX; src++) {
		const struct rib_source_cfg *c = rib_source_get(r->rib, src);

		if (c && c->kind == RIB_BGP)
			n += rib_source_paths(r->rib, src, f);
	}
	return n;
}

static bool loc_wanted(const struct routes *r, enum family f)
{
	return r->cfg->libloc.use == CONFIG_LOC_FALLBACK && !r->bgp_complete[f];
}

static void loc_failed(struct routes *r, const struct files *f)
{
	const char *why = f->loc_err == -EBADMSG
				  ? "damaged, or no libloc database"
				  : strerror(-f->loc_err);

	if (strcmp(r->loc_error, why) != 0)
		log_warn("%s: %s: %s", f->loc_path, why,
			 r->loc_open
				 ? "what was read before stays"
				 : "no fallback table and no names from there");
	(void)snprintf(r->loc_error, sizeof(r->loc_error), "%s", why);
	if (!r->loc_open)
		names_use_loc(r->names, NULL);
}

static void release(struct routes *r, enum family f)
{
	if (!table_held(r->table, f))
		return;
	table_release(r->table, f);
	r->complete_now = true;
}

/* Is there reason to wait for a neighbor before the pinned table goes? */
static bool may_wait(const struct routes *r, enum family f)
{
	if (mono_diff_ns(r->started, mono_now()) >
	    ROUTES_HOLD_MS * NSEC_PER_MSEC)
		return false;
	for (size_t i = 0; i < r->cfg->bgp.n_neighbors; i++) {
		if (r->cfg->bgp.neighbors[i].families & 1u << f)
			return true;
	}
	return false;
}

/* A small feed is complete long before a large one, and what only that one
 * knows would be unknown meanwhile. One that is down is not waited for as long
 * as the first. */
static bool others_may_come(const struct routes *r, enum family f)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->cfg->bgp.n_neighbors; i++)
		n += (r->cfg->bgp.neighbors[i].families & 1u << f) != 0;
	return r->feeds[f] < n && mono_diff_ns(r->first_feed[f], mono_now()) <
					  ROUTES_OTHERS_MS * NSEC_PER_MSEC;
}

static void start_reading(struct routes *r, bool all);

/* What was there before stays; tried again after LOC_RETRY_NS. */
static void install_failed(struct routes *r)
{
	log_error("libloc: %s: not taken as a whole",
		  strerror(-r->install_err));
	(void)snprintf(r->loc_error, sizeof(r->loc_error), "%s",
		       strerror(-r->install_err));
	r->loc_mtime = (struct timespec){0};
}

static void finish_install(struct routes *r)
{
	struct files *f = r->files;

	(void)uv_idle_stop(&r->install);
	for (unsigned i = 0; i < FAMILIES; i++) {
		if (f->walk[i] || f->loc_err)
			r->gap[i] = false;
		if (!f->walk[i] || r->install_err)
			continue; /* half a table replaces none */
		(void)rib_sweep_stale(r->rib, r->src_loc, (enum family)i);
		r->loc_have[i] = true;
	}
	if (r->install_err)
		install_failed(r);
	else if (f->walk[FAMILY_IP4] || f->walk[FAMILY_IP6])
		log_info("libloc: %zu IPv4 and %zu IPv6 prefixes",
			 rib_source_paths(r->rib, r->src_loc, FAMILY_IP4),
			 rib_source_paths(r->rib, r->src_loc, FAMILY_IP6));
	files_free(f);
	r->files = NULL;
	r->installed = 0;
	if (r->again)
		start_reading(r, true);
}

static void on_install(uv_idle_t *h)
{
	struct routes *r = h->data;
	const struct files *f = r->files;
	size_t end = r->installed + INSTALL_CHUNK;

	if (end > f->n_entries)
		end = f->n_entries;
	for (; r->installed < end; r->installed++) {
		const struct loc_entry *e = &f->entries[r->installed];
		int err = announce(r, r->src_loc, &e->prefix, e->asn, 0);

		if (!err)
			continue;
		r->install_err = err;
		r->installed = f->n_entries;
		break;
	}
	if (r->installed >= f->n_entries)
		finish_install(r);
}

static void use_names(struct routes *r, struct files *f)
{
	if (f->names || !r->cfg->as_names.file)
		names_use_file(r->names, f->names);
	f->names = NULL;
	if (f->loc)
		names_use_loc(r->names, f->loc);
	f->loc = NULL;
}

/* The names alone, before anybody is answered: they are labels, so a series
 * that is shown without its name is another series. What is wrong with the
 * files is told when all of them have been read. */
static void read_names(struct routes *r)
{
	struct files *f = files_new(r->cfg);

	if (!f)
		return;
	f->overrides_path[0] = '\0';
	files_read(f);
	use_names(r, f);
	files_free(f);
}

static void take_names(struct routes *r, struct files *f)
{
	int64_t created_at = f->loc ? loc_db_created_at(f->loc) : 0;
	size_t ases = f->loc ? loc_db_ases(f->loc) : 0;

	if (f->names_err)
		log_warn("%s: %s: names stay as they were", f->names_path,
			 f->names_err == -EBADMSG || f->names_err == -ENODATA
				 ? "no file of AS names"
				 : strerror(-f->names_err));
	else if (f->names_path[0] && f->names_rep.bad_lines)
		log_warn("%s:%u: %s (%zu such lines are left out)",
			 f->names_path, f->names_rep.bad_line,
			 f->names_rep.text, f->names_rep.bad_lines);
	use_names(r, f);
	if (f->loc_err) {
		loc_failed(r, f);
		return;
	}
	r->loc_open = true;
	r->loc_error[0] = '\0';
	r->loc_created_at = created_at;
	r->loc_names = ases;
}

static void on_read(uv_work_t *w, int status)
{
	struct routes *r = w->data;
	struct files *f = r->files;

	if (r->stopped || status < 0)
		return;
	take_names(r, f);
	apply_overrides(r, f);
	r->read_once = true;
	for (unsigned i = 0; i < FAMILIES; i++) {
		f->walk[i] &= !f->loc_err && loc_wanted(r, (enum family)i);
		if (f->walk[i])
			(void)rib_mark_stale(r->rib, r->src_loc,
					     (enum family)i);
	}
	r->installed = 0;
	r->install_err = 0;
	(void)uv_idle_start(&r->install, on_install);
}

static void read_files(uv_work_t *w)
{
	const struct routes *r = w->data;

	files_read(r->files);
}

static struct timespec mtime_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? (struct timespec){0} : st.st_mtim;
}

static bool loc_is_newer(const struct routes *r)
{
	struct timespec t = mtime_of(r->cfg->libloc.database);

	return t.tv_sec != r->loc_mtime.tv_sec ||
	       t.tv_nsec != r->loc_mtime.tv_nsec;
}

/* all: names and overrides, too. */
static void start_reading(struct routes *r, bool all)
{
	struct files *f;

	if (r->files) {
		r->again |= all;
		return;
	}
	r->again = false;
	f = files_new(r->cfg);
	if (!f) {
		r->read_once = true;
		return;
	}
	for (unsigned i = 0; i < FAMILIES; i++)
		f->walk[i] = loc_wanted(r, (enum family)i) &&
			     (!r->loc_have[i] || loc_is_newer(r));
	r->loc_mtime = mtime_of(f->loc_path);
	r->loc_tried = mono_now();
	r->files = f;
	r->reading.data = r;
	if (uv_queue_work(r->loop, &r->reading, read_files, on_read)) {
		files_free(f);
		r->files = NULL;
		r->read_once = true;
	}
}

static void bgp_left(struct routes *r, enum family f)
{
	r->bgp_complete[f] = false;
	log_notice("no BGP route is left for IPv%d", f == FAMILY_IP4 ? 4 : 6);
	if (loc_wanted(r, f) && !r->loc_have[f] && !r->loc_error[0])
		r->gap[f] = true; /* until libloc is read or cannot be */
}

/* Before each flush: which sources should there be, and are they there? */
static void review(struct routes *r)
{
	bool missing = false;

	for (unsigned i = 0; i < FAMILIES; i++) {
		enum family f = (enum family)i;

		if (r->bgp_complete[f] && !bgp_paths(r, f))
			bgp_left(r, f);
		if (!loc_wanted(r, f) && r->loc_have[f]) {
			r->loc_have[f] = false;
			(void)rib_flush(r->rib, r->src_loc, f);
		}
		missing |= loc_wanted(r, f) && !r->loc_have[f];
		if (r->bgp_complete[f])
			r->gap[f] = false;
		/* a feed of few prefixes is there before the overrides are */
		if (r->read_once &&
		    (r->bgp_complete[f] ? !others_may_come(r, f)
					: !r->files && !may_wait(r, f)))
			release(r, f);
	}
	if (r->files)
		return;
	if ((missing && !r->loc_error[0]) ||
	    (mono_diff_ns(r->loc_tried, mono_now()) > LOC_RETRY_NS &&
	     (missing || loc_is_newer(r))))
		start_reading(r, false);
	if (!r->files)
		r->gap[FAMILY_IP4] = r->gap[FAMILY_IP6] = false;
}

/* -------------------------------------------------------------- start */

static int map_region(int fd, size_t len, struct region *ret)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t pages = (len + (size_t)page - 1) / (size_t)page;
	void *p = mmap(NULL, pages * (size_t)page, PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = (struct region){p, pages * (size_t)page};
	return 0;
}

static int open_table(struct routes *r, const int fds[ASM_MAP_COUNT])
{
	struct table_cfg tc = {0};
	const struct asm_state *st;
	int err = map_region(fds[ASM_MAP_STATE], sizeof(struct asm_state),
			     &r->state);

	if (err)
		return err;
	st = r->state.p;
	if (st->abi_version != ASM_ABI_VERSION)
		return -EPROTO;
	err = map_region(fds[ASM_MAP_TABLE], (size_t)st->table_words * 4,
			 &r->words);
	if (!err)
		err = map_region(fds[ASM_MAP_AS],
				 ASM_AS_SLOTS * sizeof(struct asm_as), &r->as);
	if (err)
		return err;
	tc.words = r->words.p;
	tc.n_words = st->table_words;
	tc.as = r->as.p;
	tc.as_slots = ASM_AS_SLOTS;
	tc.state = r->state.p;
	snap_start(&r->snap, r->loop, &tc);
	return table_open(&tc, r->rib, &r->table);
}

static int add_source(struct routes *r, enum rib_kind kind, const char *name,
		      int *ret)
{
	struct rib_source_cfg c = {.kind = kind};

	(void)snprintf(c.name, sizeof(c.name), "%s", name);
	*ret = rib_source_add(r->rib, &c);
	return *ret < 0 ? *ret : 0;
}

static int open_rib(struct routes *r)
{
	int err;

	r->attrs = attr_table_new();
	r->rib = r->attrs ? rib_new(r->attrs) : NULL;
	r->names = names_new();
	if (!r->rib || !r->names)
		return -ENOMEM;
	err = add_source(r, RIB_OVERRIDE, "own prefix", &r->src_own);
	if (!err)
		err = add_source(r, RIB_OVERRIDE, "override", &r->src_override);
	if (!err)
		err = add_source(r, RIB_LOC, "libloc", &r->src_loc);
	return err;
}

static void start_timers(struct routes *r)
{
	(void)uv_timer_init(r->loop, &r->flush);
	(void)uv_idle_init(r->loop, &r->install);
	(void)uv_check_init(r->loop, &r->turn);
	r->flush.data = r->install.data = r->turn.data = r;
	(void)uv_check_start(&r->turn, on_turn);
	(void)uv_timer_start(&r->flush, on_flush, 0, ROUTES_FLUSH_MS);
}

int routes_start(uv_loop_t *loop, const int fds[ASM_MAP_COUNT],
		 const struct config *cfg, struct routes **ret)
{
	struct routes *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->cfg = cfg;
	r->started = mono_now();
	r->grace_fd = fds[ASM_MAP_GRACE];
	r->state_fd = fds[ASM_MAP_STATE];
	err = open_rib(r);
	if (!err)
		err = open_table(r, fds);
	if (err)
		return err; /* the process ends: its memory goes with it */
	start_timers(r);
	apply_own(r);
	read_names(r);
	start_reading(r, true);
	*ret = r;
	return 0;
}

void routes_configure(struct routes *r, const struct config *cfg)
{
	r->cfg = cfg;
	r->loc_error[0] = '\0';
	apply_own(r);
	start_reading(r, true);
	review(r);
}

void routes_bgp_complete(struct routes *r, enum family f)
{
	note_feed(r, mono_now());
	if (!r->feeds[f]++)
		r->first_feed[f] = r->completed;
	if (!bgp_paths(r, f))
		return; /* an empty feed is no table */
	r->complete_now |= !r->bgp_complete[f];
	r->bgp_complete[f] = true;
	review(r);
}

void routes_stop(struct routes *r)
{
	if (!r || r->stopped)
		return;
	r->stopped = true;
	(void)uv_timer_stop(&r->flush);
	(void)uv_check_stop(&r->turn);
	(void)uv_idle_stop(&r->install);
	snap_stop(&r->snap, settled(r));
}

/* ------------------------------------------------------------ looking */

struct rib *routes_rib(const struct routes *r)
{
	return r->rib;
}

struct attr_table *routes_attrs(const struct routes *r)
{
	return r->attrs;
}

const struct asm_state *routes_state(const struct routes *r)
{
	return r->state.p;
}

const char *routes_as_name(const struct routes *r, uint32_t asn)
{
	const char *s = names_get(r->names, asn);

	return s[0] ? s : NULL;
}

uint32_t routes_lookup(const struct routes *r, const struct addr *a)
{
	return table_lookup(r->table, a);
}

void routes_info(const struct routes *r, struct routes_info *ret)
{
	*ret = (struct routes_info){.loc_loaded = r->loc_open,
				    .loc_created_at = r->loc_created_at,
				    .loc_names = r->loc_names,
				    .snap = r->snap.info};
	table_stats(r->table, &ret->table);
	for (unsigned i = 0; i < FAMILIES; i++) {
		enum family f = (enum family)i;

		ret->source[i] = table_held(r->table, f) ? "snapshot"
				 : r->loc_have[f]        ? "libloc"
				 : bgp_paths(r, f)       ? "bgp"
							 : "none";
		ret->loc_prefixes[i] = rib_source_paths(r->rib, r->src_loc, f);
	}
	memcpy(ret->loc_error, r->loc_error, sizeof(ret->loc_error));
}
