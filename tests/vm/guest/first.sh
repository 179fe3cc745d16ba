#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The programs on this kernel, then an installation and the life of the service;
# ends with the power cut while it runs.
. tests/vm/guest/lib.sh
. tests/vm/guest/remove.sh
wait_for 90 systemctl is-system-running --wait ||
	fail "the system is $(systemctl is-system-running): $(systemctl --failed)"
# the image has no manual; every other Debian has these
mkdir -p /usr/share/man/man{1,5,7,8}
system_list >/root/virgin
. tests/vm/guest/kernel.sh
. tests/vm/guest/stacked.sh
. tests/vm/guest/service.sh
