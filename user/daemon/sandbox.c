/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* -------------------------------------------------------------- files */

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define MAY_IN_DIR                                                        \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_REG)
#define FENCED                                                          \
	(MAY_IN_DIR | LANDLOCK_ACCESS_FS_EXECUTE |                      \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |   \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)

static int allow_dir(int rules, const char *dir, uint64_t may)
{
	struct landlock_path_beneath_attr at = {.allowed_access = may};
	int err = 0;

	at.parent_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at.parent_fd < 0)
		return 0; /* not there: nothing can be written, then */
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
		    &at, 0))
		err = -errno;
	close(at.parent_fd);
	return err;
}

int sandbox_files(const char *writable_dir)
{
	struct landlock_ruleset_attr rs = {.handled_access_fs = FENCED};
	uint64_t may = MAY_IN_DIR;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	int rules, err;

	if (abi < 1)
		return -EOPNOTSUPP;
	if (abi >= 3) {
		rs.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
		may |= LANDLOCK_ACCESS_FS_TRUNCATE;
	}
	rules = (int)syscall(SYS_landlock_create_ruleset, &rs, sizeof(rs), 0);
	if (rules < 0)
		return -errno;
	err = allow_dir(rules, writable_dir, may);
	if (!err && syscall(SYS_landlock_restrict_self, rules, 0))
		err = -errno;
	close(rules);
	return err;
}

/* -------------------------------------------------------------- calls */

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OWN_ARCH

#define LOAD(field)                        \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 (uint32_t)offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define IF_EQUAL(value, then, otherwise)                               \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), (then), \
		 (otherwise))
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
/* The low half of an argument; little-endian machines only. */
#define ARG(n) args[n]

/* From here on numbers are of another ABI of the same machine (x32), with
 * which what is refused below would have other names. */
#if defined(__x86_64__)
#define OTHER_ABI 0x40000000u
#else
#define OTHER_ABI UINT32_MAX
#endif

/* All flags of clone(2) that make a namespace; in a user namespace of its own
 * the process would have all capabilities again. */
#define NEW_NAMESPACE                                                  \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Younger than the headers of some build machine; the same on each CPU. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define LEN(a) (sizeof(a) / sizeof(*(a)))

/* Of this machine's ABI; and what is not told by the value of one argument. */
static const struct sock_filter head[] = {
	LOAD(arch),
	IF_EQUAL(OWN_ARCH, 1, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_ABI, 0, 1),
	RETURN(REFUSED),
	/* threads, but no namespaces; the flags of clone3() are in memory and
	 * cannot be seen here: libc then takes clone() */
	IF_EQUAL(SYS_clone3, 0, 1),
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	IF_EQUAL(SYS_clone, 0, 4),
	LOAD(ARG(0)),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACE, 0, 1),
	RETURN(REFUSED),
	RETURN(SECCOMP_RET_ALLOW),
};

/* Calls that are refused unless the first argument is one of these. */
#define ARGS_MAX 5
#define SELF     UINT32_MAX /* stands for the number of this process */

static const struct only {
	uint32_t call;
	uint8_t n;
	uint32_t arg[ARGS_MAX];
} only[] = {
	/* elements of maps */
	{SYS_bpf,
	 5,
	 {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_GET_NEXT_KEY,
	  BPF_MAP_LOOKUP_BATCH, BPF_OBJ_GET_INFO_BY_FD}},
	/* abort() signals its own process */
	{SYS_tgkill, 1, {SELF}},
	/* limits, of its own process only */
	{SYS_prlimit64, 2, {0, SELF}},
};

/* Refused whatever their arguments. */
static const uint32_t refused[] = {
	SYS_kill,
	SYS_tkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_pidfd_open,
	SYS_pidfd_send_signal,
	SYS_pidfd_getfd,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_execve,
	SYS_execveat,
#ifdef SYS_chmod
	SYS_chmod,
	SYS_chown,
	SYS_lchown,
#endif
	SYS_fchmod,
	SYS_fchmodat,
	SYS_fchmodat2,
	SYS_fchown,
	SYS_fchownat,
	SYS_mount,
	SYS_umount2,
	SYS_fsopen,
	SYS_fspick,
	SYS_fsmount,
	SYS_move_mount,
	SYS_open_tree,
	SYS_mount_setattr,
	SYS_pivot_root,
	SYS_chroot,
	SYS_setns,
	SYS_unshare,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_io_uring_setup,
};

struct code {
	unsigned short n;
	struct sock_filter at[LEN(head) + (ARGS_MAX + 4) * LEN(only) +
			      2 * LEN(refused) + 1];
};

static void put(struct code *c, struct sock_filter f)
{
	c->at[c->n++] = f;
}

static void put_only(struct code *c, const struct only *o, uint32_t self)
{
	put(c, (struct sock_filter)IF_EQUAL(o->call, 0, (uint8_t)(o->n + 3)));
	put(c, (struct sock_filter)LOAD(ARG(0)));
	for (uint8_t i = 0; i < o->n; i++) {
		uint32_t arg = o->arg[i] == SELF ? self : o->arg[i];

		put(c,
		    (struct sock_filter)IF_EQUAL(arg, (uint8_t)(o->n - i), 0));
	}
	put(c, (struct sock_filter)RETURN(REFUSED));
	put(c, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

static void put_all(struct code *c)
{
	const uint32_t self = (uint32_t)getpid();

	for (size_t i = 0; i < LEN(head); i++)
		put(c, head[i]);
	for (size_t i = 0; i < LEN(only); i++)
		put_only(c, &only[i], self);
	for (size_t i = 0; i < LEN(refused); i++) {
		put(c, (struct sock_filter)IF_EQUAL(refused[i], 0, 1));
		put(c, (struct sock_filter)RETURN(REFUSED));
	}
	put(c, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

int sandbox_calls(void)
{
	struct code code = {0};
	struct sock_fprog prog = {.filter = code.at};

	put_all(&code);
	prog.len = code.n;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0))
		return errno == EINVAL || errno == ENOSYS ? -EOPNOTSUPP
							  : -errno;
	return 0;
}

#else

int sandbox_calls(void)
{
	return -EOPNOTSUPP;
}

#endif
