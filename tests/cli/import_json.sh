#!/bin/sh
# import_json.sh <build> - JSON documents become fragments byte by byte, and bad ones are refused one by one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/harness.sh"

"$frag" init >/dev/null
projects=$FRAG_HOME/projects
import() { "$frag" import -q "$@"; }
field_of() { # <jq path> <import arguments…>
	path=$1
	shift
	"$frag" import -q --json "$@" | jq -c "$path"
}
git_of() { name=$1 && shift && git -C "$projects/$name.git" "$@"; }
titles() { git_of "$1" log --reverse --format=%s "$2" | tr '\n' ' '; }
cd "$tmp" || exit 1

cat >app.jsonl <<'EOF'
{"id":"c","title":"Third","files":{"a.txt":"3"},"createdAt":"2024-03-01T10:00:00+05:30","author":"Bo <bo@x.org>"}
{"id":"a","title":"First","description":"Some\nwords","files":{"a.txt":"1","dir/b.txt":"line\r\nend","nul":"\u0000\u0001\ufeff","\u00e4 \"q\"\\\n.txt":"\ud83d\ude00","empty":""},"createdAt":"2024-01-01T00:00:00Z","author":{"name":"Ann","email":"ann@x.org"}}
{"id":"b","title":"Second","files":{"a.txt":"2","dir":"a file now"},"createdAt":1706745600000}
EOF
printf '\357\273\277' | cat - app.jsonl | sed 's/$/\r/' >bom.jsonl
jq -s . app.jsonl >array.json
mkdir folder && jq -c . app.jsonl | split -l 1 --additional-suffix=.json - folder/doc
jq . app.jsonl >pretty.json

claim 'documents are imported' import app.jsonl
claim 'as one line in the order of createdAt' same "$(titles app main)" 'First Second Third '
claim 'with date, zone, author and message' same "$(git_of app log -1 --format='%an %ae %aI %cI' main)" \
	'Bo bo@x.org 2024-03-01T10:00:00+05:30 2024-03-01T10:00:00+05:30'
claim 'the description is in the message' same "$(git_of app log -1 --format=%b main~2)" "Some
words

Fragment-Id: a"
claim 'contents are exact' same "$(git_of app cat-file blob main~2:nul | od -An -tx1)" ' 00 01 ef bb bf'
claim 'names are exact' same "$(git_of app cat-file blob 'main~2:ä "q"\
.txt')" '😀'
claim 'git finds no fault with it' git_of app fsck --strict
claim 'HEAD is on main' same "$(git_of app symbolic-ref HEAD)" refs/heads/main
claim 'the same again imports nothing' same "$(field_of '[.documents,.imported,.known,.refused,.validated,.mismatches]' app.jsonl)" '[3,0,3,[],3,0]'
for shape in bom.jsonl array.json folder pretty.json; do
	claim "$shape says the same" same "$(field_of '[.documents,.imported,.validated,.mismatches]' "$shape" --name "x-$shape")" '[3,3,3,0]'
	claim 'and becomes the same commits' same "$(git_of "x-$shape" rev-parse main)" "$(git_of app rev-parse main)"
done
echo '{"id":"d","title":"Fourth","files":{}}' >more.jsonl
claim 'a later document goes on top' import more.jsonl --name app
claim 'of HEAD' same "$(titles app main)" 'First Second Third Fourth '

# --- parents
cat >tree.jsonl <<'EOF'
{"id":"leaf","title":"Leaf","files":{"f":"4"},"parentId":"mid","createdAt":400}
{"id":"fork/1","title":"Fork","files":{"f":"3"},"parentId":"root","createdAt":300}
{"id":"fork2","title":"Fork two","files":{"f":"3b"},"parentId":"root","createdAt":350}
{"id":"mid","title":"Mid","files":{"f":"2"},"parentId":"root","createdAt":200}
{"id":"root","title":"Root","files":{"f":"1"},"createdAt":100}
{"id":"orphan","title":"No","files":{},"parentId":"nobody"}
{"id":"child","title":"No","files":{},"parentId":"orphan"}
{"id":"x","title":"No","files":{},"parentId":"y"}
{"id":"y","title":"No","files":{},"parentId":"x"}
EOF
claim 'parents may come later' same "$(field_of '[.imported,(.refused|length),.branches]' tree.jsonl)" '[5,4,2]'
claim 'the newest is main' same "$(titles tree main)" 'Root Mid Leaf '
claim 'the ends of side lines have branches' same "$(titles tree fragment/fork2)" 'Root Fork two '
claim 'also where the id is no name for one' same "$(git_of tree branch --list 'fragment/*' | wc -l)" 2
echo '{"id":"on","title":"On","files":{"f":"5"},"parentId":"fork2","createdAt":360}' >on.jsonl
claim 'a parent may be of an earlier import' import on.jsonl --name tree
claim 'its line grows' same "$(titles tree fragment/on)" 'Root Fork two On '
claim 'its old branch has done its service' test -z "$(git_of tree branch --list fragment/fork2)"
claim 'main stays' same "$(titles tree main)" 'Root Mid Leaf '

# --- bad documents
cat >bad.jsonl <<'EOF'
{"id":"ok1","title":"Fine","files":{"a":"1"}}
{"id":"b1","title":"x","files":{"../a":"1"}}
{"id":"b2","title":"x","files":{"a":"1","a/b":"2"}}
{"id":"b3","title":"x","files":{".git/config":"1"}}
{"id":"b4","title":"x","files":{"a":"1"
{"id":"b5","title":"x","files":{"a":{"content":"1"}}}
{"id":"ok1","title":"x","files":{}}
{"id":"b6","title":"x","files":{},"createdAt":"tomorrow"}
not json at all
[1,2,3]
{"id":"b7","files":{}}
{"id":"b8","title":"x","files":{"a":"1","a":"2"}}
{"id":"ok2","title":"Also fine","files":{"a":"2"}}
EOF
head -c 100000 /dev/zero | tr '\0' '[' >>bad.jsonl
"$frag" import -q bad.jsonl >"$tmp/report" 2>"$tmp/reasons"
claim 'bad documents make the exit status 1' same $? 1
claim 'each is named by file and line' same "$(grep -c '^bad.jsonl:[0-9]*: refused: ' "$tmp/reasons")" 12
claim 'with its reason' grep -q "^bad.jsonl:3: refused: the path 'a' is a file and a directory" "$tmp/reasons"
claim 'a torn one spoils only itself' grep -q '^bad.jsonl:5: refused: not JSON' "$tmp/reasons"
claim 'the others are imported' same "$(titles bad main)" 'Fine Also fine '
claim 'nothing of the bad ones is there' same "$(git_of bad rev-list --all --count)" 2
echo '{"id":"b1","title":"x","files":{"../a":"1"}}' >none.jsonl
claim 'when all are bad no project is made' sh -c "! '$frag' import -q none.jsonl 2>/dev/null && [ ! -e '$projects/none.git' ]"
sed -i 's/"Fine"/"Other"/' bad.jsonl
"$frag" import -q bad.jsonl >"$tmp/report" 2>"$tmp/reasons"
claim 'a known id with another content is refused' grep -q '^bad.jsonl:1: refused: its id was imported before' "$tmp/reasons"
: >nothing.jsonl
claim 'an empty file is no documents' same "$(field_of .documents nothing.jsonl)" 0
refuses 'a folder without documents' 1 'neither a git repository' "$frag" import "$tmp/mnt"

# --- negative control: the check sees a byte that differs. A git of ours changes what is written.
mkdir bin && real=$(command -v git)
cat >bin/git <<EOF
#!/bin/sh
case "\$*" in *fast-import*) sed 's/genuine/altered/' | exec $real "\$@" ;; *) exec $real "\$@" ;; esac
EOF
chmod +x bin/git
echo '{"id":"n","title":"N","files":{"f":"genuine"}}' >control.jsonl
PATH=$tmp/bin:$PATH "$frag" import -q --json control.jsonl >"$tmp/report" 2>/dev/null
claim 'what reads back differently is found' same "$(jq -c '[.imported,.validated,.mismatches]' "$tmp/report")" '[1,0,1]'
claim 'by its path' grep -q "'f' has another content" "$tmp/report"
claim 'without it all is well' same "$(field_of '[.imported,.validated,.mismatches]' control.jsonl --name control2)" '[1,1,0]'
printf '#!/bin/sh\ncase "$*" in *fast-import*) head -c 200 >/dev/null; exit 1 ;; *) exec %s "$@" ;; esac\n' "$real" >bin/git
PATH=$tmp/bin:$PATH "$frag" import -q app.jsonl --name dies >"$tmp/report" 2>&1
claim 'a git that dies is a failure' same $? 1
claim 'of which nothing is seen' same "$(find "$projects" -name '*dies*')" ""
done_claiming
