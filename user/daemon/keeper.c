/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start: configuration, then everything that needs privilege (maps and
 * programs, listening sockets), then the meter, and only when that is ready
 * the interfaces; then privileges go, and then the service manager is told.
 *
 * Whatever happens to either process afterwards, the links stay pinned and
 * go on counting: nothing here detaches but a reload that asks for it.
 */
#include "daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "daemon/child.h"
#include "daemon/config.h"
#include "daemon/exits.h"
#include "daemon/ifaces.h"
#include "daemon/ipc.h"
#include "daemon/listen.h"
#include "daemon/privs.h"
#include "daemon/sampling.h"
#include "kernel/load.h"

#define STOP_WAIT_NS  (5 * NSEC_PER_SEC)
#define START_WAIT_NS (60 * NSEC_PER_SEC)
#define MSGS_PER_TURN 64 /* of a meter that talks without end */
#define CHILD_TRIES   3  /* before the first one has come up */

struct keeper {
	const char *path; /* of the configuration */
	struct config *cfg;
	int cfg_fd; /* sealed copy of its text, for the meter */
	uint32_t reloads, reloads_refused;
	struct privs_user user;
	struct kern kern;
	bool loaded;
	int pin_fd; /* the pin directory, reached without its parents */
	char pin_path[32];
	struct listen_set listeners;
	struct iface_set ifaces;
	struct sampling sampling;
	struct child child;
	struct log_rl chatter; /* lines that a meter provokes */
	int sig_fd, link_fd, notify_fd;
	int64_t watchdog_ns; /* 0: none */
	struct mono watchdog_due;
	bool up;   /* READY=1 was sent */
	bool stop; /* asked to */
};

/* ------------------------------------------------------ configuration */

/* The text as a file that nobody can change any more. */
static int seal_text(const char *text, size_t len, int *ret)
{
	int fd = memfd_create("asmeter.yaml", MFD_CLOEXEC | MFD_ALLOW_SEALING),
	    err = 0;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; !err && done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			err = -errno;
		else
			done += (size_t)n;
	}
	if (!err &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		err = -errno;
	if (err)
		close(fd);
	else
		*ret = fd;
	return err;
}

static void log_report(const struct config_report *rep, const char *path)
{
	for (size_t i = 0; i < rep->n; i++) {
		const struct config_error *e = &rep->errors[i];

		if (e->pos.line)
			log_error("%s:%u:%u: %s", path, e->pos.line, e->pos.col,
				  e->text);
		else
			log_error("%s: %s", path, e->text);
	}
	if (rep->held)
		log_error("%s: %zu more faults", path, rep->held);
}

/* Both forms of one reading of the file. Faults are logged. */
static int read_config(const char *path, struct config **ret_cfg, int *ret_fd)
{
	static struct config_report rep; /* large */
	struct config *cfg = NULL;
	size_t len = 0;
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : config_read_text(fd, &text, &len);

	if (err)
		log_error("%s: %s%s", path, strerror(-err),
			  err == -EACCES ? ": make it readable for the group "
					   "of the daemon"
					 : "");
	if (!err) {
		err = config_parse(text, len, &cfg, &rep);
		if (err)
			log_report(&rep, path);
	}
	if (!err)
		err = seal_text(text, len, ret_fd);
	if (err)
		config_free(cfg);
	else
		*ret_cfg = cfg;
	free(text);
	if (fd >= 0)
		close(fd);
	return err;
}

/* -------------------------------------------------------------- meter */

static int send_word(int sock, enum ipc_type type, uint32_t arg, uint32_t arg2)
{
	struct ipc_msg m = {.type = (uint16_t)type, .arg = arg, .arg2 = arg2};

	return ipc_send(sock, &m, NULL, 0);
}

static int send_fd(int sock, enum ipc_type type, uint32_t arg, int fd)
{
	struct ipc_msg m = {.type = (uint16_t)type, .arg = arg};

	return ipc_send(sock, &m, &fd, 1);
}

/* Everything a meter needs, to one that has just been started. */
static int hand_over(struct keeper *k)
{
	int sock = k->child.fd;
	struct ipc_msg m = {.type = IPC_MAPS, .arg = k->child.starts};
	int err = ipc_send(sock, &m, k->kern.map_fd, ASM_MAP_COUNT);

	for (unsigned i = 0; !err && i < k->listeners.n; i++)
		err = send_fd(sock, IPC_LISTENER, k->listeners.v[i].kind,
			      k->listeners.v[i].fd);
	if (!err)
		err = send_fd(sock, IPC_CONFIG, 0, k->cfg_fd);
	if (!err)
		err = iface_set_tell(&k->ifaces, sock);
	if (!err)
		err = sampling_tell(&k->sampling, sock, true);
	if (!err)
		err = send_word(sock, IPC_RELOADS, k->reloads,
				k->reloads_refused);
	if (!err)
		err = send_word(sock, IPC_START, 0, 0);
	if (!err && k->up)
		err = send_word(sock, IPC_GO, 0, 0);
	return err;
}

static void start_meter(struct keeper *k)
{
	int err;

	if (k->child.starts)
		sampling_new_meter(&k->sampling);
	err = child_start(&k->child, &k->user);
	if (err) {
		log_error("cannot start the meter: %s", strerror(-err));
		k->child.retry = mono_add_ns(mono_now(), k->child.backoff_ns);
		return;
	}
	err = hand_over(k);
	if (err) {
		log_error("the meter does not take its descriptors: %s",
			  strerror(-err));
		child_kill(&k->child);
	}
}

static void say_how_it_ended(const struct keeper *k, int status)
{
	if (k->stop)
		return;
	if (WIFSIGNALED(status))
		log_error("the meter was ended by signal %d (%s); counting "
			  "goes on, it starts again",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error("the meter ended with code %d; counting goes on, it "
			  "starts again",
			  WEXITSTATUS(status));
}

static void end_meter(struct keeper *k, const char *why)
{
	uint64_t held = 0;

	if (log_rl_pass(&k->chatter, mono_now(), &held))
		log_error("%s: it is ended and starts again", why);
	child_kill(&k->child);
}

/* One line of ASCII, so that a meter cannot say anything but its status. */
static void notify_status(const struct keeper *k, const char *text)
{
	char line[IPC_TEXT];
	size_t n = 0;

	for (; text[n] && n < sizeof(line) - 1; n++)
		line[n] = text[n] < 0x20 || text[n] > 0x7e ? '?' : text[n];
	line[n] = '\0';
	(void)notify_send(k->notify_fd, "STATUS=%s", line);
}

static void on_message(struct keeper *k, const struct ipc_msg *m)
{
	uint64_t held = 0;

	k->child.heard = mono_now();
	switch (m->type) {
	case IPC_READY:
		if (!k->child.ready && k->child.starts > 1)
			log_notice("the meter is up again (start %u)",
				   k->child.starts);
		k->child.ready = true;
		return;
	case IPC_STATUS:
		notify_status(k, m->text);
		return;
	case IPC_RELOADED:
		if (!log_rl_pass(&k->chatter, k->child.heard, &held))
			return;
		if (m->arg)
			log_error("the meter did not take the new "
				  "configuration: %s",
				  m->text);
		else
			log_info("the meter runs with the new configuration");
		return;
	default: /* a beat */
		return;
	}
}

static void read_meter(struct keeper *k)
{
	for (unsigned i = 0; i < MSGS_PER_TURN; i++) {
		struct ipc_msg m;
		int err = ipc_recv(k->child.fd, IPC_FROM_METER, &m, NULL, NULL);

		if (err == -EAGAIN)
			return;
		if (err) {
			/* gone without a word is told when it is reaped */
			if (err == -EPIPE)
				child_kill(&k->child);
			else
				end_meter(k, "the meter sent nonsense");
			return;
		}
		on_message(k, &m);
	}
}

static void watch_meter(struct keeper *k, struct mono now)
{
	int status;

	if (child_reap(&k->child, now, &status))
		say_how_it_ended(k, status);
	if (k->stop || child_due_ns(&k->child, now) > 0)
		return;
	if (k->child.pid) {
		end_meter(k, "the meter has been silent for 30 s");
		k->child.heard = now;
	} else {
		start_meter(k);
	}
}

/* ------------------------------------------------------------- reload */

static void warn_of_fixed(const struct config *a, const struct config *b)
{
	if (!listen_same(a, b))
		log_warn("reload: other listening addresses, socket or group "
			 "take effect when the daemon is restarted");
	if (memcmp(&a->counters, &b->counters, sizeof(a->counters)) != 0)
		log_warn("reload: other sizes of the maps take effect when "
			 "the daemon is restarted");
	if (strcmp(a->user, b->user) != 0 || strcmp(a->group, b->group) != 0)
		log_warn("reload: another user or group takes effect when the "
			 "daemon is restarted");
}

/* Tells the meter what a reload has changed; cfg: also the configuration. */
static void tell_reload(struct keeper *k, bool cfg)
{
	int err = 0, sock = k->child.fd;

	if (!k->child.pid)
		return;
	if (cfg)
		err = send_fd(sock, IPC_CONFIG, 0, k->cfg_fd);
	if (!err && cfg)
		err = iface_set_tell(&k->ifaces, sock);
	if (!err)
		err = send_word(sock, IPC_RELOADS, k->reloads,
				k->reloads_refused);
	if (err)
		end_meter(k, "the meter does not read its messages");
}

/* All or nothing: the old configuration goes on when anything is wrong. */
static int reload_apply(struct keeper *k)
{
	char msg[KERN_MSG_LEN] = "";
	struct config *cfg;
	int fd, err;

	err = read_config(k->path, &cfg, &fd);
	if (err)
		return err;
	err = iface_set_apply(&k->ifaces, cfg, msg, sizeof(msg));
	if (err) {
		log_error("%s", msg);
		config_free(cfg);
		close(fd);
		return err;
	}
	warn_of_fixed(k->cfg, cfg);
	config_free(k->cfg);
	close(k->cfg_fd);
	k->cfg = cfg;
	k->cfg_fd = fd;
	k->sampling.check = true;
	log_setup(cfg->log_level, NULL);
	return 0;
}

static void reload(struct keeper *k)
{
	int err;

	(void)notify_reloading(k->notify_fd);
	err = reload_apply(k);
	if (err) {
		k->reloads_refused++;
		log_error("reload: refused; the old configuration goes on");
	} else {
		k->reloads++;
		log_notice("reload: done");
	}
	tell_reload(k, !err);
	(void)notify_send(k->notify_fd, "READY=1");
}

/* --------------------------------------------------------------- loop */

static void read_signals(struct keeper *k)
{
	struct signalfd_siginfo si;

	while (read(k->sig_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			k->stop = true;
		else if (si.ssi_signo == SIGHUP && k->up)
			reload(k);
		/* SIGCHLD: watch_meter() looks each turn */
	}
}

static void on_link(void *ctx, enum ifstat_event_kind kind,
		    const struct ifstat *st)
{
	struct keeper *k = ctx;

	iface_set_event(&k->ifaces, kind, st);
	sampling_event(&k->sampling, kind, st);
}

static void read_links(struct keeper *k)
{
	if (ifstat_watch_read(k->link_fd, on_link, k))
		k->ifaces.check = k->sampling.check = true;
}

static void watch_ifaces(struct keeper *k, struct mono now)
{
	bool changed;

	if (!k->up || k->stop)
		return;
	changed = iface_set_repair(&k->ifaces);
	changed |= iface_set_audit(&k->ifaces, now);
	k->sampling.check |= changed;
	if (changed && k->child.pid && iface_set_tell(&k->ifaces, k->child.fd))
		end_meter(k, "the meter does not read its messages");
}

static void watch_sampling(struct keeper *k, struct mono now)
{
	bool ring = false;

	if (!k->up || k->stop || sampling_due_ns(&k->sampling, now) > 0)
		return;
	if (sampling_apply(&k->sampling, k->cfg, &k->ifaces, now, &ring) &&
	    k->child.pid && sampling_tell(&k->sampling, k->child.fd, ring))
		end_meter(k, "the meter does not read its messages");
}

static int turn_ms(const struct keeper *k, struct mono now)
{
	int64_t ns = child_due_ns(&k->child, now);

	if (k->watchdog_ns && mono_diff_ns(now, k->watchdog_due) < ns)
		ns = mono_diff_ns(now, k->watchdog_due);
	if (k->up && sampling_due_ns(&k->sampling, now) < ns)
		ns = sampling_due_ns(&k->sampling, now);
	if (k->up && iface_set_due_ns(&k->ifaces, now) < ns)
		ns = iface_set_due_ns(&k->ifaces, now);
	if (k->stop && ns > 100 * NSEC_PER_MSEC)
		ns = 100 * NSEC_PER_MSEC;
	if (ns <= 0)
		return 0;
	return ns > 60 * NSEC_PER_SEC ? 60000 : (int)(ns / NSEC_PER_MSEC) + 1;
}

/* One turn of the loop: waits for something and does it. */
static void turn(struct keeper *k)
{
	struct pollfd p[] = {
		{.fd = k->sig_fd, .events = POLLIN},
		{.fd = k->link_fd, .events = POLLIN},
		{.fd = k->child.fd, .events = POLLIN},
	};
	struct mono now;

	if (poll(p, 3, turn_ms(k, mono_now())) < 0 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	if (p[2].revents)
		read_meter(k);
	if (p[1].revents)
		read_links(k);
	if (p[0].revents)
		read_signals(k);
	now = mono_now();
	watch_ifaces(k, now);
	watch_sampling(k, now);
	watch_meter(k, now);
	if (k->watchdog_ns && mono_diff_ns(now, k->watchdog_due) <= 0) {
		(void)notify_send(k->notify_fd, "WATCHDOG=1");
		k->watchdog_due = mono_add_ns(now, k->watchdog_ns / 2);
	}
}

static void stop_meter(struct keeper *k)
{
	struct mono end = mono_add_ns(mono_now(), STOP_WAIT_NS);

	k->stop = true;
	if (!k->child.pid)
		return;
	if (send_word(k->child.fd, IPC_STOP, 0, 0))
		child_kill(&k->child);
	while (k->child.pid && mono_diff_ns(mono_now(), end) > 0)
		turn(k);
	if (!k->child.pid)
		return;
	log_warn("the meter did not end in time: it is killed");
	child_kill(&k->child);
	while (k->child.pid)
		turn(k);
}

/* -------------------------------------------------------------- start */

static int load_failed(int err, const char *msg)
{
	log_error("%s", msg);
	switch (err) {
	case -EPERM:
		return EXIT_PRIVILEGE;
	case -ENOMEM:
		return EXIT_MEMORY;
	case -ENODEV:
		return EXIT_BPFFS;
	case -EINVAL:
		return EXIT_CONFIG;
	default:
		return EXIT_KERNEL;
	}
}

static int open_signals(struct keeper *k)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	k->sig_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->sig_fd < 0 ? -errno : 0;
}

/* What the starting shell left open is not ours, all but `but`. */
static void close_inherited(int but)
{
	(void)close_range(STDERR_FILENO + 1, (unsigned)but - 1, 0);
	(void)close_range((unsigned)but + 1, ~0u, 0);
}

static int open_basics(struct keeper *k)
{
	char msg[PRIVS_MSG_LEN];

	/* first, as the file may be one of those: --config <(...) */
	if (read_config(k->path, &k->cfg, &k->cfg_fd))
		return EXIT_CONFIG;
	close_inherited(k->cfg_fd);
	k->watchdog_ns = (int64_t)notify_watchdog_us() * 1000;
	k->notify_fd = notify_open();
	if (open_signals(k)) {
		log_error("signalfd: %s", strerror(errno));
		return EXIT_FAILED;
	}
	log_setup(k->cfg->log_level, NULL);
	if (privs_check_start(msg, sizeof(msg)) ||
	    privs_find(k->cfg->user, k->cfg->group, &k->user, msg,
		       sizeof(msg))) {
		log_error("%s", msg);
		return EXIT_PRIVILEGE;
	}
	return EXIT_OK;
}

/* The state directory belongs to whoever writes there: the meter. */
static void prepare_state_dir(const struct keeper *k)
{
	if (mkdir(CONFIG_STATE_DIR, 0750) && errno != EEXIST)
		log_warn("%s: %s", CONFIG_STATE_DIR, strerror(errno));
	else if (!geteuid() &&
		 chown(CONFIG_STATE_DIR, k->user.meter_uid, k->user.meter_gid))
		log_warn("%s: %s", CONFIG_STATE_DIR, strerror(errno));
}

static int open_privileged(struct keeper *k)
{
	struct kern_cfg kc = {.rows = k->cfg->counters.rows,
			      .table_words = k->cfg->counters.table_words};
	char msg[KERN_MSG_LEN];
	int err;

	err = listen_open(k->cfg, &k->user, &k->listeners, msg, sizeof(msg));
	if (err) {
		log_error("%s", msg);
		return EXIT_LISTEN;
	}
	err = kern_load(&kc, &k->kern, msg, sizeof(msg));
	if (err)
		return load_failed(err, msg);
	k->loaded = true;
	k->pin_fd = open(ASM_PIN_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->pin_fd < 0) {
		log_error("%s: %s", ASM_PIN_DIR, strerror(errno));
		return EXIT_BPFFS;
	}
	(void)snprintf(k->pin_path, sizeof(k->pin_path), "/proc/self/fd/%d",
		       k->pin_fd);
	k->link_fd = ifstat_watch_open();
	if (k->link_fd < 0) {
		log_error("netlink: %s", strerror(-k->link_fd));
		return EXIT_FAILED;
	}
	k->ifaces.kern = &k->kern;
	k->ifaces.pin_dir = k->pin_path;
	sampling_init(&k->sampling, &k->kern, k->pin_path);
	prepare_state_dir(k);
	return EXIT_OK;
}

static int wait_for_meter(struct keeper *k)
{
	struct mono end = mono_add_ns(mono_now(), START_WAIT_NS);

	start_meter(k);
	while (!k->child.ready && !k->stop && k->child.starts < CHILD_TRIES &&
	       mono_diff_ns(mono_now(), end) > 0)
		turn(k);
	if (k->child.ready || k->stop)
		return EXIT_OK;
	log_error("the meter did not come up: see the lines above");
	return EXIT_METER;
}

static void on_stranger(const char *name)
{
	log_notice("%s is metered but not in the configuration: `asmeter "
		   "detach %s` takes it off",
		   name, name);
}

static int attach_and_drop(struct keeper *k)
{
	char msg[KERN_MSG_LEN] = "";
	bool ring;
	int err;

	if (!k->cfg->n_interfaces)
		log_warn("no interface is configured: nothing is metered");
	err = iface_set_apply(&k->ifaces, k->cfg, msg, sizeof(msg));
	if (err) {
		log_error("%s", msg);
		return err == -EPERM ? EXIT_PRIVILEGE : EXIT_INTERFACE;
	}
	iface_set_strangers(&k->ifaces, on_stranger);
	(void)sampling_apply(&k->sampling, k->cfg, &k->ifaces, mono_now(),
			     &ring);
	if (!geteuid()) {
		err = privs_chown_tree(ASM_PIN_DIR, &k->user);
		if (err) {
			log_error("%s: cannot be given to the user %s: %s",
				  ASM_PIN_DIR, k->cfg->user, strerror(-err));
			return EXIT_PRIVILEGE;
		}
	}
	if (privs_keep_four(&k->user, msg, sizeof(msg))) {
		log_error("%s", msg);
		return EXIT_PRIVILEGE;
	}
	return EXIT_OK;
}

static int start(struct keeper *k)
{
	int rc = open_basics(k);

	if (!rc)
		rc = open_privileged(k);
	if (!rc)
		rc = wait_for_meter(k);
	if (!rc && !k->stop)
		rc = attach_and_drop(k);
	if (rc || k->stop)
		return rc;
	k->up = true;
	if (k->child.pid && (iface_set_tell(&k->ifaces, k->child.fd) ||
			     sampling_tell(&k->sampling, k->child.fd, true) ||
			     send_word(k->child.fd, IPC_GO, 0, 0)))
		end_meter(k, "the meter does not read its messages");
	log_notice("up: AS %u, %zu interfaces, %zu BGP neighbors",
		   k->cfg->local_as, k->ifaces.n, k->cfg->bgp.n_neighbors);
	(void)notify_send(k->notify_fd, "READY=1\nMAINPID=%d", getpid());
	return EXIT_OK;
}

static void keeper_done(struct keeper *k, bool failed)
{
	char msg[KERN_MSG_LEN];

	stop_meter(k);
	sampling_close(&k->sampling);
	listen_close(&k->listeners);
	/* a first start that failed leaves nothing behind */
	if (failed && k->loaded && !k->kern.adopted &&
	    kern_unpin(ASM_PIN_DIR, msg, sizeof(msg)))
		log_warn("%s", msg);
	kern_done(&k->kern);
	config_free(k->cfg);
	for (int *const *f = (int *const[]){&k->cfg_fd, &k->pin_fd, &k->link_fd,
					    &k->sig_fd, &k->notify_fd, NULL};
	     *f; f++) {
		if (**f >= 0)
			close(**f);
	}
}

int keeper_run(const char *config_path)
{
	static struct keeper k; /* large */
	int rc;

	k = (struct keeper){
		.path = config_path,
		.cfg_fd = -1,
		.pin_fd = -1,
		.link_fd = -1,
		.sig_fd = -1,
		.notify_fd = -1,
		.chatter = LOG_RL_INIT(5, 10 * NSEC_PER_SEC),
	};
	child_init(&k.child);
	log_setup(LOG_LVL_INFO, NULL);
	rc = start(&k);
	while (!rc && !k.stop)
		turn(&k);
	(void)notify_send(k.notify_fd, "STOPPING=1");
	if (k.up)
		log_notice("stopping; what is attached stays attached and "
			   "counts on");
	keeper_done(&k, rc || !k.up);
	return rc;
}
