/* gc packs what is loose, keeps what is numbered, and clears what nobody can want. */
#include "store/gc.h"

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

#include "base/buf.h"
#include "base/io.h"
#include "store/blob.h"
#include "store/fragment.h"
#include "store/fsck.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project.h"
#include "store/refresh.h"
#include "store/store.h"
#include "tests/repo.h"

static const struct gc everything = {.cache_limit = 0};

static void complain(const struct fsck_finding *f, void *arg)
{
	print_error("%s\n", f->words);
}

static void assert_clean(struct repo *r)
{
	struct fsck how = {.fn = complain};
	struct fsck_result res = {0};

	assert_int_equal(fsck_store(r->st, &how, &res), 0);
	assert_int_equal(res.n_problems + res.n_notes, 0);
}

static void grow(struct repo *r)
{
	(void)repo_sh(r,
		      "for i in $(seq 12); do echo $i >f; git add f; git commit -qm c$i; done");
}

static void packs_loose_objects_and_refs(void **state)
{
	struct repo *r = *state;
	struct gc_result res = {0};

	grow(r);
	assert_int_equal(gc_store(r->st, &everything, &res), 0);
	assert_int_equal(res.n_packed, 1);
	assert_true(res.bytes_after < res.bytes_before);
	assert_string_equal(repo_sh(r, "git count-objects | cut -d' ' -f1"), "0");
	assert_string_equal(repo_sh(r, "find $GIT_DIR/refs -type f | wc -l"), "0");
	assert_string_equal(repo_sh(r, "git for-each-ref refs/fragments | wc -l"), "12");
	assert_clean(r);
	assert_int_equal(gc_store(r->st, &everything, &res), 0);
	assert_clean(r);
}

static void keeps_fragments_that_no_branch_reaches(void **state)
{
	struct repo *r = *state;
	struct gc_result res = {0};
	struct refresh_result fresh;

	grow(r);
	assert_int_equal(refresh_project(r->p, NULL, NULL, &fresh), 0);
	(void)repo_sh(
		r, "git checkout -q --orphan other; git commit -qm other; git branch -qD main;"
		   "rm -rf $GIT_DIR/logs");
	assert_int_equal(gc_project(r->p, true, &res), 0);
	assert_string_equal(repo_sh(r, "git show refs/fragments/7:f"), "7");
	assert_string_equal(repo_sh(r, "ls $GIT_DIR/objects/pack/*.pack | wc -l"), "1");
	assert_clean(r);
}

static void numbers_commits_before_it_packs(void **state)
{
	struct repo *r = *state;
	struct gc_result res = {0};
	uint32_t last;

	grow(r);
	assert_int_equal(gc_project(r->p, false, &res), 0);
	assert_int_equal(fragment_last(r->p, &last), 0);
	assert_int_equal(last, 12);
}

static void leaves_a_project_alone_that_is_imported_into(void **state)
{
	struct repo *r = *state;
	struct gc_result res = {0};
	int lock;

	grow(r);
	assert_int_equal(project_lock(r->p, "import", false, &lock), 0);
	assert_int_equal(gc_project(r->p, false, &res), PROJECT_LOCKED);
	assert_int_equal(gc_store(r->st, &everything, &res), 0);
	assert_int_equal(res.n_locked, 1);
	assert_int_equal(res.n_packed, 0);
	close(lock);
}

static void removes_locks_of_an_earlier_boot_only(void **state)
{
	struct repo *r = *state;
	struct gc_result res = {0};

	grow(r);
	(void)repo_sh(
		r, "touch -d 1990-01-01 $GIT_DIR/packed-refs.lock $GIT_DIR/refs/heads/x.lock;"
		   "touch $GIT_DIR/refs/heads/y.lock");
	assert_int_equal(gc_project(r->p, false, &res), 0);
	assert_int_equal(res.n_locks, 2);
	assert_string_equal(
		repo_sh(r, "find $GIT_DIR -name '*.lock' ! -name 'fragfs*' | wc -l"), "1");
}

static int count(const void *key, size_t key_len, const void *val, size_t val_len, void *arg)
{
	++*(unsigned *)arg;
	return 0;
}

static void drops_records_of_projects_that_vanished(void **state)
{
	struct repo *r = *state;
	struct gc_result res = {0};
	struct refresh_result fresh;
	unsigned char key[INDEX_PROJECT_KEY_LEN];
	struct project *p;
	unsigned n = 0;
	uint64_t id;

	assert_int_equal(project_create(r->st, "other", &p), 0);
	(void)repo_sh(r, "echo x >x; git add x; git commit -qm x; git push -q "
			 "../projects/other.git main");
	assert_int_equal(refresh_project(p, NULL, NULL, &fresh), 0);
	assert_int_equal(fresh.n_new, 1);
	id = project_id(p);
	project_unref(p);
	assert_int_equal(io_remove_tree(r->s.fd, "projects/other.git"), 0);
	assert_int_equal(gc_store(r->st, &everything, &res), 0);
	assert_int_equal(res.n_vanished, 1);
	index_project_key(id, key);
	for (int t = 0; t < INDEX_TABLES; t++)
		assert_int_equal(index_each(store_index(r->st), (enum index_table)t, key,
					    sizeof(key), NULL, 0, count, &n),
				 0);
	assert_int_equal(n, 0);
	assert_clean(r);
}

struct race {
	struct repo *r;
	struct oid blobs[12];
	atomic_bool stop;
	atomic_uint reads, bad;
};

static void *read_on(void *arg)
{
	struct race *race = arg;

	for (unsigned i = 0; !atomic_load(&race->stop); i++) {
		CLEANUP(buf_deinit) struct buf b;
		struct project *p;

		buf_init(&b, 100);
		if (project_open(race->r->st, "demo", &p)) {
			atomic_fetch_add(&race->bad, 1);
			continue;
		}
		if (blob_read(p, &race->blobs[i % 12], &b) || (unsigned)(b.data[0] - '0') > 9)
			atomic_fetch_add(&race->bad, 1);
		atomic_fetch_add(&race->reads, 1);
		project_unref(p);
	}
	return NULL;
}

static void readers_notice_nothing(void **state)
{
	struct race race = {.r = *state};
	struct gc_result res = {0};
	pthread_t t[4];

	grow(race.r);
	for (unsigned i = 0; i < 12; i++)
		race.blobs[i] = repo_oid(race.r, "git rev-parse main~%u:f", i);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_on, &race), 0);
	for (int i = 0; i < 6; i++) {
		(void)repo_sh(race.r, "for i in 1 2 3; do echo y$i$$ >g; git add g;"
				      "git commit -qm more; done");
		assert_int_equal(gc_project(race.r->p, i % 2, &res), 0);
	}
	atomic_store(&race.stop, true);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_true(atomic_load(&race.reads) > 4);
	assert_int_equal(atomic_load(&race.bad), 0);
	assert_clean(race.r);
}

#define T(name) cmocka_unit_test_setup_teardown(name, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(packs_loose_objects_and_refs),
		T(keeps_fragments_that_no_branch_reaches),
		T(numbers_commits_before_it_packs),
		T(leaves_a_project_alone_that_is_imported_into),
		T(removes_locks_of_an_earlier_boot_only),
		T(drops_records_of_projects_that_vanished),
		T(readers_notice_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
