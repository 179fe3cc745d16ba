/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "export/json.h"

Test(json, golden)
{
	struct buf b = {0};
	struct jw j = jw_init(&b);

	jw_object(&j, NULL);
	jw_u64(&j, "max", UINT64_MAX);
	jw_i64(&j, "min", INT64_MIN);
	jw_f64(&j, "f", 0.5);
	jw_f64(&j, "nan", NAN);
	jw_f64(&j, "inf", INFINITY);
	jw_bool(&j, "t", true);
	jw_null(&j, "n");
	jw_str(&j, "none", NULL);
	jw_array(&j, "a");
	jw_u64(&j, NULL, 1);
	jw_object(&j, NULL);
	jw_end(&j);
	jw_array(&j, NULL);
	jw_close(&j);
	jw_str(&j, NULL, "x");
	jw_close(&j);
	jw_object(&j, "o");
	jw_str(&j, "k\"", "v\\");
	jw_end(&j);
	jw_bool(&j, "last", false);
	jw_end(&j);
	static const char want[] =
		"{\"max\":18446744073709551615,\"min\":-9223372036854775808,"
		"\"f\":0.5,\"nan\":null,\"inf\":null,\"t\":true,\"n\":null,"
		"\"none\":null,\"a\":[1,{},[],\"x\"],\"o\":{\"k\\\"\":"
		"\"v\\\\\"},\"last\":false}";

	cr_assert(b.len == strlen(want) && !memcmp(b.p, want, b.len), "%.*s",
		  (int)b.len, b.p);
	buf_free(&b);
}

/* Any bytes at all must come out as a string that a strict parser takes. */
Test(json, any_bytes_are_a_string)
{
	uint64_t seed = 7;

	for (unsigned i = 0; i < 20000; i++) {
		char text[24];
		size_t n = 0;
		struct buf b = {0};
		json_error_t err;

		while (n < sizeof(text) - 1) {
			seed = seed * UINT64_C(6364136223846793005) + 1;
			char c = (char)(seed >> 56);

			if (seed >> 32 & 1) /* favour what is special */
				c = "\"\\\n\x7f\xc3\xa9\xf0\x9f\x80\xed"
					[seed >> 40 & 7];
			if (!c)
				break;
			text[n++] = c;
		}
		text[n] = 0;
		buf_putc(&b, '[');
		jw_quote(&b, text);
		buf_putc(&b, ']');
		json_t *v = json_loadb(b.p, b.len, 0, &err);

		cr_assert(v, "%s: %.*s", err.text, (int)b.len, b.p);
		json_decref(v);
		buf_free(&b);
	}
}
