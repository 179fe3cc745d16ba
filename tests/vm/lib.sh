# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Boots Debian 12's own kernel in qemu (software emulation) with our test
# binaries in an initramfs, runs one guest script there as the only process,
# and takes over its verdict. The kernel is unpacked by scripts/deps.sh.
# Inside, counts mean something and times do not.
set -eu
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
kernel=${ASMETER_VM_KERNEL:-/var/cache/asmeter/kernel-6.1}
vm=$(mktemp -d "${TMPDIR:-/tmp}/asmeter-vm.XXXXXX")
trap 'rm -rf "$vm"' EXIT
root=$vm/root

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# vm_add FILE [PLACE]: a file, and what it is linked with.
vm_add() {
	local to=$root${2:-$1} lib
	mkdir -p "$(dirname "$to")"
	cp -L "$1" "$to"
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
		[ -e "$root$lib" ] && continue
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done || :
}

# vm_module NAME...: in the order in which they are loaded.
vm_module() {
	local m ko
	for m in "$@"; do
		ko=$(find "$kernel/lib/modules" -name "$m.ko" | head -n 1)
		[ -n "$ko" ] || fail "no module $m in $kernel (scripts/deps.sh)"
		cp "$ko" "$root/modules/"
		echo "$m" >>"$root/modules/order"
	done
}

# vm_init: the bare system. What the tests' shell scripts need is real (bash,
# ip, awk ...), the rest is busybox.
vm_init() {
	local d
	set -- "$kernel"/boot/vmlinuz-*
	[ -e "$1" ] || fail "no kernel in $kernel: run scripts/deps.sh"
	vmlinuz=$1
	for d in bin sbin proc sys dev run tmp etc modules var/tmp; do
		mkdir -p "$root/$d"
	done
	vm_add "$(command -v busybox)" /bin/busybox
	vm_add /bin/bash
	vm_add "$(command -v ip)" /bin/ip
	cat >"$root/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		export PATH=/bin:/sbin:/usr/bin HOME=/
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs dev /dev
		mkdir -p /dev/shm
		mount -t tmpfs tmpfs /dev/shm
		mount -t tmpfs tmpfs /run
		mount -t tmpfs tmpfs /tmp
		mount -t bpf bpf /sys/fs/bpf
		mkdir -p /run/netns
		ip link set lo up
		for m in $(cat /modules/order); do
			insmod "/modules/$m.ko" || echo "guest: no module $m"
		done
		cd /
		echo "guest: $(uname -r)"
		bash /guest.sh
		echo "guest: exit $?"
		poweroff -f
	END
	chmod 755 "$root/init"
}

# vm_run SECONDS QEMU-ARGUMENTS...: boots; fails unless the guest said 0.
vm_run() {
	local limit=$1
	shift
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) |
		gzip -1 >"$vm/initrd"
	timeout --kill-after=5 "$limit" qemu-system-x86_64 -m 1280 -smp 2 \
		-display none -vga none -no-reboot -serial stdio -monitor none \
		-nodefaults -kernel "$vmlinuz" -initrd "$vm/initrd" \
		-append "console=ttyS0 quiet panic=-1" "$@" </dev/null |
		tr -d '\r' >"$vm/log" || :
	grep -a '^note: ' "$vm/log" || :
	if ! grep -qa '^guest: exit 0$' "$vm/log"; then
		cat "$vm/log" >&2
		fail "the guest did not end well"
	fi
}
