#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# One neighbour sends damaged messages by the million, and reconnects
# whenever it is thrown out; another stands beside it, with a short hold time.
# The other must not notice, memory stays bounded, and when the first behaves
# again its table is right to the last path. SOAK=1: 20 million.
# shellcheck disable=SC1091,SC2154 # "dir" and all functions come from there
. "$(dirname "$0")/bgp_lib.sh"

count=1000000
[ "${SOAK:-0}" = 1 ] && count=20000000
seed=$RANDOM
net_up
sink_start -a 64512 -i 10.0.0.1 -l 10.0.0.1 -l fd00::1 \
	-p "10.0.0.2,as=65001,passive=1,stale=3600" \
	-p "fd00::2,as=65002,passive=1,hold=6"
mkfifo "$dir/steady" "$dir/wild"
ip netns exec d "$B/tests/peers/bgp_speaker" -b fd00::2 -c fd00::1 -a 65002 \
	-p 192.88.99.0/24 <"$dir/steady" >"$dir/steady.log" 2>&1 &
exec 8>"$dir/steady"
wait_answer 20 192.88.99.1 "192.88.99.0/24 65020 via bgp fd00::2"
rss=$(ask mem | tr ' ' '\n' | sed -n 's/^maxrss_kb=//p')

echo "seed $seed"
ip netns exec d "$B/tests/peers/bgp_speaker" -b 10.0.0.2 -c 10.0.0.1 -a 65001 \
	-p 198.51.100.0/24 -n $count -s $seed \
	<"$dir/wild" >"$dir/wild.log" 2>&1 &
wild_pid=$!
exec 9>"$dir/wild"
done_sending() {
	grep -q ^sent "$dir/wild.log" || ! kill -0 $wild_pid 2>/dev/null
}
until_true $((count / 200)) done_sending || fail "the flood does not end"
grep -q ^sent "$dir/wild.log" || fail "the speaker gave up"
wait_field 20 10.0.0.2 eor6 1
expect 198.51.100.1 "198.51.100.0/24 65020 via bgp 10.0.0.2"
expect 192.88.99.1 "192.88.99.0/24 65020 via bgp fd00::2"
[ "$(ask count)" = "2 0" ] || fail "left in the RIB: $(ask count)"
[ "$(field fd00::2 flaps)" = 0 ] || fail "the other session flapped"

taw=$(field 10.0.0.2 treat_as_withdraw)
disc=$(field 10.0.0.2 attribute_discard)
reset=$(field 10.0.0.2 session_reset)
[ "$taw" -gt 1000 ] && [ "$disc" -gt 100 ] && [ "$reset" -gt 100 ] ||
	fail "no flood: $taw withdrawn, $disc discarded, $reset reset"
now=$(ask mem | tr ' ' '\n' | sed -n 's/^maxrss_kb=//p')
[ "$now" -lt $((rss + 65536)) ] || fail "memory: $rss kB before, $now kB after"
[ "$(ask mem | tr ' ' '\n' | sed -n 's/^attrs=//p')" = 2 ] ||
	fail "attribute sets left: $(ask mem)"
# The log of the flood is bounded too.
[ "$(wc -l <"$dir/sink.log")" -lt 1000 ] || fail "the log was flooded"
echo "note: $(cat "$dir/wild.log"), most of them damaged;" \
	"$(field 10.0.0.2 updates) read: $taw treated as" \
	"withdrawn, $disc attributes discarded, $reset sessions reset;" \
	"$((now - rss)) kB more memory, the other session 0 flaps"
finish
