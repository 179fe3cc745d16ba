#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs the Debian 12 packages that asmeter needs. The one place where
# packages are listed; scripts/install.sh asks here too.
#
#   deps.sh                  everything for building and testing (root)
#   deps.sh --if-missing     the same, silent when nothing is missing
#   deps.sh --list [GROUP]   print the packages (run, build, test, deb; default all)
#   deps.sh --only GROUP     install one group only
#
# The test group brings BGP daemons and servers. None of them is started, and
# none is left enabled for the next boot, unless it was installed before. What
# tests/vm boots (two kernels of Debian and a bare system) goes to
# /var/cache/asmeter, from apt's own sources.
set -eu

# What the installed binaries are linked with, and the database they read.
run_pkgs='libbpf1 libxdp1 libelf1 libuv1 libmicrohttpd12 libyaml-0-2
	libjansson4 libloc-database libcap-ng0 zlib1g librdkafka1
	libprotobuf-c1
	libcurl3-gnutls libncursesw6 libtinfo6'

build_pkgs='make gcc libc6-dev pkg-config clang-14 llvm-14 bpftool
	libbpf-dev libxdp-dev libelf-dev libuv1-dev libmicrohttpd-dev
	libyaml-dev libjansson-dev libloc-database libcap-ng-dev
	zlib1g-dev libcurl4-gnutls-dev libncurses-dev scdoc
	librdkafka-dev libprotobuf-c-dev protobuf-c-compiler'

test_pkgs='git libcriterion-dev libloc-dev libclang-rt-14-dev clang-format shellcheck
	iproute2 ethtool tcpdump iperf3 iputils-ping procps jq curl
	python3 python3-scapy tcpreplay
	bird2 frr gobgpd openbgpd prometheus pmacct softflowd nfdump nfdump-sflow
	kcat openssl protobuf-compiler openjdk-17-jre-headless maven
	qemu-system-x86 qemu-utils busybox-static cpio kmod xz-utils
	mmdebstrap e2fsprogs
	systemd man-db libcap2-bin'

# The system that is booted in qemu has these beside the run group: systemd as
# process 1, and what the tests use there.
vm_pkgs='systemd systemd-sysv udev kmod iproute2 ethtool procps iputils-ping
	iperf3 bpftool jq curl libcriterion3 libloc1'

# For `make deb`.
deb_pkgs='debhelper lintian fakeroot'

# Packages of the test group whose services must not run.
daemons='bird2 frr gobgpd openbgpd prometheus pmacct softflowd iperf3 nfdump nfdump-sflow'

policy=/usr/sbin/policy-rc.d

# Debian 12's own kernel and its newer one, for the tests in qemu: unpacked
# here, not installed.
cache=/var/cache/asmeter
kernels='6.1 6.12'
kernel_parts='boot/vmlinuz-* lib/modules/*/modules.*
	lib/modules/*/kernel/net/sched/* lib/modules/*/kernel/net/8021q/*
	lib/modules/*/kernel/net/802/* lib/modules/*/kernel/net/llc/*
	lib/modules/*/kernel/net/core/* lib/modules/*/kernel/net/tls/*
	lib/modules/*/kernel/net/bridge/bridge.*
	lib/modules/*/kernel/drivers/net/veth.*
	lib/modules/*/kernel/drivers/net/dummy.*
	lib/modules/*/kernel/drivers/net/vrf.*
	lib/modules/*/kernel/drivers/net/bonding/*
	lib/modules/*/kernel/drivers/net/virtio_net.*
	lib/modules/*/kernel/drivers/net/net_failover.*
	lib/modules/*/kernel/drivers/net/ethernet/intel/e1000/*
	lib/modules/*/kernel/drivers/block/virtio_blk.*
	lib/modules/*/kernel/drivers/virtio/*
	lib/modules/*/kernel/fs/ext4/* lib/modules/*/kernel/fs/jbd2/*
	lib/modules/*/kernel/fs/mbcache.*
	lib/modules/*/kernel/crypto/crc32c_generic.*
	lib/modules/*/kernel/lib/crc16.* lib/modules/*/kernel/lib/libcrc32c.*'
image=$cache/debian-12.img

# An Apache Kafka broker for the tests: the jars of its release, by Maven.
kafka_version=3.9.1
kafka_dir=/var/cache/asmeter/kafka-$kafka_version

die() {
	echo "deps.sh: $*" >&2
	exit 1
}

list() {
	case $1 in
	run) echo "$run_pkgs" ;;
	build) echo "$build_pkgs" ;;
	test) echo "$test_pkgs" ;;
	deb) echo "$deb_pkgs" ;;
	all) echo "$run_pkgs $build_pkgs $test_pkgs $deb_pkgs" ;;
	*) die "no such group: $1 (run, build, test, deb, all)" ;;
	esac | tr -s '[:space:]' '\n' | grep . | sort -u
}

# Those of $* that are not installed. One dpkg-query for all of them.
missing() {
	# shellcheck disable=SC2016 # a dpkg-query format
	have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" \
		2>/dev/null | sed -n 's/ installed$//p')
	for p in "$@"; do
		case "
$have
" in
		*"
$p
"*) ;;
		*) echo "$p" ;;
		esac
	done
}

# Package scripts ask policy-rc.d before they start a service; 101 says no.
forbid_starts() {
	saved=$(mktemp -d)
	[ ! -e "$policy" ] || cp -a "$policy" "$saved/policy"
	trap restore_policy EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	rm -f "$policy"
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

restore_policy() {
	rm -f "$policy"
	[ ! -e "$saved/policy" ] || cp -a "$saved/policy" "$policy"
	rm -rf "$saved"
}

# The services of package $1, by file name.
services() {
	dpkg -L "$1" 2>/dev/null |
		sed -n 's,.*/systemd/system/\([^/]*\.service\)$,\1,p'
}

# A daemon that came with this run is neither running nor enabled at boot.
quieten() {
	for p in $daemons; do
		case " $1 " in *" $p "*) ;; *) continue ;; esac
		for s in $(services "$p"); do
			[ -d /run/systemd/system ] &&
				systemctl --quiet stop "$s" 2>/dev/null
			command -v systemctl >/dev/null &&
				systemctl --quiet disable "$s" >/dev/null 2>&1
		done
		for s in $(dpkg -L "$p" | sed -n 's,^/etc/init.d/,,p'); do
			update-rc.d "$s" disable >/dev/null 2>&1 || :
		done
	done
	return 0
}

# ------------------------------------------- what the tests boot in qemu

kernel_missing() { [ ! -e "$cache/kernel-$1/complete" ]; }

# The package of kernel $1, by way of the one that always depends on it.
kernel_package() {
	case $1 in
	6.1) meta=linux-image-amd64 ;;
	*) meta=linux-image-$1-amd64 ;;
	esac
	apt-cache depends "$meta" 2>/dev/null |
		sed -n "s/.*Depends: \(linux-image-$1\.[^ ]*\)\$/\1/p" | head -n 1
}

# Takes kernel $1 and the few modules the tests load out of its package.
fetch_kernel() {
	pkg=$(kernel_package "$1")
	[ -n "$pkg" ] || { apt-get -qq update && pkg=$(kernel_package "$1"); }
	[ -n "$pkg" ] || die "no kernel $1 of Debian 12 in the package lists: are bookworm and bookworm-security in apt's sources?"
	dir=$cache/kernel-$1
	echo "deps.sh: unpacking $pkg into $dir"
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$pkg") ||
		{ apt-get -qq update && (cd "$work" &&
			apt-get -qq -o APT::Sandbox::User=root download "$pkg"); } ||
		die "apt-get could not download $pkg"
	rm -rf "$dir" "$dir.new"
	mkdir -p "$dir.new"
	set --
	set -f
	for part in $kernel_parts; do
		set -- "$@" "./$part"
	done
	set +f
	dpkg-deb --fsys-tarfile "$work/$pkg"_*.deb |
		tar -C "$dir.new" -x --wildcards "$@" ||
		die "cannot unpack $pkg"
	rm -f "$work"/*.deb
	find "$dir.new" -name '*.ko.xz' -exec unxz {} +
	for release in "$dir.new"/lib/modules/*; do
		depmod -b "$dir.new" "${release##*/}" 2>/dev/null ||
			die "depmod ${release##*/}"
	done
	touch "$dir.new/complete"
	mv "$dir.new" "$dir"
}

# What the image holds, so that another list of packages makes another image.
image_list() { echo "$run_pkgs $vm_pkgs" | tr -s '[:space:]' ' '; }

image_missing() {
	[ ! -e "$image" ] || [ "$(image_list)" != "$(cat "$image.list" 2>/dev/null)" ]
}

# Apt's own sources of Debian, as lines: bookworm, its updates and security.
debian_sources() {
	apt-get indextargets --format '$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' | grep '^Debian .* bookworm' |
		sed -n 's/^Debian /deb /p' | sort -u
}

# A bare Debian 12 with systemd as a disk, without a kernel.
make_image() {
	debian_sources >"$work/sources"
	[ -s "$work/sources" ] ||
		{ apt-get -qq update && debian_sources >"$work/sources"; }
	grep -q ' bookworm ' "$work/sources" ||
		die "no bookworm of Debian in apt's sources (apt-get indextargets)"
	echo "deps.sh: making a bare Debian 12 in $image"
	mkdir -p "$cache"
	mmdebstrap --quiet --mode=root --variant=minbase \
		--include="$(image_list | sed 's/ /,/g; s/^,*//; s/,*$//')" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		bookworm "$work/root" "$work/sources" >"$work/log" 2>&1 </dev/null ||
		{ tail -n 30 "$work/log" >&2; die "mmdebstrap failed"; }
	echo asmeter-vm >"$work/root/etc/hostname"
	rm -f "$image.new"
	mke2fs -q -t ext4 -d "$work/root" "$image.new" 2G >/dev/null ||
		die "mke2fs failed (disk full?)"
	image_list >"$image.list"
	mv "$image.new" "$image"
}

# Nothing half-made is left when this is interrupted.
prepare_vm() {
	[ "$(id -u)" = 0 ] || die "run as root: sudo scripts/deps.sh"
	work=$(mktemp -d)
	trap 'rm -rf "$work" "$image.new" "$cache"/kernel-*.new' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	for k in $kernels; do
		! kernel_missing "$k" || fetch_kernel "$k"
	done
	! image_missing || make_image
}

vm_missing() {
	for k in $kernels; do
		! kernel_missing "$k" || return 0
	done
	image_missing
}

kafka_missing() {
	[ ! -e "$kafka_dir/kafka_2.13-$kafka_version.jar" ]
}

# The broker with all that it needs, as a project that depends on it.
fetch_kafka() {
	echo "deps.sh: fetching Apache Kafka $kafka_version into $kafka_dir"
	work=$(mktemp -d)
	cat >"$work/pom.xml" <<X
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>asmeter</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>$kafka_version</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
<version>1.7.36</version></dependency>
</dependencies>
</project>
X
	rm -rf "$kafka_dir.new"
	# a mirror that is slow or away for a moment is not the end
	for again in 1 2 3; do
		mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies \
			-DoutputDirectory="$kafka_dir.new" >"$work/log" 2>&1 &&
			break
		[ $again != 3 ] || {
			cat "$work/log" >&2
			die "Maven could not fetch Apache Kafka"
		}
	done
	rm -rf "$work" "$kafka_dir"
	mv "$kafka_dir.new" "$kafka_dir"
}

install_missing() {
	need=$(echo "$1" | tr '\n' ' ')
	command -v apt-get >/dev/null ||
		die "no apt-get here; install what matches: $need"
	[ "$(id -u)" = 0 ] ||
		die "these packages are missing: $need
deps.sh: run as root: sudo scripts/deps.sh"
	export DEBIAN_FRONTEND=noninteractive
	forbid_starts
	echo "deps.sh: installing $need"
	# shellcheck disable=SC2086 # a list of package names
	apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends \
		$need >/dev/null 2>&1 || {
		apt-get -qq update || die "apt-get update failed"
		apt-get -qq -o Dpkg::Use-Pty=0 install -y \
			--no-install-recommends $need ||
			die "apt-get could not install the packages above"
	}
	quieten "$need"
}

main() {
	group=all quiet=0
	while [ $# -gt 0 ]; do
		case $1 in
		--if-missing) quiet=1 ;;
		--only) group=${2:-} && shift ;;
		--list) list "${2:-all}" && exit 0 ;;
		-h | --help) sed -n '3,15s/^# \{0,1\}//p' "$0" && exit 0 ;;
		*) die "unknown option $1 (see --help)" ;;
		esac
		shift
	done
	pkgs=$(list "$group")
	command -v dpkg-query >/dev/null ||
		die "not a Debian system; install what matches: $(echo "$pkgs" | tr '\n' ' ')"
	# shellcheck disable=SC2086
	need=$(missing $pkgs)
	vm=0
	kafka=0
	case $group in all | test)
		! vm_missing || vm=1
		! kafka_missing || kafka=1
		;;
	esac
	if [ -z "$need" ] && [ $vm$kafka = 00 ]; then
		[ $quiet = 1 ] || echo "deps.sh: everything is installed"
		exit 0
	fi
	[ -z "$need" ] || install_missing "$need"
	[ $kafka = 0 ] || fetch_kafka
	[ $vm = 0 ] || (prepare_vm)
}

main "$@"
