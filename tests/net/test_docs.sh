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
COMP_WORDS=(asmeter sta) COMP_CWORD=1
_asmeter
[ "${COMPREPLY[*]}" = status ] || fail "completion of sta: ${COMPREPLY[*]}"

scripts/lint.sh || fail "lint"
