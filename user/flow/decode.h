/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start of a sampled packet -> struct flow. Pure. Whether it is an IP
 * packet, and of what length, is for asmeter/parse.h to say, the same source
 * that counted it in the kernel; this walks on to what only a record has: tags
 * and labels (IEEE 802.1Q, RFC 3032), extension headers (RFC 8200), ports, and
 * the first tunnel's inner header (RFC 2003, 4213, 2784, 7348, 8926, GTP-U).
 *
 * What comes after a header that is cut off or contradicts itself stays 0, and
 * FLOW_CUT or FLOW_BAD says so. Of a fragment but the first there are no
 * ports.
 */
#ifndef FLOW_DECODE_H
#define FLOW_DECODE_H

#include "asmeter/parse.h"
#include "flow/flow.h"

/*
 * Fills in what the packet says: `has`, layer 2, ip and inner, and packets,
 * ip_bytes and wire_bytes of one packet. The rest of *ret is untouched; what
 * is filled in must be zero before. gso: the packet is many that do not exist
 * yet, its lengths say nothing and ip_bytes is 0.
 */
enum pkt_verdict flow_decode(const struct flow_head *head, bool gso,
			     struct flow *ret);

#endif
