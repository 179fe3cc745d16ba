/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses and prefixes of both families as one value type: 128 bits, left
 * aligned. An IPv4 address stands in the top 32 bits of hi (10.0.0.0 is
 * hi = 0x0a000000 << 32), so one code compares, masks and walks both.
 */
#ifndef ROUTE_PREFIX_H
#define ROUTE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum family { FAMILY_IP4 = 0, FAMILY_IP6 = 1, FAMILIES };

struct addr {
	uint64_t hi;
	uint64_t lo;
	enum family family;
};

/* Bits beyond len are zero (prefix_mask() makes it so). */
struct prefix {
	uint64_t hi;
	uint64_t lo;
	uint8_t len;    /* 0..32 or 0..128 */
	uint8_t family; /* enum family */
};

/* Longest prefix length of the family: 32 or 128. */
static inline unsigned family_bits(enum family f)
{
	return f == FAMILY_IP4 ? 32 : 128;
}

/* Bit number `at` (0 is the first, at < 128) of a left-aligned key. */
static inline unsigned prefix_bit(uint64_t hi, uint64_t lo, unsigned at)
{
	return (unsigned)((at < 64 ? hi >> (63 - at) : lo >> (127 - at)) & 1);
}

/* How many bits, from the first on, two keys have in common: up to 128. */
static inline unsigned prefix_common(uint64_t ahi, uint64_t alo, uint64_t bhi,
				     uint64_t blo)
{
	if (ahi != bhi)
		return (unsigned)__builtin_clzll(ahi ^ bhi);
	return alo != blo ? 64 + (unsigned)__builtin_clzll(alo ^ blo) : 128;
}

/* In order: by address, and of those that begin at the same one the shorter
 * first. Of one family. */
static inline bool prefix_before(const struct prefix *a, const struct prefix *b)
{
	return a->hi != b->hi   ? a->hi < b->hi
	       : a->lo != b->lo ? a->lo < b->lo
				: a->len < b->len;
}

/* The prefix with all bits beyond its length cleared. */
struct prefix prefix_mask(struct prefix p);

bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool prefix_covers(const struct prefix *outer, const struct addr *a);

/* Room for any address or prefix as text, NUL included. */
#define PREFIX_STRLEN 64

/* "192.0.2.0/24", "2001:db8::/32" into buf[PREFIX_STRLEN]; returns buf. */
const char *prefix_str(const struct prefix *p, char *buf);
const char *addr_str(const struct addr *a, char *buf);

/* Parse the same; a bare address is a host prefix for prefix_parse(). Host
 * bits set are an error for prefix_parse() (-EDOM); other faults -EINVAL. */
int addr_parse(const char *s, struct addr *ret);
int prefix_parse(const char *s, struct prefix *ret);

#endif
