#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ten thousand pairs and room for 1,000 a bank and CPU: what finds no row is counted as
# map_full, and the sums stay exact.
. tests/net/lib.sh
rig
addresses 2000
$ctl load 1001 128
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
