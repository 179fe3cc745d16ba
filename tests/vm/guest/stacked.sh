# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Interfaces that stand on others: whichever of them is metered, each packet is
# counted once there, with the bytes that it has there. The tag of a VLAN may
# be in the frame or beside it (offload), and the other end is not metered.

# send IF SEED [FAR]: whole IP packets out of IF; expected in $work/sent
send() {
	local k
	for k in $(seq $((SOAK ? 5 : 2))); do
		burst "$1" "$2$k" "$work/exp.$k" "${3:-}" -p -L 1400
	done
	sum "$work"/exp.? >"$work/sent"
}

# expect WHAT EXTRA DIR IF...: the sum over these interfaces is what was sent,
# each frame EXTRA bytes longer
expect() {
	local what=$1 extra=$2 dir=$3 i
	shift 3
	awk -v x="$extra" '{ $NF += x * $(NF - 2); print }' "$work/sent" |
		sort >"$work/want"
	for _ in $(seq 50); do
		for i in "$@"; do $ctl drain "$i" "$dir"; done | sum >"$work/counted"
		! cmp -s "$work/want" "$work/counted" || break
		sleep 0.2
	done
	same "$work/want" "$work/counted" "$what: $dir of $*"
}

# metered IF...: from here on, with totals that begin at zero
metered() {
	local i
	unmetered
	$ctl load >/dev/null
	$ctl table "$work/prefixes"
	for i in "$@"; do
		$ctl attach "$i" >>"$work/attached" 2>"$work/why" ||
			fail "attach $i: $(cat "$work/why")"
	done
}
unmetered() {
	local i
	[ -e $pins/asm_state ] || return 0
	for i in $($ctl list | awk '{ print $1 }'); do
		$ctl detach "$i" || fail "detach $i"
	done
	$ctl unpin || fail unpin
}

# two links to the far end
pairs_up() {
	local i
	for i in 0 1; do
		ip link add "r$i" type veth peer name "g$i" netns far
		ip link set "r$i" up
		far ip link set "g$i" up
	done
}
pairs_down() {
	unmetered
	ip link del r0
	ip link del r1
}

# vlan_alone on|off SEEN: one of the two is metered, by XDP, by TC
vlan_alone() {
	metered r0
	send g0.100 11 far
	expect "VLAN, offload $1, below" "$2" rx r0
	send r0.100 12
	expect "VLAN, offload $1, below" 4 tx r0
	metered r0.100
	send g0.100 13 far
	expect "VLAN, offload $1" 0 rx r0.100
	send r0.100 14
	expect "VLAN, offload $1" 0 tx r0.100
	# below, by TC: what the hook finds beside the frame
	unmetered
	$ctl load >/dev/null
	$ctl table "$work/prefixes"
	$ctl attach r0 tc >>"$work/attached"
	send g0.100 17 far
	expect "VLAN, offload $1, below, TC" 4 rx r0
}

vlan() { # vlan on|off: tags beside the frame or in it
	local seen=4
	# XDP is not shown a tag that the card has taken off (asmeterd(8))
	[ "$1" = off ] || seen=0
	pairs_up
	ip link add link r0 name r0.100 type vlan id 100
	far ip link add link g0 name g0.100 type vlan id 100
	ip link set r0.100 up
	far ip link set g0.100 up
	ethtool -K r0 txvlan "$1" >/dev/null
	far ethtool -K g0 txvlan "$1" >/dev/null
	# both: each has it once; below, the tag is 4 bytes of the frame
	metered r0 r0.100
	send g0.100 15 far
	expect "VLAN, offload $1, both" $seen rx r0
	expect "VLAN, offload $1, both" 0 rx r0.100
	send r0.100 16
	expect "VLAN, offload $1, both" 4 tx r0
	expect "VLAN, offload $1, both" 0 tx r0.100
	[ "$SOAK" = 0 ] || vlan_alone "$1" $seen
	pairs_down
	note "VLAN, tag offload $1: each packet once, difference 0"
}

bond() {
	pairs_up
	ip link set r0 down
	ip link set r1 down
	ip link add bond0 type bond mode balance-rr miimon 100
	ip link set r0 master bond0 || fail "r0 in a bond"
	ip link set r1 master bond0 || fail "r1 in a bond"
	ip link set bond0 up
	wait_for 20 grep -q up /sys/class/net/bond0/operstate || fail "bond0 is down"
	metered r0 r1
	send bond0 21
	expect "members of a bond" 0 tx r0 r1
	$ctl drain r1 tx | grep -q '^seen [1-9]' || fail "r1 has carried nothing"
	send g0 22 far
	expect "members of a bond" 0 rx r0 r1
	# XDP on a bond would run in its members, under their names
	metered bond0
	grep -q "bond0 slot [0-9]* in $(tc_mode)" "$work/attached" ||
		fail "bond0: $(grep bond0 "$work/attached")"
	grep -q 'bond0: native XDP on a bond runs in its members' "$work/why" ||
		fail "bond0: $(cat "$work/why")"
	send bond0 23
	expect "a bond" 0 tx bond0
	send g1 24 far
	expect "a bond" 0 rx bond0
	unmetered
	ip link del bond0
	pairs_down
	note "bond, and its members: each packet once, difference 0"
}

bridge() {
	pairs_up
	# without the multicast reports that it would send itself
	ip link add br0 type bridge mcast_snooping 0
	ip link set br0 up
	ip link set r0 master br0
	ip link set r1 master br0
	wait_for 40 sh -c 'bridge link show dev r0 | grep -q forwarding &&
		bridge link show dev r1 | grep -q forwarding' || fail "bridge"
	metered r0 r1
	send g0 31 far
	expect "members of a bridge" 0 rx r0
	expect "members of a bridge" 0 tx r1
	metered br0
	send br0 32
	expect "a bridge" 0 tx br0
	unmetered
	ip link del br0
	pairs_down
	note "bridge, and its members: each packet once, difference 0"
}

vrf() {
	pairs_up
	ip link add vrf0 type vrf table 10
	ip link set vrf0 up
	ip link set r0 master vrf0
	ip addr add 10.7.0.1/24 dev r0
	far ip addr add 10.7.0.2/24 dev g0
	ip neigh replace 10.7.0.2 dev r0 \
		lladdr "$(far cat /sys/class/net/g0/address)"
	far ip neigh replace 10.7.0.1 dev g0 \
		lladdr "$(cat /sys/class/net/r0/address)"
	metered r0
	send g0 41 far
	expect "member of a VRF" 0 rx r0
	[ "$SOAK" = 0 ] || vrf_both_ways
	unmetered
	ip link del vrf0
	pairs_down
	note "member of a VRF: each packet once, difference 0"
}
vrf_both_ways() {
	metered r0
	ip vrf exec vrf0 ping -q -i 0.01 -c 200 -s 1000 10.7.0.2 >/dev/null ||
		fail "no ping through the VRF"
	# without a route for these addresses: echo and reply, 1028 bytes each
	for d in rx tx; do
		$ctl drain r0 $d | grep '^seen' >"$work/a"
		echo "seen 200 205600 208400" | same_as "$work/a" "VRF, $d"
	done
}
same_as() { cat >"$work/b" && same "$work/b" "$1" "$2"; }

ip netns add far
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
far sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
far sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
addresses 50
: >"$work/attached"
vlan on
vlan off
bond
bridge
vrf
note "metered: $(sort "$work/attached" | sed 's/ slot [0-9]*//' | uniq -c |
	sed 's/^ *[0-9]* //' | paste -sd,)"
ip netns del far
