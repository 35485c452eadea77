/* One configuration file: git's syntax, and no other file than the one named. */
#include "store/config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "tests/scratch.h"

static int get(const struct scratch *s, const char *text, const char *key, char **ret)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/config", s->path);
	scratch_write(s, "config", text);
	return config_file_get(path, key, ret);
}

static void reads_a_quoted_value(void **state)
{
	CLEANUP(free_p) char *v = NULL;

	assert_int_equal(get(*state, "[user]\n\tname = \"A; U\" Thor # x\n", "user.name", &v),
			 0);
	assert_string_equal(v, "A; U Thor");
}

static void takes_the_last_of_several_values(void **state)
{
	CLEANUP(free_p) char *v = NULL;

	assert_int_equal(get(*state, "[user]\nname=a\n[user]\nname=b\n", "user.name", &v), 0);
	assert_string_equal(v, "b");
}

static void tells_a_missing_key_and_a_missing_file(void **state)
{
	char *v = NULL;

	assert_int_equal(get(*state, "[user]\nname=a\n", "user.email", &v),
			 CONFIG_FILE_MISSING);
	assert_int_equal(config_file_get("/nonexistent/config", "user.name", &v),
			 CONFIG_FILE_MISSING);
	assert_null(v);
}

static void refuses_what_does_not_parse(void **state)
{
	char *v = NULL;

	log_open(-1, LOG_LEVEL_ERR, false);
	assert_true(get(*state, "[user\nname = x\n", "user.name", &v) < 0);
	assert_null(v);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_a_quoted_value),
		TEST(takes_the_last_of_several_values),
		TEST(tells_a_missing_key_and_a_missing_file),
		TEST(refuses_what_does_not_parse),
	};

	return cmocka_run_group_tests_name("config_file", tests, NULL, NULL);
}
