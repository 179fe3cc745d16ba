#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian 12 under systemd on its own kernel 6.1, the oldest that is supported
# (TC is clsact there), and on its newer one, 6.12 (TC is TCX): for each two
# boots of one disk, with the power cut between them. Both at the same time,
# because emulation takes one CPU each. What happens there: tests/vm/guest. The
# long form (SOAK=1) has the rollbacks, the Debian package, all of tests/bpf and
# more of each combination.
. tests/vm/debian_lib.sh
SOAK=${SOAK:-0}

# This tree as it is built, and a build with another version.
vm_tree() {
	local t
	mkdir -p "$payload/build/bpf" "$payload/deb"
	cp -r scripts systemd tests bpf "$payload/"
	cp "$B/asmeterd" "$B/asmeter" "$payload/build/"
	cp -r "$B/man" "$payload/build/"
	cp "$B"/bpf/*.bpf.o "$payload/build/bpf/"
	for t in "$B"/tests/bpf/test_* "$B/tests/net/gen" "$B/tests/net/meterctl" \
		"$B/tests/net/samplectl" "$B/tests/net/bgpfeed"; do
		case $t in *.[do]) continue ;; esac
		t=${t#"$B/"}
		mkdir -p "$payload/build/${t%/*}"
		cp "$B/$t" "$payload/build/$t"
	done
}

# vm_next: the same source as a later version, compiled where that shows
vm_next() {
	local n=$vm/next
	mkdir "$n"
	cp -a "$B"/{bpf,gen,skel,user} "$n/"
	grep -lrZ --include='*.d' gen/version.h "$n/user" |
		while read -rd '' d; do rm "${d%.d}.o"; done
	make -s B="$n" VERSION=next bins
	[ "$("$n/asmeterd" --version)" = "asmeterd next" ] ||
		fail "not another version: $("$n/asmeterd" --version)"
	cp -r "$payload/build" "$payload/next"
	cp "$n/asmeterd" "$n/asmeter" "$payload/next/"
	cp "$n"/bpf/*.bpf.o "$payload/next/bpf/"
	rm -rf "$n"
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

# vm_broken: what an upgrade must come back from, and the packages
vm_broken() {
	B=$B scripts/deb.sh >"$vm/out" || fail "make deb: $(cat "$vm/out")"
	cp "$B"/deb/asmeter_*.deb "$payload/deb/one.deb"
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
}

make -s B="$B" all
vm_tree
vm_next
[ "$SOAK" = 0 ] || vm_broken
vm_pack

# machine VERSION: its two boots
machine() {
	vm=$vm/$1
	mkdir "$vm"
	vm_kernel "$1"
	vm_initrd
	vm_disk
	# the short form has to end before tests/run.sh ends it
	vm_boot $((SOAK ? 3000 : 860 - SECONDS)) first.sh
	vm_boot $((SOAK ? 3000 : 870 - SECONDS)) second.sh
}

pids=''
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
