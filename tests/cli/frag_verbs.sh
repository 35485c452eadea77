#!/bin/sh
# frag_verbs.sh <build> - Every verb that reads or changes a home without a mount, on a real repository, in words and in JSON.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

claim 'init makes a home' frag init
is 'init is repeatable and says where' "{\"home\":\"$FRAG_HOME\"}" "$(frag init --json)"
is 'there are no projects at first' '[]' "$(frag project list --json | jq -c .)"
claim 'creates a project' frag project create shop
is 'an empty project has no head and no fragments' \
	'[{"name":"shop","fragments":0,"head":null,"branch":"main","head_seq":null}]' \
	"$(frag project list --json | jq -c .)"
is 'the log of an empty project is an empty array' '[]' "$(frag log shop --json)"

small_repo "$tmp/work" || exit 1
git -C "$tmp/work" push -q "$FRAG_HOME/projects/shop.git" main side v1 || exit 1
bare="$FRAG_HOME/projects/shop.git"

is 'a push is numbered by the next verb' 4 "$(frag project list --json | jq '.[0].fragments')"
is 'head is a commit' "$(git -C "$bare" rev-parse main)" \
	"$(frag project list --json | jq -r '.[0].head')"

# log
frag log shop --json >"$tmp/log.json"
is 'the log has the promised fields' \
	'["author","commit","parents","seq","time","title","tree"]' \
	"$(jq -c '.[0] | with_entries(select(.key as $k | ["seq","commit","tree","parents","title","author","time"] | index($k))) | keys' "$tmp/log.json")"
is 'the log lists every fragment of every branch, newest first' '[4,3,2,1]' \
	"$(jq -c 'map(.seq)' "$tmp/log.json")"
is 'commits, trees and parents are those of git' \
	"$(git -C "$bare" log --all --format='%H %T %P' | sort)" \
	"$(jq -r '.[] | [.commit, .tree, (.parents | join(" "))] | join(" ")' "$tmp/log.json" | sort)"
is 'titles and authors are those of git' \
	"$(git -C "$bare" log --all --format='%H %s %an <%ae>' | sort)" \
	"$(jq -r '.[] | [.commit, .title, .author] | join(" ")' "$tmp/log.json" | sort)"
is 'times carry their zone' '2023-11-14T23:13:20+01:00' "$(jq -r '.[] | select(.seq == 1) | .time' "$tmp/log.json")"
is '-n limits' 2 "$(frag log shop -n 2 --json | jq length)"
is '-n 0 lists none' '[]' "$(frag log shop -n 0 --json)"
is '--from lists what a revision reaches' "$(git -C "$bare" rev-list side)" \
	"$(frag log shop --from side --json | jq -r '.[].commit')"
is 'a revision may be an argument too' "$(git -C "$bare" rev-list v1)" \
	"$(frag log shop v1 --json | jq -r '.[].commit')"
is 'a number is a revision' "$(git -C "$bare" rev-list v1)" "$(frag log shop 2 --json | jq -r '.[].commit')"
is '-- path lists what changed it' "$(git -C "$bare" log --format=%s main -- src | tac)" \
	"$(frag log shop main --json -- src | jq -r '.[].title' | tac)"
is 'a line of text names number, id, day, title, author and refs' \
	"    2 $(git -C "$bare" rev-parse --short=12 v1) 2023-11-14 second: change and add — Ada (v1)" \
	"$(frag log shop v1 -n 1)"
is 'no colour where there is no terminal' 0 "$(frag log shop | grep -c "$(printf '\033')")"

# show
frag show shop v1 --json >"$tmp/show.json"
is 'show says what log says' \
	"$(jq -cS '.[] | select(.seq == 2)' "$tmp/log.json")" \
	"$(jq -cS 'del(.message, .changes)' "$tmp/show.json")"
is 'show has the message' 'second: change and add' "$(jq -r .message "$tmp/show.json")"
is 'show lists what changed' '[["bin","added"],["src/main.txt","modified"]]' \
	"$(jq -c '.changes | map([.path, .status])' "$tmp/show.json")"
is 'show --files lists every file with its size' \
	"$(git -C "$bare" ls-tree -r --format='%(objectmode) %(objectname) %(path)' v1)" \
	"$(frag show shop v1 --files --json | jq -r '.files[] | [.mode, .oid, .path] | join(" ")')"
frag show shop v1:bin >"$tmp/bin" && git -C "$bare" cat-file blob v1:bin >"$tmp/bin.git"
claim 'show REV:path is the file byte for byte' cmp "$tmp/bin" "$tmp/bin.git"
is 'JSON of a binary file keeps every byte' 00ff62696e617279 \
	"$(frag show shop v1:bin --json | jq -r .content_hex)"
is 'JSON of a text file is the text' 'hello' "$(frag show shop :README.md --json | jq -r .content)"
is 'a directory is listed' 'main.txt' "$(frag show shop v1:src --json | jq -r '.[].path')"
is 'a time and a number may have colons of their own' 'hello 2 2 hello' \
	"$({ frag show shop 2023-11-14T23:00:00Z:README.md; frag show shop 2023-11-14T22:16:00Z --json | jq .seq
	frag show shop seq:2 --json | jq .seq; frag show shop seq:2:README.md; } | tr '\n' ' ' | sed 's/ $//')"
is 'show -p is the patch of git' "$(git -C "$bare" show --format= -p v1 -- src)" \
	"$(frag show shop v1 -p | sed -n '/^diff --git a.src/,$p')"

# diff
is 'diff --name-only lists paths' "$(git -C "$bare" diff --name-only v1 main)" \
	"$(frag diff shop v1 main --name-only)"
is 'diff --name-status says how' 'A  a b' "$(frag diff shop v1 main --name-status)"
is 'diff a..b means both' 'A  a b' "$(frag diff shop v1..main --name-status)"
is 'diff with one revision compares with HEAD' 'A  a b' "$(frag diff shop v1 --name-status)"
is 'diff --json tells modes and ids' \
	"[\"modified\",\"src/main.txt\",\"100644\",\"$(git -C "$bare" rev-parse main:src/main.txt)\"]" \
	"$(frag diff shop 1 main --json | jq -c '.[] | select(.path == "src/main.txt") | [.status, .path, .new_mode, .new_oid]')"
frag diff shop 1 main >"$tmp/patch"
git clone -q "$bare" "$tmp/clone" 2>/dev/null && git -C "$tmp/clone" checkout -q v1~1
like 'diff --stat counts' '3 files changed, 3 lines added, 1 deleted|2 files' "$(frag diff shop 1 main --stat)"
(cd "$tmp/clone" && git diff HEAD main -- src README.md 'a b' | git apply --stat >/dev/null)
frag diff shop side~1 side >"$tmp/patch" && git -C "$tmp/clone" checkout -q v1
claim 'git apply takes the patch' git -C "$tmp/clone" apply --index "$tmp/patch"
is 'and the result is the tree' "$(git -C "$bare" rev-parse 'side^{tree}')" \
	"$(git -C "$tmp/clone" write-tree)"

# tags and branches
is 'tags are listed' '["v1",2]' "$(frag tag list shop --json | jq -c '.[] | [.name, .seq]')"
claim 'creates a tag' frag tag create shop v2 side
is 'git sees the tag' "$(git -C "$bare" rev-parse side)" "$(git -C "$bare" rev-parse v2)"
claim 'creates a tag object' env GIT_COMMITTER_DATE='1700000400 +0200' "$frag" tag create shop v3 main -m 'third release'
is 'git reads its message and tagger' 'third release Ada 1700000400 +0200' \
	"$(git -C "$bare" for-each-ref --format='%(contents:subject) %(taggername) %(taggerdate:raw)' refs/tags/v3)"
is 'a tag object stands for its commit' "$(git -C "$bare" rev-parse main)" \
	"$(frag tag list shop --json | jq -r '.[] | select(.name == "v3") | .commit')"
refuses 'to move a tag unasked' 1 'already' frag tag create shop v2 main
claim 'moves a tag with -f' frag tag create shop v2 main -f
claim 'deletes a tag object' frag tag delete shop v3
refuses 'to delete a tag that is not there' 1 "did you mean 'v1' or 'v2'|did you mean" frag tag delete shop v3
refuses 'a name git would not take' 1 'not a name that git accepts' frag tag create shop 'a..b'
is 'takes the name of the user from his configuration' 'Con Fig <con@fig>' "$(
	unset GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL GIT_CONFIG_GLOBAL
	git config --global user.name 'Con Fig' && git config --global user.email con@fig
	frag tag create shop v4 -m m && git -C "$bare" for-each-ref --format='%(taggername) %(taggeremail)' refs/tags/v4
)"
is "git's words work too" 'v1 v2 v4 v5' \
	"$(frag tag shop v5 && frag tag shop --json | jq -r 'map(.name) | join(" ")')"
claim '-d deletes' frag tag -d shop v5
claim 'creates a branch' frag branch create shop topic 1
is 'branches are listed, HEAD marked' '[["main",true],["side",false],["topic",false]]' \
	"$(frag branch list shop --json | jq -c 'map([.name, .head])')"
refuses 'to delete the branch of HEAD' 1 'HEAD is on branch' frag branch delete shop main
claim 'deletes another branch' frag branch delete shop topic
is 'a deleted branch loses no fragment' 4 "$(frag project list --json | jq '.[0].fragments')"

# search
is 'search finds a line in HEAD, with its number' 'shop 4 src/main.txt:4: four' "$(frag search '^fo.r$' -p shop)"
is 'and in every fragment, as ranges' '[["src/main.txt",[[1,1]]]]' \
	"$(frag search two -p shop -a --json | jq -c 'map([.path, .fragments])')"
is 'search finds nothing quietly' '[]' "$(frag search nowhere -p shop -a --json | jq -c .)"
is 'it takes plain text' 'README.md' "$(frag search -F hello -p shop --json | jq -r '.[].path')"
is 'it stays below a path' 0 "$(frag search hello -p shop --below src --json | jq length)"
refuses 'a pattern that is none' 1 'not a regular expression' frag search '(' -p shop

# export, gc, fsck, reindex
claim 'exports a repository' frag export shop "$tmp/out.git"
is 'with every branch and tag of git' "$(git -C "$bare" for-each-ref refs/heads refs/tags)" \
	"$(git -C "$tmp/out.git" for-each-ref refs/heads refs/tags)"
claim 'that is sound' git -C "$tmp/out.git" fsck --strict
refuses 'to export over something' 1 'already' frag export shop "$tmp/out.git"
claim 'exports a bundle' frag export shop "$tmp/out.bundle" --bundle
is 'that git can clone' "$(git -C "$bare" rev-parse main)" \
	"$(git clone -q "$tmp/out.bundle" "$tmp/from-bundle" 2>/dev/null; git -C "$tmp/from-bundle" rev-parse main)"
is 'what is exported is as open as the user wants' '755 644' \
	"$(umask 022; frag export shop "$tmp/open.git"; frag export shop "$tmp/open.bundle" --bundle
	stat -c %a "$tmp/open.git" "$tmp/open.bundle" | tr '\n' ' ' | sed 's/ $//')"
frag log shop --json >"$tmp/before.json"
claim 'packs' frag gc shop --full
claim 'packs the whole home' frag gc --json
claim 'reindexes' frag reindex
rm -rf "$FRAG_HOME/index"
frag log shop --json >"$tmp/after.json"
claim 'the log survives packing, reindexing and a lost index' cmp "$tmp/before.json" "$tmp/after.json"
claim 'fsck finds all well' frag fsck
is 'and says how much it looked at' '[0,4]' "$(frag fsck --json | jq -c '[.problems, .fragments]')"
blob=$(git -C "$bare" rev-parse main:README.md)
git -C "$bare" unpack-objects -q <"$(ls "$bare"/objects/pack/*.pack | head -1)"
git clone -q --bare --no-hardlinks "$bare" "$FRAG_HOME/projects/hurt.git" 2>/dev/null
(cd "$FRAG_HOME/projects/hurt.git" && mv objects/pack/*.pack "$tmp/hurt.pack" && rm -f objects/pack/* &&
	git unpack-objects -q <"$tmp/hurt.pack" && rm -f "objects/$(echo "$blob" | sed 's|^..|&/|')")
frag fsck hurt --json >"$tmp/hurt.json" 2>/dev/null
is 'fsck fails on a missing file' 1 $?
claim 'and names it' sh -c 'jq -e --arg b "$2" ".findings | any(.level == \"problem\" and (.words | contains(\$b[0:7])))" "$1"' sh "$tmp/hurt.json" "$blob"
frag project delete hurt --yes

# projects
claim 'renames a project' frag project rename shop store
is 'and its fragments keep their numbers' "$(jq -c 'map([.seq, .commit])' "$tmp/log.json")" \
	"$(frag log store --json | jq -c 'map([.seq, .commit])')"
refuses 'to delete without --yes where nobody can be asked' 1 'add --yes' frag project delete store
is 'and it is still there' store "$(frag project list --json | jq -r '.[0].name')"
claim 'deletes with --yes' frag project delete store --yes
is 'and it is gone' '[]' "$(frag project list --json | jq -c .)"

# bytes that are not UTF-8
frag project create odd
git init -q -b main "$tmp/odd" && (
	cd "$tmp/odd" || exit 1
	printf x >"$(printf 'bad\377name')"
	printf x >"$(printf 'esc\033[31m')"
	git add . && git commit -qm x
	# git itself would not write such a title
	commit=$({ git cat-file commit HEAD | sed '/^$/q' && printf 'title \377 and \033[2J\n'; } |
		git hash-object -t commit -w --stdin)
	git push -q "$FRAG_HOME/projects/odd.git" "$commit:refs/heads/main"
)
is 'a title that is not UTF-8 keeps its bytes' "7469746c6520ff20616e64201b5b324a" \
	"$(frag log odd --json | jq -r '.[0].title_hex')"
is 'so does a path' '626164ff6e616d65' \
	"$(frag show odd --json | jq -r '.changes[] | select(.path_hex) | .path_hex')"
is 'no escape reaches the terminal' 0 \
	"$( (frag log odd; frag show odd; frag show odd --files; frag diff odd HEAD HEAD; frag branch list odd) | grep -c "$(printf '\033')")"

done_claiming
