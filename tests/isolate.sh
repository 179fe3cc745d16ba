#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Run by tests/run.sh inside fresh network, mount and pid namespaces: gives the
# test its own /proc, /sys, bpffs, /run, /var/lib/asmeter and /etc/asmeter, then
# runs it. All of it goes with the namespaces.
set -eu
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns
mkdir -p /var/lib/asmeter /etc/asmeter
mount -t tmpfs tmpfs /var/lib/asmeter
mount -t tmpfs tmpfs /etc/asmeter
ip link set lo up
rc=0
"$@" || rc=$?
exit $rc
