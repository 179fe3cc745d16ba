/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `attach --confirm`: the process that takes the meter off again unless it is
 * told that all is well.
 *
 * It exists before the interface is touched, has no terminal and no parent
 * that could take it along, and ends in one of two ways: confirmed, or with
 * the interface detached. It also detaches when it is told to end (a session
 * that is closed with all its processes). The clock is one that no step of the
 * wall clock moves.
 *
 * It listens on an abstract socket named after the interface, which is of the
 * network namespace as interfaces are. Both sides ask the kernel who the other
 * one is, so nobody but root confirms, or can pretend to be waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/mono.h"
#include "cli/cli.h"
#include "kernel/attach.h"

#define ANSWER_MS    5000
#define DETACH_TRIES 10

static socklen_t address(const char *ifname, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1,
		     "asmeter-confirm/%.15s", ifname);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)n);
}

static bool is_ours(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) &&
	       who.uid == geteuid();
}

/* ----------------------------------------------------------- the waiting */

/* True: somebody who may has confirmed. */
static bool confirmed(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	bool ok = fd >= 0 && is_ours(fd);

	if (ok)
		(void)send(fd, "ok", 2, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool wait_confirmed(int listener, int signals, uint32_t seconds)
{
	struct mono end = mono_add_ns(mono_now(), seconds * NSEC_PER_SEC);
	struct pollfd p[] = {{.fd = listener, .events = POLLIN},
			     {.fd = signals, .events = POLLIN}};
	int64_t left;

	while ((left = mono_diff_ns(mono_now(), end)) > 0) {
		int64_t ms = left / NSEC_PER_MSEC + 1;

		if (poll(p, 2, ms > 60000 ? 60000 : (int)ms) <= 0)
			continue;
		if (p[0].revents && confirmed(listener))
			return true;
		if (p[1].revents)
			return false;
	}
	return false;
}

static void take_off(const char *ifname, unsigned ifindex)
{
	char msg[KERN_MSG_LEN] = "", name[IF_NAMESIZE];
	int err = 0;

	/* it may have been renamed meanwhile */
	if (!ifindex || !if_indextoname(ifindex, name))
		(void)snprintf(name, sizeof(name), "%.15s", ifname);
	for (unsigned i = 0; i < DETACH_TRIES; i++) {
		err = attach_detach(NULL, name, msg, sizeof(msg));
		if (!err || err == -ENOENT || err == -ENODEV)
			break;
		(void)sleep(1);
	}
	openlog("asmeter", LOG_PID, LOG_DAEMON);
	if (!err)
		syslog(LOG_WARNING,
		       "%s: not confirmed in time: not metered any more", name);
	else if (err != -ENOENT && err != -ENODEV)
		syslog(LOG_ERR, "%s: not confirmed, cannot be detached: %s",
		       name, msg);
}

static _Noreturn void guard(int listener, const char *ifname, uint32_t seconds)
{
	int null, signals;
	unsigned ifindex = if_nametoindex(ifname);
	sigset_t set;

	/* what is inherited would keep a remote shell open */
	(void)dup2(listener, 3);
	listener = 3;
	(void)close_range(4, ~0u, 0);
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		(void)dup2(null, fd);
	if (chdir("/"))
		syslog(LOG_ERR, "/: %m");
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (!wait_confirmed(listener, signals, seconds))
		take_off(ifname, ifindex);
	_exit(0);
}

/* In the child: a grandchild that nobody waits for. */
static _Noreturn void leave_guard(int listener, const char *ifname,
				  uint32_t seconds)
{
	pid_t pid;

	(void)setsid();
	pid = fork();
	if (!pid)
		guard(listener, ifname, seconds);
	_exit(pid < 0);
}

int confirm_wait(const char *ifname, uint32_t seconds)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), status = 1;
	struct sockaddr_un at;
	socklen_t len = address(ifname, &at);
	int err = fd < 0 ? -errno : 0;
	pid_t pid;

	if (err)
		return err;
	if (bind(fd, (struct sockaddr *)&at, len) || listen(fd, 4)) {
		err = -errno;
		close(fd);
		return err;
	}
	pid = fork();
	if (!pid)
		leave_guard(fd, ifname, seconds);
	close(fd);
	if (pid < 0)
		return -EAGAIN;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? -EAGAIN : 0;
}

/* ---------------------------------------------------------- the telling */

int confirm_tell(const char *ifname)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err = 0;
	struct sockaddr_un at;
	socklen_t len = address(ifname, &at);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char answer[4];

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&at, len))
		err = errno == ECONNREFUSED ? -ENOENT : -errno;
	else if (!is_ours(fd))
		err = -EPERM;
	else if (poll(&p, 1, ANSWER_MS) != 1 ||
		 recv(fd, answer, sizeof(answer), MSG_DONTWAIT) != 2 ||
		 memcmp(answer, "ok", 2) != 0)
		err = -EPERM; /* it does not take it from us */
	close(fd);
	return err;
}

int cli_confirm(struct cli *c)
{
	int err = confirm_tell(c->args[0]);

	if (err) {
		fprintf(stderr, "asmeter: %s: %s\n", c->args[0],
			err == -ENOENT  ? "nothing waits to be confirmed (too "
					  "late? see `asmeter interfaces`)"
			: err == -EPERM ? "it waits for another user: run it "
					  "as root"
					: strerror(-err));
		return err == -EPERM ? CLI_PERMISSION : CLI_FAULT;
	}
	if (c->json)
		fprintf(c->out, "{\"confirmed\":1}\n");
	else
		fprintf(c->out, "%s: confirmed, it stays metered\n",
			c->args[0]);
	return CLI_OK;
}
