#!/bin/bash
# tests/cli/hosted.sh <build-dir> <peer> - the verbs of local sandboxes drive hosted ones: those of our own server that speaks E2B's
# API, over real sockets, mirrored by commands and beside a daemon.
peer=$(realpath "$2")
. "$(dirname "$0")/harness.sh"

command -v bwrap >/dev/null || skip_all 'bubblewrap is not installed'

src=$tmp/src
git init -q -b main "$src"
cd "$src" || exit 1
mkdir lib
printf '*.log\n' >.gitignore
echo one >page.html
for i in $(seq 1 60); do echo "line $i" >"lib/f$i.txt"; done
printf '#!/bin/sh\necho run\n' >run.sh && chmod +x run.sh
ln -s lib/f1.txt link
git add -A && git commit -qm one
echo two >page.html
git rm -q lib/f2.txt
git add -A && git commit -qm two
cd "$tmp" || exit 1

mkfifo "$tmp/peer-in" "$tmp/peer-out"
"$peer" --dir "$tmp/boxes" --agent "$build/frag-agent" <"$tmp/peer-in" >"$tmp/peer-out" &
server=$!
exec 8>"$tmp/peer-in"
read -r url <"$tmp/peer-out"
end_server() {
	status=$?
	exec 8>&-
	wait $server
	(exit $status)
	take_down
}
trap end_server EXIT

# The agent of the sandbox below works in its home already.
export E2B_API_URL="$url" E2B_SANDBOX_URL="$url" FRAG_E2B_HOME=/home/sb/hosted
export E2B_API_KEY=e2b_00112233445566778899aabbccddeeff00112233

inside() { "$frag" sandbox exec shop -- sh -c "$1"; }
says() { [ "$(inside "cat /home/sb/hosted/app/$1" 2>/dev/null)" = "$2" ]; }
shows() { [ "$(cat "$mnt/shop/live/$1")" = "$2" ]; }

for vendor in e2b; do
	export FRAG_HOME="$tmp/$vendor"
	frag init >/dev/null
	frag import "$src" --name shop >/dev/null 2>&1
	claim "$vendor: a sandbox comes up with the project" frag sandbox up shop --provider $vendor
	claim "$vendor: … verified" [ "$(frag sync status shop --json | jq -r '.provider + .state')" = ${vendor}synced ]
	claim "$vendor: … and holds it" says page.html two
	claim "$vendor: a checkout is followed to its proof" frag checkout shop 1 --wait
	claim "$vendor: … wholly" says page.html one
	is "$vendor: programs and links are what they were" 'run
line 1' "$(inside 'cd /home/sb/hosted/app && ./run.sh && cat link')"
	inside 'echo theirs >/home/sb/hosted/app/page.html; echo x >/home/sb/hosted/app/x.log' >/dev/null
	claim "$vendor: an order replaces what the sandbox changed" frag checkout shop main --wait
	is "$vendor: … which is a fragment" theirs \
		"$(git -C "$FRAG_HOME/projects/shop.git" show "$(frag sync status shop --json | jq -r .drift):page.html")"
	if can_mount; then
		frag mount "$mnt" >/dev/null
		claim "$vendor: beside a daemon it is in step" frag sync wait shop
		echo edited >"$mnt/shop/live/page.html"
		claim "$vendor: an edit is in the sandbox, unasked" within 30 says page.html edited
		inside 'echo made inside >/home/sb/hosted/app/made.txt' >/dev/null
		claim "$vendor: a file made inside is in the work tree" within 60 shows made.txt 'made inside'
		claim "$vendor: unmounts" frag unmount "$mnt"
	fi
	claim "$vendor: the sandbox is removed" frag sandbox rm shop
	# The key is in no file of the home.
	claim "$vendor: the key stands nowhere in the home" sh -c '! grep -rqF "$1" "$2"' sh "$E2B_API_KEY" "$FRAG_HOME"
done
done_claiming
