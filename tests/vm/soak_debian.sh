#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian 12 under systemd on its own kernel 6.1, the oldest that is supported
# (TC is clsact there), and on its newer one, 6.12 (TC is TCX): for each two
# boots of one disk, with the power cut between them. Both at the same time,
# because emulation takes one CPU each. What happens there: tests/vm/guest.
. tests/vm/debian_lib.sh

# This tree as it is built, and a build with another version.
vm_tree() {
	local t
	mkdir -p "$payload/build/bpf" "$payload/deb"
	cp -r scripts systemd tests bpf "$payload/"
	cp "$B/asmeterd" "$B/asmeter" "$payload/build/"
	cp -r "$B/man" "$payload/build/"
	cp "$B"/bpf/*.bpf.o "$payload/build/bpf/"
	cp -r "$payload/build" "$payload/next"
	for t in "$B"/tests/bpf/test_* "$B/tests/net/gen" "$B/tests/net/meterctl" \
		"$B/tests/net/samplectl"; do
		case $t in *.[do]) continue ;; esac
		t=${t#"$B/"}
		mkdir -p "$payload/build/${t%/*}"
		cp "$B/$t" "$payload/build/$t"
	done
}

# vm_daemon NAME: the newer build, with stdin in place of its daemon
vm_daemon() {
	cp -r "$payload/next" "$payload/$1"
	mv "$payload/$1/asmeterd" "$payload/$1/real"
	cat >"$payload/$1/asmeterd"
	chmod 755 "$payload/$1/asmeterd"
}

# vm_deb NAME VERSION DAEMON: the package with a later version, another daemon
# and another default configuration
vm_deb() {
	local d=$vm/deb.d
	dpkg-deb -R "$payload/deb/one.deb" "$d"
	sed -i "s/^Version: .*/Version: $2/" "$d/DEBIAN/control"
	cp "$3" "$d/usr/sbin/asmeterd"
	echo '# of a later version' >>"$d/etc/asmeter/asmeter.yaml"
	dpkg-deb --root-owner-group -b "$d" "$payload/deb/$1.deb" >/dev/null
	rm -rf "$d"
}

make -s B="$B" all
B=$B scripts/deb.sh >"$vm/out" || fail "make deb: $(cat "$vm/out")"
vm_tree
cp "$B"/deb/asmeter_*.deb "$payload/deb/one.deb"
dpkg-deb -x "$payload/deb/one.deb" "$vm/one"
cp "$vm/one/usr/sbin/asmeterd" "$vm/one/usr/bin/asmeter" "$payload/next/"
cp "$vm"/one/usr/lib/asmeter/bpf/*.o "$payload/next/bpf/"
rm -rf "$vm/one"
vm_daemon bad-dies <<'END'
#!/bin/sh
case $1 in
--check | --version) exit 0 ;;
--dump-config-reference) exec /mnt/bad-dies/real "$@" ;;
esac
echo "this one is broken" >&2
exit 1
END
vm_daemon bad-refuses <<'END'
#!/bin/sh
case $1 in
--check) echo 'asmeter.yaml:1:1: unheard of' >&2 && exit 2 ;;
--dump-config-reference)
	/mnt/bad-refuses/real "$@"
	printf 'brand-new\n\ttype: text\n\tdefault: (none)\n\twhat is new\n'
	;;
esac
exit 1
END
vm_deb two 99 "$B/asmeterd"
vm_deb bad 100 "$payload/bad-dies/asmeterd"
vm_pack

# machine VERSION: its two boots
machine() {
	vm=$vm/$1
	mkdir "$vm"
	vm_kernel "$1"
	vm_initrd
	vm_disk
	vm_boot $((SOAK ? 3000 : 560)) first.sh
	vm_boot $((SOAK ? 3000 : 300)) second.sh
}

SOAK=${SOAK:-0} pids=''
for k in 6.1 6.12; do
	(machine $k) >"$vm/log.$k" 2>&1 &
	pids="$pids $!"
done
bad=0
for p in $pids; do
	wait "$p" || bad=1
done
cat "$vm"/log.*
[ $bad = 0 ] || exit 1
