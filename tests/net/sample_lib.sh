# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the tests of samples share: the daemon on r0, its numbers.
. tests/net/lib.sh
conf=/etc/asmeter/asmeter.yaml
log=/run/asmeterd.log

groupadd --system asmeter 2>/dev/null || true
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
mkdir -p /etc/asmeter

fail() {
	echo "FAIL: $*" >&2
	sed 's/^/  log: /' $log 2>/dev/null | tail -n 20 >&2
	metrics 2>/dev/null | grep '^asmeter_samples' >&2 || true
	exit 1
}

metrics() { curl -sf http://127.0.0.1:9590/metrics; }

# metric NAME{labels}: its value; 0 when it is not there
metric() {
	metrics | awk -v n="$1" 'index($0, n " ") == 1 { v = $NF }
		END { printf "%.0f\n", v }'
}

# total NAME: the sum over all labels
total() {
	metrics | awk -v n="$1" 'index($0, n "{") == 1 || index($0, n " ") == 1 {
		v += $NF } END { printf "%.0f\n", v }'
}

lost_by() { metric "asmeter_samples_lost_total{reason=\"$1\"}"; }
taken() { total asmeter_samples_taken_total; }
received() { total asmeter_samples_received_total; }
all_lost() { total asmeter_samples_lost_total; }
is() { [ "$("${@:2}")" = "$1" ]; }
more_than() { [ "$("${@:2}")" -gt "$1" ]; }
meter_pid() { pgrep -P "$keeper" -f -- --meter; }

# config [LINES]: a configuration with these lines more
config() {
	printf 'local-as: 64512\nlibloc: {use: never}\n%b\n' "$*" >$conf
}

start() {
	: >$log
	"$B/asmeterd" >>$log 2>&1 &
	keeper=$!
	wait_for 30 grep -q '>up:' $log || fail "did not come up"
	wait_for 10 metrics || fail "no metrics page"
	# two cuts, so that what is counted and estimated has begun
	wait_for 10 more_than 2 total asmeter_drains_total || fail "no cut"
}

stop() {
	kill -TERM "$keeper"
	wait "$keeper" || fail "exit code $?"
}

reload() {
	local n
	n=$(total asmeter_config_reloads_total)
	kill -HUP "$keeper"
	wait_for 10 more_than "$n" total asmeter_config_reloads_total ||
		fail "not reloaded"
}

# numbers: until three readings over more than a second are the same
numbers() {
	local now='' before=x same=0
	while [ $same -lt 3 ]; do
		before=$now
		sleep 0.6
		now="$(taken) $(received) $(all_lost) $(total asmeter_interface_receive_packets_total)"
		if [ "$now" = "$before" ]; then same=$((same + 1)); else same=0; fi
	done
}

# balanced: taken = received + lost by reason, exactly
balanced() {
	numbers
	[ "$(taken)" = $(($(received) + $(all_lost))) ] ||
		fail "$1: $(taken) taken, $(received) received, $(all_lost) lost"
	[ "$(total asmeter_books_difference)" = 0 ] || fail "$1: the books differ"
	[ "$(total asmeter_samples_garbage_total)" = 0 ] || fail "$1: garbage"
}

# in_bound SAMPLES RATE PACKETS WHAT: within 5 sigma (five times 196/1.96
# sqrt(1/c) percent / 2), so that a sound sampler fails once in two million
in_bound() {
	awk -v c="$1" -v n="$2" -v p="$3" 'BEGIN {
		d = c * n - p; if (d < 0) d = -d
		exit !(d <= 5 * n * sqrt(p / n * (1 - 1 / n)) + n) }' ||
		fail "$4: $1 samples of 1 in $2 for $3 packets"
}
