#!/bin/sh
# scripts/demo.sh - what fragfs does, shown on a repository in about a minute. REPO=<path or URL> for one of yours.
#
# Runs the commands a person would type, prints them and what they say, and leaves nothing behind:
# home, mount, sandbox and files live in one temporary directory that goes at the end.
set -eu
cd "$(dirname "$0")/.."
frag=$PWD/build/frag
repo=${REPO:-}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/fragfs-demo-XXXXXX")
mnt=$tmp/apps
port=8080
server=
mkdir "$mnt"
export FRAG_HOME="$tmp/home" GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
PATH=$PWD/build:$PATH

take_down() {
	status=$?
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	[ ! -d "$FRAG_HOME" ] || "$frag" sandbox rm counter >/dev/null 2>&1 || true
	"$frag" unmount "$mnt" >/dev/null 2>&1 || umount -l "$mnt" 2>/dev/null || true
	cd / && rm -rf "$tmp"
	[ "$status" -eq 0 ] || echo "demo: stopped by an error (exit status $status)" >&2
}
trap take_down EXIT
trap 'exit 130' INT TERM HUP

if [ -t 1 ]; then
	bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
	bold='' dim='' plain=''
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# Paths are shown as the person standing in the demo's directory would type them.
show() { printf '%s$ %s%s\n' "$dim" "$(echo "$*" | sed "s,$tmp/,,g; s,$frag,frag,g")" "$plain"; }
run() {
	show "$*"
	"$@" 2>&1 | sed "s,$tmp/,,g"
}
first_lines() {
	n=$1
	shift
	show "$* | head -n $n"
	"$@" 2>/dev/null | head -n "$n" | sed "s,$tmp/,,g"
}
now() { date +%s%N; }
# ms <command…>: best of three, in milliseconds.
ms() {
	for i in 1 2 3; do
		begin=$(now)
		"$@" >/dev/null 2>&1 || true
		end=$(now)
		echo "$(((end - begin) / 10000))"
	done | sort -n | head -n 1 | awk '{ printf "%.1f ms", $1 / 100 }'
}

say '1. A home, and an app of 40 versions imported into it'
tests/bench/generate.sh web "$tmp/counter.git"
run "$frag" init
run "$frag" import "$tmp/counter.git" --name counter

big=big
if [ -z "$repo" ]; then
	# Our own history when it is long enough to be worth a look, a generated app of 4,000 files otherwise.
	if [ "$(git rev-list --count HEAD 2>/dev/null || echo 0)" -ge 50 ] &&
		[ "$(git rev-parse --is-shallow-repository 2>/dev/null)" = false ]; then
		repo=$(cd "$(git rev-parse --git-common-dir)" && pwd)
		say '2. And a real repository: the one this demo stands in'
	else
		repo=$tmp/shared.git
		tests/bench/generate.sh shared "$repo"
		say '2. And a bigger one: 100 versions of 4,000 files'
	fi
else
	say "2. And a bigger one: $repo"
fi
begin=$(now)
run "$frag" import "$repo" --name $big
end=$(now)
echo "($(((end - begin) / 1000000)) ms)"

say '3. Every version of both is a directory'
run "$frag" mount "$mnt"
run ls "$mnt" "$mnt/counter"
first_lines 5 ls "$mnt/counter/fragments"
run ls -l "$mnt/counter/at/main/"
echo "$big has $(find "$mnt/$big/fragments" -mindepth 1 -maxdepth 1 | wc -l) versions"

say '4. A search through all versions at once: each distinct file is read once'
run "$frag" search 'Version [12]5' --project counter --all-fragments

say '5. What changed between two versions: a directory diff, and a patch that is made when it is read'
show "diff -r $mnt/counter/at/20 $mnt/counter/at/21"
diff -r "$mnt/counter/at/20/" "$mnt/counter/at/21/" | sed "s,$tmp/,,g" | head -n 14 || true
first_lines 12 cat "$mnt/counter/.frag/diff/20..21"

say '6. As fast as native files'
git -c advice.detachedHead=false clone -q --local "$FRAG_HOME/projects/$big.git" "$tmp/native"
newest=$(find "$mnt/$big/fragments" -mindepth 1 -maxdepth 1 | sort | tail -n 1)
head=$(basename "$newest" | cut -d - -f 2)
git -C "$tmp/native" -c advice.detachedHead=false checkout -q "$head"
rm -rf "$tmp/native/.git"
rg -uuu token "$newest/" >/dev/null 2>&1 || true
printf '%-34s %12s %12s\n' '' 'in the mount' native
printf '%-34s %12s %12s\n' 'rg token' "$(ms rg -uuu token "$newest/")" "$(ms rg -uuu token "$tmp/native/")"
printf '%-34s %12s %12s\n' 'find -printf %s' "$(ms find "$newest/" -printf '%s\n')" "$(ms find "$tmp/native/" -printf '%s\n')"
printf '%-34s %12s %12s\n' 'grep -r token' "$(ms grep -r token "$newest/")" "$(ms grep -r token "$tmp/native/")"

say '7. A sandbox runs the app, and follows a checkout'
run "$frag" checkout counter 20
run "$frag" sandbox up counter
show "frag sandbox exec counter -- busybox httpd -f -p $port &"
"$frag" sandbox exec counter -- busybox httpd -f -p $port >"$tmp/server.log" 2>&1 &
server=$!
url=$("$frag" sandbox url counter --port $port)
url=${url%/}
show "frag sandbox url counter --port $port"
echo "$url"
tries=100
until curl -sf "$url/index.html" >/dev/null 2>&1 || [ $tries -eq 0 ]; do
	tries=$((tries - 1))
	sleep 0.1
done
page() {
	show "curl $url/index.html"
	curl -s "$url/index.html" | grep '<h1>'
}
page
run "$frag" checkout counter 35 --wait
page
run "$frag" checkout counter main --wait
page
run "$frag" sync status

say 'That was it. Nothing is left behind. README.md goes on from here.'
