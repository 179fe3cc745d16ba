/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmicrohttpd without a thread: it keeps an epoll set of its own, whose
 * descriptor the libuv loop polls like any other, and tells how long it may
 * sleep, which becomes a libuv timer.
 *
 * One MHD daemon per listening socket, so that the limit per address does not
 * count the clients of a Unix socket as one.
 */
#include "api/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMORY_PER_CONNECTION (32u * 1024)
#define DEFAULT_CONNECTIONS   128
#define DEFAULT_PER_IP        64
#define DEFAULT_TIMEOUT_S     15
/* Nobody has a reason to send one; what comes is read and thrown away. */
#define BODY_MAX 4096

struct server {
	struct http *http;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned connections; /* after the last run */
	bool local;           /* a Unix socket */
};

struct http {
	struct api_ctx *ctx;
	unsigned n;
	unsigned handles; /* open in the loop */
	bool stopping;
	struct server server[];
};

/* What is known of a request between two calls for it. */
struct request {
	size_t body; /* bytes received */
};

/* ------------------------------------------------------------- requests */

static enum MHD_Result on_param(void *cls, enum MHD_ValueKind kind,
				const char *key, const char *value)
{
	struct api_request *r = cls;

	(void)kind;
	if (r->n_params >= API_PARAMS_MAX) {
		r->n_params = API_PARAMS_MAX + 1;
		return MHD_NO;
	}
	r->params[r->n_params++] = (struct api_param){key, value};
	return MHD_YES;
}

/* RFC 9110 12.5.3, as far as gzip goes: not with q=0, and "*" only speaks for
 * what is not named. */
static bool takes_gzip(const char *accept)
{
	bool any = false;

	while (accept && *accept) {
		size_t len, name;
		const char *q;
		bool takes;

		accept += strspn(accept, " \t");
		len = strcspn(accept, ",");
		name = strcspn(accept, " \t;,");
		q = memmem(accept, len, "q=", 2);
		takes = !q || strtod(q + 2, NULL) > 0;
		if (name == 4 && !strncasecmp(accept, "gzip", 4))
			return takes;
		if (name == 1 && *accept == '*')
			any = takes;
		accept += len;
		accept += *accept == ',';
	}
	return any;
}

static void text_free(void *cls)
{
	api_text_unref(cls);
}

static enum MHD_Result send_plain(struct MHD_Connection *c, unsigned status)
{
	static char none[] = "";
	struct MHD_Response *m =
		MHD_create_response_from_buffer(0, none,
						MHD_RESPMEM_PERSISTENT);

	if (!m)
		return MHD_NO;
	(void)MHD_add_response_header(m, "Connection", "close");
	enum MHD_Result rc = MHD_queue_response(c, status, m);

	MHD_destroy_response(m);
	return rc;
}

static enum MHD_Result send_answer(struct MHD_Connection *c,
				   const struct api_response *r)
{
	struct MHD_Response *m =
		MHD_create_response_from_buffer_with_free_callback_cls(
			r->text->b.len, r->text->b.p, text_free, r->text);

	if (!m) {
		api_text_unref(r->text);
		return MHD_NO;
	}
	(void)MHD_add_response_header(m, "Content-Type", r->type);
	(void)MHD_add_response_header(m, "Cache-Control", "no-store");
	(void)MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(
		m, "Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; "
		"frame-ancestors 'none'");
	(void)MHD_add_response_header(m, "Vary", "Accept-Encoding");
	if (r->gzip)
		(void)MHD_add_response_header(m, "Content-Encoding", "gzip");
	if (r->allow)
		(void)MHD_add_response_header(m, "Allow", r->allow);
	enum MHD_Result rc = MHD_queue_response(c, r->status, m);

	MHD_destroy_response(m);
	return rc;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c,
				  const char *url, const char *method,
				  const char *version, const char *body,
				  size_t *body_len, void **con_cls)
{
	struct server *s = cls;
	struct request *rq = *con_cls;

	(void)version;
	(void)body;
	if (!rq) { /* only the head has come */
		rq = calloc(1, sizeof(*rq));
		*con_cls = rq;
		return rq ? MHD_YES : MHD_NO;
	}
	if (*body_len) {
		rq->body += *body_len;
		*body_len = 0;
		/* closes: the answer cannot be sent while it still sends */
		return rq->body > BODY_MAX ? MHD_NO : MHD_YES;
	}
	struct api_request req = {.method = method,
				  .path = url,
				  .local = s->local};
	struct api_response res;

	(void)MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, on_param,
					&req);
	req.gzip = takes_gzip(MHD_lookup_connection_value(c, MHD_HEADER_KIND,
							  "Accept-Encoding"));
	if (rq->body)
		return send_plain(c, MHD_HTTP_CONTENT_TOO_LARGE);
	if (api_handle(s->http->ctx, &req, &res))
		return send_plain(c, MHD_HTTP_SERVICE_UNAVAILABLE);
	return send_answer(c, &res);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con_cls,
			 enum MHD_RequestTerminationCode why)
{
	(void)cls;
	(void)c;
	(void)why;
	free(*con_cls);
	*con_cls = NULL;
}

/* Called with each line that MHD would print; a client can provoke them, and
 * none says more than the counters do. */
static void on_log(void *cls, const char *fmt, va_list ap)
{
	(void)cls;
	(void)fmt;
	(void)ap;
}

/* ------------------------------------------------------------- the loop */

static void on_timer(uv_timer_t *t);

static unsigned connections(const struct server *s)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(s->mhd,
				    MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

/* When there is no room MHD takes the listener out of its epoll set, and
 * looks whether to put it back only at the start of a run: so a run after
 * which there is more room is followed by another. */
static void run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	unsigned before;

	do {
		before = s->connections;
		(void)MHD_run(s->mhd);
		s->connections = connections(s);
	} while (s->connections < before);
	if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
		(void)uv_timer_start(&s->timer, on_timer, ms, 0);
	else
		(void)uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *t)
{
	run(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	run(p->data);
}

static void on_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;
	struct http *h = s->http;

	if (--h->handles == 0 && h->stopping)
		free(h);
}

static bool is_local(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	       ss.ss_family == AF_UNIX;
}

static struct MHD_Daemon *mhd_start(struct server *s, int fd,
				    const struct http_cfg *cfg)
{
	unsigned conns = cfg->max_connections ? cfg->max_connections
					      : DEFAULT_CONNECTIONS;
	unsigned per_ip = cfg->max_per_ip ? cfg->max_per_ip : DEFAULT_PER_IP;

	return MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, s,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		conns, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		s->local ? 0u : per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
		cfg->timeout_s ? cfg->timeout_s : (unsigned)DEFAULT_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY_PER_CONNECTION, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_END);
}

static int server_start(uv_loop_t *loop, struct http *h, struct server *s,
			int fd, const struct http_cfg *cfg)
{
	const union MHD_DaemonInfo *info;

	s->http = h;
	s->local = is_local(fd);
	s->mhd = mhd_start(s, fd, cfg);
	if (!s->mhd)
		return -EIO;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || uv_poll_init(loop, &s->poll, info->epoll_fd))
		goto fail;
	s->poll.data = s->timer.data = s;
	(void)uv_timer_init(loop, &s->timer);
	h->handles += 2;
	h->n++;
	(void)uv_poll_start(&s->poll, UV_READABLE, on_poll);
	run(s);
	return 0;
fail:
	MHD_stop_daemon(s->mhd); /* closes the listener, too */
	s->mhd = NULL;
	return -EIO;
}

int http_start(uv_loop_t *loop, const struct http_cfg *cfg, struct api_ctx *ctx,
	       struct http **ret)
{
	struct http *h = calloc(1, sizeof(*h) + cfg->n_listeners *
							sizeof(struct server));
	unsigned i = 0;
	int err = h ? 0 : -ENOMEM;

	if (h)
		h->ctx = ctx;
	while (h && !err && i < cfg->n_listeners) {
		struct server *s = &h->server[i];

		err = server_start(loop, h, s, cfg->listeners[i], cfg);
		i++;
	}
	if (!err) {
		*ret = h;
		return 0;
	}
	for (; i < cfg->n_listeners; i++)
		close(cfg->listeners[i]);
	http_stop(h);
	return err;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	h->stopping = true;
	if (!h->n) {
		free(h);
		return;
	}
	for (unsigned i = 0; i < h->n; i++) {
		struct server *s = &h->server[i];

		/* before the descriptor that it polls is closed */
		(void)uv_poll_stop(&s->poll);
		(void)uv_timer_stop(&s->timer);
		uv_close((uv_handle_t *)&s->poll, on_closed);
		uv_close((uv_handle_t *)&s->timer, on_closed);
		MHD_stop_daemon(s->mhd);
	}
}
