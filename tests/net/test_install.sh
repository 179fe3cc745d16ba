#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# scripts/install.sh on a copy of this system (an overlay over /, entered with
# chroot): run, run again, over an edited configuration, without and with
# systemd, uninstalled and purged.
set -eu
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
src=$PWD
base=/run/install-test
root=$base/root
mkdir -p "$base"
mount -t tmpfs tmpfs "$base"
mkdir -p "$base/upper" "$base/work" "$root"
mount -t overlay overlay \
	-o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mkdir -p "$root/run" "$root/src" "$root/b"
mount -t tmpfs tmpfs "$root/run"
mount --bind "$src" "$root/src"
mount --bind "$B" "$root/b"
make -s B="$B" all
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up

fail() {
	echo "FAILED: $*"
	exit 1
}
in_root() { chroot "$root" /bin/sh -c "cd /src && PATH=$path $*"; }
path=/usr/sbin:/usr/bin:/sbin:/bin
inst() { in_root "B=/b scripts/install.sh $*"; }
# Everything that differs from the system: names, modes, contents.
changes() {
	(cd "$base/upper" && find . \( -type f -o -type l \) -printf '%p %m ' \
		-exec sh -c '[ -f "$1" ] && sha256sum <"$1" || echo' _ {} \; ;
		find . -type c -printf 'gone %p\n'; find . -type d -printf '%p %m\n') |
		grep -v -e '^\./src' -e '^\./b ' -e '^\./run' -e '^\./var/cache' \
			-e '^\./etc/\.pwd\.lock' |
		sort
}
conf=$root/etc/asmeter/asmeter.yaml
no_xdp() {
	! ip -d link show "$1" | grep -q xdp || fail "$1 has an XDP program"
}

changes >"$base/before"

# --- wrong usage and impossible wishes change nothing
for args in --nonsense --interface --purge '--local-as x;y' \
	'--hostname a/b' '--interface x/../y' '--neighbor 192.0.2.1'; do
	rc=0
	inst "$(printf "'%s' " $args)" >"$base/log" 2>&1 || rc=$?
	[ $rc = 2 ] || fail "$args: exit $rc instead of 2"
done
rc=0
inst --interface nosuch0 --local-as 64512 >"$base/log" 2>&1 || rc=$?
[ $rc = 1 ] || fail "unknown interface: exit $rc"
grep -q 'no interface nosuch0.*v0' "$base/log" || fail "unknown interface: no cure"

# --- a dry run prints the changes and makes none
inst --dry-run --interface v0 --local-as 64512 >"$base/log"
for want in /usr/sbin/asmeterd /usr/bin/asmeter asmeterd.service useradd \
	/etc/asmeter/asmeter.yaml; do
	grep -q "^would .*$want" "$base/log" || fail "dry run is silent about $want"
done
changes | diff "$base/before" - || fail "something changed before the installation"

# --- the installation, where systemd is not running
inst --interface v0 --local-as 64512 --hostname r1.example \
	--listen 127.0.0.1:9591 --listen '[::1]:9591' --neighbor 127.0.0.1 \
	>"$base/log" 2>&1 || fail "$(cat "$base/log")"
grep -q 'systemd is not running' "$base/log" ||
	fail "does not say what it did not start"
for f in usr/sbin/asmeterd usr/bin/asmeter \
	usr/lib/systemd/system/asmeterd.service \
	usr/share/bash-completion/completions/asmeter \
	usr/share/man/man8/asmeterd.8 usr/share/man/man5/asmeter.yaml.5; do
	[ -s "$root/$f" ] || fail "$f is missing"
done
[ "$(stat -c '%a %U %G' "$root/usr/sbin/asmeterd")" = "755 root root" ] ||
	fail "mode of asmeterd"
in_root 'stat -c "%a %U %G" /etc/asmeter/asmeter.yaml' | grep -qx '640 root asmeter' ||
	fail "mode of the configuration"
in_root 'id asmeter' >/dev/null || fail "no user asmeter"
for want in '^local-as: 64512$' '^hostname: r1.example$' '^  - v0$' \
	'^  listen: \["127.0.0.1:9591", "\[::1\]:9591"\]$' \
	'^    - {address: "127.0.0.1", remote-as: 64512, local-address: 127.0.0.2}$' \
	'^  router-id: 127.0.0.2$'; do
	grep -q "$want" "$conf" || fail "the configuration lacks $want"
done
in_root 'asmeter check /etc/asmeter/asmeter.yaml' >/dev/null ||
	fail "the rendered configuration has faults"
no_xdp v0
no_xdp v1
[ ! -e /sys/fs/bpf/asmeter ] || fail "something is pinned"

# --- the unit is sound, and as closed as promised
in_root 'systemd-analyze verify asmeterd.service' >"$base/log" 2>&1 ||
	fail "systemd-analyze verify: $(cat "$base/log")"
exposure=$(in_root 'systemd-analyze security --offline=true --no-pager \
	/usr/lib/systemd/system/asmeterd.service' |
	sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
awk -v e="$exposure" 'BEGIN { exit !(e > 0 && e <= 2.1) }' ||
	fail "exposure is $exposure"
echo "note: exposure of the unit $exposure"

# --- again: nothing changes
changes >"$base/installed"
inst --interface v0 --local-as 64512 --hostname r1.example \
	--listen 127.0.0.1:9591 --listen '[::1]:9591' --neighbor 127.0.0.1 >/dev/null 2>&1
changes | diff "$base/installed" - || fail "the second run changed something"
inst >/dev/null 2>&1
changes | diff "$base/installed" - || fail "a run without options changed something"

# --- new options replace a configuration that nobody edited
inst --interface v1 --local-as 64513 >/dev/null 2>&1
grep -q '^local-as: 64513$' "$conf" || fail "new options were ignored"

# --- an edited one stays, the new one lies beside it
echo '# mine' >>"$conf"
cp "$conf" "$base/edited"
inst --interface v0 --local-as 64514 >"$base/log" 2>&1
cmp "$base/edited" "$conf" || fail "an edited configuration was overwritten"
grep -q '^local-as: 64514$' "$conf.new" || fail "no asmeter.yaml.new"
grep -q 'asmeter.yaml.new' "$base/log" || fail "asmeter.yaml.new is not mentioned"
rm "$conf.new"
inst >/dev/null 2>&1
cmp "$base/edited" "$conf" || fail "an upgrade overwrote the configuration"
[ ! -e "$conf.new" ] || fail "an upgrade without options wrote a .new"

# --- an old version's file goes with the upgrade
echo /usr/lib/asmeter/oldfile >>"$root/usr/lib/asmeter/installed.list"
touch "$root/usr/lib/asmeter/oldfile"
inst >/dev/null 2>&1
[ ! -e "$root/usr/lib/asmeter/oldfile" ] || fail "an old file stayed"

# --- where systemd runs: it is asked for the right things, in order
mkdir -p "$root/run/systemd/system" "$root/run/fake"
cat >"$root/run/fake/systemctl" <<'FAKE'
#!/bin/sh
echo "$*" >>/run/fake/calls
FAKE
chmod +x "$root/run/fake/systemctl"
path=/run/fake:$path
inst --no-start >/dev/null 2>&1
! grep -v '^is-active' "$root/run/fake/calls" || fail "--no-start called systemctl"
rm "$root/run/fake/calls"
inst >/dev/null 2>&1
printf '%s\n' 'is-active --quiet asmeterd' daemon-reload \
	'--quiet enable asmeterd' 'restart asmeterd' |
	diff - "$root/run/fake/calls" || fail "systemctl calls"
[ ! -e "$root/usr/lib/asmeter/before-upgrade" ] || fail "an upgrade left its copies"
# a broken configuration is not started: the daemon that runs goes on running
echo 'nonsense: 1' >>"$conf"
rm "$root/run/fake/calls"
echo old >"$root/usr/lib/asmeter/asmeter.yaml.example"
rc=0
inst >"$base/log" 2>&1 || rc=$?
[ $rc = 1 ] || fail "broken configuration: exit $rc"
! grep restart "$root/run/fake/calls" || fail "started with a broken configuration"
grep -q 'not upgraded: asmeterd .* runs' "$base/log" || fail "$(cat "$base/log")"
[ "$(cat "$root/usr/lib/asmeter/asmeter.yaml.example")" = old ] ||
	fail "what was there before was not put back"
# a daemon that does not come up: all of it is put back, and that one started
cp "$base/edited" "$conf"
cat >"$root/run/fake/systemctl" <<'FAKE'
#!/bin/sh
echo "$*" >>/run/fake/calls
[ "$1" != restart ] || [ -e /run/fake/second ] || { touch /run/fake/second && exit 1; }
FAKE
rm "$root/run/fake/calls"
sed 's/^#hostname/#newly/' "$src/scripts/asmeter.yaml" >"$root/usr/lib/asmeter/asmeter.yaml.example"
changes >"$base/installed"
rc=0
inst >"$base/log" 2>&1 || rc=$?
[ $rc = 1 ] || fail "a daemon that does not start: exit $rc"
changes | diff "$base/installed" - || fail "a rollback is not the state before"
[ "$(grep -c '^restart' "$root/run/fake/calls")" = 2 ] || fail "the old one is not started"
cp "$base/edited" "$conf"

# --- uninstall detaches, and leaves the configuration
in_root 'asmeter attach v0' >"$base/log" 2>&1 || fail "attach: $(cat "$base/log")"
ip -d link show v0 | grep -q xdp || fail "asmeter attach did not attach"
inst --uninstall --dry-run >/dev/null
ip -d link show v0 | grep -q xdp || fail "a dry run detached"
inst --uninstall >"$base/log" 2>&1 || fail "uninstall: $(cat "$base/log")"
grep -q -- '--quiet disable --now asmeterd' "$root/run/fake/calls" ||
	fail "uninstall did not stop the service"
no_xdp v0
[ ! -e /sys/fs/bpf/asmeter ] || fail "pins are left: $(ls -R /sys/fs/bpf)"
cmp "$base/edited" "$conf" || fail "uninstall touched the configuration"
changes | grep -e '/usr/' | grep -v -e '^\./usr[^ ]* [0-7]*$' -e '^gone' &&
	fail "uninstall left files in /usr"

# --- purge leaves nothing
inst --uninstall --purge >"$base/log" 2>&1 || fail "purge: $(cat "$base/log")"
[ ! -e "$root/etc/asmeter" ] && [ ! -e "$root/var/lib/asmeter" ] ||
	fail "purge left files"
! in_root 'getent passwd asmeter || getent group asmeter' || fail "purge left the user"
left=$(changes | diff "$base/before" - | sed -n 's/^> //p' |
	grep -v -e '^\./[^ ]* [0-7]*$' -e '^gone \./\(etc\|var/lib\)/asmeter$' -e '^\./etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-\{0,1\} ' || :)
[ -z "$left" ] || fail "left behind: $left"
for f in passwd group shadow gshadow; do
	diff "/etc/$f" "$root/etc/$f" || fail "/etc/$f changed"
done
# and a second uninstall is no error
inst --uninstall --purge >/dev/null 2>&1 || fail "uninstalling twice"
