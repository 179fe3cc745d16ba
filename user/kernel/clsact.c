/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filter on clsact, for kernels without TCX. It is known by its handle;
 * its priority is the first that nobody's filter of another kind occupies,
 * because a filter that runs later sees only what the earlier ones let pass.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/links.h"
#include "kernel/nl.h"

#define OUR_HANDLE     0xa53e7e2u
#define SAMPLE_HANDLE  0xa53e7e3u
#define OUR_PRIO_FIRST 1u
#define OUR_PRIO_LAST  8u

static enum bpf_tc_attach_point attach_point(enum asm_dir d)
{
	return d == ASM_DIR_OUT ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

/* libbpf prints what we find out by the return code ("Exclusivity flag on",
 * "Filter not found"). */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int find(uint32_t ifindex, enum asm_dir d, uint32_t handle,
		uint32_t *ret_prio, uint32_t *ret_prog_id)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = attach_point(d));
	int rc = -ENOENT;

	for (uint32_t prio = OUR_PRIO_FIRST; prio <= OUR_PRIO_LAST; prio++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle,
			    .priority = prio);

		rc = bpf_tc_query(&hook, &opts);
		if (rc == 0) {
			*ret_prio = prio;
			*ret_prog_id = opts.prog_id;
			return 0;
		}
	}
	/* no qdisc: EINVAL; no filter: ENOENT */
	return rc == -EINVAL ? -ENOENT : rc;
}

int clsact_get(uint32_t ifindex, enum asm_dir d, uint32_t *ret_prog_id)
{
	libbpf_print_fn_t old = libbpf_set_print(quiet);
	uint32_t prio;
	int rc = find(ifindex, d, OUR_HANDLE, &prio, ret_prog_id);

	libbpf_set_print(old);
	return rc;
}

static int set_locked(uint32_t ifindex, enum asm_dir d, uint32_t handle,
		      int prog_fd, bool *ret_made_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = attach_point(d));
	uint32_t prio = OUR_PRIO_FIRST, last = OUR_PRIO_LAST, id;
	int rc = bpf_tc_hook_create(&hook);

	if (rc == 0)
		*ret_made_qdisc = true;
	else if (rc != -EEXIST)
		return rc;
	if (find(ifindex, d, handle, &prio, &id) == 0)
		last = prio; /* in place */
	for (; prio <= last; prio++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle,
			    .priority = prio, .prog_fd = prog_fd,
			    .flags = BPF_TC_F_REPLACE);

		rc = bpf_tc_attach(&hook, &opts);
		if (rc != -EINVAL && rc != -EEXIST && rc != -ENOENT)
			break;
	}
	return rc;
}

int clsact_set(uint32_t ifindex, enum asm_dir d, int prog_fd,
	       bool *ret_made_qdisc)
{
	libbpf_print_fn_t old = libbpf_set_print(quiet);
	int rc = set_locked(ifindex, d, OUR_HANDLE, prog_fd, ret_made_qdisc);

	libbpf_set_print(old);
	return rc;
}

int clsact_sample_set(uint32_t ifindex, int prog_fd, bool *ret_made_qdisc)
{
	libbpf_print_fn_t old = libbpf_set_print(quiet);
	int rc = set_locked(ifindex, ASM_DIR_IN, SAMPLE_HANDLE, prog_fd,
			    ret_made_qdisc);

	libbpf_set_print(old);
	return rc;
}

static int remove_filter(uint32_t ifindex, enum asm_dir d, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = attach_point(d));
	libbpf_print_fn_t old = libbpf_set_print(quiet);
	uint32_t prio = 0, id;
	int rc = find(ifindex, d, handle, &prio, &id);

	if (!rc) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle,
			    .priority = prio);

		rc = bpf_tc_detach(&hook, &opts);
	}
	libbpf_set_print(old);
	return rc;
}

int clsact_remove(uint32_t ifindex, enum asm_dir d)
{
	return remove_filter(ifindex, d, OUR_HANDLE);
}

int clsact_sample_remove(uint32_t ifindex)
{
	return remove_filter(ifindex, ASM_DIR_IN, SAMPLE_HANDLE);
}

static int seen_filter(void *ctx, const struct nlmsghdr *h)
{
	if (h->nlmsg_type == RTM_NEWTFILTER)
		*(bool *)ctx = true;
	return 0;
}

static int has_filter(uint32_t ifindex, uint32_t minor, bool *ret)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg tc;
	} req = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(req.tc)),
		       .nlmsg_type = RTM_GETTFILTER,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		 .tc = {.tcm_family = AF_UNSPEC,
			.tcm_ifindex = (int)ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor)}};

	return nl_call(&req.h, seen_filter, ret);
}

int clsact_remove_qdisc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	libbpf_print_fn_t old;
	bool used = false;
	int rc;

	rc = has_filter(ifindex, TC_H_MIN_INGRESS, &used);
	if (!rc && !used)
		rc = has_filter(ifindex, TC_H_MIN_EGRESS, &used);
	if (rc || used)
		return rc;
	old = libbpf_set_print(quiet);
	rc = bpf_tc_hook_destroy(&hook);
	libbpf_set_print(old);
	return rc;
}
