/* SPDX-License-Identifier: BSD-2-Clause */
/* The packet decoder on any bytes: the first says whether it starts with IP
 * or is to be segmented, and how much longer than its bytes it was. */
#include <stdlib.h>
#include <string.h>

#include "flow/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ip(const struct flow_ip *ip, uint32_t has)
{
	static const struct flow_ip none;

	if (!(has & FLOW_HAS_IP) && memcmp(ip, &none, sizeof(none)) != 0)
		abort();
	if (has & FLOW_HAS_PORTS && has & FLOW_HAS_ICMP)
		abort();
	if (!(has & FLOW_HAS_PORTS) && (ip->src_port || ip->dst_port))
		abort();
	if (!(has & FLOW_HAS_TCP) && ip->tcp_flags)
		abort();
	if (!(has & FLOW_HAS_FRAG) && (ip->frag_off || ip->frag_id))
		abort();
	if (ip->frag_off && has & (FLOW_HAS_PORTS | FLOW_HAS_ICMP))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow_head h;
	struct flow f = {0};
	enum pkt_verdict v;

	if (!size)
		return 0;
	h = (struct flow_head){.data = data + 1,
			       .cap_len = (uint32_t)size - 1,
			       .no_l2 = data[0] & 1};
	h.wire_len = h.cap_len + (data[0] >> 2) * 32u;
	v = flow_decode(&h, data[0] & 2, &f);
	if ((v == PKT_IP) != !!(f.has & FLOW_HAS_IP))
		abort();
	if (f.n_vlans > FLOW_VLANS_MAX || f.n_labels > FLOW_LABELS_MAX)
		abort();
	if (f.wire_bytes != h.wire_len || f.ip_bytes > h.wire_len)
		abort();
	if (!(f.has & FLOW_HAS_TUNNEL) && f.inner_has)
		abort();
	check_ip(&f.ip, f.has);
	check_ip(&f.inner, f.inner_has);
	return 0;
}
