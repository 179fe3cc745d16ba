/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Counting: the books of a port, and the row of an AS pair. The layout and
 * the equations are in asmeter/abi.h ("MODEL", "BANKS", "WRITERS").
 *
 * THE INDEX
 *
 * Rows are found through a hash index of 64-byte lines. A pair hashes to a
 * line, to one of its sixteen slots, and to a 12-bit tag. The search begins at
 * that slot and goes around the line; slots are never emptied, so the first
 * empty one ends it: the pair is new and goes there. A full line sends its
 * later pairs on to the next one (COUNT_LINES lines in all); when those are
 * full too, or no row is left, the packet is counted as map_full. A tag is
 * checked before the row is touched, so a hit costs one line of the index and
 * one row: two cache lines. There is no lock and no retry, because each bank
 * of each CPU has one writer.
 *
 * With twice as many slots as rows most pairs sit in the slot where the search
 * begins. That one is tried without a loop: a branch that the CPU guesses
 * right is what the row's load need not wait for. An index that was filled in
 * another order may give a pair a second row, and both are summed.
 *
 * MEASURED
 *
 * A virtual Zen 4 with two CPUs that did nothing else; medians of eleven
 * rounds, the lowest and the highest; the next packet's row lies anywhere.
 * Compare, don't quote.
 *
 *   tests/bench/counters      PERCPU_HASH  ours  times
 *   85,000 pairs, ns an update        397   143   2.7  2.1..4.3
 *   100,000 pairs                     372   103   3.2  2.0..5.2
 *   1,000,000 pairs                   499   110   4.6  2.9..5.2
 *   1,000 pairs                        31    20   1.6  1.0..3.6
 *
 *   100,000 pairs, 2 CPUs, ms a drain
 *   next key and lookup               228  0.84   255  225..328
 *   lookup_batch of 4,096              42   1.6    26   23..28
 *
 * Slots filled from the first on, found by a loop, gave 3.0 with 85,000 pairs
 * that came in the order of their rows, where these gave 4.3.
 *
 * ROWS AS THE HASH TABLE
 *
 * With every packet of another pair the row is two thirds of what the program
 * costs (tests/bench/program, "budget"): two lines that wait for each other,
 * each with a walk through the page tables before it, as arrays of BPF have
 * 4 KiB pages. Rows that are the hash table themselves (row = hash, the
 * following ones when it is taken) need one. The whole program as a multiple of
 * that with the index, in turns over the same keys, machine busy:
 *
 *                      uniform v4   Zipf v4   uniform v6   Zipf v6
 *   64,000 pairs, 2^17 rows  0.83      0.75         0.79      0.79
 *
 * (four series: 0.83 to 0.85, 0.75 to 0.82, 0.79 to 0.81, 0.76 to 0.79; with
 * rows met in the order in which they were made it loses: 1.24, 1.17, 1.09 and
 * 1.03.) It is not what stands here, because rows 1 .. n_rows would no longer
 * be those in use: a drain would read all of 2^17 rows for a thousand pairs, 8
 * MB a CPU instead of 64 KB, a row's number would say nothing of its age, and
 * pairs would be refused long before the last row is taken. A row at home where
 * the hash says when that one is free, and this index for the others, refuses
 * none and gives 0.86, 0.85, 0.94 and 0.85. Either wants another layout (a list
 * of the rows in use) and thus another ASM_ABI_VERSION.
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

/* Row `number`, which is free, and the n-th one exchange their places in the
 * order. The n-th row is free as well. */
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

/* Takes a free row for a pair, the given one or else (0) the first in the
 * order, and writes its key; NULL when all are in use. */
static __always_inline struct asm_row *
count_new_row(__u32 part, const struct count_key *key, __u32 *number)
{
	struct asm_cpu *cpu = bpf_map_lookup_elem(&asm_cpu, &part);
	__u32 n, src = key->src_ix, dst = key->dst_ix;
	struct asm_as *as;
	struct asm_row *row;

	if (!cpu)
		return NULL;
	n = cpu->n_rows + 1;
	row = count_row_at(part, n);
	if (!row || n > COUNT_ROW_MASK)
		return NULL;
	if (!*number)
		*number = n ^ row->nth;
	else if (!count_swap(part, *number, n))
		return NULL;
	row = count_row_at(part, *number);
	if (!row)
		return NULL;
	as = bpf_map_lookup_elem(&asm_as, &src);
	row->src_as = as ? as->asn : 0;
	as = bpf_map_lookup_elem(&asm_as, &dst);
	row->dst_as = as ? as->asn : 0;
	row->ifindex = key->ifindex;
	row->dir = key->dir;
	row->family = key->family;
	row->src_ix = src;
	row->dst_ix = dst;
	cpu->n_rows = n;
	return row;
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
	number = home;
	for (__u32 i = 0; i < COUNT_LINES; i++) {
		at = part * lines + ((hash + i) & cfg.line_mask);
		line = bpf_map_lookup_elem(&asm_index, &at);
		if (!line)
			return NULL;
		for (__u32 k = 0; k < ASM_INDEX_WAYS; k++) {
			way = (COUNT_WAY(hash) + k) % ASM_INDEX_WAYS;
			slot = line->slot[way];
			if (!slot) {
				row = count_new_row(part, key, &number);
				if (row && !home)
					line->slot[way] = tag | number;
				return row;
			}
			if ((slot & ~COUNT_ROW_MASK) != tag)
				continue;
			row = count_row_at(part, slot & COUNT_ROW_MASK);
			if (row && count_is(row, key))
				return row;
		}
	}
	return home ? count_new_row(part, key, &number) : NULL;
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
