#!/bin/bash
# tests/cli/checkout.sh <build-dir> - frag checkout, a real local sandbox that follows it, and everything that comes between.
. "$(dirname "$0")/harness.sh"

command -v bwrap >/dev/null || skip_all 'bubblewrap is not installed'

src=$tmp/src
git init -q -b main "$src"
cd "$src" || exit 1
mkdir -p lib/deep
for i in $(seq 1 150); do echo "line $i" >"lib/deep/f$i.txt"; done
printf '#!/bin/sh\necho run\n' >run.sh
chmod +x run.sh
ln -s lib/deep link
echo one >page.html
git add -A && git commit -qm one
echo two >page.html
git rm -q lib/deep/f1.txt
git add -A && git commit -qm two
for i in $(seq 2 120); do echo more >>"lib/deep/f$i.txt"; done
rm link && mkdir link && echo now >link/file
chmod -x run.sh
head -c 3000000 /dev/urandom >large.bin
git add -A && git commit -qm three
git branch side HEAD~1
cd "$tmp" || exit 1

end_sandbox() {
	status=$?
	"$frag" sandbox rm shop >/dev/null 2>&1
	(exit $status)
	take_down
}
trap end_sandbox EXIT

frag init >/dev/null
frag import "$src" --name shop >/dev/null 2>&1
id=

# The files inside are exactly those of revision $1, modes and links included.
holds() {
	rm -rf "$tmp/want" && mkdir "$tmp/want"
	git -C "$src" archive "$1" | tar -x -C "$tmp/want"
	diff -r --no-dereference "$tmp/want" "$inside" &&
		diff <(cd "$tmp/want" && find . -type f -perm -u+x | sort) \
			<(cd "$inside" && find . -type f -perm -u+x | sort)
}

field() {
	frag sync status shop --json | tr ',{}' '\n' | sed -n "s/^\"$1\":\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p"
}

claim "a checkout needs no sandbox" frag checkout shop 1
is "HEAD is detached at the fragment" "$(git -C "$src" rev-parse HEAD~2)" \
	"$(git -C "$FRAG_HOME/projects/shop.git" rev-parse HEAD)"
claim "a branch's name keeps HEAD on the branch" frag checkout shop side
is "… as git sees it" refs/heads/side "$(git -C "$FRAG_HOME/projects/shop.git" symbolic-ref HEAD)"
refuses "a version that is not there is refused" 1 "no version 'nowhere'" frag checkout shop nowhere
refuses "--wait and --no-wait exclude each other" 2 "exclude" frag checkout shop 1 --wait --no-wait

claim "a sandbox comes up with HEAD's files" frag sandbox up shop
id=$(field sandbox)
inside=$FRAG_HOME/sandboxes/$id/home/app
claim "… byte for byte" holds side
is "… and is said to be verified" synced "$(field state)"

for rev in 1 3 2 main 1; do
	claim "checkout $rev returns when the sandbox is verified" frag checkout shop $rev --wait
	case $rev in
	main) want=main ;;
	*) want=$(git -C "$src" rev-parse "main~$((3 - rev))") ;;
	esac
	claim "… and it holds version $rev" holds "$want"
done
like "a way back needs no contents" '"plan":"resident"' "$(frag checkout shop 2 --wait --json)"
like "the number of changed files is told" '"changed":12[0-9]' "$(frag checkout shop 3 --wait --json)"

# what the sandbox changes of its own
echo mine >"$inside/page.html"
echo new >"$inside/notes.txt"
echo KEY=1 >"$inside/.env"
mkdir -p "$inside/node_modules/m" && echo bulk >"$inside/node_modules/m/i.js"
claim "an order replaces what the sandbox changed" frag checkout shop 1 --wait
is "… but for what nobody may have" "KEY=1 bulk" \
	"$(cat "$inside/.env" "$inside/node_modules/m/i.js" | tr '\n' ' ' | sed 's/ $//')"
rm -rf "$inside/.env" "$inside/node_modules"
claim "… and leaves the version's files" holds main~2
saved=$(field drift)
is "the changes are a fragment" "mine new" \
	"$(git -C "$FRAG_HOME/projects/shop.git" show "$saved:page.html" "$saved:notes.txt" | tr '\n' ' ' | sed 's/ $//')"
is "… without the secret" "" "$(git -C "$FRAG_HOME/projects/shop.git" ls-tree -r "$saved" -- .env node_modules)"
claim "… that can be checked out" frag checkout shop "$saved" --wait
is "… into the sandbox" mine "$(cat "$inside/page.html")"
claim "history is sound" git -C "$FRAG_HOME/projects/shop.git" fsck --strict --no-dangling

# killed anywhere
frag checkout shop 3 --wait >/dev/null 2>&1
for n in $(seq 1 20); do
	rev=$((n % 3 + 1))
	"$frag" checkout shop $rev --wait >/dev/null 2>&1 &
	pid=$!
	moment=$(awk -v n="$n" 'BEGIN { printf "%.3f", n * 0.004 }')
	timeout "$moment" tail -f /dev/null
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
done
claim "after twenty killed checkouts the next one gets through" frag checkout shop 3 --wait
claim "… and the sandbox holds the version" holds main
is "… and nothing of ours was taken for the sandbox's own" "$saved" "$(field drift)"

# asleep, and gone
frag sandbox down shop >/dev/null 2>&1
claim "a sandbox that was stopped is started" frag checkout shop 2 --wait
claim "… and follows" holds main~1
frag sandbox exec shop -- sh -c 'rm -rf ./* ./.[a-z]*' >/dev/null 2>&1
claim "a sandbox that was emptied is filled by an order" frag checkout shop 2 --wait
claim "… wholly" holds main~1

claim "a sandbox is removed" frag sandbox rm shop
refuses "sync status says that there is none" 1 "has no sandbox" frag sync status shop
is "… and is an empty list for all" "[]" "$(frag sync status --json)"
done_claiming
