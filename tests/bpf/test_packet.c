/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every header combination through all three programs, twice: with headers in
 * the linear part of the packet and with every header copied out of it. For
 * each frame the action, the untouched packet, all books and the row.
 */
#include <criterion/criterion.h>

#include "asmeter/abi.h"
#include "asmeter.skel.h"
#include "bpf/bpft.h"
#include "bpf/frames.h"
#include "bpf/frames_list.h"
#include "flow/packet.h"
#include "paged.skel.h"

#define N(a) (sizeof(a) / sizeof(*(a)))

static struct bpft *t, direct, paged;
static struct frame f;
static uint8_t out[FRAME_MAX];

static void setup(void)
{
	const void *elf;
	size_t len;

	elf = asmeter_bpf__elf_bytes(&len);
	bpft_open(&direct, elf, len, 64, 4);
	elf = paged_bpf__elf_bytes(&len);
	bpft_open(&paged, elf, len, 64, 4);
	for (int i = 0; i < 2; i++) {
		t = i ? &paged : &direct;
		bpft_if(t, 1, 0);
		bpft_route4(t, 0x0a010000, 16, 1);
		bpft_route4(t, 0x0a020000, 16, 2);
		bpft_route6(t, 0x2001, 1);
		bpft_route6(t, 0x2002, 2);
	}
}

static void teardown(void)
{
	bpft_close(&direct);
	bpft_close(&paged);
}

TestSuite(packet, .init = setup, .fini = teardown, .timeout = 300);

struct want {
	enum asm_verdict verdict;
	uint8_t family;
	struct asm_measure m;
	uint32_t src_ix, dst_ix;
};

static int same(const struct asm_measure *a, const struct asm_measure *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Asserts everything that one run may have changed. */
static void check(const char *what, int prog, const struct want *w)
{
	static const struct asm_measure none;
	enum asm_dir dir = prog == BPFT_EGRESS ? ASM_DIR_OUT : ASM_DIR_IN;
	bool ip = w->verdict == ASM_ATTRIBUTED || w->verdict == ASM_UNKNOWN_AS;
	struct bpft_total sum;

	bpft_total(t, 1, &sum);
	cr_assert(same(&sum.books[dir].seen, &w->m),
		  "%s, program %d: seen %llu %llu %llu, not %llu %llu %llu",
		  what, prog, sum.books[dir].seen.packets,
		  sum.books[dir].seen.ip_bytes, sum.books[dir].seen.wire_bytes,
		  w->m.packets, w->m.ip_bytes, w->m.wire_bytes);
	for (int v = 0; v < ASM_VERDICTS; v++) {
		const struct asm_measure *got =
			bpft_bucket(&sum.books[dir], (enum asm_verdict)v);

		cr_assert(same(got, v == (int)w->verdict ? &w->m : &none),
			  "%s, program %d: bucket %d is wrong (want %d)", what,
			  prog, v, w->verdict);
		got = bpft_bucket(&sum.books[!dir], (enum asm_verdict)v);
		cr_assert(same(got, &none), "%s: wrong direction", what);
	}
	cr_assert(sum.n_rows == (ip ? 1u : 0u), "%s: %u rows", what,
		  sum.n_rows);
	if (!ip)
		return;
	cr_assert(same(&sum.rows, &w->m), "%s: row", what);
	cr_assert(sum.row.family == w->family, "%s: family", what);
	cr_assert(sum.row.dir == dir && sum.row.ifindex == 1, "%s: port", what);
	if (w->verdict != ASM_ATTRIBUTED)
		return;
	cr_assert(sum.row.src_as == 4200000000u + w->src_ix &&
			  sum.row.dst_as == 4200000000u + w->dst_ix,
		  "%s: ASes %u %u", what, sum.row.src_as, sum.row.dst_as);
}

/* Runs len bytes of the frame through a program and checks. */
static void run_ctx(const char *what, int prog, uint32_t len,
		    const struct want *w, const void *ctx, uint32_t ctx_len)
{
	int rc;

	bpft_zero(t);
	memset(out, 0xaa, len);
	rc = bpft_run(t, (enum bpft_prog)prog, f.b, len, ctx, ctx_len, out, 1);
	cr_assert(rc == (prog == BPFT_XDP ? XDP_PASS : -1),
		  "%s (%u bytes), program %d: action %d", what, len, prog, rc);
	cr_assert(!memcmp(out, f.b, len), "%s: packet changed", what);
	check(what, prog, w);
}

/* The kernel's own least lengths for test runs: recent ones want a whole IP
 * header behind an IP EtherType. */
static uint32_t least(int prog)
{
	if (prog == BPFT_XDP)
		return 14;
	if (f.b[12] == 0x08 && f.b[13] == 0x00)
		return 34;
	return f.b[12] == 0x86 && f.b[13] == 0xdd ? 54 : 15;
}

static void run_all(const char *what, uint32_t len, const struct want *w)
{
	for (int i = 0; i < 2; i++) {
		t = i ? &paged : &direct;
		for (int prog = 0; prog < BPFT_PROGS; prog++)
			if (len >= least(prog) &&
			    (prog == BPFT_XDP || len < 3000))
				run_ctx(what, prog, len, w, NULL, 0);
	}
}

static struct want want_of(enum asm_verdict v, uint32_t len)
{
	bool ip = v == ASM_ATTRIBUTED || v == ASM_UNKNOWN_AS;

	return (struct want){v, f.family, {1, ip ? f.ip_bytes : 0, len}, 1, 2};
}

Test(packet, every_combination)
{
	for (size_t i = 0; i < N(frames_good); i++) {
		struct want w;

		fr_build(&f, frames_good[i]);
		w = want_of(f.verdict, f.len);
		run_all(frames_good[i], f.len, &w);
	}
}

/* The next length to cut to: every one of the headers, some of the payload. */
static uint32_t cut_next(uint32_t len)
{
	return len > f.need + 8 && len + 105 < f.len ? len + 97 : len + 1;
}

static struct want want_cut(uint32_t len)
{
	if (len < f.need)
		return want_of(ASM_TRUNCATED, len);
	if (f.ip_at && len < f.ip_at + f.ip_bytes)
		return want_of(f.rest, len);
	if (f.ppp_at) /* the PPPoE length covers no padding */
		return want_of(len < f.ppp_at + 8 ? f.rest : f.verdict, len);
	return want_of(f.verdict, len);
}

Test(packet, every_truncation)
{
	char what[400];

	for (size_t i = 0; i < N(frames_good); i++) {
		fr_build(&f, frames_good[i]);
		for (uint32_t len = 14; len < f.len; len = cut_next(len)) {
			struct want w = want_cut(len);

			snprintf(what, sizeof(what), "%s, cut to %u",
				 frames_good[i], len);
			run_all(what, len, &w);
		}
	}
}

/* at: offset from the IP header (or from PPPoE when ppp). */
static const struct hostile {
	const char *words;
	int at;
	bool ppp;
	uint32_t value; /* 16 bits */
	enum asm_verdict verdict;
	uint32_t ip_bytes;
} hostile[] = {
	/* IPv4: version and header length */
	{"eth ip4 udp:18", 0, 0, 0x6500, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 0, 0, 0x0500, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 0, 0, 0x4000, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 0, 0, 0x4400, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 0, 0, 0x4f00, ASM_TRUNCATED, 0},
	{"eth ip4 udp:40", 0, 0, 0x4f00, ASM_ATTRIBUTED, 68},
	/* total length: 0, inside the header, exact, one past, all ones */
	{"eth ip4 udp:18", 2, 0, 0, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 2, 0, 19, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 2, 0, 20, ASM_ATTRIBUTED, 20},
	{"eth ip4+2 udp:18", 2, 0, 27, ASM_MALFORMED, 0},
	{"eth ip4+2 udp:18", 2, 0, 28, ASM_ATTRIBUTED, 28},
	{"eth ip4 udp:18", 2, 0, 46, ASM_ATTRIBUTED, 46},
	{"eth ip4 udp:18", 2, 0, 47, ASM_MALFORMED, 0},
	{"eth ip4 udp:18", 2, 0, 0xffff, ASM_MALFORMED, 0},
	{"eth vlan ip4 udp:18", 2, 0, 47, ASM_MALFORMED, 0},
	{"eth mpls ip4 udp:18", 2, 0, 47, ASM_MALFORMED, 0},
	/* IPv6: version, payload length */
	{"eth ip6 udp:18", 0, 0, 0x4500, ASM_MALFORMED, 0},
	{"eth ip6 udp:18", 0, 0, 0x0000, ASM_MALFORMED, 0},
	{"eth ip6 udp:18", 4, 0, 0, ASM_ATTRIBUTED, 40},
	{"eth ip6 udp:18", 4, 0, 26, ASM_ATTRIBUTED, 66},
	{"eth ip6 udp:18", 4, 0, 27, ASM_MALFORMED, 0},
	{"eth ip6 udp:18", 4, 0, 0xffff, ASM_MALFORMED, 0},
	/* payload length 0 and a hop-by-hop header: only as a jumbogram */
	{"eth ip6 hbh udp:18", 4, 0, 0, ASM_MALFORMED, 0},
	{"eth ip6 hbh+4 udp:18", 4, 0, 0, ASM_MALFORMED, 0},
	/* MPLS: what the first nibble says has to hold */
	{"eth mpls ip4 udp:18", 0, 0, 0x4400, ASM_MALFORMED, 0},
	{"eth mpls ip4 udp:18", 0, 0, 0x0000, ASM_NOT_IP, 0},
	{"eth mpls ip4 udp:18", 0, 0, 0x6f00, ASM_UNKNOWN_AS, 41},
	/* PPPoE: version/type, code, length, protocol */
	{"eth pppoe=21 ip4 udp:18", 0, 1, 0x2100, ASM_MALFORMED, 0},
	{"eth pppoe=21 ip4 udp:18", 0, 1, 0x1109, ASM_MALFORMED, 0},
	{"eth pppoe=21 ip4 udp:18", 4, 1, 0, ASM_MALFORMED, 0},
	{"eth pppoe=21 ip4 udp:18", 4, 1, 1, ASM_MALFORMED, 0},
	{"eth pppoe=21 ip4 udp:18", 4, 1, 2, ASM_TRUNCATED, 0},
	{"eth pppoe=21 ip4 udp:18", 4, 1, 47, ASM_MALFORMED, 0},
	{"eth pppoe=21 ip4 udp:18", 4, 1, 49, ASM_MALFORMED, 0},
	{"eth pppoe=21 ip4 udp:18", 4, 1, 0xffff, ASM_MALFORMED, 0},
	{"eth pppoe=57 ip6 udp:18 pad:9", 4, 1, 69, ASM_ATTRIBUTED, 66},
	{"eth pppoe=21 ip4 udp:18", 6, 1, 0xc021, ASM_NOT_IP, 0},
	{"eth pppoe=21 ip4 udp:18", 6, 1, 0x0057, ASM_MALFORMED, 0},
};

Test(packet, hostile_lengths)
{
	char what[200];

	for (size_t i = 0; i < N(hostile); i++) {
		const struct hostile *h = &hostile[i];
		uint32_t at = (uint32_t)h->at;
		struct want w;

		fr_build(&f, h->words);
		fr_set16(&f, at + (h->ppp ? f.ppp_at : f.ip_at), h->value);
		f.ip_bytes = h->ip_bytes;
		f.family = h->verdict == ASM_UNKNOWN_AS ? 6 : f.family;
		w = want_of(h->verdict, f.len);
		snprintf(what, sizeof(what), "%s, %s + %u = %04x", h->words,
			 h->ppp ? "PPPoE" : "IP", at, h->value);
		run_all(what, f.len, &w);
	}
}

/* A hop-by-hop header with an 8-byte option area, made a jumbogram. */
static void make_jumbo(uint32_t len, uint32_t type, uint32_t optlen)
{
	uint8_t *o = f.b + f.ip_at + 42;

	fr_set16(&f, f.ip_at + 4, 0);
	o[0] = (uint8_t)type;
	o[1] = (uint8_t)optlen;
	fr_set16(&f, f.ip_at + 44, len >> 16);
	fr_set16(&f, f.ip_at + 46, len & 0xffff);
}

/* RFC 2675. Only XDP takes frames of that size here. */
Test(packet, jumbograms)
{
	static const struct {
		const char *words;
		uint32_t len, type, optlen;
		enum asm_verdict verdict;
	} c[] = {
		{"eth ip6 hbh raw:70000", 70008, 0xc2, 4, ASM_ATTRIBUTED},
		{"eth ip6 hbh raw:70000", 70000, 0xc2, 4, ASM_ATTRIBUTED},
		{"eth vlan ip6 hbh raw:65528", 65536, 0xc2, 4, ASM_ATTRIBUTED},
		{"eth ip6 hbh raw:70000", 70009, 0xc2, 4, ASM_MALFORMED},
		{"eth ip6 hbh raw:70000", 65535, 0xc2, 4, ASM_MALFORMED},
		{"eth ip6 hbh raw:70000", 0, 0xc2, 4, ASM_MALFORMED},
		{"eth ip6 hbh raw:70000", ~0u, 0xc2, 4, ASM_MALFORMED},
		{"eth ip6 hbh raw:70000", 70008, 0xc2, 3, ASM_MALFORMED},
		{"eth ip6 hbh raw:70000", 70008, 0xc2, 5, ASM_MALFORMED},
		{"eth ip6 hbh raw:70000", 70008, 0x05, 4, ASM_MALFORMED},
		{"eth ip6 hbh raw:10", 70008, 0xc2, 4, ASM_MALFORMED},
	};

	for (size_t i = 0; i < N(c); i++) {
		char what[80];
		struct want w;

		fr_build(&f, c[i].words);
		make_jumbo(c[i].len, c[i].type, c[i].optlen);
		f.ip_bytes = 40 + c[i].len;
		w = want_of(c[i].verdict, f.len);
		snprintf(what, sizeof(what), "jumbogram %zu", i);
		run_all(what, f.len, &w);
	}
	/* cut inside the options */
	for (uint32_t cut = 54; cut < 62; cut++) {
		struct want w;

		fr_build(&f, "eth ip6 hbh raw:10");
		make_jumbo(70008, 0xc2, 4);
		w = want_of(ASM_TRUNCATED, cut);
		run_all("jumbogram, cut", cut, &w);
	}
}

/* More than a page: XDP sees several buffers, and counts them all. */
Test(packet, multi_buffer)
{
	static const char *const words[] = {
		"eth ip4 raw:3520",       "eth ip4 udp:8972",
		"eth vlan ip6 udp:8952",  "eth qinq vlan mpls ip4 tcp:20000",
		"eth ip4 raw:65515",      "eth ip6 dst udp:60000",
		"eth type=0806 raw:9000",
	};

	for (size_t i = 0; i < N(words); i++) {
		struct want w;

		fr_build(&f, words[i]);
		w = want_of(f.verdict, f.len);
		run_all(words[i], f.len, &w);
	}
}

Test(packet, unknown_as)
{
	static const uint8_t far4[4] = {192, 0, 2, 1}, far6[2] = {0x3f, 0xfe};

	for (int i = 0; i < 4; i++) {
		uint32_t at;
		struct want w;

		fr_build(&f, i & 1 ? "eth ip6 udp:30" : "eth ip4 udp:30");
		at = f.ip_at + (i & 1 ? 8 : 12) +
		     (i & 2 ? (i & 1 ? 16 : 4) : 0);
		memcpy(f.b + at, i & 1 ? far6 : far4, i & 1 ? 2 : 4);
		w = want_of(ASM_UNKNOWN_AS, f.len);
		run_all("unknown AS", f.len, &w);
		w.verdict = ASM_UNKNOWN_AS;
	}
}

/* Interfaces whose frames start with the IP header. */
Test(packet, no_ethernet_header)
{
	static const char *const words[] = {"eth ip4+1 udp:30",
					    "eth ip6 hbh udp:30",
					    "eth type=5000 raw:40"};

	bpft_if(&direct, 1, ASM_IFF_NO_L2);
	bpft_if(&paged, 1, ASM_IFF_NO_L2);
	for (size_t i = 0; i < N(words); i++) {
		struct want w;
		uint32_t n;

		fr_build(&f, words[i]);
		n = f.len - 14;
		memmove(f.b, f.b + 14, n);
		f.len = n;
		w = want_of(f.verdict, n);
		run_all(words[i], n, &w);
	}
}

struct gso {
	const char *words;
	uint32_t segs, size, wire_len;
	struct asm_measure out, in;
};

/*
 * A GSO packet: headers once, the payload of all. Egress believes wire_len;
 * ingress has to find the header length itself. segs 0: nobody counted.
 */
Test(packet, gso)
{
	static const struct gso c[] = {
		/* 14 + 20 + 32; 2000 in 500s: 4 * 66 + 2000 */
		{"eth ip4 tcp+3:2000",
		 4,
		 500,
		 2264,
		 {4, 2208, 2264},
		 {4, 2208, 2264}},
		{"eth ip4 tcp+3:2001",
		 5,
		 500,
		 2331,
		 {5, 2261, 2331},
		 {5, 2261, 2331}},
		{"eth ip4 tcp+3:2000",
		 0,
		 500,
		 2264,
		 {4, 2208, 2264},
		 {4, 2208, 2264}},
		{"eth ip4 tcp+3:2001",
		 0,
		 500,
		 2331,
		 {5, 2261, 2331},
		 {5, 2261, 2331}},
		{"eth ip4+2 udp:1000",
		 10,
		 100,
		 1500,
		 {10, 1360, 1500},
		 {10, 1360, 1500}},
		{"eth ip6 tcp:2000",
		 2,
		 1000,
		 2148,
		 {2, 2120, 2148},
		 {2, 2120, 2148}},
		/* 14 + 4 + 4 + 40 + 8 + 20 = 90 */
		{"eth qinq vlan ip6 dst tcp:2000",
		 2,
		 1000,
		 2180,
		 {2, 2136, 2180},
		 {2, 2136, 2180}},
		{"eth mpls ip4 tcp:1000",
		 2,
		 500,
		 1116,
		 {2, 1080, 1116},
		 {2, 1080, 1116}},
		/* tunnels: 14 + 20 + 4 + 20 + 20 = 78; 14 + 40 + 20 + 8 = 82 */
		{"eth ip4 gre=0000 ip4in tcp:1000",
		 4,
		 250,
		 1312,
		 {4, 1256, 1312},
		 {4, 1256, 1312}},
		{"eth ip6 ip4in udp:1000",
		 0,
		 250,
		 1328,
		 {4, 1272, 1328},
		 {4, 1272, 1328}},
		{"eth ip4 tcp:100", 1, 1000, 154, {1, 140, 154}, {1, 140, 154}},
	};

	for (size_t i = 0; i < N(c); i++)
		for (int k = 0; k < 4; k++) {
			int prog = k & 1 ? BPFT_EGRESS : BPFT_INGRESS;
			struct __sk_buff ctx = {.gso_segs = c[i].segs,
						.gso_size = c[i].size,
						.wire_len = c[i].wire_len};
			struct want w = {ASM_ATTRIBUTED, 0,
					 k & 1 ? c[i].out : c[i].in, 1, 2};

			t = k & 2 ? &paged : &direct;
			fr_build(&f, c[i].words);
			w.family = f.family;
			run_ctx(c[i].words, prog, f.len, &w, &ctx, sizeof(ctx));
			/* the length in the header says nothing (BIG TCP) */
			fr_set16(&f, f.ip_at + (f.family == 4 ? 2 : 4), 0);
			run_ctx(c[i].words, prog, f.len, &w, &ctx, sizeof(ctx));
		}
}

static uint64_t rnd_state = 88172645463325252u;

static uint32_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 16);
}

/* What the routes of setup() say. */
static uint32_t as_of(uint8_t family, const __u64 *addr)
{
	uint64_t net = addr[0] >> (family == 4 ? 16 : 48);

	if (net == (family == 4 ? 0x0a01 : 0x2001))
		return 1;
	return net == (family == 4 ? 0x0a02 : 0x2002) ? 2 : 0;
}

/* The twin in user space says the same of the same bytes. */
Test(packet, twin_agrees)
{
	unsigned counts[ASM_VERDICTS] = {0};

	for (int i = 0; i < 30000; i++) {
		struct pkt_view view;
		struct want w;
		uint32_t len;
		int prog;

		fr_build(&f, frames_good[rnd() % N(frames_good)]);
		for (uint32_t n = rnd() % 4; n; n--)
			f.b[12 + rnd() % (f.need > 12 ? f.need : 1)] =
				(uint8_t)(rnd() & 1 ? rnd() : 1u << rnd() % 8);
		len = rnd() % 4 ? f.len : 15 + rnd() % (f.len - 14);
		w.verdict = (enum asm_verdict)packet_parse(f.b, len, len, false,
							   &view);
		w.family = view.family;
		w.m = (struct asm_measure){1, 0, len};
		if (w.verdict == ASM_ATTRIBUTED) {
			w.m.ip_bytes = view.ip_bytes;
			w.src_ix = as_of(view.family, view.src);
			w.dst_ix = as_of(view.family, view.dst);
			if (!w.src_ix || !w.dst_ix)
				w.verdict = ASM_UNKNOWN_AS;
		}
		counts[w.verdict]++;
		t = i & 1 ? &paged : &direct;
		prog = (int)(rnd() % BPFT_PROGS);
		run_ctx("twin", len < least(prog) ? BPFT_XDP : prog, len, &w,
			NULL, 0);
	}
	for (int v = 0; v < ASM_MAP_FULL; v++)
		cr_assert(counts[v] > 100, "verdict %d: only %u frames", v,
			  counts[v]);
}
