/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: numbers and tables for people, verbs, exit codes, and the
 * text that is made of the daemon's answers. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/fmt.h"
#include "cli/top.h"

Test(fmt, numbers)
{
	static const struct {
		double v;
		const char *si;
	} t[] = {{0, "0"},           {1, "1"},           {999, "999"},
		 {999.6, "1.00 k"},  {1000, "1.00 k"},   {12345, "12.3 k"},
		 {999499, "999 k"},  {999500, "1.00 M"}, {0.25, "0.25"},
		 {45.67, "45.7"},    {1.5e9, "1.50 G"},  {2e19, "20.0 E"},
		 {-1500, "-1.50 k"}, {0.001, "0"},       {9.996, "10.0"}};
	char b[FMT_LEN];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		cr_assert_str_eq(fmt_si(t[i].v, b), t[i].si, "%f: %s", t[i].v,
				 b);
	cr_assert_str_eq(fmt_rate(1e9 / 8, true, b), "1.00 Gbit/s");
	cr_assert_str_eq(fmt_rate(1500, false, b), "1.50 kB/s");
	cr_assert_str_eq(fmt_rate(0, true, b), "0 bit/s");
	cr_assert_str_eq(fmt_unit(9000, "pkt/s", b), "9.00 kpkt/s");
	cr_assert_str_eq(fmt_count(0, b), "0");
	cr_assert_str_eq(fmt_count(999, b), "999");
	cr_assert_str_eq(fmt_count(1000, b), "1,000");
	cr_assert_str_eq(fmt_count(UINT64_MAX, b),
			 "18,446,744,073,709,551,615");
	cr_assert_str_eq(fmt_age(-5, b), "0 s");
	cr_assert_str_eq(fmt_age(59, b), "59 s");
	cr_assert_str_eq(fmt_age(192, b), "3 min 12 s");
	cr_assert_str_eq(fmt_age(18180, b), "5 h 3 min");
	cr_assert_str_eq(fmt_age(86400 * 12 + 4 * 3600, b), "12 d 4 h");
	cr_assert_str_eq(fmt_ppm(0, b), "0");
	cr_assert_str_eq(fmt_ppm(12.34, b), "+12.3");
	cr_assert_str_eq(fmt_ppm(-0.4, b), "-0.40");
}

static char *printed(struct tab *t, int width, bool color)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	cr_assert(f);
	tab_print(t, f, width, color);
	fclose(f);
	return text;
}

static void fill(struct tab *t)
{
	static const char *const cells[] = {"AS",
					    "NAME",
					    "IN",
					    "15169",
					    "Telef\xc3\xb3nica de Nowhere",
					    "1.00 Gbit/s",
					    "1",
					    "x\033[2J\x01",
					    "0"};

	tab_init(t, "rfr");
	for (size_t i = 0; i < 9; i++)
		tab_put_color(t, cells[i], i == 3 ? 32 : 0);
}

Test(fmt, tables)
{
	struct tab t;
	char *s;

	fill(&t);
	s = printed(&t, 0, false);
	cr_assert_str_eq(s,
			 "   AS  NAME                            IN\n"
			 "15169  Telef\xc3\xb3nica de Nowhere  1.00 Gbit/s\n"
			 "    1  x?[2J?                           0\n",
			 "%s", s);
	free(s);
	fill(&t);
	s = printed(&t, 30, false);
	cr_assert_str_eq(s,
			 "   AS  NAME                 IN\n"
			 "15169  Telef\xc3\xb3nica  1.00 Gbit/s\n"
			 "    1  x?[2J?                0\n",
			 "%s", s);
	free(s);
	fill(&t);
	s = printed(&t, 0, true);
	cr_assert(strstr(s, "\033[32m15169\033[0m  "));
	free(s);
}

static int run(char **ret, const char *line)
{
	char text[200], *argv[16], *save = NULL;
	int argc = 0;
	size_t len = 0;
	FILE *out = open_memstream(ret, &len);

	cr_assert(out);
	snprintf(text, sizeof(text), "asmeter %s", line);
	for (char *w = strtok_r(text, " ", &save); w && argc < 15;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	int rc = cli_main(argc, argv, out);

	fclose(out);
	return rc;
}

Test(cli, exit_codes, .init = cr_redirect_stderr)
{
	static const struct {
		const char *line;
		int rc;
		const char *says;
	} t[] = {
		{"", CLI_USAGE, ""},
		{"help", CLI_OK, "usage: asmeter"},
		{"he", CLI_OK, "usage: asmeter"},
		{"-h", CLI_OK, "Exit codes"},
		{"status --help", CLI_OK, "Exit codes"},
		{"version", CLI_OK, "asmeter "},
		{"-V", CLI_OK, "asmeter "},
		{"version -j", CLI_OK, "{\"version\":\""},
		{"-j ver", CLI_OK, "{\"version\":\""},
		{"frobnicate", CLI_USAGE, ""},
		{"a 1", CLI_USAGE, ""}, /* as, attach */
		{"lookup", CLI_USAGE, ""},
		{"lookup 1.2.3.4 5.6.7.8", CLI_USAGE, ""},
		{"lookup 1.2.3", CLI_USAGE, ""},
		{"as x", CLI_USAGE, ""},
		{"as 4294967296", CLI_USAGE, ""},
		{"as 1.65536", CLI_USAGE, ""},
		{"status -n 5", CLI_USAGE, ""},
		{"detach", CLI_USAGE, ""},
		{"detach eth0 --all", CLI_USAGE, ""},
		{"attach --all eth0", CLI_USAGE, ""},
		{"top -n 0", CLI_USAGE, ""},
		{"top -n x", CLI_USAGE, ""},
		{"top --interval 0", CLI_USAGE, ""},
		{"top --by bits", CLI_USAGE, ""},
		{"top --dir up", CLI_USAGE, ""},
		{"top --as AS1x", CLI_USAGE, ""},
		{"top --bogus", CLI_USAGE, ""},
		{"check /nonexistent/asmeter.yaml", CLI_USAGE, ""},
		{"check -j /nonexistent/asmeter.yaml", CLI_USAGE,
		 "\"ok\":false"},
		{"status -s /nonexistent/sock", CLI_UNREACHABLE, ""},
		{"-s /nonexistent/sock top --once", CLI_UNREACHABLE, ""},
		{"-s /nonexistent/sock as AS15169", CLI_UNREACHABLE, ""},
		{"-s /nonexistent/sock as 1.10", CLI_UNREACHABLE, ""},
		{"-s /nonexistent/sock l 2001:db8::1", CLI_UNREACHABLE, ""},
		{"-s /nonexistent/sock -j peers", CLI_UNREACHABLE, ""},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *out;

		cr_assert_eq(run(&out, t[i].line), t[i].rc, "%s", t[i].line);
		cr_assert(strstr(out, t[i].says), "%s: %s", t[i].line, out);
		free(out);
	}
}

Test(cli, check_warns_of_an_interface_that_is_not_there)
{
	static const char text[] = "local-as: 1\ninterfaces: [lo, nope77]\n";
	char path[] = "/tmp/asmeter-check.XXXXXX", line[64], *out, err[512];
	int fd = mkstemp(path);
	FILE *f;
	size_t n;

	cr_assert_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	cr_redirect_stderr();
	snprintf(line, sizeof(line), "check %s", path);
	cr_assert_eq(run(&out, line), CLI_OK);
	cr_assert(strstr(out, ": in order"), "%s", out);
	free(out);
	fflush(stderr);
	f = cr_get_redirected_stderr();
	n = fread(err, 1, sizeof(err) - 1, f);
	err[n] = '\0';
	cr_assert(strstr(err, ":2:18: warning: no interface \"nope77\" now"),
		  "%s", err);
	cr_assert_not(strstr(err, "\"lo\""), "%s", err);
	snprintf(line, sizeof(line), "-j check %s", path);
	cr_assert_eq(run(&out, line), CLI_OK);
	unlink(path);
	cr_assert(strstr(out, "\"ok\":true"), "%s", out);
	cr_assert(strstr(out, "\"warnings\":[{\"line\":2,\"column\":18,"), "%s",
		  out);
	free(out);
}

Test(cli, shortened_verbs, .init = cr_redirect_stderr)
{
	cr_assert_str_eq(cli_verb("st"), "status");
	cr_assert_str_eq(cli_verb("as"), "as");
	cr_assert_str_eq(cli_verb("at"), "attach");
	cr_assert_str_eq(cli_verb("i"), "interfaces");
	cr_assert_null(cli_verb("a"));
	cr_assert_null(cli_verb("d"));
	cr_assert_null(cli_verb(""));
	cr_assert_null(cli_verb("statuses"));
}

/* What print() makes of a document. */
static char *text_of(void (*print)(const struct cli *, json_t *),
		     const char *json)
{
	char *text = NULL;
	size_t len = 0;
	struct cli c = {.out = open_memstream(&text, &len)};
	json_error_t err;
	json_t *v = json_loads(json, 0, &err);

	cr_assert(v, "%s at %d", err.text, err.position);
	print(&c, v);
	fclose(c.out);
	json_decref(v);
	return text;
}

#define MEASURE(p, i, w) \
	"{\"packets\":" #p ",\"ip_bytes\":" #i ",\"wire_bytes\":" #w "}"
#define BOOKS                           \
	"\"books\":{\"seen\":" MEASURE( \
		1300000, 14668,         \
		14900) ",\"attributed\":" MEASURE(1000000, 14600, 14740) "}"
#define IFACE                                                              \
	"{\"name\":\"eth0\",\"present\":true,\"error\":null,\"receive\":{" \
	"\"mode\":\"native\"," BOOKS ",\"balance\":{\"device_packets\":"   \
	"1300002,\"packets_difference\":-2,\"packets_ppm\":-1.5,"          \
	"\"bytes_ppm\":0}},\"transmit\":{\"mode\":\"tcx\"," BOOKS          \
	",\"balance\":null}}"

/* clang-format off */
#define STATUS                                                                \
	"{\"version\":\"1.0\",\"router\":\"r1\",\"local_as\":64500,"          \
	"\"uptime_s\":3700,\"meter_starts\":1,\"books\":{\"difference\":0,"     \
	"\"ases\":1200,\"as_pairs\":5000,\"receive\":{\"seen\":"               \
	MEASURE(1300000, 14668, 14900)                                        \
	",\"attributed\":" MEASURE(1000000, 1, 1)                             \
	"},\"transmit\":{\"seen\":" MEASURE(5, 400, 456)                      \
	",\"attributed\":" MEASURE(5, 400, 456)                               \
	"}},\"table\":{\"live\":true,\"source\":\"bgp\","                     \
	"\"prefixes_ipv4\":970000,\"prefixes_ipv6\":180000,"                  \
	"\"used_bytes\":16000000,\"size_bytes\":32000000,\"age_s\":3},"       \
	"\"bgp\":{\"peers\":2,\"established\":2},\"map\":{\"rows\":100000,"   \
	"\"rows_used\":5000},\"interfaces\":[" IFACE "]}"
/* clang-format on */

Test(print, status)
{
	char *s = text_of(cli_status_print, STATUS);

	cr_assert_str_eq(
		s,
		"router     r1, AS 64500, asmeter 1.0, up 1 h 1 min\n"
		"books      balanced: difference 0 in packets, IP bytes and "
		"wire bytes\n"
		"received   1,300,000 packets, 14,668 IP bytes; 300,000 "
		"packets not attributed\n"
		"sent       5 packets, 400 IP bytes; 0 packets not attributed\n"
		"table      970,000 IPv4 and 180,000 IPv6 prefixes from bgp, "
		"changed 3 s ago, 50 % of 32 MB\n"
		"bgp        2 of 2 sessions established\n"
		"counters   5,000 AS pairs of 1,200 ASes, 5.0 % of the map\n"
		"\n"
		"INTERFACE  DIR  MODE      PACKETS  WIRE BYTES  ATTRIBUTED  "
		"INTERFACE'S  DIFF    PPM  BYTES PPM\n"
		"eth0       in   native  1,300,000      14,900   1,000,000    "
		"1,300,002    -2  -1.50          0\n"
		"eth0       out  tcx     1,300,000      14,900   1,000,000     "
		"       -     -      -          -\n",
		"%s", s);
	free(s);
}

Test(print, status_tells_of_trouble)
{
	char *s = text_of(
		cli_status_print,
		"{\"books\":{\"difference\":7},\"table\":{\"live\":false},"
		"\"meter_starts\":3,\"bgp\":{\"peers\":2,\"established\":1},"
		"\"interfaces\":[{\"name\":\"eth9\",\"error\":\"no such "
		"interface\"}]}");

	cr_assert(strstr(s, "books      DIFFER by 7\n"));
	cr_assert(strstr(s, "started 3 times"));
	cr_assert(strstr(s, "table      none yet"));
	cr_assert(strstr(s, "1 of 2 sessions"));
	cr_assert(strstr(s, "eth9: no such interface\n"));
	free(s);
}

Test(cli, status_is_good_or_not)
{
	static const struct {
		const char *json;
		bool good;
	} t[] = {
		{"{\"ready\":true,\"books\":{\"difference\":0},\"bgp\":{"
		 "\"peers\":1,\"established\":1},\"interfaces\":[{\"error\":"
		 "null}]}",
		 true},
		{"{\"ready\":true}", true},
		{"{\"ready\":false}", false},
		{"{\"ready\":true,\"books\":{\"difference\":1}}", false},
		{"{\"ready\":true,\"bgp\":{\"peers\":2,\"established\":1}}",
		 false},
		{"{\"ready\":true,\"interfaces\":[{\"error\":\"gone\"}]}",
		 false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		json_t *v = json_loads(t[i].json, 0, NULL);

		cr_assert(v);
		cr_assert_eq(cli_status_good(v), t[i].good, "%s", t[i].json);
		json_decref(v);
	}
}

Test(print, lookup)
{
	char *s = text_of(
		cli_lookup_print,
		"{\"address\":\"8.8.8.8\",\"found\":true,\"prefix\":"
		"\"8.8.8.0/24\",\"as\":15169,\"as_name\":\"GOOGLE\","
		"\"source\":\"bgp 192.0.2.1\",\"age_s\":3600,\"stale\":true,"
		"\"table_as\":3356}");

	cr_assert_str_eq(s,
			 "address  8.8.8.8\n"
			 "prefix   8.8.8.0/24\n"
			 "as       15169 GOOGLE\n"
			 "source   bgp 192.0.2.1 (stale: its session is down)\n"
			 "age      1 h 0 min\n"
			 "note     the packet path still says AS 3356: the "
			 "change is not published yet\n");
	free(s);
	s = text_of(cli_lookup_print,
		    "{\"address\":\"10.0.0.1\",\"found\":false,\"as\":0}");
	cr_assert(strstr(s, "none: no route covers it"));
	free(s);
}

#define FLOW                                                                   \
	"{\"packets\":10,\"ip_bytes\":14600,\"wire_bytes\":14740,"             \
	"\"ipv6_ip_bytes\":40,\"rate\":{\"packets\":5,\"ip_bytes\":125000000," \
	"\"wire_bytes\":1},\"rate_smooth\":{\"packets\":2000,\"ip_bytes\":"    \
	"125,\"wire_bytes\":1}}"
#define NONE                                                        \
	"{\"packets\":0,\"ip_bytes\":0,\"wire_bytes\":0,\"rate\":{" \
	"\"packets\":"                                              \
	"0,\"ip_bytes\":0},\"rate_smooth\":{\"packets\":0,\"ip_bytes\":0}}"

Test(print, as)
{
	char *s = text_of(
		cli_as_print,
		"{\"as\":15169,\"as_name\":\"GOOGLE\",\"seen\":true,"
		"\"receive\":{\"as_source\":" FLOW ",\"as_destination\":" NONE
		"},\"transmit\":{\"as_source\":" NONE
		",\"as_destination\":" NONE
		"},\"pairs\":[{\"source_as\":15169,\"source_as_name\":"
		"\"GOOGLE\",\"destination_as\":64500,\"destination_as_name\":"
		"\"\",\"receive\":" FLOW ",\"transmit\":" NONE "}]}");

	cr_assert_str_eq(s,
			 "AS 15169 GOOGLE\n"
			 "                  PACKETS  IP BYTES  WIRE BYTES  OF "
			 "IT IPV6         RATE   PKT/S\n"
			 "received from it       10    14,600      14,740      "
			 "    40  1.00 kbit/s  2.00 k\n"
			 "received for it         0         0           0      "
			 "     0      0 bit/s       0\n"
			 "sent from it            0         0           0      "
			 "     0      0 bit/s       0\n"
			 "sent to it              0         0           0      "
			 "     0      0 bit/s       0\n"
			 "\n"
			 "SOURCE        DESTINATION  DIR  PACKETS  IP BYTES    "
			 "     RATE\n"
			 "15169 GOOGLE  64500        in        10    14,600  "
			 "1.00 kbit/s\n",
			 "%s", s);
	free(s);
}

Test(print, peers)
{
	char *s = text_of(
		cli_peers_print,
		"{\"peers\":[{\"name\":\"bird\",\"remote_as\":64500,\"state\":"
		"\"established\",\"up\":true,\"state_age_s\":60,\"ipv4\":{"
		"\"paths\":970000,\"stale\":0},\"ipv6\":{\"paths\":1,\"stale\":"
		"2},\"messages_received\":9,\"messages_sent\":4},{\"name\":"
		"\"192.0.2.9\",\"remote_as\":1,\"state\":\"active\",\"up\":"
		"false,\"last_error\":\"Connection refused\"}]}");

	cr_assert_str_eq(s,
			 "NEIGHBOUR     AS  STATE        SINCE         IPV4  "
			 "IPV6  STALE  MSG IN  MSG OUT  WHY\n"
			 "bird       64500  established  1 min 0 s  970,000    "
			 " 1      2       9        4  \n"
			 "192.0.2.9      1  active       0 s              0    "
			 " 0      0       0        0  Connection refused\n",
			 "%s", s);
	free(s);
	s = text_of(cli_peers_print, "{\"peers\":[]}");
	cr_assert(strstr(s, "no BGP neighbours"));
	free(s);
}

static char *top_text(const struct top_view *v, const char *json)
{
	json_t *doc = json_loads(json, 0, NULL);
	struct tab t;
	char head[300], *body, *all;

	cr_assert(doc);
	top_head(v, doc, head, sizeof(head));
	top_table(v, doc, &t);
	body = printed(&t, 0, false);
	cr_assert(asprintf(&all, "%s\n%s", head, body) > 0);
	free(body);
	json_decref(doc);
	return all;
}

#define ALL                                                             \
	"\"known_ases\":2,\"known_pairs\":3,\"difference\":0,\"all\":{" \
	"\"receive\":" FLOW ",\"transmit\":" NONE "}"

Test(top, pictures)
{
	struct cli c = {.count = 7, .by = "wire", .dir = "in", .when = "last"};
	struct top_view v;
	char path[200], *s;

	top_view_init(&c, &v);
	top_path(&v, path, sizeof(path));
	cr_assert_str_eq(path,
			 "/api/v1/top?per=as&by=wire&dir=in&when=last&n=7");
	v.by = 0;
	s = top_text(&v, "{" ALL ",\"ases\":[{\"as\":15169,\"as_name\":"
			 "\"GOOGLE\",\"receive\":" FLOW ",\"transmit\":" NONE
			 "}]}");
	cr_assert_str_eq(
		s,
		"in 1.00 Gbit/s, 5 pkt/s   out 0 bit/s, 0 pkt/s   2 ASes, 3 "
		"pairs   books balanced\n"
		"   AS  NAME             IN  IN PKT/S      OUT  OUT PKT/S\n"
		"15169  GOOGLE  1.00 Gbit/s         5  0 bit/s          0\n",
		"%s", s);
	free(s);
	v.pairs = true;
	v.names = false;
	v.when = 2;
	v.asn = 3356;
	v.has_asn = true;
	top_path(&v, path, sizeof(path));
	cr_assert_str_eq(path, "/api/v1/top?per=pair&by=bytes&dir=in&when=total"
			       "&n=7&as=3356");
	s = top_text(&v, "{" ALL ",\"pairs\":[{\"source_as\":3356,"
			 "\"destination_as\":64500,\"receive\":" FLOW
			 ",\"transmit\":" NONE "}]}");
	cr_assert(strstr(s,
			 "SRC AS  DST AS  IN BYTES  IN PKT  OUT BYTES  "
			 "OUT PKT\n"
			 "  3356   64500    14,600      10          0        "
			 "0\n"),
		  "%s", s);
	free(s);
	v.interfaces = true;
	top_path(&v, path, sizeof(path));
	cr_assert_str_eq(path, "/api/v1/interfaces");
	s = top_text(&v, "{\"interfaces\":[" IFACE "]}");
	cr_assert(strstr(s, "eth0       in   native  0 bit/s      0  1,300,000"
			    "     -1.50\n"),
		  "%s", s);
	free(s);
}

Test(doctor, findings)
{
	struct findings f = {0};

	for (unsigned i = 0; i < 100; i++)
		found(&f, FOUND_OK, "topic", "finding %u", i);
	found_cure(&f, "cure %d", 1);
	cr_assert_eq(f.n, 100);
	cr_assert_str_eq(f.v[99].text, "finding 99");
	cr_assert_str_eq(f.v[99].cure, "cure 1");
	cr_assert_str_eq(f.v[98].cure, "");
	free(f.v);
	cr_assert(doctor_driver_has_xdp("veth"));
	cr_assert(doctor_driver_has_xdp("mlx5_core"));
	cr_assert_not(doctor_driver_has_xdp(""));
	cr_assert_not(doctor_driver_has_xdp("e1000e"));
}
