#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The real asmeterd: what it refuses, what it leaves behind, who it is once it
# runs, and that nothing that happens to its processes costs a packet.
# shellcheck disable=SC2317  # functions are called through wait_for
set -u
B=${B:-build}
conf=/etc/asmeter/asmeter.yaml
log=/run/asmeterd.log
pins=/sys/fs/bpf/asmeter
sock=/run/asmeter/asmeter.sock
notes=/run/notes

fail() {
	echo "FAILED: $*"
	sed 's/^/  log: /' $log 2>/dev/null | tail -n 30
	exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

config() { # LINES on stdin
	{ echo 'local-as: 64512'; cat; } >$conf
}

metrics() { curl -sf http://127.0.0.1:9590/metrics; }

# metric NAME{labels}: its value
metric() {
	metrics | awk -v n="$1" 'index($0, n " ") == 1 { print $NF; ok = 1 }
		END { exit !ok }'
}

got() { metric 'asmeter_interface_receive_attributed_packets_total{interface="v0"}'; }
starts() { metric asmeter_meter_starts_total; }
is() { [ "$("${@:2}")" = "$1" ]; }
meter_pid() { pgrep -P "$keeper" -f -- --meter; }

start() {
	NOTIFY_SOCKET=$notes WATCHDOG_USEC=4000000 "$B/asmeterd" \
		>>$log 2>&1 9>/run/inherited &
	keeper=$!
	wait_for 30 grep -q '>up:' $log || fail "did not come up"
}

stop() {
	kill -TERM "$keeper"
	wait "$keeper"
	rc=$?
	: >$log
	[ $rc = 0 ] || fail "SIGTERM: exit code $rc"
}

nothing_attached() {
	[ ! -e $pins/links ] || [ -z "$(ls -A $pins/links)" ] || return 1
	! ip link show v0 | grep -q xdp && ! bpftool net show dev v0 | grep -q asm
}

# refused CODE PATTERN COMMAND...: exit code, one line that says it, no trace
refused() {
	local code=$1 pattern=$2 rc
	shift 2
	: >$log
	timeout 60 "$@" >>$log 2>&1
	rc=$?
	[ $rc = "$code" ] || fail "exit code $rc instead of $code: $pattern"
	grep -qE "$pattern" $log || fail "no line with: $pattern"
	nothing_attached || fail "something is left attached: $pattern"
	[ ! -e $sock ] || fail "the socket is left: $pattern"
}

# ------------------------------------------------------------------ set up
groupadd --system asmeter 2>/dev/null
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
mkdir -p /etc/asmeter
ip netns add peer
ip link add v0 type veth peer name v1 netns peer
ip addr add 10.0.0.1/24 dev v0
ip link set v0 up
ip -n peer addr add 10.0.0.2/24 dev v1
ip -n peer link set v1 up
ip link add w0 type veth peer name w1
ip link set w0 up
ip neigh replace 10.0.0.2 lladdr "$(ip netns exec peer cat /sys/class/net/v1/address)" dev v0
ip -n peer neigh replace 10.0.0.1 lladdr "$(cat /sys/class/net/v0/address)" dev v1

# load N: N packets from the peer, at speed; their answers go back
load() { ip netns exec peer ping -q -f -c "$1" 10.0.0.1 >/run/ping.$BASHPID; }

# ---------------------------------------------------------------- refusals
d=$B/asmeterd
echo 'interfaces: [v0]' | config
is "$conf: OK" "$d" --check || fail "--check of a good file"
printf 'local_as: 1\ninterfaces: {}\n' >$conf
refused 2 "^$conf:1:1: .*did you mean .local-as" "$d" --check
refused 2 "$conf:1:1: .*did you mean .local-as" "$d"
grep -q "$conf:2:13: " $log || fail "only the first fault is reported"
refused 2 'No such file' "$d" --config /nonexistent
refused 2 'not expected' "$d" nonsense
refused 2 '' "$d" --nonsense

echo 'interfaces: [v0, v9]' | config
refused 3 'no interface "v9", did you mean "v0"' "$d"
! grep -q 'v0: metered' $log || fail "v0 was attached before all names were checked"

echo 'interfaces: [{name: lo, mode: native}]' | config
refused 3 'lo: native XDP' "$d"

echo 'interfaces: [v0]' | config
bpftool prog load "$B/tests/net/other_xdp.bpf.o" /sys/fs/bpf/other type xdp ||
	fail "the other program does not load"
bpftool net attach xdpdrv pinned /sys/fs/bpf/other dev v0 || fail "attach"
timeout 60 "$d" >$log 2>&1
[ $? = 3 ] || fail "XDP taken: wrong exit code"
grep -q 'other_xdp.*id.*is there already' $log || fail "XDP taken: no name"
[ -z "$(ls -A $pins/links 2>/dev/null)" ] || fail "XDP taken: links left"
ip link show v0 | grep -q "prog/xdp id" || fail "the other program is gone"
bpftool net detach xdpdrv dev v0
rm /sys/fs/bpf/other

python3 -c 'import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 9590)); s.listen(); time.sleep(600)' &
taken=$!
wait_for 10 sh -c 'ss -ltn | grep -q 127.0.0.1:9590'
refused 7 'prometheus.listen 127.0.0.1 port 9590: the port is taken.*ss -ltnp' "$d"
kill $taken
wait $taken 2>/dev/null

printf 'interfaces: [v0]\nprometheus: {listen: ["192.0.2.77:9590"]}\n' | config
refused 7 'does not have the address' "$d"
printf 'interfaces: [v0]\nuser: nobodyelse\n' | config
refused 5 'user "nobodyelse" does not exist: useradd' "$d"
printf 'interfaces: [v0]\napi: {group: nogroupatall}\n' | config
refused 7 'group "nogroupatall" does not exist: groupadd' "$d"

echo 'interfaces: [v0]' | config
refused 5 'CAP_BPF|capability bpf' setpriv --bounding-set -bpf "$d"
refused 5 'net_admin' setpriv --bounding-set -net_admin "$d"

# a kernel that is too old, as far as it says so itself
refused 4 'kernel 2\.6\.[^ ]* is too old: asmeter needs 5\.18' setarch --uname-2.6 "$d"

umount /sys/fs/bpf
refused 8 'bpf' setpriv --bounding-set -sys_admin "$d"
mount -t bpf bpf /sys/fs/bpf

refused 9 'is /proc mounted' unshare --mount --propagation private \
	sh -c "mount -t tmpfs tmpfs /proc && exec $d"
# maps are charged to the control group: one with too little
cg=/run/cgroup
mkdir $cg
mount -t cgroup -o memory cgroup $cg 2>/dev/null || mount -t cgroup2 cgroup2 $cg ||
	fail "no control groups"
limit=memory.limit_in_bytes
[ -e $cg/$limit ] || {
	limit=memory.max
	grep -qw memory $cg/cgroup.subtree_control ||
		echo +memory >$cg/cgroup.subtree_control
}
small=$(mktemp -d $cg/asmeter-test.XXXXXX)
trap 'rmdir $small 2>/dev/null' EXIT
echo 24M >"$small/$limit" || fail "no memory control group"
refused 6 'not enough memory for the BPF maps .*MemoryMax=' \
	sh -c "echo \$\$ >$small/cgroup.procs && exec $d"
wait_for 10 rmdir "$small" || fail "somebody is left in $small"
trap - EXIT
umount $cg

[ ! -e $pins/asm_state ] || fail "a first start that failed leaves its maps"
echo "note: 17 refusals, each with its exit code, one line and no trace"

# the kernel needs its types, not we the file: hidden, as in some containers
mount -t tmpfs tmpfs /sys/kernel/btf
start
stop
umount /sys/kernel/btf
"$B/asmeter" detach --all >/dev/null || fail "detach --all"

# one meter at a time writes to the state directory; the next one waits for it
flock --no-fork /var/lib/asmeter sleep 600 &
holder=$!
: >$log
(
	wait_for 30 grep -q 'another meter still writes to /var/lib/asmeter' $log
	echo $? >/run/waited
	sleep 1
	grep -q '>up:' $log && echo 2 >/run/waited
	kill $holder
) &
start
[ "$(cat /run/waited)" = 0 ] || fail "two meters with one state directory"
stop
"$B/asmeter" detach --all >/dev/null || fail "detach --all"

# -------------------------------------------------------------- who it is
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
import os; os.chmod(sys.argv[1], 0o777)
while True:
    print(s.recv(4096).decode(), flush=True)' $notes >/run/notes.txt &
sink=$!
wait_for 10 test -S $notes

cat >/run/good.yaml <<X
interfaces: [v0]
own-prefixes: [10.0.0.0/24]
counters: {rows: 4096}
X
config </run/good.yaml
: >$log
start
wait_for 10 grep -q '^READY=1' /run/notes.txt || fail "no READY=1"
wait_for 10 grep -q "^MAINPID=$keeper" /run/notes.txt || fail "no MAINPID"
[ "$(stat -c '%a %G' $sock)" = '660 asmeter' ] || fail "socket: $(stat -c '%a %G' $sock)"
[ "$(stat -c '%a %U' $pins)" = '700 asmeter' ] || fail "pins: $(stat -c '%a %U' $pins)"

uid=$(id -u asmeter)
gid=$(id -g asmeter)
# status PID FIELD
status() { awk -v f="$2:" '$1 == f { $1 = ""; print substr($0, 2) }' "/proc/$1/status"; }
for p in "$keeper" "$(meter_pid)"; do
	caps=0000000000000000
	[ "$p" = "$keeper" ] && caps=000000c000003000
	[ "$(status "$p" Uid)" = "$uid $uid $uid $uid" ] || fail "uid of $p"
	[ "$(status "$p" Gid)" = "$gid $gid $gid $gid" ] || fail "gid of $p"
	[ -z "$(status "$p" Groups)" ] || fail "groups of $p"
	[ "$(status "$p" CapPrm)" = $caps ] || fail "permitted of $p"
	[ "$(status "$p" CapEff)" = $caps ] || fail "effective of $p"
	[ "$(status "$p" CapBnd)" = $caps ] || fail "bounding of $p"
	[ "$(status "$p" CapInh)" = 0000000000000000 ] || fail "inheritable of $p"
	[ "$(status "$p" CapAmb)" = 0000000000000000 ] || fail "ambient of $p"
	[ "$(status "$p" NoNewPrivs)" = 1 ] || fail "no_new_privs of $p"
done
[ "$(status "$(meter_pid)" Seccomp)" = 2 ] || fail "the meter has no filter"
[ "$(stat -c %u "/proc/$(meter_pid)/mem")" = 0 ] || fail "the meter is dumpable"
echo "note: keeper CapEff $(status "$keeper" CapEff), meter CapEff $(status "$(meter_pid)" CapEff)"

# nothing that could be written to can be executed
for p in "$keeper" "$(meter_pid)"; do
	grep -q asmeterd "/proc/$p/maps" || fail "no mappings of $p can be read"
	! awk '$2 ~ /w.*x/' "/proc/$p/maps" | grep -q . ||
		fail "writable and executable: $(awk '$2 ~ /w.*x/' "/proc/$p/maps")"
done

# what the shell had open (start) is closed in both
for p in "$keeper" "$(meter_pid)"; do
	[ -z "$(find "/proc/$p/fd" -lname '*inherited')" ] || fail "a descriptor of the shell is open in $p"
done

# a second one does not disturb the first
timeout 60 "$d" >/run/second.log 2>&1
[ $? = 7 ] || fail "a second daemon started"
{ kill -0 "$keeper" && [ -S $sock ]; } || fail "the second daemon harmed the first"

# -------------------------------------------- nothing costs a packet
wait_for 30 is 64512 eval "curl -sf --unix-socket $sock 'http://x/api/v1/lookup?addr=10.0.0.2' | jq .table_as" ||
	fail "own prefixes do not answer"
base=$(got) || fail "no metrics"
n=300000
load $n &
sender=$!
for i in 1 2 3; do
	sleep 0.7
	kill -9 "$(meter_pid)"
	wait_for 20 is $((i + 1)) starts || fail "the meter was not restarted"
done
wait $sender
wait_for 10 is $((base + n)) got || fail "sent $n, counted $(($(got) - base))"
echo "note: meter killed 3 times under load: $n packets sent, $(($(got) - base)) counted"
is 0 metric asmeter_books_difference || fail "the books do not balance"

# the keeper, too: the links stay, a new daemon finds all of it
base=$(got)
load $n &
sender=$!
sleep 0.5
kill -9 "$keeper"
wait "$keeper" 2>/dev/null
wait_for 10 sh -c '! pgrep -x asmeterd-meter' || fail "the meter outlived its keeper"
: >$log
start
low=$(got)
[ "$low" -ge "$base" ] || fail "a total has decreased: $base, $low"
wait $sender
wait_for 10 is $((base + n)) got || fail "sent $n, counted $(($(got) - base))"
echo "note: keeper killed under load: $n packets sent, $(($(got) - base)) counted"

# a meter that was taken over: it loses its life, the keeper nothing
sock_of() { tr '\0' ' ' <"/proc/$1/cmdline" | sed 's/.*--meter //'; }
fds=$(find "/proc/$keeper/fd" | wc -l)
for what in nonsense keeper short range descriptors; do
	old=$(meter_pid)
	tests/net/hostile_meter.py "$old" "$(sock_of "$old")" $what || fail "$what"
	wait_for 10 test ! -e "/proc/$old" || fail "$what: the meter lives on"
	wait_for 20 metrics || fail "$what: no new meter"
	kill -0 "$keeper" || fail "$what: the keeper is gone"
	[ -e $pins/links/v0-xdp ] && [ -e $pins/links/v0-egress ] || fail "$what: detached"
done
# whatever is sent, as often as the seeds say: each ends the meter, or nothing
seeds=3
[ "${SOAK:-0}" = 1 ] && seeds=300
for seed in $(seq $seeds); do
	old=$(meter_pid)
	SEED=$seed tests/net/hostile_meter.py "$old" "$(sock_of "$old")" fuzz
	wait_for 30 metrics || fail "fuzz $seed: no meter"
	kill -0 "$keeper" || fail "fuzz $seed: the keeper is gone"
	[ -e $pins/links/v0-xdp ] && [ -e $pins/links/v0-egress ] || fail "fuzz $seed: detached"
	wait_for 30 meter_pid || fail "fuzz $seed: no meter"
done
wait_for 20 metrics || fail "no meter after all of these"
log_lines=$(wc -l <$log)
[ "$log_lines" -lt $((60 + 20 * seeds)) ] || fail "$log_lines lines in the log"
old=$(meter_pid)
: >$log
tests/net/hostile_meter.py "$old" "$(sock_of "$old")" flood || fail flood
kill -0 "$keeper" && [ "$(meter_pid)" = "$old" ] || fail "a flood of good messages"
[ "$(wc -l <$log)" -lt 60 ] || fail "the flood is in the log: $(wc -l <$log) lines"
! grep -q '^BARRIER' /run/notes.txt || fail "the meter speaks to the service manager"
grep -q '^STATUS=[0-9]*?BARRIER' /run/notes.txt || fail "no status of the flood"
[ "$(find "/proc/$keeper/fd" | wc -l)" = "$fds" ] || fail "descriptors left"

# a meter that hangs (looked at again below, after 30 s)
hung=$(meter_pid)
kill -STOP "$hung"
hung_at=$SECONDS

# ------------------------------------------------------------------ reload
keeper_fds() { find "/proc/$keeper/fd" | wc -l; }
fds=$(keeper_fds)
{ cat /run/good.yaml; echo 'log-levl: info'; } | config
kill -HUP "$keeper"
wait_for 10 grep -q 'reload: refused' $log || fail "a bad file was not refused"
grep -q "$conf:5:1: unknown key .log-levl" $log || fail "it does not say why"
sed 's/\[v0\]/[v0, w0, w7]/' /run/good.yaml | config
kill -HUP "$keeper"
wait_for 10 grep -q 'no interface "w7"' $log || fail "unknown interface in a reload"
wait_for 10 is 2 grep -c 'reload: refused' $log || fail "the reload goes on"
! grep -q 'w0: metered' $log || fail "a reload attached w0 before all names were checked"
[ ! -e $pins/links/w0-xdp ] || fail "attached by a refused reload"
sed 's/\[v0\]/[w0, v0]/' /run/good.yaml | config
kill -HUP "$keeper"
wait_for 10 grep -q 'w0: metered' $log || fail "w0 was not attached"
grep -q '^RELOADING=1' /run/notes.txt || fail "no RELOADING=1"
[ "$(stat -c %U $pins/links/w0-egress)" = asmeter ] || fail "link of another user"
cp /run/good.yaml /run/g && config </run/g
kill -HUP "$keeper"
wait_for 10 grep -q 'w0: not metered any more' $log || fail "w0 was not detached"
[ ! -e $pins/links/w0-egress ] || fail "link of w0 left"
[ -e $pins/links/v0-xdp ] || fail "v0 was detached"
kill -0 "$keeper" || fail "the keeper ended"

# ---------------------------------------------- an interface comes again
ip link del w0
sed 's/\[v0\]/[v0, w0]/' /run/good.yaml | config
ip link add w0 type veth peer name w1
kill -HUP "$keeper"
wait_for 10 is 2 grep -c 'w0: metered' $log || fail "w0 was not attached again"
ip link del w0
wait_for 10 grep -q 'w0: the interface is gone' $log || fail "not noticed: gone"
ip link add w0 type veth peer name w1
wait_for 10 grep -q 'w0: attached again' $log || fail "not attached again"

# -------------------------------------------------------------- the hung one
wait_for $((45 - (SECONDS - hung_at))) grep -q 'silent for 30 s' $log ||
	fail "a hung meter is not noticed"
[ "$(grep -c '^WATCHDOG=1' /run/notes.txt)" -gt 5 ] || fail "no WATCHDOG=1"
wait_for 20 grep -q '^STATUS=2 interfaces; IPv4 ' /run/notes.txt || fail "no STATUS="
wait_for 20 metrics || fail "no metrics after the hung meter"
[ "$(meter_pid)" != "$hung" ] || fail "the hung meter lives"
wait_for 10 is 2 eval "curl -sf --unix-socket $sock http://x/api/v1/status | jq '[.interfaces[] | select(.present)] | length'" ||
	fail "a new meter does not know the interfaces"
is 3 metric asmeter_config_reloads_total || fail "reloads: $(metric asmeter_config_reloads_total)"
is 2 metric asmeter_config_errors_total || fail "refused reloads: $(metric asmeter_config_errors_total)"

is "$fds" keeper_fds || fail "the keeper had $fds descriptors, now $(keeper_fds)"

# -------------------------------------------------------------------- stop
base=$(got)
stop
grep -q '^STOPPING=1' /run/notes.txt || fail "no STOPPING=1"
[ ! -e $sock ] || fail "the socket is left"
[ -e $pins/links/v0-xdp ] || fail "a stop has detached v0"
load 1000
start
wait_for 10 is $((base + 1000)) got || fail "not counted while stopped: $(($(got) - base))"
kill -INT "$keeper"
wait "$keeper" || fail "SIGINT: exit code $?"
# other sizes than those of the pinned maps: nothing is lost
sed 's/4096/8192/' /run/good.yaml | config
: >$log
load 1000
start
is 8192 metric asmeter_map_max_rows || fail "rows: $(metric asmeter_map_max_rows)"
wait_for 10 is $((base + 2000)) got || fail "lost while moving: $(($(got) - base))"
is 0 metric asmeter_books_difference || fail "the books do not balance"
stop
# maps of a newer release: refused, not detached
version() { # HEX: into asm_state.abi_version
	local state
	mapfile -t state < <(bpftool -j map lookup pinned $pins/asm_state \
		key 0 0 0 0 | jq -r ".value | .[0] = \"$1\" | .[]")
	bpftool map update pinned $pins/asm_state key 0 0 0 0 \
		value "${state[@]}" || fail "bpftool"
}
version 0x63
: >$log
timeout 60 "$d" >>$log 2>&1
[ $? = 4 ] || fail "maps of another version: exit code"
grep -q 'are of version 99, this asmeter needs' $log || fail "maps of another version"
[ -e $pins/links/v0-xdp ] || fail "a refused start has detached v0"
version 0x01

# ------------------------------------- told to stay root: no meter does

{ cat /run/good.yaml; printf 'user: root\ngroup: root\n'; } | config
start
for i in 1 2; do
	wait_for 10 is "$i" starts || fail "user: root: no meter $i"
	[ "$(status "$(meter_pid)" Uid)" = "65534 65534 65534 65534" ] || fail "a meter is root"
	[ "$(status "$(meter_pid)" CapPrm)" = 0000000000000000 ] || fail "caps of it"
	kill -9 "$(meter_pid)"
done
stop

# -------------------------------------- started as the systemd unit starts it
config </run/good.yaml
: >$log
chmod 711 /sys/fs/bpf
chown -R asmeter:asmeter $pins /var/lib/asmeter /run/asmeter
caps=+bpf,+net_admin,+perfmon,+net_raw,+net_bind_service
setpriv --reuid asmeter --regid asmeter --clear-groups --no-new-privs \
	--inh-caps=-all,$caps --ambient-caps=-all,$caps \
	--bounding-set=-all,$caps "$d" >>$log 2>&1 &
keeper=$!
wait_for 30 grep -q '>up:' $log || fail "does not start as a user"
[ "$(status "$keeper" CapEff)" = 000000c000003000 ] || fail "effective of $keeper"
[ "$(status "$keeper" CapPrm)" = 000000c000003000 ] || fail "permitted of $keeper"
[ "$(status "$keeper" CapAmb)" = 0000000000000000 ] || fail "ambient of $keeper"
[ "$(status "$(meter_pid)" CapPrm)" = 0000000000000000 ] || fail "meter"
sed 's/\[v0\]/[v0, w0]/' /run/good.yaml | config
kill -HUP "$keeper"
wait_for 10 grep -q 'w0: metered' $log || fail "w0 was not attached by a user"
stop
kill $sink
exit 0
