/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flow messages byte for byte: the protobuf is taken apart by hand, field
 * numbers and wire types are those that NetMeta and goflow2 have published,
 * written down here once more; the JSON is read by jansson.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "export/flowmsg.h"
#include "export/traffic.h"

static struct addr addr(const char *s)
{
	struct addr a;

	cr_assert_eq(addr_parse(s, &a), 0);
	return a;
}

static const uint32_t path[] = {64501, 4200000000u};
static const uint32_t comm[] = {0xfbf40001};

static struct flow whole(void)
{
	struct flow f = {
		.has = FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_PORTS |
		       FLOW_HAS_TCP | FLOW_HAS_TUNNEL | FLOW_HAS_ROUTES,
		.source = FLOW_SAMPLE,
		.dir = ASM_DIR_OUT,
		.n_vlans = 2,
		.n_labels = 4,
		.received_ns = UINT64_C(1767323045678000000),
		.start_ns = UINT64_C(1767323044000000000),
		.end_ns = UINT64_C(1767323045000000000),
		.exporter = addr("192.0.2.1"),
		.seq = 4000000000u,
		.rate = 1000,
		.in_if = 3,
		.out_if = 300,
		.packets = 1,
		.ip_bytes = 1486,
		.wire_bytes = 1508,
		.src_mac = {0x02, 0, 0, 0, 0, 1},
		.dst_mac = {0xff, 0xfe, 3, 4, 5, 6},
		.eth_proto = 0x8847,
		.vlan = {100, 7},
		.label = {16 << 12 | 64, 17 << 12 | 63, 18 << 12 | 62,
			  1048575u << 12 | 1 << 8 | 255},
		.ip = {.src = addr("2001:db8::1"),
		       .dst = addr("2001:db8:0:1::"),
		       .eth_proto = 0x86dd,
		       .src_port = 443,
		       .dst_port = 65535,
		       .proto = 6,
		       .tos = 0xb8,
		       .ttl = 63,
		       .tcp_flags = 0x12,
		       .flow_label = 0xfffff},
		.inner = {.src = addr("10.0.0.1"),
			  .dst = addr("10.0.0.2"),
			  .eth_proto = 0x0800,
			  .proto = 17,
			  .tos = 4,
			  .ttl = 9,
			  .frag_id = 77,
			  .frag_off = 1480},
		.inner_has = FLOW_HAS_IP | FLOW_HAS_FRAG,
		.src_as = 64500,
		.dst_as = 4200000000u,
		.src_plen = 32,
		.dst_plen = 48,
		.src_peer_as = 64502,
		.dst_peer_as = 64501,
		.next_hop = addr("198.51.100.9"),
		.path = path,
		.path_len = 2,
		.comm = comm,
		.comm_len = 1,
	};

	return f;
}

/* ------------------------------------------------ a decoder of its own */

#define FIELDS_MAX 128

struct field {
	uint32_t number;
	unsigned wire; /* 0: varint, 2: bytes */
	uint64_t value;
	const uint8_t *p; /* wire 2: value bytes of it */
};

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		cr_assert_lt(*p, end, "a varint is cut");
		v |= (uint64_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			return v;
	}
	cr_assert_fail("a varint without end");
	return 0;
}

/* One length-delimited message and nothing behind it. */
static size_t take_apart(const struct buf *b, struct field *f)
{
	const uint8_t *p = (const uint8_t *)b->p, *end = p + b->len;
	size_t n = 0;

	cr_assert_not(b->failed);
	cr_assert_eq(varint(&p, end), (uint64_t)(end - p));
	for (; p < end; n++) {
		uint64_t tag = varint(&p, end);

		cr_assert_lt(n, FIELDS_MAX);
		f[n] = (struct field){.number = (uint32_t)(tag >> 3),
				      .wire = tag & 7,
				      .value = varint(&p, end)};
		cr_assert(f[n].wire == 0 || f[n].wire == 2);
		if (f[n].wire == 2) {
			cr_assert_leq(f[n].value, (uint64_t)(end - p));
			f[n].p = p;
			p += f[n].value;
		}
	}
	return n;
}

static void is_number(const struct field *f, size_t n, uint32_t number,
		      uint64_t want)
{
	for (size_t i = 0; i < n; i++) {
		if (f[i].number != number)
			continue;
		cr_assert_eq(f[i].wire, 0, "field %u", number);
		cr_assert_eq(f[i].value, want, "field %u: %llu", number,
			     (unsigned long long)f[i].value);
		return;
	}
	cr_assert_eq(want, 0, "field %u is missing", number);
}

static void is_bytes(const struct field *f, size_t n, uint32_t number,
		     const void *want, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		if (f[i].number != number)
			continue;
		cr_assert_eq(f[i].wire, 2, "field %u", number);
		cr_assert_eq(f[i].value, len, "field %u", number);
		cr_assert_eq(memcmp(f[i].p, want, len), 0, "field %u", number);
		return;
	}
	cr_assert_eq(len, 0, "field %u is missing", number);
}

/* -------------------------------------------------------------- messages */

Test(flowmsg, protobuf_has_the_published_numbers)
{
	static const struct {
		uint32_t number;
		uint64_t want;
	} numbers[] = {
		{1, 1},
		{2, 1767323045},
		{3, 1000},
		{4, 4000000000},
		{5, 1767323045},
		{9, 1508},
		{10, 1},
		{13, 64501},
		{14, 64500},
		{15, 4200000000},
		{16, 32},
		{17, 48},
		{18, 3},
		{19, 300},
		{20, 6},
		{21, 443},
		{22, 65535},
		{23, 0xb8},
		{25, 63},
		{26, 0x12},
		{27, 0x020000000001},
		{28, 0xfffe03040506},
		{29, 100},
		{30, 0x86dd},
		{37, 0xfffff},
		{38, 1767323044},
		{42, 1},
		{43, 1},
		{46, 17},
		{47, 0x0800},
		{48, 4},
		{49, 9},
		{51, 77},
		{52, 185},
		{53, 1},
		{54, 4},
		{55, 64},
		{56, 16},
		{57, 63},
		{58, 17},
		{59, 62},
		{60, 18},
		{61, 255},
		{62, 1048575},
	};
	static const uint8_t src[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
	static const uint8_t dst[16] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1};
	static const uint8_t hops[] = {0xf5, 0xf7, 0x03, 0x80,
				       0xd4, 0xdb, 0xd2, 0x0f};
	static const uint8_t comms[] = {0x81, 0x80, 0xd0, 0xdf, 0x0f};
	struct field fields[FIELDS_MAX];
	struct flow f = whole();
	struct buf b = {0};
	size_t n;

	flow_protobuf(&f, &b);
	n = take_apart(&b, fields);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		is_number(fields, n, numbers[i].number, numbers[i].want);
	is_bytes(fields, n, 6, src, 16);
	is_bytes(fields, n, 7, dst, 16);
	is_bytes(fields, n, 11, "\xc0\x00\x02\x01", 4);
	is_bytes(fields, n, 12, "\xc6\x33\x64\x09", 4);
	is_bytes(fields, n, 44, "\x0a\x00\x00\x01", 4);
	is_bytes(fields, n, 45, "\x0a\x00\x00\x02", 4);
	is_bytes(fields, n, 100, "\xc6\x33\x64\x09", 4);
	is_bytes(fields, n, 101, comms, sizeof(comms));
	is_bytes(fields, n, 102, hops, sizeof(hops));
	/* that is all of them */
	cr_assert_eq(n, sizeof(numbers) / sizeof(*numbers) + 9, "%zu", n);
	buf_free(&b);
}

Test(flowmsg, protobuf_of_next_to_nothing)
{
	struct flow f = {.source = FLOW_IPFIX, .packets = 300, .ip_bytes = 5};
	static const uint8_t want[] = {7, 0x08, 4, 0x48, 5, 0x50, 0xac, 0x02};
	struct buf b = {0};

	flow_protobuf(&f, &b);
	cr_assert_eq(b.len, sizeof(want));
	cr_assert_eq(memcmp(b.p, want, sizeof(want)), 0);
	buf_free(&b);
}

Test(flowmsg, paths_are_cut_at_the_bound)
{
	uint32_t many[FLOWMSG_HOPS + 5];
	struct field fields[FIELDS_MAX];
	struct flow f = {.path = many,
			 .comm = many,
			 .path_len = FLOWMSG_HOPS + 5,
			 .comm_len = FLOWMSG_HOPS + 5};
	uint8_t ones[FLOWMSG_HOPS];
	struct buf b = {0};
	size_t n;

	for (size_t i = 0; i < FLOWMSG_HOPS + 5; i++)
		many[i] = 1;
	memset(ones, 1, sizeof(ones));
	flow_protobuf(&f, &b);
	n = take_apart(&b, fields);
	is_bytes(fields, n, 101, ones, FLOWMSG_HOPS);
	is_bytes(fields, n, 102, ones, FLOWMSG_HOPS);
	buf_free(&b);
}

static void js_is(json_t *v, const char *key, const char *want)
{
	json_t *at = json_object_get(v, key);
	char *text = at ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	cr_assert_not_null(text, "no %s", key);
	cr_assert_str_eq(text, want, "%s: %s", key, text);
	free(text);
}

Test(flowmsg, json_says_the_same)
{
	static const char *const want[][2] = {
		{"Type", "\"SAMPLE\""},
		{"Label", "\"r\\\"1\""},
		{"TimeReceived", "1767323045"},
		{"SamplingRate", "1000"},
		{"SequenceNum", "4000000000"},
		{"SamplerAddress", "\"192.0.2.1\""},
		{"Bytes", "1508"},
		{"IPBytes", "1486"},
		{"InIf", "3"},
		{"FlowDirection", "1"},
		{"SrcMac", "\"02:00:00:00:00:01\""},
		{"Etype", "34525"},
		{"Vlans", "[100,7]"},
		{"MPLSLabels", "[16,17,18,1048575]"},
		{"SrcAddr", "\"2001:db8::1\""},
		{"DstAddr", "\"2001:db8:0:1::\""},
		{"SrcPort", "443"},
		{"TCPFlags", "18"},
		{"SrcAS", "64500"},
		{"DstAS", "4200000000"},
		{"NextHop", "\"198.51.100.9\""},
		{"AsPath", "[64501,4200000000]"},
		{"BgpCommunities", "[4227072001]"},
	};
	struct flow f = whole();
	struct buf b = {0};
	json_t *v;

	flow_json(&f, "r\"1", &b);
	v = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(v, "%.*s", (int)b.len, b.p);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		js_is(v, want[i][0], want[i][1]);
	js_is(json_object_get(v, "Encap"), "SrcAddr", "\"10.0.0.1\"");
	js_is(json_object_get(v, "Encap"), "FragmentOffset", "185");
	cr_assert_null(json_object_get(v, "IcmpType"));
	json_decref(v);
	b.len = 0;
	f = (struct flow){.source = FLOW_NETFLOW5};
	flow_json(&f, "", &b);
	v = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	js_is(v, "Type", "\"NETFLOW_V5\"");
	cr_assert_null(json_object_get(v, "SrcAddr"));
	cr_assert_null(json_object_get(v, "SrcMac"));
	json_decref(v);
	buf_free(&b);
}

Test(flowmsg, as_traffic_as_a_flow_message)
{
	static const char boot[] = "01234567-89ab-cdef-0123-456789abcdef";
	struct traffic_state s = {.epoch = 5, .next_seq = UINT64_C(1) << 33};
	struct traffic_row r = {{64500, 4200000000u, 3, true, true},
				{7, 1500, 1598},
				{9, UINT64_MAX, 1826}};
	struct traffic_batch batch = {.label = "edge1",
				      .start_ms = 1000500,
				      .end_ms = 1010501};
	static const struct {
		uint32_t number;
		uint64_t want;
	} numbers[] = {
		{1, 0},           {2, 1010},
		{3, 1},           {4, 0},
		{5, 1010},        {9, 1500},
		{10, 7},          {14, 64500},
		{15, 4200000000}, {18, 0},
		{19, 3},          {30, 0x86dd},
		{38, 1000},       {42, 1},
		{5002, 5},        {5003, UINT64_C(1) << 33},
		{5004, 10001},    {5005, 1598},
		{5006, 9},        {5007, UINT64_MAX},
		{5008, 1826},
	};
	struct field fields[FIELDS_MAX];
	struct buf bytes = {0}, b = {0};
	struct traffic_frame f;
	size_t n;

	strcpy(s.boot_id, boot);
	cr_assert_eq(traffic_batch_row(&batch, &r), 0);
	cr_assert_eq(traffic_batch_iface(&batch, 3, "eth0"), 0);
	traffic_frame_encode(&s, &batch, &bytes);
	cr_assert_eq(traffic_frame_decode(&f, bytes.p, bytes.len), 0);
	traffic_protobuf(&f, 0, &b);
	n = take_apart(&b, fields);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		is_number(fields, n, numbers[i].number, numbers[i].want);
	is_bytes(fields, n, 5001, boot, 36);
	is_bytes(fields, n, 5009, "edge1", 5);
	is_bytes(fields, n, 5010, "eth0", 4);
	traffic_batch_free(&batch);
	buf_free(&bytes);
	buf_free(&b);
}
