#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# More pairs than rows: what finds no row is counted as map_full, and the sums stay
# exact. When the pairs have gone quiet their rows are given to others, while every
# total stays what it was, and whatever is killed over it.
. tests/net/lib.sh
daemon_user
rig
addresses 2000

# --- ten thousand pairs and room for 1,000 a bank and CPU
$ctl load 1000 128
$ctl table "$work/prefixes"
$ctl attach r0 >/dev/null
$ctl check 2 >"$work/check" &
checker=$!
far "$gen" -i g0 -n 2000000 -a "$work/hosts" -s 7 -e "$work/sent" 2>/dev/null
wait $checker || fail "an equation did not hold"
settle
$ctl drain r0 rx >"$work/counted"

field() { awk -v k="$2" '$1 == k { print $2, $3, $4 }' "$1"; }
[ "$(field "$work/sent" seen)" = "$(field "$work/counted" seen)" ] ||
	fail "seen differs"
for k in not_ip truncated malformed; do
	[ "$(field "$work/sent" $k)" = "$(field "$work/counted" $k)" ] ||
		fail "$k differs"
done
# whatever went to rows or to map_full was IP, to the byte
ip='$1 ~ /^(attributed|unknown_as|map_full)$/ { p += $2; b += $3; w += $4 }
	END { printf "%.0f %.0f %.0f\n", p, b, w }'
[ "$(awk "$ip" "$work/sent")" = "$(awk "$ip" "$work/counted")" ] ||
	fail "the IP buckets do not add up to what was sent"
full=$(field "$work/counted" map_full | cut -d' ' -f1)
[ "$full" -gt 0 ] || fail "nothing was counted as map_full"
rows=$(awk '$1 == "pair"' "$work/counted" | wc -l)
room=$((1000 * 2 * $(nproc --all)))
[ "$rows" -le $room ] || fail "$rows pairs, room for 1,000 a bank and CPU"
# no row counts more than was sent for its pair
awk 'NR == FNR { if ($1 == "pair") s[$2 " " $3 " " $4] = $5; next }
	$1 == "pair" && $5 > s[$2 " " $3 " " $4] { bad = 1; print }
	END { exit bad }' "$work/sent" "$work/counted" ||
	fail "a row has packets of another pair"
echo "note: $(grep -c ^pair "$work/sent") pairs, $rows in rows," \
	"$full packets of 2000000 in map_full, sums exact"

# --- the daemon: a million keys more than there are rows, then quiet
conf() { # ROWS QUIET; no database, whose names would come a moment late
	cat >/etc/asmeter/asmeter.yaml <<-END
	local-as: 64500
	interfaces: [r0]
	overrides: $work/prefixes
	libloc: {use: never, database: /nowhere}
	drain-interval: 100ms
	counters: {rows: $1, quiet: $2}
	END
}
fresh() { # ROWS QUIET: with new maps
	"$B/asmeter" detach --all >/dev/null
	rm -f "$work"/flood*
	conf "$@"
	daemon_up
	wait_for 30 is 1050 api 'lookup?addr=20.0.50.1' .table_as || give_up "no table"
	scrape_begin
}
flood() { # SEED COUNT FRAMES HOSTS
	far "$gen" -i g0 -p -L 200 -s "$1" -n "$2" -t "$3" -a "$4" -e "$work/flood$1" \
		2>/dev/null || give_up "the generator failed"
}
port() { metric "asmeter_interface_receive_$1_total{interface=\"r0\"$2}"; }
map_full() { port unattributed_packets ',reason="map_full"'; }
seen() { echo "$(port packets '') $(port ip_bytes '') $(port wire_bytes '')"; }
sent() { grep -h ^seen "$work"/flood* | sum | cut -d' ' -f2-; }
all_seen() {
	wait_for 30 is "$(sent)" seen || give_up "sent $(sent), counted $(seen)"
}
# what REST says of the largest pairs and ASes, without the rates
rest() {
	api 'top?per=pair&when=total&n=1000' '.pairs[] | del(.. | .rate?, .rate_smooth?) | tojson'
	api 'top?when=total&n=1000' '.ases[] | del(.. | .rate?, .rate_smooth?) | tojson'
}
at_most() { [ "$("${@:2}")" -le "$1" ]; }

fresh 1001 1d
grep -v '^20\.0\.' "$work/hosts" >"$work/crowd"
grep '^20\.0\.[0-9]\.' "$work/hosts" >"$work/few"
for i in $(seq 36); do
	flood "$i" 32768 32768 "$work/crowd"
done
all_seen
keys=$(grep -h ^pair "$work"/flood* | cut -d' ' -f2-4 | sort -u | wc -l)
[ "$keys" -gt 1001000 ] || fail "$keys keys are not a million more than rows"
full=$(map_full)
[ "$full" -gt 0 ] || give_up "nothing was counted as map_full"
is 0 metric asmeter_map_freed_rows_total || give_up "busy rows were freed"
rest >"$work/before"
[ "$(wc -l <"$work/before")" -gt 1000 ] || give_up "REST: $(head -c 500 "$work/before")"
conf 1001 1s
kill -HUP "$keeper"
wait_for 60 at_most 400 metric asmeter_map_used_rows || give_up "no rows are freed"
freed=$(metric asmeter_map_freed_rows_total)
[ "$freed" -ge 875 ] || give_up "$freed rows are not those of a part"
grep -q 'freed [0-9]* rows of AS pairs that were quiet for 1 s' "$log" || give_up "it is not said"
rest | cmp -s - "$work/before" || give_up "REST has other totals: $(rest | diff - "$work/before" | head)"
# other pairs come, and all have rows
flood 100 20000 4000 "$work/few"
all_seen
is "$full" map_full || give_up "$(($(map_full) - full)) packets of new pairs found no row"
rest >"$work/before"
scrape_end
daemon_down
daemon_up
rest | cmp -s - "$work/before" || give_up "a restart changes totals: $(rest | diff - "$work/before" | head)"
is "$full" map_full || give_up "a restart changes map_full"
# and in maps of another size
daemon_down
conf 5000 1s
daemon_up
is 5000 metric asmeter_map_max_rows || give_up "the maps are the old ones"
rest | cmp -s - "$work/before" || give_up "other maps, other totals: $(rest | diff - "$work/before" | head)"
daemon_down
$ctl drain r0 rx | grep ^pair | sort >"$work/counted"
grep ^pair "$work/flood100" | sort >"$work/expected"
[ "$(comm -12 "$work/expected" "$work/counted" | wc -l)" = "$(wc -l <"$work/expected")" ] ||
	fail "of pairs that came later some are not exact"
echo "note: $keys keys for 1,000 rows, $full packets in map_full; $freed rows freed," \
	"$(wc -l <"$work/expected") new pairs exact"

# --- killed over it, at every stage: per pair nothing is lost or counted twice
fresh 32768 1s
# (test_past.c does it after each instruction; here it is the daemon and the kernel)
want=2 tries=16
[ "${SOAK:-0}" = 1 ] && want=50 tries=400
emptying=0 announcing=0 i=0
while [ $((emptying + announcing)) -lt $want ] && [ $i -lt $tries ]; do
	i=$((i + 1))
	# the same 31,000 pairs each time: seven of eight rows and more
	flood 7 300000 31000 "$work/crowd"
	mv "$work/flood7" "$work/flood-$i"
	what=$($ctl kill-freeing "$(meter_pid)" 10) || give_up "kill $i"
	case $what in
	emptying) emptying=$((emptying + 1)) ;;
	announcing) announcing=$((announcing + 1)) ;;
	esac
	wait_for 60 ready || give_up "no meter after kill $i"
done
[ $((emptying + announcing)) -gt 0 ] || give_up "of $i kills none hit the freeing"
all_seen
is 0 map_full || give_up "$(map_full) packets found no row"
scrape_end
daemon_down
sum "$work"/flood-* >"$work/expected"
$ctl drain r0 rx | sort >"$work/counted"
same "$work/expected" "$work/counted" "after $i kills"
echo "note: $i kills, $announcing before and $emptying while rows were emptied: exact for" \
	"$(grep -c ^pair "$work/counted") pairs"
