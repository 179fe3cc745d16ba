#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# GoBGP: iBGP with MD5 over IPv4 (it connects), eBGP over IPv6 (we connect).
# shellcheck disable=SC1091,SC2154 # "dir" and all functions come from there
. "$(dirname "$0")/bgp_lib.sh"

cat >"$dir/gobgpd.toml" <<-END
	[global.config]
	as = 64512
	router-id = "10.0.0.2"
	local-address-list = ["10.0.0.2", "fd00::2"]
	[[neighbors]]
	[neighbors.config]
	neighbor-address = "10.0.0.1"
	peer-as = 64512
	auth-password = "correct-horse"
	[neighbors.timers.config]
	connect-retry = 1
	hold-time = 6
	keepalive-interval = 2
	[neighbors.graceful-restart.config]
	enabled = true
	restart-time = 60
	deferral-time = 5
	[[neighbors.afi-safis]]
	[neighbors.afi-safis.config]
	afi-safi-name = "ipv4-unicast"
	[neighbors.afi-safis.mp-graceful-restart.config]
	enabled = true
	[[neighbors.afi-safis]]
	[neighbors.afi-safis.config]
	afi-safi-name = "ipv6-unicast"
	[neighbors.afi-safis.mp-graceful-restart.config]
	enabled = true
	[[neighbors]]
	[neighbors.config]
	neighbor-address = "fd00::1"
	peer-as = 64999
	[neighbors.timers.config]
	connect-retry = 1
	hold-time = 6
	keepalive-interval = 2
	[neighbors.transport.config]
	passive-mode = true
	[neighbors.graceful-restart.config]
	enabled = true
	restart-time = 60
	deferral-time = 5
	[[neighbors.afi-safis]]
	[neighbors.afi-safis.config]
	afi-safi-name = "ipv4-unicast"
	[neighbors.afi-safis.mp-graceful-restart.config]
	enabled = true
	[[neighbors.afi-safis]]
	[neighbors.afi-safis.config]
	afi-safi-name = "ipv6-unicast"
	[neighbors.afi-safis.mp-graceful-restart.config]
	enabled = true
	END

gobgp() { ip netns exec d gobgp "$@" >>"$dir/gobgp.log" 2>&1; }
speaker_start() {
	ip netns exec d gobgpd -f "$dir/gobgpd.toml" \
		>"$dir/gobgpd.log" 2>&1 &
	gobgpd=$!
	until_true 20 gobgp global || fail "GoBGP does not start"
	gobgp global rib add 203.0.113.0/24
	gobgp global rib add 192.88.99.0/24 aspath 4200000001
	gobgp global rib add 100.64.0.0/10 aspath 65030
	speaker_announce
	gobgp global rib -a ipv6 add 2001:db8:1::/48
	gobgp global rib -a ipv6 add 2001:db8:2::/48 aspath "65010 65020"
	gobgp global rib -a ipv6 add 2001:db8:3::/48 aspath 4200000001
}
speaker_kill() { kill -9 "$gobgpd"; }
speaker_withdraw() { gobgp global rib del 198.51.100.0/24 aspath "65010 65020"; }
speaker_announce() { gobgp global rib add 198.51.100.0/24 aspath "65010 65020"; }
speaker_shutdown() { gobgp neighbor 10.0.0.1 shutdown --reason "back at noon"; }
speaker_enable() { :; } # it comes back by itself

net_up
speaker_start
sink_start -a 64512 -i 10.0.0.1 -l 10.0.0.1 -l fd00::1 \
	-p "10.0.0.2,as=64512,md5=correct-horse,passive=1,stale=120" \
	-p "fd00::2,as=64512,local-as=64999,retry=1,stale=120"
run_flow "Cease/Administrative Shutdown: back at noon"
finish
daemon_flow "passive: true, password: correct-horse"
