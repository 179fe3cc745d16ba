/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files that the table and the names come from, read in a thread so that
 * a large, slow or damaged one never delays counting. Pure but for reading.
 */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include <stdbool.h>

#include "daemon/config.h"
#include "route/loc.h"
#include "route/names.h"
#include "route/overrides.h"

struct files {
	/* what to read; "" or false: not */
	char loc_path[4096];
	bool walk[FAMILIES]; /* also the prefixes */
	char names_path[4096];
	char overrides_path[4096];

	/* what came of it; each error is 0 or -errno */
	int loc_err;
	struct loc_db *loc; /* the names of it */
	struct loc_entry *entries;
	size_t n_entries;
	int names_err;
	struct names_file *names;
	struct names_report names_rep;
	int overrides_err;
	struct overrides overrides;
	struct overrides_error overrides_why;
};

/* What the configuration names; walk is left to the caller. NULL: no memory. */
struct files *files_new(const struct config *cfg);
/* Blocks. Touches nothing but f. */
void files_read(struct files *f);
void files_free(struct files *f);

#endif
