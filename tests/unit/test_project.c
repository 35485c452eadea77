/* Homes and projects: made durably, opened by name, followed by id, gone without a crash. */
#include "store/project.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "store/project_private.h"
#include "store/store.h"
#include "store/store_private.h"
#include "tests/scratch.h"

struct fixture {
	struct scratch s;
	struct store *st;
};

static int setup(void **state)
{
	static struct fixture f;

	log_open(-1, LOG_LEVEL_ERR, false);
	f = (struct fixture){0};
	scratch_init(&f.s);
	assert_int_equal(store_init(f.s.path), 0);
	assert_int_equal(store_open(f.s.path, &f.st), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->st);
	scratch_deinit(&f->s);
	return 0;
}

static struct project *make(struct fixture *f, const char *name)
{
	struct project *p = NULL;

	assert_int_equal(project_create(f->st, name, &p), 0);
	assert_non_null(p);
	return p;
}

static bool exists(struct fixture *f, const char *path)
{
	struct stat sb;

	return !fstatat(f->s.fd, path, &sb, AT_SYMLINK_NOFOLLOW);
}

static void refuses_a_home_of_a_newer_version(void **state)
{
	struct fixture *f = *state;
	struct store *st = NULL;

	store_close(f->st);
	f->st = NULL;
	scratch_write(&f->s, "version", "2\n");
	assert_int_equal(store_open(f->s.path, &st), STORE_NEWER);
	assert_int_equal(store_init(f->s.path), STORE_NEWER);
	scratch_write(&f->s, "version", "banana\n");
	assert_int_equal(store_open(f->s.path, &st), -EINVAL);
	assert_null(st);
}

static void refuses_to_make_a_home_among_other_files(void **state)
{
	struct fixture *f = *state;
	char path[300];

	assert_int_equal(mkdirat(f->s.fd, "other", 0700), 0);
	scratch_write(&f->s, "other/thesis.txt", "do not lose me");
	(void)snprintf(path, sizeof(path), "%s/other", f->s.path);
	assert_int_equal(store_init(path), -ENOTEMPTY);
	assert_string_equal(scratch_read(&f->s, "other/thesis.txt"), "do not lose me");
	assert_false(exists(f, "other/projects"));
}

static void tells_an_absent_home_from_a_broken_one(void **state)
{
	struct fixture *f = *state;
	struct store *st = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/nowhere", f->s.path);
	assert_int_equal(store_open(path, &st), STORE_ABSENT);
	assert_int_equal(mkdirat(f->s.fd, "nowhere", 0700), 0);
	assert_int_equal(store_open(path, &st), STORE_ABSENT);
	assert_int_equal(store_init(path), 0);
	assert_int_equal(unlinkat(f->s.fd, "nowhere/projects", AT_REMOVEDIR), 0);
	assert_int_equal(store_open(path, &st), -ENOENT);
}

static void judges_names(void **state)
{
	static const char *const good[] = {"a", "A-b_c.9", "0", "x.git.y"};
	static const char *const bad[] = {"",    ".",   "..",    ".a",     "-a", "a/b",
					  "a b", "a\n", "a.git", "a.lock", "ä",  "a\x7f"};
	char longest[PROJECT_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(project_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(project_name_ok(bad[i]));
	memset(longest, 'n', sizeof(longest));
	longest[PROJECT_NAME_MAX] = '\0';
	assert_true(project_name_ok(longest));
	longest[PROJECT_NAME_MAX] = 'n';
	longest[PROJECT_NAME_MAX + 1] = '\0';
	assert_false(project_name_ok(longest));
}

static void makes_a_repository_that_git_takes_for_one(void **state)
{
	struct fixture *f = *state;
	struct project *p = make(f, "app");
	struct project_head head;
	git_repository *repo;

	assert_int_equal(project_repo(p, &repo), 0);
	assert_true(git_repository_is_bare(repo));
	project_repo_done(p, repo);
	assert_int_equal(project_head(p, &head), 0);
	assert_string_equal(head.branch, "refs/heads/main");
	assert_true(oid_is_zero(&head.commit));
	assert_int_not_equal(project_id(p), 0);
	project_unref(p);
	assert_int_equal(project_create(f->st, "app", &p), PROJECT_EXISTS);
	assert_int_equal(project_create(f->st, "a/p", &p), PROJECT_BAD_NAME);
}

static void tells_missing_from_broken_from_badly_named(void **state)
{
	struct fixture *f = *state;
	struct project *p = NULL;

	assert_int_equal(project_open(f->st, "none", &p), PROJECT_MISSING);
	assert_int_equal(project_open(f->st, "../x", &p), PROJECT_BAD_NAME);
	assert_int_equal(mkdirat(f->s.fd, "projects/junk.git", 0700), 0);
	assert_int_equal(project_open(f->st, "junk", &p), PROJECT_BROKEN);
	scratch_write(&f->s, "projects/file.git", "no directory");
	assert_int_equal(project_open(f->st, "file", &p), PROJECT_BROKEN);
	project_unref(make(f, "real"));
	assert_int_equal(symlinkat("real.git", f->s.fd, "projects/link.git"), 0);
	assert_int_equal(project_open(f->st, "link", &p), PROJECT_BROKEN);
	assert_null(p);
}

static void shares_one_handle_per_project(void **state)
{
	struct fixture *f = *state;
	struct project *p = make(f, "app"), *q = NULL;

	assert_int_equal(project_open(f->st, "app", &q), 0);
	assert_ptr_equal(p, q);
	assert_ptr_equal(project_ref(p), q);
	project_unref(p);
	project_unref(q);
	project_unref(q);
	assert_int_equal(project_open(f->st, "app", &q), 0);
	assert_string_equal(project_name(q), "app");
	project_unref(q);
}

static int gather(const char *name, void *arg)
{
	assert_int_equal(buf_fmt(arg, "%s ", name), 0);
	return !strcmp(name, "stop") ? 3 : 0;
}

static void lists_names_in_byte_order_and_nothing_else(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct fixture *f = *state;

	buf_init(&b, 1000);
	project_unref(make(f, "b"));
	project_unref(make(f, "Z"));
	project_unref(make(f, "a"));
	project_unref(make(f, "a-b"));
	scratch_write(&f->s, "projects/README", "no project");
	assert_int_equal(mkdirat(f->s.fd, "projects/.hidden.git", 0700), 0);
	assert_int_equal(project_each(f->st, gather, &b), 0);
	assert_string_equal(b.data, "Z a a-b b ");
	project_unref(make(f, "stop"));
	project_unref(make(f, "unseen"));
	assert_int_equal(project_each(f->st, gather, &b), 3);
}

static void keeps_its_id_through_a_rename(void **state)
{
	struct fixture *f = *state;
	struct project *p = make(f, "old"), *q = NULL;
	uint64_t id = project_id(p);
	git_repository *repo;

	assert_int_equal(project_rename(f->st, "old", "new"), 0);
	assert_int_equal(project_open(f->st, "old", &q), PROJECT_MISSING);
	assert_int_equal(project_open(f->st, "new", &q), 0);
	assert_true(project_id(q) == id);
	assert_int_equal(project_repo(p, &repo), PROJECT_GONE);
	project_unref(p);
	project_unref(q);
	project_unref(make(f, "third"));
	assert_int_equal(project_rename(f->st, "new", "third"), PROJECT_EXISTS);
	assert_int_equal(project_rename(f->st, "none", "fourth"), PROJECT_MISSING);
	assert_int_equal(project_rename(f->st, "new", ".x"), PROJECT_BAD_NAME);
}

static void copy_file(struct fixture *f, const char *from, const char *to)
{
	char text[4096];

	(void)snprintf(text, sizeof(text), "%s", scratch_read(&f->s, from));
	scratch_write(&f->s, to, text);
}

static void gives_a_copy_an_id_of_its_own(void **state)
{
	static const char *const dirs[] = {"projects/copy.git", "projects/copy.git/objects",
					   "projects/copy.git/refs"};
	struct fixture *f = *state;
	struct project *p = make(f, "app"), *q = NULL;
	uint64_t id = project_id(p), copy_id;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(mkdirat(f->s.fd, dirs[i], 0700), 0);
	copy_file(f, "projects/app.git/HEAD", "projects/copy.git/HEAD");
	copy_file(f, "projects/app.git/config", "projects/copy.git/config");
	assert_int_equal(project_open(f->st, "copy", &q), 0);
	copy_id = project_id(q);
	assert_true(copy_id != id);
	project_unref(p);
	project_unref(q);
	assert_int_equal(project_open(f->st, "app", &p), 0);
	assert_true(project_id(p) == id);
	project_unref(p);
	assert_int_equal(project_open(f->st, "copy", &q), 0);
	assert_true(project_id(q) == copy_id);
	project_unref(q);
}

static void plants_an_id_into_a_repository_put_there_by_hand(void **state)
{
	struct fixture *f = *state;
	struct project *p = NULL;
	git_repository *repo;
	uint64_t id;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/projects/mine.git", f->s.path);
	assert_int_equal(git_repository_init(&repo, path, 1), 0);
	git_repository_free(repo);
	assert_int_equal(project_open(f->st, "mine", &p), 0);
	id = project_id(p);
	project_unref(p);
	assert_int_equal(project_open(f->st, "mine", &p), 0);
	assert_true(project_id(p) == id && id);
	assert_int_equal(project_repo(p, &repo), 0);
	project_repo_done(p, repo);
	project_unref(p);
}

static void deletes_for_good_and_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct project *p = make(f, "app");
	git_repository *repo;

	assert_int_equal(project_repo(p, &repo), 0);
	assert_int_equal(project_delete(f->st, "app"), 0);
	project_repo_done(p, repo);
	assert_false(exists(f, "projects/app.git"));
	assert_int_equal(project_repo(p, &repo), PROJECT_GONE);
	assert_int_equal(project_delete(f->st, "app"), PROJECT_MISSING);
	project_unref(p);
	project_unref(make(f, "app"));
}

static void survives_rm_rf_and_a_new_repository_under_the_name(void **state)
{
	struct fixture *f = *state;
	struct project *p = make(f, "app"), *q;
	struct project_head head;
	int lock = -1;

	assert_int_equal(project_head(p, &head), 0);
	assert_int_equal(io_remove_tree(f->s.fd, "projects/app.git"), 0);
	assert_int_equal(project_head(p, &head), PROJECT_GONE);
	assert_int_equal(project_lock(p, "test", false, &lock), PROJECT_GONE);
	q = make(f, "app");
	assert_ptr_not_equal(p, q);
	assert_int_equal(project_head(p, &head), PROJECT_GONE);
	assert_int_equal(project_head(q, &head), 0);
	project_unref(p);
	assert_int_equal(project_head(q, &head), 0);
	project_unref(q);
}

static void sweeps_what_a_killed_process_left(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->s.fd, "projects/.new-0123", 0700), 0);
	assert_int_equal(mkdirat(f->s.fd, "projects/.trash-4567", 0700), 0);
	scratch_write(&f->s, "projects/.trash-4567/HEAD", "x");
	assert_int_equal(mkdirat(f->s.fd, "projects/.mine", 0700), 0);
	store_close(f->st);
	assert_int_equal(store_open(f->s.path, &f->st), 0);
	assert_false(exists(f, "projects/.new-0123"));
	assert_false(exists(f, "projects/.trash-4567"));
	assert_true(exists(f, "projects/.mine"));
}

static void excludes_a_second_holder_of_the_lock(void **state)
{
	struct fixture *f = *state;
	struct project *p = make(f, "app");
	int a = -1, b = -1;

	assert_int_equal(project_lock(p, "first", false, &a), 0);
	assert_int_equal(project_lock(p, "second", false, &b), PROJECT_LOCKED);
	assert_int_equal(b, -1);
	close(a);
	assert_int_equal(project_lock(p, "second", false, &b), 0);
	close(b);
	project_unref(p);
}

static void survives_a_broken_head(void **state)
{
	static const char *const heads[] = {"", "garbage", "ref: ", "ref: refs/heads/../x\n"};
	struct fixture *f = *state;
	struct project *p = make(f, "app");
	struct project_head head;

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		scratch_write(&f->s, "projects/app.git/HEAD", heads[i]);
		assert_true(project_head(p, &head) <= 0);
	}
	scratch_write(&f->s, "projects/app.git/HEAD", "ref: refs/heads/elsewhere\n");
	assert_int_equal(project_head(p, &head), 0);
	assert_string_equal(head.branch, "refs/heads/elsewhere");
	project_unref(p);
}

enum { MANY = 3 * STORE_OPEN_MAX };

static void keeps_few_repositories_open_however_many_are_used(void **state)
{
	static struct project *all[MANY];
	struct fixture *f = *state;
	char name[32];
	int fds;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "p%d", i);
		all[i] = make(f, name);
	}
	fds = scratch_open_fds();
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			CLEANUP(git_odb_freep) git_odb *odb = NULL;
			git_repository *repo;

			assert_int_equal(project_odb(all[i], &odb), 0);
			assert_int_equal(project_repo(all[i], &repo), 0);
			project_repo_done(all[i], repo);
			assert_true(f->st->n_open <= STORE_OPEN_MAX);
		}
	}
	assert_true(scratch_open_fds() <= fds + STORE_OPEN_MAX);
	for (int i = 0; i < MANY; i++)
		project_unref(all[i]);
	assert_int_equal(f->st->n_open, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(refuses_a_home_of_a_newer_version),
		T(refuses_to_make_a_home_among_other_files),
		T(tells_an_absent_home_from_a_broken_one),
		T(judges_names),
		T(makes_a_repository_that_git_takes_for_one),
		T(tells_missing_from_broken_from_badly_named),
		T(shares_one_handle_per_project),
		T(lists_names_in_byte_order_and_nothing_else),
		T(keeps_its_id_through_a_rename),
		T(gives_a_copy_an_id_of_its_own),
		T(plants_an_id_into_a_repository_put_there_by_hand),
		T(deletes_for_good_and_leaves_no_trace),
		T(survives_rm_rf_and_a_new_repository_under_the_name),
		T(sweeps_what_a_killed_process_left),
		T(excludes_a_second_holder_of_the_lock),
		T(survives_a_broken_head),
		T(keeps_few_repositories_open_however_many_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
