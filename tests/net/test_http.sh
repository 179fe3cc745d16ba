#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# HTTP of the real asmeterd against clients that mean it or not: slow, silent,
# half-closed, greedy, garbled, and more than there is room for. Meanwhile the
# page is served, packets are counted, memory stays where it was; and the
# command line gets the same answers as curl.
. tests/net/lib.sh
page=http://127.0.0.1:9590
sock=/run/asmeter/asmeter.sock
log=$work/asmeterd.log
chmod 755 "$work" # for the user asmeter

give_up() {
	tail -n 20 "$log" >&2
	fail "$*"
}
get() { curl -m 10 -sf "$@"; }
code() { curl -m 10 -s -o /dev/null -w '%{http_code}' "$@" || true; }

groupadd --system asmeter 2>/dev/null || true
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
rig
addresses 50
cat >"$work/asmeter.yaml" <<X
local-as: 64500
hostname: "r1 <&\"'>"
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
drain-interval: 200ms
X
"$B/asmeterd" --config "$work/asmeter.yaml" >"$log" 2>&1 &
daemon=$!
wait_for 30 get $page/-/ready || give_up "asmeterd is not ready"
meter=$(pgrep -P $daemon)
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$meter/status"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$meter/stat"; }
fds() { find "/proc/$meter/fd" -mindepth 1 | wc -l; }

# ---------------------------------------------------------------- answers
check() { # CODE URL [CURL OPTIONS]
	local want=$1 got
	shift
	got=$(code "$@")
	[ "$got" = "$want" ] || fail "$*: status $got instead of $want"
}
check 200 $page/
check 200 $page/metrics
check 200 $page/-/healthy
check 200 -I $page/metrics
check 404 $page/favicon.ico
check 404 --path-as-is "$page/../../etc/passwd"
check 405 -X POST $page/metrics
check 405 -X DELETE $page/
check 400 "$page/api/v1/top?n=0"
check 400 "$page/api/v1/top?n=5&n=6"
check 413 -X GET -d 'body' $page/metrics
for p in status top 'top?per=pair&n=5' as/64500 'lookup?addr=20.0.1.1' \
	interfaces peers version; do
	get "$page/api/v1/$p" | jq -e . >/dev/null || fail "/api/v1/$p is not JSON"
	get --unix-socket $sock "http://x/api/v1/$p" | jq -e . >/dev/null ||
		fail "/api/v1/$p on the socket"
done
get $page/ | grep -q 'r1 &lt;&amp;&quot;' || fail "the landing page does not escape"
promtool check metrics < <(get $page/metrics) || fail "promtool"
get $page/api/v1/lookup?addr=20.0.1.1 | jq -e '.as == 1001 and .table_as == 1001' \
	>/dev/null || fail "lookup"
"$B/asmeter" -j lookup 20.0.1.1 | jq -e '.as == 1001' >/dev/null || fail "asmeter lookup"
"$B/asmeter" st | grep -q 'books *balanced' || fail "asmeter status"
rc=0
"$B/asmeter" -s /nonexistent status 2>/dev/null || rc=$?
[ $rc = 3 ] || fail "no daemon: exit code $rc"

# the live screen: every key, then q. ncurses draws nothing while keys are
# waiting, so each picture is waited for.
shows() { grep -aq "$1" "$work/screen"; }
: >"$work/screen"
{
	wait_for 20 shows 'sort: both by bytes'
	for key in s p n b B w t i i; do
		printf '%s' "$key"
		sleep 0.2
	done
	printf '?'
	wait_for 20 shows 'interfaces, or back'
	for key in x ' ' ' ' q; do
		printf '%s' "$key"
		sleep 0.2
	done
} | TERM=xterm timeout 60 script -qefc "stty rows 20 cols 100; $B/asmeter top -i 0.2" \
	"$work/screen" >/dev/null || fail "asmeter top on a terminal: exit code $?"
shows 'sort: both by bytes' || fail "asmeter top draws nothing"
shows 'interfaces, or back' || fail "asmeter top has no help"

# ------------------------------------------------------------ bad clients
before=$(fds)
rss0=$(rss)
python3 - 127.0.0.1 9590 >"$work/bad" <<'X' &
import random, socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
rnd = random.Random(5)
def conn():
    s = socket.create_connection((host, port), 5)
    s.settimeout(5)
    return s
held = []
def hold(n, first=b""):
    for _ in range(n):
        try:
            s = conn()
            if first:
                s.sendall(first)
            held.append(s)
        except OSError:
            pass
hold(5)                                     # silent
hold(5, b"GET /metrics HTTP/1.1\r\nHost:")  # never ends
hold(5, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)  # never reads
half = []
for _ in range(5):                          # half-closed
    s = conn()
    s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    s.shutdown(socket.SHUT_WR)
    half.append(s)
print("half", sum(b"alive" in s.recv(4096) for s in half), flush=True)
good = (b"GET /api/v1/top?n=5&by=bytes HTTP/1.1\r\nHost: x\r\n"
        b"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n")
sent = 0
for i in range(1000):                       # garbled
    t = bytearray(good)
    for _ in range(rnd.randrange(1, 12)):
        k = rnd.randrange(4)
        at = rnd.randrange(len(t))
        if k == 0: t[at] = rnd.randrange(256)
        elif k == 1: del t[at:at + rnd.randrange(8)]
        elif k == 2: t[at:at] = bytes(rnd.randrange(256) for _ in range(9))
        else: t[at:at] = t[:rnd.randrange(len(t))]
        if not t: t = bytearray(b"x")
    try:
        s = conn()
        s.settimeout(0.2)
        s.sendall(bytes(t[:60000]))
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536): pass
        s.close()
    except OSError:
        pass
    sent += 1
for n in (100, 100000):                     # a header without end
    try:
        s = conn()
        s.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(n): s.sendall(b"X-Header: " + b"y" * 80 + b"\r\n")
    except OSError:
        pass
print("garbled", sent, flush=True)
time.sleep(60)
X
bad=$!
for s in 1 2 3; do
	far "$gen" -i g0 -n 100000 -a "$work/hosts" -L 1514 -s $s \
		-e "$work/rx$s" 2>/dev/null
	check 200 $page/metrics
done
wait_for 120 grep -q garbled "$work/bad" || give_up "the clients got stuck: $(cat "$work/bad")"
grep -q 'half 5' "$work/bad" || fail "half-closed clients: $(cat "$work/bad")"
wait_for 20 get $page/metrics || give_up "not served any more"
[ "$(pgrep -P $daemon)" = "$meter" ] || give_up "the meter ended"
sum "$work"/rx[123] | awk '$1 == "seen" { print $2, $3, $4 }' >"$work/sent"
counted() {
	get $page/api/v1/status |
		jq -r '.books.receive.seen | "\(.packets) \(.ip_bytes) \(.wire_bytes)"' >"$work/got"
	cmp -s "$work/got" "$work/sent"
}
wait_for 10 counted || fail "counted $(cat "$work/got"), sent $(cat "$work/sent")"
echo "note: 1,000 garbled requests and 15 held connections: served on, 300,000 packets exact"

# ---------------------------------------------- idle ones cost nothing, and go
t0=$(ticks)
sleep 3
busy=$(($(ticks) - t0))
[ $busy -lt 150 ] || fail "idle connections keep the meter busy: $busy ticks in 3 s"
wait_for 40 sh -c "[ \$(find /proc/$meter/fd -mindepth 1 | wc -l) -le $((before + 2)) ]" ||
	fail "descriptors stay: $before before, $(fds) now"
kill $bad 2>/dev/null || true

# ---------------------------------------------------- more than there is room
python3 - 127.0.0.1 9590 <<'X' &
import socket, sys, time
held = []
for _ in range(900):
    try: held.append(socket.create_connection((sys.argv[1], int(sys.argv[2])), 2))
    except OSError: pass
time.sleep(4)
X
crowd=$!
sleep 1
"$B/asmeter" -j version >/dev/null || fail "the socket is closed, too"
get --unix-socket $sock http://x/api/v1/status >/dev/null ||
	fail "a crowd on the port keeps the command line out"
[ "$(fds)" -le $((before + 530)) ] || fail "no limit: $(fds) descriptors"
wait $crowd || true
wait_for 20 get $page/-/healthy || fail "not served after the crowd has gone"
[ "$(rss)" -lt $((rss0 + 60000)) ] || fail "memory: $rss0 kB before, $(rss) kB now"
echo "note: descriptors $before to $(fds), memory $rss0 to $(rss) kB, idle: $busy ticks in 3 s"
kill -TERM $daemon
wait $daemon || fail "asmeterd: exit code $?"
