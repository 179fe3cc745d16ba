#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# From an older release, with its own daemon, program, pins and maps, to this
# one while packets come: none is uncounted, every total goes on from where it
# was, the links are the same and the interface sees nothing of it. The older one
# is built from the history of this repository: it is of before sampling, and
# has fewer maps. Stopped as an upgrade does, killed, with other sizes of the
# maps at the same time, and rolled back in between.
. tests/net/lib.sh
old=b8855c50a1c95bf55df8bdd8e271f6cd4f8cbaad
n=150000 # packets a batch
pins=/sys/fs/bpf/asmeter

history() { git -c safe.directory="$PWD" "$@"; }
history cat-file -e "$old^{commit}" 2>/dev/null ||
	fail "commit $old is not here: this test needs the whole history (git fetch --unshallow), and git"
mkdir "$work/old"
history archive "$old" | tar -x -C "$work/old"
make -s -C "$work/old" B="$work/old/build" bins >"$work/make" 2>&1 ||
	fail "the older release does not build: $(tail -n 20 "$work/make")"

daemon_user
rig
addresses 30
# conf ROWS
conf() {
	cat >/etc/asmeter/asmeter.yaml <<-END
	local-as: 64500
	interfaces: [r0]
	overrides: $work/prefixes
	libloc: {use: never}
	drain-interval: 100ms
	counters: {rows: $1}
	END
}
present=$B
older() { B=$work/old/build; }
newer() { B=$present; }
link_ids() {
	for l in $pins/links/*; do
		bpftool -j link show pinned "$l" | jq -c '[.id, .type]'
	done
}
rows() { bpftool -j map dump pinned $pins/asm_state | jq '.[0].formatted.value.rows'; }
prog_id() { bpftool -j link show pinned $pins/links/r0-xdp | jq .prog_id; }
has_table() { wait_for 30 is 1020 api 'lookup?addr=20.0.20.1' .table_as || give_up "$op: no table"; }
batches() { wc -l <"$work/batches"; }
more() { [ "$(batches)" -ge "$1" ]; }
# a batch that began after this is whole
another() { wait_for 120 more $(($(batches) + 2)) || give_up "$op: the sender is stuck"; }
total() {
	local m out=
	for m in packets ip_bytes wire_bytes; do
		out="$out $(metric "asmeter_interface_receive_${m}_total{interface=\"r0\"}")"
	done
	echo "${out# }"
}
# becomes HOW: the daemon that runs ends, and the one of $B comes
becomes() {
	local before
	before=$(prog_id)
	if [ "$1" = killed ]; then
		kill -9 "$keeper"
		wait "$keeper" 2>/dev/null || true
	else
		daemon_down
	fi
	daemon_up
	[ "$(prog_id)" != "$before" ] || give_up "$op: the program is the old one"
	link_ids | cmp -s - "$work/links" || give_up "$op: a link was made anew"
	has_table
	another
}

# begin ROWS: the older release runs; packets come
begin() {
	rm -f "$work"/sent* "$work/enough"
	: >"$work/batches"
	conf "$1"
	older
	daemon_up
	has_table
	[ ! -e $pins/asm_sampler ] || fail "the older release is none: it samples"
	link_ids >"$work/links"
	events_begin
	scrape_begin
	(
		i=0
		while [ ! -e "$work/enough" ]; do
			i=$((i + 1))
			far "$gen" -i g0 -n $n -a "$work/hosts" -s $i \
				-e "$work/sent$i" 2>/dev/null || exit 1
			echo $i >>"$work/batches"
		done
	) &
	sender=$!
	another
}
finish() {
	local want
	touch "$work/enough"
	wait $sender || give_up "$op: the generator failed"
	settle
	sum "$work"/sent[0-9]* >"$work/sent"
	want=$(awk '$1 == "seen" { print $2, $3, $4 }' "$work/sent")
	wait_for 20 is "$want" total || give_up "$op: sent $want, counted $(total)"
	is 0 metric asmeter_books_difference || give_up "$op: the books differ"
	scrape_end
	events_none "$op"
	daemon_down
	$ctl drain r0 rx | sort >"$work/counted"
	same "$work/sent" "$work/counted" "$op"
	echo "note: $op: $(cut -d' ' -f1 <<<"$want") packets, all counted once"
	"$present/asmeter" detach --all >/dev/null
	rm -rf ${pins:?} /var/lib/asmeter/*
}

for op in "stopped, then this one" "killed, then this one"; do
	begin 65536
	newer
	becomes "${op%%,*}"
	[ -e $pins/asm_sampler ] || give_up "$op: its new maps are not there"
	finish
done
for wanted in 16384 262144; do
	op="$wanted rows instead of 65536"
	begin 65536
	newer
	conf $wanted
	before=$(rows)
	becomes stopped
	[ "$(rows)" != "$before" ] || give_up "$op: $before rows as before"
	finish
done
op="rolled back and upgraded again"
begin 65536
newer
becomes stopped
older
becomes stopped
newer
becomes killed
finish
