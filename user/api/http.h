/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP over listening sockets that somebody else opened (TCP or Unix),
 * libmicrohttpd inside the caller's libuv loop: no threads, no locks. Slow,
 * idle and greedy clients cost a bounded number of descriptors and bytes.
 */
#ifndef API_HTTP_H
#define API_HTTP_H

#include <stdint.h>
#include <uv.h>

#include "api/api.h"

struct http;

struct http_cfg {
	const int *listeners; /* taken over, also on failure */
	unsigned n_listeners;
	/* one more, and the slowest makes room: conns.h */
	unsigned max_connections; /* per listener; 0: 1024, or less if the
				   * process may not open that many files */
	unsigned max_per_ip;      /* 0: half of it; not for Unix sockets */
	unsigned timeout_s;       /* of an idle connection; 0: 15 */
};

/* ctx and loop stay the caller's and must outlive the server. -EIO: the
 * library would not start. */
int http_start(uv_loop_t *loop, const struct http_cfg *cfg, struct api_ctx *ctx,
	       struct http **ret);
/* Closes all connections and listeners; what it has in the loop is gone after
 * the loop's next turn, and then it frees itself. NULL is fine. */
void http_stop(struct http *h);

#endif
