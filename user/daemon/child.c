/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/exits.h"
#include "daemon/ipc.h"

void child_init(struct child *c)
{
	*c = (struct child){.fd = -1, .backoff_ns = CHILD_BACKOFF_MIN_NS};
}

/* In the new process: nothing of the keeper may survive but the socket. */
static _Noreturn void run_meter(const struct privs_user *u, int fd)
{
	char num[16], msg[PRIVS_MSG_LEN], name[] = "asmeterd";
	char opt[] = "--meter";
	char *const argv[] = {name, opt, num, NULL};
	char *const envp[] = {NULL};
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	fd = dup(fd); /* the copy is not close-on-exec */
	(void)snprintf(num, sizeof(num), "%d", fd);
	if (fd < 0) {
		log_error("meter: dup: %s", strerror(errno));
		_exit(EXIT_FAILED);
	}
	if (privs_drop_all(u, msg, sizeof(msg))) {
		log_error("meter: %s", msg);
		_exit(EXIT_PRIVILEGE);
	}
	(void)execve("/proc/self/exe", argv, envp);
	log_error(
		"meter: cannot execute /proc/self/exe: %s (is /proc mounted?)",
		strerror(errno));
	_exit(EXIT_FAILED);
}

int child_start(struct child *c, const struct privs_user *u)
{
	int pair[2];
	int err = ipc_pair(pair);

	if (err)
		return err;
	c->pid = fork();
	if (c->pid < 0) {
		err = -errno;
		c->pid = 0;
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	if (!c->pid)
		run_meter(u, pair[1]);
	close(pair[1]);
	c->fd = pair[0];
	c->ready = false;
	c->starts++;
	c->started = c->heard = mono_now();
	return 0;
}

bool child_reap(struct child *c, struct mono now, int *ret_status)
{
	pid_t pid = c->pid ? waitpid(c->pid, ret_status, WNOHANG) : 0;

	if (pid <= 0)
		return false;
	close(c->fd);
	c->fd = -1;
	c->pid = 0;
	if (c->ready && mono_diff_ns(c->started, now) > CHILD_GOOD_NS)
		c->backoff_ns = CHILD_BACKOFF_MIN_NS;
	c->retry = mono_add_ns(now, c->backoff_ns);
	c->backoff_ns *= 2;
	if (c->backoff_ns > CHILD_BACKOFF_MAX_NS)
		c->backoff_ns = CHILD_BACKOFF_MAX_NS;
	c->ready = false;
	return true;
}

void child_kill(const struct child *c)
{
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL);
}

int64_t child_due_ns(const struct child *c, struct mono now)
{
	if (!c->pid)
		return mono_diff_ns(now, c->retry);
	return mono_diff_ns(now, mono_add_ns(c->heard, CHILD_SILENCE_NS));
}
