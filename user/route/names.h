/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of autonomous systems. In order of preference:
 *
 *   1. the configuration (as-names:)
 *   2. the built-in label of AS 0 ("unknown": no route)
 *   3. the names file
 *   4. built-in labels: reserved, documentation and private numbers
 *   5. libloc's database
 *
 * Loading a file is pure and can be done in a worker thread; a file that does
 * not load leaves the names as they are. Everything returned is valid UTF-8
 * without control characters. Not thread-safe but for names_file_load().
 */
#ifndef ROUTE_NAMES_H
#define ROUTE_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct loc_db;

/* Longest name kept, in bytes without NUL; longer ones are cut. */
#define NAMES_LEN_MAX 200

/* -- a names file, parsed; immutable -- */
struct names_file;

struct names_report {
	size_t names;      /* distinct AS numbers read */
	size_t bad_lines;  /* lines left out */
	unsigned bad_line; /* number of the first of them, 0: none */
	char text[96];     /* what is wrong with it */
};

/*
 * Reads a file of up to 64 MB with one AS a line, in either form (told apart
 * line by line; '#' starts a comment line, a CSV heading is skipped):
 *
 *   64500 NAME - Organisation, CC      cidr-report, RIPE asn.txt
 *   AS64500,"Name, Inc.",class,CC      CSV; class and country optional
 *
 * The country is cut off. A number that appears again overrides.
 * -errno of open(2) or read(2), -EFBIG, -ENODATA: no line with a name,
 * -EBADMSG: more bad lines than good ones; then *ret is untouched. *ret_rep
 * (may be NULL) is always filled in.
 */
int names_file_load(const char *path, struct names_file **ret,
		    struct names_report *ret_rep);
/* The same from memory; the text is only read. */
int names_file_parse(const char *text, size_t len, struct names_file **ret,
		     struct names_report *ret_rep);
void names_file_free(struct names_file *f);

/* -- the names in use -- */
struct names;

struct names *names_new(void);
void names_free(struct names *n);

/* Take ownership and free what was there before; NULL: none any more. */
void names_use_file(struct names *n, struct names_file *f);
void names_use_loc(struct names *n, struct loc_db *db);

/* Sets the name of one AS (a cleaned copy is kept); -ENOMEM. */
int names_override(struct names *n, uint32_t asn, const char *name);
void names_clear_overrides(struct names *n);

/* The name, "" when there is none; never NULL. Valid until the next call of
 * a function above. */
const char *names_get(const struct names *n, uint32_t asn);

#endif
