/* Exports: repositories and bundles that git takes, whole or not at all. */
#include "store/export.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/buf.h"
#include "store/project.h"
#include "store/refresh.h"
#include "tests/repo.h"

static const char *const make_some =
	"git checkout -qb main 2>/dev/null || :; echo 1 >f; git add f; git commit -qm one; "
	"git tag -m t v1; echo 2 >f; git commit -qam two; git branch side HEAD~1; "
	"git update-ref refs/remotes/origin/x HEAD~1";

static int export_to(struct repo *r, const char *name, bool bundle, bool with_fragments)
{
	CLEANUP(buf_deinit) struct buf why;
	char to[400];
	const struct export_options o = {
		.to = to, .bundle = bundle, .with_fragments = with_fragments};

	buf_init(&why, 65536);
	(void)snprintf(to, sizeof(to), "%s/%s", r->s.path, name);
	return export_project(r->p, &o, &why);
}

static void number(struct repo *r)
{
	struct refresh_result res;

	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
}

static void makes_a_plain_repository_with_the_same_refs_and_head(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	number(r);
	assert_int_equal(export_to(r, "out", false, false), 0);
	assert_string_equal(
		repo_sh(r, "git for-each-ref --format='%(objectname) %(refname)' refs/heads "
			   "refs/tags refs/remotes >../a; git symbolic-ref HEAD >>../a; "
			   "export GIT_DIR=../out; git for-each-ref "
			   "--format='%(objectname) %(refname)' >../b; git symbolic-ref HEAD "
			   ">>../b; "
			   "cmp ../a ../b; git fsck --strict 2>&1; wc -l <../b; "
			   "ls ../out/hooks 2>/dev/null | wc -l; ls -a .. | grep frag-export | "
			   "wc -l"),
		"5\n0\n0");
}

static void keeps_fragments_when_asked(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	number(r);
	assert_int_equal(export_to(r, "out", false, true), 0);
	assert_string_equal(
		repo_sh(r, "GIT_DIR=../out git for-each-ref refs/fragments | wc -l"), "2");
}

static void keeps_a_detached_head(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	(void)repo_sh(r, "git checkout -q --detach side");
	assert_int_equal(export_to(r, "out", false, false), 0);
	(void)repo_sh(r, "test $(git rev-parse HEAD) = $(GIT_DIR=../out git rev-parse HEAD); "
			 "! GIT_DIR=../out git symbolic-ref -q HEAD");
}

static void an_export_stands_when_the_project_is_destroyed(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	assert_int_equal(export_to(r, "out", false, false), 0);
	(void)repo_sh(r, "find $GIT_DIR/objects -type f | while read f; do chmod u+w $f; "
			 "echo junk >$f; done; GIT_DIR=../out git fsck --strict 2>/dev/null");
}

static void makes_a_bundle_that_can_be_cloned(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	number(r);
	assert_int_equal(export_to(r, "out.bundle", true, false), 0);
	assert_string_equal(
		repo_sh(r, "git bundle list-heads ../out.bundle | grep -c fragments || :; "
			   "h=$(git rev-parse main); unset GIT_DIR GIT_WORK_TREE; "
			   "git clone -q ../out.bundle ../clone; cat ../clone/f; "
			   "test $(git -C ../clone rev-parse HEAD) = $h"),
		"0\n2");
}

static void an_empty_project_exports_as_a_repository_and_not_as_a_bundle(void **state)
{
	struct repo *r = *state;

	assert_int_equal(export_to(r, "out", false, false), 0);
	(void)repo_sh(r, "GIT_DIR=../out git rev-parse --is-bare-repository");
	assert_int_equal(export_to(r, "out.bundle", true, false), EXPORT_EMPTY);
	assert_int_equal(faccessat(r->s.fd, "out.bundle", F_OK, 0), -1);
}

static void never_overwrites_and_leaves_nothing_behind(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	scratch_write(&r->s, "out", "mine");
	assert_int_equal(export_to(r, "out", false, false), EXPORT_EXISTS);
	assert_int_equal(export_to(r, "out", true, false), EXPORT_EXISTS);
	assert_string_equal(scratch_read(&r->s, "out"), "mine");
	assert_int_equal(export_to(r, "no/such", false, false), -ENOENT);
	(void)repo_sh(r, "o=$(git rev-parse main:f); f=$GIT_DIR/objects/$(echo $o | cut -c1-2)/"
			 "$(echo $o | cut -c3-); chmod u+w $f; echo junk >$f");
	assert_int_equal(export_to(r, "new", false, false), EXPORT_FAILED);
	assert_int_equal(export_to(r, "new", true, false), EXPORT_FAILED);
	assert_string_equal(repo_sh(r, "ls -a .. | grep -E 'new|frag-export' || :"), "");
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(makes_a_plain_repository_with_the_same_refs_and_head),
		ON_A_REPO(keeps_fragments_when_asked),
		ON_A_REPO(keeps_a_detached_head),
		ON_A_REPO(an_export_stands_when_the_project_is_destroyed),
		ON_A_REPO(makes_a_bundle_that_can_be_cloned),
		ON_A_REPO(an_empty_project_exports_as_a_repository_and_not_as_a_bundle),
		ON_A_REPO(never_overwrites_and_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
