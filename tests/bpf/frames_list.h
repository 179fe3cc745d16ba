/* SPDX-License-Identifier: BSD-2-Clause */
/* The header combinations that every parser build has to agree on. */
#ifndef TESTS_FRAMES_LIST_H
#define TESTS_FRAMES_LIST_H

/* Well-formed: fr_build() says what they count as. */
static const char *const frames_good[] = {
	"eth ip4 udp:18",
	"eth ip4 udp:0 pad:18",
	"eth ip4 udp:1400",
	"eth ip4+1 udp:20",
	"eth ip4+10 tcp+3:100",
	"eth ip4 raw:0",
	"eth ip4:8192 udp:1000", /* first fragment */
	"eth ip4:8377 raw:1000", /* middle fragment */
	"eth ip4:185 raw:9",     /* last fragment */
	"eth ip4 ip4 raw:20",    /* a tunnel: the outer header decides */
	"eth ip6 udp:18",
	"eth ip6 tcp+3:1000",
	"eth ip6 none",
	"eth ip6 none pad:6",
	"eth ip6 hbh udp:1",
	"eth ip6 hbh dst+4 rt+3 frag6:1 ah dst udp:99",
	"eth ip6 hbh+32 dst+32 dst+32 tcp:1",
	"eth ip6 frag6:1 raw:1200",
	"eth ip6 frag6:2312 raw:700",
	"eth ip6 ip4 raw:20",
	"eth vlan ip4 udp:18",
	"eth vlan ip6 udp:18",
	"eth qinq ip4 udp:18",
	"eth qinq vlan ip4 udp:18",
	"eth 9100 vlan ip6 tcp:40",
	"eth vlan vlan vlan ip4 udp:18",
	"eth qinq qinq 9100 vlan ip4 udp:18",
	"eth qinq qinq 9100 vlan ip6 hbh udp:18",
	"eth mpls ip4 udp:18",
	"eth mpls ip6 udp:18",
	"eth mplsmc ip4 udp:18",
	"eth mpls mpls mpls ip4+2 udp:18",
	"eth mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls "
	"mpls mpls mpls ip6 udp:18",
	"eth vlan vlan mpls mpls ip6 dst udp:18",
	"eth qinq vlan vlan vlan mpls mpls mpls mpls mpls mpls mpls mpls mpls "
	"mpls mpls mpls mpls mpls mpls mpls ip4 udp:18",
	"eth pppoe=21 ip4 udp:18",
	"eth pppoe=57 ip6 tcp:18",
	"eth qinq vlan pppoe=21 ip4+1 udp:18",
	"eth vlan pppoe=57 ip6 hbh udp:18 pad:3",
	/* not IP */
	"eth type=0806 raw:46",
	"eth type=88cc raw:46",
	"eth type=0026 raw:60", /* 802.3 + LLC */
	"eth type=05ff raw:60",
	"eth type=0600 raw:60",
	"eth vlan type=0806 raw:46",
	"eth vlan type=002e raw:46",
	"eth vlan vlan vlan vlan vlan type=0800 raw:60", /* one too many */
	"eth mpls raw:64",                               /* first nibble 5 */
	"eth mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls mpls "
	"mpls mpls mpls mpls ip4 udp:18", /* one too many */
	"eth type=8863 raw:60",
};

#endif
