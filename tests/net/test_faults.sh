#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a machine can do to the daemon: reboot, a full disk, one that is read
# only, a damaged snapshot, a clock that jumps. Packets are counted and
# attributed all the while, and no file is ever half a file.
. tests/net/lib.sh
state=/var/lib/asmeter
pins=/sys/fs/bpf/asmeter

daemon_user
rig 1500
addresses 500
conf() { # more lines on stdin
	cat >/etc/asmeter/asmeter.yaml <<-END
	local-as: 64500
	interfaces: [r0]
	libloc: {use: never}
	drain-interval: 100ms
	snapshot-interval: 1s
	counters: {rows: 65536}
	END
	cat >>/etc/asmeter/asmeter.yaml
}
with_table() { echo "overrides: $work/prefixes" | conf; }
# a neighbour that is configured and away: the daemon waits for it
without_table() {
	conf <<-END
	bgp: {neighbors: [{address: 127.0.0.9, remote-as: 64501}]}
	END
}
mount -t tmpfs -o size=8m tmpfs $state
chown asmeter:asmeter $state

file_ok() { gzip -t $state/table; }
known() { metric 'asmeter_interface_receive_attributed_packets_total{interface="r0"}'; }
unknown() { metric 'asmeter_interface_receive_unattributed_packets_total{interface="r0",reason="unknown_as"}'; }
errors() { metric "asmeter_state_write_errors_total{file=\"$1\"}"; }
writes() { metric "asmeter_state_writes_total{file=\"$1\"}"; }
grep -v ' 0$' "$work/hosts" >"$work/known"
# send FIRST-HOSTS: 1,000 packets, all of known ASes
send() {
	far "$gen" -i g0 -n 1000 -a "$work/known" -p -m packet >/dev/null 2>&1 ||
		give_up "cannot send"
}
# The machine goes down: nothing of the kernel's is left.
reboot() {
	pkill -9 -P "$keeper" 2>/dev/null || true
	kill -9 "$keeper" 2>/dev/null || true
	wait "$keeper" 2>/dev/null || true
	wait_for 10 sh -c '! pgrep -x asmeterd-meter' || fail "a meter lives on"
	rm -rf $pins
}

# ------------------------------------------------------ power off, and reboot
with_table
daemon_up
wait_for 30 is 1200 api 'lookup?addr=20.0.200.1' .table_as || give_up "no table"
wait_for 20 over 0 writes table || give_up "no snapshot"
wait_for 10 file_ok || give_up "the snapshot is no gzip"
[ "$(stat -c '%U %a' $state/table)" = 'asmeter 640' ] || fail "$(stat -c '%U %a' $state/table)"
reboot
without_table
send & # before, while and after it starts
sender=$!
daemon_up
[ "$(api status .table.source)" = snapshot ] || give_up "source: $(api status .table.source)"
grep -q "$state/table: the table of before answers" "$log" || give_up "it does not say so"
wait $sender || fail "cannot send"
send
wait_for 10 over 999 known || give_up "counted $(known)"
is 0 unknown || give_up "$(unknown) packets after a reboot were unknown"
echo "note: after a reboot, without a feed: $(known) packets attributed, 0 unknown"

# the feed returns: the table is what it says, no more than that
mv "$work/prefixes" "$work/all"
head -n 40 "$work/all" >"$work/prefixes"
with_table
kill -HUP "$keeper"
wait_for 60 is none api status .table.source || give_up "source: $(api status .table.source)"
wait_for 10 is null api 'lookup?addr=20.0.200.1' .as || true
wait_for 30 is 0 api 'lookup?addr=20.0.200.1' '.table_as // 0' ||
	give_up "a prefix that is no more is answered still"
is 1003 api 'lookup?addr=20.0.3.1' .table_as || give_up "a prefix is missing"
mv "$work/all" "$work/prefixes"
kill -HUP "$keeper"
wait_for 30 is 1200 api 'lookup?addr=20.0.200.1' .table_as || give_up "no whole table again"

# ------------------------------------------------------ the disk is full
wait_for 20 file_ok || give_up "no snapshot"
n=$(writes table)
head -c 16M /dev/zero >$state/ballast 2>/dev/null || true
sed -i 's/ 1200$/ 1201/' "$work/prefixes" # a change to be written
kill -HUP "$keeper"
wait_for 30 over 0 errors table || give_up "a full disk is not counted"
grep -q "$state/table: No space left" "$log" || give_up "a full disk is not told"
[ "$(grep -c 'No space left' "$log")" -le 2 ] || give_up "told again and again"
file_ok || give_up "a torn file on a full disk"
before=$(known)
send
wait_for 10 over $((before + 999)) known || give_up "a full disk stops counting"
kill -9 "$(meter_pid)"
wait_for 30 ready || give_up "no start on a full disk"
file_ok || give_up "a torn file after a kill"
rm $state/ballast
kill -HUP "$keeper"
wait_for 60 over 0 writes table || give_up "not written when there was room again"
file_ok || give_up "written, but no gzip"
[ -z "$(find $state -mindepth 1 ! -name table ! -name series)" ] || fail "left: $(ls $state)"

# ------------------------------------------------------ read only
mount -o remount,ro $state
n=$(errors table)
sed -i 's/ 1201$/ 1202/' "$work/prefixes"
kill -HUP "$keeper"
wait_for 30 over "$n" errors table || give_up "a read-only disk is not counted"
before=$(known)
send
wait_for 10 over $((before + 999)) known || give_up "a read-only disk stops counting"
daemon_down
daemon_up
before=$(known)
send
wait_for 10 over $((before + 999)) known || give_up "no counting after a start on a read-only disk"
mount -o remount,rw $state
wait_for 60 over 0 writes table || give_up "not written when it could be again"
file_ok || give_up "written, but no gzip"

# ------------------------------------------------------ damaged
for how in cut bits nothing foreign huge; do
	reboot
	case $how in
	cut) head -c 3000 $state/table >/run/t && cat /run/t >$state/table ;;
	bits) printf 'xxxxxxxx' | dd of=$state/table bs=1 seek=2000 conv=notrunc 2>/dev/null ;;
	nothing) : >$state/table ;;
	foreign) ln -sf /etc/passwd $state/table ;;
	huge) rm $state/table; head -c 6M /dev/zero | gzip >$state/table ;;
	esac
	without_table
	daemon_up
	grep -q "$state/table: not used" "$log" || give_up "$how: taken"
	is 0 api 'lookup?addr=20.0.200.1' '.table_as // 0' || give_up "$how: a table"
	with_table
	kill -HUP "$keeper"
	wait_for 30 is 1202 api 'lookup?addr=20.0.200.1' .table_as || give_up "$how: no table"
	wait_for 20 over 0 writes table || give_up "$how: not replaced"
	file_ok || give_up "$how: replaced by no gzip"
	daemon_down
done
# what has changed since is written at the stop
sed -i 's/snapshot-interval: 1s/snapshot-interval: 1d/' /etc/asmeter/asmeter.yaml
daemon_up
wait_for 30 is 1202 api 'lookup?addr=20.0.200.1' .table_as || give_up "no table"
wait_for 20 over 0 writes table || give_up "no first snapshot"
sed -i 's/ 1202$/ 1203/' "$work/prefixes"
kill -HUP "$keeper"
wait_for 30 is 1203 api 'lookup?addr=20.0.200.1' .table_as || give_up "no change"
daemon_down
rm -rf $pins
without_table
daemon_up
is 1203 api 'lookup?addr=20.0.200.1' .table_as || give_up "not written at the stop"
daemon_down
with_table
echo "note: full, read-only, damaged in 5 ways: counted on, never a torn file"

# ------------------------------------------------------ the clock jumps
# Everything started from here on has a wall clock that /run/skew moves.
cat >"$work/skew.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
static long skew(void)
{
	long s = 0;
	FILE *f = fopen("/run/skew", "r");
	if (f) {
		if (fscanf(f, "%ld", &s) != 1)
			s = 0;
		fclose(f);
	}
	return s;
}
int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))
			dlsym(RTLD_NEXT, "clock_gettime");
	int rc = real(id, ts);
	if (!rc && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += skew();
	return rc;
}
time_t time(time_t *t)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (t)
		*t = ts.tv_sec;
	return ts.tv_sec;
}
int gettimeofday(struct timeval *tv, void *tz)
{
	struct timespec ts;
	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
END
gcc -shared -fPIC -O1 -o "$work/skew.so" "$work/skew.c" -ldl
chmod 755 "$work/skew.so"
echo 0 >/run/skew
echo "$work/skew.so" >/etc/ld.so.preload
daemon_up
rm /etc/ld.so.preload
grep -q skew.so "/proc/$keeper/maps" && grep -q skew.so "/proc/$(meter_pid)/maps" ||
	fail "the clocks of the daemon are not moved"
age() { api status .table.age_s; }
wait_for 30 is 1203 api 'lookup?addr=20.0.200.1' .table_as || give_up "no table"
scrape_begin
year=$((365 * 86400))
for s in 1 -1 3600 -3600 $((10 * year)) $((-10 * year)) $((80 * year)) 0; do
	echo "$s" >/run/skew
	before=$(known)
	send
	wait_for 10 over $((before + 999)) known || give_up "clock by $s s: counted $(known)"
	api top '[.all | .. | numbers] | map(. >= 0 and . < 1e12) | all' | grep -qx true ||
		give_up "clock by $s s: $(api top .all)"
	api status '.table.age_s >= 0 and .uptime_s >= 0 and .uptime_s < 3600' |
		grep -qx true || give_up "clock by $s s: $(api status '[.table.age_s, .uptime_s]')"
	# what it says of the time follows the clock, so the clock was moved
	drift=$(($(api status '.table.age_s') - s))
	[ "$s" -lt 3600 ] || [ "$drift" -gt -600 ] || give_up "clock by $s s was not seen: $drift"
	ready >/dev/null || give_up "clock by $s s: not ready"
done
scrape_end
is 0 unknown || give_up "$(unknown) packets were unknown"
daemon_down
echo "note: clock steps of 1 s, 1 h, 10 and 80 years: every rate finite and not negative"
