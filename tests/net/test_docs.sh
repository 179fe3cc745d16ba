#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What ships beside the programs is well-formed, and names nothing that does
# not exist: Prometheus files, manual pages, completion.
set -eu
fail() {
	echo "FAILED: $*"
	exit 1
}

for f in scripts/prometheus/rules.yml scripts/prometheus/alerts.yml; do
	promtool check rules "$f" || fail "$f"
done
promtool check config --syntax-only scripts/prometheus/scrape.yml ||
	fail "scrape.yml"
used=$(grep -h -v 'record:' scripts/prometheus/*.yml |
	grep -o -E '\b(asmeter|flow)_[a-z0-9_]+' | sort -u)
[ "$(echo "$used" | wc -l)" -ge 10 ] || fail "no metrics found in the rules"
for m in $used; do
	grep -q "^\*$m\*" scripts/man/asmeter-metrics.7.scd ||
		fail "the rules use $m, which asmeter does not have"
done

for f in scripts/man/*.scd; do
	scdoc <"$f" >/run/page || fail "scdoc $f"
	LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l /run/page 2>/run/warnings >/dev/null
	[ ! -s /run/warnings ] || fail "$f: $(cat /run/warnings)"
done

bash -n scripts/asmeter.bash || fail "completion"
# shellcheck disable=SC1091
. scripts/asmeter.bash
complete -p asmeter >/dev/null || fail "completion is not registered"
completes() { # WANT WORD...: the last word is completed to WANT
	local want=$1
	shift
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_asmeter
	[ "${COMPREPLY[*]}" = "$want" ] ||
		fail "completion of $*: ${COMPREPLY[*]} instead of $want"
}
completes status asmeter sta
completes lo asmeter detach lo
completes native asmeter attach lo --mode na
completes --pairs asmeter top --p

# The client's own help against its manual page and the completion.
B=${B:-build}
verbs=$("$B/asmeter" help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
options=$("$B/asmeter" help | grep -o -E -- '--[a-z]+' | sort -u)
[ "$(echo "$verbs" | wc -l)" -ge 12 ] || fail "asmeter help: no verbs found"
[ "$(echo "$options" | wc -l)" -ge 10 ] || fail "asmeter help: no options found"
for w in $verbs; do
	grep -q "^\*$w\*\|^.*, \*$w\*$" scripts/man/asmeter.1.scd ||
		fail "asmeter(1) lacks the verb $w"
	grep -q "verbs='.*\b$w\b" scripts/asmeter.bash || fail "completion lacks $w"
done
for w in $options; do
	grep -q -- "\*$w\*" scripts/man/asmeter.1.scd || fail "asmeter(1) lacks $w"
	grep -q -- "$w" scripts/asmeter.bash || fail "completion lacks $w"
done
for w in $("$B/asmeterd" --help | grep -o -E -- '--[a-z-]+' | sort -u); do
	grep -q -- "\*$w\*" scripts/man/asmeterd.8.scd || fail "asmeterd(8) lacks $w"
done
sed -n 's/.*\(EXIT_[A-Z]*\) = \([0-9]*\),.*/\2/p' user/daemon/exits.h | while read -r n; do
	grep -q "^\*$n\*$" scripts/man/asmeterd.8.scd ||
		fail "asmeterd(8) lacks exit status $n"
done

scripts/lint.sh || fail "lint"
