#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian 12's own kernel 6.1, the oldest that is supported: its verifier takes
# the programs, they attach (native XDP on veth; clsact, for there is no TCX),
# and every packet is counted as the sender says. The program tests run there
# as well, and the stack's large packets with VLAN tags beside them.
. tests/vm/lib.sh
vm_init
vm_module veth sch_ingress cls_bpf llc stp garp mrp 8021q
vm_module failover net_failover virtio_ring virtio virtio_pci_legacy_dev \
	virtio_pci_modern_dev virtio_pci virtio_net e1000
for t in test_packet test_count; do
	vm_add "$B/tests/bpf/$t" "/$t"
done
vm_add "$B/tests/net/gen" /build/tests/net/gen
vm_add "$B/tests/net/meterctl" /build/tests/net/meterctl
vm_add "$B/tests/net/samplectl" /build/tests/net/samplectl
mkdir -p "$root/tests/net"
cp tests/net/lib.sh tests/net/offload.sh "$root/tests/net/"
for p in iperf3 tc ethtool nsenter; do
	vm_add "$(command -v $p)" /bin/$p
done
cat >"$root/guest.sh" <<'END'
set -eu
# loading takes most of the time here: those that need the kernel's help
/test_packet --jobs 1 \
	--filter '*/@(every_combination|multi_buffer|jumbograms|gso|twin_agrees)'
/test_count --jobs 1 --filter '*/@(thousands_of_pairs|rows_run_out|banks)'
. /tests/net/lib.sh
rig
addresses 200
$ctl load
$ctl table "$work/prefixes"
$ctl attach r0 | tee "$work/modes"
grep -q 'in native out clsact' "$work/modes" || fail "not native and clsact"
far "$gen" -i g0 -n 30000 -a "$work/hosts" -L 3000 -s 1 -m packet -e "$work/rx1"
far "$gen" -i g0 -n 20000 -a "$work/hosts" -L 9014 -s 2 -m packet \
	-e "$work/rx2"
"$gen" -i r0 -n 30000 -a "$work/hosts" -L 9014 -s 3 -m packet -e "$work/tx1"
$ctl check 1
for d in rx tx; do
	sum "$work/$d"? >"$work/sent"
	$ctl drain r0 $d | sort >"$work/counted"
	same "$work/sent" "$work/counted" "$d"
	echo "note: $(uname -r), $d: $(awk '$1 == "seen" { print $2 }' \
		"$work/sent") packets, difference 0"
done
# samples of each packet, both ways, by filters on clsact
mkfifo /run/end
/build/tests/net/samplectl r0 1 </run/end >"$work/samples" &
exec 7>/run/end
until grep -q ready "$work/samples"; do sleep 0.1; done
# what a queue cannot hold here is the rig's loss: the interface's own counters
# say what passed
passed() { cat /sys/class/net/r0/statistics/[rt]x_packets | awk '{ n += $1 } END { print n }'; }
before=$(passed)
far "$gen" -i g0 -n 2000 -a "$work/hosts" -p -m packet || true
"$gen" -i r0 -n 2000 -a "$work/hosts" -p -m packet || true
settle
exec 7>&-
wait
awk -v n=$(($(passed) - before)) '$1 == "taken" { ok = n > 200 && $2 == n &&
	$4 + $6 == n && $4 && !$8 } END { exit !ok }' "$work/samples" ||
	fail "$(($(passed) - before)) passed: $(cat "$work/samples")"
echo "note: $(uname -r), samples: $(tail -n 1 "$work/samples")"
$ctl detach r0
$ctl unpin
ip link del r0
ip netns del far

# network cards: one whose driver has XDP, one whose driver has not
driver() { basename "$(readlink "/sys/class/net/$1/device/driver")"; }
cards=0
$ctl load 64
for i in /sys/class/net/*; do
	i=${i##*/}
	[ -e "/sys/class/net/$i/device" ] || continue
	ip link set "$i" up
	$ctl attach "$i" >"$work/modes" 2>/dev/null
	case $(driver "$i") in
	virtio_net) want='in native out clsact' ;;
	e1000) want='in clsact out clsact' ;;
	*) continue ;;
	esac
	grep -q "$want" "$work/modes" || fail "$i: $(cat "$work/modes")"
	echo "note: $(uname -r), $(driver "$i"): $want"
	"$gen" -i "$i" -n 500 -a "$work/hosts" -L 1500 -m packet -e "$work/card"
	$ctl drain "$i" tx | sort >"$work/counted"
	sum "$work/card" | grep -v ^pair >"$work/sent"
	grep -v ^pair "$work/counted" >"$work/books"
	grep ^seen "$work/sent" >"$work/a"
	grep ^seen "$work/books" >"$work/b"
	same "$work/a" "$work/b" "$i"
	$ctl detach "$i"
	cards=$((cards + 1))
done
[ $cards = 2 ] || fail "only $cards cards"
$ctl unpin

OFFLOAD_VLAN=1 OFFLOAD_BYTES=3M OFFLOAD_PACKETS=3500
. /tests/net/offload.sh
END
t0=$SECONDS
vm_run 400 -netdev user,id=n0,restrict=on -netdev user,id=n1,restrict=on \
	-device virtio-net-pci,netdev=n0,mq=on,vectors=10,romfile= \
	-device e1000,netdev=n1,romfile=
echo "note: booted, tested and off in $((SECONDS - t0)) s"
