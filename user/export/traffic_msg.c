/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A record of the as-traffic stream as JSON, one object a message, or as a
 * FlowMessage (flowmsg.proto), whose Bytes are IP bytes here and which is not
 * sampled.
 *
 * The names in front are those of pmacct's JSON, of which flow-exporter reads
 * label, as_src, as_dst and bytes: `bytes` and `packets` are what the interval
 * brought, in IP bytes, as integers. stamp_inserted and stamp_updated are the
 * interval's ends as pmacct writes them. Behind them is what makes the stream
 * exact. Written without a JSON writer: the names are constants, and every
 * value but two is a number.
 */
#include <time.h>

#include "export/json.h"
#include "export/pbuf.h"
#include "export/traffic.h"
#include "flowmsg.pb-c.h"

static void put_key_u64(struct buf *b, const char *key, uint64_t v)
{
	buf_puts(b, key);
	buf_u64(b, v);
}

/* "2026-01-02 03:04:05", UTC, with its quotes. */
static void put_stamp(struct buf *b, uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[32] = "\"\"";

	if (gmtime_r(&t, &tm))
		(void)strftime(text, sizeof(text), "\"%Y-%m-%d %H:%M:%S\"",
			       &tm);
	buf_puts(b, text);
}

/* Seconds, with all three digits of the milliseconds. */
static void put_seconds(struct buf *b, uint64_t ms)
{
	const char frac[] = {'.', (char)('0' + ms / 100 % 10),
			     (char)('0' + ms / 10 % 10), (char)('0' + ms % 10)};

	buf_u64(b, ms / 1000);
	buf_put(b, frac, sizeof(frac));
}

static void put_measure(struct buf *b, const char *key,
			const struct asm_measure *m)
{
	buf_puts(b, key);
	put_key_u64(b, "{\"packets\":", m->packets);
	put_key_u64(b, ",\"ip_bytes\":", m->ip_bytes);
	put_key_u64(b, ",\"wire_bytes\":", m->wire_bytes);
	buf_putc(b, '}');
}

void traffic_json(const struct traffic_frame *f, uint32_t i, struct buf *ret)
{
	struct traffic_row r;
	char name[ASM_IFNAME_LEN];

	traffic_frame_row(f, i, &r);
	traffic_frame_iface(f, r.key.ifindex, name);
	buf_puts(ret, "{\"event_type\":\"purge\",\"label\":");
	jw_quote(ret, f->label);
	put_key_u64(ret, ",\"as_src\":", r.key.src_as);
	put_key_u64(ret, ",\"as_dst\":", r.key.dst_as);
	put_key_u64(ret, ",\"iface_in\":", r.key.out ? 0 : r.key.ifindex);
	put_key_u64(ret, ",\"iface_out\":", r.key.out ? r.key.ifindex : 0);
	buf_puts(ret, r.key.ip6 ? ",\"etype\":\"86dd\",\"stamp_inserted\":"
				: ",\"etype\":\"800\",\"stamp_inserted\":");
	put_stamp(ret, f->start_ms);
	buf_puts(ret, ",\"stamp_updated\":");
	put_stamp(ret, f->end_ms);
	put_key_u64(ret, ",\"packets\":", r.delta.packets);
	put_key_u64(ret, ",\"bytes\":", r.delta.ip_bytes);
	buf_puts(ret, ",\"interface\":");
	jw_quote(ret, name);
	buf_puts(ret, r.key.out ? ",\"direction\":\"transmit\",\"boot_id\":"
				: ",\"direction\":\"receive\",\"boot_id\":");
	jw_quote(ret, f->boot_id);
	put_key_u64(ret, ",\"epoch\":", f->epoch);
	put_key_u64(ret, ",\"seq\":", f->first_seq + i);
	buf_puts(ret, ",\"interval\":");
	put_seconds(ret, f->end_ms > f->start_ms ? f->end_ms - f->start_ms : 0);
	put_measure(ret, ",\"delta\":", &r.delta);
	put_measure(ret, ",\"total\":", &r.total);
	buf_putc(ret, '}');
}

void traffic_protobuf(const struct traffic_frame *f, uint32_t i,
		      struct buf *ret)
{
	Asmeter__FlowMessage m;
	char boot_id[sizeof(f->boot_id)], label[sizeof(f->label)];
	char name[ASM_IFNAME_LEN];
	struct traffic_row r;

	asmeter__flow_message__init(&m);
	traffic_frame_row(f, i, &r);
	traffic_frame_iface(f, r.key.ifindex, name);
	memcpy(boot_id, f->boot_id, sizeof(boot_id));
	memcpy(label, f->label, sizeof(label));
	m.timeflowstart = f->start_ms / 1000;
	m.timereceived = m.timeflowend = f->end_ms / 1000;
	m.samplingrate = 1;
	m.seq = f->first_seq + i;
	m.sequencenum = (uint32_t)m.seq;
	m.packets = r.delta.packets;
	m.bytes = r.delta.ip_bytes;
	m.wirebytes = r.delta.wire_bytes;
	m.totalpackets = r.total.packets;
	m.totalipbytes = r.total.ip_bytes;
	m.totalwirebytes = r.total.wire_bytes;
	m.srcas = r.key.src_as;
	m.dstas = r.key.dst_as;
	m.inif = r.key.out ? 0 : r.key.ifindex;
	m.outif = r.key.out ? r.key.ifindex : 0;
	m.flowdirection = r.key.out;
	m.etype = r.key.ip6 ? 0x86dd : 0x0800;
	m.bootid = boot_id;
	m.epoch = f->epoch;
	m.intervalms = f->end_ms > f->start_ms ? f->end_ms - f->start_ms : 0;
	m.label = label;
	m.interface = name;
	pbuf_delimited(ret, &m.base);
}
