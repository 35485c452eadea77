#!/bin/sh
# tests/lint/cleanup.sh [root] - nothing is cleaned up before it was made.
#
# A variable with CLEANUP() runs its cleanup on every way out of its scope. One that was declared without a
# value must be initialised (`x_init(&name…`, `name = …`) before the first return, continue, break or
# goto below it; gcc does not see this.
set -eu
cd "${1:-$(dirname "$0")/../..}"

find base store provider sync fs tools tests -name '*.c' 2>/dev/null | sort | xargs awk '
FNR == 1 || /^}/ {
	split("", pending)
}
/^[ \t]+CLEANUP\([a-z_]+\)/ {
	text = $0
	while (text !~ /;/ && (getline more) > 0)
		text = text " " more
	sub(/;.*/, "", text)
	if (text !~ /=/) {
		sub(/[ \t]+$/, "", text)
		n = split(text, part, /[ \t*]+/)
		pending[part[n]] = FNR
	}
	next
}
{
	for (name in pending) {
		if ($0 ~ "[(,]&" name "[,);]" || $0 ~ "(^|[ \t])" name " =") {
			delete pending[name]
			continue
		}
		if ($0 ~ /(^|[ \t)])(return|continue|break|goto)([ \t;(]|$)/) {
			printf "%s:%d: leaves before \047%s\047 of line %d is initialised\n", FILENAME, FNR, name, pending[name]
			delete pending[name]
			bad = 1
		}
	}
}
END { exit bad }'
