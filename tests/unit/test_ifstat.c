/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "kernel/ifstat.h"

struct row {
	const char *what;
	uint64_t our_packets, our_bytes, if_packets, if_bytes;
	int offset;
	int64_t packets_diff, bytes_diff;
	double packets_ppm, bytes_ppm;
};

static const struct row rows[] = {
	{"nothing yet", 0, 0, 0, 0, 0, 0, 0, 0, 0},
	{"equal", 1000, 500000, 1000, 500000, 0, 0, 0, 0, 0},
	{"no Ethernet header", 1000, 500000, 1000, 486000, -14, 0, 0, 0, 0},
	{"with FCS", 1000, 500000, 1000, 504000, 4, 0, 0, 0, 0},
	{"one packet", 1, 60, 1, 46, -14, 0, 0, 0, 0},
	/* 1 % of the packets missed by us: nothing to do with a convention,
	 * though 5 bytes a packet are missing */
	{"ours missed some", 990, 495000, 1000, 500000, 0, -10, -5000, -10000,
	 -10000},
	{"the same without header", 990, 495000, 1000, 486000, -14, -10, -4860,
	 -10000, -10000},
	{"theirs missed some", 1000, 500000, 999, 499500, 0, 1, 500, 1001.001,
	 1001.001},
	{"theirs stands still", 10, 5000, 0, 0, 0, 10, 5000, 1e6, 1e6},
	{"ours stands still", 0, 0, 10, 5000, 0, -10, -5000, -1e6, -1e6},
	/* short frames that the device padded: a rest of the bytes */
	{"padding", 1000, 54000, 1000, 54900, 0, 0, -900, 0, -16393.44},
	/* a year at 800 Gbit/s */
	{"large", UINT64_C(3000000000000000), UINT64_C(3000000000000000000),
	 UINT64_C(3000000000000000), UINT64_C(3012000000000000000), 4, 0, 0, 0,
	 0},
};

Test(ifstat, balance)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct ifstat_balance b;

		ifstat_balance(r->our_packets, r->our_bytes, r->if_packets,
			       r->if_bytes, &b);
		cr_expect_eq(b.offset, r->offset, "%s: offset %d", r->what,
			     b.offset);
		cr_expect_eq(b.packets_diff, r->packets_diff, "%s: %ld",
			     r->what, (long)b.packets_diff);
		cr_expect_eq(b.bytes_diff, r->bytes_diff, "%s: %ld", r->what,
			     (long)b.bytes_diff);
		cr_expect(fabs(b.packets_ppm - r->packets_ppm) < 0.01,
			  "%s: %f ppm of packets", r->what, b.packets_ppm);
		cr_expect(fabs(b.bytes_ppm - r->bytes_ppm) < 0.01,
			  "%s: %f ppm of bytes", r->what, b.bytes_ppm);
	}
}

/* Whatever the packet sizes, each convention is found, and the rest is 0. */
Test(ifstat, conventions)
{
	static const int offsets[] = {-14, 0, 4};

	for (uint64_t size = 60; size <= 9014; size += 7) {
		for (size_t i = 0; i < 3; i++) {
			uint64_t n = 1 + size * 37;
			struct ifstat_balance b;

			ifstat_balance(
				n, n * size, n,
				n * (size + (uint64_t)(int64_t)offsets[i]), &b);
			cr_assert_eq(b.offset, offsets[i]);
			cr_assert_eq(b.bytes_diff, 0);
			cr_assert(b.bytes_ppm == 0 && b.packets_ppm == 0);
		}
	}
}

static int find_lo(void *ctx, const struct ifstat *st)
{
	if (strcmp(st->name, "lo"))
		return 0;
	*(struct ifstat *)ctx = *st;
	return 1;
}

/* The loopback is on every machine. */
Test(ifstat, loopback)
{
	struct ifstat a = {0}, b;
	char near[IFSTAT_NAME_LEN];

	cr_assert_eq(ifstat_list(find_lo, &a), 1);
	cr_assert_eq(ifstat_get(a.ifindex, NULL, &b), 0);
	cr_expect_str_eq(b.name, "lo");
	cr_assert_eq(ifstat_get(0, "lo", &b), 0);
	cr_expect_eq(a.ifindex, b.ifindex);
	cr_expect_eq(a.mtu, b.mtu);
	cr_expect_eq(ifstat_get(0, "no-such-if", &b), -ENODEV);
	cr_expect_eq(ifstat_get(0, "a-name-that-is-far-too-long", &b), -ENODEV);
	cr_expect_eq(ifstat_get(UINT32_C(0x7ffffff0), NULL, &b), -ENODEV);
	ifstat_suggest("l0", near);
	cr_expect_str_eq(near, "lo");
	ifstat_suggest("zzzzzzzzzz", near);
	cr_expect_str_eq(near, "");
}

static void count_event(void *ctx, enum ifstat_event_kind kind,
			const struct ifstat *st)
{
	(void)kind;
	(void)st;
	++*(unsigned *)ctx;
}

/* Nothing to read, and no wait for it. */
Test(ifstat, watcher_opens)
{
	unsigned n = 0;
	int fd = ifstat_watch_open();

	cr_assert_geq(fd, 0);
	cr_expect_eq(ifstat_watch_read(fd, count_event, &n), 0);
	close(fd);
}
