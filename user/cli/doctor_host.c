/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine has to offer: kernel, BTF, JIT, memory, bpffs, rights. */
#include <cap-ng.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "kernel/load.h"

static void kernel(struct findings *f)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		found(f, FOUND_WARN, "kernel", "its version cannot be read");
		return;
	}
	if (major < 6 || (major == 6 && minor < 1)) {
		found(f, FOUND_FAULT, "kernel", "%s is too old", u.release);
		found_cure(f, "Linux 6.1 (Debian 12) or newer");
		return;
	}
	found(f, FOUND_OK, "kernel", "Linux %s%s", u.release,
	      major > 6 || minor >= 6 ? "" : ", no TCX: clsact at egress");
}

/* The first number in a file, or -1. */
static long number_in(const char *path)
{
	long v = -1;
	FILE *fp = fopen(path, "re");

	if (fp && fscanf(fp, "%ld", &v) != 1)
		v = -1;
	if (fp)
		fclose(fp);
	return v;
}

static void bpf_features(struct findings *f)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		found(f, FOUND_FAULT, "btf", "/sys/kernel/btf/vmlinux: %s",
		      strerror(errno));
		found_cure(f, "a kernel with CONFIG_DEBUG_INFO_BTF=y (all of "
			      "Debian's have it)");
	} else {
		found(f, FOUND_OK, "btf", "the kernel describes its types");
	}
	long jit = number_in("/proc/sys/net/core/bpf_jit_enable");

	if (jit == 0) {
		found(f, FOUND_WARN, "jit",
		      "BPF programs are interpreted: "
		      "several times slower");
		found_cure(f, "sysctl -w net.core.bpf_jit_enable=1");
	} else if (jit < 0) {
		found(f, FOUND_NOTE, "jit",
		      "net.core.bpf_jit_enable cannot be "
		      "read (in a container?)");
	} else {
		found(f, FOUND_OK, "jit", "on%s",
		      jit == 2 ? ", with a debugging dump: set it to 1" : "");
	}
}

static void bpffs(struct findings *f)
{
	struct statfs st;

	if (statfs("/sys/fs/bpf", &st) ||
	    (unsigned long)st.f_type != BPF_FS_MAGIC) {
		found(f, FOUND_FAULT, "bpffs",
		      "/sys/fs/bpf is not a BPF file system");
		found_cure(f, "mount -t bpf bpf /sys/fs/bpf");
		return;
	}
	found(f, FOUND_OK, "bpffs", "mounted at /sys/fs/bpf");
}

static void rights(struct findings *f)
{
	static const struct {
		unsigned cap;
		const char *name;
	} caps[] = {
		{CAP_BPF, "CAP_BPF"},
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_PERFMON, "CAP_PERFMON"},
	};
	char missing[80] = "";
	size_t n = 0;

	(void)capng_get_caps_process();
	for (size_t i = 0; i < sizeof(caps) / sizeof(*caps); i++) {
		if (!capng_have_capability(CAPNG_EFFECTIVE, caps[i].cap))
			n += (size_t)snprintf(missing + n, sizeof(missing) - n,
					      " %s", caps[i].name);
	}
	if (n) {
		found(f, FOUND_NOTE, "rights",
		      "this shell lacks%s: attach, "
		      "detach and a look at the pins "
		      "need them",
		      missing);
		found_cure(f, "sudo asmeter doctor");
	} else {
		found(f, FOUND_OK, "rights",
		      "all capabilities that are needed");
	}
}

static unsigned long long mem_available(void)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *fp = fopen("/proc/meminfo", "re");

	while (fp && fgets(line, sizeof(line), fp)) {
		if (sscanf(line, "MemAvailable: %llu", &kb) == 1)
			break;
	}
	if (fp)
		fclose(fp);
	return kb * 1024;
}

static void memory(struct findings *f)
{
	struct kern_cfg cfg = {0};
	struct rlimit lock;

	kern_cfg_fill(&cfg);
	double need = (double)kern_cfg_bytes(&cfg) / 1e6;
	double have = (double)mem_available() / 1e6;

	found(f, have < need + 300 ? FOUND_WARN : FOUND_OK, "memory",
	      "the maps take %.0f MB by default, %.0f MB are free", need, have);
	if (have < need + 300)
		found_cure(f, "lower counters.rows (and, with no full table, "
			      "counters.table-words) in asmeter.yaml");
	if (getrlimit(RLIMIT_MEMLOCK, &lock))
		return;
	if (lock.rlim_cur == RLIM_INFINITY)
		found(f, FOUND_OK, "locked memory", "unlimited");
	else
		found(f, FOUND_OK, "locked memory",
		      "%.1f MB; since Linux 5.11 maps are charged to the "
		      "control group (MemoryMax) instead",
		      (double)lock.rlim_cur / 1e6);
}

void doctor_host(struct findings *f)
{
	kernel(f);
	bpf_features(f);
	bpffs(f);
	rights(f);
	memory(f);
}
