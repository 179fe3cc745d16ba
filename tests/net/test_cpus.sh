#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# CPUs go and come while packets are counted on all of them: what a CPU that is
# away has counted stays in every total.
. tests/net/lib.sh
times=4
[ "${SOAK:-0}" = 1 ] && times=100
cpu=/sys/devices/system/cpu/cpu1/online

daemon_user
rig
addresses 30
cat >/etc/asmeter/asmeter.yaml <<END
local-as: 64500
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
drain-interval: 100ms
counters: {rows: 65536}
END
daemon_up
wait_for 30 is 1020 api 'lookup?addr=20.0.20.1' .table_as || give_up "no table"
[ -w $cpu ] || fail "this machine has one CPU, or none that can be taken away"
trap 'echo 1 >$cpu; rm -rf "$work"' EXIT

scrape_begin
for i in $(seq $times); do
	far "$gen" -i g0 -n 50000 -a "$work/hosts" -s "$i" -e "$work/sent$i-on" >/dev/null 2>&1 ||
		fail "cannot send"
	echo 0 >$cpu || fail "the CPU cannot be taken away"
	far "$gen" -i g0 -n 50000 -a "$work/hosts" -s "$i" -e "$work/sent$i-off" >/dev/null 2>&1 ||
		fail "cannot send"
	echo 1 >$cpu
done
settle
sum "$work"/sent[0-9]* >"$work/sent"
want=$(awk '$1 == "seen" { print $2 }' "$work/sent")
wait_for 20 is "$want" metric 'asmeter_interface_receive_packets_total{interface="r0"}' ||
	give_up "sent $want, counted $(metric 'asmeter_interface_receive_packets_total{interface="r0"}')"
scrape_end
daemon_down
$ctl drain r0 rx | sort >"$work/counted"
same "$work/sent" "$work/counted" "a CPU away $times times"
echo "note: a CPU away and back $times times, $want packets, exact"
