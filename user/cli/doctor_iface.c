/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces (driver, XDP, other programs) and what is pinned. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "kernel/attach.h"
#include "kernel/ifstat.h"
#include "kernel/load.h"

/* Drivers with native XDP as of Linux 6.12 (those of drivers/net with an
 * ndo_bpf); a new one that is missing here costs a line of text only. */
static const char *const xdp_drivers[] = {
	"atlantic",    "bnxt_en",
	"bonding",     "cpsw",
	"dpaa2-eth",   "ena",
	"fsl_enetc",   "fsl_dpa",
	"fec",         "fun",
	"gve",         "hv_netvsc",
	"i40e",        "iavf",
	"ice",         "igb",
	"igc",         "ixgbe",
	"ixgbevf",     "lan966x-switch",
	"mana",        "mlx4_en",
	"mlx5_core",   "mvneta",
	"mvpp2",       "mtk_soc_eth",
	"netsec",      "netvsc",
	"nfp",         "octeontx2-nicpf",
	"qede",        "sfc",
	"stmmac",      "st_gmac",
	"thunder-nic", "tsnep",
	"tun",         "veth",
	"virtio_net",  "vmxnet3",
	"vif",         "am65-cpsw-nuss",
};

bool doctor_driver_has_xdp(const char *driver)
{
	for (size_t i = 0; i < sizeof(xdp_drivers) / sizeof(*xdp_drivers);
	     i++) {
		if (!strcmp(driver, xdp_drivers[i]))
			return true;
	}
	return false;
}

static void prog_name(uint32_t id, char *to, size_t len)
{
	struct bpf_prog_info info = {0};
	__u32 n = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	snprintf(to, len, "program %u", id);
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &n) && info.name[0])
		snprintf(to, len, "%s (id %u)", info.name, id);
	close(fd);
}

/* XDP programs on the interface that are not ours. */
static void others(struct findings *f, const struct ifstat *st,
		   uint32_t our_prog)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	char name[64];
	uint32_t id;

	if (bpf_xdp_query((int)st->ifindex, 0, &q))
		return;
	id = q.drv_prog_id ? q.drv_prog_id : q.skb_prog_id;
	id = id ? id : q.hw_prog_id;
	id = id ? id : q.prog_id;
	if (!id || id == our_prog)
		return;
	prog_name(id, name, sizeof(name));
	if (our_prog == 0 && !strncmp(name, "xdp_meter ", 10))
		return; /* ours, but the pins are not for us to read */
	found(f, FOUND_WARN, st->name, "another XDP program is there: %s",
	      name);
	found_cure(f,
		   "asmeter counts there only after it is gone (`ip link "
		   "set dev %s xdp off`, or by the tool that put it there), "
		   "or with mode: tc",
		   st->name);
}

void doctor_interface(struct findings *f, const char *name)
{
	struct attach_status at = {0};
	char near[IFSTAT_NAME_LEN];
	struct ifstat st;
	int err;

	if (ifstat_get(0, name, &st)) {
		ifstat_suggest(name, near);
		found(f, FOUND_FAULT, name, "there is no such interface");
		if (near[0])
			found_cure(f, "did you mean %s?", near);
		else
			found_cure(f, "`ip link` lists them");
		return;
	}
	err = attach_get(NULL, name, &at);
	if (err == -EACCES || err == -EPERM)
		found(f, FOUND_NOTE, name,
		      "driver %s; whether it is metered only root can see",
		      st.driver[0] ? st.driver : "unknown");
	else if (err)
		found(f, FOUND_NOTE, name, "driver %s, MTU %u: not metered",
		      st.driver[0] ? st.driver : "unknown", st.mtu);
	else
		found(f, at.in.alive && at.out.alive ? FOUND_OK : FOUND_FAULT,
		      name, "driver %s, MTU %u: in %s%s, out %s%s",
		      st.driver[0] ? st.driver : "unknown", st.mtu,
		      attach_mode_name(at.in.mode),
		      at.in.alive ? "" : " (gone)",
		      attach_mode_name(at.out.mode),
		      at.out.alive ? "" : " (gone)");
	if (!err && !(at.in.alive && at.out.alive))
		found_cure(f, "asmeter attach %s", name);
	if (!doctor_driver_has_xdp(st.driver)) {
		found(f, FOUND_NOTE, name,
		      "driver %s is not known to have native XDP: ingress is "
		      "counted at TC, after the kernel made its buffers",
		      st.driver[0] ? st.driver : "unknown");
	} else if (!err && at.in.mode != ATTACH_NATIVE) {
		found(f, FOUND_WARN, name,
		      "the driver has native XDP, but ingress runs as %s",
		      attach_mode_name(at.in.mode));
		found_cure(f,
			   "asmeter attach -m native %s says what is in the "
			   "way",
			   name);
	}
	if (!st.oper_up)
		found(f, FOUND_NOTE, name, "the link is down");
	others(f, &st, err ? 0 : at.in.prog_id);
}

static int on_attached(void *ctx, const struct attach_status *st)
{
	doctor_interface(ctx, st->name);
	return 0;
}

void doctor_attached(struct findings *f)
{
	(void)attach_list(NULL, on_attached, f);
}

void doctor_pins(struct findings *f)
{
	char msg[KERN_MSG_LEN] = "";
	struct kern k = {0};
	int err = kern_open(NULL, &k, msg, sizeof(msg));

	if (!err) {
		found(f, FOUND_OK, "maps", "pinned at " ASM_PIN_DIR);
		kern_done(&k);
	} else if (err == -EPERM || err == -EACCES) {
		found(f, FOUND_NOTE, "maps",
		      "only root may look into " ASM_PIN_DIR);
	} else if (err == -ENOENT) {
		found(f, FOUND_NOTE, "maps",
		      "nothing is pinned at " ASM_PIN_DIR " yet");
		found_cure(f, "systemctl start asmeterd");
	} else {
		found(f, FOUND_FAULT, "maps", "%s",
		      *msg ? msg : strerror(-err));
		found_cure(f, "stop asmeterd, detach the interfaces, "
			      "remove " ASM_PIN_DIR ", start asmeterd");
	}
}
