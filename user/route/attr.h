/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Path attributes of a route, interned: equal sets share one object, so a full
 * table keeps some 100,000 of them rather than a million. Reference counted;
 * immutable once interned.
 */
#ifndef ROUTE_ATTR_H
#define ROUTE_ATTR_H

#include <stdint.h>

#include "route/prefix.h"

enum attr_origin { ATTR_IGP = 0, ATTR_EGP = 1, ATTR_INCOMPLETE = 2 };

#define ATTR_LOCAL       (1u << 0) /* empty AS path or own prefix: local AS */
#define ATTR_AS_SET      (1u << 1) /* origin taken from an AS_SET */
#define ATTR_HAS_LOCPREF (1u << 2)
#define ATTR_HAS_MED     (1u << 3)
#define ATTR_EBGP        (1u << 4) /* learned over eBGP */

/* Cap on what is kept of one route; what is longer is cut (the origin, the
 * first AS and the length for route selection are taken from the whole path
 * before). So a set takes at most some 600 bytes, and a neighbour that sends
 * nothing but such sets, each different, up to a limit of 2,000,000 prefixes,
 * costs 1.2 GB for them, next to what its prefixes take in the RIB. */
#define ATTR_PATH_MAX 64
#define ATTR_COMM_MAX 64

/* What a decoder fills in and the RIB interns. origin_as is the AS that the
 * traffic is accounted to (RFC 4271, 5065, 6793 rules applied; own prefixes:
 * the local AS). path is flat, AS_SEQUENCE order, confederation segments
 * removed, sets appended member by member. Pointers belong to the caller. */
struct attr_spec {
	uint32_t origin_as;
	uint32_t neighbour_as; /* first AS of the path, 0 if none */
	uint32_t local_pref;
	uint32_t med;
	uint32_t path_hops; /* length for route selection: sets count 1 */
	uint32_t flags;
	uint8_t origin; /* enum attr_origin */
	struct addr next_hop;
	const uint32_t *path;
	uint16_t path_len;
	const uint32_t *comm; /* RFC 1997 communities */
	uint16_t comm_len;
};

struct attr; /* opaque: see attr_view() */
struct attr_table;

struct attr_table *attr_table_new(void);
void attr_table_free(struct attr_table *t);

/* Finds or makes the set; the caller owns one reference. NULL: no memory. */
struct attr *attr_intern(struct attr_table *t, const struct attr_spec *spec);
struct attr *attr_ref(struct attr *a);
void attr_unref(struct attr_table *t, struct attr *a);

/* Sets have numbers, too: from 1 on, as small as can be, below ATTR_NUMBERS. A
 * set keeps its number as long as it lives; afterwards another may get it. */
#define ATTR_NUMBERS (1u << 30)

uint32_t attr_number(const struct attr *a);
struct attr *attr_at(const struct attr_table *t, uint32_t number);

/* A word that the owner of the RIB keeps for each set; 0 for a new one. */
uint32_t attr_label(const struct attr_table *t, uint32_t number);
void attr_set_label(struct attr_table *t, uint32_t number, uint32_t label);
void attr_clear_labels(struct attr_table *t);

/* The content; pointers are valid as long as a reference is held. */
void attr_view(const struct attr *a, struct attr_spec *ret);
uint32_t attr_origin_as(const struct attr *a);

/* Distinct sets now alive, and the bytes they take. */
size_t attr_table_count(const struct attr_table *t);
size_t attr_table_bytes(const struct attr_table *t);

#endif
