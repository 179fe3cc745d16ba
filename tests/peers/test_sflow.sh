#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sFlow out, read by collectors that others wrote: nfdump's sfcapd, pmacct's
# sfacctd, and tcpdump for interface counters. What they come to is what was
# put in; a collector that refuses costs the others nothing.
# shellcheck disable=SC2317  # functions are called through wait_for
set -u
B=${B:-build}
dir=$(mktemp -d /run/sflow.XXXXXX)
conf=/etc/asmeter/asmeter.yaml
log=$dir/asmeterd.log
sock=/run/asmeter/asmeter.sock
feed=$B/tests/peers/sflow_feed
samples=6000 rate=250

fail() {
	echo "FAILED: $*"
	for f in "$dir"/*.log; do
		[ ! -e "$f" ] || { echo "--- $f" && tail -n 20 "$f"; }
	done
	exit 1
}

wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

is() { [ "$("${@:2}")" = "$1" ]; }
listens() { ss -Hlun "sport = :$1" | grep -q .; }
idle() { [ "$(ss -Hlun "sport = :$1" | awk '{ print $2 }')" = 0 ]; }

# same WANT GOT WHAT
same() {
	[ -s "$1" ] || fail "$3: nothing was expected"
	diff "$1" "$2" >"$dir/diff.log" || fail "$3: expected (<), collected (>)"
}

# ------------------------------------------------- sfcapd: exact content
# src_as dst_as in out packets bytes: bytes are the frames' with FCS
mkdir "$dir/nf"
sfcapd -b 127.0.0.1 -p 16343 -w "$dir/nf" -t 3600 -B 4000000 >"$dir/sfcapd.log" 2>&1 &
sfcapd=$!
wait_for 20 listens 16343 || fail "sfcapd does not start"
"$feed" 127.0.0.1 16343 $samples $rate >"$dir/truth" || fail "the feed"
wait_for 20 idle 16343 || fail "sfcapd does not read"
kill -INT $sfcapd
wait $sfcapd || fail "sfcapd"
awk '{ print $2, $3, $5, $6, $7, $9 + 4 * $7 }' "$dir/truth" | sort >"$dir/want"
nfdump -q -R "$dir/nf" -o csv >"$dir/nf.csv" 2>"$dir/nfdump.log" || fail "nfdump"
awk -F, '$1 ~ /^2/ { k = $18 " " $19 " " $16 " " $17; p[k] += $12; b[k] += $13; n++ }
	END { for (k in p) print k, p[k], b[k] }' "$dir/nf.csv" | sort >"$dir/got"
same "$dir/want" "$dir/got" "sfcapd"
awk -F, '$1 ~ /^2/ { print $20, $21 }' "$dir/nf.csv" | sort -u >"$dir/masks"
is '24 20' cat "$dir/masks" || fail "sfcapd: prefix lengths $(cat "$dir/masks")"
echo "note: sfcapd: $samples samples, $(wc -l <"$dir/want") AS pairs, sums equal"

# --------------------------------- sfacctd: path, communities, preference
cat >"$dir/sfacctd.conf" <<X
daemonize: false
sfacctd_ip: 127.0.0.1
sfacctd_port: 16344
sfacctd_pipe_size: 4000000
sfacctd_as: sflow
sfacctd_net: sflow
sfacctd_renormalize: true
plugins: print
aggregate: src_as, dst_as, in_iface, out_iface, as_path, std_comm, local_pref, src_mask, dst_mask, peer_src_ip
print_output: json
print_output_file: $dir/sfacctd.json
print_output_file_append: true
print_refresh_time: 1
plugin_buffer_size: 102400
plugin_pipe_size: 10240000
X
sfacctd -f "$dir/sfacctd.conf" >"$dir/sfacctd.log" 2>&1 &
sfacctd=$!
wait_for 20 grep -q 'waiting for sFlow data' "$dir/sfacctd.log" || fail "sfacctd does not start"
"$feed" 127.0.0.1 16344 $samples $rate >"$dir/truth" || fail "the feed"
wait_for 20 idle 16344 || fail "sfacctd does not read"
kill -INT $sfacctd # hands on what it still has
wait $sfacctd
awk '{ own = $3 == 64512 || $3 == 0
	print $2, $3, $5, $6, $7, $9 + 4 * $7, own ? $3 : "64496_64497_" $3,
		own ? "-" : "64512:1_no-export" }' "$dir/truth" | sort >"$dir/want"
jq -r '[.as_src, .as_dst, .iface_in, .iface_out, .as_path, .comms, .packets, .bytes] | @tsv' \
	"$dir/sfacctd.json" | awk -F'\t' '{ c = $6 == "" ? "-" : $6
	k = $1 " " $2 " " $3 " " $4; t[k] = $5 " " c; p[k] += $7; b[k] += $8 }
	END { for (k in p) printf "%s %d %d %s\n", k, p[k], b[k], t[k] }' | sort >"$dir/got"
same "$dir/want" "$dir/got" "sfacctd"
jq -r '[.local_pref, .mask_src, .mask_dst, .peer_ip_src] | join(" ")' "$dir/sfacctd.json" |
	sort -u >"$dir/rest"
is '250 24 20 127.0.0.9' cat "$dir/rest" || fail "sfacctd: $(cat "$dir/rest")"
echo "note: sfacctd: the same sums, AS paths, communities, local preference"

# ------------------------------------- the daemon: interface counters
groupadd --system asmeter 2>/dev/null
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
mkdir -p /etc/asmeter
for s in all default; do
	echo 1 >/proc/sys/net/ipv6/conf/$s/disable_ipv6
done
ip netns add far
ip link add r0 type veth peer name g0 netns far
ip link add other type veth peer name other1
ip addr add 10.9.0.1/24 dev r0
ip link set r0 up
ip link set other up
ip -n far addr add 10.9.0.2/24 dev g0
ip -n far link set g0 up

metric() { curl -sf http://127.0.0.1:9590/metrics | awk -v n="$1" 'index($0, n " ") == 1 { print $NF; ok = 1 } END { exit !ok }'; }
at_least() { [ "$(metric "$2")" -ge "$1" ]; }

cat >$conf <<X
local-as: 64512
interfaces: [r0]
libloc: {use: never}
counters: {rows: 4096}
drain-interval: 200ms
sflow:
  collectors: ["127.0.0.1:6343", "127.0.0.1:6399", "192.0.2.1:6343"]
  agent-address: 10.9.0.1
  counter-interval: 1s
X
# something has to be bound there, or it is refused
python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 6343))
while True:
    s.recv(9000)' &
sink=$!
wait_for 20 listens 6343 || fail "no listener"
tcpdump -i lo -n -vvv -l udp dst port 6343 >"$dir/dump" 2>"$dir/tcpdump.log" &
dump=$!
wait_for 20 grep -q 'listening on' "$dir/tcpdump.log" || fail "tcpdump"
"$B/asmeterd" >"$log" 2>&1 &
keeper=$!
wait_for 30 grep -q '>up:' "$log" || fail "the daemon does not start"
good='{collector="127.0.0.1:6343"}'
wait_for 20 at_least 2 "asmeter_sflow_datagrams_total$good" || fail "nothing is sent"

ip netns exec far ping -q -f -c 3000 10.9.0.1 >/dev/null || fail "ping"
stats() { cat /sys/class/net/r0/statistics/"$1"; }
# the last sample of r0 that tcpdump saw: in and out octets, in and out packets
counted() {
	awk '/In octets/ { gsub(",", ""); i = $3; ip = $6 }
		/Out octets/ { gsub(",", ""); o = $3; op = $6 }
		END { print i, o, ip, op }' "$dir/dump"
}
now() { echo "$(stats rx_bytes) $(stats tx_bytes) $(stats rx_packets) $(stats tx_packets)"; }
equal() { [ "$(counted)" = "$(now)" ]; }
wait_for 20 equal || fail "counters: tcpdump saw $(counted), the interface has $(now)"
[ "$(stats rx_packets)" -ge 3000 ] || fail "no traffic"
index=$(cat /sys/class/net/r0/ifindex)
# only the metered interface, and the right one
is "$index" sh -c "sed -n 's/.*Generic counter .*//; s/.*ifindex \([0-9]*\), iftype.*/\1/p' $dir/dump | sort -u" ||
	fail "interfaces: $(grep -m 3 ifindex "$dir/dump")"
grep -q 'agent 10.9.0.1' "$dir/dump" || fail "agent: $(head -n 3 "$dir/dump")"
# no datagram is missing: sequence numbers run from 1
numbers() { sed -n 's/.*agent-id 0, seqnum \([0-9]*\),.*/\1/p' "$dir/dump"; }
in_order() { numbers | awk '$1 != NR { bad = 1 } END { exit bad || NR < 3 }'; }
in_order || fail "sequence: $(numbers | head | xargs)"
echo "note: tcpdump: counters of r0 equal the interface's ($(counted))"

# one refuses, to one there is no route: told, and no harm to the other
refused='asmeter_sflow_errors_total{collector="127.0.0.1:6399",reason="refused"}'
away='asmeter_sflow_errors_total{collector="192.0.2.1:6343",reason="no_route"}'
wait_for 20 at_least 2 "$refused" || fail "refusals are not counted"
wait_for 20 at_least 2 "$away" || fail "unreachable is not counted"
at_least 1 'asmeter_sflow_lost_samples_total{collector="192.0.2.1:6343"}' || fail "losses are not counted"
is 0 metric "asmeter_sflow_lost_samples_total$good" || fail "samples lost"
for r in refused no_route buffer_full other; do
	is 0 metric "asmeter_sflow_errors_total{collector=\"127.0.0.1:6343\",reason=\"$r\"}" ||
		fail "$r at the one that reads"
done
[ "$(grep -c 'sflow: 127.0.0.1 port 6399' "$log")" = 1 ] || fail "not one line in the log about the one that refuses"
is 0 metric asmeter_books_difference || fail "the books"

# a reload: one goes, one stays and its stream goes on
sed -i 's/, "127.0.0.1:6399", "192.0.2.1:6343"//' $conf
sent=$(metric "asmeter_sflow_datagrams_total$good")
kill -HUP $keeper
wait_for 20 grep -q 'the meter runs with the new' "$log" || fail "reload"
wait_for 20 at_least $((sent + 3)) "asmeter_sflow_datagrams_total$good" || fail "nothing after the reload"
! metric "$refused" >/dev/null || fail "a collector that was taken out has metrics"
more() { [ "$(numbers | wc -l)" -gt "$sent" ]; }
{ wait_for 10 more && in_order; } || fail "the sequence after a reload: $(numbers | tail | xargs)"

# no sampling yet: nothing to show, and an end at once
is 0 metric 'asmeter_flows_records_total{source="sample"}' || fail "records"
out=$("$B/asmeter" flows --once) || fail "asmeter flows"
[ -z "$out" ] || fail "asmeter flows: $out"
"$B/asmeter" flows >"$dir/flows" 2>&1 &
client=$!
# until it takes SIGINT and SIGTERM itself: a shell's background ignores SIGINT
wait_for 10 grep -q 'SigCgt:.*4002$' "/proc/$client/status" || fail "no handler"
kill -INT $client
wait $client || fail "asmeter flows: exit code $? after SIGINT"

kill -TERM $keeper
wait $keeper || fail "SIGTERM: $?"
kill $dump $sink
wait $dump $sink 2>/dev/null
exit 0
