/* store/index.h - the rebuildable index: LMDB behind seven tables.
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
	INDEX_BLOB,     /* id, blob oid → size, first-seen time */
	INDEX_TREE,     /* id, tree oid → complete listing */
	INDEX_TABLES,
};

enum index_outcome {
	INDEX_MISSING = 1,
};

int index_open(int home_fd, const char *home, struct index **ret);
void index_close(struct index *ix); /* flushes what index_put_later() holds */

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

/* A write transaction: all or nothing. Waits for other writers. End it with commit or abort. Reads
 * through index_get() do not see it. */
int index_begin(struct index *ix, struct index_batch **ret);
int index_put(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
	      const void *val, size_t val_len);
/* Only if there is no such key: 0 when put, INDEX_MISSING + 1 when it was there. */
int index_put_new(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
		  const void *val, size_t val_len);
int index_batch_get(struct index_batch *b, enum index_table t, const void *key, size_t key_len,
		    struct buf *ret);
int index_delete(struct index_batch *b, enum index_table t, const void *key, size_t key_len);
int index_delete_prefix(struct index_batch *b, enum index_table t, const void *prefix,
			size_t prefix_len);
int index_commit(struct index_batch *b);
void index_abort(struct index_batch *b);

/* For things that can be computed again (sizes, listings): queued, bounded, written in batches. Seen by
 * index_get() of this process at once. Never fails: what does not fit is dropped. */
void index_put_later(struct index *ix, enum index_table t, const void *key, size_t key_len,
		     const void *val, size_t val_len);
