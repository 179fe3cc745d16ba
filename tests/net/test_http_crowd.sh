#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Slow clients on the metrics page, a thousand from one address and then more
# than there is room for from one address each, and as many on the Unix socket,
# all of whom come back as soon as they are thrown out: whoever sends a request
# is answered within a second, and it costs neither memory nor descriptors.
. tests/net/lib.sh
n=1000

daemon_user
rig 1500
addresses 200
cat >/etc/asmeter/asmeter.yaml <<END
local-as: 64500
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
END
daemon_up
wait_for 30 is 1001 api 'lookup?addr=20.0.1.1' .table_as || give_up "no table"
far "$gen" -i g0 -n 100000 -a "$work/hosts" 2>/dev/null >/dev/null
settle
meter=$(meter_pid)
fds() { find "/proc/$meter/fd" -mindepth 1 | wc -l; }
anon() { awk '/^RssAnon/ { print $2 }' "/proc/$meter/status"; }
evicted() { metric asmeter_http_evicted_connections_total; }

# once CURL-OPTIONS: a whole page within the second that there is
once() {
	curl -sf --max-time 1 -o "$work/page" -w '%{time_total}\n' "$@" \
		>>"$work/times" && tail -n 1 "$work/page" | grep -q .
}
# served WHAT CURL-OPTIONS: forty times out of forty
served() {
	local what=$1 i
	shift
	: >"$work/times"
	for i in $(seq 40); do
		once "$@" || give_up "$what: answer $i of 40: curl ends with $?," \
			"after $(tail -n 1 "$work/times") s"
		sleep 0.05
	done
	echo "note: $what: $(stat -c %s "$work/page") bytes, 40 of 40 answers," \
		"the slowest after $(sort -n "$work/times" | tail -n 1) s"
}
# The clients get only what time nobody else wants.
crowd() { # ARGUMENTS
	chrt --idle 0 tests/net/slow_clients.py "$n" "$@" >"$work/crowd" &
	crowd=$!
	wait_for 60 grep -q held "$work/crowd" || give_up "$*: not $n have come"
}
disperse() {
	kill -TERM $crowd
	wait $crowd || give_up "the clients failed"
	grep -q 'thrown out [1-9]' "$work/crowd" || fail "nobody was thrown out: $(cat "$work/crowd")"
	wait_for 30 is "$idle" fds || give_up "descriptors: $idle, then $(fds)"
}

served "nobody else" $page/metrics
wait_for 10 is "$(fds)" fds
idle=$(fds) rss0=$(anon)
for from in one many; do
	[ $from = one ] || n=1500
	before=$(evicted)
	crowd 9590 $from
	served "$n slow clients, $from address" $page/metrics
	[ "$(fds)" -le $((idle + 1100)) ] || fail "no limit: $(fds) descriptors"
	over "$before" evicted || fail "nobody had to make room"
	# the other socket is not concerned at all
	once --unix-socket $sock http://x/api/v1/status || give_up "the socket is not served"
	disperse
done
crowd $sock
served "$n slow clients on the socket" --unix-socket $sock http://x/metrics
once $page/metrics || give_up "the page is not served"
timeout 5 "$B/asmeter" -j status >/dev/null || give_up "the command line is not served"
disperse
# 16 kB for each place on both, and what the page takes
[ "$(anon)" -le $((rss0 + 40000)) ] || fail "memory: $rss0 kB, then $(anon) kB"
[ "$meter" = "$(meter_pid)" ] || give_up "the meter was restarted"
echo "note: $(evicted) were thrown out; memory $rss0 kB, then $(anon) kB"
daemon_down
