#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The router forwards whatever becomes of asmeter: numbered packets through it
# while the daemon is stopped (SIGSTOP), killed, restarted, its map is full,
# its pins and its programs are removed. None is lost, late or twice, and all
# are counted for as long as the programs are there.
. tests/net/lib.sh
pins=/sys/fs/bpf/asmeter
secs=3 stopped=4
[ "${SOAK:-0}" = 1 ] && secs=20 stopped=60

daemon_user
rig 1500
# far (10.1.0.2) -- r0 (10.1.0.1) this router (10.2.0.1) o0 -- out (10.2.0.2)
ip netns add out
ip link add o0 type veth peer name x0 netns out
ip addr add 10.1.0.1/24 dev r0
ip addr add 10.2.0.1/24 dev o0
ip link set o0 up
far ip addr add 10.1.0.2/24 dev g0
far ip route add default via 10.1.0.1
ip -n out link set x0 up
ip -n out addr add 10.2.0.2/24 dev x0
ip -n out route add default via 10.2.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
wait_for 10 far ping -c 1 -W 1 10.2.0.2 || fail "the router does not forward"

conf() {
	cat >/etc/asmeter/asmeter.yaml <<-END
	local-as: 64500
	interfaces: [r0, o0]
	own-prefixes: [10.0.0.0/8]
	libloc: {use: never}
	drain-interval: 100ms
	counters: {rows: $1}
	END
}
in_r0() { metric 'asmeter_interface_receive_packets_total{interface="r0"}'; }
full() { metric 'asmeter_interface_receive_unattributed_packets_total{interface="r0",reason="map_full"}'; }
rtt() { far ping -q -n -i 0.005 -c 300 10.2.0.2 | awk -F/ '/^rtt/ { print int($5 * 1000) }'; }

# through SECONDS NAME: traffic in the background; passed: what became of it
through() {
	: >"$work/recv"
	ip netns exec out tests/net/paced.py recv 10.2.0.2 5000 >"$work/recv" &
	receiver=$!
	wait_for 10 grep -q ready "$work/recv" || fail "the receiver does not start"
	far tests/net/paced.py send 10.2.0.2 5000 "$1" 4000 >"$work/sent" &
	sender=$!
}
passed() {
	wait $sender || fail "$1: cannot send"
	wait $receiver || fail "$1: $(cat "$work/recv")"
	grep -q 'lost 0 reordered 0 doubled 0' "$work/recv" ||
		fail "$1: of $(cat "$work/sent") sent: $(tail -n 1 "$work/recv")"
	sum=$((sum + $(cat "$work/sent")))
}
sum=0
t0=$(rtt)
conf 4096
daemon_up
t1=$(rtt)

through $secs
passed "the daemon runs"

base=$(in_r0)
through $stopped
meter=$(meter_pid)
kill -STOP "$keeper" "$meter"
wait $sender
kill -CONT "$keeper" "$meter"
passed "stopped for $stopped s"
wait_for 60 over $((base + $(cat "$work/sent") - 1)) in_r0 ||
	give_up "stopped: $(($(in_r0) - base)) of $(cat "$work/sent") counted"

through $secs
kill -9 "$keeper"
wait "$keeper" 2>/dev/null || true
t2=$(rtt)
daemon_up
passed "killed and started"

# a map with room for 15 pairs, and a hundred thousand that want one
daemon_down
"$B/asmeter" detach --all >/dev/null
conf 16
sed -i '/own-prefixes/d' /etc/asmeter/asmeter.yaml
addresses 300
echo "overrides: $work/prefixes" >>/etc/asmeter/asmeter.yaml
daemon_up
wait_for 30 is 1050 api 'lookup?addr=20.0.50.1' .table_as || give_up "no table"
scrape_begin
through $secs
far "$gen" -i g0 -n 100000 -a "$work/hosts" -e "$work/expect" >/dev/null 2>&1
wait_for 20 over 0 full || give_up "the map is not full"
passed "the map full"
scrape_end

# everything in bpffs is gone, and then the programs, too
daemon_down
through $secs
rm -rf ${pins:?}
passed "pins removed"
ip -d link show r0 | grep -q prog/xdp && fail "no pin, and still attached"

conf 4096
daemon_up
through $secs
daemon_down
"$B/asmeter" detach --all >/dev/null
passed "detached under traffic"
echo "note: $sum numbered packets in 6 states: 0 lost, 0 reordered, 0 doubled"
echo "note: mean round trip: without asmeter $t0 us, with it $t1 us, daemon killed $t2 us"
