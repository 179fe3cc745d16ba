#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Both interfaces of a forwarded packet: on the way in, where the routing table
# will send it; on the way out, where it came from. Far hosts behind r0 and r1
# ping each other and the router itself; every packet is sampled.
# shellcheck disable=SC2317  # functions are called through wait_for
. tests/net/sample_lib.sh
rig
ip netns add east
ip link add r1 mtu 9000 type veth peer name e0 mtu 9000 netns east
for s in all default r0 r1; do
	echo 0 >/proc/sys/net/ipv6/conf/$s/disable_ipv6
done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
east() { ip netns exec east "$@"; }
ip link set r1 up
east ip link set e0 up
for s in "r0 10.1.0.1/24 fd01::1/64" "r1 10.2.0.1/24 fd02::1/64"; do
	read -r i a4 a6 <<<"$s"
	ip addr add "$a4" dev "$i"
	ip -6 addr add "$a6" dev "$i" nodad
done
far sh -c 'echo 0 >/proc/sys/net/ipv6/conf/g0/disable_ipv6'
for s in "far g0 1" "east e0 2"; do
	read -r ns i k <<<"$s"
	ip -n "$ns" addr add "10.$k.0.2/24" dev "$i"
	ip -n "$ns" -6 addr add "fd0$k::2/64" dev "$i" nodad
	ip -n "$ns" route add default via "10.$k.0.1"
	ip -n "$ns" -6 route add default via "fd0$k::1"
done
pings() { # NAMESPACE ADDRESS COUNT
	ip netns exec "$1" ping -q -i 0.005 -W 2 -c "$3" "$2" >"$work/ping" ||
		fail "ping $2: $(cat "$work/ping")"
}
# neighbours are known before anything is sampled
pings far 10.2.0.2 1
wait_for 20 far ping -q -c 1 fd02::2 || fail "no ping to fd02::2"

config "interfaces: [r0, r1]
sampling: {rate: 1}
drain-interval: 200ms"
start
wait_for 10 is 1 metric asmeter_samples_up || fail "no samples"
n=50
pings far 10.2.0.2 $n
pings far fd02::2 $n
pings far 10.1.0.1 $n

# all records of echo messages: "metered-port direction in out version" and how
# many; 128 and 129 are the echo types of ICMPv6
records() {
	"$B/asmeter" -j flows --once -n 8192 >"$work/flows" || return 1
	jq -r 'select(.protocol == 1 or (.protocol == 58 and
			(.icmp_type == 128 or .icmp_type == 129)))
		| "\(.direction) \(.in_interface_name // "-") \(.out_interface_name // "-") \(if .protocol == 1 then 4 else 6 end)"' \
		"$work/flows" | sort | uniq -c | sed 's/^ *//'
}
# there and back through the router over both ports; to and from itself
for v in 4 6; do
	echo "$n receive r0 r1 $v"
	echo "$n receive r1 r0 $v"
	echo "$n transmit r0 r1 $v"
	echo "$n transmit r1 r0 $v"
done >"$work/want.unsorted"
printf '%d receive r0 - 4\n%d transmit - r0 4\n' $n $n >>"$work/want.unsorted"
sort "$work/want.unsorted" >"$work/want"
right() { records | sort >"$work/got" && cmp -s "$work/want" "$work/got"; }
wait_for 20 right || { diff "$work/want" "$work/got" >&2; fail "interfaces of records"; }
stop
echo "note: $((10 * n)) records, each with both of its interfaces"
