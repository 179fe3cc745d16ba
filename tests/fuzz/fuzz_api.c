/* SPDX-License-Identifier: BSD-2-Clause */
/* Any request at all, as it comes out of the HTTP library: the first byte picks
 * the method, then PATH?KEY=VALUE&KEY... of any bytes but NUL. Every one has
 * an answer, with a status and a body. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct api_ctx *context(void)
{
	static struct api_ctx ctx;
	static struct ledger *l;
	struct ledger_cfg cfg = LEDGER_CFG_DEFAULT;
	struct asm_row row = {.src_as = 64500,
			      .dst_as = 64501,
			      .ifindex = 2,
			      .family = 4,
			      .packets = 1,
			      .ip_bytes = 40,
			      .wire_bytes = 60};
	struct asm_if ifc = {.ifindex = 2, .name = "eth0"};
	struct asm_books rx = {.seen = {1, 40, 60}, .attributed = {1, 40, 60}},
			 tx = {0};

	if (l)
		return &ctx;
	if (ledger_new(&cfg, &l))
		abort();
	ledger_begin(l, (struct mono){NSEC_PER_SEC});
	ledger_pair(l, 0, &row);
	ledger_port(l, 2, &ifc, &rx, &tx);
	if (ledger_end(l))
		abort();
	ctx = (struct api_ctx){.router = "r1",
			       .version = "fuzz",
			       .ledger = l,
			       .started = mono_now()};
	return &ctx;
}

static void take_query(char *query, struct api_request *ret)
{
	for (char *p = query; p; ret->n_params++) {
		char *next = strchr(p, '&'), *value;

		if (next)
			*next++ = '\0';
		if (ret->n_params < API_PARAMS_MAX) {
			value = strchr(p, '=');
			if (value)
				*value++ = '\0';
			ret->params[ret->n_params] =
				(struct api_param){p, value};
		}
		p = next;
		if (ret->n_params == API_PARAMS_MAX)
			p = NULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "get", ""};
	struct api_request req = {0};
	struct api_response resp = {0};
	char text[2048], *query;

	if (size < 1 || size > sizeof(text))
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	req.method = methods[(data[0] & 0x7f) % 5];
	req.gzip = data[0] >> 7;
	req.path = text;
	query = strchr(text, '?');
	if (query)
		*query++ = '\0';
	take_query(query, &req);
	if (api_handle(context(), &req, &resp))
		abort();
	if (resp.status < 200 || resp.status > 599 || !resp.type || !resp.text)
		abort();
	api_text_unref(resp.text);
	return 0;
}
