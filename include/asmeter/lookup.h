/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Address to AS index: the longest prefix match of both families, one source
 * for the BPF programs and for user space.
 *
 * MODEL
 *
 * The table is one array of 32-bit words (asm_table, 2^n words, mmapped by
 * the meter). It is a multibit trie: a word of it is an *entry*, and an entry
 * is one of
 *
 *   leaf      bit 31 clear: the AS index, 0 when there is no route
 *   branch    bit 31 set, stride s = 1..15 in bits 30..27, word offset in
 *             26..0: the next s bits of the address select one of the 2^s
 *             entries that start there
 *   compare   bit 31 set, stride 0: four words at the offset, {n, bits, eq,
 *             ne}: when the next n (1..32) bits of the address are `bits` go
 *             on with entry eq behind them, else the answer is leaf ne.
 *             IPv6 only: it skips the long empty stretches between /32 and
 *             /48 that a branch would have to spell out
 *
 * The root of each family is a branch of fixed place and stride. Leaves are
 * pushed down: an entry answers for itself, nobody remembers a best match on
 * the way. Since a leaf is an AS and not a route, neighbouring prefixes of one
 * AS melt together. The stride of every branch is chosen by how densely the
 * region is announced (user/route/compile.c).
 *
 * INVARIANTS
 *
 * 1. A block (what an offset points to) starts at a multiple of its size, so
 *    one of up to 16 entries lies in one cache line.
 * 2. Nothing but entries is ever written to a block that a lookup can reach,
 *    and these are aligned 32-bit stores. Everything behind an entry is
 *    complete before the entry is stored (release), and stays as it is until
 *    a grace period after the entry was replaced. A lookup therefore sees
 *    the answer from before a change or the one from behind it.
 * 3. No walk takes more than ASM_STEPS4 or ASM_STEPS6 steps below the root;
 *    the compiler picks strides that keep to it, whatever is announced.
 *
 * BRANCHES
 *
 * Of uniformly drawn announced IPv4 addresses 45 % end in the root and 55 %
 * one step below it: a branch between the two is a coin toss, and a wrong
 * guess costs more than the load it saves. So the first IPv4 step is always
 * made, towards word 0 when there is nothing to look for, and the answer is
 * picked by a mask. The step has a fixed stride of 4, to /24, so that nothing
 * but the load waits for the root's entry. What lies deeper is rare and
 * predicted right. IPv6 makes its first ASM_PLAIN6 steps in this way, of any
 * stride; compares come behind them only.
 *
 * MEASURED
 *
 * libloc's table, 968,428 + 177,846 prefixes; the two lookups of a packet with
 * the harness subtracted (tests/bench/lookup). Announced: uniform over
 * prefixes, 2^20 pairs; hot: Zipf(1), 2^16 pairs; cold: uniform over 2^32 or
 * 2000::/3, 2^20 pairs. Linux 6.18, 4 KiB pages; compare, don't quote.
 *
 * How the structure was chosen; nanoseconds of one run, a virtual Zen 5:
 *
 *                                          announced   hot    cold
 *   LPM_TRIE, IPv4                              2220  1199     731
 *   DIR-24-8, u32 in one array element (64 MB)    22   4.0      43
 *   root 2^20, branch at each step, any stride    26    17      14
 *   the same, first step by a mask                12   6.1      14
 *   the same, first stride fixed at 4              9   4.3      12   <- IPv4
 *
 *   LPM_TRIE, IPv6, as a multiple of ours in the same run:
 *   dense strides, compares anywhere, branches   20x   14x           11.6 MB
 *   the same with strides four times as sparse   29x   22x           18.6 MB
 *   the same, three steps by a mask              35x   37x           18.2 MB
 *                                                              <- IPv6, both
 *
 * Lost before that: a table of ranges below a 2^20 root (binary search, 64 to
 * 67 ns), and DIR-24-8 itself, which takes 64 MB for IPv4 alone and cannot be
 * changed by one store.
 *
 * An IPv6 root of 2^20, from which one step of 12 bits leads to /32, gives the
 * whole program 1.06 times uniform IPv6 (7.3 to 7.75 times the obvious build on
 * a virtual Zen 3, two runs each) for 4 MB more of root and a layout that no
 * earlier release reads: not taken.
 *
 * What it gives: `make bench` on a virtual Zen 4 with two CPUs and returns made
 * safe (SRSO, which makes each helper call dearer) that did nothing else;
 * medians of eleven rounds, and the lowest and highest of them:
 *
 *                       announced        hot              cold
 *   ours, IPv4, ns        73               54               27
 *   LPM_TRIE / ours       48    32..78     45    37..93     40    34..49
 *   DIR-24-8 / ours     0.93   0.4..1.4  0.96   0.3..1.8   1.6   1.3..1.9
 *   ours, IPv6, ns        81               54                3
 *   LPM_TRIE / ours       27    19..32     26    15..34     15    13..20
 *
 * A virtual Zen 3 where each miss takes 190 ns, since its shared cache is taken
 * by others: LPM_TRIE / ours 26, 37, 17 and (IPv6) 13, 17, 10; DIR-24-8 / ours
 * 1.3, 1.05, 1.4. There, by size of the table (tests/bench/growth, announced
 * addresses, both lookups):
 *
 *   prefixes, both families    10,000   104,000   1,146,000   4,000,000
 *   table, MB                     5.4        12          18          98
 *   IPv4, ns (LPM_TRIE/ours)   10 (42)   94 (21)     84 (52)    269 (18)
 *   IPv6                       52  (5)   80  (9)    187 (16)    322  (9)
 *
 * Ours has to wait for the root before it can ask below it, DIR-24-8 for one
 * word of a table four times as large: about the same until that no longer fits
 * in any cache. A virtual machine's cache belongs to others as well, hence the
 * spread.
 *
 * THE SECOND LOOKUP
 *
 * It adds to the first, packets in a chain (tests/bench/lookup.c), with the
 * same machine busy: IPv4 28 % announced, 42 % hot, 19 % cold; IPv6 42 %
 * announced, 50 % hot (41 to 75). They overlap because nothing but branches
 * that are guessed right lies between. Two loops in lockstep, which were to
 * share the guesses that go wrong, cost as a multiple of one after the other
 *
 *   IPv4, both roots, both first steps, one test for both    0.99 .. 1.04
 *   IPv6, root and three steps of both, the rest apart       0.96 .. 1.01
 *   IPv6, the rest of both in one loop, each step by masks
 *   whatever it meets (branch, compare, leaf)                0.99 .. 1.05
 *
 * (medians of 121 turns over announced and hot keys, with and without a chain;
 * the middle half of the turns lies within 5 to 23 % of them). So there is one
 * function for one address.
 *
 * LIMITS
 *
 * 32 MB hold 1.8 times what the table of 2026 needs for both families (18.2 MB
 * with IPv6 spread out, 11.6 MB with dense strides, to which the compiler goes
 * back when the room gets short). 4 million prefixes want asm_table of 2^25
 * words; offsets reach 2^27. The table is read-only to the packet path: CPUs
 * share its lines without any traffic between them, and each core's cache
 * holds what its own flows touch.
 *
 * ON PAPER: 100 GBIT/S, 32 CORES, 4 MILLION PREFIXES
 *
 * 100 Gbit/s of 64-byte frames are 148.8 million packets a second, 4.65
 * million a core and 215 ns a packet with 32 queues; of the mix of a border
 * (600 bytes in the mean) 20 million, 0.63 million a core, 1,600 ns a packet.
 * When every packet is of another pair and each row comes from memory, the
 * program takes 240 to 250 ns on the Zen 4, 550 to 670 where a miss takes 190
 * (bpf/count.h): the mix costs a sixth of each core, four tenths with such
 * memory, a flood of smallest frames to random places more than all of it.
 *
 * Table: one, whatever the number of cores; 2^25 words, 128 MB, of which
 * what is announced is filled (make bench, "4 million prefixes"). With 8 cores
 * to a cache of 32 MB it no longer fits there as a whole, but nobody's traffic
 * goes to all of it: by Zipf(1) the busiest 100,000 of 4 million prefixes take
 * three packets of four, and their lines 13 MB at the very most (a root line
 * and a branch line each). What misses costs one access to memory, about 100
 * ns, twice when root and branch both miss; the two lookups of a packet wait
 * together.
 *
 * Counters: 2^17 rows take 8 MB a bank and CPU, the index 1 MB: 576 MB for 32
 * CPUs. Receive queues are spread by flow, so each core meets most pairs; what
 * is hot in each is a line a pair, 0.6 MB for 10,000 busy pairs. Half the
 * rows halve it, and what has no row is counted in map_full. A drain reads
 * what is in use: 100,000 rows of 32 CPUs are 205 MB, some 20 ms a second.
 *
 * Every access is masked, so even a torn or foreign table costs a wrong
 * answer, never a bad access. Leaves are below ASM_AS_SLOTS in a sound table;
 * a program has to check that itself before it indexes with one.
 */
#ifndef ASMETER_LOOKUP_H
#define ASMETER_LOOKUP_H

#include <linux/types.h>

/* All constants here are part of a pinned table, and of snapshots on disk:
 * ASM_ABI_VERSION and ASM_TABLE_LAYOUT grow when one of them changes after a
 * release. */
#define ASM_TABLE_LAYOUT 1u

/* Roots: 2^bits entries from word `at` on. */
#define ASM_ROOT4_BITS 20
#define ASM_ROOT6_BITS 16
#define ASM_ROOT4_AT   0u
/* The stride of every branch right below the IPv4 root. */
#define ASM_FIRST4_BITS  4
#define ASM_FIRST4_SHIFT (32 - ASM_ROOT4_BITS - ASM_FIRST4_BITS)
#define ASM_ROOT6_AT     (1u << ASM_ROOT4_BITS)

/* First word that blocks may use: a multiple of the largest block. */
#define ASM_POOL_AT ((1u << ASM_ROOT4_BITS) + (1u << ASM_ROOT6_BITS))

/* Steps below the root. With ASM_STEP_BITS or more a step they always do;
 * IPv6 has four to spare for shorter ones. */
#define ASM_STEP_BITS 4
#define ASM_STEPS4    3
#define ASM_STEPS6    32
/* The first IPv6 steps are branches, never compares. */
#define ASM_PLAIN6 3

#define ASM_ENTRY_PTR    (1u << 31)
#define ASM_STRIDE_SHIFT 27
#define ASM_STRIDE_MAX   15u
#define ASM_OFF_MASK     ((1u << ASM_STRIDE_SHIFT) - 1)

/* Words of a compare node. */
#define ASM_CMP_BITS  0
#define ASM_CMP_VALUE 1
#define ASM_CMP_EQ    2
#define ASM_CMP_NE    3
#define ASM_CMP_WORDS 4u

#ifdef __bpf__
#define ASM_LOAD(p) (*(const volatile __u32 *)(p))
#else
#define ASM_LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#endif

/* Keeps the compiler from turning mask arithmetic back into a branch. */
#define ASM_OPAQUE(v) __asm__ volatile("" : "+r"(v))

/*
 * AS index of an IPv4 address (host order), ASM_AS_NONE without a route.
 * pool: the words of asm_table, from one map lookup. mask: the number of
 * words - 1, which must be known to the verifier (a constant or rodata).
 */
static __inline__ __attribute__((always_inline)) __u32
asm_lookup4(const __u32 *pool, __u32 mask, __u32 addr)
{
	__u32 e =
		ASM_LOAD(&pool[ASM_ROOT4_AT + (addr >> (32 - ASM_ROOT4_BITS))]);
	__u32 key = addr << (ASM_ROOT4_BITS + ASM_FIRST4_BITS), m, below;

	/* The first step without a branch, see "BRANCHES". */
	m = (__u32)((__s32)e >> 31);
	ASM_OPAQUE(m);
	below = ASM_LOAD(
		&pool[(e + (addr >> ASM_FIRST4_SHIFT & 15)) & m & mask]);
	e ^= (below ^ e) & m;
#pragma GCC unroll 4
	for (int i = 1; i < ASM_STEPS4; i++) {
		__u32 s;

		if (__builtin_expect(!(e & ASM_ENTRY_PTR), 1))
			return e;
		s = e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX;
		e = ASM_LOAD(&pool[(e + (key >> ((32 - s) & 31))) & mask]);
		key <<= s;
	}
	return e & ASM_ENTRY_PTR ? 0 : e;
}

/* The same for an IPv6 address: hi and lo are its halves in host order. */
static __inline__ __attribute__((always_inline)) __u32
asm_lookup6(const __u32 *pool, __u32 mask, __u64 hi, __u64 lo)
{
	__u32 e = ASM_LOAD(
		&pool[ASM_ROOT6_AT + (__u32)(hi >> (64 - ASM_ROOT6_BITS))]);
	__u64 key = hi << ASM_ROOT6_BITS;
	__u32 used = ASM_ROOT6_BITS, s;

	if (!(e & ASM_ENTRY_PTR))
		return e;
		/* Steps without a branch; they end within hi. A leaf has stride
		 * 0. */
#pragma GCC unroll 4
	for (int i = 0; i < ASM_PLAIN6; i++) {
		__u32 m = (__u32)((__s32)e >> 31), below;

		ASM_OPAQUE(m);
		s = e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX;
		below = ASM_LOAD(
			&pool[(e + (__u32)(key >> 1 >> (63 ^ s))) & m & mask]);
		e ^= (below ^ e) & m;
		key <<= s;
		used += s;
	}
	if (__builtin_expect(!(e & ASM_ENTRY_PTR), 1))
		return e;
	hi = hi << used | lo >> ((64 - used) & 63);
	lo <<= used;
#pragma GCC unroll 1
	for (int i = ASM_PLAIN6; i < ASM_STEPS6; i++) {
		__u32 o = e & ASM_OFF_MASK;

		s = e >> ASM_STRIDE_SHIFT & ASM_STRIDE_MAX;
		if (s) {
			o += (__u32)(hi >> (64 - s));
			e = ASM_LOAD(&pool[o & mask]);
		} else {
			o &= mask & ~(ASM_CMP_WORDS - 1);
			s = ASM_LOAD(&pool[o | ASM_CMP_BITS]) & 63;
			if ((hi >> ((64 - s) & 63)) !=
			    ASM_LOAD(&pool[o | ASM_CMP_VALUE]))
				return ASM_LOAD(&pool[o | ASM_CMP_NE]);
			e = ASM_LOAD(&pool[o | ASM_CMP_EQ]);
		}
		if (!(e & ASM_ENTRY_PTR))
			return e;
		hi = hi << s | lo >> ((64 - s) & 63);
		lo <<= s;
	}
	return 0;
}

#endif
