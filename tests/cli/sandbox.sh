#!/bin/sh
# sandbox.sh <build> - a project's sandbox from up to rm, by the verbs alone.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

command -v bwrap >/dev/null || skip_all 'bubblewrap is not installed'
bwrap --unshare-all --ro-bind / / true 2>/dev/null || skip_all 'namespaces are not allowed here'

small_repo "$tmp/src"
"$frag" init >/dev/null
"$frag" import "$tmp/src" --name app -q >/dev/null
"$frag" project create bare

run() { "$frag" sandbox exec app -- "$@"; }
# Everything of HEAD, as names with modes and contents, inside and out of git.
inside() { run sh -c 'find . -type f -o -type l | sort | while read -r f; do
	[ -L "$f" ] && echo "$f -> $(readlink "$f")" && continue
	[ -x "$f" ] && x=x || x=-
	echo "$f $x $(sha1sum <"$f")"; done'; }
outside() {
	rm -rf "$tmp/tree" && mkdir "$tmp/tree" && git -C "$FRAG_HOME/projects/app.git" archive HEAD | tar -x -C "$tmp/tree" &&
		(cd "$tmp/tree" && find . -type f -o -type l | sort | while read -r f; do
			[ -L "$f" ] && echo "$f -> $(readlink "$f")" && continue
			[ -x "$f" ] && x=x || x=-
			echo "$f $x $(sha1sum <"$f")"
		done)
}

refuses 'to run a command without a sandbox' 1 'has no sandbox' run true
refuses 'an unknown project' 1 'nothere' "$frag" sandbox up nothere
claim 'up makes a sandbox' "$frag" sandbox up app
is 'and it holds exactly what HEAD holds' "$(outside)" "$(inside)"
id=$("$frag" sandbox list --json | jq -r '.[0].id')
"$frag" sandbox up app >"$tmp/again"
like 'up again finds the same one' "^$id  running" "$(cat "$tmp/again")"
is 'list knows whose it is' 'app running' "$("$frag" sandbox list --json | jq -r '.[] | .project + " " + .state')"
is 'show says that it is in step' synced "$("$frag" sandbox show app --json | jq -r .sync.state)"

run sh -c 'exit 42'
is 'exec passes the exit status through' 42 $?
run sh -c 'kill -15 $$'
is 'and the signal it ended by' 143 $?
is 'exec passes input and output through' "$(seq 20000 | sha1sum)" "$(seq 20000 | run cat | sha1sum)"
is 'and keeps errors apart' err "$(run sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
run no-such-program 2>"$tmp/err"
is 'a command that is not there is 127' 127 $?
is 'exec runs in the project, as nobody special' 'app 1000' "$(run sh -c 'echo "${PWD##*/} $(id -u)"')"
is 'a variable and a folder can be given' 'src v' "$("$frag" sandbox exec app -C src -e K=v -- sh -c 'echo "${PWD##*/} $K"')"
"$frag" sandbox exec app -- sleep 100 &
within 30 run pgrep sleep >/dev/null
kill -INT $!
wait $!
is 'an interrupt goes to the command' 130 $?

cd "$tmp/src" && echo changed >README.md && git rm -q run && git commit -qam next &&
	git push -q "$FRAG_HOME/projects/app.git" main && cd "$tmp"
"$frag" sandbox up app >/dev/null
is 'a new HEAD arrives' "$(outside)" "$(inside)"

run sh -c 'echo "<p>it works</p>" >/tmp/index.html && busybox httpd -p 127.0.0.1:4000 -h /tmp'
url=$("$frag" sandbox url app)
like 'url finds the port by itself' '^http://127\.0\.0\.1:[0-9]+/$' "$url"
is 'and a page comes through it' '<p>it works</p>' "$(curl -s --max-time 10 "$url")"
is 'asked again it is the same' "$url" "$("$frag" sandbox url app --port 4000)"

claim 'down stops it' "$frag" sandbox down app
refuses 'to run a command in a stopped one' 1 'is stopped' run true
refuses_url() { ! curl -s --max-time 5 "$url" >/dev/null; }
claim 'its preview ends with it' within 30 refuses_url
claim 'up starts it again' "$frag" sandbox up app
is 'with what it held' "$(outside)" "$(inside)"
refuses 'to delete a project that has one' 1 'frag sandbox rm' "$frag" project delete app --yes

"$frag" sandbox up bare >"$tmp/one" & "$frag" sandbox up bare >"$tmp/two"
wait $!
is 'two ups at once make one sandbox' "$(cut -d' ' -f1 "$tmp/one")" "$(cut -d' ' -f1 "$tmp/two")"
claim 'a project without a commit can have one' "$frag" sandbox exec bare -- true
claim 'rm removes it' "$frag" sandbox rm bare

run sh -c 'echo mine >made-inside.txt'
claim 'rm of a changed one' "$frag" sandbox rm app
like 'saves what the sandbox had of its own' made-inside.txt \
	"$(git -C "$FRAG_HOME/projects/app.git" log --all --name-only --format=)"
is 'and leaves nothing' '' "$(ls "$FRAG_HOME/sandboxes")"
is 'list is empty then' '[]' "$("$frag" sandbox list --json | jq -c .)"
done_claiming
