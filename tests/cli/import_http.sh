#!/bin/sh
# import_http.sh <build> - repositories that come from an HTTP server: passwords, redirects, a line that breaks.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

mkdir "$tmp/served"
"$here/../bench/generate.sh" web "$tmp/served/web.git"
git init -q --bare "$tmp/served/empty.git"
python3 "$here/git_http.py" "$tmp/served" >"$tmp/port" 2>"$tmp/server-said" &
server=$!
trap 'status=$?; kill "$server" 2>/dev/null; (exit $status); take_down' EXIT
within 30 test -s "$tmp/port"
url=http://127.0.0.1:$(cat "$tmp/port")
"$frag" init >/dev/null
tip=$(git -C "$tmp/served/web.git" rev-parse main)
tip_of() { git -C "$FRAG_HOME/projects/$1.git" rev-parse main; }
known() { "$frag" project list --json | jq -r '.[].name' | grep -qx "$1"; }
unknown() { ! known "$1"; }

claim 'a repository comes over HTTP' frag import "$url/open/web.git" --name web -q
is 'with its tip' "$tip" "$(tip_of web)"
is 'and all its versions' 40 "$("$frag" log web --json | jq length)"
claim 'an empty one comes as well' frag import "$url/open/empty.git" --name empty -q
refuses 'one that is not there' 1 'not found|404' frag import "$url/open/nothing.git" --name nothing -q
claim '… and leaves no project' unknown nothing

refuses 'a closed one without a password' 1 'could not read|[Aa]uthentication|terminal prompts' \
	frag import "$url/secret/web.git" --name closed -q
refuses 'a wrong password' 1 'Authentication|401|403|could not read' \
	frag import "http://bot:wrong@${url#http://}/secret/web.git" --name closed -q
claim 'the right one opens it' frag import "http://bot:s3cr%25t@${url#http://}/secret/web.git" --name closed -q
is '… and the tip is there' "$tip" "$(tip_of closed)"
claim '… and the password nowhere in the home' sh -c "! grep -rqa -e 's3cr%25t' -e 's3cr%t' '$FRAG_HOME'"

claim 'a redirect is followed' frag import "$url/moved/web.git" --name moved -q
is '… to the same tip' "$tip" "$(tip_of moved)"
refuses 'a redirect to a file of this machine' 1 'file|protocol|redirect' \
	frag import "$url/lured/web.git" --name lured -q
refuses 'a redirect to itself' 1 'redirect' frag import "$url/circle/web.git" --name circle -q
claim '… and neither leaves a project' unknown 'lured\|circle'

refuses 'a transfer that breaks off' 1 'early EOF|hung up|disconnect|transfer closed|curl|EOF' \
	frag import "$url/torn/web.git" --name torn -q
claim '… and shows no project of it' unknown torn
: >"$tmp/served/mended"
claim 'the next call gets the whole' frag import "$url/torn/web.git" --name torn -q
is '… with its tip' "$tip" "$(tip_of torn)"

git clone -q "$tmp/served/web.git" "$tmp/clone"
(cd "$tmp/clone" && echo more >more.txt && git add more.txt && git commit -qm 'One more' && git push -q origin main)
claim 'a second import brings what is new' frag import "$url/open/web.git" --name web -q
is '… which is one version' 41 "$("$frag" log web --json | jq length)"
claim 'and the home is sound' frag fsck
done_claiming
