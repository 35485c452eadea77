# tests/cli/harness.sh - sourced by every script of this folder: a world of its own, and claims in TAP.
#
# $1 is the build directory. Afterwards: $frag (the program), $tmp (removed at the end), $FRAG_HOME and $mnt
# below it, git with a fixed identity and no configuration of the machine's. Whatever is still
# mounted or running at the end is taken down.

build=$(cd "$1" && pwd)
frag=$build/frag
tmp=$(mktemp -d "${TMPDIR:-/tmp}/frag-cli-XXXXXX")
mnt=$tmp/mnt
n_claims=0 n_failed=0
mkdir "$mnt"

export FRAG_HOME="$tmp/frag-home" HOME="$tmp" LC_ALL=C.UTF-8 TZ=UTC
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.org
export GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.org
unset XDG_DATA_HOME GIT_DIR GIT_WORK_TREE

take_down() {
	"$frag" unmount "$mnt" >/dev/null 2>&1 || umount -l "$mnt" 2>/dev/null
	for pidfile in "$tmp"/*/run/daemon.pid; do
		[ ! -f "$pidfile" ] || kill "$(cat "$pidfile")" 2>/dev/null
	done
	chmod -R u+rwx "$tmp" 2>/dev/null
	rm -rf "$tmp"
}
trap take_down EXIT
trap 'exit 143' INT TERM HUP

# claim <sentence> <command…>: it succeeds.
claim() {
	sentence=$1
	shift
	n_claims=$((n_claims + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $n_claims - $sentence"
	else
		sed 's/^/# /' "$tmp/out" | tail -n 40
		echo "not ok $n_claims - $sentence"
		n_failed=$((n_failed + 1))
	fi
}

# refuses <sentence> <status> <words> <command…>: it exits with that status and says the words on stderr.
refuses() {
	sentence=$1 want=$2 words=$3
	shift 3
	n_claims=$((n_claims + 1))
	"$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	if [ "$got" -eq "$want" ] && grep -qF -- "$words" "$tmp/err"; then
		echo "ok $n_claims - $sentence"
	else
		echo "# exit status $got, wanted $want with '$words'"
		sed 's/^/# /' "$tmp/err" "$tmp/out" | tail -n 40
		echo "not ok $n_claims - $sentence"
		n_failed=$((n_failed + 1))
	fi
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

done_claiming() {
	echo "1..$n_claims"
	exit $((n_failed > 0))
}
