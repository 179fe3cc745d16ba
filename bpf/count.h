/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Counting: the books of a port, and the row of an AS pair. The layout and
 * the equations are in asmeter/abi.h ("MODEL", "BANKS", "WRITERS").
 *
 * WHERE A ROW IS
 *
 * The rows of a part are the hash table themselves: a pair's row is one of the
 * COUNT_WINDOW from where its hash points, its home. What costs is not
 * computing but waiting for memory, and a hit touches one cache line. The first
 * of the window is tried without a loop: a branch that the CPU guesses right is
 * what the row's load need not wait for.
 *
 * A pair that finds its window full takes any free row, and an index of lines
 * of 64 bytes tells where: the pair hashes to a line, to one of its sixteen
 * slots, and to a tag of 12 bits. The search begins at that slot and goes
 * around the line; slots are never emptied, so the first empty one ends it. A
 * full line sends its later pairs on to the next one (COUNT_LINES in all). So a
 * pair is not refused before the last row is taken, unless all of its lines are
 * full; then the packet is counted as map_full. There is no lock and no retry,
 * because each bank of each CPU has one writer.
 *
 * Which rows are in use is told by their order (asmeter/abi.h), in which the
 * free ones come last: taking one means to exchange its place with that of the
 * first free one. Readers go through those in use, however few of however many.
 *
 * Of the pairs so many are in the index, with hashes drawn at random and
 * windows of four:
 *
 *   rows in use    1/4    1/2    5/8    3/4    7/8   all
 *   of 4          0.002  0.027  0.057  0.099  0.157  0.238
 *   (of 2         0.027  0.098  0.147  0.206  0.273  0.349)
 *   (of 8         0.000  0.005  0.016  0.041  0.084  0.161)
 *
 * MEASURED
 *
 * Two virtual machines of two CPUs: a Zen 4 with a soak test beside, which had
 * three of four rows as homes, and a quiet Zen 3 whose shared cache was busy
 * with what is none of ours. Medians of eleven rounds, the lowest and the
 * highest; the next packet's row lies anywhere. Compare, don't quote.
 *
 *                          Zen 4                   Zen 3, all rows homes
 *   tests/bench/counters   PERCPU_HASH  ours       PERCPU_HASH  ours
 *   85,000 pairs, ns       146    43   3.3x        487   158   2.9x  2.6..3.9
 *   100,000 pairs           82    41   2.1x        636   207   2.9x  2.2..3.6
 *   1,000,000 pairs        397   144   2.8x        766   297   2.8x  2.1..3.4
 *   1,000 pairs             27    13   2.1x         50    28   1.9x  1.7..2.0
 *
 *   100,000 pairs, 2 CPUs, ms a drain
 *   next key and lookup    213  0.75   284x        314   1.8   173x  129..218
 *   lookup_batch, 4,096     34   2.7    13x         80   9.3   8.7x  7.7..10
 *
 *   tests/bench/program, times the obvious build; "index": all rows found
 *   through the index, a line and then the row, two misses one after the other
 *                          index  now              now
 *   uniform v4               9.8  14.0             10.5  8.2..12
 *   Zipf v4                  9.7  14.0             10.2  8.3..12
 *   uniform v6              6.95   9.6              6.8  6.1..8.2
 *   Zipf v6                  6.3   9.2              7.0  6.6..8.6
 *
 * With three of four rows as homes the Zen 3 gives 2.4x for 85,000 pairs: these
 * fill them to 0.86, and all rows to 0.65.
 *
 * WHAT A PACKET WAITS FOR
 *
 * On that Zen 3 a load from behind the L2 takes 160 to 210 ns. Loads that do
 * not depend on each other take 20 ns each when nothing lies between, 150 with
 * a hundred instructions between, 246 with two hundred: that is all that the
 * CPU has in flight, and a packet takes more. So no packet's misses overlap
 * with those of the next, and what it costs is its own chain of them: the root
 * of the prefix table, what lies below (both addresses beside each other), then
 * the row, whose place the answer tells. That is three for IPv4 and three to
 * four for IPv6: 550 and 670 ns, where the obvious build takes 5,500 and 4,500,
 * some thirty and two dozen of them. Fifteen times as fast as that are 370 and
 * 300 ns: not two misses a packet, one for the lookups and one for the row,
 * which even DIR-24-8 would not give (asmeter/lookup.h), at twice the memory
 * for IPv4 alone. Where memory is nearer (the Zen 4), instructions weigh more.
 *
 * TRIED
 *
 * Times what the program took through the index (uniform v4, Zipf v4, uniform
 * v6, Zipf v6), on the Zen 4:
 *
 *   one row only, else the index: 0.86, 0.85, 0.94, 0.85, where the window gave
 *     0.83, 0.75, 0.79, 0.79: every fourth pair is in the index at half load
 *
 * Times the obvious build, on the Zen 3; medians of runs of eleven rounds, six
 * of the first and two of each other one:
 *                                                 uniform v4   v6
 *   three quarters of the rows homes                      9.6  6.8
 *   with these, a table of 2^17 words that remembers
 *     by the packet's addresses which row it was, so
 *     that the row is loaded beside the lookups          10.0  5.7
 *   all rows homes                                       10.2  6.8
 *   with these, the window's first two rows loaded at
 *     once, and the right one picked without a branch    10.4  7.0
 *
 *   pages of 2 MB under such arrays: no change. A chain of loads in user space
 *     over 8, 32 and 64 MB takes 167, 180 and 190 ns with pages of 4 KiB, and
 *     161, 183 and 191 with those.
 */
#ifndef ASMETER_COUNT_H
#define ASMETER_COUNT_H

#include "asmeter/index.h"
#include "maps.h"

/* Measures of one packet (or of the packets a GSO packet becomes). */
struct count_size {
	__u64 packets;
	__u64 ip_bytes;
	__u64 wire_bytes;
};

static __always_inline void count_add(struct asm_measure *m,
				      const struct count_size *size)
{
	m->packets += size->packets;
	m->ip_bytes += size->ip_bytes;
	m->wire_bytes += size->wire_bytes;
}

/* The bank and this CPU as one number: which part of each map is ours. Read
 * once per packet. */
static __always_inline __u32 count_part(__u32 cpu)
{
	struct asm_state *state;
	__u32 zero = 0, bank = 0;

	state = bpf_map_lookup_elem(&asm_state, &zero);
	if (state)
		bank = *(volatile __u32 *)&state->bank & 1;
	return bank * cfg.n_cpus + cpu;
}

/* The slot of an interface, ASM_IF_UNLISTED when the keeper does not know
 * it; its flags. */
static __always_inline __u32 count_slot(__u32 ifindex, __u32 *ret_flags)
{
	struct asm_if *ifc;
	__u32 slot;

	*ret_flags = 0;
	for (__u32 i = 0; i < ASM_IF_PROBES; i++) {
		slot = (ifindex + i) % ASM_IF_SLOTS;
		ifc = bpf_map_lookup_elem(&asm_ifs, &slot);
		if (ifc && ifc->ifindex == ifindex) {
			*ret_flags = ifc->flags;
			return slot;
		}
	}
	return ASM_IF_UNLISTED;
}

/* The books of the port: seen, and the bucket of the verdict. */
static __always_inline void count_port(__u32 part, __u32 slot, __u32 ifindex,
				       const int dir, __u32 verdict,
				       const struct count_size *size)
{
	__u32 key = part * ASM_PORT_SLOTS + slot;
	struct asm_port *port = bpf_map_lookup_elem(&asm_ports, &key);
	struct asm_books *books;

	if (!port)
		return;
	if (port->ifindex != ifindex)
		port->ifindex = ifindex;
	books = dir == ASM_DIR_IN ? &port->rx : &port->tx;
	count_add(&books->seen, size);
	if (verdict < ASM_VERDICTS)
		count_add(&books->attributed + verdict, size);
}

static __always_inline bool count_is(const struct asm_row *row,
				     const struct count_key *key)
{
	const __u64 *r = (const __u64 *)&row->ifindex;
	const __u64 *k = (const __u64 *)key;

	return !((r[0] ^ k[0]) | (r[1] ^ k[1]));
}

static __always_inline void count_row_add(struct asm_row *row,
					  const struct count_size *size)
{
	row->packets += size->packets;
	row->ip_bytes += size->ip_bytes;
	row->wire_bytes += size->wire_bytes;
}

/* The row of a part with this number. */
static __always_inline struct asm_row *count_row_at(__u32 part, __u32 number)
{
	__u32 at = part * cfg.rows + number;

	return number < cfg.rows ? bpf_map_lookup_elem(&asm_rows, &at) : NULL;
}

/* Row `number` and the n-th one, both of them free, exchange their places in
 * the order. */
static __always_inline bool count_swap(__u32 part, __u32 number, __u32 n)
{
	struct asm_row *row = count_row_at(part, number);
	struct asm_row *nth = count_row_at(part, n), *other, *from;
	__u32 rank, second;

	if (!row || !nth)
		return false;
	rank = number ^ row->rank;
	second = n ^ nth->nth;
	other = count_row_at(part, second);
	from = count_row_at(part, rank);
	if (!other || !from)
		return false;
	from->nth = rank ^ second;
	other->rank = second ^ rank;
	nth->nth = n ^ number;
	row->rank = number ^ n;
	return true;
}

/* The number of a row that was free and is in use now: the given one, or (0)
 * the next one in the order. 0: all rows are in use. */
static __always_inline __u32 count_take(__u32 part, __u32 home)
{
	struct asm_cpu *cpu = bpf_map_lookup_elem(&asm_cpu, &part);
	struct asm_row *nth;
	__u32 n;

	if (!cpu)
		return 0;
	n = cpu->n_used + 1;
	nth = count_row_at(part, n);
	if (!nth)
		return 0;
	if (!home)
		home = n ^ nth->nth;
	else if (!count_swap(part, home, n))
		return 0;
	cpu->n_used = n;
	return home;
}

/* Takes a row for a pair, see count_take(), and writes its key. The number, 0
 * when all are in use. */
static __always_inline __u32 count_new_row(__u32 part,
					   const struct count_key *key,
					   __u32 home)
{
	__u32 number = count_take(part, home);
	__u32 src = key->src_ix, dst = key->dst_ix;
	struct asm_row *row = count_row_at(part, number);
	struct asm_as *as;

	if (!number || !row)
		return 0;
	as = bpf_map_lookup_elem(&asm_as, &src);
	row->src_as = as ? as->asn : 0;
	as = bpf_map_lookup_elem(&asm_as, &dst);
	row->dst_as = as ? as->asn : 0;
	row->ifindex = key->ifindex;
	row->dir = key->dir;
	row->family = key->family;
	row->src_ix = src;
	row->dst_ix = dst;
	return number;
}

/* The row of a pair within the window of its hash; NULL: it has none there,
 * and *ret_free is the first one that is free, or 0. */
static __always_inline struct asm_row *count_window(__u32 part, __u32 hash,
						    const struct count_key *key,
						    __u32 *ret_free)
{
	__u32 home = count_home(hash, cfg.rows);

	*ret_free = 0;
	for (__u32 i = 0; i < COUNT_WINDOW; i++) {
		struct asm_row *row = count_row_at(part, home + i);

		if (!row)
			break;
		if (count_is(row, key))
			return row;
		if (!row->family && !*ret_free)
			*ret_free = home + i;
	}
	return NULL;
}

/* The row of a pair, made when it is new; NULL: map full. */
static __always_inline struct asm_row *count_row(__u32 part, __u32 hash,
						 const struct count_key *key)
{
	__u32 lines = cfg.line_mask + 1, tag = hash & ~COUNT_ROW_MASK;
	__u32 at, way, slot, number, home;
	struct asm_index_line *line;
	struct asm_row *row = count_window(part, hash, key, &home);

	if (row)
		return row;
	for (__u32 i = 0; i < COUNT_LINES; i++) {
		at = part * lines + ((hash + i) & cfg.line_mask);
		line = bpf_map_lookup_elem(&asm_index, &at);
		if (!line)
			return NULL;
		for (__u32 k = 0; k < ASM_INDEX_WAYS; k++) {
			way = (COUNT_WAY(hash) + k) % ASM_INDEX_WAYS;
			slot = line->slot[way];
			if (!slot) {
				number = count_new_row(part, key, home);
				if (number && number != home)
					line->slot[way] = tag | number;
				return number ? count_row_at(part, number)
					      : NULL;
			}
			if ((slot & ~COUNT_ROW_MASK) != tag)
				continue;
			row = count_row_at(part, slot & COUNT_ROW_MASK);
			if (row && count_is(row, key))
				return row;
		}
	}
	number = home ? count_new_row(part, key, home) : 0;
	return number ? count_row_at(part, number) : NULL;
}

/*
 * Adds to the row of a pair; 0: map full. A global function, so that the
 * verifier walks it once and not for each way that leads here, and so that its
 * stack is not that of the programs.
 */
__noinline int count_pair(__u32 part, const struct count_key *key,
			  const struct count_size *size)
{
	struct asm_row *row;
	__u32 hash, at;

	if (!key || !size)
		return 0;
	hash = count_hash(key);
	at = part * cfg.rows + count_home(hash, cfg.rows);
	row = bpf_map_lookup_elem(&asm_rows, &at);
	if (row && count_is(row, key)) {
		count_row_add(row, size);
		return 1;
	}
	row = count_row(part, hash, key);
	if (!row)
		return 0;
	count_row_add(row, size);
	return 1;
}

#endif
