/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "route/prefix.h"

Test(prefix, text_round_trip)
{
	static const char *const good[] = {
		"0.0.0.0/0",
		"10.0.0.0/8",
		"192.0.2.0/24",
		"192.0.2.255/32",
		"128.0.0.0/1",
		"255.255.255.254/31",
		"::/0",
		"2001:db8::/32",
		"8000::/1",
		"2001:db8::1/128",
		"fe80::/10",
		"2001:db8:0:1::/64",
		"2001:db8:0:0:8000::/65",
	};
	char buf[PREFIX_STRLEN];
	struct prefix p;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(prefix_parse(good[i], &p), 0, "%s", good[i]);
		cr_assert_str_eq(prefix_str(&p, buf), good[i]);
	}
}

Test(prefix, bare_address_is_a_host)
{
	struct prefix p;

	cr_assert_eq(prefix_parse("192.0.2.1", &p), 0);
	cr_assert_eq(p.len, 32);
	cr_assert_eq(p.hi, UINT64_C(0xc000020100000000));
	cr_assert_eq(prefix_parse("2001:db8::1", &p), 0);
	cr_assert_eq(p.len, 128);
	cr_assert_eq(p.lo, 1);
}

Test(prefix, faults)
{
	static const struct {
		const char *text;
		int rc;
	} bad[] = {
		{"", -EINVAL},
		{"/8", -EINVAL},
		{"10.0.0.0/", -EINVAL},
		{"10.0.0.0/33", -EINVAL},
		{"10.0.0.0/-1", -EINVAL},
		{"10.0.0.0/+8", -EINVAL},
		{"10.0.0.0/ 8", -EINVAL},
		{"10.0.0.0/8 ", -EINVAL},
		{"10.0.0.0/8/8", -EINVAL},
		{"10.0.0.0/0008", -EINVAL},
		{"10.0.0/8", -EINVAL},
		{"10.0.0.256/32", -EINVAL},
		{"2001:db8::/129", -EINVAL},
		{"2001:db8:::/32", -EINVAL},
		{"10.0.0.1/8", -EDOM},
		{"2001:db8::1/127", -EDOM},
		{"x", -EINVAL},
		{"11111111111111111111111111111111111111111111111111111111"
		 "11111111111111111111/8",
		 -EINVAL},
	};
	struct prefix p = {1, 2, 3, 1};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(prefix_parse(bad[i].text, &p), bad[i].rc, "%s",
			     bad[i].text);
		cr_assert(p.hi == 1 && p.lo == 2 && p.len == 3 && p.family == 1,
			  "written on failure");
	}
}

Test(prefix, mask_and_covers_every_length)
{
	for (unsigned f = 0; f < FAMILIES; f++) {
		unsigned bits = family_bits((enum family)f);

		for (unsigned len = 0; len <= bits; len++) {
			struct prefix p = {UINT64_MAX, UINT64_MAX, (uint8_t)len,
					   (uint8_t)f};
			struct addr a = {UINT64_MAX, UINT64_MAX,
					 (enum family)f};
			struct addr other = a;

			p = prefix_mask(p);
			cr_assert_eq((unsigned)__builtin_popcountll(p.hi) +
					     (unsigned)__builtin_popcountll(
						     p.lo),
				     len);
			cr_assert(prefix_covers(&p, &a));
			other.family = f ? FAMILY_IP4 : FAMILY_IP6;
			cr_assert_not(prefix_covers(&p, &other));
			if (len == 0)
				continue;
			/* the last bit of the prefix decides */
			if (len <= 64)
				a.hi ^= UINT64_C(1) << (64 - len);
			else
				a.lo ^= UINT64_C(1) << (128 - len);
			cr_assert_not(prefix_covers(&p, &a));
		}
	}
}
