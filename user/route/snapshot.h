/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefix table as a file: what the packet path answers with after a
 * reboot, until there is a feed again. The file holds the table as it is in
 * the map (asmeter/lookup.h), so it is there at once, and AS indexes beside
 * it.
 *
 * The file is not trusted: its size is bounded by the map before anything is
 * allocated, a checksum over all of it has to hold, and table_open() walks what
 * was restored as it walks any table that it finds.
 */
#ifndef ROUTE_SNAPSHOT_H
#define ROUTE_SNAPSHOT_H

#include "route/table.h"

struct snapshot;

/* A copy of the table, to be written at leisure in any thread. To be called
 * by the owner of the table, between two flushes. -ENODATA: the table is
 * empty, -ENOMEM. */
int snapshot_take(const struct table_cfg *t, struct snapshot **ret);
void snapshot_free(struct snapshot *s);

/* Replaces the file in one step: a new file, on the disk, renamed. Blocks.
 * On failure the old one stays and -errno is returned. */
int snapshot_write(const struct snapshot *s, const char *path);

/*
 * Fills a table that has never been used (state->n_as of at most 1), before
 * table_open(). 0; -errno of open(2); -EBADMSG: damaged, or none of these
 * files; -EPROTO: of another layout; -EFBIG: from a larger table, whose part
 * that is in use does not fit; -EBUSY: this table is in use. On failure
 * nothing is changed.
 */
int snapshot_restore(const char *path, const struct table_cfg *t);

#endif
