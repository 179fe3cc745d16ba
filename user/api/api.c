/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From request to answer: the table of paths, the table of parameters, and
 * the cache of the metrics page.
 */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "api/api_int.h"
#include "export/prom.h"

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_HTML "text/html; charset=utf-8"

/* The metrics page is rendered once per drain, and again if drains are rarer
 * than this. */
#define METRICS_NS NSEC_PER_SEC
/* Shorter bodies are not worth compressing. */
#define GZIP_MIN 512

const char *const api_dir_name[ASM_DIRS] = {"receive", "transmit"};
const char *const api_file_name[API_FILES] = {"table", "series"};

/* ----------------------------------------------------------- parameters */

enum arg_kind {
	KIND_WORD,
	KIND_NUMBER,
	KIND_ASN,
	KIND_ADDR,
	KIND_PREFIX,
	KIND_IFACE,
	KIND_WIDE,
};

struct arg_spec {
	const char *key;
	enum arg_kind kind;
	const char *words[4]; /* KIND_WORD */
	uint32_t min, max;    /* KIND_NUMBER */
};

static const struct arg_spec arg_specs[ARGS] = {
	[ARG_BY] = {"by", KIND_WORD, {"bytes", "packets", "wire"}, 0, 0},
	[ARG_WHEN] = {"when", KIND_WORD, {"last", "smooth", "total"}, 0, 0},
	[ARG_PER] = {"per", KIND_WORD, {"as", "pair"}, 0, 0},
	[ARG_DIR] = {"dir", KIND_WORD, {"in", "out", "both"}, 0, 0},
	[ARG_ROLE] = {"role", KIND_WORD, {"src", "dst", "any"}, 0, 0},
	[ARG_N] = {"n", KIND_NUMBER, {NULL}, 1, 10000},
	[ARG_AS] = {"as", KIND_ASN, {NULL}, 0, 0},
	[ARG_ADDR] = {"addr", KIND_ADDR, {NULL}, 0, 0},
	[ARG_PREFIX] = {"prefix", KIND_PREFIX, {NULL}, 0, 0},
	[ARG_PORT] = {"port", KIND_NUMBER, {NULL}, 0, UINT16_MAX},
	[ARG_PROTO] = {"proto", KIND_NUMBER, {NULL}, 0, UINT8_MAX},
	[ARG_IF] = {"if", KIND_IFACE, {NULL}, 0, 0},
	[ARG_SINCE] = {"since", KIND_WIDE, {NULL}, 0, 0},
	[ARG_RUN] = {"run", KIND_WIDE, {NULL}, 0, 0},
};

static bool parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}

static bool parse_u32(const char *s, uint32_t *ret)
{
	uint64_t v;

	if (!parse_u64(s, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* By name, of those that are metered; or any by its index. */
static bool parse_iface(const struct api_ctx *ctx, const char *s, uint32_t *ret)
{
	for (size_t i = 0; i < ctx->n_ifaces; i++) {
		if (ctx->ifaces[i].ifindex && !strcmp(ctx->ifaces[i].name, s)) {
			*ret = ctx->ifaces[i].ifindex;
			return true;
		}
	}
	return parse_u32(s, ret) && *ret;
}

/* Those that do not fit into a number. False: err says what would be right. */
static bool parse_large(const struct arg_spec *sp, const char *value,
			struct api_args *ret, struct buf *err)
{
	uint64_t *to = sp == &arg_specs[ARG_RUN] ? &ret->run : &ret->since;

	switch (sp->kind) {
	case KIND_ADDR:
		if (!addr_parse(value, &ret->addr))
			return true;
		buf_printf(err,
			   "parameter \"%s\" must be an IPv4 or IPv6 address",
			   sp->key);
		return false;
	case KIND_PREFIX:
		if (!prefix_parse(value, &ret->prefix))
			return true;
		buf_printf(err,
			   "parameter \"%s\" must be a prefix without bits "
			   "beyond its length, as 192.0.2.0/24",
			   sp->key);
		return false;
	default:
		if (parse_u64(value, to))
			return true;
		buf_printf(err, "parameter \"%s\" must be a number", sp->key);
		return false;
	}
}

/* False: err says what would be right. */
static bool parse_arg(const struct api_ctx *ctx, const struct arg_spec *sp,
		      const char *value, struct api_args *args, struct buf *err)
{
	uint32_t *ret = &args->u[sp - arg_specs];

	switch (sp->kind) {
	case KIND_WORD:
		for (uint32_t i = 0; i < 4 && sp->words[i]; i++) {
			if (!strcmp(value, sp->words[i])) {
				*ret = i;
				return true;
			}
		}
		buf_printf(err, "parameter \"%s\" must be one of", sp->key);
		for (uint32_t i = 0; i < 4 && sp->words[i]; i++)
			buf_printf(err, "%s %s", i ? "," : "", sp->words[i]);
		return false;
	case KIND_NUMBER:
		if (parse_u32(value, ret) && *ret >= sp->min && *ret <= sp->max)
			return true;
		buf_printf(err,
			   "parameter \"%s\" must be a number from %u to %u",
			   sp->key, sp->min, sp->max);
		return false;
	case KIND_ASN:
		if (parse_u32(value, ret))
			return true;
		buf_printf(err, "parameter \"%s\" must be an AS number",
			   sp->key);
		return false;
	case KIND_IFACE:
		if (parse_iface(ctx, value, ret))
			return true;
		buf_printf(err,
			   "parameter \"%s\": no metered interface \"%.20s\"",
			   sp->key, value);
		return false;
	default:
		return parse_large(sp, value, args, err);
	}
}

static bool parse_args(const struct api_ctx *ctx, const struct api_request *req,
		       uint32_t allowed, struct api_args *ret, struct buf *err)
{
	if (req->n_params > API_PARAMS_MAX) {
		buf_puts(err, "too many parameters");
		return false;
	}
	for (unsigned i = 0; i < req->n_params; i++) {
		const struct api_param *p = &req->params[i];
		unsigned a = 0;

		while (a < ARGS && strcmp(p->key, arg_specs[a].key) != 0)
			a++;
		if (a == ARGS || !(allowed & 1u << a)) {
			buf_printf(err, "unknown parameter \"%.40s\"", p->key);
			return false;
		}
		if (ret->given[a]) {
			buf_printf(err, "parameter \"%s\" given twice", p->key);
			return false;
		}
		if (!parse_arg(ctx, &arg_specs[a], p->value ? p->value : "",
			       ret, err))
			return false;
		ret->given[a] = true;
	}
	return true;
}

/* ---------------------------------------------------------------- paths */

#define A(x) (1u << ARG_##x)

static const struct endpoint {
	const char *path; /* one that ends in '/' takes an AS number */
	void (*write)(struct api_ctx *ctx, const struct api_args *a,
		      struct jw *j);
	uint32_t allowed;
	uint32_t required;
	bool local; /* single packets of people: not for the network */
} endpoints[] = {
	{"/api/v1/version", api_json_version, 0, 0, false},
	{"/api/v1/status", api_json_status, 0, 0, false},
	{"/api/v1/top", api_json_top,
	 A(BY) | A(WHEN) | A(PER) | A(DIR) | A(ROLE) | A(N) | A(AS), 0, false},
	{"/api/v1/as/", api_json_as, A(WHEN) | A(BY) | A(N), 0, false},
	{"/api/v1/lookup", api_json_lookup, A(ADDR), A(ADDR), false},
	{"/api/v1/interfaces", api_json_interfaces, 0, 0, false},
	{"/api/v1/peers", api_json_peers, 0, 0, false},
	{"/api/v1/flows", api_json_flows,
	 A(SINCE) | A(RUN) | A(N) | A(AS) | A(PREFIX) | A(PORT) | A(PROTO) |
		 A(IF) | A(DIR),
	 0, true},
};

static const struct endpoint *find_endpoint(const char *path,
					    const char **ret_rest)
{
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(*endpoints); i++) {
		const char *p = endpoints[i].path;
		size_t n = strlen(p);

		if (!strcmp(path, p) && p[n - 1] != '/')
			return &endpoints[i];
		if (p[n - 1] == '/' && !strncmp(path, p, n)) {
			*ret_rest = path + n;
			return &endpoints[i];
		}
	}
	return NULL;
}

static void answer_error(struct api_response *r, bool json, unsigned status,
			 const char *text)
{
	struct buf *b = &r->text->b;

	r->status = status;
	b->len = 0;
	if (!json) {
		r->type = TYPE_TEXT;
		buf_puts(b, text);
		buf_putc(b, '\n');
		return;
	}
	r->type = TYPE_JSON;
	struct jw j = jw_init(b);

	jw_object(&j, NULL);
	jw_str(&j, "error", text);
	jw_end(&j);
	buf_putc(b, '\n');
}

static void answer_endpoint(struct api_ctx *ctx, const struct endpoint *e,
			    const char *rest, const struct api_request *req,
			    struct api_response *r)
{
	struct api_args args = {.given = {false}};
	struct buf err = {0};
	bool ok = parse_args(ctx, req, e->allowed, &args, &err);

	if (ok && rest && !parse_u32(rest, &args.asn)) {
		buf_printf(&err, "\"%.20s\" is not an AS number", rest);
		ok = false;
	}
	for (unsigned i = 0; ok && i < ARGS; i++) {
		if (e->required & 1u << i && !args.given[i]) {
			buf_printf(&err, "parameter \"%s\" is missing",
				   arg_specs[i].key);
			ok = false;
		}
	}
	if (!ok) {
		buf_putc(&err, 0);
		answer_error(r, true, 400, err.failed ? "bad request" : err.p);
		buf_free(&err);
		return;
	}
	struct jw j = jw_init(&r->text->b);

	r->type = TYPE_JSON;
	jw_object(&j, NULL);
	e->write(ctx, &args, &j);
	jw_end(&j);
	buf_putc(&r->text->b, '\n');
	buf_free(&err);
}

/* ------------------------------------------------------------ the pages */

void api_text_unref(struct api_text *t)
{
	if (!t || --t->refs)
		return;
	buf_free(&t->b);
	free(t);
}

static struct api_text *text_new(void)
{
	struct api_text *t = calloc(1, sizeof(*t));

	if (t)
		t->refs = 1;
	return t;
}

/* Level 1: a big page takes a few ten milliseconds, and shrinks by fifteen. */
static struct api_text *text_gzip(const struct buf *plain)
{
	struct api_text *t = text_new();
	z_stream z = {0};

	if (!t)
		return NULL;
	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		api_text_unref(t);
		return NULL;
	}
	size_t room = deflateBound(&z, plain->len);
	char *to = buf_room(&t->b, room);

	if (to && room <= UINT32_MAX && plain->len <= UINT32_MAX) {
		z.next_in = (z_const Bytef *)plain->p;
		z.avail_in = (uInt)plain->len;
		z.next_out = (Bytef *)to;
		z.avail_out = (uInt)room;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END)
			t->b.len = z.total_out;
	}
	(void)deflateEnd(&z);
	if (!t->b.len) {
		api_text_unref(t);
		return NULL;
	}
	return t;
}

static void metrics_drop(struct api_ctx *ctx)
{
	api_text_unref(ctx->metrics);
	api_text_unref(ctx->metrics_gz);
	ctx->metrics = ctx->metrics_gz = NULL;
}

void api_ctx_done(struct api_ctx *ctx)
{
	metrics_drop(ctx);
}

/* The page as of this drain; a reference that the context keeps. */
static struct api_text *metrics_page(struct api_ctx *ctx, bool gzip)
{
	struct ledger_sums sums;
	struct mono now = mono_now();

	ledger_sums(ctx->ledger, &sums);
	if (ctx->metrics && (ctx->metrics_drain != sums.drains ||
			     mono_diff_ns(ctx->metrics_at, now) >= METRICS_NS))
		metrics_drop(ctx);
	if (!ctx->metrics) {
		struct api_text *t = text_new();

		if (!t)
			return NULL;
		api_metrics(ctx, &t->b);
		if (t->b.failed) {
			api_text_unref(t);
			return NULL;
		}
		ctx->metrics = t;
		ctx->metrics_drain = sums.drains;
		ctx->metrics_at = now;
	}
	if (!gzip)
		return ctx->metrics;
	if (!ctx->metrics_gz)
		ctx->metrics_gz = text_gzip(&ctx->metrics->b);
	return ctx->metrics_gz;
}

static void answer_metrics(struct api_ctx *ctx, const struct api_request *req,
			   struct api_response *r)
{
	struct api_text *t = metrics_page(ctx, req->gzip);

	if (!t) {
		answer_error(r, false, 503, "out of memory");
		return;
	}
	api_text_unref(r->text);
	t->refs++;
	r->text = t;
	r->type = PROM_TYPE;
	r->gzip = req->gzip;
}

static void answer(struct api_ctx *ctx, const struct api_request *req,
		   struct api_response *r)
{
	const char *path = req->path, *rest = NULL;
	bool json = !strncmp(path, "/api", 4);
	const struct endpoint *e = find_endpoint(path, &rest);

	if (strcmp(req->method, "GET") != 0 &&
	    strcmp(req->method, "HEAD") != 0) {
		answer_error(r, json, 405, "only GET and HEAD");
		r->allow = "GET, HEAD";
	} else if (e && e->local && !req->local) {
		answer_error(r, json, 403,
			     "only over the API's socket (api.socket)");
	} else if (e) {
		answer_endpoint(ctx, e, rest, req, r);
	} else if (!strcmp(path, "/metrics")) {
		answer_metrics(ctx, req, r);
	} else if (!strcmp(path, "/")) {
		r->type = TYPE_HTML;
		api_landing(ctx, &r->text->b);
	} else if (!strcmp(path, "/-/healthy")) {
		buf_puts(&r->text->b, "asmeter is alive\n");
	} else if (!strcmp(path, "/-/ready")) {
		if (api_ready(ctx))
			buf_puts(&r->text->b, "asmeter is ready\n");
		else
			answer_error(r, false, 503,
				     "no prefix table is live yet");
	} else {
		answer_error(r, json, 404, "not found");
	}
}

int api_handle(struct api_ctx *ctx, const struct api_request *req,
	       struct api_response *ret)
{
	struct api_response r = {.status = 200, .type = TYPE_TEXT};

	r.text = text_new();
	if (!r.text)
		return -ENOMEM;
	ctx->requests++;
	if (ctx->refresh)
		ctx->refresh(ctx);
	answer(ctx, req, &r);
	if (r.text->b.failed) {
		api_text_unref(r.text);
		return -ENOMEM;
	}
	if (r.status >= 400)
		ctx->refused++;
	if (req->gzip && !r.gzip && r.text->b.len >= GZIP_MIN) {
		struct api_text *z = text_gzip(&r.text->b);

		if (z) {
			api_text_unref(r.text);
			r.text = z;
			r.gzip = true;
		}
	}
	*ret = r;
	return 0;
}

/* -------------------------------------------------------------- helpers */

uint64_t api_now(const struct api_ctx *ctx)
{
	return ctx->now ? ctx->now : (uint64_t)time(NULL);
}

const char *api_as_name(const struct api_ctx *ctx, uint32_t asn)
{
	const char *name = ctx->as_name ? ctx->as_name(ctx->arg, asn) : NULL;

	return name ? name : "";
}

bool api_ready(const struct api_ctx *ctx)
{
	struct ledger_sums s;

	ledger_sums(ctx->ledger, &s);
	return ctx->table.live && s.drains > 0;
}

static const struct api_iface *iface_of(const struct api_ctx *ctx,
					uint32_t ifindex)
{
	for (size_t i = 0; i < ctx->n_ifaces; i++) {
		if (ifindex && ctx->ifaces[i].ifindex == ifindex)
			return &ctx->ifaces[i];
	}
	return NULL;
}

void api_balance_of(const struct api_ctx *ctx, const struct ledger_port *p,
		    struct api_balance *ret)
{
	struct api_balance r = {.ifc = iface_of(ctx, p->ifc.ifindex)};
	const struct asm_if *base = &p->ifc;

	if (r.ifc && r.ifc->have_stats) {
		const struct ifstat *now = &r.ifc->now;

		r.if_packets[ASM_DIR_IN] =
			now->rx_packets - base->base_rx_packets;
		r.if_bytes[ASM_DIR_IN] = now->rx_bytes - base->base_rx_bytes;
		r.if_packets[ASM_DIR_OUT] =
			now->tx_packets - base->base_tx_packets;
		r.if_bytes[ASM_DIR_OUT] = now->tx_bytes - base->base_tx_bytes;
	}
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		const struct asm_measure *m = &p->books[d].seen;

		if (!r.ifc || !r.ifc->have_stats ||
		    base->flags & ASM_IFF_NO_BASE ||
		    (d == ASM_DIR_IN ? r.ifc->in : r.ifc->out) == ATTACH_NONE)
			continue;
		r.known[d] = true;
		r.packets[d] = m->packets;
		r.bytes[d] = m->wire_bytes;
		ifstat_balance(m->packets, m->wire_bytes, r.if_packets[d],
			       r.if_bytes[d], &r.b[d]);
	}
	*ret = r;
}

static void count_peer(void *ctx, const struct bgp_peer_info *p)
{
	struct api_peer_sums *s = ctx;

	s->peers++;
	s->established += p->state == BGP_ESTABLISHED;
}

void api_peers_count(const struct api_ctx *ctx, struct api_peer_sums *ret)
{
	*ret = (struct api_peer_sums){0};
	if (ctx->peers_each)
		ctx->peers_each(ctx->arg, count_peer, ret);
}
