/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/links.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/pins.h"

/* From newer kernels than the headers of Debian 12 know (6.6). */
#define LINK_TYPE_TCX 11u
#define TCX_INGRESS   46u
#define TCX_EGRESS    47u
#define TCX_F_BEFORE  (1u << 3)
#define LINK_TYPE_XDP ((uint32_t)BPF_LINK_TYPE_XDP)

/* struct bpf_link_info, as far as it is needed. */
struct link_info {
	uint32_t type;
	uint32_t id;
	uint32_t prog_id;
	uint32_t pad;
	uint32_t ifindex;     /* XDP, TCX */
	uint32_t attach_type; /* TCX */
	uint64_t room[8];
};

/* The part of union bpf_attr that BPF_LINK_CREATE uses with TCX. */
struct tcx_create {
	uint32_t prog_fd;
	uint32_t ifindex;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t relative_fd;
	uint32_t pad;
	uint64_t expected_revision;
};

static const char *link_suffix(bool tcx, enum asm_dir d)
{
	if (!tcx)
		return "xdp";
	return d == ASM_DIR_IN ? "in" : "egress";
}

static int link_query(int fd, struct link_info *ret)
{
	uint32_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return bpf_obj_get_info_by_fd(fd, ret, &len) ? -errno : 0;
}

#define MIRROR_SUFFIX "mirror"

static bool is_mirror(const char *name)
{
	const char *dash = strrchr(name, '-');

	return dash && !strcmp(dash + 1, MIRROR_SUFFIX);
}

static int read_pin(const char *dir, const char *name, struct link_pin *ret)
{
	char path[PINS_PATH_LEN];
	struct link_info info;
	int fd, rc;

	if (strlen(name) >= sizeof(ret->name) ||
	    pins_path(path, dir, "links", name))
		return -ENAMETOOLONG;
	fd = pins_get(path);
	if (fd < 0)
		return fd;
	rc = link_query(fd, &info);
	close(fd);
	if (rc)
		return rc;
	if (info.type != LINK_TYPE_XDP && info.type != LINK_TYPE_TCX)
		return -EINVAL;
	*ret = (struct link_pin){.tcx = info.type == LINK_TYPE_TCX,
				 .mirror = is_mirror(name),
				 .dir = info.type == LINK_TYPE_TCX &&
							info.attach_type ==
								TCX_EGRESS
						? ASM_DIR_OUT
						: ASM_DIR_IN,
				 .ifindex = info.ifindex,
				 .prog_id = info.prog_id,
				 .link_id = info.id};
	memcpy(ret->name, name, strlen(name));
	return 0;
}

int link_list_read(const char *dir, struct link_list *ret)
{
	struct link_list l = {0};
	char path[PINS_PATH_LEN];
	struct dirent *e;
	DIR *d;
	int rc;

	*ret = l;
	rc = pins_path(path, dir, NULL, "links");
	if (rc)
		return rc;
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!rc && (e = readdir(d))) {
		struct link_pin p, *v;

		if (e->d_name[0] == '.')
			continue;
		rc = read_pin(dir, e->d_name, &p);
		if (rc == -EINVAL || rc == -ENOENT || rc == -ENAMETOOLONG) {
			rc = 0; /* not ours */
			continue;
		}
		v = rc ? NULL : realloc(l.v, (l.n + 1) * sizeof(*v));
		if (!v) {
			rc = rc ? rc : -ENOMEM;
			break;
		}
		l.v = v;
		l.v[l.n++] = p;
	}
	closedir(d);
	if (rc)
		link_list_done(&l);
	*ret = l;
	return rc;
}

void link_list_done(struct link_list *l)
{
	free(l->v);
	*l = (struct link_list){0};
}

const struct link_pin *link_find(const struct link_list *l, uint32_t ifindex,
				 enum asm_dir dir)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].ifindex == ifindex && l->v[i].dir == dir)
			return &l->v[i];
	return NULL;
}

/* The BPF file system takes no dot in a name, and VLANs have one in theirs; a
 * colon is in no interface's name. */
static size_t pin_stem(const char *ifname, char ret[LINK_NAME_LEN])
{
	size_t n = 0;

	for (; ifname[n] && n < LINK_NAME_LEN - 1; n++)
		ret[n] = (char)(ifname[n] == '.' ? ':' : ifname[n]);
	ret[n] = '\0';
	return n;
}

bool link_is_named(const struct link_pin *p, const char *ifname)
{
	char stem[LINK_NAME_LEN];
	size_t n = pin_stem(ifname, stem);

	return !strncmp(p->name, stem, n) &&
	       (p->name[n] == '-' || p->name[n] == '~');
}

/* Pins a fresh link and closes it; without a pin it is gone. An interface may
 * have been renamed while attached, so the plain name can be taken by another
 * one: then the index goes into the name. */
static int pin_link(const char *dir, const char *ifname, uint32_t ifindex,
		    const char *suffix, int fd)
{
	char path[PINS_PATH_LEN], name[LINK_NAME_LEN], stem[LINK_NAME_LEN];
	int rc;

	(void)pin_stem(ifname, stem);
	(void)snprintf(name, sizeof(name), "%.15s-%s", stem, suffix);
	rc = pins_path(path, dir, "links", name);
	if (!rc && bpf_obj_pin(fd, path))
		rc = -errno;
	if (rc == -EEXIST) {
		(void)snprintf(name, sizeof(name), "%.15s~%u-%s", stem, ifindex,
			       suffix);
		rc = pins_path(path, dir, "links", name);
		if (!rc && bpf_obj_pin(fd, path))
			rc = -errno;
	}
	close(fd);
	return rc;
}

int link_add_xdp(const char *dir, const char *ifname, uint32_t ifindex,
		 int prog_fd, uint32_t xdp_flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = xdp_flags);
	int fd = bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return -errno;
	return pin_link(dir, ifname, ifindex, link_suffix(false, ASM_DIR_IN),
			fd);
}

int link_add_mirror(const char *dir, const char *ifname, uint32_t ifindex,
		    int prog_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return -errno;
	return pin_link(dir, ifname, ifindex, MIRROR_SUFFIX, fd);
}

/* In front of every other program, because one that answers TC_ACT_OK ends
 * the chain, and what comes after it sees nothing. */
int link_add_tcx(const char *dir, const char *ifname, uint32_t ifindex,
		 int prog_fd, enum asm_dir d)
{
	struct tcx_create attr = {.prog_fd = (uint32_t)prog_fd,
				  .ifindex = ifindex,
				  .attach_type = d == ASM_DIR_OUT ? TCX_EGRESS
								  : TCX_INGRESS,
				  .flags = TCX_F_BEFORE};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	if (fd < 0)
		return -errno;
	return pin_link(dir, ifname, ifindex, link_suffix(true, d), (int)fd);
}

uint32_t link_attach_type(const struct link_pin *p)
{
	if (!p->tcx)
		return BPF_XDP;
	return p->dir == ASM_DIR_OUT ? TCX_EGRESS : TCX_INGRESS;
}

int link_replace(const char *dir, const struct link_pin *p, int prog_fd)
{
	char path[PINS_PATH_LEN];
	int fd, rc = pins_path(path, dir, "links", p->name);

	if (rc)
		return rc;
	fd = pins_get(path);
	if (fd < 0)
		return fd;
	if (bpf_link_update(fd, prog_fd, NULL))
		rc = -errno;
	close(fd);
	return rc;
}

int link_remove(const char *dir, const struct link_pin *p)
{
	char path[PINS_PATH_LEN];
	int fd, rc = pins_path(path, dir, "links", p->name);

	if (rc)
		return rc;
	fd = pins_get(path);
	if (fd < 0)
		return fd;
	/* somebody else may hold the link; a dead one says ENOLINK */
	if (bpf_link_detach(fd) && errno != ENOLINK && p->ifindex)
		rc = -errno;
	close(fd);
	if (unlink(path) && !rc)
		rc = -errno;
	return rc;
}
