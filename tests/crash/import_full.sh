#!/bin/sh
# import_full.sh <build> - the disk fills up in the middle of an import.
#
# The home lies on a file system that is too small at first. Each way to import has to say so, show no
# project, and come through by the same call once there is room. The file system is tried at several
# sizes, so that it is full at different places. The control is a plain `cp` that must hit the wall, too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/harness.sh"

small=$tmp/small
mkdir "$small"
mount -t tmpfs -o size=4m tmpfs "$small" 2>/dev/null || skip_all 'mounting a tmpfs is not allowed here'
unmount_small() {
	umount -l "$small" 2>/dev/null
	take_down
}
trap unmount_small EXIT
FRAG_HOME=$small/home
project=$FRAG_HOME/projects/app.git

size() { mount -o remount,size="$1" "$small"; }
fresh() {
	rm -rf "$FRAG_HOME"
	size 64m
	"$frag" init >/dev/null
}
tips() { git -C "$1" for-each-ref --format='%(objectname) %(refname)' refs/heads refs/tags; }
used() { du -sk "$small" | cut -f1; }

# What does not compress, in packs and in loose objects.
git init -q -b main "$tmp/packed" && cd "$tmp/packed" || exit 1
for i in 1 2 3 4 5 6 7 8; do
	head -c 700000 /dev/urandom >"f$i" && git add . && git commit -qm "$i" && git tag "t$i"
done
cp -r "$tmp/packed" "$tmp/loose"
git gc -q
cd "$tmp" || exit 1
i=0
while [ $i -lt 8 ]; do
	i=$((i + 1))
	printf '{"id":"%s","title":"t","files":{"a":"%s"}}\n' "$i" "$(head -c 500000 /dev/urandom | base64 -w0)"
done >docs.jsonl

# fills <extra> <import arguments…>: with only <extra> kB of room the import fails, cleanly; with room it comes.
fills() {
	extra=$1
	shift
	fresh
	size $(($(used) + extra))k
	if "$frag" import -q --name app "$@" >"$tmp/said" 2>&1; then
		echo "it fitted into $extra kB"
		return 1
	fi
	cat "$tmp/said"
	grep -qi -e 'no space' -e 'are free' "$tmp/said" || { echo 'it did not say why'; return 1; }
	# Once it is seen it is whole: only its numbers may be missing.
	[ ! -e "$project" ] || git -C "$project" fsck --strict || { echo 'half a project is seen'; return 1; }
	size 256m
	"$frag" import -q --name app "$@" >"$tmp/said" 2>&1 || { cat "$tmp/said"; return 1; }
	git -C "$project" fsck --strict --connectivity-only || return 1
	[ -z "$(find "$FRAG_HOME/projects" -mindepth 1 -maxdepth 1 -name '.*')" ] || { echo 'leftovers'; return 1; }
}
comes_whole() { same "$(tips "$project")" "$(tips "$1")"; }

for room in 100 1500 4000; do
	claim "packs of a path into $room kB" fills "$room" packed
	claim 'afterwards all of it is there' comes_whole packed
	claim "loose objects of a path into $room kB" fills "$room" loose
	claim 'afterwards all of it is there' comes_whole loose
	claim "an address into $room kB" fills "$room" "file://$tmp/packed"
	claim 'afterwards all of it is there' comes_whole packed
	claim "documents into $room kB" fills "$room" docs.jsonl
	claim 'afterwards all of them are there' same "$(git -C "$project" rev-list --count main)" 8
done

# A second import that does not fit leaves the project as it was.
fresh
"$frag" import -q --name app packed >/dev/null
before=$(tips "$project")
head -c 3000000 /dev/urandom >packed/big && git -C packed add big && git -C packed commit -qm Big
size $(($(used) + 1000))k
"$frag" import -q --name app packed >"$tmp/said" 2>&1
claim 'an update that does not fit fails' same $? 1
claim 'and leaves every ref' same "$(tips "$project")" "$before"
size 256m
claim 'with room it comes' "$frag" import -q --name app packed
claim 'whole' comes_whole packed
fresh
size $(($(used) + 1000))k
claim 'the wall is real: cp hits it' sh -c "! cp -r '$tmp/packed' '$small/copy' 2>/dev/null"
done_claiming
