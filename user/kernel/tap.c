/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/tap.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asmeter/gap.h"
#include "kernel/ifstat.h"
#include "kernel/links.h"
#include "kernel/mirror.h"
#include "kernel/nl.h"
#include "kernel/pins.h"
#include "kernel/slots.h"

struct link_req {
	struct nlmsghdr h;
	struct ifinfomsg ifi;
	char room[512];
};

static struct link_req request(uint16_t type, uint16_t flags, uint32_t ifindex)
{
	return (struct link_req){
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		      .nlmsg_type = type,
		      .nlmsg_flags =
			      (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)},
		.ifi = {.ifi_index = (int)ifindex}};
}

/* ------------------------------------------------------------ the pair */

/* An attribute that holds others: opened, filled, closed. */
static struct rtattr *nest_open(struct link_req *r, uint16_t type)
{
	size_t at = NLMSG_ALIGN(r->h.nlmsg_len);

	(void)nl_put(&r->h, sizeof(*r), type, NULL, 0);
	return (struct rtattr *)((char *)r + at);
}

static void nest_close(struct link_req *r, struct rtattr *nest)
{
	nest->rta_len =
		(unsigned short)((char *)r + r->h.nlmsg_len - (char *)nest);
}

static void put_queues(struct link_req *r)
{
	const uint32_t one = 1; /* one ring takes all */

	(void)nl_put(&r->h, sizeof(*r), IFLA_NUM_TX_QUEUES, &one, sizeof(one));
	(void)nl_put(&r->h, sizeof(*r), IFLA_NUM_RX_QUEUES, &one, sizeof(one));
}

static int pair_make(void)
{
	struct link_req r = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	const struct ifinfomsg none = {0};
	struct rtattr *info, *data, *peer;

	(void)nl_put(&r.h, sizeof(r), IFLA_IFNAME, TAP_OUT, sizeof(TAP_OUT));
	put_queues(&r);
	info = nest_open(&r, IFLA_LINKINFO);
	(void)nl_put(&r.h, sizeof(r), IFLA_INFO_KIND, "veth", 5);
	data = nest_open(&r, IFLA_INFO_DATA);
	peer = nest_open(&r, VETH_INFO_PEER);
	memcpy((char *)&r + r.h.nlmsg_len, &none, sizeof(none));
	r.h.nlmsg_len += (uint32_t)NLMSG_ALIGN(sizeof(none));
	(void)nl_put(&r.h, sizeof(r), IFLA_IFNAME, TAP_IN, sizeof(TAP_IN));
	put_queues(&r);
	nest_close(&r, peer);
	nest_close(&r, data);
	nest_close(&r, info);
	return nl_call(&r.h, NULL, NULL);
}

static int link_delete(uint32_t ifindex)
{
	struct link_req r = request(RTM_DELLINK, 0, ifindex);

	return nl_call(&r.h, NULL, NULL);
}

/* Up, and nothing of the stack's own on it: no ARP, no IPv6 address. */
static int link_up(uint32_t ifindex)
{
	struct link_req r = request(RTM_NEWLINK, 0, ifindex);
	const uint8_t none = 1; /* IN6_ADDR_GEN_MODE_NONE */
	struct rtattr *spec, *inet6;

	spec = nest_open(&r, IFLA_AF_SPEC);
	inet6 = nest_open(&r, AF_INET6);
	(void)nl_put(&r.h, sizeof(r), IFLA_INET6_ADDR_GEN_MODE, &none,
		     sizeof(none));
	nest_close(&r, inet6);
	nest_close(&r, spec);
	(void)nl_call(&r.h, NULL, NULL); /* a kernel without IPv6 */
	r = request(RTM_NEWLINK, 0, ifindex);
	r.ifi.ifi_flags = r.ifi.ifi_change = IFF_UP | IFF_NOARP;
	return nl_call(&r.h, NULL, NULL);
}

struct pair {
	struct ifstat out, in;
	uint32_t out_peer;
};

static int read_peer(void *ctx, const struct nlmsghdr *h)
{
	const struct rtattr *tb[IFLA_LINK + 1];

	if (h->nlmsg_type == RTM_NEWLINK) {
		nl_parse(h, sizeof(struct ifinfomsg), tb, IFLA_LINK);
		if (tb[IFLA_LINK])
			memcpy(ctx, (const char *)tb[IFLA_LINK] + RTA_LENGTH(0),
			       sizeof(uint32_t));
	}
	return 0;
}

/* Both ends, of one another; -ENODEV when it is not so. */
static int pair_find(struct pair *p)
{
	struct link_req r;

	*p = (struct pair){0};
	(void)ifstat_get(0, TAP_OUT, &p->out);
	(void)ifstat_get(0, TAP_IN, &p->in);
	if (!p->out.ifindex || !p->in.ifindex)
		return -ENODEV;
	r = request(RTM_GETLINK, 0, p->out.ifindex);
	r.h.nlmsg_flags = NLM_F_REQUEST;
	(void)nl_call(&r.h, read_peer, &p->out_peer);
	return p->out_peer == p->in.ifindex ? 0 : -ENODEV;
}

static bool is_foreign(const struct ifstat *st)
{
	return st->ifindex && strcmp(st->driver, "veth") != 0;
}

/* Finds the pair or makes it; up. */
static int pair_ensure(struct pair *p, char *msg, size_t msg_len)
{
	int err = pair_find(p);

	if (is_foreign(&p->out) || is_foreign(&p->in)) {
		msg_set(msg, msg_len,
			"%s is there already and no veth: samples need this "
			"name, rename that interface",
			is_foreign(&p->out) ? TAP_OUT : TAP_IN);
		return -EEXIST;
	}
	if (err) {
		if (p->out.ifindex)
			(void)link_delete(p->out.ifindex);
		if (p->in.ifindex)
			(void)link_delete(p->in.ifindex);
		err = pair_make();
		if (!err)
			err = pair_find(p);
	}
	if (!err && !p->in.admin_up)
		err = link_up(p->in.ifindex);
	if (!err && !p->out.admin_up)
		err = link_up(p->out.ifindex);
	if (err)
		msg_set(msg, msg_len,
			"cannot make the veth pair %s, %s for samples: %s",
			TAP_OUT, TAP_IN, strerror(-err));
	return err;
}

/* ------------------------------------------------------------ programs */

/* "<pin dir>/tap", which has a links/ of its own. */
static int tap_dir(const char *pin_dir, char ret[PINS_PATH_LEN])
{
	return pins_path(ret, pins_dir(pin_dir), NULL, "tap");
}

static int make_dirs(const char *dir)
{
	char path[PINS_PATH_LEN];
	int err = pins_path(path, dir, NULL, "links");

	if (!err && mkdir(dir, 0700) && errno != EEXIST)
		err = -errno;
	if (!err && mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	return err;
}

/* Pins of interfaces that are gone. */
static void sweep(const char *dir, const struct link_list *l)
{
	char name[IF_NAMESIZE];

	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].ifindex || !if_indextoname(l->v[i].ifindex, name))
			(void)link_remove(dir, &l->v[i]);
}

/* Puts a program on an interface, or replaces it; TCX, else clsact. */
static int put_tc(const char *dir, const struct link_list *l,
		  const char *ifname, uint32_t ifindex, enum asm_dir d,
		  int prog_fd)
{
	const struct link_pin *p = link_find(l, ifindex, d);
	bool made;
	int err;

	if (p)
		return link_replace(dir, p, prog_fd);
	err = link_add_tcx(dir, ifname, ifindex, prog_fd, d);
	if (err != -EINVAL && err != -EOPNOTSUPP)
		return err;
	return d == ASM_DIR_OUT ? clsact_set(ifindex, d, prog_fd, &made)
				: clsact_sample_set(ifindex, prog_fd, &made);
}

static int put_programs(const struct kern *k, const char *pin_dir,
			const struct pair *p)
{
	char dir[PINS_PATH_LEN];
	const struct link_pin *x;
	struct link_list l = {0};
	int err = tap_dir(pin_dir, dir);

	if (!err)
		err = make_dirs(dir);
	if (!err)
		err = link_list_read(dir, &l);
	if (err)
		return err;
	sweep(dir, &l);
	x = link_find(&l, p->in.ifindex, ASM_DIR_IN);
	err = x ? link_replace(dir, x, k->prog_fd[KERN_PROG_TAP_XDP])
		: link_add_xdp(dir, TAP_IN, p->in.ifindex,
			       k->prog_fd[KERN_PROG_TAP_XDP],
			       XDP_FLAGS_DRV_MODE);
	if (!err)
		err = put_tc(dir, &l, TAP_OUT, p->out.ifindex, ASM_DIR_OUT,
			     k->prog_fd[KERN_PROG_TAP_OUT]);
	link_list_done(&l);
	return err;
}

/* ---------------------------------------------------------- the socket */

static int put_socket(struct tap *t, const struct kern *k)
{
	int err = ring_put(k, ASM_XSK_TAP, t->in_ifindex, 0, 0, &t->xsk,
			   &t->given);

	t->opened += !err;
	return err;
}

/* -------------------------------------------------------------- public */

void tap_init(struct tap *t)
{
	*t = (struct tap){.xsk = {.sock = -1, .mem = -1}};
}

bool tap_concerns(const char *ifname)
{
	return !strcmp(ifname, TAP_OUT) || !strcmp(ifname, TAP_IN);
}

int tap_ensure(struct tap *t, const struct kern *k, const char *pin_dir,
	       bool *ret_new, char *msg, size_t msg_len)
{
	struct pair p;
	int err;

	*ret_new = false;
	err = pair_ensure(&p, msg, msg_len);
	if (err)
		return err;
	if (t->xsk.sock >= 0 && t->out_ifindex == p.out.ifindex &&
	    t->in_ifindex == p.in.ifindex)
		return 0;
	xsk_fds_close(&t->xsk);
	t->out_ifindex = 0;
	err = put_programs(k, pin_dir, &p);
	if (err) {
		msg_set(msg, msg_len,
			"cannot attach the programs of %s, %s: %s", TAP_OUT,
			TAP_IN, strerror(-err));
		return err;
	}
	t->in_ifindex = p.in.ifindex;
	err = put_socket(t, k);
	if (err) {
		msg_set(msg, msg_len, "AF_XDP socket on %s: %s%s", TAP_IN,
			strerror(-err),
			err == -ENOBUFS || err == -ENOMEM
				? ": raise LimitMEMLOCK= of the service"
				: "");
		return err;
	}
	t->out_ifindex = p.out.ifindex;
	*ret_new = true;
	return 0;
}

void tap_close(struct tap *t)
{
	xsk_fds_close(&t->xsk);
	t->out_ifindex = t->in_ifindex = 0;
}

void tap_remove(const char *pin_dir)
{
	char dir[PINS_PATH_LEN], path[PINS_PATH_LEN];
	struct link_list l = {0};
	struct pair p;

	(void)pair_find(&p);
	if (p.out.ifindex && !is_foreign(&p.out))
		(void)link_delete(p.out.ifindex);
	if (tap_dir(pin_dir, dir) || link_list_read(dir, &l))
		return;
	for (size_t i = 0; i < l.n; i++)
		(void)link_remove(dir, &l.v[i]);
	link_list_done(&l);
	if (!pins_path(path, dir, NULL, "links"))
		(void)rmdir(path);
	(void)rmdir(dir);
}

/* --------------------------------------------------------------- rates */

void tap_unsample(const char *pin_dir, uint32_t ifindex)
{
	char dir[PINS_PATH_LEN];
	const struct link_pin *p;
	struct link_list l = {0};

	if (tap_dir(pin_dir, dir) || link_list_read(dir, &l))
		return;
	p = link_find(&l, ifindex, ASM_DIR_IN);
	if (p)
		(void)link_remove(dir, p);
	else
		(void)clsact_sample_remove(ifindex);
	link_list_done(&l);
}

static int put_sampler(const struct kern *k, const char *pin_dir,
		       const char *ifname, uint32_t ifindex)
{
	char dir[PINS_PATH_LEN];
	struct link_list l = {0};
	int err = tap_dir(pin_dir, dir);

	if (!err)
		err = make_dirs(dir);
	if (!err)
		err = link_list_read(dir, &l);
	if (err)
		return err;
	sweep(dir, &l);
	err = put_tc(dir, &l, ifname, ifindex, ASM_DIR_IN,
		     k->prog_fd[KERN_PROG_SAMPLE]);
	link_list_done(&l);
	return err;
}

/* The flag and its generation, which the programs compare; never 0, which is
 * what they start from. */
static int flag_write(const struct kern *k, uint32_t slot, bool on, bool anew)
{
	int ifs = k->map_fd[ASM_MAP_IFS];
	struct asm_if ifc;
	uint32_t gen, flags;
	int err = slot_read(ifs, slot, &ifc);

	if (err)
		return err;
	gen = ifc.flags >> ASM_IFF_GEN_SHIFT;
	if (anew || !gen)
		gen = gen % 255u + 1u;
	flags = ifc.flags & ((1u << ASM_IFF_GEN_SHIFT) - 1u) & ~ASM_IFF_SAMPLED;
	flags |= gen << ASM_IFF_GEN_SHIFT | (on ? ASM_IFF_SAMPLED : 0);
	if (flags == ifc.flags)
		return 0;
	ifc.flags = flags;
	return bpf_map_update_elem(ifs, &slot, &ifc, BPF_ANY) ? -errno : 0;
}

int tap_rate(const struct kern *k, const char *pin_dir, const char *ifname,
	     uint32_t ifindex, bool sampler, const struct asm_rate *want)
{
	struct asm_rate r = *want, old = {0};
	uint32_t rate = r.rate;
	uint32_t slot = slot_find(k->map_fd[ASM_MAP_IFS], ifindex);
	int rates = k->map_fd[ASM_MAP_RATES], err;
	struct asm_if ifc;

	if (slot == ASM_IF_UNLISTED)
		return rate ? -ENOSPC : 0;
	err = slot_read(k->map_fd[ASM_MAP_IFS], slot, &ifc);
	if (err)
		return err;
	if (rate && ifc.flags & ASM_IFF_NO_L2)
		return -EOPNOTSUPP;
	if (bpf_map_lookup_elem(rates, &slot, &old))
		return -errno;
	gap_scale(rate, &r.gap_mant, &r.gap_shift);
	if (memcmp(&r, &old, sizeof(r)) != 0 &&
	    bpf_map_update_elem(rates, &slot, &r, BPF_ANY))
		return -errno;
	if (rate && sampler)
		err = put_sampler(k, pin_dir, ifname, ifindex);
	else
		tap_unsample(pin_dir, ifindex);
	return err ? err : flag_write(k, slot, rate != 0, r.rate != old.rate);
}
