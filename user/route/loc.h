/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libloc's location database as a source of prefixes with their origin AS,
 * and of AS names (Debian package libloc-database; also what `location
 * update` downloads).
 *
 * The file is decoded here and not by the library, because the library maps
 * the file and trusts its offsets: a truncated or damaged file is a SIGBUS, a
 * SIGSEGV or an endless walk there. Here it is read (never mapped), each
 * index is checked, and the walk ends. tests/unit/test_loc.c compares every
 * prefix and every name with the library's.
 *
 * Thread-safe as long as nobody closes: all functions but open and close only
 * read. No log.
 */
#ifndef ROUTE_LOC_H
#define ROUTE_LOC_H

#include <stddef.h>
#include <stdint.h>

#include "route/prefix.h"

/* Where Debian's package keeps the database. */
#define LOC_DB_PATH "/usr/share/libloc-location/location.db"

struct loc_db;

struct loc_entry {
	struct prefix prefix;
	uint32_t asn; /* never 0: such networks are left out */
};

/* Reads the header and the AS names (some 5 MB, milliseconds); the rest of
 * the file is read by each loc_db_walk() and kept open until then.
 * -errno of open(2) or read(2), -EBADMSG: not such a database, or damaged. */
int loc_db_open(const char *path, struct loc_db **ret);
void loc_db_close(struct loc_db *db);

/* When the database was made, seconds since the epoch. */
int64_t loc_db_created_at(const struct loc_db *db);
/* Number of AS names. */
size_t loc_db_ases(const struct loc_db *db);

/* The name of the AS, valid UTF-8 without control characters, or NULL when
 * it has none. Valid until loc_db_close(). */
const char *loc_db_name(const struct loc_db *db, uint32_t asn);

/* Gets up to LOC_BATCH entries at a time, which are the callee's to read
 * until it returns; a result other than 0 ends the walk. */
#define LOC_BATCH 4096
typedef int (*loc_batch_fn)(void *ctx, const struct loc_entry *e, size_t n);

/* Reports every network that has an origin AS, IPv6 before and after the
 * block of IPv4, in ascending order. About 0.05 s and 50 MB for the whole
 * Internet, so call it in a worker thread. Returns 0, what `fn` returned,
 * -EBADMSG (damaged; entries reported so far are to be thrown away), -ENOMEM
 * or -errno of read(2). */
int loc_db_walk(const struct loc_db *db, loc_batch_fn fn, void *ctx);

#endif
