#!/bin/sh
# tests/lint/controls.sh - each lint refuses what it exists to refuse. TAP.
#
# A tree with one offence is made for each rule; the lint must fail and name the file, and must
# pass once the offence is gone.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0

good_tree() {
	rm -rf "$tmp/tree"
	mkdir -p "$tmp/tree"
	for layer in base store provider/agent sync fs tools tests/unit; do
		mkdir -p "$tmp/tree/$layer"
	done
	cp "$here/../../.clang-format" "$tmp/tree/"
	printf '/* A fine file: it says strcpy(a, b) only here. */\n#include "base/fine.h"\n\n%s\n' \
		'const char *fine = "system(1)";' >"$tmp/tree/base/fine.c"
	printf '/* base/fine.h */\n#pragma once\n' >"$tmp/tree/base/fine.h"
}

# claim <words> <lint> <file> <line>...: the file made of the lines is refused, and nothing else is.
claim() {
	words=$1 lint=$2 file=$3
	shift 3
	n=$((n + 1))
	good_tree
	if ! "$here/$lint.sh" "$tmp/tree" >"$tmp/out" 2>&1; then
		sed 's/^/# /' "$tmp/out"
		echo "not ok $n - $words # the good tree was refused"
		return
	fi
	mkdir -p "$tmp/tree/$(dirname "$file")"
	printf '%s\n' "$@" >"$tmp/tree/$file"
	if "$here/$lint.sh" "$tmp/tree" >"$tmp/out" 2>&1; then
		echo "not ok $n - $words # passed"
	elif ! grep -q "${file##*/}" "$tmp/out"; then
		sed 's/^/# /' "$tmp/out"
		echo "not ok $n - $words # the file is not named"
	else
		echo "ok $n - $words"
	fi
}

essay='/* What this file is for. */'
claim 'base may not look up to store' layers base/up.c "$essay" '#include "store/ref.h"'
claim 'store may not see provider' layers store/over.c "$essay" '#include "provider/provider.h"'
claim 'provider may not see store' layers provider/over.c "$essay" '#include "store/ref.h"'
claim 'sync may not look up to fs' layers sync/up.c "$essay" '#include "fs/fs.h"'
claim 'fs may not see provider' layers fs/over.c "$essay" '#include "provider/provider.h"'
claim 'libgit2 stays in store' layers fs/git.c "$essay" '#include <git2/errors.h>'
claim 'lmdb stays in store' layers sync/db.c "$essay" '#include <lmdb.h>'
claim 'cJSON stays in base/json.c' layers base/other.c "$essay" '#include <cjson/cJSON.h>'
claim 'fuse stays in fs' layers tools/mount.c "$essay" '#include <fuse_lowlevel.h>'
claim 'curl stays in provider/http_private.h' layers provider/other.c "$essay" '#include <curl/curl.h>'
claim 'libmicrohttpd stays in tests/peers' layers tests/unit/other.c "$essay" '#include <microhttpd.h>'
claim 'a comment between hash and name hides no include' layers base/odd.c "$essay" '#  include	"fs/fs.h"'

claim 'strcpy is refused' sources base/bad.c "$essay" 'void f(char *a) { strcpy(a, "x"); }'
claim 'sprintf is refused' sources base/bad.c "$essay" 'void f(char *a) { sprintf(a, "x"); }'
claim 'strtol is refused' sources base/bad.c "$essay" 'long f(char *a) { return strtol(a, 0, 10); }'
claim 'system is refused' sources tools/bad.c "$essay" 'int f(void) { return system("x"); }'
claim 'sleep is refused in tests too' sources tests/unit/bad.c "$essay" 'void f(void) { sleep(1); }'
claim 'localtime is refused' sources base/bad.c "$essay" 'void *f(long *t) { return localtime(t); }'
claim 'exit belongs in tools' sources sync/bad.c "$essay" 'void f(void) { exit(1); }'
claim 'getenv belongs in tools' sources store/bad.c "$essay" 'char *f(void) { return getenv("HOME"); }'
claim 'a file without an essay is refused' sources base/bad.c '#include <stdio.h>'
claim 'a header without pragma once is refused' sources base/bad.h "$essay" 'int f(void);'
claim 'a name that stands twice is refused' sources store/fine.c "$essay" 'int x;'
claim 'a TODO without words is refused' sources base/bad.c "$essay" '/* TODO */'
claim 'a path of one machine is refused' sources base/bad.c "$essay" 'const char *p = "/home/me";'
claim '701 lines are refused' sources base/long.c "$essay" $(seq 700 | sed 's/^/x/')
claim 'a return before the init of what scope frees is refused' cleanup base/bad.c "$essay" \
	'int f(int x)' '{' '	CLEANUP(buf_deinit) struct buf b;' '' '	if (x)' '		return 1;' \
	'	buf_init(&b, 1);' '	return 0;' '}'
command -v clang-format >/dev/null && clang-format --version | grep -q 'version 14' &&
	claim 'ill-formatted code is refused' format base/bad.c "$essay" 'int  f( void ) {return 1;}'
echo "1..$n"
