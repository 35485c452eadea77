#!/bin/sh
# sandbox_verbs.sh <build> - shell, cp, background commands and providers, by the verbs alone.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

command -v bwrap >/dev/null || skip_all 'bubblewrap is not installed'
bwrap --unshare-all --ro-bind / / true 2>/dev/null || skip_all 'namespaces are not allowed here'
unset E2B_API_KEY E2B_DOMAIN E2B_API_URL E2B_SANDBOX_URL DAYTONA_API_KEY DAYTONA_JWT_TOKEN DAYTONA_API_URL

small_repo "$tmp/src"
"$frag" init >/dev/null
"$frag" import "$tmp/src" --name app -q >/dev/null

# Who there is.
is 'every provider is listed with what it is missing' 'daytona:no credentials e2b:no credentials local:ready' \
	"$("$frag" provider list --json | jq -r '[.[] | .name + ":" + .state] | sort | join(" ")')"
claim 'the local one works' "$frag" provider test
refuses 'one without a key says which' 1 E2B_API_KEY "$frag" provider test e2b
refuses 'one that nobody knows' 1 'no provider' "$frag" provider test nobody
refuses 'up at one without a key' 1 'DAYTONA_API_KEY' "$frag" sandbox up app --provider daytona
printf '[provider "e2b"]\n\tapiKey = canary-7716\n\tapiUrl = http://127.0.0.1:9\n' >"$FRAG_HOME/config"
chmod 644 "$FRAG_HOME/config"
refuses 'a key that others can read' 1 'others can read' "$frag" provider test e2b
chmod 600 "$FRAG_HOME/config"
"$frag" provider test e2b >"$tmp/out" 2>&1
is 'a provider that is not there fails' 1 $?
is 'and no key is ever shown' 0 "$(grep -c canary-7716 "$tmp/out")"

# Whose turn it is.
claim 'all new ones can be given to one provider' "$frag" provider rollout local=0 daytona=1
refuses 'which up then asks' 1 'DAYTONA_API_KEY' "$frag" sandbox up app
refuses 'an unknown name is no share' 1 'no share' "$frag" provider rollout local=1 nobody=1
is 'and changes nothing' '{"local":0,"daytona":1}' "$("$frag" provider rollout --json | jq -c .)"
claim 'and taken back at once' "$frag" provider rollout local=1 daytona=0
claim 'up makes a sandbox' "$frag" sandbox up app
id=$("$frag" sandbox show app --json | jq -r .id)
"$frag" sandbox list >"$tmp/list" 2>"$tmp/err"
is 'list fails when a provider does not answer' 1 $?
like 'says which' "'e2b' is not listed" "$(cat "$tmp/err")"
like 'and shows the others all the same' "^$id  running" "$(cat "$tmp/list")"
rm "$FRAG_HOME/config"

# Files.
head -c 3000000 /dev/urandom >"$tmp/big"
claim 'cp brings a file in' "$frag" sandbox cp app "$tmp/big" :deep/er/big
claim 'and out' "$frag" sandbox cp app :deep/er/big "$tmp/back"
claim 'unharmed' cmp "$tmp/big" "$tmp/back"
printf 'piped' | "$frag" sandbox cp app - :piped
is 'cp takes a pipe and gives one' piped "$("$frag" sandbox cp app :piped -)"
refuses 'a file that is not there' 1 'read the file' "$frag" sandbox cp app :no/such "$tmp/none"
is 'leaves nothing behind' '' "$(ls "$tmp" | grep none)"
refuses 'two sides that are both here' 2 ':path' "$frag" sandbox cp app a b

# The background.
ref=$("$frag" sandbox run app -- sh -c 'echo begun; while ! test -e go; do sleep 0.05; done; echo went; exit 6')
within 30 sh -c "'$frag' sandbox logs app | grep -q begun"
is 'logs shows what was said so far' begun "$("$frag" sandbox logs app)"
is 'and lists it' "$ref true" "$("$frag" sandbox logs app --list --json | jq -r '.[0] | .ref + " " + (.running | tostring)')"
"$frag" sandbox exec app -- touch go
"$frag" sandbox logs app --follow "$ref" >"$tmp/out"
is 'followed to its end, its status is ours' 6 $?
is 'and all of it is there' 'begun went' "$(xargs <"$tmp/out")"
ref=$("$frag" sandbox run app -- sleep 1000)
claim 'kill ends one' "$frag" sandbox kill app "$ref"
"$frag" sandbox logs app -f "$ref"
is 'as a signal does' 143 $?

# A terminal.
is 'shell passes input, output and status through' 9 "$(printf 'test -t 0 && exit 9\n' | "$frag" sandbox shell app >/dev/null 2>&1; echo $?)"
if command -v script >/dev/null; then
	printf 'stty size; exit 3\n' | script -qec "stty rows 31 cols 97; '$frag' sandbox shell app" /dev/null >"$tmp/out"
	is 'and, on a terminal, its status too' 3 $?
	like 'with the size of ours' '31 97' "$(cat "$tmp/out")"
fi

# Life.
claim 'stop stops it' "$frag" sandbox stop app
is 'which list shows' stopped "$("$frag" sandbox list --json | jq -r '.[0].state')"
claim 'start starts it' "$frag" sandbox start app
is 'with its files' piped "$("$frag" sandbox cp app :piped -)"
claim 'rm removes it' "$frag" sandbox rm --discard app

done_claiming
