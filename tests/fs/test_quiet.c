/* tests/fs/test_quiet.c - what is known already costs no request: proven by counting them. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fs/mounted.h"

static int n_files;

/* What every program does to a file: stat, open, read, close; and to a directory: list. */
static int touch(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	char buf[4096];
	int fd;

	if (kind != FTW_F)
		return 0;
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	while (read(fd, buf, sizeof(buf)) > 0)
		n_files++;
	assert_int_equal(close(fd), 0);
	return 0;
}

static void walk(struct mounted *m, const char *below)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", m->mnt, below);
	n_files = 0;
	assert_int_equal(nftw(path, touch, 16, FTW_PHYS), 0);
}

/* Requests that `below` costs when walked `n` times, beyond what reading the counters costs. */
static int64_t cost(struct mounted *m, const char *below, int n)
{
	int64_t before, idle;

	/* Twice: the shell that asks has to be warm as well. */
	mounted_requests(m, NULL);
	before = mounted_requests(m, NULL);
	idle = mounted_requests(m, NULL) - before;
	before = mounted_requests(m, NULL);
	for (int i = 0; i < n; i++)
		walk(m, below);
	return mounted_requests(m, NULL) - before - idle;
}

static void asks_nothing_in_a_warm_fragment(void **state)
{
	struct mounted *m = *state;
	char dir[300];

	snprintf(dir, sizeof(dir), "demo/fragments/%s",
		 mounted_sh(m, "ls \"$M/demo/fragments\" | tail -1"));
	walk(m, dir);
	walk(m, dir);
	assert_int_equal(cost(m, dir, 100), 0);
	assert_true(n_files > 5);
}

static void asks_nothing_in_a_warm_live(void **state)
{
	struct mounted *m = *state;

	walk(m, "demo/live");
	walk(m, "demo/live");
	assert_int_equal(cost(m, "demo/live", 100), 0);
}

static void asks_nothing_in_warm_lists(void **state)
{
	struct mounted *m = *state;
	int64_t before, idle;

	/* A listing that was asked for makes the next stat of its directory ask once more. */
	for (int i = 0; i < 3; i++)
		mounted_sh(
			m,
			"ls \"$M\" \"$M/demo\" \"$M/demo/fragments\" \"$M/demo/refs/heads\"; "
			"cat \"$M/demo/refs/heads/main/README.md\"");

	mounted_requests(m, NULL);
	before = mounted_requests(m, NULL);
	idle = mounted_requests(m, NULL) - before;
	before = mounted_requests(m, NULL);
	mounted_sh(m,
		   "for i in 1 2 3 4 5 6 7 8 9; do ls \"$M\" \"$M/demo\" \"$M/demo/fragments\" "
		   "\"$M/demo/refs/heads\"; cat \"$M/demo/refs/heads/main/README.md\"; done");
	assert_int_equal(mounted_requests(m, NULL) - before - idle, 0);
}

static void never_hears_of_opens(void **state)
{
	struct mounted *m = *state;

	for (int i = 0; i < 10; i++)
		walk(m, "demo/live");
	assert_in_range(mounted_requests(m, "open"), 0, 1);
	assert_in_range(mounted_requests(m, "opendir"), 0, 1);
	assert_in_range(mounted_requests(m, "flush"), 0, 1);
}

static void reads_equal_files_once(void **state)
{
	struct mounted *m = *state;
	int64_t before;

	mounted_sh(m, "cat \"$M/demo/at/1/src/main.c\"");
	before = mounted_requests(m, "read");
	mounted_sh(m, "cat \"$M/demo/at/5/src/main.c\" \"$M/demo/at/3/src/main.c\"");
	/* one is the reading of the counter */
	assert_in_range(mounted_requests(m, "read") - before, 0, 1);
}

static void walks_with_two_requests_a_directory(void **state)
{
	struct mounted *m = *state;
	int64_t before;

	mounted_sh(m, "cd \"$W\"; git checkout -q -b wide; for d in a b c d; do mkdir $d; for "
		      "i in $(seq 50); "
		      "do echo $d$i >$d/$i; done; done; git add -A; git commit -qm wide; git "
		      "push -q origin wide");
	mounted_until(m, 2000, "ls \"$M/demo/refs/heads/wide/a\"");
	before = mounted_requests(m, "lookup") + mounted_requests(m, "getattr");
	mounted_sh(m, "test $(find \"$M/demo/refs/heads/wide/\" -type f -printf '%%s\\n' | wc "
		      "-l) -ge 200");
	assert_in_range(mounted_requests(m, "lookup") + mounted_requests(m, "getattr") - before,
			0, 20);
}

enum { DIRS = 12, FILES = 30 };

/* Reads `n` files of a directory from the one numbered `from` on, and checks them; how many READs that was. */
static int64_t read_files(struct mounted *m, int dir, int from, int n)
{
	int64_t before = mounted_requests(m, "read"), idle = mounted_requests(m, "read");

	idle -= before;
	before = mounted_requests(m, "read");
	for (int i = from; i < from + n; i++) {
		char path[600], want[40], got[64] = "";
		int fd;

		snprintf(path, sizeof(path), "%s/demo/at/wide/d%d/f%02d", m->mnt, dir, i);
		snprintf(want, sizeof(want), "file %d of %d\n", i, dir);
		fd = open(path, O_RDONLY);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, got, sizeof(got)), strlen(want));
		assert_string_equal(got, want);
		assert_int_equal(close(fd), 0);
	}
	return mounted_requests(m, "read") - before - idle;
}

/* The second file that is read makes the rest of the directory come by itself. The thread that brings it has no
 * deadline, so there are many directories to be quick in; without it not one would do. */
static void brings_the_rest_of_a_directory(void **state)
{
	struct mounted *m = *state;
	int n_quick = 0;

	mounted_sh(
		m,
		"cd \"$W\"; for d in $(seq 0 11); do mkdir d$d; for f in $(seq 10 39); do "
		"echo \"file $f of $d\" >d$d/f$f; done; done; git add -A; git commit -qm wide; "
		"git push -q origin HEAD:refs/heads/wide");
	mounted_until(m, 2000, "test -e \"$M/demo/at/wide/run.sh\"");
	for (int d = 0; d < DIRS; d++) {
		mounted_sh(m, "ls -l \"$M/demo/at/wide/d%d\" >/dev/null", d);
		/* neither a listing nor one file is reason enough */
		assert_int_equal(read_files(m, d, 10, 1), 1);
		assert_int_equal(read_files(m, d, 11, 1), 1);
		n_quick += read_files(m, d, 12, FILES - 2) < FILES / 4;
	}
	assert_true(n_quick > 0);
}

static void forgets_what_the_kernel_forgets(void **state)
{
	struct mounted *m = *state;
	static const char nodes[] =
		"sed -n 's/.*\"nodes\":\\([0-9]*\\).*/\\1/p' \"$M/.frag/stats.json\"";
	char before[32];

	mounted_sh(m, "cd \"$M\"; find . >/dev/null");
	snprintf(before, sizeof(before), "%s", mounted_sh(m, "%s", nodes));
	mounted_sh(m, "test %s -gt 30", before);
	if (mounted_try_sh(m, "echo 2 >/proc/sys/vm/drop_caches"))
		skip();
	mounted_until(m, 2000,
		      "test $(sed -n 's/.*\"nodes\":\\([0-9]*\\).*/\\1/p' "
		      "\"$M/.frag/stats.json\") -lt 15");
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, mounted_setup, mounted_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(asks_nothing_in_a_warm_fragment),
		CLAIM(asks_nothing_in_a_warm_live),
		CLAIM(asks_nothing_in_warm_lists),
		CLAIM(never_hears_of_opens),
		CLAIM(reads_equal_files_once),
		CLAIM(walks_with_two_requests_a_directory),
		CLAIM(brings_the_rest_of_a_directory),
		CLAIM(forgets_what_the_kernel_forgets),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
