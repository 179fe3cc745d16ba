/* SPDX-License-Identifier: BSD-2-Clause */
/* Single values of the configuration: text into numbers, names, addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "daemon/schema.h"
#include "route/bgp_msg.h"

/* Decimal digits only, up to `max`; *end is set behind them. */
static int parse_digits(const char *s, uint64_t max, const char **end,
			uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > max)
			return -ERANGE;
	}
	if (p == s || (*s == '0' && p - s > 1))
		return -EINVAL;
	*end = p;
	*ret = v;
	return 0;
}

int config_parse_asn(const char *s, uint32_t *ret)
{
	const char *end;
	uint64_t hi, lo;
	int err;

	if ((s[0] == 'A' || s[0] == 'a') && (s[1] == 'S' || s[1] == 's'))
		s += 2;
	err = parse_digits(s, UINT32_MAX, &end, &hi);
	if (err)
		return err;
	if (*end == '.') {
		if (hi > UINT16_MAX)
			return -ERANGE;
		err = parse_digits(end + 1, UINT16_MAX, &end, &lo);
		if (err)
			return err;
		hi = hi << 16 | lo;
	}
	if (*end)
		return -EINVAL;
	*ret = (uint32_t)hi;
	return 0;
}

static void fault_type(struct schema_ctx *ctx, const struct schema_key *k,
		       const struct ytree *n, const char *want)
{
	config_fault(ctx->rep, n->pos, "%s has to be %s, not \"%.60s\"",
		     k->name, want, n->text);
}

static void scalar_bool(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, void *dst)
{
	static const char *const yes[] = {"true", "yes", "on"};
	static const char *const no[] = {"false", "no", "off"};

	for (unsigned i = 0; i < 3; i++) {
		bool v = !strcmp(n->text, yes[i]);

		if (v || !strcmp(n->text, no[i])) {
			memcpy(dst, &v, sizeof(v));
			return;
		}
	}
	fault_type(ctx, k, n, "true or false");
}

static void scalar_uint(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, void *dst)
{
	const char *end;
	uint64_t v;
	int err = parse_digits(n->text, UINT32_MAX, &end, &v);

	if (err == -EINVAL || (!err && *end)) {
		fault_type(ctx, k, n, "a whole number");
	} else if (err || v < k->min || v > k->max) {
		config_fault(ctx->rep, n->pos,
			     "%s has to be between %u and %u, not %.30s",
			     k->name, k->min, k->max, n->text);
	} else {
		uint32_t u = (uint32_t)v;

		memcpy(dst, &u, sizeof(u));
	}
}

static void scalar_time(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, void *dst)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
		     {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	const char *end = NULL;
	uint64_t v, ms = 0;
	int err = parse_digits(n->text, UINT32_MAX, &end, &v);

	for (unsigned i = 0; !err && i < sizeof(units) / sizeof(*units); i++) {
		if (!strcmp(end, units[i].name))
			ms = units[i].ms;
	}
	if (err == -EINVAL || (!err && !ms)) {
		fault_type(ctx, k, n, "a time such as 500ms, 10s, 5m or 2h");
	} else if (err || v * ms < k->min || v * ms > k->max) {
		config_fault(ctx->rep, n->pos,
			     "%s has to be between %ums and %us, not %.30s",
			     k->name, k->min, k->max / 1000, n->text);
	} else {
		uint32_t u = (uint32_t)(v * ms);

		memcpy(dst, &u, sizeof(u));
	}
}

/* Why a number is no AS that can be used, and what to put. */
static void fault_asn(struct schema_ctx *ctx, const struct schema_key *k,
		      const struct ytree *n, uint32_t as)
{
	if (as == 0)
		config_fault(ctx->rep, n->pos,
			     "%s: AS 0 stands for no AS (RFC 7607): put the "
			     "number that was assigned, or a private one such "
			     "as 64512",
			     k->name);
	else if (as == BGP_AS_TRANS)
		config_fault(ctx->rep, n->pos,
			     "%s: AS %u is AS_TRANS, which stands in for a "
			     "4-byte AS number (RFC 6793): put that number",
			     k->name, as);
	else
		config_fault(ctx->rep, n->pos,
			     "%s: %.30s is not an AS number that can be used",
			     k->name, n->text);
}

static void scalar_asn(struct schema_ctx *ctx, const struct schema_key *k,
		       const struct ytree *n, void *dst)
{
	uint32_t as = UINT32_MAX;
	int err = config_parse_asn(n->text, &as);

	if (err == -EINVAL) {
		fault_type(ctx, k, n, "an AS number (64512, AS64512 or 1.10)");
	} else if (err || as < k->min || as > k->max || as == BGP_AS_TRANS) {
		fault_asn(ctx, k, n, as);
	} else {
		memcpy(dst, &as, sizeof(as));
	}
}

static void scalar_text(struct schema_ctx *ctx, const struct schema_key *k,
			enum schema_type type, const struct ytree *n, void *dst)
{
	size_t len = strlen(n->text);
	char *s;

	if (len < k->min || len > k->max) {
		config_fault(ctx->rep, n->pos,
			     "%s has to be %u to %u characters long, not %zu",
			     k->name, k->min, k->max, len);
		return;
	}
	if (type == SCHEMA_PATH && n->text[0] != '/') {
		fault_type(ctx, k, n, "an absolute path");
		return;
	}
	s = arena_strndup(ctx->mem, n->text, len);
	if (!s)
		ctx->err = -ENOMEM;
	memcpy(dst, &s, sizeof(s));
}

static void scalar_addr(struct schema_ctx *ctx, const struct schema_key *k,
			const struct ytree *n, void *dst)
{
	struct addr a;

	if (addr_parse(n->text, &a) || (!a.hi && !a.lo))
		fault_type(ctx, k, n, "an IPv4 or IPv6 address");
	else
		memcpy(dst, &a, sizeof(a));
}

static void scalar_routerid(struct schema_ctx *ctx, const struct schema_key *k,
			    const struct ytree *n, void *dst)
{
	struct in_addr in;
	uint32_t id;

	if (inet_pton(AF_INET, n->text, &in) != 1 || !in.s_addr) {
		fault_type(ctx, k, n, "a dotted quad such as 192.0.2.1");
		return;
	}
	id = ntohl(in.s_addr);
	memcpy(dst, &id, sizeof(id));
}

/* "192.0.2.1:179", "[2001:db8::1]:179" */
static int parse_endpoint(const char *s, struct config_endpoint *ret)
{
	char host[PREFIX_STRLEN];
	const char *colon = strrchr(s, ':'), *end;
	uint64_t port;
	size_t len;

	if (!colon || parse_digits(colon + 1, UINT16_MAX, &end, &port) ||
	    *end || !port)
		return -EINVAL;
	len = (size_t)(colon - s);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, s, len);
	host[len] = '\0';
	ret->port = (uint16_t)port;
	if (host[0] != '[')
		return strchr(host, ':') ? -EINVAL
					 : addr_parse(host, &ret->addr);
	if (len < 2 || host[len - 1] != ']' || !strchr(host, ':'))
		return -EINVAL;
	host[len - 1] = '\0';
	return addr_parse(host + 1, &ret->addr);
}

static void scalar_endpoint(struct schema_ctx *ctx, const struct schema_key *k,
			    const struct ytree *n, void *dst)
{
	struct config_endpoint e = {.pos = n->pos};

	if (parse_endpoint(n->text, &e))
		fault_type(ctx, k, n,
			   "ADDRESS:PORT, as 127.0.0.1:9590 or [::1]:9590");
	else
		memcpy(dst, &e, sizeof(e));
}

static void scalar_prefix(struct schema_ctx *ctx, const struct schema_key *k,
			  const struct ytree *n, void *dst)
{
	struct config_prefix p = {.pos = n->pos};
	int err = prefix_parse(n->text, &p.prefix);

	if (err == -EDOM)
		config_fault(ctx->rep, n->pos,
			     "%s: %.60s has bits set beyond its length",
			     k->name, n->text);
	else if (err)
		fault_type(ctx, k, n, "a prefix such as 192.0.2.0/24");
	else
		memcpy(dst, &p, sizeof(p));
}

int schema_choose(struct schema_ctx *ctx, const struct schema_key *k,
		  const struct ytree *n, int *ret)
{
	char all[120] = "";
	const char *near;

	if (n->kind != YTREE_SCALAR) {
		config_fault(ctx->rep, n->pos, "%s has to be a value, not %s",
			     k->name, ytree_kind_name(n->kind));
		return -ENOENT;
	}
	for (const struct schema_choice *c = k->choices; c->name; c++) {
		size_t used = strlen(all);

		if (!strcmp(c->name, n->text)) {
			*ret = c->value;
			return 0;
		}
		(void)snprintf(all + used, sizeof(all) - used, "%s%s",
			       used ? ", " : "", c->name);
	}
	near = schema_nearest(n->text, k->choices, sizeof(*k->choices));
	config_fault(ctx->rep, n->pos,
		     "%s has to be one of %s, not \"%.40s\"%s%s%s", k->name,
		     all, n->text, near ? "; did you mean \"" : "",
		     near ? near : "", near ? "\"?" : "");
	return -ENOENT;
}

void schema_scalar(struct schema_ctx *ctx, const struct schema_key *k,
		   enum schema_type type, const struct ytree *n, void *dst)
{
	int v;

	if (n->kind != YTREE_SCALAR) {
		config_fault(ctx->rep, n->pos, "%s has to be %s, not %s",
			     k->name, schema_type_name(type),
			     ytree_kind_name(n->kind));
		return;
	}
	if (ytree_is_null(n)) {
		config_fault(ctx->rep, n->pos, "%s needs a value: %s", k->name,
			     schema_type_name(type));
		return;
	}
	switch (type) {
	case SCHEMA_BOOL:
		scalar_bool(ctx, k, n, dst);
		break;
	case SCHEMA_UINT:
		scalar_uint(ctx, k, n, dst);
		break;
	case SCHEMA_TIME:
		scalar_time(ctx, k, n, dst);
		break;
	case SCHEMA_ASN:
		scalar_asn(ctx, k, n, dst);
		break;
	case SCHEMA_TEXT:
	case SCHEMA_PATH:
		scalar_text(ctx, k, type, n, dst);
		break;
	case SCHEMA_ADDR:
		scalar_addr(ctx, k, n, dst);
		break;
	case SCHEMA_ROUTERID:
		scalar_routerid(ctx, k, n, dst);
		break;
	case SCHEMA_ENDPOINT:
		scalar_endpoint(ctx, k, n, dst);
		break;
	case SCHEMA_PREFIX:
		scalar_prefix(ctx, k, n, dst);
		break;
	case SCHEMA_ENUM:
		if (!schema_choose(ctx, k, n, &v))
			memcpy(dst, &v, sizeof(v));
		break;
	default:
		break;
	}
}

const char *schema_type_name(enum schema_type t)
{
	static const char *const names[] = {
		[SCHEMA_BOOL] = "true or false",
		[SCHEMA_UINT] = "a number",
		[SCHEMA_TIME] = "a time",
		[SCHEMA_ASN] = "an AS number",
		[SCHEMA_TEXT] = "text",
		[SCHEMA_PATH] = "a path",
		[SCHEMA_ADDR] = "an address",
		[SCHEMA_ROUTERID] = "a dotted quad",
		[SCHEMA_ENDPOINT] = "ADDRESS:PORT",
		[SCHEMA_PREFIX] = "a prefix",
		[SCHEMA_ENUM] = "a word",
		[SCHEMA_FLAGS] = "a list of words",
		[SCHEMA_MAP] = "a map",
		[SCHEMA_LIST] = "a list",
		[SCHEMA_NAMES] = "a map of AS numbers to names",
		[SCHEMA_OPTIONS] = "a map of options to values",
	};

	return names[t];
}
