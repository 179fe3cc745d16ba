#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs asmeter on a border router, from this source tree (built or not).
# Safe to run again: it upgrades what is there, and puts it back when the new
# daemon does not come up. An edited configuration is kept; a new one is put
# beside it as asmeter.yaml.new.

set -eu

conf_dir=/etc/asmeter
conf=$conf_dir/asmeter.yaml
lib_dir=/usr/lib/asmeter
manifest=$lib_dir/installed.list # files of this installation, one a line
conf_sum=$lib_dir/config.sha256  # of the configuration as written here
saved=$lib_dir/before-upgrade    # what an upgrade replaces, until it is done
unit=/usr/lib/systemd/system/asmeterd.service
pins=/sys/fs/bpf/asmeter

usage() {
	cat <<'USAGE'
Usage: scripts/install.sh [OPTION...]

  --interface IF      meter this interface (may be repeated)
  --local-as N        the AS of this router
  --hostname NAME     the name of this router in metrics
  --listen ADDR:PORT  where the metrics page listens (may be repeated;
                      default 127.0.0.1:9590)
  --neighbor ADDR     learn routes from this BGP speaker by iBGP (may be
                      repeated; ADDR,AS for another AS)
  --build-dir DIR     take the binaries from there (default: build)
  --no-start          install, but neither enable nor start the service
  --dry-run           print every change, make none
  --uninstall         detach, stop, remove everything but /etc/asmeter and
                      /var/lib/asmeter; with --purge, those as well
  --help              this text

Without --local-as the service is not started: set it in
/etc/asmeter/asmeter.yaml first. No interface is touched that was not named.
Run over a running asmeterd it upgrades: counting goes on meanwhile, and when the
new daemon does not come up the old one is put back and started again.
Exit codes: 0 done, 1 failed, 2 wrong usage.
USAGE
}

say() { echo "install.sh: $*"; }

die() {
	echo "install.sh: $*" >&2
	exit 1
}

bad_usage() {
	echo "install.sh: $* (see --help)" >&2
	exit 2
}

# Every change of the system goes through here.
run() {
	if [ "$dry" = 1 ]; then
		echo "would run: $*"
	else
		"$@"
	fi
}

# --------------------------------------------------------------- options

parse_options() {
	interfaces='' local_as='' host='' listens='' neighbors=''
	build='' start=1 dry=0 uninstall=0 purge=0 options=0
	while [ $# -gt 0 ]; do
		case $1 in
		--interface | --local-as | --hostname | --listen | --neighbor | --build-dir)
			[ -n "${2:-}" ] || bad_usage "$1 needs a value"
			;;
		esac
		case $1 in
		--interface) interfaces="$interfaces $2" && options=1 && shift ;;
		--local-as) local_as=$2 && options=1 && shift ;;
		--hostname) host=$2 && options=1 && shift ;;
		--listen) listens="$listens $2" && options=1 && shift ;;
		--neighbor) neighbors="$neighbors $2" && options=1 && shift ;;
		--build-dir) build=$2 && shift ;;
		--no-start) start=0 ;;
		--dry-run) dry=1 ;;
		--uninstall) uninstall=1 ;;
		--purge) purge=1 ;;
		-h | --help) usage && exit 0 ;;
		*) bad_usage "unknown option $1" ;;
		esac
		shift
	done
	[ $purge = 0 ] || [ $uninstall = 1 ] ||
		bad_usage "--purge goes with --uninstall"
	check_values
}

# What is written into the configuration must not be able to break out of it.
check_values() {
	case $local_as in
	'') ;;
	*[!0-9.AaSs]*) bad_usage "--local-as: \"$local_as\" is not an AS number" ;;
	esac
	case $host in
	*[!A-Za-z0-9._-]*) bad_usage "--hostname: \"$host\" is not a host name" ;;
	esac
	for v in $listens $neighbors; do
		case $v in
		*[!0-9A-Fa-f.:,%\[\]ASas]*) bad_usage "\"$v\" is not an address" ;;
		esac
	done
	for v in $interfaces; do
		case $v in
		*[!A-Za-z0-9._@-]* | ????????????????*)
			bad_usage "--interface: \"$v\" is not an interface name" ;;
		esac
	done
	[ -z "$neighbors" ] || [ -n "$local_as" ] ||
		bad_usage "--neighbor needs --local-as"
}

# ------------------------------------------------------------- the system

check_system() {
	[ "$(uname -s)" = Linux ] || die "asmeter needs Linux"
	release=$(uname -r)
	major=${release%%.*}
	minor=${release#*.} && minor=${minor%%[!0-9]*}
	[ "$major" -gt 6 ] || { [ "$major" = 6 ] && [ "$minor" -ge 1 ]; } ||
		die "kernel $release is too old: asmeter needs 6.1 or newer (Debian 12 has it)"
	[ -r /sys/kernel/btf/vmlinux ] ||
		die "this kernel has no BTF (/sys/kernel/btf/vmlinux): use Debian's kernel, or build with CONFIG_DEBUG_INFO_BTF=y"
	[ "$dry" = 1 ] || [ "$(id -u)" = 0 ] ||
		die "must be run as root: sudo scripts/install.sh"
	for i in $interfaces; do
		[ -e "/sys/class/net/$i" ] || die "there is no interface $i; this machine has: $(
			cd /sys/class/net && echo *)"
	done
}

systemd_runs() { [ -d /run/systemd/system ]; }

# ---------------------------------------------------------------- building

prepare_build() {
	cd "$tree"
	build=${build:-${B:-build}}
	if [ -x "$build/asmeterd" ] && [ -x "$build/asmeter" ] &&
		[ -d "$build/man" ]; then
		say "taking what is built in $build"
	else
		say "building (nothing is built in $build)"
		run scripts/deps.sh --if-missing --only build
		run make -s "B=$build" all
	fi
	run scripts/deps.sh --if-missing --only run
}

# ------------------------------------------------------------- installing

# MODE SOURCE DESTINATION of every file but the configuration.
files() {
	echo "0755 $build/asmeterd /usr/sbin/asmeterd"
	echo "0755 $build/asmeter /usr/bin/asmeter"
	for f in bpf/*.bpf.c; do
		[ ! -e "$f" ] || f=$(basename "$f" .c)
		[ ! -e "$build/bpf/$f.o" ] ||
			echo "0644 $build/bpf/$f.o $lib_dir/bpf/$f.o"
	done
	for f in scripts/man/*.scd; do
		[ -e "$f" ] || continue
		f=$(basename "$f" .scd)
		echo "0644 $build/man/$f /usr/share/man/man${f##*.}/$f"
	done
	echo "0644 systemd/asmeterd.service $unit"
	echo "0644 systemd/asmeter.sysusers /usr/lib/sysusers.d/asmeter.conf"
	echo "0644 systemd/asmeter.tmpfiles /usr/lib/tmpfiles.d/asmeter.conf"
	echo "0644 scripts/asmeter.bash /usr/share/bash-completion/completions/asmeter"
	echo "0644 scripts/asmeter.yaml $lib_dir/asmeter.yaml.example"
}

install_files() {
	old=$(cat "$manifest" 2>/dev/null || :)
	new=$(files | while read -r _ _ dest; do echo "$dest"; done)
	files | while read -r mode src dest; do
		if [ -e "$src" ] && cmp -s "$src" "$dest"; then
			continue
		fi
		# under a new name first: a reader sees the old or the new file
		run install -D -m "$mode" "$src" "$dest.asmeter-new"
		run mv -f "$dest.asmeter-new" "$dest"
	done
	for f in $old; do
		case "
$new
" in
		*"
$f
"*) ;;
		*) run rm -f "$f" ;; # of an earlier version
		esac
	done
	if [ "$dry" = 1 ]; then
		echo "would write: $manifest"
	elif [ "$new" != "$old" ]; then
		mkdir -p "$lib_dir" && echo "$new" >"$manifest"
	fi
}

# ---------------------------------------------------------------- upgrading

find_installed() {
	upgrade=0 was_running=0
	[ -e "$manifest" ] || return 0
	upgrade=1
	! systemd_runs || ! systemctl is-active --quiet asmeterd || was_running=1
	was=$(/usr/sbin/asmeterd --version 2>/dev/null || echo "the version before")
}

# The keys of the configuration that the installed daemon does not know, as
# the new one explains them.
show_new_keys() {
	[ -e "$conf" ] && [ -x /usr/sbin/asmeterd ] && [ -x "$build/asmeterd" ] ||
		return 0
	{
		/usr/sbin/asmeterd --dump-config-reference 2>/dev/null | grep '^[a-z]'
		echo '='
		"$build/asmeterd" --dump-config-reference
	} | awk '$0 == "=" { second = 1; next }
		!second { old[$0] = 1; n++; next }
		/^[a-z]/ { new = !($0 in old) }
		n && new { print (/^[a-z]/ ? "install.sh: new key " : " ") $0 }'
}

# Copies what an upgrade will replace. What an upgrade that was interrupted has
# saved is older, whole, and stays.
save_installed() {
	[ $upgrade = 1 ] && [ ! -e "$saved" ] || return 0
	run rm -rf "$saved.part"
	run install -d -m 0700 "$saved.part"
	for f in $(cat "$manifest") "$manifest" "$conf" "$conf_sum"; do
		[ -e "$f" ] || continue
		run mkdir -p "$saved.part${f%/*}"
		run cp -p "$f" "$saved.part$f"
	done
	run mv "$saved.part" "$saved"
}

put_back() {
	while read -r f; do
		[ -e "$saved$f" ] || rm -f "$f"
	done <"$manifest"
	find "$saved" -type f | while read -r f; do
		# of a program that runs: a new file, not the same one written to
		mv -f "$f" "${f#"$saved"}"
	done
	rm -rf "$saved"
}

# What is to be done when the new daemon cannot run: $1 says why.
give_up() {
	if [ $upgrade = 0 ] || [ $was_running = 0 ]; then
		rm -rf "$saved"
		die "$1"
	fi
	say "$1"
	say "going back to $was"
	put_back
	systemctl daemon-reload
	if [ "$restarted" = 1 ]; then
		systemctl reset-failed asmeterd 2>/dev/null || :
		timeout --foreground 150 systemctl restart asmeterd ||
			die "$was is in place again and does not start either: journalctl -u asmeterd; what is attached goes on counting"
	fi
	die "not upgraded: $was runs; nothing was detached, the totals go on"
}

# ------------------------------------------------- user and configuration

make_user() {
	getent group asmeter >/dev/null || run groupadd --system asmeter
	getent passwd asmeter >/dev/null ||
		run useradd --system --gid asmeter --home-dir / --no-create-home \
			--shell /usr/sbin/nologin --comment "asmeter traffic meter" asmeter
}

# The shipped configuration with what was given as options filled in.
render_config() {
	quoted='' loopback=0
	for v in $listens; do quoted="$quoted, \"$v\""; done
	list='' sessions=''
	for v in $interfaces; do list="$list\\n  - $v"; done
	for v in $neighbors; do
		as=${v#*,}
		[ "$as" != "$v" ] || as=$local_as
		own=''
		# a daemon on this router needs another address to talk to, and
		# another identifier than its own
		[ "${v%%,*}" != 127.0.0.1 ] || own=', local-address: 127.0.0.2'
		[ -z "$own" ] || loopback=1
		sessions="$sessions\\n    - {address: \"${v%%,*}\", remote-as: $as$own}"
	done
	set -- -e ''
	[ -z "$local_as" ] || set -- "$@" -e "s/^#local-as: .*/local-as: $local_as/"
	[ -z "$host" ] || set -- "$@" -e "s/^#hostname: .*/hostname: $host/"
	[ -z "$quoted" ] || set -- "$@" -e "s|^  listen: .*9590.*|  listen: [${quoted#, }]|"
	[ -z "$list" ] || set -- "$@" -e "s/^interfaces: \\[\\]/interfaces:$list/"
	[ -z "$sessions" ] || set -- "$@" -e "s/^  neighbors: \\[\\]/  neighbors:$sessions/"
	[ $loopback = 0 ] || set -- "$@" -e "s/^  #router-id: .*/  router-id: 127.0.0.2/"
	sed "$@" scripts/asmeter.yaml
}

sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# Puts stdin in place as $1, readable by the daemon only (it may hold keys).
write_config() {
	if [ "$dry" = 1 ]; then
		cat >/dev/null
		echo "would write: $1"
		return
	fi
	mkdir -p "$conf_dir"
	rm -f "$1.asmeter-new"
	(umask 077 && cat >"$1.asmeter-new")
	chown root:asmeter "$1.asmeter-new"
	chmod 0640 "$1.asmeter-new"
	mv -f "$1.asmeter-new" "$1"
}

install_config() {
	if [ ! -e "$conf" ]; then
		render_config | write_config "$conf"
	elif render_config | cmp -s - "$conf"; then
		:
	elif [ "$(sum_of "$conf")" = "$(cat "$conf_sum" 2>/dev/null)" ]; then
		# as an earlier run wrote it: new options replace it
		[ $options = 1 ] || return 0
		render_config | write_config "$conf"
	elif [ $options = 1 ]; then
		say "$conf was edited and is kept; the new one is $conf.new"
		render_config | write_config "$conf.new"
		return 0
	else
		say "$conf is kept; what is new stands in $lib_dir/asmeter.yaml.example"
		return 0
	fi
	if [ "$dry" = 1 ]; then
		echo "would write: $conf_sum"
	else
		sum_of "$conf" >"$conf_sum"
	fi
}

make_dirs() {
	[ -d /var/lib/asmeter ] ||
		run install -d -m 0750 -o asmeter -g asmeter /var/lib/asmeter
	grep -q ' /sys/fs/bpf bpf ' /proc/mounts 2>/dev/null ||
		say "/sys/fs/bpf is not mounted: mount -t bpf bpf /sys/fs/bpf before the daemon is started"
}

# --------------------------------------------------------------- starting

has_local_as() { grep -q '^local-as:' "$conf" 2>/dev/null; }

start_service() {
	if [ $start = 0 ]; then
		say "not enabled, not started (--no-start)"
		return
	fi
	if [ "$dry" = 0 ] && ! has_local_as; then
		say "not started: set local-as in $conf, then: systemctl enable --now asmeterd"
		return
	fi
	if [ "$dry" = 0 ] && ! /usr/sbin/asmeterd --check --config "$conf"; then
		give_up "not started: cure $conf, then: systemctl enable --now asmeterd"
	fi
	if ! systemd_runs; then
		say "systemd is not running here: the service is installed, but not started"
		say "by hand: asmeterd --config $conf"
		return
	fi
	run systemctl daemon-reload
	run systemctl --quiet enable asmeterd
	restarted=1
	if ! run timeout --foreground 150 systemctl restart asmeterd; then
		journalctl --no-pager -o cat -u asmeterd -n 10 2>/dev/null || :
		give_up "asmeterd did not start; see: journalctl -u asmeterd"
	fi
	say "asmeterd runs; see: asmeter status, asmeter top"
}

describe_interfaces() {
	for i in $interfaces; do
		drv=$(readlink "/sys/class/net/$i/device/driver" || echo none)
		say "to be metered once the daemon runs: $i (driver ${drv##*/})"
	done
}

warn_listen() {
	for v in $listens; do
		case $v in
		127.* | '[::1]:'*) ;;
		*) say "$v: the metrics page has no password; keep it from the outside" ;;
		esac
	done
}

do_install() {
	check_system
	warn_listen
	prepare_build
	describe_interfaces
	find_installed
	show_new_keys
	make_user
	save_installed
	install_files
	install_config
	make_dirs
	# on the disk before anything relies on it
	run sync -f "$lib_dir" "$conf_dir"
	restarted=0
	start_service
	[ $upgrade = 0 ] || run rm -rf "$saved"
	say "done"
}

# ----------------------------------------------------------- uninstalling

detach_all() {
	[ -d "$pins" ] || return 0
	if [ -x /usr/bin/asmeter ]; then
		run /usr/bin/asmeter detach --all ||
			say "asmeter detach failed; removing the pins"
	fi
	# a link without a pin and without a process is detached by the kernel
	run rm -rf "$pins"
}

do_uninstall() {
	[ "$dry" = 1 ] || [ "$(id -u)" = 0 ] ||
		die "must be run as root: sudo scripts/install.sh --uninstall"
	if systemd_runs && [ -e "$unit" ]; then
		run systemctl --quiet disable --now asmeterd
	elif [ -e /etc/systemd/system/multi-user.target.wants/asmeterd.service ]; then
		run rm -f /etc/systemd/system/multi-user.target.wants/asmeterd.service
	fi
	detach_all
	if [ -e "$manifest" ]; then
		while read -r f; do
			run rm -f "$f" "$f.asmeter-new"
		done <"$manifest"
	fi
	run rm -rf "$lib_dir" /run/asmeter
	! systemd_runs || run systemctl daemon-reload
	if [ $purge = 1 ]; then
		run rm -rf "$conf_dir" /var/lib/asmeter
		! getent passwd asmeter >/dev/null || run userdel asmeter
		! getent group asmeter >/dev/null || run groupdel asmeter
	else
		say "kept: $conf_dir, /var/lib/asmeter and the user asmeter (--purge removes them)"
	fi
	say "uninstalled"
}

main() {
	parse_options "$@"
	tree=$(cd "$(dirname "$0")/.." && pwd)
	if [ $uninstall = 1 ]; then
		do_uninstall
	else
		do_install
	fi
}

main "$@"
