# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the network tests share. A test runs inside its own namespaces
# (tests/isolate.sh): r0 is the metered interface of the router (here), g0
# the other end, in the namespace "far".
set -eu
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
# shellcheck disable=SC2034
gen=$B/tests/net/gen
# shellcheck disable=SC2034
ctl=$B/tests/net/meterctl
work=$(mktemp -d "${TMPDIR:-/tmp}/asmeter-net.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

far() { ip netns exec far "$@"; }

# wait_for SECONDS COMMAND...: until it succeeds; the time is when to give up
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
# must SECONDS COMMAND...: the same, and to give up is to fail
must() { wait_for "$@" || fail "waited in vain for: ${*:2}"; }

# rig [MTU]: the two interfaces, quiet (no address, no router advertisements).
rig() {
	ip netns add far
	ip link add r0 mtu "${1:-9000}" type veth peer name g0 \
		mtu "${1:-9000}" netns far
	for s in all default r0; do
		echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6
	done
	far sh -c 'for s in all default g0; do
		echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6; done'
	ip link set r0 up
	far ip link set g0 up
	far ip link set lo up
}

# addresses N [SHIFT]: $work/prefixes ("prefix asn") and $work/hosts ("address
# asn"): N IPv4 /24 with a /25 inside that belongs to another AS, N IPv6 /48
# with a /64 inside, and hosts without a route. SHIFT moves all AS numbers.
addresses() {
	awk -v n="$1" -v shift="${2:-0}" -v p="$work/prefixes" -v h="$work/hosts" 'BEGIN {
	for (i = 0; i < n; i++) {
		a = 20 + int(i / 65536); b = int(i / 256) % 256; c = i % 256
		s = shift
		printf "%d.%d.%d.0/24 %d\n", a, b, c, 1000 + i + s > p
		printf "%d.%d.%d.128/25 %d\n", a, b, c, 100000 + i + s > p
		printf "%d.%d.%d.%d %d\n", a, b, c, i % 128, 1000 + i + s > h
		printf "%d.%d.%d.%d %d\n", a, b, c, 128 + i % 128, 100000 + i + s > h
		printf "2a00:%x:%x::/48 %.0f\n", int(i / 65536), i % 65536, 200000 + i + s > p
		printf "2a00:%x:%x:1::/64 %.0f\n", int(i / 65536), i % 65536, 4200000000 + i + s > p
		printf "2a00:%x:%x:2::%x %.0f\n", int(i / 65536), i % 65536, i, 200000 + i + s > h
		printf "2a00:%x:%x:1::%x %.0f\n", int(i / 65536), i % 65536, i, 4200000000 + i + s > h
	}
	for (i = 1; i < 20; i++) {
		printf "192.0.2.%d 0\n", i > h
		printf "2001:db8::%x 0\n", i > h
	} }'
}

# events_begin: from here on the kernel's messages about interfaces are kept.
# events_none WHAT: fails if there was one about r0. Messages of our own show
# that the listener listens.
events_canary() {
	ip link set r0 alias "canary$1"
	wait_for 10 grep -q "canary$1" "$work/events" ||
		fail "the monitor of events is deaf"
}
events_begin() {
	ip -d monitor link >"$work/events" 2>&1 &
	monitor=$!
	wait_for 10 sh -c "ip link set r0 alias up; sleep 0.1; grep -q up '$work/events'" ||
		fail "no monitor of events"
	events_canary 1
	: >"$work/events"
}
events_none() {
	events_canary 2
	kill $monitor
	wait $monitor 2>/dev/null || true
	[ "$(grep -c '^\(Deleted \)\?[0-9]*: r0' "$work/events")" = 1 ] ||
		fail "$1: the interface saw it: $(cat "$work/events")"
}

# settle: until what is still in r0's receive queue (a busy machine leaves it to
# ksoftirqd) has been counted: no packet for 0.3 s.
settle() {
	local now='' before=x
	while [ "$now" != "$before" ]; do
		before=$now
		sleep 0.3
		now=$(cat /sys/class/net/r0/statistics/[rt]x_packets)
	done
}

# lost: frames that never reached r0 because its queue was full; they are the
# rig's loss, not the meter's.
lost() {
	far ethtool -S g0 | awk '/xdp_xmit_err/ { n += $2 } END { print n + 0 }'
}

# sum FILE...: adds up lines "name ... packets ip_bytes wire_bytes".
sum() {
	awk '{ k = $1; for (i = 2; i <= NF - 3; i++) k = k " " $i
		p[k] += $(NF - 2); b[k] += $(NF - 1); w[k] += $NF }
		END { for (k in p) printf "%s %.0f %.0f %.0f\n", k, p[k], b[k], w[k] }' "$@" | sort
}

# same EXPECTED COUNTED WHAT: identical, or the first differences.
same() {
	cmp -s "$1" "$2" && return
	diff -a "$1" "$2" | head -n 20
	fail "$3: sent (<) and counted (>) differ"
}

# ------------------------------------------------------------- the daemon
# For tests of the whole asmeterd. daemon_up: from /etc/asmeter/asmeter.yaml,
# until it is ready; $keeper is its process. daemon_down: SIGTERM.
# shellcheck disable=SC2034
page=http://127.0.0.1:9590
sock=/run/asmeter/asmeter.sock
log=$work/asmeterd.log

give_up() {
	tail -n 30 "$log" >&2
	fail "$*"
}
daemon_user() {
	chmod 755 "$work"
	groupadd --system asmeter 2>/dev/null || true
	id asmeter >/dev/null 2>&1 ||
		useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
}
daemon_launch() {
	"$B/asmeterd" >>"$log" 2>&1 &
	keeper=$!
}
came_up() { grep -q '>up:' "$log" || ! kill -0 "$keeper"; }
ready() { curl -m 5 -sf "$page/-/ready"; }
daemon_up() {
	: >"$log"
	daemon_launch
	wait_for 60 came_up || give_up "asmeterd does not come up"
	kill -0 "$keeper" 2>/dev/null || give_up "asmeterd ended"
}
daemon_down() {
	kill -TERM "$keeper"
	wait "$keeper" || give_up "asmeterd: exit code $?"
}
meter_pid() { pgrep -P "$keeper" -f -- --meter; }
metrics() { curl -m 10 -sf "$page/metrics"; }
# metric NAME{labels}: its value
metric() {
	metrics | awk -v n="$1" 'index($0, n " ") == 1 { print $NF; ok = 1 }
		END { exit !ok }'
}
api() { curl -m 10 -sf --unix-socket $sock "http://x/api/v1/$1" | jq -r "$2"; }
# is VALUE COMMAND...: prints exactly that
is() { [ "$("${@:2}")" = "$1" ]; }
# over NUMBER COMMAND...: prints a greater one
over() { [ "$("${@:2}")" -gt "$1" ]; }

# scrape_begin [PAUSE], scrape_end: all the while the metrics page is read
# without pause, and nothing that counts traffic may decrease or not add up.
scrape_begin() {
	tests/net/scrape.py "$page/metrics" "$@" >"$work/scrapes" &
	scraper=$!
}
scrape_end() {
	kill -TERM "$scraper" 2>/dev/null || true
	wait "$scraper" || give_up "$(cat "$work/scrapes")"
	sed 's/^/note: /' "$work/scrapes"
}
