#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The table is exchanged 50 times under load. The AS numbers of the two tables
# differ by one million, so a lookup that neither table would give shows.
. tests/net/lib.sh
rig
addresses 4000 1000000
mv "$work/prefixes" "$work/b"
addresses 4000
mv "$work/prefixes" "$work/a"
$ctl load
$ctl table "$work/a"
$ctl attach r0 >/dev/null

far "$gen" -i g0 -n 10000000 -a "$work/hosts" -p -s 11 -e "$work/sent" \
	2>"$work/speed" &
sender=$!
$ctl swap "$work/a" "$work/b" 50 20 >"$work/swaps"
kill -0 $sender || fail "the load ended before the swaps"
wait $sender || fail "the generator failed"
settle
$ctl drain r0 rx >"$work/counted"
[ "$(awk '$1 == "seen"' "$work/sent")" = \
	"$(awk '$1 == "seen"' "$work/counted")" ] || fail "totals differ; the rig lost $(lost)"

# Folded back by the million, each side of each row must be one that was sent,
# and per pair the packets of both tables must add up to what was sent. A
# packet may meet the old table with one address and the new one with the
# other. AS numbers: 1000.. 100000.. 200000.. and 4200000000.. (see lib.sh)
awk 'function fold(as) {
		if (as >= 4201000000 || (as >= 1001000 && as < 4000000000))
			{ moved++; return sprintf("%.0f", as - 1000000) }
		return as
	}
	NR == FNR { if ($1 == "pair") s[$2 " " $3 " " $4] = $5 " " $6 " " $7; next }
	$1 == "pair" { moved = 0
		k = fold($2) " " fold($3) " " $4
		if ($2 && $3 && moved == 2) new += $5
		p[k] += $5; b[k] += $6; w[k] += $7 }
	END {
		for (k in p) if (s[k] != sprintf("%.0f %.0f %.0f", p[k], b[k], w[k]))
			if (++bad < 10)
				print "pair", k, "sent", s[k], "counted", p[k], b[k], w[k]
		for (k in s) if (!(k in p)) bad++
		print "note: wrong attributions", bad + 0 ", by the new table", new + 0
		exit bad || !new
	}' "$work/sent" "$work/counted" || fail "wrong attributions"
echo "note: $(cat "$work/swaps"), $(sed 's/^gen: //' "$work/speed")"
