/* tests/unit/test_worktree_index.c - the index of a work tree, with git itself as its reader. */
#include "store/worktree_index.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/judge.h"
#include "store/project.h"
#include "store/work.h"
#include "store/worktree_git.h"
#include "tests/repo.h"

struct fixture {
	struct repo *r;
	struct work *w;
	struct oid tree;
	int admin;
};

static int setup(void **state)
{
	static struct fixture f;
	struct work_spec spec = {.name = "live"};
	struct work_info info;
	struct oid commit;
	void *repo;

	f = (struct fixture){0};
	assert_int_equal(repo_setup(&repo), 0);
	f.r = repo;
	commit = repo_oid(
		f.r,
		"mkdir -p a/b a.d z; echo 1 >a/b/c; echo 2 >a/x; echo 3 >a.c; echo 4 >a.d/y;"
		"ln -s x a/l; echo 5 >z/run; chmod +x z/run; echo 6 >a0;"
		"git add -A >&2; git commit -qm one >&2; git rev-parse HEAD");
	f.tree = repo_oid(f.r, "git rev-parse 'HEAD^{tree}'");
	assert_int_equal(worktree_git_make(f.r->p, "live", "refs/heads/main", &commit), 0);
	assert_int_equal(worktree_git_open(f.r->p, "live", &f.admin), 0);
	spec.tree = f.tree;
	assert_int_equal(work_create(f.r->p, &spec, &info), 0);
	assert_int_equal(work_open(f.r->p, &info, &f.w), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *repo = f->r;

	work_unref(f->w);
	close(f->admin);
	return repo_teardown(&repo);
}

static void write_index(struct fixture *f)
{
	const struct worktree_index_spec spec = {.tree = &f->tree};

	assert_int_equal(worktree_index_write(f->w, f->admin, &spec), 0);
}

#define IN_LIVE "export GIT_DIR=$GIT_DIR/worktrees/live;"

static void git_finds_every_entry_and_tree(void **state)
{
	struct fixture *f = *state;
	struct oid made;

	write_index(f);
	repo_sh(f->r,
		IN_LIVE "git ls-files -s | sed 's/ 0\\t/\\t/' >../have; git ls-tree -r HEAD |"
			"sed 's/ blob / /' >../want; cmp ../have ../want; test -s ../have;"
			"git diff-index --cached --quiet HEAD; git fsck --strict");
	made = repo_oid(f->r, IN_LIVE "git write-tree");
	assert_true(oid_eq(&made, &f->tree));
	/* The cache-tree, which fsck has judged, is there. */
	repo_sh(f->r, IN_LIVE "grep -q TREE $GIT_DIR/index");
}

static void entries_carry_what_the_mount_serves(void **state)
{
	struct fixture *f = *state;
	struct work_attr a;
	char want[300];

	write_index(f);
	assert_int_equal(work_resolve(f->w, "a/x", &a), 0);
	(void)snprintf(want, sizeof(want),
		       "a/x\n  ctime: %lld:%ld\n  mtime: %lld:%ld\n  dev: 0\tino: %u\n"
		       "  uid: %u\tgid: %u\n  size: 2\tflags: 0",
		       (long long)a.ctime.tv_sec, a.ctime.tv_nsec, (long long)a.mtime.tv_sec,
		       a.mtime.tv_nsec, (unsigned)a.ino, a.uid, a.gid);
	assert_string_equal(repo_sh(f->r, IN_LIVE "git ls-files --debug a/x"), want);
}

static void a_file_that_was_written_to_is_looked_at(void **state)
{
	struct fixture *f = *state;
	struct work_attr a, d;
	size_t done;

	assert_int_equal(work_lookup(f->w, WORK_ROOT_INO, "a", &d), 0);
	assert_int_equal(work_lookup(f->w, d.ino, "x", &a), 0);
	assert_int_equal(work_write(f->w, a.ino, 0, "9", 1, &done), 0);
	work_release(f->w, a.ino, 1);
	work_release(f->w, d.ino, 1);
	write_index(f);
	repo_sh(f->r, IN_LIVE "git ls-files --debug a/x | grep -q 'mtime: 0:0';"
			      "git ls-files --debug a/b/c | grep -q 'mtime: [1-9]'");
}

static void gits_lock_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const struct worktree_index_spec spec = {.tree = &f->tree};

	scratch_write(&f->r->s, "projects/demo.git/worktrees/live/index.lock", "git's");
	assert_int_equal(worktree_index_write(f->w, f->admin, &spec), WORKTREE_INDEX_BUSY);
	worktree_index_unlock(f->admin);
	assert_string_equal(
		scratch_read(&f->r->s, "projects/demo.git/worktrees/live/index.lock"), "git's");
	assert_int_not_equal(faccessat(f->admin, "index", F_OK, 0), 0);
}

static void our_own_dead_lock_is_removed(void **state)
{
	struct fixture *f = *state;

	write_index(f);
	assert_int_equal(linkat(f->admin, "index", f->admin, "index.lock", 0), 0);
	write_index(f);
	assert_int_not_equal(faccessat(f->admin, "index.lock", F_OK, 0), 0);
	assert_int_not_equal(faccessat(f->admin, "fragfs.index", F_OK, 0), 0);
}

static void conflicts_are_unmerged_paths_to_git(void **state)
{
	struct fixture *f = *state;
	const struct oid x = repo_oid(f->r, "git rev-parse HEAD:a/x");
	const struct worktree_index_conflict conflicts[] = {
		{"a/gone", {MODE_FILE, 0, MODE_FILE}, {x, {{0}}, x}},
		{"a/x", {MODE_FILE, MODE_FILE, MODE_FILE}, {x, x, x}},
		{"zz", {0, MODE_FILE, MODE_FILE}, {{{0}}, x, x}},
	};
	const struct worktree_index_spec spec = {
		.tree = &f->tree, .conflicts = conflicts, .n_conflicts = 3};

	assert_int_equal(worktree_index_write(f->w, f->admin, &spec), 0);
	assert_string_equal(
		repo_sh(f->r, IN_LIVE "git ls-files -u | cut -d' ' -f3 | tr '\\t\\n' ' ;'"),
		"1 a/gone;3 a/gone;1 a/x;2 a/x;3 a/x;2 zz;3 zz;");
	assert_int_equal(worktree_index_unmerged(f->admin), 7);
	repo_sh(f->r,
		IN_LIVE "git fsck; git update-index --index-version 4; git ls-files -u >&2");
	assert_int_equal(worktree_index_unmerged(f->admin), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(git_finds_every_entry_and_tree, setup,
						teardown),
		cmocka_unit_test_setup_teardown(entries_carry_what_the_mount_serves, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_was_written_to_is_looked_at, setup,
						teardown),
		cmocka_unit_test_setup_teardown(gits_lock_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(our_own_dead_lock_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(conflicts_are_unmerged_paths_to_git, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
