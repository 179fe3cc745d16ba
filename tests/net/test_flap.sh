#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Neighbours that come and go with the full table, that fall silent, that are
# slow or many: memory and descriptors stay, the other sessions live, packets
# of known ASes are known all the while, and strangers are not listened to.
. tests/net/lib.sh
flaps=2 crowd=200 most=600
# a flap with the full table is seconds of work for both sides: a slow machine
# does what it can in FLAP_SECONDS, and says how many that were
[ "${SOAK:-0}" = 1 ] && flaps=1000 crowd=1000 most=${FLAP_SECONDS:-12000}

daemon_user
rig 1500
ip addr add 10.0.0.1/24 dev r0
for a in 2 3 4 5 66; do far ip addr add 10.0.0.$a/24 dev g0; done
far ip addr add 8.8.8.8/32 dev g0
ip route add 8.8.8.8/32 via 10.0.0.2
cat >/etc/asmeter/asmeter.yaml <<END
local-as: 64512
interfaces: [r0]
own-prefixes: [10.0.0.0/24]
libloc: {use: never}
drain-interval: 200ms
bgp:
  listen: ["10.0.0.1:179"]
  stale-time: 120s
  neighbors:
    - {address: 10.0.0.2, remote-as: 64999, passive: true, description: feed}
    - {address: 10.0.0.3, remote-as: 65003, passive: true, description: good}
    - {address: 10.0.0.4, remote-as: 65004, passive: true, description: slow}
    - {address: 10.0.0.5, remote-as: 65005, passive: true, hold-time: 3, description: silent}
END
daemon_up
meter=$(meter_pid)
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$meter/status"; }
fds() { find "/proc/$meter/fd" -mindepth 1 | wc -l; }
peer() { api peers ".peers[] | select(.name == \"$1\") | $2"; }
unknown() { metric 'asmeter_interface_receive_unattributed_packets_total{interface="r0",reason="unknown_as"}'; }
attributed() { metric 'asmeter_interface_receive_attributed_packets_total{interface="r0"}'; }
refused() { metric asmeter_bgp_refused_connections_total; }
over() { [ "$("${@:2}")" -gt "$1" ]; }
tables() { grep -c 'feed: IPv[46] table complete' "$log"; }
feed_on() {
	ip netns exec far "$B/tests/net/bgpfeed" -a 64999 -l 10.0.0.2 \
		-c 10.0.0.1 -6 2001:db8::2 >/dev/null &
	feed=$!
	feed_complete
}
feed_complete() {
	round=$((round + 1))
	wait_for 120 over $((2 * round - 1)) tables || give_up "table $round is not complete"
	wait_for 60 is 0 peer feed '.ipv4.stale + .ipv6.stale' || give_up "stale routes stay"
}
# not functions, so that $! is the process itself
as() { echo "ip netns exec far tests/net/bgp_crowd.py 10.0.0.$1 10.0.0.1"; }

# --- the table, and a second neighbour that must not notice any of the rest
round=0
feed_on
# three keepalives in its hold time, as is usual; 3 s are too few for a machine
# that has other work, too
$(as 3) good 65003 9 >"$work/good" &
good=$!
wait_for 20 grep -q up "$work/good" || give_up "the good neighbour does not come up"
good_lives() { is up cat "$work/good" && kill -0 $good; }
wait_for 30 is 15169 api 'lookup?addr=8.8.8.8' .table_as || give_up "no table"
ip netns exec far ping -q -i 0.002 -I 8.8.8.8 10.0.0.1 >"$work/ping" &
ping=$!
wait_for 10 over 100 attributed || give_up "no packets"
zero=$(unknown)

# --- comes and goes: killed, or no more than hung up
end=$((SECONDS + most))
for ((i = 1; i <= flaps && (i <= 2 || SECONDS < end); i++)); do
	if [ $((i % 10)) = 1 ]; then
		kill -9 $feed
		wait $feed 2>/dev/null || true
		wait_for 20 is false peer feed .up || give_up "flap $i is not seen"
		feed_on
	else
		kill -HUP $feed
		feed_complete
	fi
	[ "$i" = 1 ] && rss0=$(rss) fds0=$(fds)
done
flaps=$((i - 1))
[ "$(rss)" -le $((rss0 + rss0 / 20)) ] || fail "memory: $rss0 kB, then $(rss) kB"
[ "$(fds)" -le "$fds0" ] || fail "descriptors: $fds0, then $(fds)"
echo "note: $flaps flaps with $(peer feed '.ipv4.paths + .ipv6.paths') routes: $rss0 to $(rss) kB, $fds0 to $(fds) descriptors"
good_lives || give_up "the good neighbour was lost: $(cat "$work/good")"

# --- strangers: closed before a byte is read, counted, and nothing is said
$(as 66) stranger 300 >"$work/strangers" || fail "strangers: $(cat "$work/strangers")"
is 'closed 300 answered 0' cat "$work/strangers" || fail "strangers: $(cat "$work/strangers")"
is 300 refused || give_up "$(refused) of 300 strangers are counted"

# --- one that is slow, one that is many and silent, one that goes half open
$(as 4) slow 65004 &
slow=$!
$(as 5) idle "$crowd" >"$work/idle" &
idle=$!
wait_for 120 grep -q held "$work/idle" || give_up "the idle ones are stuck"
[ "$(fds)" -le $((fds0 + 8)) ] || fail "descriptors with $crowd idle ones: $fds0, then $(fds)"
kill -9 $idle
wait $idle 2>/dev/null || true
$(as 5) good 65005 >"$work/half" &
half=$!
wait_for 20 grep -q up "$work/half" || give_up "no third session"
kill -STOP $half # no FIN, no keepalive
wait_for 60 is false peer silent .up || give_up "a half-open session lives"
peer silent .last_sent.code | grep -qx 4 || give_up "not by its hold timer: $(peer silent .last_sent)"
kill -CONT $half
wait $half || true
good_lives || give_up "the good neighbour was lost: $(cat "$work/good")"
is true peer feed .up || give_up "the feed was lost"
kill $slow
echo "note: 300 strangers refused unread, $crowd idle connections, a slow and a half-open neighbour: the others live"

kill -INT $ping
wait $ping || true
sent=$(awk '/packets transmitted/ { print $1 }' "$work/ping")
[ "$(unknown)" = "$zero" ] || give_up "$(($(unknown) - zero)) packets of a known AS were unknown"
is 0 metric asmeter_books_difference || give_up "the books differ"
echo "note: $sent packets of a known AS meanwhile, 0 unknown"
kill $feed
[ "$meter" = "$(meter_pid)" ] || give_up "the meter was restarted"
daemon_down
