#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The full table over one BGP session, from the same sender: BIRD from the
# first UPDATE to the last End-of-RIB read (it answers the request behind it;
# all routes have to be there then); asmeterd from the first UPDATE to the last
# entry of the kernel's table, which has to be right for every network
# (feed.c). Interleaved. Then memory with the table in place, and how long one
# UPDATE takes to reach the kernel. Both daemons take the routes and announce
# nothing. asmeterd starts without a snapshot and has no libloc table to fall
# back on: its table is empty before. A session that breaks is an error. What
# the sender takes by itself is shown by a peer that reads and forgets.
. tests/net/lib.sh
trap '[ $? = 0 ] || tail -n 5 "$work"/*.log >&2 || :; rm -rf "$work"' EXIT
rounds=9 toggles=200
[ -n "${BENCH_QUICK:-}" ] && rounds=3 toggles=50
test_prefix=192.0.2.0/24 # of documentation: nobody announces it

feed_start() { # OPTIONS...
	"$B/tests/net/bgpfeed" -a 64999 -l 127.0.0.2:1790 -6 fd00::2 "$@" \
		>"$work/feed.log" 2>&1 &
	feed=$!
	must 30 eval 'ss -Hltn src 127.0.0.2:1790 | grep -q .'
}
# What the sender says of its only session: "sent" or "read", one number.
said() {
	awk -v what="$1" -v field="$2" '
		$1 == what { n++; v = $field }
		END { if (n != 1) exit 1; print v }' "$work/feed.log" ||
		fail "not one session: $(cat "$work/feed.log")"
}
end_of() { # PID...; BIRD would say goodbye for seconds
	kill "-${signal:-TERM}" "$@" 2>/dev/null || :
	wait "$@" 2>/dev/null || :
}
rss() { awk '/^VmRSS/ { n += $2 } END { print n / 1024 }' "/proc/$1/status"; }
anon() { awk '/^RssAnon/ { n += $2 } END { print n / 1024 }' "/proc/$1/status"; }

cat >"$work/bird.conf" <<-X
	router id 127.0.0.1;
	log "$work/bird.log" all;
	protocol device { }
	protocol bgp sender {
		local 127.0.0.1 as 64512;
		neighbor 127.0.0.2 port 1790 as 64999;
		multihop;
		connect delay time 1; connect retry time 1;
		ipv4 { import all; export none; };
		ipv6 { import all; export none; };
	}
X
bird_start() {
	: >"$work/bird.log"
	bird -f -c "$work/bird.conf" -s "$work/bird.ctl" &
	bird=$!
}
bird_end() { signal=KILL end_of "$bird" "$feed"; }
shows() { birdc -s "$work/bird.ctl" show "${@:2}" | grep -q "$1"; }
# BIRD holds what was sent, over the first session that it had.
bird_has_all() {
	must 60 grep -q '^sent' "$work/feed.log"
	n=$(($(said sent 2) + $(said sent 4)))
	must 60 shows "^Total: $n of $n routes" route count
	shows Established protocols sender || fail "BIRD's session is down"
	! grep -E 'Error|Received|Invalid|<ERR>' "$work/bird.log" ||
		fail "BIRD's session broke"
}
bird_time() {
	feed_start -x
	bird_start
	must 120 grep -q '^read' "$work/feed.log"
	bird_has_all
	said read 3 >>"$work/theirs"
	bird_end
}
sender_time() {
	feed_start -x
	"$B/tests/bench/feed" sink 127.0.0.2 1790 || fail "the sink"
	must 30 grep -q '^read' "$work/feed.log"
	said read 3 >>"$work/sender"
	end_of "$feed"
}

cat >/etc/asmeter/asmeter.yaml <<-X
	local-as: 64512
	bgp:
	  router-id: 127.0.0.1
	  neighbors:
	    - {address: 127.0.0.2, remote-as: 64999, port: 1790, multihop: 2}
	libloc: {use: never}
	api: {group: $(id -gn nobody)}
	user: nobody
	group: $(id -gn nobody)
X
daemon_start() {
	rm -rf /run/asmeter /sys/fs/bpf/asmeter /var/lib/asmeter/*
	"$B/asmeterd" 2>"$work/asmeterd.log" &
	daemon=$!
	must 30 test -e /sys/fs/bpf/asmeter/asm_state
}
daemon_time() {
	daemon_start
	"$B/tests/bench/feed" live >"$work/live" 2>"$work/live.log" &
	local watch=$!
	must 10 grep -q empty "$work/live"
	feed_start -t $test_prefix
	wait $watch || fail "$(cat "$work/live.log")"
	said sent "$(awk '/^sent/ { print NF }' "$work/feed.log")" >"$work/t0"
	awk 'NR == FNR { t0 = $1; next } FNR == 2 { print $1 - t0 }' \
		"$work/t0" "$work/live" >>"$work/ours"
}
daemon_end() { end_of "$daemon" "$feed"; }

# row NAME UNIT GOAL FLOOR NOTE <"value ours rival"
row() {
	sort -n | awk -v name="$1" -v unit="$2" -v goal="$3" -v floor="$4" -v note="$5" '
		{ v[NR] = $1; o[NR] = $2; r[NR] = $3 }
		END { m = int((NR + 1) / 2)
			printf "%s | %.3g %s | %s | %.3g | %.3g..%.3g | %s | %s | %s\n",
				name, o[m], unit, r[m] == "" ? "" : sprintf("%.3g %s", r[m], unit),
				v[m], v[1], v[NR], goal, floor, note }'
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for i in $(seq "$rounds"); do
	bird_time
	sender_time
	daemon_time
	[ "$i" = "$rounds" ] || daemon_end
done
paste "$work/ours" "$work/theirs" |
	awk '{ if (NF != 2 || $1 <= 0) exit 1; print $2 / $1, $1, $2 }' >"$work/ratios" ||
	fail "a round is missing: $(paste "$work/ours" "$work/theirs")"
row "full table over BGP vs BIRD" s ">= 3" ">= 1" \
	"ours: until live in the kernel and proven right; BIRD: until End-of-RIB; the sender alone: $(median "$work/sender") s" \
	<"$work/ratios"

"$B/tests/bench/feed" toggle $test_prefix "$feed" "$toggles" >"$work/toggles" \
	2>"$work/live.log" || fail "$(cat "$work/live.log")"
p99=$(sort -n "$work/toggles" | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }')
awk '{ print $1, $1 }' "$work/toggles" |
	row "one UPDATE to visible in the kernel" ms "<= 1" "<= 50" \
		"announced and withdrawn in turn on a full table, whole daemon; 99 % within $p99 ms"

meter=$(pgrep -P "$daemon")
ours=$(echo "$(rss "$daemon") $(rss "$meter")" | awk '{ print $1 + $2 }')
private=$(echo "$(anon "$daemon") $(anon "$meter")" | awk '{ print $1 + $2 }')
kernel=$(for m in /sys/fs/bpf/asmeter/asm_*; do
	bpftool -j map show pinned "$m" | jq .bytes_memlock; done |
	awk '{ n += $1 } END { print n / 1048576 }')
daemon_end
feed_start
bird_start
bird_has_all
theirs=$(anon "$bird") theirs_rss=$(rss "$bird")
bird_end
echo "$private $theirs" | awk '{ print $1 / $2, $1, $2 }' |
	row "memory with a full table vs BIRD" MB "<= 0.333" "<= 1" \
		"private memory of keeper and meter, of BIRD; RSS $ours MB (the kernel's table mapped) and $theirs_rss MB"
echo "$private $kernel" | awk '{ print $1 + $2, $1 + $2 }' |
	row "daemon and kernel memory all told" MB "<= 200" "<= 350" \
		"of it $kernel MB of maps, $(nproc) CPUs"
