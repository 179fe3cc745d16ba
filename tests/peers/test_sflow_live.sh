#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sFlow end to end: real packets through a metered veth, sampled in the kernel,
# routes from GoBGP, and collectors that others wrote. What sfcapd and sfacctd
# come to is what asmeter says of its samples; the ASes are those that were
# sent to and fro; the pool is what the books have counted.
# shellcheck disable=SC2317  # functions are called through wait_for
. tests/net/sample_lib.sh
rig
n=300000 rate=200

# Everything is sent, and so sampled, on one CPU: gaps are seen per CPU.
cpu=$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')
near() { taskset -c "$cpu" "$gen" -i r0 -a "$work/hosts" -p -m packet "$@" >/dev/null 2>&1; }
off() { taskset -c "$cpu" ip netns exec far "$gen" -i g0 -a "$work/hosts" -p "$@" >/dev/null 2>&1; }

listens() { ss -Hlun "sport = :$1" | grep -q .; }
idle() { [ "$(ss -Hlun "sport = :$1" | awk '{ print $2 }')" = 0 ]; }
by_sample() { metric "asmeter_samples_$1{interface=\"r0\",direction=\"$2\"}"; }

# ------------------------------------------------------ routes, by GoBGP
addresses 10
ip netns add bgp
ip link add m0 type veth peer name m1 netns bgp
ip addr add 10.9.9.1/30 dev m0
ip link set m0 up
ip -n bgp addr add 10.9.9.2/30 dev m1
ip -n bgp link set m1 up
ip -n bgp link set lo up
cat >"$work/gobgpd.toml" <<X
[global.config]
  as = 64512
  router-id = "10.9.9.2"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.9.9.1"
    peer-as = 64512
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
X
ip netns exec bgp gobgpd -f "$work/gobgpd.toml" >"$work/gobgpd.log" 2>&1 &
gobgp() { ip netns exec bgp gobgp "$@"; }
wait_for 20 gobgp global || fail "GoBGP does not start"
while read -r prefix asn; do
	family=ipv4 hop=203.0.113.1
	case $prefix in *:*) family=ipv6 hop=2001:db8:ffff::1 ;; esac
	gobgp global rib -a $family add "$prefix" nexthop $hop aspath "65010 $asn" \
		community "65010:$((asn % 1000))" local-pref 150 >/dev/null ||
		fail "gobgp: $prefix"
done <"$work/prefixes"
prefixes=$(wc -l <"$work/prefixes")

# ------------------------------------------------------------ collectors
mkdir "$work/nf"
sfcapd -b 127.0.0.1 -p 16343 -w "$work/nf" -t 3600 -B 4000000 >"$work/sfcapd.log" 2>&1 &
sfcapd=$!
cat >"$work/sfacctd.conf" <<X
daemonize: false
sfacctd_ip: 127.0.0.1
sfacctd_port: 6343
sfacctd_pipe_size: 4000000
sfacctd_as: sflow
sfacctd_net: sflow
sfacctd_renormalize: true
plugins: print
aggregate: src_as, dst_as, in_iface, out_iface, as_path, std_comm, local_pref, src_mask, dst_mask
print_output: json
print_output_file: $work/sfacctd.json
print_output_file_append: true
print_refresh_time: 2
plugin_buffer_size: 102400
plugin_pipe_size: 10240000
X
sfacctd -f "$work/sfacctd.conf" >"$work/sfacctd.log" 2>&1 &
sfacctd=$!
tcpdump -i lo -n -vvv -l udp dst port 6343 >"$work/dump" 2>"$work/tcpdump.log" &
dump=$!
wait_for 20 listens 16343 || fail "sfcapd does not start"
wait_for 20 grep -q 'waiting for sFlow data' "$work/sfacctd.log" || fail "sfacctd does not start"
wait_for 20 grep -q 'listening on' "$work/tcpdump.log" || fail "tcpdump"

# ---------------------------------------------------------------- traffic
config "interfaces: [{name: r0, sample-rate: $rate}]
bgp: {neighbors: [{address: 10.9.9.2, remote-as: 64512}]}
drain-interval: 200ms
sflow: {collectors: [\"127.0.0.1:16343\", \"127.0.0.1:6343\"], agent-address: 10.9.9.1, counter-interval: 0}"
start
wait_for 10 is 1 metric asmeter_samples_up || fail "no samples"
wait_for 30 is "$prefixes" total asmeter_table_prefixes || fail "$(total asmeter_table_prefixes) of $prefixes prefixes"
while read -r prefix asn; do # published, too
	wait_for 10 is "$asn" eval "curl -sf 'http://127.0.0.1:9590/api/v1/lookup?addr=${prefix%/*}' | jq .table_as" ||
		fail "$prefix is not AS $asn"
done < <(tail -n 4 "$work/prefixes")
# pmacct takes the rate from the pool once that advances, here with the reading of
# the counters: not before the traffic is over, so that it takes what is said
sed -i 's/drain-interval: .*/drain-interval: 60s/' $conf
reload
"$B/asmeter" -j flows >"$work/live" 2>"$work/live.err" &
client=$!
off -n $n -e "$work/sent" || fail "gen"
near -n $((n / 3)) -s 7 -e "$work/sent.out" || fail "gen"
came() { [ "$(metric 'asmeter_flows_records_total{source="sample"}')" != "$before" ]; }
settled() { before=$(metric 'asmeter_flows_records_total{source="sample"}') && sleep 1 && ! came; }
wait_for 30 settled || fail "records do not cease to come"
sed -i 's/drain-interval: .*/drain-interval: 2s/' $conf
reload
balanced "traffic"
records=$(metric 'asmeter_flows_records_total{source="sample"}')
[ "$records" = "$(received)" ] || fail "$(received) samples, $records records"
[ "$records" -lt 8000 ] || fail "$records records are more than are kept"
[ "$(all_lost)" = 0 ] || echo "note: $(all_lost) samples lost"
is "$records" metric 'asmeter_sflow_samples_total{kind="flow"}' || fail "not each record is a sample of sFlow"
is 0 total asmeter_sflow_skipped_records_total || fail "records were skipped"
is 0 total asmeter_sflow_lost_samples_total || fail "datagrams were not sent"
sent_all() { [ "$(total asmeter_sflow_sent_samples_total)" = $((2 * records)) ]; }
wait_for 10 sent_all || fail "$(total asmeter_sflow_sent_samples_total) sent of twice $records"
in_bound "$(by_sample taken_total receive)" $rate "$(by_sample counted_packets_total receive)" "received"

# who followed has seen each record once, in order
live() { [ "$(wc -l <"$work/live")" = "$records" ]; }
wait_for 10 live || fail "asmeter flows: $(wc -l <"$work/live") of $records; $(cat "$work/live.err")"
kill -INT $client
wait $client || fail "asmeter flows: exit code $?"
[ ! -s "$work/live.err" ] || fail "asmeter flows: $(cat "$work/live.err")"
jq .number "$work/live" | awk '$1 != NR { exit 1 }' || fail "asmeter flows: gaps or duplicates"
lines() { "$B/asmeter" flows --once -n 10000 "$@" | wc -l; }
[ "$(lines --dir in)" = "$(grep -c '"direction":"receive"' "$work/live")" ] || fail "asmeter flows --dir in"
[ "$(lines --dir out)" = "$(grep -c '"direction":"transmit"' "$work/live")" ] || fail "asmeter flows --dir out"
[ "$(lines --interface r0)" = "$records" ] || fail "asmeter flows --interface"
[ "$(lines --prefix ::/0)" = "$(jq -r 'select(.source) | .source' "$work/live" | grep -c :)" ] ||
	fail "asmeter flows --prefix"

# not over the network, where the metrics are
is 403 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9590/api/v1/flows ||
	fail "flow records over the network"

# what asmeter itself says: per AS pair and interface, from its records
"$B/asmeter" -j flows --once -n 10000 >"$work/records" || fail "asmeter flows"
[ "$(wc -l <"$work/records")" = "$records" ] || fail "asmeter flows: $(wc -l <"$work/records") of $records"
jq -r 'select(.source) | [.source_as, .destination_as, .in_interface, .out_interface,
	(.sampling_rate * .packets), (.sampling_rate * (.wire_bytes + 4 * .packets)),
	(.as_path + (if .as_path[-1] == .destination_as then [] else [.destination_as] end)
	| map(tostring) | join("_")),
	(.communities | join("_") | if . == "" then "-" else . end)] | @tsv' "$work/records" |
	awk -F'\t' '$1 || $2 { k = $1 " " $2 " " $3 " " $4; t[k] = $7 " " $8
		p[k] += $5; b[k] += $6 }
		END { for (k in p) printf "%s %.0f %.0f %s\n", k, p[k], b[k], t[k] }' |
	sort >"$work/want"
[ "$(wc -l <"$work/want")" -gt 500 ] || fail "only $(wc -l <"$work/want") AS pairs"

# every one of them was sent, and with the path and community of its prefix
awk '$1 == "pair" { print $2, $3 }' "$work/sent" "$work/sent.out" | sort -u >"$work/pairs"
awk '{ print $1, $2 }' "$work/want" | sort -u | comm -23 - "$work/pairs" >"$work/alien"
[ ! -s "$work/alien" ] || fail "AS pairs that nobody sent: $(head -n 3 "$work/alien")"
awk '$2 { want = "65010_" $2 " 65010:" ($2 % 1000); if ($7 " " $8 != want) { print; exit 1 } }' \
	"$work/want" || fail "path or communities"

# ------------------------------------------------------ what they came to
wait_for 20 idle 16343 || fail "sfcapd does not read"
wait_for 20 idle 6343 || fail "sfacctd does not read"
kill -INT $sfcapd
wait $sfcapd || fail "sfcapd"
nfdump -q -R "$work/nf" -o csv >"$work/nf.csv" 2>/dev/null || fail "nfdump"
awk -F, '$1 ~ /^2/ && ($18 || $19) { k = $18 " " $19 " " $16 " " $17; p[k] += $12; b[k] += $13 }
	END { for (k in p) printf "%s %.0f %.0f\n", k, p[k], b[k] }' "$work/nf.csv" | sort >"$work/got"
cut -d' ' -f1-6 "$work/want" >"$work/want.nf"
same "$work/want.nf" "$work/got" "sfcapd"
all=$(awk -F, '$1 ~ /^2/ { p += $12 } END { printf "%.0f", p }' "$work/nf.csv")
est=$(($(by_sample estimated_packets_total receive) + $(by_sample estimated_packets_total transmit)))
[ "$all" = "$est" ] || fail "sfcapd has $all packets, asmeter estimates $est"
bytes=$(awk -F, '$1 ~ /^2/ { b += $13 } END { printf "%.0f", b }' "$work/nf.csv")
est=$(($(by_sample estimated_wire_bytes_total receive) + $(by_sample estimated_wire_bytes_total transmit) + 4 * all))
[ "$bytes" = "$est" ] || fail "sfcapd has $bytes bytes, asmeter estimates $est with FCS"
echo "note: sfcapd: $records samples, $all packets and $bytes bytes as asmeter estimates, $(wc -l <"$work/want") AS pairs"

kill -INT $sfacctd # hands on what it still has
wait $sfacctd || true
jq -r 'select(.as_src != 0 or .as_dst != 0) | [.as_src, .as_dst, .iface_in, .iface_out,
	.packets, .bytes, .as_path, (if .comms == "" then "-" else .comms end)] | @tsv' \
	"$work/sfacctd.json" | awk -F'\t' '{ k = $1 " " $2 " " $3 " " $4; t[k] = $7 " " $8
	p[k] += $5; b[k] += $6 }
	END { for (k in p) printf "%s %.0f %.0f %s\n", k, p[k], b[k], t[k] }' | sort >"$work/got"
same "$work/want" "$work/got" "sfacctd"
jq -r 'select(.as_dst > 0) | .local_pref' "$work/sfacctd.json" | sort -u >"$work/prefs"
is 150 cat "$work/prefs" || fail "local preference: $(cat "$work/prefs")"
echo "note: sfacctd: the same sums, AS paths and communities"

# ------------------------------------------------------------- the pool
# One packet at a time, each sampled, right after the counters were read: its
# pool is what the books have had until then, of both directions.
sed -i 's/sample-rate: [0-9]*/sample-rate: 1/' $conf
reload
wait_for 10 is 1 by_sample rate receive || fail "the rate is not 1"
seen() { total 'asmeter_interface_receive_packets_total' && total 'asmeter_interface_transmit_packets_total'; }
last() { sed -n 's/.*idx \([0-9]*\), rate \([0-9]*\), pool \([0-9]*\), drops \([0-9]*\), input.*/\1 \2 \3 \4/p' "$work/dump" | tail -n 1; }
count() { grep -c ', pool ' "$work/dump" || true; }
index=$(cat /sys/class/net/r0/ifindex)
missed=$(total asmeter_samples_missed_total) # on a slow machine
ok=''
for _ in 1 2 3 4 5; do
	drains=$(total asmeter_drains_total)
	wait_for 10 more_than "$drains" total asmeter_drains_total || fail "no drain"
	pool=$(seen | awk '{ s += $1 } END { print s }')
	before=$(count)
	off -n 1 -m packet
	wait_for 10 more_than "$before" count || fail "no sample of the one packet"
	# a slow machine may have read the counters once more
	[ "$(last)" != "$index 1 $pool $missed" ] || { ok=1 && break; }
done
[ -n "$ok" ] || fail "pool: $(last), not $index 1 $pool $missed"
echo "note: pool $pool, as counted"

# ------------------------------------------------------------- the drops
# The tap is down while packets pass, and the keeper cannot help: lost samples
# are told with the next one that comes.
kill -STOP "$keeper"
ip link set asm-tap0 down
off -n 500 -m packet
near -n 300
kill -CONT "$keeper"
wait_for 20 is 1 metric asmeter_samples_up || fail "no samples"
# A gap is noticed with the next sample that was taken on the same CPU.
told() {
	off -n 1 -m packet
	near -n 1
	[ "$(last | cut -d' ' -f4)" = $((missed + 800)) ] &&
		[ "$(total asmeter_samples_missed_total)" = $((missed + 800)) ]
}
wait_for 60 told ||
	fail "drops: $(last), missed $(total asmeter_samples_missed_total), not $((missed + 800))"
echo "note: drops $(last | cut -d' ' -f4), as missed"

stop
kill $dump
