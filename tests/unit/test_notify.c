/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/notify.h"

/* A receiver at `name` ('@' first: abstract), announced in NOTIFY_SOCKET. */
static int receiver(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(name);

	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				      len + (name[0] != '@'))),
		     0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect(int fd, const char *want)
{
	char buf[2000];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	cr_assert_geq(n, 0, "nothing came");
	buf[n] = '\0';
	cr_assert_eq(strncmp(buf, want, strlen(want)), 0, "got %s", buf);
}

Test(notify, path_and_abstract)
{
	char name[2][80];

	snprintf(name[0], 80, "/tmp/asmeter-notify-%d", getpid());
	snprintf(name[1], 80, "@asmeter-notify-%d", getpid());
	for (int i = 0; i < 2; i++) {
		int rx = receiver(name[i]), fd = notify_open();

		cr_assert_geq(fd, 0);
		cr_assert_null(getenv("NOTIFY_SOCKET"), "left to children");
		cr_assert_eq(notify_send(fd, "READY=1\nSTATUS=%d routes", 7),
			     0);
		expect(rx, "READY=1\nSTATUS=7 routes");
		cr_assert_eq(notify_reloading(fd), 0);
		expect(rx, "RELOADING=1\nMONOTONIC_USEC=");
		close(fd);
		close(rx);
	}
	unlink(name[0]);
}

Test(notify, long_text_is_cut_not_refused)
{
	char name[80], big[3000], buf[4000];
	int rx, fd;

	snprintf(name, sizeof(name), "@asmeter-notify-l%d", getpid());
	rx = receiver(name);
	fd = notify_open();
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	cr_assert_eq(notify_send(fd, "STATUS=%s", big), 0);
	cr_assert_eq(recv(rx, buf, sizeof(buf), MSG_DONTWAIT), 1023);
}

Test(notify, receiver_that_does_not_read_never_blocks)
{
	char name[80];
	int rx, fd, err = 0;

	snprintf(name, sizeof(name), "@asmeter-notify-b%d", getpid());
	rx = receiver(name);
	fd = notify_open();
	for (int i = 0; i < 5000 && !err; i++)
		err = notify_send(fd, "WATCHDOG=1");
	cr_assert_eq(err, -EAGAIN);
	close(rx);
	cr_assert_neq(notify_send(fd, "WATCHDOG=1"), 0);
}

Test(notify, nobody_asked_or_nonsense)
{
	unsetenv("NOTIFY_SOCKET");
	cr_assert_eq(notify_open(), -ENOENT);
	setenv("NOTIFY_SOCKET", "relative", 1);
	cr_assert_eq(notify_open(), -EINVAL);
	setenv("NOTIFY_SOCKET", "/", 1);
	cr_assert_eq(notify_open(), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/sock", 1);
	cr_assert_eq(notify_open(), -ENOENT);
	cr_assert_eq(notify_send(-ENOENT, "READY=1"), 0);
}

Test(notify, watchdog_interval)
{
	char pid[20];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	cr_assert_eq(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	cr_assert_eq(notify_watchdog_us(), 30000000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	cr_assert_eq(notify_watchdog_us(), 30000000);
	setenv("WATCHDOG_PID", "1", 1);
	cr_assert_eq(notify_watchdog_us(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "12x", 1);
	cr_assert_eq(notify_watchdog_us(), 0);
}
