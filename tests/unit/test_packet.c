/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser's twin on the frames of tests/bpf, whole and cut after each
 * byte, in buffers of exactly their length. */
#include <criterion/criterion.h>

#include "bpf/frames.h"
#include "bpf/frames_list.h"
#include "asmeter/segment.h"
#include "flow/packet.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

static struct frame f;

static enum pkt_verdict parse(uint32_t cap, uint32_t wire, struct pkt_view *ret)
{
	uint8_t *copy = malloc(cap ? cap : 1);
	enum pkt_verdict v;

	memcpy(copy, f.b, cap);
	v = packet_parse(copy, cap, wire, false, ret);
	free(copy);
	return v;
}

Test(packet, views)
{
	for (size_t i = 0; i < N(frames_good); i++) {
		enum pkt_verdict want, got;
		struct pkt_view v;

		fr_build(&f, frames_good[i]);
		want = (enum pkt_verdict)f.verdict;
		got = parse(f.len, f.len, &v);
		cr_assert(got == want, "%s: %d", frames_good[i], got);
		if (want != PKT_IP)
			continue;
		cr_assert(v.family == f.family, "%s", frames_good[i]);
		cr_assert(v.ip_bytes == f.ip_bytes, "%s", frames_good[i]);
		cr_assert(v.l3_off == f.ip_at, "%s", frames_good[i]);
		if (v.family == 4) {
			cr_assert(v.src[0] == 0x0a010203);
			cr_assert(v.dst[0] == 0x0a020304);
			cr_assert(v.l3_len == (f.b[f.ip_at] & 15u) * 4u);
		} else {
			cr_assert(v.src[0] == 0x2001000000000000);
			cr_assert(v.src[1] == 1 && v.dst[1] == 2);
			cr_assert(v.dst[0] == 0x2002000000000000);
			cr_assert(v.l3_len == 40);
		}
	}
}

/* A capture cut short of the frame (a sample): the length on the wire is
 * what counts, and only a missing header makes it truncated. */
Test(packet, every_snap_length)
{
	for (size_t i = 0; i < N(frames_good); i++) {
		fr_build(&f, frames_good[i]);
		for (uint32_t cap = 0; cap <= f.len; cap++) {
			uint32_t headers = f.need;
			struct pkt_view v;
			enum pkt_verdict got = parse(cap, f.len, &v);

			if (f.ip_at) /* the fixed part is what is read */
				headers = f.ip_at + (f.family == 4 ? 20 : 40);
			cr_assert(
				got == (cap < headers
						? PKT_TRUNCATED
						: (enum pkt_verdict)f.verdict),
				"%s, %u of %u: %d", frames_good[i], cap, f.len,
				got);
		}
	}
}

Test(packet, every_truncation)
{
	for (size_t i = 0; i < N(frames_good); i++) {
		fr_build(&f, frames_good[i]);
		for (uint32_t len = 0; len < f.need; len++) {
			struct pkt_view v;

			cr_assert(parse(len, len, &v) == PKT_TRUNCATED,
				  "%s, cut to %u", frames_good[i], len);
		}
		for (uint32_t len = f.need; len < f.len; len++) {
			struct pkt_view v;
			enum pkt_verdict got = parse(len, len, &v);

			cr_assert(got == (enum pkt_verdict)f.rest ||
					  got == (enum pkt_verdict)f.verdict,
				  "%s, cut to %u: %d", frames_good[i], len,
				  got);
			if (f.ip_at && len < f.ip_at + f.ip_bytes)
				cr_assert(got == PKT_MALFORMED);
		}
	}
}

Test(packet, without_ethernet)
{
	struct pkt_view v;

	fr_build(&f, "eth ip6 udp:10");
	cr_assert(packet_parse(f.b + 14, f.len - 14, f.len - 14, true, &v) ==
		  PKT_IP);
	cr_assert(v.family == 6 && v.l3_off == 0 && v.ip_bytes == 58);
	cr_assert(packet_parse(f.b, 0, 0, true, &v) == PKT_TRUNCATED);
	cr_assert(packet_parse("\x50\0", 2, 2, true, &v) == PKT_NOT_IP);
	cr_assert(packet_parse(NULL, 0, 0, false, &v) == PKT_TRUNCATED);
}

/* The header length of a segment; see tc_ingress. */
Test(packet, segment_head)
{
	static const struct {
		const char *words;
		uint32_t end, proto;
		enum pkt_verdict verdict;
	} c[] = {
		{"eth ip4 tcp:1", 54, 6, PKT_IP},
		{"eth ip4+10 tcp+10:1", 134, 6, PKT_IP},
		{"eth vlan ip4 udp:1", 46, 17, PKT_IP},
		{"eth ip6 tcp+3:1", 86, 6, PKT_IP},
		{"eth ip6 hbh dst+2 rt+3 udp:1", 110, 17, PKT_IP},
		{"eth ip6 ah tcp:1", 98, 6, PKT_IP},
		{"eth ip6 frag6 udp:1", 70, 17, PKT_IP},
		{"eth ip4 raw:20", 34, 253, PKT_NOT_IP},
		{"eth ip4 ip4in tcp+3:9", 86, 6, PKT_IP},
		{"eth ip4+1 ip6in udp:9", 86, 17, PKT_IP},
		{"eth ip6 dst ip4in ip6in tcp:9", 142, 6, PKT_IP},
		{"eth ip4 gre=0000 ip4in tcp:9", 78, 6, PKT_IP},
		{"eth ip4 gre=2000 ip6in tcp:9", 102, 6, PKT_IP},
		{"eth ip6 gre=b000 ip4in udp:9", 98, 17, PKT_IP},
		{"eth ip4 gre=0000 teb ip4in tcp+1:9", 96, 6, PKT_IP},
		{"eth ip4 gre=0000 ip4in gre=2000 ip4in tcp:9", 106, 6, PKT_IP},
		{"eth ip4 gre=4000 ip4in tcp:9", 34, 47, PKT_NOT_IP},
		{"eth ip4 gre=0001 ip4in tcp:9", 34, 47, PKT_NOT_IP},
		{"eth ip4 gre=0000 raw:9", 38, 47, PKT_NOT_IP},
		{"eth ip4 ip4in ip4in ip4in tcp:9", 74, 4, PKT_NOT_IP},
		{"eth ip6 hbh raw:20", 62, 253, PKT_NOT_IP},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct pkt p;
		__u64 r;

		fr_build(&f, c[i].words);
		p = (struct pkt){.data = f.b, .data_end = f.b + f.len};
		r = pkt_segment_head(&p, f.ip_at, f.family);
		cr_assert(PKT_RARE_VERDICT(r) == (int)c[i].verdict, "%s",
			  c[i].words);
		cr_assert(PKT_RARE_LEN(r) == c[i].end, "%s: %u", c[i].words,
			  PKT_RARE_LEN(r));
		cr_assert(PKT_RARE_PROTO(r) == c[i].proto, "%s", c[i].words);
		for (uint32_t len = 0; len < f.len; len++) {
			uint8_t *copy = malloc(len ? len : 1);

			memcpy(copy, f.b, len);
			p = (struct pkt){.data = copy, .data_end = copy + len};
			pkt_segment_head(&p, f.ip_at, f.family);
			free(copy);
		}
	}
}
