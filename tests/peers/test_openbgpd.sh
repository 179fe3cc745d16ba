#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# OpenBGPD: iBGP with MD5 over IPv4 (we connect), eBGP over IPv6 (it connects).
# It announces prefixes of its own only as its own, so that the others come
# from a BIRD behind it.
# shellcheck disable=SC1091,SC2154 # "dir" and all functions come from there
. "$(dirname "$0")/bgp_lib.sh"

cat >"$dir/bird.conf" <<-END
	router id 10.1.0.2;
	protocol device { }
	protocol static tail { ipv4; route 198.51.100.0/24 blackhole; }
	protocol static s4 { ipv4;
		route 192.88.99.0/24 blackhole; route 100.64.0.0/10 blackhole; }
	protocol static s6 { ipv6;
		route 2001:db8:2::/48 blackhole; route 2001:db8:3::/48 blackhole; }
	function origin_as() {
		case net.type {
		NET_IP4: {
			if net = 198.51.100.0/24 then bgp_path.prepend(65020);
			if net = 192.88.99.0/24 then bgp_path.prepend(4200000001);
			if net = 100.64.0.0/10 then bgp_path.prepend(65030); }
		NET_IP6: {
			if net = 2001:db8:2::/48 then bgp_path.prepend(65020);
			if net = 2001:db8:3::/48 then bgp_path.prepend(4200000001); }
		}
		return true;
	}
	protocol bgp customer {
		local 10.1.0.2 as 65010;
		neighbor 10.1.0.1 as 64512;
		connect delay time 1;
		connect retry time 1;
		ipv4 { import none; export where origin_as(); next hop address 10.1.0.2; };
		ipv6 { import none; export where origin_as(); next hop address fd01::2; };
	}
	END
cat >"$dir/bgpd.conf" <<-END
	AS 64512
	router-id 10.0.0.2
	listen on 10.0.0.2
	listen on fd00::2
	listen on 10.1.0.1
	socket "$dir/bgpd.sock"
	fib-update no
	holdtime 6
	connect-retry 1
	network 203.0.113.0/24
	network 2001:db8:1::/48
	neighbor 10.0.0.1 {
		remote-as 64512
		tcp md5sig password correct-horse
		passive
		announce IPv4 unicast
		announce IPv6 unicast
		set nexthop self
	}
	neighbor fd00::1 {
		remote-as 64999
		announce IPv4 unicast
		announce IPv6 unicast
	}
	neighbor 10.1.0.2 {
		remote-as 65010
		announce IPv4 unicast
		announce IPv6 unicast
	}
	allow from any
	allow to any
	END
chmod 600 "$dir/bgpd.conf"

bc() { ip netns exec u birdc -s "$dir/bird.ctl" "$@" >>"$dir/birdc.log"; }
ctl() { ip netns exec d bgpctl -s "$dir/bgpd.sock" "$@" >>"$dir/ctl.log" 2>&1; }
speaker_start() {
	ip netns exec d bgpd -d -f "$dir/bgpd.conf" >>"$dir/bgpd.log" 2>&1 &
	bgpd=$!
}
speaker_kill() {
	kill -9 "$bgpd"
	until_true 10 no_bgpd || fail "a process of OpenBGPD stayed"
}
no_bgpd() { ! pgrep -x bgpd >/dev/null; }
speaker_withdraw() { bc disable tail; }
speaker_announce() { bc enable tail; }
speaker_shutdown() { ctl neighbor 10.0.0.1 down "back at noon"; }
speaker_enable() { ctl neighbor 10.0.0.1 up; }

net_up
ip netns add u
ip -n d link add tail0 type veth peer name tail0 netns u
for side in d:1 u:2; do
	ip -n ${side%:*} addr add 10.1.0.${side#*:}/24 dev tail0
	ip -n ${side%:*} addr add fd01::${side#*:}/64 dev tail0 nodad
	ip -n ${side%:*} link set tail0 up
done
mkdir -p /run/openbgpd
ip netns exec u bird -c "$dir/bird.conf" -s "$dir/bird.ctl" \
	-P "$dir/bird.pid" -D "$dir/bird.log" || fail "BIRD does not start"
speaker_start
sink_start -a 64512 -i 10.0.0.1 -l fd00::1 \
	-p "10.0.0.2,as=64512,retry=1,stale=120,md5=correct-horse" \
	-p "fd00::2,as=64512,local-as=64999,passive=1,stale=120"
# It sends End-of-RIB before BIRD has told it anything.
wait_field 60 10.0.0.2 paths6 3
wait_field 60 fd00::2 paths6 3
# 7.7 logs "route refresh: AID not negotiated", though it has announced routes
# of that family: it must not harm the session, more cannot be asked for.
refresh_unanswered() {
	[ "$(ask refresh 10.0.0.2)" = 0 ] || fail "no route refresh"
	until_true 10 grep -q 'route refresh' "$dir/bgpd.log" ||
		fail "OpenBGPD did not see the request"
	expect_lookups
}
run_flow "Cease/Administrative Shutdown: back at noon" refresh_unanswered
finish
daemon_flow "password: correct-horse"
