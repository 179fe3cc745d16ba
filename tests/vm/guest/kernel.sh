# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# The programs on this kernel: its verifier takes them, they attach where the
# ladder says, and every packet is counted as the sender says.

# --- the whole of tests/bpf. A load takes seconds here, so that the short form
# has of each what the kernel could spoil, and not what test_kernel61 has.
bpf_tests() {
	local t few filter
	for t in "$B"/tests/bpf/test_*; do
		t=${t##*/test_} few='' filter=()
		case $t in
		packet) few='every_combination|multi_buffer|gso' ;;
		count) few='thousands_of_pairs|banks' ;;
		*) [ "$SOAK" = 1 ] || continue ;;
		esac
		[ "$SOAK" = 1 ] || filter=(--filter "*/@($few)")
		"$B/tests/bpf/test_$t" --jobs 1 "${filter[@]}" >"$work/out" 2>&1 ||
			fail "test_$t: $(tail -n 30 "$work/out")"
		note "tests/bpf/test_$t: $(sed -n 's/.*Synthesis: //p' "$work/out")"
	done
}

# --- every frame of the generator, native XDP on veth
exact() {
	rig
	addresses 200
	$ctl load >/dev/null
	$ctl table "$work/prefixes"
	$ctl attach r0 >"$work/modes"
	grep -q "in native out $(tc_mode)" "$work/modes" ||
		fail "r0: $(cat "$work/modes")"
	far "$gen" -i g0 -n 30000 -a "$work/hosts" -L 3000 -s 1 -m packet -e "$work/rx1"
	far "$gen" -i g0 -n 20000 -a "$work/hosts" -L 9014 -s 2 -m packet \
		-e "$work/rx2"
	"$gen" -i r0 -n 30000 -a "$work/hosts" -L 9014 -s 3 -m packet -e "$work/tx1"
	$ctl check 1 >/dev/null
	for d in rx tx; do
		sum "$work/$d"? >"$work/sent"
		counted r0 $d >"$work/counted"
		same "$work/sent" "$work/counted" "$d"
		note "native XDP, $d: $(awk '$1 == "seen" { print $2 }' \
			"$work/sent") packets, difference 0"
	done
	samples
	$ctl detach r0
	$ctl unpin
	ip link del r0
	ip netns del far
}

# a sample of each packet, both ways; held against what passed the interface
# by its own counters: what a queue cannot hold here is the rig's loss
samples() {
	local reader before n
	mkfifo "$work/end"
	"$B/tests/net/samplectl" r0 1 <"$work/end" >"$work/samples" &
	reader=$!
	exec 7>"$work/end"
	wait_for 30 grep -q ready "$work/samples" || fail "samplectl is not ready"
	before=$(passed)
	far "$gen" -i g0 -n 2000 -a "$work/hosts" -p -m packet
	"$gen" -i r0 -n 2000 -a "$work/hosts" -p -m packet
	settle
	n=$(($(passed) - before))
	exec 7>&-
	wait $reader
	awk -v n="$n" '$1 == "taken" { ok = n > 200 && $2 == n && $4 + $6 == n &&
		$4 && !$8 } END { exit !ok }' "$work/samples" ||
		fail "samples: $n passed: $(cat "$work/samples")"
	note "samples: $n passed, $(tail -n 1 "$work/samples")"
}
passed() { cat /sys/class/net/r0/statistics/[rt]x_packets | awk '{ n += $1 } END { print n }'; }

# --- network cards on one wire: one whose driver has XDP, one whose has not
cards() {
	local v e i
	v=$(card virtio_net) e=$(card e1000)
	$ctl load >/dev/null
	$ctl table "$work/prefixes"
	for i in "$v" "$e"; do
		echo 1 >"/proc/sys/net/ipv6/conf/$i/disable_ipv6"
		ip link set "$i" up promisc on
	done
	wait_for 20 grep -q 1 "/sys/class/net/$e/carrier" || fail "$e: no carrier"
	$ctl attach "$v" >"$work/modes" 2>/dev/null
	grep -q "in native out $(tc_mode)" "$work/modes" ||
		fail "virtio: $(cat "$work/modes")"
	note "virtio_net: $(cat "$work/modes")"
	$ctl attach "$e" >"$work/modes" 2>"$work/why"
	grep -q "in $(tc_mode) out $(tc_mode)" "$work/modes" ||
		fail "e1000: $(cat "$work/modes" "$work/why")"
	note "e1000: $(cat "$work/modes")"
	grep -q native "$work/why" || fail "e1000: does not say why not XDP"
	cards_send "$v" "$e" 1
	cards_send "$e" "$v" 2
	$ctl detach "$v"
	$ctl detach "$e"
	for i in "$v" "$e"; do
		! tc qdisc show dev "$i" | grep -q clsact || fail "$i: clsact is left"
		! ip -d link show "$i" | grep -q prog/xdp || fail "$i: XDP is left"
		ip link set "$i" promisc off down
	done
	$ctl unpin
}

# cards_send FROM TO SEED
cards_send() {
	card_send "$@"
	counted "$1" tx >"$work/counted"
	same "$work/sent" "$work/counted" "$1 tx"
	wait_for 20 all_arrived "$2" || fail "$1 to $2: $(counted "$2" rx | grep seen)"
	counted "$2" rx >"$work/counted"
	same "$work/sent" "$work/counted" "$2 rx"
	note "$1 to $2: $card_sends packets sent and received, difference 0"
}

# what runs in one boot of test_kernel61 for the oldest kernel
[ "$SOAK$(tc_mode)" = 0clsact ] || bpf_tests
[ "$SOAK" = 0 ] || exact
[ "$SOAK" = 0 ] || cards
# what travels beside a packet, and what one large packet stands for
[ "$SOAK" = 0 ] || (
	OFFLOAD_VLAN=1 OFFLOAD_BYTES=3M OFFLOAD_PACKETS=3500
	. tests/net/offload.sh
)
