/* store/index.h - the rebuildable index: LMDB behind six tables.
 *
 * Records are bytes laid out in store/index_format.h; keys start with the project's id (u64, big-endian)
 * so that a prefix is a project. Nothing here is truth: a reader that finds a record it cannot decode
 * treats it as absent. The file may be deleted at any time, also under a running process, which then
 * goes on with what it has mapped until the next store_open().
 *
 * Any thread reads; a read transaction is kept per thread and renewed. One writer at a time over all
 * processes. The map grows by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct index;
struct index_batch;

enum index_table {
	INDEX_PROJECT,  /* id → what refresh last saw */
	INDEX_FRAGMENT, /* id, seq (u32 BE) → fragment */
	INDEX_COMMIT,   /* id, commit oid → seq */
	INDEX_BLOB,     /* id, blob oid → first-seen time; only a refresh writes it */
	INDEX_SIZE,     /* id, blob oid → size; filled as sizes are asked for */
	INDEX_TREE,     /* id, tree oid → complete listing */
	INDEX_TABLES,
};

enum index_outcome {
	INDEX_MISSING = 1,
	INDEX_THERE, /* index_put_new(): there is such a key already */
};

/* An index that is missing, damaged or of another version is made anew, empty. A process opens a home's
 * index once at a time (LMDB's locks demand it). */
int index_open(int home_fd, const char *home, struct index **ret);
void index_close(struct index *ix); /* flushes what index_put_later() holds; accepts NULL */

/* True when index_open() found none that it could use: everything must be put in again. */
bool index_is_fresh(const struct index *ix);

/* Appends the value to `ret`. 0, INDEX_MISSING, or a fault. */
int index_get(struct index *ix, enum index_table t, const void *key, size_t key_len,
	      struct buf *ret);

/* In ascending key order, all keys that start with `prefix` and are not below `from` (NULL: the first), until
 * `fn` returns non-zero. Runs inside a read transaction: `fn` must not write to the index and should be
 * quick; key and value are borrowed. */
typedef int (*index_fn)(const void *key, size_t key_len, const void *val, size_t val_len,
			void *arg);
int index_each(struct index *ix, enum index_table t, const void *prefix, size_t prefix_len,
	       const void *from, size_t from_len, index_fn fn, void *arg);

/* A write transaction: all or nothing. Waits for other writers. Begin and end it with commit or abort in
 * one thread, which reads nothing through index_each() meanwhile. Reads through index_get() do not
 * see it. A put that fails leaves the batch good for index_abort() only. */
int index_begin(struct index *ix, struct index_batch **ret);
int index_put(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
	      const void *val, size_t val_len);
/* Only if there is no such key: 0 when put, INDEX_THERE when it was there. */
int index_put_new(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
		  const void *val, size_t val_len);
int index_batch_get(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
		    struct buf *ret);
int index_delete(struct index_batch *b, enum index_table t, const void *key, size_t key_len);
int index_delete_prefix(struct index_batch *b, enum index_table t, const void *prefix,
			size_t prefix_len);
int index_commit(struct index_batch *b); /* ends the batch also when it fails */
void index_abort(struct index_batch *b); /* accepts NULL */

/* For things that can be computed again (sizes, listings): queued, bounded, written in batches. Seen by
 * index_get() of this process at once. Never fails: what does not fit is dropped. Not for INDEX_PROJECT,
 * INDEX_FRAGMENT, INDEX_COMMIT and INDEX_BLOB, which only a refresh writes. */
void index_put_later(struct index *ix, enum index_table t, const void *key, size_t key_len,
		     const void *val, size_t val_len);
