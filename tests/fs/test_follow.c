/* tests/fs/test_follow.c - what plain git does to the repositories shows within a second. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fs/mounted.h"

enum { SOON_MS = 1000 };

static void shows_a_new_commit(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "ls \"$M/demo/fragments\" \"$M/demo/by-date\" \"$M\"/demo/by-date/*; cat "
		      "\"$M/demo/refs/heads/main/README.md\" "
		      "\"$M/demo/live/README.md\"");
	mounted_sh(m, "cd \"$W\"; echo new >>README.md; git commit -qam 'a new one'; git push "
		      "-q origin main");
	mounted_until(m, SOON_MS, "ls \"$M/demo/fragments\" | grep -q '^00006-.*-a-new-one$'");
	mounted_until(m, SOON_MS,
		      "tail -1 \"$M/demo/refs/heads/main/README.md\" | grep -q new");
	mounted_until(m, SOON_MS, "tail -1 \"$M/demo/live/README.md\" | grep -q new");
	mounted_until(m, SOON_MS, "test $(find \"$M/demo/by-date\" -type l | wc -l) = 6");
	mounted_sh(m, "grep -q a-new-one \"$M/demo/.frag/head\"");
}

static void follows_refs_as_they_come_move_and_go(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$M/demo/refs\"; find . >/dev/null; cat heads/main/README.md; ! ls "
		      "heads/new 2>/dev/null");
	mounted_sh(m, "git -C \"$R\" branch new v1~1");
	mounted_until(m, SOON_MS,
		      "test \"$(cat \"$M/demo/refs/heads/new/README.md\")\" = hello; "
		      "ls \"$M/demo/refs/heads\" | grep -q new");
	mounted_sh(m, "git -C \"$R\" branch -f new v1");
	mounted_until(m, SOON_MS, "test \"$M/demo/refs/heads/new\" -ef \"$M/demo/at/v1\"");
	mounted_sh(m, "git -C \"$R\" branch deep/er/branch v1; git -C \"$R\" tag deep/tag v1");
	mounted_until(m, SOON_MS,
		      "test \"$M/demo/refs/heads/deep/er/branch\" -ef \"$M/demo/at/v1\"; "
		      "ls \"$M/demo/refs/tags/deep\" | grep -q tag");
	mounted_sh(m, "git -C \"$R\" branch -D new deep/er/branch");
	mounted_until(m, SOON_MS,
		      "! ls \"$M/demo/refs/heads/new\" 2>/dev/null; "
		      "! ls \"$M/demo/refs/heads/deep\" 2>/dev/null; "
		      "test \"$(ls \"$M/demo/refs/heads\" | tr '\\n' ' ')\" = 'feature main '");
}

static void sees_refs_through_packing(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "find \"$M/demo/refs\"; git -C \"$R\" pack-refs --all --prune; git -C "
		      "\"$R\" gc -q");
	mounted_sh(m, "test \"$M/demo/refs/heads/main\" -ef \"$M/demo/at/main\"; test -e "
		      "\"$M/demo/refs/heads/feature/x\"");
	mounted_sh(m, "git -C \"$R\" branch -D feature/x");
	mounted_until(m, SOON_MS, "! ls \"$M/demo/refs/heads/feature\" 2>/dev/null");
}

static void shows_projects_as_they_come_move_and_go(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "ls \"$M\"; ! ls \"$M/other\" 2>/dev/null");
	mounted_sh(m, "git clone -q --bare \"$W\" \"$H/projects/other.git\"");
	mounted_until(m, SOON_MS,
		      "ls \"$M\" | grep -q other; test -e \"$M/other/live/README.md\"");
	mounted_sh(m, "mv \"$H/projects/other.git\" \"$H/projects/another.git\"");
	mounted_until(m, SOON_MS,
		      "! ls \"$M/other\" 2>/dev/null; test \"$(ls \"$M\" | tr '\\n' ' ')\" = "
		      "'another demo '; "
		      "test -e \"$M/another/live/README.md\"");
	mounted_sh(m, "rm -rf \"$H/projects/another.git\"");
	mounted_until(m, SOON_MS,
		      "test \"$(ls \"$M\")\" = demo; ! ls \"$M/another\" 2>/dev/null");
	mounted_sh(m, "git init -q --bare -b main \"$H/projects/empty.git\"");
	mounted_until(m, SOON_MS,
		      "ls \"$M/empty/live\"; test -z \"$(ls \"$M/empty/fragments\")\"");
	mounted_sh(m, "git -C \"$W\" push -q \"$H/projects/empty.git\" 'main:refs/heads/main'");
	mounted_until(m, SOON_MS, "test -e \"$M/empty/live/README.md\"");
}

static void moves_live_with_its_branch(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$M/demo/live\"; find . -type f | xargs cat >/dev/null; ! ls gone "
		      "2>/dev/null; test -e feature");
	mounted_sh(m, "git -C \"$R\" update-ref refs/heads/main v1~1");
	mounted_until(
		m, SOON_MS,
		"cd \"$M/demo/live\"; test \"$(cat README.md)\" = hello; test ! -e feature; "
		"test \"$(find . -type f | wc -l)\" = 6");
	mounted_sh(m, "git -C \"$R\" update-ref refs/heads/main v2^{}");
	mounted_until(m, SOON_MS,
		      "cd \"$M/demo/live\"; test -e feature; diff -r -x .git . ../at/main/");
}

static void keeps_what_did_not_change_in_live(void **state)
{
	static const char old[] = "cd \"$M/demo/live\"; stat -c '%i %Y' src/main.c run.sh";
	struct mounted *m = *state;
	char before[200];

	snprintf(before, sizeof(before), "%s",
		 mounted_sh(m, "cd \"$M/demo/live\"; stat -c '%%i %%Y' src/main.c run.sh"));
	mounted_sh(m, "cd \"$W\"; GIT_COMMITTER_DATE='2001-01-01T00:00:00Z' git commit -q "
		      "--allow-empty -m e; "
		      "echo z >>README.md; git commit -qam z; git push -q origin main");
	mounted_until(m, SOON_MS, "grep -q z \"$M/demo/live/README.md\"");
	assert_int_equal(mounted_try_sh(m, old), 0);
	assert_string_equal(mounted_out(), before);
	/* what changed is as new as the clock, whatever the commit says */
	mounted_sh(
		m,
		"test $(( $(date +%%s) - $(stat -c %%Y \"$M/demo/live/README.md\") )) -le 2");
	mounted_sh(m, "git -C \"$R\" update-ref refs/heads/main v1");
	mounted_until(m, SOON_MS, "! grep -q z \"$M/demo/live/README.md\"");
	mounted_sh(
		m,
		"test $(( $(date +%%s) - $(stat -c %%Y \"$M/demo/live/README.md\") )) -le 2");
}

static void leaves_open_files_of_live_whole(void **state)
{
	struct mounted *m = *state;
	char path[400], buf[64] = "";
	const char *map;
	int fd;

	snprintf(path, sizeof(path), "%s/demo/live/README.md", m->mnt);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	mounted_sh(m,
		   "cd \"$W\"; : >README.md; git commit -qam shorter; git push -q origin main");
	mounted_until(m, SOON_MS, "test ! -s \"$M/demo/live/README.md\"");
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 11);
	assert_string_equal(buf, "hello\nmore\n");
	assert_memory_equal(map, "hello\nmore\n", 11);
	munmap((void *)(uintptr_t)map, 4096);
	close(fd);
}

static void changes_a_file_into_a_directory_and_back(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cd \"$M/demo/live\"; cat src/main.c empty; ls src/deep/er");
	mounted_sh(m, "cd \"$W\"; git rm -q -r src/deep; echo file >src/deep; git rm -q empty; "
		      "mkdir empty; "
		      "echo in >empty/in; ln -s empty run; git add -A; git commit -qm types; "
		      "git push -q origin main");
	mounted_until(m, SOON_MS,
		      "cd \"$M/demo/live\"; test \"$(cat src/deep)\" = file; test \"$(cat "
		      "run/in)\" = in");
	mounted_sh(
		m,
		"cd \"$M/demo/live\"; diff -r -x .git . ../at/main/; git -C \"$R\" update-ref "
		"refs/heads/main v2^{}");
	mounted_until(m, SOON_MS,
		      "cd \"$M/demo/live\"; diff -r -x .git . ../at/main/; test \"$(cat "
		      "src/deep/er/y)\" = y");
}

static void is_not_held_up_by_a_slow_project(void **state)
{
	struct mounted *m = *state;

	mounted_sh(m, "cp -r \"$R\" \"$H/projects/slow.git\"");
	mounted_until(m, 3000,
		      "ls \"$M/slow/fragments\" | grep -q .; cat \"$M/demo/live/README.md\"");
	/* somebody else is numbering it, for longer than this test lasts */
	mounted_sh(
		m,
		"flock \"$H/projects/slow.git/fragfs.numbering.lock\" -c 'echo $$ >\"$T/pid\"; "
		"exec tail -f /dev/null' >/dev/null 2>&1 & ");
	mounted_until(m, 2000, "test -s \"$T/pid\"");
	mounted_sh(m, "cd \"$W\"; echo slow >>README.md; git commit -qam slow; git push -q "
		      "\"$H/projects/slow.git\" main; git push -q origin main");
	mounted_until(m, SOON_MS, "grep -q slow \"$M/demo/live/README.md\"");
	mounted_sh(m, "! ls \"$M/slow/fragments\" | grep -q 00006; kill $(cat \"$T/pid\")");
	mounted_until(m, 2000, "ls \"$M/slow/fragments\" | grep -q 00006");
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(shows_a_new_commit),
		CLAIM(follows_refs_as_they_come_move_and_go),
		CLAIM(sees_refs_through_packing),
		CLAIM(shows_projects_as_they_come_move_and_go),
		CLAIM(moves_live_with_its_branch),
		CLAIM(keeps_what_did_not_change_in_live),
		CLAIM(leaves_open_files_of_live_whole),
		CLAIM(changes_a_file_into_a_directory_and_back),
		CLAIM(is_not_held_up_by_a_slow_project),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
