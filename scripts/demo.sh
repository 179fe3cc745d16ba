#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make demo: a border router in namespaces of its own, metered live.
#
#   provider (AS 64496) ---- eth0 [ router, AS 64512 ] eth1 ---- customer
#
# The provider announces the whole table of libloc's database by eBGP to BIRD
# in the router, which hands it to asmeter by iBGP. Traffic of thousands of
# ASes crosses the router in both directions, and some TCP. At the end the
# books: what the other end of the wire counted, what asmeter counted, what
# the interface counted.
#
#   DEMO_SECONDS=30   end by itself; exit 0 only when the books balance
#   DEMO_PPS=80000    packets per second in each direction
#   B=build           where the programs are
#
# Nothing is left behind: network, mounts and processes are private, and go.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
seconds=${DEMO_SECONDS:-0}
pps=${DEMO_PPS:-80000}

say() { printf '\n== %s\n' "$*"; }

# ------------------------------------------------------------------ outside

# Runs the demo in namespaces, and a relay that makes its metrics page
# reachable from the host. Ctrl-C and SIGTERM end both.
outside() {
	[ "$(id -u)" = 0 ] || {
		echo "make demo: needs root (BPF, network namespaces): sudo make demo" >&2
		exit 1
	}
	for f in asmeterd asmeter tests/net/bgpfeed tests/net/crowd; do
		[ -x "$B/$f" ] || {
			echo "make demo: $B/$f is not built" >&2
			exit 1
		}
	done
	local share inner rc=0
	share=$(mktemp -d /tmp/asmeter-demo.XXXXXX) # not in /run: see private_mounts
	trap 'rm -rf "$share"' EXIT
	DEMO_SHARE=$share unshare --net --mount --pid --fork --kill-child \
		--propagation private "$0" --inside <&0 &
	inner=$!
	trap 'stop_inner "$inner"' INT TERM HUP
	relay "$inner" "$share" &
	while :; do
		rc=0
		wait "$inner" || rc=$?
		kill -0 "$inner" 2>/dev/null || break
	done
	trap '' INT TERM HUP
	[ ! -s "$share/relay.pid" ] || kill "$(cat "$share/relay.pid")" 2>/dev/null || :
	wait
	rm -rf "$share"
	trap - EXIT
	return $rc
}

# The first process inside; unshare itself holds signals back.
stop_inner() {
	local child
	child=$(pgrep -P "$1") || return 0
	kill -TERM "$child" 2>/dev/null || :
}

relay() {
	local child=""
	while [ -z "$child" ]; do
		kill -0 "$1" 2>/dev/null || return 0
		child=$(pgrep -P "$1" || :)
		sleep 0.1
	done
	# not before it has left our namespace
	while [ "$(readlink "/proc/$child/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.1
	done
	echo "$BASHPID" >"$2/relay.pid"
	exec scripts/demo-relay.py 9590 "/proc/$child/ns/net" "$2/port" 2>/dev/null
}

# ------------------------------------------------------------------- inside

mac_provider=02:00:00:00:00:01
mac_eth0=02:00:00:00:00:02
mac_eth1=02:00:00:00:00:03
mac_customer=02:00:00:00:00:04
server4=193.0.6.139 # somebody's server out there, at the provider's end
server6=2001:67c:2e8:22::c100:68b

private_mounts() {
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t bpf bpf /sys/fs/bpf
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /run/netns /run/demo /run/asmeter /run/lib/new /run/lib/work
	# what the daemon keeps goes with the demo, and it sees nobody else's
	mount -t overlay overlay /var/lib \
		-o lowerdir=/var/lib,upperdir=/run/lib/new,workdir=/run/lib/work
	rm -rf /var/lib/asmeter
	install -d -o nobody /var/lib/asmeter
}

in_ns() {
	local ns=$1
	shift
	ip netns exec "$ns" "$@"
}

quiet_ip6() { # no router solicitations, no duplicate address detection
	sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.router_solicitations=0 \
		net.ipv6.conf.default.accept_ra=0
}

# NAMESPACE INTERFACE MAC ADDRESS4 ADDRESS6; - is the router itself
link_up() {
	local run=""
	[ "$1" = - ] || run="ip netns exec $1"
	# A wire carries no 64 kB packets: with the offloads off, an interface
	# counts what a real one would.
	$run ethtool -K "$2" tso off gso off gro off >/dev/null 2>&1 || :
	$run ip link set "$2" address "$3" up
	$run ip addr add "$4" dev "$2"
	$run ip addr add "$5" dev "$2" nodad
}

neighbour() { # NAMESPACE INTERFACE MAC ADDRESS...
	local run="" dev=$2 mac=$3
	[ "$1" = - ] || run="ip netns exec $1"
	shift 3
	for a in "$@"; do
		$run ip neigh replace "$a" lladdr "$mac" dev "$dev" nud permanent
	done
}

make_network() {
	ip link set lo up
	quiet_ip6
	for ns in provider customer; do
		ip netns add $ns
		in_ns $ns ip link set lo up
		in_ns $ns sysctl -qw net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0 \
			net.ipv6.conf.default.accept_ra=0
	done
	ip link add eth0 type veth peer name up0 netns provider
	ip link add eth1 type veth peer name lan0 netns customer
	link_up - eth0 $mac_eth0 198.51.100.2/30 2001:db8:ffff::2/64
	link_up provider up0 $mac_provider 198.51.100.1/30 2001:db8:ffff::1/64
	# counts what the provider sends, by the frame; the driver's own count of
	# bytes lacks the Ethernet header once XDP is on the other end
	ip netns exec provider tc qdisc add dev up0 root pfifo limit 1000
	link_up - eth1 $mac_eth1 203.0.113.1/24 2001:db8:c::1/48
	link_up customer lan0 $mac_customer 203.0.113.2/24 2001:db8:c::2/48
	neighbour - eth0 $mac_provider 198.51.100.1 2001:db8:ffff::1
	neighbour provider up0 $mac_eth0 198.51.100.2 2001:db8:ffff::2
	neighbour customer lan0 $mac_eth1 203.0.113.1 2001:db8:c::1
	neighbour - eth1 $mac_customer 203.0.113.2 2001:db8:c::2
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
		net.ipv4.conf.eth1.rp_filter=0 net.ipv4.icmp_ratelimit=0 \
		net.ipv4.conf.all.send_redirects=0
	ip route add default via 198.51.100.1
	ip -6 route add default via 2001:db8:ffff::1
	# the crowd's addresses all live behind the customer's router
	ip route add 203.0.113.128/25 via 203.0.113.2
	ip -6 route add 2001:db8:c:8000::/49 via 2001:db8:c::2
	in_ns customer ip route add default via 203.0.113.1
	in_ns customer ip -6 route add default via 2001:db8:c::1
	in_ns provider ip route add 203.0.113.0/24 via 198.51.100.2
	in_ns provider ip -6 route add 2001:db8:c::/48 via 2001:db8:ffff::2
	in_ns provider ip addr add $server4/32 dev lo
	in_ns provider ip addr add $server6/128 dev lo
}

write_configs() {
	cat >/run/demo/bird.conf <<-BIRD
		router id 198.51.100.2;
		log "/run/demo/bird.log" all;
		protocol device {}
		protocol static own4 { ipv4; route 203.0.113.0/24 blackhole; }
		protocol static own6 { ipv6; route 2001:db8:c::/48 blackhole; }
		protocol bgp provider {
		  local 198.51.100.2 as 64512;
		  neighbor 198.51.100.1 as 64496;
		  connect delay time 1; error wait time 1, 4;
		  ipv4 { import all; export none; };
		  ipv6 { import all; export none; };
		}
		protocol bgp asmeter {
		  local 127.0.0.1 as 64512;
		  neighbor 127.0.0.2 as 64512;
		  passive; rr client; graceful restart;
		  ipv4 { import none; export all; add paths tx; };
		  ipv6 { import none; export all; add paths tx; next hop address 2001:db8:ffff::2; };
		}
	BIRD
	cat >/run/demo/asmeter.yaml <<-YAML
		local-as: 64512
		hostname: border1.demo
		interfaces: [eth0]
		bgp:
		  router-id: 127.0.0.2
		  neighbors:
		    - {address: 127.0.0.1, remote-as: 64512, local-address: 127.0.0.2, description: bird}
		as-names:
		  overrides: {64496: Demo Transit Provider, 64512: Demo Border Network}
		api: {group: $(id -gn nobody)}
		user: nobody
		group: $(id -gn nobody)
	YAML
}

pids=
background() { # COMMAND..., no function: remembered, ended with the demo
	"$@" &
	pids="$pids $!"
}

end_pids() {
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -TERM $pids 2>/dev/null || :
	pids=
}

ask() { curl -sf --unix-socket /run/asmeter/asmeter.sock "http://localhost/api/v1/$1"; }

wait_for() { # WHAT SECONDS COMMAND...
	local what=$1 n=$(($2 * 5))
	shift 2
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		if [ $n -le 0 ]; then
			echo "demo: waited in vain for $what" >&2
			tail -n 20 /run/demo/*.log >&2
			exit 1
		fi
		sleep 0.2
	done
}

bird_has_table() {
	[ "$(birdc -s /run/demo/bird.ctl show route count |
		sed -n 's/^Total: \([0-9]*\) of.*/\1/p')" -gt 1000000 ] &&
		grep -q sent /run/demo/bgpfeed.log
}

fed() { ask peers | jq -e '.peers[0] | .ipv4.end_of_rib and .ipv6.end_of_rib'; }

# setsid: Ctrl-C is for this script and for asmeter top, not for these.
start_router() {
	setsid ip netns exec provider "$B/tests/net/bgpfeed" -a 64496 -l 198.51.100.1 \
		-6 2001:db8:ffff::1 -p 198.51.100.0/30 -p 2001:db8:ffff::/64 \
		>/run/demo/bgpfeed.log 2>&1 &
	pids="$pids $!"
	background setsid bird -f -c /run/demo/bird.conf -s /run/demo/bird.ctl
	wait_for "BIRD's table" 60 bird_has_table
	setsid "$B/asmeterd" --config /run/demo/asmeter.yaml 2>/run/demo/asmeterd.log &
	daemon=$!
	wait_for "asmeterd" 30 ask status
	wait_for "the full table by BGP" 120 fed
}

# Counters of both ends of the border link and of asmeter, in one cut: read
# again until nothing moved meanwhile. in_/out_: seen from the router.
one_cut() {
	local before after try=0
	while :; do
		before=$(ends)
		sleep 2.2 # two drains
		ask interfaces >/run/demo/cut.json
		after=$(ends)
		[ "$before" = "$after" ] && break
		try=$((try + 1))
		[ $try -lt 10 ] || break
	done
	echo "$after"
	jq -r '.interfaces[] | select(.name == "eth0") |
		[.receive.books.seen, .transmit.books.seen | .packets, .wire_bytes] | @tsv' \
		/run/demo/cut.json | tr '\t' ' '
}

# Packets and bytes: sent and received by the provider, received and sent by
# the router's interface.
ends() {
	in_ns provider tc -s -j qdisc show dev up0 root |
		jq -r '.[0] | "\(.packets) \(.bytes)"'
	in_ns provider cat /sys/class/net/up0/statistics/rx_{packets,bytes}
	cat /sys/class/net/eth0/statistics/{rx,tx}_{packets,bytes}
}

start_traffic() {
	local duration=$((seconds > 0 ? seconds + 60 : 86400))
	setsid ip netns exec provider "$B/tests/net/crowd" -i up0 -m $mac_eth0 -r "$pps" -s 1 \
		-4 203.0.113.128/25 -6 2001:db8:c:8000::/49 >/run/demo/crowd-in.log &
	crowd_in=$!
	setsid ip netns exec customer "$B/tests/net/crowd" -o -i lan0 -m $mac_eth1 -r "$pps" -s 2 \
		-4 203.0.113.128/25 -6 2001:db8:c:8000::/49 >/run/demo/crowd-out.log &
	crowd_out=$!
	background setsid ip netns exec provider iperf3 -s -1 -p 5201 --logfile /run/demo/iperf-s4.log
	background setsid ip netns exec provider iperf3 -s -1 -p 5202 --logfile /run/demo/iperf-s6.log
	sleep 0.5
	setsid ip netns exec customer iperf3 -c $server4 -p 5201 -b 20M -t $duration \
		-B 203.0.113.2 --logfile /run/demo/iperf-4.log &
	tcp4=$!
	setsid ip netns exec customer iperf3 -6 -R -c $server6 -p 5202 -b 20M -t $duration \
		-B 2001:db8:c::2 --logfile /run/demo/iperf-6.log &
	tcp6=$!
	sleep 2.5 # two drains, so that there are rates
}

stop_traffic() {
	kill -TERM $crowd_in $crowd_out $tcp4 $tcp6 2>/dev/null || :
	wait $crowd_in $crowd_out $tcp4 $tcp6 2>/dev/null || :
	end_pids # the provider and BIRD as well: a quiet wire can be read
	sleep 0.5
}

watch_traffic() {
	local port rest=$seconds
	port=$(cat "$DEMO_SHARE/port" 2>/dev/null || :)
	say "metrics: http://127.0.0.1:${port:-9590}/metrics"
	if [ -t 0 ] && [ -t 1 ]; then
		# `timeout 0` waits for ever
		timeout --foreground "$seconds" "$B/asmeter" top || :
		return 0
	fi
	"$B/asmeter" top --once --when last
	while [ "$seconds" = 0 ] || [ "$rest" -gt 0 ]; do
		sleep $((seconds == 0 || rest > 10 ? 10 : rest)) &
		wait $! || return 0
		rest=$((rest - 10))
		say "asmeter top --once"
		"$B/asmeter" top --once --when last
	done
}

row() { printf '  %-26s %14s %18s\n' "$@"; }

# DIRECTION WHAT OFFSET HEADER: the balance sheet of one direction; $start and
# $end are eight counters of both ends and four of asmeter, see one_cut(). HEADER:
# bytes a packet that the driver leaves out of its count.
sheet() {
	local i=$3 header=$4 far=() own=() asm=()
	for m in 0 1; do # packets, bytes
		far[m]=$((end[i + m] - start[i + m]))
		own[m]=$((end[4 + i + m] - start[4 + i + m]))
		asm[m]=$((end[8 + i + m] - start[8 + i + m]))
	done
	own[1]=$((own[1] + own[0] * header))
	printf '\n'
	row "$1" packets "bytes on the wire"
	row "$2" "${far[@]}"
	row "counted by asmeter" "${asm[@]}"
	row "counted by the interface" "${own[@]}"
	row "difference" $((asm[0] - far[0])) $((asm[1] - far[1]))
	[ "${asm[*]}" = "${far[*]}" ] && [ "${asm[*]}" = "${own[*]}" ] &&
		[ "${asm[0]}" -gt 0 ]
}

# Sum over AS pairs and reasons against what was seen, as the daemon says.
equations() {
	local d
	d=$(ask status | jq -r .books.difference)
	printf '\n  sum over AS pairs + unknown AS + not IP + truncated + malformed + map full\n'
	printf '  against every packet seen, three measures: difference %s\n' "$d"
	[ "$d" = 0 ]
}

finish() {
	trap '' INT TERM
	say "stopping the traffic, counting up"
	stop_traffic
	local rc=0
	read -r -a end <<<"$(one_cut | tr '\n' ' ')"
	printf '  the crowd sent %s packets to the customer and %s from there;\n' \
		"$(cut -d ' ' -f 2 /run/demo/crowd-in.log)" \
		"$(cut -d ' ' -f 2 /run/demo/crowd-out.log)"
	echo '  the wire carried TCP and BGP besides, and the router drops what has no way out'
	sheet "inbound (eth0 receive)" "sent by the provider" 0 14 || rc=1
	sheet "outbound (eth0 transmit)" "received by the provider" 2 0 || rc=1
	echo '  (veth counts received frames without their 14 bytes of header: added here)'
	equations || rc=1
	if [ $rc = 0 ]; then
		say "the books balance: difference 0"
	else
		say "THE BOOKS DO NOT BALANCE"
	fi
	kill -TERM $daemon 2>/dev/null || :
	wait $daemon 2>/dev/null || :
	"$B/asmeter" detach eth0 >/dev/null 2>&1 || :
	exit $rc
}

inside() {
	trap 'exit 130' INT TERM
	private_mounts
	make_network
	write_configs
	say "provider -> BIRD -> asmeter: the whole table by BGP"
	start_router
	"$B/asmeter" status
	say "asmeter lookup $server4"
	"$B/asmeter" lookup $server4
	read -r -a start <<<"$(one_cut | tr '\n' ' ')"
	trap 'finish' INT TERM
	say "traffic: $pps packets/s each way, IPv4 and IPv6, and TCP through the stack"
	start_traffic
	watch_traffic
	finish
}

if [ "${1:-}" = --inside ]; then
	inside
else
	outside
fi
