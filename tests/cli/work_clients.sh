#!/bin/sh
# work_clients.sh <build> - what people's programs do every day, done in a work tree.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

"$here/../bench/generate.sh" web "$tmp/web"
"$frag" init >/dev/null
"$frag" import "$tmp/web" --name app -q >/dev/null
"$frag" mount "$mnt"
live=$mnt/app/live
has() { command -v "$1" >/dev/null 2>&1; }

# git, in the work tree itself and in a repository of its own inside
cd "$live" || exit 1
claim 'the first git status is clean' same "$(git status --porcelain)" ''
echo changed >>index.html
claim 'and sees an edit' same "$(git status --porcelain)" ' M index.html'
claim 'git stash takes it away' git stash -q
claim 'and leaves a clean tree' same "$(git status --porcelain)" ''
claim 'git stash pop brings it back' git stash pop -q
git commit -qam 'From the mount'
soon 'a commit is a fragment' test -n "$(git log -1 --format=%h)" -a -d "$mnt/app/at/$(git rev-parse HEAD)/"
git checkout -q -b topic HEAD~1 && echo t >topic.txt && git add -A && git commit -qm topic
claim 'git rebase works' git rebase -q main
claim 'git switch works' git switch -q main
claim 'and leaves a clean tree' same "$(git status --porcelain)" ''
claim 'git merge works' git merge -q --no-edit topic
claim 'git fsck finds nothing' git fsck --strict --no-dangling --no-progress
mkdir "$live/inner"
cd "$live/inner" || exit 1
claim 'git clones into it' git clone -q "$FRAG_HOME/projects/app.git" clone
cd clone || exit 1
for i in 1 2 3 4 5; do echo "$i" >>index.html && git commit -qam "number $i"; done
claim 'and gathers garbage there' git gc -q --prune=now
claim 'and is whole after' git fsck --strict --no-dangling --no-progress
claim 'with a clean tree' same "$(git status --porcelain)" ''
cd "$live" || exit 1
claim 'rm -rf takes all of it away' rm -rf inner

# copying
cp -a "$mnt/app/at/main/." "$tmp/tree"
if has rsync; then
	claim 'rsync copies in' rsync -a "$tmp/tree/" copy/
	claim 'and then finds nothing to do' same "$(rsync -ain --delete "$tmp/tree/" copy/)" ''
fi
tar -C "$tmp/tree" -cf "$tmp/tree.tar" .
mkdir untarred
claim 'tar unpacks' tar -C untarred -xf "$tmp/tree.tar"
claim 'and finds no difference' tar -C untarred -df "$tmp/tree.tar"
claim 'cp --reflink=auto copies' cp --reflink=auto index.html reflinked
claim 'and the copy is the same' cmp index.html reflinked

# editing
echo one >edited
claim 'sed -i rewrites a file' sed -i 's/one/two/' edited
claim 'which is then the new one' same "$(cat edited)" two
replace() { for i in $(seq 200); do echo "$i" >.tmp.$$ && mv .tmp.$$ edited || return 1; done; }
claim '200 times replaced by rename' replace
claim 'the last is there' same "$(cat edited)" 200
if has vim; then
	claim 'vim saves' vim -es -u NONE -c 'set backup writebackup fsync' -c 's/200/vim/' -c wq edited
	claim 'what was typed' same "$(cat edited)" vim
fi

# locks, appends, holes, names
appends() {
	for w in 1 2 3 4; do
		(for i in $(seq 250); do echo "$w $i" || exit 1; done) >>appended &
	done
	wait
	same "$(sort -u appended | wc -l)" 1000
}
claim 'four appenders lose nothing' appends
counts() {
	echo 0 >counter
	for w in 1 2 3 4; do
		(for i in 1 2 3 4 5 6 7 8 9 10; do
			flock counter.lock sh -c 'read -r n <counter; echo $((n + 1)) >counter'
		done) &
	done
	wait
	same "$(cat counter)" 40
}
claim 'flock lets one in at a time' counts
truncate -s 5G sparse
printf end | dd of=sparse bs=1 seek=5368709117 conv=notrunc status=none
claim 'a file of 5 GiB with a hole has its end' same "$(tail -c 3 sparse)" end
claim 'and no blocks to speak of' test "$(stat -c %b sparse)" -lt 1000
long=$(printf '%0255d' 0)
claim 'a name of 255 bytes' touch "$long"
refuses 'but not of 256' 1 'File name too long' touch "x$long"
claim 'a name with a newline' touch "a
b"
mkdir many
(cd many && seq 3000 | xargs touch)
claim 'find -delete removes 3,000 while it lists them' find many -type f -delete
claim 'and none is left' same "$(ls many)" ''
unlinked() {
	exec 3<>gone && rm gone && echo still >&3 && same "$(cat "/proc/self/fd/3")" still
}
claim 'an unlinked file serves who has it open' unlinked
printf '#!/bin/sh\necho ran\n' >program && chmod +x program
claim 'a written program runs' same "$(./program)" ran
cp /bin/true binary
claim 'a copied binary runs' ./binary

# databases and packages
sqlite() {
	sqlite3 db "PRAGMA journal_mode=$1; CREATE TABLE IF NOT EXISTS t(a); BEGIN; INSERT INTO t VALUES (1),(2); COMMIT;" >/dev/null &&
		same "$(sqlite3 db 'PRAGMA integrity_check')" ok
}
if has sqlite3; then
	claim 'sqlite with a rollback journal' sqlite DELETE
	claim 'sqlite with a write-ahead log' sqlite WAL
	claim 'and all rows are there' same "$(sqlite3 db 'SELECT count(*) FROM t')" 4
fi
if has npm; then
	mkdir -p node/dep && echo '{"name":"dep","version":"1.0.0"}' >node/dep/package.json
	echo '{"name":"app","version":"1.0.0","dependencies":{"dep":"file:./dep"}}' >node/package.json
	install() { (cd node && npm install --offline --no-audit --no-fund --loglevel=error); }
	claim 'npm installs a package' install
	claim 'and it is there' test -e node/node_modules/dep/package.json
	claim 'and installs again' install
fi

# the same again for a daemon that was killed
kill -9 "$(cat "$FRAG_HOME/run/daemon.pid")"
cd "$tmp" || exit 1
claim 'the mount comes back after kill -9' frag mount "$mnt"
claim 'with everything in it' same "$(cat "$live/edited" "$live/counter" | tail -n 1)" 40
claim 'tar still finds no difference' tar -C "$live/untarred" -df "$tmp/tree.tar"
rm -rf "$live"/*
claim 'and all of it can go' same "$(ls "$live")" ''
claim 'the log has no complaint' same "$(grep -c ' err ' "$FRAG_HOME/run/log")" 0
done_claiming
