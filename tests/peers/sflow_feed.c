/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Samples of known content, encoded by the meter's sFlow encoder and sent to a
 * collector over UDP; for the tests against real collectors.
 *
 *   sflow_feed ADDRESS PORT COUNT RATE
 *
 * Prints what the collector must come to: "pair SRC_AS DST_AS FAMILY IN OUT
 * PACKETS IP_BYTES WIRE_BYTES", multiplied by the rate.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "asmeter/abi.h"
#include "export/sflow.h"

#define PAIRS 40

struct pair {
	uint32_t src_as, dst_as, in_if, out_if;
	enum family family;
	uint64_t packets, ip_bytes, wire_bytes;
};

static struct sflow sf; /* large */
static struct pair pairs[PAIRS];
static int sock = -1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* 4-byte ASes, small ones, the local one, and none. */
static void make_pairs(void)
{
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];
		bool out = i % 2;

		p->src_as = i % 5 == 4 ? 4200000000u + i : 1000 + i;
		p->dst_as = i % 7 == 3 ? 64512 : 4000000000u + i * 1000;
		if (i == 10)
			p->dst_as = 0; /* no route */
		p->family = i % 4 < 2 ? FAMILY_IP4 : FAMILY_IP6;
		p->in_if = out ? i % 3 : 10 + i % 3;
		p->out_if = out ? 20 + i % 3 : 0;
	}
}

/* An Ethernet frame with a UDP datagram inside; returns the header's length. */
static uint32_t make_frame(const struct pair *p, uint32_t i, uint32_t ip_len,
			   uint8_t *to)
{
	struct wr w = wr_init(to, 128);

	wr_fill(&w, 2, 12);
	wr_be16(&w, p->family == FAMILY_IP4 ? 0x0800 : 0x86dd);
	if (p->family == FAMILY_IP4) {
		wr_be16(&w, 0x4500);
		wr_be16(&w, (uint16_t)ip_len);
		wr_be32(&w, 0);
		wr_be32(&w, 64u << 24 | 17u << 16);
		wr_be32(&w, 0x0a000000u + i % 256);
		wr_be32(&w, 0x14000000u + i % 256);
	} else {
		wr_be32(&w, 6u << 28);
		wr_be16(&w, (uint16_t)(ip_len - 40));
		wr_be16(&w, 17u << 8 | 64u);
		wr_be32(&w, 0x20010db8);
		wr_fill(&w, 0, 8);
		wr_be32(&w, i % 256);
		wr_be32(&w, 0x20010db9);
		wr_fill(&w, 0, 8);
		wr_be32(&w, i % 256);
	}
	wr_be16(&w, 4000);
	wr_be16(&w, 53);
	wr_fill(&w, 0, 4);
	return (uint32_t)wr_len(&w);
}

static void flush(uint32_t uptime_ms)
{
	size_t len = sflow_close(&sf, uptime_ms);

	if (len && send(sock, sf.buf, len, 0) < 0)
		die("send");
	/* the collector's buffer is small, and nothing here is in a hurry */
	if (len)
		usleep(1000);
}

static void add(uint32_t i, uint32_t rate)
{
	static const uint32_t comm[] = {0xfc000001, 0xffffff01};
	struct pair *p = &pairs[i % PAIRS];
	uint32_t ip_len = 60 + i * 37 % 1400;
	uint32_t path[3] = {64496, 64497, p->dst_as};
	bool local = p->dst_as == 64512 || !p->dst_as;
	uint8_t frame[128];
	struct flow fl = {
		.has = FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_ROUTES,
		.dir = p->out_if ? ASM_DIR_OUT : ASM_DIR_IN,
		.rate = rate,
		.in_if = p->in_if,
		.out_if = p->out_if,
		.ip.dst.family = p->family,
		.src_as = p->src_as,
		.dst_as = p->dst_as,
		.src_plen = 24,
		.dst_plen = 20,
		.path = path,
		.path_len = local ? 0 : 3,
		.comm = comm,
		.comm_len = local ? 0 : 2,
		.local_pref = 250,
	};
	struct flow_head head = {.data = frame,
				 .cap_len = make_frame(p, i, ip_len, frame),
				 .wire_len = ip_len + 14};
	struct sflow_flow v = {.flow = &fl,
			       .head = &head,
			       .head_max = 128,
			       .ifindex = p->out_if ? p->out_if : p->in_if,
			       .seq = i / PAIRS + 1,
			       .pool = (i / PAIRS + 1) * rate,
			       .local_as = 64512};

	while (!sflow_add_flow(&sf, &v))
		flush(i);
	p->packets += rate;
	p->ip_bytes += (uint64_t)ip_len * rate;
	p->wire_bytes += (uint64_t)(ip_len + 14) * rate;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	const struct addr agent = {.hi = UINT64_C(0x7f000009) << 32};

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: sflow_feed ADDRESS PORT COUNT RATE\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	uint32_t count = (uint32_t)atoi(argv[3]);
	uint32_t rate = (uint32_t)atoi(argv[4]);

	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)))
		die("socket");
	make_pairs();
	sflow_init(&sf, &agent, 1400);
	for (uint32_t i = 0; i < count; i++)
		add(i, rate);
	flush(count);
	for (uint32_t i = 0; i < PAIRS; i++) {
		const struct pair *p = &pairs[i];

		printf("pair %u %u %u %u %u %llu %llu %llu\n", p->src_as,
		       p->dst_as, p->family == FAMILY_IP4 ? 4 : 6, p->in_if,
		       p->out_if, (unsigned long long)p->packets,
		       (unsigned long long)p->ip_bytes,
		       (unsigned long long)p->wire_bytes);
	}
	return 0;
}
