/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watcher of interfaces: up, renamed, another MTU, gone.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/ifstat.h"

struct seen {
	unsigned changed, gone, lost;
	struct ifstat last; /* of w0 or w9 */
};

static void on_event(void *ctx, enum ifstat_event_kind kind,
		     const struct ifstat *st)
{
	struct seen *s = ctx;

	if (kind == IFSTAT_LOST) {
		s->lost++;
		return;
	}
	if (strcmp(st->name, "w0") && strcmp(st->name, "w9"))
		return;
	s->last = *st;
	if (kind == IFSTAT_GONE)
		s->gone++;
	else
		s->changed++;
}

/* Runs a command, then reads what it caused. */
static struct seen after(int fd, const char *cmd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct seen s = {0};

	cr_assert_eq(system(cmd), 0, "%s", cmd);
	cr_assert_eq(poll(&p, 1, 5000), 1, "%s: no event", cmd);
	cr_assert_eq(ifstat_watch_read(fd, on_event, &s), 0);
	return s;
}

Test(watch, life_of_an_interface)
{
	int fd = ifstat_watch_open();
	struct ifstat st;
	struct seen s;
	uint32_t ifindex;

	cr_assert_geq(fd, 0);
	s = after(fd, "ip link add w0 type veth peer name w1");
	cr_assert_geq(s.changed, 1);
	cr_assert(!s.last.admin_up);
	ifindex = s.last.ifindex;
	cr_assert_eq(ifstat_get(0, "w0", &st), 0);
	cr_assert_eq(st.ifindex, ifindex);
	cr_assert_str_eq(st.driver, "veth");

	s = after(fd, "ip link set w0 mtu 4000");
	cr_assert_eq(s.last.mtu, 4000);
	s = after(fd, "ip link set w0 name w9");
	cr_assert_str_eq(s.last.name, "w9");
	cr_assert_eq(s.last.ifindex, ifindex);
	s = after(fd, "ip link set w9 up");
	cr_assert(s.last.admin_up);
	s = after(fd, "ip link del w9");
	cr_assert_eq(s.gone, 1);
	cr_assert_eq(s.last.ifindex, ifindex);
	cr_assert_eq(ifstat_get(ifindex, NULL, &st), -ENODEV);
	close(fd);
}
