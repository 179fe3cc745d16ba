/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which rung of the ladder, and what to say about it. Everything here runs
 * under the lock of the pin directory, so keeper and client do not race.
 */
#include "kernel/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/attach_int.h"
#include "kernel/ifstat.h"
#include "kernel/links.h"
#include "kernel/mirror.h"
#include "kernel/pins.h"
#include "kernel/slots.h"
#include "kernel/tap.h"

static const char *const mode_names[ATTACH_MODES] = {
	[ATTACH_NONE] = "none",       [ATTACH_NATIVE] = "native",
	[ATTACH_GENERIC] = "generic", [ATTACH_TCX] = "tcx",
	[ATTACH_CLSACT] = "clsact",   [ATTACH_MIRROR] = "mirror",
};

static const char *const want_names[ATTACH_WANTS] = {
	[ATTACH_WANT_AUTO] = "auto",       [ATTACH_WANT_NATIVE] = "native",
	[ATTACH_WANT_GENERIC] = "generic", [ATTACH_WANT_TC] = "tc",
	[ATTACH_WANT_CLSACT] = "clsact",   [ATTACH_WANT_MIRROR] = "mirror",
};

const char *attach_mode_name(enum attach_mode mode)
{
	return (unsigned)mode < ATTACH_MODES ? mode_names[mode] : "?";
}

int attach_want_parse(const char *name, enum attach_want *ret)
{
	for (unsigned i = 0; i < ATTACH_WANTS; i++) {
		if (strcmp(name, want_names[i]))
			continue;
		*ret = (enum attach_want)i;
		return 0;
	}
	return -EINVAL;
}

/* What a call works on. */
struct job {
	const char *dir;
	const struct kern *k;
	struct ifstat st;
	struct link_list links;
	uint32_t slot;
	bool made_qdisc;
	char *msg;
	size_t msg_len;
};

/* -------------------------------------------------------------- looking */

/* The name of a program, "" when it may not be asked (CAP_SYS_ADMIN). */
static void prog_name(uint32_t id, char ret[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	ret[0] = '\0';
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		memcpy(ret, info.name, BPF_OBJ_NAME_LEN);
	close(fd);
}

/* -EBUSY when somebody else's XDP program is there. */
static int xdp_foreign(struct job *j)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id;

	if (bpf_xdp_query((int)j->st.ifindex, 0, &q))
		return 0;
	id = q.prog_id       ? q.prog_id
	     : q.drv_prog_id ? q.drv_prog_id
	     : q.skb_prog_id ? q.skb_prog_id
			     : q.hw_prog_id;
	if (!id)
		return 0;
	prog_name(id, name);
	msg_set(j->msg, j->msg_len,
		"%s: the XDP program %s%s%s(id %u) is there already: remove it "
		"(`ip link set dev %s xdp off`, or `bpftool link` when a link "
		"holds it), or choose `mode: tc`",
		j->st.name, name[0] ? "\"" : "", name, name[0] ? "\" " : "", id,
		j->st.name);
	return -EBUSY;
}

static bool xdp_ours(const struct job *j)
{
	const struct link_pin *p =
		link_find(&j->links, j->st.ifindex, ASM_DIR_IN);

	return p && !p->tcx;
}

/* ------------------------------------------------------------ attaching */

static int explain(struct job *j, const char *what, int rc)
{
	char text[96];

	if (rc == -EPERM) {
		(void)snprintf(text, sizeof(text), "attaching to %s",
			       j->st.name);
		pins_explain_eperm(j->msg, j->msg_len, text);
		return rc;
	}
	msg_set(j->msg, j->msg_len, "%s: %s: %s%s%s%s", j->st.name, what,
		strerror(-rc), j->st.driver[0] ? " (driver " : "", j->st.driver,
		j->st.driver[0] ? ")" : "");
	return rc == -EINVAL || rc == -ENOTSUP ? -EOPNOTSUPP : rc;
}

static enum kern_prog prog_number(enum asm_dir d, enum attach_mode mode)
{
	if (d == ASM_DIR_OUT)
		return KERN_PROG_EGRESS;
	if (mode == ATTACH_MIRROR)
		return KERN_PROG_MIRROR;
	return mode == ATTACH_NATIVE || mode == ATTACH_GENERIC
		       ? KERN_PROG_XDP
		       : KERN_PROG_INGRESS;
}

static int prog_of(const struct job *j, enum asm_dir d, enum attach_mode mode)
{
	return j->k->prog_fd[prog_number(d, mode)];
}

static bool want_allows(enum attach_want want, enum attach_mode mode,
			enum asm_dir d)
{
	switch (want) {
	case ATTACH_WANT_NATIVE:
		return mode == ATTACH_NATIVE;
	case ATTACH_WANT_GENERIC:
		return mode == ATTACH_GENERIC;
	case ATTACH_WANT_TC:
		return mode == ATTACH_TCX || mode == ATTACH_CLSACT;
	case ATTACH_WANT_CLSACT:
		return mode == ATTACH_CLSACT;
	case ATTACH_WANT_MIRROR:
		return mode == ATTACH_MIRROR;
	default:
		return mode != ATTACH_NONE && mode != ATTACH_MIRROR &&
		       (mode != ATTACH_GENERIC || d == ASM_DIR_OUT);
	}
}

/* A link made by another release may have been made with another expected
 * attach type, and some kernels let no program of a different one in: then the
 * same program is loaded with that. */
static int replace(const struct job *j, const struct link_pin *p,
		   enum kern_prog prog)
{
	const uint32_t types[] = {0, link_attach_type(p)};
	int rc = link_replace(j->dir, p, j->k->prog_fd[prog]);

	for (size_t i = 0; rc == -EINVAL && i < 2; i++) {
		int fd = kern_load_variant(j->k, prog, types[i]);

		if (fd < 0)
			continue;
		rc = link_replace(j->dir, p, fd);
		close(fd);
	}
	return rc;
}

/* Puts the present program behind what is attached. */
static int refresh(struct job *j, enum asm_dir d,
		   const struct attach_side *side)
{
	const struct link_pin *p = link_find(&j->links, j->st.ifindex, d);
	enum kern_prog prog = prog_number(d, side->mode);
	int rc;

	rc = p ? replace(j, p, prog)
	       : clsact_set(j->st.ifindex, d, j->k->prog_fd[prog],
			    &j->made_qdisc);
	return rc ? explain(j, "replacing the program", rc) : 0;
}

static int side_remove(const char *dir, const struct link_list *links,
		       uint32_t ifindex, enum asm_dir d)
{
	const struct link_pin *p = link_find(links, ifindex, d);

	return p ? link_remove(dir, p) : clsact_remove(ifindex, d);
}

static int attach_tc(struct job *j, enum asm_dir d, enum attach_want want)
{
	int fd = prog_of(j, d, ATTACH_TCX), rc = -EINVAL;

	if (want != ATTACH_WANT_CLSACT)
		rc = link_add_tcx(j->dir, j->st.name, j->st.ifindex, fd, d);
	/* a kernel before 6.6 does not know the attach type */
	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		rc = clsact_set(j->st.ifindex, d, fd, &j->made_qdisc);
	return rc ? explain(j,
			    d == ASM_DIR_OUT ? "TC at egress" : "TC at ingress",
			    rc)
		  : 0;
}

/* A bond takes native XDP and runs it in its members: each packet would be
 * counted under the member's index, which nobody has asked to meter. */
static int xdp_of_bond(struct job *j)
{
	msg_set(j->msg, j->msg_len,
		"%s: native XDP on a bond runs in its members: meter those "
		"instead, or mode tc",
		j->st.name);
	return -EOPNOTSUPP;
}

static int attach_xdp(struct job *j, enum attach_want want)
{
	bool generic = want == ATTACH_WANT_GENERIC;
	int rc;

	if (!generic && !strcmp(j->st.driver, "bonding"))
		return xdp_of_bond(j);
	if (want == ATTACH_WANT_MIRROR) {
		rc = link_add_mirror(j->dir, j->st.name, j->st.ifindex,
				     prog_of(j, ASM_DIR_IN, ATTACH_MIRROR));
		return rc ? explain(j, "native XDP for mirror mode", rc) : 0;
	}
	rc = link_add_xdp(j->dir, j->st.name, j->st.ifindex,
			  prog_of(j, ASM_DIR_IN, ATTACH_NATIVE),
			  generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	return rc ? explain(j, generic ? "generic XDP" : "native XDP", rc) : 0;
}

static int attach_in(struct job *j, enum attach_want want)
{
	char why[KERN_MSG_LEN];
	int rc;

	if (want == ATTACH_WANT_TC || want == ATTACH_WANT_CLSACT)
		return attach_tc(j, ASM_DIR_IN, want);
	rc = xdp_foreign(j);
	if (rc)
		return rc;
	rc = attach_xdp(j, want);
	if (!rc)
		return 0;
	if (want != ATTACH_WANT_AUTO || rc == -EPERM)
		return rc;
	rc = attach_tc(j, ASM_DIR_IN, want);
	if (rc)
		return rc;
	(void)snprintf(why, sizeof(why), "%.*s", (int)sizeof(why) - 1, j->msg);
	msg_set(j->msg, j->msg_len, "%.400s; metering at TC ingress instead",
		why);
	return 0;
}

static int attach_new(struct job *j, enum asm_dir d, enum attach_want want)
{
	return d == ASM_DIR_IN ? attach_in(j, want) : attach_tc(j, d, want);
}

/* Takes one mode off and puts another on; when that cannot be, the old one
 * comes back and msg says why. Never both: each packet would count twice. */
static int exchange(struct job *j, enum asm_dir d, enum attach_mode old,
		    enum attach_want want)
{
	static const enum attach_want back[ATTACH_MODES] = {
		[ATTACH_NATIVE] = ATTACH_WANT_NATIVE,
		[ATTACH_GENERIC] = ATTACH_WANT_GENERIC,
		[ATTACH_TCX] = ATTACH_WANT_TC,
		[ATTACH_CLSACT] = ATTACH_WANT_CLSACT,
		[ATTACH_MIRROR] = ATTACH_WANT_MIRROR,
	};
	struct job quiet;
	int rc = side_remove(j->dir, &j->links, j->st.ifindex, d);

	if (rc)
		return explain(j, "changing the mode", rc);
	rc = attach_new(j, d, want);
	if (!rc)
		return 0;
	quiet = *j;
	quiet.msg_len = 0;
	(void)attach_new(&quiet, d, back[old]);
	return rc;
}

/* Attaches, refreshes or exchanges one direction. *ret_fresh: it was not
 * there before. */
static int attach_side(struct job *j, enum asm_dir d, enum attach_want want,
		       bool *ret_fresh)
{
	struct attach_side side;
	int rc;

	*ret_fresh = false;
	attach_side_status(&j->links, j->st.ifindex, d, &side);
	if (side.mode != ATTACH_NONE)
		return want_allows(want, side.mode, d)
			       ? refresh(j, d, &side)
			       : exchange(j, d, side.mode, want);
	rc = attach_new(j, d, want);
	*ret_fresh = !rc;
	return rc;
}

/* Gone, or in another network namespace. */
static bool is_away(uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	return !ifindex || !if_indextoname(ifindex, name);
}

/* Pins whose interface is gone and whose name this one has. */
static void remove_dead(struct job *j, const char *ifname)
{
	for (size_t i = 0; i < j->links.n; i++) {
		const struct link_pin *p = &j->links.v[i];

		if (is_away(p->ifindex) && link_is_named(p, ifname))
			(void)link_remove(j->dir, p);
	}
}

static int find_iface(struct job *j, const char *ifname)
{
	char near[IFSTAT_NAME_LEN];
	int rc = ifstat_get(0, ifname, &j->st);

	if (!rc)
		return 0;
	if (rc != -ENODEV) {
		msg_set(j->msg, j->msg_len, "%s: %s", ifname, strerror(-rc));
		return rc;
	}
	ifstat_suggest(ifname, near);
	msg_set(j->msg, j->msg_len, "no interface \"%.32s\"%s%s%s", ifname,
		near[0] ? ", did you mean \"" : "", near,
		near[0] ? "\"?" : ": see `ip link`");
	return rc;
}

static int reread_links(struct job *j)
{
	link_list_done(&j->links);
	return link_list_read(j->dir, &j->links);
}

/* Undoes what a failed call has begun. */
static void roll_back(struct job *j, bool fresh_in, bool was_attached)
{
	int ifs_fd = j->k->map_fd[ASM_MAP_IFS];

	if (fresh_in && !reread_links(j))
		(void)side_remove(j->dir, &j->links, j->st.ifindex, ASM_DIR_IN);
	if (j->made_qdisc)
		(void)clsact_remove_qdisc(j->st.ifindex);
	if (!was_attached && !ifstat_get(j->st.ifindex, NULL, &j->st))
		(void)slot_release(ifs_fd, j->slot, &j->st);
}

static int attach_both(struct job *j, const struct attach_opts *opts)
{
	int ifs_fd = j->k->map_fd[ASM_MAP_IFS];
	bool fresh_in = false, fresh_out, was_attached;
	struct asm_if before = {0};
	int rc;

	j->slot = slot_find(ifs_fd, j->st.ifindex);
	was_attached = j->slot != ASM_IF_UNLISTED &&
		       !slot_read(ifs_fd, j->slot, &before) &&
		       before.flags & ASM_IFF_ATTACHED;
	rc = slot_take(ifs_fd, &j->st, &j->slot);
	if (rc) {
		msg_set(j->msg, j->msg_len, "asm_ifs: %s", strerror(-rc));
		return rc;
	}
	rc = attach_side(j, ASM_DIR_IN, opts->in, &fresh_in);
	if (!rc) {
		char note[KERN_MSG_LEN];

		(void)snprintf(note, sizeof(note), "%s",
			       j->msg_len ? j->msg : "");
		rc = attach_side(j, ASM_DIR_OUT, opts->out, &fresh_out);
		if (!rc)
			msg_set(j->msg, j->msg_len, "%s", note);
	}
	if (rc)
		roll_back(j, fresh_in, was_attached);
	else if (j->made_qdisc)
		rc = slot_flag(ifs_fd, j->slot, ASM_IFF_QDISC);
	return rc;
}

int attach_iface(const struct kern *k, const char *ifname,
		 const struct attach_opts *opts, struct attach_status *ret,
		 char *msg, size_t msg_len)
{
	struct job j = {.dir = pins_dir(opts->pin_dir),
			.k = k,
			.msg = msg,
			.msg_len = msg_len};
	int rc, lock;

	msg_set(msg, msg_len, "%s", "");
	rc = find_iface(&j, ifname);
	if (rc)
		return rc;
	lock = pins_lock(j.dir);
	if (lock < 0) {
		msg_set(msg, msg_len, "cannot lock %s: %s", j.dir,
			strerror(-lock));
		return lock;
	}
	rc = link_list_read(j.dir, &j.links);
	if (rc) {
		(void)explain(&j, "reading the pinned links", rc);
		goto out;
	}
	remove_dead(&j, j.st.name);
	rc = opts->in == ATTACH_WANT_MIRROR ? mirror_check(&j.st, msg, msg_len)
					    : 0;
	if (!rc)
		rc = attach_both(&j, opts);
	if (!rc && ret && !reread_links(&j))
		attach_fill_status(&j.links, j.st.name, j.st.ifindex, j.slot,
				   ret);
out:
	link_list_done(&j.links);
	close(lock);
	return rc;
}

/* The filters on clsact, which have no link. */
static int refresh_filters(struct job *j)
{
	struct asm_if ifc;
	uint32_t id;
	int rc = 0;

	for (uint32_t s = 0; s < ASM_IF_SLOTS && !rc; s++) {
		if (slot_read(j->k->map_fd[ASM_MAP_IFS], s, &ifc) ||
		    !(ifc.flags & ASM_IFF_ATTACHED) ||
		    ifstat_get(ifc.ifindex, NULL, &j->st))
			continue;
		for (unsigned d = 0; d < ASM_DIRS && !rc; d++) {
			const struct attach_side side = {.mode = ATTACH_CLSACT};

			if (!link_find(&j->links, ifc.ifindex,
				       (enum asm_dir)d) &&
			    !clsact_get(ifc.ifindex, (enum asm_dir)d, &id))
				rc = refresh(j, (enum asm_dir)d, &side);
		}
	}
	return rc;
}

int attach_refresh_all(const struct kern *k, const char *pin_dir, char *msg,
		       size_t msg_len)
{
	struct job j = {.dir = pins_dir(pin_dir),
			.k = k,
			.msg = msg,
			.msg_len = msg_len};
	int rc = link_list_read(j.dir, &j.links);

	for (size_t i = 0; i < j.links.n && !rc; i++) {
		const struct link_pin *p = &j.links.v[i];
		enum attach_mode mode = p->tcx      ? ATTACH_TCX
					: p->mirror ? ATTACH_MIRROR
						    : ATTACH_NATIVE;

		if (!p->ifindex)
			continue;
		(void)snprintf(j.st.name, sizeof(j.st.name), "%.15s", p->name);
		rc = replace(&j, p, prog_number(p->dir, mode));
		if (rc == -ENOLINK) /* it went this moment */
			rc = 0;
		if (rc)
			rc = explain(&j, "replacing the program", rc);
	}
	if (!rc)
		rc = refresh_filters(&j);
	link_list_done(&j.links);
	return rc;
}

int attach_check(const char *ifname, const struct attach_opts *opts, char *msg,
		 size_t msg_len)
{
	struct job j = {.dir = pins_dir(opts->pin_dir),
			.msg = msg,
			.msg_len = msg_len};
	int rc;

	msg_set(msg, msg_len, "%s", "");
	rc = find_iface(&j, ifname);
	if (!rc && opts->in == ATTACH_WANT_MIRROR)
		rc = mirror_check(&j.st, msg, msg_len);
	if (rc || opts->in == ATTACH_WANT_TC || opts->in == ATTACH_WANT_CLSACT)
		return rc;
	rc = link_list_read(j.dir, &j.links);
	if (rc) {
		(void)explain(&j, "reading the pinned links", rc);
		return rc;
	}
	if (!xdp_ours(&j))
		rc = xdp_foreign(&j);
	link_list_done(&j.links);
	return rc;
}

/* ------------------------------------------------------------ detaching */

static int detach_live(struct job *j, int ifs_fd)
{
	uint32_t ifindex = j->st.ifindex;
	struct asm_if ifc = {0};
	int in, out, rc;

	in = side_remove(j->dir, &j->links, ifindex, ASM_DIR_IN);
	out = side_remove(j->dir, &j->links, ifindex, ASM_DIR_OUT);
	rc = in && in != -ENOENT ? in : out && out != -ENOENT ? out : 0;
	if (rc)
		return explain(j, "detaching", rc);
	tap_unsample(j->dir, ifindex);
	if (ifs_fd >= 0) {
		uint32_t slot = slot_find(ifs_fd, ifindex);

		if (slot != ASM_IF_UNLISTED && !slot_read(ifs_fd, slot, &ifc) &&
		    ifc.flags & ASM_IFF_QDISC)
			(void)clsact_remove_qdisc(ifindex);
		(void)ifstat_get(ifindex, NULL, &j->st);
		(void)slot_release(ifs_fd, slot, &j->st);
	}
	if (in == -ENOENT && out == -ENOENT &&
	    !(ifc.flags & ASM_IFF_ATTACHED)) {
		msg_set(j->msg, j->msg_len, "%s is not attached", j->st.name);
		return -ENOENT;
	}
	return 0;
}

/* What is left of interfaces of this name that exist no more. True: there was
 * something. */
static bool detach_dead(struct job *j, int ifs_fd, const char *ifname)
{
	size_t before = j->links.n;
	char name[IF_NAMESIZE];
	struct asm_if ifc;
	bool found;

	remove_dead(j, ifname);
	found = !reread_links(j) && j->links.n < before;
	for (uint32_t s = 0; ifs_fd >= 0 && s < ASM_IF_SLOTS; s++) {
		if (slot_read(ifs_fd, s, &ifc) || !ifc.ifindex ||
		    !(ifc.flags & ASM_IFF_ATTACHED) ||
		    strncmp(ifc.name, ifname, sizeof(ifc.name)) != 0 ||
		    if_indextoname(ifc.ifindex, name))
			continue;
		found = true;
		(void)slot_release(ifs_fd, s, NULL);
	}
	return found;
}

int attach_detach(const char *pin_dir, const char *ifname, char *msg,
		  size_t msg_len)
{
	struct job j = {.dir = pins_dir(pin_dir),
			.msg = msg,
			.msg_len = msg_len};
	int rc, lock, ifs_fd, missing;
	bool dead;

	msg_set(msg, msg_len, "%s", "");
	missing = find_iface(&j, ifname);
	if (missing && missing != -ENODEV)
		return missing;
	lock = pins_lock(j.dir);
	if (lock < 0) {
		rc = missing ? missing : lock;
		if (!missing)
			msg_set(msg, msg_len, "%s is not attached (%s: %s)",
				ifname, j.dir, strerror(-lock));
		return rc;
	}
	ifs_fd = attach_open_ifs(j.dir);
	rc = link_list_read(j.dir, &j.links);
	if (rc) {
		msg_set(msg, msg_len, "%s/links: %s", j.dir, strerror(-rc));
		goto out;
	}
	dead = detach_dead(&j, ifs_fd, ifname);
	rc = missing ? missing : detach_live(&j, ifs_fd);
	if (dead && (rc == -ENODEV || rc == -ENOENT)) {
		msg_set(msg, msg_len, "%s", "");
		rc = 0;
	}
out:
	link_list_done(&j.links);
	if (ifs_fd >= 0)
		close(ifs_fd);
	close(lock);
	return rc;
}
