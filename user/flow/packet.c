// SPDX-License-Identifier: BSD-2-Clause
#include "flow/packet.h"

#include <string.h>

enum pkt_verdict packet_parse(const void *data, size_t cap_len,
			      uint32_t wire_len, bool no_l2,
			      struct pkt_view *ret)
{
	const struct pkt p = {
		.data = data,
		.data_end = (const uint8_t *)data + cap_len,
		.len = wire_len,
		.no_l2 = no_l2,
	};

	memset(ret, 0, sizeof(*ret));
	return (enum pkt_verdict)pkt_parse(&p, ret);
}
