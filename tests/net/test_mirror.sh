#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Mirror mode: a port that only listens, on two queues. Every frame is counted,
# exactly; samples go from each queue into its ring; nothing gets past. Refused
# where the stack has something to do with the interface.
. tests/net/sample_lib.sh
ip netns add far
ip link add m0 numrxqueues 2 numtxqueues 2 type veth \
	peer name g0 numrxqueues 2 numtxqueues 2 netns far
for s in all default m0; do
	echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6
done
far sh -c 'for s in all default g0; do
	echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6; done'
ip link set m0 up
far ip link set g0 up
addresses 500
d=$B/asmeterd
mirror='interfaces: [{name: m0, mode: mirror}]\nsampling: {rate: 50}'

seen() { metric 'asmeter_interface_receive_packets_total{interface="m0"}'; }

# refused REASON: by the daemon, with the reason, and nothing is attached
refused() {
	: >$log
	timeout 60 "$d" >>$log 2>&1 && fail "started: $1"
	grep -q "m0: mode: mirror drops every packet.*$1" $log || fail "not: $1"
	! ip link show m0 | grep -q xdp || fail "attached: $1"
}

# --- refusals: address, route, bridge
config "$mirror"
ip addr add 10.5.0.1/24 dev m0
refused 'has an address'
ip addr del 10.5.0.1/24 dev m0
ip route add 10.6.0.0/24 dev m0
refused 'has a route'
ip route del 10.6.0.0/24 dev m0
ip link add br0 type bridge
ip link set m0 master br0
refused 'is a port of a bridge'
ip link set m0 nomaster
ip link del br0

# --- two queues: each frame counted as the sender says, to its AS pair
install -m 644 "$work/prefixes" /etc/asmeter/prefixes
config "$mirror\noverrides: /etc/asmeter/prefixes"
start
wait_for 10 is 1 metric asmeter_samples_up || fail "samples are not up"
wait_for 20 is 1 metric asmeter_table_live || fail "no table"
"$B/asmeter" status | grep -q '^m0 *in *mirror' ||
	fail "status: $("$B/asmeter" status)"
"$B/asmeter" status | grep -q '^mirror *m0: samples from 2 queues, copy mode' ||
	fail "status does not say copy mode: $("$B/asmeter" status)"
tcpdump -Q in -i m0 -w "$work/heard" 2>"$work/tcpdump" &
ear=$!
wait_for 10 grep -q 'listening on m0' "$work/tcpdump" || fail "tcpdump"
frames() { awk '/m0:/ { print $3 }' /proc/net/dev; }
f0=$(frames)
# a little at a time: what a queue of veth cannot hold is the rig's loss
for i in 1 2 3 4 5 6; do
	far "$gen" -i g0 -n 20000 -a "$work/hosts" -s $i -m packet \
		-e "$work/e$i" >/dev/null 2>&1
done
numbers
[ $(($(frames) - f0)) = 120000 ] || fail "$(($(frames) - f0)) frames came"
[ "$(seen)" = 120000 ] || fail "counted $(seen) of 120000"
balanced "mirror"
in_bound "$(metric 'asmeter_samples_taken_total{interface="m0",direction="receive"}')" \
	50 120000 "mirror"
[ "$(all_lost)" = 0 ] || fail "$(all_lost) samples are lost"
kill -INT $ear
wait $ear || true
grep -q '^0 packets captured' "$work/tcpdump" ||
	fail "the stack heard some: $(cat "$work/tcpdump")"
[ "$(metric 'asmeter_samples_missed_total{interface="m0",direction="receive"}')" = 0 ] ||
	fail "samples are missed"
bpftool -j map dump pinned /sys/fs/bpf/asmeter/asm_rings >"$work/rings"
for q in 1 2; do
	[ "$(jq ".[$q].formatted.value.received" "$work/rings")" -gt 100 ] ||
		fail "queue $((q - 1)): $(jq -c ".[$q].formatted.value" "$work/rings")"
done
echo "note: mirror: $(taken) samples of 120000 frames, $(jq '.[1,2].formatted.value.received' "$work/rings" | xargs) from the two queues"

# --- the meter is killed: its rings wait for the next one
kill -9 "$(meter_pid)"
far "$gen" -i g0 -n 20000 -a "$work/hosts" -s 7 -m packet -e "$work/e7" \
	>/dev/null 2>&1
wait_for 20 more_than 1 metric asmeter_meter_starts_total || fail "not started again"
balanced "killed"
[ "$(seen)" = 140000 ] || fail "killed: counted $(seen) of 140000"

# --- the port goes away and comes back
ip link del m0
ip link add m0 numrxqueues 2 numtxqueues 2 type veth \
	peer name g0 numrxqueues 2 numtxqueues 2 netns far
ip link set m0 up
far ip link set g0 up
attached() { "$B/asmeter" status | grep -q '^m0 *in *mirror'; }
wait_for 20 attached || fail "not metered again"
wait_for 20 sh -c "'$B/asmeter' status | grep -q '^mirror *m0: samples from 2'" ||
	fail "no rings again"
before=$(received)
far "$gen" -i g0 -n 20000 -a "$work/hosts" -s 8 -m packet -e "$work/e8" \
	>/dev/null 2>&1
balanced "came back"
[ "$(received)" -gt $((before + 200)) ] || fail "came back: no samples"

# --- off the port, and as an ordinary one again
config "interfaces: [m0]\noverrides: /etc/asmeter/prefixes"
reload
wait_for 10 sh -c "'$B/asmeter' status | grep -q '^m0 *in *native'" ||
	fail "not native after the reload"
stop
sum "$work"/e8 >"$work/sent"
$ctl drain m0 rx | sort >"$work/counted"
same "$work/sent" "$work/counted" "mirror, each AS pair"
