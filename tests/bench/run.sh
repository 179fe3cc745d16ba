#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench: runs every benchmark of this folder, one after the other, and
# prints one table of ratios. A benchmark is a program (tests/bench/X.c) or a
# script (tests/bench/X.sh); it prints lines
#
#   name | ours | rival | value | min..max | goal | floor | note
#
# (tests/bench/bench.h) and ends with an error when what is compared does not
# give equal results. Values are medians of interleaved rounds, min..max their
# spread; they say something about this machine as it is now, so leave it alone
# meanwhile. Behind goal and floor stands which of them the median met.
#
# tests/bench/run.sh [NAME ...]         BENCH_QUICK=1: some minutes
set -u
cd "$(dirname "$0")/../.." || exit 1
export B=${B:-build}
rc=0

if [ "$(id -u)" != 0 ]; then
	echo "tests/bench/run.sh: needs root (BPF, network namespaces)" >&2
	exit 1
fi
if [ $# -eq 0 ]; then
	for f in tests/bench/*.c tests/bench/*.sh; do
		case $f in *.bpf.c | */run.sh) continue ;; esac
		f=${f##*/}
		set -- "$@" "${f%.*}"
	done
fi

# A C file that a script of the same name drives is not run by itself.
command_of() {
	if [ -e "tests/bench/$1.sh" ]; then
		echo "tests/bench/$1.sh"
	else
		echo "$B/tests/bench/$1"
	fi
}

line='%-38s %10s %11s %7s %14s %8s %7s %-5s  %s\n'
# shellcheck disable=SC2059
printf "$line" name ours rival value min..max goal floor met note
done_already=' '
for name; do
	case $done_already in *" $name "*) continue ;; esac
	done_already="$done_already$name "
	unshare --net --mount --pid --fork --kill-child \
		--propagation private tests/isolate.sh "$(command_of "$name")" |
		awk -F ' *[|] *' -v line="$line" '
			function within(limit) {
				split(limit, l, " ")
				return l[1] == ">=" ? $4 + 0 >= l[2] + 0 : $4 + 0 <= l[2] + 0
			}
			NF < 8 { print; next }
			{
				met = ""
				if ($6 != "")
					met = within($6) ? "goal" : within($7) ? "floor" : "NO"
				printf line, $1, $2, $3, $4, $5, $6, $7, met, $8
				fflush()
			}'
	if [ "${PIPESTATUS[0]}" != 0 ]; then
		echo "tests/bench/$name failed"
		rc=1
	fi
done
exit $rc
