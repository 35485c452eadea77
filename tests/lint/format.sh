#!/bin/sh
# tests/lint/format.sh [root] - clang-format agrees with every source; version 14 settles disputes.
set -eu
cd "${1:-$(dirname "$0")/../..}"
find base store provider sync fs tools tests -name '*.c' 2>/dev/null | sort |
	xargs clang-format --dry-run --Werror
