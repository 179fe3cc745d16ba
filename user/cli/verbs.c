/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: verbs, options, help. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "asmeter/abi.h"
#include "cli/cli.h"
#include "daemon/config.h"
#include "version.h"

#define OPT(c) (UINT64_C(1) << ((c)&63))

static const struct verb {
	const char *name;
	const char *args; /* for people */
	const char *help;
	int min, max;     /* words after it */
	uint64_t options; /* besides -s, -j, -h */
	int (*run)(struct cli *c);
} verbs[] = {
	{"status", "",
	 "do the books balance, is the table live, are sessions up", 0, 0, 0,
	 cli_status},
	{"top", "[options]", "the busiest ASes, live", 0, 0,
	 OPT('p') | OPT('1') | OPT('i') | OPT('n') | OPT('b') | OPT('d') |
		 OPT('w') | OPT('a'),
	 cli_top},
	{"as", "AS", "all about the traffic of one AS", 1, 1,
	 OPT('n') | OPT('b') | OPT('w'), cli_as},
	{"lookup", "ADDRESS",
	 "which prefix and AS an address belongs to, and why", 1, 1, 0,
	 cli_lookup},
	{"interfaces", "", "the books of each metered interface", 0, 0, 0,
	 cli_interfaces},
	{"peers", "", "the BGP sessions", 0, 0, 0, cli_peers},
	{"flows", "[options]", "sampled packets, live", 0, 0,
	 OPT('1') | OPT('i') | OPT('n') | OPT('d') | OPT('a') | OPT('x') |
		 OPT('o') | OPT('P') | OPT('I'),
	 cli_flows},
	{"check", "[FILE]", "check a configuration file", 0, 1, 0, cli_check},
	{"doctor", "[INTERFACE ...]",
	 "what could be wrong here, each with its cure", 0, 64, 0, cli_doctor},
	{"attach", "INTERFACE", "meter an interface (root; no daemon needed)",
	 1, 1, OPT('m') | OPT('c'), cli_attach},
	{"confirm", "INTERFACE",
	 "let what attach --confirm attached stay (root)", 1, 1, 0,
	 cli_confirm},
	{"detach", "INTERFACE", "take the meter off an interface (root)", 0, 1,
	 OPT('A'), cli_detach},
	{"version", "", "what this is", 0, 0, 0, cli_version},
	{"help", "", "this text", 0, 0, 0, NULL},
};

#define N_VERBS (sizeof(verbs) / sizeof(*verbs))

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"pairs", no_argument, NULL, 'p'},
	{"once", no_argument, NULL, '1'},
	{"interval", required_argument, NULL, 'i'},
	{"count", required_argument, NULL, 'n'},
	{"by", required_argument, NULL, 'b'},
	{"dir", required_argument, NULL, 'd'},
	{"when", required_argument, NULL, 'w'},
	{"as", required_argument, NULL, 'a'},
	{"prefix", required_argument, NULL, 'x'},
	{"port", required_argument, NULL, 'o'},
	{"protocol", required_argument, NULL, 'P'},
	{"interface", required_argument, NULL, 'I'},
	{"mode", required_argument, NULL, 'm'},
	{"confirm", required_argument, NULL, 'c'},
	{"all", no_argument, NULL, 'A'},
	{0},
};

void cli_help(FILE *out)
{
	fputs("usage: asmeter [-s SOCKET] [-j] VERB [options]\n\n", out);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(out, "  %-10s %-15s %s\n", verbs[i].name, verbs[i].args,
			verbs[i].help);
	fputs("\nA verb may be shortened as long as it is clear: asmeter st.\n"
	      "\n"
	      "  -j, --json           JSON instead of text\n"
	      "  -s, --socket PATH    the daemon's socket (" CLI_SOCKET ")\n"
	      "  -h, --help           this text\n"
	      "top:\n"
	      "  -p, --pairs          AS pairs rather than ASes\n"
	      "  -1, --once           print once and end\n"
	      "  -i, --interval S     seconds between pictures (2)\n"
	      "  -n, --count N        so many lines (20, or the screen)\n"
	      "  -b, --by WHAT        bytes, packets, wire\n"
	      "  -d, --dir DIR        in, out, both\n"
	      "  -w, --when WHEN      last (interval), smooth (30 s), total\n"
	      "  -a, --as AS          with -p: pairs of this AS only\n"
	      "flows:\n"
	      "  -1, --once           the last ones, and end\n"
	      "  -n, --count N        end after so many\n"
	      "  -i, --interval S     seconds between questions (0.5)\n"
	      "  -a, --as AS          from or to this AS\n"
	      "  -x, --prefix PREFIX  from or to an address in it\n"
	      "  -o, --port PORT      from or to this port\n"
	      "  -P, --protocol WHAT  tcp, udp, icmp, ... or a number\n"
	      "  -I, --interface NAME in or out of it\n"
	      "  -d, --dir DIR        in, out, both\n"
	      "attach:\n"
	      "  -m, --mode MODE      auto, native, tc, generic\n"
	      "  -c, --confirm S      take it off after S seconds unless "
	      "confirmed\n"
	      "detach:\n"
	      "  -A, --all            every interface, and unpin the maps\n"
	      "\n"
	      "Exit codes: 0 in order; 1 failed or not in order; 2 wrong usage "
	      "or\nconfiguration; 3 the daemon does not answer; 4 not "
	      "permitted.\n",
	      out);
}

static const struct verb *find_verb(const char *word)
{
	const struct verb *found = NULL;
	size_t n = strlen(word);

	for (size_t i = 0; i < N_VERBS; i++) {
		if (!strcmp(word, verbs[i].name))
			return &verbs[i];
	}
	for (size_t i = 0; n && i < N_VERBS; i++) {
		if (strncmp(word, verbs[i].name, n) != 0)
			continue;
		if (found) {
			fprintf(stderr,
				"asmeter: \"%s\" is not clear: %s or %s?\n",
				word, found->name, verbs[i].name);
			return NULL;
		}
		found = &verbs[i];
	}
	if (!found)
		fprintf(stderr,
			"asmeter: there is no verb \"%s\"; see `asmeter "
			"help`\n",
			word);
	return found;
}

const char *cli_verb(const char *word)
{
	const struct verb *v = find_verb(word);

	return v ? v->name : NULL;
}

static bool one_of(const char *what, const char *value, const char *words)
{
	const char *at = words;
	size_t n = strlen(value);

	while (*at) {
		size_t len = strcspn(at, " ");

		if (len == n && !strncmp(at, value, n))
			return true;
		at += len + (at[len] == ' ');
	}
	fprintf(stderr, "asmeter: %s must be one of: %s\n", what, words);
	return false;
}

static bool number(const char *what, const char *value, double min, double max,
		   double *ret)
{
	char *end;

	errno = 0;
	*ret = strtod(value, &end);
	if (!errno && end != value && !*end && *ret >= min && *ret <= max)
		return true;
	fprintf(stderr, "asmeter: %s must be a number from %g to %g\n", what,
		min, max);
	return false;
}

/* Digits only: what the daemon takes for a number. */
static bool whole(const char *what, const char *value)
{
	if (value[strspn(value, "0123456789")] == '\0')
		return true;
	fprintf(stderr, "asmeter: %s must be a whole number\n", what);
	return false;
}

static bool take_option(struct cli *c, int o, const char *arg)
{
	struct prefix p;
	double v;

	switch (o) {
	case 's':
		c->socket = arg;
		return true;
	case 'j':
		c->json = true;
		return true;
	case 'p':
		c->pairs = true;
		return true;
	case '1':
		c->once = true;
		return true;
	case 'i':
		return number("--interval", arg, 0.1, 3600, &c->interval_s);
	case 'n':
		if (!number("--count", arg, 1, 10000, &v))
			return false;
		c->count = (int)v;
		return true;
	case 'b':
		c->by = arg;
		return one_of("--by", arg, "bytes packets wire");
	case 'd':
		c->dir = arg;
		return one_of("--dir", arg, "in out both");
	case 'w':
		c->when = arg;
		return one_of("--when", arg, "last smooth total");
	case 'a':
		c->has_asn = true;
		if (!config_parse_asn(arg, &c->asn))
			return true;
		fprintf(stderr, "asmeter: \"%s\" is not an AS number\n", arg);
		return false;
	case 'x':
		c->prefix = arg;
		if (!prefix_parse(arg, &p))
			return true;
		fprintf(stderr,
			"asmeter: \"%s\" is not a prefix such as "
			"192.0.2.0/24\n",
			arg);
		return false;
	case 'o':
		c->port = arg;
		return number("--port", arg, 0, UINT16_MAX, &v) &&
		       whole("--port", arg);
	case 'P':
		c->protocol = arg;
		if (cli_protocol(arg) >= 0)
			return true;
		fprintf(stderr, "asmeter: \"%s\" is not a protocol\n", arg);
		return false;
	case 'I':
		c->interface = arg;
		return true;
	case 'A':
		c->all = true;
		return true;
	case 'c':
		if (!number("--confirm", arg, 1, 86400, &v))
			return false;
		c->confirm_s = (uint32_t)v;
		return true;
	case 'm':
		c->mode = arg;
		return one_of("--mode", arg, "auto native tc generic");
	default:
		return false;
	}
}

/* Options may stand anywhere, before and after the verb. -1: the process can
 * end with *ret_rc. */
static int parse(struct cli *c, int argc, char **argv, uint64_t *ret_given,
		 int *ret_rc)
{
	int o;

	optind = 0;
	while ((o = getopt_long(argc, argv, "s:jhVp1i:n:b:d:w:a:x:o:P:I:m:c:A",
				long_options, NULL)) != -1) {
		*ret_rc = CLI_OK;
		if (o == 'h') {
			cli_help(c->out);
			return -1;
		}
		if (o == 'V') {
			*ret_rc = cli_version(c);
			return -1;
		}
		*ret_rc = CLI_USAGE;
		if (!take_option(c, o, optarg))
			return -1;
		if (o != 's' && o != 'j')
			*ret_given |= OPT(o);
	}
	return 0;
}

static void look_at_terminal(struct cli *c)
{
	struct winsize ws;
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	c->tty = isatty(fileno(c->out)) == 1;
	c->color = c->tty && term && strcmp(term, "dumb") != 0 && !(no && *no);
	if (c->tty && ioctl(fileno(c->out), TIOCGWINSZ, &ws) == 0)
		c->width = ws.ws_col;
}

int cli_main(int argc, char **argv, FILE *out)
{
	struct cli c = {.socket = CLI_SOCKET, .out = out};
	uint64_t given = 0;
	int rc;

	look_at_terminal(&c);
	if (parse(&c, argc, argv, &given, &rc))
		return rc;
	if (optind >= argc) {
		cli_help(stderr);
		return CLI_USAGE;
	}
	const struct verb *v = find_verb(argv[optind++]);

	if (!v)
		return CLI_USAGE;
	if (!v->run) {
		cli_help(out);
		return CLI_OK;
	}
	c.args = argv + optind;
	c.n_args = argc - optind;
	if (c.n_args < v->min || c.n_args > v->max) {
		fprintf(stderr, "usage: asmeter %s%s%s\n", v->name,
			*v->args ? " " : "", v->args);
		return CLI_USAGE;
	}
	if (given & ~v->options) {
		fprintf(stderr,
			"asmeter: an option that `%s` does not have; see "
			"`asmeter help`\n",
			v->name);
		return CLI_USAGE;
	}
	return v->run(&c);
}

int cli_version(struct cli *c)
{
	if (c->json)
		fprintf(c->out, "{\"version\":\"%s\",\"abi\":%u}\n",
			ASMETER_VERSION, ASM_ABI_VERSION);
	else
		fprintf(c->out, "asmeter %s\n", ASMETER_VERSION);
	return CLI_OK;
}
