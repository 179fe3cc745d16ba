/* SPDX-License-Identifier: BSD-2-Clause */
/* Protobuf messages of generated code into a buffer. */
#ifndef EXPORT_PBUF_H
#define EXPORT_PBUF_H

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"

/* The message behind its length as a varint. */
static inline void pbuf_delimited(struct buf *b, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m), left = len;
	char *to;

	for (; left > 0x7f; left >>= 7)
		buf_putc(b, (char)(0x80 | (left & 0x7f)));
	buf_putc(b, (char)left);
	to = len ? buf_room(b, len) : NULL;
	if (to)
		b->len += protobuf_c_message_pack(m, (uint8_t *)to);
}

#endif
