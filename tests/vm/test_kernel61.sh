#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian 12's own kernel 6.1, the oldest that is supported: its verifier takes
# the programs, they attach (native XDP on veth; clsact, for there is no TCX),
# and every packet is counted as the sender says. The program tests run there
# as well.
. tests/vm/lib.sh
vm_init
vm_module veth sch_ingress cls_bpf
for t in test_packet test_count; do
	vm_add "$B/tests/bpf/$t" "/$t"
done
vm_add "$B/tests/net/gen" /build/tests/net/gen
vm_add "$B/tests/net/meterctl" /build/tests/net/meterctl
mkdir -p "$root/tests/net"
cp tests/net/lib.sh "$root/tests/net/"
cat >"$root/guest.sh" <<'END'
set -eu
/test_packet --jobs 1
/test_count --jobs 1
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
$ctl detach r0
$ctl unpin
END
t0=$SECONDS
vm_run 400
echo "note: booted, tested and off in $((SECONDS - t0)) s"
