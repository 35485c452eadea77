#!/bin/sh
# tests/lint/layers.sh [root] - dependencies point one way, and each library has one border.
#
# tools -> fs -> sync -> { provider, store } -> base, judged by the #include lines. provider and store never
# see each other. Tests may include any of our headers; a library's only where they stand for its border.
# sync speaks the agent's wire format, which provider/agent/wire.h offers it.
set -eu
cd "${1:-$(dirname "$0")/../..}"

find base store provider sync fs tools tests -name '*.[ch]' 2>/dev/null | sort | xargs awk '
function refuse(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why
	bad = 1
}
BEGIN {
	may["base"] = "base"
	may["store"] = "base store"
	may["provider"] = "base provider"
	may["sync"] = "base store provider sync"
	may["fs"] = "base store sync fs"
	may["tools"] = "base store provider sync fs tools"
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
	file = $0
	sub(/^[^<"]*[<"]/, "", file)
	sub(/[>"].*/, "", file)
	split(FILENAME, from, "/")
	layer = from[1]
	if (file ~ /^(git2|lmdb)(\.h|\/)/ && layer != "store" && FILENAME !~ /^tests\/(bench|crash|fuzz)\//)
		refuse("only store/ includes " file)
	if (file ~ /^pcre2/ && layer != "store")
		refuse("only store/ includes " file)
	if (file ~ /^(cjson\/|cJSON)/ && FILENAME != "base/json.c")
		refuse("only base/json.c includes " file)
	if (file ~ /^(fuse3?\/|fuse[_a-z]*\.h)/ && layer != "fs" && FILENAME !~ /^tests\/(bench|crash)\//)
		refuse("only fs/ includes " file)
	if (file ~ /^curl\// && FILENAME != "provider/http_private.h")
		refuse("only provider/http_private.h includes " file)
	if (file ~ /^microhttpd/ && FILENAME !~ /^tests\/peers\//)
		refuse("only tests/peers/ includes " file)
	if (layer == "tests" || !match(file, /^(base|store|provider|sync|fs|tools|tests)\//))
		next
	to = substr(file, 1, RLENGTH - 1)
	if (index(" " may[layer] " ", " " to " ") == 0)
		refuse(layer "/ may not include " file)
}
END { exit bad }'
