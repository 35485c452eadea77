/* Refs as files, and whose move wins when a source is imported again. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "store/import_git_merge.h"
#include "store/import_git_refs.h"
#include "tests/scratch.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void decides_by_who_moved(void **state)
{
	static const struct {
		const char *name;
		unsigned char base, theirs, ours;
		enum import_git_move move;
	} t[] = {
		{"refs/heads/new", 0, 1, 0, IMPORT_GIT_FOLLOW},
		{"refs/heads/same", 1, 1, 1, IMPORT_GIT_STAY},
		{"refs/heads/they-moved", 1, 2, 1, IMPORT_GIT_FOLLOW},
		{"refs/heads/we-moved", 1, 1, 2, IMPORT_GIT_STAY},
		{"refs/heads/both-moved", 1, 2, 3, IMPORT_GIT_ASK},
		{"refs/heads/both-moved-alike", 1, 2, 2, IMPORT_GIT_STAY},
		{"refs/heads/made-on-both-sides", 0, 2, 3, IMPORT_GIT_ASK},
		{"refs/heads/we-deleted", 1, 2, 0, IMPORT_GIT_STAY},
		{"refs/heads/they-deleted", 1, 0, 1, IMPORT_GIT_STAY},
		{"refs/tags/both-moved", 1, 2, 3, IMPORT_GIT_STAY},
		{"refs/tags/they-moved", 1, 2, 1, IMPORT_GIT_FOLLOW},
		{"refs/remotes/x/both-moved", 1, 2, 3, IMPORT_GIT_FOLLOW},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct oid base = {{t[i].base}}, theirs = {{t[i].theirs}}, ours = {{t[i].ours}};

		if (import_git_decide(t[i].name, &base, &theirs, &ours) != t[i].move)
			fail_msg("'%s' is decided wrongly", t[i].name);
	}
}

static void knows_the_names_git_would_take(void **state)
{
	static const char *const good[] = {"refs/heads/main", "refs/tags/v1.0",
					   "refs/heads/a/b",  "refs/heads/\xc3\xa4",
					   "refs/stash",      "refs/heads/@"};
	static const char *const bad[] = {
		"HEAD",           "refs/",           "refs/heads/",
		"refs/heads/.a",  "refs/heads/a..b", "refs/heads/a b",
		"refs/heads/a^",  "refs/heads/a:b",  "refs/heads/a.lock",
		"refs/heads/a\n", "refs/../x",       "refs//x",
		"refs/heads/a@{", "refs/heads/a.",   "refs/a.lock/b"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(import_git_refs_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (import_git_refs_name_ok(bad[i]))
			fail_msg("'%s' is taken for a ref's name", bad[i]);
	}
}

static void read_all(struct scratch *s, struct import_git_refs *refs)
{
	import_git_refs_init(refs);
	assert_int_equal(import_git_refs_read(s->fd, s->fd, refs), 0);
}

static void loose_refs_hide_packed_ones(void **state)
{
	CLEANUP(import_git_refs_deinit) struct import_git_refs refs;
	struct scratch *s = *state;

	scratch_write(s, "packed-refs",
		      "# pack-refs with: peeled fully-peeled sorted \n" A " refs/heads/main\n" A
		      " refs/tags/v1\n^" B "\n" A " refs/fragments/1\nrubbish\n" A
		      " refs/../x\n");
	assert_int_equal(io_mkdirs(s->fd, "refs/heads/deep", 0755), 0);
	assert_int_equal(io_mkdirs(s->fd, "refs/remotes/origin", 0755), 0);
	scratch_write(s, "refs/heads/main", B "\n");
	scratch_write(s, "refs/heads/deep/er", A);
	scratch_write(s, "refs/heads/torn", "");
	scratch_write(s, "refs/heads/x.lock", A);
	scratch_write(s, "refs/remotes/origin/HEAD", "ref: refs/remotes/origin/main\n");
	scratch_write(s, "HEAD", "ref: refs/heads/main\n");
	log_open(-1, LOG_LEVEL_ERR, false);
	read_all(s, &refs);
	assert_int_equal(refs.n, 4);
	assert_string_equal(refs.refs[0].name, "refs/heads/deep/er");
	assert_string_equal(refs.refs[1].name, "refs/heads/main");
	assert_int_equal(refs.refs[1].oid.id[0], 0xbb);
	assert_string_equal(refs.refs[2].target, "refs/remotes/origin/main");
	assert_string_equal(refs.refs[3].name, "refs/tags/v1");
	assert_string_equal(refs.head, "refs/heads/main");
	assert_null(import_git_refs_find(&refs, "refs/tags/v2"));
	assert_ptr_equal(import_git_refs_find(&refs, "refs/tags/v1"), &refs.refs[3]);
}

static void writes_what_reads_back_the_same(void **state)
{
	CLEANUP(import_git_refs_deinit) struct import_git_refs refs;
	CLEANUP(import_git_refs_deinit) struct import_git_refs again;
	struct scratch *s = *state;
	struct oid a, b;

	assert_true(oid_parse(A, 40, &a) && oid_parse(B, 40, &b));
	assert_int_equal(io_mkdirs(s->fd, "refs/heads/old", 0755), 0);
	scratch_write(s, "refs/heads/old/loose", B);
	import_git_refs_init(&refs);
	import_git_refs_add(&refs, "refs/tags/v1", &a, NULL);
	import_git_refs_add(&refs, "refs/heads/main", &a, NULL);
	import_git_refs_add(&refs, "refs/heads/main", &b, NULL);
	import_git_refs_add(&refs, "refs/remotes/o/HEAD", NULL, "refs/remotes/o/main");
	refs.head_oid = a;
	import_git_refs_sort(&refs);
	assert_int_equal(import_git_refs_write(&refs, s->fd, true), 0);
	assert_string_equal(scratch_read(s, "packed-refs"),
			    "# pack-refs with: sorted \n" B " refs/heads/main\n" B
			    " refs/imported/heads/main\n" A " refs/imported/tags/v1\n" A
			    " refs/tags/v1\n");
	read_all(s, &again);
	assert_int_equal(again.n, 3);
	assert_true(oid_eq(&again.refs[0].oid, &b));
	assert_string_equal(again.refs[1].target, "refs/remotes/o/main");
	assert_true(oid_eq(&again.head_oid, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_who_moved),
		cmocka_unit_test(knows_the_names_git_would_take),
		cmocka_unit_test_setup_teardown(loose_refs_hide_packed_ones, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(writes_what_reads_back_the_same, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests_name("import_git_refs", tests, NULL, NULL);
}
