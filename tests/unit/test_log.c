/* The log: one line per fact, whatever the names in it hold. */
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
#undef fail /* ours is under test */

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "tests/scratch.h"

static int sink(struct scratch *s, enum log_level max, bool stamped)
{
	int fd = openat(s->fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	log_open(fd, max, stamped);
	return fd;
}

static void unsink(int fd)
{
	log_open(STDERR_FILENO, LOG_LEVEL_WARN, false);
	close(fd);
}

static void levels_beyond_the_maximum_stay_silent(void **state)
{
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_WARN, false);

	log_err("area: what '%s': why", "x");
	log_warn("second");
	log_info("third");
	log_debug("fourth");
	unsink(fd);
	assert_string_equal(scratch_read(s, "log"),
			    "frag: area: what 'x': why\nfrag: second\n");
}

static void a_name_cannot_forge_a_line_or_drive_a_terminal(void **state)
{
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_WARN, false);

	log_warn("ref '%s'", "a\nfrag: forged\x1b[2J\xff\xe2\x80\xae");
	unsink(fd);
	assert_string_equal(scratch_read(s, "log"),
			    "frag: ref 'a\\x0afrag: forged\\x1b[2J\\xff\\xe2\\x80\\xae'\n");
}

static void a_long_message_is_cut_and_still_one_line(void **state)
{
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_WARN, false);
	char *name = malloc(100001);
	const char *text;

	memset(name, '\x01', 100000);
	name[100000] = '\0';
	log_warn("%s", name);
	unsink(fd);
	free(name);
	text = scratch_read(s, "log");
	assert_true(strlen(text) < 4200);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void stamped_lines_carry_time_and_level(void **state)
{
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_DEBUG, true), ms;
	char level[8] = "", word[8] = "";

	log_info("hello");
	unsink(fd);
	assert_int_equal(sscanf(scratch_read(s, "log"),
				"%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%3dZ %7s %7s", &ms, level, word),
			 3);
	assert_string_equal(level, "info");
	assert_string_equal(word, "hello");
}

static void fail_says_what_why_and_where_and_hands_the_fault_back(void **state)
{
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_WARN, false);
	const char *text;

	assert_int_equal(fail(-ENOENT, "read ref '%s'", "main"), -ENOENT);
	assert_int_equal(fail_words_at("x.c", 7, -EIO, "odb broke", "read '%d'", 5), -EIO);
	unsink(fd);
	text = scratch_read(s, "log");
	assert_non_null(strstr(text, "frag: read ref 'main': No such file or directory ["));
	assert_non_null(strstr(text, "test_log.c:"));
	assert_non_null(strstr(text, "frag: read '5': odb broke [x.c:7]\n"));
}

static void *complain(void *arg)
{
	log_err("from the other thread");
	return NULL;
}

static void a_capture_takes_errors_of_its_own_thread_only(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_ERR, true);
	pthread_t other;

	buf_init(&b, 1000);
	log_capture(&b);
	assert_int_equal(pthread_create(&other, NULL, complain, NULL), 0);
	assert_int_equal(pthread_join(other, NULL), 0);
	log_err("mine\n");
	log_warn("also mine");
	log_info("not for clients");
	log_capture(NULL);
	log_err("later");
	unsink(fd);
	assert_string_equal(b.data, "mine\\x0a\nalso mine\n");
	assert_non_null(strstr(scratch_read(s, "log"), "from the other thread"));
	assert_null(strstr(scratch_read(s, "log"), "also mine"));
}

static void a_capture_that_is_full_does_no_harm(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct scratch *s = *state;
	int fd = sink(s, LOG_LEVEL_ERR, false);

	buf_init(&b, 8);
	log_capture(&b);
	for (int i = 0; i < 100; i++)
		log_err("a line of some length %d", i);
	log_capture(NULL);
	unsink(fd);
	assert_true(b.len <= 8);
	assert_non_null(strstr(scratch_read(s, "log"), "length 99\n"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(levels_beyond_the_maximum_stay_silent),
		TEST(a_name_cannot_forge_a_line_or_drive_a_terminal),
		TEST(a_long_message_is_cut_and_still_one_line),
		TEST(stamped_lines_carry_time_and_level),
		TEST(fail_says_what_why_and_where_and_hands_the_fault_back),
		TEST(a_capture_takes_errors_of_its_own_thread_only),
		TEST(a_capture_that_is_full_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
