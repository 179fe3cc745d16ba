/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a configuration may contain, as data: for each key its name, type,
 * range, default, one line of help and where its value goes. Checking,
 * defaults and the printed reference all come from the same table.
 */
#ifndef DAEMON_SCHEMA_H
#define DAEMON_SCHEMA_H

#include "daemon/config.h"
#include "daemon/yaml.h"

enum schema_type {
	SCHEMA_BOOL,     /* bool */
	SCHEMA_UINT,     /* uint32_t within min..max */
	SCHEMA_TIME,     /* uint32_t ms within min..max; "1s", "500ms", "2h" */
	SCHEMA_ASN,      /* uint32_t */
	SCHEMA_TEXT,     /* char *, at most max bytes */
	SCHEMA_PATH,     /* char *, absolute, at most max bytes */
	SCHEMA_ADDR,     /* struct addr */
	SCHEMA_ROUTERID, /* uint32_t, dotted quad */
	SCHEMA_ENDPOINT, /* struct config_endpoint */
	SCHEMA_PREFIX,   /* struct config_prefix */
	SCHEMA_ENUM,     /* an int-sized enum, one of choices */
	SCHEMA_FLAGS,    /* uint32_t, a list of choices, or-ed */
	SCHEMA_MAP,      /* struct described by map, in place */
	SCHEMA_LIST,     /* pointer + size_t count, items as `item` / map */
	SCHEMA_NAMES,   /* pointer + count of struct config_as_name: AS: name */
	SCHEMA_OPTIONS, /* pointer + count of struct kafka_option */
};

struct schema_choice {
	const char *name;
	int value;
};

#define SCHEMA_NO_OFF ((size_t)-1)

struct schema_key {
	const char *name;
	const char *help;
	const char *def; /* as it would be written in the file; NULL: none */
	enum schema_type type;
	enum schema_type item; /* lists */
	bool required;
	size_t off;      /* of the value in the struct of the map */
	size_t off_more; /* of the count (list) or the bool "given" (addr; uint
			  * without a default) */
	uint32_t min;
	uint32_t max;
	const struct schema_choice *choices; /* ends with name NULL */
	const struct schema_map *map;
};

struct schema_map {
	const char *where;     /* "bgp", for messages */
	const char *shorthand; /* a bare value stands for this key, or NULL */
	size_t size;           /* of the struct */
	size_t off_pos;        /* of its struct config_pos, or SCHEMA_NO_OFF */
	const struct schema_key *keys; /* ends with name NULL */
};

extern const struct schema_map schema_root; /* fills a struct config */

struct schema_ctx {
	struct arena *mem;
	struct config_report *rep;
	int err; /* -ENOMEM, sticky */
};

/* Checks the node (NULL: absent, only defaults) against the map and fills
 * base. Faults go to ctx->rep. */
void schema_apply(struct schema_ctx *ctx, const struct schema_map *map,
		  const struct ytree *n, void *base);

/* One scalar into dst. Faults go to ctx->rep. (scalar.c) */
void schema_scalar(struct schema_ctx *ctx, const struct schema_key *k,
		   enum schema_type type, const struct ytree *n, void *dst);

/* The value of the choice, or its neighbours in the message. -ENOENT. */
int schema_choose(struct schema_ctx *ctx, const struct schema_key *k,
		  const struct ytree *n, int *ret);

/* " did you mean" helper: the nearest of the names (step bytes apart, the
 * name pointer first in each), or NULL when none is near. */
const char *schema_nearest(const char *word, const void *first, size_t step);

const char *schema_type_name(enum schema_type t);

#endif
