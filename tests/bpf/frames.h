/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds frames header by header, and keeps book of what they ought to be
 * counted as: fr_build(f, "eth vlan ip4+2 udp:100"). Sources lie in 10.1.0.0/16
 * and 2001::/16 (AS index 1), destinations in 10.2.0.0/16 and 2002::/16 (AS
 * index 2).
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asmeter/abi.h"

#define FRAME_MAX 73000

struct frame {
	uint8_t b[FRAME_MAX];
	uint32_t len;
	/* expected */
	uint32_t need; /* shorter: truncated; else, shorter than len: rest */
	enum asm_verdict verdict, rest;
	uint32_t ip_bytes;
	uint8_t family;
	/* where to repair lengths */
	uint32_t ppp_at, ip_at;
	uint32_t labels, tags;
};

static inline void fr_put(struct frame *f, const void *p, uint32_t n)
{
	memcpy(f->b + f->len, p, n);
	f->len += n;
}

static inline void fr_fill(struct frame *f, uint8_t byte, uint32_t n)
{
	memset(f->b + f->len, byte, n);
	f->len += n;
}

static inline void fr_16(struct frame *f, uint32_t v)
{
	uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	fr_put(f, b, 2);
}

static inline void fr_32(struct frame *f, uint32_t v)
{
	fr_16(f, v >> 16);
	fr_16(f, v & 0xffff);
}

static inline void fr_set16(struct frame *f, uint32_t at, uint32_t v)
{
	f->b[at] = (uint8_t)(v >> 8);
	f->b[at + 1] = (uint8_t)v;
}

/* The two MAC addresses; a type or a tag has to follow. */
static inline void fr_eth(struct frame *f)
{
	memset(f, 0, sizeof(*f));
	f->need = 14;
	f->verdict = f->rest = ASM_NOT_IP;
	fr_put(f, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
}

static inline void fr_type(struct frame *f, uint32_t type)
{
	fr_16(f, type);
	if (f->tags <= 4)
		f->need = f->len;
}

static inline void fr_vlan(struct frame *f, uint32_t tpid, uint32_t vid)
{
	fr_16(f, tpid);
	fr_16(f, vid);
	if (++f->tags <= 4)
		f->need = f->len + 2;
}

static inline void fr_mpls(struct frame *f, uint32_t label, bool bottom)
{
	fr_32(f, label << 12 | (bottom ? 1u << 8 : 0) | 64);
	if (++f->labels <= 16)
		f->need = f->len + (bottom ? 1 : 0);
}

static inline void fr_pppoe(struct frame *f, uint32_t proto)
{
	f->ppp_at = f->len;
	fr_put(f, "\x11\0\0\7\0\2", 6);
	fr_16(f, proto);
	f->need = f->len;
	f->rest = ASM_MALFORMED;
}

static inline void fr_ip(struct frame *f, uint8_t family, uint32_t need)
{
	if (f->labels > 16) /* too deep to be looked for */
		return;
	/* behind PPPoE the missing end shows earlier */
	if (!f->ppp_at)
		f->need = f->len + need;
	f->ip_at = f->len;
	f->family = family;
	f->verdict = ASM_ATTRIBUTED;
	f->rest = ASM_MALFORMED;
}

/* IPv4 with 4 * opts bytes of options. frag: the flags/offset field. */
static inline void fr_ip4(struct frame *f, uint32_t opts, uint32_t proto,
			  uint32_t frag)
{
	fr_ip(f, 4, 20 + 4 * opts);
	fr_16(f, (0x45u + opts) << 8);
	fr_16(f, 0);
	fr_16(f, 1);
	fr_16(f, frag);
	fr_16(f, 64u << 8 | proto);
	fr_16(f, 0);
	fr_32(f, 0x0a010203);
	fr_32(f, 0x0a020304);
	fr_fill(f, 1, 4 * opts); /* no operation */
}

static inline void fr_ip6(struct frame *f, uint32_t next)
{
	fr_ip(f, 6, 40);
	fr_32(f, 6u << 28);
	fr_16(f, 0);
	fr_16(f, next << 8 | 64);
	fr_put(f, "\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	fr_put(f, "\x20\2\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
}

/* An extension header of 8 * units bytes. */
static inline void fr_ext(struct frame *f, uint32_t next, uint32_t units)
{
	fr_16(f, next << 8 | (units - 1));
	fr_16(f, 0x0100 | (8 * units - 4)); /* PadN */
	fr_fill(f, 0, 8 * units - 4);
}

static inline void fr_udp(struct frame *f, uint32_t payload)
{
	fr_32(f, 1000u << 16 | 2000u);
	fr_16(f, 8 + payload);
	fr_16(f, 0);
	fr_fill(f, 0x5a, payload);
}

static inline void fr_tcp(struct frame *f, uint32_t opts, uint32_t payload)
{
	fr_32(f, 1000u << 16 | 2000u);
	fr_32(f, 1);
	fr_32(f, 1);
	fr_32(f, (5u + opts) << 28 | 0x10u << 16 | 1024u);
	fr_32(f, 0);
	fr_fill(f, 1, 4 * opts);
	fr_fill(f, 0x5a, payload);
}

/* Writes the lengths of what was built. */
static inline void fr_end(struct frame *f)
{
	uint32_t n = f->len - f->ip_at;

	if (f->ip_at) {
		f->ip_bytes = n;
		if (f->family == 4)
			fr_set16(f, f->ip_at + 2, n);
		else
			fr_set16(f, f->ip_at + 4, n - 40);
	}
	if (f->ppp_at)
		fr_set16(f, f->ppp_at + 4, f->len - f->ppp_at - 6);
}

/* Next-header number of a token, by its name. */
static inline uint32_t fr_next(const char *token)
{
	static const struct {
		const char *name;
		uint32_t proto;
	} t[] = {{"udp", 17},  {"tcp", 6},    {"hbh", 0},   {"rt", 43},
		 {"dst", 60},  {"frag6", 44}, {"jumbo", 0}, {"ah", 51},
		 {"none", 59}, {"ip4", 4},    {"ip6", 41},  {"gre", 47}};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		if (token && !strncmp(token, t[i].name, strlen(t[i].name)))
			return t[i].proto;
	return 253; /* RFC 3692: for experiments */
}

/* One token; next is the one behind it or NULL. typed: an EtherType has to
 * come before an IP header. Returns the new value of typed. */
static inline bool fr_token(struct frame *f, const char *t, const char *next,
			    bool typed)
{
	const char *colon = strchr(t, ':'), *plus = strchr(t, '+');
	uint32_t n = colon ? (uint32_t)atoi(colon + 1) : 0;
	uint32_t opts = plus ? (uint32_t)atoi(plus + 1) : 0;
	uint32_t nh = fr_next(next);

#define IS(s) (!strncmp(t, s, sizeof(s) - 1))
	if (IS("eth"))
		return fr_eth(f), true;
	if (IS("vlan"))
		return fr_vlan(f, 0x8100, 100), true;
	if (IS("qinq"))
		return fr_vlan(f, 0x88a8, 200), true;
	if (IS("9100"))
		return fr_vlan(f, 0x9100, 300), true;
	if (IS("type="))
		return fr_type(f, (uint32_t)strtoul(t + 5, NULL, 16)), false;
	if (IS("mpls") || IS("pppoe")) {
		if (typed)
			fr_type(f, IS("pppoe")    ? 0x8864
				   : IS("mplsmc") ? 0x8848
						  : 0x8847);
		if (IS("pppoe"))
			fr_pppoe(f, (uint32_t)strtoul(t + 6, NULL, 16));
		else
			fr_mpls(f, 16000, !next || strncmp(next, "mpls", 4));
		return false;
	}
	if (IS("gre=")) {
		uint32_t bits = (uint32_t)strtoul(t + 4, NULL, 16);

		fr_16(f, bits);
		fr_16(f, !next                        ? 0x1234u
			 : !strncmp(next, "teb", 3)   ? 0x6558u
			 : !strncmp(next, "ip4in", 5) ? 0x0800u
			 : !strncmp(next, "ip6in", 5) ? 0x86ddu
						      : 0x1234u);
		for (uint32_t b = bits & 0xb000u; b; b &= b - 1)
			fr_32(f, 0);
		return false;
	}
	if (IS("teb")) { /* Ethernet inside GRE */
		fr_fill(f, 2, 12);
		fr_16(f, next && !strncmp(next, "ip6", 3) ? 0x86dd : 0x0800);
		return false;
	}
	if (IS("ip4in") || IS("ip6in")) { /* an inner header, no lengths */
		fr_16(f, IS("ip4in") ? 0x4500 : 0x6000);
		if (IS("ip4in"))
			fr_fill(f, 0, 7);
		else
			fr_fill(f, 0, 4);
		fr_fill(f, (uint8_t)nh, 1);
		return fr_fill(f, 0, IS("ip4in") ? 10 : 33), false;
	}
	if ((IS("ip4") || IS("ip6")) && f->ip_at) /* a tunnel */
		return fr_fill(f, IS("ip4") ? 0x45 : 0x60, 40), false;
	if (IS("ip4") || IS("ip6")) {
		if (typed)
			fr_16(f, IS("ip4") ? 0x0800 : 0x86dd);
		if (IS("ip4"))
			fr_ip4(f, opts, nh, n);
		else
			fr_ip6(f, nh);
		return false;
	}
	if (IS("hbh") || IS("rt") || IS("dst"))
		return fr_ext(f, nh, opts ? opts : 1), false;
	if (IS("frag6")) {
		fr_16(f, nh << 8);
		fr_16(f, n);
		return fr_32(f, 7), false;
	}
	if (IS("ah")) {
		fr_16(f, nh << 8 | 4);
		return fr_fill(f, 0, 22), false;
	}
	if (IS("udp"))
		return fr_udp(f, n), false;
	if (IS("tcp"))
		return fr_tcp(f, opts, n), false;
	if (IS("raw"))
		return fr_fill(f, 0x5a, n), false;
	if (!IS("none"))
		abort();
	return false;
#undef IS
}

/*
 * Builds a frame from words: eth, vlan, qinq, 9100, type=HEX, mpls, mplsmc,
 * pppoe=HEX, ip4[+OPTION WORDS][:FRAGMENT FIELD], ip6, hbh, rt, dst, frag6,
 * ah (IPv6 extension headers, +n: 8-byte units), gre=BITS, teb (Ethernet in
 * GRE), ip4in, ip6in (inner headers), udp:PAYLOAD,
 * tcp[+OPTION WORDS]:PAYLOAD, raw:BYTES, none; "pad:BYTES" comes last and is
 * no part of the IP packet.
 */
static inline void fr_build(struct frame *f, const char *words)
{
	char copy[256], *tok[32], *save = NULL;
	bool typed = false;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *t = strtok_r(copy, " ", &save); t && n < 31;
	     t = strtok_r(NULL, " ", &save))
		tok[n++] = t;
	tok[n] = NULL;
	for (int i = 0; i < n; i++) {
		if (!strncmp(tok[i], "pad:", 4)) {
			fr_end(f);
			fr_fill(f, 0, (uint32_t)atoi(tok[i] + 4));
			return;
		}
		typed = fr_token(f, tok[i], tok[i + 1], typed);
	}
	fr_end(f);
}

#endif
