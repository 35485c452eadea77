#!/bin/bash
# tests/cli/sync.sh <build-dir> - frag sync wait, flush, pause, resume, resolve and events, on a real local sandbox, first without a
# daemon and then beside one.
. "$(dirname "$0")/harness.sh"

command -v bwrap >/dev/null || skip_all 'bubblewrap is not installed'

src=$tmp/src
git init -q -b main "$src"
cd "$src" || exit 1
mkdir lib
echo one >page.html
echo a >lib/a.txt
git add -A && git commit -qm one
echo two >page.html
git add -A && git commit -qm two
cd "$tmp" || exit 1

end_sandbox() {
	status=$?
	"$frag" sandbox rm shop >/dev/null 2>&1
	(exit $status)
	take_down
}
trap end_sandbox EXIT

field() {
	frag sync status shop --json | jq -r ".$1"
}
shows() { [ "$(cat "$mnt/shop/live/$1")" = "$2" ]; }
says() { [ "$(cat "$inside/$1")" = "$2" ]; }
state_is() { [ "$(field state)" = "$1" ]; }

frag init >/dev/null
frag import "$src" --name shop >/dev/null 2>&1
refuses 'to wait for a sandbox that is not there' 1 'has no sandbox' "$frag" sync wait shop
frag sandbox up shop >/dev/null
inside=$FRAG_HOME/sandboxes/$(field sandbox)/home/app

claim 'waits for what is in step already' frag sync wait shop
frag checkout shop 1 --no-wait >/dev/null
claim 'brings the sandbox there without a daemon' frag sync wait shop
claim '… to the version' says page.html one

claim 'pauses' frag sync pause shop
is '… and says so' paused "$(field state)"
like 'a checkout says that the sandbox is paused' 'paused by you' "$(frag checkout shop 2 --wait 2>&1)"
claim '… which stays as it was' says page.html one
is '… while HEAD moved' two "$(git -C "$FRAG_HOME/projects/shop.git" show HEAD:page.html)"
claim 'resumes' frag sync resume shop
claim '… and follows' frag sync wait shop
claim '… to where HEAD went' says page.html two

# A change that hides behind the old size and time.
touch -r "$inside/lib/a.txt" "$tmp/times"
printf 'b\n' >"$inside/lib/a.txt"
touch -r "$tmp/times" "$inside/lib/a.txt"
refuses 'to call a changed sandbox flushed' 1 'changed 1 files of its own' "$frag" sync flush shop
claim '… but saves the change' [ "$(git -C "$FRAG_HOME/projects/shop.git" show "$(field drift):lib/a.txt")" = b ]
refuses 'to decide for itself' 2 'whose version' "$frag" sync resolve shop
claim 'our version stands' frag sync resolve shop --ours
claim '… in the sandbox' says lib/a.txt a

frag checkout shop main --wait >/dev/null
echo theirs >"$inside/page.html"
refuses 'to call a conflict synced' 1 'of its own' "$frag" sync wait shop
claim 'their version stands' frag sync resolve shop --theirs
is '… on the branch' theirs "$(git -C "$FRAG_HOME/projects/shop.git" show main:page.html)"
claim '… and the sandbox is in step' state_is synced

if can_mount; then
	frag mount "$mnt" >/dev/null
	claim 'beside a daemon the sandbox is in step' frag sync wait shop
	"$frag" sync events --follow --json >"$tmp/events" 2>/dev/null &
	listener=$!
	# The daemon's agent tells of it: nobody asks.
	echo unasked >"$inside/lib/new.txt"
	claim 'a file made inside is in the work tree, unasked' within 30 shows lib/new.txt unasked
	claim '… and both sides are in step' within 30 state_is synced
	rm "$inside/lib/a.txt"
	claim 'one removed inside is gone there' within 30 test ! -e "$mnt/shop/live/lib/a.txt"
	echo edited >"$mnt/shop/live/page.html"
	claim 'an edit is in the sandbox, unasked' within 30 says page.html edited
	mkdir "$mnt/shop/live/deep" && echo new >"$mnt/shop/live/deep/file"
	claim '… and a new file too' within 30 says deep/file new
	is '… while HEAD stays where it is' theirs "$(git -C "$FRAG_HOME/projects/shop.git" show HEAD:page.html)"
	claim 'to wait includes the edits' frag sync wait shop
	claim '… which stay' says page.html edited
	claim 'pauses beside a daemon' frag sync pause shop
	frag checkout shop 1 --no-wait >/dev/null
	claim '… which leaves the sandbox alone' says page.html edited
	claim 'resumes beside a daemon' frag sync resume shop
	claim '… which brings it there by itself' within 30 says page.html one
	claim 'events tell what was sent' within 30 grep -q '"state":"synced"' "$tmp/events"
	claim '… and of the pause' within 30 grep -q '"state":"paused"' "$tmp/events"
	kill $listener
	wait $listener 2>/dev/null
	like 'events without --follow end' synced "$("$frag" sync events)"
	claim 'unmounts' frag unmount "$mnt"
	refuses 'events without a daemon' 1 'no daemon' "$frag" sync events
fi
done_claiming
