#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# BIRD 2: iBGP with MD5 over IPv4 (it connects), eBGP over IPv6 (we connect),
# withdrawal, route refresh, graceful restart after kill -9, shutdown with a
# message, loss without a FIN.
# shellcheck disable=SC1091,SC2154 # "dir" and all functions come from there
. "$(dirname "$0")/bgp_lib.sh"

conf() { # PREFIXES...
	cat <<-END
	router id 10.0.0.2;
	protocol device { }
	protocol static s4 { ipv4; $(for p in "$@"; do
		case $p in *:*) ;; *) echo "route $p;" ;; esac; done) }
	protocol static s6 { ipv6; $(for p in "$@"; do
		case $p in *:*) echo "route $p;" ;; esac; done) }
	function origin_as() {
		case net.type {
		NET_IP4: {
			if net = 198.51.100.0/24 then {
				bgp_path.prepend(65020); bgp_path.prepend(65010); }
			if net = 192.88.99.0/24 then bgp_path.prepend(4200000001);
			if net = 100.64.0.0/10 then bgp_path.prepend(65030); }
		NET_IP6: {
			if net = 2001:db8:2::/48 then {
				bgp_path.prepend(65020); bgp_path.prepend(65010); }
			if net = 2001:db8:3::/48 then bgp_path.prepend(4200000001); }
		}
		return true;
	}
	template bgp feed {
		hold time 6;
		connect retry time 1;
		connect delay time 1;
		error wait time 1, 2;
		graceful restart on;
		ipv4 { import none; export where origin_as(); next hop self; };
		ipv6 { import none; export where origin_as(); next hop self; };
	}
	protocol bgp inside from feed {
		local 10.0.0.2 as 64512;
		neighbor 10.0.0.1 as 64512;
		password "correct horse";
	}
	protocol bgp outside from feed {
		local fd00::2 as 64512;
		neighbor fd00::1 as 64999;
		passive;
	}
	END
}

v4='203.0.113.0/24 198.51.100.0/24 192.88.99.0/24 100.64.0.0/10'
v6='2001:db8:1::/48 2001:db8:2::/48 2001:db8:3::/48'

bird_start() {
	ip netns exec d bird -c "$dir/bird.conf" -s "$dir/bird.ctl" \
		-P "$dir/bird.pid" -D "$dir/bird.log" "$@" ||
		fail "BIRD does not start"
}
bc() { ip netns exec d birdc -s "$dir/bird.ctl" "$@" >>"$dir/birdc.log"; }
write_conf() {
	local list=()
	for p in "$@"; do list+=("$p blackhole"); done
	conf "${list[@]}" >"$dir/bird.conf"
}

speaker_withdraw() {
	# shellcheck disable=SC2086 # a list of words
	write_conf 203.0.113.0/24 192.88.99.0/24 100.64.0.0/10 $v6
	bc configure
}

net_up
# shellcheck disable=SC2086 # lists of words
write_conf $v4 $v6
bird_start
sink_start -a 64512 -i 10.0.0.1 -l 10.0.0.1 -l ::1 \
	-p "10.0.0.2,as=64512,passive=1,md5=correct horse,stale=120" \
	-p "fd00::2,as=64512,local-as=64999,retry=1,stale=120"
expect_table
[ "$(field 10.0.0.2 hold)" = 6 ] || fail "hold time is not BIRD's"

# Withdrawn, and back.
speaker_withdraw
wait_answer 10 198.51.100.9 none
# shellcheck disable=SC2086
write_conf $v4 $v6
bc configure
wait_answer 10 198.51.100.9 "198.51.100.0/24 65020"
[ "$(field 10.0.0.2 flaps)" = 0 ] || fail "the session flapped"

# Route refresh: everything once more, nothing lost.
n=$(field 10.0.0.2 announced)
[ "$(ask refresh 10.0.0.2)" = 0 ] || fail "no route refresh"
until_true 10 field_over 10.0.0.2 announced $((n + 6)) ||
	fail "route refresh brought nothing"
expect_lookups

# Graceful restart: the routes answer all the time; one does not come back.
kill -9 "$(cat "$dir/bird.pid")"
wait_field 20 10.0.0.2 flaps 1
expect 198.51.100.9 "198.51.100.0/24 65020 stale"
expect 100.64.1.1 "100.64.0.0/10 65030 stale"
# shellcheck disable=SC2086
write_conf 203.0.113.0/24 198.51.100.0/24 192.88.99.0/24 $v6
bird_start -R
wait_field 30 10.0.0.2 eor4 1
wait_field 30 fd00::2 eor4 1
expect 198.51.100.9 "198.51.100.0/24 65020 via"
expect 100.64.1.1 none
[ "$(field 10.0.0.2 stale_swept)" = 1 ] || fail "nothing was swept"
[ "$(field 10.0.0.2 stale_expired)" = 0 ] || fail "the timer took routes"
# shellcheck disable=SC2086
write_conf $v4 $v6
bc configure
expect_table

# Shutdown with a message (RFC 8203).
bc disable inside '"back at noon"'
until_true 20 field_is 10.0.0.2 flaps 2 || fail "no shutdown seen"
ask peer 10.0.0.2 | grep -q \
	'^last_in: Cease/Administrative Shutdown: back at noon' ||
	fail "the shutdown message is not shown"
bc enable inside
expect_table

vanish_and_return

finish
daemon_flow "passive: true, password: correct horse"
