# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# The Debian package: installed, configured, upgraded under load (once to a
# daemon that works, once to one that does not), removed, purged.
export DEBIAN_FRONTEND=noninteractive
deb() { dpkg "$@" >"$work/out" 2>&1; }

rig 1500
[ -e "$work/hosts" ] || addresses 50
deb -i /mnt/deb/one.deb || fail "dpkg -i: $(cat "$work/out")"
grep -q 'set local-as and interfaces' "$work/out" || fail "no word on what to do"
[ "$(unit_state)" = "inactive dead" ] || fail "not configured, but $(unit_state)"
[ "$(stat -c '%a %U %G' $conf)" = '640 root asmeter' ] || fail "mode of $conf"
cp "$work/prefixes" /etc/asmeter/overrides.txt
chgrp asmeter /etc/asmeter/overrides.txt
sed -i -e 's,^#local-as: .*,local-as: 64512,' -e 's/^interfaces: .*/interfaces: [r0]/' \
	-e 's,^#overrides: .*,overrides: /etc/asmeter/overrides.txt,' \
	-e 's/^  use: fallback .*/  use: never/' $conf
mine=$(sha256sum <$conf)
systemctl enable --now asmeterd || fail "the package's unit does not start"
wait_for 60 looked_up 20.0.0.1 1000 ||
	fail "the overrides are not in the table"
link_ids >"$work/links"
flow_start
old=$(main_pid)
deb --force-confold -i /mnt/deb/two.deb || fail "upgrade: $(cat "$work/out")"
came_up "$old" || fail "the new daemon does not run"
cmp /usr/sbin/asmeterd /mnt/build/asmeterd || fail "not the new one"
[ "$(sha256sum <$conf)" = "$mine" ] || fail "the configuration was changed"
[ -s $conf.dpkg-dist ] || fail "the new configuration is nowhere"
! deb --force-confold -i /mnt/deb/bad.deb || fail "a broken daemon was installed"
is_up || fail "not gone back: $(cat "$work/out")"
is_version /mnt/build/asmeterd || fail "another version runs: $(running_version)"
grep -q 'going back to the one before' "$work/out" || fail "$(cat "$work/out")"
deb --force-confold -i /mnt/deb/two.deb || fail "again: $(cat "$work/out")"
[ "$(systemctl show -P DropInPaths asmeterd)" = '' ] || fail "the drop-in is left"
link_ids | diff "$work/links" - || fail "something was attached anew"
flow_stop
systemctl stop asmeterd || fail stop
flow_check "package: upgrade, one that was rolled back, upgrade"
systemctl start asmeterd || fail start
deb -r asmeter || fail "dpkg -r: $(cat "$work/out")"
kept "dpkg -r"
deb -P asmeter || fail "dpkg -P: $(cat "$work/out")"
ip link del r0
ip netns del far
nothing_left "dpkg -P"
