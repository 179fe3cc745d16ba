#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Whatever happens to the samples' way out, the router's packets go theirs: each
# packet through it is sampled at both of its interfaces, and none is lost,
# reordered or doubled, none uncounted; each sample is received or counted as
# lost, and the tap is made again when it can be.
. tests/net/sample_lib.sh
n=12000
rig 1500
ip netns add away
ip netns exec away sh -c 'for s in all default; do
	echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6; done'
ip link add x0 type veth peer name d0 netns away
ip -n away link set lo up
ip link set x0 up
ip -n away link set d0 up
ip addr add 10.0.1.1/24 dev r0
far ip addr add 10.0.1.2/24 dev g0
far ip route add default via 10.0.1.1
ip addr add 10.0.2.1/24 dev x0
ip -n away addr add 10.0.2.2/24 dev d0
ip -n away route add default via 10.0.2.1
echo 1 >/proc/sys/net/ipv4/ip_forward
# with a queue veth waits for the far end instead of dropping
far tc qdisc add dev g0 root pfifo limit 20000
tc qdisc add dev x0 root pfifo limit 20000
ip neigh replace 10.0.1.2 lladdr "$(far cat /sys/class/net/g0/address)" dev r0
ip neigh replace 10.0.2.2 lladdr "$(ip netns exec away cat /sys/class/net/d0/address)" dev x0
ip -n away neigh replace 10.0.2.1 lladdr "$(cat /sys/class/net/x0/address)" dev d0
far ip neigh replace 10.0.1.1 lladdr "$(cat /sys/class/net/r0/address)" dev g0

config 'interfaces: [r0, x0]\nsampling: {rate: 1}'
start
wait_for 10 is 1 metric asmeter_samples_up || fail "samples are not up"


port=7000 passed=0
# through WHAT [COMMAND...]: n numbered packets, the command in the middle of
# them; all arrive, once, in order
through() {
	local receiver sender
	port=$((port + 1)) passed=$((passed + n))
	rm -f "$work/ready"
	ip netns exec away python3 tests/net/numbered.py recv $port $n \
		"$work/ready" >"$work/got" &
	receiver=$!
	wait_for 20 test -s "$work/ready" || fail "$1: no receiver"
	far python3 tests/net/numbered.py send 10.0.2.2 $port $n &
	sender=$!
	if [ $# -gt 1 ]; then
		sleep 0.2
		"${@:2}"
	fi
	wait $sender
	wait $receiver
	[ "$(cat "$work/got")" = "received $n lost 0 reordered 0 twice 0" ] ||
		fail "$1: $(cat "$work/got")"
}

# counted WHAT: each packet was counted and sampled, in and out, and the
# samples' books balance
counted() {
	local in out
	balanced "$1"
	in=$(metric 'asmeter_interface_receive_packets_total{interface="r0"}')
	out=$(metric 'asmeter_interface_transmit_packets_total{interface="x0"}')
	[ "$in $out" = "$passed $passed" ] ||
		fail "$1: $in in, $out out are counted of $passed"
	[ "$(taken)" = $((2 * passed)) ] ||
		fail "$1: $(taken) samples of $passed packets, twice each"
}

in_ring_again() { # WHAT: a packet's samples come through
	local before
	wait_for 20 is 1 metric asmeter_samples_up || fail "$1: no way out again"
	before=$(received)
	through "$1: again"
	counted "$1: again"
	[ "$(received)" -gt "$before" ] || fail "$1: nothing is received again"
}

through "healthy"
counted "healthy"
[ "$(received)" = $((2 * n)) ] || fail "healthy: $(received) received, $(all_lost) lost"

# --- the consumer does not read: the ring fills, the rest is lost and counted
pid=$(meter_pid)
kill -STOP "$pid"
through "stalled"
kill -CONT "$pid"
counted "stalled"
[ "$(lost_by fill_empty)" -gt 0 ] || fail "stalled: nothing was lost"
[ "$(lost_by fill_empty)" -le $((2 * n - 8192)) ] ||
	fail "stalled: the ring of 8192 held less: $(lost_by fill_empty) lost"

# --- the consumer is killed: the ring waits for the next one
through "killed" kill -9 "$(meter_pid)"
wait_for 20 more_than 1 metric asmeter_meter_starts_total || fail "not started again"
wait_for 20 is 1 metric asmeter_samples_up || fail "killed: not up again"
counted "killed"

# --- the tap is down; a keeper that is asleep cannot help
before=$(all_lost)
kill -STOP "$keeper"
ip link set asm-tap0 down
through "down"
kill -CONT "$keeper"
in_ring_again "down"
[ "$(all_lost)" = $((before + 2 * n)) ] ||
	fail "down: $(($(all_lost) - before)) of $((2 * n)) are counted as lost"
ip link show asm-tap0 | grep -q 'LOWER_UP' || fail "down: not up again"

# --- the tap is deleted, asleep and awake, in the middle of traffic
before=$(lost_by no_tap)
kill -STOP "$keeper"
ip link del asm-tap0
through "deleted"
kill -CONT "$keeper"
in_ring_again "deleted"
[ "$(lost_by no_tap)" = $((before + 2 * n)) ] ||
	fail "deleted: $(($(lost_by no_tap) - before)) of $((2 * n)) found no tap"
through "deleted in traffic" ip link del asm-tap1
in_ring_again "deleted in traffic"

# --- the whole daemon is killed: nobody receives, and the tap is found again
before=$(cat /sys/class/net/asm-tap0/ifindex)
pid=$(meter_pid)
kill -9 "$keeper"
wait "$keeper" 2>/dev/null || true
wait_for 20 test ! -d "/proc/$pid" || fail "no daemon: the meter stays"
through "no daemon"
start
[ "$(cat /sys/class/net/asm-tap0/ifindex)" = "$before" ] ||
	fail "the tap was not found again"
counted "no daemon"
[ "$(lost_by no_socket)" -ge $((2 * n)) ] ||
	fail "no daemon: $(lost_by no_socket) found no socket"
in_ring_again "no daemon"

# --- off: no device, no program, and the counters stay
config 'interfaces: [r0, x0]'
reload
wait_for 10 test ! -e /sys/class/net/asm-tap0 || fail "off, but the tap is there"
[ -z "$(ls /sys/fs/bpf/asmeter/tap/links 2>/dev/null)" ] || fail "off: links are left"
taken=$(taken)
through "off"
balanced "off"
[ "$(taken)" = "$taken" ] || fail "off, but samples are taken"
stop
