#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The real asmeterd meters real traffic and sends the as-traffic stream to a
# real Apache Kafka broker, which is not there at first, is stopped, killed and
# started, while the meter and the daemon are killed: what a consumer adds up
# is what was sent, to the byte and per AS pair, and nothing waits for Kafka.
# SOAK=1: ten minutes without a broker instead of seconds.
. tests/net/lib.sh
. tests/peers/kafka_lib.sh
page=http://127.0.0.1:9590
chmod 755 "$work" # for the user asmeter
log=$work/asmeterd.log
outage=3
[ "${SOAK:-0}" = 1 ] && outage=600

give_up() {
	tail -n 20 "$log" "$work/kafka/broker.log" >&2 || true
	curl -m 5 -s $page/metrics | grep ^asmeter_kafka >&2 || true
	fail "$*"
}

# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

metric() {
	curl -m 5 -sf $page/metrics | awk -v n="$1" \
		'index($0, n " ") == 1 { print $NF; ok = 1 } END { exit !ok }'
}
is() { [ "$(metric "$1")" = "$2" ]; }
more() { [ "$(metric "$1")" -gt "$2" ]; }

start_daemon() {
	"$B/asmeterd" --config "$work/asmeter.yaml" >>"$log" 2>&1 &
	daemon=$!
	wait_for 30 curl -m 5 -sf $page/-/ready || give_up "asmeterd is not ready"
}

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

# send IN OUT NAME: frames both ways, what they are in $work/{rx,tx}NAME
send() {
	far "$gen" -i g0 -n "$1" -a "$work/hosts" -L 1514 -s "$3" \
		-e "$work/rx$3" 2>/dev/null || fail "the generator"
	"$gen" -i r0 -n "$2" -a "$work/hosts" -L 1514 -s "9$3" -m packet \
		-e "$work/tx$3" 2>/dev/null || fail "the generator"
	sent=$((sent + $1 + $2))
	wait_for 20 counted || give_up "$(counted_now) of $sent packets counted"
}
sent=0
counted_now() {
	curl -m 5 -sf $page/metrics | awk '/^asmeter_interface_(receive|transmit)_packets_total/ { n += $NF }
		END { printf "%.0f", n }'
}
counted() { [ "$(counted_now)" = $sent ]; }

# All that grew is in the spool: an interval of at least a second has passed.
exported() {
	local n
	n=$(metric asmeter_drains_total) || give_up "no metrics"
	wait_for 20 more asmeter_drains_total $((n + 15)) || give_up "no drains"
}

# sums WHAT [part]: what the topic has by now, in $work/{got,sent}.{receive,transmit}
sums() {
	local dir
	topic asmeter.as-traffic >"$work/records"
	facts=$(tests/peers/kafka_sums.py "$work/sums" ${2:+"$2"} <"$work/records") ||
		give_up "$1: $facts"
	for dir in receive:rx transmit:tx; do
		grep -h '^pair' "$work/${dir#*:}"[0-9]* >"$work/all"
		sum "$work/all" >"$work/sent.${dir%:*}"
		sum "$work/sums.${dir%:*}" >"$work/got.${dir%:*}"
	done
}
arrived() {
	sums "$1" part
	cmp -s "$work/sent.receive" "$work/got.receive" &&
		cmp -s "$work/sent.transmit" "$work/got.transmit"
}

# balanced WHAT: the topic's sums become what was sent, and no more
balanced() {
	local dir
	wait_for 60 is asmeter_kafka_spool_pending_bytes 0 ||
		give_up "$1: what is spooled is not delivered"
	wait_for 60 arrived "$1" || true
	sums "$1"
	for dir in receive transmit; do
		same "$work/sent.$dir" "$work/got.$dir" "$1: $dir, per AS pair"
	done
	is asmeter_books_difference 0 || give_up "$1: the books differ"
	echo "note: $1: $facts; $(wc -l <"$work/got.transmit") pairs out: sums exact"
}
duplicates() { echo "$facts" | sed 's/.* \([0-9]*\) duplicates/\1/'; }

groupadd --system asmeter 2>/dev/null || true
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
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
sleep $outage # longer than an interval: they pile up
send 10000 5000 4
"$B/asmeter" status >"$work/status" 2>&1 || true
grep -q '^kafka *DOWN; ' "$work/status" || give_up "status: $(cat "$work/status")"
age=$(metric asmeter_kafka_spool_age_seconds)
[ "${age%.*}" -ge $outage ] || give_up "the spool's age is $age s"
broker_start
balanced "outage, 2 kills of the meter and 1 of the daemon"
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

# ------------------------------------------------- a reload, another topic
sed -i 's/interval: 1s, key: as-pair/interval: 1s, topic: other/' "$work/asmeter.yaml"
kill -HUP $daemon
wait_for 10 is asmeter_config_reloads_total 1 || give_up "no reload"
send 1000 1000 40
wait_for 30 sh -c "kcat -C -q -b $broker -t other -o beginning -e | grep -q as_src" ||
	give_up "nothing in the other topic"

kill $daemon
wait $daemon || give_up "exit code $?"
kill "$(cat "$work/broker.pid")"
wait
