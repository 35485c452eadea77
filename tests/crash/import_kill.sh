#!/bin/sh
# import_kill.sh <build> - SIGKILL at the n-th mutating system call of an import, for many n.
#
# Every way to import is run in a home of its own and killed: frag, or whichever git it drives, at its n-th
# write, rename, fsync and so on. Whatever n: a project that can be seen is whole, git finds no fault,
# and the same call again ends where an undisturbed one ends, with nothing left over and
# `frag fsck` content. $POINTS is
# how many n are tried for each way.
#
# The control is `git clone --mirror` into the same place: the harness must catch it showing half a project.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/harness.sh"
command -v strace >/dev/null || skip_all 'strace is not installed'

points=${POINTS:-16}
calls='write,pwrite64,writev,sendto,rename,renameat,renameat2,fsync,fdatasync,syncfs,unlink,unlinkat,mkdir,mkdirat,link,linkat,symlinkat,ftruncate,copy_file_range,msync'
home=$FRAG_HOME project=$FRAG_HOME/projects/app.git

# What counts of a project: where its refs are, and that every object of them is there.
seen() { git -C "$project" for-each-ref --format='%(objectname) %(refname)' refs/heads refs/tags refs/remotes 2>&1; }
numbered() { git -C "$project" for-each-ref --format='%(objectname) %(refname)' 2>&1; }
sound() { git -C "$project" fsck --strict --connectivity-only >"$tmp/fsck" 2>&1 && ! grep -Eq 'missing|broken' "$tmp/fsck"; }

# Writes to $tmp/points what to kill at: "<call> <which of them>", evenly chosen from all that any process makes.
choose_points() { # <command…>
	strace -f -qq -o "$tmp/trace" -e trace="$calls" "$@" >/dev/null 2>&1
	sed -n 's/^\([0-9]*\) *\([a-z0-9]*\)(.*/\1 \2/p' "$tmp/trace" |
		awk '{ k = ++n[$1, $2]; if (!seen[$2, k]++) print $2, k }' >"$tmp/all"
	awk -v want="$points" -v n="$(wc -l <"$tmp/all")" '
		int(NR * want / n) != int((NR - 1) * want / n) || want >= n' "$tmp/all" >"$tmp/points"
}

# kill_at <call> <which> <command…>
kill_at() {
	call=$1 k=$2
	shift 2
	setsid strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$k" \
		"$@" >/dev/null 2>&1 </dev/null
}

restore() {
	rm -rf "$home"
	cp -a "$tmp/before" "$home"
}

old= want=
# Fails, saying why, unless what can be seen is allowed.
visible_is_whole() {
	[ -e "$project" ] || return 0
	sound || { echo "git finds fault"; cat "$tmp/fsck"; return 1; }
	seen >"$tmp/seen"
	# Each ref is where it was or where it will be, and none is missing that was there.
	grep -vxF -e "$old" -e "$want" "$tmp/seen" && { echo "neither old nor new"; return 1; }
	[ -n "$old" ] || [ "$(cat "$tmp/seen")" = "$want" ] || { echo "half a project"; return 1; }
}

# loop <name> <command…>: kills it at many points; counts violations in $tmp/violations.
loop() {
	name=$1
	shift
	: >"$tmp/violations"
	rm -rf "$tmp/before"
	cp -a "$home" "$tmp/before"
	old=
	[ ! -e "$project" ] || old=$(seen)
	choose_points "$@"
	want=$(seen)
	numbered >"$tmp/want"
	killed=0
	while read -r call k; do
		restore
		kill_at "$call" "$k" "$@" || killed=$((killed + 1))
		visible_is_whole >>"$tmp/violations" 2>&1 || echo "$name: killed at $call $k" >>"$tmp/violations"
		"$@" >"$tmp/again" 2>&1 </dev/null || {
			echo "$name: the call after a kill at $call $k failed"
			cat "$tmp/again"
		} >>"$tmp/violations"
		numbered >"$tmp/got"
		"$frag" fsck -q >"$tmp/checked" 2>&1 || cat "$tmp/checked" >>"$tmp/violations"
		diff "$tmp/want" "$tmp/got" >>"$tmp/violations" && sound ||
			echo "$name: another end after a kill at $call $k" >>"$tmp/violations"
		[ -z "$(find "$home/projects" -mindepth 1 -maxdepth 1 -name '.*')" ] ||
			echo "$name: leftovers after a kill at $call $k" >>"$tmp/violations"
	done <"$tmp/points"
	echo "$name: $(wc -l <"$tmp/all") calls to be killed at, killed at $killed"
	cat "$tmp/violations"
	restore
	[ "$killed" -ge 5 ] && [ ! -s "$tmp/violations" ]
}

"$frag" init >/dev/null
git init -q -b main "$tmp/src" && cd "$tmp/src" || exit 1
for i in 1 2 3 4 5 6; do
	echo "$i" >"f$i" && git add . && git commit -qm "Commit $i" && git tag "t$i"
done
git gc -q && git branch side HEAD~2
for i in 7 8; do
	echo "$i" >"f$i" && git add . && git commit -qm "Commit $i"
done
git tag -am annotated annotated
cd "$tmp" || exit 1
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	echo "{\"id\":\"d$i\",\"title\":\"Document $i\",\"files\":{\"a\":\"$i\",\"dir/b\":\"b$((i / 7))\"}}"
done >docs.jsonl
head -25 docs.jsonl >first.jsonl

claim 'a path, killed anywhere, shows all or nothing and goes on' loop path "$frag" import -q --name app src
claim 'so does an address' loop address "$frag" import -q --name app "file://$tmp/src"
claim 'so do documents' loop documents "$frag" import -q --name app docs.jsonl

"$frag" import -q --name app src
git -C src commit -q --allow-empty -m Nine && echo x >src/x && git -C src add x && git -C src commit -qm Ten
git -C src branch new && git -C src branch -f side HEAD~1
claim 'a second import of a path leaves each ref old or new' loop again "$frag" import -q --name app src
"$frag" project delete app --yes >/dev/null 2>&1 || rm -rf "$project"
"$frag" import -q --name app first.jsonl >/dev/null
claim 'further documents come all or not at all' loop more "$frag" import -q --name app docs.jsonl

rm -rf "$project"
loop control git clone -q --mirror "file://$tmp/src" "$project" >/dev/null 2>&1
grep -Eq 'half a project|finds fault' "$tmp/violations"
claim 'the harness catches git clone showing half a project' test $? -eq 0
done_claiming
