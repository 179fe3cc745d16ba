/* SPDX-License-Identifier: BSD-2-Clause */
/* Flow records: what the routes add to one, the ring of the recent ones, and
 * the filter that readers of it have. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "asmeter/abi.h"
#include "flow/enrich.h"
#include "flow/recent.h"

/* ----------------------------------------------------------- the routes */

struct rig {
	struct attr_table *attrs;
	struct rib *rib;
	int bgp, own, loc;
	unsigned asked; /* of the packet programs' table */
};

static struct addr addr(const char *s)
{
	struct addr a;

	cr_assert_eq(addr_parse(s, &a), 0, "%s", s);
	return a;
}

/* What the packet programs say is another number than the RIB's, to tell. */
static uint32_t as_of(void *arg, const struct addr *a)
{
	struct rig *r = arg;
	struct rib_route found;

	r->asked++;
	return rib_lookup(r->rib, a, &found)
		       ? 1000000 + attr_origin_as(found.attr)
		       : 0;
}

static void announce(struct rig *r, int src, const char *prefix,
		     const struct attr_spec *spec)
{
	struct attr *a = attr_intern(r->attrs, spec);
	struct prefix p;

	cr_assert_eq(prefix_parse(prefix, &p), 0);
	cr_assert_eq(rib_announce(r->rib, src, &p, 0, a, 1), 0);
	attr_unref(r->attrs, a);
}

static const uint32_t path4[] = {64496, 64497, 15169};
static const uint32_t comm4[] = {0xfbf00001, 0xffffff01};

static void rig_init(struct rig *r)
{
	struct rib_source_cfg bgp = {.kind = RIB_BGP, .name = "bgp"},
			      own = {.kind = RIB_OVERRIDE, .name = "own"},
			      loc = {.kind = RIB_LOC, .name = "libloc"};

	*r = (struct rig){.attrs = attr_table_new()};
	r->rib = rib_new(r->attrs);
	r->bgp = rib_source_add(r->rib, &bgp);
	r->own = rib_source_add(r->rib, &own);
	r->loc = rib_source_add(r->rib, &loc);
	announce(r, r->bgp, "8.8.8.0/24",
		 &(struct attr_spec){.origin_as = 15169,
				     .neighbour_as = 64496,
				     .local_pref = 250,
				     .flags = ATTR_HAS_LOCPREF | ATTR_EBGP,
				     .next_hop = addr("203.0.113.7"),
				     .path = path4,
				     .path_len = 3,
				     .path_hops = 3,
				     .comm = comm4,
				     .comm_len = 2});
	announce(r, r->bgp, "2001:db8:1::/48",
		 &(struct attr_spec){.origin_as = 15169,
				     .neighbour_as = 64496,
				     .local_pref = 77, /* not said */
				     .next_hop = addr("2001:db8::7"),
				     .path = path4,
				     .path_len = 3});
	announce(r, r->own, "192.0.2.0/24",
		 &(struct attr_spec){.origin_as = 64512, .flags = ATTR_LOCAL});
	announce(r, r->loc, "1.0.0.0/8",
		 &(struct attr_spec){.origin_as = 13335});
}

static void rig_done(struct rig *r)
{
	rib_free(r->rib);
	attr_table_free(r->attrs);
}

static struct flow flow_of(const char *src, const char *dst)
{
	struct flow fl = {.has = FLOW_HAS_IP, .rate = 100, .packets = 1};

	fl.ip.src = addr(src);
	fl.ip.dst = addr(dst);
	return fl;
}

Test(enrich, own_to_bgp)
{
	struct rig r;

	rig_init(&r);
	struct flow_routes from = {r.rib, as_of, &r};
	struct flow fl = flow_of("192.0.2.1", "8.8.8.8");
	struct addr hop = addr("203.0.113.7");

	flow_enrich(&fl, &from);
	cr_assert(fl.has & FLOW_HAS_ROUTES);
	cr_assert_eq(r.asked, 2);
	cr_assert_eq(fl.src_as, 1064512);
	cr_assert_eq(fl.dst_as, 1015169);
	cr_assert_eq(fl.src_plen, 24);
	cr_assert_eq(fl.dst_plen, 24);
	cr_assert_eq(fl.src_peer_as, 0);
	cr_assert_eq(fl.dst_peer_as, 64496);
	cr_assert_eq(fl.local_pref, 250);
	cr_assert_eq(fl.next_hop.hi, hop.hi);
	cr_assert_eq(fl.next_hop.family, FAMILY_IP4);
	cr_assert_eq(fl.path_len, 3);
	cr_assert_arr_eq(fl.path, path4, sizeof(path4));
	cr_assert_eq(fl.comm_len, 2);
	cr_assert_arr_eq(fl.comm, comm4, sizeof(comm4));
	rig_done(&r);
}

Test(enrich, bgp_to_own_is_the_local_as_without_path)
{
	struct rig r;

	rig_init(&r);
	struct flow_routes from = {r.rib, as_of, &r};
	struct flow fl = flow_of("8.8.8.8", "192.0.2.1");

	flow_enrich(&fl, &from);
	cr_assert_eq(fl.src_as, 1015169);
	cr_assert_eq(fl.dst_as, 1064512);
	cr_assert_eq(fl.src_peer_as, 64496);
	cr_assert_eq(fl.dst_peer_as, 0);
	cr_assert_eq(fl.path_len, 0);
	cr_assert_eq(fl.comm_len, 0);
	cr_assert_eq(fl.local_pref, 0);
	cr_assert(!fl.next_hop.hi && !fl.next_hop.lo);
	rig_done(&r);
}

Test(enrich, ipv6_libloc_and_no_route)
{
	struct rig r;

	rig_init(&r);
	struct flow_routes from = {r.rib, as_of, &r};
	struct flow fl = flow_of("2001:db8:2::1", "2001:db8:1::1");
	struct addr hop = addr("2001:db8::7");

	flow_enrich(&fl, &from);
	cr_assert_eq(fl.src_as, 0);
	cr_assert_eq(fl.src_plen, 0);
	cr_assert_eq(fl.dst_as, 1015169);
	cr_assert_eq(fl.dst_plen, 48);
	cr_assert_eq(fl.local_pref, 0, "the route carries none");
	cr_assert_eq(fl.next_hop.family, FAMILY_IP6);
	cr_assert(fl.next_hop.hi == hop.hi && fl.next_hop.lo == hop.lo);

	fl = flow_of("9.9.9.9", "1.1.1.1");
	flow_enrich(&fl, &from);
	cr_assert(fl.has & FLOW_HAS_ROUTES);
	cr_assert_eq(fl.src_as, 0);
	cr_assert_eq(fl.dst_as, 1013335);
	cr_assert_eq(fl.dst_plen, 8);
	cr_assert_eq(fl.path_len, 0);
	rig_done(&r);
}

Test(enrich, what_was_counted_is_kept)
{
	struct rig r;

	rig_init(&r);
	struct flow_routes from = {r.rib, as_of, &r};
	struct flow fl = flow_of("192.0.2.1", "8.8.8.8");

	fl.has |= FLOW_HAS_AS;
	fl.src_as = 7;
	fl.dst_as = 0; /* there was no route then */
	flow_enrich(&fl, &from);
	cr_assert_eq(r.asked, 0);
	cr_assert_eq(fl.src_as, 7);
	cr_assert_eq(fl.dst_as, 0);
	cr_assert_eq(fl.dst_plen, 24);
	cr_assert_eq(fl.path_len, 3);

	/* no addresses: nothing to ask for */
	struct flow arp = {.has = FLOW_HAS_ETH, .eth_proto = 0x806};

	flow_enrich(&arp, &from);
	cr_assert_eq(arp.has, FLOW_HAS_ETH);
	cr_assert_eq(r.asked, 0);
	rig_done(&r);
}

/* ------------------------------------------------------------- the ring */

Test(recent, numbers_and_room)
{
	struct recent *r;
	struct flow fl = {.rate = 1};

	cr_assert_eq(recent_new(0, &r), -EINVAL);
	cr_assert_eq(recent_new(4, &r), 0);
	cr_assert_eq(recent_oldest(r), 1);
	cr_assert_eq(recent_next(r), 1);
	cr_assert_null(recent_get(r, 0));
	cr_assert_null(recent_get(r, 1));
	for (uint32_t i = 1; i <= 11; i++) {
		fl.seq = i;
		recent_put(r, &fl);
		cr_assert_eq(recent_next(r), i + 1);
		cr_assert_eq(recent_oldest(r), i <= 4 ? 1 : i - 3);
		for (uint64_t n = 0; n <= i + 1; n++) {
			const struct flow *got = recent_get(r, n);

			cr_assert_eq(got != NULL,
				     n >= recent_oldest(r) && n <= i);
			if (got)
				cr_assert_eq(got->seq, n);
		}
	}
	recent_free(r);
	recent_free(NULL);
}

Test(recent, keeps_path_and_communities)
{
	uint32_t path[ATTR_PATH_MAX + 8], comm[ATTR_COMM_MAX + 8];
	struct flow fl = {.path = path, .comm = comm};
	const struct flow *got;
	struct recent *r;

	cr_assert_eq(recent_new(2, &r), 0);
	for (uint16_t len = 0; len <= ATTR_PATH_MAX + 8; len++) {
		uint16_t kept = len < ATTR_PATH_MAX ? len : ATTR_PATH_MAX;

		for (uint32_t i = 0; i < len; i++) {
			path[i] = len * 100u + i;
			comm[i] = len * 7000u + i;
		}
		fl.path_len = fl.comm_len = len;
		recent_put(r, &fl);
		memset(path, 0xff, sizeof(path)); /* the RIB has changed */
		memset(comm, 0xff, sizeof(comm));
		got = recent_get(r, recent_next(r) - 1);
		cr_assert_eq(got->path_len, kept);
		cr_assert_eq(got->comm_len, kept);
		for (uint32_t i = 0; i < kept; i++) {
			cr_assert_eq(got->path[i], len * 100u + i);
			cr_assert_eq(got->comm[i], len * 7000u + i);
		}
	}
	recent_free(r);
}

Test(recent, filter)
{
	struct flow fl = flow_of("192.0.2.1", "8.8.8.8"), bare = {.in_if = 3};
	static const struct {
		struct flow_filter want;
		bool yes, yes_bare;
	} t[] = {
		{{.dir = 1}, true, true}, /* not asked for */
		{{.by_as = true, .asn = 64512}, true, false},
		{{.by_as = true, .asn = 15169}, true, false},
		{{.by_as = true, .asn = 0}, false, false},
		{{.by_as = true, .asn = 64496}, false, false},
		{{.by_port = true, .port = 443}, true, false},
		{{.by_port = true, .port = 50000}, true, false},
		{{.by_port = true, .port = 0}, false, false},
		{{.by_proto = true, .proto = 17}, true, false},
		{{.by_proto = true, .proto = 0}, false, false},
		{{.by_iface = true, .iface = 3}, true, true},
		{{.by_iface = true, .iface = 4}, true, false},
		{{.by_iface = true, .iface = 5}, false, false},
		{{.by_dir = true, .dir = ASM_DIR_OUT}, true, false},
		{{.by_dir = true, .dir = ASM_DIR_IN}, false, true},
		{{.by_dir = true, .dir = ASM_DIR_OUT, .by_port = true},
		 false,
		 false},
	};
	static const struct {
		const char *prefix;
		bool yes;
	} p[] = {
		{"192.0.2.0/24", true}, {"8.8.8.8/32", true},
		{"0.0.0.0/0", true},    {"192.0.3.0/24", false},
		{"8.8.8.9/32", false},  {"::/0", false},
	};

	fl.has |= FLOW_HAS_PORTS | FLOW_HAS_ROUTES;
	fl.src_as = 64512;
	fl.dst_as = 15169;
	fl.dst_peer_as = 64496;
	fl.ip.proto = 17;
	fl.ip.src_port = 50000;
	fl.ip.dst_port = 443;
	fl.in_if = 3;
	fl.out_if = 4;
	fl.dir = ASM_DIR_OUT;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		cr_assert_eq(flow_matches(&fl, &t[i].want), t[i].yes, "%zu", i);
		cr_assert_eq(flow_matches(&bare, &t[i].want), t[i].yes_bare,
			     "%zu", i);
	}
	for (size_t i = 0; i < sizeof(p) / sizeof(*p); i++) {
		struct flow_filter w = {.by_prefix = true};

		cr_assert_eq(prefix_parse(p[i].prefix, &w.prefix), 0);
		cr_assert_eq(flow_matches(&fl, &w), p[i].yes, "%s",
			     p[i].prefix);
		cr_assert_not(flow_matches(&bare, &w));
	}
	/* two members of the filter: both have to hold */
	struct flow_filter both = {
		.by_as = true, .asn = 15169, .by_proto = true, .proto = 6};

	cr_assert_not(flow_matches(&fl, &both));
	both.proto = 17;
	cr_assert(flow_matches(&fl, &both));
}
