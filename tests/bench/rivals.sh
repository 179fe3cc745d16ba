#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who sees every packet? The same traffic at full generator speed into an
# interface that is metered by asmeter, by pmacctd or by softflowd, one after
# the other, interleaved. Columns: share of the packets seen; value: that of asmeter. All get
# the AS of both sides, softflowd flows per address pair only. asmeter has to
# be exact, or the benchmark fails. The speed that the generator reaches
# beside each is in the note: who slows it down gets fewer packets a second.
. tests/net/lib.sh
rounds=9 packets=2000000
[ -n "${BENCH_QUICK:-}" ] && rounds=2 packets=1000000
rig 1500
ethtool -K r0 gro on >/dev/null # NAPI, which redirected frames need
addresses 1000

# send: returns what the generator said, "Mpps"
send() {
	far taskset 1 "$gen" -i g0 -n "$packets" -a "$work/hosts" -p -s 5 \
		-t 8192 -e "$work/sent" 2>"$work/speed"
	sed 's/.*, \([0-9.]*\) Mpps/\1/' "$work/speed"
}
share() { awk -v n="$1" -v of="$packets" 'BEGIN { printf "%.2f", 100 * n / of }'; }

asmeter_run() {
	$ctl load >/dev/null
	$ctl table "$work/prefixes"
	$ctl attach r0 >/dev/null
	mpps=$(send)
	$ctl drain r0 rx | sort >"$work/counted"
	sort "$work/sent" >"$work/sent.sorted"
	same "$work/sent.sorted" "$work/counted" "asmeter"
	$ctl detach r0
	$ctl unpin
	seen=100.00
}

awk '{ print $2 "," $1 }' "$work/prefixes" >"$work/networks"
cat >"$work/pmacctd.conf" <<X
daemonize: false
pcap_interface: r0
promisc: true
pmacctd_pipe_size: 67108864
plugins: memory[m]
aggregate[m]: src_as, dst_as
pmacctd_as: file
networks_file: $work/networks
networks_cache_entries: 1000003
imt_path[m]: $work/pmacct.pipe
imt_buckets: 65537
imt_mem_pools_number: 0
plugin_pipe_size: 268435456
plugin_buffer_size: 65536
logfile: $work/pmacctd.log
X
pmacctd_run() {
	rm -f "$work/pmacct.pipe"
	pmacctd -f "$work/pmacctd.conf" >/dev/null 2>&1 &
	local pid=$!
	must 10 test -S "$work/pmacct.pipe"
	sleep 1
	mpps=$(send)
	sleep 2
	seen=$(share "$(pmacct -p "$work/pmacct.pipe" -s -O csv |
		awk -F, 'NR > 1 { n += $(NF - 1) } END { printf "%.0f", n }')")
	kill -INT $pid
	wait $pid 2>/dev/null || true
}

softflowd_run() {
	rm -f "$work/soft.ctl"
	softflowd -d -i r0 -T ip -6 -m 1000000 -B 67108864 -c "$work/soft.ctl" \
		-p "$work/soft.pid" >/dev/null 2>&1 &
	local pid=$!
	must 10 test -S "$work/soft.ctl"
	sleep 1
	mpps=$(send)
	sleep 2
	seen=$(share "$(softflowctl -c "$work/soft.ctl" statistics |
		awk '/^Packets processed/ { print $NF }')")
	kill -TERM $pid
	wait $pid 2>/dev/null || true
}

for _ in $(seq "$rounds"); do
	for who in asmeter pmacctd softflowd; do
		${who}_run
		[ "${seen%.*}" -gt 0 ] || fail "$who saw nothing: is it set up?"
		echo "$seen $mpps" >>"$work/$who"
	done
done

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ours=$(cut -d' ' -f2 "$work/asmeter" | median)
for who in pmacctd softflowd; do
	sort -n "$work/$who" >"$work/sorted"
	theirs=$(cut -d' ' -f1 "$work/sorted" | median)
	speed=$(cut -d' ' -f2 "$work/$who" | median)
	awk -v who="$who" -v t="$theirs" -v ours="$ours" -v speed="$speed" \
		-v n="$packets" 'NR == 1 { max = 100 / $1 } { min = 100 / $1 }
	END { printf "packets seen, vs %s | 100 %% | %.1f %% | 100 | 100..100 | >= 100 | >= 100 | %.1fx (%.1f..%.1f); %.0f M packets; Mpps reached: %.2f beside asmeter, %.2f beside it\n",
		who, t, 100 / t, min, max, n / 1e6, ours, speed }' "$work/sorted"
done
