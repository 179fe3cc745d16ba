#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# After the power was cut: the configuration is whole, the service is back by
# itself and counts on both cards; then it is removed. The same again with the
# Debian package.
. tests/vm/guest/lib.sh
. tests/vm/guest/remove.sh
wait_for 90 systemctl is-system-running --wait ||
	fail "the system is $(systemctl is-system-running): $(systemctl --failed)"

came_back() {
	local i d
	wait_for 90 is_up || fail "not back after a power failure: $(unit_state)"
	sha256sum --quiet -c /root/conf.sum || fail "the configuration"
	# no neighbour, and no time for one
	looked_up 198.18.0.1 64999 || fail "not the table of the snapshot"
	looked_up 20.0.0.1 1000 || fail "the overrides are not in the table"
	note "back after a power failure: $(unit_state), table of the snapshot"
	v=$(card virtio_net) e=$(card e1000)
	[ "$(asmeter -j interfaces | jq -r "[.interfaces[] | select(.present) | .name] | sort | join(\" \")")" = \
		"$(printf '%s\n' "$v" "$e" | sort | paste -sd' ')" ] ||
		fail "not metered: $(asmeter interfaces)"
	for i in "$v" "$e"; do
		echo 1 >"/proc/sys/net/ipv6/conf/$i/disable_ipv6"
		ip link set "$i" up promisc on
	done
	wait_for 20 grep -q 1 "/sys/class/net/$e/carrier" || fail "$e: no carrier"
	addresses 50
	card_send "$v" "$e" 1
	cp "$work/sent" "$work/sent.$v"
	card_send "$e" "$v" 2
	cp "$work/sent" "$work/sent.$e"
	systemctl stop asmeterd
	wait_for 20 all_arrived "$e" && wait_for 20 all_arrived "$v" ||
		fail "the meter has not seen what was sent"
	for d in "$v $e" "$e $v"; do
		# shellcheck disable=SC2086
		set -- $d
		counted "$1" tx >"$work/counted"
		same "$work/sent.$1" "$work/counted" "$1 tx"
		counted "$2" rx >"$work/counted"
		same "$work/sent.$1" "$work/counted" "$2 rx"
	done
	note "both cards after it: $((2 * card_sends)) packets, difference 0"
	[ "$SOAK" = 0 ] || systemctl start asmeterd || fail start
}

came_back
if [ "$SOAK" = 1 ]; then
	scripts/install.sh --uninstall >"$work/out" 2>&1 ||
		fail "uninstall: $(cat "$work/out")"
	kept "uninstall"
	sha256sum --quiet -c /root/conf.sum || fail "uninstall: the configuration"
fi
scripts/install.sh --uninstall --purge >"$work/out" 2>&1 ||
	fail "purge: $(cat "$work/out")"
nothing_left "uninstall --purge"
[ "$SOAK" = 0 ] || . tests/vm/guest/package.sh
