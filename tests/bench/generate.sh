#!/bin/sh
# generate.sh <kind> <dir> - a bare repository for benchmarks, the same on every machine.
#
# files:   100,000 files in 2,000 directories, then 9 commits that each change 1 % of them
# commits: 200,000 commits over 400 files, one file changed in each
# shared:  100 commits over 4,000 files that share 99 % of their content
# web:     a small app whose index.html says which of its 40 versions it is
#
# Written by git fast-import from a stream that awk makes out of a fixed sequence of numbers.
set -eu
kind=$1 dir=$2

stream() {
	awk -v kind="$kind" '
	# Numbers below 2^31, always the same ones.
	function next_number() {
		state = (state * 1103515245 + 12345) % 2147483648
		return int(state / 65536)
	}
	function commit(title) {
		time += 97
		printf "commit refs/heads/main\ncommitter Ada Example <ada@example.org> %d +0000\n", time
		printf "data %d\n%s\n", length(title), title
	}
	function put(path, text) {
		printf "M 100644 inline %s\ndata %d\n%s\n", path, length(text), text
	}
	# Source-like text: `n` of a thousand lines, and one that no other file has.
	function text_of(path, version, n,    i, s) {
		s = "// " path " version " version "\n"
		for (i = 0; i < n; i++)
			s = s line[next_number() % 1000]
		return s
	}
	function path_of(i, per_dir) {
		return sprintf("src/part%02d/dir%04d/file%06d.ts", int(i / per_dir) % 50, int(i / per_dir), i)
	}
	# One commit of all files, then `n` commits that each change one in a hundred.
	function grow(n_files, n, lines,    c, i) {
		commit("Add everything")
		for (i = 0; i < n_files; i++)
			put(path_of(i, 50), text_of(path_of(i, 50), 0, lines + next_number() % lines))
		for (c = 1; c <= n; c++) {
			commit("Change one file in a hundred, round " c)
			for (i = c % 100; i < n_files; i += 100)
				put(path_of(i, 50), text_of(path_of(i, 50), c, lines))
		}
	}
	function web(    c, page) {
		for (c = 1; c <= 40; c++) {
			commit("Make the counter say " c)
			page = "<!doctype html>\n<title>Counter</title>\n<link rel=stylesheet href=style.css>\n"
			page = page "<h1>Version " c "</h1>\n<script src=app.js></script>\n"
			put("index.html", page)
			put("app.js", "const version = " c ";\n" text_of("app.js", c, 40))
			put("style.css", "h1 { color: hsl(" (c * 9) ", 70%, 40%) }\n")
			put("src/part" c ".ts", text_of("part", c, 60))
			put("README.md", "# Counter\n\nThis is version " c ".\n")
		}
	}
	BEGIN {
		state = 42
		time = 1500000000
		split("const let return function await import export class if else for of in new this async state props " \
			"render update fetch value index item list user session token config error result", word, " ")
		for (i = 0; i < 1000; i++) {
			line[i] = ""
			for (k = 0; k < 6 + i % 5; k++)
				line[i] = line[i] word[1 + next_number() % 30] (k % 3 == 2 ? "(" i ") " : " ")
			line[i] = line[i] "\n"
		}
		if (kind == "files")
			grow(100000, 9, 12)
		else if (kind == "shared")
			grow(4000, 99, 60)
		else if (kind == "web")
			web()
		else
			for (c = 0; c < 200000; c++) {
				commit("Change number " c)
				i = c < 400 ? c : next_number() % 400
				put(path_of(i, 20), "version " c "\n" line[c % 1000])
			}
		printf "done\n"
	}'
}

case $kind in
files | commits | shared | web) ;;
*)
	echo "generate: there is no kind '$kind'" >&2
	exit 2
	;;
esac
[ ! -e "$dir/ready" ] || exit 0
rm -rf "$dir"
git init -q --bare -b main "$dir"
stream | git -C "$dir" -c core.fsync=none -c pack.window=5 fast-import --quiet --done
: >"$dir/ready"
