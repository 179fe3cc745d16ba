# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# scripts/install.sh on a system that has never seen asmeter, and the life of
# the service under a real systemd: whatever is done to it, no packet is
# missing in the totals and none is double.

inst() { scripts/install.sh "$@" >"$work/inst" 2>&1 || fail "install.sh $*: $(cat "$work/inst")"; }

# up_with WHAT COMMAND...: does it, and waits for another main process
up_with() {
	local what=$1 old
	shift
	old=$(main_pid)
	"$@" || fail "$what: exit $?"
	wait_for 90 came_up "$old" || fail "$what: $(unit_state)"
}

# the totals are looked at with the daemon down, which stays down
balance() {
	flow_stop
	systemctl stop asmeterd || fail "stop"
	flow_check "$1"
}

dry_run() {
	scripts/install.sh --dry-run --interface r0 --local-as 64512 >"$work/inst" ||
		fail "dry run"
	grep -q 'would run: .*restart asmeterd' "$work/inst" || fail "dry run: no start"
	! getent passwd asmeter >/dev/null || fail "a dry run has made the user"
	[ ! -e /usr/sbin/asmeterd ] || fail "a dry run has installed"
}

virgin() {
	mkdir -p /etc/asmeter
	sed 's/ / /' "$work/prefixes" >/etc/asmeter/overrides.txt
	[ "$SOAK" = 0 ] || dry_run
	inst --interface r0 --local-as 64512
	[ "$(unit_state)" = "active running" ] || fail "unit: $(unit_state)"
	note "installed on a system without asmeter: $(unit_state)"
	ip -d link show r0 | grep -q prog/xdp || fail "r0 has no XDP program"
	# the edit of an administrator, taken over by a reload
	sed -i -e 's,^#overrides: .*,overrides: /etc/asmeter/overrides.txt,' \
		-e 's/^  use: fallback .*/  use: never/' $conf
	echo '# mine' >>$conf
	chgrp asmeter /etc/asmeter/overrides.txt
	systemctl reload asmeterd || fail reload
	wait_for 60 looked_up 20.0.0.1 1000 ||
		fail "the overrides are not in the table"
}

# who it is, shown by the kernel; what systemd thinks of the running unit
closed() {
	local pid meter
	pid=$(main_pid)
	meter=$(pgrep -P "$pid")
	for p in "$pid" "$meter"; do
		[ "$(awk '/^Uid/ { print $2 }' "/proc/$p/status")" = "$(id -u asmeter)" ] ||
			fail "uid of $p"
		grep -q '^NoNewPrivs:.*1' "/proc/$p/status" || fail "nnp of $p"
		grep -q '^Seccomp:.*2' "/proc/$p/status" || fail "no filter on $p"
		! grep -E '^[0-9a-f-]+ .wx' "/proc/$p/maps" || fail "writable code in $p"
	done
	grep -q '^CapEff:.*000000c000003000' "/proc/$pid/status" || fail "keeper: caps"
	grep -q '^CapPrm:.*0000000000000000' "/proc/$meter/status" || fail "meter: caps"
	exposure=$(systemd-analyze security --no-pager asmeterd.service |
		sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
	awk -v e="$exposure" 'BEGIN { exit !(e > 0 && e <= 2.1) }' ||
		fail "exposure is $exposure"
	note "exposure of the running unit $exposure"
}

# samples by AF_XDP inside the sandbox of the unit: on by a reload, every one
# that was taken is there or counted as lost, off again
sampled() {
	sed -i 's/^  rate: 0$/  rate: 10/' $conf
	systemctl reload asmeterd || fail reload
	wait_for 60 is 1 metric asmeter_samples_up || fail "no samples: $(asmeter status)"
	mkdir -p "$work/flow"
	for k in 1 2 3 4 5; do
		burst g0 9$k "$work/flow/rx.9$k" far -p -L 1500
		burst r0 9$k "$work/flow/tx.9$k" '' -p -L 1500
	done
	wait_for 60 samples_add_up || fail "samples: $(metrics | grep ^asmeter_samples)"
	note "sampled: $(samples_total taken) of 2000 packets, $(samples_total received) received"
	sed -i 's/^  rate: 10$/  rate: 0/' $conf
	systemctl reload asmeterd || fail reload
	wait_for 60 [ ! -e /sys/class/net/asm-tap0 ] || fail "the tap is left"
}
samples_total() { metrics | awk -v n="asmeter_samples_$1_total" 'index($0, n) == 1 { v += $NF } END { print v + 0 }'; }
# 1 in 10 of 2000: 200, within five standard deviations and more
samples_add_up() {
	local t
	t=$(samples_total taken)
	[ "$t" -gt 100 ] && [ "$t" -lt 300 ] && [ "$(samples_total received)" -gt 0 ] &&
		[ $(($(samples_total received) + $(samples_total lost))) = "$t" ]
}

life() {
	up_with restart systemctl restart asmeterd
	systemctl reload asmeterd || fail reload
	up_with "kill -s KILL" systemctl kill -s KILL --kill-who=main asmeterd
	[ "$SOAK" = 0 ] ||
		up_with "kill -s KILL of all" systemctl kill -s KILL asmeterd
}

# a newer build: another program, another version; it knows a key more
upgrade() {
	local old
	sum1=$(sha256sum <$conf)
	old=$(main_pid)
	! is_version /mnt/next/asmeterd || fail "nothing to upgrade to"
	inst --build-dir /mnt/next
	came_up "$old" || fail "the new daemon does not run"
	is_version /mnt/next/asmeterd || fail "not the new version: $(running_version)"
	grep -q 'asmeter.yaml is kept' "$work/inst" || fail "does not say what it kept"
	[ "$(sha256sum <$conf)" = "$sum1" ] || fail "the configuration was changed"
}

# one that does not become ready: the one before is back, and counts
rolled_back() {
	local old
	scripts/install.sh --dry-run --build-dir /mnt/build >"$work/inst" ||
		fail "dry run of an upgrade"
	grep -q 'would run: .*restart asmeterd' "$work/inst" || fail "dry run: upgrade"
	for bad in dies refuses; do
		old=$(main_pid)
		step "upgrade to one that $bad"
		! scripts/install.sh --build-dir /mnt/bad-$bad >"$work/inst" 2>&1 ||
			fail "an upgrade to a broken daemon succeeded"
		is_up || fail "$bad: not rolled back: $(cat "$work/inst")"
		cmp /usr/sbin/asmeterd /mnt/next/asmeterd || fail "$bad: not the old one"
		is_version /mnt/next/asmeterd || fail "$bad: runs $(running_version)"
		grep -q 'not upgraded: asmeterd .* runs' "$work/inst" ||
			fail "$bad: $(cat "$work/inst")"
		[ ! -e /usr/lib/asmeter/before-upgrade ] || fail "$bad: left behind"
		[ "$(sha256sum <$conf)" = "$sum1" ] || fail "$bad: configuration"
	done
	# a fault found before the restart: the old process was never stopped
	[ "$(main_pid)" = "$old" ] || fail "restarted for nothing"
	grep -q 'new key brand-new$' "$work/inst" || fail "new key: $(cat "$work/inst")"
	# and back
	step "upgrade again"
	inst
	cmp /usr/sbin/asmeterd /mnt/build/asmeterd || fail "not upgraded again"
}

# a speaker with a part of the Internet's table and prefixes of its own, in both
# families, because a table is kept when all of it has been said: what it has
# said is on disk before the power is cut
feed_once() {
	"$B/tests/net/bgpfeed" -n 500 -p 198.18.0.0/15 -p 2001:db8:ffff::/48 \
		-a 64999 -l 127.0.0.1:1179 -6 2001:db8::2 >"$work/feed" 2>&1 &
	sed -i 's/^  neighbors: \[\]/  neighbors: [{address: 127.0.0.1, port: 1179, remote-as: 64999, local-address: 127.0.0.2}]\n  router-id: 192.0.2.1/' $conf
	# not the one of before, without the neighbour
	rm -f /var/lib/asmeter/table
	systemctl start asmeterd || fail "start: $(unit_state)"
	wait_for 60 looked_up 198.18.0.1 64999 ||
		fail "no table from the neighbour: $(cat "$work/feed")"
	wait_for 60 [ -s /var/lib/asmeter/table ] || fail "no snapshot"
}

rig 1500
addresses 50
virgin
closed
[ "$SOAK" = 0 ] || sampled
link_ids >"$work/links"
flow_start
life
upgrade
[ "$SOAK" = 0 ] || rolled_back
link_ids | diff "$work/links" - || fail "something was attached anew"
balance "restart, reload, kill -s KILL, upgrade"

# the next boot has the cards, which are there without our help, and no feed
sed -i "s/^  - r0\$/  - $(card virtio_net)\n  - $(card e1000)/" $conf
feed_once
wait_for 60 eval 'asmeter -j interfaces | jq -e "[.interfaces[] | select(.present)] | length == 2"' ||
	fail "the cards are not metered: $(asmeter interfaces)"
sha256sum $conf >/root/conf.sum
sync -f /root /etc
