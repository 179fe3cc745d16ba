#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Run by tests/run.sh inside fresh network, mount and pid namespaces: gives the
# test its own /proc, /sys, bpffs and /run, and an /etc, /var/lib and /tmp whose
# changes are thrown away, then runs it. All of it goes with the namespaces.
set -eu
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns
for d in /etc /var/lib /tmp; do
	w=/run/overlay/${d##*/}
	mkdir -p "$w/upper" "$w/work"
	chmod --reference="$d" "$w/upper"
	mount -t overlay overlay \
		-o "lowerdir=$d,upperdir=$w/upper,workdir=$w/work" "$d"
done
# Criterion names a socket by its process number, which repeats here.
rm -f /tmp/criterion_*.sock
mkdir -p /etc/asmeter /var/lib/asmeter
ip link set lo up
rc=0
"$@" || rc=$?
exit $rc
