/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/grace.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>

int grace_wait(int grace_fd, int state_fd)
{
	uint32_t key = 0, inner = (uint32_t)state_fd;

	/* maybe_wait_bpf_programs(): synchronize_rcu() after the exchange */
	return bpf_map_update_elem(grace_fd, &key, &inner, BPF_ANY) ? -errno
								    : 0;
}
