/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "base/utf8.h"

struct vec {
	const char *s;
	size_t n;
	size_t want;
};

#define V(s_, want_)                      \
	{                                 \
		s_, sizeof(s_) - 1, want_ \
	}

static const struct vec chars[] = {
	V("", 0),
	V("a", 1),
	V("\x1f", 0),
	V("\x7f", 0),
	V("\xc2\x80", 0), /* C1 control */
	V("\xc2\x9f", 0),
	V("\xc2\xa0", 2),
	V("\xc0\xaf", 0), /* overlong */
	V("\xc1\xbf", 0),
	V("\xc3\xbc", 2),
	V("\xc3", 0), /* cut */
	V("\xc3\x28", 0),
	V("\xe0\x9f\xbf", 0), /* overlong */
	V("\xe0\xa0\x80", 3),
	V("\xed\x9f\xbf", 3),
	V("\xed\xa0\x80", 0), /* surrogate */
	V("\xe2\x82\xac", 3),
	V("\xe2\x82", 0),
	V("\xf0\x8f\xbf\xbf", 0), /* overlong */
	V("\xf0\x9f\x98\x80", 4),
	V("\xf4\x8f\xbf\xbf", 4),
	V("\xf4\x90\x80\x80", 0), /* beyond U+10FFFF */
	V("\xf5\x80\x80\x80", 0),
	V("\x80", 0),
	V("\xff", 0),
};

Test(utf8, characters)
{
	for (size_t i = 0; i < sizeof(chars) / sizeof(chars[0]); i++)
		cr_assert_eq(utf8_char(chars[i].s, chars[i].n), chars[i].want,
			     "vector %zu", i);
}

Test(utf8, clean_removes_and_cuts_between_characters)
{
	char a[] = "a\xff\x01"
		   "b\tc";
	char b[] = "xx\xe2\x82\xac";
	size_t n = utf8_clean(a, strlen(a), 100);

	a[n] = '\0';
	cr_assert_str_eq(a, "ab c");
	cr_assert_eq(utf8_clean(b, 5, 5), 5);
	cr_assert_eq(utf8_clean(b, 5, 4), 2);
	cr_assert_eq(utf8_clean(b, 0, 4), 0);
}

Test(utf8, mask_keeps_the_length)
{
	char a[] = "a\xff\0\xe2\x82"
		   "b\xc3\xbc";

	utf8_mask(a, sizeof(a) - 1);
	cr_assert_eq(memcmp(a, "a?\0??b\xc3\xbc", 8), 0);
	cr_assert(utf8_valid(a + 3, 5));
	cr_assert_not(utf8_valid("a\0b", 3));
}
