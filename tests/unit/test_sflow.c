/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sFlow out: against bytes made by hand, against a decoder written here from
 * the specification (https://sflow.org/sflow_version_5.txt), and every bound.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "asmeter/abi.h"
#include "base/rd.h"
#include "export/sflow.h"
#include "route/attr.h"

/* ------------------------------------------------------------ a decoder */

struct seen_addr {
	uint32_t type;
	uint64_t hi, lo;
};

struct seen_sample {
	uint32_t tag, seq, class, index, rate, pool, drops;
	uint32_t in_format, in, out_format, out, n_records;
	/* raw header */
	bool has_raw, has_switch, has_router, has_gateway;
	uint32_t protocol, frame_length, stripped, header_len;
	uint8_t header[512];
	uint32_t src_vlan, src_prio, dst_vlan, dst_prio;
	struct seen_addr router_hop, gateway_hop;
	uint32_t src_mask, dst_mask;
	uint32_t as, src_as, src_peer_as, segments, local_pref;
	uint32_t path_len, path[200], comm_len, comm[200];
	/* generic counters, word by word */
	uint32_t counters[22];
};

struct seen {
	struct seen_addr agent;
	uint32_t sub_agent, seq, uptime, n;
	struct seen_sample s[64];
};

static struct seen_addr see_addr(struct rd *r)
{
	struct seen_addr a = {.type = rd_be32(r)};

	cr_assert(a.type == 1 || a.type == 2, "address type %u", a.type);
	if (a.type == 1) {
		a.hi = (uint64_t)rd_be32(r) << 32;
		return a;
	}
	a.hi = (uint64_t)rd_be32(r) << 32;
	a.hi |= rd_be32(r);
	a.lo = (uint64_t)rd_be32(r) << 32;
	a.lo |= rd_be32(r);
	return a;
}

static void see_gateway(struct rd *r, struct seen_sample *s)
{
	s->has_gateway = true;
	s->gateway_hop = see_addr(r);
	s->as = rd_be32(r);
	s->src_as = rd_be32(r);
	s->src_peer_as = rd_be32(r);
	s->segments = rd_be32(r);
	for (uint32_t i = 0; i < s->segments && !r->bad; i++) {
		cr_assert_eq(rd_be32(r), 2, "AS_SEQUENCE");
		uint32_t n = rd_be32(r);

		cr_assert_leq(s->path_len + n, 200);
		while (n--)
			s->path[s->path_len++] = rd_be32(r);
	}
	s->comm_len = rd_be32(r);
	cr_assert_leq(s->comm_len, 200);
	for (uint32_t i = 0; i < s->comm_len; i++)
		s->comm[i] = rd_be32(r);
	s->local_pref = rd_be32(r);
}

static void see_flow_record(uint32_t format, struct rd *r,
			    struct seen_sample *s)
{
	switch (format) {
	case 1:
		s->has_raw = true;
		s->protocol = rd_be32(r);
		s->frame_length = rd_be32(r);
		s->stripped = rd_be32(r);
		s->header_len = rd_be32(r);
		cr_assert_leq(s->header_len, sizeof(s->header));
		rd_copy(r, s->header, s->header_len);
		for (uint32_t i = s->header_len; i % 4; i++)
			cr_assert_eq(rd_u8(r), 0, "padding");
		break;
	case 1001:
		s->has_switch = true;
		s->src_vlan = rd_be32(r);
		s->src_prio = rd_be32(r);
		s->dst_vlan = rd_be32(r);
		s->dst_prio = rd_be32(r);
		break;
	case 1002:
		s->has_router = true;
		s->router_hop = see_addr(r);
		s->src_mask = rd_be32(r);
		s->dst_mask = rd_be32(r);
		break;
	case 1003:
		see_gateway(r, s);
		break;
	default:
		cr_assert_fail("flow record of format %u", format);
	}
}

static void see_sample(uint32_t tag, struct rd *r, struct seen_sample *s)
{
	bool expanded = tag >= 3, flow = tag == 1 || tag == 3;

	cr_assert(tag >= 1 && tag <= 4);
	s->tag = tag;
	s->seq = rd_be32(r);
	if (expanded) {
		s->class = rd_be32(r);
		s->index = rd_be32(r);
	} else {
		uint32_t id = rd_be32(r);

		s->class = id >> 24;
		s->index = id & 0xffffff;
	}
	if (flow) {
		s->rate = rd_be32(r);
		s->pool = rd_be32(r);
		s->drops = rd_be32(r);
		s->in_format = expanded ? rd_be32(r) : 0;
		s->in = rd_be32(r);
		s->out_format = expanded ? rd_be32(r) : 0;
		s->out = rd_be32(r);
	}
	s->n_records = rd_be32(r);
	for (uint32_t i = 0; i < s->n_records && !r->bad; i++) {
		uint32_t format = rd_be32(r);
		struct rd rec = rd_sub(r, rd_be32(r));

		if (flow) {
			see_flow_record(format, &rec, s);
		} else {
			cr_assert_eq(format, 1);
			for (unsigned k = 0; k < 22; k++)
				s->counters[k] = rd_be32(&rec);
		}
		cr_assert(!rec.bad && rd_left(&rec) == 0, "record %u", format);
	}
}

static void see(const uint8_t *data, size_t len, struct seen *ret)
{
	struct rd r = rd_init(data, len);

	memset(ret, 0, sizeof(*ret));
	cr_assert_eq(rd_be32(&r), 5);
	ret->agent = see_addr(&r);
	ret->sub_agent = rd_be32(&r);
	ret->seq = rd_be32(&r);
	ret->uptime = rd_be32(&r);
	ret->n = rd_be32(&r);
	cr_assert_leq(ret->n, 64);
	for (uint32_t i = 0; i < ret->n; i++) {
		uint32_t tag = rd_be32(&r);
		struct rd body = rd_sub(&r, rd_be32(&r));

		see_sample(tag, &body, &ret->s[i]);
		cr_assert(!body.bad && rd_left(&body) == 0, "sample %u", i);
	}
	cr_assert(!r.bad && rd_left(&r) == 0, "datagram");
}

/* ------------------------------------------------------------ something */

static struct sflow sf; /* large */
static struct seen seen;
static uint8_t frame[512];
static uint32_t path[ATTR_PATH_MAX + 10], comm[ATTR_COMM_MAX + 10];

static struct addr addr(const char *s)
{
	struct addr a;

	cr_assert_eq(addr_parse(s, &a), 0, "%s", s);
	return a;
}

static void setup(const char *agent, size_t max)
{
	struct addr a = addr(agent);

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7 + 1);
	for (uint32_t i = 0; i < ATTR_PATH_MAX + 10; i++) {
		path[i] = 4200000000u + i;
		comm[i] = 0xfde80000u + i;
	}
	sflow_init(&sf, &a, max);
}

static struct flow a_flow(void)
{
	static const uint32_t two[] = {64496, 64497}, one[] = {0xfc000001};

	return (struct flow){
		.has = FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_ROUTES,
		.dir = ASM_DIR_IN,
		.rate = 1000,
		.in_if = 7,
		.packets = 1,
		.ip = {.src = addr("192.0.2.1"), .dst = addr("198.51.100.9")},
		.src_as = 64512,
		.dst_as = 64497,
		.src_plen = 24,
		.dst_plen = 22,
		.src_peer_as = 64513,
		.dst_peer_as = 64496,
		.next_hop = addr("203.0.113.1"),
		.path = two,
		.path_len = 2,
		.comm = one,
		.comm_len = 1,
		.local_pref = 250,
	};
}

static const struct flow_head *a_head(uint32_t cap, uint32_t wire)
{
	static struct flow_head h;

	h = (struct flow_head){.data = frame, .cap_len = cap, .wire_len = wire};
	return &h;
}

static struct sflow_flow a_sample(const struct flow *fl,
				  const struct flow_head *head)
{
	return (struct sflow_flow){.flow = fl,
				   .head = head,
				   .head_max = 128,
				   .ifindex = 7,
				   .seq = 3,
				   .pool = 90000,
				   .drops = 2,
				   .local_as = 64512};
}

/* The only sample of one datagram. */
static struct seen_sample *only(const struct flow *fl,
				const struct flow_head *head)
{
	struct sflow_flow v = a_sample(fl, head);
	size_t len;

	cr_assert(sflow_add_flow(&sf, &v));
	len = sflow_close(&sf, 1234);
	cr_assert_gt(len, 0);
	see(sf.buf, len, &seen);
	cr_assert_eq(seen.n, 1);
	return &seen.s[0];
}

/* ----------------------------------------------------------- by hand */

Test(sflow, flow_sample_by_hand)
{
	static const uint8_t want[] = {
		/* version, agent 10.1.2.3, sub-agent, sequence 1 */
		0, 0, 0, 5, 0, 0, 0, 1, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1,
		/* uptime 66051 ms, one sample */
		0, 1, 2, 3, 0, 0, 0, 1,
		/* flow sample of 184 bytes */
		0, 0, 0, 1, 0, 0, 0, 184,
		/* sequence 3, interface 7, 1 of 1000, pool 90000, drops 2 */
		0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 3, 232, 0, 1, 95, 144, 0, 0, 0, 2,
		/* in 7, out not known, 4 records */
		0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 4,
		/* raw header, 36 bytes: Ethernet, 104 with FCS, 4 stripped */
		0, 0, 0, 1, 0, 0, 0, 36, 0, 0, 0, 1, 0, 0, 0, 104, 0, 0, 0, 4,
		/* 18 bytes and padding */
		0, 0, 0, 18, 1, 8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78, 85,
		92, 99, 106, 113, 120, 0, 0,
		/* switch: VLAN 5, priority 3 (of 99: 0x63), none outwards */
		0, 0, 3, 233, 0, 0, 0, 16, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 0,
		0, 0, 0, 0,
		/* router: 203.0.113.1, /24, /22 */
		0, 0, 3, 234, 0, 0, 0, 16, 0, 0, 0, 1, 203, 0, 113, 1, 0, 0, 0,
		24, 0, 0, 0, 22,
		/* gateway, 52 bytes: next hop, AS 64512, 64512, 64513 */
		0, 0, 3, 235, 0, 0, 0, 52, 0, 0, 0, 1, 203, 0, 113, 1, 0, 0,
		252, 0, 0, 0, 252, 0, 0, 0, 252, 1,
		/* one sequence of two: 64496 64497 */
		0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 251, 240, 0, 0, 251,
		241,
		/* one community 64512:1, local preference 250 */
		0, 0, 0, 1, 252, 0, 0, 1, 0, 0, 0, 250};
	struct flow fl;
	size_t len;

	setup("10.1.2.3", 1400);
	fl = a_flow();
	fl.n_vlans = 1;
	fl.vlan[0] = 5;
	struct sflow_flow v = a_sample(&fl, a_head(18, 100));

	cr_assert(sflow_add_flow(&sf, &v));
	len = sflow_close(&sf, 0x00010203);
	cr_assert_eq(len, sizeof(want));
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(sf.buf[i], want[i], "byte %zu: %u, not %u", i,
			     sf.buf[i], want[i]);
}

Test(sflow, counters_by_hand)
{
	static const uint8_t want[] = {
		/* version, agent 2001:db8::1, sub-agent, sequence 1 */
		0, 0, 0, 5, 0, 0, 0, 2, 32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1,
		/* uptime 255 ms, one sample: counters, 108 bytes */
		0, 0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 108,
		/* sequence 9, interface 7, one record: generic, 88 bytes */
		0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 88,
		/* ifIndex 7, ethernet, 10 Gbit/s, duplex unknown, up up */
		0, 0, 0, 7, 0, 0, 0, 6, 0, 0, 0, 2, 84, 11, 228, 0, 0, 0, 0, 0,
		0, 0, 0, 3,
		/* in: octets 2^32 + 1, unicast 2, multicast 3 */
		0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
		/* broadcast unknown, discards 4, errors 5, protocols unknown */
		255, 255, 255, 255, 0, 0, 0, 4, 0, 0, 0, 5, 255, 255, 255, 255,
		/* out: octets 6, unicast 7, multicast, broadcast unknown */
		0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 7, 255, 255, 255, 255, 255,
		255, 255, 255,
		/* discards 8, errors 9, promiscuous unknown */
		0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0};
	const struct sflow_counters v = {.ifindex = 7,
					 .seq = 9,
					 .type = 6,
					 .speed = UINT64_C(10000000000),
					 .admin_up = true,
					 .oper_up = true,
					 .in_octets = UINT64_C(0x100000001),
					 .in_unicast = 2,
					 .in_multicast = 3,
					 .in_broadcast = UINT32_MAX,
					 .in_discards = 4,
					 .in_errors = 5,
					 .out_octets = 6,
					 .out_unicast = 7,
					 .out_multicast = UINT32_MAX,
					 .out_broadcast = UINT32_MAX,
					 .out_discards = 8,
					 .out_errors = 9};
	size_t len;

	setup("2001:db8::1", 1400);
	cr_assert(sflow_add_counters(&sf, &v));
	len = sflow_close(&sf, 255);
	cr_assert_eq(len, sizeof(want));
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(sf.buf[i], want[i], "byte %zu: %u, not %u", i,
			     sf.buf[i], want[i]);
}

/* ---------------------------------------------------- what goes into one */

Test(sflow, out_direction_ipv6_and_expanded)
{
	struct flow fl;
	struct seen_sample *s;
	struct addr hop = addr("2001:db8:9::1");

	setup("10.1.2.3", 1400);
	fl = a_flow();
	fl.dir = ASM_DIR_OUT;
	fl.in_if = 0x1000000;
	fl.out_if = 0xffffffff;
	fl.n_vlans = 2;
	fl.vlan[0] = 4000;
	fl.vlan[1] = 1;
	fl.ip.src = addr("2001:db8:1::1");
	fl.ip.dst = addr("2001:db8:2::1");
	fl.next_hop = hop;
	s = only(&fl, a_head(64, 64));
	cr_assert_eq(s->tag, 3);
	cr_assert_eq(s->in_format, 0);
	cr_assert_eq(s->in, 0x1000000);
	cr_assert_eq(s->out_format, 0);
	cr_assert_eq(s->out, 0xffffffff);
	cr_assert_eq(s->class, 0);
	cr_assert_eq(s->index, 7);
	cr_assert_eq(s->src_vlan, 0);
	cr_assert_eq(s->dst_vlan, 4000);
	cr_assert_eq(s->dst_prio, frame[14] >> 5);
	cr_assert_eq(s->router_hop.type, 2);
	cr_assert_eq(s->gateway_hop.hi, hop.hi);
	cr_assert_eq(s->gateway_hop.lo, hop.lo);
	/* once expanded, everything is */
	fl = a_flow();
	cr_assert_eq(only(&fl, a_head(64, 64))->tag, 3);
	struct sflow_counters c = {.ifindex = 2};

	cr_assert(sflow_add_counters(&sf, &c));
	see(sf.buf, sflow_close(&sf, 0), &seen);
	cr_assert_eq(seen.s[0].tag, 4);
	cr_assert_eq(seen.s[0].index, 2);
	/* and before, nothing is */
	setup("10.1.2.3", 1400);
	fl.in_if = 0xffffff;
	cr_assert_eq(only(&fl, a_head(64, 64))->tag, 1);
}

Test(sflow, what_is_known_decides_the_records)
{
	struct flow fl;
	struct seen_sample *s;
	struct flow_head raw;

	setup("10.1.2.3", 1400);
	/* not IP: neither router nor gateway */
	fl = (struct flow){.has = FLOW_HAS_ETH, .rate = 10, .in_if = 7};
	s = only(&fl, a_head(60, 60));
	cr_assert_eq(s->n_records, 2);
	cr_assert(s->has_raw && s->has_switch);
	cr_assert_eq(s->rate, 10);
	/* no route for either side: no gateway */
	fl = a_flow();
	fl.src_as = fl.dst_as = 0;
	fl.path_len = 0;
	s = only(&fl, a_head(60, 60));
	cr_assert_eq(s->n_records, 3);
	cr_assert(s->has_raw && s->has_switch && s->has_router);
	/* an interface without Ethernet header */
	fl = a_flow();
	raw = *a_head(60, 60);
	raw.no_l2 = true;
	frame[0] = 0x45;
	s = only(&fl, &raw);
	cr_assert_not(s->has_switch);
	cr_assert_eq(s->protocol, 11);
	cr_assert_eq(s->frame_length, 60);
	cr_assert_eq(s->stripped, 0);
	frame[0] = 0x60;
	cr_assert_eq(only(&fl, &raw)->protocol, 12);
	/* no byte of it */
	raw.cap_len = 0;
	s = only(&fl, &raw);
	cr_assert_eq(s->header_len, 0);
	cr_assert_eq(s->protocol, 11);
	/* garbage: what there is */
	fl = (struct flow){.has = FLOW_BAD | FLOW_CUT, .rate = 1, .in_if = 7};
	s = only(&fl, a_head(3, 3));
	cr_assert_eq(s->n_records, 1);
	cr_assert_eq(s->header_len, 3);
}

Test(sflow, path_ends_with_the_destination_as)
{
	static const struct {
		uint32_t src_as, dst_as, route[3], n;
		uint32_t want[4], want_n;
	} t[] = {
		/* own prefix, libloc: no path */
		{64500, 64512, {0}, 0, {64512}, 1},
		/* no route there */
		{64500, 0, {0}, 0, {0}, 1},
		/* as it should be */
		{0, 64497, {64496, 64497}, 2, {64496, 64497}, 2},
		/* cut short, or counted before a change */
		{64500, 7, {64496, 64497}, 2, {64496, 64497, 7}, 3},
	};
	struct flow fl;

	setup("10.1.2.3", 1400);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		fl = a_flow();
		fl.src_as = t[i].src_as;
		fl.dst_as = t[i].dst_as;
		fl.path = t[i].route;
		fl.path_len = (uint16_t)t[i].n;
		struct seen_sample *s = only(&fl, a_head(60, 60));

		cr_assert(s->has_gateway);
		cr_assert_eq(s->segments, 1);
		cr_assert_eq(s->src_as, t[i].src_as);
		cr_assert_eq(s->path_len, t[i].want_n, "%zu", i);
		cr_assert_arr_eq(s->path, t[i].want, t[i].want_n * 4);
	}
}

Test(sflow, unknown_next_hop_is_zero_of_the_packets_family)
{
	struct flow fl;
	struct seen_sample *s;

	setup("10.1.2.3", 1400);
	fl = a_flow();
	fl.next_hop = (struct addr){0};
	s = only(&fl, a_head(60, 60));
	cr_assert_eq(s->router_hop.type, 1);
	cr_assert_eq(s->router_hop.hi, 0);
	fl.ip.dst = addr("2001:db8::1");
	s = only(&fl, a_head(60, 60));
	cr_assert_eq(s->router_hop.type, 2);
	cr_assert_eq(s->gateway_hop.type, 2);
	cr_assert(!s->gateway_hop.hi && !s->gateway_hop.lo);
}

/* --------------------------------------------------------------- bounds */

Test(sflow, header_bounds)
{
	struct flow fl;

	setup("10.1.2.3", 1400);
	fl = a_flow();
	for (uint32_t cap = 0; cap <= 300; cap++) {
		for (uint32_t max = 0; max <= 300; max += 60) {
			uint32_t want = cap < max ? cap : max;
			struct flow_head h = *a_head(cap, cap + 1000);
			struct sflow_flow v = a_sample(&fl, &h);

			want = want < SFLOW_HEADER_MAX ? want
						       : SFLOW_HEADER_MAX;
			v.head_max = max;
			cr_assert(sflow_add_flow(&sf, &v));
			see(sf.buf, sflow_close(&sf, 0), &seen);
			cr_assert_eq(seen.s[0].header_len, want);
			cr_assert_eq(seen.s[0].frame_length, cap + 1004);
			cr_assert_arr_eq(seen.s[0].header, frame, want);
		}
	}
}

Test(sflow, path_and_community_bounds)
{
	struct flow fl;

	setup("2001:db8::1", 0); /* the smallest datagram there is */
	cr_assert_eq(sf.max, SFLOW_DATAGRAM_MIN);
	fl = a_flow();
	fl.path = path;
	fl.comm = comm;
	fl.in_if = 0x7fffffff; /* the larger form */
	fl.next_hop = addr("2001:db8::7");
	for (uint16_t n = 0; n <= ATTR_PATH_MAX + 10; n++) {
		uint16_t kept = n < ATTR_PATH_MAX ? n : ATTR_PATH_MAX;
		struct flow_head h = *a_head(300, 300);
		struct sflow_flow v = a_sample(&fl, &h);
		struct seen_sample *s = &seen.s[0];
		size_t len;

		fl.path_len = fl.comm_len = n;
		v.head_max = UINT32_MAX;
		cr_assert(sflow_add_flow(&sf, &v), "%u", n);
		len = sflow_close(&sf, 0);
		cr_assert_leq(len, SFLOW_DATAGRAM_MIN);
		see(sf.buf, len, &seen);
		cr_assert_eq(s->path_len, kept + 1u);
		cr_assert_arr_eq(s->path, path, kept * sizeof(*path));
		cr_assert_eq(s->path[kept], fl.dst_as);
		cr_assert_eq(s->comm_len, kept);
		cr_assert_arr_eq(s->comm, comm, kept * sizeof(*comm));
		cr_assert_eq(s->local_pref, 250);
	}
}

/* Samples of all sizes into datagrams of all sizes: nothing is lost, none is
 * longer than it may be, numbers run on. */
Test(sflow, many_into_datagrams)
{
	uint32_t total = 0, sent = 0, seq = 0;
	struct flow fl;

	for (size_t max = SFLOW_DATAGRAM_MIN - 1; max <= SFLOW_DATAGRAM_MAX + 1;
	     max += 611) {
		size_t bound = max < SFLOW_DATAGRAM_MIN   ? SFLOW_DATAGRAM_MIN
			       : max > SFLOW_DATAGRAM_MAX ? SFLOW_DATAGRAM_MAX
							  : max;

		setup("10.1.2.3", max);
		fl = a_flow();
		fl.path = path;
		fl.comm = comm;
		seq = 0;
		for (uint32_t i = 0; i <= 2000; i++) {
			struct flow_head h = *a_head(i % 200, 1000);
			struct sflow_flow v = a_sample(&fl, &h);
			size_t len;

			fl.path_len = (uint16_t)(i % 64);
			fl.comm_len = (uint16_t)(i * 7 % 64);
			v.seq = i;
			while (i == 2000 || !sflow_add_flow(&sf, &v)) {
				len = sflow_close(&sf, i);
				cr_assert_gt(len, 0, "no sample fits");
				cr_assert_leq(len, bound);
				see(sf.buf, len, &seen);
				cr_assert_eq(seen.seq, ++seq);
				cr_assert_eq(seen.uptime, i);
				for (uint32_t k = 0; k < seen.n; k++)
					cr_assert_eq(seen.s[k].seq, sent++);
				if (i == 2000)
					break;
			}
			total += i < 2000;
		}
		cr_assert_eq(sent, 2000);
		sent = 0;
	}
	cr_assert_eq(total, 2000 * 14);
	cr_assert_eq(sflow_close(&sf, 0), 0, "nothing is waiting");
}
