/* The index: what is put is read, by this thread and others, and any damage means a new one. */
#include "store/index.h"

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
#undef fail /* ours is another */

#include "base/buf.h"
#include "base/log.h"
#include "store/index_private.h"
#include "tests/scratch.h"

struct fixture {
	struct scratch s;
	struct index *ix;
};

static void reopen(struct fixture *f, size_t map)
{
	index_close(f->ix);
	f->ix = NULL;
	assert_int_equal(index_open_sized(f->s.fd, f->s.path, map, &f->ix), 0);
}

static int setup(void **state)
{
	static struct fixture f;

	log_open(-1, LOG_LEVEL_ERR, false);
	f = (struct fixture){0};
	scratch_init(&f.s);
	reopen(&f, 1 << 20);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	index_close(f->ix);
	scratch_deinit(&f->s);
	return 0;
}

static void put(struct fixture *f, const char *key, const char *val)
{
	struct index_batch *b;

	assert_int_equal(index_begin(f->ix, &b), 0);
	assert_int_equal(index_put(b, INDEX_SIZE, key, strlen(key), val, strlen(val)), 0);
	assert_int_equal(index_commit(b), 0);
}

static void assert_value(struct fixture *f, const char *key, const char *want)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(index_get(f->ix, INDEX_SIZE, key, strlen(key), &b), 0);
	assert_string_equal(b.data, want);
}

static void assert_absent(struct fixture *f, const char *key)
{
	CLEANUP(buf_deinit) struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(index_get(f->ix, INDEX_SIZE, key, strlen(key), &b), INDEX_MISSING);
	assert_int_equal(b.len, 0);
}

static void keeps_what_was_put_over_a_reopen(void **state)
{
	struct fixture *f = *state;

	assert_true(index_is_fresh(f->ix));
	put(f, "a", "one");
	reopen(f, 1 << 20);
	assert_false(index_is_fresh(f->ix));
	assert_value(f, "a", "one");
	assert_absent(f, "b");
}

static void forgets_what_was_aborted(void **state)
{
	struct fixture *f = *state;
	struct index_batch *b;

	put(f, "a", "one");
	assert_int_equal(index_begin(f->ix, &b), 0);
	assert_int_equal(index_put(b, INDEX_SIZE, "a", 1, "two", 3), 0);
	assert_int_equal(index_delete(b, INDEX_SIZE, "zzz", 3), INDEX_MISSING);
	assert_value(f, "a", "one");
	index_abort(b);
	assert_value(f, "a", "one");
}

static void puts_only_what_is_new_when_asked_to(void **state)
{
	CLEANUP(buf_deinit) struct buf got;
	struct fixture *f = *state;
	struct index_batch *b;

	buf_init(&got, 100);
	put(f, "a", "one");
	assert_int_equal(index_begin(f->ix, &b), 0);
	assert_int_equal(index_put_new(b, INDEX_SIZE, "a", 1, "two", 3), INDEX_THERE);
	assert_int_equal(index_put_new(b, INDEX_SIZE, "b", 1, "two", 3), 0);
	assert_int_equal(index_batch_get(b, INDEX_SIZE, "b", 1, &got), 0);
	assert_string_equal(got.data, "two");
	assert_int_equal(index_commit(b), 0);
	assert_value(f, "a", "one");
	assert_value(f, "b", "two");
}

static int join(const void *key, size_t key_len, const void *val, size_t val_len, void *arg)
{
	struct buf *b = arg;

	assert_int_equal(buf_add(b, key, key_len), 0);
	assert_int_equal(buf_str(b, "="), 0);
	assert_int_equal(buf_add(b, val, val_len), 0);
	assert_int_equal(buf_str(b, " "), 0);
	return b->len > 20 ? 7 : 0;
}

static void walks_a_prefix_in_order_from_a_key_on(void **state)
{
	CLEANUP(buf_deinit) struct buf b;
	struct fixture *f = *state;

	buf_init(&b, 1000);
	put(f, "p2", "y");
	put(f, "p1", "x");
	put(f, "p3", "z");
	put(f, "q1", "no");
	put(f, "o9", "no");
	assert_int_equal(index_each(f->ix, INDEX_SIZE, "p", 1, NULL, 0, join, &b), 0);
	assert_string_equal(b.data, "p1=x p2=y p3=z ");
	buf_clear(&b);
	assert_int_equal(index_each(f->ix, INDEX_SIZE, "p", 1, "p2", 2, join, &b), 0);
	assert_string_equal(b.data, "p2=y p3=z ");
	buf_clear(&b);
	assert_int_equal(index_each(f->ix, INDEX_SIZE, "", 0, NULL, 0, join, &b), 7);
}

static void deletes_a_prefix_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct index_batch *b;
	char key[32];

	put(f, "o", "left");
	put(f, "q", "right");
	assert_int_equal(index_begin(f->ix, &b), 0);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(key, sizeof(key), "p%06d", i);
		assert_int_equal(index_put(b, INDEX_SIZE, key, 7, "x", 1), 0);
	}
	assert_int_equal(index_delete_prefix(b, INDEX_SIZE, "p", 1), 0);
	assert_int_equal(index_commit(b), 0);
	assert_absent(f, "p000000");
	assert_absent(f, "p002500");
	assert_absent(f, "p004999");
	assert_value(f, "o", "left");
	assert_value(f, "q", "right");
}

static void grows_when_the_map_is_full_and_loses_nothing(void **state)
{
	static char val[100000];
	struct fixture *f = *state;
	struct index_batch *b;
	char key[32];

	memset(val, 'v', sizeof(val) - 1);
	put(f, "before", "here");
	assert_int_equal(index_begin(f->ix, &b), 0);
	for (int i = 0; i < 60; i++) {
		(void)snprintf(key, sizeof(key), "k%03d", i);
		assert_int_equal(index_put(b, INDEX_SIZE, key, 4, val, sizeof(val) - 1), 0);
	}
	assert_int_equal(index_commit(b), 0);
	assert_value(f, "before", "here");
	assert_value(f, "k000", val);
	assert_value(f, "k059", val);
	put(f, "after", "there");
	reopen(f, 1 << 20);
	assert_value(f, "k030", val);
	assert_value(f, "after", "there");
}

static void shows_what_is_queued_at_once_and_keeps_it_at_close(void **state)
{
	struct fixture *f = *state;

	index_put_later(f->ix, INDEX_SIZE, "a", 1, "one", 3);
	assert_value(f, "a", "one");
	index_put_later(f->ix, INDEX_SIZE, "a", 1, "two", 3);
	assert_value(f, "a", "two");
	reopen(f, 1 << 20);
	assert_value(f, "a", "two");
}

static void writes_a_long_queue_without_being_asked(void **state)
{
	struct fixture *f = *state;
	struct index_reader *rd;
	MDB_stat st;
	char key[32];

	for (int i = 0; i < 10000; i++) {
		(void)snprintf(key, sizeof(key), "k%05d", i);
		index_put_later(f->ix, INDEX_SIZE, key, 6, key, 6);
	}
	assert_int_equal(index_read_begin(f->ix, &rd), 0);
	assert_int_equal(mdb_stat(rd->txn, f->ix->dbi[INDEX_SIZE], &st), 0);
	index_read_end(rd);
	assert_in_range(st.ms_entries, 8000, 10000);
	assert_value(f, "k00000", "k00000");
	assert_value(f, "k09999", "k09999");
}

/* Each damage, and whether the index must come up empty after it. */
static void damage_garbage(struct fixture *f)
{
	int fd = openat(f->s.fd, "index/data.mdb", O_WRONLY | O_TRUNC);
	char junk[65536];

	memset(junk, 0x5a, sizeof(junk));
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
}

static void damage_truncate(struct fixture *f)
{
	int fd = openat(f->s.fd, "index/data.mdb", O_WRONLY);

	assert_int_equal(ftruncate(fd, 3 * 4096), 0);
	close(fd);
}

static void damage_empty(struct fixture *f)
{
	int fd = openat(f->s.fd, "index/data.mdb", O_WRONLY | O_TRUNC);

	close(fd);
}

static void damage_no_data(struct fixture *f)
{
	assert_int_equal(unlinkat(f->s.fd, "index/data.mdb", 0), 0);
}

static void damage_no_lock(struct fixture *f)
{
	assert_int_equal(unlinkat(f->s.fd, "index/lock.mdb", 0), 0);
}

static void damage_version(struct fixture *f)
{
	MDB_txn *txn;
	MDB_env *env;
	MDB_dbi dbi;
	MDB_val k = {7, (void *)(uintptr_t) "version"}, v = {4, (void *)(uintptr_t) "\xff\0\0"};
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/index", f->s.path);
	assert_int_equal(mdb_env_create(&env), 0);
	mdb_env_set_maxdbs(env, 10);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void starts_anew_after_any_damage(void **state)
{
	static void (*const damages[])(struct fixture *) = {
		damage_garbage, damage_truncate, damage_empty,
		damage_no_data, damage_no_lock,  damage_version,
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		put(f, "a", "one");
		for (int n = 0; n < 50; n++) {
			char key[8];

			(void)snprintf(key, sizeof(key), "x%d", n);
			put(f, key, "filling the file beyond its first pages");
		}
		index_close(f->ix);
		f->ix = NULL;
		damages[i](f);
		reopen(f, 1 << 20);
		assert_true(index_is_fresh(f->ix));
		assert_absent(f, "a");
		put(f, "a", "again");
		assert_value(f, "a", "again");
	}
}

static void goes_on_when_its_files_are_deleted_while_open(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "one");
	assert_int_equal(unlinkat(f->s.fd, "index/data.mdb", 0), 0);
	assert_int_equal(unlinkat(f->s.fd, "index/lock.mdb", 0), 0);
	put(f, "b", "two");
	assert_value(f, "a", "one");
	assert_value(f, "b", "two");
	reopen(f, 1 << 20);
	assert_true(index_is_fresh(f->ix));
	assert_absent(f, "a");
}

enum { READERS = 8, ROUNDS = 1000 };

struct racer {
	struct index *ix;
	atomic_bool stop;
	atomic_uint bad, reads;
};

/* The writer keeps "x" and "y" equal in every transaction. */
static int compare(const void *key, size_t key_len, const void *val, size_t val_len, void *arg)
{
	struct buf *b = arg;

	return buf_add(b, val, val_len);
}

static void *read_on(void *arg)
{
	struct racer *r = arg;

	while (!atomic_load(&r->stop)) {
		CLEANUP(buf_deinit) struct buf b;

		buf_init(&b, 1000);
		if (index_each(r->ix, INDEX_SIZE, "pair", 4, NULL, 0, compare, &b) ||
		    b.len % 2 || memcmp(b.data, b.data + b.len / 2, b.len / 2) != 0)
			atomic_fetch_add(&r->bad, 1);
		atomic_fetch_add(&r->reads, 1);
	}
	return NULL;
}

static void eight_readers_see_whole_transactions_while_the_map_grows(void **state)
{
	static char filler[3000];
	struct fixture *f = *state;
	struct racer r = {.ix = f->ix};
	pthread_t t[READERS];

	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_on, &r), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct index_batch *b;
		char val[16];
		int len = snprintf(val, sizeof(val), "%08d", i);

		assert_int_equal(index_begin(f->ix, &b), 0);
		assert_int_equal(index_put(b, INDEX_SIZE, "pair-x", 6, val, (size_t)len), 0);
		assert_int_equal(index_put(b, INDEX_TREE, val, (size_t)len, filler, 3000), 0);
		assert_int_equal(index_put(b, INDEX_SIZE, "pair-y", 6, val, (size_t)len), 0);
		assert_int_equal(index_commit(b), 0);
		index_put_later(f->ix, INDEX_TREE, "later", 5, val, (size_t)len);
	}
	atomic_store(&r.stop, true);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(atomic_load(&r.bad), 0);
	assert_true(atomic_load(&r.reads) > READERS);
	assert_null(f->ix->readers);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keeps_what_was_put_over_a_reopen),
		T(forgets_what_was_aborted),
		T(puts_only_what_is_new_when_asked_to),
		T(walks_a_prefix_in_order_from_a_key_on),
		T(deletes_a_prefix_and_nothing_else),
		T(grows_when_the_map_is_full_and_loses_nothing),
		T(shows_what_is_queued_at_once_and_keeps_it_at_close),
		T(writes_a_long_queue_without_being_asked),
		T(starts_anew_after_any_damage),
		T(goes_on_when_its_files_are_deleted_while_open),
		T(eight_readers_see_whole_transactions_while_the_map_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
