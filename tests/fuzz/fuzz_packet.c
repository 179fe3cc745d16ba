/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet parser on any bytes: the first says where the frame starts and
 * how much longer than its bytes it was on the wire. */
#include <stdlib.h>

#include "asmeter/segment.h"
#include "flow/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum pkt_verdict verdict;
	struct pkt_view v;
	struct pkt p;
	uint32_t wire;

	if (!size)
		return 0;
	wire = (uint32_t)size - 1 + (data[0] >> 1) * 16u;
	verdict = packet_parse(data + 1, size - 1, wire, data[0] & 1, &v);
	if (verdict == PKT_IP) {
		/* what the books rely on */
		if (v.l3_off + v.l3_len > wire || v.ip_bytes < v.l3_len ||
		    v.l3_off + (uint64_t)v.ip_bytes > wire)
			abort();
		if (v.family != 4 && v.family != 6)
			abort();
		p = (struct pkt){.data = data + 1, .data_end = data + size};
		pkt_segment_head(&p, v.l3_off, v.family);
	} else if (verdict != PKT_NOT_IP && verdict != PKT_TRUNCATED &&
		   verdict != PKT_MALFORMED) {
		abort();
	}
	return 0;
}
