/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the meter share; for meter.c and serve.c only. */
#ifndef DAEMON_METER_INT_H
#define DAEMON_METER_INT_H

#include <uv.h>

#include "api/api.h"
#include "api/http.h"
#include "daemon/books.h"
#include "daemon/config.h"
#include "daemon/flows.h"
#include "daemon/ipc.h"
#include "daemon/peers.h"
#include "daemon/routes.h"
#include "daemon/samples.h"
#include "daemon/streams.h"

#define METER_LISTENERS_MAX 40

struct meter {
	uv_loop_t loop;
	int sock; /* to the keeper */
	uv_poll_t sock_poll;
	uv_timer_t beat;
	unsigned beats;
	int rc;     /* exit code */
	bool stuck; /* a thread did not end */
	bool stopping;

	/* handed over */
	struct config *cfg;
	int map_fd[ASM_MAP_COUNT];
	bool have_maps, started, going;
	uint32_t starts, reloads, reloads_refused;
	struct {
		int fd;
		enum ipc_listener kind;
	} listeners[METER_LISTENERS_MAX];
	unsigned n_listeners;
	struct ipc_msg ifaces[ASM_IF_SLOTS]; /* as the keeper tells them */
	struct ipc_msg coming[ASM_IF_SLOTS]; /* the list being received */
	size_t n_ifaces;

	struct books *books;
	struct routes *routes;
	struct flows *flows;
	struct samples *samples;
	bool sampling; /* some interface has a rate */
	uint32_t taps; /* rings opened by the keeper */
	char sampling_error[IPC_TEXT];
	struct peers *peers; /* NULL until IPC_GO */
	struct streams *streams;
	struct http *http;
	struct api_ctx api;
	struct api_iface api_ifaces[ASM_IF_SLOTS];
	struct api_ring api_rings[ASM_XSK_SLOTS];
	struct api_samples_port api_samples[ASM_PORT_SLOTS * ASM_DIRS];
	char hostname[256];
};

/* The HTTP server over the listeners; -errno. */
int serve_start(struct meter *m);
/* After a reload: what the answers take from the configuration. */
void serve_configure(struct meter *m);

#endif
