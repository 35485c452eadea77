#!/bin/sh
# mount.sh <build> - the life of a daemon: mounted when the verb returns, gone when the other does, and everything that can come between.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"
can_mount || skip_all 'nothing can be mounted here'

frag init >/dev/null
small_repo "$tmp/work"
frag project create shop
git -C "$tmp/work" push -q "$FRAG_HOME/projects/shop.git" main side v1

daemon_pid() { cat "$FRAG_HOME/run/daemon.pid"; }
is_mounted() { [ -n "$(mounts)" ]; }
# A process that nobody has reaped is gone too.
is_gone() { ! readlink "/proc/$1/exe" >/dev/null 2>&1; }

# mounted and unmounted
claim 'mounts' frag mount "$mnt"
is 'the mount answers when the verb returns' shop "$(ls "$mnt")"
pid=$(daemon_pid)
is 'daemon.pid names the daemon' "frag --home $FRAG_HOME daemon $mnt" \
	"$(tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's|^[^ ]*/frag|frag|; s/ --ready.*//')"
is 'the mount names its home and type' "fuse.frag $FRAG_HOME" \
	"$(awk -v at="$mnt" '$5 == at { sub(/.* - /, ""); print $1, $2 }' /proc/self/mountinfo)"
is 'nobody else can enter run/ or read the socket' '700 600' \
	"$(stat -c %a "$FRAG_HOME/run" "$FRAG_HOME/run/socket" | tr '\n' ' ' | sed 's/ $//')"
is 'it left the terminal and the directory it was started in' '/ /dev/null' \
	"$(readlink "/proc/$pid/cwd") $(readlink "/proc/$pid/fd/0")"
is 'it leads no session of ours' 0 "$(ps -o sid= -p "$pid" 2>/dev/null | grep -cw $$)"
is 'it answers on its socket' "$mnt true" \
	"$(frag ask '{"op":"status"}' | jq -r '"\(.mountpoint) \(.ok)"')"
is 'it refuses nonsense with words' "the daemon knows no operation 'dance'" \
	"$(frag ask '{"op":"dance"}' | jq -r .error)"
[ "$(id -u)" = 0 ] && is 'as root no thread of it can gain privileges' 1 \
	"$(cat /proc/"$pid"/task/*/status | sed -n 's/^NoNewPrivs:[^0-9]*//p' | sort -u | tr '\n' ' ' | sed 's/ $//')"
claim 'its log says that it serves' grep -q "serves '$FRAG_HOME' on '$mnt'" "$FRAG_HOME/run/log"
refuses 'a second daemon, naming the first and its mount' 1 "process $pid serves $mnt" \
	frag mount "$tmp/other$(mkdir "$tmp/other")"
claim 'and the first goes on' test -d "$mnt/shop/fragments"
frag tag create shop fresh side
is 'what a verb changes is there when it returns' \
	"$(git -C "$FRAG_HOME/projects/shop.git" rev-parse --short=12 side)" \
	"$(readlink "$mnt/shop/refs/tags/fresh" | sed 's/.*[0-9]\{5\}-\([0-9a-f]\{12\}\).*/\1/')"
frag tag delete shop fresh
claim 'and what it deletes is not' test ! -e "$mnt/shop/refs/tags/fresh"
is 'inside a mount project and home are known' 4 \
	"$(cd "$mnt/shop/fragments" && unset FRAG_HOME && frag log --json | jq length)"
is 'and the first argument may be a revision' 2 \
	"$(cd "$mnt/shop" && unset FRAG_HOME && frag log v1 --json | jq length)"
claim 'unmounts' frag unmount "$mnt"
claim 'the mount is gone when the verb returns' test -z "$(mounts)"
claim 'and so is the daemon' is_gone "$pid"
is 'it leaves neither pid nor socket' '' "$(ls "$FRAG_HOME/run" | grep -E 'pid|socket')"
refuses 'to unmount what is not mounted' 1 'nothing is mounted' frag unmount "$mnt"
refuses 'to ask when nobody listens' 1 'no daemon serves' frag ask '{"op":"ping"}'

# bad mount points
refuses 'a mount point that is not there' 1 'there is no directory|mkdir' frag mount "$tmp/nowhere/x"
refuses 'a mount point that is missing' 1 "$tmp/nowhere" frag mount "$tmp/nowhere"
: >"$tmp/file"
refuses 'a mount point that is a file' 1 "$tmp/file" frag mount "$tmp/file"
mkdir "$tmp/full" && : >"$tmp/full/x"
refuses 'a mount point that is not empty' 1 'not an empty directory' frag mount "$tmp/full"
mkdir "$FRAG_HOME/cache/in" 2>/dev/null
refuses 'a mount point inside the home' 1 'lies in the home' frag mount "$FRAG_HOME/cache/in"
refuses 'a mount point above the home' 1 'home|empty' frag mount "$tmp"
refuses 'options that would make a repository act as root' 1 "'suid' is not to be had" \
	frag mount "$mnt" -o suid
refuses 'options nobody knows' 1 'frag: ' frag mount "$mnt" -o no_such_option_at_all
is 'and after all that nothing is mounted and nobody runs' '' "$(mounts)$(cat "$FRAG_HOME/run/daemon.pid" 2>/dev/null)"

# in use
frag mount "$mnt"
sleep 60 <"$mnt/shop/at/main/README.md" &
sleeper=$!
refuses 'to unmount what is in use, naming the user' 1 "in use by .*$sleeper \(sleep\)" frag unmount "$mnt"
claim 'and it is still mounted' is_mounted
pid=$(daemon_pid)
claim 'detaches it by force' frag unmount --force "$mnt"
claim 'then it is out of the tree' test -z "$(mounts)"
kill "$sleeper"
wait "$sleeper" 2>/dev/null
claim 'and the daemon ends with its last user' within 30 is_gone "$pid"

# ends
frag mount "$mnt"
pid=$(daemon_pid)
kill -TERM "$pid"
claim 'SIGTERM ends it' within 30 is_gone "$pid"
claim 'and unmounts' test -z "$(mounts)"

rounds=0
while [ $rounds -lt 20 ]; do
	frag mount "$mnt" || break
	pid=$(daemon_pid)
	[ "$(cat "$mnt/shop/at/main/README.md")" = hello ] || break
	kill -9 "$pid"
	rounds=$((rounds + 1))
done
is 'after kill -9 it mounts anew, twenty times' 20 $rounds
is 'with one mount, not a stack of dead ones' 1 "$(frag mount "$mnt" && mounts | wc -l)"
kill -9 "$(daemon_pid)"
claim 'a dead mount can be unmounted' frag unmount "$mnt"
claim 'and is gone' test -z "$(mounts)"

"$frag" mount -f "$mnt" 2>"$tmp/foreground" &
fg=$!
claim '-f stays in the foreground' within 30 test -d "$mnt/shop"
is 'and is the daemon itself' "$fg" "$(daemon_pid)"
claim 'it ends when it is unmounted' frag unmount "$mnt"
wait "$fg"
is 'with status 0' 0 $?

# mount(8)
ln -s "$frag" "$tmp/mount.fuse.frag"
claim 'works as a helper of mount' "$tmp/mount.fuse.frag" "$FRAG_HOME" "$mnt" -o rw,nofail,x-foo -t fuse.frag
is 'with the same mount' shop "$(ls "$mnt")"
frag unmount "$mnt"
refuses 'as a helper what makes no sense' 2 'SOURCE DIRECTORY' "$tmp/mount.fuse.frag" "$FRAG_HOME"
by_mount() {
	mkdir "$tmp/sbin" && cp -a /usr/sbin/. "$tmp/sbin/" && ln -s "$frag" "$tmp/sbin/mount.fuse.frag" || return 1
	unshare -m sh -c '
		mount --make-rprivate / && mount --bind "$1/sbin" /usr/sbin || exit 1
		mount -t fuse.frag "$FRAG_HOME" "$1/mnt" -o nofail || exit 1
		ls "$1/mnt"
		umount "$1/mnt"
	' sh "$tmp"
}
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	is 'mount -t fuse.frag mounts and umount unmounts' shop "$(by_mount)"
	claim 'and the daemon ends' within 30 test ! -e "$FRAG_HOME/run/daemon.pid"
else
	echo "# mount(8) itself is not tried: not root, or no mount namespaces"
fi

# another user
other_user() {
	nobody() {
		setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$tmp/nobody" \
			FRAG_HOME="$tmp/nobody/home" "$@"
	}
	chmod 755 "$tmp" && mkdir "$tmp/nobody" "$tmp/nobody/mnt" && chown -R 65534:65534 "$tmp/nobody"
	frag mount "$mnt"
	refuses 'another user at the socket' 1 'Permission denied|another user' \
		nobody env FRAG_HOME="$FRAG_HOME" "$frag" ask '{"op":"stop"}'
	refuses 'another user in the mount' 2 'Permission denied' nobody ls "$mnt"
	frag unmount "$mnt"
	nobody test -w /dev/fuse || {
		echo "# an ordinary user may not open /dev/fuse here"
		return
	}
	claim 'an ordinary user mounts' nobody sh -c '"$frag" init && "$frag" project create mine && "$frag" mount "$HOME/mnt"'
	is 'and sees his projects' mine "$(nobody ls "$tmp/nobody/mnt")"
	claim 'and unmounts' nobody "$frag" unmount "$tmp/nobody/mnt"
	claim 'and nothing is left' test -z "$(mounts)"
}
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && [ -u "$(command -v fusermount3)" ]; then
	other_user
else
	echo "# other users are not tried: not root, or no set-uid fusermount3"
fi
done_claiming
