/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BGP messages. Input: one byte of what was negotiated, one byte of message
 * type, the body; the header is made here, so that the fuzzer need not find
 * the marker and the length. Type 0: the rest is a raw stream with headers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/wr.h"
#include "route/bgp_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_nlri(struct bgp_nlri nlri)
{
	struct prefix p, masked;
	size_t left = rd_left(&nlri.r);
	uint32_t id;

	while (bgp_nlri_next(&nlri, &p, &id)) {
		must(p.len <= family_bits((enum family)p.family));
		masked = prefix_mask(p);
		must(prefix_equal(&p, &masked));
		must(rd_left(&nlri.r) < left); /* it moves on */
		left = rd_left(&nlri.r);
	}
	must(rd_done(&nlri.r)); /* reading a checked list cannot fail */
}

static void check_error(enum bgp_verdict v, const struct bgp_error *err,
			const uint8_t *msg, size_t len)
{
	must(v == err->verdict);
	if (v == BGP_OK)
		return;
	must(err->what && err->code >= BGP_N_HEADER);
	must(err->offset <= len);
	must(!err->data_len || err->data == err->own ||
	     (err->data >= msg && err->data + err->data_len <= msg + len));
}

static void fuzz_update(uint8_t how, const uint8_t *msg, size_t len)
{
	static struct attr_table *attrs;
	static struct bgp_update u;
	struct bgp_update_ctx ctx = {
		.local_as = 64512,
		.as4 = how & 1,
		.ebgp = how & 2,
		.ext_next_hop = how & 4,
		.mp = {!(how & 8), !(how & 16)},
		.add_path = {how & 32, how & 64},
	};
	struct bgp_error err;
	enum bgp_verdict v = bgp_update_decode(msg, len, &ctx, &u, &err);
	struct attr *a;

	check_error(v, &err, msg, len);
	if (v == BGP_SESSION_RESET)
		return;
	check_nlri(u.withdrawn);
	check_nlri(u.mp_withdrawn);
	check_nlri(u.announced);
	check_nlri(u.mp_announced);
	if (v == BGP_TREAT_AS_WITHDRAW)
		return;
	must(u.attr.path_len <= ATTR_PATH_MAX);
	must(u.attr.comm_len <= ATTR_COMM_MAX);
	if (rd_left(&u.announced.r) || rd_left(&u.mp_announced.r))
		must(u.attr.origin_as != 0);
	if (!attrs)
		attrs = attr_table_new();
	a = attr_intern(attrs, &u.attr);
	must(a && attr_origin_as(a) == u.attr.origin_as);
	attr_unref(attrs, a);
	must(attr_table_count(attrs) == 0);
}

static void fuzz_open(const uint8_t *msg, size_t len)
{
	struct bgp_error err;
	struct bgp_open o, back;
	uint8_t buf[512];
	size_t n;
	enum bgp_verdict v = bgp_open_decode(msg, len, &o, &err);

	check_error(v, &err, msg, len);
	if (v != BGP_OK)
		return;
	must(o.asn != 0 && o.router_id != 0);
	must(o.hold_time_s == 0 || o.hold_time_s >= 3);
	n = bgp_open_encode(&o, buf, sizeof(buf));
	must(n > 0);
	/* An AS number of four bytes can only be said with the capability. */
	if (o.asn <= UINT16_MAX || (o.caps & BGP_CAP_AS4)) {
		must(bgp_open_decode(buf, n, &back, &err) == BGP_OK);
		must(back.asn == o.asn && back.router_id == o.router_id);
	}
}

static void fuzz_message(uint8_t how, unsigned type, const uint8_t *msg,
			 size_t len)
{
	struct bgp_notification n;
	struct bgp_refresh r;
	struct bgp_error err;

	switch (type) {
	case BGP_OPEN:
		fuzz_open(msg, len);
		break;
	case BGP_UPDATE:
		fuzz_update(how, msg, len);
		break;
	case BGP_NOTIFICATION:
		bgp_notification_decode(msg, len, &n);
		for (const char *s = n.text; *s; s++)
			must((uint8_t)*s >= 0x20 && *s != 0x7f);
		break;
	case BGP_ROUTE_REFRESH:
		check_error(bgp_refresh_decode(msg, len, &r, &err), &err, msg,
			    len);
		break;
	default:
		break;
	}
}

static void fuzz_stream(uint8_t how, const uint8_t *data, size_t size)
{
	struct bgp_header h;
	struct bgp_error err;

	while (size >= BGP_HDR_LEN) {
		if (bgp_header_decode(data,
				      how & 128 ? BGP_MSG_MAX_EXT : BGP_MSG_MAX,
				      &h, &err)) {
			must(err.code == BGP_N_HEADER);
			return;
		}
		must(h.len >= BGP_HDR_LEN);
		if (h.len > size)
			return;
		fuzz_message(how, h.type, data, h.len);
		data += h.len;
		size -= h.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wr w;
	uint8_t *msg;
	size_t len;

	if (size < 2 || size > BGP_MSG_MAX_EXT - BGP_HDR_LEN)
		return 0;
	if (data[1] % BGP_TYPES == 0) {
		fuzz_stream(data[0], data + 2, size - 2);
		return 0;
	}
	len = BGP_HDR_LEN + size - 2;
	msg = malloc(len);
	if (!msg)
		return 0;
	w = wr_init(msg, len);
	wr_fill(&w, 0xff, 16);
	wr_be16(&w, (uint16_t)len);
	wr_u8(&w, data[1] % BGP_TYPES);
	wr_copy(&w, data + 2, size - 2);
	fuzz_stream(data[0] | 128, msg, len);
	free(msg);
	return 0;
}
