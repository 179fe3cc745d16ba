/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets into flow records: each field of packets written out here byte by
 * byte, agreement with the parser that counts, every truncation in a buffer
 * of exactly that length. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "bpf/frames.h"
#include "bpf/frames_list.h"
#include "flow/decode.h"
#include "flow/packet.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

static struct flow decode(const void *p, uint32_t cap, uint32_t wire,
			  bool no_l2, enum pkt_verdict *ret_verdict)
{
	uint8_t *copy = malloc(cap ? cap : 1);
	struct flow_head h = {copy, cap, wire, no_l2};
	struct flow f = {0};
	enum pkt_verdict v;

	memcpy(copy, p, cap);
	v = flow_decode(&h, false, &f);
	if (ret_verdict)
		*ret_verdict = v;
	free(copy);
	return f;
}

/* The verdict, the addresses and the length are those of the parser that the
 * programs share; what is not IP has none. */
static void agree(const uint8_t *b, uint32_t cap, uint32_t wire,
		  const char *what)
{
	enum pkt_verdict got, want;
	struct pkt_view v;
	struct flow f = decode(b, cap, wire, false, &got);
	uint8_t *copy = malloc(cap ? cap : 1);

	memcpy(copy, b, cap);
	want = packet_parse(copy, cap, wire, false, &v);
	free(copy);
	cr_assert_eq(got, want, "%s, %u of %u: %d, not %d", what, cap, wire,
		     got, want);
	cr_assert_eq(f.packets, 1);
	cr_assert_eq(f.wire_bytes, wire);
	cr_assert_eq(!!(f.has & FLOW_HAS_ETH), cap >= 14);
	cr_assert_eq(!!(f.has & FLOW_HAS_IP), want == PKT_IP, "%s, %u of %u",
		     what, cap, wire);
	if (want == PKT_TRUNCATED)
		cr_assert(f.has & FLOW_CUT);
	if (want == PKT_MALFORMED)
		cr_assert(f.has & FLOW_BAD);
	if (want != PKT_IP) {
		cr_assert_eq(f.ip_bytes, 0);
		return;
	}
	cr_assert_eq(f.ip_bytes, v.ip_bytes);
	cr_assert_eq(f.ip.eth_proto, v.eth_proto);
	cr_assert_eq(f.ip.src.hi, v.family == 4 ? v.src[0] << 32 : v.src[0]);
	cr_assert_eq(f.ip.dst.hi, v.family == 4 ? v.dst[0] << 32 : v.dst[0]);
	cr_assert_eq(f.ip.src.lo, v.family == 4 ? 0 : v.src[1]);
	cr_assert_eq(f.ip.dst.lo, v.family == 4 ? 0 : v.dst[1]);
	cr_assert_eq(f.ip.src.family, v.family == 4 ? FAMILY_IP4 : FAMILY_IP6);
}

Test(decode, agrees_with_the_parser_at_every_length)
{
	static struct frame fr;

	for (size_t i = 0; i < N(frames_good); i++) {
		fr_build(&fr, frames_good[i]);
		for (uint32_t cap = 0; cap <= fr.len && cap <= 300; cap++) {
			agree(fr.b, cap, cap, frames_good[i]);
			agree(fr.b, cap, fr.len, frames_good[i]);
		}
	}
}

/* ------------------------------------------------------ field by field */

#define MACS 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4
#define IP4(len, proto)                                                      \
	0x45, 0xb8, (len) >> 8, (len)&255, 0x12, 0x34, 0, 0, 63, (proto), 0, \
		0, 192, 0, 2, 1, 198, 51, 100, 2
#define IP6(len, next)                                                       \
	0x6a, 0xb1, 0x23, 0x45, (len) >> 8, (len)&255, (next), 62, 0x20, 1,  \
		0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1, 0xd, \
		0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2
#define TCP \
	0x1f, 0x90, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 1, 1, 0, 0, 0, 0
#define UDP(dport, len) 0xc0, 1, (dport) >> 8, (dport)&255, 0, (len), 0, 0

static void is_inner(const struct flow *f)
{
	cr_assert(f->has & FLOW_HAS_TUNNEL);
	cr_assert_eq(f->inner_has, FLOW_HAS_IP | FLOW_HAS_PORTS | FLOW_HAS_TCP);
	cr_assert_eq(f->inner.eth_proto, 0x86dd);
	cr_assert_eq(f->inner.src.hi, 0x20010db800000000);
	cr_assert_eq(f->inner.dst.lo, 2);
	cr_assert_eq(f->inner.proto, 6);
	cr_assert_eq(f->inner.src_port, 8080);
	cr_assert_eq(f->inner.dst_port, 80);
	cr_assert_eq(f->inner.tcp_flags, 0x12);
	cr_assert_eq(f->inner.flow_label, 0x12345);
	cr_assert_eq(f->inner.tos, 0xab);
	cr_assert_eq(f->inner.ttl, 62);
}

Test(decode, tags_labels_and_tcp)
{
	static const uint8_t b[] = {MACS, 0x88,       0xa8, 0xe0, 100,  0x81,
				    0,    0x2f,       0xff, 0x88, 0x47, 0,
				    0x01, 0x04,       0x40, 0,    1,    0x15,
				    0x3f, IP4(40, 6), TCP};
	struct flow f = decode(b, sizeof(b), sizeof(b), false, NULL);

	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_PORTS |
				    FLOW_HAS_TCP);
	cr_assert_arr_eq(f.dst_mac, ((uint8_t[]){2, 2, 2, 2, 2, 2}), 6);
	cr_assert_arr_eq(f.src_mac, ((uint8_t[]){4, 4, 4, 4, 4, 4}), 6);
	cr_assert_eq(f.n_vlans, 2);
	cr_assert_eq(f.vlan[0], 100);
	cr_assert_eq(f.vlan[1], 4095);
	cr_assert_eq(f.eth_proto, 0x8847);
	cr_assert_eq(f.n_labels, 2);
	cr_assert_eq(f.label[0], 0x00010440);
	cr_assert_eq(f.label[1], 0x0001153f);
	cr_assert_eq(f.ip_bytes, 40);
	cr_assert_eq(f.ip.src.hi, 0xc0000201ull << 32);
	cr_assert_eq(f.ip.dst.hi, 0xc6336402ull << 32);
	cr_assert_eq(f.ip.tos, 0xb8);
	cr_assert_eq(f.ip.ttl, 63);
	cr_assert_eq(f.ip.src_port, 8080);
	cr_assert_eq(f.ip.dst_port, 80);
	cr_assert_eq(f.ip.tcp_flags, 0x12);
	cr_assert_eq(f.ip.frag_id, 0);
}

Test(decode, extension_headers_and_icmp)
{
	static const uint8_t b[] = {MACS, 0x86, 0xdd, IP6(8 + 16 + 8, 0),
				    60,   0,    1,    4,
				    0,    0,    0,    0,
				    58,   1,    1,    4,
				    0,    0,    0,    0,
				    0,    0,    0,    0,
				    0,    0,    0,    0,
				    128,  7,    0,    0,
				    0,    1,    0,    1};
	struct flow f = decode(b, sizeof(b), sizeof(b), false, NULL);

	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_ICMP);
	cr_assert_eq(f.ip.proto, 58);
	cr_assert_eq(f.ip.icmp_type, 128);
	cr_assert_eq(f.ip.icmp_code, 7);
	cr_assert_eq(f.ip.flow_label, 0x12345);
	cr_assert_eq(f.ip_bytes, 72);
}

/* The first fragment has ports, a later one has none; padding is not L4. */
Test(decode, fragments_and_padding)
{
	uint8_t b[64] = {MACS, 8, 0, IP4(28, 17), UDP(53, 208)};
	static const uint8_t six[] = {MACS, 0x86, 0xdd, IP6(16, 44), 17, 0, 0,
				      0x51, 1,    2,    3,           4,  1, 2,
				      3,    4,    5,    6,           7,  8};
	struct flow f;

	b[20] = 0x20; /* more fragments */
	f = decode(b, 42, 42, false, NULL);
	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_PORTS |
				    FLOW_HAS_FRAG);
	cr_assert_eq(f.ip.frag_id, 0x1234);
	cr_assert_eq(f.ip.frag_off, 0);
	cr_assert_eq(f.ip.dst_port, 53);
	b[21] = 3;
	f = decode(b, 42, 42, false, NULL);
	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_FRAG);
	cr_assert_eq(f.ip.frag_off, 24);
	cr_assert_eq(f.ip.dst_port, 0);

	f = decode(six, sizeof(six), sizeof(six), false, NULL);
	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_FRAG);
	cr_assert_eq(f.ip.proto, 17);
	cr_assert_eq(f.ip.frag_id, 0x01020304);
	cr_assert_eq(f.ip.frag_off, 0x50);
	cr_assert_eq(f.ip.src_port, 0);

	/* an IP packet of 22 bytes in a frame of 60: two bytes of UDP */
	memcpy(b, (const uint8_t[]){MACS, 8, 0, IP4(22, 17)}, 34);
	f = decode(b, 60, 60, false, NULL);
	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_BAD);
	cr_assert_eq(f.ip.src_port, 0);
}

Test(decode, tunnels)
{
	static const uint8_t six_in_four[] = {MACS,        8,          0,
					      IP4(80, 41), IP6(20, 6), TCP};
	static const uint8_t gre[] = {MACS,       8,    0,    IP4(92, 47), 0xb0,
				      0,          0x86, 0xdd, 0,           0,
				      0,          0,    0,    0,           0,
				      1,          0,    0,    0,           2,
				      IP6(20, 6), TCP};
	static const uint8_t vxlan[] = {MACS,
					8,
					0,
					IP4(120, 17),
					UDP(4789, 96),
					8,
					0,
					0,
					0,
					0,
					0,
					7,
					0,
					MACS,
					0x81,
					0,
					0,
					5,
					0x86,
					0xdd,
					IP6(20, 6),
					TCP};
	static const uint8_t geneve[] = {MACS,
					 8,
					 0,
					 IP4(114, 17),
					 UDP(6081, 94),
					 1,
					 0,
					 0x65,
					 0x58,
					 0,
					 0,
					 7,
					 0,
					 1,
					 2,
					 3,
					 0,
					 MACS,
					 0x86,
					 0xdd,
					 IP6(20, 6),
					 TCP};
	static const uint8_t gtpu[] = {MACS,
				       8,
				       0,
				       IP4(104, 17),
				       UDP(2152, 84),
				       0x34,
				       255,
				       0,
				       68,
				       0,
				       0,
				       0,
				       1,
				       0,
				       0,
				       0,
				       0x85,
				       1,
				       0,
				       9,
				       0,
				       IP6(20, 6),
				       TCP};
	const struct {
		const uint8_t *b;
		uint32_t len;
	} all[] = {{six_in_four, sizeof(six_in_four)},
		   {gre, sizeof(gre)},
		   {vxlan, sizeof(vxlan)},
		   {geneve, sizeof(geneve)},
		   {gtpu, sizeof(gtpu)}};

	for (size_t i = 0; i < N(all); i++) {
		struct flow f;
		uint8_t b[160];

		/* the total length as it is, whatever was written above */
		memcpy(b, all[i].b, all[i].len);
		b[16] = 0;
		b[17] = (uint8_t)(all[i].len - 14);
		f = decode(b, all[i].len, all[i].len, false, NULL);
		cr_assert(f.has & FLOW_HAS_TUNNEL, "tunnel %zu", i);
		is_inner(&f);
		cr_assert_eq(f.has & (FLOW_CUT | FLOW_BAD), 0, "tunnel %zu", i);
		/* cut anywhere: never more than is there, and it says so */
		for (uint32_t cap = 34; cap < all[i].len; cap++) {
			f = decode(b, cap, all[i].len, false, NULL);
			cr_assert(f.has & FLOW_HAS_IP);
			cr_assert(f.has & FLOW_CUT || cap >= all[i].len - 6,
				  "tunnel %zu, %u bytes", i, cap);
		}
	}
}

/* A tunnel port that carries something else, wrong versions and flags. */
Test(decode, no_tunnel)
{
	uint8_t b[] = {MACS, 8,         0, IP4(64, 17), UDP(4789, 44),
		       0,    0,         0, 0,           0,
		       0,    0,         0, MACS,        0x08,
		       0,    IP4(20, 6)};

	cr_assert_eq(decode(b, sizeof(b), sizeof(b), false, NULL).has &
			     FLOW_HAS_TUNNEL,
		     0);
	b[42] = 8;
	cr_assert(decode(b, sizeof(b), sizeof(b), false, NULL).has &
		  FLOW_HAS_TUNNEL);
	b[63] = 0x06; /* ARP inside */
	cr_assert_eq(decode(b, sizeof(b), sizeof(b), false, NULL).has &
			     FLOW_HAS_TUNNEL,
		     0);
}

/* Every byte replaced by its edge values: no crash, no field of a header that
 * is not there. */
Test(decode, hostile_bytes)
{
	static struct frame fr;
	static const uint8_t edges[] = {0, 1, 0x45, 0x60, 0x7f, 0x80, 0xff};

	for (size_t i = 0; i < N(frames_good); i++) {
		fr_build(&fr, frames_good[i]);
		if (fr.len > 128)
			fr.len = 128;
		for (uint32_t at = 0; at < fr.len; at++) {
			uint8_t was = fr.b[at];

			for (size_t e = 0; e < N(edges); e++) {
				fr.b[at] = edges[e];
				agree(fr.b, fr.len, fr.len, frames_good[i]);
				agree(fr.b, fr.len, 1514, frames_good[i]);
			}
			fr.b[at] = was;
		}
	}
}

Test(decode, no_ethernet)
{
	static const uint8_t b[] = {IP4(40, 6), TCP};
	struct flow f = decode(b, sizeof(b), sizeof(b), true, NULL);

	cr_assert_eq(f.has, FLOW_HAS_IP | FLOW_HAS_PORTS | FLOW_HAS_TCP);
	cr_assert_eq(f.ip.dst_port, 80);
	cr_assert_eq(f.wire_bytes, 40);
}

/* Of a packet that is many the lengths say nothing; the headers do. */
Test(decode, gso)
{
	uint8_t b[] = {MACS, 8, 0, IP4(40, 6), TCP};
	struct flow_head h = {b, sizeof(b), 65000, false};
	struct flow f = {0};

	b[16] = b[17] = 0;
	cr_assert_eq(flow_decode(&h, true, &f), PKT_IP);
	cr_assert_eq(f.has, FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_PORTS |
				    FLOW_HAS_TCP);
	cr_assert_eq(f.ip_bytes, 0);
}
