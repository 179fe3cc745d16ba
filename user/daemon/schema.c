/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance; words longer than WORD_MAX are far. */
static unsigned distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned d[3][WORD_MAX + 1];

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *cur = d[i % 3], *up = d[(i + 2) % 3];
		unsigned *up2 = d[(i + 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned sub = up[j - 1] + (a[i - 1] != b[j - 1]);

			cur[j] = min3(sub, up[j] + 1, cur[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && up2[j - 2] + 1 < cur[j])
				cur[j] = up2[j - 2] + 1;
		}
	}
	return d[la % 3][lb];
}

const char *schema_nearest(const char *word, const void *first, size_t step)
{
	unsigned best = 1 + (unsigned)strlen(word) / 3;
	const char *ret = NULL;

	best = best > 3 ? 3 : best;
	for (const char *p = first;; p += step) {
		const char *name;
		unsigned d;

		memcpy(&name, p, sizeof(name));
		if (!name)
			return ret;
		d = strlen(word) > 2 && !strncmp(word, name, strlen(word))
			    ? 1 /* cut short */
			    : distance(word, name);
		if (d < best || (d == best && !ret)) {
			best = d;
			ret = name;
		}
	}
}

/* ------------------------------------------------------------- lists */

static size_t item_size(const struct schema_key *k)
{
	switch (k->item) {
	case SCHEMA_MAP:
		return k->map->size;
	case SCHEMA_ENDPOINT:
		return sizeof(struct config_endpoint);
	case SCHEMA_PREFIX:
		return sizeof(struct config_prefix);
	case SCHEMA_TEXT:
		return sizeof(char *);
	default:
		return 0;
	}
}

static void set_list(const struct schema_key *k, char *base, void *items,
		     size_t n)
{
	memcpy(base + k->off, &items, sizeof(items));
	memcpy(base + k->off_more, &n, sizeof(n));
}

/* The items of a list or map, or 0 with a fault when it is not of the kind or
 * has too many. */
static size_t count_items(struct schema_ctx *ctx, const struct schema_key *k,
			  const struct ytree *n, enum ytree_kind kind)
{
	size_t count = 0;

	if (ytree_is_null(n))
		return 0;
	if (n->kind != kind) {
		config_fault(ctx->rep, n->pos, "%s has to be %s, not %s",
			     k->name, ytree_kind_name(kind),
			     ytree_kind_name(n->kind));
		return 0;
	}
	for (const struct ytree *c = n->child; c; c = c->next)
		count++;
	if (count > k->max) {
		config_fault(ctx->rep, n->pos,
			     "%s has %zu entries; at most %u are allowed",
			     k->name, count, k->max);
		return 0;
	}
	return count;
}

static void apply_list(struct schema_ctx *ctx, const struct schema_key *k,
		       const struct ytree *n, char *base)
{
	size_t count = count_items(ctx, k, n, YTREE_LIST);
	size_t size = item_size(k);
	char *items;

	if (!count)
		return;
	items = arena_alloc(ctx->mem, count * size);
	if (!items) {
		ctx->err = -ENOMEM;
		return;
	}
	set_list(k, base, items, count);
	for (const struct ytree *c = n->child; c; c = c->next, items += size) {
		if (k->item == SCHEMA_MAP)
			schema_apply(ctx, k->map, c, items);
		else
			schema_scalar(ctx, k, k->item, c, items);
	}
}

static void apply_names(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, char *base)
{
	static const struct schema_key as = {
		"an AS number", NULL,     NULL,
		SCHEMA_ASN,     .min = 1, .max = 4294967294u};
	static const struct schema_key name = {
		"the name of an AS", NULL,     NULL,
		SCHEMA_TEXT,         .min = 1, .max = 127};
	size_t count = count_items(ctx, k, n, YTREE_MAP), i = 0;
	struct config_as_name *items;

	if (!count)
		return;
	items = arena_alloc(ctx->mem, count * sizeof(*items));
	if (!items) {
		ctx->err = -ENOMEM;
		return;
	}
	set_list(k, base, items, count);
	for (const struct ytree *c = n->child; c; c = c->next, i++) {
		schema_scalar(ctx, &as, SCHEMA_ASN, c->key, &items[i].asn);
		schema_scalar(ctx, &name, SCHEMA_TEXT, c, &items[i].name);
		for (size_t j = 0; j < i; j++) {
			if (items[j].asn == items[i].asn)
				config_fault(ctx->rep, c->key->pos,
					     "AS %u is named twice",
					     items[i].asn);
		}
	}
}

/* Whether an option exists and takes the value, its library knows. */
static void check_option(struct schema_ctx *ctx, const struct ytree *c,
			 const struct kafka_option *o)
{
	const char **names, *near;
	char why[160] = "";
	int err = kafka_option_check(o->name, o->value, why, sizeof(why));

	if (err == -EINVAL)
		config_fault(ctx->rep, c->key->pos, "%.60s: %s", o->name, why);
	if (err != -ENOENT)
		return;
	names = kafka_option_names();
	near = names ? schema_nearest(o->name, names, sizeof(*names)) : NULL;
	config_fault(ctx->rep, c->key->pos,
		     "librdkafka has no option \"%.60s\"%s%s%s", o->name,
		     near ? "; did you mean \"" : "", near ? near : "",
		     near ? "\"?" : "");
	free(names);
}

static void apply_options(struct schema_ctx *ctx, const struct schema_key *k,
			  const struct ytree *n, char *base)
{
	size_t count = count_items(ctx, k, n, YTREE_MAP), i = 0;
	struct kafka_option *items;

	if (!count)
		return;
	items = arena_alloc(ctx->mem, count * sizeof(*items));
	if (!items) {
		ctx->err = -ENOMEM;
		return;
	}
	set_list(k, base, items, count);
	for (const struct ytree *c = n->child; c; c = c->next, i++) {
		bool twice = false;

		items[i].name = c->key->text;
		items[i].value = c->kind == YTREE_SCALAR ? c->text : "";
		for (size_t j = 0; j < i; j++)
			twice = twice || !strcmp(items[j].name, items[i].name);
		if (c->kind != YTREE_SCALAR)
			config_fault(ctx->rep, c->pos,
				     "%.60s has to be a value, not %s",
				     items[i].name, ytree_kind_name(c->kind));
		else if (twice)
			config_fault(ctx->rep, c->key->pos,
				     "%.60s is given twice", items[i].name);
		else
			check_option(ctx, c, &items[i]);
	}
}

static void apply_flags(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, char *base)
{
	uint32_t flags = 0;
	int v;

	if (n->kind != YTREE_LIST || !n->child) {
		config_fault(ctx->rep, n->pos,
			     "%s has to be a list with at least one entry",
			     k->name);
		return;
	}
	for (const struct ytree *c = n->child; c; c = c->next) {
		if (schema_choose(ctx, k, c, &v))
			continue;
		if (flags & (uint32_t)v)
			config_fault(ctx->rep, c->pos, "%s is listed twice",
				     c->text);
		flags |= (uint32_t)v;
	}
	memcpy(base + k->off, &flags, sizeof(flags));
}

/* -------------------------------------------------------------- maps */

static void apply_value(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, char *base)
{
	bool given = true;

	switch (k->type) {
	case SCHEMA_MAP:
		schema_apply(ctx, k->map, ytree_is_null(n) ? NULL : n,
			     base + k->off);
		return;
	case SCHEMA_LIST:
		apply_list(ctx, k, n, base);
		return;
	case SCHEMA_NAMES:
		apply_names(ctx, k, n, base);
		return;
	case SCHEMA_OPTIONS:
		apply_options(ctx, k, n, base);
		return;
	case SCHEMA_FLAGS:
		apply_flags(ctx, k, n, base);
		return;
	case SCHEMA_UINT:
		if (k->off_more)
			memcpy(base + k->off_more, &given, sizeof(given));
		break;
	case SCHEMA_ADDR:
		if (k->off_more != SCHEMA_NO_OFF)
			memcpy(base + k->off_more, &given, sizeof(given));
		break;
	default:
		break;
	}
	schema_scalar(ctx, k, k->type, n, base + k->off);
}

/* Defaults are written as they would be in a file and read the same way. */
static void apply_default(struct schema_ctx *ctx, const struct schema_key *k,
			  char *base)
{
	struct ytree *n = NULL;
	int err;

	if (k->type == SCHEMA_MAP) {
		schema_apply(ctx, k->map, NULL, base + k->off);
		return;
	}
	if (!k->def)
		return;
	err = ytree_parse(k->def, strlen(k->def), ctx->mem, ctx->rep, &n);
	if (err == -ENOMEM)
		ctx->err = err;
	if (err || !n)
		return;
	apply_value(ctx, k, n, base);
}

static const struct schema_key *find_key(const struct schema_map *map,
					 const char *name)
{
	for (const struct schema_key *k = map->keys; k->name; k++) {
		if (!strcmp(k->name, name))
			return k;
	}
	return NULL;
}

static void unknown_key(struct schema_ctx *ctx, const struct schema_map *map,
			const struct ytree *key)
{
	const char *near =
		schema_nearest(key->text, map->keys, sizeof(*map->keys));

	config_fault(ctx->rep, key->pos, "unknown key \"%.40s\" in %s%s%s%s",
		     key->text, map->where, near ? "; did you mean \"" : "",
		     near ? near : "", near ? "\"?" : "");
}

/* The entries of a map that are known and not given before. */
static void apply_entries(struct schema_ctx *ctx, const struct schema_map *map,
			  const struct ytree *n, char *base)
{
	for (const struct ytree *c = n->child; c; c = c->next) {
		const struct schema_key *k = find_key(map, c->key->text);
		const struct ytree *first = n->child;

		if (ctx->rep->held > CONFIG_ERRORS_MAX)
			return; /* hopeless: do not go on for minutes */
		while (strcmp(first->key->text, c->key->text) != 0)
			first = first->next;
		if (!k)
			unknown_key(ctx, map, c->key);
		else if (first != c)
			config_fault(ctx->rep, c->key->pos,
				     "\"%s\" is given twice (first in line %u)",
				     k->name, first->key->pos.line);
		else
			apply_value(ctx, k, c, base);
	}
}

static void apply_missing(struct schema_ctx *ctx, const struct schema_map *map,
			  const struct ytree *n, char *base)
{
	struct config_pos at = n ? n->pos : (struct config_pos){1, 1};

	for (const struct schema_key *k = map->keys; k->name; k++) {
		const struct ytree *c = n ? n->child : NULL;

		while (c && strcmp(c->key->text, k->name) != 0)
			c = c->next;
		if (c)
			continue;
		if (k->required)
			config_fault(ctx->rep, at, "%s needs \"%s\": %s",
				     map->where, k->name, k->help);
		else
			apply_default(ctx, k, base);
	}
}

void schema_apply(struct schema_ctx *ctx, const struct schema_map *map,
		  const struct ytree *n, void *base)
{
	struct ytree wrap, value;

	if (n && map->off_pos != SCHEMA_NO_OFF)
		memcpy((char *)base + map->off_pos, &n->pos, sizeof(n->pos));
	if (n && n->kind == YTREE_SCALAR && map->shorthand &&
	    !ytree_is_null(n)) {
		/* a bare value: as if written {shorthand: value} */
		struct ytree key = {.kind = YTREE_SCALAR,
				    .pos = n->pos,
				    .text = map->shorthand};

		value = *n;
		value.key = &key;
		value.next = NULL;
		wrap = (struct ytree){.kind = YTREE_MAP,
				      .pos = n->pos,
				      .child = &value};
		apply_entries(ctx, map, &wrap, base);
		apply_missing(ctx, map, &wrap, base);
		return;
	}
	if (n && n->kind != YTREE_MAP) {
		config_fault(ctx->rep, n->pos, "%s has to be a map, not %s",
			     map->where, ytree_kind_name(n->kind));
		return;
	}
	if (n)
		apply_entries(ctx, map, n, base);
	apply_missing(ctx, map, n, base);
}
