/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How many packets to go until the next sample: one source for the programs
 * and for user space, so that the test of its statistics tests what runs.
 *
 * When each packet is sampled with probability p = 1/N, the gap G from one
 * sample to the next is geometric: P(G > k) = (1 - p)^k. So is, exactly,
 *
 *   G = ceil(c * E),   E = -log2(U),   c = -1 / log2(1 - p)
 *
 * for U uniform in (0, 1], as P(c * E > k) = P(U < 2^(-k/c)) = (1 - p)^k.
 * There is no logarithm and no floating point in BPF: log2 is found bit by bit
 * by squaring (24 of them: an error of 2^-25 in the mean, of 1.44), and c is
 * computed by user space as a mantissa and a shift.
 */
#ifndef ASMETER_GAP_H
#define ASMETER_GAP_H

#include <linux/types.h>

#ifdef __bpf__
#define GAP_INLINE static __always_inline
#else
#include <math.h>
#define GAP_INLINE static inline
#endif

#define GAP_FRAC_BITS 24

/* -log2(r / 2^64), with GAP_FRAC_BITS bits after the point; r 0 is taken for
 * 1. */
GAP_INLINE __u64 gap_log2(__u64 r)
{
	__u64 m = r | !r, frac = 0, n, zeros = 0;

	for (int i = 32; i; i >>= 1) {
		n = m >> (64 - i) ? 0 : (__u64)i;
		m <<= n;
		zeros += n;
	}
	m >>= 32; /* 1 <= m < 2, with 31 bits after the point */
	for (int i = 0; i < GAP_FRAC_BITS; i++) {
		m = m * m >> 31;
		n = m >> 32;
		m >>= n;
		frac = frac << 1 | n;
	}
	return ((zeros + 1) << GAP_FRAC_BITS) - frac;
}

/* The gap for the random number r; mant and shift are gap_scale()'s. */
GAP_INLINE __u32 gap_of(__u64 r, __u32 mant, __u32 shift)
{
	__u64 gap;

	shift &= 63;
	gap = (gap_log2(r) * mant + (1ull << shift) - 1) >> shift;
	return gap ? (__u32)gap : 1;
}

#ifndef __bpf__
/* mant * 2^-(shift - GAP_FRAC_BITS) is c of 1 in rate, rate 1 to 2^24; 0 for
 * rate 1, where each gap is 1. */
GAP_INLINE void gap_scale(__u32 rate, __u32 *ret_mant, __u32 *ret_shift)
{
	double c, f;
	int e;

	*ret_mant = *ret_shift = 0;
	if (rate < 2)
		return;
	c = -1.0 / (log1p(-1.0 / rate) / log(2.0));
	f = frexp(c, &e); /* 0.5 <= f < 1 */
	*ret_mant = (__u32)fmin(ldexp(f, 32), 4294967295.0);
	*ret_shift = (__u32)(32 + GAP_FRAC_BITS - e);
}
#endif

#endif
