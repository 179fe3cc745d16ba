/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wr.h"
#include "route/bgp_msg.h"

/* ---- making messages: everything as hex text, blanks ignored */

static size_t hex(const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;
	int hi = -1;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		int v = *text <= '9' ? *text - '0' : *text - 'a' + 10;

		cr_assert(v >= 0 && v < 16);
		if (hi < 0) {
			hi = v;
			continue;
		}
		cr_assert_lt(n, size);
		out[n++] = (uint8_t)(hi << 4 | v);
		hi = -1;
	}
	cr_assert_eq(hi, -1, "odd number of digits");
	return n;
}

/* A message of the type with the body; exactly as long as it is, on the heap,
 * so that ASan sees a read past its end. */
static uint8_t *message(enum bgp_type type, const uint8_t *body, size_t len,
			size_t *ret_len)
{
	uint8_t *msg = malloc(BGP_HDR_LEN + len);
	struct wr w = wr_init(msg, BGP_HDR_LEN + len);

	wr_fill(&w, 0xff, 16);
	wr_be16(&w, (uint16_t)(BGP_HDR_LEN + len));
	wr_u8(&w, (uint8_t)type);
	wr_copy(&w, body, len);
	cr_assert(!w.bad);
	*ret_len = wr_len(&w);
	return msg;
}

static uint8_t *update(const char *withdrawn, const char *attrs,
		       const char *nlri, size_t *ret_len)
{
	static uint8_t body[8192], part[4096];
	struct wr w = wr_init(body, sizeof(body));
	size_t n = hex(withdrawn, part, sizeof(part));

	wr_be16(&w, (uint16_t)n);
	wr_copy(&w, part, n);
	n = hex(attrs, part, sizeof(part));
	wr_be16(&w, (uint16_t)n);
	wr_copy(&w, part, n);
	n = hex(nlri, part, sizeof(part));
	wr_copy(&w, part, n);
	cr_assert(!w.bad);
	return message(BGP_UPDATE, body, wr_len(&w), ret_len);
}

static const struct bgp_update_ctx ebgp = {
	.local_as = 64512, .as4 = true, .ebgp = true, .mp = {true, true}};
static const struct bgp_update_ctx ibgp = {.local_as = 64512,
					   .as4 = true,
					   .mp = {true, true}};

static struct bgp_update u;
static struct bgp_error err;

static enum bgp_verdict decode(const struct bgp_update_ctx *ctx,
			       const char *withdrawn, const char *attrs,
			       const char *nlri)
{
	size_t len;
	uint8_t *msg = update(withdrawn, attrs, nlri, &len);
	static uint8_t *last;

	free(last); /* u points into it until the next call */
	last = msg;
	return bgp_update_decode(msg, len, ctx, &u, &err);
}

/* The list as text: "203.0.113.0/24 10.0.0.0/8#7" (#: path identifier). */
static const char *list(struct bgp_nlri nlri)
{
	static char text[1024];
	char buf[PREFIX_STRLEN];
	struct prefix p;
	uint32_t id;
	size_t n = 0;

	text[0] = '\0';
	while (bgp_nlri_next(&nlri, &p, &id)) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				      n ? " " : "", prefix_str(&p, buf));
		if (id)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "#%u",
					      id);
	}
	return text;
}

#define ORIGIN  "40 01 01 00"
#define PATH    "40 02 06 02 01 0000fde9" /* 65001 */
#define NEXTHOP "40 03 04 c0000201"
#define LOCPREF "40 05 04 00000064"
#define BASE    ORIGIN PATH NEXTHOP LOCPREF
#define NLRI    "18 cb0071" /* 203.0.113.0/24 */
#define MP6                                                       \
	"80 0e 1a 0002 01 10 20010db8000000000000000000000001 00" \
	"20 20010db8" /* 2001:db8::/32 */
#define MP6_GONE "80 0f 08 0002 01 20 20010db9"

/* ---- RFC 7606, case by case */

enum { E = 1, I = 2, EI = 3 }; /* kinds of peer */

/* clang-format off */
static const struct attr_case {
	const char *name;
	int peers;
	const char *attrs;
	const char *nlri;
	enum bgp_verdict verdict;
	uint8_t subcode;
	uint8_t attr;
} cases[] = {
#define OK_   BGP_OK, 0, 0
#define TAW_  BGP_TREAT_AS_WITHDRAW
#define DISC_ BGP_ATTR_DISCARD
#define RST_  BGP_SESSION_RESET
	{"good, internal", I, BASE, NLRI, OK_},
	{"good, external", E, ORIGIN PATH NEXTHOP, NLRI, OK_},
	{"any order", I, LOCPREF NEXTHOP PATH ORIGIN, NLRI, OK_},
	/* ORIGIN */
	{"origin of length 0", I, "400100" PATH NEXTHOP LOCPREF, NLRI, TAW_,
	 5, 1},
	{"origin of length 2", I, "4001020000" PATH NEXTHOP LOCPREF, NLRI,
	 TAW_, 5, 1},
	{"origin of value 3", I, "40010103" PATH NEXTHOP LOCPREF, NLRI, TAW_,
	 6, 1},
	{"origin of value 255", I, "400101ff" PATH NEXTHOP LOCPREF, NLRI,
	 TAW_, 6, 1},
	{"origin optional", I, "c0010100" PATH NEXTHOP LOCPREF, NLRI, TAW_,
	 4, 1},
	{"origin not transitive", I, "00010100" PATH NEXTHOP LOCPREF, NLRI,
	 TAW_, 4, 1},
	{"origin missing", I, PATH NEXTHOP LOCPREF, NLRI, TAW_, 3, 1},
	/* AS_PATH */
	{"empty path, internal", I, ORIGIN "400200" NEXTHOP LOCPREF, NLRI,
	 OK_},
	{"empty path, external", E, ORIGIN "400200" NEXTHOP, NLRI, TAW_, 11,
	 2},
	{"segment overruns", I, ORIGIN "4002060202 0000fde9" NEXTHOP LOCPREF,
	 NLRI, TAW_, 11, 2},
	{"segment under-runs", I,
	 ORIGIN "40020702010000fde9 00" NEXTHOP LOCPREF, NLRI, TAW_, 11, 2},
	{"segment of no members", I, ORIGIN "4002020200" NEXTHOP LOCPREF,
	 NLRI, TAW_, 11, 2},
	{"segment of type 0", I, ORIGIN "4002060001 0000fde9" NEXTHOP LOCPREF,
	 NLRI, TAW_, 11, 2},
	{"segment of type 5", I, ORIGIN "4002060501 0000fde9" NEXTHOP LOCPREF,
	 NLRI, TAW_, 11, 2},
	{"path of one byte", I, ORIGIN "40020102" NEXTHOP LOCPREF, NLRI, TAW_,
	 11, 2},
	{"AS 0 in the path", I, ORIGIN "4002060201 00000000" NEXTHOP LOCPREF,
	 NLRI, TAW_, 11, 2},
	{"AS 0 in a set", E,
	 ORIGIN "40020c0201 0000fde9 0101 00000000" NEXTHOP, NLRI, TAW_, 11,
	 2},
	{"confederation, external", E,
	 ORIGIN "40020c0301 0000fde9 0201 0000fdea" NEXTHOP, NLRI, TAW_, 11,
	 2},
	{"confederation, internal", I,
	 ORIGIN "40020c0301 0000fde9 0201 0000fdea" NEXTHOP LOCPREF, NLRI,
	 OK_},
	{"path missing", E, ORIGIN NEXTHOP, NLRI, TAW_, 3, 2},
	{"path partial bit only", I, ORIGIN "60020602010000fde9" NEXTHOP
	 LOCPREF, NLRI, OK_},
	/* NEXT_HOP */
	{"next hop of length 3", E, ORIGIN PATH "400303c00002", NLRI, TAW_, 5,
	 3},
	{"next hop of length 0", E, ORIGIN PATH "400300", NLRI, TAW_, 5, 3},
	{"next hop of length 16", E,
	 ORIGIN PATH "40031020010db8000000000000000000000001", NLRI, TAW_, 5,
	 3},
	{"next hop missing", E, ORIGIN PATH, NLRI, TAW_, 3, 3},
	{"next hop 0.0.0.0", E, ORIGIN PATH "40030400000000", NLRI, DISC_, 8,
	 3},
	{"next hop 127.0.0.1", E, ORIGIN PATH "4003047f000001", NLRI, OK_},
	{"next hop 0.0.0.1", E, ORIGIN PATH "40030400000001", NLRI, DISC_, 8,
	 3},
	{"next hop 224.0.0.5", E, ORIGIN PATH "400304e0000005", NLRI, DISC_, 8,
	 3},
	/* MED */
	{"MED", E, ORIGIN PATH NEXTHOP "80040400000001", NLRI, OK_},
	{"MED of length 0", E, ORIGIN PATH NEXTHOP "800400", NLRI, TAW_, 5, 4},
	{"MED of length 5", E, ORIGIN PATH NEXTHOP "8004050000000100", NLRI,
	 TAW_, 5, 4},
	{"MED transitive", E, ORIGIN PATH NEXTHOP "c0040400000001", NLRI,
	 TAW_, 4, 4},
	/* LOCAL_PREF */
	{"local pref of length 3", I, ORIGIN PATH NEXTHOP "400503000064",
	 NLRI, TAW_, 5, 5},
	{"local pref missing", I, ORIGIN PATH NEXTHOP, NLRI, TAW_, 3, 5},
	{"local pref, external", E, ORIGIN PATH NEXTHOP LOCPREF, NLRI, DISC_,
	 0, 5},
	{"local pref of length 0, external", E, ORIGIN PATH NEXTHOP "400500",
	 NLRI, DISC_, 0, 5},
	/* ATOMIC_AGGREGATE, AGGREGATOR */
	{"atomic aggregate", E, ORIGIN PATH NEXTHOP "400600", NLRI, OK_},
	{"atomic aggregate of length 1", E, ORIGIN PATH NEXTHOP "40060100",
	 NLRI, DISC_, 5, 6},
	{"aggregator", E, ORIGIN PATH NEXTHOP "c007080000fde9c0000201", NLRI,
	 OK_},
	{"aggregator of length 6", E, ORIGIN PATH NEXTHOP "c00706fde9c0000201",
	 NLRI, DISC_, 5, 7},
	{"aggregator of length 0", E, ORIGIN PATH NEXTHOP "c00700", NLRI,
	 DISC_, 5, 7},
	{"aggregator of AS 0", E, ORIGIN PATH NEXTHOP "c0070800000000c0000201",
	 NLRI, DISC_, 5, 7},
	/* communities of all sizes */
	{"communities", E, ORIGIN PATH NEXTHOP "c00808fde90001fde90002", NLRI,
	 OK_},
	{"communities of length 0", E, ORIGIN PATH NEXTHOP "c00800", NLRI,
	 TAW_, 9, 8},
	{"communities of length 6", E, ORIGIN PATH NEXTHOP
	 "c00806fde90001fde9", NLRI, TAW_, 9, 8},
	{"communities not optional", E, ORIGIN PATH NEXTHOP "400804fde90001",
	 NLRI, TAW_, 4, 8},
	{"extended communities of length 7", E, ORIGIN PATH NEXTHOP
	 "c0100700020000fde900", NLRI, TAW_, 9, 16},
	{"extended communities of length 0", E, ORIGIN PATH NEXTHOP "c01000",
	 NLRI, TAW_, 9, 16},
	{"IPv6 communities of length 19", E, ORIGIN PATH NEXTHOP
	 "c01913 00000000000000000000000000000000000000", NLRI, TAW_, 9, 25},
	{"large communities of length 11", E, ORIGIN PATH NEXTHOP
	 "c0200b 0000fde900000001000000", NLRI, TAW_, 9, 32},
	{"large communities of length 16", E, ORIGIN PATH NEXTHOP
	 "c02010 0000fde9000000010000000200000000", NLRI, TAW_, 9, 32},
	{"large communities of length 0", E, ORIGIN PATH NEXTHOP "c02000",
	 NLRI, TAW_, 9, 32},
	/* route reflection */
	{"originator", I, BASE "800904c0000201", NLRI, OK_},
	{"originator of length 5", I, BASE "800905c000020100", NLRI, TAW_, 5,
	 9},
	{"originator, external", E, ORIGIN PATH NEXTHOP "800904c0000201", NLRI,
	 DISC_, 0, 9},
	{"originator of length 5, external", E, ORIGIN PATH NEXTHOP
	 "800905c000020100", NLRI, DISC_, 0, 9},
	{"cluster list of length 0", I, BASE "800a00", NLRI, TAW_, 5, 10},
	{"cluster list of length 7", I, BASE "800a07c0000201c00002", NLRI,
	 TAW_, 5, 10},
	{"cluster list, external", E, ORIGIN PATH NEXTHOP "800a00", NLRI,
	 DISC_, 0, 10},
	/* AS4_* from a speaker of four bytes */
	{"AS4_PATH from a new speaker", E, ORIGIN PATH NEXTHOP
	 "c01106 0201 0000fde9", NLRI, DISC_, 9, 17},
	{"AS4_AGGREGATOR from a new speaker", E, ORIGIN PATH NEXTHOP
	 "c012080000fde9c0000201", NLRI, DISC_, 9, 18},
	/* the rest */
	{"OTC of length 3", E, ORIGIN PATH NEXTHOP "c0230300fde9", NLRI, TAW_,
	 9, 35},
	{"AIGP of length 2", E, ORIGIN PATH NEXTHOP "801a020100", NLRI, DISC_,
	 9, 26},
	{"unknown optional transitive", E, ORIGIN PATH NEXTHOP "c0c802beef",
	 NLRI, OK_},
	{"unknown optional of length 0", E, ORIGIN PATH NEXTHOP "80c800", NLRI,
	 OK_},
	{"unknown well-known", EI, BASE "40c802beef", NLRI, RST_, 2, 200},
	/* duplicates */
	{"origin twice", I, BASE "40010102", NLRI, DISC_, 1, 1},
	{"MED twice", I, BASE "80040400000001" "80040400000002", NLRI, DISC_,
	 1, 4},
	{"unknown twice", I, BASE "c0c80101" "c0c80102", NLRI, DISC_, 1, 200},
	{"MP_REACH twice", I, BASE MP6 MP6, NLRI, RST_, 1, 14},
	{"MP_UNREACH twice", I, BASE MP6_GONE MP6_GONE, NLRI, RST_, 1, 15},
	/* lengths of the list */
	{"attribute overruns the list", I, BASE "800480000000", NLRI, TAW_, 5,
	 4},
	{"one byte left", I, BASE "80", NLRI, TAW_, 5, 0},
	{"two bytes left", I, BASE "8004", NLRI, TAW_, 5, 4},
	{"extended length of one byte", I, BASE "900400", NLRI, TAW_, 5, 4},
	{"extended length", I, BASE "90040004 00000001", NLRI, OK_},
	{"extended length overruns", I, BASE "9004ffff 00000001", NLRI, TAW_,
	 5, 4},
	/* MP_REACH_NLRI, MP_UNREACH_NLRI */
	{"MP_REACH", I, ORIGIN PATH LOCPREF MP6, "", OK_},
	{"MP_REACH and NLRI", I, BASE MP6, NLRI, OK_},
	{"MP_REACH without path", I, ORIGIN LOCPREF MP6, "", TAW_, 3, 2},
	{"MP_REACH with bad origin", I, "40010107" PATH LOCPREF MP6, "", TAW_,
	 6, 1},
	{"MP_REACH transitive", I, ORIGIN PATH LOCPREF
	 "c00e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8",
	 "", TAW_, 4, 14},
	{"MP_REACH of length 0", I, ORIGIN PATH LOCPREF "800e00", "", RST_, 9,
	 14},
	{"MP_REACH of length 4", I, ORIGIN PATH LOCPREF "800e0400020100", "",
	 RST_, 9, 14},
	{"MP_REACH without prefixes", I, ORIGIN PATH LOCPREF
	 "800e 15 0002 01 10 20010db8000000000000000000000001 00", "", OK_},
	{"MP_REACH, next hop of 0", I, ORIGIN PATH LOCPREF
	 "800e 0a 0002 01 00 00 20 20010db8", "", RST_, 9, 14},
	{"MP_REACH, next hop of 15", I, ORIGIN PATH LOCPREF
	 "800e 19 0002 01 0f 20010db80000000000000000000000 00 20 20010db8",
	 "", RST_, 9, 14},
	{"MP_REACH, next hop of 4 for IPv6", I, ORIGIN PATH LOCPREF
	 "800e 0e 0002 01 04 c0000201 00 20 20010db8", "", RST_, 9, 14},
	{"MP_REACH, next hop overruns", I, ORIGIN PATH LOCPREF
	 "800e 0a 0002 01 20 00 20 20010db8", "", RST_, 9, 14},
	{"MP_REACH, two next hops", I, ORIGIN PATH LOCPREF
	 "800e 2a 0002 01 20 20010db8000000000000000000000001"
	 "fe800000000000000000000000000001 00 20 20010db8", "", OK_},
	{"MP_REACH, prefix of /129", I, ORIGIN PATH LOCPREF
	 "800e 1a 0002 01 10 20010db8000000000000000000000001 00 81 20010db8",
	 "", RST_, 9, 14},
	{"MP_REACH, prefix overruns", I, ORIGIN PATH LOCPREF
	 "800e 1a 0002 01 10 20010db8000000000000000000000001 00 21 20010db8",
	 "", RST_, 9, 14},
	{"MP_REACH of another family", I, ORIGIN PATH LOCPREF
	 "800e 09 0019 41 04 c0000201 00", "", OK_},
	{"MP_UNREACH alone", I, MP6_GONE, "", OK_},
	{"MP_UNREACH of length 2", I, "800f020002", "", RST_, 9, 15},
	{"MP_UNREACH, prefix of /255", I, "800f050002 01 ff 20", "", RST_, 9,
	 15},
	{"MP_UNREACH and faults", I, MP6_GONE "40010107", "", RST_, 6, 1},
	{"fault and nothing to withdraw", I, "40010107" PATH, "", RST_, 6, 1},
	{"attributes without prefixes", I, ORIGIN PATH, "", OK_},
	/* NLRI */
	{"NLRI of /33", I, BASE, "21 cb00710000", RST_, 10, 0},
	{"NLRI overruns", I, BASE, "18 cb00", RST_, 10, 0},
	{"NLRI of /0", I, BASE, "00", OK_},
	{"NLRI of /32", I, BASE, "20 cb007101", OK_},
#undef OK_
};
/* clang-format on */

static void run_case(const struct attr_case *c,
		     const struct bgp_update_ctx *ctx)
{
	enum bgp_verdict v = decode(ctx, "10 c633", c->attrs, c->nlri);
	const char *who = ctx->ebgp ? "external" : "internal";

	cr_assert_eq(v, c->verdict, "%s (%s): verdict %d, expected %d: %s",
		     c->name, who, v, c->verdict, err.what ? err.what : "");
	cr_assert_eq(v, err.verdict, "%s", c->name);
	if (v != BGP_OK) {
		cr_assert_not_null(err.what);
		cr_assert_eq(err.code, BGP_N_UPDATE);
		cr_assert_eq(err.subcode, c->subcode,
			     "%s (%s): subcode %u, expected %u: %s", c->name,
			     who, err.subcode, c->subcode, err.what);
		cr_assert_eq(err.attr, c->attr, "%s (%s): attribute %u: %s",
			     c->name, who, err.attr, err.what);
	}
	/* What was withdrawn beside the fault is withdrawn. */
	if (v != BGP_SESSION_RESET)
		cr_assert_str_eq(list(u.withdrawn), "198.51.0.0/16", "%s",
				 c->name);
	/* What is to be treated as withdrawn is named. */
	if (v == BGP_TREAT_AS_WITHDRAW)
		cr_assert(rd_left(&u.announced.r) || rd_left(&u.mp_announced.r),
			  "%s: nothing to withdraw", c->name);
}

Test(bgp_update, rfc7606_cases)
{
	size_t n = sizeof(cases) / sizeof(*cases);

	cr_assert_geq(n, 88);
	for (size_t i = 0; i < n; i++) {
		if (cases[i].peers & E)
			run_case(&cases[i], &ebgp);
		if (cases[i].peers & I)
			run_case(&cases[i], &ibgp);
	}
}

/* Each case once more with MP_UNREACH_NLRI behind the fault: its prefixes are
 * withdrawn whatever comes before, unless the attribute list itself broke. */
Test(bgp_update, unreach_behind_a_fault)
{
	char attrs[2048];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct attr_case *c = &cases[i];

		if (c->verdict == BGP_SESSION_RESET ||
		    strstr(c->name, "left") || strstr(c->name, "UNREACH") ||
		    strstr(c->name, "overruns") ||
		    strstr(c->name, "extended length of"))
			continue;
		(void)snprintf(attrs, sizeof(attrs), "%s" MP6_GONE, c->attrs);
		enum bgp_verdict v = decode(c->peers & E ? &ebgp : &ibgp, "",
					    attrs, c->nlri);

		cr_assert_eq(v, c->verdict, "%s", c->name);
		cr_assert_str_eq(list(u.mp_withdrawn), "2001:db9::/32", "%s",
				 c->name);
	}
}

/* ---- lengths */

static void check_any(const uint8_t *msg, size_t len)
{
	static const bool yes[FAMILIES] = {true, true};
	struct bgp_update_ctx ctx;
	struct prefix p;
	uint32_t id;

	for (unsigned k = 0; k < 16; k++) {
		ctx = (struct bgp_update_ctx){.local_as = 64512,
					      .as4 = k & 1,
					      .ebgp = k & 2,
					      .ext_next_hop = k & 4};
		memcpy(ctx.mp, yes, sizeof(yes));
		if (k & 8)
			memcpy(ctx.add_path, yes, sizeof(yes));
		if (bgp_update_decode(msg, len, &ctx, &u, &err) ==
		    BGP_SESSION_RESET)
			continue;
		while (bgp_nlri_next(&u.withdrawn, &p, &id) ||
		       bgp_nlri_next(&u.mp_withdrawn, &p, &id) ||
		       bgp_nlri_next(&u.announced, &p, &id) ||
		       bgp_nlri_next(&u.mp_announced, &p, &id))
			cr_assert_leq(p.len,
				      family_bits((enum family)p.family));
		cr_assert_leq(u.attr.path_len, ATTR_PATH_MAX);
	}
}

/* Every prefix of every message of the table, in a buffer of exactly that
 * size; and every byte of it replaced by 0, 0xff and one more. */
Test(bgp_update, truncations_and_mutations)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len;
		uint8_t *msg =
			update("10 c633", cases[i].attrs, cases[i].nlri, &len);

		for (size_t cut = BGP_HDR_LEN; cut <= len; cut++) {
			uint8_t *part = malloc(cut);

			memcpy(part, msg, cut);
			check_any(part, cut);
			free(part);
		}
		for (size_t at = BGP_HDR_LEN; at < len; at++) {
			uint8_t was = msg[at];
			const uint8_t to[] = {0, 0xff, (uint8_t)(was + 1)};

			for (size_t k = 0; k < sizeof(to); k++) {
				msg[at] = to[k];
				check_any(msg, len);
			}
			msg[at] = was;
		}
		free(msg);
	}
}

/* The two inner lengths at 0, right, one past and their maximum. */
Test(bgp_update, inner_lengths)
{
	size_t len;
	uint8_t *msg = update("10 c633", BASE, NLRI, &len);
	size_t attrs_at = BGP_HDR_LEN + 2 + 3;
	const struct {
		size_t at;
		uint16_t value;
		enum bgp_verdict verdict;
		uint8_t subcode;
	} tries[] = {
		{BGP_HDR_LEN, 3, BGP_OK, 0},
		{BGP_HDR_LEN, (uint16_t)(len - 22), BGP_SESSION_RESET, 1},
		{BGP_HDR_LEN, 65535, BGP_SESSION_RESET, 1},
		{attrs_at, (uint16_t)(len - attrs_at - 1), BGP_SESSION_RESET,
		 1},
		{attrs_at, 65535, BGP_SESSION_RESET, 1},
		/* all attributes become prefixes: the first, "40 01...", is
		 * a /64 */
		{attrs_at, 0, BGP_SESSION_RESET, 10},
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		uint8_t was[2] = {msg[tries[i].at], msg[tries[i].at + 1]};

		msg[tries[i].at] = (uint8_t)(tries[i].value >> 8);
		msg[tries[i].at + 1] = (uint8_t)tries[i].value;
		cr_assert_eq(bgp_update_decode(msg, len, &ibgp, &u, &err),
			     tries[i].verdict, "try %zu", i);
		cr_assert_eq(err.subcode, tries[i].subcode, "try %zu", i);
		memcpy(msg + tries[i].at, was, 2);
	}
	free(msg);
}

/* ---- what a good message says */

Test(bgp_update, all_fields)
{
	cr_assert_eq(decode(&ibgp, "08 0a",
			    "40010101 40020a 0202 0000fde9 fffffffe" NEXTHOP
			    "80040400000007" LOCPREF
			    "c00804fde90001" MP6 MP6_GONE,
			    NLRI "00"
				 "20c0000205"),
		     BGP_OK);
	cr_assert_str_eq(list(u.withdrawn), "10.0.0.0/8");
	cr_assert_str_eq(list(u.announced),
			 "203.0.113.0/24 0.0.0.0/0 192.0.2.5/32");
	cr_assert_str_eq(list(u.mp_announced), "2001:db8::/32");
	cr_assert_str_eq(list(u.mp_withdrawn), "2001:db9::/32");
	cr_assert_eq(u.attr.origin, ATTR_EGP);
	cr_assert_eq(u.attr.origin_as, 4294967294u);
	cr_assert_eq(u.attr.neighbour_as, 65001);
	cr_assert_eq(u.attr.path_hops, 2);
	cr_assert_eq(u.attr.path_len, 2);
	cr_assert_eq(u.attr.med, 7);
	cr_assert_eq(u.attr.local_pref, 100);
	cr_assert_eq(u.attr.flags, ATTR_HAS_MED | ATTR_HAS_LOCPREF);
	cr_assert_eq(u.attr.comm_len, 1);
	cr_assert_eq(u.attr.comm[0], 0xfde90001u);
	cr_assert_eq(u.attr.next_hop.hi, UINT64_C(0xc000020100000000));
	cr_assert_eq(u.mp_next_hop.hi, UINT64_C(0x20010db800000000));
	cr_assert_eq(u.mp_next_hop.lo, 1);
	cr_assert(!u.eor[0] && !u.eor[1]);
}

/* Host bits beyond the length are masked (and do not make a second prefix),
 * at every length of both families. */
Test(bgp_update, host_bits_are_masked)
{
	char nlri[64], attrs[256];
	struct prefix p;
	uint32_t id;

	for (unsigned len = 0; len <= 32; len++) {
		unsigned bytes = (len + 7) / 8;

		(void)snprintf(nlri, sizeof(nlri), "%02x%.*s", len,
			       (int)(2 * bytes), "ffffffff");
		cr_assert_eq(decode(&ibgp, "", BASE, nlri), BGP_OK);
		cr_assert(bgp_nlri_next(&u.announced, &p, &id));
		cr_assert_eq(p.len, len);
		cr_assert_eq(p.lo, 0);
		cr_assert_eq(p.hi, len ? ~(UINT64_MAX >> len) : 0);
	}
	for (unsigned len = 0; len <= 128; len++) {
		unsigned bytes = (len + 7) / 8;

		(void)snprintf(attrs, sizeof(attrs),
			       "800f%02x 0002 01 %02x%.*s", 4 + bytes, len,
			       (int)(2 * bytes),
			       "ffffffffffffffffffffffffffffffff");
		cr_assert_eq(decode(&ibgp, "", attrs, ""), BGP_OK);
		cr_assert(bgp_nlri_next(&u.mp_withdrawn, &p, &id));
		cr_assert_eq(p.len, len);
		cr_assert_eq(p.hi, len == 0    ? 0
				   : len >= 64 ? UINT64_MAX
					       : ~(UINT64_MAX >> len));
		cr_assert_eq(p.lo, len <= 64    ? 0
				   : len == 128 ? UINT64_MAX
						: ~(UINT64_MAX >> (len - 64)));
	}
}

Test(bgp_update, add_path)
{
	struct bgp_update_ctx ctx = ibgp;

	ctx.add_path[FAMILY_IP4] = true;
	cr_assert_eq(decode(&ctx, "00000009 08 0a", BASE MP6,
			    "00000001 18cb0071 00000002 18cb0071"),
		     BGP_OK);
	cr_assert_str_eq(list(u.withdrawn), "10.0.0.0/8#9");
	cr_assert_str_eq(list(u.announced),
			 "203.0.113.0/24#1 203.0.113.0/24#2");
	cr_assert_str_eq(list(u.mp_announced), "2001:db8::/32");
	/* A path identifier and nothing behind it. */
	cr_assert_eq(decode(&ctx, "", BASE, "00000001"), BGP_SESSION_RESET);
	/* Without the capability the same bytes read as /0 and more. */
	cr_assert_eq(decode(&ibgp, "", BASE, "00000001 18cb0071"),
		     BGP_SESSION_RESET);
}

/* RFC 8950: IPv4 prefixes with an IPv6 next hop, only where negotiated. */
Test(bgp_update, extended_next_hop)
{
	struct bgp_update_ctx ctx = ibgp;
	const char *attrs = ORIGIN PATH LOCPREF
		"800e 19 0001 01 10 20010db8000000000000000000000001 00"
		"18 cb0071";

	cr_assert_eq(decode(&ctx, "", attrs, ""), BGP_SESSION_RESET);
	ctx.ext_next_hop = true;
	cr_assert_eq(decode(&ctx, "", attrs, ""), BGP_OK);
	cr_assert_str_eq(list(u.mp_announced), "203.0.113.0/24");
	cr_assert_eq(u.mp_next_hop.family, FAMILY_IP6);
}

Test(bgp_update, end_of_rib)
{
	struct bgp_update_ctx only6 = ibgp;

	cr_assert_eq(decode(&ibgp, "", "", ""), BGP_OK);
	cr_assert(u.eor[FAMILY_IP4] && !u.eor[FAMILY_IP6]);
	cr_assert_eq(decode(&ibgp, "", "800f03 0002 01", ""), BGP_OK);
	cr_assert(!u.eor[FAMILY_IP4] && u.eor[FAMILY_IP6]);
	cr_assert_eq(decode(&ibgp, "", "900f0003 0001 01", ""), BGP_OK);
	cr_assert(u.eor[FAMILY_IP4] && !u.eor[FAMILY_IP6]);
	/* Not one: other families, attributes beside it, prefixes. */
	cr_assert_eq(decode(&ibgp, "", "800f03 0019 41", ""), BGP_OK);
	cr_assert(!u.eor[FAMILY_IP4] && !u.eor[FAMILY_IP6]);
	cr_assert_eq(decode(&ibgp, "", "800f03 0002 01" ORIGIN, ""), BGP_OK);
	cr_assert(!u.eor[FAMILY_IP4] && !u.eor[FAMILY_IP6]);
	cr_assert_eq(decode(&ibgp, "", MP6_GONE, ""), BGP_OK);
	cr_assert(!u.eor[FAMILY_IP4] && !u.eor[FAMILY_IP6]);
	only6.mp[FAMILY_IP4] = false;
	cr_assert_eq(decode(&only6, "", "", ""), BGP_OK);
	cr_assert(!u.eor[FAMILY_IP4]);
}

/* Families that were not negotiated are checked and skipped. */
Test(bgp_update, family_not_negotiated)
{
	struct bgp_update_ctx ctx = ibgp;

	ctx.mp[FAMILY_IP4] = false;
	cr_assert_eq(decode(&ctx, "08 0a", BASE MP6, NLRI), BGP_OK);
	cr_assert_str_eq(list(u.withdrawn), "");
	cr_assert_str_eq(list(u.announced), "");
	cr_assert_str_eq(list(u.mp_announced), "2001:db8::/32");
	cr_assert_eq(u.unnegotiated, 2);
	cr_assert_eq(decode(&ctx, "", BASE, "21 00000000ff"),
		     BGP_SESSION_RESET);
}

/* ---- whose route it is (RFC 4271, 5065, 6793) */

/* clang-format off */
static const struct path_case {
	const char *name;
	bool as4;
	const char *attrs; /* without ORIGIN, NEXT_HOP and LOCAL_PREF */
	uint32_t origin_as, neighbour_as, hops;
	uint32_t flags;
	uint16_t len;
} path_cases[] = {
	{"sequence", true, "40020e 0203 00000001 00000002 00000003", 3, 1, 3,
	 0, 3},
	{"empty: our own", true, "400200", 64512, 0, 0, ATTR_LOCAL, 0},
	{"ends in a set", true,
	 "400210 0201 00000001 0102 00000002 00000003", 3, 1, 2, ATTR_AS_SET,
	 3},
	{"set in the middle", true,
	 "400216 0201 00000001 0102 00000002 00000003 0201 00000004", 4, 1, 3,
	 0, 4},
	{"a set alone", true, "400206 0101 00000007", 7, 0, 1, ATTR_AS_SET,
	 1},
	{"confederation alone: our own", true,
	 "40020c 0301 00000001 0401 00000002", 64512, 0, 0, ATTR_LOCAL, 0},
	{"confederation before", true,
	 "400210 0302 00000001 00000002 0201 00000003", 3, 3, 1, 0, 1},
	{"confederation behind", true,
	 "40020c 0201 00000003 0301 00000001", 3, 3, 1, 0, 1},
	{"two sequences", true, "40020c 0201 00000001 0201 00000002", 2, 1, 2,
	 0, 2},
	{"two bytes", false, "400206 0202 0001 0002", 2, 1, 2, 0, 2},
	/* AS4_PATH */
	{"merge", false,
	 "400208 0203 0001 5ba0 5ba0 c0110a 0202 00010001 00010002", 65538, 1,
	 3, 0, 3},
	{"merge, AS4_PATH first", false,
	 "c0110a 0202 00010001 00010002 400208 0203 0001 5ba0 5ba0", 65538, 1,
	 3, 0, 3},
	{"AS4_PATH replaces all", false,
	 "400206 0202 5ba0 5ba0 c0110a 0202 00010001 00010002", 65538, 65537,
	 2, 0, 2},
	{"AS4_PATH longer than the path: ignored", false,
	 "400204 0201 5ba0 c0110a 0202 00010001 00010002", 23456, 23456, 1, 0,
	 1},
	{"AS4_PATH malformed: ignored", false,
	 "400204 0201 5ba0 c0110a 0203 00010001 00010002", 23456, 23456, 1, 0,
	 1},
	{"AS4_PATH with AS 0: ignored", false,
	 "400204 0201 5ba0 c01106 0201 00000000", 23456, 23456, 1, 0, 1},
	{"AS4_PATH of length 0: ignored", false, "400204 0201 5ba0 c01100",
	 23456, 23456, 1, 0, 1},
	{"confederation in AS4_PATH is left out", false,
	 "400206 0202 0001 5ba0 c0110c 0301 00000009 0201 00010002", 65538, 1,
	 2, 0, 2},
	{"AS4_PATH ends in a set", false,
	 "400206 0202 0001 5ba0 c0110a 0102 00010001 00010002", 65538, 1, 2,
	 ATTR_AS_SET, 3},
	{"aggregated by an old speaker: AS4_PATH is stale", false,
	 "400206 0202 0001 5ba0 c01106 0201 00010002 c00706 0005 c0000201",
	 23456, 1, 2, 0, 2},
	{"aggregated by a new speaker", false,
	 "400206 0202 0001 5ba0 c01106 0201 00010002 c00706 5ba0 c0000201"
	 "c01208 00010005 c0000201", 65538, 1, 2, 0, 2},
};
/* clang-format on */

Test(bgp_update, paths)
{
	char attrs[512];

	for (size_t i = 0; i < sizeof(path_cases) / sizeof(*path_cases); i++) {
		const struct path_case *c = &path_cases[i];
		struct bgp_update_ctx ctx = ibgp;
		enum bgp_verdict v;

		ctx.as4 = c->as4;
		(void)snprintf(attrs, sizeof(attrs),
			       ORIGIN NEXTHOP LOCPREF "%s", c->attrs);
		v = decode(&ctx, "", attrs, NLRI);
		cr_assert_eq(v,
			     strstr(c->name, "malformed") ||
					     strstr(c->name, "AS 0") ||
					     strstr(c->name, "length 0")
				     ? BGP_ATTR_DISCARD
				     : BGP_OK,
			     "%s: %s", c->name, err.what ? err.what : "");
		cr_assert_eq(u.attr.origin_as, c->origin_as, "%s: %u", c->name,
			     u.attr.origin_as);
		cr_assert_eq(u.attr.neighbour_as, c->neighbour_as, "%s: %u",
			     c->name, u.attr.neighbour_as);
		cr_assert_eq(u.attr.path_hops, c->hops, "%s: %u", c->name,
			     u.attr.path_hops);
		cr_assert_eq(u.attr.path_len, c->len, "%s", c->name);
		cr_assert_eq(u.attr.flags & (ATTR_AS_SET | ATTR_LOCAL),
			     c->flags, "%s", c->name);
	}
}

/* A path longer than we keep still has its origin: ten segments of 255. */
Test(bgp_update, longest_path)
{
	static uint8_t body[16000];
	struct wr w = wr_init(body, sizeof(body));
	size_t len, at, n = 10 * (2 + 255 * 4);
	uint8_t *msg;

	wr_be16(&w, 0);
	wr_be16(&w, (uint16_t)(n + 4 + 4 + 7));
	wr_be32(&w, 0x40010100);
	wr_be32(&w, 0x40030400 | 0xc0);
	w.p -= 1; /* 40 03 04, then the address */
	wr_be32(&w, 0xc0000201);
	wr_be16(&w, 0x5002);
	wr_be16(&w, (uint16_t)n);
	for (uint32_t i = 0; i < 2550; i++) {
		if (i % 255 == 0)
			wr_be16(&w, 0x02ff);
		wr_be32(&w, i + 1);
	}
	at = wr_len(&w);
	wr_be32(&w, 0x18cb0071);
	cr_assert(!w.bad && at > 0);
	msg = message(BGP_UPDATE, body, wr_len(&w), &len);
	cr_assert_eq(bgp_update_decode(msg, len, &ebgp, &u, &err), BGP_OK, "%s",
		     err.what);
	cr_assert_eq(u.attr.origin_as, 2550);
	cr_assert_eq(u.attr.path_hops, 2550);
	cr_assert_eq(u.attr.path_len, ATTR_PATH_MAX);
	cr_assert_eq(u.attr.path[63], 64);
	free(msg);
}

/* ---- header */

Test(bgp_header, bounds)
{
	static const struct {
		uint8_t type;
		uint16_t len, max;
		uint8_t subcode; /* 0: good */
	} t[] = {
		{1, 29, 4096, 0},    {1, 28, 4096, 2},   {1, 4096, 65535, 0},
		{1, 4097, 65535, 2}, {2, 23, 4096, 0},   {2, 22, 4096, 2},
		{2, 4096, 4096, 0},  {2, 4097, 4096, 2}, {2, 65535, 65535, 0},
		{3, 21, 4096, 0},    {3, 20, 4096, 2},   {4, 19, 4096, 0},
		{4, 20, 4096, 2},    {4, 18, 4096, 2},   {5, 23, 4096, 0},
		{5, 22, 4096, 2},    {0, 19, 4096, 3},   {6, 23, 4096, 3},
		{255, 23, 4096, 3},  {2, 0, 4096, 2},    {2, 65535, 4096, 2},
	};
	struct bgp_header h;
	uint8_t hdr[BGP_HDR_LEN];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		memset(hdr, 0xff, 16);
		hdr[16] = (uint8_t)(t[i].len >> 8);
		hdr[17] = (uint8_t)t[i].len;
		hdr[18] = t[i].type;
		enum bgp_verdict v = bgp_header_decode(hdr, t[i].max, &h, &err);

		cr_assert_eq(v, t[i].subcode ? BGP_SESSION_RESET : BGP_OK,
			     "try %zu", i);
		cr_assert_eq(err.subcode, t[i].subcode, "try %zu", i);
		if (v == BGP_OK) {
			cr_assert_eq(h.len, t[i].len);
			cr_assert_eq(h.type, t[i].type);
		} else {
			cr_assert_eq(err.code, BGP_N_HEADER);
			cr_assert_eq(err.data_len, t[i].subcode == 2 ? 2 : 1);
		}
	}
	for (unsigned i = 0; i < 16; i++) {
		memset(hdr, 0xff, 16);
		hdr[i] = 0xfe;
		cr_assert_eq(bgp_header_decode(hdr, 4096, &h, &err),
			     BGP_SESSION_RESET);
		cr_assert_eq(err.subcode, BGP_N_HDR_SYNC);
	}
}

/* ---- OPEN */

static enum bgp_verdict open_hex(const char *text, struct bgp_open *ret)
{
	uint8_t body[1024];
	size_t len, n = hex(text, body, sizeof(body));
	uint8_t *msg = message(BGP_OPEN, body, n, &len);
	enum bgp_verdict v = bgp_open_decode(msg, len, ret, &err);

	free(msg);
	return v;
}

#define OPEN_HEAD "04 fde9 005a c0000201"

Test(bgp_open, vectors)
{
	static const struct {
		const char *name, *text;
		int subcode; /* -1: good */
	} t[] = {
		{"no parameters", OPEN_HEAD "00", -1},
		{"a capability", OPEN_HEAD "06 0204 0200 4600", -1},
		{"version 3", "03 fde9 005a c0000201 00", 1},
		{"AS 0", "04 0000 005a c0000201 00", 2},
		{"AS 0 as capability", OPEN_HEAD "08 0206 4104 00000000", 2},
		{"hold time 0", "04 fde9 0000 c0000201 00", -1},
		{"hold time 1", "04 fde9 0001 c0000201 00", 6},
		{"hold time 2", "04 fde9 0002 c0000201 00", 6},
		{"hold time 3", "04 fde9 0003 c0000201 00", -1},
		{"identifier 0", "04 fde9 005a 00000000 00", 3},
		{"parameters too long", OPEN_HEAD "07 0204 0200 4600", 0},
		{"parameters too short", OPEN_HEAD "05 0204 0200 4600", 0},
		{"parameter overruns", OPEN_HEAD "06 0205 0200 4600", 0},
		{"parameter of type 1", OPEN_HEAD "06 0104 0200 4600", 4},
		{"capability overruns", OPEN_HEAD "06 0204 0200 4601", 0},
		{"capability header cut", OPEN_HEAD "05 0203 0200 46", 0},
		{"AS capability of length 0", OPEN_HEAD "04 0202 4100", 0},
		{"AS capability of length 3", OPEN_HEAD "07 0205 4103 000001",
		 0},
		{"AS capability of length 5",
		 OPEN_HEAD "09 0207 4105 0000000100", 0},
		{"MP capability of length 0", OPEN_HEAD "04 0202 0100", -1},
		{"GR capability of length 1", OPEN_HEAD "05 0203 4001 00", -1},
		{"ADD-PATH capability of length 3",
		 OPEN_HEAD "07 0205 4503 000101", -1},
		{"empty parameter", OPEN_HEAD "02 0200", -1},
		{"extended parameters (RFC 9072)",
		 OPEN_HEAD "ff ff 0007 02 0004 0200 4600", -1},
		{"extended parameters, first length ignored",
		 OPEN_HEAD "07 ff 0007 02 0004 0200 4600", -1},
		{"extended parameters, first length 0",
		 OPEN_HEAD "00 ff 0007 02 0004 0200 4600", 0},
		{"extended parameters, no length", OPEN_HEAD "01 ff", 0},
		{"extended parameters, half a length", OPEN_HEAD "02 ff 00", 0},
		{"extended parameters, too long",
		 OPEN_HEAD "ff ff 0008 02 0004 0200 4600", 0},
	};
	struct bgp_open o;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		enum bgp_verdict v = open_hex(t[i].text, &o);

		cr_assert_eq(v, t[i].subcode < 0 ? BGP_OK : BGP_SESSION_RESET,
			     "%s: %s", t[i].name, err.what ? err.what : "");
		if (v != BGP_OK) {
			cr_assert_eq(err.code, BGP_N_OPEN);
			cr_assert_eq(err.subcode, t[i].subcode, "%s: %u",
				     t[i].name, err.subcode);
		}
		if (t[i].subcode == BGP_N_OPEN_VERSION) {
			cr_assert_eq(err.data_len, 2);
			cr_assert_eq(err.data[0] << 8 | err.data[1], 4);
		}
	}
}

/* All that we can say is what we read, whatever the combination. */
Test(bgp_open, round_trip)
{
	uint8_t buf[512];
	struct bgp_open o, back;
	size_t len;

	for (unsigned k = 0; k < 512; k++) {
		o = (struct bgp_open){.asn = 4200000001u,
				      .router_id = 0x01020304,
				      .hold_time_s = 90,
				      .gr_time_s = 120,
				      .caps = (uint16_t)((k & 31) << 2 |
							 BGP_CAP_AS4 |
							 BGP_CAP_MP)};
		o.mp[FAMILY_IP4] = k & 32;
		o.mp[FAMILY_IP6] = true;
		o.add_path[FAMILY_IP6] = k & 64 ? BGP_ADD_PATH_RECEIVE : 0;
		o.gr[FAMILY_IP4] = o.caps & BGP_CAP_GR && k & 128;
		o.gr_fwd[FAMILY_IP4] = o.gr[FAMILY_IP4] && k & 256;
		if (!(o.caps & BGP_CAP_GR))
			o.gr_time_s = 0;
		len = bgp_open_encode(&o, buf, sizeof(buf));
		cr_assert_gt(len, 29);
		cr_assert_eq(bgp_open_decode(buf, len, &back, &err), BGP_OK);
		cr_assert_eq(back.asn, o.asn);
		cr_assert_eq(back.caps, o.caps, "%x %x", back.caps, o.caps);
		cr_assert_eq(back.gr_time_s, o.gr_time_s);
		cr_assert_eq(memcmp(back.mp, o.mp, sizeof(o.mp)), 0);
		cr_assert_eq(memcmp(back.gr, o.gr, sizeof(o.gr)), 0);
		cr_assert_eq(memcmp(back.gr_fwd, o.gr_fwd, sizeof(o.gr)), 0);
		cr_assert_eq(memcmp(back.add_path, o.add_path,
				    sizeof(o.add_path)),
			     0);
		/* Every truncation is noticed. */
		for (size_t cut = BGP_HDR_LEN; cut < len; cut++) {
			uint8_t *part = malloc(cut);

			memcpy(part, buf, cut);
			cr_assert_eq(bgp_open_decode(part, cut, &back, &err),
				     BGP_SESSION_RESET, "cut at %zu", cut);
			free(part);
		}
		for (size_t small = 0; small < len; small++)
			cr_assert_eq(bgp_open_encode(&o, buf, small), 0);
	}
}

/* ---- NOTIFICATION, ROUTE-REFRESH */

static const char *notification(const char *text)
{
	static struct bgp_notification n;
	uint8_t body[600];
	size_t len, size = hex(text, body, sizeof(body));
	uint8_t *msg = message(BGP_NOTIFICATION, body, size, &len);

	bgp_notification_decode(msg, len, &n);
	free(msg);
	return n.text;
}

Test(bgp_notification, text)
{
	cr_assert_str_eq(notification("0602"), "Cease/Administrative Shutdown");
	cr_assert_str_eq(notification("060202 6869"),
			 "Cease/Administrative Shutdown: hi");
	cr_assert_str_eq(notification("060405 6869"),
			 "Cease/Administrative Reset");
	cr_assert_str_eq(notification("060203 0a1b41"),
			 "Cease/Administrative Shutdown: ??A");
	/* UTF-8 goes through; broken, overlong and C1 do not. */
	cr_assert_str_eq(notification("060202 c3a9"),
			 "Cease/Administrative Shutdown: \xc3\xa9");
	cr_assert_str_eq(notification("060206 c3 c080 c29b 41"),
			 "Cease/Administrative Shutdown: ????A");
	cr_assert_str_eq(notification("0400"), "Hold Timer Expired");
	cr_assert_str_eq(notification("0202 beef"),
			 "OPEN Message Error/Bad Peer AS");
	cr_assert_str_eq(notification("02c8"), "OPEN Message Error");
	cr_assert_str_eq(notification("c8c8"), "Unknown Error");
	cr_assert_str_eq(notification("0609 0602 02 6869"),
			 "Cease/Hard Reset (Cease/Administrative Shutdown): "
			 "hi");
	cr_assert_str_eq(notification("0609 06"), "Cease/Hard Reset");
	cr_assert_str_eq(notification(""), "Unknown Error");
}

/* The longest shutdown text of RFC 9003 fits; every truncation is text. */
Test(bgp_notification, longest)
{
	uint8_t body[2 + 1 + 255] = {6, 2, 255};
	struct bgp_notification n;
	size_t len;

	memset(body + 3, 'x', 255);
	uint8_t *msg = message(BGP_NOTIFICATION, body, sizeof(body), &len);

	bgp_notification_decode(msg, len, &n);
	cr_assert_gt(strlen(n.text), 255 + 20);
	for (size_t cut = BGP_HDR_LEN; cut < len; cut++) {
		uint8_t *part = malloc(cut);

		memcpy(part, msg, cut);
		bgp_notification_decode(part, cut, &n);
		cr_assert_gt(strlen(n.text), 0);
		free(part);
	}
	free(msg);
}

Test(bgp_refresh, vectors)
{
	static const struct {
		const char *text;
		enum bgp_verdict verdict;
		bool known;
		uint8_t kind;
	} t[] = {
		{"0001 00 01", BGP_OK, true, 0},
		{"0002 01 01", BGP_OK, true, 1},
		{"0002 02 01", BGP_OK, true, 2},
		{"0001 07 01", BGP_OK, true, 7},
		{"0019 00 41", BGP_OK, false, 0},
		{"0001 01 01 00", BGP_SESSION_RESET, false, 0},
		{"0001 00 01 ff", BGP_OK, true, 0}, /* ORF: not asked for */
		{"0001 00", BGP_SESSION_RESET, false, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct bgp_refresh r;
		uint8_t body[16];
		size_t len, n = hex(t[i].text, body, sizeof(body));
		uint8_t *msg = message(BGP_ROUTE_REFRESH, body, n, &len);

		cr_assert_eq(bgp_refresh_decode(msg, len, &r, &err),
			     t[i].verdict, "try %zu", i);
		if (t[i].verdict == BGP_OK) {
			cr_assert_eq(r.known, t[i].known);
			cr_assert_eq(r.kind, t[i].kind);
		}
		free(msg);
	}
}

Test(bgp_encode, what_we_send_decodes)
{
	static const uint8_t data[] = {1, 2, 3};
	struct bgp_header h;
	struct bgp_refresh r;
	struct bgp_notification n;
	uint8_t buf[64];

	for (unsigned f = 0; f < FAMILIES; f++) {
		size_t len = bgp_eor_encode((enum family)f, buf, sizeof(buf));

		cr_assert_eq(bgp_header_decode(buf, 4096, &h, &err), BGP_OK);
		cr_assert_eq(h.len, len);
		cr_assert_eq(bgp_update_decode(buf, len, &ebgp, &u, &err),
			     BGP_OK);
		cr_assert(u.eor[f]);
		len = bgp_refresh_encode((enum family)f, BGP_REFRESH_END, buf,
					 sizeof(buf));
		cr_assert_eq(bgp_refresh_decode(buf, len, &r, &err), BGP_OK);
		cr_assert(r.known && r.family == f && r.kind == 2);
	}
	cr_assert_eq(bgp_keepalive_encode(buf, sizeof(buf)), 19);
	cr_assert_eq(bgp_header_decode(buf, 4096, &h, &err), BGP_OK);
	cr_assert_eq(bgp_keepalive_encode(buf, 18), 0);
	cr_assert_eq(bgp_notification_encode(6, 2, data, 3, buf, sizeof(buf)),
		     24);
	bgp_notification_decode(buf, 24, &n);
	cr_assert_eq(n.code, 6);
	cr_assert_eq(bgp_notification_encode(6, 2, data, 3, buf, 23), 0);
}
