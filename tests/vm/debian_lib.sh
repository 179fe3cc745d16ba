# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Boots a bare Debian 12, systemd as process 1, in qemu (software emulation) on
# one of Debian's own kernels, and runs a script of tests/vm/guest there. What
# is booted was made by scripts/deps.sh and is never written to: the disk is an
# overlay, the kernel's modules and the unit that runs the script come with the
# initramfs, and what is tested is on a second disk that can only be read.
# Inside, counts mean something and times do not.
set -eu
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
cache=/var/cache/asmeter
vm=$(mktemp -d "${TMPDIR:-/tmp}/asmeter-vm.XXXXXX")
trap 'rm -rf "$vm"' EXIT
payload=$vm/payload payload_img=$vm/payload.img
mkdir -p "$payload"

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# vm_kernel VERSION: which kernel to boot.
vm_kernel() {
	kernel=$cache/kernel-$1
	[ -e "$kernel/complete" ] && [ -e "$cache/debian-12.img" ] ||
		fail "no kernel $1 or no debian-12.img in $cache: run scripts/deps.sh"
	set -- "$kernel"/boot/vmlinuz-*
	vmlinuz=$1
	release=${1##*/vmlinuz-}
}

# vm_initrd: finds the disk, puts the kernel's modules on it as its package
# would have, and leaves the rest to systemd.
vm_initrd() {
	local root=$vm/initrd.d m
	mkdir -p "$root"/{bin,proc,sys,dev,run,root,lib}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp -r "$kernel/lib/modules" "$root/lib/"
	for m in virtio_pci virtio_blk ext4; do
		modprobe -d "$kernel" -S "$release" --show-depends $m ||
			fail "no module $m in $kernel (scripts/deps.sh)"
	done | sed -n "s,^insmod $kernel\(/[^ ]*\).*,\1,p" |
		awk '!seen[$0]++' >"$root/order"
	cp tests/vm/guest/asmeter-guest.service "$root/"
	cat >"$root/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin
		export PATH=/bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs dev /dev
		mount -t tmpfs -o mode=755 tmpfs /run
		while read -r m; do
			insmod "$m" || echo "initrd: no module $m"
		done </order
		while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do sleep 0.1; done
		mount -t ext4 /dev/vda /root
		mount -t ext4 -o ro /dev/vdb /root/mnt
		[ -d "/root/lib/modules/$(uname -r)" ] ||
			cp -r /lib/modules /root/usr/lib/
		mkdir -p /run/systemd/system/multi-user.target.wants
		cp /asmeter-guest.service /run/systemd/system/
		ln -s ../asmeter-guest.service \
			/run/systemd/system/multi-user.target.wants/
		for d in dev run proc sys; do mount --move /$d /root/$d; done
		exec switch_root /root /lib/systemd/systemd
	END
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) |
		gzip -1 >"$vm/initrd"
	rm -rf "$root"
}

# vm_pack: $payload as a disk that every machine reads.
vm_pack() {
	mke2fs -q -t ext4 -m 0 -d "$payload" "$payload_img" 300M >/dev/null
	rm -rf "$payload"
}

# vm_disk: a disk of its own.
vm_disk() {
	qemu-img create -q -f qcow2 -b "$cache/debian-12.img" -F raw \
		"$vm/disk.qcow2"
}

# vm_boot SECONDS SCRIPT: boots with a virtio and an e1000 card on one hub,
# runs guest/SCRIPT and takes over its verdict. The disk keeps what it wrote.
# The short form does without the kernel's mitigations, which emulation pays for.
vm_boot() {
	local t0=$SECONDS fast=mitigations=off
	[ "$SOAK" = 0 ] || fast=
	: >"$vm/said"
	timeout --kill-after=5 "$1" qemu-system-x86_64 -m 1536 -smp 2 \
		-display none -vga none -no-reboot -monitor none -nodefaults \
		-serial "file:$vm/console" -serial "file:$vm/said" \
		-kernel "$vmlinuz" -initrd "$vm/initrd" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check $fast guest=$2 soak=$SOAK" \
		-drive "file=$vm/disk.qcow2,if=virtio,cache=unsafe" \
		-drive "file=$payload_img,if=virtio,format=raw,readonly=on" \
		-netdev hubport,id=n0,hubid=0 -netdev hubport,id=n1,hubid=0 \
		-device virtio-net-pci,netdev=n0,mq=on,vectors=10,romfile= \
		-device e1000,netdev=n1,romfile= </dev/null >"$vm/qemu" 2>&1 || :
	tr -d '\r' <"$vm/said" >"$vm/log"
	grep -a '^note: ' "$vm/log" || :
	if ! grep -qa '^guest: exit 0$' "$vm/log"; then
		tail -n 15 "$vm/qemu" "$vm/console" >&2
		grep -av '^note: ' "$vm/log" | tail -n 45 >&2
		grep -a '^FAIL' "$vm/log" >&2 || :
		fail "$2 on $release did not end well after $((SECONDS - t0)) s"
	fi
	echo "note: $release: $2 took $((SECONDS - t0)) s"
}
