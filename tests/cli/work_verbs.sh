#!/bin/sh
# tests/cli/work_verbs.sh <build-dir> - status, commit, checkout, restore, undo, op and work where no daemon runs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

frag init >/dev/null
small_repo "$tmp/src" || exit 1
frag import "$tmp/src" --name shop >/dev/null 2>&1
bare=$FRAG_HOME/projects/shop.git
live="git --git-dir=$bare/worktrees/live"

is 'status of an untouched project is clean' '["refs/heads/main",0]' \
	"$(frag status shop --json | jq -c '[.branch, .nChanges]')"
is 'there is nothing to commit' '"nothing"' "$(frag commit shop --json -m x | jq -c .outcome)"
claim 'checks a branch out' frag checkout shop side
is '… for git too' refs/heads/side "$($live symbolic-ref HEAD)"
is '… and for clones' refs/heads/side "$(git -C "$bare" symbolic-ref HEAD)"
claim "git's index agrees" $live diff-index --cached --quiet HEAD
is 'undo goes back' refs/heads/main "$(frag undo shop >/dev/null; $live symbolic-ref HEAD)"
is 'a second undo takes that back' refs/heads/side "$(frag undo shop >/dev/null; $live symbolic-ref HEAD)"
is 'restore makes a new fragment on the branch' "$(git -C "$bare" rev-parse 'main^{tree}')" \
	"$(frag restore shop main >/dev/null; git -C "$bare" rev-parse 'side^{tree}')"
like 'its message says of what' 'Restore fragment 4: fourth' "$(git -C "$bare" log -1 --format=%s side)"
is 'its author is the user' Ada "$(git -C "$bare" log -1 --format=%an side)"
is 'undoing it moves the branch back' "$(git -C "$tmp/src" rev-parse side)" \
	"$(frag undo shop >/dev/null; git -C "$bare" rev-parse side)"
is 'an empty commit when asked for' 'nothing new' \
	"$(frag commit shop --allow-empty -m 'nothing new' >/dev/null; git -C "$bare" log -1 --format=%s side)"
claim 'the log lists what was done' sh -c "'$frag' op log shop | grep -q 'commit\|nothing new'"
is 'the log as JSON, newest first' '["commit","undo","restore","undo","undo","checkout"]' \
	"$(frag op log shop --json | jq -c 'map(.kind)')"
id=$(frag op log shop --json | jq '.[-1].id')
is 'op show tells both sides' '["refs/heads/main","refs/heads/side"]' \
	"$(frag op show shop "$id" --json | jq -c '[.before.branch, .after.branch]')"
is 'op restore --before brings that state back' refs/heads/main \
	"$(frag op restore shop "$id" --before >/dev/null; $live symbolic-ref HEAD)"

git -C "$bare" update-ref refs/heads/main side
refuses 'a commit on a branch that was moved by others' 1 'moved by somebody else' \
	frag commit shop --allow-empty -m x
like 'status says so' 'moved by somebody else' "$(frag status shop)"
claim 'checking the branch out goes on from there' frag checkout shop main
claim '… and then commits' frag commit shop --allow-empty -m x

claim 'makes a session' frag work add shop agent
is 'on a branch of its own' refs/heads/agent "$(git --git-dir="$bare/worktrees/agent" symbolic-ref HEAD)"
refuses 'a name that is taken' 1 'already' frag work add shop agent
refuses 'live as a name' 1 'already|not a name' frag work add shop live
is 'lists them' '["agent","live"]' "$(frag work list shop --json | jq -c 'map(.name) | sort')"
claim 'a session can be named after a colon' frag checkout shop:agent 1
is '… and only it moves' "$(git -C "$bare" rev-parse side)" \
	"$(git --git-dir="$bare/worktrees/agent" rev-parse refs/heads/side)"
is '… detached there' "$(git -C "$tmp/src" rev-parse main~2)" \
	"$(git --git-dir="$bare/worktrees/agent" rev-parse HEAD)"
refuses 'a work tree that is not there' 1 "no work tree 'nobody'" frag status shop:nobody
claim 'removes it' frag work rm shop agent
is 'its branch stays' 0 "$(git -C "$bare" show-ref -q refs/heads/agent; echo $?)"
refuses 'to remove it twice' 1 "no work tree 'agent'" frag work rm shop agent
refuses 'to remove live' 1 'not a name' frag work rm shop live
refuses 'an operation that is not there' 1 'no operation 999' frag op show shop 999
claim 'makes a branch to merge' frag branch create shop feature 1
claim 'merges what it lacks' frag merge shop feature
is 'which is nothing' '"nothing"' "$(frag merge shop feature --json | jq -c .outcome)"
git -C "$bare" update-ref refs/heads/feature "$(git -C "$bare" commit-tree -p feature -m other \
	"$(printf '100644 blob %s\tREADME.md\n' "$(echo other | git -C "$bare" hash-object -w --stdin)" |
		git -C "$bare" mktree)")"
git -C "$bare" update-ref refs/heads/feature2 "$(git -C "$bare" commit-tree -p feature~1 -m 'no README' \
	"$(printf '100644 blob %s\tlast\n' "$(echo l | git -C "$bare" hash-object -w --stdin)" |
		git -C "$bare" mktree)")"
claim 'stands on one of two' frag checkout shop feature
claim 'a merge with conflicts has the status 1' test "$(frag merge shop feature2 >/dev/null 2>&1; echo $?)" = 1
is 'git sees the conflict' README.md "$($live ls-files -u | cut -f2 | sort -u)"
refuses 'a commit before they are settled' 1 'conflicts left' frag commit shop -m x
claim 'gives it up' frag merge shop --abort
is 'no conflict is left' '' "$($live ls-files -u)"
refuses 'to give up what is not there' 1 'nothing to give up' frag merge shop --abort
git -C "$bare" update-ref refs/fragfs/ops/12345 "$(git -C "$bare" rev-parse 'main^{tree}')"
claim 'exports the project' frag export shop "$tmp/out.git"
is '… without what undo keeps' '' "$(git -C "$tmp/out.git" for-each-ref refs/fragfs)"
claim 'exports a bundle' frag export shop --bundle "$tmp/out.bundle"
is '… without it too' 0 "$(git bundle list-heads "$tmp/out.bundle" | grep -c fragfs)"
claim 'gc keeps what is young' sh -c "'$frag' gc shop --older-than 1 && '$frag' op log shop | grep -q ."
claim 'gc forgets what it is told to' frag gc shop --older-than 0
claim 'the home is sound' frag fsck
claim 'git finds nothing wrong' git -C "$bare" fsck --strict
done_claiming
