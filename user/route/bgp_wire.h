/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the BGP decoders share among themselves. Not for users of bgp_msg.h.
 */
#ifndef ROUTE_BGP_WIRE_H
#define ROUTE_BGP_WIRE_H

#include "route/bgp_msg.h"

#define BGP_AFI_IP4      1u
#define BGP_AFI_IP6      2u
#define BGP_SAFI_UNICAST 1u

/* The family of an AFI/SAFI pair; false for those that are not ours. */
static inline bool bgp_family(unsigned afi, unsigned safi, enum family *ret)
{
	if (safi != BGP_SAFI_UNICAST ||
	    (afi != BGP_AFI_IP4 && afi != BGP_AFI_IP6))
		return false;
	*ret = afi == BGP_AFI_IP4 ? FAMILY_IP4 : FAMILY_IP6;
	return true;
}

static inline uint16_t bgp_afi(enum family f)
{
	return f == FAMILY_IP4 ? BGP_AFI_IP4 : BGP_AFI_IP6;
}

/* One fault, to be merged into the message's verdict: the worst wins, of
 * equals the first. */
void bgp_fault(struct bgp_error *err, enum bgp_verdict verdict, uint8_t code,
	       uint8_t subcode, size_t offset, const char *what);

/* True when the list reads to its end; else *ret_off is the offset of the
 * faulty prefix in it. */
bool bgp_nlri_check(const struct bgp_nlri *nlri, size_t *ret_off);

/* ---- AS paths (bgp_path.c) */

/* A flattened path. as has room for ATTR_PATH_MAX; what is longer is cut, the
 * other fields count all of it. */
struct bgp_path {
	uint32_t *as;
	uint32_t len;  /* members in as */
	uint32_t hops; /* sets count 1, confederation segments 0 */
	uint32_t
		first; /* first AS if the path starts with a sequence, else 0 */
	uint32_t last; /* last AS; 0 when the path is empty */
	bool last_set; /* … is a member of an AS_SET */
};

/* NULL when the value of an AS_PATH or AS4_PATH is well formed (RFC 7606 7.2,
 * RFC 7607), else what is wrong. confed: confederation segments are fine. */
const char *bgp_path_check(struct rd r, bool as4, bool confed);

/* Appends the first max_hops hops of a checked path to *path. */
void bgp_path_append(struct bgp_path *path, struct rd r, bool as4,
		     uint32_t max_hops);

/* Hops of a checked path. */
uint32_t bgp_path_hops(struct rd r, bool as4);

#endif
