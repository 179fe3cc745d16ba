/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of every kind the meter distinguishes, with what each must count as.
 * The arithmetic here is written from the protocols, not from the meter's
 * parser: it is the oracle of the exactness tests.
 */
#ifndef TESTS_NET_FRAMES_H
#define TESTS_NET_FRAMES_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HDR_MAX 160 /* bytes that are written; the rest is payload */
#define FRAME_MIN     60

enum frame_class {
	FRAME_IP,
	FRAME_NOT_IP,
	FRAME_TRUNCATED,
	FRAME_MALFORMED,
};

struct host {
	uint8_t ip[16];
	uint32_t asn; /* 0: no route */
};

struct hosts {
	struct host *v;
	size_t n;
};

struct frame {
	uint32_t len;  /* of the frame, without FCS */
	uint32_t hlen; /* bytes of hdr */
	enum frame_class class;
	unsigned family; /* 4, 6; 0 when not IP */
	uint32_t ip_bytes;
	uint32_t src_as, dst_as;
	uint8_t hdr[FRAME_HDR_MAX];
};

/* splitmix64: the same frames for the same seed everywhere. */
static inline uint64_t rnd(uint64_t *s)
{
	uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint32_t rnd_below(uint64_t *s, uint32_t n)
{
	return (uint32_t)(rnd(s) % n);
}

static inline void put8(struct frame *f, unsigned v)
{
	if (f->hlen < FRAME_HDR_MAX)
		f->hdr[f->hlen++] = (uint8_t)v;
}

static inline void put16(struct frame *f, unsigned v)
{
	put8(f, v >> 8);
	put8(f, v & 0xff);
}

static inline void put32(struct frame *f, uint32_t v)
{
	put16(f, v >> 16);
	put16(f, v & 0xffff);
}

static inline void put_bytes(struct frame *f, const uint8_t *p, size_t n)
{
	while (n--)
		put8(f, *p++);
}

/* Ethernet without the type: to a station that is not there. */
static inline void put_eth(struct frame *f)
{
	static const uint8_t macs[12] = {0x02, 0, 0, 0, 0xee, 0x01,
					 0x02, 0, 0, 0, 0xee, 0x02};

	put_bytes(f, macs, sizeof(macs));
}

/* How the IP header is wrapped. */
enum wrap {
	WRAP_NONE,
	WRAP_VLAN,
	WRAP_QINQ,
	WRAP_VLAN4,
	WRAP_MPLS,
	WRAP_MPLS3,
	WRAP_PPPOE,
	WRAP_VLAN_PPPOE,
	WRAPS
};

static inline void put_labels(struct frame *f, unsigned n)
{
	put16(f, 0x8847);
	while (n--)
		put32(f, (1000u + n) << 12 | (n ? 0u : 1u << 8) | 64u);
}

/* Everything up to the IP header; ip_len is what PPPoE has to know. */
static inline void put_wrap(struct frame *f, enum wrap w, unsigned family,
			    uint32_t ip_len)
{
	static const uint16_t tags[] = {0x88a8, 0x8100, 0x8100, 0x8100};
	unsigned vlans = w == WRAP_VLAN || w == WRAP_VLAN_PPPOE ? 1
			 : w == WRAP_QINQ                       ? 2
			 : w == WRAP_VLAN4                      ? 4
								: 0;

	put_eth(f);
	for (unsigned i = 0; i < vlans; i++) {
		put16(f, vlans == 1 ? 0x8100 : tags[i]);
		put16(f, 100 + i);
	}
	switch (w) {
	case WRAP_MPLS:
		put_labels(f, 1);
		break;
	case WRAP_MPLS3:
		put_labels(f, 3);
		break;
	case WRAP_PPPOE:
	case WRAP_VLAN_PPPOE:
		put16(f, 0x8864);
		put16(f, 0x1100);
		put16(f, 0x1234);
		put16(f, ip_len + 2);
		put16(f, family == 4 ? 0x0021 : 0x0057);
		break;
	default:
		put16(f, family == 4 ? 0x0800 : 0x86dd);
	}
}

static inline uint32_t wrap_len(enum wrap w)
{
	static const uint32_t len[WRAPS] = {14, 18, 22, 30, 18, 26, 22, 26};

	return len[w];
}

static inline void put_ip4(struct frame *f, const struct host *src,
			   const struct host *dst, uint32_t total,
			   unsigned opt_words, bool fragment)
{
	put8(f, 0x45 + opt_words);
	put8(f, 0);
	put16(f, total);
	put16(f, 0x4242);
	put16(f, fragment ? 0x2010 : 0x4000);
	put8(f, 64);
	put8(f, 17);
	put16(f, 0);
	put_bytes(f, src->ip, 4);
	put_bytes(f, dst->ip, 4);
	for (unsigned i = 0; i < opt_words; i++)
		put32(f, 0x01010100); /* NOP, NOP, NOP, end of options */
}

/* exts: hop-by-hop, routing and fragment headers in front of UDP. */
static inline void put_ip6(struct frame *f, const struct host *src,
			   const struct host *dst, uint32_t payload, bool exts)
{
	put32(f, 0x60000000);
	put16(f, payload);
	put8(f, exts ? 0 : 17);
	put8(f, 64);
	put_bytes(f, src->ip, 16);
	put_bytes(f, dst->ip, 16);
	if (!exts)
		return;
	put32(f, 43u << 24 | 0x0104); /* hop-by-hop: PadN */
	put32(f, 0);
	put32(f, 44u << 24 | 0x0400); /* routing, nothing left */
	put32(f, 0);
	put32(f, 17u << 24 | 0x0010); /* fragment */
	put32(f, 42);
}

static inline void frame_ip(struct frame *f, uint64_t *seed, unsigned family,
			    const struct hosts *h, uint32_t len, bool plain)
{
	const struct host *src = &h->v[rnd_below(seed, (uint32_t)h->n)];
	const struct host *dst = &h->v[rnd_below(seed, (uint32_t)h->n)];
	enum wrap w = plain || rnd_below(seed, 2)
			      ? WRAP_NONE
			      : (enum wrap)rnd_below(seed, WRAPS);
	unsigned opts = family == 4 && !rnd_below(seed, 8)
				? 1 + rnd_below(seed, 10)
				: 0;
	bool exts = family == 6 && !rnd_below(seed, 8);
	uint32_t head = family == 4 ? 20 + opts * 4 : exts ? 64 : 40;
	uint32_t off = wrap_len(w), pad, ip;

	if (len < off + head)
		len = off + head;
	/* padding behind the IP packet, as on short frames */
	pad = rnd_below(seed, 4) ? 0 : rnd_below(seed, 19);
	ip = len - off;
	ip = ip >= head + pad ? ip - pad : head;
	put_wrap(f, w, family, ip);
	if (family == 4)
		put_ip4(f, src, dst, ip, opts, !rnd_below(seed, 16));
	else
		put_ip6(f, src, dst, ip - 40, exts);
	f->len = len;
	f->class = FRAME_IP;
	f->family = family;
	f->ip_bytes = ip;
	f->src_as = src->asn;
	f->dst_as = dst->asn;
}

/* What is whole, but not IP. */
static inline void frame_not_ip(struct frame *f, uint64_t *seed, uint32_t len)
{
	put_eth(f);
	switch (rnd_below(seed, 7)) {
	case 0: /* ARP */
		put16(f, 0x0806);
		put32(f, 0x00010800);
		break;
	case 1: /* LLDP */
		put16(f, 0x88cc);
		break;
	case 2: /* 802.3 with LLC: spanning tree */
		put16(f, 38);
		put32(f, 0x42420300);
		break;
	case 3: /* a fifth tag */
		for (int i = 0; i < 5; i++) {
			put16(f, 0x8100);
			put16(f, 7);
		}
		put16(f, 0x0800);
		put32(f, 0x45000014);
		break;
	case 4: /* LCP in PPPoE */
		put16(f, 0x8864);
		put16(f, 0x1100);
		put16(f, 1);
		put16(f, 10);
		put16(f, 0xc021);
		break;
	case 5: /* PPPoE discovery */
		put16(f, 0x8863);
		put32(f, 0x11090000);
		break;
	default: /* a pseudo-wire below the label */
		put_labels(f, 1);
		put32(f, 0);
	}
	f->len = len;
	f->class = FRAME_NOT_IP;
}

/* What ends inside a header. */
static inline void frame_truncated(struct frame *f, uint64_t *seed,
				   const struct hosts *h4)
{
	const struct host *a = &h4->v[rnd_below(seed, (uint32_t)h4->n)];

	put_eth(f);
	switch (rnd_below(seed, 5)) {
	case 0: /* IPv4 after 0..19 bytes */
		put16(f, 0x0800);
		put_ip4(f, a, a, 100, 0, false);
		f->hlen = 14 + rnd_below(seed, 20);
		break;
	case 1: /* inside the options */
		put16(f, 0x0800);
		put_ip4(f, a, a, 100, 10, false);
		f->hlen = 34 + rnd_below(seed, 40);
		break;
	case 2: /* a tag without its type */
		put16(f, 0x8100);
		put16(f, 5);
		f->hlen = 14 + rnd_below(seed, 4);
		break;
	case 3: /* labels without a bottom */
		put16(f, 0x8847);
		put32(f, 0x00010040);
		f->hlen = 14 + rnd_below(seed, 5);
		break;
	default: /* IPv6 */
		put16(f, 0x86dd);
		put_ip6(f, a, a, 0, false);
		f->hlen = 14 + rnd_below(seed, 40);
	}
	f->len = f->hlen;
	f->class = FRAME_TRUNCATED;
}

/* What contradicts itself. */
static inline void frame_malformed(struct frame *f, uint64_t *seed,
				   const struct hosts *h4,
				   const struct hosts *h6, uint32_t len)
{
	const struct host *a = &h4->v[rnd_below(seed, (uint32_t)h4->n)];
	const struct host *b = &h6->v[rnd_below(seed, (uint32_t)h6->n)];

	if (len < 80)
		len = 80;
	put_eth(f);
	switch (rnd_below(seed, 6)) {
	case 0: /* longer than the frame */
		put16(f, 0x0800);
		put_ip4(f, a, a, len - 14 + 1 + rnd_below(seed, 100), 0, false);
		break;
	case 1: /* shorter than its header */
		put16(f, 0x0800);
		put_ip4(f, a, a, 19, 0, false);
		break;
	case 2: /* version */
		put16(f, 0x0800);
		put_ip4(f, a, a, len - 14, 0, false);
		f->hdr[14] = 0x55;
		break;
	case 3: /* header length */
		put16(f, 0x0800);
		put_ip4(f, a, a, len - 14, 0, false);
		f->hdr[14] = 0x44;
		break;
	case 4: /* IPv6 longer than the frame */
		put16(f, 0x86dd);
		put_ip6(f, b, b, len - 14 - 40 + 1 + rnd_below(seed, 100),
			false);
		break;
	default: /* PPPoE code */
		put16(f, 0x8864);
		put16(f, 0x1109);
		put16(f, 1);
		put16(f, 30);
		put16(f, 0x0021);
	}
	f->len = len;
	f->class = FRAME_MALFORMED;
}

/* A frame of the mix: min..max bytes, 85 % IP. plain: only
 * whole IP packets, without tags. */
static inline void frame_make(struct frame *f, uint64_t *seed,
			      const struct hosts h[2], uint32_t min,
			      uint32_t max, bool plain)
{
	static const uint32_t usual[] = {60, 64, 128, 576, 1280, 1500, 1514};
	uint32_t len = min + rnd_below(seed, max - min + 1);
	uint32_t dice = plain ? 0 : rnd_below(seed, 100);

	memset(f, 0, sizeof(*f));
	if (rnd_below(seed, 2)) {
		len = usual[rnd_below(seed, 7)];
		len = len < min ? min : len > max ? max : len;
	}
	if (dice < 85) {
		unsigned v6 = h[1].n && (!h[0].n || !rnd_below(seed, 3));

		frame_ip(f, seed, v6 ? 6 : 4, &h[v6], len, plain);
	} else if (dice < 91) {
		frame_not_ip(f, seed, len);
	} else if (dice < 95) {
		frame_truncated(f, seed, &h[0]);
	} else {
		frame_malformed(f, seed, &h[0], &h[1], len);
	}
}

/* Reads "address asn" lines into h[0] (IPv4) and h[1] (IPv6). */
static inline int hosts_read(const char *path, struct hosts h[2])
{
	char line[256], addr[80];
	FILE *f = fopen(path, "re");
	uint32_t asn;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		struct host one = {0};
		int v6;

		if (sscanf(line, "%79s %u", addr, &asn) != 2)
			continue;
		v6 = strchr(addr, ':') != NULL;
		one.asn = asn;
		if (inet_pton(v6 ? AF_INET6 : AF_INET, addr, one.ip) != 1)
			continue;
		if ((h[v6].n & (h[v6].n - 1)) == 0) {
			size_t cap = h[v6].n ? h[v6].n * 2 : 1;
			void *v = realloc(h[v6].v, cap * sizeof(one));

			if (!v)
				break;
			h[v6].v = v;
		}
		h[v6].v[h[v6].n++] = one;
	}
	fclose(f);
	return h[0].n || h[1].n ? 0 : -1;
}

#endif
