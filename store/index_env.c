/* The LMDB environment: opening, discarding, transactions, and the size of its map.
 *
 * Invariants
 *  1. data.mdb and lock.mdb live and die together. If one of them is missing, both are
 *     removed: a lock file of another generation would let two writers meet.
 *  2. Every transaction holds `map` for reading, so the map is resized only when this
 *     process has none. Growth of another process is seen as MDB_MAP_RESIZED and adopted.
 *  3. Opening is serialised over processes by run/index.lock, so that only one of them
 *     decides that an index is beyond use.
 *
 * NOMETASYNC may lose the last transaction at a power cut, never the file; what is lost can be
 * read again from git. NOSYNC would be faster and could not be opened afterwards.
 * A running process whose files were removed goes on with the inode it has mapped.
 *
 * LMDB has no checksums: what is caught here is a file that is no LMDB, of another version of ours,
 * or shorter than it says. Other damage is for fsck to find and for reindex to mend.
 */
#include "store/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/index_format.h"

enum {
	MAX_READERS = 1024, /* threads over all processes */
	MAX_TABLES = INDEX_TABLES + 2,
};

#define MAP_START ((size_t)1 << 30)
#define MAP_MOST  ((size_t)1 << 44)

enum open_outcome {
	OPEN_UNUSABLE = 1, /* there is something, but it must be made anew */
};

static const char *const table_names[INDEX_TABLES] = {
	[INDEX_PROJECT] = "project", [INDEX_FRAGMENT] = "fragment", [INDEX_COMMIT] = "commit",
	[INDEX_BLOB] = "blob",       [INDEX_SIZE] = "size",         [INDEX_TREE] = "tree",
};

static bool exists(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
}

static int discard(int dir)
{
	static const char *const files[] = {"data.mdb", "lock.mdb"};

	for (size_t i = 0; i < 2; i++) {
		if (unlinkat(dir, files[i], 0) && errno != ENOENT)
			return fail(-errno, "remove '%s' of the index", files[i]);
	}
	return 0;
}

/* A file shorter than its own page count would kill us with SIGBUS at the first read. */
static bool is_truncated(MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat page;
	struct stat st;
	int fd;

	if (mdb_env_info(env, &info) || mdb_env_stat(env, &page) || mdb_env_get_fd(env, &fd) ||
	    fstat(fd, &st))
		return true;
	return (uint64_t)st.st_size < (uint64_t)(info.me_last_pgno + 1) * page.ms_psize;
}

/* Reads the version, or writes it into an index that has none yet. */
static int settle_version(MDB_txn *txn, MDB_dbi meta, bool fresh)
{
	static const char name[] = "version";
	MDB_val key = {.mv_size = sizeof(name) - 1, .mv_data = (void *)(uintptr_t)name}, val;
	uint32_t version = INDEX_VERSION;
	struct reader in;
	int r;

	if (fresh) {
		unsigned char le[4] = {INDEX_VERSION & 0xff, INDEX_VERSION >> 8 & 0xff, 0, 0};

		val = (MDB_val){.mv_size = sizeof(le), .mv_data = le};
		return mdb_put(txn, meta, &key, &val, 0);
	}
	r = mdb_get(txn, meta, &key, &val);
	if (r)
		return r == MDB_NOTFOUND ? OPEN_UNUSABLE : r;
	reader_init(&in, val.mv_data, val.mv_size);
	version = reader_u32(&in);
	return in.bad || version != INDEX_VERSION ? OPEN_UNUSABLE : 0;
}

static int open_tables(struct index *ix)
{
	CLEANUP(mdb_txn_abortp) MDB_txn *txn = NULL;
	unsigned flags = ix->fresh ? MDB_CREATE : 0;
	MDB_dbi meta;
	int r = mdb_txn_begin(ix->env, NULL, ix->fresh ? 0 : MDB_RDONLY, &txn);

	if (r)
		return r;
	r = mdb_dbi_open(txn, "meta", flags, &meta);
	if (!r)
		r = settle_version(txn, meta, ix->fresh);
	for (int t = 0; !r && t < INDEX_TABLES; t++)
		r = mdb_dbi_open(txn, table_names[t], flags, &ix->dbi[t]);
	return r ? r : mdb_txn_commit(TAKE(txn));
}

/* 0, OPEN_UNUSABLE (why is logged), or a fault of the machine. */
static int try_open(struct index *ix, const char *path, size_t map_size)
{
	int r = mdb_env_create(&ix->env), dead = 0;

	if (r)
		return fail_mdb(r, "set up the index");
	(void)mdb_env_set_maxreaders(ix->env, MAX_READERS);
	(void)mdb_env_set_maxdbs(ix->env, MAX_TABLES);
	(void)mdb_env_set_mapsize(ix->env, map_size);
	r = mdb_env_open(ix->env, path, MDB_NOTLS | MDB_NOMETASYNC, 0600);
	if (!r && is_truncated(ix->env))
		r = MDB_CORRUPTED;
	if (!r)
		r = open_tables(ix);
	if (!r) {
		(void)mdb_reader_check(ix->env, &dead);
		return 0;
	}
	mdb_env_close(TAKE(ix->env));
	/* Positive codes are errnos: no space, no permission. Making it anew would not help. */
	if (r > OPEN_UNUSABLE && r != EINVAL && r != ENOENT)
		return fail_mdb(r, "open the index '%s'", path);
	log_warn("index: '%s' is unusable (%s), ignoring it and starting a new one", path,
		 r == OPEN_UNUSABLE ? "another version" : mdb_strerror(r));
	return OPEN_UNUSABLE;
}

static int open_or_renew(struct index *ix, int dir, const char *path, size_t map_size)
{
	int r;

	ix->fresh = !exists(dir, "data.mdb") || !exists(dir, "lock.mdb");
	r = ix->fresh ? discard(dir) : 0;
	if (!r)
		r = try_open(ix, path, map_size);
	if (r != OPEN_UNUSABLE)
		return r;
	r = discard(dir);
	ix->fresh = true;
	if (!r)
		r = try_open(ix, path, map_size);
	return r == OPEN_UNUSABLE ? fail(-EIO, "make a new index in '%s'", path) : r;
}

static void reader_forget(void *arg)
{
	struct index_reader *r = arg;
	struct index *ix = r->ix;

	pthread_mutex_lock(&ix->readers_lock);
	if (r->prev)
		r->prev->next = r->next;
	else
		ix->readers = r->next;
	if (r->next)
		r->next->prev = r->prev;
	pthread_mutex_unlock(&ix->readers_lock);
	mdb_txn_abort(r->txn);
	free(r);
}

static struct index *index_new(void)
{
	struct index *ix = alloc_zero(sizeof(*ix));
	pthread_rwlockattr_t attr;

	/* Readers that never pause would keep the map from growing for ever. No thread takes the
	 * lock twice: nested reads share one. */
	(void)pthread_rwlockattr_init(&attr);
	(void)pthread_rwlockattr_setkind_np(&attr,
					    PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&ix->map, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&ix->writer, NULL);
	pthread_mutex_init(&ix->readers_lock, NULL);
	ix->later = later_new();
	return ix;
}

static void index_free(struct index *ix)
{
	while (ix->readers)
		reader_forget(ix->readers);
	if (ix->env)
		mdb_env_close(ix->env);
	later_free(ix->later);
	pthread_mutex_destroy(&ix->readers_lock);
	pthread_mutex_destroy(&ix->writer);
	pthread_rwlock_destroy(&ix->map);
	free(ix);
}

int index_open_sized(int home_fd, const char *home, size_t map_size, struct index **ret)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/index", home);
	CLEANUP(close_p) int lock = -1;
	CLEANUP(close_p) int dir = -1;
	struct index *ix;
	int r = io_mkdir(home_fd, "run", 0700);

	if (!r)
		r = io_mkdir(home_fd, "index", 0700);
	if (!r)
		r = lock_take(home_fd, "run/index.lock", "opening the index", true, &lock);
	if (r)
		return r;
	dir = openat(home_fd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail(-errno, "open directory '%s'", path);
	ix = index_new();
	r = open_or_renew(ix, dir, path, map_size);
	if (!r) {
		r = -pthread_key_create(&ix->key, reader_forget);
		if (r)
			(void)fail(r, "keep readers of the index");
	}
	if (r) {
		index_free(ix);
		return r;
	}
	*ret = ix;
	return 0;
}

int index_open(int home_fd, const char *home, struct index **ret)
{
	return index_open_sized(home_fd, home, MAP_START, ret);
}

void index_close(struct index *ix)
{
	if (!ix)
		return;
	later_flush(ix, true);
	/* Threads that end later must not touch what is freed here. */
	(void)pthread_key_delete(ix->key);
	index_free(ix);
}

bool index_is_fresh(const struct index *ix)
{
	return ix->fresh;
}

static int map_resize(struct index *ix, size_t size)
{
	int r;

	pthread_rwlock_wrlock(&ix->map);
	r = mdb_env_set_mapsize(ix->env, size);
	pthread_rwlock_unlock(&ix->map);
	return r ? fail_mdb(r, "resize the index") : 0;
}

int index_map_grow(struct index *ix)
{
	MDB_envinfo info;
	int r = mdb_env_info(ix->env, &info);

	if (r)
		return fail_mdb(r, "measure the index");
	if (info.me_mapsize >= MAP_MOST)
		return fail(-ENOSPC, "the index is full at %zu bytes", info.me_mapsize);
	return map_resize(ix, info.me_mapsize * 2);
}

static struct index_reader *reader_of_thread(struct index *ix)
{
	struct index_reader *r = pthread_getspecific(ix->key);

	if (r)
		return r;
	r = alloc_zero(sizeof(*r));
	r->ix = ix;
	pthread_mutex_lock(&ix->readers_lock);
	r->next = ix->readers;
	if (r->next)
		r->next->prev = r;
	ix->readers = r;
	pthread_mutex_unlock(&ix->readers_lock);
	(void)pthread_setspecific(ix->key, r);
	return r;
}

static int reader_renew(struct index *ix, struct index_reader *r)
{
	int dead, m;

	if (r->txn)
		return mdb_txn_renew(r->txn);
	m = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &r->txn);
	if (m != MDB_READERS_FULL)
		return m;
	(void)mdb_reader_check(ix->env, &dead);
	return mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &r->txn);
}

int index_read_begin(struct index *ix, struct index_reader **ret)
{
	struct index_reader *r = reader_of_thread(ix);
	int m = 0;

	if (r->depth) {
		r->depth++;
		*ret = r;
		return 0;
	}
	for (int tries = 0; tries < 8; tries++) {
		pthread_rwlock_rdlock(&ix->map);
		m = reader_renew(ix, r);
		if (!m) {
			r->depth = 1;
			*ret = r;
			return 0;
		}
		pthread_rwlock_unlock(&ix->map);
		if (m != MDB_MAP_RESIZED)
			break;
		/* Another process made it grow; size 0 adopts what it made of it. */
		m = map_resize(ix, 0);
		if (m)
			return m;
	}
	return fail_mdb(m, "begin to read the index");
}

void index_read_end(struct index_reader *r)
{
	if (--r->depth)
		return;
	mdb_txn_reset(r->txn);
	pthread_rwlock_unlock(&r->ix->map);
}

int index_write_begin(struct index *ix, MDB_txn **ret)
{
	int m = 0;

	for (int tries = 0; tries < 8; tries++) {
		pthread_rwlock_rdlock(&ix->map);
		m = mdb_txn_begin(ix->env, NULL, 0, ret);
		if (!m)
			return 0;
		pthread_rwlock_unlock(&ix->map);
		if (m != MDB_MAP_RESIZED)
			break;
		m = map_resize(ix, 0);
		if (m)
			return m;
	}
	return fail_mdb(m, "begin to write the index");
}

void index_write_ended(struct index *ix)
{
	pthread_rwlock_unlock(&ix->map);
}
