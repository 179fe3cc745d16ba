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
		-c "$work/kafka/server.properties") >"$work/kafka/format.log" 2>&1 ||
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
