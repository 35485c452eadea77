/* tests/unit/test_ignore.c - what a sandbox keeps to itself, case by case. */
#include "provider/agent/ignore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum ignore_verdict judge(const char *path)
{
	return ignore_path(path, strlen(path));
}

static void keeps_ordinary_files(void **state)
{
	static const char *const paths[] = {
		"src/main.c",   "package.json", "package-lock.json",    ".gitignore",
		"a/distance/b", "targets/x",    "environment.ts",       ".envelope",
		"keys/README",  "pem",          "public/.well-known/x",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(judge(paths[i]), IGNORE_NO);
}

static void leaves_out_what_tools_make(void **state)
{
	static const char *const paths[] = {
		"node_modules/a/index.js",
		"web/node_modules",
		".next/cache/x",
		"x/__pycache__/y.pyc",
		"a.pyc",
		"rust/target/debug/app",
		".git/config",
		"sub/.GIT/hooks/post-checkout",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(judge(paths[i]), IGNORE_BULK);
}

static void never_lets_a_likely_secret_out(void **state)
{
	static const char *const paths[] = {
		".env",
		".ENV",
		"web/.env.local",
		".env.production",
		"certs/server.pem",
		"a/b/id_rsa",
		".npmrc",
		".aws/credentials",
		"home/.ssh/known_hosts",
		"store.p12",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(judge(paths[i]), IGNORE_SECRET);
}

static void knows_templates_of_settings(void **state)
{
	assert_int_equal(judge(".env.example"), IGNORE_NO);
	assert_int_equal(judge("web/.env.sample"), IGNORE_NO);
}

static void leaves_out_a_secret_inside_bulk_as_bulk(void **state)
{
	assert_int_equal(judge("node_modules/x/.npmrc"), IGNORE_BULK);
	assert_int_equal(judge(".ssh/node_modules"), IGNORE_BULK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_ordinary_files),
		cmocka_unit_test(leaves_out_what_tools_make),
		cmocka_unit_test(never_lets_a_likely_secret_out),
		cmocka_unit_test(knows_templates_of_settings),
		cmocka_unit_test(leaves_out_a_secret_inside_bulk_as_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
