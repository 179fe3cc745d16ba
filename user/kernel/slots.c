/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/slots.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <time.h>

int slot_read(int ifs_fd, uint32_t slot, struct asm_if *ret)
{
	return bpf_map_lookup_elem(ifs_fd, &slot, ret) ? -errno : 0;
}

static int slot_write(int ifs_fd, uint32_t slot, const struct asm_if *ifc)
{
	return bpf_map_update_elem(ifs_fd, &slot, ifc, BPF_ANY) ? -errno : 0;
}

/* Its slot, else the first free one of its places. */
static uint32_t slot_place(int ifs_fd, uint32_t ifindex, bool or_free)
{
	uint32_t free_slot = ASM_IF_UNLISTED;
	struct asm_if ifc;

	for (uint32_t i = 0; i < ASM_IF_PROBES; i++) {
		uint32_t slot = (ifindex + i) % ASM_IF_SLOTS;

		if (slot_read(ifs_fd, slot, &ifc))
			continue;
		if (ifc.ifindex == ifindex)
			return slot;
		if (!ifc.ifindex && free_slot == ASM_IF_UNLISTED)
			free_slot = slot;
	}
	return or_free ? free_slot : ASM_IF_UNLISTED;
}

uint32_t slot_find(int ifs_fd, uint32_t ifindex)
{
	return slot_place(ifs_fd, ifindex, false);
}

/* Interfaces that are gone and whose name this one has now. */
static void release_namesakes(int ifs_fd, const struct ifstat *st)
{
	char name[IF_NAMESIZE];
	struct asm_if ifc;

	for (uint32_t s = 0; s < ASM_IF_SLOTS; s++)
		if (!slot_read(ifs_fd, s, &ifc) && ifc.ifindex &&
		    ifc.ifindex != st->ifindex &&
		    ifc.flags & ASM_IFF_ATTACHED &&
		    !strncmp(ifc.name, st->name, sizeof(ifc.name)) &&
		    !if_indextoname(ifc.ifindex, name))
			(void)slot_release(ifs_fd, s, NULL);
}

int slot_take(int ifs_fd, const struct ifstat *st, uint32_t *ret_slot)
{
	uint32_t slot = slot_place(ifs_fd, st->ifindex, true);
	struct asm_if ifc = {0};
	int rc;

	release_namesakes(ifs_fd, st);
	*ret_slot = slot;
	if (slot == ASM_IF_UNLISTED)
		return 0;
	rc = slot_read(ifs_fd, slot, &ifc);
	if (rc)
		return rc;
	if (!(ifc.flags & ASM_IFF_ATTACHED)) {
		/* what both counted together before is in base while detached;
		 * modulo 2^64 throughout */
		ifc.base_rx_packets = st->rx_packets - ifc.base_rx_packets;
		ifc.base_rx_bytes = st->rx_bytes - ifc.base_rx_bytes;
		ifc.base_tx_packets = st->tx_packets - ifc.base_tx_packets;
		ifc.base_tx_bytes = st->tx_bytes - ifc.base_tx_bytes;
		ifc.attached_at = (uint64_t)time(NULL);
	}
	ifc.ifindex = st->ifindex;
	ifc.flags |= ASM_IFF_ATTACHED;
	if (st->arphrd != ARPHRD_ETHER && st->arphrd != ARPHRD_LOOPBACK)
		ifc.flags |= ASM_IFF_NO_L2;
	memset(ifc.name, 0, sizeof(ifc.name));
	memcpy(ifc.name, st->name, strnlen(st->name, sizeof(ifc.name) - 1));
	return slot_write(ifs_fd, slot, &ifc);
}

int slot_flag(int ifs_fd, uint32_t slot, uint32_t flag)
{
	struct asm_if ifc;
	int rc;

	if (slot == ASM_IF_UNLISTED)
		return 0;
	rc = slot_read(ifs_fd, slot, &ifc);
	if (rc)
		return rc;
	ifc.flags |= flag;
	return slot_write(ifs_fd, slot, &ifc);
}

int slot_release(int ifs_fd, uint32_t slot, const struct ifstat *st)
{
	struct asm_if ifc;
	int rc;

	if (slot == ASM_IF_UNLISTED)
		return 0;
	rc = slot_read(ifs_fd, slot, &ifc);
	if (rc || !(ifc.flags & ASM_IFF_ATTACHED))
		return rc;
	ifc.flags &= ~(ASM_IFF_ATTACHED | ASM_IFF_QDISC | ASM_IFF_SAMPLED);
	if (st) {
		ifc.base_rx_packets = st->rx_packets - ifc.base_rx_packets;
		ifc.base_rx_bytes = st->rx_bytes - ifc.base_rx_bytes;
		ifc.base_tx_packets = st->tx_packets - ifc.base_tx_packets;
		ifc.base_tx_bytes = st->tx_bytes - ifc.base_tx_bytes;
	} else {
		ifc.flags |= ASM_IFF_NO_BASE;
	}
	return slot_write(ifs_fd, slot, &ifc);
}
