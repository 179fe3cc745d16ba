#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Kafka as a site with rules has it: TLS with a client certificate, SASL on
# top, the broker reached and verified by its name, and the files where an
# administrator puts them: the key and the password in /etc/asmeter for the
# group asmeter only, the CA there or among those of the system. Whatever of
# that is wrong is said in the log and in the status, traffic is counted all
# the while, and what waits is delivered after a reload.
. tests/net/lib.sh
. tests/peers/kafka_lib.sh
etc=/etc/asmeter
conf=$etc/asmeter.yaml
name=kafka.example.net
delivered='asmeter_kafka_delivered_total{stream="as_traffic"}'

# ---------------------------------------------------------- certificates
tls=$work/tls
ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
# authority NAME
authority() {
	# shellcheck disable=SC2086
	openssl req -x509 $ec -subj "/CN=$1" -days 2 \
		-keyout "$tls/$1.key" -out "$tls/$1.pem"
}
# certificate NAME: by the authority "ca"
certificate() {
	# shellcheck disable=SC2086
	openssl req $ec -subj "/CN=$1" -keyout "$tls/$1.key" -out "$tls/$1.csr"
	echo "subjectAltName=DNS:$1" >"$tls/$1.ext"
	openssl x509 -req -in "$tls/$1.csr" -CA "$tls/ca.pem" \
		-CAkey "$tls/ca.key" -CAcreateserial -days 2 \
		-extfile "$tls/$1.ext" -out "$tls/$1.pem"
}
mkdir "$tls"
for made in 'authority ca' 'authority other-ca' "certificate $name" \
	'certificate border1'; do
	$made >"$work/openssl.log" 2>&1 || fail "$made: $(cat "$work/openssl.log")"
done
cat "$tls/$name.key" "$tls/$name.pem" >"$tls/broker.pem"

# ---------------------------------------------------------------- broker
echo "127.0.0.1 $name alias.example.net" >>/etc/hosts
broker_make --add-scram 'SCRAM-SHA-512=[name=border1,password=rosebud-7]'
sasl=org.apache.kafka.common.security
cat >>"$work/kafka/server.properties" <<X
listeners=PLAINTEXT://$broker,SASL_SSL://127.0.0.1:9094,CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAINTEXT://$broker,SASL_SSL://$name:9094
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location=$tls/broker.pem
listener.name.sasl_ssl.ssl.truststore.type=PEM
listener.name.sasl_ssl.ssl.truststore.location=$tls/ca.pem
listener.name.sasl_ssl.ssl.client.auth=required
listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=$sasl.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=$sasl.plain.PlainLoginModule required user_border1="rosebud-8";
X

# ----------------------------------------------------------------- meter
# config BROKER CA MECHANISM PASSWORD
config() {
	cat >$conf <<-X
	local-as: 64500
	hostname: border1.example.net
	interfaces: [r0]
	overrides: $work/prefixes
	libloc: {use: never}
	drain-interval: 100ms
	kafka:
	  brokers: ["$1:9094"]
	  options:
	    security.protocol: SASL_SSL
	    ${2:+ssl.ca.location: $2}
	    ssl.certificate.location: $etc/border1.pem
	    ssl.key.location: $etc/border1.key
	    sasl.mechanism: $3
	    sasl.username: border1
	    sasl.password: $4
	    reconnect.backoff.max.ms: 500
	  as-traffic: {interval: 1s}
	X
}

reload() {
	local n
	n=$(metric asmeter_config_reloads_total) || give_up "no metrics"
	: >"$log"
	kill -HUP $daemon
	wait_for 20 is asmeter_config_reloads_total $((n + 1)) || give_up "no reload"
}

says() {
	"$B/asmeter" status >"$work/status" 2>&1 || true
	grep -q "^kafka *DOWN; .*$1" "$work/status"
}

# refused WHAT TEXT: nothing is delivered and TEXT says why, in the log and,
# for as long as it lasts, in the status; what is sent is counted and waits
refused() {
	local before pending
	wait_for 30 grep -q "<4>.*Kafka: .*$2" "$log" || give_up "$1: no word in the log"
	wait_for 30 says "$2" || give_up "$1: status: $(cat "$work/status")"
	before=$(metric "$delivered") && pending=$(metric "$waits") || give_up "no metrics"
	send 20000 10000 $((run += 1))
	exported
	more "$waits" "$pending" || give_up "$1: nothing is spooled"
	is "$delivered" "$before" || give_up "$1: delivered all the same"
	is asmeter_kafka_up 0 || give_up "$1: up"
	says "$2" || give_up "$1: status by now: $(cat "$work/status")"
	if grep -n 'rosebud' "$log" "$work/status"; then fail "$1: the password is told"; fi
	echo "note: $1: $(grep -m 1 -o "Kafka: .*$2.*" "$log")"
}
waits=asmeter_kafka_spool_pending_bytes
run=10

daemon_user
rig
addresses 25
install -g asmeter -m 640 /dev/null $conf
install -g asmeter -m 640 "$tls/border1.pem" $etc
install -m 600 "$tls/border1.key" $etc
install -m 644 "$tls/ca.pem" "$tls/other-ca.pem" $etc
broker_start

# ---------------------------------- each thing that can be wrong, by itself
config $name $etc/ca.pem SCRAM-SHA-512 rosebud-7
start_daemon
refused 'a key for root only' "$etc/border1.key: Permission denied"
chgrp asmeter $etc/border1.key
chmod 640 $etc/border1.key
reload
balanced 'a key for the group asmeter, SCRAM'

config $name $etc/other-ca.pem SCRAM-SHA-512 rosebud-7
reload
refused 'a CA that did not sign' 'certificate verify failed'

config alias.example.net $etc/ca.pem SCRAM-SHA-512 rosebud-7
reload
refused 'a broker of another name' 'alias.example.net:9094.*certificate verify failed'

config $name $etc/ca.pem SCRAM-SHA-512 rosebud-6
reload
refused 'a wrong password' 'SASL authentication error'

config $name $etc/ca.pem SCRAM-SHA-512 rosebud-7
reload
balanced 'all as it is to be'

# -------------------- a CA that the system trusts, and the other mechanism
install -m 644 "$tls/ca.pem" /etc/ssl/certs/site-ca.pem
ln -s site-ca.pem "/etc/ssl/certs/$(openssl x509 -noout -hash -in "$tls/ca.pem").0"
config $name '' PLAIN rosebud-8
reload
send 20000 10000 $((run += 1))
exported
balanced 'a CA of the system, PLAIN'
is asmeter_kafka_up 1 || give_up "not up"

kill $daemon
wait $daemon || give_up "exit code $?"
broker_end TERM
