#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# make lint: what a compiler does not see. Prints each finding; exit 1 when
# there is one. Formatting is only reported (LINT_FORMAT=1: it counts).
set -eu
cd "$(dirname "$0")/.."
found=0

complain() {
	echo "$*"
	found=$((found + 1))
}

# What a directory of user/ may include; see the table of the layout.
allowed() {
	case $1 in
	base) echo 'base' ;;
	kernel) echo 'base kernel asmeter' ;;
	route) echo 'base route asmeter' ;;
	flow) echo 'base route flow asmeter' ;;
	export) echo 'base route flow export asmeter' ;;
	api) echo 'base kernel route flow export api asmeter' ;;
	*) echo 'base kernel route flow export api daemon cli asmeter' ;;
	esac
}

check_includes() {
	for dir in user/*/; do
		dir=$(basename "$dir")
		may=" $(allowed "$dir") "
		for f in "user/$dir"/*.[ch]; do
			[ -e "$f" ] || continue
			for inc in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$f" | sort -u); do
				case $may in
				*" $inc "*) ;;
				*) complain "$f: user/$dir must not include $inc/" ;;
				esac
			done
		done
	done
	for f in bpf/*.[ch] include/asmeter/*.h; do
		[ -e "$f" ] || continue
		for inc in $(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$f" | sort -u); do
			[ "$inc" = asmeter ] || complain "$f: must not include $inc/"
		done
	done
}

sources() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files
	else
		find . -type f ! -path './build*' | sed 's,^\./,,'
	fi
}

check_licences() {
	for f in $(sources | grep -E '\.(c|h|sh|py|scd|service|yaml|yml|bash)$'); do
		[ -e "$f" ] || continue
		head -n 5 "$f" | grep -q 'SPDX-License-Identifier:' ||
			case $f in
			scripts/asmeter.yaml) ;; # the user's file
			*) complain "$f: no SPDX line" ;;
			esac
		case $f in
		bpf/* | include/*)
			head -n 2 "$f" | grep -q 'BSD-2-Clause OR GPL-2.0-only' ||
				complain "$f: bpf/ and include/ are BSD-2-Clause OR GPL-2.0-only"
			;;
		esac
	done
}

# The kernel cuts names of maps and programs after 15 characters.
check_bpf_names() {
	for f in $(sources | grep '\.bpf\.c$'); do
		for name in $(sed -n -e 's/^} \([a-z0-9_]*\) SEC("\.maps").*/\1/p' \
			-e '/^SEC("[a-z]/{n;s/^int \([a-z0-9_]*\)(.*/\1/p;}' "$f"); do
			[ ${#name} -le 15 ] ||
				complain "$f: $name is longer than 15 characters"
		done
	done
}

check_shell() {
	command -v shellcheck >/dev/null || {
		complain "shellcheck is not installed (make deps)"
		return
	}
	# shellcheck disable=SC2046
	# variables and arguments that go between a script and what it sources
	shellcheck -S warning -e SC2034,SC2154,SC2119,SC2120 $(sources | grep -E '\.(sh|bash)$') .ci/run ||
		found=$((found + 1))
}

check_format() {
	n=0
	for f in $(sources | grep -E '\.[ch]$'); do
		[ -e "$f" ] || continue
		clang-format --dry-run -Werror "$f" 2>/dev/null || {
			n=$((n + 1))
			[ -z "${LINT_FORMAT:-}" ] || complain "$f: clang-format"
		}
	done
	[ "$n" = 0 ] || echo "note: clang-format would change $n files"
}

check_includes
check_licences
check_bpf_names
check_shell
check_format
[ "$found" = 0 ] && echo "lint: nothing found"
