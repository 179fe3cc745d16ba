/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where the row of a pair is (bpf/count.h, "WHERE A ROW IS") and the order in
 * which rows stand (asmeter/abi.h): one source for the programs and for the
 * reader, which frees rows and makes the index again with those that are left.
 */
#ifndef ASMETER_INDEX_H
#define ASMETER_INDEX_H

#include "asmeter/abi.h"

#ifdef __bpf__
#define INDEX_INLINE static __always_inline
#else
#define INDEX_INLINE static inline
#endif

#define COUNT_WINDOW   4u /* rows from the first one that may be a pair's */
#define COUNT_LINES    3
#define COUNT_ROW_MASK 0xfffffu
/* Where the search begins in a line; the line is picked by the low bits. */
#define COUNT_WAY(hash) ((hash) >> 16 & (ASM_INDEX_WAYS - 1))

/* As it stands in a row (struct asm_row), so that two words compare it. */
struct count_key {
	__u32 ifindex;
	__u8 dir;
	__u8 family;
	__u16 moved; /* 0 */
	__u32 src_ix;
	__u32 dst_ix;
};

INDEX_INLINE __u32 count_hash(const struct count_key *key)
{
	__u64 h = (__u64)key->src_ix << 32 | key->dst_ix;

	h ^= (__u64)(key->ifindex << 4 | (__u32)key->dir << 3 | key->family)
	     << 20;
	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return (__u32)(h >> 32);
}

/* The first row of the window of a hash. The window ends with the rows. */
INDEX_INLINE __u32 count_home(__u32 hash, __u32 rows)
{
	return 1 + (__u32)((__u64)hash * (rows - 1) >> 32);
}

/* Whether all rows are such homes: maps of this release (asmeter/abi.h). */
INDEX_INLINE int rows_are_homes(const struct asm_state *state)
{
	return state->homes && state->homes == state->rows - 1;
}

/* How many rows of a part are in use, whatever a damaged map says. */
INDEX_INLINE __u32 rows_used(const struct asm_cpu *cpu, __u32 rows)
{
	return cpu->n_used < rows ? cpu->n_used : rows - 1;
}

/* The number of the n-th row of a part that has so many, n < count. 0, the row
 * that is never used, where a damaged map says something else. */
INDEX_INLINE __u32 row_nth(const struct asm_row *rows, __u32 n, __u32 count)
{
	__u32 number = n ^ rows[n].nth;

	return number < count ? number : 0;
}

#endif
