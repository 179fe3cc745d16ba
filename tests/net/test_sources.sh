#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The files behind the table and the names: damaged ones are told and change
# nothing, neither the start nor what was read before; good ones are taken at
# the next reload. Own prefixes and overrides win.
# shellcheck disable=SC2317  # functions are called through wait_for
set -u
B=${B:-build}
conf=/etc/asmeter/asmeter.yaml
log=/run/asmeterd.log
sock=/run/asmeter/asmeter.sock
real=/usr/share/libloc-location/location.db

fail() {
	echo "FAILED: $*"
	sed 's/^/  log: /' $log | tail -n 30
	exit 1
}

wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

api() { curl -sf --unix-socket $sock "http://x/api/v1/$1" | jq -r "$2"; }
is() { [ "$("${@:2}")" = "$1" ]; }
who() { api "lookup?addr=$1" '"\(.table_as) \(.as_name) \(.source)"'; }
reload() {
	: >$log
	kill -HUP $keeper
	wait_for 10 grep -q 'the meter runs with the new' $log || fail "reload"
}

groupadd --system asmeter 2>/dev/null
id asmeter >/dev/null 2>&1 ||
	useradd --system -g asmeter -d / -M -s /usr/sbin/nologin asmeter
mkdir -p /etc/asmeter /run/data
chmod 755 /run/data
cat >$conf <<X
local-as: 64512
own-prefixes: [192.0.2.0/24, 8.8.4.0/24]
overrides: /run/data/overrides
libloc: {database: /run/data/location.db}
as-names:
  file: /run/data/names
  overrides: {64512: Us, 64666: Named in the configuration}
X
# nothing of it is any good
head -c 3000000 $real >/run/data/location.db
printf '10.0.0.0/8 64777\n10.0.0.1/8 64778\n' >/run/data/overrides
head -c 100000 /dev/urandom >/run/data/names
t0=$EPOCHREALTIME
"$B/asmeterd" >$log 2>&1 &
keeper=$!
wait_for 20 grep -q '>up:' $log || fail "damaged files keep it from starting"
echo "note: up with three damaged files after $(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }') s"
wait_for 10 grep -q '<4>.*/run/data/location.db: damaged' $log || fail "libloc: no warning"
wait_for 10 grep -q '<4>.*/run/data/overrides:2: ' $log || fail "overrides: no warning"
wait_for 10 grep -q '<4>.*/run/data/names' $log || fail "names: no warning"
wait_for 10 is '64512 Us own prefix' who 192.0.2.1 || fail "own prefix: $(who 192.0.2.1)"
is 0 api status .libloc.prefixes_ipv4 || fail "a damaged database was used"
is none api status .table.source || is null api status .table.source ||
	echo "note: source $(api status .table.source)"

# good ones, at the next reload
cp $real /run/data/location.db
printf '8.8.0.0/16 64666\n8.8.8.0/24 AS64777 # more specific\n8.8.4.0/24 64779\n' >/run/data/overrides
echo '64777 SEVENS - Sevens Ltd, XX' >/run/data/names
reload
wait_for 20 is libloc api status .table.source || fail "libloc is not read"
wait_for 10 is '13335 CLOUDFLARENET libloc' who 1.1.1.1 || fail "libloc: $(who 1.1.1.1)"
is '64777 SEVENS - Sevens Ltd override' who 8.8.8.8 || fail "override: $(who 8.8.8.8)"
is '64666 Named in the configuration override' who 8.8.7.7 || fail "override: $(who 8.8.7.7)"
is '64512 Us own prefix' who 8.8.4.4 || fail "own prefix before override: $(who 8.8.4.4)"
[ ! -s $log ] || ! grep -q '<4>' $log || fail "a warning about good files"

# a meter that is new has the names in its first answer: they are labels
pkill -9 -P $keeper
name=
until [ -n "$name" ]; do
	[ $SECONDS -lt 120 ] || fail "no meter again"
	name=$(api as/13335 '"\(.as) \(.as_name)"')
done
[ "$name" = '13335 CLOUDFLARENET' ] || fail "the first answer of a new meter: $name"
wait_for 60 is libloc api status .table.source || fail "libloc is not read again"
wait_for 60 is '64777 SEVENS - Sevens Ltd override' who 8.8.8.8 || fail "override: $(who 8.8.8.8)"

# damaged again: what was read before stays
head -c 1000000 $real >/run/data/location.db
echo 'nonsense' >/run/data/overrides
rm /run/data/names
reload
wait_for 10 grep -q '<4>.*location.db: damaged.*stays' $log || fail "libloc: no warning"
wait_for 10 grep -q '<4>.*overrides:1: .*stay' $log || fail "overrides: no warning"
wait_for 10 grep -q '<4>.*names: No such file' $log || fail "names: no warning"
is '13335 CLOUDFLARENET libloc' who 1.1.1.1 || fail "libloc was lost: $(who 1.1.1.1)"
is '64777 SEVENS - Sevens Ltd override' who 8.8.8.8 || fail "lost: $(who 8.8.8.8)"

# taken out of the configuration: gone
cat >$conf <<X
local-as: 64512
libloc: {use: never}
X
reload
wait_for 10 is 'false null' api 'lookup?addr=1.1.1.1' '"\(.found) \(.table_as)"' ||
	fail "libloc stays: $(who 1.1.1.1)"
wait_for 10 is 'false null' api 'lookup?addr=8.8.8.8' '"\(.found) \(.table_as)"' ||
	fail "overrides stay: $(who 8.8.8.8)"
kill -TERM $keeper
wait $keeper || fail "SIGTERM: $?"
