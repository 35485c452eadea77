/* Tables of the index: get, iterate, and batches that survive a full map.
 *
 * LMDB cannot grow its map under an open transaction, so a batch remembers its operations: when
 * the map is full, the transaction is given up, the map doubled, and everything done once
 * more. The log costs a copy of what is written, which is little beside writing it; writers of
 * a great deal commit every few megabytes (see store/number_index.c).
 *
 * A read costs a renewed transaction and a copy of the value: about half a microsecond.
 */
#include "store/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/index_private.h"

#define LOG_LIMIT ((size_t)1 << 30)

enum {
	KEY_MAX = 511,
	FULL_BYTES = 1 << 20, /* less room than this counts as none */
};

enum op { OP_PUT, OP_PUT_NEW, OP_DELETE, OP_DELETE_PREFIX };

struct index_batch {
	struct index *ix;
	MDB_txn *txn; /* NULL after a failure */
	struct buf log;
};

/* One logged operation, pointing into the log or at the caller's bytes. */
struct change {
	enum op op;
	enum index_table table;
	const void *key, *val;
	size_t key_len, val_len;
};

static MDB_val val_of(const void *data, size_t len)
{
	return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)data};
}

int index_get(struct index *ix, enum index_table t, const void *key, size_t key_len,
	      struct buf *ret)
{
	MDB_val k = val_of(key, key_len), v;
	struct index_reader *rd;
	int r, m;

	if (later_due(ix->later))
		later_flush(ix, false);
	r = later_get(ix->later, t, key, key_len, ret);
	if (r != INDEX_MISSING)
		return r;
	r = index_read_begin(ix, &rd);
	if (r)
		return r;
	m = mdb_get(rd->txn, ix->dbi[t], &k, &v);
	if (!m)
		r = buf_add(ret, v.mv_data, v.mv_size);
	index_read_end(rd);
	if (m == MDB_NOTFOUND)
		return INDEX_MISSING;
	if (m)
		return fail_mdb(m, "read the index");
	return r ? fail(r, "read a record of %zu bytes", v.mv_size) : 0;
}

static bool has_prefix(const MDB_val *k, const void *prefix, size_t len)
{
	return k->mv_size >= len && !memcmp(k->mv_data, prefix, len);
}

int index_each(struct index *ix, enum index_table t, const void *prefix, size_t prefix_len,
	       const void *from, size_t from_len, index_fn fn, void *arg)
{
	MDB_val k = from ? val_of(from, from_len) : val_of(prefix, prefix_len), v;
	MDB_cursor *cursor = NULL;
	struct index_reader *rd;
	int r, m;

	r = index_read_begin(ix, &rd);
	if (r)
		return r;
	m = mdb_cursor_open(rd->txn, ix->dbi[t], &cursor);
	if (!m)
		m = mdb_cursor_get(cursor, &k, &v, k.mv_size ? MDB_SET_RANGE : MDB_FIRST);
	while (!m && !r && has_prefix(&k, prefix, prefix_len)) {
		r = fn(k.mv_data, k.mv_size, v.mv_data, v.mv_size, arg);
		if (!r)
			m = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	index_read_end(rd);
	return m && m != MDB_NOTFOUND ? fail_mdb(m, "walk the index") : r;
}

static int delete_prefix(MDB_txn *txn, MDB_dbi dbi, const struct change *c)
{
	CLEANUP(mdb_cursor_closep) MDB_cursor *cursor = NULL;
	MDB_val k = val_of(c->key, c->key_len), v;
	int m = mdb_cursor_open(txn, dbi, &cursor);

	if (!m)
		m = mdb_cursor_get(cursor, &k, &v, k.mv_size ? MDB_SET_RANGE : MDB_FIRST);
	while (!m && has_prefix(&k, c->key, c->key_len)) {
		m = mdb_cursor_del(cursor, 0);
		/* After a deletion the next one is where the cursor stands. */
		if (!m)
			m = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	return m == MDB_NOTFOUND ? 0 : m;
}

/* LMDB's code; MDB_NOTFOUND and MDB_KEYEXIST are answers. */
static int apply(const struct index_batch *b, const struct change *c)
{
	MDB_dbi dbi = b->ix->dbi[c->table];
	MDB_val k = val_of(c->key, c->key_len), v = val_of(c->val, c->val_len);

	switch (c->op) {
	case OP_PUT:
		return mdb_put(b->txn, dbi, &k, &v, 0);
	case OP_PUT_NEW:
		return mdb_put(b->txn, dbi, &k, &v, MDB_NOOVERWRITE);
	case OP_DELETE:
		return mdb_del(b->txn, dbi, &k, NULL);
	case OP_DELETE_PREFIX:
		return delete_prefix(b->txn, dbi, c);
	}
	return EINVAL;
}

static bool is_answer(int m)
{
	return m == 0 || m == MDB_NOTFOUND || m == MDB_KEYEXIST;
}

static int log_change(struct index_batch *b, const struct change *c)
{
	int r = buf_u8(&b->log, (uint8_t)c->op);

	if (!r)
		r = buf_u8(&b->log, (uint8_t)c->table);
	if (!r)
		r = buf_u16(&b->log, (uint16_t)c->key_len);
	if (!r)
		r = buf_u32(&b->log, (uint32_t)c->val_len);
	if (!r)
		r = buf_add(&b->log, c->key, c->key_len);
	return r ? r : buf_add(&b->log, c->val, c->val_len);
}

static void read_change(struct reader *in, struct change *ret)
{
	ret->op = (enum op)reader_u8(in);
	ret->table = (enum index_table)reader_u8(in);
	ret->key_len = reader_u16(in);
	ret->val_len = reader_u32(in);
	ret->key = reader_bytes(in, ret->key_len);
	ret->val = reader_bytes(in, ret->val_len);
}

/* Grows the map and does everything logged again, until it fits. LMDB's code, or -errno after a
 * failure that was said. */
static int grow_and_replay(struct index_batch *b)
{
	int r, m;

	do {
		struct reader in;

		if (b->txn)
			mdb_txn_abort(TAKE(b->txn));
		index_write_ended(b->ix);
		r = index_map_grow(b->ix);
		if (!r)
			r = index_write_begin(b->ix, &b->txn);
		if (r) {
			/* index_abort() gives the map back once more. */
			pthread_rwlock_rdlock(&b->ix->map);
			return r;
		}
		m = 0;
		reader_init(&in, b->log.data, b->log.len);
		while (is_answer(m) && reader_left(&in)) {
			struct change c;

			read_change(&in, &c);
			m = apply(b, &c);
		}
	} while (m == MDB_MAP_FULL);
	if (!is_answer(m)) {
		mdb_txn_abort(TAKE(b->txn));
		return fail_mdb(m, "write the index again");
	}
	return m;
}

static int change(struct index_batch *b, const struct change *c)
{
	int r, m;

	if (!b->txn)
		return fail(-EIO, "write to a batch that failed before");
	if (!c->key_len || c->key_len > KEY_MAX || c->val_len > UINT32_MAX)
		return fail(-EINVAL, "index a key of %zu bytes", c->key_len);
	r = log_change(b, c);
	if (r)
		return fail(r, "write so much to the index at once");
	m = apply(b, c);
	if (m == MDB_MAP_FULL)
		m = grow_and_replay(b);
	if (is_answer(m))
		return m;
	if (b->txn)
		mdb_txn_abort(TAKE(b->txn));
	/* An errno was said where it was born; LMDB's codes lie far below. */
	return m < 0 && m > -4096 ? m : fail_mdb(m, "write the index");
}

int index_begin_locked(struct index *ix, struct index_batch **ret)
{
	MDB_txn *txn;
	int r = index_write_begin(ix, &txn);
	struct index_batch *b;

	if (r)
		return r;
	b = alloc_zero(sizeof(*b));
	b->ix = ix;
	b->txn = txn;
	buf_init(&b->log, LOG_LIMIT);
	*ret = b;
	return 0;
}

int index_begin(struct index *ix, struct index_batch **ret)
{
	int r;

	pthread_mutex_lock(&ix->writer);
	r = index_begin_locked(ix, ret);
	if (r)
		pthread_mutex_unlock(&ix->writer);
	return r;
}

int index_put(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
	      const void *val, size_t val_len)
{
	return change(b, &(struct change){OP_PUT, t, key, val, key_len, val_len});
}

int index_put_new(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
		  const void *val, size_t val_len)
{
	int r = change(b, &(struct change){OP_PUT_NEW, t, key, val, key_len, val_len});

	return r == MDB_KEYEXIST ? (int)INDEX_THERE : r;
}

int index_batch_get(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
		    struct buf *ret)
{
	MDB_val k = val_of(key, key_len), v;
	int r;

	if (!b->txn)
		return fail(-EIO, "read from a batch that failed before");
	r = mdb_get(b->txn, b->ix->dbi[t], &k, &v);
	if (r == MDB_NOTFOUND)
		return INDEX_MISSING;
	if (r)
		return fail_mdb(r, "read the index in a batch");
	r = buf_add(ret, v.mv_data, v.mv_size);
	return r ? fail(r, "read a record of %zu bytes", v.mv_size) : 0;
}

int index_delete(struct index_batch *b, enum index_table t, const void *key, size_t key_len)
{
	int r = change(b, &(struct change){OP_DELETE, t, key, NULL, key_len, 0});

	return r == MDB_NOTFOUND ? (int)INDEX_MISSING : r;
}

int index_delete_prefix(struct index_batch *b, enum index_table t, const void *prefix,
			size_t prefix_len)
{
	return change(b, &(struct change){OP_DELETE_PREFIX, t, prefix, NULL, prefix_len, 0});
}

static void batch_end(struct index_batch *b)
{
	struct index *ix = b->ix;

	if (b->txn)
		mdb_txn_abort(b->txn);
	index_write_ended(ix);
	pthread_mutex_unlock(&ix->writer);
	buf_deinit(&b->log);
	free(b);
}

/* LMDB calls a short write EIO; on a full disk it is the disk. */
static int name_full_disk(struct index *ix, int r)
{
	struct statvfs fs;
	int fd;

	if (r != EIO || mdb_env_get_fd(ix->env, &fd) || fstatvfs(fd, &fs))
		return r;
	return fs.f_bavail * fs.f_frsize < FULL_BYTES ? ENOSPC : r;
}

int index_commit(struct index_batch *b)
{
	int r;

	if (!b->txn) {
		batch_end(b);
		return fail(-EIO, "commit a batch that failed before");
	}
	r = mdb_txn_commit(TAKE(b->txn));
	while (r == MDB_MAP_FULL) {
		r = grow_and_replay(b);
		if (!is_answer(r)) {
			batch_end(b);
			return r;
		}
		r = mdb_txn_commit(TAKE(b->txn));
	}
	r = name_full_disk(b->ix, r);
	batch_end(b);
	return r ? fail_mdb(r, "commit to the index") : 0;
}

void index_abort(struct index_batch *b)
{
	if (b)
		batch_end(b);
}
