/* Sources of an import: what is a path, what goes to git, what never does, and where passwords stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "store/import_git_url.h"

static void assert_kind(const char *src, enum import_git_url_kind kind)
{
	CLEANUP(import_git_url_deinit) struct import_git_url u;

	import_git_url_parse(src, &u);
	if (u.kind != kind)
		fail_msg("'%s' is taken as %d, not %d (%s)", src, u.kind, kind,
			 u.why ? u.why : "");
	assert_true((u.why != NULL) == (kind == IMPORT_GIT_URL_BAD));
}

static void tells_paths_from_addresses(void **state)
{
	static const char *const paths[] = {"/a/b", ".",     "../x:y",   "./host:path",
					    "dir",  "a/b:c", "repo.git", "/a::b"};
	static const char *const remotes[] = {
		"https://x/y", "http://x:80/y",          "ssh://a@b:22/c", "git://x/y",
		"file:///x",   "git@github.com:a/b.git", "host:path",      "HTTPS://x/y"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		assert_kind(paths[i], IMPORT_GIT_URL_PATH);
	for (size_t i = 0; i < sizeof(remotes) / sizeof(*remotes); i++)
		assert_kind(remotes[i], IMPORT_GIT_URL_REMOTE);
}

static void refuses_what_would_run_a_program(void **state)
{
	static const char *const bad[] = {"",
					  "-x",
					  "--upload-pack=touch /tmp/x",
					  "ext::sh -c 'touch /tmp/x'",
					  "fd::17",
					  "foo::bar",
					  "ftp://x/y",
					  "ext://x",
					  "ssh://-oProxyCommand=x/y",
					  "ssh://a@-oProxyCommand=x/y",
					  "ssh://-a@b/c",
					  "https://x/\ny",
					  "transport-helper::https://x/y"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_kind(bad[i], IMPORT_GIT_URL_BAD);
}

static void takes_the_password_out(void **state)
{
	CLEANUP(import_git_url_deinit) struct import_git_url u;

	import_git_url_parse("https://bot:s%65cr@t:x@host:8080/a@b/c.git?q", &u);
	assert_int_equal(u.kind, IMPORT_GIT_URL_REMOTE);
	assert_string_equal(u.url, "https://bot@host:8080/a@b/c.git?q");
	assert_string_equal(u.user, "bot");
	assert_string_equal(u.password, "secr@t:x");
}

static void keeps_a_user_without_password(void **state)
{
	CLEANUP(import_git_url_deinit) struct import_git_url u;

	import_git_url_parse("ssh://git@host/x", &u);
	assert_string_equal(u.url, "ssh://git@host/x");
	assert_string_equal(u.user, "git");
	assert_null(u.password);
}

static void names_a_project_after_its_source(void **state)
{
	static const struct {
		const char *src, *name;
	} t[] = {{"https://x/a/My App.git", "My-App"},
		 {"git@x:tool.git", "tool"},
		 {"/home/a/repo/.git", "repo"},
		 {"/home/a/repo//", "repo"},
		 {"dump.jsonl", "dump"},
		 {"/x/.hidden", "hidden"},
		 {"x/\xc3\xa4pp", "pp"},
		 {"https://x/y.git?token=1", "y"},
		 {"a.git.git", "a"},
		 {"...x--y...", "x-y"}};
	char name[IMPORT_GIT_NAME_SIZE];

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		assert_true(import_git_url_name(t[i].src, name));
		assert_string_equal(name, t[i].name);
	}
	assert_false(import_git_url_name("/", name));
	assert_false(import_git_url_name("..", name));
	assert_false(import_git_url_name("x/\xc3\xa4", name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_paths_from_addresses),
		cmocka_unit_test(refuses_what_would_run_a_program),
		cmocka_unit_test(takes_the_password_out),
		cmocka_unit_test(keeps_a_user_without_password),
		cmocka_unit_test(names_a_project_after_its_source),
	};

	return cmocka_run_group_tests_name("import_git_url", tests, NULL, NULL);
}
