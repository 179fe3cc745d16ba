/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/privs.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The last two only when the keeper stays root: each new meter must not. */
static const unsigned keeper_caps[] = {CAP_BPF,     CAP_NET_ADMIN, CAP_PERFMON,
				       CAP_NET_RAW, CAP_SETUID,    CAP_SETGID};

#define N_KEEPER_CAPS 4u
#define N_ROOT_CAPS   6u

static int fail(int err, char *msg, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(int err, char *msg, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, len, fmt, ap);
	va_end(ap);
	return err;
}

static bool may_setuid(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	return !capng_get_caps_process() &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID);
}

int privs_find(const char *user, const char *group, struct privs_user *ret,
	       char *msg, size_t msg_len)
{
	const struct passwd *pw;
	const struct group *gr;
	struct privs_user u = {.uid = geteuid(), .gid = getegid()};

	if (may_setuid()) {
		errno = 0;
		pw = getpwnam(user);
		if (!pw)
			return fail(-ENOENT, msg, msg_len,
				    "user \"%s\" does not exist: useradd "
				    "--system %s, or name another with user: "
				    "in the configuration",
				    user, user);
		u.uid = pw->pw_uid;
		gr = u.uid ? getgrnam(group) : NULL;
		if (u.uid && !gr)
			return fail(-ENOENT, msg, msg_len,
				    "group \"%s\" does not exist: groupadd "
				    "--system %s, or name another with group: "
				    "in the configuration",
				    group, group);
		u.gid = gr ? gr->gr_gid : 0;
	}
	u.meter_uid = u.uid ? u.uid : 65534;
	u.meter_gid = u.uid ? u.gid : 65534;
	*ret = u;
	return 0;
}

int privs_check_start(char *msg, size_t msg_len)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return fail(-EPERM, msg, msg_len, "cannot read capabilities");
	for (size_t i = 0; i < N_KEEPER_CAPS; i++) {
		const char *name;

		if (capng_have_capability(CAPNG_EFFECTIVE, keeper_caps[i]))
			continue;
		name = capng_capability_to_name(keeper_caps[i]);
		return fail(
			-EPERM, msg, msg_len,
			"capability %s is missing: start asmeterd as root, or "
			"with this capability (also in the container's list)",
			name ? name : "?");
	}
	return 0;
}

/* Exactly `want`, permitted and effective; nothing inheritable or ambient. */
static int verify_caps(const unsigned *want, size_t n, char *msg, size_t len)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return fail(-EPERM, msg, len, "cannot read capabilities back");
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		int has = 0;

		for (size_t i = 0; i < n; i++)
			has |= want[i] == cap;
		if (capng_have_capability(CAPNG_EFFECTIVE, cap) != has ||
		    capng_have_capability(CAPNG_PERMITTED, cap) != has ||
		    capng_have_capability(CAPNG_INHERITABLE, cap) ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
			return fail(
				-EPERM, msg, len,
				"capability %u is %s after dropping privileges",
				cap, has ? "missing" : "still there");
	}
	return 0;
}

static int verify_ids(uid_t uid, gid_t gid, char *msg, size_t len)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) || getresgid(&rg, &eg, &sg) || r != uid ||
	    e != uid || s != uid || rg != gid || eg != gid || sg != gid)
		return fail(-EPERM, msg, len,
			    "user or group is not as set after dropping "
			    "privileges");
	if (uid && !setuid(0))
		return fail(-EPERM, msg, len, "could become root again");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return fail(-EPERM, msg, len, "no_new_privs is not set");
	return 0;
}

/* Becomes the user with the capabilities wanted. */
static int become(uid_t uid, gid_t gid, const unsigned *want, size_t n,
		  char *msg, size_t len)
{
	bool setid = may_setuid() && (uid || geteuid());
	bool setpcap = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		(void)capng_update(CAPNG_ADD,
				   (capng_type_t)(CAPNG_EFFECTIVE |
						  CAPNG_PERMITTED |
						  CAPNG_BOUNDING_SET),
				   want[i]);
	if (setpcap && capng_apply(CAPNG_SELECT_BOUNDS))
		return fail(-EPERM, msg, len,
			    "cannot reduce the capability bounding set");
	if (setid) {
		if (capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP))
			return fail(-EPERM, msg, len,
				    "cannot change to user %u group %u",
				    (unsigned)uid, (unsigned)gid);
	} else if (capng_apply(CAPNG_SELECT_CAPS)) {
		return fail(-EPERM, msg, len, "cannot reduce capabilities");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail(-errno, msg, len, "cannot set no_new_privs");
	return 0;
}

int privs_keep_four(const struct privs_user *u, char *msg, size_t msg_len)
{
	size_t n = u->uid ? N_KEEPER_CAPS : N_ROOT_CAPS;
	int err = become(u->uid, u->gid, keeper_caps, n, msg, msg_len);

	if (!err)
		err = verify_caps(keeper_caps, n, msg, msg_len);
	if (!err)
		err = verify_ids(u->uid, u->gid, msg, msg_len);
	return err;
}

int privs_drop_all(const struct privs_user *u, char *msg, size_t msg_len)
{
	const struct rlimit none = {0, 0};
	int err;

	if (setrlimit(RLIMIT_CORE, &none))
		return fail(-errno, msg, msg_len, "cannot forbid core files");
	err = become(u->meter_uid, u->meter_gid, NULL, 0, msg, msg_len);
	if (!err)
		err = verify_caps(NULL, 0, msg, msg_len);
	if (!err)
		err = verify_ids(u->meter_uid, u->meter_gid, msg, msg_len);
	return err;
}

int privs_verify_none(char *msg, size_t msg_len)
{
	int err;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return fail(-EPERM, msg, msg_len, "cannot forbid dumping");
	if (!geteuid())
		return fail(-EPERM, msg, msg_len, "the meter must not be root");
	err = verify_caps(NULL, 0, msg, msg_len);
	if (!err)
		err = verify_ids(geteuid(), getegid(), msg, msg_len);
	return err;
}

int privs_chown_tree(const char *dir, const struct privs_user *u)
{
	char *const paths[] = {(char *)(uintptr_t)dir, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;
	int err = 0;

	if (!fts)
		return -errno;
	while (!err && (e = fts_read(fts))) {
		if (e->fts_info == FTS_DP || e->fts_info == FTS_NS)
			continue;
		if (lchown(e->fts_path, u->uid, u->gid))
			err = -errno;
	}
	(void)fts_close(fts);
	return err;
}
