#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Fuzzes each target (or those named) for FUZZ_SECONDS (default 60) with
# libFuzzer, ASan and UBSan. New inputs stay in $B/fuzz/TARGET/corpus, findings
# in $B/fuzz/TARGET; exit 1 when there is one.
#
# tests/fuzz/run.sh [TARGET ...]        e.g. fuzz_bgp
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
seconds=${FUZZ_SECONDS:-60}
clang=${CLANG:-clang-14}
pkgs="libbpf libuv libmicrohttpd yaml-0.1 jansson libloc libcap-ng zlib rdkafka
	libprotobuf-c"

if [ $# -gt 0 ]; then
	targets=$*
else
	targets=$(for f in tests/fuzz/fuzz_*.c; do basename "$f" .c; done)
fi

# The library once more, with the coverage that the fuzzer steers by.
fuzz_b=$B-fuzz
make -s B="$fuzz_b" CC="$clang" SAN=address,undefined,fuzzer-no-link \
	"$fuzz_b/libasmeter.a"

rc=0
for t in $targets; do
	dir=$B/fuzz/$t
	mkdir -p "$dir/corpus"
	# shellcheck disable=SC2046 # pkg-config prints words
	"$clang" -std=gnu11 -O1 -g -D_GNU_SOURCE -Iinclude -Iuser -Itests \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o "$dir/$t" "tests/fuzz/$t.c" "$fuzz_b/libasmeter.a" \
		$(pkg-config --libs $pkgs) -lelf -lpthread
	echo "== $t, $seconds s"
	"$dir/$t" -max_total_time="$seconds" -max_len=8192 -timeout=5 \
		-rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$dir/" "$dir/corpus" \
		"tests/fuzz/corpus/$t" >"$dir/log" 2>&1 || rc=1
	grep -E '^stat::number_of_executed_units|ERROR|SUMMARY|DONE|runtime error' \
		"$dir/log" || tail -n 5 "$dir/log"
done
exit $rc
