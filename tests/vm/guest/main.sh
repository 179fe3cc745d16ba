#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Started by systemd in the guest: runs the script that the kernel's command
# line names, says its exit code, and cuts the power without a warning.
cd /mnt || exit 1
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin B=/mnt/build LC_ALL=C.UTF-8
script=$(sed -n 's/.*guest=\([^ ]*\).*/\1/p' /proc/cmdline)
SOAK=$(sed -n 's/.*soak=\([^ ]*\).*/\1/p' /proc/cmdline)
# systemd may be slow to answer on a busy machine
export SOAK SYSTEMD_BUS_TIMEOUT=300s
bash "tests/vm/guest/$script"
rc=$?
if [ $rc != 0 ]; then
	systemctl --no-pager --failed
	journalctl --no-pager -o cat -u asmeterd -n 30
	dmesg --level=err,warn | tail -n 5
fi
echo "guest: exit $rc"
sleep 1 # until the serial port has sent it
echo o >/proc/sysrq-trigger
