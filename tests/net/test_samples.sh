#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Packet samples, inline: at the generator's full speed every sample arrives or
# is counted; as many as there should be; what they say is what the counters
# say; nothing changes for the counters; the rate changes while packets flow.
. tests/net/sample_lib.sh
rig
ethtool -K r0 gro on >/dev/null # or veth takes no XDP frames in mode tc
addresses 2000
n=${SAMPLES_PACKETS:-2000000}

# send PACKETS [OPTION]: all of them reach r0, or are the rig's own loss
send() {
	local before
	before=$(lost)
	# shellcheck disable=SC2086
	far "$gen" -i g0 -n "$1" -a "$work/hosts" ${2:-} >/dev/null 2>&1
	sent=$(($1 - $(lost) + before))
}

seen() { metric 'asmeter_interface_receive_packets_total{interface="r0"}'; }
port() { metric "asmeter_samples_$1{interface=\"r0\",direction=\"receive\"}"; }

# --- off by default: no device, no program
config 'interfaces: [r0]'
start
[ ! -e /sys/class/net/asm-tap0 ] || fail "a tap without a rate"
[ "$(metric asmeter_samples_up)" = 0 ] || fail "up without a rate"
"$B/asmeter" status | grep -q '^samples *off' || fail "status does not say off"

# --- on by a reload, 1 in 100, native XDP counts
config 'interfaces: [r0]\nsampling: {rate: 100}'
reload
wait_for 10 is 1 metric asmeter_samples_up || fail "not up after the reload"
ip -d link show asm-tap1 | grep -q 'prog/xdp' || fail "no program on the tap"
for mode in native tc; do
	if [ $mode = tc ]; then
		config 'interfaces: [{name: r0, mode: tc}]\nsampling: {rate: 100}'
		reload
	fi
	s0=$(seen) t0=$(taken) r0=$(received) l0=$(all_lost)
	e0=$(port estimated_packets_total) c0=$(port counted_packets_total)
	send "$n" -p
	balanced "$mode, full speed"
	[ $(($(seen) - s0)) = "$sent" ] ||
		fail "$mode: $(($(seen) - s0)) of $sent were counted"
	[ $(($(port counted_packets_total) - c0)) = "$sent" ] ||
		fail "$mode: $(port counted_packets_total) counted while sampling"
	taken=$(($(taken) - t0))
	in_bound "$taken" 100 "$sent" "$mode"
	# the estimate makes up for what was lost, but for what is still owed
	lost=$(($(all_lost) - l0))
	estimate=$(($(port estimated_packets_total) - e0))
	[ "$estimate" -ge $(((taken - lost) * 100)) ] &&
		[ "$estimate" -le $((taken * 100)) ] ||
		fail "$mode: estimated $estimate of $taken samples, $lost lost"
	echo "note: $mode: $sent packets, $taken samples, $(($(received) - r0)) received, $lost lost"
done

"$B/asmeter" status | grep -q '^samples .* taken, .* received' ||
	fail "status: $("$B/asmeter" status)"
"$B/asmeter" interfaces | grep -Eq '^r0 +in +1/100 ' ||
	fail "interfaces: $("$B/asmeter" interfaces)"
"$B/asmeter" doctor | grep -Eq '^ok +samples ' ||
	fail "doctor: $("$B/asmeter" doctor)"

# --- frames of every kind, broken ones too (what ends inside a VLAN tag never
# --- gets to TC, so there are some samples less)
send 300000
balanced "frames of every kind"

# --- bytes: the estimate of wire bytes is that of the packets' sizes
awk -v e="$(port estimated_wire_bytes_total)" -v c="$(port counted_wire_bytes_total)" \
	'BEGIN { exit !(e > 0.9 * c && e < 1.1 * c) }' ||
	fail "wire bytes: estimated $(port estimated_wire_bytes_total), counted $(port counted_wire_bytes_total)"

# --- each packet, and another rate while packets flow: nothing is lost count of
config 'interfaces: [{name: r0, mode: native, sample-rate: 1}]\nsampling: {rate: 100, snap-length: 64}'
reload
[ "$(port rate)" = 1 ] || wait_for 5 is 1 port rate || fail "the rate is not 1"
t0=$(taken)
far "$gen" -i g0 -n 3000 -a "$work/hosts" -m packet -p >/dev/null 2>&1
balanced "each packet"
[ $(($(taken) - t0)) = 3000 ] || fail "1 in 1: $(($(taken) - t0)) of 3000"
s0=$(seen)
far "$gen" -i g0 -n "$n" -a "$work/hosts" >/dev/null 2>&1 &
sender=$!
for rate in 10000 50 1000 0 200; do
	config "interfaces: [r0]\nsampling: {rate: $rate}"
	reload
done
wait $sender
balanced "rates change"
[ $(($(seen) - s0)) -le "$n" ] || fail "more counted than sent"
wait_for 5 is 200 port rate || fail "the rate is not 200"

stop
[ -e /sys/class/net/asm-tap0 ] || fail "the tap went with the daemon"
"$B/asmeter" detach --all >/dev/null || fail "detach --all"
[ ! -e /sys/class/net/asm-tap0 ] || fail "detach --all left the tap"
[ ! -e /sys/fs/bpf/asmeter ] || fail "detach --all left $(ls -R /sys/fs/bpf/asmeter)"
