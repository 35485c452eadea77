/* Diffs of trees: every kind of change, in order, bounded, and the same as git's. */
#include "store/diff.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* ours is another */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/tree.h"
#include "tests/repo.h"

static const struct oid zero;

/* A line of `git diff-tree -r --raw --no-abbrev`, type changes being modifications here. */
static int note(const struct diff_change *c, void *arg)
{
	static const char letters[] = {'A', 'D', 'M'};
	char a[OID_HEX_LEN + 1], b[OID_HEX_LEN + 1];

	return buf_fmt(arg, ":%06o %06o %s %s %c\t%s\n", c->old_mode, c->new_mode,
		       oid_hex(&c->old_oid, a), oid_hex(&c->new_oid, b), letters[c->kind],
		       c->path);
}

static void assert_same_as_git(struct repo *r, const struct oid *a, const struct oid *b)
{
	char x[OID_HEX_LEN + 1], y[OID_HEX_LEN + 1];
	CLEANUP(free_p)
	char *script =
		alloc_fmt("git diff-tree -r --raw --no-abbrev %s %s | sed 's/ T\\t/ M\\t/'",
			  oid_hex(a, x), oid_hex(b, y));
	CLEANUP(buf_deinit) struct buf ours;

	buf_init(&ours, 1 << 20);
	assert_int_equal(diff_trees(r->p, a, b, note, &ours), 0);
	if (ours.len)
		ours.data[--ours.len] = '\0';
	assert_string_equal(ours.data, repo_sh(r, script));
}

static void names_every_kind_of_change(void **state)
{
	struct repo *r = *state;
	struct oid a =
		repo_oid(r, "mkdir d e; echo 1 >d/mod; echo 1 >d/del; echo 1 >mode; ln -s x l; "
			    "echo 1 >e/f; echo 1 >file2dir; mkdir dir2file; "
			    "echo 1 >dir2file/x; git add -A; git update-index --add "
			    "--cacheinfo 160000,1111111111111111111111111111111111111111,sub; "
			    "git write-tree");
	struct oid b =
		repo_oid(r, "echo 2 >d/mod; rm d/del; chmod +x mode; rm l; echo x >l; "
			    "echo 1 >new; rm -r file2dir dir2file; mkdir file2dir; "
			    "echo 1 >file2dir/x; echo 1 >file2dir.c; echo 1 >dir2file; "
			    "git add -A; git update-index --add "
			    "--cacheinfo 160000,2222222222222222222222222222222222222222,sub; "
			    "git write-tree");

	assert_same_as_git(r, &a, &b);
	assert_same_as_git(r, &b, &a);
	assert_same_as_git(r, &a, &a);
}

static void zero_is_the_empty_tree(void **state)
{
	struct repo *r = *state;
	struct oid a =
		repo_oid(r, "mkdir d; echo 1 >d/f; echo 1 >g; git add -A; git write-tree");
	struct oid empty = repo_oid(r, "git mktree </dev/null");
	CLEANUP(buf_deinit) struct buf from_zero;
	CLEANUP(buf_deinit) struct buf from_empty;

	buf_init(&from_zero, 4096);
	buf_init(&from_empty, 4096);
	assert_int_equal(diff_trees(r->p, &zero, &a, note, &from_zero), 0);
	assert_int_equal(diff_trees(r->p, &empty, &a, note, &from_empty), 0);
	assert_non_null(strstr(from_zero.data, "A\td/f\n"));
	assert_string_equal(from_zero.data, from_empty.data);
	assert_same_as_git(r, &a, &empty);
	assert_int_equal(diff_trees(r->p, &zero, &empty, note, &from_zero), 0);
}

static void agrees_with_git_on_random_trees(void **state)
{
	static const char script[] =
		"rm -rf ./*; i=0; while [ $i -lt 50 ]; do i=$((i+1)); "
		"n=$(( (i * 7919 + %d * 104729 + i * i * %d) %% 89 )); "
		"d=$((n %% 4))/$((n %% 3)).x; f=$d/n$((n %% 13)); rm -rf $f; "
		"{ [ -d $d ] || { rm -rf $((n %% 4)); mkdir -p $d; }; }; "
		"case $((n %% 7)) in 0) mkdir -p $f; echo $n >$f/y;; 1) ln -s $n $f;; "
		"2) echo $n >$f; chmod +x $f;; 3) rm -rf $((n %% 4)); echo $n >$((n %% 4));; "
		"*) echo $((n %% 5)) >$f;; esac; done; git add -A; git write-tree";
	struct repo *r = *state;
	struct oid last = repo_oid(r, script, 0, 1);

	for (int seed = 1; seed <= 8; seed++) {
		struct oid now = repo_oid(r, script, seed, seed % 3);

		assert_same_as_git(r, &last, &now);
		last = now;
	}
}

static int stop(const struct diff_change *c, void *arg)
{
	return ++*(int *)arg == 2 ? 42 : 0;
}

static void stops_when_the_callback_says_so(void **state)
{
	struct repo *r = *state;
	struct oid a =
		repo_oid(r, "echo 1 >a; echo 1 >b; echo 1 >c; git add -A; git write-tree");
	int n = 0;

	assert_int_equal(diff_trees(r->p, &zero, &a, stop, &n), 42);
	assert_int_equal(n, 2);
}

static void tells_missing_and_corrupt_trees(void **state)
{
	struct repo *r = *state;
	struct oid none = {{5}}, blob = repo_oid(r, "echo x | git hash-object -w --stdin");
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(diff_trees(r->p, &zero, &none, note, &b), TREE_MISSING);
	assert_int_equal(diff_trees(r->p, &blob, &zero, note, &b), TREE_CORRUPT);
	assert_int_equal(diff_patch(r->p, &zero, &none, &b), TREE_MISSING);
	assert_int_equal(b.len, 0);
}

static void refused_entries_take_no_part(void **state)
{
	struct repo *r = *state;
	struct oid blob = repo_oid(r, "echo x | git hash-object -w --stdin"), tree;
	CLEANUP(buf_deinit) struct buf raw;
	CLEANUP(buf_deinit) struct buf out;
	char hex[OID_HEX_LEN + 1], want[256];

	buf_init(&raw, 4096);
	buf_init(&out, 4096);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"..", ".git", "ok"};

		assert_int_equal(buf_fmt(&raw, "100644 %s", names[i]), 0);
		assert_int_equal(buf_add(&raw, "", 1), 0);
		assert_int_equal(buf_add(&raw, blob.id, OID_LEN), 0);
	}
	tree = repo_object(r, "tree", raw.data, raw.len);
	assert_int_equal(diff_trees(r->p, &zero, &tree, note, &out), 0);
	(void)snprintf(want, sizeof(want), ":000000 100644 %040d %s A\tok\n", 0,
		       oid_hex(&blob, hex));
	assert_string_equal(out.data, want);
}

static int count(const struct diff_change *c, void *arg)
{
	++*(uint64_t *)arg;
	return 0;
}

static void a_tree_bomb_ends_by_itself(void **state)
{
	struct repo *r = *state;
	/* Ten trees of ten names each of the one below: 10^10 paths. */
	struct oid bomb =
		repo_oid(r, "o=$(echo x | git hash-object -w --stdin); m='100644 blob'; "
			    "for i in 1 2 3 4 5 6 7 8 9 10; do o=$(for n in 0 1 2 3 4 5 6 7 "
			    "8 9; do printf '%%s %%s\\t%%s\\n' \"$m\" $o $n; done | "
			    "git mktree); m='040000 tree'; done; echo $o");
	struct oid deep =
		repo_oid(r, "o=$(git mktree </dev/null); for i in $(seq 140); do "
			    "o=$(printf '040000 tree %%s\\td\\n' $o | git mktree); done; "
			    "echo $o");
	uint64_t n = 0;

	assert_int_equal(diff_trees(r->p, &zero, &deep, count, &n), -E2BIG);
	assert_int_equal(n, 0);
	assert_int_equal(diff_trees(r->p, &zero, &bomb, count, &n), -E2BIG);
	assert_in_range(n, 1000000, 4000000);
}

static void prints_the_patch_that_git_prints(void **state)
{
	struct repo *r = *state;
	struct oid a =
		repo_oid(r, "seq 100 >long; printf 'a\\nb' >noeol; seq 200 300 >move; "
			    "printf 'a\\0b' >bin; ln -s x l; git add -A; git write-tree");
	struct oid b = repo_oid(
		r, "sed -i 's/^50$/fifty/' long; printf 'a\\nc' >noeol; mv move moved; "
		   "printf 'a\\0c' >bin; rm l; ln -s y l; echo new >new; "
		   "git add -A; git write-tree");
	char x[OID_HEX_LEN + 1], y[OID_HEX_LEN + 1];
	CLEANUP(free_p)
	char *script =
		alloc_fmt("git diff-tree -r -p -M %s %s", oid_hex(&a, x), oid_hex(&b, y));
	CLEANUP(buf_deinit) struct buf ours;

	buf_init(&ours, 1 << 20);
	assert_int_equal(diff_patch(r->p, &a, &b, &ours), 0);
	assert_true(ours.len > 0 && ours.data[ours.len - 1] == '\n');
	ours.data[--ours.len] = '\0';
	assert_string_equal(ours.data, repo_sh(r, script));
}

static void a_patch_respects_its_ceiling_and_large_files(void **state)
{
	struct repo *r = *state;
	struct oid a = repo_oid(r, "seq 1000 >f; git add -A; git write-tree");
	struct oid b =
		repo_oid(r, "seq 2000000 >f; seq 2000000 >g; git add -A; git write-tree");
	CLEANUP(buf_deinit) struct buf small;
	CLEANUP(buf_deinit) struct buf out;

	buf_init(&small, 100);
	assert_int_equal(diff_patch(r->p, &zero, &a, &small), -E2BIG);
	buf_init(&out, 4096);
	assert_int_equal(diff_patch(r->p, &a, &b, &out), 0);
	assert_non_null(strstr(out.data, "Binary files a/f and b/f differ"));
	assert_int_equal(diff_patch(r->p, &zero, &zero, &out), 0);
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(names_every_kind_of_change),
		ON_A_REPO(zero_is_the_empty_tree),
		ON_A_REPO(agrees_with_git_on_random_trees),
		ON_A_REPO(stops_when_the_callback_says_so),
		ON_A_REPO(tells_missing_and_corrupt_trees),
		ON_A_REPO(refused_entries_take_no_part),
		ON_A_REPO(a_tree_bomb_ends_by_itself),
		ON_A_REPO(prints_the_patch_that_git_prints),
		ON_A_REPO(a_patch_respects_its_ceiling_and_large_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
