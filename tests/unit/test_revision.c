/* What people type: numbers, dates and git's syntax, told apart, and three kinds of no. */
#include "store/revision.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/fragment.h"
#include "store/refresh.h"
#include "tests/repo.h"

static int history_setup(void **state)
{
	struct refresh_result res;
	struct repo *r;

	assert_int_equal(repo_setup(state), 0);
	r = *state;
	(void)repo_sh(r, "git checkout -qb main 2>/dev/null || :; "
			 "c() { echo $1 >f; git add f; GIT_COMMITTER_DATE=\"$2\" git commit "
			 "-qm \"$1\"; }; "
			 "c 'add login' '2026-11-20T10:00:00 +0000'; "
			 "c 'fix login' '2026-11-21T10:00:00 +0000'; "
			 "c 'add shop' '2026-11-21T23:30:00 +0000'; git tag -m t v1 HEAD~1; "
			 "git branch 42; git branch side HEAD~2");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_int_equal(res.last, 3);
	return 0;
}

static void assert_is(struct repo *r, const char *rev, const char *git)
{
	struct oid want = repo_oid(r, "git rev-parse '%s^{commit}'", git), got;
	int x = revision_resolve(r->p, rev, &got);

	if (x)
		fail_msg("'%s': outcome %d", rev, x);
	if (!oid_eq(&got, &want))
		fail_msg("'%s' is not '%s'", rev, git);
}

static void numbers_are_fragments(void **state)
{
	struct repo *r = *state;

	assert_is(r, "1", "main~2");
	assert_is(r, "3", "main");
	assert_is(r, "seq:2", "main~1");
	assert_is(r, "00002", "main~1");
	assert_is(r, "refs/heads/42", "main");
}

static void a_fragments_directory_name_is_one(void **state)
{
	struct repo *r = *state;
	char name[FRAGMENT_NAME_MAX];
	struct fragment f;
	struct oid got;

	assert_int_equal(fragment_get(r->p, 2, &f), 0);
	(void)fragment_name(&f, name);
	assert_is(r, name, "main~1");
	name[strlen(name) - 1] = 'x';
	assert_int_equal(revision_resolve(r->p, name, &got), REVISION_MISSING);
}

static void git_syntax_is_gits(void **state)
{
	static const char *const same[] = {
		"main", "HEAD",          "HEAD~1", "main^",      "v1",           "v1~1",
		"side", "main^{/login}", "HEAD^0", "heads/side", "refs/tags/v1", "v1^{commit}",
		"@"};
	struct repo *r = *state;
	struct oid main = repo_oid(r, "git rev-parse main");
	char hex[OID_HEX_LEN + 1];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_is(r, same[i], same[i]);
	assert_is(r, ":/shop", "main");
	assert_is(r, ":/^fix", "main~1");
	assert_is(r, "HEAD^{/^add}~1", "main~1");
	assert_is(r, "main~1^{/add}", "main~2");
	assert_is(r, "main^{/fix}^{/add}", "main~2");
	oid_hex(&main, hex);
	assert_is(r, hex, "main");
	hex[9] = '\0';
	assert_is(r, hex, "main");
}

static void dates_are_the_last_version_not_newer(void **state)
{
	struct repo *r = *state;
	struct oid got;

	assert_is(r, "2026-11-20", "main~2");
	assert_is(r, "2026-11-21", "main");
	assert_is(r, "2026-11-21T10:00:00Z", "main~1");
	assert_is(r, "2026-11-21T10:59:59+01:00", "main~2");
	assert_is(r, "2026-11-21 12:00", "main~1");
	assert_is(r, "2030-01-01", "main");
	assert_int_equal(revision_resolve(r->p, "2026-11-19", &got), REVISION_MISSING);
}

static void three_kinds_of_no(void **state)
{
	static const char *const missing[] = {
		"4",           "0",
		"none",        "main~9",
		"seq:99",      "v1^{x}",
		"main^2",      "deadbeef",
		"99999999999", "1111111111111111111111111111111111111111"};
	static const char *const bad[] = {"",         "-x",          "--all",
					  "main:f",   "main^{tree}", "a\nb",
					  "seq:",     "seq:1x",      "main~x",
					  "main^{",   "main^{/(}",   ":/",
					  "main^{/x", "@{-1}x"};
	struct repo *r = *state;
	struct oid got = {{1}};

	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		int x = revision_resolve(r->p, missing[i], &got);

		/* What git's syntax has no word for is bad in one library and missing in another. */
		if (x != REVISION_MISSING && !(x == REVISION_BAD && strchr(missing[i], '{')))
			fail_msg("'%s': %d", missing[i], x);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int x = revision_resolve(r->p, bad[i], &got);

		if (x != REVISION_BAD && !(x == REVISION_MISSING && strchr("m@", bad[i][0])))
			fail_msg("'%s': %d", bad[i], x);
	}
	assert_int_equal(got.id[0], 1);
}

static void a_start_that_several_objects_share_is_ambiguous(void **state)
{
	struct repo *r = *state;
	CLEANUP(free_p)
	char *start = alloc_str(repo_sh(
		r, "i=0; while [ $i -lt 900 ]; do i=$((i+1)); echo $i; done | "
		   "while read n; do echo $n | git hash-object -w --stdin; done | cut -c1-4 | "
		   "sort | uniq -d | grep [a-f] | head -1"));
	struct oid got;

	assert_int_equal(strlen(start), 4);
	assert_int_equal(revision_resolve(r->p, start, &got), REVISION_AMBIGUOUS);
}

static void an_empty_project_has_no_versions(void **state)
{
	struct repo *r = *state;
	struct oid got;

	assert_int_equal(revision_resolve(r->p, "HEAD", &got), REVISION_MISSING);
	assert_int_equal(revision_resolve(r->p, "1", &got), REVISION_MISSING);
	assert_int_equal(revision_resolve(r->p, "2026-11-21", &got), REVISION_MISSING);
}

#define ON_A_HISTORY(claim) cmocka_unit_test_setup_teardown(claim, history_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_HISTORY(numbers_are_fragments),
		ON_A_HISTORY(a_fragments_directory_name_is_one),
		ON_A_HISTORY(git_syntax_is_gits),
		ON_A_HISTORY(dates_are_the_last_version_not_newer),
		ON_A_HISTORY(three_kinds_of_no),
		ON_A_HISTORY(a_start_that_several_objects_share_is_ambiguous),
		cmocka_unit_test_setup_teardown(an_empty_project_has_no_versions, repo_setup,
						repo_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
