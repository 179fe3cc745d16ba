# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the guest's scripts share, beside the rig of the network tests.
. tests/net/lib.sh
pins=/sys/fs/bpf/asmeter
conf=/etc/asmeter/asmeter.yaml
kernel=$(uname -r)
kernel=${kernel%%-*}

note() { echo "note: $kernel, $(uptime_s) s: $*"; }
uptime_s() { cut -d . -f 1 /proc/uptime; }

# step WHAT: for whoever has to read why a machine hung
step() { echo "step: $*, at $SECONDS s"; }

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.3
	done
}

# tc_mode: what TC is on this kernel.
tc_mode() {
	case $kernel in 6.[0-5].*) echo clsact ;; *) echo tcx ;; esac
}

# Network cards by their driver.
card() {
	local i
	for i in /sys/class/net/*; do
		case $(readlink "$i/device/driver") in
		*/"$1") basename "$i" && return ;;
		esac
	done
	fail "no $1 card"
}

# counted IF DIR: books and pairs, as `gen` prints them
counted() { $ctl drain "$1" "$2" | sort; }

# books FILE...: without the pairs and the buckets that nothing fell in
books() { grep -hv '^pair' "$@" | sort; }

# burst IF SEED EXPECT [FAR [GEN-OPTION...]]: 200 frames, fewer than a veth
# holds, and back when all of them have arrived at the other end
burst() {
	local from='' to=far before i=$1 seed=$2 exp=$3
	[ -z "${4:-}" ] || { from=far to=''; }
	shift $(($# < 4 ? $# : 4))
	before=$(arrivals $to)
	$from "$gen" -i "$i" -n 200 -t 200 -a "$work/hosts" -s "$seed" -m packet \
		-e "$exp" "$@" >"$work/gen.log" 2>&1 ||
		fail "gen on $i: $(cat "$work/gen.log")"
	wait_for 20 arrived_all "$before" $to || fail "$i: the rig lost frames"
}
arrivals() { ${1:-} sh -c 'cat /sys/class/net/[rg][01]/statistics/rx_packets' | awk '{ n += $1 } END { print n }'; }
arrived_all() { [ "$(arrivals ${2:-})" -ge $(($1 + 200)) ]; }

# card_send FROM TO SEED: $card_sends whole IP packets without tags, in bursts
# that the other card has room for; expected in $work/sent. No shorter than 64 bytes:
# what is padded on the way would arrive longer than it was sent.
card_sends=$((SOAK ? 2000 : 600))
card_send() {
	local k before
	rm -f "$work"/card.*
	for k in $(seq $((card_sends / 200))); do
		before=$(received "$2")
		"$gen" -i "$1" -n 200 -t 200 -p -l 64 -L 1500 -a "$work/hosts" \
			-s "$3$k" -m packet -e "$work/card.$k" >"$work/gen.log" 2>&1 ||
			fail "gen on $1: $(cat "$work/gen.log")"
		wait_for 20 has_received "$2" $((before + 200)) ||
			fail "$1 to $2: the rig lost frames"
	done
	sum "$work"/card.* >"$work/sent"
}
received() { cat "/sys/class/net/$1/statistics/rx_packets"; }
# all_arrived CARD: at the meter; the card's own counter may be ahead
all_arrived() { [ "$($ctl drain "$1" rx | awk '$1 == "seen" { print $2 }')" -ge $card_sends ]; }
has_received() { [ "$(received "$1")" -ge "$2" ]; }

# ------------------------------------------------------------ the service

is_up() { systemctl is-active --quiet asmeterd; }
main_pid() { systemctl show -P MainPID asmeterd; }
unit_state() { systemctl show -P ActiveState -P SubState asmeterd | paste -sd' '; }
# running_version: of the daemon that answers
running_version() {
	curl -sf --unix-socket /run/asmeter/asmeter.sock http://x/api/v1/version |
		jq -r .version
}
# is_version PROGRAM: that version answers
is_version() { [ "asmeterd $(running_version)" = "$("$1" --version)" ]; }
# looked_up ADDRESS AS: that is what the kernel's table says
looked_up() { asmeter -j lookup "$1" | jq -e ".table_as == $2" >/dev/null; }
# came_up: active, and by another process than $1
came_up() { is_up && [ "$(main_pid)" != "$1" ]; }

# link_ids: what must stay the same when nothing is attached anew
link_ids() {
	bpftool -j link show | jq -c '[.[] | select(.type == "xdp" or .type == "tcx") | .id]'
	tc -j filter show dev r0 ingress 2>/dev/null | jq -c '[.[].options.handle]'
	tc -j filter show dev r0 egress 2>/dev/null | jq -c '[.[].options.handle]'
}

# --------------------------------------- traffic that goes on in background

# flow_start: frames both ways through r0 until flow_stop; what they have to
# count as is in $work/flow
flow_start() {
	mkdir -p "$work/flow"
	rm -f "$work/flow/stop"
	flow_n=$((${flow_n:-0} + 1))
	(
		k=$((flow_n * 100000))
		while [ ! -e "$work/flow/stop" ]; do
			k=$((k + 1))
			burst g0 $k "$work/flow/rx.$k" far -L 1500
			burst r0 $k "$work/flow/tx.$k" '' -L 1500
			# the CPUs are for what is tested under it
			sleep 0.3
		done
	) >"$work/flow/log.$flow_n" 2>&1 &
	flow_pid=$!
}

flow_stop() {
	touch "$work/flow/stop"
	wait $flow_pid || fail "gen: $(cat "$work/flow"/log.*)"
}

# flow_sum DIR: everything sent so far
flow_sum() { find "$work/flow" -name "$1.*" -exec cat {} + | sum; }

# flow_check WHAT: nothing is missing, nothing is double, in any measure, in
# total and for each pair of ASes. The daemon must be stopped: one reader.
flow_check() {
	local d
	for d in rx tx; do
		flow_sum $d >"$work/sent"
		counted r0 $d >"$work/counted"
		same "$work/sent" "$work/counted" "$1, $d"
	done
	note "$1: $(find "$work/flow" -name '?x.*' | wc -l) bursts of 200 packets, difference 0"
}
