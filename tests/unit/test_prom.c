/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "export/prom.h"

static void is(struct buf *b, const char *want)
{
	cr_assert_not(b->failed);
	cr_assert(b->len == strlen(want) &&
			  (!b->len || !memcmp(b->p, want, b->len)),
		  "got  %.*s\nwant %s", (int)b->len, b->p, want);
	buf_free(b);
}

Test(prom, golden)
{
	struct buf b = {0};

	prom_family(&b, "flow_receive_bytes_total", PROM_COUNTER,
		    "Bytes received.");
	prom_u64(&b, "flow_receive_bytes_total",
		 (struct prom_label[]){
			 {"source_as", "15169"}, {"hostname", "r1"}, {0}},
		 UINT64_MAX);
	prom_family(&b, "x", PROM_GAUGE, "An x.");
	prom_u64(&b, "x", NULL, 0);
	prom_f64(&b, "x", (struct prom_label[]){{0}}, 0.25);
	prom_f64(&b, "x", NULL, NAN);
	prom_f64(&b, "x", NULL, INFINITY);
	prom_f64(&b, "x", NULL, -INFINITY);
	prom_f64(&b, "x", NULL, 1792000000.5);
	is(&b, "# HELP flow_receive_bytes_total Bytes received.\n"
	       "# TYPE flow_receive_bytes_total counter\n"
	       "flow_receive_bytes_total{source_as=\"15169\",hostname=\"r1\"} "
	       "18446744073709551615\n"
	       "# HELP x An x.\n# TYPE x gauge\nx 0\nx 0.25\nx NaN\nx +Inf\n"
	       "x -Inf\nx 1792000000.5\n");
}

Test(prom, hostile_names)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"", ""},
		{"Plain Name, Inc.", "Plain Name, Inc."},
		{"a\"} 1\nevil{x=\"", "a\\\"} 1\\nevil{x=\\\""},
		{"back\\slash\\", "back\\\\slash\\\\"},
		{"\r\t\x01", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"Telef\xc3\xb3nica", "Telef\xc3\xb3nica"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80",
		 "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"latin\xe9!", "latin\xef\xbf\xbd!"},
		{"cut\xe2\x82", "cut\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xff\"", "\xef\xbf\xbd\\\""},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct buf b = {0};

		prom_escape(&b, t[i].in);
		is(&b, t[i].out);
	}
}

Test(prom, process)
{
	struct buf b = {0};

	prom_process(&b);
	buf_putc(&b, 0);
	cr_assert_not(b.failed);
	cr_assert(strstr(b.p, "\nprocess_cpu_seconds_total "));
	cr_assert(strstr(b.p, "\nprocess_open_fds "));
	double rss = 0, start = 0;
	const char *at = strstr(b.p, "\nprocess_resident_memory_bytes ");

	cr_assert(at &&
		  sscanf(at, "\nprocess_resident_memory_bytes %lf", &rss));
	cr_assert(rss > 100000 && rss < 1e12);
	at = strstr(b.p, "\nprocess_start_time_seconds ");
	cr_assert(at && sscanf(at, "\nprocess_start_time_seconds %lf", &start));
	cr_assert_float_eq(start, (double)time(NULL), 3600);
	buf_free(&b);
}

Test(buf, numbers_and_growth)
{
	struct buf b = {0};

	buf_u64(&b, 0);
	buf_putc(&b, ' ');
	buf_i64(&b, INT64_MIN);
	buf_putc(&b, ' ');
	buf_i64(&b, -7);
	is(&b, "0 -9223372036854775808 -7");
	for (unsigned i = 0; i < 10000; i++)
		buf_printf(&b, "%04u", i);
	cr_assert_eq(b.len, 40000);
	cr_assert(!memcmp(b.p + 39996, "9999", 4));
	buf_free(&b);
	buf_printf(&b, "%0600d", 5); /* longer than its stack buffer */
	cr_assert(b.len == 600 && b.p[599] == '5');
	buf_free(&b);
}
