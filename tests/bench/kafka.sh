#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Records of the as-traffic stream to a real broker on this machine; what is
# compared is at the top of kafka.c.
. tests/net/lib.sh
. tests/peers/kafka_lib.sh
broker_make
broker_start
mkdir "$work/spool"
"$B/tests/bench/kafka" "$work/spool" $broker 2>"$work/kafka.log" ||
	fail "$(tail -n 5 "$work/kafka.log")"
broker_end TERM
