/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "route/loc.h"
#include "route/names.h"

static struct names *names_of(const char *text)
{
	struct names *n = names_new();
	struct names_file *f;

	cr_assert_not_null(n);
	cr_assert_eq(names_file_parse(text, strlen(text), &f, NULL), 0);
	names_use_file(n, f);
	return n;
}

static const struct {
	const char *line, *want;
} lines[] = {
	{"3320 DTAG - Deutsche Telekom AG, DE", "DTAG - Deutsche Telekom AG"},
	{"3320\tDTAG - Deutsche Telekom AG, DE", "DTAG - Deutsche Telekom AG"},
	{" 3320   DTAG, DE\r", "DTAG"},
	{"AS3320 DTAG", "DTAG"},
	{"as3320 X, Inc., US", "X, Inc."},
	{"3320 A, B", "A, B"},
	{"3320,Deutsche Telekom", "Deutsche Telekom"},
	{"AS3320,\"Telekom, Inc.\",Transit,DE", "Telekom, Inc."},
	{"AS3320,\"Tele\"\"kom\"\"\",Transit,DE", "Tele\"kom\""},
	{"\"AS3320\",\"Telekom\"", "Telekom"},
	{"AS3320,Telekom,Transit,DE", "Telekom"},
	{"AS3320,\"unterminated", "unterminated"},
	{"3320 M\xc3\xbcnchen, DE", "M\xc3\xbcnchen"},
	{"3320 M\xfcnchen\x1b[31m, DE", "Mnchen[31m"},
	{"3320 \xe2\x82, DE", ""}, /* nothing valid left */
	{"3320", ""},
	{"AS3320,,,", ""},
};

Test(names, every_form_of_line)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[256];
		struct names *n;

		(void)snprintf(text, sizeof(text), "1 LVLT, US\n%s\n9 CMU, US",
			       lines[i].line);
		n = names_of(text);
		cr_assert_str_eq(names_get(n, 3320), lines[i].want, "line %zu",
				 i);
		cr_assert_str_eq(names_get(n, 1), "LVLT");
		cr_assert_str_eq(names_get(n, 9), "CMU");
		names_free(n);
	}
}

Test(names, later_line_wins_and_heading_is_skipped)
{
	struct names *n = names_of("asn,name,class,cc\n# comment\n\n"
				   "AS7,old,,\nAS3,three,,\nAS7,new,,\n");

	cr_assert_str_eq(names_get(n, 7), "new");
	cr_assert_str_eq(names_get(n, 3), "three");
	cr_assert_str_eq(names_get(n, 5), "");
	names_free(n);
}

static const struct {
	const char *text;
	int want;
	unsigned bad_line;
} broken[] = {
	{"", -ENODATA, 0},
	{"# nothing\n\n", -ENODATA, 0},
	{"<html>\n<body>\n404\n", -EBADMSG, 1},
	{"1 A\nfoo\nbar\n", -EBADMSG, 2},
	{"4294967296 A\n", -EBADMSG, 1},
	{"1:A\n", -EBADMSG, 1},
	{"\x7f"
	 "ELF\n",
	 -EBADMSG, 1},
};

Test(names, what_is_no_names_file)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct names_file *f = NULL;
		struct names_report rep;

		cr_assert_eq(names_file_parse(broken[i].text,
					      strlen(broken[i].text), &f, &rep),
			     broken[i].want, "text %zu", i);
		cr_assert_null(f);
		cr_assert_eq(rep.bad_line, broken[i].bad_line, "text %zu", i);
	}
}

Test(names, few_bad_lines_are_reported_and_left_out)
{
	static const char text[] = "1 A\n2 B\noops\n4 D\n-5 E\n";
	struct names_file *f;
	struct names_report rep;

	cr_assert_eq(names_file_parse(text, strlen(text), &f, &rep), 0);
	cr_assert_eq(rep.names, 3);
	cr_assert_eq(rep.bad_lines, 2);
	cr_assert_eq(rep.bad_line, 3);
	cr_assert_not_null(strstr(rep.text, "line 3"));
	names_file_free(f);
}

Test(names, every_truncation_of_a_file)
{
	static const char text[] =
		"AS1,\"A \"\"q\"\" \xc3\xbc\",x,DE\n2 B - C\xe2\x82\xac, US\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len ? len
					: 1); /* so that ASan sees over-reads */
		struct names_file *f = NULL;
		int err;

		memcpy(copy, text, len);
		err = names_file_parse(copy, len, &f, NULL);
		cr_assert(err == 0 || err == -ENODATA || err == -EBADMSG);
		if (err == 0) {
			struct names *n = names_new();

			names_use_file(n, f);
			cr_assert(utf8_valid(names_get(n, 1),
					     strlen(names_get(n, 1))));
			cr_assert(utf8_valid(names_get(n, 2),
					     strlen(names_get(n, 2))));
			names_free(n);
		}
		free(copy);
	}
}

Test(names, bad_file_leaves_the_good_copy)
{
	struct names *n = names_of("5 GOOD\n");
	struct names_file *f = NULL;
	char path[] = "/tmp/test_names.XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "garbage\n", 8), 8);
	cr_assert_eq(names_file_load(path, &f, NULL), -EBADMSG);
	cr_assert_eq(names_file_load("/nonexistent", &f, NULL), -ENOENT);
	cr_assert_eq(names_file_load("/tmp", &f, NULL), -EISDIR);
	cr_assert_str_eq(names_get(n, 5), "GOOD");
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, "5 BETTER, DE\n", 13, 0), 13);
	cr_assert_eq(names_file_load(path, &f, NULL), 0);
	names_use_file(n, f);
	cr_assert_str_eq(names_get(n, 5), "BETTER");
	close(fd);
	unlink(path);
	names_free(n);
}

Test(names, order_of_preference)
{
	struct names *n = names_of("0 -Reserved AS-, ZZ\n3320 FILE, DE\n"
				   "64512 MINE\n");
	struct loc_db *db;

	cr_assert_eq(loc_db_open(LOC_DB_PATH, &db), 0);
	names_use_loc(n, db);
	cr_assert_str_eq(names_get(n, 0), "unknown");
	cr_assert_str_eq(names_get(n, 3320), "FILE");
	cr_assert_str_eq(names_get(n, 64512), "MINE");
	cr_assert_str_eq(names_get(n, 64513), "private");
	cr_assert_str_eq(names_get(n, 64500), "documentation");
	cr_assert_str_eq(names_get(n, 23456), "AS_TRANS");
	cr_assert_str_eq(names_get(n, 65536), "documentation");
	cr_assert_str_eq(names_get(n, 4200000000u), "private");
	cr_assert_str_eq(names_get(n, 4294967295u), "reserved");
	cr_assert_neq(names_get(n, 15169)[0], '\0'); /* from the database */

	cr_assert_eq(names_override(n, 3320, "own\x01name"), 0);
	cr_assert_eq(names_override(n, 0, "dark"), 0);
	cr_assert_eq(names_override(n, 9, "nine"), 0);
	cr_assert_eq(names_override(n, 9, "neuf"), 0);
	cr_assert_str_eq(names_get(n, 3320), "ownname");
	cr_assert_str_eq(names_get(n, 0), "dark");
	cr_assert_str_eq(names_get(n, 9), "neuf");
	names_clear_overrides(n);
	cr_assert_str_eq(names_get(n, 3320), "FILE");
	names_use_file(n, NULL);
	cr_assert_neq(names_get(n, 3320)[0], '\0');
	cr_assert_str_neq(names_get(n, 3320), "FILE");
	names_use_loc(n, NULL);
	cr_assert_str_eq(names_get(n, 3320), "");
	names_free(n);
}

Test(names, long_name_is_cut_between_characters)
{
	char text[1200] = "5 x";
	struct names *n;

	for (size_t i = 3; i + 3 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xbc", 3);
	n = names_of(text);
	cr_assert_leq(strlen(names_get(n, 5)), NAMES_LEN_MAX);
	cr_assert_gt(strlen(names_get(n, 5)), NAMES_LEN_MAX - 3);
	cr_assert(utf8_valid(names_get(n, 5), strlen(names_get(n, 5))));
	names_free(n);
}
