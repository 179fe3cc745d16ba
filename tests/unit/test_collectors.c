/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams to a set of receivers on loopback: who gets what, what is counted
 * when nobody listens, and what a reload keeps. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/collectors.h"

/* A bound socket on a free port of 127.0.0.1, non-blocking. */
static int receiver(struct config_endpoint *ret)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert(fd >= 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*ret = (struct config_endpoint){.addr = {.hi = UINT64_C(0x7f000001)
						       << 32},
					.port = ntohs(sin.sin_port)};
	return fd;
}

/* Loopback delivers before send() returns. */
static unsigned waiting(int fd)
{
	unsigned n = 0;
	char buf[64];

	while (recv(fd, buf, sizeof(buf), 0) == 5)
		n++;
	return n;
}

static struct collector_stats stats(const struct collectors *cs, size_t i)
{
	struct collector_stats s;

	collectors_stats(cs, i, &s);
	return s;
}

Test(collectors, each_gets_each)
{
	struct config_endpoint e[2];
	int a = receiver(&e[0]), b = receiver(&e[1]);
	struct collectors *cs;

	cr_assert_eq(collectors_new("test", &cs), 0);
	collectors_send(cs, "empty", 5, 1); /* nobody there: nothing happens */
	cr_assert_eq(collectors_set(cs, e, 2), 0);
	cr_assert_eq(collectors_count(cs), 2);
	for (uint32_t i = 0; i < 3; i++)
		collectors_send(cs, "hello", 5, 7);
	cr_assert_eq(waiting(a), 3);
	cr_assert_eq(waiting(b), 3);
	cr_assert_eq(stats(cs, 0).port, e[0].port);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(stats(cs, i).datagrams, 3);
		cr_assert_eq(stats(cs, i).samples, 21);
		cr_assert_eq(stats(cs, i).lost, 0);
	}
	collectors_free(cs);
	collectors_free(NULL);
	close(a);
	close(b);
}

Test(collectors, one_that_refuses, .init = cr_redirect_stderr)
{
	struct config_endpoint e[2];
	int gone = receiver(&e[0]), b = receiver(&e[1]);
	struct collectors *cs;

	close(gone);
	cr_assert_eq(collectors_new("test", &cs), 0);
	cr_assert_eq(collectors_set(cs, e, 2), 0);
	for (uint32_t i = 0; i < 10; i++)
		collectors_send(cs, "hello", 5, 1);
	/* each tells of the one before; all were handed to the kernel */
	cr_assert_eq(stats(cs, 0).faults[COLLECTOR_REFUSED], 9);
	cr_assert_eq(stats(cs, 0).datagrams, 10);
	cr_assert_eq(stats(cs, 0).lost, 0);
	for (unsigned f = 0; f < COLLECTOR_FAULTS; f++)
		cr_assert_eq(stats(cs, 1).faults[f], 0, "%s",
			     collector_fault_name((enum collector_fault)f));
	cr_assert_eq(waiting(b), 10);
	collectors_free(cs);
	close(b);
}

/* 255.255.255.255 is not allowed without asking for broadcasts. */
Test(collectors, one_that_cannot_be_reached, .init = cr_redirect_stderr)
{
	struct config_endpoint e[2] = {
		{.addr = {.hi = UINT64_C(0xffffffff) << 32}, .port = 9}};
	int b = receiver(&e[1]);
	struct collectors *cs;
	struct collector_stats s;
	uint64_t faults = 0;

	cr_assert_eq(collectors_new("test", &cs), 0);
	cr_assert_eq(collectors_set(cs, e, 2), 0);
	for (uint32_t i = 0; i < 4; i++)
		collectors_send(cs, "hello", 5, 2);
	collectors_tick(cs);
	s = stats(cs, 0);
	for (unsigned f = 0; f < COLLECTOR_FAULTS; f++)
		faults += s.faults[f];
	cr_assert_gt(faults, 0);
	cr_assert_eq(s.datagrams, 0);
	cr_assert_eq(s.samples, 0);
	cr_assert_eq(s.lost, 8);
	cr_assert_eq(waiting(b), 4);
	collectors_free(cs);
	close(b);
}

Test(collectors, a_reload_keeps_those_that_stay)
{
	struct config_endpoint e[3], next[2];
	int fd[3];
	struct collectors *cs;

	for (unsigned i = 0; i < 3; i++)
		fd[i] = receiver(&e[i]);
	cr_assert_eq(collectors_new("test", &cs), 0);
	cr_assert_eq(collectors_set(cs, e, 2), 0);
	collectors_send(cs, "hello", 5, 1);
	next[0] = e[2];
	next[1] = e[1];
	cr_assert_eq(collectors_set(cs, next, 2), 0);
	collectors_send(cs, "hello", 5, 1);
	cr_assert_eq(waiting(fd[0]), 1);
	cr_assert_eq(waiting(fd[1]), 2);
	cr_assert_eq(waiting(fd[2]), 1);
	cr_assert_eq(stats(cs, 0).port, e[2].port);
	cr_assert_eq(stats(cs, 0).datagrams, 1);
	cr_assert_eq(stats(cs, 1).port, e[1].port);
	cr_assert_eq(stats(cs, 1).datagrams, 2);
	cr_assert_eq(collectors_set(cs, NULL, 0), 0);
	cr_assert_eq(collectors_count(cs), 0);
	collectors_free(cs);
	for (unsigned i = 0; i < 3; i++)
		close(fd[i]);
}
