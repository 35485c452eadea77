/* fsck finds what is planted, names it, and is silent about what is well. */
#include "store/fsck.h"

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

#include "base/alloc.h"
#include "base/buf.h"
#include "store/fragment_record.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/project_record.h"
#include "store/store.h"
#include "store/tree.h"
#include "tests/repo.h"

static struct buf said;

static void note(const struct fsck_finding *f, void *arg)
{
	assert_int_equal(buf_fmt(&said, "%s %s: %s\n",
				 f->level == FSCK_PROBLEM ? "PROBLEM" : "NOTE",
				 f->project ? f->project : "-", f->words),
			 0);
}

static struct fsck_result check(struct repo *r)
{
	struct fsck how = {.fn = note};
	struct fsck_result result = {0};

	buf_deinit(&said);
	buf_init(&said, 1 << 20);
	assert_int_equal(fsck_store(r->st, &how, &result), 0);
	return result;
}

static void assert_clean(struct repo *r)
{
	struct fsck_result res = check(r);

	assert_string_equal(said.data, "");
	assert_int_equal(res.n_problems, 0);
	assert_int_equal(res.n_notes, 0);
}

static void assert_problem(struct repo *r, const char *words)
{
	struct fsck_result res = check(r);

	assert_true(res.n_problems > 0);
	if (!strstr(said.data, words))
		fail_msg("no '%s' in:\n%s", words, said.data);
	assert_non_null(strstr(said.data, "PROBLEM demo: "));
}

static int setup(void **state)
{
	struct refresh_result res;
	struct repo *r;

	if (repo_setup(state))
		return -1;
	r = *state;
	(void)repo_sh(
		r, "mkdir -p d/e; echo 1 >a; echo 2 >d/b; echo 3 >d/e/c; ln -s a l; git add -A;"
		   "git commit -qm one; echo 4 >d/b; git commit -qam two; echo 2 >x; git add x;"
		   "git commit -qm three");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	return 0;
}

static int teardown(void **state)
{
	buf_deinit(&said);
	return repo_teardown(state);
}

static void list_all(struct repo *r)
{
	static const char *const trees[] = {"main^{tree}", "main:d", "main:d/e"};

	for (size_t i = 0; i < 3; i++) {
		struct oid tree = repo_oid(r, "git rev-parse %s", trees[i]);
		const struct tree_list *l;

		assert_int_equal(tree_list(r->p, &tree, &l), 0);
		tree_list_unref(l);
	}
	repo_reopen(r);
}

static void has_nothing_to_say_about_a_sound_home(void **state)
{
	struct repo *r = *state;
	struct fsck_result res;

	list_all(r);
	assert_clean(r);
	res = check(r);
	assert_int_equal(res.n_fragments, 3);
	assert_int_equal(res.n_trees, 6);
	assert_int_equal(res.n_blobs, 5);
	(void)repo_sh(r, "git gc -q; git pack-refs --all");
	assert_clean(r);
}

static void follows_refs_that_moved_a_moment_ago(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, "echo 9 >a; git commit -qam four; git tag -a -m x t main");
	assert_clean(r);
}

static void remove_object(struct repo *r, const char *rev)
{
	CLEANUP(free_p)
	char *script = alloc_fmt("o=$(git rev-parse %s); rm -f $GIT_DIR/objects/$(echo $o | "
				 "cut -c1-2)/$(echo $o | "
				 "cut -c3-)",
				 rev);

	(void)repo_sh(r, script);
}

static void finds_a_missing_blob(void **state)
{
	struct repo *r = *state;

	remove_object(r, "main:d/e/c");
	assert_problem(r, "blob 00750edc07d6415dcc07ae0351e9397b0222b7ba is missing");
}

static void finds_a_missing_tree(void **state)
{
	struct repo *r = *state;

	remove_object(r, "main~2:d");
	assert_problem(r, "fragment 1: tree");
	assert_non_null(strstr(said.data, "is missing"));
}

static void finds_a_missing_commit(void **state)
{
	struct repo *r = *state;

	remove_object(r, "main~1");
	assert_problem(r, "fragment 2: commit");
}

static void finds_content_that_does_not_have_its_hash(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r,
		      "p() { o=$(git rev-parse $1);"
		      "echo $GIT_DIR/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-); };"
		      "a=$(p main:a); c=$(p main:d/e/c); chmod +w $c; cat $a >$c");
	assert_problem(r, "blob 00750edc07d6415dcc07ae0351e9397b0222b7ba is damaged");
}

static void finds_bytes_that_do_not_inflate(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, "o=$(git rev-parse main:a);"
			 "f=$GIT_DIR/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-);"
			 "chmod +w $f; echo junk >$f");
	assert_problem(r, "is damaged");
}

static void put(struct repo *r, enum index_table t, const struct oid *oid, const void *val,
		size_t len)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	struct index_batch *b;

	index_oid_key(project_id(r->p), oid, key);
	assert_int_equal(index_begin(store_index(r->st), &b), 0);
	assert_int_equal(index_put(b, t, key, sizeof(key), val, len), 0);
	assert_int_equal(index_commit(b), 0);
}

static void finds_a_time_a_size_and_a_number_that_lie(void **state)
{
	struct repo *r = *state;
	struct oid blob = repo_oid(r, "git rev-parse main:a");
	struct oid commit = repo_oid(r, "git rev-parse main");

	put(r, INDEX_BLOB, &blob, "\1\0\0\0\0\0\0\0", 8);
	assert_problem(r, "was first seen in fragment 1");
	assert_int_equal(refresh_rebuild(r->p, NULL, NULL), 0);
	assert_clean(r);
	put(r, INDEX_SIZE, &blob, "\7\0\0\0\0\0\0\0", 8);
	assert_problem(r, "wrong size for blob");
	assert_int_equal(refresh_rebuild(r->p, NULL, NULL), 0);
	assert_clean(r);
	put(r, INDEX_COMMIT, &commit, "\1\0\0\0", 4);
	assert_problem(r, "under a number that is not its own");
	assert_int_equal(refresh_rebuild(r->p, NULL, NULL), 0);
	assert_clean(r);
}

static void finds_a_listing_that_lies(void **state)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf val;
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "git rev-parse main^{tree}");

	list_all(r);
	buf_init(&val, 1 << 20);
	index_oid_key(project_id(r->p), &tree, key);
	assert_int_equal(index_get(store_index(r->st), INDEX_TREE, key, sizeof(key), &val), 0);
	/* The last byte of the last name. */
	val.data[val.len - 1] ^= 1;
	put(r, INDEX_TREE, &tree, val.data, val.len);
	assert_problem(r, "the listing of tree");
}

static void finds_a_record_that_lies(void **state)
{
	unsigned char key[INDEX_FRAGMENT_KEY_LEN], val[FRAGMENT_RECORD_MAX];
	struct repo *r = *state;
	struct index_batch *b;
	struct fragment f;

	assert_int_equal(fragment_get(r->p, 2, &f), 0);
	f.time++;
	index_fragment_key(project_id(r->p), 2, key);
	assert_int_equal(index_begin(store_index(r->st), &b), 0);
	assert_int_equal(index_put(b, INDEX_FRAGMENT, key, sizeof(key), val,
				   fragment_record_encode(&f, val)),
			 0);
	assert_int_equal(index_commit(b), 0);
	assert_problem(r, "fragment 2: the index does not say what its commit says");
	assert_int_equal(index_begin(store_index(r->st), &b), 0);
	assert_int_equal(index_delete(b, INDEX_FRAGMENT, key, sizeof(key)), 0);
	assert_int_equal(index_commit(b), 0);
	assert_problem(r, "refs/fragments/2 is not in the index");
}

static void finds_a_number_whose_fragment_is_lost(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, "git checkout -q --orphan new; git commit -qm four");
	assert_clean(r);
	(void)repo_sh(r,
		      "git branch -qD main; for i in 1 2 3; do git update-ref -d "
		      "refs/fragments/$i; done; rm -rf $GIT_DIR/logs; git prune --expire=now");
	assert_problem(r, "numbers 1 to 3 have neither ref nor record");
}

static void finds_refs_and_heads_that_lead_nowhere(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, "echo 1234567890123456789012345678901234567890 "
			 ">$GIT_DIR/refs/heads/nowhere");
	assert_problem(r, "a ref points at 1234567890123456789012345678901234567890");
	(void)repo_sh(r, "rm $GIT_DIR/refs/heads/nowhere; echo garbage >$GIT_DIR/HEAD");
	assert_problem(r, "HEAD cannot be read");
}

static void notes_refused_names_and_locks_without_calling_them_problems(void **state)
{
	unsigned char tree[12 + OID_LEN] = "100644 .git";
	CLEANUP(free_p) char *script = NULL;
	char hex[OID_HEX_LEN + 1];
	struct repo *r = *state;
	struct oid blob = repo_oid(r, "git rev-parse main:a"), evil;
	struct fsck_result res;

	memcpy(tree + 12, blob.id, OID_LEN);
	evil = repo_object(r, "tree", tree, sizeof(tree));
	script = alloc_fmt("git update-ref refs/heads/evil $(git commit-tree -m evil %s);"
			   ": >$GIT_DIR/packed-refs.lock; : >$GIT_DIR/refs/heads/x.lock",
			   oid_hex(&evil, hex));
	(void)repo_sh(r, script);
	res = check(r);
	assert_int_equal(res.n_problems, 0);
	assert_int_equal(res.n_notes, 3);
	assert_non_null(strstr(said.data, "holds '.git', refused because"));
	assert_non_null(strstr(said.data, "packed-refs.lock"));
	assert_non_null(strstr(said.data, "x.lock"));
}

static void finds_a_directory_that_is_no_repository(void **state)
{
	struct repo *r = *state;
	struct fsck_result res;

	assert_int_equal(mkdirat(r->s.fd, "projects/junk.git", 0700), 0);
	res = check(r);
	assert_int_equal(res.n_problems, 1);
	assert_string_equal(said.data,
			    "PROBLEM junk: it is no git repository: HEAD, objects or "
			    "refs is missing\n");
}

static void tells_a_flood_once_and_counts_it(void **state)
{
	struct repo *r = *state;
	struct fsck_result res;
	size_t lines = 0;

	(void)repo_sh(
		r, "for i in $(seq 150); do echo blob$i >f$i; done; git add -A;"
		   "git commit -qm many; for i in $(seq 150); do o=$(git rev-parse main:f$i);"
		   "rm -f $GIT_DIR/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-); done");
	res = check(r);
	assert_int_equal(res.n_problems, 150);
	for (size_t i = 0; i < said.len; i++)
		lines += said.data[i] == '\n';
	assert_int_equal(lines, FSCK_FINDINGS_MAX + 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(has_nothing_to_say_about_a_sound_home),
		T(follows_refs_that_moved_a_moment_ago),
		T(finds_a_missing_blob),
		T(finds_a_missing_tree),
		T(finds_a_missing_commit),
		T(finds_content_that_does_not_have_its_hash),
		T(finds_bytes_that_do_not_inflate),
		T(finds_a_time_a_size_and_a_number_that_lie),
		T(finds_a_listing_that_lies),
		T(finds_a_record_that_lies),
		T(finds_a_number_whose_fragment_is_lost),
		T(finds_refs_and_heads_that_lead_nowhere),
		T(notes_refused_names_and_locks_without_calling_them_problems),
		T(finds_a_directory_that_is_no_repository),
		T(tells_a_flood_once_and_counts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
