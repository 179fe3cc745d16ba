/* SPDX-License-Identifier: BSD-2-Clause */
/* asmeter doctor: gathers findings, and prints them with their cures. */
#include "cli/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/config.h"
#include "export/json.h"
#include "route/loc.h"

static const char *const level_name[] = {"ok", "note", "warn", "FAULT"};
static const int level_color[] = {32, 36, 33, 31};

void found(struct findings *f, enum finding_level level, const char *topic,
	   const char *fmt, ...)
{
	va_list ap;

	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 32;
		struct finding *p = realloc(f->v, cap * sizeof(*p));

		if (!p)
			return;
		f->v = p;
		f->cap = cap;
	}
	struct finding *x = &f->v[f->n++];

	x->level = level;
	x->cure[0] = 0;
	snprintf(x->topic, sizeof(x->topic), "%s", topic);
	va_start(ap, fmt);
	(void)vsnprintf(x->text, sizeof(x->text), fmt, ap);
	va_end(ap);
}

void found_cure(struct findings *f, const char *fmt, ...)
{
	va_list ap;

	if (!f->n)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(f->v[f->n - 1].cure, sizeof(f->v[0].cure), fmt, ap);
	va_end(ap);
}

/* ------------------------------------------------------------ the daemon */

static void look_at_books(struct findings *f, json_t *v)
{
	uint64_t diff = js_u64(v, "books.difference");
	uint64_t full = js_u64(v, "books.receive.map_full.packets") +
			js_u64(v, "books.transmit.map_full.packets");
	uint64_t seen = js_u64(v, "books.receive.seen.packets") +
			js_u64(v, "books.transmit.seen.packets");
	uint64_t unknown = js_u64(v, "books.receive.unknown_as.packets") +
			   js_u64(v, "books.transmit.unknown_as.packets");

	if (diff) {
		found(f, FOUND_FAULT, "books", "the books differ by %" PRIu64,
		      diff);
		found_cure(f, "this is a bug: please report it with the output "
			      "of `asmeter status -j`");
	} else {
		found(f, FOUND_OK, "books", "balanced over %" PRIu64 " packets",
		      seen);
	}
	if (full) {
		found(f, FOUND_WARN, "map",
		      "%" PRIu64 " packets found no free row: counted, but "
		      "without their ASes",
		      full);
		found_cure(f, "rows of quiet AS pairs are freed when they run "
			      "short (counters.quiet in asmeter.yaml); if the "
			      "number still grows, raise counters.rows and "
			      "restart asmeterd");
	}
	if (seen && unknown * 20 > seen) {
		found(f, FOUND_WARN, "unknown AS",
		      "%.1f %% of all packets have an address without a route",
		      100 * (double)unknown / (double)seen);
		found_cure(f, "is the feed complete (asmeter peers)? list "
			      "prefixes of your own in own-prefixes; `asmeter "
			      "lookup ADDRESS` says what one address gets");
	}
}

static void look_at_feed(struct findings *f, json_t *v)
{
	json_t *p;
	size_t i;

	if (!js_bool(v, "table.live")) {
		found(f, FOUND_FAULT, "table", "there is no prefix table");
		found_cure(f, "configure a BGP neighbour, or `apt install "
			      "libloc-database` for the fallback");
	} else {
		found(f, FOUND_OK, "table",
		      "%" PRIu64 " IPv4 and %" PRIu64 " IPv6 prefixes from %s",
		      js_u64(v, "table.prefixes_ipv4"),
		      js_u64(v, "table.prefixes_ipv6"),
		      js_str(v, "table.source"));
	}
	if (!json_array_size(js_at(v, "peers"))) {
		found(f, FOUND_WARN, "bgp",
		      "no BGP neighbour is configured: "
		      "the table is libloc's, which may "
		      "be weeks old");
		found_cure(f, "add the router's own BGP daemon under "
			      "bgp.neighbors");
	}
	json_array_foreach(js_at(v, "peers"), i, p)
	{
		if (js_bool(p, "up")) {
			found(f, FOUND_OK, "bgp",
			      "%s: established, %" PRIu64 " IPv4 and %" PRIu64
			      " IPv6 paths",
			      js_str(p, "name"), js_u64(p, "ipv4.paths"),
			      js_u64(p, "ipv6.paths"));
			continue;
		}
		found(f, FOUND_FAULT, "bgp", "%s: %s; %s", js_str(p, "name"),
		      js_str(p, "state"), js_str(p, "last_error"));
		found_cure(f, "on the neighbour: is asmeter's address "
			      "configured, the AS number, the password the "
			      "same, and is TCP port 179 open between them?");
	}
}

static void look_at_interfaces(struct findings *f, json_t *v)
{
	json_t *i;
	size_t n;

	json_array_foreach(js_at(v, "interfaces"), n, i)
	{
		const char *name = js_str(i, "name");
		const char *error = js_str(i, "error");

		if (*error) {
			found(f, FOUND_FAULT, name, "not metered: %s", error);
			continue;
		}
		for (unsigned d = 0; d < 2; d++) {
			json_t *side = js_at(i, d ? "transmit" : "receive");
			double ppm = js_f64(side, "balance.packets_ppm");

			if (!json_is_object(js_at(side, "balance")))
				continue;
			if (ppm > -1000 && ppm < 1000)
				continue;
			found(f, FOUND_WARN, name,
			      "%s: asmeter counts %+.0f ppm against the "
			      "interface's own counter",
			      d ? "out" : "in", ppm);
			found_cure(f,
				   "hardware may count frames that never "
				   "reach the host (ethtool -S %s), or a "
				   "part was counted before the meter was "
				   "attached",
				   name);
		}
	}
}

/* Losses are counted, and made up for in the records; many of them make those
 * coarse. */
static void look_at_samples(struct findings *f, json_t *v)
{
	json_t *s = js_at(v, "samples"), *n;
	uint64_t taken = js_u64(s, "taken"), lost = 0;
	const char *reason;

	if (!js_bool(s, "wanted"))
		return;
	if (!js_bool(s, "up")) {
		found(f, FOUND_FAULT, "samples", "no way out of the kernel: %s",
		      js_str(s, "error")[0] ? js_str(s, "error")
					    : "no ring yet");
		found_cure(f, "journalctl -u asmeterd says why");
		return;
	}
	json_object_foreach(js_at(s, "lost"), reason, n) lost +=
		(uint64_t)json_integer_value(n);
	if (lost * 100 < taken || !lost) {
		found(f, FOUND_OK, "samples",
		      "%" PRIu64 " taken, %" PRIu64 " of them lost", taken,
		      lost);
		return;
	}
	found(f, FOUND_WARN, "samples", "%" PRIu64 " of %" PRIu64 " were lost",
	      lost, taken);
	found_cure(f, "a larger sampling.rate takes fewer; `asmeter status` "
		      "says where they are lost");
}

static void doctor_daemon(struct findings *f, const struct cli *c)
{
	char msg[256];
	json_t *v;

	if (cli_try(c, "/api/v1/status", &v, msg, sizeof(msg))) {
		found(f, FOUND_FAULT, "daemon", "%s", msg);
		found_cure(f,
			   "systemctl start asmeterd; journalctl -u asmeterd");
		return;
	}
	found(f, FOUND_OK, "daemon", "asmeter %s answers, up %" PRIi64 " s",
	      js_str(v, "version"), js_i64(v, "uptime_s"));
	if (js_u64(v, "meter_starts") > 1) {
		found(f, FOUND_WARN, "daemon",
		      "the meter was started %" PRIu64 " times",
		      js_u64(v, "meter_starts"));
		found_cure(f, "journalctl -u asmeterd says why");
	}
	look_at_books(f, v);
	look_at_feed(f, v);
	look_at_interfaces(f, v);
	look_at_samples(f, v);
	json_decref(v);
}

/* -------------------------------------------------- config and database */

static void doctor_loc(struct findings *f, const char *path, bool used)
{
	struct loc_db *db;
	int err = loc_db_open(path, &db);

	if (err) {
		found(f, used ? FOUND_WARN : FOUND_NOTE, "libloc", "%s: %s",
		      path, strerror(-err));
		found_cure(f, "apt install libloc-database, or `location "
			      "update`: names of ASes, and the table until a "
			      "feed is complete");
		return;
	}
	int64_t days = (time(NULL) - loc_db_created_at(db)) / 86400;

	found(f, days > 90 ? FOUND_WARN : FOUND_OK, "libloc",
	      "%s is %" PRIi64 " days old, %zu AS names", path, days,
	      loc_db_ases(db));
	if (days > 90)
		found_cure(f, "`location update`, or a newer libloc-database");
	loc_db_close(db);
}

/* The interfaces to look at: those named, else those of the configuration. */
static void doctor_config(struct findings *f, const struct cli *c)
{
	static struct config_report rep;
	struct config *cfg = NULL;

	int err = config_load(CONFIG_PATH, &cfg, &rep);

	if (err == -ENOENT) {
		found(f, FOUND_WARN, "config", "there is no %s", CONFIG_PATH);
		found_cure(f, "scripts/install.sh puts one there");
	} else if (err) {
		found(f, FOUND_FAULT, "config", "%s:%u: %s", CONFIG_PATH,
		      rep.errors[0].pos.line, rep.errors[0].text);
		found_cure(f, "asmeter check shows every fault");
	} else {
		found(f, FOUND_OK, "config", "%s is in order", CONFIG_PATH);
	}
	doctor_loc(f, cfg ? cfg->libloc.database : LOC_DB_PATH,
		   cfg && cfg->libloc.use == CONFIG_LOC_FALLBACK);
	for (int i = 0; i < c->n_args; i++)
		doctor_interface(f, c->args[i]);
	for (size_t i = 0; cfg && !c->n_args && i < cfg->n_interfaces; i++)
		doctor_interface(f, cfg->interfaces[i].name);
	if (!cfg && !c->n_args)
		doctor_attached(f);
	if (cfg && !c->n_args && !cfg->n_interfaces) {
		found(f, FOUND_WARN, "interfaces",
		      "the configuration names no interface");
		found_cure(f, "list the border interfaces under interfaces:");
	}
	config_free(cfg);
}

/* --------------------------------------------------------------- output */

/* asm_ports and asm_rows have one entry per bank and CPU: jq adds them up. */
static const char bpftool_help[] =
	"\nto look into the kernel's maps (root):\n"
	"  P=" ASM_PIN_DIR "\n"
	"  bpftool map dump pinned $P/asm_state\n"
	"  bpftool map dump pinned $P/asm_ifs | jq '.[].value | "
	"select(.ifindex "
	"> 0)'\n"
	"  bpftool map dump pinned $P/asm_as | jq -c '.[] | select(.value.asn "
	"> "
	"0)'\n"
	"  bpftool map dump pinned $P/asm_ports | jq '[.[].value | "
	"select(.ifindex > 0)]\n"
	"    | group_by(.ifindex)[] | {ifindex: .[0].ifindex, rx: "
	"(map(.rx.seen."
	"packets) | add),\n"
	"    tx: (map(.tx.seen.packets) | add)}'\n"
	"  bpftool map dump pinned $P/asm_rows | jq -c '[.[].value | "
	"select(.packets > 0)]\n"
	"    | group_by(.src_as, .dst_as, .ifindex, .dir, .family)[]\n"
	"    | .[0] + {packets: (map(.packets) | add), ip_bytes: "
	"(map(.ip_bytes) | add)}\n"
	"    | {src_as, dst_as, ifindex, dir, family, packets, ip_bytes}'\n"
	"what rows held before they were freed counts as well:\n"
	"  bpftool map dump pinned $P/asm_past | jq -c '.[].value | "
	"select(.ifindex > 0) | del(.next)'\n"
	"  bpftool link show; bpftool net\n";

static void print_text(const struct cli *c, const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->v[i];

		if (c->color)
			fprintf(c->out, "\033[%dm%-5s\033[0m ",
				level_color[x->level], level_name[x->level]);
		else
			fprintf(c->out, "%-5s ", level_name[x->level]);
		fprintf(c->out, "%-12s %s\n", x->topic, x->text);
		if (x->cure[0])
			fprintf(c->out, "%19s-> %s\n", "", x->cure);
	}
	fputs(bpftool_help, c->out);
}

static void print_json(const struct cli *c, const struct findings *f)
{
	struct buf b = {0};
	struct jw j = jw_init(&b);

	jw_object(&j, NULL);
	jw_array(&j, "findings");
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->v[i];

		jw_object(&j, NULL);
		jw_str(&j, "level",
		       x->level == FOUND_FAULT ? "fault"
					       : level_name[x->level]);
		jw_str(&j, "topic", x->topic);
		jw_str(&j, "text", x->text);
		jw_str(&j, "cure", x->cure[0] ? x->cure : NULL);
		jw_end(&j);
	}
	jw_close(&j);
	jw_end(&j);
	buf_putc(&b, '\n');
	(void)fwrite(b.p, 1, b.len, c->out);
	buf_free(&b);
}

int cli_doctor(struct cli *c)
{
	struct findings f = {0};
	int rc = CLI_OK;

	doctor_host(&f);
	doctor_pins(&f);
	doctor_config(&f, c);
	doctor_daemon(&f, c);
	for (size_t i = 0; i < f.n; i++) {
		if (f.v[i].level == FOUND_FAULT)
			rc = CLI_FAULT;
	}
	if (c->json)
		print_json(c, &f);
	else
		print_text(c, &f);
	free(f.v);
	return rc;
}
