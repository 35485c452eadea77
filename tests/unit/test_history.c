/* The history of one path: every change against the first parent, and the same as git's. */
#include "store/history.h"

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
#include "store/fragment.h"
#include "store/refresh.h"
#include "tests/repo.h"

static void number(struct repo *r)
{
	struct refresh_result res;

	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
}

static int note(const struct history_change *c, void *arg)
{
	return buf_fmt(arg, "%u:%o:%d ", c->seq, c->mode, (int)c->size);
}

static void assert_history(struct repo *r, const char *path, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1 << 16);
	assert_int_equal(history_each(r->p, path, note, &b), 0);
	assert_string_equal(b.data, want);
}

static const char *const make_some =
	"c() { git add -A; git commit -qm \"$1\" --allow-empty; }; "
	"git checkout -qb main 2>/dev/null || :; "
	"mkdir d; printf 1 >d/f; c one; echo x >other; c two; printf 22 >d/f; c three; "
	"chmod +x d/f; c four; rm -r d; c five; c six; mkdir d; printf 22 >d/f; c seven";

static void names_each_fragment_that_changed_a_file(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	number(r);
	assert_history(r, "d/f", "1:100644:1 3:100644:2 4:100755:2 5:0:0 7:100644:2 ");
	assert_history(r, "other", "2:100644:2 ");
}

static void knows_directories_and_paths_that_never_were(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	number(r);
	assert_history(r, "d", "1:40000:0 3:40000:0 4:40000:0 5:0:0 7:40000:0 ");
	assert_history(r, "none", "");
	assert_history(r, "d/f/x", "");
	assert_history(r, "d//f", "");
	assert_history(r, "/d/f", "");
	assert_history(r, "", "1:40000:0 2:40000:0 3:40000:0 4:40000:0 5:40000:0 7:40000:0 ");
}

static void compares_with_the_first_parent_and_not_with_the_number_before(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(
		r,
		"mk() { GIT_COMMITTER_DATE=\"$2 +0000\" git commit-tree ${3} ${4-} ${5-} ${6-} "
		"${7-} "
		"<<E\n$1\nE\n}; t() { printf '100644 blob %s\\tf\\n' "
		"$(printf $1 | git hash-object -w --stdin) | git mktree; }; "
		"a=$(mk a 1700000001 $(t a)); b=$(mk b 1700000002 $(t b) -p $a); "
		"s=$(mk s 1700000003 $(t a) -p $a); m=$(mk m 1700000004 $(t b) -p $b -p $s); "
		"n=$(mk n 1700000005 $(t b) -p $s -p $b); "
		"git update-ref refs/heads/main $m; git update-ref refs/heads/n $n");
	number(r);
	/* s agrees with a, m with b, n differs from s. */
	assert_history(r, "f", "1:100644:1 2:100644:1 5:100644:1 ");
}

static void damage_on_the_way_hides_the_path_and_nothing_else(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, make_some);
	number(r);
	repo_reopen(r);
	(void)repo_sh(
		r, "t=$(git rev-parse main~4:d); rm -f $GIT_DIR/objects/$(echo $t | cut -c1-2)/"
		   "$(echo $t | cut -c3-)");
	assert_history(r, "other", "2:100644:2 ");
	assert_history(r, "d/f", "1:100644:1 3:0:0 4:100755:2 5:0:0 ");
}

static int stop(const struct history_change *c, void *arg)
{
	return ++*(int *)arg == 2 ? 42 : 0;
}

static void stops_when_the_callback_says_so(void **state)
{
	struct repo *r = *state;
	int n = 0;

	(void)repo_sh(r, make_some);
	number(r);
	assert_int_equal(history_each(r->p, "d/f", stop, &n), 42);
	assert_int_equal(n, 2);
}

struct listed {
	struct repo *r;
	struct buf b;
};

static int note_commit(const struct history_change *c, void *arg)
{
	struct listed *l = arg;
	char hex[OID_HEX_LEN + 1];
	struct fragment f;

	assert_int_equal(fragment_get(l->r->p, c->seq, &f), 0);
	return buf_fmt(&l->b, "%s\n", oid_hex(&f.commit, hex));
}

static void agrees_with_git_on_a_random_history(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(
		r,
		"git checkout -qb main 2>/dev/null || :; i=0; while [ $i -lt 60 ]; do "
		"i=$((i+1)); n=$(( (i * 7919 + i * i * 31) % 23 )); f=$((n % 3))/$((n % 4)); "
		"mkdir -p $((n % 3)); [ $((n % 5)) = 0 ] && rm -f $f || echo $((n % 7)) >$f; "
		"git add -A; GIT_COMMITTER_DATE=\"$((1700000000 + i)) +0000\" "
		"git commit -qm $i --allow-empty; done");
	number(r);
	for (int n = 0; n < 12; n++) {
		struct listed l = {.r = r};
		char path[8], script[128];

		(void)snprintf(path, sizeof(path), "%d/%d", n % 3, n % 4);
		(void)snprintf(script, sizeof(script),
			       "git log --full-history --reverse --format=%%H -- %s", path);
		buf_init(&l.b, 1 << 16);
		assert_int_equal(history_each(r->p, path, note_commit, &l), 0);
		if (l.b.len)
			l.b.data[--l.b.len] = '\0';
		assert_string_equal(l.b.data, repo_sh(r, script));
		buf_deinit(&l.b);
	}
}

#define ON_A_REPO(claim) cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_REPO(names_each_fragment_that_changed_a_file),
		ON_A_REPO(knows_directories_and_paths_that_never_were),
		ON_A_REPO(compares_with_the_first_parent_and_not_with_the_number_before),
		ON_A_REPO(damage_on_the_way_hides_the_path_and_nothing_else),
		ON_A_REPO(stops_when_the_callback_says_so),
		ON_A_REPO(agrees_with_git_on_a_random_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
