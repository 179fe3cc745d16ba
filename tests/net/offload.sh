# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the stack leaves out of a packet and the wire has: VLAN tags that travel
# beside it, and the headers of the segments that one large packet stands for,
# in both directions at the TC hooks. Independent sums have to agree: egress
# believes the kernel's length, ingress finds the header length itself, and
# XDP sees each frame, its tag inside. Sourced where the stack has VLANs (in
# qemu) and where it may not.
. tests/net/lib.sh
ctl_far() { nsenter --net=/run/netns/far -- "$ctl" -d /sys/fs/bpf/far "$@"; }

# Each end: an address (on a VLAN of 100 when OFFLOAD_VLAN is set; metered is
# the interface below), and a queue that waits instead of dropping.
up() { # up IF HOST
	local s dev=$1
	[ -z "${OFFLOAD_VLAN:-}" ] || {
		dev=$1.100
		ip link add link "$1" name "$dev" type vlan id 100
	}
	for s in all default "$dev"; do
		echo 0 >"/proc/sys/net/ipv6/conf/$s/router_solicitations"
		echo 0 >"/proc/sys/net/ipv6/conf/$s/disable_ipv6"
	done
	ip addr add "10.9.1.$2/24" dev "$dev"
	ip -6 addr add "fd00:1::$2/64" dev "$dev" nodad
	ip link set "$dev" up
	tc qdisc add dev "$1" root pfifo limit 10000
}
export -f up
export OFFLOAD_VLAN=${OFFLOAD_VLAN:-}

# begin MODE: a new link, both ends metered before the first packet; MODE: how
# the far end meters what it receives
begin() {
	rig 1500
	$ctl load 4096 >/dev/null
	ctl_far load 4096 >/dev/null
	$ctl attach r0 tc | grep -qE 'in (tcx|clsact)' || fail "r0: not TC"
	ctl_far attach g0 "$1" | grep -qE 'in (tcx|clsact|native)' ||
		fail "g0: not $1"
	[ "$1" = tc ] || { # XDP does not see tags that travel beside
		ethtool -K r0 tso off txvlan off >/dev/null
		far ethtool -K g0 gro off >/dev/null
	}
	up r0 1
	far bash -c 'up g0 2'
	last=0
}

end() {
	$ctl detach r0
	ctl_far detach g0
	$ctl unpin
	ctl_far unpin
	ip link del r0
	ip netns del far
}

tags=${OFFLOAD_VLAN:+, VLAN tags}
bytes=${OFFLOAD_BYTES:-60M}
packets=${OFFLOAD_PACKETS:-80000}

port=5001
transfer() {
	local to server
	for to in 10.9.1.2 fd00:1::2; do
		for reverse in '' -R; do
			far timeout 120 iperf3 -s -1 -p $port >/dev/null &
			server=$!
			for _ in $(seq 50); do
				# the window keeps what is on its way below
				# the 256 frames that veth holds: no loss
				# shellcheck disable=SC2086
				iperf3 -c $to -p $port -n "$bytes" -w 64K $reverse \
					>"$work/iperf" 2>&1 && break
				grep -q 'Connection refused' "$work/iperf" ||
					fail "iperf3: $(cat "$work/iperf")"
				sleep 0.1
			done
			wait $server
			port=$((port + 1))
		done
	done
}

compare() { # compare WHAT NEAR DIR AWAY DIR
	# the two ends are read one after the other: when a report of multicast
	# listeners falls between, once more
	for _ in {1..10}; do
		sleep 0.5
		$ctl drain "$2" "$3" | grep -v '^pair' | sort >"$work/near"
		ctl_far drain "$4" "$5" | grep -v '^pair' | sort >"$work/away"
		diff "$work/near" "$work/away" && break
	done
	same "$work/away" "$work/near" "$1: $2 $3 and $4 $5"
	seen=$(awk '$1 == "seen" { print $2 }' "$work/near")
	[ "$seen" -gt $((last + packets)) ] || fail "$1: only $seen packets"
	echo "note: $1: $2 $3 = $4 $5, $(awk '$1 == "seen" {
		print $2, "packets,", $3, "IP bytes,", $4, "wire bytes" }' \
		"$work/near")"
}

# large packets cross the link whole
begin tc
transfer
compare "TSO$tags" r0 tx g0 rx
compare "TSO$tags" r0 rx g0 tx
last=$seen

# segments cross, and GRO puts them together again before the ingress hook
ethtool -K r0 tso off gso on gro on >/dev/null
far ethtool -K g0 tso off gso on gro on >/dev/null
transfer
compare "GRO$tags" r0 tx g0 rx
compare "GRO$tags" r0 rx g0 tx

end

# each frame with its tag in it, as XDP sees it
begin native
transfer
compare "one frame each$tags" r0 tx g0 rx
end
