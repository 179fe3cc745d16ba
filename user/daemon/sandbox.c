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

/* One call refused, whatever its arguments. */
#define REFUSE(name) IF_EQUAL(SYS_##name, 0, 1), RETURN(REFUSED)

int sandbox_calls(void)
{
	const uint32_t self = (uint32_t)getpid();
	struct sock_filter code[] = {
		LOAD(arch),
		IF_EQUAL(OWN_ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_ABI, 0, 1),
		RETURN(REFUSED),
		/* threads, but no namespaces; the flags of clone3() are in
		 * memory and cannot be seen here: libc then takes clone() */
		IF_EQUAL(SYS_clone3, 0, 1),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		IF_EQUAL(SYS_clone, 0, 4),
		LOAD(ARG(0)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACE, 0, 1),
		RETURN(REFUSED),
		RETURN(SECCOMP_RET_ALLOW),
		/* of bpf(2), elements only */
		IF_EQUAL(SYS_bpf, 0, 8),
		LOAD(ARG(0)),
		IF_EQUAL(BPF_MAP_LOOKUP_ELEM, 5, 0),
		IF_EQUAL(BPF_MAP_UPDATE_ELEM, 4, 0),
		IF_EQUAL(BPF_MAP_GET_NEXT_KEY, 3, 0),
		IF_EQUAL(BPF_MAP_LOOKUP_BATCH, 2, 0),
		IF_EQUAL(BPF_OBJ_GET_INFO_BY_FD, 1, 0),
		RETURN(REFUSED),
		RETURN(SECCOMP_RET_ALLOW),
		/* abort() signals its own process */
		IF_EQUAL(SYS_tgkill, 0, 4),
		LOAD(ARG(0)),
		IF_EQUAL(self, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(REFUSED),
		/* limits, of its own process only */
		IF_EQUAL(SYS_prlimit64, 0, 5),
		LOAD(ARG(0)),
		IF_EQUAL(0, 1, 0),
		IF_EQUAL(self, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(REFUSED),
		REFUSE(kill),
		REFUSE(tkill),
		REFUSE(rt_sigqueueinfo),
		REFUSE(rt_tgsigqueueinfo),
		REFUSE(pidfd_open),
		REFUSE(pidfd_send_signal),
		REFUSE(pidfd_getfd),
		REFUSE(ptrace),
		REFUSE(process_vm_readv),
		REFUSE(process_vm_writev),
		REFUSE(execve),
		REFUSE(execveat),
#ifdef SYS_chmod
		REFUSE(chmod),
		REFUSE(chown),
		REFUSE(lchown),
#endif
		REFUSE(fchmod),
		REFUSE(fchmodat),
		REFUSE(fchmodat2),
		REFUSE(fchown),
		REFUSE(fchownat),
		REFUSE(mount),
		REFUSE(umount2),
		REFUSE(fsopen),
		REFUSE(fspick),
		REFUSE(fsmount),
		REFUSE(move_mount),
		REFUSE(open_tree),
		REFUSE(mount_setattr),
		REFUSE(pivot_root),
		REFUSE(chroot),
		REFUSE(setns),
		REFUSE(unshare),
		REFUSE(keyctl),
		REFUSE(add_key),
		REFUSE(request_key),
		REFUSE(perf_event_open),
		REFUSE(userfaultfd),
		REFUSE(io_uring_setup),
		RETURN(SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {
		.len = (unsigned short)(sizeof(code) / sizeof(*code)),
		.filter = code,
	};

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
