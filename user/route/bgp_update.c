/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UPDATE: RFC 4271 4.3, 5 and 6.3 with the error handling of RFC 7606.
 *
 * What each attribute may look like, and what is done when it does not, is a
 * table. A fault never stops the walk unless it is a reset: what is behind it
 * may be MP_UNREACH_NLRI, and withdrawn routes are withdrawn whatever else is
 * wrong. AS_PATH, AS4_PATH and the MP attributes are only located during the
 * walk and read after it, because they may come in any order and depend on
 * each other.
 *
 * Deviations, all where the rule is for speakers that forward and breaking it
 * does not change whose prefix it is: the first AS of an external path need
 * not be the neighbour's (route servers); our own AS in a path does not
 * exclude the route; a NEXT_HOP that is no host address (RFC 4271 6.3) is
 * discarded and the route kept: OpenBGPD 7.7 sends 0.0.0.0 with IPv4 prefixes
 * over an IPv6 session.
 */
#include <string.h>

#include "route/bgp_wire.h"

enum attr_type {
	A_ORIGIN = 1,
	A_AS_PATH = 2,
	A_NEXT_HOP = 3,
	A_MED = 4,
	A_LOCAL_PREF = 5,
	A_ATOMIC_AGGREGATE = 6,
	A_AGGREGATOR = 7,
	A_COMMUNITIES = 8,
	A_ORIGINATOR_ID = 9,
	A_CLUSTER_LIST = 10,
	A_MP_REACH = 14,
	A_MP_UNREACH = 15,
	A_EXT_COMMUNITIES = 16,
	A_AS4_PATH = 17,
	A_AS4_AGGREGATOR = 18,
	A_PMSI_TUNNEL = 22,
	A_TUNNEL_ENCAP = 23,
	A_IP6_EXT_COMMUNITIES = 25,
	A_AIGP = 26,
	A_LARGE_COMMUNITIES = 32,
	A_OTC = 35,
	A_TYPES
};

#define F_OPTIONAL   0x80u
#define F_TRANSITIVE 0x40u
#define F_EXT_LEN    0x10u

/* Only on internal sessions; ignored, unread, when it comes from outside. */
#define R_INTERNAL 1u

static const struct attr_rule {
	bool known;
	uint8_t flags;    /* optional and transitive, as they must be */
	uint8_t rules;    /* R_* */
	uint8_t verdict;  /* when malformed: enum bgp_verdict */
	uint8_t subcode;  /* … and its subcode */
	uint8_t min;      /* bytes */
	uint8_t multiple; /* length is a multiple of this; 0: exactly min */
} attr_rules[A_TYPES] = {
#define TAW  BGP_TREAT_AS_WITHDRAW
#define DISC BGP_ATTR_DISCARD
#define O    F_OPTIONAL
#define T    F_TRANSITIVE
#define LEN  BGP_N_UPD_LENGTH
#define OPT  BGP_N_UPD_OPTIONAL
	[A_ORIGIN] = {true, T, 0, TAW, LEN, 1, 0},
	[A_AS_PATH] = {true, T, 0, TAW, BGP_N_UPD_AS_PATH, 0, 1},
	[A_NEXT_HOP] = {true, T, 0, TAW, LEN, 4, 0},
	[A_MED] = {true, O, 0, TAW, LEN, 4, 0},
	[A_LOCAL_PREF] = {true, T, R_INTERNAL, TAW, LEN, 4, 0},
	[A_ATOMIC_AGGREGATE] = {true, T, 0, DISC, LEN, 0, 0},
	[A_AGGREGATOR] = {true, O | T, 0, DISC, LEN, 6, 2}, /* 6 or 8 */
	[A_COMMUNITIES] = {true, O | T, 0, TAW, OPT, 4, 4},
	[A_ORIGINATOR_ID] = {true, O, R_INTERNAL, TAW, LEN, 4, 0},
	[A_CLUSTER_LIST] = {true, O, R_INTERNAL, TAW, LEN, 4, 4},
	[A_MP_REACH] = {true, O, 0, BGP_SESSION_RESET, OPT, 5, 1},
	[A_MP_UNREACH] = {true, O, 0, BGP_SESSION_RESET, OPT, 3, 1},
	[A_EXT_COMMUNITIES] = {true, O | T, 0, TAW, OPT, 8, 8},
	[A_AS4_PATH] = {true, O | T, 0, DISC, OPT, 6, 1},
	[A_AS4_AGGREGATOR] = {true, O | T, 0, DISC, OPT, 8, 0},
	[A_PMSI_TUNNEL] = {true, O | T, 0, TAW, OPT, 5, 1},
	[A_TUNNEL_ENCAP] = {true, O | T, 0, DISC, OPT, 0, 1},
	[A_IP6_EXT_COMMUNITIES] = {true, O | T, 0, TAW, OPT, 20, 20},
	[A_AIGP] = {true, O, 0, DISC, OPT, 3, 1},
	[A_LARGE_COMMUNITIES] = {true, O | T, 0, TAW, OPT, 12, 12},
	[A_OTC] = {true, O | T, 0, TAW, OPT, 4, 0},
#undef TAW
#undef DISC
#undef O
#undef T
#undef LEN
#undef OPT
};

/* One walk over a message. */
struct walk {
	const uint8_t *msg;
	const struct bgp_update_ctx *ctx;
	struct bgp_update *u;
	struct bgp_error *err;
	uint32_t seen[8]; /* bit per attribute type, good or bad */
	bool others;      /* an attribute besides MP_UNREACH_NLRI was there */
	bool reach; /* there are prefixes to withdraw, of whatever family */
	bool has_path;
	bool has_as4_path;
	bool trans_aggregator; /* no AGGREGATOR, or it is AS_TRANS */
	struct rd path;
	struct rd as4_path;
};

/* The attribute now being read. */
struct cur {
	uint8_t type;
	uint8_t flags;
	const uint8_t *start; /* header included */
	struct rd value;
};

static bool seen(const struct walk *w, unsigned type)
{
	return w->seen[type / 32] & 1u << type % 32;
}

static void fault_at(struct walk *w, const uint8_t *at, uint8_t type,
		     enum bgp_verdict verdict, uint8_t subcode,
		     const char *what)
{
	bool worse = verdict > w->err->verdict;

	if (verdict == BGP_ATTR_DISCARD)
		w->u->discarded++;
	bgp_fault(w->err, verdict, BGP_N_UPDATE, subcode, (size_t)(at - w->msg),
		  what);
	if (worse)
		w->err->attr = type;
}

/* A fault of one attribute; the attribute goes into the NOTIFICATION. */
static void fault_attr(struct walk *w, const struct cur *a,
		       enum bgp_verdict verdict, uint8_t subcode,
		       const char *what)
{
	bool worse = verdict > w->err->verdict;

	fault_at(w, a->start, a->type, verdict, subcode, what);
	if (worse) {
		w->err->data = a->start;
		w->err->data_len = (uint16_t)(a->value.end - a->start);
	}
}

static void malformed(struct walk *w, const struct cur *a, const char *what)
{
	const struct attr_rule *rule = &attr_rules[a->type];

	fault_attr(w, a, (enum bgp_verdict)rule->verdict, rule->subcode, what);
}

static struct addr addr_v4(uint32_t a)
{
	return (struct addr){.hi = (uint64_t)a << 32, .family = FAMILY_IP4};
}

/* RFC 4271 6.3: NEXT_HOP must be a valid host address. Deviation: a loopback
 * address is taken, for that is what a speaker on this very router gives for
 * the routes that it originates; nothing is ever forwarded by it here. */
static bool next_hop_valid(uint32_t a)
{
	return a >> 24 != 0 && a >> 28 < 0xe;
}

static void read_next_hop(struct walk *w, struct cur *a)
{
	uint32_t nh = rd_be32(&a->value);

	if (next_hop_valid(nh))
		w->u->attr.next_hop = addr_v4(nh);
	else
		fault_attr(w, a, BGP_ATTR_DISCARD, BGP_N_UPD_NEXT_HOP,
			   "NEXT_HOP is no host address");
}

static void read_origin(struct walk *w, struct cur *a)
{
	uint8_t origin = rd_u8(&a->value);

	if (origin > ATTR_INCOMPLETE)
		fault_attr(w, a, BGP_TREAT_AS_WITHDRAW, BGP_N_UPD_ORIGIN,
			   "ORIGIN of unknown value");
	w->u->attr.origin = origin;
}

static void read_aggregator(struct walk *w, struct cur *a)
{
	bool as4 = w->ctx->as4;
	uint32_t as;

	if (rd_left(&a->value) != (as4 ? 8u : 6u)) {
		malformed(w, a, "AGGREGATOR of a wrong length");
		return;
	}
	as = as4 ? rd_be32(&a->value) : rd_be16(&a->value);
	if (as == 0) /* RFC 7607 */
		malformed(w, a, "AS 0 as aggregator");
	w->trans_aggregator = as == BGP_AS_TRANS;
}

static void read_communities(struct walk *w, struct cur *a)
{
	while (rd_left(&a->value) > 0 && w->u->attr.comm_len < ATTR_COMM_MAX)
		w->u->comm[w->u->attr.comm_len++] = rd_be32(&a->value);
}

/* True when the family is to be read; other families are left alone. */
static bool mp_family(struct walk *w, struct rd *r, enum family *ret)
{
	uint16_t afi = rd_be16(r);
	uint8_t safi = rd_u8(r);

	if (bgp_family(afi, safi, ret) && w->ctx->mp[*ret])
		return true;
	w->u->unnegotiated++;
	return false;
}

static void check_nlri(struct walk *w, const struct bgp_nlri *nlri,
		       uint8_t type, uint8_t subcode, const char *what)
{
	size_t off;

	if (!bgp_nlri_check(nlri, &off))
		fault_at(w, nlri->r.p + off, type, BGP_SESSION_RESET, subcode,
			 what);
}

/* RFC 4760 3; RFC 8950 for IPv4 prefixes with an IPv6 next hop. */
static bool mp_next_hop(struct walk *w, struct rd *r, enum family f,
			struct addr *ret)
{
	struct rd nh = rd_sub(r, rd_u8(r));
	size_t len = rd_left(&nh);

	if (nh.bad)
		return false;
	if (len == 4 && f == FAMILY_IP4) {
		*ret = addr_v4(rd_be32(&nh));
		return true;
	}
	if ((len != 16 && len != 32) ||
	    (f == FAMILY_IP4 && !w->ctx->ext_next_hop))
		return false;
	ret->hi = rd_be64(&nh); /* a second, link-local one is not kept */
	ret->lo = rd_be64(&nh);
	ret->family = FAMILY_IP6;
	return true;
}

static void read_mp_reach(struct walk *w, struct cur *a)
{
	struct rd r = a->value;
	enum family f;

	w->reach = true;
	if (!mp_family(w, &r, &f))
		return;
	if (!mp_next_hop(w, &r, f, &w->u->mp_next_hop)) {
		malformed(w, a, "MP_REACH_NLRI with a bad next hop");
		return;
	}
	rd_skip(&r, 1); /* reserved: to be ignored */
	if (r.bad) {
		malformed(w, a, "MP_REACH_NLRI is too short");
		return;
	}
	w->u->mp_announced = (struct bgp_nlri){.r = r,
					       .family = f,
					       .add_path = w->ctx->add_path[f]};
	check_nlri(w, &w->u->mp_announced, A_MP_REACH, BGP_N_UPD_OPTIONAL,
		   "faulty prefix in MP_REACH_NLRI");
}

static void read_mp_unreach(struct walk *w, struct cur *a)
{
	struct rd r = a->value;
	enum family f;

	if (!mp_family(w, &r, &f))
		return;
	w->u->mp_withdrawn = (struct bgp_nlri){.r = r,
					       .family = f,
					       .add_path = w->ctx->add_path[f]};
	check_nlri(w, &w->u->mp_withdrawn, A_MP_UNREACH, BGP_N_UPD_OPTIONAL,
		   "faulty prefix in MP_UNREACH_NLRI");
}

static void read_as4_path(struct walk *w, struct cur *a)
{
	const char *what;

	if (w->ctx->as4) {
		malformed(w, a, "AS4_PATH from a four-byte speaker");
		return;
	}
	what = bgp_path_check(a->value, true, true);
	if (what) {
		malformed(w, a, what);
		return;
	}
	w->as4_path = a->value;
	w->has_as4_path = true;
}

static void read_path(struct walk *w, struct cur *a)
{
	const char *what = bgp_path_check(a->value, w->ctx->as4, !w->ctx->ebgp);

	if (what)
		malformed(w, a, what);
	w->path = what ? rd_init(NULL, 0) : a->value;
	w->has_path = true;
}

/* The values of attributes whose flags and length are right. */
static void read_value(struct walk *w, struct cur *a)
{
	struct attr_spec *spec = &w->u->attr;

	switch (a->type) {
	case A_ORIGIN:
		read_origin(w, a);
		break;
	case A_AS_PATH:
		read_path(w, a);
		break;
	case A_NEXT_HOP:
		read_next_hop(w, a);
		break;
	case A_MED:
		spec->med = rd_be32(&a->value);
		spec->flags |= ATTR_HAS_MED;
		break;
	case A_LOCAL_PREF:
		spec->local_pref = rd_be32(&a->value);
		spec->flags |= ATTR_HAS_LOCPREF;
		break;
	case A_AGGREGATOR:
		read_aggregator(w, a);
		break;
	case A_COMMUNITIES:
		read_communities(w, a);
		break;
	case A_MP_REACH:
		read_mp_reach(w, a);
		break;
	case A_MP_UNREACH:
		read_mp_unreach(w, a);
		break;
	case A_AS4_PATH:
		read_as4_path(w, a);
		break;
	case A_AS4_AGGREGATOR:
		if (w->ctx->as4)
			malformed(w, a,
				  "AS4_AGGREGATOR from a four-byte "
				  "speaker");
		break;
	default:
		break;
	}
}

static bool length_fits(const struct attr_rule *rule, size_t len)
{
	if (rule->multiple == 0)
		return len == rule->min;
	return len >= rule->min && len % rule->multiple == 0;
}

/* The same attribute twice (RFC 7606 3 g): the first counts. */
static bool duplicate(struct walk *w, const struct cur *a)
{
	if (!seen(w, a->type)) {
		w->seen[a->type / 32] |= 1u << a->type % 32;
		return false;
	}
	if (a->type == A_MP_REACH || a->type == A_MP_UNREACH)
		fault_at(w, a->start, a->type, BGP_SESSION_RESET,
			 BGP_N_UPD_LIST, "MP attribute appears twice");
	else
		fault_at(w, a->start, a->type, BGP_ATTR_DISCARD, BGP_N_UPD_LIST,
			 "attribute appears twice");
	return true;
}

static void read_attr(struct walk *w, struct cur *a)
{
	const struct attr_rule *rule;

	if (duplicate(w, a))
		return;
	if (a->type >= A_TYPES || !attr_rules[a->type].known) {
		if (!(a->flags & F_OPTIONAL))
			fault_attr(w, a, BGP_SESSION_RESET,
				   BGP_N_UPD_UNKNOWN_WELL_KNOWN,
				   "unknown well-known attribute");
		return; /* unknown and optional: not ours to judge */
	}
	rule = &attr_rules[a->type];
	if ((rule->rules & R_INTERNAL) && w->ctx->ebgp) {
		fault_at(w, a->start, a->type, BGP_ATTR_DISCARD, 0,
			 "internal attribute from an external neighbour");
		return;
	}
	if (((a->flags ^ rule->flags) & (F_OPTIONAL | F_TRANSITIVE)) != 0)
		fault_attr(w, a, BGP_TREAT_AS_WITHDRAW, BGP_N_UPD_FLAGS,
			   "attribute flags are wrong");
	if (!length_fits(rule, rd_left(&a->value)))
		malformed(w, a, "attribute length is wrong");
	else
		read_value(w, a);
}

/* RFC 7606 4: an attribute that overruns the list ends the walk, but the
 * prefixes behind the list are still where the outer length says. */
static void read_attrs(struct walk *w, struct rd r)
{
	while (rd_left(&r) > 0 && w->err->verdict != BGP_SESSION_RESET) {
		struct cur a = {.start = r.p};

		a.flags = rd_u8(&r);
		a.type = rd_u8(&r);
		a.value = rd_sub(&r,
				 a.flags & F_EXT_LEN ? rd_be16(&r) : rd_u8(&r));
		if (a.type != A_MP_UNREACH)
			w->others = true;
		if (a.value.bad) {
			fault_at(w, a.start, a.type, BGP_TREAT_AS_WITHDRAW,
				 BGP_N_UPD_LENGTH,
				 "attribute overruns the list");
			return;
		}
		read_attr(w, &a);
	}
}

/* RFC 6793 4.2.3. */
static void merge_path(struct walk *w, struct bgp_path *path)
{
	uint32_t hops = bgp_path_hops(w->path, w->ctx->as4);
	uint32_t hops4;

	if (!w->has_as4_path || !w->trans_aggregator)
		goto plain;
	hops4 = bgp_path_hops(w->as4_path, true);
	if (hops < hops4)
		goto plain;
	bgp_path_append(path, w->path, false, hops - hops4);
	bgp_path_append(path, w->as4_path, true, UINT32_MAX);
	return;
plain:
	bgp_path_append(path, w->path, w->ctx->as4, UINT32_MAX);
}

static void finish_path(struct walk *w, const uint8_t *at)
{
	struct bgp_path path = {.as = w->u->path};
	struct attr_spec *spec = &w->u->attr;

	merge_path(w, &path);
	spec->path = w->u->path;
	spec->path_len = (uint16_t)path.len;
	spec->path_hops = path.hops;
	spec->neighbour_as = path.first;
	spec->origin_as = path.last;
	if (path.last_set)
		spec->flags |= ATTR_AS_SET;
	if (path.last == 0) {
		spec->origin_as = w->ctx->local_as;
		spec->flags |= ATTR_LOCAL;
	}
	if (path.last == 0 && w->ctx->ebgp && w->has_path)
		fault_at(w, at, A_AS_PATH, BGP_TREAT_AS_WITHDRAW,
			 BGP_N_UPD_AS_PATH,
			 "empty AS path from an external neighbour");
}

static void missing(struct walk *w, const uint8_t *at, uint8_t type,
		    const char *what)
{
	if (seen(w, type))
		return;
	fault_at(w, at, type, BGP_TREAT_AS_WITHDRAW, BGP_N_UPD_MISSING, what);
	if (w->err->what == what) {
		w->err->own[0] = type;
		w->err->data = w->err->own;
		w->err->data_len = 1;
	}
}

/* RFC 7606 3 d: mandatory attributes. at: where the list is. */
static void check_mandatory(struct walk *w, const uint8_t *at)
{
	missing(w, at, A_ORIGIN, "ORIGIN is missing");
	missing(w, at, A_AS_PATH, "AS_PATH is missing");
	if (rd_left(&w->u->announced.r) > 0)
		missing(w, at, A_NEXT_HOP, "NEXT_HOP is missing");
	if (!w->ctx->ebgp)
		missing(w, at, A_LOCAL_PREF, "LOCAL_PREF is missing");
}

/* RFC 4724 2. list: the attributes. */
static void check_eor(struct walk *w, size_t msg_len, size_t list_len)
{
	struct bgp_update *u = w->u;
	enum family f = u->mp_withdrawn.family;

	if (msg_len == BGP_HDR_LEN + 4) {
		u->eor[FAMILY_IP4] = w->ctx->mp[FAMILY_IP4];
		return;
	}
	/* MP_UNREACH_NLRI alone and empty: 3 bytes of header, or 4. */
	if ((list_len == 6 || list_len == 7) && msg_len == 23 + list_len &&
	    seen(w, A_MP_UNREACH) && !w->others && u->unnegotiated == 0 &&
	    rd_left(&u->mp_withdrawn.r) == 0)
		u->eor[f] = true;
}

static void finish(struct walk *w, const uint8_t *at)
{
	struct bgp_update *u = w->u;

	if (w->err->verdict == BGP_SESSION_RESET)
		return;
	if (rd_left(&u->announced.r) > 0 || rd_left(&u->mp_announced.r) > 0) {
		check_mandatory(w, at);
		finish_path(w, at);
	}
	/* RFC 7606 5.2: nothing to withdraw, so the fault cannot be healed. */
	if (w->err->verdict == BGP_TREAT_AS_WITHDRAW && !w->reach && w->others)
		w->err->verdict = BGP_SESSION_RESET;
}

/* A field of IPv4 prefixes, or an empty one when the family is not ours. */
static void take_nlri(struct walk *w, struct rd r, struct bgp_nlri *ret,
		      const char *what)
{
	bool wanted = w->ctx->mp[FAMILY_IP4];
	struct bgp_nlri nlri = {
		.r = r,
		.family = FAMILY_IP4,
		.add_path = wanted && w->ctx->add_path[FAMILY_IP4],
	};

	check_nlri(w, &nlri, 0, BGP_N_UPD_NETWORK, what);
	if (wanted)
		*ret = nlri;
	else if (rd_left(&r) > 0)
		w->u->unnegotiated++;
}

static void update_init(struct bgp_update *u, const struct bgp_update_ctx *ctx)
{
	/* All but the big arrays, which are filled as far as they are used. */
	memset(u, 0, offsetof(struct bgp_update, path));
	u->attr.path = u->path;
	u->attr.comm = u->comm;
	if (ctx->ebgp)
		u->attr.flags |= ATTR_EBGP;
}

enum bgp_verdict bgp_update_decode(const uint8_t *msg, size_t len,
				   const struct bgp_update_ctx *ctx,
				   struct bgp_update *ret,
				   struct bgp_error *err)
{
	struct walk w = {.msg = msg,
			 .ctx = ctx,
			 .u = ret,
			 .err = err,
			 .trans_aggregator = true};
	struct rd r = rd_init(msg, len), withdrawn, list;

	memset(err, 0, sizeof(*err));
	update_init(ret, ctx);
	rd_skip(&r, BGP_HDR_LEN);
	withdrawn = rd_sub(&r, rd_be16(&r));
	list = rd_sub(&r, rd_be16(&r));
	if (r.bad) {
		fault_at(&w, msg + BGP_HDR_LEN, 0, BGP_SESSION_RESET,
			 BGP_N_UPD_LIST, "inner lengths overrun the message");
		return err->verdict;
	}
	take_nlri(&w, withdrawn, &ret->withdrawn,
		  "faulty prefix in the withdrawn routes");
	take_nlri(&w, r, &ret->announced, "faulty prefix in the NLRI");
	w.reach = rd_left(&r) > 0;
	read_attrs(&w, list);
	finish(&w, list.p);
	check_eor(&w, len, rd_left(&list));
	return err->verdict;
}
