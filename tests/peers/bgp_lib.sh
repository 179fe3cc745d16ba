# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# For the tests against real BGP speakers, to be sourced: two network
# namespaces, ours (the current one) and the speaker's ("d"), a veth between
# them, and bgp_sink on our side with its commands.
#
#   we: 10.0.0.1, fd00::1      the speaker: 10.0.0.2, fd00::2
#
# One session over IPv4 (iBGP, AS 64512, both sides) and one over IPv6 (eBGP:
# we are AS 64999), each for both families. See tests/isolate.sh: all of it is
# in namespaces of its own that end with the test.
set -eu
B=${B:-build}
dir=$(mktemp -d /run/bgp-test.XXXXXX)
sink_pid='' sink_in='' sink_out=''

fail() {
	echo "FAIL: $*"
	[ -z "$sink_pid" ] || { ask peer 10.0.0.2; ask peer fd00::2; } || true
	echo '--- bgp_sink'
	tail -n 30 "$dir/sink.log" 2>/dev/null || true
	for f in "$dir"/*.log; do
		case $f in */sink.log) continue ;; esac
		echo "--- $f"
		tail -n 30 "$f"
	done
	exit 1
}

net_up() {
	ip netns add d
	ip link add asm0 type veth peer name asm0 netns d
	ip addr add 10.0.0.1/24 dev asm0
	ip addr add fd00::1/64 dev asm0 nodad
	ip link set asm0 up
	ip -n d addr add 10.0.0.2/24 dev asm0
	ip -n d addr add fd00::2/64 dev asm0 nodad
	ip -n d link set asm0 up
	ip -n d link set lo up
}

# sink_start ARGUMENTS...
sink_start() {
	mkfifo "$dir/in" "$dir/out"
	"$B/tests/peers/bgp_sink" "$@" <"$dir/in" >"$dir/out" \
		2>"$dir/sink.log" &
	sink_pid=$!
	exec {sink_in}>"$dir/in" {sink_out}<"$dir/out"
}

# ask COMMAND...: prints the answer
ask() {
	local line text=
	echo "$*" >&"$sink_in"
	# All of it is read before any is printed, or a reader that stops
	# early would leave the rest to the next command.
	while read -r -t 30 -u "$sink_out" line; do
		if [ "$line" = . ]; then
			printf %s "$text"
			return 0
		fi
		text+=$line$'\n'
	done
	echo "bgp_sink does not answer" >&2
	return 1
}

# field ADDR KEY: a value of "peer"
field() {
	ask peer "$1" | head -n 1 | tr ' ' '\n' | sed -n "s/^$2=//p"
}

# until_true SECONDS COMMAND...: the limit is when to give up, no measure
until_true() {
	local limit=$((SECONDS + $1))
	shift
	while ! "$@"; do
		[ $SECONDS -lt $limit ] || return 1
		sleep 0.1
	done
}

field_is() { [ "$(field "$1" "$2")" = "$3" ]; }
field_over() { [ "$(field "$1" "$2")" -gt "$3" ]; }
# answers ADDR TEXT: the lookup begins with the text
answers() {
	local got
	got=$(ask lookup "$1")
	case $got in "$2"*) return 0 ;; *) return 1 ;; esac
}

wait_field() { # SECONDS ADDR KEY VALUE
	until_true "$1" field_is "$2" "$3" "$4" ||
		fail "$2: $3 is $(field "$2" "$3"), expected $4"
}

wait_answer() { # SECONDS ADDR TEXT
	until_true "$1" answers "$2" "$3" ||
		fail "lookup $2: '$(ask lookup "$2")', expected '$3…'"
}

expect() { # ADDR TEXT
	answers "$1" "$2" ||
		fail "lookup $1: '$(ask lookup "$1")', expected '$2…'"
}

# What every speaker announces over both sessions, once all has arrived.
expect_table() {
	wait_field 90 10.0.0.2 state established
	wait_field 90 fd00::2 state established
	for peer in 10.0.0.2 fd00::2; do
		wait_field 60 $peer eor4 1
		wait_field 60 $peer eor6 1
		wait_field 60 $peer paths4 4
		wait_field 60 $peer paths6 3
	done
	expect_lookups
}

# iBGP wins over eBGP only by its shorter path: the origin is the same but for
# own prefixes, whose empty path is shorter than "64512".
expect_lookups() {
	expect 203.0.113.9 "203.0.113.0/24 64512 local via bgp 10.0.0.2"
	expect 198.51.100.9 "198.51.100.0/24 65020"
	expect 192.88.99.9 "192.88.99.0/24 4200000001"
	expect 100.64.1.1 "100.64.0.0/10 65030"
	expect 192.0.2.1 none
	expect 2001:db8:1::9 "2001:db8:1::/48 64512 local via bgp 10.0.0.2"
	expect 2001:db8:2::9 "2001:db8:2::/48 65020"
	expect 2001:db8:3::9 "2001:db8:3::/48 4200000001"
}

# The link goes without a FIN: hold time, stale routes, then none; and back.
vanish_and_return() {
	local flaps4 flaps6
	[ "$(ask stale 4)" = 0 ] || fail "the stale time cannot be changed"
	flaps4=$(field 10.0.0.2 hold_expired)
	flaps6=$(field fd00::2 hold_expired)
	ip link set asm0 down
	ip -n d link set asm0 down
	until_true 30 field_over 10.0.0.2 hold_expired "$flaps4" ||
		fail "10.0.0.2: the hold timer did not end the session"
	until_true 30 field_over fd00::2 hold_expired "$flaps6" ||
		fail "fd00::2: the hold timer did not end the session"
	expect 198.51.100.9 "198.51.100.0/24 65020 stale"
	wait_field 60 10.0.0.2 paths4 0
	wait_field 60 fd00::2 paths6 0
	expect 198.51.100.9 none
	ip link set asm0 up
	ip -n d link set asm0 up
	ip addr replace fd00::1/64 dev asm0 nodad
	ip -n d addr replace fd00::2/64 dev asm0 nodad
	expect_table
}

# Everything once more (RFC 2918).
refresh_flow() {
	local n
	n=$(field 10.0.0.2 announced)
	[ "$(ask refresh 10.0.0.2)" = 0 ] || fail "no route refresh"
	until_true 20 field_over 10.0.0.2 announced $((n + 6)) ||
		fail "route refresh brought nothing"
	expect_lookups
}

# The same speaker and the daemon itself, after finish(): its keeper opens the
# port, its meter, without a capability, speaks. iBGP only: the daemon has one
# AS. $1: more of the neighbour's configuration, "password: x" and the like.
daemon_flow() {
	local keeper got
	getent group asmeter >/dev/null || groupadd --system asmeter
	id asmeter >/dev/null 2>&1 ||
		useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
	cat >/etc/asmeter/asmeter.yaml <<-END
		local-as: 64512
		interfaces: [asm0]
		bgp:
		  router-id: 10.0.0.1
		  listen: ["10.0.0.1:179"]
		  neighbors:
		    - {address: 10.0.0.2, remote-as: 64512, description: real, $1}
	END
	"$B/asmeterd" >"$dir/asmeterd.log" 2>&1 &
	keeper=$!
	api() {
		curl -sf --unix-socket /run/asmeter/asmeter.sock \
			"http://x/api/v1/$1"
	}
	session_is() {
		got=$(api peers | jq -r '.peers[0] | .state' 2>&1)
		[ "$got" = "$1" ]
	}
	table_says() { # ADDR "PREFIX AS in the table"
		got=$(api "lookup?addr=$1" |
			jq -r '"\(.prefix) \(.table_as) \(.source)"' 2>&1)
		[ "$got" = "$2" ]
	}
	until_true 90 session_is established || fail "asmeterd: $got"
	while read -r addr want; do
		until_true 60 table_says "$addr" "$want" ||
			fail "asmeterd: $addr is '$got', expected '$want'"
	done <<-END
		203.0.113.9 203.0.113.0/24 64512 bgp 10.0.0.2
		198.51.100.9 198.51.100.0/24 65020 bgp 10.0.0.2
		192.88.99.9 192.88.99.0/24 4200000001 bgp 10.0.0.2
		2001:db8:1::9 2001:db8:1::/48 64512 bgp 10.0.0.2
		2001:db8:3::9 2001:db8:3::/48 4200000001 bgp 10.0.0.2
	END
	speaker_withdraw
	until_true 20 table_says 198.51.100.9 'null null null' ||
		fail "asmeterd: withdrawn, but $got"
	kill "$keeper"
	wait "$keeper" || fail "asmeterd ended with $?"
	echo ok
}

# The whole sequence; the test defines what differs between speakers:
#   speaker_start             from its configuration, in namespace d
#   speaker_kill              kill -9
#   speaker_withdraw          198.51.100.0/24, and speaker_announce it again
#   speaker_shutdown          the iBGP session, with a message if it can
#   speaker_enable            … and again
# $1: a pattern for what is then shown of the shutdown. $2: what to do instead
# of refresh_flow.
run_flow() {
	expect_table
	speaker_withdraw
	wait_answer 20 198.51.100.9 none
	speaker_announce
	wait_answer 20 198.51.100.9 "198.51.100.0/24 65020"
	[ "$(field 10.0.0.2 flaps)" = 0 ] || fail "the session flapped"

	"${2:-refresh_flow}"

	# Killed and started again: the table answers all the time.
	speaker_kill 2>/dev/null
	wait_field 20 10.0.0.2 flaps 1
	wait_field 20 fd00::2 flaps 1
	expect 198.51.100.9 "198.51.100.0/24 65020 stale"
	expect 203.0.113.9 "203.0.113.0/24 64512 local stale"
	speaker_start
	expect_table
	[ "$(field 10.0.0.2 stale_expired)" = 0 ] ||
		fail "the stale timer took routes"

	speaker_shutdown
	until_true 20 field_is 10.0.0.2 flaps 2 || fail "no shutdown seen"
	ask peer 10.0.0.2 | grep -q "^last_in: $1" ||
		fail "the reason of the shutdown is not shown"
	speaker_enable
	expect_table

	vanish_and_return
}

finish() {
	echo quit >&"$sink_in"
	wait "$sink_pid" || fail "bgp_sink ended with $?"
	sink_pid=
	echo ok
}
