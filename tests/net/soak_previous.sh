#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# From older releases, with their own daemon, program, pins and maps, to this
# one while packets come: none is uncounted, every total goes on from where it
# was, the links are the same and the interface sees nothing of it. They are
# built from the history of this repository. Stopped as an upgrade does, killed,
# with other sizes of the maps at the same time, and gone back to in between.
. tests/net/lib.sh
n=150000 # packets a batch
pins=/sys/fs/bpf/asmeter

history() { git -c safe.directory="$PWD" "$@"; }
# release COMMIT: what older() is from here on
release() {
	old=$work/$1
	history cat-file -e "$1^{commit}" 2>/dev/null ||
		fail "commit $1 is not here: this test needs the whole history (git fetch --unshallow), and git"
	mkdir "$old"
	history archive "$1" | tar -x -C "$old"
	make -s -C "$old" B="$old/build" bins >"$work/make" 2>&1 ||
		fail "$1 does not build: $(tail -n 20 "$work/make")"
}

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
older() { B=$old/build; }
newer() { B=$present; }
link_ids() {
	for l in $pins/links/*; do
		bpftool -j link show pinned "$l" | jq -c '[.id, .type]'
	done
}
state() { bpftool -j map dump pinned $pins/asm_state | jq ".[0].formatted.value.$1"; }
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

# there HOW, back HOW: to this release, to the older one
there() {
	newer
	becomes "$1"
	[ "$(state homes)" = "$(($(state rows) - 1))" ] || give_up "$op: not all rows are homes"
}
back() {
	older
	becomes "$1"
	[ "$(state homes)" != "$(($(state rows) - 1))" ] || give_up "$op: the maps are not its own"
}

# --- of before sampling: it has fewer maps, and does not know how to move them
release b8855c50a1c95bf55df8bdd8e271f6cd4f8cbaad
for how in stopped killed; do
	op="before sampling, $how, then this one"
	begin 65536
	[ ! -e $pins/asm_sampler ] || fail "$op: it samples"
	there $how
	[ -e $pins/asm_sampler ] || give_up "$op: its new maps are not there"
	finish
done
for wanted in 16384 262144; do
	op="$wanted rows instead of 65536"
	begin 65536
	conf $wanted
	there stopped
	is $wanted metric asmeter_map_max_rows || give_up "$op: $(state rows) rows"
	finish
done
op="one that cannot be gone back to"
begin 65536
there stopped
daemon_down
older
! "$B/asmeterd" >"$work/refused" 2>&1 || fail "$op: it came up, and ended"
grep -q 'detach --all' "$work/refused" || fail "$op: $(cat "$work/refused")"
newer
daemon_up
finish

# --- that move the counts, and do not know asm_past; that know it, and no homes;
# that have fewer homes
for commit in d2cd4ac7 37b71c4e 8207c8f6; do
	release "$(history rev-parse $commit)"
	for how in stopped killed; do
		op="$commit, there and back and there again, $how"
		begin 65536
		there $how
		back $how
		there $how
		finish
	done
	op="$commit, back to other sizes, there to others"
	begin 65536
	there killed
	conf 32768
	back killed
	conf 131072
	there killed
	finish
done
