#!/bin/sh
# install.sh <build> - what `make install` puts where, and that it works from there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"
command -v meson >/dev/null || skip_all 'meson is not here'

claim 'installs below DESTDIR' env DESTDIR="$tmp/root" meson install -C "$build" --no-rebuild
prefix=$(dirname "$(dirname "$(find "$tmp/root" -type f -name frag -path '*/bin/frag')")")
is 'with the program, the agent and the helper of mount' 'bin/frag libexec/frag-agent sbin/mount.fuse.frag' \
	"$(cd "$prefix" && find bin libexec sbin -name '*frag*' | sort | tr '\n' ' ' | sed 's/ $//')"
claim 'the installed program runs' "$prefix/bin/frag" --version
is 'the helper is the program' "$prefix/bin/frag" "$(readlink -f "$prefix/sbin/mount.fuse.frag")"
claim 'a manual page for each verb, for everybody to read' \
	test "$(find "$prefix/share/man/man1" -name 'frag-*.1' -perm 644 | wc -l)" -ge 20
claim 'whose page of the program names the verbs' grep -q 'project list' "$prefix/share/man/man1/frag.1"
claim 'completion that bash takes' sh -c 'command -v bash >/dev/null || exit 0; bash -n "$1"' sh \
	"$prefix/share/bash-completion/completions/frag"
if command -v man >/dev/null && command -v groff >/dev/null; then
	for page in "$prefix"/share/man/man1/*.1; do
		LC_ALL=C groff -man -Tascii -ww "$page" 2>&1 >/dev/null
	done >"$tmp/warnings"
	is 'groff finds nothing to complain about' '' "$(head -5 "$tmp/warnings")"
fi
done_claiming
