#!/bin/sh
# bench.sh <build-dir> [repository] - the budgets, measured beside their native twins.
#
# Prints a table and writes <build-dir>/bench.json. Each figure is the median of several runs, its
# twin measured in the same run on the same filesystem; the ratio is what counts. Without a
# repository the generated ones of generate.sh are used (kept in <build-dir>/bench/ for next time);
# with one (a path), the rows about a big tree use it instead. Cold means dropped caches and a
# fresh mount where we are root, a fresh mount otherwise. PARTS names the parts to run, RUNS the runs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
given=${2:-}
frag=$build/frag
work=$build/bench
rows=$work/rows
RUNS=${RUNS:-5}
export FRAG_HOME="$work/home" LC_ALL=C
mnt=$work/mnt

mkdir -p "$work" "$mnt"
: >"$rows"
[ -z "$given" ] || given=$(cd "$given" && pwd)

finish() {
	"$frag" unmount "$mnt" >/dev/null 2>&1
	rm -rf "$FRAG_HOME" "$work/native" "$work/many"
}
trap finish EXIT
trap 'exit 130' INT TERM

now() { date +%s%N; }

# ms <command…>: how long it took, in milliseconds with two decimals; fails as it fails.
ms() {
	begin=$(now)
	"$@" >/dev/null 2>&1
	status=$?
	end=$(now)
	echo "$begin $end" | awk '{ printf "%.2f\n", ($2 - $1) / 1e6 }'
	return $status
}

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }

# warm <command…>: the median of RUNS runs after one that is not counted.
warm() {
	"$@" >/dev/null 2>&1 || true
	for run in $(seq "$RUNS"); do ms "$@"; done | median
}

cold_caches() {
	sync
	[ "$(id -u)" -ne 0 ] || echo 3 >/proc/sys/vm/drop_caches
}

remount() {
	"$frag" unmount "$mnt" >/dev/null 2>&1
	"$frag" mount "$mnt" >/dev/null
}

# row <name> <value> <unit> <twin or -> <budget> <at most: ratio|value>
row() {
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$rows"
	echo "bench: $1: $2 $3" >&2
}

requests() { jq '.requests // ([.mounts[]?.requests] | add) // 0' "$mnt/.frag/stats.json"; }

# fragment <project> <how many before the newest>: its directory.
fragment() {
	find "$mnt/$1/fragments" -mindepth 1 -maxdepth 1 | sort -r | sed -n "$(($2 + 1))p"
}

rg_all() { rg -uuu -c 'updateConfigNothing|value index' "$1"; }
sizes_of() { find "$1" -printf '%s\n'; }
tar_of() { tar -C "$1" -cf - . | cat; }
diff_of() { diff -r "$1" "$2"; }
walk_loop() {
	stat "$1"/* && cat "$2" "$2" "$2" && ls -R "$1" && stat "$2"
}

bench_tree() {
	if [ -n "$given" ]; then
		repo=$given
	else
		repo=$work/files
		"$here/generate.sh" files "$repo"
	fi
	"$frag" import "$repo" --name big -q || return 1

	# The first ever look: ours against a native checkout and the same search.
	cold_caches
	remount
	dir=$(fragment big 0)
	first=$(ms rg_all "$dir")
	mkdir -p "$work/native"
	cold_caches
	head=$(git -C "$repo" rev-parse HEAD)
	add=$(ms git -C "$repo" worktree add --detach "$work/native/0" "$head")
	look=$(ms rg_all "$work/native/0")
	row 'first ever rg over a fragment' "$first" ms "$(echo "$add $look" | awk '{ print $1 + $2 }')" 0.8 ratio

	warm_rg=$(warm rg_all "$dir")
	row 'warm rg' "$warm_rg" ms "$(warm rg_all "$work/native/0")" 1.15 ratio
	row 'warm find -printf %s' "$(warm sizes_of "$dir")" ms "$(warm sizes_of "$work/native/0")" 1.15 ratio
	row 'warm tar' "$(warm tar_of "$dir")" ms "$(warm tar_of "$work/native/0")" 1.15 ratio

	# The neighbour: on our side most of it is the same inodes.
	before=$(fragment big 1)
	next=$(ms rg_all "$before")
	row 'rg over the next fragment, 1 % changed, vs warm' "$next" ms "$warm_rg" 1.3 ratio
	git -C "$repo" worktree add -q --detach "$work/native/1" "$(git -C "$repo" rev-parse "$head~1")"
	row 'warm diff -r of two fragments' "$(warm diff_of "$before" "$dir")" ms \
		"$(warm diff_of "$work/native/1" "$work/native/0")" 1.15 ratio

	file=$(find "$dir" -type f | head -n 1)
	walk_loop "$dir" "$file" >/dev/null 2>&1
	was=$(requests)
	for run in 1 2 3; do walk_loop "$dir" "$file" >/dev/null 2>&1; done
	# Reading the counter is itself a few requests: what two readings in a row differ by.
	after=$(requests)
	idle=$(requests)
	row 'requests in a warm loop of stat, read, list' "$(echo "$was $after $idle" |
		awk '{ print ($2 - $1) - ($3 - $2) }')" requests - 0 value
	git -C "$repo" worktree remove --force "$work/native/0"
	git -C "$repo" worktree remove --force "$work/native/1"
}

bench_memory() {
	# The same 100,000 files in ten projects: inodes belong to a project, so a million of them.
	"$here/generate.sh" files "$work/files"
	for i in 1 2 3 4 5 6 7 8 9; do
		"$frag" import "$work/files" --name "copy$i" -q
	done
	[ -z "$given" ] || "$frag" import "$work/files" --name copy0 -q
	remount
	for project in "$mnt"/*/; do
		find "$project/fragments/" -mindepth 1 -maxdepth 1 | sort | tail -n 1 | xargs -I{} find {} -printf '%s\n'
	done >/dev/null
	# What is mapped from files is the page cache's: counted apart, since the kernel may drop it at any time.
	pid=$(cat "$FRAG_HOME/run/daemon.pid")
	anonymous=$(awk '/^RssAnon/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")
	mapped=$(awk '/^RssFile/ { printf "%.0f", $2 / 1024 }' "/proc/$pid/status")
	known=$(jq .nodes "$mnt/.frag/stats.json")
	row "daemon memory, $known known inodes ($mapped MiB of mapped files apart)" "$anonymous" MiB - 300 value
}

bench_history() {
	"$here/generate.sh" commits "$work/commits"
	begin=$(now)
	"$frag" import "$work/commits" --name long -q || return 1
	"$frag" mount "$mnt" >/dev/null 2>&1
	remount
	n=$(find "$mnt/long/fragments" -mindepth 1 -maxdepth 1 | wc -l)
	cat "$(fragment long 100000)"/src/*/*/file000000.ts >/dev/null
	end=$(now)
	row "import of $n commits until listed and readable" "$(echo "$begin $end" |
		awk '{ printf "%.2f", ($2 - $1) / 1e9 }')" s - 30 value
	cold_caches
	remount
	row "ls fragments/ of $n commits, cold" "$(ms ls "$mnt/long/fragments")" ms - 1000 value
}

bench_projects() {
	rm -rf "$work/many"
	(
		export FRAG_HOME="$work/many"
		"$frag" init >/dev/null
		# A hundred by hand, and those a hundred times: one process each would take minutes.
		mkdir "$work/many/seeds"
		for i in $(seq -w 0 99); do
			git init -q --bare --template= "$work/many/seeds/p$i.git"
		done
		for i in $(seq -w 0 99); do
			tar -C "$work/many/seeds" -cf - . | tar -C "$work/many/projects" --transform "s,^\./p,./q$i-p," -xf -
		done
		rm -rf "$work/many/seeds"
		# Met once, so that they have ids and are in the index: what is asked is a mount of a known store.
		"$frag" reindex -q >/dev/null 2>&1
		"$frag" mount "$mnt" >/dev/null && ls "$mnt" >/dev/null
		"$frag" unmount "$mnt" >/dev/null
		cold_caches
		begin=$(now)
		"$frag" mount "$mnt" >/dev/null && ls "$mnt" >"$work/listed"
		end=$(now)
		"$frag" unmount "$mnt" >/dev/null
		echo "$begin $end" | awk '{ printf "%.2f\n", ($2 - $1) / 1e6 }' >"$work/mounted"
	)
	row "mount of $(wc -l <"$work/listed") projects until ls answers" "$(cat "$work/mounted")" ms - 100 value
}

bench_search() {
	"$here/generate.sh" shared "$work/shared"
	"$frag" import "$work/shared" --name shared -q || return 1
	remount
	ours=$(warm "$frag" search 'updateConfigNothing|value index' --project shared --all-fragments)
	RUNS=1
	twin=$(warm rg_all "$mnt/shared/fragments")
	row 'search of 100 fragments vs rg over their directories' "$ours" ms "$twin" 0.1 ratio
}

bench_checkout() {
	# k files of the shared repository's 4,000 differ between neighbours: 40.
	for run in $(seq "$RUNS"); do
		"$frag" checkout shared "$((run % 2 + 50))" >/dev/null 2>&1
		ms "$frag" checkout shared "$((run % 2 + 51))"
	done | median >"$work/switch"
	row 'frag checkout of a neighbour, 40 files, no sandbox' "$(cat "$work/switch")" ms - 7 value
}

table() {
	awk -F '\t' '
	BEGIN { printf "\n%-66s %12s %12s %8s %10s\n", "what", "ours", "twin", "ratio", "budget" }
	{
		ratio = $4 == "-" || $4 + 0 == 0 ? "" : sprintf("%.2f", $2 / $4)
		held = $6 == "ratio" ? (ratio != "" && ratio + 0 <= $5 + 0) : ($2 + 0 <= $5 + 0)
		printf "%-66s %12s %12s %8s %10s %s\n", $1, $2 " " $3, $4 == "-" ? "" : $4 " " $3, ratio, \
			$6 == "ratio" ? "<= " $5 "x" : "<= " $5, held ? "held" : "MISSED"
	}' "$rows"
	jq -R -s 'split("\n") | map(select(. != "") | split("\t") | {
		what: .[0], ours: (.[1] | tonumber? // null), unit: .[2],
		twin: (.[3] | tonumber? // null), budget: (.[4] | tonumber), bound: .[5]}
		| . + {ratio: (if .twin and .ours and .twin > 0 then .ours / .twin else null end)}
		| . + {held: (if .bound == "ratio" then .ratio != null and .ratio <= .budget
			else .ours != null and .ours <= .budget end)})' "$rows" >"$build/bench.json"
	echo
	echo "written to $build/bench.json"
}

"$frag" unmount "$mnt" >/dev/null 2>&1
rm -rf "$FRAG_HOME" "$work/native"
"$frag" init >/dev/null || exit 1
for part in ${PARTS:-tree history search checkout memory projects}; do
	"bench_$part" || echo "bench: $part could not be measured" >&2
done
table
