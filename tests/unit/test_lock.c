/* Locks: one holder, released by closing or dying, never by a stale file. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "tests/scratch.h"

static void one_holder_at_a_time(void **state)
{
	struct scratch *s = *state;
	int first = -1, second = -1;

	assert_int_equal(lock_take(s->fd, "l", "import", false, &first), 0);
	assert_int_equal(lock_take(s->fd, "l", "gc", false, &second), LOCK_HELD);
	assert_int_equal(second, -1);
	close(first);
	assert_int_equal(lock_take(s->fd, "l", "gc", false, &second), 0);
	close(second);
}

static void says_who_holds_it(void **state)
{
	struct scratch *s = *state;
	char text[64], want[64];
	int fd = -1;

	lock_holder(s->fd, "none", text, sizeof(text));
	assert_string_equal(text, "");
	scratch_write(s, "l", "999999 somebody with a very long name who was here before\n");
	assert_int_equal(lock_take(s->fd, "l", "import app", false, &fd), 0);
	lock_holder(s->fd, "l", text, sizeof(text));
	(void)snprintf(want, sizeof(want), "%ld import app", (long)getpid());
	assert_string_equal(text, want);
	lock_holder(s->fd, "l", text, 4);
	assert_int_equal(strlen(text), 3);
	close(fd);
}

/* A child takes the lock, says so through the pipe, and waits to be killed. */
static pid_t holder(struct scratch *s, int told[2])
{
	pid_t pid;

	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (!pid) {
		int fd;
		char ok = lock_take(s->fd, "l", "child", false, &fd) == 0;

		(void)!write(told[1], &ok, 1);
		pause();
		_exit(0);
	}
	return pid;
}

static void a_killed_holder_leaves_nothing_behind(void **state)
{
	struct scratch *s = *state;
	int told[2], fd = -1;
	char ok = 0;
	pid_t pid = holder(s, told);

	assert_int_equal(read(told[0], &ok, 1), 1);
	assert_true(ok);
	assert_int_equal(lock_take(s->fd, "l", "us", false, &fd), LOCK_HELD);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(lock_take(s->fd, "l", "us", true, &fd), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(fd);
	close(told[0]);
	close(told[1]);
}

static void a_link_in_the_locks_place_is_refused(void **state)
{
	struct scratch *s = *state;
	int fd = -1;

	scratch_write(s, "canary", "untouched");
	assert_int_equal(symlinkat("canary", s->fd, "l"), 0);
	assert_int_equal(lock_take(s->fd, "l", "us", false, &fd), -ELOOP);
	assert_string_equal(scratch_read(s, "canary"), "untouched");
	assert_int_equal(lock_take(s->fd, "none/l", "us", false, &fd), -ENOENT);
	assert_int_equal(fd, -1);
}

static void a_name_longer_than_a_line_does_no_harm(void **state)
{
	struct scratch *s = *state;
	char what[1000], text[300];
	int fd = -1;

	memset(what, 'x', sizeof(what) - 1);
	what[sizeof(what) - 1] = '\0';
	assert_int_equal(lock_take(s->fd, "l", what, true, &fd), 0);
	lock_holder(s->fd, "l", text, sizeof(text));
	assert_true(strlen(text) > 200 && strlen(text) < 256);
	close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_holder_at_a_time),
		TEST(says_who_holds_it),
		TEST(a_killed_holder_leaves_nothing_behind),
		TEST(a_link_in_the_locks_place_is_refused),
		TEST(a_name_longer_than_a_line_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
