# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# A real Apache Kafka broker (one node, KRaft) for a test, from the jars that
# scripts/deps.sh has fetched; its files are in $work/kafka.
kafka_jars=$(echo /var/cache/asmeter/kafka-*/)
broker=127.0.0.1:9092
broker_pid=

# kafka_java TOOL ARGS…: takes the place of its shell
kafka_java() {
	exec java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
		-Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
		-cp "$kafka_jars*" "$@"
}

# broker_make [ARGUMENT…]: for the tool that formats its disk
broker_make() {
	ls "$kafka_jars"kafka_2.13-*.jar >/dev/null ||
		fail "no Kafka in /var/cache/asmeter: scripts/deps.sh"
	mkdir -p "$work/kafka"
	cat >"$work/kafka/server.properties" <<-X
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:9093
	listeners=PLAINTEXT://$broker,CONTROLLER://127.0.0.1:9093
	advertised.listeners=PLAINTEXT://$broker
	controller.listener.names=CONTROLLER
	log.dirs=$work/kafka/data
	offsets.topic.replication.factor=1
	num.partitions=3
	auto.create.topics.enable=true
	log.retention.ms=-1
	X
	(kafka_java kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom |
		base64 | tr '+/' '-_' | cut -c 1-22)" \
		-c "$work/kafka/server.properties" "$@") >"$work/kafka/format.log" 2>&1 ||
		fail "format: $(tail -n 5 "$work/kafka/format.log")"
}

broker_answers() { kcat -L -b $broker -m 2 >/dev/null 2>&1; }

broker_launch() {
	kafka_java kafka.Kafka "$work/kafka/server.properties" \
		>>"$work/kafka/broker.log" 2>&1 &
	broker_pid=$!
}

broker_start() {
	local end=$((SECONDS + 90))
	broker_launch
	until broker_answers; do
		[ $SECONDS -lt $end ] && kill -0 $broker_pid 2>/dev/null ||
			fail "the broker does not come up: $(tail -n 5 "$work/kafka/broker.log")"
		sleep 0.2
	done
}

# broker_end SIGNAL
broker_end() {
	kill "-$1" $broker_pid
	wait $broker_pid 2>/dev/null || true
	broker_pid=
}

# topic NAME: all its messages, one a line
topic() {
	kcat -C -q -b $broker -t "$1" -o beginning -e -f '%s\n' 2>"$work/kcat.log" ||
		fail "kcat: $(tail -n 3 "$work/kcat.log")"
}

# -------------------------------- asmeterd, and what the topic is to have
give_up() {
	tail -n 20 "$log" "$work/kafka/broker.log" >&2 || true
	curl -m 5 -s $page/metrics | grep ^asmeter_kafka >&2 || true
	fail "$*"
}

metric() {
	curl -m 5 -sf $page/metrics | awk -v n="$1" \
		'index($0, n " ") == 1 { print $NF; ok = 1 } END { exit !ok }'
}
is() { [ "$(metric "$1")" = "$2" ]; }
more() { [ "$(metric "$1")" -gt "$2" ]; }

conf=$work/asmeter.yaml
start_daemon() {
	"$B/asmeterd" --config "$conf" >>"$log" 2>&1 &
	daemon=$!
	wait_for 30 curl -m 5 -sf $page/-/ready || give_up "asmeterd is not ready"
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
