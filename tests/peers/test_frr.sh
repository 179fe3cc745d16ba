#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# FRR: iBGP with MD5 over IPv4 (we connect), eBGP over IPv6 with the extended
# next hop (it connects).
# shellcheck disable=SC1091,SC2154 # "dir" and all functions come from there
. "$(dirname "$0")/bgp_lib.sh"

frr=/usr/lib/frr
vty() { ip netns exec d vtysh --vty_socket "$dir" "$@"; }
conf() {
	local c=(-c 'configure terminal' -c 'router bgp 64512')
	for line in "$@"; do c+=(-c "$line"); done
	vty "${c[@]}" >>"$dir/vtysh.log" 2>&1 || fail "vtysh: $*"
}

cat >"$dir/bgpd.conf" <<-END
	route-map two permit 10
	 set as-path prepend 65010 65020
	route-map four permit 10
	 set as-path prepend 4200000001
	route-map one permit 10
	 set as-path prepend 65030
	router bgp 64512
	 bgp router-id 10.0.0.2
	 no bgp ebgp-requires-policy
	 no bgp network import-check
	 bgp graceful-restart
	 bgp graceful-restart restart-time 60
	 timers bgp 2 6
	 neighbor 10.0.0.1 remote-as 64512
	 neighbor 10.0.0.1 password correct-horse
	 neighbor 10.0.0.1 passive
	 neighbor fd00::1 remote-as 64999
	 neighbor fd00::1 timers connect 1
	 neighbor fd00::1 capability extended-nexthop
	 address-family ipv4 unicast
	  network 203.0.113.0/24
	  network 198.51.100.0/24 route-map two
	  network 192.88.99.0/24 route-map four
	  network 100.64.0.0/10 route-map one
	  neighbor 10.0.0.1 activate
	  neighbor 10.0.0.1 next-hop-self
	  neighbor fd00::1 activate
	 exit-address-family
	 address-family ipv6 unicast
	  network 2001:db8:1::/48
	  network 2001:db8:2::/48 route-map two
	  network 2001:db8:3::/48 route-map four
	  neighbor 10.0.0.1 activate
	  neighbor 10.0.0.1 next-hop-self
	  neighbor fd00::1 activate
	 exit-address-family
	END
: >"$dir/zebra.conf"
chown -R frr:frr "$dir"
chmod 755 "$dir"

daemon() { # NAME ARGUMENTS...
	local name=$1
	shift
	ip netns exec d "$frr/$name" -d -f "$dir/$name.conf" \
		-i "$dir/$name.pid" --vty_socket "$dir" -z "$dir/zserv" \
		--log "file:$dir/$name.log" -P 0 "$@" >>"$dir/start.log" 2>&1 ||
		fail "$name does not start"
}
speaker_start() { daemon bgpd -l 10.0.0.2 -l fd00::2; }
speaker_kill() { kill -9 "$(cat "$dir/bgpd.pid")"; }
speaker_withdraw() {
	conf 'address-family ipv4 unicast' \
		'no network 198.51.100.0/24 route-map two'
}
speaker_announce() {
	conf 'address-family ipv4 unicast' 'network 198.51.100.0/24 route-map two'
}
speaker_shutdown() { conf 'neighbor 10.0.0.1 shutdown message back at noon'; }
speaker_enable() { conf 'no neighbor 10.0.0.1 shutdown'; }

net_up
daemon zebra
speaker_start
sink_start -a 64512 -i 10.0.0.1 -l fd00::1 \
	-p "10.0.0.2,as=64512,md5=correct-horse,retry=1,stale=120" \
	-p "fd00::2,as=64512,local-as=64999,passive=1,stale=120"
run_flow "Cease/Administrative Shutdown: back at noon"
finish
daemon_flow "password: correct-horse"
