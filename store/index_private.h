/* store/index_private.h - what the files of the index share.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "store/index.h"
#include "store/mdb.h"

/* The read transaction of one thread: renewed for each read, reset after it. */
struct index_reader {
	struct index *ix;
	MDB_txn *txn;
	unsigned depth; /* nested reads share the outermost one's snapshot */
	struct index_reader *prev, *next;
};

struct later_queue; /* store/index_later.c */

struct index {
	MDB_env *env;
	MDB_dbi dbi[INDEX_TABLES];
	bool fresh;

	/* Held for reading by every transaction, for writing while the map changes its size. */
	pthread_rwlock_t map;
	pthread_mutex_t writer; /* one batch of this process at a time; taken before `map` */

	pthread_key_t key; /* this thread's struct index_reader */
	pthread_mutex_t readers_lock;
	struct index_reader *readers;

	struct later_queue *later;
};

/* The same as index_open(), with the size the map starts at. */
int index_open_sized(int home_fd, const char *home, size_t map_size, struct index **ret);

/* Begins or nests a read of this thread. 0 or a fault. */
int index_read_begin(struct index *ix, struct index_reader **ret);
void index_read_end(struct index_reader *r);

/* Begins a write transaction; `ix->writer` is held by the caller and `ix->map`, for reading, by the
 * transaction until index_write_ended(). */
int index_write_begin(struct index *ix, MDB_txn **ret);
void index_write_ended(struct index *ix);

/* Doubles the map; no transaction of this thread is open and it holds `ix->writer`. */
int index_map_grow(struct index *ix);

/* The queue of index_put_later(). */
struct later_queue *later_new(void);
void later_free(struct later_queue *q);
/* Appends the queued value to `ret`; INDEX_MISSING when it is not queued. */
int later_get(struct later_queue *q, enum index_table t, const void *key, size_t key_len,
	      struct buf *ret);
/* Writes what is queued if it has waited long enough or `all`; skipped when a batch is open. */
void later_flush(struct index *ix, bool all);
/* Whether it is time. */
bool later_due(struct later_queue *q);

/* A batch on the writer mutex that is already held; for later_flush(). */
int index_begin_locked(struct index *ix, struct index_batch **ret);
