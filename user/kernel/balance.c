/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "kernel/ifstat.h"

static const int offsets[] = {0, -14, 4};

static double ppm(int64_t diff, uint64_t whole)
{
	if (!diff)
		return 0;
	return whole ? (double)diff * 1e6 / (double)whole : 1e6;
}

/* How far the average packets are apart when ours has off more bytes:
 * |their_bytes / their_packets - (our_bytes / our_packets + off)|, multiplied
 * out so that no digit is lost. */
static unsigned __int128 distance(uint64_t our_packets, uint64_t our_bytes,
				  uint64_t if_packets, uint64_t if_bytes,
				  int off)
{
	__int128 theirs = (__int128)if_bytes * our_packets;
	__int128 ours = ((__int128)our_bytes + (__int128)off * our_packets) *
			if_packets;

	return (unsigned __int128)(theirs > ours ? theirs - ours
						 : ours - theirs);
}

void ifstat_balance(uint64_t our_packets, uint64_t our_wire_bytes,
		    uint64_t if_packets, uint64_t if_bytes,
		    struct ifstat_balance *ret)
{
	struct ifstat_balance b = {0};
	unsigned __int128 best = 0;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		unsigned __int128 d =
			distance(our_packets, our_wire_bytes, if_packets,
				 if_bytes, offsets[i]);

		if (i == 0 || d < best) {
			best = d;
			b.offset = offsets[i];
		}
	}
	b.packets_diff = (int64_t)(our_packets - if_packets);
	b.bytes_diff = (int64_t)(our_wire_bytes +
				 (uint64_t)((int64_t)b.offset) * our_packets -
				 if_bytes);
	b.packets_ppm = ppm(b.packets_diff, if_packets);
	b.bytes_ppm = ppm(b.bytes_diff, if_bytes);
	*ret = b;
}
