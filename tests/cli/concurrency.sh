#!/bin/sh
# concurrency.sh <build> - eight readers, a committer and a gc at once.
#
# Readers go through random versions and check that index.html, app.js and README.md are of the same
# version, which is what a torn or stale answer would break. SECONDS_LONG says for how long.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"
long=${SECONDS_LONG:-20}

"$here/../bench/generate.sh" web "$tmp/web"
"$frag" init >/dev/null
"$frag" import "$tmp/web" --name app -q >/dev/null
"$frag" mount "$mnt"
git clone -q "$FRAG_HOME/projects/app.git" "$tmp/clone"
end=$(($(date +%s) + long))

reader() {
	seed=$1 n=0
	while [ "$(date +%s)" -lt "$end" ]; do
		seed=$(((seed * 75 + 74) % 65537))
		dir=$mnt/app/at/$((seed % 40 + 1))
		page=$(sed -n 's/.*Version \([0-9]*\).*/\1/p' "$dir/index.html") || return 1
		app=$(sed -n 's/^const version = \([0-9]*\);/\1/p' "$dir/app.js") || return 1
		[ -n "$page" ] && [ "$page" = "$app" ] && [ "$page" = $((seed % 40 + 1)) ] &&
			grep -q "version $page\\." "$dir/README.md" || { echo "torn: $dir: '$page' '$app'"; return 1; }
		[ $((n % 10)) -ne 0 ] || tar -C "$dir/" -cf - . | cat >/dev/null || return 1
		[ $((n % 25)) -ne 0 ] || ls -l "$mnt/app/fragments" >/dev/null || return 1
		n=$((n + 1))
	done
	[ $n -gt 0 ]
}

committer() {
	cd "$tmp/clone" || return 1
	n=0
	while [ "$(date +%s)" -lt "$end" ]; do
		n=$((n + 1))
		echo $n >committed.txt && git add -A && git commit -qm "Commit $n" || return 1
		# git's own gc may remove an empty directory that git's own push is just moving objects into, or
		# hold a ref's lock for longer than push waits: the push is then refused whole, and goes through
		# when it is tried again. What is tolerated here is between git and git.
		tries=0
		until git push -q origin HEAD:main; do
			tries=$((tries + 1))
			[ $tries -lt 20 ] || { echo "commit $n could not be pushed"; return 1; }
			sleep 0.1
		done
		# Seen soon, and never a version that was not.
		tries=0
		while [ "$(cat "$mnt/app/refs/heads/main/committed.txt" 2>/dev/null)" != $n ]; do
			tries=$((tries + 1))
			[ $tries -lt 600 ] || { echo "commit $n did not appear"; return 1; }
			sleep 0.05
		done
	done
	echo $n >"$tmp/n-commits"
}

# Not --prune=now: that takes what a push is just writing, with plain git as well.
collector() {
	while [ "$(date +%s)" -lt "$end" ]; do
		git -C "$FRAG_HOME/projects/app.git" gc -q || return 1
		"$frag" gc app -q || return 1
	done
}

pids=
for i in 1 2 3 4 5 6 7 8; do
	reader $((i * 977)) >"$tmp/reader-$i" 2>&1 &
	pids="$pids reader:$i:$!"
done
committer >"$tmp/committer-1" 2>&1 &
pids="$pids committer:1:$!"
collector >"$tmp/collector-1" 2>&1 &
pids="$pids collector:1:$!"

finished() {
	wait "$2" || { cat "$tmp/$1"; return 1; }
}
for entry in $pids; do
	name=$(echo "$entry" | cut -d : -f 1)-$(echo "$entry" | cut -d : -f 2)
	claim "$name met no error for $long seconds" finished "$name" "${entry##*:}"
done
n_commits=$(cat "$tmp/n-commits" 2>/dev/null || echo 0)
claim "all $n_commits commits made meanwhile are fragments" \
	same "$(find "$mnt/app/fragments" -mindepth 1 -maxdepth 1 | wc -l)" $((40 + n_commits))
claim 'the daemon lives and holds few descriptors' test \
	"$(find "/proc/$(cat "$FRAG_HOME/run/daemon.pid")/fd" | wc -l)" -lt 300
claim 'unmounts' "$frag" unmount "$mnt"
claim 'and the home is sound' "$frag" fsck
done_claiming
