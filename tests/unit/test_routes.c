/* SPDX-License-Identifier: BSD-2-Clause */
/* What routes.c does with libloc; its parts are reached by including it. */
#include <criterion/criterion.h>
#include <errno.h>

#include "route/rib.h"

/* After so many prefixes there is no memory. */
static unsigned room;

static int scarce_announce(struct rib *rib, int src, const struct prefix *p,
			   uint32_t id, struct attr *a, uint32_t now_s)
{
	if (room == 0)
		return -ENOMEM;
	room--;
	return rib_announce(rib, src, p, id, a, now_s);
}

#define rib_announce scarce_announce
#include "daemon/routes.c"

static struct routes *routes_new(void)
{
	static uint32_t words[1 << 21];
	static struct asm_as as[ASM_AS_SLOTS];
	static struct asm_state state;
	struct routes *r = calloc(1, sizeof(*r));
	struct table_cfg tc = {.words = words,
			       .n_words = 1 << 21,
			       .as = as,
			       .as_slots = ASM_AS_SLOTS,
			       .state = &state};

	log_setup(LOG_LVL_ERROR, NULL);
	cr_assert_eq(open_rib(r), 0);
	cr_assert_eq(table_open(&tc, r->rib, &r->table), 0);
	r->loop = uv_default_loop();
	(void)uv_idle_init(r->loop, &r->install);
	r->install.data = r;
	return r;
}

/* Reads a file of two prefixes, of which `fit` fit. */
static void install(struct routes *r, unsigned fit)
{
	struct files *f = calloc(1, sizeof(*f));

	f->n_entries = 2;
	f->entries = calloc(2, sizeof(*f->entries));
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(prefix_parse(i ? "10.0.0.0/8" : "11.0.0.0/8",
					  &f->entries[i].prefix),
			     0);
		f->entries[i].asn = 7;
	}
	f->walk[FAMILY_IP4] = true;
	(void)rib_mark_stale(r->rib, r->src_loc, FAMILY_IP4);
	r->files = f;
	r->installed = 0;
	r->loc_error[0] = 0;
	r->gap[FAMILY_IP4] = true;
	room = fit;
	on_install(&r->install);
	cr_assert_null(r->files);
	cr_assert(!r->gap[FAMILY_IP4]);
}

Test(routes, half_of_libloc_replaces_nothing)
{
	struct routes *r = routes_new();

	install(r, 1);
	cr_assert(!r->loc_have[FAMILY_IP4]);
	cr_assert_str_not_empty(r->loc_error);
	cr_assert_eq(rib_source_paths(r->rib, r->src_loc, FAMILY_IP4), 1);
	r->install_err = 0; /* as at each reading */
	install(r, 2);
	cr_assert(r->loc_have[FAMILY_IP4]);
	cr_assert_str_empty(r->loc_error);
	install(r, 1);
	cr_assert_eq(rib_source_paths(r->rib, r->src_loc, FAMILY_IP4), 2);
}

/* A BGP feed that has only begun is not the source yet. */
Test(routes, source_is_libloc_until_bgp_is_complete)
{
	struct config cfg = {.libloc = {.use = CONFIG_LOC_FALLBACK}};
	struct routes *r = routes_new();
	struct routes_info ri;
	struct prefix p;
	int bgp;

	r->cfg = &cfg;
	install(r, 2);
	cr_assert_eq(add_source(r, RIB_BGP, "bgp", &bgp), 0);
	cr_assert_eq(prefix_parse("10.1.0.0/16", &p), 0);
	room = 1;
	cr_assert_eq(announce(r, bgp, &p, 9, 0), 0);
	routes_info(r, &ri);
	cr_assert_str_eq(ri.source[FAMILY_IP4], "libloc");
	r->loc_tried = mono_now();
	r->loc_error[0] = 'x'; /* nothing to read for IPv6 */
	routes_bgp_complete(r, FAMILY_IP4);
	routes_info(r, &ri);
	cr_assert_str_eq(ri.source[FAMILY_IP4], "bgp");
}

static uint32_t as_of_host(const struct routes *r, uint32_t host)
{
	const struct addr a = {(uint64_t)host << 32, 0, FAMILY_IP4};

	return table_lookup(r->table, &a);
}

static void announce_host(struct routes *r, int src, uint32_t host)
{
	const struct prefix p = {(uint64_t)host << 32, 0, 32, FAMILY_IP4};

	room = 1;
	cr_assert_eq(announce(r, src, &p, 9, 0), 0);
}

/* A few changes need no timer; many wait until the feed is complete; and who
 * keeps the table busy has to wait, too. */
Test(routes, few_changes_are_published_in_their_turn)
{
	struct config cfg = {.libloc = {.use = CONFIG_LOC_NEVER}};
	struct routes *r = routes_new();
	int bgp;

	r->cfg = &cfg;
	r->turn.data = r;
	r->loc_tried = mono_now();
	cr_assert_eq(add_source(r, RIB_BGP, "bgp", &bgp), 0);
	on_turn(&r->turn);
	cr_assert_eq(r->flushed_until.ns, 0, "nothing to publish");
	announce_host(r, bgp, 1);
	cr_assert_eq(as_of_host(r, 1), 0);
	on_turn(&r->turn);
	cr_assert_eq(as_of_host(r, 1), 9);

	announce_host(r, bgp, 2);
	r->flushed_until = mono_add_ns(mono_now(), 3600 * NSEC_PER_SEC);
	on_turn(&r->turn);
	cr_assert_eq(as_of_host(r, 2), 0);
	r->flushed_until = mono_now();
	on_turn(&r->turn);
	cr_assert_eq(as_of_host(r, 2), 9);

	for (uint32_t i = 0; i <= FEW_CHANGES; i++)
		announce_host(r, bgp, 1000 + i);
	r->flushed_until = mono_now();
	on_turn(&r->turn);
	cr_assert_eq(as_of_host(r, 1000), 0);
	routes_bgp_complete(r, FAMILY_IP4);
	on_turn(&r->turn);
	cr_assert_eq(as_of_host(r, 1000), 9);
	cr_assert_eq(as_of_host(r, 1000 + FEW_CHANGES), 9);
}

/* A table of one neighbour, from its IPv4 feed. */
static struct routes *fed(void)
{
	static struct config_neighbor n = {.families = 3};
	static struct config cfg = {.libloc = {.use = CONFIG_LOC_NEVER},
				    .bgp = {.neighbors = &n, .n_neighbors = 1}};
	struct routes *r = routes_new();
	int bgp;

	r->cfg = &cfg;
	r->turn.data = r;
	r->loc_tried = mono_now();
	cr_assert_eq(add_source(r, RIB_BGP, "bgp", &bgp), 0);
	announce_host(r, bgp, 1);
	routes_bgp_complete(r, FAMILY_IP4);
	on_turn(&r->turn);
	cr_assert(settled(r), "when the daemon stops it is written");
	return r;
}

static struct mono after_s(struct mono t, int64_t s)
{
	return mono_add_ns(t, s * NSEC_PER_SEC);
}

/* The snapshot leaves a feed time to bring its other family. */
Test(routes, snapshot_is_not_of_the_first_family_only)
{
	struct routes *r = fed();
	struct mono t = r->completed;

	cr_assert(!snap_due(r, after_s(t, 1)));
	cr_assert(snap_due(r, after_s(t, 3)));
	note_feed(r, after_s(t, 3));
	cr_assert(!snap_due(r, after_s(t, 4)));
	cr_assert(snap_due(r, after_s(t, 6)));
}

/* … but not without end, when a feed comes every second. */
Test(routes, feeds_put_the_snapshot_off_for_a_minute)
{
	struct routes *r = fed();
	struct mono t = r->completed;

	for (int64_t s = 1; s <= 60; s++) {
		note_feed(r, after_s(t, s));
		cr_assert(!snap_due(r, after_s(t, s)), "second %d", (int)s);
	}
	for (int64_t s = 61; s < 1000; s++) {
		note_feed(r, after_s(t, s));
		cr_assert(snap_due(r, after_s(t, s)), "second %d", (int)s);
	}
	note_feed(r, after_s(t, 1003)); /* the next feeds are others */
	cr_assert(!snap_due(r, after_s(t, 1004)));
}

/* A table found pinned answers until the overrides have been read, however soon
 * a feed is complete. */
Test(routes, pinned_table_waits_for_the_overrides)
{
	struct config cfg = {.libloc = {.use = CONFIG_LOC_NEVER}};
	struct routes *r = routes_new();
	struct files *f = calloc(1, sizeof(*f));
	int bgp;

	announce_host(r, r->src_override, 1);
	cr_assert_neq(table_flush(r->table, TABLE_FLUSH_NOW, 0), -ENOSPC);
	cr_assert_eq(as_of_host(r, 1), 9);

	r = routes_new(); /* the same table, found again */
	r->cfg = &cfg;
	r->turn.data = r->reading.data = r;
	r->loc_tried = mono_now();
	r->files = f;
	cr_assert_eq(add_source(r, RIB_BGP, "bgp", &bgp), 0);
	announce_host(r, bgp, 2);
	routes_bgp_complete(r, FAMILY_IP4);
	on_turn(&r->turn);
	cr_assert(table_held(r->table, FAMILY_IP4));
	cr_assert_eq(as_of_host(r, 1), 9);

	f->loc_err = -ENOENT;
	f->overrides.n = room = 1;
	f->overrides.v = calloc(1, sizeof(*f->overrides.v));
	cr_assert_eq(prefix_parse("0.0.0.1/32", &f->overrides.v[0].prefix), 0);
	f->overrides.v[0].asn = 9;
	on_read(&r->reading, 0);
	on_install(&r->install);
	review(r);
	flush_table(r);
	cr_assert(!table_held(r->table, FAMILY_IP4));
	cr_assert_eq(as_of_host(r, 1), 9);
	cr_assert_eq(as_of_host(r, 2), 9);
}

static void two_feeds(bool late)
{
	struct config_neighbor n[2] = {{.families = 1u << FAMILY_IP4},
				       {.families = 1u << FAMILY_IP4}};
	struct config cfg = {.libloc = {.use = CONFIG_LOC_NEVER},
			     .bgp = {.neighbors = n, .n_neighbors = 2}};
	struct routes *r = routes_new();
	int bgp;

	announce_host(r, r->src_override, 1);
	cr_assert_neq(table_flush(r->table, TABLE_FLUSH_NOW, 0), -ENOSPC);
	r = routes_new();
	r->cfg = &cfg;
	r->turn.data = r;
	r->started = r->loc_tried = mono_now();
	r->read_once = true;
	cr_assert_eq(add_source(r, RIB_BGP, "bgp", &bgp), 0);
	announce_host(r, bgp, 2);
	routes_bgp_complete(r, FAMILY_IP4);
	on_turn(&r->turn);
	cr_assert_eq(as_of_host(r, 1), 9, "what the other may know");
	if (late) {
		r->first_feed[FAMILY_IP4].ns -=
			ROUTES_OTHERS_MS * NSEC_PER_MSEC;
		review(r);
	} else {
		routes_bgp_complete(r, FAMILY_IP4);
	}
	on_turn(&r->turn);
	cr_assert(!table_held(r->table, FAMILY_IP4));
	cr_assert_eq(as_of_host(r, 1), 0);
	cr_assert_eq(as_of_host(r, 2), 9);
}

/* And until the second of two neighbours is complete, or has had its time. */
Test(routes, pinned_table_waits_for_all_feeds)
{
	two_feeds(false);
}

Test(routes, pinned_table_does_not_wait_for_ever)
{
	two_feeds(true);
}
