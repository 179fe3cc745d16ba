/* SPDX-License-Identifier: BSD-2-Clause */
/* Each test runs in a process of its own, so the fences end with it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/sandbox.h"

/* In a child that ends with the number of the line that was wrong: what looks
 * for leaks at the end of a test needs calls that are refused here. */
#define CHECK(cond)                                                        \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			_exit(1);                                          \
		}                                                          \
	} while (0)
/* What may be done below `in`, and what must be refused to c outside. */
static _Noreturn void write_in(const char *in, const char *c)
{
	char a[80], b[80];
	int fd;

	snprintf(a, sizeof(a), "%s/a", in);
	snprintf(b, sizeof(b), "%s/b", in);
	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!sandbox_files(in));
	fd = open(a, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK(!rename(a, b));
	CHECK(open(c, O_RDONLY) >= 0);
	CHECK(open(c, O_WRONLY) < 0 && errno == EACCES);
	CHECK(unlink(c) && errno == EACCES);
	CHECK(truncate(c, 0) && errno == EACCES);
	CHECK(rename(b, c));
	CHECK(mkdir("/tmp/asmeter-nope", 0700));
	CHECK(!unlink(b));
	_exit(0);
}

/* In a child, so that its parent can still clean up. */
Test(sandbox, writes_in_one_directory_only)
{
	char in[] = "/tmp/asmeter-in-XXXXXX", out[] = "/tmp/asmeter-out-XXXXXX";
	int fd, status = -1, left;
	char c[80];
	pid_t pid;

	cr_assert(mkdtemp(in) && mkdtemp(out));
	snprintf(c, sizeof(c), "%s/c", out);
	fd = open(c, O_CREAT | O_WRONLY, 0600);
	cr_assert_eq(write(fd, "x", 1), 1);
	close(fd);
	pid = fork();
	if (!pid)
		write_in(in, c);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	left = unlink(c) | rmdir(out) | rmdir(in);
	cr_assert_eq(status, 0);
	cr_assert_eq(left, 0);
}

#define REFUSED(call)                  \
	do {                           \
		errno = 0;             \
		CHECK((call) == -1);   \
		CHECK(errno == EPERM); \
	} while (0)

static void *in_thread(void *arg)
{
	int *ret = arg;

	*ret = kill(getppid(), 0);
	return NULL;
}

static void work(uv_work_t *w)
{
	*(bool *)w->data = true;
}

/* The first work starts the pool's threads. */
static void queue_work(void)
{
	bool ran = false;
	uv_work_t w = {.data = &ran};
	uv_loop_t loop;

	CHECK(!uv_loop_init(&loop));
	CHECK(!uv_queue_work(&loop, &w, work, NULL));
	CHECK(!uv_run(&loop, UV_RUN_DEFAULT));
	CHECK(ran);
	CHECK(!uv_loop_close(&loop));
}

static void refused_calls(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY,
			       .key_size = 4,
			       .value_size = 4,
			       .max_entries = 1};
	char *const argv[] = {NULL};

	REFUSED(kill(getppid(), 0));
	REFUSED((int)syscall(SYS_tgkill, getppid(), getppid(), 0));
	REFUSED((int)syscall(SYS_pidfd_open, getppid(), 0));
	REFUSED((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	REFUSED(execve("/bin/true", argv, argv));
	REFUSED(chmod("/tmp", 01777));
	REFUSED(chown("/tmp", 0, 0));
	REFUSED((int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
	REFUSED((int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr)));
	REFUSED((int)syscall(SYS_bpf, BPF_LINK_DETACH, &attr, sizeof(attr)));
	REFUSED((int)syscall(SYS_bpf, BPF_LINK_UPDATE, &attr, sizeof(attr)));
	REFUSED((int)syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL,
			     NULL));
}

/* Calls with arguments that the kernel itself would not answer with EPERM. */
static void refused_namespaces(void)
{
	static const long flags[] = {CLONE_NEWUSER,  CLONE_NEWNS,  CLONE_NEWNET,
				     CLONE_NEWPID,   CLONE_NEWUTS, CLONE_NEWIPC,
				     CLONE_NEWCGROUP};
	struct clone_args args = {.flags = CLONE_NEWUSER,
				  .exit_signal = SIGCHLD};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		/* with this second flag the kernel would say EINVAL */
		REFUSED((int)syscall(SYS_clone, flags[i] | CLONE_SIGHAND, 0, 0,
				     0, 0));
		REFUSED((int)syscall(SYS_unshare, flags[i]));
	}
	REFUSED((int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
	errno = 0;
	CHECK(syscall(SYS_clone3, &args, sizeof(args)) == -1);
	CHECK(errno == ENOSYS);
	errno = 0;
	CHECK(syscall(SYS_clone3, NULL, 0) == -1);
	CHECK(errno == ENOSYS);
}

static void refused_mounts(void)
{
	REFUSED((int)syscall(SYS_fsopen, NULL, 0));
	REFUSED((int)syscall(SYS_fspick, -1, NULL, 0));
	REFUSED((int)syscall(SYS_fsmount, -1, 0, 0));
	REFUSED((int)syscall(SYS_move_mount, -1, NULL, -1, NULL, 0));
	REFUSED((int)syscall(SYS_open_tree, -1, NULL, 0));
	REFUSED((int)syscall(442 /* mount_setattr */, -1, NULL, 0, NULL, 0));
	REFUSED((int)syscall(452 /* fchmodat2 */, -1, NULL, 0, 0));
#ifdef __x86_64__
	/* x32: that table's numbers; getpid() is as good as any */
	REFUSED((int)syscall(0x40000000 + SYS_getpid));
#endif
}

static void needed_calls(void)
{
	union bpf_attr attr = {0};
	pthread_t t;
	int ret = 0;

	CHECK(!syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL));
	/* elements of a map whose descriptor it has */
	errno = 0;
	(void)syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, 0);
	CHECK(errno != EPERM);
	/* its own process, for abort() */
	CHECK(!syscall(SYS_tgkill, getpid(), gettid(), 0));
	CHECK(!pthread_create(&t, NULL, in_thread, &ret));
	CHECK(!pthread_join(t, NULL));
	CHECK(ret == -1); /* a thread is not free */
	queue_work();
}

Test(sandbox, calls)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (!pid) {
		CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		CHECK(!sandbox_calls());
		refused_calls();
		refused_namespaces();
		refused_mounts();
		needed_calls();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x",
		  (unsigned)status);
}
