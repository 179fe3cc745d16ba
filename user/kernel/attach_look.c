/* SPDX-License-Identifier: BSD-2-Clause */
/* What is attached where; nothing here changes it. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "kernel/attach_int.h"
#include "kernel/pins.h"
#include "kernel/slots.h"

static enum attach_mode xdp_mode(uint32_t ifindex, uint32_t prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	if (bpf_xdp_query((int)ifindex, 0, &q) == 0 &&
	    q.skb_prog_id == prog_id && q.drv_prog_id != prog_id)
		return ATTACH_GENERIC;
	return ATTACH_NATIVE;
}

void attach_side_status(const struct link_list *links, uint32_t ifindex,
			enum asm_dir d, struct attach_side *ret)
{
	const struct link_pin *p = link_find(links, ifindex, d);

	*ret = (struct attach_side){0};
	if (p) {
		ret->mode = p->tcx      ? ATTACH_TCX
			    : p->mirror ? ATTACH_MIRROR
					: xdp_mode(ifindex, p->prog_id);
		ret->alive = true;
		ret->prog_id = p->prog_id;
		ret->link_id = p->link_id;
	} else if (clsact_get(ifindex, d, &ret->prog_id) == 0) {
		ret->mode = ATTACH_CLSACT;
		ret->alive = true;
	}
}

void attach_fill_status(const struct link_list *links, const char *name,
			uint32_t ifindex, uint32_t slot,
			struct attach_status *ret)
{
	*ret = (struct attach_status){.ifindex = ifindex, .slot = slot};
	memcpy(ret->name, name, strnlen(name, sizeof(ret->name) - 1));
	attach_side_status(links, ifindex, ASM_DIR_IN, &ret->in);
	attach_side_status(links, ifindex, ASM_DIR_OUT, &ret->out);
}

int attach_open_ifs(const char *dir)
{
	char path[PINS_PATH_LEN];
	int rc = pins_path(path, dir, NULL, "asm_ifs");

	return rc ? rc : pins_get(path);
}

/* -------------------------------------------------------------- listing */

struct list {
	struct link_list links;
	int ifs_fd;
	int (*fn)(void *ctx, const struct attach_status *st);
	void *ctx;
};

static int list_slots(struct list *l)
{
	struct attach_status st;
	struct asm_if ifc;
	char name[IF_NAMESIZE];
	int rc = 0;

	for (uint32_t s = 0; s < ASM_IF_SLOTS && !rc; s++) {
		if (slot_read(l->ifs_fd, s, &ifc) || !ifc.ifindex ||
		    !(ifc.flags & ASM_IFF_ATTACHED))
			continue;
		if (if_indextoname(ifc.ifindex, name)) {
			attach_fill_status(&l->links, name, ifc.ifindex, s,
					   &st);
		} else {
			st = (struct attach_status){.slot = s};
			memcpy(st.name, ifc.name, sizeof(st.name));
			st.name[sizeof(st.name) - 1] = '\0';
		}
		rc = l->fn(l->ctx, &st);
	}
	return rc;
}

/* Links of interfaces without a slot; each interface once. */
static int list_rest(struct list *l)
{
	struct attach_status st;
	char name[IF_NAMESIZE];
	int rc = 0;

	for (size_t i = 0; i < l->links.n && !rc; i++) {
		const struct link_pin *p = &l->links.v[i];

		if (!p->ifindex ||
		    slot_find(l->ifs_fd, p->ifindex) != ASM_IF_UNLISTED ||
		    (p->dir == ASM_DIR_OUT &&
		     link_find(&l->links, p->ifindex, ASM_DIR_IN)) ||
		    !if_indextoname(p->ifindex, name))
			continue;
		attach_fill_status(&l->links, name, p->ifindex, ASM_IF_UNLISTED,
				   &st);
		rc = l->fn(l->ctx, &st);
	}
	return rc;
}

int attach_list(const char *pin_dir,
		int (*fn)(void *ctx, const struct attach_status *st), void *ctx)
{
	const char *dir = pins_dir(pin_dir);
	struct list l = {.ifs_fd = attach_open_ifs(dir), .fn = fn, .ctx = ctx};
	int rc;

	if (l.ifs_fd < 0)
		return l.ifs_fd == -ENOENT ? 0 : l.ifs_fd;
	rc = link_list_read(dir, &l.links);
	if (!rc)
		rc = list_slots(&l);
	if (!rc)
		rc = list_rest(&l);
	link_list_done(&l.links);
	close(l.ifs_fd);
	return rc;
}

static void look_for(struct attach_look *v, const struct link_list *links,
		     int ifs_fd)
{
	uint32_t slot = slot_find(ifs_fd, v->ifindex), id;
	struct asm_if ifc = {0};

	v->in = link_find(links, v->ifindex, ASM_DIR_IN) ||
		!clsact_get(v->ifindex, ASM_DIR_IN, &id);
	v->out = link_find(links, v->ifindex, ASM_DIR_OUT) ||
		 !clsact_get(v->ifindex, ASM_DIR_OUT, &id);
	v->meant = slot == ASM_IF_UNLISTED || slot_read(ifs_fd, slot, &ifc) ||
		   ifc.flags & ASM_IFF_ATTACHED;
}

int attach_look(const char *pin_dir, struct attach_look *v, size_t n)
{
	const char *dir = pins_dir(pin_dir);
	struct link_list links = {0};
	int lock = pins_lock(dir), ifs_fd, rc;

	/* or a detach could be seen half done, its links gone and its slot not
	 * yet marked */
	if (lock < 0)
		return lock;
	ifs_fd = attach_open_ifs(dir);
	rc = ifs_fd < 0 ? ifs_fd : link_list_read(dir, &links);
	for (size_t i = 0; !rc && i < n; i++) {
		if (v[i].ifindex)
			look_for(&v[i], &links, ifs_fd);
	}
	link_list_done(&links);
	if (ifs_fd >= 0)
		close(ifs_fd);
	close(lock);
	return rc;
}

struct get {
	const char *ifname;
	struct attach_status st;
};

static int get_one(void *ctx, const struct attach_status *st)
{
	struct get *g = ctx;

	if (strncmp(g->ifname, st->name, sizeof(st->name)))
		return 0;
	g->st = *st;
	return 1;
}

int attach_get(const char *pin_dir, const char *ifname,
	       struct attach_status *ret)
{
	struct get g = {.ifname = ifname};
	int rc = attach_list(pin_dir, get_one, &g);

	if (rc == 1)
		*ret = g.st;
	return rc == 1 ? 0 : rc ? rc : -ENOENT;
}
