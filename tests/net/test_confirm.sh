#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# `asmeter attach --confirm`: off again by itself, whatever becomes of the
# shell it was typed in, unless somebody who may has confirmed.
. tests/net/lib.sh
rig 1500
addresses 10
pins=/sys/fs/bpf/asmeter
asmeter=$B/asmeter

metered() { [ -e $pins/links/r0-xdp ] && [ -e $pins/links/r0-egress ]; }
off() { [ -z "$(ls -A $pins/links 2>/dev/null)" ] && ! ip -d link show r0 | grep -q prog/xdp; }
waits() { grep -q '@asmeter-confirm/r0$' /proc/net/unix; }
nobody() { ! waits; }
# refused CODE PATTERN COMMAND...
refused() {
	local code=$1 pattern=$2 out rc=0
	shift 2
	out=$("$@" 2>&1) || rc=$?
	[ $rc = "$code" ] || fail "$*: exit code $rc instead of $code: $out"
	grep -q "$pattern" <<<"$out" || fail "$*: $out"
	[ "$(wc -l <<<"$out")" = 1 ] || fail "$*: more than one line: $out"
}

# --- not confirmed: off, and only then
"$asmeter" attach r0 --confirm 3 | grep -q 'taken off in 3 s unless: asmeter confirm r0' ||
	fail "it does not say how to confirm"
metered || fail "not attached"
waits || fail "nobody waits"
refused 1 'waiting to be confirmed already\|metered already' "$asmeter" attach r0 --confirm 3
wait_for 20 off || fail "not taken off"
wait_for 10 nobody || fail "the guard stays"
refused 1 'nothing waits to be confirmed' "$asmeter" confirm r0

# --- confirmed: stays
"$asmeter" attach r0 --confirm 2 >/dev/null
"$asmeter" confirm r0 | grep -q 'stays metered' || fail "not confirmed"
wait_for 10 nobody || fail "the guard stays"
"$asmeter" attach r0 --confirm 86400 2>/dev/null && fail "what was attached can be lost"
waits && fail "a refused attach leaves a guard"
far "$gen" -i g0 -n 100 -a "$work/hosts" -m packet >/dev/null 2>&1
settle
[ "$($ctl drain r0 rx | awk '$1 == "seen" { print $2 }')" = 100 ] || fail "it does not count"
"$asmeter" detach r0 >/dev/null

# --- the connection breaks: the terminal is gone, the shell killed
script -qec "$asmeter attach r0 --confirm 3; kill -9 \$\$" /dev/null >/dev/null 2>&1 || true
metered || fail "not attached from a terminal"
wait_for 20 off || fail "a broken connection leaves it attached"

# --- all processes of the session are told to end: off at once
"$asmeter" attach r0 --confirm 3600 >/dev/null
guard=$(pgrep -xf "$asmeter attach r0 --confirm 3600") || fail "no guard"
[ -z "$(find /proc/"$guard"/fd -lname '/dev/pts*' -o -lname 'pipe:*')" ] ||
	fail "the guard holds the shell's descriptors: $(ls -l /proc/"$guard"/fd)"
kill "$guard"
wait_for 20 off || fail "SIGTERM leaves it attached"

# --- a refused attach leaves no guard; others may not confirm or pretend
refused 1 'no interface "r1"' "$asmeter" attach r1 --confirm 5
grep -q '@asmeter-confirm' /proc/net/unix && fail "a guard of nothing"
refused 2 'must be a number from 1 to 86400' "$asmeter" attach r0 --confirm 0
refused 2 'must be a number from 1 to 86400' "$asmeter" attach r0 --confirm 1e9
refused 2 'an option that' "$asmeter" detach r0 --confirm 5
"$asmeter" attach r0 --confirm 3600 >/dev/null
refused 4 'run it as root' setpriv --reuid 65534 --clear-groups "$asmeter" confirm r0
waits || fail "a user has ended the guard"
metered || fail "a user has detached"
"$asmeter" confirm r0 >/dev/null
"$asmeter" detach r0 >/dev/null
python3 -c 'import os, socket, time
os.setuid(65534)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("\0asmeter-confirm/r0"); s.listen(); time.sleep(600)' &
fake=$!
wait_for 10 waits
refused 4 'run it as root' "$asmeter" confirm r0
refused 1 'waiting to be confirmed already' "$asmeter" attach r0 --confirm 5
kill $fake
wait $fake 2>/dev/null || true
off || fail "something is left attached"
"$asmeter" detach --all >/dev/null
[ ! -e $pins ] || fail "left: $(ls -R $pins)"
echo "note: confirmed stays, everything else ends detached"
