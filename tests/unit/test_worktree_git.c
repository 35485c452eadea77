/* tests/unit/test_worktree_git.c - linked worktrees of our making, as git sees them. */
#include "store/worktree_git.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/fragment.h"
#include "store/project.h"
#include "store/refresh.h"
#include "tests/repo.h"

#define IN_LIVE "export GIT_DIR=$GIT_DIR/worktrees/live;"

static struct oid make_live(struct repo *r)
{
	struct oid c =
		repo_oid(r, "echo 1 >f; git add f; git commit -qm one >&2; git rev-parse HEAD");

	assert_int_equal(worktree_git_make(r->p, "live", "refs/heads/main", &c), 0);
	return c;
}

static void git_lists_it_and_never_prunes_it(void **state)
{
	struct repo *r = *state;

	make_live(r);
	assert_int_equal(worktree_git_point(r->p, "live", "/mnt/demo/live"), 0);
	repo_sh(r, "git worktree prune; git worktree list --porcelain | tr '\\n' ' ' |"
		   "grep -q 'worktree /mnt/demo/live HEAD .* branch refs/heads/main locked'");
	assert_int_equal(worktree_git_make(r->p, "live", "refs/heads/main", &(struct oid){{0}}),
			 WORKTREE_EXISTS);
}

static void git_commits_inside_and_the_project_stands_there(void **state)
{
	struct repo *r = *state;
	struct project_head h;
	struct oid c, stood;

	make_live(r);
	c = repo_oid(
		r, IN_LIVE
		"git read-tree HEAD; echo 2 >f; git commit -qam two >&2; git rev-parse HEAD");
	assert_int_equal(project_head(r->p, &h), 0);
	assert_string_equal(h.branch, "refs/heads/main");
	assert_true(oid_eq(&h.commit, &c));
	worktree_git_stood(r->p, "live", &stood);
	assert_true(oid_eq(&stood, &c));
}

static void another_ones_push_does_not_change_what_it_stood_at(void **state)
{
	struct repo *r = *state;
	struct oid c = make_live(r), stood, now;
	struct project_head h;

	now = repo_oid(r, "git commit-tree -p main -m pushed 'main^{tree}'");
	repo_sh(r, "git update-ref refs/heads/main $(git commit-tree -p main -m pushed "
		   "'main^{tree}')");
	assert_int_equal(worktree_git_head(r->p, "live", &h), 0);
	assert_true(oid_eq(&h.commit, &now));
	worktree_git_stood(r->p, "live", &stood);
	assert_true(oid_eq(&stood, &c));
}

static void the_bare_head_follows_live(void **state)
{
	struct repo *r = *state;
	struct oid c = make_live(r);

	char mounted[600];

	/* As it is when it is mounted: a directory whose .git leads back. */
	(void)snprintf(mounted, sizeof(mounted), "%s/mounted", r->s.path);
	repo_sh(r, "git branch side; mkdir ../mounted; echo gitdir: $GIT_DIR/worktrees/live "
		   ">../mounted/.git");
	assert_int_equal(worktree_git_point(r->p, "live", mounted), 0);
	assert_int_equal(project_set_head(r->p, "refs/heads/side", &c), 0);
	assert_string_equal(repo_sh(r, "git symbolic-ref HEAD"), "refs/heads/side");
	assert_string_equal(repo_sh(r, IN_LIVE "git symbolic-ref HEAD"), "refs/heads/side");
	repo_sh(r, IN_LIVE "git symbolic-ref HEAD refs/heads/main");
	assert_int_equal(project_sync_head(r->p), 0);
	assert_string_equal(repo_sh(r, "git symbolic-ref HEAD"), "refs/heads/main");
	repo_sh(r, IN_LIVE "git reflog | grep -q checkout");
}

static void a_commit_on_a_detached_head_is_a_fragment(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;
	struct fragment f;
	struct oid c;

	make_live(r);
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_int_equal(res.last, 1);
	c = repo_oid(r, IN_LIVE "git read-tree HEAD; git checkout -q --detach; echo 3 >f; git "
				"commit -qam three "
				">&2; git rev-parse HEAD");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_int_equal(res.n_new, 1);
	assert_int_equal(fragment_by_commit(r->p, &c, &f), 0);
	assert_int_equal(f.seq, 2);
}

static void what_keeps_snapshots_is_no_fragment(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;

	make_live(r);
	repo_sh(r, "git update-ref refs/fragfs/ops/1 $(git commit-tree -m x 'main^{tree}')");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_int_equal(res.last, 1);
}

static void removing_it_leaves_nothing(void **state)
{
	struct repo *r = *state;
	struct project_head h;
	int fd;

	make_live(r);
	assert_int_equal(worktree_git_remove(r->p, "live"), 0);
	assert_int_equal(worktree_git_remove(r->p, "live"), 0);
	assert_int_equal(worktree_git_open(r->p, "live", &fd), WORKTREE_MISSING);
	assert_int_equal(worktree_git_head(r->p, "live", &h), WORKTREE_MISSING);
	repo_sh(r, "test $(git worktree list | wc -l) = 1; ! ls $GIT_DIR | grep fragfs.gone");
}

static void the_lock_of_a_killed_change_is_cleared(void **state)
{
	struct repo *r = *state;
	struct oid c = make_live(r);

	scratch_write(&r->s, "projects/demo.git/fragfs.refs.lock", "worktrees/live/HEAD");
	scratch_write(&r->s, "projects/demo.git/worktrees/live/HEAD.lock", "half");
	assert_int_equal(worktree_git_set_head(r->p, "live", NULL, &c, "x"), 0);
	repo_sh(r, IN_LIVE
		"test $(git rev-parse --abbrev-ref HEAD) = HEAD; ! test -e $GIT_DIR/HEAD.lock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(git_lists_it_and_never_prunes_it, repo_setup,
						repo_teardown),
		cmocka_unit_test_setup_teardown(git_commits_inside_and_the_project_stands_there,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(
			another_ones_push_does_not_change_what_it_stood_at, repo_setup,
			repo_teardown),
		cmocka_unit_test_setup_teardown(the_bare_head_follows_live, repo_setup,
						repo_teardown),
		cmocka_unit_test_setup_teardown(a_commit_on_a_detached_head_is_a_fragment,
						repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(what_keeps_snapshots_is_no_fragment, repo_setup,
						repo_teardown),
		cmocka_unit_test_setup_teardown(removing_it_leaves_nothing, repo_setup,
						repo_teardown),
		cmocka_unit_test_setup_teardown(the_lock_of_a_killed_change_is_cleared,
						repo_setup, repo_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
