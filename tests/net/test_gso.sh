#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# TCP through the stack, with GSO: what leaves the router as packets of up to
# 64 KB is counted as the frames that the far end receives. The far end's XDP
# program counts these one by one. IPv4 and IPv6, both directions.
. tests/net/lib.sh
rig 1500
# the stack makes large packets and the device takes one frame each, as a
# network card puts them on the wire; with a queue veth waits for the far end
# instead of dropping
ethtool -K r0 tso off gso on >/dev/null
far ethtool -K g0 gro off >/dev/null
tc qdisc add dev r0 root pfifo limit 10000
far tc qdisc add dev g0 root pfifo limit 10000

# both ends are metered before the first packet
ctl_far() { nsenter --net=/run/netns/far -- "$ctl" -d /sys/fs/bpf/far "$@"; }
$ctl load >/dev/null
ctl_far load >/dev/null
$ctl attach r0 >/dev/null
ctl_far attach g0 | grep -q 'in native' || fail "the far end is not native"
tc qdisc add dev r0 clsact
tc filter add dev r0 egress bpf direct-action object "$B/tests/net/gen.bpf.o" \
	section tc

for s in all default r0; do
	echo 0 >/proc/sys/net/ipv6/conf/$s/router_solicitations
	echo 0 >/proc/sys/net/ipv6/conf/$s/disable_ipv6
done
far sh -c 'for s in all default g0; do
	echo 0 >/proc/sys/net/ipv6/conf/$s/router_solicitations
	echo 0 >/proc/sys/net/ipv6/conf/$s/disable_ipv6
done'
ip addr add 10.9.1.1/24 dev r0
ip -6 addr add fd00:1::1/64 dev r0 nodad
far ip addr add 10.9.1.2/24 dev g0
far ip -6 addr add fd00:1::2/64 dev g0 nodad

port=5001
bytes=400M
[ "${SOAK:-0}" = 1 ] && bytes=10G
for to in 10.9.1.2 fd00:1::2; do for way in '' -R; do
	far timeout 600 iperf3 -s -1 -p $port >/dev/null &
	server=$!
	for _ in $(seq 50); do
		far ss -Htln "sport = :$port" | grep -q . && break
		sleep 0.1
	done
	iperf3 -c "$to" -p $port -n $bytes $way >"$work/iperf" || {
		cat "$work/iperf"
		fail "iperf3 to $to"
	}
	wait $server
	port=$((port + 1))
done; done

# the two ends are read one after the other: when a neighbour probe falls
# between, once more
compare() { # compare NEAR DIR AWAY DIR
	for _ in 1 2 3; do
		sleep 0.5
		$ctl drain "$1" "$2" | sort >"$work/near"
		ctl_far drain "$3" "$4" | sort >"$work/away"
		sed -i 's/^pair.*//' "$work/near" "$work/away"
		cmp -s "$work/near" "$work/away" && break
	done
	same "$work/away" "$work/near" "$1 $2 and $3 $4"
	echo "note: $1 $2 = $3 $4: $(awk '$1 == "seen" {
		print $2, "packets,", $3, "IP bytes,", $4, "wire bytes" }' "$work/near")"
}
compare r0 tx g0 rx
compare r0 rx g0 tx

# and there were large packets, or nothing was tested
large=$(bpftool map dump name gen.bss | sed -n 's/.*"n_large": \([0-9]*\).*/\1/p')
[ "$large" -gt 1000 ] || fail "only $large packets were large"
echo "note: $large of them left the stack as large packets"
