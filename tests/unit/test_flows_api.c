/* SPDX-License-Identifier: BSD-2-Clause */
/* Flow records as the API tells them and the client prints them: what is in
 * one, following without gaps or duplicates, filters, refusals. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "cli/cli.h"

#define ROOM 16
#define EVIL "Evil\"\033[2J\n\xff"

struct fake {
	struct api_ctx ctx;
	struct ledger *ledger;
	struct recent *recent;
	struct api_iface iface;
};

static const char *fake_as_name(void *arg, uint32_t asn)
{
	(void)arg;
	return asn == 15169 ? "GOOGLE" : asn == 666 ? EVIL : NULL;
}

static const char *fake_if_name(void *arg, uint32_t ifindex)
{
	(void)arg;
	return ifindex == 2 ? "eth0" : ifindex == 3 ? "dum my&" : NULL;
}

static struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct ledger_cfg cfg = LEDGER_CFG_DEFAULT;

	cr_assert(f && !ledger_new(&cfg, &f->ledger));
	cr_assert_eq(recent_new(ROOM, &f->recent), 0);
	snprintf(f->iface.name, sizeof(f->iface.name), "eth0");
	f->iface.ifindex = 2;
	f->ctx = (struct api_ctx){.router = "r",
				  .version = "t",
				  .ledger = f->ledger,
				  .ifaces = &f->iface,
				  .n_ifaces = 1,
				  .as_name = fake_as_name,
				  .if_name = fake_if_name,
				  .flows = {.recent = f->recent, .run = 77},
				  .arg = f};
	return f;
}

static void fake_free(struct fake *f)
{
	api_ctx_done(&f->ctx);
	recent_free(f->recent);
	ledger_free(f->ledger);
	free(f);
}

static struct addr addr(const char *s)
{
	struct addr a;

	cr_assert_eq(addr_parse(s, &a), 0);
	return a;
}

static struct flow a_flow(void)
{
	static const uint32_t path[] = {64496, 15169}, comm[] = {0xfc000001};

	return (struct flow){
		.has = FLOW_HAS_ETH | FLOW_HAS_IP | FLOW_HAS_PORTS |
		       FLOW_HAS_TCP | FLOW_HAS_ROUTES,
		.dir = ASM_DIR_IN,
		.received_ns = UINT64_C(1700000000123456789),
		.exporter = addr("10.0.0.1"),
		.rate = 1000,
		.in_if = 2,
		.packets = 1,
		.ip_bytes = 1500,
		.wire_bytes = 1514,
		.src_mac = {2, 0, 0, 0, 0, 0xab},
		.dst_mac = {2, 0, 0, 0, 0, 0xcd},
		.eth_proto = 0x800,
		.n_vlans = 2,
		.vlan = {100, 7},
		.n_labels = 1,
		.label = {16u << 12 | 0x1ff},
		.ip = {.src = addr("192.0.2.1"),
		       .dst = addr("8.8.8.8"),
		       .proto = 6,
		       .src_port = 50000,
		       .dst_port = 443,
		       .tcp_flags = 2,
		       .ttl = 64},
		.src_as = 64512,
		.dst_as = 15169,
		.src_plen = 24,
		.dst_plen = 16,
		.dst_peer_as = 64496,
		.next_hop = addr("203.0.113.1"),
		.path = path,
		.path_len = 2,
		.comm = comm,
		.comm_len = 1,
		.local_pref = 250,
	};
}

static unsigned ask(struct fake *f, const char *query, char **ret)
{
	char text[512], *save = NULL;
	struct api_request req = {.method = "GET",
				  .path = "/api/v1/flows",
				  .local = true};
	struct api_response res;

	snprintf(text, sizeof(text), "%s", query);
	for (char *p = strtok_r(text, "&", &save); p;
	     p = strtok_r(NULL, "&", &save)) {
		char *eq = strchr(p, '=');

		if (eq)
			*eq = 0;
		req.params[req.n_params++] =
			(struct api_param){p, eq ? eq + 1 : NULL};
	}
	cr_assert_eq(api_handle(&f->ctx, &req, &res), 0);
	*ret = strndup(res.text->b.p, res.text->b.len);
	api_text_unref(res.text);
	return res.status;
}

static json_t *answer(struct fake *f, const char *query)
{
	json_error_t err;
	char *body;

	cr_assert_eq(ask(f, query, &body), 200, "%s: %s", query, body);
	json_t *v = json_loads(body, JSON_REJECT_DUPLICATES, &err);

	cr_assert(v, "%s: %s in %s", query, err.text, body);
	free(body);
	return v;
}

static json_int_t num(json_t *v, const char *key)
{
	json_t *n = json_object_get(v, key);

	cr_assert(json_is_integer(n), "%s is not an integer", key);
	return json_integer_value(n);
}

static const char *str(json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "(null)";
}

static json_t *nth(json_t *doc, size_t i)
{
	return json_array_get(json_object_get(doc, "flows"), i);
}

static size_t count(json_t *doc)
{
	return json_array_size(json_object_get(doc, "flows"));
}

Test(flows_api, one_record)
{
	struct fake *f = fake_new();
	struct flow fl = a_flow();

	recent_put(f->recent, &fl);
	json_t *doc = answer(f, ""), *r = nth(doc, 0), *a;

	cr_assert_eq(num(doc, "run"), 77);
	cr_assert_eq(num(doc, "missed"), 0);
	cr_assert_eq(num(doc, "next"), 2);
	cr_assert_eq(count(doc), 1);
	cr_assert_eq(num(r, "number"), 1);
	cr_assert_eq(num(r, "received_ns"), 1700000000123456789);
	cr_assert_str_eq(str(r, "direction"), "receive");
	cr_assert_str_eq(str(r, "exporter"), "10.0.0.1");
	cr_assert_eq(num(r, "in_interface"), 2);
	cr_assert_str_eq(str(r, "in_interface_name"), "eth0");
	cr_assert_eq(num(r, "out_interface"), 0);
	cr_assert(json_is_null(json_object_get(r, "out_interface_name")));
	cr_assert_eq(num(r, "sampling_rate"), 1000);
	cr_assert_eq(num(r, "packets"), 1);
	cr_assert_eq(num(r, "ip_bytes"), 1500);
	cr_assert_eq(num(r, "wire_bytes"), 1514);
	cr_assert_str_eq(str(r, "source_mac"), "02:00:00:00:00:ab");
	cr_assert_str_eq(str(r, "destination_mac"), "02:00:00:00:00:cd");
	cr_assert_eq(num(r, "ethertype"), 0x800);
	a = json_object_get(r, "vlans");
	cr_assert_eq(json_integer_value(json_array_get(a, 0)), 100);
	cr_assert_eq(json_integer_value(json_array_get(a, 1)), 7);
	a = json_object_get(r, "mpls_labels");
	cr_assert_eq(json_array_size(a), 1);
	cr_assert_eq(json_integer_value(json_array_get(a, 0)), 16);
	cr_assert_str_eq(str(r, "source"), "192.0.2.1");
	cr_assert_str_eq(str(r, "destination"), "8.8.8.8");
	cr_assert_eq(num(r, "protocol"), 6);
	cr_assert_eq(num(r, "source_port"), 50000);
	cr_assert_eq(num(r, "destination_port"), 443);
	cr_assert_eq(num(r, "tcp_flags"), 2);
	cr_assert_eq(num(r, "ttl"), 64);
	cr_assert_null(json_object_get(r, "flow_label"));
	cr_assert_null(json_object_get(r, "icmp_type"));
	cr_assert_null(json_object_get(r, "inner"));
	cr_assert_eq(num(r, "source_as"), 64512);
	cr_assert_str_eq(str(r, "source_as_name"), "");
	cr_assert_eq(num(r, "destination_as"), 15169);
	cr_assert_str_eq(str(r, "destination_as_name"), "GOOGLE");
	cr_assert_eq(num(r, "source_prefix_length"), 24);
	cr_assert_eq(num(r, "destination_prefix_length"), 16);
	cr_assert_eq(num(r, "source_peer_as"), 0);
	cr_assert_eq(num(r, "destination_peer_as"), 64496);
	cr_assert_str_eq(str(r, "next_hop"), "203.0.113.1");
	cr_assert_eq(num(r, "local_pref"), 250);
	a = json_object_get(r, "as_path");
	cr_assert_eq(json_array_size(a), 2);
	cr_assert_eq(json_integer_value(json_array_get(a, 1)), 15169);
	a = json_object_get(r, "communities");
	cr_assert_str_eq(json_string_value(json_array_get(a, 0)), "64512:1");
	cr_assert(json_is_false(json_object_get(r, "cut")));
	cr_assert(json_is_false(json_object_get(r, "malformed")));
	json_decref(doc);
	fake_free(f);
}

Test(flows_api, records_that_say_less_or_more)
{
	struct fake *f = fake_new();
	struct flow fl = {.has = FLOW_CUT | FLOW_BAD, .rate = 1};

	recent_put(f->recent, &fl);
	fl = a_flow();
	fl.has |= FLOW_HAS_TUNNEL | FLOW_HAS_ICMP | FLOW_HAS_FRAG;
	fl.dir = ASM_DIR_OUT;
	fl.in_if = 9;
	fl.out_if = 3;
	fl.ip.frag_id = 5;
	fl.ip.frag_off = 1480;
	fl.inner_has = FLOW_HAS_IP;
	fl.inner.src = addr("2001:db8::1");
	fl.inner.dst = addr("2001:db8::2");
	fl.inner.flow_label = 0xfffff;
	fl.next_hop = (struct addr){0};
	fl.src_as = 666;
	recent_put(f->recent, &fl);
	json_t *doc = answer(f, ""), *r = nth(doc, 0);

	cr_assert(json_is_true(json_object_get(r, "cut")));
	cr_assert(json_is_true(json_object_get(r, "malformed")));
	cr_assert_null(json_object_get(r, "source"));
	cr_assert_null(json_object_get(r, "source_as"));
	cr_assert_null(json_object_get(r, "source_mac"));
	r = nth(doc, 1);
	cr_assert_str_eq(str(r, "direction"), "transmit");
	cr_assert_eq(num(r, "in_interface"), 9);
	cr_assert_str_eq(str(r, "in_interface_name"), "(null)");
	cr_assert_str_eq(str(r, "out_interface_name"), "dum my&");
	cr_assert_eq(num(r, "icmp_code"), 0);
	cr_assert_eq(num(r, "fragment_id"), 5);
	cr_assert_eq(num(r, "fragment_offset"), 1480);
	cr_assert_str_eq(str(r, "source_as_name"),
			 "Evil\"\033[2J\n\xef\xbf\xbd");
	cr_assert(json_is_null(json_object_get(r, "next_hop")));
	r = json_object_get(r, "inner");
	cr_assert_str_eq(str(r, "destination"), "2001:db8::2");
	cr_assert_eq(num(r, "flow_label"), 0xfffff);
	cr_assert_null(json_object_get(r, "source_port"));
	json_decref(doc);
	/* no records are kept at all */
	f->ctx.flows.recent = NULL;
	doc = answer(f, "since=5&run=77");
	cr_assert_eq(count(doc), 0);
	cr_assert_eq(num(doc, "next"), 1);
	json_decref(doc);
	fake_free(f);
}

/* A reader that asks again and again, while records come at different paces. */
Test(flows_api, following)
{
	struct fake *f = fake_new();
	struct flow fl = a_flow();
	uint64_t next = 1, put = 0, seen = 0, missed = 0;
	char query[96];

	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < round % 23; i++, put++) {
			/* every third one is of the other protocol */
			fl.ip.proto = put % 3 ? 6 : 17;
			recent_put(f->recent, &fl);
		}
		snprintf(query, sizeof(query), "since=%lu&run=77&n=%u&proto=%u",
			 (unsigned long)next, 3 + round % 5, 6);
		json_t *doc = answer(f, query);

		missed += (uint64_t)num(doc, "missed");
		for (size_t i = 0; i < count(doc); i++) {
			uint64_t n = (uint64_t)num(nth(doc, i), "number");

			cr_assert_geq(n, next, "shown twice");
			cr_assert_neq((n - 1) % 3, 0, "the filter");
			cr_assert_gt(n, seen);
			/* none left out between two of them */
			if (seen && n > seen + 2 && !num(doc, "missed"))
				cr_assert_fail("%lu after %lu",
					       (unsigned long)n,
					       (unsigned long)seen);
			seen = n;
		}
		cr_assert_geq((uint64_t)num(doc, "next"), next);
		next = (uint64_t)num(doc, "next");
		json_decref(doc);
	}
	cr_assert_gt(missed, 0);
	cr_assert_leq(next, put + 1);
	fake_free(f);
}

Test(flows_api, since_and_run)
{
	static const struct {
		const char *query;
		size_t n;
		json_int_t first, missed, next;
	} t[] = {
		{"", 16, 25, 0, 41},
		{"n=3", 3, 38, 0, 41},
		{"n=3&since=0", 3, 25, 0, 28},
		{"n=3&since=25", 3, 25, 0, 28},
		{"n=3&since=20", 3, 25, 5, 28},
		{"n=3&since=20&run=77", 3, 25, 5, 28},
		{"n=3&since=39", 2, 39, 0, 41},
		{"since=41", 0, 0, 0, 41},
		{"since=99", 0, 0, 0, 41},
		{"since=18446744073709551615", 0, 0, 0, 41},
		/* of another process: whatever there is */
		{"since=39&run=76", 16, 25, 0, 41},
	};
	struct fake *f = fake_new();
	struct flow fl = a_flow();

	for (unsigned i = 0; i < 40; i++)
		recent_put(f->recent, &fl);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		json_t *doc = answer(f, t[i].query);

		cr_assert_eq(count(doc), t[i].n, "%s", t[i].query);
		if (t[i].n)
			cr_assert_eq(num(nth(doc, 0), "number"), t[i].first,
				     "%s", t[i].query);
		cr_assert_eq(num(doc, "missed"), t[i].missed, "%s", t[i].query);
		cr_assert_eq(num(doc, "next"), t[i].next, "%s", t[i].query);
		json_decref(doc);
	}
	fake_free(f);
}

Test(flows_api, filters)
{
	static const struct {
		const char *query;
		size_t n;
	} t[] = {
		{"as=15169", 1},
		{"as=64512", 2},
		{"as=7", 0},
		{"prefix=192.0.2.0/24", 2},
		{"prefix=8.8.8.8", 1},
		{"prefix=2001:db8::/32", 0},
		{"port=443", 1},
		{"port=53", 1},
		{"proto=17", 1},
		{"proto=255", 0},
		{"if=eth0", 2},
		{"if=2", 2},
		{"if=3", 1},
		{"dir=in", 1},
		{"dir=out", 1},
		{"dir=both", 2},
		{"dir=out&proto=6", 0},
		{"dir=out&proto=17&as=64512&port=53&if=3&prefix=192.0.2.1/32",
		 1},
	};
	struct fake *f = fake_new();
	struct flow fl = a_flow();

	recent_put(f->recent, &fl);
	fl.dir = ASM_DIR_OUT;
	fl.out_if = 3;
	fl.ip.proto = 17;
	fl.ip.dst_port = 53;
	fl.ip.dst = addr("9.9.9.9");
	fl.dst_as = 0;
	recent_put(f->recent, &fl);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		json_t *doc = answer(f, t[i].query);

		cr_assert_eq(count(doc), t[i].n, "%s", t[i].query);
		json_decref(doc);
	}
	fake_free(f);
}

Test(flows_api, refusals)
{
	static const struct {
		const char *query, *says;
	} t[] = {
		{"since=", "must be a number"},
		{"since=-1", "must be a number"},
		{"since=18446744073709551616", "must be a number"},
		{"since=184467440737095516150", "must be a number"},
		{"run=x", "\\\"run\\\" must be a number"},
		{"prefix=192.0.2.1/24", "without bits beyond its length"},
		{"prefix=x", "must be a prefix"},
		{"port=65536", "from 0 to 65535"},
		{"proto=256", "from 0 to 255"},
		{"if=eth1", "no metered interface \\\"eth1\\\""},
		{"if=0", "no metered interface"},
		{"if=", "no metered interface"},
		{"if=4294967296", "no metered interface"},
		{"dir=up", "in, out, both"},
		{"n=0", "from 1 to 10000"},
		{"by=bytes", "unknown parameter"},
		{"as=1&as=2", "given twice"},
	};
	struct fake *f = fake_new();

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *body;

		cr_assert_eq(ask(f, t[i].query, &body), 400, "%s", t[i].query);
		cr_assert(strstr(body, t[i].says), "%s: %s", t[i].query, body);
		free(body);
	}
	fake_free(f);
}

/* Addresses of single packets are not for whoever can read the metrics. */
Test(flows_api, not_over_the_network)
{
	struct fake *f = fake_new();
	struct api_request req = {.method = "GET", .path = "/api/v1/flows"};
	struct api_response res;
	struct flow fl = a_flow();

	recent_put(f->recent, &fl);
	cr_assert_eq(api_handle(&f->ctx, &req, &res), 0);
	cr_assert_eq(res.status, 403);
	buf_putc(&res.text->b, 0);
	cr_assert(strstr(res.text->b.p, "api.socket"));
	cr_assert_not(strstr(res.text->b.p, "192.0.2.1"));
	api_text_unref(res.text);
	fake_free(f);
}

Test(flows_api, metrics)
{
	static const char *const lines[] = {
		"\nasmeter_flows_records_total{source=\"sample\"} 9\n",
		"\nasmeter_flows_incomplete_records_total{reason=\"no_ip\"} "
		"1\n",
		"\nasmeter_flows_incomplete_records_total{reason=\"no_route\"} "
		"2\n",
		"\nasmeter_flows_incomplete_records_total{reason=\"cut\"} 3\n",
		"\nasmeter_flows_incomplete_records_total{reason=\"malformed\"}"
		" "
		"4\n",
		"\nasmeter_sflow_samples_total{kind=\"flow\"} 5\n",
		"\nasmeter_sflow_samples_total{kind=\"counter\"} 6\n",
		"\nasmeter_sflow_skipped_records_total 7\n",
		"\nasmeter_sflow_datagrams_total{collector=\"[::1]:6343\"} 8\n",
		"\nasmeter_sflow_sent_samples_total{collector=\"[::1]:6343\"} "
		"9\n",
		"\nasmeter_sflow_lost_samples_total{collector=\"[::1]:6343\"} "
		"10\n",
		"\nasmeter_sflow_errors_total{collector=\"[::1]:6343\",reason="
		"\"refused\"} 11\n",
	};
	struct fake *f = fake_new();
	struct api_request req = {.method = "GET", .path = "/metrics"};
	struct api_response res;

	f->ctx.flows.taken[FLOW_SAMPLE] = 9;
	f->ctx.flows.no_ip = 1;
	f->ctx.flows.no_route = 2;
	f->ctx.flows.cut = 3;
	f->ctx.flows.malformed = 4;
	f->ctx.sflow =
		(struct api_sflow){.flows = 5,
				   .counters = 6,
				   .skipped = 7,
				   .n = 1,
				   .collector = {{.name = "[::1]:6343",
						  .datagrams = 8,
						  .samples = 9,
						  .lost = 10,
						  .fault = {{"refused", 11}}}}};
	cr_assert_eq(api_handle(&f->ctx, &req, &res), 0);
	buf_putc(&res.text->b, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		cr_assert(strstr(res.text->b.p, lines[i]), "missing: %s",
			  lines[i]);
	api_text_unref(res.text);
	fake_free(f);
}

/* ------------------------------------------------------------ the client */

static char *printed(const char *json, int width)
{
	char *text = NULL;
	size_t len = 0;
	struct cli c = {.out = open_memstream(&text, &len), .width = width};
	json_t *v = json_loads(json, 0, NULL);

	cr_assert(v, "%s", json);
	cli_flow_print(&c, v);
	fclose(c.out);
	json_decref(v);
	return text;
}

Test(flows_cli, lines)
{
	static const struct {
		const char *json, *line;
		int width;
	} t[] = {
		{"{\"received_ns\":1700000000123456789,\"direction\":"
		 "\"receive\",\"in_interface\":2,\"in_interface_name\":"
		 "\"eth0\","
		 "\"sampling_rate\":1000,\"wire_bytes\":1514,\"source\":"
		 "\"192.0.2.1\",\"destination\":\"8.8.8.8\",\"protocol\":6,"
		 "\"source_port\":50000,\"destination_port\":443,\"source_as\":"
		 "64512,\"source_as_name\":\"\",\"destination_as\":15169,"
		 "\"destination_as_name\":\"GOOGLE\"}",
		 "22:13:20.123Z in  eth0     tcp   192.0.2.1:50000 > "
		 "8.8.8.8:443  AS64512 > AS15169 GOOGLE  1514 B 1/1000\n",
		 0},
		{"{\"received_ns\":0,\"direction\":\"transmit\","
		 "\"out_interface\":7,\"out_interface_name\":null,"
		 "\"sampling_rate\":1,\"wire_bytes\":86,\"source\":"
		 "\"2001:db8::1\",\"destination\":\"2001:db8::2\",\"protocol\":"
		 "58,\"icmp_type\":128,\"icmp_code\":0,\"source_as\":0,"
		 "\"destination_as\":666,\"destination_as_name\":"
		 "\"Evil\\u001b[2J\\n\"}",
		 "00:00:00.000Z out 7        icmp6 2001:db8::1 > 2001:db8::2 "
		 "type 128 code 0  AS0 > AS666 Evil?[2J?  86 B 1/1\n",
		 0},
		{"{\"received_ns\":0,\"direction\":\"receive\","
		 "\"in_interface_name\":\"eth0\",\"source\":\"2001:db8::1\","
		 "\"destination\":\"2001:db8::2\",\"protocol\":17,"
		 "\"source_port\":1,\"destination_port\":53,\"fragment_id\":1,"
		 "\"fragment_offset\":8}",
		 "00:00:00.000Z in  eth0     udp   [2001:db8::1]:1 > "
		 "[2001:db8::2]:53 fragment 8  AS0 > AS0  0 B 1/0\n",
		 0},
		{"{\"received_ns\":0,\"direction\":\"receive\","
		 "\"in_interface_name\":\"eth0\",\"ethertype\":2054,"
		 "\"source_mac\":\"02:00:00:00:00:ab\",\"destination_mac\":"
		 "\"ff:ff:ff:ff:ff:ff\",\"wire_bytes\":60,\"sampling_rate\":5}",
		 "00:00:00.000Z in  eth0     0x0806 02:00:00:00:00:ab > "
		 "ff:ff:ff:ff:ff:ff  60 B 1/5\n",
		 0},
		{"{\"received_ns\":0,\"direction\":\"receive\",\"cut\":true,"
		 "\"malformed\":true}",
		 "00:00:00.000Z in  0        not IP  0 B 1/0 cut malformed\n",
		 0},
		{"{\"received_ns\":0,\"direction\":\"receive\",\"cut\":true}",
		 "00:00:00.000Z in  0\n", 19},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *s = printed(t[i].json, t[i].width);

		cr_assert_str_eq(s, t[i].line, "%zu: %s", i, s);
		free(s);
	}
}

Test(flows_cli, command_line, .init = cr_redirect_stderr)
{
	static const struct {
		const char *line;
		int rc;
	} t[] = {
		{"flows --prefix 192.0.2.1/24", CLI_USAGE},
		{"flows -x x", CLI_USAGE},
		{"flows --port 65536", CLI_USAGE},
		{"flows --port -1", CLI_USAGE},
		{"flows --port 1e3", CLI_USAGE},
		{"flows --port", CLI_USAGE},
		{"flows --protocol tcpp", CLI_USAGE},
		{"flows --protocol 256", CLI_USAGE},
		{"flows --protocol 6x", CLI_USAGE},
		{"flows --as x", CLI_USAGE},
		{"flows --dir up", CLI_USAGE},
		{"flows -n 0", CLI_USAGE},
		{"flows --pairs", CLI_USAGE},
		{"flows 192.0.2.0/24", CLI_USAGE},
		{"top --prefix 192.0.2.0/24", CLI_USAGE},
		{"-s /nonexistent/sock flows", CLI_UNREACHABLE},
		{"-s /nonexistent/sock flows -1 -j -n 5", CLI_UNREACHABLE},
		{"-s /nonexistent/sock fl -x 2001:db8::/32 -o 0 -P 255 -I a&b "
		 "-d out -a AS0 -i 0.2 -n 1",
		 CLI_UNREACHABLE},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char text[200], *argv[32], *save = NULL, *out = NULL;
		size_t len;
		int argc = 1;
		FILE *f = open_memstream(&out, &len);
		char name[] = "asmeter";

		argv[0] = name;
		snprintf(text, sizeof(text), "%s", t[i].line);
		for (char *w = strtok_r(text, " ", &save); w;
		     w = strtok_r(NULL, " ", &save))
			argv[argc++] = w;
		argv[argc] = NULL;
		cr_assert_eq(cli_main(argc, argv, f), t[i].rc, "%s", t[i].line);
		fclose(f);
		cr_assert_str_eq(out, "", "%s", t[i].line);
		free(out);
	}
	cr_assert_eq(cli_protocol("tcp"), 6);
	cr_assert_eq(cli_protocol("0"), 0);
	cr_assert_eq(cli_protocol("255"), 255);
	cr_assert_eq(cli_protocol(""), -1);
	cr_assert_eq(cli_protocol("99999999999999999999999"), -1);
}
