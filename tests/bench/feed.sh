#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The full table over one BGP session, from the same sender: BIRD from the
# first UPDATE to the last End-of-RIB read; asmeterd from the first UPDATE to
# the last entry of the kernel's table, which has to be right for every network
# (feed.c). Interleaved. Then memory with the table in place, and how long one
# UPDATE takes to reach the kernel. Both daemons take the routes and announce
# nothing; asmeterd has no libloc table to fall back on meanwhile.
set -eu
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
work=$(mktemp -d "${TMPDIR:-/tmp}/asmeter-feed.XXXXXX")
trap 'rm -rf "$work"' EXIT
rounds=9 toggles=200
[ -n "${BENCH_QUICK:-}" ] && rounds=3 toggles=50
test_prefix=192.0.2.0/24 # of documentation: nobody announces it

fail() {
	echo "feed: $*" >&2
	tail -n 5 "$work"/*.log >&2
	exit 1
}
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "$* did not come true"
		sleep 0.1
	done
}
feed_start() { # OPTIONS...
	"$B/tests/net/bgpfeed" -a 64999 -l 127.0.0.2:1790 -6 fd00::2 "$@" \
		>"$work/feed.log" 2>&1 &
	feed=$!
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
	bird -f -c "$work/bird.conf" -s "$work/bird.ctl" &
	bird=$!
}
bird_time() {
	feed_start -x
	bird_start
	wait_for 120 grep -q '^read' "$work/feed.log"
	sed -n 's/^read in \([0-9.]*\) s/\1/p' "$work/feed.log" >>"$work/theirs"
	signal=KILL end_of "$bird" "$feed"
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
	rm -rf /run/asmeter /sys/fs/bpf/asmeter
	"$B/asmeterd" 2>"$work/asmeterd.log" &
	daemon=$!
	wait_for 30 test -e /sys/fs/bpf/asmeter/asm_state
}
daemon_time() {
	daemon_start
	"$B/tests/bench/feed" live >"$work/live" 2>"$work/live.log" &
	local watch=$!
	feed_start -t $test_prefix
	wait $watch || fail "$(cat "$work/live.log")"
	awk 'NR == FNR { live = $1; next } /^sent/ { print live - $NF }' \
		"$work/live" "$work/feed.log" >>"$work/ours"
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

for i in $(seq "$rounds"); do
	bird_time
	daemon_time
	[ "$i" = "$rounds" ] || daemon_end
done
paste "$work/ours" "$work/theirs" | awk '{ print $2 / $1, $1, $2 }' |
	row "full table over BGP vs BIRD" s ">= 3" ">= 1" \
		"ours: until live in the kernel and proven right; BIRD: until End-of-RIB"

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
wait_for 60 grep -q '^sent' "$work/feed.log"
n=$(awk '/^sent/ { print $2 + $4 }' "$work/feed.log")
has_all() { birdc -s "$work/bird.ctl" show route count | grep -q "^Total: $n "; }
wait_for 60 has_all
theirs=$(rss "$bird")
signal=KILL end_of "$bird" "$feed"
echo "$private $theirs" | awk '{ print $1 / $2, $1, $2 }' |
	row "memory with a full table vs BIRD" MB "<= 0.333" "<= 1" \
		"private memory of keeper and meter; with the kernel's table mapped $ours MB"
echo "$private $kernel" | awk '{ print $1 + $2, $1 + $2 }' |
	row "daemon and kernel memory all told" MB "<= 200" "<= 350" \
		"of it $kernel MB of maps, $(nproc) CPUs"
