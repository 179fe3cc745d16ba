/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"

static struct config_report rep;

static struct config *load_ok(const char *text)
{
	struct config *c = NULL;
	int err = config_parse(text, strlen(text), &c, &rep);

	if (err)
		config_report_print(&rep, "test", stderr);
	cr_assert_eq(err, 0, "refused: %s", text);
	cr_assert_eq(rep.n, 0);
	return c;
}

static struct addr addr(const char *s)
{
	struct addr a;

	cr_assert_eq(addr_parse(s, &a), 0);
	return a;
}

static void assert_addr(const struct addr *a, const char *want)
{
	char buf[PREFIX_STRLEN];

	cr_assert_str_eq(addr_str(a, buf), want);
}

Test(config, defaults)
{
	struct config *c = load_ok("local-as: 64512\n");
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	cr_assert_str_eq(c->hostname, host);
	cr_assert_eq(c->local_as, 64512);
	cr_assert_eq(c->n_interfaces, 0);
	cr_assert_eq(c->bgp.router_id, 0);
	cr_assert_eq(c->bgp.n_listen, 0);
	cr_assert_eq(c->bgp.n_neighbors, 0);
	cr_assert_eq(c->bgp.stale_time_ms, 3600000);
	cr_assert_eq(c->n_own_prefixes, 0);
	cr_assert_null(c->overrides);
	cr_assert_str_eq(c->libloc.database,
			 "/usr/share/libloc-location/location.db");
	cr_assert_eq(c->libloc.use, CONFIG_LOC_FALLBACK);
	cr_assert_null(c->as_names.file);
	cr_assert_eq(c->as_names.n_overrides, 0);
	cr_assert_eq(c->prometheus.n_listen, 1);
	assert_addr(&c->prometheus.listen[0].addr, "127.0.0.1");
	cr_assert_eq(c->prometheus.listen[0].port, 9590);
	cr_assert_eq(c->prometheus.max_as, 1000);
	cr_assert_eq(c->prometheus.max_series, 20000);
	cr_assert_eq(c->sflow.n_collectors, 0);
	cr_assert(!c->sflow.has_agent);
	cr_assert_eq(c->sflow.counter_ms, 30000);
	cr_assert_eq(c->sflow.header, 128);
	cr_assert_eq(c->sflow.max_datagram, 1400);
	cr_assert_str_eq(c->api.socket, "/run/asmeter/asmeter.sock");
	cr_assert_str_eq(c->api.group, "asmeter");
	cr_assert_eq(c->kafka.n_brokers, 0);
	cr_assert_eq(c->kafka.n_options, 0);
	cr_assert_eq(c->kafka.spool_mb, 256);
	cr_assert(c->kafka.as_traffic.enabled);
	cr_assert_str_eq(c->kafka.as_traffic.topic, "asmeter.as-traffic");
	cr_assert_eq(c->kafka.as_traffic.key, KAFKA_KEY_NONE);
	cr_assert_eq(c->kafka.as_traffic.format, KAFKA_JSON);
	cr_assert_eq(c->kafka.as_traffic.interval_ms, 10000);
	cr_assert(c->kafka.flows.enabled);
	cr_assert_str_eq(c->kafka.flows.topic, "flow-messages");
	cr_assert_eq(c->kafka.flows.key, KAFKA_KEY_NONE);
	cr_assert_eq(c->kafka.flows.format, KAFKA_PROTOBUF);
	cr_assert_eq(c->counters.rows, 131072);
	cr_assert_eq(c->counters.quiet_ms, 300000);
	cr_assert_eq(c->counters.table_words, 1u << 23);
	cr_assert_eq(c->drain_interval_ms, 1000);
	cr_assert_eq(c->log_level, LOG_LVL_INFO);
	cr_assert_str_eq(c->user, "asmeter");
	cr_assert_str_eq(c->group, "asmeter");
	config_free(c);
}

static const char every_key[] =
	"hostname: edge1.example.net\n"
	"local-as: 1.10\n"
	"interfaces:\n"
	"  - eth0\n"
	"  - {name: eth1, mode: native}\n"
	"  - name: eth2.100\n"
	"    mode: tc\n"
	"  - {name: eth3, mode: generic}\n"
	"bgp:\n"
	"  router-id: 192.0.2.1\n"
	"  listen: [\"0.0.0.0:179\", \"[::]:1790\"]\n"
	"  stale-time: 5m\n"
	"  neighbors:\n"
	"    - address: 192.0.2.9\n"
	"      remote-as: AS4200000000\n"
	"      description: upstream one\n"
	"      port: 1179\n"
	"      local-address: 192.0.2.1\n"
	"      passive: yes\n"
	"      password: \"s3cret: #x\"\n"
	"      ttl-security: 1\n"
	"      hold-time: 30\n"
	"      max-prefixes: 1000\n"
	"      add-path: false\n"
	"      families: [ipv6]\n"
	"    - address: fe80::9\n"
	"      interface: eth7\n"
	"      remote-as: 65550\n"
	"      multihop: 255\n"
	"own-prefixes: [198.51.100.0/24, \"2001:db8::/32\"]\n"
	"overrides: /etc/asmeter/overrides\n"
	"libloc: {database: /tmp/x.db, use: never}\n"
	"as-names:\n"
	"  file: /etc/asmeter/names\n"
	"  overrides: {64512: Example Net, AS1.1: Other}\n"
	"prometheus:\n"
	"  listen: [\"127.0.0.1:9999\", \"[::1]:9590\"]\n"
	"  max-as: 50\n"
	"  max-series: 5000\n"
	"sflow:\n"
	"  collectors: [\"192.0.2.10:6343\", \"[2001:db8::10]:9999\"]\n"
	"  agent-address: 2001:db8::1\n"
	"  counter-interval: 0\n"
	"  header: 64\n"
	"  max-datagram: 9000\n"
	"api: {socket: /run/x.sock, group: staff}\n"
	"kafka:\n"
	"  brokers: [\"a:9092\", b]\n"
	"  options:\n"
	"    compression.codec: zstd\n"
	"    acks: 1\n"
	"    enable.idempotence: false\n"
	"    sasl.password: \"p: #w\"\n"
	"  spool-mb: 16\n"
	"  as-traffic: {enabled: no, topic: t.1, key: as-pair, "
	"format: protobuf, interval: 5s}\n"
	"  flows: {enabled: off, topic: f_2, key: router, format: json}\n"
	"counters: {rows: 16, table-words: 2097152}\n"
	"drain-interval: 500ms\n"
	"log-level: debug\n"
	"user: root\n"
	"group: root\n";

static void check_neighbors(const struct config_bgp *b)
{
	const struct config_neighbor *n = b->neighbors;

	cr_assert_eq(b->n_neighbors, 2);
	assert_addr(&n[0].address, "192.0.2.9");
	cr_assert_eq(n[0].remote_as, 4200000000u);
	cr_assert_str_eq(n[0].description, "upstream one");
	cr_assert_eq(n[0].port, 1179);
	cr_assert(n[0].has_local_address);
	assert_addr(&n[0].local_address, "192.0.2.1");
	cr_assert(n[0].passive);
	cr_assert_str_eq(n[0].password, "s3cret: #x");
	cr_assert_eq(n[0].ttl_security, 1);
	cr_assert_eq(n[0].hold_time_s, 30);
	cr_assert_eq(n[0].max_prefixes, 1000);
	cr_assert(!n[0].add_path);
	cr_assert_eq(n[0].families, CONFIG_FAMILY_IP6);
	cr_assert_eq(n[0].pos.line, 14);
	cr_assert_eq(n[0].pos.col, 7);
	assert_addr(&n[1].address, "fe80::9");
	cr_assert_str_eq(n[1].interface, "eth7");
	cr_assert_null(n[0].interface);
	cr_assert_eq(n[1].port, 179);
	cr_assert(!n[1].has_local_address && !n[1].passive && n[1].add_path);
	cr_assert_null(n[1].password);
	cr_assert_null(n[1].description);
	cr_assert_eq(n[1].multihop, 255);
	cr_assert_eq(n[1].hold_time_s, 90);
	cr_assert_eq(n[1].max_prefixes, 2000000);
	cr_assert_eq(n[1].families, CONFIG_FAMILY_IP4 | CONFIG_FAMILY_IP6);
}

Test(config, every_key)
{
	struct config *c = load_ok(every_key);
	char buf[PREFIX_STRLEN];

	cr_assert_str_eq(c->hostname, "edge1.example.net");
	cr_assert_eq(c->local_as, 65546);
	cr_assert_eq(c->n_interfaces, 4);
	cr_assert_str_eq(c->interfaces[0].name, "eth0");
	cr_assert_eq(c->interfaces[0].mode, CONFIG_MODE_AUTO);
	cr_assert_eq(c->interfaces[0].pos.line, 4);
	cr_assert_eq(c->interfaces[1].mode, CONFIG_MODE_NATIVE);
	cr_assert_str_eq(c->interfaces[2].name, "eth2.100");
	cr_assert_eq(c->interfaces[2].mode, CONFIG_MODE_TC);
	cr_assert_eq(c->interfaces[3].mode, CONFIG_MODE_GENERIC);
	cr_assert_eq(c->bgp.router_id, 0xc0000201);
	cr_assert_eq(c->bgp.n_listen, 2);
	assert_addr(&c->bgp.listen[1].addr, "::");
	cr_assert_eq(c->bgp.listen[1].port, 1790);
	cr_assert_eq(c->bgp.stale_time_ms, 300000);
	check_neighbors(&c->bgp);
	cr_assert_eq(c->n_own_prefixes, 2);
	cr_assert_str_eq(prefix_str(&c->own_prefixes[1].prefix, buf),
			 "2001:db8::/32");
	cr_assert_str_eq(c->overrides, "/etc/asmeter/overrides");
	cr_assert_str_eq(c->libloc.database, "/tmp/x.db");
	cr_assert_eq(c->libloc.use, CONFIG_LOC_NEVER);
	cr_assert_str_eq(c->as_names.file, "/etc/asmeter/names");
	cr_assert_eq(c->as_names.n_overrides, 2);
	cr_assert_str_eq(c->as_names.overrides[0].name, "Example Net");
	cr_assert_eq(c->as_names.overrides[1].asn, 65537);
	cr_assert_eq(c->prometheus.n_listen, 2);
	assert_addr(&c->prometheus.listen[1].addr, "::1");
	cr_assert_eq(c->prometheus.max_as, 50);
	cr_assert_eq(c->prometheus.max_series, 5000);
	cr_assert_eq(c->sflow.n_collectors, 2);
	assert_addr(&c->sflow.collectors[1].addr, "2001:db8::10");
	cr_assert_eq(c->sflow.collectors[1].port, 9999);
	cr_assert(c->sflow.has_agent);
	assert_addr(&c->sflow.agent, "2001:db8::1");
	cr_assert_eq(c->sflow.counter_ms, 0);
	cr_assert_eq(c->sflow.header, 64);
	cr_assert_eq(c->sflow.max_datagram, 9000);
	cr_assert_str_eq(c->api.socket, "/run/x.sock");
	cr_assert_str_eq(c->api.group, "staff");
	cr_assert_eq(c->kafka.n_brokers, 2);
	cr_assert_str_eq(c->kafka.brokers[0], "a:9092");
	cr_assert_str_eq(c->kafka.brokers[1], "b");
	cr_assert_eq(c->kafka.n_options, 4);
	cr_assert_str_eq(c->kafka.options[1].name, "acks");
	cr_assert_str_eq(c->kafka.options[1].value, "1");
	cr_assert_str_eq(c->kafka.options[3].value, "p: #w");
	cr_assert_eq(c->kafka.spool_mb, 16);
	cr_assert_not(c->kafka.as_traffic.enabled);
	cr_assert_str_eq(c->kafka.as_traffic.topic, "t.1");
	cr_assert_eq(c->kafka.as_traffic.key, KAFKA_KEY_AS_PAIR);
	cr_assert_eq(c->kafka.as_traffic.format, KAFKA_PROTOBUF);
	cr_assert_eq(c->kafka.as_traffic.interval_ms, 5000);
	cr_assert_not(c->kafka.flows.enabled);
	cr_assert_str_eq(c->kafka.flows.topic, "f_2");
	cr_assert_eq(c->kafka.flows.key, KAFKA_KEY_ROUTER);
	cr_assert_eq(c->kafka.flows.format, KAFKA_JSON);
	cr_assert_eq(c->counters.rows, 16);
	cr_assert_eq(c->counters.table_words, 1u << 21);
	cr_assert_eq(c->drain_interval_ms, 500);
	cr_assert_eq(c->log_level, LOG_LVL_DEBUG);
	cr_assert_str_eq(c->user, "root");
	cr_assert_str_eq(c->group, "root");
	config_free(c);
}

/* Each fault alone in its file: place and a piece of the text. */
static const struct {
	const char *text;
	uint32_t line, col;
	const char *want;
} faults[] = {
	{"", 1, 1, "local-as"},
	{"# nothing\n", 1, 1, "local-as"},
	{"hostname: x\n", 1, 1, "needs \"local-as\""},
	{"- a\n", 1, 1, "has to be a map, not a list"},
	{"hello\n", 1, 1, "has to be a map, not a value"},
	{"local-as: 1\nlocal_as: 1\n", 2, 1, "did you mean \"local-as\"?"},
	{"local-as: 1\nbgp:\n  neighbours: []\n", 3, 3,
	 "in bgp; did you mean \"neighbors\"?"},
	{"local-as: 1\nzzzzzzzz: 1\n", 2, 1, "unknown key \"zzzzzzzz\""},
	{"local-as: 1\nlocal-as: 2\n", 2, 1, "given twice (first in line 1)"},
	{"local-as: x\n", 1, 11, "an AS number"},
	{"local-as: 0\n", 1, 11,
	 "local-as: AS 0 stands for no AS (RFC 7607): put the number that was "
	 "assigned, or a private one such as 64512"},
	{"local-as: AS23456\n", 1, 11,
	 "local-as: AS 23456 is AS_TRANS, which stands in for a 4-byte AS "
	 "number (RFC 6793): put that number"},
	{"local-as: 4294967295\n", 1, 11, "can be used"},
	{"local-as: 99999999999\n", 1, 11, "can be used"},
	{"local-as: 1.65536\n", 1, 11, "can be used"},
	{"local-as: 1.\n", 1, 11, "an AS number"},
	{"local-as: 010\n", 1, 11, "an AS number"},
	{"local-as: -1\n", 1, 11, "an AS number"},
	{"local-as:\n", 1, 10, "needs a value"},
	{"local-as: ~\n", 1, 11, "needs a value"},
	{"local-as: [1]\n", 1, 11, "not a list"},
	{"local-as: {a: 1}\n", 1, 11, "not a map"},
	{"local-as: 1\nhostname: \"\"\n", 2, 11, "1 to 253 characters"},
	{"local-as: 1\nhostname: \"a\\0b\"\n", 2, 11, "control characters"},
	{"local-as: 1\nhostname: |\n  a\n  b\n", 2, 11, "several lines"},
	{"local-as: 1\ninterfaces: eth0\n", 2, 13, "a list, not a value"},
	{"local-as: 1\ninterfaces: {a: b}\n", 2, 13, "a list, not a map"},
	{"local-as: 1\ninterfaces: [{mode: tc}]\n", 2, 14, "needs \"name\""},
	{"local-as: 1\ninterfaces: [abcdefghijklmnop]\n", 2, 14,
	 "1 to 15 characters"},
	{"local-as: 1\ninterfaces: [a/b]\n", 2, 14, "cannot be the name"},
	{"local-as: 1\ninterfaces: [eth0, eth0]\n", 2, 20, "listed twice"},
	{"local-as: 1\ninterfaces: [{name: a, mode: natve}]\n", 2, 30,
	 "did you mean \"native\"?"},
	{"local-as: 1\nkafka:\n  options:\n    linger.ms: 5\n    lingr.ms: 5\n",
	 5, 5, "no option \"lingr.ms\"; did you mean \"linger.ms\"?"},
	{"local-as: 1\nkafka:\n  options: {zzzzzzzz: 5}\n", 3, 13,
	 "no option \"zzzzzzzz\""},
	{"local-as: 1\nkafka:\n  options:\n    compression.codec: rar\n", 4, 5,
	 "compression.codec: Invalid value"},
	{"local-as: 1\nkafka:\n  options: {bootstrap.servers: a}\n", 3, 13,
	 "kafka.brokers"},
	{"local-as: 1\nkafka:\n  options: {plugin.library.paths: a}\n", 3, 13,
	 "no code of others"},
	{"local-as: 1\nkafka:\n  options: {linger.ms: [5]}\n", 3, 24,
	 "has to be a value, not a list"},
	{"local-as: 1\nkafka:\n  options: {linger.ms: 5, linger.ms: 6}\n", 3,
	 27, "linger.ms is given twice"},
	{"local-as: 1\nkafka:\n  options: []\n", 3, 12, "a map, not a list"},
	{"local-as: 1\nkafka:\n  options: {acks: 1}\n", 3, 3,
	 "needs enable.idempotence: false"},
	{"local-as: 1\nkafka:\n  brokers: [\"a, b\"]\n", 3, 3,
	 "one HOST or HOST:PORT"},
	{"local-as: 1\nkafka:\n  as-traffic: {topic: a/b}\n", 3, 3,
	 "cannot be the name of a topic"},
	{"local-as: 1\nkafka:\n  as-traffic: {key: src}\n", 3, 21,
	 "none, router, src-as"},
	{"local-as: 1\nkafka: {spool-mb: 15}\n", 2, 19, "between"},
	{"local-as: 1\nbgp: {router-id: 0.0.0.0}\n", 2, 18, "dotted quad"},
	{"local-as: 1\nbgp: {router-id: 1.2.3}\n", 2, 18, "dotted quad"},
	{"local-as: 1\nbgp: {listen: [179]}\n", 2, 16, "ADDRESS:PORT"},
	{"local-as: 1\nbgp: {listen: [\"::1:179\"]}\n", 2, 16, "ADDRESS:PORT"},
	{"local-as: 1\nbgp: {listen: [\"1.2.3.4:0\"]}\n", 2, 16,
	 "ADDRESS:PORT"},
	{"local-as: 1\nbgp: {listen: [\"1.2.3.4:65536\"]}\n", 2, 16,
	 "ADDRESS:PORT"},
	{"local-as: 1\nbgp: {stale-time: 8d}\n", 2, 19, "between"},
	{"local-as: 1\nbgp: {stale-time: 5x}\n", 2, 19, "a time such as"},
	{"local-as: 1\nbgp: {neighbors: [{remote-as: 1}]}\n", 2, 19,
	 "needs \"address\""},
	{"local-as: 1\nbgp: {neighbors: [{address: 1.1.1.1}]}\n", 2, 19,
	 "needs \"remote-as\""},
	{"local-as: 1\nbgp: {neighbors: [{address: 1.1.1, remote-as: 1}]}\n", 2,
	 29, "an IPv4 or IPv6 address"},
	{"local-as: 1\nbgp: {neighbors: [1.1.1.1]}\n", 2, 19,
	 "a neighbor has to be a map"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, hold-time: 2}\n",
	 4, 7, "0 or at least 3"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, port: 0}\n",
	 4, 46, "between 1 and 65535"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, port: 1e3}\n",
	 4, 46, "a whole number"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, local-address: '::1'}\n",
	 4, 7, "different families"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, multihop: 2, ttl-security: 1}\n",
	 4, 7, "exclude each other"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, passive: true}\n",
	 4, 7, "needs bgp.listen"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, passive: maybe}\n",
	 4, 49, "true or false"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1}\n    - {address: 1.1.1.1, remote-as: 2}\n",
	 5, 7, "listed twice (first in line 4)"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, families: []}\n",
	 4, 50, "at least one entry"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, families: [ipv5]}\n",
	 4, 51, "one of ipv4, ipv6"},
	{"local-as: 1\nbgp:\n  neighbors:\n    - {address: 1.1.1.1, remote-as: "
	 "1, families: [ipv4, ipv4]}\n",
	 4, 57, "listed twice"},
	{"local-as: 1\nown-prefixes: [10.0.0.1/8]\n", 2, 16,
	 "bits set beyond its length"},
	{"local-as: 1\nown-prefixes: [10.0.0.0/33]\n", 2, 16, "a prefix such"},
	{"local-as: 1\nown-prefixes: [10.0.0.0/8, 10.0.0.0/8]\n", 2, 28,
	 "listed twice"},
	{"local-as: 1\noverrides: relative/path\n", 2, 12, "an absolute path"},
	{"local-as: 1\nlibloc: {use: sometimes}\n", 2, 15,
	 "one of fallback, never"},
	{"local-as: 1\nas-names: {overrides: {AS1: a, 1: b}}\n", 2, 32,
	 "named twice"},
	{"local-as: 1\nas-names: {overrides: {x: a}}\n", 2, 24, "an AS number"},
	{"local-as: 1\nas-names: {overrides: [a]}\n", 2, 23,
	 "a map, not a list"},
	{"local-as: 1\nprometheus: {max-as: 0}\n", 2, 22, "between 1 and"},
	{"local-as: 1\nprometheus: {listen: \"127.0.0.1:1\"}\n", 2, 22,
	 "a list, not a value"},
	{"local-as: 1\nsflow: {collectors: [192.0.2.1]}\n", 2, 22,
	 "ADDRESS:PORT"},
	{"local-as: 1\nsflow: {collectors: [\"collector:6343\"]}\n", 2, 22,
	 "ADDRESS:PORT"},
	{"local-as: 1\nsflow: {collectors: [\"192.0.2.1:0\"]}\n", 2, 22,
	 "ADDRESS:PORT"},
	{"local-as: 1\nsflow:\n  collectors:\n    - 192.0.2.1:1\n"
	 "    - 192.0.2.1:2\n    - 192.0.2.1:1\n",
	 6, 7, "listed twice (first in line 4)"},
	{"local-as: 1\nsflow: {collectors: [\"[fe80::1]:6343\"]}\n", 2, 22,
	 "a link-local address cannot be"},
	{"local-as: 1\nsflow: {collector: []}\n", 2, 9,
	 "did you mean \"collectors\"?"},
	{"local-as: 1\nsflow: {agent-address: 0.0.0.0}\n", 2, 24,
	 "an IPv4 or IPv6 address"},
	{"local-as: 1\nsflow: {header: 63}\n", 2, 17, "between 64 and 256"},
	{"local-as: 1\nsflow: {header: 257}\n", 2, 17, "between 64 and 256"},
	{"local-as: 1\nsflow: {max-datagram: 1023}\n", 2, 23,
	 "between 1024 and 9000"},
	{"local-as: 1\nsflow: {counter-interval: 2h}\n", 2, 27,
	 "between 0ms and 3600s"},
	{"local-as: 1\napi: 5\n", 2, 6, "api has to be a map"},
	{"local-as: 1\ncounters: {rows: 15}\n", 2, 18, "between 16"},
	{"local-as: 1\ncounters: {table-words: 2097153}\n", 2, 11,
	 "a power of 2"},
	{"local-as: 1\ndrain-interval: 10ms\n", 2, 17, "between 50ms and 60s"},
	{"local-as: 1\nlog-level: warn\n", 2, 12, "\"warning\"?"},
	{"local-as: 1\nbgp:\n  neighbors:\n"
	 "    - {address: '::', remote-as: 1}\n",
	 4, 17, "an IPv4 or IPv6 address"},
	{"local-as: 1\nbgp:\n  neighbors:\n"
	 "    - {address: 'fe80::1', remote-as: 1}\n",
	 4, 7, "needs \"interface\""},
	{"local-as: 1\nbgp:\n  neighbors:\n"
	 "    - {address: 1.1.1.1, remote-as: 1}\n"
	 "    - {address: 1.1.1.1, remote-as: 1, port: 1179}\n",
	 5, 7, "listed twice"},
	{"a: &x 1\n", 1, 4, "anchors"},
	{"a: *x\n", 1, 4, "aliases"},
	{"a: &x [1]\n", 1, 4, "anchors"},
	{"a: !!str 1\n", 1, 4, "tags"},
	{"a: !x {b: 1}\n", 1, 4, "tags"},
	{"local-as: 1\n---\nlocal-as: 2\n", 2, 1, "second document"},
	{"? [a]\n: b\n", 1, 3, "a key has to be"},
	{"local-as: 1\n\thostname: x\n", 2, 1, "not YAML"},
	{"local-as: [1\n", 2, 1, "not YAML"},
	{"local-as: \"1\n", 2, 1, "not YAML"},
	{"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", 1, 17,
	 "nested too deeply"},
	{"local-as: 1 # \xff\n", 1, 1, "not YAML"},
};

Test(config, each_fault_has_its_place)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct config *c = NULL;
		int err = config_parse(faults[i].text, strlen(faults[i].text),
				       &c, &rep);

		cr_assert_eq(err, -EINVAL, "accepted: %s", faults[i].text);
		cr_assert_null(c);
		if (rep.n != 1)
			config_report_print(&rep, faults[i].text, stderr);
		cr_assert_eq(rep.n, 1, "%zu faults: %s", rep.n, faults[i].text);
		cr_assert_not_null(strstr(rep.errors[0].text, faults[i].want),
				   "\"%s\" is not in \"%s\"", faults[i].want,
				   rep.errors[0].text);
		cr_expect(rep.errors[0].pos.line == faults[i].line &&
				  rep.errors[0].pos.col == faults[i].col,
			  "at %u:%u, want %u:%u: %s", rep.errors[0].pos.line,
			  rep.errors[0].pos.col, faults[i].line, faults[i].col,
			  faults[i].text);
	}
}

Test(config, all_faults_in_file_order)
{
	static const char text[] = "hostnam: a\n"
				   "local-as: x\n"
				   "interfaces: [a, a]\n"
				   "log-level: loud\n";
	struct config *c = NULL;

	cr_assert_eq(config_parse(text, sizeof(text) - 1, &c, &rep), -EINVAL);
	cr_assert_eq(rep.n, 4);
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(rep.errors[i].pos.line, i + 1);
}

Test(config, printed_as_file_line_column)
{
	static const char text[] = "local-as: 1\nlog-levl: info\n";
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	struct config *c = NULL;

	cr_assert_eq(config_parse(text, sizeof(text) - 1, &c, &rep), -EINVAL);
	config_report_print(&rep, "/etc/x.yaml", f);
	fclose(f);
	cr_assert_str_eq(out,
			 "/etc/x.yaml:2:1: unknown key \"log-levl\" in the "
			 "configuration; did you mean \"log-level\"?\n");
	free(out);
}

Test(config, faults_are_bounded)
{
	static char text[200000] = "local-as: 1\n";
	size_t n = strlen(text);
	struct config *c = NULL;

	for (unsigned i = 0; n < sizeof(text) - 40; i++)
		n += (size_t)sprintf(text + n, "k%u: 1\n", i);
	cr_assert_eq(config_parse(text, n, &c, &rep), -EINVAL);
	cr_assert_eq(rep.n, CONFIG_ERRORS_MAX);
	cr_assert_gt(rep.held, 0);
}

Test(config, file_that_is_not_there)
{
	struct config *c = NULL;

	cr_assert_eq(config_load("/nonexistent/x.yaml", &c, &rep), -ENOENT);
	cr_assert_eq(rep.n, 1);
	cr_assert_eq(rep.errors[0].pos.line, 0);
	cr_assert_eq(config_load("/", &c, &rep), -EISDIR);
	cr_assert_null(c);
}

Test(config, from_a_descriptor_more_than_once)
{
	char path[] = "/tmp/asmeter-config-XXXXXX";
	int fd = mkstemp(path);
	struct config *c;

	cr_assert_geq(fd, 0);
	unlink(path);
	cr_assert_eq(write(fd, every_key, sizeof(every_key) - 1),
		     (ssize_t)sizeof(every_key) - 1);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(config_load_fd(fd, &c, &rep), 0);
		cr_assert_eq(c->bgp.n_neighbors, 2);
		config_free(c);
	}
	close(fd);
}

Test(config, asn_forms)
{
	uint32_t as = 7;

	cr_assert(!config_parse_asn("64512", &as) && as == 64512);
	cr_assert(!config_parse_asn("as64512", &as) && as == 64512);
	cr_assert(!config_parse_asn("AS1.0", &as) && as == 65536);
	cr_assert(!config_parse_asn("0.5", &as) && as == 5);
	cr_assert(!config_parse_asn("4294967295", &as) && as == UINT32_MAX);
	cr_assert_eq(config_parse_asn("", &as), -EINVAL);
	cr_assert_eq(config_parse_asn("AS", &as), -EINVAL);
	cr_assert_eq(config_parse_asn("1.2.3", &as), -EINVAL);
	cr_assert_eq(config_parse_asn("4294967296", &as), -ERANGE);
	cr_assert_eq(config_parse_asn("65536.1", &as), -ERANGE);
	cr_assert_eq(as, UINT32_MAX, "written on failure");
}

/* Every key of the table is accepted by name and is in the reference. */
Test(config, reference_lists_every_key)
{
	static const char *const some[] = {"bgp.neighbors[].ttl-security\n",
					   "interfaces[].mode\n",
					   "prometheus.max-as\n",
					   "drain-interval\n", "api.group\n"};
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	config_print_reference(f);
	fclose(f);
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++)
		cr_assert_not_null(strstr(out, some[i]), "%s", some[i]);
	free(out);
}

static uint32_t rnd_state = 12345;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)rnd_state * n >> 32);
}

/* Damaged copies of a good file: refused or accepted, never a crash. */
Test(config, damaged_files)
{
	char text[sizeof(every_key)];

	for (int i = 0; i < 3000; i++) {
		struct config *c = NULL;
		size_t len = sizeof(every_key) - 1;

		memcpy(text, every_key, sizeof(text));
		for (uint32_t k = rnd(4) + 1; k; k--) {
			if (rnd(2))
				text[rnd((uint32_t)len)] = (char)rnd(256);
			else
				text[rnd((uint32_t)len)] =
					"{}[]:-,\n\"'#&*!|> "[rnd(17)];
		}
		if (rnd(4) == 0)
			len = rnd((uint32_t)len);
		if (!config_parse(text, len, &c, &rep))
			config_free(c);
		else
			cr_assert_gt(rep.n, 0, "refused without a reason");
	}
}

Test(config, random_bytes)
{
	char text[300];

	for (int i = 0; i < 3000; i++) {
		struct config *c = NULL;
		size_t len = rnd(sizeof(text));

		for (size_t k = 0; k < len; k++)
			text[k] = (char)rnd(256);
		if (!config_parse(text, len, &c, &rep))
			config_free(c);
	}
	(void)addr("::1");
}
