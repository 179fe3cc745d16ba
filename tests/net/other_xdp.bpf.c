/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Somebody else's XDP program, to be found on an interface. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int other_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
