#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of the meter and of the keeper, again and again, while packets come
# as fast as they can: not one is lost or counted twice, in packets, IP bytes
# and wire bytes, in the books and per pair of ASes; no total that anybody can
# read ever decreases; and the interface sees none of it.
. tests/net/lib.sh
kills=9 n=150000 # packets a kill, at least
[ "${SOAK:-0}" = 1 ] && kills=100

daemon_user
rig
addresses 30 # so few that every pair of every batch has a row
cat >/etc/asmeter/asmeter.yaml <<END
local-as: 64500
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
drain-interval: 100ms
counters: {rows: 262144}
END
daemon_up
wait_for 30 is 1020 api 'lookup?addr=20.0.20.1' .table_as || give_up "no table"
link_ids() {
	for l in /sys/fs/bpf/asmeter/links/*; do
		bpftool -j link show pinned "$l" | jq -c '[.id, .type]'
	done
}
link_ids >"$work/links"
events_begin
scrape_begin

: >"$work/batches"
(
	i=0
	while [ ! -e "$work/enough" ]; do
		i=$((i + 1))
		far "$gen" -i g0 -n $n -a "$work/hosts" -s $i -e "$work/sent$i" 2>/dev/null ||
			exit 1
		echo $i >>"$work/batches"
	done
) &
sender=$!
batches() { wc -l <"$work/batches"; }
more() { [ "$(batches)" -ge "$1" ]; }

keepers=0
for i in $(seq $kills); do
	wait_for 120 more "$i" || give_up "the sender is stuck"
	if [ $((i % 3)) = 0 ]; then
		keepers=$((keepers + 1))
		kill -9 "$keeper"
		wait "$keeper" 2>/dev/null || true
		: >"$log"
		daemon_launch
		wait_for 60 grep -q '>up:' "$log" || give_up "does not come up after kill $i"
	else
		old=$(meter_pid)
		kill -9 "$old"
		wait_for 30 test ! -e "/proc/$old" || give_up "the meter lives on"
		wait_for 60 ready || give_up "no meter after kill $i"
	fi
done
touch "$work/enough"
wait $sender || give_up "the generator failed"
settle
sent=$(batches)
sum "$work"/sent[0-9]* >"$work/sent"
want=$(awk '$1 == "seen" { print $2, $3, $4 }' "$work/sent")
total() {
	local m out=
	for m in packets ip_bytes wire_bytes; do
		out="$out $(metric "asmeter_interface_receive_${m}_total{interface=\"r0\"}")"
	done
	echo "${out# }"
}
wait_for 20 is "$want" total || give_up "sent $want, counted $(total)"
scrape_end
events_none "$kills kills"
link_ids | cmp -s - "$work/links" || fail "a link was made anew"
daemon_down
$ctl drain r0 rx | sort >"$work/counted"
same "$work/sent" "$work/counted" "after $kills kills"
echo "note: $kills kills ($keepers of the keeper) over $((sent * n)) packets: none lost, none doubled"
