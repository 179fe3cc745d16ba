/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers, lists of prefixes, NOTIFICATION, ROUTE-REFRESH, and the short
 * messages that we send. OPEN is in bgp_open.c, UPDATE in bgp_update.c.
 */
#include "route/bgp_msg.h"

#include <stdio.h>
#include <string.h>

#include "base/wr.h"
#include "route/bgp_wire.h"

void bgp_fault(struct bgp_error *err, enum bgp_verdict verdict, uint8_t code,
	       uint8_t subcode, size_t offset, const char *what)
{
	if (verdict <= err->verdict)
		return;
	*err = (struct bgp_error){
		.verdict = verdict,
		.code = code,
		.subcode = subcode,
		.offset = (uint16_t)offset,
		.what = what,
	};
}

/* ---- header */

static const struct {
	uint16_t min, max; /* max 0: what the session allows */
} msg_types[BGP_TYPES] = {
	[BGP_OPEN] = {29, BGP_MSG_MAX},
	[BGP_UPDATE] = {23, 0},
	[BGP_NOTIFICATION] = {21, 0},
	[BGP_KEEPALIVE] = {BGP_HDR_LEN, BGP_HDR_LEN},
	[BGP_ROUTE_REFRESH] = {23, 0},
};

enum bgp_verdict bgp_header_decode(const uint8_t *hdr, uint16_t max_len,
				   struct bgp_header *ret,
				   struct bgp_error *err)
{
	static const uint8_t marker[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff};
	struct rd r = rd_init(hdr + sizeof(marker), 3);
	uint16_t len = rd_be16(&r);
	uint8_t type = rd_u8(&r);
	uint16_t max;

	memset(err, 0, sizeof(*err));
	if (memcmp(hdr, marker, sizeof(marker)) != 0) {
		bgp_fault(err, BGP_SESSION_RESET, BGP_N_HEADER, BGP_N_HDR_SYNC,
			  0, "marker is not all ones");
		return err->verdict;
	}
	if (len < BGP_HDR_LEN || len > max_len)
		goto bad_len;
	if (type == 0 || type >= BGP_TYPES) {
		bgp_fault(err, BGP_SESSION_RESET, BGP_N_HEADER, BGP_N_HDR_TYPE,
			  18, "unknown message type");
		err->data = hdr + 18;
		err->data_len = 1;
		return err->verdict;
	}
	max = msg_types[type].max ? msg_types[type].max : max_len;
	if (len < msg_types[type].min || len > max)
		goto bad_len;
	*ret = (struct bgp_header){.len = len, .type = type};
	return BGP_OK;
bad_len:
	bgp_fault(err, BGP_SESSION_RESET, BGP_N_HEADER, BGP_N_HDR_LENGTH, 16,
		  "message length out of bounds");
	err->data = hdr + 16;
	err->data_len = 2;
	return err->verdict;
}

/* ---- lists of prefixes (RFC 4271 4.3, RFC 7911 3) */

/* Takes one prefix: its bytes, *ret_len bits of them, and the path id; r is
 * bad afterwards when there is none or it is faulty. */
static const uint8_t *nlri_take(struct rd *r, enum family f, bool add_path,
				uint8_t *ret_len, uint32_t *ret_id)
{
	uint32_t id = add_path ? rd_be32(r) : 0;
	uint8_t len = rd_u8(r);

	if (len > family_bits(f)) {
		r->bad = true;
		return NULL;
	}
	*ret_len = len;
	*ret_id = id;
	return rd_take(r, (len + 7u) / 8u);
}

/* The first `bits` bits of b, left-aligned. Those that fill the last byte are
 * "irrelevant" and do arrive set. */
static uint64_t left_aligned(const uint8_t *b, unsigned bits)
{
	unsigned n = (bits + 7) / 8;
	uint64_t v = 0;

	if (bits == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | b[i];
	v <<= 64 - 8 * n;
	return bits < 64 ? v & ~(UINT64_MAX >> bits) : v;
}

bool bgp_nlri_next(struct bgp_nlri *it, struct prefix *ret, uint32_t *ret_id)
{
	const uint8_t *b;
	uint8_t len = 0;

	if (rd_left(&it->r) == 0)
		return false;
	b = nlri_take(&it->r, it->family, it->add_path, &len, ret_id);
	if (it->r.bad)
		return false;
	*ret = (struct prefix){.hi = left_aligned(b, len < 64 ? len : 64),
			       .len = len,
			       .family = (uint8_t)it->family};
	if (len > 64)
		ret->lo = left_aligned(b + 8, len - 64u);
	return true;
}

bool bgp_nlri_check(const struct bgp_nlri *nlri, size_t *ret_off)
{
	struct rd r = nlri->r;
	uint32_t id;
	uint8_t len;

	while (rd_left(&r) > 0) {
		const uint8_t *at = r.p;

		(void)nlri_take(&r, nlri->family, nlri->add_path, &len, &id);
		if (r.bad) {
			*ret_off = (size_t)(at - nlri->r.p);
			return false;
		}
	}
	return true;
}

/* ---- NOTIFICATION (RFC 4271 4.5, RFC 4486, RFC 8538, RFC 9003) */

static const struct {
	uint8_t code, subcode;
	const char *str;
} notify_names[] = {
	{BGP_N_HEADER, 0, "Message Header Error"},
	{BGP_N_HEADER, BGP_N_HDR_SYNC,
	 "Message Header Error/Connection Not Synchronized"},
	{BGP_N_HEADER, BGP_N_HDR_LENGTH,
	 "Message Header Error/Bad Message Length"},
	{BGP_N_HEADER, BGP_N_HDR_TYPE, "Message Header Error/Bad Message Type"},
	{BGP_N_OPEN, 0, "OPEN Message Error"},
	{BGP_N_OPEN, BGP_N_OPEN_VERSION,
	 "OPEN Message Error/Unsupported Version Number"},
	{BGP_N_OPEN, BGP_N_OPEN_PEER_AS, "OPEN Message Error/Bad Peer AS"},
	{BGP_N_OPEN, BGP_N_OPEN_ID, "OPEN Message Error/Bad BGP Identifier"},
	{BGP_N_OPEN, BGP_N_OPEN_PARAM,
	 "OPEN Message Error/Unsupported Optional Parameter"},
	{BGP_N_OPEN, 5, "OPEN Message Error/Authentication Failure"},
	{BGP_N_OPEN, BGP_N_OPEN_HOLD,
	 "OPEN Message Error/Unacceptable Hold Time"},
	{BGP_N_OPEN, BGP_N_OPEN_CAP,
	 "OPEN Message Error/Unsupported Capability"},
	{BGP_N_OPEN, 11, "OPEN Message Error/Role Mismatch"},
	{BGP_N_UPDATE, 0, "UPDATE Message Error"},
	{BGP_N_UPDATE, BGP_N_UPD_LIST,
	 "UPDATE Message Error/Malformed Attribute List"},
	{BGP_N_UPDATE, BGP_N_UPD_UNKNOWN_WELL_KNOWN,
	 "UPDATE Message Error/Unrecognized Well-known Attribute"},
	{BGP_N_UPDATE, BGP_N_UPD_MISSING,
	 "UPDATE Message Error/Missing Well-known Attribute"},
	{BGP_N_UPDATE, BGP_N_UPD_FLAGS,
	 "UPDATE Message Error/Attribute Flags Error"},
	{BGP_N_UPDATE, BGP_N_UPD_LENGTH,
	 "UPDATE Message Error/Attribute Length Error"},
	{BGP_N_UPDATE, BGP_N_UPD_ORIGIN,
	 "UPDATE Message Error/Invalid ORIGIN Attribute"},
	{BGP_N_UPDATE, BGP_N_UPD_NEXT_HOP,
	 "UPDATE Message Error/Invalid NEXT_HOP Attribute"},
	{BGP_N_UPDATE, BGP_N_UPD_OPTIONAL,
	 "UPDATE Message Error/Optional Attribute Error"},
	{BGP_N_UPDATE, BGP_N_UPD_NETWORK,
	 "UPDATE Message Error/Invalid Network Field"},
	{BGP_N_UPDATE, BGP_N_UPD_AS_PATH,
	 "UPDATE Message Error/Malformed AS_PATH"},
	{BGP_N_HOLD, 0, "Hold Timer Expired"},
	{BGP_N_FSM, 0, "Finite State Machine Error"},
	{BGP_N_FSM, 1, "Finite State Machine Error/in OpenSent"},
	{BGP_N_FSM, 2, "Finite State Machine Error/in OpenConfirm"},
	{BGP_N_FSM, 3, "Finite State Machine Error/in Established"},
	{BGP_N_CEASE, 0, "Cease"},
	{BGP_N_CEASE, BGP_N_CEASE_MAX_PREFIX,
	 "Cease/Maximum Number of Prefixes Reached"},
	{BGP_N_CEASE, BGP_N_CEASE_SHUTDOWN, "Cease/Administrative Shutdown"},
	{BGP_N_CEASE, BGP_N_CEASE_DECONFIGURED, "Cease/Peer De-configured"},
	{BGP_N_CEASE, BGP_N_CEASE_RESET, "Cease/Administrative Reset"},
	{BGP_N_CEASE, BGP_N_CEASE_REJECTED, "Cease/Connection Rejected"},
	{BGP_N_CEASE, BGP_N_CEASE_CONFIG, "Cease/Other Configuration Change"},
	{BGP_N_CEASE, BGP_N_CEASE_COLLISION,
	 "Cease/Connection Collision Resolution"},
	{BGP_N_CEASE, BGP_N_CEASE_RESOURCES, "Cease/Out of Resources"},
	{BGP_N_CEASE, BGP_N_CEASE_HARD_RESET, "Cease/Hard Reset"},
	{BGP_N_CEASE, 10, "Cease/BFD Down"},
	{BGP_N_REFRESH, 0, "ROUTE-REFRESH Message Error"},
	{BGP_N_REFRESH, 1,
	 "ROUTE-REFRESH Message Error/Invalid Message Length"},
	{BGP_N_SEND_HOLD, 0, "Send Hold Timer Expired"},
};

/* "Cease/Administrative Shutdown"; static text, never NULL. */
static const char *notify_str(uint8_t code, uint8_t subcode)
{
	const char *whole = "Unknown Error";

	for (size_t i = 0; i < sizeof(notify_names) / sizeof(*notify_names);
	     i++) {
		if (notify_names[i].code != code)
			continue;
		if (notify_names[i].subcode == subcode)
			return notify_names[i].str;
		if (notify_names[i].subcode == 0)
			whole = notify_names[i].str;
	}
	return whole;
}

/* Length of the well-formed UTF-8 sequence at s (RFC 3629), 0 if there is
 * none within n bytes. */
static size_t utf8_len(const uint8_t *s, size_t n)
{
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc2 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf5 ? 4
				   : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* Copies a peer's text for display: control characters (C0, DEL, C1) and
 * broken UTF-8 become '?'. Cuts at whole characters. */
static void text_clean(char *dst, size_t size, const uint8_t *src, size_t n)
{
	size_t out = 0;

	while (n > 0) {
		size_t len = utf8_len(src, n);
		bool bad = len == 0 || src[0] < 0x20 || src[0] == 0x7f ||
			   (src[0] == 0xc2 && len == 2 && src[1] < 0xa0);

		if (len == 0)
			len = 1;
		if (out + (bad ? 1 : len) >= size)
			break;
		if (bad) {
			dst[out++] = '?';
		} else {
			memcpy(dst + out, src, len);
			out += len;
		}
		src += len;
		n -= len;
	}
	dst[out] = '\0';
}

void bgp_notification_describe(uint8_t code, uint8_t subcode,
			       const uint8_t *data, size_t data_len,
			       struct bgp_notification *ret)
{
	struct rd r = rd_init(data, data_len);
	const char *inner = "";
	uint8_t why = subcode;
	char text[256] = "";

	/* RFC 8538: the real reason is wrapped. */
	if (code == BGP_N_CEASE && subcode == BGP_N_CEASE_HARD_RESET &&
	    data_len >= 2) {
		uint8_t in_code = rd_u8(&r);

		why = rd_u8(&r);
		inner = notify_str(in_code, why);
		if (in_code != BGP_N_CEASE)
			why = 0;
	}
	if (code == BGP_N_CEASE &&
	    (why == BGP_N_CEASE_SHUTDOWN || why == BGP_N_CEASE_RESET) &&
	    rd_left(&r) > 0) {
		struct rd msg = rd_sub(&r, rd_u8(&r));

		if (!msg.bad)
			text_clean(text, sizeof(text), msg.p, rd_left(&msg));
	}
	ret->code = code;
	ret->subcode = subcode;
	(void)snprintf(ret->text, sizeof(ret->text), "%s%s%s%s%s%s",
		       notify_str(code, subcode), inner[0] ? " (" : "", inner,
		       inner[0] ? ")" : "", text[0] ? ": " : "", text);
}

void bgp_notification_decode(const uint8_t *msg, size_t len,
			     struct bgp_notification *ret)
{
	struct rd r = rd_init(msg, len);

	rd_skip(&r, BGP_HDR_LEN);
	uint8_t code = rd_u8(&r);
	uint8_t subcode = rd_u8(&r);

	bgp_notification_describe(code, subcode, r.p, rd_left(&r), ret);
}

/* ---- ROUTE-REFRESH (RFC 2918, RFC 7313) */

enum bgp_verdict bgp_refresh_decode(const uint8_t *msg, size_t len,
				    struct bgp_refresh *ret,
				    struct bgp_error *err)
{
	struct rd r = rd_init(msg, len);

	memset(err, 0, sizeof(*err));
	rd_skip(&r, BGP_HDR_LEN);
	uint16_t afi = rd_be16(&r);
	uint8_t kind = rd_u8(&r);
	uint8_t safi = rd_u8(&r);

	if (r.bad || (!rd_done(&r) &&
		      (kind == BGP_REFRESH_BEGIN || kind == BGP_REFRESH_END))) {
		bgp_fault(err, BGP_SESSION_RESET, BGP_N_REFRESH, 1, 16,
			  "ROUTE-REFRESH of a wrong length");
		err->data = msg;
		err->data_len = (uint16_t)len;
		return err->verdict;
	}
	*ret = (struct bgp_refresh){.kind = kind};
	ret->known = bgp_family(afi, safi, &ret->family);
	return BGP_OK;
}

/* ---- encoders */

static struct wr msg_begin(enum bgp_type type, uint8_t *buf, size_t size)
{
	struct wr w = wr_init(buf, size);

	wr_fill(&w, 0xff, 16);
	wr_be16(&w, 0);
	wr_u8(&w, (uint8_t)type);
	return w;
}

static size_t msg_end(struct wr *w)
{
	wr_patch_be16(w, 16, wr_len(w));
	return wr_len(w);
}

size_t bgp_keepalive_encode(uint8_t *buf, size_t size)
{
	struct wr w = msg_begin(BGP_KEEPALIVE, buf, size);

	return msg_end(&w);
}

size_t bgp_eor_encode(enum family f, uint8_t *buf, size_t size)
{
	struct wr w = msg_begin(BGP_UPDATE, buf, size);

	wr_be16(&w, 0); /* withdrawn */
	if (f == FAMILY_IP4) {
		wr_be16(&w, 0);
		return msg_end(&w);
	}
	wr_be16(&w, 6);  /* attributes */
	wr_u8(&w, 0x80); /* optional */
	wr_u8(&w, 15);   /* MP_UNREACH_NLRI */
	wr_u8(&w, 3);
	wr_be16(&w, bgp_afi(f));
	wr_u8(&w, BGP_SAFI_UNICAST);
	return msg_end(&w);
}

size_t bgp_refresh_encode(enum family f, enum bgp_refresh_kind kind,
			  uint8_t *buf, size_t size)
{
	struct wr w = msg_begin(BGP_ROUTE_REFRESH, buf, size);

	wr_be16(&w, bgp_afi(f));
	wr_u8(&w, (uint8_t)kind);
	wr_u8(&w, BGP_SAFI_UNICAST);
	return msg_end(&w);
}

size_t bgp_notification_encode(uint8_t code, uint8_t subcode,
			       const uint8_t *data, size_t data_len,
			       uint8_t *buf, size_t size)
{
	struct wr w = msg_begin(BGP_NOTIFICATION, buf, size);

	wr_u8(&w, code);
	wr_u8(&w, subcode);
	wr_copy(&w, data, data_len);
	return msg_end(&w);
}
