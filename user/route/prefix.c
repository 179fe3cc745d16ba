/* SPDX-License-Identifier: BSD-2-Clause */
#include "route/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The top n bits of 64 set, 0 <= n <= 64. */
static uint64_t mask64(unsigned n)
{
	return n == 0 ? 0 : n >= 64 ? UINT64_MAX : ~(UINT64_MAX >> n);
}

struct prefix prefix_mask(struct prefix p)
{
	p.hi &= mask64(p.len);
	p.lo &= p.len > 64 ? mask64(p.len - 64u) : 0;
	return p;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->len == b->len &&
	       a->family == b->family;
}

bool prefix_covers(const struct prefix *outer, const struct addr *a)
{
	if (outer->family != (uint8_t)a->family)
		return false;
	if ((outer->hi ^ a->hi) & mask64(outer->len))
		return false;
	return outer->len <= 64 ||
	       !((outer->lo ^ a->lo) & mask64(outer->len - 64u));
}

const char *addr_str(const struct addr *a, char *buf)
{
	uint8_t raw[16];

	for (unsigned i = 0; i < 8; i++) {
		raw[i] = (uint8_t)(a->hi >> (56 - 8 * i));
		raw[8 + i] = (uint8_t)(a->lo >> (56 - 8 * i));
	}
	if (!inet_ntop(a->family == FAMILY_IP4 ? AF_INET : AF_INET6, raw, buf,
		       PREFIX_STRLEN))
		buf[0] = '\0';
	return buf;
}

const char *prefix_str(const struct prefix *p, char *buf)
{
	const struct addr a = {p->hi, p->lo, (enum family)p->family};
	size_t n;

	addr_str(&a, buf);
	n = strlen(buf);
	(void)snprintf(buf + n, PREFIX_STRLEN - n, "/%u", p->len);
	return buf;
}

int addr_parse(const char *s, struct addr *ret)
{
	uint8_t raw[16] = {0};
	struct addr a = {0, 0, FAMILY_IP4};

	if (inet_pton(AF_INET, s, raw) != 1) {
		if (inet_pton(AF_INET6, s, raw) != 1)
			return -EINVAL;
		a.family = FAMILY_IP6;
	}
	for (unsigned i = 0; i < 8; i++) {
		a.hi = a.hi << 8 | raw[i];
		a.lo = a.lo << 8 | raw[8 + i];
	}
	*ret = a;
	return 0;
}

/* One to three digits, no sign, no blank, at most max. */
static int parse_len(const char *s, unsigned max, uint8_t *ret)
{
	unsigned v = 0;
	size_t n = 0;

	for (; s[n]; n++) {
		if (n == 3 || s[n] < '0' || s[n] > '9')
			return -EINVAL;
		v = v * 10 + (unsigned)(s[n] - '0');
	}
	if (n == 0 || v > max)
		return -EINVAL;
	*ret = (uint8_t)v;
	return 0;
}

int prefix_parse(const char *s, struct prefix *ret)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	char text[PREFIX_STRLEN];
	struct prefix p, m;
	struct addr a;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = '\0';
	if (addr_parse(text, &a))
		return -EINVAL;
	p = (struct prefix){.hi = a.hi,
			    .lo = a.lo,
			    .family = (uint8_t)a.family};
	p.len = (uint8_t)family_bits(a.family);
	if (slash && parse_len(slash + 1, p.len, &p.len))
		return -EINVAL;
	m = prefix_mask(p);
	if (!prefix_equal(&m, &p))
		return -EDOM;
	*ret = p;
	return 0;
}
