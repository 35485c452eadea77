/* Records that may be lost: queued in memory, written together.
 *
 * A mount that lists directories computes sizes and listings on the way. Each would cost a
 * synced transaction; a thousand of them cost hardly more than one. So they wait here, visible to
 * every reader of this process, until there are enough of them, or they are a second
 * old and somebody comes by, or the index is closed.
 *
 * Two generations: `now` takes what comes; `written` is what a flush is just writing, and stays
 * visible until its transaction has ended. There is one flush at a time and it never
 * waits for a batch of this process: the thread that holds it may be the one that asks.
 *
 * What is queued is only worth computing again; when the ceiling is reached it is dropped.
 */
#include "store/index_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
	BUCKETS = 4096,
	AGE_MS = 1000,
	WRITE_COUNT = 4096,
	WRITE_BYTES = 4 << 20,
	HOLD_BYTES = 32 << 20, /* what waits while a batch is open elsewhere */
	ENTRY_OVERHEAD = 64,
};

struct entry {
	struct entry *next;
	uint32_t hash, key_len, val_len;
	enum index_table table;
	unsigned char bytes[]; /* key, value */
};

struct generation {
	struct entry *bucket[BUCKETS];
	size_t n, bytes;
	int64_t since; /* when its first entry came */
};

struct later_queue {
	pthread_mutex_t lock;
	atomic_size_t n;     /* over both generations: readers look here first */
	_Atomic int64_t due; /* when to write; INT64_MAX when there is nothing */
	struct generation *now, *written;
	bool flushing;
};

struct later_queue *later_new(void)
{
	struct later_queue *q = alloc_zero(sizeof(*q));

	pthread_mutex_init(&q->lock, NULL);
	q->now = alloc_zero(sizeof(*q->now));
	q->written = alloc_zero(sizeof(*q->written));
	atomic_store(&q->due, INT64_MAX);
	return q;
}

static void generation_clear(struct generation *g)
{
	for (size_t i = 0; i < BUCKETS && g->n; i++) {
		while (g->bucket[i]) {
			struct entry *e = g->bucket[i];

			g->bucket[i] = e->next;
			free(e);
			g->n--;
		}
	}
	*g = (struct generation){0};
}

void later_free(struct later_queue *q)
{
	generation_clear(q->now);
	generation_clear(q->written);
	free(q->now);
	free(q->written);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* FNV-1a; keys end in an object id, which is well mixed already. */
static uint32_t hash_of(enum index_table t, const unsigned char *key, size_t len)
{
	uint32_t h = 2166136261u ^ (uint32_t)t;

	for (size_t i = 0; i < len; i++)
		h = (h ^ key[i]) * 16777619u;
	return h;
}

static struct entry **slot_of(struct generation *g, uint32_t hash, enum index_table t,
			      const void *key, size_t key_len)
{
	struct entry **at = &g->bucket[hash % BUCKETS];

	while (*at && ((*at)->hash != hash || (*at)->table != t || (*at)->key_len != key_len ||
		       memcmp((*at)->bytes, key, key_len) != 0))
		at = &(*at)->next;
	return at;
}

int later_get(struct later_queue *q, enum index_table t, const void *key, size_t key_len,
	      struct buf *ret)
{
	const struct entry *e;
	uint32_t hash;
	int r;

	if (!atomic_load_explicit(&q->n, memory_order_acquire))
		return INDEX_MISSING;
	hash = hash_of(t, key, key_len);
	LOCKED(&q->lock);
	e = *slot_of(q->now, hash, t, key, key_len);
	if (!e)
		e = *slot_of(q->written, hash, t, key, key_len);
	if (!e)
		return INDEX_MISSING;
	r = buf_add(ret, e->bytes + e->key_len, e->val_len);
	return r ? fail(r, "read a record of %u bytes", e->val_len) : 0;
}

static void put_locked(struct later_queue *q, struct entry *e)
{
	struct generation *g = q->now;
	struct entry **at = slot_of(g, e->hash, e->table, e->bytes, e->key_len);
	struct entry *old = *at;

	e->next = old ? old->next : NULL;
	*at = e;
	g->bytes += e->key_len + e->val_len + ENTRY_OVERHEAD;
	if (old) {
		g->bytes -= old->key_len + old->val_len + ENTRY_OVERHEAD;
		free(old);
		return;
	}
	if (!g->n++) {
		g->since = clock_now(clock_system());
		atomic_store(&q->due, g->since + AGE_MS);
	}
	atomic_fetch_add_explicit(&q->n, 1, memory_order_release);
	if (g->n >= WRITE_COUNT || g->bytes >= WRITE_BYTES)
		atomic_store(&q->due, INT64_MIN);
}

void index_put_later(struct index *ix, enum index_table t, const void *key, size_t key_len,
		     const void *val, size_t val_len)
{
	struct later_queue *q = ix->later;
	struct entry *e;
	bool full;

	if (val_len > WRITE_BYTES)
		return;
	e = malloc(sizeof(*e) + key_len + val_len);
	if (!e)
		return;
	*e = (struct entry){.hash = hash_of(t, key, key_len),
			    .key_len = (uint32_t)key_len,
			    .val_len = (uint32_t)val_len,
			    .table = t};
	memcpy(e->bytes, key, key_len);
	if (val_len)
		memcpy(e->bytes + key_len, val, val_len);
	pthread_mutex_lock(&q->lock);
	full = q->now->bytes + q->written->bytes > HOLD_BYTES;
	if (!full)
		put_locked(q, e);
	pthread_mutex_unlock(&q->lock);
	if (full)
		free(e);
	if (later_due(q))
		later_flush(ix, false);
}

bool later_due(struct later_queue *q)
{
	int64_t due = atomic_load_explicit(&q->due, memory_order_relaxed);

	return due != INT64_MAX && (due == INT64_MIN || clock_now(clock_system()) >= due);
}

/* Swaps the generations; false when somebody else is flushing or there is nothing. */
static bool flush_start(struct later_queue *q)
{
	struct generation *g;

	LOCKED(&q->lock);
	if (q->flushing || !q->now->n)
		return false;
	g = q->now;
	q->now = q->written;
	q->written = g;
	q->flushing = true;
	atomic_store(&q->due, INT64_MAX);
	return true;
}

static void flush_end(struct later_queue *q)
{
	LOCKED(&q->lock);
	atomic_fetch_sub(&q->n, q->written->n);
	generation_clear(q->written);
	q->flushing = false;
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
	uint32_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
	int r = x->table != y->table ? (x->table < y->table ? -1 : 1)
				     : memcmp(x->bytes, y->bytes, len);

	return r ? r : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* In key order, which LMDB writes several times faster than any other. */
static void write_sorted(struct index_batch *b, const struct generation *g)
{
	CLEANUP(free_p) struct entry **all = alloc_array(g->n, sizeof(struct entry *));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct entry *e = g->bucket[i]; e; e = e->next)
			all[n++] = e;
	}
	qsort(all, n, sizeof(*all), by_key);
	for (size_t i = 0; !r && i < n; i++)
		r = index_put(b, all[i]->table, all[i]->bytes, all[i]->key_len,
			      all[i]->bytes + all[i]->key_len, all[i]->val_len);
	if (r)
		index_abort(b);
	else
		(void)index_commit(b);
}

void later_flush(struct index *ix, bool all)
{
	const struct index_reader *reader = pthread_getspecific(ix->key);
	struct index_batch *b;

	/* Inside a read the map could not grow. */
	if (reader && reader->depth)
		return;
	if (all)
		pthread_mutex_lock(&ix->writer);
	else if (pthread_mutex_trylock(&ix->writer))
		return;
	if (!flush_start(ix->later)) {
		pthread_mutex_unlock(&ix->writer);
		return;
	}
	/* Both of these end with the writer mutex released. */
	if (!index_begin_locked(ix, &b))
		write_sorted(b, ix->later->written);
	else
		pthread_mutex_unlock(&ix->writer);
	flush_end(ix->later);
}
