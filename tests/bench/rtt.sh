#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What asmeter adds to the round trip of a packet that a router forwards, when
# all is well and in each state that it may be found in otherwise (rtt.c). One
# router for each, all at once: far (10.N.1.2) - r0, router N, o0 - out
# (10.N.2.2), veths with NAPI, as XDP has it, in the router without asmeter,
# too; so what is measured is asmeter and what veth does to a packet that a
# program is to see (it copies it). How much that is says a router with a
# program that does nothing, and one where asmeter is at TC. One packet in
# 1,000 is sampled, where samples are in trouble one in ten.
. tests/net/lib.sh
cpu=$(($(nproc) - 1))
port=7000 warm=60000
[ -n "${BENCH_QUICK:-}" ] && warm=40000

# Each has a network, a BPF file system and files of its own, and a process that
# holds them when the daemon has ended.
in_router() { nsenter -t "${holder[$1]}" --net --mount -- "${@:2}"; }
# sum_of N PREFIX: of what begins so on its page
sum_of() {
	in_router "$1" curl -sf http://127.0.0.1:9590/metrics |
		awk -v n="$2" 'index($0, n) == 1 { s += $NF } END { printf "%.0f\n", s }'
}

holds() { [ "$(cat "/proc/${holder[$1]}/comm")" = sleep ]; }
quiet='for s in all default; do echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6; done'
router() { # N
	local n=$1
	ip netns add "rt$n"
	ip netns exec "rt$n" sh -c "
		mount -t bpf bpf /sys/fs/bpf
		mount -t tmpfs tmpfs /run
		mount -t tmpfs tmpfs /var/lib/asmeter
		exec sleep infinity" &
	holder[$n]=$!
	must 10 holds "$n"
	in_router "$n" sh -c "$quiet; echo 1 >/proc/sys/net/ipv4/ip_forward"
	in_router "$n" ip link set lo up
	ip link add r0 netns "rt$n" type veth peer name "g$n" netns far
	ip link add o0 netns "rt$n" type veth peer name "x$n" netns out
	for d in "r0 1" "o0 2"; do
		in_router "$n" ip addr add "10.$n.${d#* }.1/24" dev "${d% *}"
		in_router "$n" ip link set "${d% *}" up
		in_router "$n" ethtool -K "${d% *}" gro on
	done
	ip -n far addr add "10.$n.1.2/24" dev "g$n"
	ip -n far link set "g$n" up
	ip -n far route add "10.$n.2.0/24" via "10.$n.1.1"
	ip -n out addr add "10.$n.2.2/24" dev "x$n"
	ip -n out link set "x$n" up
	ip -n out route add "10.$n.1.0/24" via "10.$n.2.1"
	must 10 ip netns exec far ping -c 1 -W 1 "10.$n.2.2"
}

# daemon N MODE ROWS SAMPLED-1-IN
daemon() {
	mkdir -p "$work/etc$1"
	cat >"$work/etc$1/asmeter.yaml" <<-END
	local-as: 64500
	interfaces:
	  - {name: r0, mode: $2}
	  - {name: o0, mode: $2}
	overrides: $work/prefixes
	libloc: {use: never}
	drain-interval: 200ms
	counters: {rows: $3, table-words: 2097152}
	sampling: {rate: $4}
	user: nobody
	group: $(id -gn nobody)
	api: {group: $(id -gn nobody)}
	END
	# not by in_router, so that $! is the process itself
	nsenter -t "${holder[$1]}" --net --mount -- "$B/asmeterd" \
		-c "$work/etc$1/asmeter.yaml" >"$work/log$1" 2>&1 &
	keeper[$1]=$!
	must 60 grep -q '>up:' "$work/log$1"
	must 30 over 0 sum_of "$1" 'asmeter_table_prefixes{family="ipv4"'
}
meter() { pgrep -P "${keeper[$1]}" -f -- --meter; }
end_of() { # N SIGNAL
	kill "-$2" "${keeper[$1]}"
	wait "${keeper[$1]}" 2>/dev/null || true
}

keeper=() holder=()
chmod 755 "$work"
mkdir -p /var/lib/asmeter
ip netns add far
ip netns add out
for n in far out; do ip netns exec "$n" sh -c "$quiet"; done
# of the two ends of each path, and of traffic that fills a map
for n in $(seq 10); do printf '10.%d.1.0/24 651%d1\n10.%d.2.0/24 651%d2\n' $n $n $n $n; done \
	>"$work/prefixes"
for i in $(seq 200); do
	echo "20.0.$i.0/24 $((1000 + i))" >>"$work/prefixes"
	printf "20.0.%d.1 %d\n2001:db8::%x 0\n" "$i" $((1000 + i)) "$i" >>"$work/hosts"
done

names=(- "no asmeter" healthy "daemon ended" "daemon stopped" "samples not read"
	"sample veth deleted" "map full" "pins removed" "at TC" "empty XDP")
all=$(seq $((${#names[@]} - 1)))
for n in $all; do router "$n"; done
for n in 2 3 4 8; do daemon "$n" native 4096 1000; done
for n in 5 6; do daemon "$n" native 4096 10; done
daemon 7 native 16 1000
daemon 9 tc 4096 1000
for i in r0 o0; do
	in_router 10 ip link set $i xdpdrv obj "$B/tests/net/other_xdp.bpf.o" sec xdp
done

map_full() { sum_of 7 'asmeter_interface_receive_unattributed_packets_total{interface="r0",reason="map_full"'; }
# each CPU has rows of its own, twice: on that of the round trips, for a while
ip netns exec far taskset -c $cpu "$B/tests/net/gen" -i g7 -n 3000000 -a "$work/hosts" \
	>/dev/null 2>&1
must 20 over 0 map_full
full=$(map_full)

end_of 3 TERM
kill -STOP "${keeper[4]}" "$(meter 4)"
stalled=("$(meter 5)" "${keeper[5]}") # or the keeper would start another meter
kill -STOP "${stalled[@]}"
kill -KILL "$(meter 6)" "${keeper[6]}"
wait "${keeper[6]}" 2>/dev/null || true
in_router 6 ip link del asm-tap0
end_of 8 TERM
in_router 8 test -e /sys/fs/bpf/asmeter/links/r0-xdp || fail "no pins in router 8"
in_router 8 sh -c 'rm -rf /sys/fs/bpf/asmeter'

paths=()
for n in $all; do paths+=("${names[$n]}=10.$n.2.2"); done
rows=("at TC/no asmeter!" "healthy/empty XDP!" "healthy/no asmeter!" "empty XDP/no asmeter")
for n in 3 4 5 6 7 8; do rows+=("${names[$n]}/healthy!"); done
ip netns exec out "$B/tests/bench/rtt" echo $port $cpu &
mkfifo "$work/go"
ip netns exec far "$B/tests/bench/rtt" ping $port $cpu $warm "${paths[@]}" "${rows[@]}" \
	<"$work/go" >"$work/rows" &
pinger=$!
exec 3>"$work/go"

# each state is what it is called
must 120 grep -q warm "$work/rows"
attached() { in_router "$1" ip -d link show r0 | grep -q prog/xdp; }
for n in 2 3 4 5 6 7; do attached $n || fail "${names[$n]}: not attached"; done
for n in 1 8 9; do attached $n && fail "${names[$n]}: attached"; done
in_router 6 ip link show asm-tap0 >/dev/null 2>&1 && fail "the sample veth is back"
echo >&3
wait $pinger || fail "$(cat "$work"/log*)"
grep -v warm "$work/rows"

over $((full + warm)) map_full || fail "there was a row for these packets"
kill -CONT "${stalled[@]}"
must 20 over 1000 sum_of 5 asmeter_samples_lost_total
