/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OPEN and its capabilities (RFC 4271 4.2 and 6.2, RFC 5492, RFC 9072).
 *
 * A capability of an unexpected length is ignored as if it had not been sent
 * (RFC 5492 leaves that open), but the one with the AS number: without it the
 * session could not be read.
 */
#include <string.h>

#include "base/wr.h"
#include "route/bgp_wire.h"

enum {
	CAP_MP = 1,
	CAP_REFRESH = 2,
	CAP_EXT_NEXT_HOP = 5,
	CAP_EXT_MSG = 6,
	CAP_GR = 64,
	CAP_AS4 = 65,
	CAP_ADD_PATH = 69,
	CAP_REFRESH_ENH = 70,
};

enum {
	PARAM_CAPS = 2,
	PARAM_EXTENDED = 255, /* RFC 9072 */
};

static void cap_mp(struct bgp_open *o, struct rd r)
{
	uint16_t afi = rd_be16(&r);
	uint8_t safi;
	enum family f;

	rd_skip(&r, 1);
	safi = rd_u8(&r);
	if (!rd_done(&r))
		return;
	o->caps |= BGP_CAP_MP;
	if (bgp_family(afi, safi, &f))
		o->mp[f] = true;
}

static void cap_ext_next_hop(struct bgp_open *o, struct rd r)
{
	if (rd_left(&r) % 6 != 0)
		return;
	while (rd_left(&r) > 0) {
		uint16_t afi = rd_be16(&r);
		uint16_t safi = rd_be16(&r);
		uint16_t nh_afi = rd_be16(&r);

		if (afi == BGP_AFI_IP4 && safi == BGP_SAFI_UNICAST &&
		    nh_afi == BGP_AFI_IP6)
			o->caps |= BGP_CAP_EXT_NEXT_HOP;
	}
}

static void cap_gr(struct bgp_open *o, struct rd r)
{
	uint16_t head = rd_be16(&r);

	if (r.bad || rd_left(&r) % 4 != 0)
		return;
	o->caps |= BGP_CAP_GR;
	if (head & 0x8000)
		o->caps |= BGP_CAP_GR_RESTARTED;
	if (head & 0x4000)
		o->caps |= BGP_CAP_GR_NOTIFY;
	o->gr_time_s = head & 0x0fff;
	while (rd_left(&r) > 0) {
		uint16_t afi = rd_be16(&r);
		uint8_t safi = rd_u8(&r);
		uint8_t flags = rd_u8(&r);
		enum family f;

		if (bgp_family(afi, safi, &f)) {
			o->gr[f] = true;
			o->gr_fwd[f] = flags & 0x80;
		}
	}
}

static void cap_add_path(struct bgp_open *o, struct rd r)
{
	if (rd_left(&r) % 4 != 0)
		return;
	while (rd_left(&r) > 0) {
		uint16_t afi = rd_be16(&r);
		uint8_t safi = rd_u8(&r);
		uint8_t dir = rd_u8(&r);
		enum family f;

		if (bgp_family(afi, safi, &f) && dir >= 1 && dir <= 3)
			o->add_path[f] = dir;
	}
}

/* False when the capability makes the OPEN unusable. */
static bool cap_decode(struct bgp_open *o, uint8_t code, struct rd r)
{
	switch (code) {
	case CAP_MP:
		cap_mp(o, r);
		break;
	case CAP_REFRESH:
		o->caps |= BGP_CAP_REFRESH;
		break;
	case CAP_REFRESH_ENH:
		o->caps |= BGP_CAP_REFRESH_ENH;
		break;
	case CAP_EXT_MSG:
		o->caps |= BGP_CAP_EXT_MSG;
		break;
	case CAP_EXT_NEXT_HOP:
		cap_ext_next_hop(o, r);
		break;
	case CAP_GR:
		cap_gr(o, r);
		break;
	case CAP_ADD_PATH:
		cap_add_path(o, r);
		break;
	case CAP_AS4:
		o->asn = rd_be32(&r);
		o->caps |= BGP_CAP_AS4;
		return rd_done(&r);
	default:
		break;
	}
	return true;
}

static bool caps_decode(struct bgp_open *o, struct rd r)
{
	while (rd_left(&r) > 0) {
		uint8_t code = rd_u8(&r);
		struct rd value = rd_sub(&r, rd_u8(&r));

		if (value.bad || !cap_decode(o, code, value))
			return false;
	}
	return !r.bad;
}

/* 0, or the subcode of the fault. RFC 9072 2: the type tells the extended form
 * from the other one; the first length is then ignored, unless it is 0. */
static int params_decode(struct bgp_open *o, struct rd *r)
{
	uint8_t opt_len = rd_u8(r);
	bool extended =
		opt_len != 0 && rd_left(r) > 0 && r->p[0] == PARAM_EXTENDED;
	struct rd params;

	if (extended) {
		rd_skip(r, 1);
		params = rd_sub(r, rd_be16(r));
	} else {
		params = rd_sub(r, opt_len);
	}
	if (!rd_done(r))
		return -1;
	while (rd_left(&params) > 0) {
		uint8_t type = rd_u8(&params);
		size_t len = extended ? rd_be16(&params) : rd_u8(&params);
		struct rd value = rd_sub(&params, len);

		if (value.bad)
			return -1;
		if (type != PARAM_CAPS)
			return BGP_N_OPEN_PARAM;
		if (!caps_decode(o, value))
			return -1;
	}
	return params.bad ? -1 : 0;
}

static enum bgp_verdict open_fault(struct bgp_error *err, uint8_t subcode,
				   size_t offset, const char *what)
{
	bgp_fault(err, BGP_SESSION_RESET, BGP_N_OPEN, subcode, offset, what);
	return err->verdict;
}

enum bgp_verdict bgp_open_decode(const uint8_t *msg, size_t len,
				 struct bgp_open *ret, struct bgp_error *err)
{
	struct rd r = rd_init(msg, len);
	struct bgp_open o = {0};
	int fault;

	memset(err, 0, sizeof(*err));
	rd_skip(&r, BGP_HDR_LEN);
	if (rd_u8(&r) != 4 && !r.bad) {
		open_fault(err, BGP_N_OPEN_VERSION, 19, "version is not 4");
		err->own[1] = 4; /* the version that we speak */
		err->data = err->own;
		err->data_len = 2;
		return err->verdict;
	}
	o.asn = rd_be16(&r);
	o.hold_time_s = rd_be16(&r);
	o.router_id = rd_be32(&r);
	fault = params_decode(&o, &r);
	if (fault < 0)
		return open_fault(err, BGP_N_OPEN_MALFORMED, 28,
				  "optional parameters are malformed");
	if (fault > 0)
		return open_fault(err, (uint8_t)fault, 29,
				  "optional parameter of unknown type");
	if (o.asn == 0) /* RFC 7607 */
		return open_fault(err, BGP_N_OPEN_PEER_AS, 20, "AS 0");
	if (o.hold_time_s == 1 || o.hold_time_s == 2)
		return open_fault(err, BGP_N_OPEN_HOLD, 22,
				  "hold time of 1 or 2 seconds");
	if (o.router_id == 0)
		return open_fault(err, BGP_N_OPEN_ID, 24, "BGP identifier 0");
	if (!(o.caps & BGP_CAP_MP))
		o.mp[FAMILY_IP4] = true;
	*ret = o;
	return BGP_OK;
}

/* ---- encoder */

static void put_add_path(struct wr *w, const struct bgp_open *o)
{
	size_t n = 0;

	for (unsigned f = 0; f < FAMILIES; f++)
		n += o->add_path[f] != 0;
	if (n == 0)
		return;
	wr_u8(w, CAP_ADD_PATH);
	wr_u8(w, (uint8_t)(n * 4));
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (!o->add_path[f])
			continue;
		wr_be16(w, bgp_afi((enum family)f));
		wr_u8(w, BGP_SAFI_UNICAST);
		wr_u8(w, o->add_path[f]);
	}
}

static void put_gr(struct wr *w, const struct bgp_open *o)
{
	size_t n = 0;

	for (unsigned f = 0; f < FAMILIES; f++)
		n += o->gr[f];
	wr_u8(w, CAP_GR);
	wr_u8(w, (uint8_t)(2 + n * 4));
	wr_be16(w, (uint16_t)((o->gr_time_s & 0x0fff) |
			      (o->caps & BGP_CAP_GR_RESTARTED ? 0x8000 : 0) |
			      (o->caps & BGP_CAP_GR_NOTIFY ? 0x4000 : 0)));
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (!o->gr[f])
			continue;
		wr_be16(w, bgp_afi((enum family)f));
		wr_u8(w, BGP_SAFI_UNICAST);
		wr_u8(w, o->gr_fwd[f] ? 0x80 : 0);
	}
}

static void put_caps(struct wr *w, const struct bgp_open *o)
{
	for (unsigned f = 0; f < FAMILIES; f++) {
		if (!o->mp[f])
			continue;
		wr_u8(w, CAP_MP);
		wr_u8(w, 4);
		wr_be16(w, bgp_afi((enum family)f));
		wr_u8(w, 0);
		wr_u8(w, BGP_SAFI_UNICAST);
	}
	if (o->caps & BGP_CAP_AS4) {
		wr_u8(w, CAP_AS4);
		wr_u8(w, 4);
		wr_be32(w, o->asn);
	}
	if (o->caps & BGP_CAP_REFRESH)
		wr_be16(w, CAP_REFRESH << 8);
	if (o->caps & BGP_CAP_REFRESH_ENH)
		wr_be16(w, CAP_REFRESH_ENH << 8);
	if (o->caps & BGP_CAP_EXT_MSG)
		wr_be16(w, CAP_EXT_MSG << 8);
	if (o->caps & BGP_CAP_EXT_NEXT_HOP) {
		wr_u8(w, CAP_EXT_NEXT_HOP);
		wr_u8(w, 6);
		wr_be16(w, BGP_AFI_IP4);
		wr_be16(w, BGP_SAFI_UNICAST);
		wr_be16(w, BGP_AFI_IP6);
	}
	if (o->caps & BGP_CAP_GR)
		put_gr(w, o);
	put_add_path(w, o);
}

size_t bgp_open_encode(const struct bgp_open *open, uint8_t *buf, size_t size)
{
	struct wr w = wr_init(buf, size);

	wr_fill(&w, 0xff, 16);
	wr_be16(&w, 0);
	wr_u8(&w, BGP_OPEN);
	wr_u8(&w, 4);
	wr_be16(&w, open->asn > UINT16_MAX ? (uint16_t)BGP_AS_TRANS
					   : (uint16_t)open->asn);
	wr_be16(&w, open->hold_time_s);
	wr_be32(&w, open->router_id);

	size_t len_at = wr_len(&w);

	wr_u8(&w, 0);
	wr_u8(&w, PARAM_CAPS);
	wr_u8(&w, 0);
	put_caps(&w, open);
	wr_patch_u8(&w, len_at, wr_len(&w) - len_at - 1);
	wr_patch_u8(&w, len_at + 2, wr_len(&w) - len_at - 3);
	wr_patch_be16(&w, 16, wr_len(&w));
	return wr_len(&w);
}
