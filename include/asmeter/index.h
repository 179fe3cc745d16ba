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

/* The first row of the window of a hash. The window ends with the homes. */
INDEX_INLINE __u32 count_home(__u32 hash, __u32 homes)
{
	return 1 + (__u32)((__u64)hash * homes >> 32);
}

/* asm_state.homes of new maps. What is left is for releases that know of none,
 * should they come back, and for pairs when the homes are taken. */
INDEX_INLINE __u32 count_homes(__u32 rows)
{
	return (__u32)((__u64)(rows - 1) * 3 / 4);
}

/* The number of the n-th row of a part that has so many, n < count, in the
 * order of the homes and then of those behind them. 0, the row that is never
 * used, where a damaged map says something else. */
INDEX_INLINE __u32 row_nth(const struct asm_row *rows, __u32 n, __u32 count)
{
	__u32 number = n ^ rows[n].nth;

	return number < count ? number : 0;
}

/* Rows in use, by their number in the order: 1 .. n_homes and homes + 1 ..
 * n_rows, which is homes <= n_rows < rows whatever a damaged map says. */
struct rows_used {
	__u32 homes, n_homes, n_rows;
};

INDEX_INLINE struct rows_used rows_used(const struct asm_cpu *cpu, __u32 rows,
					__u32 homes)
{
	struct rows_used u = {homes, cpu->n_homes, cpu->n_rows};

	if (u.homes >= rows)
		u.homes = rows - 1;
	if (u.n_homes > u.homes)
		u.n_homes = u.homes;
	if (u.n_rows < u.homes)
		u.n_rows = u.homes;
	if (u.n_rows >= rows)
		u.n_rows = rows - 1;
	return u;
}

INDEX_INLINE __u32 rows_count(const struct rows_used *u)
{
	return u->n_homes + u->n_rows - u->homes;
}

/* The one in use after the n-th, from 0 on; past n_rows: none. */
INDEX_INLINE __u32 row_after(const struct rows_used *u, __u32 n)
{
	return n == u->n_homes ? u->homes + 1 : n + 1;
}

#define ROWS_EACH(u, n)                                     \
	for (__u32 n = row_after((u), 0); n <= (u)->n_rows; \
	     n = row_after((u), n))

#endif
