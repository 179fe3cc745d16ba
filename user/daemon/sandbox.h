/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a meter that has been taken over by a peer could still do: it shares
 * its user with the keeper, so without this it could remove the pinned links
 * or kill the keeper. Two fences of the kernel keep it from that:
 *
 *   Landlock  files can be written, made and removed in one directory only
 *   seccomp   no signal to others, no exec, no ptrace, no change of modes and
 *             owners, no namespace (in its own user namespace it would have
 *             all capabilities), no mount, and of bpf(2) only looking up and
 *             updating elements of maps that it was handed
 *
 * Neither needs a privilege; both hold for good, also in new threads.
 */
#ifndef DAEMON_SANDBOX_H
#define DAEMON_SANDBOX_H

/* Call it before the process has threads; no_new_privs must be set. 0, or
 * -errno; -EOPNOTSUPP: this kernel or CPU has no such fence. */
int sandbox_files(const char *writable_dir);
int sandbox_calls(void);

#endif
