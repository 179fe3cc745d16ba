/* SPDX-License-Identifier: BSD-2-Clause */
/* process_* as the Prometheus client libraries define them, from /proc. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "export/prom.h"

struct proc_stat {
	unsigned long long utime, stime, threads, start, vsize, rss_pages;
};

static int stat_read(struct proc_stat *ret)
{
	char text[1024];
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f)
		return -1;
	size_t n = fread(text, 1, sizeof(text) - 1, f);

	fclose(f);
	text[n] = 0;
	/* the name, in parentheses, may hold anything: start after the last */
	const char *at = strrchr(text, ')');

	if (!at || sscanf(at + 1,
			  " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
			  " %llu %llu %*s %*s %*s %*s %llu %*s %llu %llu %llu",
			  &ret->utime, &ret->stime, &ret->threads, &ret->start,
			  &ret->vsize, &ret->rss_pages) != 6)
		return -1;
	return 0;
}

static unsigned long long boot_time(void)
{
	unsigned long long t = 0;
	char line[512];
	FILE *f = fopen("/proc/stat", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "btime %llu", &t) == 1)
			break;
	}
	if (f)
		fclose(f);
	return t;
}

static uint64_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n < 3 ? 0 : n - 3; /* ".", "..", the directory itself */
}

static void one(struct buf *b, const char *name, enum prom_kind kind,
		const char *help, double value)
{
	prom_family(b, name, kind, help);
	prom_f64(b, name, NULL, value);
}

static double limit(int what)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)what, &r) ||
	    r.rlim_cur == RLIM_INFINITY)
		return -1;
	return (double)r.rlim_cur;
}

void prom_process(struct buf *b)
{
	struct proc_stat s;
	double hz = (double)sysconf(_SC_CLK_TCK);
	unsigned long long boot = boot_time();

	if (stat_read(&s))
		return;
	one(b, "process_cpu_seconds_total", PROM_COUNTER,
	    "Total user and system CPU time spent in seconds.",
	    (double)(s.utime + s.stime) / hz);
	one(b, "process_open_fds", PROM_GAUGE,
	    "Number of open file descriptors.", (double)open_fds());
	one(b, "process_max_fds", PROM_GAUGE,
	    "Maximum number of open file descriptors.", limit(RLIMIT_NOFILE));
	one(b, "process_virtual_memory_bytes", PROM_GAUGE,
	    "Virtual memory size in bytes.", (double)s.vsize);
	one(b, "process_virtual_memory_max_bytes", PROM_GAUGE,
	    "Maximum amount of virtual memory available in bytes.",
	    limit(RLIMIT_AS));
	one(b, "process_resident_memory_bytes", PROM_GAUGE,
	    "Resident memory size in bytes.",
	    (double)s.rss_pages * (double)sysconf(_SC_PAGESIZE));
	one(b, "process_threads", PROM_GAUGE, "Number of OS threads.",
	    (double)s.threads);
	if (boot)
		one(b, "process_start_time_seconds", PROM_GAUGE,
		    "Start time of the process since unix epoch in seconds.",
		    (double)boot + (double)s.start / hz);
}
