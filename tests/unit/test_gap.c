/* SPDX-License-Identifier: BSD-2-Clause */
/* Gaps between samples: the distribution that the programs draw from, held
 * against the geometric one, which is computed here another way. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "asmeter/gap.h"

static uint64_t seed;

/* splitmix64 */
static uint64_t rnd(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static const uint32_t rates[] = {1,    2,     3,      7,       10,      100,
				 1000, 65535, 100000, 1000000, 1u << 24};

#define N(a) (sizeof(a) / sizeof(*(a)))

Test(gap, logarithm)
{
	static const uint64_t edges[] = {1,
					 2,
					 3,
					 UINT64_MAX,
					 UINT64_MAX - 1,
					 1ull << 63,
					 (1ull << 63) - 1,
					 (1ull << 63) + 1,
					 1ull << 32,
					 0xffffffff};

	for (size_t i = 0; i < N(edges) + 100000; i++) {
		uint64_t r = i < N(edges) ? edges[i] : rnd() >> rnd() % 64;
		long double want = 64 - log2l((long double)(r ? r : 1));
		long double got = (long double)gap_log2(r) / (1u << 24);

		cr_assert(fabsl(want - got) < 2.0 / (1u << 24),
			  "-log2(%#lx / 2^64) is %Lf, not %Lf", r, want, got);
	}
	cr_assert_eq(gap_log2(0), gap_log2(1));
}

/* The gap at which the tail of the distribution is u, exactly; rounding may
 * move it by one where the boundary is hit. */
Test(gap, inverse_of_the_tail)
{
	for (size_t i = 0; i < N(rates); i++) {
		uint32_t mant, shift;

		gap_scale(rates[i], &mant, &shift);
		for (int n = 0; n < 20000; n++) {
			uint64_t r = rnd();
			double u = ((double)r + 1) / 18446744073709551616.0;
			double want =
				rates[i] == 1
					? 1
					: ceil(log(u) / log1p(-1.0 / rates[i]));
			double got = gap_of(r, mant, shift);

			if (want < 1)
				want = 1;
			cr_assert(fabs(got - want) <= 1 + want * 1e-6,
				  "1 in %u: %f, not %f", rates[i], got, want);
		}
	}
}

/* The longest and the shortest gap there can be. */
Test(gap, bounds)
{
	for (size_t i = 0; i < N(rates); i++) {
		uint32_t mant, shift;
		double longest;

		gap_scale(rates[i], &mant, &shift);
		cr_assert_eq(gap_of(UINT64_MAX, mant, shift), 1);
		longest = rates[i] == 1
				  ? 1
				  : 64 * log(2.0) / -log1p(-1.0 / rates[i]);
		cr_assert(fabs(gap_of(0, mant, shift) - longest) <=
			  1 + longest * 1e-6);
	}
}

/* Small gaps have the probabilities p (1 - p)^(k - 1), each within 5 sigma of
 * a million draws. */
Test(gap, probabilities)
{
	enum { DRAWS = 1000000, KS = 40 };

	seed = 7;
	for (size_t i = 0; i < N(rates); i++) {
		double p = 1.0 / rates[i], q = p;
		uint32_t hits[KS + 1] = {0}, mant, shift;

		if (rates[i] > 100)
			break;
		gap_scale(rates[i], &mant, &shift);
		for (int n = 0; n < DRAWS; n++) {
			uint32_t g = gap_of(rnd(), mant, shift);

			hits[g <= KS ? g : 0]++;
		}
		for (int k = 1; k <= KS; k++, q *= 1 - p) {
			double sigma = sqrt(DRAWS * q * (1 - q));

			cr_assert(fabs(hits[k] - DRAWS * q) <= 5 * sigma + 1,
				  "1 in %u, gap %d: %u of %f", rates[i], k,
				  hits[k], DRAWS * q);
		}
	}
}

/*
 * What is promised: over 10^8 packets the number of samples, times the rate,
 * is within 196 * sqrt(1/c) percent in 95 % of trials. 400 trials, so the share
 * of those inside is itself known to 1.1 %: 5 sigma below 95 % is 89.5 %, and
 * no more than all may be inside. And over all trials together the mean is
 * right to 5 sigma: no bias.
 */
static void trials(uint32_t rate)
{
	enum { TRIALS = 400 };
	const uint64_t packets = 100000000;
	uint32_t mant, shift, inside = 0;
	double sum = 0, sigma;

	gap_scale(rate, &mant, &shift);
	for (int t = 0; t < TRIALS; t++) {
		uint64_t at = 0, c = 0;

		for (;;) {
			at += gap_of(rnd(), mant, shift);
			if (at > packets)
				break;
			c++;
		}
		inside += fabs((double)(c * rate) / (double)packets - 1) <=
			  1.96 * sqrt(1.0 / (double)c);
		sum += (double)c;
	}
	cr_assert(inside >= 358, "1 in %u: %u of %d inside", rate, inside,
		  TRIALS);
	sigma = sqrt((double)packets / rate * (1 - 1.0 / rate) / TRIALS);
	cr_assert(fabs(sum / TRIALS - (double)packets / rate) <= 5 * sigma,
		  "1 in %u: %f samples in the mean", rate, sum / TRIALS);
}

Test(gap, within_the_bound_over_1e8_packets, .timeout = 240)
{
	seed = 42;
	trials(10000);
	trials(100000);
	trials(1000000);
}

/* The same without bias at small rates, which need more draws than there is
 * time for trials. */
Test(gap, mean, .timeout = 120)
{
	enum { DRAWS = 3000000 };

	seed = 3;
	for (size_t i = 0; i < N(rates); i++) {
		double rate = rates[i], sum = 0;
		double sigma = sqrt(rate * (rate - 1) / DRAWS);
		uint32_t mant, shift;

		gap_scale(rates[i], &mant, &shift);
		for (int n = 0; n < DRAWS; n++)
			sum += gap_of(rnd(), mant, shift);
		cr_assert(fabs(sum / DRAWS - rate) <= 5 * sigma,
			  "1 in %u: gaps of %f in the mean", rates[i],
			  sum / DRAWS);
	}
}
