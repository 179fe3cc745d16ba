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
	struct routes *r = calloc(1, sizeof(*r));
	struct table_cfg tc = {.words = words, .n_words = 1 << 21};

	log_setup(LOG_LVL_ERROR, NULL);
	cr_assert_eq(open_rib(r), 0);
	tc.as = calloc(ASM_AS_SLOTS, sizeof(struct asm_as));
	tc.as_slots = ASM_AS_SLOTS;
	tc.state = calloc(1, sizeof(struct asm_state));
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
