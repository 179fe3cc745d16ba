/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of interfaces against a kernel that is played here. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ifaces.h"

static unsigned attached, detached, checked;
static bool vanishes; /* the interface goes while it is attached */

const char *attach_mode_name(enum attach_mode mode)
{
	return mode ? "native" : "none";
}

int attach_check(const char *ifname, const struct attach_opts *opts, char *msg,
		 size_t msg_len)
{
	(void)opts;
	checked++;
	msg[0] = '\0';
	if (strcmp(ifname, "nope") != 0)
		return 0;
	(void)snprintf(msg, msg_len, "no interface \"nope\"");
	return -ENODEV;
}

int attach_iface(const struct kern *k, const char *ifname,
		 const struct attach_opts *opts, struct attach_status *ret,
		 char *msg, size_t msg_len)
{
	(void)k;
	(void)opts;
	(void)msg_len;
	msg[0] = '\0';
	if (!strcmp(ifname, "nope"))
		return -ENODEV;
	attached++;
	*ret = (struct attach_status){.ifindex = 7};
	if (!vanishes)
		ret->in.mode = ret->out.mode = ATTACH_NATIVE;
	return 0;
}

int attach_detach(const char *pin_dir, const char *ifname, char *msg,
		  size_t msg_len)
{
	(void)pin_dir;
	(void)ifname;
	(void)msg;
	(void)msg_len;
	detached++;
	return 0;
}

int attach_list(const char *pin_dir,
		int (*fn)(void *ctx, const struct attach_status *st), void *ctx)
{
	(void)pin_dir;
	(void)fn;
	(void)ctx;
	return 0;
}

int attach_refresh_all(const struct kern *k, const char *pin_dir, char *msg,
		       size_t msg_len)
{
	(void)k;
	(void)pin_dir;
	(void)msg;
	(void)msg_len;
	return 0;
}

/* What attach_look() finds. */
static bool alive = true, meant = true;

int attach_look(const char *pin_dir, struct attach_look *v, size_t n)
{
	(void)pin_dir;
	for (size_t i = 0; i < n; i++) {
		v[i].in = v[i].out = alive;
		v[i].meant = meant;
	}
	return 0;
}

int attach_get(const char *pin_dir, const char *ifname,
	       struct attach_status *ret)
{
	(void)pin_dir;
	(void)ifname;
	(void)ret;
	return -ENOENT;
}

static char v0[] = "v0", v1[] = "v1", nope[] = "nope";

Test(ifaces, every_name_is_checked_before_one_is_attached,
     .init = cr_redirect_stderr)
{
	static struct iface_set s;
	struct config_iface one[] = {{.name = v0}};
	struct config_iface all[] = {{.name = v0},
				     {.name = v1},
				     {.name = nope}};
	struct config cfg = {.interfaces = all, .n_interfaces = 3};
	char msg[KERN_MSG_LEN] = "";

	/* at start */
	cr_assert_eq(iface_set_apply(&s, &cfg, msg, sizeof(msg)), -ENODEV);
	cr_assert_str_eq(msg, "no interface \"nope\"");
	cr_assert_eq(attached, 0);
	cr_assert_eq(detached, 0);
	cr_assert_eq(s.n, 0);
	/* at reload; what is metered needs no check */
	cfg = (struct config){.interfaces = one, .n_interfaces = 1};
	cr_assert_eq(iface_set_apply(&s, &cfg, msg, sizeof(msg)), 0);
	cr_assert_eq(attached, 1);
	cfg = (struct config){.interfaces = all, .n_interfaces = 3};
	checked = 0;
	cr_assert_eq(iface_set_apply(&s, &cfg, msg, sizeof(msg)), -ENODEV);
	cr_assert_eq(checked, 2);
	cr_assert_eq(attached, 1);
	cr_assert_eq(detached, 0);
	cr_assert_eq(s.n, 1);
}

Test(ifaces, one_that_goes_while_it_is_attached_is_not_metered,
     .init = cr_redirect_stderr)
{
	static struct iface_set s;
	struct config_iface one[] = {{.name = v0}};
	struct config cfg = {.interfaces = one, .n_interfaces = 1};
	char msg[KERN_MSG_LEN] = "";

	vanishes = true;
	cr_assert_eq(iface_set_apply(&s, &cfg, msg, sizeof(msg)), -ENODEV);
	cr_assert(strstr(msg, "v0: "), "%s", msg);
	cr_assert_eq(s.n, 0);
}

/* A set with the loopback interface, which is there, as the one attached. */
static void attach_lo(struct iface_set *s)
{
	static char lo[] = "lo";
	static struct config_iface one[] = {{.name = lo}};
	static struct config cfg = {.interfaces = one, .n_interfaces = 1};
	char msg[KERN_MSG_LEN] = "";

	cr_assert_eq(iface_set_apply(s, &cfg, msg, sizeof(msg)), 0, "%s", msg);
	s->v[0].ifindex = if_nametoindex("lo");
	cr_assert_eq(iface_set_audit(s, (struct mono){1000}), false);
}

Test(ifaces, what_somebody_took_off_comes_back, .init = cr_redirect_stderr)
{
	static struct iface_set s;
	struct mono t = {1000 + IFACE_AUDIT_NS};

	attach_lo(&s);
	cr_assert_not(iface_set_audit(&s, t), "all is well");
	alive = false;
	cr_assert_not(iface_set_audit(&s, t), "not yet due");
	attached = 0;
	t = mono_add_ns(t, IFACE_AUDIT_NS);
	cr_assert(iface_set_audit(&s, t));
	cr_assert_eq(attached, 1);
	cr_assert_eq(s.v[0].reattached, 1);
	cr_assert_gt(s.v[0].gap_ns, 0);
	cr_assert_eq(s.v[0].lost.ns, 0);
	cr_assert_str_eq(s.v[0].error, "");
}

Test(ifaces, what_was_detached_by_hand_stays_off, .init = cr_redirect_stderr)
{
	static struct iface_set s;
	static char lo[] = "lo";
	struct config_iface one[] = {{.name = lo}};
	struct config cfg = {.interfaces = one, .n_interfaces = 1};
	char msg[KERN_MSG_LEN] = "";
	struct mono t = {1000 + IFACE_AUDIT_NS};

	attach_lo(&s);
	alive = meant = false;
	attached = 0;
	cr_assert(iface_set_audit(&s, t));
	cr_assert(strstr(s.v[0].error, "asmeter detach"), "%s", s.v[0].error);
	for (unsigned i = 1; i < 4; i++) {
		t = mono_add_ns(t, IFACE_AUDIT_NS);
		s.check = true;
		(void)iface_set_repair(&s);
		cr_assert_not(iface_set_audit(&s, t));
	}
	cr_assert_eq(attached, 0);
	/* until a reload */
	cr_assert_eq(iface_set_apply(&s, &cfg, msg, sizeof(msg)), 0);
	cr_assert_eq(attached, 1);
	cr_assert_not(s.v[0].off);
	cr_assert_gt(s.v[0].gap_ns, 0);
}

Test(ifaces, what_fails_is_tried_again_after_a_while,
     .init = cr_redirect_stderr)
{
	static struct iface_set s;
	struct mono t = {1000 + IFACE_AUDIT_NS};

	attach_lo(&s);
	alive = false;
	vanishes = true;
	attached = 0;
	cr_assert(iface_set_audit(&s, t));
	cr_assert_eq(attached, 1);
	cr_assert_neq(s.v[0].lost.ns, 0);
	t = mono_add_ns(s.v[0].failed, IFACE_RETRY_NS - 1);
	cr_assert_not(iface_set_audit(&s, t), "not at once");
	cr_assert_eq(attached, 1);
	vanishes = false;
	t = mono_add_ns(t, IFACE_AUDIT_NS);
	cr_assert(iface_set_audit(&s, t));
	cr_assert_eq(attached, 2);
	cr_assert_eq(s.v[0].lost.ns, 0);
}
