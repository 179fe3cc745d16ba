#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who fills the table: libloc first, then a BGP feed of the whole Internet,
# which takes over at End-of-RIB; a meter that is killed meanwhile, then a feed
# that vanishes, and libloc again. All that time packets of a known AS come in,
# and none of them may be counted as unknown.
# shellcheck disable=SC2317  # functions are called through wait_for
set -u
B=${B:-build}
log=/run/asmeterd.log
sock=/run/asmeter/asmeter.sock

fail() {
	echo "FAILED: $*"
	sed 's/^/  log: /' $log | tail -n 30
	exit 1
}

wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

api() { curl -sf --unix-socket $sock "http://x/api/v1/$1" | jq -r "$2"; }
is() { [ "$("${@:2}")" = "$1" ]; }
source_is() { is "$1" api status .table.source; }
who() { api 'lookup?addr=8.8.8.8' '"\(.table_as) \(.source)"'; }
metric() {
	curl -sf http://127.0.0.1:9590/metrics |
		awk -v n="$1" 'index($0, n " ") == 1 { print $NF; ok = 1 } END { exit !ok }'
}
unknown() {
	metric 'asmeter_interface_receive_unattributed_packets_total{interface="v0",reason="unknown_as"}'
}
known() { metric 'asmeter_interface_receive_attributed_packets_total{interface="v0"}'; }
known_over() { [ "$(known)" -gt "$1" ]; }
# complete N: both families have reached End-of-RIB for the Nth time
complete() {
	[ "$(grep -c 'IPv4 table complete' $log)" = "$1" ] &&
		[ "$(grep -c 'IPv6 table complete' $log)" = "$1" ]
}
feed_on() {
	ip netns exec peer "$B/tests/net/bgpfeed" -a 64999 -l 10.0.0.2:1179 \
		-6 2001:db8::2 >/dev/null &
	feed=$!
}

groupadd --system asmeter 2>/dev/null
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
ip netns add peer
ip link add v0 type veth peer name v1 netns peer
echo 1 >/proc/sys/net/ipv6/conf/v0/disable_ipv6
ip netns exec peer sh -c 'echo 1 >/proc/sys/net/ipv6/conf/v1/disable_ipv6'
ip addr add 10.0.0.1/24 dev v0
ip link set v0 up
ip -n peer addr add 10.0.0.2/24 dev v1
ip -n peer addr add 8.8.8.8/32 dev v1
ip -n peer link set v1 up
ip route add 8.8.8.8/32 via 10.0.0.2
mkdir -p /etc/asmeter
cat >/etc/asmeter/asmeter.yaml <<X
local-as: 64512
interfaces: [v0]
own-prefixes: [10.0.0.0/24]
drain-interval: 200ms
bgp:
  stale-time: 4s
  neighbors:
    - {address: 10.0.0.2, remote-as: 64999, port: 1179, description: feed}
X
"$B/asmeterd" >$log 2>&1 &
keeper=$!
wait_for 30 source_is libloc || fail "no libloc table: $(api status .table.source)"
wait_for 10 is '15169 libloc' who || fail "libloc: $(who)"
loc=$(api status '"\(.table.prefixes_ipv4) \(.table.prefixes_ipv6)"')

ip netns exec peer ping -q -i 0.002 -I 8.8.8.8 10.0.0.1 >/run/ping.txt &
ping=$!
wait_for 10 known_over 100 || fail "no packets"
zero=$(unknown)

feed_on
t0=$SECONDS
wait_for 60 complete 1 || fail "the feed is not complete"
wait_for 60 source_is bgp || fail "the feed did not take over"
wait_for 30 is 0 api status .libloc.prefixes_ipv4 || fail "libloc's routes stay"
wait_for 30 is '15169 bgp 10.0.0.2' who || fail "bgp: $(who)"
wait_for 30 is "$loc" api status '"\(.table.prefixes_ipv4) \(.table.prefixes_ipv6)"' ||
	fail "other prefixes: $loc, then $(api status .table)"
echo "note: $loc prefixes (IPv4 IPv6) over BGP instead of libloc in $((SECONDS - t0)) s"

kill -9 "$(pgrep -P $keeper -f -- --meter)"
wait_for 30 is 2 metric asmeter_meter_starts_total || fail "not restarted"
is snapshot api status .table.source || is bgp api status .table.source ||
	fail "the pinned table was given up: $(api status .table.source)"
wait_for 60 complete 2 || fail "the feed did not come back"
wait_for 10 source_is bgp || fail "the feed did not take over again"
is '15169 bgp 10.0.0.2' who || fail "bgp again: $(who)"

kill $feed
wait_for 30 source_is libloc || fail "libloc did not come back"
wait_for 10 is '15169 libloc' who || fail "libloc again: $(who)"
feed_on
wait_for 60 complete 3 || fail "the second feed is not complete"
wait_for 10 source_is bgp || fail "the second feed did not take over"

kill -INT $ping
wait $ping
sent=$(awk '/packets transmitted/ { print $1 }' /run/ping.txt)
wait_for 10 known_over $((sent - 1)) || fail "sent $sent, counted $(known)"
[ "$(unknown)" = "$zero" ] ||
	fail "$(($(unknown) - zero)) packets of a known AS were counted as unknown"
echo "note: $sent packets over 4 changes of the source and a killed meter, 0 of them unknown"
kill $feed
kill -TERM $keeper
wait $keeper || fail "SIGTERM: $?"
