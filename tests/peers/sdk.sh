#!/bin/sh
# tests/peers/sdk.sh <peer> <frag-agent> <install dir> <script> [peer's options…] - one of the vendors' clients against the server.
#
# The clients are installed once for a build directory, at the exact versions of the lock file, and not at all when
# there is no npm or no registry: then the test says so and is skipped. The server is ours and ends with us.
set -eu
peer=$1 agent=$2 install=$3 script=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)

skip() {
	echo "1..0 # SKIP $*"
	exit 0
}
command -v npm >/dev/null 2>&1 || skip "there is no npm here (scripts/setup installs it)"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
	skip "the clients need node 20, this is $(node --version)"

mkdir -p "$install"
# Two tests may come at once; the second finds it done.
(
	flock 9
	if ! cmp -s "$here/sdk/package-lock.json" "$install/installed"; then
		rm -rf "$install/node_modules" "$install/installed"
		cp "$here/sdk/package.json" "$here/sdk/package-lock.json" "$install/"
		(cd "$install" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline \
			--fetch-retries=1 --fetch-retry-mintimeout=1000) >"$install/log" 2>&1 || exit 1
		cp "$install/package-lock.json" "$install/installed"
	fi
) 9>"$install/lock" || skip "the clients cannot be installed: $(grep -m 1 'npm error' "$install/log" | cut -c 1-200)"

# Modules are looked for beside the script that imports them and in the directories above.
scripts=$install/run-$$
mkdir -p "$scripts"
cp "$here"/sdk/*.mjs "$scripts/"

tmp=$(mktemp -d)
mkfifo "$tmp/in" "$tmp/out"
"$peer" --dir "$tmp/boxes" --agent "$agent" "$@" <"$tmp/in" >"$tmp/out" &
server=$!
exec 8>"$tmp/in"
read -r url <"$tmp/out" || url=
trap 'exec 8>&-; wait $server || true; rm -rf "$tmp" "$scripts"' EXIT
[ -n "$url" ] || { echo "Bail out! the server did not start"; exit 1; }

env -u E2B_DEBUG -u E2B_DOMAIN -u DAYTONA_JWT_TOKEN HOME="$tmp" PEER_URL="$url" \
	E2B_API_URL="$url" E2B_SANDBOX_URL="$url" \
	E2B_API_KEY=e2b_00112233445566778899aabbccddeeff00112233 \
	DAYTONA_API_URL="$url/api" DAYTONA_API_KEY=dtn_00112233445566778899aabbccddeeff \
	node "$scripts/$script" 8>&- && status=0 || status=$?

exec 8>&-
wait $server || { echo "not ok - the server ended well # it ended with $?"; status=1; }
trap - EXIT
left=$(ls "$tmp/boxes")
[ -z "$left" ] || { echo "not ok - nothing is left behind # $left"; status=1; }
rm -rf "$tmp" "$scripts"
exit $status
