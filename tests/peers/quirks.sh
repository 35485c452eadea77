#!/bin/sh
# tests/peers/quirks.sh <peer> <frag-agent> - each quirk does what its name says, and is not there without it. TAP.
#
# Plain curl, so that no client's patience hides anything.
set -u
peer=$1 agent=$2
tmp=$(mktemp -d)
n=0 server= url=
e2b='X-API-Key: e2b_00112233445566778899aabbccddeeff00112233'
daytona='Authorization: Bearer dtn_00112233445566778899aabbccddeeff'
mkfifo "$tmp/in" "$tmp/out"

# with [options]: a server with these
with() {
	"$peer" --dir "$tmp/boxes" --agent "$agent" "$@" <"$tmp/in" >"$tmp/out" &
	server=$!
	exec 8>"$tmp/in"
	read -r url <"$tmp/out"
}

done_with() {
	exec 8>&-
	wait "$server" || echo "not ok - the server ended well"
	server=
}
trap '[ -z "$server" ] || done_with; rm -rf "$tmp"' EXIT

# claim <words> <what is there> <what is wanted>
claim() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1"
	else
		printf 'not ok %d - %s\n# there: %s\n# wanted: %s\n' "$n" "$1" "$2" "$3"
	fi
}

status() { curl -s -o "$tmp/body" -w '%{http_code}' -m 60 "$@" || :; }
new_e2b() { curl -s -m 60 -H "$e2b" -H 'Content-Type: application/json' -d '{"templateID":"base"}' "$url${1:-/v2/sandboxes}" >"$tmp/box"
	id=$(jq -r .sandboxID "$tmp/box") token=$(jq -r .envdAccessToken "$tmp/box"); }
envd() { path=$1; shift; curl -s -m 60 -H "E2b-Sandbox-Id: $id" -H 'E2b-Sandbox-Port: 49983' -H "X-Access-Token: $token" "$@" "$url$path"; }
# A frame of less than 256 bytes.
start() {
	text="{\"process\":{\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"$1\"]},\"stdin\":false}"
	{ printf '\0\0\0\0'; printf "\\$(printf %o ${#text})"; printf %s "$text"; } |
		envd /process.Process/Start -H 'Content-Type: application/connect+json' --data-binary @- -o "$tmp/frames" -w '%{http_code} %{exitcode}' 2>/dev/null
	tr -d '\0' <"$tmp/frames" >"$tmp/text"
}
new_daytona() { curl -s -m 60 -H "$daytona" -H 'Content-Type: application/json' -d '{"autoStopInterval":0}' "$url/api/sandbox" >"$tmp/box"
	id=$(jq -r .id "$tmp/box"); }

echo 1..24
with
new_e2b
claim 'without quirks a stream has its end event and its last frame' "$(start 'exit 3')/$(grep -c '"exitCode":3' "$tmp/text")/$(tail -c 2 "$tmp/text")" '200 0/1/{}'
claim 'an exit code of 0 is left out' "$(start true)/$(grep -c exitCode "$tmp/text")/$(grep -c '"exited":true' "$tmp/text")" '200 0/0/1'
claim 'a streaming method called as unary is a 415' "$(envd /process.Process/Start -H 'Content-Type: application/json' -d '{}' -o /dev/null -w '%{http_code}')" 415
claim 'a missing token is a plain 401' "$(status -H "E2b-Sandbox-Id: $id" -H 'E2b-Sandbox-Port: 49983' "$url/envs")" 401
claim 'an unknown sandbox is a 502 that says so' "$(status -H 'E2b-Sandbox-Id: iaaaaaaaaaaaaaaaaaaaa' -H 'E2b-Sandbox-Port: 49983' "$url/envs")/$(jq -r .message "$tmp/body")" '502/The sandbox was not found'
claim 'a range of a file is a 206' "$(envd '/files?path=r' -H 'Content-Type: application/octet-stream' -d 0123456789 -o /dev/null)$(envd '/files?path=r' -r 2-4 -w '/%{http_code}')" '234/206'
new_daytona
claim 'a new sandbox of Daytona is started' "$(jq -r .state "$tmp/box")" started
claim 'an error of Daytona says its status and code' "$(status -H "$daytona" "$url/toolbox/$id/files/info?path=nope")/$(jq -r .code "$tmp/body")" 404/FILE_NOT_FOUND
claim 'a path that is not served is a 404 in the words of the plane' "$(status -H "$daytona" "$url/api/nope")/$(jq -r .message "$tmp/body")" '404/Cannot GET /api/nope'
done_with

with --profile e2b-v1
claim 'e2b-v1 knows no v2' "$(status -H "$e2b" -d '{"templateID":"base"}' "$url/v2/sandboxes")" 405
new_e2b /sandboxes
claim 'e2b-v1 makes sandboxes by v1, with an old daemon' "$(expr "$id" : 'i[a-z0-9]*$')/$(jq -r .envdVersion "$tmp/box")" 21/0.4.0
claim 'e2b-v1 takes no octet-stream' "$(envd '/files?path=a' -H 'Content-Type: application/octet-stream' -d x -o /dev/null -w '%{http_code}')" 400
done_with

with --quirk e2b-cut-stream
new_e2b
claim 'e2b-cut-stream ends the connection before the last frame' "$(start 'echo hi')/$(grep -c '"exited":true' "$tmp/text")/$(tail -c 1 "$tmp/text")" '200 18/1/}'
done_with

with --quirk e2b-no-end
new_e2b
claim 'e2b-no-end ends well without an end event' "$(start 'echo hi')/$(grep -c '"end"' "$tmp/text")/$(tail -c 2 "$tmp/text")" '200 0/0/{}'
done_with

with --quirk e2b-split-frames
new_e2b
claim 'e2b-split-frames loses nothing' "$(start 'exit 3')/$(grep -c '"exitCode":3' "$tmp/text")" '200 0/1'
done_with

with --quirk e2b-bad-gateway
new_e2b
claim 'e2b-bad-gateway puts an HTML page in place of every third answer' "$(for _ in 1 2 3; do envd /health -o /dev/null -w '%{http_code} '; done)" '204 204 502 '
done_with

with --quirk throttle
claim 'throttle answers every other call of the control planes with 429 and a time' "$(status -H "$e2b" "$url/v2/sandboxes")/$(status -H "$e2b" -D "$tmp/head" "$url/v2/sandboxes")/$(grep -ci '^retry-after: 1' "$tmp/head")/$(status -H "$daytona" "$url/api/sandbox")" 200/429/1/200
done_with

with --profile daytona-v0.190
new_daytona
claim 'daytona-v0.190 says `creating` though it is made' "$(jq -r .state "$tmp/box")" creating
claim 'daytona-v0.190 has no words for errors of files' "$(status -H "$daytona" "$url/toolbox/$id/files/info?path=nope")/$(wc -c <"$tmp/body")" 404/0
claim 'daytona-v0.190 has no upload-v2' "$(status -H "$daytona" --data-binary x -H 'Content-Type: application/octet-stream' "$url/toolbox/$id/files/upload-v2?path=a")" 404
claim 'daytona-v0.190 answers the whole sandbox to labels' "$(status -X PUT -H "$daytona" -d '{"labels":{"a":"b"}}' "$url/api/sandbox/$id/labels")/$(jq -r .id "$tmp/body")" "200/$id"
status -X POST -H "$daytona" "$url/api/sandbox/$id/stop" >/dev/null
claim 'daytona-v0.190 answers an empty 502 for a stopped sandbox' "$(status -H "$daytona" "$url/toolbox/$id/files")/$(wc -c <"$tmp/body")" 502/0
done_with

with --quirk daytona-truncate --quirk daytona-lazy-list
new_daytona
before=$(curl -s -H "$daytona" "$url/api/sandbox" | jq '.items|length')
status -H "$daytona" "$url/api/sandbox/$id" >/dev/null
claim 'daytona-lazy-list shows a sandbox only after it was asked for' "$before/$(curl -s -H "$daytona" "$url/api/sandbox" | jq '.items|length')" 0/1
status -H "$daytona" -F 'files[0].path=a' -F 'files[0].file=@/etc/hostname' "$url/toolbox/$id/files/bulk-upload" >/dev/null
claim 'daytona-truncate leaves out the last boundary' "$(status -H "$daytona" -H 'Content-Type: application/json' -d '{"paths":["a"]}' "$url/toolbox/$id/files/bulk-download")/$(grep -ac -e '--DAYTONA-FILE-BOUNDARY--' "$tmp/body")/$(grep -ac "$(cat /etc/hostname)" "$tmp/body")" 200/0/1
done_with
