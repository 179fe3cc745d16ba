/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow record as the message of a stream. Pure; messages are appended. */
#ifndef EXPORT_FLOWMSG_H
#define EXPORT_FLOWMSG_H

#include "base/buf.h"
#include "flow/flow.h"

#define FLOWMSG_HOPS 64 /* of the AS path, and communities; more are cut */

/* FlowMessage of flowmsg.proto behind its length, byte-compatible with what
 * NetMeta and goflow2 write. Bytes are those of the Ethernet frame when they
 * are known, else IP bytes. */
void flow_protobuf(const struct flow *f, struct buf *ret);

/* One JSON object with the same names; addresses, MACs and the source as text.
 * `router` becomes Label. */
void flow_json(const struct flow *f, const char *router, struct buf *ret);

#endif
