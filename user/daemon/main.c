/* SPDX-License-Identifier: BSD-2-Clause */
/* asmeterd: see keeper.h for what it does, meter.h for its other half. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config.h"
#include "daemon/exits.h"
#include "daemon/keeper.h"
#include "daemon/meter.h"
#include "version.h"

static const char usage[] =
	"asmeterd: meters the traffic of a border router per AS\n"
	"\n"
	"  --config FILE            the configuration (" CONFIG_PATH ")\n"
	"  --check                  check the configuration and end\n"
	"  --foreground             stay in the foreground (always so)\n"
	"  --dump-config-reference  every key, its type, default and meaning\n"
	"  --version, --help\n"
	"\n"
	"Signals: TERM stops (what is attached counts on), HUP reloads.\n"
	"Exit codes: 0 ok, 1 failure, 2 usage or configuration, 3 interface,\n"
	"4 kernel, 5 privilege, 6 memory, 7 port or socket taken, 8 bpffs,\n"
	"9 meter.\n";

static int check(const char *path)
{
	static struct config_report rep; /* large */
	struct config *cfg = NULL;
	int err = config_load(path, &cfg, &rep);

	if (err) {
		config_report_print(&rep, path, stderr);
		return EXIT_CONFIG;
	}
	(void)printf("%s: OK\n", path);
	config_free(cfg);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"foreground", no_argument, NULL, 'f'},
		{"dump-config-reference", no_argument, NULL, 'd'},
		{"meter", required_argument, NULL, 'm'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *path = CONFIG_PATH;
	bool only_check = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:h", opts, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'f':
			break;
		case 'd':
			config_print_reference(stdout);
			return EXIT_OK;
		case 'm':
			return meter_run((int)strtol(optarg, NULL, 10));
		case 'v':
			(void)puts("asmeterd " ASMETER_VERSION);
			return EXIT_OK;
		case 'h':
			(void)fputs(usage, stdout);
			return EXIT_OK;
		default:
			(void)fputs("asmeterd --help says more\n", stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "asmeterd: \"%s\" is not expected\n",
			      argv[optind]);
		return EXIT_CONFIG;
	}
	return only_check ? check(path) : keeper_run(path);
}
