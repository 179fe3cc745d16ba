/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmicrohttpd without a thread: it keeps an epoll set of its own, whose
 * descriptor the libuv loop polls like any other, and tells how long it may
 * sleep, which becomes a libuv timer.
 *
 * Connections are accepted here: the library, when it has as many as it may,
 * would let a newcomer wait until one of them times out, which a client that
 * sends a byte now and then never does. See conns.h for who makes room.
 *
 * One MHD daemon per listening socket, so that the limit per address does not
 * count the clients of a Unix socket as one.
 */
#include "api/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/conns.h"

#define MEMORY_PER_CONNECTION (16u * 1024)
#define DEFAULT_CONNECTIONS   1024
#define DEFAULT_TIMEOUT_S     15
/* Nobody has a reason to send one; what comes is read and thrown away. */
#define BODY_MAX 4096
/* Of an answer that waits in the kernel for a client that does not read: the
 * whole page there, for each of a crowd, would take memory by the gigabyte and
 * more time than all else. */
#define SEND_BUFFER (64 * 1024)
/* At once, before the others have their turn. */
#define ACCEPT_BATCH 32
/* Until the next try, when the process has no descriptor left. */
#define ACCEPT_PAUSE_MS 100

struct server {
	struct http *http;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;   /* the library's epoll set */
	uv_timer_t timer; /* its time-outs */
	int listener;
	uv_poll_t arrival;
	uv_timer_t pause; /* of accepting */
	struct conns conns;
	struct conn *arriving; /* being handed to the library */
	bool local;            /* a Unix socket */
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

static struct conn *conn_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
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
	conn_progress(conn_of(c), true, mono_now());
	if (api_handle(s->http->ctx, &req, &res))
		return send_plain(c, MHD_HTTP_SERVICE_UNAVAILABLE);
	return send_answer(c, &res);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con_cls,
			 enum MHD_RequestTerminationCode why)
{
	(void)cls;
	free(*con_cls);
	*con_cls = NULL;
	if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		conn_progress(conn_of(c), false, mono_now());
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct server *s = cls;

	(void)c;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = s->arriving;
		s->arriving = NULL;
	} else if (*context) {
		conns_remove(&s->conns, *context);
		*context = NULL;
	}
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

static void run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	(void)MHD_run(s->mhd);
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

/* ------------------------------------------------------------ accepting */

static void on_arrival(uv_poll_t *p, int status, int events);

static void on_pause_over(uv_timer_t *t)
{
	struct server *s = t->data;

	(void)uv_poll_start(&s->arrival, UV_READABLE, on_arrival);
}

/* The library sees the end of the connection when it runs next. */
static void evict(struct server *s, const struct conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
	s->http->ctx->evicted++;
	run(s);
}

static void take(struct server *s, int fd, const struct sockaddr *from,
		 socklen_t len)
{
	struct conn *c = conns_in_the_way(&s->conns, from, mono_now());
	int size = SEND_BUFFER;

	if (c)
		evict(s, c);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	s->arriving = conns_add(&s->conns, fd, from, mono_now());
	if (!s->arriving) {
		close(fd);
		return;
	}
	/* closes the socket if it cannot */
	(void)MHD_add_connection(s->mhd, fd, from, len);
	if (s->arriving)
		conns_remove(&s->conns, s->arriving);
	s->arriving = NULL;
}

/* False when nobody is waiting, or there is no descriptor for whom is. */
static bool accept_one(struct server *s)
{
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof(from);
	int fd = accept4(s->listener, (struct sockaddr *)&from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		take(s, fd, (struct sockaddr *)&from, len);
		return true;
	}
	if (errno == EAGAIN)
		return false;
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM &&
	    errno != ENOBUFS)
		return true; /* of the connection, which is gone */
	(void)uv_poll_stop(&s->arrival);
	(void)uv_timer_start(&s->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
	return false;
}

static void on_arrival(uv_poll_t *p, int status, int events)
{
	struct server *s = p->data;

	(void)status;
	(void)events;
	for (unsigned i = 0; i < ACCEPT_BATCH && accept_one(s); i++)
		;
	run(s);
}

/* ------------------------------------------------------- start and stop */

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

/* At least half of the descriptors that there may be are for others. */
static unsigned default_connections(unsigned listeners)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) ||
	    rl.rlim_cur / 2 / listeners >= DEFAULT_CONNECTIONS)
		return DEFAULT_CONNECTIONS;
	return (unsigned)(rl.rlim_cur / 2 / listeners);
}

static struct MHD_Daemon *mhd_start(struct server *s,
				    const struct http_cfg *cfg)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		/* never reached: see take() */
		MHD_OPTION_CONNECTION_LIMIT, s->conns.max + ACCEPT_BATCH,
		MHD_OPTION_CONNECTION_TIMEOUT,
		cfg->timeout_s ? cfg->timeout_s : (unsigned)DEFAULT_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MEMORY_PER_CONNECTION, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		s, MHD_OPTION_END);
}

static int server_start(uv_loop_t *loop, struct http *h, struct server *s,
			int fd, const struct http_cfg *cfg)
{
	const union MHD_DaemonInfo *info;

	s->http = h;
	s->listener = fd;
	s->local = is_local(fd);
	s->conns.max = cfg->max_connections
			       ? cfg->max_connections
			       : default_connections(cfg->n_listeners);
	if (!s->local)
		s->conns.max_per_ip =
			cfg->max_per_ip ? cfg->max_per_ip : s->conns.max / 2;
	s->mhd = mhd_start(s, cfg);
	if (!s->mhd)
		goto fail;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || uv_poll_init(loop, &s->poll, info->epoll_fd))
		goto fail;
	s->poll.data = s->timer.data = s->arrival.data = s->pause.data = s;
	h->handles++;
	if (uv_poll_init(loop, &s->arrival, fd)) {
		uv_close((uv_handle_t *)&s->poll, on_closed);
		goto fail;
	}
	(void)uv_timer_init(loop, &s->timer);
	(void)uv_timer_init(loop, &s->pause);
	h->handles += 3;
	h->n++;
	(void)uv_poll_start(&s->poll, UV_READABLE, on_poll);
	(void)uv_poll_start(&s->arrival, UV_READABLE, on_arrival);
	run(s);
	return 0;
fail:
	if (s->mhd)
		MHD_stop_daemon(s->mhd);
	s->mhd = NULL;
	close(fd);
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
	if (!h->handles) {
		free(h);
		return;
	}
	for (unsigned i = 0; i < h->n; i++) {
		struct server *s = &h->server[i];
		uv_handle_t *const handles[] = {(uv_handle_t *)&s->poll,
						(uv_handle_t *)&s->timer,
						(uv_handle_t *)&s->arrival,
						(uv_handle_t *)&s->pause};

		/* before the descriptors that they poll are closed */
		for (unsigned k = 0; k < 4; k++)
			uv_close(handles[k], on_closed);
		MHD_stop_daemon(s->mhd);
		close(s->listener);
	}
}
