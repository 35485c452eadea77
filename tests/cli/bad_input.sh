#!/bin/sh
# bad_input.sh <build> - What makes no sense or cannot be done: one clear sentence, what to do next, the right exit status, nothing on standard output.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

refuses 'a missing home' 1 'is not a fragfs home' frag project list
refuses 'a missing home with advice' 1 'frag init' frag log shop
frag init >/dev/null
refuses 'an unknown verb' 2 "did you mean 'log'" frag lgo
refuses 'an unknown verb far from any' 2 'frag help. lists' frag qqqqqqqq
refuses 'half a verb' 2 'frag project create' frag project
refuses 'an unknown option' 2 "there is no option '--nope'" frag project list --nope
refuses 'a missing value' 2 'a value is missing' frag log shop -n
refuses 'too many arguments' 2 'one argument too many' frag project list extra
refuses 'too few arguments' 2 'an argument is missing' frag project create
refuses 'a number that is none' 2 'wants a number' frag log shop -n 1x
refuses 'a negative number' 2 'wants a number' frag log shop -n -1
refuses 'an empty home' 2 'home wants a directory' frag --home '' project list
frag project create webshop
refuses 'an unknown project, naming the nearest' 1 "did you mean 'webshop'" frag log websop
refuses 'an unknown project' 1 "there is no project 'zzz'" frag log zzz
refuses 'a project name with a slash' 1 'not a name a project can have' frag project create a/b
refuses 'a project name that climbs' 1 'not a name a project can have' frag project create ..
refuses 'a hidden project name' 1 'not a name a project can have' frag project create .x
refuses 'a project that is there' 1 'already' frag project create webshop
refuses 'to rename onto another' 1 'already' sh -c '"$frag" project create b && "$frag" project rename b webshop'
refuses 'to rename what is not there' 1 'there is no project' frag project rename nope x
refuses 'to delete what is not there' 1 'there is no project' frag project delete nope --yes
refuses 'a revision of an empty project' 1 "has no version 'main'" frag show webshop main
refuses 'a revision that is nonsense' 1 "version|name of a version" frag show webshop 'a b^^^{'
refuses 'no project named and none here' 1 'no project is named' frag log

# homes
mkdir "$tmp/full" && : >"$tmp/full/file"
refuses 'to make a home of a directory in use' 1 'name an empty or new directory' frag init --home "$tmp/full"
refuses 'a home that is a file' 1 'frag: ' frag --home "$tmp/full/file" project list
echo 999 >"$FRAG_HOME/version"
refuses 'a home of a newer format' 1 'was written by a newer fragfs' frag project list
refuses 'to init over a newer format' 1 'was written by a newer fragfs' frag init
refuses 'to mount a newer format' 1 'was written by a newer fragfs' frag mount "$tmp"
echo 1 >"$FRAG_HOME/version"
claim 'goes on when the version is right again' frag project list

# damaged repositories are listed and named, the others work
mkdir "$FRAG_HOME/projects/broken.git"
is 'a directory that is no repository is listed with what is wrong' 'not a git repository' \
	"$(frag project list --json | jq -r '.[] | select(.name == "broken") | .error')"
refuses 'to read it' 1 'damaged|broken' frag log broken
claim 'lists it for people too' sh -c '"$frag" project list | grep -q "^broken .*not a git repository"'
claim 'can delete it' frag project delete broken --yes
claim 'a closed pipe is no crash' sh -c '"$frag" log webshop --json | :'
claim 'a full disk is a failure' sh -c '! "$frag" project list --json >/dev/full 2>/dev/null'

# help
for verb in $(frag --help | sed -n 's/^  \([a-z]*\).*/\1/p' | sort -u); do
	frag help "$verb" >"$tmp/help" 2>&1 && grep -q '^usage:' "$tmp/help" || echo "$verb" >>"$tmp/no-help"
done
is 'every verb explains itself' '' "$(cat "$tmp/no-help" 2>/dev/null)"
like 'the version is told' '^frag [0-9]' "$(frag --version)"
mkdir "$tmp/man" && frag manual --into "$tmp/man"
is 'every verb has a manual page' '' "$(frag --help | sed -n 's/^  \([a-z]*\)\( [a-z][a-z]*\)\{0,1\}  *[a-z].*/\1\2/p' |
	tr ' ' - | while read -r page; do [ -s "$tmp/man/frag-$page.1" ] || echo "$page"; done)"
done_claiming
