#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A newer program behind the links, and maps of other sizes, while packets
# come: every one of them is counted once, in all three measures and per pair,
# and the interface sees nothing of it. Also killed in the middle of moving the
# counts, and with links that were made for programs of other attach types.
. tests/net/lib.sh
swaps=50 kills=25 n=2000000
[ "${SOAK:-0}" = 1 ] && swaps=200 kills=300 n=10000000
pins=/sys/fs/bpf/asmeter

link_ids() {
	for l in "$pins"/links/*; do
		bpftool -j link show pinned "$l" | jq -r '"\(.id) \(.type)"'
	done
}
send() { # NAME SEED COUNT [OPTIONS]
	far "$gen" -i g0 -n "$3" -a "$work/hosts" -p -s "$2" -e "$work/$1" \
		"${@:4}" 2>"$work/speed" >/dev/null
}
# exact WHAT SENT...: counted = all that was sent
exact() {
	local what=$1
	shift
	settle
	sum "$@" >"$work/sent"
	$ctl drain r0 rx | sort >"$work/counted"
	same "$work/sent" "$work/counted" "$what (the rig lost $(lost))"
}

rig
addresses 200
$ctl load 131072 0 4194304 >/dev/null
rm $pins/asm_past # as a release left it that had none
$ctl load >/dev/null || fail "maps without asm_past are not taken"
$ctl table "$work/prefixes"
$ctl attach r0 | grep -q 'in native out tcx' || fail "not native"
link_ids >"$work/links"
events_begin

# --- 50 times: in turn the same maps, and larger and smaller ones
send a 3 $n &
sender=$!
moved=0
for i in $(seq $swaps); do
	case $((i % 4)) in
	0) $ctl load 131072 >/dev/null && moved=$((moved + 1)) ;;
	2) $ctl load 262144 0 8388608 >/dev/null && moved=$((moved + 1)) ;;
	*) $ctl load >/dev/null ;;
	esac
	$ctl attach r0 >/dev/null
done
wait $sender || fail "the generator failed: $(cat "$work/speed")"
exact "$swaps swaps" "$work/a"
link_ids | cmp -s - "$work/links" || fail "a link was made anew"
echo "note: $swaps exchanged programs, $moved times with maps of other sizes: $n packets, all counted once"

# --- killed at any moment of it
send b 4 $n &
sender=$!
done=0
for i in $(seq $kills); do
	rows=$((i % 2 ? 131072 : 262144))
	$ctl load $rows >/dev/null 2>&1 &
	victim=$!
	sleep "0.$(printf %03d $((i * 37 % 500)))" # any moment of it
	kill -9 $victim 2>/dev/null || done=$((done + 1))
	wait $victim 2>/dev/null || true
done
$ctl load 131072 >/dev/null || fail "cannot go on after kills"
$ctl attach r0 >/dev/null
wait $sender || fail "the generator failed: $(cat "$work/speed")"
exact "$kills kills" "$work/a" "$work/b"
[ ! -e $pins/next ] || fail "left aside: $(ls $pins/next)"
link_ids | cmp -s - "$work/links" || fail "a link was made anew"
[ $done -lt "$kills" ] || fail "nothing was killed: $done of $kills were done before"
echo "note: killed $((kills - done)) of $kills times while counts were moved, exact"

events_none "$swaps swaps and $kills kills"

# --- too few rows for what was counted: refused, and counts on
out=$($ctl load 64 2>&1) && fail "64 rows were taken"
grep -q 'counters.rows: the AS pairs counted so far need' <<<"$out" || fail "$out"
send c 5 10000
exact "after a refusal" "$work/a" "$work/b" "$work/c"
[ ! -e $pins/next ] || fail "a refusal leaves maps aside"

# --- a pin that is not what it should be: refused, not touched, counts on
mv $pins/asm_cpu "$pins/asm_cpu2"
bpftool map create $pins/asm_cpu type array key 4 value 4 entries 1 name asm_cpu
out=$($ctl load 2>&1) && fail "a map of another layout was taken"
grep -q 'asm_cpu is not the map that asm_state speaks of' <<<"$out" || fail "$out"
rm $pins/asm_cpu
mv $pins/asm_cpu2 $pins/asm_cpu

# --- nor is a map done without that has a part of the totals
mv $pins/asm_past "$pins/asm_past2"
out=$($ctl load 2>&1) && fail "totals were left behind"
grep -q 'asm_past is missing' <<<"$out" || fail "$out"
mv $pins/asm_past2 $pins/asm_past
send d 6 10000
exact "after another refusal" "$work/a" "$work/b" "$work/c" "$work/d"

# --- links made for other attach types, XDP and TCX: no detach
$ctl detach r0
for m in native tc; do
	$ctl attach-other r0 $m >/dev/null
	link_ids >"$work/links"
	before=$(bpftool -j link show pinned $pins/links/r0-egress | jq .prog_id)
	$ctl load >/dev/null
	$ctl attach r0 $m >/dev/null || fail "$m: a link of another attach type is not taken over"
	link_ids | cmp -s - "$work/links" || fail "$m: the link was made anew"
	[ "$(bpftool -j link show pinned $pins/links/r0-egress | jq .prog_id)" != "$before" ] ||
		fail "$m: the program is the old one"
	send other-$m 7 10000 -m packet # without XDP at r0 others are dropped
	settle
	$ctl detach r0
done
exact "other attach types" "$work"/[a-d] "$work"/other-*
