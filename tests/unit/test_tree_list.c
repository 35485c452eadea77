/* Complete listings: sizes without inflating, kept in the index, shown also when damaged. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/store.h"
#include "store/tree_private.h"
#include "tests/repo.h"

static const char *const make_some =
	"mkdir -p d/e; printf 12345 >f; printf 1 >d/e/g; chmod +x d/e/g; "
	"ln -s f l; printf '' >d.c; git add -A; "
	"git update-index --add --cacheinfo "
	"160000,1111111111111111111111111111111111111111,sub; "
	"git write-tree";

static void assert_listed(struct project *p, const struct oid *tree, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;
	const struct tree_list *l = NULL;

	buf_init(&b, 1 << 20);
	assert_int_equal(tree_list(p, tree, &l), 0);
	for (size_t i = 0; i < l->n; i++)
		assert_int_equal(buf_fmt(&b, "%o %s %d %d\n", l->entries[i].mode,
					 l->entries[i].name, (int)l->entries[i].size,
					 l->entries[i].verdict),
				 0);
	assert_string_equal(b.data, want);
	tree_list_unref(l);
}

static void lists_names_modes_and_sizes(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "%s", make_some);

	assert_listed(r->p, &tree,
		      "100644 d.c 0 0\n40000 d 0 0\n100644 f 5 0\n120000 l 1 0\n"
		      "160000 sub 0 0\n");
}

static void finds_names_and_nothing_else(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "%s", make_some);
	const struct tree_list *l = NULL;

	assert_int_equal(tree_list(r->p, &tree, &l), 0);
	for (size_t i = 0; i < l->n; i++)
		assert_ptr_equal(tree_list_find(l, l->entries[i].name), &l->entries[i]);
	assert_null(tree_list_find(l, ""));
	assert_null(tree_list_find(l, "d/"));
	assert_null(tree_list_find(l, "e"));
	assert_null(tree_list_find(l, "zz"));
	tree_list_unref(l);
}

static void looks_paths_up(void **state)
{
	static const char *const none[] = {"/",     "d/",    "/d", "d//e", "f/x",
					   "d/e/h", "sub/x", "x",  ".."};
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "%s", make_some),
		   blob = repo_oid(r, "git rev-parse :d/e/g");
	struct tree_entry e;

	assert_int_equal(tree_lookup(r->p, &tree, "d/e/g", &e), 0);
	assert_int_equal(e.mode, MODE_EXEC);
	assert_int_equal(e.size, 1);
	assert_true(oid_eq(&e.oid, &blob));
	assert_int_equal(tree_lookup(r->p, &tree, "", &e), 0);
	assert_int_equal(e.mode, MODE_TREE);
	assert_true(oid_eq(&e.oid, &tree));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(tree_lookup(r->p, &tree, none[i], &e), TREE_NO_ENTRY);
}

static void add(struct buf *tree, const char *mode, const char *name, const struct oid *oid)
{
	assert_int_equal(buf_fmt(tree, "%s %s", mode, name), 0);
	assert_int_equal(buf_add(tree, "", 1), 0);
	assert_int_equal(buf_add(tree, oid->id, OID_LEN), 0);
}

static void shows_refused_entries_and_serves_the_rest(void **state)
{
	struct repo *r = *state;
	struct oid blob = repo_oid(r, "printf 123 | git hash-object -w --stdin"), tree;
	CLEANUP(buf_deinit) struct buf b;
	struct tree_entry e;

	buf_init(&b, 4096);
	add(&b, "100644", "..", &blob);
	add(&b, "40000", ".git", &blob);
	add(&b, "100644", "a/b", &blob);
	add(&b, "100644", "ok", &blob);
	add(&b, "100644", "aa", &blob);
	add(&b, "100644", "ok", &blob);
	tree = repo_object(r, "tree", b.data, b.len);
	assert_listed(r->p, &tree,
		      "100644 refused-0 0 3\n40000 .git 0 6\n100644 refused-2 0 4\n"
		      "100644 ok 3 0\n100644 aa 0 8\n100644 ok 0 9\n");
	assert_int_equal(tree_lookup(r->p, &tree, "ok", &e), 0);
	assert_int_equal(tree_lookup(r->p, &tree, ".git", &e), TREE_NO_ENTRY);
	assert_int_equal(tree_lookup(r->p, &tree, "refused-0", &e), TREE_NO_ENTRY);
	assert_int_equal(tree_lookup(r->p, &tree, "aa", &e), TREE_NO_ENTRY);
}

static void tells_missing_from_corrupt(void **state)
{
	struct repo *r = *state;
	struct oid none = {{9}}, blob = repo_oid(r, "echo x | git hash-object -w --stdin"), bad;
	const struct tree_list *l = NULL;

	assert_int_equal(tree_list(r->p, &none, &l), TREE_MISSING);
	assert_int_equal(tree_list(r->p, &blob, &l), TREE_CORRUPT);
	bad = repo_object(r, "tree", "100644 a", 8);
	assert_int_equal(tree_list(r->p, &bad, &l), TREE_CORRUPT);
	assert_null(l);
}

static void knows_the_empty_tree_without_having_it(void **state)
{
	struct repo *r = *state;
	struct oid empty;
	struct tree_entry e;

	assert_true(oid_parse("4b825dc642cb6eb9a060e54bf8d69288fbee4904", 40, &empty));
	assert_listed(r->p, &empty, "");
	assert_int_equal(tree_lookup(r->p, &empty, "a", &e), TREE_NO_ENTRY);
}

static void put_time(struct repo *r, const struct oid *blob, int64_t t)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf b;
	struct index_batch *batch;

	buf_init(&b, 64);
	assert_int_equal(buf_u64(&b, (uint64_t)t), 0);
	index_oid_key(project_id(r->p), blob, key);
	assert_int_equal(index_begin(store_index(r->st), &batch), 0);
	assert_int_equal(index_put(batch, INDEX_BLOB, key, sizeof(key), b.data, b.len), 0);
	assert_int_equal(index_commit(batch), 0);
}

static bool in_index(struct repo *r, const struct oid *tree)
{
	unsigned char key[INDEX_OID_KEY_LEN];
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1 << 20);
	index_oid_key(project_id(r->p), tree, key);
	return !index_get(store_index(r->st), INDEX_TREE, key, sizeof(key), &b);
}

static void keeps_complete_listings_in_the_index(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "printf abc >f; git add f; git write-tree");
	struct oid blob = repo_oid(r, "git rev-parse :f");
	struct tree_entry e;

	assert_listed(r->p, &tree, "100644 f 3 0\n");
	assert_false(in_index(r, &tree));
	repo_reopen(r);
	put_time(r, &blob, -77);
	assert_int_equal(tree_lookup(r->p, &tree, "f", &e), 0);
	assert_int_equal(e.first_seen, -77);
	assert_true(in_index(r, &tree));
	/* From now on the objects are not asked. */
	repo_reopen(r);
	(void)repo_sh(r, "rm -r $GIT_DIR/objects/??");
	assert_int_equal(tree_lookup(r->p, &tree, "f", &e), 0);
	assert_int_equal(e.size, 3);
	assert_int_equal(e.first_seen, -77);
}

static void a_missing_blob_has_no_size_and_is_not_cached(void **state)
{
	struct repo *r = *state;
	struct oid blob = {{7}}, tree;
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 4096);
	add(&b, "100644", "gone", &blob);
	tree = repo_object(r, "tree", b.data, b.len);
	put_time(r, &blob, 5);
	assert_listed(r->p, &tree, "100644 gone 0 0\n");
	assert_false(in_index(r, &tree));
}

static void distrusts_every_byte_of_a_packed_listing(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "%s", make_some);
	const struct tree_list *l = NULL;
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(tree_list(r->p, &tree, &l), 0);
	assert_int_equal(listing_pack((const struct listing *)((uintptr_t)l -
							       offsetof(struct listing, list)),
				      &b),
			 0);
	for (size_t len = 0; len < b.len; len++)
		assert_null(listing_unpack(b.data, len));
	for (size_t i = 0; i < b.len * 8; i++) {
		struct listing *got;

		b.data[i / 8] ^= (char)(1 << (i % 8));
		got = listing_unpack(b.data, b.len);
		for (size_t k = 0; got && k < got->list.n; k++)
			assert_true(got->entries[k].verdict ||
				    !judge_entry(got->entries[k].name, got->entries[k].name_len,
						 got->entries[k].mode));
		if (got)
			lru_unref(&got->item);
		b.data[i / 8] ^= (char)(1 << (i % 8));
	}
	tree_list_unref(l);
}

static void lists_a_hundred_thousand_entries(void **state)
{
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "b=$(printf x | git hash-object -w --stdin); "
				      "seq -f f%%06g 100000 | sed \"s/^/100644 blob $b\\t/\" | "
				      "git mktree");
	const struct tree_list *l = NULL;

	assert_int_equal(tree_list(r->p, &tree, &l), 0);
	assert_int_equal(l->n, 100000);
	assert_int_equal(tree_list_find(l, "f054321")->size, 1);
	assert_null(tree_list_find(l, "f100001"));
	tree_list_unref(l);
}

struct reader_arg {
	struct project *p;
	struct oid trees[32];
	int bad;
};

static void *read_all(void *arg)
{
	struct reader_arg *a = arg;

	for (int i = 0; i < 2000; i++) {
		struct tree_entry e;

		if (tree_lookup(a->p, &a->trees[i * 7 % 32], "d/f", &e) || e.size != 3)
			a->bad++;
	}
	return NULL;
}

static void many_threads_list_at_once(void **state)
{
	struct repo *r = *state;
	struct reader_arg args[4];
	pthread_t threads[4];

	for (int i = 0; i < 32; i++)
		args[0].trees[i] = repo_oid(r,
					    "mkdir -p d; printf '%03d' >d/f; git add d; "
					    "git write-tree",
					    i);
	for (int i = 0; i < 4; i++) {
		args[i] = args[0];
		args[i].p = r->p;
		args[i].bad = 0;
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &args[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(args[i].bad, 0);
	}
}

static void agrees_with_ls_tree_on_random_trees(void **state)
{
	static const char script[] =
		"i=0; while [ $i -lt 60 ]; do i=$((i+1)); n=$(( (i * 7919 + %d * 104729) %% 97 "
		")); "
		"d=$((n %% 5))/$((n %% 3)); mkdir -p $d; printf \"%%${n}s\" x >$d/n.$n; "
		"[ $((n %% 4)) = 0 ] && chmod +x $d/n.$n; [ $((n %% 6)) = 0 ] && ln -sfn $d "
		"$d.l$n; :; "
		"done; git add -A; git write-tree";
	struct repo *r = *state;

	for (int seed = 1; seed <= 3; seed++) {
		struct oid tree = repo_oid(r, script, seed);
		char hex[OID_HEX_LEN + 1], line[256];
		CLEANUP(free_p)
		char *ls = alloc_fmt("git ls-tree -lrt %s", oid_hex(&tree, hex));
		CLEANUP(free_p) char *text = alloc_str(repo_sh(r, ls));
		char *rest = text;
		size_t n = 0;

		for (char *at = strsep(&rest, "\n"); at && *at; at = strsep(&rest, "\n"), n++) {
			struct tree_entry e;

			assert_int_equal(tree_lookup(r->p, &tree, strchr(at, '\t') + 1, &e), 0);
			if (e.mode == MODE_TREE)
				(void)snprintf(line, sizeof(line), "040000 tree %s       -",
					       oid_hex(&e.oid, hex));
			else
				(void)snprintf(line, sizeof(line), "%06o blob %s %7d", e.mode,
					       oid_hex(&e.oid, hex), (int)e.size);
			*strchr(at, '\t') = '\0';
			assert_string_equal(at, line);
		}
		assert_in_range(n, 50, 500);
	}
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(lists_names_modes_and_sizes),
		ON_A_REPO(finds_names_and_nothing_else),
		ON_A_REPO(looks_paths_up),
		ON_A_REPO(shows_refused_entries_and_serves_the_rest),
		ON_A_REPO(tells_missing_from_corrupt),
		ON_A_REPO(knows_the_empty_tree_without_having_it),
		ON_A_REPO(keeps_complete_listings_in_the_index),
		ON_A_REPO(a_missing_blob_has_no_size_and_is_not_cached),
		ON_A_REPO(distrusts_every_byte_of_a_packed_listing),
		ON_A_REPO(lists_a_hundred_thousand_entries),
		ON_A_REPO(many_threads_list_at_once),
		ON_A_REPO(agrees_with_ls_tree_on_random_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
