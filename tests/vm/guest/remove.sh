# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What a removal has to leave: nothing. The first boot has noted how the system
# was before.

# system_list: every file and directory, but what a system writes by itself
system_list() {
	find / -xdev \( -path /root -o -path /tmp -o -path /var/tmp -o -path /mnt \
		-o -path /var/log -o -path /var/cache -o -path /var/lib/systemd \
		-o -path /var/lib/dpkg -o -path /usr/lib/modules \) -prune -o \
		-type d -printf '%y %m %u %g %p\n' -o -printf '%y %m %u %g %s %p\n' |
		grep -v -e ' /etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-\?$' \
			-e ' /etc/\(machine-id\|.pwd.lock\|.updated\)$' -e ' /var/.updated$' |
		sort -k 5
	cat /etc/passwd /etc/group
	cut -d : -f 1 /etc/shadow /etc/gshadow
	systemctl list-unit-files --no-legend --no-pager | grep -v asmeter-guest
}

# none_of map|link CONDITION
none_of() { [ "$(bpftool -j "$1" show | jq "[.[] | select($2)] | length")" = 0 ]; }

# nothing_runs WHAT: nothing in the kernel, no process, no socket
nothing_runs() {
	! pgrep asmeter >/dev/null || fail "$1: a process: $(pgrep -a asmeter)"
	[ ! -e $pins ] || fail "$1: pins: $(ls -R $pins)"
	# what nobody holds any more the kernel frees a little later
	wait_for 20 none_of map '.name // "" | startswith("asm_")' ||
		fail "$1: maps are left"
	wait_for 20 none_of link '.type == "xdp" or .type == "tcx"' ||
		fail "$1: links are left"
	! tc qdisc show | grep -q clsact || fail "$1: a qdisc is left"
	! ip -d link show | grep -e prog/xdp -e asm-tap || fail "$1: something is left"
	[ ! -e /run/asmeter ] || fail "$1: /run/asmeter is left"
}

# nothing_left WHAT: as before it was ever installed
nothing_left() {
	nothing_runs "$1"
	system_list >"$work/now"
	diff /root/virgin "$work/now" || fail "$1: the system is not as it was"
	note "$1: 0 links, pins, qdiscs, veths, users, files left"
}

# kept WHAT: configuration, data and user stay, and nothing else does
kept() {
	nothing_runs "$1"
	[ -s $conf ] && [ -d /var/lib/asmeter ] || fail "$1: configuration or data gone"
	getent passwd asmeter >/dev/null || fail "$1: the user is gone"
	[ ! -e /usr/sbin/asmeterd ] || fail "$1: a program is left"
}
