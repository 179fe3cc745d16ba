/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * YAML as a tree with places: what the schema is checked against. A small
 * subset on purpose: one document, maps with scalar keys, no anchors, aliases
 * or tags, so the tree is never larger than the text.
 */
#ifndef DAEMON_YAML_H
#define DAEMON_YAML_H

#include "daemon/config.h"

#define YTREE_DEPTH_MAX 16
#define YTREE_NODES_MAX 200000u

enum ytree_kind {
	YTREE_SCALAR,
	YTREE_MAP,
	YTREE_LIST,
};

struct ytree {
	enum ytree_kind kind;
	bool plain; /* scalar without quotes */
	struct config_pos pos;
	const char *text;    /* scalar: without NUL or control characters */
	struct ytree *key;   /* entry of a map: its key */
	struct ytree *child; /* first entry of a map or list, in file order */
	struct ytree *next;
};

/* Adds a fault; NULL rep is allowed. The text is cut to fit. */
void config_fault(struct config_report *rep, struct config_pos pos,
		  const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* 0 and the root (NULL: the document is empty), allocated in mem; -EINVAL
 * with faults reported, or -ENOMEM. */
int ytree_parse(const char *text, size_t len, struct arena *mem,
		struct config_report *rep, struct ytree **ret);

/* An empty value, "~" or "null", unquoted. */
bool ytree_is_null(const struct ytree *n);

/* "a list", "a map", "a value" */
const char *ytree_kind_name(enum ytree_kind k);

#endif
