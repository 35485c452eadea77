/* Refs: compared before they are swapped, by git's own locks, and listed in order. */
#include "store/ref.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "tests/repo.h"

static const struct oid zero;

static struct oid commit(struct repo *r, const char *word)
{
	return repo_oid(r, "echo %s | git commit-tree $(git mktree </dev/null)", word);
}

static void assert_ref_at(struct repo *r, const char *name, const struct oid *want)
{
	struct oid got, git = repo_oid(r, "git rev-parse %s", name);

	assert_int_equal(ref_read(r->p, name, &got), 0);
	assert_true(oid_eq(&got, want));
	assert_true(oid_eq(&git, want));
}

static void creates_a_ref_that_was_missing(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a");

	assert_int_equal(ref_advance(r->p, "refs/heads/x/y/z", &zero, &a, "why"), 0);
	assert_ref_at(r, "refs/heads/x/y/z", &a);
}

static void advances_a_ref_that_is_where_we_think(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a"), b = commit(r, "b");

	assert_int_equal(ref_advance(r->p, "refs/heads/x", &zero, &a, "why"), 0);
	assert_int_equal(ref_advance(r->p, "refs/heads/x", &a, &b, "why"), 0);
	assert_ref_at(r, "refs/heads/x", &b);
	(void)repo_sh(r, "git pack-refs --all --prune");
	assert_int_equal(ref_advance(r->p, "refs/heads/x", &b, &a, "why"), 0);
	assert_ref_at(r, "refs/heads/x", &a);
}

static void refuses_when_the_ref_moved(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a"), b = commit(r, "b");

	(void)repo_sh(r, "git update-ref refs/heads/x $(echo b | git commit-tree $(git mktree "
			 "</dev/null))");
	assert_int_equal(ref_advance(r->p, "refs/heads/x", &a, &b, "why"), REF_MOVED);
	assert_int_equal(ref_advance(r->p, "refs/heads/x", &zero, &a, "why"), REF_MOVED);
	assert_int_equal(ref_delete(r->p, "refs/heads/x", &a), REF_MOVED);
	assert_ref_at(r, "refs/heads/x", &b);
}

static void refuses_when_the_ref_is_gone(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a"), got;

	assert_int_equal(ref_advance(r->p, "refs/heads/x", &a, &a, "why"), REF_MISSING);
	assert_int_equal(ref_delete(r->p, "refs/heads/x", &a), REF_MISSING);
	assert_int_equal(ref_delete(r->p, "refs/heads/x", &zero), REF_MISSING);
	assert_int_equal(ref_read(r->p, "refs/heads/x", &got), REF_MISSING);
}

static void deletes_a_ref_wherever_it_is_stored(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a"), got;

	assert_int_equal(ref_advance(r->p, "refs/heads/x/y", &zero, &a, "why"), 0);
	(void)repo_sh(r, "git pack-refs --all --prune");
	assert_int_equal(ref_advance(r->p, "refs/heads/loose", &zero, &a, "why"), 0);
	assert_int_equal(ref_delete(r->p, "refs/heads/x/y", &a), 0);
	assert_int_equal(ref_delete(r->p, "refs/heads/loose", &a), 0);
	assert_int_equal(ref_read(r->p, "refs/heads/x/y", &got), REF_MISSING);
	assert_string_equal(repo_sh(r, "git for-each-ref refs/heads"), "");
}

static void refuses_names_that_git_refuses(void **state)
{
	static const char *const names[] = {"",
					    "x",
					    "refs/heads/",
					    "refs/heads/a..b",
					    "refs/heads/a b",
					    "refs/heads/-\n",
					    "refs/heads/a.lock",
					    "/refs/heads/a",
					    "refs/heads/../../config"};
	struct repo *r = *state;
	struct oid a = commit(r, "a"), got;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ref_advance(r->p, names[i], &zero, &a, "why"), REF_BAD_NAME);
		assert_int_equal(ref_read(r->p, names[i], &got), REF_BAD_NAME);
		assert_int_equal(ref_delete(r->p, names[i], &a), REF_BAD_NAME);
	}
}

static void a_ref_and_a_directory_of_one_name_exclude_each_other(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a");

	assert_int_equal(ref_advance(r->p, "refs/heads/a", &zero, &a, "why"), 0);
	assert_int_equal(ref_advance(r->p, "refs/heads/b/c", &zero, &a, "why"), 0);
	(void)repo_sh(r, "git pack-refs --all --prune");
	assert_int_equal(ref_advance(r->p, "refs/heads/a/b", &zero, &a, "why"), -EEXIST);
	assert_int_equal(ref_advance(r->p, "refs/heads/b", &zero, &a, "why"), -EEXIST);
}

static void peels_annotated_tags_to_their_commit(void **state)
{
	struct repo *r = *state;
	struct oid a = commit(r, "a"), got;

	assert_int_equal(ref_advance(r->p, "refs/heads/x", &zero, &a, "why"), 0);
	(void)repo_sh(r, "git tag -m one t1 x; git tag -m two t2 t1 2>/dev/null");
	assert_int_equal(ref_read(r->p, "refs/tags/t2", &got), 0);
	assert_true(oid_eq(&got, &a));
}

static int collect(const char *name, const struct oid *oid, void *arg)
{
	return buf_fmt(arg, "%s ", name);
}

static void lists_refs_in_byte_order_wherever_they_are_stored(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct repo *r = *state;

	buf_init(&b, 4096);
	(void)repo_sh(
		r, "c=$(echo c | git commit-tree $(git mktree </dev/null)); "
		   "for n in heads/b heads/d tags/t fragments/1; do git update-ref "
		   "refs/$n $c; done; git pack-refs --all --prune; "
		   "for n in heads/a heads/c/x heads/e fragments/2; do git update-ref "
		   "refs/$n $c; done; git tag -m x ann $c; "
		   "git update-ref refs/tags/blob $(echo x | git hash-object -w --stdin); "
		   "echo 1111111111111111111111111111111111111111 >$GIT_DIR/refs/heads/gone");
	assert_int_equal(ref_each(r->p, "refs/heads/", collect, &b), 0);
	assert_string_equal(b.data, "refs/heads/a refs/heads/b refs/heads/c/x refs/heads/d "
				    "refs/heads/e ");
	buf_clear(&b);
	assert_int_equal(ref_each(r->p, "refs/", collect, &b), 0);
	assert_string_equal(b.data, "refs/heads/a refs/heads/b refs/heads/c/x refs/heads/d "
				    "refs/heads/e refs/tags/ann refs/tags/t ");
	buf_clear(&b);
	assert_int_equal(ref_each(r->p, "refs/fragments/", collect, &b), 0);
	assert_string_equal(b.data, "refs/fragments/1 refs/fragments/2 ");
}

static void removes_the_lock_of_a_killed_process_and_waits_for_a_live_one(void **state)
{
	struct repo *r = *state;
	CLEANUP(free_p) char *lock = alloc_fmt("%s/refs/heads/x.lock", r->git_dir);
	struct oid a = commit(r, "a");
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	int fd = open(lock, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ref_advance(r->p, "refs/heads/x", &zero, &a, "why"), -EBUSY);
	assert_int_equal(futimens(fd, old), 0);
	close(fd);
	assert_int_equal(ref_advance(r->p, "refs/heads/x", &zero, &a, "why"), 0);
	assert_ref_at(r, "refs/heads/x", &a);
}

struct racer {
	struct repo *r;
	struct oid mine;
	int won;
};

static void *race(void *arg)
{
	struct racer *me = arg;

	me->won = ref_advance(me->r->p, "refs/heads/race", &zero, &me->mine, "why") == 0;
	return NULL;
}

static void one_of_many_creators_wins(void **state)
{
	struct repo *r = *state;
	struct racer racers[8];
	pthread_t threads[8];
	int won = 0;

	for (int i = 0; i < 8; i++) {
		char word[8];

		(void)snprintf(word, sizeof(word), "%d", i);
		racers[i] = (struct racer){r, commit(r, word), 0};
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		won += racers[i].won;
		if (racers[i].won)
			assert_ref_at(r, "refs/heads/race", &racers[i].mine);
	}
	assert_int_equal(won, 1);
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(creates_a_ref_that_was_missing),
		ON_A_REPO(advances_a_ref_that_is_where_we_think),
		ON_A_REPO(refuses_when_the_ref_moved),
		ON_A_REPO(refuses_when_the_ref_is_gone),
		ON_A_REPO(deletes_a_ref_wherever_it_is_stored),
		ON_A_REPO(refuses_names_that_git_refuses),
		ON_A_REPO(a_ref_and_a_directory_of_one_name_exclude_each_other),
		ON_A_REPO(peels_annotated_tags_to_their_commit),
		ON_A_REPO(lists_refs_in_byte_order_wherever_they_are_stored),
		ON_A_REPO(removes_the_lock_of_a_killed_process_and_waits_for_a_live_one),
		ON_A_REPO(one_of_many_creators_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
