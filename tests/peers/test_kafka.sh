#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The real asmeterd meters real traffic and sends the as-traffic stream to a
# real Apache Kafka broker, which is not there at first, is stopped, killed and
# started, while the meter and the daemon are killed: what a consumer adds up
# is what was sent, to the byte and per AS pair, and nothing waits for Kafka.
# SOAK=1: ten minutes without a broker instead of seconds.
. tests/net/lib.sh
. tests/peers/kafka_lib.sh
outage=3
[ "${SOAK:-0}" = 1 ] && outage=600

kill_meter() {
	local n
	n=$(metric asmeter_meter_starts_total) || give_up "no metrics"
	kill -KILL "$(pgrep -P $daemon)"
	wait_for 30 is asmeter_meter_starts_total $((n + 1)) ||
		give_up "the meter is not back"
}

kill_daemon() {
	kill -KILL $daemon
	wait $daemon 2>/dev/null || true
	wait_for 10 sh -c '! pgrep -x asmeterd-meter' || fail "the meter lives on"
	start_daemon
}

duplicates() { echo "$facts" | sed 's/.* \([0-9]*\) duplicates/\1/'; }

daemon_user
rig
addresses 25
cat >"$work/asmeter.yaml" <<X
local-as: 64500
hostname: border1.example.net
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
drain-interval: 100ms
kafka:
  brokers: ["$broker"]
  options:
    reconnect.backoff.max.ms: 500
    batch.num.messages: 20 # for a flush that takes its time
    topic.metadata.refresh.interval.ms: 1000
  as-traffic: {interval: 1s, key: as-pair}
X
broker_make
mount -t tmpfs -o size=48m tmpfs /var/lib/asmeter

# ------------------------------------------- nobody there when it starts
start_daemon
wait_for 20 grep -q 'Kafka: .*127.0.0.1:9092' "$log" || give_up "it does not say so"
send 100000 50000 1
exported
more asmeter_kafka_spool_pending_bytes 1000 || give_up "nothing is spooled"
is asmeter_kafka_up 0 || give_up "up without a broker"
more asmeter_kafka_spool_bytes 1000 || give_up "no file"
kill_meter
send 50000 20000 2
kill_daemon
send 50000 20000 3
kill_meter

# a disk without room: counting goes on, and what grew is written later
merged='asmeter_kafka_merged_intervals_total{reason="disk"}'
head -c 1G /dev/zero >/var/lib/asmeter/filler 2>/dev/null && fail "the disk is not full"
send 20000 10000 5
wait_for 20 more "$merged" 1 || give_up "a full disk is not counted"
send 20000 10000 6
grep -q 'the spool takes nothing (No space left' "$log" || give_up "a full disk is not said"
rm /var/lib/asmeter/filler
wait_for 20 grep -q 'the spool takes records again' "$log" || give_up "no recovery"
sleep $outage # longer than an interval: they pile up
send 10000 5000 4
"$B/asmeter" status >"$work/status" 2>&1 || true
grep -q '^kafka *DOWN; ' "$work/status" || give_up "status: $(cat "$work/status")"
age=$(metric asmeter_kafka_spool_age_seconds)
[ "${age%.*}" -ge $outage ] || give_up "the spool's age is $age s"
broker_start
balanced "outage, 3 kills, a full disk"
is asmeter_kafka_up 1 || give_up "not up with a broker"
wait_for 10 is asmeter_kafka_spool_age_seconds 0 || give_up "the spool has an age"
"$B/asmeter" status >"$work/status" 2>&1 || true
grep -q '^kafka *up; ' "$work/status" || give_up "status: $(cat "$work/status")"


# ------------- kills while it flushes: what was on its way is sent again
delivered=asmeter_kafka_delivered_total
for i in 1 2 3 4 5 6 7 8; do
	broker_end "$([ $((i % 2)) = 0 ] && echo KILL || echo TERM)"
	send 60000 30000 1$i
	exported
	before=$(metric "$delivered{stream=\"as_traffic\"}")
	broker_launch
	wait_for 60 more "$delivered{stream=\"as_traffic\"}" "$before" ||
		give_up "nothing is delivered after outage $i"
	pkill -KILL -P $daemon
	[ $((i % 3)) != 0 ] || kill_daemon
	wait_for 60 is asmeter_kafka_spool_pending_bytes 0 ||
		give_up "outage $i: what is spooled is not delivered"
	sums "outage $i" part
	[ $i -lt 3 ] || [ "$(duplicates)" = 0 ] || break
done
balanced "$i outages, a kill while it flushes after each"
[ "$(duplicates)" -gt 0 ] || fail "no kill came while it was flushing"

# -------------------------- the broker is killed and returns under load
(
	sleep 1
	broker_end KILL
	broker_start
	echo $broker_pid >"$work/broker.pid"
	wait
) &
churn=$!
i=20
while [ $i -lt 26 ]; do
	send 20000 10000 $((i += 1))
done
wait_for 90 test -e "$work/broker.pid" || fail "the broker did not return"
balanced "the broker killed under load"

# ------------------------------ what a consumer of flow-exporter's reads
jq -e -s 'length > 0 and all(.[]; (.label == "border1.example.net") and
	(.as_src | type == "number" and floor == .) and
	(.as_dst | type == "number" and floor == .) and
	(.bytes | type == "number" and floor == . and . > 0) and
	(.packets > 0) and .event_type == "purge" and
	(.stamp_inserted | test("^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}$")) and
	(.interval > 0) and (.interface == "r0"))' <"$work/records" >/dev/null ||
	fail "not the record it is to be: $(head -n 1 "$work/records")"
kcat -C -q -b $broker -t asmeter.as-traffic -o beginning -c 2000 -f '%k %s\n' |
	awk '{ split($1, k, "-")
		if (index($0, "\"as_src\":" k[1] ",") && index($0, "\"as_dst\":" k[2] ",")) n++ }
		END { exit n != 2000 }' || fail "the key is not the pair of ASes"

# ---------------- protobuf, read with NetMeta's numbers by protoc itself
# decode TOPIC: its messages as text. Each is length-delimited; with 0x0a (a
# line feed) before it, it is an element of the list in Many.
cat >"$work/netmeta.proto" <<X
syntax = "proto3";
message Many { repeated FlowMessage m = 1; }
message FlowMessage {
  enum FlowType { FLOWUNKNOWN = 0; SFLOW_5 = 1; NETFLOW_V5 = 2; NETFLOW_V9 = 3; IPFIX = 4; }
  FlowType Type = 1; uint64 TimeReceived = 2; uint64 SamplingRate = 3;
  uint32 SequenceNum = 4; uint64 TimeFlowEnd = 5; bytes SrcAddr = 6; bytes DstAddr = 7;
  uint64 Bytes = 9; uint64 Packets = 10; bytes SamplerAddress = 11; bytes NextHop = 12;
  uint32 NextHopAS = 13; uint32 SrcAS = 14; uint32 DstAS = 15; uint32 SrcNet = 16;
  uint32 DstNet = 17; uint32 InIf = 18; uint32 OutIf = 19; uint32 Proto = 20;
  uint32 SrcPort = 21; uint32 DstPort = 22; uint32 IPTTL = 25; uint64 SrcMac = 27;
  uint64 DstMac = 28; uint32 Etype = 30; uint64 TimeFlowStart = 38; uint32 FlowDirection = 42;
}
X
decode() {
	{ printf '\n'; kcat -C -q -b $broker -t "$1" -o beginning -e -D '\n'; } |
		head -c -1 | protoc --decode=Many -I"$work" "$work/netmeta.proto"
}

sed -i 's/interval: 1s, key: as-pair/interval: 1s, topic: pb, format: protobuf/' "$work/asmeter.yaml"
echo 'sampling: {rate: 20}' >>"$work/asmeter.yaml"
kill -HUP $daemon
wait_for 10 is asmeter_config_reloads_total 1 || give_up "no reload"
send 20000 10000 40
in_protobuf() {
	wait_for 60 is asmeter_kafka_spool_pending_bytes 0 || return 1
	decode pb | awk 'function of(key) { return v[key] == "" ? "0" : v[key] }
		$1 ~ /^(SrcAS|DstAS|Bytes|Packets|Etype|FlowDirection):/ { v[$1] = $2 }
		/^}/ {
			k = of("FlowDirection:") " " of("SrcAS:") " " of("DstAS:") " " (v["Etype:"] == 2048 ? 4 : 6)
			p[k] += v["Packets:"]; b[k] += v["Bytes:"]; delete v
		}
		END { for (k in p) printf "%s %.0f %.0f\n", k, p[k], b[k] }' | sort >"$work/pb.got"
	{ awk '/^pair/ { print 0, $2, $3, $4, $5, $6 }' "$work/rx40"
	  awk '/^pair/ { print 1, $2, $3, $4, $5, $6 }' "$work/tx40"; } | sort >"$work/pb.sent"
	cmp -s "$work/pb.sent" "$work/pb.got"
}
wait_for 60 in_protobuf || true
same "$work/pb.sent" "$work/pb.got" "as-traffic in protobuf"

# the samples of the same packets: each record is there, and of a pair that was sent
records=$(metric 'asmeter_flows_records_total{source="sample"}') || give_up "no records"
[ "$records" -gt 1000 ] || give_up "only $records records"
wait_for 30 is 'asmeter_kafka_delivered_total{stream="flows"}' "$records" ||
	give_up "$records records, $(metric 'asmeter_kafka_delivered_total{stream="flows"}') delivered"
decode flow-messages >"$work/flows"
[ "$(grep -c '^m {' "$work/flows")" = "$records" ] || fail "$(grep -c '^m {' "$work/flows") of $records records"
[ "$(grep -c '^  SamplingRate: 20$' "$work/flows")" = "$records" ] || fail "the rate"
awk '$1 ~ /^(SrcAS|DstAS|Etype|FlowDirection):/ { v[$1] = $2 }
	/^}/ {
		if (v["Etype:"] == 2048 || v["Etype:"] == 34525)
			print (v["FlowDirection:"] == 1 ? 1 : 0), (v["SrcAS:"] == "" ? 0 : v["SrcAS:"]),
				(v["DstAS:"] == "" ? 0 : v["DstAS:"]), (v["Etype:"] == 2048 ? 4 : 6)
		delete v
	}' "$work/flows" | sort -u >"$work/pairs.got"
cut -d ' ' -f 1-4 "$work/pb.sent" | sort -u >"$work/pairs.sent"
[ "$(comm -12 "$work/pairs.got" "$work/pairs.sent" | wc -l)" -gt 100 ] || fail "hardly a pair of ASes in the records"
[ -z "$(comm -23 "$work/pairs.got" "$work/pairs.sent")" ] ||
	fail "pairs that were not sent: $(comm -23 "$work/pairs.got" "$work/pairs.sent" | head -n 5)"
echo "note: $records samples of the same packets delivered, all of pairs that were sent"

# --------------------------------------------------- flow records, each one
mkdir "$work/spool"
flows=20000
for format in protobuf json; do
	"$B/tests/peers/kafka_flows" "$work/spool" $broker flows-$format $format $flows ||
		fail "kafka_flows $format"
done
decode flows-protobuf >"$work/flows"
[ "$(grep -c '^m {' "$work/flows")" = $flows ] || fail "flows: $(grep -c '^m {' "$work/flows")"
cat >"$work/one" <<'X'
m {
  Type: SFLOW_5
  TimeReceived: 1767323045
  SamplingRate: 100
  SequenceNum: 778
  TimeFlowEnd: 1767323045
  SrcAddr: "\3063d\001"
  DstAddr: "\313\000q\001"
  Bytes: 891
  Packets: 1
  SamplerAddress: "\300\000\002\001"
  NextHop: "\300\000\002\t"
  NextHopAS: 64501
  SrcAS: 64507
  DstAS: 64502
  SrcNet: 24
  DstNet: 25
  InIf: 2
  Proto: 17
  SrcPort: 777
  DstPort: 53
  IPTTL: 64
  SrcMac: 2199023255553
  DstMac: 2199023255554
  Etype: 2048
  TimeFlowStart: 1767323045
  100: "\300\000\002\t"
  102: "\365\367\003\366\367\003"
}
X
awk '/^m {/ { t = "" } { t = t $0 "\n" } /SrcPort: 777$/ { hit = 1 }
	/^}/ { if (hit) { printf "%s", t; exit } }' "$work/flows" >"$work/found"
same "$work/one" "$work/found" "a flow record, field by field"
sum=$(awk '$1 == "Bytes:" { n += $2 } END { printf "%.0f", n }' "$work/flows")
[ "$sum" = $((flows * 114 + flows * (flows - 1) / 2)) ] || fail "flows: $sum bytes"
topic flows-json >"$work/flows"
jq -e -s --argjson n $flows 'length == $n and (map(.SrcPort) | sort) == [range($n)] and
	all(.[]; .Bytes == 114 + .SrcPort and .IPBytes == 100 + .SrcPort and
		.SrcAS == 64500 + .SrcPort % 10 and .AsPath == [64501, 64502] and
		.SrcAddr == "198.51.100.1" and .Label == "edge1")' <"$work/flows" >/dev/null ||
	fail "flows in JSON: $(head -n 1 "$work/flows")"
echo "note: $flows flow records, protobuf by protoc and JSON by jq: each one right"

kill $daemon
wait $daemon || give_up "exit code $?"
kill "$(cat "$work/broker.pid")"
wait
