/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "asmeter/abi.h"

#define BPFFS_DIR "/sys/fs/bpf"

void msg_set(char *msg, size_t msg_len, const char *fmt, ...)
{
	va_list ap;

	if (!msg || !msg_len)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(msg, msg_len, fmt, ap);
	va_end(ap);
}

const char *pins_dir(const char *pin_dir)
{
	return pin_dir && pin_dir[0] ? pin_dir : ASM_PIN_DIR;
}

int pins_path(char ret[PINS_PATH_LEN], const char *dir, const char *sub,
	      const char *name)
{
	int n = snprintf(ret, PINS_PATH_LEN, "%s/%s%s%s", dir, sub ? sub : "",
			 sub ? "/" : "", name);

	return n < 0 || n >= PINS_PATH_LEN ? -ENAMETOOLONG : 0;
}

static bool is_bpffs(const char *path)
{
	struct statfs sf;

	return statfs(path, &sf) == 0 &&
	       (unsigned long)sf.f_type == BPF_FS_MAGIC;
}

/* The directory that has to be on bpffs: the parent of the pin directory. */
static void parent_of(const char *dir, char ret[PINS_PATH_LEN])
{
	char *slash;

	(void)snprintf(ret, PINS_PATH_LEN, "%s", dir);
	slash = strrchr(ret, '/');
	if (slash && slash != ret)
		*slash = '\0';
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int pins_prepare(const char *dir, char *msg, size_t msg_len)
{
	static const char *const subs[] = {"progs", "links"};
	char path[PINS_PATH_LEN];
	int rc;

	parent_of(dir, path);
	if (!is_bpffs(path) && !is_bpffs(dir) &&
	    (strcmp(path, BPFFS_DIR) ||
	     mount("bpf", BPFFS_DIR, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		   "mode=0700"))) {
		msg_set(msg, msg_len,
			"no bpf file system at %s: run `mount -t bpf bpf %s` "
			"(systemd mounts it at boot)",
			path, BPFFS_DIR);
		return -ENODEV;
	}
	rc = make_dir(dir);
	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]) && !rc; i++) {
		rc = pins_path(path, dir, NULL, subs[i]);
		if (!rc)
			rc = make_dir(path);
	}
	if (rc)
		msg_set(msg, msg_len, "cannot make %s: %s%s", dir,
			strerror(-rc),
			rc == -EACCES || rc == -EPERM ? ": run as root" : "");
	return rc;
}

int pins_lock(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX)) {
		err = -errno;
		if (err != -EINTR) {
			close(fd);
			return err;
		}
	}
	return fd;
}

int pins_get(const char *path)
{
	int fd = bpf_obj_get(path);

	return fd < 0 ? -errno : fd;
}

static int new_path(char ret[PINS_PATH_LEN], const char *path)
{
	int n = snprintf(ret, PINS_PATH_LEN, "%s-new", path);

	return n < 0 || n >= PINS_PATH_LEN ? -ENAMETOOLONG : 0;
}

int pins_put(int fd, const char *path)
{
	char tmp[PINS_PATH_LEN];
	int rc = new_path(tmp, path);

	if (rc)
		return rc;
	(void)unlink(tmp);
	if (bpf_obj_pin(fd, tmp))
		return -errno;
	if (rename(tmp, path) == 0)
		return 0;
	rc = -errno;
	(void)unlink(tmp);
	return rc;
}

void pins_remove(const char *path)
{
	char tmp[PINS_PATH_LEN];

	(void)unlink(path);
	if (!new_path(tmp, path))
		(void)unlink(tmp);
}

bool pins_caps_missing(char *ret, size_t ret_len)
{
	static const struct {
		unsigned bit;
		bool implied; /* by CAP_SYS_ADMIN */
		const char *name;
	} need[] = {{CAP_BPF, true, "CAP_BPF"},
		    {CAP_NET_ADMIN, false, "CAP_NET_ADMIN"},
		    {CAP_PERFMON, true, "CAP_PERFMON"}};
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {0};
	size_t at = 0;

	ret[0] = '\0';
	(void)syscall(SYS_capget, &h, d);
	for (size_t i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		unsigned bit = need[i].bit;

		if (d[bit / 32].effective & 1u << bit % 32 ||
		    (need[i].implied && d[0].effective & 1u << CAP_SYS_ADMIN))
			continue;
		(void)snprintf(ret + at, ret_len - at, " %s", need[i].name);
		at = strlen(ret);
	}
	return at != 0;
}

void pins_explain_eperm(char *msg, size_t msg_len, const char *what)
{
	char missing[64];

	if (pins_caps_missing(missing, sizeof(missing)))
		msg_set(msg, msg_len,
			"%s: not permitted, missing%s: run as root, or give "
			"the service these capabilities",
			what, missing);
	else
		msg_set(msg, msg_len,
			"%s: not permitted although the capabilities are "
			"there: a security module or container policy forbids "
			"bpf(2)",
			what);
}
