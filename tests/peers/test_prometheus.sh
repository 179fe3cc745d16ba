#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A real Prometheus scrapes the real asmeterd: its queries return the bytes
# that were sent, to the byte and per AS pair; no series falls when ASes are
# evicted, the meter is killed or the daemon restarted; promtool has nothing
# to say about the page; gzip is the same page.
. tests/net/lib.sh
prom=http://127.0.0.1:9090
page=http://127.0.0.1:9590
chmod 755 "$work" # for the user asmeter
log=$work/asmeterd.log

give_up() {
	tail -n 20 "$log" "$work/prometheus.log" >&2 || true
	fail "$*"
}

# query PROMQL: lines "source_as destination_as value" (labels that the result
# does not have are "-")
query() {
	curl -m 5 -sf --data-urlencode "query=$1" $prom/api/v1/query |
		jq -r '.data.result[] | "\(.metric.source_as // "-") \(.metric.destination_as // "-") \(.value[1])"'
}
value() { query "$1" | awk '{ print $3 }'; }
is() { [ "$(value "$1")" = "$2" ]; }
# A scrape that a busy machine lets time out hides all series until the next
# one, so no query is asked only once.
becomes() { wait_for 20 is "$@"; }

# seen FILE...: packets and IP bytes of all frames sent
seen_packets() { cat "$@" | awk '$1 == "seen" { n += $2 } END { printf "%.0f\n", n }'; }
seen_bytes() { cat "$@" | awk '$1 == "seen" { n += $3 } END { printf "%.0f\n", n }'; }

# scraped DIR FILE...: waits until Prometheus has it all, then compares sums
scraped() {
	local dir=$1 n bytes
	shift
	n=$(seen_packets "$@") bytes=$(seen_bytes "$@")
	wait_for 30 is "sum(asmeter_interface_${dir}_packets_total)" "$n" ||
		give_up "$dir: $(value "sum(asmeter_interface_${dir}_packets_total)") packets of $n"
	becomes "sum(flow_${dir}_bytes_total)" "$bytes" ||
		give_up "$dir: sum(flow_${dir}_bytes_total) is $(value "sum(flow_${dir}_bytes_total)"), sent $bytes"
}

pairs_are() {
	query "flow_${1}_bytes_total{source_as!=\"other\"}" | sort >"$work/got"
	cmp -s "$work/sent" "$work/got"
}

# pairs DIR FILE...: every AS pair, both families added up
pairs() {
	local dir=$1
	shift
	cat "$@" | awk '$1 == "pair" { b[$2 " " $3] += $6 }
		END { for (k in b) printf "%s %.0f\n", k, b[k] }' |
		sort >"$work/sent"
	wait_for 20 pairs_are "$dir" || :
	same "$work/sent" "$work/got" "$dir, per AS pair"
}

# A reset stays in sight for an hour: asking again cannot hide one.
no_resets() {
	local d
	for d in receive transmit; do
		becomes "max(resets(flow_${d}_bytes_total[1h]))" 0 && continue
		query "topk(5, resets(flow_${d}_bytes_total[1h]) > 0)" >&2
		query "count(resets(flow_${d}_bytes_total[1h]) > 0)" >&2
		give_up "$1: a series fell"
	done
}

start_daemon() {
	"$B/asmeterd" --config "$work/asmeter.yaml" >>"$log" 2>&1 &
	daemon=$!
	wait_for 30 curl -m 5 -sf $page/-/ready || give_up "asmeterd is not ready"
}

config() { # MAX_AS
	cat >"$work/asmeter.yaml" <<-X
	local-as: 64500
	hostname: border1.example.net
	interfaces: [r0]
	overrides: $work/prefixes
	libloc: {use: never}
	drain-interval: 200ms
	prometheus: {listen: ["127.0.0.1:9590"], max-as: $1}
	X
}

cat >"$work/prometheus.yml" <<X
global: {scrape_interval: 500ms, scrape_timeout: 450ms}
scrape_configs:
  - job_name: asmeter
    static_configs: [{targets: ["127.0.0.1:9590"]}]
X

# send IN OUT NAME: frames both ways, what they are in $work/{rx,tx}NAME
send() {
	far "$gen" -i g0 -n "$1" -a "$work/hosts" -L 1514 -s "$3" \
		-e "$work/rx$3" 2>/dev/null || fail "the generator"
	"$gen" -i r0 -n "$2" -a "$work/hosts" -L 1514 -s "9$3" -m packet \
		-e "$work/tx$3" 2>/dev/null || fail "the generator"
}

groupadd --system asmeter 2>/dev/null || true
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
rig
addresses 200
config 1000
start_daemon
prometheus --config.file="$work/prometheus.yml" --web.listen-address=127.0.0.1:9090 \
	--storage.tsdb.path="$work/tsdb" >"$work/prometheus.log" 2>&1 &
prometheus=$!
wait_for 60 is up 1 || give_up "Prometheus does not scrape"

# ------------------------------------------------------- every pair, exact
send 400000 200000 1
scraped receive "$work/rx1"
scraped transmit "$work/tx1"
pairs receive "$work/rx1"
pairs transmit "$work/tx1"
becomes 'max(max_over_time(asmeter_books_difference[1h]))' 0 || give_up "the books differ"
becomes 'max(abs(asmeter_interface_receive_balance_packets_ppm))' 0 ||
	give_up "balance: $(value asmeter_interface_receive_balance_packets_ppm) ppm"
labels() {
	[ "$(curl -m 5 -sf --data-urlencode 'query=flow_receive_bytes_total' $prom/api/v1/query |
		jq -r '[.data.result[0].metric | del(.__name__, .instance, .job) | keys[]] | join(" ")')" = \
		"destination_as destination_as_name hostname source_as source_as_name" ]
}
wait_for 20 labels || fail "flow_receive_bytes_total has other labels"
echo "note: $(wc -l <"$work/got") pairs out, $(seen_bytes "$work/rx1") bytes in:" \
	"sum(flow_receive_bytes_total) and every pair exact"

# --------------------------------------------------------------- the page
curl -m 5 -sf $page/metrics >"$work/page"
promtool check metrics <"$work/page" >"$work/lint" 2>&1 || give_up "$(cat "$work/lint")"
[ ! -s "$work/lint" ] || fail "promtool: $(head -n 5 "$work/lint")"
curl -m 5 -sf -D "$work/head" -H 'Accept-Encoding: gzip' $page/metrics >"$work/page.gz"
grep -qi '^Content-Encoding: gzip' "$work/head" || fail "no gzip"
grep -qi '^Content-Type: text/plain; version=0.0.4' "$work/head" || fail "content type"
gzip -dc "$work/page.gz" | grep -c ^flow_ >"$work/n.gz" || fail "gzip is damaged"
[ "$(cat "$work/n.gz")" = "$(grep -c ^flow_ "$work/page")" ] || fail "gzip is another page"
echo "note: page $(stat -c %s "$work/page") bytes, gzip $(stat -c %s "$work/page.gz")"

# ------------------------ fewer ASes, other ASes, and what may not be noticed
config 50
kill -HUP $daemon
wait_for 10 sh -c "curl -m 5 -sf $page/metrics | grep -qx 'asmeter_series_ases 50'" ||
	give_up "the reload did not evict"
addresses 200 7000
kill -HUP $daemon # the overrides file is read again
wait_for 10 sh -c "curl -m 5 -s --unix-socket /run/asmeter/asmeter.sock \
	'http://x/api/v1/lookup?addr=20.0.1.1' | grep -q '\"as\":8001,'" ||
	give_up "the reload did not take the new overrides"
send 100000 50000 2
scraped receive "$work"/rx[12]
scraped transmit "$work"/tx[12]
no_resets "eviction"
becomes 'sum(flow_receive_bytes_total{source_as="other"}) > bool 0' 1 ||
	fail "nothing went to other"

meter=$(pgrep -P $daemon)
kill -KILL "$meter"
wait_for 30 sh -c "curl -m 5 -sf $page/metrics | grep -qx 'asmeter_meter_starts_total 2'" ||
	give_up "the meter is not back"
scraped receive "$work"/rx[12]
no_resets "the meter was killed"

kill -TERM $daemon
wait $daemon || give_up "asmeterd: exit code $?"
send 20000 10000 3 # nobody reads meanwhile
start_daemon
send 30000 10000 4
scraped receive "$work"/rx[1-4]
scraped transmit "$work"/tx[1-4]
no_resets "the daemon was restarted"
becomes 'max(max_over_time(asmeter_books_difference[1h]))' 0 || give_up "the books differ"
echo "note: max-as 1000 to 50, a kill and a restart: sums exact, 0 resets"

kill $prometheus $daemon
wait
