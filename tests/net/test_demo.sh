#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The demo as a user runs it: two at a time, of which one is sabotaged (it must
# say so and fail), the metrics page from outside, ended early, nothing left.
set -eu
export B=${B:-build} DEMO_PPS=20000
others=$(ls -d /tmp/asmeter-demo.* 2>/dev/null || :) # a demo beside this test

fail() {
	echo "FAILED: $*"
	tail -n 25 /run/*.out
	exit 1
}

# The first process inside the namespaces of demo $1 (the pid of demo.sh).
inner() {
	local u
	u=$(pgrep -P "$1" -x unshare) && pgrep -P "$u"
}

wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "waited in vain for: $*"
		sleep 0.2
	done
}

left() {
	local p
	for p in asmeterd asmeterd-meter bird crowd bgpfeed iperf3 demo-relay.py; do
		! pgrep -x "$p" >/dev/null || fail "a process is left: $p"
	done
	[ "$(ls -d /tmp/asmeter-demo.* 2>/dev/null || :)" = "$others" ] ||
		fail "files are left"
	[ -z "$(ip netns list)" ] || fail "namespaces are left"
	[ ! -e /sys/fs/bpf/asmeter ] || fail "pins are left"
}

DEMO_SECONDS=12 scripts/demo.sh >/run/good.out 2>&1 </dev/null &
good=$!
DEMO_SECONDS=12 scripts/demo.sh >/run/bad.out 2>&1 </dev/null &
bad=$!

wait_for 120 grep -q 'metrics: http' /run/good.out
url=$(sed -n 's/.*metrics: //p' /run/good.out)
curl -sf "$url" >/run/page || fail "no metrics page at $url"
grep -q 'flow_receive_bytes_total{.*hostname="border1.demo"}' /run/page ||
	fail "no flows on the page"

wait_for 120 grep -q 'metrics: http' /run/bad.out
[ "$(sed -n 's/.*metrics: //p' /run/bad.out)" != "$url" ] ||
	fail "both demos have the same address"
nsenter -t "$(inner $bad)" -m -n "$(realpath "$B")/asmeter" detach eth0 >/dev/null ||
	fail "cannot sabotage"

rc=0
wait $good || rc=$?
[ $rc = 0 ] || fail "the demo failed: exit $rc"
[ "$(grep -c '^  difference  *0  *0$' /run/good.out)" = 2 ] ||
	fail "no balance sheet"
grep -q 'the books balance: difference 0' /run/good.out || fail "no verdict"
rc=0
wait $bad || rc=$?
[ $rc = 1 ] || fail "sabotage went unnoticed: exit $rc"
grep -q 'DO NOT BALANCE' /run/bad.out || fail "sabotage: no verdict"
left

# ended while it is being set up
scripts/demo.sh >/run/early.out 2>&1 </dev/null &
early=$!
wait_for 60 inner $early
sleep 1
kill -TERM $early
rc=0
wait $early || rc=$?
[ $rc != 0 ] || fail "ended early, but exit 0"
left
