/* tests/fs/test_crowd.c - many at once: readers, a committer and gc, for a while.
 *
 * Ten seconds unless CROWD_SECONDS says otherwise. Every byte that is read has to be right: a file holds the
 * number of its own commit in every line, so a torn or mixed answer shows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/fs/mounted.h"

enum { READERS = 8, LINES = 400, FILES = 12 };

struct crowd {
	char mnt[300];
	_Atomic int stop;
	_Atomic long n_read, n_bad;
	char why[200];
};

static void complain(struct crowd *c, const char *path, const char *why)
{
	if (!c->n_bad++)
		snprintf(c->why, sizeof(c->why), "%.150s: %s", path, why);
}

/* Every line of a file is the same, and so is its length. */
static void check_file(struct crowd *c, const char *path)
{
	char buf[LINES * 8 + 1];
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	if (fd < 0) {
		if (errno != ENOENT)
			complain(c, path, strerror(errno));
		return;
	}
	while ((n = read(fd, buf + len, sizeof(buf) - 1 - (size_t)len)) > 0)
		len += n;
	close(fd);
	if (n < 0)
		complain(c, path, strerror(errno));
	else if (len != LINES * 8)
		complain(c, path, "its length is wrong");
	for (ssize_t i = 8; i < len; i += 8) {
		if (memcmp(buf, buf + i, 8) == 0)
			continue;
		complain(c, path, "two versions in one file");
		break;
	}
	c->n_read++;
}

static void check_list(struct crowd *c, const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	if (!d) {
		complain(c, path, strerror(errno));
		return;
	}
	while ((e = readdir(d)))
		if (e->d_ino == 0)
			complain(c, path, "no inode number");
	closedir(d);
}

static void *read_on(void *arg)
{
	struct crowd *c = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;
	char path[400];

	while (!c->stop) {
		int file = rand_r(&seed) % FILES;

		snprintf(path, sizeof(path), "%s/demo/live/many/f%d", c->mnt, file);
		check_file(c, path);
		snprintf(path, sizeof(path), "%s/demo/refs/heads/main/many/f%d", c->mnt, file);
		check_file(c, path);
		snprintf(path, sizeof(path), "%s/demo/at/main/many/f%d", c->mnt, file);
		check_file(c, path);
		snprintf(path, sizeof(path), "%s/demo/fragments", c->mnt);
		check_list(c, path);
		snprintf(path, sizeof(path), "%s/demo/live", c->mnt);
		check_list(c, path);
	}
	return NULL;
}

/* One commit that rewrites all the files with a new number, and now and then a gc. */
static const char commit_one[] =
	"cd \"$W\"; i=$(($(cat \"$T/i\" 2>/dev/null || echo 0) + 1)); echo $i >\"$T/i\"; mkdir "
	"-p many; "
	"yes $(printf %07d $i) | head -n 400 >many/f0; for f in 1 2 3 4 5 6 7 8 9 10 11; do "
	"(cat many/f0) >many/f$f; done; git add -A; git commit -qm \"number $i\"; git push -q "
	"origin main; "
	"test $((i % 4)) != 0 || git -C \"$R\" gc -q --prune=now";

static void reads_whole_versions_while_they_change(void **state)
{
	struct mounted *m = *state;
	const char *seconds = getenv("CROWD_SECONDS");
	int64_t until =
		clock_now(clock_system()) + (seconds ? strtoll(seconds, NULL, 10) : 10) * 1000;
	pthread_t threads[READERS];
	struct crowd c = {.stop = 0};

	snprintf(c.mnt, sizeof(c.mnt), "%s", m->mnt);
	mounted_sh(m, "%s", commit_one);
	mounted_until(m, 2000, "test -e \"$M/demo/live/many/f0\"");
	for (int i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, read_on, &c);
	while (clock_now(clock_system()) < until)
		mounted_sh(m, "%s", commit_one);
	c.stop = 1;
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	if (c.n_bad)
		fail_msg("%ld bad answers, first %s", (long)c.n_bad, c.why);
	print_message("# %ld files read, %s commits\n", (long)c.n_read,
		      mounted_sh(m, "cat \"$T/i\""));
	assert_true(c.n_read > 1000);
	mounted_until(m, 1000, "cmp \"$M/demo/live/many/f5\" \"$W/many/f5\"");
	/* live/ moves first */
	mounted_until(m, 1000,
		      "test $(ls \"$M/demo/fragments\" | wc -l) = $((5 + $(cat \"$T/i\")))");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_whole_versions_while_they_change,
						mounted_setup, mounted_teardown),
	};

	if (!mounted_possible())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
