#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The life of an attachment: counting goes on when the loader is killed, a
# restart adopts the links without an event on the interface, what is in the
# way is named, and detach leaves nothing.
. tests/net/lib.sh
rig 1500
addresses 10
pins=/sys/fs/bpf/asmeter

refused() { # refused PATTERN COMMAND...: fails, and says so in one line
	local pattern=$1 out
	shift
	if out=$("$@" 2>&1); then fail "not refused: $*"; fi
	grep -q "$pattern" <<<"$out" || fail "$*: not explained: $out"
	[ "$(wc -l <<<"$out")" = 1 ] || fail "$*: more than one line: $out"
}
seen() { $ctl drain "$1" rx | awk '$1 == "seen" { print $2 }'; }
send() { far "$gen" -i g0 -n "$1" -a "$work/hosts" -m packet 2>/dev/null >/dev/null; }
clean() { # nothing of ours is left on r0
	[ -z "$(ls $pins/links 2>/dev/null)" ] || fail "$1: pins are left"
	ip -d link show r0 | grep -q 'prog/xdp' && fail "$1: XDP is left"
	tc qdisc show dev r0 | grep -q clsact && fail "$1: the qdisc is left"
	bpftool link show | grep -q "ifindex $(cat /sys/class/net/r0/ifindex)" &&
		fail "$1: a link is left"
	return 0
}

# --- nothing loaded, bad names
refused 'nothing is loaded' $ctl attach r0
$ctl load >/dev/null
refused 'no interface "r00", did you mean "r0"' $ctl attach r00
clean "unknown interface"

# --- the loader dies at once; the programs count
$ctl attach r0 native >/dev/null
ids() { bpftool -j link show pinned $pins/links/r0-xdp | sed 's/.*"id":\([0-9]*\).*/\1/'; }
first=$(ids)
$ctl check 30 >/dev/null &
victim=$!
send 1000
kill -9 $victim
wait $victim 2>/dev/null || true
send 1000
[ "$(seen r0)" = 2000 ] || fail "counted $(seen r0) of 2000 around kill -9"

# --- restart: new programs behind the same links, no event
ip monitor link >"$work/events" 2>&1 &
monitor=$!
sleep 0.3
before=$(bpftool -j prog show pinned $pins/progs/xdp_meter)
[ "$($ctl load)" = adopted ] || fail "the maps were not adopted"
[ "$(bpftool -j prog show pinned $pins/progs/xdp_meter)" != "$before" ] ||
	fail "no new program was loaded"
$ctl attach r0 >/dev/null
send 1000
[ "$(ids)" = "$first" ] || fail "the link was made anew"
[ "$(seen r0)" = 3000 ] || fail "counted $(seen r0) of 3000 after restart"
ip link set r0 alias canary # an event that must show
sleep 0.3
kill $monitor
[ "$(grep -c 'r0' "$work/events")" = 1 ] ||
	fail "the restart made an event: $(cat "$work/events")"

# --- the MTU can be raised while attached, and large frames count
ip link set r0 mtu 9000
far ip link set g0 mtu 9000
far "$gen" -i g0 -n 500 -a "$work/hosts" -l 8000 -L 9014 -m packet \
	>"$work/sent" 2>/dev/null
[ "$(seen r0)" = 3500 ] || fail "jumbo frames were not counted"

# --- other sizes than those of what is pinned: the counts move (test_upgrade)
[ "$($ctl load 4096)" = adopted ] || fail "other sizes: not adopted"
[ "$(seen r0)" = 3500 ] || fail "other sizes: counted $(seen r0) of 3500"

# --- modes by name, each leaves nothing of the one before
for m in generic:generic tc:tcx clsact:clsact native:native; do
	$ctl attach r0 ${m%:*} | grep -q "in ${m#*:} " || fail "mode $m"
	n=$(seen r0)
	send 100
	[ "$(seen r0)" = $((n + 100)) ] || fail "mode $m does not count"
done
tc qdisc show dev r0 | grep -q clsact || fail "clsact should be there still"

# --- a mode that cannot be leaves the old one (the loopback has no native XDP)
$ctl attach lo tc >/dev/null
refused 'lo: native XDP: Operation not supported' "$ctl" attach lo native
$ctl list | grep -q 'lo slot .* in tcx out tcx' || fail "lo is not metered now"
$ctl detach lo

# --- detach
$ctl detach r0
clean "detach"
refused 'r0 is not attached' $ctl detach r0
[ "$(seen r0)" = 3900 ] || fail "detach lost the counts"

# --- somebody else's clsact and filter survive, before and after
sent() { $ctl drain r0 tx | awk '$1 == "seen" { print $2 }'; }
theirs=(bpf direct-action object "$B/tests/net/gen.bpf.o" section tc)
tc qdisc add dev r0 clsact
tc filter add dev r0 egress prio 1 "${theirs[@]}"
for m in clsact tc; do
	$ctl attach r0 native $m >/dev/null
	n=$(sent)
	"$gen" -i r0 -n 100 -a "$work/hosts" -m packet >/dev/null 2>&1
	[ "$(sent)" = $((n + 100)) ] || fail "$m: behind a filter that accepts"
	$ctl detach r0
done
tc filter show dev r0 egress | grep -q gen_accept || fail "their filter is gone"
tc filter show dev r0 egress | grep -q tc_egress && fail "our filter is left"
tc qdisc del dev r0 clsact
$ctl attach r0 native clsact >/dev/null
tc filter add dev r0 ingress prio 9 "${theirs[@]}"
$ctl detach r0
tc qdisc show dev r0 | grep -q clsact || fail "the qdisc had their filter"
tc qdisc del dev r0 clsact

# --- somebody else's XDP program is named and left alone
far ip link set g0 mtu 1500 # theirs has no frags
ip link set dev r0 xdpdrv object "$B/tests/net/gen.bpf.o" section xdp
refused 'r0: the XDP program "gen_send" (id [0-9]*) is there already' \
	$ctl attach r0
ip -d link show r0 | grep -q 'prog/xdp' || fail "their program was removed"
[ -z "$(ls $pins/links)" ] || fail "refused, but something is attached"
ip link set dev r0 xdpdrv off
clean "busy"

# --- the interface goes away, and another of the name comes
$ctl attach r0 >/dev/null
ip link del r0
$ctl list | grep -q 'r0 slot .* (dead)' || fail "gone, but not shown as dead"
ip link add r0 type veth peer name g0 netns far
ip link set r0 up
far ip link set g0 up
$ctl attach r0 | grep -q 'in native out tcx' || fail "not attached again"
[ "$($ctl list | wc -l)" = 1 ] || fail "the old one is still listed"
send 100
[ "$(seen r0)" = 100 ] || fail "the new interface does not count"
ip link del r0
$ctl detach r0

# --- another of the name comes, and detach is told before attach
for how in "detach r0" "detach --all"; do
	again() {
		ip link add r0 type veth peer name g0 netns far
		ip link set r0 up
		far ip link set g0 up
	}
	again
	$ctl attach r0 >/dev/null
	ip link del r0
	again
	# shellcheck disable=SC2086
	"$B/asmeter" $how >/dev/null || fail "$how after the interface was made anew"
	[ -z "$($ctl list 2>/dev/null)" ] || fail "$how: still listed: $($ctl list)"
	clean "$how"
	ip link del r0
done
[ ! -e $pins ] || fail "detach --all left $(ls -R $pins)"
$ctl load >/dev/null

# --- names that the BPF file system does not take as they are, and one that
# --- was renamed while attached, whose old name has come again
for how in auto tc; do
	ip link add r0.100 type veth peer name g0 netns far
	ip link set r0.100 up
	far ip link set g0 up
	$ctl attach r0.100 $how >/dev/null
	$ctl attach r0.100 $how >/dev/null
	ip link set r0.100 name moved
	ip link add r0.100 type veth peer name g1 netns far
	$ctl attach r0.100 $how >/dev/null
	[ "$($ctl list | wc -l)" = 2 ] || fail "both: $($ctl list)"
	$ctl detach moved
	$ctl detach r0.100
	[ -z "$(ls $pins/links)" ] || fail "r0.100: pins are left: $(ls $pins/links)"
	ip link del moved
	ip link del r0.100
done

# --- with the three capabilities everything works; without one of them the
# --- missing one is named
$ctl unpin
with() { setpriv --bounding-set="-all,$1" --inh-caps=-all "${@:2}"; }
ip link add r0 type veth peer name g0 netns far
ip link set r0 up
three=+bpf,+net_admin,+perfmon
with $three "$ctl" load >/dev/null
with $three "$ctl" attach r0 native tc >/dev/null
with $three "$ctl" attach r0 native clsact >/dev/null
with $three "$ctl" detach r0
clean "three capabilities"
$ctl unpin
refused 'missing CAP_BPF:' with +net_admin,+perfmon "$ctl" load
refused 'missing CAP_NET_ADMIN:' with +bpf,+perfmon "$ctl" load
refused 'missing CAP_PERFMON:' with +bpf,+net_admin "$ctl" load
$ctl load >/dev/null

$ctl unpin
[ ! -e $pins ] || fail "unpin left $(ls -R $pins)"
