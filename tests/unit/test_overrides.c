/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route/overrides.h"

Test(overrides, good_file)
{
	static const char text[] = "# own\n"
				   "2001:db8::/32\tAS64501 # v6\r\n"
				   "\n"
				   "  192.0.2.0/24   64500\n"
				   "192.0.2.0/25 4294967295\n"
				   "192.0.2.7 as7";
	struct overrides o;
	struct overrides_error e;
	char buf[PREFIX_STRLEN];

	cr_assert_eq(overrides_parse(text, strlen(text), &o, &e), 0);
	cr_assert_eq(o.n, 4);
	cr_assert_str_eq(prefix_str(&o.v[0].prefix, buf), "192.0.2.0/24");
	cr_assert_eq(o.v[0].asn, 64500);
	cr_assert_eq(o.v[1].asn, 4294967295u);
	cr_assert_str_eq(prefix_str(&o.v[2].prefix, buf), "192.0.2.7/32");
	cr_assert_eq(o.v[2].asn, 7);
	cr_assert_eq(o.v[3].asn, 64501);
	overrides_free(&o);
	cr_assert_eq(overrides_parse("", 0, &o, &e), 0);
	cr_assert_eq(o.n, 0);
	overrides_free(&o);
}

static const struct {
	const char *text;
	unsigned line;
	const char *hint;
} broken[] = {
	{"192.0.2.0/24\n", 1, "AS number must follow"},
	{"\n192.0.2.0/33 1\n", 2, "not a prefix"},
	{"192.0.2.1/24 1\n", 1, "did you mean 192.0.2.0/24?"},
	{"2001:db8::1/32 1\n", 1, "did you mean 2001:db8::/32?"},
	{"hello 1\n", 1, "not a prefix"},
	{"192.0.2.0/24 0\n", 1, "AS 0"},
	{"192.0.2.0/24 4294967296\n", 1, "not an AS number"},
	{"192.0.2.0/24 AS\n", 1, "not an AS number"},
	{"192.0.2.0/24 1.5\n", 1, "not an AS number"},
	{"192.0.2.0/24 -1\n", 1, "not an AS number"},
	{"192.0.2.0/24 1 2\n", 1, "unexpected \"2\""},
	{"192.0.2.0/24 1\n#\n192.0.2.0/24 2\n", 3, "already in line 1"},
};

Test(overrides, errors_name_line_and_cure)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct overrides o;
		struct overrides_error e;

		cr_assert_eq(overrides_parse(broken[i].text,
					     strlen(broken[i].text), &o, &e),
			     -EINVAL, "text %zu", i);
		cr_assert_eq(e.line, broken[i].line, "text %zu", i);
		cr_assert_not_null(strstr(e.text, broken[i].hint),
				   "text %zu: %s", i, e.text);
	}
}

Test(overrides, binary_and_endless_lines)
{
	struct overrides o;
	struct overrides_error e;
	char big[2000];

	memset(big, '1', sizeof(big));
	cr_assert_eq(overrides_parse(big, sizeof(big), &o, &e), -EINVAL);
	cr_assert_eq(overrides_parse("1.2.3.0/24\0 5\n", 14, &o, &e), -EINVAL);
	cr_assert_eq(e.line, 1);
	cr_assert_eq(overrides_load("/nonexistent", &o, &e), -ENOENT);
	cr_assert_eq(e.line, 0);
	cr_assert_eq(overrides_load("/nonexistent", &o, NULL), -ENOENT);
}

Test(overrides, every_truncation)
{
	static const char text[] =
		"192.0.2.0/24 64500 # x\n2001:db8::/32 AS1\n";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *copy = malloc(len ? len : 1);
		struct overrides o;

		memcpy(copy, text, len);
		if (overrides_parse(copy, len, &o, NULL) == 0)
			overrides_free(&o);
		free(copy);
	}
}
