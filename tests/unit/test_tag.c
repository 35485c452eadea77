/* Tag objects: as git writes them, as git's fsck wants them. */
#include "store/tag.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "store/ref.h"
#include "tests/repo.h"

static char name[] = "A U Thor", email[] = "a@example.com";
static const struct oid zero;

static struct tag_spec spec_of(struct repo *r, const char *tag, const char *message)
{
	return (struct tag_spec){
		.target = repo_oid(r, "echo c | git commit-tree $(git mktree </dev/null)"),
		.name = tag,
		.message = message,
		.tagger = {.name = name, .email = email, .time = 1700000000, .tz = -90},
	};
}

static void writes_what_git_reads_back(void **state)
{
	struct repo *r = *state;
	struct tag_spec spec = spec_of(r, "v1", "first\n\nbody");
	struct oid tag, at;

	assert_int_equal(tag_write(r->p, &spec, &tag), 0);
	assert_int_equal(ref_advance(r->p, "refs/tags/v1", &zero, &tag, "why"), 0);
	assert_string_equal(
		repo_sh(r, "git cat-file tag v1 | tail -n +2"),
		"type commit\ntag v1\ntagger A U Thor <a@example.com> 1700000000 -0130\n"
		"\nfirst\n\nbody");
	assert_string_equal(
		repo_sh(r, "git fsck --strict 2>&1 | grep -vE '^(dangling|notice)' || true"),
		"");
	assert_int_equal(ref_read(r->p, "refs/tags/v1", &at), 0);
	assert_true(oid_eq(&at, &spec.target));
}

static void gives_the_tag_itself_to_who_wants_to_change_the_ref(void **state)
{
	struct repo *r = *state;
	struct tag_spec spec = spec_of(r, "v1", "m");
	struct oid tag, at;

	assert_int_equal(tag_write(r->p, &spec, &tag), 0);
	assert_int_equal(ref_value(r->p, "refs/tags/v1", &at), REF_MISSING);
	assert_int_equal(ref_advance(r->p, "refs/tags/v1", &zero, &tag, "why"), 0);
	assert_int_equal(ref_value(r->p, "refs/tags/v1", &at), 0);
	assert_true(oid_eq(&at, &tag));
	assert_int_equal(ref_delete(r->p, "refs/tags/v1", &spec.target), REF_MOVED);
	assert_int_equal(ref_delete(r->p, "refs/tags/v1", &at), 0);
}

static void refuses_a_name_that_would_break_the_header(void **state)
{
	struct repo *r = *state;
	struct tag_spec spec = spec_of(r, "v1\ntagger x", "m");
	struct oid tag;

	assert_int_equal(tag_write(r->p, &spec, &tag), -EINVAL);
	spec.name = "";
	assert_int_equal(tag_write(r->p, &spec, &tag), -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_what_git_reads_back),
		TEST(gives_the_tag_itself_to_who_wants_to_change_the_ref),
		TEST(refuses_a_name_that_would_break_the_header),
	};

	return cmocka_run_group_tests_name("tag", tests, NULL, NULL);
}
