/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/meter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/exits.h"
#include "daemon/meter_int.h"
#include "daemon/privs.h"
#include "daemon/sandbox.h"

#define BEAT_MS      3000
#define STATUS_BEATS 4 /* a status line each so many beats */
/* For a meter that lost its keeper and writes down what it knows. */
#define STATE_TRIES   150
#define STATE_WAIT_MS 100

static void say(struct meter *m, enum ipc_type type, uint32_t arg,
		const char *text)
{
	struct ipc_msg msg = {.type = (uint16_t)type, .arg = arg};

	(void)snprintf(msg.text, sizeof(msg.text), "%s", text);
	(void)ipc_send(m->sock, &msg, NULL, 0);
}

/* ---------------------------------------------------------------- end */

/* What must outlive the process is written; its memory goes with it. */
static void end(struct meter *m, int rc, enum bgp_stop how)
{
	if (m->stopping)
		return;
	m->stopping = true;
	m->rc = rc;
	http_stop(m->http); /* first: the next one waits for the ports */
	peers_stop(m->peers, how);
	samples_stop(m->samples);
	flows_stop(m->flows);
	routes_stop(m->routes);
	books_stop(m->books);
	m->stuck = !streams_stop(m->streams);
	m->streams = NULL;
	uv_stop(&m->loop);
}

static void fail(struct meter *m, const char *what, int err)
{
	log_error("%s: %s", what, strerror(-err));
	end(m, EXIT_FAILED, BGP_STOP_RESTART);
}

/* -------------------------------------------------------------- start */

static void on_cut(void *ctx)
{
	struct meter *m = ctx;

	/* the ledger itself is read when somebody asks */
	if (m->samples)
		samples_cut(m->samples);
	if (m->flows)
		flows_cut(m->flows);
	if (m->streams)
		streams_cut(m->streams, books_ledger(m->books));
}

/* Without a ring the counters go on, and what is lost is counted. The same
 * ring comes again when the keeper tells of another one. */
static void on_ring(struct meter *m, const struct ipc_msg *msg, const int *fds)
{
	struct samples_ring r = {.number = msg->arg2,
				 .given = msg->count,
				 .fds = {.sock = fds[0],
					 .mem = fds[1],
					 .frames = msg->arg,
					 .zerocopy = msg->zerocopy != 0,
					 .bind_ifindex = msg->iface.ifindex,
					 .bind_queue = msg->bind_queue}};
	int err;

	memcpy(r.iface, msg->iface.name, sizeof(r.iface));
	if (!m->samples) {
		xsk_fds_close(&r.fds);
		return;
	}
	err = samples_ring(m->samples, &r);
	if (err)
		log_error("the ring of samples: %s", strerror(-err));
}

static void on_rings(struct meter *m, const struct ipc_msg *msg)
{
	if (msg->text[0])
		samples_no_ring(m->samples);
	else if (msg->count == IPC_RINGS_BEGIN)
		samples_rings_begin(m->samples);
	else if (msg->count == IPC_RINGS_END)
		samples_rings_end(m->samples);
}

static void on_start(struct meter *m)
{
	const struct asm_state *st;
	int err;

	if (m->started || !m->have_maps || !m->cfg) {
		fail(m, "start", -EPROTO);
		return;
	}
	err = routes_start(&m->loop, m->map_fd, m->cfg, &m->routes);
	if (err) {
		fail(m, "the prefix table", err);
		return;
	}
	st = routes_state(m->routes);
	err = books_start(&m->loop, m->map_fd, st->created_at, m->cfg, on_cut,
			  m, &m->books);
	if (err) {
		fail(m, "the counters", err);
		return;
	}
	err = flows_start(&m->loop, m->cfg, m->routes, m->books, &m->flows);
	if (err) {
		fail(m, "the flow records", err);
		return;
	}
	err = samples_start(m->samples, m->flows, m->books);
	if (err) {
		fail(m, "the samples", err);
		return;
	}
	flows_lost_by(m->flows, samples_missed, m->samples);
	err = streams_start(CONFIG_STATE_DIR, st->created_at, m->cfg,
			    books_ledger(m->books), &m->streams);
	if (err) {
		fail(m, "Kafka", err);
		return;
	}
	(void)flows_sink(m->flows, streams_flow, m->streams);
	err = serve_start(m);
	if (err) {
		fail(m, "the HTTP server", err);
		return;
	}
	m->started = true;
	say(m, IPC_READY, 0, "");
}

static void on_go(struct meter *m)
{
	char text[IPC_TEXT] = "";
	int err;

	if (!m->started || m->going)
		return;
	m->going = true;
	err = peers_start(&m->loop, m->cfg, m->routes, &m->peers, text,
			  sizeof(text));
	if (err)
		log_error("%s", text[0] ? text : strerror(-err));
	for (unsigned i = 0; m->peers && i < m->n_listeners; i++) {
		if (m->listeners[i].kind != IPC_LISTEN_BGP)
			continue;
		err = peers_listen(m->peers, m->listeners[i].fd);
		if (err)
			log_error("bgp.listen: %s", strerror(-err));
	}
}

/* ------------------------------------------------------------- config */

static void on_config(struct meter *m, int fd)
{
	static struct config_report rep; /* large */
	struct config *cfg = NULL, *old = m->cfg;
	char text[IPC_TEXT] = "";
	int err = config_load_fd(fd, &cfg, &rep);

	close(fd);
	if (err) {
		say(m, IPC_RELOADED, 1,
		    rep.n ? rep.errors[0].text : strerror(-err));
		return;
	}
	log_setup(cfg->log_level, "meter");
	if (!m->started) {
		config_free(old);
		m->cfg = cfg;
		return;
	}
	if (m->peers && peers_configure(m->peers, cfg, text, sizeof(text)))
		log_error("%s: the neighbors stay as they were", text);
	m->cfg = cfg;
	routes_configure(m->routes, cfg);
	books_configure(m->books, cfg);
	flows_configure(m->flows, cfg);
	streams_configure(m->streams, cfg, books_ledger(m->books));
	serve_configure(m);
	config_free(old);
	say(m, IPC_RELOADED, text[0] != '\0', text);
}

static void on_iface(struct meter *m, const struct ipc_msg *msg)
{
	if (!msg->arg2) {
		m->n_ifaces = 0;
		return;
	}
	m->coming[msg->arg] = *msg;
	if (msg->arg + 1 < msg->arg2)
		return;
	memcpy(m->ifaces, m->coming, msg->arg2 * sizeof(m->ifaces[0]));
	m->n_ifaces = msg->arg2;
}

/* ------------------------------------------------------------ the keeper */

static void on_listener(struct meter *m, enum ipc_listener kind, int fd)
{
	if (m->n_listeners == METER_LISTENERS_MAX || m->started) {
		close(fd);
		return;
	}
	m->listeners[m->n_listeners].fd = fd;
	m->listeners[m->n_listeners++].kind = kind;
}

/* Rings come before the start, so there has to be a place for them. */
static void on_maps(struct meter *m)
{
	int err = m->samples ? -EPROTO
			     : samples_new(&m->loop, m->map_fd, &m->samples);

	if (err)
		fail(m, "the samples", err);
}

static void on_message(struct meter *m, const struct ipc_msg *msg,
		       const int *fds)
{
	switch (msg->type) {
	case IPC_MAPS:
		m->starts = msg->arg;
		m->have_maps = true;
		memcpy(m->map_fd, fds, sizeof(m->map_fd));
		on_maps(m);
		return;
	case IPC_LISTENER:
		on_listener(m, (enum ipc_listener)msg->arg, fds[0]);
		return;
	case IPC_CONFIG:
		on_config(m, fds[0]);
		return;
	case IPC_IFACE:
		on_iface(m, msg);
		return;
	case IPC_SAMPLING:
		m->sampling = msg->arg != 0;
		m->taps = msg->arg2;
		memcpy(m->sampling_error, msg->text, sizeof(msg->text));
		if (m->samples)
			on_rings(m, msg);
		return;
	case IPC_RING:
		on_ring(m, msg, fds);
		return;
	case IPC_START:
		on_start(m);
		return;
	case IPC_GO:
		on_go(m);
		return;
	case IPC_RELOADS:
		m->reloads = msg->arg;
		m->reloads_refused = msg->arg2;
		return;
	default:
		end(m, EXIT_OK, BGP_STOP_SHUTDOWN);
	}
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	struct meter *m = p->data;

	(void)status;
	(void)events;
	while (!m->stopping) {
		struct ipc_msg msg;
		int fds[IPC_FDS_MAX];
		int err = ipc_recv(m->sock, IPC_FROM_KEEPER, &msg, fds, NULL);

		if (err == -EAGAIN)
			return;
		if (err == -EPIPE) {
			log_warn(
				"the keeper is gone: ending; counting goes on");
			end(m, EXIT_OK, BGP_STOP_RESTART);
			return;
		}
		if (err) {
			fail(m, "message of the keeper", err);
			return;
		}
		on_message(m, &msg, fds);
	}
}

static void say_status(struct meter *m)
{
	struct routes_info ri;
	struct ledger_sums ls;
	char text[IPC_TEXT];

	routes_info(m->routes, &ri);
	ledger_sums(books_ledger(m->books), &ls);
	(void)snprintf(text, sizeof(text),
		       "%zu interfaces; IPv4 %u prefixes (%s), IPv6 %u (%s); "
		       "%zu BGP sessions up; %u ASes seen",
		       m->n_ifaces, ri.table.prefixes[FAMILY_IP4],
		       ri.source[FAMILY_IP4], ri.table.prefixes[FAMILY_IP6],
		       ri.source[FAMILY_IP6],
		       m->peers ? peers_established(m->peers) : 0, ls.ases);
	say(m, IPC_STATUS, 0, text);
}

static void on_beat(uv_timer_t *t)
{
	struct meter *m = t->data;

	say(m, IPC_BEAT, 0, "");
	if (m->started && m->beats++ % STATUS_BEATS == 0)
		say_status(m);
}

/* One meter at a time writes to the state directory: the lock ends with the
 * process. Without the directory nothing is written. */
static int own_state(void)
{
	const struct timespec wait = {0, STATE_WAIT_MS * 1000000L};
	int fd = open(CONFIG_STATE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (errno != EWOULDBLOCK)
			return 0; /* no locks on this file system */
		if (i == STATE_TRIES)
			return -EBUSY;
		if (i == 0)
			log_notice("another meter still writes to %s: waiting "
				   "until it has ended",
				   CONFIG_STATE_DIR);
		(void)nanosleep(&wait, NULL);
	}
	return 0;
}

/* As little as the kernel can be made to allow; -errno is fatal. */
static int fence(void)
{
	int files = sandbox_files(CONFIG_STATE_DIR), calls = sandbox_calls();

	if (files == -EOPNOTSUPP)
		log_info("this kernel has no Landlock: files are not fenced "
			 "off");
	else if (files)
		return files;
	if (calls == -EOPNOTSUPP)
		log_info("no seccomp filter for this machine");
	else if (calls)
		return calls;
	return 0;
}

int meter_run(int fd)
{
	static struct meter m; /* large */
	char why[PRIVS_MSG_LEN];
	int err;

	log_setup(LOG_LVL_INFO, "meter");
	if (privs_verify_none(why, sizeof(why))) {
		log_error("%s", why);
		return EXIT_PRIVILEGE;
	}
	if (own_state()) {
		log_error("another asmeterd writes to %s: there can be one "
			  "(`pgrep -a asmeterd`)",
			  CONFIG_STATE_DIR);
		return EXIT_FAILED;
	}
	err = fence();
	if (err) {
		log_error("cannot fence the meter: %s", strerror(-err));
		return EXIT_PRIVILEGE;
	}
	/* the keeper ends us; a signal to the whole group must not come first
	 */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)prctl(PR_SET_NAME, "asmeterd-meter", 0, 0, 0);
	m.sock = fd;
	err = uv_loop_init(&m.loop);
	if (!err)
		err = uv_poll_init(&m.loop, &m.sock_poll, fd);
	if (!err)
		err = uv_timer_init(&m.loop, &m.beat);
	if (err) {
		log_error("libuv: %s", uv_strerror(err));
		return EXIT_FAILED;
	}
	m.sock_poll.data = m.beat.data = &m;
	(void)uv_poll_start(&m.sock_poll, UV_READABLE | UV_DISCONNECT,
			    on_readable);
	(void)uv_timer_start(&m.beat, on_beat, BEAT_MS, BEAT_MS);
	(void)uv_run(&m.loop, UV_RUN_DEFAULT);
	if (m.stuck) /* what exit(3) would take away is still in use */
		_exit(m.rc);
	return m.rc;
}
