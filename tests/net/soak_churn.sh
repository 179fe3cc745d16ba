#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two hours (SOAK_SECONDS) of a router's life at high churn: the full table over
# BGP with thousands of updates a second on top, sessions that flap, traffic of
# tens of thousands of AS pairs, an interface that comes and goes, reloads,
# samples, collectors and brokers that are not there, a scrape each few seconds;
# and in the first quarter and the last eighth kills, restarts and upgrades of
# program and maps as well.
#
# At the end of each round everything settles, and then: descriptors by kind,
# threads, pins, BPF maps, programs and links are exactly those of the first
# round; all that was sent is counted, in three measures; the books balance. In
# the five eighths between, where nothing is restarted, memory stays within 5 %.
# One line for each round, with memory in kB; in the end pairs of ASes are exact.
. tests/net/lib.sh
total_s=${SOAK_SECONDS:-7200}
round_s=$((total_s / 100))
[ $round_s -ge 15 ] || round_s=15
[ $round_s -le 60 ] || round_s=60
pins=/sys/fs/bpf/asmeter
start_s=$SECONDS

# ---------------------------------------------------------------- the rig
daemon_user
rig 1500
ip link add b0 type veth peer name b1 netns far
ip addr add 10.0.0.1/24 dev b0
ip link set b0 up
far ip addr add 10.0.0.2/24 dev b1
far ip addr add 10.0.0.3/24 dev b1
far ip link set b1 up

# Half of the addresses get their AS from BGP, half from a file.
addresses 12
split() { grep -E "$1" "$work/prefixes" >"$work/prefixes-$2"; }
split '^20\.0\.[0-5]\.|^2a00:0:[0-5]:' bgp
split '^20\.0\.([6-9]|1.)\.|^2a00:0:[6-9ab]:' file
ln -s hosts "$work/hosts-all"
head -n 4 "$work/hosts" >"$work/hosts-few"

config() { # SAMPLING-RATE ROWS MODE-OF-R1
	cat >/etc/asmeter/asmeter.yaml <<-END
	local-as: 64512
	interfaces: [r0, {name: r1, mode: $3}]
	overrides: $work/prefixes-file
	sampling: {rate: $1}
	sflow: {collectors: ["127.0.0.1:6343"], counter-interval: 2s}
	kafka: {brokers: ["127.0.0.1:9092"], spool-mb: 16, as-traffic: {interval: 2s}}
	snapshot-interval: 1m
	counters: {rows: $2}
	bgp:
	  listen: ["10.0.0.1:179"]
	  router-id: 10.0.0.1
	  stale-time: 10m
	  neighbors:
	    - {address: 10.0.0.2, remote-as: 64999, port: 1179, description: feed}
	    - {address: 10.0.0.3, remote-as: 64512, passive: true, description: churn}
	END
}
r1_make() {
	ip link add r1 mtu 1500 type veth peer name g1 mtu 1500 netns far
	echo 1 >/proc/sys/net/ipv6/conf/r1/disable_ipv6
	far sh -c 'echo 1 >/proc/sys/net/ipv6/conf/g1/disable_ipv6'
	ip link set r1 up
	far ip link set g1 up
}

# ------------------------------------------------------------- neighbours
feed_start() {
	ip netns exec far "$B/tests/net/bgpfeed" -a 64999 -l 10.0.0.2:1179 \
		-6 2001:db8::2 >/dev/null &
	feed=$!
}
feed_flap() {
	kill -9 $feed
	wait $feed 2>/dev/null || true
	feed_start
	feed_flaps=$((feed_flaps + 1))
}
churn_start() {
	mkfifo "$work/say"
	ip netns exec far tests/net/bgp_churn.py 10.0.0.3 10.0.0.1 64512 \
		"$work/prefixes-bgp" "${SOAK_RATE:-3000}" <"$work/say" >"$work/said" &
	churner=$!
	exec {say}>"$work/say"
}
churn() { # COMMAND: done
	kill -0 $churner 2>/dev/null || give_up "the churner has ended"
	echo "$*" >&"$say"
}
said() { tail -n 1 "$work/said" | grep -q "$1\$"; }
# both sessions with all that they have, and nothing of the ones before
complete() {
	is true api peers '.peers | length == 2 and all(.up and
		(.ipv4, .ipv6 | .end_of_rib and .stale == 0))'
}
# What was said before the last word is in the table that the kernel looks at.
settle_routes() {
	marks=$((marks + 1))
	churn settle $marks
	wait_for 120 is $((4000000 + marks)) api 'lookup?addr=198.18.0.1' .table_as ||
		give_up "round $round: the routes do not settle"
	wait_for 120 complete || give_up "round $round: $(api peers '.peers')"
}

# ---------------------------------------------------------------- traffic
# burst IFACE HOSTS COUNT NAME [OPTION]
burst() {
	seed=$((seed + 1))
	# shellcheck disable=SC2086
	far "$gen" -i "$1" -n "$3" -t 4096 -a "$work/hosts-$2" -m packet -s "$seed" \
		-e "$work/sent/$4-$seed" ${5:-} 2>/dev/null
}
# Bursts with pauses, some 20,000 packets a second, until told to stop.
traffic() {
	local seed=$((round * 10000))
	rm -f "$work/stop"
	while [ ! -e "$work/stop" ]; do
		burst g0 all 40000 r0 || exit 1
		sleep 1.$((RANDOM % 9))
	done
}
counted() { # IFACE
	metrics | awk -v i="{interface=\"$1\"}" '
		index($0, "asmeter_interface_receive_packets_total" i) == 1 { p = $2 }
		index($0, "asmeter_interface_receive_ip_bytes_total" i) == 1 { b = $2 }
		index($0, "asmeter_interface_receive_wire_bytes_total" i) == 1 { w = $2 }
		END { print p, b, w }'
}
# Adds what was sent to the sums, and holds the daemon to them.
check_counts() {
	local i
	for i in r0 r1; do
		find "$work/sum-$i" "$work/sent" -name "*$i*" -type f -exec cat {} + |
			sum >"$work/sum"
		mv "$work/sum" "$work/sum-$i"
		want=$(awk '$1 == "seen" { print $2, $3, $4 }' "$work/sum-$i")
		wait_for 20 is "$want" counted $i ||
			give_up "round $round: $i: sent $want, counted $(counted $i)"
	done
	rm -f "$work"/sent/*
	is 0 metric asmeter_books_difference || give_up "round $round: the books differ"
}

# --------------------------------------------------------------- episodes
metered() { is 1 metric 'asmeter_interface_metered{interface="r1"}'; }
gone() { is 0 metric 'asmeter_interface_metered{interface="r1"}'; }
r1_counts() {
	wait_for 20 metered || give_up "round $round: r1 is not metered"
	# plain: what ends inside a VLAN tag never gets to TC
	burst g1 few 200 r1 -p || give_up "round $round: cannot send to r1"
}
ep_hotplug() {
	ip link del r1
	wait_for 20 gone || give_up "round $round: deleted, and still called metered"
	r1_make
	r1_counts
	hotplugs=$((hotplugs + 1))
}
ep_updown() {
	ip link set r1 down
	ip link set r1 mtu 9000
	ip link set r1 mtu 1500 up
	wait_for 20 is up cat /sys/class/net/r1/operstate
	r1_counts
}
ep_rename() {
	ip link set r1 name q1
	ip link set q1 name r1
	r1_counts
}
reload() {
	local n
	n=$(metric asmeter_config_reloads_total)
	kill -HUP "$keeper"
	wait_for 30 is $((n + 1)) metric asmeter_config_reloads_total ||
		give_up "round $round: not reloaded"
	reloads=$((reloads + 1))
}
ep_reload() {
	config 50 $rows tc
	reload
	burst g0 all 5000 r0
	r1_counts
	config 200 $rows native
	reload
}
ep_nosamples() {
	config 0 $rows native
	reload
	burst g0 all 5000 r0
	config 200 $rows native
	reload
}
ep_detach() {
	"$B/asmeter" detach r1 >/dev/null
	wait_for 20 gone || give_up "round $round: detached, and still metered"
	reload
	r1_counts
}
ep_session() {
	churn drop
	drops=$((drops + 1))
}
# Only where the daemon may be restarted:
ep_kill_meter() {
	old=$(meter_pid)
	kill -9 "$old"
	wait_for 30 test ! -e "/proc/$old"
	wait_for 60 ready || give_up "round $round: no meter after it was killed"
	kills=$((kills + 1))
}
ep_kill_keeper() {
	old=$(meter_pid)
	kill -9 "$keeper"
	wait "$keeper" 2>/dev/null || true
	# as a service manager sees to it; it has a million routes to give up
	wait_for 60 test ! -e "/proc/$old" || give_up "round $round: the meter lives on"
	daemon_up
	kills=$((kills + 1))
}
ep_restart() {
	daemon_down
	daemon_up
	restarts=$((restarts + 1))
}
ep_upgrade() { # the program is a new one each time, the maps are larger
	rows=262144
	config 200 $rows native
	ep_restart
	burst g0 all 5000 r0
	rows=131072
	config 200 $rows native
	ep_restart
	wait_for 60 ready || give_up "round $round: not ready after an upgrade"
}
calm="hotplug updown rename reload nosamples detach session"
# two neighbours of it in each round: a kill and a restart
rough="kill_meter restart kill_keeper upgrade"
next_rough() {
	# shellcheck disable=SC2086
	printf '%s\n' $rough $rough | sed -n "$((round % 4 + 1)),$((round % 4 + 2))p"
}

# ---------------------------------------------------------------- a round
anon() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status"; }
census() {
	tests/net/census.py "$work/ever" $pins "$keeper" "$(meter_pid)" >"$work/census"
}
# The same as after the first round: connections of a scrape, of a broker that
# refuses, are waited out.
same_census() { census && cmp -s "$work/census" "$work/census0"; }
take_census() {
	if [ ! -e "$work/census0" ]; then
		wait_for 20 steady_census || give_up "nothing is ever twice the same"
		cp "$work/census" "$work/census0"
	fi
	wait_for 60 same_census || {
		diff "$work/census0" "$work/census" >&2 || true
		give_up "round $round: something is more or less than after round 1"
	}
}
steady_census() {
	census && cp "$work/census" "$work/census1" && sleep 1 && census &&
		cmp -s "$work/census" "$work/census1"
}
n_of() { awk -v n="$1" '$1 == n { print $2 }' "$work/census"; }
report() {
	printf '%6d %3d %-6s keeper %6d meter %7d kB  fds %d+%d maps %d programs %d links %d  %s\n' \
		$((SECONDS - start_s)) "$round" "$1" "$(anon "$keeper")" \
		"$(anon "$(meter_pid)")" "$(n_of keeper-fds)" "$(n_of meter-fds)" \
		"$(n_of maps)" "$(n_of programs)" "$(n_of links)" "$2" |
		tee -a "$work/rounds"
}
# round calm|rough: some of the episodes, in an order that the report tells
round() {
	local kind=$1 e end did="" sender
	round=$((round + 1))
	end=$((SECONDS + round_s - 5))
	traffic &
	sender=$!
	churn churn
	kill -0 "$scraper" || give_up "scrape: $(cat "$work/scrapes")"
	[ $((round % 5)) != 3 ] || feed_flap
	# shellcheck disable=SC2086
	for e in $([ "$kind" = calm ] || next_rough) $(shuf -e $calm -n 4); do
		case " $rough " in
		*" $e "*) ;; # there are not many rounds for these
		*) [ $SECONDS -lt $end ] || break ;;
		esac
		"ep_$e"
		did="$did $e"
		sleep $((round_s > 30 ? 4 : 1))
	done
	while [ $SECONDS -lt $end ]; do sleep 1; done
	touch "$work/stop"
	wait $sender || give_up "the generator failed"
	settle_routes
	check_counts
	take_census
	report "$kind" "${did# }"
}

# -------------------------------------------------------------- the whole
mkdir "$work/sent"
: >"$work/sum-r0"
: >"$work/sum-r1"
round=0 marks=0 seed=0 rows=131072
hotplugs=0 reloads=0 drops=0 kills=0 restarts=0 feed_flaps=0
r1_make
config 200 $rows native
daemon_up
feed_start
churn_start
settle_routes
burst g0 all 1000 r0
burst g1 few 1000 r1 -p
scrape_begin 3

until_s() { # SHARE KIND
	while [ $((SECONDS - start_s)) -lt $((total_s * $1 / 8)) ]; do round "$2"; done
}
round calm
until_s 2 rough
until_s 7 calm
until_s 8 rough
scrape_end

# memory, where nothing was restarted, behind the first 15 % of it: the median
# of the last quarter is at most 5 % more than that of the first
for who in keeper meter; do
	# the calm rounds but the first of all, which precedes the rough ones
	awk -v who=$who '$3 == "calm" && $2 > 1 {
		for (i = 1; i < NF; i++) if ($i == who) print $(i + 1) }' "$work/rounds" |
		awk -v who=$who '
		function median(from, n,  i, j, t, v) {
			for (i = 0; i < n; i++) v[i] = m[from + i]
			for (i = 0; i < n; i++) for (j = i + 1; j < n; j++)
				if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
			return v[int(n / 2)]
		}
		{ m[NR - 1] = $1 }
		END {
			warm = int(NR * 15 / 100); n = int((NR - warm) / 4)
			if (n < 4) { # tables are still filling up
				printf "%s: too few rounds to say\n", who
				exit
			}
			a = median(warm, n); b = median(NR - n, n)
			printf "%s: %d kB, then %d kB\n", who, a, b
			exit b > a * 1.05
		}' >"$work/memory" || fail "memory grows: $(cat "$work/memory")"
	sed 's/^/note: memory of the /' "$work/memory"
done

churn count
wait_for 10 said count
updates=$(awk '$2 == "count" { print $1 }' "$work/said")
exec {say}>&-
kill $feed
daemon_down

# Each row of r0 is of one of the two origins that the prefix had, and per pair
# the packets of both add up to what was sent. (r1 was never the same for long.)
fold() {
	awk 'function base(as) {
		if (as >= 4201000000 || (as >= 1001000 && as < 4000000000))
			return sprintf("%.0f", as - 1000000)
		return as }
	$1 == "pair" { $2 = base($2); $3 = base($3) } { print }'
}
fold <"$work/sum-r0" >"$work/want"
$ctl drain r0 rx | fold >"$work/got"
sum "$work/want" >"$work/want1"
sum "$work/got" >"$work/got1"
same "$work/want1" "$work/got1" "r0, in the end"
"$B/asmeter" detach --all >/dev/null || fail "detach --all"
tests/net/census.py "$work/ever" $pins >"$work/census"
[ "$(cat "$work/census")" = $'links 0\nmaps 0\nprograms 0' ] ||
	fail "left behind: $(cat "$work/census")"
[ ! -e /sys/class/net/asm-tap0 ] || fail "the tap is left behind"
[ -z "$(pgrep -x asmeterd)" ] || fail "a process is left behind"
packets=$(awk '$1 == "seen" { print $2 }' "$work/sum-r0")
for n in $hotplugs $reloads $drops $kills $restarts $feed_flaps; do
	[ "$n" -gt 0 ] || fail "not everything has happened"
done
echo "note: $round rounds in $((SECONDS - start_s)) s: $packets packets, $updates updates," \
	"$drops and $feed_flaps flaps, $hotplugs interfaces made anew, $reloads reloads," \
	"$kills kills, $restarts restarts: exact, and nothing more than after round 1"
