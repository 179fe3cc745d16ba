/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The countdown of the real programs: as many packets are sampled as have to
 * be, each alone or many in one, whatever the rate was before; and what is not
 * sampled costs the counters nothing. There is no tap here, so that each sample
 * is counted as one without.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <sched.h>

#include "asmeter/abi.h"
#include "asmeter/gap.h"

#include "asmeter.skel.h"
#include "bpf/bpft.h"

#define IF 1u

static struct bpft t;
static struct asm_rate *rates;
static struct asm_sampler *samplers; /* of CPU 0 */

static const uint8_t frame[64] = {
	[12] = 8, 0, 0x45, [17] = 50, [23] = 17, [26] = 10, 1,
	0,        1, 10,   2,         0,         1};

static void open_all(void)
{
	cpu_set_t one;
	const void *elf;
	size_t len;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	cr_assert(!sched_setaffinity(0, sizeof(one), &one));
	elf = asmeter_bpf__elf_bytes(&len);
	bpft_open(&t, elf, len, 64, 4);
	rates = bpft_map(&t, "asm_rates", ASM_PORT_SLOTS, sizeof(*rates), NULL);
	samplers = bpft_map(&t, "asm_sampler", ASM_PORT_SLOTS * ASM_DIRS,
			    sizeof(*samplers), NULL);
	bpft_if(&t, IF, 0);
}

TestSuite(sample, .init = open_all, .timeout = 300);

static void set_rate(uint32_t rate, uint32_t gen)
{
	struct asm_rate *r = &rates[IF];

	r->rate = rate;
	r->snap = 128;
	gap_scale(rate, &r->gap_mant, &r->gap_shift);
	t.ifs[IF].flags = gen << ASM_IFF_GEN_SHIFT | ASM_IFF_SAMPLED;
}

static const struct asm_sampler *sampler(enum asm_dir dir)
{
	return &samplers[IF * ASM_DIRS + dir];
}

static void run(enum bpft_prog prog, int repeat)
{
	cr_assert_eq(bpft_run(&t, prog, frame, sizeof(frame), NULL, 0, NULL,
			      repeat),
		     -1);
}

/* GSO packets of 45 segments, one call each: the test run takes the context of
 * the first only. */
static void run_gso(int repeat)
{
	static uint8_t big[14 + 20 + 20 + 45 * 20];
	struct __sk_buff ctx = {.gso_segs = 45,
				.gso_size = 20,
				.wire_len = sizeof(big) + 44 * 54};

	memcpy(big, frame, sizeof(frame));
	big[23] = 6;
	big[46] = 0x50;
	for (int i = 0; i < repeat; i++)
		cr_assert_eq(bpft_run(&t, BPFT_EGRESS, big, sizeof(big), &ctx,
				      sizeof(ctx), NULL, 1),
			     -1);
}

/* 5 sigma: a sound sampler fails once in two million. */
static void is_fair(uint64_t hits, uint64_t packets, double rate)
{
	double p = 1 / rate, want = (double)packets * p;
	double sigma = sqrt((double)packets * p * (1 - p));

	cr_assert(fabs((double)hits - want) <= 5 * sigma + 1e-6,
		  "1 in %.0f: %lu of %lu packets, %+.1f sigma", rate, hits,
		  packets, ((double)hits - want) / sigma);
}

Test(sample, fair)
{
	static const uint32_t rate[] = {1, 2, 3, 10, 100, 1000};
	const int packets = 3000000;
	struct bpft_total s;
	uint64_t sent = 0, hits = 0;

	for (size_t i = 0; i < sizeof(rate) / sizeof(*rate); i++) {
		const struct asm_sampler *a = sampler(ASM_DIR_OUT);

		set_rate(rate[i], 1 + (uint32_t)i);
		run(BPFT_EGRESS, packets);
		sent += (uint64_t)packets;
		is_fair(a->hits - hits, (uint64_t)packets, rate[i]);
		hits = a->hits;
		cr_assert_eq(a->taken, a->hits); /* one packet a time */
		cr_assert_eq(a->no_tap, a->taken);
		cr_assert_eq(a->sent + a->not_cut, 0);
	}
	/* the books have every one of them */
	bpft_total(&t, IF, &s);
	cr_assert_eq(s.books[ASM_DIR_OUT].seen.packets, sent);
	cr_assert_eq(s.books[ASM_DIR_OUT].seen.wire_bytes,
		     sent * sizeof(frame));
	cr_assert_eq(sampler(ASM_DIR_IN)->taken, 0);
}

/* Inbound, by the program that counts at TC. */
Test(sample, fair_inbound)
{
	set_rate(50, 1);
	run(BPFT_INGRESS, 2000000);
	is_fair(sampler(ASM_DIR_IN)->hits, 2000000, 50);
	cr_assert_eq(sampler(ASM_DIR_OUT)->taken, 0);
	cr_assert_eq(sampler(ASM_DIR_IN)->ifindex, IF);
}

/* Of many packets in one each has its chance; those hit share a clone. */
Test(sample, many_in_one)
{
	static const uint32_t rate[] = {1, 7, 200};
	uint64_t hits = 0, taken = 0;

	for (size_t i = 0; i < 3; i++) {
		const struct asm_sampler *a = sampler(ASM_DIR_OUT);

		set_rate(rate[i], 1 + (uint32_t)i);
		run_gso(20000);
		is_fair(a->hits - hits, 20000 * 45, rate[i]);
		/* 1 - (1 - p)^45 of them have at least one */
		is_fair(a->taken - taken, 20000,
			1 / (1 - pow(1 - 1.0 / rate[i], 45)));
		hits = a->hits;
		taken = a->taken;
	}
}

/* A gap drawn for one in sixteen million does not stay when the rate is new. */
Test(sample, a_new_rate_counts_at_once)
{
	set_rate(ASM_RATE_MAX, 1);
	run(BPFT_EGRESS, 10);
	set_rate(1, 2);
	run(BPFT_EGRESS, 1000);
	cr_assert(sampler(ASM_DIR_OUT)->hits >= 1000);
	set_rate(ASM_RATE_MAX, 3);
	run(BPFT_EGRESS, 10);
	/* off: the flag goes */
	t.ifs[IF].flags = 4u << ASM_IFF_GEN_SHIFT;
	run(BPFT_EGRESS, 1000);
	cr_assert(sampler(ASM_DIR_OUT)->hits <= 1002);
}

/* Flags, rate and slot that do not fit each other: counted, not sampled. */
Test(sample, half_a_configuration)
{
	struct bpft_total s;

	set_rate(1, 1);
	rates[IF].rate = 0;
	run(BPFT_EGRESS, 100);
	cr_assert_eq(sampler(ASM_DIR_OUT)->taken, 0);
	set_rate(1, 2);
	rates[IF].tap_ifindex = 0x7fffffff; /* no such device */
	run(BPFT_EGRESS, 100);
	cr_assert_eq(sampler(ASM_DIR_OUT)->no_tap, 100);
	bpft_total(&t, IF, &s);
	cr_assert_eq(s.books[ASM_DIR_OUT].seen.packets, 200);
}
