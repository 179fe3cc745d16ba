/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking the daemon over its Unix socket. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"

/* A daemon gone mad must not fill the memory of who asks it. */
#define ANSWER_MAX (256u << 20)

static size_t on_data(char *p, size_t size, size_t n, void *ctx)
{
	struct buf *b = ctx;

	if (b->len + size * n > ANSWER_MAX)
		return 0;
	buf_put(b, p, size * n);
	return b->failed ? 0 : size * n;
}

static int unreachable(const struct cli *c, CURL *h, CURLcode rc, char *msg,
		       size_t msg_len)
{
	long err = 0;

	(void)curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &err);
	if (rc == CURLE_OPERATION_TIMEDOUT)
		snprintf(msg, msg_len,
			 "the daemon did not answer in time at %s; see "
			 "`journalctl -u asmeterd`",
			 c->socket);
	else if (err == EACCES)
		snprintf(msg, msg_len,
			 "no permission for %s: be root or a member of its "
			 "group (`adduser USER asmeter`)",
			 c->socket);
	else if (rc == CURLE_COULDNT_CONNECT)
		snprintf(msg, msg_len,
			 "no daemon at %s: is it running? (`systemctl status "
			 "asmeterd`; other socket: -s)",
			 c->socket);
	else
		snprintf(msg, msg_len, "asking %s: %s", c->socket,
			 curl_easy_strerror(rc));
	return err == EACCES ? CLI_PERMISSION : CLI_UNREACHABLE;
}

/* Turns the body into a document, or into the error that it tells of. */
static int answer(const struct buf *body, long status, json_t **ret, char *msg,
		  size_t msg_len)
{
	json_error_t err;
	json_t *v = json_loadb(body->p ? body->p : "", body->len,
			       JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);

	if (v && status == 200) {
		*ret = v;
		return CLI_OK;
	}
	if (v && js_str(v, "error")[0])
		snprintf(msg, msg_len, "%s", js_str(v, "error"));
	else
		snprintf(msg, msg_len,
			 "the daemon answered with status %ld and no JSON",
			 status);
	json_decref(v);
	return status == 400 ? CLI_USAGE : CLI_FAULT;
}

int cli_try(const struct cli *c, const char *path, json_t **ret, char *msg,
	    size_t msg_len)
{
	struct buf body = {0};
	char url[512];
	CURL *h = curl_easy_init();
	long status = 0;
	int rc;

	if (!h) {
		snprintf(msg, msg_len, "out of memory");
		return CLI_FAULT;
	}
	snprintf(url, sizeof(url), "http://asmeter%s", path);
	(void)curl_easy_setopt(h, CURLOPT_URL, url);
	(void)curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	(void)curl_easy_setopt(h, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	(void)curl_easy_setopt(h, CURLOPT_WRITEDATA, &body);
	(void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 10000L);
	(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	CURLcode code = curl_easy_perform(h);

	(void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	rc = code == CURLE_OK ? answer(&body, status, ret, msg, msg_len)
			      : unreachable(c, h, code, msg, msg_len);
	curl_easy_cleanup(h);
	buf_free(&body);
	return rc;
}

int cli_get(const struct cli *c, const char *path, json_t **ret)
{
	char msg[256];
	int rc = cli_try(c, path, ret, msg, sizeof(msg));

	if (rc)
		fprintf(stderr, "asmeter: %s\n", msg);
	return rc;
}

void cli_put_json(const struct cli *c, json_t *v)
{
	(void)json_dumpf(v, c->out, JSON_COMPACT | JSON_REAL_PRECISION(12));
	putc('\n', c->out);
}

int cli_show(struct cli *c, const char *path,
	     void (*print)(const struct cli *c, json_t *v))
{
	json_t *v;
	int rc = cli_get(c, path, &v);

	if (rc)
		return rc;
	if (c->json)
		cli_put_json(c, v);
	else
		print(c, v);
	json_decref(v);
	return CLI_OK;
}

json_t *js_at(json_t *v, const char *path)
{
	while (v && *path) {
		size_t n = strcspn(path, ".");
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		v = json_object_get(v, key);
		path += n + (path[n] == '.');
	}
	return v;
}

uint64_t js_u64(json_t *v, const char *path)
{
	return (uint64_t)json_integer_value(js_at(v, path));
}

int64_t js_i64(json_t *v, const char *path)
{
	return json_integer_value(js_at(v, path));
}

double js_f64(json_t *v, const char *path)
{
	return json_number_value(js_at(v, path));
}

bool js_bool(json_t *v, const char *path)
{
	return json_is_true(js_at(v, path));
}

const char *js_str(json_t *v, const char *path)
{
	const char *s = json_string_value(js_at(v, path));

	return s ? s : "";
}
