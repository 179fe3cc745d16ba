/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The API with a context of our own: answers and refusals, first by calling
 * api_handle(), then over a Unix socket with well- and ill-behaved clients.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include "api/api.h"
#include "api/conns.h"
#include "api/http.h"

#define EVIL "Evil\"} 9\n\\<script>\xff"

struct fake {
	struct api_ctx ctx;
	struct ledger *ledger;
	struct attr_table *attrs;
	struct rib *rib;
	struct api_iface iface;
	struct bgp_peer_cfg peer_cfg;
	struct bgp_peer_info peer;
};

static const char *fake_name(void *arg, uint32_t asn)
{
	(void)arg;
	return asn == 15169 ? "GOOGLE" : asn == 666 ? EVIL : "";
}

static bool fake_lookup(void *arg, const struct addr *a, uint32_t *ret)
{
	(void)arg;
	(void)a;
	*ret = 15169;
	return true;
}

static void fake_peers(void *arg, api_peer_fn fn, void *ctx)
{
	struct fake *f = arg;

	fn(ctx, &f->peer);
}

static void fake_rows(struct ledger *l)
{
	struct asm_row row[3] = {
		{.src_as = 15169,
		 .dst_as = 64500,
		 .ifindex = 2,
		 .family = 4,
		 .packets = 10,
		 .ip_bytes = 14600,
		 .wire_bytes = 14740},
		{.src_as = 64500,
		 .dst_as = 666,
		 .ifindex = 2,
		 .family = 6,
		 .dir = ASM_DIR_OUT,
		 .packets = 4,
		 .ip_bytes = 400,
		 .wire_bytes = 456},
		{.src_as = 0,
		 .dst_as = 64500,
		 .ifindex = 2,
		 .family = 4,
		 .packets = 1,
		 .ip_bytes = 40,
		 .wire_bytes = 60},
	};
	struct asm_if ifc = {.ifindex = 2,
			     .name = "eth0",
			     .base_rx_packets = 1000,
			     .base_rx_bytes = 50000};
	struct asm_books rx = {
		.seen = {13, 14640 + 28, 14740 + 60 + 100},
		.attributed = {10, 14600, 14740},
		.unknown_as = {1, 40, 60},
		.not_ip = {1, 0, 58},
		.map_full = {1, 28, 42},
	};
	struct asm_books tx = {.seen = {4, 400, 456},
			       .attributed = {4, 400, 456}};

	ledger_begin(l, (struct mono){NSEC_PER_SEC});
	for (uint32_t i = 0; i < 3; i++)
		ledger_pair(l, i, &row[i]);
	ledger_port(l, 2, &ifc, &rx, &tx);
	cr_assert_eq(ledger_end(l), 0);
}

static void fake_rib(struct fake *f)
{
	struct attr_spec spec = {.origin_as = 15169};
	struct rib_source_cfg src = {.kind = RIB_BGP, .name = "bgp 192.0.2.1"};
	struct prefix p;

	f->attrs = attr_table_new();
	f->rib = rib_new(f->attrs);
	int s = rib_source_add(f->rib, &src);
	struct attr *a = attr_intern(f->attrs, &spec);

	cr_assert(s >= 0 && a && !prefix_parse("8.8.8.0/24", &p));
	cr_assert_eq(rib_announce(f->rib, s, &p, 0, a, 1000), 0);
	attr_unref(f->attrs, a);
}

static struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct ledger_cfg cfg = LEDGER_CFG_DEFAULT;

	cr_assert(f && !ledger_new(&cfg, &f->ledger));
	fake_rows(f->ledger);
	fake_rib(f);
	f->iface = (struct api_iface){.name = "eth0",
				      .ifindex = 2,
				      .in = ATTACH_NATIVE,
				      .out = ATTACH_TCX,
				      .have_stats = true,
				      .now = {.ifindex = 2,
					      .name = "eth0",
					      .driver = "veth",
					      .rx_packets = 1013,
					      .rx_bytes = 64900,
					      .tx_packets = 4,
					      .tx_bytes = 400,
					      .oper_up = true}};
	bgp_peer_cfg_default(&f->peer_cfg);
	cr_assert(!addr_parse("192.0.2.1", &f->peer_cfg.addr));
	f->peer = (struct bgp_peer_info){.cfg = &f->peer_cfg,
					 .name = "192.0.2.1",
					 .state = BGP_ESTABLISHED,
					 .up = true,
					 .remote_as = 64500,
					 .family[FAMILY_IP4] = {true, false,
								true, 7, 0}};
	snprintf(f->peer.last_error, sizeof(f->peer.last_error), "none");
	f->ctx = (struct api_ctx){.router = "r1\"x",
				  .version = "test",
				  .local_as = 64500,
				  .ledger = f->ledger,
				  .rib = f->rib,
				  .ifaces = &f->iface,
				  .n_ifaces = 1,
				  .now = 4600,
				  .as_name = fake_name,
				  .table_lookup = fake_lookup,
				  .peers_each = fake_peers,
				  .arg = f,
				  .meter_starts = 1,
				  .table = {.live = true,
					    .source = "bgp",
					    .prefixes = {7, 3},
					    .published_at = 4000}};
	return f;
}

static void fake_free(struct fake *f)
{
	api_ctx_done(&f->ctx);
	rib_free(f->rib);
	attr_table_free(f->attrs);
	ledger_free(f->ledger);
	free(f);
}

/* Asks "PATH?k=v&k=v"; the body as a string in *ret (caller frees). */
static unsigned ask(struct fake *f, const char *method, const char *target,
		    char **ret)
{
	static char text[512];
	struct api_request req = {.method = method, .path = text};
	struct api_response res;
	char *q;

	snprintf(text, sizeof(text), "%s", target);
	q = strchr(text, '?');
	while (q && *q) {
		*q++ = 0;
		char *next = strchr(q, '&');

		if (req.n_params == API_PARAMS_MAX) {
			req.n_params++;
			break;
		}
		req.params[req.n_params].key = q;
		char *eq = next ? memchr(q, '=', (size_t)(next - q))
				: strchr(q, '=');
		if (eq) {
			*eq = 0;
			req.params[req.n_params].value = eq + 1;
		}
		req.n_params++;
		q = next;
	}
	cr_assert_eq(api_handle(&f->ctx, &req, &res), 0);
	if (ret)
		*ret = strndup(res.text->b.p, res.text->b.len);
	api_text_unref(res.text);
	return res.status;
}

static json_t *ask_json(struct fake *f, const char *target)
{
	char *body;
	json_error_t err;

	cr_assert_eq(ask(f, "GET", target, &body), 200, "%s", target);
	json_t *v = json_loads(body, JSON_REJECT_DUPLICATES, &err);

	cr_assert(v, "%s: %s in %s", target, err.text, body);
	free(body);
	return v;
}

static json_t *at(json_t *v, const char *path)
{
	char text[200], *save = NULL;

	snprintf(text, sizeof(text), "%s", path);
	for (char *k = strtok_r(text, ".", &save); k;
	     k = strtok_r(NULL, ".", &save)) {
		v = *k >= '0' && *k <= '9' ? json_array_get(v, (size_t)atoi(k))
					   : json_object_get(v, k);
		cr_assert(v, "no %s in %s", k, path);
	}
	return v;
}

static json_int_t num(json_t *v, const char *path)
{
	json_t *n = at(v, path);

	cr_assert(json_is_integer(n), "%s is not an integer", path);
	return json_integer_value(n);
}

static const char *str(json_t *v, const char *path)
{
	return json_string_value(at(v, path));
}

Test(api, refusals)
{
	static const struct {
		const char *method, *target;
		unsigned status;
		const char *says;
	} t[] = {
		{"GET", "/nothing", 404, "not found"},
		{"GET", "/api", 404, "{\"error\":\"not found\"}"},
		{"GET", "/api/v1/as", 404, "not found"},
		{"GET", "/metrics/", 404, "not found"},
		{"POST", "/metrics", 405, "only GET and HEAD"},
		{"DELETE", "/api/v1/top", 405, "only GET"},
		{"GET", "/api/v1/top?bogus=1", 400, "unknown parameter"},
		{"GET", "/api/v1/top?", 400, "unknown parameter"},
		{"GET", "/api/v1/top?n=0", 400, "a number from 1 to 10000"},
		{"GET", "/api/v1/top?n=10001", 400, "a number from 1 to 10000"},
		{"GET", "/api/v1/top?n=-1", 400, "a number"},
		{"GET", "/api/v1/top?n=1e3", 400, "a number"},
		{"GET", "/api/v1/top?n=", 400, "a number"},
		{"GET", "/api/v1/top?n", 400, "a number"},
		{"GET", "/api/v1/top?n=18446744073709551617", 400, "a number"},
		{"GET", "/api/v1/top?n=1&n=2", 400, "given twice"},
		{"GET", "/api/v1/top?by=BYTES", 400, "bytes, packets, wire"},
		{"GET", "/api/v1/top?dir=up", 400, "in, out, both"},
		{"GET", "/api/v1/top?per=prefix", 400, "as, pair"},
		{"GET", "/api/v1/top?when=now", 400, "last, smooth, total"},
		{"GET", "/api/v1/top?addr=1.2.3.4", 400, "unknown parameter"},
		{"GET", "/api/v1/status?n=1", 400, "unknown parameter"},
		{"GET", "/api/v1/as/", 400, "not an AS number"},
		{"GET", "/api/v1/as/4294967296", 400, "not an AS number"},
		{"GET", "/api/v1/as/15169x", 400, "not an AS number"},
		{"GET", "/api/v1/as/\"", 400, "not an AS number"},
		{"GET", "/api/v1/lookup", 400, "\\\"addr\\\" is missing"},
		{"GET", "/api/v1/lookup?addr=300.1.1.1", 400, "address"},
		{"GET", "/api/v1/lookup?addr=", 400, "address"},
		{"GET", "/api/v1/top?a=1&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", 400,
		 "too many parameters"},
	};
	struct fake *f = fake_new();

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *body;

		cr_assert_eq(ask(f, t[i].method, t[i].target, &body),
			     t[i].status, "%s", t[i].target);
		cr_assert(strstr(body, t[i].says), "%s: %s", t[i].target, body);
		if (!strncmp(t[i].target, "/api", 4)) {
			json_t *v = json_loads(body, 0, NULL);

			cr_assert(v && str(v, "error"), "%s", body);
			json_decref(v);
		}
		free(body);
	}
	cr_assert_eq(f->ctx.refused, sizeof(t) / sizeof(*t));
	fake_free(f);
}

Test(api, health)
{
	struct fake *f = fake_new();

	cr_assert_eq(ask(f, "GET", "/-/healthy", NULL), 200);
	cr_assert_eq(ask(f, "HEAD", "/-/ready", NULL), 200);
	f->ctx.table.live = false;
	cr_assert_eq(ask(f, "GET", "/-/ready", NULL), 503);
	cr_assert_eq(ask(f, "GET", "/-/healthy", NULL), 200);
	fake_free(f);
}

Test(api, lookup)
{
	struct fake *f = fake_new();
	json_t *v = ask_json(f, "/api/v1/lookup?addr=8.8.8.8");

	cr_assert_str_eq(str(v, "prefix"), "8.8.8.0/24");
	cr_assert_eq(num(v, "as"), 15169);
	cr_assert_eq(num(v, "table_as"), 15169);
	cr_assert_str_eq(str(v, "as_name"), "GOOGLE");
	cr_assert_str_eq(str(v, "source"), "bgp 192.0.2.1");
	cr_assert_eq(num(v, "age_s"), 3600);
	json_decref(v);
	v = ask_json(f, "/api/v1/lookup?addr=2001:db8::1");
	cr_assert(json_is_false(at(v, "found")));
	cr_assert_eq(num(v, "as"), 0);
	json_decref(v);
	fake_free(f);
}

Test(api, top_and_as)
{
	struct fake *f = fake_new();
	json_t *v = ask_json(f, "/api/v1/top?when=total&dir=in&role=src&n=5");

	cr_assert_eq(json_array_size(at(v, "ases")), 2);
	cr_assert_eq(num(v, "ases.0.as"), 15169);
	cr_assert_eq(num(v, "ases.0.receive.ip_bytes"), 14600);
	cr_assert_eq(num(v, "ases.1.as"), 0);
	json_decref(v);
	v = ask_json(f, "/api/v1/top?when=total&dir=out&per=pair&by=packets");
	cr_assert_eq(json_array_size(at(v, "pairs")), 1);
	cr_assert_eq(num(v, "pairs.0.destination_as"), 666);
	cr_assert_eq(num(v, "pairs.0.transmit.ipv6_packets"), 4);
	json_decref(v);
	v = ask_json(f, "/api/v1/as/64500");
	cr_assert_eq(num(v, "receive.as_destination.ip_bytes"), 14640);
	cr_assert_eq(num(v, "transmit.as_source.wire_bytes"), 456);
	cr_assert_eq(json_array_size(at(v, "pairs")), 3);
	json_decref(v);
	v = ask_json(f, "/api/v1/as/4294967295");
	cr_assert(json_is_false(at(v, "seen")));
	json_decref(v);
	fake_free(f);
}

Test(api, status)
{
	struct fake *f = fake_new();
	json_t *v = ask_json(f, "/api/v1/status");

	cr_assert_eq(num(v, "books.difference"), 0);
	cr_assert_eq(num(v, "books.receive.seen.ip_bytes"), 14668);
	cr_assert_eq(num(v, "books.receive.map_full.packets"), 1);
	cr_assert(json_is_true(at(v, "ready")));
	cr_assert_eq(num(v, "table.age_s"), 600);
	cr_assert_eq(num(v, "bgp.established"), 1);
	cr_assert_str_eq(str(v, "interfaces.0.receive.mode"), "native");
	cr_assert_eq(num(v, "interfaces.0.receive.balance.packets_difference"),
		     0);
	cr_assert_eq(num(v, "interfaces.0.receive.balance.bytes_difference"),
		     0);
	/* an interface that counts without the Ethernet header */
	cr_assert_eq(num(v, "interfaces.0.transmit.balance."
			    "device_bytes_per_packet_more"),
		     -14);
	cr_assert_eq(num(v, "peers.0.ipv4.paths"), 7);
	json_decref(v);
	json_decref(ask_json(f, "/api/v1/version"));
	/* an interface that nothing was counted on yet */
	f->iface.ifindex = 9;
	f->iface.in = f->iface.out = ATTACH_NONE;
	snprintf(f->iface.error, sizeof(f->iface.error), "no such \"thing\"");
	v = ask_json(f, "/api/v1/interfaces");
	/* its predecessor of the same name counted: one interface, one name */
	cr_assert_eq(json_array_size(at(v, "interfaces")), 1);
	cr_assert(json_is_false(at(v, "interfaces.0.present")));
	cr_assert_eq(num(v, "interfaces.0.receive.books.seen.packets"), 13);
	cr_assert_str_eq(str(v, "interfaces.0.error"), "no such \"thing\"");
	json_decref(v);
	snprintf(f->iface.name, sizeof(f->iface.name), "eth1");
	v = ask_json(f, "/api/v1/interfaces");
	cr_assert_eq(json_array_size(at(v, "interfaces")), 2);
	cr_assert_str_eq(str(v, "interfaces.0.name"), "eth0");
	cr_assert(json_is_false(at(v, "interfaces.0.present")));
	cr_assert_str_eq(str(v, "interfaces.1.error"), "no such \"thing\"");
	json_decref(v);
	f->ctx.n_ifaces = 0;
	f->ctx.rib = NULL;
	f->ctx.peers_each = NULL;
	f->ctx.as_name = NULL;
	f->ctx.table_lookup = NULL;
	json_decref(ask_json(f, "/api/v1/status"));
	json_decref(ask_json(f, "/api/v1/lookup?addr=::1"));
	cr_assert_eq(ask(f, "GET", "/", NULL), 200);
	cr_assert_eq(ask(f, "GET", "/metrics", NULL), 200);
	fake_free(f);
}

Test(api, metrics)
{
	static const char *const lines[] = {
		"flow_receive_bytes_total{source_as=\"15169\",source_as_name="
		"\"GOOGLE\",destination_as=\"64500\",destination_as_name=\"\","
		"hostname=\"r1\\\"x\"} 14600\n",
		"flow_receive_bytes_total{source_as=\"0\",source_as_name=\"\","
		"destination_as=\"64500\",destination_as_name=\"\","
		"hostname=\"r1\\\"x\"} 40\n",
		"flow_receive_bytes_total{source_as=\"other\",source_as_name="
		"\"other\",destination_as=\"other\",destination_as_name="
		"\"other\",hostname=\"r1\\\"x\"} 28\n",
		"flow_transmit_bytes_total{source_as=\"64500\",source_as_name="
		"\"\",destination_as=\"666\",destination_as_name=\"Evil\\\"} "
		"9\\n\\\\<script>\xef\xbf\xbd\",hostname=\"r1\\\"x\"} 400\n",
		"# HELP flow_receive_bytes_total Bytes received.\n"
		"# TYPE flow_receive_bytes_total counter\n",
		"# HELP flow_transmit_bytes_total Bytes transferred.\n",
		"\nasmeter_interface_receive_packets_total{interface=\"eth0\"} "
		"13\n",
		"\nasmeter_interface_receive_unattributed_wire_bytes_total{"
		"interface=\"eth0\",reason=\"not_ip\"} 58\n",
		"\nasmeter_interface_receive_device_packets_total{interface="
		"\"eth0\"} 13\n",
		"\nasmeter_interface_receive_balance_bytes_ppm{interface="
		"\"eth0\"} 0\n",
		"\nasmeter_interface_receive_mode_info{interface=\"eth0\","
		"mode=\"native\"} 1\n",
		"\nasmeter_books_difference 0\n",
		"\nasmeter_bgp_session_up{peer=\"192.0.2.1\"} 1\n",
		"\nasmeter_bgp_session_prefixes{peer=\"192.0.2.1\",family="
		"\"ipv4\"} 7\n",
		"\nasmeter_table_age_seconds 600\n",
		"\nprocess_resident_memory_bytes ",
	};
	struct fake *f = fake_new();
	char *body, *again;

	cr_assert_eq(ask(f, "GET", "/metrics", &body), 200);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		cr_assert(strstr(body, lines[i]), "missing: %s\nin %s",
			  lines[i], body);
	/* the page of one drain is the same page */
	f->ctx.meter_starts = 77;
	cr_assert_eq(ask(f, "GET", "/metrics", &again), 200);
	cr_assert_str_eq(body, again);
	free(again);
	fake_rows(f->ledger);
	cr_assert_eq(ask(f, "GET", "/metrics", &again), 200);
	cr_assert(strstr(again, "\nasmeter_meter_starts_total 77\n"));
	free(again);
	free(body);
	fake_free(f);
}

Test(api, landing_escapes)
{
	struct fake *f = fake_new();
	char *body;

	f->ctx.router = "<script>alert(1)</script>";
	cr_assert_eq(ask(f, "GET", "/", &body), 200);
	cr_assert(strstr(body, "&lt;script&gt;alert"));
	cr_assert_not(strstr(body, "<script"));
	cr_assert(strstr(body, "The books balance"));
	cr_assert(strstr(body, "href=\"/metrics\""));
	free(body);
	fake_free(f);
}

/* ------------------------------------------------------------- over HTTP */

struct served {
	struct fake *f;
	uv_loop_t loop;
	struct http *http;
	struct sockaddr_un addr;
	socklen_t addr_len;
};

static void serve(struct served *s, unsigned connections)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct http_cfg cfg = {.listeners = &fd,
			       .n_listeners = 1,
			       .max_connections = connections,
			       .timeout_s = 1};

	s->f = fake_new();
	/* an abstract name: nothing in the file system, nobody's port */
	s->addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(s->addr.sun_path + 1, sizeof(s->addr.sun_path) - 1,
		 "asmeter-test-%d", getpid());
	s->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  strlen(s->addr.sun_path + 1));
	cr_assert(fd >= 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&s->addr, s->addr_len), 0);
	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(uv_loop_init(&s->loop), 0);
	cr_assert_eq(http_start(&s->loop, &cfg, &s->f->ctx, &s->http), 0);
}

static void unserve(struct served *s)
{
	http_stop(s->http);
	while (uv_run(&s->loop, UV_RUN_DEFAULT))
		;
	cr_assert_eq(uv_loop_close(&s->loop), 0, "handles left");
	fake_free(s->f);
}

static int client(struct served *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&s->addr, s->addr_len), 0);
	return fd;
}

/* Turns the loop until the peer closes or has sent `until`. */
static size_t receive(struct served *s, int fd, char *to, size_t cap,
		      const char *until)
{
	size_t n = 0;

	for (unsigned turn = 0; turn < 4000; turn++) {
		(void)uv_run(&s->loop, UV_RUN_NOWAIT);
		ssize_t got = recv(fd, to + n, cap - 1 - n, 0);

		if (got > 0)
			n += (size_t)got;
		to[n] = 0;
		if (got == 0 || (got < 0 && errno != EAGAIN) ||
		    (until && strstr(to, until)))
			return n;
		if (got < 0)
			usleep(1000);
	}
	cr_assert_fail("no answer: %s", to);
	return 0;
}

static char page[1 << 20];

static size_t request(struct served *s, const char *text)
{
	int fd = client(s);

	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	size_t n = receive(s, fd, page, sizeof(page), NULL);

	close(fd);
	return n;
}

Test(http, answers)
{
	struct served s;

	serve(&s, 16);
	request(&s, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, "HTTP/1.1 200 OK\r\n"));
	cr_assert(strstr(page, "Content-Type: text/plain; version=0.0.4; "
			       "charset=utf-8\r\n"));
	cr_assert(strstr(page, "asmeter_build_info"));
	cr_assert_not(strstr(page, "Content-Encoding"));
	request(&s, "GET /api/v1/lookup?addr=8.8.8.8 HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, "\"as\":15169"));
	request(&s, "GET /api/v1/lookup?addr=%32%3001%3Adb8%3A%3A1 HTTP/1.1\r\n"
		    "Host: x\r\nConnection: close\r\n\r\n");
	cr_assert(strstr(page, "\"address\":\"2001:db8::1\""), "%s", page);
	request(&s, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, "200 OK"));
	cr_assert_not(strstr(page, "asmeter_build_info"));
	request(&s, "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	cr_assert(strstr(page, " 405 "));
	cr_assert(strstr(page, "Allow: GET, HEAD\r\n"));
	request(&s, "GET /nope HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, " 404 "));
	unserve(&s);
}

Test(http, gzip)
{
	static const struct {
		const char *accept;
		bool gzip;
	} t[] = {
		{"gzip", true},        {"deflate, gzip;q=1.0", true},
		{"*", true},           {"br;q=0.1,GZIP;q=0.5", true},
		{"gzip;q=0", false},   {"gzip;q=0.000", false},
		{"identity", false},   {"xgzip", false},
		{"gzipped", false},    {",,,;", false},
		{"*;q=0, gzip", true}, {"*, gzip;q=0", false},
		{"gzip, *;q=0", true}, {"br, *;q=0", false},
	};
	struct served s;
	static char plain[1 << 20];

	serve(&s, 16);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char text[200];

		snprintf(text, sizeof(text),
			 "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close"
			 "\r\nAccept-Encoding: %s\r\n\r\n",
			 t[i].accept);
		size_t n = request(&s, text);
		char *body = strstr(page, "\r\n\r\n");

		cr_assert(body, "%s", t[i].accept);
		body += 4;
		cr_assert_eq(strstr(page, "Content-Encoding: gzip") != NULL,
			     t[i].gzip, "%s", t[i].accept);
		if (!t[i].gzip)
			continue;
		z_stream z = {.next_in = (Bytef *)body,
			      .avail_in = (uInt)(n - (size_t)(body - page)),
			      .next_out = (Bytef *)plain,
			      .avail_out = sizeof(plain) - 1};

		cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
		cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
		plain[z.total_out] = 0;
		inflateEnd(&z);
		cr_assert(strstr(plain, "asmeter_build_info"));
	}
	unserve(&s);
}

Test(http, bodies_are_refused)
{
	struct served s;
	char big[20000];

	serve(&s, 16);
	request(&s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		    "Content-Length: 5\r\n\r\nhello");
	cr_assert(strstr(page, " 413 "), "%s", page);
	memset(big, 'x', sizeof(big));
	int len = snprintf(big, 200,
			   "POST / HTTP/1.1\r\nHost: x\r\n"
			   "Content-Length: 15000\r\n\r\n");

	big[len] = 'x';
	big[sizeof(big) - 1] = 0;
	int fd = client(&s);

	(void)!send(fd, big, 15000, MSG_NOSIGNAL);
	receive(&s, fd, page, sizeof(page), NULL); /* closed, not read on */
	cr_assert_not(strstr(page, " 200 "));
	close(fd);
	unserve(&s);
}

Test(http, bad_clients_do_not_matter)
{
	struct served s;
	int slow, half, silent, greedy;
	static const char text[] = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

	serve(&s, 16);
	slow = client(&s);
	half = client(&s);
	silent = client(&s);
	greedy = client(&s);
	cr_assert_eq(send(slow, "GET / HT", 8, 0), 8);
	cr_assert_gt(send(half, text, sizeof(text) - 1, 0), 0);
	cr_assert_eq(shutdown(half, SHUT_WR), 0);
	for (unsigned i = 0; i < 5; i++) /* asks and never reads */
		(void)!send(greedy, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
			    34, MSG_NOSIGNAL);
	request(&s, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, "asmeter is alive"));
	receive(&s, half, page, sizeof(page), "alive");
	/* the others are closed after the second that they are given */
	receive(&s, slow, page, sizeof(page), NULL);
	receive(&s, silent, page, sizeof(page), NULL);
	close(slow);
	close(half);
	close(silent);
	close(greedy);
	unserve(&s);
}

Test(http, more_clients_than_there_is_room)
{
	struct served s;
	int fd[12];

	serve(&s, 4);
	for (unsigned i = 0; i < 12; i++)
		fd[i] = client(&s);
	for (unsigned i = 0; i < 50; i++)
		(void)uv_run(&s.loop, UV_RUN_NOWAIT);
	for (unsigned i = 0; i < 12; i++)
		close(fd[i]);
	request(&s, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, "asmeter is alive"), "%s", page);
	unserve(&s);
}

/* Turns the loop; whether the peer has closed. */
static bool is_closed(struct served *s, int fd)
{
	char c;

	for (unsigned i = 0; i < 20; i++)
		(void)uv_run(&s->loop, UV_RUN_NOWAIT);
	return recv(fd, &c, 1, MSG_PEEK) == 0;
}

/* Who has held a place for longest makes room, and who has sent a request may
 * hold it for longer than who has not. */
Test(http, the_slowest_makes_room)
{
	static const char text[] = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";
	struct served s;
	int old, busy, last, next[2];

	serve(&s, 3);
	old = client(&s);
	busy = client(&s);
	cr_assert_not(is_closed(&s, old));
	usleep(10000);
	last = client(&s);
	cr_assert_eq(send(old, "GET / HT", 8, 0), 8);
	cr_assert_gt(send(busy, text, sizeof(text) - 1, 0), 0);
	receive(&s, busy, page, sizeof(page), "alive"); /* begins anew */
	cr_assert_eq(s.f->ctx.evicted, 0);
	next[0] = client(&s);
	cr_assert(is_closed(&s, old));
	cr_assert_not(is_closed(&s, last));
	cr_assert_eq(s.f->ctx.evicted, 1);
	next[1] = client(&s);
	cr_assert(is_closed(&s, last));
	cr_assert_not(is_closed(&s, busy));
	cr_assert_not(is_closed(&s, next[0]));
	cr_assert_eq(s.f->ctx.evicted, 2);
	close(old);
	close(busy);
	close(last);
	close(next[0]);
	close(next[1]);
	unserve(&s);
}

/* The rule itself, by addresses and times. */
Test(conns, who_is_in_the_way)
{
	struct conns cs = {.max = 4, .max_per_ip = 2};
	struct sockaddr_in a = {.sin_family = AF_INET}, b = a;
	struct sockaddr_in6 d = {.sin6_family = AF_INET6};
	const struct sockaddr *sa = (struct sockaddr *)&a,
			      *sb = (struct sockaddr *)&b,
			      *sd = (struct sockaddr *)&d;
	struct conn *c[4];
	struct mono t = {1000};

	a.sin_addr.s_addr = htonl(0x0a000001);
	b.sin_addr.s_addr = htonl(0x0a000002);
	d.sin6_addr.s6_addr[15] = 9;
	cr_assert_null(conns_in_the_way(&cs, sa, t));
	c[0] = conns_add(&cs, 3, sa, t);
	c[1] = conns_add(&cs, 4, sb, mono_add_ns(t, 100));
	cr_assert_null(conns_in_the_way(&cs, sa, mono_add_ns(t, 200)));
	c[2] = conns_add(&cs, 5, sb, mono_add_ns(t, 200));
	/* of its own address, whoever else is slower */
	a.sin_port = b.sin_port = 7;
	cr_assert_eq(conns_in_the_way(&cs, sb, mono_add_ns(t, 300)), c[1]);
	cr_assert_null(conns_in_the_way(&cs, sa, mono_add_ns(t, 300)));
	c[3] = conns_add(&cs, 6, sd, mono_add_ns(t, 300));
	/* full: of all; who is being answered has four times as long */
	cr_assert_eq(conns_in_the_way(&cs, sd, mono_add_ns(t, 400)), c[0]);
	conn_progress(c[0], true, t);
	cr_assert_eq(conns_in_the_way(&cs, sd, mono_add_ns(t, 399)), c[1]);
	cr_assert_eq(conns_in_the_way(&cs, sd, mono_add_ns(t, 110)), c[0]);
	conn_progress(c[1], false, mono_add_ns(t, 390));
	cr_assert_eq(conns_in_the_way(&cs, sb, mono_add_ns(t, 400)), c[2]);
	conns_remove(&cs, c[2]);
	cr_assert_null(conns_in_the_way(&cs, sa, mono_add_ns(t, 400)));
	conns_remove(&cs, c[0]);
	conns_remove(&cs, c[3]);
	conns_remove(&cs, c[1]);
	cr_assert_eq(cs.n, 0);
	cr_assert_null(cs.first);
}

Test(http, garbage)
{
	struct served s;
	uint64_t seed = 3;

	serve(&s, 16);
	for (unsigned i = 0; i < 200; i++) {
		static const char base[] =
			"GET /api/v1/top?n=5&by=bytes HTTP/1.1\r\nHost: x\r\n"
			"Connection: close\r\nAccept-Encoding: gzip\r\n\r\n";
		char text[sizeof(base)];
		int fd = client(&s);

		memcpy(text, base, sizeof(base));
		for (unsigned k = 0; k < 1 + i % 9; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1;
			text[(seed >> 33) % (sizeof(base) - 1)] =
				(char)(seed >> 25);
		}
		(void)!send(fd, text, sizeof(base) - 1, MSG_NOSIGNAL);
		(void)shutdown(fd, SHUT_WR);
		receive(&s, fd, page, sizeof(page), NULL);
		close(fd);
	}
	request(&s, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
		    "Connection: close\r\n\r\n");
	cr_assert(strstr(page, "asmeter is alive"));
	unserve(&s);
}
