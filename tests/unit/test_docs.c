/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is written for people says what the program does: the shipped
 * configuration is valid, also with every example in it switched on, and it
 * and the manual page name every key. Run in the top directory of the source.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "daemon/config.h"

#define SHIPPED "scripts/asmeter.yaml"
#define MANUAL  "scripts/man/asmeter.yaml.5.scd"
#define METRICS "scripts/man/asmeter-metrics.7.scd"

static char *text_of(const char *path)
{
	char *text;
	size_t len;

	cr_assert_eq(file_read(path, 1u << 20, &text, &len), 0, "%s", path);
	return text;
}

/* An example ("#key: x", "#  - x") as opposed to a remark ("# Text"). */
static bool is_example(const char *hash)
{
	return hash[1] != ' ' ? hash[1] != '\n' && hash[1] != '\0'
			      : hash[2] == ' ';
}

/* The shipped text; `all`: with the empty lists replaced by the examples. */
static char *shipped(bool all)
{
	static const char *const empty[] = {
		"interfaces: []", "neighbors: []", "own-prefixes: []",
		"collectors: []", "overrides: {}", "brokers: []",
		"options: {}"};
	char *text = text_of(SHIPPED), *save = NULL;
	char *out = calloc(1, strlen(text) + 1);

	for (char *l = strtok_r(text, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		size_t indent = strspn(l, " ");
		bool use = true;

		for (size_t i = 0; all && i < sizeof(empty) / sizeof(*empty);
		     i++)
			use = use && strcmp(l + indent, empty[i]) != 0;
		if (!use)
			continue;
		if (l[indent] == '#' && is_example(l + indent) &&
		    (all || strncmp(l, "#local-as", 9) == 0))
			memmove(l + indent, l + indent + 1, strlen(l + indent));
		strcat(out, l);
		strcat(out, "\n");
	}
	free(text);
	return out;
}

static struct config *parsed(const char *text)
{
	struct config_report rep;
	struct config *c = NULL;
	int err = config_parse(text, strlen(text), &c, &rep);

	if (err)
		config_report_print(&rep, SHIPPED, stderr);
	cr_assert_eq(err, 0);
	return c;
}

Test(docs, shipped_configuration_is_valid)
{
	char *text = shipped(false);
	struct config *c = parsed(text), *d = parsed("local-as: 64512\n");

	cr_assert_eq(c->n_interfaces, 0);
	cr_assert_eq(c->bgp.n_neighbors, 0);
	cr_assert_eq(c->bgp.stale_time_ms, d->bgp.stale_time_ms);
	cr_assert_eq(c->drain_interval_ms, d->drain_interval_ms);
	cr_assert_eq(c->counters.rows, d->counters.rows);
	cr_assert_eq(c->counters.table_words, d->counters.table_words);
	cr_assert_eq(c->counters.quiet_ms, d->counters.quiet_ms);
	cr_assert_eq(c->prometheus.max_as, d->prometheus.max_as);
	cr_assert_eq(c->sflow.n_collectors, 0);
	cr_assert_eq(c->sflow.counter_ms, d->sflow.counter_ms);
	cr_assert_eq(c->sflow.header, d->sflow.header);
	cr_assert_eq(c->sflow.max_datagram, d->sflow.max_datagram);
	cr_assert_eq(c->log_level, d->log_level);
	cr_assert_str_eq(c->api.socket, d->api.socket);
	cr_assert_str_eq(c->libloc.database, d->libloc.database);
	cr_assert_str_eq(c->user, d->user);
	config_free(c);
	config_free(d);
	free(text);
}

Test(docs, shipped_examples_are_valid)
{
	char *text = shipped(true);
	struct config *c = parsed(text);

	cr_assert_eq(c->n_interfaces, 2);
	cr_assert_eq(c->bgp.n_neighbors, 1);
	cr_assert_eq(c->bgp.n_listen, 1);
	cr_assert_eq(c->n_own_prefixes, 2);
	cr_assert_eq(c->sflow.n_collectors, 2);
	cr_assert(c->sflow.has_agent);
	cr_assert_eq(c->as_names.n_overrides, 1);
	cr_assert_eq(c->kafka.n_brokers, 2);
	cr_assert_eq(c->kafka.n_options, 8);
	cr_assert_not_null(c->overrides);
	cr_assert_not_null(c->hostname);
	config_free(c);
	free(text);
}

/* True when "KEY:" starts a line of the text, behind spaces, '#' and '-'. */
static bool has_key(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; (p = strstr(p, key)) != NULL; p += len)
		if (p[len] == ':' && p > text && strchr("\n #{", p[-1]) != NULL)
			return true;
	return false;
}

Test(docs, every_key_is_documented)
{
	char *reference = NULL, *save = NULL;
	char *yaml = text_of(SHIPPED), *man = text_of(MANUAL);
	size_t len, keys = 0;
	FILE *f = open_memstream(&reference, &len);

	config_print_reference(f);
	fclose(f);
	for (char *l = strtok_r(reference, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		char marked[128], *key;

		if (*l == '\t')
			continue;
		keys++;
		key = strrchr(l, '.') ? strrchr(l, '.') + 1 : l;
		key[strcspn(key, "[")] = '\0';
		cr_assert(has_key(yaml, key), "%s lacks %s", SHIPPED, l);
		(void)snprintf(marked, sizeof(marked), "*%s*", key);
		cr_assert_not_null(strstr(man, marked), "%s lacks %s", MANUAL,
				   l);
	}
	cr_assert_gt(keys, 40);
	free(reference);
	free(yaml);
	free(man);
}

/* ------------------------------------------------------------- metrics */

struct peer {
	struct bgp_peer_cfg cfg;
	struct bgp_peer_info info;
};

static void one_peer(void *arg, api_peer_fn fn, void *ctx)
{
	struct peer *p = arg;

	fn(ctx, &p->info);
}

/* The metrics page of a daemon that has one of each. */
static char *metrics_page(void)
{
	struct ledger_cfg cfg = LEDGER_CFG_DEFAULT;
	struct asm_if ifc = {.ifindex = 2, .name = "eth0"};
	struct asm_books books = {.seen = {1, 1, 1}, .unknown_as = {1, 1, 1}};
	struct api_iface iface = {.name = "eth0",
				  .ifindex = 2,
				  .have_stats = true,
				  .now = {.ifindex = 2, .name = "eth0"}};
	struct peer peer = {.info = {.cfg = &peer.cfg, .name = "x"}};
	struct api_ctx ctx = {.router = "r",
			      .version = "t",
			      .ifaces = &iface,
			      .n_ifaces = 1,
			      .peers_each = one_peer,
			      .arg = &peer,
			      .now = 10,
			      .table = {.live = true, .published_at = 3},
			      .loc = {.loaded = true},
			      .has_kafka = true};
	struct api_request q = {.method = "GET", .path = "/metrics"};
	struct api_response r;
	struct ledger *l;
	char *text;

	bgp_peer_cfg_default(&peer.cfg);
	cr_assert_eq(ledger_new(&cfg, &l), 0);
	ledger_begin(l, (struct mono){1});
	ledger_port(l, 2, &ifc, &books, &books);
	cr_assert_eq(ledger_end(l), 0);
	ctx.ledger = l;
	cr_assert_eq(api_handle(&ctx, &q, &r), 0);
	cr_assert_eq(r.status, 200);
	text = strndup((const char *)r.text->b.p, r.text->b.len);
	api_text_unref(r.text);
	api_ctx_done(&ctx);
	ledger_free(l);
	return text;
}

Test(docs, every_metric_is_documented)
{
	char *page = metrics_page(), *man = text_of(METRICS), *save = NULL;
	size_t families = 0;

	for (char *l = strtok_r(page, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		char name[96], marked[100];

		if (sscanf(l, "# TYPE %95s", name) != 1)
			continue;
		families++;
		(void)snprintf(marked, sizeof(marked), "*%s*", name);
		cr_assert_not_null(strstr(man, marked), "%s lacks %s", METRICS,
				   name);
	}
	cr_assert_gt(families, 60);
	free(page);
	free(man);
}

/* The other way: what the page names exists. */
Test(docs, every_documented_metric_exists)
{
	char *page = metrics_page(), *man = text_of(METRICS), *save = NULL;
	size_t names = 0;

	for (char *l = strtok_r(man, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		char name[96], type[110];

		if (sscanf(l, "*%95[a-z_0-9]*", name) != 1 ||
		    !strchr(name, '_'))
			continue;
		names++;
		(void)snprintf(type, sizeof(type), "# TYPE %s ", name);
		cr_assert_not_null(strstr(page, type), "no metric %s", name);
	}
	cr_assert_gt(names, 60);
	free(page);
	free(man);
}
