/* Numbering: parents first, once and for ever, the same from the index as from git alone. */
#include "store/refresh.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/oidmap.h"
#include "store/first_seen.h"
#include "store/fragment.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/store.h"
#include "tests/repo.h"

enum { DUMP_MAX = 32 << 20 };

static uint32_t refresh(struct repo *r)
{
	struct refresh_result res = {0};

	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	return res.n_new;
}

static int add_record(const void *key, size_t key_len, const void *val, size_t val_len,
		      void *arg)
{
	assert_int_equal(buf_u32(arg, (uint32_t)key_len), 0);
	assert_int_equal(buf_add(arg, key, key_len), 0);
	assert_int_equal(buf_u32(arg, (uint32_t)val_len), 0);
	assert_int_equal(buf_add(arg, val, val_len), 0);
	return 0;
}

/* Every byte that must not depend on how the index came about. */
static void dump(struct repo *r, struct buf *b)
{
	static const enum index_table tables[] = {INDEX_FRAGMENT, INDEX_COMMIT, INDEX_BLOB};
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	uint32_t last, count;

	buf_clear(b);
	index_project_key(project_id(r->p), key);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		assert_int_equal(buf_u32(b, tables[i]), 0);
		assert_int_equal(index_each(store_index(r->st), tables[i], key, sizeof(key),
					    NULL, 0, add_record, b),
				 0);
	}
	assert_int_equal(fragment_last(r->p, &last), 0);
	assert_int_equal(fragment_count(r->p, &count), 0);
	assert_int_equal(buf_u32(b, last), 0);
	assert_int_equal(buf_u32(b, count), 0);
}

static void assert_same(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
}

static int add_name(const struct fragment *f, void *arg)
{
	char name[FRAGMENT_NAME_MAX];

	int len = fragment_name(f, name);

	assert_int_equal(len, strlen(name));
	/* The hash differs by when a test runs it; number and title do not. */
	return buf_fmt(arg, "%.5s%s ", name, name + 5 + 1 + 12);
}

static void assert_fragments(struct repo *r, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(fragment_each(r->p, 1, add_name, &b), 0);
	assert_string_equal(b.data, want);
}

static void commit(struct repo *r, const char *file, const char *text, const char *title)
{
	CLEANUP(free_p)
	char *script = alloc_fmt(
		"mkdir -p \"$(dirname %s)\"; echo '%s' >%s; git add -A; git commit -qm '%s'",
		file, text, file, title);

	(void)repo_sh(r, script);
}

static void numbers_what_plain_git_commits(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;
	struct fragment f;
	struct oid head;

	assert_int_equal(refresh(r), 0);
	commit(r, "a", "1", "First: the Login form!");
	commit(r, "b", "2", "second");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_true(res.refs_changed);
	assert_int_equal(res.n_new, 2);
	assert_int_equal(res.last, 2);
	assert_fragments(r, "00001-first-the-login-form 00002-second ");
	head = repo_oid(r, "git rev-parse HEAD");
	assert_int_equal(fragment_by_commit(r->p, &head, &f), 0);
	assert_int_equal(f.seq, 2);
	assert_int_equal(f.n_parents, 1);
	assert_int_equal(f.time, 1700000000);
	assert_int_equal(f.tz, 60);
	head = repo_oid(r, "git rev-parse HEAD^{tree}");
	assert_true(oid_eq(&head, &f.tree));
}

static void pins_each_fragment_by_a_ref_of_its_number(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	commit(r, "a", "2", "two");
	(void)refresh(r);
	assert_string_equal(repo_sh(r, "git for-each-ref --format='%(refname) %(subject)' "
				       "refs/fragments"),
			    "refs/fragments/1 one\nrefs/fragments/2 two");
	(void)repo_sh(r, "git checkout -q --orphan other; git commit -qm three; "
			 "git branch -qD main; git gc -q --prune=now");
	assert_int_equal(refresh(r), 1);
	assert_string_equal(repo_sh(r, "git log -1 --format=%s refs/fragments/2"), "two");
	assert_fragments(r, "00001-one 00002-two 00003-three ");
}

static void says_that_nothing_moved_when_nothing_did(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;

	commit(r, "a", "1", "one");
	(void)refresh(r);
	/* Until the change is old enough to be told from the next by its time. */
	do {
		assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
		assert_int_equal(res.n_new, 0);
		assert_int_equal(res.last, 1);
	} while (res.refs_changed);
	commit(r, "a", "2", "two");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), 0);
	assert_true(res.refs_changed);
	assert_int_equal(res.n_new, 1);
}

static void notices_a_ref_that_is_rewritten_in_place(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	commit(r, "a", "2", "two");
	(void)repo_sh(r, "git branch side main~1");
	(void)refresh(r);
	for (int i = 0; i < 8; i++) {
		CLEANUP(free_p)
		char *script = alloc_fmt("git commit-tree -p main -m x%d main^{tree} >../new;"
					 "cat ../new >$GIT_DIR/refs/heads/side",
					 i);

		(void)repo_sh(r, script);
		assert_int_equal(refresh(r), 1);
		assert_int_equal(refresh(r), 0);
	}
}

static void orders_by_parents_then_time_then_id(void **state)
{
	struct repo *r = *state;

	(void)repo_sh(r, "t=$(git mktree </dev/null)\n"
			 "c() { d=$1 m=$2; shift 2; "
			 "GIT_COMMITTER_DATE=\"@$d +0000\" git commit-tree -m $m \"$@\" $t; }\n"
			 "late=$(c 500 late)\n"
			 "child=$(c 100 child-older-than-its-parent -p $late)\n"
			 "early=$(c 200 early)\n"
			 "merge=$(c 300 merge -p $child -p $early)\n"
			 "git update-ref refs/heads/main $merge\n"
			 "git update-ref refs/heads/x $(c 400 between)");
	assert_int_equal(refresh(r), 5);
	assert_fragments(r, "00001-early 00002-between 00003-late "
			    "00004-child-older-than-its-parent 00005-merge ");
}

static void finds_tags_of_tags_and_takes_no_offence_at_tags_of_trees(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	(void)repo_sh(
		r,
		"git checkout -q --detach; git commit -qm hidden --allow-empty;"
		"git tag -a -m x t1; git -c advice.nestedTag=false tag -a -m y t2 t1; git tag "
		"-d t1;"
		"git tag tree HEAD^{tree}; git tag blob HEAD:a; git tag -a -m z tt tree;"
		"git checkout -q main;"
		"git update-ref refs/remotes/origin/x $(git commit-tree -m remote main^{tree});"
		"git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/x;"
		"git symbolic-ref refs/remotes/origin/gone refs/remotes/origin/nowhere");
	assert_int_equal(refresh(r), 3);
	(void)repo_sh(r, "git pack-refs --all");
	assert_int_equal(refresh(r), 0);
	commit(r, "a", "2", "two");
	assert_int_equal(refresh(r), 1);
}

static void numbers_a_detached_head_and_a_head_outside_branches(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	(void)repo_sh(r, "git checkout -q --detach; git commit -q --allow-empty -m detached");
	assert_int_equal(refresh(r), 2);
	(void)repo_sh(r, "git update-ref refs/odd/place $(git commit-tree -m odd main^{tree})");
	assert_int_equal(refresh(r), 0);
	(void)repo_sh(r, "echo 'ref: refs/odd/place' >$GIT_DIR/HEAD");
	assert_int_equal(refresh(r), 1);
}

static void survives_broken_refs_and_missing_objects(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	(void)repo_sh(r, "cd $GIT_DIR; echo junk >refs/heads/junk; : >refs/heads/empty;"
			 "echo 1234567890123456789012345678901234567890 >refs/heads/missing;"
			 "mkdir -p refs/heads/deep/er; cp refs/heads/main refs/heads/deep/er/x;"
			 "echo 'ref: refs/heads/loop' >refs/heads/loop; echo garbage >HEAD;"
			 "echo not-a-line >packed-refs");
	assert_int_equal(refresh(r), 1);
	(void)repo_sh(r, "cd $GIT_DIR; rm packed-refs; echo 'ref: refs/heads/unborn' >HEAD");
	assert_int_equal(refresh(r), 0);
	commit(r, "a", "2", "two");
	assert_int_equal(refresh(r), 1);
}

static void numbers_what_a_damaged_commit_does_not_hide(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	commit(r, "a", "2", "two");
	commit(r, "a", "3", "three");
	(void)repo_sh(r, "git branch safe main~2; o=$(git rev-parse main~1);"
			 "rm -f $GIT_DIR/objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-)");
	assert_int_equal(refresh(r), 2);
	assert_fragments(r, "00001-one 00002-three ");
	assert_int_equal(refresh(r), 0);
}

static void survives_odd_commits(void **state)
{
	static const char *const bodies[] = {
		"",
		"author x\ncommitter x\n",
		"author A <a> 99999999999999999999 +9999\n"
		"committer C <c> 99999999999999999999 +9999\n\nhuge\n",
		"author A <a> -5 -0000\ncommitter C <c> -5 -9999\n\nnegative\n",
		"author A <a> 1 +0\ncommitter C <c> banana\n\n\n\n   spaced   \n",
		"committer <<>> 77 x\nencoding UTF-99\n\n\xff\xfe\n",
	};
	struct repo *r = *state;
	struct oid tree = repo_oid(r, "git mktree </dev/null");
	char hex[OID_HEX_LEN + 1];

	oid_hex(&tree, hex);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		CLEANUP(free_p) char *text = alloc_fmt("tree %s\n%s", hex, bodies[i]);
		struct oid c = repo_object(r, "commit", text, strlen(text));
		CLEANUP(free_p) char *script = NULL;

		oid_hex(&c, hex);
		script = alloc_fmt("echo %s >$GIT_DIR/refs/heads/odd%zu", hex, i);
		(void)repo_sh(r, script);
		oid_hex(&tree, hex);
	}
	(void)repo_sh(r, "p=; for i in $(seq 100); do p=\"$p -p $(git commit-tree -m p$i "
			 "$(git mktree </dev/null))\"; done;"
			 "git update-ref refs/heads/octopus "
			 "$(git commit-tree $p -m octopus $(git mktree </dev/null))");
	assert_int_equal(refresh(r), 6 + 101);
}

static void gives_no_number_twice_when_refs_are_deleted(void **state)
{
	struct repo *r = *state;
	struct fragment f;

	commit(r, "a", "1", "one");
	commit(r, "a", "2", "two");
	(void)refresh(r);
	(void)repo_sh(r, "git update-ref -d refs/fragments/2");
	assert_int_equal(refresh(r), 0);
	assert_string_equal(repo_sh(r, "git log -1 --format=%s refs/fragments/2"), "two");
	/* With the commit gone for good and the index as well, its number stays unused. */
	(void)repo_sh(r, "git update-ref refs/heads/main main~1; git update-ref -d "
			 "refs/fragments/2; rm -rf $GIT_DIR/logs; git prune --expire=now;"
			 "rm ../index/data.mdb");
	repo_reopen(r);
	commit(r, "a", "3", "three");
	assert_int_equal(refresh(r), 1);
	assert_fragments(r, "00001-one 00003-three ");
	assert_int_equal(fragment_get(r->p, 2, &f), FRAGMENT_MISSING);
}

static void takes_numbers_from_refs_after_a_crash_before_the_index(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	(void)refresh(r);
	commit(r, "a", "2", "two");
	commit(r, "a", "3", "three");
	/* What a numberer would have published before it was killed, in another order. */
	(void)repo_sh(r,
		      "git update-ref refs/fragments/2 main; git update-ref refs/fragments/3 "
		      "main~1");
	assert_int_equal(refresh(r), 0);
	assert_fragments(r, "00001-one 00002-three 00003-two ");
	commit(r, "a", "4", "four");
	assert_int_equal(refresh(r), 1);
	assert_fragments(r, "00001-one 00002-three 00003-two 00004-four ");
}

static void follows_refs_where_the_index_contradicts_them(void **state)
{
	struct repo *r = *state;

	commit(r, "a", "1", "one");
	commit(r, "a", "2", "two");
	(void)refresh(r);
	(void)repo_sh(r,
		      "a=$(git rev-parse main) b=$(git rev-parse main~1);"
		      "git update-ref refs/fragments/1 $a; git update-ref refs/fragments/2 $b");
	assert_int_equal(refresh(r), 0);
	assert_fragments(r, "00001-two 00002-one ");
}

static void explains_a_held_packed_refs_lock_and_recovers(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;

	(void)repo_sh(r, "for i in $(seq 120); do git commit -q --allow-empty -m c$i; done;"
			 ": >$GIT_DIR/packed-refs.lock");
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), -EBUSY);
	(void)repo_sh(r, "rm $GIT_DIR/packed-refs.lock");
	assert_int_equal(refresh(r), 120);
	assert_string_equal(repo_sh(r, "git for-each-ref refs/fragments | wc -l"), "120");
	assert_string_equal(
		repo_sh(r, "git fsck 2>&1 && git log --oneline refs/fragments/120 | wc -l"),
		"120");
}

static void says_gone_when_the_repository_is(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;

	commit(r, "a", "1", "one");
	(void)refresh(r);
	assert_int_equal(io_remove_tree(r->s.fd, "projects/demo.git"), 0);
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), PROJECT_GONE);
	assert_int_equal(refresh_rebuild(r->p, NULL, NULL), PROJECT_GONE);
}

static void rebuilds_a_deleted_index_when_the_home_is_opened(void **state)
{
	CLEANUP(buf_deinit) struct buf before;
	CLEANUP(buf_deinit) struct buf after;
	struct repo *r = *state;

	buf_init(&before, DUMP_MAX);
	buf_init(&after, DUMP_MAX);
	commit(r, "a", "1", "one");
	commit(r, "b/c", "2", "two");
	(void)refresh(r);
	dump(r, &before);
	assert_int_equal(io_remove_tree(r->s.fd, "index"), 0);
	repo_reopen(r);
	dump(r, &after);
	assert_same(&before, &after);
}

static void opens_a_home_whose_index_is_lost_while_a_project_is_stuck(void **state)
{
	struct repo *r = *state;
	struct refresh_result res;

	(void)repo_sh(r, "for i in $(seq 80); do git commit -q --allow-empty -m c$i; done;"
			 ": >$GIT_DIR/packed-refs.lock");
	assert_int_equal(io_remove_tree(r->s.fd, "index"), 0);
	repo_reopen(r);
	assert_int_equal(refresh_project(r->p, NULL, NULL, &res), -EBUSY);
	(void)repo_sh(r, "rm $GIT_DIR/packed-refs.lock");
	assert_int_equal(refresh(r), 80);
}

/* Random histories, grown by git fast-import in rounds. */
struct history {
	uint64_t seed;
	int n_marks, time;
	FILE *out;
};

static unsigned rnd(struct history *h, unsigned below)
{
	h->seed = h->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(h->seed >> 33) % below;
}

static void random_file(struct history *h)
{
	unsigned value = rnd(h, 40), kind = rnd(h, 10);
	char path[32];

	if (rnd(h, 2))
		(void)snprintf(path, sizeof(path), "d%u/e%u/f%u", rnd(h, 3), rnd(h, 3),
			       rnd(h, 4));
	else
		(void)snprintf(path, sizeof(path), "f%u", rnd(h, 6));
	if (kind == 0)
		(void)fprintf(h->out, "D %s\n", path);
	else if (kind == 1)
		(void)fprintf(h->out, "D d%u\n", rnd(h, 3));
	else
		(void)fprintf(h->out, "M %s inline %s\ndata %d\n%02u\n",
			      kind == 2   ? "120000"
			      : kind == 3 ? "100755"
					  : "100644",
			      path, 3, value);
}

static void random_commit(struct history *h)
{
	int from = h->n_marks ? 1 + (int)rnd(h, (unsigned)h->n_marks) : 0;

	h->n_marks++;
	/* Times run backwards now and then. */
	h->time += (int)rnd(h, 50) - 10;
	(void)fprintf(
		h->out,
		"commit refs/heads/b%u\nmark :%d\ncommitter C <c> %d +0000\ndata 3\nc%d\n",
		rnd(h, 6), h->n_marks, h->time, h->n_marks % 10);
	if (from && rnd(h, 20)) {
		(void)fprintf(h->out, "from :%d\n", from);
		if (!rnd(h, 5) && h->n_marks > 2)
			(void)fprintf(h->out, "merge :%u\n",
				      1 + rnd(h, (unsigned)h->n_marks - 1));
	} else {
		(void)fprintf(h->out, "from 0000000000000000000000000000000000000000\n");
	}
	for (unsigned i = 0, n = rnd(h, 5); i < n; i++)
		random_file(h);
	(void)fprintf(h->out, "\n");
}

static void grow(struct repo *r, struct history *h, unsigned n)
{
	int fd = openat(r->s.fd, "stream", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	h->out = fdopen(fd, "w");
	assert_non_null(h->out);
	for (unsigned i = 0; i < n; i++)
		random_commit(h);
	assert_int_equal(fclose(h->out), 0);
	(void)repo_sh(r,
		      "touch ../marks; git fast-import --quiet --force --import-marks=../marks "
		      "--export-marks=../marks <../stream");
}

/* Each blob of each fragment, by git's own listing, against what the index says. */
static void check_first_seen(struct repo *r)
{
	CLEANUP(free_p)
	char *list = alloc_str(repo_sh(
		r,
		"for s in $(git for-each-ref --format='%(refname:lstrip=2)' refs/fragments | "
		"sort -n); do git log -1 --format='%ct' refs/fragments/$s; "
		"git ls-tree -r refs/fragments/$s; done"));
	struct oidmap seen;
	int64_t time = 0;
	char *save = NULL;

	oidmap_init(&seen);
	for (char *line = strtok_r(list, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *hex = strchr(line, ' ');
		struct oid oid;
		int64_t got;

		if (!hex) {
			time = 0;
			for (const char *d = line; *d; d++)
				time = time * 10 + (*d - '0');
			continue;
		}
		hex = strchr(hex + 1, ' ') + 1;
		assert_true(oid_parse(hex, OID_HEX_LEN, &oid));
		if (!oidmap_add(&seen, &oid, 0))
			continue;
		assert_int_equal(blob_first_seen(r->p, &oid, &got), 0);
		assert_int_equal(got, time);
	}
	oidmap_deinit(&seen);
}

static void check_order(struct repo *r)
{
	const char *text = repo_sh(
		r, "git for-each-ref --format='%(refname:lstrip=2) %(objectname) %(parent)' "
		   "refs/fragments | sort -n | awk '{ for (i = 3; i <= NF; i++) if (!($i in "
		   "seen)) "
		   "{ print \"child before parent\", $1; exit } seen[$2] = 1; "
		   "if ($1 != NR) { print \"gap at\", NR; exit } }'");

	assert_string_equal(text, "");
}

static void rebuilds_random_histories_byte_by_byte(void **state)
{
	CLEANUP(buf_deinit) struct buf grown;
	CLEANUP(buf_deinit) struct buf rebuilt;
	struct repo *r = *state;
	struct history h = {.seed = 20261123, .time = 1600000000};

	buf_init(&grown, DUMP_MAX);
	buf_init(&rebuilt, DUMP_MAX);
	for (int round = 0; round < 14; round++) {
		grow(r, &h, round % 3 ? 4 : 90);
		(void)refresh(r);
		(void)repo_sh(r,
			      "for b in $(git for-each-ref --format='%(refname)' refs/heads | "
			      "head -n 2); do git update-ref -d $b; done");
		if (round % 4 == 3)
			(void)repo_sh(r, "git pack-refs --all; git gc -q --prune=never");
		(void)refresh(r);
	}
	check_order(r);
	check_first_seen(r);
	dump(r, &grown);
	assert_int_equal(refresh_rebuild(r->p, NULL, NULL), 0);
	dump(r, &rebuilt);
	assert_same(&grown, &rebuilt);
	assert_int_equal(io_remove_tree(r->s.fd, "index"), 0);
	repo_reopen(r);
	dump(r, &rebuilt);
	assert_same(&grown, &rebuilt);
	assert_int_equal(refresh(r), 0);
}

struct race {
	struct repo *r;
	atomic_bool stop;
	atomic_uint bad, rounds;
};

struct chain {
	struct race *race;
	struct project *p;
	uint32_t next;
};

/* Numbers come without a gap, and each is found under its commit and has a head that is there. */
static int check_one(const struct fragment *f, void *arg)
{
	struct chain *c = arg;
	struct fragment same;

	if (f->seq != c->next++ || fragment_by_commit(c->p, &f->commit, &same) ||
	    same.seq != f->seq)
		atomic_fetch_add(&c->race->bad, 1);
	return 0;
}

static void *read_on(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		struct chain c = {.race = race, .next = 1};
		struct project_head head;
		uint32_t last;

		if (project_open(race->r->st, "demo", &c.p)) {
			atomic_fetch_add(&race->bad, 1);
			continue;
		}
		if (fragment_last(c.p, &last) || fragment_each(c.p, 1, check_one, &c) ||
		    c.next < last + 1 || project_head(c.p, &head))
			atomic_fetch_add(&race->bad, 1);
		atomic_fetch_add(&race->rounds, 1);
		project_unref(c.p);
	}
	return NULL;
}

static void *refresh_on(void *arg)
{
	struct race *race = arg;
	struct refresh_result res;

	while (!atomic_load(&race->stop)) {
		if (refresh_project(race->r->p, NULL, NULL, &res))
			atomic_fetch_add(&race->bad, 1);
	}
	return NULL;
}

static void eight_readers_and_two_refreshers_see_whole_states(void **state)
{
	struct race race = {.r = *state};
	pthread_t t[9];
	uint32_t last;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_on, &race), 0);
	assert_int_equal(pthread_create(&t[8], NULL, refresh_on, &race), 0);
	for (int i = 0; i < 12; i++) {
		CLEANUP(free_p) char *text = alloc_fmt("%d", i);

		commit(race.r, "a/b/c", text, "more");
		(void)refresh(race.r);
		if (i % 4 == 3)
			assert_int_equal(refresh_rebuild(race.r->p, NULL, NULL), 0);
	}
	atomic_store(&race.stop, true);
	for (int i = 0; i < 9; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(atomic_load(&race.bad), 0);
	assert_true(atomic_load(&race.rounds) > 8);
	assert_int_equal(fragment_last(race.r->p, &last), 0);
	assert_int_equal(last, 12);
	check_order(race.r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(numbers_what_plain_git_commits),
		T(pins_each_fragment_by_a_ref_of_its_number),
		T(says_that_nothing_moved_when_nothing_did),
		T(notices_a_ref_that_is_rewritten_in_place),
		T(orders_by_parents_then_time_then_id),
		T(finds_tags_of_tags_and_takes_no_offence_at_tags_of_trees),
		T(numbers_a_detached_head_and_a_head_outside_branches),
		T(survives_broken_refs_and_missing_objects),
		T(numbers_what_a_damaged_commit_does_not_hide),
		T(survives_odd_commits),
		T(gives_no_number_twice_when_refs_are_deleted),
		T(takes_numbers_from_refs_after_a_crash_before_the_index),
		T(follows_refs_where_the_index_contradicts_them),
		T(explains_a_held_packed_refs_lock_and_recovers),
		T(says_gone_when_the_repository_is),
		T(rebuilds_a_deleted_index_when_the_home_is_opened),
		T(opens_a_home_whose_index_is_lost_while_a_project_is_stuck),
		T(rebuilds_random_histories_byte_by_byte),
		T(eight_readers_and_two_refreshers_see_whole_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
