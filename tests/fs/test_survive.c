/* tests/fs/test_survive.c - whatever lies in the repositories, the mount goes on serving the rest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fs/mounted.h"

/* The mount still answers, and rightly. */
static void assert_well(struct mounted *m)
{
	mounted_sh(m,
		   "test \"$(cat \"$M/demo/at/1/README.md\")\" = hello; ls \"$M\" >/dev/null");
}

static int errno_of_open(struct mounted *m, const char *below)
{
	char path[1000], byte;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", m->mnt, below);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return errno;
	if (read(fd, &byte, 1) < 0)
		err = errno;
	close(fd);
	return err == EISDIR ? 0 : err;
}

static void shows_bad_repositories_as_errors(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$H/projects\"; mkdir nothing.git; cp -r demo.git headless.git; rm "
		      "headless.git/HEAD; "
		      "cp -r demo.git objectless.git; rm -rf objectless.git/objects/*; echo x "
		      ">file.git; ln -s demo.git link.git; "
		      "mkdir -p -- .hidden.git -dash.git; cp -r demo.git badhead.git; echo "
		      "garbage >badhead.git/HEAD");
	mounted_until(m, 2000, "ls \"$M\" | grep -q nothing");
	mounted_try_sh(m, "cd \"$M\"; for p in *; do find \"$p\" -maxdepth 4; cat "
			  "\"$p/.frag/status.json\" \"$p/.frag/log\"; done");
	assert_true(errno_of_open(m, "nothing/live") == EIO);
	assert_well(m);
}

static void serves_on_when_a_repository_is_deleted_beneath(void **state)
{
	struct mounted *m = *state;
	char path[400];
	int fd;

	mounted_sh(m, "cp -r \"$R\" \"$H/projects/doomed.git\"");
	mounted_until(m, 2000, "cat \"$M/doomed/live/README.md\"; ls \"$M/doomed/fragments\"");
	snprintf(path, sizeof(path), "%s/doomed/live/src/main.c", m->mnt);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	/* Again when the mount just wrote something into it. */
	mounted_until(m, 2000, "rm -rf \"$H/projects/doomed.git\"");
	mounted_until(m, 1000, "! ls \"$M/doomed\" 2>/dev/null");
	mounted_try_sh(m, "cat <&3 3<\"$M/doomed/live/src/main.c\"");
	close(fd);
	assert_well(m);
}

static void says_eio_for_content_that_is_gone(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cp -r \"$R\" \"$H/projects/torn.git\"; r=\"$H/projects/torn.git\"; cd \"$r\"; "
		"mv objects/pack/*.pack . 2>/dev/null && git unpack-objects -q <*.pack; rm -f "
		"objects/pack/*; "
		"b=$(git rev-parse main:src/main.c); rm -f objects/$(echo $b | sed "
		"'s,^..,&/,'); "
		"t=$(git rev-parse main:src/deep); rm -f objects/$(echo $t | sed 's,^..,&/,'); "
		"e=objects/$(git rev-parse main:run.sh | sed 's,^..,&/,'); chmod +w $e; echo "
		"garbage >$e");
	mounted_until(m, 2000, "ls \"$M/torn/at/main/\"");
	assert_int_equal(errno_of_open(m, "torn/at/main/src/main.c"), EIO);
	assert_int_equal(errno_of_open(m, "torn/at/main/src/deep/er"), EIO);
	assert_int_equal(errno_of_open(m, "torn/at/main/run.sh"), EIO);
	assert_int_equal(errno_of_open(m, "torn/at/main/README.md"), 0);
	assert_int_equal(errno_of_open(m, "torn/at/main/none"), ENOENT);
	assert_well(m);
}

static void keeps_fragments_through_gc(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "ls \"$M/demo/fragments\" \"$M/demo/at/3\" >\"$T/before\"; git -C \"$R\" "
		      "branch -D feature/x; "
		      "git -C \"$R\" update-ref refs/heads/main v1; git -C \"$R\" tag -d v2; "
		      "git -C \"$R\" reflog expire --expire=now --all; git -C \"$R\" gc -q "
		      "--prune=now");
	mounted_sh(m, "ls \"$M/demo/fragments\" \"$M/demo/at/3\" >\"$T/after\"; cmp "
		      "\"$T/before\" \"$T/after\"; "
		      "cat \"$M\"/demo/fragments/*/README.md >/dev/null; test \"$(cat "
		      "\"$M/demo/at/5/feature\")\" = f");
}

static void finds_nothing_under_forged_names(void **state)
{
	static const char *const forged[] = {
		"demo/fragments/1",
		"demo/fragments/00001",
		"demo/fragments/00001-",
		"demo/fragments/99999999999999999999",
		"demo/fragments/00001-000000000000-first-say-hello",
		"demo/fragments/-1",
		"demo/fragments/0",
		"demo/review/0",
		"demo/review/x",
		"demo/review/4294967297",
		"demo/by-date/9999-99-99",
		"demo/by-date/2026-1-1",
		"demo/at/%00",
		"demo/at/..",
		"demo/at/:",
		"demo/at/^{",
		"demo/at/@{-1}",
		"demo/at/--all",
		"demo/at/main:README.md",
		"demo/refs/heads/..%2f",
		"demo/refs/heads/main.lock",
		"demo/refs/heads/ma in",
		"demo/.frag/diff/..",
		"demo/.frag/diff/1..",
		"demo/.frag/diff/..1",
		"demo/.frag/diff/1...2",
		"demo/.frag/file/..",
		".git",
		"demo.git",
		"demo%2f",
		"-demo",
		"demo/at/main/.git",
		"demo/.frag/file/1",
	};
	struct mounted *m = *state;
	char longer[800];

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		int err = errno_of_open(m, forged[i]);

		if (err != ENOENT && !strstr(forged[i], "/.."))
			fail_msg("%s: %s", forged[i], strerror(err));
	}
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "demo/at/", 8);
	longer[8 + 255] = '\0';
	assert_int_equal(errno_of_open(m, longer), ENOENT);
	memcpy(longer, "demo/.frag/file/", 16);
	assert_int_equal(errno_of_open(m, longer), ENOENT);
	assert_well(m);
}

/* Writes a tree object byte for byte: git's own tools would refuse. */
#define RAW                                                                                    \
	"raw() { env printf \"$1\" | git -C \"$R\" hash-object -t tree -w --stdin "            \
	"--literally; "                                                                        \
	"}; "                                                                                  \
	"b=$(echo x | git -C \"$R\" hash-object -w --stdin); B=$(echo $b | sed "               \
	"'s/../\\\\x&/g'); "                                                                   \
	"e=$(git -C \"$R\" hash-object -t tree -w /dev/null); E=$(echo $e | sed "              \
	"'s/../\\\\x&/g'); "

static void shows_hostile_trees_as_errors(void **state)
{
	static const char *const trees[] = {
		"100644 ..\\x00$B",
		"100644 .\\x00$B",
		"40000 .git\\x00$E",
		"40000 .GIT\\x00$E",
		"40000 git~1\\x00$E",
		"40000 .g\\xe2\\x80\\x8cit\\x00$E",
		"40000 .git::\\$INDEX_ALLOCATION\\x00$E",
		"100644 a/b\\x00$B",
		"100644 /etc/passwd\\x00$B",
		"100644 \\x00$B",
		"100644 a\\x00${B}100644 a\\x00$B",
		"120000 a\\x00${B}40000 a\\x00$E",
		"100644 b\\x00${B}100644 a\\x00$B",
		"104755 set\\x00$B",
		"60000 dev\\x00$B",
		"0 zero\\x00$B",
		"0100644 padded\\x00$B",
		"120000 .gitmodules\\x00$B",
		"100644 n\\x0al\\x00$B",
		"160000 sub\\x00$B",
		"100644 trunc",
		"100644",
		"100644 a\\x00abc",
		"xyz a\\x00$B",
	};
	struct mounted *m = *state;

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		mounted_sh(m,
			   RAW "T=\"%s\"; t=$(raw \"${T}100644 good\\x00$B\"); git -C \"$R\" "
			       "update-ref "
			       "refs/heads/t%zu "
			       "$(git -C \"$R\" commit-tree -m t%zu $t </dev/null)",
			   trees[i], i, i);
		mounted_until(m, 3000, "test -L \"$M/demo/refs/heads/t0\"");
	}
	mounted_sh(m, "c=$(git -C \"$R\" rev-list --all | wc -l)");
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		char script[600];

		snprintf(script, sizeof(script), "test -L \"$M/demo/refs/heads/t%zu\"", i);
		mounted_until(m, 3000, script);
		snprintf(script, sizeof(script),
			 "find \"$M/demo/refs/heads/t%zu/\" -type f -print0 | xargs -0 cat; "
			 "ls -la \"$M/demo/refs/heads/t%zu/\"",
			 i, i);
		mounted_try_sh(m, script);
		assert_null(strstr(mounted_out(), "root:x:0"));
		assert_well(m);
	}
	/* the good neighbour of a refused entry is served, the refused one is an error and not missing */
	mounted_sh(m, "test \"$(cat \"$M/demo/refs/heads/t2/good\")\" = x; ls -A "
		      "\"$M/demo/refs/heads/t2/\" | grep -q '^.git$'");
	assert_int_equal(errno_of_open(m, "demo/refs/heads/t2/.git"), EIO);
}

static void shows_odd_commits(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cd \"$R\"; t=$(git rev-parse main^{tree}); mk() { git update-ref "
		"refs/heads/$1 $(git hash-object -t commit "
		"-w --stdin --literally); }; a='A <a@b> 1 +0000'; "
		"printf \"tree $t\\nauthor $a\\ncommitter C <c@d> 99999999999999 "
		"+9999\\n\\nfar\\n\" | mk far; "
		"printf \"tree $t\\nauthor $a\\ncommitter C <c@d> -5000 -0000\\n\\nbefore\\n\" "
		"| mk before; "
		"printf \"tree $t\\nauthor $a\\ncommitter C <c@d> 5 +0000\\nencoding "
		"latin1\\n\\nb\\351\\033[31m/../..\\n\" | mk odd; "
		"printf \"tree $t\\nauthor $a\\ncommitter C <c@d> 5 +0000\\n\\n\" | mk "
		"untitled; "
		"p=; for i in $(seq 100); do p=\"$p -p $(git commit-tree -m p$i $t)\"; done; "
		"git update-ref refs/heads/octopus $(git commit-tree -m octopus $p $t)");
	mounted_until(m, 5000,
		      "for b in far odd untitled octopus; do test -e "
		      "\"$M/demo/refs/heads/$b/README.md\"; done");
	mounted_sh(m, "ls \"$M/demo/by-date\" | head -1 >/dev/null; find \"$M/demo/by-date\" | "
		      "wc -l; cat \"$M/demo/.frag/log\" "
		      ">\"$T/log\"; ! grep -q \"$(printf '\\033')\" \"$T/log\"; ls "
		      "\"$M/demo/fragments\" >\"$T/names\"; "
		      "! grep -qv '^[a-z0-9-]*$' \"$T/names\"; ls -l --time-style=+%%s "
		      "\"$M/demo/fragments\" >/dev/null");
	assert_well(m);
}

static void keeps_its_descriptors(void **state)
{
	struct mounted *m = *state;
	char count[100];
	long before, after;

	snprintf(count, sizeof(count), "ls /proc/%d/fd | wc -l", (int)m->daemon);
	mounted_sh(m, "find \"$M\" -type f -print0 | xargs -0 cat >/dev/null");
	before = strtoll(mounted_sh(m, "%s", count), NULL, 10);
	mounted_sh(m, "for i in $(seq 40); do cp -r \"$R\" \"$H/projects/p$i.git\"; done");
	mounted_until(m, 3000, "test $(ls \"$M\" | wc -l) = 41");
	mounted_sh(m, "cat \"$M\"/*/live/README.md \"$M\"/*/at/2/README.md >/dev/null");
	mounted_sh(m, "rm -rf \"$H\"/projects/p*.git");
	mounted_until(m, 3000, "test $(ls \"$M\" | wc -l) = 1");
	after = strtoll(mounted_sh(m, "%s", count), NULL, 10);
	assert_in_range(after, 0, before + 100);
	assert_in_range(after, 0, 512);
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(shows_bad_repositories_as_errors),
		CLAIM(serves_on_when_a_repository_is_deleted_beneath),
		CLAIM(says_eio_for_content_that_is_gone),
		CLAIM(keeps_fragments_through_gc),
		CLAIM(finds_nothing_under_forged_names),
		CLAIM(shows_hostile_trees_as_errors),
		CLAIM(shows_odd_commits),
		CLAIM(keeps_its_descriptors),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
