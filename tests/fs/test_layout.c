/* tests/fs/test_layout.c - what stands where in the mount. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "tests/fs/mounted.h"

static void shows_projects_and_hides_control(void **state)
{
	struct mounted *m = *state;

	assert_string_equal(mounted_sh(m, "ls -A \"$M\""), "demo");
	assert_string_equal(mounted_sh(m, "ls -A \"$M/demo\""),
			    "at\nby-date\nfragments\nlive\nrefs\nreview\nwork");
	assert_string_equal(
		mounted_sh(m, "ls -d \"$M/.frag\" \"$M/demo/.frag\" >/dev/null; echo ok"),
		"ok");
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/nothing\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/nothing\""), 0);
}

static void names_fragments_by_number_hash_and_title(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"git -C \"$R\" log --reverse --topo-order --format='%%h %%s' --abbrev=12 main");
	assert_string_equal(mounted_sh(m, "ls \"$M/demo/fragments\" | wc -l"), "5");
	assert_string_equal(
		mounted_sh(m, "ls \"$M/demo/fragments\" | sed -n 1p"),
		mounted_sh(m, "echo 00001-$(git -C \"$R\" rev-list --max-parents=0 main | "
			      "cut -c1-12)-first-say-hello"));
	assert_int_not_equal(mounted_try_sh(m, "f=$(ls \"$M/demo/fragments\" | head -1); ls "
					       "\"$M/demo/fragments/${f}x\""),
			     0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/fragments/1\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/fragments/00001\""), 0);
}

static void shows_files_as_git_has_them(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$M/demo/live\"; test \"$(cat README.md)\" = \"$(printf "
		      "'hello\\nmore')\"; "
		      "test \"$(cat src/link)\" = \"$(cat README.md)\"; test -x run.sh; "
		      "test ! -x README.md -o $(id -u) = 0; test \"$(readlink src/link)\" = "
		      "../README.md; "
		      "test -f empty -a ! -s empty; test \"$(./run.sh)\" = hi");
	assert_string_equal(
		mounted_sh(m,
			   "cd \"$M/demo/live\"; stat -c '%%a %%h %%s' README.md run.sh src"),
		"644 1 11\n755 1 18\n755 3 4096");
	assert_string_equal(
		mounted_sh(m, "cd \"$M/demo/live\"; find . | sort"),
		".\n./.git\n./README.md\n./empty\n./feature\n./run.sh\n./src\n./src/deep\n"
		"./src/deep/er\n./src/deep/er/x\n./src/deep/er/y\n./src/link\n./src/main.c");
}

static void leads_from_refs_to_fragments(void **state)
{
	struct mounted *m = *state;

	assert_string_equal(
		mounted_sh(m, "cd \"$M/demo/refs\"; find . | sort"),
		".\n./heads\n./heads/feature\n./heads/feature/x\n./heads/main\n./remotes\n"
		"./tags\n./tags/v1\n./tags/v2");
	mounted_sh(m, "cd \"$M/demo/refs\"; test \"$(cat heads/feature/x/feature)\" = f; "
		      "test ! -e tags/v1/src/deep/er/y; test -e tags/v2/src/deep/er/y; "
		      "test heads/main -ef tags/v2; ls heads/feature/x/ >/dev/null");
	assert_string_equal(
		mounted_sh(m, "readlink \"$M/demo/refs/heads/feature/x\" | cut -c1-25"),
		"../../../fragments/00003-");
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/refs/heads/none\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/refs/fragments\""), 0);
}

static void resolves_any_revision(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cd \"$M/demo/at\"; for r in main HEAD v2 5 refs%%2Fheads%%2Fmain "
		"heads%%2Fmain "
		"$(git -C \"$R\" rev-parse main) $(git -C \"$R\" rev-parse --short main); do "
		"test $r -ef ../refs/heads/main; done");
	mounted_sh(m, "cd \"$M/demo/at\"; test feature/x -ef ../refs/heads/feature/x; "
		      "test feature%%2Fx -ef feature/x; test 'feature/x~1' -ef v1; test "
		      "'main^2' -ef feature/x; "
		      "test \"$(cat v1~1/README.md)\" = hello");
	assert_string_equal(mounted_sh(m, "ls -A \"$M/demo/at\""), "");
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/at/none\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/at/main~99\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/at/999\""), 0);
}

static void shows_a_commit_without_number_as_a_directory(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "c=$(git -C \"$R\" commit-tree -m loose v1^{tree}); cd \"$M/demo/at\"; "
		      "test \"$(cat $c/README.md)\" = \"$(cat v1/README.md)\"; test -d $c; "
		      "test ! -L $c");
}

static void sorts_fragments_by_day(void **state)
{
	struct mounted *m = *state;

	assert_string_equal(mounted_sh(m, "ls \"$M/demo/by-date\""), "2023-11-14");
	assert_string_equal(mounted_sh(m, "ls \"$M\"/demo/by-date/* | wc -l"), "5");
	mounted_sh(m, "for f in \"$M\"/demo/by-date/*/*; do test -d $f/src; done");
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/by-date/2001-02-03\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/by-date/x\""), 0);
}

static void reports_itself_in_files(void **state)
{
	struct mounted *m = *state;

	assert_string_equal(
		mounted_sh(m, "cat \"$M/demo/.frag/head\""),
		mounted_sh(m, "basename \"$(readlink \"$M/demo/refs/heads/main\")\""));
	mounted_sh(m, "grep -q '\"fragments\":5' \"$M/demo/.frag/status.json\"; "
		      "grep -q '\"branch\":\"refs/heads/main\"' \"$M/demo/.frag/status.json\"");
	assert_string_equal(mounted_sh(m, "head -1 \"$M/demo/.frag/log\" | cut -d' ' -f1,4-"),
			    "00005 merge x");
	assert_string_equal(mounted_sh(m, "wc -l <\"$M/demo/.frag/log\""), "5");
	mounted_sh(m, "grep -q '\"projects\":1' \"$M/.frag/status.json\"");
}

static void shows_a_patch_between_two_revisions(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cat \"$M/demo/.frag/diff/1..2\" >\"$T/ours\"; "
		"git -C \"$R\" diff v1~1 v1 >\"$T/theirs\"; diff -u \"$T/theirs\" \"$T/ours\"");
	mounted_sh(m, "cd \"$W\"; git checkout -q v1; git apply --index "
		      "\"$M/demo/.frag/diff/v1..feature%%2Fx\"; test \"$(git write-tree)\" = "
		      "\"$(git rev-parse 'feature/x^{tree}')\"");
	assert_int_not_equal(mounted_try_sh(m, "cat \"$M/demo/.frag/diff/v1..none\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "cat \"$M/demo/.frag/diff/v1\""), 0);
}

static void shows_a_file_through_time(void **state)
{
	struct mounted *m = *state;

	assert_string_equal(mounted_sh(m, "ls \"$M/demo/.frag/file/README.md\""), "1\n2");
	assert_string_equal(mounted_sh(m, "cat \"$M/demo/.frag/file/README.md/1\""), "hello");
	assert_string_equal(mounted_sh(m, "cat \"$M/demo/.frag/file/src/deep/er/x/4\""), "x");
	assert_int_not_equal(mounted_try_sh(m, "cat \"$M/demo/.frag/file/feature/1\""), 0);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/.frag/file/nothing\""), 0);
}

static void answers_xattrs_by_name_and_lists_none(void **state)
{
	struct mounted *m = *state;
	char path[400], value[100] = "";

	snprintf(path, sizeof(path), "%s/demo/at/v1", m->mnt);
	assert_int_equal(getxattr(path, "user.frag.commit", value, sizeof(value)), 40);
	value[40] = '\0';
	assert_string_equal(value, mounted_sh(m, "git -C \"$R\" rev-parse v1"));
	assert_int_equal(getxattr(path, "user.frag.seq", value, sizeof(value)), 1);
	assert_int_equal(value[0], '2');
	assert_int_equal(getxattr(path, "user.frag.state", value, sizeof(value)), 4);
	assert_memory_equal(value, "kept", 4);
	assert_int_equal(listxattr(path, value, sizeof(value)), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(getxattr(path, "user.other", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
	snprintf(path, sizeof(path), "%s/demo/live/README.md", m->mnt);
	assert_int_equal(getxattr(path, "user.frag.oid", value, sizeof(value)), 40);
	value[40] = '\0';
	assert_string_equal(value, mounted_sh(m, "git -C \"$R\" rev-parse main:README.md"));
}

static void lets_git_review_a_fragment(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cd \"$M/demo/review/2\"; test \"$(git log --format=%%s)\" = "
		"\"$(printf 'second\\nFirst: say Hello!')\"; git log -p | grep -q '^+more'; "
		"test \"$(git diff --name-status)\" = \"$(printf 'M\\tREADME.md')\"; "
		"git diff --cached | grep -q '^-more'; git status --short | grep -q README.md; "
		"git fsck --connectivity-only; test -f .git");
	mounted_sh(m, "cd \"$M/demo/review/1\"; test \"$(git ls-files | wc -l)\" = 0; "
		      "git status --short | grep -q '?? src/'");
	mounted_sh(m,
		   "diff -r --exclude=.git \"$M/demo/review/5\" \"$M/demo/refs/heads/main/\"");
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M/demo/review/99\""), 0);
	assert_string_equal(mounted_sh(m, "ls -A \"$M/demo/review\""), "");
}

static void keeps_inode_numbers_over_a_remount(void **state)
{
	static const char list[] = "cd \"$M\"; find . -printf '%p %i %m %s %T@\\n' | grep -v "
				   "'^./demo/refs/[^ ]* .* 755 \\|by-date/[-0-9]* \\|^. "
				   "\\|^./demo \\|^./demo/[a-z-]* ' | sort";
	struct mounted *m = *state;
	char *before = strdup(mounted_sh(m, "%s", list));

	assert_non_null(strstr(before, "src/deep/er/y"));
	assert_int_equal(mounted_stop(m, SIGTERM), 0);
	mounted_start(m);
	assert_string_equal(mounted_sh(m, "%s", list), before);
	free(before);
}

static void lists_the_inode_number_that_stat_gives(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cd \"$M\"; for d in demo/live demo/live/src demo demo/refs demo/refs/heads "
		"demo/refs/tags demo/fragments demo/by-date demo/.frag .; do (cd $d; ls -1aiU "
		"| while read i n; do test $n = .. || test $i = $(stat -c %%i \"$n\") || "
		"{ echo $d/$n: $i; exit 1; }; done); done");
}

static void shares_an_inode_between_equal_files(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$M/demo/fragments\"; test 00001*/src/main.c -ef 00005*/src/main.c; "
		      "test ! 00001*/README.md -ef 00002*/README.md; test ! 00001*/src -ef "
		      "00002*/src; "
		      "test \"$(stat -c %%h 00001*/src/main.c)\" = 1; test ../review/1/run.sh "
		      "-ef 00005*/run.sh");
}

static void refuses_to_change_history(void **state)
{
	struct mounted *m = *state;

	mounted_sh(
		m,
		"cd \"$M/demo/at/main/\"; ! touch new 2>/dev/null; ! rm README.md 2>/dev/null; "
		"! mkdir d 2>/dev/null; ! echo x 2>/dev/null >>README.md; ! chmod 600 "
		"README.md 2>/dev/null; ! truncate -s 0 README.md 2>/dev/null; "
		"! mv README.md r 2>/dev/null; ! ln README.md r 2>/dev/null; ! ln -s a b "
		"2>/dev/null; ! rmdir src/deep/er 2>/dev/null; test \"$(cat README.md | wc "
		"-l)\" = 2; "
		"LC_ALL=C touch new 2>&1 | grep -q 'Read-only'");
	mounted_sh(
		m,
		"cd \"$M/demo\"; for n in x fragments/x refs/heads/x at/x review/x by-date/x "
		".frag/x; do ! mkdir $n 2>/dev/null; ! touch $n 2>/dev/null; done; "
		"! rmdir live 2>/dev/null; ! mv live old 2>/dev/null; ! rmdir \"$M/demo\" "
		"2>/dev/null; ! mv \"$M/demo\" \"$M/other\" 2>/dev/null");
}

/* The pages of a blob are shared by all fragments: nobody may get them for writing, root neither. */
static void lends_no_page_of_history_for_writing(void **state)
{
	struct mounted *m = *state;
	char path[400];

	snprintf(path, sizeof(path), "%s/demo/at/main/src/main.c", m->mnt);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(open(path, i ? O_WRONLY : O_RDWR), -1);
		assert_int_equal(errno, EACCES);
	}
	assert_int_equal(open(path, O_RDONLY | O_TRUNC), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(truncate(path, 0), -1);
	assert_int_equal(errno, EACCES);
	snprintf(path, sizeof(path), "%s/demo/.frag/head", m->mnt);
	assert_int_equal(open(path, O_RDWR), -1);
	assert_int_equal(errno, EACCES);
	mounted_sh(m, "test \"$(cat \"$M/demo/at/1/src/main.c\")\" = 'int main;'");
}

static void mounts_nowhere_it_should_not(void **state)
{
	struct mounted *m = *state;
	pid_t first = m->daemon;
	char at[400];

	assert_int_equal(mounted_try(m, m->mnt), FS_MOUNTED);
	snprintf(at, sizeof(at), "%s/full", m->s.path);
	mounted_sh(m, "mkdir full; touch full/x");
	assert_int_equal(mounted_try(m, at), FS_NOT_EMPTY);
	snprintf(at, sizeof(at), "%s/run", m->home);
	assert_int_equal(mounted_try(m, at), FS_INSIDE_HOME);
	assert_int_equal(mounted_try(m, m->s.path), FS_INSIDE_HOME);
	snprintf(at, sizeof(at), "%s/none", m->s.path);
	assert_int_equal(mounted_try(m, at), -ENOENT);
	snprintf(at, sizeof(at), "%s/full/x", m->s.path);
	assert_int_equal(mounted_try(m, at), -ENOTDIR);
	m->daemon = first;
}

static void mounts_anew_over_a_dead_mount(void **state)
{
	struct mounted *m = *state;

	assert_int_equal(mounted_stop(m, SIGKILL), 128 + SIGKILL);
	assert_int_not_equal(mounted_try_sh(m, "ls \"$M\""), 0);
	mounted_start(m);
	assert_string_equal(
		mounted_sh(
			m,
			"cat \"$M/demo/at/1/README.md\"; grep -c \" $M \" /proc/self/mounts"),
		"hello\n1");
}

static void mounts_with_the_promised_options(void **state)
{
	struct mounted *m = *state;
	const char *line = mounted_sh(m, "grep \" $M \" /proc/self/mounts");

	assert_non_null(strstr(line, "fragfs "));
	assert_non_null(strstr(line, " fuse.frag rw,nosuid,nodev,"));
	assert_non_null(strstr(line, "default_permissions"));
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(shows_projects_and_hides_control),
		CLAIM(names_fragments_by_number_hash_and_title),
		CLAIM(shows_files_as_git_has_them),
		CLAIM(leads_from_refs_to_fragments),
		CLAIM(resolves_any_revision),
		CLAIM(shows_a_commit_without_number_as_a_directory),
		CLAIM(sorts_fragments_by_day),
		CLAIM(reports_itself_in_files),
		CLAIM(shows_a_patch_between_two_revisions),
		CLAIM(shows_a_file_through_time),
		CLAIM(answers_xattrs_by_name_and_lists_none),
		CLAIM(lets_git_review_a_fragment),
		CLAIM(keeps_inode_numbers_over_a_remount),
		CLAIM(lists_the_inode_number_that_stat_gives),
		CLAIM(shares_an_inode_between_equal_files),
		CLAIM(refuses_to_change_history),
		CLAIM(lends_no_page_of_history_for_writing),
		CLAIM(mounts_nowhere_it_should_not),
		CLAIM(mounts_anew_over_a_dead_mount),
		CLAIM(mounts_with_the_promised_options),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
