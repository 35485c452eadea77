#!/bin/sh
# differential.sh <build> - what the mount shows is what git has: names, types, modes, links, bytes.
#
# Random fragments of two repositories are unpacked by git archive and compared with the mount. One is a
# generated app; the other is made of oddities.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

odd_repository() {
	git init -q -b main "$tmp/odd" && cd "$tmp/odd" || return
	mkdir -p deep/a/b/c/d/e/f/g/h many 'white space'
	printf 'x' >deep/a/b/c/d/e/f/g/h/file
	: >empty
	printf 'no newline' >'white space/na me'
	printf 'tab' >"$(printf 'tab\there')"
	printf 'nl' >"$(printf 'new\nline')"
	printf 'utf8' >'naïve-日本.txt'
	printf 'dash' >./-rf
	printf 'bytes' >"$(printf 'latin-\351')"
	printf '#!/bin/sh\n' >run.sh && chmod +x run.sh
	ln -s run.sh link && ln -s ../outside up && ln -s /etc/hostname absolute && ln -s nowhere dangling
	head -c 5000000 /dev/urandom >big.bin
	i=0
	while [ $i -lt 3000 ]; do
		echo $i >many/$i
		i=$((i + 1))
	done
	git add -A && git commit -qm 'Everything odd' || return
	git update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,module &&
		git commit -qm 'A submodule' || return
	chmod +x empty && chmod -x run.sh && rm link && mkdir link && echo now >link/dir &&
		git add -A . 2>/dev/null
	git rm -q --cached module 2>/dev/null
	git commit -qm 'Modes and types change'
	git mv big.bin renamed.bin && git commit -qm 'A rename'
	git rm -qr many && git commit -qm 'A directory goes'
	git commit -q --allow-empty -m 'Nothing changes'
	git checkout -q --orphan bare && git rm -qrf . && git commit -q --allow-empty -m 'An empty tree'
	git checkout -q main
	cd "$tmp" || return
}

# Name, type, mode and link target of everything; a newline in a name stays one record.
describe() { (cd "$1" && find . -mindepth 1 -printf '%P %y %l %m\0' | LC_ALL=C sort -z | tr '\0\n' '\n?'); }

same_tree() {
	repo=$1 commit=$2 dir=$3
	rm -rf "$tmp/native" && mkdir "$tmp/native"
	git -C "$repo" -c tar.umask=0022 archive "$commit" | tar -C "$tmp/native" -xf - || return
	# A version is read-only in the mount: no write bits to compare.
	chmod -R a-w "$tmp/native"
	describe "$tmp/native" | sed 's/ 755$/ 555/; s/ 644$/ 444/' >"$tmp/want"
	describe "$dir" | sed 's/ 755$/ 555/; s/ 644$/ 444/' >"$tmp/have"
	diff -u "$tmp/want" "$tmp/have" && diff -r --no-dereference "$tmp/native" "$dir"
}

all_same() {
	repo=$1 project=$2 n=$3 checked=0
	for dir in $(find "$mnt/$project/fragments" -mindepth 1 -maxdepth 1 | shuf -n "$n" --random-source=/dev/zero); do
		hash=$(echo "${dir##*/}" | cut -d - -f 2)
		same_tree "$repo" "$hash" "$dir" || { echo "differs: $dir"; return 1; }
		checked=$((checked + 1))
	done
	[ $checked -gt 0 ]
}

all_listed() {
	git -C "$1" rev-list --all | cut -c 1-12 | sort >"$tmp/want"
	find "$mnt/$2/fragments" -mindepth 1 -maxdepth 1 -printf '%f\n' | cut -d - -f 2 | sort >"$tmp/have"
	diff "$tmp/want" "$tmp/have"
}

odd_repository >"$tmp/out" 2>&1 || sed 's/^/# /' "$tmp/out"
"$here/../bench/generate.sh" web "$tmp/web"

"$frag" init >/dev/null
claim 'imports an app' "$frag" import "$tmp/web" --name web
claim 'imports oddities' "$frag" import "$tmp/odd" --name odd
claim 'mounts' "$frag" mount "$mnt"
claim 'every commit of the app is a directory' all_listed "$tmp/web" web
claim 'every commit of the oddities is a directory' all_listed "$tmp/odd" odd
claim 'fragments of the app are what git archive unpacks' all_same "$tmp/web" web 15
claim 'fragments of the oddities are what git archive unpacks' all_same "$tmp/odd" odd 7
claim 'the same again, from warm caches' all_same "$tmp/odd" odd 7
"$frag" unmount "$mnt"
"$frag" mount "$mnt"
claim 'and the same after a remount' all_same "$tmp/odd" odd 7
claim 'unmounts' "$frag" unmount "$mnt"
claim 'and the home is sound' "$frag" fsck
done_claiming
