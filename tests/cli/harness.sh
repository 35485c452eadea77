# tests/cli/harness.sh - sourced by every script of this folder: a world of its own, and claims in TAP.
#
# $1 is the build directory. Afterwards: $frag (the program, also a function), $tmp (removed at the end), $FRAG_HOME and
# $mnt below it, git with a fixed identity and no configuration of the machine's. Whatever is still
# mounted or running at the end, or when the script is killed, is taken down.

build=$(cd "$1" && pwd)
export frag="$build/frag"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/frag-cli-XXXXXX")
mnt=$tmp/mnt
n_claims=0 n_failed=0
mkdir "$mnt"

export FRAG_HOME="$tmp/frag-home" HOME="$tmp" LC_ALL=C.UTF-8 TZ=UTC
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.org
export GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.org
unset XDG_DATA_HOME XDG_CONFIG_HOME GIT_DIR GIT_WORK_TREE FRAG_LOG NO_COLOR

frag() { "$frag" "$@"; }

# Mount points below $tmp, the upper ones first.
mounts() {
	awk -v tmp="$tmp/" 'index($5, tmp) == 1 { print $5 }' /proc/self/mountinfo | tac
}

take_down() {
	status=$?
	trap - EXIT
	cd /
	for pidfile in "$tmp"/*/run/daemon.pid; do
		[ ! -f "$pidfile" ] || kill "$(cat "$pidfile")" 2>/dev/null
	done
	for agent in "$tmp"/*/sandboxes/*/run/agent.json; do
		[ ! -f "$agent" ] || kill -9 "$(sed 's/^{"pid":\([0-9]*\).*/\1/;q' "$agent")" 2>/dev/null
	done
	for point in $(mounts); do
		umount -l "$point" 2>/dev/null || fusermount3 -uz "$point" 2>/dev/null
	done
	chmod -R u+rwx "$tmp" 2>/dev/null
	[ -n "$(mounts)" ] || rm -rf "$tmp"
	exit $status
}
trap take_down EXIT
trap 'exit 143' INT TERM HUP

tell() {
	sed 's/^/# /' | tail -n 40
}

# verdict <0 or not> <sentence>
verdict() {
	n_claims=$((n_claims + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n_claims - $2"
		return 0
	fi
	echo "not ok $n_claims - $2"
	n_failed=$((n_failed + 1))
	return 1
}

# claim <sentence> <command…>: it succeeds.
claim() {
	sentence=$1
	shift
	"$@" >"$tmp/out" 2>&1
	verdict $? "$sentence" || tell <"$tmp/out"
}

# is <sentence> <wanted> <got>
is() {
	[ "$2" = "$3" ]
	verdict $? "$1" || printf 'wanted: %s\ngot:    %s\n' "$2" "$3" | tell
}

# like <sentence> <extended regular expression> <text>
like() {
	printf '%s\n' "$3" | grep -Eq -e "$2"
	verdict $? "$1" || printf 'wanted: %s\ngot:    %s\n' "$2" "$3" | tell
}

# refuses <sentence> <status> <words, an extended regular expression> <command…>: it exits with that status, says the words on
# stderr and nothing on stdout.
refuses() {
	sentence=$1 want=$2 words=$3
	shift 3
	"$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	got=$?
	[ "$got" -eq "$want" ] && [ ! -s "$tmp/out" ] && grep -Eq -e "$words" "$tmp/err"
	verdict $? "refuses $sentence" || {
		echo "# exit status $got, wanted $want with '$words'"
		cat "$tmp/err" "$tmp/out" | tell
	}
}

same() { [ "$1" = "$2" ] || { printf 'wanted: %s\ngot:    %s\n' "$2" "$1"; return 1; }; }

# within <seconds> <command…>: it comes true in that time.
within() {
	tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { echo "never came true: $*"; return 1; }
		sleep 0.05
	done
}

# soon <sentence> <command…>: it comes true; mostly_soon says at the end whether that was within a second, as a busy
# machine may make one of them late.
n_soon=0 n_late=0
soon() {
	sentence=$1
	shift
	begin=$(date +%s%N)
	claim "$sentence" within 30 "$@"
	n_soon=$((n_soon + 1))
	[ $(($(date +%s%N) - begin)) -lt 1000000000 ] || n_late=$((n_late + 1))
}

mostly_soon() {
	claim "$1" test $((n_late * 2)) -le $n_soon || echo "# $n_late of $n_soon were late"
}

# A small history in a work tree at $1: main with three commits, a branch, a tag, a link, a program, a binary file.
small_repo() {
	git init -q -b main "$1" && (
		cd "$1" || exit 1
		commit() {
			git add . && GIT_AUTHOR_DATE="$1" GIT_COMMITTER_DATE="$1" git commit -qm "$2"
		}
		mkdir src
		printf 'one\ntwo\nthree\n' >src/main.txt
		printf 'hello\n' >README.md
		ln -s README.md link
		printf '#!/bin/sh\n' >run && chmod +x run
		commit '1700000000 +0100' 'first: begin'
		printf 'one\n2\nthree\nfour\n' >src/main.txt
		printf '\000\377binary' >bin
		commit '1700000100 +0100' 'second: change and add'
		git checkout -q -b side
		printf 'side\n' >side.txt
		commit '1700000200 +0000' 'third: on a branch'
		git checkout -q main
		git tag v1
		printf 'name with blanks\n' >'a b'
		commit '1700000300 -0500' 'fourth: back on main'
	)
}

can_mount() {
	[ -w /dev/fuse ] && { [ "$(id -u)" = 0 ] || command -v fusermount3 >/dev/null; }
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

done_claiming() {
	echo "1..$n_claims"
	exit $((n_failed > 0))
}
