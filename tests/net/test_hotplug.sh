#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The metered interface goes down and up, gets other MTUs, is renamed, deleted
# and made anew, moved to another network namespace and back, its program and
# pins are removed: after each of these it counts again under its name, with
# all that it had counted, and says for how long it did not. First each of them
# once, then at random.
. tests/net/lib.sh
ops=12
[ "${SOAK:-0}" = 1 ] && ops=200
pins=/sys/fs/bpf/asmeter

daemon_user
rig 1500
addresses 20
ip netns add away
cat >/etc/asmeter/asmeter.yaml <<END
local-as: 64500
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
drain-interval: 50ms
counters: {rows: 65536}
END
daemon_up

quiet() { # a fresh r0 sends nothing by itself
	echo 1 >/proc/sys/net/ipv6/conf/r0/disable_ipv6
	far sh -c 'echo 1 >/proc/sys/net/ipv6/conf/g0/disable_ipv6'
	ip link set r0 up
	far ip link set g0 up
}
counted() { metric 'asmeter_interface_receive_packets_total{interface="r0"}'; }
again() { metric 'asmeter_interface_reattached_total{interface="r0"}'; }
gap_ms() {
	metric 'asmeter_interface_gap_seconds_total{interface="r0"}' |
		awk '{ printf "%.0f", $1 * 1000 }'
}
metered() { is 1 metric 'asmeter_interface_metered{interface="r0"}'; }
up() { [ "$(cat /sys/class/net/"$1"/operstate)" = up ]; }
total=0 returns=0
# send NAME: what comes in through NAME now counts as r0's
send() {
	wait_for 10 up "$1" || give_up "$op: $1 is not up"
	far "$gen" -i g0 -n 100 -a "$work/hosts" -m packet >/dev/null 2>&1 ||
		give_up "$op: cannot send"
	total=$((total + 100))
	wait_for 10 is $total counted || give_up "$op: sent $total in all, counted $(counted)"
	is 0 metric asmeter_books_difference || give_up "$op: the books differ"
}
# returned: it was attached again, once more than before, and says how long
returned() {
	local before=$gap
	returns=$((returns + 1))
	wait_for 20 is $returns again || give_up "$op: attached $(again) times, not $returns"
	wait_for 20 metered || give_up "$op: not metered"
	gap=$(gap_ms)
	[ "$gap" -gt "$before" ] || give_up "$op: no gap is told: $before ms, then $gap ms"
	# what nobody has seen happen is told from the last look on, 1 s before
	[ "$gap" -le $((before + ($(date +%s%3N) - since) + ${1:-0})) ] ||
		give_up "$op: a gap longer than it took: $before, then $gap ms"
	[ $((gap - before)) -gt "$longest" ] && longest=$((gap - before))
	return 0
}
unchanged() { is $returns again && is "$gap" gap_ms || give_up "$op: attached again"; }

do_updown() {
	ip link set r0 down
	ip link set r0 up
	send r0
	unchanged
}
do_mtu() {
	local m
	for m in 9000 65535 1500; do
		ip link set r0 mtu $m && far ip link set g0 mtu $m ||
			give_up "MTU $m is not possible while metered"
		far "$gen" -i g0 -n 50 -a "$work/hosts" -m packet \
			-l $((m < 9000 ? 64 : m - 500)) -L $((m - 100)) >/dev/null 2>&1 ||
			give_up "cannot send at MTU $m"
		total=$((total + 50))
		wait_for 10 is $total counted || give_up "MTU $m: $(counted) of $total"
	done
	unchanged
}
do_rename() {
	ip link set r0 name q9
	wait_for 10 is '"the interface is called q9 now, and metered as r0"' \
		api interfaces '.interfaces[0].error | tojson' ||
		give_up "a new name is not told: $(api interfaces '.interfaces[0].error')"
	send q9
	ip link set q9 name r0
	wait_for 10 is null api interfaces '.interfaces[0].error | tojson' ||
		give_up "renamed back: $(api interfaces '.interfaces[0].error')"
	send r0
	unchanged
}
gone() { is 0 metric 'asmeter_interface_metered{interface="r0"}'; }
do_delete() {
	since=$(date +%s%3N)
	ip link del r0
	wait_for 10 gone || give_up "deleted, and still called metered"
	is $total counted || give_up "deleted: $(counted) of $total"
	ip link add r0 type veth peer name g0 netns far
	returned
	quiet
	send r0
}
do_move() {
	since=$(date +%s%3N)
	ip link set r0 netns away
	wait_for 10 gone || give_up "moved away, and still called metered"
	[ -z "$(ls $pins/links)" ] || give_up "still attached in the other namespace"
	ip netns exec away ip link set r0 up
	far "$gen" -i g0 -n 20 -a "$work/hosts" -m packet >/dev/null 2>&1 || true
	ip -n away link set r0 netns $$
	returned
	quiet
	send r0
}
do_usurp() { # another interface takes the name
	since=$(date +%s%3N)
	ip link set r0 name old
	ip link add r0 type veth peer name g1 netns far
	returned
	ip -d link show old | grep -q prog/xdp && give_up "the old one is still metered"
	ip link del old
	far ip link set g1 name g0
	quiet
	send r0
}
do_pins() {
	since=$(date +%s%3N)
	rm -rf ${pins:?}/*
	returned 1100
	[ -e $pins/asm_state ] && [ -e $pins/links/r0-xdp ] || give_up "the pins did not come back"
	send r0
}
do_off() { # by hand: stays off, until a reload
	since=$(date +%s%3N)
	"$B/asmeter" detach r0 >/dev/null
	wait_for 20 gone || give_up "detached, and still called metered"
	ip link set r0 alias touched
	api interfaces '.interfaces[0].error' | grep -q 'taken off by .asmeter detach' ||
		give_up "$(api interfaces '.interfaces[0].error')"
	[ ! -e $pins/links/r0-xdp ] || give_up "attached against the operator's will"
	kill -HUP "$keeper"
	wait_for 20 metered || give_up "not attached by a reload"
	gap=$(gap_ms)
	send r0
}

gap=$(gap_ms) longest=0
[ "$gap" = 0 ] || fail "a gap from the start: $gap"
op=start
send r0
scrape_begin
kinds=(updown mtu rename delete move usurp pins off)
for op in "${kinds[@]}"; do "do_$op"; done
RANDOM=${SEED:-11}
for ((i = 0; i < ops; i++)); do
	op=${kinds[RANDOM % ${#kinds[@]}]}
	"do_$op"
done
scrape_end

# a restart in between, and the name has its totals still
daemon_down
daemon_up
is $total counted || fail "after a restart: $(counted) of $total"
op=restart
gap=$(gap_ms)
send r0
[ "$(api interfaces '[.interfaces[].name] | join(" ")')" = r0 ] ||
	fail "interfaces: $(api interfaces '[.interfaces[].name]')"
daemon_down
echo "note: $((ops + ${#kinds[@]})) operations: $total packets counted under one name," \
	"attached again $returns times, longest gap $longest ms"
