#!/bin/sh
# follow.sh <build> - what plain git does to a home shows in the mount, and damage stays where it is.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

"$here/../bench/generate.sh" web "$tmp/web"
"$frag" init >/dev/null
"$frag" import "$tmp/web" --name app -q >/dev/null
"$frag" import "$tmp/web" --name other -q >/dev/null
"$frag" mount "$mnt"
git clone -q "$FRAG_HOME/projects/app.git" "$tmp/clone"

push_commit() {
	cd "$tmp/clone" && echo "$1" >pushed.txt && git add -A && git commit -qm "Push $1" &&
		git push -q origin HEAD:main && cd "$tmp"
}
head_shows() { same "$(cat "$mnt/app/refs/heads/main/pushed.txt")" "$1"; }

n_before=$(find "$mnt/app/fragments" -mindepth 1 -maxdepth 1 | wc -l)
push_commit one
soon 'a pushed commit is behind its branch' head_shows one
claim 'and is one more fragment' same "$(find "$mnt/app/fragments" -mindepth 1 -maxdepth 1 | wc -l)" $((n_before + 1))
push_commit two
soon 'the next one replaces it' head_shows two
claim 'the old one stays a fragment' grep -q one "$(find "$mnt/app/fragments" -maxdepth 1 -name '*-push-one')/pushed.txt"
git -C "$FRAG_HOME/projects/app.git" branch side main~3
soon 'a branch made by git appears' test -e "$mnt/app/refs/heads/side/index.html"
git -C "$FRAG_HOME/projects/app.git" branch -qD side
soon 'and goes' test ! -e "$mnt/app/refs/heads/side"
git -C "$FRAG_HOME/projects/app.git" tag v1 main~5
soon 'a tag appears' test -e "$mnt/app/refs/tags/v1/index.html"

cp -r "$tmp/web" "$FRAG_HOME/projects/dropped.git"
soon 'a bare repository put into the home is a project' test -d "$mnt/dropped/fragments"
soon 'with all its versions' test -e "$mnt/dropped/at/40/index.html"
"$frag" project create fresh >/dev/null
soon 'a project made by frag appears' test -d "$mnt/fresh"
refuses 'no directory is made in a project by hand' 1 'Operation not permitted' mkdir "$mnt/app/made"
refuses 'nor is a version written to' 1 'Permission denied' touch "$mnt/app/at/7/index.html"
refuses 'nor is a file of it removed' 1 'Value too large' rm "$mnt/app/at/7/index.html"
claim 'which has it still' grep -q 'Version 7' "$mnt/app/at/7/index.html"

# Damage: one project breaks, the rest is served.
mkdir "$FRAG_HOME/projects/hollow.git"
echo garbage >"$FRAG_HOME/projects/dropped.git/HEAD"
claim 'a hollow and a damaged repository keep nothing else from being read' \
	grep -q 'Version 40' "$mnt/other/at/40/index.html"
git -C "$FRAG_HOME/projects/app.git" gc -q --prune=now
claim 'gc --prune=now beneath the mount changes nothing' grep -q two "$mnt/app/refs/heads/main/pushed.txt"
claim 'nor what was never read before' grep -q 'Version 7' "$mnt/app/at/7/index.html"
rm -rf "$FRAG_HOME/projects/other.git"
soon 'a repository removed beneath the mount is gone' test ! -e "$mnt/other/fragments"
claim 'and the rest is served' grep -q 'Version 9' "$mnt/app/at/9/index.html"
mostly_soon 'all of that within a second'
claim 'the daemon lives' kill -0 "$(cat "$FRAG_HOME/run/daemon.pid")"

# The index is nobody's truth.
listing() { find "$mnt/app/fragments" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort; }
listing >"$tmp/before"
"$frag" unmount "$mnt"
rm -rf "$FRAG_HOME/index"
"$frag" mount "$mnt"
listing >"$tmp/after"
claim 'without its index the home gives the same answers' diff "$tmp/before" "$tmp/after"
"$frag" unmount "$mnt"
rm -rf "$FRAG_HOME/projects/hollow.git" "$FRAG_HOME/projects/dropped.git"
"$frag" log app --json >"$tmp/log-before"
claim 'reindex' "$frag" reindex
"$frag" log app --json >"$tmp/log-after"
claim 'gives the same log' cmp "$tmp/log-before" "$tmp/log-after"
claim 'and the home is sound' "$frag" fsck
done_claiming
