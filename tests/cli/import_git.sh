#!/bin/sh
# import_git.sh <build> - git repositories of every shape become projects, and later calls bring what is new.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

"$frag" init >/dev/null
projects=$FRAG_HOME/projects
import() { "$frag" import -q "$@"; }
json_of() { "$frag" import -q --json "$@" | jq -r "$field"; }
seen() { git -C "$projects/$1.git" rev-parse -q --verify "$2"; }
refs_of() { git -C "$1" for-each-ref --format='%(objectname) %(refname)' refs/heads refs/tags refs/remotes; }
same_refs() { same "$(refs_of "$1")" "$(refs_of "$2")"; }
number() { "$frag" project list --json | jq -r ".[] | select(.name == \"$1\") | .fragments"; }
pinned() { git -C "$projects/$1.git" for-each-ref refs/fragments | wc -l; }
sound() { git -C "$projects/$1.git" fsck --strict --connectivity-only; }
no_stage() { same "$(find "$projects" -maxdepth 1 -name '.incoming*')" ""; }

# --- an ordinary repository, from each place that it can be named by
git init -q -b trunk "$tmp/src" && cd "$tmp/src" || exit 1
for i in 1 2 3; do
	echo "$i" >file && git add file && git commit -qm "Commit $i"
done
git checkout -q -b side HEAD~1 && echo s >side && git add side && git commit -qm Side
git tag v1 && git tag -a -m 'Two' v2 HEAD~1 && git tag v0-tree 'HEAD^{tree}'
git update-ref refs/remotes/up/main HEAD~1 && git symbolic-ref refs/remotes/up/HEAD refs/remotes/up/main
git worktree add -q "$tmp/linked" trunk
cd "$tmp" || exit 1
claim 'a repository with a work tree is imported' import src
claim 'its branches, tags and remotes are kept' same_refs src "$projects/src.git"
claim 'HEAD is where it was' same "$(git -C "$projects/src.git" symbolic-ref HEAD)" refs/heads/side
claim 'a symbolic remote HEAD is kept' same "$(git -C "$projects/src.git" symbolic-ref refs/remotes/up/HEAD)" refs/remotes/up/main
claim 'every commit is a fragment' same "$(pinned src)" 4
claim 'git finds no fault with it' sound src
claim 'it owes nothing to its source' test ! -e "$projects/src.git/objects/info/alternates"
claim 'nothing is left of the stage' no_stage
claim 'a linked work tree is imported with its own HEAD' import linked
claim 'and with all branches' same_refs src "$projects/linked.git"
claim 'HEAD is the linked one'"'"'s' same "$(git -C "$projects/linked.git" symbolic-ref HEAD)" refs/heads/trunk
git clone -q --bare src bare.git 2>/dev/null
claim 'a bare repository is imported' import bare.git
claim 'a .git directory is named after what holds it' same "$(field=.project json_of src/.git --name dotgit)" dotgit
claim 'a file address is fetched' import "file://$tmp/src" --name byfile
claim 'with every ref' same_refs src "$projects/byfile.git"
git -C src bundle create -q "$tmp/all.bundle" --all 2>/dev/null
claim 'a bundle is imported' import all.bundle
claim 'with its branches' same "$(seen all trunk)" "$(git -C src rev-parse trunk)"
git init -q --bare empty.git
claim 'an empty repository is imported' import empty.git
claim 'and has no fragment' same "$(pinned empty)" 0

# --- a second call
echo 4 >src/new && git -C src add new && git -C src commit -qm 'Commit 4'
git -C src branch fresh && git -C src tag v3
side=$(git -C src rev-parse side)
claim 'a second import brings the new' same "$(field='"\(.new) \(.movedRefs) \(.addedRefs) \(.created)"' json_of src)" '1 1 2 false'
claim 'its refs are those of the source again' same_refs src "$projects/src.git"
claim 'a third one finds nothing new' same "$(field='"\(.new) \(.movedRefs) \(.addedRefs)"' json_of src)" '0 0 0'
git -C src checkout -q side && git -C src reset -q --hard HEAD~2 && git -C src commit -q --allow-empty -m Rewritten
claim 'a branch rewritten at the source follows' import src
claim 'to the new place' same "$(seen src side)" "$(git -C src rev-parse side)"
claim 'and the old commits stay fragments' git -C "$projects/src.git" cat-file -e "$side"
git clone -q "$projects/src.git" ours 2>/dev/null
(cd ours && git checkout -q side && echo o >ours && git add ours && git commit -qm Ours && git push -q origin side)
ours=$(git -C ours rev-parse side)
claim 'a branch that only we moved stays' import src
claim 'where it was' same "$(seen src side)" "$ours"
git -C src commit -q --allow-empty -m Theirs
claim 'a branch that both moved is reported' same "$(field=.diverged json_of src)" 1
claim 'ours stays' same "$(seen src side)" "$ours"
claim 'theirs is beside it' same "$(seen src refs/remotes/origin/side)" "$(git -C src rev-parse side)"
git -C "$projects/src.git" branch -q -D fresh
git -C src branch -q -D trunk 2>/dev/null
claim 'what we deleted stays deleted' import src
claim 'it does' test -z "$(seen src fresh)"
refuses 'another source for a name that is taken' 1 'is there already' "$frag" import bare.git --name src
echo x >src/y && git -C src add y && git -C src commit -qm Y
git -C bare.git fetch -q "$tmp/src" '+refs/heads/*:refs/heads/*'
claim 'an address brings what is new as well' import "file://$tmp/src" --name byfile
claim 'only that' same "$(seen byfile side)" "$(git -C src rev-parse side)"

# --- odd contents
git init -q odd && cd odd || exit 1
blob=$(echo content | git hash-object -w --stdin)
link=$(printf /etc/passwd | git hash-object -w --stdin)
long=$(printf '%0255d' 0)
tree=$(printf '100644 blob %s\tbad\377utf8\000100644 blob %s\tnew\nline\000100644 blob %s\t%s\000120000 blob %s\tlink\000160000 commit %s\tsub\000100755 blob %s\texec\000' \
	"$blob" "$blob" "$blob" "$long" "$link" "$(git -C "$tmp/src" rev-parse HEAD)" "$blob" | git mktree -z)
root=$(echo Odd | git commit-tree "$tree")
parents=
for i in $(seq 100); do
	parents="$parents -p $(echo "Parent $i" | git commit-tree "$tree")"
done
# shellcheck disable=SC2086
octopus=$(echo Octopus | git commit-tree "$tree" -p "$root" $parents)
raw() { git hash-object -w -t commit --literally --stdin; }
broken=$(printf 'tree %s\nparent %s\nauthor A <a> 99999999999999999999 +9999\ncommitter B <b> -5 xyz\n\nBroken dates' "$tree" "$octopus" | raw)
latin=$(printf 'tree %s\nparent %s\nauthor A <a> 1 +0000\ncommitter B <b> 1 +0000\nencoding ISO-8859-1\n\nGr\374n\n' "$tree" "$broken" | raw)
bare=$(printf 'tree %s\nparent %s\n\nNobody\n' "$tree" "$latin" | raw)
git update-ref refs/heads/main "$bare"
evil() { # <mode> <name>: a tree with that one entry
	{ printf '%s %s\0' "$1" "$2"; perl -e 'print pack "H*", shift' "$blob"; } | git hash-object -w -t tree --literally --stdin
}
n=0
for name in .git .GIT 'git~1' .. . a/b "$long$long"; do
	n=$((n + 1))
	git update-ref "refs/heads/evil$n" "$(echo "Evil $n" | git commit-tree "$(evil 100644 "$name")")"
done
cd "$tmp" || exit 1
claim 'odd names, links, submodules and commits are imported' import odd
claim 'a hundred and one parents, broken dates and no author are fragments' same "$(pinned odd)" 112
claim 'the odd tree is as it was' same "$(git -C "$projects/odd.git" rev-parse 'main^{tree}')" "$tree"
claim 'what the judge refuses is counted' same "$(field=.refusedEntries json_of odd --name odd3)" 7
claim 'hostile trees come by an address as well' import "file://$tmp/odd" --name odd2
claim 'all of them' same "$(pinned odd2)" 112

# --- sources with damage, or less than everything
git clone -q --no-hardlinks src damaged 2>/dev/null && cd damaged || exit 1
git unpack-objects -q <"$(ls .git/objects/pack/*.pack 2>/dev/null || echo /dev/null)" 2>/dev/null
mkdir pack && mv .git/objects/pack/* pack/ 2>/dev/null
for p in pack/*.pack; do [ ! -e "$p" ] || git unpack-objects -q <"$p"; done
lost=$(git rev-parse 'HEAD:file') && hurt=$(git rev-parse 'HEAD:y')
rm -f ".git/objects/$(echo "$lost" | cut -c1-2)/$(echo "$lost" | cut -c3-)"
torn=.git/objects/$(echo "$hurt" | cut -c1-2)/$(echo "$hurt" | cut -c3-)
chmod u+w "$torn" && echo rubbish >"$torn"
echo deadbeefdeadbeefdeadbeefdeadbeefdeadbeef >.git/refs/heads/nowhere
cd "$tmp" || exit 1
claim 'a source with missing and damaged objects is imported' import damaged
claim 'its commits are fragments' test "$(pinned damaged)" -ge 4
claim 'what it lacks is counted' same "$(field='"\(.missingContents) \(.damagedObjects) \(.brokenRefs)"' json_of damaged --name damaged2)" '1 0 1'
claim 'a branch that points at nothing is left out' test -z "$(seen damaged nowhere)"
echo 1 >damaged/z && git -C damaged add z && git -C damaged commit -qm Z 2>/dev/null
claim 'and again, with what is new in it' import damaged
git clone -q --shared src borrowing 2>/dev/null
claim 'a source that borrows its objects is imported' import borrowing
mv src/.git/objects src/.git/gone
claim 'whole' sound borrowing
mv src/.git/gone src/.git/objects
git clone -q --depth 1 "file://$tmp/src" shallow 2>/dev/null
claim 'a shallow source is imported and said to be one' same "$(field='"\(.shallow) \(.fragments)"' json_of shallow)" 'true 1'
claim 'git knows it as one' same "$(git -C "$projects/shallow.git" rev-parse --is-shallow-repository)" true
git -C src config uploadpack.allowFilter true
git clone -q --bare --filter=blob:none "file://$tmp/src" partial.git 2>/dev/null
refuses 'a partial clone' 1 'partial clone' "$frag" import partial.git
git init -q --object-format=sha256 sha256
refuses 'SHA-256' 1 'SHA-1' "$frag" import sha256
refuses 'a path with nothing' 1 'there is nothing at' "$frag" import nothing-here
mkdir plain
refuses 'a directory that is nothing of the kind' 1 'neither a git repository' "$frag" import plain
refuses 'an address that cannot be reached' 1 'could not fetch' "$frag" import "file://$tmp/no"
claim 'of which no project is seen' test ! -e "$projects/no.git"

# --- nothing of a foreign repository runs
git clone -q src trap 2>/dev/null && cd trap || exit 1
printf '#!/bin/sh\ntouch %s/canary\n' "$tmp" >trap.sh && chmod +x trap.sh
for hook in pre-upload post-checkout reference-transaction pre-auto-gc fsmonitor-watchman post-merge; do
	cp trap.sh ".git/hooks/$hook"
done
for key in core.fsmonitor core.sshCommand core.gitProxy core.alternateRefsCommand uploadpack.packObjectsHook \
	credential.helper core.pager alias.config alias.pack-objects filter.x.smudge diff.external; do
	git config "$key" "$PWD/trap.sh"
done
git config include.path "$PWD/included" && git config -f included core.fsmonitor "$PWD/trap.sh"
git config core.hooksPath "$PWD/.git/hooks" && echo '* filter=x' >.git/info/attributes
cd "$tmp" || exit 1
claim 'a repository full of traps is imported' import trap
echo 2 >trap/more && git -C trap -c core.fsmonitor=false -c core.hooksPath=/dev/null add more 2>/dev/null
git -C trap -c core.fsmonitor=false -c core.hooksPath=/dev/null -c filter.x.smudge= commit -qm More
rm -f canary
claim 'and once more' import trap
claim 'and by address' import "file://$tmp/trap" --name trap2
claim 'no trap was sprung' test ! -e canary
refuses 'an address that runs a helper' 1 'cannot be imported' "$frag" import "ext::sh -c touch% $tmp/canary"
refuses 'an option for an address' 2 '' "$frag" import "--upload-pack=touch $tmp/canary"
refuses 'one behind dashes' 1 'dash' "$frag" import -- "--upload-pack=touch $tmp/canary"
claim 'nothing ran' test ! -e canary

# --- a password stays where it is
mkdir bin && real=$(command -v git)
cat >bin/git <<EOF
#!/bin/sh
{ echo "argv: \$*"; env; } >>$tmp/spied
for a in "\$@"; do
	case \$a in credential.helper=store*) printf 'protocol=http\nhost=127.0.0.1:1\nusername=bot\n\n' |
		$real credential-store \${a#*store } get >>$tmp/credential ;; esac
done
exec $real "\$@"
EOF
chmod +x bin/git
PATH=$tmp/bin:$PATH "$frag" import 'http://bot:c4n%41ry-token@127.0.0.1:1/x.git' --name secret >"$tmp/said" 2>&1
claim 'git was asked' test -s spied
claim 'and could have the password' grep -q 'password=c4nAry-token' credential
claim 'which is in no argument, environment or message' test "$(cat spied said | grep -c 'c4n.*ry-token')" -eq 0
claim 'and on no disk' test -z "$(grep -rl 'c4n.*ry-token' "$FRAG_HOME")"

# --- an address comes in steps, and those that are done are kept
git init -q -b main steps && cd steps || exit 1
for i in $(seq 80); do
	head -c 2000 /dev/urandom | base64 >"f$((i % 7))"
	git add . && git commit -qm "Step $i" && git tag "v1.$i"
done
cd "$tmp" || exit 1
cat >bin/git <<EOF
#!/bin/sh
case "\$*" in *'+refs/heads/'*) echo 'fatal: the line broke' >&2; exit 128 ;; esac
exec $real "\$@"
EOF
PATH=$tmp/bin:$PATH "$frag" import -q "file://$tmp/steps" >"$tmp/said" 2>&1
claim 'a fetch that breaks is a failure' same $? 1
claim 'in the words of git' grep -q 'the line broke' "$tmp/said"
claim 'no project is seen' test ! -e "$projects/steps.git"
stage=$projects/.incoming-steps/objects/pack
packs=$(cd "$stage" && echo *.pack)
claim 'what had come is kept' test "$(echo "$packs" | wc -w)" -ge 3
claim 'the same call goes on from there' same "$(field='"\(.resumed) \(.fragments)"' json_of "file://$tmp/steps")" 'true 80'
claim 'with the packs that it had' sh -c "cd '$projects/steps.git/objects/pack' && ls $packs"
claim 'and with every tag' same_refs steps "$projects/steps.git"

# --- large contents
git init -q large && cd large || exit 1
huge=$(head -c 120000000 /dev/zero | git hash-object -w --stdin)
git update-ref refs/heads/main "$(echo Huge | git commit-tree "$(printf '100644 blob %s\thuge\n' "$huge" | git mktree)")"
cd "$tmp" || exit 1
claim 'a file of 120 MB is imported' import large
claim 'and is one' same "$(git -C "$projects/large.git" cat-file -s "$huge")" 120000000

# --- locks and leftovers
(flock 9 && echo "4711 importing" >&9 && exec sleep 30) 9>"$FRAG_HOME/run/import-held.lock" &
holder=$!
within 30 sh -c "! flock -n '$FRAG_HOME/run/import-held.lock' true"
refuses 'to import what another process imports, and says who' 1 '4711' "$frag" import src --name held
kill $holder
(flock 9 && echo "4712 renumbering" >&9 && exec sleep 30) 9>"$projects/src.git/fragfs.lock" &
holder=$!
within 30 sh -c "! flock -n '$projects/src.git/fragfs.lock' true"
refuses 'a project that another process holds, and says who' 1 '4712' "$frag" import src
kill $holder
mkdir -p "$projects/.incoming-left/objects" && echo x >"$projects/.incoming-left/fragfs-source"
claim 'what another import left is no obstacle' import src --name left
claim 'no stage is left' same "$(find "$projects" -maxdepth 1 -name '.incoming*' )" ""
done_claiming
