#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Damaged requests, a million of them in the long form, by thousands of
# connections to an asmeterd built with ASan and UBSan, as a whole: no finding,
# sound requests between them are answered, and descriptors stay.
. tests/net/lib.sh
requests=20000
[ "${SOAK:-0}" = 1 ] && requests=1000000
fuzz=$B/tests/net/http_fuzz
B=$B-asan
nm "$B/asmeterd" | grep -q __asan_init || fail "$B/asmeterd is not built with ASan"
nm "$B/asmeterd" | grep -q __ubsan_handle || fail "$B/asmeterd is not built with UBSan"
# leaks are looked for by tracing the process, which the sandbox forbids; the
# meter, whose environment is empty, says so when it ends
export ASAN_OPTIONS=detect_leaks=0

daemon_user
rig 1500
addresses 4
cat >/etc/asmeter/asmeter.yaml <<END
local-as: 64500
interfaces: [r0]
overrides: $work/prefixes
libloc: {use: never}
sampling: {rate: 10}
END
daemon_up
wait_for 60 is 1001 api 'lookup?addr=20.0.1.1' .table_as || give_up "no table"
far "$gen" -i g0 -n 20000 -a "$work/hosts" -s 1 >/dev/null 2>&1
settle
meter=$(meter_pid)
fds() { find "/proc/$meter/fd" -mindepth 1 | wc -l; }
before=$(fds)

"$fuzz" -n 2000 -p 9590 -u $sock -s 7 >/dev/null || give_up "at the very beginning"
"$fuzz" -n $requests -p 9590 -u $sock -s "${SEED:-1}" >"$work/fuzz" || give_up "the server or its answers"
curl -sf --max-time 1 -o "$work/page" $page/metrics || give_up "the page is not served"
promtool check metrics <"$work/page" || fail "promtool"
[ "$meter" = "$(meter_pid)" ] || give_up "the meter was restarted"
wait_for 30 is "$before" fds || give_up "descriptors: $before, then $(fds)"
is 0 metric asmeter_books_difference || give_up "the books differ"
daemon_down
! grep -aE 'ERROR: AddressSanitizer|runtime error:|SUMMARY:' "$log" || fail "a finding"
echo "note: $(cat "$work/fuzz"); 0 findings, $before descriptors"
