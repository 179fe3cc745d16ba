/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user-space twin of the packet programs: the same parser on bytes in
 * memory. Pure.
 */
#ifndef FLOW_PACKET_H
#define FLOW_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asmeter/parse.h"

/*
 * Judges a frame by the table in asmeter/parse.h. cap_len bytes of it are at
 * data; wire_len is its length as sent, and what lengths are held against
 * (cap_len < wire_len: a sample cut to a snap length; a header beyond the cut
 * is truncated). no_l2: it starts with the IP header. *ret is written in any
 * case, and complete when the verdict is PKT_IP.
 */
enum pkt_verdict packet_parse(const void *data, size_t cap_len,
			      uint32_t wire_len, bool no_l2,
			      struct pkt_view *ret);

#endif
