/* Temporary directories for tests.
 *
 * Every test makes its own and removes it, so tests run side by side and leave a machine as they
 * found it. A descriptor that outlives its test is a leak of the code under test and fails it.
 */
#include "tests/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
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

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/io.h"

int scratch_open_fds(void)
{
	CLEANUP(closedirp) DIR *dir = opendir("/proc/self/fd");
	int n = -1; /* the one that counts */

	while (dir && readdir(dir))
		n++;
	return n;
}

void scratch_init(struct scratch *s)
{
	const char *base = getenv("TMPDIR");

	s->n_open = scratch_open_fds();
	(void)snprintf(s->path, sizeof(s->path), "%s/frag-test-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(s->path));
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->fd >= 0);
}

void scratch_deinit(struct scratch *s)
{
	close(s->fd);
	assert_int_equal(io_remove_tree(AT_FDCWD, s->path), 0);
	if (s->n_open != INT_MAX)
		assert_int_equal(scratch_open_fds(), s->n_open);
}

int scratch_setup(void **state)
{
	struct scratch *s = alloc_zero(sizeof(*s));

	scratch_init(s);
	*state = s;
	return 0;
}

int scratch_teardown(void **state)
{
	struct scratch *s = *state;

	scratch_deinit(s);
	free(s);
	return 0;
}

void scratch_write(const struct scratch *s, const char *path, const char *text)
{
	CLEANUP(close_p)
	int fd = openat(s->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

const char *scratch_read(const struct scratch *s, const char *path)
{
	CLEANUP(close_p) int fd = openat(s->fd, path, O_RDONLY | O_CLOEXEC);
	static char text[65536];
	ssize_t n;

	assert_true(fd >= 0);
	n = io_read_all(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}
