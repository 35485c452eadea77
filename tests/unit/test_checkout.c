/* tests/unit/test_checkout.c - switching, committing and undoing, whole or not at all. */
#include "store/checkout.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/commit_work.h"
#include "store/fragment.h"
#include "store/merge_work.h"
#include "store/work_session.h"
#include "store/worktree_git.h"
#include "tests/worked.h"

#define IN_LIVE "export GIT_DIR=$GIT_DIR/worktrees/live;"

static struct checkout_result go(struct worked *f, const char *branch, const struct oid *commit)
{
	const struct checkout_spec spec = {.branch = branch, .commit = *commit};
	struct checkout_result res;

	assert_int_equal(checkout_run(f->w, &spec, &res), 0);
	return res;
}

static int undo(struct worked *f)
{
	const struct checkout_undo spec = {0};
	struct checkout_result res;

	return checkout_undo(f->w, &spec, NULL, &res);
}

static int commit(struct worked *f, const char *message, struct commit_work_result *ret)
{
	static char name[] = "Ada", email[] = "ada@example.org";
	const struct commit_who who = {.name = name, .email = email, .time = 1700000100};
	const struct commit_work_spec spec = {
		.message = message, .author = who, .committer = who};

	return commit_work(f->w, &spec, ret);
}

/* What git says HEAD is, and that its index agrees with it. */
static void assert_head(struct worked *f, const char *branch, const struct oid *at)
{
	struct project_head h;

	assert_int_equal(project_head(f->r->p, &h), 0);
	assert_string_equal(h.branch, branch);
	assert_true(oid_eq(&h.commit, at));
	repo_sh(f->r, IN_LIVE "git diff-index --cached --quiet HEAD; git fsck --no-dangling");
	assert_string_equal(repo_sh(f->r, "git symbolic-ref -q HEAD || true"), branch);
}

static void switches_content_head_and_index(void **state)
{
	struct worked *f = *state;
	struct checkout_result res = go(f, "refs/heads/side", &f->side);

	assert_false(res.was_dirty);
	assert_string_equal(worked_read(f->w, "s"), "4\n");
	assert_string_equal(worked_read(f->w, "a"), "1\n");
	assert_null(worked_read(f->w, "d/new"));
	assert_head(f, "refs/heads/side", &f->side);
	go(f, NULL, &f->main);
	assert_head(f, "", &f->main);
	assert_string_equal(worked_read(f->w, "a"), "one\n");
}

static void nothing_uncommitted_is_ever_lost(void **state)
{
	struct worked *f = *state;
	struct checkout_result res;

	worked_write(f->w, "a", "mine\n");
	worked_write(f->w, "fresh/x", "untracked\n");
	worked_write(f->w, "out/big", "ignored\n");
	res = go(f, "refs/heads/side", &f->side);
	assert_true(res.was_dirty);
	assert_string_equal(worked_read(f->w, "a"), "1\n");
	assert_null(worked_read(f->w, "fresh/x"));
	assert_string_equal(worked_read(f->w, "out/big"), "ignored\n");
	repo_sh(f->r, "git gc -q --prune=now");
	assert_int_equal(undo(f), 0);
	assert_string_equal(worked_read(f->w, "a"), "mine\n");
	assert_string_equal(worked_read(f->w, "fresh/x"), "untracked\n");
	assert_string_equal(worked_read(f->w, "out/big"), "ignored\n");
	assert_head(f, "refs/heads/main", &f->main);
}

static void an_undo_is_undone_by_the_next(void **state)
{
	struct worked *f = *state;

	worked_write(f->w, "a", "mine\n");
	go(f, "refs/heads/side", &f->side);
	worked_write(f->w, "s", "edited\n");
	assert_int_equal(undo(f), 0);
	assert_string_equal(worked_read(f->w, "a"), "mine\n");
	assert_int_equal(undo(f), 0);
	assert_string_equal(worked_read(f->w, "s"), "edited\n");
	assert_head(f, "refs/heads/side", &f->side);
	assert_int_equal(undo(f), 0);
	assert_string_equal(worked_read(f->w, "a"), "mine\n");
}

static void a_commit_is_a_fragment_on_the_branch(void **state)
{
	struct worked *f = *state;
	struct commit_work_result res;

	worked_write(f->w, "d/b", "two\n");
	worked_write(f->w, "out/x", "ignored\n");
	worked_remove(f->w, "d/new");
	assert_int_equal(commit(f, "a change\n\nwhy", &res), 0);
	assert_head(f, "refs/heads/main", &res.commit);
	assert_int_equal(res.seq, 4);
	repo_sh(f->r, "git show --format=%an:%s:%P --name-status main >../have;"
		      "printf 'Ada:a change:%s\n\nM\td/b\nD\td/new\n' $(git rev-parse main~1) "
		      ">../want;"
		      "cmp ../have ../want");
	assert_false(work_is_modified(f->w));
	assert_int_equal(commit(f, "again", &res), WORKTREE_NOTHING);
}

static void undoing_a_commit_leaves_its_content_uncommitted(void **state)
{
	struct worked *f = *state;
	struct commit_work_result res;

	worked_write(f->w, "a", "three\n");
	assert_int_equal(commit(f, "third", &res), 0);
	assert_int_equal(undo(f), 0);
	assert_head(f, "refs/heads/main", &f->main);
	assert_string_equal(worked_read(f->w, "a"), "three\n");
	assert_int_equal(undo(f), 0);
	assert_head(f, "refs/heads/main", &res.commit);
}

static void a_branch_moved_by_others_is_told_and_kept(void **state)
{
	struct worked *f = *state;
	struct commit_work_result res;
	struct oid theirs;

	go(f, "refs/heads/main", &f->main);
	theirs = repo_oid(f->r, "git commit-tree -p main -m theirs 'side^{tree}'");
	repo_sh(f->r, "git update-ref refs/heads/main $(git commit-tree -p main -m theirs "
		      "'side^{tree}')");
	worked_write(f->w, "a", "mine\n");
	assert_int_equal(commit(f, "mine", &res), WORKTREE_MOVED);
	assert_string_equal(worked_read(f->w, "a"), "mine\n");
	assert_int_equal(checkout_follow(f->w, NULL, NULL), WORKTREE_MOVED);
	assert_string_equal(worked_read(f->w, "a"), "mine\n");
	worked_write(f->w, "a", "one\n");
	assert_int_equal(checkout_follow(f->w, NULL, NULL), 0);
	assert_string_equal(worked_read(f->w, "s"), "4\n");
	assert_head(f, "refs/heads/main", &theirs);
	assert_int_equal(checkout_follow(f->w, NULL, NULL), WORKTREE_NOTHING);
}

static void restoring_makes_a_new_commit_of_an_old_tree(void **state)
{
	struct worked *f = *state;
	static char name[] = "Ada", email[] = "ada@example.org";
	const struct commit_who who = {.name = name, .email = email, .time = 1700000100};
	struct oid tree = repo_oid(f->r, "git rev-parse 'side^{tree}'");
	const struct commit_work_spec spec = {
		.message = "back", .author = who, .committer = who, .restore = &tree};
	struct commit_work_result res;

	worked_write(f->w, "a", "mine\n");
	assert_int_equal(commit_work(f->w, &spec, &res), 0);
	assert_true(res.was_dirty);
	assert_head(f, "refs/heads/main", &res.commit);
	assert_string_equal(worked_read(f->w, "s"), "4\n");
	assert_int_equal(undo(f), 0);
	assert_string_equal(worked_read(f->w, "a"), "mine\n");
	assert_head(f, "refs/heads/main", &f->main);
}

static void names_git_cannot_store_are_left_out(void **state)
{
	struct worked *f = *state;
	struct commit_work_result res;

	worked_write(f->w, "d/.GIT/config", "x\n");
	worked_write(f->w, "d/ok", "x\n");
	assert_int_equal(commit(f, "odd", &res), 0);
	assert_string_equal(repo_sh(f->r, "git show --format= --name-only main"), "d/ok");
	assert_string_equal(worked_read(f->w, "d/.GIT/config"), "x\n");
}

/* ---- after a kill ---- */

static void begin_op(struct worked *f, struct oplog_op *op, enum oplog_kind kind)
{
	struct checkout_result res = go(f, "refs/heads/main", &f->main);

	assert_int_equal(oplog_get(f->r->st, project_id(f->r->p), res.op, op), 0);
	op->kind = kind;
	op->phase = OPLOG_OPEN;
}

static void an_interrupted_checkout_is_finished_or_forgotten(void **state)
{
	struct worked *f = *state;
	struct oplog_op op;

	begin_op(f, &op, OPLOG_CHECKOUT);
	op.after = (struct oplog_side){.branch = "refs/heads/side", .commit = f->side};
	assert_int_equal(worktree_tree_of(f->r->p, &f->side, &op.after.tree), 0);
	assert_int_equal(oplog_begin(f->r->st, &op), 0);
	worked_reopen(f);
	assert_int_equal(worktree_recover(f->w, NULL, NULL), 0);
	assert_head(f, "refs/heads/main", &f->main);
	assert_int_equal(oplog_get(f->r->st, op.project_id, op.id, &op), 0);
	assert_int_equal(op.phase, OPLOG_FAILED);

	op.phase = OPLOG_OPEN;
	assert_int_equal(oplog_begin(f->r->st, &op), 0);
	assert_int_equal(work_switch(f->w, &op.after.tree, NULL, NULL, NULL), 0);
	worked_reopen(f);
	assert_int_equal(worktree_recover(f->w, NULL, NULL), 0);
	assert_head(f, "refs/heads/side", &f->side);
	assert_int_equal(oplog_get(f->r->st, op.project_id, op.id, &op), 0);
	assert_int_equal(op.phase, OPLOG_DONE);
	assert_int_equal(undo(f), 0);
	assert_head(f, "refs/heads/main", &f->main);
}

static void an_interrupted_restore_is_carried_forward_from_its_ref(void **state)
{
	struct worked *f = *state;
	struct oplog_op op;

	begin_op(f, &op, OPLOG_RESTORE);
	op.after.commit = f->side;
	assert_int_equal(worktree_tree_of(f->r->p, &f->side, &op.after.tree), 0);
	memcpy(op.ref, "refs/heads/main", sizeof("refs/heads/main"));
	op.ref_from = f->main;
	op.ref_to = f->side;
	op.switches = true;
	assert_int_equal(oplog_begin(f->r->st, &op), 0);
	repo_sh(f->r, "git update-ref refs/heads/main side");
	worked_reopen(f);
	assert_int_equal(worktree_recover(f->w, NULL, NULL), 0);
	assert_head(f, "refs/heads/main", &f->side);
	assert_string_equal(worked_read(f->w, "s"), "4\n");
	repo_sh(f->r, "git worktree list | grep -q live");
}

static void git_finds_nothing_to_complain_about_after_each(void **state)
{
	struct worked *f = *state;
	struct commit_work_result res;

	go(f, NULL, &f->first);
	worked_write(f->w, "a", "detached\n");
	assert_int_equal(commit(f, "on no branch", &res), 0);
	assert_head(f, "", &res.commit);
	assert_int_equal(undo(f), 0);
	assert_head(f, "", &f->first);
	assert_string_equal(worked_read(f->w, "a"), "detached\n");
}

/* ---- merging ---- */

static int merge(struct worked *f, const struct oid *theirs, struct merge_work_result *ret)
{
	static char name[] = "Ada", email[] = "ada@example.org";
	const struct merge_work_spec spec = {
		.theirs = *theirs,
		.name = "side",
		.author = {.name = name, .email = email, .time = 1700000100}};

	return merge_work(f->w, &spec, ret);
}

static void a_merge_without_conflicts_is_a_commit(void **state)
{
	struct worked *f = *state;
	struct merge_work_result res;

	go(f, "refs/heads/main", &f->main);
	worked_write(f->w, "fresh", "uncommitted\n");
	assert_int_equal(merge(f, &f->side, &res), 0);
	assert_int_equal(res.n_conflicts, 0);
	assert_head(f, "refs/heads/main", &res.commit);
	assert_string_equal(worked_read(f->w, "s"), "4\n");
	assert_string_equal(worked_read(f->w, "a"), "one\n");
	assert_string_equal(worked_read(f->w, "fresh"), "uncommitted\n");
	repo_sh(f->r, "test \"$(git log -1 --format=%P:%s main)\" = "
		      "\"$(git rev-parse main~1) $(git rev-parse side):Merge side\"");
	repo_sh(f->r, "test -z \"$(git ls-tree main fresh)\"");
	assert_int_equal(merge(f, &f->side, &res), WORKTREE_NOTHING);
	assert_int_equal(undo(f), 0);
	assert_head(f, "refs/heads/main", &f->main);
	assert_null(worked_read(f->w, "s"));
	assert_string_equal(worked_read(f->w, "fresh"), "uncommitted\n");
}

static void conflict(struct worked *f, struct merge_work_result *ret)
{
	struct commit_work_result res;

	go(f, "refs/heads/side", &f->side);
	worked_write(f->w, "a", "theirs\n");
	worked_remove(f->w, "d/b");
	assert_int_equal(commit(f, "theirs", &res), 0);
	go(f, "refs/heads/main", &f->main);
	worked_write(f->w, "d/b", "ours\n");
	assert_int_equal(commit(f, "ours", &res), 0);
	f->main = res.commit;
	f->side = repo_oid(f->r, "git rev-parse side");
	assert_int_equal(merge(f, &f->side, ret), 0);
	assert_int_equal(ret->n_conflicts, 2);
}

static void conflicts_stand_as_git_shows_them_and_commit_finishes(void **state)
{
	struct worked *f = *state;
	struct merge_work_result res;
	struct commit_work_result done;

	conflict(f, &res);
	assert_string_equal(worked_read(f->w, "a"),
			    "<<<<<<< HEAD\none\n=======\ntheirs\n>>>>>>> side\n");
	assert_string_equal(worked_read(f->w, "d/b"), "ours\n");
	assert_string_equal(worked_read(f->w, "s"), "4\n");
	assert_string_equal(
		repo_sh(f->r, IN_LIVE "git ls-files -u | cut -f2 | sort -u | tr '\\n' ' '"),
		"a d/b ");
	assert_int_equal(commit(f, "too early", &done), WORKTREE_UNMERGED);
	worked_write(f->w, "a", "both\n");
	repo_sh(f->r, IN_LIVE "git update-index --cacheinfo 100644,$(echo both | git "
			      "hash-object -w --stdin),a;"
			      "git update-index --cacheinfo 100644,$(echo ours | git "
			      "hash-object -w --stdin),d/b");
	assert_int_equal(commit(f, "merged", &done), 0);
	repo_sh(f->r, "test \"$(git log -1 --format=%P main)\" = "
		      "\"$(git rev-parse main~1) $(git rev-parse side)\"");
	repo_sh(f->r, IN_LIVE "! test -e $GIT_DIR/MERGE_HEAD; git show main:a | grep -q both");
}

static void plain_git_finishes_a_merge_of_ours(void **state)
{
	struct worked *f = *state;
	struct merge_work_result res;

	conflict(f, &res);
	repo_sh(f->r, IN_LIVE
		"echo both >a; mkdir -p d; echo ours >d/b; git add a d/b; git commit -qm done;"
		"test $(git log -1 --format=%P | wc -w) = 2; git fsck");
}

static void giving_a_merge_up_brings_everything_back(void **state)
{
	struct worked *f = *state;
	struct merge_work_result res;

	conflict(f, &res);
	assert_int_equal(undo(f), 0);
	assert_head(f, "refs/heads/main", &f->main);
	assert_string_equal(worked_read(f->w, "a"), "one\n");
	assert_null(worked_read(f->w, "s"));
	repo_sh(f->r, IN_LIVE "! test -e $GIT_DIR/MERGE_HEAD");
}

static void what_only_one_side_has_is_fast_forwarded_to(void **state)
{
	struct worked *f = *state;
	struct merge_work_result res;

	repo_sh(f->r, "git branch old main~1");
	go(f, "refs/heads/old", &f->first);
	assert_int_equal(merge(f, &f->main, &res), 0);
	assert_true(res.fast_forward);
	assert_head(f, "refs/heads/old", &f->main);
}

/* ---- sessions ---- */

static void a_session_is_a_branch_and_a_work_tree(void **state)
{
	struct worked *f = *state;
	const struct work_session_spec spec = {.name = "agent"};
	struct work_info info;
	struct project_head h;
	struct work *w;

	go(f, "refs/heads/main", &f->main);
	assert_int_equal(work_session_create(f->r->p, &spec, &info), 0);
	assert_int_equal(work_session_create(f->r->p, &spec, &info), WORK_EXISTS);
	assert_int_equal(worktree_git_head(f->r->p, "agent", &h), 0);
	assert_string_equal(h.branch, "refs/heads/agent");
	assert_int_equal(work_open(f->r->p, &info, &w), 0);
	assert_string_equal(worked_read(w, "a"), "one\n");
	worked_write(w, "a", "by the agent\n");
	assert_int_equal(work_session_remove(f->r->p, "agent", w), 0);
	assert_int_equal(work_find(f->r->p, "agent", &info), WORK_MISSING);
	assert_string_equal(repo_sh(f->r, "git for-each-ref --format='%(refname)' refs/fragfs |"
					  "while read r; do git show $r:a; done | sort -u"),
			    "by the agent");
	assert_int_equal(work_session_create(f->r->p, &spec, &info), 0);
}

static void the_file_that_leads_git_home_is_always_there(void **state)
{
	struct worked *f = *state;
	struct commit_work_result res;
	char want[600];

	(void)snprintf(want, sizeof(want), "gitdir: %s/worktrees/live\n", f->r->git_dir);
	worked_write(f->w, ".gitignore", "!.git\n");
	go(f, "refs/heads/side", &f->side);
	assert_string_equal(worked_read(f->w, ".git"), want);
	worked_write(f->w, ".gitignore", "!.git\n");
	assert_int_equal(commit(f, "take all", &res), 0);
	assert_string_equal(repo_sh(f->r, "git show --format= --name-only side"), ".gitignore");
	assert_int_equal(undo(f), 0);
	assert_int_equal(undo(f), 0);
	go(f, "refs/heads/main", &f->main);
	assert_string_equal(worked_read(f->w, ".git"), want);
}

static void live_cannot_be_removed(void **state)
{
	struct worked *f = *state;

	assert_int_equal(work_session_remove(f->r->p, "live", NULL), WORK_BAD_NAME);
}

static void pruning_lets_old_snapshots_go(void **state)
{
	struct worked *f = *state;
	uint64_t n = 0;

	worked_write(f->w, "a", "mine\n");
	go(f, "refs/heads/side", &f->side);
	assert_string_not_equal(repo_sh(f->r, "git for-each-ref refs/fragfs"), "");
	assert_int_equal(oplog_prune(f->r->p, INT64_MAX, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(repo_sh(f->r, "git for-each-ref refs/fragfs"), "");
	assert_int_equal(undo(f), WORKTREE_NOTHING);
}

#define CLAIM(fn) cmocka_unit_test_setup_teardown(fn, worked_setup, worked_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(switches_content_head_and_index),
		CLAIM(nothing_uncommitted_is_ever_lost),
		CLAIM(an_undo_is_undone_by_the_next),
		CLAIM(a_commit_is_a_fragment_on_the_branch),
		CLAIM(undoing_a_commit_leaves_its_content_uncommitted),
		CLAIM(a_branch_moved_by_others_is_told_and_kept),
		CLAIM(restoring_makes_a_new_commit_of_an_old_tree),
		CLAIM(names_git_cannot_store_are_left_out),
		CLAIM(an_interrupted_checkout_is_finished_or_forgotten),
		CLAIM(an_interrupted_restore_is_carried_forward_from_its_ref),
		CLAIM(git_finds_nothing_to_complain_about_after_each),
		CLAIM(a_merge_without_conflicts_is_a_commit),
		CLAIM(conflicts_stand_as_git_shows_them_and_commit_finishes),
		CLAIM(plain_git_finishes_a_merge_of_ours),
		CLAIM(giving_a_merge_up_brings_everything_back),
		CLAIM(what_only_one_side_has_is_fast_forwarded_to),
		CLAIM(a_session_is_a_branch_and_a_work_tree),
		CLAIM(the_file_that_leads_git_home_is_always_there),
		CLAIM(live_cannot_be_removed),
		CLAIM(pruning_lets_old_snapshots_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
