/* SPDX-License-Identifier: BSD-2-Clause */
#include <curl/curl.h>
#include <locale.h>
#include <signal.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	(void)setlocale(LC_CTYPE, "");
	(void)signal(SIGPIPE, SIG_DFL);
	if (curl_global_init(CURL_GLOBAL_NOTHING))
		return CLI_FAULT;
	int rc = cli_main(argc, argv, stdout);

	curl_global_cleanup();
	if (fflush(stdout) && rc == CLI_OK)
		rc = CLI_FAULT;
	return rc;
}
