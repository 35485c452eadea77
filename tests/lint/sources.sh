#!/bin/sh
# tests/lint/sources.sh [root] - the house rules that a line of awk can hold.
#
# Files stay under 700 lines, names are unique in the tree, headers open with #pragma once, each .c opens with an
# essay, functions that copy without a bound or stop the process are not called, and nothing names
# a machine, a registry or a TODO that does not say what is missing.
set -eu
cd "${1:-$(dirname "$0")/../..}"
bad=0

find base store provider sync fs tools tests -name '*.[ch]' 2>/dev/null | sort >"${TMPDIR:-/tmp}/lint-sources.$$"
trap 'rm -f "${TMPDIR:-/tmp}/lint-sources.$$"' EXIT

xargs awk '
function refuse(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why
	bad = 1
}
function leave_file() {
	if (lines > 700)
		printf "%s: %d lines; 700 is the most, the answer is a new noun\n", last, lines
	if (header && !pragma)
		printf "%s: a header without #pragma once\n", last
	if (lines > 700 || (header && !pragma))
		bad = 1
}
# Blanks out strings, characters and comments, so that only code is judged.
function code_of(s,    out, c, i, n) {
	out = ""
	n = length(s)
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		if (in_comment) {
			if (substr(s, i, 2) == "*/") {
				in_comment = 0
				i++
			}
		} else if (substr(s, i, 2) == "/*") {
			in_comment = 1
			i++
		} else if (substr(s, i, 2) == "//") {
			break
		} else if (c == "\"" || c == "\047") {
			for (i++; i <= n && substr(s, i, 1) != c; i++)
				if (substr(s, i, 1) == "\\")
					i++
			out = out c c
		} else {
			out = out c
		}
	}
	return out
}
FNR == 1 {
	if (last != "")
		leave_file()
	last = FILENAME
	header = FILENAME ~ /\.h$/
	pragma = in_comment = 0
	if ($0 !~ /^\/\*/)
		refuse("a file opens with what it is for")
}
{
	lines = FNR
	if (/^#pragma once/)
		pragma = 1
	code = code_of($0)
	if (match(code, /(^|[^A-Za-z0-9_.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|strtol|system|alloca|gmtime|localtime|sleep|usleep|gets)[ \t]*\(/))
		refuse("calls " substr(code, RSTART, RLENGTH) ") which the house does not use")
	if (FILENAME !~ /^(tools|tests|provider\/agent)\// && match(code, /(^|[^A-Za-z0-9_.>])(exit|getenv)[ \t]*\(/))
		refuse("exit and getenv belong in tools/")
	if (/(TODO|FIXME)[^A-Za-z0-9]*$/)
		refuse("a TODO that does not say what is missing")
	if (match($0, /\/(work|root|home)\/[a-z]/) && FILENAME !~ /^tests\//)
		refuse("names a path of one machine")
	if (match($0, /deb\.debian\.org|registry\.npmjs|crates\.io|pypi\.org|proxy\.golang/))
		refuse("names a registry host")
}
END {
	if (last != "")
		leave_file()
	exit bad
}' <"${TMPDIR:-/tmp}/lint-sources.$$" || bad=1

twice=$(sed 's,.*/,,' "${TMPDIR:-/tmp}/lint-sources.$$" | sort | uniq -d)
for name in $twice; do
	echo "$name: two files of this name; search must always land"
	bad=1
done
exit $bad
