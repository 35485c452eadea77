#!/bin/bash
# tests/cli/work_git.sh <build-dir> - git, unmodified, inside a work tree of a mount, and our verbs beside it.
. "$(dirname "$0")/harness.sh"

[ -c /dev/fuse ] || skip_all 'there is no /dev/fuse'
small_repo "$tmp/src" || exit 1
frag init >/dev/null
frag import "$tmp/src" --name shop >/dev/null 2>&1
frag mount "$mnt" || skip_all 'cannot mount here'
live=$mnt/shop/live
bare=$FRAG_HOME/projects/shop.git
cd "$live" || exit 1

# Requests of one kind that the daemon has answered.
asked() { frag ask '{"op":"status"}' 2>/dev/null | jq ".by_opcode.$1 // 0"; }
clean() { [ -z "$(git status --porcelain)" ]; }
head_seq() { getfattr --only-values -n user.frag.seq "$mnt/shop/at/HEAD/" 2>/dev/null; }

is 'git knows where it is' "$live" "$(git rev-parse --show-toplevel)"
is 'on the branch of the project' main "$(git symbolic-ref --short HEAD)"
claim 'the first status is clean' clean
is 'git sees every file that is tracked' "$(git -C "$tmp/src" ls-files)" "$(git ls-files)"

# thirty commits
thirty() {
	for i in $(seq 30); do
		echo "line $i" >>story.txt && git add story.txt && git commit -qm "chapter $i" || return 1
	done
}
claim 'thirty commits' thirty
is 'each is a fragment' 34 "$(frag log shop --json | jq length)"
claim 'status is clean after them' clean
is 'the project stands there' "$(git rev-parse HEAD)" "$(frag project list --json | jq -r '.[0].head')"
soon 'the newest is listed in the mount' ls -d "$mnt"/shop/fragments/00034-*

# our checkout
frag checkout shop 34 >/dev/null
reads=$(asked read)
claim 'the first status after a checkout of ours is clean' clean
is '… and has read no file that is as before' "$reads" "$(asked read)"
claim 'reads are counted at all' test "$reads" -gt 0
claim 'checks out a branch' frag checkout shop side
is 'git is on it' side "$(git symbolic-ref --short HEAD)"
is 'and the files are its' side "$(cat side.txt)"
claim 'status is clean' clean
claim 'diff finds nothing' git diff --exit-code HEAD

# git's own commands
claim 'git switch' git switch -q main
is 'frag sees the branch' refs/heads/main "$(frag status shop --json | jq -r .branch)"
is 'and no change' 0 "$(frag status shop --json | jq .nChanges)"
stash() {
	echo dirty >>README.md && echo new >untracked && git stash -q -u && [ ! -e untracked ] && clean &&
		git stash pop -q && [ "$(cat untracked)" = new ] && git checkout -q README.md && rm untracked
}
claim 'git stash -u, and pop' stash
claim 'git cherry-pick' git cherry-pick side
is 'brings the file' side "$(cat side.txt)"
rebase() {
	git switch -q -c topic HEAD~3 && echo t >topic.txt && git add topic.txt && git commit -qm topic &&
		git rebase -q main && [ -f topic.txt ] && clean
}
claim 'git rebase' rebase
bisect() {
	git switch -q main && git bisect start HEAD HEAD~20 >/dev/null &&
		git bisect run sh -c '! grep -q "line 20" story.txt' >"$tmp/bisect" &&
		git bisect reset >/dev/null 2>&1 && grep -q 'chapter 20' "$tmp/bisect"
}
claim 'git bisect run' bisect
claim 'git worktree list names it' sh -c "git worktree list | grep -q '$live '"
claim 'git gc' git gc -q
claim 'git fsck --strict' git fsck --strict --no-dangling
claim 'git worktree prune leaves it' sh -c "git worktree prune && git rev-parse HEAD"
claim 'still clean' clean

# ours and git's, mixed
echo mine >>README.md
echo fresh >untracked
claim 'frag commit' frag commit shop -m 'by frag'
is 'git has it' 'by frag' "$(git log -1 --format=%s)"
is 'with what was untracked' "$(printf 'README.md\nuntracked')" "$(git show --format= --name-only)"
claim 'status is clean after it' clean
echo precious >never-added
echo edited >>README.md
claim 'a dirty tree is no obstacle' frag checkout shop side
is 'the untracked file is gone with it' 1 "$([ -e never-added ]; echo $?)"
claim 'undo' frag undo shop
is '… brings back what was never added' precious "$(cat never-added)"
is '… and what was edited' edited "$(tail -n 1 README.md)"
is '… as changes to git' "$(printf ' M README.md\n?? never-added')" "$(git status --porcelain)"
claim 'a commit here, by where one stands' frag commit -m 'from inside'
git -C "$bare" update-ref refs/heads/main main~1
echo x >>README.md
refuses 'a commit on a branch that was moved' 1 'moved by somebody else' frag commit -m x
git -C "$bare" update-ref refs/heads/main "$(git -C "$bare" rev-parse refs/heads/main@{1} 2>/dev/null || git reflog -1 --format=%H)"

# sessions
claim 'mkdir makes a session' mkdir "$mnt/shop/work/agent"
is 'on a branch of its own' agent "$(git -C "$mnt/shop/work/agent" symbolic-ref --short HEAD)"
cd "$mnt/shop/work/agent" || exit 1
echo agent >agent.txt
claim 'git commits in it' sh -c 'git add agent.txt && git commit -qm "by an agent"'
is 'frag knows where one stands' agent "$(frag status --json | jq -r .work)"
cd "$tmp" || exit 1
claim 'frag work rm takes it away' frag work rm shop agent
is 'it is gone from the mount' 1 "$([ -e "$mnt/shop/work/agent" ]; echo $?)"
is 'its branch stays' 'by an agent' "$(git -C "$bare" log -1 --format=%s agent)"

# whatever the daemon does
cd "$tmp" || exit 1
frag unmount "$mnt" && frag mount "$mnt"
claim 'after a remount git is clean where it was' sh -c "cd '$live' && git status"
is 'and what was not committed is there' x "$(tail -n 1 "$live/README.md")"
frag unmount "$mnt"
claim 'fsck' frag fsck
done_claiming
