#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# make deb: builds the Debian package of this tree, checks it with lintian and
# leaves it in $B/deb. The packaging is in scripts/debian; version and changelog
# come from git, so that the same commit makes the same package.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build}
mkdir -p "$B/deb"
out=$(cd "$B/deb" && pwd)

die() {
	echo "deb.sh: $*" >&2
	exit 1
}

for tool in dh dpkg-buildpackage lintian; do
	command -v $tool >/dev/null ||
		die "no $tool: apt-get install debhelper lintian (or make deps)"
done

# A tag v1.2 is version 1.2; a commit after it, or without one, is later than
# the commits before it.
version() {
	[ -z "${DEB_VERSION:-}" ] || { echo "$DEB_VERSION" && return; }
	tag=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null || echo v0)
	[ "$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null)" != "$tag" ] ||
		{ echo "${tag#v}" && return; }
	echo "${tag#v}+git$(TZ=UTC git log -1 --date=format-local:%Y%m%d.%H%M%S \
		--format=%cd.%h 2>/dev/null || echo 0)"
}

# one at a time
exec 9>"$out/lock"
flock 9
version=$(version)
when=$(git log -1 --format=%ct 2>/dev/null || date +%s)
tree=$out/tree
rm -rf "$tree"
mkdir -p "$tree"
trap 'rm -rf "$tree"' EXIT
# -a: with their times, so that what is built already stays
cp -a Makefile LICENSE README.md bpf include scripts systemd user "$tree/"
mv "$tree/scripts/debian" "$tree/debian"
mkdir "$tree/debian/source"
echo '3.0 (native)' >"$tree/debian/source/format"
cat >"$tree/debian/changelog" <<END
asmeter ($version) bookworm; urgency=medium

  * Built from the source tree; its history is the change log.

 -- asmeter maintainers <maintainers@asmeter.invalid>  $(date -R -u -d "@$when")
END
chmod 755 "$tree/debian/rules"
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
(cd "$tree" && OBJ=$out/obj PACKAGE_VERSION=$version SOURCE_DATE_EPOCH=$when \
	dpkg-buildpackage --no-sign --build=binary --no-check-builddeps \
	--no-pre-clean) >"$out/log" 2>&1 || {
	tail -n 40 "$out/log" >&2
	die "the build failed: $out/log"
}
lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs \
	"$out"/asmeter_*.deb "$out"/asmeter_*.changes ||
	die "lintian has found something"
echo "$B/deb/$(cd "$out" && echo asmeter_*.deb)"
