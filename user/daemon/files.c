/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* About four times today's Internet. */
#define ENTRIES_MAX 5000000u

struct take {
	struct files *f;
	size_t room;
};

struct files *files_new(const struct config *cfg)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	(void)snprintf(f->loc_path, sizeof(f->loc_path), "%s",
		       cfg->libloc.database);
	(void)snprintf(f->names_path, sizeof(f->names_path), "%s",
		       cfg->as_names.file ? cfg->as_names.file : "");
	(void)snprintf(f->overrides_path, sizeof(f->overrides_path), "%s",
		       cfg->overrides ? cfg->overrides : "");
	return f;
}

static int make_room(struct take *t, size_t n)
{
	struct files *f = t->f;
	size_t room = t->room ? t->room * 2 : 262144;
	struct loc_entry *p;

	if (f->n_entries + n <= t->room)
		return 0;
	if (f->n_entries + n > ENTRIES_MAX)
		return -E2BIG;
	p = realloc(f->entries, room * sizeof(*p));
	if (!p)
		return -ENOMEM;
	f->entries = p;
	t->room = room;
	return 0;
}

static int on_batch(void *ctx, const struct loc_entry *e, size_t n)
{
	struct take *t = ctx;
	struct files *f = t->f;
	int err = make_room(t, n);

	for (size_t i = 0; !err && i < n; i++) {
		if (f->walk[e[i].prefix.family])
			f->entries[f->n_entries++] = e[i];
	}
	return err;
}

static int read_loc(struct files *f)
{
	struct take t = {.f = f};
	int err = loc_db_open(f->loc_path, &f->loc);

	if (!err && (f->walk[FAMILY_IP4] || f->walk[FAMILY_IP6]))
		err = loc_db_walk(f->loc, on_batch, &t);
	if (err) { /* damaged: nothing of it is used */
		loc_db_close(f->loc);
		f->loc = NULL;
		free(f->entries);
		f->entries = NULL;
		f->n_entries = 0;
	}
	return err;
}

void files_read(struct files *f)
{
	if (f->loc_path[0])
		f->loc_err = read_loc(f);
	if (f->names_path[0])
		f->names_err = names_file_load(f->names_path, &f->names,
					       &f->names_rep);
	if (f->overrides_path[0])
		f->overrides_err =
			overrides_load(f->overrides_path, &f->overrides,
				       &f->overrides_why);
}

void files_free(struct files *f)
{
	if (!f)
		return;
	loc_db_close(f->loc);
	names_file_free(f->names);
	overrides_free(&f->overrides);
	free(f->entries);
	free(f);
}
