#!/bin/sh
# tools/install_extras.sh <frag> <mandir> <datadir> - run by `meson install`: manual pages and completion, made by the program itself.
set -eu
man=$MESON_INSTALL_DESTDIR_PREFIX/$2/man1
completion=$MESON_INSTALL_DESTDIR_PREFIX/$3/bash-completion/completions
mkdir -p "$man" "$completion"
"$1" manual --into "$man"
"$1" completion bash >"$completion/frag"
chmod 644 "$completion/frag"
