#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds and runs every test; one line each, the output of what failed, and at
# the end "N passed, N failed". --soak adds the long forms.
#
# tests/run.sh [--soak] [LAYER ...]     layers: see `layers` below; a soak_*.sh
# is too long for anything but --soak
# Every test outside tests/unit runs as root in its own network and mount
# namespace with its own /sys/fs/bpf and /run, so nothing it makes survives it.
set -u
cd "$(dirname "$0")/.." || exit 1
layers="unit asan bpf fuzz net peers vm"
soak=0
[ "${1:-}" = --soak ] && { soak=1; shift; }
[ $# -gt 0 ] && layers="$*"
B=${B:-build}
passed=0 failed=0 failures=

if [ "$(id -u)" != 0 ]; then
	echo "tests/run.sh: needs root (BPF, network namespaces); run it with sudo" >&2
	exit 1
fi
export CI=${CI:-} SOAK=$soak B
logs=$(mktemp -d "${TMPDIR:-/tmp}/asmeter-test.XXXXXX")
trap 'rm -rf "$logs"' EXIT

# run NAME TIMEOUT COMMAND...
run() {
	local name=$1 limit=$2 log t0 rc
	shift 2
	log=$logs/$(echo "$name" | tr / _)
	t0=$SECONDS
	timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null
	rc=$?
	if [ $rc = 0 ]; then
		passed=$((passed + 1))
		printf 'ok    %-44s %4ds\n' "$name" $((SECONDS - t0))
		grep -h '^note: ' "$log" | sed 's/^/      /'
	else
		failed=$((failed + 1))
		failures="$failures $name"
		printf 'FAIL  %-44s %4ds (exit %d%s)\n' "$name" $((SECONDS - t0)) \
			$rc "$([ $rc = 124 ] && echo ', timed out')"
		sed 's/^/      | /' "$log" | tail -n 60
	fi
}

# Its own namespaces: network, mounts (bpffs, /run), processes.
isolated=(unshare --net --mount --pid --fork --kill-child
	--propagation private tests/isolate.sh)

has() { case " $layers " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

make -s -j"$(nproc)" B="$B" tools || { echo "the build failed"; exit 1; }
if has asan || has fuzz || has net; then # test_http_fuzz.sh
	make -s -j"$(nproc)" B="$B-asan" SAN=address,undefined tools ||
		{ echo "the sanitizer build failed"; exit 1; }
fi
if has unit; then
	# what gcc lets pass; every warning counts
	run build/clang 600 \
		make -s -j"$(nproc)" B="$B-clang" CC=clang-14 CI=1 all
	for t in tests/unit/test_*.c; do
		n=${t%.c}
		run "$n" 300 "$B/$n" --jobs 2
	done
fi
if has asan; then
	for t in tests/unit/test_*.c; do
		n=${t%.c}
		ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
			run "asan/$n" 900 "$B-asan/$n" --jobs 2
	done
fi
if has fuzz; then
	for t in tests/fuzz/fuzz_*.c; do
		n=${t%.c}
		ASAN_OPTIONS=abort_on_error=1 \
			run "$n" 300 "$B-asan/$n" "tests/fuzz/corpus/$(basename "$n")"
	done
	[ $soak = 0 ] || run "fuzz" 14400 tests/fuzz/run.sh
fi
if has bpf; then
	for t in tests/bpf/test_*.c; do
		n=${t%.c}
		run "$n" 600 "${isolated[@]}" "$B/$n" --jobs 1
	done
fi
for layer in net peers vm; do
	has $layer || continue
	for t in tests/$layer/test_*.sh tests/$layer/soak_*.sh; do
		[ -e "$t" ] || continue
		case $t in */soak_*) [ $soak = 1 ] || continue ;; esac
		run "${t%.sh}" $((soak ? 14400 : 900)) "${isolated[@]}" "$t"
	done
done

[ -n "$failures" ] && echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
