#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every packet, every byte: 13.5 million frames of all kinds at full speed, in
# and out at once on both CPUs, drained without pause meanwhile; against the
# sender's own arithmetic and the interface's counters.
. tests/net/lib.sh
rig
addresses 2000
$ctl load
$ctl table "$work/prefixes"
$ctl attach r0 | grep -q 'in native out tcx' || fail "not native and TCX"

# balanced DIR DIFF: what the interface counted, less what we did
balanced() {
	b=$($ctl balance r0 "$1")
	case $b in
	"$2 "*) ;;
	*) fail "$1: the interface counted something else: $b; the rig lost $(lost)" ;;
	esac
}

$ctl check 8 >"$work/check" &
checker=$!
far taskset 1 "$gen" -i g0 -n 8000000 -a "$work/hosts" -L 3000 -s 1 \
	-e "$work/rx1" 2>"$work/speed1" &
sender=$!
taskset 2 "$gen" -i r0 -n 4000000 -a "$work/hosts" -L 1514 -s 3 -m packet \
	-e "$work/tx1" 2>"$work/speed2"
wait $sender || fail "the generator failed"
settle
wait $checker || fail "an equation did not hold while packets were flowing"
echo "note: in: $(sed 's/^gen: //' "$work/speed1")"
echo "note: out: $(sed 's/^gen: //' "$work/speed2")"
echo "note: meanwhile $(cut -d, -f1,2 "$work/check")"
balanced rx "packets_diff 0 bytes_diff 0"
balanced tx "packets_diff 0 bytes_diff 0"

# frames of several buffers (of these veth does not count the Ethernet header)
far "$gen" -i g0 -n 1000000 -a "$work/hosts" -L 9014 -s 2 -m packet \
	-e "$work/rx2" 2>/dev/null
"$gen" -i r0 -n 500000 -a "$work/hosts" -l 1500 -L 9014 -s 4 -m packet \
	-e "$work/tx2" 2>/dev/null
balanced rx "packets_diff 0"
balanced tx "packets_diff 0 bytes_diff 0"

settle
for d in rx tx; do
	sum "$work/$d"[12] >"$work/sent"
	$ctl drain r0 $d | sort >"$work/counted"
	same "$work/sent" "$work/counted" "$d"
	echo "note: $d: $(awk '$1 == "seen" { print $2 }' "$work/sent") packets," \
		"$(grep -c ^pair "$work/sent") AS pairs: difference to the" \
		"sender 0, to the interface 0 packets"
done
$ctl detach r0
$ctl unpin
